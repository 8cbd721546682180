/* Matrix units behind one interface: fragments of A and B are loaded from tiles in local memory,
 * multiplied, and added to a fragment of C in registers; the shape of cl_khr_cooperative_matrix.
 *
 *   -DMATRIX=n    1 NVIDIA (mma.sync, sm_80 and later)   2 AMD RDNA3   3 AMD RDNA4   4 AMD CDNA
 *                 5 Intel with sub-groups of 8, 6 with sub-groups of 16
 *   -DOPERAND=n   16 bf16   17 fp16   32 fp32 as the unit takes it: NVIDIA rounds it to TF32,
 *                 CDNA has a unit for fp32; the others have none
 *   -DSPLIT       NVIDIA's fp32 as the sum of two TF32 numbers, three products: fp32's accuracy
 *   -DEMULATE     no unit: fragments, laid out as the vendor's manual says, go through local memory
 *                 and are multiplied one element at a time. Any device, slow: for tests
 *
 * A vendor's header says what a fragment is: LANES items hold FM x FK of A, FK x FN of B and FM x
 * FN of C; A_COUNT, B_COUNT and C_COUNT elements an item, of which number i is that of row
 * A_ROW(lane, i) and so on. Where OWNS(lane) is 0 an item holds the same as another one. Files that
 * include this define tile_a(along_k, m, k) and tile_b(along_k, n, k): an element's place in its
 * tile, whose rows go along K or across it. */
#define NVIDIA  1
#define RDNA3   2
#define RDNA4   3
#define CDNA    4
#define INTEL8  5
#define INTEL16 6

#if OPERAND == 32
typedef float element;
#else
typedef ushort element;
#endif

/* ---- an fp32 number as an operand ---- */

#include "round.h"
static inline uint to_tf32(float x) {
#if MATRIX == NVIDIA && !defined(EMULATE)
    uint y;
    __asm__("cvt.rna.tf32.f32 %0, %1;" : "=r"(y) : "f"(x));
    return y;
#else
    return isfinite(x) ? (as_uint(x) + 0x1000u) & 0xFFFFE000u : as_uint(x);
#endif
}
static inline element to_element(float x) {
#if OPERAND == 16
    return (element)to_bf16(x);
#elif OPERAND == 17
    return (element)to_fp16(x);
#else
    return x;
#endif
}
#if OPERAND != 32
/* Two at once, the first in the low half. */
static inline uint to_elements(float low, float high) {
#if MATRIX == NVIDIA && !defined(EMULATE)
    uint y;
#if OPERAND == 16
    __asm__("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(y) : "f"(high), "f"(low));
#else
    __asm__("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(y) : "f"(high), "f"(low));
#endif
    return y;
#else
    return to_element(low) | (uint)to_element(high) << 16;
#endif
}
#endif
static inline float from_element(element x) {
#if OPERAND == 16
    return as_float((uint)x << 16);
#elif OPERAND == 17
    return vload_half(0, (const half *)&x);
#else
    return x;
#endif
}

#if MATRIX == NVIDIA
#include "matrix_nvidia.h"
#elif MATRIX == INTEL8 || MATRIX == INTEL16
#include "matrix_intel.h"
#else
#include "matrix_amd.h"
#endif
