/* A model and its parameters' memory, without a folder: opened for a configuration, and new
 * weights.
 */
#include "model/internal.h"

/* The copy of the weights that products read, where they read 16 bits. Its parameters start at
 * multiples of BCL_VIEW_UNIT / 2 bytes, which is still all that known devices want. */
static bcl_status create_copy(bcl_model *m) {
    bcl_status status = BCL_OK;
    const bcl_element type = bcl_gemm_operands(m->ops.gemm);
    const int count = BCL_LAYER_WEIGHTS * m->config.layers + 1;
    if (type != BCL_ELEMENT_F32) {
        BCL_TRY(bcl_view_create(&m->copy, m->device, type, 1, (int)m->layout.dense,
                                "the parameters in 16 bits"));
        BCL_TRY(bcl_buffer_zero(m->device, m->copy.buffer, 0, m->copy.bytes));
    }
    for (int i = 0; i < count; i++) {
        bcl_parameter *p = bcl_model_weight(m, i);
        if (!m->copy.buffer)
            p->w = p->p;
        else
            BCL_TRY(bcl_view_cut(&p->w, m->copy.buffer, p->offset * bcl_element_bytes(type), type,
                                 p->rows, p->columns));
    }
out:
    return status;
}

static bcl_status create_storage(bcl_model *m) {
    bcl_status status = BCL_OK;
    bcl_layout *l = &m->layout;
    BCL_TRY(bcl_view_create(&m->dense, m->device, l->type, 1, (int)l->dense, "the parameters"));
    BCL_TRY(bcl_view_create(&m->words, m->device, l->type, m->config.vocabulary, m->config.hidden,
                            "the word embedding"));
    BCL_TRY(bcl_view_create(&m->stats, m->device, BCL_ELEMENT_F32, 1, 2, "the loss"));
    BCL_TRY(bcl_buffer_zero(m->device, m->dense.buffer, 0, m->dense.bytes)); /* the gaps too */
    for (int i = 0; i < l->parameter_count; i++) {
        bcl_parameter *p = &l->parameters[i];
        BCL_TRY(bcl_view_cut(&p->p, m->dense.buffer, p->offset * bcl_element_bytes(l->type),
                             l->type, p->rows, p->columns));
    }
    BCL_TRY(create_copy(m));
out:
    return status;
}

bcl_status bcl_model_open(bcl_model **out, bcl_device *device, const bcl_config *config,
                          const char *gemm, bcl_precision precision) {
    bcl_status status = BCL_OK;
    bcl_model *m = NULL;
    *out = NULL;
    BCL_NEW(m, 1);
    m->config = *config;
    m->config.label_names = NULL;
    m->config.source = NULL;
    m->device = device;
    m->ops.device = device;
    m->frozen = -1;
    BCL_TRY(bcl_layout_create(&m->layout, config));
    if (!gemm)
        BCL_TRY(bcl_precision_check(bcl_device_about(device), precision));
    precision = bcl_gemm_resolve(m->why_fp32, device, gemm, precision);
    BCL_TRY(bcl_gemm_create(&m->ops.gemm, device, gemm, precision));
    m->ops.auxiliary = bcl_gemm_runs_on_auxiliary(m->ops.gemm);
    BCL_TRY(create_storage(m));
    *out = m;
    m = NULL;
out:
    bcl_model_free(m);
    return status;
}

/* By blocks, each with a seed of its own, so that the host never holds a whole table. */
static bcl_status draw(bcl_model *m, cl_mem to, size_t count, float *block, size_t size,
                       uint64_t seed) {
    bcl_status status = BCL_OK;
    for (size_t first = 0; first < count; first += size) {
        const size_t n = count - first < size ? count - first : size;
        bcl_normal(block, n, (float)m->config.initializer_range, bcl_mix64(seed) + first);
        BCL_TRY(
            bcl_buffer_write(m->device, to, first * sizeof(float), block, n * sizeof(float), true));
    }
out:
    return status;
}

/* As transformers' BertPreTrainedModel does it. */
static bcl_status draw_weights(bcl_model *m, uint64_t seed) {
    bcl_status status = BCL_OK;
    enum { SIZE = 1 << 20 };
    const size_t C = (size_t)m->config.hidden, row = C * sizeof(float);
    const int pad = m->config.pad_token_id;
    const float one = 1;
    float *block = NULL;
    BCL_NEW(block, SIZE);
    BCL_TRY(
        draw(m, m->words.buffer, (size_t)m->config.vocabulary * C, block, SIZE, bcl_mix64(seed)));
    if (pad >= 0 && pad < m->config.vocabulary)
        BCL_TRY(bcl_buffer_zero(m->device, m->words.buffer, (size_t)pad * row, row));
    for (int i = 0; i < m->layout.parameter_count; i++) {
        const bcl_parameter *p = &m->layout.parameters[i];
        const size_t count = (size_t)p->rows * (size_t)p->columns;
        if (p->value == BCL_NEW_RANDOM)
            BCL_TRY(draw(m, p->p.buffer, count, block, SIZE, bcl_mix64(seed) + (uint64_t)i + 1));
        if (p->value == BCL_NEW_ONE)
            BCL_TRY(
                bcl_buffer_fill(m->device, p->p.buffer, &one, sizeof one, 0, count * sizeof one));
    } /* the others are zero since they were made */
out:
    free(block);
    return status;
}

bcl_status bcl_model_create(bcl_model **out, bcl_device *device, const bcl_config *config,
                            const char *gemm, bcl_precision precision, uint64_t seed) {
    bcl_status status = BCL_OK;
    bcl_model *m = NULL;
    *out = NULL;
    BCL_TRY(bcl_model_open(&m, device, config, gemm, precision));
    BCL_TRY(draw_weights(m, seed));
    *out = m;
    m = NULL;
out:
    bcl_model_free(m);
    return status;
}

void bcl_model_free(bcl_model *m) {
    if (!m)
        return;
    bcl_view *views[] = {&m->dense,   &m->words,    &m->copy,    &m->stats, &m->no_gradient,
                         &m->m,       &m->v,        &m->row_g,   &m->row_m, &m->row_v,
                         &m->row_ids, &m->row_step, &m->partial, &m->clip,  &m->class_weights};
    if (m->device)
        (void)bcl_device_finish(m->device);
    bcl_model_exchange_free(m);
    free(m->ranges);
    bcl_model_release_activations(m);
    for (int i = 0; m->layout.parameters && i < m->layout.parameter_count; i++) {
        bcl_parameter *p = &m->layout.parameters[i];
        if (m->copy.buffer)
            bcl_buffer_free(m->device, &p->w.buffer);
        bcl_buffer_free(m->device, &p->p.buffer);
    }
    for (size_t i = 0; i < sizeof views / sizeof *views; i++)
        bcl_buffer_free(m->device, &views[i]->buffer);
    bcl_sums_free(m->ops.sums);
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

const char *bcl_model_why_fp32(const bcl_model *m) {
    return m->why_fp32;
}
