/* bertcl runs: the store's runs, listed, shown, compared, tagged, deleted, read in again, followed.
 */
#include "cli/runs_command.h"

#include <math.h>
#include <time.h>
#include <unistd.h>

enum { SHOWN = 50 };

/* ---- list ---- */

typedef struct list_options {
    const char *where, *sort;
    bcl_list fields;
    int64_t limit;
    bool json, all, deleted;
} list_options;

static bcl_status add_list_row(bcl_cli_table *t, const cJSON *run, const list_options *o) {
    bcl_status status = BCL_OK;
    char a[64], b[64], c[64], d[64], time[32], length[32], step[64] = "";
    const double at = bcl_cli_number(run, "step", 0), of = bcl_cli_number(run, "steps", 0);
    if (of > 0 && at != of)
        snprintf(step, sizeof step, "%.0f/%.0f", at, of);
    else if (at > 0)
        snprintf(step, sizeof step, "%.0f", at);
    BCL_TRY(bcl_cli_table_add(t, "%.8s", bcl_cli_word(run, "id")));
    BCL_TRY(bcl_cli_table_add(t, "%s", bcl_cli_word(run, "name")));
    BCL_TRY(bcl_cli_table_add(t, "%s", bcl_cli_word(run, "command")));
    BCL_TRY(bcl_cli_table_add(t, "%s", bcl_cli_word(run, "state")));
    BCL_TRY(bcl_cli_table_add(t, "%s", bcl_cli_time(time, bcl_cli_number(run, "started", 0))));
    BCL_TRY(
        bcl_cli_table_add(t, "%s", bcl_cli_duration(length, bcl_cli_number(run, "seconds", 0))));
    BCL_TRY(bcl_cli_table_add(t, "%s", step));
    BCL_TRY(bcl_cli_table_add(t, "%s", bcl_cli_value(a, run, "loss", 4)));
    BCL_TRY(bcl_cli_table_add(t, "%s", bcl_cli_value(b, run, "eval_loss", 4)));
    BCL_TRY(bcl_cli_table_add(t, "%s", bcl_cli_value(c, run, "eval_accuracy", 4)));
    BCL_TRY(bcl_cli_table_add(t, "%s", bcl_cli_value(d, run, "eval_macro_f1", 4)));
    const cJSON *fields = cJSON_GetObjectItemCaseSensitive(run, "fields");
    for (size_t i = 0; i < o->fields.count; i++)
        BCL_TRY(bcl_cli_table_add(t, "%s", bcl_cli_value(a, fields, o->fields.items[i], 6)));
out:
    return status;
}

static bcl_status print_list(const cJSON *runs, size_t total, const list_options *o) {
    static const char *const titles[] = {"ID",         "NAME",      "KIND",     "STATE",
                                         "STARTED",    ">TIME",     ">STEP",    ">LOSS",
                                         ">EVAL LOSS", ">ACCURACY", ">MACRO F1"};
    bcl_status status = BCL_OK;
    bcl_cli_table t = {0};
    const cJSON *run;
    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++)
        BCL_TRY(bcl_cli_table_column(&t, titles[i]));
    for (size_t i = 0; i < o->fields.count; i++)
        BCL_TRY(bcl_cli_table_column(&t, o->fields.items[i]));
    cJSON_ArrayForEach(run, runs) BCL_TRY(add_list_row(&t, run, o));
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
    const list_options *o = context;
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
    BCL_TRY(o->json ? bcl_cli_print_json(runs) : print_list(runs, total, o));
    if (!total && !o->where)
        fprintf(stderr, "no runs in %s (BERTCL_HOME names another store)\n", bcl_store_home(store));
out:
    cJSON_Delete(runs);
    return status;
}

static int run_list(int argc, char **argv) {
    static const bcl_command command = {
        "runs list", "[OPTION…]", "The runs that the store knows, the newest first.",
        "A condition compares a key with a number or a text: = != < <= > >= and ~ (holds the "
        "text), "
        "joined by and, or, not and parentheses: --where \"eval.macro_f1 > 0.9 and lr = 1e-5\". "
        "Keys "
        "are those of results.json (eval.loss, eval.report.I-LOC.recall), options (lr, batch), "
        "metrics (metrics.loss: the last one), tags, and id, name, command, state, device, gemm, "
        "precision, host, started, seconds, step. A key with spaces stands in `backquotes`.\n\n"
        "States: finished, failed, stopped (by Ctrl-C), running, killed (its process is gone), "
        "lost "
        "(another host's, silent for two minutes). They are found when the list is made."};
    list_options o = {.limit = SHOWN};
    bcl_status status = BCL_OK;
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
    int code = bcl_options_parse(&command, options, argc, argv, 2);
    if (code < 0) {
        status = bcl_cli_with_store(list_work, &o, false);
        code = status ? bcl_cli_error(status) : BCL_EXIT_OK;
    }
    bcl_list_free(&o.fields);
    return code;
}

