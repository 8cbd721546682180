/* Matrix products on matrix units: C (M,N) = A . B with fp32 sums, in the three layouts of
 * ops/gemm.
 *
 *   unit      -DMATRIX, -DOPERAND, -DSPLIT, -DEMULATE: see matrix.h
 *   sources   -DA_FP32, -DB_FP32: the buffer holds fp32, rounded to 16-bit operands on the way to
 *             local memory; else operands as the unit takes them
 *   layout    -DLAYOUT=0 NN (A (M,K), B (K,N)) | 1 NT (B (N,K)) | 2 TN (A (K,M)), or
 *             -DGRADIENTS: gemm_mma_gradients, which has an NT and a TN in one launch
 *   tile      -DBM, -DBN of a work-group, -DWM, -DWN of a sub-group: BM/WM x BN/WN sub-groups
 *   copies    -DASYNC -DSTAGES=n: copied n - 1 tiles ahead, without a detour through registers;
 *             else AHEAD tiles ahead in registers. -DALIGNED: rows of A and B, and their starts,
 *             are multiples of PIECE elements
 *   epilogue  -DEPILOGUE, see gemm_epilogue.h; not with accumulate
 *   result    -DHALF: what it ends in, E of GELU and else C (of gemm_mma_gradients dX), is kept in
 *             the operands' 16 bits; not in parts, nor with accumulate. -DNO_C: GELU's C is not
 *             kept at all
 *   split     in parts: C is (splits,M,N), a stretch of K each, and sums (splits,N);
 *             gemm_mma_finish adds them in order and does the rest. -DPARTIAL for gemm_mma
 *
 * What lies outside a matrix is neither read nor written. sums (N), of B's columns, are taken by
 * the groups of the first rows. */
#define NN 0
#define NT 1
#define TN 2
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

/* Where an element lies in its tile. */
static inline int tile_a(int along_k, int m, int k) {
    return along_k ? PLACE_ALONG(m, k / PIECE) * PIECE + k % PIECE
                   : PLACE_ACROSS(k, m / PIECE, BM / PIECE) * PIECE + m % PIECE;
}
static inline int tile_b(int along_k, int n, int k) {
    return along_k ? PLACE_ALONG(n, k / PIECE) * PIECE + k % PIECE
                   : PLACE_ACROSS(k, n / PIECE, BN / PIECE) * PIECE + n % PIECE;
}

/* Numbers whose address a function gets lie in memory unless it is there where it is called. What
 * gemm_mma calls once compilers place so unasked, with fewer registers. */
#define INLINE static inline __attribute__((always_inline))
#ifdef GRADIENTS
#define INLINE_TWICE INLINE
#else
#define INLINE_TWICE static inline
#endif

#include "matrix.h"
#include "grid.h"
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

/* What the buffers hold: ROUNDS where that is rounded to the unit's operands. */
#if defined(A_FP32) && OPERAND != 32
#define ROUNDS_A 1
typedef float source_a;
#else
#define ROUNDS_A 0
typedef element source_a;
#endif
#if defined(B_FP32) && OPERAND != 32
#define ROUNDS_B 1
typedef float source_b;
#else
#define ROUNDS_B 0
typedef element source_b;
#endif
#ifndef EPILOGUE
#define EPILOGUE PLAIN
#endif
#ifdef HALF
#define KEEPS_HALF 1
#else
#define KEEPS_HALF 0
#endif
#ifdef NO_C
#define KEEPS_C 0
#else
#define KEEPS_C 1
#endif
#ifdef PARTIAL
#define IN_PARTS 1
#else
#define IN_PARTS 0
#endif

/* ---- from global to local memory ---- */

/* A piece on its way through registers: PIECE elements, in `low`, or as many fp32 numbers that are
 * to be rounded. `left`: how many the row has from there on; where rows are ALIGNED, all of a piece
 * or none. */
