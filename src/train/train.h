/* Fine-tuning: the loop, its schedule, and the checkpoints with everything needed to go on. Knows
 * nothing of files of data, of run.json or of results: that is run.h. */
#ifndef BCL_TRAIN_H
#define BCL_TRAIN_H

#include "eval/evaluate.h"

#include <bertcl/train.h>
#include <signal.h>

typedef enum bcl_schedule { BCL_CONSTANT, BCL_LINEAR, BCL_COSINE } bcl_schedule;

/* Learning rate of optimizer step `step` (from 0) of `total`, as transformers'
 * get_{constant,linear,cosine}_schedule_with_warmup: rises over the first ceil(warmup total) steps
 * from 0, then stays, falls in a line, or as half a cosine, to 0. */
double bcl_schedule_rate(bcl_schedule schedule, double lr, double warmup, int64_t step,
                         int64_t total);

/* What makes an epoch the best: a larger score, of the loss a smaller one. */
typedef enum bcl_select {
    BCL_SELECT_ENTITY_F1,
    BCL_SELECT_MACRO_F1,
    BCL_SELECT_ACCURACY,
    BCL_SELECT_LOSS
} bcl_select;

typedef struct bcl_train_options {
    int64_t epochs;
    int64_t batch, max_tokens; /* of a batch at most: sentences, word pieces; 0: no limit */
    int64_t accumulate;        /* batches that make a step */
    bool recompute;            /* see bcl_capacity */
    int64_t max_steps;         /* 0: all */
    int64_t save_every;        /* steps between checkpoints; 0: at the ends of epochs */
    int64_t histograms;        /* steps between histograms of the gradients; 0: none */
    uint64_t seed;
    bcl_schedule schedule;
    double warmup; /* share of all steps */
    bcl_adam adam; /* lr is the peak */
    double hidden_dropout, attention_dropout, classifier_dropout;
    double label_smoothing;
    double loss_scale;          /* of the first step in fp16; 0: 65536 */
    const float *class_weights; /* (labels); NULL: all 1 */
    bcl_select select;
    int64_t patience;      /* epochs without a better dev score; 0: no end */
    double min_delta;      /* for patience: what is no more is not better */
    size_t eval_length;    /* evaluation cuts longer sentences into windows; 0: none is longer */
    size_t eval_sentences; /* of a batch, 0: by tokens, as many as in training or the default */
} bcl_train_options;

/* What a run will do. Batches are cut from the epoch's order, steps from the batches; an epoch's
 * last batch and step take what is left. By tokens, an epoch's steps depend on its order, so they
 * are counted for all epochs beforehand. */
typedef struct bcl_train_plan {
    int64_t epochs, steps; /* that will be begun, with max_steps */
    int64_t *first_step;   /* (epochs + 1) */
    int tokens, sentences; /* most of a batch */
} bcl_train_plan;
/* A sentence that no batch can take is BCL_ERROR_ARGUMENT. */
bcl_status bcl_train_plan_create(bcl_train_plan *plan, const bcl_dataset *data,
                                 const bcl_train_options *options);
void bcl_train_plan_free(bcl_train_plan *plan);
int64_t bcl_train_plan_epoch(const bcl_train_plan *plan, int64_t step);
bcl_capacity bcl_train_capacity(const bcl_train_plan *plan, const bcl_train_options *options);
/* order (count): an epoch's order of the sentences. */
void bcl_train_order(uint32_t *order, size_t count, uint64_t seed, int64_t epoch);
/* As bcl_dataset_take with the options' limits. */
size_t bcl_train_take(const bcl_dataset *data, const bcl_train_options *options,
                      const uint32_t *order, size_t from, size_t *tokens);

/* ---- several processes that train one model ---- */

/* A step's gradients and sums, of this process' part of it. */
typedef struct bcl_train_part {
    bcl_model *model; /* its exchange is taken, see bcl_model_exchange_take */
    int64_t step;
    size_t tokens;        /* of this process */
    const int32_t *slots; /* (slot_count): which rows of the word embedding are its last part */
    size_t slot_count;
    bool scaled; /* by a loss scale: that gradients overflow is no device's fault */
    bool stop;   /* in: this process was asked to end; out: any was */
    bool save;   /* out: a checkpoint is due */
} bcl_train_part;

/* Something that must be the same in all processes: "the training data", and its checksum. */
typedef struct bcl_fact {
    const char *name, *text;
} bcl_fact;

/* Who this process is among those that train the same model on parts of each step, and what they
 * do together. All of them make the same calls in the same order. Only rank 0 writes to the run's
 * folder, which the others read. */
