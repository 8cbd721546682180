/* Attention on the matrix unit that products compute with: checked against double precision, and
 * timed beside attention without the unit. */
#include "model/model.h"
#include "ops/exact.h"
#include "tune/internal.h"

#include <math.h>

/* Heads of BERT's sizes, and sentences of a usual length with a few long ones. */
enum { NH = 12, SENTENCES = 14, LONG = 3, LONGEST = 96, ROUNDS = 5, CHECKED_NH = 2, CHECKED = 5 };
static const int sizes[] = {32, 64};
static const int checked_lengths[CHECKED] = {1, 33, 7, 64, 93};
enum { SIZES = sizeof sizes / sizeof *sizes };
/* Faster by this at least: less is noise. */
static const double WORTH = 1.02;
/* Not timed again when slower by this. */
static const double HOPELESS = 2.5;
/* The limit of an output's relative L2 error, in roundings of the operands: each is rounded once,
 * and the weights and their gradients, too. */
static const double ROUNDINGS = 2;

enum { QKV, OUT, LSE, DOUT, DQKV, DELTA, VIEWS };

typedef struct trial {
    bcl_device *device;
    bcl_ops ops;
    int HS, heads;
    bcl_batch host;
    bcl_batch_layout batch;
    bcl_view views[VIEWS];
    float *qkv, *dout;
} trial;

static void trial_close(trial *t) {
    (void)bcl_device_finish(t->device);
    for (int i = 0; i < VIEWS; i++)
        bcl_buffer_free(t->device, &t->views[i].buffer);
    bcl_batch_lists_free(&t->batch, t->device);
    bcl_batch_free(&t->host);
    free(t->qkv);
    free(t->dout);
}

static bcl_status upload(bcl_view *out, bcl_device *device, bcl_element type, const void *x,
                         int rows, int columns) {
    bcl_status status = BCL_OK;
    BCL_TRY(bcl_view_create(out, device, type, rows, columns, "tuning"));
    if (x)
        BCL_TRY(bcl_buffer_write(device, out->buffer, 0, x, out->bytes, true));
out:
    return status;
}

static bcl_status open_batch(trial *t, const int *lengths, int count) {
    bcl_status status = BCL_OK;
    static int32_t zeros[LONGEST];
    bcl_sample samples[SENTENCES];
    uint32_t order[SENTENCES];
    int tokens = 0;
    for (int i = 0; i < count; i++) {
        samples[i] = (bcl_sample){zeros, zeros, lengths[i], (uint32_t)i};
        order[i] = (uint32_t)i;
        tokens += lengths[i];
    }
    BCL_TRY(bcl_batch_create(&t->host, tokens, count));
    BCL_TRY(bcl_batch_pack(&t->host, samples, order, count, NULL));
    BCL_TRY(bcl_batch_lists_create(&t->batch, &t->host, t->device));
out:
    return status;
}

static float nearest(float x, bcl_element type) {
    return bcl_element_widen(bcl_element_round(x, type), type);
}

/* The operands of head size HS, rounded to the unit's so that only what it computes is checked. */
static bcl_status trial_open(trial *t, bcl_device *device, bcl_gemm *gemm, int HS, int heads,
                             const int *lengths, int count) {
    bcl_status status = BCL_OK;
    const int C = heads * HS;
    const bcl_element type = bcl_gemm_operands(gemm);
    *t = (trial){.device = device, .HS = HS, .heads = heads};
    t->ops = (bcl_ops){.device = device, .gemm = gemm};
    BCL_TRY(open_batch(t, lengths, count));
    const int T = t->batch.T;
    const size_t n = (size_t)T * (size_t)C;
    BCL_NEW(t->qkv, 3 * n);
    BCL_NEW(t->dout, n);
    bcl_normal(t->qkv, 3 * n, 1, 1);
    bcl_normal(t->dout, n, 1, 2);
    for (size_t i = 0; i < 3 * n; i++)
        t->qkv[i] = nearest(t->qkv[i], type);
    for (size_t i = 0; i < n; i++)
        t->dout[i] = nearest(t->dout[i], type);
    BCL_TRY(upload(&t->views[QKV], device, BCL_ELEMENT_F32, t->qkv, T, 3 * C));
    BCL_TRY(upload(&t->views[DOUT], device, BCL_ELEMENT_F32, t->dout, T, C));
    BCL_TRY(upload(&t->views[OUT], device, type, NULL, T, C));
    BCL_TRY(upload(&t->views[LSE], device, BCL_ELEMENT_F32, NULL, T, heads));
    BCL_TRY(upload(&t->views[DQKV], device, type, NULL, T, 3 * C));
    BCL_TRY(upload(&t->views[DELTA], device, BCL_ELEMENT_F32, NULL, T, heads));
out:
    return status;
}

