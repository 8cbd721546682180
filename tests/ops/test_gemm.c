/* Every GEMM provider and layout against a double-precision product: odd shapes, rows further apart
 * than they are long, C set and added to, bias; what lies between and around the matrices is NaN
 * where it must not be read and a mark where it must not be written. */
#include "support/support.h"
#include "ops/gemm/gemm.h"

#include <math.h>
#include <string.h>

static const float MARK = -12345.5f;
static const double ATOL = 1e-6, RTOL = 5e-7; /* of sum |a| |b| */

static bcl_device *device;
static bool interpreter;
static double most; /* multiplications of a product, so that a slow device ends in time */

static const char *const names[] = {"reference",  "clblast",    "tile",
                                    "tile:8x6x2", "tile:4x5x3", "tile:16x8x3"};
enum { GEMMS = sizeof names / sizeof *names };
static const char *const layouts[] = {"NN", "NT", "TN"};

/* |got - want| as a share of the limit; a NaN is beyond every limit. */
static double share(float got, double want, double magnitude) {
    const double s = fabs(got - want) / (ATOL + RTOL * magnitude);
    return s >= 0 ? s : HUGE_VAL;
}

typedef struct product {
    int M, N, K, lda, ldb, ldc;
    bcl_gemm_layout layout;
    bool accumulate, bias;
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

static void product_make(product *p, int M, int N, int K, bcl_gemm_layout layout, int gap) {
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
            const double a = p->a[m * am + k * ak];
            for (size_t i = m * (size_t)N, j = 0; j < (size_t)N; j++) {
                const double x = a * p->b[k * bk + j * bn];
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
    const bcl_gemm_call call = {.layout = p->layout,
                                .M = p->M,
                                .N = p->N,
                                .K = p->K,
                                .lda = p->lda,
                                .ldb = p->ldb,
                                .ldc = p->ldc,
                                .accumulate = p->accumulate,
                                .C = view,
                                .A = a,
                                .B = b,
                                .bias = p->bias ? v : NULL};
    OK(bcl_gemm_run(gemm, &call));
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
    for (int g = 0; g < GEMMS; g++) {
        /* forced tiles on a device of scalar lanes (llvmpipe) compile for minutes, and none is its
         * default */
        if ((interpreter && !strcmp(names[g], "clblast")) ||
            (!interpreter && most < 1e8 && !strncmp(names[g], "tile:", 5)))
            continue;
        OK(bcl_gemm_create(&gemms[g], device, names[g], BCL_PRECISION_FP32));
        /* the name makes it again: `tile` has become the parameters that the device gave it */
        assert_memory_equal(bcl_gemm_name(gemms[g]), names[g], strlen(names[g]));
        if (!strcmp(names[g], "tile"))
            assert_non_null(strchr(bcl_gemm_name(gemms[g]), 'x'));
    }
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        if ((double)shapes[i].M * shapes[i].N * shapes[i].K > most)
            continue;
        for (int layout = 0; layout < 3; layout++) {
            product p;
            product_make(&p, shapes[i].M, shapes[i].N, shapes[i].K, (bcl_gemm_layout)layout,
                         shapes[i].gap);
            for (int mode = 0; mode < 3; mode++)
                for (int g = 0; g < GEMMS; g++) {
                    if (!gemms[g])
                        continue;
                    p.accumulate = mode == 1;
                    p.bias = mode == 2;
                    const double s = product_run(&p, gemms[g]);
                    worst[g] = s > worst[g] ? s : worst[g];
                    products++;
                }
            product_free(&p);
        }
    }
    for (int g = 0; g < GEMMS; g++) {
        if (gemms[g])
            print_message("%s: worst share of the limit %.3f\n", names[g], worst[g]);
        else
            print_message("%s: skipped, too slow on this device\n", names[g]);
        bcl_gemm_free(gemms[g]);
    }
    print_message("%zu products on %s\n", products, bcl_device_about(device)->id);
}

/* The same call gives the same bits. */
static void test_repeatable(void **state) {
    (void)state;
    bcl_gemm *gemm = NULL;
    product p;
    const int M = interpreter ? 13 : 131;
    product_make(&p, M, 70, 90, BCL_GEMM_NT, 0);
    OK(bcl_gemm_create(&gemm, device, NULL, BCL_PRECISION_FP32));
    print_message("best provider: %s\n", bcl_gemm_name(gemm));
    cl_mem a = upload(p.a, p.a_size), b = upload(p.b, p.b_size), c = upload(p.c0, p.c_size);
    float *again = calloc(p.c_size, sizeof *again);
    assert_non_null(again);
    for (int i = 0; i < 3; i++) {
        const bcl_gemm_call call = {.layout = p.layout,
                                    .M = p.M,
                                    .N = p.N,
                                    .K = p.K,
                                    .lda = p.lda,
                                    .ldb = p.ldb,
                                    .ldc = p.ldc,
                                    .C = c,
                                    .A = a,
                                    .B = b};
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
    bcl_gemm_free(gemm);
}

static void test_errors(void **state) {
    (void)state;
    bcl_gemm *gemm = NULL;
    FAILS(bcl_gemm_create(&gemm, device, "cublas", BCL_PRECISION_FP32), BCL_ERROR_ARGUMENT,
          "\"cublas\": unknown; expected one of: tile, clblast, reference");
    FAILS(bcl_gemm_create(&gemm, device, "reference", BCL_PRECISION_BF16), BCL_ERROR_ARGUMENT,
          "computes fp32, not bf16");
    FAILS(bcl_gemm_create(&gemm, device, "tile:5x6x2", BCL_PRECISION_FP32), BCL_ERROR_ARGUMENT,
          "\"tile:5x6x2\"");
    FAILS(bcl_gemm_create(&gemm, device, "tile:8x6", BCL_PRECISION_FP32), BCL_ERROR_ARGUMENT,
          "WIDTHxROWSxVECTORS");
    FAILS(bcl_gemm_create(&gemm, device, "reference:1", BCL_PRECISION_FP32), BCL_ERROR_ARGUMENT,
          "no parameters");
    OK(bcl_gemm_create(&gemm, device, "reference", BCL_PRECISION_FP32));
    float x[64] = {0};
    cl_mem b = upload(x, 64);
    const bcl_gemm_call good = {
        .M = 8, .N = 8, .K = 8, .lda = 8, .ldb = 8, .ldc = 8, .C = b, .A = b, .B = b};
    bcl_gemm_call bad = good;
    bad.K = 0;
    FAILS(bcl_gemm_run(gemm, &bad), BCL_ERROR_ARGUMENT, "M 8, N 8, K 0");
    bad = good;
    bad.lda = 7;
    FAILS(bcl_gemm_run(gemm, &bad), BCL_ERROR_ARGUMENT, "A (8,8) has rows 7 elements apart");
    bad = good;
    bad.ldb = 9;
    FAILS(bcl_gemm_run(gemm, &bad), BCL_ERROR_ARGUMENT, "needs 284 bytes, its buffer has 256");
    bad = good;
    bad.C = NULL;
    FAILS(bcl_gemm_run(gemm, &bad), BCL_ERROR_ARGUMENT, "C has no buffer");
    bad = good;
    bad.bias = b;
    bad.accumulate = true;
    FAILS(bcl_gemm_run(gemm, &bad), BCL_ERROR_ARGUMENT, "bias");
    bcl_buffer_free(device, &b);
    bcl_gemm_free(gemm);
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
    const bcl_status status = bcl_device_open(&device, getenv("BERTCL_DEVICE"), false);
    if (status == BCL_ERROR_NO_DEVICE) {
        printf("skipped: %s\n", bcl_message());
        return 77;
    }
    if (status) {
        fprintf(stderr, "%s\n", bcl_message());
        return 1;
    }
    interpreter = !strncmp(bcl_device_about(device)->id, "oclgrind", 8);
    most = interpreter ? 1e5 : bcl_device_about(device)->float_vector == 1 ? 1e5 : 1e8;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_comparator), cmocka_unit_test(test_products),
        cmocka_unit_test(test_repeatable), cmocka_unit_test(test_errors)};
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    bcl_device_free(device);
    return failed;
}
