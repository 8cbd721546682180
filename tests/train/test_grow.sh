#!/bin/bash
# --epochs is raised on resume, of a run that is complete and of one that was stopped: with a constant rate it ends at the
# bits of a run that had all epochs from the start.
. "$(dirname "${BASH_SOURCE[0]}")/../cli/common.sh"
sample="$BERTCL_TESTS/../sample/speech 1.conll"
"$BERTCL_BUILD/tests/make_tiny_model" "$tmp/model" || exit 1
need_device
head -1500 "$sample" >"$tmp/data"
train() { "$BERTCL" train --quiet "$@"; }
begin() { train --model "$tmp/model" --data "$tmp/data" --batch 4 --lr 1e-3 --seed 3 --out "$@"; }
same() { # NAME FOLDER
    for file in model/model.safetensors best/model.safetensors metrics.jsonl run.json; do
        cmp -s "$tmp/whole/$file" "$2/$file" || fail "$1: another $file"
    done
    diff <(grep -vE 'tokens_per_s|peak_rss' "$tmp/whole/results.json") <(grep -vE 'tokens_per_s|peak_rss' "$2/results.json") >&2 ||
        fail "$1: other results"
}
check "whole" 0 'whole/model' begin "$tmp/whole" --epochs 4
check "short" 0 'short/model' begin "$tmp/short" --epochs 2
check "fewer epochs" 2 'epochs: the run was started with 2, found 1; leave it out, give a larger one or start' \
    train --out "$tmp/short" --resume --epochs 1
check "as many" 0 '"steps":[[:space:]]*[0-9]+' train --out "$tmp/short" --resume --epochs 2
check "more epochs" 0 'epochs: 4 instead of 2' "$BERTCL" train --out "$tmp/short" --resume --epochs 4
same "a complete run" "$tmp/short"
check "complete again" 0 'the run is complete' "$BERTCL" train --out "$tmp/short" --resume
check "its epochs are kept" 2 'epochs: the run was started with 4, found 3' train --out "$tmp/short" --resume --epochs 3
check "another seed" 2 'seed: the run was started with 3, found 4; leave it out or start' train --out "$tmp/short" --resume --seed 4

check "stopped" 0 . begin "$tmp/stopped" --epochs 2
rm "$tmp/stopped/results.json" # as if killed between the last checkpoint and the results
check "stopped, more epochs" 0 'stopped/model' train --out "$tmp/stopped" --resume --epochs 4
same "a stopped run" "$tmp/stopped"

check "linear" 0 . begin "$tmp/linear" --epochs 1 --schedule linear
check "linear, more epochs" 0 "schedule: the learning rate is a longer run's" "$BERTCL" train --out "$tmp/linear" --resume --epochs 2
cp -r "$tmp/linear" "$tmp/changed"
sed -i '1s/^\([^[:space:]]*\)/\1x/' "$tmp/data"
check "other data" 2 'data changed' train --out "$tmp/changed" --resume --epochs 9
[ -s "$tmp/changed/results.json" ] || fail "other data: the results are lost"
exit $failed
