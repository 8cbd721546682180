#!/bin/bash
# What a person at a terminal gets: the progress line and its width, Ctrl-C and a terminal that closes, a
# reader of the output that goes away, standard streams that are closed.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
terminal=$BERTCL_BUILD/tests/make_terminal
sample="$BERTCL_TESTS/../sample/speech 1.conll"
"$BERTCL_BUILD/tests/make_tiny_model" "$tmp/model" || exit 1
need_device
export TERM=xterm
unset NO_COLOR COLUMNS
head -3000 "$sample" >"$tmp/data"
recipe=(train --model "$tmp/model" --data "$tmp/data" --batch 1 --seed 3)

# ---- the line ----
for columns in 120 80 40; do
    rm -rf "$tmp/run"
    "$terminal" $columns "$BERTCL" "${recipe[@]}" --out "$tmp/run" --epochs 2 >"$tmp/screen" || fail "$columns columns: exit $?"
    tr '\r' '\n' <"$tmp/screen" | grep -E 'step [0-9]+/214' >"$tmp/lines" || fail "$columns columns: no progress line"
    sed 's/\x1b\[K.*//' "$tmp/lines" | awk -v most=$((columns - 1)) 'length > most {print; bad = 1} END {exit bad}' ||
        fail "$columns columns: a line that is wider"
done
rm -rf "$tmp/run"
"$terminal" 130 "$BERTCL" "${recipe[@]}" --out "$tmp/run" --epochs 2 >"$tmp/screen"
tr '\r' '\n' <"$tmp/screen" | grep -qE '^epoch 2/2  \[#+\.*\]  step [0-9]+/214  loss [0-9.]+  lr 1\.00e-05  [0-9]+ tokens/s  0:0[0-9] left  [0-9]+ MiB' ||
    fail "the line: $(tr '\r' '\n' <"$tmp/screen" | grep 'step ' | tail -2)"
# plain NAME COMMAND...: no escape sequence comes out
plain() {
    local name=$1
    shift
    rm -rf "$tmp/run"
    "$@" "${recipe[@]}" --out "$tmp/run" --max-steps 30 >"$tmp/screen" 2>&1 || fail "$name: exit $?"
    grep -q $'\x1b' "$tmp/screen" && fail "$name: escape sequences: $(cat -v "$tmp/screen" | head -5)"
}
plain "no terminal" "$BERTCL"
plain "a dumb terminal" env TERM=dumb "$terminal" 80 "$BERTCL"

# ---- what steers a terminal: in words, tags, file names ----
evil=$tmp/$'evil\x1b]0;x\x07'
mkdir "$evil"
printf 'a\x1b[31mb\tB-PER\nc\xc2\x9bd\tO\n\nMary\x07\tB-P\x1bER\nlives\tO\n\n' >"$evil/d.conll"
# tame NAME COMMAND...: nothing that steers comes out
tame() {
    local name=$1
    shift
    "$@" >"$tmp/screen" 2>&1
    LC_ALL=C grep -qP '[\x00-\x08\x0b-\x1f\x7f]|\xc2[\x80-\x9f]' "$tmp/screen" && fail "$name: $(cat -v "$tmp/screen" | head -20)"
    [ -s "$tmp/screen" ] || fail "$name: nothing came out"
}
tame "data stats" "$BERTCL" data stats "$evil"
tame "data stats of nothing" "$BERTCL" data stats "$evil/nothing"
tame "eval" "$BERTCL" eval --gold "$evil/d.conll" --pred "$evil/d.conll" --confusion --matches --breakdown
tame "eval table" "$BERTCL" eval --gold "$evil/d.conll" --pred "$evil/d.conll" "$evil/d.conll"
tame "train" "$BERTCL" train --model "$tmp/model" --data "$evil" --split 1 --out "$evil/run" --profile
tame "train again" "$BERTCL" train --out "$evil/run" --resume
tame "predict conll" "$BERTCL" predict --model "$evil/run/model" --format conll "$evil/d.conll"
tame "predict counts" "$BERTCL" predict --model "$evil/run/model" --format counts "$evil/d.conll"
tame "an option" "$BERTCL" train --$'\x1b[31m'

# ---- Ctrl-C ----
rm -rf "$tmp/run"
"$terminal" 80 -k 'step 200 of' ^C "$BERTCL" "${recipe[@]}" --out "$tmp/run" --epochs 5000 >"$tmp/screen"
code=$?
[ $code = 130 ] || fail "Ctrl-C: exit $code"
grep -q 'stopping: a checkpoint is being saved' "$tmp/screen" || fail "Ctrl-C: no answer at once"
grep -q 'stopped at step .* of .*; --resume goes on' "$tmp/screen" || fail "Ctrl-C: no last line"
ls "$tmp/run" | grep -q '^checkpoint-' || fail "Ctrl-C: no checkpoint"
step=$(ls "$tmp/run" | sed -n 's/^checkpoint-//p')
# the figures after a resume begin where the run was
"$terminal" 120 -k 'resuming after step' . -k 'left' ^C "$BERTCL" train --out "$tmp/run" --resume >"$tmp/screen"
tr '\r' '\n' <"$tmp/screen" | sed -n 's|.*step \([0-9]*\)/535000.*|\1|p' | head -1 |
    awk -v from="$step" '{ok = $1 > from && $1 < from + 1000} END {exit !ok}' || fail "resumed at $step: $(tr '\r' '\n' <"$tmp/screen" | grep -m1 'step [0-9]*/')"

