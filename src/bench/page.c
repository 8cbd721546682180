/* The page about results: devices, bars, rooflines, scaling, and all rows side by side. */
#include "bench/internal.h"
#include "util/html.h"
#include "util/svg.h"

#include <cjson/cJSON.h>
#include <math.h>

enum { CHARTED = 6, POINTS = 256 }; /* columns that charts show, as many as there are colours */

typedef struct page {
    bcl_string out;
    const bcl_bench_column *columns;
    size_t count, charted;
    char names[CHARTED][64]; /* in legends */
} page;

static bcl_status put(page *p, const char *literal) {
    return bcl_string_add(&p->out, literal, strlen(literal));
}

static double number(const cJSON *json, const char *key) {
    return bcl_json_number(json, key, NAN);
}

static double value_of(const bcl_bench_column *c, const char *name) {
    const cJSON *row = bcl_bench_column_row(c, name);
    return row ? number(row, "value") : NAN;
}

static const cJSON *rows_of(const bcl_bench_column *c) {
    return cJSON_GetObjectItemCaseSensitive(c->result, "rows");
}

static bcl_status cell(page *p, const char *open, const char *content) {
    bcl_status status = BCL_OK;
    BCL_TRY(put(p, open));
    BCL_TRY(bcl_html_text(&p->out, content));
    BCL_TRY(put(p, open[1] == 't' && open[2] == 'h' ? "</th>" : "</td>"));
out:
    return status;
}

/* ---- devices ---- */

static bcl_status add_devices(page *p) {
    static const char *const titles[] = {"", "Device", "Driver", "Measured", "With"};
    bcl_status status = BCL_OK;
    BCL_TRY(put(p, "<h2>Devices</h2>\n<div class=\"scroll\"><table>\n<tr>"));
    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++)
        BCL_TRY(cell(p, "<th>", titles[i]));
    BCL_TRY(put(p, "</tr>\n"));
    for (size_t i = 0; i < p->count; i++) {
        const bcl_bench_column *c = &p->columns[i];
        const cJSON *row = NULL, *r = c->result;
        char line[1024];
        cJSON_ArrayForEach(row,
                           rows_of(c)) if (!strcmp(bcl_json_word(row, "device"), c->device)) break;
        snprintf(line, sizeof line, "%c", (char)('A' + i % 26));
        BCL_TRY(put(p, "<tr>"));
        BCL_TRY(cell(p, "<td>", line));
        snprintf(line, sizeof line, "%s: %s", c->device, c->name);
        BCL_TRY(cell(p, "<td>", line));
        snprintf(line, sizeof line, "%s %s", c->driver, bcl_json_word(row, "driver_version"));
        BCL_TRY(cell(p, "<td>", line));
        snprintf(line, sizeof line, "%.10s, %s%s", bcl_json_word(r, "date"), bcl_json_word(r, "os"),
                 cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(r, "busy"))
                     ? "; the host was busy with other work: figures are too low"
                     : "");
        BCL_TRY(cell(p, "<td>", line));
        const char *own = bcl_json_word(row, "command"); /* a peer's */
        snprintf(line, sizeof line, "%s", *own ? own : bcl_json_word(r, "command"));
        BCL_TRY(put(p, "<td><code class=\"small\">"));
        BCL_TRY(bcl_html_text(&p->out, line));
        BCL_TRY(put(p, "</code></td></tr>\n"));
    }
    BCL_TRY(put(p, "</table></div>\n"));
out:
    return status;
}

/* ---- bars ---- */

