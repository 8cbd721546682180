#!/usr/bin/env bash
# A launch may be queued in parts, so kernels number their groups by GROUP_ID of cl/grid.h and do not ask for the grid's
# size. Those of the self-test and of the benchmark's limits are never cut.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
asks='get_(group_id|num_groups|global_size|global_offset) *\('
grep -qE "$asks" "$top/cl/bench.cl" || fail "the pattern finds nothing in cl/bench.cl"
found=$(cd "$top/cl" && grep -nE "$asks" $(ls *.cl *.h | grep -vxE 'grid\.h|bench\.cl|selftest\.cl')) || exit 0
fail "cl/$found: use GROUP_ID, or an argument"
