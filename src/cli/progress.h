/* What a run tells while it goes on: the progress line on a terminal, a message every 100 steps,
 * and the status file for other programs. Driven by the run's events. */
#ifndef BCL_CLI_PROGRESS_H
#define BCL_CLI_PROGRESS_H

#include "cli/cli.h"

#include <bertcl/train.h>

typedef struct bcl_progress {
    /* set by the caller; the texts must stay */
    const char *run;         /* the run's folder */
    const char *status_path; /* --status, NULL: none */
    int64_t epochs;
    bool quiet; /* no line and no messages; the status file all the same */
    /* What each of several devices does, an array as in results.json; NULL: there is one. */
    struct cJSON *(*devices)(void *context);
    void *devices_context;
    /* kept here */
    bool bar;                          /* there may be a line */
    bool shown;                        /* there is one */
    bool told;                         /* that the status file failed */
    const char *state;                 /* "starting", "training", ... */
    bcl_run_event step;                /* the newest */
    double smooth_loss, smooth_weight; /* a mean in which older steps weigh less */
    double loss_sum;                   /* of the steps since the last message */
    int64_t loss_count;                /* these */
    double drawn, written;             /* when, bcl_seconds() */
    bool evaluated;                    /* what follows holds */
    int64_t eval_epoch;
    double eval_loss, eval_accuracy, eval_f1;
} bcl_progress;

/* Writes the first status, so that a path that cannot be written is an error before anything is
 * computed; later failures are told once and stop nothing. From here on Ctrl-C answers at once. */
bcl_status bcl_progress_start(bcl_progress *progress);
void bcl_progress_step(bcl_progress *progress, const bcl_run_event *step);
void bcl_progress_evaluating(bcl_progress *progress, size_t done, size_t all);
void bcl_progress_evaluated(bcl_progress *progress, const bcl_run_event *evaluated);
/* Before anything else is printed. */
void bcl_progress_clear(bcl_progress *progress);
/* The run ended so; a failure's message is bcl_message()'s. Also after a start that failed. */
void bcl_progress_end(bcl_progress *progress, bcl_status status);

/* A table of what devices do, a line each below its heads; the last line ends with '\n', too. */
bcl_status bcl_progress_table(bcl_string *out, const struct cJSON *devices);

/* ---- apart, for tests ---- */

/* The line for a terminal of `columns`: what matters least is left out where there is no room. */
void bcl_progress_line(char *out, size_t size, const bcl_progress *progress, double memory_mb,
                       size_t columns);

#endif
