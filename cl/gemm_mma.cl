/* Matrix products on matrix units: C (M,N) = A . B with fp32 sums, in the three layouts of
 * ops/gemm.
 *
 *   unit      -DMATRIX, -DOPERAND, -DSPLIT, -DEMULATE: see matrix.h
 *   sources   -DA_FP32, -DB_FP32: the buffer holds fp32, rounded to 16-bit operands on the way to
 * local memory; else operands as the unit takes them layout    -DLAYOUT=0 NN (A (M,K), B (K,N)) | 1
 * NT (B (N,K)) | 2 TN (A (K,M)) tile      -DBM, -DBN of a work-group, -DWM, -DWN of a sub-group:
 * BM/WM x BN/WN sub-groups copies    -DASYNC -DSTAGES=n: copied n - 1 tiles ahead, without a detour
 * through registers; else a tile ahead in registers. -DALIGNED: rows of A and B, and their starts,
 * are multiples of PIECE elements epilogue  -DGELU: E = gelu(C) | -DGELU_BACKWARD: C = product
 * gelu'(E); neither with accumulate split     -DPARTIAL: C is (splits,M,N), a stretch of K each,
 * and sums (splits,N); gemm_mma_finish adds them in order and does the rest
 *
 * Grid: (ceil(N/BN), ceil(M/BM), splits) groups of ITEMS. What lies outside a matrix is neither
 * read nor written. sums (N), of B's columns, are taken by the groups of the first rows. */
#define NN        0
#define NT        1
#define TN        2
#define A_ALONG_K (LAYOUT != TN)
#define B_ALONG_K (LAYOUT == NT)
#if OPERAND == 32
#define BK    16
#define PIECE 4 /* elements in 16 bytes */
#else
#define BK    32
#define PIECE 8
#endif

/* Place of piece c of row r among a tile's pieces, so that what sub-groups read at once lies in
 * different banks of local memory: rows along K have four pieces, rows across it `pieces`. */
#define PLACE_ALONG(r, c) ((r)*4 + ((c) ^ ((r) >> 1 & 3)))
#if OPERAND == 32
#define PLACE_ACROSS(r, c, pieces) ((r) * (pieces) + ((c) ^ (2 * ((r)&3))))
#else
#define PLACE_ACROSS(r, c, pieces)                                                                 \
    ((r) * (pieces) + ((c) ^ ((r) & ((pieces) < 8 ? (pieces)-1 : 7))))
#endif

static inline int tile_a(int m, int k) {
    return A_ALONG_K ? PLACE_ALONG(m, k / PIECE) * PIECE + k % PIECE
                     : PLACE_ACROSS(k, m / PIECE, BM / PIECE) * PIECE + m % PIECE;
}
static inline int tile_b(int n, int k) {
    return B_ALONG_K ? PLACE_ALONG(n, k / PIECE) * PIECE + k % PIECE
                     : PLACE_ACROSS(k, n / PIECE, BN / PIECE) * PIECE + n % PIECE;
}

#include "matrix.h"
typedef float fv;
#include "gelu.h"
#include "gemm_epilogue.h"

#define TILES_M  (WM / FM)
#define TILES_N  (WN / FN)
#define ITEMS    (LANES * (BM / WM) * (BN / WN))
#define A_PIECES (BM * BK / PIECE)
#define B_PIECES (BN * BK / PIECE)
#ifndef ASYNC
#define STAGES 2
#endif

#if defined(A_FP32) || OPERAND == 32
typedef float source_a;
#else
typedef element source_a;
#endif
#if defined(B_FP32) || OPERAND == 32
typedef float source_b;
#else
typedef element source_b;
#endif

/* ---- from global to local memory ---- */

/* A piece on its way through registers: PIECE elements, or as many fp32 numbers. `left`: how many
 * the row has from there on. */
