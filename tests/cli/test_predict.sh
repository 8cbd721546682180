#!/usr/bin/env bash
# bertcl predict with a tiny random model: every format, streaming, order, long texts, and bad input (one line each).
set -u
: "${BERTCL:?}" "${BERTCL_BUILD:?}"
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
failed=0
model=$tmp/model
"$BERTCL_BUILD/tests/make_tiny_model" "$model" || exit 1
if ! "$BERTCL" devices >"$tmp/devices" 2>&1; then
    echo "skipped: $(tail -1 "$tmp/devices")"
    exit 77
fi
device=(${BERTCL_DEVICE:+--device "$BERTCL_DEVICE"})
predict() { "$BERTCL" predict --model "$model" "${device[@]}" "$@"; }
check() { # name expected found
    if [ "$2" != "$3" ]; then
        printf 'FAILED %s\n  expected %s\n  found    %s\n' "$1" "$2" "$3" >&2
        failed=1
    fi
}
has() { # name pattern text
    grep -qE -- "$2" <<<"$3" || check "$1" "/$2/" "$3"
}
refuse() { # name exit-code part-of-message arguments...; standard input is passed on
    local name=$1 code=$2 part=$3 found
    shift 3
    predict "$@" >"$tmp/out" 2>"$tmp/err"
    found=$?
    check "$name: exit code" "$code" "$found"
    check "$name: lines of message" 1 "$(wc -l <"$tmp/err")"
    grep -qF -- "$part" "$tmp/err" || check "$name: message" "$part" "$(cat "$tmp/err")"
}

# JSON lines
check "empty lines" '{"text": "", "entities": []}
{"text": " ", "entities": []}' "$(printf '\n \n' | predict)"
check "nothing" "" "$(predict </dev/null)"
printf 'ab cd.\r\nx "é"\n' >"$tmp/text"
for aggregation in none simple first average max; do
    got=$(predict --aggregation $aggregation <"$tmp/text")
    check "$aggregation: lines" 2 "$(wc -l <<<"$got")"
    has "$aggregation: texts" '^\{"text": "x \\"é\\"", "entities": \[' "$(tail -1 <<<"$got")"
    check "$aggregation: batches of one" "$got" "$(predict --aggregation $aggregation --max-tokens 3 <"$tmp/text")"
    check "$aggregation: as words" "$(tail -1 <<<"$got")" "$(printf '["x","\\"\\u00e9\\""]\n' | predict --words --aggregation $aggregation)"
done
check "no final newline" "$got" "$(head -c -1 "$tmp/text" | predict --aggregation max)"
check "file" "$got" "$(predict --aggregation max "$tmp/text")"
check "two files" "$got
$got" "$(predict --aggregation $aggregation "$tmp/text" - <"$tmp/text")"
has "keys" '\{"entity": "I-[A-Z]+", "score": 0\.[0-9]+, "index": [0-9]+, "word": "[^"]+", "start": [0-9]+, "end": [0-9]+\}' "$(predict <"$tmp/text")"
has "keys of groups" '\{"entity_group": "[A-Z]+", "score": 0\.[0-9]+, "word": "[^"]+", "start": [0-9]+, "end": [0-9]+\}' "$(predict --aggregation simple <"$tmp/text")"
has "byte offsets" '"start": 3, "end": 4, "start_byte": 3, "end_byte": 5\}' "$(predict --byte-offsets <"$tmp/text")"
check "words without pieces" '{"text": "  ", "entities": []}' "$(printf '["", " ", ""]' | predict --words | sed 's/   */  /')"

