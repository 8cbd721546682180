/* Attention, forward and backward, against double precision: every head size (two without
 * test_all), sentences of 1 to 512 tokens packed together, dropout on and off; and its outputs in
 * 16 bits against those in fp32. */
#include "ops/attention.h"
#include "support/device.h"

/* The limits are for operands of size 1; the scores' rounding grows with the square of their size.
 */
static test_limit wider(test_limit limit, float spread) {
    const double factor = pow((double)spread, 3);
    return (test_limit){limit.atol * factor, limit.rtol * factor};
}

/* What differs in a bit from the first time. */
static void same(const char *name, bcl_view first, bcl_view again) {
    const size_t count = first.bytes / sizeof(float);
    float *a = read_floats(first), *b = read_floats(again);
    for (size_t i = 0; i < count; i++)
        if (memcmp(a + i, b + i, sizeof *a) != 0)
            fail_msg("%s: element %zu: %.9g, and %.9g once more", name, i, (double)a[i],
                     (double)b[i]);
    free(a);
    free(b);
}

/* Sums have one order: the same operands give the same bits. */
static void check_again(const bcl_batch_layout *batch, bcl_view out, bcl_view lse, bcl_view dqkv,
                        bcl_view qkv, bcl_view dout, int NH, int HS, bcl_dropout dropout) {
    const int tokens = batch->T, C = NH * HS;
    bcl_view out2 = guard_floats(tokens, C, NULL), lse2 = guard_floats(tokens, NH, NULL),
             dqkv2 = guard_floats(tokens, 3 * C, NULL), delta2 = guard_floats(tokens, NH, NULL);
    OK(bcl_attention_forward(&test_ops, out2, lse2, qkv, batch, NH, HS, dropout));
    OK(bcl_attention_backward(&test_ops, dqkv2, delta2, dout, out, lse, qkv, batch, NH, HS,
                              dropout));
    same("out", out, out2);
    same("lse", lse, lse2);
    same("dqkv", dqkv, dqkv2);
}

static void check(const int *lengths, int count, int NH, int HS, float p, float spread) {
    char what[128];
    test_batch b;
    batch_begin(&b, lengths, count, 50, 2, 5);
    const size_t T = (size_t)b.host.T, n = T * (size_t)NH * (size_t)HS, rows = T * (size_t)NH;
    float *x = random_floats(3 * n, spread, 1), *dy = random_floats(n, 1, 2);
    double *qkvd = widened(x, 3 * n), *doutd = widened(dy, n);
    const bcl_exact_attention r = {
        .B = b.host.B,
        .NH = NH,
        .HS = HS,
        .starts = b.host.starts,
        .samples = b.host.samples,
        .dropout = {p, bcl_site(3, BCL_SITE_ATTENTION), {0x1234, 0xabcdef01}},
        .qkv = qkvd,
        .dout = doutd,
        .out = zeros(n),
        .lse = zeros(rows),
        .dqkv = zeros(3 * n)};
    OK(bcl_exact_attention_run(&r));
    const int tokens = b.host.T, C = NH * HS;
    bcl_view qkv = guard_floats(tokens, 3 * C, x), out = guard_floats(tokens, C, NULL),
             lse = guard_floats(tokens, NH, NULL), dqkv = guard_floats(tokens, 3 * C, NULL),
             delta = guard_floats(tokens, NH, NULL), dout = guard_floats(tokens, C, dy);
    OK(bcl_attention_forward(&test_ops, out, lse, qkv, &b.device, NH, HS, r.dropout));
    OK(bcl_attention_backward(&test_ops, dqkv, delta, dout, out, lse, qkv, &b.device, NH, HS,
                              r.dropout));
    snprintf(what, sizeof what, "T %d, longest %d, NH %d, HS %d, dropout %g", b.host.T,
             b.host.longest, NH, HS, (double)p);
    check_again(&b.device, out, lse, dqkv, qkv, dout, NH, HS, r.dropout);
    compare(what, read_floats(out), r.out, NULL, n, wider(bcl_exact_limit.attention, spread));
    compare(what, read_floats(lse), r.lse, NULL, rows,
            wider(bcl_exact_limit.attention_lse, spread));
    compare(what, read_floats(dqkv), r.dqkv, NULL, 3 * n,
            wider(bcl_exact_limit.attention_gradient, spread));
    guards_end();
    batch_end(&b);
    free(x);
    free(dy);
    free(r.out);
    free(r.lse);
    free(r.dqkv);
    free(qkvd);
    free(doutd);
}

