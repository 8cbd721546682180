/* Models and datasets of the index: versions by name, where they come from, what was made of them.
 */
#include "track/store.h"

#include "track/sql_rows.h"

/* ---- finding ---- */

void bcl_store_split_name(const char *text, const char *prefix, char name[256], int64_t *version,
                          char alias[128]) {
    const size_t n = strlen(prefix);
    if (!strncmp(text, prefix, n))
        text += n;
    snprintf(name, 256, "%s", text);
    *version = 0;
    alias[0] = 0;
    char *mark = strrchr(name, '@');
    if (!mark)
        mark = strrchr(name, ':');
    if (!mark || mark == name || !mark[1])
        return;
    char *end;
    const long long number = strtoll(mark + 1, &end, 10);
    if (!*end && number > 0)
        *version = number;
    else
        snprintf(alias, 128, "%s", mark + 1);
    *mark = 0;
}

static bcl_status not_found(bcl_store *store, const char *what, const char *text, const char *name,
                            const char *count_sql) {
    int64_t most = 0;
    const bcl_status status = bcl_sql_int(&most, store, 0, count_sql, "t", name);
    if (status)
        return status;
    if (!most)
        return bcl_fail(BCL_ERROR_ARGUMENT, "%s: %s has no %s of the name %s (see bertcl %s list)",
                        text, store->home, what, name, !strcmp(what, "model") ? "models" : "data");
    return bcl_fail(BCL_ERROR_ARGUMENT, "%s: no such version or alias, expected %s@1 to %s@%lld",
                    text, name, name, (long long)most);
}

bcl_status bcl_store_find_model(int64_t *model, bcl_store *store, const char *text) {
    bcl_status status = BCL_OK;
    char name[256], alias[128];
    int64_t version;
    bcl_store_split_name(text, "models:", name, &version, alias);
    if (version)
        BCL_TRY(bcl_sql_int(model, store, 0, "SELECT id FROM models WHERE name = ? AND version = ?",
                            "ti", name, version));
    else if (!alias[0] || !strcmp(alias, "latest"))
        BCL_TRY(bcl_sql_int(model, store, 0,
                            "SELECT id FROM models WHERE name = ? ORDER BY version DESC", "t",
                            name));
    else
        BCL_TRY(bcl_sql_int(model, store, 0,
                            "SELECT model FROM aliases WHERE name = ? AND alias = ?", "tt", name,
                            alias));
    if (!*model)
        status =
            not_found(store, "model", text, name, "SELECT max(version) FROM models WHERE name = ?");
out:
    return status;
}

bcl_status bcl_store_find_dataset(int64_t *dataset, bcl_store *store, const char *text) {
    bcl_status status = BCL_OK;
    char name[256], alias[128];
    int64_t version;
    bcl_store_split_name(text, "data:", name, &version, alias);
    if (alias[0] && strcmp(alias, "latest"))
        BCL_FAIL(BCL_ERROR_ARGUMENT, "%s: expected NAME, NAME@VERSION or NAME:latest", text);
    BCL_TRY(bcl_sql_int(dataset, store, 0,
                        "SELECT id FROM datasets WHERE name = ? AND (? = 0 OR version = ?) ORDER "
                        "BY version DESC",
                        "tii", name, version, version));
    if (!*dataset)
        status = not_found(store, "dataset", text, name,
                           "SELECT max(version) FROM datasets WHERE name = ?");
out:
    return status;
}

/* ---- lists ---- */

#define MODEL_COLUMNS                                                                              \
    "SELECT m.name, m.version, (SELECT group_concat(alias, ' ') FROM aliases WHERE model = m.id) " \
    "AS aliases, m.kind, m.created, m.bytes, r.name AS run, substr(r.uid, 1, 8) AS run_id, "       \
    "p.name || '@' || p.version AS parent, m.folder, m.sha256, m.id AS number, (SELECT number "    \
    "FROM figures WHERE run = m.run AND key = 'eval.macro_f1') AS eval_macro_f1, (SELECT number "  \
    "FROM figures WHERE run = m.run AND key = 'eval.accuracy') AS eval_accuracy FROM models m "    \
    "LEFT JOIN runs r ON r.id = m.run LEFT JOIN models p ON p.id = m.parent "

