/* data/: the formats that people have, found from the files: what each holds, what is refused, and
 * that what is written in one reads back. */
#include "support/support.h"

#include <bertcl/data.h>

static char *folder;

static char *put(const char *name, const char *text) {
    char *path = NULL;
    OK(bcl_path_join(&path, folder, name));
    OK(bcl_file_write(path, text, strlen(text)));
    return path;
}

/* "word/tag word/tag | ..." */
static char *dump(const bcl_corpus *c) {
    bcl_string s = {0};
    OK(bcl_string_add(&s, "", 0));
    for (size_t i = 0; i < bcl_corpus_size(c); i++) {
        const bcl_sentence x = bcl_corpus_sentence(c, i);
        for (size_t k = 0; k < x.size; k++)
            OK(bcl_string_addf(&s, "%s%s/%s",
                               k   ? " "
                               : i ? " | "
                                   : "",
                               x.words[k], bcl_corpus_tag(c, x.tags[k])));
    }
    return s.data;
}

static bcl_corpus *read_named(const char *name, const char *text,
                              const bcl_corpus_options *options) {
    bcl_corpus *c = NULL;
    char *path = put(name, text);
    OK(bcl_corpus_read(&c, (const char *const *)&path, 1, options));
    free(path);
    return c;
}

typedef struct example {
    const char *text, *words, *format;
} example;

static void expect_with(const example *e, const bcl_corpus_options *options) {
    bcl_corpus *c = read_named("in.txt", e->text, options);
    char *got = dump(c);
    assert_string_equal(got, e->words);
    if (e->format)
        assert_string_equal(bcl_corpus_file_format(c, 0), e->format);
    free(got);
    bcl_corpus_free(c);
}

#define EXPECT_ALL(examples)                                                                       \
    for (size_t i = 0; i < sizeof examples / sizeof *(examples); i++)                              \
    expect_with(&(examples)[i], NULL)

static void refuse_with(const char *text, const bcl_corpus_options *options, const char *part) {
    bcl_corpus *c = NULL;
    char *path = put("bad.txt", text);
    FAILS(bcl_corpus_read(&c, (const char *const *)&path, 1, options), BCL_ERROR_FORMAT, part);
    assert_null(c);
    free(path);
}

/* ---- columns ---- */

static void test_numbered_columns(void **state) {
    (void)state;
    static const example examples[] = {
        {"#\thttp://example.org/a [2009-10-17]\n1\tKarl\tB-PER\tO\n2\twohnt\tO\tO\n3\tin\tO\tO\n"
         "4\tUlm\tB-LOC\tB-LOC\n\n#\thttp://example.org/b [2010-01-02]\n1\tEr\tO\tO\n2\tlacht\tO\tO"
         "\n",
         "Karl/B-PER wohnt/O in/O Ulm/B-LOC | Er/O lacht/O",
         "germeval 2014, word column 2, tag column 3"},
        {"#\thttp://x\t[2010-07-04]\t\n1\tA\tO\tO\n2\tB\tB-OTH\tO\n", "A/O B/B-OTH",
         "germeval 2014, word column 2, tag column 3"},
        {"# sent_id = a\n# text = A B\n1\tA\tO\t-\tann\n2\tB\tB-PER\t-\tann\n", "A/O B/B-PER",
         "numbered columns, word column 2, tag column 3"},
        {"1\tA\tO\n# in the middle\n2\t#\tB-PER\n#\tO\n3\tC\tO\n", "A/O #/B-PER C/O",
         "numbered columns, word column 2, tag column 3"},
        {"1 Ana B-PER O\n2 lebt O O\n\n1 Rui B-PER O\n2 auch O O\n",
         "Ana/B-PER lebt/O | Rui/B-PER "
         "auch/O",
         "germeval 2014, word column 2, tag column 3"},
    };
    EXPECT_ALL(examples);
    const bcl_corpus_options inner = {.tag_column = 4};
    expect_with(&(example){examples[0].text, "Karl/O wohnt/O in/O Ulm/B-LOC | Er/O lacht/O", NULL},
                &inner);
}

static void test_comments(void **state) {
    (void)state;
    static const example examples[] = {
        {"TOKEN\tNE-COARSE\tNE-FINE\tMISC\n# hipe2022:document_id = x\n# segment_link = y\n"
         "Ulm\tB-loc\t_\t_\nist\tO\t_\tNoSpaceAfter\n# segment_link = z\nschoen\tO\t_\t_\n",
         "Ulm/B-loc ist/O schoen/O", "conll, word column 1, tag column 2"},
        {"TOKEN\tNE-COARSE-LIT\tMISC\nA\tB-pers\tEndOfSentence\nB\tO\t_\nC\tO\tPySBDSegment\n"
         "D\tO\t_\n",
         "A/B-pers | B/O C/O | D/O", "hipe, word column 1, tag column 2"},
        {"# id 5239d808-f300\tdomain=en\nana _ _ B-PER\nlives _ _ O\n\n\n# id 7a\tdomain=en\n"
         "rui _ _ B-PER\n",
         "ana/B-PER lives/O | rui/B-PER", "conll, word column 1, tag column 4"},
        {"#begin document (nw/a); part 000\na X Y O\nb X Y B-PER\n\n#end document\n", "a/O b/B-PER",
         NULL},
        {"a\tO\n## two\nb\tO\n#\n#key=value\n# a\tb\tc\nc\tB-X\n# last", "a/O b/O c/B-X", NULL},
        {"a O\n# O B-X looks like more\nb B-X\n", "a/O b/B-X", NULL},
        {"a X Y Z O\n# text = a O\n", "a/O", NULL}, /* as many columns and a tag */
        /* words */
        {"#\tO\n#\tB-X\n#x\tO\n#\thttp://a\n", "#/O #/B-X #x/O", NULL},
        {"a\tPER\nb\tLOC\n#\tPER\n#\tother\n", "a/PER b/LOC #/PER", NULL},
        {"#happy NN O\n# NN B-X\na NN O\n", "#happy/O #/B-X a/O", NULL},
        {"a O\n# O\n#MUFC B-ORG\n", "a/O #/O #MUFC/B-ORG", NULL},
    };
    EXPECT_ALL(examples);
    refuse_with("a\tO\nb\tO\n#alone\n", NULL, "bad.txt:3: found one column (\"#alone\")");
}

