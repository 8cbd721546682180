/* Numbers of 16 bits, bf16 and IEEE 754 binary16 (fp16), and fp32: to nearest even; a NaN stays
 * one, and what is too large becomes infinite. */
#ifndef BCL_UTIL_HALF_H
#define BCL_UTIL_HALF_H

#include <math.h>
#include <stdint.h>
#include <string.h>

static inline uint32_t bcl_float_bits(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}
static inline float bcl_float_of_bits(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline uint16_t bcl_bf16_round(float x) {
    const uint32_t bits = bcl_float_bits(x);
    return (uint16_t)((isnan(x) ? bits | 0x400000 : bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}
static inline float bcl_bf16_widen(uint16_t x) {
    return bcl_float_of_bits((uint32_t)x << 16);
}

static inline uint16_t bcl_fp16_round(float x) {
    const uint16_t sign = (uint16_t)(bcl_float_bits(x) >> 16 & 0x8000);
    const double size = fabs((double)x);
    int exponent;
    if (!(size < 65520)) /* halfway to what the next exponent would have */
        return sign | (isnan(x) ? 0x7e00 : 0x7c00);
    if (size < 0x1p-14)
        return sign | (uint16_t)nearbyint(size * 0x1p24);
    const double mantissa = nearbyint(ldexp(frexp(size, &exponent), 11)); /* 1024 to 2048 */
    return sign | (uint16_t)(((exponent + 13) << 10) + (int)mantissa);
}
static inline float bcl_fp16_widen(uint16_t x) {
    const uint32_t sign = (uint32_t)(x & 0x8000) << 16, exponent = (x >> 10) & 31;
    const uint32_t fraction = x & 0x3ff;
    if (exponent == 31)
        return bcl_float_of_bits(sign | 0x7f800000 | fraction << 13);
    if (exponent)
        return bcl_float_of_bits(sign | (exponent + 112) << 23 | fraction << 13);
    /* 0 and the subnormals: fraction * 2^-24 is exact, and the sign goes on zeros too. */
    const float size = (float)fraction * 0x1p-24f;
    return sign ? -size : size;
}

#endif
