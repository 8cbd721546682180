/* bf16 and fp16: every number comes back, and what lies between two goes to the nearer, of two as
 * near to the even one. */
#include "support/support.h"
#include "util/half.h"

typedef struct format {
    const char *name;
    uint16_t (*round)(float);
    float (*widen)(uint16_t);
    uint16_t infinity;
} format;
static const format formats[] = {{"bf16", bcl_bf16_round, bcl_bf16_widen, 0x7f80},
                                 {"fp16", bcl_fp16_round, bcl_fp16_widen, 0x7c00}};

static void check(const format *f, float x, uint16_t want) {
    if (f->round(x) != want || f->round(-x) != (want | 0x8000))
        fail_msg("%s of %a is 0x%04x, expected 0x%04x", f->name, (double)x, f->round(x), want);
}

static void test_every(void **state) {
    (void)state;
    for (int i = 0; i < 2; i++) {
        const format *f = &formats[i];
        for (uint16_t h = 0; h < f->infinity; h++) {
            const float x = f->widen(h), next = f->widen((uint16_t)(h + 1));
            check(f, x, h);
            if (h + 1 == f->infinity) /* halfway to the number that would be next */
                break;
            const float middle = x + (next - x) / 2; /* exact but for bf16's least numbers */
            if (middle == x || middle == next)
                continue;
            check(f, middle, h % 2 ? (uint16_t)(h + 1) : h);
            check(f, nextafterf(middle, 0), h);
            check(f, nextafterf(middle, INFINITY), (uint16_t)(h + 1));
        }
    }
}

static void test_largest(void **state) {
    (void)state;
    check(&formats[1], 65519.996f, 0x7bff);
    check(&formats[1], 65520, 0x7c00);
    check(&formats[1], 3e38f, 0x7c00);
    check(&formats[0], 0x1.fefffep127f, 0x7f7f);
    check(&formats[0], 0x1.ffp127f, 0x7f80);
    for (int i = 0; i < 2; i++) {
        const format *f = &formats[i];
        check(f, INFINITY, f->infinity);
        assert_true(isinf(f->widen(f->infinity)) && f->widen(f->infinity | 0x8000) < 0);
        assert_true(isnan(f->widen(f->round(NAN))) && isnan(f->widen(f->infinity + 1)));
        /* a NaN that is one in its lowest bit alone */
        assert_true(isnan(f->widen(f->round(bcl_float_of_bits(0x7f800001)))));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every),
                                       cmocka_unit_test(test_largest)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
