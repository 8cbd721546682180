/* bertcl runs show: all that the store knows of a run, or the points of one metric. */
#include "cli/runs_command.h"

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
    static const char
        *const metrics[] = {"key", ">points", ">last_step", ">last", ">min", ">max"},
               *const datasets[] = {"role", "name", ">version", ">sentences", ">words", "sha256"},
               *const models[] = {"role", "name", ">version", "folder", "sha256"},
               *const runs[] = {"id",         "name",           "state",         ">step",
                                ">eval_loss", ">eval_accuracy", ">eval_macro_f1"},
               *const artifacts[] = {"role", "path", ">bytes", "sha256"};
    static const struct {
        const char *title, *key;
    } heads[] = {
        {"id", "id"},         {"name", "name"},          {"group", "group"},   {"kind", "command"},
        {"state", "state"},   {"because", "message"},    {"folder", "folder"}, {"device", "device"},
        {"products", "gemm"}, {"precision", "precision"}};
    bcl_status status = BCL_OK;
    char time[32], length[32];
    const cJSON *track = cJSON_GetObjectItemCaseSensitive(run, "track");
    const cJSON *host = cJSON_GetObjectItemCaseSensitive(track, "host");
    const cJSON *git = cJSON_GetObjectItemCaseSensitive(track, "git");
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        if (*bcl_json_word(run, heads[i].key))
            printf("%-10s %s\n", heads[i].title, bcl_json_word(run, heads[i].key));
    printf("%-10s %s, for %s\n", "started", bcl_cli_time(time, bcl_json_number(run, "started", 0)),
           bcl_cli_duration(length, bcl_json_number(run, "seconds", 0)));
    if (track) {
        print_command_line(cJSON_GetObjectItemCaseSensitive(track, "argv"));
        printf("%-10s %s, in %s, bertcl %s\n", "host", bcl_json_word(host, "name"),
               bcl_json_word(track, "cwd"), bcl_json_word(track, "bertcl"));
    }
    if (cJSON_IsObject(git))
        printf("%-10s %.12s on %s%s\n", "git", bcl_json_word(git, "commit"),
               bcl_json_word(git, "branch"),
               cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(git, "changed")) ? ", with changes"
                                                                              : "");
    BCL_TRY(print_rows("runs", cJSON_GetObjectItemCaseSensitive(run, "runs"), runs, 7));
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

int bcl_cli_runs_show(int argc, char **argv) {
    static const bcl_cli_store_action action = {
        .command = {"runs show", "RUN [OPTION…]",
                    "All that the store knows of a run: where and how it ran, options, metrics, "
                    "figures, data, models, artifacts.",
                    "RUN is an id or its beginning, a name, or a folder. --metric loss --every 100 "
                    "prints the mean of every hundred steps, behind the step it ends with."},
        .work = show_work,
        .least = 1,
        .most = 1};
    show_options o = {.every = 1};
    const bcl_option options[] = {
        {BCL_OPTION_LIST, NULL, &o.runs, "RUN", "the run", .min = 0},
        {BCL_OPTION_TEXT, "metric", &o.metric, "KEY", "the points of one metric", .min = 0},
        {BCL_OPTION_INT, "every", &o.every, "N", "means over N steps; default 1", .min = 1,
         .max = 1e12},
        {BCL_OPTION_FLAG, "json", &o.json, NULL, "print JSON", .min = 0},
        {.kind = BCL_OPTION_END},
    };
    return bcl_cli_store_act(&action, options, &o, argc, argv);
}
