/* LayerNorm. One group of LS items a row of C; forward on GPUs as rows.h says. With -DREST h is
 * still to be summed up, from the parts of the product that it is. With -DHALF y has a copy in 16
 * bits, and dh is in 16 bits. */
#include "common.h"
#include "half.h"
#include "rest.h"
#ifdef WIDTH
#include "rows.h"
#endif

/* One expression for both kernels that compute y, so that they give the same bits. */
static inline fv normalize(fv r, float mean, float rstd, fv gamma, fv beta) {
    return fma((r - mean) * rstd, gamma, beta);
}

#if LS == 1 || defined(WIDTH)
/* r = x + dropout(h); y = (r - mean) rstd gamma + beta. */
__kernel void
residual_layernorm_forward(COPY_PARAMETER __global float *restrict y /* (T,C) */,
                           __global float *restrict r /* (T,C), saved; holds h */,
                           __global float *restrict mean, __global float *restrict rstd,
                           __global const float *restrict x, __global const float *restrict gamma,
                           __global const float *restrict beta, __global const int *positions,
                           __global const int *samples, int T, int C, float eps,
                           DROPOUT_PARAMETERS REST_PARAMETERS_WITH_BIAS) {
#ifdef WIDTH
    __local float4 scratch[2 * SCRATCH];
    const int item = get_local_id(0) % ROW_ITEMS;
    const int own = GROUP_ID(0, LS) * ROWS + get_local_id(0) / ROW_ITEMS, t = min(own, T - 1);
    const size_t row = (size_t)t * WIDTH;
    float h[KEPT], v[KEPT];
    UNROLL
    for (int i = 0; i < KEPT; i++)
        h[i] = 0;
#ifdef REST
    ONE_BY_ONE
    for (int part = 0; part < rest_count; part++) {
        UNROLL
        for (int i = 0; i < KEPT; i++)
            h[i] += rest[(size_t)part * T * WIDTH + row + row_place(item, i)];
    }
    UNROLL
    for (int i = 0; i < KEPT; i++)
        h[i] += bias[row_place(item, i)];
#else
    if (own < T) { /* what others write is not read */
        UNROLL
        for (int i = 0; i < KEPT; i++)
            if (IN_ROW(ROW_COLUMN(item, i)))
                h[i] = r[row + ROW_COLUMN(item, i)];
    }
#endif
    UNROLL
    for (int i = 0; i < KEPT; i++)
        v[i] = x[row + row_place(item, i)];
    if (threshold == 0) {
        UNROLL
        for (int i = 0; i < KEPT; i++)
            v[i] += h[i];
    } else {
        UNROLL
        for (int k = 0; k < UNITS; k++) {
            float factor[4];
            dropout_factors(factor, ROW_UNIT(item, k), positions[t], samples[t], threshold, scale,
                            site, key0, key1);
            UNROLL
            for (int w = 0; w < 4; w++)
                v[4 * k + w] += h[4 * k + w] * factor[w];
        }
    }
    const float m = numbers_sum(v, item, scratch) / WIDTH;
    const float s = 1.0f / sqrt(squares_sum(v, m, item, scratch + SCRATCH) / WIDTH + eps);
    if (own >= T)
        return;
    UNROLL
    for (int i = 0; i < KEPT; i++) {
        const int c = ROW_COLUMN(item, i);
        if (IN_ROW(c)) {
            const float normal = normalize(v[i], m, s, gamma[c], beta[c]);
            r[row + c] = v[i];
            y[row + c] = normal;
            STORE_COPY(normal, row + c, 1);
        }
    }
    if (item == 0) {
        mean[t] = m;
        rstd[t] = s;
    }
#else
    __local float4 scratch[SCRATCH];
    const int t = GROUP_ID(0, LS), lid = get_local_id(0);
    const size_t row = (size_t)t * C;
    x += row, r += row, y += row;
    fv sum = 0;
    for (int u = lid; u < ROW_UNITS(C); u += LS) {
        fv factor[4];
        dropout_factors(factor, u, positions[t], samples[t], threshold, scale, site, key0, key1);
        for (int w = 0; w < 4; w++) {
            const int c = UNIT_COLUMN(u, w), n = C - c;
            if (n > 0) {
#ifdef REST
                const size_t all = (size_t)T * C;
                const fv h = rest_sum(rest + row + c, all, rest_count, n) + load(bias + c, n);
#else
                const fv h = load(r + c, n);
#endif
                const fv v = load(x + c, n) + h * factor[w];
                store(v, r + c, n);
                sum += v;
            }
        }
    }
    const float m = group_sum(lanes_sum(sum), scratch) / C;
    /* An item reads only the columns that it wrote, so no barrier stands between. */
    fv square = 0;
    for (int u = lid; u < ROW_UNITS(C); u += LS)
        for (int w = 0; w < 4; w++) {
            const int c = UNIT_COLUMN(u, w), n = C - c;
            if (n > 0) {
                const fv d = (load(r + c, n) - m) * lanes_below(n);
                square += d * d;
            }
        }
    const float s = 1.0f / sqrt(group_sum(lanes_sum(square), scratch) / C + eps);
    for (int u = lid; u < ROW_UNITS(C); u += LS)
        for (int w = 0; w < 4; w++) {
            const int c = UNIT_COLUMN(u, w), n = C - c;
            if (n > 0) {
                const fv v = normalize(load(r + c, n), m, s, load(gamma + c, n), load(beta + c, n));
                store(v, y + c, n);
                STORE_COPY(v, row + c, n);
            }
        }
    if (lid == 0) {
        mean[t] = m;
        rstd[t] = s;
    }
#endif
}
#endif

