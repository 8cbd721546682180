/* Runs of several seeds in the store: a run of their own, and a tag on each. What fails there stops
 * nothing; it is told. */
#include "cli/train.h"
#include "util/printable.h"

static void tell(void *context, const char *line) {
    (void)context;
    fprintf(stderr, "bertcl: %s\n", line);
}

/* All of them are a run in the store, too, if one has begun: what is refused leaves nothing. */
void bcl_train_seeds_track(bcl_seeds_track *t, const bcl_train_seeds *o, const char *group,
                           const char *run) {
    char *path = NULL;
    if (t->followed || !bcl_store_enabled() || bcl_path_join(&path, run, "run.json"))
        return;
    t->followed = bcl_path_exists(path);
    if (t->followed && bcl_tracker_start(&t->tracker, &(bcl_tracker_options){.folder = group,
                                                                             .command = "seeds",
                                                                             .argc = o->argc,
                                                                             .argv = o->argv,
                                                                             .tell = tell}))
        tell(NULL, bcl_message());
    free(path);
}

void bcl_train_seeds_track_end(bcl_seeds_track *t, bcl_status status, int code) {
    if (!t->tracker)
        return;
    char *message = NULL;
    if (status)
        (void)bcl_strdup(&message, bcl_message());
    bcl_tracker_end(t->tracker,
                    !code                             ? "finished"
                    : status == BCL_ERROR_INTERRUPTED ? "stopped"
                                                      : "failed",
                    message);
    bcl_tracker_free(t->tracker);
    free(message);
    t->tracker = NULL;
}

/* The store's tag `group` is the folder's name. What fails there stops nothing. */
void bcl_train_seeds_tag(const char *group, const char *folder) {
    bcl_status status = BCL_OK;
    bcl_store *store = NULL;
    char *text = NULL, shown[1024];
    int64_t run;
    if (!bcl_store_enabled())
        return;
    BCL_TRY(bcl_format(&text, "group=%s", bcl_path_name(group)));
    BCL_TRY(bcl_store_open(&store, NULL, true));
    BCL_TRY(bcl_store_find_run(&run, store, folder));
    BCL_TRY(bcl_store_tag(store, run, text));
out:
    if (status)
        fprintf(stderr, "bertcl: %s: no tag in the store: %s\n",
                bcl_printable(shown, sizeof shown, folder), bcl_message());
    bcl_store_close(store);
    free(text);
}
