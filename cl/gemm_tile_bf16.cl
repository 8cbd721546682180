/* C (M,N) = A . B (+ bias) or C += A . B on CPU devices with operands rounded to bf16 and sums in
 * fp32: the register tile of gemm_tile.cl over pairs of bf16 that follow each other along K.
 *
 * A pair is a uint, the element of even k in its lower half; an odd K ends in a pair with a zero.
 * gemm_bf16_pairs makes those of A in a buffer, once a product; a group packs those of its panel of
 * B into local memory, once a block of K. Rows of A's buffer are an odd number of cache lines apart
 * (so that a tile's rows do not fall into one set of the cache) and whole tiles of them may be
 * read: rows behind the last hold anything, and what is computed of them is not stored.
 *
 * Grid of gemm_bf16: (panels, M / group_rows), one work-item a group; of gemm_bf16_pairs: rows of
 * pairs / group_rows.
 *
 * Options: as gemm_tile.h; TILE_HALF below TILE_ROWS, the tile of few rows that are left;
 * TILE_STEPS, the longest block of K in pairs; TILE_A_TRANSPOSED (TN) or TILE_B_TRANSPOSED (NT);
 * TILE_DOT_AVX512: the CPU's bf16 instructions, TILE_WIDTH 16 then; and one of gemm_tile.h's
 * epilogues. With TN, sums (N) += or = the sums over the rows of B, if has_sums. */
#include "gemm_tile.h"
#include "grid.h"

#define uvec    CAT(uint, TILE_WIDTH)
#define as_vec  CAT(as_float, TILE_WIDTH)
#define as_uvec CAT(as_uint, TILE_WIDTH)

/* Bits of a float to those of the nearest bf16, of two the even one, above 16 bits of no meaning; a
 * NaN stays one. */
#define ROUND(x)                                                                                   \
    select((x) + 0x7fffu + ((x) >> 16 & 1u), (x) | 0x400000u, (0x7fffffffu & (x)) > 0x7f800000u)
#define PAIR(low, high) (ROUND(low) >> 16 | (ROUND(high) & 0xffff0000u))
static inline uint pair(float low, float high) {
    const uint x = as_uint(low), y = as_uint(high);
    return PAIR(x, y);
}

/* pairs: of `low` and `high`, lane by lane; pairs_along: of neighbours in x, then in y.
 * DOT: c += product of the pairs, the upper halves' first. */
#ifdef TILE_DOT_AVX512
static inline uvec pairs_along(vec x, vec y) {
    uvec to;
    __asm__("vcvtne2ps2bf16 %1, %2, %0" : "=v"(to) : "v"(x), "v"(y));
    return to;
}
static inline uvec pairs(vec low, vec high) {
    const uvec order =
        (uvec)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15) * 0x10001u + 0x100000u;
    uvec to;
    __asm__("vpermw %1, %2, %0" : "=v"(to) : "v"(pairs_along(low, high)), "v"(order));
    return to;
}
#define DOT(c, a, b) __asm__("vdpbf16ps %2, %1, %0" : "+v"(c) : "v"(a), "v"(b));
#else
static inline uvec pairs(vec low, vec high) {
    const uvec x = as_uvec(low), y = as_uvec(high);
    return PAIR(x, y);
}
static inline uvec pairs_along(vec x, vec y) {
    return pairs((vec)(x.even, y.even), (vec)(x.odd, y.odd));
}
#define LOWER(x)     as_vec((x) << 16)
#define UPPER(x)     as_vec(0xffff0000u & (x))
#define DOT(c, a, b) c = fma(LOWER(a), LOWER(b), fma(UPPER(a), UPPER(b), c));
#endif

/* ---- the pairs of A ---- */

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
gemm_bf16_pairs(__global uint *restrict to, __global const float *restrict A, int M, int K, int lda,
                int to_ld, int group_rows) {
    const int first = GROUP_ID(0, 1) * group_rows;
#ifdef TILE_A_TRANSPOSED
    for (int k = first; k < min(first + group_rows, (K + 1) / 2); k++) {
        __global const float *low = A + (size_t)2 * k * lda, *high = low + lda;
        __global uint *row = to + (size_t)k * to_ld;
        const int odd = 2 * k + 1 == K;
        int m = 0;
        for (; m + TILE_WIDTH <= M; m += TILE_WIDTH)
            store(pairs(load(0, low + m), odd ? (vec)(0) : load(0, high + m)), 0, row + m);
        for (; m < M; m++)
            row[m] = pair(low[m], odd ? 0 : high[m]);
    }
#else
    for (int m = first; m < min(first + group_rows, M); m++) {
        __global const float *from = A + (size_t)m * lda;
        __global uint *row = to + (size_t)m * to_ld;
        int k = 0;
        for (; k + 2 * TILE_WIDTH <= K; k += 2 * TILE_WIDTH)
            store(pairs_along(load(0, from + k), load(1, from + k)), 0, row + k / 2);
        for (; k < K; k += 2)
            row[k / 2] = pair(from[k], k + 1 < K ? from[k + 1] : 0);
    }
#endif
}

