/* Datasets, models and artifacts: identical content is one version. */
#include "track/store.h"

#include <math.h>
#include <sys/stat.h>

#include "util/checksum.h"

static const char *word(const cJSON *json, const char *key) {
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, key));
}

static double number(const cJSON *json, const char *key) {
    return bcl_json_number(json, key, 0);
}

/* ---- hashes ---- */

bcl_status bcl_store_hash(char text[65], bcl_store *store, const char *path) {
    bcl_status status = BCL_OK;
    struct stat info;
    sqlite3_stmt *s = NULL;
    bool row;
    if (stat(path, &info))
        return bcl_fail_errno("%s: cannot read", path);
    const int64_t time = (int64_t)info.st_mtim.tv_sec * 1000000000 + info.st_mtim.tv_nsec;
    BCL_TRY(bcl_sql_query(&s, store,
                          "SELECT sha256 FROM files WHERE path = ? AND size = ? AND time = ? AND "
                          "inode = ?",
                          "tiii", path, (int64_t)info.st_size, time, (int64_t)info.st_ino));
    BCL_TRY(bcl_sql_next(&row, store, s));
    if (row) {
        snprintf(text, 65, "%s", bcl_sql_text(s, 0));
        bcl_sql_end(s);
        goto out;
    }
    BCL_TRY(bcl_sha256_file(text, path));
    /* what was changed a moment ago may change again within the clock's grain */
    if (!store->read_only && bcl_unix_time() - (double)time * 1e-9 > 0.1)
        BCL_TRY(bcl_sql_run(store,
                            "INSERT OR REPLACE INTO files (path, size, time, inode, sha256) VALUES "
                            "(?, ?, ?, ?, ?)",
                            "tiiit", path, (int64_t)info.st_size, time, (int64_t)info.st_ino,
                            text));
out:
    return status;
}

static bcl_status add_file(cJSON *files, const char *name, double bytes, const char *sha256) {
    cJSON *file = cJSON_CreateObject();
    if (!file || !cJSON_AddItemToArray(files, file) ||
        !cJSON_AddStringToObject(file, "path", name) ||
        !cJSON_AddNumberToObject(file, "bytes", bytes) ||
        !cJSON_AddStringToObject(file, "sha256", sha256))
        return bcl_fail(BCL_ERROR_MEMORY, "out of memory while building JSON");
    return BCL_OK;
}

/* A README is written about a model: it is no part of it, or the card would change the version. */
static bool counts(const char *name) {
    return name[0] != '.' && strcmp(name, "README.md") && !strstr(name, ".tmp.");
}

bcl_status bcl_store_hash_folder(cJSON **out, bcl_store *store, const char *folder) {
    bcl_status status = BCL_OK;
    bcl_checksum sum;
    char **names = NULL, *path = NULL, text[65], line[512];
    size_t count = 0;
    double bytes = 0;
    struct stat info;
    cJSON *record = cJSON_CreateObject(), *files = cJSON_AddArrayToObject(record, "files");
    *out = NULL;
    bcl_checksum_begin(&sum, false);
    BCL_TRY(bcl_directory_list(&names, &count, folder));
    for (size_t i = 0; i < count; i++) {
        free(path);
        path = NULL;
        BCL_TRY(bcl_path_join(&path, folder, names[i]));
        if (!counts(names[i]) || stat(path, &info) || !S_ISREG(info.st_mode))
            continue;
        BCL_TRY(bcl_store_hash(text, store, path));
        snprintf(line, sizeof line, "%s  %s\n", text, names[i]);
        bcl_checksum_add(&sum, line, strlen(line));
        BCL_TRY(add_file(files, names[i], (double)info.st_size, text));
        bytes += (double)info.st_size;
    }
    bcl_checksum_end(&sum, text);
    if (!cJSON_GetArraySize(files))
        BCL_FAIL(BCL_ERROR_IO, "%s: holds no files", folder);
    if (!cJSON_AddStringToObject(record, "sha256", text) ||
        !cJSON_AddNumberToObject(record, "bytes", bytes))
        BCL_FAIL(BCL_ERROR_MEMORY, "out of memory while building JSON");
    *out = record;
    record = NULL;
out:
    cJSON_Delete(record);
    bcl_strings_free(names, count);
    free(path);
    return status;
}

