/* bertcl runs tag, delete, gc, import, sync, watch. */
#include "cli/progress.h"
#include "cli/runs_command.h"
#include "cli/terminal.h"

#include <errno.h>
#include <time.h>
#include <unistd.h>

typedef struct change_options {
    bcl_list words;
    int64_t seconds;
    bool json, dry, restore, once;
} change_options;

/* ---- tag ---- */

static bcl_status tag_work(bcl_store *store, void *context) {
    const change_options *o = context;
    bcl_status status = BCL_OK;
    cJSON *json = NULL;
    const cJSON *tag;
    int64_t run;
    BCL_TRY(bcl_store_find_run(&run, store, o->words.items[0]));
    for (size_t i = 1; i < o->words.count; i++)
        BCL_TRY(bcl_store_tag(store, run, o->words.items[i]));
    BCL_TRY(bcl_store_run(&json, store, run));
    BCL_TRY(bcl_cli_make_printable(json));
    printf("%s:", bcl_json_word(json, "name"));
    cJSON_ArrayForEach(tag, cJSON_GetObjectItemCaseSensitive(json, "tags"))
        printf(" %s=%s", tag->string, tag->valuestring);
    putchar('\n');
out:
    cJSON_Delete(json);
    return status;
}

int bcl_cli_runs_tag(int argc, char **argv) {
    static const bcl_cli_store_action action = {
        .command = {"runs tag", "RUN KEY=VALUE…", "Sets tags of a run; KEY= removes one.",
                    "They are kept in the run's folder, in marks.json."},
        .work = tag_work,
        .write = true,
        .least = 2};
    change_options o = {0};
    const bcl_option options[] = {
        {BCL_OPTION_LIST, NULL, &o.words, "RUN KEY=VALUE…", "the run, then tags", .min = 0},
        {.kind = BCL_OPTION_END},
    };
    return bcl_cli_store_act(&action, options, &o, argc, argv);
}

/* ---- delete ---- */

static bcl_status delete_work(bcl_store *store, void *context) {
    const change_options *o = context;
    bcl_status status = BCL_OK;
    int64_t *runs = NULL;
    BCL_TRY(bcl_cli_find_runs(&runs, store, &o->words)); /* all, before the first is changed */
    for (size_t i = 0; i < o->words.count; i++) {
        BCL_TRY(bcl_store_delete(store, runs[i], !o->restore));
        printf("%s: %s\n", o->words.items[i], o->restore ? "restored" : "deleted");
    }
out:
    free(runs);
    return status;
}

int bcl_cli_runs_delete(int argc, char **argv) {
    static const bcl_cli_store_action action = {
        .command = {"runs delete", "RUN… [--restore]", "Hides runs from lists; their files stay.",
                    "bertcl runs gc removes the files. Until then --restore, with the run's id or "
                    "folder, takes it back."},
        .work = delete_work,
        .write = true,
        .least = 1};
    change_options o = {0};
    const bcl_option options[] = {
        {BCL_OPTION_LIST, NULL, &o.words, "RUN…", "which", .min = 0},
        {BCL_OPTION_FLAG, "restore", &o.restore, NULL, "take it back", .min = 0},
        {.kind = BCL_OPTION_END},
    };
    return bcl_cli_store_act(&action, options, &o, argc, argv);
}

/* ---- gc ---- */

static bcl_status gc_work(bcl_store *store, void *context) {
    const change_options *o = context;
    bcl_status status = BCL_OK;
    bcl_cli_table t = {0};
    cJSON *list = NULL;
    const cJSON *item;
    char size[32];
    BCL_TRY(bcl_store_gc(&list, store, o->dry));
    if (o->json) {
        BCL_TRY(bcl_cli_print_json(list));
        goto out;
    }
    BCL_TRY(bcl_cli_table_column(&t, o->dry ? "WOULD BE" : "WAS"));
    BCL_TRY(bcl_cli_table_column(&t, "NAME"));
    BCL_TRY(bcl_cli_table_column(&t, ">SIZE"));
    BCL_TRY(bcl_cli_table_column(&t, "FOLDER"));
    cJSON_ArrayForEach(item, list) {
        BCL_TRY(bcl_cli_table_add(&t, "%s", bcl_json_word(item, "what")));
        BCL_TRY(bcl_cli_table_add(&t, "%s", bcl_json_word(item, "name")));
        BCL_TRY(
            bcl_cli_table_add(&t, "%s", bcl_cli_bytes(size, bcl_json_number(item, "bytes", 0))));
        BCL_TRY(bcl_cli_table_add(&t, "%s", bcl_json_word(item, "folder")));
    }
    if (t.cell_count)
        BCL_TRY(bcl_cli_table_print(&t));
    else
        fputs("nothing to remove\n", stderr);
out:
    bcl_cli_table_free(&t);
    cJSON_Delete(list);
    return status;
}

