/* The index' schema and its migrations. */
#include "track/store.h"

/* In tables without row ids the primary key's columns come first: where they do not, SQLite 3.40's
 * integrity_check takes other columns for NULL. */
static const char *const first[] = {
    "CREATE TABLE files ("
    "  path TEXT PRIMARY KEY, size INTEGER, time INTEGER, inode INTEGER, sha256 TEXT NOT NULL"
    ") WITHOUT ROWID;",
    "CREATE TABLE datasets ("
    "  id INTEGER PRIMARY KEY, name TEXT NOT NULL, version INTEGER NOT NULL, sha256 TEXT NOT NULL,"
    "  sentences INTEGER, words INTEGER, description TEXT, source TEXT, created REAL,"
    "  record TEXT NOT NULL,"
    "  UNIQUE (name, version), UNIQUE (name, sha256));",
    "CREATE TABLE dataset_files ("
    "  dataset INTEGER NOT NULL REFERENCES datasets ON DELETE CASCADE, path TEXT NOT NULL,"
    "  sha256 TEXT NOT NULL, bytes INTEGER, sentences INTEGER);",
    "CREATE INDEX dataset_files_of ON dataset_files (dataset);",
    "CREATE INDEX dataset_files_by ON dataset_files (sha256);",
    "CREATE TABLE dataset_tags ("
    "  dataset INTEGER NOT NULL REFERENCES datasets ON DELETE CASCADE, raw INTEGER NOT NULL,"
    "  tag TEXT NOT NULL, words INTEGER NOT NULL, PRIMARY KEY (dataset, raw, tag)) WITHOUT ROWID;",
    "CREATE TABLE dataset_parents ("
    "  dataset INTEGER NOT NULL REFERENCES datasets ON DELETE CASCADE,"
    "  parent INTEGER NOT NULL REFERENCES datasets ON DELETE CASCADE,"
    "  PRIMARY KEY (dataset, parent)) WITHOUT ROWID;",
    "CREATE TABLE runs ("
    "  id INTEGER PRIMARY KEY, uid TEXT NOT NULL UNIQUE, name TEXT NOT NULL,"
    "  folder TEXT NOT NULL UNIQUE, command TEXT NOT NULL, state TEXT, message TEXT,"
    "  started REAL, ended REAL, heartbeat REAL, host TEXT, pid INTEGER, boot TEXT,"
    "  process_start INTEGER, device TEXT, gemm TEXT, precision TEXT, bertcl TEXT,"
    "  step INTEGER, steps INTEGER, stamps TEXT, metrics_read INTEGER NOT NULL DEFAULT 0,"
    "  metrics_tail TEXT, deleted INTEGER NOT NULL DEFAULT 0);",
    "CREATE INDEX runs_by_name ON runs (name);",
    "CREATE INDEX runs_by_start ON runs (started);",
    "CREATE TABLE params ("
    "  run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE, key TEXT NOT NULL, text TEXT,"
    "  number REAL, PRIMARY KEY (run, key)) WITHOUT ROWID;",
    "CREATE TABLE figures ("
    "  run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE, key TEXT NOT NULL, text TEXT,"
    "  number REAL, PRIMARY KEY (run, key)) WITHOUT ROWID;",
    "CREATE TABLE tags ("
    "  run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE, key TEXT NOT NULL, value TEXT,"
    "  PRIMARY KEY (run, key)) WITHOUT ROWID;",
    "CREATE TABLE keys (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);",
    "CREATE TABLE metrics (" /* a NULL is a NaN */
    "  run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE, key INTEGER NOT NULL REFERENCES "
    "  keys, step INTEGER NOT NULL, value REAL, PRIMARY KEY (run, key, step)) WITHOUT ROWID;",
    "CREATE TABLE series ("
    "  run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE, key INTEGER NOT NULL REFERENCES "
    "  keys, points INTEGER, last_step INTEGER, last REAL, least REAL, most REAL,"
    "  PRIMARY KEY (run, key)) WITHOUT ROWID;",
    "CREATE TABLE artifacts ("
    "  id INTEGER PRIMARY KEY, sha256 TEXT NOT NULL UNIQUE, bytes INTEGER);",
    "CREATE TABLE run_artifacts ("
    "  run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,"
    "  path TEXT NOT NULL, artifact INTEGER NOT NULL REFERENCES artifacts, role TEXT NOT NULL,"
    "  PRIMARY KEY (run, path)) WITHOUT ROWID;",
    "CREATE INDEX run_artifacts_by ON run_artifacts (artifact);",
    "CREATE TABLE models ("
    "  id INTEGER PRIMARY KEY, name TEXT NOT NULL, version INTEGER NOT NULL, sha256 TEXT NOT NULL,"
    "  folder TEXT NOT NULL, kind TEXT, bytes INTEGER, created REAL,"
    "  parent INTEGER REFERENCES models ON DELETE SET NULL,"
    "  run INTEGER REFERENCES runs ON DELETE SET NULL,"
    "  UNIQUE (name, version), UNIQUE (name, sha256));",
    "CREATE INDEX models_by_run ON models (run);",
    "CREATE INDEX models_by_content ON models (sha256);",
    "CREATE INDEX models_by_parent ON models (parent);",
    "CREATE TABLE aliases ("
    "  name TEXT NOT NULL, alias TEXT NOT NULL,"
    "  model INTEGER NOT NULL REFERENCES models ON DELETE CASCADE,"
    "  PRIMARY KEY (name, alias)) WITHOUT ROWID;",
    "CREATE TABLE run_datasets ("
    "  run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,"
    "  dataset INTEGER NOT NULL REFERENCES datasets, role TEXT NOT NULL,"
    "  PRIMARY KEY (run, dataset, role)) WITHOUT ROWID;",
    "CREATE INDEX run_datasets_by ON run_datasets (dataset);",
    "CREATE TABLE run_models ("
    "  run INTEGER NOT NULL REFERENCES runs ON DELETE CASCADE,"
    "  model INTEGER NOT NULL REFERENCES models ON DELETE CASCADE, role TEXT NOT NULL,"
    "  PRIMARY KEY (run, model, role)) WITHOUT ROWID;",
    "CREATE INDEX run_models_by ON run_models (model);",
    NULL};

