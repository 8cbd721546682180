/* Products on matrix units, every vendor's fragments emulated: all layouts, tiles that end within
 * the matrix, odd sizes, rows further apart, C added to, bias, GELU both ways, sums of columns, K
 * in parts; against double precision, of operands rounded as the unit rounds them. Both gradients
 * of a layer in one launch, as in two. Guards around every output. */
#include "support/device.h"
#include "support/support.h"
#include "ocl/internal.h"
#include "ops/ops.h"

#include <math.h>
#include <string.h>

static const float MARK = -12345.5f;
static const double ATOL = 1e-6, RTOL = 5e-7; /* of sum |a| |b| */
/* GELU and its derivative bend an error of the product by at most 1.13, and have their own */
static const double EPILOGUE = 2, EPILOGUE_ATOL = 2e-6;

static const struct subject {
    const char *name;
    bcl_precision precision;
    bool always; /* else only where $BERTCL_TEST_MMA names it */
} subjects[] = {
    {"mma:emulated-nvidia:32x32x16x16x3", BCL_PRECISION_FP32, true},
    {"mma:emulated-nvidia:64x64x32x32x2", BCL_PRECISION_FP32, false},
    {"mma:emulated-cdna:64x32x32x16x2", BCL_PRECISION_FP32, false},
    {"mma-tf32:emulated-nvidia:32x32x32x16x4", BCL_PRECISION_TF32, false},
    {"mma-bf16:emulated-nvidia:64x64x32x32x2", BCL_PRECISION_BF16, false},
    {"mma-bf16:emulated-nvidia:32x128x16x64x2", BCL_PRECISION_BF16, false},
    {"mma-fp16:emulated-nvidia:32x32x16x32x2", BCL_PRECISION_FP16, false},
    {"mma-bf16:emulated-rdna3:64x32x16x32x2", BCL_PRECISION_BF16, false},
    {"mma-fp16:emulated-rdna3:32x32x32x16x2", BCL_PRECISION_FP16, false},
    {"mma-bf16:emulated-rdna4:32x32x16x16x2", BCL_PRECISION_BF16, false},
    {"mma-fp16:emulated-rdna4:32x64x16x32x2", BCL_PRECISION_FP16, false},
    {"mma-bf16:emulated-cdna:64x64x32x32x2", BCL_PRECISION_BF16, false},
    {"mma-fp16:emulated-cdna:64x32x64x32x2", BCL_PRECISION_FP16, false},
    {"mma-bf16:emulated-intel8:32x32x16x16x2", BCL_PRECISION_BF16, false},
    {"mma-fp16:emulated-intel8:32x32x8x8x2", BCL_PRECISION_FP16, false},
    {"mma-bf16:emulated-intel16:32x64x16x32x2", BCL_PRECISION_BF16, false},
    {"mma-fp16:emulated-intel16:64x32x8x16x2", BCL_PRECISION_FP16, false},
};
enum { SUBJECTS = sizeof subjects / sizeof *subjects };

typedef enum mode { PLAIN, ADDED, BIAS, FUSED, MODES } mode;

/* x with `bits` of mantissa, to nearest; of two as near the one away from 0, or the even one. */
static double round_to(double x, int bits, bool even) {
    int exponent;
    if (x == 0)
        return x;
    const double scaled = ldexp(frexp(x, &exponent), bits);
    const double rounded = even ? nearbyint(scaled) : round(scaled);
    return ldexp(rounded, exponent - bits);
}

static double operand(float x, bcl_precision precision) {
    switch (precision) {
    case BCL_PRECISION_BF16:
        return round_to(x, 8, true);
    case BCL_PRECISION_FP16: /* no number here is so small that it is denormal */
        return round_to(x, 11, true);
    case BCL_PRECISION_TF32:
        return round_to(x, 11, false);
    default:
        return x;
    }
}

typedef struct shape {
    int M, N, K, gap;
} shape;

typedef struct buffers {
    float *a, *b, *c, *e, *bias, *sums;
    int lda, ldb, ldc;
    size_t a_size, b_size, c_size;
    bcl_view A, B, C, E, V, S;
} buffers;

static float *numbers(size_t count, uint64_t seed) {
    float *x = random_floats(count, 1, seed);
    for (size_t i = 0; i < count; i++) /* far from what fp16 cannot hold */
        if (fabsf(x[i]) < 1e-3f)
            x[i] = 1e-3f;
    return x;
}

