/* SQLite's calls with their arguments in one line, and its errors as statuses. */
#include "track/store.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <unistd.h>

bcl_status bcl_sql_fail(bcl_store *store, int code) {
    const char *text = sqlite3_errmsg(store->db);
    switch (code & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        store->damaged = true;
        return bcl_fail(BCL_ERROR_FORMAT, "%s: the index is damaged (%s)", store->path, text);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return bcl_fail(BCL_ERROR_IO, "%s: another process has held its lock for too long",
                        store->path);
    case SQLITE_NOMEM:
        return bcl_fail(BCL_ERROR_MEMORY, "%s: out of memory", store->path);
    case SQLITE_FULL:
        return bcl_fail(BCL_ERROR_IO, "%s: cannot write: the disk is full", store->path);
    case SQLITE_READONLY:
        return bcl_fail(BCL_ERROR_IO, "%s: cannot write: read-only", store->path);
    case SQLITE_CANTOPEN: /* SQLite's own error number is often that of its last attempt */
        errno = 0;
        if (!access(store->home, W_OK) && !access(store->path, W_OK))
            errno = sqlite3_system_errno(store->db);
        return bcl_fail_errno("%s: cannot open", store->path);
    default:
        return bcl_fail(BCL_ERROR_IO, "%s: %s", store->path, text);
    }
}

bcl_status bcl_sql_exec(bcl_store *store, const char *sql) {
    const int code = sqlite3_exec(store->db, sql, NULL, NULL, NULL);
    return code ? bcl_sql_fail(store, code) : BCL_OK;
}

static bcl_status prepare(sqlite3_stmt **out, bcl_store *store, const char *sql) {
    size_t i = 0;
    while (i < store->cached && store->cache[i].sql != sql)
        i++;
    if (i < store->cached) {
        *out = store->cache[i].statement;
        sqlite3_reset(*out);
        sqlite3_clear_bindings(*out);
        return BCL_OK;
    }
    const int code = sqlite3_prepare_v3(store->db, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL);
    if (code)
        return bcl_sql_fail(store, code);
    if (store->cached == BCL_STATEMENTS) { /* the oldest goes */
        sqlite3_finalize(store->cache[0].statement);
        memmove(store->cache, store->cache + 1, sizeof store->cache - sizeof *store->cache);
        store->cached--;
    }
    store->cache[store->cached].sql = sql;
    store->cache[store->cached++].statement = *out;
    return BCL_OK;
}

static int bind(sqlite3_stmt *statement, const char *types, va_list args) {
    int code = SQLITE_OK;
    for (int i = 0; types[i] && !code; i++) {
        if (types[i] == 'i') {
            code = sqlite3_bind_int64(statement, i + 1, va_arg(args, int64_t));
        } else if (types[i] == 'd') {
            const double x = va_arg(args, double);
            code = isnan(x) ? sqlite3_bind_null(statement, i + 1)
                            : sqlite3_bind_double(statement, i + 1, x);
        } else {
            code = sqlite3_bind_text(statement, i + 1, va_arg(args, const char *), -1,
                                     SQLITE_TRANSIENT);
        }
    }
    return code;
}

static bcl_status query(sqlite3_stmt **out, bcl_store *store, const char *sql, const char *types,
                        va_list args) {
    *out = NULL;
    bcl_status status = prepare(out, store, sql);
    if (status)
        return status;
    const int code = bind(*out, types, args);
    return code ? bcl_sql_fail(store, code) : BCL_OK;
}

bcl_status bcl_sql_query(sqlite3_stmt **out, bcl_store *store, const char *sql, const char *types,
                         ...) {
    va_list args;
    va_start(args, types);
    const bcl_status status = query(out, store, sql, types, args);
    va_end(args);
    return status;
}

bcl_status bcl_sql_next(bool *row, bcl_store *store, sqlite3_stmt *statement) {
    const int code = sqlite3_step(statement);
    *row = code == SQLITE_ROW;
    if (*row)
        return BCL_OK;
    const bcl_status status = code == SQLITE_DONE ? BCL_OK : bcl_sql_fail(store, code);
    sqlite3_reset(statement);
    return status;
}

void bcl_sql_end(sqlite3_stmt *statement) {
    sqlite3_reset(statement);
}

bcl_status bcl_sql_run(bcl_store *store, const char *sql, const char *types, ...) {
    va_list args;
    sqlite3_stmt *statement;
    bool row = true;
    va_start(args, types);
    bcl_status status = query(&statement, store, sql, types, args);
    va_end(args);
    while (!status && row)
        status = bcl_sql_next(&row, store, statement);
    return status;
}

bcl_status bcl_sql_int(int64_t *out, bcl_store *store, int64_t fallback, const char *sql,
                       const char *types, ...) {
    va_list args;
    sqlite3_stmt *statement;
    bool row = false;
    *out = fallback;
    va_start(args, types);
    bcl_status status = query(&statement, store, sql, types, args);
    va_end(args);
    if (!status)
        status = bcl_sql_next(&row, store, statement);
    if (!row)
        return status;
    if (sqlite3_column_type(statement, 0) != SQLITE_NULL)
        *out = sqlite3_column_int64(statement, 0);
    sqlite3_reset(statement);
    return status;
}

const char *bcl_sql_text(sqlite3_stmt *statement, int column) {
    const unsigned char *text = sqlite3_column_text(statement, column);
    return text ? (const char *)text : "";
}

bcl_status bcl_sql_begin(bcl_store *store) {
    return bcl_sql_exec(store, "BEGIN IMMEDIATE");
}

bcl_status bcl_sql_commit(bcl_store *store, bcl_status work) {
    char *message = NULL;
    if (!work)
        work = bcl_sql_exec(store, "COMMIT");
    if (!work)
        return BCL_OK;
    /* Rolling back must not replace the message of what failed. */
    if (!sqlite3_get_autocommit(store->db) && !bcl_strdup(&message, bcl_message())) {
        for (size_t i = 0; i < store->cached; i++)
            sqlite3_reset(store->cache[i].statement);
        sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
        bcl_fail(work, "%s", message);
    }
    free(message);
    return work;
}
