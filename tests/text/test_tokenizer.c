/* text/: a small vocabulary through every stage, and the ways in which a folder can be wrong. The
 * exact equality with the peer on all of Unicode is tests/peers/tokenizer.py's. */
#include "support/support.h"

#include <bertcl/tokenizer.h>

#include <pthread.h>

#define SPECIALS "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n"
#define VOCAB    SPECIALS "un\n##aff\n##able\nhello\n,\nworld\nel\nnino\n\xe4\xb8\xad\n##s\na\nA\n"
enum { UN = 5, AFF, ABLE, HELLO, COMMA, WORLD, EL, NINO, ZHONG, PLURAL, LETTER_A, CAPITAL_A };

static const char added[] =
    "{\"added_tokens_decoder\": {\"17\": {\"content\": \"<Ent>\", \"normalized\": false, "
    "\"lstrip\": true, \"rstrip\": true, \"special\": true}, \"18\": {\"content\": \"Hello "
    "World\", \"normalized\": true, \"single_word\": true}}}";

static void put(const char *folder, const char *name, const char *text) {
    char *path = NULL;
    OK(bcl_path_join(&path, folder, name));
    OK(bcl_file_write(path, text, strlen(text)));
    free(path);
}

static char *make(const char *vocab, const char *config) {
    char *folder = test_folder();
    if (vocab)
        put(folder, "vocab.txt", vocab);
    if (config)
        put(folder, "tokenizer_config.json", config);
    return folder;
}

static bcl_tokenizer *load(const char *vocab, const char *config) {
    bcl_tokenizer *t = NULL;
    char *folder = make(vocab, config);
    OK(bcl_tokenizer_load(&t, folder));
    free(folder);
    return t;
}

/* "id@word:start-end ..." without [CLS] and [SEP] */
static void expect(const bcl_encoding *e, const char *expected) {
    bcl_string s = {0};
    OK(bcl_string_add(&s, "", 0));
    assert_true(e->count >= 2);
    assert_int_equal(e->ids[0], 2);
    assert_int_equal(e->ids[e->count - 1], 3);
    assert_int_equal(e->word_ids[0], -1);
    assert_int_equal(e->word_ids[e->count - 1], -1);
    for (size_t i = 1; i + 1 < e->count; i++)
        OK(bcl_string_addf(&s, "%s%d@%d:%u-%u", i > 1 ? " " : "", e->ids[i], e->word_ids[i],
                           e->offsets[2 * i], e->offsets[2 * i + 1]));
    assert_string_equal(s.data, expected);
    bcl_string_free(&s);
}

static void expect_text(const bcl_tokenizer *t, const char *text, const char *expected) {
    bcl_encoding e = {0};
    OK(bcl_tokenizer_encode_text(t, text, strlen(text), 0, &e));
    expect(&e, expected);
    bcl_encoding_free(&e);
}

