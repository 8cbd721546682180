/* Every row of C (M,N) = bias (N), for a product that then adds to C. One work-item an element;
 * groups (M, N / items). */
__kernel void gemm_bias(__global float *C, __global const float *bias, int N, int ldc) {
    const int m = get_global_id(0), n = get_global_id(1);
    if (n < N)
        C[(size_t)m * ldc + n] = bias[n];
}
