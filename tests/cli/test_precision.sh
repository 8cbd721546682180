#!/bin/bash
# --precision bf16 in train, eval and predict: what a device does that is not known to be faster in it,
# the forced provider, what results and run.json say, --resume to the same bits, wrong combinations.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
sample="$BERTCL_TESTS/../sample/speech 1.conll"
"$BERTCL_BUILD/tests/make_tiny_model" "$tmp/model" || exit 1
need_device
export BERTCL_TUNE=off # without a tuning nothing is known, and the wish comes to fp32
fallback='^bertcl: .* computes bf16 no faster than fp32 \(.*\): using fp32$'
forced=(--precision bf16 --gemm tile-bf16)
head -3000 "$sample" >"$tmp/data"

run() { # run NAME OPTION...: trains into $tmp/NAME
    local name=$1
    shift
    "$BERTCL" train --model "$tmp/model" --data "$tmp/data" --out "$tmp/$name" --batch 2 --seed 3 "$@"
}
says() { # says FILE PRECISION: what a JSON file has
    grep -qE "\"precision\":[[:space:]]*\"$2\"" "$1" || fail "$1: no precision $2"
}
same() { cmp -s "$tmp/$1/model/model.safetensors" "$tmp/$2/model/model.safetensors"; }

# a wish that is not worth it: one line, and the very run in fp32
check "fp32" 0 'in fp32$' run fp32 --max-steps 5
grep -qE "$fallback" "$tmp/stderr" && fail "fp32: a message without need"
check "wish" 0 "$fallback" run wish --max-steps 5 --precision bf16
[ "$(grep -cE "$fallback" "$tmp/stderr")" = 1 ] || fail "wish: not said once"
same fp32 wish || fail "wish: another model than in fp32"
says "$tmp/wish/results.json" fp32
check "quiet wish" 0 . run quiet --max-steps 5 --precision bf16 --quiet
[ -s "$tmp/stderr" ] && fail "quiet wish: said $(cat "$tmp/stderr")"
check "resume a wish" 0 'complete' run wish --max-steps 5 --precision bf16 --resume

# forced
check "bf16" 0 'by tile-bf16:[0-9x]+ in bf16$' run bf16 --max-steps 5 "${forced[@]}"
says "$tmp/bf16/results.json" bf16
says "$tmp/bf16/run.json" bf16
same fp32 bf16 && fail "bf16: the model of fp32"
check "bf16 again" 0 . run again --max-steps 5 "${forced[@]}"
same bf16 again || fail "bf16: the same seed gave another model"
check "resume in fp32" 2 'precision' run bf16 --max-steps 5 --gemm tile-bf16 --precision fp32 --resume

# Ctrl-C and --resume without a word on precision, of both kinds
for kind in "${forced[*]}" "--precision bf16"; do
    rm -rf "$tmp/whole" "$tmp/stopped"
    # shellcheck disable=SC2086
    run whole --epochs 4 --quiet $kind >"$tmp/stdout" 2>&1 || fail "$kind: whole: $(cat "$tmp/stdout")"
    set -m # or the shell starts it with SIGINT ignored
    # shellcheck disable=SC2086
    "$BERTCL" train --model "$tmp/model" --data "$tmp/data" --out "$tmp/stopped" --batch 2 --seed 3 --epochs 4 --quiet $kind \
        >"$tmp/stdout" 2>&1 &
    pid=$!
    set +m
    wait_until $pid [ -s "$tmp/stopped/metrics.jsonl" ]
    kill -INT $pid
    wait $pid
    if [ -e "$tmp/stopped/results.json" ]; then
        echo "skipped: $kind: Ctrl-C: the run was faster"
    else
        check "$kind: resume" 0 'stopped/model' "$BERTCL" train --out "$tmp/stopped" --resume
        grep -qE "$fallback" "$tmp/stderr" && fail "$kind: resume: a wish again"
    fi
    same whole stopped || fail "$kind: resumed to another model"
    cmp -s "$tmp/whole/metrics.jsonl" "$tmp/stopped/metrics.jsonl" || fail "$kind: resumed to another metrics.jsonl"
done

# eval and predict
score() { "$BERTCL" eval --model "$tmp/bf16/model" --data "$tmp/bf16/test.conll" --json "$@"; }
check "eval" 0 '"precision":.*"fp32"' score
check "eval: wish" 0 "$fallback" score --precision bf16
says "$tmp/stdout" fp32
check "eval: bf16" 0 '"precision":.*"bf16"' score "${forced[@]}" --logits "$tmp/bf16.logits"
check "eval: logits" 0 . score --logits "$tmp/fp32.logits"
cmp -s "$tmp/bf16.logits" "$tmp/fp32.logits" && fail "eval: bf16 gave the logits of fp32"
echo 'the people of b 4' >"$tmp/text"
check "predict: wish" 0 "$fallback" "$BERTCL" predict --model "$tmp/bf16/model" --precision bf16 "$tmp/text"
check "predict: bf16" 0 '"entities"' "$BERTCL" predict --model "$tmp/bf16/model" "${forced[@]}" "$tmp/text"
[ -s "$tmp/stderr" ] && fail "predict: bf16: said $(cat "$tmp/stderr")"

# wrong usage
check "unknown precision" 2 'precision.*fp8.*fp32.bf16.fp16.tf32' run bad --quiet --precision fp8
if ! grep -qE '^ +GPU,' "$tmp/devices"; then
    for precision in fp16 tf32; do
        refusal="precision: found $precision, which needs a GPU with matrix units; .* is a CPU: expected fp32 or bf16"
        check "$precision on a CPU" 2 "$refusal" run bad --quiet --precision $precision
        check "eval: $precision on a CPU" 2 "$refusal" score --precision $precision
        check "predict: $precision on a CPU" 2 "$refusal" "$BERTCL" predict --model "$tmp/bf16/model" --precision $precision "$tmp/text"
        check "bench: $precision on a CPU" 2 "$refusal" "$BERTCL" bench verify --model tiny --precision $precision
    done
fi
check "loss scale in fp32" 2 'loss-scale is of no use without --precision fp16' run bad --quiet --loss-scale 8
check "a loss scale below 1" 2 'loss-scale: found 0.5, expected 1 to' run bad --quiet --precision fp16 --loss-scale 0.5
check "tf32 named fp16" 2 '"mma-tf32:emulated-nvidia": computes tf32, not fp16' run bad --quiet --precision fp16 --gemm mma-tf32:emulated-nvidia
check "provider in bf16 only" 2 '"tile-bf16": computes bf16, not fp32' run bad --quiet --gemm tile-bf16
check "provider in fp32 only" 2 '"tile": computes fp32, not bf16' run bad --quiet --gemm tile --precision bf16
check "no such tile" 2 '"tile-bf16:8x6"' run bad --quiet --gemm tile-bf16:8x6 --precision bf16
check "eval: provider in fp32 only" 2 'computes fp32, not bf16' score --gemm reference --precision bf16
check "predict: provider in bf16 only" 2 'computes bf16, not fp32' "$BERTCL" predict --model "$tmp/bf16/model" --gemm tile-bf16 "$tmp/text"
[ -e "$tmp/bad" ] && fail "wrong usage left a run folder"
exit $failed