struct bcl_train_group {
    int rank, size;
    bool rounds; /* gradients on their way, to send what that lost with the next step's */
    void *context;
    /* The parts of step `step` in the sum of all, (size); the same in every process. Called from
     * the thread that packs, a few steps ahead. */
    void (*shares)(void *context, int64_t step, double *shares);
    /* Lets go who waits in shares: the run ends here. */
    void (*release)(void *context);
    /* Before anything of a step is computed. */
    void (*begin)(void *context);
    /* Adds up gradients and stats of all ranks, in place. */
    bcl_status (*reduce)(void *context, bcl_train_part *part);
    /* Each rank has the gradients of the same sentence in the model's exchange: that they and
     * its loss are the same. Who is wrong gets the status back, and the others one that is told. */
    bcl_status (*audit)(void *context, bcl_model *model, double loss, double limit);
    /* Behind the update of `step` steps, before a checkpoint: that all have the same parameters. */
    bcl_status (*sync)(void *context, bcl_model *model, int64_t step);
    /* *text, to free(): what the group goes on with when the run is resumed. */
    bcl_status (*keep)(void *context, char **text);
    /* What keep has kept, in a run that is resumed; before the first step. */
    bcl_status (*restore)(void *context, const char *text);
    /* What follows may take long. */
    void (*patience)(void *context);
    /* Ends together: BCL_OK if `status` is in all of them. Else the first one that failed gets its
     * own back, and the others a status of which `told` is true: another process tells it. */
    bcl_status (*agree)(void *context, bcl_status status);
    bool (*told)(void *context);
    /* That the facts are rank 0's. The same count in all. */
    bcl_status (*alike)(void *context, const bcl_fact *facts, size_t count);
    /* data (bytes) of rank 0 becomes everyone's. */
    bcl_status (*tell)(void *context, void *data, size_t bytes);
    /* What fails next fails in every rank, and is no device's fault. */
    void (*common)(void *context);
    /* The ranks for results.json: an array, NULL without memory. */
    struct cJSON *(*devices)(void *context);
    /* Rank 0 is still at work, at something that the others wait for. */
    void (*busy)(void *context);
};

/* Steps between two audits; one is before each checkpoint, too. */
enum { BCL_AUDIT_EVERY = 64 };

/* One sentence of the training data, chosen by the step, that each rank computes. */
typedef struct bcl_audit {
    bcl_batch batch;
    double limit; /* of what right devices may differ by, over the norm */
} bcl_audit;
/* rounds: products are not in full fp32. */
bcl_status bcl_audit_create(bcl_audit **out, const bcl_train_plan *plan, bool rounds);
void bcl_audit_free(bcl_audit *audit);
/* Behind `step` steps, with nothing under way. Leaves the gradients to the next batch. */
bcl_status bcl_audit_run(bcl_audit *audit, bcl_model *model, const bcl_dataset *data,
                         const bcl_dropout_state *dropout, int64_t step,
                         const bcl_train_group *group);

/* A sentence of a batch, and who computes it. */
typedef struct bcl_divided {
    uint32_t place; /* in the batch */
    int length;     /* tokens */
    int rank;
} bcl_divided;
/* Divides a batch's n sentences between `size` ranks by their shares, all above 0: the longest
 * first, each goes to the rank that will be done first with it. out (n): in the batch's order;
 * tokens (size): of each rank. */
void bcl_train_divide(bcl_divided *out, double *tokens, const bcl_dataset *data,
                      const uint32_t *batch, size_t n, const double *shares, int size);

/* ---- the thread that packs batches ---- */

typedef struct bcl_fed {
    bcl_batch batch; /* this process' part; B 0: no sentence of it */
    int64_t step;
    bool first, last;        /* batch of its step */
    size_t labelled, tokens; /* of the whole step */
    double weight;           /* likewise: the sum of the labelled pieces' class weights */
    size_t own_tokens;       /* of the whole step, of this process; in a group */
    int32_t *slots;          /* (slot_count) of all words of the step, in a group's last batch */
    int slot_count;
} bcl_fed;

typedef struct bcl_feed bcl_feed;
/* Packs all batches from `step` on, or a group's part of them (NULL: there is none). What it is
 * given must stay until bcl_feed_stop. */
bcl_status bcl_feed_start(bcl_feed **out, const bcl_dataset *data, const bcl_train_options *options,
                          const bcl_train_plan *plan, const int32_t *slot_of, int64_t step,
                          const bcl_train_group *group);
/* Waits for the next batch, the caller's until it is given back. Not to be called behind the last.
 */
bcl_status bcl_feed_next(const bcl_fed **out, bcl_feed *feed);
/* Gives back the oldest batch that was taken. */
void bcl_feed_give_back(bcl_feed *feed);
/* Ends the thread, also in the middle, and frees everything. Takes NULL. */
void bcl_feed_stop(bcl_feed *feed);

/* ---- training ---- */

/* Writes config.json and the tokenizer's files beside model.safetensors. */
typedef struct bcl_model_files {
    const bcl_config *config;
    const bcl_tokenizer *tokenizer;
} bcl_model_files;
bcl_status bcl_model_files_save(const bcl_model_files *files, bcl_model *model, const char *folder);

