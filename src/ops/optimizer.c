/* Gradient norm, clipping, Adam and AdamW. */
#include "ops/internal.h"

/* Dense arenas are cut into at most this many pieces, fixed so that sums have one order. */
enum { DENSE_PIECES = BCL_ADAM_PARTIALS / 2, ROW_PIECES = BCL_ADAM_PARTIALS / 2 };

static int chunk_of(size_t n, size_t pieces, size_t multiple) {
    size_t chunk = (n + pieces - 1) / pieces;
    return (int)((chunk + multiple - 1) / multiple * multiple);
}

bcl_status bcl_zero_ranges(bcl_ops *ops, bcl_view x, bcl_view ranges, int count) {
    bcl_status status = BCL_OK;
    bcl_kernel *kernel;
    if (!count)
        return BCL_OK;
    BCL_TRY(
        BCL_OPERANDS(ops, "zero_ranges", BCL_OUT(x, 1, BCL_ANY), BCL_IN_INTS(ranges, count, 2)));
    BCL_TRY(bcl_kernel_get(&kernel, ops->device, "optimizer.cl", "zero_ranges", ""));
    BCL_TRY(BCL_LAUNCH(kernel, bcl_grid_rows(ops, count), bcl_ptr(x), bcl_ptr(ranges)));
out:
    return status;
}

static int dense_chunk(const bcl_adam_arenas *a) {
    return chunk_of(a->N, DENSE_PIECES, 4096);
}

static int dense_pieces(const bcl_adam_arenas *a) {
    const size_t chunk = (size_t)dense_chunk(a);
    return (int)((a->N + chunk - 1) / chunk);
}

/* The sums of squares of the rows, and of the dense gradients if nothing else reads them. */
static bcl_status sum_squares(bcl_ops *ops, const bcl_adam_arenas *a, bool dense, int step) {
    bcl_status status = BCL_OK;
    bcl_kernel *kernel;
    const int rows = chunk_of((size_t)a->R, ROW_PIECES, 1);
    bcl_operation(ops, "gradient norm", dense ? bcl_view_traffic(a->g) : 0);
    /* The rows' sums follow in the second half; the unused ends of both halves are zero. */
    BCL_TRY(bcl_buffer_zero(ops->device, a->partial.buffer, 0, a->partial.bytes));
    if (dense) {
        BCL_TRY(bcl_kernel_get(&kernel, ops->device, "optimizer.cl", "norm_dense", ""));
        BCL_TRY(BCL_LAUNCH(kernel, bcl_grid_rows(ops, dense_pieces(a)), bcl_ptr(a->partial),
                           bcl_ptr(a->g), bcl_int((int)a->N), bcl_int(dense_chunk(a))));
    }
    BCL_TRY(bcl_kernel_get(&kernel, ops->device, "optimizer.cl", "norm_rows", ""));
    BCL_TRY(BCL_LAUNCH(kernel, bcl_grid_rows(ops, (a->R + rows - 1) / rows), bcl_ptr(a->partial),
                       bcl_int(DENSE_PIECES), bcl_ptr(a->row_g), bcl_ptr(a->row_step),
                       bcl_int(a->R), bcl_int(a->C), bcl_int(rows), bcl_int(step)));
out:
    return status;
}

static bcl_status check_arenas(bcl_ops *ops, const bcl_adam_arenas *a) {
    const int N = (int)a->N, R = a->R, C = a->C;
    return BCL_OPERANDS(ops, "adam_step", BCL_OUT(a->p, 1, N), BCL_IN(a->g, 1, N),
                        BCL_OUT(a->m, 1, N), BCL_OUT(a->v, 1, N), BCL_OUT(a->table, BCL_ANY, C),
                        BCL_IN(a->row_g, R, C), BCL_OUT(a->row_m, R, C), BCL_OUT(a->row_v, R, C),
                        BCL_IN_INTS(a->row_ids, R, 1), BCL_IN_INTS(a->row_step, R, 1),
                        BCL_OUT(a->partial, 1, BCL_ADAM_PARTIALS), BCL_OUT(a->clip, 1, 2),
                        BCL_IN(a->loss, 1, 2));
}

