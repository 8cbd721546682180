#!/bin/bash
# bertcl data: output, exit codes, one line an error, nothing left behind.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
sample=$BERTCL_TESTS/../sample

same() { # same NAME EXPECTED-FILE FILE
    diff -u "$2" "$3" >&2 || { echo "FAILED $1" >&2; failed=1; }
}
b() { "$BERTCL" data "$@"; }

mkdir "$tmp/a folder"
printf 'Oslo\tI-LOC\n.\t0\n\nOslo\tO\n.\tO\n\n' >"$tmp/a folder/one.conll"
printf 'Ms. O\r\nLi I-PER\r\n' >"$tmp/a folder/two"

check help 0 'usage: bertcl data stats' b stats --help
check "help of data" 0 'stats.*prepare|prepare' b --help
check "no command" 2 'expected stats, prepare, convert' b foo
check "no path" 2 'found no PATH' b stats
check "unknown option" 2 'unknown option --foo' b stats --foo x
check "stats" 0 '^sentences +3$' b stats "$tmp/a folder"
check "raw and cleaned" 0 '^O +3 +4$' b stats "$tmp/a folder" --map 0=O
check "mapped to a new tag" 0 '^I-PLACE +0 +1$' b stats "$tmp/a folder" --map I-LOC=I-PLACE
check "duplicates" 0 'repeat an earlier one: 1, 1 of them' b stats "$tmp/a folder"
check "overlap with --test" 0 'in both: 2 of' b stats "$tmp/a folder/two" "$tmp/a folder/one.conll" --test "$tmp/a folder/one.conll"
check "JSON" 0 '"tags_raw"' b stats "$tmp/a folder" --json --map-preset un-ner
for key in files sentences tokens tags_raw tags longest duplicates overlap odd_lines; do
    grep -q "\"$key\"" "$tmp/stdout" || { echo "FAILED JSON: no key $key" >&2; failed=1; }
done
check "bad rule" 2 'expected FROM=TO' b stats "$tmp/a folder" --map 0
check "bad preset" 2 'expected one of un-ner' b stats "$tmp/a folder" --map-preset x
check "missing file" 1 "$tmp/none: cannot open" b stats "$tmp/none"
check "missing map" 1 "none.map: cannot open" b stats "$tmp/a folder" --map-file "$tmp/none.map"
# refused NAME PATTERN FILE: stats goes on to the end, counts, and fails with one line; prepare stops there.
refused() {
    b stats "$3" >"$tmp/stdout" 2>"$tmp/stderr"
    [ $? = 1 ] && grep -q '^tokens ' "$tmp/stdout" && grep -qE -- "$2.*\(refused: [0-9]" "$tmp/stderr" &&
        [ "$(grep -c '^bertcl: ' "$tmp/stderr")" = 1 ] || fail "$1: stats: $(cat "$tmp/stderr")"
    check "$1" 1 "$2" b prepare "$3" --out "$tmp/refused"
}
printf 'a\tO\nb\n' >"$tmp/bad"
refused "one column" 'bad:2: found one column \("b"\), expected a word and its tag' "$tmp/bad"
printf 'a\tO\nb\xff\tO\n' >"$tmp/bad"
refused "not UTF-8" 'bad:2: byte 2 .*found 0xFF, expected UTF-8' "$tmp/bad"
: >"$tmp/empty"
check "empty" 1 'empty: found no sentence' b stats "$tmp/empty"
[ -c /dev/full ] && check "full disk" 1 'standard output: cannot write' sh -c '"$0" data stats "$1" >/dev/full' "$BERTCL" "$tmp/a folder"

