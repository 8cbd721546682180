/* Runs from the index: found, filtered, sorted, compared. What is printed is made from this JSON.
 */
#include "track/record.h"
#include "track/store.h"

#include <ctype.h>
#include <math.h>

#include "track/sql_rows.h"
#include "track/where.h"

#define COLUMNS                                                                                    \
    "id, uid, name, folder, command, state, message, started, ended, heartbeat, host, pid, boot, " \
    "process_start, device, gemm, precision, bertcl, step, steps, (SELECT g.name FROM runs AS g "  \
    "WHERE g.folder = runs.parent)"

typedef struct run_row {
    int64_t id, step, steps;
    char *texts[11]; /* as below */
    double started, ended;
    bcl_field sort;
} run_row;

enum { UID, NAME, FOLDER, COMMAND, STATE, MESSAGE, HOST, DEVICE, GEMM, PRECISION, GROUP, TEXTS };
static const char *const text_names[TEXTS] = {"id",    "name",      "folder", "command",
                                              "state", "message",   "host",   "device",
                                              "gemm",  "precision", "group"};

static void free_row(run_row *r) {
    for (int i = 0; i < TEXTS; i++)
        free(r->texts[i]);
}

static bcl_status read_row(run_row *r, sqlite3_stmt *s, double now) {
    static const int columns[TEXTS] = {1, 2, 3, 4, 5, 6, 10, 14, 15, 16, 20};
    bcl_status status = BCL_OK;
    *r = (run_row){.id = sqlite3_column_int64(s, 0),
                   .started = sqlite3_column_double(s, 7),
                   .ended = sqlite3_column_double(s, 8),
                   .step = sqlite3_column_int64(s, 18),
                   .steps = sqlite3_column_int64(s, 19)};
    const double heartbeat = sqlite3_column_double(s, 9);
    for (int i = 0; i < TEXTS; i++)
        if (i != STATE)
            BCL_TRY(bcl_strdup(&r->texts[i], bcl_sql_text(s, columns[i])));
    const char *state = bcl_sql_text(s, columns[STATE]);
    if (!*state) {
        bcl_process p = {.pid = sqlite3_column_int64(s, 11), .start = sqlite3_column_int64(s, 13)};
        snprintf(p.host, sizeof p.host, "%s", bcl_sql_text(s, 10));
        snprintf(p.boot, sizeof p.boot, "%s", bcl_sql_text(s, 12));
        state = bcl_process_state(&p, heartbeat, now);
        if (!p.pid)
            state = bcl_state_by_lock(r->texts[FOLDER]);
    }
    BCL_TRY(bcl_strdup(&r->texts[STATE], state));
    if (r->ended <= 0)
        r->ended = !strcmp(state, "running") ? now : heartbeat > 0 ? heartbeat : r->started;
out:
    return status;
}

/* ---- the value of a key ---- */

typedef struct finder {
    bcl_store *store;
    const run_row *row;
} finder;

static void set_number(bcl_field *f, double x) {
    *f = (bcl_field){.found = true, .is_number = true, .number = x};
    snprintf(f->text, sizeof f->text, "%.15g", x);
}

static void set_text(bcl_field *f, const char *text) {
    f->found = true;
    snprintf(f->text, sizeof f->text, "%s", text);
}

/* A row of (text, number) or nothing. */
static bcl_status look_up(bcl_field *f, bcl_store *store, const char *sql, int64_t run,
                          const char *key) {
    bcl_status status = BCL_OK;
    sqlite3_stmt *s = NULL;
    bool row;
    BCL_TRY(bcl_sql_query(&s, store, sql, "it", run, key));
    BCL_TRY(bcl_sql_next(&row, store, s));
    if (row) {
        set_text(f, bcl_sql_text(s, 0));
        f->is_number = sqlite3_column_type(s, 1) != SQLITE_NULL;
        f->number = f->is_number ? sqlite3_column_double(s, 1) : 0;
        bcl_sql_end(s);
    }
out:
    return status;
}

#define SERIES_SQL                                                                                 \
    "SELECT coalesce(last, 'nan'), last FROM series WHERE run = ? AND key = (SELECT id FROM keys " \
    "WHERE name = ?)"