static void test_text(void **state) {
    (void)state;
    bcl_tokenizer *t = load(VOCAB, NULL);
    assert_int_equal(bcl_tokenizer_size(t), 17);
    assert_int_equal(bcl_tokenizer_id_of(t, "##aff"), AFF);
    assert_int_equal(bcl_tokenizer_id_of(t, "##af"), -1);
    assert_int_equal(bcl_tokenizer_id_of(t, ""), -1);
    assert_string_equal(bcl_tokenizer_piece(t, WORLD), "world");
    assert_null(bcl_tokenizer_piece(t, 17));
    assert_null(bcl_tokenizer_piece(t, -1));
    assert_int_equal(bcl_tokenizer_special_id(t, BCL_SPECIAL_MASK), 4);
    assert_true(bcl_tokenizer_model_max_length(t) == SIZE_MAX);
    expect_text(t, "", "");
    expect_text(t, " \t\r\n\xc2\xa0", "");
    expect_text(t, "Hello, WORLD", "8@0:0-5 9@1:5-6 10@2:7-12");
    expect_text(t, "unaffable unaffably", "5@0:0-2 6@0:2-5 7@0:5-9 1@1:10-19");
    /* El Ni\u00f1o composed and decomposed, a control character inside a word, CJK without spaces
     */
    expect_text(t, "El Ni\xc3\xb1o", "11@0:0-2 12@1:3-7");
    expect_text(t, "El Nin\xcc\x83o", "11@0:0-2 12@1:3-8");
    expect_text(t, "he\001llo", "8@0:0-6");
    /* U+1E000 is a mark that the peer keeps; of the same class as U+0300, it stays behind it */
    expect_text(t, "a,\xcc\x80\xf0\x9e\x80\x80", "15@0:0-1 9@1:1-2 1@2:3-4");
    /* but U+0316's class is lower, so that U+1E000 gets the last place, and U+1E000 before it too
     */
    expect_text(t, "a,\xf0\x9e\x80\x80\xcc\x96", "15@0:0-1 9@1:1-2 1@2:3-4");
    expect_text(t,
                "a\xe4\xb8\xad\xe4\xb8\xad"
                "a",
                "15@0:0-1 13@1:1-2 13@2:2-3 15@3:3-4");
    expect_text(t, "[MASK]hello[ SEP]", "4@0:0-6 8@1:6-11 1@2:11-12 1@3:13-16 1@4:16-17");
    bcl_tokenizer_free(t);
}

static void test_long_words(void **state) {
    (void)state;
    bcl_tokenizer *t = load(SPECIALS "a\n##a\n", NULL);
    bcl_encoding e = {0};
    char text[103];
    memset(text, 'A', sizeof text);
    OK(bcl_tokenizer_encode_text(t, text, 100, 0, &e));
    assert_int_equal(e.count, 102);
    assert_int_equal(e.offsets[2 * 100 + 1], 100);
    OK(bcl_tokenizer_encode_text(t, text, 101, 0, &e));
    expect(&e, "1@0:0-101");
    /* 100 letters and two marks that are stripped */
    memcpy(text + 50, "\xcc\x81", 2);
    OK(bcl_tokenizer_encode_text(t, text, 102, 0, &e));
    assert_int_equal(e.count, 102);
    assert_int_equal(e.offsets[2 * 51], 51);
    bcl_encoding_free(&e);
    bcl_tokenizer_free(t);
}

static void test_words_and_truncation(void **state) {
    (void)state;
    bcl_tokenizer *t = load(VOCAB, "{\"model_max_length\": 512}");
    const char *words[] = {"Hello", "", "unaffable", "[SEP]", "worlds,"};
    bcl_encoding e = {0};
    assert_int_equal(bcl_tokenizer_model_max_length(t), 512);
    OK(bcl_tokenizer_encode_words(t, words, NULL, 5, 0, &e));
    expect(&e, "8@0:0-5 5@2:0-2 6@2:2-5 7@2:5-9 3@3:0-5 10@4:0-5 14@4:5-6 9@4:6-7");
    assert_int_equal(e.words_cut, 0);
    OK(bcl_tokenizer_encode_words(t, words, NULL, 5, 10, &e));
    assert_int_equal(e.count, 10);
    assert_int_equal(e.words_cut, 0);
    OK(bcl_tokenizer_encode_words(t, words, NULL, 5, 5, &e));
    expect(&e, "8@0:0-5 5@2:0-2 6@2:2-5");
    assert_int_equal(e.words_cut, 3); /* of unaffable one piece, [SEP] and worlds wholly */
    OK(bcl_tokenizer_encode_words(t, words, (size_t[]){5, 0, 2, 5, 5}, 5, 2, &e));
    expect(&e, "");
    assert_int_equal(e.words_cut, 4);
    OK(bcl_tokenizer_encode_words(t, NULL, NULL, 0, 0, &e));
    expect(&e, "");
    FAILS(bcl_tokenizer_encode_words(t, words, NULL, 5, 1, &e), BCL_ERROR_ARGUMENT, "max_length 1");
    words[1] = "ab\xe4\xb8";
    FAILS(bcl_tokenizer_encode_words(t, words, NULL, 5, 0, &e), BCL_ERROR_FORMAT, "word 2: byte 2");
    assert_int_equal(e.count, 0);
    static const char *const invalid[] = {
        "\x80", "a\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe0\x80\x80", "a\xcc\x81\xff"};
    for (size_t i = 0; i < sizeof invalid / sizeof *invalid; i++)
        FAILS(bcl_tokenizer_encode_text(t, invalid[i], strlen(invalid[i]), 0, &e), BCL_ERROR_FORMAT,
              "not valid UTF-8");
    bcl_encoding_free(&e);
    bcl_tokenizer_free(t);
    t = load(VOCAB, "{\"truncation_side\": \"left\"}");
    OK(bcl_tokenizer_encode_text(t, "hello a world", 13, 4, &e));
    expect(&e, "15@1:6-7 10@2:8-13");
    assert_int_equal(e.words_cut, 1);
    bcl_encoding_free(&e);
    bcl_tokenizer_free(t);
}

