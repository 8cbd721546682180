/* bertcl bench compare: two results row by row, or many side by side. */
#include "cli/bench_command.h"
#include "cli/terminal.h"

#include <cjson/cJSON.h>

typedef struct settings {
    bcl_list files;
    const char *baseline;
    double limit;
    size_t slower;
} settings;

/* ---- two results ---- */

static size_t columns_of(const bcl_cli_bench_results *r, size_t file) {
    size_t n = 0;
    for (size_t c = 0; c < r->column_count; c++)
        n += r->columns[c].result == r->json[file];
    return n;
}

/* The column of another file that belongs to this one: of the same device or, where both files have
 * one device only, whatever it is. */
static const bcl_bench_column *partner(const bcl_cli_bench_results *r, const bcl_bench_column *own,
                                       size_t file) {
    const bool only = columns_of(r, 0) == 1 && columns_of(r, file) == 1;
    for (size_t c = 0; c < r->column_count; c++)
        if (r->columns[c].result == r->json[file] &&
            (only || !strcmp(r->columns[c].device, own->device)))
            return &r->columns[c];
    return NULL;
}

static void add_difference(bcl_table *t, const bcl_bench_difference *d, const char *devices,
                           const char *verdict) {
    bcl_table_add(t, d->name);
    bcl_table_add(t, devices);
    bcl_table_addf(t, "%.3f", d->ratio);
    if (d->high / d->low <= 100)
        bcl_table_addf(t, "%.3f-%.3f", d->low, d->high);
    else
        bcl_table_add(t, "any");
    bcl_table_add(t, verdict);
}

static const char *verdict_of(const bcl_bench_difference *d) {
    return !d->differs ? "no difference" : d->ratio > 1 ? "faster" : "slower";
}

typedef struct counts {
    size_t rows, same;
} counts;

static bcl_status add_pair(bcl_table *t, counts *n, settings *s, const bcl_bench_column *a,
                           const bcl_bench_column *b) {
    bcl_status status = BCL_OK;
    bcl_bench_comparison c = {0};
    char devices[128];
    snprintf(devices, sizeof devices, strcmp(a->device, b->device) ? "%.60s, %.60s" : "%.60s",
             a->device, b->device);
    BCL_TRY(bcl_bench_compare(&c, a, b));
    for (size_t i = 0; i < c.count; i++) {
        const bcl_bench_difference *d = &c.rows[i];
        const bool beyond = s->baseline && d->differs && d->ratio * s->limit < 1;
        n->rows++;
        n->same += !d->differs;
        s->slower += beyond;
        add_difference(t, d, devices, beyond ? "slower than the limit" : verdict_of(d));
    }
    if (c.count > 1)
        add_difference(t, &c.all, devices, verdict_of(&c.all));
out:
    bcl_bench_comparison_free(&c);
    return status;
}

static bcl_status compare_two(const bcl_cli_bench_results *r, size_t file, settings *s) {
    static const char *const headings[] = {"row", "devices", "ratio", "95 %", ""};
    bcl_status status = BCL_OK;
    counts n = {0};
    bcl_table t = {.align = "llrrl"};
    for (size_t i = 0; i < sizeof headings / sizeof *headings; i++)
        bcl_table_add(&t, headings[i]);
    for (size_t c = 0; c < r->column_count; c++) {
        const bcl_bench_column *a = &r->columns[c];
        const bcl_bench_column *b = a->result == r->json[0] ? partner(r, a, file) : NULL;
        if (b)
            BCL_TRY(add_pair(&t, &n, s, a, b));
    }
    if (!n.rows)
        BCL_FAIL(BCL_ERROR_FORMAT, "%s and %s have no row in common that is ok in both",
                 r->paths[0], r->paths[file]);
    printf("speed of %s by that of %s\n", r->paths[file], r->paths[0]);
    BCL_TRY(bcl_table_print(&t, stdout));
    printf("%zu of %zu rows: no difference\n", n.same, n.rows);
out:
    bcl_table_free(&t);
    return status;
}

/* ---- side by side ---- */

enum { SIDE_MOST = 26 };

/* Behind the first, by driver. */
static int by_driver(const void *a, const void *b) {
    const bcl_bench_column *x = a, *y = b;
    const int driver = strcmp(x->driver, y->driver);
    return driver ? driver : strcmp(x->device, y->device);
}

static void say_columns(const bcl_cli_bench_results *r) {
    for (size_t i = 0; i < r->column_count; i++) {
        const bcl_bench_column *c = &r->columns[i];
        printf("%c: %s, %s, %s (%s)\n", (char)('A' + i), c->device, c->name, c->driver, c->path);
    }
    putchar('\n');
}

static const bcl_bench_difference *difference(const bcl_bench_comparison *c, const char *name) {
    for (size_t i = 0; i < c->count; i++)
        if (!strcmp(c->rows[i].name, name))
            return &c->rows[i];
    return NULL;
}

static void add_value(bcl_table *t, const cJSON *row) {
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(row, "value");
    if (cJSON_IsNumber(value))
        bcl_table_addf(t, "%.4g", value->valuedouble);
    else
        bcl_table_add(t, "");
}

