/* What ran without a folder of its own, such as an evaluation: it gets one in the store, with the
 * files that a run has. */
#include "track/record.h"
#include "track/store.h"

#include <time.h>

/* HOME/runs/eval-20261126-143000-1a2b */
static bcl_status make_folder(char **out, const bcl_store *store, const char *command,
                              const char *id) {
    bcl_status status = BCL_OK;
    char date[32] = "";
    const time_t now = time(NULL);
    struct tm local;
    if (localtime_r(&now, &local))
        strftime(date, sizeof date, "%Y%m%d-%H%M%S", &local);
    BCL_TRY(bcl_format(out, "%s/runs/%s-%s-%.4s", store->home, command, date, id));
    BCL_TRY(bcl_directory_create(*out));
out:
    return status;
}

static bcl_status add_inputs(cJSON *track, bcl_store *store, const bcl_standalone *s) {
    bcl_status status = BCL_OK;
    static const bcl_reading found = {0};
    bcl_corpus *corpus = NULL;
    bcl_tag_map *map = NULL;
    cJSON *record = NULL;
    if (!s->data.count)
        return status;
    BCL_TRY(bcl_corpora_read(&map, &corpus, &s->data, 1, s->reading ? s->reading : &found, true));
    BCL_TRY(bcl_store_dataset_record(
        &record, store, corpus,
        &(bcl_dataset_about){
            .paths = s->data.items, .path_count = s->data.count, .map = map, .role = s->command}));
    cJSON_AddItemToArray(cJSON_AddArrayToObject(track, "inputs"), record);
out:
    bcl_corpus_free(corpus);
    bcl_tag_map_free(map);
    return status;
}

static bcl_status add_parent(cJSON *track, bcl_store *store, const bcl_standalone *s) {
    bcl_status status = BCL_OK;
    cJSON *parent = NULL;
    char *real = s->model_folder ? realpath(s->model_folder, NULL) : NULL;
    if (!real)
        return status;
    BCL_TRY(bcl_store_hash_folder(&parent, store, real));
    cJSON_DeleteItemFromObjectCaseSensitive(parent, "files");
    cJSON_AddStringToObject(parent, "name", s->model ? s->model : bcl_path_name(real));
    cJSON_AddStringToObject(parent, "folder", real);
    cJSON_AddItemToObject(track, "parent", parent);
out:
    free(real);
    return status;
}

static bcl_status write_part(const char *folder, const char *name, const cJSON *json) {
    char *path = NULL;
    bcl_status status = bcl_path_join(&path, folder, name);
    if (!status)
        status = bcl_json_write(json, path);
    free(path);
    return status;
}

bcl_status bcl_store_record(bcl_store *store, const bcl_standalone *s, int64_t *run) {
    bcl_status status = BCL_OK;
    cJSON *track = NULL, *record = cJSON_CreateObject();
    char *folder = NULL;
    BCL_TRY(bcl_track_record(&track, s->command, s->argc, s->argv));
    if (s->started > 0)
        cJSON_SetNumberValue(cJSON_GetObjectItemCaseSensitive(track, "started"), s->started);
    BCL_TRY(add_inputs(track, store, s));
    BCL_TRY(add_parent(track, store, s));
    const char *id = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(track, "id"));
    BCL_TRY(make_folder(&folder, store, s->command, id ? id : "0000"));
    cJSON_AddStringToObject(record, "bertcl", BERTCL_VERSION);
    cJSON_AddStringToObject(record, "command", s->command);
    if (s->device)
        cJSON_AddStringToObject(record, "device", s->device);
    if (s->precision)
        cJSON_AddStringToObject(record, "precision", s->precision);
    if (s->options)
        cJSON_AddItemReferenceToObject(record, "options", (cJSON *)(uintptr_t)s->options);
    BCL_TRY(write_part(folder, BCL_TRACK_FILE, track));
    if (s->file)
        BCL_TRY(write_part(folder, s->file_name, s->file));
    BCL_TRY(write_part(folder, "results.json", s->results));
    BCL_TRY(bcl_track_heartbeat(folder, "finished", NULL, NULL));
    BCL_TRY(write_part(folder, "run.json", record)); /* last: now it is a run */
    BCL_TRY(bcl_store_import(store, folder, run));
out:
    cJSON_Delete(track);
    cJSON_Delete(record);
    free(folder);
    return status;
}
