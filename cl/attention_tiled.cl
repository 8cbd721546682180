/* Attention within each sentence on GPUs; attention.cl has the formulas and the shapes. A group of
 * ITEMS work-items has a head and a block of BLOCK tokens of a sentence, and meets the sentence
 * block by block; rows of Q, K, V and dO come to local memory by coalesced reads. `blocks` lists
 * blocks of 32 tokens, see ops.h, so that next to no group is empty. -DHS is the head size, at most
 * 128; -DBLOCK 32 or 16; -DITEMS 128 or 256, so that registers hold an item's part. All sums have a
 * fixed order. With -DHALF out and dqkv are in 16 bits. */
#include "attention_blocks.h"
#include "attention_mask.h"
#include "half.h"

#define UNROLL _Pragma("unroll")
#define ROLLED _Pragma("unroll 1") /* all would take too many registers */
/* Rows in local memory are COLS vectors, 0 behind HS, at an odd distance: no two rows of a column
 * in one bank. */
#define COLS ((HS + 3) / 4)
#define LD   (COLS | 1)
/* An item has vectors number lid + i ITEMS of a block's BLOCK COLS; behind the last row it computes
 * the last row again, which is not written. */
#define TILES  ((BLOCK * COLS + ITEMS - 1) / ITEMS)
#define ROW(i) ((lid + (i)*ITEMS) / COLS)
#define IN(i)  min(ROW(i), BLOCK - 1)
#define COL(i) ((lid + (i)*ITEMS) % COLS)
/* And the scores of queries lid / LANES + i ITEMS / LANES and keys lid % LANES + w LANES, of which
 * those of a query share a call of Philox. */
#define LANES   16
#define STEP    (ITEMS / LANES)
#define QUERIES (BLOCK / STEP)
#define WORDS   (BLOCK / LANES)
#define PD      (BLOCK / 4 + 1) /* vectors of a row of scores */
/* In softmax PARTS items share a row; each has keys part + i PARTS. */
#define PARTS (ITEMS / BLOCK)

/* The smallest sub-group, where there is a choice: registers for all that an item has. */
#ifdef SUB_GROUP
#define KERNEL                                                                                     \
    __attribute__((reqd_work_group_size(ITEMS, 1, 1), intel_reqd_sub_group_size(SUB_GROUP)))       \
    __kernel
#else
#define KERNEL __attribute__((reqd_work_group_size(ITEMS, 1, 1))) __kernel
#endif

static inline float4 read_vector(__global const float *row, int c) {
#if HS % 4
    const int d = 4 * c;
    return (float4)(row[d], d + 1 < HS ? row[d + 1] : 0.0f, d + 2 < HS ? row[d + 2] : 0.0f,
                    d + 3 < HS ? row[d + 3] : 0.0f);
#else
    return ((__global const float4 *)row)[c];
#endif
}

/* The same of what may be in 16 bits. */
#ifdef HALF
typedef ushort4 half4_t;
static inline half4_t to_halves(float4 x) {
    return (half4_t)(to_half(x.x), to_half(x.y), to_half(x.z), to_half(x.w));
}
static inline float4 read_output(__global const half_t *row, int c) {
#if HS % 4
    const int d = 4 * c;
    return (float4)(from_half(row[d]), d + 1 < HS ? from_half(row[d + 1]) : 0.0f,
                    d + 2 < HS ? from_half(row[d + 2]) : 0.0f,
                    d + 3 < HS ? from_half(row[d + 3]) : 0.0f);
#else
    const half4_t x = ((__global const half4_t *)row)[c];
    return (float4)(from_half(x.x), from_half(x.y), from_half(x.z), from_half(x.w));
#endif
}
#else
typedef float4 half4_t;
#define to_halves(x) (x)
#define read_output  read_vector
#endif

static inline void write_vector(__global half_t *row, int c, float4 vector) {
    const half4_t x = to_halves(vector);
#if HS % 4
    const int d = 4 * c;
    row[d] = x.x;
    if (d + 1 < HS)
        row[d + 1] = x.y;
    if (d + 2 < HS)
        row[d + 2] = x.z;
    if (d + 3 < HS)
        row[d + 3] = x.w;
#else
    ((__global half4_t *)row)[c] = x;
#endif
}

/* to = BLOCK rows, 0 from `count` on. */
static inline void load_rows(__local float4 *to, __global const float *from, int stride,
                             int count) {
    const int lid = get_local_id(0);
    UNROLL
    for (int i = 0; i < TILES; i++)
        if (ROW(i) < BLOCK)
            to[ROW(i) * LD + COL(i)] =
                ROW(i) < count ? read_vector(from + ROW(i) * stride, COL(i)) : (float4)(0);
}

