/* C (M,N) = A . B (+ bias) or C += A . B on CPU devices: a register tile of up to TILE_ROWS rows
 * and TILE_VECTORS vectors of TILE_WIDTH columns, multiplied by fma, one work-item a group.
 *
 * A group computes `group_rows` rows, tile below tile, in `group_panels` panels of as many columns
 * as a tile has: grid (panels / group_panels, M / group_rows). For each block of K and each panel it
 * copies the panel of B into local memory, zeros behind its last column, and runs all its tiles over
 * that. So every layout and every remainder has the same inner loop, and the copy, which
 * transposes B for NT, costs little beside the tiles that use it. Groups side by side share their
 * block of A through the cache.
 *
 * A is read where it lies, one value a row and step; with TN, where the values of a row are a whole
 * row of memory apart and fall out of the cache before their line is used up, the group first
 * copies its rows into local memory, tile by tile, and has many panels to share that.
 *
 * Options: TILE_WIDTH 4, 8 or 16; TILE_ROWS 1 to 12 and TILE_HALF below it, the tile of
 * the rows that are left; TILE_VECTORS 1 to 4; TILE_DEPTH, the longest block of K, whole vectors;
 * TILE_A_TRANSPOSED (TN; TILE_BLOCK rows of a group at most) or TILE_B_TRANSPOSED (NT); and what is
 * done with a tile of C as soon as it is complete and still near, with E (M,N), rows as C's:
 * TILE_GELU (E = gelu(C); E may be C) or TILE_GELU_BACKWARD (C *= gelu'(E)). With TN, sums (N) +=
 * or = the sums over the rows of B, if has_sums. */

#define CAT_(a, b) a##b
#define CAT(a, b) CAT_(a, b)
#define vec CAT(float, TILE_WIDTH)
#define load CAT(vload, TILE_WIDTH)
#define store CAT(vstore, TILE_WIDTH)
#define PANEL (TILE_VECTORS * TILE_WIDTH)

/* VECTORS(X, i): X(i, j) for each vector j of a row. */
#define VECTORS_1(X, i) X(i, 0)
#define VECTORS_2(X, i) VECTORS_1(X, i) X(i, 1)
#define VECTORS_3(X, i) VECTORS_2(X, i) X(i, 2)
#define VECTORS_4(X, i) VECTORS_3(X, i) X(i, 3)
#define VECTORS CAT(VECTORS_, TILE_VECTORS)
/* ROWS(n, X): X(i) for each row i of a tile of n rows. */
#define ROWS_1(X) X(0)
#define ROWS_2(X) ROWS_1(X) X(1)
#define ROWS_3(X) ROWS_2(X) X(2)
#define ROWS_4(X) ROWS_3(X) X(3)
#define ROWS_5(X) ROWS_4(X) X(4)
#define ROWS_6(X) ROWS_5(X) X(5)
#define ROWS_7(X) ROWS_6(X) X(6)
#define ROWS_8(X) ROWS_7(X) X(7)
#define ROWS_9(X) ROWS_8(X) X(8)
#define ROWS_10(X) ROWS_9(X) X(9)
#define ROWS_11(X) ROWS_10(X) X(10)
#define ROWS_12(X) ROWS_11(X) X(11)
#define ROWS(n, X) CAT(ROWS_, n)(X)

#ifdef TILE_A_TRANSPOSED
#define A_SPACE __local
#define A_ROW(i) a[i]
#define A_NEXT TILE_ROWS
#else
#define A_SPACE __global
#define A_ROW(i) a[(i) * lda]
#define A_NEXT 1
#endif

/* A tile of n rows in named variables, so that it stays in registers; + bias in the first block of
 * K, + C from then on. A tile of a narrow last panel goes by way of `scratch`. */
#define ZERO(i, j) vec c##i##_##j = 0;
#define ZERO_ROW(i) VECTORS(ZERO, i)
#define LOAD_B(i, j) const vec b##j = load(j, b);
#define FMA(i, j) c##i##_##j = fma(x, b##j, c##i##_##j);
#define FMA_ROW(i)                                                                                 \
    {                                                                                              \
        const vec x = A_ROW(i);                                                                    \
        VECTORS(FMA, i)                                                                            \
    }
#define STORE(i, j)                                                                                \
    store(c##i##_##j + (add ? load(j, C + (size_t)(i) * ldc) : load(j, bias)), j,                  \
          C + (size_t)(i) * ldc);
