#!/usr/bin/env bash
# The page and the tables of docs/benchmarks/ are what tools/bench_gallery makes of the results that are stored there.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
command -v python3 >/dev/null || { echo "skipped: no python3"; exit 77; }
"$top/tools/bench_gallery" --check || fail "docs/benchmarks: run tools/bench_gallery"
exit 0