static bcl_status finish_norm(bcl_ops *ops, const bcl_adam_arenas *a, float max_norm) {
    bcl_status status = BCL_OK;
    bcl_kernel *kernel;
    BCL_TRY(bcl_kernel_get(&kernel, ops->device, "optimizer.cl", "norm_finish", ""));
    BCL_TRY(BCL_LAUNCH(kernel, bcl_grid_rows(ops, 1), bcl_ptr(a->clip), bcl_ptr(a->partial),
                       bcl_int(BCL_ADAM_PARTIALS), bcl_float(max_norm)));
out:
    return status;
}

bcl_status bcl_adam_step(bcl_ops *ops, const bcl_adam_arenas *a, const bcl_adam *adam, int step) {
    bcl_status status = BCL_OK;
    bcl_kernel *kernel;
    const double t = (double)step + 1;
    const float step_size = (float)(adam->lr / (1 - pow(adam->beta1, t)));
    const float root2 = (float)sqrt(1 - pow(adam->beta2, t));
    const bool decoupled = adam->decoupled;
    const float decay = decoupled ? (float)(1 - adam->lr * adam->weight_decay) : 1.0f;
    const float l2 = decoupled ? 0.0f : (float)adam->weight_decay;
    const bool clips = adam->clip > 0;
    BCL_TRY(check_arenas(ops, a));
    BCL_TRY(sum_squares(ops, a, clips, step));
    if (clips)
        BCL_TRY(finish_norm(ops, a, adam->clip));
    /* without weight decay rows that never had a gradient cost less */
    bcl_operation(ops, BCL_OPERATION_UPDATE,
                  2 * (bcl_view_traffic(a->p) + bcl_view_traffic(a->m) + bcl_view_traffic(a->v)) +
                      bcl_view_traffic(a->g) + 2 * bcl_view_traffic(a->row_m) +
                      2 * bcl_view_traffic(a->row_v) + 2 * bcl_view_traffic(a->row_g));
#define ADAM_ARGS                                                                                  \
    bcl_float(step_size), bcl_float(root2), bcl_float((float)(1 - adam->beta1)),                   \
        bcl_float((float)adam->beta2), bcl_float((float)(1 - adam->beta2)),                        \
        bcl_float((float)adam->eps), bcl_float(decay), bcl_float(l2)
    BCL_TRY(bcl_kernel_get(&kernel, ops->device, "optimizer.cl", "adam_dense", ""));
    BCL_TRY(BCL_LAUNCH(kernel, bcl_grid_rows(ops, dense_pieces(a)), bcl_ptr(a->p), bcl_ptr(a->g),
                       bcl_ptr(a->m), bcl_ptr(a->v), bcl_ptr(a->loss), bcl_ptr(a->clip),
                       bcl_ptr(a->partial), bcl_int(clips), bcl_int((int)a->N),
                       bcl_int(dense_chunk(a)), ADAM_ARGS));
    if (!clips)
        BCL_TRY(finish_norm(ops, a, 0));
    BCL_TRY(bcl_kernel_get(&kernel, ops->device, "optimizer.cl", "adam_rows", ""));
    BCL_TRY(BCL_LAUNCH(kernel, bcl_grid_rows(ops, a->R), bcl_ptr(a->table), bcl_ptr(a->row_g),
                       bcl_ptr(a->row_m), bcl_ptr(a->row_v), bcl_ptr(a->row_ids),
                       bcl_ptr(a->row_step), bcl_ptr(a->loss), bcl_ptr(a->clip), bcl_int(a->C),
                       bcl_int(step), bcl_int(adam->weight_decay > 0), ADAM_ARGS));
#undef ADAM_ARGS
out:
    return status;
}
