/* C (M,N) = A . B (+ bias) or C += A . B on CPU devices: a register tile of up to TILE_ROWS rows
 * and TILE_VECTORS vectors of TILE_WIDTH columns, multiplied by fma, one work-item a group.
 *
 * A group computes `group_tiles` tiles below each other in one panel of as many columns as a tile
 * has: grid (panels, groups of tiles). For each block of K it copies the panel of B into local
 * memory, zeros behind its last column, and runs all its tiles over that; A is read where it lies,
 * one value a row and step. So every layout and every remainder has the same inner loop, and the
 * copy, which transposes B for NT, costs little beside the tiles that use it. Groups side by side
 * share their block of A through the cache. The few rows of a tile are on purpose: with 12, rows
 * 4 KiB apart fall out of an 8-way first-level cache before their line is used up.
 *
 * Options: TILE_WIDTH 4, 8 or 16; TILE_ROWS 1 to 12; TILE_VECTORS 1 to 4; TILE_DEPTH, the longest
 * block of K, whole vectors; TILE_A_TRANSPOSED (TN) or TILE_B_TRANSPOSED (NT). */

#define CAT_(a, b) a##b
#define CAT(a, b) CAT_(a, b)
#define vec CAT(float, TILE_WIDTH)
#define load CAT(vload, TILE_WIDTH)
#define store CAT(vstore, TILE_WIDTH)
#define PANEL (TILE_VECTORS * TILE_WIDTH)

/* VECTORS_v(X, i): X(i, j) for each of v vectors j. */
#define VECTORS_1(X, i) X(i, 0)
#define VECTORS_2(X, i) VECTORS_1(X, i) X(i, 1)
#define VECTORS_3(X, i) VECTORS_2(X, i) X(i, 2)
#define VECTORS_4(X, i) VECTORS_3(X, i) X(i, 3)
/* ROWS_n(X, V): X(i, V) for each row i of a tile of n rows. */
#define ROWS_1(X, V) X(0, V)
#define ROWS_2(X, V) ROWS_1(X, V) X(1, V)
#define ROWS_3(X, V) ROWS_2(X, V) X(2, V)
#define ROWS_4(X, V) ROWS_3(X, V) X(3, V)
#define ROWS_5(X, V) ROWS_4(X, V) X(4, V)
#define ROWS_6(X, V) ROWS_5(X, V) X(5, V)
#define ROWS_7(X, V) ROWS_6(X, V) X(6, V)
#define ROWS_8(X, V) ROWS_7(X, V) X(7, V)
#define ROWS_9(X, V) ROWS_8(X, V) X(8, V)
#define ROWS_10(X, V) ROWS_9(X, V) X(9, V)
#define ROWS_11(X, V) ROWS_10(X, V) X(10, V)
#define ROWS_12(X, V) ROWS_11(X, V) X(11, V)
/* HEIGHTS_n(X, V): X(h, V) for each height h of a tile from 1 to n. */
#define HEIGHTS_1(X, V) X(1, V)
#define HEIGHTS_2(X, V) HEIGHTS_1(X, V) X(2, V)
#define HEIGHTS_3(X, V) HEIGHTS_2(X, V) X(3, V)
#define HEIGHTS_4(X, V) HEIGHTS_3(X, V) X(4, V)
#define HEIGHTS_5(X, V) HEIGHTS_4(X, V) X(5, V)
#define HEIGHTS_6(X, V) HEIGHTS_5(X, V) X(6, V)
#define HEIGHTS_7(X, V) HEIGHTS_6(X, V) X(7, V)
#define HEIGHTS_8(X, V) HEIGHTS_7(X, V) X(8, V)
#define HEIGHTS_9(X, V) HEIGHTS_8(X, V) X(9, V)
#define HEIGHTS_10(X, V) HEIGHTS_9(X, V) X(10, V)
#define HEIGHTS_11(X, V) HEIGHTS_10(X, V) X(11, V)
#define HEIGHTS_12(X, V) HEIGHTS_11(X, V) X(12, V)
#define FOR_HEIGHTS(X, V) CAT(HEIGHTS_, TILE_ROWS)(X, V)

#ifdef TILE_A_TRANSPOSED
#define A_ROW(i) a[i]
#define A_NEXT lda
#else
#define A_ROW(i) a[(i) * lda]
#define A_NEXT 1
#endif

/* The first `columns` of a vector into C: + bias in the first block of K, + C from then on. */
inline void store_vector(__global float *C, vec c, __local const float *bias, int columns, int add,
                         __local float *scratch) {
    if (columns >= TILE_WIDTH) {
        store(c + (add ? load(0, C) : load(0, bias)), 0, C);
        return;
    }
    store(c, 0, scratch);
    for (int n = 0; n < columns; n++)
        C[n] = scratch[n] + (add ? C[n] : bias[n]);
}

