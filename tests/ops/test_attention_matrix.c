/* Attention on matrix units, every vendor's fragments emulated, and on a GPU its own unit, forward
 * and backward: against double precision of the operands that the unit gets, with limits that are
 * the rounding of what the kernels keep in 16 bits. Guards around every output, and the same bits
 * once more. */
#include "ops/attention.h"
#include "support/device.h"

static const struct unit {
    const char *name;
    int sizes[2]; /* of heads */
    bool always;  /* else only where $BERTCL_TEST_MMA names it */
} units[] = {
    {"mma-bf16:emulated-nvidia:64x64x32x32x2", {32, 64}, true},
    {"mma-fp16:emulated-nvidia:32x32x16x32x2", {32}, false},
    {"mma-bf16:emulated-rdna3:64x32x16x32x2", {64}, false},
    {"mma-fp16:emulated-rdna3:32x32x32x16x2", {32}, false},
    {"mma-bf16:emulated-rdna4:32x32x16x16x2", {32}, false},
    {"mma-fp16:emulated-rdna4:32x64x16x32x2", {64}, false},
    {"mma-bf16:emulated-cdna:64x64x32x32x2", {64}, false},
    {"mma-fp16:emulated-cdna:64x32x64x32x2", {32}, false},
    {"mma-bf16:emulated-intel8:32x32x16x16x2", {32}, false},
    {"mma-bf16:emulated-intel16:32x64x16x32x2", {32}, false},
    {"mma-fp16:emulated-intel16:64x32x8x16x2", {32}, false},
};
enum { UNITS = sizeof units / sizeof *units };

/* A number and by how much it may differ. */
typedef struct bounded {
    double *value, *limit;
} bounded;

static bounded bounded_new(size_t count) {
    return (bounded){zeros(count), zeros(count)};
}
static void bounded_free(bounded *b) {
    free(b->value);
    free(b->limit);
}

typedef struct subject {
    test_batch b;
    bcl_ops ops;
    bcl_element type;
    int NH, HS;
    bcl_dropout dropout;
    float apart;       /* Q from K, so that scores are far below 0 */
    double unit, tiny; /* what rounding changes a number by at most: in its share, or if denormal */
    float *x, *dy;
    double *qkv, *dout; /* as the unit gets them */
    bcl_view QKV, DOUT;
    bounded out, lse, dqkv;
} subject;

static double rounded(float x, bcl_element type) {
    return (double)widened_half(rounded_half(x, type), type);
}

static void begin(subject *s, const int *lengths, int count) {
    batch_begin(&s->b, lengths, count, 50, 2, 5);
    const int T = s->b.host.T, C = s->NH * s->HS;
    const size_t n = (size_t)(T * C);
    s->unit = s->type == BCL_ELEMENT_BF16 ? 0x1p-8 : 0x1p-11;
    s->tiny = s->type == BCL_ELEMENT_BF16 ? 0 : 0x1p-25;
    s->x = random_floats(3 * n, 1, 1);
    for (int i = 0; i < 3 * T * C; i++) /* of Q up, of K down */
        s->x[i] += i / C % 3 == 0 ? s->apart : i / C % 3 == 1 ? -s->apart : 0;
    s->dy = random_floats(n, 1, 2);
    s->QKV = guard_floats(T, 3 * C, s->x);
    s->DOUT = guard_floats(T, C, s->dy);
    s->qkv = zeros(3 * n);
    s->dout = zeros(n);
    for (size_t i = 0; i < 3 * n; i++)
        s->qkv[i] = rounded(s->x[i], s->type);
    for (size_t i = 0; i < n; i++)
        s->dout[i] = rounded(s->dy[i], s->type);
    s->out = bounded_new(n);
    s->lse = bounded_new((size_t)(T * s->NH));
    s->dqkv = bounded_new(3 * n);
}

