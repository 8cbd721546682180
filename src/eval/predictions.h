/* A model's predictions on a data set as labelled sentences, of pieces or of words. */
#ifndef BCL_PREDICTIONS_H
#define BCL_PREDICTIONS_H

#include "data/dataset.h"

#include <bertcl/scoring.h>

typedef struct bcl_predictions {
    const bcl_corpus *corpus;
    const uint32_t *rows; /* (data->count) its sentences that the data were made of; NULL: all,
                           * in order */
    const bcl_dataset *data;
    const int32_t *predicted; /* (data->pieces), see bcl_evaluate_options */
    const int32_t *decoded;   /* by word, sentence behind sentence, see bcl_word_reader; NULL: a
                               * word's label is that of its first piece */
    const bcl_tokenizer *tokenizer;
    const char *const *names; /* (K) the model's labels */
    size_t K;
    const char *outside; /* what a word without a prediction is: "O" */
} bcl_predictions;

/* The labelled pieces; words are the pieces' texts. */
bcl_status bcl_labels_of_pieces(bcl_labels **out, const bcl_predictions *p);
/* Every word of the sentences, with the label of its first piece. Words that were cut and words
 * without any piece are predicted as `outside`, so that recall pays for them; the latter are
 * counted. */
bcl_status bcl_labels_of_words(bcl_labels **out, size_t *without_piece, const bcl_predictions *p);

/* ---- entities of words, for a run's epochs ---- */

typedef struct bcl_word_entities {
    bcl_scheme found, counted; /* see bcl_labels_scheme */
    bcl_entity_report *report;
    size_t without_piece; /* words */
} bcl_word_entities;
bcl_status bcl_word_entities_create(bcl_word_entities *out, const bcl_predictions *p);
void bcl_word_entities_free(bcl_word_entities *entities);
/* Puts "entities" (seqeval's report), "level", "mode" and "scheme" into an object. */
bcl_status bcl_word_entities_json(struct cJSON *into, const bcl_word_entities *entities);
/* "IOBES, strict": a scheme and how its entities are counted. */
enum { BCL_SCHEME_TEXT = 48 };
const char *bcl_scheme_text(char out[BCL_SCHEME_TEXT], bcl_scheme found, bcl_scheme counted);

#endif
