/* The loss of token classification. */
#include "ops/internal.h"

bcl_status bcl_cross_entropy(bcl_ops *ops, cl_mem stats, cl_mem row_loss, cl_mem predicted,
                             cl_mem dlogits, cl_mem logits, const bcl_batch_layout *batch, int K,
                             float weight) {
    bcl_status status = BCL_OK;
    bcl_kernel *kernel;
    bcl_operation(ops, "cross entropy", (dlogits ? 2 : 1) * (double)batch->T * K);
    const size_t items = bcl_device_row_items(ops->device);
    const size_t groups = ((size_t)batch->T + items - 1) / items;
    BCL_TRY(bcl_kernel_get(&kernel, ops->device, "cross_entropy.cl", "cross_entropy", ""));
    BCL_TRY(BCL_LAUNCH(kernel, ((bcl_grid){{groups}, {items}}), bcl_mem(row_loss),
                       bcl_mem(predicted), bcl_mem(dlogits ? dlogits : logits), bcl_mem(logits),
                       bcl_mem(batch->labels), bcl_int(batch->T), bcl_int(K), bcl_float(weight),
                       bcl_int(dlogits != NULL)));
    BCL_TRY(bcl_kernel_get(&kernel, ops->device, "cross_entropy.cl", "cross_entropy_sum", ""));
    BCL_TRY(BCL_LAUNCH(kernel, ((bcl_grid){{1}, {items}}), bcl_mem(stats), bcl_mem(row_loss),
                       bcl_mem(predicted), bcl_mem(batch->labels), bcl_int(batch->T),
                       bcl_int(ops->accumulate), bcl_local(2 * items * sizeof(float))));
out:
    return status;
}
