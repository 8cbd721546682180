/* A row: measured, judged and told to the parent as JSON. */
#include "bench/internal.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdarg.h>
#include <unistd.h>

/* Samples whose last third differs by this from the first are not of one state of the machine. */
static const double DRIFT = 0.1;
/* The driver's clock disagrees with the host's, beyond what a busy host explains. */
static const double CLOCKS_DIFFER = 2;

static void put(int fd, const char *data, size_t size) {
    while (size) {
        const ssize_t n = write(fd, data, size);
        if (n <= 0)
            _exit(1);
        data += n;
        size -= (size_t)n;
    }
}

void bcl_bench_frame(bcl_bench_child *c, char kind, const char *text) {
    put(c->fd, &kind, 1);
    put(c->fd, text, strlen(text) + 1);
}

void bcl_bench_mark(bcl_bench_row *row, const char *status, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(row->reason, sizeof row->reason, format, args);
    va_end(args);
    row->status = status;
}

static bcl_bench_row *find_kept(const bcl_bench_child *c, const char *name) {
    for (size_t i = 0; i < c->kept_count; i++)
        if (!strcmp(c->kept[i].name, name))
            return &c->kept[i];
    return NULL;
}

/* For the passes to come; without memory there are none of this row. */
static void keep(bcl_bench_child *c, const bcl_bench_row *row) {
    bcl_bench_row *kept = find_kept(c, row->name);
    if (!kept && bcl_grow(&c->kept, &c->kept_capacity, c->kept_count + 1, sizeof *c->kept))
        return;
    if (!kept)
        kept = &c->kept[c->kept_count++];
    *kept = *row;
    kept->more = NULL;
}

bool bcl_bench_begin(bcl_bench_child *c, bcl_bench_row *row) {
    const bcl_bench_row *kept = find_kept(c, row->name);
    if (kept && kept->times.passes > c->pass)
        return false; /* two products have one shape */
    if (c->pass > 0 && (!kept || bcl_seconds() >= c->deadline))
        return false;
    if (kept)
        *row = *kept;
    bcl_bench_frame(c, 'B', row->name);
    if (bcl_seconds() < c->deadline)
        return true;
    bcl_bench_mark(row, "skipped", "no time was left");
    bcl_bench_tell(c, row);
    return false;
}

bcl_status bcl_bench_measure(bcl_bench_child *c, bcl_bench_row *row, bcl_bench_work *work,
                             void *context) {
    const int count = c->options->full ? BCL_BENCH_FULL_SAMPLES : BCL_BENCH_QUICK_SAMPLES;
    const double left = c->deadline - bcl_seconds();
    bcl_bench_times now, *all = &row->times;
    const bcl_status status = bcl_bench_time(&now, count, left, work, context);
    if (status)
        return status;
    for (int i = 0; row->products && i < now.count; i++)
        now.samples[i] /= row->products;
    if (now.count && all->count + now.count <= BCL_BENCH_SAMPLES) {
        memcpy(all->samples + all->count, now.samples, (size_t)now.count * sizeof *now.samples);
        all->count += now.count;
        all->repeats = now.repeats;
        all->passes++;
        bcl_bench_summarize(all);
    } else if (!all->count) {
        bcl_bench_mark(row, "skipped",
                       "%d repetitions of %.3g s each did not fit into the %.0f s that were left",
                       count, now.median, fmax(left, 0));
    }
    return BCL_OK;
}

static void judge(bcl_bench_row *row) {
    if (row->status)
        return;
    if (row->error_limit > 0 && !(row->error <= row->error_limit))
        bcl_bench_mark(row, "wrong", "error %.3g, at most %.3g was to be expected", row->error,
                       row->error_limit);
    else if (row->roof > BCL_BENCH_ABOVE * row->times.median && row->times.count)
        bcl_bench_mark(row, "wrong",
                       "%.4g us are less than the %.4g that it takes by the measured limits of %s",
                       1e6 * row->times.median, 1e6 * row->roof, row->bound);
    else if (row->limit > 0 && row->flop / row->times.median > BCL_BENCH_ABOVE * row->limit)
        bcl_bench_mark(row, "wrong",
                       "%.1f GFLOP/s is above the %.1f that the device was measured to have",
                       row->flop / row->times.median * 1e-9, row->limit * 1e-9);
    else
        row->status = "ok";
}

