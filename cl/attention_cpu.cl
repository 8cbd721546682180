/* Attention for devices whose groups are one work-item with wide vectors: the same function as
 * attention.cl. A group owns one head of one sentence (forward: QB of its queries); scores of QB
 * queries stand in local memory, rows of LD floats. Vectors run over VW keys in the scores and over
 * DV dimensions of the head elsewhere. The host defines HS, DV (a power of two that divides HS)
 * and RO, the rows whose HS / DV accumulators fit the registers. */
#include "common.h"

#if DV == 1
typedef float dv;
#define LOAD_DV(p)     (*(p))
#define STORE_DV(v, p) (*(p) = (v))
#else
typedef JOIN(float, DV) dv;
#define LOAD_DV(p)     JOIN(vload, DV)(0, p)
#define STORE_DV(v, p) JOIN(vstore, DV)(v, 0, p)
#endif
#define ND (HS / DV)
#define RQ 8 /* queries whose scores are computed together */

#if VW > 1
#define vec  fv
#define SIDE VW
#include "transpose.h"
#endif

/* kt[d][j] = row j's dimension d, for VW rows from `first`; rows behind the last repeat it. */
static inline void transpose(float *kt, __global const float *rows, size_t stride, int first,
                             int S) {
    int d = 0;
#if VW > 1
    for (; d + VW <= HS; d += VW) {
        fv x[VW];
#pragma unroll
        for (int j = 0; j < VW; j++)
            x[j] = LOAD_FULL(rows + min(first + j, S - 1) * stride + d);
        transpose_square(x);
#pragma unroll
        for (int j = 0; j < VW; j++)
            STORE_FULL(x[j], kt + (d + j) * VW);
    }
#endif
    for (; d < HS; d++)
        for (int j = 0; j < VW; j++)
            kt[d * VW + j] = rows[min(first + j, S - 1) * stride + d];
}

/* out[r][first..] = factor rows[i0 + r] . kt for RQ rows; `last` is the last row there is. */
static inline void scores(__local float *out, int LD, __global const float *rows, size_t stride,
                          int i0, int last, const float *kt, float factor) {
    fv c[RQ];
    __global const float *q[RQ];
#pragma unroll
    for (int r = 0; r < RQ; r++) {
        c[r] = 0;
        q[r] = rows + min(i0 + r, last) * stride;
    }
    for (int d = 0; d < HS; d++) {
        const fv x = LOAD_FULL(kt + d * VW);
#pragma unroll
        for (int r = 0; r < RQ; r++)
            c[r] = fma((fv)(q[r][d]), x, c[r]);
    }
#pragma unroll
    for (int r = 0; r < RQ; r++)
        STORE_FULL(c[r] * factor, out + r * LD);
}

/* out[r] (+)= sum over n of weight[r w_row + k w_column] rows[k], for RO rows of which `count`
 * exist. */
static inline void weighted_sum(__global float *out, size_t out_stride, int count, int add,
                                __local const float *weight, int w_row, int w_column,
                                __global const float *rows, size_t stride, int n) {
    dv acc[RO][ND];
#pragma unroll
    for (int r = 0; r < RO; r++)
#pragma unroll
        for (int d = 0; d < ND; d++)
            acc[r][d] = add && r < count ? LOAD_DV(out + r * out_stride + d * DV) : (dv)(0);
    for (int k = 0; k < n; k++) {
        dv x[ND];
#pragma unroll
        for (int d = 0; d < ND; d++)
            x[d] = LOAD_DV(rows + k * stride + d * DV);
#pragma unroll
        for (int r = 0; r < RO; r++) {
            const dv w = weight[r * w_row + k * w_column];
#pragma unroll
            for (int d = 0; d < ND; d++)
                acc[r][d] = fma(w, x[d], acc[r][d]);
        }
    }
#pragma unroll
    for (int r = 0; r < RO; r++)
        if (r < count)
#pragma unroll
            for (int d = 0; d < ND; d++)
                STORE_DV(acc[r][d], out + r * out_stride + d * DV);
}

static inline float lanes_max(fv x) {
#if VW == 16
    const float8 h = max(x.lo, x.hi);
#elif VW == 8
    const float8 h = x;
#endif
#if VW >= 8
    const float4 q = max(h.lo, h.hi);
#elif VW == 4
    const float4 q = x;
#endif
#if VW >= 4
    const float2 p = max(q.lo, q.hi);
    return max(p.x, p.y);
#elif VW == 2
    return max(x.x, x.y);
#else
    return x;
#endif
}

/* row = dropout(softmax(row)), whose log sum exp is *top + log(*total). Lanes behind S become 0. */
static inline void softmax_row(__local float *row, float *top, float *total, int S, uint query,
                               uint sample, DROPOUT_PARAMETERS) {
    fv m = -1e30f;
    for (int j = 0; j < S; j += VW) {
        const fv keep = lanes_below(S - j);
        const fv x = LOAD_FULL(row + j) * keep - 1e30f * (1 - keep);
        STORE_FULL(x, row + j);
        m = max(m, x);
    }
    *top = lanes_max(m);
    fv sum = 0;
    for (int j = 0; j < S; j += VW) {
        const fv e = exp(LOAD_FULL(row + j) - *top);
        sum += e;
        STORE_FULL(e, row + j);
    }
    *total = lanes_sum(sum);
    const float inverse = 1.0f / *total;
    for (int u = 0; u < ROW_UNITS(S); u++) {
        fv factor[4];
        dropout_factors(factor, u, query, sample, threshold, scale, site, key0, key1);
        for (int w = 0; w < 4; w++) {
            const int j = UNIT_COLUMN(u, w);
            if (j < S)
                STORE_FULL(LOAD_FULL(row + j) * inverse * factor[w], row + j);
        }
    }
}

