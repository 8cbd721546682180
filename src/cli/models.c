/* bertcl models: the store's models, their versions, where they come from, and which is in use. */
#include "cli/store_command.h"

#include <sys/stat.h>

/* ---- list ---- */

static bcl_status add_model_row(bcl_cli_table *t, const cJSON *m) {
    bcl_status status = BCL_OK;
    char time[32], size[32], a[64], b[64];
    BCL_TRY(bcl_cli_table_add(t, "%s", bcl_json_word(m, "name")));
    BCL_TRY(bcl_cli_table_add(t, "%.0f", bcl_json_number(m, "version", 0)));
    BCL_TRY(bcl_cli_table_add(t, "%s", bcl_json_word(m, "aliases")));
    BCL_TRY(bcl_cli_table_add(t, "%s", bcl_json_word(m, "kind")));
    BCL_TRY(bcl_cli_table_add(t, "%s", bcl_cli_time(time, bcl_json_number(m, "created", 0))));
    BCL_TRY(bcl_cli_table_add(t, "%s", bcl_cli_bytes(size, bcl_json_number(m, "bytes", 0))));
    BCL_TRY(bcl_cli_table_add(t, "%s", bcl_cli_value(a, m, "eval_accuracy", 4)));
    BCL_TRY(bcl_cli_table_add(t, "%s", bcl_cli_value(b, m, "eval_macro_f1", 4)));
    BCL_TRY(bcl_cli_table_add(t, "%s", bcl_json_word(m, "run")));
    BCL_TRY(bcl_cli_table_add(t, "%s", bcl_json_word(m, "parent")));
    BCL_TRY(bcl_cli_table_add(t, "%s", bcl_json_word(m, "folder")));
out:
    return status;
}

static bcl_status list_work(bcl_store *store, void *context) {
    static const char *const titles[] = {"NAME",    ">VERSION", "ALIASES",   "KIND",
                                         "CREATED", ">SIZE",    ">ACCURACY", ">MACRO F1",
                                         "RUN",     "PARENT",   "FOLDER"};
    const bcl_cli_store_words *o = context;
    bcl_status status = BCL_OK;
    bcl_cli_table t = {0};
    cJSON *models = NULL;
    const cJSON *model;
    BCL_TRY(bcl_store_models(&models, store, o->words.count ? o->words.items[0] : NULL));
    if (o->json) {
        BCL_TRY(bcl_cli_print_json(models));
        goto out;
    }
    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++)
        BCL_TRY(bcl_cli_table_column(&t, titles[i]));
    cJSON_ArrayForEach(model, models) BCL_TRY(add_model_row(&t, model));
    if (t.cell_count)
        BCL_TRY(bcl_cli_table_print(&t));
    else
        fputs("no models\n", stderr);
out:
    bcl_cli_table_free(&t);
    cJSON_Delete(models);
    return status;
}

static int run_list(int argc, char **argv) {
    static const bcl_cli_store_action action = {
        .command = {"models list", "[NAME] [OPTION…]",
                    "The models that the store knows, newest versions first.",
                    "Runs register what they made (under the run's name, or train --model-name) "
                    "and what they began with. Identical files are one version."},
        .work = list_work,
        .most = 1};
    return bcl_cli_store_act_on_words(&action, "[NAME]", argc, argv);
}

/* ---- show ---- */

static void print_versions(const char *title, const cJSON *list) {
    const cJSON *item;
    if (!cJSON_GetArraySize(list))
        return;
    printf("%-10s", title);
    cJSON_ArrayForEach(item, list)
        printf(" %s@%.0f", bcl_json_word(item, "name"), bcl_json_number(item, "version", 0));
    putchar('\n');
}

