/* A benchmark's rows as a table, Markdown, CSV, JSON or SQL. */
#include "cli/bench_command.h"
#include "cli/terminal.h"

#include <cjson/cJSON.h>

enum { COLUMNS = 7, CELL = 640 };
static const char *const headings[COLUMNS] = {"device", "row",   "median",        "unit",
                                              "spread", "error", "share of limit"};

/* False, and an empty cell, where the row has no such number. */
static bool number(double *out, char cell[CELL], const cJSON *row, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(row, key);
    cell[0] = 0;
    if (cJSON_IsNumber(item))
        *out = item->valuedouble;
    return cJSON_IsNumber(item);
}

/* The spread of the value: its quartiles' distance as a share of the median. */
static void spread(char out[CELL], const cJSON *row) {
    const cJSON *s = cJSON_GetObjectItemCaseSensitive(row, "seconds");
    const cJSON *q1 = cJSON_GetObjectItemCaseSensitive(s, "q1");
    const cJSON *q3 = cJSON_GetObjectItemCaseSensitive(s, "q3");
    const cJSON *median = cJSON_GetObjectItemCaseSensitive(s, "median");
    out[0] = 0;
    if (cJSON_IsNumber(q1) && cJSON_IsNumber(q3) && cJSON_IsNumber(median))
        snprintf(out, CELL, "%.1f%%",
                 100 * (q3->valuedouble - q1->valuedouble) / median->valuedouble);
}

/* What has no speed says why in its place. */
static void cells_of(char cells[COLUMNS][CELL], const cJSON *row) {
    const bool ok = !strcmp(bcl_json_word(row, "status"), "ok");
    double x = 0;
    snprintf(cells[0], CELL, "%s", bcl_json_word(row, "device"));
    if (ok)
        snprintf(cells[1], CELL, "%s", bcl_json_word(row, "name"));
    else
        snprintf(cells[1], CELL, "%s: %s: %s", bcl_json_word(row, "name"),
                 bcl_json_word(row, "status"), bcl_json_word(row, "reason"));
    if (number(&x, cells[2], row, "value"))
        snprintf(cells[2], CELL, "%.4g", x);
    snprintf(cells[3], CELL, "%s", ok ? bcl_json_word(row, "unit") : "");
    spread(cells[4], row);
    if (number(&x, cells[5], row, "error"))
        snprintf(cells[5], CELL, "%.1e", x);
    if (number(&x, cells[6], row, "share_of_limit"))
        snprintf(cells[6], CELL, "%.2f", x);
}

static void print_markdown_cell(const char *cell) {
    for (; *cell; cell++)
        printf("%s%c", *cell == '|' ? "\\" : "", *cell == '\n' ? ' ' : *cell);
    fputs(" | ", stdout);
}

static void print_csv_cell(const char *cell, bool last) {
    putchar('"');
    for (; *cell; cell++)
        printf("%s%c", *cell == '"' ? "\"" : "", *cell);
    fputs(last ? "\"\n" : "\",", stdout);
}

/* The columns of the table, then what a row needs to stand for itself. */
static void print_csv(const cJSON *result, const cJSON *row, char cells[COLUMNS][CELL]) {
    static const char *const own[] = {"status",      "reason", "precision",
                                      "device_name", "driver", "driver_version"};
    static const char *const common[] = {"host", "os", "build", "date", "command"};
    for (int c = 0; c < COLUMNS; c++)
        print_csv_cell(!row ? headings[c] : c == 1 ? bcl_json_word(row, "name") : cells[c], false);
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        print_csv_cell(row ? bcl_json_word(row, own[i]) : own[i], false);
    for (size_t i = 0; i < sizeof common / sizeof *common; i++)
        print_csv_cell(row ? bcl_json_word(result, common[i]) : common[i], i == 4);
}

/* ---- SQL ---- */

static void print_sql_text(const char *value) {
    putchar('\'');
    for (; *value; value++)
        printf("%s%c", *value == '\'' ? "'" : "", *value);
    putchar('\'');
}

