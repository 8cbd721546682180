/* NVIDIA's mma.sync from OpenCL C, by inline PTX (PTX manual, "Warp Level Matrix
 * Multiply-Accumulate"). 16-bit operands: m16n8k16 twice, side by side along N, fragments by
 * ldmatrix. fp32: m16n8k8 of TF32. See matrix.h. */
#define LANES      32
#define OWNS(lane) 1
#define FM         16
#if OPERAND == 32
#define FN                8
#define FK                8
#define A_COUNT           4
#define B_COUNT           2
#define C_COUNT           4
#define A_ROW(lane, i)    ((lane) / 4 + 8 * ((i) % 2))
#define A_K(lane, i)      ((lane) % 4 + 4 * ((i) / 2))
#define B_COLUMN(lane, i) ((lane) / 4)
#define B_K(lane, i)      ((lane) % 4 + 4 * (i))
#else
#define FN                16
#define FK                16
#define A_COUNT           8
#define B_COUNT           8
#define C_COUNT           8
#define A_ROW(lane, i)    ((lane) / 4 + 8 * ((i) / 2 % 2))
#define A_K(lane, i)      (2 * ((lane) % 4) + (i) % 2 + 8 * ((i) / 4))
#define B_COLUMN(lane, i) ((lane) / 4 + 8 * ((i) / 4))
#define B_K(lane, i)      (2 * ((lane) % 4) + (i) % 2 + 8 * ((i) / 2 % 2))
#endif
#define C_ROW(lane, i)    ((lane) / 4 + 8 * ((i) / 2 % 2))
#define C_COLUMN(lane, i) (2 * ((lane) % 4) + (i) % 2 + 8 * ((i) / 4))

#if OPERAND == 32
typedef struct fragment_a {
    float x[A_COUNT];
} fragment_a;
typedef struct fragment_b {
    float x[B_COUNT];
} fragment_b;
#else
/* pairs of 16-bit elements, the first in the low half */
typedef struct fragment_a {
    uint x[A_COUNT / 2];
} fragment_a;
typedef struct fragment_b {
    uint x[B_COUNT / 2];
} fragment_b;
#endif
typedef struct fragment_c {
    float x[C_COUNT];
} fragment_c;

#include "matrix_emulate.h"

#if OPERAND == 32
#include "matrix_load.h"
#else
/* ldmatrix: lane i names row i % 8 of matrix i / 8, eight elements that lie together; it gets two
 * elements of each of the four matrices, transposed or not. */
#ifdef EMULATE
static inline void load_matrices(uint f[4], __local const element *tile, int row,
                                 int transposed EXCHANGE) {
    const int lane = LANE, r = lane / 4, c = 2 * (lane % 4);
    __local int *rows = (__local int *)exchange;
    barrier(CLK_LOCAL_MEM_FENCE);
    rows[lane] = row;
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int i = 0; i < 4; i++) {
        const int first = transposed ? rows[8 * i + c] + r : rows[8 * i + r] + c;
        const int second = transposed ? rows[8 * i + c + 1] + r : rows[8 * i + r] + c + 1;
        f[i] = tile[first] | (uint)tile[second] << 16;
    }
}
#else
static inline void load_matrices(uint f[4], __local const element *tile, int row, int transposed) {
    const uint place = (uint)(size_t)(tile + row);
    if (transposed)
        __asm__ volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                         : "=r"(f[0]), "=r"(f[1]), "=r"(f[2]), "=r"(f[3])
                         : "r"(place)
                         : "memory");
    else
        __asm__ volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                         : "=r"(f[0]), "=r"(f[1]), "=r"(f[2]), "=r"(f[3])
                         : "r"(place)
                         : "memory");
}
#endif
/* The four 8x8 matrices of A by registers: (m, k), (m + 8, k), (m, k + 8), (m + 8, k + 8); of B
 * (n, k), (n, k + 8), (n + 8, k), (n + 8, k + 8). A matrix whose rows lie across K is transposed.
 */
