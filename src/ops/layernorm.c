/* Dropout, residual and LayerNorm in one pass over the rows. */
#include "ops/sums.h"

/* What is left of h, and its bias. */
typedef struct left {
    bcl_gemm_rest rest;
    bcl_view bias;
} left;

enum { OPTIONS = 32 + BCL_ROW_WORDS };
/* The options of a kernel with what is left of a product, and an output that may be in 16 bits. */
static const char *variant(char out[OPTIONS], int rest, bcl_view half, const char *rows) {
    snprintf(out, OPTIONS, "%s%s%s", rest ? "-DREST" : "", bcl_half_words(half), rows);
    return out;
}

static bcl_status forward(bcl_ops *ops, bcl_view y, bcl_view copy, bcl_view r, bcl_view mean,
                          bcl_view rstd, bcl_view x, bcl_view gamma, bcl_view beta,
                          const bcl_batch_layout *batch, int C, float eps, bcl_dropout dropout,
                          const left *h) {
    bcl_status status = BCL_OK;
    bcl_kernel *kernel;
    char options[OPTIONS], rows[BCL_ROW_WORDS];
    const int T = batch->T;
    BCL_TRY(BCL_OPERANDS(ops, "residual_layernorm_forward", BCL_OUT(y, T, C),
                         BCL_OUT_HALVES_OR_NONE(copy, T, C), BCL_OUT(r, T, C), BCL_OUT(mean, T, 1),
                         BCL_OUT(rstd, T, 1), BCL_IN(x, T, C), BCL_IN(gamma, 1, C),
                         BCL_IN(beta, 1, C), BCL_IN_INTS(batch->positions, T, 1),
                         BCL_IN_INTS(batch->samples, T, 1)));
    bcl_operation(ops, "residual and LayerNorm",
                  bcl_view_traffic(y) + bcl_view_traffic(copy) + 2 * bcl_view_traffic(r) +
                      bcl_view_traffic(x));
    BCL_TRY(bcl_kernel_get(&kernel, ops->device, "layernorm.cl", "residual_layernorm_forward",
                           variant(options, h->rest.count, copy, bcl_row_words(rows, ops, T, C))));
    /* in this order, of which what a variant does not have is left out */
    const bcl_arg args[] = {bcl_ptr(copy),
                            bcl_ptr(y),
                            bcl_ptr(r),
                            bcl_ptr(mean),
                            bcl_ptr(rstd),
                            bcl_ptr(x),
                            bcl_ptr(gamma),
                            bcl_ptr(beta),
                            bcl_ptr(batch->positions),
                            bcl_ptr(batch->samples),
                            bcl_int(T),
                            bcl_int(C),
                            bcl_float(eps),
                            BCL_DROPOUT_ARGS(dropout),
                            bcl_mem(h->rest.parts),
                            bcl_int(h->rest.count),
                            bcl_ptr(h->bias)};
    const size_t before = !copy.buffer, behind = h->rest.count ? 0 : 3;
    BCL_TRY(bcl_launch(kernel, bcl_row_grid(ops, kernel, T, C), args + before,
                       sizeof args / sizeof *args - before - behind));
out:
    return status;
}

bcl_status bcl_residual_layernorm_forward(bcl_ops *ops, bcl_view y, bcl_view copy, bcl_view r,
                                          bcl_view mean, bcl_view rstd, bcl_view x, bcl_view gamma,
                                          bcl_view beta, const bcl_batch_layout *batch, int C,
                                          float eps, bcl_dropout dropout) {
    const left none = {.rest = {0}};
    return forward(ops, y, copy, r, mean, rstd, x, gamma, beta, batch, C, eps, dropout, &none);
}

bcl_status bcl_linear_layernorm_forward(bcl_ops *ops, bcl_view y, bcl_view copy, bcl_view r,
                                        bcl_view mean, bcl_view rstd, bcl_view a, bcl_view x,
                                        bcl_view w, bcl_view b, bcl_view gamma, bcl_view beta,
                                        const bcl_batch_layout *batch, int M, int C, float eps,
                                        bcl_dropout dropout) {
    bcl_status status = BCL_OK;
    left h = {.bias = b};
    BCL_TRY(bcl_linear_forward_rest(&h.rest, ops, r, a, w, b, batch->T, M, C));
    BCL_TRY(forward(ops, y, copy, r, mean, rstd, x, gamma, beta, batch, C, eps, dropout, &h));
out:
    return status;
}