static void test_lines_between_words_keep_their_numbers(void **state) {
    (void)state;
    bcl_corpus *c = read_named("in.txt",
                               "# c\na\tO\n# c\n# d\nb\tO\nc\tO\n# e\nd\tB-X\n\ne\tO\n"
                               "# f\nf\tO\n",
                               NULL);
    static const size_t lines[] = {2, 5, 6, 8};
    for (size_t k = 0; k < 4; k++)
        assert_int_equal(bcl_corpus_line(c, 0, k), lines[k]);
    assert_int_equal(bcl_corpus_line(c, 1, 0), 10);
    assert_int_equal(bcl_corpus_line(c, 1, 1), 12);
    const char *names[] = {"O"};
    int32_t ids[2];
    FAILS(bcl_corpus_label_ids(ids, c, names, 1), BCL_ERROR_FORMAT, "in.txt:8: tag \"B-X\"");
    bcl_corpus_free(c);
}

static void test_columns_are_found(void **state) {
    (void)state;
    static const example examples[] = {
        {"Name _ O I-PER\t\t\nis _ O O\t\t\n\n", "Name/I-PER is/O",
         "conll, word column 1, tag column 4"},
        {"EU NNP B-NP B-ORG\nsees VBZ B-VP O\nx NN B-NP O\n", "EU/B-ORG sees/O x/O",
         "conll, word column 1, tag column 4"}, /* phrases are not names */
        {"Wien NE I-NC I-LOC\nhat VAFIN I-VC O\n", "Wien/I-LOC hat/O", NULL},
        {"Sao NC B-LOC B-LOC\r\nPaulo VMI I-LOC O\r\n( Fpa O O\r\n\r\n",
         "Sao/B-LOC Paulo/I-LOC (/O", "conll, word column 1, tag column 3"}, /* gold, predicted */
        {"Ulm B-LOC NNP O\nis O VBZ O\n", "Ulm/O is/O", NULL},  /* no sentence in a line */
        {"a B-LOC O\nb O O\nc O O\n", "a/B-LOC b/O c/O", NULL}, /* nested, none in the sample */
        {"Ana\tB-PER\t0.98\nlives\tO\t0.99\n", "Ana/B-PER lives/O",
         "conll, word column 1, tag column 2"},
        {"Ana NNP O x1\nlives VBZ B-X x2\n", "Ana/O lives/B-X", NULL},
        {"B-ACTOR\tAna\nO\tplays\n", "Ana/B-ACTOR plays/O", "conll, word column 2, tag column 1"},
        {"Token\tPOS\tNER\tlemma\na\tN\tB-X\ta\nb\tV\tO\tb\n", "a/B-X b/O",
         "conll, word column 1, tag column 3"},
        {"word tag\na PER\nb O\nword tag\nc O\n", "a/PER b/O c/O", NULL}, /* its header twice */
        {"word\tO\nlabel\tO\n", "word/O label/O", NULL},
        {"a\tPER\nb\tLOC\n", "a/PER b/LOC", NULL}, /* plain names between TABs */
    };
    EXPECT_ALL(examples);
    const bcl_corpus_options predicted = {.predicted = true};
    expect_with(&(example){examples[3].text, "Sao/B-LOC Paulo/O (/O", NULL}, &predicted);
    bcl_corpus *c = read_named("in.txt", examples[3].text, NULL);
    assert_int_equal(bcl_corpus_note_count(c), 1);
    assert_non_null(strstr(bcl_corpus_note(c, 0), "columns 3 and 4 hold tags, read column 3"));
    bcl_corpus_free(c);
}

static void test_columns_are_chosen(void **state) {
    (void)state;
    static const char table[] = "id\tform\tpos\tner\n1\tAna\tN\tB-X\n2\tsees\tV\tO\n";
    static const char pairs[] = "EU NNP B-NP B-ORG\nsees VBZ B-VP O\n";
    const struct {
        const char *text, *words;
        bcl_corpus_options options;
    } examples[] = {
        {pairs, "EU/NNP sees/VBZ", {.tag_column = 2}},
        {pairs, "EU/B-NP sees/B-VP", {.tag_column = -2}},
        {pairs, "NNP/B-ORG VBZ/O", {.word_column = 2}},
        {pairs, "B-NP/EU B-VP/sees", {.word_column = -2, .tag_column = 1}},
        {table, "Ana/N sees/V", {.tag_name = "pos"}},
        {table, "Ana/B-X sees/O", {.tag_name = "ner", .word_name = "form"}},
        {"Ulm\tB-LOC\t\nist\tO\tx\n", "Ulm/B-LOC ist/O", {.tag_column = -2}},
        {"a X\nb Y\n", "a/X b/Y", {.format = BCL_FORMAT_CONLL}},
        {"a\nb\n\nc\n", "a/O b/O | c/O", {.words_only = true}},
    };
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++)
        expect_with(&(example){examples[i].text, examples[i].words, NULL}, &examples[i].options);
    refuse_with(table, &(bcl_corpus_options){.tag_name = "tag"},
                "bad.txt:1: found no column named \"tag\"");
    refuse_with(pairs, &(bcl_corpus_options){.tag_column = 5},
                "bad.txt:1: found 4 columns, expected the tag in column 5");
    refuse_with(pairs, &(bcl_corpus_options){.word_column = -5}, "expected the word in column -5");
}