/* A group a column and a bar for each name that some column has. */
static bcl_status add_bars(page *p, const char *title, const char *x_label, const char *y_label,
                           const char *const (*bars)[2], size_t count) {
    enum { MOST = 16 };
    bcl_status status = BCL_OK;
    const char *labels[MOST], *names[MOST], *groups[CHARTED];
    double values[CHARTED * MOST];
    size_t n = 0, shown = 0, colours[CHARTED];
    for (size_t i = 0; i < count && n < MOST; i++) {
        bool any = false;
        for (size_t c = 0; c < p->charted; c++)
            any = any || isfinite(value_of(&p->columns[c], bars[i][0]));
        names[n] = bars[i][0];
        labels[n] = bars[i][1];
        n += any;
    }
    for (size_t c = 0; c < p->charted; c++) { /* those that have one of them */
        bool any = false;
        for (size_t i = 0; i < n; i++) {
            values[shown * n + i] = value_of(&p->columns[c], names[i]);
            any = any || isfinite(values[shown * n + i]);
        }
        groups[shown] = p->names[c];
        colours[shown] = c + 1;
        shown += any;
    }
    if (n)
        BCL_TRY(bcl_svg_bars_add(&p->out, &(bcl_svg_bars){.title = title,
                                                          .x_label = x_label,
                                                          .y_label = y_label,
                                                          .labels = labels,
                                                          .groups = groups,
                                                          .values = values,
                                                          .count = n,
                                                          .group_count = shown,
                                                          .colours = colours}));
out:
    return status;
}

#define BARS(p, title, x, y, list) add_bars(p, title, x, y, list, sizeof(list) / sizeof *(list))

/* The middle of each column's products. */
static bcl_status add_products(page *p) {
    static const char *const label[] = {"all shapes"};
    bcl_status status = BCL_OK;
    const char *groups[CHARTED];
    double medians[CHARTED], values[POINTS];
    size_t shown = 0, colours[CHARTED];
    for (size_t c = 0; c < p->charted; c++) {
        const cJSON *row;
        size_t n = 0;
        cJSON_ArrayForEach(row, rows_of(&p->columns[c])) {
            const char *name = bcl_json_word(row, "name");
            if (n < POINTS && !strncmp(name, "product/fp32/", 13) &&
                bcl_bench_column_row(&p->columns[c], name) == row)
                values[n++] = number(row, "value");
        }
        if (!n)
            continue;
        qsort(values, n, sizeof *values, bcl_bench_order);
        groups[shown] = p->names[c];
        colours[shown] = c + 1;
        medians[shown++] = bcl_bench_quantile(values, n, 0.5);
    }
    if (shown)
        BCL_TRY(bcl_svg_bars_add(&p->out, &(bcl_svg_bars){.title = "Matrix products in fp32",
                                                          .x_label = "the median of their speeds",
                                                          .y_label = "GFLOP/s",
                                                          .labels = label,
                                                          .groups = groups,
                                                          .values = medians,
                                                          .count = 1,
                                                          .group_count = shown,
                                                          .colours = colours}));
out:
    return status;
}

static bcl_status add_speeds(page *p) {
    static const char *const train[][2] = {{"step/train/fp32/batch-1", "1"},
                                           {"step/train/fp32/batch-4", "4"},
                                           {"step/train/fp32/batch-32", "32"},
                                           {"step/train/bf16/batch-32", "32, bf16"}};
    static const char *const evaluate[][2] = {{"step/evaluate/fp32/batch-1", "1"},
                                              {"step/evaluate/fp32/batch-4", "4"},
                                              {"step/evaluate/fp32/batch-32", "32"},
                                              {"step/evaluate/bf16/batch-32", "32, bf16"}};
    static const char *const runs[][2] = {{"run/train/fp32/batch-32", "fp32"},
                                          {"run/train/bf16/batch-32", "bf16"}};
    static const char *const memory[][2] = {{"limit/memory/read", "read"},
                                            {"limit/memory/copy", "copy"},
                                            {"limit/memory/triad", "triad"},
                                            {"limit/transfer/to-device", "to device"},
                                            {"limit/transfer/from-device", "from device"}};
    static const char *const rates[][2] = {{"limit/multiply-add/fp32", "fp32"},
                                           {"limit/multiply-add/fp16", "fp16"},
                                           {"limit/multiply-add/bf16", "bf16"}};
    bcl_status status = BCL_OK;
    BCL_TRY(put(p, "<h2>Speed</h2>\n"));
    BCL_TRY(bcl_html_grid_open(&p->out));
    BCL_TRY(BARS(p, "Training", "sentences a batch", "tokens/s", train));
    BCL_TRY(BARS(p, "Evaluation", "sentences a batch", "tokens/s", evaluate));
    BCL_TRY(BARS(p, "Training runs, one device and several", "precision", "tokens/s", runs));
    BCL_TRY(add_products(p));
    BCL_TRY(put(p, "</div>\n<h2>Limits of the devices</h2>\n"));
    BCL_TRY(bcl_html_grid_open(&p->out));
    BCL_TRY(BARS(p, "Memory", "way of access", "GB/s", memory));
    BCL_TRY(BARS(p, "Multiply-adds", "precision", "GFLOP/s", rates));
    BCL_TRY(put(p, "</div>\n"));
out:
    return status;
}

