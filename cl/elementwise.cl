/* Operations on single elements or single columns: GELU, dropout, sums over rows, bias. */
#include "common.h"
#include "gelu.h"

/* Every item has VW elements. */
__kernel void gelu_forward(__global float *y, __global const float *x, int N, int tanh_form) {
    const int i = get_global_id(0) * VW;
    if (i < N)
        store(gelu(load(x + i, N - i), tanh_form), y + i, N - i);
}

/* dx = dy gelu'(x); dx may be dy */
__kernel void gelu_backward(__global float *dx, __global const float *dy, __global const float *x,
                            int N, int tanh_form) {
    const int i = get_global_id(0) * VW;
    if (i < N)
        store(load(dy + i, N - i) * gelu_derivative(load(x + i, N - i), tanh_form), dx + i, N - i);
}

/* y = dropout(x), which is its own backward; y may be x. One group a row. */
__kernel void dropout_rows(__global float *y, __global const float *x,
                           __global const int *positions, __global const int *samples, int C,
                           DROPOUT_PARAMETERS) {
    const int t = GROUP_ID(0, LS), lid = get_local_id(0);
    const size_t row = (size_t)t * C;
    for (int u = lid; u < ROW_UNITS(C); u += LS) {
        fv factor[4];
        dropout_factors(factor, u, positions[t], samples[t], threshold, scale, site, key0, key1);
        for (int w = 0; w < 4; w++) {
            const int c = UNIT_COLUMN(u, w), n = C - c;
            if (n > 0)
                store(load(x + row + c, n) * factor[w], y + row + c, n);
        }
    }
}

/* y (+)= sum over the rows of x. Every item has VW columns. */
__kernel void sum_rows(__global float *y /* (N) */, __global const float *x /* (T,N) */, int T,
                       int N, int accumulate) {
    const int c = get_global_id(0) * VW, n = N - c;
    if (n <= 0)
        return;
    fv sum = accumulate ? load(y + c, n) : (fv)(0);
    for (int t = 0; t < T; t++)
        sum += load(x + (size_t)t * N + c, n);
    store(sum, y + c, n);
}
