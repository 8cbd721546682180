/* What a run tells, as lines on stderr and epochs on stdout; progress.c has the line on a terminal.
 */
#include "cli/train.h"
#include "util/printable.h"

#include <cjson/cJSON.h>
#include <stdarg.h>

__attribute__((format(printf, 2, 3))) static void say(bcl_train_printer *t, const char *format,
                                                      ...) {
    va_list args;
    if (t->quiet)
        return;
    bcl_progress_clear(&t->progress);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
}

/* Results. Whether somebody reads them is seen at the program's end. */
__attribute__((format(printf, 2, 3))) static void print(bcl_train_printer *t, const char *format,
                                                        ...) {
    va_list args;
    bcl_progress_clear(&t->progress);
    va_start(args, format);
    if (!t->json)
        vprintf(format, args);
    va_end(args);
    fflush(stdout);
}

/* For who watches the run by its folder. */
static void note_devices(bcl_train_printer *t) {
    const double now = bcl_seconds();
    char *text = NULL;
    if (!t->tracker || !t->progress.devices || now < t->noted + 1)
        return;
    t->noted = now;
    cJSON *devices = t->progress.devices(t->progress.devices_context);
    if (!bcl_json_print(&text, devices))
        bcl_tracker_devices(t->tracker, text);
    cJSON_free(text);
    cJSON_Delete(devices);
}

void bcl_train_print_event(void *context, const bcl_run_event *e) {
    bcl_train_printer *t = context;
    char entities[32] = "", shown[2048];
    bcl_tracker_poll(t->tracker);
    switch (e->kind) {
    case BCL_RUN_SESSION:
        bcl_cli_session_told(&t->session, e->session);
        break;
    case BCL_RUN_MESSAGE:
        say(t, "%s\n", bcl_printable(shown, sizeof shown, e->text));
        break;
    case BCL_RUN_RESUMED:
        say(t, "resuming after step %lld\n", (long long)e->step);
        break;
    case BCL_RUN_STEP:
        bcl_progress_step(&t->progress, e);
        note_devices(t);
        break;
    case BCL_RUN_EPOCH:
        print(t, "epoch %lld: training loss %.6f, accuracy %.6f\n", (long long)e->epoch, e->loss,
              e->accuracy);
        break;
    case BCL_RUN_EVALUATING:
        bcl_progress_evaluating(&t->progress, e->done, e->all);
        break;
    case BCL_RUN_EVALUATED:
        if (e->entity_f1 >= 0)
            snprintf(entities, sizeof entities, ", entity F1 %.4f", e->entity_f1);
        print(t, "epoch %lld: %s loss %.6f, accuracy %.6f, macro F1 %.4f%s\n", (long long)e->epoch,
              e->dev ? "development" : "evaluation", e->loss, e->accuracy, e->macro_f1, entities);
        bcl_progress_evaluated(&t->progress, e);
        break;
    case BCL_RUN_BEGUN:
        if (!t->follows)
            bcl_train_track_begin(t);
        break;
    case BCL_RUN_CHECKPOINT:
    case BCL_RUN_FINISHED:
        break;
    }
}

static bcl_status print_file(const char *path) {
    char *text = NULL;
    size_t size = 0;
    bcl_status status = bcl_file_read(&text, &size, path);
    if (!status)
        fwrite(text, 1, size, stdout);
    free(text);
    return status;
}

/* Which epoch was chosen, and on what the figures that follow are. */
static void print_selected(const bcl_run_record *r) {
    const char *by = r->options->select ? r->options->select : "entity-f1";
    if (r->stopped_early)
        printf("\nended after epoch %lld of %lld", (long long)r->last_epoch,
               (long long)r->options->epochs);
    if (r->stopped_early && r->options->patience)
        printf(": no better %s on the development set in %lld", by,
               (long long)r->options->patience);
    printf("\nbest: epoch %lld by %s on the development set: loss %.6f, accuracy %.6f, macro F1 "
           "%.4f, entity F1 %.4f\n%s",
           (long long)r->best_epoch, by, r->dev_loss, r->dev_accuracy, r->dev_macro_f1,
           r->dev_entity_f1, r->report ? "test set, by best/:\n" : "");
}

bcl_status bcl_train_print_results(bcl_train_printer *t, const bcl_run *run) {
    bcl_status status = BCL_OK;
    const bcl_run_record *r = bcl_run_record_of(run);
    char *text = NULL, *entities = NULL, shown[4096];
    bcl_progress_clear(&t->progress);
    if (t->complete)
        say(t, "%s: the run is complete\n", bcl_printable(shown, sizeof shown, r->folder));
    else
        BCL_TRY(bcl_cli_profile_print(run));
    if (t->json || t->complete) {
        BCL_TRY(print_file(bcl_run_results_path(run)));
        goto out;
    }
    if (r->selected)
        print_selected(r);
    if (r->report) {
        BCL_TRY(bcl_report_text(&text, r->report, 4));
        printf("\nevaluation loss %.6f, accuracy %.6f\n\nLabels of pieces\n%s\n", r->eval_loss,
               r->eval_accuracy, text);
    }
    if (r->entities) {
        BCL_TRY(bcl_entity_report_text(&entities, r->entities, 4));
        printf("Entities of words: %s\n%s\n", r->scheme, entities);
    }
    printf("model: %s/%s\n", bcl_printable(shown, sizeof shown, r->folder),
           r->selected ? "best" : "model");
    printf("results: %s\n", bcl_printable(shown, sizeof shown, bcl_run_results_path(run)));
out:
    free(text);
    free(entities);
    return status;
}