#ifdef ALIGNED
#define WHOLE(left) ((left) >= PIECE)
#else
#define WHOLE(left) 0
#endif
static inline uint4 fetch_elements(__global const element *from, int left) {
    if (WHOLE(left))
        return *(__global const uint4 *)from;
    uint4 p = 0;
    UNROLL
    for (int i = 0; i < PIECE; i++)
        if (i < left) {
#if OPERAND == 32
            p[i] = as_uint(from[i]);
#else
            p[i / 2] |= (uint)from[i] << i % 2 * 16;
#endif
        }
    return p;
}
static inline void put_elements(__local element *to, uint4 p) {
    *(__local uint4 *)to = p;
}
#if OPERAND != 32
static inline float8 fetch_fp32(__global const float *from, int left) {
    if (WHOLE(left))
        return (float8)(*(__global const float4 *)from, *(__global const float4 *)(from + 4));
    float8 p = 0;
    UNROLL
    for (int i = 0; i < PIECE; i++)
        if (i < left)
            p[i] = from[i];
    return p;
}
static inline void put_fp32(__local element *to, float8 p) {
    put_elements(to, (uint4)(to_element(p[0]) | (uint)to_element(p[1]) << 16,
                             to_element(p[2]) | (uint)to_element(p[3]) << 16,
                             to_element(p[4]) | (uint)to_element(p[5]) << 16,
                             to_element(p[6]) | (uint)to_element(p[7]) << 16));
}
#endif
#if defined(A_FP32) && OPERAND != 32
typedef float8 raw_a;
#define fetch_a fetch_fp32
#define put_a   put_fp32
#else
typedef uint4 raw_a;
#define fetch_a fetch_elements
#define put_a   put_elements
#endif
#if defined(B_FP32) && OPERAND != 32
typedef float8 raw_b;
#define fetch_b fetch_fp32
#define put_b   put_fp32
#else
typedef uint4 raw_b;
#define fetch_b fetch_elements
#define put_b   put_elements
#endif

/* Piece number i of a tile of `wide` rows or columns: where it lies in the tile and the matrix, and
 * how much of it is in there. */
typedef struct piece_place {
    int to, left;
    size_t from;
} piece_place;
static inline piece_place find_piece(int i, int along_k, int wide, int first, int size, int k,
                                     int K, int ld) {
    piece_place p;
    const int pieces = (along_k ? BK : wide) / PIECE, r = i / pieces, c = i % pieces;
    const int row = along_k ? first + r : k + r, column = (along_k ? k : first) + c * PIECE;
    p.left = row < (along_k ? size : K) ? max(0, (along_k ? K : size) - column) : 0;
    p.from = p.left ? (size_t)row * ld + column : 0;
    p.to = PIECE * (along_k ? PLACE_ALONG(r, c) : PLACE_ACROSS(r, c, pieces));
    return p;
}

#ifdef ASYNC
#ifdef EMULATE
static inline void copy_async(__local element *to, __global const element *from, int valid) {
    *(__local uint4 *)to = valid ? *(__global const uint4 *)from : (uint4)(0);
}
#define copies_end()
#define copies_wait()
#endif
static inline void copy_tile(__local element *tile, __global const element *x, int along_k,
                             int wide, int first, int size, int k, int K, int ld) {
    UNROLL
    for (int i = get_local_id(0); i < wide * BK / PIECE; i += ITEMS) {
        const piece_place p = find_piece(i, along_k, wide, first, size, k, K, ld);
        copy_async(tile + p.to, x + p.from, p.left > 0);
    }
}
#endif

/* ---- a tile's products ---- */

