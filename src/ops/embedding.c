/* The sum of three embeddings, its LayerNorm and dropout. */
#include "ops/sums.h"

bcl_status bcl_embedding_forward(bcl_ops *ops, bcl_view y, bcl_view copy, bcl_view mean,
                                 bcl_view rstd, const bcl_batch_layout *batch, bcl_view word,
                                 bcl_view position, bcl_view type, bcl_view gamma, bcl_view beta,
                                 bcl_embedding_shape shape, float eps, bcl_dropout dropout) {
    bcl_status status = BCL_OK;
    bcl_kernel *kernel;
    char rows[BCL_ROW_WORDS], options[16 + BCL_ROW_WORDS];
    const int T = batch->T, C = shape.C;
    BCL_TRY(BCL_OPERANDS(ops, "embedding_forward", BCL_OUT(y, T, C),
                         BCL_OUT_HALVES_OR_NONE(copy, T, C), BCL_OUT(mean, T, 1),
                         BCL_OUT(rstd, T, 1), BCL_IN_INTS(batch->ids, T, 1),
                         BCL_IN_INTS(batch->positions, T, 1), BCL_IN_INTS(batch->samples, T, 1),
                         BCL_IN(word, shape.V, C), BCL_IN(position, shape.P, C),
                         BCL_IN(type, shape.N, C), BCL_IN(gamma, 1, C), BCL_IN(beta, 1, C)));
    bcl_operation(ops, "embedding", /* with two rows that it gathers */
                  3 * bcl_view_traffic(y) + bcl_view_traffic(copy));
    snprintf(options, sizeof options, "%s%s", bcl_half_words(copy), bcl_row_words(rows, ops, T, C));
    BCL_TRY(bcl_kernel_get(&kernel, ops->device, "embedding.cl", "embedding_forward", options));
    const bcl_arg args[] = {bcl_ptr(copy),
                            bcl_ptr(y),
                            bcl_ptr(mean),
                            bcl_ptr(rstd),
                            bcl_ptr(batch->ids),
                            bcl_ptr(batch->positions),
                            bcl_ptr(batch->samples),
                            bcl_ptr(word),
                            bcl_ptr(position),
                            bcl_ptr(type),
                            bcl_ptr(gamma),
                            bcl_ptr(beta),
                            bcl_int(T),
                            bcl_int(C),
                            bcl_float(eps),
                            BCL_DROPOUT_ARGS(dropout)};
    const size_t skipped = !copy.buffer;
    BCL_TRY(bcl_launch(kernel, bcl_row_grid(ops, kernel, T, C), args + skipped,
                       sizeof args / sizeof *args - skipped));
out:
    return status;
}

