/* config.json: transformers' defaults, everything that is refused, writing back. */
#include "support/support.h"

#include "model/files.h"

#include <cjson/cJSON.h>

static char *folder;

static bcl_status read_text(bcl_config *c, const char *text, size_t size) {
    char *path = NULL;
    OK(bcl_path_join(&path, folder, "config.json"));
    OK(bcl_file_write(path, text, size));
    free(path);
    return bcl_config_read(c, folder);
}

static bcl_status read_config(bcl_config *c, const char *text) {
    return read_text(c, text, strlen(text));
}

static void test_defaults(void **state) {
    (void)state;
    bcl_config c;
    OK(read_config(&c, "{\"model_type\": \"bert\"}"));
    assert_int_equal(c.hidden, 768);
    assert_int_equal(c.heads, 12);
    assert_int_equal(c.head_size, 64);
    assert_int_equal(c.layers, 12);
    assert_int_equal(c.intermediate, 3072);
    assert_int_equal(c.vocabulary, 30522);
    assert_int_equal(c.positions, 512);
    assert_int_equal(c.types, 2);
    assert_int_equal(c.labels, 2);
    assert_string_equal(c.label_names[1], "LABEL_1");
    assert_true(c.layer_norm_eps == 1e-12 && c.initializer_range == 0.02);
    assert_true(c.hidden_dropout == 0.1 && c.attention_dropout == 0.1);
    assert_true(c.classifier_dropout == 0.1);
    assert_int_equal(c.activation, BCL_GELU);
    assert_int_equal(c.pad_token_id, 0);
    bcl_config_free(&c);
    bcl_config_free(&c);
    OK(bcl_config_default(&c));
    assert_int_equal(c.hidden, 768);
    bcl_config_free(&c);
}

static void test_values(void **state) {
    (void)state;
    bcl_config c;
    OK(read_config(
        &c, "{\"architectures\":[\"BertModel\"],\"hidden_size\":6,\"num_attention_heads\":3,"
            "\"hidden_act\":\"gelu_new\",\"pad_token_id\":null,\"hidden_dropout_prob\":0.25,"
            "\"attention_probs_dropout_prob\":0,\"classifier_dropout\":null,"
            "\"id2label\":{\"2\":\"I-\\u00e9\",\"0\":\"O\",\"1\":\"B\"},"
            "\"label2id\":{\"B\":1,\"LABEL_0\":0},\"num_labels\":7,\"torch_dtype\":\"float16\","
            "\"auto_map\":{\"AutoProcessor\":\"own.Own\",\"AutoModel\":null}}"));
    assert_int_equal(c.head_size, 2);
    assert_int_equal(c.activation, BCL_GELU_TANH);
    assert_int_equal(c.pad_token_id, -1);
    assert_true(c.classifier_dropout == 0.25 && c.attention_dropout == 0);
    assert_int_equal(c.labels, 3);
    assert_string_equal(c.label_names[2], "I-\xc3\xa9");
    bcl_config_free(&c);
    OK(read_config(&c, "{\"model_type\":\"bert\",\"num_labels\":5,\"label2id\":{\"x\":0},"
                       "\"classifier_dropout\":0.5,\"id2label\":null}"));
    assert_int_equal(c.labels, 5);
    assert_string_equal(c.label_names[4], "LABEL_4");
    assert_true(c.classifier_dropout == 0.5 && c.hidden_dropout == 0.1);
    bcl_config_free(&c);
}