static void test_settings(void **state) {
    (void)state;
    bcl_tokenizer *t = load(VOCAB, "{\"do_lower_case\": false}");
    expect_text(t, "A a hello Hello ni\xc3\xb1o", "16@0:0-1 15@1:2-3 8@2:4-9 1@3:10-15 1@4:16-20");
    bcl_tokenizer_free(t);
    t = load(VOCAB, "{\"do_lower_case\": false, \"strip_accents\": true}");
    expect_text(t, "A \xc3\x81 ni\xc3\xb1o", "16@0:0-1 16@1:2-3 12@2:4-8");
    bcl_tokenizer_free(t);
    t = load(VOCAB, "{\"tokenize_chinese_chars\": false, \"strip_accents\": false}");
    expect_text(t, "a\xe4\xb8\xad NI\xc3\xb1O", "1@0:0-2 1@1:3-7");
    bcl_tokenizer_free(t);
    t = load(VOCAB, added);
    assert_int_equal(bcl_tokenizer_size(t), 19);
    expect_text(t, "a  <Ent> a", "15@0:0-1 17@1:1-9 15@2:9-10");
    expect_text(t, "A HELLO World, hello worlds",
                "15@0:0-1 18@1:2-13 9@2:13-14 8@3:15-20 "
                "10@4:21-26 14@4:26-27");
    bcl_tokenizer_free(t);
}

static void test_tokenizer_json_wins(void **state) {
    (void)state;
    char *folder = make("x\n", "{\"do_lower_case\": true}");
    bcl_tokenizer *t = NULL;
    put(folder, "tokenizer.json",
        "{\"added_tokens\": [{\"id\": 4, \"content\": \"<x>\", \"special\": true}], "
        "\"normalizer\": {\"type\": \"BertNormalizer\", \"lowercase\": false}, \"pre_tokenizer\": "
        "{\"type\": \"BertPreTokenizer\"}, \"model\": {\"type\": \"WordPiece\", \"vocab\": "
        "{\"[UNK]\": 1, \"[CLS]\": 2, \"[SEP]\": 3, \"b\": 0}}}");
    OK(bcl_tokenizer_load(&t, folder));
    /* The peer takes lower case from the configuration, and numbers what is new from 4 on. */
    expect_text(t, "B<x>[PAD]", "0@0:0-1 4@1:1-4 5@2:4-9");
    bcl_tokenizer_free(t);
    free(folder);
}

