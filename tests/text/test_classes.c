/* Which tokenizer a folder asks for: classes named in tokenizer_config.json, in config.json or by
 * the model's type; those of BERT, those made of tokenizer.json, and those that are refused. Random
 * folders against the peer are tests/peers/tokenizer_classes.py's. */
#include "support/support.h"

#include <bertcl/tokenizer.h>

#define PIECES "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nana\nAna\n##s\na\nb\nn\n##n\n##a\n"
enum { UNKNOWN = 1, ANA = 5, CAPITAL_ANA };

#define NORMALIZER(more) "{\"type\": \"BertNormalizer\"" more "}"
#define TEMPLATE                                                                                   \
    "{\"type\": \"TemplateProcessing\", \"single\": [{\"SpecialToken\": {\"id\": \"[CLS]\", "      \
    "\"type_id\": 0}}, {\"Sequence\": {\"id\": \"A\", \"type_id\": 0}}, {\"SpecialToken\": "       \
    "{\"id\": \"[SEP]\", \"type_id\": 0}}], \"special_tokens\": {\"[CLS]\": {\"ids\": [2]}, "      \
    "\"[SEP]\": {\"ids\": [3]}}}"
#define MODEL(more)                                                                                \
    "{\"type\": \"WordPiece\"" more ", \"vocab\": {\"[PAD]\": 0, \"[UNK]\": 1, \"[CLS]\": 2, "     \
    "\"[SEP]\": 3, \"[MASK]\": 4, \"ana\": 5, \"Ana\": 6, \"##s\": 7, \"a\": 8}}"
#define JSON(normalizer, processor, model)                                                         \
    "{\"normalizer\": " normalizer ", \"pre_tokenizer\": {\"type\": \"BertPreTokenizer\"}, "       \
    "\"post_processor\": " processor ", \"model\": " model "}"
#define CASED JSON(NORMALIZER(", \"lowercase\": false"), TEMPLATE, MODEL(""))
#define FAST  "{\"tokenizer_class\": \"PreTrainedTokenizerFast\"}"

static void put(const char *folder, const char *name, const char *text) {
    char *path = NULL;
    if (!text)
        return;
    OK(bcl_path_join(&path, folder, name));
    OK(bcl_file_write(path, text, strlen(text)));
    free(path);
}

typedef struct folder {
    const char *vocab, *json, *tokenizer_config, *config;
} folder;

static bcl_status load(bcl_tokenizer **t, const folder *f) {
    char *path = test_folder();
    *t = NULL;
    put(path, "vocab.txt", f->vocab);
    put(path, "tokenizer.json", f->json);
    put(path, "tokenizer_config.json", f->tokenizer_config);
    put(path, "config.json", f->config);
    const bcl_status status = bcl_tokenizer_load(t, path);
    free(path);
    return status;
}

static void expect_ids(const bcl_tokenizer *t, const char *text, const int *ids, size_t count) {
    bcl_encoding e = {0};
    OK(bcl_tokenizer_encode_text(t, text, strlen(text), 0, &e));
    assert_int_equal(e.count, count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(e.ids[i], ids[i]);
    bcl_encoding_free(&e);
}
#define IDS(t, text, ...)                                                                          \
    expect_ids(t, text, (const int[]){__VA_ARGS__},                                                \
               sizeof((const int[]){__VA_ARGS__}) / sizeof(int))

static void test_own_classes(void **state) {
    (void)state;
    static const char *const names[] = {"BertTokenizer", "BertTokenizerFast",
                                        "ElectraTokenizerFast", "DistilBertTokenizer"};
    bcl_tokenizer *t;
    for (size_t i = 0; i < 2 * sizeof names / sizeof *names; i++) {
        char config[200];
        snprintf(config, sizeof config, "{\"tokenizer_class\": \"%s\"}", names[i / 2]);
        /* the class decides, wherever it is named: lower case comes from the configuration */
        const folder f = {PIECES, CASED, i % 2 ? config : NULL, i % 2 ? NULL : config};
        OK(load(&t, &f));
        IDS(t, "Ana", 2, ANA, 3);
        bcl_tokenizer_free(t);
    }
    OK(load(&t, &(folder){PIECES, NULL, NULL, "{\"model_type\": \"electra\"}"}));
    bcl_tokenizer_free(t);
    OK(load(&t, &(folder){PIECES, NULL, "{\"tokenizer_class\": \"BertTokenizer\"}",
                          "{\"model_type\": \"big_bird\"}"})); /* the class goes before the type */
    bcl_tokenizer_free(t);
}

/* Code of the author's for anything else than the tokenizer does not matter to it. */
static void test_other_code(void **state) {
    (void)state;
    static const folder folders[] = {
        {PIECES, NULL, "{\"auto_map\": {\"AutoProcessor\": \"own.Own\"}}", NULL},
        {PIECES, NULL, "{\"auto_map\": {\"AutoTokenizer\": [null, null]}}", NULL},
        {PIECES, NULL, "{\"auto_map\": null}", "{\"auto_map\": {\"AutoModel\": \"own.Own\"}}"}};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        bcl_tokenizer *t;
        OK(load(&t, &folders[i]));
        IDS(t, "Ana", 2, ANA, 3);
        bcl_tokenizer_free(t);
    }
}

