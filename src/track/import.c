/* A run's folder into the index. Files that are as they were are not read again; everything of one
 * folder is one transaction. */
#include "track/store.h"

#include <errno.h>
#include <sys/stat.h>

#include "track/record.h"
#include "util/checksum.h"

static const char *word(const cJSON *json, const char *key) {
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, key));
}

static const cJSON *get(const cJSON *json, const char *key) {
    return cJSON_GetObjectItemCaseSensitive(json, key);
}

typedef struct source {
    char *folder; /* absolute */
    char *group;  /* of the seeds that it is one of; NULL: none */
    bool seeds;   /* it is that of several seeds */
    char stamps[512], uid[65];
    cJSON *run, *track, *marks, *heartbeat, *results; /* NULL: not there */
    double run_time, results_time;                    /* of last change */
    char damage[1200]; /* results.json is not what it was, and what to do; "": it is */
    int64_t id, parent;
} source;

static void free_source(source *f) {
    free(f->folder);
    free(f->group);
    cJSON_Delete(f->run);
    cJSON_Delete(f->track);
    cJSON_Delete(f->marks);
    cJSON_Delete(f->heartbeat);
    cJSON_Delete(f->results);
}

/* ---- reading ---- */

/* Size and time of the files that make a run's rows. */
static void read_stamps(source *f) {
    static const char *const names[] = {"run.json",         BCL_TRACK_FILE, BCL_MARKS_FILE,
                                        BCL_HEARTBEAT_FILE, "results.json", "report.html",
                                        BCL_SEEDS_FILE};
    char *path = NULL;
    size_t at = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct stat info;
        free(path);
        path = NULL;
        if (bcl_path_join(&path, f->folder, names[i]) || stat(path, &info))
            continue;
        const double time = (double)info.st_mtim.tv_sec + (double)info.st_mtim.tv_nsec * 1e-9;
        if (i == 0 || (i == 6 && !(f->run_time > 0)))
            f->run_time = time;
        if (i == 4)
            f->results_time = time;
        at += (size_t)snprintf(f->stamps + at, sizeof f->stamps - at, "%zu:%lld:%lld.%09ld ", i,
                               (long long)info.st_size, (long long)info.st_mtim.tv_sec,
                               info.st_mtim.tv_nsec);
    }
    free(path);
}

/* A file that is not there is NULL; one that is no JSON is told, and NULL. */
static bcl_status read_part(cJSON **out, bcl_store *store, const char *folder, const char *name) {
    char *path = NULL;
    bcl_status status = bcl_path_join(&path, folder, name);
    *out = NULL;
    if (!status && bcl_path_exists(path) && bcl_json_read_own(out, path))
        bcl_store_say(store, "store: %s", bcl_message());
    free(path);
    return status;
}

/* What can be done about results that are lost. */
static void tell_damage(source *f, const char *problem) {
    const char *told = word(f->run, "command");
    const bool trained = !told || !strcmp(told, "train");
    snprintf(f->damage, sizeof f->damage, "%s; %s", problem,
             f->seeds   ? "'bertcl train --seeds … --resume' makes it again"
             : !trained ? "run the command again"
                        : "remove it, and 'bertcl train --out RUN --resume' makes it again from "
                          "the last checkpoint; 'bertcl eval --model RUN' scores the model");
    cJSON_Delete(f->results);
    f->results = NULL;
}

static bcl_status read_results(source *f, bcl_store *store) {
    bcl_status status = BCL_OK;
    char *path = NULL, problem[256], text[900];
    const char *told = word(f->heartbeat, "state");
    BCL_TRY(bcl_path_join(&path, f->folder, "results.json"));
    if (!bcl_path_exists(path)) {
        snprintf(text, sizeof text, "%s: is gone", path);
        if (told && !strcmp(told, "finished"))
            tell_damage(f, text);
    } else if (bcl_json_read_own(&f->results, path)) {
        bcl_store_say(store, "store: %s", bcl_message());
        snprintf(text, sizeof text, "%s", bcl_message());
        tell_damage(f, text);
    } else if (!bcl_results_check(problem, sizeof problem, f->results)) {
        snprintf(text, sizeof text, "%s: %s", path, problem);
        bcl_store_say(store, "store: %s", text);
        tell_damage(f, text);
    }
out:
    free(path);
    return status;
}