static void same_encodings(const bcl_tokenizer *a, const bcl_tokenizer *b) {
    static const char *const texts[] = {"A hello World, <Ent> ni\xc3\xb1o",
                                        "\xe4\xb8\xad unaffable[MASK] [PAD]"};
    bcl_encoding x = {0}, y = {0};
    for (size_t i = 0; i < 2; i++) {
        OK(bcl_tokenizer_encode_text(a, texts[i], strlen(texts[i]), 0, &x));
        OK(bcl_tokenizer_encode_text(b, texts[i], strlen(texts[i]), 0, &y));
        assert_int_equal(x.count, y.count);
        assert_memory_equal(x.ids, y.ids, x.count * sizeof *x.ids);
        assert_memory_equal(x.offsets, y.offsets, x.count * 2 * sizeof *x.offsets);
    }
    bcl_encoding_free(&x);
    bcl_encoding_free(&y);
}

static void test_save(void **state) {
    (void)state;
    static const char *const configs[] = {NULL, added,
                                          "{\"do_lower_case\": false, \"strip_accents\": true}"};
    for (size_t i = 0; i < 3; i++) {
        char *folder = test_folder(), *path = NULL, *text = NULL;
        size_t size;
        bcl_tokenizer *a = load(VOCAB, configs[i]), *b = NULL, *c = NULL;
        OK(bcl_tokenizer_save(a, folder));
        OK(bcl_path_join(&path, folder, "vocab.txt"));
        OK(bcl_file_read(&text, &size, path));
        assert_string_equal(text, VOCAB);
        OK(bcl_tokenizer_load(&b, folder));
        same_encodings(a, b);
        /* and from tokenizer.json alone */
        OK(bcl_path_remove(path));
        OK(bcl_tokenizer_load(&c, folder));
        same_encodings(a, c);
        OK(bcl_tokenizer_save(c, folder));
        free(text);
        OK(bcl_file_read(&text, &size, path));
        assert_string_equal(text, VOCAB);
        bcl_tokenizer_free(a);
        bcl_tokenizer_free(b);
        bcl_tokenizer_free(c);
        free(text);
        free(path);
        free(folder);
    }
    bcl_tokenizer *t = load(VOCAB, NULL);
    FAILS(bcl_tokenizer_save(t, "/nowhere/at/all"), BCL_ERROR_IO, "/nowhere/at/all/vocab.txt");
    bcl_tokenizer_free(t);
}

static void refused(const char *vocab, const char *name, const char *text, bcl_status status,
                    const char *part) {
    bcl_tokenizer *t = NULL;
    char *folder = make(vocab, NULL);
    if (name)
        put(folder, name, text);
    FAILS(bcl_tokenizer_load(&t, folder), status, part);
    assert_null(t);
    free(folder);
}

#define JSON(normalizer, splitter, model)                                                          \
    "{\"normalizer\": {\"type\": \"" normalizer "\"}, \"pre_tokenizer\": {\"type\": \"" splitter   \
    "\"}, \"model\": " model "}"
#define BERT(model) JSON("BertNormalizer", "BertPreTokenizer", model)

