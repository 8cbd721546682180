/* eval/report: texts printed by scikit-learn 1.9.1; tests/peers/report.py asks it live. */
#include "support/support.h"

#include <bertcl/report.h>
#include <cjson/cJSON.h>
#include <math.h>

static bcl_report *report_of(const char *const *names, size_t k, const int32_t *gold,
                             const int32_t *pred, size_t n) {
    bcl_counts *c = NULL;
    bcl_report *r = NULL;
    OK(bcl_counts_create(&c, names, k));
    OK(bcl_counts_add(c, gold, pred, n / 2)); /* in two batches */
    OK(bcl_counts_add(c, gold + n / 2, pred + n / 2, n - n / 2));
    OK(bcl_report_create(&r, c, 0));
    bcl_counts_free(c);
    return r;
}

static void expect_text(const bcl_report *r, int digits, const char *expected) {
    char *text = NULL;
    OK(bcl_report_text(&text, r, digits));
    assert_string_equal(text, expected);
    free(text);
}

static const char *const names[] = {
    "O", "I-PER", "unused", "I-ORG", "é", "Österreichische-Organisation", "I-LOC"};
static const int32_t gold[] = {0, 0, 0, 0, 1, 1, 3, 0, 5, 4, -100};
static const int32_t pred[] = {0, 0, 0, 6, 1, 0, 3, 0, 0, 4, 1};

static void test_text(void **state) {
    (void)state;
    bcl_report *r = report_of(names, 7, gold, pred, 11);
    expect_text(r, 4,
                "                              precision    recall  f1-score   support\n\n"
                "                       I-LOC     0.0000    0.0000    0.0000         0\n"
                "                       I-ORG     1.0000    1.0000    1.0000         1\n"
                "                       I-PER     1.0000    0.5000    0.6667         2\n"
                "                           O     0.6667    0.8000    0.7273         5\n"
                "Österreichische-Organisation     0.0000    0.0000    0.0000         1\n"
                "                           é     1.0000    1.0000    1.0000         1\n\n"
                "                    accuracy                         0.7000        10\n"
                "                   macro avg     0.6111    0.5500    0.5657        10\n"
                "                weighted avg     0.7333    0.7000    0.6970        10\n");
    assert_int_equal(bcl_report_size(r), 6);
    assert_string_equal(bcl_report_label(r, 3), "O");
    assert_true(bcl_report_accuracy(r) == 0.7);
    assert_true(bcl_report_macro(r).f1 == 0.5656565656565656);
    assert_true(bcl_report_weighted(r).recall == 0.7);
    assert_true(bcl_report_scores(r, 2).recall == 0.5);
    assert_int_equal(bcl_report_scores(r, 3).support, 5);
    size_t cells;
    const bcl_confused *c = bcl_report_confusion(r, &cells);
    assert_int_equal(cells, 7);
    assert_true(c[1].gold == 2 && c[1].pred == 2 && c[1].count == 1);
    assert_true(c[2].gold == 2 && c[2].pred == 3 && c[2].count == 1); /* I-PER taken for O */
    char *text = NULL;
    FAILS(bcl_report_text(&text, r, -1), BCL_ERROR_ARGUMENT, "digits");
    FAILS(bcl_report_text(&text, r, 31), BCL_ERROR_ARGUMENT, "digits");
    bcl_report_free(r);
}

/* 10,000 labels: nothing of 10,000 x 10,000. */
static void test_many_labels(void **state) {
    (void)state;
    enum { K = 10000, N = 3 * K };
    char **many = calloc(K, sizeof *many), *text = NULL;
    int32_t *g = calloc(N, sizeof *g), *p = calloc(N, sizeof *p);
    cJSON *json = NULL;
    size_t cells;
    for (int i = 0; i < K; i++)
        OK(bcl_format(&many[i], "I-%05d", i));
    for (int i = 0; i < N; i++) {
        g[i] = i % K;
        p[i] = i < K ? g[i] : (i * 7 + i / K) % K;
    }
    const double before = bcl_peak_rss_mb();
    bcl_report *r = report_of((const char *const *)many, K, g, p, N);
    OK(bcl_report_confusion_json(&json, r));
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(json, "matrix")));
    const bcl_confused *c = bcl_report_confusion(r, &cells);
    uint64_t sum = 0;
    for (size_t i = 0; i < cells; i++) {
        assert_true(!i || c[i - 1].gold < c[i].gold ||
                    (c[i - 1].gold == c[i].gold && c[i - 1].pred < c[i].pred));
        sum += c[i].count;
    }
    assert_int_equal(sum, N);
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(json, "cells")), cells);
    assert_true(bcl_peak_rss_mb() - before < 200);
    cJSON_Delete(json);
    OK(bcl_report_json(&json, r));
    assert_int_equal(cJSON_GetArraySize(json), K + 3);
    cJSON_Delete(json);
    bcl_report_free(r);
    free(text);
    free(g);
    free(p);
    bcl_strings_free(many, K);
}

