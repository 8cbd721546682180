/* The tuner's parent: starts the children, follows their messages, excludes what crashed or hung,
 * and chooses. Makes no OpenCL call. */
#include "tune/internal.h"
#include "util/child.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdarg.h>

static const double PATIENCE_S = 120;
/* A plain provider is left for its parameters, or fp32 for another precision, for this gain at
 * least: less is noise. */
static const double WORTH = 1.02;

const char *bcl_tune_state_name(bcl_tune_state state) {
    static const char *const names[] = {"not tried", "right",   "slower", "wrong",
                                        "failed",    "crashed", "same"};
    return names[state];
}

/* ---- a child ---- */

/* How a child's messages end; *time_up: there is no time left for tuning. */
static bcl_child_news follow(bcl_tune_session *s, const bcl_child *child, bool *time_up) {
    const bcl_tune_options *o = s->options;
    bcl_tune_message m;
    for (;;) {
        const bool trying = s->current >= 0; /* else the driver is starting */
        const double patience = trying && o->patience > 0 ? o->patience : PATIENCE_S;
        size_t got;
        const bcl_child_news news =
            bcl_child_hear(child, &m, sizeof m, &got, fmin(patience, bcl_tune_seconds_left(s)));
        *time_up = news == BCL_CHILD_SILENT && bcl_tune_seconds_left(s) <= 0;
        if (news != BCL_CHILD_TOLD)
            return news;
        if (got != sizeof m)
            return BCL_CHILD_CLOSED;
        bcl_tune_apply(s, &m);
        if (m.kind == BCL_TUNE_TRYING && o->progress)
            o->progress(o->context, s->candidates[m.candidate].name, (size_t)m.candidate + 1,
                        (size_t)s->candidate_count);
    }
}

/* Excludes the candidate that a child went down with. */
static bcl_status exclude(bcl_tune_session *s, bool hung, int code) {
    char text[BCL_CHILD_REASON];
    const char *reason = hung ? "gave no answer" : bcl_child_reason(text, code);
    if (s->current < 0)
        return bcl_fail(BCL_ERROR_DEVICE, "%s: tuning: no candidate was reached: %s", s->about->id,
                        reason);
    bcl_tune_candidate *c = &s->candidates[s->current];
    c->state = BCL_TUNE_CRASHED;
    snprintf(c->reason, sizeof c->reason, "%s", reason);
    s->current = -1;
    return BCL_OK;
}

static void measure(void *context, int fd) {
    bcl_tune_measure(context, fd);
}

static bcl_status run_child(bcl_tune_session *s) {
    bcl_child child = {0};
    bool time_up = false;
    bcl_status status = bcl_child_start(&child, measure, s);
    if (status)
        return status;
    s->current = -1;
    const bcl_child_news end = follow(s, &child, &time_up);
    const int code = bcl_child_end(&child, end != BCL_CHILD_CLOSED);
    if (end == BCL_CHILD_INTERRUPTED)
        return bcl_fail(BCL_ERROR_INTERRUPTED, "stopped while tuning; nothing was stored");
    if (s->broken[0])
        return bcl_fail(BCL_ERROR_DEVICE, "%s: tuning: %s", s->about->id, s->broken);
    if (time_up)
        s->ended = true;
    return s->ended ? BCL_OK : exclude(s, end == BCL_CHILD_SILENT, code);
}

/* ---- the choice ---- */

static bool is_right(const bcl_tune_candidate *c) {
    return c->state == BCL_TUNE_RIGHT;
}

static int better_first(const void *a, const void *b) {
    const bcl_tune_candidate *x = a, *y = b;
    if (is_right(x) != is_right(y))
        return is_right(y) - is_right(x);
    if (x->gflops != y->gflops)
        return (x->gflops < y->gflops) - (x->gflops > y->gflops);
    return bcl_tune_has_attention(y) - bcl_tune_has_attention(x);
}

__attribute__((format(printf, 2, 3))) static void set_reason(bcl_gemm_choice *choice,
                                                             const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(choice->reason, sizeof choice->reason, format, args);
    va_end(args);
}

static int count_of(const bcl_tune_session *s, bcl_tune_state state) {
    int count = 0;
    for (int i = 0; i < s->candidate_count; i++)
        count +=
            s->candidates[i].precision == s->options->precision && s->candidates[i].state == state;
    return count;
}