static void test_what_is_no_data_is_refused(void **state) {
    (void)state;
    static const struct {
        const char *text, *part;
    } examples[] = {
        {"\"word\"\t\"tag\"\n\"a\"\t\"O\"\n", "bad.txt:1: found columns in quotes"},
        {"Ana B-PER lives O in O Ulm B-LOC\n", "bad.txt:1: found words and tags of a sentence"},
        {"a\tB-PER\xE2\x80\xA8"
         "b\tO\n",
         "bad.txt:1: found white space or a line separator"},
        {"a\tB-PER\xC2\x85"
         "b\tO\n",
         "bad.txt:1: found white space or a line separator"},
        {"a\tO\rb\tO\r", "found a carriage return"},
        {"[[\"Ana in Ulm\", {\"entities\": [[0, 3, \"PER\"]]}, 1]]\n",
         "bad.txt:1: found a record of no keys"},
        {"[\"Ana in Ulm\", {\"entities\": [[0, 30, \"PER\"]]}]\n", "found the span 0 to 30"},
        {"[[\"Ana in Ulm\", {\"entities\": 3}]]\n", "bad.txt:1: found a record of no keys"},
        {"BZh91AY&SYxx", "found bzip2"},
        {"7z\xBC\xAF'\x1Cxx", "found a 7-Zip archive"},
        {"%PDF-1.4\nfoo O\n", "found PDF"},
        {"\xD0\xCF\x11\xE0xx", "found an office document"},
        {"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 3\n", "git lfs pull"},
        {"#FORMAT=WebAnno TSV 3.3\n\n\n#Text=Ulm\n1-1\t0-3\tUlm\tLOC\t\n",
         "found WebAnno's TSV, expected plain text in UTF-8; export it as CoNLL 2002"},
        {"\x89PNG\r\n", "found an image"},
        {"\x80\x04\x95xx", "found a Python pickle"},
        {"# My corpus\n\nNER data\n", "bad.txt:3: found \"NER data\" and no line with O"},
        {"This is a note on the data\nof two lines\n", "bad.txt:1: found \"This is a note"},
        {"Ana,B-PER\nx,O\n", "bad.txt:1: found one column (\"Ana,B-PER\")"},
        {"text,labels\n\"Ana lives\",\"B-PER O\"\n",
         "bad.txt:2: found \"B-PER O\" where the tag is"},
        {"a\tO\nb\tO\nc\tO\nThis is a remark\n", "bad.txt:4: found 4 columns with \"remark\""},
        {"a\tO\nb\tO\nc\tO\nd\tx\ty\n", "bad.txt:4: found 3 columns with \"y\" as the tag"},
        {"T1\tPER 0 3\tAna\nT2\tLOC 13 16\tUlm\n", "bad.txt:1: found an annotation of brat"},
        {"word\ta gloss of it\nother\tanother gloss\n", "bad.txt:1: found \"a gloss of it\""},
        {"a\tO\r\nb\tO\rc\tO\n", "bad.txt:2: byte 4 of the line (8 of the file): found a carriage"},
        {"a\tO\nb\t\xE2\x80\x8B\n", "bad.txt:2: "},
        {"1\tAna\tN\tB-X\n1\tx\tV\tO\n1\ty\tV\tO\n2\tz\tV\tO\n2\tz\tV\tO\n",
         "bad.txt:1: found numbers or nothing in column 1"},
        {"S 1\tAna\tN\tB-X\n\tx\tV\tO\n\ty\tV\tO\nS 2\tz\tV\tO\n\tz\tV\tO\n", "--word-column"},
        {"text\tlabels\nAna lives\tB-PER O\n", "bad.txt:2: found \"B-PER O\" where the tag is"},
        {"\x1F\x8B\x08\x01", "bad.txt:1: byte 0: found gzip, expected plain text in UTF-8; unpack"},
        {"{\"a\": 1}\n", "bad.txt:1: found a record of a, expected \"tokens\""},
        {"{\"tokens\": [\"a\"], \"ner_tags\": [\"O\"]}\n{\"tok\n", "bad.txt:2: byte "},
    };
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++)
        refuse_with(examples[i].text, NULL, examples[i].part);
}

static void test_invisible_characters(void **state) {
    (void)state;
    static const example examples[] = {
        {"Ulm\tB-LOC\nParis\tB-LOC\xE2\x80\x8B\nis\tO\n", "Ulm/B-LOC Paris/B-LOC is/O", NULL},
        {"a\t\xEF\xBB\xBFO\nb\tB\xC2\xAD-X\nc\tB-X\xE2\x81\xA0\nd\tB-X\x01\n",
         "a/O b/B-X c/B-X d/B-X", NULL},
        {"a\tO\n\xEF\xBB\xBF\xEF\xBB\xBF"
         "b\tO\n\xEF\xBB\xBF\nc\tO\n\xEF\xBB\xBF",
         "a/O b/O | c/O", NULL},
        {"a\tO\n\xE2\x80\x8B\nb\tO\n\t\t\nc\tO\n \xC2\xA0 \nd\tO\n", "a/O | b/O | c/O | d/O", NULL},
        {"a O\n\xEF\xBB\xBF  I-X\n\xEF\xBB\xBF\tO\n\xEF\xBB\xBF \nb O\n",
         "a/O \xEF\xBB\xBF/I-X \xEF\xBB\xBF/O | b/O", NULL},
        {"a\tO\n\xE2\x80\x8B\tO\n\xC2\xA0\tI-X\n \tO\n", "a/O \xE2\x80\x8B/O \xC2\xA0/I-X /O",
         NULL},
    };
    EXPECT_ALL(examples);
    bcl_corpus *c = read_named("in.txt", examples[1].text, NULL);
    assert_int_equal(bcl_corpus_odd_total(c, BCL_ODD_INVISIBLE), 4);
    assert_non_null(
        strstr(bcl_corpus_note(c, 0), "invisible characters in a tag: 4, the first at"));
    bcl_corpus_free(c);
}

static void test_conllu(void **state) {
    (void)state;
    static const char text[] =
        "# sent_id = 1\n1-2\tZum\t_\t_\t_\t_\t_\t_\t_\tNE=O\n"
        "1\tZu\tzu\tADP\t_\t_\t3\tcase\t_\tNE=O\n2\tdem\tder\tDET\t_\t_\t3\tdet\t_\tNE=O\n"
        "2.1\tx\tx\tX\t_\t_\t_\t_\t_\tNE=B-X\n"
        "3\tUlm\tUlm\tPROPN\t_\t_\t0\troot\t_\tNE=B-LOC|SpaceAfter=No\n"
        "4\t.\t.\tPUNCT\t_\t_\t3\tpunct\t_\t_\n";
    static const char plain[] = "1\ta\ta\tN\t_\t_\t0\troot\t_\tSpaceAfter=No\n"
                                "2\tb\tb\tV\t_\t_\t1\tdep\t_\tX=1\n";
    static const char plus[] = "# global.columns = ID FORM UPOS NER MISC\n1\ta\tN\tB-X\t_\n"
                               "2\tb\tV\tO\t_\n";
    static const char keys[] = "1\ta\ta\tN\t_\t_\t0\troot\t_\tX=1|Ent=B-PER|Q=O\n"
                               "2\tb\tb\tV\t_\t_\t1\tdep\t_\tEnt=I-PER\n";
    static const example examples[] = {
        {text, "Zu/O dem/O Ulm/B-LOC ./O", "conllu, word column 2, tags of MISC's key NE"},
        {keys, "a/B-PER b/I-PER", "conllu, word column 2, tags of MISC's key Ent"},
        {plus, "a/B-X b/O", NULL},
    };
    EXPECT_ALL(examples);
    expect_with(&(example){keys, "a/O b/O", NULL}, &(bcl_corpus_options){.key = "Q"});
    expect_with(&(example){plain, "a/N b/V", NULL}, &(bcl_corpus_options){.tag_column = 4});
    refuse_with(plain, NULL, "bad.txt:1: found CoNLL-U whose MISC holds no tags");
    bcl_corpus *c = read_named("in.txt", text, NULL);
    assert_int_equal(bcl_corpus_odd_total(c, BCL_ODD_RANGE), 2);
    assert_true(bcl_corpus_glued(c, 0, 3));
    assert_false(bcl_corpus_glued(c, 0, 2));
    assert_int_equal(bcl_corpus_line(c, 0, 2), 6);
    bcl_corpus_free(c);
}

