/* Matrix products at the model's shapes by what training would take, each compared with double
 * precision. */
#include "bench/internal.h"
#include "ops/gemm/provider.h"

#include <cjson/cJSON.h>
#include <math.h>

enum { PLACES = 4096 }; /* elements of C that are compared, besides its last row and column */
enum { QUICK_T = 480, FULL_T = 960 };
static const double FACTOR = 6, SUM = 0x1p-24; /* as the tuner's limit, see tune/operands.c */
static const double units[BCL_PRECISIONS] = {[BCL_PRECISION_FP32] = 0x1p-24,
                                             [BCL_PRECISION_BF16] = 0x1p-8,
                                             [BCL_PRECISION_FP16] = 0x1p-11,
                                             [BCL_PRECISION_TF32] = 0x1p-11};

typedef struct product {
    bcl_bench_child *c;
    bcl_gemm *gemm;
    bcl_gemm_call call, other; /* other: the layer's other gradient, in the same launch */
    bool joined;
    bcl_view A, B, C;
    bcl_view more, unread; /* what the other reads besides dY, and writes; or none */
    float *a, *b, *got;
} product;

static const char *const layouts[] = {"nn", "nt", "tn"};

static bcl_status run(void *context, int repeats) {
    bcl_status status = BCL_OK;
    product *p = context;
    const bool is_dx = p->call.layout == BCL_GEMM_NT;
    for (int i = 0; i < repeats; i++)
        BCL_TRY(p->joined ? bcl_gemm_run_gradients(p->gemm, is_dx ? &p->call : &p->other,
                                                   is_dx ? &p->other : &p->call)
                          : bcl_gemm_run(p->gemm, &p->call));
    BCL_TRY(bcl_device_finish(p->c->device));
out:
    return status;
}

static void close_product(product *p) {
    bcl_buffer_free(p->c->device, &p->A.buffer);
    bcl_buffer_free(p->c->device, &p->B.buffer);
    bcl_buffer_free(p->c->device, &p->C.buffer);
    bcl_buffer_free(p->c->device, &p->more.buffer);
    bcl_buffer_free(p->c->device, &p->unread.buffer);
    free(p->a);
    free(p->b);
    free(p->got);
}

/* Numbers as the provider reads them in training. */
static bcl_status put(bcl_view *out, const product *p, const float *x, int rows, int columns) {
    bcl_status status = BCL_OK;
    bcl_device *d = p->c->device;
    bcl_ops ops = {.device = d};
    const int count = rows * columns;
    const bcl_element type = bcl_gemm_operands(p->gemm);
    bcl_view plain = {0};
    BCL_TRY(bcl_view_create(&plain, d, BCL_ELEMENT_F32, rows, columns, "a product"));
    BCL_TRY(bcl_buffer_write(d, plain.buffer, 0, x, plain.bytes, true));
    if (type == BCL_ELEMENT_F32) {
        *out = plain;
        return BCL_OK;
    }
    BCL_TRY(bcl_view_create(out, d, type, rows, columns, "a product"));
    BCL_TRY(bcl_adam_copy(&ops, bcl_view_as(*out, 1, count), bcl_view_as(plain, 1, count), count));
    BCL_TRY(bcl_device_finish(d));
out:
    bcl_buffer_free(d, &plain.buffer);
    return status;
}

/* dX reads dY (T,N) and W (M,N), dW reads X (T,M) and dY. */
static bcl_status open_other(product *p) {
    bcl_status status = BCL_OK;
    const bcl_gemm_call *c = &p->call;
    const bool is_dx = c->layout == BCL_GEMM_NT;
    const int T = is_dx ? c->M : c->K, M = is_dx ? c->N : c->M, N = is_dx ? c->K : c->N;
    bcl_normal(p->got, (size_t)c->M * (size_t)c->N, 1, 3);
    BCL_TRY(put(&p->more, p, p->got, c->M, c->N));
    BCL_TRY(bcl_view_create(&p->unread, p->c->device, BCL_ELEMENT_F32, is_dx ? M : T, is_dx ? N : M,
                            "a product"));
    if (is_dx)
        p->other =
            (bcl_gemm_call){.layout = BCL_GEMM_TN, .M = M, .N = N, .K = T, .A = p->more, .B = c->A};
    else
        p->other =
            (bcl_gemm_call){.layout = BCL_GEMM_NT, .M = T, .N = M, .K = N, .A = c->B, .B = p->more};
    p->other.C = p->unread;
out:
    return status;
}