static void choose(bcl_tune_result *out, const bcl_tune_session *s) {
    const bcl_precision precision = s->options->precision;
    const bcl_tune_candidate *best = NULL, *fp32 = NULL;
    bcl_gemm_choice *choice = &out->choice;
    int of_precision = 0;
    for (int i = 0; i < s->candidate_count; i++) {
        const bcl_tune_candidate *c = &s->candidates[i];
        of_precision += c->precision == precision;
        if (c->precision != precision)
            fp32 = c;
        else if (is_right(c) && !bcl_tune_has_attention(c) &&
                 (!best || c->gflops > WORTH * best->gflops))
            best = c;
    }
    choice->quick = s->options->quick;
    if (best) {
        choice->gflops = best->gflops;
        choice->error = best->error;
    }
    if (s->listed && !of_precision)
        set_reason(choice, "no matrix product in %s suits the device",
                   bcl_precision_name(precision));
    else if (!best && count_of(s, BCL_TUNE_SLOWER))
        set_reason(choice, "slower than fp32");
    else if (!best)
        set_reason(choice, "none of %d candidates was right in time", of_precision);
    else if (fp32 && fp32->state != BCL_TUNE_RIGHT && fp32->state != BCL_TUNE_SLOWER)
        set_reason(choice, "nothing in fp32 was right in time to compare with");
    else if (fp32 && best->gflops < WORTH * fp32->gflops)
        set_reason(choice, "no faster than fp32: %.1f and %.1f GFLOP/s", best->gflops,
                   fp32->gflops);
    else
        snprintf(choice->name, sizeof choice->name, "%s", best->name);
}

/* The same with attention on the matrix unit, where that is right and the faster. */
static void choose_attention(bcl_gemm_choice *choice, const bcl_tune_session *s) {
    const size_t n = strlen(choice->name);
    for (int i = 0; n && i < s->candidate_count; i++) {
        const bcl_tune_candidate *c = &s->candidates[i];
        if (is_right(c) && bcl_tune_has_attention(c) && !strncmp(c->name, choice->name, n) &&
            !strcmp(c->name + n, BCL_GEMM_ATTENTION)) {
            snprintf(choice->name, sizeof choice->name, "%s", c->name);
            return;
        }
    }
}

/* Chosen first, then right by falling speed, then the rest. */
static bcl_status make_result(bcl_tune_result *out, bcl_tune_session *s) {
    bcl_status status = BCL_OK;
    for (int i = 0; i < s->candidate_count; i++)
        s->candidates[i].gflops = bcl_tune_gflops(s, &s->candidates[i]);
    choose(out, s);
    choose_attention(&out->choice, s);
    BCL_NEW(out->candidates, (size_t)s->candidate_count);
    for (int i = 0; i < s->candidate_count; i++)
        if (s->candidates[i].state != BCL_TUNE_SAME)
            out->candidates[out->count++] = s->candidates[i];
    qsort(out->candidates, out->count, sizeof *out->candidates, better_first);
out:
    return status;
}

bcl_status bcl_tune(bcl_tune_result *out, const bcl_device_info *about,
                    const bcl_tune_options *options) {
    bcl_status status = BCL_OK;
    bcl_tune_session session;
    *out = (bcl_tune_result){0};
    BCL_TRY(bcl_tune_session_open(&session, about, options));
    while (!session.ended)
        BCL_TRY(run_child(&session));
    BCL_TRY(make_result(out, &session));
out:
    free(session.candidates);
    return status;
}

void bcl_tune_result_free(bcl_tune_result *result) {
    free(result->candidates);
    *result = (bcl_tune_result){0};
}

cJSON *bcl_tune_result_json(const bcl_tune_result *result) {
    cJSON *list = cJSON_CreateArray();
    for (size_t i = 0; i < result->count; i++) {
        const bcl_tune_candidate *c = &result->candidates[i];
        cJSON *item = cJSON_CreateObject();
        cJSON_AddStringToObject(item, "name", c->name);
        cJSON_AddStringToObject(item, "precision", bcl_precision_name(c->precision));
        cJSON_AddStringToObject(item, "state", bcl_tune_state_name(c->state));
        if (c->reason[0])
            cJSON_AddStringToObject(item, "reason", c->reason);
        if (c->gflops > 0) {
            cJSON_AddNumberToObject(item, "gflops", c->gflops);
            cJSON_AddNumberToObject(item, "error", c->error);
        }
        cJSON_AddItemToArray(list, item);
    }
    return list;
}
