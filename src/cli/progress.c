/* A run's progress line and status file. */
#include "cli/progress.h"

#include "cli/terminal.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <time.h>
#include <unistd.h>

enum { MESSAGE_STEPS = 100, LEAST_BAR = 8, MOST_BAR = 24 };
static const double DRAW_S = 0.1, WRITE_S = 1, SMOOTHING = 0.95;

/* What a first signal is answered with, at once; on a terminal the lines are erased before. Before
 * the first step there is nothing to save. */
#define ERASE    "\r\033[J"
#define STARTING "bertcl: stopping before the first step; Ctrl-C again ends at once\n"
#define SAVING                                                                                     \
    "bertcl: stopping: a checkpoint is being saved; Ctrl-C again ends at once, and the run goes "  \
    "on from the checkpoint before\n"

static void set_notice(const bcl_progress *p, bool saving) {
    if (!p->quiet)
        bcl_interrupt_notice(saving ? (p->bar ? ERASE SAVING : SAVING)
                                    : (p->bar ? ERASE STARTING : STARTING));
}

/* ---- the line ---- */

/* The line's parts in their order. */
enum { EPOCH, BAR, STEP, LOSS, RATE, SPEED, LEFT, MEMORY, PARTS };

/* What is left out first, last. */
static const int least_first[PARTS] = {MEMORY, RATE, BAR, EPOCH, SPEED, LOSS, LEFT, STEP};

typedef char part[64];

static void write_time(part out, double seconds) {
    const long long s = (long long)(seconds + 0.5);
    if (s >= 86400)
        snprintf(out, sizeof(part), "%lld d %02lld h left", s / 86400, s / 3600 % 24);
    else if (s >= 3600)
        snprintf(out, sizeof(part), "%lld:%02lld:%02lld left", s / 3600, s / 60 % 60, s % 60);
    else
        snprintf(out, sizeof(part), "%lld:%02lld left", s / 60, s % 60);
}

static double smoothed(const bcl_progress *p) {
    return p->smooth_weight > 0 ? p->smooth_loss / p->smooth_weight : 0;
}

static void write_parts(part parts[PARTS], const bcl_progress *p, double memory_mb) {
    const bcl_run_event *s = &p->step;
    snprintf(parts[EPOCH], sizeof(part), "epoch %lld/%lld", (long long)s->epoch,
             (long long)p->epochs);
    snprintf(parts[STEP], sizeof(part), "step %lld/%lld", (long long)s->step, (long long)s->steps);
    snprintf(parts[LOSS], sizeof(part), "loss %.4f", smoothed(p));
    snprintf(parts[RATE], sizeof(part), "lr %.2e", s->lr);
    /* not known in the first steps of a process */
    if (s->tokens_per_s > 0) {
        snprintf(parts[SPEED], sizeof(part), "%.0f tokens/s", s->tokens_per_s);
        write_time(parts[LEFT], s->seconds_left);
    }
    snprintf(parts[MEMORY], sizeof(part), "%.0f MiB", memory_mb);
}

static void write_bar(part out, const bcl_run_event *s, size_t width) {
    const int64_t total = s->steps > 0 ? s->steps : 1;
    const size_t full = (size_t)((double)width * (double)s->step / (double)total);
    out[0] = '[';
    for (size_t i = 0; i < width; i++)
        out[1 + i] = i < full ? '#' : '.';
    memcpy(out + 1 + width, "]", 2);
}

/* Of what is to be shown, two spaces between the parts. */
static size_t line_columns(part parts[PARTS]) {
    size_t columns = 0;
    for (int i = 0; i < PARTS; i++)
        columns += parts[i][0] ? (columns ? 2 : 0) + strlen(parts[i]) : 0;
    return columns;
}