static bcl_status open(product *p) {
    bcl_status status = BCL_OK;
    bcl_gemm_call *call = &p->call;
    const bool tn = call->layout == BCL_GEMM_TN, nt = call->layout == BCL_GEMM_NT;
    const int M = call->M, N = call->N, K = call->K;
    const size_t a = (size_t)M * (size_t)K, b = (size_t)K * (size_t)N, n = (size_t)M * (size_t)N;
    BCL_NEW(p->a, a);
    BCL_NEW(p->b, b);
    BCL_NEW(p->got, n);
    bcl_normal(p->a, a, 1, 1);
    bcl_normal(p->b, b, 1, 2);
    BCL_TRY(put(&p->A, p, p->a, tn ? K : M, tn ? M : K));
    BCL_TRY(put(&p->B, p, p->b, nt ? N : K, nt ? K : N));
    BCL_TRY(bcl_view_create(&p->C, p->c->device, BCL_ELEMENT_F32, M, N, "a product"));
    call->A = p->A;
    call->B = p->B;
    call->C = p->C;
    if (p->joined)
        BCL_TRY(open_other(p));
out:
    return status;
}

/* Error of one element as a share of the largest that random roundings would give. */
static double error_at(const product *p, size_t m, size_t n) {
    const bcl_gemm_call *c = &p->call;
    const size_t M = (size_t)c->M, N = (size_t)c->N, K = (size_t)c->K;
    const bool tn = c->layout == BCL_GEMM_TN, nt = c->layout == BCL_GEMM_NT;
    double want = 0, squares = 0;
    for (size_t k = 0; k < K; k++) {
        const double x =
            (double)p->a[tn ? k * M + m : m * K + k] * (double)p->b[nt ? n * K + k : k * N + n];
        want += x;
        squares += x * x;
    }
    const double unit = units[bcl_gemm_precision(p->gemm)];
    const double limit = FACTOR * (unit + SUM * sqrt((double)K)) * sqrt(squares);
    const double e = fabs((double)p->got[m * N + n] - want) / limit;
    return isnan(e) ? HUGE_VAL : e;
}

/* C is made NaN first, so that what is not written is seen. */
static bcl_status compare(double *error, product *p) {
    bcl_status status = BCL_OK;
    const cl_uint unwritten = 0x7fc00000; /* NaN */
    const size_t M = (size_t)p->call.M, N = (size_t)p->call.N;
    double worst = 0;
    BCL_TRY(
        bcl_buffer_fill(p->c->device, p->C.buffer, &unwritten, sizeof unwritten, 0, p->C.bytes));
    BCL_TRY(run(p, 1));
    BCL_TRY(bcl_buffer_read(p->c->device, p->C.buffer, 0, p->got, p->C.bytes, true));
    for (size_t i = 0; i < M * N; i++)
        if (!isfinite(p->got[i]))
            worst = HUGE_VAL;
    for (size_t i = 0; i < PLACES; i++)
        worst = fmax(worst, error_at(p, bcl_mix64(2 * i) % M, bcl_mix64(2 * i + 1) % N));
    for (size_t n = 0; n < N; n++)
        worst = fmax(worst, error_at(p, M - 1, n));
    for (size_t m = 0; m < M; m++)
        worst = fmax(worst, error_at(p, m, N - 1));
    *error = worst;
out:
    return status;
}

static bcl_status measure(product *p, bcl_bench_row *row) {
    bcl_status status = BCL_OK;
    BCL_TRY(open(p));
    row->error_limit = 1;
    BCL_TRY(compare(&row->error, p));
    BCL_TRY(bcl_bench_measure(p->c, row, run, p));
    for (int i = 0;
         i < 2 && row->times.count && p->c->peak > 0 && row->flop / row->times.median > p->c->peak;
         i++)
        bcl_bench_limits_again(p->c,
                               "compute"); /* the limit may have been measured in a worse moment */
    row->limit = bcl_gemm_precision(p->gemm) == BCL_PRECISION_FP32 ? p->c->peak : 0;
out:
    return status;
}

