/* r = word[id] + position[p] + type[0]; y = dropout(LayerNorm(r)).
 * Forward and backward: one group of LS items a token; forward on GPUs as rows.h says. r is not
 * saved: backward gathers it again. With -DHALF y has a copy in 16 bits. */
#include "common.h"
#include "half.h"
#ifdef WIDTH
#include "rows.h"
#endif

static inline fv gather(__global const float *word, __global const float *position,
                        __global const float *type, int c, int n) {
    return load(word + c, n) + load(position + c, n) + load(type + c, n);
}

#if LS == 1 || defined(WIDTH)
__kernel void embedding_forward(COPY_PARAMETER __global float *restrict y /* (T,C) */,
                                __global float *restrict mean, __global float *restrict rstd,
                                __global const int *ids, __global const int *positions,
                                __global const int *samples, __global const float *restrict word,
                                __global const float *restrict position,
                                __global const float *restrict type,
                                __global const float *restrict gamma,
                                __global const float *restrict beta, int T, int C, float eps,
                                DROPOUT_PARAMETERS) {
#ifdef WIDTH
    __local float4 scratch[2 * SCRATCH];
    const int item = get_local_id(0) % ROW_ITEMS;
    const int own = GROUP_ID(0, LS) * ROWS + get_local_id(0) / ROW_ITEMS, t = min(own, T - 1);
    word += (size_t)ids[t] * WIDTH;
    position += (size_t)positions[t] * WIDTH;
    float v[KEPT];
    UNROLL
    for (int i = 0; i < KEPT; i++)
        v[i] = gather(word, position, type, row_place(item, i), 1);
    const float m = numbers_sum(v, item, scratch) / WIDTH;
    const float s = 1.0f / sqrt(squares_sum(v, m, item, scratch + SCRATCH) / WIDTH + eps);
    if (own >= T)
        return;
    const size_t row = (size_t)t * WIDTH;
    UNROLL
    for (int k = 0; k < UNITS; k++) {
        float factor[4];
        dropout_factors(factor, ROW_UNIT(item, k), positions[t], samples[t], threshold, scale, site,
                        key0, key1);
        UNROLL
        for (int w = 0; w < 4; w++) {
            const int i = 4 * k + w, c = ROW_COLUMN(item, i);
            if (IN_ROW(c)) {
                const float x = ((v[i] - m) * s * gamma[c] + beta[c]) * factor[w];
                y[row + c] = x;
                STORE_COPY(x, row + c, 1);
            }
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
    word += (size_t)ids[t] * C;
    position += (size_t)positions[t] * C;
    fv sum = 0;
    for (int c = lid * VW; c < C; c += LS * VW)
        sum += gather(word, position, type, c, C - c);
    const float m = group_sum(lanes_sum(sum), scratch) / C;
    fv square = 0;
    for (int c = lid * VW; c < C; c += LS * VW) {
        const fv d = (gather(word, position, type, c, C - c) - m) * lanes_below(C - c);
        square += d * d;
    }
    const float r = 1.0f / sqrt(group_sum(lanes_sum(square), scratch) / C + eps);
    for (int u = lid; u < ROW_UNITS(C); u += LS) {
        fv factor[4];
        dropout_factors(factor, u, positions[t], samples[t], threshold, scale, site, key0, key1);
        for (int w = 0; w < 4; w++) {
            const int c = UNIT_COLUMN(u, w), n = C - c;
            if (n > 0) {
                const fv v = ((gather(word, position, type, c, n) - m) * r * load(gamma + c, n) +
                              load(beta + c, n)) *
                             factor[w];
                store(v, y + row + c, n);
                STORE_COPY(v, row + c, n);
            }
        }
    }
    if (lid == 0) {
        mean[t] = m;
        rstd[t] = r;
    }
#endif
}
#endif

/* r (T,C) again, and dy (T,C, in place) before the dropout: what layernorm_backward takes. */
__kernel void embedding_backward_input(__global float *restrict r, __global float *restrict dy,
                                       __global const int *ids, __global const int *positions,
                                       __global const int *samples, __global const float *word,
                                       __global const float *position, __global const float *type,
                                       int C, DROPOUT_PARAMETERS) {
    const int t = GROUP_ID(0, LS), lid = get_local_id(0);
    const size_t row = (size_t)t * C;
    word += (size_t)ids[t] * C;
    position += (size_t)positions[t] * C;
    for (int u = lid; u < ROW_UNITS(C); u += LS) {
        fv factor[4];
        dropout_factors(factor, u, positions[t], samples[t], threshold, scale, site, key0, key1);
        for (int w = 0; w < 4; w++) {
            const int c = UNIT_COLUMN(u, w), n = C - c;
            if (n > 0) {
                store(gather(word, position, type, c, n), r + row + c, n);
                store(load(dy + row + c, n) * factor[w], dy + row + c, n);
            }
        }
    }
}

/* Gradient rows of the word embedding: of slot slots[u] the sum of dr over the tokens
 * order[starts[u]] .. order[starts[u+1]-1], in that order. A row is overwritten at its first
 * gradient of a step and added to afterwards; row_step tells which. */
static inline void add_word(__global float *dword /* (R,C) */, __global int *row_step,
                            __global const float *dr, __global const int *order,
                            __global const int *starts, __global const int *slots, int u, int step,
                            int C) {
    const int lid = get_local_id(0), slot = slots[u], first = starts[u], last = starts[u + 1];
    const bool add = row_step[slot] == step;
    __global float *out = dword + (size_t)slot * C;
    for (int c = lid * VW; c < C; c += LS * VW) {
        fv sum = add ? load(out + c, C - c) : (fv)(0);
        for (int k = first; k < last; k++)
            sum += load(dr + (size_t)order[k] * C + c, C - c);
        store(sum, out + c, C - c);
    }
#if LS > 1
    barrier(CLK_GLOBAL_MEM_FENCE | CLK_LOCAL_MEM_FENCE);
#endif
    if (lid == 0)
        row_step[slot] = step;
}

/* dposition[p] (+)= sum over the sentences of more than p tokens. */
static inline void add_position(__global float *dposition /* (P,C) */, __global const float *dr,
                                __global const int *starts, int p, int B, int C, int accumulate) {
    for (int c = (int)get_local_id(0) * VW; c < C; c += LS * VW) {
        fv sum = accumulate ? load(dposition + (size_t)p * C + c, C - c) : (fv)(0);
        for (int b = 0; b < B; b++)
            if (starts[b] + p < starts[b + 1])
                sum += load(dr + (size_t)(starts[b] + p) * C + c, C - c);
        store(sum, dposition + (size_t)p * C + c, C - c);
    }
}

/* One group a word of U, then one a position. */
__kernel void embedding_backward_tables(__global float *restrict dword,
                                        __global int *restrict row_step,
                                        __global float *restrict dposition,
                                        __global const float *dr, __global const int *order,
                                        __global const int *word_starts, __global const int *slots,
                                        __global const int *starts, int U, int B, int C, int step,
                                        int accumulate) {
    const int group = GROUP_ID(0, LS);
    if (group < U)
        add_word(dword, row_step, dr, order, word_starts, slots, group, step, C);
    else
        add_position(dposition, dr, starts, group - U, B, C, accumulate);
}

/* Gradient rows between their slots and one block: what several devices add up. Group u has the
 * slot slots[u]; a row without a gradient in this step is 0. */
__kernel void embedding_rows_gather(__global float *restrict block /* (U,C) */,
                                    __global const float *restrict dword /* (R,C) */,
                                    __global const int *row_step, __global const int *slots,
                                    int step, int C) {
    const int u = GROUP_ID(0, LS), slot = slots[u];
    const bool has = row_step[slot] == step;
    for (int c = (int)get_local_id(0) * VW; c < C; c += LS * VW)
        store(has ? load(dword + (size_t)slot * C + c, C - c) : (fv)(0), block + (size_t)u * C + c,
              C - c);
}

__kernel void embedding_rows_scatter(__global float *restrict dword /* (R,C) */,
                                     __global int *restrict row_step,
                                     __global const float *restrict block /* (U,C) */,
                                     __global const int *slots, int step, int C) {
    const int u = GROUP_ID(0, LS), lid = get_local_id(0), slot = slots[u];
    for (int c = lid * VW; c < C; c += LS * VW)
        store(load(block + (size_t)u * C + c, C - c), dword + (size_t)slot * C + c, C - c);
    if (lid == 0)
        row_step[slot] = step;
}
