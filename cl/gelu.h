/* GELU and its derivative on vectors: the includer has the type fv. */
/* erf as x P(x^2) / Q(x^2) on |x| <= 4, where it is +-1 in fp32 beyond: largest absolute error
 * 2e-7. Drivers' own erf is exact to a bit but takes one element at a time. */
static inline fv erf_fast(fv x) {
    x = clamp(x, (fv)(-4.0f), (fv)(4.0f));
    const fv s = x * x;
    fv p = fma(s, (fv)(-2.72614225801306e-10f), (fv)(2.77068142495902e-08f));
    p = fma(s, p, (fv)(-2.10102402082508e-06f));
    p = fma(s, p, (fv)(-5.69250639462346e-05f));
    p = fma(s, p, (fv)(-7.34990630326855e-04f));
    p = fma(s, p, (fv)(-2.95459980854025e-03f));
    p = fma(s, p, (fv)(-1.60960333262415e-02f));
    fv q = fma(s, (fv)(-1.45660718464996e-05f), (fv)(-2.13374055278905e-04f));
    q = fma(s, q, (fv)(-1.68282697438203e-03f));
    q = fma(s, q, (fv)(-7.37332916720468e-03f));
    q = fma(s, q, (fv)(-1.42647390514189e-02f));
    return x * p / q;
}

#define SQRT_HALF    0.70710678118654752f
#define INV_SQRT_2PI 0.39894228040143268f
#define TANH_A       0.79788456080286536f /* sqrt(2 / pi) */
#define TANH_B       0.044715f

/* (1 + tanh(u)) / 2 = 1 / (1 + exp(-2u)) of the tanh form. Drivers' tanh ends a bit short of 1
 * (PoCL: 1 - 2^-24), which the derivative multiplies by x^3; and 1 + tanh cancels below 0. Beyond
 * 16 the value is 0 or 1 in fp32. */
static inline fv tanh_exponential(fv x) {
    x = clamp(x, (fv)(-16.0f), (fv)(16.0f));
    return exp(-2.0f * TANH_A * (x + TANH_B * x * x * x));
}

static inline fv gelu(fv x, int tanh_form) {
    if (tanh_form)
        return x / (1.0f + tanh_exponential(x));
    return 0.5f * x * (1.0f + erf_fast(x * SQRT_HALF));
}

static inline fv gelu_derivative(fv x, int tanh_form) {
    if (tanh_form) {
        const fv e = tanh_exponential(x), share = 1.0f / (1.0f + e);
        const fv near = clamp(x, (fv)(-16.0f), (fv)(16.0f));
        return share + near * share * (1.0f / (1.0f + 1.0f / e)) * 2.0f * TANH_A *
                           (1.0f + 3.0f * TANH_B * near * near);
    }
    return 0.5f * (1.0f + erf_fast(x * SQRT_HALF)) + x * INV_SQRT_2PI * exp(-0.5f * x * x);
}