/* ---- scaling ---- */

/* step/KIND/fp32/WHAT-N over N, for each column. */
static bcl_status add_scaling(page *p, const char *title, const char *kind, const char *what,
                              const char *x_label) {
    bcl_status status = BCL_OK;
    double x[CHARTED][POINTS], y[CHARTED][POINTS];
    bcl_svg_series series[CHARTED];
    char prefix[64];
    size_t n = 0;
    snprintf(prefix, sizeof prefix, "step/%s/fp32/%s-", kind, what);
    for (size_t c = 0; c < p->charted; c++) {
        size_t points = 0;
        for (int at = 1; at <= 1024; at *= 2) { /* rising, wherever the rows stand */
            char name[96];
            snprintf(name, sizeof name, "%s%d", prefix, at);
            const double value = value_of(&p->columns[c], name);
            if (!isfinite(value))
                continue;
            x[c][points] = at;
            y[c][points++] = value;
        }
        if (points > 1)
            series[n++] = (bcl_svg_series){.name = p->names[c],
                                           .x = x[c],
                                           .y = y[c],
                                           .count = points,
                                           .dots = true,
                                           .colour = c + 1};
    }
    if (n)
        BCL_TRY(bcl_svg_lines(&p->out, &(bcl_svg_chart){.title = title,
                                                        .x_label = x_label,
                                                        .y_label = "tokens/s",
                                                        .series = series,
                                                        .series_count = n,
                                                        .log_x = true,
                                                        .zero = true}));
out:
    return status;
}

static bcl_status add_scalings(page *p) {
    bcl_status status = BCL_OK;
    const size_t before = p->out.size;
    BCL_TRY(put(p, "<h2>Scaling</h2>\n"));
    BCL_TRY(bcl_html_grid_open(&p->out));
    const size_t empty = p->out.size;
    BCL_TRY(add_scaling(p, "Training by batch", "train", "batch", "sentences a batch"));
    BCL_TRY(add_scaling(p, "Evaluation by batch", "evaluate", "batch", "sentences a batch"));
    BCL_TRY(add_scaling(p, "Training by length", "train", "length", "tokens a sentence"));
    BCL_TRY(add_scaling(p, "Evaluation by length", "evaluate", "length", "tokens a sentence"));
    if (p->out.size == empty)
        p->out.size = before;
    else
        BCL_TRY(put(p, "</div>\n"));
out:
    return status;
}

/* ---- rooflines ---- */

/* Operations a byte: of rows that tell their bytes, and of products by their shape, each operand
 * read or written once. */
static double intensity(const cJSON *row) {
    const cJSON *shape = cJSON_GetObjectItemCaseSensitive(row, "shape");
    const double m = number(shape, "m"), n = number(shape, "n"), k = number(shape, "k");
    const double bytes = strcmp(bcl_json_word(row, "precision"), "fp32") ? 2 : 4;
    if (isfinite(number(row, "gb_per_s")))
        return number(row, "gflops") / number(row, "gb_per_s");
    return 2 * m * n * k / (bytes * (m * k + k * n) + 4 * m * n);
}

