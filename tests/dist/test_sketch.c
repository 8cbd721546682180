/* Who of several ranks is wrong, by sketches of their vectors. */
#include "dist/sketch.h"
#include "support/support.h"

#include <math.h>

enum { N = 100003, RANKS = 4 };

static float vector[RANKS][N];
static bcl_sketch sketches[RANKS];
static const char *const names[RANKS] = {"a:0", "b:0", "c:0", "d:0"};
static char text[256];

/* All hold the same vector; loss 2. */
static void fill(void) {
    for (int i = 0; i < N; i++)
        vector[0][i] = (float)sin(i * 0.7) / (1 + (float)(i % 97));
    for (int r = 1; r < RANKS; r++)
        memcpy(vector[r], vector[0], sizeof vector[r]);
}

static int judge(int size, double limit, double before, uint64_t kind) {
    for (int r = 0; r < size; r++) {
        sketches[r] = (bcl_sketch){.loss = 2, .limit = limit, .kind = kind};
        /* in pieces of any size, as it comes */
        for (size_t at = 0, n; at < N; at += n) {
            n = 1 + (at * 31 + (size_t)r * 7) % 5000;
            n = at + n > N ? N - at : n;
            bcl_sketch_add(&sketches[r], at, vector[r] + at, n);
        }
    }
    return bcl_sketch_judge(text, sizeof text, sketches, size, before, names);
}

static void test_alike(void **state) {
    (void)state;
    fill();
    assert_int_equal(judge(RANKS, 1e-6, 0, 0), -1);
    assert_int_equal(judge(RANKS, 1e-6, 0, 7), -1);
    /* the sums do not depend on the pieces */
    for (int r = 1; r < RANKS; r++)
        assert_memory_equal(&sketches[r].bits, &sketches[0].bits, sizeof(uint64_t));
    for (int i = 0; i < N; i++) /* other rounding */
        vector[2][i] *= 1 + 1e-6F;
    assert_int_equal(judge(RANKS, 1e-4, 0, 0), -1);
    assert_int_equal(judge(RANKS, 1e-4, 0, 7), 2); /* of one kind: not a bit */
    assert_int_equal(judge(1, 1e-4, 0, 7), -1);
}

static void test_distance(void **state) {
    (void)state;
    fill();
    double difference = 0;
    for (int i = 0; i < N; i += 3) {
        vector[1][i] += 0.01F;
        difference += 0.0001;
    }
    judge(2, 1, 0, 0);
    double estimate = 0;
    for (int k = 0; k < BCL_SKETCH_DOTS; k++)
        estimate += pow(sketches[0].dots[k] - sketches[1].dots[k], 2) / BCL_SKETCH_DOTS;
    assert_true(estimate > difference / 20 && estimate < difference * 5);
}

static void test_majority(void **state) {
    (void)state;
    for (int wrong = 0; wrong < 3; wrong++) {
        fill();
        for (int i = 500; i < 20000; i++)
            vector[wrong][i] = 0.01F;
        assert_int_equal(judge(3, 0.02, 0, 0), wrong);
        assert_non_null(strstr(text, "limit 0.02"));
        fill();
        for (int i = 0; i < N; i++) /* the norm is the same */
            vector[wrong][i] = -vector[wrong][i];
        assert_int_equal(judge(RANKS, 0.02, 0, 0), wrong);
        fill();
        vector[wrong][77] = NAN;
        assert_int_equal(judge(3, 0.02, 0, 0), wrong);
        vector[wrong][77] = INFINITY;
        assert_int_equal(judge(2 + (wrong == 2), 0.02, 0, 0), wrong);
    }
    fill();
    for (int r = 0; r < 3; r++)
        vector[r][3] = NAN;
    assert_int_equal(judge(3, 0.02, 0, 0), -1); /* the model's, not a device's */
}

/* Of two nobody has a majority. */
static void test_two(void **state) {
    (void)state;
    for (int wrong = 0; wrong < 2; wrong++) {
        fill();
        for (int i = 0; i < N; i++)
            vector[wrong][i] *= 30;
        judge(2, 0.02, 0, 0);
        assert_int_equal(judge(2, 0.02, sketches[1 - wrong].square * 1.1, 0), wrong);
        assert_int_equal(judge(2, 0.02, 0, 0), 1);
        /* a loss that is higher than the other's */
        fill();
        judge(2, 0.02, 0, 0);
        sketches[wrong].loss = 3;
        assert_int_equal(bcl_sketch_judge(text, sizeof text, sketches, 2, 0, names), wrong);
    }
}

/* Of a loss near 0 the gradient is nothing but rounding. */
static void test_small_loss(void **state) {
    (void)state;
    fill();
    for (int i = 0; i < N; i++)
        vector[1][i] *= 1.3F;
    judge(2, 0.02, 0, 0);
    sketches[0].loss = sketches[1].loss = 1e-6;
    assert_int_equal(bcl_sketch_judge(text, sizeof text, sketches, 2, 0, names), -1);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_alike),
                                       cmocka_unit_test(test_distance),
                                       cmocka_unit_test(test_majority), cmocka_unit_test(test_two),
                                       cmocka_unit_test(test_small_loss)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