static inline void load_a(fragment_a *f, __local const element *tile, int along_k, int m,
                          int k EXCHANGE) {
    const int lane = LANE, r = lane % 8, low = 8 * (lane / 8 % 2), high = 8 * (lane / 16);
    const int row =
        along_k ? tile_a(along_k, m + low + r, k + high) : tile_a(along_k, m + low, k + high + r);
    load_matrices(f->x, tile, row, !along_k EXCHANGE_ARG);
}
static inline void load_b(fragment_b *f, __local const element *tile, int along_k, int n,
                          int k EXCHANGE) {
    const int lane = LANE, r = lane % 8, low = 8 * (lane / 8 % 2), high = 8 * (lane / 16);
    const int row =
        along_k ? tile_b(along_k, n + high + r, k + low) : tile_b(along_k, n + high, k + low + r);
    load_matrices(f->x, tile, row, !along_k EXCHANGE_ARG);
}
#endif

#ifdef EMULATE
#if OPERAND == 32
static inline float a_element(const fragment_a *f, int i) {
    return as_float(to_tf32(f->x[i]));
}
static inline float b_element(const fragment_b *f, int i) {
    return as_float(to_tf32(f->x[i]));
}
#else
static inline float a_element(const fragment_a *f, int i) {
    return from_element((element)(f->x[i / 2] >> (i % 2 * 16)));
}
static inline float b_element(const fragment_b *f, int i) {
    return from_element((element)(f->x[i / 2] >> (i % 2 * 16)));
}
#endif
static inline void multiply_once(fragment_c *c, const fragment_a *a, const fragment_b *b EXCHANGE) {
    multiply_emulated(c, a, b, exchange);
}
#elif OPERAND == 32
static inline void multiply_once(fragment_c *c, const fragment_a *a, const fragment_b *b) {
    __asm__ volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0,%1,%2,%3}, "
                     "{%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                     : "+f"(c->x[0]), "+f"(c->x[1]), "+f"(c->x[2]), "+f"(c->x[3])
                     : "r"(to_tf32(a->x[0])), "r"(to_tf32(a->x[1])), "r"(to_tf32(a->x[2])),
                       "r"(to_tf32(a->x[3])), "r"(to_tf32(b->x[0])), "r"(to_tf32(b->x[1])));
}
#else
#if OPERAND == 16
#define MMA_TYPES "f32.bf16.bf16.f32"
#else
#define MMA_TYPES "f32.f16.f16.f32"
#endif
static inline void multiply_once(fragment_c *c, const fragment_a *a, const fragment_b *b) {
    UNROLL
    for (int half_n = 0; half_n < 2; half_n++) {
        float *x = c->x + 4 * half_n;
        __asm__ volatile("mma.sync.aligned.m16n8k16.row.col." MMA_TYPES " {%0,%1,%2,%3}, "
                         "{%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                         : "+f"(x[0]), "+f"(x[1]), "+f"(x[2]), "+f"(x[3])
                         : "r"(a->x[0]), "r"(a->x[1]), "r"(a->x[2]), "r"(a->x[3]),
                           "r"(b->x[2 * half_n]), "r"(b->x[2 * half_n + 1]));
    }
}
#endif

#ifdef SPLIT
/* What is left of a number behind its TF32 part. */
static inline float rest(float x) {
    return x - as_float(to_tf32(x));
}
static inline void rest_a(fragment_a *r, const fragment_a *f) {
    UNROLL
    for (int i = 0; i < A_COUNT; i++)
        r->x[i] = rest(f->x[i]);
}
static inline void rest_b(fragment_b *r, const fragment_b *f) {
    UNROLL
    for (int i = 0; i < B_COUNT; i++)
        r->x[i] = rest(f->x[i]);
}
#endif

/* ---- copies of 16 bytes from global to local memory that run behind the multiplications ---- */
#ifndef EMULATE
#define ASYNC_COPY
static inline void copy_async(__local void *to, __global const void *from, int valid) {
    __asm__ volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"((uint)(size_t)to),
                     "l"(from), "r"(valid ? 16 : 0)
                     : "memory");
}
static inline void copies_end(void) {
    __asm__ volatile("cp.async.commit_group;" ::: "memory");
}
static inline void copies_wait(void) { /* for all groups of copies but the newest STAGES - 2 */
#if STAGES == 2
    __asm__ volatile("cp.async.wait_group 0;" ::: "memory");
#elif STAGES == 3
    __asm__ volatile("cp.async.wait_group 1;" ::: "memory");
#else
    __asm__ volatile("cp.async.wait_group 2;" ::: "memory");
#endif
}
#endif
