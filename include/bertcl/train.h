/* A run: fine-tuning in a folder that has everything, from the options to the results, and can be
 * gone on with after any end. A program starts one by a struct of options and follows it by events.
 */
#ifndef BERTCL_TRAIN_H
#define BERTCL_TRAIN_H

#include <bertcl/data.h>
#include <bertcl/report.h>
#include <bertcl/session.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- events ---- */

typedef enum bcl_run_event_kind {
    BCL_RUN_SESSION,    /* session: what opening the model tells */
    BCL_RUN_MESSAGE,    /* text: a line about the data, the memory, what was cleared away, ... */
    BCL_RUN_BEGUN,      /* run.json is written, or read again; the record is known */
    BCL_RUN_RESUMED,    /* step: finished before */
    BCL_RUN_STEP,       /* an optimizer step has ended: all figures */
    BCL_RUN_EPOCH,      /* epoch, step; loss and accuracy of its labelled pieces */
    BCL_RUN_EVALUATING, /* done of all sentences */
    BCL_RUN_EVALUATED,  /* epoch, step; loss, accuracy, macro_f1, entity_f1 of the dev set, or
                         * without one of the test set */
    BCL_RUN_CHECKPOINT, /* step; text: the checkpoint's folder, complete and synced */
    BCL_RUN_FINISHED    /* results.json is written; the record has all figures */
} bcl_run_event_kind;

/* What does not belong to the kind is 0 or NULL. Valid during the call. */
typedef struct bcl_run_event {
    bcl_run_event_kind kind;
    const char *text; /* without a newline */
    const bcl_session_event *session;
    int64_t step, steps;   /* finished, and of the whole run */
    int64_t epoch;         /* from 1 */
    double loss, accuracy; /* mean over labelled pieces (of training by their labels' weights, with
                            * smoothing); right ones over all */
    double macro_f1;       /* over the labels of the report */
    double entity_f1;      /* of the words' entities, micro average; below 0: not known */
    double lr;             /* that the step used */
    double gradient_norm;  /* before clipping; 0: not finite, in fp16, and the step was skipped */
    double tokens_per_s;   /* pieces of this process, without its first steps; 0: not known */
    double seconds_left;   /* to the end of the last epoch; 0: not known */
    size_t done, all;      /* sentences */
    bool dev;              /* evaluated was the dev set */
} bcl_run_event;

/* Called from bcl_run_open and bcl_run_train, in their thread; training waits meanwhile. */
typedef void bcl_run_listener(void *context, const bcl_run_event *event);

/* ---- options ---- */

/* Other processes that train the same model; bertcl's own, see bertcl train --devices. */
typedef struct bcl_train_group bcl_train_group;

/* Begin with bcl_run_options_init. The first part is the recipe: kept in run.json, the same for the
 * whole run, and described by bcl_run_option_table, whose names are the comments here. */
