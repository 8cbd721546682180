/* A run's clock, its metrics.jsonl, and what it tells of where it stands. */
#include "train/trainer.h"

#include <sys/stat.h>
#include <unistd.h>

void bcl_trainer_clock_start(bcl_trainer *t) {
    t->clock = bcl_seconds();
}
void bcl_trainer_clock_stop(bcl_trainer *t) {
    if (t->steps_here > BCL_UNTIMED_STEPS)
        t->timed_seconds += bcl_seconds() - t->clock;
}

bcl_status bcl_trainer_write(bcl_trainer *t, const char *line) {
    if (t->lead && (fputs(line, t->metrics) < 0 || fflush(t->metrics)))
        return bcl_fail_errno("%s: cannot write", t->metrics_path);
    t->state.metrics_size += (int64_t)strlen(line);
    return BCL_OK;
}

void bcl_trainer_tell(const bcl_trainer *t, bcl_run_event event) {
    event.step = t->state.step;
    event.steps = t->plan->steps;
    if (t->job->listener)
        t->job->listener(t->job->context, &event);
}

static double speed(const bcl_trainer *t) {
    double seconds = t->timed_seconds + (bcl_seconds() - t->clock);
    return t->timed_tokens && seconds > 0 ? (double)t->timed_tokens / seconds : 0;
}

void bcl_trainer_tell_step(const bcl_trainer *t, bcl_run_event *event) {
    const double spent = t->timed_seconds + bcl_seconds() - t->clock;
    event->tokens_per_s = speed(t);
    if (t->steps_here > BCL_UNTIMED_STEPS)
        event->seconds_left = spent / (double)(t->steps_here - BCL_UNTIMED_STEPS) *
                              (double)(t->plan->steps - t->state.step);
    bcl_trainer_tell(t, *event);
}

bcl_status bcl_trainer_open_metrics(bcl_trainer *t) {
    bcl_status status = BCL_OK;
    struct stat st;
    const long long known = (long long)t->state.metrics_size;
    if (!t->lead)
        return BCL_OK;
    BCL_TRY(bcl_path_join(&t->metrics_path, t->job->folder, "metrics.jsonl"));
    if (!(t->metrics = fopen(t->metrics_path, known ? "r+b" : "wb")) ||
        fstat(fileno(t->metrics), &st))
        status = bcl_fail_errno("%s: cannot open", t->metrics_path);
    else if (st.st_size < known)
        status = bcl_fail(BCL_ERROR_FORMAT,
                          "%s: found %lld bytes, %s knows of %lld: a part is lost; bring the file "
                          "back, or start another run",
                          t->metrics_path, (long long)st.st_size, t->job->checkpoint, known);
    else if (ftruncate(fileno(t->metrics), (off_t)known) || fseek(t->metrics, 0, SEEK_END))
        status = bcl_fail_errno("%s: cannot cut to %lld bytes", t->metrics_path, known);
out:
    return status;
}
