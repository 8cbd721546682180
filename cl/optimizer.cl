/* Gradient norm, clipping, Adam and AdamW over flat arenas.
 * Rows: the word embedding's gradient and moments exist only for the rows that the data use;
 * ids[slot] is a slot's row in the table. A slot whose row_step is below 0 never had a gradient:
 * its moments are 0 and Adam's update is exactly 0. One whose row_step is not this step has
 * gradient 0.
 * With -DHALF the parameters are kept rounded, too, for products that read them so. */
#include "common.h"
#include "half.h"
#ifdef HALF
/* copy (n) = p, rounded; each group has `chunk` of them. */
__kernel void copy_dense(__global ushort *copy, __global const float *p, int n, int chunk) {
    const int first = GROUP_ID(0, LS) * chunk, last = min(first + chunk, n);
    for (int i = first + (int)get_local_id(0) * VW; i < last; i += LS * VW)
        store_half(load(p + i, last - i), copy + i, last - i);
}
#endif

/* Loads of several rounds at once, where that is left to the compiler. */
#if LS > 1
#define SEVERAL _Pragma("unroll 4")
#else
#define SEVERAL
#endif

static inline float sum_squares(__global const float *x, int first, int last) {
    fv sum = 0;
    SEVERAL
    for (int i = first + (int)get_local_id(0) * VW; i < last; i += LS * VW) {
        const fv v = load(x + i, last - i);
        sum += v * v;
    }
    return lanes_sum(sum);
}

/* Group i writes zeros to x[ranges[i][0]] .. x[ranges[i][1] - 1]. */
__kernel void zero_ranges(__global float *x, __global const int *ranges) {
    const int first = ranges[2 * GROUP_ID(0, LS)], last = ranges[2 * GROUP_ID(0, LS) + 1];
    for (int i = first + (int)get_local_id(0); i < last; i += LS)
        x[i] = 0;
}

/* Sums of squares: of groups below dense_groups partial[group], of `chunk` elements of [begin,end)
 * of g each; of the others partial[first + group - dense_groups], of `rows` rows of row_g each. */
__kernel void norm_parts(__global float *partial, __global const float *g, int begin, int end,
                         int chunk, int dense_groups, int first,
                         __global const float *row_g /* (R,C) */, __global const int *row_step,
                         int R, int C, int rows, int step) {
    __local float4 scratch[SCRATCH];
    const int group = GROUP_ID(0, LS), of_rows = group - dense_groups;
    float sum = 0;
    if (of_rows < 0) {
        const int from = begin + group * chunk;
        sum = sum_squares(g, from, min(from + chunk, end));
    } else {
        for (int r = of_rows * rows; r < min((of_rows + 1) * rows, R); r++)
            if (row_step[r] == step)
                sum += sum_squares(row_g + (size_t)r * C, 0, C);
    }
    sum = group_sum(sum, scratch);
    if (get_local_id(0) == 0)
        partial[of_rows < 0 ? group : first + of_rows] = sum;
}

/* Gradients are 1 / unscale times too large. clip[0] = the factor for all of them: unscale times
 * min(1, max_norm / (norm + 1e-6)), as PyTorch's clip_grad_norm_; clip[1] = the norm before, of
 * what they should be. max_norm 0: no clipping. One group. */
__kernel void norm_finish(__global float *clip, __global const float *partial, int count,
                          float max_norm, float unscale) {
    __local float4 scratch[SCRATCH];
    float sum = 0, lost = 0;
    SEVERAL
    for (int i = get_local_id(0); i < count; i += LS) {
        const float y = partial[i] - lost, next = sum + y;
        lost = (next - sum) - y;
        sum = next;
    }
    const float norm = sqrt(group_sum(sum, scratch)) * unscale;
    if (get_local_id(0))
        return;
    clip[0] = (max_norm > 0 ? fmin(1.0f, max_norm / (norm + 1e-6f)) : 1.0f) * unscale;
    clip[1] = norm;
}

/* The host rounds 1 - beta from double: 1 - 0.999f is off by 5e-5. step_size = lr / (1 - beta1^t),
 * root2 = sqrt(1 - beta2^t). decay: AdamW's factor 1 - lr w on the parameter; l2: Adam's w p added
 * to the gradient. */
#define ADAM_PARAMETERS                                                                            \
    float step_size, float root2, float one_minus_beta1, float beta2, float one_minus_beta2,       \
        float eps, float decay, float l2
static inline fv adam_vector(__global float *p, fv g, __global float *m, __global float *v, int n,
                             ADAM_PARAMETERS) {
    fv x = load(p, n);
    g += l2 * x;
    const fv m1 = load(m, n) + one_minus_beta1 * (g - load(m, n));
    const fv v1 = beta2 * load(v, n) + one_minus_beta2 * g * g;
    x = x * decay - step_size * m1 / (sqrt(v1) / root2 + eps);
    store(m1, m, n);
    store(v1, v, n);
    store(x, p, n);
    return x;
}

/* Where the step's loss, or a norm that is known, is not finite, nothing is updated: what went
 * wrong can still be looked for. Without clipping (has_clip 0) nothing waits for the norm, and this
 * reads the gradient for it: partial as norm_parts', to the bit. copy: of p, see HALF; without it
 * not looked at. */
__kernel void adam_dense(__global float *restrict p, __global const float *restrict g,
                         __global float *restrict m, __global float *restrict v,
                         __global const float *loss, __global const float *clip,
                         __global float *partial, __global ushort *copy, int has_clip, int begin,
                         int end, int chunk, ADAM_PARAMETERS) {
    __local float4 scratch[SCRATCH];
    if (!isfinite(loss[0]) || (has_clip && !isfinite(clip[1])))
        return;
    const int group = GROUP_ID(0, LS), first = begin + group * chunk,
              last = min(first + chunk, end);
    const float factor = has_clip ? clip[0] : 1.0f;
    fv sum = 0;
    for (int i = first + (int)get_local_id(0) * VW; i < last; i += LS * VW) {
        const fv x = load(g + i, last - i);
        sum += x * x;
        const fv updated = adam_vector(p + i, x * factor, m + i, v + i, last - i, step_size, root2,
                                       one_minus_beta1, beta2, one_minus_beta2, eps, decay, l2);
#ifdef HALF
        store_half(updated, copy + i, last - i);
#else
        (void)updated;
#endif
    }
    if (has_clip)
        return;
    const float total = group_sum(lanes_sum(sum), scratch);
    if (get_local_id(0) == 0)
        partial[group] = total;
}

__kernel void adam_rows(__global float *restrict table /* (V,C) */,
                        __global const float *restrict g /* (R,C) */, __global float *restrict m,
                        __global float *restrict v, __global const int *ids,
                        __global const int *row_step, __global const float *loss,
                        __global const float *clip, int C, int step, int dense, ADAM_PARAMETERS) {
    const int r = GROUP_ID(0, LS);
    if ((row_step[r] < 0 && !dense) || !isfinite(loss[0]) || !isfinite(clip[1]))
        return;
    const size_t row = (size_t)r * C;
    const float factor = row_step[r] == step ? clip[0] : 0.0f;
    table += (size_t)ids[r] * C;
    for (int c = (int)get_local_id(0) * VW; c < C; c += LS * VW)
        adam_vector(table + c, factor != 0.0f ? load(g + row + c, C - c) * factor : (fv)(0.0f),
                    m + row + c, v + row + c, C - c, step_size, root2, one_minus_beta1, beta2,
                    one_minus_beta2, eps, decay, l2);
}