static void end(subject *s) {
    guards_end();
    batch_end(&s->b);
    free(s->x);
    free(s->dy);
    free(s->qkv);
    free(s->dout);
    bounded_free(&s->out);
    bounded_free(&s->lse);
    bounded_free(&s->dqkv);
}

static double dot(const double *x, const double *y, int n) {
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += x[i] * y[i];
    return sum;
}

/* sum (HS) += weight row, a weight that is rounded. */
static void add(const subject *s, bounded *sum, size_t at, double weight, const double *row) {
    for (int d = 0; d < s->HS; d++) {
        sum->value[at + (size_t)d] += weight * row[d];
        sum->limit[at + (size_t)d] += (s->unit * fabs(weight) + s->tiny) * fabs(row[d]);
    }
}

/* What a query gives; out: the kernel's own output, which its backward pass reads. */
static void query(subject *s, const float *out, int first, int S, int t, int h, double *prob) {
    const int NH = s->NH, HS = s->HS, C = NH * HS;
    const double scale = 1 / sqrt((double)HS), *q = s->qkv + 3 * t * C + h * HS;
    const double *dout = s->dout + t * C + h * HS;
    const size_t at = (size_t)(t * C + h * HS), at3 = (size_t)(3 * t * C + h * HS);
    double most = -HUGE_VAL, sum = 0, D = 0;
    for (int j = 0; j < S; j++) {
        prob[j] = scale * dot(q, s->qkv + 3 * (first + j) * C + C + h * HS, HS);
        most = fmax(most, prob[j]);
    }
    for (int j = 0; j < S; j++)
        sum += exp(prob[j] - most);
    s->lse.value[t * NH + h] = most + log(sum);
    for (int d = 0; d < HS; d++)
        D += (double)s->dy[at + (size_t)d] * (double)out[at + (size_t)d];
    for (int j = 0; j < S; j++) {
        const double *k = s->qkv + 3 * (first + j) * C + C + h * HS, *v = k + C;
        const size_t dk = (size_t)(3 * (first + j) * C + C + h * HS), dv = dk + (size_t)C;
        const double p = exp(prob[j] - most) / sum,
                     factor = bcl_exact_mask_attention(s->dropout, s->b.host.samples[t], h,
                                                       t - first, j),
                     ds = p * (dot(dout, v, HS) * factor - D) * scale;
        add(s, &s->out, at, p * factor, v);
        add(s, &s->dqkv, at3, ds, k);
        add(s, &s->dqkv, dk, ds, q);
        add(s, &s->dqkv, dv, p * factor, dout);
    }
}

/* The limits of sums of rounded weights become those of results that are rounded themselves. */
static void round_results(const subject *s, bounded *b, size_t count, test_limit fp32) {
    for (size_t i = 0; i < count; i++)
        b->limit[i] = (1 + s->unit) * b->limit[i] + s->unit * fabs(b->value[i]) + s->tiny +
                      fp32.atol + fp32.rtol * fabs(b->value[i]);
}

static void expect(subject *s, const float *out) {
    const bcl_batch *b = &s->b.host;
    const size_t n = (size_t)(b->T * s->NH * s->HS);
    double *prob = zeros((size_t)b->longest);
    for (int i = 0; i < b->B; i++)
        for (int t = b->starts[i]; t < b->starts[i + 1]; t++)
            for (int h = 0; h < s->NH; h++)
                query(s, out, b->starts[i], b->starts[i + 1] - b->starts[i], t, h, prob);
    free(prob);
    round_results(s, &s->out, n, bcl_exact_limit.attention);
    round_results(s, &s->dqkv, 3 * n, bcl_exact_limit.attention_gradient);
    for (int i = 0; i < b->T * s->NH; i++) /* of fp32 scores of rounded operands */
        s->lse.limit[i] = bcl_exact_limit.attention_lse.atol +
                          bcl_exact_limit.attention_lse.rtol * fabs(s->lse.value[i]);
}

