/* See mlflow.h. Each (run, key, step) is sent once. What was being sent when the connection broke
 * may have arrived or not: then the server is asked which steps it has. */
#include "track/mlflow.h"

#include <math.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "track/record.h"
#include "track/request.h"

enum { BATCH = 900, MOST_PARAM = 6000, MOST_TAG = 5000 };
#define STATE_FILE "mlflow.json"
#define API        "api/2.0/mlflow/"

struct bcl_mlflow {
    char *folder, *state_path;
    bcl_server server;
    bool opened;
    cJSON
        *state; /* uri, run_id, experiment_id, artifact_uri, pending, params, files, model, done */
    bcl_points points;
    bcl_last_steps sent;
    bool checked; /* what the server has was asked for, or need not be */
    cJSON *batch; /* metrics that wait to be sent */
    double start; /* of the run, s */
};

static bool is_true(const cJSON *json, const char *key) {
    return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(json, key));
}

static void put(cJSON *json, const char *key, cJSON *item) {
    cJSON_DeleteItemFromObjectCaseSensitive(json, key);
    cJSON_AddItemToObject(json, key, item);
}

static bcl_status write_state(bcl_mlflow *m) {
    cJSON *steps = cJSON_CreateObject();
    for (size_t i = 0; i < m->sent.count; i++)
        cJSON_AddNumberToObject(steps, m->sent.keys[i].key, (double)m->sent.keys[i].step);
    put(m->state, "steps", steps);
    return bcl_json_write(m->state, m->state_path);
}

static cJSON *pair(const char *key, const char *value, size_t most) {
    cJSON *item = cJSON_CreateObject();
    cJSON_AddStringToObject(item, "key", key);
    if (strlen(value) > most) {
        char *cut = NULL;
        size_t n = most;
        while (n && ((unsigned char)value[n] & 0xC0) == 0x80)
            n--; /* not within a character */
        if (!bcl_format(&cut, "%.*s", (int)n, value))
            cJSON_AddStringToObject(item, "value", cut);
        free(cut);
    } else {
        cJSON_AddStringToObject(item, "value", value);
    }
    return item;
}

static bcl_status read_file(cJSON **out, const bcl_mlflow *m, const char *name) {
    char *path = NULL;
    bcl_status status = bcl_path_join(&path, m->folder, name);
    *out = NULL;
    if (!status && bcl_path_exists(path))
        status = bcl_json_read(out, path);
    free(path);
    return status;
}

bcl_status bcl_mlflow_check(void) {
    bcl_server server;
    const bcl_status status = bcl_server_open(&server);
    if (!status)
        bcl_server_close(&server);
    return status;
}

bcl_status bcl_mlflow_open(bcl_mlflow **out, const char *folder) {
    bcl_status status = BCL_OK;
    bcl_mlflow *m = NULL;
    const cJSON *step;
    *out = NULL;
    BCL_NEW(m, 1);
    BCL_TRY(bcl_strdup(&m->folder, folder));
    BCL_TRY(bcl_path_join(&m->state_path, folder, STATE_FILE));
    BCL_TRY(bcl_server_open(&m->server));
    m->opened = true;
    BCL_TRY(read_file(&m->state, m, STATE_FILE));
    /* another server knows nothing of what this one was sent */
    if (!m->state || strcmp(bcl_json_word(m->state, "uri"), m->server.uri)) {
        cJSON_Delete(m->state);
        m->state = cJSON_CreateObject();
        cJSON_AddStringToObject(m->state, "uri", m->server.uri);
    }
    cJSON_ArrayForEach(step, cJSON_GetObjectItemCaseSensitive(m->state, "steps")) {
        int64_t *last = bcl_last_step(&m->sent, step->string);
        if (last)
            *last = (int64_t)step->valuedouble;
    }
    m->checked = !is_true(m->state, "pending");
    BCL_TRY(write_state(m));
    *out = m;
    m = NULL;
out:
    bcl_mlflow_close(m);
    return status;
}

