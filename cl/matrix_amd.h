/* AMD's matrix units by clang's builtins, which AMD's own driver has (Mesa's, by way of SPIR-V, has
 * not). RDNA3: v_wmma of a wave of 32, operands given twice; RDNA4: the same, not doubled; CDNA:
 * v_mfma of a wave of 64, for fp32 too. Layouts: the ISA manuals' "Matrix instructions". See
 * matrix.h. */
#if MATRIX == CDNA
#define LANES      64
#define OWNS(lane) 1
#if OPERAND == 32
#define FM             16
#define FN             16
#define FK             4
#define A_COUNT        1
#define C_COUNT        4
#define A_K(lane, i)   ((lane) / 16)
#define C_ROW(lane, i) (4 * ((lane) / 16) + (i))
#else
#define FM             32
#define FN             32
#define FK             8
#define A_COUNT        4
#define C_COUNT        16
#define A_K(lane, i)   (4 * ((lane) / 32) + (i))
#define C_ROW(lane, i) (8 * ((i) / 4) + 4 * ((lane) / 32) + (i) % 4)
#endif
#else
#define LANES 32
#define FM    16
#define FN    16
#define FK    16
#if MATRIX == RDNA3
#define OWNS(lane)     ((lane) < 16)
#define A_COUNT        16
#define A_K(lane, i)   (i)
#define C_ROW(lane, i) (2 * (i) + (lane) / 16)
#else
#define OWNS(lane)     1
#define A_COUNT        8
#define A_K(lane, i)   (8 * ((lane) / 16) + (i))
#define C_ROW(lane, i) (8 * ((lane) / 16) + (i))
#endif
#define C_COUNT 8
#endif
#define B_COUNT           A_COUNT
#define A_ROW(lane, i)    ((lane) % FM)
#define B_COLUMN(lane, i) ((lane) % FN)
#define B_K               A_K
#define C_COLUMN(lane, i) ((lane) % FN)

typedef struct fragment_a {
    element x[A_COUNT];
} fragment_a;
typedef struct fragment_b {
    element x[B_COUNT];
} fragment_b;
typedef struct fragment_c {
    float x[C_COUNT];
} fragment_c;

#include "matrix_emulate.h"

#include "matrix_load.h"

#ifdef EMULATE
static inline float a_element(const fragment_a *f, int i) {
    return from_element(f->x[i]);
}
static inline float b_element(const fragment_b *f, int i) {
    return from_element(f->x[i]);
}
static inline void multiply_once(fragment_c *c, const fragment_a *a, const fragment_b *b EXCHANGE) {
    multiply_emulated(c, a, b, exchange);
}
#else
/* The builtins take vectors of short for bf16, of half for fp16. */
#if OPERAND == 17
#pragma OPENCL EXTENSION cl_khr_fp16 : enable
typedef half lane_number;
#elif OPERAND == 16
typedef short lane_number;
#else
typedef float lane_number;
#endif
#if A_COUNT > 1
typedef lane_number operands __attribute__((ext_vector_type(A_COUNT)));
#else
typedef lane_number operands;
#endif
typedef float sums __attribute__((ext_vector_type(C_COUNT)));

#if MATRIX == RDNA3 && OPERAND == 16
#define UNIT(a, b, c) __builtin_amdgcn_wmma_f32_16x16x16_bf16_w32(a, b, c)
#elif MATRIX == RDNA3
#define UNIT(a, b, c) __builtin_amdgcn_wmma_f32_16x16x16_f16_w32(a, b, c)
#elif MATRIX == RDNA4 && OPERAND == 16
#define UNIT(a, b, c) __builtin_amdgcn_wmma_f32_16x16x16_bf16_w32_gfx12(a, b, c)
#elif MATRIX == RDNA4
#define UNIT(a, b, c) __builtin_amdgcn_wmma_f32_16x16x16_f16_w32_gfx12(a, b, c)
#elif OPERAND == 16
#define UNIT(a, b, c) __builtin_amdgcn_mfma_f32_32x32x8bf16_1k(a, b, c, 0, 0, 0)
#elif OPERAND == 17
#define UNIT(a, b, c) __builtin_amdgcn_mfma_f32_32x32x8f16(a, b, c, 0, 0, 0)
#else
#define UNIT(a, b, c) __builtin_amdgcn_mfma_f32_16x16x4f32(a, b, c, 0, 0, 0)
#endif

static inline void multiply_once(fragment_c *c, const fragment_a *a, const fragment_b *b) {
    union {
        fragment_a f;
        operands v;
    } x = {.f = *a};
    union {
        fragment_b f;
        operands v;
    } y = {.f = *b};
    union {
        fragment_c f;
        sums v;
    } z = {.f = *c};
    z.v = UNIT(x.v, y.v, z.v);
    *c = z.f;
}
#endif