/* "eval.macro_f1" of a run that goes on is the metric eval_macro_f1. */
static bcl_status look_up_series(bcl_field *f, bcl_store *store, int64_t run, const char *key) {
    char name[128];
    snprintf(name, sizeof name, "%s", key);
    bcl_status status = look_up(f, store, SERIES_SQL, run, name);
    if (!status && !f->found && strchr(name, '.')) {
        for (char *p = name; *p; p++)
            *p = *p == '.' ? '_' : *p;
        status = look_up(f, store, SERIES_SQL, run, name);
    }
    return status;
}

static const char *behind(const char *key, const char *prefix) {
    const size_t n = strlen(prefix);
    return strncmp(key, prefix, n) ? NULL : key + n;
}

static bcl_status find_value(bcl_field *f, bcl_store *store, int64_t run, const char *key) {
    static const char tags[] = "SELECT value, NULL FROM tags WHERE run = ? AND key = ?",
                      params[] = "SELECT text, number FROM params WHERE run = ? AND key = ?",
                      figures[] = "SELECT text, number FROM figures WHERE run = ? AND key = ?";
    const char *name;
    if ((name = behind(key, "tags.")) || (name = behind(key, "tag.")))
        return look_up(f, store, tags, run, name);
    if ((name = behind(key, "options.")) || (name = behind(key, "params.")))
        return look_up(f, store, params, run, name);
    if ((name = behind(key, "metrics.")))
        return look_up_series(f, store, run, name);
    bcl_status status = look_up(f, store, figures, run, key);
    if (!status && !f->found)
        status = look_up(f, store, params, run, key);
    if (!status && !f->found)
        status = look_up_series(f, store, run, key);
    if (!status && !f->found)
        status = look_up(f, store, tags, run, key);
    return status;
}

static bcl_status find_field(bcl_field *f, void *context, const char *key) {
    const finder *x = context;
    const run_row *r = x->row;
    *f = (bcl_field){0};
    for (int i = 0; i < TEXTS; i++)
        if (!strcmp(key, text_names[i])) {
            set_text(f, r->texts[i]);
            return BCL_OK;
        }
    if (!strcmp(key, "started"))
        set_number(f, r->started);
    else if (!strcmp(key, "seconds"))
        set_number(f, r->ended - r->started);
    else if (!strcmp(key, "step"))
        set_number(f, (double)r->step);
    else if (!strcmp(key, "steps"))
        set_number(f, (double)r->steps);
    else
        return find_value(f, x->store, r->id, key);
    return BCL_OK;
}

/* ---- lists ---- */

static cJSON *field_json(const bcl_field *f) {
    return !f->found                 ? cJSON_CreateNull()
           : f->is_number            ? cJSON_CreateNumber(f->number)
           : !strcmp(f->text, "nan") ? cJSON_CreateNull()
                                     : cJSON_CreateString(f->text);
}

static bcl_status row_json(cJSON **out, bcl_store *store, const run_row *r,
                           const char *const *fields, size_t field_count) {
    static const struct {
        const char *name, *key;
    } shown[] = {{"loss", "metrics.loss"},
                 {"eval_loss", "eval.loss"},
                 {"eval_accuracy", "eval.accuracy"},
                 {"eval_macro_f1", "eval.macro_f1"}};
    bcl_status status = BCL_OK;
    finder x = {store, r};
    bcl_field f;
    cJSON *json = cJSON_CreateObject();
    for (int i = 0; i < TEXTS; i++)
        if (r->texts[i][0] || i < MESSAGE)
            cJSON_AddStringToObject(json, text_names[i], r->texts[i]);
    cJSON_AddNumberToObject(json, "started", r->started);
    cJSON_AddNumberToObject(json, "seconds", r->ended - r->started);
    cJSON_AddNumberToObject(json, "step", (double)r->step);
    if (r->steps)
        cJSON_AddNumberToObject(json, "steps", (double)r->steps);
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++) {
        BCL_TRY(find_field(&f, &x, shown[i].key));
        cJSON_AddItemToObject(json, shown[i].name, field_json(&f));
    }
    if (field_count) {
        cJSON *values = cJSON_AddObjectToObject(json, "fields");
        for (size_t i = 0; i < field_count; i++) {
            BCL_TRY(find_field(&f, &x, fields[i]));
            cJSON_AddItemToObject(values, fields[i], field_json(&f));
        }
    }
    *out = json;
    json = NULL;
out:
    cJSON_Delete(json);
    return status;
}