/* y again, from what the forward pass saved. Without write_y, y is not touched. */
#ifdef HALF
#define WRITE_Y           write_y
#define WRITE_Y_PARAMETER , int write_y
#else
#define WRITE_Y 1
#define WRITE_Y_PARAMETER
#endif
__kernel void layernorm_recompute(COPY_PARAMETER __global float *restrict y /* (T,C) */,
                                  __global const float *restrict r /* (T,C) */,
                                  __global const float *mean, __global const float *rstd,
                                  __global const float *gamma, __global const float *beta,
                                  int C WRITE_Y_PARAMETER) {
    const int t = GROUP_ID(0, LS);
    const float m = mean[t], s = rstd[t];
    const size_t row = (size_t)t * C;
    for (int c = (int)get_local_id(0) * VW; c < C; c += LS * VW) {
        const int n = C - c;
        const fv v = normalize(load(r + row + c, n), m, s, load(gamma + c, n), load(beta + c, n));
        if (WRITE_Y)
            store(v, y + row + c, n);
        STORE_COPY(v, row + c, n);
    }
}

/* dr = rstd (dy gamma - mean(dy gamma) - xhat mean(dy gamma xhat)) and dh = dropout'(dr).
 * dr may be dy. Without write_dh, dh is not touched. */
__kernel void layernorm_backward(__global float *dr /* (T,C) */, __global half_t *dh /* (T,C) */,
                                 __global const float *dy, __global const float *r,
                                 __global const float *mean, __global const float *rstd,
                                 __global const float *gamma, __global const int *positions,
                                 __global const int *samples, int C, int write_dh,
                                 DROPOUT_PARAMETERS) {
    __local float4 scratch[SCRATCH];
    const int t = GROUP_ID(0, LS), lid = get_local_id(0);
    const size_t row = (size_t)t * C;
    const float m = mean[t], s = rstd[t];
    dr += row, dh += row, dy += row, r += row;
    fv sum = 0, dot_sum = 0;
    for (int u = lid; u < ROW_UNITS(C); u += LS)
        for (int w = 0; w < 4; w++) {
            const int c = UNIT_COLUMN(u, w), n = C - c;
            if (n > 0) {
                const fv g = load(dy + c, n) * load(gamma + c, n);
                sum += g;
                dot_sum += g * (load(r + c, n) - m) * s;
            }
        }
    const float mean_g = group_sum(lanes_sum(sum), scratch) / C;
    const float mean_gx = group_sum(lanes_sum(dot_sum), scratch) / C;
    for (int u = lid; u < ROW_UNITS(C); u += LS) {
        fv factor[4];
        if (write_dh)
            dropout_factors(factor, u, positions[t], samples[t], threshold, scale, site, key0,
                            key1);
        for (int w = 0; w < 4; w++) {
            const int c = UNIT_COLUMN(u, w), n = C - c;
            if (n > 0) {
                const fv g = load(dy + c, n) * load(gamma + c, n);
                const fv d = s * (g - mean_g - (load(r + c, n) - m) * s * mean_gx);
                store(d, dr + c, n);
                if (write_dh)
                    store_half(d * factor[w], dh + c, n);
            }
        }
    }
}

/* dgamma (+)= sum over t of dy xhat; dbeta (+)= sum over t of dy. Item g of all owns VW columns. */
__kernel void layernorm_backward_parameters(__global float *dgamma /* (C) */,
                                            __global float *dbeta /* (C) */,
                                            __global const float *dy /* (T,C) */,
                                            __global const float *r /* (T,C) */,
                                            __global const float *mean, __global const float *rstd,
                                            int T, int C, int accumulate) {
    const int c = get_global_id(0) * VW, n = C - c;
    if (n <= 0)
        return;
    fv sum_gamma = 0, sum_beta = 0;
    for (int t = 0; t < T; t++) {
        const fv g = load(dy + (size_t)t * C + c, n);
        sum_beta += g;
        sum_gamma += g * (load(r + (size_t)t * C + c, n) - mean[t]) * rstd[t];
    }
    if (accumulate) {
        sum_gamma += load(dgamma + c, n);
        sum_beta += load(dbeta + c, n);
    }
    store(sum_gamma, dgamma + c, n);
    store(sum_beta, dbeta + c, n);
}
