/* data/: every rule of the reader and every error, tag maps, labels, writing, repeats. */
#include "support/support.h"

#include <bertcl/data.h>
#include <sys/stat.h>
#include <unistd.h>

static char *folder;

/* Writes `size` bytes under the test's folder; the path is static. */
static const char *put_bytes(const char *name, const char *text, size_t size) {
    static char path[4][512];
    static int next;
    char *p = path[next++ % 4];
    snprintf(p, 512, "%s/%s", folder, name);
    OK(bcl_file_write(p, text, size));
    return p;
}

static const char *put(const char *name, const char *text) {
    return put_bytes(name, text, strlen(text));
}

static bcl_corpus *read_with(const char *text, const bcl_corpus_options *options) {
    bcl_corpus *c = NULL;
    const char *path = put("in.conll", text);
    OK(bcl_corpus_read(&c, &path, 1, options));
    return c;
}

/* "word/tag word/tag | ..." */
static char *dump(const bcl_corpus *c) {
    bcl_string s = {0};
    for (size_t i = 0; i < bcl_corpus_size(c); i++) {
        bcl_sentence x = bcl_corpus_sentence(c, i);
        for (size_t k = 0; k < x.size; k++)
            OK(bcl_string_addf(&s, "%s%s/%s",
                               k   ? " "
                               : i ? " | "
                                   : "",
                               x.words[k], bcl_corpus_tag(c, x.tags[k])));
    }
    return s.data;
}

static void expect_with(const char *text, const bcl_corpus_options *options, const char *expected) {
    bcl_corpus *c = read_with(text, options);
    char *got = dump(c);
    assert_string_equal(got, expected);
    free(got);
    bcl_corpus_free(c);
}

static void expect(const char *text, const char *expected) {
    expect_with(text, NULL, expected);
}

static void refuse_bytes(const char *text, size_t size, const char *part) {
    bcl_corpus *c = NULL;
    const char *path = put_bytes("bad.conll", text, size);
    FAILS(bcl_corpus_read(&c, &path, 1, NULL), BCL_ERROR_FORMAT, part);
    assert_null(c);
    assert_null(strchr(bcl_message(), '\n'));
}

static void refuse(const char *text, const char *part) {
    refuse_bytes(text, strlen(text), part);
}

static void test_separators_and_blank_lines(void **state) {
    (void)state;
    expect("a\tO\nb\tX\n\nc\tO\n", "a/O b/X | c/O");
    expect("a O\nb   X\n\n\n\nc O", "a/O b/X | c/O");
    expect("\n\na\tO\n \t \nb\tO\n\n", "a/O | b/O");
    expect("a\tO\n\xC2\xA0\n\xE3\x80\x80\r\nb\tO\n", "a/O | b/O");
    expect("a\tO\r\nb\tX\r\n\r\nc\tO\r\n", "a/O b/X | c/O");
    expect("\xEF\xBB\xBF"
           "a\tO\n",
           "a/O");
    expect("\xEF\xBB\xBF\r\n a  O \n", "a/O");
    expect("New York\tLOC\n a \t O \n", "New York/LOC a/O");
    expect("a\tO\xC2\xA0\n", "a/O"); /* Python's strip() */
    expect("\tO\nb\tO\n", "/O b/O");
}

static void test_columns(void **state) {
    (void)state;
    expect("ISAF\tI-ORG\t\t\nb\tO\n", "ISAF/I-ORG b/O");
    expect("EU NNP B-NP B-ORG\nx NN I-NP O\n", "EU/B-ORG x/O");
    expect("EU\tNNP\t\tB-ORG\n", "EU/B-ORG");
    bcl_corpus_options second = {.tag_column = 2}, fourth = {.tag_column = 4};
    expect_with("EU NNP B-NP B-ORG\n", &second, "EU/NNP");
    expect_with("EU NNP B-NP B-ORG\n", &fourth, "EU/B-ORG");
    const char *path = put("short.conll", "EU NNP B-NP B-ORG\nx y z\n");
    bcl_corpus *c = NULL;
    FAILS(bcl_corpus_read(&c, &path, 1, &fourth), BCL_ERROR_FORMAT,
          "short.conll:2: found 3 columns, expected the tag in column 4");
    bcl_corpus_options first = {.tag_column = 1};
    FAILS(bcl_corpus_read(&c, &path, 1, &first), BCL_ERROR_ARGUMENT, "tag column");
    FAILS(bcl_corpus_read(&c, NULL, 0, NULL), BCL_ERROR_ARGUMENT, "no path");
}

