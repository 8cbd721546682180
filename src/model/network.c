/* BERT's forward and backward as a walk over its operations (Devlin et al. 2019; post-LayerNorm).
 */
#include "model/internal.h"

static bcl_dropout dropout_of(const bcl_dropout_state *dropout, float p, int layer, int place) {
    if (!dropout || p <= 0)
        return (bcl_dropout){0};
    uint64_t key = bcl_mix64(bcl_mix64(dropout->seed) ^ (uint64_t)dropout->step);
    return (bcl_dropout){p, bcl_site(layer, place), {(uint32_t)key, (uint32_t)(key >> 32)}};
}

static const bcl_view none;

static const bcl_parameter *layer_parameters(const bcl_model *m, int layer) {
    return m->layout.parameters + BCL_FIRST_LAYER + layer * BCL_LAYER_PARAMETERS;
}

/* One write. Batches of another capacity than the last one's have their lists elsewhere. */
static bcl_status upload(bcl_model *m, const bcl_batch *b) {
    bcl_status status = BCL_OK;
    if (b->capacity_T > m->capacity.tokens || b->capacity_B > m->capacity.sentences)
        BCL_FAIL(BCL_ERROR_ARGUMENT,
                 "a batch of up to %d tokens and %d sentences exceeds the capacity of %d and %d",
                 b->capacity_T, b->capacity_B, m->capacity.tokens, m->capacity.sentences);
    BCL_TRY(bcl_model_view_block(m, b->capacity_T, b->capacity_B));
    BCL_TRY(bcl_buffer_write(m->device, m->block, 0, b->block, bcl_batch_used(b), false));
    const int T = m->batch.T = b->T, B = m->batch.B = b->B, N = m->batch.N = b->N;
    const int U = m->batch.U = b->U;
    m->batch.longest = b->longest;
#define X(name, most, used) m->batch.name.rows = used;
    BCL_BATCH_LISTS(X)
#undef X
    for (size_t i = 0; i < m->token_view_count; i++)
        m->token_views[i]->rows = T;
out:
    return status;
}

/* As products read it. */
static bcl_view factor(bcl_view full, bcl_view copy) {
    return copy.buffer ? copy : full;
}
static bcl_view input_of(const bcl_layer_activations *l) {
    return factor(l->x, l->x_copy);
}

/* A layer up to GELU, into the forward pass's tensors or, once more, into backward's. */
static bcl_status layer_inner(bcl_model *m, int layer, const bcl_layer_activations *l,
                              const bcl_dropout_state *dropout) {
    bcl_status status = BCL_OK;
    const bcl_config *c = &m->config;
    const bcl_parameter *p = layer_parameters(m, layer);
    const int T = m->batch.T, C = c->hidden, F = c->intermediate;
    bcl_ops *ops = &m->ops;
    BCL_TRY(
        bcl_linear_forward(ops, l->qkv, input_of(l), p[BCL_QKV_W].w, p[BCL_QKV_B].p, T, C, 3 * C));
    BCL_TRY(bcl_attention_forward(
        ops, l->context, l->lse, l->qkv, &m->batch, c->heads, c->head_size,
        dropout_of(dropout, dropout ? dropout->attention : 0, layer + 1, BCL_SITE_ATTENTION)));
    BCL_TRY(bcl_linear_layernorm_forward(
        ops, l->y1, l->y1_copy, l->r1, l->mean1, l->rstd1, l->context, l->x, p[BCL_OUT_W].w,
        p[BCL_OUT_B].p, p[BCL_LN1_G].p, p[BCL_LN1_B].p, &m->batch, C, C, (float)c->layer_norm_eps,
        dropout_of(dropout, dropout ? dropout->hidden : 0, layer + 1, BCL_SITE_FIRST)));
    BCL_TRY(bcl_linear_gelu_forward(ops, l->gelu, l->up, factor(l->y1, l->y1_copy), p[BCL_UP_W].w,
                                    p[BCL_UP_B].p, T, C, F, c->activation == BCL_GELU_TANH));
out:
    return status;
}

static bcl_status layer_forward(bcl_model *m, int layer, const bcl_dropout_state *dropout) {
    bcl_status status = BCL_OK;
    const bcl_config *c = &m->config;
    const bcl_parameter *p = layer_parameters(m, layer);
    const bcl_layer_activations *l = &m->a.forward[layer];
    const int C = c->hidden, F = c->intermediate;
    bcl_ops *ops = &m->ops;
    BCL_TRY(layer_inner(m, layer, l, dropout));
    BCL_TRY(bcl_linear_layernorm_forward(
        ops, l[1].x, l[1].x_copy, l->r2, l->mean2, l->rstd2, l->gelu, l->y1, p[BCL_DOWN_W].w,
        p[BCL_DOWN_B].p, p[BCL_LN2_G].p, p[BCL_LN2_B].p, &m->batch, F, C, (float)c->layer_norm_eps,
        dropout_of(dropout, dropout ? dropout->hidden : 0, layer + 1, BCL_SITE_SECOND)));
out:
    return status;
}

