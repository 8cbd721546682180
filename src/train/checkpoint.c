/* Checkpoints of a run: written beside, then renamed, so that a kill at any moment leaves the
 * previous one or the next. */
#include "train/train.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <unistd.h>

#define PREFIX "checkpoint-"

bcl_status bcl_model_files_save(const bcl_model_files *files, bcl_model *model,
                                const char *folder) {
    bcl_status status = BCL_OK;
    BCL_TRY(bcl_directory_create(folder));
    BCL_TRY(bcl_config_write(files->config, folder));
    BCL_TRY(bcl_tokenizer_save(files->tokenizer, folder));
    BCL_TRY(bcl_model_save(model, folder));
out:
    return status;
}

/* The step of "checkpoint-N", or -1. */
static int64_t step_of(const char *name) {
    char *end;
    if (strncmp(name, PREFIX, strlen(PREFIX)))
        return -1;
    const char *digits = name + strlen(PREFIX);
    errno = 0;
    long long step = strtoll(digits, &end, 10);
    return *digits >= '0' && *digits <= '9' && !*end && !errno ? step : -1;
}

bcl_status bcl_checkpoint_newest(char **folder, const char *run) {
    bcl_status status = BCL_OK;
    char **names = NULL;
    size_t count = 0, best = 0;
    int64_t newest = -1;
    *folder = NULL;
    BCL_TRY(bcl_directory_list(&names, &count, run));
    for (size_t i = 0; i < count; i++)
        if (step_of(names[i]) > newest) {
            newest = step_of(names[i]);
            best = i;
        }
    if (newest >= 0)
        BCL_TRY(bcl_path_join(folder, run, names[best]));
out:
    bcl_strings_free(names, count);
    return status;
}

/* Removes what an interrupted writer left, and checkpoints before `step`. */
static bcl_status remove_older(const char *run, int64_t step) {
    bcl_status status = BCL_OK;
    char **names = NULL, *path = NULL;
    size_t count = 0;
    BCL_TRY(bcl_directory_list(&names, &count, run));
    for (size_t i = 0; i < count; i++) {
        int64_t found = step_of(names[i]);
        if (found < 0 || found >= step)
            continue;
        BCL_TRY(bcl_path_join(&path, run, names[i]));
        BCL_TRY(bcl_path_remove(path));
        free(path);
        path = NULL;
    }
out:
    free(path);
    bcl_strings_free(names, count);
    return status;
}

enum { STATE_NUMBERS = 8 };

static void state_numbers(double out[STATE_NUMBERS], const bcl_train_state *s) {
    const double numbers[STATE_NUMBERS] = {
        (double)s->step, s->epoch_loss, s->epoch_right,       s->epoch_labelled,
        s->last_loss,    s->best_f1,    (double)s->best_step, (double)s->metrics_size};
    memcpy(out, numbers, sizeof numbers);
}

static const char *const state_names[STATE_NUMBERS] = {
    "step",      "epoch_loss", "epoch_right", "epoch_labelled",
    "last_loss", "best_f1",    "best_step",   "metrics_size"};