static bcl_status read_source(source *f, bcl_store *store) {
    bcl_status status = BCL_OK;
    char *path = NULL;
    BCL_TRY(bcl_track_record_file(&path, f->folder));
    if (!path)
        BCL_FAIL(BCL_ERROR_FORMAT, "%s: holds no run.json, it is not a run", f->folder);
    f->seeds = !strcmp(bcl_path_name(path), BCL_SEEDS_FILE);
    if (!f->seeds)
        BCL_TRY(bcl_track_group(&f->group, f->folder));
    BCL_TRY(bcl_json_read_own(&f->run, path));
    if (!cJSON_IsObject(f->run))
        BCL_FAIL(BCL_ERROR_FORMAT, "%s: expected an object", path);
    BCL_TRY(read_part(&f->track, store, f->folder, BCL_TRACK_FILE));
    BCL_TRY(read_part(&f->marks, store, f->folder, BCL_MARKS_FILE));
    BCL_TRY(read_part(&f->heartbeat, store, f->folder, BCL_HEARTBEAT_FILE));
    BCL_TRY(read_results(f, store));
    const char *uid = word(f->track, "id");
    if (uid && strlen(uid) >= 8 && strlen(uid) < sizeof f->uid)
        strcpy(f->uid, uid);
    else /* a run that no tracker knew: its place is its name */
        bcl_sha256(f->uid, f->folder, strlen(f->folder));
    f->uid[32] = 0;
out:
    free(path);
    return status;
}

/* ---- writing ---- */

/* A copy of a run's folder is another run, a folder that was moved is the same one. */
static bcl_status find_row(source *f, bcl_store *store) {
    bcl_status status = BCL_OK;
    sqlite3_stmt *s = NULL;
    bool row, there = false;
    char *other = NULL, text[65];
    int64_t old = 0;
    BCL_TRY(bcl_sql_query(&s, store, "SELECT id, folder FROM runs WHERE uid = ?", "t", f->uid));
    BCL_TRY(bcl_sql_next(&row, store, s));
    if (row) {
        f->id = sqlite3_column_int64(s, 0);
        const char *folder = bcl_sql_text(s, 1);
        if (strcmp(folder, f->folder)) {
            status = bcl_track_record_file(&other, folder);
            there = other != NULL;
        }
        bcl_sql_end(s);
        BCL_TRY(status);
    }
    if (there) {
        bcl_checksum sum;
        bcl_checksum_begin(&sum, false);
        bcl_checksum_add(&sum, f->uid, strlen(f->uid));
        bcl_checksum_add(&sum, f->folder, strlen(f->folder));
        bcl_checksum_end(&sum, text);
        snprintf(f->uid, sizeof f->uid, "%.32s", text);
        BCL_TRY(bcl_sql_int(&f->id, store, 0, "SELECT id FROM runs WHERE uid = ?", "t", f->uid));
    }
    /* another run had this folder before */
    BCL_TRY(bcl_sql_int(&old, store, 0, "SELECT id FROM runs WHERE folder = ?", "t", f->folder));
    if (old && old != f->id)
        BCL_TRY(bcl_sql_run(store, "DELETE FROM runs WHERE id = ?", "i", old));
out:
    free(other);
    return status;
}

/* Texts that only `track` or only run.json may have. */
static const char *either(const source *f, const char *key) {
    const char *text = word(f->track, key);
    return text ? text : word(f->run, key);
}

