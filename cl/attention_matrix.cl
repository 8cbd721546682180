/* Attention within each sentence on matrix units; attention.cl has the formulas and the shapes. A
 * group has a head and a block of 32 tokens of a sentence, each of its sub-groups OWN of them, and
 * meets the sentence block by block. Rows of Q, K, V and dO are rounded to the unit's 16-bit
 * operands on their way to local memory, weights and their gradients in registers (see
 * matrix_chain.h); softmax and all sums are fp32 and have a fixed order.
 *
 *   -DMATRIX, -DOPERAND, -DEMULATE: see matrix.h; out and dqkv are of the operands' 16 bits
 *   -DHS the head size, 32 or 64
 *
 * Grid: (blocks, NH) groups of ITEMS, backward (blocks, NH, 1 or 2), see there. */
#define BLOCK 32
#define PIECE 8 /* elements in 16 bytes */

/* Tiles are BLOCK rows of HS, LD elements from one to the next: what a sub-group reads at once, a
 * piece each of eight rows, is in different banks of local memory, and all places are one and
 * constants. */
#define LD          (HS + PIECE)
#define TILE        (BLOCK * LD)
#define PLACE(r, c) ((r)*LD + (c))
static inline int tile_a(int along_k, int m, int k) {
    return along_k ? PLACE(m, k) : PLACE(k, m);
}
#define tile_b tile_a

/* Numbers whose address a function gets lie in memory unless it is there where it is called. */
#define INLINE static inline __attribute__((always_inline))

#define ROLLED _Pragma("unroll 1") /* all would take too many registers */

#include "matrix.h"
#include "matrix_chain.h"
#include "attention_mask.h"

#define ITEMS   (LANES * (BLOCK / OWN))
#define OTHERS  (BLOCK / OTHER) /* fragments that a strip meets of a block */
#define COLUMNS (HS / OTHER)    /* and has of rows of HS */
/* PARTS items share a row where they go by rows. */
#define PARTS (ITEMS / BLOCK)
#include "attention_blocks.h"

#define EACH(fragments)                                                                            \
    UNROLL                                                                                         \
    for (int t = 0; t < (fragments); t++)                                                          \
        UNROLL                                                                                     \
    for (int e = 0; e < C_COUNT; e++)
/* The place of element e of fragment t in a strip. */
#define OWN_TOKEN(e) (own + OWN_OF(lane, e))
#define AT(t, e)     ((t)*OTHER + OTHER_OF(lane, e))

/* ---- rows ---- */

#define LOADS (BLOCK * HS / PIECE / ITEMS) /* pieces of a tile that an item brings */

/* to = BLOCK rows, from `count` on, which is at least 1, the last one again: what it gives has
 * weight 0, and there is no branch. */
INLINE void load_rows(__local element *to, __global const float *from, int stride, int count) {
    UNROLL
    for (int i = 0; i < LOADS; i++) {
        const int piece = get_local_id(0) + i * ITEMS;
        const int r = piece / (HS / PIECE), c = piece % (HS / PIECE) * PIECE;
        __global const float4 *x = (__global const float4 *)(from + min(r, count - 1) * stride + c);
        const float4 low = x[0], high = x[1];
        *(__local uint4 *)(to + PLACE(r, c)) =
            (uint4)(to_elements(low.x, low.y), to_elements(low.z, low.w),
                    to_elements(high.x, high.y), to_elements(high.z, high.w));
    }
}

/* The first `count` rows of a tile. */
INLINE void store_rows(__global element *to, int stride, int count, __local const element *from) {
    UNROLL
    for (int i = 0; i < LOADS; i++) {
        const int piece = get_local_id(0) + i * ITEMS;
        const int r = piece / (HS / PIECE), c = piece % (HS / PIECE) * PIECE;
        if (r < count)
            *(__global uint4 *)(to + r * stride + c) = *(__local const uint4 *)(from + PLACE(r, c));
    }
}

