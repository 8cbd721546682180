/* Sums over the rows of a matrix in parts, for devices that want many groups: the second dimension
 * of the grid counts parts of `chunk` rows, the first has an item for VW columns. sum_parts adds
 * the parts up, always in the same order. */
#include "common.h"

/* part[p] = sum of x over the rows of part p. */
__kernel void sum_rows_parts(__global float *restrict part /* (parts,N) */,
                             __global const float *x /* (T,N) */, int T, int N, int chunk) {
    const int c = get_global_id(0) * VW, n = N - c, p = get_group_id(1);
    if (n <= 0)
        return;
    fv sum = 0;
    for (int t = p * chunk; t < min((p + 1) * chunk, T); t++)
        sum += load(x + (size_t)t * N + c, n);
    store(sum, part + (size_t)p * N + c, n);
}

/* part[p] = the sums of dy xhat and of dy over the rows of part p. */
__kernel void layernorm_parameters_parts(__global float *restrict part /* (parts,2,C) */,
                                         __global const float *dy /* (T,C) */,
                                         __global const float *r /* (T,C) */,
                                         __global const float *mean, __global const float *rstd,
                                         int T, int C, int chunk) {
    const int c = get_global_id(0) * VW, n = C - c, p = get_group_id(1);
    if (n <= 0)
        return;
    fv sum_gamma = 0, sum_beta = 0;
    for (int t = p * chunk; t < min((p + 1) * chunk, T); t++) {
        const fv g = load(dy + (size_t)t * C + c, n);
        sum_beta += g;
        sum_gamma += g * (load(r + (size_t)t * C + c, n) - mean[t]) * rstd[t];
    }
    store(sum_gamma, part + (size_t)p * 2 * C + c, n);
    store(sum_beta, part + ((size_t)p * 2 + 1) * C + c, n);
}

/* y0 (+)= the sum of part[.][0], and with two outputs y1 (+)= that of part[.][1]. The second
 * dimension counts the outputs. */
__kernel void sum_parts(__global float *y0 /* (N) */, __global float *y1 /* (N) */,
                        __global const float *part /* (parts,outputs,N) */, int parts, int N,
                        int accumulate) {
    const int c = get_global_id(0) * VW, n = N - c, output = get_group_id(1);
    const int outputs = get_num_groups(1);
    __global float *y = output ? y1 : y0;
    if (n <= 0)
        return;
    fv sum = accumulate ? load(y + c, n) : (fv)(0);
    for (int p = 0; p < parts; p++)
        sum += load(part + ((size_t)p * outputs + output) * N + c, n);
    store(sum, y + c, n);
}
