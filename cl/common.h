/* Types and helpers of all kernels. The host defines VW, the vector width, and LS, the work-items
 * of a group that has a row for itself: 16 and 1 on a CPU with AVX-512, 1 and 128 on a GPU. */
#include "grid.h"

#define JOIN_(a, b) a##b
#define JOIN(a, b)  JOIN_(a, b)

#if VW == 1
typedef float fv;
typedef uint uv;
#define LOAD_FULL(p)            (*(p))
#define STORE_FULL(v, p)        (*(p) = (v))
#define LANE(v, i)              (v)
#define KEEP(random, threshold) ((random) >= (threshold) ? 1.0f : 0.0f)
static inline float lanes_sum(fv x) {
    return x;
}
static inline fv lanes_below(int n) {
    return n > 0 ? 1.0f : 0.0f;
}
#define LANE_NUMBERS 0u
#else
typedef JOIN(float, VW) fv;
typedef JOIN(uint, VW) uv;
typedef JOIN(int, VW) iv;
#define LOAD_FULL(p)            JOIN(vload, VW)(0, p)
#define STORE_FULL(v, p)        JOIN(vstore, VW)(v, 0, p)
/* 1 where the random word is at least the threshold */
#define KEEP(random, threshold) select((fv)(0), (fv)(1), (random) >= (uv)(threshold))
#if VW == 16
#define LANE_NUMBERS ((uv)(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15))
static inline float lanes_sum(fv x) {
    const float8 a = x.lo + x.hi;
    const float4 b = a.lo + a.hi;
    const float2 c = b.lo + b.hi;
    return c.x + c.y;
}
#elif VW == 8
#define LANE_NUMBERS ((uv)(0, 1, 2, 3, 4, 5, 6, 7))
static inline float lanes_sum(fv x) {
    const float4 b = x.lo + x.hi;
    const float2 c = b.lo + b.hi;
    return c.x + c.y;
}
#elif VW == 4
#define LANE_NUMBERS ((uv)(0, 1, 2, 3))
static inline float lanes_sum(fv x) {
    const float2 c = x.lo + x.hi;
    return c.x + c.y;
}
#elif VW == 2
#define LANE_NUMBERS ((uv)(0, 1))
static inline float lanes_sum(fv x) {
    return x.x + x.y;
}
#endif
/* 1 in the first n lanes, 0 in the others */
static inline fv lanes_below(int n) {
    return select((fv)(0), (fv)(1), LANE_NUMBERS < (uv)((uint)max(n, 0)));
}
#endif

/* n < VW elements; the other lanes are 0 and nothing behind them is touched. */
static inline fv load_part(__global const float *p, int n) {
    float part[VW];
    for (int i = 0; i < VW; i++)
        part[i] = i < n ? p[i] : 0.0f;
    return LOAD_FULL(part);
}
static inline void store_part(fv v, __global float *p, int n) {
    float part[VW];
    STORE_FULL(v, part);
    for (int i = 0; i < n; i++)
        p[i] = part[i];
}
static inline fv load(__global const float *p, int n) {
    return n >= VW ? LOAD_FULL(p) : load_part(p, n);
}
static inline void store(fv v, __global float *p, int n) {
    if (n >= VW)
        STORE_FULL(v, p);
    else
        store_part(v, p, n);
}

/* Items whose numbers are added up by each of them: 32, or all of a smaller group. */
#define SUM_ITEMS (LS < 32 ? LS : 32)
/* Local memory for a number of each item of the group, read by vectors. */
#define SCRATCH ((LS + 3) / 4)
static inline float items_sum(__local const float *x /* (SUM_ITEMS) */) {
#if LS % 4 == 0
    float4 sum = 0;
#pragma unroll
    for (int i = 0; i < SUM_ITEMS / 4; i++)
        sum += ((__local const float4 *)x)[i];
    return (sum.x + sum.y) + (sum.z + sum.w);
#else
    float sum = 0;
    for (int i = 0; i < SUM_ITEMS; i++)
        sum += x[i];
    return sum;
#endif
}

