/* One operation of a step with its operands on a device and what they must become. Knows nothing of
 * what it computes: see kinds.c. */
#include "bench/internal.h"

#include <math.h>

enum { BLOCK = 1 << 20 }; /* elements that are copied at once */

static void *contents(const bcl_bench_tensor *t) {
    return t->ints ? (void *)t->ints : (void *)t->host;
}

static bcl_status fill(bcl_bench_operation *o, bcl_bench_tensor *t) {
    bcl_status status = BCL_OK;
    const cl_uint nan = 0x7fc00000;
    bcl_device *d = o->ops.device;
    if (!contents(t))
        return bcl_buffer_fill(d, t->view.buffer, &nan, sizeof nan, 0, t->view.bytes);
    for (size_t at = 0; at < t->count; at += t->period) {
        const size_t n = t->count - at < t->period ? t->count - at : t->period;
        BCL_TRY(bcl_buffer_write(d, t->view.buffer, at * sizeof(float), contents(t),
                                 n * sizeof(float), true));
    }
out:
    return status;
}

bcl_status bcl_bench_restore(bcl_bench_operation *o) {
    bcl_status status = BCL_OK;
    for (int i = 0; i < o->tensor_count; i++)
        if (o->tensors[i].rewritten)
            BCL_TRY(fill(o, &o->tensors[i]));
    BCL_TRY(bcl_device_finish(o->ops.device));
out:
    return status;
}

static bcl_status add(bcl_bench_tensor **out, bcl_bench_operation *o, int at, const char *name,
                      bcl_element type, int rows, int columns) {
    bcl_status status = BCL_OK;
    bcl_bench_tensor *t = &o->tensors[at];
    if (at >= o->tensor_count)
        o->tensor_count = at + 1;
    t->name = name;
    t->count = (size_t)rows * (size_t)columns;
    t->period = t->count > BLOCK && rows == 1 ? BLOCK : t->count;
    BCL_TRY(bcl_view_create(&t->view, o->ops.device, type, rows, columns, name));
    o->bytes += bcl_view_traffic(t->view);
    *out = t;
out:
    return status;
}

bcl_status bcl_bench_input(bcl_bench_operation *o, int at, const char *name, int rows, int columns,
                           float scale) {
    bcl_status status = BCL_OK;
    bcl_bench_tensor *t;
    BCL_TRY(add(&t, o, at, name, BCL_ELEMENT_F32, rows, columns));
    BCL_NEW(t->host, t->period);
    bcl_normal(t->host, t->period, scale, (uint64_t)at + 1);
    BCL_TRY(fill(o, t));
out:
    return status;
}

bcl_status bcl_bench_given(bcl_bench_operation *o, int at, const char *name, int rows, int columns,
                           const double *values) {
    bcl_status status = BCL_OK;
    bcl_bench_tensor *t;
    BCL_TRY(add(&t, o, at, name, BCL_ELEMENT_F32, rows, columns));
    BCL_NEW(t->host, t->period);
    for (size_t i = 0; i < t->period; i++)
        t->host[i] = (float)values[i];
    BCL_TRY(fill(o, t));
out:
    return status;
}

bcl_status bcl_bench_output(bcl_bench_operation *o, int at, const char *name, int rows,
                            int columns) {
    bcl_status status = BCL_OK;
    bcl_bench_tensor *t;
    BCL_TRY(add(&t, o, at, name, BCL_ELEMENT_F32, rows, columns));
    BCL_TRY(fill(o, t));
out:
    return status;
}

bcl_status bcl_bench_ints(bcl_bench_operation *o, int at, const char *name, int rows,
                          const int32_t *values) {
    bcl_status status = BCL_OK;
    bcl_bench_tensor *t;
    BCL_TRY(add(&t, o, at, name, BCL_ELEMENT_I32, rows, 1));
    if (values) {
        BCL_NEW(t->ints, t->count);
        memcpy(t->ints, values, t->count * sizeof *values);
    }
    BCL_TRY(fill(o, t));
out:
    return status;
}

const double *bcl_bench_exact(bcl_bench_operation *o, int at) {
    bcl_bench_tensor *t = &o->tensors[at];
    if (!t->exact) {
        t->exact = bcl_calloc(t->period, sizeof *t->exact);
        for (size_t i = 0; t->exact && i < t->period; i++)
            t->exact[i] = (double)t->host[i];
    }
    return t->exact;
}

bcl_status bcl_bench_expected(bcl_bench_operation *o, int at, bool sized, bcl_error_limit limit) {
    bcl_status status = BCL_OK;
    bcl_bench_tensor *t = &o->tensors[at];
    t->limit = limit;
    BCL_NEW(t->want, t->period);
    if (sized)
        BCL_NEW(t->size, t->period);
out:
    return status;
}

static void widen(float *out, const bcl_bench_tensor *t, size_t n) {
    int32_t x;
    for (size_t i = 0; t->view.type == BCL_ELEMENT_I32 && i < n; i++) {
        memcpy(&x, &out[i], sizeof x);
        out[i] = (float)x;
    }
}

