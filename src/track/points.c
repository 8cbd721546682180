/* See tracker.h. */
#include "track/tracker.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK = 1 << 20 };

typedef struct line {
    struct {
        char key[64];
        double value;
    } items[BCL_POINT_KEYS];
    size_t count;
    double step;
} line;

static void on_value(void *context, const char *key, size_t size, double value) {
    line *l = context;
    if (size == 4 && !memcmp(key, "step", 4)) {
        l->step = value;
    } else if (l->count < BCL_POINT_KEYS && size < sizeof l->items[0].key) {
        memcpy(l->items[l->count].key, key, size);
        l->items[l->count].key[size] = 0;
        l->items[l->count++].value = value;
    }
}

static bcl_status take(bcl_points *points, line *l, const char *text, size_t size,
                       bcl_point_sink *sink, void *context) {
    bcl_status status = BCL_OK;
    l->count = 0;
    l->step = NAN;
    if (!bcl_metric_line(text, size, on_value, l) || !isfinite(l->step)) {
        points->odd++;
        return status;
    }
    for (size_t i = 0; i < l->count; i++)
        BCL_TRY(sink(context, (int64_t)l->step, l->items[i].key, l->items[i].value));
out:
    return status;
}

bcl_status bcl_points_read(bcl_points *points, const char *folder, bcl_point_sink *sink,
                           void *context) {
    bcl_status status = BCL_OK;
    char *path = NULL, *block = NULL;
    line *l = NULL;
    struct stat info;
    int file = -1;
    points->cut = false;
    BCL_TRY(bcl_path_join(&path, folder, "metrics.jsonl"));
    if ((file = open(path, O_RDONLY | O_CLOEXEC)) < 0 || fstat(file, &info)) {
        if (errno != ENOENT)
            status = bcl_fail_errno("%s: cannot open", path);
        goto out;
    }
    if (info.st_size < points->at) {
        points->at = 0;
        points->cut = true;
    }
    if (info.st_size == points->at)
        goto out;
    BCL_NEW(block, BLOCK);
    BCL_NEW(l, 1);
    for (ssize_t n = 1; n > 0;) {
        if ((n = pread(file, block, BLOCK, (off_t)points->at)) < 0)
            BCL_FAIL(BCL_ERROR_IO, "%s: cannot read", path);
        char *begin = block, *end;
        while ((end = memchr(begin, '\n', (size_t)(block + n - begin)))) {
            BCL_TRY(take(points, l, begin, (size_t)(end - begin), sink, context));
            points->at += end + 1 - begin;
            begin = end + 1;
        }
        if (begin == block)
            break;
    }
out:
    if (file >= 0)
        close(file);
    free(path);
    free(block);
    free(l);
    return status;
}

int64_t *bcl_last_step(bcl_last_steps *steps, const char *key) {
    size_t i = 0;
    while (i < steps->count && strcmp(steps->keys[i].key, key))
        i++;
    if (i == BCL_POINT_KEYS)
        return NULL;
    if (i == steps->count) {
        snprintf(steps->keys[i].key, sizeof steps->keys[i].key, "%s", key);
        steps->keys[steps->count++].step = -1;
    }
    return &steps->keys[i].step;
}
