/* See columns.h. */
#include "cli/columns.h"

#include "cli/terminal.h"

#include <stdarg.h>
#include <time.h>

bcl_status bcl_cli_table_column(bcl_cli_table *t, const char *title) {
    if (t->column_count == BCL_TABLE_COLUMNS)
        return bcl_fail(BCL_ERROR_ARGUMENT, "found more than %d columns", BCL_TABLE_COLUMNS);
    t->columns[t->column_count].right = title[0] == '>';
    const bcl_status status =
        bcl_strdup(&t->columns[t->column_count].title, title + (title[0] == '>'));
    t->column_count += !status;
    return status;
}

bcl_status bcl_cli_table_add(bcl_cli_table *t, const char *format, ...) {
    va_list args, again;
    bcl_status status = bcl_grow(&t->cells, &t->capacity, t->cell_count + 1, sizeof *t->cells);
    if (status)
        return status;
    va_start(args, format);
    va_copy(again, args);
    const size_t n = (size_t)vsnprintf(NULL, 0, format, args);
    char *text = bcl_calloc(n + 1, 1);
    if (text) {
        vsnprintf(text, n + 1, format, again);
        t->cells[t->cell_count++] = text;
    }
    va_end(again);
    va_end(args);
    return text ? BCL_OK : BCL_ERROR_MEMORY;
}

void bcl_cli_table_free(bcl_cli_table *t) {
    for (size_t i = 0; i < t->column_count; i++)
        free(t->columns[i].title);
    bcl_strings_free(t->cells, t->cell_count);
    *t = (bcl_cli_table){0};
}

bcl_status bcl_cli_table_print(const bcl_cli_table *t) {
    char align[BCL_TABLE_COLUMNS + 1];
    bool empty[BCL_TABLE_COLUMNS];
    const size_t rows = t->column_count ? t->cell_count / t->column_count : 0;
    size_t shown = 0;
    for (size_t c = 0; c < t->column_count; c++) {
        empty[c] = true;
        for (size_t r = 0; r < rows; r++)
            empty[c] = empty[c] && !t->cells[r * t->column_count + c][0];
        if (!empty[c])
            align[shown++] = t->columns[c].right ? 'r' : 'l';
    }
    align[shown] = 0;
    if (!shown)
        return BCL_OK;
    bcl_table table = {.align = align};
    for (size_t c = 0; c < t->column_count; c++)
        if (!empty[c])
            bcl_table_add(&table, t->columns[c].title);
    for (size_t i = 0; i < rows * t->column_count; i++)
        if (!empty[i % t->column_count])
            bcl_table_add(&table, t->cells[i]);
    return bcl_table_print(&table, stdout);
}
const char *bcl_cli_time(char out[32], double unix_time) {
    const time_t seconds = (time_t)unix_time;
    struct tm local;
    out[0] = 0;
    if (unix_time > 0 && localtime_r(&seconds, &local))
        strftime(out, 32, "%Y-%m-%d %H:%M", &local);
    return out;
}

const char *bcl_cli_duration(char out[32], double seconds) {
    const long long s = seconds > 0 ? (long long)(seconds + 0.5) : 0;
    if (s < 60)
        snprintf(out, 32, "%lld s", s);
    else if (s < 3600)
        snprintf(out, 32, "%lld:%02lld", s / 60, s % 60);
    else
        snprintf(out, 32, "%lld:%02lld:%02lld", s / 3600, s / 60 % 60, s % 60);
    return out;
}

const char *bcl_cli_bytes(char out[32], double bytes) {
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    size_t unit = 0;
    while (bytes >= 1000 && unit < 4) {
        bytes /= 1000;
        unit++;
    }
    snprintf(out, 32, unit ? "%.1f %s" : "%.0f %s", bytes, units[unit]);
    return out;
}