void bcl_mlflow_close(bcl_mlflow *m) {
    if (!m)
        return;
    if (m->opened)
        bcl_server_close(&m->server);
    cJSON_Delete(m->state);
    cJSON_Delete(m->batch);
    free(m->folder);
    free(m->state_path);
    free(m);
}

bool bcl_mlflow_is_done(const bcl_mlflow *m) {
    return is_true(m->state, "done");
}

void bcl_mlflow_hurry(bcl_mlflow *m, double seconds) {
    atomic_store(&m->server.until, bcl_seconds() + seconds);
}

/* ---- experiment and run ---- */

static bcl_status find_experiment(char **id, bcl_mlflow *m) {
    bcl_status status = BCL_OK;
    const char *given = getenv("MLFLOW_EXPERIMENT_NAME"),
               *name = given && *given ? given : "bertcl";
    char *path = NULL, *escaped = NULL;
    cJSON *answer = NULL, *body = cJSON_CreateObject();
    long code;
    BCL_TRY(bcl_server_escape(&escaped, &m->server, name));
    BCL_TRY(bcl_format(&path, API "experiments/get-by-name?experiment_name=%s", escaped));
    status = bcl_server_call(&answer, &code, &m->server, path, NULL);
    if (code == 404) { /* several processes may make it at once: the loser asks again */
        cJSON_AddStringToObject(body, "name", name);
        cJSON_Delete(answer);
        status = bcl_server_call(&answer, &code, &m->server, API "experiments/create", body);
        if (!status) {
            status = bcl_strdup(id, bcl_json_word(answer, "experiment_id"));
            goto out;
        }
        cJSON_Delete(answer);
        status = bcl_server_call(&answer, &code, &m->server, path, NULL);
    }
    BCL_TRY(status);
    BCL_TRY(bcl_strdup(id, bcl_json_word(cJSON_GetObjectItemCaseSensitive(answer, "experiment"),
                                         "experiment_id")));
out:
    cJSON_Delete(answer);
    cJSON_Delete(body);
    free(path);
    free(escaped);
    return status;
}

static void take_run(bcl_mlflow *m, const cJSON *run) {
    const cJSON *info = cJSON_GetObjectItemCaseSensitive(run, "info");
    put(m->state, "run_id", cJSON_CreateString(bcl_json_word(info, "run_id")));
    put(m->state, "experiment_id", cJSON_CreateString(bcl_json_word(info, "experiment_id")));
    put(m->state, "artifact_uri", cJSON_CreateString(bcl_json_word(info, "artifact_uri")));
}

/* The run may be there though this folder does not know it: a process that was killed between the
 * server's answer and the file. It is found by bertcl's own id. */
static bcl_status find_run(bcl_mlflow *m, const char *experiment, const char *uid) {
    bcl_status status = BCL_OK;
    char filter[160];
    cJSON *answer = NULL, *body = cJSON_CreateObject(), *list;
    snprintf(filter, sizeof filter, "tags.`bertcl.id` = '%.64s'", uid);
    list = cJSON_AddArrayToObject(body, "experiment_ids");
    cJSON_AddItemToArray(list, cJSON_CreateString(experiment));
    cJSON_AddStringToObject(body, "filter", filter);
    cJSON_AddNumberToObject(body, "max_results", 1);
    BCL_TRY(bcl_server_call(&answer, NULL, &m->server, API "runs/search", body));
    const cJSON *runs = cJSON_GetObjectItemCaseSensitive(answer, "runs");
    if (cJSON_GetArraySize(runs)) {
        take_run(m, runs->child);
        m->checked = false;
    }
out:
    cJSON_Delete(answer);
    cJSON_Delete(body);
    return status;
}

static void add_tag(cJSON *tags, const char *key, const char *value) {
    if (value && *value)
        cJSON_AddItemToArray(tags, pair(key, value, MOST_TAG));
}

