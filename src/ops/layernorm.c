/* Dropout, residual and LayerNorm in one pass over the rows. */
#include "ops/internal.h"

bcl_status bcl_residual_layernorm_forward(bcl_ops *ops, cl_mem y, cl_mem r, cl_mem mean,
                                          cl_mem rstd, cl_mem x, cl_mem gamma, cl_mem beta,
                                          const bcl_batch_layout *batch, int C, float eps,
                                          bcl_dropout dropout) {
    bcl_status status = BCL_OK;
    bcl_kernel *kernel;
    bcl_operation(ops, "residual and LayerNorm", 4 * (double)batch->T * C);
    BCL_TRY(bcl_kernel_get(&kernel, ops->device, "layernorm.cl", "residual_layernorm_forward", ""));
    BCL_TRY(BCL_LAUNCH(kernel, bcl_grid_rows(ops, batch->T), bcl_mem(y), bcl_mem(r), bcl_mem(mean),
                       bcl_mem(rstd), bcl_mem(x), bcl_mem(gamma), bcl_mem(beta),
                       bcl_mem(batch->positions), bcl_mem(batch->samples), bcl_int(C),
                       bcl_float(eps), BCL_DROPOUT_ARGS(dropout)));
out:
    return status;
}

bcl_status bcl_layernorm_recompute(bcl_ops *ops, cl_mem y, cl_mem r, cl_mem mean, cl_mem rstd,
                                   cl_mem gamma, cl_mem beta, int T, int C) {
    bcl_status status = BCL_OK;
    bcl_kernel *kernel;
    bcl_operation(ops, "LayerNorm again", 2 * (double)T * C);
    BCL_TRY(bcl_kernel_get(&kernel, ops->device, "layernorm.cl", "layernorm_recompute", ""));
    BCL_TRY(BCL_LAUNCH(kernel, bcl_grid_rows(ops, T), bcl_mem(y), bcl_mem(r), bcl_mem(mean),
                       bcl_mem(rstd), bcl_mem(gamma), bcl_mem(beta), bcl_int(C)));
out:
    return status;
}

bcl_status bcl_residual_layernorm_backward(bcl_ops *ops, cl_mem dr, cl_mem dh, cl_mem dgamma,
                                           cl_mem dbeta, cl_mem dy, cl_mem r, cl_mem mean,
                                           cl_mem rstd, cl_mem gamma, const bcl_batch_layout *batch,
                                           int C, bcl_dropout dropout) {
    bcl_status status = BCL_OK;
    bcl_kernel *kernel;
    bcl_operation(ops, "residual and LayerNorm backward", 4 * (double)batch->T * C);
    /* before dr overwrites dy */
    BCL_TRY(
        bcl_kernel_get(&kernel, ops->device, "layernorm.cl", "layernorm_backward_parameters", ""));
    BCL_TRY(BCL_LAUNCH(kernel, bcl_grid_elements(ops, (size_t)C), bcl_mem(dgamma), bcl_mem(dbeta),
                       bcl_mem(dy), bcl_mem(r), bcl_mem(mean), bcl_mem(rstd), bcl_int(batch->T),
                       bcl_int(C), bcl_int(ops->accumulate)));
    BCL_TRY(bcl_kernel_get(&kernel, ops->device, "layernorm.cl", "layernorm_backward", ""));
    BCL_TRY(BCL_LAUNCH(kernel, bcl_grid_rows(ops, batch->T), bcl_mem(dr), bcl_mem(dh), bcl_mem(dy),
                       bcl_mem(r), bcl_mem(mean), bcl_mem(rstd), bcl_mem(gamma),
                       bcl_mem(batch->positions), bcl_mem(batch->samples), bcl_int(C),
                       bcl_int(dh != dr), BCL_DROPOUT_ARGS(dropout)));
out:
    return status;
}
