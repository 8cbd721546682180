/* Gradients as bf16 with error feedback: rounding, what it keeps, and the rows' remainders. */
#include "dist/wire.h"
#include "support/support.h"

#include <math.h>

static float round_one(float x) {
    uint16_t wire;
    float out;
    bcl_wire_round(&wire, NULL, &x, 1);
    bcl_wire_widen(&out, &wire, 1);
    return out;
}

static void test_rounding(void **state) {
    (void)state;
    const float step = 0x1p-7F; /* between bf16 numbers from 1 on */
    static const float kept[] = {0, -0.0F, 1, -2, 0x1p-126F, 0x1p-133F, 3e38F};
    for (size_t i = 0; i < 6; i++) {
        const float got = round_one(kept[i]);
        assert_memory_equal(&got, &kept[i], sizeof got);
    }
    assert_true(round_one(1 + step / 2) == 1); /* to the even one of two */
    assert_true(round_one(1 + 3 * step / 2) == 1 + 2 * step);
    assert_true(round_one(1 + step * 0.51F) == 1 + step);
    assert_true(round_one(-1 - step * 0.49F) == -1);
    assert_true(fabsf(round_one(kept[6]) / kept[6] - 1) <= 0x1p-8F);
    assert_true(isinf(round_one(INFINITY)) && round_one(-INFINITY) < 0);
    assert_true(isinf(round_one(3.4028235e38F)));
    assert_true(isnan(round_one(NAN)));
    const uint32_t low = 0x7f800001; /* a NaN that is one in its lowest bit alone */
    float quiet;
    memcpy(&quiet, &low, sizeof quiet);
    assert_true(isnan(round_one(quiet)));
}

/* Of any length, and wherever in it. */
static void test_floats(void **state) {
    (void)state;
    enum { MOST = 70 };
    static const float odd[] = {NAN, INFINITY, -INFINITY};
    float x[MOST] = {0}, sum[MOST] = {0};
    for (size_t count = 0; count <= MOST; count++) {
        for (size_t i = 0; i < count; i++)
            x[i] = i % 3 ? 3e38F : -0.0F, sum[i] = (float)i;
        assert_true(bcl_floats_are_finite(x, count));
        bcl_floats_add(sum, x, count);
        for (size_t i = 0; i < count; i++)
            assert_true(sum[i] == (float)i + x[i]);
        for (size_t i = 0; i < count; i++) {
            const float kept = x[i];
            x[i] = odd[i % 3];
            assert_false(bcl_floats_are_finite(x, count));
            x[i] = kept;
        }
    }
}

/* What is not finite leaves nothing that would stay for ever. */
static void test_remainder_is_finite(void **state) {
    (void)state;
    const float x[] = {NAN, INFINITY, 3.4028235e38F, 1.001F};
    float remainder[] = {0, 1, 0, 0};
    uint16_t wire[4];
    bcl_wire_round(wire, remainder, x, 4);
    assert_true(remainder[0] == 0 && remainder[1] == 0 && remainder[2] == 0);
    assert_true(remainder[3] == x[3] - 1);
}

/* The sum of `count` equal numbers as it arrives; feedback: with remainders. */
static double sum_of(float x, int count, bool feedback) {
    float remainder = 0, got;
    uint16_t wire;
    double sum = 0;
    for (int i = 0; i < count; i++) {
        bcl_wire_round(&wire, feedback ? &remainder : NULL, &x, 1);
        bcl_wire_widen(&got, &wire, 1);
        sum += got;
    }
    return sum;
}

static void test_nothing_is_lost(void **state) {
    (void)state;
    const float x = 1 + 0x1p-10F;
    assert_true(sum_of(x, 10000, false) == 10000);
    assert_true(fabs(sum_of(x, 10000, true) - 10000 * (double)x) < 0x1p-7);
    assert_true(fabs(sum_of(-0.3F, 12345, true) + 12345 * (double)0.3F) < 0x1p-8);
}

/* A large gradient of one rank and a tiny one of the other, 1000 steps: both rounds of a sum. */
static double steps_of(bool feedback) {
    float large[1] = {1}, remainders[2] = {0, 0}, sum, back;
    const float tiny = 1e-3F;
    uint16_t wire;
    double all = 0;
    for (int i = 0; i < 1000; i++) {
        bcl_wire_round(&wire, feedback ? &remainders[1] : NULL, &tiny, 1);
        sum = large[0];
        bcl_wire_add(&sum, &wire, 1);
        bcl_wire_round(&wire, feedback ? &remainders[0] : NULL, &sum, 1);
        bcl_wire_widen(&back, &wire, 1);
        all += back;
    }
    return all;
}

static void test_tiny_gradients(void **state) {
    (void)state;
    assert_true(steps_of(false) == 1000); /* all of the tiny ones are lost */
    assert_true(fabs(steps_of(true) - 1001) < 0.01);
}

static void test_parts(void **state) {
    (void)state;
    bcl_remainders *r = NULL;
    float *part, *again;
    OK(bcl_remainders_create(&r));
    OK(bcl_remainders_part(&part, r, 3, 5));
    for (int i = 0; i < 5; i++)
        assert_true(part[i] == 0);
    part[4] = 7;
    OK(bcl_remainders_part(&again, r, 0, 2));
    assert_true(again[0] == 0 && again[1] == 0);
    OK(bcl_remainders_part(&again, r, 3, 5));
    assert_true(again[4] == 7);
    bcl_remainders_free(r);
    bcl_remainders_free(NULL);
}

/* A row's remainder waits for the step that touches it again, wherever it then is. */
static void test_rows(void **state) {
    (void)state;
    enum { WIDTH = 3 };
    static const int32_t first[] = {4, 1}, second[] = {1, 900, 4}, third[] = {900};
    bcl_remainders *r = NULL;
    float *rows;
    OK(bcl_remainders_create(&r));
    OK(bcl_remainders_take_rows(&rows, r, first, 2, WIDTH));
    for (int i = 0; i < 2 * WIDTH; i++) {
        assert_true(rows[i] == 0);
        rows[i] = (float)i + 1;
    }
    bcl_remainders_put_rows(r);
    OK(bcl_remainders_take_rows(&rows, r, second, 3, WIDTH));
    for (int i = 0; i < WIDTH; i++) {
        assert_true(rows[i] == (float)(WIDTH + i + 1));
        assert_true(rows[WIDTH + i] == 0);
        assert_true(rows[2 * WIDTH + i] == (float)(i + 1));
        rows[WIDTH + i] = 9;
    }
    bcl_remainders_put_rows(r);
    bcl_remainders_put_rows(r); /* nothing is out */
    OK(bcl_remainders_take_rows(&rows, r, third, 1, WIDTH));
    assert_true(rows[0] == 9 && rows[WIDTH - 1] == 9);
    bcl_remainders_put_rows(r);
    bcl_remainders_free(r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rounding),
        cmocka_unit_test(test_floats),
        cmocka_unit_test(test_remainder_is_finite),
        cmocka_unit_test(test_nothing_is_lost),
        cmocka_unit_test(test_tiny_gradients),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
