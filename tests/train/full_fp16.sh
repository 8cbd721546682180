#!/bin/bash
# fp16 and tf32 on an emulated matrix unit, from the command line: every gradient against double precision, a loss scale
# that overflows, Ctrl-C and --resume to the same bits, eval in fp16. Minutes: the emulation's kernels compile for long.
. "$(dirname "${BASH_SOURCE[0]}")/../cli/common.sh"
sample="$BERTCL_TESTS/../sample/speech 1.conll"
"$BERTCL_BUILD/tests/make_tiny_model" "$tmp/model" || exit 1
need_device
tile=emulated-nvidia:32x32x16x16x2
fp16=(--precision fp16 --gemm mma-fp16:$tile)
head -700 "$sample" >"$tmp/data"

for precision in fp16 tf32; do
    check "$precision: gradients" 0 'model/d classifier.bias.*ok' "$BERTCL" bench verify --model tiny \
        --precision $precision --gemm mma-$precision:$tile
done

train() { # train NAME OPTION...
    local name=$1
    shift
    "$BERTCL" train --model "$tmp/model" --data "$tmp/data" --out "$tmp/$name" --batch 2 --seed 3 "$@" "${fp16[@]}"
}
same() { # same TITLE NAME NAME
    for file in model/model.safetensors metrics.jsonl; do
        cmp -s "$tmp/$2/$file" "$tmp/$3/$file" || fail "$1: another $file"
    done
}
check "fp16" 0 'in fp16$' train first --max-steps 6
check "fp16 again" 0 . train second --max-steps 6
same "fp16 again" first second
grep -q '"loss_scale": 65536, "skipped_steps": 0, ' "$tmp/first/metrics.jsonl" || fail "fp16: no loss_scale in metrics.jsonl"

# 2^27 times the loss leaves fp16 at once
check "overflow" 0 '^step 1: gradients overflowed in fp16 at a loss scale of .*no update is made' train whole --epochs 2 --loss-scale 134217728
[ "$(grep -c 'overflowed' "$tmp/stderr")" = 1 ] || fail "overflow: not said once"
skipped=$(grep -oE '"skipped_steps":[[:space:]]*[0-9]+' "$tmp/whole/results.json" | grep -oE '[0-9]+$')
[ "${skipped:-0}" -ge 1 ] || fail "overflow: skipped_steps $skipped in results.json"
[ "$(grep '"tokens"' "$tmp/whole/metrics.jsonl" | grep -vc '"grad_norm"')" = "$skipped" ] || fail "overflow: metrics.jsonl does not have $skipped steps without a norm"
set -m # or the shell starts it with SIGINT ignored
train stopped --epochs 2 --loss-scale 134217728 --quiet >"$tmp/stdout" 2>&1 &
pid=$!
set +m
wait_until $pid [ -s "$tmp/stopped/metrics.jsonl" ]
kill -INT $pid
wait $pid
if [ -e "$tmp/stopped/results.json" ]; then
    echo "skipped: Ctrl-C: the run was faster"
else
    check "resume" 0 'stopped/model' "$BERTCL" train --out "$tmp/stopped" --resume
fi
same "resume" whole stopped

# Of two ranks one has no sentence of a step, and gradients that are finite: the other one's overflow is no fault.
if [ -x "$(dirname "$BERTCL")/bertcl-rank" ] && command -v mpirun >/dev/null && grep -q '^pocl:0' "$tmp/devices"; then
    check "ranks" 0 'ranks/model' train ranks --quiet --max-steps 4 --batch 1 --loss-scale 134217728 --devices pocl:0,pocl:0 --keep-all
    ! grep -q 'left out' "$tmp/stderr" && grep -qE '"skipped_steps":[[:space:]]*[1-9]' "$tmp/ranks/results.json" ||
        fail "ranks: $(cat "$tmp/stderr")"
fi

check "eval" 0 '"precision":.*"fp16"' "$BERTCL" eval --model "$tmp/whole/model" --data "$tmp/data" --json "${fp16[@]}"
exit $failed