static bcl_status create_run(bcl_mlflow *m, const char *experiment, const cJSON *track) {
    bcl_status status = BCL_OK;
    cJSON *answer = NULL, *body = cJSON_CreateObject(), *tags;
    const char *name = bcl_path_name(m->folder);
    const cJSON *git = cJSON_GetObjectItemCaseSensitive(track, "git");
    cJSON_AddStringToObject(body, "experiment_id", experiment);
    cJSON_AddStringToObject(body, "run_name", name);
    cJSON_AddNumberToObject(body, "start_time", floor(m->start * 1000));
    tags = cJSON_AddArrayToObject(body, "tags");
    add_tag(tags, "bertcl.id", bcl_json_word(track, "id"));
    add_tag(tags, "bertcl.folder", m->folder);
    add_tag(tags, "bertcl.version", bcl_json_word(track, "bertcl"));
    add_tag(tags, "bertcl.host",
            bcl_json_word(cJSON_GetObjectItemCaseSensitive(track, "host"), "name"));
    add_tag(tags, "mlflow.source.name", "bertcl");
    add_tag(tags, "mlflow.source.type", "LOCAL");
    add_tag(tags, "mlflow.source.git.commit", bcl_json_word(git, "commit"));
    BCL_TRY(bcl_server_call(&answer, NULL, &m->server, API "runs/create", body));
    take_run(m, cJSON_GetObjectItemCaseSensitive(answer, "run"));
out:
    cJSON_Delete(answer);
    cJSON_Delete(body);
    return status;
}

static bcl_status open_run(bcl_mlflow *m, const cJSON *track) {
    bcl_status status = BCL_OK;
    char *experiment = NULL;
    const char *uid = bcl_json_word(track, "id");
    if (*bcl_json_word(m->state, "run_id"))
        goto out;
    BCL_TRY(find_experiment(&experiment, m));
    if (*uid)
        BCL_TRY(find_run(m, experiment, uid));
    if (!*bcl_json_word(m->state, "run_id"))
        BCL_TRY(create_run(m, experiment, track));
    BCL_TRY(write_state(m));
out:
    free(experiment);
    return status;
}

/* ---- parameters ---- */

static bcl_status send_params(bcl_mlflow *m) {
    bcl_status status = BCL_OK;
    cJSON *run = NULL, *body = cJSON_CreateObject(), *params;
    const cJSON *option;
    if (is_true(m->state, "params"))
        goto out;
    BCL_TRY(read_file(&run, m, "run.json"));
    cJSON_AddStringToObject(body, "run_id", bcl_json_word(m->state, "run_id"));
    params = cJSON_AddArrayToObject(body, "params");
    cJSON_ArrayForEach(option, cJSON_GetObjectItemCaseSensitive(run, "options")) {
        char *text = cJSON_IsString(option) ? NULL : cJSON_PrintUnformatted(option);
        if (!cJSON_IsNull(option))
            cJSON_AddItemToArray(
                params, pair(option->string, text ? text : option->valuestring, MOST_PARAM));
        cJSON_free(text);
    }
    static const char *const more[] = {"device", "gemm"};
    for (size_t i = 0; i < 2; i++)
        if (*bcl_json_word(run, more[i]))
            cJSON_AddItemToArray(params, pair(more[i], bcl_json_word(run, more[i]), MOST_PARAM));
    BCL_TRY(bcl_server_call(NULL, NULL, &m->server, API "runs/log-batch", body));
    put(m->state, "params", cJSON_CreateTrue());
    BCL_TRY(write_state(m));
out:
    cJSON_Delete(run);
    cJSON_Delete(body);
    return status;
}

/* ---- metrics ---- */