bcl_status bcl_layernorm_recompute(bcl_ops *ops, bcl_view y, bcl_view copy, bcl_view r,
                                   bcl_view mean, bcl_view rstd, bcl_view gamma, bcl_view beta,
                                   int T, int C) {
    bcl_status status = BCL_OK;
    bcl_kernel *kernel;
    const unsigned y_takes = BCL_TAKES_F32 | BCL_WRITES | (copy.buffer ? BCL_TAKES_NONE : 0);
    BCL_TRY(BCL_OPERANDS(ops, "layernorm_recompute", {"y", &y, T, C, y_takes},
                         BCL_OUT_HALVES_OR_NONE(copy, T, C), BCL_IN(r, T, C), BCL_IN(mean, T, 1),
                         BCL_IN(rstd, T, 1), BCL_IN(gamma, 1, C), BCL_IN(beta, 1, C)));
    bcl_operation(ops, "LayerNorm again",
                  bcl_view_traffic(y) + bcl_view_traffic(copy) + bcl_view_traffic(r));
    BCL_TRY(bcl_kernel_get(&kernel, ops->device, "layernorm.cl", "layernorm_recompute",
                           bcl_half_words(copy)));
#define ARGS bcl_ptr(r), bcl_ptr(mean), bcl_ptr(rstd), bcl_ptr(gamma), bcl_ptr(beta), bcl_int(C)
    if (copy.buffer)
        BCL_TRY(BCL_LAUNCH(kernel, bcl_grid_rows(kernel, T), bcl_ptr(copy),
                           bcl_ptr(y.buffer ? y : copy), ARGS, bcl_int(y.buffer != NULL)));
    else
        BCL_TRY(BCL_LAUNCH(kernel, bcl_grid_rows(kernel, T), bcl_ptr(y), ARGS));
#undef ARGS
out:
    return status;
}

/* Rows by groups that take the parameters' sums over them on their way. */
static bool backward_in_parts(const bcl_ops *ops, const bcl_view *dgamma, const bcl_view *dbeta,
                              int T, int C) {
    return bcl_sums_part_rows(ops, T) && bcl_device_vector(ops->device) == 1 &&
           dgamma->root == dbeta->root &&
           (uint64_t)C * 4 * sizeof(float) <= bcl_device_about(ops->device)->local_memory;
}

typedef struct backward_call {
    bcl_view dr, dh, dgamma, dbeta, dy, r, mean, rstd, gamma;
    const bcl_batch_layout *batch;
    int C;
    bcl_dropout dropout;
    bcl_gemm_rest rest; /* of dy; only in parts */
} backward_call;

static bcl_status launch_parts(bcl_ops *ops, const backward_call *b) {
    bcl_status status = BCL_OK;
    bcl_kernel *kernel;
    bcl_view parts;
    int at;
    char options[OPTIONS];
    const int T = b->batch->T, C = b->C, rows = bcl_sums_part_rows(ops, T);
    const bcl_view outputs[] = {b->dgamma, b->dbeta};
    BCL_TRY(bcl_sums_reserve(&parts, &at, ops, outputs, 2, T, C));
    BCL_TRY(bcl_kernel_get(&kernel, ops->device, "layernorm_parts.cl", "layernorm_backward_parts",
                           variant(options, b->rest.count, b->dh, "")));
    const bcl_grid grid = bcl_grid_rows(kernel, bcl_sums_part_count(T, rows));
#define ARGS                                                                                       \
    bcl_ptr(b->dr), bcl_ptr(b->dh), bcl_ptr(parts), bcl_int(at), bcl_ptr(b->dy), bcl_ptr(b->r),    \
        bcl_ptr(b->mean), bcl_ptr(b->rstd), bcl_ptr(b->gamma), bcl_ptr(b->batch->positions),       \
        bcl_ptr(b->batch->samples), bcl_int(T), bcl_int(C), bcl_int(rows),                         \
        bcl_int(b->dh.buffer != b->dr.buffer), BCL_DROPOUT_ARGS(b->dropout),                       \
        bcl_local(2 * (size_t)C * sizeof(float))
    if (b->rest.count)
        BCL_TRY(BCL_LAUNCH(kernel, grid, ARGS, bcl_mem(b->rest.parts), bcl_int(b->rest.count)));
    else
        BCL_TRY(BCL_LAUNCH(kernel, grid, ARGS));
#undef ARGS
    BCL_TRY(bcl_sums_passed(ops));
out:
    return status;
}

