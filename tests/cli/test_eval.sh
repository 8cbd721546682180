#!/bin/bash
# bertcl eval on label files and with a tiny random model: output, JSON, tables, errors, bad input.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
has() { grep -qE -- "$2" "$tmp/stdout" || { fail "$1: no /$2/"; cat "$tmp/stdout" >&2; }; }
e() { "$BERTCL" eval "$@"; }

cd "$tmp" || exit 1
printf 'Ms.\tO\nLi\tB-PER\nsaw\tO\nNew\tB-LOC\nYork\tI-LOC\n\nUN\tB-ORG\n' >gold
printf 'Ms.\tO\nLi\tB-PER\nsaw\tO\nNew\tB-LOC\nYork\tO\n\nUN\tB-LOC\n' >pred
cp gold 'right, "it"'

check "two files" 0 '' e --gold gold --pred pred
cat >expected <<'X'
              precision    recall  f1-score   support

       B-LOC       0.50      1.00      0.67         1
       B-ORG       0.00      0.00      0.00         1
       B-PER       1.00      1.00      1.00         1
       I-LOC       0.00      0.00      0.00         1
           O       0.67      1.00      0.80         2

    accuracy                           0.67         6
   macro avg       0.43      0.60      0.49         6
weighted avg       0.47      0.67      0.54         6

              precision    recall  f1-score   support

         LOC       0.00      0.00      0.00         1
         ORG       0.00      0.00      0.00         1
         PER       1.00      1.00      1.00         1

   micro avg       0.33      0.33      0.33         3
   macro avg       0.33      0.33      0.33         3
weighted avg       0.33      0.33      0.33         3

X
diff -u expected stdout >&2 || fail "two files: text"
check "JSON" 0 '"scheme":[[:space:]]*"IOB2"' e --gold gold --pred pred --mode strict --scheme IOB2 --json
for key in accuracy report entities mode scheme confusion labels matrix counts matches partial ent_type missing spurious; do
    has JSON "\"$key\""
done
printf 'Sao NC B-LOC B-LOC\r\nPaulo VMI I-LOC O\r\n' >both
check "two columns: gold" 0 'data: both: columns 3 and 4 hold tags, read column 3' e --gold both --pred both
check "two columns: predicted" 0 'data: both: columns 3 and 4 hold tags, read column 4' e --gold both --pred both
check "two columns: quiet" 0 'accuracy +0\.50' e --gold both --pred both --quiet
[ -s stderr ] && fail "two columns: quiet: $(cat stderr)"
check "default mode" 0 '"scheme":[[:space:]]*null' e --gold gold --pred pred --json
check "a scheme is strict" 0 '"mode":[[:space:]]*"strict"' e --gold gold --pred pred --json --scheme IOB2
check "--mode default wins" 0 '"mode":[[:space:]]*"default"' e --gold gold --pred pred --json --scheme IOB2 --mode default
check "scheme by the tags" 0 '"scheme":[[:space:]]*"IOB2"' e --gold gold --pred pred --json --mode strict
check "unknown tags" 0 'pred: 6 tags .* IOE2 does not know' e --gold gold --pred pred --scheme IOE2
check "mapped" 0 ' I-LOC +0\.50' e --gold gold --pred pred --map B-LOC=I-LOC --map I-LOC=B-LOC
check "matches" 0 '^all +partial +2 +0 +1 +0 +0' e --gold gold --pred pred --matches
check "confusion" 0 '^ *B-ORG +1 +0 +0 +0 +0' e --gold gold --pred pred --confusion
check "breakdown" 0 '^ +2 +6 +.* 1-5' e --gold gold --pred pred --breakdown
check "table" 0 '^right, "it" +gold +2 +6 +1\.0000' e --gold gold --pred pred 'right, "it"'
check "Markdown" 0 '^\| pred +\| gold \|' e --gold gold --pred pred --table markdown
check "CSV" 0 '^"right, ""it""",gold,2,6,1\.00,' e --gold gold --pred pred 'right, "it"' --table csv --digits 2
check "JSON of several" 0 '"results"' e --gold gold --pred pred pred --json
check "bootstrap" 0 'micro avg +f1-score +0\.3333 \[' e --gold gold --pred pred --bootstrap 100 --seed 3
cp stdout first
check "bootstrap again" 0 '' e --gold gold --pred pred --bootstrap 100 --seed 3
cmp -s first stdout || fail "bootstrap: the seed does not decide"
check "two predictions" 0 '"difference":[[:space:]]*0\.3333' e --gold gold --pred pred --pred2 'right, "it"' --json
has "two predictions" '"p":'
check "errors" 0 'errors: 2 written to e.txt' e --gold gold --pred pred --errors e.txt
grep -q 'wrong type: ORG "UN" as LOC "UN"' e.txt || fail "errors: text"
check "page" 0 'written to e.html' e --gold gold --pred pred --errors e.html
grep -qF '<mark class="bad">UN'$'\xC2\xA0''<b>ORG</b></mark>' e.html || fail "errors: page"
check "all O" 0 'micro avg +0\.00 +0\.00 +0\.00 +0' e --gold <(printf 'a O\n') --pred <(printf 'a O\n')

