/* The store: every dataset, model and run with versions and lineage. The run folders' files are the
 * truth; the store is an index over them that can be made again at any time. docs/store.md has the
 * files' layout. One thread at a time may use a store; any number of processes may. */
#ifndef BERTCL_TRACK_H
#define BERTCL_TRACK_H

#include <bertcl/data.h>
#include <bertcl/status.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct cJSON;
typedef struct bcl_store bcl_store;

/* False if BERTCL_HOME is "off": nothing is recorded. */
BCL_EXPORT bool bcl_store_enabled(void);

/* Opens the store in the folder `home` (NULL: BERTCL_HOME, else "bertcl-runs"). With `write` the
 * folder is made if need be and all may be written; without, a folder that is not there is an empty
 * store, and what cannot be written is read as it is. An index that is damaged is kept beside the
 * new one and made again; one that is missing is made from the journal. On network file systems the
 * index does without a write-ahead log. bcl_store_notes tells of all that. Errors: IO, FORMAT
 * (another program's database), UNSUPPORTED (a newer bertcl's). */
BCL_EXPORT bcl_status bcl_store_open(bcl_store **out, const char *home, bool write);
BCL_EXPORT void bcl_store_close(bcl_store *store);
/* What a person should know of the opening and of the imports since: lines, each with a newline; ""
 * if there is nothing. Told once. */
BCL_EXPORT char *bcl_store_notes(bcl_store *store); /* to free() */
BCL_EXPORT const char *bcl_store_home(const bcl_store *store);
/* True after an error that a damaged index made. bcl_store_set_aside keeps it under another name,
 * so that the next opening makes it again; only bcl_store_notes and bcl_store_close may follow. */
BCL_EXPORT bool bcl_store_damaged(const bcl_store *store);
BCL_EXPORT bcl_status bcl_store_set_aside(bcl_store *store);

/* ---- filling ---- */

/* Reads a run folder's files as far as they are new. *run: its number; may be NULL. FORMAT if the
 * folder is no run. */
BCL_EXPORT bcl_status bcl_store_import(bcl_store *store, const char *folder, int64_t *run);
/* The same for every run folder in and below a folder; *runs: how many. A folder that cannot be
 * read as a run is told in the notes. */
BCL_EXPORT bcl_status bcl_store_import_all(bcl_store *store, const char *folder, size_t *runs);
/* A run is about to begin in a folder: it is looked for there from now on, even if its process dies
 * before it is followed. */
BCL_EXPORT bcl_status bcl_store_expect(bcl_store *store, const char *folder);
/* Reads again the runs that have not ended, and those that were expected; called before lists are
 * made. */
BCL_EXPORT bcl_status bcl_store_refresh(bcl_store *store);

/* Registers a dataset, or finds the version that has the same content: *id. The record's keys are
 * told in docs/store.md. */
BCL_EXPORT bcl_status bcl_store_add_dataset(bcl_store *store, const struct cJSON *record,
                                            int64_t *id);
typedef struct bcl_dataset_about {
    const char *const *paths; /* (path_count) that it was read from */
    size_t path_count;
    const bcl_tag_map *map;           /* that it was read with; may be NULL */
    const char *role;                 /* "training", "test"; NULL: none */
    const char *name;                 /* NULL: by the paths */
    const char *description, *source; /* NULL: none; the first path */
} bcl_dataset_about;
/* The record of a corpus. store, for files whose SHA-256 is known already, may be NULL. */
BCL_EXPORT bcl_status bcl_store_dataset_record(struct cJSON **out, bcl_store *store,
                                               const bcl_corpus *corpus,
                                               const bcl_dataset_about *about);
/* Registers a model's folder, or finds the version with the same content. */
BCL_EXPORT bcl_status bcl_store_add_model(bcl_store *store, const char *name, const char *folder,
                                          int64_t *id);

