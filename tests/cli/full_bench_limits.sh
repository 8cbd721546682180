#!/usr/bin/env bash
# bertcl bench with the device's limits: their rows, what stands below them, no time, and a model that does not fit.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
. "$(dirname "${BASH_SOURCE[0]}")/bench.sh"
model=tiny
check "bench" 0 'step/train/fp32/batch-4 ' bench --json "$tmp/a.json" --time-limit 900
described "$tmp/a.json"
python3 - "$tmp/a.json" <<'END' || failed=1
import json, sys
result = json.load(open(sys.argv[1]))
rows = {r["name"]: r for r in result["rows"]}
for name in ("limit/memory/triad", "limit/multiply-add/fp32", "limit/launch", "limit/transfer/to-device", "limit/local-memory/read",
             "product/fp32/tn/128x512x480", "operation/fp32/attention/backward", "step/train/fp32/batch-32"):
    row = rows[name]
    # a loaded machine may put a product above the limit; nothing else may be wrong
    assert row["status"] == "ok" or "above the" in row["reason"] or "less than the" in row["reason"], row
    if row["status"] == "ok":
        assert len(row["seconds"]["samples"]) >= 5 and row["value"] > 0, row
    else:
        assert "value" not in row and "seconds" not in row, row
row = rows["limit/memory/triad"]
assert len(row["sizes"]) == len(row["rates"]) > 5 and row["saturates_at_bytes"] in row["sizes"], row
row = rows["limit/multiply-add/bf16"]
assert row["status"] == "unsupported" and "value" not in row, row
assert any("share_of_limit" in r and r["bound"] for r in result["rows"] if r["level"] == "operation")
for row in result["rows"]:  # every operation is right
    assert row["level"] != "operation" or row["status"] == "ok" or "less than the" in row["reason"], row
END

# no time: rows say so
bench --time-limit 1 --suite full >"$tmp/stdout" 2>"$tmp/stderr"
grep -qE 'no time was left|did not fit' "$tmp/stdout" || fail "no time: $(tail -1 "$tmp/stdout")"

# a model that does not fit: skipped with what it needs
sed 's/"hidden_size": 64/"hidden_size": 256/; s/"max_position_embeddings": 128/"max_position_embeddings": 8000000/; s/"vocab_size": 500/"vocab_size": 8000000/' \
    "$tmp/small.json" >"$tmp/config.json"
model=$tmp/config.json
POCL_MEMORY_LIMIT=4 bench --only limit,step --format csv >"$tmp/large.csv" 2>"$tmp/stderr" ||
    fail "a model that does not fit: $(cat "$tmp/stderr")"
grep '"step/train/fp32/batch-1"' "$tmp/large.csv" | grep -q 'skipped.*[0-9] [GMT]iB' ||
    fail "a model that does not fit: $(grep '"step/train' "$tmp/large.csv" | head -2)"
grep '"limit/memory/copy"' "$tmp/large.csv" | grep -q '"ok"' || fail "a model that does not fit: other rows are missing"
exit $failed
