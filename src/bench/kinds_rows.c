/* Operations on the rows of the tokens: embedding, LayerNorm, dropout, GELU, sums and the word
 * embedding's rows, each with what is right. */
#include "bench/kinds.h"
#include "ops/sums.h"

#include <math.h>

static bool tanh_form(const bcl_bench_operation *o) {
    return o->config->activation == BCL_GELU_TANH;
}

/* ---- the embedding ---- */

enum {
    EY,
    EMEAN,
    ERSTD,
    EWORD,
    EPOSITION,
    ETYPE,
    EGAMMA,
    EBETA,
    EDY,
    ER,
    EDWORD,
    EROW_STEP,
    EDPOSITION,
    EDTYPE,
    EDGAMMA,
    EDBETA,
    ECOPY
};
enum { STEP = 3 };

static bcl_embedding_shape embedding_shape(const bcl_bench_operation *o) {
    const bcl_config *c = o->config;
    return (bcl_embedding_shape){c->vocabulary, c->positions, c->types, c->hidden};
}

static bcl_status embedding_inputs(bcl_bench_operation *o) {
    bcl_status status = BCL_OK;
    const bcl_config *c = o->config;
    const int C = c->hidden;
    BCL_TRY(bcl_bench_input(o, EWORD, "word", F32, c->vocabulary, C, 0.6f));
    BCL_TRY(bcl_bench_input(o, EPOSITION, "position", F32, c->positions, C, 0.6f));
    BCL_TRY(bcl_bench_input(o, ETYPE, "type", F32, c->types, C, 0.6f));
    BCL_TRY(bcl_bench_input(o, EGAMMA, "gamma", F32, 1, C, 1));
    BCL_TRY(bcl_bench_input(o, EBETA, "beta", F32, 1, C, 1));
    o->bytes = 2.0 * o->batch.T * C * sizeof(float); /* the rows that it gathers */
out:
    return status;
}

bcl_status bcl_bench_embedding_open(bcl_bench_operation *o) {
    bcl_status status = BCL_OK;
    const int T = o->batch.T;
    BCL_TRY(embedding_inputs(o));
    BCL_TRY(bcl_bench_output(o, EY, "y", F32, T, o->config->hidden));
    BCL_TRY(bcl_bench_copy(o, ECOPY, "copy of y", T, o->config->hidden));
    BCL_TRY(bcl_bench_output(o, EMEAN, "mean", F32, T, 1));
    BCL_TRY(bcl_bench_output(o, ERSTD, "rstd", F32, T, 1));
out:
    return status;
}

bcl_status bcl_bench_embedding_launch(bcl_bench_operation *o) {
    const bcl_bench_tensor *t = o->tensors;
    return bcl_embedding_forward(&o->ops, t[EY].view, t[ECOPY].view, t[EMEAN].view, t[ERSTD].view,
                                 &o->batch, t[EWORD].view, t[EPOSITION].view, t[ETYPE].view,
                                 t[EGAMMA].view, t[EBETA].view, embedding_shape(o),
                                 (float)o->config->layer_norm_eps, o->dropout);
}

static bcl_status exact_embedding(bcl_exact_embedding *out, bcl_bench_operation *o) {
    *out = (bcl_exact_embedding){.T = o->batch.T,
                                 .C = o->config->hidden,
                                 .ids = o->host.ids,
                                 .positions = o->host.positions,
                                 .samples = o->host.samples,
                                 .dropout = o->dropout,
                                 .eps = o->config->layer_norm_eps,
                                 .word = bcl_bench_exact(o, EWORD),
                                 .position = bcl_bench_exact(o, EPOSITION),
                                 .type = bcl_bench_exact(o, ETYPE),
                                 .gamma = bcl_bench_exact(o, EGAMMA),
                                 .beta = bcl_bench_exact(o, EBETA)};
    return out->word && out->position && out->type && out->gamma && out->beta ? BCL_OK
                                                                              : BCL_ERROR_MEMORY;
}

