/* Standard input as a file of data: "-". It can be read once, but data are asked for again, by a
 * second model or the store: what was read is kept in a file without a name. */
#include "data/data.h"

#include <pthread.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static FILE *kept; /* NULL: nothing was read, or it could not be kept: */
static bool was_read;

bool bcl_is_standard_input(const char *path) {
    return !strcmp(path, "-");
}

const char *bcl_data_name(const char *path) {
    return bcl_is_standard_input(path) ? BCL_STANDARD_INPUT : path;
}

bcl_status bcl_check_standard_input(const bcl_texts *sets, size_t count) {
    size_t named = 0;
    for (size_t k = 0; k < count; k++)
        for (size_t i = 0; i < sets[k].count; i++)
            named += bcl_is_standard_input(sets[k].items[i]);
    return named > 1
               ? bcl_fail(BCL_ERROR_ARGUMENT,
                          "-: found " BCL_STANDARD_INPUT " %zu times, expected it once", named)
               : BCL_OK;
}

/* Where nothing can be kept, it is missed only by who asks again. */
static void keep(const char *text, size_t size) {
    const char *folder = getenv("TMPDIR");
    char path[4096];
    if (snprintf(path, sizeof path, "%s/bertcl-input-XXXXXX",
                 folder && *folder ? folder : "/tmp") >= (int)sizeof path)
        return;
    const int fd = mkstemp(path);
    if (fd < 0)
        return;
    unlink(path);
    kept = fdopen(fd, "w+b");
    if (!kept) {
        close(fd);
    } else if (fwrite(text, 1, size, kept) != size || fflush(kept)) {
        fclose(kept);
        kept = NULL;
    }
}

static bcl_status read_again(char **text, size_t *size, uint64_t limit) {
    if (!kept)
        return bcl_fail(BCL_ERROR_IO,
                        BCL_STANDARD_INPUT ": is needed again and could not be kept in $TMPDIR or "
                                           "/tmp; write it to a file and name that");
    rewind(kept);
    return bcl_stream_read(text, size, kept, BCL_STANDARD_INPUT, limit);
}

bcl_status bcl_standard_input_read(char **text, size_t *size, uint64_t limit) {
    bcl_status status;
    pthread_mutex_lock(&lock);
    if (was_read) {
        status = read_again(text, size, limit);
    } else {
        status = bcl_stream_read(text, size, stdin, BCL_STANDARD_INPUT, limit);
        was_read = true;
        if (!status)
            keep(*text, *size);
    }
    pthread_mutex_unlock(&lock);
    return status;
}
