/* What a model's logits say of words: the best labels that a scheme allows, and how far its
 * probabilities can be trusted. Read as a bcl_logits_sink, sentence behind sentence. */
#ifndef BCL_EVAL_WORDS_H
#define BCL_EVAL_WORDS_H

#include "data/scheme.h"
#include "data/calibration.h"
#include "eval/predictions.h"

/* Zero-initialise, set what stands above the line. */
typedef struct bcl_word_reader {
    const bcl_predictions *predictions; /* without `predicted` and `decoded` */
    bcl_transitions *transitions;       /* words are decoded by these; NULL: not */
    bcl_calibration *calibration;       /* words' first pieces are added to it; NULL: not */
    const int32_t *label_ids;           /* by the corpus' tags: what is right, for calibration */
    /* ---- */
    int32_t *decoded; /* (word_count) labels; -1: no piece, or cut */
    size_t word_count, capacity;
    bcl_encoding encoding;
    float *scores; /* (words,K) */
    size_t *first; /* (words) row of its first piece, SIZE_MAX: none */
    int32_t *best;
    size_t scores_capacity, first_capacity, best_capacity;
} bcl_word_reader;
bcl_status bcl_word_reader_take(bcl_word_reader *reader, size_t sentence, const float *logits,
                                int length);
void bcl_word_reader_free(bcl_word_reader *reader);

#endif