/* Those without a value come last, whatever the direction. */
static int compare_rows(const void *a, const void *b) {
    const bcl_field *x = &((const run_row *)a)->sort, *y = &((const run_row *)b)->sort;
    if (x->found != y->found)
        return x->found ? -1 : 1;
    if (x->is_number && y->is_number && x->number != y->number)
        return x->number < y->number ? -1 : 1;
    const int order = x->is_number || y->is_number ? 0 : strcmp(x->text, y->text);
    const int64_t i = ((const run_row *)a)->id, j = ((const run_row *)b)->id;
    return order ? order : i < j ? -1 : i > j;
}

static int compare_falling(const void *a, const void *b) {
    const bcl_field *x = &((const run_row *)a)->sort, *y = &((const run_row *)b)->sort;
    return x->found != y->found ? compare_rows(a, b) : compare_rows(b, a);
}

static bcl_status select_rows(run_row **rows, size_t *count, bcl_store *store,
                              const bcl_run_query *q, const bcl_where *where) {
    bcl_status status = BCL_OK;
    sqlite3_stmt *s = NULL;
    size_t capacity = 0;
    bool more, wanted;
    const double now = bcl_unix_time();
    BCL_TRY(bcl_sql_query(
        &s, store, "SELECT " COLUMNS " FROM runs WHERE deleted = ? ORDER BY started DESC, id DESC",
        "i", (int64_t)q->deleted));
    for (;;) {
        BCL_TRY(bcl_sql_next(&more, store, s));
        if (!more)
            break;
        BCL_TRY(bcl_grow(rows, &capacity, *count + 1, sizeof **rows));
        BCL_TRY(read_row(&(*rows)[(*count)++], s, now));
    }
    size_t kept = 0;
    for (size_t i = 0; where && i < *count; i++) {
        finder x = {store, &(*rows)[i]};
        BCL_TRY(bcl_where_holds(&wanted, where, find_field, &x));
        const run_row row = (*rows)[i];
        (*rows)[i] = (*rows)[kept]; /* every row stays somewhere, to be freed */
        (*rows)[kept] = row;
        kept += wanted;
    }
    for (size_t i = kept; where && i < *count; i++)
        free_row(&(*rows)[i]);
    if (where)
        *count = kept;
out:
    return status;
}

bcl_status bcl_store_runs(cJSON **out, size_t *total, bcl_store *store, const bcl_run_query *q) {
    bcl_status status = BCL_OK;
    bcl_where *where = NULL;
    run_row *rows = NULL;
    size_t count = 0;
    cJSON *list = cJSON_CreateArray(), *item;
    const bool falling = q->sort && q->sort[0] == '-';
    if (q->where)
        BCL_TRY(bcl_where_create(&where, q->where));
    BCL_TRY(select_rows(&rows, &count, store, q, where));
    for (size_t i = 0; q->sort && i < count; i++) {
        finder x = {store, &rows[i]};
        BCL_TRY(find_field(&rows[i].sort, &x, q->sort + falling));
    }
    if (q->sort && count)
        qsort(rows, count, sizeof *rows, falling ? compare_falling : compare_rows);
    if (total)
        *total = count;
    for (size_t i = 0; i < count && (!q->limit || i < q->limit); i++) {
        BCL_TRY(row_json(&item, store, &rows[i], q->fields, q->field_count));
        cJSON_AddItemToArray(list, item);
    }
    *out = list;
    list = NULL;
out:
    for (size_t i = 0; i < count; i++)
        free_row(&rows[i]);
    free(rows);
    bcl_where_free(where);
    cJSON_Delete(list);
    return status;
}

/* ---- finding one ---- */

static bcl_status find_by_folder(int64_t *run, bcl_store *store, const char *name) {
    bcl_status status = BCL_OK;
    char *folder = realpath(name, NULL), *record = NULL;
    if (!folder)
        return BCL_OK;
    BCL_TRY(bcl_track_record_file(&record, folder));
    if (!record)
        goto out;
    BCL_TRY(bcl_sql_int(run, store, 0, "SELECT id FROM runs WHERE folder = ?", "t", folder));
    if (!*run && !store->read_only)
        BCL_TRY(bcl_store_import(store, folder, run));
out:
    free(folder);
    free(record);
    return status;
}