/* A sub-group's strip, from row `own` of a tile on. */
INLINE void put_strip(__local element *to, const fragment_c *x, int fragments, int own) {
    const int lane = LANE;
#if MATRIX == NVIDIA /* an item's elements are neighbours in twos */
    UNROLL
    for (int t = 0; t < fragments; t++)
        UNROLL
    for (int e = 0; e < C_COUNT; e += 2)
        *(__local uint *)(to + PLACE(OWN_TOKEN(e), AT(t, e))) =
            to_elements(x[t].x[e], x[t].x[e + 1]);
#else
    EACH(fragments)
    to[PLACE(OWN_TOKEN(e), AT(t, e))] = to_element(x[t].x[e]);
#endif
}

INLINE void zero_strip(fragment_c *x, int fragments) {
    EACH(fragments)
    x[t].x[e] = 0;
}

/* ---- products ---- */

/* s (OWN,BLOCK) = a strip of rows a times rows b'. */
INLINE void multiply_rows(fragment_c s[OTHERS], __local const element *a, __local const element *b,
                          int own EXCHANGE) {
    zero_strip(s, OTHERS);
    ROLLED
    for (int k = 0; k < HS; k += FK) {
        fragment_own x;
        load_own(&x, a, 1, own, k EXCHANGE_ARG);
        UNROLL
        for (int t = 0; t < OTHERS; t++) {
            fragment_other y;
            load_other(&y, b, 1, t * OTHER, k EXCHANGE_ARG);
            multiply_own(&s[t], &x, &y);
        }
    }
}

/* x (OWN,HS) += k's weights times rows k to k + FK - 1. */
INLINE void add_step(fragment_c x[COLUMNS], const fragment_own *weights,
                     __local const element *rows, int k EXCHANGE) {
    UNROLL
    for (int t = 0; t < COLUMNS; t++) {
        fragment_other y;
        load_other(&y, rows, 0, t * OTHER, k EXCHANGE_ARG);
        multiply_own(&x[t], weights, &y);
    }
}

/* x (OWN,HS) += weights (OWN,BLOCK), rounded, times rows. Where the unit does not take them from
 * registers they go through a strip of `detour`, a tile that nothing reads any more. */
INLINE void add_rows(fragment_c x[COLUMNS], const fragment_c weights[OTHERS],
                     __local const element *rows, __local element *detour, int own EXCHANGE) {
#if C_IS_OPERAND
    UNROLL
    for (int k = 0; k < BLOCK; k += FK) {
        fragment_own w;
        own_of(&w, &weights[k / OTHER], k % OTHER / FK);
        add_step(x, &w, rows, k EXCHANGE_ARG);
    }
#else
    barrier(CLK_LOCAL_MEM_FENCE);
    put_strip(detour, weights, OTHERS, own);
    barrier(CLK_LOCAL_MEM_FENCE);
    ROLLED
    for (int k = 0; k < BLOCK; k += FK) {
        fragment_own w;
        load_own(&w, detour, 1, own, k EXCHANGE_ARG);
        add_step(x, &w, rows, k EXCHANGE_ARG);
    }
#endif
}

/* The same of the transpose of weights that lie in a tile. */
INLINE void add_columns(fragment_c x[COLUMNS], __local const element *weights,
                        __local const element *rows, int own EXCHANGE) {
    ROLLED
    for (int k = 0; k < BLOCK; k += FK) {
        fragment_own w;
        load_own(&w, weights, 0, own, k EXCHANGE_ARG);
        add_step(x, &w, rows, k EXCHANGE_ARG);
    }
}

/* ---- dropout ---- */

/* Calls of Philox of an item for a block's weights, each of two keys; it has as many bits of each
 * of two words. */
#define CALLS (BLOCK * 16 / ITEMS)
#if CALLS == 8
typedef uchar bits;
#else
typedef ushort bits;
#endif
/* Which of a block's weights are kept: a word for each own token, a bit for each other one. */
INLINE void put_kept(__local uint *kept, int of_queries, uint own, uint other, uint sample,
                     uint head, DROPOUT_PARAMETERS) {
    const uint lid = get_local_id(0), first = of_queries ? lid % PARTS * CALLS : lid % 16;
    const uint row = of_queries ? lid / PARTS : lid / 16 * CALLS;
    __local bits *to = (__local bits *)kept;
    uint low = ~0u, high = ~0u; /* of the keys from 16 on */
    ROLLED
    for (uint i = 0; i < CALLS && threshold; i++) {
        const uint key = of_queries ? other + first + i : own + first;
        const uint query = of_queries ? own + row : other + row + i;
        const uint4 words = attention_words(key, query, sample, head, site, key0, key1);
        low ^= (uint)!is_kept(words, key, threshold) << i;
        high ^= (uint)!is_kept(words, key + 16, threshold) << i;
    }
    const uint at =
        of_queries ? row * (32 / CALLS) + first / CALLS : first * (32 / CALLS) + row / CALLS;
    to[at] = (bits)low;
    to[at + (of_queries ? 16 / CALLS : 16 * (32 / CALLS))] = (bits)high;
}

