/* Every GEMM provider and layout against a double-precision product of the operands as the provider
 * rounds them: odd shapes, rows further apart than they are long, C set and added to, bias; what
 * lies between and around the matrices is NaN where it must not be read and a mark where it must
 * not be written. The rounding to bf16 on all kinds of bits. */
#include "support/device.h"
#include "ops/gemm/gemm.h"

#include <float.h>
#include <math.h>
#include <string.h>

static const float MARK = -12345.5f;
static const double ATOL = 1e-6, RTOL = 5e-7; /* of sum |a| |b| */

static bcl_device *device;
static bool interpreter;
static double most; /* multiplications of a product, so that a slow device ends in time */

static const struct {
    const char *name;
    bcl_precision precision;
    bool always; /* else only with test_all: each compiles for seconds */
} kinds[] = {{"reference", BCL_PRECISION_FP32, true},
             {"clblast", BCL_PRECISION_FP32, false},
             {"tile", BCL_PRECISION_FP32, false},
             {"tile:8x6x2", BCL_PRECISION_FP32, false},
             {"tile:4x5x3", BCL_PRECISION_FP32, true},
             {"tile:16x8x3", BCL_PRECISION_FP32, false},
             {"tile-bf16", BCL_PRECISION_BF16, false},
             {"tile-bf16:4x5x3", BCL_PRECISION_BF16, false},
             {"tile-bf16:16x3x2", BCL_PRECISION_BF16, false},
             {"tile-bf16:avx512", BCL_PRECISION_BF16, false},
             {"tile-bf16:avx512:16x8x3", BCL_PRECISION_BF16, false}};
enum { GEMMS = sizeof kinds / sizeof *kinds };
static const char *const layouts[] = {"NN", "NT", "TN"};

/* |got - want| as a share of the limit; a NaN is beyond every limit. */
static double share(float got, double want, double magnitude) {
    const double s = fabs(got - want) / (ATOL + RTOL * magnitude);
    return s >= 0 ? s : HUGE_VAL;
}

/* The nearest bf16, of two as near the one with an even last bit; by distance, not by bits. */
static float nearest_bf16(float x) {
    uint32_t bits;
    float side[2];
    if (isnan(x) || isinf(x))
        return x;
    memcpy(&bits, &x, sizeof bits);
    const bool even = !(bits & 0x10000);
    bits &= 0xffff0000;
    memcpy(&side[0], &bits, sizeof bits);
    bits += 0x10000;
    memcpy(&side[1], &bits, sizeof bits);
    /* what would follow the largest bf16 is infinity, as near as a number in its place */
    const double above = isinf(side[1]) ? copysign(0x1p128, (double)x) : (double)side[1];
    const double down = fabs((double)x - (double)side[0]), up = fabs(above - (double)x);
    return down < up || (down == up && even) ? side[0] : side[1];
}

static float rounded(float x, bcl_precision precision) {
    return precision == BCL_PRECISION_BF16 ? nearest_bf16(x) : x;
}

typedef struct product {
    int M, N, K, lda, ldb, ldc;
    bcl_gemm_layout layout;
    bool accumulate, bias, packed;
    size_t a_size, b_size, c_size; /* elements, to the end of the last row */
    float *a, *b, *c, *c0, *v;
    double *want, *magnitude; /* (M,N) */
} product;

static float *matrix(size_t *size, int rows, int columns, int ld, uint64_t seed) {
    *size = (size_t)(rows - 1) * (size_t)ld + (size_t)columns;
    float *x = calloc(*size, sizeof *x);
    assert_non_null(x);
    bcl_normal(x, *size, 1, seed);
    for (size_t i = 0; i < *size; i++)
        if (i % (size_t)ld >= (size_t)columns)
            x[i] = NAN;
    return x;
}

