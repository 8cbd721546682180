/* A model's predictions on a data set as labelled sentences, of pieces or of words. */
#ifndef BCL_PREDICTIONS_H
#define BCL_PREDICTIONS_H

#include "data/dataset.h"

#include <bertcl/scoring.h>

typedef struct bcl_predictions {
    const bcl_corpus *corpus;
    const bcl_dataset *data;  /* of all sentences of the corpus, in order */
    const int32_t *predicted; /* (data->pieces), see bcl_evaluate_options */
    const bcl_tokenizer *tokenizer;
    const char *const *names; /* (K) the model's labels */
    size_t K;
    const char *outside; /* what a word without a prediction is: "O" */
} bcl_predictions;

/* The labelled pieces; words are the pieces' texts. */
bcl_status bcl_labels_of_pieces(bcl_labels **out, const bcl_predictions *p);
/* Every word of the corpus, with the label of its first piece. Words that were cut and words
 * without any piece are predicted as `outside`, so that recall pays for them; the latter are
 * counted. */
bcl_status bcl_labels_of_words(bcl_labels **out, size_t *without_piece, const bcl_predictions *p);

#endif
