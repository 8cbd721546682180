#!/usr/bin/env bash
# bertcl tokenize: output, order over threads, and one line per error.
set -u
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
failed=0
printf '[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nhello\nworld\n##s\n"\n\\\n' > "$folder/vocab.txt"

check() { # name expected found
  if [ "$2" != "$3" ]; then
    printf '%s\n  expected %s\n  found    %s\n' "$1" "$2" "$3"
    failed=1
  fi
}
refuse() { # name exit-code part-of-message arguments...; standard input is passed on
  local name=$1 code=$2 part=$3 found
  shift 3
  "$BERTCL" tokenize "$@" > "$folder/out" 2> "$folder/err"
  found=$?
  check "$name: exit code" "$code" "$found"
  check "$name: lines of message" 1 "$(wc -l < "$folder/err")"
  grep -qF -- "$part" "$folder/err" || check "$name: message" "$part" "$(cat "$folder/err")"
}
run() { "$BERTCL" tokenize --model "$folder" "$@"; }

empty='{"ids":[2,3],"tokens":["[CLS]","[SEP]"],"word_ids":[null,null],"offsets":[[0,0],[0,0]]}'
hello='{"ids":[2,5,7,3],"tokens":["[CLS]","hello","##s","[SEP]"],"word_ids":[null,0,0,null],"offsets":[[0,0],[0,5],[5,6],[0,0]]}'
check "text" "$hello" "$(printf 'HELLOS\r\n' | run)"
check "no final newline" "$hello" "$(printf 'hellos' | run)"
check "empty lines" "$empty
$empty" "$(printf '\n\n' | run)"
check "no lines" "" "$(run < /dev/null)"
check "escapes" '{"ids":[2,8,9,3],"tokens":["[CLS]","\"","\\","[SEP]"],"word_ids":[null,0,1,null],"offsets":[[0,0],[0,1],[1,2],[0,0]]}' "$(printf '"\\' | run)"
check "words" '{"ids":[2,5,3,8,3],"tokens":["[CLS]","hello","[SEP]","\"","[SEP]"],"word_ids":[null,0,2,3,null],"offsets":[[0,0],[0,5],[0,5],[0,1],[0,0]]}' \
  "$(printf ' [ "h\\u00e9llo" , "\\ud83d\\ude00\\u0000"] \n' | run --words > /dev/null; printf '["h\\u00e9llo","","[SEP]","\\""]' | run --words)"
check "no words" "$empty" "$(printf '[]\n' | run --words)"
check "max-length" '{"ids":[2,5,3],"tokens":["[CLS]","hello","[SEP]"],"word_ids":[null,0,null],"offsets":[[0,0],[0,5],[0,0]]}' \
  "$(printf 'hello world' | run --max-length 3)"
printf 'hello world\n' > "$folder/file"
check "file and standard input" "$(run - < "$folder/file")" "$(run "$folder/file")"

# Several blocks: the order is the input's, whatever the threads do.
awk 'BEGIN { for (i = 0; i < 300000; i++) print (i % 3 ? "hello world" : "hellos worlds " i) }' > "$folder/many"
check "order" "$(run --threads 1 "$folder/many" | cksum)" "$(run --threads 4 "$folder/many" | cksum)"
check "totals" "{\"lines\":300000,\"bytes\":$(wc -c <"$folder/many")" "$(run --count --threads 2 "$folder/many" | sed 's/,"pieces.*//')"
counted() { run --count "$@" "$folder/many" | sed 's/,"threads.*//'; }
check "totals over threads" "$(counted --threads 1)" "$(counted --threads 4)"
check "total of pieces" "$(run "$folder/many" | sed 's/"tokens".*//' | tr -cd ',\n' | tr -d '\n' | wc -c)" "$(counted | sed 's/.*pieces"://')"
check "count" 300000 "$(run "$folder/many" | wc -l)"
{ cat "$folder/many"; printf 'bad \xff\n'; cat "$folder/many"; } > "$folder/bad"
refuse "invalid UTF-8" 1 "$folder/bad: line 300001: byte 4: not valid UTF-8" --model "$folder" "$folder/bad"
check "lines before the error" 300000 "$(wc -l < "$folder/out")"

for line in '{"a":1}' '["a"' '["a",]' '["a" "b"]' '[1]' '["\ud800"]' '["\x"]' '["a"] x' '' '["a	b"]' '["\u12'; do
  printf '["a"]\n%s\n' "$line" > "$folder/words"
  refuse "words: $line" 1 "$folder/words: line 2: byte" --words --model "$folder" "$folder/words"
done
printf '["ok","b\xc3"]\n' > "$folder/words"
refuse "invalid word" 1 "line 1: word 2: byte 1: not valid UTF-8" --words --model "$folder" "$folder/words"
# An endless line ends at a bound; what came before is printed.
{ printf 'hello\n'; cat /dev/zero; } | run --count > "$folder/out" 2> "$folder/err"
check "endless line: exit code" 1 "${PIPESTATUS[1]}"
grep -q "standard input: line 2: found more than 64 MiB without a line break" "$folder/err" ||
  check "endless line" "found more than 64 MiB" "$(cat "$folder/err")"
refuse "/dev/zero" 1 "/dev/zero: line 1: found more than 64 MiB" --model "$folder" /dev/zero
refuse "no model" 2 "--model DIR is missing"
refuse "absent model" 1 "no such folder" --model "$folder/none"
refuse "absent file" 1 "$folder/none: cannot open" --model "$folder" "$folder/none"
refuse "a folder as file" 1 "cannot read" --model "$folder" "$folder"
refuse "two files" 2 "expected one FILE" --model "$folder" a b
refuse "max-length 1" 2 "--max-length" --model "$folder" --max-length 1
run "$folder/file" > /dev/full 2> "$folder/err"
check "full disk: exit code" 1 $?
grep -q "standard output" "$folder/err" || check "full disk" "standard output" "$(cat "$folder/err")"
"$BERTCL" tokenize --help | grep -q -- --max-length || check "help" "--max-length" "none"
exit $failed
