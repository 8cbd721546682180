/* See sql_rows.h. */
#include "track/sql_rows.h"

#include <stdarg.h>

static cJSON *row_object(sqlite3_stmt *s) {
    cJSON *object = cJSON_CreateObject();
    for (int i = 0; i < sqlite3_column_count(s); i++) {
        const char *key = sqlite3_column_name(s, i);
        const int type = sqlite3_column_type(s, i);
        if (type == SQLITE_TEXT)
            cJSON_AddStringToObject(object, key, bcl_sql_text(s, i));
        else if (type != SQLITE_NULL)
            cJSON_AddNumberToObject(object, key, sqlite3_column_double(s, i));
    }
    return object;
}

static bcl_status collect(cJSON *list, bcl_store *store, sqlite3_stmt *s) {
    bcl_status status = BCL_OK;
    bool row;
    for (;;) {
        BCL_TRY(bcl_sql_next(&row, store, s));
        if (!row)
            break;
        if (!cJSON_AddItemToArray(list, row_object(s)))
            BCL_FAIL(BCL_ERROR_MEMORY, "out of memory while building JSON");
    }
out:
    return status;
}

bcl_status bcl_sql_rows_list(cJSON **out, bcl_store *store, const char *sql, const char *type,
                             ...) {
    bcl_status status = BCL_OK;
    sqlite3_stmt *s = NULL;
    va_list args;
    cJSON *list = cJSON_CreateArray();
    va_start(args, type);
    if (*type == 'i')
        status = bcl_sql_query(&s, store, sql, type, va_arg(args, int64_t));
    else
        status = bcl_sql_query(&s, store, sql, type, *type ? va_arg(args, const char *) : NULL);
    va_end(args);
    BCL_TRY(status);
    BCL_TRY(collect(list, store, s));
    *out = list;
    list = NULL;
out:
    cJSON_Delete(list);
    return status;
}

bcl_status bcl_sql_rows_add(cJSON *to, const char *name, bcl_store *store, const char *sql,
                            int64_t id) {
    bcl_status status = BCL_OK;
    sqlite3_stmt *s = NULL;
    cJSON *list = cJSON_AddArrayToObject(to, name);
    BCL_TRY(bcl_sql_query(&s, store, sql, "i", id));
    BCL_TRY(collect(list, store, s));
out:
    return status;
}

bcl_status bcl_sql_rows_one(cJSON **out, bcl_store *store, const char *sql, int64_t id) {
    bcl_status status = BCL_OK;
    sqlite3_stmt *s = NULL;
    bool row;
    *out = NULL;
    BCL_TRY(bcl_sql_query(&s, store, sql, "i", id));
    BCL_TRY(bcl_sql_next(&row, store, s));
    if (!row)
        BCL_FAIL(BCL_ERROR_ARGUMENT, "%s: no row %lld", store->path, (long long)id);
    *out = row_object(s);
    bcl_sql_end(s);
out:
    return status;
}

bcl_status bcl_sql_rows_pairs(cJSON *to, const char *name, bcl_store *store, const char *sql,
                              int64_t id) {
    bcl_status status = BCL_OK;
    sqlite3_stmt *s = NULL;
    bool row;
    cJSON *object = cJSON_AddObjectToObject(to, name);
    BCL_TRY(bcl_sql_query(&s, store, sql, "i", id));
    for (;;) {
        BCL_TRY(bcl_sql_next(&row, store, s));
        if (!row)
            break;
        if (sqlite3_column_type(s, 2) != SQLITE_NULL)
            cJSON_AddNumberToObject(object, bcl_sql_text(s, 0), sqlite3_column_double(s, 2));
        else
            cJSON_AddStringToObject(object, bcl_sql_text(s, 0), bcl_sql_text(s, 1));
    }
out:
    return status;
}
