/* From the logits of a sentence's pieces to labels of its words. */
#include "eval/words.h"

/* Rows of the words' first pieces. e: the whole sentence, of which `length` pieces went through the
 * model. */
static void find_first(size_t *first, size_t words, const bcl_encoding *e, bool cut_left,
                       size_t length) {
    const size_t skip = cut_left ? e->count - length : 0;
    for (size_t w = 0; w < words; w++)
        first[w] = SIZE_MAX;
    for (size_t k = e->count - 1; k-- > 1;) {
        const bool cut = k <= skip || k + 1 >= skip + length;
        first[e->word_ids[k]] = cut ? SIZE_MAX : k - skip;
    }
}

/* A word without a piece is outside, whatever its neighbours are. */
static void be_outside(float *row, const bcl_predictions *p) {
    for (size_t k = 0; k < p->K; k++)
        row[k] = strcmp(p->names[k], p->outside) ? 0 : 1;
}

static bcl_status decode(bcl_word_reader *r, size_t words, const float *logits) {
    bcl_status status = BCL_OK;
    const bcl_predictions *p = r->predictions;
    BCL_TRY(bcl_grow(&r->scores, &r->scores_capacity, words * p->K, sizeof *r->scores));
    BCL_TRY(bcl_grow(&r->best, &r->best_capacity, words, sizeof *r->best));
    BCL_TRY(bcl_grow(&r->decoded, &r->capacity, r->word_count + words, sizeof *r->decoded));
    for (size_t w = 0; w < words; w++) {
        float *row = r->scores + w * p->K;
        if (r->first[w] == SIZE_MAX)
            be_outside(row, p);
        else if (!bcl_softmax(row, logits + r->first[w] * p->K, p->K, 1))
            BCL_FAIL(BCL_ERROR_DEVICE,
                     "the model's output is not finite; are its weights damaged?");
    }
    BCL_TRY(bcl_decode(r->best, r->transitions, r->scores, words));
    for (size_t w = 0; w < words; w++)
        r->decoded[r->word_count++] = r->first[w] == SIZE_MAX ? -1 : r->best[w];
out:
    return status;
}

bcl_status bcl_word_reader_take(bcl_word_reader *r, size_t sentence, const float *logits,
                                int length) {
    bcl_status status = BCL_OK;
    const bcl_predictions *p = r->predictions;
    const bcl_sentence s = bcl_corpus_sentence(p->corpus, p->rows ? p->rows[sentence] : sentence);
    bcl_encoding *e = &r->encoding;
    BCL_TRY(bcl_tokenizer_encode_words(p->tokenizer, s.words, NULL, s.size, 0, e));
    BCL_TRY(bcl_grow(&r->first, &r->first_capacity, s.size, sizeof *r->first));
    find_first(r->first, s.size, e, p->data->cut_left, (size_t)length);
    if (r->transitions)
        BCL_TRY(decode(r, s.size, logits));
    for (size_t w = 0; r->calibration && w < s.size; w++)
        if (r->first[w] != SIZE_MAX)
            BCL_TRY(bcl_calibration_add(r->calibration, logits + r->first[w] * p->K, p->K,
                                        r->label_ids[s.tags[w]]));
out:
    return status;
}

void bcl_word_reader_free(bcl_word_reader *r) {
    free(r->decoded);
    free(r->scores);
    free(r->first);
    free(r->best);
    bcl_encoding_free(&r->encoding);
    *r = (bcl_word_reader){0};
}
