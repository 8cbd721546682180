/* Matrix products on matrix units: C (M,N) = A . B with fp32 sums, in the three layouts of
 * ops/gemm.
 *
 *   unit      -DMATRIX, -DOPERAND, -DSPLIT, -DEMULATE: see matrix.h
 *   sources   -DA_FP32, -DB_FP32: the buffer holds fp32, rounded to 16-bit operands on the way to
 *             local memory; else operands as the unit takes them
 *   layout    -DLAYOUT=0 NN (A (M,K), B (K,N)) | 1 NT (B (N,K)) | 2 TN (A (K,M))
 *   tile      -DBM, -DBN of a work-group, -DWM, -DWN of a sub-group: BM/WM x BN/WN sub-groups
 *   copies    -DASYNC -DSTAGES=n: copied n - 1 tiles ahead, without a detour through registers;
 *             else AHEAD tiles ahead in registers. -DALIGNED: rows of A and B, and their starts,
 *             are multiples of PIECE elements
 *   epilogue  -DGELU: E = gelu(C) | -DGELU_BACKWARD: C = product gelu'(E); neither with accumulate
 *   split     -DPARTIAL: C is (splits,M,N), a stretch of K each, and sums (splits,N);
 *             gemm_mma_finish adds them in order and does the rest
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
/* Tiles that are on their way in registers: NVIDIA's units have enough of these for two. */
#if MATRIX == NVIDIA
#define AHEAD 2
#else
#define AHEAD 1
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
 * the row has from there on; where rows are ALIGNED, all of a piece or none. */
static inline uint4 fetch_elements(__global const element *from, int left) {
    uint4 p = 0;
#ifdef ALIGNED
    if (left > 0)
        p = *(__global const uint4 *)from;
#else
    UNROLL
    for (int i = 0; i < PIECE; i++)
        if (i < left) {
#if OPERAND == 32
            p[i] = as_uint(from[i]);
#else
            p[i / 2] |= (uint)from[i] << i % 2 * 16;
#endif
        }
#endif
    return p;
}
static inline void put_elements(__local element *to, uint4 p) {
    *(__local uint4 *)to = p;
}
#if OPERAND != 32
static inline float8 fetch_fp32(__global const float *from, int left) {
    float8 p = 0;
#ifdef ALIGNED
    if (left > 0)
        p = (float8)(*(__global const float4 *)from, *(__global const float4 *)(from + 4));
#else
    UNROLL
    for (int i = 0; i < PIECE; i++)
        if (i < left)
            p[i] = from[i];
#endif
    return p;
}
static inline void put_fp32(__local element *to, float8 p) {
    put_elements(to, (uint4)(to_elements(p[0], p[1]), to_elements(p[2], p[3]),
                             to_elements(p[4], p[5]), to_elements(p[6], p[7])));
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

/* A piece that an item brings at every step: its place in the tile, where it comes from, the number
 * of its (first) k, and how many elements the matrix has there. */
#define DEFINE_PIECES(type)                                                                        \
    typedef struct type##_piece {                                                                  \
        __global const type *from;                                                                 \
        int to, k, left;                                                                           \
    } type##_piece;                                                                                \
    static inline type##_piece first_##type##_piece(__global const type *x, int i, int along_k,    \
                                                    int wide, int first, int size, int k,          \
                                                    int ld) {                                      \
        type##_piece p;                                                                            \
        const int pieces = (along_k ? BK : wide) / PIECE, r = i / pieces, c = i % pieces;          \
        const int at = first + (along_k ? r : c * PIECE);                                          \
        p.k = k + (along_k ? c * PIECE : r);                                                       \
        p.left = i < wide * BK / PIECE ? max(0, size - at) : 0;                                    \
        p.from = x + (p.left ? (along_k ? (size_t)at * ld + p.k : (size_t)p.k * ld + at) : 0);     \
        p.to = PIECE * (along_k ? PLACE_ALONG(r, c) : PLACE_ACROSS(r, c, pieces));                 \
        return p;                                                                                  \
    }                                                                                              \
    static inline int type##_left(const type##_piece *p, int along_k, int last) {                  \
        return p->left == 0 ? 0 : along_k ? last - p->k : p->k < last ? p->left : 0;               \
    }                                                                                              \
    static inline void next_##type##_piece(type##_piece *p, int along_k, int ld) {                 \
        p->from += along_k ? BK : BK * (size_t)ld;                                                 \
        p->k += BK;                                                                                \
    }
DEFINE_PIECES(source_a)
DEFINE_PIECES(source_b)
#define A_LOADS ((A_PIECES + ITEMS - 1) / ITEMS)
#define B_LOADS ((B_PIECES + ITEMS - 1) / ITEMS)

