/* Dropout on rows. */
#include "ops/internal.h"

bcl_status bcl_dropout_rows(bcl_ops *ops, cl_mem y, cl_mem x, const bcl_batch_layout *batch, int C,
                            bcl_dropout dropout) {
    bcl_status status = BCL_OK;
    bcl_kernel *kernel;
    bcl_operation(ops, "dropout", 2 * (double)batch->T * C);
    BCL_TRY(bcl_kernel_get(&kernel, ops->device, "elementwise.cl", "dropout_rows", ""));
    BCL_TRY(BCL_LAUNCH(kernel, bcl_grid_rows(ops, batch->T), bcl_mem(y), bcl_mem(x),
                       bcl_mem(batch->positions), bcl_mem(batch->samples), bcl_int(C),
                       BCL_DROPOUT_ARGS(dropout)));
out:
    return status;
}
