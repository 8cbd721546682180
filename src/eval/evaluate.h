/* A model's loss, labels and scores on a data set. */
#ifndef BCL_EVALUATE_H
#define BCL_EVALUATE_H

#include "data/windows.h"
#include "eval/predictions.h"

#include <bertcl/report.h>
#include <signal.h>

struct cJSON;

typedef struct bcl_evaluation {
    double loss;     /* mean over labelled pieces */
    double accuracy; /* right labels over labelled pieces */
    bcl_report *report;
    double seconds, tokens_per_s; /* pieces of the windows, so real ones, some more than once; the
                                   * first batch is not timed if there are more */
    size_t tokens, labelled, sentences, words_cut, sentences_cut;
    size_t sentences_windowed; /* that took more than one window */
    /* of words; report NULL until somebody makes them from the predictions */
    bcl_word_entities entities;
} bcl_evaluation;

/* Called with each sentence's logits (length,K), in order. */
typedef bcl_status bcl_logits_sink(void *context, size_t sentence, const float *logits, int length);
/* Called as batches finish. */
typedef void bcl_eval_progress(void *context, size_t done, size_t all);

typedef struct bcl_evaluate_options {
    /* sentences or windows of a batch, at most: results do not depend on it. Without sentences,
     * tokens are at most 1024 if they are 0 here. */
    size_t sentences, tokens;
    size_t max_length; /* longer sentences go through the model in windows; 0: none is longer */
    size_t stride;     /* that they overlap by, see bcl_window_stride */
    bcl_logits_sink *sink;
    bcl_eval_progress *progress;
    void *context;                     /* of both */
    const volatile sig_atomic_t *stop; /* set by others: as Ctrl-C; may be NULL */
    int32_t *predicted; /* (data->pieces) labels, sample behind sample; NULL: not kept */
    const struct bcl_remote *remote; /* computes in place of the model; NULL: none does */
} bcl_evaluate_options;

/* Fails with BCL_ERROR_INTERRUPTED on Ctrl-C or stop. names: the model's labels. */
bcl_status bcl_evaluate(bcl_evaluation *out, bcl_model *model, const bcl_dataset *data,
                        const char *const *names, size_t name_count,
                        const bcl_evaluate_options *options);
void bcl_evaluation_free(bcl_evaluation *evaluation);
/* The `eval` object of results.json and of `bertcl eval --json`. */
bcl_status bcl_evaluation_json(struct cJSON **out, const bcl_evaluation *evaluation);

#endif
