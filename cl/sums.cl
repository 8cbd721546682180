/* Sums over the rows of a matrix in parts, for devices that want many groups: the second dimension
 * of the grid counts parts of `chunk` rows, the first has an item for VW columns. sum_parts adds
 * up the parts of many such sums, each always in the same order. */
#include "common.h"

/* part[p] = sum of x over the rows of part p. */
__kernel void sum_rows_parts(__global float *restrict part /* at `at`: (parts,N) */, int at,
                             __global const float *x /* (T,N) */, int T, int N, int chunk) {
    const int c = get_global_id(0) * VW, n = N - c, p = GROUP_ID(1, 1);
    if (n <= 0)
        return;
    fv sum = 0;
    for (int t = p * chunk; t < min((p + 1) * chunk, T); t++)
        sum += load(x + (size_t)t * N + c, n);
    store(sum, part + at + (size_t)p * N + c, n);
}

/* Sum s = first + the group's number in the second dimension: y[table[s][0]] .. (+)= the parts of
 * table[s][3] columns, the first at part[table[s][1]], table[s][2] apart. */
__kernel void sum_parts(__global float *y, __global const float *restrict part,
                        __global const int *table, int first, int parts, int accumulate) {
    const int c = get_global_id(0) * VW;
    table += 4 * (first + GROUP_ID(1, 1));
    const int n = table[3] - c;
    if (n <= 0)
        return;
    y += table[0] + c;
    part += table[1] + c;
    fv sum = accumulate ? load(y, n) : (fv)(0);
    for (int p = 0; p < parts; p++)
        sum += load(part + (size_t)p * table[2], n);
    store(sum, y, n);
}
