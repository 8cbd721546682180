/* LayerNorm backward for devices with groups of many items, VW = 1: a group has `rows` rows, a
 * few at a time, and takes the sums over them for dgamma and dbeta on its way. With -DREST the
 * parts of a product are still to be added to dy. With -DHALF dh is in 16 bits. */
#include "common.h"
#include "half.h"
#include "rest.h"

#define UNROLL _Pragma("unroll")
#define ROWS   4 /* at once: a reduction's barriers cost more than its sums */

#if LS >= 32
#define PER (LS / (2 * ROWS)) /* sums of items that lie PER apart, of each number */
#else
#define PER LS
#endif
/* Sums over the group's items of 2 ROWS numbers: sum_of(number i). */
static inline void group_sums(const float x[2 * ROWS], __local float *scratch /* (2 ROWS,LS) */) {
    const int lid = get_local_id(0);
    barrier(CLK_LOCAL_MEM_FENCE);
    UNROLL
    for (int i = 0; i < 2 * ROWS; i++)
        scratch[i * LS + lid] = x[i];
    barrier(CLK_LOCAL_MEM_FENCE);
#if PER < LS
    __local float *mine = scratch + lid / PER * LS + lid % PER;
    float sum = 0;
    UNROLL
    for (int i = 0; i < LS; i += PER)
        sum += mine[i];
    mine[0] = sum;
    barrier(CLK_LOCAL_MEM_FENCE);
#endif
}
static inline float sum_of(int i, __local const float *scratch) {
    float sum = 0;
#if LS >= 32
    const __local float4 *each = (const __local float4 *)(scratch + i * LS);
    UNROLL
    for (int k = 0; k < PER / 4; k++)
        sum += (each[k].x + each[k].y) + (each[k].z + each[k].w);
#else
    for (int k = 0; k < LS; k++)
        sum += scratch[i * LS + k];
#endif
    return sum;
}

/* dr = rstd (dy gamma - mean(dy gamma) - xhat mean(dy gamma xhat)) and dh = dropout'(dr); part[p] =
 * the sums of dy xhat and of dy over the rows of group p. dr may be dy. Without write_dh, dh is not
 * touched. An item has the same columns of every row, so `sums` needs no barrier. */
__kernel void layernorm_backward_parts(__global float *dr /* (T,C) */,
                                       __global half_t *dh /* (T,C) */,
                                       __global float *restrict part /* at `at`: (parts,2,C) */,
                                       int at, __global const float *dy, __global const float *r,
                                       __global const float *mean, __global const float *rstd,
                                       __global const float *gamma, __global const int *positions,
                                       __global const int *samples, int T, int C, int rows,
                                       int write_dh, DROPOUT_PARAMETERS,
                                       __local float *sums /* (2,C) */
                                           REST_PARAMETERS) {
    __local float4 vectors[2 * ROWS * LS / 4];
    __local float *scratch = (__local float *)vectors;
    const int p = GROUP_ID(0, LS), lid = get_local_id(0), last = min((p + 1) * rows, T);
    for (int u = lid; u < ROW_UNITS(C); u += LS)
        for (int w = 0; w < 4; w++) {
            const int c = UNIT_COLUMN(u, w);
            if (c < C)
                sums[c] = sums[C + c] = 0;
        }
    for (int first = p * rows; first < last; first += ROWS) {
        float m[ROWS], s[ROWS], dots[2 * ROWS]; /* of dy gamma, then of dy gamma xhat */
        UNROLL
        for (int i = 0; i < ROWS; i++) {
            const int t = min(first + i, last - 1);
            m[i] = mean[t];
            s[i] = rstd[t];
            dots[i] = dots[ROWS + i] = 0;
        }
        for (int u = lid; u < ROW_UNITS(C); u += LS)
            for (int w = 0; w < 4; w++) {
                const int c = UNIT_COLUMN(u, w);
                if (c >= C)
                    continue;
                float dgamma = sums[c], dbeta = sums[C + c];
                UNROLL
                for (int i = 0; i < ROWS; i++)
                    if (first + i < last) {
                        const size_t e = (size_t)(first + i) * C + c;
#ifdef REST
                        const float y = rest_sum(rest + e, (size_t)T * C, rest_count, 1) + dy[e];
                        dr[e] = y; /* which the item reads again below */
#else
                        const float y = dy[e];
#endif
                        const float x = (r[e] - m[i]) * s[i], g = y * gamma[c];
                        dots[i] += g;
                        dots[ROWS + i] += g * x;
                        dgamma += y * x;
                        dbeta += y;
                    }
                sums[c] = dgamma;
                sums[C + c] = dbeta;
            }
        group_sums(dots, scratch);
        for (int i = 0; i < ROWS && first + i < last; i++) {
            const int t = first + i;
            const float m = mean[t], s = rstd[t];
            const float mean_g = sum_of(i, scratch) / C, mean_gx = sum_of(ROWS + i, scratch) / C;
            for (int u = lid; u < ROW_UNITS(C); u += LS) {
                float factor[4];
                if (write_dh)
                    dropout_factors(factor, u, positions[t], samples[t], threshold, scale, site,
                                    key0, key1);
                /* so that factor needs no memory */
                UNROLL
                for (int w = 0; w < 4; w++) {
                    const int c = UNIT_COLUMN(u, w);
                    if (c < C) {
                        const size_t e = (size_t)t * C + c;
#ifdef REST
                        const float g = dr[e] * gamma[c];
#else
                        const float g = dy[e] * gamma[c];
#endif
                        const float d = s * (g - mean_g - (r[e] - m) * s * mean_gx);
                        dr[e] = d;
                        if (write_dh)
                            store_half(d * factor[w], dh + e, 1);
                    }
                }
            }
        }
    }
    part += at + (size_t)p * 2 * C;
    for (int u = lid; u < ROW_UNITS(C); u += LS)
        for (int w = 0; w < 4; w++) {
            const int c = UNIT_COLUMN(u, w);
            if (c < C) {
                part[c] = sums[c];
                part[C + c] = sums[C + c];
            }
        }
}
