/* Follows a run while it goes on: a thread that reads what the run writes. Training never waits for
 * it, and nothing that fails here stops the run; it is told. */
#include "track/card.h"
#include "track/mlflow.h"

#include "track/record.h"

#include <bertcl/data.h>
#include <pthread.h>
#include <stdarg.h>
#include <time.h>

enum { LOOK_SECONDS = 2, HEARTBEAT_SECONDS = 10 };
/* for one look, after a failure, and at the end, when somebody waits */
enum { MLFLOW_SECONDS = 60, MLFLOW_PAUSE = 30, MLFLOW_LAST_SECONDS = 60, MLFLOW_HURRY_SECONDS = 5 };

struct bcl_tracker {
    bcl_tracker_options o;
    char *folder, *parent_name;
    bcl_store *store; /* NULL: BERTCL_HOME is off, or it failed */
    cJSON *track;
    bcl_tensorboard *board;
    bcl_mlflow *mlflow;
    bool want_board, want_mlflow, mlflow_failed;
    double mlflow_again; /* not before this time, after a failure */
    double beat;         /* when the last heartbeat was; 0: it is due */
    bool had_devices;
    pthread_t thread;
    bool running, stop;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bcl_string told; /* lines to be told, under the lock */
    char *devices;   /* of bcl_tracker_devices, under the lock; NULL: nothing new */
    bool store_failed, board_failed;
};