typedef struct bcl_run_options {
    /* what to train on what */
    const char *model;        /* model: a Hugging Face folder, or ORG/NAME[@REVISION] of the hub */
    bcl_texts data;           /* data: labelled files, or folders of them */
    double split;             /* split: share drawn for training; below 0: 0.8 */
    double split_dev;         /* split-dev: share drawn for the dev set; below 0: none */
    int64_t split_seed;       /* split-seed: of that draw; below 0: 200 */
    bcl_texts test;           /* test: test data instead of a split */
    bcl_texts dev;            /* dev: what best/ is chosen on; then `split` is 1 unless chosen */
    bool allow_unseen_tags;   /* allow-unseen-tags: tags of dev or test that training has not */
    bcl_reading reading;      /* how data and test are read: its options */
    const char *label_pieces; /* label-pieces: "all" or "first" of a word */
    int64_t max_length;       /* max-length: pieces of a sentence; 0: 128, or the model's */
    const char *longer;       /* long: "truncate" or "window": what becomes of longer sentences */
    /* how */
    const char *recipe; /* "tutorial" (the defaults) or "good": what is not chosen */
    int64_t epochs;
    int64_t batch;         /* sentences of a batch; 0: 4, or no limit with max_tokens */
    int64_t max_tokens;    /* max-tokens: pieces of a batch; 0: no limit */
    int64_t accumulate;    /* batches that make a step */
    double lr;             /* at its peak */
    const char *schedule;  /* "constant", "linear" or "cosine" */
    double warmup;         /* share of the steps in which the rate rises */
    const char *optimizer; /* "adam" or "adamw" */
    double weight_decay;   /* weight-decay */
    bool decay_all;        /* decay-all: of biases and LayerNorm too */
    const char *freeze;    /* "embeddings", or as many layers and these; NULL: nothing */
    double layer_decay;    /* layer-decay: of the rate from a layer to the one below; 1: none */
    double head_lr;        /* head-lr: the classifier's; below 0: lr */
    double beta1, beta2, eps;
    double clip;               /* largest gradient norm; 0: none */
    double label_smoothing;    /* label-smoothing, as PyTorch's CrossEntropyLoss; 0: none */
    const char *class_weights; /* class-weights: "balanced", a file or "TAG=X,..."; NULL: all 1 */
    double dropout;            /* of every kind; below 0: config.json's */
    int64_t seed;              /* of order, dropout and new weights */
    int64_t max_steps;         /* max-steps: end after as many; 0: all */
    const char *select;        /* NULL: "entity-f1" with a dev set, else macro F1 of the test set */
    int64_t patience;          /* epochs without a better dev score that end the run; 0: no end */
    double min_delta;          /* min-delta: what is less is not better, for patience */
    int64_t save_every;        /* save-every: steps between checkpoints; 0: at the ends of epochs */
    int64_t histograms;        /* histograms: steps between histograms of the gradients; 0: none */
    int64_t eval_batch;        /* eval-batch: sentences of a batch in evaluation; 0: by tokens */
    const char *precision;     /* "fp32", "bf16", "fp16" or "tf32", see bcl_session_options */
    double loss_scale;         /* loss-scale: of fp16's first step, see bcl_run_record; 0: 65536 */

    /* where and by what; may be others when the run is gone on with */
    const char *out;    /* the run's folder */
    const char *device; /* NULL: the run's, else as bcl_session_options */
    const char *gemm;   /* NULL: the run's, else the device's best */
    bool recompute; /* keep little of the forward pass and compute it again: less memory, slower by
                     * about a quarter, the same bits */
    bool resume;    /* go on with the run in `out` if there is one */
    bool tune;      /* as in bcl_session_options */
    bool profile;   /* time every kernel of the first epoch without its first steps */
    const bcl_train_group *group; /* NULL: this process alone */
    /* resuming: bit i is set if the option in row i of the table was chosen, not left alone. Those,
     * and all that differ from the defaults, must be the run's; the others become the run's. */
    uint64_t given;
    bcl_run_listener *listener; /* NULL: nobody is told */
    void *context;              /* the listener's */
} bcl_run_options;

/* Sets every option to its default. */
BCL_EXPORT void bcl_run_options_init(bcl_run_options *options);

typedef enum bcl_run_option_kind {
    BCL_RUN_INT,   /* int64_t */
    BCL_RUN_REAL,  /* double */
    BCL_RUN_TEXT,  /* const char * */
    BCL_RUN_TEXTS, /* bcl_texts */
    BCL_RUN_FLAG   /* bool */
} bcl_run_option_kind;

/* An option of the recipe: its name on the command line and in run.json, its place in the struct,
 * what it may be and what it is unless chosen. */
typedef struct bcl_run_option {
    bcl_run_option_kind kind;
    const char *name;
    size_t offset;
    const char *value_name, *help; /* "N"; a sentence */
    const char *choices;           /* "a|b|c" of a text; NULL: any */
    double min, max;               /* of a number */
    double number;                 /* the default; may lie outside min and max: "not chosen" */
    const char *text;              /* the default; may be NULL */
    bool how;                      /* of the second group above */
    bool may_grow;                 /* a run that is resumed may be given a larger number */
    bool pair;                     /* on the command line "X,Y" sets the next row too */
} bcl_run_option;
/* (*count) rows, in the order of the struct. */
BCL_EXPORT const bcl_run_option *bcl_run_option_table(size_t *count);