bcl_status bcl_store_models(cJSON **out, bcl_store *store, const char *name) {
    return bcl_sql_rows_list(
        out, store, MODEL_COLUMNS "WHERE ?1 IS NULL OR m.name = ?1 ORDER BY m.name, m.version DESC",
        "t", name);
}

bcl_status bcl_store_model(cJSON **out, bcl_store *store, int64_t model) {
    bcl_status status = BCL_OK;
    cJSON *json = NULL;
    *out = NULL;
    BCL_TRY(bcl_sql_rows_one(&json, store, MODEL_COLUMNS "WHERE m.id = ?", model));
    BCL_TRY(
        bcl_sql_rows_add(json, "datasets", store,
                         "SELECT role, name, datasets.version, sentences, words FROM run_datasets "
                         "JOIN datasets ON datasets.id = dataset WHERE run = (SELECT run FROM "
                         "models WHERE id = ?) ORDER BY role DESC, name",
                         model));
    /* from this model up to the first one */
    BCL_TRY(
        bcl_sql_rows_add(json, "parents", store,
                         "WITH RECURSIVE up (id, depth) AS (SELECT parent, 1 FROM models WHERE id "
                         "= ? UNION SELECT parent, depth + 1 FROM models JOIN up ON models.id = "
                         "up.id WHERE depth < 100) SELECT name, version, folder FROM up JOIN "
                         "models ON models.id = up.id ORDER BY depth",
                         model));
    BCL_TRY(bcl_sql_rows_add(
        json, "children", store,
        "SELECT name, version FROM models WHERE parent = ? ORDER BY name, version", model));
    BCL_TRY(
        bcl_sql_rows_add(json, "runs", store,
                         "SELECT substr(uid, 1, 8) AS id, name, role FROM run_models JOIN runs ON "
                         "runs.id = run WHERE model = ? AND NOT deleted ORDER BY started",
                         model));
    *out = json;
    json = NULL;
out:
    cJSON_Delete(json);
    return status;
}

#define DATASET_COLUMNS                                                                            \
    "SELECT name, version, sentences, words, (SELECT count(*) FROM dataset_files WHERE dataset = " \
    "id) AS files, description, source, created, sha256, id AS number, (SELECT count(DISTINCT "    \
    "run) FROM run_datasets WHERE dataset = id) AS runs FROM datasets "

bcl_status bcl_store_datasets(cJSON **out, bcl_store *store, const char *name) {
    return bcl_sql_rows_list(
        out, store, DATASET_COLUMNS "WHERE ?1 IS NULL OR name = ?1 ORDER BY name, version DESC",
        "t", name);
}

bcl_status bcl_store_dataset(cJSON **out, bcl_store *store, int64_t dataset) {
    bcl_status status = BCL_OK;
    cJSON *json = NULL, *record = NULL;
    sqlite3_stmt *s = NULL;
    bool row;
    *out = NULL;
    BCL_TRY(bcl_sql_rows_one(&json, store, DATASET_COLUMNS "WHERE id = ?", dataset));
    BCL_TRY(bcl_sql_query(&s, store, "SELECT record FROM datasets WHERE id = ?", "i", dataset));
    BCL_TRY(bcl_sql_next(&row, store, s));
    if (row) {
        static const char *const keys[] = {"tags_raw", "tags", "lengths", "files"};
        record = cJSON_Parse(bcl_sql_text(s, 0));
        bcl_sql_end(s);
        cJSON_DeleteItemFromObjectCaseSensitive(json, "files");
        for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
            cJSON *part = cJSON_DetachItemFromObjectCaseSensitive(record, keys[i]);
            if (part)
                cJSON_AddItemToObject(json, keys[i], part);
        }
    }
    BCL_TRY(
        bcl_sql_rows_add(json, "parents", store,
                         "SELECT name, version FROM dataset_parents JOIN datasets ON datasets.id = "
                         "parent WHERE dataset = ?",
                         dataset));
    BCL_TRY(
        bcl_sql_rows_add(json, "used_by", store,
                         "SELECT substr(uid, 1, 8) AS id, name, role FROM run_datasets JOIN runs "
                         "ON runs.id = run WHERE dataset = ? AND NOT deleted ORDER BY started",
                         dataset));
    *out = json;
    json = NULL;
out:
    cJSON_Delete(record);
    cJSON_Delete(json);
    return status;
}
