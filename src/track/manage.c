/* Changes that people ask for: tags, deleting, removing what is deleted, promoting. */
#include "track/store.h"

#include <sys/stat.h>

#include "track/mlflow.h"
#include "track/record.h"
#include "track/sql_rows.h"

static bcl_status folder_of(char **out, bcl_store *store, int64_t run) {
    bcl_status status = BCL_OK;
    cJSON *row = NULL;
    BCL_TRY(bcl_sql_rows_one(&row, store, "SELECT folder FROM runs WHERE id = ?", run));
    BCL_TRY(bcl_strdup(out, bcl_json_word(row, "folder")));
    if (!bcl_path_is_directory(*out))
        BCL_FAIL(BCL_ERROR_IO, "%s: the run's folder is gone (bertcl runs gc forgets it)", *out);
out:
    cJSON_Delete(row);
    return status;
}

bcl_status bcl_store_tag(bcl_store *store, int64_t run, const char *text) {
    bcl_status status = BCL_OK;
    char *folder = NULL, *key = NULL;
    const char *mark = strchr(text, '=');
    if (!mark || mark == text)
        return bcl_fail(BCL_ERROR_ARGUMENT,
                        "found \"%s\", expected KEY=VALUE, or KEY= to remove it", text);
    BCL_TRY(folder_of(&folder, store, run));
    BCL_TRY(bcl_format(&key, "%.*s", (int)(mark - text), text));
    BCL_TRY(bcl_marks_tag(folder, key, mark[1] ? mark + 1 : NULL));
    BCL_TRY(bcl_store_import(store, folder, NULL));
out:
    free(folder);
    free(key);
    return status;
}

/* With the runs of its seeds, if it is that of several. */
bcl_status bcl_store_delete(bcl_store *store, int64_t run, bool deleted) {
    bcl_status status = BCL_OK;
    char *folder = NULL;
    cJSON *json = NULL, *members = NULL;
    const cJSON *member;
    BCL_TRY(bcl_store_run(&json, store, run));
    if (deleted && !strcmp(bcl_json_word(json, "state"), "running"))
        BCL_FAIL(BCL_ERROR_ARGUMENT, "%s: is running: stop it before it is deleted",
                 bcl_json_word(json, "name"));
    BCL_TRY(folder_of(&folder, store, run));
    BCL_TRY(bcl_sql_rows_list(
        &members, store, "SELECT id AS number, folder FROM runs WHERE parent = ?", "t", folder));
    cJSON_ArrayForEach(member, members) {
        if (bcl_path_is_directory(bcl_json_word(member, "folder")))
            BCL_TRY(
                bcl_store_delete(store, (int64_t)bcl_json_number(member, "number", 0), deleted));
    }
    BCL_TRY(bcl_marks_delete(folder, deleted));
    BCL_TRY(bcl_store_import(store, folder, NULL));
out:
    cJSON_Delete(members);
    cJSON_Delete(json);
    free(folder);
    return status;
}

/* ---- garbage ---- */

static double size_below(const char *path) {
    char **names = NULL, *child = NULL;
    size_t count = 0;
    struct stat info;
    double size = 0;
    if (lstat(path, &info))
        return 0;
    if (!S_ISDIR(info.st_mode))
        return (double)info.st_size / (double)(info.st_nlink ? info.st_nlink : 1);
    if (!bcl_directory_list(&names, &count, path))
        for (size_t i = 0; i < count; i++) {
            free(child);
            child = NULL;
            if (!bcl_path_join(&child, path, names[i]))
                size += size_below(child);
        }
    bcl_strings_free(names, count);
    free(child);
    return size;
}

static cJSON *finding(cJSON *list, const char *what, const char *name, const char *folder,
                      double bytes) {
    cJSON *item = cJSON_CreateObject();
    cJSON_AddStringToObject(item, "what", what);
    cJSON_AddStringToObject(item, "name", name);
    cJSON_AddStringToObject(item, "folder", folder);
    cJSON_AddNumberToObject(item, "bytes", bytes);
    cJSON_AddItemToArray(list, item);
    return item;
}