static inline void store_rows(__global half_t *to, int stride, int count, const float4 *x) {
    const int lid = get_local_id(0);
    UNROLL
    for (int i = 0; i < TILES; i++)
        if (ROW(i) < min(count, BLOCK))
            write_vector(to + ROW(i) * stride, COL(i), x[i]);
}

static inline void zero_rows(float4 *x) {
    UNROLL
    for (int i = 0; i < TILES; i++)
        x[i] = 0;
}

/* s = rows a times rows b', of an item's scores. */
static inline void multiply(float s[QUERIES][WORDS], __local const float4 *a,
                            __local const float4 *b) {
    const int lid = get_local_id(0);
    a += lid / LANES * LD;
    b += lid % LANES * LD;
    UNROLL
    for (int i = 0; i < QUERIES; i++) {
        UNROLL
        for (int w = 0; w < WORDS; w++)
            s[i][w] = 0;
    }
    ROLLED
    for (int c = 0; c < COLS; c++) {
        float4 y[WORDS];
        UNROLL
        for (int w = 0; w < WORDS; w++)
            y[w] = b[w * LANES * LD + c];
        UNROLL
        for (int i = 0; i < QUERIES; i++) {
            const float4 x = a[i * STEP * LD + c];
            UNROLL
            for (int w = 0; w < WORDS; w++) {
                s[i][w] += x.x * y[w].x;
                s[i][w] += x.y * y[w].y;
                s[i][w] += x.z * y[w].z;
                s[i][w] += x.w * y[w].w;
            }
        }
    }
}

/* x += weights (BLOCK,BLOCK) times rows, of which `count` are not 0. */
static inline void add_rows(float4 *x, __local const float4 *weights, __local const float4 *rows,
                            int count) {
    const int lid = get_local_id(0);
    ROLLED
    for (int j = 0; 4 * j < min(count, BLOCK); j++) {
        UNROLL
        for (int i = 0; i < TILES; i++) {
            const float4 w = weights[IN(i) * PD + j];
            __local const float4 *from = rows + 4 * j * LD + COL(i);
            x[i] += w.x * from[0];
            x[i] += w.y * from[LD];
            x[i] += w.z * from[2 * LD];
            x[i] += w.w * from[3 * LD];
        }
    }
}

/* The same of the weights' transpose. */
static inline void add_columns(float4 *x, __local const float4 *weights, __local const float4 *rows,
                               int count) {
    const int lid = get_local_id(0);
    __local const float *w = (__local const float *)weights;
    ROLLED
    for (int j = 0; j < min(count, BLOCK); j++) {
        UNROLL
        for (int i = 0; i < TILES; i++)
            x[i] += w[j * 4 * PD + IN(i)] * rows[j * LD + COL(i)];
    }
}

/* ---- forward ---- */

/* p = scaled scores; keys from `keys` on are out of the sentence. */
static inline void write_scores(__local float4 *p, __local const float4 *q, __local const float4 *k,
                                int keys, float softmax_scale) {
    const int lid = get_local_id(0);
    __local float *to = (__local float *)p + lid / LANES * 4 * PD + lid % LANES;
    float s[QUERIES][WORDS];
    multiply(s, q, k);
    UNROLL
    for (int i = 0; i < QUERIES; i++) {
        UNROLL
        for (int w = 0; w < WORDS; w++)
            to[i * STEP * 4 * PD + w * LANES] =
                lid % LANES + w * LANES < keys ? softmax_scale * s[i][w] : -1e30f;
    }
}

/* An item's share of a row: the greatest. */
static inline float greatest(__local const float *row) {
    float most = -1e30f;
    UNROLL
    for (int i = 0; i < BLOCK; i += PARTS)
        most = fmax(most, row[i]);
    return most;
}

static inline float greatest_part(__local const float *parts) {
    float most = parts[0];
    UNROLL
    for (int i = 1; i < PARTS; i++)
        most = fmax(most, parts[i]);
    return most;
}

static inline float sum_parts(__local const float *parts) {
    float sum = parts[0];
    UNROLL
    for (int i = 1; i < PARTS; i++)
        sum += parts[i];
    return sum;
}

/* Which keys of an item's share of a row are kept: a bit each, in weigh's order. */
static inline uint keep_share(uint key, uint query, uint sample, uint head, DROPOUT_PARAMETERS) {
    uint kept = 0;
    if (threshold == 0)
        return ~0u;
    UNROLL
    for (int i = 0; i < LANES; i += PARTS) {
        const uint4 words = attention_words(key + i, query, sample, head, site, key0, key1);
        UNROLL
        for (int w = 0; w < WORDS; w++)
            kept = 2 * kept + is_kept(words, key + i + w * LANES, threshold);
    }
    return kept;
}

