/* The order in which the layers' weights lie, for products that need not pack them each time. */
#include "model/internal.h"

bcl_parameter *bcl_model_weight(const bcl_model *m, int i) {
    static const int weights[BCL_LAYER_WEIGHTS] = {BCL_QKV_W, BCL_OUT_W, BCL_UP_W, BCL_DOWN_W};
    const int layer = i / BCL_LAYER_WEIGHTS;
    return m->layout.parameters +
           (layer < m->config.layers
                ? BCL_FIRST_LAYER + layer * BCL_LAYER_PARAMETERS + weights[i % BCL_LAYER_WEIGHTS]
                : m->layout.classifier);
}

bcl_status bcl_model_pack(bcl_model *m, bool packed) {
    bcl_status status = BCL_OK;
    bcl_view other = {0};
    int most = 0; /* elements */
    const int count = BCL_LAYER_WEIGHTS * m->config.layers + 1;
    if (packed == m->ops.packed)
        return BCL_OK;
    if (packed && m->m.buffer)
        BCL_FAIL(BCL_ERROR_ARGUMENT, "the weights of a model that is trained cannot be packed");
    for (int i = 0; i < count; i++) {
        const bcl_parameter *p = bcl_model_weight(m, i);
        if (bcl_gemm_packs(m->ops.gemm, p->columns) && p->rows * p->columns > most)
            most = p->rows * p->columns;
    }
    if (!most)
        goto out;
    BCL_TRY(bcl_view_create(&other, m->device, m->layout.type, 1, most, "packing the weights"));
    for (int i = 0; i < count; i++) {
        const bcl_parameter *p = bcl_model_weight(m, i);
        if (!bcl_gemm_packs(m->ops.gemm, p->columns))
            continue;
        const bcl_view to = bcl_view_as(other, p->rows, p->columns);
        BCL_TRY(bcl_gemm_pack(m->ops.gemm, to, p->p, p->rows, p->columns, !packed));
        BCL_TRY(bcl_buffer_copy(m->device, p->p.buffer, to.buffer, p->p.bytes));
    }
    m->ops.packed = packed;
out:
    bcl_buffer_free(m->device, &other.buffer);
    return status;
}

bcl_status bcl_model_check_plain(const bcl_model *m, const char *what) {
    return m->ops.packed ? bcl_fail(BCL_ERROR_ARGUMENT,
                                    "the weights are packed for inference, and %s wants them as "
                                    "they were: bcl_model_pack",
                                    what)
                         : BCL_OK;
}