static void product_make(product *p, int M, int N, int K, bcl_gemm_layout layout, int gap,
                         bcl_precision precision) {
    const bool tn = layout == BCL_GEMM_TN, nt = layout == BCL_GEMM_NT;
    memset(p, 0, sizeof *p);
    p->M = M;
    p->N = N;
    p->K = K;
    p->layout = layout;
    p->lda = (tn ? M : K) + gap;
    p->ldb = (nt ? K : N) + 2 * gap;
    p->ldc = N + 3 * gap;
    p->a = matrix(&p->a_size, tn ? K : M, tn ? M : K, p->lda, 1);
    p->b = matrix(&p->b_size, nt ? N : K, nt ? K : N, p->ldb, 2);
    p->c0 = matrix(&p->c_size, M, N, p->ldc, 3);
    size_t n;
    p->v = matrix(&n, 1, N, N, 4);
    p->c = calloc(p->c_size, sizeof *p->c);
    p->want = calloc((size_t)M * (size_t)N, sizeof *p->want);
    p->magnitude = calloc((size_t)M * (size_t)N, sizeof *p->magnitude);
    assert_true(p->c && p->want && p->magnitude);
    const size_t am = tn ? 1 : (size_t)p->lda, ak = tn ? (size_t)p->lda : 1;
    const size_t bn = nt ? (size_t)p->ldb : 1, bk = nt ? 1 : (size_t)p->ldb;
    for (size_t m = 0; m < (size_t)M; m++)
        for (size_t k = 0; k < (size_t)K; k++) {
            const double a = rounded(p->a[m * am + k * ak], precision);
            for (size_t i = m * (size_t)N, j = 0; j < (size_t)N; j++) {
                const double x = a * rounded(p->b[k * bk + j * bn], precision);
                p->want[i + j] += x;
                p->magnitude[i + j] += fabs(x);
            }
        }
}

static void product_free(product *p) {
    free(p->a);
    free(p->b);
    free(p->c);
    free(p->c0);
    free(p->v);
    free(p->want);
    free(p->magnitude);
}

static cl_mem upload(const float *x, size_t count) {
    cl_mem buffer = NULL;
    OK(bcl_buffer_create(&buffer, device, count * sizeof *x, "test"));
    OK(bcl_buffer_write(device, buffer, 0, x, count * sizeof *x, true));
    return buffer;
}

static bcl_view view_of(cl_mem buffer, size_t count, int rows, int columns, int ld) {
    return (bcl_view){buffer, count * sizeof(float), buffer, 0, BCL_ELEMENT_F32, rows, columns, ld};
}

/* Of operands whose rows lie end to end. */
static bcl_gemm_call plain_call(bcl_gemm_layout layout, int M, int N, int K, cl_mem c, cl_mem a,
                                cl_mem b) {
    const bool tn = layout == BCL_GEMM_TN, nt = layout == BCL_GEMM_NT;
    const size_t m = (size_t)M, n = (size_t)N, k = (size_t)K;
    return (bcl_gemm_call){.layout = layout,
                           .M = M,
                           .N = N,
                           .K = K,
                           .C = view_of(c, m * n, M, N, N),
                           .A = view_of(a, m * k, tn ? K : M, tn ? M : K, tn ? M : K),
                           .B = view_of(b, k * n, nt ? N : K, nt ? K : N, nt ? K : N)};
}

static size_t packed_products;

