#!/usr/bin/env bash
# The kernels that GPUs take compile for NVIDIA and AMD with the compilers at hand, and a fault in one is found.
set -eu
tool=$BERTCL_TESTS/../tools/offline_compile
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
fail() { echo "FAILED: $*" >&2; exit 1; }

python3 "$tool" --targets "sm_80 gfx1100" --check-units >"$work/table" 2>"$work/errors" || {
  if grep -q '^skipped' "$work/errors" && ! grep -q ERROR "$work/errors"; then
    echo "skip: no clang with libclc to compile for GPUs"
    exit 77
  fi
  cat "$work/errors" >&2
  fail "kernels do not compile for GPUs"
}
grep -q '^skipped' "$work/errors" && echo "skipped: $(grep '^skipped' "$work/errors")"
grep -Eq '^(sm_80|gfx1100) .*attention_forward' "$work/table" || fail "no figures of attention_forward"
disassembles=
grep -q '^skipped: gfx1100: no disassembler' "$work/errors" || disassembles=1
if [ -n "$disassembles" ]; then
  grep -q '^gfx1100: [0-9]* products on its matrix unit, with v_wmma in [0-9]*$' "$work/table" || fail "gfx1100: its matrix unit is not used"
fi
grep -q '^sm_80: [0-9]* products on its matrix unit, with HMMA in [0-9]*, LDSM in [0-9]*, LDGSTS in [0-9]*$' "$work/table" ||
  grep -q '^skipped: sm_80: no disassembler' "$work/errors" || fail "sm_80: its matrix unit is not used"
# products on an emulated unit have none of its instructions, which is found
if [ -n "$disassembles" ]; then
  if python3 "$tool" --targets gfx1100 --check-units --options \
    "-DMATRIX=2 -DBM=32 -DBN=32 -DWM=16 -DWN=16 -DLAYOUT=0 -DA_FP32 -DB_FP32 -DOPERAND=16 -DEMULATE" \
    "$BERTCL_TESTS/../cl/gemm_mma.cl" >"$work/table" 2>"$work/errors"; then
    fail "an emulated unit was taken for one"
  fi
  grep -q 'has no v_wmma' "$work/errors" || fail "the missing instruction is not named: $(cat "$work/errors")"
fi

# what does not compile, calls what is nowhere, or spills, is named, and the status is not 0
printf '__kernel void k(__global float *x) { x[0] = y; }\n' >"$work/broken.cl"
printf 'float other(float);\n__kernel void k(__global float *x) { x[0] = other(x[0]); }\n' >"$work/undefined.cl"
for name in broken undefined; do
  if python3 "$tool" --targets "sm_80 gfx1100" "$work/$name.cl" >"$work/table" 2>"$work/errors"; then
    fail "$name.cl was taken"
  fi
  grep -q "ERROR: .* $name.cl" "$work/errors" || fail "$name.cl is not named: $(cat "$work/errors")"
done