static void test_head_sizes(void **state) {
    static const int all[] = {1, 2, 7, 16, 20, 25, 32, 64, 93, 100, 128, 132};
    static const int few[] = {25, 32};
    static const int lengths[] = {1, 7, 2, 93, 16, 15, 17, 33};
    const int *sizes = test_all() ? all : few;
    (void)state;
    for (size_t i = 0; i < (test_all() ? sizeof all / sizeof *all : sizeof few / sizeof *few); i++)
        for (int drop = 0; drop < 2; drop++)
            check(lengths, test_small ? 3 : 8, i % 3 ? 3 : 1, sizes[i], drop ? 0.1f : 0, 1);
}

static void test_long_sentences(void **state) {
    static const int lengths[] = {512, 1, 511, 64, 65, 127, 128, 129};
    static const int small[] = {70, 1};
    (void)state;
    for (int drop = 0; drop < 2; drop++) {
        if (test_small)
            check(small, 2, 2, 4, drop ? 0.5f : 0, 1);
        else {
            check(lengths, test_all() ? 8 : 5, 2, 32, drop ? 0.5f : 0, 1);
            check(lengths, 3, 1, 25, drop ? 0.1f : 0, 1);
        }
    }
}

/* Every length alone, so that every remainder of every block size comes up. */
static void test_lengths(void **state) {
    (void)state;
    for (int n = 1; n <= (test_small ? 4 : 80); n++)
        check(&n, 1, 1, test_all() ? 12 : 25, n % 2 ? 0.2f : 0, 1);
}

/* Lengths about the edges of blocks, for head sizes with and without whole vectors. */
static void test_block_edges(void **state) {
    static const int lengths[] = {1, 31, 32, 33, 63, 64, 65, 128, 512, 15, 16, 17};
    static const int small[] = {33, 1, 32, 17, 64};
    static const int sizes[] = {32, 64, 20, 7, 128, 90};
    const size_t count = !test_all() ? 1 : test_small ? 2 : sizeof sizes / sizeof *sizes;
    (void)state;
    for (size_t i = 0; i < count; i++)
        for (int drop = 0; drop < 2; drop++)
            check(test_small ? small : lengths, test_small ? 5 : 12, test_small ? 1 : 2,
                  test_small ? sizes[3 - i] / 2 : sizes[i], drop ? 0.25f : 0, 1);
}

/* Scores far apart: softmax is nearly one-hot, and nothing overflows. */
static void test_spread(void **state) {
    static const int lengths[] = {40, 3, 19};
    (void)state;
    check(lengths, test_small ? 2 : 3, 2, test_all() ? 16 : 32, 0.1f, 3);
}

/* ---- outputs in 16 bits ---- */

typedef struct subject {
    test_batch b;
    int NH, HS;
    bcl_dropout dropout;
    bcl_view qkv, dout;
} subject;

/* Forward, and backward from `from`, or else from what forward gave. */
typedef struct outputs {
    bcl_view out, lse, dqkv;
} outputs;