static bcl_status run(trial *t, bcl_gemm *gemm) {
    bcl_status status = BCL_OK;
    const bcl_view *v = t->views;
    const bcl_dropout dropout = {0.1f, bcl_site(1, BCL_SITE_ATTENTION), {3, 4}};
    t->ops.gemm = gemm;
    BCL_TRY(bcl_attention_forward(&t->ops, v[OUT], v[LSE], v[QKV], &t->batch, t->heads, t->HS,
                                  dropout));
    BCL_TRY(bcl_attention_backward(&t->ops, v[DQKV], v[DELTA], v[DOUT], v[OUT], v[LSE], v[QKV],
                                   &t->batch, t->heads, t->HS, dropout));
out:
    return status;
}

/* ---- the check ---- */

/* Relative L2 error of a view in 16 bits, NaN if it has any. */
static bcl_status distance(double *out, trial *t, int view, const double *want) {
    bcl_status status = BCL_OK;
    const bcl_view *v = &t->views[view];
    const size_t n = (size_t)v->rows * (size_t)v->columns;
    uint16_t *got = NULL;
    double off = 0, all = 0;
    BCL_NEW(got, n);
    BCL_TRY(bcl_buffer_read(t->device, v->buffer, 0, got, n * sizeof *got, true));
    for (size_t i = 0; i < n; i++) {
        const double e = (double)bcl_element_widen(got[i], v->type) - want[i];
        off += e * e;
        all += want[i] * want[i];
    }
    *out = sqrt(off / all);
out:
    free(got);
    return status;
}

static bcl_status widen(double **out, const float *x, size_t n) {
    bcl_status status = BCL_OK;
    BCL_NEW(*out, n);
    for (size_t i = 0; i < n; i++)
        (*out)[i] = (double)x[i];
out:
    return status;
}

/* The larger error of both passes. */
static bcl_status measure_error(double *error, trial *t) {
    bcl_status status = BCL_OK;
    const size_t n = (size_t)t->batch.T * (size_t)t->heads * (size_t)t->HS;
    double *qkv = NULL, *dout = NULL, *out = NULL, *lse = NULL, *dqkv = NULL, of_out, of_dqkv;
    BCL_TRY(widen(&qkv, t->qkv, 3 * n));
    BCL_TRY(widen(&dout, t->dout, n));
    BCL_NEW(out, n);
    BCL_NEW(lse, (size_t)t->batch.T * (size_t)t->heads);
    BCL_NEW(dqkv, 3 * n);
    const bcl_exact_attention exact = {.B = t->batch.B,
                                       .NH = t->heads,
                                       .HS = t->HS,
                                       .starts = t->host.starts,
                                       .samples = t->host.samples,
                                       .dropout = {0.1f, bcl_site(1, BCL_SITE_ATTENTION), {3, 4}},
                                       .qkv = qkv,
                                       .dout = dout,
                                       .out = out,
                                       .lse = lse,
                                       .dqkv = dqkv};
    BCL_TRY(bcl_exact_attention_run(&exact));
    BCL_TRY(distance(&of_out, t, OUT, out));
    BCL_TRY(distance(&of_dqkv, t, DQKV, dqkv));
    *error = of_out > of_dqkv || isnan(of_out) ? of_out : of_dqkv;
out:
    free(qkv);
    free(dout);
    free(out);
    free(lse);
    free(dqkv);
    return status;
}

