/* Inside cli/: what the files of `bertcl train` share. */
#ifndef BCL_CLI_TRAIN_H
#define BCL_CLI_TRAIN_H

#include "cli/progress.h"
#include "dist/dist.h"
#include "train/seeds.h"

#include <bertcl/track.h>

/* ---- train_events.c: what a run tells, printed ---- */

typedef struct bcl_train_printer {
    bool quiet, json;
    bool follows;  /* another rank tells all */
    bool complete; /* the run was, before anything was done */
    double noted;  /* when the tracker was told of the devices, bcl_seconds() */
    bcl_progress progress;
    bcl_cli_session session;
    /* who records the run; begun with it */
    const bcl_run *run;
    bcl_tracker *tracker;
    int argc;
    char *const *argv;
    const char *model_name, *targets; /* --model-name, --track */
} bcl_train_printer;
/* The run's listener; the context is a bcl_train_printer. */
void bcl_train_print_event(void *context, const bcl_run_event *event);
/* The report, or with json results.json. */
bcl_status bcl_train_print_results(bcl_train_printer *printer, const bcl_run *run);

/* ---- train_track.c: the run in the store ---- */

/* The run is about to begin: the store looks for it in its folder from now on. */
void bcl_train_track_expect(bcl_train_printer *printer);
/* Begins to record a run whose folder is there. Nothing that fails stops the run: it is told. */
void bcl_train_track_begin(bcl_train_printer *printer);
/* The run ended so: recorded, and its report written. */
void bcl_train_track_end(bcl_train_printer *printer, bcl_status status);

/* ---- train_ranks.c: --devices ---- */

typedef struct bcl_train_ranks {
    const char *devices, *shares; /* as given, or as the file says; NULL */
    const char *file;             /* --device-file; NULL */
    bcl_host_devices host;        /* of the file */
    bcl_list cores;
    bool keep_all;
    const char *wire; /* NULL: as it is */
    /* of a rank */
    bcl_group *group;
    bcl_device_info device;
    size_t place; /* of it among its machine's */
    bool alone;   /* it fails before the others can know */
} bcl_train_ranks;
/* Reads --device-file, if it is given. */
bcl_status bcl_train_read_devices(bcl_train_ranks *ranks);
/* Whether this process is one of the ranks, not who starts them. */
bool bcl_train_is_rank(const bcl_train_ranks *ranks);
/* Starts the ranks, which write to the folder `run`, and returns their exit code. */
int bcl_train_launch(bcl_train_ranks *ranks, const char *run, int argc, char *const *argv,
                     bool quiet);
/* Joins the others and sets the options' device and group. */
bcl_status bcl_train_rank_begin(bcl_train_ranks *ranks, bcl_run_options *options);
/* Leaves them, tells what failed, and returns the exit code. */
int bcl_train_rank_end(bcl_train_ranks *ranks, bcl_status status);

/* ---- train_seeds.c: --seeds ---- */

typedef struct bcl_train_seeds {
    const char *text, *out; /* --seeds, NULL if it was not given; --out */
    bool resume, quiet, json;
    int argc;
    char *const *argv;
    const bcl_option *options; /* of the command; `given` tells what each run gets */
} bcl_train_seeds;
/* Whether runs of several seeds are in the folder. */
bool bcl_train_is_seeds(const char *folder);
/* Runs them one after the other, prints the figures, and returns the exit code. */
int bcl_train_seeds_run(const bcl_train_seeds *seeds);
/* train_seeds_track.c: the store's run of all seeds. */
typedef struct bcl_seeds_track {
    bcl_tracker *tracker; /* once the first run has begun; NULL: none, or it failed */
    bool followed;        /* a tracker was begun */
} bcl_seeds_track;
/* Begins it once a run has begun: what is refused leaves nothing. Cheap. */
void bcl_train_seeds_track(bcl_seeds_track *track, const bcl_train_seeds *seeds, const char *group,
                           const char *run);
/* code: the process' own; the message is that of status. */
void bcl_train_seeds_track_end(bcl_seeds_track *track, bcl_status status, int code);
/* The tag `group` of a seed's run is the folder's name. */
void bcl_train_seeds_tag(const char *group, const char *folder);
/* train_seeds_words.c: adds what was given, by the command line or --config, as "--name=value". */
bcl_status bcl_train_seeds_words(bcl_seeds *words, const bcl_option *options);
/* train_seeds_print.c: their figures as tables on stdout. */
bcl_status bcl_train_seeds_print(const bcl_seed_result *results, size_t count);

/* ---- profile.c ---- */
bcl_status bcl_cli_profile_print(const bcl_run *run);

#endif