static void test_refused(void **state) {
    (void)state;
    static const struct {
        bcl_status code;
        const char *keys, *part;
    } bad[] = {
        {BCL_ERROR_UNSUPPORTED, "\"position_embedding_type\":\"relative_key\"", "relative_key"},
        {BCL_ERROR_UNSUPPORTED, "\"is_decoder\":true", "is_decoder"},
        {BCL_ERROR_UNSUPPORTED, "\"add_cross_attention\":true", "add_cross_attention"},
        {BCL_ERROR_UNSUPPORTED, "\"is_encoder_decoder\":true", "is_encoder_decoder"},
        {BCL_ERROR_UNSUPPORTED, "\"hidden_act\":\"relu\"", "\"relu\", expected gelu"},
        {BCL_ERROR_UNSUPPORTED, "\"hidden_act\":\"silu\"", "\"silu\", expected gelu"},
        {BCL_ERROR_UNSUPPORTED, "\"pruned_heads\":{\"0\":[1]}", "pruned_heads"},
        {BCL_ERROR_UNSUPPORTED, "\"quantization_config\":{}", "quantization_config"},
        {BCL_ERROR_UNSUPPORTED, "\"auto_map\":{\"AutoModel\":\"own.Own\"}",
         "\"auto_map\": found AutoModel own.Own: the model is computed by Python code"},
        {BCL_ERROR_UNSUPPORTED, "\"auto_map\":{\"AutoConfig\":\"o--own.Own\"}", "AutoConfig"},
        {BCL_ERROR_UNSUPPORTED,
         "\"auto_map\":{\"AutoProcessor\":\"x\",\"AutoModelForTokenClassification\":\"own.Own\"}",
         "AutoModelForTokenClassification"},
        {BCL_ERROR_FORMAT, "\"auto_map\":\"own.Own\"", "auto_map"},
        {BCL_ERROR_UNSUPPORTED, "\"vocab_size\":16777216", "2^31 - 1"},
        {BCL_ERROR_FORMAT, "\"hidden_act\":3", "hidden_act"},
        {BCL_ERROR_FORMAT, "\"is_decoder\":\"no\"", "is_decoder"},
        {BCL_ERROR_FORMAT, "\"hidden_size\":770", "multiple of \"num_attention_heads\" 12"},
        {BCL_ERROR_FORMAT, "\"hidden_size\":0", "hidden_size"},
        {BCL_ERROR_FORMAT, "\"hidden_size\":-12", "hidden_size"},
        {BCL_ERROR_FORMAT, "\"hidden_size\":768.5", "hidden_size"},
        {BCL_ERROR_FORMAT, "\"hidden_size\":\"768\"", "hidden_size"},
        {BCL_ERROR_FORMAT, "\"hidden_size\":null", "found null"},
        {BCL_ERROR_FORMAT, "\"hidden_size\":1e300", "hidden_size"},
        {BCL_ERROR_FORMAT, "\"num_attention_heads\":0", "num_attention_heads"},
        {BCL_ERROR_FORMAT, "\"num_hidden_layers\":0", "num_hidden_layers"},
        {BCL_ERROR_FORMAT, "\"num_hidden_layers\":100000", "num_hidden_layers"},
        {BCL_ERROR_FORMAT, "\"intermediate_size\":[]", "intermediate_size"},
        {BCL_ERROR_FORMAT, "\"vocab_size\":0", "vocab_size"},
        {BCL_ERROR_FORMAT, "\"max_position_embeddings\":-1", "max_position_embeddings"},
        {BCL_ERROR_FORMAT, "\"type_vocab_size\":true", "type_vocab_size"},
        {BCL_ERROR_FORMAT, "\"pad_token_id\":30522", "pad_token_id"},
        {BCL_ERROR_FORMAT, "\"pad_token_id\":-1", "pad_token_id"},
        {BCL_ERROR_FORMAT, "\"layer_norm_eps\":-1e-12", "layer_norm_eps"},
        {BCL_ERROR_FORMAT, "\"hidden_dropout_prob\":1.5", "hidden_dropout_prob"},
        {BCL_ERROR_FORMAT, "\"attention_probs_dropout_prob\":-0.1", "attention_probs"},
        {BCL_ERROR_FORMAT, "\"classifier_dropout\":\"x\"", "classifier_dropout"},
        {BCL_ERROR_FORMAT, "\"hidden_size\":768,\"hidden_size\":768", "\"hidden_size\" twice"},
        {BCL_ERROR_FORMAT, "\"id2label\":[]", "id2label"},
        {BCL_ERROR_FORMAT, "\"id2label\":{}", "found 0 labels"},
        {BCL_ERROR_FORMAT, "\"id2label\":{\"0\":\"a\",\"2\":\"b\"}", "key \"2\""},
        {BCL_ERROR_FORMAT, "\"id2label\":{\"0\":\"a\",\"0\":\"b\"}", "key \"0\" twice"},
        {BCL_ERROR_FORMAT, "\"id2label\":{\"0\":\"a\",\"01\":\"b\"}", "key \"01\""},
        {BCL_ERROR_FORMAT, "\"id2label\":{\"0\":\"a\",\"-1\":\"b\"}", "key \"-1\""},
        {BCL_ERROR_FORMAT, "\"id2label\":{\"0\":\"a\",\"\":\"b\"}", "key \"\""},
        {BCL_ERROR_FORMAT, "\"id2label\":{\"0\":\"a\",\"99999999999999999999\":\"b\"}", "key \"9"},
        {BCL_ERROR_FORMAT, "\"id2label\":{\"0\":0}", "expected a string"},
        {BCL_ERROR_FORMAT, "\"id2label\":{\"0\":\"a\",\"1\":\"a\"}", "label \"a\" twice"},
        {BCL_ERROR_FORMAT, "\"id2label\":{\"0\":\"a\",\"1\":\"b\"},\"label2id\":{\"a\":1}",
         "found 1 for \"a\", expected 0"},
        {BCL_ERROR_FORMAT, "\"id2label\":{\"0\":\"a\"},\"label2id\":{\"a\":\"0\"}", "label2id"},
        {BCL_ERROR_FORMAT, "\"id2label\":{\"0\":\"a\"},\"label2id\":[]", "label2id"},
        {BCL_ERROR_FORMAT, "\"num_labels\":0", "num_labels"},
        {BCL_ERROR_FORMAT, "\"num_labels\":1000000000", "num_labels"},
    };
    bcl_config c;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char *text = NULL;
        OK(bcl_format(&text, "{\"model_type\":\"bert\",%s}", bad[i].keys));
        FAILS(read_config(&c, text), bad[i].code, bad[i].part);
        FAILS(read_config(&c, text), bad[i].code, "config.json: ");
        free(text);
    }
    FAILS(read_config(&c, "{\"model_type\":\"roberta\"}"), BCL_ERROR_UNSUPPORTED, "\"roberta\"");
    FAILS(read_config(&c, "{\"model_type\":\"distilbert\",\"architectures\":[\"BertModel\"]}"),
          BCL_ERROR_UNSUPPORTED, "\"distilbert\"");
    FAILS(read_config(&c, "{\"model_type\":4}"), BCL_ERROR_FORMAT, "model_type");
    FAILS(read_config(&c, "{}"), BCL_ERROR_UNSUPPORTED, "no \"model_type\"");
    FAILS(read_config(&c, "{\"architectures\":[\"RobertaModel\"]}"), BCL_ERROR_UNSUPPORTED,
          "no \"model_type\"");
    FAILS(read_config(&c, "[]"), BCL_ERROR_FORMAT, "expected a JSON object");
    FAILS(read_config(&c, ""), BCL_ERROR_FORMAT, "not valid JSON");
    FAILS(read_config(&c, "{\"model_type\":\"bert\""), BCL_ERROR_FORMAT, "not valid JSON");
    FAILS(read_config(&c, "{\"model_type\":\"bert\"}x"), BCL_ERROR_FORMAT, "not valid JSON");
    FAILS(read_text(&c, "{\"model_type\":\"bert\"}\0x", 23), BCL_ERROR_FORMAT, "NUL");
    FAILS(read_config(&c, "{\"model_type\":\"bert\",\"id2label\":{\"0\":\"\xff\"}}"),
          BCL_ERROR_FORMAT, "byte 38: not valid UTF-8");
    FAILS(bcl_config_read(&c, "/no/such"), BCL_ERROR_IO, "/no/such/config.json");
    assert_null(c.label_names);
}