/* Runs the product on a view in the middle of a marked buffer; returns the worst share. */
static double product_run(product *p, bcl_gemm *gemm) {
    const size_t guard = 4096;
    const size_t all = p->c_size + 2 * guard;
    float *host = calloc(all, sizeof *host);
    assert_non_null(host);
    for (size_t i = 0; i < all; i++) {
        const size_t at = i - guard;
        const bool inside = i >= guard && at < p->c_size && at % (size_t)p->ldc < (size_t)p->N;
        host[i] = !inside ? MARK : p->accumulate ? p->c0[at] : NAN;
    }
    cl_mem a = upload(p->a, p->a_size), b = upload(p->b, p->b_size), c = upload(host, all);
    cl_mem v = upload(p->v, (size_t)p->N), view = NULL;
    OK(bcl_buffer_view(&view, c, guard * sizeof *host, p->c_size * sizeof *host));
    const bool tn = p->layout == BCL_GEMM_TN, nt = p->layout == BCL_GEMM_NT;
    const int M = p->M, N = p->N, K = p->K;
    bcl_gemm_call call = {.layout = p->layout,
                          .M = M,
                          .N = N,
                          .K = K,
                          .accumulate = p->accumulate,
                          .C = view_of(view, p->c_size, M, N, p->ldc),
                          .A = view_of(a, p->a_size, tn ? K : M, tn ? M : K, p->lda),
                          .B = view_of(b, p->b_size, nt ? N : K, nt ? K : N, p->ldb)};
    if (p->bias)
        call.bias = view_of(v, (size_t)N, 1, N, N);
    OK(bcl_gemm_run(gemm, &call));
    if (p->packed && p->layout == BCL_GEMM_NN && p->ldb == p->N && bcl_gemm_packs(gemm, p->N)) {
        /* once more from a packed B: the same bits as what is compared below */
        cl_mem order = upload(p->b, p->b_size), again = upload(host, all), other = NULL;
        float *one = calloc(p->c_size, sizeof *one), *two = calloc(p->c_size, sizeof *two);
        float *back = calloc(p->b_size, sizeof *back);
        bcl_gemm_call second = call;
        assert_true(one && two && back);
        const bcl_view plain = call.B, packed = view_of(order, p->b_size, K, N, N);
        OK(bcl_gemm_pack(gemm, packed, plain, K, N, false));
        OK(bcl_buffer_view(&other, again, guard * sizeof *host, p->c_size * sizeof *host));
        second.B = packed;
        second.C.buffer = other;
        second.packed = true;
        OK(bcl_gemm_run(gemm, &second));
        OK(bcl_buffer_read(device, view, 0, one, p->c_size * sizeof *one, true));
        OK(bcl_buffer_read(device, other, 0, two, p->c_size * sizeof *two, true));
        assert_memory_equal(one, two, p->c_size * sizeof *one);
        OK(bcl_gemm_pack(gemm, plain, packed, K, N, true));
        OK(bcl_buffer_read(device, b, 0, back, p->b_size * sizeof *back, true));
        assert_memory_equal(back, p->b, p->b_size * sizeof *back);
        bcl_buffer_free(device, &other);
        bcl_buffer_free(device, &again);
        bcl_buffer_free(device, &order);
        free(one);
        free(two);
        free(back);
        packed_products++;
    }
    OK(bcl_buffer_read(device, c, 0, host, all * sizeof *host, true));
    double worst = 0;
    for (size_t i = 0; i < all; i++) {
        const size_t at = i - guard, row = at / (size_t)p->ldc, column = at % (size_t)p->ldc;
        if (i < guard || at >= p->c_size || column >= (size_t)p->N) {
            if (host[i] != MARK)
                fail_msg("%s %s (%d,%d,%d): wrote %g at element %zd of C, outside it",
                         bcl_gemm_name(gemm), layouts[p->layout], p->M, p->N, p->K, host[i],
                         (ssize_t)at);
            continue;
        }
        const size_t j = row * (size_t)p->N + column;
        const double more = p->accumulate ? p->c0[at] : p->bias ? p->v[column] : 0;
        const double s = share(host[i], p->want[j] + more, p->magnitude[j] + fabs(more));
        if (s > 1)
            fail_msg("%s %s (%d,%d,%d)%s%s: C[%zu,%zu] is %.9g, expected %.9g", bcl_gemm_name(gemm),
                     layouts[p->layout], p->M, p->N, p->K, p->accumulate ? " +=" : "",
                     p->bias ? " bias" : "", row, column, host[i], p->want[j] + more);
        worst = s > worst ? s : worst;
    }
    bcl_buffer_free(device, &view);
    bcl_buffer_free(device, &v);
    bcl_buffer_free(device, &c);
    bcl_buffer_free(device, &b);
    bcl_buffer_free(device, &a);
    free(host);
    return worst;
}

/* NULL, with the reason printed, where this device cannot have it or would take minutes. */
static bcl_gemm *make(const char *name, bcl_precision precision) {
    bcl_gemm *gemm = NULL;
    /* forced tiles on a device of scalar lanes (llvmpipe) compile for minutes, and none is its
     * default */
    if ((interpreter && !strcmp(name, "clblast")) ||
        (!interpreter && most < 1e8 && !strncmp(name, "tile", 4) && strcmp(name, "tile"))) {
        print_message("skipped: %s: too slow on this device\n", name); /* counted by tools/test */
        return NULL;
    }
    /* drivers refuse or crash on inline assembly: elsewhere only the tuner's child tries it */
    if (strstr(name, "avx512") && strncmp(bcl_device_about(device)->id, "pocl:", 5)) {
        print_message("skipped: %s: inline assembly is for PoCL here\n", name);
        return NULL;
    }
    const bcl_status status = bcl_gemm_create(&gemm, device, name, precision);
    if (status == BCL_ERROR_ARGUMENT && strstr(name, "avx512") &&
        strstr(bcl_message(), "is not a CPU with avx512_bf16")) {
        print_message("skipped: %s\n", bcl_message());
        return NULL;
    }
    OK(status);
    assert_int_equal(bcl_gemm_precision(gemm), precision);
    /* the name makes it again: `tile` has become the parameters that the device gave it */
    assert_memory_equal(bcl_gemm_name(gemm), name, strlen(name));
    if (!strncmp(name, "tile", 4))
        assert_non_null(strchr(bcl_gemm_name(gemm) + strcspn(bcl_gemm_name(gemm), ":"), 'x'));
    return gemm;
}

