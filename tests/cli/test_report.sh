#!/bin/bash
# bertcl report on run folders made by hand: all parts of the page, with nothing from elsewhere and nothing
# of the data as markup; several runs; a run that has nothing yet; bad input.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
export BERTCL_HOME="$tmp/home"
cd "$tmp" || exit 1
make_run() {
    mkdir -p "$1/model"
    echo '{}' >"$1/model/config.json"
    cat >"$1/run.json" <<J
{"bertcl": "0", "options": {"model": "base", "lr": $2, "data": ["<i>x</i>", "y"]}, "device": "pocl:0", "gemm": "tile",
 "data": {"train_sentences": 12, "test_sentences": 3}}
J
    for step in 1 2 3 4; do echo "{\"step\": $step, \"loss\": $step.5, \"lr\": $2, \"grad_norm\": nan}"; done >"$1/metrics.jsonl"
    echo "{\"step\": 4, \"eval_loss\": 0.25, \"eval_macro_f1\": $3}" >>"$1/metrics.jsonl"
    cat >"$1/results.json" <<J
{"train": {"loss": 4.5, "steps": 4}, "eval": {"loss": 0.25, "accuracy": 0.5,
 "report": {"I-LOC": {"precision": 0.5, "recall": 0.25, "f1-score": 0.3333, "support": 8}, "macro avg": {"f1-score": $3}}}}
J
    printf 'Oslo\tI-LOC\tI-LOC\n<b>in</b>\tO\tI-ORG\n\nBern\tI-LOC\tO\n\n' >"$1/predictions.conll"
    cat >"$1/track.json" <<J
{"id": "$4", "started": 1700000000, "argv": ["bertcl", "train", "--data", "a b"], "host": {"name": "h", "cpus": 2},
 "inputs": [{"role": "training", "name": "corpus", "sha256": "$(printf '%064d' 1)", "sentences": 15, "words": 99,
   "files": [{"path": "f", "sha256": "x", "bytes": 1}], "tags_raw": {"O": 90, "I-": 1, "I-LOC": 8}, "tags": {"O": 91, "I-LOC": 8},
   "lengths": {"histogram": [{"from": 1, "to": 1, "sentences": 2}, {"from": 2, "to": 2, "sentences": 13}]}}]}
J
}
make_run "first <i>" 1e-5 0.9 00000000000000000000000000000001
make_run second 1e-4 0.8 00000000000000000000000000000002
check "report" 0 '^report: one.html' "$BERTCL" report 'first <i>' -o one.html
for part in 'Training loss' 'Evaluation loss' 'Learning rate' 'Macro F1' 'I-LOC' 'Entities of words' 'Confusion matrix' \
    'missing' 'spurious' 'Words by tag' 'Length of sentences' 'Settings' 'Lineage' 'corpus' "&#39;a b&#39;" '<svg' \
    'Scores of the last model' '<h3>By kind</h3>' '<h3>Most frequent</h3>' '@media (max-width: 30rem)'; do
    grep -qF "$part" one.html || fail "report: has no $part"
done
grep -qE '<(i|b)>(x|in)|<script|<link|<img|src=|url\(|https?:' one.html && fail "report: markup of the data, or something from elsewhere"
grep -qE '>(nan|inf)|"[^"]*nan[^"]*"' one.html && fail "report: a NaN is drawn"
cp -r second torn && printf x | dd of=torn/metrics.jsonl bs=1 conv=notrunc status=none
check "metrics with a broken line" 0 'torn.html' "$BERTCL" report torn --out torn.html
grep -qF '1 line of metrics.jsonl could not be read and is left out' torn.html || fail "metrics with a broken line: not said"
BERTCL_HOME=$tmp/torn.home check "runs import, metrics with a broken line" 0 . "$BERTCL" runs import torn
grep -qE 'metrics.jsonl: 1 line is no figures of a step and left out, the first at byte 0' "$tmp/stderr" ||
    fail "runs import, metrics with a broken line: $(cat "$tmp/stderr")"
check "report of two" 0 'two.html' "$BERTCL" report 'first <i>' second --out two.html
for part in '2 runs' 'Differences of the settings' '0.0001' '(-0.1)'; do
    grep -qF -- "$part" two.html || fail "report of two: has no $part"
done
rm second/metrics.jsonl second/results.json second/predictions.conll second/track.json
check "report of a run without anything" 0 . "$BERTCL" report second -o three.html
grep -q 'no results yet' three.html || fail "report: does not say that there is nothing yet"
BERTCL_HOME=off check "report without a store" 0 . "$BERTCL" report 'first <i>' -o four.html
check "no run" 2 'no such run' "$BERTCL" report absent
check "no runs" 2 'expected at least one run' "$BERTCL" report
check "no folder" 1 'nowhere/x.html' "$BERTCL" report 'first <i>' -o nowhere/x.html
printf 'Oslo\tI-LOC\n' >'first <i>/predictions.conll'
check "damaged predictions" 0 . "$BERTCL" report 'first <i>' -o five.html
grep -q 'cannot be shown: .*predictions.conll' five.html || fail "damaged predictions: not said"
exit $failed