static bcl_status ambiguous(bcl_store *store, sqlite3_stmt *s, const char *name) {
    bcl_status status = BCL_OK;
    bcl_string list = {0};
    bool row = true;
    for (int i = 0; row && i < 6; i++) {
        BCL_TRY(bcl_string_addf(&list, "%s%.8s", i ? ", " : "", bcl_sql_text(s, 1)));
        BCL_TRY(bcl_sql_next(&row, store, s));
    }
    status =
        bcl_fail(BCL_ERROR_ARGUMENT, "%s: found several runs (%s%s), expected one: give its id",
                 name, list.data, row ? ", …" : "");
out:
    bcl_sql_end(s);
    bcl_string_free(&list);
    return status;
}

static bcl_status find_one(int64_t *run, bcl_store *store, const char *sql, const char *argument,
                           const char *name) {
    bcl_status status = BCL_OK;
    sqlite3_stmt *s = NULL;
    bool row;
    BCL_TRY(bcl_sql_query(&s, store, sql, "t", argument));
    BCL_TRY(bcl_sql_next(&row, store, s));
    if (!row)
        goto out;
    *run = sqlite3_column_int64(s, 0);
    if (sqlite3_column_int64(s, 2) > 1)
        BCL_TRY(ambiguous(store, s, name));
    bcl_sql_end(s);
out:
    return status;
}

bcl_status bcl_store_find_run(int64_t *run, bcl_store *store, const char *name) {
    bcl_status status = BCL_OK;
    char pattern[80] = "";
    const size_t n = strlen(name);
    bool digits = n >= 4 && n <= 32;
    for (size_t i = 0; i < n; i++)
        digits = digits && isxdigit((unsigned char)name[i]);
    *run = 0;
    if (digits) {
        snprintf(pattern, sizeof pattern, "%.32s*", name);
        BCL_TRY(find_one(run, store,
                         "SELECT id, uid, count(*) OVER () FROM runs WHERE uid GLOB ? ORDER BY id "
                         "DESC",
                         pattern, name));
    }
    if (!*run)
        BCL_TRY(find_by_folder(run, store, name));
    if (!*run)
        BCL_TRY(find_one(run, store,
                         "SELECT id, uid, count(*) OVER () FROM runs WHERE name = ? AND NOT "
                         "deleted ORDER BY started DESC",
                         name, name));
    if (!*run)
        BCL_FAIL(BCL_ERROR_ARGUMENT,
                 "%s: no such run: expected an id, a name or a run's folder (see bertcl runs list)",
                 name);
out:
    return status;
}

/* ---- one run ---- */

static bcl_status read_one(run_row *r, bcl_store *store, int64_t run) {
    bcl_status status = BCL_OK;
    sqlite3_stmt *s = NULL;
    bool row;
    BCL_TRY(bcl_sql_query(&s, store, "SELECT " COLUMNS " FROM runs WHERE id = ?", "i", run));
    BCL_TRY(bcl_sql_next(&row, store, s));
    if (!row)
        BCL_FAIL(BCL_ERROR_ARGUMENT, "run %lld: not in the index", (long long)run);
    status = read_row(r, s, bcl_unix_time());
    bcl_sql_end(s);
out:
    return status;
}

#define PARAMS_SQL  "SELECT key, text, number FROM params WHERE run = ? ORDER BY key"
#define FIGURES_SQL "SELECT key, text, number FROM figures WHERE run = ? ORDER BY key"

/* What its devices do, if it goes on and they are several. */
static bcl_status add_devices(cJSON *json, const char *folder) {
    bcl_status status = BCL_OK;
    char *path = NULL;
    cJSON *heartbeat = NULL;
    BCL_TRY(bcl_path_join(&path, folder, BCL_HEARTBEAT_FILE));
    if (strcmp(bcl_json_word(json, "state"), "running") || !bcl_path_exists(path) ||
        bcl_json_read_own(&heartbeat, path))
        goto out;
    cJSON *devices = cJSON_DetachItemFromObjectCaseSensitive(heartbeat, "devices");
    if (devices)
        cJSON_AddItemToObject(json, "devices", devices);
out:
    cJSON_Delete(heartbeat);
    free(path);
    return status;
}

