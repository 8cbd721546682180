/* What a matrix product does with an element of C while it has it; behind gelu.h, with fv a float.
 * -DGELU: E = gelu(C); -DGELU_BACKWARD: C = product gelu'(E). */
static inline float finish_element(float x, __global float *C, __global const float *bias,
                                   int has_bias, __global float *E, int accumulate, int tanh_form,
                                   size_t at, int n) {
    if (has_bias)
        x += bias[n];
    if (accumulate)
        x += C[at];
#ifdef GELU_BACKWARD
    x *= gelu_derivative(E[at], tanh_form);
#endif
#ifdef GELU
    E[at] = gelu(x, tanh_form);
#endif
    return x;
}
