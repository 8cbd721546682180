/* Intel's systolic units by cl_intel_subgroup_matrix_multiply_accumulate: eight rows of A, a column
 * of B an item. With sub-groups of 8 (Alchemist) A comes as pairs along K, with 16 (Max,
 * Battlemage) as single elements. See matrix.h. */
#define LANES      (MATRIX == INTEL8 ? 8 : 16)
#define OWNS(lane) 1
#define FM         8
#define FN         LANES
#define FK         16
#define A_COUNT    (128 / LANES)
#define B_COUNT    16
#define C_COUNT    8
#if MATRIX == INTEL8
#define A_ROW(lane, i) ((i) / 2)
#define A_K(lane, i)   (2 * (lane) + (i) % 2)
#else
#define A_ROW(lane, i) (i)
#define A_K(lane, i)   (lane)
#endif
#define B_COLUMN(lane, i) (lane)
#define B_K(lane, i)      (i)
#define C_ROW(lane, i)    (i)
#define C_COLUMN(lane, i) (lane)

#if MATRIX == INTEL8
typedef int8 operands_a;
#else
typedef short8 operands_a;
#endif
typedef struct fragment_a {
    operands_a x;
} fragment_a;
typedef struct fragment_b {
    int8 x; /* pairs along K, the first in the low half */
} fragment_b;
typedef struct fragment_c {
    float8 x;
} fragment_c;

#include "matrix_emulate.h"

static inline void load_a(fragment_a *f, __local const element *tile, int along_k, int m,
                          int k EXCHANGE) {
    const int lane = LANE;
    UNROLL
    for (int i = 0; i < FM; i++)
#if MATRIX == INTEL8
        f->x[i] = tile[tile_a(along_k, m + i, k + 2 * lane)] |
                  (int)tile[tile_a(along_k, m + i, k + 2 * lane + 1)] << 16;
#else
        f->x[i] = (short)tile[tile_a(along_k, m + i, k + lane)];
#endif
}
static inline void load_b(fragment_b *f, __local const element *tile, int along_k, int n,
                          int k EXCHANGE) {
    const int lane = LANE;
    UNROLL
    for (int i = 0; i < FK / 2; i++)
        f->x[i] = tile[tile_b(along_k, n + lane, k + 2 * i)] |
                  (int)tile[tile_b(along_k, n + lane, k + 2 * i + 1)] << 16;
}

#ifdef EMULATE
static inline float a_element(const fragment_a *f, int i) {
#if MATRIX == INTEL8
    return from_element((element)(f->x[i / 2] >> i % 2 * 16));
#else
    return from_element((element)f->x[i]);
#endif
}
static inline float b_element(const fragment_b *f, int i) {
    return from_element((element)(f->x[i / 2] >> i % 2 * 16));
}
static inline void multiply_once(fragment_c *c, const fragment_a *a, const fragment_b *b EXCHANGE) {
    multiply_emulated(c, a, b, exchange);
}
#else
#if OPERAND == 16
#define UNIT intel_sub_group_bf16_bf16_matrix_mad_k16
#else
#define UNIT intel_sub_group_f16_f16_matrix_mad_k16
#endif
#ifndef cl_intel_subgroup_matrix_multiply_accumulate
/* older compilers know the function but do not declare it */
float8 __attribute__((overloadable)) UNIT(operands_a a, int8 b, float8 acc);
#endif
static inline void multiply_once(fragment_c *c, const fragment_a *a, const fragment_b *b) {
    c->x = UNIT(a->x, b->x, c->x);
}
#endif