/* ---- JSON ---- */

static void test_json_words(void **state) {
    (void)state;
    static const example examples[] = {
        {"{\"tokens\": [\"Ana\", \"lives\"], \"ner_tags\": [\"B-PER\", \"O\"]}\n",
         "Ana/B-PER lives/O", "jsonl, words in \"tokens\", tags in \"ner_tags\""},
        {"\xEF\xBB\xBF\n{\"id\": 1, \"words\": [\"\\u00e9\"], \"tags\": [\"O\"]}\r\n\r\n"
         "{\"words\": [], \"tags\": []}\n{\"words\": [\"b\"], \"tags\": [\"B-X\"]}",
         "\xC3\xA9/O | b/B-X", "jsonl, words in \"words\", tags in \"tags\""},
        {"[\n {\"tokens\": [\"a\"],\n  \"labels\": [\"O\"]},\n {\"tokens\": [\"b\"], \"labels\": "
         "[\"B-X\"]}\n]\n",
         "a/O | b/B-X", NULL},
        {"{\"tokens\": [\"a\", \"\", \"b c\"], \"ner\": [\"O\", \"O\", \"B-X\xE2\x80\x8B\"]}",
         "a/O /O b c/B-X", NULL},
        {"{\tO\n[\tO\n{\"\tB-X\n", "{/O [/O {\"/B-X", NULL}, /* words */
    };
    EXPECT_ALL(examples);
    static const char numbers[] = "{\"tokens\": [\"a\", \"b\"], \"ner_tags\": [0, 2]}\n";
    static const char *const names[] = {"O", "B-X", "I-X"};
    const bcl_corpus_options named = {.tag_names = names, .tag_name_count = 3};
    const bcl_corpus_options two = {.tag_names = names, .tag_name_count = 2};
    expect_with(&(example){numbers, "a/O b/I-X", NULL}, &named);
    refuse_with(numbers, NULL, "give them in their order with --tag-names");
    refuse_with(numbers, &two, "bad.txt:1: \"ner_tags\": found 2, expected 0 to 1");
    refuse_with("{\"tokens\": [\"a\"], \"tags\": [\"O\"]}\n{\"tokens\": [\"a\"], \"tags\": []}\n",
                NULL, "bad.txt:2: found 1 in \"tokens\" and 0 in \"tags\"");
    refuse_with("{\"tokens\": [1], \"tags\": [\"O\"]}\n", NULL, "expected words");
    refuse_with("{\"tokens\": [\"a\"], \"tags\": [\"\\t\"]}\n", NULL, "found the tag");
}

static void test_json_spans(void **state) {
    (void)state;
    static const example examples[] = {
        {"{\"id\": 1, \"text\": \"Ana lives in Ulm\", \"label\": "
         "[[0,3,\"PER\"],[13,16,\"LOC\"]]}\n",
         "Ana/B-PER lives/O in/O Ulm/B-LOC", "doccano, text in \"text\", spans in \"label\""},
        {"{\"text\": \"Ana lives in Ulm\", \"spans\": [{\"start\": 0, \"end\": 3, \"label\": "
         "\"PER\"}]}\n{\"text\": \"Rui lives here\", \"spans\": []}\n",
         "Ana/B-PER lives/O in/O Ulm/O | Rui/O lives/O here/O",
         "prodigy, text in \"text\", spans in \"spans\""},
        {"{\"text\": \"New York, N.Y.\", \"entities\": [{\"id\": 1, \"label\": \"LOC\", "
         "\"start_offset\": 0, \"end_offset\": 8}]}",
         "New/B-LOC York/I-LOC ,/O N/O ./O Y/O ./O", NULL},
        {"[{\"id\": 1, \"data\": {\"text\": \"\xF0\x9F\x98\x80 Ana\"}, \"annotations\": "
         "[{\"result\": [{\"type\": \"labels\", \"value\": {\"start\": 3, \"end\": 6, \"text\": "
         "\"Ana\", \"labels\": [\"PER\"]}}, {\"type\": \"choices\", \"value\": {}}]}]},\n"
         "{\"data\": {\"text\": \"x\"}, \"annotations\": []}]",
         "\xF0\x9F\x98\x80/O Ana/B-PER",
         "label-studio, text in \"text\", spans in \"annotations\""},
        {"{\"text\": \"One\\nTwo\\nThree Four\", \"label\": [[4,13,\"X\"]]}\n",
         "One/O | Two/B-X Three/I-X Four/O", NULL}, /* a line's end inside a span */
        {"{\"text\": \"a b\", \"tokens\": [{\"text\": \"a b\", \"start\": 0, \"end\": 3}], "
         "\"spans\": [{\"start\": 0, \"end\": 3, \"label\": \"X\"}]}\n"
         "{\"text\": \"no\", \"spans\": [], \"answer\": \"reject\"}\n",
         "a b/B-X", NULL},
        {"{\"text\": \"\xE6\x9D\xB1\xE4\xBA\xAC in\", \"label\": [[0,2,\"LOC\"]]}\n",
         "\xE6\x9D\xB1/B-LOC \xE4\xBA\xAC/I-LOC in/O", NULL},
        {"[{\"text\": \"Ana x\", \"label\": [{\"start\": 0, \"end\": 3, \"text\": \"Ana\", "
         "\"labels\": [\"PER\"]}]}]",
         "Ana/B-PER x/O", "label-studio, text in \"text\", spans in \"label\""},
        {"[[\"Ana x\", {\"entities\": [[0, 3, \"PER\"]]}],\n[\"b\", {\"entities\": []}]]\n",
         "Ana/B-PER x/O | b/O", "pairs of a text and its \"entities\""},
        {"[\"Ana x\", {\"entities\": [[0, 3, \"PER\"]]}]\n[\"b\", {\"entities\": []}]\n",
         "Ana/B-PER x/O | b/O", "pairs of a text and its \"entities\""},
    };
    EXPECT_ALL(examples);
    refuse_with("{\"text\": \"ab\", \"label\": [[0,3,\"X\"]]}\n", NULL,
                "bad.txt:1: found the span 0 to 3");
    refuse_with("{\"text\": \"a  b\", \"label\": [[1,2,\"X\"]]}\n", NULL, "without a word");
    refuse_with("{\"text\": \"ab\", \"label\": [[0,\"X\"]]}\n", NULL,
                "without begin, end and label");
    refuse_with("{\"text\": \"ab\", \"label\": [\"good\"]}\n", NULL,
                "found a record of text, label");
    refuse_with("{\"text\": \"ab c\", \"label\": [{\"start\":0,\"end\":2,\"text\":\"c\",\"label\":"
                "\"X\"}]}\n",
                NULL, "found the span 0 to 2 \"c\"");
    refuse_with("{\"text\": \"a\", \"spans\": []}\n",
                &(bcl_corpus_options){.format = BCL_FORMAT_JSONL}, "found a record of text, spans");
    bcl_corpus *c = read_named("in.txt",
                               "{\"text\": \"Anabel Ruiz ran\", \"label\": [[0,3,\"PER\"],"
                               "[0,11,\"PER\"],[7,11,\"X\"],[12,14,\"Y\"]]}\n",
                               NULL);
    char *got = dump(c);
    assert_string_equal(got, "Anabel/B-PER Ruiz/I-PER ran/B-Y");
    assert_int_equal(bcl_corpus_odd_total(c, BCL_ODD_OVERLAP), 2);
    assert_int_equal(bcl_corpus_odd_total(c, BCL_ODD_CUT_WORD), 1);
    free(got);
    bcl_corpus_free(c);
}