/* The statistics of each token's sum, in double. */
static bcl_status embedding_statistics(double *mean, double *rstd, bcl_bench_operation *o) {
    bcl_status status = BCL_OK;
    bcl_exact_embedding e;
    const size_t C = (size_t)o->config->hidden;
    double *r = NULL, *y = NULL;
    BCL_TRY(exact_embedding(&e, o));
    BCL_NEW(r, C);
    BCL_NEW(y, C);
    for (size_t t = 0; t < (size_t)e.T; t++) {
        for (size_t c = 0; c < C; c++)
            r[c] = e.word[(size_t)e.ids[t] * C + c] + e.position[(size_t)e.positions[t] * C + c] +
                   e.type[c];
        bcl_exact_norm(y, &mean[t], &rstd[t], r, e.gamma, e.beta, e.C, e.eps);
    }
out:
    free(r);
    free(y);
    return status;
}

/* The same as of the output in f32. */
static bcl_status expect_copy(bcl_bench_operation *o, int copy, int at) {
    bcl_status status = BCL_OK;
    bcl_bench_tensor *t = o->tensors;
    if (!t[copy].view.buffer)
        return BCL_OK;
    BCL_TRY(bcl_bench_expected(o, copy, false, t[at].limit));
    memcpy(t[copy].want, t[at].want, t[at].period * sizeof *t[at].want);
out:
    return status;
}

bcl_status bcl_bench_embedding_expect(bcl_bench_operation *o) {
    bcl_status status = BCL_OK;
    bcl_exact_embedding e;
    BCL_TRY(exact_embedding(&e, o));
    BCL_TRY(bcl_bench_expected(o, EY, false, bcl_exact_limit.embedding));
    BCL_TRY(bcl_bench_expected(o, EMEAN, false, bcl_exact_limit.norm));
    BCL_TRY(bcl_bench_expected(o, ERSTD, false, bcl_exact_limit.norm));
    e.y = o->tensors[EY].want;
    BCL_TRY(bcl_exact_embedding_run(&e));
    BCL_TRY(embedding_statistics(o->tensors[EMEAN].want, o->tensors[ERSTD].want, o));
    BCL_TRY(expect_copy(o, ECOPY, EY));
out:
    return status;
}

bcl_status bcl_bench_embedding_backward_open(bcl_bench_operation *o) {
    bcl_status status = BCL_OK;
    const bcl_config *c = o->config;
    const int T = o->batch.T, C = c->hidden, R = o->sentences->words;
    double *mean = NULL, *rstd = NULL;
    int32_t *steps = NULL;
    BCL_NEW(mean, (size_t)T);
    BCL_NEW(rstd, (size_t)T);
    BCL_TRY(embedding_inputs(o));
    BCL_TRY(embedding_statistics(mean, rstd, o));
    BCL_TRY(bcl_bench_given(o, EMEAN, "mean", F32, T, 1, mean));
    BCL_TRY(bcl_bench_given(o, ERSTD, "rstd", F32, T, 1, rstd));
    BCL_TRY(bcl_bench_input(o, EDY, "dy", F32, T, C, 1));
    o->tensors[EDY].rewritten = true;
    BCL_TRY(bcl_bench_output(o, ER, "r", F32, T, C));
    BCL_TRY(bcl_bench_output(o, EDWORD, "dword", F32, R, C));
    BCL_NEW(steps, (size_t)R);
    memset(steps, 0xff, (size_t)R * sizeof *steps); /* -1: no gradient yet in this step */
    BCL_TRY(bcl_bench_ints(o, EROW_STEP, "row_step", R, steps));
    o->tensors[EROW_STEP].rewritten = true;
    BCL_TRY(bcl_bench_output(o, EDPOSITION, "dposition", F32, c->positions, C));
    BCL_TRY(bcl_bench_output(o, EDTYPE, "dtype", F32, c->types, C));
    BCL_TRY(bcl_bench_output(o, EDGAMMA, "dgamma", F32, 1, C));
    BCL_TRY(bcl_bench_output(o, EDBETA, "dbeta", F32, 1, C));
out:
    free(steps);
    free(mean);
    free(rstd);
    return status;
}