static bcl_status launch_rows(bcl_ops *ops, const backward_call *b) {
    bcl_status status = BCL_OK;
    bcl_kernel *kernel;
    const int T = b->batch->T, C = b->C;
    /* before dr overwrites dy */
    BCL_TRY(
        bcl_layernorm_parameters(ops, b->dgamma, b->dbeta, b->dy, b->r, b->mean, b->rstd, T, C));
    BCL_TRY(bcl_kernel_get(&kernel, ops->device, "layernorm.cl", "layernorm_backward",
                           bcl_half_words(b->dh)));
    BCL_TRY(BCL_LAUNCH(kernel, bcl_grid_rows(kernel, T), bcl_ptr(b->dr), bcl_ptr(b->dh),
                       bcl_ptr(b->dy), bcl_ptr(b->r), bcl_ptr(b->mean), bcl_ptr(b->rstd),
                       bcl_ptr(b->gamma), bcl_ptr(b->batch->positions), bcl_ptr(b->batch->samples),
                       bcl_int(C), bcl_int(b->dh.buffer != b->dr.buffer),
                       BCL_DROPOUT_ARGS(b->dropout)));
out:
    return status;
}

static bcl_status backward(bcl_ops *ops, const backward_call *b) {
    bcl_status status = BCL_OK;
    const bcl_view dr = b->dr, dh = b->dh, dgamma = b->dgamma, dbeta = b->dbeta, dy = b->dy,
                   r = b->r, mean = b->mean, rstd = b->rstd, gamma = b->gamma;
    const bcl_batch_layout *batch = b->batch;
    const int T = batch->T, C = b->C;
    const unsigned dh_takes =
        BCL_TAKES_F32 | BCL_WRITES | (dh.buffer != dr.buffer ? BCL_TAKES_HALVES : 0);
    BCL_TRY(BCL_OPERANDS(ops, "residual_layernorm_backward", BCL_OUT(dr, T, C),
                         {"dh", &dh, T, C, dh_takes}, BCL_OUT(dgamma, 1, C), BCL_OUT(dbeta, 1, C),
                         BCL_IN(dy, T, C), BCL_IN(r, T, C), BCL_IN(mean, T, 1), BCL_IN(rstd, T, 1),
                         BCL_IN(gamma, 1, C), BCL_IN_INTS(batch->positions, T, 1),
                         BCL_IN_INTS(batch->samples, T, 1)));
    bcl_operation(ops, "residual and LayerNorm backward",
                  bcl_view_traffic(dr) + bcl_view_traffic(dh) + bcl_view_traffic(dy) +
                      bcl_view_traffic(r));
    if (backward_in_parts(ops, &dgamma, &dbeta, T, C))
        BCL_TRY(launch_parts(ops, b));
    else
        BCL_TRY(launch_rows(ops, b));
out:
    return status;
}

bcl_status bcl_residual_layernorm_backward(bcl_ops *ops, bcl_view dr, bcl_view dh, bcl_view dgamma,
                                           bcl_view dbeta, bcl_view dy, bcl_view r, bcl_view mean,
                                           bcl_view rstd, bcl_view gamma,
                                           const bcl_batch_layout *batch, int C,
                                           bcl_dropout dropout) {
    const backward_call call = {dr,   dh,    dgamma, dbeta, dy,      r,  mean,
                                rstd, gamma, batch,  C,     dropout, {0}};
    return backward(ops, &call);
}

bcl_status bcl_layernorm_linear_backward(bcl_ops *ops, bcl_view dr, bcl_view dh, bcl_view dgamma,
                                         bcl_view dbeta, bcl_view dw, bcl_view db, bcl_view dy,
                                         bcl_view du, bcl_view y, bcl_view r, bcl_view mean,
                                         bcl_view rstd, bcl_view gamma, bcl_view w,
                                         const bcl_batch_layout *batch, int C, int N,
                                         bcl_dropout dropout) {
    bcl_status status = BCL_OK;
    backward_call call = {dr, dh, dgamma, dbeta, dy, r, mean, rstd, gamma, batch, C, dropout, {0}};
    bcl_gemm_rest *rest = backward_in_parts(ops, &dgamma, &dbeta, batch->T, C) ? &call.rest : NULL;
    BCL_TRY(bcl_linear_backward_rest(rest, ops, dy, dw, db, du, y, w, batch->T, C, N, true));
    BCL_TRY(backward(ops, &call));
out:
    return status;
}