/* ---- tiles ---- */

#ifdef TILE_A_TRANSPOSED
#define A_ROW(i) a[i]
#define A_NEXT   lda
#define A_DOWN   1
#else
#define A_ROW(i) a[lda * (i)]
#define A_NEXT   1
#define A_DOWN   lda
#endif

/* A tile of n rows, of which `rows` are stored; + bias in the first block of K, + C from then on.
 */
#define LOAD_B(i, j)     const uvec b##j = load(j, b);
#define DOT_VECTOR(i, j) DOT(c##i##_##j, x, b##j)
#define DOT_ROW(i)                                                                                 \
    {                                                                                              \
        const uvec x = A_ROW(i);                                                                   \
        VECTORS(DOT_VECTOR, i)                                                                     \
    }
#define TILE(name, n)                                                                              \
    static inline void name(__global float *C, int ldc, __global const uint *a, int lda,           \
                            __local const uint *b, int steps, __local const float *bias, int rows, \
                            int columns, int add, __local float *scratch) {                        \
        ROWS(n, ZERO_ROW)                                                                          \
        for (int k = 0; k < steps; k++, a += A_NEXT, b += PANEL) {                                 \
            VECTORS(LOAD_B, 0)                                                                     \
            ROWS(n, DOT_ROW)                                                                       \
        }                                                                                          \
        if (rows >= n && columns == PANEL) {                                                       \
            ROWS(n, STORE_ROW)                                                                     \
        } else {                                                                                   \
            ROWS(n, KEEP_ROW)                                                                      \
            store_narrow(C, ldc, min(rows, n), columns, add, bias, scratch);                       \
        }                                                                                          \
    }
TILE(tile_rows, TILE_ROWS)
TILE(tile_half, TILE_HALF)

/* ---- the panel of B: panel[k / 2][n], `columns` of them, then zeros, for k < K ---- */

#ifdef TILE_B_TRANSPOSED
static inline void pack(__local uint *panel, __global const float *B, int ldb, int columns, int K) {
    int k = 0;
    if (columns == PANEL)
        for (; k + 2 * TILE_WIDTH <= K; k += 2 * TILE_WIDTH, panel += TILE_WIDTH * PANEL)
            for (int n = 0; n < PANEL; n += TILE_WIDTH) {
                __global const float *from = B + (size_t)n * ldb + k;
                vec x[TILE_WIDTH];
#pragma unroll
                for (int i = 0; i < TILE_WIDTH; i++)
                    x[i] = as_vec(pairs_along(load(0, from + (size_t)i * ldb),
                                              load(1, from + (size_t)i * ldb)));
                transpose_square(x);
#pragma unroll
                for (int i = 0; i < TILE_WIDTH; i++)
                    store(as_uvec(x[i]), 0, panel + i * PANEL + n);
            }
    for (; k < K; k += 2, panel += PANEL)
        for (int n = 0; n < PANEL; n++) {
            __global const float *from = B + (size_t)n * ldb + k;
            panel[n] = n < columns ? pair(from[0], k + 1 < K ? from[1] : 0) : 0;
        }
}
#else
/* Two rows of B become one of pairs; of an odd K the last row has no other: it is read twice, and
 * the second time blanked. */