/* With recompute: what backward reads of a layer and the forward pass did not keep, to the same
 * bits. The last layer's is all there still but its input. */
static bcl_status layer_recompute(bcl_model *m, int layer, const bcl_dropout_state *dropout) {
    bcl_status status = BCL_OK;
    const bcl_layer_activations *l = &m->a.backward[layer];
    if (layer) {
        const bcl_parameter *below = layer_parameters(m, layer - 1);
        BCL_TRY(bcl_layernorm_recompute(&m->ops, l->x, l->x_copy, l[-1].r2, l[-1].mean2,
                                        l[-1].rstd2, below[BCL_LN2_G].p, below[BCL_LN2_B].p,
                                        m->batch.T, m->config.hidden));
    }
    if (layer < m->config.layers - 1)
        BCL_TRY(layer_inner(m, layer, l, dropout));
out:
    return status;
}

/* Only for bcl_model_find_overflow: is the input of `layer` finite? */
static bcl_status watch(bcl_model *m, int layer) {
    bcl_status status = BCL_OK;
    const size_t count = (size_t)m->batch.T * (size_t)m->config.hidden;
    if (!m->watched || m->overflow >= 0)
        return BCL_OK;
    BCL_TRY(bcl_buffer_read(m->device, m->a.forward[layer].x.buffer, 0, m->watched,
                            count * sizeof *m->watched, true));
    if (bcl_floats_finite(m->watched, count) < count)
        m->overflow = layer;
out:
    return status;
}

/* Behind whatever has written weights, but Adam. */
static bcl_status copy_weights(bcl_model *m) {
    bcl_status status = BCL_OK;
    if (m->copy.buffer && !m->copied)
        BCL_TRY(bcl_adam_copy(&m->ops, m->copy, m->dense, (int)m->layout.dense));
    m->copied = true;
out:
    return status;
}

static bcl_embedding_shape embedding_shape(const bcl_config *c) {
    return (bcl_embedding_shape){
        .V = c->vocabulary, .P = c->positions, .N = c->types, .C = c->hidden};
}

bcl_status bcl_model_forward(bcl_model *m, const bcl_batch *batch,
                             const bcl_dropout_state *dropout) {
    bcl_status status = BCL_OK;
    const bcl_config *c = &m->config;
    const bcl_parameter *p = m->layout.parameters, *head = p + m->layout.classifier;
    BCL_TRY(upload(m, batch));
    BCL_TRY(copy_weights(m));
    BCL_TRY(bcl_embedding_forward(
        &m->ops, m->a.forward->x, m->a.forward->x_copy, m->a.mean, m->a.rstd, &m->batch, m->words,
        p[BCL_POSITION].p, p[BCL_TYPE].p, p[BCL_EMBED_G].p, p[BCL_EMBED_B].p, embedding_shape(c),
        (float)c->layer_norm_eps,
        dropout_of(dropout, dropout ? dropout->hidden : 0, 0, BCL_SITE_FIRST)));
    BCL_TRY(watch(m, 0));
    for (int i = 0; i < c->layers; i++) {
        BCL_TRY(layer_forward(m, i, dropout));
        BCL_TRY(watch(m, i + 1));
    }
    bcl_view x = m->a.forward[c->layers].x;
    if (dropout && dropout->classifier > 0) {
        BCL_TRY(bcl_dropout_rows(
            &m->ops, m->a.head, x, &m->batch, c->hidden,
            dropout_of(dropout, dropout->classifier, c->layers + 1, BCL_SITE_FIRST)));
        x = m->a.head;
    }
    BCL_TRY(bcl_linear_forward(&m->ops, m->a.logits, x, head[0].w, head[1].p, batch->T, c->hidden,
                               c->labels));
out:
    return status;
}

bcl_status bcl_model_find_overflow(char out[BCL_MODEL_PLACE], bcl_model *m, const bcl_batch *batch,
                                   const bcl_dropout_state *dropout) {
    bcl_status status = BCL_OK;
    m->overflow = -1;
    BCL_NEW(m->watched, (size_t)batch->T * (size_t)m->config.hidden);
    BCL_TRY(bcl_model_forward(m, batch, dropout));
    if (m->overflow < 0)
        snprintf(out, BCL_MODEL_PLACE, "the classifier's logits");
    else if (!m->overflow)
        snprintf(out, BCL_MODEL_PLACE, "the embeddings' output");
    else
        snprintf(out, BCL_MODEL_PLACE, "the output of encoder layer %d of %d", m->overflow,
                 m->config.layers);
out:
    free(m->watched);
    m->watched = NULL;
    return status;
}