bcl_status bcl_bench_embedding_backward_launch(bcl_bench_operation *o) {
    const bcl_bench_tensor *t = o->tensors;
    return bcl_embedding_backward(
        &o->ops, t[EDY].view, t[ER].view, t[EDWORD].view, t[EROW_STEP].view, t[EDPOSITION].view,
        t[EDTYPE].view, t[EDGAMMA].view, t[EDBETA].view, t[EMEAN].view, t[ERSTD].view, &o->batch,
        t[EWORD].view, t[EPOSITION].view, t[ETYPE].view, t[EGAMMA].view, embedding_shape(o),
        o->sentences->words, STEP, o->dropout);
}

static void set_sizes(bcl_bench_tensor *t, const double *size, size_t C) {
    for (size_t i = 0; i < t->period; i++)
        t->size[i] = size[i % C] + 1;
}

bcl_status bcl_bench_embedding_backward_expect(bcl_bench_operation *o) {
    bcl_status status = BCL_OK;
    static const int sums[] = {EDWORD, EDPOSITION, EDTYPE, EDGAMMA, EDBETA};
    const size_t C = (size_t)o->config->hidden, V = (size_t)o->config->vocabulary;
    bcl_exact_embedding e;
    double *words = NULL, *y = NULL, *size = NULL;
    BCL_TRY(exact_embedding(&e, o));
    for (size_t i = 0; i < sizeof sums / sizeof *sums; i++)
        BCL_TRY(bcl_bench_expected(o, sums[i], true, bcl_exact_limit.embedding_sum));
    BCL_TRY(bcl_bench_expected(o, EROW_STEP, false, (bcl_error_limit){0.5, 0}));
    BCL_NEW(words, V * C);
    BCL_NEW(y, (size_t)e.T * C);
    BCL_NEW(size, C);
    e.y = y;
    e.size = size;
    e.dword = words;
    if (!(e.dy = bcl_bench_exact(o, EDY)))
        return BCL_ERROR_MEMORY;
    e.dposition = o->tensors[EDPOSITION].want;
    e.dtype = o->tensors[EDTYPE].want;
    e.dgamma = o->tensors[EDGAMMA].want;
    e.dbeta = o->tensors[EDBETA].want;
    BCL_TRY(bcl_exact_embedding_run(&e));
    for (size_t v = 0; v < V; v++) {
        const int slot = o->sentences->slot_of[v];
        if (slot < 0)
            continue;
        memcpy(o->tensors[EDWORD].want + (size_t)slot * C, words + v * C, C * sizeof *words);
        o->tensors[EROW_STEP].want[slot] = STEP;
    }
    for (size_t i = 0; i < sizeof sums / sizeof *sums; i++)
        set_sizes(&o->tensors[sums[i]], size, C);
    /* only type 0's row is written */
    o->tensors[EDTYPE].count = o->tensors[EDTYPE].period = C;
out:
    free(words);
    free(y);
    free(size);
    return status;
}

/* ---- LayerNorm behind a residual ---- */

enum { NY, NR, NMEAN, NRSTD, NX, NGAMMA, NBETA, NDR, NDH, NDGAMMA, NDBETA, NDY, NCOPY };

bcl_status bcl_bench_norm_open(bcl_bench_operation *o) {
    bcl_status status = BCL_OK;
    const int T = o->batch.T, C = o->config->hidden;
    BCL_TRY(bcl_bench_output(o, NY, "y", F32, T, C));
    BCL_TRY(bcl_bench_input(o, NR, "r", F32, T, C, 1));
    o->tensors[NR].rewritten = true;
    o->bytes *= 1.5; /* r is read and written */
    BCL_TRY(bcl_bench_copy(o, NCOPY, "copy of y", T, C));
    BCL_TRY(bcl_bench_output(o, NMEAN, "mean", F32, T, 1));
    BCL_TRY(bcl_bench_output(o, NRSTD, "rstd", F32, T, 1));
    BCL_TRY(bcl_bench_input(o, NX, "x", F32, T, C, 1));
    BCL_TRY(bcl_bench_input(o, NGAMMA, "gamma", F32, 1, C, 1));
    BCL_TRY(bcl_bench_input(o, NBETA, "beta", F32, 1, C, 1));
out:
    return status;
}

