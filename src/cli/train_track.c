/* A run in the store: begun with it, ended with it, whatever becomes of it. */
#include "cli/train.h"
#include "util/printable.h"

static void tell(void *context, const char *line) {
    bcl_train_printer *t = context;
    bcl_progress_clear(&t->progress);
    fprintf(stderr, "bertcl: %s\n", line); /* also with --quiet: it is about what is lost */
}

void bcl_train_track_expect(bcl_train_printer *t) {
    bcl_store *store = NULL;
    if (t->complete || t->follows || !bcl_store_enabled())
        return;
    if (!bcl_store_open(&store, NULL, true)) /* what fails is told when the run is followed */
        (void)bcl_store_expect(store, bcl_run_record_of(t->run)->folder);
    bcl_store_close(store);
}

void bcl_train_track_begin(bcl_train_printer *t) {
    const bcl_run_record *r = bcl_run_record_of(t->run);
    const bcl_run_options *o = r->options;
    if (t->tracker || (!bcl_store_enabled() && !t->targets))
        return;
    if (bcl_tracker_start(&t->tracker, &(bcl_tracker_options){.folder = r->folder,
                                                              .command = "train",
                                                              .argc = t->argc,
                                                              .argv = t->argv,
                                                              .parent = o->model,
                                                              .parent_folder = r->model_folder,
                                                              .model_name = t->model_name,
                                                              .data = o->data,
                                                              .test = o->test,
                                                              .reading = &o->reading,
                                                              .targets = t->targets,
                                                              .tell = tell,
                                                              .context = t}))
        tell(t, bcl_message());
}

static void write_report(const bcl_train_printer *t, const char *folder) {
    char *path = NULL, shown[4096];
    bcl_store *store = NULL;
    const bool open = bcl_store_enabled() && !bcl_store_open(&store, NULL, false);
    if (bcl_path_join(&path, folder, "report.html") ||
        bcl_page_write(open ? store : NULL, &folder, 1, path))
        fprintf(stderr, "bertcl: report: %s\n", bcl_message());
    else if (!t->json)
        printf("report: %s\n", bcl_printable(shown, sizeof shown, path));
    bcl_store_close(store);
    free(path);
}

void bcl_train_track_end(bcl_train_printer *t, bcl_status status) {
    char *message = NULL;
    if (!t->run || t->complete || t->follows)
        return;
    if (status)
        (void)bcl_strdup(&message, bcl_message()); /* what follows may set another */
    bcl_tracker_end(t->tracker,
                    !status                           ? "finished"
                    : status == BCL_ERROR_INTERRUPTED ? "stopped"
                                                      : "failed",
                    message);
    if (!status)
        write_report(t, bcl_run_record_of(t->run)->folder);
    bcl_tracker_free(t->tracker);
    t->tracker = NULL;
    if (message)
        bcl_fail(status, "%s", message);
    free(message);
}