/* ---- the record ---- */

typedef struct bcl_run_part { /* of the data */
    size_t sentences, pieces; /* pieces: [CLS] and [SEP] included */
    /* SHA-256 of the sentences' piece ids, and of their label ids, in hexadecimal; "" in a run of a
     * bertcl that kept none */
    char words[65], tags[65];
} bcl_run_part;

/* What is known of a run: the one source of run.json and results.json. */
typedef struct bcl_run_record {
    const char *folder;
    const char *version; /* of the bertcl that began the run */
    const bcl_run_options *options;
    const char *device, *gemm, *precision;
    bool recompute;
    const char *model_folder;                     /* of the weights that it began with */
    const char *model_sha256, *vocabulary_sha256; /* of the folder's weights, of the vocabulary */
    bcl_run_part train, dev, test;
    const char *const *labels; /* (label_count), by id */
    size_t label_count;
    const double *class_weights; /* (label_count); NULL: all 1 */
    /* the results; valid if `complete` */
    bool complete;
    int64_t steps;
    double loss;         /* mean over the last epoch's labelled pieces */
    double tokens_per_s; /* pieces, from the third step of the last process on; 0: not known */
    double peak_rss_mb;  /* MiB of host memory */
    /* In fp16 the loss is multiplied by a scale before the backward pass, and the gradients divided
     * by it: what it ended as, and the steps without an update, whose gradients had overflowed. */
    double loss_scale; /* 0: another precision */
    int64_t skipped_steps;
    bool evaluated;
    /* on the test set, of the final model, or with a dev set of best/ */
    double eval_loss, eval_accuracy, eval_macro_f1;
    double eval_entity_f1;    /* micro average over the entities of words; below 0: not known */
    const bcl_report *report; /* of this evaluation; NULL if it was made by an earlier process */
    const bcl_entity_report *entities; /* likewise */
    const char *scheme;                /* of the entities: "IOBES, strict" */
    /* with a dev set: which epoch best/ is of, why, and its figures on the dev set */
    bool selected, stopped_early;
    int64_t best_step, best_epoch, last_epoch;
    double dev_loss, dev_accuracy, dev_macro_f1, dev_entity_f1;
} bcl_run_record;

/* ---- a run ---- */

typedef struct bcl_run bcl_run;

/* Takes the folder `out`, which nobody else may use until bcl_run_free. A new run needs a name that
 * does not exist; with `resume` a run that is there is gone on with, its options are taken over,
 * and what a killed process left half-written is removed and told. Options and texts are copied.
 * Errors: EXISTS (the folder exists, is no run, or is in use by another process), ARGUMENT (an
 * option out of its range or other than the run's), FORMAT (damaged run.json or results.json, no
 * whole checkpoint), IO, MEMORY. Nothing is written to a folder that is refused. */
BCL_EXPORT bcl_status bcl_run_open(bcl_run **out, const bcl_run_options *options);
/* Trains to the end, evaluates and writes the results; at once if the run is complete. Blocking.
 * BCL_ERROR_INTERRUPTED after bcl_run_stop or a signal that bertcl's command line has caught: a
 * checkpoint is saved. After any error a new bcl_run with `resume` goes on from the newest
 * checkpoint. Errors beside those of bcl_session_open: ARGUMENT (data, weights or vocabulary are
 * not those that the run began with), FORMAT (data), DEVICE (a loss that is not finite). */
BCL_EXPORT bcl_status bcl_run_train(bcl_run *run);
/* May be called from a listener, another thread or a signal's handler. */
BCL_EXPORT void bcl_run_stop(bcl_run *run);
/* Gives the folder back; one in which nothing was begun is removed. Takes NULL. */
BCL_EXPORT void bcl_run_free(bcl_run *run);

/* What is known so far; belongs to the run. */
BCL_EXPORT const bcl_run_record *bcl_run_record_of(const bcl_run *run);
/* Where results.json is, or will be. */
BCL_EXPORT const char *bcl_run_results_path(const bcl_run *run);

#ifdef __cplusplus
}
#endif
#endif