void bcl_progress_line(char *out, size_t size, const bcl_progress *p, double memory_mb,
                       size_t columns) {
    part parts[PARTS] = {{0}};
    write_parts(parts, p, memory_mb);
    write_bar(parts[BAR], &p->step, LEAST_BAR);
    for (int i = 0; i < PARTS && line_columns(parts) > columns; i++)
        parts[least_first[i]][0] = 0;
    const size_t used = line_columns(parts);
    if (parts[BAR][0] && used < columns)
        write_bar(parts[BAR], &p->step,
                  columns - used < MOST_BAR - LEAST_BAR ? LEAST_BAR + columns - used : MOST_BAR);
    size_t at = 0;
    out[0] = 0;
    for (int i = 0; i < PARTS; i++)
        if (parts[i][0] && at < size)
            at += (size_t)snprintf(out + at, size - at, "%s%s", at ? "  " : "", parts[i]);
}

static void draw_devices(const bcl_progress *p, const char *line) {
    bcl_string table = {0};
    cJSON *devices = p->devices(p->devices_context);
    const bcl_status status = bcl_progress_table(&table, devices);
    bcl_terminal_rewrite_above(stderr, line, status || !table.data ? "" : table.data);
    bcl_string_free(&table);
    cJSON_Delete(devices);
}

static void draw(bcl_progress *p) {
    char line[512];
    const double now = bcl_seconds();
    const bool last = p->step.step == p->step.steps;
    if (!p->bar || bcl_interrupted() || (!last && now - p->drawn < DRAW_S))
        return;
    bcl_progress_line(line, sizeof line, p, bcl_rss_mb(), bcl_terminal_columns(stderr) - 1);
    if (!p->devices)
        bcl_terminal_rewrite(stderr, "%s", line);
    else
        draw_devices(p, line);
    p->drawn = now;
    p->shown = true;
}

/* ---- the status file ---- */

static cJSON *status_json(const bcl_progress *p, const char *message) {
    const bcl_run_event *s = &p->step;
    cJSON *json = cJSON_CreateObject(), *eval;
    cJSON_AddStringToObject(json, "state", p->state);
    if (message)
        cJSON_AddStringToObject(json, "message", message);
    cJSON_AddStringToObject(json, "run", p->run);
    cJSON_AddNumberToObject(json, "pid", (double)getpid());
    cJSON_AddNumberToObject(json, "updated", (double)time(NULL));
    cJSON_AddNumberToObject(json, "epochs", (double)p->epochs);
    cJSON_AddNumberToObject(json, "memory_mb", bcl_rss_mb());
    if (s->steps > 0) {
        cJSON_AddNumberToObject(json, "epoch", (double)s->epoch);
        cJSON_AddNumberToObject(json, "step", (double)s->step);
        cJSON_AddNumberToObject(json, "steps", (double)s->steps);
        cJSON_AddNumberToObject(json, "loss", s->loss);
        cJSON_AddNumberToObject(json, "smoothed_loss", smoothed(p));
        cJSON_AddNumberToObject(json, "lr", s->lr);
    }
    if (s->tokens_per_s > 0) {
        cJSON_AddNumberToObject(json, "tokens_per_s", s->tokens_per_s);
        cJSON_AddNumberToObject(json, "seconds_left", s->seconds_left);
    }
    if (p->devices && s->steps > 0)
        cJSON_AddItemToObject(json, "devices", p->devices(p->devices_context));
    if (p->evaluated) {
        eval = cJSON_AddObjectToObject(json, "eval");
        cJSON_AddNumberToObject(eval, "epoch", (double)p->eval_epoch);
        cJSON_AddNumberToObject(eval, "loss", p->eval_loss);
        cJSON_AddNumberToObject(eval, "accuracy", p->eval_accuracy);
        cJSON_AddNumberToObject(eval, "macro_f1", p->eval_f1);
    }
    return json;
}