static bool is_half(bcl_precision precision) {
    return precision == BCL_PRECISION_BF16 || precision == BCL_PRECISION_FP16;
}

/* A matrix as fp32, or `raw`: as the unit takes it. */
static bcl_view operands(const float *x, int rows, int columns, int ld, bcl_precision precision,
                         bool raw) {
    bcl_view view;
    if (!raw) {
        view = guard_floats(rows, ld, x);
        view.columns = columns;
        return view;
    }
    const bcl_element type = precision == BCL_PRECISION_BF16 ? BCL_ELEMENT_BF16 : BCL_ELEMENT_F16;
    const int count = rows * ld;
    uint16_t *halves = calloc((size_t)count, sizeof *halves);
    assert_non_null(halves);
    for (int i = 0; i < count; i++)
        halves[i] = rounded_half(x[i], type);
    view = guard_halves(type, rows, ld, halves);
    view.columns = columns;
    free(halves);
    return view;
}

/* Which operands are as the unit takes them. */
typedef enum raws { NEITHER, BOTH, WEIGHTS, RAWS } raws;

static void make(buffers *x, shape s, bcl_gemm_layout layout, mode m, bcl_precision precision,
                 raws raw) {
    const bool tn = layout == BCL_GEMM_TN, nt = layout == BCL_GEMM_NT;
    x->lda = (tn ? s.M : s.K) + s.gap;
    x->ldb = (nt ? s.K : s.N) + 2 * s.gap;
    x->ldc = s.N + s.gap;
    x->a_size = (size_t)((tn ? s.K : s.M) * x->lda);
    x->b_size = (size_t)((nt ? s.N : s.K) * x->ldb);
    x->c_size = (size_t)(s.M * x->ldc);
    x->a = numbers(x->a_size, 1);
    x->b = numbers(x->b_size, 2);
    x->c = numbers(x->c_size, 3);
    x->e = numbers(x->c_size, 4);
    x->bias = numbers((size_t)s.N, 5);
    x->sums = numbers((size_t)s.N, 6);
    x->A = operands(x->a, tn ? s.K : s.M, tn ? s.M : s.K, x->lda, precision, raw == BOTH);
    x->B = operands(x->b, nt ? s.N : s.K, nt ? s.K : s.N, x->ldb, precision, raw != NEITHER);
    x->V = guard_floats(1, s.N, x->bias);
    float *nothing = calloc(x->c_size, sizeof *nothing);
    assert_non_null(nothing);
    for (size_t i = 0; i < x->c_size; i++) /* what is between the rows stays as it is */
        nothing[i] = (int)(i % (size_t)x->ldc) < s.N ? NAN : MARK;
    if (m != ADDED)
        memcpy(x->c, nothing, x->c_size * sizeof *nothing);
    x->C = guard_floats(s.M, x->ldc, x->c);
    x->E = guard_floats(s.M, x->ldc, layout == BCL_GEMM_NN ? nothing : x->e);
    x->C.columns = x->E.columns = s.N;
    x->S = guard_floats(1, s.N, x->sums);
    free(nothing);
}

static void drop(buffers *x) {
    float *host[] = {x->a, x->b, x->c, x->e, x->bias, x->sums};
    guards_end();
    for (size_t i = 0; i < sizeof host / sizeof *host; i++)
        free(host[i]);
}

static double gelu(double x) {
    return 0.5 * x * erfc(-x / sqrt(2.0));
}
static double gelu_slope(double x) {
    return 0.5 * erfc(-x / sqrt(2.0)) + x * exp(-x * x / 2) / sqrt(2 * acos(-1.0));
}

static double worst;

static void judge(const char *what, const bcl_gemm *gemm, shape s, float got, double want,
                  double limit) {
    const double share = fabs(got - want) / limit;
    if (!(share <= 1))
        fail_msg("%s %s (%d,%d,%d): %.9g, expected %.9g, %.3g of the limit", bcl_gemm_name(gemm),
                 what, s.M, s.N, s.K, got, want, share);
    worst = share > worst ? share : worst;
}

/* Element (m,n) of the product, and the sum of its magnitudes. */
static double element(double *magnitude, const buffers *x, shape s, bcl_gemm_layout layout,
                      bcl_precision precision, int m, int n) {
    double sum = 0;
    *magnitude = 0;
    for (int k = 0; k < s.K; k++) {
        const double a =
            operand(layout == BCL_GEMM_TN ? x->a[k * x->lda + m] : x->a[m * x->lda + k], precision);
        const double b =
            operand(layout == BCL_GEMM_NT ? x->b[n * x->ldb + k] : x->b[k * x->ldb + n], precision);
        sum += a * b;
        *magnitude += fabs(a * b);
    }
    return sum;
}

