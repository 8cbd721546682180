#!/bin/bash
# bertcl predict on input of any length: documents without line breaks, sentences and lines that never end.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
need_device
model=$tmp/model
"$BERTCL_BUILD/tests/make_tiny_model" "$model" || exit 1
predict() { "$BERTCL" predict --quiet --model "$model" ${BERTCL_DEVICE:+--device "$BERTCL_DEVICE"} "$@"; }
places() { sed 's/.*"offset": \([0-9]*\), "text": "\([^"]*\)".*/\1 \2/' "$1"; }

# Read in parts: code points on their borders, places, and where the UTF-8 is wrong.
awk 'BEGIN { for (i = 0; i < 4000; i++) printf "É%0*d — ab. ", i % 30 + 10, i }' >"$tmp/one-line"
sed 's/\. /.\n/g' "$tmp/one-line" >"$tmp/lines"
predict --document "$tmp/lines" >"$tmp/lines.out" || fail "document of lines"
predict --document "$tmp/one-line" >"$tmp/one-line.out" || fail "document of one line"
[ "$(wc -l <"$tmp/lines.out")" = 4000 ] || fail "document of lines: $(wc -l <"$tmp/lines.out") sentences"
cmp <(places "$tmp/lines.out") <(places "$tmp/one-line.out") >&2 || fail "document of one line"
bytes=$(wc -c <"$tmp/one-line")
{ printf 'ab.\n'; cat "$tmp/one-line"; printf 'x\377'; } >"$tmp/wrong"
predict --document "$tmp/wrong" >"$tmp/out" 2>"$tmp/err" && fail "not UTF-8: exit 0"
[ "$(cat "$tmp/err")" = "bertcl: $tmp/wrong: line 2: byte $((bytes + 1)): not valid UTF-8" ] || fail "not UTF-8: $(cat "$tmp/err")"
[ "$(wc -l <"$tmp/out")" -gt 3500 ] || fail "not UTF-8: what came before is lost"

# A sentence that never ends is cut at a space, and nothing is lost.
awk 'BEGIN { for (i = 0; i < 200000; i++) printf "ab %d ", i }' >"$tmp/endless"
predict --document "$tmp/endless" >"$tmp/out" || fail "sentence without end"
[ "$(wc -l <"$tmp/out")" = 2 ] || fail "sentence without end: $(wc -l <"$tmp/out") parts"
places "$tmp/out" | cut -d' ' -f2- | tr '\n' ' ' | cmp - "$tmp/endless" >&2 || fail "sentence without end: text lost"

# A line is one text, in memory whole: it must end somewhere.
{ echo ab; head -c 17000000 /dev/zero | tr '\0' a; } >"$tmp/huge"
predict "$tmp/huge" >"$tmp/out" 2>"$tmp/err" && fail "line without end: exit 0"
grep -qF "$tmp/huge: line 2: found more than 16 MiB without a line break" "$tmp/err" || fail "line without end: $(cat "$tmp/err")"
[ "$(wc -l <"$tmp/err") $(wc -l <"$tmp/out")" = "1 1" ] || fail "line without end: what came before is lost"
exit $failed