/* Folders in which a run is about to begin: whatever becomes of it, it is looked for there. */
static const char *const second[] = {
    "CREATE TABLE expected (folder TEXT PRIMARY KEY, since REAL NOT NULL) WITHOUT ROWID;", NULL};

/* Runs of several seeds are a run of their own: the folder of it, of those that are part of one. */
static const char *const third[] = {
    "ALTER TABLE runs ADD COLUMN parent TEXT;", "CREATE INDEX runs_by_parent ON runs (parent);",
    "UPDATE runs SET parent = rtrim(rtrim(folder, replace(folder, '/', '')), '/') "
    "WHERE id IN (SELECT run FROM tags WHERE key = 'group');",
    NULL};

/* Step N brings version N to N + 1; each is a list of statements. */
static const char *const *const steps[] = {first, second, third};

enum { VERSION = sizeof steps / sizeof *steps, APPLICATION = 0x42434c31 /* "BCL1" */ };

static bcl_status read_version(int64_t *version, bcl_store *store) {
    return bcl_sql_int(version, store, 0, "PRAGMA user_version", "");
}

bcl_status bcl_store_check_version(bcl_store *store) {
    bcl_status status = BCL_OK;
    int64_t version = 0, application = 0;
    BCL_TRY(read_version(&version, store));
    BCL_TRY(bcl_sql_int(&application, store, 0, "PRAGMA application_id", ""));
    if (application && application != APPLICATION)
        BCL_FAIL(BCL_ERROR_FORMAT,
                 "%s: found another program's database, expected bertcl's; set BERTCL_HOME to "
                 "another folder",
                 store->path);
    if (version > VERSION)
        BCL_FAIL(
            BCL_ERROR_UNSUPPORTED,
            "%s: found schema %lld of a newer bertcl, this one knows up to %d; use that bertcl "
            "or set BERTCL_HOME to another folder",
            store->path, (long long)version, (int)VERSION);
out:
    return status;
}

bcl_status bcl_store_migrate(bcl_store *store) {
    bcl_status status = BCL_OK;
    char text[64];
    int64_t version = 0;
    BCL_TRY(bcl_store_check_version(store));
    BCL_TRY(read_version(&version, store));
    if (version == VERSION)
        goto out;
    BCL_TRY(bcl_sql_exec(store, "BEGIN EXCLUSIVE"));
    /* another process may have done it while this one waited for the lock */
    status = bcl_store_check_version(store);
    if (!status)
        status = read_version(&version, store);
    store->fresh = !status && version == 0;
    for (; !status && version < VERSION; version++)
        for (size_t i = 0; !status && steps[version][i]; i++)
            status = bcl_sql_exec(store, steps[version][i]);
    snprintf(text, sizeof text, "PRAGMA user_version = %d; PRAGMA application_id = %d",
             (int)VERSION, (int)APPLICATION);
    if (!status)
        status = bcl_sql_exec(store, text);
    BCL_TRY(bcl_sql_commit(store, status));
out:
    return status;
}
