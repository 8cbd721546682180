/* A batch's parts: every sentence once, whole, in the batch's order, and no rank done much later
 * than the others. */
#include "support/support.h"
#include "train/train.h"

#include <math.h>

enum { COUNT = 64, RANKS = 8 };

static bcl_sample samples[COUNT];
static const bcl_dataset data = {.samples = samples, .count = COUNT};

/* Sentences of 3 to 63 tokens, in an order that `seed` draws. */
static void draw(uint32_t batch[COUNT], uint64_t seed) {
    bcl_shuffle(batch, COUNT, seed);
    for (int i = 0; i < COUNT; i++)
        samples[i].length = 3 + (i * 7919) % 61;
}

/* The slowest rank's time, over what it would be if sentences could be cut. */
static double divide(const uint32_t *batch, size_t n, const double *shares, int size) {
    bcl_divided out[COUNT];
    double tokens[RANKS], counted[RANKS] = {0}, shortest[RANKS] = {0}, all = 0, above = 0, last = 0;
    int slowest = 0;
    bcl_train_divide(out, tokens, &data, batch, n, shares, size);
    for (size_t i = 0; i < n; i++) {
        const int r = out[i].rank, length = samples[batch[i]].length;
        assert_int_equal(out[i].place, i);
        assert_int_equal(out[i].length, length);
        assert_true(r >= 0 && r < size);
        shortest[r] = counted[r] > 0 ? fmin(shortest[r], length) : length;
        counted[r] += length;
    }
    for (int r = 0; r < size; r++) {
        assert_true(counted[r] == tokens[r]);
        all += tokens[r];
        above += shares[r];
        if (tokens[r] / shares[r] > last) {
            last = tokens[r] / shares[r];
            slowest = r;
        }
    }
    for (int r = 0; r < size; r++) /* no other would be done sooner with what it got last */
        assert_true(r == slowest || (tokens[r] + shortest[slowest]) / shares[r] >= last);
    return all > 0 ? last * above / all : 1;
}

static void test_all_sizes(void **state) {
    (void)state;
    const double equal[] = {1, 1, 1, 1}, unlike[] = {5, 0.001, 2, 30}, one[] = {3};
    uint32_t batch[COUNT];
    for (size_t n = 0; n <= COUNT; n++) {
        draw(batch, n);
        divide(batch, n, equal, 4);
        divide(batch, n, equal, 2);
        divide(batch, n, unlike, 4);
        assert_true(divide(batch, n, one, 1) == 1);
    }
}

/* The mean over batches: as a batch of 32 is cut in its order, the slowest is 2 % late. */
static void test_near_the_shares(void **state) {
    (void)state;
    static const struct {
        size_t n;
        int size;
        double shares[RANKS], limit;
    } cases[] = {{32, 2, {1, 1}, 1.005},
                 {32, 2, {0.6, 0.4}, 1.01},
                 {32, 3, {3, 1, 2}, 1.02},
                 {32, 2, {100, 1}, 1.02}, /* a share of 10 tokens */
                 {64, 8, {1, 1, 1, 1, 1, 1, 1, 1}, 1.02}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        enum { BATCHES = 100 };
        double sum = 0;
        uint32_t batch[COUNT];
        for (uint64_t seed = 0; seed < BATCHES; seed++) {
            draw(batch, seed);
            sum += divide(batch, cases[i].n, cases[i].shares, cases[i].size);
        }
        if (!(sum / BATCHES <= cases[i].limit))
            fail_msg("case %zu: %g", i, sum / BATCHES);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_all_sizes),
                                       cmocka_unit_test(test_near_the_shares)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