/* The runs of its seeds, as in a list; nothing for other runs. */
static bcl_status add_members(cJSON *json, bcl_store *store, const char *folder) {
    bcl_status status = BCL_OK;
    cJSON *list = NULL, *members = NULL, *item;
    const cJSON *member;
    run_row r = {0};
    BCL_TRY(bcl_sql_rows_list(
        &list, store,
        "SELECT id AS number FROM runs WHERE parent = ? AND NOT deleted ORDER BY started, id", "t",
        folder));
    if (!cJSON_GetArraySize(list))
        goto out;
    members = cJSON_AddArrayToObject(json, "runs");
    cJSON_ArrayForEach(member, list) {
        BCL_TRY(read_one(&r, store, (int64_t)bcl_json_number(member, "number", 0)));
        BCL_TRY(row_json(&item, store, &r, NULL, 0));
        cJSON_AddItemToArray(members, item);
        free_row(&r);
        r = (run_row){0};
    }
out:
    free_row(&r);
    cJSON_Delete(list);
    return status;
}

bcl_status bcl_store_run(cJSON **out, bcl_store *store, int64_t run) {
    bcl_status status = BCL_OK;
    run_row r = {0};
    cJSON *json = NULL;
    char *path = NULL;
    *out = NULL;
    BCL_TRY(read_one(&r, store, run));
    BCL_TRY(row_json(&json, store, &r, NULL, 0));
    BCL_TRY(add_members(json, store, r.texts[FOLDER]));
    BCL_TRY(bcl_sql_rows_pairs(json, "params", store, PARAMS_SQL, run));
    BCL_TRY(bcl_sql_rows_pairs(json, "figures", store, FIGURES_SQL, run));
    BCL_TRY(bcl_sql_rows_pairs(
        json, "tags", store, "SELECT key, value, NULL FROM tags WHERE run = ? ORDER BY key", run));
    BCL_TRY(bcl_sql_rows_add(
        json, "metrics", store,
        "SELECT name AS key, points, last_step, last, least AS min, most AS max FROM "
        "series JOIN keys ON keys.id = series.key WHERE run = ? ORDER BY name",
        run));
    BCL_TRY(bcl_sql_rows_add(
        json, "datasets", store,
        "SELECT role, name, version, sentences, words, sha256 FROM run_datasets JOIN "
        "datasets ON datasets.id = dataset WHERE run = ? ORDER BY role DESC, name",
        run));
    BCL_TRY(bcl_sql_rows_add(
        json, "models", store,
        "SELECT role, name, version, folder, sha256 FROM run_models JOIN models ON "
        "models.id = model WHERE run_models.run = ? ORDER BY role DESC, name",
        run));
    BCL_TRY(
        bcl_sql_rows_add(json, "artifacts", store,
                         "SELECT role, path, bytes, sha256 FROM run_artifacts JOIN artifacts ON "
                         "artifacts.id = artifact WHERE run = ? ORDER BY path",
                         run));
    BCL_TRY(add_devices(json, r.texts[FOLDER]));
    BCL_TRY(bcl_path_join(&path, r.texts[FOLDER], "track.json"));
    cJSON *track = NULL;
    if (bcl_path_exists(path) && !bcl_json_read_own(&track, path)) {
        cJSON_DeleteItemFromObjectCaseSensitive(track, "inputs"); /* they are the datasets above */
        cJSON_AddItemToObject(json, "track", track);
    }
    *out = json;
    json = NULL;
out:
    free_row(&r);
    free(path);
    cJSON_Delete(json);
    return status;
}

static bcl_status add_point(cJSON *list, int64_t step, double value) {
    cJSON *point = cJSON_CreateArray();
    cJSON_AddItemToArray(point, cJSON_CreateNumber((double)step));
    cJSON_AddItemToArray(point, isfinite(value) ? cJSON_CreateNumber(value) : cJSON_CreateNull());
    return cJSON_AddItemToArray(list, point)
               ? BCL_OK
               : bcl_fail(BCL_ERROR_MEMORY, "out of memory while building JSON");
}

