/* Counter-based random numbers: everything drawn is a function of a seed, never of call order. */
#include "util/util.h"

#include <math.h>

void bcl_philox(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2]) {
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0, out[1] = c1, out[2] = c2, out[3] = c3;
}

uint64_t bcl_mix64(uint64_t x) {
    x += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

/* 64 random bits number i of a stream. */
static uint64_t draw(uint64_t seed, uint64_t i) {
    uint32_t out[4], counter[4] = {(uint32_t)i, (uint32_t)(i >> 32), 0, 0};
    uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    bcl_philox(out, counter, key);
    return (uint64_t)out[0] << 32 | out[1];
}

uint64_t bcl_hash(uint64_t hash, const void *data, size_t size) {
    const unsigned char *p = data;
    for (size_t i = 0; i < size; i++)
        hash = (hash ^ p[i]) * 0x100000001B3u;
    return bcl_mix64(hash ^ size);
}

void bcl_shuffle(uint32_t *order, size_t n, uint64_t seed) {
    for (size_t i = 0; i < n; i++)
        order[i] = (uint32_t)i;
    /* The modulo's bias is below n / 2^64. */
    for (size_t i = n; i > 1; i--) {
        size_t j = (size_t)(draw(seed, i) % i);
        uint32_t swap = order[i - 1];
        order[i - 1] = order[j];
        order[j] = swap;
    }
}

void bcl_normal(float *out, size_t n, float std, uint64_t seed) {
    const double pi = 3.14159265358979323846;
    for (size_t i = 0; i < n; i++) {
        uint64_t bits = draw(seed, i);
        double u = ((double)(bits >> 32) + 1.0) / 4294967296.0;
        double v = (double)(bits & 0xffffffffu) / 4294967296.0;
        out[i] = std * (float)(sqrt(-2.0 * log(u)) * cos(2.0 * pi * v)); /* Box-Muller */
    }
}
