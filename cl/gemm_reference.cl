/* C (M,N) = A . B (+ bias) or C += A . B, any layout by strides: A(m,k) = A[m * am + k * ak],
 * B(k,n) = B[k * bk + n * bn]. One work-item an element of C; groups (M, N / items): M may be
 * large, and the second dimension is short on some devices. */
__kernel void gemm_reference(__global float *C, __global const float *A, __global const float *B,
                             __global const float *bias, int has_bias, int accumulate, int N, int K,
                             int am, int ak, int bk, int bn, int ldc) {
    const int m = get_global_id(0), n = get_global_id(1);
    if (n >= N)
        return;
    A += (size_t)m * am;
    B += (size_t)n * bn;
    C += (size_t)m * ldc + n;
    float sum = 0;
    for (int k = 0; k < K; k++)
        sum = fma(A[(size_t)k * ak], B[(size_t)k * bk], sum);
    if (has_bias)
        sum += bias[n];
    *C = accumulate ? *C + sum : sum;
}
