/* Device memory of the model: activations for batches up to a size, and the training arenas. */
#include "model/internal.h"

/* The views of one plan, which overlap; the slabs stay for the next. The last made goes first:
 * NVIDIA's driver (580) crashes when a view goes before a later one that overlaps it. */
static void release_views(bcl_model *m) {
    for (size_t i = m->part_count; i-- > 0;)
        bcl_buffer_free(m->device, &m->parts[i]);
    for (int i = 0; i < m->layout.parameter_count; i++)
        m->layout.parameters[i].g.buffer = NULL;
    free(m->parts);
    free(m->token_views);
    free(m->a.forward);
    free(m->a.backward);
    m->parts = NULL;
    m->token_views = NULL;
    m->part_count = m->token_view_count = 0;
    m->a = (bcl_activations){0};
    m->capacity = (bcl_capacity){0};
}

static void release_slabs(bcl_model *m) {
    for (size_t i = 0; i < m->slab_count; i++)
        bcl_buffer_free(m->device, &m->slabs[i]);
    free(m->slabs);
    m->slabs = NULL;
    m->slab_count = m->slab_bytes = 0;
}

static void release_block_views(bcl_model *m) {
#define X(name, most, used) bcl_buffer_free(m->device, &m->batch.name.buffer);
    BCL_BATCH_LISTS(X)
#undef X
    m->block_T = m->block_B = 0;
}

static void release_block(bcl_model *m) {
    release_block_views(m);
    bcl_buffer_free(m->device, &m->block);
}

void bcl_model_release_activations(bcl_model *m) {
    release_views(m);
    release_slabs(m);
    release_block(m);
}

bcl_status bcl_model_view_block(bcl_model *m, int tokens, int sentences) {
    bcl_status status = BCL_OK;
    bcl_batch_place places[BCL_BATCH_LIST_COUNT], *place = places;
    if (tokens == m->block_T && sentences == m->block_B)
        return BCL_OK;
    release_block_views(m);
    bcl_batch_places(places, tokens, sentences);
#define X(name, most, used)                                                                        \
    BCL_TRY(bcl_view_cut(&m->batch.name, m->block, place->offset, BCL_ELEMENT_I32,                 \
                         (int)(place->size / bcl_element_bytes(BCL_ELEMENT_I32)), 1));             \
    place++;
    BCL_BATCH_LISTS(X)
#undef X
    m->block_T = tokens;
    m->block_B = sentences;
out:
    return status;
}

static bcl_status reserve_block(bcl_model *m, const bcl_capacity *capacity) {
    bcl_status status = BCL_OK;
    bcl_batch_place places[BCL_BATCH_LIST_COUNT];
    const size_t bytes = bcl_batch_places(places, capacity->tokens, capacity->sentences);
    release_block(m);
    BCL_TRY(bcl_buffer_create(&m->block, m->device, bytes, "a batch's tokens"));
    BCL_TRY(bcl_model_view_block(m, capacity->tokens, capacity->sentences));
out:
    return status;
}

/* See bcl_gemm_operands. */
static bcl_element factors_of(const bcl_model *m) {
    return m->copy.buffer ? m->copy.type : BCL_ELEMENT_F32;
}

/* Memory for the plan: what there is if it is enough. */
static bcl_status reserve_slabs(bcl_model *m, const bcl_plan *plan, const bcl_capacity *capacity) {
    bcl_status status = BCL_OK;
    bcl_memory memory;
    char what[384];
    if (plan->bytes <= m->slab_bytes)
        return BCL_OK;
    release_slabs(m);
    bcl_memory_measure(&memory, &m->config, &m->layout, (size_t)m->rows, factors_of(m), capacity,
                       plan);
    BCL_TRY(bcl_memory_check(&memory, capacity, m->device));
    bcl_memory_text(what, sizeof what, &memory, capacity);
    BCL_NEW(m->slabs, plan->bytes / plan->slab + 1);
    while (m->slab_bytes < plan->bytes) {
        const size_t left = plan->bytes - m->slab_bytes;
        const size_t bytes = left < plan->slab ? left : plan->slab;
        BCL_TRY(bcl_buffer_create(&m->slabs[m->slab_count], m->device, bytes, what));
        m->slab_count++;
        m->slab_bytes += bytes;
    }
out:
    return status;
}