# order and batches over many lines
for i in $(seq 300); do printf 'a%.0s ' $(seq $((i % 40))); echo "$i"; done >"$tmp/many"
predict --quiet <"$tmp/many" >"$tmp/many.out"
check "order" "$(sed 's/.*/&/' "$tmp/many")" "$(sed 's/^{"text": "\([^"]*\)".*/\1/' "$tmp/many.out")"

# an answer comes before the next question
mkfifo "$tmp/in"
predict <"$tmp/in" >"$tmp/answers" 2>&1 &
pid=$!
exec 3>"$tmp/in"
echo ab >&3
until [ -s "$tmp/answers" ] || ! kill -0 $pid 2>/dev/null; do sleep .1; done
check "an answer while the input is open" 1 "$(wc -l <"$tmp/answers")"
exec 3>&-
wait $pid || check "end of input" 0 $?

# long texts: 100 words, 62 pieces at a time
words=$(printf 'a %.0s' $(seq 100))
has "cut" '"words_cut": 38\}$' "$(predict --quiet <<<"$words")"
has "cut, message" '38 words of 1 texts are beyond 64 pieces' "$(predict <<<"$words" 2>&1 >"$tmp/out")"
check "windows" 0 "$(predict --long window <<<"$words" | grep -c words_cut)"
predict --format conll --long window <<<"$words" >"$tmp/windows"
check "windows: every word" 101 "$(wc -l <"$tmp/windows")"
check "windows: none is O for being cut" "$(predict --format conll --long window --max-length 40 --stride 30 <<<"$words" | wc -l)" 101
check "cut words stay in CoNLL" 101 "$(predict --format conll --quiet <<<"$words" | wc -l)"

# CoNLL, page, counts, documents
check "conll words" 'ab
c d' "$(printf '["ab","c\\td"]' | predict --words --format conll | cut -f1 | head -2)"
"$BERTCL" data stats "$tmp/windows" >"$tmp/out" 2>&1 || check "conll is data" "" "$(cat "$tmp/out")"
printf '<script>alert("1")</script> a & b %s\n' "'q'" | predict --format html >"$tmp/page"
has "page" '<!DOCTYPE html>' "$(head -1 "$tmp/page")"
has "page: end" '</html>' "$(tail -1 "$tmp/page")"
check "page: nothing runs, nothing is fetched" 0 "$(grep -ciE '<script|https?:|src=|href=|@import|url\(' "$tmp/page")"
check "page of nothing" 1 "$(predict --format html </dev/null | grep -c '</html>')"
has "counts" '^[0-9]+	[A-Z]+	' "$(predict --format counts <"$tmp/text")"
printf 'Mr. X came. He\nwent.\n\n  é! Yes.' >"$tmp/document"
check "document" '0 Mr. X came.
12 He\u000awent.
24 é!
27 Yes.' "$(predict --document "$tmp/document" | sed 's/.*"offset": \([0-9]*\), "text": "\([^"]*\)".*/\1 \2/')"

# a page says what it is of, and shows scores
page=$(predict --format html "$tmp/text")
has "page: model" "<dt>Model</dt><dd>$model</dd>" "$page"
has "page: data" "<dt>Data</dt><dd>$tmp/text</dd>" "$page"
has "page: date" '<dt>Date</dt><dd>[0-9-]+ [0-9:]+ UTC</dd>' "$page"
has "page: scores" 'data-tag="[A-Z]+ [01]\.[0-9][0-9]">' "$page"

# CoNLL files: every line as it was, the label behind a word
printf '# id 1 domain=x\nab\tX\tO\n#\tX\tO\n#\thttp://a.b/ [1]\ncd\tY\tI-LOC\n\n-DOCSTART-\tO\n\nef gh\tZ\tO\r\n\n# the end\n' >"$tmp/in.conll"
predict --input-format conll --format conll "$tmp/in.conll" >"$tmp/conll"
check "conll: lines stay" "$(tr -d '\r' <"$tmp/in.conll")" "$(awk -F'\t' -v OFS='\t' 'NF == 4 { NF = 3 } { print }' "$tmp/conll")"
check "conll: labels" 4 "$(grep -cE $'\t(O|I-[A-Z]+)$' <(awk -F'\t' 'NF == 4' "$tmp/conll"))"
check "conll: as words" "$(printf '["ab","#","cd"]\n' | predict --words --format conll | cut -f2 | paste -sd,)" \
    "$(awk -F'\t' 'NF == 4 { print $4 } NF == 0 { exit }' "$tmp/conll" | paste -sd,),"
