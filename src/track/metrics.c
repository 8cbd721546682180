/* metrics.jsonl into the index: only what was added since the last time is read. A run that was
 * resumed from a checkpoint has a shorter file than before; then all of it is read again. */
#include "track/store.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TAIL = 256, MOST_KEYS = 64, BLOCK = 1 << 20 };

/* ---- one line ---- */

static const char *skip_space(const char *p, const char *end) {
    while (p < end && strchr(" \t\r", *p))
        p++;
    return p;
}

/* A JSON value from p on, which may be NaN or an infinity; *value is set if it is a number. */
static const char *skip_value(const char *p, const char *end, double *value, bool *number) {
    char text[64];
    *number = false;
    if (p < end && *p == '"') {
        for (p++; p < end && *p != '"'; p++)
            p += *p == '\\';
        return p < end ? p + 1 : NULL;
    }
    if (p < end && (*p == '[' || *p == '{')) {
        for (int depth = 0; p < end; p++) {
            depth += (*p == '[' || *p == '{') - (*p == ']' || *p == '}');
            if (!depth)
                return p + 1;
        }
        return NULL;
    }
    const char *begin = p;
    while (p < end && !strchr(",}] \t\r", *p))
        p++;
    const size_t size = (size_t)(p - begin);
    if (!size || size >= sizeof text)
        return NULL;
    memcpy(text, begin, size);
    text[size] = 0;
    char *rest;
    *value = strtod(text, &rest); /* takes nan, inf and Infinity as well */
    *number = !*rest;
    return *number || !strcmp(text, "null") || !strcmp(text, "true") || !strcmp(text, "false")
               ? p
               : NULL;
}

bool bcl_metric_line(const char *line, size_t size, bcl_metric_sink *sink, void *context) {
    const char *end = line + size, *p = skip_space(line, end);
    if (p == end || *p++ != '{')
        return false;
    for (;;) {
        double value = 0;
        bool number;
        p = skip_space(p, end);
        if (p < end && *p == '}')
            return true;
        if (p == end || *p++ != '"')
            return false;
        const char *key = p;
        while (p < end && *p != '"')
            p++;
        const size_t key_size = (size_t)(p - key);
        p = skip_space(p + (p < end), end);
        if (p == end || *p++ != ':' || !(p = skip_value(skip_space(p, end), end, &value, &number)))
            return false;
        if (number)
            sink(context, key, key_size, value);
        p = skip_space(p, end);
        if (p < end && *p == ',')
            p++;
        else if (p == end || *p != '}')
            return false;
    }
}

/* ---- the file ---- */

typedef struct series {
    char name[64];
    int64_t key, points, last_step;
    double last, least, most;
} series;

typedef struct reader {
    bcl_store *store;
    int64_t run, step;
    struct {
        char name[64];
        double value;
    } line[MOST_KEYS];
    size_t count; /* values of the line */
    series series[MOST_KEYS];
    size_t series_count;
    size_t odd;        /* lines that are no figures */
    int64_t odd_first; /* where the first of them begins, in bytes */
} reader;

static void on_value(void *context, const char *key, size_t size, double value) {
    reader *r = context;
    if (size == 4 && !memcmp(key, "step", 4)) {
        r->step = isfinite(value) ? (int64_t)value : -1;
        return;
    }
    if (r->count == MOST_KEYS || size >= sizeof r->line[0].name)
        return;
    memcpy(r->line[r->count].name, key, size);
    r->line[r->count].name[size] = 0;
    r->line[r->count++].value = value;
}

static bcl_status find_series(series **out, reader *r, const char *name) {
    bcl_status status = BCL_OK;
    sqlite3_stmt *s = NULL;
    bool row = false;
    *out = NULL;
    for (size_t i = 0; i < r->series_count; i++)
        if (!strcmp(r->series[i].name, name)) {
            *out = &r->series[i];
            return status;
        }
    if (r->series_count == MOST_KEYS)
        return status;
    series *x = &r->series[r->series_count];
    *x = (series){.last_step = -1, .last = NAN, .least = NAN, .most = NAN};
    snprintf(x->name, sizeof x->name, "%s", name);
    BCL_TRY(bcl_sql_run(r->store, "INSERT OR IGNORE INTO keys (name) VALUES (?)", "t", name));
    BCL_TRY(bcl_sql_int(&x->key, r->store, 0, "SELECT id FROM keys WHERE name = ?", "t", name));
    BCL_TRY(bcl_sql_query(&s, r->store,
                          "SELECT points, last_step, last, least, most FROM series WHERE run = ? "
                          "AND key = ?",
                          "ii", r->run, x->key));
    BCL_TRY(bcl_sql_next(&row, r->store, s));
    if (row) {
        x->points = sqlite3_column_int64(s, 0);
        x->last_step = sqlite3_column_int64(s, 1);
        double *to[3] = {&x->last, &x->least, &x->most};
        for (int i = 0; i < 3; i++)
            if (sqlite3_column_type(s, 2 + i) != SQLITE_NULL)
                *to[i] = sqlite3_column_double(s, 2 + i);
        bcl_sql_end(s);
    }
    r->series_count++;
    *out = x;
out:
    return status;
}

