#!/usr/bin/env bash
# The include graph and the calls between the library's files, see includes.py.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
command -v python3 >/dev/null || { echo "skipped: no python3"; exit 77; }
python3 "$BERTCL_TESTS/package/includes.py" --check-rules
python3 "$BERTCL_TESTS/package/includes.py" "$top" "$BERTCL_BUILD"
