/* Device memory of the model: activations for batches up to a size, and the training arenas. */
#include "model/internal.h"

static void release_layer(bcl_model *m, bcl_layer_activations *layer) {
    cl_mem *buffers = (cl_mem *)layer;
    for (int i = 0; i < BCL_LAYER_BUFFERS; i++)
        bcl_buffer_free(m->device, &buffers[i]);
}

void bcl_model_release_activations(bcl_model *m) {
    bcl_activations *a = &m->a;
    cl_mem *singles[] = {&a->x,        &a->mean,      &a->rstd, &a->head, &a->logits, &a->dlogits,
                         &a->row_loss, &a->predicted, &a->dx,   &a->dh,   &a->wide,   &a->delta};
    for (size_t i = 0; i < sizeof a->views / sizeof *a->views; i++)
        bcl_buffer_free(m->device, &a->views[i]);
    bcl_buffer_free(m->device, &a->block);
    for (size_t i = 0; i < sizeof singles / sizeof *singles; i++)
        bcl_buffer_free(m->device, singles[i]);
    /* In inference every layer has the buffers of the first but for y2, see reserve. */
    for (int i = 0; a->layers && i < (m->training ? m->config.layers : 1); i++)
        release_layer(m, &a->layers[i]);
    free(a->layers);
    *a = (bcl_activations){0};
    m->tokens = m->sentences = 0;
}

/* `count` floats or int32. */
static bcl_status room(bcl_model *m, cl_mem *out, size_t count) {
    return bcl_buffer_create(out, m->device, count * 4,
                             "a batch's activations (fewer sentences a batch or shorter ones need "
                             "less: --batch, --max-length)");
}

static bcl_status reserve_layer(bcl_model *m, bcl_layer_activations *l, size_t T) {
    bcl_status status = BCL_OK;
    const size_t C = (size_t)m->config.hidden, F = (size_t)m->config.intermediate;
    const size_t NH = (size_t)m->config.heads;
    BCL_TRY(room(m, &l->qkv, T * 3 * C));
    BCL_TRY(room(m, &l->context, T * C));
    BCL_TRY(room(m, &l->lse, T * NH));
    BCL_TRY(room(m, &l->r1, T * C));
    BCL_TRY(room(m, &l->y1, T * C));
    BCL_TRY(room(m, &l->mean1, T));
    BCL_TRY(room(m, &l->rstd1, T));
    BCL_TRY(room(m, &l->up, T * F));
    if (m->training)
        BCL_TRY(room(m, &l->gelu, T * F));
    BCL_TRY(room(m, &l->r2, T * C));
    BCL_TRY(room(m, &l->y2, T * C));
    BCL_TRY(room(m, &l->mean2, T));
    BCL_TRY(room(m, &l->rstd2, T));
out:
    return status;
}

/* The batch's integers in one buffer; the views lie at the capacity's distances, rounded up. */
static bcl_status reserve_block(bcl_model *m, size_t T, size_t B) {
    bcl_status status = BCL_OK;
    bcl_activations *a = &m->a;
    const size_t unit = 1024, sizes[9] = {T, T, T, T, T, T, T, T + 1, B + 1};
    size_t offset = 0;
    for (int i = 0; i < 9; i++)
        offset += (sizes[i] * 4 + unit - 1) / unit * unit;
    BCL_TRY(bcl_buffer_create(&a->block, m->device, offset, "a batch's tokens"));
    offset = 0;
    for (int i = 0; i < 9; i++) {
        BCL_TRY(bcl_buffer_view(&a->views[i], a->block, offset, sizes[i] * 4));
        offset += (sizes[i] * 4 + unit - 1) / unit * unit;
    }
    m->batch = (bcl_batch_layout){.ids = a->views[0],
                                  .positions = a->views[1],
                                  .samples = a->views[2],
                                  .sentence_of = a->views[3],
                                  .labels = a->views[4],
                                  .order = a->views[5],
                                  .unique_slots = a->views[6],
                                  .unique_starts = a->views[7],
                                  .starts = a->views[8]};
out:
    return status;
}

bcl_status bcl_model_reserve(bcl_model *m, int tokens, int sentences, bool training) {
    bcl_status status = BCL_OK;
    if (tokens <= m->tokens && sentences <= m->sentences && training == m->training)
        return BCL_OK;
    BCL_TRY(bcl_device_finish(m->device));
    bcl_model_release_activations(m);
    bcl_activations *a = &m->a;
    const size_t T = (size_t)tokens, C = (size_t)m->config.hidden, K = (size_t)m->config.labels;
    const size_t F = (size_t)m->config.intermediate, L = (size_t)m->config.layers;
    m->training = training;
    BCL_NEW(a->layers, L);
    BCL_TRY(reserve_block(m, T, (size_t)sentences));
    BCL_TRY(room(m, &a->x, T * C));
    BCL_TRY(room(m, &a->mean, T));
    BCL_TRY(room(m, &a->rstd, T));
    BCL_TRY(room(m, &a->logits, T * K));
    BCL_TRY(room(m, &a->row_loss, T));
    BCL_TRY(room(m, &a->predicted, T));
    for (size_t i = 0; i < L; i++) {
        if (i && !training)
            a->layers[i] = a->layers[0];
        else
            BCL_TRY(reserve_layer(m, &a->layers[i], T));
    }
    if (training) {
        BCL_TRY(room(m, &a->head, T * C));
        BCL_TRY(room(m, &a->dlogits, T * K));
        BCL_TRY(room(m, &a->dx, T * C));
        BCL_TRY(room(m, &a->dh, T * C));
        BCL_TRY(room(m, &a->wide, T * (F > 3 * C ? F : 3 * C)));
        BCL_TRY(room(m, &a->delta, T * (size_t)m->config.heads));
    }
    m->tokens = tokens;
    m->sentences = sentences;
out:
    if (status)
        bcl_model_release_activations(m);
    return status;
}

