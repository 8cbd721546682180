/* Checkpoints of a run: written beside, then renamed, so that a kill at any moment leaves the
 * previous one or the next. */
#include "train/train.h"
#include "util/checksum.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

#define PREFIX "checkpoint-"
#define SUMS   "checkpoint.json"
#define STATE  "training_state.safetensors"
#define RANKS  "ranks" /* of its metadata */

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

/* ---- checksums: checkpoint.json, {"step": N, "files": {NAME: {"bytes", "sha256"}}} ---- */

static const char *const parts[] = {"model", "."}; /* folders of a checkpoint */

static bcl_status add_sum(cJSON *files, const char *folder, const char *name) {
    bcl_status status = BCL_OK;
    char *path = NULL, sum[65];
    struct stat st;
    BCL_TRY(bcl_path_join(&path, folder, name));
    if (stat(path, &st)) {
        status = bcl_fail_errno("%s: cannot read", path);
        goto out;
    }
    if (!S_ISREG(st.st_mode))
        goto out;
    BCL_TRY(bcl_sha256_file(sum, path));
    cJSON *file = cJSON_AddObjectToObject(files, name);
    cJSON_AddNumberToObject(file, "bytes", (double)st.st_size);
    cJSON_AddStringToObject(file, "sha256", sum);
out:
    free(path);
    return status;
}

static bcl_status write_sums(const char *folder, int64_t step) {
    bcl_status status = BCL_OK;
    char **names = NULL, *path = NULL, *name = NULL;
    size_t count = 0;
    cJSON *json = cJSON_CreateObject(), *files = NULL;
    cJSON_AddNumberToObject(json, "step", (double)step);
    files = cJSON_AddObjectToObject(json, "files");
    for (size_t p = 0; p < sizeof parts / sizeof *parts; p++) {
        BCL_TRY(bcl_path_join(&path, folder, parts[p]));
        BCL_TRY(bcl_directory_list(&names, &count, path));
        for (size_t i = 0; i < count; i++) {
            BCL_TRY(bcl_format(&name, "%s%s%s", *parts[p] == '.' ? "" : parts[p],
                               *parts[p] == '.' ? "" : "/", names[i]));
            BCL_TRY(add_sum(files, folder, name));
            free(name);
            name = NULL;
        }
        bcl_strings_free(names, count);
        free(path);
        names = NULL;
        path = NULL;
    }
    BCL_TRY(bcl_path_join(&path, folder, SUMS));
    BCL_TRY(bcl_json_write(json, path));
out:
    cJSON_Delete(json);
    if (names)
        bcl_strings_free(names, count);
    free(path);
    free(name);
    return status;
}

static bcl_status check_sum(const char *folder, const cJSON *file) {
    bcl_status status = BCL_OK;
    char *path = NULL, sum[65];
    const char *expected = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(file, "sha256"));
    const cJSON *bytes = cJSON_GetObjectItemCaseSensitive(file, "bytes");
    struct stat st;
    if (!expected || !cJSON_IsNumber(bytes))
        BCL_FAIL(BCL_ERROR_FORMAT, "%s/" SUMS ": \"%s\": expected bytes and sha256", folder,
                 file->string);
    BCL_TRY(bcl_path_join(&path, folder, file->string));
    if (stat(path, &st)) {
        status = bcl_fail_errno("%s: cannot read", path);
        goto out;
    }
    if ((double)st.st_size != bytes->valuedouble)
        BCL_FAIL(BCL_ERROR_FORMAT, "%s: found %lld bytes, " SUMS " says %.0f", path,
                 (long long)st.st_size, bytes->valuedouble);
    BCL_TRY(bcl_sha256_file(sum, path));
    if (strcmp(sum, expected))
        BCL_FAIL(BCL_ERROR_FORMAT,
                 "%s: found other bytes than were written (SHA-256 %.8s…, " SUMS " says %.8s…)",
                 path, sum, expected);
out:
    free(path);
    return status;
}

/* Whether every byte is what was written. */
static bcl_status check_sums(const char *folder, bool has_sums) {
    bcl_status status = BCL_OK;
    char *path = NULL;
    cJSON *json = NULL;
    const cJSON *file;
    const int64_t number = step_of(bcl_path_name(folder));
    BCL_TRY(bcl_path_join(&path, folder, SUMS));
    if (!has_sums && !bcl_path_exists(path))
        goto out;
    BCL_TRY(bcl_json_read(&json, path));
    const cJSON *step = cJSON_GetObjectItemCaseSensitive(json, "step"),
                *files = cJSON_GetObjectItemCaseSensitive(json, "files");
    if (!cJSON_IsNumber(step) || step->valuedouble != (double)number)
        BCL_FAIL(BCL_ERROR_FORMAT, "%s: found step %.0f, the folder's name says %lld", path,
                 cJSON_IsNumber(step) ? step->valuedouble : -1, (long long)number);
    if (!cJSON_GetObjectItemCaseSensitive(files, "model/model.safetensors") ||
        !cJSON_GetObjectItemCaseSensitive(files, STATE))
        BCL_FAIL(BCL_ERROR_FORMAT, "%s: names no weights or no state", path);
    cJSON_ArrayForEach(file, files) BCL_TRY(check_sum(folder, file));
out:
    cJSON_Delete(json);
    free(path);
    return status;
}