static bcl_status take_line(reader *r, const char *line, size_t size, int64_t at) {
    bcl_status status = BCL_OK;
    r->count = 0;
    r->step = -1;
    if (!bcl_metric_line(line, size, on_value, r) || r->step < 0) {
        if (!r->odd++)
            r->odd_first = at;
        return status;
    }
    for (size_t i = 0; i < r->count; i++) {
        series *x;
        const double value = r->line[i].value;
        BCL_TRY(find_series(&x, r, r->line[i].name));
        if (!x)
            continue;
        BCL_TRY(bcl_sql_run(r->store,
                            "INSERT OR REPLACE INTO metrics (run, key, step, value) VALUES (?, ?, "
                            "?, ?)",
                            "iiid", r->run, x->key, r->step, value));
        x->points += r->step > x->last_step;
        x->last_step = r->step;
        x->last = value;
        x->least = fmin(x->least, value);
        x->most = fmax(x->most, value);
    }
out:
    return status;
}

static bcl_status write_series(reader *r) {
    bcl_status status = BCL_OK;
    int64_t step = 0;
    for (size_t i = 0; i < r->series_count; i++) {
        const series *x = &r->series[i];
        BCL_TRY(bcl_sql_run(r->store,
                            "INSERT OR REPLACE INTO series (run, key, points, last_step, last, "
                            "least, most) VALUES (?, ?, ?, ?, ?, ?, ?)",
                            "iiiiddd", r->run, x->key, x->points, x->last_step, x->last, x->least,
                            x->most));
        step = x->last_step > step ? x->last_step : step;
    }
    if (step)
        BCL_TRY(bcl_sql_run(r->store, "UPDATE runs SET step = ? WHERE id = ?", "ii", step, r->run));
out:
    return status;
}

/* Reads whole lines from *at on. */
static bcl_status read_lines(reader *r, int file, const char *path, int64_t *at) {
    bcl_status status = BCL_OK;
    char *block = NULL;
    BCL_NEW(block, BLOCK);
    for (;;) {
        const ssize_t n = pread(file, block, BLOCK, (off_t)*at);
        if (n < 0) {
            status = bcl_fail_errno("%s: cannot read", path);
            goto out;
        }
        char *line = block, *end;
        while ((end = memchr(line, '\n', (size_t)(block + n - line)))) {
            BCL_TRY(take_line(r, line, (size_t)(end - line), *at + (line - block)));
            line = end + 1;
        }
        *at += line - block;
        if (n < BLOCK || line == block)
            break;
    }
out:
    free(block);
    return status;
}

/* A hash of the bytes before `at`; "" if they are not there any more: a run that is gone on with
 * cuts the file while others read it. */
static bcl_status tail_of(char out[17], int file, const char *path, int64_t at) {
    char bytes[TAIL];
    const size_t size = at < TAIL ? (size_t)at : TAIL;
    const ssize_t n = pread(file, bytes, size, (off_t)(at - (int64_t)size));
    out[0] = 0;
    if (n < 0)
        return bcl_fail_errno("%s: cannot read", path);
    if ((size_t)n == size)
        snprintf(out, 17, "%016llx", (unsigned long long)bcl_hash(0, bytes, size));
    return BCL_OK;
}

static bcl_status forget(bcl_store *store, int64_t run) {
    bcl_status status = BCL_OK;
    BCL_TRY(bcl_sql_run(store, "DELETE FROM metrics WHERE run = ?", "i", run));
    BCL_TRY(bcl_sql_run(store, "DELETE FROM series WHERE run = ?", "i", run));
out:
    return status;
}

bcl_status bcl_metrics_import(bcl_store *store, int64_t run, const char *folder) {
    bcl_status status = BCL_OK;
    reader *r = NULL;
    char *path = NULL, tail[17] = "", known[17] = "";
    sqlite3_stmt *s = NULL;
    bool row;
    int64_t at = 0, before;
    struct stat info;
    int file = -1;
    BCL_TRY(bcl_path_join(&path, folder, "metrics.jsonl"));
    if ((file = open(path, O_RDONLY | O_CLOEXEC)) < 0 || fstat(file, &info)) {
        if (errno != ENOENT)
            status = bcl_fail_errno("%s: cannot open", path);
        goto out;
    }
    BCL_TRY(bcl_sql_query(&s, store, "SELECT metrics_read, metrics_tail FROM runs WHERE id = ?",
                          "i", run));
    BCL_TRY(bcl_sql_next(&row, store, s));
    if (row) {
        at = sqlite3_column_int64(s, 0);
        snprintf(known, sizeof known, "%s", bcl_sql_text(s, 1));
        bcl_sql_end(s);
    }
    if (at && info.st_size >= at)
        BCL_TRY(tail_of(tail, file, path, at));
    if (at && (!*tail || strcmp(tail, known))) {
        BCL_TRY(forget(store, run));
        at = 0;
    }
    before = at;
    BCL_NEW(r, 1);
    r->store = store;
    r->run = run;
    BCL_TRY(read_lines(r, file, path, &at));
    if (r->odd)
        bcl_store_say(store,
                      "store: %s: %zu %s no figures of a step and left out, the first at byte %lld",
                      path, r->odd, r->odd == 1 ? "line is" : "lines are", (long long)r->odd_first);
    if (at == before && *tail && strcmp(tail, known) == 0)
        goto out;
    BCL_TRY(write_series(r));
    BCL_TRY(tail_of(tail, file, path, at));
    BCL_TRY(bcl_sql_run(store, "UPDATE runs SET metrics_read = ?, metrics_tail = ? WHERE id = ?",
                        "iti", at, tail, run));
out:
    if (file >= 0)
        close(file);
    free(path);
    free(r);
    return status;
}