/* Sum over the group's items, known to all of them; always in the same order. */
static inline float group_sum(float x, __local float4 *scratch /* (SCRATCH) */) {
#if LS > 1
    __local float *each = (__local float *)scratch;
    const int lid = get_local_id(0);
    barrier(CLK_LOCAL_MEM_FENCE); /* the sum before this one has been read */
    each[lid] = x;
    barrier(CLK_LOCAL_MEM_FENCE);
#if LS > 32
    if (lid < SUM_ITEMS) {
        for (int i = lid + SUM_ITEMS; i < LS; i += SUM_ITEMS)
            x += each[i];
        each[lid] = x;
    }
    barrier(CLK_LOCAL_MEM_FENCE);
#endif
    x = items_sum(each);
#endif
    return x;
}

/* Columns of a row for an item: units u = item, item + LS, ... of 4 VW columns each. A unit is four
 * vectors, 16 columns apart, that share one Philox call: within 64 columns, word w of counter i is
 * for column 16 w + i. So the mask of an element is the same for every vector width. */
#define ROW_UNITS(C)      (((C) + 63) / 64 * (16 / VW))
#define UNIT_COUNTER(u)   ((u)*VW)
#define UNIT_COLUMN(u, w) ((u)*VW / 16 * 64 + (w)*16 + (u)*VW % 16)

/* hi and lo words of a times b. Drivers' mul_hi on vectors is made of 16-bit halves; the lanes of
 * even and odd numbers, multiplied to 64 bits each, are one instruction. */
#if VW > 1 && defined(__ENDIAN_LITTLE__)
#if VW == 2
typedef ulong pairs;
#define AS_PAIRS as_ulong
#elif VW == 4
typedef ulong2 pairs;
#define AS_PAIRS as_ulong2
#elif VW == 8
typedef ulong4 pairs;
#define AS_PAIRS as_ulong4
#else
typedef ulong8 pairs;
#define AS_PAIRS as_ulong8
#endif
static inline void multiply_words(uv *hi, uv *lo, uv a, uint b) {
    const pairs x = AS_PAIRS(a), low = 0xFFFFFFFF;
    const pairs even = (x & low) * b, odd = (x >> 32) * b;
    *hi = JOIN(as_uint, VW)((even >> 32) | (odd & ~low));
    *lo = JOIN(as_uint, VW)((even & low) | (odd << 32));
}
#else
static inline void multiply_words(uv *hi, uv *lo, uv a, uint b) {
    *hi = mul_hi(a, (uv)(b));
    *lo = a * b;
}
#endif

/* philox.h for VW counters that follow each other: word w of each in out[w]. */
static inline void philox_lanes(uv out[4], uint x, uint y, uint z, uint w, uint key0, uint key1) {
    uv c0 = (uv)(x) + LANE_NUMBERS, c1 = (uv)(y), c2 = (uv)(z), c3 = (uv)(w);
    for (int round = 0; round < 10; round++) {
        uv hi0, lo0, hi1, lo1;
        multiply_words(&hi0, &lo0, c0, 0xD2511F53u);
        multiply_words(&hi1, &lo1, c2, 0xCD9E8D57u);
        c0 = hi1 ^ c1 ^ (uv)(key0);
        c1 = lo1;
        c2 = hi0 ^ c3 ^ (uv)(key1);
        c3 = lo0;
        key0 += 0x9E3779B9u;
        key1 += 0xBB67AE85u;
    }
    out[0] = c0, out[1] = c1, out[2] = c2, out[3] = c3;
}

/* What a kernel needs to draw a dropout mask: keep where word >= threshold (p 2^32), times scale
 * 1 / (1 - p); threshold 0 keeps all. The key is from seed and step, the site from layer and place.
 */
#define DROPOUT_PARAMETERS uint threshold, float scale, uint site, uint key0, uint key1
/* The factors of a unit's four vectors: 0 or scale. */
static inline void dropout_factors(fv out[4], int unit, uint position, uint sample,
                                   DROPOUT_PARAMETERS) {
    if (threshold == 0) {
        out[0] = out[1] = out[2] = out[3] = (fv)(1.0f);
        return;
    }
    uv words[4];
    philox_lanes(words, UNIT_COUNTER(unit), position, sample, site, key0, key1);
    for (int w = 0; w < 4; w++)
        out[w] = KEEP(words[w], threshold) * scale;
}
