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
check "no command" 2 'expected stats, prepare' b foo
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
printf 'a\tO\nb\n' >"$tmp/bad"
check "one column" 1 'bad:2: found one column \("b"\), expected a word and its tag' b stats "$tmp/bad"
printf 'a\tO\nb\xff\tO\n' >"$tmp/bad"
check "not UTF-8" 1 'bad:2: byte 2 .*found 0xFF, expected UTF-8' b stats "$tmp/bad"
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
exit $failed
