/* The loss of token classification. */
#include "ops/internal.h"

#include <assert.h>

bcl_status bcl_cross_entropy(bcl_ops *ops, bcl_view stats, bcl_view row_loss, bcl_view predicted,
                             bcl_view dlogits, bcl_view logits, const bcl_batch_layout *batch,
                             int K, float weight, bcl_view class_weights, float smoothing) {
    bcl_status status = BCL_OK;
    bcl_kernel *kernel;
    const int T = batch->T;
    const bool gradient = dlogits.buffer != NULL, weighted = class_weights.buffer != NULL;
    assert(weighted || smoothing == 0);
    BCL_TRY(BCL_OPERANDS(ops, "cross_entropy", BCL_OUT(stats, 1, 2), BCL_OUT(row_loss, T, 1),
                         BCL_OUT_INTS(predicted, T, 1), BCL_OUT_OR_NONE(dlogits, T, K),
                         BCL_IN(logits, T, K), BCL_IN_INTS(batch->labels, T, 1),
                         BCL_IN_OR_NONE(class_weights, 1, K)));
    bcl_operation(ops, "cross entropy",
                  bcl_view_traffic(logits) + (gradient ? bcl_view_traffic(dlogits) : 0));
    const bcl_view dlogits_or_any = gradient ? dlogits : logits;
    BCL_TRY(bcl_kernel_get(&kernel, ops->device, "cross_entropy.cl",
                           weighted ? "cross_entropy_weighted" : "cross_entropy", ""));
    size_t items = bcl_kernel_items(kernel);
    const bcl_grid rows = {{((size_t)T + items - 1) / items}, {items}};
    if (weighted)
        BCL_TRY(BCL_LAUNCH(kernel, rows, bcl_ptr(row_loss), bcl_ptr(predicted),
                           bcl_ptr(dlogits_or_any), bcl_ptr(logits), bcl_ptr(batch->labels),
                           bcl_ptr(class_weights), bcl_int(T), bcl_int(K), bcl_float(weight),
                           bcl_float(smoothing), bcl_int(gradient)));
    else
        BCL_TRY(BCL_LAUNCH(kernel, rows, bcl_ptr(row_loss), bcl_ptr(predicted),
                           bcl_ptr(dlogits_or_any), bcl_ptr(logits), bcl_ptr(batch->labels),
                           bcl_int(T), bcl_int(K), bcl_float(weight), bcl_int(gradient)));
    BCL_TRY(bcl_kernel_get(&kernel, ops->device, "cross_entropy.cl", "cross_entropy_sum", ""));
    items = bcl_kernel_items(kernel);
    BCL_TRY(BCL_LAUNCH(kernel, ((bcl_grid){{1}, {items}}), bcl_ptr(stats), bcl_ptr(row_loss),
                       bcl_ptr(predicted), bcl_ptr(batch->labels), bcl_int(T),
                       bcl_int(ops->accumulate), bcl_local(2 * items * sizeof(float))));
out:
    return status;
}