/* The last step that the server has of a key: they are sent in their order. */
static bcl_status ask_last_step(bcl_mlflow *m, const char *key, int64_t *last) {
    bcl_status status = BCL_OK;
    char *path = NULL, *escaped = NULL, *token = NULL;
    cJSON *answer = NULL;
    const cJSON *metric;
    BCL_TRY(bcl_server_escape(&escaped, &m->server, key));
    do {
        free(path);
        path = NULL;
        BCL_TRY(bcl_format(&path,
                           API "metrics/get-history?run_id=%s&metric_key=%s&max_results=20000%s%s",
                           bcl_json_word(m->state, "run_id"), escaped, token ? "&page_token=" : "",
                           token ? token : ""));
        cJSON_Delete(answer);
        BCL_TRY(bcl_server_call(&answer, NULL, &m->server, path, NULL));
        cJSON_ArrayForEach(metric, cJSON_GetObjectItemCaseSensitive(answer, "metrics")) {
            /* numbers of 64 bits are texts in some versions */
            const cJSON *step = cJSON_GetObjectItemCaseSensitive(metric, "step");
            const int64_t at = cJSON_IsString(step)   ? strtoll(step->valuestring, NULL, 10)
                               : cJSON_IsNumber(step) ? (int64_t)step->valuedouble
                                                      : 0;
            *last = at > *last ? at : *last;
        }
        free(token);
        token = NULL;
        if (*bcl_json_word(answer, "next_page_token"))
            BCL_TRY(
                bcl_server_escape(&token, &m->server, bcl_json_word(answer, "next_page_token")));
    } while (token);
out:
    cJSON_Delete(answer);
    free(path);
    free(escaped);
    free(token);
    return status;
}

static bcl_status find_key(void *context, int64_t step, const char *key, double value) {
    (void)step, (void)value;
    (void)bcl_last_step(context, key);
    return BCL_OK;
}

/* After something that may have arrived: what has? */
static bcl_status check_sent(bcl_mlflow *m) {
    bcl_status status = BCL_OK;
    bcl_points all = {0};
    if (m->checked)
        return status;
    BCL_TRY(bcl_points_read(&all, m->folder, find_key, &m->sent));
    for (size_t i = 0; i < m->sent.count; i++)
        BCL_TRY(ask_last_step(m, m->sent.keys[i].key, &m->sent.keys[i].step));
    m->checked = true;
    put(m->state, "pending", cJSON_CreateFalse());
    BCL_TRY(write_state(m));
out:
    return status;
}

static bcl_status flush(bcl_mlflow *m) {
    bcl_status status = BCL_OK;
    cJSON *body = NULL;
    const cJSON *metric;
    if (!cJSON_GetArraySize(m->batch))
        return status;
    body = cJSON_CreateObject();
    cJSON_AddStringToObject(body, "run_id", bcl_json_word(m->state, "run_id"));
    cJSON_AddItemReferenceToObject(body, "metrics", m->batch);
    if (!is_true(m->state, "pending")) {
        put(m->state, "pending", cJSON_CreateTrue());
        BCL_TRY(write_state(m));
    }
    m->checked = false;
    BCL_TRY(bcl_server_call(NULL, NULL, &m->server, API "runs/log-batch", body));
    m->checked = true;
    cJSON_ArrayForEach(metric, m->batch) {
        int64_t *last = bcl_last_step(&m->sent, bcl_json_word(metric, "key"));
        if (last)
            *last = (int64_t)cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(metric, "step"));
    }
    cJSON_Delete(m->batch);
    m->batch = NULL;
    put(m->state, "pending", cJSON_CreateFalse());
    BCL_TRY(write_state(m));
out:
    cJSON_Delete(body);
    return status;
}