/* ---- versions ---- */

/* The wanted version if it is free, else the next one. Both queries have a name and a version. */
static bcl_status choose_version(int64_t *version, bcl_store *store, const char *is_taken,
                                 const char *highest, const char *name) {
    bcl_status status = BCL_OK;
    int64_t taken = 0, most;
    if (*version > 0)
        BCL_TRY(bcl_sql_int(&taken, store, 0, is_taken, "ti", name, *version));
    if (*version <= 0 || taken) {
        BCL_TRY(bcl_sql_int(&most, store, 0, highest, "t", name));
        *version = most + 1;
    }
out:
    return status;
}

static bcl_status add_tags(bcl_store *store, int64_t id, const cJSON *tags, bool raw) {
    bcl_status status = BCL_OK;
    const cJSON *tag;
    cJSON_ArrayForEach(tag, tags) if (cJSON_IsNumber(tag))
        BCL_TRY(bcl_sql_run(store,
                            "INSERT OR REPLACE INTO dataset_tags (dataset, raw, tag, words) VALUES "
                            "(?, ?, ?, ?)",
                            "iiti", id, (int64_t)raw, tag->string, (int64_t)tag->valuedouble));
out:
    return status;
}

static bcl_status add_parents(bcl_store *store, int64_t id, const cJSON *parents) {
    bcl_status status = BCL_OK;
    const cJSON *parent;
    int64_t other;
    cJSON_ArrayForEach(parent, parents) {
        BCL_TRY(bcl_dataset_register(&other, store, parent));
        if (other != id)
            BCL_TRY(bcl_sql_run(store,
                                "INSERT OR IGNORE INTO dataset_parents (dataset, parent) VALUES "
                                "(?, ?)",
                                "ii", id, other));
    }
out:
    return status;
}

static bcl_status fill_dataset(bcl_store *store, int64_t id, const cJSON *record) {
    bcl_status status = BCL_OK;
    const cJSON *file;
    cJSON_ArrayForEach(file, cJSON_GetObjectItemCaseSensitive(record, "files"))
        BCL_TRY(bcl_sql_run(store,
                            "INSERT INTO dataset_files (dataset, path, sha256, bytes, sentences) "
                            "VALUES (?, ?, ?, ?, ?)",
                            "ittii", id, word(file, "path") ? word(file, "path") : "",
                            word(file, "sha256") ? word(file, "sha256") : "",
                            (int64_t)number(file, "bytes"), (int64_t)number(file, "sentences")));
    BCL_TRY(add_tags(store, id, cJSON_GetObjectItemCaseSensitive(record, "tags_raw"), true));
    BCL_TRY(add_tags(store, id, cJSON_GetObjectItemCaseSensitive(record, "tags"), false));
    BCL_TRY(add_parents(store, id, cJSON_GetObjectItemCaseSensitive(record, "parents")));
out:
    return status;
}

static bcl_status journal_dataset(bcl_store *store, const cJSON *record, int64_t version) {
    cJSON *event = cJSON_CreateObject(), *copy = cJSON_Duplicate(record, true);
    cJSON_AddStringToObject(event, "event", "dataset");
    cJSON_DeleteItemFromObjectCaseSensitive(copy, "version");
    cJSON_AddNumberToObject(copy, "version", (double)version);
    cJSON_AddItemToObject(event, "record", copy);
    return bcl_journal_add(store, event);
}