__kernel void attention_forward(__global float *restrict out /* (T,NH,HS) */,
                                __global float *restrict lse /* (T,NH) */,
                                __global const float *qkv, __global const int *starts,
                                __global const int *samples, int NH, float softmax_scale, int QB,
                                int LD, DROPOUT_PARAMETERS, __local float *p /* (QB,LD) */) {
    const int h = GROUP_ID(0, 1), b = GROUP_ID(1, 1), i0 = GROUP_ID(2, 1) * QB;
    const int t0 = starts[b], S = starts[b + 1] - t0, C = NH * HS;
    if (i0 >= S)
        return;
    const int n = min(QB, S - i0);
    const size_t stride = 3 * (size_t)C;
    __global const float *q = qkv + t0 * stride + h * HS, *k = q + C, *v = k + C;
    float kt[HS * VW];
    for (int j = 0; j < S; j += VW) {
        transpose(kt, k, stride, j, S);
        for (int i = 0; i < n; i += RQ)
            scores(p + i * LD + j, LD, q, stride, i0 + i, S - 1, kt, softmax_scale);
    }
    for (int i = 0; i < n; i += VW) {
        const int rows = min(VW, n - i);
        float top[VW], total[VW];
        for (int r = 0; r < VW; r++)
            if (r < rows)
                softmax_row(p + (i + r) * LD, top + r, total + r, S, i0 + i + r, samples[t0],
                            threshold, scale, site | h, key0, key1);
            else
                total[r] = 1;
        STORE_FULL(log(LOAD_FULL(total)), total);
        for (int r = 0; r < rows; r++)
            lse[(size_t)(t0 + i0 + i + r) * NH + h] = top[r] + total[r];
    }
    for (int i = 0; i < n; i += RO)
        weighted_sum(out + (size_t)(t0 + i0 + i) * C + h * HS, C, n - i, 0, p + i * LD, LD, 1, v,
                     stride, S);
}

/* From scores s and dp = dO . V of a row: s = dropout(P) and dp = dS. */
static inline void backward_row(__local float *s, __local float *dp, int S, float lse, float D,
                                float softmax_scale, uint query, uint sample, DROPOUT_PARAMETERS) {
    for (int u = 0; u < ROW_UNITS(S); u++) {
        fv factor[4];
        dropout_factors(factor, u, query, sample, threshold, scale, site, key0, key1);
        for (int w = 0; w < 4; w++) {
            const int j = UNIT_COLUMN(u, w);
            if (j < S) {
                const fv probability = exp(LOAD_FULL(s + j) - lse);
                STORE_FULL(probability * (LOAD_FULL(dp + j) * factor[w] - D) * softmax_scale,
                           dp + j);
                STORE_FULL(probability * factor[w], s + j);
            }
        }
    }
}

__kernel void attention_backward(__global float *restrict dqkv /* (T,3,NH,HS) */,
                                 __global const float *dout, __global const float *out,
                                 __global const float *qkv, __global const float *lse,
                                 __global const int *starts, __global const int *samples, int NH,
                                 float softmax_scale, int QB, int LD, DROPOUT_PARAMETERS,
                                 __local float *p /* (QB,LD) */, __local float *ds /* (QB,LD) */) {
    const int h = GROUP_ID(0, 1), b = GROUP_ID(1, 1);
    const int t0 = starts[b], S = starts[b + 1] - t0, C = NH * HS;
    const size_t stride = 3 * (size_t)C, row = (size_t)t0 * C + h * HS;
    __global const float *q = qkv + t0 * stride + h * HS, *k = q + C, *v = k + C;
    __global float *dq = dqkv + t0 * stride + h * HS, *dk = dq + C, *dval = dk + C;
    float kt[HS * VW], vt[HS * VW];
    out += row;
    dout += row;
    for (int i0 = 0; i0 < S; i0 += QB) {
        const int n = min(QB, S - i0);
        for (int j = 0; j < S; j += VW) {
            transpose(kt, k, stride, j, S);
            transpose(vt, v, stride, j, S);
            for (int i = 0; i < n; i += RQ) {
                scores(p + i * LD + j, LD, q, stride, i0 + i, S - 1, kt, softmax_scale);
                scores(ds + i * LD + j, LD, dout, C, i0 + i, S - 1, vt, 1.0f);
            }
        }
        for (int i = 0; i < n; i++) {
            dv dot_sum = 0;
            for (int d = 0; d < HS; d += DV)
                dot_sum += LOAD_DV(dout + (size_t)(i0 + i) * C + d) *
                           LOAD_DV(out + (size_t)(i0 + i) * C + d);
            float parts[DV], D = 0;
            STORE_DV(dot_sum, parts);
            for (int d = 0; d < DV; d++)
                D += parts[d];
            backward_row(p + i * LD, ds + i * LD, S, lse[(size_t)(t0 + i0 + i) * NH + h], D,
                         softmax_scale, i0 + i, samples[t0], threshold, scale, site | h, key0,
                         key1);
        }
        for (int i = 0; i < n; i += RO)
            weighted_sum(dq + (i0 + i) * stride, stride, n - i, 0, ds + i * LD, LD, 1, k, stride,
                         S);
        for (int j = 0; j < S; j += RO) {
            weighted_sum(dk + j * stride, stride, S - j, i0, ds + j, 1, LD, q + i0 * stride, stride,
                         n);
            weighted_sum(dval + j * stride, stride, S - j, i0, p + j, 1, LD, dout + (size_t)i0 * C,
                         C, n);
        }
    }
}
