/* A session's model on a corpus, as a program sees it: labels of pieces and of words. */
#include "eval/evaluate.h"
#include "session/session.h"

#include <bertcl/evaluate.h>

typedef struct reading {
    size_t max_length, stride; /* pieces */
    int32_t *ids, *predicted;
    bcl_dataset data;
    bcl_evaluation evaluation;
} reading;

static void free_reading(reading *x) {
    bcl_evaluation_free(&x->evaluation);
    bcl_dataset_free(&x->data);
    free(x->ids);
    free(x->predicted);
}

static bcl_status encode(reading *x, const bcl_session *s, const bcl_corpus *corpus,
                         const bcl_evaluate_choices *o) {
    bcl_status status = BCL_OK;
    const bcl_config *c = &s->config;
    bcl_label_pieces pieces = c->label_pieces;
    if (o->label_pieces && strcmp(o->label_pieces, "all") && strcmp(o->label_pieces, "first"))
        BCL_FAIL(BCL_ERROR_ARGUMENT, "label-pieces: found \"%s\", expected all or first",
                 o->label_pieces);
    if (o->label_pieces)
        pieces = strcmp(o->label_pieces, "first") ? BCL_LABEL_ALL : BCL_LABEL_FIRST;
    BCL_TRY(bcl_sequence_limit(&x->max_length, o->max_length, c, s->tokenizer));
    BCL_TRY(bcl_window_stride(&x->stride, o->stride, x->max_length));
    BCL_NEW(x->ids, bcl_corpus_tag_count(corpus));
    BCL_TRY(bcl_corpus_label_ids(x->ids, corpus, (const char *const *)c->label_names,
                                 (size_t)c->labels));
    BCL_TRY(bcl_dataset_encode(&x->data, corpus, NULL, bcl_corpus_size(corpus), s->tokenizer,
                               x->ids, o->windows ? 0 : x->max_length, pieces));
    BCL_NEW(x->predicted, x->data.pieces);
out:
    return status;
}

bcl_status bcl_session_evaluate(bcl_evaluated *out, bcl_session *s, const bcl_corpus *corpus,
                                const bcl_evaluate_choices *choices) {
    bcl_status status = BCL_OK;
    const bcl_evaluate_choices o = choices ? *choices : (bcl_evaluate_choices){0};
    const char *const *names = (const char *const *)s->config.label_names;
    const size_t K = bcl_session_label_count(s);
    reading x = {0};
    *out = (bcl_evaluated){0};
    BCL_TRY(encode(&x, s, corpus, &o));
    const bcl_evaluate_options options = {.tokens = o.batch_tokens,
                                          .max_length = x.max_length,
                                          .stride = x.stride,
                                          .predicted = x.predicted};
    BCL_TRY(bcl_evaluate(&x.evaluation, s->model, &x.data, names, K, &options));
    const bcl_predictions p = {.corpus = corpus,
                               .data = &x.data,
                               .predicted = x.predicted,
                               .tokenizer = s->tokenizer,
                               .names = names,
                               .K = K,
                               .outside = "O"};
    BCL_TRY(bcl_labels_of_pieces(&out->piece_labels, &p));
    BCL_TRY(bcl_labels_of_words(&out->word_labels, &out->words_without_piece, &p));
    out->loss = x.evaluation.loss;
    out->accuracy = x.evaluation.accuracy;
    out->pieces = x.evaluation.tokens;
    out->labelled = x.evaluation.labelled;
    out->words_cut = x.evaluation.words_cut;
    out->sentences_cut = x.evaluation.sentences_cut;
out:
    free_reading(&x);
    if (status)
        bcl_evaluated_free(out);
    return status;
}

void bcl_evaluated_free(bcl_evaluated *e) {
    bcl_labels_free(e->piece_labels);
    bcl_labels_free(e->word_labels);
    *e = (bcl_evaluated){0};
}
