#!/bin/bash
# "-" where data are named: standard input, as a file would be read; what cannot take it says so.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
sample=$BERTCL_TESTS/../sample
cd "$tmp" || exit 1
cp "$sample/speech 1.conll" one.conll
printf '{"tokens": ["Ban", "met", "in", "Lima"], "tags": ["B-PER", "O", "O", "B-LOC"]}\n' >records.jsonl
printf 'word\ttag\nLima\tB-LOC\nis\tO\n\nwarm\tO\n' >header.tsv
b() { "$BERTCL" "$@"; }
# alike NAME FILE COMMAND... with FILE for the path: the same words through standard input, by its name.
alike() {
    local name=$1 file=$2 what
    shift 2
    b "${@//FILE/$file}" >file.out 2>file.err
    local code=$?
    for what in file pipe; do
        if [ $what = file ]; then b "${@//FILE/-}" <"$file" >got.out 2>got.err; else cat "$file" | b "${@//FILE/-}" >got.out 2>got.err; fi
        [ $? = $code ] || fail "$name: another code by a $what: $(cat got.err)"
        sed "s|$file|standard input|g" file.out | cmp - got.out || fail "$name: other output by a $what"
        sed "s|$file|standard input|g" file.err | cmp - got.err || fail "$name: other messages by a $what"
    done
}
for file in one.conll records.jsonl header.tsv; do
    alike "stats" $file data stats FILE
    alike "stats --json" $file data stats FILE --json
done
printf 'a b c\nd e f g\n' >odd.txt
head -c 3000 one.conll | gzip >packed.gz
printf 'a\tO\nb\xff\tO\n' >bytes.conll
: >empty.conll
for file in odd.txt packed.gz bytes.conll empty.conll; do alike "refused" $file data stats FILE; done
alike "brat" odd.txt data stats FILE --format brat
alike "wrong column" one.conll data stats FILE --tag-column 9
check "twice" 2 '^bertcl: -: found standard input 2 times' b data stats - - <one.conll
check "twice, as test data" 2 '^bertcl: -: found standard input 2 times' b data stats - --test - <one.conll
check "beside a file" 0 'sentences +251' b data stats - records.jsonl <one.conll
check "as test data" 0 '.' b data stats one.conll --test - <records.jsonl
mkdir -- -
check "a folder of that name" 0 'standard input' b data stats - --json <one.conll
rmdir -- -

# What is made of it is what is made of the file.
b data convert one.conll --out a.jsonl --to jsonl >/dev/null
b data convert - --out b.jsonl --to jsonl <one.conll >/dev/null && cmp a.jsonl b.jsonl || fail "convert"
b data prepare one.conll --out a >/dev/null 2>&1
b data prepare - --out b <one.conll >/dev/null 2>&1 && cmp a/train.conll b/train.conll || fail "prepare: $(ls a b)"

# Files of tags: each may be it, not both.
awk 'NF { print $1 "\t" $NF; next } { print "" }' one.conll >gold.conll
for set in "--gold FILE --pred gold.conll" "--gold gold.conll --pred FILE" "--gold gold.conll --pred gold.conll --pred2 FILE"; do
    read -ra words <<<"$set"
    b eval "${words[@]//FILE/gold.conll}" --json | grep -v peak_rss | sed 's|"gold.conll"|""|' >file.out
    b eval "${words[@]//FILE/-}" --json <gold.conll | grep -v peak_rss | sed 's/"gold.conll"/""/; s/"standard input"/""/' | cmp - file.out || fail "eval $set"
done
check "both" 2 '^bertcl: -: found standard input 2 times' b eval --gold - --pred - <one.conll
check "two predictions, one gold" 0 'gold.conll' b eval --gold - --pred gold.conll gold.conll <gold.conll

# A run reads its data again, and each device's process of a benchmark.
for option in data test dev; do
    check "train --$option" 2 "^bertcl: --$option -: found standard input.*write it to a file" \
        b train --model x --data one.conll --$option - --out run <one.conll
done
check "train --seeds" 2 '^bertcl: --data -: found standard input' b train --model x --data - --out run --seeds 2 <one.conll
[ ! -e run ] || fail "train: a run was made"
check "bench" 2 'data -: found standard input' b bench --model tiny --data - <one.conll

# With a model: two of them read it, and the store knows it by its content.
need_device
"$BERTCL_BUILD/tests/make_tiny_model" m1 && "$BERTCL_BUILD/tests/make_tiny_model" m2 2 || exit 1
head -300 one.conll >few.conll
figures() { b eval "$@" --json 2>err | grep -v 'tokens_per_s\|peak_rss\|"data"'; }
figures --model m1 m2 --data few.conll >file.out
figures --model m1 m2 --data - <few.conll >got.out || fail "eval: $(cat err)"
cmp file.out got.out || fail "eval: other figures"
figures --model m1 --data - <few.conll | grep -q accuracy || fail "eval: no figures"
export BERTCL_HOME=$tmp/home
b eval --quiet --model m1 --data few.conll >/dev/null 2>err && b eval --quiet --model m1 --data - <few.conll >/dev/null 2>>err || fail "recorded: $(cat err)"
[ ! -s err ] || fail "recorded: $(cat err)"
b data list --json >list 2>/dev/null
[ "$(grep -c '"sha256"' list)" = 2 ] && [ "$(grep '"sha256"' list | sort -u | wc -l)" = 1 ] || fail "recorded: $(cat list)"
grep -q '"standard-input"' list || fail "recorded: no name: $(cat list)"
unset BERTCL_HOME
TMPDIR=$tmp/nowhere figures --model m1 --data - <few.conll | grep -q accuracy || fail "nowhere to keep it: one pass does"
if [ ! -e "$tmp/nowhere" ]; then
    check "nowhere to keep it, two passes" 1 'standard input: is needed again and could not be kept' \
        env TMPDIR="$tmp/nowhere" "$BERTCL" eval --quiet --model m1 m2 --data - <few.conll
fi
[ -z "$(ls /tmp/bertcl-input-* 2>/dev/null)" ] || fail "files are left in /tmp"
exit $failed
