/* pandas' DataFrame.sample(frac=, random_state=) without pandas: NumPy's legacy RandomState is the
 * Mersenne Twister MT19937 (Matsumoto and Nishimura, 1998), seeded by init_genrand; sample() is the
 * start of a permutation, which is a Fisher-Yates shuffle with masked rejection. */
#include "data/data.h"

#include <math.h>

#define MT_N 624
#define MT_M 397

typedef struct twister {
    uint32_t key[MT_N];
    size_t at;
} twister;

static void twister_seed(twister *t, uint32_t seed) {
    for (uint32_t i = 0; i < MT_N; i++) {
        t->key[i] = seed;
        seed = 1812433253u * (seed ^ (seed >> 30)) + i + 1;
    }
    t->at = MT_N;
}

static void twister_generate(twister *t) {
    for (size_t i = 0; i < MT_N; i++) {
        uint32_t y = (t->key[i] & 0x80000000u) | (t->key[(i + 1) % MT_N] & 0x7fffffffu);
        t->key[i] = t->key[(i + MT_M) % MT_N] ^ (y >> 1) ^ ((y & 1) ? 0x9908b0dfu : 0);
    }
    t->at = 0;
}

static uint32_t twister_next(twister *t) {
    if (t->at == MT_N)
        twister_generate(t);
    uint32_t y = t->key[t->at++];
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    return y ^ (y >> 18);
}

/* Uniform over 0..max; draws again instead of using a remainder, as NumPy's random_interval. */
static uint32_t twister_interval(twister *t, uint32_t max) {
    uint32_t mask = max, value;
    for (int shift = 1; shift < 32; shift *= 2)
        mask |= mask >> shift;
    do
        value = twister_next(t) & mask;
    while (value > max);
    return value;
}

bcl_status bcl_split(uint32_t *train, size_t *train_count, uint32_t *test, size_t *test_count,
                     size_t n, double fraction, uint32_t seed) {
    bcl_status status = BCL_OK;
    twister *t = NULL;
    unsigned char *taken = NULL;
    if (!(fraction >= 0 && fraction <= 1))
        BCL_FAIL(BCL_ERROR_ARGUMENT, "split: found fraction %g, expected 0 to 1", fraction);
    if (n >= UINT32_MAX)
        BCL_FAIL(BCL_ERROR_ARGUMENT, "split: found %zu sentences, expected fewer than 2^32", n);
    BCL_NEW(t, 1);
    BCL_NEW(taken, n);
    for (size_t i = 0; i < n; i++)
        train[i] = (uint32_t)i;
    twister_seed(t, seed);
    for (size_t i = n; i-- > 1;) {
        uint32_t j = twister_interval(t, (uint32_t)i), swap = train[i];
        train[i] = train[j];
        train[j] = swap;
    }
    /* Python's round(): halves to even, which is how the default rounding mode rounds. */
    *train_count = (size_t)nearbyint(fraction * (double)n);
    *test_count = 0;
    for (size_t i = 0; i < *train_count; i++)
        taken[train[i]] = 1;
    for (size_t i = 0; i < n; i++)
        if (!taken[i])
            test[(*test_count)++] = (uint32_t)i;
out:
    free(t);
    free(taken);
    return status;
}
