/* The matrices that the tuner multiplies, and double-precision references of some of their rows and
 * columns, so that a check costs little and still meets every tile of C. */
#include "ops/ops.h"
#include "tune/internal.h"

#include <math.h>

enum {
    LINES = 8
}; /* rows, and as many columns, of C that are checked: the edges and some between */

/* The limit of an element of C is FACTOR (operand + sqrt(K) sum) sqrt(sum over k of (a b)^2):
 * random roundings of the operands and of the partial sums, with a margin of ten standard
 * deviations. */
static const struct {
    double operand; /* unit roundoff of the precision */
} limits[BCL_PRECISIONS] = {[BCL_PRECISION_FP32] = {0x1p-24},
                            [BCL_PRECISION_BF16] = {0x1p-8},
                            [BCL_PRECISION_FP16] = {0x1p-11},
                            [BCL_PRECISION_TF32] = {0x1p-11}};
static const double SUM = 0x1p-24, FACTOR = 6; /* sums are fp32 */

typedef struct reference {
    double *want, *scale; /* LINES rows of N, then LINES columns of M; NULL: not made yet */
} reference;

struct bcl_tune_operands {
    const bcl_tune_session *session;
    bcl_device *device;
    float *a, *b, *c0, *c;
    bcl_view A, B, C, bias; /* of the largest shape of each */
    bcl_view a16, b16;      /* A and B in 16 bits; or none */
    bcl_view other;         /* as large as C, for a gradient that is not looked at; or none */
    reference references[BCL_TUNE_SHAPES];
};

static size_t larger(size_t a, size_t b) {
    return a > b ? a : b;
}

static bcl_status upload(bcl_view *out, bcl_device *device, const float *x, size_t count) {
    bcl_status status = BCL_OK;
    BCL_TRY(bcl_view_create(out, device, BCL_ELEMENT_F32, 1, (int)count, "tuning"));
    BCL_TRY(bcl_buffer_write(device, out->buffer, 0, x, out->bytes, true));
out:
    return status;
}

bcl_status bcl_tune_operands_create(bcl_tune_operands **out, bcl_device *device,
                                    const bcl_tune_session *s) {
    bcl_status status = BCL_OK;
    bcl_tune_operands *o = NULL;
    size_t a = 0, b = 0, c = 0, n = 0;
    BCL_NEW(o, 1);
    o->session = s;
    o->device = device;
    for (int i = 0; i < s->shape_count; i++) {
        const bcl_tune_shape *x = &s->shapes[i];
        a = larger(a, (size_t)x->M * (size_t)x->K);
        b = larger(b, (size_t)x->K * (size_t)x->N);
        c = larger(c, (size_t)x->M * (size_t)x->N);
        n = larger(n, (size_t)x->N);
    }
    BCL_NEW(o->a, a);
    BCL_NEW(o->b, b);
    BCL_NEW(o->c0, c);
    BCL_NEW(o->c, c);
    bcl_normal(o->a, a, 1, 1);
    bcl_normal(o->b, b, 1, 2);
    for (size_t i = 0; i < c; i++)
        o->c0[i] = o->a[i % a];
    BCL_TRY(upload(&o->A, device, o->a, a));
    BCL_TRY(upload(&o->B, device, o->b, b));
    BCL_TRY(upload(&o->C, device, o->c0, c));
    BCL_TRY(upload(&o->bias, device, o->c0, n));
    *out = o;
    o = NULL;
out:
    bcl_tune_operands_free(o);
    return status;
}

void bcl_tune_operands_free(bcl_tune_operands *o) {
    if (!o)
        return;
    bcl_buffer_free(o->device, &o->A.buffer);
    bcl_buffer_free(o->device, &o->B.buffer);
    bcl_buffer_free(o->device, &o->C.buffer);
    bcl_buffer_free(o->device, &o->bias.buffer);
    bcl_buffer_free(o->device, &o->a16.buffer);
    bcl_buffer_free(o->device, &o->b16.buffer);
    bcl_buffer_free(o->device, &o->other.buffer);
    for (int i = 0; i < BCL_TUNE_SHAPES; i++) {
        free(o->references[i].want);
        free(o->references[i].scale);
    }
    free(o->a);
    free(o->b);
    free(o->c0);
    free(o->c);
    free(o);
}

static bcl_status round_to(bcl_view *out, bcl_tune_operands *o, bcl_view x, bcl_element type) {
    bcl_status status = BCL_OK;
    bcl_ops ops = {.device = o->device};
    BCL_TRY(bcl_view_create(out, o->device, type, 1, x.columns, "tuning"));
    BCL_TRY(bcl_adam_copy(&ops, *out, x, x.columns));
out:
    return status;
}