rm -rf "$tmp/run"
"$terminal" 80 -k 'step 300 of' ^C -k 'stopping' ^C "$BERTCL" "${recipe[@]}" --out "$tmp/run" --save-every 100 --epochs 5000 >"$tmp/screen"
code=$?
[ $code = 130 ] || fail "Ctrl-C twice: exit $code"
check "Ctrl-C twice: the checkpoint before is whole" 2 'expected 1 to' "$BERTCL" train --out "$tmp/run" --resume --max-steps 0
ls "$tmp/run" | grep -q '^checkpoint-' || fail "Ctrl-C twice: no checkpoint"

# ---- a terminal that closes, a job that is stopped, nohup ----
rm -rf "$tmp/run"
"$terminal" 80 -k 'step 200 of' ^H "$BERTCL" "${recipe[@]}" --out "$tmp/run" --epochs 5000 >"$tmp/screen"
code=$?
[ $code = 129 ] || fail "closed terminal: exit $code"
ls "$tmp/run" | grep -q '^checkpoint-' || fail "closed terminal: no checkpoint"

# signalled NAME SIGNAL CODE PATTERN: sent to a quiet run, which is at work
signalled() {
    rm -rf "$tmp/run"
    "$BERTCL" "${recipe[@]}" --out "$tmp/run" --epochs 5000 --quiet --status "$tmp/status.json" >"$tmp/stdout" 2>"$tmp/stderr" &
    local pid=$! code
    wait_until $pid test -s "$tmp/run/metrics.jsonl"
    kill -"$2" $pid
    wait $pid
    code=$?
    [ $code = "$3" ] || fail "$1: exit $code, expected $3: $(cat "$tmp/stderr")"
    grep -q "$4" "$tmp/status.json" || fail "$1: status $(cat "$tmp/status.json")"
    [ "$(wc -l <"$tmp/stderr")" = 1 ] || fail "$1: not one line"
    ls "$tmp/run" | grep -q '^checkpoint-' || fail "$1: no checkpoint"
}
signalled SIGTERM TERM 143 '"interrupted"'
signalled SIGHUP HUP 129 '"interrupted"'
trap '' HUP # as nohup does
rm -rf "$tmp/run"
"$BERTCL" "${recipe[@]}" --out "$tmp/run" --max-steps 400 --quiet >"$tmp/stdout" 2>"$tmp/stderr" &
pid=$!
wait_until $pid test -s "$tmp/run/metrics.jsonl"
kill -HUP $pid 2>/dev/null
wait $pid || fail "nohup: exit $?: $(cat "$tmp/stderr")"
trap - HUP

# ---- readers that go away, streams that are closed ----
rm -rf "$tmp/run" "$tmp/whole"
"$BERTCL" "${recipe[@]}" --out "$tmp/whole" --epochs 3 --quiet >"$tmp/stdout" || fail "whole: exit $?"
set -o pipefail
"$BERTCL" "${recipe[@]}" --out "$tmp/run" --epochs 3 2>&1 | head -1 >/dev/null || fail "train | head: exit $?"
cmp -s "$tmp/run/model/model.safetensors" "$tmp/whole/model/model.safetensors" || fail "train | head: another model"
rm -rf "$tmp/run"
"$BERTCL" "${recipe[@]}" --out "$tmp/run" --epochs 3 <&- >&- 2>&- || fail "closed streams: exit $?"
for file in model/model.safetensors metrics.jsonl test.conll; do
    cmp -s "$tmp/run/$file" "$tmp/whole/$file" || fail "closed streams: another $file"
done
# a run's own configuration starts it once more
check "config of a run" 0 . "$BERTCL" train --config "$tmp/whole/run.json" --out "$tmp/again" --quiet
cmp -s "$tmp/again/model/model.safetensors" "$tmp/whole/model/model.safetensors" || fail "config of a run: another model"
check "eval to closed stdout" 1 'standard output: cannot write' bash -c '"$0" eval --model "$1" --data "$2" >&-' "$BERTCL" "$tmp/whole/model" "$tmp/data"
check "predict from closed stdin" 1 'standard input: cannot read' bash -c '"$0" predict --model "$1" <&-' "$BERTCL" "$tmp/whole/model"
check "status that cannot be written" 1 'nowhere/status.json: cannot create' "$BERTCL" "${recipe[@]}" --out "$tmp/other" --status "$tmp/nowhere/status.json" --quiet
[ -e "$tmp/other" ] && fail "a status that cannot be written left a run"
exit $failed
