/* bertcl runs: its actions, and the first of them, list. */
#include "cli/runs_command.h"

enum { SHOWN = 50 };

/* Whether one of them is one of several seeds: then there is a column for it. */
static bool any_group(const cJSON *runs) {
    const cJSON *run;
    cJSON_ArrayForEach(run, runs) if (*bcl_json_word(run, "group")) return true;
    return false;
}

static bcl_status add_list_row(bcl_cli_table *t, const cJSON *run, const bcl_cli_runs_list *o,
                               bool groups) {
    bcl_status status = BCL_OK;
    char a[64], b[64], c[64], d[64], time[32], length[32], step[64] = "";
    const double at = bcl_json_number(run, "step", 0), of = bcl_json_number(run, "steps", 0);
    if (of > 0 && at != of)
        snprintf(step, sizeof step, "%.0f/%.0f", at, of);
    else if (at > 0)
        snprintf(step, sizeof step, "%.0f", at);
    BCL_TRY(bcl_cli_table_add(t, "%.8s", bcl_json_word(run, "id")));
    BCL_TRY(bcl_cli_table_add(t, "%s", bcl_json_word(run, "name")));
    BCL_TRY(bcl_cli_table_add(t, "%s", bcl_json_word(run, "command")));
    BCL_TRY(bcl_cli_table_add(t, "%s", bcl_json_word(run, "state")));
    BCL_TRY(bcl_cli_table_add(t, "%s", bcl_cli_time(time, bcl_json_number(run, "started", 0))));
    BCL_TRY(
        bcl_cli_table_add(t, "%s", bcl_cli_duration(length, bcl_json_number(run, "seconds", 0))));
    BCL_TRY(bcl_cli_table_add(t, "%s", step));
    BCL_TRY(bcl_cli_table_add(t, "%s", bcl_cli_value(a, run, "loss", 4)));
    BCL_TRY(bcl_cli_table_add(t, "%s", bcl_cli_value(b, run, "eval_loss", 4)));
    BCL_TRY(bcl_cli_table_add(t, "%s", bcl_cli_value(c, run, "eval_accuracy", 4)));
    BCL_TRY(bcl_cli_table_add(t, "%s", bcl_cli_value(d, run, "eval_macro_f1", 4)));
    if (groups)
        BCL_TRY(bcl_cli_table_add(t, "%s", bcl_json_word(run, "group")));
    const cJSON *fields = cJSON_GetObjectItemCaseSensitive(run, "fields");
    for (size_t i = 0; i < o->fields.count; i++)
        BCL_TRY(bcl_cli_table_add(t, "%s", bcl_cli_value(a, fields, o->fields.items[i], 6)));
out:
    return status;
}

bcl_status bcl_cli_runs_print(const cJSON *runs, size_t total, const bcl_cli_runs_list *o) {
    static const char *const titles[] = {"ID",         "NAME",      "KIND",     "STATE",
                                         "STARTED",    ">TIME",     ">STEP",    ">LOSS",
                                         ">EVAL LOSS", ">ACCURACY", ">MACRO F1"};
    bcl_status status = BCL_OK;
    bcl_cli_table t = {0};
    const cJSON *run;
    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++)
        BCL_TRY(bcl_cli_table_column(&t, titles[i]));
    const bool groups = any_group(runs);
    if (groups)
        BCL_TRY(bcl_cli_table_column(&t, "GROUP"));
    for (size_t i = 0; i < o->fields.count; i++)
        BCL_TRY(bcl_cli_table_column(&t, o->fields.items[i]));
    cJSON_ArrayForEach(run, runs) BCL_TRY(add_list_row(&t, run, o, groups));
    if (total)
        BCL_TRY(bcl_cli_table_print(&t));
    if (total > (size_t)cJSON_GetArraySize(runs))
        fprintf(stderr, "%d of %zu runs; --limit N or --all shows more\n", cJSON_GetArraySize(runs),
                total);
    else if (!total && o->where)
        fputs("no run is like that\n", stderr);
