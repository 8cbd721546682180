#!/bin/bash
# One run folder, one writer: twelve pairs of simultaneous starts, resumes among them. One wins, the other is refused
# with one line before it writes; what the winner leaves is of one run. And streams that nobody reads.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
"$BERTCL_BUILD/tests/make_tiny_model" "$tmp/model" || exit 1
need_device
head -1500 "$BERTCL_TESTS/../sample/speech 1.conll" >"$tmp/data"
recipe=(--model "$tmp/model" --data "$tmp/data" --epochs 3 --batch 4 --save-every 5 --quiet)

# Both at once; the codes in $one and $two. Their seeds differ where they may, so that a mixture shows.
pair() { # OUT, then the options of each up to "--"
    local out=$1 first=() second=()
    shift
    while [ "$1" != and ]; do first+=("$1"); shift; done
    shift
    second=("$@")
    mkfifo "$tmp/go"
    (read -r _ <"$tmp/go"; exec "$BERTCL" train --out "$out" "${first[@]}" >"$tmp/out1" 2>"$tmp/err1") &
    local a=$!
    (read -r _ <"$tmp/go"; exec "$BERTCL" train --out "$out" "${second[@]}" >"$tmp/out2" 2>"$tmp/err2") &
    local b=$!
    sleep 0.05
    printf 'go\ngo\n' >"$tmp/go"
    wait $a; one=$?
    wait $b; two=$?
    rm "$tmp/go"
}

# One is done, the other refused with one line; or, when they did not overlap, the later found a complete run.
judge() { # NAME OUT
    local name=$1 out=$2 winner
    if [ $one = 0 ] && [ $two = 0 ]; then
        cat "$tmp/out1" "$tmp/out2" | grep -q '"train"' || fail "$name: both trained"
        winner=both
    elif [ $one = 0 ]; then
        winner=1
    elif [ $two = 0 ]; then
        winner=2
    else
        fail "$name: exits $one and $two: $(cat "$tmp/err1" "$tmp/err2")"
        return
    fi
    if [ $winner != both ]; then
        local loser=$((3 - winner))
        [ "$(wc -l <"$tmp/err$loser")" = 1 ] && grep -qE 'in use by|exists|try again' "$tmp/err$loser" ||
            fail "$name: the loser said $(cat "$tmp/err$loser")"
        [ -s "$tmp/out$loser" ] && fail "$name: the loser printed"
    fi
    [ -s "$out/results.json" ] || fail "$name: no results"
    ls -A "$out" | grep -q 'tmp' && fail "$name: left $(ls -A "$out" | tr '\n' ' ')"
    # seed and model belong together
    local seed
    seed=$(sed -n 's/.*"seed":[[:space:]]*\([0-9]*\).*/\1/p' "$out/results.json" | head -1)
    cmp -s "$out/model/model.safetensors" "$tmp/seed$seed/model/model.safetensors" || fail "$name: not the model of seed $seed"
    cmp -s "$out/metrics.jsonl" "$tmp/seed$seed/metrics.jsonl" || fail "$name: not the metrics of seed $seed"
    grep -qE "\"seed\":[[:space:]]*$seed,?" "$out/run.json" || fail "$name: run.json is of another seed"
}

for seed in 1 2; do
    "$BERTCL" train "${recipe[@]}" --seed $seed --out "$tmp/seed$seed" >/dev/null || fail "seed $seed"
done
for n in 1 2 3 4; do
    pair "$tmp/new$n" "${recipe[@]}" --seed 1 and "${recipe[@]}" --seed 2
    judge "two new $n" "$tmp/new$n"
    pair "$tmp/either$n" "${recipe[@]}" --seed 1 --resume and "${recipe[@]}" --seed 2 --resume
    judge "two that may resume $n" "$tmp/either$n"
    # a run that was killed
    "$BERTCL" train "${recipe[@]}" --seed 1 --out "$tmp/killed$n" >/dev/null 2>&1 &
    pid=$!
    for _ in $(seq 1000); do
        ls "$tmp/killed$n" 2>/dev/null | grep -q '^checkpoint-' && break
        sleep 0.01
    done
    kill -KILL $pid 2>/dev/null
    wait $pid 2>/dev/null
    pair "$tmp/killed$n" --resume --quiet and --resume --quiet
    judge "two resumes $n" "$tmp/killed$n"
done

# a lock that a killed process left is none
mkdir "$tmp/dead" && : >"$tmp/dead/.lock"
check "an abandoned lock" 0 'dead/model' "$BERTCL" train "${recipe[@]}" --out "$tmp/dead"
mkdir "$tmp/other" && : >"$tmp/other/letter"
check "a folder of others" 1 'other: exists' "$BERTCL" train "${recipe[@]}" --out "$tmp/other"
check "a folder of others, resumed" 1 'other: holds files but no run.json' "$BERTCL" train "${recipe[@]}" --out "$tmp/other" --resume
[ "$(ls -A "$tmp/other")" = letter ] || fail "a folder of others: $(ls -A "$tmp/other")"

# the reader of stdout goes: the run goes on
"$BERTCL" train "${recipe[@]}" --seed 1 --out "$tmp/piped" | head -1 >/dev/null
[ "${PIPESTATUS[0]}" = 0 ] || fail "train | head: exit ${PIPESTATUS[0]}"
cmp -s "$tmp/piped/model/model.safetensors" "$tmp/seed1/model/model.safetensors" || fail "train | head: another model"
# closed streams: no message lands in a file of the run
"$BERTCL" train --model "$tmp/model" --data "$tmp/data" --epochs 3 --batch 4 --save-every 5 --seed 1 --out "$tmp/closed" <&- >&- 2>&- ||
    fail "closed streams: exit $?"
for file in model/model.safetensors metrics.jsonl; do
    cmp -s "$tmp/closed/$file" "$tmp/seed1/$file" || fail "closed streams: another $file"
done
grep -rlE 'data: [0-9]+ sentences|^epoch 1: ' "$tmp/closed" && fail "closed streams: messages in the files above"

# Ctrl-C before the first step, while kernels are compiled: answered at once, and nothing is saved. Should the first step
# be through before the signal comes, a checkpoint is.
setsid env BERTCL_CACHE_DIR="$tmp/cold/bertcl" POCL_CACHE_DIR="$tmp/cold/pocl" "$BERTCL" train --model "$tmp/model" --data "$tmp/data" \
    --epochs 3 --batch 4 --seed 1 --out "$tmp/early" >"$tmp/stdout" 2>"$tmp/err" &
pid=$!
begun() { [ -s "$tmp/early/run.json" ]; }
wait_until $pid begun
kill -INT -$pid
wait $pid
code=$?
[ $code = 130 ] && grep -q '^bertcl: stopping' "$tmp/err" || fail "early Ctrl-C: exit $code: $(cat "$tmp/err")"
if ! grep -q 'stopped at step' "$tmp/err"; then
    grep -q 'stopping before the first step' "$tmp/err" && tail -1 "$tmp/err" | grep -q 'stopped while kernels are compiled' ||
        fail "early Ctrl-C: $(cat "$tmp/err")"
    ls -d "$tmp/early/checkpoint-"* 2>/dev/null && fail "early Ctrl-C: a checkpoint of nothing"
fi
check "resumed" 0 'early/model' "$BERTCL" train --quiet --resume --out "$tmp/early"
cmp -s "$tmp/early/metrics.jsonl" "$tmp/seed1/metrics.jsonl" || fail "early Ctrl-C: another run"
exit $failed