static void test_comments_and_docstart(void **state) {
    (void)state;
    expect("# sent_id = 1\n# text = a b\na\tO\nb\tO\n\n# newdoc\nc\tO\n", "a/O b/O | c/O");
    expect("#\tO\n1\tO\n\n# comment\na\tX\n", "#/O 1/O | a/X"); /* a TAB makes it a word */
    expect("a O\n# O\n\n# O\n1 O\n", "a/O #/O | #/O 1/O");      /* the word # between spaces */
    expect("# O\n", "#/O");
    expect("# O\na O\n \t\n# O\nb O\n", "#/O a/O | #/O b/O"); /* a TAB in a blank line */
    expect("# id = 3\na O\n", "a/O");
    expect("# a longer remark\na O\n", "a/O");
    expect("#tag\tO\n#1 O\n", "#tag/O #1/O");
    expect("-DOCSTART- -X- -X- O\n\na NN B O\n-DOCSTART-\nb NN B O\n", "a/O | b/O");
    expect("a O\n-docstart- -X- O\nb O\n--DocStart--\nc O\n", "a/O | b/O | c/O");
    expect("a\tO\nDOCSTART-\tO\n-DOCSTART\tO\n", "a/O DOCSTART-/O -DOCSTART/O");
    expect("a\tO\n-DOCSTART-\tO\n-DOCSTART-x\tO\n", "a/O | -DOCSTART-x/O");
}

static void test_odd_lines_are_counted(void **state) {
    (void)state;
    static const struct {
        bcl_odd kind;
        size_t line;
    } expected[] = {{BCL_ODD_COMMENT, 1},    {BCL_ODD_EMPTY_COLUMNS, 3}, {BCL_ODD_COLUMNS, 4},
                    {BCL_ODD_EMPTY_WORD, 5}, {BCL_ODD_SPACE_IN_WORD, 6}, {BCL_ODD_BLANK, 7},
                    {BCL_ODD_DOCSTART, 8},   {BCL_ODD_BOM, 10},          {BCL_ODD_INVISIBLE, 11}};
    bcl_corpus *c = read_with("# c\na\tO\nb\tO\t\t\nc\tX\tO\n\tO\nd e\tO\n \n-DOCSTART-\nf\tO\n"
                              "\xEF\xBB\xBFg\tO\nh\tB-X\xE2\x80\x8B\n",
                              NULL);
    const size_t n = sizeof expected / sizeof *expected;
    assert_int_equal(bcl_corpus_odd_listed(c), n);
    for (size_t i = 0; i < n; i++) {
        bcl_odd kind;
        const char *file;
        size_t line;
        bcl_corpus_odd_line(c, i, &kind, &file, &line);
        assert_int_equal(kind, expected[i].kind);
        assert_int_equal(line, expected[i].line);
        assert_int_equal(bcl_corpus_odd_total(c, kind), 1);
        assert_null(bcl_corpus_odd_error(c, i));
        assert_string_equal(bcl_path_name(file), "in.conll");
    }
    for (int kind = 0; kind < BCL_ODD_COUNT; kind++)
        assert_true(*bcl_odd_name((bcl_odd)kind) != 0);
    bcl_corpus_free(c);
    bcl_string many = {0};
    for (int i = 0; i < 250; i++)
        OK(bcl_string_addf(&many, "a\tO\t\n"));
    c = read_with(many.data, NULL);
    assert_int_equal(bcl_corpus_odd_total(c, BCL_ODD_EMPTY_COLUMNS), 250);
    assert_int_equal(bcl_corpus_odd_listed(c), 100);
    bcl_corpus_free(c);
    bcl_string_free(&many);
}