/* A version that is known gets a description or a source that somebody gives it now. */
static bcl_status describe(bcl_store *store, int64_t id, const cJSON *record) {
    bcl_status status = BCL_OK;
    const char *description = word(record, "description"), *source = word(record, "source");
    int64_t version = 0, same = 0;
    BCL_TRY(bcl_sql_int(&same, store, 0,
                        "SELECT coalesce(?1, description, '') = coalesce(description, '') AND "
                        "coalesce(?2, source, '') = coalesce(source, '') FROM datasets WHERE id = "
                        "?3",
                        "tti", description, source, id));
    if (same)
        goto out;
    BCL_TRY(bcl_sql_run(store,
                        "UPDATE datasets SET description = coalesce(?, description), source = "
                        "coalesce(?, source) WHERE id = ?",
                        "tti", description, source, id));
    BCL_TRY(bcl_sql_int(&version, store, 0, "SELECT version FROM datasets WHERE id = ?", "i", id));
    BCL_TRY(journal_dataset(store, record, version));
out:
    return status;
}

bcl_status bcl_dataset_register(int64_t *id, bcl_store *store, const cJSON *record) {
    bcl_status status = BCL_OK;
    const char *name = word(record, "name"), *sha256 = word(record, "sha256");
    int64_t version = (int64_t)number(record, "version");
    char *text = NULL;
    if (!name || !*name || !sha256 || strlen(sha256) != 64)
        BCL_FAIL(BCL_ERROR_FORMAT, "a dataset's record: expected a \"name\" and a \"sha256\"");
    BCL_TRY(bcl_sql_int(id, store, 0, "SELECT id FROM datasets WHERE name = ? AND sha256 = ?", "tt",
                        name, sha256));
    if (*id) {
        BCL_TRY(describe(store, *id, record));
        goto out;
    }
    BCL_TRY(choose_version(&version, store, "SELECT 1 FROM datasets WHERE name = ? AND version = ?",
                           "SELECT max(version) FROM datasets WHERE name = ?", name));
    if (!(text = cJSON_PrintUnformatted(record)))
        BCL_FAIL(BCL_ERROR_MEMORY, "out of memory while printing JSON");
    BCL_TRY(bcl_sql_run(store,
                        "INSERT INTO datasets (name, version, sha256, sentences, words, "
                        "description, source, created, record) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                        "titiittdt", name, version, sha256, (int64_t)number(record, "sentences"),
                        (int64_t)number(record, "words"), word(record, "description"),
                        word(record, "source") ? word(record, "source") : word(record, "path"),
                        number(record, "created"), text));
    *id = sqlite3_last_insert_rowid(store->db);
    BCL_TRY(fill_dataset(store, *id, record));
    BCL_TRY(journal_dataset(store, record, version));
out:
    cJSON_free(text);
    return status;
}

static bcl_status journal_model(bcl_store *store, const bcl_model_entry *e, int64_t version,
                                double created) {
    cJSON *event = cJSON_CreateObject();
    cJSON_AddStringToObject(event, "event", "model");
    cJSON_AddStringToObject(event, "name", e->name);
    cJSON_AddNumberToObject(event, "version", (double)version);
    cJSON_AddStringToObject(event, "sha256", e->sha256);
    cJSON_AddStringToObject(event, "folder", e->folder);
    cJSON_AddStringToObject(event, "kind", e->kind);
    cJSON_AddNumberToObject(event, "bytes", e->bytes);
    cJSON_AddNumberToObject(event, "created", created);
    return bcl_journal_add(store, event);
}