typedef struct raw {
    uint4 low, high;
} raw;
static inline raw fetch(__global const uchar *from, int rounds, int left) {
    raw p = {0, 0};
#ifdef ALIGNED
    if (left > 0) {
        p.low = *(__global const uint4 *)from;
        if (rounds)
            p.high = *((__global const uint4 *)from + 1);
    }
#else
    UNROLL
    for (int i = 0; i < PIECE; i++)
        if (i < left) {
            if (OPERAND != 32 && !rounds)
                p.low[i / 2 % 4] |= (uint)((__global const ushort *)from)[i] << i % 2 * 16;
            else if (i < 4)
                p.low[i % 4] = ((__global const uint *)from)[i];
            else
                p.high[i % 4] = ((__global const uint *)from)[i];
        }
#endif
    return p;
}
static inline void put(__local element *to, raw p, int rounds) {
#if OPERAND != 32
    if (rounds)
        p.low = (uint4)(to_elements(as_float(p.low.x), as_float(p.low.y)),
                        to_elements(as_float(p.low.z), as_float(p.low.w)),
                        to_elements(as_float(p.high.x), as_float(p.high.y)),
                        to_elements(as_float(p.high.z), as_float(p.high.w)));
#endif
    *(__local uint4 *)to = p.low;
}

/* A piece that an item brings at every step: its place in the tile, where it comes from, the number
 * of its (first) k, and how many elements the matrix has there. */
typedef struct piece {
    __global const uchar *from;
    int to, k, left;
} piece;
static inline size_t source_bytes(int rounds) {
    return rounds ? sizeof(float) : sizeof(element);
}
static inline piece first_piece(__global const uchar *x, int rounds, int i, int along_k, int wide,
                                int first, int size, int k, int ld) {
    piece p;
    const int pieces = (along_k ? BK : wide) / PIECE, r = i / pieces, c = i % pieces;
    const int at = first + (along_k ? r : c * PIECE);
    p.k = k + (along_k ? c * PIECE : r);
    p.left = i < wide * BK / PIECE ? max(0, size - at) : 0;
    const size_t e = p.left ? (along_k ? (size_t)at * ld + p.k : (size_t)p.k * ld + at) : 0;
    p.from = x + e * source_bytes(rounds);
    p.to = PIECE * (along_k ? PLACE_ALONG(r, c) : PLACE_ACROSS(r, c, pieces));
    return p;
}
static inline int piece_left(const piece *p, int along_k, int last) {
    return p->left == 0 ? 0 : along_k ? last - p->k : p->k < last ? p->left : 0;
}
static inline void next_piece(piece *p, int rounds, int along_k, int ld) {
    p->from += (along_k ? BK : BK * (size_t)ld) * source_bytes(rounds);
    p->k += BK;
}
#define A_LOADS ((A_PIECES + ITEMS - 1) / ITEMS)
#define B_LOADS ((B_PIECES + ITEMS - 1) / ITEMS)

#if defined(ASYNC) && defined(EMULATE)
static inline void copy_async(__local element *to, __global const void *from, int valid) {
    *(__local uint4 *)to = valid ? *(__global const uint4 *)from : (uint4)(0);
}
#define copies_end()
#define copies_wait()
#endif

/* ---- a tile's products ---- */

#ifdef SPLIT
/* a b = (a - a') b' + a' (b - b') + a' b', where ' is the part that TF32 holds. Units drop what
 * does not fit when they add, so the sums over K are taken outside of them. */