bcl_status bcl_model_set_loss(bcl_model *m, const float *class_weights, float smoothing) {
    bcl_status status = BCL_OK;
    const int K = m->config.labels;
    float *ones = NULL;
    if (!class_weights && smoothing == 0)
        return BCL_OK;
    BCL_NEW(ones, (size_t)K);
    for (int k = 0; k < K; k++)
        ones[k] = 1;
    bcl_buffer_free(m->device, &m->class_weights.buffer);
    BCL_TRY(bcl_view_create(&m->class_weights, m->device, BCL_ELEMENT_F32, 1, K,
                            "the weights of the labels"));
    BCL_TRY(bcl_buffer_write(m->device, m->class_weights.buffer, 0,
                             class_weights ? class_weights : ones, m->class_weights.bytes, true));
    m->smoothing = smoothing;
out:
    free(ones);
    return status;
}

bcl_status bcl_model_loss(bcl_model *m, float weight, bool gradients, bool accumulate) {
    m->ops.accumulate = accumulate;
    return bcl_cross_entropy(&m->ops, m->stats, m->a.row_loss, m->a.predicted,
                             gradients ? m->a.dlogits : none, m->a.logits, &m->batch,
                             m->config.labels, weight, gradients ? m->class_weights : none,
                             gradients ? m->smoothing : 0);
}

/* Nothing that is queued from here on writes the gradients of the next part. */
static bcl_status hand_out(bcl_model *m) {
    bcl_status status = BCL_OK;
    if (!bcl_model_exchanges(m))
        return BCL_OK;
    BCL_TRY(bcl_sums_finish(&m->ops));
    BCL_TRY(bcl_model_exchange_hand_out(m));
out:
    return status;
}

/* dx is the gradient of the layer's output on entry, of its input on return. The weights' gradients
 * are computed on the auxiliary queue: whatever writes over what they read waits for them, see
 * bcl_operands_use. */
static bcl_status layer_backward(bcl_model *m, int layer, const bcl_dropout_state *dropout) {
    bcl_status status = BCL_OK;
    const bcl_config *c = &m->config;
    const bcl_parameter *p = layer_parameters(m, layer);
    const bcl_layer_activations *l = &m->a.backward[layer];
    const int T = m->batch.T, C = c->hidden, F = c->intermediate;
    const float hidden = dropout ? dropout->hidden : 0;
    bcl_ops *ops = &m->ops;
    const bcl_view dx = m->a.dx, dh = m->a.dh;
    const bcl_view dup = l->dup, dqkv = l->dqkv;
    if (m->capacity.recompute)
        BCL_TRY(layer_recompute(m, layer, dropout));
    BCL_TRY(bcl_residual_layernorm_backward(
        ops, dx, dh, p[BCL_LN2_G].g, p[BCL_LN2_B].g, dx, l->r2, l->mean2, l->rstd2, p[BCL_LN2_G].p,
        &m->batch, C, dropout_of(dropout, hidden, layer + 1, BCL_SITE_SECOND)));
    BCL_TRY(bcl_gelu_linear_backward(ops, dup, p[BCL_DOWN_W].g, p[BCL_DOWN_B].g, dh, l->gelu, l->up,
                                     p[BCL_DOWN_W].w, T, F, C, c->activation == BCL_GELU_TANH));
    BCL_TRY(bcl_layernorm_linear_backward(
        ops, dx, dh, p[BCL_LN1_G].g, p[BCL_LN1_B].g, p[BCL_UP_W].g, p[BCL_UP_B].g, dx, dup,
        factor(l->y1, l->y1_copy), l->r1, l->mean1, l->rstd1, p[BCL_LN1_G].p, p[BCL_UP_W].w,
        &m->batch, C, F, dropout_of(dropout, hidden, layer + 1, BCL_SITE_FIRST)));
    if (!layer)
        BCL_TRY(hand_out(m));
    /* r1 is done with: it takes the gradient of the context */
    BCL_TRY(bcl_linear_backward(ops, l->r1, p[BCL_OUT_W].g, p[BCL_OUT_B].g, dh, l->context,
                                p[BCL_OUT_W].w, T, C, C, false));
    BCL_TRY(bcl_attention_backward(
        ops, dqkv, m->a.delta, l->r1, l->context, l->lse, l->qkv, &m->batch, c->heads, c->head_size,
        dropout_of(dropout, dropout ? dropout->attention : 0, layer + 1, BCL_SITE_ATTENTION)));
    BCL_TRY(bcl_linear_backward(ops, dx, p[BCL_QKV_W].g, p[BCL_QKV_B].g, dqkv, input_of(l),
                                p[BCL_QKV_W].w, T, C, 3 * C, true));
out:
    return status;
}