static void test_errors_name_the_place(void **state) {
    (void)state;
    refuse("a\tO\n\nword\n",
           "bad.conll:3: found one column (\"word\"), expected a word and its tag");
    refuse("word\t\t\n", "bad.conll:1: found one column");
    refuse("a\tO\nb\xFF\tO\n", "bad.conll:2: byte 2 of the line (5 of the file): found 0xFF");
    refuse("a\tO\nb\tO\xC3\n", "bad.conll:2: byte 4");
    refuse("\xED\xA0\x80\tO\n", "bad.conll:1: byte 1");   /* a surrogate */
    refuse("\xC0\x80\tO\n", "bad.conll:1: byte 1");       /* overlong */
    refuse("\xF4\x90\x80\x80\tO", "bad.conll:1: byte 1"); /* beyond U+10FFFF */
    refuse_bytes("a\tO\nb\0c\tO\n", 10,
                 "bad.conll:2: byte 2 of the line (5 of the file): found a NUL");
    refuse_bytes("\0t\xF6tat#\n\0t\xF6tata\n", 14, "found a NUL"); /* the same up to the NUL */
    refuse("a\tO\rb\tO\r",
           "bad.conll:1: byte 4 of the line (3 of the file): found a carriage return");
    refuse_bytes("\xFF\xFE"
                 "a\0",
                 4, "found UTF-16, expected plain text in UTF-8");
    refuse("", "bad.conll: found no sentence");
    refuse("\n \n\xC2\xA0\n", "found no sentence");
    refuse("-DOCSTART- O\n\n", "found no sentence");
    bcl_corpus *c = NULL;
    const char *missing = "/nonexistent/x.conll";
    FAILS(bcl_corpus_read(&c, &missing, 1, NULL), BCL_ERROR_IO,
          "/nonexistent/x.conll: cannot open");
    char *empty = test_folder();
    const char *path = empty;
    FAILS(bcl_corpus_read(&c, &path, 1, NULL), BCL_ERROR_FORMAT, "found no file in the folder");
    if (geteuid() != 0) {
        const char *closed = put("closed.conll", "a\tO\n");
        chmod(closed, 0);
        FAILS(bcl_corpus_read(&c, &closed, 1, NULL), BCL_ERROR_IO, "closed.conll: cannot open");
    }
    free(empty);
}

static void test_folders_and_places(void **state) {
    (void)state;
    char *base = test_folder(), *path = NULL;
    static const char *const names[] = {"b file.conll", "B.txt", ".hidden", "a", "sub/x"};
    static const char *const texts[] = {"b\tO\n\n\nbb\tX\nbc\tY\n", "B\tO\n", "no tag\n", "a\tO\n",
                                        "no\n"};
    OK(bcl_path_join(&path, base, "sub"));
    OK(bcl_directory_create(path));
    free(path);
    for (int i = 0; i < 5; i++) {
        OK(bcl_path_join(&path, base, names[i]));
        OK(bcl_file_write(path, texts[i], strlen(texts[i])));
        free(path);
    }
    const char *paths[] = {base, put("last one.conll", "z\tO")};
    bcl_corpus *c = NULL;
    OK(bcl_corpus_read(&c, paths, 2, NULL));
    char *got = dump(c);
    assert_string_equal(got, "B/O | a/O | b/O | bb/X bc/Y | z/O");
    assert_int_equal(bcl_corpus_tokens(c), 6);
    assert_int_equal(bcl_corpus_file_count(c), 4);
    assert_string_equal(bcl_path_name(bcl_corpus_file(c, 2)), "b file.conll");
    assert_int_equal(bcl_corpus_file_bytes(c, 2), strlen(texts[0]));
    assert_int_equal(bcl_corpus_file_sentences(c, 2), 2);
    bcl_sentence s = bcl_corpus_sentence(c, 3);
    assert_int_equal(s.line, 4);
    assert_string_equal(bcl_path_name(s.file), "b file.conll");
    free(got);
    bcl_corpus_free(c);
    OK(bcl_path_join(&path, base, "dangling"));
    assert_int_equal(symlink("/nonexistent", path), 0);
    FAILS(bcl_corpus_read(&c, paths, 1, NULL), BCL_ERROR_IO, "dangling: cannot open");
    free(path);
    free(base);
}

