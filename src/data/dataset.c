/* From sentences to pieces with labels, and to batches. */
#include "data/dataset.h"

#include "text/text.h"

bcl_status bcl_model_folder_read(bcl_config *config, bcl_tokenizer **tokenizer,
                                 const char *folder) {
    bcl_status status = BCL_OK;
    BCL_TRY(bcl_config_read(config, folder));
    BCL_TRY(bcl_tokenizer_load(tokenizer, folder));
    if (bcl_tokenizer_size(*tokenizer) > (size_t)config->vocabulary)
        BCL_FAIL(BCL_ERROR_FORMAT, "%s: the tokenizer has %zu pieces, the model's vocab_size is %d",
                 folder, bcl_tokenizer_size(*tokenizer), config->vocabulary);
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

bcl_status bcl_dataset_encode(bcl_dataset *out, const bcl_corpus *corpus, const uint32_t *rows,
                              size_t count, const bcl_tokenizer *tokenizer,
                              const int32_t *label_ids, size_t max_length,
                              bcl_label_pieces label_pieces) {
    bcl_status status = BCL_OK;
    bcl_encoding e = {0};
    size_t capacity = 0, *starts = NULL;
    int32_t *storage = NULL;
    *out = (bcl_dataset){.cut_left = tokenizer->truncate_left};
    BCL_NEW(out->samples, count);
    BCL_NEW(starts, count);
    for (size_t i = 0; i < count; i++) {
        bcl_sentence s = bcl_corpus_sentence(corpus, rows ? rows[i] : i);
        if (bcl_tokenizer_encode_words(tokenizer, s.words, NULL, s.size, max_length, &e)) {
            char message[512];
            snprintf(message, sizeof message, "%s", bcl_message());
            BCL_FAIL(BCL_ERROR_FORMAT, "%s:%zu: %s", s.file, s.line, message);
        }
        BCL_TRY(bcl_grow(&storage, &capacity, 2 * (out->pieces + e.count), sizeof *storage));
        starts[i] = out->pieces;
        int32_t *ids = storage + 2 * out->pieces, *labels = ids + e.count;
        int32_t word = -1;
        memcpy(ids, e.ids, e.count * sizeof *ids);
        for (size_t k = 0; k < e.count; k++) {
            bool first = e.word_ids[k] != word;
            word = e.word_ids[k];
            labels[k] = word < 0 || !label_ids || (label_pieces == BCL_LABEL_FIRST && !first)
                            ? -100
                            : label_ids[s.tags[word]];
            out->labelled += labels[k] >= 0;
        }
        out->samples[i] = (bcl_sample){.length = (int)e.count, .number = (uint32_t)i};
        out->pieces += e.count;
        out->words_cut += e.words_cut;
        out->sentences_cut += e.words_cut > 0;
        if ((int)e.count > out->longest)
            out->longest = (int)e.count;
    }
    for (size_t i = 0; i < count; i++) {
        bcl_sample *s = &out->samples[i];
        s->ids = storage + 2 * starts[i];
        s->labels = s->ids + s->length;
    }
    out->count = count;
    out->storage = storage;
    storage = NULL;
out:
    bcl_encoding_free(&e);
    free(starts);
    free(storage);
    if (status)
        bcl_dataset_free(out);
    return status;
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
        if (n && (sentences ? n >= sentences : sum + length > tokens))
            break;
        sum += length;
    }
    *tokens_out = sum;
    return n;
}
