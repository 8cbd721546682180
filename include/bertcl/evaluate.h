/* A model's labels on a corpus: what it predicts of each word and piece beside what is right, for
 * the figures of bertcl/scoring.h. */
#ifndef BERTCL_EVALUATE_H
#define BERTCL_EVALUATE_H

#include <bertcl/scoring.h>
#include <bertcl/session.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct bcl_evaluate_choices { /* all zero: the defaults */
    const char *label_pieces; /* "all" or "first" pieces of a word have its label; NULL: as the
                               * model was trained, else all */
    size_t max_length;        /* pieces, [CLS] and [SEP] included; 0: what the model takes */
    bool windows;             /* longer sentences in overlapping windows; else they are cut */
    size_t stride;            /* pieces that windows overlap by; 0: a quarter of a window */
    size_t batch_tokens;      /* pieces of one pass; 0: 1024. Results do not depend on it */
} bcl_evaluate_choices;

/* Free with bcl_evaluated_free. */
typedef struct bcl_evaluated {
    double loss, accuracy;           /* mean over labelled pieces; right ones over all */
    size_t pieces, labelled;         /* of the corpus; those that count */
    size_t words_cut, sentences_cut; /* beyond max_length */
    size_t words_without_piece;      /* predicted as "O", as words that were cut */
    bcl_labels *piece_labels;        /* of the labelled pieces: for the token report */
    bcl_labels *word_labels;         /* of all words: for entities */
} bcl_evaluated;

/* Runs the session's model over the corpus, which must outlive the labels. Blocking; one at a time
 * may use a session. choices may be NULL. Errors: ARGUMENT (no labelled word, a length that the
 * model does not take), FORMAT (a tag that is not among the model's labels: file and line are
 * named), DEVICE (values that are not finite: the layer is named), DEVICE_MEMORY, MEMORY,
 * INTERRUPTED (a signal that bertcl's command line has caught). On failure there is nothing to
 * free. */
BCL_EXPORT bcl_status bcl_session_evaluate(bcl_evaluated *out, bcl_session *session,
                                           const bcl_corpus *corpus,
                                           const bcl_evaluate_choices *choices);
BCL_EXPORT void bcl_evaluated_free(bcl_evaluated *evaluated);

#ifdef __cplusplus
}
#endif
#endif
