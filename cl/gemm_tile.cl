/* C (M,N) = A . B (+ bias) or C += A . B on CPU devices: a register tile of up to TILE_ROWS rows
 * and two vectors of TILE_WIDTH columns, multiplied by fma, one work-item a group.
 *
 * A group computes `group_tiles` tiles below each other in one panel of 2 * TILE_WIDTH columns:
 * grid (groups of tiles, panels). For each block of K it copies the panel of B into local memory, zeros
 * behind its last column, and runs all its tiles over that; A is read where it lies, one value a
 * row and step. So every layout and every remainder has the same inner loop, and the copy, which
 * transposes B for NT, costs little beside the tiles that use it.
 *
 * Options: TILE_WIDTH 4, 8 or 16; TILE_ROWS 1 to 14; TILE_DEPTH, the longest block of K;
 * TILE_A_TRANSPOSED (TN) or TILE_B_TRANSPOSED (NT). */

#define CAT_(a, b) a##b
#define CAT(a, b) CAT_(a, b)
#define vec CAT(float, TILE_WIDTH)
#define load CAT(vload, TILE_WIDTH)
#define store CAT(vstore, TILE_WIDTH)
#define PANEL (2 * TILE_WIDTH)

/* ROWS_n(X): X for each row of a tile of n rows. */
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
#define ROWS_13(X) ROWS_12(X) X(12)
#define ROWS_14(X) ROWS_13(X) X(13)
/* HEIGHTS_n(X): X for each height of a tile from 1 to n. */
#define HEIGHTS_1(X) X(1)
#define HEIGHTS_2(X) HEIGHTS_1(X) X(2)
#define HEIGHTS_3(X) HEIGHTS_2(X) X(3)
#define HEIGHTS_4(X) HEIGHTS_3(X) X(4)
#define HEIGHTS_5(X) HEIGHTS_4(X) X(5)
#define HEIGHTS_6(X) HEIGHTS_5(X) X(6)
#define HEIGHTS_7(X) HEIGHTS_6(X) X(7)
#define HEIGHTS_8(X) HEIGHTS_7(X) X(8)
#define HEIGHTS_9(X) HEIGHTS_8(X) X(9)
#define HEIGHTS_10(X) HEIGHTS_9(X) X(10)
#define HEIGHTS_11(X) HEIGHTS_10(X) X(11)
#define HEIGHTS_12(X) HEIGHTS_11(X) X(12)
#define HEIGHTS_13(X) HEIGHTS_12(X) X(13)
#define HEIGHTS_14(X) HEIGHTS_13(X) X(14)
#define FOR_HEIGHTS(X) CAT(HEIGHTS_, TILE_ROWS)(X)

#ifdef TILE_A_TRANSPOSED
#define A_ROW(i) a[i]
#define A_NEXT lda
#else
#define A_ROW(i) a[(i) * lda]
#define A_NEXT 1
#endif

/* One row of a tile into C: + bias in the first block of K, + C from then on. */
inline void store_row(__global float *C, vec c0, vec c1, vec bias0, vec bias1, int columns, int add,
                      __local float *row) {
    if (columns == PANEL) {
        store(c0 + (add ? load(0, C) : bias0), 0, C);
        store(c1 + (add ? load(1, C) : bias1), 1, C);
        return;
    }
    store(c0 + bias0, 0, row);
    store(c1 + bias1, 1, row);
    for (int j = 0; j < columns; j++)
        C[j] = add ? C[j] + row[j] : row[j];
}

/* tile_R: the tile of R rows, in named variables so that it stays in registers. */
#define ZERO_ROW(i) vec c##i##0 = 0, c##i##1 = 0;
#define FMA_ROW(i)                                                                                 \
    {                                                                                              \
        const vec x = A_ROW(i);                                                                    \
        c##i##0 = fma(x, b0, c##i##0);                                                             \
        c##i##1 = fma(x, b1, c##i##1);                                                             \
    }
