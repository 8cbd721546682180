#!/usr/bin/env bash
# The kernels that GPUs take compile for NVIDIA and AMD with the compilers at hand, and a fault in one is found.
set -eu
tool=$BERTCL_TESTS/../tools/offline_compile
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "FAILED: $*" >&2; exit 1; }

python3 "$tool" --targets "sm_80 gfx1100" >"$work/table" 2>"$work/errors" || {
  if grep -q '^skipped' "$work/errors" && ! grep -q ERROR "$work/errors"; then
    echo "skip: no clang with libclc to compile for GPUs"
    exit 77
  fi
  cat "$work/errors" >&2
  fail "kernels do not compile for GPUs"
}
grep -q '^skipped' "$work/errors" && echo "skipped: $(grep '^skipped' "$work/errors")"
grep -Eq '^(sm_80|gfx1100) .*attention_forward' "$work/table" || fail "no figures of attention_forward"

# what does not compile, calls what is nowhere, or spills, is named, and the status is not 0
printf '__kernel void k(__global float *x) { x[0] = y; }\n' >"$work/broken.cl"
printf 'float other(float);\n__kernel void k(__global float *x) { x[0] = other(x[0]); }\n' >"$work/undefined.cl"
for name in broken undefined; do
  if python3 "$tool" --targets "sm_80 gfx1100" "$work/$name.cl" >"$work/table" 2>"$work/errors"; then
    fail "$name.cl was taken"
  fi
  grep -q "ERROR: .* $name.cl" "$work/errors" || fail "$name.cl is not named: $(cat "$work/errors")"
done
