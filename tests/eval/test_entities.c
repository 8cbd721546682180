/* eval/entities: seqeval's answers, and the defined ones where seqeval raises; the live comparison
 * is tests/peers/entities.py. */
#include "support/support.h"

#include <bertcl/report.h>
#include <cjson/cJSON.h>

static const char *const names[] = {"O",          "B-MISC", "I-MISC", "B-PER", "I-PER",
                                    "B-ARGM-LOC", "VMISC",  "E-PER",  "S-PER"};

static bcl_entity_report *report_of(bcl_scheme scheme, const int32_t *gold, const int32_t *pred,
                                    const size_t *ends, size_t sentences, uint64_t invalid) {
    bcl_entities *e = NULL;
    bcl_entity_report *r = NULL;
    OK(bcl_entities_create(&e, names, 9, NULL, scheme));
    for (size_t i = 0, at = 0; i < sentences; at = ends[i++])
        OK(bcl_entities_add(e, gold + at, pred + at, ends[i] - at));
    assert_int_equal(bcl_entities_invalid(e), invalid);
    assert_int_equal(bcl_entities_scheme(e), scheme);
    OK(bcl_entity_report_create(&r, e, 0));
    bcl_entities_free(e);
    return r;
}

static void test_report_of_the_manual(void **state) {
    (void)state; /* the example in seqeval's documentation */
    static const int32_t gold[] = {0, 0, 0, 1, 2, 2, 0, 3, 4, 0};
    static const int32_t pred[] = {0, 0, 1, 2, 2, 2, 0, 3, 4, 0};
    static const char expected[] = "              precision    recall  f1-score   support\n\n"
                                   "        MISC       0.00      0.00      0.00         1\n"
                                   "         PER       1.00      1.00      1.00         1\n\n"
                                   "   micro avg       0.50      0.50      0.50         2\n"
                                   "   macro avg       0.50      0.50      0.50         2\n"
                                   "weighted avg       0.50      0.50      0.50         2\n";
    for (int strict = 0; strict < 2; strict++) {
        char *text = NULL;
        bcl_entity_report *r = report_of(strict ? BCL_SCHEME_IOB2 : BCL_SCHEME_DEFAULT, gold, pred,
                                         (size_t[]){7, 10}, 2, 0);
        OK(bcl_entity_report_text(&text, r, 2));
        assert_string_equal(text, expected);
        FAILS(bcl_entity_report_text(&text, r, 99), BCL_ERROR_ARGUMENT, "99 digits");
        assert_int_equal(bcl_entity_report_size(r), 2);
        assert_string_equal(bcl_entity_report_type(r, 1), "PER");
        assert_true(bcl_entity_report_scores(r, 1).f1 == 1);
        assert_true(bcl_entity_report_micro(r).recall == 0.5);
        assert_true(bcl_entity_report_macro(r).f1 == 0.5);
        assert_int_equal(bcl_entity_report_weighted(r).support, 2);
        free(text);
        bcl_entity_report_free(r);
    }
}

static void test_modes_differ_on_loose_starts(void **state) {
    (void)state; /* I-PER without B-PER: an entity in default mode, none in IOB2 */
    static const int32_t tags[] = {0, 4, 4, 0};
    bcl_entity_report *r = report_of(BCL_SCHEME_DEFAULT, tags, tags, (size_t[]){4}, 1, 0);
    assert_int_equal(bcl_entity_report_micro(r).support, 1);
    bcl_entity_report_free(r);
    r = report_of(BCL_SCHEME_IOB2, tags, tags, (size_t[]){4}, 1, 0);
    assert_int_equal(bcl_entity_report_micro(r).support, 0);
    bcl_entity_report_free(r);
}

static void test_what_seqeval_refuses(void **state) {
    (void)state;
    static const int32_t none[] = {0, 0}, odd[] = {6, 5}, iobes[] = {8, 5};
    bcl_entity_report *r = report_of(BCL_SCHEME_DEFAULT, none, none, (size_t[]){2}, 1, 0);
    cJSON *json = NULL;
    char *text = NULL;
    OK(bcl_entity_report_json(&json, r));
    OK(bcl_entity_report_text(&text, r, 4));
    assert_int_equal(cJSON_GetArraySize(json), 3);
    assert_non_null(strstr(text, "weighted avg     0.0000    0.0000    0.0000         0\n"));
    free(text);
    cJSON_Delete(json);
    bcl_entity_report_free(r);
    r = report_of(BCL_SCHEME_IOB2, odd, odd, (size_t[]){2}, 1, 2);
    assert_string_equal(bcl_entity_report_type(r, 0), "ARGM-LOC");
    bcl_entity_report_free(r);
    r = report_of(BCL_SCHEME_IOB2, odd, iobes, (size_t[]){2}, 1, 2);
    assert_int_equal(bcl_entity_report_size(r), 1);
    bcl_entity_report_free(r);
}

static void test_schemes(void **state) {
    (void)state;
    static const struct {
        const char *used;
        bcl_scheme scheme;
    } cases[] = {{"110000000", BCL_SCHEME_IOB2},  {"011110000", BCL_SCHEME_IOB2},
                 {"000010010", BCL_SCHEME_IOE2},  {"100110011", BCL_SCHEME_IOBES},
                 {"000000001", BCL_SCHEME_IOBES}, {"101010000", BCL_SCHEME_IOB1},
                 {"100000000", BCL_SCHEME_IOB1}};
    bcl_entities *e = NULL;
    bool used[9];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (int k = 0; k < 9; k++)
            used[k] = cases[i].used[k] == '1';
        OK(bcl_entities_create(&e, names, 9, used, BCL_SCHEME_AUTO));
        assert_int_equal(bcl_entities_scheme(e), cases[i].scheme);
        bcl_entities_free(e);
    }
    e = NULL;
    /* where seqeval raises */
    static const struct {
        const char *tags[4];
        bcl_scheme scheme;
    } odd[] = {{{"O", "S-A", "V", "X-A"}, BCL_SCHEME_IOBES},
               {{"B-A", "I-A", "VMISC", "O"}, BCL_SCHEME_IOB2},
               {{"O", "U-A", "I-A", ""}, BCL_SCHEME_BILOU},
               {{"S-A", "L-A", "I-A", "O"}, BCL_SCHEME_IOBES}};
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        OK(bcl_entities_create(&e, odd[i].tags, 4, NULL, BCL_SCHEME_AUTO));
        assert_int_equal(bcl_entities_scheme(e), odd[i].scheme);
        bcl_entities_free(e);
    }
    e = NULL;
    bcl_scheme scheme;
    OK(bcl_scheme_find(&scheme, "BILOU"));
    assert_string_equal(bcl_scheme_name(scheme), "BILOU");
    FAILS(bcl_scheme_find(&scheme, "IOB"), BCL_ERROR_ARGUMENT, "found \"IOB\", expected default");
    OK(bcl_entities_create(&e, names, 9, NULL, BCL_SCHEME_IOB1));
    FAILS(bcl_entities_add(e, (int32_t[]){9}, (int32_t[]){0}, 1), BCL_ERROR_ARGUMENT, "9 and 0");
    bcl_entity_report *r = NULL;
    FAILS(bcl_entity_report_create(&r, e, 0.5), BCL_ERROR_ARGUMENT, "expected 0 or 1");
    bcl_entities_free(e);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_report_of_the_manual),
        cmocka_unit_test(test_modes_differ_on_loose_starts),
        cmocka_unit_test(test_what_seqeval_refuses),
        cmocka_unit_test(test_schemes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
