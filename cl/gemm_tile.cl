/* C (M,N) = A . B (+ bias) or C += A . B on CPU devices: a register tile of up to TILE_ROWS rows
 * and TILE_VECTORS vectors of TILE_WIDTH columns, multiplied by fma, one work-item a group.
 *
 * A group computes `group_rows` rows, tile below tile, in `group_panels` panels of as many columns
 * as a tile has: grid (panels / group_panels, M / group_rows). For each block of K and each panel
 * it copies the panel of B into local memory, zeros behind its last column, and runs all its tiles
 * over that. So every layout and every remainder has the same inner loop, and the copy, which
 * transposes B for NT, costs little beside the tiles that use it. Groups side by side share their
 * block of A through the cache.
 *
 * A is read where it lies, one value a row and step; with TN, where the values of a row are a whole
 * row of memory apart and fall out of the cache before their line is used up, the group first
 * copies its rows into local memory, tile by tile, and has many panels to share that.
 *
 * Options: TILE_WIDTH 4, 8 or 16; TILE_ROWS 1 to 12 and TILE_HALF below it, the tile of
 * the rows that are left; TILE_VECTORS 1 to 4; TILE_DEPTH, the longest block of K, whole vectors;
 * TILE_FETCH, if the compiler has Clang's __builtin_prefetch and the host's processor for a target
 * (OpenCL's own prefetch does nothing in PoCL and costs 3 % in Intel's runtime);
 * TILE_B_PACKED (NN: B is what gemm_tile_pack made, so no panel is copied);
 * TILE_A_TRANSPOSED (TN; TILE_BLOCK rows of a group at most) or TILE_B_TRANSPOSED (NT); and one of
 * gemm_tile.h's epilogues. With TN, sums (N) += or = the sums over the rows of B, if has_sums. */

#include "gemm_tile.h"
#include "grid.h"

#ifdef TILE_A_TRANSPOSED
#define A_SPACE  __local
#define A_ROW(i) a[i]
#define A_NEXT   TILE_ROWS
#else
#define A_SPACE  __global
#define A_ROW(i) a[lda * (i)]
#define A_NEXT   1
#endif

#ifdef TILE_B_PACKED
#define B_SPACE __global
#else
#define B_SPACE __local
/* Asks for a line of memory. Weights come from there, as a step's are larger than the caches, and a
 * panel has a line or a few of each row, a pattern that no processor foresees. */
#ifdef TILE_FETCH
#define FETCH(p) __builtin_prefetch((const void *)(uintptr_t)(p), 0, 2)
#else
#define FETCH(p)
#endif
#define LINE        16 /* floats in it */
#define FETCH_AHEAD 24 /* rows */
inline void fetch(__global const float *B, int ldb, int rows, int columns) {
    for (int i = 0; i < rows; i++, B += ldb)
        for (int n = 0; n < columns; n += LINE)
            FETCH(B + n);
}
#endif

/* A tile of n rows; + bias in the first block of K, + C from then on. A tile of a narrow last panel
 * goes by way of `scratch`. */
#define LOAD_B(i, j) const vec b##j = load(j, b);
#define FMA(i, j)    c##i##_##j = fma(x, b##j, c##i##_##j);
#define FMA_ROW(i)                                                                                 \
    {                                                                                              \
        const vec x = A_ROW(i);                                                                    \
        VECTORS(FMA, i)                                                                            \
    }
#define TILE(name, n)                                                                              \
    inline void name(__global float *C, int ldc, A_SPACE const float *a, int lda,                  \
                     B_SPACE const float *b, int K, __local const float *bias, int columns,        \
                     int add, __local float *scratch) {                                            \
        ROWS(n, ZERO_ROW)                                                                          \
        for (int k = 0; k < K; k++, a += A_NEXT, b += PANEL) {                                     \
            VECTORS(LOAD_B, 0)                                                                     \
            ROWS(n, FMA_ROW)                                                                       \
        }                                                                                          \
        if (columns == PANEL) {                                                                    \
            ROWS(n, STORE_ROW)                                                                     \
        } else {                                                                                   \
            ROWS(n, KEEP_ROW)                                                                      \
            store_narrow(C, ldc, n, columns, add, bias, scratch);                                  \
        }                                                                                          \
    }