/* ---- those of a run ---- */

static int newest_first(const void *a, const void *b) {
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x < y) - (x > y);
}

/* The steps of all checkpoints, newest first. */
static bcl_status list(int64_t **steps, size_t *count, const char *run) {
    bcl_status status = BCL_OK;
    char **names = NULL;
    size_t all = 0;
    *steps = NULL;
    *count = 0;
    BCL_TRY(bcl_directory_list(&names, &all, run));
    BCL_NEW(*steps, all);
    for (size_t i = 0; i < all; i++)
        if (step_of(names[i]) >= 0)
            (*steps)[(*count)++] = step_of(names[i]);
    if (*count)
        qsort(*steps, *count, sizeof **steps, newest_first);
out:
    bcl_strings_free(names, all);
    return status;
}

static bcl_status folder_of(char **out, const char *run, int64_t step) {
    return bcl_format(out, "%s/" PREFIX "%lld", run, (long long)step);
}

/* Under another name first: a kill leaves no half of one that looks like a checkpoint. */
static bcl_status remove_one(const char *run, int64_t step) {
    bcl_status status = BCL_OK;
    char *path = NULL, *temporary = NULL;
    BCL_TRY(folder_of(&path, run, step));
    BCL_TRY(bcl_format(&temporary, "%s.tmp.%ld", path, (long)getpid()));
    BCL_TRY(bcl_path_rename(path, temporary));
    BCL_TRY(bcl_path_remove(temporary));
out:
    free(path);
    free(temporary);
    return status;
}

bcl_status bcl_train_checkpoint_prune(const char *run, size_t keep) {
    bcl_status status = BCL_OK;
    int64_t *steps = NULL;
    size_t count = 0;
    BCL_TRY(list(&steps, &count, run));
    for (size_t i = keep; i < count; i++)
        BCL_TRY(remove_one(run, steps[i]));
out:
    free(steps);
    return status;
}

bcl_status bcl_train_checkpoint_find(char **folder, const char *run, bool has_sums,
                                     void (*told)(void *context, const char *line), void *context) {
    bcl_status status = BCL_OK;
    int64_t *steps = NULL;
    size_t count = 0, i = 0;
    char *path = NULL, line[1280];
    *folder = NULL;
    BCL_TRY(list(&steps, &count, run));
    for (; i < count; i++) {
        BCL_TRY(folder_of(&path, run, steps[i]));
        if (!check_sums(path, has_sums))
            break;
        snprintf(line, sizeof line, "a checkpoint is not whole: %s", bcl_message());
        told(context, line);
        free(path);
        path = NULL;
    }
    if (i == count && count)
        BCL_FAIL(BCL_ERROR_FORMAT, "%s: no checkpoint is whole: %.700s; start another run", run,
                 line + strlen("a checkpoint is not whole: "));
    for (size_t k = 0; k < i; k++) { /* or the run would meet them again */
        BCL_TRY(remove_one(run, steps[k]));
        snprintf(line, sizeof line, PREFIX "%lld is removed, going on from " PREFIX "%lld",
                 (long long)steps[k], (long long)steps[i]);
        told(context, line);
    }
    *folder = path;
    path = NULL;
out:
    free(steps);
    free(path);
    return status;
}

enum {
    STATE_NUMBERS = 14,
    STATE_WEIGHT = 10,
    STATE_NEEDED = 8 /* the others are absent in earlier versions' */
};

static void state_numbers(double out[STATE_NUMBERS], const bcl_train_state *s) {
    const double numbers[STATE_NUMBERS] = {(double)s->step,        s->epoch_loss,
                                           s->epoch_right,         s->epoch_labelled,
                                           s->last_loss,           s->best_score,
                                           (double)s->best_step,   (double)s->metrics_size,
                                           s->patience_score,      (double)s->stale,
                                           s->epoch_weight,        s->loss_scale,
                                           (double)s->scale_steps, (double)s->skipped_steps};
    memcpy(out, numbers, sizeof numbers);
}

static const char *const state_names[STATE_NUMBERS] = {
    "step",         "epoch_loss", "epoch_right",  "epoch_labelled", "last_loss",
    "best_f1",      "best_step",  "metrics_size", "patience_score", "stale",
    "epoch_weight", "loss_scale", "scale_steps",  "skipped_steps"};

bcl_status bcl_train_checkpoint_discard(const char *written, bcl_status status) {
    char message[1024];
    snprintf(message, sizeof message, "%s", bcl_message());
    if (bcl_path_remove(written))
        status = BCL_ERROR_IO;
    return bcl_fail(status, "%s", message);
}