static void test_products(void **state) {
    static const struct {
        int M, N, K, gap;
    } shapes[] = {{1, 1, 1, 0},      {7, 7, 7, 0},       {7, 7, 7, 5},      {33, 5, 100, 0},
                  {5, 33, 100, 3},   {100, 5, 33, 1},    {13, 65, 35, 0},   {31, 64, 16, 7},
                  {93, 93, 93, 0},   {144, 144, 144, 3}, {8, 100, 345, 0},  {100, 345, 37, 0},
                  {25, 40, 1031, 0}, {120, 384, 384, 0}, {1570, 33, 20, 1}, {384, 96, 517, 0}};
    (void)state;
    bcl_gemm *gemms[GEMMS] = {0};
    double worst[GEMMS] = {0};
    size_t products = 0;
    bool wanted[BCL_PRECISIONS] = {false};
    for (int g = 0; g < GEMMS; g++) {
        if (kinds[g].always || test_all())
            gemms[g] = make(kinds[g].name, kinds[g].precision);
        wanted[kinds[g].precision] |= gemms[g] != NULL;
    }
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        if ((double)shapes[i].M * shapes[i].N * shapes[i].K > most)
            continue;
        for (int kind = 0; kind < BCL_GEMM_LAYOUTS * BCL_PRECISIONS; kind++) {
            product p;
            const bcl_precision precision = (bcl_precision)(kind % BCL_PRECISIONS);
            if (!wanted[precision])
                continue;
            product_make(&p, shapes[i].M, shapes[i].N, shapes[i].K,
                         (bcl_gemm_layout)(kind / BCL_PRECISIONS), shapes[i].gap, precision);
            for (int mode = 0; mode < 3; mode++)
                for (int g = 0; g < GEMMS; g++) {
                    if (!gemms[g] || kinds[g].precision != precision)
                        continue;
                    p.accumulate = mode == 1;
                    p.bias = mode == 2;
                    p.packed = true;
                    const double s = product_run(&p, gemms[g]);
                    worst[g] = s > worst[g] ? s : worst[g];
                    products++;
                }
            product_free(&p);
        }
    }
    for (int g = 0; g < GEMMS; g++) {
        if (gemms[g])
            print_message("%s: worst share of the limit %.3f\n", kinds[g].name, worst[g]);
        bcl_gemm_free(gemms[g]);
    }
    assert_true(packed_products || most < 1e6);
    print_message("%zu products on %s\n", products, bcl_device_about(device)->id);
}

/* The same call gives the same bits. */
static void repeat(bcl_gemm *gemm) {
    product p;
    const int M = interpreter ? 13 : 131;
    product_make(&p, M, 70, 90, BCL_GEMM_NT, 0, BCL_PRECISION_FP32);
    cl_mem a = upload(p.a, p.a_size), b = upload(p.b, p.b_size), c = upload(p.c0, p.c_size);
    float *again = calloc(p.c_size, sizeof *again);
    assert_non_null(again);
    for (int i = 0; i < 3; i++) {
        const bcl_gemm_call call = plain_call(p.layout, p.M, p.N, p.K, c, a, b);
        OK(bcl_gemm_run(gemm, &call));
        OK(bcl_buffer_read(device, c, 0, i ? again : p.c, p.c_size * sizeof *again, true));
        if (i)
            assert_memory_equal(again, p.c, p.c_size * sizeof *again);
    }
    free(again);
    bcl_buffer_free(device, &c);
    bcl_buffer_free(device, &b);
    bcl_buffer_free(device, &a);
    product_free(&p);
}

static void test_repeatable(void **state) {
    bcl_gemm *best = NULL;
    bcl_gemm *bf16 = test_all() ? make("tile-bf16", BCL_PRECISION_BF16) : NULL;
    (void)state;
    const bool wide = bcl_device_wide(device); /* elsewhere a forced tile compiles for minutes */
    OK(bcl_gemm_create(&best, device, test_all() || !wide ? NULL : "tile:4x5x3",
                       BCL_PRECISION_FP32));
    print_message("best provider: %s\n", bcl_gemm_name(best));
    repeat(best);
    if (bf16)
        repeat(bf16);
    bcl_gemm_free(best);
    bcl_gemm_free(bf16);
}