static void add_times(cJSON *json, const bcl_bench_times *t) {
    cJSON *times = cJSON_AddObjectToObject(json, "seconds");
    cJSON_AddNumberToObject(times, "median", t->median);
    cJSON_AddNumberToObject(times, "q1", t->q1);
    cJSON_AddNumberToObject(times, "q3", t->q3);
    cJSON_AddNumberToObject(times, "least", t->least);
    cJSON_AddNumberToObject(times, "repeats", t->repeats);
    cJSON_AddNumberToObject(times, "passes", t->passes);
    cJSON_AddItemToObject(times, "samples", cJSON_CreateDoubleArray(t->samples, t->count));
    const double drift = bcl_bench_drift(t);
    cJSON_AddNumberToObject(times, "last_by_first_third", drift);
}

/* Of the clock, and of the samples. */
static void add_note(cJSON *json, bcl_bench_row *row) {
    const double drift = bcl_bench_drift(&row->times);
    const size_t at = strlen(row->note);
    if (fabs(drift - 1) > DRIFT)
        snprintf(row->note + at, sizeof row->note - at, "%s%s", at ? "; " : "",
                 drift > 1 ? "slower towards the end: throttled, or other load"
                           : "faster towards the end: other load, or not warm");
    if (row->note[0])
        cJSON_AddStringToObject(json, "note", row->note);
}

/* The driver's clock cannot have seen more than the host's. */
static void compare_clocks(bcl_bench_row *row) {
    if (row->events > CLOCKS_DIFFER * row->times.median && !row->note[0])
        snprintf(row->note, sizeof row->note,
                 "by the driver's clock it took %.4g us, more than by the wall clock, which is "
                 "taken",
                 1e6 * row->events);
}

static void add_speed(cJSON *json, bcl_bench_row *row) {
    const double s = row->times.median;
    compare_clocks(row);
    cJSON_AddNumberToObject(json, "value",
                            row->value != 0   ? row->value
                            : row->amount > 0 ? row->amount / s
                                              : 1e6 * s);
    if (row->flop > 0)
        cJSON_AddNumberToObject(json, "gflops", row->flop / s * 1e-9);
    if (row->bytes > 0)
        cJSON_AddNumberToObject(json, "gb_per_s", row->bytes / s * 1e-9);
    if (row->limit > 0)
        cJSON_AddNumberToObject(json, "share_of_limit", row->flop / s / row->limit);
    if (row->roof > 0) {
        cJSON_AddNumberToObject(json, "share_of_limit", row->roof / s);
        cJSON_AddStringToObject(json, "bound", row->bound);
    }
    if (row->events > 0)
        cJSON_AddNumberToObject(json, "event_seconds", row->events);
    add_times(json, &row->times);
    add_note(json, row);
}

void bcl_bench_tell(bcl_bench_child *c, bcl_bench_row *row) {
    char *text = NULL;
    cJSON *json = cJSON_CreateObject();
    if (!row->status && row->times.count)
        keep(c, row); /* as it is: what is judged and noted below is of all passes */
    judge(row);
    cJSON_AddStringToObject(json, "name", row->name);
    cJSON_AddStringToObject(json, "level", row->level);
    cJSON_AddStringToObject(json, "status", row->status);
    if (row->reason[0])
        cJSON_AddStringToObject(json, "reason", row->reason);
    cJSON_AddStringToObject(json, "unit", row->unit);
    cJSON_AddStringToObject(json, "precision", row->precision);
    cJSON_AddStringToObject(json, "accumulates_in", "fp32");
    if (row->error_limit > 0) {
        /* JSON has no infinity: what is not finite or was not written */
        cJSON_AddItemToObject(json, "error",
                              isfinite(row->error) ? cJSON_CreateNumber(row->error)
                                                   : cJSON_CreateNull());
        if (row->error_p99 > 0)
            cJSON_AddItemToObject(json, "error_p99",
                                  isfinite(row->error_p99) ? cJSON_CreateNumber(row->error_p99)
                                                           : cJSON_CreateNull());
        cJSON_AddNumberToObject(json, "error_limit", row->error_limit);
    }
    if (!strcmp(row->status, "ok") && row->times.count)
        add_speed(json, row);
    for (cJSON *item; row->more && (item = row->more->child);)
        cJSON_AddItemToObject(json, item->string, cJSON_DetachItemViaPointer(row->more, item));
    cJSON_Delete(row->more);
    row->more = NULL;
    if (!bcl_json_print(&text, json))
        bcl_bench_frame(c, 'R', text);
    cJSON_free(text);
    cJSON_Delete(json);
}

void bcl_bench_end(bcl_bench_child *c, bcl_bench_row *row, bcl_status status) {
    if (status)
        bcl_bench_mark(row,
                       status == BCL_ERROR_DEVICE_MEMORY || status == BCL_ERROR_MEMORY ? "skipped"
                       : status == BCL_ERROR_UNSUPPORTED ? "unsupported"
                                                         : "failed",
                       "%s", bcl_message());
    bcl_bench_tell(c, row);
}