/* Whether the run goes on, so that what is in its folder is not its end. */
static bool is_running(const source *f) {
    const cJSON *process = get(f->track, "process");
    const char *told = word(f->heartbeat, "state"), *host = word(get(f->track, "host"), "name"),
               *boot = word(process, "boot");
    bcl_process p = {.pid = (int64_t)bcl_json_number(process, "pid", 0),
                     .start = (int64_t)bcl_json_number(process, "start", 0)};
    if (told && strcmp(told, "running"))
        return false;
    snprintf(p.host, sizeof p.host, "%s", host ? host : "");
    snprintf(p.boot, sizeof p.boot, "%s", boot ? boot : "");
    return !strcmp(
        p.pid ? bcl_process_state(&p, bcl_json_number(f->heartbeat, "time", 0), bcl_unix_time())
              : bcl_state_by_lock(f->folder),
        "running");
}

static bcl_status write_row(source *f, bcl_store *store) {
    bcl_status status = BCL_OK;
    const cJSON *process = get(f->track, "process");
    const bool running = *f->damage && is_running(f), damaged = *f->damage && !running;
    const char *told = word(f->heartbeat, "state");
    const char *name = either(f, "name"), *command = either(f, "command");
    const bool ended = told && strcmp(told, "running");
    const char *state = f->results ? "finished" : damaged ? "damaged" : ended ? told : NULL;
    const double heartbeat = bcl_json_number(f->heartbeat, "time", 0);
    const double end = bcl_json_number(f->heartbeat, "ended", 0);
    if (!f->id) {
        BCL_TRY(bcl_sql_run(store,
                            "INSERT INTO runs (uid, name, folder, command) VALUES (?, '', ?, '')",
                            "tt", f->uid, f->folder));
        f->id = sqlite3_last_insert_rowid(store->db);
        cJSON *event = cJSON_CreateObject();
        cJSON_AddStringToObject(event, "event", "run");
        cJSON_AddStringToObject(event, "folder", f->folder);
        BCL_TRY(bcl_journal_add(store, event));
    }
    BCL_TRY(bcl_sql_run(
        store,
        "UPDATE runs SET name = ?, folder = ?, command = ?, state = ?, message = ?, started = ?, "
        "ended = nullif(?, 0), heartbeat = ?, host = ?, pid = ?, boot = ?, process_start = ?, "
        "device = ?, gemm = ?, precision = ?, bertcl = ?, steps = nullif(?, 0), stamps = ?, "
        "deleted = ?, parent = ? WHERE id = ?",
        "tttttdddtititttt"
        "ititi",
        name ? name : bcl_path_name(f->folder), f->folder,
        command    ? command
        : f->seeds ? "seeds"
                   : "train",
        state, damaged ? f->damage : word(f->heartbeat, "message"),
        bcl_json_number(f->track, "started", f->run_time),
        end > 0                                          ? end
        : (f->results || damaged) && f->results_time > 0 ? f->results_time
        : ended                                          ? heartbeat
                                                         : 0,
        heartbeat, word(get(f->track, "host"), "name"), (int64_t)bcl_json_number(process, "pid", 0),
        word(process, "boot"), (int64_t)bcl_json_number(process, "start", 0),
        word(f->run, "device"), word(f->run, "gemm"), word(f->run, "precision"),
        word(f->run, "bertcl"),
        (int64_t)bcl_json_number(f->run, "steps", bcl_json_number(f->heartbeat, "steps", 0)),
        running ? "" : f->stamps, /* "": to be looked at again */
        (int64_t)cJSON_IsTrue(get(f->marks, "deleted")), f->group, f->id));
out:
    return status;
}

/* ---- parameters, figures, tags ---- */