/* ---- show ---- */

typedef struct show_options {
    bcl_list runs;
    const char *metric;
    int64_t every;
    bool json;
} show_options;

static bcl_status print_pairs(const char *title, const cJSON *object) {
    bcl_status status = BCL_OK;
    bcl_cli_table t = {0};
    const cJSON *item;
    char text[64];
    if (!cJSON_GetArraySize(object))
        return status;
    BCL_TRY(bcl_cli_table_column(&t, title));
    BCL_TRY(bcl_cli_table_column(&t, "VALUE"));
    cJSON_ArrayForEach(item, object) {
        BCL_TRY(bcl_cli_table_add(&t, "%s", item->string));
        BCL_TRY(bcl_cli_table_add(&t, "%s",
                                  cJSON_IsString(item) ? item->valuestring
                                                       : bcl_cli_value(text, item, NULL, 9)));
    }
    putchar('\n');
    BCL_TRY(bcl_cli_table_print(&t));
out:
    bcl_cli_table_free(&t);
    return status;
}

/* A list of objects as a table with the named keys. */
static bcl_status print_rows(const char *title, const cJSON *rows, const char *const *keys,
                             size_t count) {
    bcl_status status = BCL_OK;
    bcl_cli_table t = {0};
    const cJSON *row;
    char text[64];
    if (!cJSON_GetArraySize(rows))
        return status;
    printf("\n%s\n", title);
    for (size_t i = 0; i < count; i++)
        BCL_TRY(bcl_cli_table_column(&t, keys[i]));
    cJSON_ArrayForEach(row, rows) for (size_t i = 0; i < count; i++) {
        const char *key = keys[i] + (keys[i][0] == '>');
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(row, key);
        BCL_TRY(bcl_cli_table_add(&t, "%s",
                                  cJSON_IsString(item) ? item->valuestring
                                                       : bcl_cli_value(text, item, NULL, 9)));
    }
    BCL_TRY(bcl_cli_table_print(&t));
out:
    bcl_cli_table_free(&t);
    return status;
}

static void print_command_line(const cJSON *argv) {
    const cJSON *word;
    printf("command   ");
    cJSON_ArrayForEach(word, argv) {
        const char *text = cJSON_IsString(word) ? word->valuestring : "";
        const bool plain = *text && !strpbrk(text, " \t\n'\"\\$`*?[]{}()<>|&;~!#");
        putchar(' ');
        if (plain) {
            fputs(text, stdout);
            continue;
        }
        putchar('\'');
        for (; *text; text++)
            if (*text == '\'')
                fputs("'\\''", stdout);
            else
                putchar(*text);
        putchar('\'');
    }
    putchar('\n');
}