bcl_status bcl_embedding_backward(bcl_ops *ops, bcl_view dy, bcl_view r, bcl_view dword,
                                  bcl_view row_step, bcl_view dposition, bcl_view dtype,
                                  bcl_view dgamma, bcl_view dbeta, bcl_view mean, bcl_view rstd,
                                  const bcl_batch_layout *batch, bcl_view word, bcl_view position,
                                  bcl_view type, bcl_view gamma, bcl_embedding_shape shape, int R,
                                  int step, bcl_dropout dropout) {
    bcl_status status = BCL_OK;
    bcl_kernel *kernel;
    const int T = batch->T, U = batch->U, P = shape.P, C = shape.C;
    BCL_TRY(BCL_OPERANDS(
        ops, "embedding_backward", BCL_OUT(dy, T, C), BCL_OUT(r, T, C), BCL_OUT(dword, R, C),
        BCL_OUT_INTS(row_step, R, 1), BCL_OUT(dposition, P, C), BCL_OUT(dtype, shape.N, C),
        BCL_OUT(dgamma, 1, C), BCL_OUT(dbeta, 1, C), BCL_IN(mean, T, 1), BCL_IN(rstd, T, 1),
        BCL_IN(gamma, 1, C), BCL_IN_INTS(batch->ids, T, 1), BCL_IN_INTS(batch->positions, T, 1),
        BCL_IN_INTS(batch->samples, T, 1), BCL_IN_INTS(batch->starts, batch->B + 1, 1),
        BCL_IN(word, shape.V, C), BCL_IN(position, P, C), BCL_IN(type, shape.N, C)));
    if (U)
        BCL_TRY(BCL_OPERANDS(ops, "embedding_backward", BCL_IN_INTS(batch->order, T, 1),
                             BCL_IN_INTS(batch->unique_slots, U, 1),
                             BCL_IN_INTS(batch->unique_starts, U + 1, 1)));
    const double rows = (double)T + U + P;
    bcl_operation(ops, "embedding backward", rows * C * (double)bcl_element_bytes(dy.type));
    BCL_TRY(bcl_kernel_get(&kernel, ops->device, "embedding.cl", "embedding_backward_input", ""));
    BCL_TRY(BCL_LAUNCH(kernel, bcl_grid_rows(kernel, T), bcl_ptr(r), bcl_ptr(dy),
                       bcl_ptr(batch->ids), bcl_ptr(batch->positions), bcl_ptr(batch->samples),
                       bcl_ptr(word), bcl_ptr(position), bcl_ptr(type), bcl_int(C),
                       BCL_DROPOUT_ARGS(dropout)));
    BCL_TRY(bcl_residual_layernorm_backward(ops, dy, dy, dgamma, dbeta, dy, r, mean, rstd, gamma,
                                            batch, C, (bcl_dropout){0}));
    bcl_operation(ops, "embedding backward", 0); /* again, after the LayerNorm's */
    const bcl_view none = batch->starts;
    BCL_TRY(bcl_kernel_get(&kernel, ops->device, "embedding.cl", "embedding_backward_tables", ""));
    BCL_TRY(BCL_LAUNCH(kernel, bcl_grid_rows(kernel, U + P), bcl_ptr(dword), bcl_ptr(row_step),
                       bcl_ptr(dposition), bcl_ptr(dy), bcl_ptr(U ? batch->order : none),
                       bcl_ptr(U ? batch->unique_starts : none),
                       bcl_ptr(U ? batch->unique_slots : none), bcl_ptr(batch->starts), bcl_int(U),
                       bcl_int(batch->B), bcl_int(C), bcl_int(step), bcl_int(ops->accumulate)));
    /* Every token is of type 0; the other rows' gradients stay at the zeros that they start with.
     */
    BCL_TRY(bcl_sum_rows(ops, dtype, dy, T, C));
out:
    return status;
}

bcl_status bcl_embedding_rows_gather(bcl_ops *ops, bcl_view block, bcl_view dword,
                                     bcl_view row_step, bcl_view slots, int count, int C,
                                     int step) {
    bcl_status status = BCL_OK;
    bcl_kernel *kernel;
    block.rows = slots.rows = count;
    BCL_TRY(BCL_OPERANDS(ops, "embedding_rows_gather", BCL_OUT(block, count, C),
                         BCL_IN(dword, BCL_ANY, C), BCL_IN_INTS(row_step, dword.rows, 1),
                         BCL_IN_INTS(slots, count, 1)));
    bcl_operation(ops, "embedding rows", 2 * bcl_view_traffic(block));
    BCL_TRY(bcl_kernel_get(&kernel, ops->device, "embedding.cl", "embedding_rows_gather", ""));
    BCL_TRY(BCL_LAUNCH(kernel, bcl_grid_rows(kernel, count), bcl_ptr(block), bcl_ptr(dword),
                       bcl_ptr(row_step), bcl_ptr(slots), bcl_int(step), bcl_int(C)));
out:
    return status;
}

bcl_status bcl_embedding_rows_scatter(bcl_ops *ops, bcl_view dword, bcl_view row_step,
                                      bcl_view block, bcl_view slots, int count, int C, int step) {
    bcl_status status = BCL_OK;
    bcl_kernel *kernel;
    block.rows = slots.rows = count;
    BCL_TRY(BCL_OPERANDS(ops, "embedding_rows_scatter", BCL_OUT(dword, BCL_ANY, C),
                         BCL_OUT_INTS(row_step, dword.rows, 1), BCL_IN(block, count, C),
                         BCL_IN_INTS(slots, count, 1)));
    bcl_operation(ops, "embedding rows", 2 * bcl_view_traffic(block));
    BCL_TRY(bcl_kernel_get(&kernel, ops->device, "embedding.cl", "embedding_rows_scatter", ""));
    BCL_TRY(BCL_LAUNCH(kernel, bcl_grid_rows(kernel, count), bcl_ptr(dword), bcl_ptr(row_step),
                       bcl_ptr(block), bcl_ptr(slots), bcl_int(step), bcl_int(C)));
out:
    return status;
}