static bcl_status put_value(bcl_store *store, const char *sql, int64_t run, const char *key,
                            const cJSON *value) {
    bcl_status status = BCL_OK;
    char *text = NULL, digits[32];
    if (cJSON_IsNumber(value)) {
        snprintf(digits, sizeof digits, "%.15g", value->valuedouble);
        if (strtod(digits, NULL) != value->valuedouble)
            snprintf(digits, sizeof digits, "%.17g", value->valuedouble);
        return bcl_sql_run(store, sql, "ittd", run, key, digits, value->valuedouble);
    }
    if (cJSON_IsNull(value) || !value)
        return status;
    if (cJSON_IsString(value))
        BCL_TRY(bcl_strdup(&text, value->valuestring));
    else if (cJSON_IsBool(value))
        BCL_TRY(bcl_strdup(&text, cJSON_IsTrue(value) ? "true" : "false"));
    else if (cJSON_IsArray(value)) {
        bcl_string s = {0};
        const cJSON *item;
        cJSON_ArrayForEach(item, value) if (cJSON_IsString(item))
            BCL_TRY(bcl_string_addf(&s, "%s%s", s.size ? " " : "", item->valuestring));
        text = s.data;
    }
    if (text)
        BCL_TRY(bcl_sql_run(store, sql, "itt", run, key, text));
out:
    free(text);
    return status;
}

/* {"eval": {"loss": 1}} is eval.loss. Long lists and the profile are not figures. */
static bcl_status put_figures(bcl_store *store, int64_t run, const char *prefix, const cJSON *json,
                              int depth) {
    bcl_status status = BCL_OK;
    const cJSON *item;
    char key[256];
    cJSON_ArrayForEach(item, json) {
        if (!item->string || cJSON_IsArray(item) || !strcmp(item->string, "profile"))
            continue;
        if (snprintf(key, sizeof key, "%s%s%s", prefix, *prefix ? "." : "", item->string) >=
            (int)sizeof key)
            continue;
        if (cJSON_IsObject(item)) {
            if (depth < 6)
                BCL_TRY(put_figures(store, run, key, item, depth + 1));
        } else {
            BCL_TRY(put_value(store,
                              "INSERT OR REPLACE INTO figures (run, key, text, number) VALUES (?, "
                              "?, ?, ?)",
                              run, key, item));
        }
    }
out:
    return status;
}

/* The figures that everybody asks for, by short names. */
static bcl_status put_short_figures(bcl_store *store, int64_t run, const cJSON *results) {
    static const struct {
        const char *key, *report, *average, *figure;
    } list[] = {{"eval.macro_f1", "report", "macro avg", "f1-score"},
                {"eval.macro_precision", "report", "macro avg", "precision"},
                {"eval.macro_recall", "report", "macro avg", "recall"},
                {"eval.weighted_f1", "report", "weighted avg", "f1-score"},
                {"eval.entity_f1", "entities", "micro avg", "f1-score"}};
    bcl_status status = BCL_OK;
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        const cJSON *report = get(get(results, "eval"), list[i].report);
        if (report)
            BCL_TRY(put_value(store,
                              "INSERT OR REPLACE INTO figures (run, key, text, number) VALUES (?, "
                              "?, ?, ?)",
                              run, list[i].key, get(get(report, list[i].average), list[i].figure)));
    }
out:
    return status;
}

#define PUT_PARAM "INSERT OR REPLACE INTO params (run, key, text, number) VALUES (?, ?, ?, ?)"

/* seeds.json has the options as words: "--lr=0.001", "--recompute". */
static bcl_status put_word(bcl_store *store, int64_t run, const char *text) {
    bcl_status status = BCL_OK;
    char *key = NULL, *end;
    const char *name = text + 2 * !strncmp(text, "--", 2), *value = strchr(name, '=');
    cJSON *json = NULL;
    BCL_TRY(bcl_format(&key, "%.*s", value ? (int)(value - name) : (int)strlen(name), name));
    const double number = value ? strtod(value + 1, &end) : 0;
    json = !value              ? cJSON_CreateTrue()
           : value[1] && !*end ? cJSON_CreateNumber(number)
                               : cJSON_CreateString(value + 1);
    BCL_TRY(put_value(store, PUT_PARAM, run, key, json));
out:
    cJSON_Delete(json);
    free(key);
    return status;
}