/* CPUs have a variant for fp32 alone: there it is the general one's outputs that are rounded. */
static outputs compute(subject *s, bcl_element type, const bcl_view *from) {
    const int T = s->b.host.T, C = s->NH * s->HS;
    const bool half = type != BCL_ELEMENT_F32;
    const outputs o = {.out = half ? guard_halves(type, T, C, NULL) : guard_floats(T, C, NULL),
                       .lse = guard_floats(T, s->NH, NULL),
                       .dqkv = half ? guard_halves(type, T, 3 * C, NULL)
                                    : guard_floats(T, 3 * C, NULL)};
    const bcl_view delta = guard_floats(T, s->NH, NULL), out = from ? *from : o.out;
    bcl_attention_call call = {.ops = &test_ops,
                               .out = o.out,
                               .lse = o.lse,
                               .qkv = s->qkv,
                               .batch = &s->b.device,
                               .NH = s->NH,
                               .HS = s->HS,
                               .scale = (float)(1 / sqrt(s->HS)),
                               .dropout = s->dropout};
    if (!half && bcl_device_wide(test_device)) {
        OK(bcl_attention_general.forward(&call));
        call.out = out;
        call.dqkv = o.dqkv;
        call.delta = delta;
        call.dout = s->dout;
        OK(bcl_attention_general.backward(&call));
    } else {
        OK(bcl_attention_forward(&test_ops, o.out, o.lse, s->qkv, &s->b.device, s->NH, s->HS,
                                 s->dropout));
        OK(bcl_attention_backward(&test_ops, o.dqkv, delta, s->dout, out, o.lse, s->qkv,
                                  &s->b.device, s->NH, s->HS, s->dropout));
    }
    return o;
}

/* By how much dqkv may differ, before it is rounded itself, where each element of out is within
 * `unit` times itself of what it was: D = dO . O by unit |dO| . |O|, so that a score's gradient,
 * P (dP - D) scale, by P scale times that; dQ and dK sum these up over rows of K and Q, and dV has
 * none of it. */
static double *spread_of_rounding(const subject *s, const outputs *o, double unit) {
    const int NH = s->NH, HS = s->HS, C = NH * HS, T = s->b.host.T;
    float *qkv = read_floats(s->qkv), *dout = read_floats(s->dout), *out = read_floats(o->out),
          *lse = read_floats(o->lse);
    double *spread = zeros((size_t)(3 * T * C));
    const double scale = 1 / sqrt(HS);
    for (int b = 0; b < s->b.host.B; b++)
        for (int i = s->b.host.starts[b]; i < s->b.host.starts[b + 1]; i++)
            for (int h = 0; h < NH; h++) {
                const float *q = qkv + 3 * i * C + h * HS;
                double D = 0;
                for (int d = 0; d < HS; d++)
                    D += fabs((double)dout[i * C + h * HS + d] * (double)out[i * C + h * HS + d]);
                for (int j = s->b.host.starts[b]; j < s->b.host.starts[b + 1]; j++) {
                    const float *k = qkv + 3 * j * C + C + h * HS;
                    double score = 0;
                    for (int d = 0; d < HS; d++)
                        score += (double)q[d] * (double)k[d];
                    const double ds =
                        exp(scale * score - (double)lse[i * NH + h]) * scale * unit * D;
                    for (int d = 0; d < HS; d++) {
                        spread[3 * i * C + h * HS + d] += ds * fabs((double)k[d]);
                        spread[3 * j * C + C + h * HS + d] += ds * fabs((double)q[d]);
                    }
                }
            }
    free(qkv);
    free(dout);
    free(out);
    free(lse);
    return spread;
}

/* Within the spread, and that of rounding dqkv; both with the rounding of fp32 sums beside. */
static void check_spread(const subject *s, const outputs *half, const outputs *plain) {
    /* half of the last place of 8 bits, of 11 bits; numbers too small for that are within atol */
    const double unit = half->out.type == BCL_ELEMENT_BF16 ? 0x1p-8 : 0x1p-11;
    const size_t count = (size_t)plain->dqkv.rows * (size_t)plain->dqkv.columns;
    double *spread = spread_of_rounding(s, plain, unit);
    float *got = widened_halves(half->dqkv), *x = read_floats(plain->dqkv);
    for (size_t i = 0; i < count; i++) {
        const test_limit fp32 = bcl_exact_limit.attention_gradient;
        const double want = (double)x[i], off = fabs((double)got[i] - want);
        const double limit =
            (1 + unit) * spread[i] + unit * fabs(want) + fp32.atol + fp32.rtol * fabs(want);
        if (!(off <= limit))
            fail_msg("dqkv: element %zu: %.9g, and %.9g from out in fp32: beyond %.3g", i,
                     (double)got[i], want, limit);
    }
    free(spread);
    free(got);
    free(x);
}