static bcl_status add_roofline(page *p, size_t at) {
    bcl_status status = BCL_OK;
    const bcl_bench_column *c = &p->columns[at];
    const double peak = value_of(c, "limit/multiply-add/fp32"), least = 0.1, most = 1000;
    const double bandwidth = value_of(c, "limit/memory/triad"), knee = peak / bandwidth;
    double x[POINTS], y[POINTS];
    const double roof_x[] = {least, knee, most}, roof_y[] = {least * bandwidth, peak, peak};
    const cJSON *row;
    size_t n = 0;
    cJSON_ArrayForEach(row, rows_of(c)) {
        const bool own = bcl_bench_column_row(c, bcl_json_word(row, "name")) == row &&
                         strncmp(bcl_json_word(row, "name"), "limit/", 6) != 0;
        if (!own || n == POINTS || !(number(row, "gflops") > 0) || !(intensity(row) >= least) ||
            !(intensity(row) <= most))
            continue;
        x[n] = intensity(row);
        y[n++] = number(row, "gflops");
    }
    if (!n || !(knee > least && knee < most))
        return status;
    const bcl_svg_series series[] = {
        {.x = roof_x, .y = roof_y, .count = 3, .colour = at + 1},
        {.x = x, .y = y, .count = n, .dots = true, .unjoined = true, .colour = at + 1}};
    BCL_TRY(bcl_svg_lines(&p->out, &(bcl_svg_chart){.title = p->names[at],
                                                    .x_label = "operations a byte",
                                                    .y_label = "GFLOP/s",
                                                    .series = series,
                                                    .series_count = 2,
                                                    .log_x = true,
                                                    .log_y = true}));
out:
    return status;
}

static bcl_status add_rooflines(page *p) {
    bcl_status status = BCL_OK;
    const size_t before = p->out.size;
    BCL_TRY(put(p, "<h2>Rooflines</h2>\n<p>The line is what the device was measured to reach: its "
                   "memory on the left, its multiply-adds on the right. A point is a matrix "
                   "product or another operation.</p>\n"));
    BCL_TRY(bcl_html_grid_open(&p->out));
    const size_t empty = p->out.size;
    for (size_t c = 0; c < p->charted; c++)
        BCL_TRY(add_roofline(p, c));
    if (p->out.size == empty)
        p->out.size = before;
    else
        BCL_TRY(put(p, "</div>\n"));
out:
    return status;
}

/* ---- all rows ---- */

static const bcl_bench_difference *difference(const bcl_bench_comparison *c, const char *name) {
    for (size_t i = 0; i < c->count; i++)
        if (!strcmp(c->rows[i].name, name))
            return &c->rows[i];
    return NULL;
}

static bcl_status ratio_cell(page *p, const bcl_bench_difference *d) {
    char line[BCL_BENCH_RATIO] = "";
    if (d)
        bcl_bench_ratio_text(line, d);
    return cell(p, "<td class=\"n\">", line);
}

static bcl_status add_row(page *p, const bcl_bench_comparison *compared, const cJSON *row) {
    bcl_status status = BCL_OK;
    const char *name = bcl_json_word(row, "name");
    char line[64];
    BCL_TRY(put(p, "<tr>"));
    BCL_TRY(cell(p, "<td>", name));
    BCL_TRY(cell(p, "<td>", bcl_json_word(row, "unit")));
    for (size_t c = 0; c < p->count; c++) {
        const double value = value_of(&p->columns[c], name);
        snprintf(line, sizeof line, isfinite(value) ? "%.4g" : "", value);
        BCL_TRY(cell(p, "<td class=\"n\">", line));
        if (c)
            BCL_TRY(ratio_cell(p, difference(&compared[c], name)));
    }
    BCL_TRY(put(p, "</tr>\n"));
out:
    return status;
}

static bcl_status add_heading(page *p) {
    bcl_status status = BCL_OK;
    char line[32];
    BCL_TRY(put(p, "<h2>All rows</h2>\n"));
    if (p->count > 1)
        BCL_TRY(put(p, "<p>Ratios are of speeds, with the interval in which they lie with 95 %; "
                       "=: no difference.</p>\n"));
    BCL_TRY(put(p, "<div class=\"scroll\"><table>\n<tr><th>Row</th><th>Unit</th>"));
    for (size_t c = 0; c < p->count; c++) {
        snprintf(line, sizeof line, "%c", (char)('A' + c % 26));
        BCL_TRY(cell(p, "<th class=\"n\">", line));
        snprintf(line, sizeof line, "%c by A", (char)('A' + c % 26));
        if (c)
            BCL_TRY(cell(p, "<th class=\"n\">", line));
    }
    BCL_TRY(put(p, "</tr>\n"));
out:
    return status;
}