static bcl_status collect_runs(cJSON *list, bcl_store *store, bool dry) {
    bcl_status status = BCL_OK;
    cJSON *runs = NULL;
    const cJSON *run;
    BCL_TRY(
        bcl_sql_rows_list(&runs, store,
                          "SELECT id AS number, name, folder, deleted, (SELECT count(*) FROM "
                          "aliases JOIN models ON models.id = model WHERE models.run = runs.id OR "
                          "models.run IN (SELECT m.id FROM runs AS m WHERE m.parent = "
                          "runs.folder)) AS promoted, (SELECT count(*) FROM runs AS m WHERE "
                          "m.parent = runs.folder AND NOT m.deleted) AS members FROM runs ORDER "
                          "BY id",
                          ""));
    cJSON_ArrayForEach(run, runs) {
        const char *name = bcl_json_word(run, "name"), *folder = bcl_json_word(run, "folder");
        const int64_t id =
            (int64_t)cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(run, "number"));
        const bool gone = !bcl_path_is_directory(folder);
        if (!gone && cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(run, "deleted")) < 1)
            continue;
        if (!gone && cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(run, "promoted")) > 0) {
            finding(list, "kept: its model is promoted", name, folder, size_below(folder));
            continue;
        }
        if (!gone && bcl_json_number(run, "members", 0) > 0) {
            finding(list, "kept: a seed of it is not deleted", name, folder, size_below(folder));
            continue;
        }
        finding(list, gone ? "forgotten run" : "removed run", name, folder,
                gone ? 0 : size_below(folder));
        if (dry)
            continue;
        if (!gone)
            BCL_TRY(bcl_path_remove(folder));
        BCL_TRY(bcl_sql_run(store, "DELETE FROM runs WHERE id = ?", "i", id));
    }
out:
    cJSON_Delete(runs);
    return status;
}

static bcl_status collect_models(cJSON *list, bcl_store *store, bool dry) {
    bcl_status status = BCL_OK;
    cJSON *models = NULL;
    const cJSON *model;
    BCL_TRY(bcl_sql_rows_list(
        &models, store, "SELECT id AS number, name || '@' || version AS name, folder FROM models",
        ""));
    cJSON_ArrayForEach(model, models) {
        const char *folder = bcl_json_word(model, "folder");
        if (bcl_path_is_directory(folder))
            continue;
        finding(list, "forgotten model", bcl_json_word(model, "name"), folder, 0);
        if (!dry)
            BCL_TRY(bcl_sql_run(
                store, "DELETE FROM models WHERE id = ?", "i",
                (int64_t)cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(model, "number"))));
    }
    if (!dry)
        BCL_TRY(bcl_sql_exec(store, "DELETE FROM artifacts WHERE id NOT IN (SELECT artifact FROM "
                                    "run_artifacts)"));
out:
    cJSON_Delete(models);
    return status;
}

bcl_status bcl_store_gc(cJSON **out, bcl_store *store, bool dry) {
    bcl_status status = BCL_OK;
    cJSON *list = cJSON_CreateArray();
    BCL_TRY(collect_runs(list, store, dry));
    BCL_TRY(collect_models(list, store, dry));
    *out = list;
    list = NULL;
out:
    cJSON_Delete(list);
    return status;
}

bcl_status bcl_store_promote(bcl_store *store, int64_t model, const char *alias) {
    bcl_status status = BCL_OK;
    cJSON *row = NULL, *event;
    char *end;
    BCL_TRY(bcl_sql_rows_one(&row, store,
                             "SELECT name, name || '@' || version AS full FROM models WHERE id = ?",
                             model));
    if (!*alias || !strcmp(alias, "latest") || strpbrk(alias, ":@/ ") ||
        (strtoll(alias, &end, 10) && !*end))
        BCL_FAIL(BCL_ERROR_ARGUMENT,
                 "found the alias \"%s\", expected a word other than latest, without : @ / and "
                 "space",
                 alias);
    BCL_TRY(bcl_sql_run(store,
                        "INSERT OR REPLACE INTO aliases (name, alias, model) VALUES (?, ?, ?)",
                        "tti", bcl_json_word(row, "name"), alias, model));
    event = cJSON_CreateObject();
    cJSON_AddStringToObject(event, "event", "alias");
    cJSON_AddStringToObject(event, "model", bcl_json_word(row, "full"));
    cJSON_AddStringToObject(event, "alias", alias);
    BCL_TRY(bcl_journal_add(store, event));
out:
    cJSON_Delete(row);
    return status;
}

/* ---- sending what is left ---- */

bcl_status bcl_store_sync(bcl_store *store, int64_t run, bool *sent) {
    bcl_status status = BCL_OK;
    char *folder = NULL, *path = NULL;
    bcl_mlflow *m = NULL;
    cJSON *json = NULL, *track = NULL;
    *sent = false;
    BCL_TRY(folder_of(&folder, store, run));
    BCL_TRY(bcl_path_join(&path, folder, BCL_TRACK_FILE));
    if (!bcl_path_exists(path))
        goto out;
    BCL_TRY(bcl_json_read(&track, path));
    if (!bcl_targets_have(bcl_json_word(track, "targets"), "mlflow"))
        goto out;
    BCL_TRY(bcl_store_run(&json, store, run));
    if (!strcmp(bcl_json_word(json, "state"), "running"))
        goto out; /* its own process does that */
    BCL_TRY(bcl_mlflow_open(&m, folder));
    if (bcl_mlflow_is_done(m))
        goto out;
    BCL_TRY(bcl_mlflow_update(m, true, 0));
    *sent = true;
out:
    bcl_mlflow_close(m);
    cJSON_Delete(json);
    cJSON_Delete(track);
    free(folder);
    free(path);
    return status;
}