static void test_labels(void **state) {
    (void)state;
    static const char *const names[] = {"O", "B-PER", "I-PER"}, *const twice[] = {"O", "x", "O"};
    bcl_config c;
    OK(bcl_config_default(&c));
    OK(bcl_config_set_labels(&c, names, 3));
    assert_int_equal(c.labels, 3);
    FAILS(bcl_config_set_labels(&c, twice, 3), BCL_ERROR_ARGUMENT, "\"O\" twice");
    FAILS(bcl_config_set_labels(&c, twice, 0), BCL_ERROR_ARGUMENT, "0 labels");
    /* Its own names may be given back. */
    OK(bcl_config_set_labels(&c, (const char *const *)c.label_names, 2));
    assert_int_equal(c.labels, 2);
    assert_string_equal(c.label_names[1], "B-PER");
    bcl_config_free(&c);
}

static void check_same(const bcl_config *a, const bcl_config *b) {
    assert_int_equal(a->hidden, b->hidden);
    assert_int_equal(a->heads, b->heads);
    assert_int_equal(a->head_size, b->head_size);
    assert_int_equal(a->layers, b->layers);
    assert_int_equal(a->intermediate, b->intermediate);
    assert_int_equal(a->vocabulary, b->vocabulary);
    assert_int_equal(a->positions, b->positions);
    assert_int_equal(a->types, b->types);
    assert_int_equal(a->labels, b->labels);
    assert_true(a->layer_norm_eps == b->layer_norm_eps);
    assert_true(a->hidden_dropout == b->hidden_dropout);
    assert_true(a->attention_dropout == b->attention_dropout);
    assert_true(a->classifier_dropout == b->classifier_dropout);
    assert_true(a->initializer_range == b->initializer_range);
    assert_int_equal(a->activation, b->activation);
    assert_int_equal(a->pad_token_id, b->pad_token_id);
    for (int i = 0; i < a->labels; i++)
        assert_string_equal(a->label_names[i], b->label_names[i]);
}

