/* See model/exact.h. The same walk as network.c's, over ops/exact.h. */
#include "model/exact.h"
#include "model/internal.h"

#include <math.h>

/* What a layer keeps for its backward pass. */
typedef struct kept {
    double *x, *q, *k, *v, *qkv, *context, *lse, *r1, *y1, *up, *gelu, *r2; /* (T,...) */
    double *mean1, *rstd1, *mean2, *rstd2;                                  /* (T) */
} kept;

typedef struct pass {
    const bcl_exact_model *m;
    const bcl_batch *batch;
    double *const *gradients;
    int T, C, F;
    kept *layers;                        /* (L) */
    double *x;                           /* (T,C) the output of the last layer */
    double *head, *dlogits;              /* (T,C) behind the classifier's dropout, (T,K) */
    double *dx, *dh, *dup, *dqkv, *part; /* gradients of (T,C), (T,C), (T,F), (T,3C), (T,C) */
} pass;

/* ---- weights ---- */

void bcl_exact_model_free(bcl_exact_model *m) {
    for (int i = 0; m->weights && i < m->layout->named_count; i++)
        free(m->weights[i]);
    free(m->weights);
    bcl_layout_free(&m->own);
    *m = (bcl_exact_model){0};
}

bcl_status bcl_exact_model_read(bcl_exact_model *out, bcl_model *model, const bcl_config *config) {
    bcl_status status = BCL_OK;
    float *x = NULL;
    *out = (bcl_exact_model){.config = config, .layout = bcl_model_layout(model)};
    BCL_NEW(out->weights, (size_t)out->layout->named_count);
    for (int i = 0; i < out->layout->named_count; i++) {
        const bcl_named *named = &out->layout->named[i];
        const size_t n = bcl_named_elements(named);
        BCL_NEW(out->weights[i], n);
        BCL_NEW(x, n);
        BCL_TRY(bcl_model_read(model, named, false, x));
        for (size_t k = 0; k < n; k++)
            out->weights[i][k] = (double)x[k];
        free(x);
        x = NULL;
    }
out:
    free(x);
    if (status)
        bcl_exact_model_free(out);
    return status;
}

bcl_status bcl_exact_model_load(bcl_exact_model *out, const bcl_config *config,
                                const char *folder) {
    bcl_status status = BCL_OK;
    bcl_checkpoint *ck = NULL;
    float *x = NULL;
    *out = (bcl_exact_model){.config = config, .layout = &out->own};
    BCL_TRY(bcl_checkpoint_open(&ck, folder));
    BCL_TRY(bcl_layout_create(&out->own, config));
    BCL_NEW(out->weights, (size_t)out->own.named_count);
    for (int i = 0; i < out->own.named_count; i++) {
        const bcl_named *named = &out->own.named[i];
        const size_t n = bcl_named_elements(named);
        const bcl_tensor *t;
        BCL_TRY(bcl_checkpoint_need(&t, ck, &out->own, named, folder));
        BCL_NEW(out->weights[i], n);
        BCL_NEW(x, n);
        BCL_TRY(bcl_tensor_to_float(x, t));
        for (size_t k = 0; k < n; k++)
            out->weights[i][k] = (double)x[k];
        free(x);
        x = NULL;
        bcl_map_release(t->data, t->bytes);
    }
out:
    free(x);
    bcl_checkpoint_close(ck);
    if (status)
        bcl_exact_model_free(out);
    return status;
}

/* Its index, or -1; layer below 0: `what` is the whole name. */
static int find(const bcl_layout *layout, const char *what, int layer) {
    char name[sizeof layout->named->name];
    if (layer < 0)
        snprintf(name, sizeof name, "%s", what);
    else
        snprintf(name, sizeof name, "bert.encoder.layer.%d.%s", layer, what);
    for (int i = 0; i < layout->named_count; i++)
        if (!strcmp(layout->named[i].name, name))
            return i;
    return -1;
}

/* Of a table (model->weights, or gradients); the names are the layout's own. */
static double *tensor(const pass *p, double *const *table, const char *what, int layer) {
    return table[find(p->m->layout, what, layer)];
}
#define WEIGHT(name, layer)   tensor(p, p->m->weights, name, layer)
#define GRADIENT(name, layer) tensor(p, p->gradients, name, layer)

static bcl_dropout dropout_of(const pass *p, float rate, int layer, int place) {
    const bcl_dropout_state *d = p->m->dropout;
    if (!d)
        return (bcl_dropout){0};
    const uint64_t key = bcl_mix64(bcl_mix64(d->seed) ^ (uint64_t)d->step);
    return (bcl_dropout){rate, bcl_site(layer, place), {(uint32_t)key, (uint32_t)(key >> 32)}};
}

static bcl_dropout hidden_dropout(const pass *p, int layer, int place) {
    return dropout_of(p, p->m->dropout ? p->m->dropout->hidden : 0, layer, place);
}