static cJSON *more(const product *p) {
    cJSON *json = cJSON_CreateObject(), *shape = cJSON_AddObjectToObject(json, "shape");
    cJSON_AddStringToObject(shape, "layout", layouts[p->call.layout]);
    cJSON_AddNumberToObject(shape, "m", p->call.M);
    cJSON_AddNumberToObject(shape, "n", p->call.N);
    cJSON_AddNumberToObject(shape, "k", p->call.K);
    cJSON_AddStringToObject(json, "provider", bcl_gemm_name(p->gemm));
    cJSON_AddStringToObject(json, "operands", bcl_element_name(bcl_gemm_operands(p->gemm)));
    if (p->joined)
        cJSON_AddTrueToObject(json, "joined");
    return json;
}

/* provider: part of the name, NULL for what training takes */
static void one(bcl_bench_child *c, bcl_gemm *gemm, const char *provider, bcl_gemm_layout layout,
                int M, int N, int K) {
    const double m = M, n = N, k = K;
    const double width = (double)bcl_element_bytes(bcl_gemm_operands(gemm));
    product p = {.c = c, .gemm = gemm, .call = {.layout = layout, .M = M, .N = N, .K = K}};
    bcl_bench_row row = {.level = "product", .unit = "GFLOP/s"};
    row.precision = bcl_precision_name(bcl_gemm_precision(gemm));
    row.flop = 2 * m * n * k;
    row.amount = row.flop * 1e-9;
    row.bytes = width * (m * k + k * n) + sizeof(float) * m * n;
    p.joined = layout != BCL_GEMM_NN && bcl_gemm_joins_gradients(gemm);
    row.products = p.joined ? 2 : 1;
    snprintf(row.name, sizeof row.name, "product/%s/%s%s%s/%dx%dx%d", row.precision,
             provider ? provider : "", provider ? "/" : "", layouts[layout], M, N, K);
    if (!bcl_bench_begin(c, &row))
        return;
    const bcl_status status = measure(&p, &row);
    row.more = more(&p);
    bcl_bench_end(c, &row, status);
    close_product(&p);
}

/* The products of a model's layers. */
static void all(bcl_bench_child *c, bcl_precision precision, const char *provider) {
    const int C = c->config->hidden, F = c->config->intermediate;
    const int linears[4][2] = {{C, 3 * C}, {C, C}, {C, F}, {F, C}}; /* in, out */
    const int T = c->options->full ? FULL_T : QUICK_T;
    bcl_gemm *gemm = NULL;
    const bcl_status status =
        bcl_gemm_create(&gemm, c->device, provider ? provider : c->options->gemm, precision);
    if (status) {
        bcl_bench_row row = {
            .level = "product", .unit = "GFLOP/s", .precision = bcl_precision_name(precision)};
        snprintf(row.name, sizeof row.name, "product/%s%s%s", row.precision, provider ? "/" : "",
                 provider ? provider : "");
        bcl_bench_frame(c, 'B', row.name);
        bcl_bench_end(c, &row, status);
        return;
    }
    for (int i = 0; i < 4; i++) {
        const int in = linears[i][0], out = linears[i][1];
        one(c, gemm, provider, BCL_GEMM_NN, T, out, in);
        one(c, gemm, provider, BCL_GEMM_NT, T, in, out);
        one(c, gemm, provider, BCL_GEMM_TN, in, out, T);
    }
    bcl_gemm_free(gemm);
}

void bcl_bench_products(bcl_bench_child *c, bcl_precision precision) {
    all(c, precision, NULL);
}

/* Without parameters, as nobody has tuned them. Last, as one that tuning would not take may crash.
 */
void bcl_bench_providers(bcl_bench_child *c) {
    for (const bcl_gemm_provider *const *p = bcl_gemm_providers(); *p; p++)
        if ((*p)->suits(c->device))
            all(c, (*p)->precision, (*p)->name);
}
