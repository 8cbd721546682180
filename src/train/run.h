/* Inside train/: what the files of a run share. */
#ifndef BCL_RUN_H
#define BCL_RUN_H

#include "data/windows.h"
#include "session/session.h"
#include "train/train.h"
#include "util/lock.h"

struct cJSON;

/* ---- options.c ---- */

enum { BCL_RUN_LISTS = 4 }; /* options that are texts */

/* Arrays of the options that were restored. Zero-initialise. */
typedef struct bcl_run_texts {
    const char **lists[BCL_RUN_LISTS];
} bcl_run_texts;
void bcl_run_texts_free(bcl_run_texts *owned);

/* Sets what the recipe says to where nothing else was chosen. */
void bcl_run_options_apply_recipe(bcl_run_options *options);
/* The ranges, and what is needed or excludes another. path: run.json, whose fault it is
 * (BCL_ERROR_FORMAT); NULL: the caller's (BCL_ERROR_ARGUMENT). */
bcl_status bcl_run_options_check(const bcl_run_options *options, const char *path);
/* {name: value} of the recipe. */
bcl_status bcl_run_options_json(struct cJSON **out, const bcl_run_options *options);
/* Takes the recipe from run.json, into which its texts point afterwards. What was chosen must be
 * the run's: BCL_ERROR_ARGUMENT. */
bcl_status bcl_run_options_restore(bcl_run_options *options, const struct cJSON *stored,
                                   const char *path, bcl_run_texts *owned);

/* ---- folder.c: the run's folder, one writer at a time ---- */

/* Zero-initialise. */
typedef struct bcl_run_folder {
    char *path, *run_path, *results_path;
    bcl_lock lock;
    size_t made; /* bytes of the path that name the first folder that was made; 0: none was */
    bool begun;  /* run.json is there: nothing is removed any more */
} bcl_run_folder;

/* Takes the folder, see bcl_run_open. `begun` tells whether a run is in it. */
bcl_status bcl_run_folder_take(bcl_run_folder *folder, const char *path, bool resume);
/* The folder of a process that only reads it: another one has taken it. */
bcl_status bcl_run_folder_follow(bcl_run_folder *folder, const char *path, bool resume);
/* Removes what dead processes left half-written, and tells each name. */
bcl_status bcl_run_folder_clear(const bcl_run_folder *folder,
                                void (*told)(void *context, const char *name), void *context);
void bcl_run_folder_release(bcl_run_folder *folder);

/* ---- data.c: from files to what the model trains on ---- */

/* Zero-initialise. */
typedef struct bcl_run_data {
    bcl_tag_map *map;
    /* NULL: drawn from the corpus, if at all */
    bcl_corpus *corpus, *dev_corpus, *test_corpus;
    uint32_t *train_rows, *dev_rows, *test_rows;
    size_t train_count, dev_count, test_count, max_length;
    bcl_dataset train, dev, test; /* count 0: there is none */
    bcl_dataset whole;   /* training's sentences of any length, where `train` is windows of them */
    bcl_windows windows; /* likewise; its data are `train` */
    char *unseen;        /* a line on tags that training has not; NULL: all are seen */
} bcl_run_data;

/* Reads the files and draws the split. */
bcl_status bcl_run_data_read(bcl_run_data *data, const bcl_run_options *options);
/* Gives the model labels that cover the data's, its own if they do, and encodes. */
bcl_status bcl_run_data_encode(bcl_run_data *data, const bcl_run_options *options,
                               bcl_session *session);
/* Words whose tag was read as another. */
uint64_t bcl_run_data_mapped(const bcl_run_data *data);
void bcl_run_data_free(bcl_run_data *data);

/* ---- weights.c ---- */

/* *out (labels) = the weights that --class-weights asks for, by the names of the labels; to free().
 * A tag that is none of them is BCL_ERROR_ARGUMENT. */
bcl_status bcl_run_class_weights(double **out, const char *chosen, const char *const *names,
                                 size_t labels, const bcl_dataset *train);

/* ---- profile.c ---- */

