/* Inside track/: the index over SQLite, and what its files share. The run folders' files are the
 * truth; everything in the database can be made from them and from the journal again. */
#ifndef BCL_STORE_H
#define BCL_STORE_H

#include "util/util.h"

#include <bertcl/track.h>
#include <cjson/cJSON.h>
#include <sqlite3.h>

#define BCL_STORE_FILE    "store.db"
#define BCL_STORE_JOURNAL "journal.jsonl"

enum { BCL_STATEMENTS = 64 };

struct bcl_store {
    sqlite3 *db;
    char *home, *path, *journal; /* home is absolute */
    bool read_only, damaged, replaying;
    bool fresh;     /* the database was made by this opening */
    uint64_t inode; /* of the database when it was opened */
    bcl_string notes;
    struct {
        const char *sql; /* a literal: known by its address */
        sqlite3_stmt *statement;
    } cache[BCL_STATEMENTS];
    size_t cached;
};

/* ---- store.c: the database, found and opened ---- */

/* bcl_store_open without the journal: the index as it is, or a new one that is empty. */
bcl_status bcl_store_open_index(bcl_store **out, const char *home, bool write);
/* Adds a line to what bcl_store_notes tells. Never fails: without memory it is left out. */
void bcl_store_say(bcl_store *store, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- sql.c: statements with their arguments ---- */

/* The failure of the last call, as a status with the database's path; marks the store as damaged.
 */
bcl_status bcl_sql_fail(bcl_store *store, int code);
/* One or several statements without arguments. */
bcl_status bcl_sql_exec(bcl_store *store, const char *sql);
/* Binds by `types`: i int64_t, d double (a NaN becomes NULL), t const char * (NULL becomes NULL).
 * `sql` must be a literal: it is prepared once. Rows come by bcl_sql_next until *row is false, or
 * the caller ends them with bcl_sql_end. */
bcl_status bcl_sql_query(sqlite3_stmt **out, bcl_store *store, const char *sql, const char *types,
                         ...);
bcl_status bcl_sql_next(bool *row, bcl_store *store, sqlite3_stmt *statement);
void bcl_sql_end(sqlite3_stmt *statement); /* takes NULL */
/* Runs a statement to its end. */
bcl_status bcl_sql_run(bcl_store *store, const char *sql, const char *types, ...);
/* The first column of the first row; `fallback` without a row or with NULL in it. */
bcl_status bcl_sql_int(int64_t *out, bcl_store *store, int64_t fallback, const char *sql,
                       const char *types, ...);
/* "" for NULL; valid until the next row. */
const char *bcl_sql_text(sqlite3_stmt *statement, int column);
/* A transaction that writes; commit takes what the work came to and rolls back on failure. */
bcl_status bcl_sql_begin(bcl_store *store);
bcl_status bcl_sql_commit(bcl_store *store, bcl_status work);

/* ---- schema.c ---- */

/* Brings the database to this version's schema, under an exclusive lock. */
bcl_status bcl_store_migrate(bcl_store *store);
bcl_status bcl_store_check_version(bcl_store *store);

/* ---- journal.c: what belongs to no run folder ---- */

/* Adds a line, and the time to it. Takes the event, which may be NULL for want of memory. */
bcl_status bcl_journal_add(bcl_store *store, cJSON *event);

/* ---- registry.c: datasets, models, artifacts by content ---- */

/* The SHA-256 of a file, from the index where size and times are as they were. */
bcl_status bcl_store_hash(char text[65], bcl_store *store, const char *path);
/* The record of a folder's content: {"sha256", "bytes", "files": [{"path", "bytes", "sha256"}]},
 * files by name; the whole's SHA-256 is that of the lines "SHA256  NAME\n". */
bcl_status bcl_store_hash_folder(cJSON **out, bcl_store *store, const char *folder);
/* Finds or adds the version of a dataset with this content. The record is as docs/store.md tells.
 */
bcl_status bcl_dataset_register(int64_t *id, bcl_store *store, const cJSON *record);
typedef struct bcl_model_entry {
    const char *name, *sha256, *folder, *kind; /* kind: "model", "best", "base" */
    int64_t version;                           /* wanted; 0: the next one */
    int64_t run, parent;                       /* ids; 0: none */
    double bytes, created;
} bcl_model_entry;
bcl_status bcl_model_register(int64_t *id, bcl_store *store, const bcl_model_entry *entry);
bcl_status bcl_artifact_add(bcl_store *store, int64_t run, const char *role, const char *path,
                            const char *sha256, double bytes);

/* ---- catalog.c ---- */

/* NAME, NAME@VERSION, NAME:ALIAS, with a prefix or not; *version 0: none was told. */
void bcl_store_split_name(const char *text, const char *prefix, char name[256], int64_t *version,
                          char alias[128]);

/* ---- metrics.c ---- */

/* Reads what was added to RUN/metrics.jsonl since the last time. */
bcl_status bcl_metrics_import(bcl_store *store, int64_t run, const char *folder);
/* One line: a flat JSON object of numbers; nan, NaN, inf and Infinity are taken too. Other values
 * are skipped. False if the line is not an object. The key is valid during the call. */
typedef void bcl_metric_sink(void *context, const char *key, size_t size, double value);
bool bcl_metric_line(const char *line, size_t size, bcl_metric_sink *sink, void *context);

/* ---- state.c: is a process still there? ---- */

typedef struct bcl_process {
    char host[256], boot[40];
    int64_t pid,
        start; /* start: in ticks since the boot, so that a reused pid is not taken for it */
} bcl_process;
void bcl_process_self(bcl_process *out);
/* What a run that did not end is now: "running", "killed" or "lost" (on another host, without a
 * sign of life for two minutes). */
const char *bcl_process_state(const bcl_process *process, double heartbeat, double now);
/* The same of one that died before it was followed, by the lock that who trains holds, however the
 * process ends: "running", "killed" or "unknown". */
const char *bcl_state_by_lock(const char *folder);
double bcl_unix_time(void);

/* ---- results.c ---- */

/* Whether figures are what such figures can be; else `problem` says which one is not. */
bool bcl_results_check(char *problem, size_t size, const cJSON *results);

/* ---- query.c ---- */

/* run's state now, from what the index and the process table say */
const char *bcl_run_state(sqlite3_stmt *row, int first_column, const bcl_process *self, double now);

#endif