#if !defined(TILE_B_TRANSPOSED) && !defined(TILE_B_PACKED)
/* The first tile of a group packs the panel as it goes: its multiplications hide the wait for B. */
#define MOVE_B(i, j)                                                                               \
    const vec b##j = load(j, B);                                                                   \
    store(b##j, j, panel);
inline void tile_packing(__global float *C, int ldc, A_SPACE const float *a, int lda,
                         __local float *panel, __global const float *B, int ldb, int K,
                         __local const float *bias, int add) {
    ROWS(TILE_ROWS, ZERO_ROW)
    for (int k = 0; k < K; k++, a += A_NEXT, B += ldb, panel += PANEL) {
        FETCH(B + (size_t)FETCH_AHEAD * ldb);
        VECTORS(MOVE_B, 0)
        ROWS(TILE_ROWS, FMA_ROW)
    }
    ROWS(TILE_ROWS, STORE_ROW)
}
#endif

TILE(tile_rows, TILE_ROWS)
TILE(tile_half, TILE_HALF)
TILE(tile_one, 1)

#ifndef TILE_A_TRANSPOSED
/* The last rows by a tile that begins above them: its first `skip` rows are not stored again. */
#define STORE_LAST(i)                                                                              \
    if (i >= skip) {                                                                               \
        STORE_ROW(i)                                                                               \
    }
inline void tile_last(__global float *C, int ldc, A_SPACE const float *a, int lda,
                      B_SPACE const float *b, int K, __local const float *bias, int add, int skip) {
    ROWS(TILE_ROWS, ZERO_ROW)
    for (int k = 0; k < K; k++, a += A_NEXT, b += PANEL) {
        VECTORS(LOAD_B, 0)
        ROWS(TILE_ROWS, FMA_ROW)
    }
    ROWS(TILE_ROWS, STORE_LAST)
}
#endif

#ifdef TILE_B_TRANSPOSED
/* to[k * PANEL + n] = from[n * ld + k] for n and k below TILE_WIDTH */
inline void transpose(__local float *to, __global const float *from, int ld) {
    vec x[TILE_WIDTH];
#pragma unroll
    for (int n = 0; n < TILE_WIDTH; n++)
        x[n] = load(0, from + (size_t)n * ld);
    transpose_square(x);
#pragma unroll
    for (int k = 0; k < TILE_WIDTH; k++)
        store(x[k], 0, to + k * PANEL);
}

/* panel[k][n] = B(k,n), `columns` of them, then zeros, for k < K; B points at the first. */
inline void pack(__local float *panel, __global const float *B, int ldb, int columns, int K) {
    int k = 0;
    if (columns == PANEL)
        for (; k + TILE_WIDTH <= K; k += TILE_WIDTH) {
            for (int n = 0; n < PANEL; n += TILE_WIDTH)
                transpose(panel + k * PANEL + n, B + k + (size_t)n * ldb, ldb);
        }
    for (; k < K; k++)
        for (int n = 0; n < PANEL; n++)
            panel[k * PANEL + n] = n < columns ? B[(size_t)n * ldb + k] : 0;
}
#elif !defined(TILE_B_PACKED)
/* as above, where no tile packs as it goes */
inline void pack(__local float *panel, __global const float *B, int ldb, int columns, int K) {
    for (int k = 0; k < K; k++, B += ldb, panel += PANEL)
        for (int n = 0; n < PANEL; n++)
            panel[n] = n < columns ? B[n] : 0;
}
#endif

#ifdef TILE_A_TRANSPOSED
#if TILE_ROWS > 8
#define BLOCK_WIDTH 16
#elif TILE_ROWS > 4
#define BLOCK_WIDTH 8
#else
#define BLOCK_WIDTH 4
#endif
/* block[tile][k][row] = A(tile TILE_ROWS + row, k) of `rows` rows, k < K; A points at the first and
 * there are `all` to the matrix's end. A vector is stored whole: what is too much is overwritten
 * by the next k, or lies behind the last tile. */
inline void pack_block(__local float *block, __global const float *A, int lda, int rows, int all,
                       int K) {
    for (int m = 0; m < rows; m += TILE_ROWS, A += TILE_ROWS) {
        __global const float *a = A;
        if (m + BLOCK_WIDTH <= all) {
            for (int k = 0; k < K; k++, a += lda, block += TILE_ROWS)
                CAT(vstore, BLOCK_WIDTH)(CAT(vload, BLOCK_WIDTH)(0, a), 0, block);
        } else {
            const int n = min(TILE_ROWS, all - m);
            for (int k = 0; k < K; k++, a += lda, block += TILE_ROWS)
                for (int i = 0; i < n; i++)
                    block[i] = a[i];
        }
    }
}
#endif

#ifdef TILE_A_TRANSPOSED
/* sums (+)= those over the K rows of the panel */
inline void sum_panel(__global float *sums, __local const float *panel, int K, int columns, int add,
                      __local float *scratch) {
    for (int j = 0; j < TILE_VECTORS; j++) {
        vec sum = 0;
        for (int k = 0; k < K; k++)
            sum += load(j, panel + k * PANEL);
        store(sum, j, scratch);
    }
    for (int n = 0; n < columns; n++)
        sums[n] = scratch[n] + (add ? sums[n] : 0);
}
#endif

/* On to the rows below. */
#define DOWN(n)                                                                                    \
    COMPLETE(n)                                                                                    \
    m += n;                                                                                        \
    a += A_DOWN(n);                                                                                \
    C += (size_t)n * ldc;
#ifdef TILE_A_TRANSPOSED
#define A_DOWN(n) (n == TILE_ROWS ? TILE_ROWS * K : n)
#else
#define A_DOWN(n) ((size_t)n * lda)
#endif

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
gemm_tile(__global float *C0, __global const float *restrict A, __global const float *restrict B,
          __global const float *restrict bias0, int has_bias, __global float *E0,
          __global float *restrict sums, int has_sums, int tanh_form, int accumulate, int M, int N,
          int K0, int lda, int ldb, int ldc, int group_rows, int group_panels, int depth) {
#ifndef TILE_B_PACKED
    __local float panel[TILE_DEPTH * PANEL] __attribute__((aligned(64)));
#endif
    __local float scratch[TILE_ROWS * PANEL] __attribute__((aligned(64)));
    __local float bias[PANEL] __attribute__((aligned(64)));
    const int first = GROUP_ID(1, 1) * group_rows, end = min(first + group_rows, M);
    const int left = GROUP_ID(0, 1) * group_panels * PANEL;
    const int right = min(left + group_panels * PANEL, N);
#ifdef TILE_A_TRANSPOSED
    __local float block[TILE_BLOCK * TILE_DEPTH + BLOCK_WIDTH] __attribute__((aligned(64)));
#endif
    for (int k0 = 0; k0 < K0; k0 += depth) {
        const int K = min(depth, K0 - k0), add = accumulate || k0;
#ifdef TILE_A_TRANSPOSED
        pack_block(block, A + first + (size_t)k0 * lda, lda, end - first, M - first, K);
#endif
        for (int n0 = left; n0 < right; n0 += PANEL) {
            const int columns = min(PANEL, N - n0);
            __global float *C = C0 + (size_t)first * ldc + n0;
            int m = first;
#ifdef TILE_A_TRANSPOSED
            __local const float *a = block;
#else
            __global const float *a = A + (size_t)first * lda + k0;
#endif
            for (int n = 0; n < PANEL; n++)
                bias[n] = has_bias && n < columns ? bias0[n0 + n] : 0;
#ifdef TILE_B_PACKED
            __global const float *panel = B + (size_t)n0 * K0 + (size_t)k0 * PANEL;
#elif defined(TILE_B_TRANSPOSED)
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
                sum_panel(sums + n0, panel, K, columns, add, scratch);
#endif
#ifndef TILE_B_PACKED
            /* Each tile asks for a share of the panel that comes next, whose memory its
             * multiplications hide: in this block of K, in the next, or of the group beside. */
            const bool across = n0 + PANEL < right, down = !across && k0 + K < K0;
            const int next_n = down ? left : n0 + PANEL;
            const int next_k = down ? k0 + K : across ? k0 : 0;
            const int next_depth = min(depth, K0 - next_k);
#ifdef TILE_B_TRANSPOSED
            __global const float *next = B + (size_t)next_n * ldb + next_k;
            const int next_rows = PANEL, next_columns = next_depth;
#else
            __global const float *next = B + (size_t)next_k * ldb + next_n;
            const int next_rows = next_depth, next_columns = PANEL;
#endif
            const int share = (next_rows * TILE_ROWS + end - first - 1) / (end - first);
            int unasked = next_n + PANEL <= N ? next_rows : 0;
#endif
            while (m + TILE_ROWS <= end) {
                tile_rows(C, ldc, a, lda, panel, K, bias, columns, add, scratch);
#ifndef TILE_B_PACKED
                fetch(next, ldb, min(share, unasked), next_columns);
                next += (size_t)share * ldb;
                unasked -= share;
#endif
                DOWN(TILE_ROWS)
            }
#ifndef TILE_A_TRANSPOSED
            const int rest = end - m, skip = TILE_ROWS - rest;
            if (rest > 1 && rest != TILE_HALF && end >= TILE_ROWS && columns == PANEL) {
                tile_last(C - (size_t)skip * ldc, ldc, a - (size_t)skip * lda, lda, panel, K, bias,
                          add, skip);
                DOWN(rest)
            }
#endif
            while (m + TILE_HALF <= end) {
                tile_half(C, ldc, a, lda, panel, K, bias, columns, add, scratch);
                DOWN(TILE_HALF)
            }
            while (m < end) {
                tile_one(C, ldc, a, lda, panel, K, bias, columns, add, scratch);
                DOWN(1)
            }
        }
    }
}

#ifdef TILE_B_PACKED
/* to[n / PANEL][k][n % PANEL] = from[k][n], (K,N) with whole panels, or back. One item a panel. */
__kernel void gemm_tile_pack(__global float *restrict to, __global const float *restrict from,
                             int K, int N, int back) {
    const int n0 = get_global_id(0) * PANEL;
    if (n0 >= N)
        return;
    for (int k = 0; k < K; k++) {
        const size_t plain = (size_t)k * N + n0, packed = (size_t)n0 * K + (size_t)k * PANEL;
        for (int n = 0; n < PANEL; n++)
            to[(back ? plain : packed) + n] = from[(back ? packed : plain) + n];
    }
}
#endif