bcl_status bcl_bench_norm_launch(bcl_bench_operation *o) {
    const bcl_bench_tensor *t = o->tensors;
    return bcl_residual_layernorm_forward(&o->ops, t[NY].view, t[NCOPY].view, t[NR].view,
                                          t[NMEAN].view, t[NRSTD].view, t[NX].view, t[NGAMMA].view,
                                          t[NBETA].view, &o->batch, o->config->hidden,
                                          (float)o->config->layer_norm_eps, o->dropout);
}

static double mask_at(const bcl_bench_operation *o, size_t i) {
    const size_t C = (size_t)o->config->hidden;
    return bcl_exact_mask_row(o->dropout, o->host.samples[i / C], o->host.positions[i / C], i % C);
}

bcl_status bcl_bench_norm_expect(bcl_bench_operation *o) {
    bcl_status status = BCL_OK;
    bcl_bench_tensor *t = o->tensors;
    const size_t C = (size_t)o->config->hidden, T = (size_t)o->batch.T;
    const double *x = bcl_bench_exact(o, NX), *h = bcl_bench_exact(o, NR),
                 *gamma = bcl_bench_exact(o, NGAMMA), *beta = bcl_bench_exact(o, NBETA);
    if (!x || !h || !gamma || !beta)
        return BCL_ERROR_MEMORY;
    for (int i = NY; i <= NRSTD; i++)
        BCL_TRY(bcl_bench_expected(o, i, false, bcl_exact_limit.norm));
    for (size_t i = 0; i < T * C; i++)
        t[NR].want[i] = x[i] + h[i] * mask_at(o, i);
    for (size_t i = 0; i < T; i++)
        bcl_exact_norm(t[NY].want + i * C, &t[NMEAN].want[i], &t[NRSTD].want[i], t[NR].want + i * C,
                       gamma, beta, (int)C, o->config->layer_norm_eps);
    BCL_TRY(expect_copy(o, NCOPY, NY));
out:
    return status;
}

/* r, and what the forward pass saves of it. */
static bcl_status saved_norm(bcl_bench_operation *o) {
    bcl_status status = BCL_OK;
    const size_t C = (size_t)o->config->hidden, T = (size_t)o->batch.T;
    double *mean = NULL, *rstd = NULL, *y = NULL;
    BCL_NEW(mean, T);
    BCL_NEW(rstd, T);
    BCL_NEW(y, C);
    BCL_TRY(bcl_bench_input(o, NR, "r", F32, (int)T, (int)C, 1));
    BCL_TRY(bcl_bench_input(o, NGAMMA, "gamma", F32, 1, (int)C, 1));
    BCL_TRY(bcl_bench_input(o, NBETA, "beta", F32, 1, (int)C, 1));
    const double *r = bcl_bench_exact(o, NR), *gamma = bcl_bench_exact(o, NGAMMA),
                 *beta = bcl_bench_exact(o, NBETA);
    if (!r || !gamma || !beta)
        BCL_TRY(BCL_ERROR_MEMORY);
    for (size_t i = 0; i < T; i++)
        bcl_exact_norm(y, &mean[i], &rstd[i], r + i * C, gamma, beta, (int)C,
                       o->config->layer_norm_eps);
    BCL_TRY(bcl_bench_given(o, NMEAN, "mean", F32, (int)T, 1, mean));
    BCL_TRY(bcl_bench_given(o, NRSTD, "rstd", F32, (int)T, 1, rstd));
out:
    free(mean);
    free(rstd);
    free(y);
    return status;
}

bcl_status bcl_bench_norm_backward_open(bcl_bench_operation *o) {
    bcl_status status = BCL_OK;
    const int T = o->batch.T, C = o->config->hidden;
    BCL_TRY(saved_norm(o));
    BCL_TRY(bcl_bench_input(o, NDY, "dy", F32, T, C, 1));
    BCL_TRY(bcl_bench_output(o, NDR, "dr", F32, T, C));
    BCL_TRY(bcl_bench_output(o, NDH, "dh", bcl_bench_operands(o), T, C));
    BCL_TRY(bcl_bench_output(o, NDGAMMA, "dgamma", F32, 1, C));
    BCL_TRY(bcl_bench_output(o, NDBETA, "dbeta", F32, 1, C));
out:
    return status;
}

