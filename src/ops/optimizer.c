/* Gradient norm, clipping, Adam and AdamW. */
#include "ops/internal.h"

/* Dense arenas are cut into at most this many pieces, and rows into as many, with a group for each.
 * The sums' order is theirs, so a device's size does not count: on GPUs there are as many as fill
 * 128 compute units of 2048 items, on CPUs few, whose sums are added up one by one. */
static int pieces_of(const bcl_ops *ops) {
    return bcl_device_wide(ops->device) ? 256 : BCL_ADAM_PARTIALS / 2;
}

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
    BCL_TRY(BCL_LAUNCH(kernel, bcl_grid_rows(kernel, count), bcl_ptr(x), bcl_ptr(ranges)));
out:
    return status;
}

/* Elements of a piece of n. */
static int dense_chunk(const bcl_ops *ops, size_t n) {
    return chunk_of(n, (size_t)pieces_of(ops), bcl_device_wide(ops->device) ? 4096 : 512);
}

static int dense_pieces(const bcl_ops *ops, size_t n) {
    const size_t chunk = (size_t)dense_chunk(ops, n);
    return (int)((n + chunk - 1) / chunk);
}

/* All that is not frozen. */
static bcl_adam_range whole_of(const bcl_adam_arenas *a) {
    return (bcl_adam_range){a->range_count ? a->ranges[0].begin : 0, a->N, 1, true};
}

/* The sums of squares of the rows, and of the dense gradients if nothing else reads them. */
static bcl_status sum_squares(bcl_ops *ops, const bcl_adam_arenas *a, bool dense, int step) {
    bcl_status status = BCL_OK;
    bcl_kernel *kernel;
    const int pieces = pieces_of(ops), rows = chunk_of((size_t)a->R, (size_t)pieces, 1);
    const bcl_adam_range whole = whole_of(a);
    const size_t n = whole.end - whole.begin;
    bcl_operation(ops, "gradient norm", dense ? bcl_view_traffic(a->g) : 0);
    /* The rows' sums follow in the second half; the unused ends of both halves are zero. */
    BCL_TRY(bcl_buffer_zero(ops->device, a->partial.buffer, 0, 2 * (size_t)pieces * sizeof(float)));
    const int dense_groups = dense ? dense_pieces(ops, n) : 0;
    BCL_TRY(bcl_kernel_get(&kernel, ops->device, "optimizer.cl", "norm_parts", ""));
    BCL_TRY(BCL_LAUNCH(kernel, bcl_grid_rows(kernel, dense_groups + (a->R + rows - 1) / rows),
                       bcl_ptr(a->partial), bcl_ptr(a->g), bcl_int((int)whole.begin),
                       bcl_int((int)whole.end), bcl_int(dense_chunk(ops, n)), bcl_int(dense_groups),
                       bcl_int(pieces), bcl_ptr(a->row_g), bcl_ptr(a->row_step), bcl_int(a->R),
                       bcl_int(a->C), bcl_int(rows), bcl_int(step)));
out:
    return status;
}

bcl_status bcl_adam_copy(bcl_ops *ops, bcl_view copy, bcl_view p, int N) {
    bcl_status status = BCL_OK;
    bcl_kernel *kernel;
    const int chunk = dense_chunk(ops, (size_t)N);
    BCL_TRY(BCL_OPERANDS(ops, "adam_copy", {"copy", &copy, 1, N, BCL_TAKES_HALVES | BCL_WRITES},
                         BCL_IN(p, 1, N)));
    bcl_operation(ops, "parameters in 16 bits", bcl_view_traffic(copy) + bcl_view_traffic(p));
    BCL_TRY(
        bcl_kernel_get(&kernel, ops->device, "optimizer.cl", "copy_dense", bcl_half_words(copy)));
    BCL_TRY(BCL_LAUNCH(kernel, bcl_grid_rows(kernel, dense_pieces(ops, (size_t)N)), bcl_ptr(copy),
                       bcl_ptr(p), bcl_int(N), bcl_int(chunk)));
out:
    return status;
}

static bcl_status check_arenas(bcl_ops *ops, const bcl_adam_arenas *a) {
    const int N = (int)a->N, R = a->R, C = a->C;
    return BCL_OPERANDS(
        ops, "adam_step", BCL_OUT(a->p, 1, N), BCL_IN(a->g, 1, N), BCL_OUT(a->m, 1, N),
        BCL_OUT(a->v, 1, N),
        {"copy", &a->copy, 1, N, BCL_TAKES_HALVES | BCL_TAKES_NONE | BCL_WRITES},
        BCL_OUT(a->table, BCL_ANY, C), BCL_IN(a->row_g, R, C), BCL_OUT(a->row_m, R, C),
        BCL_OUT(a->row_v, R, C), BCL_IN_INTS(a->row_ids, R, 1), BCL_IN_INTS(a->row_step, R, 1),
        BCL_OUT(a->partial, 1, BCL_ADAM_PARTIALS), BCL_OUT(a->clip, 1, 2), BCL_IN(a->loss, 1, 2));
}

