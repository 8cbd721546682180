/* Dropout on rows. */
#include "ops/internal.h"

bcl_status bcl_dropout_rows(bcl_ops *ops, bcl_view y, bcl_view x, const bcl_batch_layout *batch,
                            int C, bcl_dropout dropout) {
    bcl_status status = BCL_OK;
    bcl_kernel *kernel;
    BCL_TRY(BCL_OPERANDS(ops, "dropout_rows", BCL_OUT(y, batch->T, C), BCL_IN(x, batch->T, C),
                         BCL_IN_INTS(batch->positions, batch->T, 1),
                         BCL_IN_INTS(batch->samples, batch->T, 1)));
    bcl_operation(ops, "dropout", bcl_view_traffic(y) + bcl_view_traffic(x));
    BCL_TRY(bcl_kernel_get(&kernel, ops->device, "elementwise.cl", "dropout_rows", ""));
    BCL_TRY(BCL_LAUNCH(kernel, bcl_grid_rows(kernel, batch->T), bcl_ptr(y), bcl_ptr(x),
                       bcl_ptr(batch->positions), bcl_ptr(batch->samples), bcl_int(C),
                       BCL_DROPOUT_ARGS(dropout)));
out:
    return status;
}
