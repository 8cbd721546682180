/* bertcl runs compare: runs side by side. */
#include "cli/runs_command.h"

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
        snprintf(text, sizeof text, ">%.30s", bcl_json_word(run, "name"));
        BCL_TRY(bcl_cli_table_column(&t, text));
    }
    if (two)
        BCL_TRY(bcl_cli_table_column(&t, ">difference"));
    cJSON_ArrayForEach(row, rows) {
        const cJSON *values = cJSON_GetObjectItemCaseSensitive(row, "values");
        BCL_TRY(bcl_cli_table_add(&t, "%s", bcl_json_word(row, "key")));
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
    BCL_TRY(bcl_cli_runs_print(heads, o->runs.count, &(bcl_cli_runs_list){0}));
    BCL_TRY(print_comparison("OPTION", cJSON_GetObjectItemCaseSensitive(json, "params"), heads));
    BCL_TRY(print_comparison("FIGURE", cJSON_GetObjectItemCaseSensitive(json, "figures"), heads));
    BCL_TRY(
        print_comparison("LAST METRIC", cJSON_GetObjectItemCaseSensitive(json, "metrics"), heads));
out:
    free(runs);
    cJSON_Delete(json);
    return status;
}

int bcl_cli_runs_compare(int argc, char **argv) {
    static const bcl_cli_store_action action = {
        .command =
            {"runs compare", "RUN RUN… [OPTION…]",
             "Runs side by side: the options, figures and last metrics in which they differ.",
             "Between two runs the last column is the second's less the first's."},
        .work = compare_work,
        .least = 2,
        .most = BCL_TABLE_COLUMNS - 2};
    compare_options o = {0};
    const bcl_option options[] = {
        {BCL_OPTION_LIST, NULL, &o.runs, "RUN…", "at least two", .min = 0},
        {BCL_OPTION_FLAG, "all", &o.all, NULL, "also what is equal", .min = 0},
        {BCL_OPTION_FLAG, "json", &o.json, NULL, "print JSON", .min = 0},
        {.kind = BCL_OPTION_END},
    };
    return bcl_cli_store_act(&action, options, &o, argc, argv);
}