static cJSON *written(void) {
    char *path = NULL;
    cJSON *json = NULL;
    OK(bcl_path_join(&path, folder, "config.json"));
    OK(bcl_json_read(&json, path));
    free(path);
    return json;
}

static void test_write(void **state) {
    (void)state;
    static const char *const sources[] = {
        "{\"model_type\":\"bert\"}",
        "{\"architectures\":[\"BertModel\"],\"hidden_size\":8,\"num_attention_heads\":2,"
        "\"hidden_act\":\"gelu_fast\",\"pad_token_id\":null,\"classifier_dropout\":0.3,"
        "\"torch_dtype\":\"float16\",\"num_labels\":4,\"new\":{\"x\":[1,null]},"
        "\"layer_norm_eps\":4.6938119283529394e-07}",
        "{\"model_type\":\"bert\",\"id2label\":{\"0\":\"O\",\"1\":\"B-\\u00e9\\\"\"},"
        "\"hidden_dropout_prob\":0.3333333333333333}",
    };
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++) {
        bcl_config a, b;
        OK(read_config(&a, sources[i]));
        OK(bcl_config_write(&a, folder));
        OK(bcl_config_read(&b, folder));
        check_same(&a, &b);
        cJSON *json = written();
        assert_string_equal(
            cJSON_GetArrayItem(cJSON_GetObjectItem(json, "architectures"), 0)->valuestring,
            "BertForTokenClassification");
        assert_string_equal(cJSON_GetObjectItem(json, "dtype")->valuestring, "float32");
        assert_string_equal(cJSON_GetObjectItem(json, "model_type")->valuestring, "bert");
        assert_null(cJSON_GetObjectItem(json, "torch_dtype"));
        assert_null(cJSON_GetObjectItem(json, "num_labels"));
        assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(json, "label2id")), a.labels);
        if (i == 1) {
            assert_non_null(cJSON_GetObjectItem(cJSON_GetObjectItem(json, "new"), "x"));
            assert_string_equal(cJSON_GetObjectItem(json, "hidden_act")->valuestring, "gelu_fast");
        } else
            assert_true(cJSON_IsNull(cJSON_GetObjectItem(json, "classifier_dropout")));
        cJSON_Delete(json);
        bcl_config_free(&a);
        bcl_config_free(&b);
    }
}