#if defined(ASYNC) && defined(EMULATE)
static inline void copy_async(__local element *to, __global const element *from, int valid) {
    *(__local uint4 *)to = valid ? *(__global const uint4 *)from : (uint4)(0);
}
#define copies_end()
#define copies_wait()
#endif

/* ---- a tile's products ---- */

#ifdef SPLIT
/* a b = (a - a') b' + a' (b - b') + a' b', where ' is the part that TF32 holds. Units drop what
 * does not fit when they add, so the sums over K are taken outside of them. */
static inline void multiply_fragments(fragment_c *c, const fragment_a *a,
                                      const fragment_b *b EXCHANGE) {
    fragment_a low_a;
    fragment_b low_b;
    fragment_c sum;
    UNROLL
    for (int e = 0; e < C_COUNT; e++)
        sum.x[e] = 0;
    rest_a(&low_a, a);
    rest_b(&low_b, b);
    multiply_once(&sum, &low_a, b EXCHANGE_ARG);
    multiply_once(&sum, a, &low_b EXCHANGE_ARG);
    multiply_once(&sum, a, b EXCHANGE_ARG);
    UNROLL
    for (int e = 0; e < C_COUNT; e++)
        c->x[e] += sum.x[e];
}
#else
#define multiply_fragments multiply_once
#endif
static inline void multiply_tile(fragment_c c[TILES_M][TILES_N], __local const element *a,
                                 __local const element *b, int m, int n EXCHANGE) {
#ifndef SPLIT /* whose parts would take more registers than there are */
    UNROLL
#endif
    for (int k = 0; k < BK; k += FK) {
        fragment_a fa[TILES_M];
        fragment_b fb[TILES_N];
        UNROLL
        for (int i = 0; i < TILES_M; i++)
            load_a(&fa[i], a, m + FM * i, k EXCHANGE_ARG);
        UNROLL
        for (int j = 0; j < TILES_N; j++)
            load_b(&fb[j], b, n + FN * j, k EXCHANGE_ARG);
        UNROLL
        for (int i = 0; i < TILES_M; i++)
            UNROLL
        for (int j = 0; j < TILES_N; j++)
            multiply_fragments(&c[i][j], &fa[i], &fb[j] EXCHANGE_ARG);
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
    source_a_piece pa[A_LOADS];
    source_b_piece pb[B_LOADS];
    UNROLL
    for (int i = 0; i < A_LOADS; i++)
        pa[i] =
            first_source_a_piece(A, get_local_id(0) + i * ITEMS, A_ALONG_K, BM, m0, M, first, lda);
    UNROLL
    for (int i = 0; i < B_LOADS; i++)
        pb[i] =
            first_source_b_piece(B, get_local_id(0) + i * ITEMS, B_ALONG_K, BN, n0, N, first, ldb);
#ifdef ASYNC
#define COPY_TILE(step)                                                                            \
    do {                                                                                           \
        if ((step) < steps) {                                                                      \
            __local element *to = tiles + (step) % STAGES * size;                                  \
            UNROLL                                                                                 \
            for (int i = 0; i < A_LOADS; i++) {                                                    \
                if ((i + 1) * ITEMS <= A_PIECES || get_local_id(0) + i * ITEMS < A_PIECES)         \
                    copy_async(to + pa[i].to, pa[i].from,                                          \
                               source_a_left(&pa[i], A_ALONG_K, last) > 0);                        \
                next_source_a_piece(&pa[i], A_ALONG_K, lda);                                       \
            }                                                                                      \
            to += A_PIECES * PIECE;                                                                \
            UNROLL                                                                                 \
            for (int i = 0; i < B_LOADS; i++) {                                                    \
                if ((i + 1) * ITEMS <= B_PIECES || get_local_id(0) + i * ITEMS < B_PIECES)         \
                    copy_async(to + pb[i].to, pb[i].from,                                          \
                               source_b_left(&pb[i], B_ALONG_K, last) > 0);                        \
                next_source_b_piece(&pb[i], B_ALONG_K, ldb);                                       \
            }                                                                                      \
        }                                                                                          \
        copies_end();                                                                              \
    } while (0)
    for (int s = 0; s < STAGES - 1; s++)
        COPY_TILE(s);
    for (int s = 0; s < steps; s++) {
        copies_wait();
        barrier(CLK_LOCAL_MEM_FENCE);
        COPY_TILE(s + STAGES - 1);
        __local const element *a = tiles + s % STAGES * size, *b = a + A_PIECES * PIECE;
        multiply_tile(c, a, b, wm, wn EXCHANGE_ARG);
        if (wants_sums)
            add_columns(columns, b);
#ifdef EMULATE
        barrier(CLK_LOCAL_MEM_FENCE);
#endif
    }
#else
    /* Tiles come AHEAD steps before they are needed, in registers, and lie in local memory for one:
     * tile t in set t % AHEAD, then in half t % 2. */
    raw_a ra[AHEAD][A_LOADS];
    raw_b rb[AHEAD][B_LOADS];
#define FETCH_TILE(set)                                                                            \
    do {                                                                                           \
        UNROLL                                                                                     \
        for (int i = 0; i < A_LOADS; i++) {                                                        \
            ra[set][i] = fetch_a(pa[i].from, source_a_left(&pa[i], A_ALONG_K, last));              \
            next_source_a_piece(&pa[i], A_ALONG_K, lda);                                           \
        }                                                                                          \
        UNROLL                                                                                     \
        for (int i = 0; i < B_LOADS; i++) {                                                        \
            rb[set][i] = fetch_b(pb[i].from, source_b_left(&pb[i], B_ALONG_K, last));              \
            next_source_b_piece(&pb[i], B_ALONG_K, ldb);                                           \
        }                                                                                          \
    } while (0)
#define PUT_TILE(set, place)                                                                       \
    do {                                                                                           \
        __local element *to = tiles + (place)*size;                                                \
        UNROLL                                                                                     \
        for (int i = 0; i < A_LOADS; i++)                                                          \
            if ((i + 1) * ITEMS <= A_PIECES || get_local_id(0) + i * ITEMS < A_PIECES)             \
                put_a(to + pa[i].to, ra[set][i]);                                                  \
        to += A_PIECES * PIECE;                                                                    \
        UNROLL                                                                                     \
        for (int i = 0; i < B_LOADS; i++)                                                          \
            if ((i + 1) * ITEMS <= B_PIECES || get_local_id(0) + i * ITEMS < B_PIECES)             \
                put_b(to + pb[i].to, rb[set][i]);                                                  \
    } while (0)
    UNROLL
    for (int t = 0; t < AHEAD; t++)
        FETCH_TILE(t);
    PUT_TILE(0, 0);
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int s = 0; s < steps; s += AHEAD) {
        UNROLL
        for (int h = 0; h < AHEAD; h++)
            if (s + h < steps) {
                const int tile_half = AHEAD == 2 ? h : s % 2;
                __local const element *a = tiles + tile_half * size, *b = a + A_PIECES * PIECE;
                if (s + h + AHEAD < steps)
                    FETCH_TILE(h);
                multiply_tile(c, a, b, wm, wn EXCHANGE_ARG);
                if (wants_sums)
                    add_columns(columns, b);
                if (s + h + 1 < steps)
                    PUT_TILE((h + 1) % AHEAD, 1 - tile_half);
                barrier(CLK_LOCAL_MEM_FENCE);
            }
    }
#endif
#define EACH_OF_ROWS                                                                               \
    UNROLL                                                                                         \
    for (int j = 0; j < TILES_N; j++)                                                              \
        UNROLL                                                                                     \
    for (int e = 0; e < C_COUNT; e++)
#define ROW(i, e)    (m0 + wm + FM * (i) + C_ROW(lane, e))
#define COLUMN(j, e) (n0 + wn + FN * (j) + C_COLUMN(lane, e))
#define WITHIN       (ROW(i, e) < M && COLUMN(j, e) < N)
#ifdef PARTIAL
    UNROLL
    for (int i = 0; i < TILES_M; i++)
        EACH_OF_ROWS {
            if (WITHIN)
                C[((size_t)part * M + ROW(i, e)) * N + COLUMN(j, e)] = c[i][j].x[e];
        }
#else
    /* What the elements' ends read comes first: they wait for memory once, not one after another.
     */
    float biases[TILES_N][C_COUNT], begun[TILES_N][C_COUNT];
    EACH_OF_ROWS
    biases[j][e] = has_bias && COLUMN(j, e) < N ? bias[COLUMN(j, e)] : 0;
    UNROLL
    for (int i = 0; i < TILES_M; i++) {
        EACH_OF_ROWS
        begun[j][e] =
            WITHIN ? begun_element(C, E, accumulate, (size_t)ROW(i, e) * ldc + COLUMN(j, e)) : 0;
        EACH_OF_ROWS {
            const size_t at = (size_t)ROW(i, e) * ldc + COLUMN(j, e);
            if (WITHIN)
                C[at] = finish_element(c[i][j].x[e], biases[j][e], begun[j][e], E, tanh_form, at);
        }
    }
#endif
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