bcl_status bcl_model_backward(bcl_model *m, const bcl_dropout_state *dropout, int64_t step,
                              bool accumulate) {
    bcl_status status = BCL_OK;
    const bcl_config *c = &m->config;
    const bcl_parameter *p = m->layout.parameters, *head = p + m->layout.classifier;
    const int T = m->batch.T, L = c->layers;
    const bool dropped = dropout && dropout->classifier > 0;
    m->ops.accumulate = accumulate;
    BCL_TRY(bcl_sums_later(&m->ops, true));
    BCL_TRY(bcl_linear_backward(&m->ops, m->a.dx, head[0].g, head[1].g, m->a.dlogits,
                                dropped ? m->a.head : m->a.forward[L].x, head[0].w, T, c->hidden,
                                c->labels, false));
    if (dropped)
        BCL_TRY(bcl_dropout_rows(&m->ops, m->a.dx, m->a.dx, &m->batch, c->hidden,
                                 dropout_of(dropout, dropout->classifier, L + 1, BCL_SITE_FIRST)));
    for (int i = L - 1; i >= m->frozen && i >= 0; i--) {
        BCL_TRY(layer_backward(m, i, dropout));
        BCL_TRY(hand_out(m));
    }
    if (m->frozen < 0)
        BCL_TRY(bcl_embedding_backward(
            &m->ops, m->a.dx, m->a.scratch.buffer ? m->a.scratch : m->a.dh, m->row_g, m->row_step,
            p[BCL_POSITION].g, p[BCL_TYPE].g, p[BCL_EMBED_G].g, p[BCL_EMBED_B].g, m->a.mean,
            m->a.rstd, &m->batch, m->words, p[BCL_POSITION].p, p[BCL_TYPE].p, p[BCL_EMBED_G].p,
            embedding_shape(c), m->rows, (int)step,
            dropout_of(dropout, dropout ? dropout->hidden : 0, 0, BCL_SITE_FIRST)));
    BCL_TRY(bcl_sums_later(&m->ops, false));
    if (!m->capacity.accumulate && /* else nothing else was there */
        !bcl_model_exchanges(m))   /* which has its own for each part */
        BCL_TRY(bcl_zero_ranges(&m->ops, m->a.g, m->no_gradient, m->no_gradient.rows));
out:
    return status;
}

bcl_status bcl_model_update(bcl_model *m, const bcl_adam *adam, int64_t step) {
    bcl_status status = BCL_OK;
    const bcl_adam_arenas arenas = {.p = m->dense,
                                    .g = m->a.g,
                                    .m = m->m,
                                    .v = m->v,
                                    .copy = m->copy,
                                    .N = m->layout.dense,
                                    .table = m->words,
                                    .row_g = m->row_g,
                                    .row_m = m->row_m,
                                    .row_v = m->row_v,
                                    .row_ids = m->row_ids,
                                    .row_step = m->row_step,
                                    .R = m->rows,
                                    .C = m->config.hidden,
                                    .partial = m->partial,
                                    .clip = m->clip,
                                    .loss = m->stats,
                                    .ranges = m->ranges,
                                    .range_count = m->range_count,
                                    .row_rate = m->row_rate};
    BCL_TRY(bcl_adam_step(&m->ops, &arenas, adam, (int)step));
out:
    return status;
}

bcl_status bcl_model_read_stats(bcl_model *m, float *out, cl_event *event) {
    bcl_status status =
        bcl_buffer_read(m->device, m->stats.buffer, 0, out, 2 * sizeof(float), false);
    return status ? status
                  : bcl_buffer_read_later(m->device, m->clip.buffer, out + 2, 2 * sizeof(float),
                                          event);
}

static size_t logits_bytes(const bcl_model *m) {
    return (size_t)m->batch.T * (size_t)m->config.labels * sizeof(float);
}

bcl_status bcl_model_read_output(bcl_model *m, float *row_loss, int32_t *predicted, float *logits,
                                 cl_event *event) {
    bcl_status status = BCL_OK;
    const size_t T = (size_t)m->batch.T;
    if (logits)
        BCL_TRY(bcl_buffer_read(m->device, m->a.logits.buffer, 0, logits, logits_bytes(m), false));
    BCL_TRY(
        bcl_buffer_read(m->device, m->a.row_loss.buffer, 0, row_loss, T * sizeof *row_loss, false));
    BCL_TRY(bcl_buffer_read_later(m->device, m->a.predicted.buffer, predicted,
                                  T * sizeof *predicted, event));
out:
    return status;
}

bcl_status bcl_model_read_logits(bcl_model *m, float *logits, cl_event *event) {
    return bcl_buffer_read_later(m->device, m->a.logits.buffer, logits, logits_bytes(m), event);
}