static bcl_status check(double *share, double *error, bcl_device *device, bcl_gemm *unit, int HS) {
    bcl_status status = BCL_OK;
    trial t;
    const double limit =
        ROUNDINGS * (bcl_gemm_operands(unit) == BCL_ELEMENT_BF16 ? 0x1p-8 : 0x1p-11);
    BCL_TRY(trial_open(&t, device, unit, HS, CHECKED_NH, checked_lengths, CHECKED));
    BCL_TRY(run(&t, unit));
    BCL_TRY(measure_error(error, &t));
    *share = isnan(*error) ? HUGE_VAL : *error / limit;
out:
    trial_close(&t);
    return status;
}

/* ---- timing ---- */

static bcl_status time_once(double *best, trial *t, bcl_gemm *gemm, int repeats) {
    bcl_status status = BCL_OK;
    const double start = bcl_seconds();
    for (int i = 0; i < repeats; i++)
        BCL_TRY(run(t, gemm));
    BCL_TRY(bcl_device_finish(t->device));
    const double seconds = (bcl_seconds() - start) / repeats;
    *best = !(*best > 0) || seconds < *best ? seconds : *best;
out:
    return status;
}

/* Seconds of both passes with the unit and without, in turn. */
static bcl_status race(double *with, double *without, bcl_device *device, bcl_gemm *unit,
                       bcl_gemm *plain, int HS) {
    bcl_status status = BCL_OK;
    trial t;
    int lengths[SENTENCES];
    for (int i = 0; i < SENTENCES; i++)
        lengths[i] = i < LONG ? LONGEST : 25 + i;
    *with = *without = 0;
    BCL_TRY(trial_open(&t, device, unit, HS, NH, lengths, SENTENCES));
    BCL_TRY(run(&t, unit)); /* drivers compile at a first launch, too */
    BCL_TRY(run(&t, plain));
    BCL_TRY(bcl_device_finish(device));
    BCL_TRY(time_once(with, &t, unit, 1));
    BCL_TRY(time_once(without, &t, plain, 1));
    const int repeats = *with < 1e-3 ? 8 : 1;
    for (int r = 0; r < ROUNDS && *with < HOPELESS * *without; r++) {
        BCL_TRY(time_once(with, &t, unit, repeats));
        BCL_TRY(time_once(without, &t, plain, repeats));
    }
out:
    trial_close(&t);
    return status;
}

bcl_status bcl_tune_attention(bcl_tune_state *state, double *error, char *reason, size_t size,
                              bcl_device *device, const char *name, const char *plain_name,
                              bcl_precision precision) {
    bcl_status status = BCL_OK;
    bcl_gemm *unit = NULL, *plain = NULL;
    double least = HUGE_VAL;
    *state = BCL_TUNE_RIGHT;
    *error = 0;
    BCL_TRY(bcl_gemm_create(&unit, device, name, precision));
    BCL_TRY(bcl_gemm_create(&plain, device, plain_name, precision));
    for (int i = 0; i < SIZES && *state == BCL_TUNE_RIGHT; i++) {
        double share, now, with, without;
        const bcl_ops ops = {.device = device, .gemm = unit};
        if (!bcl_attention_on_unit(&ops, sizes[i]))
            continue;
        BCL_TRY(check(&share, &now, device, unit, sizes[i]));
        *error = now > *error || isnan(now) ? now : *error;
        if (!(share <= 1)) {
            *state = BCL_TUNE_WRONG;
            snprintf(reason, size, "attention of head size %d: error %.3g times the limit",
                     sizes[i], share);
            goto out;
        }
        BCL_TRY(race(&with, &without, device, unit, plain, sizes[i]));
        least = fmin(least, without / with);
    }
    if (!(least >= WORTH && least < HUGE_VAL))
        *state = BCL_TUNE_SLOWER;
    snprintf(reason, size, "attention on the matrix unit is %.2f times as fast as without",
             least < HUGE_VAL ? least : 0);
out:
    bcl_gemm_free(unit);
    bcl_gemm_free(plain);
    return status;
}