static void add_ratio(bcl_table *t, const bcl_bench_difference *d) {
    char line[BCL_BENCH_RATIO] = "";
    if (d)
        bcl_bench_ratio_text(line, d);
    bcl_table_add(t, line);
}

static void add_side_row(bcl_table *t, const bcl_cli_bench_results *r,
                         const bcl_bench_comparison *c, const cJSON *row) {
    const char *name = cJSON_GetObjectItemCaseSensitive(row, "name")->valuestring;
    bcl_table_add(t, name);
    bcl_table_add(t, cJSON_GetObjectItemCaseSensitive(row, "unit")->valuestring);
    for (size_t i = 0; i < r->column_count; i++) {
        add_value(t, bcl_bench_column_row(&r->columns[i], name));
        if (i)
            add_ratio(t, difference(&c[i], name));
    }
}

static bcl_status side_by_side(bcl_cli_bench_results *r) {
    bcl_status status = BCL_OK;
    char align[3 * SIDE_MOST] = "ll", heading[16];
    bcl_bench_comparison c[SIDE_MOST] = {{0}};
    bcl_table t = {.align = align};
    const cJSON *row;
    if (r->column_count > SIDE_MOST)
        BCL_FAIL(BCL_ERROR_ARGUMENT, "found %zu devices in the results, expected at most %d",
                 r->column_count, SIDE_MOST);
    qsort(r->columns + 1, r->column_count - 1, sizeof *r->columns, by_driver);
    memset(align + 2, 'r', 2 * r->column_count - 1);
    say_columns(r);
    bcl_table_add(&t, "row");
    bcl_table_add(&t, "unit");
    for (size_t i = 0; i < r->column_count; i++) {
        snprintf(heading, sizeof heading, "%c", (char)('A' + i));
        bcl_table_add(&t, heading);
        if (!i)
            continue;
        snprintf(heading, sizeof heading, "%c by A", (char)('A' + i));
        bcl_table_add(&t, heading);
        BCL_TRY(bcl_bench_compare(&c[i], &r->columns[0], &r->columns[i]));
    }
    cJSON_ArrayForEach(row, cJSON_GetObjectItemCaseSensitive(r->columns[0].result, "rows")) {
        const char *name = cJSON_GetObjectItemCaseSensitive(row, "name")->valuestring;
        if (bcl_bench_column_row(&r->columns[0], name) == row)
            add_side_row(&t, r, c, row);
    }
    bcl_table_add(&t, "all rows");
    bcl_table_add(&t, "");
    for (size_t i = 0; i < r->column_count; i++) {
        bcl_table_add(&t, "");
        if (i)
            add_ratio(&t, c[i].count > 1 ? &c[i].all : NULL);
    }
    BCL_TRY(bcl_table_print(&t, stdout));
    printf("In brackets where the ratio of the speeds lies with 95 %%; =: no difference\n");
out:
    for (size_t i = 0; i < SIDE_MOST; i++)
        bcl_bench_comparison_free(&c[i]);
    bcl_table_free(&t);
    return status;
}

/* ---- */

/* Other work takes from one row what it does not take from the next, and no interval knows. */
static void tell_busy(const bcl_cli_bench_results *r) {
    for (size_t i = 0; i < r->count; i++)
        if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(r->json[i], "busy")))
            fprintf(stderr,
                    "bertcl: %s: the host was busy with other work: what differs may be due to "
                    "that; measure again on an idle one\n",
                    r->paths[i]);
}

static bcl_status run(settings *s) {
    bcl_status status = BCL_OK;
    bcl_cli_bench_results r = {0};
    BCL_TRY(bcl_cli_bench_read(&r, s->baseline, &s->files));
    if (!s->baseline && r.count != 2) {
        if (r.column_count < 2)
            BCL_FAIL(BCL_ERROR_FORMAT, "%s: holds %zu devices with a speed, expected two or more",
                     r.paths[0], r.column_count);
        BCL_TRY(side_by_side(&r));
    } else {
        for (size_t i = 1; i < r.count; i++)
            BCL_TRY(compare_two(&r, i, s));
    }
    tell_busy(&r);
    if (s->slower)
        BCL_FAIL(BCL_ERROR_DEVICE, "%zu row%s slower than %s by more than a factor of %g",
                 s->slower, s->slower == 1 ? " is" : "s are", r.paths[0], s->limit);
out:
    bcl_cli_bench_free(&r);
    return status;
}

int bcl_cli_bench_compare(int argc, char **argv) {
    static const bcl_command command = {
        "bench compare", "A.json B.json… [OPTION…]",
        "The speeds of each device by the first's, row by row, with the interval in which the "
        "ratio lies with 95 %: two results below each other, more of them, or one with several "
        "devices, side by side by driver.",
        "Intervals are from the samples of both and from what runs of one machine differ by. \"no "
        "difference\", or =: the interval reaches into 1/1.05 to 1.05. Exit status 1 if a row is "
        "slower than the baseline's by more than the limit."};
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
    if (code < 0 && !s.files.count)
        code = bcl_cli_usage(&command, "found no results, expected at least one");
    if (code < 0) {
        const bcl_status status = run(&s);
        code = status ? bcl_cli_error(status) : BCL_EXIT_OK;
    }
    bcl_list_free(&s.files);
    return code;
}