static inline void multiply_tile(fragment_c c[TILES_M][TILES_N], __local const element *a,
                                 __local const element *b, int m, int n EXCHANGE) {
    UNROLL
    for (int k = 0; k < BK; k += FK) {
        fragment_a fa[TILES_M];
        fragment_b fb[TILES_N];
        UNROLL
        for (int i = 0; i < TILES_M; i++)
            load_a(&fa[i], a, m + FM * i, k EXCHANGE_ARG);
        UNROLL
        for (int j = 0; j < TILES_N; j++)
            load_b(&fb[j], b, n + FN * j, k EXCHANGE_ARG);
#ifdef SPLIT
        UNROLL
        for (int i = 0; i < TILES_M; i++)
            UNROLL
        for (int j = 0; j < TILES_N; j++) {
            fragment_a low_a;
            fragment_b low_b;
            rest_a(&low_a, &fa[i]);
            rest_b(&low_b, &fb[j]);
            multiply_once(&c[i][j], &low_a, &fb[j] EXCHANGE_ARG);
            multiply_once(&c[i][j], &fa[i], &low_b EXCHANGE_ARG);
        }
#endif
        UNROLL
        for (int i = 0; i < TILES_M; i++)
            UNROLL
        for (int j = 0; j < TILES_N; j++)
            multiply_once(&c[i][j], &fa[i], &fb[j] EXCHANGE_ARG);
    }
}

/* Adds a tile of B to its columns' sums: an item has columns n, n + ITEMS, ... */
#define COLUMNS ((BN + ITEMS - 1) / ITEMS)
static inline void add_columns(float sums[COLUMNS], __local const element *b) {
    UNROLL
    for (int i = 0; i < COLUMNS; i++) {
        const int n = get_local_id(0) + i * ITEMS;
        if (n < BN)
            for (int k = 0; k < BK; k++)
                sums[i] += from_element(b[tile_b(n, k)]);
    }
}

