#!/bin/bash
# bertcl tune: its table and JSON, wrong use, what devices and a following train make of the result, damaged files, and
# the short tuning of a first run. Times are not looked at.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
sample="$BERTCL_TESTS/../sample/speech 1.conll"
"$BERTCL_BUILD/tests/make_tiny_model" "$tmp/model" || exit 1
need_device
head -300 "$sample" >"$tmp/data"
unset BERTCL_TUNE
export BERTCL_CACHE_DIR=$tmp/cache
device=$(sed -n 's/^\([a-z]*:[0-9]*\) .*/\1/p' "$tmp/devices" | grep -v oclgrind | head -1)
device=${BERTCL_DEVICE:-$device}
[ -n "$device" ] || { echo "skipped: no device to tune"; exit 77; }
tune() { "$BERTCL" tune --device "$device" --quick --model "$tmp/model" "$@"; }
train() { "$BERTCL" train --device "$device" --model "$tmp/model" --data "$tmp/data" --max-steps 1 "$@"; }
value() { sed -n "s/.*\"$1\":[[:space:]]*\"\\([^\"]*\\)\".*/\\1/p" "$2" | head -1; } # value KEY FILE: a JSON text

# wrong use: nothing is tuned
check "unknown option" 2 'speed' tune --speed
check "wrong precision" 2 'precision' tune --precision fp8
check "a GPU's precision" 2 'precision: found fp16, which needs a GPU' tune --precision fp16
check "no such device" 1 'none:7' "$BERTCL" tune --device none:7
check "no such model" 1 'nothing' "$BERTCL" tune --device "$device" --model "$tmp/nothing"
check "nowhere to store" 2 'BERTCL_CACHE_DIR' env BERTCL_CACHE_DIR= "$BERTCL" tune --device "$device"
check "help" 0 'precision fp32\|bf16\|fp16\|tf32' "$BERTCL" tune --help
check "not tuned yet" 0 'products in fp32: not tuned' "$BERTCL" devices
[ -z "$(ls -A "$tmp/cache/tune" 2>/dev/null)" ] || fail "something was stored already"

# the table, the file, devices, train
check "tune" 0 'chosen' tune --precision fp32
[ -s "$tmp/stderr" ] && fail "tune without a terminal: wrote to stderr: $(head -1 "$tmp/stderr")"
file=$(sed -n 's/^stored in //p' "$tmp/stdout")
[ -s "$file" ] || fail "the table names no file"
choice=$(value choice "$file")
grep -q "chosen *$choice" "$tmp/stdout" || fail "the file's choice \"$choice\" is not the table's"
[ "$choice" != reference ] || fail "reference was chosen"
check "devices" 0 "products in fp32: $choice, .* GFLOP/s" "$BERTCL" devices
check "devices --json" 0 "\"choice\":[[:space:]]*\"$choice\"" "$BERTCL" devices --json
check "train" 0 "matrix products by $choice" train --out "$tmp/run"
grep -q "first use" "$tmp/stderr" && fail "train tuned although a tuning is stored"
[ "$(value gemm "$tmp/run/run.json")" = "$choice" ] || fail "run.json has not the tuned product"
check "tune --json" 0 '"candidates"' tune --json
for key in device driver tunings precision choice gflops error quick path state; do
    grep -q "\"$key\"" "$tmp/stdout" || fail "tune --json: no key $key"
done
[ "$(grep -c '"candidates"' "$tmp/stdout")" = 2 ] || fail "tune --json: not both precisions"
[ "$(find "$tmp/cache/tune" -type f | wc -l)" = 2 ] || fail "not a file a precision"

# A run resumes with what it used, whatever is stored by then.
forced=tile:4x5x3
case $device in rusticl:*) forced=reference ;; esac
check "train --gemm" 0 "matrix products by $forced" train --out "$tmp/forced" --gemm $forced
rm "$tmp/forced/results.json"
check "resume" 0 "matrix products by $forced" "$BERTCL" train --out "$tmp/forced" --resume

# BERTCL_TUNE=off: the device's default
check "off" 0 'matrix products by' env BERTCL_TUNE=off "$BERTCL" train --device "$device" --model "$tmp/model" --data "$tmp/data" \
    --max-steps 1 --out "$tmp/off"

# a damaged file is named and made again
cp "$file" "$tmp/kept"
for damage in 'head -c 100' 'sed s/tile/tyle/'; do
    $damage "$tmp/kept" >"$file"
    rm -rf "$tmp/again"
    check "damaged by $damage" 0 'matrix products by' train --out "$tmp/again"
    [ "$(grep -c 'tuning again$' "$tmp/stderr")" = 1 ] || fail "damaged by $damage: not one line says so"
    grep -q 'first use of' "$tmp/stderr" || fail "damaged by $damage: was not tuned again"
    grep -q '"quick":[[:space:]]*true' "$file" || fail "damaged by $damage: was not stored again"
done

# the first run, loud and quiet, and the second
rm -r "$tmp/cache"
evaluate() { "$BERTCL" eval --device "$device" --model "$tmp/run/model" --data "$tmp/data" "$@"; }
check "first run" 0 "^bertcl: first use of $device in fp32: tuning" evaluate
check "second run" 0 accuracy evaluate
grep -q "first use" "$tmp/stderr" && fail "the second run tuned again"
check "devices after a first run" 0 'quick tuning' "$BERTCL" devices
rm -r "$tmp/cache"
check "quiet first run" 0 accuracy evaluate --quiet
[ -s "$tmp/stderr" ] && fail "quiet first run: $(head -1 "$tmp/stderr")"
[ -n "$(ls "$tmp/cache/tune")" ] || fail "quiet first run: stored nothing"
rm -r "$tmp/cache"
check "wrong usage" 2 'model' "$BERTCL" eval --data "$tmp/data"
check "forced" 0 accuracy evaluate --gemm reference
check "help of eval" 0 usage "$BERTCL" eval --help
check "nowhere" 0 accuracy env BERTCL_CACHE_DIR= "$BERTCL" eval --device "$device" --model "$tmp/run/model" --data "$tmp/data"
grep -q "first use" "$tmp/stderr" && fail "tuned with nowhere to store"
[ -e "$tmp/cache/tune" ] && fail "help, wrong usage or --gemm tuned"
exit $failed