/* A step's time by operation and by kernel. Zero-initialise. */
typedef struct bcl_run_profile {
    bcl_device *device; /* NULL: no profile is wanted, and nothing below does anything */
    int64_t seen;       /* steps */
    bool ended;
    double begin, wall_ms;
    /* the result */
    double steps, kernel_ms; /* sum; steps 0: none was timed */
    bcl_profile_row gemm;    /* all matrix products: ms and flop */
    bcl_profile_row *operations, *kernels;
    size_t operation_count, kernel_count;
} bcl_run_profile;
void bcl_run_profile_start(bcl_run_profile *profile, bcl_device *device);
void bcl_run_profile_step(bcl_run_profile *profile); /* after each */
void bcl_run_profile_end(bcl_run_profile *profile);  /* of the steps to be timed */
bcl_status bcl_run_profile_collect(bcl_run_profile *profile);
/* NULL if no step was timed. */
struct cJSON *bcl_run_profile_json(const bcl_run_profile *profile);
/* 1e9 a second of `count` in `ms`. */
double bcl_run_profile_rate(double count, double ms);
void bcl_run_profile_free(bcl_run_profile *profile);

/* ---- record.c: the record and its two files ---- */

/* The record and what it points to. Zero-initialise. */
typedef struct bcl_run_kept {
    bcl_run_record record;
    bcl_run_options options; /* as the run has them */
    bcl_run_texts texts;
    struct cJSON *run, *results; /* as read; texts point into them */
    char *out, *asked_device, *asked_gemm, *model_folder, *gemm;
    char device[64], model_sha256[65], vocabulary_sha256[65];
    char **labels;
    double *class_weights;
    bcl_evaluation evaluation, dev_evaluation;
    char scheme[BCL_SCHEME_TEXT];
    bcl_run_profile profile;
} bcl_run_kept;

/* Reads run.json: the record but for the results, and the options, which must have what was chosen
 * when this is called. A value that no option may have is BCL_ERROR_FORMAT. */
bcl_status bcl_run_record_read(bcl_run_kept *kept, const char *path);
bcl_status bcl_run_record_write(bcl_run_kept *kept, const char *path);
/* Copies the texts into the record; precision is a name that stays. */
bcl_status bcl_run_kept_set(bcl_run_kept *kept, const char *device, const char *gemm,
                            const char *precision, const char *model_folder);
bcl_status bcl_run_kept_set_labels(bcl_run_kept *kept, char *const *labels, size_t count);
/* results.json, both ways. A damaged one is BCL_ERROR_FORMAT. */
bcl_status bcl_run_results_read(bcl_run_kept *kept, const char *path);
bcl_status bcl_run_results_write(bcl_run_kept *kept, const char *path);
void bcl_run_kept_free(bcl_run_kept *kept);

/* ---- hash.c: what a run is tied to ---- */

/* SHA-256 of the sentences' pieces, and of their labels. */
void bcl_run_hash_data(bcl_run_part *part, const bcl_dataset *data);
/* Of a folder's weights: of model.safetensors, or of the shards that its index names. */
bcl_status bcl_run_hash_weights(char out[65], const char *folder);
/* Of the vocabulary, pieces by id. */
void bcl_run_hash_vocabulary(char out[65], const bcl_tokenizer *tokenizer);

struct bcl_run {
    bcl_run_kept kept;
    bcl_run_folder folder;
    bcl_run_data data;
    bcl_session *session;
    bcl_train_options recipe;
    bcl_update_rules rules;
    float *class_weights; /* (labels); NULL: all 1 */
    bcl_train_plan plan;
    char *checkpoint; /* to go on from; NULL: none */
    bool fresh;       /* run.json is still to be written */
    bool grown;       /* it is to be written anew: the run has more epochs than it had */
    volatile sig_atomic_t stop;
};

/* ---- tell.c ---- */

/* The one process of a group that writes. */
bool bcl_run_leads(const bcl_run *run);
void bcl_run_tell(const bcl_run *run, const bcl_run_event *event);
void bcl_run_say(const bcl_run *run, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- tie.c ---- */

/* Fills in what the record says of data and model, or compares with it. */
bcl_status bcl_run_tie(bcl_run *run);

#endif