/* tile_RxV: R rows of V vectors, in named variables so that they stay in registers. */
#define ZERO(i, j) vec c##i##_##j = 0;
#define ZERO_ROW(i, V) VECTORS_##V(ZERO, i)
#define LOAD_B(i, j) const vec b##j = load(j, b);
#define FMA(i, j) c##i##_##j = fma(x, b##j, c##i##_##j);
#define FMA_ROW(i, V)                                                                              \
    {                                                                                              \
        const vec x = A_ROW(i);                                                                    \
        VECTORS_##V(FMA, i)                                                                        \
    }
#define STORE(i, j)                                                                                \
    store_vector(C + (size_t)(i) * ldc + j * TILE_WIDTH, c##i##_##j, bias + j * TILE_WIDTH,        \
                 columns - j * TILE_WIDTH, add, scratch);
#define STORE_ROW(i, V) VECTORS_##V(STORE, i)
#define TILE(R, V)                                                                                 \
    inline void tile_##R##x##V(__global float *C, int ldc, __global const float *a, int lda,       \
                               __local const float *b, int K, __local const float *bias,           \
                               int columns, int add, __local float *scratch) {                     \
        ROWS_##R(ZERO_ROW, V);                                                                     \
        for (int k = 0; k < K; k++, a += A_NEXT, b += PANEL) {                                     \
            VECTORS_##V(LOAD_B, 0);                                                                \
            ROWS_##R(FMA_ROW, V);                                                                  \
        }                                                                                          \
        ROWS_##R(STORE_ROW, V);                                                                    \
    }
#define CASE_TILE(R, V)                                                                            \
    case R:                                                                                        \
        tile_##R##x##V(C, ldc, a, lda, b, K, bias, columns, add, scratch);                         \
        break;
/* tiles_V: a tile of any height and V vectors */
#define TILES(V)                                                                                   \
    FOR_HEIGHTS(TILE, V)                                                                           \
    inline void tiles_##V(int height, __global float *C, int ldc, __global const float *a,         \
                          int lda, __local const float *b, int K, __local const float *bias,       \
                          int columns, int add, __local float *scratch) {                          \
        switch (height) { FOR_HEIGHTS(CASE_TILE, V) }                                              \
    }
#define CASE_TILES(V)                                                                              \
    case V:                                                                                        \
        tiles_##V(height, C, ldc, a, lda, b, K, bias, columns, add, scratch);                      \
        break;
#define WIDTHS_1(X) X(1)
#define WIDTHS_2(X) WIDTHS_1(X) X(2)
#define WIDTHS_3(X) WIDTHS_2(X) X(3)
#define WIDTHS_4(X) WIDTHS_3(X) X(4)
#define FOR_WIDTHS(X) CAT(WIDTHS_, TILE_VECTORS)(X)
FOR_WIDTHS(TILES)

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
#define COPY(i, j) store(load(j, B), j, panel);
inline void pack(__local float *panel, __global const float *B, int ldb, int columns, int K) {
    if (columns == PANEL)
        for (int k = 0; k < K; k++, B += ldb, panel += PANEL) {
            CAT(VECTORS_, TILE_VECTORS)(COPY, 0)
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
          __global const float *restrict B, __global const float *restrict bias0, int has_bias,
          int accumulate, int M, int N, int K0, int lda, int ldb, int ldc, int tiles,
          int group_tiles, int depth) {
    __local float panel[TILE_DEPTH * PANEL] __attribute__((aligned(64)));
    __local float bias[PANEL] __attribute__((aligned(64)));
    __local float scratch[TILE_WIDTH] __attribute__((aligned(64)));
    const int n0 = get_group_id(0) * PANEL, columns = min(PANEL, N - n0);
    const int tile0 = get_group_id(1) * group_tiles, tile1 = min(tile0 + group_tiles, tiles);
    const int rows = M / tiles, longer = M % tiles; /* the first `longer` have one row more */
    const int vectors = (columns + TILE_WIDTH - 1) / TILE_WIDTH;
    for (int n = 0; n < PANEL; n++)
        bias[n] = has_bias && n < columns ? bias0[n0 + n] : 0;
    for (int k0 = 0; k0 < K0; k0 += depth) {
        const int K = min(depth, K0 - k0), add = accumulate || k0;
#ifdef TILE_B_TRANSPOSED
        pack(panel, B + (size_t)n0 * ldb + k0, ldb, columns, K);
#else
        pack(panel, B + (size_t)k0 * ldb + n0, ldb, columns, K);
#endif
        for (int t = tile0; t < tile1; t++) {
            const int m0 = t * rows + min(t, longer), height = rows + (t < longer);
            __global float *C = C0 + (size_t)m0 * ldc + n0;
#ifdef TILE_A_TRANSPOSED
            __global const float *a = A + (size_t)k0 * lda + m0;
#else
            __global const float *a = A + (size_t)m0 * lda + k0;
#endif
            __local const float *b = panel;
            switch (vectors) { FOR_WIDTHS(CASE_TILES) }
        }
    }
}