printf 'Ms.\tO\nLi\tB-PER\nsaw\tO\nNew\tB-LOC\n\nUN\tB-LOC\n' >short
check "fewer tokens" 1 'gold:5 and short:5: sentence 1: found 5 and 4 tokens' e --gold gold --pred short
sed 's/Li/Lee/' pred >other
check "other token" 1 'gold:2 and other:2: sentence 1, token 2: found "Li" and "Lee"' e --gold gold --pred other
head -6 pred >less
check "fewer sentences" 1 'gold:7: sentence 2 has no counterpart in less, which ends at line 5' e --gold gold --pred less
check "no file" 1 'none: cannot open' e --gold gold --pred none
check "no directory" 1 'none/e.txt' e --gold gold --pred pred --errors none/e.txt
check "nothing" 2 'model is needed' e
check "gold alone" 2 'pred is needed' e --gold gold
check "both ways" 2 'exclude' e --gold gold --pred pred --model m
check "two golds" 2 'as many as --pred' e --gold gold gold --pred pred
check "pred2 alone" 2 'goes with --gold' e --model m --data d --pred2 p
check "bad scheme" 2 'expected one of' e --gold gold --pred pred --scheme IOB
check "bad zero division" 2 'expected one of' e --gold gold --pred pred --zero-division 2
[ -c /dev/full ] && check "full disk" 1 'cannot write' sh -c '"$0" eval --gold gold --pred pred >/dev/full' "$BERTCL"
if [ -c /dev/full ]; then # through a link: a device is written to, never replaced
    ln -s /dev/full full && ln -s /dev/null null
    check "full disk, errors" 1 'full: cannot write' e --gold gold --pred pred --errors full
    check "errors to a device" 0 'written to null' e --gold gold --pred pred --errors null
    [ -L full ] && [ -L null ] || fail "a device was replaced"
fi
"$BERTCL" eval --gold gold --pred pred --json 2>pipe | true
[ -s pipe ] && fail "broken pipe: $(cat pipe)"

[ $failed = 0 ] || exit 1
need_device
"$BERTCL_BUILD/tests/make_tiny_model" "$tmp/model" || exit 1
sample="$BERTCL_TESTS/../sample/speech 1.conll"
# Three words a sentence: none is cut.
awk '/^ *$/ { n = 0; print; next } ++n <= 3' "$sample" >short1
tail -50 short1 >short2
m() { "$BERTCL" eval --quiet --map-preset un-ner --data short1 "$@"; }
accuracy() { grep -m1 '"accuracy"' stdout | tr -d ' \t,'; }
# Without cut words, word level is what the first pieces say.
check "first pieces" 0 '"level":[[:space:]]*"word"' m --model model --label-pieces first --json
has "first pieces" '"report_level":[[:space:]]*"piece"'
first=$(accuracy)
check "word level" 0 '"level":[[:space:]]*"word"' m --model model --level word --json
[ -n "$first" ] && [ "$(accuracy)" = "$first" ] || fail "word level: $(accuracy), first pieces $first"
has "word level" '"words_cut":[[:space:]]*0'
check "cut words count" 0 '"words_cut":[[:space:]]*[1-9]' m --model model --level word --max-length 10 --json
words=$(grep -c . short1)
has "cut words count" "\"tokens\":[[:space:]]*$words"
check "entities of a model" 0 'micro avg' m --model model
check "models in a table" 0 '^\| model ' m --model model model --table markdown
check "each" 0 'model,short2,' m short2 --model model --each --table csv
# A sentence of 1,000 words: cut with a word about it, or in windows, where predict says the same of every word.
for i in $(seq 1000); do printf '%s%s\t%s\n' "$(printf 'a%.0s' $(seq $((i % 3 + 1))))" "$i" "$([ $((i % 5)) = 0 ] && echo I-LOC || echo O)"; done >long
check "cut, told" 0 '^9[0-9]+ words of 1 sentences are beyond 64 pieces and were cut; --long window scores them too' e --data long --model model
check "cut, told beside JSON" 0 '^9[0-9]+ words of 1 sentences .*--long window' e --data long --model model --json
has "cut, in JSON" '"words_cut":[[:space:]]*9[0-9]+'
check "cut, in a table" 0 '^words cut$' sh -c '"$0" eval --quiet --data long --model model --table csv | head -1 | tr , "\n" | tail -1' "$BERTCL"
for stride in 1 20 61; do
    check "windows, stride $stride" 0 '"words_cut":[[:space:]]*0' e --quiet --data long --model model --level word --long window --stride $stride --json
    has "windows" '"sentences_windowed":[[:space:]]*1,'
    has "windows" '"tokens":[[:space:]]*1000,'
    { printf '['; cut -f1 long | sed 's/.*/"&"/' | paste -sd,; printf ']\n'; } | tr -d '\n' |
        "$BERTCL" predict --model model --words --format conll --long window --stride $stride >predicted
    "$BERTCL" eval --gold long --pred predicted --digits 6 >expected || fail "windows: predict's labels"
    check "windows, text" 0 '^1 sentences are beyond 64 pieces and were scored in windows' e --data long --model model --level word --long window --stride $stride --digits 6
    sed -n '4,$p' stdout | grep -v '^Labels of\|^Entities of' | diff - expected >&2 || fail "windows, stride $stride: predict and eval differ"
