#!/usr/bin/env bash
# What is done with results of bertcl bench, on ones made by hand: comparing two and many, a baseline, other formats, the
# page; damaged files and other versions of the schema.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
python3 - "$tmp/a.json" <<'END'
import json, sys
rows = []
def row(name, value, unit, **more):
    seconds = {"median": 1 / value, "q1": 1 / value, "q3": 1 / value, "least": 1 / value, "repeats": 1, "last_by_first_third": 1,
               "samples": [(1 + i / 1000) / value for i in range(7)]}
    rows.append({"name": name, "level": name.split("/")[0], "status": "ok", "unit": unit, "precision": "fp32", "accumulates_in": "fp32",
                 "value": value, "seconds": seconds, "device": "pocl:0", "device_name": "A <CPU>", "driver": "OpenCL 3.0 PoCL",
                 "driver_version": "3.1", **more})
for name in "read", "copy", "triad":
    row("limit/memory/" + name, 20.0, "GB/s")
row("limit/multiply-add/fp32", 250.0, "GFLOP/s")
for m, n, k in (480, 384, 384), (480, 1536, 384):
    row(f"product/fp32/nn/{m}x{n}x{k}", 180.0, "GFLOP/s", gflops=180.0, shape={"layout": "nn", "m": m, "n": n, "k": k})