has "conll: text" '"text": "X X Y"' "$(predict --input-format conll --word-column 2 "$tmp/in.conll")"
has "conll: from the end" '"text": "X X Y"' "$(predict --input-format conll --word-column -2 "$tmp/in.conll")"
check "conll: spaces" 'ab O' "$(printf 'ab\n' | predict --input-format conll --format conll --min-score 1 | head -1 | sed 's/\t/ /')"
refuse "conll: no such column" 1 "standard input:2: found 1 columns, expected the word in column 2" --input-format conll --word-column 2 < <(printf 'ab c\nd\n')
refuse "word column of texts" 2 "is for --input-format conll" --word-column 2 </dev/null

# JSON objects
printf '{"id": 1, "text": "ab cd."}\n{"tokens": ["x", "y"], "text2": "zz"}\n' >"$tmp/records"
check "records" '{"text": "ab cd.",{"text": "x y",' "$(predict --input-format jsonl "$tmp/records" | sed 's/ "entities.*//' | tr -d '\n')"
has "records: field" '"text": "zz"' "$(tail -1 "$tmp/records" | predict --input-format jsonl --field text2)"
refuse "records: no field" 1 'records: line 2: found no field "text"' --input-format jsonl --field text "$tmp/records"
refuse "records: not an object" 1 'line 1: expected a JSON object' --input-format jsonl < <(printf '[1]\n')
refuse "records: two objects" 1 'line 1: expected a JSON object' --input-format jsonl < <(printf '{"text":"a"} {"text":"b"}\n')
refuse "records: a number" 1 'field "text": expected a text or an array of words' --input-format jsonl < <(printf '{"text":1}\n')
refuse "records: numbers" 1 '"tokens": expected strings' --input-format jsonl < <(printf '{"tokens":["a",1]}\n')

# a file for each
mkdir "$tmp/folder" && cp "$tmp/text" "$tmp/folder/b.txt" && cp "$tmp/text" "$tmp/folder/a.txt" && touch "$tmp/folder/.hidden"
check "folder: files in order" 4 "$(predict "$tmp/folder" | wc -l)"
predict --quiet --out "$tmp/written" "$tmp/folder"
check "out: files" 'a.jsonl b.jsonl' "$(ls "$tmp/written" | paste -sd' ')"
check "out: content" "$(predict "$tmp/text")" "$(cat "$tmp/written/b.jsonl")"
predict --quiet --format html --out "$tmp/written" "$tmp/folder"
check "out: a page each" 2 "$(grep -c '<p class="text"' "$tmp/written/b.html")"
predict --quiet --format counts --out "$tmp/written" "$tmp/folder"
cmp -s "$tmp/written/a.tsv" "$tmp/written/b.tsv" || check "out: counts of each" same different
cp "$tmp/folder/a.txt" "$tmp/folder/a.md"
refuse "out: one name" 2 'both would be written to' --out "$tmp/written" "$tmp/folder"
refuse "out: over the input" 2 'would be overwritten' --out "$tmp/written" "$tmp/written/a.jsonl"
printf 'ab\n\377\n' >"$tmp/bad.txt"
rm -r "$tmp/written"
predict --quiet --out "$tmp/written" "$tmp/text" "$tmp/bad.txt" 2>/dev/null
check "out: nothing half written" text.jsonl "$(ls "$tmp/written")"

# entities
check "min-score" 0 "$(predict --min-score 1 --aggregation first "$tmp/text" | grep -c entity_group)"
check "min-score: words" 0 "$(predict --min-score 1 --format conll "$tmp/text" | grep -c 'I-')"
refuse "constrained pieces" 2 "decodes words" --constrain --aggregation simple </dev/null
# A model that learnt first pieces: words by default; its temperature changes scores, not labels.
cp -r "$model" "$tmp/own"
sed -i '0,/{/s//{"bertcl": {"label_pieces": "first", "temperature": 5},/' "$tmp/own/config.json"
"$BERTCL" predict --model "$tmp/own" "$tmp/text" >"$tmp/own.out" 2>"$tmp/err"
has "first pieces" '"entity_group"' "$(cat "$tmp/own.out")"
check "temperature" "$(predict --aggregation first "$tmp/text" | sed 's/"score": [0-9.e-]*//g')" "$(sed 's/"score": [0-9.e-]*//g' "$tmp/own.out")"
[ "$(predict --aggregation first "$tmp/text")" = "$(cat "$tmp/own.out")" ] && check "temperature: scores" other same
has "first pieces, told" 'was trained on the first piece' "$("$BERTCL" predict --model "$tmp/own" --aggregation max "$tmp/text" 2>&1 >/dev/null)"