static bcl_dropout head_dropout(const pass *p) {
    return dropout_of(p, p->m->dropout ? p->m->dropout->classifier : 0, p->m->config->layers + 1,
                      BCL_SITE_FIRST);
}

static void drop(const pass *p, double *x, bcl_dropout d) {
    const size_t C = (size_t)p->C;
    for (size_t i = 0; i < (size_t)p->T * C; i++)
        x[i] *= bcl_exact_mask_row(d, p->batch->samples[i / C], p->batch->positions[i / C], i % C);
}

/* ---- forward ---- */

/* y (T,out) = x (T,in) w' + b, w (out,in) as in the file */
static bcl_status linear(double *y, const double *x, const double *w, const double *b, int T,
                         int in, int out) {
    memset(y, 0, (size_t)T * (size_t)out * sizeof *y);
    bcl_exact_add_bias(y, b, T, out);
    return bcl_exact_product(y, x, w, BCL_GEMM_NT, T, out, in);
}

#define BOTH(name, layer) WEIGHT(name ".weight", layer), WEIGHT(name ".bias", layer)

/* qkv (T,3,C) from three (T,C), or back. */
static void interleave(const pass *p, double *qkv, double *const parts[3], bool back) {
    const size_t C = (size_t)p->C;
    for (size_t t = 0; t < (size_t)p->T; t++)
        for (size_t i = 0; i < 3; i++) {
            double *row = qkv + (3 * t + i) * C, *part = parts[i] + t * C;
            memcpy(back ? part : row, back ? row : part, C * sizeof *row);
        }
}

static bcl_exact_attention attention_of(const pass *p, int l, const kept *k) {
    const bcl_config *c = p->m->config;
    return (bcl_exact_attention){
        .B = p->batch->B,
        .NH = c->heads,
        .HS = c->head_size,
        .starts = p->batch->starts,
        .samples = p->batch->samples,
        .dropout =
            dropout_of(p, p->m->dropout ? p->m->dropout->attention : 0, l + 1, BCL_SITE_ATTENTION),
        .qkv = k->qkv,
        .out = k->context,
        .lse = k->lse};
}

/* y = LayerNorm(r), r = x + dropout(r) */
static void residual(const pass *p, double *y, double *r, double *mean, double *rstd,
                     const double *x, const double *gamma, const double *beta, bcl_dropout d) {
    const size_t C = (size_t)p->C;
    drop(p, r, d);
    for (size_t i = 0; i < (size_t)p->T * C; i++)
        r[i] += x[i];
    for (size_t t = 0; t < (size_t)p->T; t++)
        bcl_exact_norm(y + t * C, &mean[t], &rstd[t], r + t * C, gamma, beta, p->C,
                       p->m->config->layer_norm_eps);
}

static bcl_status layer_forward(const pass *p, int l) {
    bcl_status status = BCL_OK;
    const int T = p->T, C = p->C, F = p->F;
    const bool tanh_form = p->m->config->activation == BCL_GELU_TANH;
    const kept *k = &p->layers[l];
    double *out = l + 1 < p->m->config->layers ? p->layers[l + 1].x : p->x, slope;
    BCL_TRY(linear(k->q, k->x, BOTH("attention.self.query", l), T, C, C));
    BCL_TRY(linear(k->k, k->x, BOTH("attention.self.key", l), T, C, C));
    BCL_TRY(linear(k->v, k->x, BOTH("attention.self.value", l), T, C, C));
    interleave(p, k->qkv, (double *const[3]){k->q, k->k, k->v}, false);
    const bcl_exact_attention a = attention_of(p, l, k);
    BCL_TRY(bcl_exact_attention_run(&a));
    BCL_TRY(linear(k->r1, k->context, BOTH("attention.output.dense", l), T, C, C));
    residual(p, k->y1, k->r1, k->mean1, k->rstd1, k->x, BOTH("attention.output.LayerNorm", l),
             hidden_dropout(p, l + 1, BCL_SITE_FIRST));
    BCL_TRY(linear(k->up, k->y1, BOTH("intermediate.dense", l), T, C, F));
    for (size_t i = 0; i < (size_t)T * (size_t)F; i++)
        k->gelu[i] = bcl_exact_gelu(&slope, k->up[i], tanh_form);
    BCL_TRY(linear(k->r2, k->gelu, BOTH("output.dense", l), T, F, C));
    residual(p, out, k->r2, k->mean2, k->rstd2, k->y1, BOTH("output.LayerNorm", l),
             hidden_dropout(p, l + 1, BCL_SITE_SECOND));
out:
    return status;
}