static double judge(const char *what, float *got, const bounded *want, size_t count) {
    double worst = 0;
    for (size_t i = 0; i < count; i++) {
        const double share = fabs((double)got[i] - want->value[i]) / want->limit[i];
        if (!(share <= 1))
            fail_msg("%s: element %zu of %zu: %.9g, expected %.9g: %.3g of the limit", what, i,
                     count, (double)got[i], want->value[i], share);
        worst = fmax(worst, share);
    }
    free(got);
    return worst;
}

typedef struct outputs {
    bcl_view out, lse, dqkv;
} outputs;

static outputs compute(subject *s) {
    const int T = s->b.host.T, C = s->NH * s->HS;
    const outputs o = {guard_halves(s->type, T, C, NULL), guard_floats(T, s->NH, NULL),
                       guard_halves(s->type, T, 3 * C, NULL)};
    const bcl_view delta = guard_floats(T, s->NH, NULL);
    OK(bcl_attention_forward(&s->ops, o.out, o.lse, s->QKV, &s->b.device, s->NH, s->HS,
                             s->dropout));
    OK(bcl_attention_backward(&s->ops, o.dqkv, delta, s->DOUT, o.out, o.lse, s->QKV, &s->b.device,
                              s->NH, s->HS, s->dropout));
    return o;
}

static void same(bcl_view a, bcl_view b) {
    uint16_t *x = read_halves(a), *y = read_halves(b);
    assert_memory_equal(x, y, a.bytes);
    free(x);
    free(y);
}

static void check(bcl_gemm *gemm, const int *lengths, int count, int NH, int HS, float p,
                  float apart) {
    subject s = {.ops = test_ops,
                 .type = bcl_gemm_operands(gemm),
                 .NH = NH,
                 .HS = HS,
                 .apart = apart,
                 .dropout = {p, bcl_site(3, BCL_SITE_ATTENTION), {0x1234, 0xabcdef01}}};
    s.ops.gemm = gemm;
    begin(&s, lengths, count);
    const size_t rows = (size_t)(s.b.host.T * NH), n = rows * (size_t)HS;
    const outputs o = compute(&s), again = compute(&s);
    same(o.out, again.out);
    same(o.dqkv, again.dqkv);
    float *out = widened_halves(o.out), *lse = read_floats(o.lse), *lse2 = read_floats(again.lse);
    assert_memory_equal(lse, lse2, rows * sizeof *lse);
    free(lse2);
    expect(&s, out);
    const double shares[] = {judge("out", out, &s.out, n), judge("lse", lse, &s.lse, rows),
                             judge("dqkv", widened_halves(o.dqkv), &s.dqkv, 3 * n)};
    print_message(
        "%s: T %d, HS %d, dropout %g, apart %g: worst shares of the limits: out %.2f, lse %.2f, "
        "dqkv %.2f\n",
        bcl_gemm_name(gemm), s.b.host.T, HS, (double)p, (double)apart, shares[0], shares[1],
        shares[2]);
    end(&s);
}

static bcl_gemm *create(const char *provider, bool attention) {
    bcl_gemm *gemm = NULL;
    char name[BCL_GEMM_NAME];
    snprintf(name, sizeof name, "%s%s", provider, attention ? ":attention" : "");
    OK(bcl_gemm_create(&gemm, test_device, name,
                       strstr(name, "bf16") ? BCL_PRECISION_BF16 : BCL_PRECISION_FP16));
    return gemm;
}

/* A device whose groups are too small is a skip. */
static bool has_groups(bcl_gemm *gemm) {
    bcl_ops ops = test_ops;
    bcl_attention_call call = {
        .ops = &ops, .out = {.type = bcl_gemm_operands(gemm)}, .NH = 1, .HS = 32};
    ops.gemm = gemm;
    if (bcl_attention_matrix.suits(test_device, &call)) {
        OK(call.failed);
        return true;
    }
    const size_t items = (size_t)call.items;
    assert_true(items > bcl_device_about(test_device)->max_work_group ||
                items > bcl_kernel_limit(call.kernel));
    printf("skipped: %s: no groups of %zu\n", bcl_gemm_name(gemm), items);
    return false;
}

