#!/bin/bash
# train --seeds: each seed a run as it would be alone; mean and standard deviation; more seeds and epochs later;
# what is refused leaves nothing.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need_device
"$BERTCL_BUILD/tests/make_tiny_model" "$tmp/model" || exit 1
head -1500 "$BERTCL_TESTS/../sample/speech 1.conll" >"$tmp/data"
train() { "$BERTCL" train --quiet "$@"; }
recipe=(--model "$tmp/model" --data "$tmp/data" --batch 8 --lr 1e-3)
same() { # NAME RUN RUN
    local file
    for file in metrics.jsonl model/model.safetensors best/model.safetensors run.json; do
        cmp -s "$2/$file" "$3/$file" || fail "$1: another $file"
    done
}

printf '{"epochs": 2, "split": 0.8, "split-dev": 0.1}' >"$tmp/config"
check "three seeds" 0 '^SD ' train "${recipe[@]}" --config "$tmp/config" --seeds 3 --out "$tmp/some group/"
grep -q '^Development set$' "$tmp/stdout" && grep -q '^Test set, by the best epoch' "$tmp/stdout" || fail "tables: $(cat "$tmp/stdout")"
[ "$(wc -L <"$tmp/stdout")" -le 80 ] || fail "tables beyond 80 columns"
check "one alone" 0 . train "${recipe[@]}" --config "$tmp/config" --seed 2 --out "$tmp/alone"
same "seed 2" "$tmp/alone" "$tmp/some group/seed-2"
cmp -s "$tmp/some group/seed-1/metrics.jsonl" "$tmp/some group/seed-2/metrics.jsonl" && fail "two seeds are one"
check "json" 0 '"sd":' train --out "$tmp/some group" --resume --json
cmp -s "$tmp/stdout" "$tmp/some group/results.json" || fail "--json is not results.json"
tr -d ' \t\n' <"$tmp/stdout" | grep -qE '^\{"count":3,"mean":\{"train":\{"loss":[0-9.]+\},"dev":\{"loss":[0-9.]+,"accuracy":[0-9.]+,"macro_f1":[0-9.]+,"entity_f1":[0-9.]+\},"eval":.*"sd":.*"seeds":\[\{"seed":0,"folder":"seed-0","epoch":' ||
    fail "results.json: $(tr -d ' \t\n' <"$tmp/stdout")"
for i in 0 1 2; do sed -n '/"eval"/,$p' "$tmp/some group/seed-$i/results.json" | grep -m1 '"loss"' | tr -cd '0-9.\n'; done |
    awk '{ s += $1 } END { printf "%.9f\n", s / NR }' >"$tmp/mean"
sed -n '/"eval"/,$p' "$tmp/some group/results.json" | grep -m1 '"loss"' | tr -cd '0-9.\n' | awk '{ printf "%.9f\n", $1 }' | cmp -s - "$tmp/mean" ||
    fail "the mean is not the runs'"
check "more epochs and seeds" 0 . train --out "$tmp/some group" --resume --epochs 3 --seeds 4
check "an older one, longer" 0 . train --out "$tmp/alone" --resume --epochs 3
same "longer" "$tmp/alone" "$tmp/some group/seed-2"
grep -q '"epoch": 3' "$tmp/some group/seed-3/metrics.jsonl" || fail "the new seed has not the new epochs"
check "fewer seeds" 2 'seeds: there are 4 seeds, of which 2 names 2' train --out "$tmp/some group" --resume --seeds 2
check "another rate" 2 'seed-0/run.json: --lr: the run was started with' train --out "$tmp/some group" --resume --lr 1
tr -d ' \t\n' <"$tmp/some group/seeds.json" | grep -qF '"--lr=0.001","--epochs=3"' || fail "seeds.json: $(cat "$tmp/some group/seeds.json")"
[ -s "$tmp/some group/results.json" ] || fail "what was refused cost the results"
check "exists" 1 'some group: exists; choose another --out' train "${recipe[@]}" --seeds 3 --out "$tmp/some group"
check "a run's folder" 1 'it is no folder of --seeds' train "${recipe[@]}" --seeds 3 --out "$tmp/alone" --resume

bad() { # NAME CODE PATTERN OPTION...
    local name=$1 code=$2 pattern=$3
    shift 3
    check "$name" "$code" "$pattern" train --out "$tmp/bad group" "$@"
    [ -e "$tmp/bad group" ] && { fail "$name: left a folder"; rm -rf "$tmp/bad group"; }
}
bad "both" 2 'seed and --seeds exclude each other' "${recipe[@]}" --seeds 3 --seed 1
bad "no seeds" 2 'seeds: found "few", expected how many' "${recipe[@]}" --seeds few
bad "no data" 1 'nothing-here: ' --model "$tmp/model" --data "$tmp/nothing-here" --seeds 3
bad "no model" 2 'model is needed' --data "$tmp/data" --seeds 3
check "no out" 2 'out is needed' train "${recipe[@]}" --seeds 3
OMPI_COMM_WORLD_RANK=0 bad "a rank" 2 'not for a process that mpirun has started' "${recipe[@]}" --seeds 3

exit $failed