static bcl_status on_point(void *context, int64_t step, const char *key, double value) {
    bcl_mlflow *m = context;
    const int64_t *last = bcl_last_step(&m->sent, key);
    if (!last || step <= *last)
        return BCL_OK;
    cJSON *metric = cJSON_CreateObject();
    cJSON_AddStringToObject(metric, "key", key);
    if (isfinite(value))
        cJSON_AddNumberToObject(metric, "value", value);
    else
        cJSON_AddStringToObject(metric, "value",
                                isnan(value) ? "NaN"
                                : value > 0  ? "Infinity"
                                             : "-Infinity");
    /* metrics.jsonl holds no times, so that it is the same in every run; the order is kept */
    cJSON_AddNumberToObject(metric, "timestamp", floor(m->start * 1000) + (double)step);
    cJSON_AddNumberToObject(metric, "step", (double)step);
    if (!m->batch)
        m->batch = cJSON_CreateArray();
    cJSON_AddItemToArray(m->batch, metric);
    return cJSON_GetArraySize(m->batch) >= BATCH ? flush(m) : BCL_OK;
}

static bcl_status send_metrics(bcl_mlflow *m) {
    bcl_status status = BCL_OK;
    const int64_t at = m->points.at;
    BCL_TRY(check_sent(m));
    BCL_TRY(bcl_points_read(&m->points, m->folder, on_point, m));
    BCL_TRY(flush(m));
out:
    if (status) { /* what was read and not sent is read again */
        m->points.at = at;
        cJSON_Delete(m->batch);
        m->batch = NULL;
    }
    return status;
}

/* ---- artifacts ---- */

/* Where mlflow's own server takes files: mlflow-artifacts:/PATH. Other stores want their own
 * protocols and credentials. */
static const char *artifact_path(const bcl_mlflow *m) {
    const char *uri = bcl_json_word(m->state, "artifact_uri");
    if (strncmp(uri, "mlflow-artifacts:", 17))
        return NULL;
    uri += 17;
    if (!strncmp(uri, "//", 2)) { /* a host of its own */
        uri = strchr(uri + 2, '/');
        return uri ? uri + 1 : NULL;
    }
    return uri + (*uri == '/');
}

static bcl_status send_file(bcl_mlflow *m, const char *name) {
    bcl_status status = BCL_OK;
    char *file = NULL, *path = NULL, *escaped = NULL, stamp[64];
    struct stat info;
    cJSON *files = cJSON_GetObjectItemCaseSensitive(m->state, "files");
    if (!files)
        files = cJSON_AddObjectToObject(m->state, "files");
    BCL_TRY(bcl_path_join(&file, m->folder, name));
    if (stat(file, &info) || !S_ISREG(info.st_mode))
        goto out;
    snprintf(stamp, sizeof stamp, "%lld:%lld.%09ld", (long long)info.st_size,
             (long long)info.st_mtim.tv_sec, info.st_mtim.tv_nsec);
    if (!strcmp(bcl_json_word(files, name), stamp))
        goto out;
    BCL_TRY(bcl_format(&path, "%s/%s", artifact_path(m), name));
    BCL_TRY(bcl_server_escape(&escaped, &m->server, path));
    free(path);
    path = NULL;
    BCL_TRY(bcl_format(&path, "api/2.0/mlflow-artifacts/artifacts/%s", escaped));
    BCL_TRY(bcl_server_upload(&m->server, path, file));
    put(files, name, cJSON_CreateString(stamp));
    BCL_TRY(write_state(m));
out:
    free(file);
    free(path);
    free(escaped);
    return status;
}

static bcl_status send_folder(bcl_mlflow *m, const char *below) {
    bcl_status status = BCL_OK;
    char **names = NULL, *folder = NULL, *name = NULL;
    size_t count = 0;
    BCL_TRY(bcl_path_join(&folder, m->folder, below));
    if (!bcl_path_is_directory(folder))
        goto out;
    BCL_TRY(bcl_directory_list(&names, &count, folder));
    for (size_t i = 0; i < count; i++) {
        if (strstr(names[i], ".tmp.") || bcl_track_is_own(names[i]))
            continue;
        free(name);
        name = NULL;
        BCL_TRY(*below ? bcl_path_join(&name, below, names[i]) : bcl_strdup(&name, names[i]));
        BCL_TRY(send_file(m, name));
    }
out:
    bcl_strings_free(names, count);
    free(folder);
    free(name);
    return status;
}

