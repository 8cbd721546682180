/* Shares of measured speeds, and what a checkpoint keeps of them and of what each device did. */
#include "dist/ledger.h"
#include "support/support.h"

#include <cjson/cJSON.h>

static const bcl_member pair[] = {{"pocl:0", "CPU", "3.1", "one"}, {"nvidia:0", "H", "550", "one"}};

/* Steps first..last of 100 tokens on devices of these speeds, as the shares say. */
static void train(bcl_shares *s, int64_t first, int64_t last, const double *speeds) {
    double parts[2];
    for (int64_t step = first; step <= last; step++) {
        bcl_share_measure m[2];
        bcl_shares_of(s, step, parts);
        for (int r = 0; r < 2; r++) {
            m[r].tokens = 100 * parts[r] / (parts[0] + parts[1]);
            m[r].seconds = m[r].tokens / speeds[r];
        }
        bcl_shares_add(s, step, m, m[0].seconds > m[1].seconds ? m[0].seconds : m[1].seconds);
    }
}

static double part_of(bcl_shares *s, int64_t step) {
    double parts[2];
    bcl_shares_of(s, step, parts);
    return parts[0] / (parts[0] + parts[1]);
}

static void test_measured(void **state) {
    (void)state;
    bcl_shares *s = NULL;
    const double speeds[] = {100, 300}, close[] = {103, 297}, slow[] = {30, 300};
    assert_int_equal(bcl_shares_create(&s, 2, NULL), BCL_OK);
    train(s, 0, 60, speeds);
    assert_true(part_of(s, 61) > 0.24 && part_of(s, 61) < 0.26);
    const double before = part_of(s, 61);
    train(s, 61, 200, close); /* what saves little changes nothing */
    assert_true(part_of(s, 201) == before);
    train(s, 201, 300, slow); /* a device that slows down gets less */
    assert_true(part_of(s, 301) > 0.08 && part_of(s, 301) < 0.1);
    bcl_shares_free(s);
}

/* text of a run of two devices up to step 29; *part: what the first has of the steps from there on.
 */
static char *kept(double *part) {
    bcl_shares *s = NULL;
    bcl_ledger *l = NULL;
    char *text = NULL;
    const double speeds[] = {100, 300};
    assert_int_equal(bcl_shares_create(&s, 2, NULL), BCL_OK);
    assert_int_equal(bcl_ledger_create(&l, pair, 2, NULL), BCL_OK);
    train(s, 0, 29, speeds);
    *part = part_of(s, 30);
    assert_int_equal(bcl_ledger_keep(&text, l, s), BCL_OK);
    bcl_ledger_free(l);
    bcl_shares_free(s);
    return text;
}

static double tokens_of(const cJSON *list, int i) {
    return cJSON_GetObjectItem(cJSON_GetArrayItem(list, i), "tokens")->valuedouble;
}

static const char *text_of(const cJSON *list, int i, const char *key) {
    return cJSON_GetStringValue(cJSON_GetObjectItem(cJSON_GetArrayItem(list, i), key));
}

static void test_same_devices(void **state) {
    (void)state;
    bcl_shares *s = NULL;
    bcl_ledger *l = NULL;
    double part;
    char *text = kept(&part);
    const double others[] = {300, 100}; /* by chance, for a few steps */
    assert_int_equal(bcl_shares_create(&s, 2, NULL), BCL_OK);
    assert_int_equal(bcl_ledger_create(&l, pair, 2, NULL), BCL_OK);
    assert_int_equal(bcl_ledger_restore(l, s, text), BCL_OK);
    assert_true(part_of(s, 30) == part); /* to the bit */
    train(s, 30, 45, others);
    assert_true(part_of(s, 46) == part);
    cJSON *list = bcl_ledger_json(l, s);
    assert_int_equal(cJSON_GetArraySize(list), 2);
    assert_true(tokens_of(list, 0) + tokens_of(list, 1) > 4599.99 &&
                tokens_of(list, 0) + tokens_of(list, 1) < 4600.01);
    assert_null(text_of(list, 0, "left_out"));
    cJSON_Delete(list);
    bcl_ledger_free(l);
    bcl_shares_free(s);
    free(text);
}

static void test_other_devices(void **state) {
    (void)state;
    double part, forced[] = {1, 1};
    char *text = kept(&part);
    bcl_shares *s = NULL;
    bcl_ledger *l = NULL;
    /* one was left out */
    assert_int_equal(bcl_shares_create(&s, 1, NULL), BCL_OK);
    assert_int_equal(bcl_ledger_create(&l, pair, 1, "nvidia:0\tit hangs\n"), BCL_OK);
    assert_int_equal(bcl_ledger_restore(l, s, text), BCL_OK);
    cJSON *list = bcl_ledger_json(l, s);
    assert_int_equal(cJSON_GetArraySize(list), 2);
    assert_string_equal(text_of(list, 1, "left_out"), "it hangs");
    assert_string_equal(text_of(list, 1, "name"), "H");
    assert_true(tokens_of(list, 1) > 0 && tokens_of(list, 0) + tokens_of(list, 1) < 3000.01);
    cJSON_Delete(list);
    bcl_ledger_free(l);
    bcl_shares_free(s);
    /* another pair, and shares that are asked for */
    const bcl_member other[] = {pair[0], {"amd:0", "M", "6.1", "one"}};
    assert_int_equal(bcl_shares_create(&s, 2, NULL), BCL_OK);
    assert_int_equal(bcl_ledger_create(&l, other, 2, NULL), BCL_OK);
    assert_int_equal(bcl_ledger_restore(l, s, text), BCL_OK);
    assert_true(part_of(s, 30) == 0.5);
    list = bcl_ledger_json(l, s);
    assert_int_equal(cJSON_GetArraySize(list), 3);
    assert_string_equal(text_of(list, 2, "id"), "nvidia:0");
    assert_string_equal(text_of(list, 2, "left_out"), "the run went on without it");
    cJSON_Delete(list);
    bcl_ledger_free(l);
    bcl_shares_free(s);
    assert_int_equal(bcl_shares_create(&s, 2, forced), BCL_OK);
    assert_int_equal(bcl_ledger_create(&l, pair, 2, NULL), BCL_OK);
    assert_int_equal(bcl_ledger_restore(l, s, text), BCL_OK);
    assert_true(part_of(s, 30) == 0.5);
    bcl_ledger_free(l);
    bcl_shares_free(s);
    free(text);
}

/* What is not what keep writes is no reason to fail: it is measured anew. */
static void test_damaged(void **state) {
    (void)state;
    static const char *const texts[] = {
        "", "{", "[]", "{\"devices\": 3, \"shares\": {\"now\": [1]}}",
        "{\"devices\": [{\"id\": 7}], \"shares\": {\"now\": [\"0\", \"-1\"], "
        "\"next\": [1, \"x\"], \"from\": -5}}"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        bcl_shares *s = NULL;
        bcl_ledger *l = NULL;
        assert_int_equal(bcl_shares_create(&s, 2, NULL), BCL_OK);
        assert_int_equal(bcl_ledger_create(&l, pair, 2, NULL), BCL_OK);
        assert_int_equal(bcl_ledger_restore(l, s, texts[i]), BCL_OK);
        assert_true(part_of(s, 0) == 0.5);
        bcl_ledger_free(l);
        bcl_shares_free(s);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_measured), cmocka_unit_test(test_same_devices),
        cmocka_unit_test(test_other_devices), cmocka_unit_test(test_damaged)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
