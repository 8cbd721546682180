/* Attention and its gradients in double precision, see ops/exact.h: query by query. */
#include "ops/exact.h"

#include <math.h>

static const double *row_of(const bcl_exact_attention *a, int t, int part, int h) {
    return a->qkv + (((size_t)t * 3 + (size_t)part) * (size_t)a->NH + (size_t)h) * (size_t)a->HS;
}

static double dot(const double *x, const double *y, int n) {
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += x[i] * y[i];
    return sum;
}

/* What a query t, whose probabilities and masks are known, adds to the gradients. */
static void query_backward(const bcl_exact_attention *a, int t0, int S, int t, int h,
                           const double *prob, const double *factor) {
    const int HS = a->HS;
    const size_t stride = (size_t)a->NH * (size_t)HS, head = (size_t)h * (size_t)HS;
    const double scale = 1 / sqrt((double)HS), *dout = a->dout + (size_t)t * stride + head;
    const double *out = (a->given ? a->given : a->out) + (size_t)t * stride + head;
    const double *q = row_of(a, t, 0, h);
    double *dq = a->dqkv + 3 * (size_t)t * stride + head;
    const double D = dot(dout, out, HS);
    for (int j = 0; j < S; j++) {
        double *dk = a->dqkv + (3 * (size_t)(t0 + j) + 1) * stride + head, *dv = dk + stride;
        const double *k = row_of(a, t0 + j, 1, h), *v = row_of(a, t0 + j, 2, h);
        const double ds = prob[j] * (dot(dout, v, HS) * factor[j] - D) * scale;
        for (int d = 0; d < HS; d++) {
            dq[d] += ds * k[d];
            dk[d] += ds * q[d];
            dv[d] += prob[j] * factor[j] * dout[d];
        }
    }
}

static void query(const bcl_exact_attention *a, int t0, int S, int t, int h, double *prob,
                  double *factor) {
    const int HS = a->HS;
    const double scale = 1 / sqrt((double)HS);
    double *out = a->out + ((size_t)t * (size_t)a->NH + (size_t)h) * (size_t)HS;
    double most = -HUGE_VAL, sum = 0;
    for (int j = 0; j < S; j++) {
        prob[j] = scale * dot(row_of(a, t, 0, h), row_of(a, t0 + j, 1, h), HS);
        most = fmax(most, prob[j]);
    }
    for (int j = 0; j < S; j++)
        sum += exp(prob[j] - most);
    a->lse[(size_t)t * (size_t)a->NH + (size_t)h] = most + log(sum);
    memset(out, 0, (size_t)HS * sizeof *out);
    for (int j = 0; j < S; j++) {
        const double *v = row_of(a, t0 + j, 2, h);
        prob[j] = exp(prob[j] - most) / sum;
        factor[j] = bcl_exact_mask_attention(a->dropout, a->samples[t], h, t - t0, j);
        for (int d = 0; d < HS; d++)
            out[d] += prob[j] * factor[j] * v[d];
    }
}

bcl_status bcl_exact_attention_run(const bcl_exact_attention *a) {
    bcl_status status = BCL_OK;
    double *prob = NULL, *factor = NULL;
    int longest = 0;
    for (int b = 0; b < a->B; b++)
        if (a->starts[b + 1] - a->starts[b] > longest)
            longest = a->starts[b + 1] - a->starts[b];
    BCL_NEW(prob, (size_t)longest);
    BCL_NEW(factor, (size_t)longest);
    if (a->dout)
        memset(a->dqkv, 0,
               3 * (size_t)a->starts[a->B] * (size_t)a->NH * (size_t)a->HS * sizeof *a->dqkv);
    for (int b = 0; b < a->B; b++)
        for (int t = a->starts[b]; t < a->starts[b + 1]; t++)
            for (int h = 0; h < a->NH; h++) {
                const int t0 = a->starts[b], S = a->starts[b + 1] - t0;
                query(a, t0, S, t, h, prob, factor);
                if (a->dout)
                    query_backward(a, t0, S, t, h, prob, factor);
            }
out:
    free(prob);
    free(factor);
    return status;
}
