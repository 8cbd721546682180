#!/bin/bash
# Files as people have them, each read right or refused with a line that says what to do: comments, headers and marks of
# documents, separators, formats of other programs, encodings, tags in odd spellings.
. "$(dirname "${BASH_SOURCE[0]}")/common.sh"
cd "$tmp" || exit 1

# case_of NAME CODE PATTERN TEXT [OPTION...]: data stats of a file NAME with this text, printf's escapes in it
case_of() {
    local name=$1 code=$2 pattern=$3 text=$4
    shift 4
    printf '%b' "$text" >"$name"
    "$BERTCL" data stats "$name" "$@" >stdout 2>stderr
    local got=$?
    [ $got = "$code" ] && cat stdout stderr | tr -s ' \n' ' ' | grep -qE -- "$pattern" ||
        fail "$name: exit $got, expected $code and /$pattern/: $(cat stderr stdout | head -12)"
}

# comments, headers, marks of documents
case_of germeval-comments.tsv 0 'word column 2, tag column 3 .*tokens 6 ' '#\thttp://x [2009]\n1\tKarl\tB-PER\tO\n2\twohnt\tO\tO\n3\tin\tO\tO\n4\tUlm\tB-LOC\tB-LOC\n\n#\tn\n1\tEr\tO\tO\n2\tging\tO\tO\n'
case_of hipe.tsv 0 'tokens 3 .*B-loc 1 1' 'TOKEN\tNE-COARSE\tNE-FINE\tMISC\n# id = x\nUlm\tB-loc\t_\t_\nist\tO\t_\tNoSpaceAfter\n# link = z\nda\tO\t_\t_\n'
case_of multiconer.conll 0 'tokens 2 .*B-LOC 1' '# id 1-a domain=en\nulm _ _ B-LOC\nis _ _ O\n\n'
case_of docstart.conll 0 'sentences 2 tokens 2 ' '-DOCSTART- -X- -X- O\n\nUlm NNP I-NP I-LOC\n\n-DOCSTART- (2) -X- O\n\nis VBZ I-VP O\n'
case_of docstart-lower.conll 0 'sentences 2 tokens 2 ' '-docstart- O\n\nUlm B-LOC\n\n--DOCSTART--\nis O\n'
case_of csv-header.tsv 0 'tokens 2 ' 'word\ttag\nUlm\tB-LOC\nis\tO\n'
case_of webanno.tsv 1 "WebAnno's TSV.*export it as CoNLL 2002" '#FORMAT=WebAnno TSV 3.3\n\n#Text=Ulm ist\n1-1\t0-3\tUlm\tLOC\t\n'
case_of prose.txt 1 'expected a word and its tag a line' 'This is a text.\nIt has two lines.\n'
case_of page.html 1 'expected a word and its tag a line' '<!DOCTYPE html><html><body>404</body></html>\n'
case_of pointer.conll 1 'Git LFS pointer.*git lfs pull' 'version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 5\n'
case_of little.conll 1 'found UTF-16.*iconv -f utf-16le' 'a\0 \0O\0\n\0'
case_of big.conll 1 'found UTF-16.*iconv -f utf-16be' '\0a\0 \0O\0\n'
case_of zero.conll 1 'found a NUL byte' 'Ulm\0\tB-LOC\nist\tO\nda\tO\n'