#define STORE_ROW(i) VECTORS(STORE, i)
#define KEEP(i, j) store(c##i##_##j, j, scratch + (i) * PANEL);
#define KEEP_ROW(i) VECTORS(KEEP, i)
#define TILE(name, n)                                                                              \
    inline void name(__global float *C, int ldc, A_SPACE const float *a, int lda,                  \
                     __local const float *b, int K, __local const float *bias, int columns,        \
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

#ifndef TILE_B_TRANSPOSED
/* The first tile of a group packs the panel as it goes: its multiplications hide the wait for B. */
#define MOVE_B(i, j)                                                                               \
    const vec b##j = load(j, B);                                                                   \
    store(b##j, j, panel);
inline void tile_packing(__global float *C, int ldc, A_SPACE const float *a, int lda,
                         __local float *panel, __global const float *B, int ldb, int K,
                         __local const float *bias, int add) {
    ROWS(TILE_ROWS, ZERO_ROW)
    for (int k = 0; k < K; k++, a += A_NEXT, B += ldb, panel += PANEL) {
        VECTORS(MOVE_B, 0)
        ROWS(TILE_ROWS, FMA_ROW)
    }
    ROWS(TILE_ROWS, STORE_ROW)
}
#endif

void store_narrow(__global float *C, int ldc, int rows, int columns, int add,
                  __local const float *bias, __local const float *scratch) {
    for (int i = 0; i < rows; i++, C += ldc, scratch += PANEL)
        for (int n = 0; n < columns; n++)
            C[n] = scratch[n] + (add ? C[n] : bias[n]);
}

TILE(tile_rows, TILE_ROWS)
TILE(tile_half, TILE_HALF)
TILE(tile_one, 1)

#ifdef TILE_B_TRANSPOSED
/* One step of the transpose: two vectors, interleaved. */
#if TILE_WIDTH == 16
#define MIX_LOW(a, b)                                                                              \
    (vec)(a.s0, b.s0, a.s1, b.s1, a.s2, b.s2, a.s3, b.s3, a.s4, b.s4, a.s5, b.s5, a.s6, b.s6,      \
          a.s7, b.s7)
#define MIX_HIGH(a, b)                                                                             \
    (vec)(a.s8, b.s8, a.s9, b.s9, a.sa, b.sa, a.sb, b.sb, a.sc, b.sc, a.sd, b.sd, a.se, b.se,      \
          a.sf, b.sf)
#elif TILE_WIDTH == 8
#define MIX_LOW(a, b) (vec)(a.s0, b.s0, a.s1, b.s1, a.s2, b.s2, a.s3, b.s3)
#define MIX_HIGH(a, b) (vec)(a.s4, b.s4, a.s5, b.s5, a.s6, b.s6, a.s7, b.s7)
#else
#define MIX_LOW(a, b) (vec)(a.s0, b.s0, a.s1, b.s1)
#define MIX_HIGH(a, b) (vec)(a.s2, b.s2, a.s3, b.s3)
#endif

/* to[k * PANEL + n] = from[n * ld + k] for n and k below TILE_WIDTH: log2(TILE_WIDTH) times the
 * first half of the rows is interleaved with the second. */
inline void transpose(__local float *to, __global const float *from, int ld) {
    vec x[TILE_WIDTH], y[TILE_WIDTH];
#pragma unroll
    for (int n = 0; n < TILE_WIDTH; n++)
        x[n] = load(0, from + (size_t)n * ld);
#pragma unroll
    for (int span = 1; span < TILE_WIDTH; span *= 2) {
#pragma unroll
        for (int n = 0; n < TILE_WIDTH / 2; n++) {
            y[2 * n] = MIX_LOW(x[n], x[n + TILE_WIDTH / 2]);
            y[2 * n + 1] = MIX_HIGH(x[n], x[n + TILE_WIDTH / 2]);
        }
#pragma unroll
        for (int n = 0; n < TILE_WIDTH; n++)
            x[n] = y[n];
    }
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
#else
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

#if defined(TILE_GELU) || defined(TILE_GELU_BACKWARD)
#define TILE_EPILOGUE
typedef vec fv;
#include "gelu.h"
#ifdef TILE_GELU
#define READS C
#define WRITES E
#define COMPUTE(x, c) gelu(x, tanh_form)
#else
#define READS E
#define WRITES C
#define COMPUTE(x, c) (c * gelu_derivative(x, tanh_form))
#endif
inline void epilogue(__global float *C, __global float *E, int ldc, int rows, int columns,
                     int tanh_form, __local float *scratch) {
    for (int i = 0; i < rows; i++, C += ldc, E += ldc) {
        int n = 0;
        for (; n + TILE_WIDTH <= columns; n += TILE_WIDTH)
            store(COMPUTE(load(0, READS + n), load(0, C + n)), 0, WRITES + n);
        if (n < columns) {
            for (int k = n; k < columns; k++) {
                scratch[k - n] = READS[k];
                scratch[TILE_WIDTH + k - n] = C[k];
            }
            store(COMPUTE(load(0, scratch), load(1, scratch)), 0, scratch);
            for (int k = n; k < columns; k++)
                WRITES[k] = scratch[k - n];
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
#ifdef TILE_EPILOGUE
#define COMPLETE(n)                                                                                \
    if (k0 + K == K0)                                                                              \
        epilogue(C, E0 + (C - C0), ldc, n, columns, tanh_form, scratch);
#else
#define COMPLETE(n)
#endif
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
gemm_tile(__global float *C0, __global const float *restrict A,
          __global const float *restrict B, __global const float *restrict bias0, int has_bias,
          __global float *E0, __global float *restrict sums, int has_sums, int tanh_form,
          int accumulate, int M, int N, int K0, int lda, int ldb, int ldc, int group_rows,
          int group_panels, int depth) {
    __local float panel[TILE_DEPTH * PANEL] __attribute__((aligned(64)));
    __local float scratch[(TILE_ROWS + 1) * PANEL] __attribute__((aligned(64)));
    __local float bias[PANEL] __attribute__((aligned(64)));
    const int first = get_group_id(1) * group_rows, end = min(first + group_rows, M);
    const int left = get_group_id(0) * group_panels * PANEL;
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
                sum_panel(sums + n0, panel, K, columns, add, scratch);
#endif
            while (m + TILE_ROWS <= end) {
                tile_rows(C, ldc, a, lda, panel, K, bias, columns, add, scratch);
                DOWN(TILE_ROWS)
            }
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