/* ---- folders ---- */

static void test_labels_of_spans(void **state) {
    (void)state;
    static const example examples[] = {
        {"{\"text\": \"Ana in Ulm\", \"spans\": [{\"start\": 0, \"end\": 3, \"label\": \"LOC\"}, "
         "{\"start\": 7, \"end\": 10, \"label\": \" LOC\xE2\x80\x8B\"}]}\n",
         "Ana/B-LOC in/O Ulm/B-LOC", NULL},
        {"{\"text\": \"New York\", \"label\": [[0, 8, \"A\xC2\xAD\xEF\xBB\xBF B\"]]}\n",
         "New/B-A B York/I-A B", NULL},
    };
    EXPECT_ALL(examples);
    refuse_with("{\"text\": \"Ana\", \"label\": [[0, 3, \"A\\nB\"]]}\n", NULL,
                "bad.txt:1: found the tag \"A");
    refuse_with("{\"text\": \"Ana\", \"label\": [[0, 3, \"\xE2\x80\x8B\"]]}\n", NULL,
                "bad.txt:1: found");
}

static void test_brat(void **state) {
    (void)state;
    free(put("annotation.conf", "[entities]\nPER\n"));
    char *ann = put("a.ann", "T1\tPER 0 3\tAna\nT2\tLOC 13 16\tUlm\nT3\tPER 0 3;9 11\tAna in\n"
                             "R1\tIn Arg1:T1 Arg2:T2\nA1\tNegated T1\n#1\tAnnotatorNotes T1\tx\n"
                             "*\tEquiv T1 T2\nT4\tORG 17 23\tB\xC3\xBCro A\n");
    free(put("a.txt", "Ana lives in Ulm\nB\xC3\xBCro A.\n"));
    bcl_corpus *c = NULL;
    OK(bcl_corpus_read(&c, (const char *const *)&ann, 1, NULL));
    char *got = dump(c);
    assert_string_equal(got, "Ana/B-PER lives/O in/O Ulm/B-LOC | B\xC3\xBCro/B-ORG A/I-ORG ./O");
    assert_int_equal(bcl_corpus_odd_total(c, BCL_ODD_DISCONTINUOUS), 1);
    assert_int_equal(bcl_corpus_line(c, 1, 1), 2);
    assert_non_null(strstr(bcl_corpus_note(c, 0), "span of several parts: 1, the first at"));
    free(got);
    bcl_corpus_free(c);
    static const struct {
        const char *text, *part;
    } bad[] = {{"T1\tPER 0 3\tBob\n", "a.ann:1: found \"Bob\", expected the text's characters 0"},
               {"T1\tPER 0 99\tAna\n", "a.ann:1: found the span 0 to 99"},
               {"\nT1\tPER\tAna\n", "a.ann:2: found \"T1"},
               {"hello\n", "a.ann:1: found \"hello\", expected an annotation of brat"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        free(put("a.ann", bad[i].text));
        FAILS(bcl_corpus_read(&c, (const char *const *)&ann, 1, NULL), BCL_ERROR_FORMAT,
              bad[i].part);
    }
    free(ann);
}

static void test_folders_leave_out_what_is_no_data(void **state) {
    (void)state;
    static const struct {
        const char *name, *why;
    } files[] = {{"#x.conll#", "an editor's backup"},
                 {".x.conll.swp", "hidden"},
                 {"LICENSE", "a text about the data by its name"},
                 {"README.md", "a text about the data by its name"},
                 {"readme.txt", "a text about the data by its name"},
                 {"x.conll.bak", "a backup by its name"},
                 {"x.conll~", "an editor's backup"}};
    const size_t n = sizeof files / sizeof *files;
    char *base = test_folder(), *path = NULL;
    bcl_corpus *c = NULL;
    for (size_t i = 0; i <= n; i++) {
        OK(bcl_path_join(&path, base, i < n ? files[i].name : "x.conll"));
        OK(bcl_file_write(path, i < n ? "NER data\n" : "Ulm B-LOC\nis O\n", i < n ? 9 : 15));
        free(path);
    }
    OK(bcl_corpus_read(&c, (const char *const *)&base, 1, NULL));
    assert_int_equal(bcl_corpus_file_count(c), 1);
    assert_int_equal(bcl_corpus_left_out_count(c), n);
    assert_int_equal(bcl_corpus_note_count(c), n - 1); /* hidden files are not spoken of */
    for (size_t i = 0; i < n; i++) {
        const char *left, *why;
        bcl_corpus_left_out(c, i, &left, &why);
        assert_string_equal(bcl_path_name(left), files[i].name);
        assert_string_equal(why, files[i].why);
    }
    bcl_corpus_free(c);
    OK(bcl_path_join(&path, base, "notes.txt"));
    OK(bcl_file_write(path, "Some notes.\n", 12));
    FAILS(bcl_corpus_read(&c, (const char *const *)&base, 1, NULL), BCL_ERROR_FORMAT,
          "notes.txt:1: found \"Some notes.\"");
    const bcl_corpus_options on = {.keep_going = true};
    OK(bcl_corpus_read(&c, (const char *const *)&base, 1, &on));
    assert_int_equal(bcl_corpus_odd_total(c, BCL_ODD_REFUSED), 1);
    bcl_corpus_free(c);
    free(path);
    free(base);
}

/* ---- files that are read otherwise than others ---- */

static void test_layouts_that_differ_are_named(void **state) {
    (void)state;
    static const char wide[] = "Ana NNP B-NP B-PER\nsees VBZ B-VP O\n", pairs[] = "Ana B-PER\n";
    char *base = test_folder();
    bcl_corpus *corpora[2] = {NULL};
    bcl_tag_map *map = NULL;
    const char *const names[] = {"a.conll", "b.conll", "c.conll", "d.jsonl", "e.conll"};
    const char *const texts[] = {wide, wide, pairs, "{\"tokens\": [\"a\"], \"tags\": [\"O\"]}\n",
                                 "# none\n"};
    char *paths[5];
    for (size_t i = 0; i < 5; i++) {
        OK(bcl_path_join(&paths[i], base, names[i]));
        OK(bcl_file_write(paths[i], texts[i], strlen(texts[i])));
    }
    OK(bcl_corpus_read(&corpora[0], (const char *const *)&base, 1, NULL));
    assert_int_equal(bcl_corpus_note_count(corpora[0]), 1);
    assert_non_null(strstr(bcl_corpus_note(corpora[0], 0),
                           "c.conll: is read as conll, word column 1, tag column 2, but "));
    assert_non_null(strstr(bcl_corpus_note(corpora[0], 0),
                           "a.conll as conll, word column 1, tag column 4; --word-column"));
    bcl_corpus_free(corpora[0]);
    OK(bcl_corpus_read(&corpora[0], (const char *const *)&base, 1,
                       &(bcl_corpus_options){.tag_column = -1}));
    assert_int_equal(bcl_corpus_note_count(corpora[0]), 0);
    bcl_corpus_free(corpora[0]);
    /* corpora that belong together */
    const bcl_texts both[] = {{(const char *const *)&paths[0], 1},
                              {(const char *const *)&paths[2], 1}};
    OK(bcl_corpora_read(&map, corpora, both, 2, &(bcl_reading){0}, false));
    assert_int_equal(bcl_corpus_note_count(corpora[0]), 0);
    assert_int_equal(bcl_corpus_note_count(corpora[1]), 1);
    assert_non_null(strstr(bcl_corpus_note(corpora[1], 0), "c.conll: is read as"));
    bcl_corpus_free(corpora[0]);
    bcl_corpus_free(corpora[1]);
    bcl_tag_map_free(map);
    bcl_strings_free(memcpy(malloc(sizeof paths), paths, sizeof paths), 5);
    free(base);
}

/* ---- bounds ---- */

static void test_bounds(void **state) {
    (void)state;
    bcl_corpus *c = NULL;
    const char *zero = "/dev/zero";
    if (bcl_path_exists(zero))
        FAILS(bcl_corpus_read(&c, &zero, 1, NULL), BCL_ERROR_FORMAT, "/dev/zero: found 4096 NUL");
    refuse_with("a\tO\nb\tO\n", &(bcl_corpus_options){.max_file_size = 4},
                "found 8 bytes, expected at most 4");
    /* more columns than are kept, in a word's line, a comment and where nothing else is */
    bcl_string wide = {0};
    OK(bcl_string_addf(&wide, "a O\n"));
    for (int i = 0; i < 300; i++)
        OK(bcl_string_addf(&wide, "x "));
    OK(bcl_string_addf(&wide, "\n"));
    refuse_with(wide.data, NULL, "bad.txt:2: found 300 columns, expected 256 at most");
    refuse_with(wide.data + 4, NULL, "bad.txt");
    OK(bcl_string_addf(&wide, "b O\n"));
    memcpy(wide.data + 4, "# ", 2);
    expect_with(&(example){wide.data, "a/O b/O", NULL}, NULL);
    bcl_string_free(&wide);
}

static void test_keeps_going(void **state) {
    (void)state;
    const bcl_corpus_options on = {.keep_going = true};
    bcl_corpus *c = read_named("in.txt", "a\tO\nb\nc\tO\n\xFF\tO\nd\tO\nThis is it\n", &on);
    char *got = dump(c);
    assert_string_equal(got, "a/O c/O d/O");
    assert_int_equal(bcl_corpus_odd_total(c, BCL_ODD_REFUSED), 3);
    assert_non_null(strstr(bcl_corpus_odd_error(c, 0), "in.txt:2: found one column"));
    free(got);
    bcl_corpus_free(c);
    c = read_named("in.txt",
                   "{\"tokens\": [\"a\"], \"tags\": [\"O\"]}\n{\"x\"\n{\"tokens\": [\"b\"], "
                   "\"tags\": [\"O\"]}\n",
                   &on);
    assert_int_equal(bcl_corpus_size(c), 2);
    assert_int_equal(bcl_corpus_odd_total(c, BCL_ODD_REFUSED), 1);
    bcl_corpus_free(c);
}

static void test_notes(void **state) {
    (void)state;
    bcl_string s = {0};
    for (int i = 0; i < 600; i++)
        OK(bcl_string_addf(&s, "w%d\tO\n", i));
    bcl_corpus *c = read_named("in.txt", s.data, NULL);
    assert_int_equal(bcl_corpus_note_count(c), 1);
    assert_non_null(strstr(bcl_corpus_note(c, 0), "no blank line, 600 words are one sentence"));
    bcl_corpus_free(c);
    OK(bcl_string_addf(&s, "\nx\t0\ny\tVMISC\nz\t0\n"));
    c = read_named("in.txt", s.data, NULL);
    assert_int_equal(bcl_corpus_note_count(c), 1);
    assert_non_null(strstr(bcl_corpus_note(c, 0), "in.txt:602"));
    assert_non_null(strstr(bcl_corpus_note(c, 0), "3 words have tags of no scheme (\"0\" 2, "
                                                  "\"VMISC\" 1)"));
    bcl_tag_map *map = NULL;
    OK(bcl_tag_map_create(&map));
    OK(bcl_tag_map_add_preset(map, "un-ner"));
    OK(bcl_corpus_map(c, map));
    assert_int_equal(bcl_corpus_note_count(c), 0);
    assert_int_equal(bcl_corpus_tag_count(c), 1);
    assert_int_equal(bcl_corpus_tag_total(c, 0), 603);
    assert_int_equal(bcl_corpus_raw_tag_count(c), 3);
    bcl_tag_map_free(map);
    bcl_corpus_free(c);
    bcl_string_free(&s);
    c = read_named("in.txt", "# c\na\tNN\nb\tVB\nc\tNN\n", NULL);
    assert_int_equal(bcl_corpus_note_count(c), 1);
    assert_non_null(strstr(bcl_corpus_note(c, 0), "in.txt:2: no tag is O or of a scheme"));
    bcl_corpus_free(c);
    c = read_named("in.txt", "a\tNN\n", &(bcl_corpus_options){.format = BCL_FORMAT_CONLL});
    assert_int_equal(bcl_corpus_note_count(c), 0);
    bcl_corpus_free(c);
}

static void expect_note(const char *text, const char *part) {
    bcl_corpus *c = read_named("in.txt", text, NULL);
    assert_int_equal(bcl_corpus_note_count(c), part != NULL);
    if (part && !strstr(bcl_corpus_note(c, 0), part))
        assert_string_equal(bcl_corpus_note(c, 0), part);
    bcl_corpus_free(c);
}

static void test_odd_tags_are_told(void **state) {
    (void)state;
    /* of no scheme beside others that are, however many */
    expect_note("a\tB-PER\nb\t_\nc\t_\n", "2 words have tags of no scheme (\"_\" 2)");
    expect_note("a\tB-PER\nb\tOUT\nc\tO\n", "(\"OUT\" 1), the first at ");
    expect_note("a\tB-PER\nb\t\xD0\x9E\n", "(\"\xD0\x9E\" 1)"); /* a Cyrillic letter */
    /* parts of a scheme's tag, written otherwise */
    expect_note("a\tPER-B\nb\tPER-I\nc\tO\n", "\"PER-B\" 1, \"PER-I\" 1");
    expect_note("a\tb-per\nc\tO\n", "\"b-per\" 1");
    expect_note("a\tB:PER\nc\tO\n", "\"B:PER\" 1");
    expect_note("a\tB\xE2\x80\x93PER\nc\tO\n", "of no scheme");
    expect_note("a\tPER\nb\tLOC\nc\tO\n", NULL); /* plain names */
    /* labels that a person takes for one */
    expect_note("a\tB-PER\nb\tB-Per\nc\tO\n", "\"B-PER\" and \"B-Per\" differ by capitals");
    expect_note("a\tB-\xC3\x89\nb\tB-E\xCC\x81\n", "differ by capitals or by how characters");
    /* columns that are not read */
    expect_note("a\tB-PER\tB-CLS\nb\tO\tE-CLS\n", "columns 2 and 3 hold tags, read column 3");
    expect_note("a NN B-NP B-PER\nb VB B-VP O\n", NULL);
    /* WikiAnn */
    expect_note("en:Ana\tB-PER\nen:is\tO\nen:in\tO\n", "every word begins with \"en:\"");
    expect_with(
        &(example){"zh-yue:a\tB-PER\nzh-yue:b\tO\nzh-yue:c:d\tO\n", "a/B-PER b/O c:d/O", NULL},
        NULL);
    expect_with(&(example){"en:a\tB-PER\nde:b\tO\nen:c\tO\n", "en:a/B-PER de:b/O en:c/O", NULL},
                NULL);
}

static void test_sentences_by_a_column(void **state) {
    (void)state;
    static const example examples[] = {
        {"Sentence #\tWord\tPOS\tTag\nSentence: 1\tAna\tN\tB-per\n\tis\tV\tO\nSentence: 2\tUlm\tN\t"
         "B-geo\n\t.\t.\tO\n",
         "Ana/B-per is/O | Ulm/B-geo ./O", "conll, word column 2, tag column 4"},
        {"sentence_id\ttoken\tlabel\n1\tAna\tB-PER\n1\tis\tO\n2\tUlm\tB-LOC\n",
         "Ana/B-PER is/O | Ulm/B-LOC", NULL},
        {"word sent_id tag\na x O\nb x O\nc y O\n\nd y O\n", "a/O b/O | c/O | d/O", NULL},
        {"#word\ttag\na\tB-PER\nb\tO\n", "a/B-PER b/O", NULL},
        {"Text\tEntity\na\tB-PER\n", "a/B-PER", NULL},
    };
    EXPECT_ALL(examples);
}

static void test_un_ner_is_known(void **state) {
    (void)state;
    static const struct {
        const char *tags;
        bool known;
    } examples[] = {{"I-LOC\tI-PRG\t0", true}, {"I-LOC\t0", false},     {"I-PRG\t0\tB-LOC", false},
                    {"VMISC\tI-", true},       {"I-LOC\tI-ORG", false}, {"I-\t0\tPER", false}};
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        bcl_string s = {0};
        for (int k = 0; k < 2000; k++)
            OK(bcl_string_addf(&s, "w\tO\n"));
        for (const char *p = examples[i].tags; *p; p += strcspn(p, "\t"), p += *p == '\t')
            OK(bcl_string_addf(&s, "x\t%.*s\n", (int)strcspn(p, "\t"), p));
        bcl_corpus *c = read_named("in.txt", s.data, NULL);
        assert_int_equal(bcl_corpora_are_un_ner((const bcl_corpus *const *)&c, 1),
                         examples[i].known);
        bcl_corpus_free(c);
        bcl_string_free(&s);
    }
}