# separators and columns
case_of trailing-tabs.conll 0 'tag column 4 .*tokens 2 .*I-PER 1' 'Name _ O I-PER\t\t\nis _ O O\t\t\n\n'
case_of gold-and-predicted.txt 0 'read column 3; --tag-column' 'Sao NC B-LOC B-LOC\nPaulo VMI I-LOC O\n( Fpa O O\n\n'
case_of tags-first.tsv 0 'word column 2, tag column 1' 'B-LOC\tUlm\nO\tist\nO\tda\n'
case_of numbered.tsv 0 'word column 2, tag column 3' '0\tUlm\tB-LOC\n1\tist\tO\n2\tda\tO\n\n0\tAna\tB-PER\n1\tist\tO\n2\tda\tO\n'
case_of missing-tag.conll 1 'missing-tag.conll:2: found one column' 'Ulm\tB-LOC\nist\nda\tO\n'
case_of another-column.conll 1 'another-column.conll:2: found 3 columns' 'Ulm\tB-LOC\nist\tO\tx\nda\tO\n'
case_of commas.csv 1 'separated by a TAB or spaces, not by commas' 'Ulm,B-LOC\nist,O\n'
case_of named.csv 0 'csv, word column 1, tag column 2.*tokens 2 .*B-LOC 1 1' 'word,tag\nUlm,B-LOC\nist,O\n'
case_of numbered.csv 0 'word column 2, tag column 4.*sentences 2 tokens 5 .*B-LOC 1 1' 'Sentence #,Word,POS,Tag\r\nSentence: 1,"1,000",CD,O\r\n,"""",QT,O\r\n,#,NN,B-LOC\r\nSentence: 2,a;b,NN,O\r\n,",",P,O\r\n'
case_of each-numbered.csv 0 'sentences 2 tokens 3 ' '"sentence_id";"token";"label"\n1;Ulm;B-LOC\n1;ist;O\n2;da;O\n'
case_of blank-lines.csv 0 'sentences 2 tokens 2 ' 'tag,word\nB-LOC,Ulm\n\nO,da\n,\n'
case_of unquoted.csv 1 'unquoted.csv:3: found 3 cells .*expected 2 as the first line has; one with a , in it is put into quotes' 'word,tag\nUlm,B-LOC\n1,000,O\n'
case_of open-quote.csv 1 'open-quote.csv:2: found a cell with a line.s end .or a quote that nothing closes' 'word,tag\n"Ulm,B-LOC\nist,O\n'
case_of last-quote.csv 1 'last-quote.csv:2: found a quote that nothing closes' 'word,tag\n"Ulm,B-LOC'
case_of behind-quote.csv 1 'behind-quote.csv:2: found text behind a quoted cell' 'word,tag\n"Ulm"er,B-LOC\n'
case_of tab-in-cell.csv 1 'tab-in-cell.csv:2: found a' 'word,tag\nUl\tm,B-LOC\n'
case_of lists.csv 1 'expected a word and its tag' 'Sentence #,Sentence,POS,Tag\nSentence: 1,Ulm ist,"[1, 2]","[3, 4]"\n'
case_of semicolons.csv 1 'not by commas' 'Ulm;B-LOC\nist;O\n'
case_of slashes.txt 1 'expected a word and its tag a line' 'Ulm/B-LOC ist/O da/O\n'
case_of one-sentence.conll 0 'sentences 1 tokens 1 ' 'Ulm\tB-LOC'
case_of blank.conll 1 'found no sentence' '\n\n  \n'
case_of empty.conll 1 'found no sentence' ''

# CoNLL-U
case_of multiword.conllu 0 'key NE .*tokens 3 ' '1-2\tZum\t_\t_\t_\t_\t_\t_\t_\tNE=O\n1\tZu\tzu\tADP\t_\t_\t3\tcase\t_\tNE=O\n2\tdem\tder\tDET\t_\t_\t3\tdet\t_\tNE=O\n3\tUlm\tUlm\tPROPN\t_\t_\t0\troot\t_\tNE=B-LOC\n\n'
case_of misc.conllu 0 "key NER .*tokens 2 " '# text = Ulm ist\n1\tUlm\t_\tX\t_\t_\t0\troot\t_\tSpaceAfter=No|NER=B-LOC\n2\tist\t_\tX\t_\t_\t1\tx\t_\tNER=O\n2.1\tleer\t_\t_\t_\t_\t_\t_\t_\t_\n\n'
case_of sparse.conllu 0 'key name .*O 1' '1\tUlm\t_\tX\t_\t_\t0\troot\t_\tname=B-LOC\n2\tist\t_\tX\t_\t_\t1\tx\t_\t_\n\n'
case_of brackets.conllu 1 'MISC holds no tags.*--misc-key' '1\tUlm\t_\tX\t_\t_\t0\troot\t_\tEntity=(LOC)\n2\tist\t_\tX\t_\t_\t1\tx\t_\t_\n\n'
case_of untagged.conllu 1 'MISC holds no tags.*--misc-key' '1\tUlm\t_\tX\t_\t_\t0\troot\t_\t_\n2\tist\t_\tX\t_\t_\t1\tx\t_\t_\n\n'