# IOBES: B, I and E are one entity, S is one; decoded labels are well-formed. BERT cuts no word of these
for i in $(seq 20); do printf '["ab%d", "c", "xy", "%d", "the", "q%d", "zz"]\n' "$i" $((i * 7)) $((i % 3)); done >"$tmp/sentences"
iobes() { "$BERTCL" predict --model "$tmp/iobes" "${device[@]}" --words "$@" "$tmp/sentences"; }
letters() { iobes --format conll "$@" | awk -F'\t' 'NF { printf "%s", substr($2, 1, 1); next } { print "" }'; }
entities() { iobes "$@" | grep -o '"entity_group"' | wc -l; }
for names in "ORG PER LOC MISC" "MISC LOC PER ORG" "LOC MISC ORG PER"; do
    set -- $names
    rm -rf "$tmp/iobes"
    cp -r "$model" "$tmp/iobes"
    sed -i "s/I-$1/B-X/; s/I-$2/i-X/; s/I-$3/E-X/; s/I-$4/S-X/; s/i-X/I-X/" "$tmp/iobes/config.json"
    letters --constrain >"$tmp/letters"
    check "IOBES $names: well-formed" 20 "$(grep -cE '^(O|S|BI*E)*$' "$tmp/letters")"
    check "IOBES $names: entities" "$(grep -o '[BS]' "$tmp/letters" | wc -l)" "$(entities --constrain)"
    check "IOBES $names: greedy" "$(letters | sed 's/O/\n/g; s/[ES]/&\n/g; s/[BS]/\n&/g' | grep -c .)" "$(entities --aggregation first)"
done

# bad input
printf 'ab\ncd\377\nef\n' | refuse "not UTF-8" 1 "standard input: line 2: byte 2: not valid UTF-8"
check "not UTF-8: what came before" 1 "$(wc -l <"$tmp/out")"
printf 'a\0b\n' | refuse "NUL" 1 "standard input: line 1: byte 1: found a NUL"
head -c 3000 "$BERTCL" | refuse "a program" 1 "standard input: line 1: byte"
printf '["a"]\n["a"\n' | refuse "words" 1 "standard input: line 2: byte 4: expected a JSON array of strings" --words
printf '["a\xff"]\n' | refuse "words, not UTF-8" 1 "standard input: line 1: byte 3: not valid UTF-8" --words
refuse "no file" 1 "$tmp/none: cannot open" "$tmp/none"
mkdir "$tmp/empty"
refuse "an empty folder" 1 "$tmp/empty: found no file in the folder" "$tmp/empty"
refuse "its own output" 2 "$tmp/out: is standard output" "$tmp/out"
refuse "aggregation" 2 "none|simple|first|average|max" --aggregation last
refuse "words of documents" 2 "exclude each other" --words --document
refuse "stride alone" 2 "--long window" --stride 3
refuse "stride too large" 2 "less than the 62 pieces" --long window --stride 62 </dev/null
refuse "max-length" 2 "64 positions" --max-length 65 </dev/null
"$BERTCL" predict </dev/null >"$tmp/out" 2>"$tmp/err"
check "no model" "2 1" "$? $(wc -l <"$tmp/err")"
"$BERTCL" predict --model "$tmp/nothing" </dev/null >"$tmp/out" 2>"$tmp/err"
check "missing model" "1 1" "$? $(wc -l <"$tmp/err")"

# a reader that has seen enough
{ predict <"$tmp/many"; echo "$?" >"$tmp/code"; } 2>"$tmp/err" | head -1 >"$tmp/out"
check "broken pipe is quiet" "" "$(cat "$tmp/err")"
predict <"$tmp/text" >/dev/full 2>"$tmp/err"
check "full disk" "1 1" "$? $(wc -l <"$tmp/err")"
exit $failed
