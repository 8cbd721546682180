/* fp32 numbers that lie in memory as 16 bits: -DHALF=16 bf16, 17 fp16; without it what the kernel
 * has of them is fp32, and half_t float, and no output y has a copy in 16 bits. Behind common.h
 * also for its vectors. */
#ifdef HALF
#include "round.h"
typedef ushort half_t;
static inline ushort to_half(float x) {
    return HALF == 16 ? to_bf16(x) : to_fp16(x);
}
static inline float from_half(ushort x) {
    return HALF == 16 ? as_float((uint)x << 16) : vload_half(0, (const half *)&x);
}
#ifdef STORE_FULL
static inline void store_half(fv x, __global ushort *p, int n) {
    float part[VW];
    STORE_FULL(x, part);
    for (int i = 0; i < VW; i++)
        if (i < n)
            p[i] = to_half(part[i]);
}
#define COPY_PARAMETER       __global half_t *restrict copy /* of y */,
#define STORE_COPY(x, at, n) store_half(x, copy + (at), n)
#endif
#else
typedef float half_t;
#define to_half(x)   (x)
#define from_half(x) (x)
#define store_half   store
#define COPY_PARAMETER
#define STORE_COPY(x, at, n)
#endif
