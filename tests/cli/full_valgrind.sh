#!/usr/bin/env bash
# The program and the C tests that do not touch OpenCL under valgrind's memcheck: reads of uninitialized memory, which
# the sanitizers do not see, and leaks. OpenCL drivers are left out: they are not clean.
set -uo pipefail
command -v valgrind >/dev/null || { echo "skipped: no valgrind"; exit 77; }
! nm "$BERTCL" 2>/dev/null | grep -q __asan_init || { echo "skipped: an AddressSanitizer build"; exit 77; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
bad=0 count=0
# check EXIT-STATUS COMMAND…
check() {
  local want=$1 found
  shift
  valgrind -q --leak-check=full --show-leak-kinds=definite,indirect --errors-for-leak-kinds=definite,indirect \
    --error-exitcode=99 "$@" >"$folder/out" 2>"$folder/err"
  found=$?
  count=$((count + 1))
  [ "$found" = "$want" ] && return
  bad=$((bad + 1))
  echo "exit status $found, expected $want: ${*##*/}"
  head -30 "$folder/err"
}

sample=$(dirname "$BERTCL_TESTS")/sample
check 0 "$BERTCL" --help
check 0 "$BERTCL" data stats "$sample"
check 0 "$BERTCL" data stats "$sample" --split 0.8 --json
check 0 "$BERTCL" data prepare "$sample" --out "$folder/prepared"
check 1 "$BERTCL" data stats "$folder/missing"
check 2 "$BERTCL" data stats
check 2 "$BERTCL" train --no-such-option

# A vocabulary of a few pieces is enough to walk through every part of the tokenizer.
mkdir "$folder/model"
printf '%s\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]' the un '##ited' nations cafe '##s' , . 一 '##x' >"$folder/model/vocab.txt"
echo '{"model_type": "bert", "vocab_size": 15}' >"$folder/model/config.json"
echo '{"do_lower_case": true}' >"$folder/model/tokenizer_config.json"
printf 'The United Nations, cafés.\n一二 caf\xcc\x81e \xef\xbf\xbd\xf0\x9f\x98\x80\n\n%0200d\n' 7 >"$folder/texts"
printf '["The", "UNITED", "", "Nations."]\n["caf\\u00e9s\\ud83d\\ude00"]\n' >"$folder/words"
check 0 "$BERTCL" tokenize --model "$folder/model" "$folder/texts"
check 0 "$BERTCL" tokenize --model "$folder/model" --words --max-length 4 "$folder/words"
printf 'not UTF-8: \xff\n' >"$folder/broken"
check 1 "$BERTCL" tokenize --model "$folder/model" "$folder/broken"
check 1 "$BERTCL" tokenize --model "$folder/model" --words "$folder/texts"
if [ -n "${BERTCL_MODEL:-}" ]; then
  check 0 "$BERTCL" tokenize --model "$BERTCL_MODEL" "$folder/texts"
else
  echo "skipped: tokenize with a real vocabulary (no BERTCL_MODEL)"
fi

for name in util_util data_read data_split eval_report eval_entities model_config; do
  check 0 "$BERTCL_BUILD/tests/check_$name"
done
echo "valgrind: $count programs, $bad not clean"
[ "$bad" = 0 ]
