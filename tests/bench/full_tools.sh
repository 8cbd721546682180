#!/usr/bin/env bash
# tools/bench_devices and tools/bench_limits add to a result and compare with other programs; what speeds they find is not
# looked at.
. "$(dirname "${BASH_SOURCE[0]}")/../cli/common.sh"
. "$(dirname "${BASH_SOURCE[0]}")/../cli/bench.sh"
tools=$BERTCL_TESTS/../tools
export BERTCL
"$BERTCL_BUILD/tests/make_tiny_model" "$tmp/tiny" || fail "make_tiny_model"
for word in a b c d e f g h; do printf '%s O\n\n' $word; done >"$tmp/words.conll"

# training on several devices, and on each alone
check "a result" 0 'product/fp32/nn/480x64x64' bench --only product --json "$tmp/a.json"
if command -v mpirun >/dev/null && [ -x "$(dirname "$BERTCL")/bertcl-rank" ]; then
    devices() { python3 "$tools/bench_devices" "$tmp/a.json" --model "$tmp/tiny" --data "$tmp/words.conll" --batch 4 --steps 4 "$@"; }
    check "several devices" 0 'round 2 of 2' devices --rounds 2 --devices "$device,$device"
    described "$tmp/a.json"
    python3 - "$tmp/a.json" "$device" <<'END' || failed=1
import json, sys
rows = {r["device"]: r for r in json.load(open(sys.argv[1]))["rows"] if r["level"] == "run"}
one, both = rows[sys.argv[2]], rows[f"{sys.argv[2]}+{sys.argv[2]}"]
assert both["devices"] == [sys.argv[2]] * 2 and abs(sum(both["shares"]) - 1) < 0.01 and "devices" not in one, both
for row in one, both:
    assert row["name"] == "run/train/fp32/batch-4" and row["driver"] and len(row["seconds"]["samples"]) == 2, row
    assert abs(row["value"] * row["seconds"]["median"] / row["tokens"] - 1) < 1e-9, row
END
    check "shown" 0 "\\+$device +run/train/fp32/batch-4" "$BERTCL" bench show "$tmp/a.json"
    devices --devices "$device" >"$tmp/stdout" 2>"$tmp/stderr"
    [ $? = 2 ] && grep -q 'expected two or more ids' "$tmp/stderr" || fail "one device: $(tail -1 "$tmp/stderr")"
    check "no such device" 1 'bench_devices: .*none:7' devices --devices "$device,none:7"
else
    echo "skipped: no mpirun or no bertcl-rank: bench_devices"
fi

# limits beside other programs
if python3 -c 'import ctypes; ctypes.CDLL("libopenblas.so.0")' 2>/dev/null; then
    python3 "$tools/bench_limits" --device "$device" --rounds 1 --json "$tmp/limits.json" >"$tmp/stdout" 2>"$tmp/stderr"
    [ $? -le 1 ] && grep -qE '^\| limit/multiply-add/fp32 \| [0-9.]+ \| [0-9.]+ \| OpenBLAS' "$tmp/stdout" ||
        fail "bench_limits: $(tail -2 "$tmp/stdout" "$tmp/stderr")"
    grep -qE '^\| limit/memory/triad \| [0-9.]+ \| [0-9.]+ \| STREAM' "$tmp/stdout" || fail "bench_limits: no triad"
else
    echo "skipped: no libopenblas.so.0: bench_limits"
fi
exit $failed
