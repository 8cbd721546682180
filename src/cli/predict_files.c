/* Which files bertcl predict reads, and with --out what each is written to. */
#include "cli/predict.h"

#include <sys/stat.h>
#include <unistd.h>

/* A file that grows while it is read has no end. */
static bool is_output(const char *path) {
    struct stat in, out;
    return !bcl_is_standard_input(path) && !stat(path, &in) && !fstat(STDOUT_FILENO, &out) &&
           S_ISREG(in.st_mode) && in.st_dev == out.st_dev && in.st_ino == out.st_ino;
}

static bcl_status add_path(bcl_predict_paths *p, const char *path) {
    bcl_status status = BCL_OK;
    if (is_output(path))
        BCL_FAIL(BCL_ERROR_ARGUMENT, "%s: is standard output; write to another file", path);
    BCL_TRY(bcl_grow(&p->items, &p->capacity, p->count + 1, sizeof *p->items));
    BCL_TRY(bcl_strdup(&p->items[p->count], path));
    p->count++;
out:
    return status;
}

static bcl_status leave_out(const bcl_predict_paths *p, const char *path, const char *why) {
    bcl_status status = BCL_OK;
    char *note = NULL;
    if (*bcl_path_name(path) == '.' || p->quiet)
        return status;
    BCL_TRY(bcl_format(&note, "%s: left out, %s", path, why));
    bcl_cli_tell(note);
out:
    free(note);
    return status;
}

/* The regular files of a folder, by name; those that begin with a dot are not looked at. */
static bcl_status add_folder(bcl_predict_paths *p, const char *folder) {
    bcl_status status = BCL_OK;
    const size_t before = p->count;
    char **names = NULL, *path = NULL;
    size_t count = 0;
    struct stat about;
    BCL_TRY(bcl_directory_list(&names, &count, folder));
    for (size_t i = 0; i < count; i++) {
        const char *why = bcl_name_is_no_data(names[i], p->running_text);
        free(path);
        path = NULL;
        BCL_TRY(bcl_path_join(&path, folder, names[i]));
        if (why) {
            BCL_TRY(leave_out(p, path, why));
            continue;
        }
        if (!stat(path, &about) && S_ISREG(about.st_mode))
            BCL_TRY(add_path(p, path));
    }
    if (p->count == before)
        BCL_FAIL(BCL_ERROR_IO, "%s: found no file in the folder", folder);
out:
    free(path);
    bcl_strings_free(names, count);
    return status;
}

/* OUT/NAME.EXTENSION: the input's name with the format's extension. */
static bcl_status name_target(char **target, const char *path, const char *out,
                              bcl_predict_format format) {
    static const char *const extensions[] = {"jsonl", "conll", "html", "tsv"};
    const char *name = bcl_is_standard_input(path) ? "stdin" : bcl_path_name(path),
               *dot = strrchr(name, '.');
    const size_t size = dot && dot > name ? (size_t)(dot - name) : strlen(name);
    return bcl_format(target, "%s/%.*s.%s", out, (int)size, name, extensions[format]);
}

static bool same_file(const char *a, const char *b) {
    struct stat x, y;
    return !stat(a, &x) && !stat(b, &y) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* Found out before anything is computed: nothing is written twice, nor over what is read. Another
 * input can only be overwritten if it has the same target. */
static bcl_status list_targets(bcl_predict_paths *p, const char *out, bcl_predict_format format) {
    bcl_status status = BCL_OK;
    bcl_names seen = {0};
    uint32_t id;
    BCL_TRY(bcl_directory_create(out));
    BCL_NEW(p->targets, p->count);
    for (size_t i = 0; i < p->count; i++) {
        BCL_TRY(name_target(&p->targets[i], p->items[i], out, format));
        BCL_TRY(bcl_names_intern(&id, &seen, p->targets[i], strlen(p->targets[i])));
        if (id < i)
            BCL_FAIL(BCL_ERROR_ARGUMENT, "%s and %s: both would be written to %s", p->items[id],
                     p->items[i], p->targets[i]);
        if (same_file(p->items[i], p->targets[i]))
            BCL_FAIL(BCL_ERROR_ARGUMENT, "%s: would be overwritten; --out names another folder",
                     p->items[i]);
    }
out:
    bcl_names_free(&seen);
    return status;
}

bcl_status bcl_predict_paths_list(bcl_predict_paths *p, const bcl_list *given, const char *out,
                                  bcl_predict_format format) {
    bcl_status status = BCL_OK;
    if (!given->count)
        BCL_TRY(add_path(p, "-"));
    for (size_t i = 0; i < given->count; i++)
        BCL_TRY(!bcl_is_standard_input(given->items[i]) && bcl_path_is_directory(given->items[i])
                    ? add_folder(p, given->items[i])
                    : add_path(p, given->items[i]));
    BCL_NEW(p->begins, p->count);
    if (out)
        BCL_TRY(list_targets(p, out, format));
out:
    return status;
}

void bcl_predict_paths_free(bcl_predict_paths *p) {
    bcl_strings_free(p->targets, p->targets ? p->count : 0);
    bcl_strings_free(p->items, p->count);
    free(p->begins);
    *p = (bcl_predict_paths){0};
}
