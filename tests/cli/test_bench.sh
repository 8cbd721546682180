#!/usr/bin/env bash
# bertcl bench: rows and formats, a broken driver beside a good one, what does not fit, wrong use. Times are not looked
# at; test_bench_results.sh has what is done with results.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need_device
device=$(sed -n 's/^\([a-z]*:[0-9]*\) .*/\1/p' "$tmp/devices" | grep -v oclgrind | head -1)
device=${BERTCL_DEVICE:-$device}
[ -n "$device" ] || { echo "skipped: no device to measure"; exit 77; }
bench() { "$BERTCL" bench --device "$device" --model tiny --quiet "$@"; }
verify() { "$BERTCL" bench verify --device "$device" --model tiny --quiet "$@"; }

# wrong use: nothing is measured
check "no such device" 1 'none:7' "$BERTCL" bench --device none:7
check "no such model" 2 'no such file or folder, and no shape' "$BERTCL" bench --device "$device" --model huge
check "unknown option" 2 'speed' bench --speed
check "unknown level" 2 '"speed", expected limit' bench --only limit,speed
check "unknown suite" 2 'suite' bench --suite long
check "help" 0 'compare' "$BERTCL" bench --help
check "help of run" 0 'time-limit' "$BERTCL" bench run --help
echo '{"hidden_size": "x"}' >"$tmp/config.json"
check "damaged config.json" 1 'config.json' "$BERTCL" bench --device "$device" --model "$tmp/config.json"

# the rows, and the JSON against its description
check "bench" 0 'step/train/fp32/batch-4 ' bench --json "$tmp/a.json" --time-limit 900
[ -s "$tmp/stderr" ] && fail "bench --quiet wrote to stderr: $(head -1 "$tmp/stderr")"
python3 - "$tmp/a.json" "$BERTCL_TESTS/../docs/bench.schema.json" "$device" <<'END' || failed=1
import json, sys
result, schema, device = json.load(open(sys.argv[1])), json.load(open(sys.argv[2])), sys.argv[3]
KINDS = {"object": dict, "array": list, "string": str, "number": (int, float), "boolean": bool, "null": type(None)}

def check(value, rule, where):
    kinds = rule.get("type", list(KINDS))
    kinds = [kinds] if isinstance(kinds, str) else kinds
    assert any(isinstance(value, KINDS[k]) for k in kinds), (where, value, kinds)
    assert "const" not in rule or value == rule["const"], (where, value)
    assert "enum" not in rule or value in rule["enum"], (where, value)
    if isinstance(value, dict):
        assert not set(rule.get("required", [])) - set(value), (where, set(rule["required"]) - set(value))
        assert rule.get("additionalProperties", True) or not set(value) - set(rule["properties"]), (where, value.keys())
        for key, item in value.items():
            check(item, rule.get("properties", {}).get(key, {}), f"{where}.{key}")
    if isinstance(value, list):
        for i, item in enumerate(value):
            check(item, rule.get("items", {}), f"{where}[{i}]")

check(result, schema, "result")
rows = {r["name"]: r for r in result["rows"]}
names = ["limit/memory/triad", "limit/multiply-add/fp32", "limit/launch", "limit/transfer/to-device",
         "limit/local-memory/read", "product/fp32/tn/128x512x480", "operation/fp32/attention/backward",
         "operation/fp32/adam/update", "step/evaluate/fp32/batch-1", "step/train/fp32/batch-32"]
for name in names:
    row = rows[name]
    # a loaded machine may put a product above the limit; nothing else may be wrong
    assert row["status"] == "ok" or "above the" in row["reason"] or "less than the" in row["reason"], row
    assert row["device"] == device and row["driver"], row
    if row["status"] == "ok":
        assert len(row["seconds"]["samples"]) >= 5 and row["value"] > 0, row
    else:
        assert "value" not in row and "seconds" not in row, row
row = rows["step/train/fp32/batch-32"]
assert abs(row["value"] * row["seconds"]["median"] / row["tokens"] - 1) < 1e-9, row
assert row["step_times_ms"]["count"] >= 5 and row["device_mib"] > 1 and row["energy"]["status"], row
assert 20 < row["tokens"] / 32 < 40 and row["padded_tokens_per_s"] > row["value"], row
assert "--model tiny" in result["command"], result["command"]
row = rows["limit/memory/triad"]
assert len(row["sizes"]) == len(row["rates"]) > 5 and row["saturates_at_bytes"] in row["sizes"], row
row = rows["limit/multiply-add/bf16"]
assert row["status"] == "unsupported" and "value" not in row, row
parts = {p["operation"]: p["times"] for p in rows["explained/train/fp32/batch-32"].get("parts", [])}
assert not parts or parts["attention/backward"] == 2 and parts["layernorm/forward"] == 4 and parts["adam/update"] == 1, parts
for row in result["rows"]:  # every operation is right
    assert row["level"] != "operation" or row["status"] == "ok" or "less than the" in row["reason"], row
END