static bcl_status view_gradients(bcl_model *m, cl_mem slab, size_t offset) {
    bcl_status status = BCL_OK;
    const bcl_layout *l = &m->layout;
    for (int i = 0; i < l->parameter_count; i++) {
        bcl_parameter *p = &l->parameters[i];
        BCL_TRY(bcl_view_cut(&p->g, slab, offset + p->offset * bcl_element_bytes(l->type), l->type,
                             p->rows, p->columns));
        m->parts[m->part_count++] = p->g.buffer;
    }
out:
    return status;
}

static bcl_status make_views(bcl_model *m, const bcl_plan *plan) {
    bcl_status status = BCL_OK;
    const int T = plan->tokens;
    BCL_NEW(m->parts, plan->count + (size_t)m->layout.parameter_count);
    BCL_NEW(m->token_views, 2 * plan->count);
    for (size_t i = 0; i < plan->count; i++) {
        const bcl_planned *b = &plan->buffers[i];
        const cl_mem slab = m->slabs[b->offset / plan->slab];
        const size_t offset = b->offset % plan->slab;
        if (!b->out)
            continue;
        if (b->columns)
            BCL_TRY(bcl_view_cut(b->out, slab, offset, b->type, T, b->columns));
        else /* one view over all parts of the gradients */
            BCL_TRY(bcl_view_cut(b->out, slab, offset, b->type, 1, (int)m->layout.dense));
        m->parts[m->part_count++] = b->out->buffer;
        if (b->columns)
            m->token_views[m->token_view_count++] = b->out;
        else
            BCL_TRY(view_gradients(m, slab, offset));
        if (b->also) {
            *b->also = *b->out;
            m->token_views[m->token_view_count++] = b->also;
        }
    }
out:
    return status;
}

bcl_status bcl_model_reserve(bcl_model *m, const bcl_capacity *capacity) {
    bcl_status status = BCL_OK;
    bcl_plan plan = {0};
    const size_t layers = (size_t)m->config.layers + 1;
    if (capacity->tokens <= m->capacity.tokens && capacity->sentences <= m->capacity.sentences &&
        capacity->training == m->capacity.training &&
        capacity->accumulate == m->capacity.accumulate &&
        capacity->recompute == m->capacity.recompute)
        return BCL_OK;
    BCL_TRY(bcl_device_finish(m->device));
    release_views(m);
    BCL_NEW(m->a.forward, layers);
    BCL_NEW(m->a.backward, layers);
    BCL_TRY(bcl_plan_create(&plan, &m->a, &m->config, &m->layout, capacity, factors_of(m),
                            bcl_device_about(m->device)->max_allocation));
    BCL_TRY(reserve_block(m, capacity));
    BCL_TRY(reserve_slabs(m, &plan, capacity));
    BCL_TRY(make_views(m, &plan));
    if (capacity->training && capacity->accumulate) /* once for all; without it backward does it */
        BCL_TRY(bcl_buffer_zero(m->device, m->a.g.buffer, 0, m->a.g.bytes));
    m->capacity = *capacity;
out:
    bcl_plan_free(&plan);
    if (status)
        bcl_model_release_activations(m);
    return status;
}

static int list_gaps(cl_int *ranges, const bcl_layout *l, size_t first, size_t last) {
    int count = 0;
    for (int i = 0; i < l->parameter_count; i++) {
        const bcl_parameter *p = &l->parameters[i];
        const size_t rows = i == BCL_TYPE ? 1 : (size_t)p->rows; /* tokens are all of type 0 */
        const size_t begin = p->offset + rows * (size_t)p->columns;
        const size_t end = i + 1 < l->parameter_count ? p[1].offset : l->dense;
        if (begin == end || p->offset < first || p->offset >= last)
            continue;
        ranges[2 * count] = (cl_int)begin;
        ranges[2 * count++ + 1] = (cl_int)end;
    }
    return count;
}