#ifdef EMULATE
#define EXCHANGES                                                                                  \
    __local float exchanges[ITEMS / LANES * EXCHANGE_FLOATS];                                      \
    __local float *exchange = exchanges + get_local_id(0) / LANES * EXCHANGE_FLOATS;
#else
#define EXCHANGES
#endif
#if !defined(EMULATE) && (MATRIX == INTEL8 || MATRIX == INTEL16)
#define KERNEL                                                                                     \
    __attribute__((reqd_work_group_size(ITEMS, 1, 1)))                                             \
    __attribute__((intel_reqd_sub_group_size(LANES))) __kernel void
#else
#define KERNEL __attribute__((reqd_work_group_size(ITEMS, 1, 1))) __kernel void
#endif

/* ---- forward ---- */

/* What a strip knows of its own tokens: the greatest score so far, and the item's share of the sum
 * of weights. */
typedef struct softmax {
    float most[SLOTS], sum[SLOTS];
} softmax;

/* Scores become dropout(exp(score - most)); `keys` of the block are in the sentence. What was
 * summed up before is to be multiplied by `less`. */
INLINE void weigh(fragment_c s[OTHERS], softmax *m, float less[SLOTS], __local const uint *kept,
                  int own, int keys, float softmax_scale, float scale EXCHANGE) {
    const int lane = LANE;
    float most[SLOTS];
    UNROLL
    for (int n = 0; n < SLOTS; n++)
        most[n] = m->most[n];
    EACH(OTHERS) {
        s[t].x[e] = AT(t, e) < keys ? softmax_scale * s[t].x[e] : -1e30f;
        most[SLOT(e)] = fmax(most[SLOT(e)], s[t].x[e]);
    }
    UNROLL
    for (int n = 0; n < SLOTS; n++) {
        most[n] = greatest_shared(most[n] EXCHANGE_ARG);
        less[n] = exp(m->most[n] - most[n]);
        m->most[n] = most[n];
        m->sum[n] *= less[n];
    }
    EACH(OTHERS) {
        const float x = exp(s[t].x[e] - most[SLOT(e)]);
        m->sum[SLOT(e)] += x;
        s[t].x[e] = (kept[OWN_TOKEN(e)] >> AT(t, e) & 1 ? x * scale : 0.0f);
    }
}

