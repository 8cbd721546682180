#!/bin/bash
# train --label-smoothing and --class-weights: the same loss whatever a step is cut into (batches, ranks), resuming to
# the same bits without the file of weights, plain loss in evaluation, what run.json keeps and what is refused.
. "$(dirname "${BASH_SOURCE[0]}")/../cli/common.sh"
. "$(dirname "${BASH_SOURCE[0]}")/../dist/ranks.sh"
need_device
"$BERTCL_BUILD/tests/make_tiny_model" "$tmp/model" || exit 1
head -1500 "$BERTCL_TESTS/../sample/speech 1.conll" >"$tmp/data"
weighted() { "$BERTCL" train --quiet "${recipe[@]}" --label-smoothing 0.1 --class-weights balanced --out "$@"; }
check "weighted" 0 'whole/model' weighted "$tmp/whole"
check "in batches" 0 . weighted "$tmp/batches" --batch 2 --accumulate 4
same_losses "in batches" "$tmp/whole" "$tmp/batches"
check "plain" 0 . "$BERTCL" train --quiet "${recipe[@]}" --out "$tmp/plain"
cmp -s "$tmp/plain/model/model.safetensors" "$tmp/whole/model/model.safetensors" && fail "the options changed nothing"
check "off" 0 . "$BERTCL" train --quiet "${recipe[@]}" --out "$tmp/off" --label-smoothing 0
cmp -s "$tmp/plain/model/model.safetensors" "$tmp/off/model/model.safetensors" || fail "--label-smoothing 0: other bits"
tr -d ' \t\n' <"$tmp/whole/run.json" | grep -qE '"label-smoothing":0.1,"class-weights":"balanced".*"class_weights":\{"O":0\.[0-9]+' ||
    fail "run.json: $(grep -A3 'class' "$tmp/whole/run.json")"
grep -q class_weights "$tmp/plain/run.json" && fail "weights that nobody asked for"

# balanced is n / (K count) of the training labels: those of the run's own O
check "told" 0 '^class weights: O 0\.[0-9]+, ' "$BERTCL" train "${recipe[@]}" --class-weights balanced --max-steps 1 --out "$tmp/told"

# evaluation is plain, whatever was trained on
check "eval" 0 . "$BERTCL" eval --model "$tmp/whole/model" --data "$tmp/whole/test.conll" --json
loss=$(grep -m1 '"loss"' "$tmp/stdout" | tr -d ' \t,')
sed -n '/"eval"/,$p' "$tmp/whole/results.json" | grep -m1 '"loss"' | tr -d ' \t,' | grep -qxF "$loss" || fail "eval: another loss"

# a file; the run goes on without it
printf 'O\t0.25\nI-ORG  3\n\nI-LOC=2\n' >"$tmp/weights"
check "a file" 0 . weighted "$tmp/file" --class-weights "$tmp/weights" --epochs 2
check "a list" 0 . weighted "$tmp/list" --class-weights O=0.25,I-LOC=2,I-ORG=3 --epochs 2
cmp -s "$tmp/file/model/model.safetensors" "$tmp/list/model/model.safetensors" || fail "the list is not the file"
check "half" 0 . weighted "$tmp/half" --class-weights "$tmp/weights" --epochs 1
rm "$tmp/weights"
check "resumed" 0 . "$BERTCL" train --quiet --out "$tmp/half" --resume --epochs 2
for file in model/model.safetensors metrics.jsonl; do
    cmp -s "$tmp/file/$file" "$tmp/half/$file" || fail "resumed: another $file"
done
check "others when resuming" 2 'class-weights: the run was started with' "$BERTCL" train --quiet --out "$tmp/half" --resume --class-weights balanced

bad() { # NAME PATTERN OPTION...
    local name=$1 pattern=$2
    shift 2
    check "$name" 2 "$pattern" "$BERTCL" train --quiet "${recipe[@]}" --out "$tmp/bad" "$@"
    [ -e "$tmp/bad" ] && { fail "$name: left a folder"; rm -rf "$tmp/bad"; }
}
bad "smoothing" 'label-smoothing.* 1\.5' --label-smoothing 1.5
bad "no such file" 'class-weights: found "nothing", which is no file; expected balanced' --class-weights nothing
bad "a tag that is none" 'class-weights: found the tag "I-X", expected one of the data.s: O, ' --class-weights O=1,I-X=2
bad "no number" 'class-weights: found "O=much", expected a tag and a number' --class-weights O=much
bad "negative" 'class-weights: found "O=-1", expected' --class-weights O=-1
bad "twice" 'class-weights: "O" has two weights' --class-weights O=1,O=2
bad "nothing" 'class-weights: found "", expected' --class-weights O=1,
printf 'O 1\nnonsense\n' >"$tmp/weights"
bad "a line" 'weights:2: found "nonsense", expected a tag and a number' --class-weights "$tmp/weights"
awk '{ print $NF }' "$tmp/data" | sort -u | awk 'NF { print $1, 0 }' >"$tmp/weights"
bad "all 0" 'class-weights: all weights are 0' --class-weights "$tmp/weights"
"$BERTCL" train --help | tr -s ' \n' ' ' | grep -qF -- 'good (--epochs 3 --batch 16 --lr 2e-4 --schedule linear --warmup 0.1)' || fail "--help: another recipe"

[ $failed = 0 ] || exit 1
need_ranks
check "two ranks" 0 'ranks/model' weighted "$tmp/ranks" --devices pocl:0,pocl:0 --shares 1,2
same_losses "two ranks" "$tmp/whole" "$tmp/ranks"
exit $failed
