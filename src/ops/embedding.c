/* The sum of three embeddings, its LayerNorm and dropout. */
#include "ops/internal.h"

bcl_status bcl_embedding_forward(bcl_ops *ops, cl_mem y, cl_mem mean, cl_mem rstd,
                                 const bcl_batch_layout *batch, cl_mem word, cl_mem position,
                                 cl_mem type, cl_mem gamma, cl_mem beta, int C, float eps,
                                 bcl_dropout dropout) {
    bcl_status status = BCL_OK;
    bcl_kernel *kernel;
    bcl_operation(ops, "embedding", 3 * (double)batch->T * C);
    BCL_TRY(bcl_kernel_get(&kernel, ops->device, "embedding.cl", "embedding_forward", ""));
    BCL_TRY(BCL_LAUNCH(kernel, bcl_grid_rows(ops, batch->T), bcl_mem(y), bcl_mem(mean),
                       bcl_mem(rstd), bcl_mem(batch->ids), bcl_mem(batch->positions),
                       bcl_mem(batch->samples), bcl_mem(word), bcl_mem(position), bcl_mem(type),
                       bcl_mem(gamma), bcl_mem(beta), bcl_int(C), bcl_float(eps),
                       BCL_DROPOUT_ARGS(dropout)));
out:
    return status;
}

bcl_status bcl_embedding_backward(bcl_ops *ops, cl_mem dy, cl_mem r, cl_mem dword, cl_mem row_step,
                                  cl_mem dposition, cl_mem dtype, cl_mem dgamma, cl_mem dbeta,
                                  cl_mem mean, cl_mem rstd, const bcl_batch_layout *batch,
                                  cl_mem word, cl_mem position, cl_mem type, cl_mem gamma, int P,
                                  int C, int step, bcl_dropout dropout) {
    bcl_status status = BCL_OK;
    bcl_kernel *kernel;
    bcl_operation(ops, "embedding backward", ((double)batch->T + batch->U + P) * C);
    BCL_TRY(bcl_kernel_get(&kernel, ops->device, "embedding.cl", "embedding_backward_input", ""));
    BCL_TRY(BCL_LAUNCH(kernel, bcl_grid_rows(ops, batch->T), bcl_mem(r), bcl_mem(dy),
                       bcl_mem(batch->ids), bcl_mem(batch->positions), bcl_mem(batch->samples),
                       bcl_mem(word), bcl_mem(position), bcl_mem(type), bcl_int(C),
                       BCL_DROPOUT_ARGS(dropout)));
    BCL_TRY(bcl_residual_layernorm_backward(ops, dy, dy, dgamma, dbeta, dy, r, mean, rstd, gamma,
                                            batch, C, (bcl_dropout){0}));
    bcl_operation(ops, "embedding backward", 0); /* again, after the LayerNorm's */
    BCL_TRY(bcl_kernel_get(&kernel, ops->device, "embedding.cl", "embedding_backward_words", ""));
    if (batch->U)
        BCL_TRY(BCL_LAUNCH(kernel, bcl_grid_rows(ops, batch->U), bcl_mem(dword), bcl_mem(row_step),
                           bcl_mem(dy), bcl_mem(batch->order), bcl_mem(batch->unique_starts),
                           bcl_mem(batch->unique_slots), bcl_int(step), bcl_int(C)));
    BCL_TRY(
        bcl_kernel_get(&kernel, ops->device, "embedding.cl", "embedding_backward_positions", ""));
    BCL_TRY(BCL_LAUNCH(kernel, bcl_grid_rows(ops, P), bcl_mem(dposition), bcl_mem(dy),
                       bcl_mem(batch->starts), bcl_int(batch->B), bcl_int(C),
                       bcl_int(ops->accumulate)));
    /* Every token is of type 0; the other rows' gradients stay at the zeros that they start with.
     */
    BCL_TRY(bcl_kernel_get(&kernel, ops->device, "elementwise.cl", "sum_rows", ""));
    BCL_TRY(BCL_LAUNCH(kernel, bcl_grid_elements(ops, (size_t)C), bcl_mem(dtype), bcl_mem(dy),
                       bcl_int(batch->T), bcl_int(C), bcl_int(ops->accumulate)));
out:
    return status;
}