/* Patterns of 32 bits, as floats: all upper halves, with lower halves on both sides of a tie. */
static float *patterns(size_t *count) {
    static const uint32_t lower[] = {0, 1, 0x7fff, 0x8000, 0x8001, 0xffff};
    const uint32_t step = interpreter ? 509 : 1;
    float *x = calloc(6 * (0x10000 / step + 1), sizeof *x);
    assert_non_null(x);
    *count = 0;
    for (uint32_t upper = 0; upper < 0x10000; upper += step)
        for (size_t i = 0; i < sizeof lower / sizeof *lower; i++) {
            const uint32_t bits = upper << 16 | lower[i];
            memcpy(&x[(*count)++], &bits, sizeof bits);
        }
    return x;
}

/* One operand holds the patterns at place k of K and zeros elsewhere, the other, of `few` rows or
 * columns, ones there: the product is the patterns rounded. */
static void check_rounding(bcl_gemm *gemm, bcl_gemm_layout layout, bool of_a, int K, int k,
                           const float *x, size_t count, int few) {
    const bool along = of_a ? layout != BCL_GEMM_TN : layout == BCL_GEMM_NT; /* K beside K */
    const bool other_along = of_a ? layout == BCL_GEMM_NT : layout != BCL_GEMM_TN;
    const size_t many = count, depth = (size_t)K, at = (size_t)k;
    float *wide = calloc(many * depth, sizeof *wide),
          *thin = calloc((size_t)few * depth, sizeof *thin);
    float *c = calloc(many * (size_t)few, sizeof *c);
    assert_true(wide && thin && c);
    for (size_t i = 0; i < many; i++)
        wide[along ? i * depth + at : at * many + i] = x[i];
    for (size_t i = 0; i < (size_t)few; i++)
        thin[other_along ? i * depth + at : at * (size_t)few + i] = 1;
    cl_mem w = upload(wide, many * depth), t = upload(thin, (size_t)few * depth);
    cl_mem out = upload(c, many * (size_t)few);
    const int M = of_a ? (int)many : few, N = of_a ? few : (int)many;
    const bcl_gemm_call call = plain_call(layout, M, N, K, out, of_a ? w : t, of_a ? t : w);
    OK(bcl_gemm_run(gemm, &call));
    OK(bcl_buffer_read(device, out, 0, c, many * (size_t)few * sizeof *c, true));
    for (size_t i = 0; i < many * (size_t)few; i++) {
        const float from = x[of_a ? i / (size_t)few : i % many], want = nearest_bf16(from);
        /* instructions take numbers below the normal ones for zero */
        const bool right =
            isnan(want) ? isnan(c[i]) : c[i] == want || (c[i] == 0 && fabsf(from) < FLT_MIN);
        if (!right)
            fail_msg("%s %s, operand %c, place %d of %d: %a became %a, expected %a",
                     bcl_gemm_name(gemm), layouts[layout], of_a ? 'A' : 'B', k, K, (double)from,
                     (double)c[i], (double)want);
    }
    bcl_buffer_free(device, &w);
    bcl_buffer_free(device, &t);
    bcl_buffer_free(device, &out);
    free(wide);
    free(thin);
    free(c);
}