bcl_status bcl_bench_compare_output(bcl_error *out, bcl_bench_operation *o, int at) {
    bcl_status status = BCL_OK;
    const bcl_bench_tensor *t = &o->tensors[at];
    float *got = NULL;
    *out = (bcl_error){0};
    BCL_NEW(got, t->period);
    for (size_t first = 0; first < t->count; first += t->period) {
        const size_t n = t->count - first < t->period ? t->count - first : t->period;
        bcl_error part;
        BCL_TRY(bcl_buffer_read(o->ops.device, t->view.buffer, first * sizeof *got, got,
                                n * sizeof *got, true));
        widen(got, t, n);
        bcl_error_measure(&part, got, t->want, t->size, n, t->limit);
        if (part.worst > out->worst) {
            out->worst = part.worst;
            out->at = first + part.at;
        }
        out->p99 = fmax(out->p99, part.p99);
    }
out:
    free(got);
    return status;
}

bcl_status bcl_bench_element(double *got, double *want, bcl_bench_operation *o, int at,
                             size_t element) {
    const bcl_bench_tensor *t = &o->tensors[at];
    float x = 0;
    const bcl_status status =
        bcl_buffer_read(o->ops.device, t->view.buffer, element * sizeof x, &x, sizeof x, true);
    widen(&x, t, 1);
    *got = (double)x;
    *want = t->want[element % t->period];
    return status;
}

/* ---- the batch ---- */

static bcl_status upload(bcl_view *out, bcl_device *device, const int32_t *x, int count) {
    bcl_status status = BCL_OK;
    BCL_TRY(bcl_view_create(out, device, BCL_ELEMENT_I32, count, 1, "a batch"));
    BCL_TRY(bcl_buffer_write(device, out->buffer, 0, x, out->bytes, true));
out:
    return status;
}

static bcl_status open_batch(bcl_bench_operation *o) {
    bcl_status status = BCL_OK;
    const bcl_bench_sentences *s = o->sentences;
    uint32_t which[BCL_BENCH_SENTENCES];
    for (int i = 0; i < s->count; i++)
        which[i] = (uint32_t)i;
    BCL_TRY(bcl_batch_create(&o->host, s->tokens, s->count));
    BCL_TRY(bcl_batch_pack(&o->host, s->samples, which, s->count, s->slot_of));
    const int T = o->batch.T = o->host.T, B = o->batch.B = o->host.B, N = o->batch.N = o->host.N;
    const int U = o->batch.U = o->host.U;
    o->batch.longest = o->host.longest;
#define X(name, most, used)                                                                        \
    if ((used) > 0)                                                                                \
        BCL_TRY(upload(&o->batch.name, o->ops.device, o->host.name, used));
    BCL_BATCH_LISTS(X)
#undef X
out:
    return status;
}

/* ---- opening and closing ---- */

bcl_status bcl_bench_operation_open(bcl_bench_operation *o, const bcl_bench_kind *kind,
                                    bcl_device *device, bcl_gemm *gemm, const bcl_config *config,
                                    const bcl_bench_sentences *sentences) {
    bcl_status status = BCL_OK;
    *o = (bcl_bench_operation){.kind = kind, .config = config, .sentences = sentences};
    o->ops.device = device;
    o->ops.gemm = gemm;
    o->ops.auxiliary = bcl_gemm_runs_on_auxiliary(gemm);
    if (kind->dropout) /* BERT's; a config.json may have none, and so not see half of a kernel */
        o->dropout = (bcl_dropout){0.1f, bcl_site(1, BCL_SITE_SECOND), {77, 0xdeadbeef}};
    const int F = config->intermediate, C3 = 3 * config->hidden;
    if (!bcl_device_wide(device)) /* as a model has it */
        BCL_TRY(
            bcl_sums_create(&o->ops.sums, device, (size_t)(F > C3 ? F : C3) * BCL_SUM_PARTS, 4));
    BCL_TRY(open_batch(o));
    BCL_TRY(kind->open(o));
    if (!o->shape[0])
        snprintf(o->shape, sizeof o->shape, "%d tokens of %d sentences", o->batch.T, o->batch.B);
out:
    if (status)
        bcl_bench_operation_close(o);
    return status;
}

void bcl_bench_operation_close(bcl_bench_operation *o) {
    if (!o->ops.device)
        return;
    (void)bcl_device_finish(o->ops.device);
    for (int i = 0; i < o->tensor_count; i++) {
        bcl_bench_tensor *t = &o->tensors[i];
        bcl_buffer_free(o->ops.device, &t->view.buffer);
        void *const all[] = {t->host, t->ints, t->exact, t->want, t->size};
        for (size_t k = 0; k < sizeof all / sizeof *all; k++)
            free(all[k]);
    }
    bcl_sums_free(o->ops.sums);
#define X(name, most, used) bcl_buffer_free(o->ops.device, &o->batch.name.buffer);
    BCL_BATCH_LISTS(X)
#undef X
    bcl_batch_free(&o->host);
    *o = (bcl_bench_operation){0};
}