out:
    bcl_cli_table_free(&t);
    return status;
}

static bcl_status list_work(bcl_store *store, void *context) {
    const bcl_cli_runs_list *o = context;
    bcl_status status = BCL_OK;
    cJSON *runs = NULL;
    size_t total = 0;
    const bcl_run_query query = {.where = o->where,
                                 .sort = o->sort,
                                 .fields = o->fields.items,
                                 .field_count = o->fields.count,
                                 .limit = o->all ? 0 : (size_t)o->limit,
                                 .deleted = o->deleted};
    BCL_TRY(bcl_store_runs(&runs, &total, store, &query));
    BCL_TRY(o->json ? bcl_cli_print_json(runs) : bcl_cli_runs_print(runs, total, o));
    if (!total && !o->where)
        fprintf(stderr, "no runs in %s (BERTCL_HOME names another store)\n", bcl_store_home(store));
out:
    cJSON_Delete(runs);
    return status;
}

static int run_list(int argc, char **argv) {
    static const bcl_cli_store_action action = {
        .command =
            {"runs list", "[OPTION…]", "The runs that the store knows, the newest first.",
             "A condition compares a key with a number or a text: = != < <= > >= and ~ (holds the "
             "text), joined by and, or, not and parentheses: --where \"eval.macro_f1 > 0.9 and lr "
             "= 1e-5\". Keys are those of results.json (eval.loss, eval.report.I-LOC.recall), "
             "options (lr, batch), metrics (metrics.loss: the last one), tags, and id, name, "
             "command, state, device, gemm, precision, host, started, seconds, step. A key with "
             "spaces stands in `backquotes`.\n\n"
             "States: finished, damaged (its results cannot be read, runs show says why), failed, "
             "stopped (by Ctrl-C), running, killed (its process is gone), lost (another host's, "
             "silent for two minutes). They are found when the list is made."},
        .work = list_work};
    bcl_cli_runs_list o = {.limit = SHOWN};
    const bcl_option options[] = {
        {BCL_OPTION_TEXT, "where", &o.where, "CONDITION", "only runs like that", .min = 0},
        {BCL_OPTION_TEXT, "sort", &o.sort, "KEY", "by a key, rising; -KEY: falling", .min = 0},
        {BCL_OPTION_LIST, "fields", &o.fields, "KEY…", "further columns", .min = 0},
        {BCL_OPTION_INT, "limit", &o.limit, "N", "how many; default 50", .min = 1, .max = 1e9},
        {BCL_OPTION_FLAG, "all", &o.all, NULL, "no limit", .min = 0},
        {BCL_OPTION_FLAG, "deleted", &o.deleted, NULL, "those that were deleted", .min = 0},
        {BCL_OPTION_FLAG, "json", &o.json, NULL, "print JSON", .min = 0},
        {.kind = BCL_OPTION_END},
    };
    return bcl_cli_store_act(&action, options, &o, argc, argv);
}

int bcl_cli_runs(int argc, char **argv) {
    static const bcl_cli_entry actions[] = {
        {"list", run_list, "the runs that the store knows", false},
        {"show", bcl_cli_runs_show, "all of one run, or the points of a metric", false},
        {"compare", bcl_cli_runs_compare, "runs side by side", false},
        {"tag", bcl_cli_runs_tag, "set or remove KEY=VALUE", true},
        {"delete", bcl_cli_runs_delete, "hide runs until runs gc removes them", true},
        {"gc", bcl_cli_runs_gc, "remove what was deleted, forget what is gone", true},
        {"import", bcl_cli_runs_import, "read run folders in; makes a lost index again", true},
        {"sync", bcl_cli_runs_sync, "send what a server has not got yet", true},
        {"watch", bcl_cli_runs_watch, "follow a run from another terminal", false},
        {NULL, NULL, NULL, false},
    };
    return bcl_cli_dispatch("runs", actions, argc, argv);
}