static void check(const buffers *x, const bcl_gemm *gemm, shape s, bcl_gemm_layout layout, mode m,
                  bcl_precision precision, const float *out, const float *e) {
    for (int i = 0; i < s.M; i++)
        for (int n = 0; n < x->ldc; n++) {
            const size_t at = (size_t)(i * x->ldc + n);
            double magnitude;
            if (n >= s.N) { /* between the rows */
                assert_true(out[at] == x->c[at]);
                continue;
            }
            double want = element(&magnitude, x, s, layout, precision, i, n);
            want += m == ADDED ? x->c[at] : m == BIAS ? x->bias[n] : 0;
            double limit = ATOL + RTOL * (magnitude + 3);
            if (m == FUSED && layout == BCL_GEMM_NN)
                judge("GELU", gemm, s, e[at], gelu(want), EPILOGUE * limit + EPILOGUE_ATOL);
            if (m == FUSED && layout == BCL_GEMM_NT) {
                want *= gelu_slope(x->e[at]);
                limit = EPILOGUE * limit + EPILOGUE_ATOL * (1 + magnitude);
            }
            judge("C", gemm, s, out[at], want, limit);
        }
}

static void check_sums(const buffers *x, const bcl_gemm *gemm, shape s, bool added,
                       bcl_precision precision, const float *sums) {
    for (int n = 0; n < s.N; n++) {
        double want = added ? x->sums[n] : 0, magnitude = 0;
        for (int k = 0; k < s.K; k++) {
            /* fp32 numbers are summed as they are, whatever the unit rounds them to */
            const float b = x->b[k * x->ldb + n];
            want += precision == BCL_PRECISION_TF32 ? b : operand(b, precision);
            magnitude += fabsf(b);
        }
        judge("sums", gemm, s, sums[n], want, ATOL + RTOL * (magnitude + 3));
    }
}

/* With what lies between the rows. */
static float *read_whole(bcl_view view) {
    view.columns = view.ld;
    return read_floats(view);
}

/* A device whose groups are too small for the subject's tile is a skip. */
static void need_groups(int i) {
    const float one = 1;
    bcl_gemm *gemm = NULL;
    const bcl_gemm_call call = {.layout = BCL_GEMM_NN,
                                .M = 1,
                                .N = 1,
                                .K = 1,
                                .C = guard_floats(1, 1, NULL),
                                .A = guard_floats(1, 1, &one),
                                .B = guard_floats(1, 1, &one)};
    OK(bcl_gemm_create(&gemm, test_device, subjects[i].name, subjects[i].precision));
    const bcl_status status = bcl_gemm_run(gemm, &call);
    bcl_gemm_free(gemm);
    guards_end();
    if (status == BCL_ERROR_UNSUPPORTED && strstr(bcl_message(), "runs in groups of at most")) {
        printf("skipped: %s\n", bcl_message());
        skip();
    }
    OK(status);
}

static void compare_half(const buffers *x, bcl_view got, const float *want, shape s) {
    const int count = s.M * x->ldc;
    uint16_t *bits = read_halves(bcl_view_as(got, s.M, x->ldc));
    for (int i = 0; i < count; i++) {
        const float right = i % x->ldc < s.N ? want[i] : MARK; /* between the rows */
        assert_int_equal(bits[i], rounded_half(right, got.type));
    }
    free(bits);
}

/* The same product with its result in 16 bits, which is the fp32 result's, rounded. */
static void run_half(const buffers *x, bcl_gemm *gemm, shape s, bcl_gemm_call call,
                     bcl_precision precision, const float *c, const float *e) {
    float *nothing = calloc(x->c_size, sizeof *nothing);
    assert_non_null(nothing);
    for (size_t i = 0; i < x->c_size; i++)
        nothing[i] = MARK;
    bcl_view half = operands(nothing, s.M, s.N, x->ldc, precision, true);
    const bool gelu = call.epilogue == BCL_GEMM_GELU;
    *(gelu ? &call.E : &call.C) = half;
    if (call.accumulate) {
        assert_int_equal(bcl_gemm_run(gemm, &call), BCL_ERROR_ARGUMENT);
        assert_non_null(strstr(bcl_message(), "C: found "));
    } else {
        OK(bcl_gemm_run(gemm, &call));
        compare_half(x, half, gelu ? e : c, s);
    }
    if (gelu) { /* alone */
        call.E = half = operands(nothing, s.M, s.N, x->ldc, precision, true);
        call.C = (bcl_view){0};
        OK(bcl_gemm_run(gemm, &call));
        compare_half(x, half, e, s);
    }
    free(nothing);
}