static void print_model(const cJSON *m) {
    static const char *const texts[] = {"aliases", "kind", "folder", "sha256"};
    const cJSON *item;
    char text[64];
    printf("%-10s %s@%.0f\n", "model", bcl_json_word(m, "name"), bcl_json_number(m, "version", 0));
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (*bcl_json_word(m, texts[i]))
            printf("%-10s %s\n", texts[i], bcl_json_word(m, texts[i]));
    printf("%-10s %s\n", "created", bcl_cli_time(text, bcl_json_number(m, "created", 0)));
    printf("%-10s %s\n", "size", bcl_cli_bytes(text, bcl_json_number(m, "bytes", 0)));
    if (*bcl_cli_value(text, m, "eval_macro_f1", 6))
        printf("%-10s %s\n", "macro F1", text);
    if (*bcl_cli_value(text, m, "eval_accuracy", 6))
        printf("%-10s %s\n", "accuracy", text);
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(m, "runs"))
        printf("%-10s %s %s (as its %s)\n", "run", bcl_json_word(item, "id"),
               bcl_json_word(item, "name"), bcl_json_word(item, "role"));
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(m, "datasets")) printf(
        "%-10s %s@%.0f (%s): %.0f sentences, %.0f words\n", "data", bcl_json_word(item, "name"),
        bcl_json_number(item, "version", 0), bcl_json_word(item, "role"),
        bcl_json_number(item, "sentences", 0), bcl_json_number(item, "words", 0));
    print_versions("made from", cJSON_GetObjectItemCaseSensitive(m, "parents"));
    print_versions("made into", cJSON_GetObjectItemCaseSensitive(m, "children"));
}

static bcl_status show_work(bcl_store *store, void *context) {
    const bcl_cli_store_words *o = context;
    bcl_status status = BCL_OK;
    cJSON *json = NULL;
    int64_t model;
    BCL_TRY(bcl_store_find_model(&model, store, o->words.items[0]));
    BCL_TRY(bcl_store_model(&json, store, model));
    if (o->json) {
        BCL_TRY(bcl_cli_print_json(json));
        goto out;
    }
    BCL_TRY(bcl_cli_make_printable(json));
    print_model(json);
out:
    cJSON_Delete(json);
    return status;
}

static int run_show(int argc, char **argv) {
    static const bcl_cli_store_action action = {
        .command =
            {"models show", "NAME[@VERSION|:ALIAS] [OPTION…]",
             "One model: its folder, its run, the data and the models that it was made from.",
             NULL},
        .work = show_work,
        .least = 1,
        .most = 1};
    return bcl_cli_store_act_on_words(&action, "NAME[@VERSION|:ALIAS]", argc, argv);
}

/* ---- promote ---- */

static bcl_status promote_work(bcl_store *store, void *context) {
    const bcl_cli_store_words *o = context;
    bcl_status status = BCL_OK;
    cJSON *json = NULL;
    int64_t model;
    BCL_TRY(bcl_store_find_model(&model, store, o->words.items[0]));
    BCL_TRY(bcl_store_promote(store, model, o->words.items[1]));
    BCL_TRY(bcl_store_model(&json, store, model));
    if (o->json) {
        BCL_TRY(bcl_cli_print_json(json));
        goto out;
    }
    BCL_TRY(bcl_cli_make_printable(json));
    printf("%s:%s is %s@%.0f\n", bcl_json_word(json, "name"), o->words.items[1],
           bcl_json_word(json, "name"), bcl_json_number(json, "version", 0));
out:
    cJSON_Delete(json);
    return status;
}

static int run_promote(int argc, char **argv) {
    static const bcl_cli_store_action action = {
        .command = {"models promote", "NAME@VERSION ALIAS",
                    "NAME:ALIAS is this version from now on.",
                    "bertcl predict --model NAME:production then takes it. A run whose model has "
                    "an alias is not removed by runs gc."},
        .work = promote_work,
        .write = true,
        .least = 2,
        .most = 2};
    return bcl_cli_store_act_on_words(&action, "NAME@VERSION ALIAS", argc, argv);
}

/* ---- export ---- */