/* ---- the registered model ---- */

/* The version that this run has there already: the answer to an earlier try may have been lost. */
static bcl_status find_version(bcl_mlflow *m, const char *name) {
    bcl_status status = BCL_OK;
    char *filter = NULL, *escaped = NULL, *path = NULL;
    cJSON *answer = NULL;
    const cJSON *version;
    BCL_TRY(bcl_format(&filter, "run_id = '%s'", bcl_json_word(m->state, "run_id")));
    BCL_TRY(bcl_server_escape(&escaped, &m->server, filter));
    BCL_TRY(bcl_format(&path, API "model-versions/search?filter=%s&max_results=100", escaped));
    BCL_TRY(bcl_server_call(&answer, NULL, &m->server, path, NULL));
    cJSON_ArrayForEach(version, cJSON_GetObjectItemCaseSensitive(answer, "model_versions")) {
        if (!strcmp(bcl_json_word(version, "name"), name))
            put(m->state, "model", cJSON_CreateString(bcl_json_word(version, "version")));
    }
out:
    cJSON_Delete(answer);
    free(filter);
    free(escaped);
    free(path);
    return status;
}

static bcl_status send_model(bcl_mlflow *m, const cJSON *track) {
    bcl_status status = BCL_OK;
    const char *given = bcl_json_word(track, "model_name"),
               *name = *given ? given : bcl_path_name(m->folder);
    cJSON *body = cJSON_CreateObject(), *answer = NULL;
    char *source = NULL, *model = NULL;
    long code;
    BCL_TRY(bcl_path_join(&model, m->folder, "model"));
    if (cJSON_GetObjectItemCaseSensitive(m->state, "model") || !bcl_path_is_directory(model))
        goto out;
    BCL_TRY(find_version(m, name));
    if (cJSON_GetObjectItemCaseSensitive(m->state, "model"))
        goto out;
    cJSON_AddStringToObject(body, "name", name);
    status = bcl_server_call(NULL, &code, &m->server, API "registered-models/create", body);
    if (status && code != 400 && code != 409) /* it is there already */
        goto out;
    BCL_TRY(bcl_format(&source, "%s/model", bcl_json_word(m->state, "artifact_uri")));
    cJSON_AddStringToObject(body, "source", source);
    cJSON_AddStringToObject(body, "run_id", bcl_json_word(m->state, "run_id"));
    BCL_TRY(bcl_server_call(&answer, NULL, &m->server, API "model-versions/create", body));
    put(m->state, "model",
        cJSON_CreateString(
            bcl_json_word(cJSON_GetObjectItemCaseSensitive(answer, "model_version"), "version")));
    BCL_TRY(write_state(m));
out:
    cJSON_Delete(body);
    cJSON_Delete(answer);
    free(source);
    free(model);
    return status;
}

/* ---- the end ---- */