/* GELU over what it is taken of. */
static void run_in_place(const buffers *x, bcl_gemm *gemm, bcl_gemm_call call, const float *e) {
    call.C = call.E = x->C;
    OK(bcl_gemm_run(gemm, &call));
    float *got = read_whole(x->C);
    assert_memory_equal(got, e, x->c_size * sizeof *got);
    free(got);
}

static void run(bcl_gemm *gemm, shape s, bcl_gemm_layout layout, mode m, bcl_precision precision,
                raws raw) {
    buffers x = {0};
    const bool sums = layout == BCL_GEMM_TN && m != PLAIN && m != BIAS;
    make(&x, s, layout, m, precision, raw);
    const bool fused = m == FUSED && layout != BCL_GEMM_TN;
    bcl_gemm_call call = {.layout = layout,
                          .M = s.M,
                          .N = s.N,
                          .K = s.K,
                          .accumulate = m == ADDED,
                          .C = x.C,
                          .A = x.A,
                          .B = x.B};
    if (m == BIAS)
        call.bias = x.V;
    if (sums)
        call.sums = x.S;
    if (fused) {
        call.epilogue = layout == BCL_GEMM_NN ? BCL_GEMM_GELU : BCL_GEMM_GELU_BACKWARD;
        call.E = x.E;
    }
    OK(bcl_gemm_run(gemm, &call));
    float *out = read_whole(x.C), *e = read_whole(x.E);
    float *got = read_floats(x.S);
    check(&x, gemm, s, layout, m, precision, out, e);
    if (sums)
        check_sums(&x, gemm, s, m == ADDED, precision, got);
    else
        assert_memory_equal(got, x.sums, (size_t)s.N * sizeof *got);
    if (m == PLAIN) { /* the same bits once more */
        OK(bcl_gemm_run(gemm, &call));
        float *again = read_whole(x.C);
        assert_memory_equal(again, out, x.c_size * sizeof *again);
        free(again);
    }
    if (raw == WEIGHTS && m == PLAIN) { /* and of weights that are rounded on their way */
        call.B = operands(x.b, x.B.rows, x.B.columns, x.ldb, precision, false);
        OK(bcl_gemm_run(gemm, &call));
        float *again = read_whole(x.C);
        assert_memory_equal(again, out, x.c_size * sizeof *again);
        free(again);
    }
    const bool quick = s.M * s.N * s.K < 96 * 128 * 64; /* of the shapes all but the slowest */
    if (quick && raw == BOTH && is_half(precision) && layout != BCL_GEMM_TN && m != BIAS)
        run_half(&x, gemm, s, call, precision, out, e);
    if (quick && raw != WEIGHTS && fused && layout == BCL_GEMM_NN)
        run_in_place(&x, gemm, call, e);
    free(out);
    free(e);
    free(got);
    drop(&x);
}

static void test_units(void **state) {
    static const shape shapes[] = {{1, 1, 1, 0},    {7, 9, 5, 0},     {33, 40, 72, 8},
                                   {65, 48, 33, 3}, {96, 128, 64, 0}, {40, 24, 712, 0}};
    const char *only = getenv("BERTCL_TEST_MMA"); /* a part of a name */
    int products = 0;
    (void)state;
    for (int i = 0; i < SUBJECTS; i++) {
        bcl_gemm *gemm = NULL;
        if (only ? !strstr(subjects[i].name, only) : !subjects[i].always)
            continue;
        need_groups(i);
        OK(bcl_gemm_create(&gemm, test_device, subjects[i].name, subjects[i].precision));
        assert_string_equal(bcl_gemm_name(gemm), subjects[i].name);
        worst = 0;
        for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++)
            for (int layout = 0; layout < BCL_GEMM_LAYOUTS; layout++)
                for (int m = 0; m < MODES; m++) {
                    if (test_small && (shapes[k].M > 40 || shapes[k].K > 100))
                        continue;
                    if (!only && k != 2 && (k != 1 || !test_all()))
                        continue;
                    if (!only && !test_all() && layout == BCL_GEMM_NT)
                        continue;
                    const bcl_precision precision = subjects[i].precision;
                    for (int raw = 0; raw < (is_half(precision) ? RAWS : BOTH); raw++) {
                        if (raw == WEIGHTS && layout == BCL_GEMM_TN)
                            continue; /* has none */
                        run(gemm, shapes[k], (bcl_gemm_layout)layout, (mode)m, precision,
                            (raws)raw);
                        products++;
                    }
                }
        print_message("%s: worst share of the limit %.3f\n", subjects[i].name, worst);
        bcl_gemm_free(gemm);
    }
    print_message("%d products\n", products);
}

