#!/bin/bash
# train --devices: a driver that returns errors or wrong numbers, crashes or never returns, in one rank, at each stage of
# a run: the run ends with a model, and the device is named with the reason.
. "$(dirname "${BASH_SOURCE[0]}")/../cli/common.sh"
. "$(dirname "${BASH_SOURCE[0]}")/ranks.sh"
need_ranks
if ldd "$BERTCL" | grep -q libasan; then
    echo "skipped: the sanitizers' library must be loaded before the one that stands between"
    exit 77
fi
recipe+=(--batch 4 --epochs 2 --save-every 10 --keep-all)

# hurt NAME RANK KIND WHEN PATTERN [OPTION...]
hurt() {
    local name=$1 fault="$2 $3 $4 $tmp/$1.marker" pattern=$5
    shift 5
    BERTCL_WATCHDOG=2 faulty "$fault" "$BERTCL" train --quiet "${recipe[@]}" --out "$tmp/$name" \
        --devices pocl:0,pocl:0,pocl:0 "$@" >"$tmp/$name.out" 2>"$tmp/$name.err" ||
        fail "$name: exit $?: $(cat "$tmp/$name.err")"
    [ -e "$tmp/$name.marker" ] || fail "$name: the driver never failed"
    survived "$name" "$pattern"
}
hurt probing 1 error probe 'pocl:0'
hurt start 2 error 40 'out of device resources|no device'
hurt compiling 1 kill 30 'signal 9|has died'
hurt hanging 2 hang 600 'its driver hangs: nothing came of it for [0-9]* s'
hurt error 1 error 700 'out of device resources' --wire bf16
hurt nan 1 nan 600 'not finite|wrong numbers'
hurt wrong 2 wrong 600 'wrong numbers: a sentence that all compute: .*limit 0.02' --wire bf16 --save-every 1000
hurt checkpoint 0 kill "$tmp/checkpoint/checkpoint.tmp.*" 'signal 9|has died'
hurt evaluation 0 error "$tmp/evaluation/best" 'out of device resources'

# The lead's device lies from the last checkpoint on, while it alone evaluates: the figures are another's, and right.
figures() { # loss, accuracy and labels of the evaluations, without the devices and times
    sed -n '/"devices"/,$d; /per_s\|seconds\|"rss/d; p' "$tmp/$1/results.json" | grep -E '"(loss|accuracy|f1-score)"'
}
split=(--shares 1,1,1 --split 0.6,0.2)
"$BERTCL" train --quiet "${recipe[@]}" --out "$tmp/healthy" --devices pocl:0,pocl:0,pocl:0 "${split[@]}" \
    >"$tmp/stdout" 2>&1 || fail "healthy: $(cat "$tmp/stdout")"
[ "$(figures healthy | wc -l)" -ge 6 ] || fail "healthy: no figures"
last=$(basename "$(ls -d "$tmp/healthy"/checkpoint-*)")
for name in wrong zero; do
    hurt $name-end 0 $name "$tmp/$name-end/$last" 'wrong numbers' "${split[@]}"
    [ "$(figures $name-end)" = "$(figures healthy)" ] || fail "$name: $(diff <(figures $name-end) <(figures healthy))"
done

# Labels that are none, from the only device: no report of them.
evaluate=("$BERTCL" eval --model "$tmp/healthy/model" --data "$tmp/data" --device pocl:0)
faulty "-1 count 1 $tmp/calls" "${evaluate[@]}" >"$tmp/stdout" 2>&1 || fail "eval: $(cat "$tmp/stdout")"
check "eval" 1 'the device computes wrong numbers: a token.s label is [0-9]* .0 to 4 are possible' \
    faulty "-1 wrong $(($(cat "$tmp/calls") - 20)) $tmp/eval.marker" "${evaluate[@]}"

# A device alone: the message, and on with another one.
faulty "0 error 600 $tmp/alone.marker" "$BERTCL" train --quiet "${recipe[@]}" --out "$tmp/alone" --devices pocl:0 \
    >"$tmp/stdout" 2>"$tmp/stderr" && fail "alone: exit 0"
grep -q 'pocl:0: .*out of device resources.*; no device is left; --resume goes on' "$tmp/stderr" ||
    fail "alone: $(cat "$tmp/stderr")"
clean alone
check "alone, resumed" 0 'alone/model' "$BERTCL" train --quiet --out "$tmp/alone" --resume --device pocl:0
exit $failed