static void test_rounding(void **state) {
    static const struct {
        bcl_gemm_layout layout;
        bool of_a;
        int K, k; /* whole vectors, what is left of them, odd ends; both halves of a pair */
    } cases[] = {
        {BCL_GEMM_NN, true, 1, 0},   {BCL_GEMM_NN, true, 33, 6},  {BCL_GEMM_NN, true, 33, 7},
        {BCL_GEMM_NN, true, 33, 32}, {BCL_GEMM_TN, true, 3, 0},   {BCL_GEMM_TN, true, 3, 1},
        {BCL_GEMM_TN, true, 3, 2},   {BCL_GEMM_NN, false, 2, 0},  {BCL_GEMM_NN, false, 2, 1},
        {BCL_GEMM_NN, false, 3, 2},  {BCL_GEMM_NT, false, 33, 4}, {BCL_GEMM_NT, false, 33, 5},
        {BCL_GEMM_NT, false, 33, 32}};
    static const char *const all[] = {"tile-bf16", "tile-bf16:avx512"};
    static const char *const few[] = {"tile-bf16:4x5x3"};
    const char *const *providers = test_all() ? all : few;
    const size_t names = test_all() ? sizeof all / sizeof *all : sizeof few / sizeof *few;
    (void)state;
    assert_true(nearest_bf16(1.00390625f) == 1 && nearest_bf16(1.01171875f) == 1.015625f);
    assert_true(isinf(nearest_bf16(FLT_MAX)) && nearest_bf16(0x1.fep127f) == 0x1.fep127f);
    size_t count;
    float *x = patterns(&count);
    for (size_t i = 0; i < names; i++) {
        bcl_gemm *gemm = make(providers[i], BCL_PRECISION_BF16);
        for (size_t n = 0; gemm && n < sizeof cases / sizeof *cases; n++)
            if (test_all() || cases[n].layout == BCL_GEMM_NN)
                check_rounding(gemm, cases[n].layout, cases[n].of_a, cases[n].K, cases[n].k, x,
                               count, cases[n].of_a ? 1 : 12);
        bcl_gemm_free(gemm);
    }
    free(x);
}

static void expect_resolved(const char *provider, bcl_precision wanted, bcl_precision want,
                            const char *reason) {
    char why[BCL_GEMM_WHY];
    assert_int_equal(bcl_gemm_resolve(why, device, provider, wanted), want);
    if (reason ? !strstr(why, reason) || !strstr(why, "using fp32") : why[0] != 0)
        fail_msg("why: \"%s\", expected %s", why, reason ? reason : "nothing");
}

/* A wish for bf16 comes true where it is forced, or where a tuning has found it the faster. */
static void test_resolve(void **state) {
    const bcl_device_info *about = bcl_device_about(device);
    const char *cache = getenv("BERTCL_CACHE_DIR");
    char *folder = test_folder(), *kept = NULL;
    bcl_gemm_choice choice = {.reason = "no faster than fp32: 50.0 and 60.0 GFLOP/s"};
    bcl_gemm *gemm = NULL;
    (void)state;
    if (cache)
        OK(bcl_strdup(&kept, cache));
    setenv("BERTCL_CACHE_DIR", folder, 1);
    unsetenv("BERTCL_TUNE");
    expect_resolved(NULL, BCL_PRECISION_FP32, BCL_PRECISION_FP32, NULL);
    expect_resolved("tile-bf16", BCL_PRECISION_BF16, BCL_PRECISION_BF16, NULL);
    expect_resolved(NULL, BCL_PRECISION_BF16, BCL_PRECISION_FP32, about->id);
    OK(bcl_gemm_choice_save(NULL, &choice, about, BCL_PRECISION_BF16, NULL));
    expect_resolved(NULL, BCL_PRECISION_BF16, BCL_PRECISION_FP32, "50.0 and 60.0 GFLOP/s");
    strcpy(choice.name, "tile-bf16:4x2x1");
    choice.reason[0] = 0;
    OK(bcl_gemm_choice_save(NULL, &choice, about, BCL_PRECISION_BF16, NULL));
    expect_resolved(NULL, BCL_PRECISION_BF16, BCL_PRECISION_BF16, NULL);
    expect_resolved(NULL, BCL_PRECISION_FP32, BCL_PRECISION_FP32, NULL);
    if (interpreter || (test_all() && most == 1e8)) { /* compiles in seconds */
        OK(bcl_gemm_create(&gemm, device, NULL, BCL_PRECISION_BF16));
        assert_string_equal(bcl_gemm_name(gemm), "tile-bf16:4x2x1");
        bcl_gemm_free(gemm);
    }
    setenv("BERTCL_TUNE", "off", 1);
    expect_resolved(NULL, BCL_PRECISION_BF16, BCL_PRECISION_FP32, about->id);
    unsetenv("BERTCL_TUNE");
    if (kept)
        setenv("BERTCL_CACHE_DIR", kept, 1);
    else
        unsetenv("BERTCL_CACHE_DIR");
    free(kept);
    free(folder);
}

