#!/usr/bin/env bash
# What bertcl predict takes files for: lines of words are read as corpora are, and what is no text is not read as one.
. "$BERTCL_TESTS/cli/common.sh"
model=$tmp/model
"$BERTCL_BUILD/tests/make_tiny_model" "$model" || exit 1
need_device
device=(${BERTCL_DEVICE:+--device "$BERTCL_DEVICE"})
predict() { "$BERTCL" predict --model "$model" "${device[@]}" "$@"; }
same() { [ "$2" = "$3" ] || fail "$1: expected $2, found $3"; }
refuse() { # name pattern file-content arguments...: from a file and through a pipe
    local name=$1 pattern=$2 content=$3
    shift 3
    printf "$content" >"$tmp/in"
    check "$name" 1 "in.*$pattern" predict "$@" "$tmp/in"
    check "$name, piped" 1 "standard input.*$pattern" predict "$@" - < <(cat "$tmp/in")
}

# Words are in the columns in which src/data finds them, and lines come back as they were.
lines() { # name content the lines with W behind those that are words
    printf "$2" >"$tmp/in"
    same "$1" "$3" "$(predict --quiet --input-format conll --format conll "$tmp/in" |
        sed -E 's/([\t ])(O|[BI]-[A-Z]+)$/\1W/' | tr '\t' '|' | paste -sd,)"
}
lines "words and tags" 'ab\tO\ncd\tO\n\nef\tO\n' 'ab|O|W,cd|O|W,,ef|O|W,'
lines "words alone" 'ab\ncd\n' 'ab|W,cd|W,'
lines "a header, comments between words" 'TOKEN\tNE\n# x\nab\tO\n# y = z\ncd\tO\n' 'TOKEN|NE,# x,ab|O|W,# y = z,cd|O|W,'
lines "a header without tags" 'Token\tPOS\tlemma\nab\tN\tab\n' 'Token|POS|lemma,ab|N|ab|W,'
lines "CoNLL-U" '# text = zum ab\n1-2\tzum\t_\t_\t_\t_\t_\t_\t_\t_\n1\tzu\t_\t_\t_\t_\t_\t_\t_\t_\n2\tdem\t_\t_\t_\t_\t_\t_\t_\t_\n3\tab\t_\t_\t_\t_\t_\t_\t_\t_\n' \
    '# text = zum ab,1-2|zum|_|_|_|_|_|_|_|_,1|zu|_|_|_|_|_|_|_|_|W,2|dem|_|_|_|_|_|_|_|_|W,3|ab|_|_|_|_|_|_|_|_|W,'
lines "GermEval" '#\thttp://x [2009]\n1\tab\tO\tO\n2\tcd\tO\tO\n' '#|http://x [2009],1|ab|O|O|W,2|cd|O|O|W,'
lines "numbers and words" '1\tab\n2\tcd\n\n1\tef\n' '1|ab|W,2|cd|W,,1|ef|W,'
lines "spaces and CRLF" '# id 1\nab NN\r\ncd VB\r\n\r\nef NN\r\n' '# id 1,ab NN W,cd VB W,,ef NN W,'
lines "marks and blank-like lines" '\xEF\xBB\xBFab\tx\n \t\nef\tx\n-DOCSTART-\n' 'ab|x|W,,ef|x|W,-DOCSTART-'
lines "HIPE's ends of sentences" 'TOKEN\tNE-COARSE\tMISC\nab\tO\tEndOfSentence\ncd\tO\t_\n' 'TOKEN|NE-COARSE|MISC,ab|O|EndOfSentence|W,cd|O|_|W,'
lines "nothing" '# only\n\n' '# only,'
printf '1\tab\n2\tcd\n\n1\tef\n' >"$tmp/in"
same "sentences" '"ab cd","ef",' "$(predict --input-format conll "$tmp/in" | sed 's/.*"text": \("[^"]*"\).*/\1/' | tr '\n' ,)"
printf 'id\tform\n7\tab\n' >"$tmp/in"
grep -q '"text": "ab"' <(predict --input-format conll --word-column form "$tmp/in") || fail "a column by its name"
refuse "a line without the column" '2: found 1 columns, expected the word in column 2' 'ab c\nd\n' --input-format conll --word-column 2
refuse "JSON as words" 'found JSON.*--input-format jsonl' '{"tokens": ["ab"]}\n' --input-format conll
refuse "UTF-16 as words" 'found UTF-16.*iconv' '\xFF\xFEa\0' --input-format conll
refuse "NULs as words" 'found a NUL byte' 'ab\tO\n\0\0' --input-format conll

# A line of words, or of JSON, is no text: said, with what reads it.
refuse "words as text" 'found a word with its tag.*--input-format conll.*--input-format text' 'ab\tO\ncd\tB-X\n'
refuse "words of three columns" 'found a word with its tag' 'ab\tN\tB-X\n'
refuse "words as a document" 'found a word with its tag.*--input-format document' 'ab\tO\n' --document
refuse "records as text" 'found JSON.*--input-format jsonl' '{"text": "ab"}\n'
refuse "lists as text" 'found JSON.*--input-format words' '["ab", "cd"]\n'
refuse "gzip as text" 'found gzip.*gzip -d' '\x1F\x8B\x08\0ab'
refuse "UTF-16 as text" 'found UTF-16.*iconv' '\xFE\xFF\0a'
printf 'ab O\ncd B-X\nef O\n' >"$tmp/in"
check "words between spaces" 1 'found a word with its tag' predict "$tmp/in"
same "as it is asked" 3 "$(predict --input-format text "$tmp/in" | wc -l)"
for text in 'blood group O\n' 'a B-side\nthe other\nnone\n' '{ab} cd\n' '[1] ab\n' 'ab\tcd\n' '{}\n'; do
    printf "$text" >"$tmp/in"
    same "a text: $text" "$(wc -l <"$tmp/in")" "$(predict "$tmp/in" | wc -l)"
done
printf 'ab %.0s' {1..300} >"$tmp/in"
same "a text of many words" 1 "$(predict --quiet "$tmp/in" | wc -l)"

# A byte order mark is no part of the first text; the place in a document counts it.
mark=$'\xEF\xBB\xBF'
grep -q '"text": "ab"' <(predict <<<"${mark}ab") || fail "mark: text"
grep -q '"text": "ab"' <(predict --words <<<"$mark[\"ab\"]") || fail "mark: words"
grep -q '"offset": 1, "text": "ab."' <(predict --document <<<"${mark}ab.") || fail "mark: document"

# Of a folder nothing is read that is no data by its name.
mkdir "$tmp/folder" && printf 'ab\n' | tee "$tmp/folder/a.conll" "$tmp/folder/README.md" "$tmp/folder/a.conll~" >/dev/null
same "folder: words" 1 "$(predict --quiet --input-format conll "$tmp/folder" | wc -l)"
same "folder: texts" 2 "$(predict --quiet "$tmp/folder" | wc -l)"
check "folder: said" 0 'data: .*a.conll~: left out, an editor' predict "$tmp/folder"
exit $failed
