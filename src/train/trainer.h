/* Inside train/: the training loop's state, and what its files share. */
#ifndef BCL_TRAINER_H
#define BCL_TRAINER_H

#include "model/pipeline.h"
#include "train/histograms.h"
#include "train/train.h"

enum { BCL_UNTIMED_STEPS = 2 };

/* A batch that the device has. */
typedef struct bcl_flight {
    const bcl_fed *fed;
    double lr;
} bcl_flight;

typedef struct bcl_trainer {
    const bcl_train_job *job;
    bcl_model *model;
    const bcl_train_options *o;
    const bcl_train_plan *plan;
    bcl_train_state state; /* as of the last step whose stats were read */
    bcl_feed *feed;
    bcl_pipeline *pipeline;
    bcl_flight flights[BCL_PIPELINE_SLOTS]; /* by slot */
    FILE *metrics;
    char *metrics_path;
    bcl_histograms *histograms; /* NULL: none are wanted, or not from this process */
    bcl_audit *audit;           /* of a group */
    bool lead;                  /* the one who writes */
    bool evaluated;             /* at the end of an epoch, by the lead, in this process' time */
    bool due;                   /* the group wants a checkpoint */
    bool stopped;               /* one of the group was asked to end */
    /* speed of this process: from the end of its second step, without evaluation and saving */
    int64_t steps_here;
    double clock, timed_seconds;
    size_t timed_tokens;
} bcl_trainer;

/* ---- trainer.c ---- */

/* The clock runs only while training does. */
void bcl_trainer_clock_start(bcl_trainer *t);
void bcl_trainer_clock_stop(bcl_trainer *t);
/* RUN/metrics.jsonl, cut to what the checkpoint knows, never filled up to it. */
bcl_status bcl_trainer_open_metrics(bcl_trainer *t);
bcl_status bcl_trainer_write(bcl_trainer *t, const char *line);
/* Fills in where the run stands. */
void bcl_trainer_tell(const bcl_trainer *t, bcl_run_event event);
/* Also the speed so far, and how long it will take. */
void bcl_trainer_tell_step(const bcl_trainer *t, bcl_run_event *event);

/* ---- score.c ---- */

/* With words also the entities; of the test set also RUN/predictions.conll. */
bcl_status bcl_trainer_evaluate(bcl_trainer *t, bcl_evaluation *out, const bcl_dataset *data,
                                const bcl_predictions *words);
bcl_status bcl_trainer_evaluate_test(bcl_trainer *t, bcl_train_result *out);
/* The evaluation of an epoch: of the dev set if there is one. */
bcl_status bcl_trainer_evaluate_epoch(bcl_trainer *t, bcl_train_result *out);
/* Its line in the metrics, and its event. */
bcl_status bcl_trainer_note_epoch(bcl_trainer *t, int64_t epoch, const bcl_train_result *result);
/* The larger the better. */
double bcl_trainer_score(const bcl_evaluation *e, bcl_select select);
/* Takes the epoch's score into the state; returns whether the epoch is the best so far. */
bool bcl_trainer_take_score(bcl_trainer *t, double score);

#endif