/* The figures of results.json that no step has. */
static bcl_status send_results(bcl_mlflow *m, const cJSON *results) {
    static const struct {
        const char *group, *key, *name;
    } list[] = {{"train", "loss", "final.train_loss"},
                {"train", "tokens_per_s", "tokens_per_s"},
                {"eval", "loss", "final.eval_loss"},
                {"eval", "accuracy", "final.accuracy"},
                {NULL, "peak_rss_mb", "peak_rss_mb"}};
    bcl_status status = BCL_OK;
    cJSON *body = cJSON_CreateObject(), *metrics;
    if (is_true(m->state, "results"))
        goto out;
    cJSON_AddStringToObject(body, "run_id", bcl_json_word(m->state, "run_id"));
    metrics = cJSON_AddArrayToObject(body, "metrics");
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        const cJSON *from =
            list[i].group ? cJSON_GetObjectItemCaseSensitive(results, list[i].group) : results;
        const cJSON *value = cJSON_GetObjectItemCaseSensitive(from, list[i].key);
        int64_t *last = bcl_last_step(&m->sent, list[i].name);
        if (!cJSON_IsNumber(value) || !last)
            continue;
        if (*last < 0) /* the answer to an earlier try may have been lost */
            BCL_TRY(ask_last_step(m, list[i].name, last));
        if (*last >= 0)
            continue;
        cJSON *metric = cJSON_CreateObject();
        cJSON_AddStringToObject(metric, "key", list[i].name);
        cJSON_AddNumberToObject(metric, "value", value->valuedouble);
        cJSON_AddNumberToObject(metric, "timestamp", floor(m->start * 1000));
        cJSON_AddNumberToObject(metric, "step", 0);
        cJSON_AddItemToArray(metrics, metric);
    }
    if (cJSON_GetArraySize(metrics))
        BCL_TRY(bcl_server_call(NULL, NULL, &m->server, API "runs/log-batch", body));
    put(m->state, "results", cJSON_CreateTrue());
    BCL_TRY(write_state(m));
out:
    cJSON_Delete(body);
    return status;
}

static bcl_status send_end(bcl_mlflow *m, const cJSON *track, const cJSON *results,
                           const cJSON *heartbeat) {
    bcl_status status = BCL_OK;
    cJSON *body = cJSON_CreateObject();
    const char *state = results ? "finished" : bcl_json_word(heartbeat, "state");
    const cJSON *end = cJSON_GetObjectItemCaseSensitive(heartbeat, "ended");
    if (results) {
        BCL_TRY(send_results(m, results));
        if (artifact_path(m)) {
            BCL_TRY(send_folder(m, ""));
            BCL_TRY(send_folder(m, "model"));
            BCL_TRY(send_model(m, track));
        }
    }
    cJSON_AddStringToObject(body, "run_id", bcl_json_word(m->state, "run_id"));
    cJSON_AddStringToObject(body, "status",
                            !strcmp(state, "finished") ? "FINISHED"
                            : !strcmp(state, "failed") ? "FAILED"
                                                       : "KILLED");
    cJSON_AddNumberToObject(
        body, "end_time", floor((cJSON_IsNumber(end) ? end->valuedouble : bcl_unix_time()) * 1000));
    BCL_TRY(bcl_server_call(NULL, NULL, &m->server, API "runs/update", body));
    put(m->state, "done", results ? cJSON_CreateTrue() : cJSON_CreateFalse());
    BCL_TRY(write_state(m));
out:
    cJSON_Delete(body);
    return status;
}

bcl_status bcl_mlflow_update(bcl_mlflow *m, bool ended, double seconds) {
    bcl_status status = BCL_OK;
    cJSON *track = NULL, *results = NULL, *heartbeat = NULL;
    atomic_store(&m->server.until, seconds > 0 ? bcl_seconds() + seconds : 0);
    if (bcl_mlflow_is_done(m))
        return status;
    BCL_TRY(read_file(&track, m, BCL_TRACK_FILE));
    const cJSON *started = cJSON_GetObjectItemCaseSensitive(track, "started");
    struct stat info = {0};
    if (cJSON_IsNumber(started))
        m->start = started->valuedouble;
    else
        m->start = stat(m->folder, &info) ? bcl_unix_time() : (double)info.st_mtim.tv_sec;
    BCL_TRY(open_run(m, track));
    BCL_TRY(send_params(m));
    BCL_TRY(send_metrics(m));
    if (ended) {
        BCL_TRY(read_file(&results, m, "results.json"));
        BCL_TRY(read_file(&heartbeat, m, BCL_HEARTBEAT_FILE));
        BCL_TRY(send_end(m, track, results, heartbeat));
    }
out:
    cJSON_Delete(track);
    cJSON_Delete(results);
    cJSON_Delete(heartbeat);
    return status;
}
