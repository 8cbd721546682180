/* See store_command.h. */
#include "cli/store_command.h"

#include "util/printable.h"

void bcl_cli_store_tell(bcl_store *store) {
    char *notes = bcl_store_notes(store);
    for (char *line = notes; line && *line;) {
        char *end = strchr(line, '\n');
        if (end)
            *end = 0;
        fprintf(stderr, "bertcl: %s\n", line);
        line = end ? end + 1 : NULL;
    }
    free(notes);
}

bcl_status bcl_cli_store_open(bcl_store **store, bool write) {
    const bcl_status status = bcl_store_open(store, NULL, write);
    if (!status)
        bcl_cli_store_tell(*store);
    return status;
}

bcl_status bcl_cli_with_store(bcl_cli_store_work *work, void *context, bool write) {
    bcl_status status = BCL_OK;
    bool again = true;
    for (int i = 0; i < 2 && again; i++) {
        bcl_store *store = NULL;
        status = bcl_cli_store_open(&store, write || i);
        if (!status && !(status = bcl_store_refresh(store)))
            status = work(store, context);
        again = status && store && bcl_store_damaged(store);
        if (again && !i)
            again = !bcl_store_set_aside(store);
        if (store)
            bcl_cli_store_tell(store);
        bcl_store_close(store);
    }
    return status;
}

bcl_status bcl_cli_print_json(const cJSON *json) {
    char *text = NULL;
    const bcl_status status = bcl_json_print(&text, json);
    if (!status)
        puts(text);
    cJSON_free(text);
    return status;
}

static bcl_status escape(char **text) {
    bcl_status status = BCL_OK;
    bcl_string shown = {0};
    BCL_TRY(bcl_printable_add(&shown, *text, strlen(*text)));
    if (strcmp(shown.data, *text)) {
        free(*text);
        *text = shown.data;
        shown.data = NULL;
    }
out:
    bcl_string_free(&shown);
    return status;
}

bcl_status bcl_cli_make_printable(cJSON *json) {
    bcl_status status = BCL_OK;
    cJSON *item;
    if (cJSON_IsString(json))
        BCL_TRY(escape(&json->valuestring));
    cJSON_ArrayForEach(item, json) {
        if (item->string && !(item->type & cJSON_StringIsConst))
            BCL_TRY(escape(&item->string));
        BCL_TRY(bcl_cli_make_printable(item));
    }
out:
    return status;
}

const char *bcl_cli_word(const cJSON *json, const char *key) {
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, key));
    return text ? text : "";
}

double bcl_cli_number(const cJSON *json, const char *key, double fallback) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, key);
    return cJSON_IsNumber(item) ? item->valuedouble : fallback;
}

const char *bcl_cli_value(char out[64], const cJSON *json, const char *key, int digits) {
    const cJSON *item = key ? cJSON_GetObjectItemCaseSensitive(json, key) : json;
    out[0] = 0;
    if (cJSON_IsNumber(item))
        snprintf(out, 64, "%.*g", digits, item->valuedouble);
    else if (cJSON_IsString(item))
        snprintf(out, 64, "%s", item->valuestring);
    return out;
}

bcl_status bcl_cli_find_runs(int64_t **runs, bcl_store *store, const bcl_list *names) {
    bcl_status status = BCL_OK;
    BCL_NEW(*runs, names->count);
    for (size_t i = 0; i < names->count; i++)
        BCL_TRY(bcl_store_find_run(&(*runs)[i], store, names->items[i]));
out:
    return status;
}
