/* The run's folder: taken by a lock before anything is written, so that it has one writer. */
#include "train/run.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK ".lock"
#define RUN  "run.json"

static bool begins_with(const char *text, const char *start) {
    return !strncmp(text, start, strlen(start));
}

/* NAME.tmp.PID of a file or folder that was being written; "tmp-checkpoint" of earlier versions. */
static bool is_leftover(const char *name) {
    const char *tmp = strstr(name, ".tmp.");
    if (!strcmp(name, "tmp-checkpoint") || !strcmp(name, "model.tmp") || !strcmp(name, "best.tmp"))
        return true;
    return tmp && tmp[5] && strspn(tmp + 5, "0123456789") == strlen(tmp + 5);
}

/* Whether a folder holds nothing but what a start leaves that was killed early. */
static bcl_status holds_nothing(bool *out, const char *path, bool empty_too) {
    char **names = NULL;
    size_t count = 0;
    bcl_status status = bcl_directory_list(&names, &count, path);
    *out = !status && (count || empty_too);
    for (size_t i = 0; !status && i < count; i++)
        *out = *out &&
               (!strcmp(names[i], LOCK) || (begins_with(names[i], RUN) && is_leftover(names[i])));
    bcl_strings_free(names, count);
    return status;
}

/* The folders above, and the folder itself, which must be new. */
static bcl_status make(bcl_run_folder *f) {
    bcl_status status = BCL_OK;
    char *copy = NULL;
    BCL_TRY(bcl_strdup(&copy, f->path));
    for (size_t i = 1; copy[i]; i++) {
        if (copy[i] != '/' || copy[i - 1] == '/')
            continue;
        copy[i] = 0;
        if (!mkdir(copy, 0777))
            f->made = f->made ? f->made : i;
        else if (errno != EEXIST)
            status = bcl_fail_errno("%s: cannot create folder", copy);
        copy[i] = '/';
        BCL_TRY(status);
    }
    if (!mkdir(copy, 0777))
        f->made = f->made ? f->made : strlen(copy);
    else if (errno == EEXIST)
        BCL_FAIL(BCL_ERROR_EXISTS, "%s: exists; choose another --out, or --resume to go on",
                 f->path);
    else
        status = bcl_fail_errno("%s: cannot create folder", copy);
out:
    free(copy);
    return status;
}

/* What is there must be a run to go on with, or nothing yet. */
static bcl_status check(bcl_run_folder *f, bool resume) {
    bcl_status status = BCL_OK;
    bool nothing;
    f->begun = bcl_path_exists(f->run_path);
    if (!f->begun && bcl_path_is_directory(f->path)) {
        BCL_TRY(holds_nothing(&nothing, f->path, resume));
        if (nothing)
            goto out;
        if (resume)
            BCL_FAIL(BCL_ERROR_EXISTS, "%s: holds files but no run.json, it is not a run", f->path);
    }
    if (!resume)
        BCL_FAIL(BCL_ERROR_EXISTS, "%s: exists; choose another --out, or --resume to go on",
                 f->path);
    if (!f->begun)
        BCL_FAIL(BCL_ERROR_EXISTS, "%s: exists and is no folder", f->path);
out:
    return status;
}

static bcl_status set_paths(bcl_run_folder *f, const char *path) {
    bcl_status status = BCL_OK;
    BCL_TRY(bcl_strdup(&f->path, path));
    for (size_t end = strlen(f->path); end > 1 && f->path[end - 1] == '/';)
        f->path[--end] = 0;
    BCL_TRY(bcl_path_join(&f->run_path, path, RUN));
    BCL_TRY(bcl_path_join(&f->results_path, path, "results.json"));
out:
    return status;
}

bcl_status bcl_run_folder_follow(bcl_run_folder *f, const char *path, bool resume) {
    const bcl_status status = set_paths(f, path);
    f->begun = !status && resume && bcl_path_exists(f->run_path);
    return status;
}

bcl_status bcl_run_folder_take(bcl_run_folder *f, const char *path, bool resume) {
    bcl_status status = BCL_OK;
    char *lock = NULL;
    BCL_TRY(set_paths(f, path));
    BCL_TRY(bcl_path_join(&lock, path, LOCK));
    if (!bcl_path_exists(path))
        BCL_TRY(make(f));
    else
        BCL_TRY(check(f, resume));
    BCL_TRY(bcl_lock_take(&f->lock, lock, path));
    BCL_TRY(check(f, resume || f->made)); /* since it was looked at, a run may have begun in it */
    if (f->made && f->begun)
        BCL_FAIL(BCL_ERROR_EXISTS, "%s: exists; choose another --out, or --resume to go on", path);
out:
    free(lock);
    return status;
}

bcl_status bcl_run_folder_clear(const bcl_run_folder *f,
                                void (*told)(void *context, const char *name), void *context) {
    bcl_status status = BCL_OK;
    char **names = NULL, *path = NULL;
    size_t count = 0;
    BCL_TRY(bcl_directory_list(&names, &count, f->path));
    for (size_t i = 0; i < count; i++) {
        if (!is_leftover(names[i]))
            continue;
        BCL_TRY(bcl_path_join(&path, f->path, names[i]));
        BCL_TRY(bcl_path_remove(path));
        told(context, names[i]);
        free(path);
        path = NULL;
    }
out:
    free(path);
    bcl_strings_free(names, count);
    return status;
}

/* A folder that was made for nothing goes again, with those above it that were made. */
static void unmake(bcl_run_folder *f) {
    (void)unlink(f->lock.path);
    while (!rmdir(f->path) && strlen(f->path) > f->made) {
        char *slash = strrchr(f->path, '/');
        while (slash > f->path && slash[-1] == '/')
            slash--;
        *slash = 0;
    }
}

void bcl_run_folder_release(bcl_run_folder *f) {
    if (f->made && !f->begun && f->lock.held)
        unmake(f);
    bcl_lock_release(&f->lock);
    free(f->path);
    free(f->run_path);
    free(f->results_path);
    *f = (bcl_run_folder){0};
}
