/* An fp32 number as 16 bits, to nearest even. */
static inline uint to_bf16(float x) { /* a NaN stays one; no branch */
    const uint bits = as_uint(x), rounded = bits + 0x7FFFu + (bits >> 16 & 1);
    return (isnan(x) ? bits | 0x400000u : rounded) >> 16;
}
static inline uint to_fp16(float x) { /* without cl_khr_fp16; overflows to infinity */
    ushort half_bits;
    vstore_half_rte(x, 0, (half *)&half_bits);
    return half_bits;
}