static void test_generic_classes(void **state) {
    (void)state;
    static const folder folders[] = {
        {NULL, CASED, FAST, NULL},
        {PIECES, CASED, NULL, FAST},
        {NULL, CASED, "{\"tokenizer_class\": \"TokenizersBackend\", \"do_lower_case\": true}",
         NULL},
        {NULL, CASED, "{\"tokenizer_class\": \"OurOwnTokenizerFast\"}", NULL},
    };
    bcl_tokenizer *t, *again = NULL;
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        OK(load(&t, &folders[i]));
        IDS(t, "Ana", 2, CAPITAL_ANA, 3);
        IDS(t, "[MASK]", 2, 1, 1, 1, 3); /* no added tokens in this tokenizer.json */
        assert_int_equal(bcl_tokenizer_special_id(t, BCL_SPECIAL_MASK), -1);
        char *saved = test_folder();
        OK(bcl_tokenizer_save(t, saved));
        OK(bcl_tokenizer_load(&again, saved));
        IDS(again, "Ana [MASK]", 2, CAPITAL_ANA, 1, 1, 1, 3);
        bcl_tokenizer_free(again);
        bcl_tokenizer_free(t);
        free(saved);
    }
    OK(load(&t,
            &(folder){NULL,
                      JSON(NORMALIZER(", \"strip_accents\": false"),
                           "{\"type\": \"BertProcessing\", \"sep\": [\"b\", 7], \"cls\": [\"a\", "
                           "8]}",
                           MODEL(", \"max_input_chars_per_word\": 3")),
                      FAST, NULL}));
    IDS(t, "ana anas \xc3\xa1na", 8, ANA, 1, 1, 7);
    bcl_tokenizer_free(t);
    OK(load(&t, &(folder){NULL,
                          JSON(NORMALIZER(""), TEMPLATE,
                               MODEL(", \"unk_token\": \"a\", \"max_input_chars_per_word\": 500")),
                          FAST, NULL}));
    IDS(t, "q ana", 2, 8, ANA, 3);
    bcl_tokenizer_free(t);
}

