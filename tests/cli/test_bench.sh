#!/usr/bin/env bash
# bertcl bench: rows and formats, wrong use, a broken driver beside a good one, the store. Times are not looked at.
# full_bench_limits.sh measures the device's limits too, test_bench_results.sh has what is done with results.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
. "$(dirname "${BASH_SOURCE[0]}")/bench.sh"

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

check "data without a tokenizer" 2 'found the model "tiny", expected a folder' "$BERTCL" bench --device "$device" --model tiny --data "$tmp/devices"

# the rows, and the JSON against its description; in the store the rows' values are figures, the result is a file
export BERTCL_HOME="$tmp/home"
check "bench" 0 'step/train/fp32/batch-4 ' bench --only step,operation --json "$tmp/a.json" --time-limit 900
export BERTCL_HOME=off
[ -s "$tmp/stderr" ] && fail "bench --quiet wrote to stderr: $(head -1 "$tmp/stderr")"
described "$tmp/a.json"
python3 - "$tmp/a.json" "$device" <<'END' || failed=1
import json, sys
result, device = json.load(open(sys.argv[1])), sys.argv[2]
rows = {r["name"]: r for r in result["rows"]}
for name in ("operation/fp32/attention/backward", "operation/fp32/adam/update",
             "step/evaluate/fp32/batch-1", "step/train/fp32/batch-32"):
    row = rows[name]
    assert row["status"] == "ok" and row["device"] == device and row["driver"], row
    assert len(row["seconds"]["samples"]) == 8 and row["seconds"]["passes"] == 2 and row["value"] > 0, row
assert len(rows) == len(result["rows"])  # the second pass completes the first one's
row = rows["step/train/fp32/batch-32"]
assert abs(row["value"] * row["seconds"]["median"] / row["tokens"] - 1) < 1e-9, row
assert row["cold_start_s"] > 0 and row["step_times_ms"]["count"] >= 4 and row["device_mib"] > 0 and row["energy"]["status"], row
assert 20 < row["tokens"] / 32 < 40 and row["padded_tokens_per_s"] > row["value"], row
assert "--model " in result["command"], result["command"]
parts = {p["operation"]: p["times"] for p in rows["explained/train/fp32/batch-32"]["parts"]}
assert parts["attention/backward"] == 2 and parts["layernorm/forward"] == 4 and parts["adam/update"] == 1, parts
row = rows["inside/train/fp32/batch-32"]  # nothing overlaps where events are read
assert 0 < row["value"] <= 100.1 and abs(100 * sum(p["share"] for p in row["parts"]) - row["value"]) < 1e-6, row
assert any(p["operation"] == "attention backward" and p["times"] == 2 for p in row["parts"]), row
for row in result["rows"]:  # every operation is right
    assert row["level"] != "operation" or row["status"] == "ok", row
END
recorded() { BERTCL_HOME="$tmp/home" check "$@"; }
recorded "recorded: list" 0 ' bench-.* +bench +finished' "$BERTCL" runs list
recorded "recorded: by a row" 0 ' bench-' "$BERTCL" runs list --where "bench.$device.step/train/fp32/batch-4 > 0"
recorded "recorded: options" 0 'model +.*small.json' "$BERTCL" runs show "$(basename "$tmp"/home/runs/bench-*)"
"$BERTCL" bench compare "$tmp"/home/runs/bench-*/bench.json "$tmp"/home/runs/bench-*/bench.json >"$tmp/stdout" 2>&1 ||
    fail "recorded: bench.json: $(tail -1 "$tmp/stdout")"

# sentences of a corpus: 32 of them, or those that there are again and again
"$BERTCL_BUILD/tests/make_tiny_model" "$tmp/tiny" || fail "make_tiny_model"
printf '%s O\n\n' a b c d >"$tmp/words.conll"
printf 'e O\nf O\n\n' >>"$tmp/words.conll"
model=$tmp/tiny check "data" 0 'step/train/fp32/batch-1 ' bench --only step --data "$tmp/words.conll" --json "$tmp/d.json"
described "$tmp/d.json"
python3 - "$tmp" <<'END' || failed=1
import json, sys
result = json.load(open(sys.argv[1] + "/d.json"))
assert result["options"]["data"] == [sys.argv[1] + "/words.conll"], result["options"]
tokens = {r["name"]: r["tokens"] for r in result["rows"] if "tokens" in r}
assert tokens["step/train/fp32/batch-1"] == 32 * 3 + 32 // 5, tokens  # [CLS] and [SEP] beside the words
END
check "no such data" 1 'absent' "$BERTCL" bench --device "$device" --model "$tmp/tiny" --data "$tmp/absent"

# verifying: all right; the JSON is as described, and is no result to compare
check "verify" 0 'model/d classifier.weight .* ok$' verify --json "$tmp/v.json"
grep -qE 'adam/update/p +[0-9]+ +0\.[0-9]+ +0\.[0-9]+ +ok$' "$tmp/stdout" || fail "verify: $(grep adam "$tmp/stdout")"
[ -s "$tmp/stderr" ] && fail "verify wrote to stderr: $(head -1 "$tmp/stderr")"
described "$tmp/v.json"
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

# a broken driver beside a good one, in each format
library=$(cat "/etc/OpenCL/vendors/${device%%:*}.icd" 2>/dev/null | head -1)
if [ -n "$library" ]; then
    mkdir "$tmp/icd"
    echo "$library" >"$tmp/icd/${device%%:*}.icd"
    echo libnope.so.1 >"$tmp/icd/broken.icd"
    echo x >"$tmp/file" # no store can be made there
    BERTCL_HOME=$tmp/file OCL_ICD_VENDORS=$tmp/icd "$BERTCL" bench --device all --model "$model" --quiet --only product \
        --json "$tmp/all" >"$tmp/stdout" 2>"$tmp/stderr" || fail "all: $(cat "$tmp/stderr")"
    grep -q 'this benchmark is not recorded' "$tmp/stderr" || fail "not recorded: $(cat "$tmp/stderr")"
    for format in markdown csv json; do
        "$BERTCL" bench show "$tmp/all" --format $format >"$tmp/all.$format" || fail "all in $format"
        grep -q 'libnope.so.1 cannot be loaded' "$tmp/all.$format" || fail "all in $format: the broken driver is not named"
        grep -q 'product/fp32/nn/480x64x64' "$tmp/all.$format" || fail "all in $format: the good driver's rows are missing"
    done
    described "$tmp/all"
    python3 - "$tmp" <<'END' || failed=1
import csv, json, sys
rows = list(csv.DictReader(open(sys.argv[1] + "/all.csv")))
assert any(r["row"] == "product/fp32/nn/480x64x64" and r["status"] == "ok" and r["driver"] and r["date"] for r in rows), rows
products = [r for r in json.load(open(sys.argv[1] + "/all.json"))["rows"] if r["level"] == "product"]
assert len({r["name"] for r in products}) == len(products) and all(len(r["seconds"]["samples"]) == 8 for r in products), products
END
fi
exit $failed