static void test_errors(void **state) {
    (void)state;
    bcl_gemm *gemm = NULL;
    FAILS(bcl_gemm_create(&gemm, device, "cublas", BCL_PRECISION_FP32), BCL_ERROR_ARGUMENT,
          "\"cublas\": unknown; expected one of: tile, clblast, mma, reference");
    FAILS(bcl_gemm_create(&gemm, device, "reference", BCL_PRECISION_BF16), BCL_ERROR_ARGUMENT,
          "computes fp32, not bf16");
    FAILS(bcl_gemm_create(&gemm, device, "tile:5x6x2", BCL_PRECISION_FP32), BCL_ERROR_ARGUMENT,
          "\"tile:5x6x2\"");
    FAILS(bcl_gemm_create(&gemm, device, "tile:8x6", BCL_PRECISION_FP32), BCL_ERROR_ARGUMENT,
          "WIDTHxROWSxVECTORS");
    FAILS(bcl_gemm_create(&gemm, device, "reference:1", BCL_PRECISION_FP32), BCL_ERROR_ARGUMENT,
          "no parameters");
    FAILS(bcl_gemm_create(&gemm, device, "tile-bf16", BCL_PRECISION_FP32), BCL_ERROR_ARGUMENT,
          "computes bf16, not fp32");
    FAILS(bcl_gemm_create(&gemm, device, "tile-bf16:8x6", BCL_PRECISION_BF16), BCL_ERROR_ARGUMENT,
          "\"tile-bf16:8x6\"");
    FAILS(bcl_gemm_create(&gemm, device, "tile-bf16:avx512:8x6x2", BCL_PRECISION_BF16),
          BCL_ERROR_ARGUMENT, "expected WIDTH 16");
    FAILS(bcl_gemm_create(&gemm, device, "tile-bf16:avx512x", BCL_PRECISION_BF16),
          BCL_ERROR_ARGUMENT, "\"tile-bf16:avx512x\"");
    OK(bcl_gemm_create(&gemm, device, "reference", BCL_PRECISION_FP32));
    float x[64] = {0};
    cl_mem b = upload(x, 64);
    const bcl_gemm_call good = plain_call(BCL_GEMM_NN, 8, 8, 8, b, b, b);
    bcl_gemm_call bad = good;
    bad.K = 0;
    FAILS(bcl_gemm_run(gemm, &bad), BCL_ERROR_ARGUMENT, "reference: M 8, N 8, K 0");
    bad = good;
    bad.A.ld = 7;
    FAILS(bcl_gemm_run(gemm, &bad), BCL_ERROR_ARGUMENT,
          "reference: A: found (8,8) f32 with rows 7 elements apart, expected >= 8");
    bad = good;
    bad.B.ld = 9;
    FAILS(bcl_gemm_run(gemm, &bad), BCL_ERROR_ARGUMENT,
          "reference: B: (8,8) f32 needs 71 elements, its buffer has 64");
    bad = good;
    bad.C.buffer = NULL;
    FAILS(bcl_gemm_run(gemm, &bad), BCL_ERROR_ARGUMENT,
          "reference: C: found none, expected (8,8) f32");
    bad = good;
    bad.bias = view_of(b, 8, 1, 8, 8);
    bad.accumulate = true;
    FAILS(bcl_gemm_run(gemm, &bad), BCL_ERROR_ARGUMENT, "bias");
    bad = good;
    bad.A.rows = 7;
    FAILS(bcl_gemm_run(gemm, &bad), BCL_ERROR_ARGUMENT,
          "reference: A: found (7,8) f32, expected (8,8) f32");
    bad = good;
    bad.B.type = BCL_ELEMENT_BF16;
    FAILS(bcl_gemm_run(gemm, &bad), BCL_ERROR_ARGUMENT,
          "reference: B: found (8,8) bf16, expected (8,8) f32");
    bad = good;
    bad.sums = view_of(b, 8, 1, 8, 8);
    FAILS(bcl_gemm_run(gemm, &bad), BCL_ERROR_ARGUMENT, "reference: has no epilogues");
    bcl_buffer_free(device, &b);
    bcl_gemm_free(gemm);
}

/* CLBlast with its own parameters; last, as it cannot go back to its database's. */
#define XGEMM                                                                                      \
    "GEMMK=0,KREG=1,KWG=32,KWI=2,MDIMA=8,MDIMC=8,MWG=32,NDIMB=8,NDIMC=8,NWG=32,SA=1,SB=1,STRM=0,"  \
    "STRN=0,VWM=4,VWN=4"