bcl_status bcl_train_checkpoint_save(const char *run, bcl_model *model,
                                     const bcl_model_files *files, const bcl_train_state *state) {
    bcl_status status = BCL_OK;
    char *temporary = NULL, *folder = NULL, *path = NULL;
    char texts[STATE_NUMBERS][40];
    const char *metadata[STATE_NUMBERS][2];
    double numbers[STATE_NUMBERS];
    BCL_TRY(bcl_path_join(&temporary, run, "tmp-checkpoint"));
    BCL_TRY(bcl_format(&folder, "%s/" PREFIX "%lld", run, (long long)state->step));
    if (bcl_path_exists(folder)) /* resumed here, and nothing done since */
        goto out;
    BCL_TRY(bcl_path_remove(temporary));
    BCL_TRY(bcl_format(&path, "%s/model", temporary));
    BCL_TRY(bcl_directory_create(temporary));
    BCL_TRY(bcl_model_files_save(files, model, path));
    free(path);
    path = NULL;
    BCL_TRY(bcl_path_join(&path, temporary, "training_state.safetensors"));
    state_numbers(numbers, state);
    for (int i = 0; i < STATE_NUMBERS; i++) {
        snprintf(texts[i], sizeof texts[i], "%a", numbers[i]); /* exact */
        metadata[i][0] = state_names[i];
        metadata[i][1] = texts[i];
    }
    BCL_TRY(bcl_model_state_save(model, path, (const char *const(*)[2])metadata, STATE_NUMBERS));
    BCL_TRY(bcl_path_rename(temporary, folder));
    BCL_TRY(remove_older(run, state->step));
out:
    if (status && temporary) { /* a full disk should not stay full for what is of no use */
        char message[1024];
        snprintf(message, sizeof message, "%s", bcl_message());
        if (bcl_path_remove(temporary))
            status = BCL_ERROR_IO;
        (void)bcl_fail(status, "%s", message);
    }
    free(temporary);
    free(folder);
    free(path);
    return status;
}

bcl_status bcl_train_checkpoint_load(bcl_train_state *state, bcl_model *model, const char *folder) {
    bcl_status status = BCL_OK;
    bcl_safetensors *st = NULL;
    char *path = NULL;
    double numbers[STATE_NUMBERS];
    BCL_TRY(bcl_path_join(&path, folder, "training_state.safetensors"));
    BCL_TRY(bcl_model_state_load(model, path));
    BCL_TRY(bcl_safetensors_open(&st, path));
    for (int i = 0; i < STATE_NUMBERS; i++) {
        const char *text = bcl_safetensors_metadata(st, state_names[i]);
        char *end = NULL;
        numbers[i] = text ? strtod(text, &end) : NAN;
        if (!text || !*text || *end || !isfinite(numbers[i]))
            BCL_FAIL(BCL_ERROR_FORMAT, "%s: \"%s\": found %s, expected a number", path,
                     state_names[i], text ? text : "nothing");
    }
    *state = (bcl_train_state){.step = (int64_t)numbers[0],
                               .epoch_loss = numbers[1],
                               .epoch_right = numbers[2],
                               .epoch_labelled = numbers[3],
                               .last_loss = numbers[4],
                               .best_f1 = numbers[5],
                               .best_step = (int64_t)numbers[6],
                               .metrics_size = (int64_t)numbers[7]};
out:
    bcl_safetensors_close(st);
    free(path);
    return status;
}

static bcl_status copy_file(const char *from, const char *to) {
    bcl_map map = {0};
    if (!link(from, to))
        return BCL_OK;
    bcl_status status = bcl_map_open(&map, from);
    if (!status)
        status = bcl_file_write(to, map.data, map.size);
    bcl_map_close(&map);
    return status;
}

bcl_status bcl_folder_publish(const char *from, const char *to) {
    bcl_status status = BCL_OK;
    char **names = NULL, *temporary = NULL, *source = NULL, *target = NULL;
    size_t count = 0;
    BCL_TRY(bcl_format(&temporary, "%s.tmp", to));
    BCL_TRY(bcl_path_remove(temporary));
    BCL_TRY(bcl_directory_create(temporary));
    BCL_TRY(bcl_directory_list(&names, &count, from));
    for (size_t i = 0; i < count; i++) {
        BCL_TRY(bcl_path_join(&source, from, names[i]));
        BCL_TRY(bcl_path_join(&target, temporary, names[i]));
        BCL_TRY(copy_file(source, target));
        free(source);
        free(target);
        source = target = NULL;
    }
    BCL_TRY(bcl_path_remove(to));
    BCL_TRY(bcl_path_rename(temporary, to));
out:
    bcl_strings_free(names, count);
    free(temporary);
    free(source);
    free(target);
    return status;
}