static bcl_exact_embedding embedding_of(const pass *p) {
    return (bcl_exact_embedding){.T = p->T,
                                 .C = p->C,
                                 .ids = p->batch->ids,
                                 .positions = p->batch->positions,
                                 .samples = p->batch->samples,
                                 .dropout = hidden_dropout(p, 0, BCL_SITE_FIRST),
                                 .eps = p->m->config->layer_norm_eps,
                                 .word = WEIGHT("bert.embeddings.word_embeddings.weight", -1),
                                 .position =
                                     WEIGHT("bert.embeddings.position_embeddings.weight", -1),
                                 .type = WEIGHT("bert.embeddings.token_type_embeddings.weight", -1),
                                 .gamma = WEIGHT("bert.embeddings.LayerNorm.weight", -1),
                                 .beta = WEIGHT("bert.embeddings.LayerNorm.bias", -1),
                                 .y = p->layers->x};
}

static bcl_status forward(const pass *p, double *logits) {
    bcl_status status = BCL_OK;
    const bcl_exact_embedding e = embedding_of(p);
    BCL_TRY(bcl_exact_embedding_run(&e));
    for (int l = 0; l < p->m->config->layers; l++)
        BCL_TRY(layer_forward(p, l));
    memcpy(p->head, p->x, (size_t)p->T * (size_t)p->C * sizeof *p->head);
    drop(p, p->head, head_dropout(p));
    BCL_TRY(linear(logits, p->head, BOTH("classifier", -1), p->T, p->C, p->m->config->labels));
out:
    return status;
}

/* ---- backward ---- */

/* dx (T,in) += dy w; dw (out,in) += dy' x; db += column sums of dy */
static bcl_status linear_backward(double *dx, double *dw, double *db, const double *dy,
                                  const double *x, const double *w, int T, int in, int out) {
    bcl_status status = BCL_OK;
    BCL_TRY(bcl_exact_product(dx, dy, w, BCL_GEMM_NN, T, in, out));
    BCL_TRY(bcl_exact_product(dw, dy, x, BCL_GEMM_TN, out, in, T));
    bcl_exact_sum_rows(db, NULL, dy, T, out);
out:
    return status;
}
#define BACKWARD(dx, name, layer, dy, x, in, out)                                                  \
    linear_backward(dx, GRADIENT(name ".weight", layer), GRADIENT(name ".bias", layer), dy, x,     \
                    WEIGHT(name ".weight", layer), p->T, in, out)

static void clear(double *x, int T, int N) {
    memset(x, 0, (size_t)T * (size_t)N * sizeof *x);
}

/* dx of y becomes that of x, and dh = dropout(dx). */
static void residual_backward(const pass *p, double *dgamma, double *dbeta, const double *r,
                              const double *mean, const double *rstd, const double *gamma,
                              bcl_dropout d) {
    const size_t C = (size_t)p->C;
    for (size_t t = 0; t < (size_t)p->T; t++)
        bcl_exact_norm_backward(p->dx + t * C, dgamma, dbeta, NULL, NULL, p->dx + t * C, r + t * C,
                                mean[t], rstd[t], gamma, p->C);
    memcpy(p->dh, p->dx, (size_t)p->T * C * sizeof *p->dh);
    drop(p, p->dh, d);
}
#define NORM_BACKWARD(name, l, r, mean, rstd, place)                                               \
    residual_backward(p, GRADIENT(name ".weight", l), GRADIENT(name ".bias", l), r, mean, rstd,    \
                      WEIGHT(name ".weight", l), hidden_dropout(p, (l) + 1, place))

static bcl_status layer_backward(const pass *p, int l) {
    bcl_status status = BCL_OK;
    const int T = p->T, C = p->C, F = p->F;
    const bool tanh_form = p->m->config->activation == BCL_GELU_TANH;
    const kept *k = &p->layers[l];
    double slope;
    NORM_BACKWARD("output.LayerNorm", l, k->r2, k->mean2, k->rstd2, BCL_SITE_SECOND);
    clear(p->dup, T, F);
    BCL_TRY(BACKWARD(p->dup, "output.dense", l, p->dh, k->gelu, F, C));
    for (size_t i = 0; i < (size_t)T * (size_t)F; i++) {
        bcl_exact_gelu(&slope, k->up[i], tanh_form);
        p->dup[i] *= slope;
    }
    BCL_TRY(BACKWARD(p->dx, "intermediate.dense", l, p->dup, k->y1, C, F));
    NORM_BACKWARD("attention.output.LayerNorm", l, k->r1, k->mean1, k->rstd1, BCL_SITE_FIRST);
    clear(p->part, T, C);
    BCL_TRY(BACKWARD(p->part, "attention.output.dense", l, p->dh, k->context, C, C));
    bcl_exact_attention a = attention_of(p, l, k);
    a.dout = p->part;
    a.dqkv = p->dqkv;
    BCL_TRY(bcl_exact_attention_run(&a));
    /* their values are done with: q, k and v take their gradients */
    interleave(p, p->dqkv, (double *const[3]){k->q, k->k, k->v}, true);
    BCL_TRY(BACKWARD(p->dx, "attention.self.query", l, k->q, k->x, C, C));
    BCL_TRY(BACKWARD(p->dx, "attention.self.key", l, k->k, k->x, C, C));
    BCL_TRY(BACKWARD(p->dx, "attention.self.value", l, k->v, k->x, C, C));
out:
    return status;
}