static void test_tag_maps(void **state) {
    (void)state;
    bcl_tag_map *m = NULL;
    OK(bcl_tag_map_create(&m));
    OK(bcl_tag_map_add_preset(m, "un-ner"));
    OK(bcl_tag_map_add_rule(m, "X=Y"));
    OK(bcl_tag_map_add_rule(m, "Y=Z=Z"));
    OK(bcl_tag_map_add_rule(m, "0=ZERO")); /* replaces the preset's */
    OK(bcl_tag_map_add_file(m,
                            put("map.txt", "\xEF\xBB\xBF# remark\n\n A = B \r\nC=C\tO\nD\tI-D\n")));
    static const char *const pairs[][2] = {
        {"X", "Y"},   {"Y", "Z=Z"}, {"0", "ZERO"}, {"I-", "O"},    {"A", "B"},    {"C=C", "O"},
        {"D", "I-D"}, {"Q", "Q"},   {"I-OR", "O"}, {"VMISC", "O"}, {"I-PRG", "O"}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        assert_string_equal(bcl_tag_map_find(m, pairs[i][0]), pairs[i][1]);
    assert_string_equal(bcl_tag_map_find(NULL, "A"), "A");
    bcl_corpus_options options = {.map = m};
    bcl_corpus *c = read_with("a\tX\nb\tY\nc\tX\nd\tI-PRG\ne\tO\n", &options);
    assert_int_equal(bcl_corpus_tag_count(c), 3); /* names in order of appearance, mapped */
    assert_string_equal(bcl_corpus_tags(c)[0], "Y");
    assert_string_equal(bcl_corpus_tags(c)[1], "Z=Z");
    assert_int_equal(bcl_corpus_tag_total(c, 2), 2);
    assert_int_equal(bcl_corpus_raw_tag_count(c), 4);
    assert_string_equal(bcl_corpus_raw_tag(c, 0), "X");
    assert_int_equal(bcl_corpus_raw_tag_total(c, 0), 2);
    bcl_corpus_free(c);
    static const char *const bad[] = {"X", "=Y", "X=", "", "="};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        FAILS(bcl_tag_map_add_rule(m, bad[i]), BCL_ERROR_ARGUMENT, "expected FROM=TO");
    FAILS(bcl_tag_map_add_preset(m, "conll"), BCL_ERROR_ARGUMENT, "expected un-ner");
    FAILS(bcl_tag_map_add_file(m, put("m", "A=B\nAB\n")), BCL_ERROR_FORMAT, "m:2: found \"AB\"");
    FAILS(bcl_tag_map_add_file(m, put("m", "A=\n")), BCL_ERROR_FORMAT, "m:1: ");
    FAILS(bcl_tag_map_add_file(m, "/nonexistent"), BCL_ERROR_IO, "/nonexistent");
    bcl_tag_map_free(m);
}

static void test_many_tags(void **state) {
    (void)state;
    bcl_string s = {0};
    for (int i = 0; i < 5000; i++)
        OK(bcl_string_addf(&s, "w\tT%d\n", i * 7 % 3000));
    bcl_corpus *c = read_with(s.data, NULL);
    assert_int_equal(bcl_corpus_tag_count(c), 3000);
    assert_string_equal(bcl_corpus_tag(c, 2999), "T2993");
    bcl_corpus_free(c);
    bcl_string_free(&s);
}

static void test_labels_of_a_model(void **state) {
    (void)state;
    bcl_corpus *c = read_with("a\tO\nb\tI-PER\n\nc\tO\nd\tX\ne\tX\n", NULL);
    const char *names[] = {"I-PER", "B", "O", "X"};
    int32_t ids[3];
    OK(bcl_corpus_label_ids(ids, c, names, 4));
    assert_int_equal(ids[0], 2);
    assert_int_equal(ids[1], 0);
    assert_int_equal(ids[2], 3);
    FAILS(bcl_corpus_label_ids(ids, c, names, 3), BCL_ERROR_FORMAT,
          "in.conll:5: tag \"X\" is not one of the model's labels (I-PER, B, O)");
    bcl_corpus_free(c);
}

static void test_writing_reads_back(void **state) {
    (void)state;
    static const char text[] = "New York\tI-LOC x\n#\tO\n\tO\n\n# O\nb\xC3\xA9\tO\n\nz\tX\n";
    bcl_corpus *c = read_with(text, NULL), *again = NULL;
    char *path = NULL, *first = dump(c), *second;
    OK(bcl_path_join(&path, folder, "out.conll"));
    OK(bcl_corpus_write(path, c, NULL, bcl_corpus_size(c)));
    OK(bcl_corpus_read(&again, (const char *const *)&path, 1, NULL));
    second = dump(again);
    assert_string_equal(first, second);
    free(second);
    bcl_corpus_free(again);
    OK(bcl_corpus_write(path, c, (uint32_t[]){1, 0}, 2));
    OK(bcl_corpus_read(&again, (const char *const *)&path, 1, NULL));
    second = dump(again);
    assert_non_null(strstr(second, " | New York/I-LOC x #/O /O"));
    FAILS(bcl_corpus_write("/nonexistent/o", c, NULL, 1), BCL_ERROR_IO, "/nonexistent/o");
    free(first);
    free(second);
    free(path);
    bcl_corpus_free(again);
    bcl_corpus_free(c);
}

static void test_repeats(void **state) {
    (void)state;
    bcl_corpus *c = read_with("a\tO\nb\tO\n\nab\tO\n\na\tO\nb\tX\n\na\tO\nb\tO\n\nc\tO\n", NULL);
    bcl_repeats r;
    OK(bcl_corpus_duplicates(&r, c, NULL, 5));
    assert_int_equal(r.repeated, 2);
    assert_int_equal(r.conflicting, 1);
    OK(bcl_corpus_duplicates(&r, c, (uint32_t[]){1, 4, 2}, 3));
    assert_int_equal(r.repeated, 0);
    OK(bcl_corpus_overlap(&r, c, (uint32_t[]){0, 1}, 2, c, (uint32_t[]){2, 3, 4}, 3));
    assert_int_equal(r.repeated, 2);
    assert_int_equal(r.conflicting, 1);
    bcl_corpus *other = read_with("c\tX\n\nzz\tX\n", NULL);
    OK(bcl_corpus_overlap(&r, c, NULL, 5, other, NULL, 2));
    assert_int_equal(r.repeated, 1);
    assert_int_equal(r.conflicting, 1);
    bcl_corpus_free(other);
    bcl_corpus_free(c);
}

static void test_un_corpus(void **state) {
    (void)state;
    const char *corpus = test_corpus();
    if (!corpus)
        skip();
    char *paths[2];
    OK(bcl_path_join(&paths[0], corpus, "tagged-training"));
    OK(bcl_path_join(&paths[1], corpus, "tagged-test"));
    bcl_tag_map *m = NULL;
    bcl_corpus *c = NULL;
    OK(bcl_tag_map_create(&m));
    OK(bcl_tag_map_add_preset(m, "un-ner"));
    OK(bcl_corpus_read(&c, (const char *const *)paths, 2, &(bcl_corpus_options){.map = m}));
    assert_int_equal(bcl_corpus_size(c), 5731);
    static const struct {
        const char *tag;
        unsigned raw;
    } expected[] = {{"O", 135914},  {"I-ORG", 3563}, {"I-LOC", 3329}, {"I-MISC", 2649},
                    {"I-PER", 444}, {"0", 7},        {"I-", 2},       {"VMISC", 1},
                    {"I-PRG", 1},   {"I-I-MISC", 1}};
    assert_int_equal(bcl_corpus_raw_tag_count(c), 10);
    for (size_t i = 0; i < 10; i++)
        for (size_t k = 0; k < 10; k++)
            if (!strcmp(bcl_corpus_raw_tag(c, i), expected[k].tag))
                assert_int_equal(bcl_corpus_raw_tag_total(c, i), expected[k].raw);
    assert_int_equal(bcl_corpus_tag_count(c), 5);
    assert_string_equal(bcl_corpus_tag(c, 0), "O");
    assert_int_equal(bcl_corpus_tag_total(c, 0), 135926);
    assert_int_equal(bcl_corpus_odd_total(c, BCL_ODD_TAG), 10); /* 0, I-, VMISC */
    assert_int_equal(bcl_corpus_odd_listed(c), 11);
    assert_int_equal(bcl_corpus_note_count(c), 0); /* they are mapped */
    assert_true(bcl_corpora_are_un_ner((const bcl_corpus *const *)&c, 1));
    bcl_corpus_free(c);
    bcl_tag_map_free(m);
    free(paths[0]);
    free(paths[1]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_separators_and_blank_lines),
        cmocka_unit_test(test_columns),
        cmocka_unit_test(test_comments_and_docstart),
        cmocka_unit_test(test_odd_lines_are_counted),
        cmocka_unit_test(test_errors_name_the_place),
        cmocka_unit_test(test_folders_and_places),
        cmocka_unit_test(test_tag_maps),
        cmocka_unit_test(test_many_tags),
        cmocka_unit_test(test_labels_of_a_model),
        cmocka_unit_test(test_writing_reads_back),
        cmocka_unit_test(test_repeats),
        cmocka_unit_test(test_un_corpus),
    };
    folder = test_folder();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(folder);
    return failed;
}