/* Rows of the first column, and of the others those that no column before has. */
static bcl_status add_rows(page *p) {
    bcl_status status = BCL_OK;
    bcl_bench_comparison *compared = NULL;
    const cJSON *row;
    BCL_NEW(compared, p->count);
    for (size_t c = 1; c < p->count; c++)
        BCL_TRY(bcl_bench_compare(&compared[c], &p->columns[0], &p->columns[c]));
    BCL_TRY(add_heading(p));
    for (size_t c = 0; c < p->count; c++)
        cJSON_ArrayForEach(row, rows_of(&p->columns[c])) {
            bool told = bcl_bench_column_row(&p->columns[c], bcl_json_word(row, "name")) != row;
            for (size_t before = 0; before < c && !told; before++)
                told =
                    bcl_bench_column_row(&p->columns[before], bcl_json_word(row, "name")) != NULL;
            if (!told)
                BCL_TRY(add_row(p, compared, row));
        }
    BCL_TRY(put(p, "</table></div>\n"));
out:
    for (size_t c = 0; compared && c < p->count; c++)
        bcl_bench_comparison_free(&compared[c]);
    free(compared);
    return status;
}

/* What has no speed, and why. */
static bcl_status add_problems(page *p) {
    bcl_status status = BCL_OK;
    const cJSON *row;
    bool any = false;
    for (size_t c = 0; c < p->count; c++) {
        if (c && p->columns[c].result == p->columns[c - 1].result)
            continue; /* the result's rows were told */
        cJSON_ArrayForEach(row, rows_of(&p->columns[c])) {
            if (!strcmp(bcl_json_word(row, "status"), "ok"))
                continue;
            if (!any)
                BCL_TRY(put(p, "<h2>Without a speed</h2>\n<div class=\"scroll\"><table>\n<tr>"
                               "<th>Device</th><th>Row</th><th>Why</th></tr>\n"));
            any = true;
            BCL_TRY(put(p, "<tr>"));
            BCL_TRY(cell(p, "<td>", bcl_json_word(row, "device")));
            BCL_TRY(cell(p, "<td>", bcl_json_word(row, "name")));
            BCL_TRY(put(p, "<td>"));
            BCL_TRY(bcl_html_text(&p->out, bcl_json_word(row, "status")));
            BCL_TRY(put(p, ": "));
            BCL_TRY(bcl_html_text(&p->out, bcl_json_word(row, "reason")));
            BCL_TRY(put(p, "</td></tr>\n"));
        }
    }
    if (any)
        BCL_TRY(put(p, "</table></div>\n"));
out:
    return status;
}

static const char *model_of(const bcl_bench_column *c) {
    return bcl_json_word(cJSON_GetObjectItemCaseSensitive(c->result, "options"), "model");
}

/* With the model where they are not all of one. */
static void name_columns(page *p) {
    bool alike = true;
    for (size_t c = 1; c < p->count; c++)
        alike = alike && !strcmp(model_of(&p->columns[0]), model_of(&p->columns[c]));
    for (size_t c = 0; c < p->charted; c++)
        snprintf(p->names[c], sizeof p->names[c], "%c: %.30s%s%.20s", (char)('A' + c),
                 p->columns[c].device, alike ? "" : ", ", alike ? "" : model_of(&p->columns[c]));
}

bcl_status bcl_bench_page(const bcl_bench_column *columns, size_t count, const char *path) {
    bcl_status status = BCL_OK;
    page *p = NULL;
    BCL_NEW(p, 1);
    p->columns = columns;
    p->count = count;
    p->charted = count < CHARTED ? count : CHARTED;
    name_columns(p);
    BCL_TRY(bcl_html_open(&p->out, "bertcl bench", NULL, 0));
    BCL_TRY(add_devices(p));
    if (p->charted < count)
        BCL_TRY(put(p, "<p class=\"soft small\">Charts show the first six.</p>\n"));
    BCL_TRY(add_speeds(p));
    BCL_TRY(add_scalings(p));
    BCL_TRY(add_rooflines(p));
    BCL_TRY(add_rows(p));
    BCL_TRY(add_problems(p));
    BCL_TRY(bcl_html_close(&p->out));
    BCL_TRY(bcl_file_write(path, p->out.data, p->out.size));
out:
    if (p)
        bcl_string_free(&p->out);
    free(p);
    return status;
}