bcl_status bcl_model_train_begin(bcl_model *m, const bool *used) {
    bcl_status status = BCL_OK;
    const size_t V = (size_t)m->config.vocabulary, C = (size_t)m->config.hidden;
    const size_t bytes = m->layout.dense * sizeof(float);
    int32_t *ids = NULL, *steps = NULL;
    BCL_NEW(m->slot_of, V);
    BCL_NEW(ids, V);
    m->rows = 0;
    for (size_t id = 0; id < V; id++) {
        m->slot_of[id] = !used || used[id] ? m->rows : -1;
        if (m->slot_of[id] >= 0)
            ids[m->rows++] = (int32_t)id;
    }
    /* as torch.nn.Embedding's padding_idx: a literal [PAD] in the data gives no gradient */
    if (m->config.pad_token_id >= 0 && m->config.pad_token_id < m->config.vocabulary)
        m->slot_of[m->config.pad_token_id] = -1;
    const size_t R = (size_t)m->rows, row_bytes = R * C * sizeof(float);
    BCL_NEW(steps, R);
    memset(steps, 0xff, R * sizeof *steps); /* -1: never had a gradient */
    struct {
        cl_mem *buffer;
        size_t bytes;
        const char *what;
    } arenas[] = {
        {&m->g, bytes, "the gradients"},
        {&m->m, bytes, "Adam's first moments"},
        {&m->v, bytes, "Adam's second moments"},
        {&m->row_g, row_bytes, "the word embedding's gradients"},
        {&m->row_m, row_bytes, "the word embedding's first moments"},
        {&m->row_v, row_bytes, "the word embedding's second moments"},
        {&m->partial, BCL_ADAM_PARTIALS * sizeof(float), "the gradient norm"},
        {&m->clip, 2 * sizeof(float), "the gradient norm"},
        {&m->row_ids, R * sizeof *ids, "the word list"},
        {&m->row_step, R * sizeof *steps, "the word list"},
    };
    for (size_t i = 0; i < sizeof arenas / sizeof *arenas; i++) {
        BCL_TRY(bcl_buffer_create(arenas[i].buffer, m->device, arenas[i].bytes, arenas[i].what));
        BCL_TRY(bcl_buffer_zero(m->device, *arenas[i].buffer, 0, arenas[i].bytes));
    }
    BCL_TRY(bcl_buffer_write(m->device, m->row_ids, 0, ids, R * sizeof *ids, true));
    BCL_TRY(bcl_buffer_write(m->device, m->row_step, 0, steps, R * sizeof *steps, true));
    for (int i = 0; i < m->layout.parameter_count; i++) {
        bcl_parameter *p = &m->layout.parameters[i];
        BCL_TRY(bcl_buffer_view(&p->g, m->g, p->offset * sizeof(float),
                                (size_t)p->rows * (size_t)p->columns * sizeof(float)));
    }
out:
    free(ids);
    free(steps);
    return status;
}

void bcl_model_free(bcl_model *m) {
    if (!m)
        return;
    cl_mem *buffers[] = {&m->dense,    &m->words,   &m->stats, &m->g,     &m->m,
                         &m->v,        &m->row_g,   &m->row_m, &m->row_v, &m->row_ids,
                         &m->row_step, &m->partial, &m->clip};
    if (m->device)
        (void)bcl_device_finish(m->device);
    bcl_model_release_activations(m);
    for (int i = 0; m->layout.parameters && i < m->layout.parameter_count; i++) {
        bcl_buffer_free(m->device, &m->layout.parameters[i].p);
        bcl_buffer_free(m->device, &m->layout.parameters[i].g);
    }
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        bcl_buffer_free(m->device, buffers[i]);
    bcl_gemm_free(m->ops.gemm);
    bcl_layout_free(&m->layout);
    free(m->slot_of);
    free(m);
}

const char *bcl_model_gemm(const bcl_model *m) {
    return bcl_gemm_name(m->ops.gemm);
}

bcl_precision bcl_model_precision(const bcl_model *m) {
    return bcl_gemm_precision(m->ops.gemm);
}

const bcl_layout *bcl_model_layout(const bcl_model *m) {
    return &m->layout;
}

bcl_device *bcl_model_device(const bcl_model *m) {
    return m->device;
}

const int32_t *bcl_model_slots(const bcl_model *m) {
    return m->slot_of;
}
