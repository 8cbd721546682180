/* A step's gradients on their way over the host to other processes and back. Dense gradients are
 * handed out in parts, from the last layer down, each behind the kernels that compute it; of the
 * word embedding's only the rows that the step touches. Behind the lowest layer there is little
 * left to compute while its gradients travel, so it goes in two halves. Knows nothing of who adds
 * them up. */
#include "model/internal.h"

struct bcl_exchange {
    bcl_gradient_part *parts; /* (dense + 1): the arena from its end down, and the word rows */
    size_t *offsets;          /* (dense), elements of the arena */
    bcl_view *gaps;           /* (dense) of each, see bcl_model_gaps_create */
    size_t dense;
    bcl_view block, slots; /* (capacity,C), (capacity,1) */
    int rows;              /* of the step that is out */
    bool open;
    size_t out; /* dense parts that were handed out */
};

/* What is between `offset` and the parts so far is the next one. */
static void cut(bcl_exchange *x, const bcl_model *m, size_t offset) {
    const size_t end = x->dense ? x->offsets[x->dense - 1] : m->layout.dense;
    x->parts[x->dense].count = end - offset;
    x->offsets[x->dense++] = offset;
}

/* The arena is embeddings, layers, classifier: the classifier goes with the last layer. */
static void cut_parts(bcl_exchange *x, const bcl_model *m) {
    for (int i = m->config.layers - 1; i >= 0; i--) {
        const bcl_parameter *layer =
            m->layout.parameters + BCL_FIRST_LAYER + (size_t)i * BCL_LAYER_PARAMETERS;
        if (!i)
            cut(x, m, layer[BCL_UP_W].offset);
        cut(x, m, layer[BCL_QKV_W].offset);
    }
    cut(x, m, 0);
}

bcl_status bcl_model_exchange_create(bcl_model *m, int64_t tokens) {
    bcl_status status = BCL_OK;
    const int rows = tokens < m->rows ? (int)tokens : m->rows;
    const size_t most = (size_t)m->config.layers + 2; /* dense parts */
    bcl_exchange *x;
    BCL_NEW(x, 1);
    m->exchange = x;
    BCL_NEW(x->parts, most + 1);
    BCL_NEW(x->offsets, most);
    BCL_NEW(x->gaps, most);
    cut_parts(x, m);
    for (size_t i = 0; i < x->dense; i++)
        BCL_TRY(bcl_model_gaps_create(&x->gaps[i], m, x->offsets[i],
                                      x->offsets[i] + x->parts[i].count));
    BCL_TRY(bcl_view_create(&x->block, m->device, BCL_ELEMENT_F32, rows, m->config.hidden,
                            "the word gradients of a step"));
    BCL_TRY(bcl_view_create(&x->slots, m->device, BCL_ELEMENT_I32, rows, 1,
                            "the word gradients of a step"));
out:
    return status;
}

void bcl_model_exchange_free(bcl_model *m) {
    bcl_exchange *x = m->exchange;
    if (!x)
        return;
    for (size_t i = 0; x->parts && i <= x->dense; i++)
        (void)bcl_event_finish(&x->parts[i].ready);
    for (size_t i = 0; x->gaps && i < x->dense; i++)
        bcl_buffer_free(m->device, &x->gaps[i].buffer);
    bcl_buffer_free(m->device, &x->block.buffer);
    bcl_buffer_free(m->device, &x->slots.buffer);
    free(x->parts);
    free(x->offsets);
    free(x->gaps);
    free(x);
    m->exchange = NULL;
}

void bcl_model_exchange_open(bcl_model *m) {
    m->exchange->open = true;
    m->exchange->out = 0;
}

size_t bcl_model_exchange_parts(const bcl_model *m) {
    return m->exchange->dense + 1;
}

bcl_gradient_part *bcl_model_exchange_part(const bcl_model *m, size_t i) {
    return &m->exchange->parts[i];
}

bcl_status bcl_model_exchange_none(bcl_model *m) {
    bcl_status status = BCL_OK;
    BCL_TRY(bcl_buffer_zero(m->device, m->a.g.buffer, 0, m->layout.dense * sizeof(float)));
    BCL_TRY(bcl_buffer_zero(m->device, m->stats.buffer, 0, 2 * sizeof(float)));
out:
    return status;
}