/* An item's share of a row: scores become dropout(exp(score - m)); returns the sum before dropout.
 */
static inline float weigh(__local float *row, float m, uint kept, float scale) {
    float sum = 0;
    int bit = LANES / PARTS * WORDS;
    UNROLL
    for (int i = 0; i < LANES; i += PARTS) {
        UNROLL
        for (int w = 0; w < WORDS; w++) {
            const float x = exp(row[i + w * LANES] - m);
            sum += x;
            row[i + w * LANES] = kept >> --bit & 1 ? x * scale : 0.0f;
        }
    }
    return sum;
}

KERNEL void attention_tiled_forward(__global half_t *restrict out, __global float *restrict lse,
                                    __global const float *restrict qkv,
                                    __global const int4 *restrict blocks, int NH,
                                    float softmax_scale, DROPOUT_PARAMETERS) {
    __local float4 q[BLOCK * LD], k[BLOCK * LD], v[BLOCK * LD], p[BLOCK * PD];
    __local float parts[ITEMS], fade[BLOCK];
    const int lid = get_local_id(0), h = GROUP_ID(1, 1), C = NH * HS, stride = 3 * C;
    const int row = lid / PARTS, part = lid % PARTS;
    const place at = find_place(blocks);
    __local float *mine = (__local float *)p + row * 4 * PD + part;
    float m = -1e30f, sum = 0; /* of the row, and of the item's share of it */
    float4 o[TILES];
    if (at.at >= at.S)
        return;
    qkv += h * HS;
    zero_rows(o);
    load_rows(q, qkv + (size_t)at.token * stride, stride, at.S - at.at);
    for (int k0 = 0; k0 < at.S; k0 += BLOCK) {
        __global const float *keys = qkv + (size_t)(at.sentence + k0) * stride + C;
        load_rows(k, keys, stride, at.S - k0);
        load_rows(v, keys + C, stride, at.S - k0);
        const uint kept =
            keep_share(k0 + part, at.at + row, at.sample, h, threshold, scale, site, key0, key1);
        barrier(CLK_LOCAL_MEM_FENCE);
        write_scores(p, q, k, at.S - k0, softmax_scale);
        barrier(CLK_LOCAL_MEM_FENCE);
        parts[lid] = greatest(mine);
        barrier(CLK_LOCAL_MEM_FENCE);
        const float most = fmax(m, greatest_part(parts + row * PARTS));
        const float less = exp(m - most);
        m = most;
        sum = sum * less + weigh(mine, m, kept, scale);
        if (part == 0)
            fade[row] = less;
        barrier(CLK_LOCAL_MEM_FENCE);
        UNROLL
        for (int i = 0; i < TILES; i++)
            o[i] *= fade[IN(i)];
        add_rows(o, p, v, at.S - k0);
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    parts[lid] = sum;
    barrier(CLK_LOCAL_MEM_FENCE);
    UNROLL
    for (int i = 0; i < TILES; i++)
        o[i] /= sum_parts(parts + IN(i) * PARTS);
    store_rows(out + (size_t)at.token * C + h * HS, C, at.S - at.at, o);
    if (part == 0 && at.at + row < at.S)
        lse[(size_t)(at.token + row) * NH + h] = m + log(sum_parts(parts + row * PARTS));
}

/* ---- backward ---- */

/* Rows of Q and dO, `count` in the sentence, their log sum exp, and D = dO . O in PARTS parts. */
static inline void load_queries(__local float4 *q, __local float4 *g, __local float *L,
                                __local float *parts, __global const float *qkv,
                                __global const float *dout, __global const half_t *out,
                                __global const float *lse, int token, int count, int NH) {
    const int lid = get_local_id(0), C = NH * HS;
    const int row = lid / PARTS;
    float sum = 0;
    dout += (size_t)token * C;
    out += (size_t)token * C;
    load_rows(q, qkv + (size_t)token * 3 * C, 3 * C, count);
    load_rows(g, dout, C, count);
    if (row < count) {
        ROLLED
        for (int c = lid % PARTS; c < COLS; c += PARTS) {
            const float4 x = read_vector(dout + row * C, c) * read_output(out + row * C, c);
            sum += (x.x + x.y) + (x.z + x.w);
        }
    }
    parts[lid] = sum;
    if (lid < BLOCK)
        L[lid] = lid < count ? lse[(size_t)(token + lid) * NH] : 0.0f;
}

/* Which of an item's scores are kept: a bit each, in write_gradients' order. */
static inline uint keep_scores(uint key, uint query, uint sample, uint head, DROPOUT_PARAMETERS) {
    const int lid = get_local_id(0);
    uint kept = 0;
    if (threshold == 0)
        return ~0u;
    key += lid % LANES;
    query += lid / LANES;
    UNROLL
    for (int i = 0; i < QUERIES; i++) {
        const uint4 words = attention_words(key, query + i * STEP, sample, head, site, key0, key1);
        UNROLL
        for (int w = 0; w < WORDS; w++)
            kept = 2 * kept + is_kept(words, key + w * LANES, threshold);
    }
    return kept;
}

/* ds = gradients of the scores, p = dropped weights, of a block of queries and one of keys, of
 * which so many are in the sentence; 0 for the others. */
static inline void write_gradients(__local float4 *ds, __local float4 *p, __local const float4 *q,
                                   __local const float4 *g, __local const float4 *k,
                                   __local const float4 *v, __local const float *L,
                                   __local const float *parts, int queries, int keys, uint kept,
                                   float scale, float softmax_scale) {
    const int lid = get_local_id(0), c = lid % LANES;
    float s[QUERIES][WORDS], dp[QUERIES][WORDS];
    int bit = QUERIES * WORDS;
    multiply(s, q, k);
    multiply(dp, g, v);
    UNROLL
    for (int i = 0; i < QUERIES; i++) {
        const int row = lid / LANES + i * STEP;
        const float D = sum_parts(parts + row * PARTS);
        UNROLL
        for (int w = 0; w < WORDS; w++) {
            const int to = row * 4 * PD + w * LANES + c;
            const float weight = row < queries && c + w * LANES < keys
                                     ? exp(softmax_scale * s[i][w] - L[row])
                                     : 0.0f;
            const float factor = kept >> --bit & 1 ? scale : 0.0f;
            ((__local float *)ds)[to] = weight * (dp[i][w] * factor - D) * softmax_scale;
            ((__local float *)p)[to] = weight * factor;
        }
    }
}

/* Of groups 0 of the last dimension dK and dV of a block of keys; of groups 1 dQ of a block of
 * queries. A sentence of one block has its dQ from the first, with the same weights. */
KERNEL void
attention_tiled_backward(__global half_t *restrict dqkv, __global const float *restrict dout,
                         __global const half_t *restrict out, __global const float *restrict qkv,
                         __global const float *restrict lse, __global const int4 *restrict blocks,
                         int NH, float softmax_scale, DROPOUT_PARAMETERS) {
    __local float4 q[BLOCK * LD], g[BLOCK * LD], k[BLOCK * LD], v[BLOCK * LD];
    __local float4 ds[BLOCK * PD], p[BLOCK * PD];
    __local float parts[ITEMS], L[BLOCK];
    const int h = GROUP_ID(1, 1), of_queries = GROUP_ID(2, 1);
    const int C = NH * HS, stride = 3 * C;
    const place at = find_place(blocks);
    const int own = at.S - at.at, one = at.S <= BLOCK;
    float4 x[TILES], y[TILES];
    if (own <= 0 || (of_queries && one))
        return;
    qkv += h * HS;
    dqkv += (size_t)at.token * stride + h * HS;
    dout += h * HS;
    out += h * HS;
    lse += h;
    zero_rows(x);
    zero_rows(y);
    for (int first = 0; first < at.S; first += BLOCK) {
        const int query = of_queries ? at.at : first, key = of_queries ? first : at.at;
        if (!of_queries || first == 0)
            load_queries(q, g, L, parts, qkv, dout, out, lse, at.sentence + query, at.S - query,
                         NH);
        if (of_queries || first == 0) {
            __global const float *keys = qkv + (size_t)(at.sentence + key) * stride + C;
            load_rows(k, keys, stride, at.S - key);
            load_rows(v, keys + C, stride, at.S - key);
        }
        const uint kept = keep_scores(key, query, at.sample, h, threshold, scale, site, key0, key1);
        barrier(CLK_LOCAL_MEM_FENCE);
        write_gradients(ds, p, q, g, k, v, L, parts, at.S - query, at.S - key, kept, scale,
                        softmax_scale);
        barrier(CLK_LOCAL_MEM_FENCE);
        if (of_queries)
            add_rows(x, ds, k, at.S - key);
        else {
            add_columns(x, ds, q, at.S - query);
            add_columns(y, p, g, at.S - query);
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    if (!of_queries) {
        store_rows(dqkv + C, stride, own, x);
        store_rows(dqkv + 2 * C, stride, own, y);
        zero_rows(x);
        if (one)
            add_rows(x, ds, k, own);
    }
    if (of_queries || one)
        store_rows(dqkv, stride, own, x);
}