# verifying: all right; the JSON is as described, and is no result to compare
check "verify" 0 'model/d classifier.weight .* ok$' verify --json "$tmp/v.json"
grep -qE 'adam/update/p +[0-9]+ +0\.[0-9]+ +0\.[0-9]+ +ok$' "$tmp/stdout" || fail "verify: $(grep adam "$tmp/stdout")"
[ -s "$tmp/stderr" ] && fail "verify wrote to stderr: $(head -1 "$tmp/stderr")"
check "a check is no result" 1 'no row in common' "$BERTCL" bench compare "$tmp/v.json" "$tmp/a.json"

# a kernel with an error is found and named
mkdir "$tmp/cl"
cp "$BERTCL_TESTS"/../cl/* "$tmp/cl"
sed -i 's/1\.0f \/ sqrt(group_sum/1.001f \/ sqrt(group_sum/' "$tmp/cl/layernorm.cl"
cmp -s "$tmp/cl/layernorm.cl" "$BERTCL_TESTS/../cl/layernorm.cl" && fail "the error in layernorm.cl was not made"
BERTCL_KERNEL_DIR=$tmp/cl verify >"$tmp/stdout" 2>"$tmp/stderr"
[ $? = 1 ] || fail "verify with a wrong kernel: not exit 1"
grep -q "^bertcl: $device verify/layernorm/forward/y: wrong: .*(layernorm.cl).* tokens of .* sentences.*expected" "$tmp/stderr" ||
    fail "a wrong kernel: $(head -3 "$tmp/stderr")"
grep -q '^bertcl: [0-9]* of [0-9]* checks failed' "$tmp/stderr" || fail "a wrong kernel: $(tail -1 "$tmp/stderr")"

# in the store: the rows' values as figures, the result as a file
export BERTCL_HOME="$tmp/home"
check "recorded" 0 'step/train/fp32/batch-4 ' bench --time-limit 900 --only step
check "recorded: list" 0 ' bench-.* +bench +finished' "$BERTCL" runs list
check "recorded: by a row" 0 ' bench-' "$BERTCL" runs list --where "bench.$device.step/train/fp32/batch-4 > 0"
check "recorded: options" 0 'model +tiny' "$BERTCL" runs show "$(basename "$tmp"/home/runs/bench-*)"
"$BERTCL" bench compare "$tmp"/home/runs/bench-*/bench.json "$tmp"/home/runs/bench-*/bench.json >"$tmp/stdout" 2>&1 ||
    fail "recorded: bench.json: $(tail -1 "$tmp/stdout")"
echo x >"$tmp/file"
BERTCL_HOME="$tmp/file" check "not recorded" 0 'this benchmark is not recorded' bench --time-limit 900 --only limit
export BERTCL_HOME=off

# no time: rows say so
"$BERTCL" bench --device "$device" --model tiny --time-limit 1 --quiet --suite full >"$tmp/stdout" 2>"$tmp/stderr"
grep -qE 'no time was left|did not fit' "$tmp/stdout" || fail "no time: $(tail -1 "$tmp/stdout")"

# a model that does not fit: skipped with what it needs
echo '{"model_type": "bert", "hidden_size": 256, "num_attention_heads": 2, "num_hidden_layers": 1, "max_position_embeddings": 8000000, "type_vocab_size": 2, "intermediate_size": 256, "vocab_size": 8000000}' >"$tmp/config.json"
POCL_MEMORY_LIMIT=4 "$BERTCL" bench --device "$device" --model "$tmp/config.json" --quiet --only limit,step --format csv >"$tmp/large.csv" 2>"$tmp/stderr" ||
    fail "a model that does not fit: $(cat "$tmp/stderr")"
grep '"step/train/fp32/batch-1"' "$tmp/large.csv" | grep -q 'skipped.*[0-9] [GMT]iB' ||
    fail "a model that does not fit: $(grep '"step/train' "$tmp/large.csv" | head -2)"
grep '"limit/memory/copy"' "$tmp/large.csv" | grep -q '"ok"' || fail "a model that does not fit: other rows are missing"

# a broken driver beside a good one, in each format
library=$(cat "/etc/OpenCL/vendors/${device%%:*}.icd" 2>/dev/null | head -1)
if [ -n "$library" ]; then
    mkdir "$tmp/icd"
    echo "$library" >"$tmp/icd/${device%%:*}.icd"
    echo libnope.so.1 >"$tmp/icd/broken.icd"
    OCL_ICD_VENDORS=$tmp/icd "$BERTCL" bench --device all --model tiny --quiet --only limit --json "$tmp/all" \
        >"$tmp/stdout" 2>"$tmp/stderr" || fail "all: $(cat "$tmp/stderr")"
    for format in markdown csv json; do
        "$BERTCL" bench show "$tmp/all" --format $format >"$tmp/all.$format" || fail "all in $format"
        grep -q 'libnope.so.1 cannot be loaded' "$tmp/all.$format" || fail "all in $format: the broken driver is not named"
        grep -q 'limit/memory/triad' "$tmp/all.$format" || fail "all in $format: the good driver's rows are missing"
    done
    python3 - "$tmp" <<'END' || failed=1
import csv, json, sys
rows = list(csv.DictReader(open(sys.argv[1] + "/all.csv")))
assert any(r["row"] == "limit/memory/copy" and r["status"] == "ok" and r["driver"] and r["date"] for r in rows), rows
json.load(open(sys.argv[1] + "/all.json"))
END
fi
exit $failed
