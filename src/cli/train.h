/* Inside cli/: what the files of `bertcl train` share. */
#ifndef BCL_CLI_TRAIN_H
#define BCL_CLI_TRAIN_H

#include "cli/progress.h"

/* ---- train_events.c: what a run tells, printed ---- */

typedef struct bcl_train_printer {
    bool quiet, json;
    bool complete; /* the run was, before anything was done */
    bcl_progress progress;
    bcl_cli_session session;
} bcl_train_printer;
/* The run's listener; the context is a bcl_train_printer. */
void bcl_train_print_event(void *context, const bcl_run_event *event);
/* The report, or with json results.json. */
bcl_status bcl_train_print_results(bcl_train_printer *printer, const bcl_run *run);

/* ---- profile.c ---- */
void bcl_cli_profile_print(const bcl_run *run);

#endif
