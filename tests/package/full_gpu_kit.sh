#!/usr/bin/env bash
# The kit for bare GPU machines with PoCL in the place of NVIDIA's driver: what it carries is enough, its stages run, and
# a stage that fails is told.
. "$(dirname "${BASH_SOURCE[0]}")/../cli/common.sh"
need_device
pocl=/etc/OpenCL/vendors/pocl.icd
[ -f $pocl ] || { echo "skipped: no PoCL"; exit 77; }
top=$BERTCL_TESTS/..
"$BERTCL_BUILD/tests/make_tiny_model" "$tmp/model" || fail "no tiny model"
mkdir -p "$tmp/corpus/tagged-training" "$tmp/corpus/tagged-test"
cp "$top"/sample/*[1-4].conll "$tmp/corpus/tagged-training/"
cp "$top"/sample/*5.conll "$tmp/corpus/tagged-test/"
prepare() { bash "$top/tools/gpu_kit/prepare" --build "$BERTCL_BUILD" --model "$tmp/model" --out "$tmp/kit" "$@"; }
prepare --corpus "$tmp/corpus" || fail "prepare"
kit() { # STAGE...: in a folder of its own, without the caller's OpenCL and caches
    env -i PATH="$PATH" HOME="$tmp" TMPDIR="$tmp" POCL_CACHE_DIR="$POCL_CACHE_DIR" BERTCL_ICD=$pocl BERTCL_KERNELS=gpu STEPS=3 \
        OUT="$tmp/out" TESTS="check_ops_attention check_train_feed" bash "$tmp/kit/run" "$@" >"$tmp/log" 2>&1
}
kit devices tests train eval || fail "stages: $(tail -3 "$tmp/log")"
grep -q 'two runs: the same bits' "$tmp/log" || fail "two runs were not the same"
[ "$(grep -c -- '--- .*: exit 0,' "$tmp/log")" = 6 ] || fail "stages: $(grep -- '---' "$tmp/log")"
[ -s "$tmp/out/train-results.json" ] || fail "no results came back"
kit unknown && fail "an unknown stage was taken"
grep -q 'no stage unknown' "$tmp/log" || fail "an unknown stage is not told"
prepare --corpus "$tmp/model" 2>"$tmp/stderr" && fail "a folder that is no corpus was taken"
grep -q 'no corpus: --corpus FOLDER' "$tmp/stderr" || fail "no corpus: $(cat "$tmp/stderr")"
exit $failed
