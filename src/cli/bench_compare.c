/* bertcl bench compare: results side by side. */
#include "cli/bench_command.h"
#include "cli/terminal.h"

#include <cjson/cJSON.h>

typedef struct settings {
    bcl_list files;
    const char *baseline;
    double limit;
} settings;

static bcl_status compare(size_t *slower, const cJSON *a, const char *a_path, const char *b_path,
                          const settings *s) {
    bcl_status status = BCL_OK;
    cJSON *b = NULL;
    bcl_bench_difference *d = NULL;
    size_t count = 0, same = 0;
    bcl_table t = {.align = "llrrl"};
    static const char *const headings[] = {"row", "devices", "ratio", "95 %", ""};
    BCL_TRY(bcl_bench_read(&b, b_path));
    BCL_TRY(bcl_bench_compare(&d, &count, a, b));
    if (!count)
        BCL_FAIL(BCL_ERROR_FORMAT, "%s and %s have no row in common that is ok in both", a_path,
                 b_path);
    for (size_t i = 0; i < sizeof headings / sizeof *headings; i++)
        bcl_table_add(&t, headings[i]);
    for (size_t i = 0; i < count; i++) {
        const bool beyond = s->baseline && d[i].differs && d[i].ratio * s->limit < 1;
        same += !d[i].differs;
        *slower += beyond;
        bcl_table_add(&t, d[i].name);
        if (strcmp(d[i].device, d[i].other))
            bcl_table_addf(&t, "%s, %s", d[i].device, d[i].other);
        else
            bcl_table_add(&t, d[i].device);
        bcl_table_addf(&t, "%.3f", d[i].ratio);
        bcl_table_addf(&t, "%.3f-%.3f", d[i].low, d[i].high);
        bcl_table_add(&t, beyond           ? "slower than the limit"
                          : !d[i].differs  ? "no difference"
                          : d[i].ratio > 1 ? "faster"
                                           : "slower");
    }
    printf("speed of %s by that of %s\n", b_path, a_path);
    BCL_TRY(bcl_table_print(&t, stdout));
    printf("%zu of %zu rows: no difference\n", same, count);
out:
    bcl_table_free(&t);
    cJSON_Delete(b);
    free(d);
    return status;
}

static bcl_status run(const settings *s) {
    bcl_status status = BCL_OK;
    const char *first = s->baseline ? s->baseline : s->files.items[0];
    cJSON *a = NULL;
    size_t slower = 0;
    BCL_TRY(bcl_bench_read(&a, first));
    for (size_t i = s->baseline ? 0 : 1; i < s->files.count; i++)
        BCL_TRY(compare(&slower, a, first, s->files.items[i], s));
    if (slower)
        BCL_FAIL(BCL_ERROR_DEVICE, "%zu row%s slower than %s by more than a factor of %g", slower,
                 slower == 1 ? " is" : "s are", first, s->limit);
out:
    cJSON_Delete(a);
    return status;
}

int bcl_cli_bench_compare(int argc, char **argv) {
    static const bcl_command command = {
        "bench compare", "A.json B.json… [OPTION…]",
        "The speeds of each result by the first's, row by row, with the interval in which the "
        "ratio lies with 95 % by bootstrap over the samples.",
        "\"no difference\": the interval reaches into 1/1.05 to 1.05; two runs of the same machine "
        "differ by so much. Exit status 1 if a row is slower than the baseline's by more than the "
        "limit."};
    settings s = {.limit = 1.1};
    const bcl_option options[] = {
        {BCL_OPTION_LIST, NULL, &s.files, "FILE…", "what bertcl bench --json wrote", .min = 0},
        {BCL_OPTION_TEXT, "baseline", &s.baseline, "FILE",
         "compare with this one, and fail where a row is slower", .min = 0},
        {BCL_OPTION_REAL, "limit", &s.limit, "X",
         "with --baseline: the factor by which rows may be slower; default: 1.1", .min = 1,
         .max = 1e6},
        {.kind = BCL_OPTION_END},
    };
    int code = bcl_options_parse(&command, options, argc, argv, 2);
    if (code < 0 && s.files.count + (s.baseline ? 1 : 0) < 2)
        code = bcl_cli_usage(&command, "found %zu results, expected at least two",
                             s.files.count + (s.baseline ? 1 : 0));
    if (code < 0) {
        const bcl_status status = run(&s);
        code = status ? bcl_cli_error(status) : BCL_EXIT_OK;
    }
    bcl_list_free(&s.files);
    return code;
}