int bcl_cli_runs_gc(int argc, char **argv) {
    static const bcl_cli_store_action action = {
        .command = {"runs gc", "[OPTION…]",
                    "Removes the folders of deleted runs, and forgets runs and models whose "
                    "folders are gone.",
                    "A deleted run stays as long as its model is promoted."},
        .work = gc_work,
        .write = true};
    change_options o = {0};
    const bcl_option options[] = {
        {BCL_OPTION_FLAG, "dry-run", &o.dry, NULL, "only tell what would be removed", .min = 0},
        {BCL_OPTION_FLAG, "json", &o.json, NULL, "print JSON", .min = 0},
        {.kind = BCL_OPTION_END},
    };
    return bcl_cli_store_act(&action, options, &o, argc, argv);
}

/* ---- import ---- */

static bcl_status import_work(bcl_store *store, void *context) {
    const change_options *o = context;
    bcl_status status = BCL_OK;
    size_t all = 0, runs;
    for (size_t i = 0; i < o->words.count; i++) {
        BCL_TRY(bcl_store_import_all(store, o->words.items[i], &runs));
        all += runs;
    }
    printf("%zu runs read into %s\n", all, bcl_store_home(store));
out:
    return status;
}

int bcl_cli_runs_import(int argc, char **argv) {
    static const bcl_cli_store_action action = {
        .command =
            {"runs import", "DIR…", "Reads every run folder in and below DIR into the store.",
             "What is known already is only read as far as it is new, so it may be done at any "
             "time: the folders are the truth, the store is an index over them. A lost index is "
             "also made from the store's journal, by whatever command comes first."},
        .work = import_work,
        .write = true,
        .least = 1};
    change_options o = {0};
    const bcl_option options[] = {
        {BCL_OPTION_LIST, NULL, &o.words, "DIR…", "run folders, or folders of them", .min = 0},
        {.kind = BCL_OPTION_END},
    };
    return bcl_cli_store_act(&action, options, &o, argc, argv);
}

/* ---- sync ---- */

/* All, or those that are named. A run that fails is told, and the others are sent. */
static bcl_status sync_work(bcl_store *store, void *context) {
    const change_options *o = context;
    bcl_status status = BCL_OK, first = BCL_OK;
    int64_t *runs = NULL;
    cJSON *list = NULL;
    const cJSON *item;
    bcl_list names = {0};
    char *message = NULL;
    size_t done = 0;
    if (!o->words.count) {
        BCL_TRY(bcl_store_runs(&list, NULL, store, &(bcl_run_query){0}));
        cJSON_ArrayForEach(item, list) {
            BCL_TRY(bcl_grow(&names.items, &names.capacity, names.count + 1, sizeof *names.items));
            names.items[names.count++] = bcl_json_word(item, "id");
        }
    }
    const bcl_list *which = o->words.count ? &o->words : &names;
    BCL_TRY(bcl_cli_find_runs(&runs, store, which));
    for (size_t i = 0; i < which->count; i++) {
        bool sent;
        const bcl_status one = bcl_store_sync(store, runs[i], &sent);
        if (one && first)
            fprintf(stderr, "bertcl: %s\n", bcl_message());
        if (one && !first && !bcl_strdup(&message, bcl_message()))
            first = one;
        done += !one && sent;
    }
    if (!first)
        printf("%zu runs sent\n", done);
    else
        status = bcl_fail(first, "%s", message);
out:
    free(message);
    free(runs);
    cJSON_Delete(list);
    bcl_list_free(&names);
    return status;
}

int bcl_cli_runs_sync(int argc, char **argv) {
    static const bcl_cli_store_action action = {
        .command =
            {"runs sync", "[RUN…]",
             "Sends to MLflow what it has not got yet of runs that were begun with --track mlflow.",
             "The server is MLFLOW_TRACKING_URI, with MLFLOW_TRACKING_TOKEN or "
             "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD. It may be done at any time "
             "and again: nothing is sent twice. Without RUN all runs are looked at."},
        .work = sync_work,
        .write = true};
    change_options o = {0};
    const bcl_option options[] = {
        {BCL_OPTION_LIST, NULL, &o.words, "RUN…", "which", .min = 0},
        {.kind = BCL_OPTION_END},
    };
    return bcl_cli_store_act(&action, options, &o, argc, argv);
}