static bcl_status embedding_backward(const pass *p) {
    bcl_status status = BCL_OK;
    const int pad = p->m->config->pad_token_id;
    double *words = GRADIENT("bert.embeddings.word_embeddings.weight", -1);
    bcl_exact_embedding e = embedding_of(p);
    e.dy = p->dx;
    e.dword = words;
    e.dposition = GRADIENT("bert.embeddings.position_embeddings.weight", -1);
    e.dtype = GRADIENT("bert.embeddings.token_type_embeddings.weight", -1);
    e.dgamma = GRADIENT("bert.embeddings.LayerNorm.weight", -1);
    e.dbeta = GRADIENT("bert.embeddings.LayerNorm.bias", -1);
    BCL_TRY(bcl_exact_embedding_run(&e));
    if (pad >= 0 && pad < p->m->config->vocabulary)
        clear(words + (size_t)pad * (size_t)p->C, 1, p->C);
out:
    return status;
}

static bcl_status backward(const pass *p) {
    bcl_status status = BCL_OK;
    const int T = p->T, C = p->C;
    clear(p->dx, T, C);
    BCL_TRY(BACKWARD(p->dx, "classifier", -1, p->dlogits, p->head, C, p->m->config->labels));
    drop(p, p->dx, head_dropout(p));
    for (int l = p->m->config->layers - 1; l >= 0; l--)
        BCL_TRY(layer_backward(p, l));
    BCL_TRY(embedding_backward(p));
out:
    return status;
}

/* ---- a pass ---- */

/* Cuts what a layer keeps out of one block, or with block NULL counts it. */
static size_t place(kept *k, double *block, size_t T, size_t C, size_t F, size_t NH) {
    size_t end = 0;
    double **const tensors[] = {&k->x,     &k->q,     &k->k,     &k->v,    &k->qkv,  &k->context,
                                &k->r1,    &k->y1,    &k->r2,    &k->up,   &k->gelu, &k->lse,
                                &k->mean1, &k->rstd1, &k->mean2, &k->rstd2};
    const size_t widths[] = {C, C, C, C, 3 * C, C, C, C, C, F, F, NH, 1, 1, 1, 1};
    for (size_t i = 0; i < sizeof tensors / sizeof *tensors; i++) {
        if (block)
            *tensors[i] = block + end;
        end += T * widths[i];
    }
    return end;
}

bcl_status bcl_exact_model_run(const bcl_exact_model *m, double *logits, double *loss,
                               double *const *gradients, const bcl_batch *batch, double weight) {
    bcl_status status = BCL_OK;
    const bcl_config *c = m->config;
    const size_t T = (size_t)batch->T, C = (size_t)c->hidden, F = (size_t)c->intermediate;
    const size_t L = (size_t)c->layers, K = (size_t)c->labels;
    pass p = {m,    batch, gradients, batch->T, c->hidden, c->intermediate, NULL, NULL, NULL, NULL,
              NULL, NULL,  NULL,      NULL,     NULL};
    double *block = NULL, *losses = NULL, stats[2] = {0, 0};
    int32_t *predicted = NULL;
    BCL_NEW(p.layers, L);
    const size_t size = place(&(kept){0}, NULL, T, C, F, (size_t)c->heads);
    BCL_NEW(block, L * size);
    for (size_t l = 0; l < L; l++)
        place(&p.layers[l], block + l * size, T, C, F, (size_t)c->heads);
    BCL_NEW(p.x, T * C);
    BCL_NEW(p.head, T * C);
    BCL_NEW(p.dlogits, T * K);
    BCL_NEW(p.dx, T * C);
    BCL_NEW(p.dh, T * C);
    BCL_NEW(p.dup, T * F);
    BCL_NEW(p.dqkv, 3 * T * C);
    BCL_NEW(p.part, T * C);
    BCL_NEW(losses, T);
    BCL_NEW(predicted, T);
    BCL_TRY(forward(&p, logits));
    bcl_exact_cross_entropy(stats, losses, predicted, p.dlogits, logits, batch->labels, batch->T,
                            c->labels, weight);
    *loss = weight * stats[0];
    if (gradients)
        BCL_TRY(backward(&p));
out:;
    void *const all[] = {p.layers, block, p.x,    p.head, p.dlogits, p.dx,
                         p.dh,     p.dup, p.dqkv, p.part, losses,    predicted};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
    return status;
}
