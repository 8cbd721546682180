/* From sentences to pieces with labels, on a few threads where there are many; and to batches. */
#include "data/dataset.h"

#include "text/text.h"

/* Embeddings are often padded by some rows, but not by as many as there are pieces. */
static void warn_of_size(bcl_tokenizer *t, size_t vocabulary) {
    if (t->size * 4 < vocabulary * 3 && !*t->warning)
        snprintf(
            t->warning, sizeof t->warning,
            "the tokenizer has %zu pieces, the model was made for %zu: if its vocabulary was cut "
            "off, many words are [UNK]",
            t->size, vocabulary);
}

bcl_status bcl_model_folder_read(bcl_config *config, bcl_tokenizer **tokenizer,
                                 const char *folder) {
    bcl_status status = BCL_OK;
    BCL_TRY(bcl_config_read(config, folder));
    BCL_TRY(bcl_tokenizer_load(tokenizer, folder));
    if (bcl_tokenizer_size(*tokenizer) > (size_t)config->vocabulary)
        BCL_FAIL(BCL_ERROR_FORMAT, "%s: the tokenizer has %zu pieces, the model's vocab_size is %d",
                 folder, bcl_tokenizer_size(*tokenizer), config->vocabulary);
    warn_of_size(*tokenizer, (size_t)config->vocabulary);
out:
    return status;
}

bcl_status bcl_sequence_limit(size_t *out, size_t wanted, const bcl_config *config,
                              const bcl_tokenizer *tokenizer) {
    const size_t positions = (size_t)config->positions;
    if (wanted > positions)
        return bcl_fail(BCL_ERROR_ARGUMENT, "max-length: found %zu, the model has %zu positions",
                        wanted, positions);
    *out = wanted ? wanted : bcl_tokenizer_model_max_length(tokenizer);
    if (*out > positions)
        *out = positions;
    if (*out < 3)
        return bcl_fail(BCL_ERROR_ARGUMENT,
                        "sequences of %zu pieces, expected at least 3: [CLS], a piece and [SEP]",
                        *out);
    return BCL_OK;
}

enum { GRAIN = 512 /* sentences: some milliseconds of work */ };

/* What one thread makes of a run of sentences, until it is its turn to be added. */
typedef struct part {
    bcl_encoding encoding;
    int32_t *storage; /* the sentences' ids and labels, as in bcl_dataset */
    size_t capacity, pieces, labelled, words_cut, sentences_cut;
    size_t words, words_without_piece, words_unknown;
} part;

typedef struct encode_job {
    bcl_dataset *out;
    size_t capacity; /* of out->storage */
    const bcl_corpus *corpus;
    const uint32_t *rows;
    const bcl_tokenizer *tokenizer;
    const int32_t *label_ids;
    size_t max_length;
    bcl_label_pieces label_pieces;
    part *parts; /* one a worker */
} encode_job;

static void label(int32_t *labels, const encode_job *j, const bcl_encoding *e,
                  const bcl_sentence *s) {
    int32_t word = -1;
    for (size_t k = 0; k < e->count; k++) {
        const bool first = e->word_ids[k] != word;
        word = e->word_ids[k];
        labels[k] = word < 0 || !j->label_ids || (j->label_pieces == BCL_LABEL_FIRST && !first)
                        ? -100
                        : j->label_ids[s->tags[word]];
    }
}

/* Counts words: all, those without a piece between the pieces that are there, unknown ones. */
static void count_words(part *p, const bcl_encoding *e, size_t words, int32_t unknown, bool left) {
    int32_t word = -1, first = -1;
    size_t seen = 0, known = 0;
    bool all_unknown = true;
    for (size_t k = 0; k < e->count; k++) {
        if (e->word_ids[k] < 0)
            continue;
        if (e->word_ids[k] != word) {
            known += word >= 0 && !all_unknown;
            word = e->word_ids[k];
            first = first < 0 ? word : first;
            seen++;
            all_unknown = true;
        }
        all_unknown &= e->ids[k] == unknown;
    }
    known += word >= 0 && !all_unknown;
    const size_t begin = e->words_cut && left && first > 0 ? (size_t)first : 0;
    const size_t end = e->words_cut && !left ? (size_t)(word + 1) : words;
    p->words += words;
    p->words_unknown += seen - known;
    p->words_without_piece += end - begin - seen;
}