/* ---- writing ---- */

static void test_schemes(void **state) {
    (void)state;
    static const char *const iob1 = "a/I-P b/I-P c/B-P d/I-L e/O f/I-L | g/I-P";
    static const char *const iob2 = "a/B-P b/I-P c/B-P d/B-L e/O f/B-L | g/B-P";
    static const char *const iobes = "a/B-P b/E-P c/S-P d/S-L e/O f/S-L | g/S-P";
    static const char *const bilou = "a/B-P b/L-P c/U-P d/U-L e/O f/U-L | g/U-P";
    const char *all[] = {iob1, iob2, iobes, bilou};
    const bcl_scheme schemes[] = {BCL_SCHEME_IOB1, BCL_SCHEME_IOB2, BCL_SCHEME_IOBES,
                                  BCL_SCHEME_BILOU};
    for (int from = 0; from < 4; from++)
        for (int to = 0; to < 4; to++) {
            bcl_string s = {0};
            for (const char *p = all[from]; *p;) {
                const size_t n = strcspn(p, " ");
                if (*p == '|')
                    OK(bcl_string_add(&s, "\n", 1));
                else
                    OK(bcl_string_addf(&s, "%c\t%.*s\n", *p, (int)n - 2, p + 2));
                p += n + (p[n] == ' ');
            }
            bcl_corpus *c = read_named("in.txt", s.data, NULL);
            OK(bcl_corpus_set_scheme(c, schemes[to]));
            char *got = dump(c);
            assert_string_equal(got, all[to]);
            uint64_t total = 0;
            for (size_t i = 0; i < bcl_corpus_tag_count(c); i++)
                total += bcl_corpus_tag_total(c, i);
            assert_int_equal(total, 7);
            free(got);
            bcl_corpus_free(c);
            bcl_string_free(&s);
        }
    bcl_corpus *c = read_named("in.txt", "a\tPER\nb\tPER\nc\tO\n", NULL);
    OK(bcl_corpus_set_scheme(c, BCL_SCHEME_IOB2));
    char *got = dump(c);
    assert_string_equal(got, "a/B-PER b/I-PER c/O");
    free(got);
    bcl_corpus_free(c);
    c = read_named("in.txt", "a\tB-PER\nb\tO\n\nc\tVMISC\n", NULL);
    FAILS(bcl_corpus_set_scheme(c, BCL_SCHEME_IOB2), BCL_ERROR_FORMAT,
          "in.txt:4: found the tag \"VMISC\", which is of no scheme");
    FAILS(bcl_corpus_set_scheme(c, BCL_SCHEME_IOE1), BCL_ERROR_ARGUMENT, "expected IOB1");
    bcl_corpus_free(c);
}