check "prepare" 0 'out: 2 sentences for training, 1 for testing' b prepare "$tmp/a folder" --out "$tmp/out" --map 0=O
# pandas: sample(frac=0.8, random_state=200) of 3 rows
cat "$tmp/out/train.conll" "$tmp/out/test.conll" | sort >"$tmp/all"
printf '\n\n\n.\tO\n.\tO\nLi\tI-PER\nMs.\tO\nOslo\tI-LOC\nOslo\tO\n' | sort >"$tmp/expected"
same "prepare: rows" "$tmp/expected" "$tmp/all"
printf 'I-LOC\nO\nI-PER\n' >"$tmp/expected"
same "prepare: labels" "$tmp/expected" "$tmp/out/labels.txt"
grep -q '"split_seed":.*200' "$tmp/out/prepare.json" || { echo "FAILED prepare.json" >&2; failed=1; }
check "exists" 1 'out: exists' b prepare "$tmp/a folder" --out "$tmp/out"
check "no out" 2 'out DIR is needed' b prepare "$tmp/a folder"
check "none for training" 2 'none for training' b prepare "$tmp/a folder" --out "$tmp/o2" --split 0.1
check "bad split" 2 'expected 0 to 1' b prepare "$tmp/a folder" --out "$tmp/o2" --split 1.5
check "bad seed" 2 'expected 0 to 4294967295' b prepare "$tmp/a folder" --out "$tmp/o2" --split-seed 4294967296
check "test and split" 2 'exclude each other' b prepare "$tmp/a folder" --out "$tmp/o2" --split 0.5 --test "$tmp/bad"
check "bad test data" 1 'bad:2' b prepare "$tmp/a folder" --out "$tmp/o2" --test "$tmp/bad"
check "no such parent" 0 'sentences' b prepare "$tmp/a folder" --out "$tmp/new/deep/o3/" --test "$tmp/a folder/two"
printf 'Ms.\tO\nLi\tI-PER\n\n' >"$tmp/expected"
same "prepare: test data" "$tmp/expected" "$tmp/new/deep/o3/test.conll"
check "everything for training" 0 '3 sentences for training, 0 for' b prepare "$tmp/a folder" --out "$tmp/o4" --split 1
[ -e "$tmp/o4/test.conll" ] && { echo "FAILED: an empty test.conll" >&2; failed=1; }
[ -e "$tmp/o2" ] && { echo "FAILED: a failed prepare left a folder" >&2; failed=1; }
ls -a "$tmp" "$tmp/new/deep" | grep -q '\.tmp\.' && { echo "FAILED: a temporary folder is left" >&2; failed=1; }

check "the sample corpus" 0 '^sentences +1500$' b stats "$sample" --map-preset un-ner
check "its dirt" 0 '^VMISC +1 +0$' b stats "$sample" --map-preset un-ner
check "the preset by itself" 0 'data: the tags are those of the UN corpus' b stats "$sample"
check "its dirt by itself" 0 '^VMISC +1 +0$' b stats "$sample"
check "no preset" 0 '^VMISC +1 +1$' b stats "$sample" --map-preset none
check "no preset beside rules" 0 '^VMISC +1 +1$' b stats "$sample" --map X=Y
printf 'a\tO\nb\tI-LOC\nc\t0\nd\tVMISC\n' >"$tmp/own"
check "no preset on others' tags" 0 '^VMISC +1 +1$' b stats "$tmp/own"

# Formats, one a line: what stats says, and that the program takes the options.
printf '#\thttp://a\n1\tKarl\tB-PER\tB-LOC\n2\tlebt\tO\tO\n' >"$tmp/germeval"
check "GermEval" 0 '^format +germeval 2014, word column 2, tag column 3$' b stats "$tmp/germeval"
check "its comments" 0 'comment +1$' b stats "$tmp/germeval"
check "its inner tags" 0 '^B-LOC +1 +1$' b stats "$tmp/germeval" --tag-column 4
check "a tag column from the end" 0 '^B-PER +1 +1$' b stats "$tmp/germeval" --tag-column -2
check "formats in the JSON" 0 '"format":.*"germeval 2014, word column 2, tag column 3"' b stats "$tmp/germeval" --json
check "mixed" 0 '^format +mixed$' b stats "$tmp/germeval" "$tmp/own"
check "a file's format" 0 'own: conll, word column 1, tag column 2$' b stats "$tmp/germeval" "$tmp/own"
printf 'id\tform\tner\n1\tAna\tB-PER\n2\tx\tO\n' >"$tmp/named"
check "columns by name" 0 '^B-PER +1 +1$' b stats "$tmp/named" --word-column form --tag-column ner
check "no such name" 1 'found no column named "tag"' b prepare "$tmp/named" --tag-column tag --out "$tmp/o5"
check "column 0" 2 'tag-column: found 0, expected' b stats "$tmp/named" --tag-column 0
check "the word's column" 2 "which is the word's" b stats "$tmp/named" --tag-column 1
printf '{"tokens": ["Ana", "x"], "ner_tags": [1, 0]}\n' >"$tmp/numbers.jsonl"
check "numbers for tags" 1 'tag-names O,B-PER' b prepare "$tmp/numbers.jsonl" --out "$tmp/o5"
check "their names" 0 '^B-X +1 +1$' b stats "$tmp/numbers.jsonl" --tag-names O,B-X
printf 'O\nB-Y\n' >"$tmp/names.txt"
check "their names in a file" 0 '^B-Y +1 +1$' b stats "$tmp/numbers.jsonl" --tag-names "$tmp/names.txt"
check "bad names" 2 'expected names between commas' b stats "$tmp/numbers.jsonl" --tag-names O,,B
check "unknown format" 2 'expected one of auto' b stats "$tmp/own" --format csv
printf 'NER data\n' >"$tmp/prose"
check "prose" 1 'prose:1: found "NER data" and no line with O' b prepare "$tmp/prose" --out "$tmp/o5"
check "prose that is data" 0 '^data +1 +1$' b stats "$tmp/prose" --format conll
check "endless" 1 '/dev/zero: found 4096 NUL bytes' b prepare /dev/zero --out "$tmp/o5"
check "an endless line" 1 'found a line of more than 67108864 bytes' sh -c \
    'yes a | tr -d "\n" | "$0" data prepare /dev/stdin --out "$1"' "$BERTCL" "$tmp/o5"
