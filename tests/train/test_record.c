/* run.json and results.json from the record and back, and with every allocation failing in turn:
 * out of memory is said, and no file is written that lacks a key. */
#include "support/support.h"
#include "train/run.h"

#include <cjson/cJSON.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

static long countdown = -1; /* allocations until one fails; below 0: none does */
static bool failed;

static bool fails(void) {
    if (countdown < 0 || countdown-- > 0)
        return false;
    failed = true;
    return true;
}

void *__wrap_malloc(size_t size) {
    return fails() ? NULL : __real_malloc(size);
}
void *__wrap_calloc(size_t count, size_t size) {
    return fails() ? NULL : __real_calloc(count, size);
}
void *__wrap_realloc(void *old, size_t size) {
    return fails() ? NULL : __real_realloc(old, size);
}

static char *run_path, *results_path;

static void fill(bcl_run_kept *k) {
    static const char *const data[] = {"a b", "c\"d", "e\\f"};
    static char *labels[] = {(char *)"O", (char *)"I-LOC", (char *)"B-\xC3\xA9"};
    bcl_run_record *r = &k->record;
    bcl_run_options_init(&k->options);
    k->options.model = "models/one";
    k->options.data = (bcl_texts){data, 3};
    k->options.lr = 0.1 + 0.2;
    k->options.batch = 4;
    k->options.seed = ((int64_t)1 << 53) - 1;
    r->options = &k->options;
    r->version = "1.2.3";
    r->train = (bcl_run_part){.sentences = 7, .pieces = 70};
    r->test = (bcl_run_part){.sentences = 0, .pieces = 0};
    memset(r->train.words, 'a', 64);
    memset(r->train.tags, 'b', 64);
    memset(r->test.words, 'c', 64);
    memset(r->test.tags, 'd', 64);
    memset(k->model_sha256, 'e', 64);
    memset(k->vocabulary_sha256, 'f', 64);
    OK(bcl_run_kept_set(k, "pocl:0", "tile:16x8x3", "fp32", "models/one"));
    OK(bcl_run_kept_set_labels(k, labels, 3));
    k->options.class_weights = "balanced";
    k->class_weights = calloc(3, sizeof *k->class_weights);
    if (k->class_weights)
        memcpy(k->class_weights, (double[]){0.1, 1 / 3.0, 2}, 3 * sizeof(double));
    r->class_weights = k->class_weights;
    r->steps = 12;
    r->loss = 0.25;
    r->tokens_per_s = 1e3 / 3;
    r->peak_rss_mb = 100;
}

static void test_round_trip(void **state) {
    bcl_run_kept k = {0}, back = {0};
    (void)state;
    fill(&k);
    OK(bcl_run_record_write(&k, run_path));
    OK(bcl_run_results_write(&k, results_path));
    bcl_run_options_init(&back.options);
    OK(bcl_run_record_read(&back, run_path));
    OK(bcl_run_results_read(&back, results_path));
    const bcl_run_record *r = &back.record;
    assert_string_equal(back.options.model, "models/one");
    assert_int_equal(back.options.data.count, 3);
    assert_string_equal(back.options.data.items[2], "e\\f");
    assert_true(back.options.lr == 0.1 + 0.2 && back.options.batch == 4);
    assert_true(back.options.seed == ((int64_t)1 << 53) - 1);
    assert_true(r->class_weights[0] == 0.1 && r->class_weights[1] == 1 / 3.0 &&
                r->class_weights[2] == 2);
    assert_true(back.options.split < 0 && back.options.max_tokens == 0);
    assert_string_equal(back.options.schedule, "constant");
    assert_null(back.options.reading.map_file);
    assert_string_equal(r->version, "1.2.3");
    assert_string_equal(r->device, "pocl:0");
    assert_string_equal(r->gemm, "tile:16x8x3");
    assert_string_equal(r->train.words, k.record.train.words);
    assert_string_equal(r->test.tags, k.record.test.tags);
    assert_string_equal(r->model_sha256, k.record.model_sha256);
    assert_string_equal(r->vocabulary_sha256, k.record.vocabulary_sha256);
    assert_int_equal(r->label_count, 3);
    assert_string_equal(r->labels[2], "B-\xC3\xA9");
    assert_true(r->complete && r->steps == 12 && r->loss == 0.25 && r->tokens_per_s == 1e3 / 3);
    assert_false(r->evaluated);
    bcl_run_kept_free(&k);
    bcl_run_kept_free(&back);
}

static void test_writing_without_memory(void **state) {
    bcl_run_kept k = {0};
    (void)state;
    fill(&k);
    for (int file = 0; file < 2; file++) {
        const char *path = file ? results_path : run_path;
        char *whole = NULL, *text = NULL;
        size_t size, n;
        OK(file ? bcl_run_results_write(&k, path) : bcl_run_record_write(&k, path));
        OK(bcl_file_read(&whole, &size, path));
        int ends = 0;
        for (long i = 0; ends < 3; i++) { /* the last ones need no more allocations */
            remove(path);
            failed = false;
            countdown = i;
            const bcl_status status =
                file ? bcl_run_results_write(&k, path) : bcl_run_record_write(&k, path);
            countdown = -1;
            ends += !failed;
            assert_int_equal(status, failed ? BCL_ERROR_MEMORY : BCL_OK);
            if (!bcl_path_exists(path)) {
                assert_true(failed);
                continue; /* else whole, even if only the syncing behind it failed */
            }
            OK(bcl_file_read(&text, &n, path));
            assert_int_equal(n, size);
            assert_memory_equal(text, whole, size);
            free(text);
        }
        free(whole);
    }
    bcl_run_kept_free(&k);
}

static void test_reading_without_memory(void **state) {
    bcl_run_kept k = {0};
    (void)state;
    fill(&k);
    OK(bcl_run_record_write(&k, run_path));
    OK(bcl_run_results_write(&k, results_path));
    bcl_run_kept_free(&k);
    int ends = 0;
    for (long i = 0; ends < 3; i++) {
        bcl_run_kept back = {0};
        bcl_run_options_init(&back.options);
        failed = false;
        countdown = i;
        bcl_status status = bcl_run_record_read(&back, run_path);
        if (!status)
            status = bcl_run_results_read(&back, results_path);
        countdown = -1;
        ends += !failed;
        assert_int_equal(status, failed ? BCL_ERROR_MEMORY : BCL_OK);
        bcl_run_kept_free(&back);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_writing_without_memory),
        cmocka_unit_test(test_reading_without_memory),
    };
    char *folder = test_folder();
    OK(bcl_path_join(&run_path, folder, "run.json"));
    OK(bcl_path_join(&results_path, folder, "results.json"));
    const int result = cmocka_run_group_tests_name("record", tests, NULL, NULL);
    free(run_path);
    free(results_path);
    free(folder);
    return result;
}
