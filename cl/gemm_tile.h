/* What gemm_tile.cl and gemm_tile_bf16.cl share: a register tile of named variables, ROWS x VECTORS
 * vectors of WIDTH columns, by TILE_WIDTH 4, 8 or 16, TILE_ROWS 1 to 12 and TILE_VECTORS 1 to 4;
 * and what is done with a tile of C as soon as it is complete and still near, with E (M,N), rows as
 * C's: TILE_GELU (E = gelu(C); E may be C) or TILE_GELU_BACKWARD (C *= gelu'(E)). */

#define CAT_(a, b) a##b
#define CAT(a, b)  CAT_(a, b)
#define vec        CAT(float, TILE_WIDTH)
#define load       CAT(vload, TILE_WIDTH)
#define store      CAT(vstore, TILE_WIDTH)
#define PANEL      (TILE_VECTORS * TILE_WIDTH)

/* VECTORS(X, i): X(i, j) for each vector j of a row. */
#define VECTORS_1(X, i) X(i, 0)
#define VECTORS_2(X, i) VECTORS_1(X, i) X(i, 1)
#define VECTORS_3(X, i) VECTORS_2(X, i) X(i, 2)
#define VECTORS_4(X, i) VECTORS_3(X, i) X(i, 3)
#define VECTORS         CAT(VECTORS_, TILE_VECTORS)
/* ROWS(n, X): X(i) for each row i of a tile of n rows. */
#define ROWS_1(X)  X(0)
#define ROWS_2(X)  ROWS_1(X) X(1)
#define ROWS_3(X)  ROWS_2(X) X(2)
#define ROWS_4(X)  ROWS_3(X) X(3)
#define ROWS_5(X)  ROWS_4(X) X(4)
#define ROWS_6(X)  ROWS_5(X) X(5)
#define ROWS_7(X)  ROWS_6(X) X(6)
#define ROWS_8(X)  ROWS_7(X) X(7)
#define ROWS_9(X)  ROWS_8(X) X(8)
#define ROWS_10(X) ROWS_9(X) X(9)
#define ROWS_11(X) ROWS_10(X) X(10)
#define ROWS_12(X) ROWS_11(X) X(11)
#define ROWS(n, X) CAT(ROWS_, n)(X)

/* A tile's variables, its way to C (+ C if `add`, else + bias) and to `scratch`. */
#define ZERO(i, j)  vec c##i##_##j = 0;
#define ZERO_ROW(i) VECTORS(ZERO, i)
#define STORE(i, j)                                                                                \
    store(c##i##_##j + (add ? load(j, C + (size_t)(i)*ldc) : load(j, bias)), j,                    \
          C + (size_t)(i)*ldc);
#define STORE_ROW(i) VECTORS(STORE, i)
#define KEEP(i, j)   store(c##i##_##j, j, scratch + (i)*PANEL);
#define KEEP_ROW(i)  VECTORS(KEEP, i)

#define SIDE TILE_WIDTH
#include "transpose.h"

/* Of a tile that is not whole, `rows` rows of `columns` columns: + C if `add`, else + bias. */
static inline void store_narrow(__global float *C, int ldc, int rows, int columns, int add,
                                __local const float *bias, __local const float *scratch) {
    for (int i = 0; i < rows; i++, C += ldc, scratch += PANEL)
        for (int n = 0; n < columns; n++)
            C[n] = scratch[n] + (add ? C[n] : bias[n]);
}

#if defined(TILE_GELU) || defined(TILE_GELU_BACKWARD)
#define TILE_EPILOGUE
typedef vec fv;
#include "gelu.h"
#ifdef TILE_GELU
#define READS         C
#define WRITES        E
#define COMPUTE(x, c) gelu(x, tanh_form)
#else
#define READS         E
#define WRITES        C
#define COMPUTE(x, c) (c * gelu_derivative(x, tanh_form))
#endif
static inline void epilogue(__global float *C, __global float *E, int ldc, int rows, int columns,
                            int tanh_form) {
    for (int i = 0; i < rows; i++, C += ldc, E += ldc) {
        int n = 0;
        for (; n + TILE_WIDTH <= columns; n += TILE_WIDTH)
            store(COMPUTE(load(0, READS + n), load(0, C + n)), 0, WRITES + n);
        if (n < columns) {
            /* not in local memory: there PoCL 3.1 gives wrong values now and then */
            float part[2 * TILE_WIDTH];
            for (int k = n; k < columns; k++) {
                part[k - n] = READS[k];
                part[TILE_WIDTH + k - n] = C[k];
            }
            store(COMPUTE(load(0, part), load(1, part)), 0, part);
            for (int k = n; k < columns; k++)
                WRITES[k] = part[k - n];
        }
    }
}
#endif
/* Behind n rows of C, in a kernel: after the last block of K. */
#ifdef TILE_EPILOGUE
#define COMPLETE(n)                                                                                \
    if (k0 + K == K0)                                                                              \
        epilogue(C, E0 + (C - C0), ldc, n, columns, tanh_form);
#else
#define COMPLETE(n)
#endif