mkdir "$tmp/doc folder"
printf 'Ulm B-LOC\nis O\n' >"$tmp/doc folder/x.conll"
printf 'NER data\n' | tee "$tmp/doc folder/README.md" "$tmp/doc folder/x.conll~" >"$tmp/doc folder/.x.swp"
check "a folder with a README" 0 '^tokens +2$' b stats "$tmp/doc folder"
grep -q 'data: .*README.md: left out, a text about' "$tmp/stderr" || fail "README: $(cat "$tmp/stderr")"
mkdir -p "$tmp/doc folder/more" && ln -s .. "$tmp/doc folder/more/loop" && mkfifo "$tmp/doc folder/pipe"
check "what is no file" 0 'data: .*doc folder/more: left out, a folder within the folder' b stats "$tmp/doc folder"
grep -q 'data: .*doc folder/pipe: left out, no file' "$tmp/stderr" || fail "pipe: $(cat "$tmp/stderr")"
rm -r "$tmp/doc folder/more" "$tmp/doc folder/pipe"
check "left out, in the JSON" 0 '"an editor.s backup"' b stats "$tmp/doc folder" --json
printf 'a\tB-\033[31mX\nb\tO\n' >"$tmp/escape"
check "control characters" 0 '^B-\[31mX ' b stats "$tmp/escape"
printf 'a\tB-X\nb\tO\n' >"$tmp/$(printf 'line\033end\377')"
check "control characters in a path" 0 'line\\x1bend\\xff:1: 2 words' b stats "$tmp/"line*
"$BERTCL" data stats "$tmp/"line* --json | iconv -f utf-8 -t utf-8 >/dev/null || fail "JSON that is not UTF-8"
LC_ALL=C grep -q "$(printf '[\033\377]')" "$tmp/stdout" "$tmp/stderr" && fail "control characters on a terminal"

# convert: there and back, through every format and scheme.
printf 'Ana\tB-PER\nRuiz\tI-PER\nlives\tO\nin\tO\nUlm\tB-LOC\n\nRio\tB-LOC\nis\tO\n\n' >"$tmp/source"
for format in conll conll2003 germeval conllu jsonl doccano prodigy label-studio brat; do
    check "to $format" 0 "2 sentences, 7 words, $format" b convert "$tmp/source" --to $format --out "$tmp/c.$format"
    check "back from $format" 0 '2 sentences, 7 words, conll' b convert "$tmp/c.$format" --to conll --out "$tmp/b.$format"
    same "$format there and back" "$tmp/source" "$tmp/b.$format"
done
for scheme in IOB1 IOBES BILOU; do
    check "to $scheme" 0 '2 sentences' b convert "$tmp/source" --to conll --scheme $scheme --out "$tmp/s.$scheme"
    cmp -s "$tmp/source" "$tmp/s.$scheme" && fail "$scheme: nothing changed"
    check "back from $scheme" 0 '2 sentences' b convert "$tmp/s.$scheme" --to conll --scheme IOB2 --out "$tmp/t.$scheme"
    same "$scheme there and back" "$tmp/source" "$tmp/t.$scheme"
done
check "convert: exists" 1 'source: exists' b convert "$tmp/source" --to conll --out "$tmp/source"
check "convert: no format" 2 'to FORMAT is needed' b convert "$tmp/source" --out "$tmp/c"
check "convert: no scheme" 1 'own:3: found the tag "0"' b convert "$tmp/own" --to doccano --out "$tmp/c"
[ -e "$tmp/c" ] && fail "a failed convert left a file"
exit $failed