bcl_status bcl_model_gaps_create(bcl_view *out, bcl_model *m, size_t first, size_t last) {
    bcl_status status = BCL_OK;
    cl_int *ranges = NULL;
    BCL_NEW(ranges, 2 * (size_t)m->layout.parameter_count);
    const int count = list_gaps(ranges, &m->layout, first, last);
    if (!count)
        goto out;
    BCL_TRY(bcl_view_create(out, m->device, BCL_ELEMENT_I32, count, 2, "the parameters' table"));
    BCL_TRY(bcl_buffer_write(m->device, out->buffer, 0, ranges, out->bytes, true));
out:
    free(ranges);
    return status;
}

/* Gradients and moments of `m->rows` words, and moments of the rest; all zero. */
static bcl_status create_moments(bcl_model *m) {
    bcl_status status = BCL_OK;
    const bcl_element type = m->layout.type;
    const int N = (int)m->layout.dense, R = m->rows, C = m->config.hidden;
    const struct {
        bcl_view *view;
        bcl_element type;
        int rows, columns;
        const char *what;
    } arenas[] = {
        {&m->m, type, 1, N, "Adam's first moments"},
        {&m->v, type, 1, N, "Adam's second moments"},
        {&m->row_g, type, R, C, "the word embedding's gradients"},
        {&m->row_m, type, R, C, "the word embedding's first moments"},
        {&m->row_v, type, R, C, "the word embedding's second moments"},
        {&m->partial, BCL_ELEMENT_F32, 1, BCL_ADAM_PARTIALS, "the gradient norm"},
        {&m->clip, BCL_ELEMENT_F32, 1, 2, "the gradient norm"},
        {&m->row_ids, BCL_ELEMENT_I32, R, 1, "the word list"},
        {&m->row_step, BCL_ELEMENT_I32, R, 1, "the word list"},
    };
    for (size_t i = 0; i < sizeof arenas / sizeof *arenas; i++) {
        bcl_view *v = arenas[i].view;
        if (!arenas[i].columns)
            continue;
        BCL_TRY(bcl_view_create(v, m->device, arenas[i].type, arenas[i].rows, arenas[i].columns,
                                arenas[i].what));
        BCL_TRY(bcl_buffer_zero(m->device, v->buffer, 0, v->bytes));
    }
out:
    return status;
}

/* Where a device has many units: room for the parts of a step's sums over the tokens, unless the
 * model is large; then they are added up in several goes. */
static bcl_status create_sums(bcl_model *m) {
    enum { MOST = 4 << 20 /* floats */ };
    const bcl_config *c = &m->config;
    const size_t C = (size_t)c->hidden, F = (size_t)c->intermediate, K = (size_t)c->labels;
    const size_t layer = bcl_gemm_fuses(m->ops.gemm) ? 4 * C : 9 * C + F;
    const size_t widest = F > 3 * C ? (F > K ? F : K) : (3 * C > K ? 3 * C : K);
    size_t columns = (size_t)c->layers * layer + 3 * C + K;
    if (bcl_device_wide(m->device) || m->ops.sums)
        return BCL_OK;
    if (columns * BCL_SUM_PARTS > MOST)
        columns = MOST / BCL_SUM_PARTS > widest ? MOST / BCL_SUM_PARTS : widest;
    return bcl_sums_create(&m->ops.sums, m->device, columns * BCL_SUM_PARTS, 8 * c->layers + 8);
}

bcl_status bcl_model_train_begin(bcl_model *m, const bool *used) {
    bcl_status status = BCL_OK;
    const size_t V = (size_t)m->config.vocabulary;
    int32_t *ids = NULL, *steps = NULL;
    BCL_TRY(bcl_model_check_plain(m, "training"));
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
    const size_t R = (size_t)m->rows;
    BCL_NEW(steps, R);
    memset(steps, 0xff, R * sizeof *steps); /* -1: never had a gradient */
    BCL_TRY(create_moments(m));
    BCL_TRY(create_sums(m));
    BCL_TRY(bcl_buffer_write(m->device, m->row_ids.buffer, 0, ids, m->row_ids.bytes, true));
    BCL_TRY(bcl_buffer_write(m->device, m->row_step.buffer, 0, steps, m->row_step.bytes, true));
    BCL_TRY(bcl_model_gaps_create(&m->no_gradient, m, 0, m->layout.dense));
out:
    free(ids);
    free(steps);
    return status;
}
