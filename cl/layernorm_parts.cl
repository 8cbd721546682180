/* LayerNorm backward for devices with groups of many items, VW = 1: a group has `rows` rows, one
 * after the other, and takes the sums over them for dgamma and dbeta on its way. */
#include "common.h"

/* Sums over the group's items of two numbers. */
static inline float2 group_sums(float x, float y, __local float *scratch /* (2,LS) */) {
    const int lid = get_local_id(0);
    barrier(CLK_LOCAL_MEM_FENCE);
    scratch[lid] = x;
    scratch[LS + lid] = y;
    for (int n = LS / 2; n > 0; n /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (lid < n) {
            scratch[lid] += scratch[lid + n];
            scratch[LS + lid] += scratch[LS + lid + n];
        }
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    return (float2)(scratch[0], scratch[LS]);
}

/* dr = rstd (dy gamma - mean(dy gamma) - xhat mean(dy gamma xhat)) and dh = dropout'(dr); part[p] =
 * the sums of dy xhat and of dy over the rows of group p. dr may be dy. Without write_dh, dh is not
 * touched. An item has the same columns of every row, so `sums` needs no barrier. */
__kernel void layernorm_backward_parts(
    __global float *dr /* (T,C) */, __global float *dh /* (T,C) */,
    __global float *restrict part /* at `at`: (parts,2,C) */, int at, __global const float *dy,
    __global const float *r, __global const float *mean, __global const float *rstd,
    __global const float *gamma, __global const int *positions, __global const int *samples, int T,
    int C, int rows, int write_dh, DROPOUT_PARAMETERS, __local float *sums /* (2,C) */) {
    __local float scratch[2 * LS];
    const int p = get_group_id(0), lid = get_local_id(0), last = min((p + 1) * rows, T);
    for (int u = lid; u < ROW_UNITS(C); u += LS)
        for (int w = 0; w < 4; w++) {
            const int c = UNIT_COLUMN(u, w);
            if (c < C)
                sums[c] = sums[C + c] = 0;
        }
    for (int t = p * rows; t < last; t++) {
        const size_t row = (size_t)t * C;
        const float m = mean[t], s = rstd[t];
        float sum = 0, dot_sum = 0;
        for (int u = lid; u < ROW_UNITS(C); u += LS)
            for (int w = 0; w < 4; w++) {
                const int c = UNIT_COLUMN(u, w);
                if (c < C) {
                    const float y = dy[row + c], x = (r[row + c] - m) * s, g = y * gamma[c];
                    sum += g;
                    dot_sum += g * x;
                    sums[c] += y * x;
                    sums[C + c] += y;
                }
            }
        const float2 means = group_sums(sum, dot_sum, scratch) / C;
        for (int u = lid; u < ROW_UNITS(C); u += LS) {
            float factor[4];
            if (write_dh)
                dropout_factors(factor, u, positions[t], samples[t], threshold, scale, site, key0,
                                key1);
            for (int w = 0; w < 4; w++) {
                const int c = UNIT_COLUMN(u, w);
                if (c < C) {
                    const float g = dy[row + c] * gamma[c];
                    const float d = s * (g - means.x - (r[row + c] - m) * s * means.y);
                    dr[row + c] = d;
                    if (write_dh)
                        dh[row + c] = d * factor[w];
                }
            }
        }
    }
    part += at + (size_t)p * 2 * C;
    for (int u = lid; u < ROW_UNITS(C); u += LS)
        for (int w = 0; w < 4; w++) {
            const int c = UNIT_COLUMN(u, w);
            if (c < C) {
                part[c] = sums[c];
                part[C + c] = sums[C + c];
            }
        }
}