static void check_halves(const int *lengths, int count, int NH, int HS, float p, bcl_element type) {
    subject s = {
        .NH = NH, .HS = HS, .dropout = {p, bcl_site(3, BCL_SITE_ATTENTION), {0x1234, 0xabcdef01}}};
    batch_begin(&s.b, lengths, count, 50, 2, 5);
    const int T = s.b.host.T, C = NH * HS;
    float *x = random_floats((size_t)(3 * T * C), 1, 1), *dy = random_floats((size_t)(T * C), 1, 2);
    s.qkv = guard_floats(T, 3 * C, x);
    s.dout = guard_floats(T, C, dy);
    const outputs plain = compute(&s, BCL_ELEMENT_F32, NULL), half = compute(&s, type, NULL);
    compare_rounded("out", half.out, plain.out);
    same("lse", plain.lse, half.lse);
    float *wide = widened_halves(half.out);
    const bcl_view rounded = guard_floats(T, C, wide);
    const outputs from_rounded = compute(&s, BCL_ELEMENT_F32, &rounded);
    compare_rounded("dqkv", half.dqkv, from_rounded.dqkv);
    check_spread(&s, &half, &plain);
    free(wide);
    free(x);
    free(dy);
    guards_end();
    batch_end(&s.b);
}

static void test_halves(void **state) {
    static const int all[] = {25, 32, 132, 1, 7, 64, 93, 128};
    static const int lengths[] = {1, 7, 33, 16, 70};
    (void)state;
    for (size_t i = 0; i < (test_all() && !test_small ? sizeof all / sizeof *all : 3); i++)
        for (int k = 0; k < 4; k++)
            check_halves(lengths, test_small ? 3 : 5, i % 2 || test_small ? 1 : 3, all[i],
                         k & 1 ? 0.1f : 0, k & 2 ? BCL_ELEMENT_F16 : BCL_ELEMENT_BF16);
}

/* out and dqkv are of one type. */
static void test_halves_refused(void **state) {
    static const int length = 3;
    (void)state;
    test_batch b;
    batch_begin(&b, &length, 1, 50, 2, 5);
    const bcl_view out = guard_floats(3, 8, NULL), lse = guard_floats(3, 2, NULL),
                   delta = guard_floats(3, 2, NULL), dout = guard_floats(3, 8, NULL),
                   qkv = guard_floats(3, 24, NULL),
                   dqkv = guard_halves(BCL_ELEMENT_BF16, 3, 24, NULL),
                   f16 = guard_halves(BCL_ELEMENT_F16, 3, 8, NULL);
    FAILS(bcl_attention_backward(&test_ops, dqkv, delta, dout, out, lse, qkv, &b.device, 2, 4,
                                 (bcl_dropout){0}),
          BCL_ERROR_ARGUMENT, "attention_backward: out: found (3,8) f32, expected (3,8) bf16");
    FAILS(bcl_attention_backward(&test_ops, dqkv, delta, dout, f16, lse, qkv, &b.device, 2, 4,
                                 (bcl_dropout){0}),
          BCL_ERROR_ARGUMENT, "attention_backward: out: found (3,8) f16, expected (3,8) bf16");
    guards_end();
    batch_end(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_head_sizes),    cmocka_unit_test(test_long_sentences),
        cmocka_unit_test(test_lengths),       cmocka_unit_test(test_block_edges),
        cmocka_unit_test(test_spread),        cmocka_unit_test(test_halves),
        cmocka_unit_test(test_halves_refused)};
    return TEST_RUN_ON_DEVICE(tests);
}
