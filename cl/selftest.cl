/* What a driver must get right before it is trusted: the functions that BERT uses, local memory
 * with barriers, 32-bit integers. Grid: groups of a power of two of items, each over N values. */
#include "philox.h"

__kernel void self_test(__global float *out, __global float *sums, __global uint *words, int N,
                        __local float *partial) {
    const int lid = get_local_id(0), size = get_local_size(0), group = get_group_id(0);
    float sum = 0;
    for (int i = lid; i < N; i += size) {
        const float x = (group * N + i - 128) / 32.0f;
        const float y = exp(-x * x) * erf(x) + tanh(x);
        out[group * N + i] = y;
        sum += y;
    }
    partial[lid] = sum;
    for (int n = size / 2; n > 0; n /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (lid < n)
            partial[lid] += partial[lid + n];
    }
    if (lid == 0)
        sums[group] = partial[0];
    if (lid == 0 && group == 0)
        vstore4(philox((uint4)(1, 2, 3, 4), (uint2)(5, 6)), 0, words);
}