# JSON
case_of run_ner.jsonl 0 'tags in "ner_tags"' '{"tokens": ["Ana", "lives"], "ner_tags": ["B-PER", "O"]}\n'
case_of doccano.jsonl 0 'format doccano.*B-LOC 1' '{"id": 1, "text": "Ana lives in Ulm", "label": [[0,3,"PER"],[13,16,"LOC"]]}\n'
case_of prodigy.jsonl 0 'format prodigy.*sentences 2 ' '{"text": "Ana lives", "spans": [{"start": 0, "end": 3, "label": "PER"}]}\n{"text": "Rui lives", "spans": []}\n'
case_of label-studio.json 0 'format label-studio' '[{"data":{"text":"Ana lives"},"annotations":[{"result":[{"value":{"start":0,"end":3,"labels":["PER"]},"type":"labels"}]}]}]'
case_of array.json 0 'tokens 2 ' '[{"tokens":["Ana","x"],\n "ner_tags":["B-PER","O"]}]'
case_of lengths.jsonl 1 'lengths.jsonl:1: found 2 in "tokens" and 1 in "ner_tags"' '{"tokens": ["a","b"], "ner_tags": ["O"]}\n'
case_of nan.jsonl 1 'nan.jsonl:1: byte [0-9]+ of the line: found no valid JSON' '{"tokens": ["a","b"], "ner_tags": [NaN, 0]}\n'
case_of numbers.jsonl 1 'give them in their order with --tag-names' '{"tokens": ["a","b"], "ner_tags": [0, 1]}\n'
case_of named-numbers.jsonl 0 'B-PER 1' '{"tokens": ["a","b"], "ner_tags": [0, 1]}\n' --tag-names O,B-PER
case_of cut.jsonl 1 'cut.jsonl:2: ' '{"tokens": ["a"], "ner_tags": ["O"]}\n{"tokens": ["a"'
case_of beyond.jsonl 1 'no such part of the text' '{"text":"Ana","label":[[0,30,"PER"]]}\n'
case_of backwards.jsonl 1 'no such part of the text' '{"text":"Ana","label":[[3,0,"PER"]]}\n'
case_of overlapping.jsonl 0 'span that overlaps another: 1' '{"text":"Ana lives","label":[[0,3,"PER"],[0,9,"X"]]}\n'

# tags
case_of zero-width.tsv 0 'B-LOC 2 2 .*invisible characters in a tag: 1' 'Ulm\tB-LOC\nParis\tB-LOC\xe2\x80\x8b\nis\tO\n'
case_of no-piece.conll 0 'tokens 4 ' 'Rwanda\tI-LOC\n\xe2\x80\x8b\tO\n\xc2\xad\tI-LOC\nMali\tI-LOC\n'
case_of spaces.tsv 0 'B-PERSON NAME 1 1' 'Ana\tB-PERSON NAME\nRui\tI-PERSON NAME\nx\tO\n'
case_of suffix.conll 0 '2 words have tags of no scheme \("PER-B" 1, "PER-I" 1\)' 'Ana\tPER-B\nRui\tPER-I\nx\tO\n'
case_of lower.conll 0 'are read as plain names' 'Ana\tb-per\nRui\ti-per\nx\to\n'
case_of zero.conll 0 '1 words have tags of no scheme \("0" 1\)' 'Ulm\tB-LOC\nist\t0\n'
case_of chinese.conll 0 'M-PER 1' '王 B-PER\n小 M-PER\n明 E-PER\n好 O\n甲 S-LOC\n'

# encodings and ends of lines
case_of crlf.conll 0 'sentences 2 tokens 2 ' 'Ulm\tB-LOC\r\n\r\nist\tO\r\n'
case_of cr.conll 1 "found a carriage return.*tr" 'Ulm\tB-LOC\rist\tO\r'
case_of utf16.conll 1 'found UTF-16.*iconv -f utf-16' '\xff\xfeU\x00l\x00m\x00'
case_of latin1.conll 1 'found 0xF6.*iconv -f latin1' 'K\xf6ln\tB-LOC\nist\tO\n'
case_of mark-inside.conll 0 'sentences 2 .*byte order mark 1' 'Ulm\tB-LOC\n\n\xef\xbb\xbfist\tO\n'
case_of line-separator.conll 1 'a line separator within the tag' 'Ulm\tB-LOC\xe2\x80\xa8ist\tO\n'
case_of archive.conll.gz 1 'found gzip.*gzip -d' '\x1f\x8b\x08\x00\x00'
case_of sheet.xlsx 1 'found a zip archive' 'PK\x03\x04xxxx'

# where they lie
mkdir -p nested/more loop/d twice nothing
printf 'Ulm\tB-LOC\n' | tee nested/x.conll nested/more/y.conll loop/x.conll twice/x.conll >twice/y.conll
ln -s .. loop/d/up
check "nested" 0 'nested/more: left out, a folder within the folder' "$BERTCL" data stats nested
check "a loop of links" 0 'loop/d: left out, a folder' "$BERTCL" data stats loop
check "the same file twice" 0 'repeat an earlier one: 1' "$BERTCL" data stats twice
check "an empty folder" 1 'nothing: found no file in the folder' "$BERTCL" data stats nothing
ln -s /nowhere nothing/x.conll
check "a link to nothing" 1 'nothing/x.conll: cannot open' "$BERTCL" data stats nothing
mkfifo pipe && (printf 'Ulm\tB-LOC\n' >pipe &)
check "a pipe" 0 '^tokens +1$' "$BERTCL" data stats pipe
exit $failed