static bcl_status write_values(source *f, bcl_store *store) {
    bcl_status status = BCL_OK;
    const cJSON *item;
    BCL_TRY(bcl_sql_run(store, "DELETE FROM params WHERE run = ?", "i", f->id));
    BCL_TRY(bcl_sql_run(store, "DELETE FROM figures WHERE run = ?", "i", f->id));
    BCL_TRY(bcl_sql_run(store, "DELETE FROM tags WHERE run = ?", "i", f->id));
    cJSON_ArrayForEach(item, get(f->run, "options")) {
        if (item->string)
            BCL_TRY(put_value(store, PUT_PARAM, f->id, item->string, item));
        else if (cJSON_IsString(item))
            BCL_TRY(put_word(store, f->id, item->valuestring));
    }
    BCL_TRY(put_figures(store, f->id, "", f->results, 0));
    BCL_TRY(put_short_figures(store, f->id, f->results));
    if (f->seeds) /* the seeds' means are its figures */
        BCL_TRY(put_figures(store, f->id, "", get(f->results, "mean"), 0));
    cJSON_ArrayForEach(item, get(f->marks, "tags")) if (cJSON_IsString(item))
        BCL_TRY(bcl_sql_run(store, "INSERT OR REPLACE INTO tags (run, key, value) VALUES (?, ?, ?)",
                            "itt", f->id, item->string, item->valuestring));
out:
    return status;
}

/* ---- lineage ---- */

static bcl_status link_model(bcl_store *store, int64_t run, int64_t model, const char *role) {
    return bcl_sql_run(store,
                       "INSERT OR IGNORE INTO run_models (run, model, role) VALUES (?, ?, ?)",
                       "iit", run, model, role);
}

static bcl_status write_inputs(source *f, bcl_store *store) {
    bcl_status status = BCL_OK;
    const cJSON *input, *parent = get(f->track, "parent");
    int64_t id;
    BCL_TRY(bcl_sql_run(store, "DELETE FROM run_datasets WHERE run = ?", "i", f->id));
    BCL_TRY(bcl_sql_run(store, "DELETE FROM run_models WHERE run = ?", "i", f->id));
    cJSON_ArrayForEach(input, get(f->track, "inputs")) {
        BCL_TRY(bcl_dataset_register(&id, store, input));
        BCL_TRY(bcl_sql_run(store,
                            "INSERT OR IGNORE INTO run_datasets (run, dataset, role) VALUES (?, ?, "
                            "?)",
                            "iit", f->id, id, word(input, "role") ? word(input, "role") : "data"));
    }
    if (word(parent, "name") && word(parent, "sha256") && word(parent, "folder")) {
        BCL_TRY(bcl_sql_int(&f->parent, store, 0,
                            "SELECT id FROM models WHERE sha256 = ? ORDER BY kind = 'base', id",
                            "t", word(parent, "sha256")));
        if (!f->parent)
            BCL_TRY(bcl_model_register(
                &f->parent, store,
                &(bcl_model_entry){.name = word(parent, "name"),
                                   .sha256 = word(parent, "sha256"),
                                   .folder = word(parent, "folder"),
                                   .kind = "base",
                                   .version = (int64_t)bcl_json_number(parent, "version", 0),
                                   .created = bcl_json_number(f->track, "started", f->run_time),
                                   .bytes = bcl_json_number(parent, "bytes", 0)}));
        const char *command = word(f->track, "command");
        const bool made = !command || !strcmp(command, "train");
        BCL_TRY(link_model(store, f->id, f->parent, made ? "parent" : command));
    }
out:
    return status;
}

static const char *role_of(const char *name) {
    static const char *const tokenizer[] = {"vocab.txt", "tokenizer.json", "tokenizer_config.json",
                                            "special_tokens_map.json", "added_tokens.json"};
    for (size_t i = 0; i < sizeof tokenizer / sizeof *tokenizer; i++)
        if (!strcmp(name, tokenizer[i]))
            return "tokenizer";
    return "model";
}

