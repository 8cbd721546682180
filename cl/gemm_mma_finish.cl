/* The end of a product whose K was cut into parts. One item an element of C. -DEPILOGUE, -DHALF and
 * -DNO_C as in gemm_mma.cl. */
typedef float fv;
#include "gelu.h"
#include "gemm_epilogue.h"
#include "half.h"
#ifndef EPILOGUE
#define EPILOGUE PLAIN
#endif

#if EPILOGUE == GELU
typedef float c_t;
typedef half_t e_t;
#else
typedef half_t c_t;
typedef float e_t;
#endif

/* Adds the parts (splits,M,N) of C and (splits,N) of sums in their order. One item an element. */
__kernel void gemm_mma_finish(__global c_t *C, __global const float *parts, int splits,
                              __global const float *bias, int has_bias, __global e_t *E,
                              __global float *sums, __global const float *sum_parts, int has_sums,
                              int tanh_form, int accumulate, int M, int N, int ldc) {
    const size_t i = get_global_id(0), all = (size_t)M * N;
    if (i >= all)
        return;
    const int m = i / N, n = i % N;
    const size_t at = (size_t)m * ldc + n;
    float x = 0;
    for (int s = 0; s < splits; s++)
        x += parts[s * all + i];
    x = finish_element(EPILOGUE, x, has_bias ? bias[n] : 0,
                       begun_element(EPILOGUE, (__global const float *)C, (__global const float *)E,
                                     accumulate, at),
                       tanh_form);
#if EPILOGUE == GELU
#ifndef NO_C
    C[at] = x;
#endif
    E[at] = to_half(gelu(x, tanh_form));
#else
    C[at] = to_half(x);
#endif
    if (has_sums && m == 0) {
        float sum = accumulate ? sums[n] : 0;
        for (int s = 0; s < splits; s++)
            sum += sum_parts[(size_t)s * N + n];
        sums[n] = sum;
    }
}