/* What ran without a folder of its own. All zero but the command and the results. */
typedef struct bcl_standalone {
    const char *command; /* "eval", "bench" */
    int argc;
    char *const *argv;
    double started;                   /* Unix time, s; 0: now */
    const struct cJSON *options;      /* {name: value}; NULL: none */
    const struct cJSON *results;      /* as results.json: {"eval": {…}} */
    const char *device, *precision;   /* NULL: none */
    const char *model, *model_folder; /* that it was done with: as named, its folder */
    bcl_texts data;                   /* paths that it was done on */
    const bcl_reading *reading;       /* NULL: as it is found */
    const char *file_name;            /* a file of its own in the folder: "bench.json" */
    const struct cJSON *file;         /* that holds this; NULL: none */
} bcl_standalone;
/* Gives it a folder in the store, below runs/, and reads that in. run may be NULL. */
BCL_EXPORT bcl_status bcl_store_record(bcl_store *store, const bcl_standalone *standalone,
                                       int64_t *run);

/* ---- following a run ---- */

typedef struct bcl_tracker bcl_tracker;

/* All zero but the folder and the command: nothing more is recorded. Texts must live as long as the
 * tracker. */
typedef struct bcl_tracker_options {
    const char *folder;  /* the run's, with run.json in it, or seeds.json */
    const char *command; /* "train"; "seeds" of a folder with seeds.json */
    int argc;
    char *const *argv;
    const char *parent, *parent_folder; /* the model that it begins with: as named, its folder */
    const char *model_name;             /* that its own is registered under; NULL: the run's */
    bcl_texts data, test;               /* paths; no test: a part of the data */
    const bcl_reading *reading;         /* NULL: as it is found */
    const char *targets;                /* "tensorboard,mlflow"; NULL: none */
    void (*tell)(void *context, const char *line); /* called within the calls below; may be NULL */
    void *context;
} bcl_tracker_options;
/* Writes track.json into the run's folder and follows the run by its files in a thread: into the
 * store, unless BERTCL_HOME is off, and to the targets. Training does not wait for it. What fails
 * is told, and the run goes on; an error here is the run folder's, or ARGUMENT. */
BCL_EXPORT bcl_status bcl_tracker_start(bcl_tracker **out, const bcl_tracker_options *options);
/* Tells what there is to tell; cheap. Takes NULL. */
BCL_EXPORT void bcl_tracker_poll(bcl_tracker *tracker);
/* What the run's devices do now, a JSON array as in results.json: the next heartbeat has it. Takes
 * NULL. */
BCL_EXPORT void bcl_tracker_devices(bcl_tracker *tracker, const char *json);
/* The run has ended as "finished", "failed" or "stopped"; message NULL or why: its last state is
 * recorded. Takes NULL. */
BCL_EXPORT void bcl_tracker_end(bcl_tracker *tracker, const char *state, const char *message);
/* After bcl_tracker_end and what the caller added to the folder: records that, sends the rest to
 * the targets, a minute at most, and frees. Takes NULL. */
BCL_EXPORT void bcl_tracker_free(bcl_tracker *tracker);
/* Sends to MLflow what it has not got yet of a run that was begun with it; *sent false: there was
 * nothing to do. */
BCL_EXPORT bcl_status bcl_store_sync(bcl_store *store, int64_t run, bool *sent);
/* Is the name in the list? Are all names in it known (else ARGUMENT)? The list may be NULL. */
BCL_EXPORT bool bcl_targets_have(const char *list, const char *name);
BCL_EXPORT bcl_status bcl_targets_check(const char *list);

/* ---- finding ---- */

/* A run by its id (or the beginning of it, at least 4 digits), folder or name. ARGUMENT if there is
 * none, or more than one. */