static void check_all(bcl_gemm *gemm, const int sizes[2], bool few) {
    static const int lengths[] = {1, 33, 7, 31, 32, 64, 93};
    for (int k = test_small; k < (few ? 2 : 4); k++)
        if (sizes[k / 2])
            check(gemm, lengths,
                  test_small ? 2
                  : few      ? 3
                             : 7,
                  k / 2 || test_small ? 1 : 2, sizes[k / 2], k % 2 ? 0.1f : 0, 0);
}

static void test_units(void **state) {
    static const int lengths[] = {1, 33}, longest = 512;
    const char *only = getenv("BERTCL_TEST_MMA"); /* a part of a name */
    (void)state;
    for (int i = 0; i < UNITS; i++) {
        if (only ? !strstr(units[i].name, only) : !units[i].always)
            continue;
        bcl_gemm *gemm = create(units[i].name, true);
        if (has_groups(gemm)) {
            check_all(gemm, units[i].sizes, !only);
            if (i == 0 && !test_small) /* exp of a missing score would be infinite */
                check(gemm, lengths, 2, 1, 32, 0, 5);
            if (i == 0 && only && !test_small)
                check(gemm, &longest, 1, 1, 32, 0.25f, 0);
        }
        bcl_gemm_free(gemm);
    }
}

/* The device's own unit. */
static void test_own_unit(void **state) {
    static const char *const names[] = {"mma-bf16", "mma-fp16"};
    static const int lengths[] = {512, 1, 511, 30, 129};
    (void)state;
    if (!bcl_device_about(test_device)->gpu || test_small) /* the emulator says that it is one */
        skip();
    for (int i = 0; i < 2; i++) {
        bcl_gemm *plain = NULL, *gemm;
        bcl_gemm_unit unit;
        const bcl_status status = bcl_gemm_create(&plain, test_device, names[i],
                                                  i ? BCL_PRECISION_FP16 : BCL_PRECISION_BF16);
        if (status == BCL_ERROR_UNSUPPORTED) {
            printf("skipped: %s\n", bcl_message());
            continue;
        }
        OK(status);
        assert_true(bcl_gemm_find_unit(&unit, plain) && !unit.attention);
        gemm = create(bcl_gemm_name(plain), true);
        check_all(gemm, (const int[]){32, unit.rows < 16 ? 0 : 64}, false);
        for (int k = 0; k < 2; k++)
            check(gemm, lengths, 5, 3, k && unit.rows >= 16 ? 64 : 32, 0.1f, 0);
        bcl_gemm_free(gemm);
        bcl_gemm_free(plain);
    }
}

/* Only where its name says so, in 16 bits, and for the head sizes that it has. */
static void test_suits(void **state) {
    (void)state;
    for (int k = 0; k < 5; k++) {
        bcl_ops ops = test_ops;
        const bcl_element type = k == 3   ? BCL_ELEMENT_F32
                                 : k == 4 ? BCL_ELEMENT_F16
                                          : BCL_ELEMENT_BF16;
        bcl_attention_call call = {
            .ops = &ops, .out = {.type = type}, .NH = 1, .HS = k == 2 ? 48 : 32};
        ops.gemm = create(units[0].name, k != 1);
        if (k == 1 || has_groups(ops.gemm))
            assert_int_equal(bcl_attention_matrix.suits(test_device, &call), k == 0);
        bcl_gemm_free(ops.gemm);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_units),
                                       cmocka_unit_test(test_own_unit),
                                       cmocka_unit_test(test_suits)};
    return TEST_RUN_ON_DEVICE(tests);
}