for kind in "train", "evaluate":
    for batch in 32, 4, 1:
        row(f"step/{kind}/fp32/batch-{batch}", 1000.0 * batch**.5, "tokens/s", batch=batch, steps=32 // batch, tokens=900)
rows.append({"name": "step/train/bf16/batch-4", "level": "step", "status": "unsupported", "reason": "it's <not> there", "unit": "tokens/s",
             "device": "pocl:0", "device_name": "A <CPU>", "driver": "OpenCL 3.0 PoCL", "driver_version": "3.1"})
json.dump({"bench_version": 1, "host": "here", "os": "Linux", "date": "2026-01-01T00:00:00Z", "build": "1", "cores": 2, "command": "bertcl bench",
           "options": {"suite": "quick", "model": "tiny", "repetitions": 7}, "busy": False, "rows": rows}, open(sys.argv[1], "w"))
END

# comparing
compare() { "$BERTCL" bench compare "$@"; }
check "the same" 0 'no difference' compare "$tmp/a.json" "$tmp/a.json"
grep -q ' faster$\| slower$' "$tmp/stdout" && fail "a result differs from itself"
python3 - "$tmp" <<'END'
import json, sys
result = json.load(open(sys.argv[1] + "/a.json"))
row = next(r for r in result["rows"] if r["name"] == "step/train/fp32/batch-4")
middle = row["seconds"]["median"]
json.dump(result, open(sys.argv[1] + "/steady.json", "w"))
row["seconds"]["samples"] = [2 * middle * (1 + i / 1000) for i in range(7)]
json.dump(result, open(sys.argv[1] + "/slow.json", "w"))
result["bench_version"] = 7
json.dump(result, open(sys.argv[1] + "/version.json", "w"))
del result["bench_version"]
json.dump(result, open(sys.argv[1] + "/none.json", "w"))
result["bench_version"] = 1
row["seconds"]["samples"] = [0]
json.dump(result, open(sys.argv[1] + "/zero.json", "w"))
result["rows"] = []
json.dump(result, open(sys.argv[1] + "/empty.json", "w"))
END
check "slower" 0 'batch-4 .* 0\.500 .* slower$' compare "$tmp/steady.json" "$tmp/slow.json"
"$BERTCL" bench compare "$tmp/slow.json" --baseline "$tmp/steady.json" >"$tmp/stdout" 2>"$tmp/stderr"
[ $? = 1 ] || fail "slower than the baseline: not exit 1"
grep -q '^bertcl: 1 row is slower than .*steady.json' "$tmp/stderr" || fail "the baseline: $(cat "$tmp/stderr")"
check "within the limit" 0 'batch-4 .* slower$' compare "$tmp/slow.json" --baseline "$tmp/steady.json" --limit 2.5
check "faster than the baseline" 0 'faster' compare "$tmp/steady.json" --baseline "$tmp/slow.json"
check "no file" 2 'at least one' compare
check "one file with one device" 1 'holds 1 devices' compare "$tmp/steady.json"
check "another version" 1 'version 7' compare "$tmp/a.json" "$tmp/version.json"
check "no result" 1 'bench_version' compare "$tmp/a.json" "$tmp/none.json" --limit 2
check "a time of 0" 1 'samples' compare "$tmp/a.json" "$tmp/zero.json" --limit 2
check "nothing in common" 1 'no row in common' compare "$tmp/empty.json" "$tmp/steady.json"
check "missing file" 1 'absent.json' compare "$tmp/absent.json" "$tmp/a.json"
for bytes in 0 1 40 1000; do
    head -c $bytes "$tmp/a.json" >"$tmp/cut.json"
    check "cut at $bytes" 1 'cut.json' compare "$tmp/cut.json" "$tmp/a.json"
done

# side by side, also of one file; of another model only what does not depend on it
python3 - "$tmp" <<'END'
import json, sys
result = json.load(open(sys.argv[1] + "/steady.json"))
result["rows"] += [dict(row, device="other:0", driver="An <other>") for row in result["rows"]]
json.dump(result, open(sys.argv[1] + "/two.json", "w"))
result["options"]["model"] = "MiniLM-L6"
json.dump(result, open(sys.argv[1] + "/model.json", "w"))
END
check "side by side" 0 'batch-4 +tokens/s .* 0\.5 \(' compare "$tmp/steady.json" "$tmp/slow.json" "$tmp/steady.json"
grep -q '^A: .*steady.json' "$tmp/stdout" || fail "side by side: A is not named: $(head -1 "$tmp/stdout")"
check "two devices of one file" 0 'batch-4 .*= 1 \(' compare "$tmp/two.json"
check "another model" 0 'memory/copy' compare "$tmp/a.json" "$tmp/model.json" "$tmp/a.json"
grep 'batch-4 ' "$tmp/stdout" | grep -q '= 1 (.*= 1 (' && fail "steps of different models are compared"
json() { python3 -c 'import json, sys; r = json.load(open(sys.argv[1])); r["busy"] = True; json.dump(r, open(sys.argv[2], "w"))' "$@"; }
json "$tmp/a.json" "$tmp/busy.json"
check "busy" 0 'busy.json: the host was busy with other work' compare "$tmp/a.json" "$tmp/busy.json"

# several devices: no faster than the sum of what they give alone, also where that is in another file
python3 - "$tmp" <<'END'
import copy, json, sys
one = json.load(open(sys.argv[1] + "/a.json"))
two, both, many = (copy.deepcopy(one) for _ in range(3))
def run(result, device, value, **more):
    rows = [dict(r) for r in result["rows"] if r["name"] == "step/train/fp32/batch-32"]
    row = dict(rows[0], name="run/train/fp32/batch-32", level="run", value=value, device=device, **more)
    row["seconds"] = dict(row["seconds"], samples=[900 / value] * 3, passes=3)
    result["rows"] = result["rows"] + [row] if device == "pocl:0" else [dict(result["rows"][0], device=device), row]
run(one, "pocl:0", 1000.0)
run(two, "other:0", 500.0)
run(both, "pocl:0+other:0", 1600.0, devices=["pocl:0", "other:0"])
run(many, "pocl:0+pocl:0", 1990.0, devices=["pocl:0", "pocl:0"])
for name, result in ("alone", one), ("other", two), ("both", both), ("many", many):
    json.dump(result, open(f"{sys.argv[1]}/{name}.json", "w"))
END
beyond='1600 tokens/s of 2 devices together are more than the 1500 that they give alone'
"$BERTCL" bench report "$tmp/alone.json" "$tmp/other.json" "$tmp/both.json" -o "$tmp/devices.html" >"$tmp/stdout" || fail "report of several devices"
grep -qF 'Training runs, one device and several' "$tmp/devices.html" || fail "report: no chart of several devices"
grep -qF "$beyond" "$tmp/devices.html" || fail "report: several devices beyond their sum are not wrong"
check "the sum is not known" 0 'pocl:0\+other:0 +run/train.* 1600 ' "$BERTCL" bench show "$tmp/both.json"
check "within the sum" 0 '^run/train.* 1990 ' compare "$tmp/alone.json" "$tmp/other.json" "$tmp/many.json" "$tmp/steady.json" "$tmp/slow.json"
check "beyond the sum" 0 '^run/train/fp32/batch-32 .* 500 ' compare "$tmp/alone.json" "$tmp/other.json" "$tmp/both.json"
grep -q '^run/train.* 1600 ' "$tmp/stdout" && fail "compare: several devices beyond their sum have a speed"
python3 - "$tmp" <<'END'
import json, sys
result = json.load(open(sys.argv[1] + "/alone.json"))
for name in "other", "both":
    result["rows"] += json.load(open(f"{sys.argv[1]}/{name}.json"))["rows"]
json.dump(result, open(sys.argv[1] + "/three.json", "w"))
END
check "beyond the sum, in one file" 0 "run/train/fp32/batch-32: wrong: $beyond" "$BERTCL" bench show "$tmp/three.json"

# stored results in other formats, and as a page
check "show" 0 'step/train/fp32/batch-4 ' "$BERTCL" bench show "$tmp/a.json"
check "show two" 2 'expected one' "$BERTCL" bench show "$tmp/a.json" "$tmp/a.json"
"$BERTCL" bench show "$tmp/two.json" --format sql >"$tmp/two.sql" || fail "show --format sql"
python3 - "$tmp" <<'END' || failed=1
import json, sqlite3, sys
db = sqlite3.connect(":memory:")
db.executescript(open(sys.argv[1] + "/two.sql").read() * 2)  # the table may be there
rows = json.load(open(sys.argv[1] + "/two.json"))["rows"]
values = [r["value"] for r in rows if "value" in r]
there = db.execute("SELECT count(*), count(value), sum(value) FROM bertcl_bench").fetchone()
assert there[0] == 2 * len(rows) and there[1] == 2 * len(values) and abs(there[2] / sum(values) / 2 - 1) < 1e-12, there
assert db.execute("SELECT count(*) FROM bertcl_bench WHERE driver = 'An <other>'").fetchone()[0] == 2 * len(rows) // 2
END
check "report" 0 'page.html' "$BERTCL" bench report "$tmp/two.json" "$tmp/slow.json" -o "$tmp/page.html"
for part in 'An &lt;other&gt;' '>B by A<' 'aria-label="Training"' 'aria-label="Evaluation"' 'aria-label="Memory"' 'Training by batch' '<h2>Rooflines' 'step/train/fp32/batch-4'; do
    grep -qF "$part" "$tmp/page.html" || fail "report: has no $part"
done
grep -qE '<script|<link|<img|src=|url\(|https?:|>nan|"nan|<other>' "$tmp/page.html" && fail "report: something from elsewhere, markup or a NaN"
check "report of nothing" 1 'no row with a speed' "$BERTCL" bench report "$tmp/empty.json" -o "$tmp/none.html"
[ -e "$tmp/none.html" ] && fail "a page of nothing was written"
check "report of another version" 1 'version 7' "$BERTCL" bench report "$tmp/version.json" -o "$tmp/none.html"
exit $failed