static bcl_status print_run(const cJSON *run) {
    static const char *const metrics[] = {"key", ">points", ">last_step", ">last", ">min", ">max"},
                             *const datasets[] = {"role",       "name",   ">version",
                                                  ">sentences", ">words", "sha256"},
                             *const models[] = {"role", "name", ">version", "folder", "sha256"},
                             *const artifacts[] = {"role", "path", ">bytes", "sha256"};
    static const struct {
        const char *title, *key;
    } heads[] = {{"id", "id"},         {"name", "name"},       {"kind", "command"},
                 {"state", "state"},   {"because", "message"}, {"folder", "folder"},
                 {"device", "device"}, {"products", "gemm"},   {"precision", "precision"}};
    bcl_status status = BCL_OK;
    char time[32], length[32];
    const cJSON *track = cJSON_GetObjectItemCaseSensitive(run, "track");
    const cJSON *host = cJSON_GetObjectItemCaseSensitive(track, "host");
    const cJSON *git = cJSON_GetObjectItemCaseSensitive(track, "git");
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        if (*bcl_cli_word(run, heads[i].key))
            printf("%-10s %s\n", heads[i].title, bcl_cli_word(run, heads[i].key));
    printf("%-10s %s, for %s\n", "started", bcl_cli_time(time, bcl_cli_number(run, "started", 0)),
           bcl_cli_duration(length, bcl_cli_number(run, "seconds", 0)));
    if (track) {
        print_command_line(cJSON_GetObjectItemCaseSensitive(track, "argv"));
        printf("%-10s %s, in %s, bertcl %s\n", "host", bcl_cli_word(host, "name"),
               bcl_cli_word(track, "cwd"), bcl_cli_word(track, "bertcl"));
    }
    if (cJSON_IsObject(git))
        printf("%-10s %.12s on %s%s\n", "git", bcl_cli_word(git, "commit"),
               bcl_cli_word(git, "branch"),
               cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(git, "changed")) ? ", with changes"
                                                                              : "");
    BCL_TRY(print_pairs("TAG", cJSON_GetObjectItemCaseSensitive(run, "tags")));
    BCL_TRY(print_pairs("OPTION", cJSON_GetObjectItemCaseSensitive(run, "params")));
    BCL_TRY(print_rows("metrics", cJSON_GetObjectItemCaseSensitive(run, "metrics"), metrics, 6));
    BCL_TRY(print_pairs("FIGURE", cJSON_GetObjectItemCaseSensitive(run, "figures")));
    BCL_TRY(print_rows("data", cJSON_GetObjectItemCaseSensitive(run, "datasets"), datasets, 6));
    BCL_TRY(print_rows("models", cJSON_GetObjectItemCaseSensitive(run, "models"), models, 5));
    BCL_TRY(
        print_rows("artifacts", cJSON_GetObjectItemCaseSensitive(run, "artifacts"), artifacts, 4));
out:
    return status;
}

static void print_points(const cJSON *points) {
    const cJSON *point;
    cJSON_ArrayForEach(point, points) {
        const cJSON *value = point->child->next;
        if (cJSON_IsNumber(value))
            printf("%.0f\t%.9g\n", point->child->valuedouble, value->valuedouble);
        else
            printf("%.0f\tnan\n", point->child->valuedouble);
    }
}

static bcl_status show_work(bcl_store *store, void *context) {
    const show_options *o = context;
    bcl_status status = BCL_OK;
    cJSON *json = NULL;
    int64_t run;
    BCL_TRY(bcl_store_find_run(&run, store, o->runs.items[0]));
    if (o->metric)
        BCL_TRY(bcl_store_metric(&json, store, run, o->metric, o->every));
    else
        BCL_TRY(bcl_store_run(&json, store, run));
    if (!o->json)
        BCL_TRY(bcl_cli_make_printable(json));
    if (o->json)
        BCL_TRY(bcl_cli_print_json(json));
    else if (o->metric)
        print_points(json);
    else
        BCL_TRY(print_run(json));
out:
    cJSON_Delete(json);
    return status;
}

static int run_show(int argc, char **argv) {
    static const bcl_command command = {
        "runs show", "RUN [OPTION…]",
        "All that the store knows of a run: where and how it ran, options, metrics, figures, data, "
        "models, artifacts.",
        "RUN is an id or its beginning, a name, or a folder. --metric loss --every 100 prints the "
        "mean of every hundred steps, behind the step it ends with."};
    show_options o = {.every = 1};
    bcl_status status = BCL_OK;
    const bcl_option options[] = {
        {BCL_OPTION_LIST, NULL, &o.runs, "RUN", "the run", .min = 0},
        {BCL_OPTION_TEXT, "metric", &o.metric, "KEY", "the points of one metric", .min = 0},
        {BCL_OPTION_INT, "every", &o.every, "N", "means over N steps; default 1", .min = 1,
         .max = 1e12},
        {BCL_OPTION_FLAG, "json", &o.json, NULL, "print JSON", .min = 0},
        {.kind = BCL_OPTION_END},
    };
    int code = bcl_options_parse(&command, options, argc, argv, 2);
    if (code < 0 && o.runs.count != 1)
        code = bcl_cli_usage(&command, "found %zu runs, expected one", o.runs.count);
    if (code < 0) {
        status = bcl_cli_with_store(show_work, &o, false);
        code = status ? bcl_cli_error(status) : BCL_EXIT_OK;
    }
    bcl_list_free(&o.runs);
    return code;
}

/* ---- compare ---- */

typedef struct compare_options {
    bcl_list runs;
    bool json, all;
} compare_options;

