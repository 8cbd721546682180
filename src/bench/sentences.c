/* Sentences of random pieces, whose lengths are drawn as the UN corpus has them, or are all the
 * same; or those of a corpus. */
#include "bench/internal.h"

#include <bertcl/data.h>
#include <bertcl/tokenizer.h>
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

/* ---- of a corpus ---- */

static bcl_status add_sentence(bcl_bench_text *out, size_t *capacity, int i, const bcl_encoding *e,
                               const bcl_config *config, const char *folder) {
    bcl_status status = BCL_OK;
    for (size_t k = 0; k < e->count; k++)
        if (e->ids[k] >= config->vocabulary)
            BCL_FAIL(BCL_ERROR_FORMAT,
                     "%s: its tokenizer gives piece %d, but its config.json has a vocabulary of %d",
                     folder, e->ids[k], config->vocabulary);
    BCL_TRY(bcl_grow(&out->ids, capacity, (size_t)out->tokens + e->count, sizeof *out->ids));
    memcpy(out->ids + out->tokens, e->ids, e->count * sizeof *out->ids);
    out->lengths[i] = (int)e->count;
    out->tokens += out->lengths[i];
out:
    return status;
}

bcl_status bcl_bench_text_read(bcl_bench_text *out, const bcl_bench_options *options,
                               const bcl_config *config) {
    bcl_status status = BCL_OK;
    bcl_corpus *corpus = NULL;
    bcl_tokenizer *tokenizer = NULL;
    bcl_encoding e = {0};
    const char *folder = options->model ? options->model : "";
    *out = (bcl_bench_text){0};
    if (!bcl_path_is_directory(folder))
        BCL_FAIL(
            BCL_ERROR_ARGUMENT,
            "data is cut into pieces by the model's tokenizer: found the model \"%s\", expected "
            "a folder with vocab.txt or tokenizer.json",
            options->model ? options->model : "MiniLM-L6");
    BCL_TRY(bcl_tokenizer_load(&tokenizer, folder));
    BCL_TRY(bcl_corpus_read(&corpus, options->data, options->data_count, NULL));
    const size_t n = bcl_corpus_size(corpus);
    size_t capacity = 0;
    for (int i = 0; i < BCL_BENCH_SENTENCES; i++) {
        const size_t at =
            n < BCL_BENCH_SENTENCES ? (size_t)i % n : (size_t)i * n / BCL_BENCH_SENTENCES;
        const bcl_sentence s = bcl_corpus_sentence(corpus, at);
        BCL_TRY(bcl_tokenizer_encode_words(tokenizer, s.words, NULL, s.size,
                                           (size_t)config->positions, &e));
        BCL_TRY(add_sentence(out, &capacity, i, &e, config, folder));
    }
out:
    bcl_encoding_free(&e);
    bcl_tokenizer_free(tokenizer);
    bcl_corpus_free(corpus);
    return status;
}

/* ---- */

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

bcl_status bcl_bench_draw(bcl_bench_sentences *s, const bcl_config *config,
                          const bcl_bench_text *text, int count, int length) {
    bcl_status status = BCL_OK;
    int at = 0, lengths[BCL_BENCH_SENTENCES];
    const int32_t *ids = text && !length ? text->ids : NULL;
    *s = (bcl_bench_sentences){.count = count};
    for (int i = 0; i < count; i++) {
        lengths[i] = length ? length : ids ? text->lengths[i] : length_of(i, config->positions);
        s->tokens += lengths[i];
    }
    BCL_NEW(s->ids, (size_t)s->tokens);
    BCL_NEW(s->labels, (size_t)s->tokens);
    for (int i = 0; i < s->tokens; i++) {
        /* frequent pieces have small numbers, roughly as in text */
        const double u = uniform(1000 + 2 * (uint64_t)i), v = uniform(1001 + 2 * (uint64_t)i);
        s->ids[i] = ids ? ids[i] : 1 + (int32_t)(u * u * u * (config->vocabulary - 1));
        s->labels[i] = (int32_t)(v * config->labels);
    }
    for (int i = 0; i < count; i++) {
        const int n = lengths[i];
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