#define MOVE_B(i, j)                                                                               \
    const uvec b##j = pairs(load(j, B), as_vec(as_uvec(load(j, B + up)) & mask));                  \
    store(b##j, j, panel);
#define MOVE_ROWS                                                                                  \
    const int up = k + 1 < K ? ldb : 0;                                                            \
    const uint mask = k + 1 < K ? 0xffffffffu : 0;                                                 \
    VECTORS(MOVE_B, 0)
static inline void pack(__local uint *panel, __global const float *B, int ldb, int columns, int K) {
    if (columns == PANEL) {
        for (int k = 0; k < K; k += 2, B += 2 * ldb, panel += PANEL) {
            MOVE_ROWS
        }
        return;
    }
    for (int k = 0; k < K; k += 2, B += 2 * ldb, panel += PANEL)
        for (int n = 0; n < PANEL; n++)
            panel[n] = n < columns ? pair(B[n], k + 1 < K ? B[n + ldb] : 0) : 0;
}

/* The first tile of a group packs a whole panel as it goes: its products hide the wait for B. */
static inline void tile_packing(__global float *C, int ldc, __global const uint *a, int lda,
                                __local uint *panel, __global const float *B, int ldb, int K,
                                __local const float *bias, int add) {
    ROWS(TILE_ROWS, ZERO_ROW)
    for (int k = 0; k < K; k += 2, a += A_NEXT, B += 2 * ldb, panel += PANEL) {
        MOVE_ROWS
        ROWS(TILE_ROWS, DOT_ROW)
    }
    ROWS(TILE_ROWS, STORE_ROW)
}
#endif

#ifdef TILE_A_TRANSPOSED
/* sums (+)= those over K rows of B, unrounded */
static inline void sum_columns(__global float *sums, __global const float *B, int ldb, int K,
                               int columns, int add, __local float *scratch) {
    for (int n = 0; n < columns; n += TILE_WIDTH) {
        const int width = min(TILE_WIDTH, columns - n);
        if (width == TILE_WIDTH) {
            vec sum = 0;
            for (int k = 0; k < K; k++)
                sum += load(0, B + (size_t)k * ldb + n);
            store(sum, 0, scratch);
        } else {
            for (int i = 0; i < width; i++)
                scratch[i] = 0;
            for (int k = 0; k < K; k++)
                for (int i = 0; i < width; i++)
                    scratch[i] += B[(size_t)k * ldb + n + i];
        }
        for (int i = 0; i < width; i++)
            sums[n + i] = scratch[i] + (add ? sums[n + i] : 0);
    }
}
#endif

/* On to the rows below. */
#define DOWN(n)                                                                                    \
    COMPLETE(min(n, end - m))                                                                      \
    m += n;                                                                                        \
    a += (size_t)n * A_DOWN;                                                                       \
    C += (size_t)n * ldc;

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
gemm_bf16(__global float *C0, __global const uint *restrict A, __global const float *restrict B,
          __global const float *restrict bias0, int has_bias, __global float *E0,
          __global float *restrict sums, int has_sums, int tanh_form, int accumulate, int M, int N,
          int K0, int lda, int ldb, int ldc, int group_rows, int depth) {
    __local uint panel[TILE_STEPS * PANEL] __attribute__((aligned(64)));
    __local float scratch[TILE_ROWS * PANEL] __attribute__((aligned(64)));
    __local float bias[PANEL] __attribute__((aligned(64)));
    const int n0 = GROUP_ID(0, 1) * PANEL, columns = min(PANEL, N - n0);
    const int first = GROUP_ID(1, 1) * group_rows, end = min(first + group_rows, M);
    for (int n = 0; n < PANEL; n++)
        bias[n] = has_bias && n < columns ? bias0[n0 + n] : 0;
    for (int k0 = 0; k0 < K0; k0 += 2 * depth) {
        const int K = min(2 * depth, K0 - k0), steps = (K + 1) / 2, add = accumulate || k0;
        __global const uint *a = A + (size_t)first * A_DOWN + (size_t)(k0 / 2) * A_NEXT;
        __global float *C = C0 + (size_t)first * ldc + n0;
        int m = first;
#ifdef TILE_B_TRANSPOSED
        pack(panel, B + (size_t)n0 * ldb + k0, ldb, columns, K);
#else
        __global const float *from = B + (size_t)k0 * ldb + n0;
        if (columns == PANEL && m + TILE_ROWS <= end) {
            tile_packing(C, ldc, a, lda, panel, from, ldb, K, bias, add);
            DOWN(TILE_ROWS)
        } else {
            pack(panel, from, ldb, columns, K);
        }
#endif
#ifdef TILE_A_TRANSPOSED
        if (has_sums && !first)
            sum_columns(sums + n0, from, ldb, K, columns, add, scratch);
#endif
        while (end - m > TILE_HALF) {
            tile_rows(C, ldc, a, lda, panel, steps, bias, end - m, columns, add, scratch);
            DOWN(TILE_ROWS)
        }
        if (m < end) {
            tile_half(C, ldc, a, lda, panel, steps, bias, end - m, columns, add, scratch);
            DOWN(TILE_HALF)
        }
    }
}