static bcl_status encode_part(void *context, size_t worker, size_t begin, size_t end) {
    bcl_status status = BCL_OK;
    encode_job *j = context;
    part *p = &j->parts[worker];
    bcl_encoding *e = &p->encoding;
    p->pieces = p->labelled = p->words_cut = p->sentences_cut = 0;
    p->words = p->words_without_piece = p->words_unknown = 0;
    for (size_t i = begin; i < end; i++) {
        const bcl_sentence s = bcl_corpus_sentence(j->corpus, j->rows ? j->rows[i] : i);
        if (bcl_tokenizer_encode_words(j->tokenizer, s.words, NULL, s.size, j->max_length, e)) {
            char message[512];
            snprintf(message, sizeof message, "%s", bcl_message());
            BCL_FAIL(BCL_ERROR_FORMAT, "%s:%zu: %s", s.file, s.line, message);
        }
        BCL_TRY(
            bcl_grow(&p->storage, &p->capacity, 2 * (p->pieces + e->count), sizeof *p->storage));
        int32_t *ids = p->storage + 2 * p->pieces, *labels = ids + e->count;
        memcpy(ids, e->ids, e->count * sizeof *ids);
        label(labels, j, e, &s);
        for (size_t k = 0; k < e->count; k++)
            p->labelled += labels[k] >= 0;
        j->out->samples[i] = (bcl_sample){.length = (int)e->count, .number = (uint32_t)i};
        p->pieces += e->count;
        p->words_cut += e->words_cut;
        p->sentences_cut += e->words_cut > 0;
        count_words(p, e, s.size, j->tokenizer->special_ids[BCL_SPECIAL_UNK],
                    j->tokenizer->truncate_left);
    }
out:
    return status;
}

static bcl_status add_part(void *context, size_t worker, size_t begin, size_t end) {
    bcl_status status = BCL_OK;
    encode_job *j = context;
    const part *p = &j->parts[worker];
    bcl_dataset *d = j->out;
    BCL_TRY(bcl_grow(&d->storage, &j->capacity, 2 * (d->pieces + p->pieces), sizeof *d->storage));
    memcpy(d->storage + 2 * d->pieces, p->storage, 2 * p->pieces * sizeof *d->storage);
    d->pieces += p->pieces;
    d->labelled += p->labelled;
    d->words_cut += p->words_cut;
    d->sentences_cut += p->sentences_cut;
    d->words += p->words;
    d->words_without_piece += p->words_without_piece;
    d->words_unknown += p->words_unknown;
    for (size_t i = begin; i < end; i++)
        if (d->samples[i].length > d->longest)
            d->longest = d->samples[i].length;
out:
    return status;
}

bcl_status bcl_dataset_encode(bcl_dataset *out, const bcl_corpus *corpus, const uint32_t *rows,
                              size_t count, const bcl_tokenizer *tokenizer,
                              const int32_t *label_ids, size_t max_length,
                              bcl_label_pieces label_pieces) {
    bcl_status status = BCL_OK;
    encode_job j = {.out = out,
                    .corpus = corpus,
                    .rows = rows,
                    .tokenizer = tokenizer,
                    .label_ids = label_ids,
                    .max_length = max_length,
                    .label_pieces = label_pieces};
    const bcl_parallel run = {count, GRAIN, encode_part, add_part, &j};
    const size_t workers = bcl_parallel_workers(&run);
    *out = (bcl_dataset){.cut_left = tokenizer->truncate_left};
    BCL_NEW(out->samples, count);
    BCL_NEW(j.parts, workers);
    BCL_TRY(bcl_parallel_run(&run));
    out->count = count;
    for (size_t i = 0, at = 0; i < count; i++) {
        bcl_sample *s = &out->samples[i];
        s->ids = out->storage + 2 * at;
        s->labels = s->ids + s->length;
        at += (size_t)s->length;
    }
out:
    for (size_t i = 0; j.parts && i < workers; i++) {
        bcl_encoding_free(&j.parts[i].encoding);
        free(j.parts[i].storage);
    }
    free(j.parts);
    if (status)
        bcl_dataset_free(out);
    return status;
}

size_t bcl_dataset_notes(const bcl_dataset *d, const char *name,
                         char notes[BCL_DATASET_NOTES][BCL_DATASET_NOTE]) {
    size_t n = 0;
    if (d->words_without_piece)
        snprintf(notes[n++], BCL_DATASET_NOTE,
                 "%zu words of the %s data are without a piece (empty, or characters that the "
                 "tokenizer drops); the model does not see them",
                 d->words_without_piece, name);
    if (d->words_unknown * 2 > d->words)
        snprintf(notes[n++], BCL_DATASET_NOTE,
                 "%zu of the %zu words of the %s data are [UNK]: is the vocabulary of another "
                 "language or script?",
                 d->words_unknown, d->words, name);
    return n;
}

void bcl_dataset_free(bcl_dataset *d) {
    free(d->samples);
    free(d->storage);
    *d = (bcl_dataset){0};
}

size_t bcl_dataset_take(const bcl_dataset *d, const uint32_t *order, size_t from, size_t end,
                        size_t sentences, size_t tokens, size_t *tokens_out) {
    size_t n = 0, sum = 0;
    for (; from + n < end; n++) {
        size_t length = (size_t)d->samples[order ? order[from + n] : from + n].length;
        if (n && ((sentences && n >= sentences) || (tokens && sum + length > tokens)))
            break;
        sum += length;
    }
    *tokens_out = sum;
    return n;
}