static bcl_status finish_norm(bcl_ops *ops, const bcl_adam_arenas *a, float max_norm,
                              float unscale) {
    bcl_status status = BCL_OK;
    bcl_kernel *kernel;
    BCL_TRY(bcl_kernel_get(&kernel, ops->device, "optimizer.cl", "norm_finish", ""));
    BCL_TRY(BCL_LAUNCH(kernel, bcl_grid_rows(kernel, 1), bcl_ptr(a->clip), bcl_ptr(a->partial),
                       bcl_int(2 * pieces_of(ops)), bcl_float(max_norm), bcl_float(unscale)));
out:
    return status;
}

/* What a kernel is told of a step. */
typedef struct numbers {
    float step_size, root2, decay, l2;
} numbers;

static numbers numbers_of(const bcl_adam *adam, double rate, bool decays, int step) {
    const double t = (double)(step + 1 - adam->skipped), lr = adam->lr * rate;
    const double weight_decay = decays ? adam->weight_decay : 0;
    return (numbers){.step_size = (float)(lr / (1 - pow(adam->beta1, t))),
                     .root2 = (float)sqrt(1 - pow(adam->beta2, t)),
                     .decay = adam->decoupled ? (float)(1 - lr * weight_decay) : 1.0f,
                     .l2 = adam->decoupled ? 0.0f : (float)weight_decay};
}

#define ADAM_ARGS(n, adam)                                                                         \
    bcl_float((n).step_size), bcl_float((n).root2), bcl_float((float)(1 - (adam)->beta1)),         \
        bcl_float((float)(adam)->beta2), bcl_float((float)(1 - (adam)->beta2)),                    \
        bcl_float((float)(adam)->eps), bcl_float((n).decay), bcl_float((n).l2)

/* has_norm: clip is there, and nothing is left to be summed. */
static bcl_status update_dense(bcl_ops *ops, const bcl_adam_arenas *a, const bcl_adam *adam,
                               const bcl_adam_range *r, bool has_norm, int step) {
    bcl_status status = BCL_OK;
    bcl_kernel *kernel;
    const numbers n = numbers_of(adam, r->rate, r->decays, step);
    const size_t count = r->end - r->begin;
    BCL_TRY(bcl_kernel_get(&kernel, ops->device, "optimizer.cl", "adam_dense",
                           bcl_half_words(a->copy)));
    BCL_TRY(BCL_LAUNCH(
        kernel, bcl_grid_rows(kernel, dense_pieces(ops, count)), bcl_ptr(a->p), bcl_ptr(a->g),
        bcl_ptr(a->m), bcl_ptr(a->v), bcl_ptr(a->loss), bcl_ptr(a->clip), bcl_ptr(a->partial),
        bcl_ptr(a->copy.buffer ? a->copy : a->p), bcl_int(has_norm), bcl_int((int)r->begin),
        bcl_int((int)r->end), bcl_int(dense_chunk(ops, count)), ADAM_ARGS(n, adam)));
out:
    return status;
}

static bcl_status update_rows(bcl_ops *ops, const bcl_adam_arenas *a, const bcl_adam *adam,
                              int step) {
    bcl_status status = BCL_OK;
    bcl_kernel *kernel;
    const numbers n = numbers_of(adam, a->range_count ? a->row_rate : 1, true, step);
    BCL_TRY(bcl_kernel_get(&kernel, ops->device, "optimizer.cl", "adam_rows", ""));
    BCL_TRY(BCL_LAUNCH(kernel, bcl_grid_rows(kernel, a->R), bcl_ptr(a->table), bcl_ptr(a->row_g),
                       bcl_ptr(a->row_m), bcl_ptr(a->row_v), bcl_ptr(a->row_ids),
                       bcl_ptr(a->row_step), bcl_ptr(a->loss), bcl_ptr(a->clip), bcl_int(a->C),
                       bcl_int(step), bcl_int(adam->weight_decay > 0), ADAM_ARGS(n, adam)));
out:
    return status;
}

bcl_status bcl_adam_step(bcl_ops *ops, const bcl_adam_arenas *a, const bcl_adam *adam, int step) {
    bcl_status status = BCL_OK;
    const bcl_adam_range whole = whole_of(a);
    const bcl_adam_range *ranges = a->range_count ? a->ranges : &whole;
    const int count = a->range_count ? a->range_count : 1;
    const bool scaled = adam->loss_scale > 0;
    const bool norm_first = adam->clip > 0 || a->range_count || scaled;
    BCL_TRY(check_arenas(ops, a));
    BCL_TRY(sum_squares(ops, a, norm_first, step));
    if (norm_first)
        BCL_TRY(finish_norm(ops, a, adam->clip, scaled ? 1 / adam->loss_scale : 1));
    /* without weight decay rows that never had a gradient cost less */
    bcl_operation(
        ops, BCL_OPERATION_UPDATE,
        (a->copy.buffer ? bcl_view_traffic(a->copy) : 0) +
            2 * (bcl_view_traffic(a->p) + bcl_view_traffic(a->m) + bcl_view_traffic(a->v)) +
            bcl_view_traffic(a->g) + 2 * bcl_view_traffic(a->row_m) +
            2 * bcl_view_traffic(a->row_v) + 2 * bcl_view_traffic(a->row_g));
    for (int i = 0; i < count; i++)
        BCL_TRY(update_dense(ops, a, adam, &ranges[i], norm_first, step));
    if (!norm_first)
        BCL_TRY(finish_norm(ops, a, 0, 1));
    if (!a->range_count || a->row_rate > 0)
        BCL_TRY(update_rows(ops, a, adam, step));
out:
    return status;
}