KERNEL attention_matrix_forward(__global element *restrict out, __global float *restrict lse,
                                __global const float *restrict qkv,
                                __global const int4 *restrict blocks, int NH, float softmax_scale,
                                DROPOUT_PARAMETERS) {
    __local uint4 memory[3 * TILE / PIECE];
    __local uint kept[BLOCK];
    EXCHANGES
    __local element *q = (__local element *)memory, *k = q + TILE, *v = k + TILE;
    const int h = GROUP_ID(1, 1), C = NH * HS, stride = 3 * C;
    const int lane = LANE, own = get_local_id(0) / LANES * OWN;
    const place at = find_place(blocks);
    softmax m;
    fragment_c o[COLUMNS];
    if (at.at >= at.S)
        return;
    qkv += h * HS;
    UNROLL
    for (int n = 0; n < SLOTS; n++) {
        m.most[n] = -1e30f;
        m.sum[n] = 0;
    }
    zero_strip(o, COLUMNS);
    load_rows(q, qkv + (size_t)at.token * stride, stride, at.S - at.at);
    for (int first = 0; first < at.S; first += BLOCK) {
        __global const float *keys = qkv + (size_t)(at.sentence + first) * stride + C;
        fragment_c s[OTHERS];
        float less[SLOTS];
        load_rows(k, keys, stride, at.S - first);
        load_rows(v, keys + C, stride, at.S - first);
        put_kept(kept, 1, at.at, first, at.sample, h, threshold, scale, site, key0, key1);
        barrier(CLK_LOCAL_MEM_FENCE);
        multiply_rows(s, q, k, own EXCHANGE_ARG);
        weigh(s, &m, less, kept, own, at.S - first, softmax_scale, scale EXCHANGE_ARG);
        EACH(COLUMNS)
        o[t].x[e] *= less[SLOT(e)];
        add_rows(o, s, v, k, own EXCHANGE_ARG);
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    UNROLL
    for (int n = 0; n < SLOTS; n++) {
        const int e = SLOT_FIRST(n), token = OWN_TOKEN(e);
        m.sum[n] = sum_shared(m.sum[n] EXCHANGE_ARG);
        if (AT(0, e) == 0 && token < at.S - at.at)
            lse[(size_t)(at.token + token) * NH + h] = m.most[n] + log(m.sum[n]);
    }
    EACH(COLUMNS)
    o[t].x[e] /= m.sum[SLOT(e)];
    put_strip(q, o, COLUMNS, own);
    barrier(CLK_LOCAL_MEM_FENCE);
    store_rows(out + (size_t)at.token * C + h * HS, C, at.S - at.at, q);
}

/* ---- backward ---- */

/* Q and dO of a block of queries, or K and V of one of keys. */
INLINE void load_pair(__local element *a, __local element *b, int queries,
                      __global const float *qkv, __global const float *dout, int token, int count,
                      int C) {
    qkv += (size_t)token * 3 * C;
    load_rows(a, queries ? qkv : qkv + C, 3 * C, count);
    load_rows(b, queries ? dout + (size_t)token * C : qkv + 2 * C, queries ? C : 3 * C, count);
}

/* Of a block of queries log sum exp, and D = dO . O, of which PARTS items compute a part each. */
INLINE void load_sums(__local float2 *sums, __global const float *dout, __global const element *out,
                      __global const float *lse, int token, int count, int NH EXCHANGE) {
    const int lid = get_local_id(0), row = lid / PARTS;
    const size_t at = (size_t)(token + min(row, count - 1)) * NH;
    float D = 0;
    ROLLED
    for (int c = lid % PARTS; c < HS / 4; c += PARTS) {
        const float4 x = ((__global const float4 *)(dout + at * HS))[c];
        const ushort4 y = ((__global const ushort4 *)(out + at * HS))[c];
        D += (x.x * from_element(y.x) + x.y * from_element(y.y)) +
             (x.z * from_element(y.z) + x.w * from_element(y.w));
    }
    if (PARTS == 2)
        D += from_lane(D, 1 EXCHANGE_ARG);
    if (lid % PARTS == 0)
        sums[row] = (float2)(lse[at], D);
}

/* Scores s become their gradients, and dp, dO . V', dropped weights; 0 out of the sentence, of
 * which there are `owns` and `others`. of_queries, a constant where this is called: the own tokens
 * are queries, else keys. */
INLINE void differentiate(fragment_c s[OTHERS], fragment_c dp[OTHERS], int of_queries,
                          __local const float2 *sums, __local const uint *kept, int own, int owns,
                          int others, float softmax_scale, float scale) {
    const int lane = LANE;
    EACH(OTHERS) {
        const int mine = OWN_TOKEN(e), other = AT(t, e);
        const float2 sum = sums[of_queries ? mine : other]; /* log sum exp, D */
        const float all = exp(softmax_scale * s[t].x[e] - sum.x);
        const float weight = mine < owns && other < others ? all : 0.0f;
        const float factor = kept[mine] >> other & 1 ? scale : 0.0f;
        s[t].x[e] = weight * (dp[t].x[e] * factor - sum.y) * softmax_scale;
        dp[t].x[e] = weight * factor;
    }
}

/* What a group of the backward pass has; of a head from its first element on. */
typedef struct gradients {
    __global element *dqkv;
    __global const float *dout, *qkv, *lse;
    __global const element *out;
    int h, NH;
    float softmax_scale;
    place at;
} gradients;

/* dQ of a block of queries, or dK and dV of one of keys, and of a sentence of one block dQ, too, of
 * the same weights. */
INLINE void run_backward(const gradients *g, int of_queries, __local element *memory,
                         __local float2 *sums, __local uint *kept, DROPOUT_PARAMETERS EXCHANGE) {
    __local element *own_a = memory, *own_b = own_a + TILE, *other_a = own_b + TILE,
                    *other_b = other_a + TILE, *weights = other_b + TILE;
    const int C = g->NH * HS, own = get_local_id(0) / LANES * OWN;
    const place at = g->at;
    const int owns = at.S - at.at, one = !of_queries && at.S <= BLOCK;
    __global element *dqkv = g->dqkv + (size_t)at.token * 3 * C;
    fragment_c x[COLUMNS], y[COLUMNS];
    zero_strip(x, COLUMNS);
    zero_strip(y, COLUMNS);
    load_pair(own_a, own_b, of_queries, g->qkv, g->dout, at.token, owns, C);
    if (of_queries)
        load_sums(sums, g->dout, g->out, g->lse, at.token, owns, g->NH EXCHANGE_ARG);
    for (int first = 0; first < at.S; first += BLOCK) {
        const int token = at.sentence + first, others = at.S - first;
        fragment_c s[OTHERS], dp[OTHERS];
        load_pair(other_a, other_b, !of_queries, g->qkv, g->dout, token, others, C);
        if (!of_queries)
            load_sums(sums, g->dout, g->out, g->lse, token, others, g->NH EXCHANGE_ARG);
        put_kept(kept, of_queries, at.at, first, at.sample, g->h, threshold, scale, site, key0,
                 key1);
        barrier(CLK_LOCAL_MEM_FENCE);
        multiply_rows(s, own_a, other_a, own EXCHANGE_ARG);
        multiply_rows(dp, own_b, other_b, own EXCHANGE_ARG);
        differentiate(s, dp, of_queries, sums, kept, own, owns, others, g->softmax_scale, scale);
        if (!of_queries)
            add_rows(y, dp, other_b, weights, own EXCHANGE_ARG);
        add_rows(x, s, other_a, weights, own EXCHANGE_ARG);
        if (one && C_IS_OPERAND) /* else they are there */
            put_strip(weights, s, OTHERS, own);
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    put_strip(other_a, x, COLUMNS, own);
    if (!of_queries)
        put_strip(other_b, y, COLUMNS, own);
    if (one) {
        zero_strip(x, COLUMNS);
        add_columns(x, weights, own_a, own EXCHANGE_ARG);
        put_strip(own_b, x, COLUMNS, own);
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    store_rows(of_queries ? dqkv : dqkv + C, 3 * C, owns, other_a);
    if (!of_queries)
        store_rows(dqkv + 2 * C, 3 * C, owns, other_b);
    if (one)
        store_rows(dqkv, 3 * C, owns, own_b);
}

/* Groups 0 of the last dimension have a block of keys, groups 1 one of queries, if the sentence has
 * others. */
KERNEL
attention_matrix_backward(__global element *restrict dqkv, __global const float *restrict dout,
                          __global const element *restrict out, __global const float *restrict qkv,
                          __global const float *restrict lse, __global const int4 *restrict blocks,
                          int NH, float softmax_scale, DROPOUT_PARAMETERS) {
    __local uint4 memory[5 * TILE / PIECE];
    __local float2 sums[BLOCK];
    __local uint kept[BLOCK];
    EXCHANGES
    __local element *tiles = (__local element *)memory;
    const int h = GROUP_ID(1, 1), of_queries = GROUP_ID(2, 1);
    const gradients g = {.dqkv = dqkv + h * HS,
                         .dout = dout + h * HS,
                         .qkv = qkv + h * HS,
                         .lse = lse + h,
                         .out = out + h * HS,
                         .h = h,
                         .NH = NH,
                         .softmax_scale = softmax_scale,
                         .at = find_place(blocks)};
    if (g.at.at >= g.at.S || (of_queries && g.at.S <= BLOCK))
        return;
#define RUN(kind)                                                                                  \
    run_backward(&g, kind, tiles, sums, kept, threshold, scale, site, key0, key1 EXCHANGE_ARG)
#ifdef EMULATE
    RUN(of_queries);
#else /* each with just the registers that it takes */
    if (of_queries)
        RUN(1);
    else
        RUN(0);
#endif
}