/* ---- watch ---- */

/* The line, and what each of several devices does; NULL: one, or nobody wants to know. */
static void print_devices(const char *line, const cJSON *devices, bool bar) {
    bcl_string table = {0};
    if (devices)
        (void)bcl_progress_table(&table, devices);
    if (bar)
        bcl_terminal_rewrite_above(stdout, line, table.data ? table.data : "");
    else
        printf("%s\n%s", line, table.data ? table.data : "");
    fflush(stdout);
    bcl_string_free(&table);
}

static void print_state(const cJSON *run, bool bar, bool once) {
    char time[32], a[64], b[64], line[512];
    const double step = bcl_json_number(run, "step", 0), steps = bcl_json_number(run, "steps", 0);
    int n = snprintf(line, sizeof line, "%s %s  %s  step %.0f", bcl_json_word(run, "name"),
                     bcl_json_word(run, "state"),
                     bcl_cli_duration(time, bcl_json_number(run, "seconds", 0)), step);
    if (steps > 0)
        n += snprintf(line + n, sizeof line - (size_t)n, " of %.0f", steps);
    if (*bcl_cli_value(a, run, "loss", 5))
        n += snprintf(line + n, sizeof line - (size_t)n, "  loss %s", a);
    if (*bcl_cli_value(b, run, "eval_loss", 5))
        n += snprintf(line + n, sizeof line - (size_t)n, "  eval loss %s", b);
    if (*bcl_cli_value(a, run, "eval_macro_f1", 4))
        snprintf(line + n, sizeof line - (size_t)n, "  macro F1 %s", a);
    print_devices(line, bar || once ? cJSON_GetObjectItemCaseSensitive(run, "devices") : NULL, bar);
}

static bcl_status watch_work(bcl_store *store, void *context) {
    const change_options *o = context;
    bcl_status status = BCL_OK;
    cJSON *json = NULL;
    int64_t run;
    const bool bar = isatty(STDOUT_FILENO) && !o->once;
    double shown = -1;
    bool running;
    bcl_interrupt_catch();
    BCL_TRY(bcl_store_find_run(&run, store, o->words.items[0]));
    do {
        cJSON_Delete(json);
        json = NULL;
        BCL_TRY(bcl_store_refresh(store));
        BCL_TRY(bcl_store_run(&json, store, run));
        BCL_TRY(bcl_cli_make_printable(json));
        running = !strcmp(bcl_json_word(json, "state"), "running");
        const double step = bcl_json_number(json, "step", 0);
        if (bar || step != shown || !running || o->once)
            print_state(json, bar, o->once);
        shown = step;
        for (int i = 0; running && !o->once && i < o->seconds * 10 && !bcl_interrupted(); i++)
            nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    } while (running && !o->once && !bcl_interrupted());
    if (bar) /* and the devices' table goes */
        fputs("\n\033[J", stdout);
    if (*bcl_json_word(json, "message"))
        printf("%s\n", bcl_json_word(json, "message"));
out:
    cJSON_Delete(json);
    return status;
}

int bcl_cli_runs_watch(int argc, char **argv) {
    static const bcl_cli_store_action action = {
        .command = {"runs watch", "RUN [OPTION…]",
                    "Follows a run of any process until it ends: state, step, loss, evaluations.",
                    "A terminal gets one line that changes, and below it what each of "
                    "several devices does; a file or pipe a line whenever there "
                    "are new steps. Ctrl-C ends the watching, not the run."},
        .work = watch_work,
        .write = true,
        .least = 1,
        .most = 1};
    change_options o = {.seconds = 2};
    const bcl_option options[] = {
        {BCL_OPTION_LIST, NULL, &o.words, "RUN", "id, name or folder", .min = 0},
        {BCL_OPTION_INT, "every", &o.seconds, "SECONDS", "between two looks; default 2", .min = 1,
         .max = 3600},
        {BCL_OPTION_FLAG, "once", &o.once, NULL, "look once", .min = 0},
        {.kind = BCL_OPTION_END},
    };
    return bcl_cli_store_act(&action, options, &o, argc, argv);
}
