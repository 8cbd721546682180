#!/usr/bin/env bash
# File names that are not UTF-8: JSON and HTML are valid whatever they hold, and a run resumes with them.
source "$(dirname "$0")/../cli/common.sh"
need_device
command -v python3 >/dev/null || { echo "skipped: no python3"; exit 77; }
"$BERTCL_BUILD/tests/make_tiny_model" "$tmp/source" || exit 1
name=$tmp/$(printf 'caf\351 \377\\"<b>\303')
mkdir "$name" 2>/dev/null || { echo "skipped: the file system takes no such name"; exit 77; }
mv "$tmp/source" "$name/model"
for _ in 1 2 3; do printf 'ab\tI-X\nc\tO\n\n'; done >"$name/data.conll"
echo 'ab c' >"$name/text.txt"
valid() { # NAME FILE…: JSON or HTML
    local what=$1
    shift
    python3 - "$@" <<'END' || fail "$what"
import json, os, sys
for path in map(os.fsencode, sys.argv[1:]):
    text = open(path, encoding="utf-8").read()
    if path.endswith((b".json", b".jsonl")): # one record here
        json.loads(text)
END
}
"$BERTCL" data stats --json "$name" >"$tmp/stats.json" 2>/dev/null
valid "data stats" "$tmp/stats.json"
train() { "$BERTCL" train --quiet --out "$name/run" "$@" >"$tmp/out" 2>&1; }
train --model "$name/model" --data "$name/data.conll" --test "$name/data.conll" --epochs 2 --save-every 1 --max-steps 1 ||
    fail "train: $(cat "$tmp/out")"
train --resume --epochs 3 || fail "resume: $(cat "$tmp/out")"
grep -q "not valid JSON" "$tmp/out" && fail "resume: $(cat "$tmp/out")"
valid "the run" "$name"/run/*.json "$name"/run/*.html
python3 - "$name" <<'END' || fail "run.json does not give the name back"
import json, os, sys
run = json.load(open(os.path.join(sys.argv[1], "run", "run.json")))
assert os.fsencode(run["options"]["data"][0]) == os.path.join(os.fsencode(sys.argv[1]), b"data.conll"), run["options"]
END
"$BERTCL" eval --quiet --model "$name/run" --data "$name/data.conll" --json >"$tmp/eval.json" 2>"$tmp/err" || fail "eval: $(cat "$tmp/err")"
valid "eval" "$tmp/eval.json"
for format in html jsonl; do
    "$BERTCL" predict --quiet --model "$name/run" --format $format "$name/text.txt" >"$tmp/predict.$format" 2>"$tmp/err" ||
        fail "predict: $(cat "$tmp/err")"
    valid "predict --format $format" "$tmp/predict.$format"
done
exit $failed
