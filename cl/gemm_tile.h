/* What gemm_tile.cl and gemm_tile_bf16.cl share: a register tile of named variables, ROWS x VECTORS
 * vectors of WIDTH columns, by TILE_WIDTH 4, 8 or 16, TILE_ROWS 1 to 12 and TILE_VECTORS 1 to 4. */

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

/* One step of a transpose: two vectors, interleaved. */
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

/* Transposes a square of WIDTH vectors: log2(WIDTH) times the first half of the rows is interleaved
 * with the second. */
static inline void transpose_square(vec x[TILE_WIDTH]) {
    vec y[TILE_WIDTH];
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
}
