/* Weights and results that are not finite: an error everywhere that names the tensor or the layer.
 */
#include "support/support.h"
#include "support/tiny_model.h"

#include "data/dataset.h"
#include "eval/evaluate.h"
#include "session/session.h"

#include <bertcl/tagger.h>
#include <bertcl/train.h>
#include <math.h>

static char *good;

/* A copy of the model in which every value (at < 0) or one of a tensor is another. */
static char *with(const char *tensor, int64_t at, float value) {
    char *folder = test_folder(), *path = NULL, *data = NULL;
    size_t size;
    bcl_safetensors *st = NULL;
    OK(tiny_model_write(folder, &TINY));
    OK(bcl_path_join(&path, folder, "model.safetensors"));
    OK(bcl_file_read(&data, &size, path));
    OK(bcl_safetensors_open_memory(&st, data, size, path));
    const bcl_tensor *t = bcl_safetensors_find(st, tensor);
    assert_non_null(t);
    const size_t count = bcl_tensor_elements(t);
    char *values = data + ((const char *)t->data - data);
    for (size_t i = 0; i < count; i++)
        if (at < 0 || (size_t)at == i)
            memcpy(values + i * sizeof value, &value, sizeof value);
    bcl_safetensors_close(st);
    OK(bcl_file_write(path, data, size));
    free(data);
    free(path);
    return folder;
}

static bcl_session_options options_of(const char *folder) {
    return (bcl_session_options){.model = folder, .device = getenv("BERTCL_DEVICE")};
}

static void test_weights(void **state) {
    static const struct {
        const char *tensor;
        int64_t at;
        float value;
        const char *message;
    } cases[] = {
        {"bert.embeddings.word_embeddings.weight", 32 * 70 + 3, NAN, "found nan at [70, 3]"},
        {"bert.embeddings.LayerNorm.bias", 31, INFINITY, "found inf at [31]"},
        {"bert.encoder.layer.1.attention.self.key.weight", 33, -INFINITY, "found -inf at [1, 1]"},
        {"bert.encoder.layer.0.output.dense.weight", 0, NAN, "found nan at [0, 0]"},
        {"classifier.weight", 5 * 32 - 1, NAN, "found nan at [4, 31]"},
        {"classifier.bias", 0, NAN, "found nan at [0]"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *folder = with(cases[i].tensor, cases[i].at, cases[i].value);
        const bcl_session_options o = options_of(folder);
        bcl_session *s = NULL;
        FAILS(bcl_session_open(&s, &o), BCL_ERROR_FORMAT, cases[i].tensor);
        assert_non_null(strstr(bcl_message(), cases[i].message));
        free(folder);
    }
}

static const struct {
    const char *tensor, *place;
} overflows[] = {
    {"bert.embeddings.LayerNorm.weight", "the embeddings' output"},
    {"bert.encoder.layer.0.output.dense.weight", "the output of encoder layer 1 of 2"},
    {"bert.encoder.layer.1.intermediate.dense.weight", "the output of encoder layer 2 of 2"},
    {"classifier.weight", "the classifier's logits"},
};
enum { OVERFLOWS = sizeof overflows / sizeof *overflows };
static const float HUGE_WEIGHT = 3e38f; /* finite */

static bcl_status ignore(void *context, const bcl_tagged *result) {
    (void)context;
    (void)result;
    return BCL_OK;
}

static void test_tagging(void **state) {
    (void)state;
    for (int i = 0; i < OVERFLOWS; i++) {
        char *folder = with(overflows[i].tensor, -1, HUGE_WEIGHT);
        bcl_tagger *t = NULL;
        const bcl_tagger_options o = {.device = getenv("BERTCL_DEVICE"), .sink = ignore};
        OK(bcl_tagger_open(&t, folder, &o));
        OK(bcl_tagger_add_text(t, "ab cd", 5, NULL));
        FAILS(bcl_tagger_flush(t), BCL_ERROR_DEVICE, overflows[i].place);
        assert_non_null(strstr(bcl_message(), "text 1: the scores are not finite"));
        bcl_tagger_free(t);
        free(folder);
    }
}

/* A sentence "[CLS] a b c [SEP]" of which `labelled` pieces count. */
static void make_dataset(bcl_dataset *data, bcl_sample *sample, int32_t *storage, int labelled) {
    for (int i = 0; i < 5; i++) {
        storage[i] = 5 + i;
        storage[5 + i] = i && i <= labelled ? i % TINY.labels : -100;
    }
    *sample = (bcl_sample){.ids = storage, .labels = storage + 5, .length = 5};
    *data = (bcl_dataset){.samples = sample,
                          .count = 1,
                          .storage = storage,
                          .pieces = 5,
                          .labelled = (size_t)labelled,
                          .longest = 5};
}

static void test_evaluation(void **state) {
    bcl_dataset data;
    bcl_sample sample;
    int32_t storage[10];
    (void)state;
    make_dataset(&data, &sample, storage, 3);
    for (int i = 0; i < OVERFLOWS; i++) {
        char *folder = with(overflows[i].tensor, -1, HUGE_WEIGHT);
        const bcl_session_options o = options_of(folder);
        bcl_session *s = NULL;
        bcl_evaluation e = {0};
        OK(bcl_session_open(&s, &o));
        FAILS(bcl_evaluate(&e, s->model, &data, (const char *const *)s->config.label_names,
                           (size_t)s->config.labels, &(bcl_evaluate_options){0}),
              BCL_ERROR_DEVICE, overflows[i].place);
        assert_non_null(strstr(bcl_message(), "sentence 1"));
        bcl_session_free(s);
        free(folder);
    }
}

static void test_training(void **state) {
    char *home = test_folder(), *data = NULL, *out = NULL;
    (void)state;
    OK(bcl_path_join(&data, home, "data"));
    OK(bcl_file_write(data, "ab\tO\nc\tI-LOC\n\nd\tO\n", 18));
    for (int i = 0; i < OVERFLOWS; i++) {
        char *folder = with(overflows[i].tensor, -1, HUGE_WEIGHT);
        bcl_run *run = NULL;
        bcl_run_options o;
        bcl_run_options_init(&o);
        OK(bcl_format(&out, "%s/run%d", home, i));
        o.model = folder;
        o.data = (bcl_texts){(const char *const *)&data, 1};
        o.split = 1;
        o.dropout = i % 2 ? 0.1 : 0;
        o.clip = i / 2 ? 1 : 0;
        o.out = out;
        o.device = getenv("BERTCL_DEVICE");
        OK(bcl_run_open(&run, &o));
        FAILS(bcl_run_train(run), BCL_ERROR_DEVICE, overflows[i].place);
        assert_non_null(strstr(bcl_message(), "step 1: the loss is"));
        bcl_run_free(run);
        free(out);
        free(folder);
    }
    free(data);
    free(home);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_weights),
        cmocka_unit_test(test_tagging),
        cmocka_unit_test(test_evaluation),
        cmocka_unit_test(test_training),
    };
    bcl_session *session = NULL;
    good = test_folder();
    OK(tiny_model_write(good, &TINY));
    const bcl_session_options probe = options_of(good);
    int failed = 77;
    if (bcl_session_open(&session, &probe) == BCL_ERROR_NO_DEVICE)
        printf("skipped: %s\n", bcl_message());
    else
        failed = cmocka_run_group_tests_name("finite", tests, NULL, NULL);
    bcl_session_free(session);
    free(good);
    return failed;
}