/* One model folder of a run, RUN/model or RUN/best. */
static bcl_status write_model(source *f, bcl_store *store, const char *folder, const char *name,
                              const char *kind, int64_t version, int64_t *id) {
    bcl_status status = BCL_OK;
    char *path = NULL, *file_path = NULL;
    cJSON *record = NULL;
    const cJSON *file;
    *id = 0;
    BCL_TRY(bcl_path_join(&path, f->folder, folder));
    if (!bcl_path_is_directory(path))
        goto out;
    BCL_TRY(bcl_store_hash_folder(&record, store, path));
    BCL_TRY(bcl_model_register(id, store,
                               &(bcl_model_entry){.name = name,
                                                  .sha256 = word(record, "sha256"),
                                                  .folder = path,
                                                  .kind = kind,
                                                  .version = version,
                                                  .run = f->id,
                                                  .parent = f->parent,
                                                  .created = f->results_time,
                                                  .bytes = bcl_json_number(record, "bytes", 0)}));
    BCL_TRY(link_model(store, f->id, *id, kind));
    cJSON_ArrayForEach(file, get(record, "files")) {
        free(file_path);
        file_path = NULL;
        BCL_TRY(bcl_path_join(&file_path, folder, word(file, "path")));
        BCL_TRY(bcl_artifact_add(store, f->id, role_of(word(file, "path")), file_path,
                                 word(file, "sha256"), bcl_json_number(file, "bytes", 0)));
    }
out:
    cJSON_Delete(record);
    free(path);
    free(file_path);
    return status;
}

static bcl_status write_models(source *f, bcl_store *store) {
    bcl_status status = BCL_OK;
    const char *given = word(f->track, "model_name");
    const cJSON *versions = get(f->track, "versions");
    char *best = NULL;
    int64_t model, other;
    const char *name = given ? given : bcl_path_name(f->folder);
    BCL_TRY(write_model(f, store, "model", name, "model",
                        (int64_t)bcl_json_number(versions, "model", 0), &model));
    BCL_TRY(bcl_format(&best, "%s-best", name));
    /* the last epoch is often the best one: then there is one version only */
    char *path = NULL;
    cJSON *record = NULL;
    BCL_TRY(bcl_path_join(&path, f->folder, "best"));
    if (bcl_path_is_directory(path))
        status = bcl_store_hash_folder(&record, store, path);
    free(path);
    if (!status && record)
        status = bcl_sql_int(&other, store, 0, "SELECT 1 FROM models WHERE id = ? AND sha256 = ?",
                             "it", model, word(record, "sha256"));
    if (!status && record)
        status = other ? link_model(store, f->id, model, "best")
                       : write_model(f, store, "best", best, "best",
                                     (int64_t)bcl_json_number(versions, "best", 0), &other);
    cJSON_Delete(record);
out:
    free(best);
    return status;
}

/* The files of the run's folder itself. */
static bcl_status write_files(source *f, bcl_store *store) {
    bcl_status status = BCL_OK;
    char **names = NULL, *path = NULL, sha256[65];
    size_t count = 0;
    struct stat info;
    BCL_TRY(bcl_directory_list(&names, &count, f->folder));
    for (size_t i = 0; i < count; i++) {
        free(path);
        path = NULL;
        BCL_TRY(bcl_path_join(&path, f->folder, names[i]));
        if (bcl_track_is_own(names[i]) || strstr(names[i], ".tmp.") || stat(path, &info) ||
            !S_ISREG(info.st_mode))
            continue;
        BCL_TRY(bcl_store_hash(sha256, store, path));
        BCL_TRY(bcl_artifact_add(store, f->id, "file", names[i], sha256, (double)info.st_size));
    }
out:
    bcl_strings_free(names, count);
    free(path);
    return status;
}

static bcl_status write_outputs(source *f, bcl_store *store) {
    bcl_status status = BCL_OK;
    BCL_TRY(bcl_sql_run(store, "DELETE FROM run_artifacts WHERE run = ?", "i", f->id));
    BCL_TRY(write_models(f, store));
    BCL_TRY(write_files(f, store));
out:
    return status;
}

/* ---- */

static bcl_status import_changed(source *f, bcl_store *store) {
    bcl_status status = BCL_OK;
    BCL_TRY(find_row(f, store));
    BCL_TRY(write_row(f, store));
    BCL_TRY(write_values(f, store));
    BCL_TRY(write_inputs(f, store));
    if (f->results)
        BCL_TRY(write_outputs(f, store));
    BCL_TRY(bcl_metrics_import(store, f->id, f->folder));
out:
    return status;
}