#define STORE_ROW(i)                                                                               \
    store_row(C + (size_t)(i) * ldc, c##i##0, c##i##1, bias0, bias1, columns, add, row);
#define TILE(R)                                                                                    \
    inline void tile_##R(__global float *C, int ldc, __global const float *a, int lda,             \
                         __local const float *b, int K, vec bias0, vec bias1, int columns,         \
                         int add, __local float *row) {                                            \
        ROWS_##R(ZERO_ROW) for (int k = 0; k < K; k++, a += A_NEXT, b += PANEL) {                  \
            const vec b0 = load(0, b), b1 = load(1, b);                                            \
            ROWS_##R(FMA_ROW)                                                                      \
        }                                                                                          \
        ROWS_##R(STORE_ROW)                                                                        \
    }
FOR_HEIGHTS(TILE)
#define CASE_TILE(R)                                                                               \
    case R:                                                                                        \
        tile_##R(C, ldc, a, lda, b, K, bias0, bias1, columns, add, row);                           \
        break;

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
            transpose(panel + k * PANEL, B + k, ldb);
            transpose(panel + k * PANEL + TILE_WIDTH, B + k + (size_t)TILE_WIDTH * ldb, ldb);
        }
    for (; k < K; k++)
        for (int n = 0; n < PANEL; n++)
            panel[k * PANEL + n] = n < columns ? B[(size_t)n * ldb + k] : 0;
}
#else
inline void pack(__local float *panel, __global const float *B, int ldb, int columns, int K) {
    if (columns == PANEL)
        for (int k = 0; k < K; k++, B += ldb, panel += PANEL) {
            const vec b0 = load(0, B), b1 = load(1, B);
            store(b0, 0, panel);
            store(b1, 1, panel);
        }
    else
        for (int k = 0; k < K; k++, B += ldb, panel += PANEL)
            for (int n = 0; n < PANEL; n++)
                panel[n] = n < columns ? B[n] : 0;
}
#endif

/* The M rows are cut into `tiles` tiles as even as can be; depth: the block of K. */
__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
gemm_tile(__global float *restrict C0, __global const float *restrict A,
          __global const float *restrict B, __global const float *restrict bias, int has_bias,
          int accumulate, int M, int N, int K0, int lda, int ldb, int ldc, int tiles,
          int group_tiles, int depth) {
    __local float panel[TILE_DEPTH * PANEL] __attribute__((aligned(64)));
    __local float row[PANEL] __attribute__((aligned(64)));
    const int tile0 = get_group_id(0) * group_tiles, tile1 = min(tile0 + group_tiles, tiles);
    const int n0 = get_group_id(1) * PANEL, columns = min(PANEL, N - n0);
    const int height = M / tiles, higher = M % tiles; /* the first `higher` have one row more */
    vec bias0 = 0, bias1 = 0;
    if (has_bias) {
        for (int n = 0; n < PANEL; n++)
            row[n] = n < columns ? bias[n0 + n] : 0;
        bias0 = load(0, row);
        bias1 = load(1, row);
    }
    for (int k0 = 0; k0 < K0; k0 += depth) {
        const int K = min(depth, K0 - k0), add = accumulate || k0;
#ifdef TILE_B_TRANSPOSED
        pack(panel, B + (size_t)n0 * ldb + k0, ldb, columns, K);
#else
        pack(panel, B + (size_t)k0 * ldb + n0, ldb, columns, K);
#endif
        for (int t = tile0; t < tile1; t++) {
            const int m0 = t * height + min(t, higher);
            __global float *C = C0 + (size_t)m0 * ldc + n0;
#ifdef TILE_A_TRANSPOSED
            __global const float *a = A + (size_t)k0 * lda + m0;
#else
            __global const float *a = A + (size_t)m0 * lda + k0;
#endif
            __local const float *b = panel;
            switch (height + (t < higher)) { FOR_HEIGHTS(CASE_TILE) }
        }
        bias0 = bias1 = 0;
    }
}