/* ---- both gradients of a layer ---- */

typedef struct layer {
    int T, M, N; /* Y (T,N) = X (T,M) W (M,N) */
    bool add_dx, add_dw, gelu, sums;
} layer;

typedef struct layer_outputs {
    bcl_view dx, dw, db;
} layer_outputs;

static void run_layer(bcl_gemm *gemm, const layer *l, const layer_outputs *out, bcl_view dy,
                      bcl_view x, bcl_view w, bcl_view pre, bool joined) {
    const bcl_view none = {0};
    const bcl_gemm_call dx = {.layout = BCL_GEMM_NT,
                              .M = l->T,
                              .N = l->M,
                              .K = l->N,
                              .accumulate = l->add_dx,
                              .C = out->dx,
                              .A = dy,
                              .B = w,
                              .epilogue = l->gelu ? BCL_GEMM_GELU_BACKWARD : BCL_GEMM_PLAIN,
                              .E = pre};
    const bcl_gemm_call dw = {.layout = BCL_GEMM_TN,
                              .M = l->M,
                              .N = l->N,
                              .K = l->T,
                              .accumulate = l->add_dw,
                              .C = out->dw,
                              .A = x,
                              .B = dy,
                              .sums = l->sums ? out->db : none};
    if (joined) {
        OK(bcl_gemm_run_gradients(gemm, &dx, &dw));
    } else {
        OK(bcl_gemm_run(gemm, &dx));
        OK(bcl_gemm_run(gemm, &dw));
    }
}

/* In one launch as in two, to the bit. */
static void check_layer(bcl_gemm *gemm, const layer *l, bcl_precision precision, bool half) {
    float *dy = numbers((size_t)(l->T * l->N), 1), *x = numbers((size_t)(l->T * l->M), 2),
          *w = numbers((size_t)(l->M * l->N), 3), *pre = numbers((size_t)(l->T * l->M), 4),
          *dx = numbers((size_t)(l->T * l->M), 5), *dw = numbers((size_t)(l->M * l->N), 6),
          *db = numbers((size_t)l->N, 7);
    const bcl_view DY = guard_floats(l->T, l->N, dy), X = guard_floats(l->T, l->M, x),
                   W = operands(w, l->M, l->N, l->N, precision, half),
                   PRE = guard_floats(l->T, l->M, pre);
    float *got[2][3];
    for (int joined = 0; joined < 2; joined++) {
        const layer_outputs out = {guard_floats(l->T, l->M, l->add_dx ? dx : NULL),
                                   guard_floats(l->M, l->N, l->add_dw ? dw : NULL),
                                   guard_floats(1, l->N, db)};
        run_layer(gemm, l, &out, DY, X, W, PRE, joined);
        got[joined][0] = read_floats(out.dx);
        got[joined][1] = read_floats(out.dw);
        got[joined][2] = read_floats(out.db);
    }
    const int sizes[] = {l->T * l->M, l->M * l->N, l->N};
    for (int i = 0; i < 3; i++) {
        assert_memory_equal(got[0][i], got[1][i], (size_t)sizes[i] * sizeof(float));
        for (int k = 0; k < sizes[i]; k++)
            assert_false(isnan(got[1][i][k]));
        free(got[0][i]);
        free(got[1][i]);
    }
    float *const host[] = {dy, x, w, pre, dx, dw, db};
    for (size_t i = 0; i < sizeof host / sizeof *host; i++)
        free(host[i]);
    guards_end();
}