bcl_status bcl_tune_operands_suit(bcl_tune_operands *o, const bcl_gemm *gemm) {
    bcl_status status = BCL_OK;
    const bcl_element type = bcl_gemm_operands(gemm);
    if (type == BCL_ELEMENT_F32 || o->b16.buffer)
        return BCL_OK;
    BCL_TRY(round_to(&o->a16, o, o->A, type));
    BCL_TRY(round_to(&o->b16, o, o->B, type));
out:
    return status;
}

bcl_gemm_call bcl_tune_call(const bcl_tune_operands *o, const bcl_gemm *gemm, int shape) {
    const bcl_tune_shape *x = &o->session->shapes[shape];
    const bool tn = x->layout == BCL_GEMM_TN, nt = x->layout == BCL_GEMM_NT;
    const bool halves = gemm && bcl_gemm_operands(gemm) != BCL_ELEMENT_F32;
    bcl_gemm_call call = {
        .layout = x->layout,
        .M = x->M,
        .N = x->N,
        .K = x->K,
        .accumulate = tn,
        .A = bcl_view_as(halves ? o->a16 : o->A, tn ? x->K : x->M, tn ? x->M : x->K),
        .B = bcl_view_as(halves ? o->b16 : o->B, nt ? x->N : x->K, nt ? x->K : x->N),
        .C = bcl_view_as(o->C, x->M, x->N)};
    if (x->layout == BCL_GEMM_NN)
        call.bias = bcl_view_as(o->bias, 1, x->N);
    return call;
}

/* The i-th of the lines of n that are checked. */
static size_t line(int i, size_t n) {
    if (i < 2)
        return i ? n - 1 : 0;
    return (size_t)(bcl_mix64((uint64_t)i) % n);
}

/* want[i] = sum over k of x[k] m[i di + k dk], and squares[i] of the terms' squares; along the rows
 * of m as they lie in memory. */
static void multiply(double *want, double *squares, size_t count, const double *x, size_t K,
                     const float *m, size_t di, size_t dk) {
    const bool by_k = di == 1;
    memset(want, 0, count * sizeof *want);
    memset(squares, 0, count * sizeof *squares);
    for (size_t outer = 0; outer < (by_k ? K : count); outer++)
        for (size_t inner = 0; inner < (by_k ? count : K); inner++) {
            const size_t i = by_k ? inner : outer, k = by_k ? outer : inner;
            const double term = x[k] * (double)m[i * di + k * dk];
            want[i] += term;
            squares[i] += term * term;
        }
}

static bcl_status make_reference(bcl_tune_operands *o, int shape) {
    bcl_status status = BCL_OK;
    reference *r = &o->references[shape];
    const bcl_gemm_call c = bcl_tune_call(o, NULL, shape);
    const bool tn = c.layout == BCL_GEMM_TN, nt = c.layout == BCL_GEMM_NT;
    const size_t M = (size_t)c.M, N = (size_t)c.N, K = (size_t)c.K;
    const size_t am = tn ? 1 : K, ak = tn ? M : 1, bn = nt ? K : 1, bk = nt ? 1 : N;
    double *x = NULL, *want, *scale;
    BCL_NEW(x, K);
    BCL_NEW(r->scale, LINES * (M + N));
    BCL_NEW(r->want, LINES * (M + N));
    want = r->want;
    scale = r->scale;
    for (int i = 0; i < 2 * LINES; i++) {
        const bool row = i < LINES;
        const size_t at = line(i % LINES, row ? M : N), count = row ? N : M;
        for (size_t k = 0; k < K; k++)
            x[k] = row ? o->a[at * am + k * ak] : o->b[at * bn + k * bk];
        if (row)
            multiply(want, scale, count, x, K, o->b, bn, bk);
        else
            multiply(want, scale, count, x, K, o->a, am, ak);
        for (size_t j = 0; j < count; j++) {
            const size_t m = row ? at : j, n = row ? j : at;
            const double more = c.bias.buffer ? o->c0[n] : c.accumulate ? o->c0[m * N + n] : 0;
            want[j] += more;
            scale[j] = sqrt(scale[j] + more * more);
        }
        want += count;
        scale += count;
    }
out:
    free(x);
    return status;
}