done
check "windows of pieces" 0 '"sentences_windowed"' e --quiet --data long --model model --long window --logits all.safetensors --json
pieces=$(grep -m1 '"labelled"' stdout | tr -dc 0-9)
grep -aqE "\"logits.0\":[^}]*\"shape\":\[$((pieces + 2)),5\]" all.safetensors || fail "windows: logits of $pieces pieces"
# Levels: entities are of words unless pieces are asked for, the report of labels is of pieces, each said.
check "levels" 0 '^Labels of pieces$' m --model model
has "levels" '^Entities of words: IOB1, default$'
check "levels, pieces" 0 '^Entities of pieces: IOB1, default$' m --model model --level piece
check "levels, words" 0 '^Labels of words$' m --model model --level word
check "levels, strict" 0 '^Entities of words: IOB2, strict$' m --model model --scheme IOB2
check "levels, table" 0 'model,.*,of words,"IOB1, default"$' m --model model --table csv
check "levels, JSON" 0 '"scheme":[[:space:]]*"IOB1"' m --model model --json
support() { grep -A9 "^Entities of" "$1" | awk '/micro avg/ { print $NF }'; }
m --model model >words.txt
m --model model --level piece >pieces.txt
entities=$(sed 's/\r$//' short1 | awk -F'\t' '{ t = $NF; if (t !~ /^I-(PER|LOC|ORG|MISC)$/) t = "O"; if (t != "O" && t != last) n++; last = t }
    END { print n }')
[ "$(support words.txt)" = "$entities" ] || fail "levels: support $(support words.txt), the data have $entities entities"
# What goes into a file can be scored as files.
check "predictions" 0 'predictions: [0-9]+ written to p.conll' e --map-preset un-ner --data short1 --model model --predictions p.conll
awk -F'\t' '{ print $1 (NF > 1 ? "\t" $2 : "") }' p.conll >p.gold
e --gold p.gold --pred p.conll --digits 4 >p.txt
sed -n '/^Entities of/,$p' words.txt | tail -n +2 | diff - <(sed -n '/micro\|macro\|weighted/!d; p' p.txt | head -0; awk '/precision/ { n++ } n == 2' p.txt) >&2 || fail "predictions: other scores"
check "constrained" 0 '^Entities of words: IOB1, default, constrained$' m --model model --constrain
check "constrained pieces" 2 'decodes words' m --model model --constrain --level piece
# A model remembers its temperature and how its pieces were labelled.
cp -r model own
check "calibrate" 0 '^calibrated on [0-9]+ words: temperature [0-9.]+, loss .* written to own/config.json' e --model own --map-preset un-ner --calibrate short1
grep -q '"temperature"' own/config.json || fail "calibrate: nothing was written"
tr -d '\n' <own/config.json | sed 's/"bertcl":[^}]*}/"bertcl": {"label_pieces": "first"}/' >one && cp one own/config.json
check "label pieces of the model" 0 '"label_pieces":[[:space:]]*"first"' m --model own --json
[ "$(accuracy)" = "$first" ] || fail "label pieces of the model: $(accuracy), expected $first"
check "label pieces overridden" 0 '"label_pieces":[[:space:]]*"all"' m --model own --label-pieces all --json
mkdir linked && ln -s "$tmp"/own/* linked
check "calibrate a cache" 2 'config.json: found a link' e --quiet --model linked --map-preset un-ner --calibrate short1
# Prefixes that default mode cannot read, in files.
printf 'a\tU-X\nb\tB-Y\nc\tL-Y\n' >bilou
check "BILOU files" 0 'the gold tags are BILOU.*--scheme BILOU' e --gold bilou --pred bilou
check "BILOU files, strict" 0 '^ *micro avg +1.00 +1.00 +1.00 +2$' e --gold bilou --pred bilou --scheme BILOU
printf 'a\tPER\nb\tPER\nc\tLOC\n' >io
check "IO" 0 '^ *PER +1.00 +1.00 +1.00 +1$' e --gold io --pred io --scheme IO
# Nothing of what is in the data steers a terminal.
printf 'a\tI-\033[31m\nb\tO\n' >steer
for more in "" --confusion --matches --breakdown "--bootstrap 10" "--table text" "--table markdown"; do
    check "escapes $more" 0 '' e --gold steer --pred steer $more
    grep -q $'\033' stdout && fail "escapes $more"
done
check "stride alone" 2 'is for --long window' e --data long --model model --stride 3
check "stride too large" 2 'less than the 62 pieces' e --data long --model model --long window --stride 62
check "max-length too large" 2 'has 64 positions' e --data long --model model --max-length 65
check "compare" 0 'second - first' m --model model --compare model --bootstrap 50
exit $failed
