/* A batch's parts: every sentence once, in order, whole, and near the shares. */
#include "support/support.h"
#include "train/train.h"

enum { COUNT = 40 };

static void check(size_t from, size_t n, const double *shares, int size) {
    static bcl_sample samples[COUNT];
    uint32_t order[COUNT];
    double all = 0;
    bcl_shuffle(order, COUNT, from + n);
    for (int i = 0; i < COUNT; i++)
        samples[i].length = 3 + (i * 7919) % 61;
    const bcl_dataset data = {.samples = samples, .count = COUNT};
    double tokens = 0, above = 0, before = 0;
    for (int r = 0; r < size; r++)
        all += shares[r];
    for (size_t i = from; i < from + n; i++)
        tokens += samples[order[i]].length;
    size_t next = from, begin, count;
    for (int r = 0; r < size; r++) {
        bcl_train_cut(&data, order, from, n, shares, size, r, &begin, &count);
        assert_int_equal(begin, next);
        next = begin + count;
        for (size_t i = begin; i < next; i++)
            before += samples[order[i]].length;
        above += shares[r];
        /* no cut is further than half of the longest sentence from where it should be */
        assert_true(before - above / all * tokens <= 32 && above / all * tokens - before <= 32);
    }
    assert_int_equal(next, from + n);
}

static void test_cut(void **state) {
    (void)state;
    const double equal[] = {1, 1, 1, 1}, unlike[] = {5, 0.001, 2, 30}, one[] = {3};
    for (size_t n = 0; n <= COUNT; n++)
        for (size_t from = 0; from + n <= COUNT; from += 3) {
            check(from, n, equal, 4);
            check(from, n, equal, 2);
            check(from, n, unlike, 4);
            check(from, n, one, 1);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cut)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