static bcl_status import_folder(source *f, bcl_store *store) {
    bcl_status status = BCL_OK;
    BCL_TRY(bcl_sql_int(&f->id, store, 0, "SELECT id FROM runs WHERE folder = ? AND stamps = ?",
                        "tt", f->folder, f->stamps));
    if (f->id) {
        BCL_TRY(bcl_metrics_import(store, f->id, f->folder));
    } else {
        BCL_TRY(read_source(f, store));
        BCL_TRY(import_changed(f, store));
    }
out:
    return status;
}

/* Large files are hashed before the transaction, which others wait for. */
static bcl_status hash_models(const source *f, bcl_store *store) {
    static const char *const folders[] = {"model", "best"};
    bcl_status status = BCL_OK;
    cJSON *record = NULL;
    char *path = NULL;
    int64_t known;
    BCL_TRY(bcl_sql_int(&known, store, 0, "SELECT 1 FROM runs WHERE folder = ? AND stamps = ?",
                        "tt", f->folder, f->stamps));
    for (size_t i = 0; !known && i < 2; i++) {
        free(path);
        path = NULL;
        BCL_TRY(bcl_path_join(&path, f->folder, folders[i]));
        if (bcl_path_is_directory(path))
            BCL_TRY(bcl_store_hash_folder(&record, store, path));
        cJSON_Delete(record);
        record = NULL;
    }
out:
    free(path);
    return status;
}

bcl_status bcl_store_import(bcl_store *store, const char *folder, int64_t *run) {
    bcl_status status = BCL_OK;
    source f = {0};
    char *path = NULL;
    if (!(f.folder = realpath(folder, NULL))) {
        status = bcl_fail_errno("%s: cannot open folder", folder);
        goto out;
    }
    BCL_TRY(bcl_track_record_file(&path, f.folder));
    if (!path)
        BCL_FAIL(BCL_ERROR_FORMAT, "%s: holds no run.json, it is not a run", f.folder);
    read_stamps(&f);
    if (f.results_time > 0)
        BCL_TRY(hash_models(&f, store));
    BCL_TRY(bcl_sql_begin(store));
    BCL_TRY(bcl_sql_commit(store, import_folder(&f, store)));
    if (run)
        *run = f.id;
out:
    free_source(&f);
    free(path);
    return status;
}

static bcl_status import_below(bcl_store *store, const char *folder, size_t *runs, int depth) {
    bcl_status status = BCL_OK;
    char **names = NULL, *path = NULL;
    size_t count = 0;
    BCL_TRY(bcl_track_record_file(&path, folder));
    const bool seeds = path && !strcmp(bcl_path_name(path), BCL_SEEDS_FILE);
    if (path) {
        if (!(status = bcl_store_import(store, folder, NULL))) {
            ++*runs;
        } else if (status == BCL_ERROR_FORMAT && !store->damaged) {
            bcl_store_say(store, "store: %s", bcl_message());
            status = BCL_OK;
        }
        BCL_TRY(status);
        if (!seeds)
            goto out;
    }
    if (depth == 8)
        goto out;
    BCL_TRY(bcl_directory_list(&names, &count, folder));
    for (size_t i = 0; i < count; i++) {
        struct stat info;
        free(path);
        path = NULL;
        BCL_TRY(bcl_path_join(&path, folder, names[i]));
        if (!lstat(path, &info) && S_ISDIR(info.st_mode))
            BCL_TRY(import_below(store, path, runs, depth + 1));
    }
out:
    bcl_strings_free(names, count);
    free(path);
    return status;
}

bcl_status bcl_store_import_all(bcl_store *store, const char *folder, size_t *runs) {
    *runs = 0;
    if (!bcl_path_is_directory(folder))
        return bcl_fail(BCL_ERROR_IO, "%s: no such folder", folder);
    return import_below(store, folder, runs, 0);
}