BCL_EXPORT bcl_status bcl_store_find_run(int64_t *run, bcl_store *store, const char *name);
/* NAME, NAME@VERSION, NAME:latest or NAME:ALIAS, with "models:" or "data:" before it or not. */
BCL_EXPORT bcl_status bcl_store_find_model(int64_t *model, bcl_store *store, const char *name);
BCL_EXPORT bcl_status bcl_store_find_dataset(int64_t *dataset, bcl_store *store, const char *name);
/* The folder of a model that is named so, to free(); NULL if the text is no name of the store:
 * "models:NAME…" and NAME:ALIAS always are, NAME@VERSION if the version is a number and the store
 * knows the name, and what exists as a path is none. Opens the store for it. */
BCL_EXPORT bcl_status bcl_store_model_folder(char **folder, const char *name);
/* From now on such names stand wherever this process takes a model. */
BCL_EXPORT void bcl_store_use_names(void);

/* ---- reading: JSON, freed by cJSON_Delete ---- */

typedef struct bcl_run_query {
    const char *where;         /* "eval.macro_f1 > 0.9 and lr = 1e-5"; NULL: all */
    const char *sort;          /* a key, "-KEY" for falling; NULL: the newest first */
    const char *const *fields; /* further keys whose values each run gets in "fields" */
    size_t field_count, limit; /* limit 0: all */
    bool deleted;              /* those that were deleted, instead of the others */
} bcl_run_query;
/* [{"id", "name", "folder", "state", "started", "seconds", "step", "steps", "loss", "eval_loss",
 * "eval_macro_f1", …}]; *total: without the limit; may be NULL. */
BCL_EXPORT bcl_status bcl_store_runs(struct cJSON **out, size_t *total, bcl_store *store,
                                     const bcl_run_query *query);
/* All that the index has of one run: parameters, figures, series, tags, artifacts, lineage. */
BCL_EXPORT bcl_status bcl_store_run(struct cJSON **out, bcl_store *store, int64_t run);
/* [[step, value], …] of one metric, a null for a NaN. every > 1: means over that many steps. */
BCL_EXPORT bcl_status bcl_store_metric(struct cJSON **out, bcl_store *store, int64_t run,
                                       const char *key, int64_t every);
/* {"runs": […], "params": [{"key", "values"}], "figures": […]}: what differs, or with `all` all. */
BCL_EXPORT bcl_status bcl_store_compare(struct cJSON **out, bcl_store *store, const int64_t *runs,
                                        size_t count, bool all);
BCL_EXPORT bcl_status bcl_store_models(struct cJSON **out, bcl_store *store, const char *name);
BCL_EXPORT bcl_status bcl_store_model(struct cJSON **out, bcl_store *store, int64_t model);
BCL_EXPORT bcl_status bcl_store_datasets(struct cJSON **out, bcl_store *store, const char *name);
BCL_EXPORT bcl_status bcl_store_dataset(struct cJSON **out, bcl_store *store, int64_t dataset);

/* ---- the report ---- */

/* Writes an HTML page about one run, or about several side by side. store may be NULL: then lineage
 * is what the folders themselves tell. */
BCL_EXPORT bcl_status bcl_page_write(bcl_store *store, const char *const *folders, size_t count,
                                     const char *path);

/* ---- changing ---- */

/* "key=value" sets, "key=" removes. Kept in the run's folder. */
BCL_EXPORT bcl_status bcl_store_tag(bcl_store *store, int64_t run, const char *text);
/* Marks a run as deleted, or takes that back; its files stay until bcl_store_gc. */
BCL_EXPORT bcl_status bcl_store_delete(bcl_store *store, int64_t run, bool deleted);
/* Removes the folders of deleted runs, and forgets runs, models and datasets whose files are gone.
 * A run that a registered model is promoted from stays. [{"what", "name", "folder", "bytes"}]; with
 * `dry` nothing is removed. */
BCL_EXPORT bcl_status bcl_store_gc(struct cJSON **out, bcl_store *store, bool dry);
/* NAME:ALIAS is this version from now on. */
BCL_EXPORT bcl_status bcl_store_promote(bcl_store *store, int64_t model, const char *alias);

#ifdef __cplusplus
}
#endif
#endif