typedef struct export_options {
    bcl_list words;
    const char *out;
} export_options;

static bcl_status copy_file(const char *from, const char *to) {
    bcl_status status = BCL_OK;
    bcl_map map = {0};
    BCL_TRY(bcl_map_open(&map, from));
    BCL_TRY(bcl_file_write(to, map.data ? (const void *)map.data : "", map.size));
out:
    bcl_map_close(&map);
    return status;
}

static bcl_status copy_folder(const char *from, const char *to) {
    bcl_status status = BCL_OK;
    char **names = NULL, *source = NULL, *target = NULL;
    size_t count = 0;
    struct stat info;
    BCL_TRY(bcl_directory_create(to));
    BCL_TRY(bcl_directory_list(&names, &count, from));
    for (size_t i = 0; i < count; i++) {
        free(source);
        free(target);
        source = target = NULL;
        BCL_TRY(bcl_path_join(&source, from, names[i]));
        BCL_TRY(bcl_path_join(&target, to, names[i]));
        if (!stat(source, &info) && S_ISREG(info.st_mode))
            BCL_TRY(copy_file(source, target));
    }
out:
    bcl_strings_free(names, count);
    free(source);
    free(target);
    return status;
}

static bcl_status export_work(bcl_store *store, void *context) {
    const export_options *o = context;
    bcl_status status = BCL_OK;
    cJSON *json = NULL;
    char *temporary = NULL;
    int64_t model;
    BCL_TRY(bcl_store_find_model(&model, store, o->words.items[0]));
    BCL_TRY(bcl_store_model(&json, store, model));
    if (bcl_path_exists(o->out))
        BCL_FAIL(BCL_ERROR_EXISTS, "%s: exists; name a new folder with --out or remove it", o->out);
    BCL_TRY(bcl_format(&temporary, "%s.tmp.%.0f", o->out, bcl_seconds() * 1e3));
    status = copy_folder(bcl_json_word(json, "folder"), temporary);
    if (!status)
        status = bcl_path_rename(temporary, o->out);
    if (status) {
        char *message = NULL; /* removing must not replace the first error */
        if (!bcl_strdup(&message, bcl_message())) {
            bcl_path_remove(temporary);
            bcl_fail(status, "%s", message);
        }
        free(message);
        goto out;
    }
    printf("%s: %s@%.0f\n", o->out, bcl_json_word(json, "name"),
           bcl_json_number(json, "version", 0));
out:
    cJSON_Delete(json);
    free(temporary);
    return status;
}

static int run_export(int argc, char **argv) {
    static const bcl_cli_store_action action = {
        .command = {"models export", "NAME[@VERSION|:ALIAS] --out DIR",
                    "Copies a model's files to a new folder.",
                    "The folder is as the Hugging Face hub expects it, with the model's card if it "
                    "has one."},
        .work = export_work,
        .least = 1,
        .most = 1};
    export_options o = {0};
    const bcl_option options[] = {
        {BCL_OPTION_LIST, NULL, &o.words, "NAME", "one model", .min = 0},
        {BCL_OPTION_TEXT, "out", &o.out, "DIR", "the new folder", .min = 0},
        {.kind = BCL_OPTION_END},
    };
    int code = bcl_cli_store_parse(&action, options, argc, argv);
    if (code < 0 && !o.out)
        code = bcl_cli_usage(&action.command, "--out DIR is needed");
    return bcl_cli_store_finish(&action, options, &o, code);
}

int bcl_cli_models(int argc, char **argv) {
    static const bcl_cli_entry actions[] = {
        {"list", run_list, "names and versions, where they come from, their figures", false},
        {"show", run_show, "one of them, with its lineage", false},
        {"promote", run_promote, "give a version an alias: NAME:production", false},
        {"export", run_export, "copy one to a folder", true},
        {NULL, NULL, NULL, false},
    };
    return bcl_cli_dispatch("models", actions, argc, argv);
}