bool bcl_model_exchanges(const bcl_model *m) {
    return m->exchange && m->exchange->open;
}

bcl_status bcl_model_exchange_hand_out(bcl_model *m) {
    bcl_status status = BCL_OK;
    bcl_exchange *x = m->exchange;
    if (!x || !x->open)
        return BCL_OK;
    bcl_gradient_part *part = &x->parts[x->out];
    const bcl_view gaps = x->gaps[x->out];
    void *host;
    if (!m->capacity.accumulate) /* else nothing else was there */
        BCL_TRY(bcl_zero_ranges(&m->ops, m->a.g, gaps, gaps.rows));
    BCL_TRY(bcl_buffer_map(&host, &part->ready, m->device, m->a.g.buffer,
                           x->offsets[x->out] * sizeof(float), part->count * sizeof(float)));
    part->values = host;
    x->out++;
out:
    return status;
}

bcl_status bcl_model_exchange_take(bcl_model *m, const int32_t *slots, int count, int64_t step) {
    bcl_status status = BCL_OK;
    bcl_exchange *x = m->exchange;
    bcl_gradient_part *rows = &x->parts[x->dense];
    void *host;
    while (x->out < x->dense)
        BCL_TRY(bcl_model_exchange_hand_out(m));
    x->open = false;
    x->rows = count;
    *rows = (bcl_gradient_part){.count = (size_t)count * (size_t)m->config.hidden};
    if (!count)
        goto out;
    BCL_TRY(bcl_buffer_write(m->device, x->slots.buffer, 0, slots, (size_t)count * sizeof *slots,
                             false));
    BCL_TRY(bcl_embedding_rows_gather(&m->ops, x->block, m->row_g, m->row_step, x->slots, count,
                                      m->config.hidden, (int)step));
    BCL_TRY(bcl_buffer_map(&host, &rows->ready, m->device, x->block.buffer, 0,
                           rows->count * sizeof(float)));
    rows->values = host;
out:
    return status;
}

bcl_status bcl_model_exchange_give_back(bcl_model *m, int64_t step) {
    bcl_status status = BCL_OK;
    bcl_exchange *x = m->exchange;
    for (size_t i = 0; i <= x->dense; i++) {
        bcl_gradient_part *part = &x->parts[i];
        BCL_TRY(bcl_event_finish(&part->ready));
        if (part->values)
            BCL_TRY(bcl_buffer_unmap(m->device, i < x->dense ? m->a.g.buffer : x->block.buffer,
                                     part->values));
        part->values = NULL;
    }
    if (x->rows)
        BCL_TRY(bcl_embedding_rows_scatter(&m->ops, m->row_g, m->row_step, x->block, x->slots,
                                           x->rows, m->config.hidden, (int)step));
out:
    return status;
}

bcl_status bcl_model_exchange_stats(bcl_model *m, float stats[2], bool back) {
    return back ? bcl_buffer_write(m->device, m->stats.buffer, 0, stats, 2 * sizeof *stats, true)
                : bcl_buffer_read(m->device, m->stats.buffer, 0, stats, 2 * sizeof *stats, true);
}

static bcl_status visit(bcl_model *m, bcl_view view, size_t before, float *piece, size_t most,
                        void (*take)(void *context, size_t first, const float *x, size_t count),
                        void *context) {
    bcl_status status = BCL_OK;
    const size_t all = view.bytes / sizeof(float);
    for (size_t at = 0; at < all; at += most) {
        const size_t n = all - at < most ? all - at : most;
        BCL_TRY(bcl_buffer_read(m->device, view.buffer, at * sizeof *piece, piece,
                                n * sizeof *piece, true));
        take(context, before + at, piece, n);
    }
out:
    return status;
}

bcl_status bcl_model_visit_parameters(bcl_model *m,
                                      void (*take)(void *context, size_t first, const float *x,
                                                   size_t count),
                                      void *context) {
    bcl_status status = BCL_OK;
    const size_t most = (size_t)1 << 20;
    float *piece = NULL;
    BCL_NEW(piece, most);
    BCL_TRY(visit(m, m->dense, 0, piece, most, take, context));
    BCL_TRY(visit(m, m->words, m->layout.dense, piece, most, take, context));
out:
    free(piece);
    return status;
}