__attribute__((reqd_work_group_size(ITEMS, 1, 1)))
#if !defined(EMULATE) && (MATRIX == INTEL8 || MATRIX == INTEL16)
__attribute__((intel_reqd_sub_group_size(LANES)))
#endif
__kernel void
gemm_mma(__global float *C, __global const source_a *A, __global const source_b *B,
         __global const float *bias, int has_bias, __global float *E, __global float *sums,
         int has_sums, int tanh_form, int accumulate, int M, int N, int K, int lda, int ldb,
         int ldc, int depth) {
    __local uint4 memory[STAGES * (A_PIECES + B_PIECES)];
    __local element *tiles = (__local element *)memory;
#ifdef EMULATE
    __local float exchanges[ITEMS / LANES * EXCHANGE_FLOATS];
    __local float *exchange = exchanges + get_local_id(0) / LANES * EXCHANGE_FLOATS;
#endif
    const int n0 = get_group_id(0) * BN, m0 = get_group_id(1) * BM, part = get_group_id(2);
    const int lane = LANE, sub_group = get_local_id(0) / LANES;
    const int wm = sub_group / (BN / WN) * WM, wn = sub_group % (BN / WN) * WN;
    const int first = part * depth, last = min(K, first + depth);
    const int steps = (last - first + BK - 1) / BK, size = (A_PIECES + B_PIECES) * PIECE;
    const int wants_sums = has_sums && m0 == 0;
    fragment_c c[TILES_M][TILES_N];
    float columns[COLUMNS];
    UNROLL
    for (int i = 0; i < TILES_M; i++)
        UNROLL
    for (int j = 0; j < TILES_N; j++)
        UNROLL
    for (int e = 0; e < C_COUNT; e++)
        c[i][j].x[e] = 0;
    UNROLL
    for (int i = 0; i < COLUMNS; i++)
        columns[i] = 0;
#ifdef ASYNC
    for (int s = 0; s < STAGES - 1; s++) {
        if (s < steps) {
            __local element *a = tiles + s * size;
            copy_tile(a, A, A_ALONG_K, BM, m0, M, first + s * BK, last, lda);
            copy_tile(a + A_PIECES * PIECE, B, B_ALONG_K, BN, n0, N, first + s * BK, last, ldb);
        }
        copies_end();
    }
    for (int s = 0; s < steps; s++) {
        copies_wait();
        barrier(CLK_LOCAL_MEM_FENCE);
        const int next = s + STAGES - 1;
        if (next < steps) {
            __local element *a = tiles + next % STAGES * size;
            copy_tile(a, A, A_ALONG_K, BM, m0, M, first + next * BK, last, lda);
            copy_tile(a + A_PIECES * PIECE, B, B_ALONG_K, BN, n0, N, first + next * BK, last, ldb);
        }
        copies_end();
        __local const element *a = tiles + s % STAGES * size, *b = a + A_PIECES * PIECE;
        multiply_tile(c, a, b, wm, wn EXCHANGE_ARG);
        if (wants_sums)
            add_columns(columns, b);
#ifdef EMULATE
        barrier(CLK_LOCAL_MEM_FENCE);
#endif
    }
#else
#define A_LOADS ((A_PIECES + ITEMS - 1) / ITEMS)
#define B_LOADS ((B_PIECES + ITEMS - 1) / ITEMS)
    raw_a ra[A_LOADS];
    raw_b rb[B_LOADS];
    for (int s = -1; s < steps; s++) {
        const int next = s + 1, k = first + next * BK;
        if (next < steps) { /* the loads of a tile run while the one before is multiplied */
            UNROLL
            for (int i = 0; i < A_LOADS; i++) {
                const piece_place p =
                    find_piece(get_local_id(0) + i * ITEMS, A_ALONG_K, BM, m0, M, k, last, lda);
                ra[i] = fetch_a(A + p.from, p.left);
            }
            UNROLL
            for (int i = 0; i < B_LOADS; i++) {
                const piece_place p =
                    find_piece(get_local_id(0) + i * ITEMS, B_ALONG_K, BN, n0, N, k, last, ldb);
                rb[i] = fetch_b(B + p.from, p.left);
            }
        }
        if (s >= 0) {
            __local const element *a = tiles + s % 2 * size, *b = a + A_PIECES * PIECE;
            multiply_tile(c, a, b, wm, wn EXCHANGE_ARG);
            if (wants_sums)
                add_columns(columns, b);
        }
        if (next < steps) {
            __local element *a = tiles + next % 2 * size, *b = a + A_PIECES * PIECE;
            UNROLL
            for (int i = 0; i < A_LOADS; i++)
                if (get_local_id(0) + i * ITEMS < A_PIECES)
                    put_a(a + find_piece(get_local_id(0) + i * ITEMS, A_ALONG_K, BM, m0, M, k, last,
                                         lda)
                                  .to,
                          ra[i]);
            UNROLL
            for (int i = 0; i < B_LOADS; i++)
                if (get_local_id(0) + i * ITEMS < B_PIECES)
                    put_b(b + find_piece(get_local_id(0) + i * ITEMS, B_ALONG_K, BN, n0, N, k, last,
                                         ldb)
                                  .to,
                          rb[i]);
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }
#endif
    UNROLL
    for (int i = 0; i < TILES_M; i++)
        UNROLL
    for (int j = 0; j < TILES_N; j++)
        UNROLL
    for (int e = 0; e < C_COUNT; e++) {
        const int m = m0 + wm + FM * i + C_ROW(lane, e);
        const int n = n0 + wn + FN * j + C_COLUMN(lane, e);
        if (m >= M || n >= N)
            continue;
#ifdef PARTIAL
        C[((size_t)part * M + m) * N + n] = c[i][j].x[e];
#else
        const size_t at = (size_t)m * ldc + n;
        C[at] = finish_element(c[i][j].x[e], C, bias, has_bias, E, accumulate, tanh_form, at, n);
#endif
    }
    if (wants_sums) {
        UNROLL
        for (int i = 0; i < COLUMNS; i++) {
            const int n = get_local_id(0) + i * ITEMS;
            if (n < BN && n0 + n < N) {
#ifdef PARTIAL
                sums[(size_t)part * N + n0 + n] = columns[i];
#else
                sums[n0 + n] = accumulate ? sums[n0 + n] + columns[i] : columns[i];
#endif
            }
        }
    }
}