static void test_control_characters(void **state) {
    (void)state;
    static const char *const odd[] = {"I-\x1b[31mX", "O"};
    bcl_report *r = report_of(odd, 2, (int32_t[]){0, 1}, (int32_t[]){0, 1}, 2);
    char *text = NULL;
    OK(bcl_report_text(&text, r, 2));
    assert_null(strchr(text, 0x1b));
    assert_non_null(strstr(text, " I-\\x1b[31mX       1.00"));
    free(text);
    bcl_report_free(r);
}

static void test_one_class_and_none_right(void **state) {
    (void)state;
    static const char *const ab[] = {"b", "a"};
    bcl_report *r = report_of(ab, 2, (int32_t[]){1, 1}, (int32_t[]){1, 1}, 2);
    expect_text(r, 0,
                "              precision    recall  f1-score   support\n\n"
                "           a          1         1         1         2\n\n"
                "    accuracy                              1         2\n"
                "   macro avg          1         1         1         2\n"
                "weighted avg          1         1         1         2\n");
    bcl_report_free(r);
    /* scikit-learn's supports turn into floating point when no label is right */
    r = report_of(ab, 2, (int32_t[]){1, 1}, (int32_t[]){0, 0}, 2);
    expect_text(r, 2,
                "              precision    recall  f1-score   support\n\n"
                "           a       0.00      0.00      0.00       2.0\n"
                "           b       0.00      0.00      0.00       0.0\n\n"
                "    accuracy                           0.00       2.0\n"
                "   macro avg       0.00      0.00      0.00       2.0\n"
                "weighted avg       0.00      0.00      0.00       2.0\n");
    bcl_report_free(r);
}

static void test_json(void **state) {
    (void)state;
    bcl_report *r = report_of(names, 7, gold, pred, 11);
    cJSON *json = NULL, *confusion = NULL, *item;
    OK(bcl_report_json(&json, r));
    static const char *const keys[] = {
        "I-LOC", "I-ORG",    "I-PER",     "O",           "Österreichische-Organisation",
        "é",     "accuracy", "macro avg", "weighted avg"};
    size_t i = 0;
    cJSON_ArrayForEach(item, json) assert_string_equal(item->string, keys[i++]);
    assert_int_equal(i, 9);
    assert_true(cJSON_GetObjectItem(json, "accuracy")->valuedouble == 0.7);
    item = cJSON_GetObjectItem(json, "macro avg");
    assert_true(cJSON_GetObjectItem(item, "f1-score")->valuedouble == 0.5656565656565656);
    assert_true(cJSON_GetObjectItem(item, "support")->valuedouble == 10);
    OK(bcl_report_confusion_json(&confusion, r));
    item = cJSON_GetArrayItem(cJSON_GetObjectItem(confusion, "matrix"), 3);
    assert_int_equal(cJSON_GetArrayItem(item, 0)->valueint, 1); /* O taken for I-LOC */
    assert_int_equal(cJSON_GetArrayItem(item, 3)->valueint, 4);
    assert_string_equal(
        cJSON_GetArrayItem(cJSON_GetObjectItem(confusion, "labels"), 5)->valuestring, "é");
    cJSON_Delete(json);
    cJSON_Delete(confusion);
    bcl_report_free(r);
}

static void test_zero_division_and_errors(void **state) {
    (void)state;
    static const char *const ab[] = {"b", "a"};
    bcl_counts *c = NULL;
    bcl_report *r = NULL;
    OK(bcl_counts_create(&c, ab, 2));
    FAILS(bcl_report_create(&r, c, 0), BCL_ERROR_ARGUMENT, "found no label");
    OK(bcl_counts_add(c, (int32_t[]){-1}, (int32_t[]){0}, 1));
    FAILS(bcl_report_create(&r, c, 0), BCL_ERROR_ARGUMENT, "found no label");
    FAILS(bcl_counts_add(c, (int32_t[]){2}, (int32_t[]){0}, 1), BCL_ERROR_ARGUMENT, "2 and 0");
    FAILS(bcl_counts_add(c, (int32_t[]){0}, (int32_t[]){-1}, 1), BCL_ERROR_ARGUMENT, "0 and -1");
    OK(bcl_counts_add(c, (int32_t[]){0, 0}, (int32_t[]){0, 1}, 2));
    assert_int_equal(bcl_counts_total(c), 2);
    OK(bcl_report_create(&r, c, 1));
    assert_true(bcl_report_scores(r, 0).recall == 1);
    bcl_report_free(r);
    OK(bcl_report_create(&r, c, (double)NAN));
    assert_true(isnan(bcl_report_scores(r, 0).recall));
    assert_true(bcl_report_macro(r).recall == 0.5);
    bcl_report_free(r);
    bcl_counts_free(c);
    FAILS(bcl_counts_create(&c, ab, 0), BCL_ERROR_ARGUMENT, "0 labels");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_many_labels),
        cmocka_unit_test(test_control_characters),
        cmocka_unit_test(test_one_class_and_none_right),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_zero_division_and_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