bcl_status bcl_bench_norm_backward_launch(bcl_bench_operation *o) {
    const bcl_bench_tensor *t = o->tensors;
    return bcl_residual_layernorm_backward(
        &o->ops, t[NDR].view, t[NDH].view, t[NDGAMMA].view, t[NDBETA].view, t[NDY].view, t[NR].view,
        t[NMEAN].view, t[NRSTD].view, t[NGAMMA].view, &o->batch, o->config->hidden, o->dropout);
}

bcl_status bcl_bench_norm_backward_expect(bcl_bench_operation *o) {
    bcl_status status = BCL_OK;
    bcl_bench_tensor *t = o->tensors;
    const size_t C = (size_t)o->config->hidden, T = (size_t)o->batch.T;
    const double *dy = bcl_bench_exact(o, NDY), *r = bcl_bench_exact(o, NR),
                 *gamma = bcl_bench_exact(o, NGAMMA), *mean = bcl_bench_exact(o, NMEAN),
                 *rstd = bcl_bench_exact(o, NRSTD);
    if (!dy || !r || !gamma || !mean || !rstd)
        return BCL_ERROR_MEMORY;
    BCL_TRY(bcl_bench_expected(o, NDR, false, bcl_exact_limit.norm_gradient));
    BCL_TRY(bcl_bench_expected(o, NDH, false, bcl_exact_limit.norm_gradient));
    BCL_TRY(bcl_bench_expected(o, NDGAMMA, true, bcl_exact_limit.column_sum));
    BCL_TRY(bcl_bench_expected(o, NDBETA, true, bcl_exact_limit.column_sum));
    for (size_t i = 0; i < T; i++)
        bcl_exact_norm_backward(t[NDR].want + i * C, t[NDGAMMA].want, t[NDBETA].want,
                                t[NDGAMMA].size, t[NDBETA].size, dy + i * C, r + i * C, mean[i],
                                rstd[i], gamma, (int)C);
    for (size_t i = 0; i < T * C; i++)
        t[NDH].want[i] = t[NDR].want[i] * mask_at(o, i);
out:
    return status;
}

bcl_status bcl_bench_norm_recompute_open(bcl_bench_operation *o) {
    bcl_status status = BCL_OK;
    BCL_TRY(saved_norm(o));
    BCL_TRY(bcl_bench_output(o, NY, "y", F32, o->batch.T, o->config->hidden));
    BCL_TRY(bcl_bench_copy(o, NCOPY, "copy of y", o->batch.T, o->config->hidden));
out:
    return status;
}

bcl_status bcl_bench_norm_recompute_launch(bcl_bench_operation *o) {
    const bcl_bench_tensor *t = o->tensors;
    return bcl_layernorm_recompute(&o->ops, t[NY].view, t[NCOPY].view, t[NR].view, t[NMEAN].view,
                                   t[NRSTD].view, t[NGAMMA].view, t[NBETA].view, o->batch.T,
                                   o->config->hidden);
}

bcl_status bcl_bench_norm_recompute_expect(bcl_bench_operation *o) {
    bcl_status status = BCL_OK;
    const size_t C = (size_t)o->config->hidden;
    const double *r = bcl_bench_exact(o, NR), *gamma = bcl_bench_exact(o, NGAMMA),
                 *beta = bcl_bench_exact(o, NBETA);
    double mean, rstd;
    BCL_TRY(bcl_bench_expected(o, NY, false, bcl_exact_limit.norm));
    for (size_t i = 0; i < (size_t)o->batch.T; i++)
        bcl_exact_norm(o->tensors[NY].want + i * C, &mean, &rstd, r + i * C, gamma, beta, (int)C,
                       o->config->layer_norm_eps);
    BCL_TRY(expect_copy(o, NCOPY, NY));
out:
    return status;
}

/* ---- dropout, GELU, sums ---- */

enum { X, Y, DY };

bcl_status bcl_bench_dropout_open(bcl_bench_operation *o) {
    bcl_status status = BCL_OK;
    BCL_TRY(bcl_bench_input(o, X, "x", F32, o->batch.T, o->config->hidden, 1));
    BCL_TRY(bcl_bench_output(o, Y, "y", F32, o->batch.T, o->config->hidden));
out:
    return status;
}