bcl_status bcl_model_register(int64_t *id, bcl_store *store, const bcl_model_entry *e) {
    bcl_status status = BCL_OK;
    int64_t version = e->version;
    /* whole milliseconds, which JSON's 15 digits hold */
    const double created = floor((e->created > 0 ? e->created : bcl_unix_time()) * 1000) / 1000;
    if (!e->name[0] || strlen(e->sha256) != 64)
        BCL_FAIL(BCL_ERROR_FORMAT, "a model's record: expected a name and a SHA-256");
    BCL_TRY(bcl_sql_int(id, store, 0, "SELECT id FROM models WHERE name = ? AND sha256 = ?", "tt",
                        e->name, e->sha256));
    if (*id) {
        /* the same content somewhere else: the older place stays as long as it is there */
        BCL_TRY(bcl_sql_run(store,
                            "UPDATE models SET run = coalesce(run, nullif(?, 0)), parent = "
                            "coalesce(parent, nullif(?, 0)) WHERE id = ?",
                            "iii", e->run, e->parent == *id ? (int64_t)0 : e->parent, *id));
        sqlite3_stmt *s = NULL;
        bool row, gone = false;
        BCL_TRY(bcl_sql_query(&s, store, "SELECT folder FROM models WHERE id = ?", "i", *id));
        BCL_TRY(bcl_sql_next(&row, store, s));
        if (row) {
            gone = !bcl_path_is_directory(bcl_sql_text(s, 0));
            bcl_sql_end(s);
        }
        if (gone)
            BCL_TRY(bcl_sql_run(store, "UPDATE models SET folder = ? WHERE id = ?", "ti", e->folder,
                                *id));
        goto out;
    }
    BCL_TRY(choose_version(&version, store, "SELECT 1 FROM models WHERE name = ? AND version = ?",
                           "SELECT max(version) FROM models WHERE name = ?", e->name));
    BCL_TRY(bcl_sql_run(store,
                        "INSERT INTO models (name, version, sha256, folder, kind, bytes, created, "
                        "parent, run) VALUES (?, ?, ?, ?, ?, ?, ?, nullif(?, 0), nullif(?, 0))",
                        "titttidii", e->name, version, e->sha256, e->folder, e->kind,
                        (int64_t)e->bytes, created, e->parent, e->run));
    *id = sqlite3_last_insert_rowid(store->db);
    BCL_TRY(journal_model(store, e, version, created));
out:
    return status;
}

bcl_status bcl_artifact_add(bcl_store *store, int64_t run, const char *role, const char *path,
                            const char *sha256, double bytes) {
    bcl_status status = BCL_OK;
    int64_t id;
    BCL_TRY(bcl_sql_run(store, "INSERT OR IGNORE INTO artifacts (sha256, bytes) VALUES (?, ?)",
                        "ti", sha256, (int64_t)bytes));
    BCL_TRY(bcl_sql_int(&id, store, 0, "SELECT id FROM artifacts WHERE sha256 = ?", "t", sha256));
    BCL_TRY(bcl_sql_run(store,
                        "INSERT OR REPLACE INTO run_artifacts (run, artifact, role, path) VALUES "
                        "(?, ?, ?, ?)",
                        "iitt", run, id, role, path));
out:
    return status;
}

/* ---- from outside ---- */

bcl_status bcl_store_add_dataset(bcl_store *store, const cJSON *record, int64_t *id) {
    bcl_status status = bcl_sql_begin(store);
    if (status)
        return status;
    return bcl_sql_commit(store, bcl_dataset_register(id, store, record));
}

bcl_status bcl_store_add_model(bcl_store *store, const char *name, const char *folder,
                               int64_t *id) {
    bcl_status status = BCL_OK;
    cJSON *record = NULL;
    char *real = realpath(folder, NULL);
    if (!real)
        return bcl_fail_errno("%s: cannot open folder", folder);
    BCL_TRY(bcl_store_hash_folder(&record, store, real));
    BCL_TRY(bcl_sql_begin(store));
    BCL_TRY(bcl_sql_commit(
        store, bcl_model_register(id, store,
                                  &(bcl_model_entry){.name = name,
                                                     .sha256 = word(record, "sha256"),
                                                     .folder = real,
                                                     .kind = "base",
                                                     .bytes = number(record, "bytes")})));
out:
    cJSON_Delete(record);
    free(real);
    return status;
}
