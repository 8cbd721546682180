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

/* The sums are those of the definition, wherever the pieces are cut. */
static void test_definition(void **state) {
    (void)state;
    uint64_t bits = 0;
    double square = 0;
    fill();
    for (uint64_t i = 0; i < N; i++) {
        uint32_t x;
        memcpy(&x, &vector[0][i], sizeof x);
        bits += x * (2 * i + 1);
        square += (double)vector[0][i] * (double)vector[0][i];
    }
    for (size_t most = 1; most < 3 * N; most = most * 3 + 1) {
        bcl_sketch s = {0};
        for (size_t at = 0, n; at < N; at += n) {
            n = most < N - at ? most : N - at;
            bcl_sketch_add(&s, at, vector[0] + at, n);
        }
        assert_true(s.bits == bits);
        assert_true(fabs(s.square - square) <= 1e-12 * square);
        for (int k = 0; most > 1 && k < BCL_SKETCH_DOTS; k++)
            assert_true(fabs(s.dots[k] - sketches[0].dots[k]) <= 1e-5 * sqrt(square));
        sketches[0] = s;
    }
}

/* What a fault of a device may look like: the estimate is near the distance. */
static void test_distance_of_kinds(void **state) {
    (void)state;
    static const struct {
        int first, count, stride, width;
    } kinds[] = {{0, N, 1, 1},       /* all of it */
                 {7, 1, 1, 1},       /* a number */
                 {1000, 256, 1, 1},  /* a row */
                 {5, 260, 384, 1},   /* a column of a matrix */
                 {32, 195, 512, 16}, /* of a tile */
                 {3, N / 16, 16, 1}, /* a lane of vectors */
                 {9, N / 1024, 1024, 1}, {50000, 1, 1, 4096}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        for (int drawn = 0; drawn < 2; drawn++) {
            double difference = 0, estimate = 0;
            fill();
            for (int row = 0; row < kinds[i].count; row++)
                for (int c = 0; c < kinds[i].width; c++) {
                    const int at = kinds[i].first + row * kinds[i].stride + c;
                    const float d = drawn ? (float)cos(at * 1.3) : 0.5F;
                    if (at < N) {
                        vector[1][at] += d;
                        difference += (double)d * (double)d;
                    }
                }
            judge(2, 1, 0, 0);
            for (int k = 0; k < BCL_SKETCH_DOTS; k++)
                estimate += pow(sketches[0].dots[k] - sketches[1].dots[k], 2) / BCL_SKETCH_DOTS;
            if (!(estimate > difference / 20 && estimate < difference * 5))
                fail_msg("kind %zu: %g for %g", i, estimate, difference);
        }
}

/* Devices of one kind: what leaves other sums alike is still seen. */
static void test_bits(void **state) {
    (void)state;
    fill(); /* two numbers that have changed places */
    vector[1][160] = vector[0][4000];
    vector[1][4000] = vector[0][160];
    assert_int_equal(judge(2, 1, 0, 7), 1);
    fill(); /* two signs, of one lane */
    vector[1][16] = -vector[1][16];
    vector[1][48] = -vector[1][48];
    assert_int_equal(judge(2, 1, 0, 7), 1);
    fill(); /* the last bit of the last number */
    vector[1][N - 1] = nextafterf(vector[1][N - 1], 10);
    assert_int_equal(judge(2, 1, 0, 7), 1);
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
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alike),    cmocka_unit_test(test_definition),
        cmocka_unit_test(test_distance), cmocka_unit_test(test_distance_of_kinds),
        cmocka_unit_test(test_bits),     cmocka_unit_test(test_majority),
        cmocka_unit_test(test_two),      cmocka_unit_test(test_small_loss)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
