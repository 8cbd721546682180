#!/bin/bash
# One device whose driver never returns: train, eval and predict end with a message that names the call and the kernel,
# and a run goes on from its checkpoint to the same bits.
. "$(dirname "${BASH_SOURCE[0]}")/../cli/common.sh"
need_device
if ldd "$BERTCL" | grep -q libasan; then
    echo "skipped: the sanitizers' library must be loaded before the one that stands between"
    exit 77
fi
"$BERTCL_BUILD/tests/make_tiny_model" "$tmp/model" || exit 1
head -1500 "$BERTCL_TESTS/../sample/speech 1.conll" >"$tmp/data"
recipe=(--model "$tmp/model" --data "$tmp/data" --batch 4 --lr 1e-3 --seed 3 --epochs 2 --save-every 10)

# hangs NAME WHEN PATTERN COMMAND...
hangs() {
    local name=$1 when=$2 pattern=$3
    shift 3
    check "$name" 1 "its driver hangs: cl[A-Za-z]* has not come back for [0-9]* s, .*$pattern" \
        env BERTCL_WATCHDOG=1 "BERTCL_FAULT=-1 hang $when $tmp/$name.marker" "LD_PRELOAD=$BERTCL_BUILD/tests/fault.so" "$@"
    [ -e "$tmp/$name.marker" ] || fail "$name: the driver never failed"
}
"$BERTCL" train --quiet "${recipe[@]}" --out "$tmp/whole" >"$tmp/stdout" 2>&1 || fail "whole: $(cat "$tmp/stdout")"
hangs train "$tmp/train/checkpoint-10" 'cl/[a-z_]*.cl: [a-z_]* .*; the run.s last checkpoint stays: the same command with --resume' \
    "$BERTCL" train --quiet "${recipe[@]}" --out "$tmp/train"
[ -e "$tmp/train/checkpoint-10" ] || fail "train: no checkpoint"
check resumed 0 '' "$BERTCL" train --quiet --out "$tmp/train" --resume
cmp "$tmp/whole/model/model.safetensors" "$tmp/train/model/model.safetensors" || fail "resumed: another model"
hangs eval 60 '' "$BERTCL" eval --model "$tmp/whole" --data "$tmp/data" --quiet
hangs predict 60 '' "$BERTCL" predict --quiet --model "$tmp/whole" "$tmp/data" --input-format conll
exit $failed