static void test_gradients(void **state) {
    static const layer layers[] = {
        {33, 40, 72, false, false, false, true}, {40, 24, 712, true, true, false, true},
        {7, 9, 5, false, false, true, false},    {65, 48, 40, false, true, true, true},
        {712, 24, 40, true, true, false, true},  {1, 1, 1, false, false, false, true},
    };
    const char *only = getenv("BERTCL_TEST_MMA");
    const uint32_t had = test_device->info.compute_units;
    (void)state;
    for (int i = 0; i < SUBJECTS; i++) {
        bcl_gemm *gemm = NULL;
        const bcl_precision precision = subjects[i].precision;
        const bool half = precision == BCL_PRECISION_BF16 || precision == BCL_PRECISION_FP16;
        if (only ? !strstr(subjects[i].name, only) : !subjects[i].always)
            continue;
        need_groups(i);
        test_device->info.compute_units = 132; /* so that K is cut */
        OK(bcl_gemm_create(&gemm, test_device, subjects[i].name, precision));
        assert_true(bcl_gemm_joins_gradients(gemm));
        for (size_t k = 0; k < sizeof layers / sizeof *layers; k++) {
            if ((!only && !test_all() && k > 1) || (test_small && k != 2))
                continue;
            for (int raw = 0; raw <= half; raw++)
                check_layer(gemm, &layers[k], precision, raw);
        }
        bcl_gemm_free(gemm);
        test_device->info.compute_units = had;
    }
}

/* ---- a product in parts, and LayerNorm behind it ---- */

enum { REST_C = 24, REST_F = 1112, REST_OUTPUTS = 6, REST_STRIDE = 4096 /* bytes */ };

/* A matrix between guard zones, f32 or bf16. */
static bcl_view rest_output(int rows, int columns, bool halves) {
    return halves ? guard_halves(BCL_ELEMENT_BF16, rows, columns, NULL)
                  : guard_floats(rows, columns, NULL);
}

/* Forward, its products by 132 units, as one operation or as two, with a copy of y in 16 bits or
 * without; out: y, r, mean, rstd. */
static void rest_forward(float *out[], bcl_ops *ops, const test_batch *b, bool joined,
                         bool halves) {
    const int T = b->host.T, C = REST_C, F = REST_F;
    const bcl_dropout dropout = {0.1f, bcl_site(1, BCL_SITE_FIRST), {3, 4}};
    float *a = numbers((size_t)(T * F), 1), *x = numbers((size_t)(T * C), 2),
          *w = numbers((size_t)(F * C), 3), *v = numbers((size_t)(3 * C), 4);
    const bcl_view A = guard_floats(T, F, a), X = guard_floats(T, C, x), W = guard_floats(F, C, w),
                   bias = guard_floats(1, C, v), gamma = guard_floats(1, C, v + C),
                   beta = guard_floats(1, C, v + 2 * C), y = guard_floats(T, C, NULL),
                   r = guard_floats(T, C, NULL), mean = guard_floats(T, 1, NULL),
                   rstd = guard_floats(T, 1, NULL);
    const bcl_view copy = halves ? rest_output(T, C, true) : (bcl_view){0};
    if (joined) {
        OK(bcl_linear_layernorm_forward(ops, y, copy, r, mean, rstd, A, X, W, bias, gamma, beta,
                                        &b->device, F, C, 1e-5f, dropout));
    } else {
        OK(bcl_linear_forward(ops, r, A, W, bias, T, F, C));
        OK(bcl_residual_layernorm_forward(ops, y, copy, r, mean, rstd, X, gamma, beta, &b->device,
                                          C, 1e-5f, dropout));
    }
    if (halves)
        compare_rounded("a copy", copy, y);
    const bcl_view views[] = {y, r, mean, rstd};
    for (int i = 0; i < 4; i++)
        out[i] = read_floats(views[i]);
    guards_end();
    float *const host[] = {a, x, w, v};
    for (int i = 0; i < 4; i++)
        free(host[i]);
}