static void test_what_is_written_reads_back(void **state) {
    (void)state;
    static const char words[] = "B\xC3\xBCro/B-ORG \xF0\x9F\x98\x80/I-ORG in/O Ulm/B-LOC ./O | "
                                "#/O Ana/B-PER Rui/B-PER | \"x/O {/O";
    bcl_corpus *c =
        read_named("in.txt",
                   "{\"text\": \"B\xC3\xBCro \xF0\x9F\x98\x80 in Ulm.\", \"label\": "
                   "[[0,6,\"ORG\"],[10,13,\"LOC\"]]}\n"
                   "{\"text\": \"# Ana Rui\", \"label\": [[2,5,\"PER\"],[6,9,\"PER\"]]}\n"
                   "{\"tokens\": [\"\\\"x\", \"{\"], \"ner_tags\": [\"O\", \"O\"]}\n",
                   NULL);
    for (int format = BCL_FORMAT_CONLL; format < BCL_FORMAT_COUNT; format++) {
        char *path = NULL;
        bcl_corpus *again = NULL;
        OK(bcl_format(&path, "%s/out.%s", folder,
                      bcl_corpus_format_name((bcl_corpus_format)format)));
        OK(bcl_corpus_export(path, c, (bcl_corpus_format)format));
        OK(bcl_corpus_read(&again, (const char *const *)&path, 1, NULL));
        char *got = dump(again);
        const bool splits = format >= BCL_FORMAT_DOCCANO && format <= BCL_FORMAT_BRAT;
        if (!splits)
            assert_string_equal(got, words);
        else /* texts are split anew: the quotation mark is a word */
            assert_string_equal(got,
                                "B\xC3\xBCro/B-ORG \xF0\x9F\x98\x80/I-ORG in/O Ulm/B-LOC ./O | "
                                "#/O Ana/B-PER Rui/B-PER | \"/O x/O {/O");
        if (splits || format == BCL_FORMAT_CONLLU)
            assert_true(bcl_corpus_glued(again, 0, 4));
        free(got);
        bcl_corpus_free(again);
        bcl_corpus_format found;
        OK(bcl_corpus_format_find(&found, bcl_corpus_format_name((bcl_corpus_format)format)));
        assert_int_equal(found, format);
        free(path);
    }
    FAILS(bcl_corpus_export("/nonexistent/x", c, BCL_FORMAT_JSONL), BCL_ERROR_IO, "/nonexistent/x");
    FAILS(bcl_corpus_export("x", c, BCL_FORMAT_AUTO), BCL_ERROR_ARGUMENT, "format");
    bcl_corpus_format format;
    FAILS(bcl_corpus_format_find(&format, "csv"), BCL_ERROR_ARGUMENT, "found \"csv\"");
    bcl_corpus_free(c);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbered_columns),
        cmocka_unit_test(test_comments),
        cmocka_unit_test(test_lines_between_words_keep_their_numbers),
        cmocka_unit_test(test_columns_are_found),
        cmocka_unit_test(test_columns_are_chosen),
        cmocka_unit_test(test_what_is_no_data_is_refused),
        cmocka_unit_test(test_invisible_characters),
        cmocka_unit_test(test_conllu),
        cmocka_unit_test(test_json_words),
        cmocka_unit_test(test_json_spans),
        cmocka_unit_test(test_labels_of_spans),
        cmocka_unit_test(test_brat),
        cmocka_unit_test(test_folders_leave_out_what_is_no_data),
        cmocka_unit_test(test_layouts_that_differ_are_named),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_keeps_going),
        cmocka_unit_test(test_notes),
        cmocka_unit_test(test_odd_tags_are_told),
        cmocka_unit_test(test_sentences_by_a_column),
        cmocka_unit_test(test_un_ner_is_known),
        cmocka_unit_test(test_schemes),
        cmocka_unit_test(test_what_is_written_reads_back),
    };
    folder = test_folder();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(folder);
    return failed;
}
