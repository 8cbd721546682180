/* Opening a run: its options, its folder, and what an earlier process left in it. */
#include "train/run.h"

#include <cjson/cJSON.h>

enum { DEFAULT_BATCH = 4 };

static void on_line(void *context, const char *line) {
    bcl_run_say(context, "%s", line);
}

static void on_cleared(void *context, const char *name) {
    const bcl_run *run = context;
    bcl_run_say(run, "%s: removed %s, which an interrupted process left half-written",
                run->folder.path, name);
}

/* Copies what is not part of the recipe; the recipe's texts are copied through its JSON. */
static bcl_status copy_options(bcl_run_kept *k, const bcl_run_options *o) {
    bcl_status status = BCL_OK;
    k->options = *o;
    BCL_TRY(bcl_strdup(&k->out, o->out));
    if (o->device)
        BCL_TRY(bcl_strdup(&k->asked_device, o->device));
    if (o->gemm)
        BCL_TRY(bcl_strdup(&k->asked_gemm, o->gemm));
    k->options.out = k->out;
    k->options.device = k->asked_device;
    k->options.gemm = k->asked_gemm;
    k->record.folder = k->out;
    k->record.options = &k->options;
    k->record.version = BERTCL_VERSION;
    k->record.recompute = o->recompute;
out:
    return status;
}

/* A new run's recipe, checked before anything is written. */
static bcl_status begin_options(bcl_run_kept *k) {
    bcl_status status = BCL_OK;
    bcl_run_options *o = &k->options;
    bcl_run_options_apply_recipe(o);
    if (!o->batch && !o->max_tokens)
        o->batch = DEFAULT_BATCH;
    BCL_TRY(bcl_run_options_check(o, NULL));
    BCL_TRY(bcl_run_options_json(&k->run, o));
    o->given = 0;
    BCL_TRY(bcl_run_options_restore(o, k->run, "options", &k->texts));
out:
    return status;
}

/* More epochs than the run was started with: it goes on, also where it was complete. */
static bcl_status check_growth(bcl_run *run) {
    bcl_status status = BCL_OK;
    const bcl_run_options *o = &run->kept.options;
    const cJSON *options = cJSON_GetObjectItemCaseSensitive(run->kept.run, "options");
    int64_t was;
    BCL_TRY(bcl_json_int(&was, options, "epochs", o->epochs, 1, INT64_MAX, run->folder.run_path));
    run->grown = o->epochs > was;
    if (!run->grown)
        goto out;
    bcl_run_say(run, "epochs: %lld instead of %lld", (long long)o->epochs, (long long)was);
    if (strcmp(o->schedule, "constant") || o->warmup > 0)
        bcl_run_say(
            run,
            "schedule: the learning rate is a longer run's from here on, what is done was a "
            "shorter one's: the model will not be that of a run which began with %lld epochs",
            (long long)o->epochs);
out:
    return status;
}

/* What the run was started with, as far as nothing else was asked for. */
static bcl_status restore(bcl_run *run) {
    bcl_status status = BCL_OK;
    bcl_run_kept *k = &run->kept;
    bcl_run_options *o = &k->options;
    const bool recompute = o->recompute;
    BCL_TRY(bcl_run_record_read(k, run->folder.run_path));
    if (o->device && strcmp(o->device, k->record.device))
        bcl_run_say(
            run, "device: the run was on %s and goes on on %s: the bits of the model will differ",
            k->record.device, o->device);
    if (o->gemm && strcmp(o->gemm, k->record.gemm))
        bcl_run_say(
            run, "gemm: the run was with %s and goes on with %s: the bits of the model will differ",
            k->record.gemm, o->gemm);
    o->device = o->device ? o->device : k->record.device;
    if (bcl_run_leads(run)) /* the others have devices of their own */
        o->gemm = o->gemm ? o->gemm : k->record.gemm;
    k->record.recompute = k->record.recompute || recompute;
    o->recompute = k->record.recompute;
    if (!k->record.train.words[0])
        bcl_run_say(
            run,
            "%s: the run's record is of an earlier version and has no checksums: whether data "
            "and model are those that it began with is checked by their sizes alone",
            run->folder.run_path);
    if (bcl_run_leads(run))
        BCL_TRY(bcl_run_folder_clear(&run->folder, on_cleared, run));
    BCL_TRY(check_growth(run));
    if (!run->grown && bcl_path_exists(run->folder.results_path))
        return bcl_run_results_read(k, run->folder.results_path);
    BCL_TRY(bcl_train_checkpoint_find(&run->checkpoint, run->folder.path, k->record.train.words[0],
                                      on_line, run));
out:
    return status;
}

static bcl_status open_run(bcl_run **out, const bcl_run_options *options) {
    bcl_status status = BCL_OK;
    bcl_run *run = NULL;
    char *json = NULL;
    if (!options->out || !*options->out)
        BCL_FAIL(BCL_ERROR_ARGUMENT, "--out is needed: the run's folder");
    BCL_NEW(run, 1);
    BCL_TRY(copy_options(&run->kept, options));
    BCL_TRY(bcl_path_join(&json, options->out, "run.json"));
    if (!options->resume || !bcl_path_exists(json))
        BCL_TRY(begin_options(&run->kept));
    BCL_TRY(bcl_run_leads(run)
                ? bcl_run_folder_take(&run->folder, options->out, options->resume)
                : bcl_run_folder_follow(&run->folder, options->out, options->resume));
    if (run->folder.lock.unknown)
        bcl_run_say(run, "%s: the file system has no locks: nothing keeps a second process out",
                    options->out);
    run->fresh = !run->folder.begun;
    if (!run->fresh && run->kept.run) /* it began while this one was looking */
        BCL_FAIL(BCL_ERROR_EXISTS, "%s: another process has begun a run in it; try again",
                 options->out);
    if (run->fresh && !run->kept.run)
        BCL_FAIL(BCL_ERROR_EXISTS, "%s: another process has removed the run; try again",
                 options->out);
    if (!run->fresh)
        BCL_TRY(restore(run));
    else if (bcl_run_leads(run))
        BCL_TRY(bcl_run_folder_clear(&run->folder, on_cleared, run));
    *out = run;
    run = NULL;
out:
    free(json);
    bcl_run_free(run);
    return status;
}

/* In a group rank 0 first: the others find the folder as it leaves it. */
bcl_status bcl_run_open(bcl_run **out, const bcl_run_options *options) {
    bcl_status status = BCL_OK;
    const bcl_train_group *group = options->group;
    *out = NULL;
    if (!group)
        return open_run(out, options);
    if (group->rank == 0)
        status = open_run(out, options);
    BCL_TRY(group->agree(group->context, status));
    if (group->rank)
        status = open_run(out, options);
    BCL_TRY(group->agree(group->context, status));
out:
    if (status) {
        bcl_run_free(*out);
        *out = NULL;
    }
    return status;
}