/* With dh in 16 bits or not; out: dr, dh, dgamma and dbeta, dw, db. */
static void rest_backward(float *out[], bcl_ops *ops, const test_batch *b, bool joined,
                          bool halves) {
    const int T = b->host.T, C = REST_C, N = REST_F;
    const bcl_dropout dropout = {0.1f, bcl_site(1, BCL_SITE_FIRST), {3, 4}};
    float *du = numbers((size_t)(T * N), 1), *rows = numbers((size_t)(4 * T * C), 2),
          *w = numbers((size_t)(C * N), 3), *v = numbers((size_t)(C + 2 * T), 4);
    const size_t n = (size_t)(T * C);
    const bcl_view DU = guard_floats(T, N, du), y = guard_floats(T, C, rows),
                   r = guard_floats(T, C, rows + n), dy = guard_floats(T, C, rows + 2 * n),
                   W = guard_floats(C, N, w), gamma = guard_floats(1, C, v),
                   mean = guard_floats(T, 1, v + C), rstd = guard_floats(T, 1, v + C + T),
                   dh = rest_output(T, C, halves), dw = guard_floats(C, N, NULL),
                   db = guard_floats(1, N, NULL),
                   both = guard_floats(2, REST_STRIDE / (int)sizeof(float), NULL);
    bcl_view dgamma, dbeta; /* in one buffer: only such sums are taken in parts */
    OK(bcl_view_cut(&dgamma, both.root, both.offset, BCL_ELEMENT_F32, 1, C));
    OK(bcl_view_cut(&dbeta, both.root, both.offset + REST_STRIDE, BCL_ELEMENT_F32, 1, C));
    if (joined) {
        OK(bcl_layernorm_linear_backward(ops, dy, dh, dgamma, dbeta, dw, db, dy, DU, y, r, mean,
                                         rstd, gamma, W, &b->device, C, N, dropout));
    } else {
        OK(bcl_linear_backward(ops, dy, dw, db, DU, y, W, T, C, N, true));
        OK(bcl_residual_layernorm_backward(ops, dy, dh, dgamma, dbeta, dy, r, mean, rstd, gamma,
                                           &b->device, C, dropout));
    }
    const bcl_view views[] = {dy, dh, dgamma, dbeta, dw, db};
    for (int i = 0; i < REST_OUTPUTS; i++)
        out[i] =
            views[i].type == BCL_ELEMENT_F32 ? read_floats(views[i]) : widened_halves(views[i]);
    bcl_buffer_free(test_device, &dgamma.buffer);
    bcl_buffer_free(test_device, &dbeta.buffer);
    guards_end();
    float *const host[] = {du, rows, w, v};
    for (int i = 0; i < 4; i++)
        free(host[i]);
}

static void same(float *a[], float *b[], const int *sizes, int count) {
    for (int i = 0; i < count; i++) {
        assert_memory_equal(a[i], b[i], (size_t)sizes[i] * sizeof(float));
        for (int k = 0; k < sizes[i]; k++)
            assert_false(isnan(a[i][k]));
        free(a[i]);
        free(b[i]);
    }
}

/* That the provider leaves a rest where it cuts K, and none where the call does not ask. */
static void check_rest(bcl_gemm *gemm) {
    const int M = 17, N = REST_C, K = REST_F;
    bcl_gemm_rest rest = {NULL, 7};
    float *a = numbers((size_t)(M * K), 1), *b = numbers((size_t)(K * N), 2);
    bcl_gemm_call call = {.layout = BCL_GEMM_NN,
                          .M = M,
                          .N = N,
                          .K = K,
                          .C = guard_floats(M, N, NULL),
                          .A = guard_floats(M, K, a),
                          .B = guard_floats(K, N, b),
                          .rest = &rest};
    OK(bcl_gemm_run(gemm, &call));
    assert_in_range(rest.count, 2, 16);
    assert_non_null(rest.parts);
    call.epilogue = BCL_GEMM_GELU;
    call.E = call.C;
    FAILS(bcl_gemm_run(gemm, &call), BCL_ERROR_ARGUMENT, "no rest is left with an epilogue");
    guards_end();
    free(a);
    free(b);
}

/* LayerNorm adds the parts up, with the bits of a launch that does; halves: what products read is
 * kept in 16 bits. */
static void check_parts(const char *unit, bcl_precision precision, bool halves) {
    static const int lengths[] = {11, 6};
    const uint32_t had = test_device->info.compute_units;
    test_batch b;
    bcl_ops ops = test_ops;
    float *got[2][REST_OUTPUTS];
    test_device->info.compute_units = 132;
    OK(bcl_gemm_create(&ops.gemm, test_device, unit, precision));
    check_rest(ops.gemm);
    batch_begin(&b, lengths, 2, 50, 3, 1);
    const int T = b.host.T, C = REST_C;
    for (int joined = 0; joined < 2; joined++)
        rest_forward(got[joined], &ops, &b, joined, halves);
    same(got[0], got[1], (const int[]){T * C, T * C, T, T}, 4);
    for (int parts = 0; parts < 2 && !test_small; parts++) {
        if (parts)
            OK(bcl_sums_create(&ops.sums, test_device, BCL_SUM_PARTS * 2 * C, 2));
        for (int joined = 0; joined < 2; joined++)
            rest_backward(got[joined], &ops, &b, joined, halves);
        same(got[0], got[1], (const int[]){T * C, T * C, C, C, C * REST_F, REST_F}, REST_OUTPUTS);
    }
    bcl_sums_free(ops.sums);
    batch_end(&b);
    bcl_gemm_free(ops.gemm);
    test_device->info.compute_units = had;
}