static void test_mutations(void **state) {
    (void)state;
    static const char seed[] =
        "{\"model_type\":\"bert\",\"hidden_size\":12,\"num_attention_heads\":3,\"hidden_act\":"
        "\"gelu\",\"id2label\":{\"0\":\"O\",\"1\":\"B\",\"2\":\"I\"},\"label2id\":{\"O\":0,\"B\":1}"
        ","
        "\"classifier_dropout\":null,\"layer_norm_eps\":1e-12,\"architectures\":[\"BertModel\"]}";
    static const char alphabet[] = "{}[]\",:\\0123456789-.eEu tnf\x80";
    size_t read = 0, refused = 0;
    uint64_t x = 7;
    for (int round = 0; round < 20000; round++) {
        char text[sizeof seed];
        memcpy(text, seed, sizeof seed);
        x = bcl_mix64(x + 1);
        for (unsigned k = 0, n = 1 + (unsigned)(x >> 60) % 3; k < n; k++) {
            x = bcl_mix64(x + 1);
            text[(x >> 32) % (sizeof seed - 1)] = alphabet[(x >> 8) % (sizeof alphabet - 1)];
        }
        cJSON *json = cJSON_Parse(text);
        bcl_config c;
        if (json && !bcl_config_from_json(&c, json, "m")) {
            assert_true(c.labels > 0 && c.heads > 0 && c.hidden == c.heads * c.head_size);
            for (int i = 0; i < c.labels; i++)
                assert_non_null(c.label_names[i]);
            bcl_config_free(&c);
            read++;
        } else
            refused++;
        cJSON_Delete(json);
    }
    print_message("%zu mutants read, %zu were refused\n", read, refused);
    assert_true(read > 500 && refused > 5000);
}

/* A classifier of texts has the tensors of one of tokens. */
static void test_other_heads(void **state) {
    (void)state;
    static const struct {
        const char *name;
        bool other;
    } cases[] = {{"BertForTokenClassification", false},
                 {"BertForMaskedLM", false}, /* has no classifier: a tensor is missing */
                 {"BertModel", false},
                 {"OurBertForNer", false},
                 {"BertForSequenceClassification", true},
                 {"BertForMultipleChoice", true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[200];
        bcl_config c;
        snprintf(text, sizeof text, "{\"model_type\": \"bert\", \"architectures\": [\"%s\"]}",
                 cases[i].name);
        OK(read_config(&c, text));
        if (cases[i].other)
            FAILS(bcl_config_check_head(&c, "m"), BCL_ERROR_UNSUPPORTED, cases[i].name);
        else
            OK(bcl_config_check_head(&c, "m"));
        bcl_config_free(&c);
    }
    bcl_config c;
    OK(read_config(&c, "{\"model_type\": \"bert\", \"architectures\": {\"a\": 1}}"));
    OK(bcl_config_check_head(&c, "m"));
    bcl_config_free(&c);
}

int main(void) {
    folder = test_folder();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_other_heads), cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_values),      cmocka_unit_test(test_refused),
        cmocka_unit_test(test_labels),      cmocka_unit_test(test_write),
        cmocka_unit_test(test_mutations),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(folder);
    return failed;
}
