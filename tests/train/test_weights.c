/* The weights of --class-weights: balanced ones are scikit-learn's, of labelled pieces only. */
#include "support/support.h"
#include "train/run.h"

static int32_t ids[6], labels[2][6] = {{-100, 0, 0, 1, -1, -100}, {-100, 0, 0, 0, 3, 3}};
static bcl_sample samples[2] = {{ids, labels[0], 6, 0}, {ids, labels[1], 6, 1}};
static const bcl_dataset data = {.samples = samples, .count = 2};
static const char *const names[] = {"O", "I-LOC", "I-PER", "I-ORG"};

static double *weights(const char *chosen) {
    double *w = NULL;
    OK(bcl_run_class_weights(&w, chosen, names, 4, &data));
    assert_non_null(w);
    return w;
}

static void test_balanced(void **state) {
    (void)state;
    double *w = weights("balanced"); /* 8 pieces; 5, 1 and 2 of the 3 labels that there are */
    assert_true(w[0] == 8.0 / (3 * 5) && w[1] == 8.0 / 3 && w[2] == 1 && w[3] == 8.0 / (3 * 2));
    free(w);
}

static void test_list(void **state) {
    (void)state;
    double *w = weights("I-LOC=2.5,O=0");
    assert_true(w[0] == 0 && w[1] == 2.5 && w[2] == 1 && w[3] == 1);
    free(w);
    FAILS(bcl_run_class_weights(&w, "O=1e999", names, 4, &data), BCL_ERROR_ARGUMENT, "O=1e999");
    FAILS(bcl_run_class_weights(&w, "=1", names, 4, &data), BCL_ERROR_ARGUMENT, "=1");
    FAILS(bcl_run_class_weights(&w, "O=nan", names, 4, &data), BCL_ERROR_ARGUMENT, "O=nan");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_balanced),
                                       cmocka_unit_test(test_list)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