bcl_status bcl_train_checkpoint_write(char **written, const char *run, bcl_model *model,
                                      const bcl_model_files *files, const bcl_train_state *state,
                                      const char *ranks) {
    bcl_status status = BCL_OK;
    char *temporary = NULL, *folder = NULL, *path = NULL;
    char texts[STATE_NUMBERS][40];
    const char *metadata[STATE_NUMBERS + 1][2];
    double numbers[STATE_NUMBERS];
    *written = NULL;
    BCL_TRY(bcl_format(&temporary, "%s/checkpoint.tmp.%ld", run, (long)getpid()));
    BCL_TRY(folder_of(&folder, run, state->step));
    if (bcl_path_exists(folder)) /* resumed here, and nothing done since */
        goto out;
    BCL_TRY(bcl_path_remove(temporary));
    BCL_TRY(bcl_format(&path, "%s/model", temporary));
    BCL_TRY(bcl_directory_create(temporary));
    BCL_TRY(bcl_model_files_save(files, model, path));
    free(path);
    path = NULL;
    BCL_TRY(bcl_path_join(&path, temporary, STATE));
    state_numbers(numbers, state);
    for (int i = 0; i < STATE_NUMBERS; i++) {
        snprintf(texts[i], sizeof texts[i], "%a", numbers[i]); /* exact */
        metadata[i][0] = state_names[i];
        metadata[i][1] = texts[i];
    }
    metadata[STATE_NUMBERS][0] = RANKS;
    metadata[STATE_NUMBERS][1] = ranks;
    BCL_TRY(bcl_model_state_save(model, path, (const char *const(*)[2])metadata,
                                 STATE_NUMBERS + (ranks != NULL)));
    BCL_TRY(write_sums(temporary, state->step));
    *written = temporary;
    temporary = NULL;
out:
    if (status && temporary)
        status = bcl_train_checkpoint_discard(temporary, status);
    free(temporary);
    free(folder);
    free(path);
    return status;
}

bcl_status bcl_train_checkpoint_publish(const char *run, const char *written, int64_t step) {
    bcl_status status = BCL_OK;
    char *folder = NULL;
    BCL_TRY(folder_of(&folder, run, step));
    BCL_TRY(bcl_path_rename(written, folder));
    BCL_TRY(bcl_train_checkpoint_prune(run, 2)); /* not before: two are whole at any moment */
out:
    free(folder);
    return status;
}

bcl_status bcl_train_checkpoint_load(bcl_train_state *state, bcl_model *model, const char *folder) {
    bcl_status status = BCL_OK;
    bcl_safetensors *st = NULL;
    char *path = NULL;
    double numbers[STATE_NUMBERS];
    BCL_TRY(bcl_path_join(&path, folder, STATE));
    BCL_TRY(bcl_model_state_load(model, path));
    BCL_TRY(bcl_safetensors_open(&st, path));
    for (int i = 0; i < STATE_NUMBERS; i++) {
        const char *text = bcl_safetensors_metadata(st, state_names[i]);
        char *end = NULL;
        numbers[i] = text ? strtod(text, &end) : NAN;
        if (!text && i >= STATE_NEEDED) {
            numbers[i] = i == STATE_WEIGHT ? numbers[3] /* all weights were 1 */ : 0;
            continue;
        }
        if (!text || !*text || *end || !isfinite(numbers[i]))
            BCL_FAIL(BCL_ERROR_FORMAT, "%s: \"%s\": found %s, expected a number", path,
                     state_names[i], text ? text : "nothing");
    }
    *state = (bcl_train_state){.step = (int64_t)numbers[0],
                               .epoch_loss = numbers[1],
                               .epoch_right = numbers[2],
                               .epoch_labelled = numbers[3],
                               .last_loss = numbers[4],
                               .best_score = numbers[5],
                               .best_step = (int64_t)numbers[6],
                               .metrics_size = (int64_t)numbers[7],
                               .patience_score = numbers[8],
                               .stale = (int64_t)numbers[9],
                               .epoch_weight = numbers[STATE_WEIGHT],
                               .loss_scale = numbers[11],
                               .scale_steps = (int64_t)numbers[12],
                               .skipped_steps = (int64_t)numbers[13]};
    if (state->step != step_of(bcl_path_name(folder)))
        BCL_FAIL(BCL_ERROR_FORMAT, "%s: found the state of step %lld, the folder's name says %lld",
                 path, (long long)state->step, (long long)step_of(bcl_path_name(folder)));
out:
    bcl_safetensors_close(st);
    free(path);
    return status;
}

bcl_status bcl_train_checkpoint_ranks(char **text, const char *folder) {
    bcl_status status = BCL_OK;
    bcl_safetensors *st = NULL;
    char *path = NULL;
    *text = NULL;
    BCL_TRY(bcl_path_join(&path, folder, STATE));
    BCL_TRY(bcl_safetensors_open(&st, path));
    const char *found = bcl_safetensors_metadata(st, RANKS);
    if (found)
        BCL_TRY(bcl_strdup(text, found));
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
    BCL_TRY(bcl_format(&temporary, "%s.tmp.%ld", to, (long)getpid()));
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
