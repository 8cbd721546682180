/* Inside cli/: what the files of `bertcl eval` share. */
#ifndef BCL_CLI_EVAL_COMMAND_H
#define BCL_CLI_EVAL_COMMAND_H

#include "cli/cli.h"
#include "cli/pool.h"
#include "eval/evaluate.h"
#include "eval/predictions.h"

#include <bertcl/scoring.h>

typedef struct eval_options {
    /* what is scored */
    bcl_list gold, pred, models, data;
    const char *pred2, *compare;
    bool each;
    /* reading */
    bcl_cli_reading reading;
    /* the model's part */
    const char *device_id, *gemm, *precision, *logits_path, *label_pieces, *long_sentences;
    bcl_cli_pool pool;
    int64_t max_length, stride, batch, max_tokens;
    bool windows; /* long_sentences is "window" */
    bool constrain;
    bcl_list calibrate;
    /* scores */
    const char *mode, *scheme, *level, *zero_division;
    bool mode_given, scheme_given;
    int64_t resamples, seed;
    /* what comes out */
    const char *errors_path, *predictions_path, *table;
    int64_t errors_most, digits;
    int argc;
    char *const *argv;
    double started; /* Unix time, s */
    bool digits_given, matches, confusion, breakdown, json, quiet;
} eval_options;

/* One model on one data set, or one pair of files. */
typedef struct eval_result {
    char *name, *data; /* of the model or prediction; of the data */
    bcl_corpus *corpus;
    struct eval_model *model; /* that the pieces' texts belong to; may be NULL */
    bcl_labels *labels;       /* of the entities */
    bcl_labels
        *pieces; /* of accuracy and report, where those are of pieces and entities of words */
    bcl_score *score;
    bcl_scheme found, counted; /* see bcl_labels_scheme; of files counted is what was asked for */
    /* of a model */
    bool has_evaluation;
    bcl_evaluation evaluation;
    size_t words_without_piece, max_length, model_labels;
    const char *device, *precision, *label_pieces;
} eval_result;
void eval_result_free(eval_result *result);

/* Words, sentences, pieces. */
#define EVAL_CUT                                                                                   \
    "%zu words of %zu sentences are beyond %zu pieces and were cut; --long window scores them too"

/* ---- eval_track.c ---- */
/* Records the evaluations of models in the store; what fails is told. */
void eval_track(const eval_options *o, const eval_result *results, size_t count);

/* ---- eval_run.c ---- */
bcl_status eval_run(const eval_options *o);

/* ---- eval_model.c ---- */
typedef struct eval_model eval_model;
/* beside: one that is open, whose device this one shares; NULL: none. */
bcl_status eval_model_load(eval_model **out, const eval_model *beside, const eval_options *o,
                           const char *path);
void eval_model_free(eval_model *model);
/* Labels and evaluation of a model on some paths. */
bcl_status eval_model_run(eval_result *out, const eval_options *o, eval_model *model,
                          const char *const *paths, size_t count);

/* Fits a temperature on --calibrate's data and writes it into the model's config.json. */
bcl_status eval_model_calibrate(const eval_options *o, eval_model *model);

/* ---- eval_print.c ---- */
/* "word" or "piece": what the entities are of; NULL of files. */
const char *eval_level(const eval_options *o, const eval_result *r);
/* "IOBES, strict" */
const char *eval_scheme_text(char out[BCL_SCHEME_TEXT], const eval_result *r);
bcl_status eval_print_one(const eval_options *o, const eval_result *result,
                          const eval_result *second);
/* {"results": [...]} */
bcl_status eval_result_json(struct cJSON **out, const eval_options *o, const eval_result *r);
bcl_status eval_print_all_json(const eval_options *o, const eval_result *results, size_t count);

/* ---- eval_table.c ---- */
bcl_status eval_print_table(const eval_options *o, const eval_result *results, size_t count);

#endif