static void test_refused(void **state) {
    (void)state;
    static const char *const names[] = {"BertJapaneseTokenizer", "KoBertTokenizer",
                                        "BigBirdTokenizer",      "BigBirdTokenizerFast",
                                        "RobertaTokenizer",      "RobertaTokenizerFast",
                                        "AlbertTokenizer",       "XLMRobertaTokenizerFast",
                                        "CamembertTokenizer",    "DebertaV2TokenizerFast",
                                        "T5Tokenizer",           "HerbertTokenizerFast"};
    static const struct {
        folder folder;
        const char *part;
    } cases[] = {
        {{PIECES, NULL, "{\"tokenizer_class\": \"OurOwnTokenizer\"}", NULL},
         "found OurOwnTokenizer"},
        {{PIECES, NULL, FAST, NULL}, "made of a tokenizer.json, but there is none"},
        {{PIECES, CASED, "{\"auto_map\": {\"AutoTokenizer\": [null, \"own.OwnFast\"]}}", NULL},
         "tokenizer_config.json: \"auto_map\": found AutoTokenizer own.OwnFast"},
        {{PIECES, CASED,
          "{\"tokenizer_class\": \"BertTokenizer\", \"auto_map\": [\"own.Own\", null]}", NULL},
         "AutoTokenizer own.Own: words are split by Python code"},
        {{PIECES, CASED, "{\"auto_map\": {\"AutoTokenizer\": \"own.Own\"}}", NULL}, "own.Own"},
        {{PIECES, NULL, NULL, "{\"auto_map\": {\"AutoTokenizer\": [\"own.Own\", null]}}"},
         "config.json: \"auto_map\""},
        {{PIECES, NULL, NULL, "{\"model_type\": \"big_bird\"}"}, "config.json: \"model_type\""},
        {{PIECES, NULL, "{}", "{\"model_type\": \"roberta\"}"}, "found roberta"},
        {{PIECES, NULL, "{\"word_tokenizer_type\": \"mecab\"}", NULL}, "found mecab"},
        {{PIECES, NULL, "{\"subword_tokenizer_type\": \"character\"}", NULL}, "found character"},
        {{NULL, JSON(NORMALIZER(", \"clean_text\": false"), TEMPLATE, MODEL("")), FAST, NULL},
         "clean_text"},
        {{NULL, JSON("{\"type\": \"Sequence\"}", TEMPLATE, MODEL("")), FAST, NULL},
         "is a Sequence"},
        {{NULL, JSON("null", TEMPLATE, MODEL("")), FAST, NULL}, "\"normalizer\": expected"},
        {{NULL, JSON(NORMALIZER(""), "null", MODEL("")), FAST, NULL}, "post_processor"},
        {{NULL, JSON(NORMALIZER(""), "{\"type\": \"RobertaProcessing\"}", MODEL("")), FAST, NULL},
         "post_processor"},
        {{NULL, JSON(NORMALIZER(""), "{\"type\": \"BertProcessing\", \"sep\": 3}", MODEL("")), FAST,
          NULL},
         "post_processor"},
        {{"[UNK]\n\xe2\x96\x81the\n\xe2\x96\x81"
          "a\nb\n",
          NULL, NULL, NULL},
         "sentencepiece's"},
        {{"[UNK]\n\xc4\xa0the\n\xc4\xa0"
          "a\nb\n",
          NULL, NULL, NULL},
         "byte-level BPE's"},
    };
    bcl_tokenizer *t;
    for (size_t i = 0; i < 2 * sizeof names / sizeof *names; i++) {
        char config[200];
        snprintf(config, sizeof config, "{\"tokenizer_class\": \"%s\"}", names[i / 2]);
        const folder f = {PIECES, CASED, i % 2 ? config : NULL, i % 2 ? NULL : config};
        FAILS(load(&t, &f), BCL_ERROR_UNSUPPORTED, names[i / 2]);
    }
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        FAILS(load(&t, &cases[i].folder), BCL_ERROR_UNSUPPORTED, cases[i].part);
    FAILS(load(&t, &(folder){PIECES, NULL, NULL, "{\"model_type\": "}), BCL_ERROR_FORMAT,
          "config.json: byte");
    FAILS(load(&t, &(folder){NULL,
                             JSON(NORMALIZER(""), TEMPLATE,
                                  MODEL(", \"max_input_chars_per_word\": 1000000")),
                             FAST, NULL}),
          BCL_ERROR_FORMAT, "max_input_chars_per_word");
}

static void expect_warning(const char *pieces, bool lower, const char *part) {
    bcl_tokenizer *t;
    const folder f = {pieces, NULL, lower ? "{}" : "{\"do_lower_case\": false}", NULL};
    OK(load(&t, &f));
    const char *warning = bcl_tokenizer_warning(t);
    if (part) {
        assert_non_null(warning);
        assert_non_null(strstr(warning, part));
    } else if (warning) {
        fail_msg("%s", warning);
    }
    bcl_tokenizer_free(t);
}

static void test_case(void **state) {
    (void)state;
    static const char cased[] = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nthe\nBonn\nRome\n##A\na\n";
    bcl_string uncased = {0};
    expect_warning(cased, true, "is cased (3 of 5 pieces have capitals)");
    expect_warning(cased, false, NULL);
    expect_warning(PIECES, true, NULL); /* one alone may be an oversight */
    expect_warning("[UNK]\n\xc3\x84rger\n\xd0\x9c\xd0\xb8\xd1\x80\n\xce\x91\n[unused1]\n", true,
                   "is cased");
    OK(bcl_string_addf(&uncased, "[UNK]\n[CLS]\n[SEP]\n"));
    for (int i = 0; i < 1000; i++)
        OK(bcl_string_addf(&uncased, "word%d\n", i));
    expect_warning(uncased.data, false, "has no capitals");
    expect_warning(uncased.data, true, NULL);
    OK(bcl_string_addf(&uncased, "A\n"));
    expect_warning(uncased.data, false, NULL);
    bcl_string_free(&uncased);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_own_classes),
                                       cmocka_unit_test(test_generic_classes),
                                       cmocka_unit_test(test_other_code),
                                       cmocka_unit_test(test_refused), cmocka_unit_test(test_case)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