typedef struct bcl_train_result {
    double loss;         /* mean over the last epoch's labelled pieces, by class weights */
    double tokens_per_s; /* real pieces, from the third step of this process on, 0 if unknown */
    int64_t steps;
    double loss_scale; /* see bcl_train_state */
    int64_t skipped_steps;
    bool evaluated;
    bcl_evaluation evaluation; /* of the test, by the final model, or with a dev set by best/; freed
                                * by the caller */
    /* with a dev set */
    bool stopped_early;
    int64_t best_step, best_epoch, last_epoch;
    bcl_evaluation dev; /* of the dev set, by best/; freed by the caller */
} bcl_train_result;

/* What the loop works on; all of it stays the caller's. */
typedef struct bcl_train_job {
    const char *folder; /* the run's */
    bcl_model *model;   /* after bcl_model_train_begin */
    bcl_model_files files;
    const bcl_dataset *train, *test; /* test NULL: nothing is evaluated */
    const bcl_predictions *words; /* of the test, without `predicted`: the words that entities are
                                   * scored on; NULL: they are not */
    const bcl_dataset *dev;       /* best/ is chosen on it; NULL: on the test */
    const bcl_predictions *dev_words;
    const bcl_train_options *options;
    const bcl_train_plan *plan;
    const char *checkpoint;     /* to go on from, a whole one; NULL: from the beginning */
    bcl_run_listener *listener; /* steps, epochs, evaluations, checkpoints; may be NULL */
    void *context;
    const bcl_train_group *group;      /* NULL: this process alone */
    bool rounds;                       /* products are not in full fp32 */
    const volatile sig_atomic_t *stop; /* set by others: to save and end; may be NULL */
} bcl_train_job;

/* Trains as planned. After Ctrl-C, or `stop`, a checkpoint is saved and BCL_ERROR_INTERRUPTED comes
 * back. At the end folder/model holds the last model, folder/best that of the best epoch. With a
 * dev set the test is evaluated once, by folder/best, whose weights the model has then. */
bcl_status bcl_train(bcl_train_result *out, const bcl_train_job *job);

/* ---- checkpoints in a run folder ---- */

/* Where a run stands; all that it needs besides weights and moments. */
typedef struct bcl_train_state {
    int64_t step;                                   /* finished optimizer steps */
    double epoch_loss, epoch_right, epoch_labelled; /* sums within the epoch so far */
    double last_loss;                               /* of the last finished epoch */
    double best_score;                              /* the larger the better */
    int64_t best_step;                              /* 0: none yet */
    double patience_score; /* from which an epoch must differ by min_delta */
    int64_t stale;         /* epochs since */
    double epoch_weight;   /* the class weights of epoch_labelled: what epoch_loss is a sum over */
    int64_t metrics_size;  /* bytes of metrics.jsonl that belong to these steps */
    /* in fp16 */
    double loss_scale;     /* of the next step; 0: another precision */
    int64_t scale_steps;   /* good ones since it last changed */
    int64_t skipped_steps; /* whose gradients were not finite */
} bcl_train_state;

/* ---- loss scaling ---- */

/* Behind a checkpoint's state, if any. first 0: 65536. */
void bcl_loss_scale_begin(bcl_train_state *state, double first);
/* Takes a step whose gradients were finite or not into the scale of the next, as PyTorch's
 * GradScaler: halved after an overflow, doubled after 2000 good steps. False, and nothing
 * done, where gradients overflow although the scale is 1. */
bool bcl_loss_scale_take(bcl_train_state *state, bool finite);

/* *folder = the newest RUN/checkpoint-N that is whole, by its checksums and its step, to free();
 * NULL if there is none at all. Newer ones that are not whole are told and removed; if none is
 * whole, BCL_ERROR_FORMAT. has_sums false: one without checksums, of an earlier version, counts. */
bcl_status bcl_train_checkpoint_find(char **folder, const char *run, bool has_sums,
                                     void (*told)(void *context, const char *line), void *context);
/* Removes all but the newest `keep`. */
bcl_status bcl_train_checkpoint_prune(const char *run, size_t keep);
/* Writes what will be RUN/checkpoint-STEP (model/, training_state.safetensors, and checkpoint.json
 * with the checksums of all) into a temporary folder, *written, to free(); NULL: there is one.
 * ranks: what a group has kept, or NULL. */
bcl_status bcl_train_checkpoint_write(char **written, const char *run, bcl_model *model,
                                      const bcl_model_files *files, const bcl_train_state *state,
                                      const char *ranks);
/* It appears, complete. The one before stays, older ones go. */
bcl_status bcl_train_checkpoint_publish(const char *run, const char *written, int64_t step);
/* Removes it, as a full disk should not stay full for what is of no use. Returns `status`, whose
 * message stays. */
bcl_status bcl_train_checkpoint_discard(const char *written, bcl_status status);
/* *text = `ranks` of a checkpoint, to free(); NULL: none. */
bcl_status bcl_train_checkpoint_ranks(char **text, const char *folder);
bcl_status bcl_train_checkpoint_load(bcl_train_state *state, bcl_model *model, const char *folder);
/* Makes TO a folder with the files of FROM, linked where the file system can, replacing what was
 * there. */
bcl_status bcl_folder_publish(const char *from, const char *to);

#endif
