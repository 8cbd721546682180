/* Attention, forward and backward, against double precision: every head size, sentences of 1 to 512
 * tokens packed together, dropout on and off. */
#include "support/device.h"

/* For operands of size 1; the scores' rounding grows with the square of their size, see wider().
 * lse and delta are sums; out and dqkv are averages of values of size 1 */
static const test_limit OUT = {2e-6, 4e-6}, LSE = {2e-6, 1e-6}, GRADIENT = {4e-6, 1e-5};

static test_limit wider(test_limit limit, float spread) {
    const double factor = pow((double)spread, 3);
    return (test_limit){limit.atol * factor, limit.rtol * factor};
}

typedef struct problem {
    int T, NH, HS;
    const bcl_batch *batch;
    bcl_dropout dropout;
    const float *qkv, *dout;
    double *out, *lse, *dqkv;
} problem;

static const float *row_of(const problem *p, int t, int part, int h) {
    return p->qkv + (((size_t)t * 3 + (size_t)part) * (size_t)p->NH + (size_t)h) * (size_t)p->HS;
}

static double dot(const float *a, const float *b, int n) {
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

/* One query: softmax with the mask, its output, and its part of all gradients. */
static void query_reference(problem *p, int b, int t, int h, double *prob, double *factor) {
    const int t0 = p->batch->starts[b], S = p->batch->starts[b + 1] - t0, HS = p->HS;
    const size_t stride = (size_t)p->NH * (size_t)HS, row = (size_t)t * stride + (size_t)(h * HS);
    const double scale = 1 / sqrt((double)HS);
    double most = -HUGE_VAL, sum = 0, D = 0;
    for (int j = 0; j < S; j++) {
        prob[j] = scale * dot(row_of(p, t, 0, h), row_of(p, t0 + j, 1, h), HS);
        most = fmax(most, prob[j]);
    }
    for (int j = 0; j < S; j++)
        sum += exp(prob[j] - most);
    p->lse[t * p->NH + h] = most + log(sum);
    for (int j = 0; j < S; j++) {
        prob[j] = exp(prob[j] - most) / sum;
        factor[j] = mask_attention(p->dropout, (uint32_t)p->batch->samples[t], (uint32_t)h,
                                   (uint32_t)(t - t0), (uint32_t)j);
        for (int d = 0; d < HS; d++)
            p->out[row + (size_t)d] += prob[j] * factor[j] * (double)row_of(p, t0 + j, 2, h)[d];
    }
    const float *dout = p->dout + row;
    for (int d = 0; d < HS; d++)
        D += (double)dout[d] * p->out[row + (size_t)d];
    double *dq = p->dqkv + 3 * (size_t)t * stride + (size_t)(h * HS);
    for (int j = 0; j < S; j++) {
        double *dk = p->dqkv + (3 * (size_t)(t0 + j) + 1) * stride + (size_t)(h * HS),
               *dv = dk + stride;
        const double ds =
            prob[j] * (dot(dout, row_of(p, t0 + j, 2, h), HS) * factor[j] - D) * scale;
        for (int d = 0; d < HS; d++) {
            dq[d] += ds * (double)row_of(p, t0 + j, 1, h)[d];
            dk[d] += ds * (double)row_of(p, t, 0, h)[d];
            dv[d] += prob[j] * factor[j] * (double)dout[d];
        }
    }
}

static void reference(problem *p) {
    double *prob = zeros((size_t)p->batch->longest), *factor = zeros((size_t)p->batch->longest);
    for (int b = 0; b < p->batch->B; b++)
        for (int t = p->batch->starts[b]; t < p->batch->starts[b + 1]; t++)
            for (int h = 0; h < p->NH; h++)
                query_reference(p, b, t, h, prob, factor);
    free(prob);
    free(factor);
}

static void check(const int *lengths, int count, int NH, int HS, float p, float spread) {
    char what[128];
    test_batch b;
    batch_begin(&b, lengths, count, 50, 2, 5);
    const size_t T = (size_t)b.host.T, n = T * (size_t)NH * (size_t)HS, rows = T * (size_t)NH;
    float *x = random_floats(3 * n, spread, 1), *dy = random_floats(n, 1, 2);
    problem r = {b.host.T,
                 NH,
                 HS,
                 &b.host,
                 {p, bcl_site(3, BCL_SITE_ATTENTION), {0x1234, 0xabcdef01}},
                 x,
                 dy,
                 zeros(n),
                 zeros(rows),
                 zeros(3 * n)};
    reference(&r);
    const int tokens = b.host.T, C = NH * HS;
    bcl_view qkv = guard_floats(tokens, 3 * C, x), out = guard_floats(tokens, C, NULL),
             lse = guard_floats(tokens, NH, NULL), dqkv = guard_floats(tokens, 3 * C, NULL),
             delta = guard_floats(tokens, NH, NULL), dout = guard_floats(tokens, C, dy);
    OK(bcl_attention_forward(&test_ops, out, lse, qkv, &b.device, NH, HS, r.dropout));
    OK(bcl_attention_backward(&test_ops, dqkv, delta, dout, out, lse, qkv, &b.device, NH, HS,
                              r.dropout));
    snprintf(what, sizeof what, "T %d, longest %d, NH %d, HS %d, dropout %g", b.host.T,
             b.host.longest, NH, HS, (double)p);
    compare(what, read_floats(out), r.out, NULL, n, wider(OUT, spread));
    compare(what, read_floats(lse), r.lse, NULL, rows, wider(LSE, spread));
    compare(what, read_floats(dqkv), r.dqkv, NULL, 3 * n, wider(GRADIENT, spread));
    guards_end();
    batch_end(&b);
    free(x);
    free(dy);
    free(r.out);
    free(r.lse);
    free(r.dqkv);
}

static void test_head_sizes(void **state) {
    static const int sizes[] = {1, 2, 7, 16, 20, 25, 32, 64, 93, 100, 128};
    static const int lengths[] = {1, 7, 2, 93, 16, 15, 17, 33};
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i += test_sanitized ? 2 : 1)
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
            check(lengths, 8, 2, 32, drop ? 0.5f : 0, 1);
            check(lengths, 3, 1, 25, drop ? 0.1f : 0, 1);
        }
    }
}

/* Every length alone, so that every remainder of every block size comes up. */
static void test_lengths(void **state) {
    (void)state;
    for (int n = 1; n <= (test_small ? 4 : 80); n++)
        check(&n, 1, 1, 12, n % 2 ? 0.2f : 0, 1);
}

/* Scores far apart: softmax is nearly one-hot, and nothing overflows. */
static void test_spread(void **state) {
    static const int lengths[] = {40, 3, 19};
    (void)state;
    check(lengths, test_small ? 2 : 3, 2, 16, 0.1f, 3);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_head_sizes), cmocka_unit_test(test_long_sentences),
        cmocka_unit_test(test_lengths), cmocka_unit_test(test_spread)};
    return TEST_RUN_ON_DEVICE(tests);
}
