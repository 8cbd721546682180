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

int bcl_cli_store_parse(const bcl_cli_store_action *a, const bcl_option *options, int argc,
                        char **argv) {
    const int code = bcl_options_parse(&a->command, options, argc, argv, 2);
    const bcl_option *o = options;
    while (o->kind != BCL_OPTION_END && (o->kind != BCL_OPTION_LIST || o->name))
        o++;
    if (code >= 0 || o->kind == BCL_OPTION_END)
        return code;
    const size_t found = ((const bcl_list *)o->value)->count;
    if (found >= a->least && (!a->most || found <= a->most))
        return code;
    if (a->most && a->most != a->least)
        return bcl_cli_usage(&a->command, "found %zu words, expected %zu to %zu: %s", found,
                             a->least, a->most, o->value_name);
    return bcl_cli_usage(&a->command, "found %zu words, expected %s", found, o->value_name);
}

int bcl_cli_store_finish(const bcl_cli_store_action *a, const bcl_option *options, void *context,
                         int code) {
    if (code < 0) {
        const bcl_status status = bcl_cli_with_store(a->work, context, a->write);
        code = status ? bcl_cli_error(status) : BCL_EXIT_OK;
    }
    for (const bcl_option *o = options; o->kind != BCL_OPTION_END; o++)
        if (o->kind == BCL_OPTION_LIST)
            bcl_list_free(o->value);
    return code;
}

int bcl_cli_store_act(const bcl_cli_store_action *action, const bcl_option *options, void *context,
                      int argc, char **argv) {
    return bcl_cli_store_finish(action, options, context,
                                bcl_cli_store_parse(action, options, argc, argv));
}

int bcl_cli_store_act_on_words(const bcl_cli_store_action *action, const char *words, int argc,
                               char **argv) {
    bcl_cli_store_words o = {0};
    const bcl_option options[] = {
        {BCL_OPTION_LIST, NULL, &o.words, words, "see above", .min = 0},
        {BCL_OPTION_FLAG, "json", &o.json, NULL, "print JSON", .min = 0},
        {.kind = BCL_OPTION_END},
    };
    return bcl_cli_store_act(action, options, &o, argc, argv);
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
