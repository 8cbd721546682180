/* Attention, forward and backward, against double precision: every head size (two without
 * test_all), sentences of 1 to 512 tokens packed together, dropout on and off. */
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

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_head_sizes), cmocka_unit_test(test_long_sentences),
        cmocka_unit_test(test_lengths), cmocka_unit_test(test_block_edges),
        cmocka_unit_test(test_spread)};
    return TEST_RUN_ON_DEVICE(tests);
}