static void say(bcl_tracker *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(bcl_tracker *t, const char *format, ...) {
    char line[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    pthread_mutex_lock(&t->lock);
    (void)bcl_string_addf(&t->told, "%s\n", line);
    pthread_mutex_unlock(&t->lock);
}

void bcl_tracker_poll(bcl_tracker *t) {
    if (!t)
        return;
    pthread_mutex_lock(&t->lock);
    bcl_string lines = t->told;
    t->told = (bcl_string){0};
    pthread_mutex_unlock(&t->lock);
    for (char *line = lines.data, *end; line && (end = strchr(line, '\n')); line = end + 1) {
        *end = 0;
        if (t->o.tell)
            t->o.tell(t->o.context, line);
    }
    bcl_string_free(&lines);
}

/* ---- track.json ---- */

static bcl_status write_track(bcl_tracker *t) {
    char *path = NULL;
    bcl_status status = bcl_path_join(&path, t->folder, BCL_TRACK_FILE);
    if (!status)
        status = bcl_json_write(t->track, path);
    free(path);
    return status;
}

/* A run that is gone on with keeps its id, its first start, and what was found of its data; the
 * processes before this one are its sessions. */
static bcl_status take_over(bcl_tracker *t) {
    static const char *const kept[] = {"id", "started", "inputs", "parent", "versions"};
    bcl_status status = BCL_OK;
    cJSON *before = NULL, *sessions, *session;
    char *path = NULL;
    BCL_TRY(bcl_path_join(&path, t->folder, BCL_TRACK_FILE));
    if (!bcl_path_exists(path) || bcl_json_read_own(&before, path))
        goto out; /* a damaged one is written anew */
    cJSON_AddNumberToObject(t->track, "resumed",
                            cJSON_GetNumberValue(cJSON_GetObjectItem(t->track, "started")));
    sessions = cJSON_DetachItemFromObjectCaseSensitive(before, "sessions");
    sessions = sessions ? sessions : cJSON_CreateArray();
    session = cJSON_CreateObject();
    cJSON_AddItemToObject(session, "argv", cJSON_DetachItemFromObjectCaseSensitive(before, "argv"));
    cJSON_AddItemToObject(session, "process",
                          cJSON_DetachItemFromObjectCaseSensitive(before, "process"));
    cJSON_AddItemToArray(sessions, session);
    cJSON_AddItemToObject(t->track, "sessions", sessions);
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        cJSON *item = cJSON_DetachItemFromObjectCaseSensitive(before, kept[i]);
        if (!item)
            continue;
        cJSON_DeleteItemFromObjectCaseSensitive(t->track, kept[i]);
        cJSON_AddItemToObject(t->track, kept[i], item);
    }
out:
    cJSON_Delete(before);
    free(path);
    return status;
}

/* ---- what takes a while: in the thread ---- */

static bcl_status add_input(bcl_tracker *t, cJSON *inputs, const char *role, bcl_texts paths,
                            const bcl_corpus *corpus, const bcl_tag_map *map) {
    cJSON *record = NULL;
    const bcl_status status = bcl_store_dataset_record(
        &record, t->store, corpus,
        &(bcl_dataset_about){
            .paths = paths.items, .path_count = paths.count, .map = map, .role = role});
    if (!status)
        cJSON_AddItemToArray(inputs, record);
    return status;
}

/* Reads the data once more: training has no need of these counts. */
static bcl_status add_inputs(bcl_tracker *t, cJSON *inputs) {
    bcl_status status = BCL_OK;
    static const bcl_reading found = {0};
    bcl_corpus *corpora[2] = {NULL, NULL};
    bcl_tag_map *map = NULL;
    const bcl_texts paths[2] = {t->o.data, t->o.test};
    if (!t->o.data.count)
        return status;
    BCL_TRY(bcl_corpora_read(&map, corpora, paths, 2, t->o.reading ? t->o.reading : &found, false));
    BCL_TRY(add_input(t, inputs, t->o.test.count ? "training" : "training and test", t->o.data,
                      corpora[0], map));
    if (corpora[1])
        BCL_TRY(add_input(t, inputs, "test", t->o.test, corpora[1], map));
out:
    bcl_corpus_free(corpora[0]);
    bcl_corpus_free(corpora[1]);
    bcl_tag_map_free(map);
    return status;
}

static bcl_status find_inputs(bcl_tracker *t) {
    bcl_status status = BCL_OK;
    cJSON *inputs = cJSON_CreateArray(), *parent = NULL;
    if (cJSON_GetObjectItemCaseSensitive(t->track, "inputs"))
        goto out; /* of a session before */
    BCL_TRY(add_inputs(t, inputs));
    if (t->parent_name && t->o.parent_folder && t->store) {
        char *real = realpath(t->o.parent_folder, NULL);
        status = bcl_store_hash_folder(&parent, t->store, real ? real : t->o.parent_folder);
        if (!status) {
            cJSON_DeleteItemFromObjectCaseSensitive(parent, "files");
            cJSON_AddStringToObject(parent, "name", t->parent_name);
            cJSON_AddStringToObject(parent, "folder", real ? real : t->o.parent_folder);
            cJSON_AddItemToObject(t->track, "parent", parent);
        }
        free(real);
        BCL_TRY(status);
    }
    cJSON_AddItemToObject(t->track, "inputs", inputs);
    inputs = NULL;
    BCL_TRY(write_track(t));
out:
    cJSON_Delete(inputs);
    return status;
}

/* ---- looking ---- */

static void import(bcl_tracker *t) {
    if (!t->store)
        return;
    const bool failed = bcl_store_import(t->store, t->folder, NULL) != BCL_OK;
    if (failed && !t->store_failed)
        say(t, "store: %s; the run goes on, bertcl runs import %s brings it in later",
            bcl_message(), t->folder);
    if (failed && bcl_store_damaged(t->store)) { /* the next opening makes it again */
        bcl_store_set_aside(t->store);
        bcl_store_close(t->store);
        t->store = NULL;
        if (!bcl_store_open(&t->store, NULL, true))
            say(t, "store: the index was damaged: kept aside, and made again");
    }
    t->store_failed = failed;
}

static void update_board(bcl_tracker *t) {
    if (!t->want_board)
        return;
    bcl_status status = t->board ? BCL_OK : bcl_tensorboard_open(&t->board, t->folder);
    if (!status)
        status = bcl_tensorboard_update(t->board);
    if (status && !t->board_failed)
        say(t, "tensorboard: %s; the run goes on", bcl_message());
    t->board_failed = status != BCL_OK;
}

static bool hurried(bcl_tracker *t) {
    pthread_mutex_lock(&t->lock);
    const bool stop = t->stop;
    pthread_mutex_unlock(&t->lock);
    return stop;
}

/* A server that fails is left alone for a while; what it has not got stays in the run's folder. */
static void update_mlflow(bcl_tracker *t, bool ended, double seconds) {
    if (!t->mlflow || (!ended && bcl_seconds() < t->mlflow_again))
        return;
    const bcl_status status = bcl_mlflow_update(t->mlflow, ended, seconds);
    if (status && ended)
        say(t, "mlflow: %s; bertcl runs sync %s sends the rest later", bcl_message(), t->folder);
    else if (status && !t->mlflow_failed && !hurried(t)) /* the end tries again */
        say(t, "mlflow: %s; the run goes on and what is missing is sent later", bcl_message());
    t->mlflow_failed = status != BCL_OK;
    t->mlflow_again = bcl_seconds() + (status ? MLFLOW_PAUSE : 0);
}

void bcl_tracker_devices(bcl_tracker *t, const char *json) {
    char *text = NULL;
    if (!t || bcl_strdup(&text, json))
        return;
    pthread_mutex_lock(&t->lock);
    free(t->devices);
    t->devices = text;
    pthread_mutex_unlock(&t->lock);
}

/* What fails here is said by what reads it: "lost". */
static void beat(bcl_tracker *t) {
    const double now = bcl_unix_time();
    char *devices = NULL;
    pthread_mutex_lock(&t->lock);
    const bool first = t->devices && !t->had_devices;
    if (first || now - t->beat >= HEARTBEAT_SECONDS) {
        devices = t->devices;
        t->devices = NULL;
        t->beat = 0;
    }
    pthread_mutex_unlock(&t->lock);
    if (t->beat)
        return;
    (void)bcl_track_heartbeat(t->folder, "running", NULL, devices);
    t->beat = now;
    t->had_devices = devices != NULL;
    free(devices);
}

static void look(bcl_tracker *t) {
    beat(t);
    import(t);
    update_board(t);
    update_mlflow(t, false, MLFLOW_SECONDS);
}

static void *follow(void *context) {
    bcl_tracker *t = context;
    if (find_inputs(t))
        say(t, "store: %s; the run's data are not recorded", bcl_message());
    pthread_mutex_lock(&t->lock);
    while (!t->stop) {
        struct timespec until;
        pthread_mutex_unlock(&t->lock);
        look(t);
        pthread_mutex_lock(&t->lock);
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += LOOK_SECONDS;
        while (!t->stop && !pthread_cond_timedwait(&t->wake, &t->lock, &until))
            ;
    }
    pthread_mutex_unlock(&t->lock);
    return NULL;
}

/* ---- */

static bcl_status find_names(bcl_tracker *t) {
    bcl_status status = BCL_OK;
    const bcl_tracker_options *o = &t->o;
    if (!(t->folder = realpath(o->folder, NULL))) {
        status = bcl_fail_errno("%s: cannot open folder", o->folder);
        goto out;
    }
    if (o->parent) {
        size_t n = strlen(o->parent);
        while (n > 1 && o->parent[n - 1] == '/')
            n--;
        const bool path = bcl_path_exists(o->parent);
        char *whole = NULL;
        BCL_TRY(bcl_format(&whole, "%.*s", (int)n, o->parent));
        status = bcl_strdup(&t->parent_name, path ? bcl_path_name(whole) : whole);
        free(whole);
        BCL_TRY(status);
    }
out:
    return status;
}

static void free_tracker(bcl_tracker *t) {
    free(t->folder);
    free(t->parent_name);
    cJSON_Delete(t->track);
    bcl_tensorboard_close(t->board);
    bcl_mlflow_close(t->mlflow);
    bcl_store_close(t->store);
    bcl_string_free(&t->told);
    free(t->devices);
    pthread_mutex_destroy(&t->lock);
    pthread_cond_destroy(&t->wake);
    free(t);
}

static void open_store(bcl_tracker *t) {
    if (!bcl_store_enabled())
        return;
    if (bcl_store_open(&t->store, NULL, true)) {
        say(t, "store: %s; the run goes on without it, bertcl runs import %s brings it in later",
            bcl_message(), t->folder);
        return;
    }
    char *notes = bcl_store_notes(t->store);
    if (notes && *notes) {
        notes[strlen(notes) - 1] = 0;
        say(t, "%s", notes);
    }
    free(notes);
}

bcl_status bcl_tracker_start(bcl_tracker **out, const bcl_tracker_options *options) {
    bcl_status status = BCL_OK;
    bcl_tracker *t = NULL;
    *out = NULL;
    BCL_NEW(t, 1);
    t->o = *options;
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->wake, NULL);
    BCL_TRY(bcl_targets_check(options->targets));
    t->want_mlflow = bcl_targets_have(options->targets, "mlflow");
    t->want_board = bcl_targets_have(options->targets, "tensorboard");
    BCL_TRY(find_names(t));
    BCL_TRY(bcl_track_record(&t->track, options->command, options->argc, options->argv));
    if (options->model_name)
        cJSON_AddStringToObject(t->track, "model_name", options->model_name);
    if (options->targets)
        cJSON_AddStringToObject(t->track, "targets", options->targets);
    BCL_TRY(take_over(t));
    BCL_TRY(write_track(t));
    if (t->want_mlflow)
        BCL_TRY(bcl_mlflow_open(&t->mlflow, t->folder));
    BCL_TRY(bcl_track_heartbeat(t->folder, "running", NULL, NULL));
    t->beat = bcl_unix_time();
    open_store(t);
    if (pthread_create(&t->thread, NULL, follow, t))
        BCL_FAIL(BCL_ERROR_MEMORY, "cannot start the thread that follows the run");
    t->running = true;
    bcl_tracker_poll(t);
    *out = t;
    t = NULL;
out:
    if (t)
        free_tracker(t);
    return status;
}

void bcl_tracker_end(bcl_tracker *t, const char *state, const char *message) {
    if (!t)
        return;
    pthread_mutex_lock(&t->lock);
    t->stop = true;
    pthread_cond_signal(&t->wake);
    pthread_mutex_unlock(&t->lock);
    if (t->mlflow)
        bcl_mlflow_hurry(t->mlflow, MLFLOW_HURRY_SECONDS);
    pthread_join(t->thread, NULL);
    if (bcl_track_heartbeat(t->folder, state, message, NULL))
        say(t, "store: %s", bcl_message());
    const bool card = !strcmp(state, "finished") && !strcmp(t->o.command, "train");
    if (card && bcl_card_write(t->folder))
        say(t, "model card: %s", bcl_message());
    import(t);
    update_board(t);
    bcl_tracker_poll(t);
}

void bcl_tracker_free(bcl_tracker *t) {
    if (!t)
        return;
    import(t); /* the report is one of the run's files */
    update_mlflow(t, true, MLFLOW_LAST_SECONDS);
    bcl_tracker_poll(t);
    free_tracker(t);
}