static void test_rest(void **state) {
    (void)state;
    need_groups(0);
    check_parts(subjects[0].name, subjects[0].precision, false);
    if (test_all() && !test_small)
        check_parts("mma-bf16:emulated-nvidia:32x32x16x16x2", BCL_PRECISION_BF16, true);
}

/* What are no gradients of one layer. */
static void test_no_gradients(void **state) {
    bcl_gemm *gemm = NULL;
    const bcl_gemm_call dx = {.layout = BCL_GEMM_NT, .M = 4, .N = 5, .K = 6},
                        dw = {.layout = BCL_GEMM_TN, .M = 5, .N = 7, .K = 4};
    (void)state;
    OK(bcl_gemm_create(&gemm, test_device, "reference", BCL_PRECISION_FP32));
    assert_false(bcl_gemm_joins_gradients(gemm));
    FAILS(bcl_gemm_run_gradients(gemm, &dx, &dw), BCL_ERROR_ARGUMENT,
          "found dX (4,5) and dW (5,7), expected both gradients of one product");
    bcl_gemm_free(gemm);
}

static void test_names(void **state) {
    static const struct {
        const char *name, *message;
        bcl_precision precision;
        bcl_status status;
    } wrong[] = {
        {"mma:tensor", "unknown unit", BCL_PRECISION_FP32, BCL_ERROR_ARGUMENT},
        {"mma:emulated-nvidia:64x64", "BMxBNxWMxWNxSTAGES", BCL_PRECISION_FP32, BCL_ERROR_ARGUMENT},
        {"mma:emulated-nvidia:64x64x32x32x3x1", "BMxBNxWMxWNxSTAGES", BCL_PRECISION_FP32,
         BCL_ERROR_ARGUMENT},
        {"mma:emulated-nvidia:64x64x32x32x2:attention", "of 16 bits, :attention",
         BCL_PRECISION_FP32, BCL_ERROR_ARGUMENT},
        {"mma-bf16:emulated-nvidia:64x64:attention", "BMxBNxWMxWNxSTAGES", BCL_PRECISION_BF16,
         BCL_ERROR_ARGUMENT},
        {"mma-bf16:emulated-nvidia:64x64x32x32x2:attentions", "BMxBNxWMxWNxSTAGES",
         BCL_PRECISION_BF16, BCL_ERROR_ARGUMENT},
        {"mma-bf16:emulated-nvidia:64x64x32x32x2x:attention", "BMxBNxWMxWNxSTAGES",
         BCL_PRECISION_BF16, BCL_ERROR_ARGUMENT},
        {"mma:emulated-nvidia:96x64x32x32x3", "expected 32, 64 or 128", BCL_PRECISION_FP32,
         BCL_ERROR_ARGUMENT},
        {"mma:emulated-nvidia:64x64x0x32x3", "expected 32, 64 or 128", BCL_PRECISION_FP32,
         BCL_ERROR_ARGUMENT},
        {"mma:emulated-nvidia:64x64x32x32x9", "2 to 4 stages", BCL_PRECISION_FP32,
         BCL_ERROR_ARGUMENT},
        {"mma:emulated-rdna3", "has no unit for fp32", BCL_PRECISION_FP32, BCL_ERROR_UNSUPPORTED},
        {"mma-tf32:emulated-cdna", "has no unit for tf32", BCL_PRECISION_TF32,
         BCL_ERROR_UNSUPPORTED},
        {"mma-bf16:emulated-nvidia", "computes bf16, not fp32", BCL_PRECISION_FP32,
         BCL_ERROR_ARGUMENT},
    };
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        bcl_gemm *gemm = NULL;
        FAILS(bcl_gemm_create(&gemm, test_device, wrong[i].name, wrong[i].precision),
              wrong[i].status, wrong[i].message);
        assert_null(gemm);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_units), cmocka_unit_test(test_gradients), cmocka_unit_test(test_rest),
        cmocka_unit_test(test_no_gradients), cmocka_unit_test(test_names)};
    return TEST_RUN_ON_DEVICE(tests);
}
