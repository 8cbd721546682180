/* What a device can do at most: memory streams and multiply-adds. The host defines V, the vector
 * type, and with CHUNKS that each item has elements that lie together (CPUs), not strided. */
#ifdef CHUNKS
#define EACH(i, n)                                                                                 \
    const size_t part = ((n) + get_global_size(0) - 1) / get_global_size(0);                       \
    const size_t from = part * get_global_id(0), end = min(from + part, (size_t)(n));              \
    for (size_t i = from; i < end; i++)
#else
#define EACH(i, n) for (size_t i = get_global_id(0); i < (size_t)(n); i += get_global_size(0))
#endif

/* Each item's sum: V of them in `sums` an item. n counts Vs. */
__kernel void stream_read(__global V *sums, __global const V *a, int n) {
    V sum = 0;
    EACH(i, n) sum += a[i];
    sums[get_global_id(0)] = sum;
}

__kernel void stream_copy(__global V *c, __global const V *a, int n) {
    EACH(i, n) c[i] = a[i];
}

/* STREAM's triad */
__kernel void stream_triad(__global V *c, __global const V *a, __global const V *b, float s,
                           int n) {
    EACH(i, n) c[i] = a[i] + s * b[i];
}

/* 10 chains of multiply-adds an item, `rounds` long: each ends near y / (1 - x). S is the type of
 * V's elements, CONVERT makes of V what is stored. */
#define MULTIPLY_ADD(V, S, CONVERT, out, x0, y0, rounds)                                           \
    const V x = (V)((S)(x0)), y = (V)((S)(y0));                                                    \
    V a = (V)((S)(get_local_id(0) * 0.01f)), b = a + (S)0.1f, c = a + (S)0.2f, d = a + (S)0.3f;    \
    V e = a + (S)0.4f, f = a + (S)0.5f, g = a + (S)0.6f, h = a + (S)0.7f, k = a + (S)0.8f;         \
    V l = a + (S)0.9f;                                                                             \
    for (int i = 0; i < (rounds); i++) {                                                           \
        a = fma(a, x, y);                                                                          \
        b = fma(b, x, y);                                                                          \
        c = fma(c, x, y);                                                                          \
        d = fma(d, x, y);                                                                          \
        e = fma(e, x, y);                                                                          \
        f = fma(f, x, y);                                                                          \
        g = fma(g, x, y);                                                                          \
        h = fma(h, x, y);                                                                          \
        k = fma(k, x, y);                                                                          \
        l = fma(l, x, y);                                                                          \
    }                                                                                              \
    (out)[get_global_id(0)] = CONVERT((a + b + c + d + e + f + g + h + k + l) * (S)0.1f)

#define AS_IT_IS(x) (x)
__kernel void multiply_add(__global V *out, float x0, float y0, int rounds) {
    MULTIPLY_ADD(V, float, AS_IT_IS, out, x0, y0, rounds);
}

#ifdef HALF /* a vector of halves, HALF_TO its conversion to V */
#pragma OPENCL EXTENSION cl_khr_fp16 : enable
__kernel void multiply_add_half(__global V *out, float x0, float y0, int rounds) {
    MULTIPLY_ADD(HALF, half, HALF_TO, out, x0, y0, rounds);
}
#endif

/* Each item reads the group's local memory, LOCAL_COUNT Vs (a power of two), `rounds` times, and
 * adds it up in four sums. */
#ifdef LOCAL_COUNT
__kernel void local_read(__global V *out, float x0, int rounds) {
    __local V tile[LOCAL_COUNT];
    const int lid = get_local_id(0);
    for (int i = lid; i < LOCAL_COUNT; i += get_local_size(0))
        tile[i] = (V)(x0);
    barrier(CLK_LOCAL_MEM_FENCE);
    V a = 0, b = 0, c = 0, d = 0;
    for (int r = 0; r < rounds; r++)
        for (int i = 0; i < LOCAL_COUNT; i += 4) {
            a += tile[(lid + i) & (LOCAL_COUNT - 1)];
            b += tile[(lid + i + 1) & (LOCAL_COUNT - 1)];
            c += tile[(lid + i + 2) & (LOCAL_COUNT - 1)];
            d += tile[(lid + i + 3) & (LOCAL_COUNT - 1)];
        }
    out[get_global_id(0)] = a + b + c + d;
}
#endif

__kernel void launch(__global float *out) {
    if (get_global_id(0) == 0)
        out[0] = 1;
}