static bcl_status write_status(bcl_progress *p, const char *message) {
    bcl_status status = BCL_OK;
    cJSON *json = status_json(p, message);
    char *text = NULL;
    bcl_writer w = {0};
    BCL_TRY(bcl_json_print(&text, json));
    BCL_TRY(bcl_writer_open(&w, p->status_path));
    w.unsynced = true;
    BCL_TRY(bcl_writer_write(&w, text, strlen(text)));
    BCL_TRY(bcl_writer_write(&w, "\n", 1));
    BCL_TRY(bcl_writer_commit(&w));
    p->written = bcl_seconds();
out:
    bcl_writer_discard(&w);
    cJSON_free(text);
    cJSON_Delete(json);
    return status;
}

/* Training must not end because of a file that others read: a failure is told once. The run's own
 * message stays. */
static void update_status(bcl_progress *p, bool now, const char *message) {
    char kept[1024];
    if (!p->status_path || (!now && bcl_seconds() - p->written < WRITE_S))
        return;
    snprintf(kept, sizeof kept, "%s", bcl_message());
    if (write_status(p, message) && !p->told && !p->quiet) {
        bcl_progress_clear(p);
        fprintf(stderr, "bertcl: --status: %s; the run goes on\n", bcl_message());
        p->told = true;
    }
    bcl_fail(BCL_OK, "%s", kept);
}

/* ---- events ---- */

bcl_status bcl_progress_start(bcl_progress *p) {
    bcl_status status = BCL_OK;
    p->bar = !p->quiet && bcl_terminal_is(stderr);
    p->state = "starting";
    set_notice(p, false);
    if (p->status_path)
        BCL_TRY(write_status(p, NULL));
out:
    if (status)
        p->status_path = NULL;
    return status;
}

static void print_message(bcl_progress *p) {
    const bcl_run_event *s = &p->step;
    bcl_progress_clear(p);
    if (!p->quiet)
        fprintf(stderr,
                "step %lld of %lld: loss %.6f (mean of the last %lld steps), %.0f tokens/s\n",
                (long long)s->step, (long long)s->steps, p->loss_sum / (double)p->loss_count,
                (long long)p->loss_count, s->tokens_per_s);
    p->loss_sum = 0;
    p->loss_count = 0;
}

void bcl_progress_step(bcl_progress *p, const bcl_run_event *s) {
    p->state = "training";
    set_notice(p, true);
    p->step = *s;
    p->smooth_loss = SMOOTHING * p->smooth_loss + (1 - SMOOTHING) * s->loss;
    p->smooth_weight = SMOOTHING * p->smooth_weight + (1 - SMOOTHING);
    p->loss_sum += s->loss;
    p->loss_count++;
    if (s->step % MESSAGE_STEPS == 0)
        print_message(p);
    draw(p);
    update_status(p, false, NULL);
}

void bcl_progress_evaluating(bcl_progress *p, size_t done, size_t all) {
    const double now = bcl_seconds();
    if (p->devices && strcmp(p->state, "evaluating"))
        bcl_progress_clear(p); /* no table below this line */
    p->state = "evaluating";
    if (p->bar && !bcl_interrupted() && (done == all || now - p->drawn >= DRAW_S)) {
        bcl_terminal_rewrite(stderr, "evaluating %zu/%zu sentences", done, all);
        p->drawn = now;
        p->shown = true;
    }
    update_status(p, false, NULL);
}

void bcl_progress_evaluated(bcl_progress *p, const bcl_run_event *e) {
    p->evaluated = true;
    p->eval_epoch = e->epoch;
    p->eval_loss = e->loss;
    p->eval_accuracy = e->accuracy;
    p->eval_f1 = e->macro_f1;
    update_status(p, true, NULL);
}

void bcl_progress_clear(bcl_progress *p) {
    if (p->shown)
        bcl_terminal_erase(stderr);
    p->shown = false;
}

void bcl_progress_end(bcl_progress *p, bcl_status status) {
    bcl_progress_clear(p);
    bcl_interrupt_notice(NULL);
    if (!p->state)
        return;
    p->state = !status ? "done" : status == BCL_ERROR_INTERRUPTED ? "interrupted" : "failed";
    char message[1024];
    snprintf(message, sizeof message, "%s", bcl_message());
    update_status(p, true, status ? message : NULL);
}