static void print_sql_number(const cJSON *row, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(row, key);
    if (cJSON_IsNumber(item))
        printf(", %.17g", item->valuedouble);
    else
        fputs(", NULL", stdout);
}

/* A table and its rows, in the words that SQLite, PostgreSQL and MySQL have in common. */
static void print_sql(const cJSON *result, const cJSON *rows) {
    static const char *const common[] = {"host", "os", "build", "date", "command"};
    static const char *const texts[] = {"device", "device_name", "driver", "driver_version",
                                        "name",   "level",       "status", "reason",
                                        "unit",   "precision"};
    static const char *const numbers[] = {"value",  "error",    "error_limit",
                                          "gflops", "gb_per_s", "share_of_limit"};
    static const char *const times[] = {"median", "q1", "q3", "least"};
    const cJSON *row;
    fputs("CREATE TABLE IF NOT EXISTS bertcl_bench (host TEXT, os TEXT, build TEXT, date TEXT, "
          "command TEXT, device TEXT, device_name TEXT, driver TEXT, driver_version TEXT, "
          "name TEXT, level TEXT, status TEXT, reason TEXT, unit TEXT, \"precision\" TEXT, "
          "value DOUBLE PRECISION, error DOUBLE PRECISION, error_limit DOUBLE PRECISION, "
          "gflops DOUBLE PRECISION, gb_per_s DOUBLE PRECISION, share_of_limit DOUBLE PRECISION, "
          "seconds_median DOUBLE PRECISION, seconds_q1 DOUBLE PRECISION, "
          "seconds_q3 DOUBLE PRECISION, seconds_least DOUBLE PRECISION);\n",
          stdout);
    cJSON_ArrayForEach(row, rows) {
        const cJSON *seconds = cJSON_GetObjectItemCaseSensitive(row, "seconds");
        fputs("INSERT INTO bertcl_bench VALUES (", stdout);
        for (size_t i = 0; i < sizeof common / sizeof *common; i++) {
            print_sql_text(bcl_json_word(result, common[i]));
            fputs(", ", stdout);
        }
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
            fputs(i ? ", " : "", stdout);
            print_sql_text(bcl_json_word(row, texts[i]));
        }
        for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
            print_sql_number(row, numbers[i]);
        for (size_t i = 0; i < sizeof times / sizeof *times; i++)
            print_sql_number(seconds, times[i]);
        fputs(");\n", stdout);
    }
}

/* ---- */

static void print_markdown(const cJSON *row, char cells[COLUMNS][CELL]) {
    fputs("| ", stdout);
    for (int c = 0; c < COLUMNS; c++)
        print_markdown_cell(row ? cells[c] : headings[c]);
    fputs(row ? "\n" : "\n| --- | --- | ---: | --- | ---: | ---: | ---: |\n", stdout);
}

bcl_status bcl_cli_bench_print(const cJSON *result, const char *format) {
    bcl_status status = BCL_OK;
    const cJSON *rows = cJSON_GetObjectItemCaseSensitive(result, "rows"), *row;
    const bool csv = !strcmp(format, "csv"), markdown = !strcmp(format, "markdown");
    bcl_table t = {.align = "llrlrrr"};
    char cells[COLUMNS][CELL];
    if (!strcmp(format, "json")) {
        char *json = NULL;
        BCL_TRY(bcl_json_print(&json, result));
        puts(json);
        cJSON_free(json);
        return BCL_OK;
    }
    if (!strcmp(format, "sql")) {
        print_sql(result, rows);
        return BCL_OK;
    }
    if (csv)
        print_csv(result, NULL, cells);
    else if (markdown)
        print_markdown(NULL, cells);
    for (int c = 0; !csv && !markdown && c < COLUMNS; c++)
        bcl_table_add(&t, headings[c]);
    cJSON_ArrayForEach(row, rows) {
        cells_of(cells, row);
        if (csv)
            print_csv(result, row, cells);
        else if (markdown)
            print_markdown(row, cells);
        for (int c = 0; !csv && !markdown && c < COLUMNS; c++)
            bcl_table_add(&t, cells[c]);
    }
    if (!csv && !markdown)
        return bcl_table_print(&t, stdout);
out:
    return status;
}