bcl_status bcl_bench_dropout_launch(bcl_bench_operation *o) {
    return bcl_dropout_rows(&o->ops, o->tensors[Y].view, o->tensors[X].view, &o->batch,
                            o->config->hidden, o->dropout);
}

bcl_status bcl_bench_dropout_expect(bcl_bench_operation *o) {
    bcl_status status = BCL_OK;
    BCL_TRY(bcl_bench_expected(o, Y, false, bcl_exact_limit.mask));
    for (size_t i = 0; i < o->tensors[Y].period; i++)
        o->tensors[Y].want[i] = (double)o->tensors[X].host[i] * mask_at(o, i);
out:
    return status;
}

bcl_status bcl_bench_gelu_open(bcl_bench_operation *o) {
    bcl_status status = BCL_OK;
    BCL_TRY(bcl_bench_input(o, X, "x", F32, o->batch.T, o->config->intermediate, 2));
    BCL_TRY(bcl_bench_output(o, Y, "y", F32, o->batch.T, o->config->intermediate));
out:
    return status;
}

bcl_status bcl_bench_gelu_launch(bcl_bench_operation *o) {
    return bcl_gelu_forward(&o->ops, o->tensors[Y].view, o->tensors[X].view, o->batch.T,
                            o->config->intermediate, tanh_form(o));
}

bcl_status bcl_bench_gelu_expect(bcl_bench_operation *o) {
    bcl_status status = BCL_OK;
    const bcl_bench_tensor *t = o->tensors;
    double slope;
    BCL_TRY(bcl_bench_expected(o, Y, true, bcl_exact_limit.gelu));
    for (size_t i = 0; i < t[Y].period; i++) {
        t[Y].want[i] = bcl_exact_gelu(&slope, (double)t[X].host[i], tanh_form(o));
        t[Y].size[i] = fabs((double)t[X].host[i]);
    }
out:
    return status;
}

bcl_status bcl_bench_gelu_backward_open(bcl_bench_operation *o) {
    bcl_status status = BCL_OK;
    BCL_TRY(bcl_bench_gelu_open(o));
    BCL_TRY(bcl_bench_input(o, DY, "dy", F32, o->batch.T, o->config->intermediate, 1));
out:
    return status;
}

bcl_status bcl_bench_gelu_backward_launch(bcl_bench_operation *o) {
    const bcl_bench_tensor *t = o->tensors;
    return bcl_gelu_backward(&o->ops, t[Y].view, t[DY].view, t[X].view, o->batch.T,
                             o->config->intermediate, tanh_form(o));
}

bcl_status bcl_bench_gelu_backward_expect(bcl_bench_operation *o) {
    bcl_status status = BCL_OK;
    const bcl_bench_tensor *t = o->tensors;
    double slope;
    BCL_TRY(bcl_bench_expected(o, Y, true, bcl_exact_limit.gelu));
    for (size_t i = 0; i < t[Y].period; i++) {
        const double x = (double)t[X].host[i], dy = (double)t[DY].host[i];
        bcl_exact_gelu(&slope, x, tanh_form(o));
        t[Y].want[i] = dy * slope;
        t[Y].size[i] = fabs(x) + fabs(dy);
    }
out:
    return status;
}

bcl_status bcl_bench_sums_open(bcl_bench_operation *o) {
    bcl_status status = BCL_OK;
    BCL_TRY(bcl_bench_input(o, X, "x", F32, o->batch.T, o->config->intermediate, 1));
    BCL_TRY(bcl_bench_output(o, Y, "y", F32, 1, o->config->intermediate));
out:
    return status;
}

bcl_status bcl_bench_sums_launch(bcl_bench_operation *o) {
    return bcl_sum_rows(&o->ops, o->tensors[Y].view, o->tensors[X].view, o->batch.T,
                        o->config->intermediate);
}