static bcl_status print_comparison(const char *title, const cJSON *rows, const cJSON *runs) {
    bcl_status status = BCL_OK;
    bcl_cli_table t = {0};
    const cJSON *row, *run, *value;
    char text[64];
    if (!cJSON_GetArraySize(rows))
        goto out;
    const bool two = cJSON_GetArraySize(runs) == 2;
    printf("\n");
    BCL_TRY(bcl_cli_table_column(&t, title));
    cJSON_ArrayForEach(run, runs) {
        snprintf(text, sizeof text, ">%.30s", bcl_cli_word(run, "name"));
        BCL_TRY(bcl_cli_table_column(&t, text));
    }
    if (two)
        BCL_TRY(bcl_cli_table_column(&t, ">difference"));
    cJSON_ArrayForEach(row, rows) {
        const cJSON *values = cJSON_GetObjectItemCaseSensitive(row, "values");
        BCL_TRY(bcl_cli_table_add(&t, "%s", bcl_cli_word(row, "key")));
        cJSON_ArrayForEach(value, values)
            BCL_TRY(bcl_cli_table_add(&t, "%s",
                                      cJSON_IsString(value) ? value->valuestring
                                      : cJSON_IsNull(value) ? "-"
                                                            : bcl_cli_value(text, value, NULL, 7)));
        if (!two)
            continue;
        const cJSON *a = values->child, *b = a->next;
        if (cJSON_IsNumber(a) && cJSON_IsNumber(b))
            BCL_TRY(bcl_cli_table_add(&t, "%+.4g", b->valuedouble - a->valuedouble));
        else
            BCL_TRY(bcl_cli_table_add(&t, "%s", ""));
    }
    BCL_TRY(bcl_cli_table_print(&t));
out:
    bcl_cli_table_free(&t);
    return status;
}

static bcl_status compare_work(bcl_store *store, void *context) {
    const compare_options *o = context;
    bcl_status status = BCL_OK;
    cJSON *json = NULL;
    int64_t *runs = NULL;
    BCL_TRY(bcl_cli_find_runs(&runs, store, &o->runs));
    BCL_TRY(bcl_store_compare(&json, store, runs, o->runs.count, o->all));
    if (o->json) {
        BCL_TRY(bcl_cli_print_json(json));
        goto out;
    }
    BCL_TRY(bcl_cli_make_printable(json));
    const cJSON *heads = cJSON_GetObjectItemCaseSensitive(json, "runs");
    BCL_TRY(print_list(heads, o->runs.count, &(list_options){0}));
    BCL_TRY(print_comparison("OPTION", cJSON_GetObjectItemCaseSensitive(json, "params"), heads));
    BCL_TRY(print_comparison("FIGURE", cJSON_GetObjectItemCaseSensitive(json, "figures"), heads));
    BCL_TRY(
        print_comparison("LAST METRIC", cJSON_GetObjectItemCaseSensitive(json, "metrics"), heads));
out:
    free(runs);
    cJSON_Delete(json);
    return status;
}

static int run_compare(int argc, char **argv) {
    static const bcl_command command = {
        "runs compare", "RUN RUN… [OPTION…]",
        "Runs side by side: the options, figures and last metrics in which they differ.",
        "Between two runs the last column is the second's less the first's."};
    compare_options o = {0};
    bcl_status status = BCL_OK;
    const bcl_option options[] = {
        {BCL_OPTION_LIST, NULL, &o.runs, "RUN…", "at least two", .min = 0},
        {BCL_OPTION_FLAG, "all", &o.all, NULL, "also what is equal", .min = 0},
        {BCL_OPTION_FLAG, "json", &o.json, NULL, "print JSON", .min = 0},
        {.kind = BCL_OPTION_END},
    };
    int code = bcl_options_parse(&command, options, argc, argv, 2);
    if (code < 0 && (o.runs.count < 2 || o.runs.count > BCL_TABLE_COLUMNS - 2))
        code = bcl_cli_usage(&command, "found %zu runs, expected 2 to %d", o.runs.count,
                             BCL_TABLE_COLUMNS - 2);
    if (code < 0) {
        status = bcl_cli_with_store(compare_work, &o, false);
        code = status ? bcl_cli_error(status) : BCL_EXIT_OK;
    }
    bcl_list_free(&o.runs);
    return code;
}

/* ---- */

int bcl_cli_runs(int argc, char **argv) {
    static const bcl_cli_entry actions[] = {
        {"list", run_list, "the runs that the store knows", false},
        {"show", run_show, "all of one run, or the points of a metric", false},
        {"compare", run_compare, "runs side by side", false},
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
