/* Rows of the index as JSON: objects with the columns' names, NULLs left out. */
#ifndef BCL_SQL_ROWS_H
#define BCL_SQL_ROWS_H

#include "track/store.h"

/* *out = [{…}, …]. The statement has at most one argument, of `type` "i" or "t", or "". */
bcl_status bcl_sql_rows_list(cJSON **out, bcl_store *store, const char *sql, const char *type, ...);
/* to[name] = [{…}, …] of a statement with one number. */
bcl_status bcl_sql_rows_add(cJSON *to, const char *name, bcl_store *store, const char *sql,
                            int64_t id);
/* *out = the first row. */
bcl_status bcl_sql_rows_one(cJSON **out, bcl_store *store, const char *sql, int64_t id);
/* to[name] = {key: number or text} of rows (key, text, number). */
bcl_status bcl_sql_rows_pairs(cJSON *to, const char *name, bcl_store *store, const char *sql,
                              int64_t id);

#endif