bcl_status bcl_bench_sums_expect(bcl_bench_operation *o) {
    bcl_status status = BCL_OK;
    bcl_bench_tensor *y = &o->tensors[Y];
    const double *x = bcl_bench_exact(o, X);
    BCL_TRY(x ? BCL_OK : BCL_ERROR_MEMORY);
    BCL_TRY(bcl_bench_expected(o, Y, true, bcl_exact_limit.column_sum));
    bcl_exact_sum_rows(y->want, y->size, x, o->batch.T, o->config->intermediate);
out:
    return status;
}

/* ---- rows of the word embedding's gradient ---- */

enum { GDWORD, GROW_STEP, GBLOCK, GSLOTS };

static bcl_status rows_open(bcl_bench_operation *o, bool gather) {
    bcl_status status = BCL_OK;
    const int C = o->config->hidden, R = o->sentences->words;
    int32_t *steps = NULL, *slots = NULL;
    BCL_NEW(steps, (size_t)R);
    BCL_NEW(slots, (size_t)R);
    for (int i = 0; i < R; i++) {
        steps[i] = i % 3 ? STEP : STEP - 1;
        slots[i] = R - 1 - i;
    }
    if (gather)
        BCL_TRY(bcl_bench_input(o, GDWORD, "dword", F32, R, C, 1));
    else
        BCL_TRY(bcl_bench_output(o, GDWORD, "dword", F32, R, C));
    BCL_TRY(bcl_bench_ints(o, GROW_STEP, "row_step", R, gather ? steps : NULL));
    if (gather)
        BCL_TRY(bcl_bench_output(o, GBLOCK, "block", F32, R, C));
    else
        BCL_TRY(bcl_bench_input(o, GBLOCK, "block", F32, R, C, 1));
    BCL_TRY(bcl_bench_ints(o, GSLOTS, "slots", R, slots));
out:
    free(steps);
    free(slots);
    return status;
}

bcl_status bcl_bench_gather_open(bcl_bench_operation *o) {
    return rows_open(o, true);
}

bcl_status bcl_bench_gather_launch(bcl_bench_operation *o) {
    const bcl_bench_tensor *t = o->tensors;
    return bcl_embedding_rows_gather(&o->ops, t[GBLOCK].view, t[GDWORD].view, t[GROW_STEP].view,
                                     t[GSLOTS].view, o->sentences->words, o->config->hidden, STEP);
}

bcl_status bcl_bench_gather_expect(bcl_bench_operation *o) {
    bcl_status status = BCL_OK;
    const bcl_bench_tensor *t = o->tensors;
    const size_t C = (size_t)o->config->hidden;
    BCL_TRY(bcl_bench_expected(o, GBLOCK, false, bcl_exact_limit.mask));
    for (size_t i = 0; i < t[GBLOCK].period; i++) {
        const size_t slot = (size_t)t[GSLOTS].ints[i / C];
        t[GBLOCK].want[i] =
            t[GROW_STEP].ints[slot] == STEP ? (double)t[GDWORD].host[slot * C + i % C] : 0;
    }
out:
    return status;
}

bcl_status bcl_bench_scatter_open(bcl_bench_operation *o) {
    return rows_open(o, false);
}

bcl_status bcl_bench_scatter_launch(bcl_bench_operation *o) {
    const bcl_bench_tensor *t = o->tensors;
    return bcl_embedding_rows_scatter(&o->ops, t[GDWORD].view, t[GROW_STEP].view, t[GBLOCK].view,
                                      t[GSLOTS].view, o->sentences->words, o->config->hidden, STEP);
}

bcl_status bcl_bench_scatter_expect(bcl_bench_operation *o) {
    bcl_status status = BCL_OK;
    const bcl_bench_tensor *t = o->tensors;
    const size_t C = (size_t)o->config->hidden;
    BCL_TRY(bcl_bench_expected(o, GDWORD, false, bcl_exact_limit.mask));
    BCL_TRY(bcl_bench_expected(o, GROW_STEP, false, (bcl_error_limit){0.5, 0}));
    for (size_t i = 0; i < t[GBLOCK].period; i++) {
        const size_t slot = (size_t)t[GSLOTS].ints[i / C];
        t[GDWORD].want[slot * C + i % C] = (double)t[GBLOCK].host[i];
        t[GROW_STEP].want[slot] = STEP;
    }
out:
    return status;
}