static void compare(const bcl_tune_operands *o, int shape, double unit, double *share,
                    double *error) {
    const reference *r = &o->references[shape];
    const size_t M = (size_t)o->session->shapes[shape].M, N = (size_t)o->session->shapes[shape].N;
    const double limit = FACTOR * (unit + SUM * sqrt(o->session->shapes[shape].K));
    const double *want = r->want, *scale = r->scale;
    double worst = 0, errors = 0, all = 0;
    for (int i = 0; i < 2 * LINES; i++) {
        const bool row = i < LINES;
        const size_t at = line(i % LINES, row ? M : N), count = row ? N : M;
        for (size_t j = 0; j < count; j++) {
            const double got = o->c[row ? at * N + j : j * N + at], d = fabs(got - want[j]);
            const double s = d / (limit * scale[j]);
            if (!(s <= worst))
                worst = s >= 0 ? s : HUGE_VAL; /* a NaN is beyond every limit */
            errors += d * d;
            all += want[j] * want[j];
        }
        want += count;
        scale += count;
    }
    for (size_t i = 0; i < M * N; i++)
        if (!isfinite(o->c[i]))
            worst = HUGE_VAL;
    *share = worst;
    *error = sqrt(errors / all);
}

/* C as the call expects it, and NaN where it is to be written. */
static bcl_status prepare(bcl_tune_operands *o, const bcl_gemm_call *call) {
    const size_t bytes = (size_t)bcl_view_traffic(call->C);
    const cl_uint unwritten = 0x7fc00000;
    if (call->accumulate)
        return bcl_buffer_write(o->device, o->C.buffer, 0, o->c0, bytes, true);
    return bcl_buffer_fill(o->device, o->C.buffer, &unwritten, sizeof unwritten, 0, bytes);
}

bool bcl_tune_joins(const bcl_tune_operands *o, const bcl_gemm *gemm, int shape) {
    return o->session->shapes[shape].layout != BCL_GEMM_NN && bcl_gemm_joins_gradients(gemm);
}

/* The gradient of the shape goes to C, and its layer's other one, of the same dY, elsewhere. */
static bcl_status run_joined(bcl_tune_operands *o, bcl_gemm *gemm, int shape) {
    bcl_status status = BCL_OK;
    const bool is_dx = o->session->shapes[shape].layout == BCL_GEMM_NT;
    const int first = is_dx ? shape : shape - 1;
    bcl_gemm_call dx = bcl_tune_call(o, gemm, first), dw = bcl_tune_call(o, gemm, first + 1);
    bcl_gemm_call *other = is_dx ? &dw : &dx;
    if (!o->other.buffer) {
        BCL_TRY(bcl_view_create(&o->other, o->device, BCL_ELEMENT_F32, 1, o->C.columns, "tuning"));
        BCL_TRY(bcl_buffer_zero(o->device, o->other.buffer, 0, o->other.bytes));
    }
    other->C = bcl_view_as(o->other, other->M, other->N);
    if (is_dx)
        dw.B = dx.A;
    else
        dx.A = dw.B;
    BCL_TRY(bcl_gemm_run_gradients(gemm, &dx, &dw));
out:
    return status;
}

bcl_status bcl_tune_run(bcl_tune_operands *o, bcl_gemm *gemm, int shape, bool joined) {
    if (joined)
        return run_joined(o, gemm, shape);
    const bcl_gemm_call call = bcl_tune_call(o, gemm, shape);
    return bcl_gemm_run(gemm, &call);
}

bcl_status bcl_tune_check(bcl_tune_operands *o, bcl_gemm *gemm, int shape, double *share,
                          double *error) {
    bcl_status status = BCL_OK;
    const bcl_gemm_call call = bcl_tune_call(o, gemm, shape);
    const size_t bytes = (size_t)bcl_view_traffic(call.C);
    const bool joins = bcl_tune_joins(o, gemm, shape);
    *share = *error = 0;
    if (!o->references[shape].want)
        BCL_TRY(make_reference(o, shape));
    for (int joined = 0; joined <= joins && *share <= 1; joined++) {
        double now, norm;
        BCL_TRY(prepare(o, &call));
        BCL_TRY(bcl_tune_run(o, gemm, shape, joined));
        BCL_TRY(bcl_buffer_read(o->device, o->C.buffer, 0, o->c, bytes, true));
        compare(o, shape, limits[bcl_gemm_precision(gemm)].operand, &now, &norm);
        *share = now > *share ? now : *share;
        *error = norm > *error || isnan(norm) ? norm : *error;
    }
out:
    return status;
}