INLINE_TWICE void multiply_fragments(fragment_c *c, const fragment_a *a,
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
INLINE_TWICE void multiply_tile(fragment_c c[TILES_M][TILES_N], __local const element *a,
                                __local const element *b, int a_along_k, int b_along_k, int m,
                                int n EXCHANGE) {
#ifndef SPLIT /* whose parts would take more registers than there are */
    UNROLL
#endif
    for (int k = 0; k < BK; k += FK) {
        fragment_a fa[TILES_M];
        fragment_b fb[TILES_N];
        UNROLL
        for (int i = 0; i < TILES_M; i++)
            load_a(&fa[i], a, a_along_k, m + FM * i, k EXCHANGE_ARG);
        UNROLL
        for (int j = 0; j < TILES_N; j++)
            load_b(&fb[j], b, b_along_k, n + FN * j, k EXCHANGE_ARG);
        UNROLL
        for (int i = 0; i < TILES_M; i++)
            UNROLL
        for (int j = 0; j < TILES_N; j++)
            multiply_fragments(&c[i][j], &fa[i], &fb[j] EXCHANGE_ARG);
    }
}

/* Adds a tile of B to its columns' sums: an item has columns n, n + ITEMS, ... */
#define COLUMNS ((BN + ITEMS - 1) / ITEMS)
INLINE_TWICE void add_columns(float sums[COLUMNS], __local const element *b, int along_k) {
    UNROLL
    for (int i = 0; i < COLUMNS; i++) {
        const int n = get_local_id(0) + i * ITEMS;
        if (n < BN)
            for (int k = 0; k < BK; k++)
                sums[i] += from_element(b[tile_b(along_k, n, k)]);
    }
}

typedef struct product {
    __global float *C;
    __global const uchar *A, *B;
    __global const float *bias;
    __global float *E, *sums;
    int has_bias, has_sums, tanh_form, accumulate;
    int M, N, K, lda, ldb, ldc;
    int depth;             /* of a part */
    int row, column, part; /* the group's tile */
} product;

/* What a group sums up: its tile of C, and of B's columns where they are wanted. */
typedef struct tile_sums {
    fragment_c c[TILES_M][TILES_N];
    float columns[COLUMNS];
} tile_sums;

/* Layout and rounds are constants where this is called. */
INLINE void sum_tile(tile_sums *out, int layout, int rounds_a, int rounds_b, const product *x,
                     __local element *tiles EXCHANGE) {
    const int a_along_k = layout != TN, b_along_k = layout == NT;
    const int M = x->M, N = x->N;
    const int n0 = x->column * BN, m0 = x->row * BM;
    const int sub_group = get_local_id(0) / LANES;
    const int wm = sub_group / (BN / WN) * WM, wn = sub_group % (BN / WN) * WN;
    const int first = x->part * x->depth, last = min(x->K, first + x->depth);
    const int steps = (last - first + BK - 1) / BK, size = (A_PIECES + B_PIECES) * PIECE;
    const int wants_sums = x->has_sums && m0 == 0;
    UNROLL
    for (int i = 0; i < TILES_M; i++)
        UNROLL
    for (int j = 0; j < TILES_N; j++)
        UNROLL
    for (int e = 0; e < C_COUNT; e++)
        out->c[i][j].x[e] = 0;
    UNROLL
    for (int i = 0; i < COLUMNS; i++)
        out->columns[i] = 0;
    piece pa[A_LOADS], pb[B_LOADS];
    UNROLL
    for (int i = 0; i < A_LOADS; i++)
        pa[i] = first_piece(x->A, rounds_a, get_local_id(0) + i * ITEMS, a_along_k, BM, m0, M,
                            first, x->lda);
    UNROLL
    for (int i = 0; i < B_LOADS; i++)
        pb[i] = first_piece(x->B, rounds_b, get_local_id(0) + i * ITEMS, b_along_k, BN, n0, N,
                            first, x->ldb);
#ifdef ASYNC
#define COPY_TILE(step)                                                                            \
    do {                                                                                           \
        if ((step) < steps) {                                                                      \
            __local element *to = tiles + (step) % STAGES * size;                                  \
            UNROLL                                                                                 \
            for (int i = 0; i < A_LOADS; i++) {                                                    \
                if ((i + 1) * ITEMS <= A_PIECES || get_local_id(0) + i * ITEMS < A_PIECES)         \
                    copy_async(to + pa[i].to, pa[i].from,                                          \
                               piece_left(&pa[i], a_along_k, last) > 0);                           \
                next_piece(&pa[i], rounds_a, a_along_k, x->lda);                                   \
            }                                                                                      \
            to += A_PIECES * PIECE;                                                                \
            UNROLL                                                                                 \
            for (int i = 0; i < B_LOADS; i++) {                                                    \
                if ((i + 1) * ITEMS <= B_PIECES || get_local_id(0) + i * ITEMS < B_PIECES)         \
                    copy_async(to + pb[i].to, pb[i].from,                                          \
                               piece_left(&pb[i], b_along_k, last) > 0);                           \
                next_piece(&pb[i], rounds_b, b_along_k, x->ldb);                                   \
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
        multiply_tile(out->c, a, b, a_along_k, b_along_k, wm, wn EXCHANGE_ARG);
        if (wants_sums)
            add_columns(out->columns, b, b_along_k);
#ifdef EMULATE
        barrier(CLK_LOCAL_MEM_FENCE);
#endif
    }
#else
    /* Tiles come AHEAD steps before they are needed, in registers, and lie in local memory for one:
     * tile t in set t % AHEAD, then in half t % 2. */
    raw ra[AHEAD][A_LOADS], rb[AHEAD][B_LOADS];
#define FETCH_TILE(set)                                                                            \
    do {                                                                                           \
        UNROLL                                                                                     \
        for (int i = 0; i < A_LOADS; i++) {                                                        \
            ra[set][i] = fetch(pa[i].from, rounds_a, piece_left(&pa[i], a_along_k, last));         \
            next_piece(&pa[i], rounds_a, a_along_k, x->lda);                                       \
        }                                                                                          \
        UNROLL                                                                                     \
        for (int i = 0; i < B_LOADS; i++) {                                                        \
            rb[set][i] = fetch(pb[i].from, rounds_b, piece_left(&pb[i], b_along_k, last));         \
            next_piece(&pb[i], rounds_b, b_along_k, x->ldb);                                       \
        }                                                                                          \
    } while (0)
#define PUT_TILE(set, place)                                                                       \
    do {                                                                                           \
        __local element *to = tiles + (place)*size;                                                \
        UNROLL                                                                                     \
        for (int i = 0; i < A_LOADS; i++)                                                          \
            if ((i + 1) * ITEMS <= A_PIECES || get_local_id(0) + i * ITEMS < A_PIECES)             \
                put(to + pa[i].to, ra[set][i], rounds_a);                                          \
        to += A_PIECES * PIECE;                                                                    \
        UNROLL                                                                                     \
        for (int i = 0; i < B_LOADS; i++)                                                          \
            if ((i + 1) * ITEMS <= B_PIECES || get_local_id(0) + i * ITEMS < B_PIECES)             \
                put(to + pb[i].to, rb[set][i], rounds_b);                                          \
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
                multiply_tile(out->c, a, b, a_along_k, b_along_k, wm, wn EXCHANGE_ARG);
                if (wants_sums)
                    add_columns(out->columns, b, b_along_k);
                if (s + h + 1 < steps)
                    PUT_TILE((h + 1) % AHEAD, 1 - tile_half);
                barrier(CLK_LOCAL_MEM_FENCE);
            }
    }
#endif
}

#define EACH_OF_ROWS                                                                               \
    UNROLL                                                                                         \
    for (int j = 0; j < TILES_N; j++)                                                              \
        UNROLL                                                                                     \
    for (int e = 0; e < C_COUNT; e++)
#define ROW(i, e)    (m0 + wm + FM * (i) + C_ROW(lane, e))
#define COLUMN(j, e) (n0 + wn + FN * (j) + C_COLUMN(lane, e))
#define WITHIN       (ROW(i, e) < M && COLUMN(j, e) < N)
#define PLACE        ((size_t)ROW(i, e) * x->ldc + COLUMN(j, e))
#define STORE_ROWS(to, value)                                                                      \
    EACH_OF_ROWS {                                                                                 \
        if (WITHIN)                                                                                \
            (to)[PLACE] = value;                                                                   \
    }
#if MATRIX == NVIDIA && OPERAND != 32 /* an item's elements are neighbours in twos */
#define STORE_HALF_ROWS(to)                                                                        \
    UNROLL                                                                                         \
    for (int j = 0; j < TILES_N; j++)                                                              \
        UNROLL                                                                                     \
    for (int e = 0; e < C_COUNT; e += 2) {                                                         \
        const uint two = to_elements(rows[j][e], rows[j][e + 1]);                                  \
        __global element *at = (to) + PLACE;                                                       \
        if (WITHIN && COLUMN(j, e) + 1 < N && x->ldc % 2 == 0) {                                   \
            *(__global uint *)at = two;                                                            \
        } else if (WITHIN) {                                                                       \
            at[0] = (element)two;                                                                  \
            if (COLUMN(j, e) + 1 < N)                                                              \
                at[1] = (element)(two >> 16);                                                      \
        }                                                                                          \
    }
#else
#define STORE_HALF_ROWS(to) STORE_ROWS(to, to_element(rows[j][e]))
#endif
INLINE void store_tile(const tile_sums *s, int epilogue, int in_parts, int halves,
                       const product *x) {
    const int M = x->M, N = x->N, n0 = x->column * BN, m0 = x->row * BM;
    const int lane = LANE, sub_group = get_local_id(0) / LANES;
    const int wm = sub_group / (BN / WN) * WM, wn = sub_group % (BN / WN) * WN;
    if (in_parts) {
        __global float *C = x->C + (size_t)x->part * M * N;
        UNROLL
        for (int i = 0; i < TILES_M; i++)
            EACH_OF_ROWS {
                if (WITHIN)
                    C[(size_t)ROW(i, e) * N + COLUMN(j, e)] = s->c[i][j].x[e];
            }
    } else {
        /* What the elements' ends read comes first: they wait for memory once, not one after
         * another. */
        float biases[TILES_N][C_COUNT], rows[TILES_N][C_COUNT];
        EACH_OF_ROWS
        biases[j][e] = x->has_bias && COLUMN(j, e) < N ? x->bias[COLUMN(j, e)] : 0;
        UNROLL
        for (int i = 0; i < TILES_M; i++) {
            EACH_OF_ROWS
            rows[j][e] = WITHIN ? begun_element(epilogue, x->C, x->E, x->accumulate, PLACE) : 0;
            EACH_OF_ROWS
            rows[j][e] =
                finish_element(epilogue, s->c[i][j].x[e], biases[j][e], rows[j][e], x->tanh_form);
            if (epilogue == GELU) {
                if (KEEPS_C) {
                    STORE_ROWS(x->C, rows[j][e])
                }
                EACH_OF_ROWS
                rows[j][e] = gelu(rows[j][e], x->tanh_form);
            }
            __global float *to = epilogue == GELU ? x->E : x->C;
            if (halves) {
                STORE_HALF_ROWS((__global element *)to)
            } else {
                STORE_ROWS(to, rows[j][e])
            }
        }
    }
    if (x->has_sums && m0 == 0) {
        UNROLL
        for (int i = 0; i < COLUMNS; i++) {
            const int n = get_local_id(0) + i * ITEMS;
            if (n < BN && n0 + n < N) {
                __global float *sum = x->sums + (in_parts ? (size_t)x->part * N : 0) + n0 + n;
                *sum = x->accumulate && !in_parts ? *sum + s->columns[i] : s->columns[i];
            }
        }
    }
}

#ifdef EMULATE
#define LOCAL_MEMORY                                                                               \
    __local uint4 memory[STAGES * (A_PIECES + B_PIECES)];                                          \
    __local element *tiles = (__local element *)memory;                                            \
    __local float exchanges[ITEMS / LANES * EXCHANGE_FLOATS];                                      \
    __local float *exchange = exchanges + get_local_id(0) / LANES * EXCHANGE_FLOATS;
#else
#define LOCAL_MEMORY                                                                               \
    __local uint4 memory[STAGES * (A_PIECES + B_PIECES)];                                          \
    __local element *tiles = (__local element *)memory;
#endif
#if !defined(EMULATE) && (MATRIX == INTEL8 || MATRIX == INTEL16)
#define KERNEL                                                                                     \
    __attribute__((reqd_work_group_size(ITEMS, 1, 1)))                                             \
    __attribute__((intel_reqd_sub_group_size(LANES))) __kernel void
#else
#define KERNEL __attribute__((reqd_work_group_size(ITEMS, 1, 1))) __kernel void
#endif

#ifndef GRADIENTS
/* Grid: (ceil(N/BN), ceil(M/BM), splits) groups of ITEMS. */
KERNEL gemm_mma(__global float *C, __global const source_a *A, __global const source_b *B,
                __global const float *bias, int has_bias, __global float *E, __global float *sums,
                int has_sums, int tanh_form, int accumulate, int M, int N, int K, int lda, int ldb,
                int ldc, int depth) {
    LOCAL_MEMORY
    const product x = {.C = C,
                       .A = (__global const uchar *)A,
                       .B = (__global const uchar *)B,
                       .bias = bias,
                       .E = E,
                       .sums = sums,
                       .has_bias = has_bias,
                       .has_sums = has_sums,
                       .tanh_form = tanh_form,
                       .accumulate = accumulate,
                       .M = M,
                       .N = N,
                       .K = K,
                       .lda = lda,
                       .ldb = ldb,
                       .ldc = ldc,
                       .depth = depth,
                       .row = GROUP_ID(1, 1),
                       .column = GROUP_ID(0, ITEMS),
                       .part = GROUP_ID(2, 1)};
    tile_sums s;
    sum_tile(&s, LAYOUT, ROUNDS_A, ROUNDS_B, &x, tiles EXCHANGE_ARG);
    store_tile(&s, EPILOGUE, IN_PARTS, KEEPS_HALF, &x);
}
#else
#define GROUPS(n, tile) (((n) + (tile)-1) / (tile))
/* Both gradients of Y = X W, which read the same dY (T,N): dX (T,M) (+)= dY W', with the epilogue,
 * and dW (M,N) (+)= X' dY with sums (N) of dY's columns. The first dx_groups groups of ITEMS have
 * dX's tiles, part by part, the others dW's. */
KERNEL gemm_mma_gradients(__global float *dX, __global const source_a *dY,
                          __global const source_b *W, __global const float *E, __global float *dW,
                          __global const source_a *X, __global float *sums, int has_sums,
                          int tanh_form, int add_dx, int add_dw, int T, int M, int N, int ld_dx,
                          int ld_dy, int ld_w, int ld_dw, int ld_x, int dx_depth, int dw_depth,
                          int dx_groups, int dx_in_parts, int dw_in_parts) {
    LOCAL_MEMORY
    const int of_dw = GROUP_ID(0, ITEMS) >= dx_groups;
    const int group = GROUP_ID(0, ITEMS) - (of_dw ? dx_groups : 0);
    const int columns = GROUPS(of_dw ? N : M, BN), rows = GROUPS(of_dw ? M : T, BM);
    const product x = {.C = of_dw ? dW : dX,
                       .A = (__global const uchar *)(of_dw ? X : dY),
                       .B = of_dw ? (__global const uchar *)dY : (__global const uchar *)W,
                       .E = (__global float *)E, /* only read */
                       .sums = sums,
                       .has_sums = of_dw && has_sums,
                       .tanh_form = tanh_form,
                       .accumulate = of_dw ? add_dw : add_dx,
                       .M = of_dw ? M : T,
                       .N = of_dw ? N : M,
                       .K = of_dw ? T : N,
                       .lda = of_dw ? ld_x : ld_dy,
                       .ldb = of_dw ? ld_dy : ld_w,
                       .ldc = of_dw ? ld_dw : ld_dx,
                       .depth = of_dw ? dw_depth : dx_depth,
                       .row = group / columns % rows,
                       .column = group % columns,
                       .part = group / columns / rows};
    tile_sums s;
    if (of_dw)
        sum_tile(&s, TN, ROUNDS_A, ROUNDS_A, &x, tiles EXCHANGE_ARG);
    else
        sum_tile(&s, NT, ROUNDS_A, ROUNDS_B, &x, tiles EXCHANGE_ARG);
    store_tile(&s, of_dw ? PLAIN : EPILOGUE, of_dw ? dw_in_parts : dx_in_parts,
               !of_dw && KEEPS_HALF, &x);
}
#endif
