/* Opening the store. An index that is new is made from the journal: what it tells is done again. */
#include "track/store.h"

/* Versions first, so that runs find theirs, and aliases last. Runs whose folders are gone are left
 * out. */
static const char *const passes[] = {"dataset", "model", "run", "alias"};

static bcl_status apply(bcl_store *store, const cJSON *event, size_t *runs) {
    bcl_status status = BCL_OK;
    const char *what = bcl_json_word(event, "event");
    int64_t id;
    if (!strcmp(what, "run")) {
        if (!bcl_path_is_directory(bcl_json_word(event, "folder")))
            goto out;
        if (!(status = bcl_store_import(store, bcl_json_word(event, "folder"), NULL))) {
            ++*runs;
        } else if (status == BCL_ERROR_FORMAT && !store->damaged) {
            bcl_store_say(store, "store: %s", bcl_message());
            status = BCL_OK;
        }
    } else if (!strcmp(what, "dataset")) {
        BCL_TRY(
            bcl_dataset_register(&id, store, cJSON_GetObjectItemCaseSensitive(event, "record")));
    } else if (!strcmp(what, "model")) {
        const cJSON *version = cJSON_GetObjectItemCaseSensitive(event, "version");
        const cJSON *bytes = cJSON_GetObjectItemCaseSensitive(event, "bytes");
        const cJSON *created = cJSON_GetObjectItemCaseSensitive(event, "created");
        BCL_TRY(bcl_model_register(
            &id, store,
            &(bcl_model_entry){.name = bcl_json_word(event, "name"),
                               .sha256 = bcl_json_word(event, "sha256"),
                               .folder = bcl_json_word(event, "folder"),
                               .kind = bcl_json_word(event, "kind"),
                               .version =
                                   cJSON_IsNumber(version) ? (int64_t)version->valuedouble : 0,
                               .bytes = cJSON_IsNumber(bytes) ? bytes->valuedouble : 0,
                               .created = cJSON_IsNumber(created) ? created->valuedouble : 0}));
    } else if (!strcmp(what, "alias")) {
        if (!bcl_store_find_model(&id, store, bcl_json_word(event, "model")))
            BCL_TRY(bcl_store_promote(store, id, bcl_json_word(event, "alias")));
    }
out:
    return status;
}

static bcl_status replay_pass(bcl_store *store, const char *text, size_t size, const char *pass,
                              size_t *runs) {
    bcl_status status = BCL_OK;
    const char *end;
    for (const char *line = text; line < text + size; line = end + 1) {
        if (!(end = memchr(line, '\n', (size_t)(text + size - line))))
            break; /* a line that was not written to its end */
        cJSON *event = cJSON_ParseWithLength(line, (size_t)(end - line));
        if (!event && pass == passes[0])
            bcl_store_say(store, "store: %s: a line that is no JSON was skipped", store->journal);
        if (!strcmp(bcl_json_word(event, "event"), pass))
            status = apply(store, event, runs);
        cJSON_Delete(event);
        BCL_TRY(status);
    }
out:
    return status;
}

static bcl_status replay(bcl_store *store, size_t *runs) {
    bcl_status status = BCL_OK;
    char *text = NULL;
    size_t size = 0;
    *runs = 0;
    BCL_TRY(bcl_file_read(&text, &size, store->journal));
    store->replaying = true;
    for (size_t i = 0; i < sizeof passes / sizeof *passes; i++)
        BCL_TRY(replay_pass(store, text, size, passes[i], runs));
out:
    store->replaying = false;
    free(text);
    return status;
}

bcl_status bcl_store_open(bcl_store **out, const char *home, bool write) {
    bcl_status status = BCL_OK;
    bcl_store *store = NULL;
    size_t runs = 0;
    *out = NULL;
    BCL_TRY(bcl_store_open_index(&store, home, write));
    if (store->fresh && bcl_path_exists(store->journal)) {
        BCL_TRY(replay(store, &runs));
        bcl_store_say(store, "store: the index was made from %s: %zu runs", store->journal, runs);
    }
    *out = store;
    store = NULL;
out:
    bcl_store_close(store);
    return status;
}
