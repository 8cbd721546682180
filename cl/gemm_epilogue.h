/* What a matrix product does with an element of C while it has it; behind gelu.h, with fv a float.
 * The numbers are those of bcl_gemm_epilogue; GELU's E is gelu(C). */
#define PLAIN         0
#define GELU          1 /* E = gelu(C) */
#define GELU_BACKWARD 2 /* C = product gelu'(E) */
static inline float finish_element(int epilogue, float x, float bias, float begun, int tanh_form) {
    x += bias;
    return epilogue == GELU_BACKWARD ? x * gelu_derivative(begun, tanh_form) : x + begun;
}
/* What is there of an element: what it is added to, or E. */
static inline float begun_element(int epilogue, __global const float *C, __global const float *E,
                                  int accumulate, size_t at) {
    if (epilogue == GELU_BACKWARD)
        return E[at];
    return accumulate ? C[at] : 0;
}
