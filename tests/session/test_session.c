/* Sessions: what opens, what is told, several models on one device, what is refused. */
#include "support/support.h"
#include "support/tiny_model.h"

#include <bertcl/session.h>
#include <bertcl/tagger.h>

static char *model;

typedef struct heard {
    int count[BCL_SESSION_UNUSED_TENSOR + 1];
    char device[256];
} heard;

static void listen(void *context, const bcl_session_event *event) {
    heard *h = context;
    h->count[event->kind]++;
    if (event->kind == BCL_SESSION_DEVICE)
        snprintf(h->device, sizeof h->device, "%s", event->text);
}

static bcl_session_options options_of(heard *h) {
    return (bcl_session_options){.model = model,
                                 .device = getenv("BERTCL_DEVICE"),
                                 .listener = h ? listen : NULL,
                                 .context = h};
}

static void test_open(void **state) {
    heard h = {0};
    bcl_session *s = NULL;
    const bcl_session_options options = options_of(&h);
    (void)state;
    OK(bcl_session_open(&s, &options));
    assert_int_equal(h.count[BCL_SESSION_DEVICE], 1);
    assert_int_equal(h.count[BCL_SESSION_NEW_TENSOR], 0);
    assert_int_equal(h.count[BCL_SESSION_UNUSED_TENSOR], 0);
    assert_int_equal(h.count[BCL_SESSION_DOWNLOAD] + h.count[BCL_SESSION_TUNING], 0);
    assert_non_null(strstr(h.device, bcl_session_device(s)));
    assert_non_null(strstr(h.device, bcl_session_gemm(s)));
    assert_string_equal(bcl_session_folder(s), model);
    assert_string_equal(bcl_session_precision(s), "fp32");
    assert_string_equal(bcl_session_why_fp32(s), "");
    assert_int_equal(bcl_session_label_count(s), TINY.labels);
    assert_string_equal(bcl_session_label(s, 0), "O");
    assert_int_equal(bcl_session_positions(s), TINY.positions);
    assert_int_equal(bcl_tokenizer_size(bcl_session_tokenizer(s)), TINY_VOCABULARY);
    bcl_session_free(s);
}

static bcl_status count(void *context, const bcl_tagged *result) {
    (void)result;
    ++*(int *)context;
    return BCL_OK;
}

/* Two models on one device, in any order of freeing, and a tagger on each. */
static void test_beside(void **state) {
    bcl_session *first = NULL, *second = NULL, *third = NULL;
    bcl_session_options options = options_of(NULL);
    bcl_tagger *a = NULL, *b = NULL;
    int results = 0;
    const bcl_tagger_options tagging = {.sink = count, .context = &results};
    (void)state;
    OK(bcl_session_open(&first, &options));
    options.beside = first;
    options.device = "nothing:9"; /* not looked at */
    OK(bcl_session_open(&second, &options));
    assert_string_equal(bcl_session_device(first), bcl_session_device(second));
    OK(bcl_tagger_create(&a, first, &tagging));
    OK(bcl_tagger_create(&b, second, &tagging));
    OK(bcl_tagger_add_text(a, "ab", 2, NULL));
    OK(bcl_tagger_add_text(b, "cd", 2, NULL));
    OK(bcl_tagger_flush(b));
    OK(bcl_tagger_flush(a));
    assert_int_equal(results, 2);
    bcl_tagger_free(a);
    bcl_session_free(first);
    OK(bcl_tagger_add_text(b, "ef", 2, NULL));
    OK(bcl_tagger_flush(b));
    assert_int_equal(results, 3);
    options.beside = second;
    OK(bcl_session_open(&third, &options));
    bcl_tagger_free(b);
    bcl_session_free(second);
    bcl_session_free(third);
}

static void test_refused(void **state) {
    bcl_session *s = NULL;
    bcl_session_options options = options_of(NULL);
    (void)state;
    options.precision = "fp64";
    FAILS(bcl_session_open(&s, &options), BCL_ERROR_ARGUMENT, "fp64");
    options = options_of(NULL);
    options.gemm = "cublas";
    FAILS(bcl_session_open(&s, &options), BCL_ERROR_ARGUMENT, "cublas");
    options = options_of(NULL);
    options.model = "";
    FAILS(bcl_session_open(&s, &options), BCL_ERROR_ARGUMENT, "model");
    options.model = NULL;
    FAILS(bcl_session_open(&s, &options), BCL_ERROR_ARGUMENT, "model");
    options.model = "/nonexistent";
    FAILS(bcl_session_open(&s, &options), BCL_ERROR_IO, "/nonexistent");
    options = options_of(NULL);
    options.device = "nothing:9";
    FAILS(bcl_session_open(&s, &options), BCL_ERROR_ARGUMENT,
          "nothing:9: this process has loaded the driver");
    assert_null(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open),
        cmocka_unit_test(test_beside),
        cmocka_unit_test(test_refused),
    };
    model = test_folder();
    OK(tiny_model_write(model, &TINY));
    bcl_session *first = NULL;
    const bcl_session_options options = options_of(NULL);
    if (bcl_session_open(&first, &options) == BCL_ERROR_NO_DEVICE) {
        printf("skipped: %s\n", bcl_message());
        free(model);
        return 77;
    }
    bcl_session_free(first);
    int failed = cmocka_run_group_tests_name("session", tests, NULL, NULL);
    free(model);
    return failed;
}
