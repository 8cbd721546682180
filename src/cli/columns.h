/* Tables without the columns that are empty in every row, and the words that they share. */
#ifndef BCL_CLI_COLUMNS_H
#define BCL_CLI_COLUMNS_H

#include "util/util.h"

enum { BCL_TABLE_COLUMNS = 24 };

typedef struct bcl_cli_table {
    struct {
        char *title;
        bool right; /* numbers */
    } columns[BCL_TABLE_COLUMNS];
    size_t column_count;
    char **cells; /* (rows, column_count) */
    size_t cell_count, capacity;
} bcl_cli_table;

/* A title that begins with '>' makes a column of numbers. */
bcl_status bcl_cli_table_column(bcl_cli_table *table, const char *title);
/* The next cell, row by row; "" is an empty one. */
bcl_status bcl_cli_table_add(bcl_cli_table *table, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* On stdout, without the columns that are empty in every row. */
bcl_status bcl_cli_table_print(const bcl_cli_table *table);
void bcl_cli_table_free(bcl_cli_table *table);

/* "2026-11-26 14:30" in local time, "" for 0. */
const char *bcl_cli_time(char out[32], double unix_time);
/* "12 s", "3:04", "1:02:03". */
const char *bcl_cli_duration(char out[32], double seconds);
/* "12 B", "3.4 MB". */
const char *bcl_cli_bytes(char out[32], double bytes);

#endif