static void test_clblast_parameters(void **state) {
    static const struct {
        const char *name, *message;
    } wrong[] = {{"clblast:", "found \"\", expected KEY=VALUE"},
                 {"clblast:SPEED=1", "found \"SPEED=1\", expected KEY=VALUE"},
                 {"clblast:KWG", "found \"KWG\", expected KWG to be a number"},
                 {"clblast:KWG=", "found \"KWG=\", expected KWG to be a number"},
                 {"clblast:KWG=-32", "expected KWG to be a number"},
                 {"clblast:KWG=32x", "expected KWG to be a number"},
                 {"clblast:KWG=99999999999999999999", "expected KWG to be a number"},
                 {"clblast:SA=2", "expected SA to be a number of 0 to 1"},
                 {"clblast:KWG=32,KWG=32", "KWG is given twice"},
                 {"clblast:KWG=32,", "found \"\""},
                 {"clblast:KWG=32", "Xgemm lacks its parameter GEMMK"},
                 {"clblast:" XGEMM ",WGD=8", "XgemmDirect lacks its parameter KWID"},
                 {"clblast:GEMMK=0,KREG=1,KWG=32,KWI=3,MDIMA=8,MDIMC=8,MWG=32,NDIMB=8,NDIMC=8,"
                  "NWG=32,SA=1,SB=1,STRM=0,STRN=0,VWM=4,VWN=4",
                  "KWG is 32, expected a multiple of KWI = 3"},
                 {"clblast:GEMMK=0,KREG=1,KWG=32,KWI=2,MDIMA=64,MDIMC=1,MWG=64,NDIMB=8,NDIMC=1,"
                  "NWG=32,SA=1,SB=1,STRM=0,STRN=0,VWM=1,VWN=4",
                  "expected a multiple of MDIMC * NDIMC / MDIMA = 0"},
                 {"clblast:GEMMK=0,KREG=1,KWG=8192,KWI=2,MDIMA=8,MDIMC=8,MWG=8192,NDIMB=8,NDIMC=8,"
                  "NWG=8192,SA=1,SB=1,STRM=0,STRN=0,VWM=4,VWN=4",
                  "bytes of local memory"}};
    static const char *const good = "clblast:" XGEMM ",XGEMM_MIN_INDIRECT_SIZE=1";
    (void)state;
    bcl_gemm *gemm = NULL;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        FAILS(bcl_gemm_create(&gemm, device, wrong[i].name, BCL_PRECISION_FP32), BCL_ERROR_ARGUMENT,
              wrong[i].message);
    if (!test_all())
        return;
    if (interpreter || most < 1e8) {
        print_message("skipped: too slow on this device\n");
        skip();
    }
    OK(bcl_gemm_create(&gemm, device, good, BCL_PRECISION_FP32));
    assert_string_equal(bcl_gemm_name(gemm), good);
    for (int layout = 0; layout < 3; layout++) {
        product p;
        product_make(&p, 33, 65, 100, (bcl_gemm_layout)layout, 3, BCL_PRECISION_FP32);
        for (int mode = 0; mode < 3; mode++) {
            p.accumulate = mode == 1;
            p.bias = mode == 2;
            assert_true(product_run(&p, gemm) <= 1);
        }
        product_free(&p);
    }
    bcl_gemm_free(gemm);
    FAILS(bcl_gemm_create(&gemm, device, "clblast", BCL_PRECISION_FP32), BCL_ERROR_ARGUMENT,
          "cannot go back");
}

/* The comparator itself: it must see what it is there for. */
static void test_comparator(void **state) {
    (void)state;
    assert_true(share(NAN, 1, 1) > 1);
    assert_true(share(1, NAN, 1) > 1);
    assert_true(share(INFINITY, 1, 1) > 1);
    assert_true(share(1.00001f, 1, 1) > 1);
    assert_true(share(1, 1, 1) == 0);
}

int main(void) {
    if (test_device_open())
        return test_device_code;
    device = test_device;
    interpreter = !strncmp(bcl_device_about(device)->id, "oclgrind", 8);
    most = interpreter ? 1e5 : bcl_device_about(device)->float_vector == 1 ? 1e5 : 1e8;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_comparator),        cmocka_unit_test(test_products),
        cmocka_unit_test(test_repeatable),        cmocka_unit_test(test_rounding),
        cmocka_unit_test(test_resolve),           cmocka_unit_test(test_errors),
        cmocka_unit_test(test_clblast_parameters)};
    return test_device_close(cmocka_run_group_tests(tests, NULL, NULL));
}
