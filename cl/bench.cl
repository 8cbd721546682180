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

/* 10 chains of multiply-adds an item, `rounds` long: each ends near y / (1 - x). */
__kernel void multiply_add(__global V *out, float x0, float y0, int rounds) {
    const V x = x0, y = y0;
    V a = (V)(get_local_id(0) * 0.01f), b = a + 0.1f, c = a + 0.2f, d = a + 0.3f, e = a + 0.4f;
    V f = a + 0.5f, g = a + 0.6f, h = a + 0.7f, k = a + 0.8f, l = a + 0.9f;
    for (int i = 0; i < rounds; i++) {
        a = fma(a, x, y);
        b = fma(b, x, y);
        c = fma(c, x, y);
        d = fma(d, x, y);
        e = fma(e, x, y);
        f = fma(f, x, y);
        g = fma(g, x, y);
        h = fma(h, x, y);
        k = fma(k, x, y);
        l = fma(l, x, y);
    }
    out[get_global_id(0)] = (a + b + c + d + e + f + g + h + k + l) * 0.1f;
}

__kernel void launch(__global float *out) {
    if (get_global_id(0) == 0)
        out[0] = 1;
}
