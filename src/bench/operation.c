/* One operation of a step with its operands on a device and what they must become. Knows nothing of
 * what it computes: see kinds.c. */
#include "bench/internal.h"

enum { BLOCK = 1 << 20 }; /* elements that are copied at once */

static bool is_half(const bcl_bench_tensor *t) {
    return bcl_element_bytes(t->view.type) == sizeof(uint16_t);
}

/* The input as it lies on the device: NULL where there is none, *made to free. */
static bcl_status contents(const void **out, uint16_t **made, const bcl_bench_tensor *t) {
    bcl_status status = BCL_OK;
    *made = NULL;
    *out = t->ints ? (const void *)t->ints : (const void *)t->host;
    if (!*out || !is_half(t))
        goto out;
    BCL_NEW(*made, t->period);
    for (size_t i = 0; i < t->period; i++)
        (*made)[i] = bcl_element_round(t->host[i], t->view.type);
    *out = *made;
out:
    return status;
}

static bcl_status fill(bcl_bench_operation *o, bcl_bench_tensor *t) {
    bcl_status status = BCL_OK;
    const cl_uint nan = 0x7fff7fff; /* of every type */
    const size_t size = bcl_element_bytes(t->view.type);
    const void *from;
    uint16_t *made;
    bcl_device *d = o->ops.device;
    BCL_TRY(contents(&from, &made, t));
    if (!from)
        BCL_TRY(bcl_buffer_fill(d, t->view.buffer, &nan, is_half(t) ? 2 : sizeof nan, 0,
                                t->view.bytes));
    for (size_t at = 0; from && at < t->count; at += t->period) {
        const size_t n = t->count - at < t->period ? t->count - at : t->period;
        BCL_TRY(bcl_buffer_write(d, t->view.buffer, at * size, from, n * size, true));
    }
out:
    free(made);
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

bcl_element bcl_bench_operands(const bcl_bench_operation *o) {
    return bcl_gemm_operands(o->ops.gemm);
}

/* What is read of it is what the device is given. */
static bcl_status put_in(bcl_bench_operation *o, bcl_bench_tensor *t) {
    for (size_t i = 0; is_half(t) && i < t->period; i++)
        t->host[i] = bcl_element_widen(bcl_element_round(t->host[i], t->view.type), t->view.type);
    return fill(o, t);
}

bcl_status bcl_bench_input(bcl_bench_operation *o, int at, const char *name, bcl_element type,
                           int rows, int columns, float scale) {
    bcl_status status = BCL_OK;
    bcl_bench_tensor *t;
    BCL_TRY(add(&t, o, at, name, type, rows, columns));
    BCL_NEW(t->host, t->period);
    bcl_normal(t->host, t->period, scale, (uint64_t)at + 1);
    BCL_TRY(put_in(o, t));
out:
    return status;
}

bcl_status bcl_bench_given(bcl_bench_operation *o, int at, const char *name, bcl_element type,
                           int rows, int columns, const double *values) {
    bcl_status status = BCL_OK;
    bcl_bench_tensor *t;
    BCL_TRY(add(&t, o, at, name, type, rows, columns));
    BCL_NEW(t->host, t->period);
    for (size_t i = 0; i < t->period; i++)
        t->host[i] = (float)values[i];
    BCL_TRY(put_in(o, t));
out:
    return status;
}

bcl_status bcl_bench_output(bcl_bench_operation *o, int at, const char *name, bcl_element type,
                            int rows, int columns) {
    bcl_status status = BCL_OK;
    bcl_bench_tensor *t;
    BCL_TRY(add(&t, o, at, name, type, rows, columns));
    BCL_TRY(fill(o, t));
out:
    return status;
}

bcl_status bcl_bench_copy(bcl_bench_operation *o, int at, const char *name, int rows, int columns) {
    const bcl_element type = bcl_bench_operands(o);
    return type == BCL_ELEMENT_F32 ? BCL_OK : bcl_bench_output(o, at, name, type, rows, columns);
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

/* Of an output in 16 bits what is right, or off by what rounding it does not explain. */
static float explained(float got, double want, bcl_element type) {
    const double unit = type == BCL_ELEMENT_BF16 ? 0x1p-8 : 0x1p-11;
    const double least = type == BCL_ELEMENT_BF16 ? 0x1p-134 : 0x1p-25; /* of what underflows */
    const double off = (double)got - want, rounding = fmax(unit * fabs(want), least);
    if (!isfinite(off))
        return got;
    return (float)(want + copysign(fmax(fabs(off) - rounding, 0), off));
}

/* The bytes of n elements, which lie at the end of `out`, as numbers. */
static void widen(float *out, const char *bytes, const bcl_bench_tensor *t, size_t n) {
    const bcl_element type = t->view.type;
    for (size_t i = 0; i < n; i++) {
        int32_t x;
        uint16_t h;
        if (type == BCL_ELEMENT_I32) {
            memcpy(&x, bytes + i * sizeof x, sizeof x);
            out[i] = (float)x;
        } else if (is_half(t)) {
            memcpy(&h, bytes + i * sizeof h, sizeof h);
            out[i] = bcl_element_widen(h, type);
        }
    }
}

/* n elements from `first` on. */
static bcl_status read_elements(float *out, bcl_bench_operation *o, const bcl_bench_tensor *t,
                                size_t first, size_t n) {
    bcl_status status = BCL_OK;
    const size_t size = bcl_element_bytes(t->view.type);
    char *bytes = (char *)out + n * (sizeof *out - size);
    BCL_TRY(bcl_buffer_read(o->ops.device, t->view.buffer, first * size, bytes, n * size, true));
    widen(out, bytes, t, n);
out:
    return status;
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
        BCL_TRY(read_elements(got, o, t, first, n));
        for (size_t i = 0; is_half(t) && i < n; i++)
            got[i] = explained(got[i], t->want[i], t->view.type);
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
    const bcl_status status = read_elements(&x, o, t, element, 1);
    *got = (double)x;
    *want = t->want[element % t->period];
    return status;
}

/* ---- the batch ---- */

static bcl_status open_batch(bcl_bench_operation *o) {
    bcl_status status = BCL_OK;
    const bcl_bench_sentences *s = o->sentences;
    uint32_t which[BCL_BENCH_SENTENCES];
    for (int i = 0; i < s->count; i++)
        which[i] = (uint32_t)i;
    BCL_TRY(bcl_batch_create(&o->host, s->tokens, s->count));
    BCL_TRY(bcl_batch_pack(&o->host, s->samples, which, s->count, s->slot_of));
    BCL_TRY(bcl_batch_lists_create(&o->batch, &o->host, o->ops.device));
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
    bcl_batch_lists_free(&o->batch, o->ops.device);
    bcl_batch_free(&o->host);
    *o = (bcl_bench_operation){0};
}