bcl_status bcl_store_metric(cJSON **out, bcl_store *store, int64_t run, const char *key,
                            int64_t every) {
    bcl_status status = BCL_OK;
    sqlite3_stmt *s = NULL;
    bool row;
    int64_t known = 0, count = 0, step = 0, group = -1;
    double sum = 0;
    cJSON *list = cJSON_CreateArray();
    BCL_TRY(bcl_sql_int(&known, store, 0,
                        "SELECT 1 FROM series WHERE run = ? AND key = (SELECT id FROM keys WHERE "
                        "name = ?)",
                        "it", run, key));
    if (!known)
        BCL_FAIL(BCL_ERROR_ARGUMENT, "%s: no such metric of this run (see bertcl runs show)", key);
    BCL_TRY(bcl_sql_query(&s, store,
                          "SELECT step, value FROM metrics WHERE run = ? AND key = (SELECT id FROM "
                          "keys WHERE name = ?) ORDER BY step",
                          "it", run, key));
    for (;;) {
        BCL_TRY(bcl_sql_next(&row, store, s));
        /* steps 1 to N are the first group; a group is told at its last step */
        if (count && (!row || (sqlite3_column_int64(s, 0) - 1) / every != group)) {
            BCL_TRY(add_point(list, step, sum / (double)count));
            sum = 0;
            count = 0;
        }
        if (!row)
            break;
        step = sqlite3_column_int64(s, 0);
        group = (step - 1) / every;
        sum += sqlite3_column_type(s, 1) == SQLITE_NULL ? NAN : sqlite3_column_double(s, 1);
        count++;
    }
    *out = list;
    list = NULL;
out:
    cJSON_Delete(list);
    return status;
}

/* ---- several side by side ---- */

static bool all_equal(const cJSON *values) {
    const cJSON *value;
    cJSON_ArrayForEach(value, values) if (!cJSON_Compare(value, values->child, true)) return false;
    return true;
}

/* Rows of {"key", "values"} over the runs' own objects of a name. */
static bcl_status add_table(cJSON *to, const char *name, cJSON *const *runs, size_t count,
                            bool all) {
    cJSON *table = cJSON_AddArrayToObject(to, name), *seen = cJSON_CreateObject();
    const cJSON *item;
    for (size_t k = 0; k < count; k++)
        cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(runs[k], name)) {
            if (k && cJSON_GetObjectItemCaseSensitive(seen, item->string))
                continue;
            if (count > 1)
                cJSON_AddNullToObject(seen, item->string);
            cJSON *row = cJSON_CreateObject();
            cJSON_AddStringToObject(row, "key", item->string);
            cJSON *values = cJSON_AddArrayToObject(row, "values");
            for (size_t i = 0; i < count; i++) {
                const cJSON *value = cJSON_GetObjectItemCaseSensitive(
                    cJSON_GetObjectItemCaseSensitive(runs[i], name), item->string);
                cJSON_AddItemToArray(values,
                                     value ? cJSON_Duplicate(value, true) : cJSON_CreateNull());
            }
            if (all || !all_equal(values))
                cJSON_AddItemToArray(table, row);
            else
                cJSON_Delete(row);
        }
    cJSON_Delete(seen);
    return BCL_OK;
}

bcl_status bcl_store_compare(cJSON **out, bcl_store *store, const int64_t *runs, size_t count,
                             bool all) {
    bcl_status status = BCL_OK;
    cJSON **each = NULL, *json = cJSON_CreateObject(), *heads, *head;
    run_row r = {0};
    BCL_NEW(each, count);
    heads = cJSON_AddArrayToObject(json, "runs");
    for (size_t i = 0; i < count; i++) {
        free_row(&r);
        r = (run_row){0};
        BCL_TRY(read_one(&r, store, runs[i]));
        BCL_TRY(row_json(&head, store, &r, NULL, 0));
        cJSON_AddItemToArray(heads, head);
        each[i] = cJSON_CreateObject();
        BCL_TRY(bcl_sql_rows_pairs(each[i], "params", store, PARAMS_SQL, runs[i]));
        BCL_TRY(bcl_sql_rows_pairs(each[i], "figures", store, FIGURES_SQL, runs[i]));
        BCL_TRY(bcl_sql_rows_pairs(
            each[i], "metrics", store,
            "SELECT name, NULL, last FROM series JOIN keys ON keys.id = series.key "
            "WHERE run = ? AND last IS NOT NULL ORDER BY name",
            runs[i]));
    }
    BCL_TRY(add_table(json, "params", each, count, all));
    BCL_TRY(add_table(json, "figures", each, count, all));
    BCL_TRY(add_table(json, "metrics", each, count, all));
    *out = json;
    json = NULL;
out:
    for (size_t i = 0; each && i < count; i++)
        cJSON_Delete(each[i]);
    free(each);
    free_row(&r);
    cJSON_Delete(json);
    return status;
}
