/* What a matrix product does with an element of C while it has it; behind gelu.h, with fv a float.
 * -DGELU: E = gelu(C); -DGELU_BACKWARD: C = product gelu'(E). */
static inline float finish_element(float x, float bias, float begun, __global float *E,
                                   int tanh_form, size_t at) {
    x += bias;
#ifdef GELU_BACKWARD
    x *= gelu_derivative(begun, tanh_form);
#else
    x += begun;
#endif
#ifdef GELU
    E[at] = gelu(x, tanh_form);
#endif
    return x;
}
/* What is there of an element: what it is added to, or E. */
static inline float begun_element(__global const float *C, __global const float *E, int accumulate,
                                  size_t at) {
#ifdef GELU_BACKWARD
    return E[at];
#else
    return accumulate ? C[at] : 0;
#endif
}