static void test_refused_folders(void **state) {
    (void)state;
    bcl_tokenizer *t = NULL;
    FAILS(bcl_tokenizer_load(&t, "/nowhere"), BCL_ERROR_IO, "/nowhere: no such folder");
    refused(NULL, NULL, NULL, BCL_ERROR_IO, "neither tokenizer.json nor vocab.txt");
    refused("", NULL, NULL, BCL_ERROR_FORMAT, "vocab.txt: empty");
    refused(SPECIALS "a\nb\na\n", NULL, NULL, BCL_ERROR_FORMAT,
            "token \"a\" occurs twice, with ids 5 and 7");
    refused(SPECIALS "\na\n\n", NULL, NULL, BCL_ERROR_FORMAT, "ids 5 and 7: both are empty");
    refused("[PAD]\n[CLS]\n[SEP]\n", NULL, NULL, BCL_ERROR_FORMAT, "no \"[UNK]\"");
    refused(SPECIALS "ok\nb\xff\n", NULL, NULL, BCL_ERROR_FORMAT, "line 7: byte 1");
    const char *json = "tokenizer.json", *config = "tokenizer_config.json";
    refused(VOCAB, json, "{\"model\": ", BCL_ERROR_FORMAT, "tokenizer.json: byte");
    refused(VOCAB, json, "{\"a\": \"\xff\"}", BCL_ERROR_FORMAT,
            "byte 7: found an invalid sequence");
    refused(VOCAB, json, "[]", BCL_ERROR_FORMAT, "expected a JSON object");
    refused(VOCAB, json, BERT("{\"type\": \"BPE\"}"), BCL_ERROR_UNSUPPORTED, "\"model\" is a BPE");
    refused(VOCAB, json, JSON("NFC", "BertPreTokenizer", "{\"type\": \"WordPiece\"}"),
            BCL_ERROR_UNSUPPORTED, "\"normalizer\" is a NFC");
    refused(VOCAB, json, JSON("BertNormalizer", "Metaspace", "{\"type\": \"WordPiece\"}"),
            BCL_ERROR_UNSUPPORTED, "\"pre_tokenizer\" is a Metaspace");
    refused(VOCAB, json, BERT("{\"type\": \"WordPiece\"}"), BCL_ERROR_FORMAT, "model.vocab");
    refused(VOCAB, json, BERT("{\"vocab\": {}}"), BCL_ERROR_FORMAT, "no tokens");
    refused(VOCAB, json, BERT("{\"vocab\": {\"a\": -1}}"), BCL_ERROR_FORMAT, "token \"a\"");
    refused(VOCAB, json, BERT("{\"vocab\": {\"a\": 1e12}}"), BCL_ERROR_FORMAT, "token \"a\"");
    refused(VOCAB, json, BERT("{\"vocab\": {\"a\": 1, \"b\": 1}}"), BCL_ERROR_FORMAT, "share id 1");
    refused(VOCAB, json, BERT("{\"vocab\": {\"a\": 1, \"a\": 2}}"), BCL_ERROR_FORMAT, "twice");
    refused(VOCAB, json, BERT("{\"continuing_subword_prefix\": \"@@\", \"vocab\": {\"a\": 1}}"),
            BCL_ERROR_UNSUPPORTED, "continuing_subword_prefix");
    refused(VOCAB, config, "{\"do_lower_case\": 3}", BCL_ERROR_FORMAT, "do_lower_case");
    refused(VOCAB, config, "{\"unk_token\": \"<u>\"}", BCL_ERROR_FORMAT, "no \"<u>\"");
    refused(VOCAB, config, "{\"cls_token\": 7}", BCL_ERROR_FORMAT, "cls_token");
    refused(VOCAB, config, "{\"added_tokens_decoder\": {\"x\": {\"content\": \"y\"}}}",
            BCL_ERROR_FORMAT, "ids as keys");
    refused(VOCAB, config, "{\"tokenizer_class\": \"BertJapaneseTokenizer\"}",
            BCL_ERROR_UNSUPPORTED, "BertJapaneseTokenizer");
}

static void *encode_many(void *tokenizer) {
    bcl_encoding e = {0};
    size_t total = 0;
    for (int i = 0; i < 2000; i++) {
        if (bcl_tokenizer_encode_text(tokenizer, "El Ni\xc3\xb1o, unaffable HELLO world", 30, 0,
                                      &e))
            break;
        total += e.count;
    }
    bcl_encoding_free(&e);
    return (void *)(uintptr_t)total;
}

static void test_threads_share_a_tokenizer(void **state) {
    (void)state;
    bcl_tokenizer *t = load(VOCAB, added);
    pthread_t threads[3];
    void *total, *alone = encode_many(t);
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, encode_many, t), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pthread_join(threads[i], &total), 0);
        assert_ptr_equal(total, alone);
    }
    bcl_tokenizer_free(t);
    bcl_tokenizer_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_long_words),
        cmocka_unit_test(test_words_and_truncation),
        cmocka_unit_test(test_settings),
        cmocka_unit_test(test_tokenizer_json_wins),
        cmocka_unit_test(test_save),
        cmocka_unit_test(test_refused_folders),
        cmocka_unit_test(test_threads_share_a_tokenizer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
