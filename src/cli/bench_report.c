/* bertcl bench report and bench show: stored results as a page, and in the formats of bench. */
#include "cli/bench_command.h"
#include "cli/terminal.h"

#include <cjson/cJSON.h>

void bcl_cli_bench_free(bcl_cli_bench_results *r) {
    for (size_t i = 0; i < r->count; i++)
        cJSON_Delete(r->json[i]);
    free(r->json);
    free(r->paths);
    free(r->columns);
}

bcl_status bcl_cli_bench_read(bcl_cli_bench_results *r, const char *first, const bcl_list *files) {
    bcl_status status = BCL_OK;
    const size_t before = first ? 1 : 0, count = files->count + before;
    BCL_NEW(r->json, count);
    BCL_NEW(r->paths, count);
    for (size_t i = 0; i < count; i++) {
        r->paths[i] = i < before ? first : files->items[i - before];
        BCL_TRY(bcl_bench_read(&r->json[i], r->paths[i]));
        r->count++;
    }
    BCL_TRY(bcl_bench_judge(r->json, r->count));
    for (size_t i = 0; i < count; i++)
        BCL_TRY(bcl_bench_columns(&r->columns, &r->column_count, r->json[i], r->paths[i]));
out:
    return status;
}

static bcl_status write_page(const bcl_list *files, const char *path) {
    bcl_status status = BCL_OK;
    bcl_cli_bench_results r = {0};
    char shown[4096];
    BCL_TRY(bcl_cli_bench_read(&r, NULL, files));
    if (!r.column_count)
        BCL_FAIL(BCL_ERROR_FORMAT, "%s: holds no row with a speed", r.paths[0]);
    BCL_TRY(bcl_bench_page(r.columns, r.column_count, path));
    printf("report: %s\n", bcl_printable(shown, sizeof shown, path));
out:
    bcl_cli_bench_free(&r);
    return status;
}

int bcl_cli_bench_report(int argc, char **argv) {
    static const bcl_command command = {
        "bench report", "A.json… [-o FILE.html]",
        "Writes one HTML page about results: speeds, limits and rooflines of the devices, scaling "
        "with batch and length, and all rows side by side.",
        "The page holds all that it shows: no scripts, nothing from elsewhere; it is light or dark "
        "as the browser is set, and prints well."};
    bcl_list files = {0};
    const char *out = "bench.html";
    const bcl_option options[] = {
        {BCL_OPTION_LIST, NULL, &files, "FILE…", "what bertcl bench --json wrote", .min = 0},
        {BCL_OPTION_TEXT, "out", &out, "FILE", "the page (-o FILE); default bench.html", .min = 0},
        {.kind = BCL_OPTION_END},
    };
    for (int i = 1; i < argc; i++) /* -o is what people write */
        if (!strcmp(argv[i], "-o"))
            argv[i] = (char *)"--out";
    int code = bcl_options_parse(&command, options, argc, argv, 2);
    if (code < 0 && !files.count)
        code = bcl_cli_usage(&command, "found no results, expected at least one");
    if (code < 0) {
        const bcl_status status = write_page(&files, out);
        code = status ? bcl_cli_error(status) : BCL_EXIT_OK;
    }
    bcl_list_free(&files);
    return code;
}

int bcl_cli_bench_show(int argc, char **argv) {
    static const bcl_command command = {"bench show", "FILE.json [--format NAME]",
                                        "Prints a stored result.",
                                        "The formats are those of bertcl bench."};
    bcl_list files = {0};
    const char *format = "table";
    cJSON *result = NULL;
    const bcl_option options[] = {
        {BCL_OPTION_LIST, NULL, &files, "FILE", "what bertcl bench --json wrote", .min = 0},
        {BCL_OPTION_TEXT, "format", &format, "NAME", "table (default), markdown, csv, json or sql",
         .choices = BCL_CLI_BENCH_FORMATS},
        {.kind = BCL_OPTION_END},
    };
    int code = bcl_options_parse(&command, options, argc, argv, 2);
    if (code < 0 && files.count != 1)
        code = bcl_cli_usage(&command, "found %zu results, expected one", files.count);
    if (code < 0) {
        bcl_status status = bcl_bench_read(&result, files.items[0]);
        if (!status)
            status = bcl_bench_judge(&result, 1);
        if (!status)
            status = bcl_cli_bench_print(result, format);
        code = status ? bcl_cli_error(status) : BCL_EXIT_OK;
    }
    cJSON_Delete(result);
    bcl_list_free(&files);
    return code;
}
