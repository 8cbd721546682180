/* Sentences of random pieces, whose lengths are drawn as the UN corpus has them, or are all the
 * same. */
#include "bench/internal.h"

#include <math.h>

enum { LEAST_TOKENS = 4, MOST_TOKENS = 128, SEED = 29 };
/* Lognormal with the corpus' mean of 29 pieces. */
static const double MEAN = 29, SIGMA = 0.5;

static double uniform(uint64_t i) {
    return ((double)(bcl_mix64(SEED + i * 2654435761u) >> 11) + 0.5) * 0x1p-53;
}

static int length_of(int sentence, int positions) {
    const uint64_t i = 2 * (uint64_t)sentence;
    const double z = sqrt(-2 * log(uniform(i))) * cos(2 * 3.14159265358979 * uniform(i + 1));
    const double n = exp(log(MEAN) - SIGMA * SIGMA / 2 + SIGMA * z);
    const int most = positions < MOST_TOKENS ? positions : MOST_TOKENS;
    return n < LEAST_TOKENS ? LEAST_TOKENS : n > most ? most : (int)n;
}

static bcl_status number_words(bcl_bench_sentences *s, const bcl_config *config) {
    bcl_status status = BCL_OK;
    const int V = config->vocabulary;
    BCL_NEW(s->used, (size_t)V);
    BCL_NEW(s->slot_of, (size_t)V);
    for (int i = 0; i < s->tokens; i++)
        s->used[s->ids[i]] = true;
    for (int v = 0; v < V; v++)
        s->slot_of[v] = s->used[v] && v != config->pad_token_id ? s->words++ : -1;
out:
    return status;
}

bcl_status bcl_bench_draw(bcl_bench_sentences *s, const bcl_config *config, int count, int length) {
    bcl_status status = BCL_OK;
    int at = 0;
    *s = (bcl_bench_sentences){.count = count};
    for (int i = 0; i < count; i++)
        s->tokens += length ? length : length_of(i, config->positions);
    BCL_NEW(s->ids, (size_t)s->tokens);
    BCL_NEW(s->labels, (size_t)s->tokens);
    for (int i = 0; i < s->tokens; i++) {
        /* frequent pieces have small numbers, roughly as in text */
        const double u = uniform(1000 + 2 * (uint64_t)i), v = uniform(1001 + 2 * (uint64_t)i);
        s->ids[i] = 1 + (int32_t)(u * u * u * (config->vocabulary - 1));
        s->labels[i] = (int32_t)(v * config->labels);
    }
    for (int i = 0; i < count; i++) {
        const int n = length ? length : length_of(i, config->positions);
        s->samples[i] = (bcl_sample){s->ids + at, s->labels + at, n, (uint32_t)i};
        at += n;
        if (n > s->longest)
            s->longest = n;
    }
    BCL_TRY(number_words(s, config));
out:
    if (status)
        bcl_bench_sentences_free(s);
    return status;
}

void bcl_bench_sentences_free(bcl_bench_sentences *s) {
    free(s->ids);
    free(s->labels);
    free(s->slot_of);
    free(s->used);
    *s = (bcl_bench_sentences){0};
}