bcl_status bcl_store_expect(bcl_store *store, const char *folder) {
    char *real = realpath(folder, NULL);
    const bcl_status status =
        real ? bcl_sql_run(store, "INSERT OR REPLACE INTO expected (folder, since) VALUES (?, ?)",
                           "td", real, bcl_unix_time())
             : bcl_fail_errno("%s: cannot open folder", folder);
    free(real);
    return status;
}

/* Runs that were about to begin: those that did are read in, those of yesterday are given up. */
static bcl_status refresh_expected(bcl_store *store) {
    enum { DAY = 86400 };
    bcl_status status = BCL_OK;
    sqlite3_stmt *s = NULL;
    bool row;
    char *folder = NULL, *record = NULL;
    double after = -1;
    for (;;) { /* one at a time: what is read in changes the table */
        BCL_TRY(bcl_sql_query(&s, store,
                              "SELECT folder, since FROM expected WHERE since > ? ORDER BY since",
                              "d", after));
        BCL_TRY(bcl_sql_next(&row, store, s));
        if (!row)
            break;
        free(folder);
        free(record);
        folder = record = NULL;
        after = sqlite3_column_double(s, 1);
        status = bcl_strdup(&folder, bcl_sql_text(s, 0));
        bcl_sql_end(s);
        BCL_TRY(status);
        BCL_TRY(bcl_track_record_file(&record, folder));
        if (record) {
            status = bcl_store_import(store, folder, NULL);
            if (status && (store->damaged || status != BCL_ERROR_FORMAT))
                goto out;
            status = BCL_OK;
        } else if (bcl_unix_time() - after < DAY) {
            continue;
        }
        BCL_TRY(bcl_sql_run(store, "DELETE FROM expected WHERE folder = ?", "t", folder));
    }
out:
    free(folder);
    free(record);
    return status;
}

/* Of a run that has ended: whether its results are not those that were read. */
static bool has_other_results(const char *folder, const char *stamps) {
    char *path = NULL, text[100] = "4:";
    struct stat info;
    if (!bcl_path_join(&path, folder, "results.json") && !stat(path, &info))
        snprintf(text, sizeof text, "4:%lld:%lld.%09ld ", (long long)info.st_size,
                 (long long)info.st_mtim.tv_sec, info.st_mtim.tv_nsec);
    free(path);
    const char *found = strstr(stamps, text);
    while (found && found > stamps && found[-1] != ' ')
        found = strstr(found + 1, text);
    return text[2] ? !found : found != NULL;
}

bcl_status bcl_store_refresh(bcl_store *store) {
    bcl_status status = BCL_OK;
    sqlite3_stmt *s = NULL;
    bool row;
    char **folders = NULL;
    size_t count = 0, capacity = 0;
    if (store->read_only)
        return status;
    BCL_TRY(refresh_expected(store));
    BCL_TRY(bcl_sql_query(&s, store,
                          "SELECT folder, state IS NULL, stamps FROM runs WHERE state IS NULL OR "
                          "state IN ('finished', 'damaged')",
                          ""));
    for (;;) {
        BCL_TRY(bcl_sql_next(&row, store, s));
        if (!row)
            break;
        if (!sqlite3_column_int64(s, 1) &&
            !has_other_results(bcl_sql_text(s, 0), bcl_sql_text(s, 2)))
            continue;
        BCL_TRY(bcl_grow(&folders, &capacity, count + 1, sizeof *folders));
        BCL_TRY(bcl_strdup(&folders[count], bcl_sql_text(s, 0)));
        count++;
    }
    for (size_t i = 0; i < count; i++) { /* one that is gone keeps its rows */
        status =
            bcl_path_is_directory(folders[i]) ? bcl_store_import(store, folders[i], NULL) : BCL_OK;
        if (status == BCL_ERROR_FORMAT && !store->damaged)
            status = BCL_OK;
        BCL_TRY(status);
    }
out:
    bcl_strings_free(folders, count);
    return status;
}
