/* Attention within each sentence of a packed batch: P = softmax(scale Q K'), O = dropout(P) V.
 * qkv and dqkv are (T,3,NH,HS). The general kernels: a group of ITEMS work-items for one token and
 * head, scores of a row in local memory; any head size. tokens' sentences: starts (B+1),
 * sentence_of (T). lse (T,NH) = log sum exp of the scaled scores, saved; delta (T,NH) = dO . O.
 * With -DHALF out and dqkv are in 16 bits. */
#include "attention_mask.h"
#include "grid.h"
#include "half.h"

static inline float attention_factor(uint key, uint query, uint sample, uint head,
                                     DROPOUT_PARAMETERS) {
    if (threshold == 0)
        return 1.0f;
    const uint4 words = attention_words(key, query, sample, head, site, key0, key1);
    return is_kept(words, key, threshold) ? scale : 0.0f;
}

static inline float reduce(float x, __local float *scratch, int maximum) {
    const int lid = get_local_id(0), size = get_local_size(0);
    barrier(CLK_LOCAL_MEM_FENCE);
    scratch[lid] = x;
    for (int n = size / 2; n > 0; n /= 2) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (lid < n)
            scratch[lid] =
                maximum ? fmax(scratch[lid], scratch[lid + n]) : scratch[lid] + scratch[lid + n];
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    return scratch[0];
}

static inline float dot_rows(__global const float *a, __global const float *b, int HS) {
    float sum = 0;
    for (int d = 0; d < HS; d++)
        sum += a[d] * b[d];
    return sum;
}

__kernel void attention_forward(__global half_t *restrict out /* (T,NH,HS) */,
                                __global float *restrict lse, __global const float *qkv,
                                __global const int *starts, __global const int *sentence_of,
                                __global const int *samples, int NH, int HS, float softmax_scale,
                                DROPOUT_PARAMETERS, __local float *p /* longest sentence */,
                                __local float *scratch /* items */) {
    const int t = GROUP_ID(0, get_local_size(0)), h = GROUP_ID(1, 1);
    const int lid = get_local_id(0), size = get_local_size(0);
    const int b = sentence_of[t], t0 = starts[b], S = starts[b + 1] - t0, C = NH * HS;
    const size_t stride = 3 * (size_t)C;
    __global const float *q = qkv + t * stride + h * HS;
    __global const float *k = qkv + t0 * stride + C + h * HS, *v = k + C;
    float m = -1e30f;
    for (int j = lid; j < S; j += size) {
        p[j] = softmax_scale * dot_rows(q, k + j * stride, HS);
        m = fmax(m, p[j]);
    }
    m = reduce(m, scratch, 1);
    float sum = 0;
    for (int j = lid; j < S; j += size)
        sum += exp(p[j] - m);
    sum = reduce(sum, scratch, 0);
    for (int j = lid; j < S; j += size)
        p[j] = exp(p[j] - m) / sum *
               attention_factor(j, t - t0, samples[t], h, threshold, scale, site, key0, key1);
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int d = lid; d < HS; d += size) {
        float o = 0;
        for (int j = 0; j < S; j++)
            o += p[j] * v[j * stride + d];
        out[((size_t)t * NH + h) * HS + d] = to_half(o);
    }
    if (lid == 0)
        lse[(size_t)t * NH + h] = m + log(sum);
}

/* dQ of one token and head, and delta. */
__kernel void attention_backward_query(__global half_t *restrict dqkv,
                                       __global float *restrict delta, __global const float *dout,
                                       __global const half_t *out, __global const float *qkv,
                                       __global const float *lse, __global const int *starts,
                                       __global const int *sentence_of, __global const int *samples,
                                       int NH, int HS, float softmax_scale, DROPOUT_PARAMETERS,
                                       __local float *ds, __local float *scratch) {
    const int t = GROUP_ID(0, get_local_size(0)), h = GROUP_ID(1, 1);
    const int lid = get_local_id(0), size = get_local_size(0);
    const int b = sentence_of[t], t0 = starts[b], S = starts[b + 1] - t0, C = NH * HS;
    const size_t stride = 3 * (size_t)C, row = ((size_t)t * NH + h) * HS;
    __global const float *q = qkv + t * stride + h * HS;
    __global const float *k = qkv + t0 * stride + C + h * HS, *v = k + C;
    float dot_sum = 0;
    for (int d = lid; d < HS; d += size)
        dot_sum += dout[row + d] * from_half(out[row + d]);
    const float D = reduce(dot_sum, scratch, 0), L = lse[(size_t)t * NH + h];
    for (int j = lid; j < S; j += size) {
        const float p = exp(softmax_scale * dot_rows(q, k + j * stride, HS) - L);
        const float dp =
            dot_rows(dout + row, v + j * stride, HS) *
            attention_factor(j, t - t0, samples[t], h, threshold, scale, site, key0, key1);
        ds[j] = p * (dp - D) * softmax_scale;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int d = lid; d < HS; d += size) {
        float sum = 0;
        for (int j = 0; j < S; j++)
            sum += ds[j] * k[j * stride + d];
        dqkv[t * stride + h * HS + d] = to_half(sum);
    }
    if (lid == 0)
        delta[(size_t)t * NH + h] = D;
}

/* dK and dV of one token and head; runs behind attention_backward_query. */
__kernel void attention_backward_key(__global half_t *restrict dqkv, __global const float *dout,
                                     __global const float *qkv, __global const float *lse,
                                     __global const float *delta, __global const int *starts,
                                     __global const int *sentence_of, __global const int *samples,
                                     int NH, int HS, float softmax_scale, DROPOUT_PARAMETERS,
                                     __local float *ds, __local float *pd) {
    const int t = GROUP_ID(0, get_local_size(0)), h = GROUP_ID(1, 1);
    const int lid = get_local_id(0), size = get_local_size(0);
    const int b = sentence_of[t], t0 = starts[b], S = starts[b + 1] - t0, C = NH * HS;
    const size_t stride = 3 * (size_t)C;
    __global const float *q = qkv + t0 * stride + h * HS;
    __global const float *k = qkv + t * stride + C + h * HS, *v = k + C;
    dout += (size_t)t0 * C + h * HS;
    for (int i = lid; i < S; i += size) {
        const size_t s = (size_t)(t0 + i) * NH + h;
        const float p = exp(softmax_scale * dot_rows(q + i * stride, k, HS) - lse[s]);
        const float factor =
            attention_factor(t - t0, i, samples[t], h, threshold, scale, site, key0, key1);
        ds[i] = p * (dot_rows(dout + (size_t)i * C, v, HS) * factor - delta[s]) * softmax_scale;
        pd[i] = p * factor;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int d = lid; d < HS; d += size) {
        float dk = 0, dv = 0;
        for (int i = 0; i < S; i++) {
            dk += ds[i] * q[i * stride + d];
            dv += pd[i] * dout[(size_t)i * C + d];
        }
        dqkv[t * stride + C + h * HS + d] = to_half(dk);
        dqkv[t * stride + 2 * C + h * HS + d] = to_half(dv);
    }
}
