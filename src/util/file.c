/* Files: whole reads, maps, and writes that are complete or absent. */
#define _DEFAULT_SOURCE /* madvise */
#include "util/util.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* What has no size beforehand may have no end: such text is looked at as it comes. */
enum { ENDLESS_NULS = 4096, ENDLESS_LINE = 1 << 26 };

/* s grew by `grown` bytes; *line_size is that of its last line. */
static bcl_status check_endless(const bcl_string *s, size_t grown, size_t *line_size,
                                const char *path) {
    size_t nuls = 0, i = s->size;
    while (nuls < s->size && nuls < ENDLESS_NULS && !s->data[nuls])
        nuls++;
    if (nuls == ENDLESS_NULS)
        return bcl_fail(BCL_ERROR_FORMAT, "%s: found %d NUL bytes at its start, expected text",
                        path, ENDLESS_NULS);
    while (i > s->size - grown && s->data[i - 1] != '\n')
        i--;
    *line_size = i > s->size - grown ? s->size - i : *line_size + grown;
    if (*line_size > ENDLESS_LINE)
        return bcl_fail(BCL_ERROR_FORMAT, "%s: found a line of more than %d bytes, expected text",
                        path, ENDLESS_LINE);
    return BCL_OK;
}

static bcl_status read_stream(bcl_string *s, FILE *f, const char *path, uint64_t limit,
                              bool endless) {
    enum { CHUNK = 1 << 16 };
    bcl_status status = BCL_OK;
    size_t line_size = 0;
    for (;;) {
        BCL_TRY(bcl_grow(&s->data, &s->capacity, s->size + CHUNK + 1, 1));
        size_t n = fread(s->data + s->size, 1, CHUNK, f);
        s->size += n;
        if (s->size > limit)
            BCL_FAIL(BCL_ERROR_FORMAT, "%s: found more than %llu bytes, expected at most that many",
                     path, (unsigned long long)limit);
        if (n < CHUNK)
            break;
        if (endless)
            BCL_TRY(check_endless(s, n, &line_size, path));
    }
    if (ferror(f))
        status = bcl_fail_errno("%s: cannot read", path);
out:
    return status;
}

bcl_status bcl_refuse_pointer(const void *data, size_t size, const char *path) {
    static const char lfs[] = "version https://git-lfs";
    if (size < sizeof lfs || memcmp(data, lfs, sizeof lfs - 1))
        return BCL_OK;
    return bcl_fail(BCL_ERROR_FORMAT,
                    "%s: found a Git LFS pointer, expected the file itself: run \"git lfs pull\"",
                    path);
}

bcl_status bcl_stream_read(char **data, size_t *size, FILE *f, const char *path, uint64_t limit) {
    bcl_status status = BCL_OK;
    bcl_string s = {0};
    struct stat st;
    const bool known = !fstat(fileno(f), &st) && S_ISREG(st.st_mode);
    if (known && (uint64_t)st.st_size > limit)
        BCL_FAIL(BCL_ERROR_FORMAT, "%s: found %llu bytes, expected at most %llu", path,
                 (unsigned long long)st.st_size, (unsigned long long)limit);
    BCL_TRY(read_stream(&s, f, path, limit, !known));
    s.data[s.size] = 0;
    *data = s.data;
    *size = s.size;
    s.data = NULL;
out:
    bcl_string_free(&s);
    return status;
}

bcl_status bcl_file_read_limited(char **data, size_t *size, const char *path, uint64_t limit) {
    FILE *f = fopen(path, "rb");
    if (!f)
        return bcl_fail_errno("%s: cannot open", path);
    const bcl_status status = bcl_stream_read(data, size, f, path, limit);
    fclose(f);
    return status;
}

bcl_status bcl_file_read(char **data, size_t *size, const char *path) {
    return bcl_file_read_limited(data, size, path, UINT64_MAX);
}

bcl_status bcl_file_read_regular(char **data, size_t *size, const char *path, uint64_t limit) {
    struct stat st;
    if (stat(path, &st))
        return bcl_fail_errno("%s: cannot open", path);
    if (!S_ISREG(st.st_mode))
        return bcl_fail(BCL_ERROR_IO, "%s: not a regular file", path);
    return bcl_file_read_limited(data, size, path, limit);
}

bool bcl_path_exists(const char *path) {
    struct stat st;
    return lstat(path, &st) == 0;
}

bool bcl_path_is_directory(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

bcl_status bcl_path_join(char **out, const char *directory, const char *name) {
    size_t n = strlen(directory);
    return bcl_format(out, "%s%s%s", directory, n && directory[n - 1] == '/' ? "" : "/", name);
}

const char *bcl_path_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

bcl_status bcl_directory_create(const char *path) {
    char *copy = NULL;
    bcl_status status = BCL_OK;
    BCL_TRY(bcl_strdup(&copy, path));
    for (char *p = copy + 1;; p++) {
        if (*p && *p != '/')
            continue;
        char c = *p;
        *p = 0;
        if (mkdir(copy, 0777) && errno != EEXIST) {
            status = bcl_fail_errno("%s: cannot create folder", copy);
            goto out;
        }
        *p = c;
        if (!c)
            break;
    }
    if (!bcl_path_is_directory(path))
        BCL_FAIL(BCL_ERROR_IO, "%s: exists and is not a folder", path);
out:
    free(copy);
    return status;
}

static int compare_names(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

bcl_status bcl_directory_list(char ***names, size_t *count, const char *path) {
    bcl_status status = BCL_OK;
    char **list = NULL;
    size_t n = 0, capacity = 0;
    DIR *d = opendir(path);
    if (!d)
        return bcl_fail_errno("%s: cannot open folder", path);
    for (struct dirent *e; (e = readdir(d));) {
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
            continue;
        BCL_TRY(bcl_grow(&list, &capacity, n + 1, sizeof *list));
        BCL_TRY(bcl_strdup(&list[n], e->d_name));
        n++;
    }
    if (n)
        qsort(list, n, sizeof *list, compare_names);
    *names = list;
    *count = n;
    list = NULL;
    n = 0;
out:
    closedir(d);
    bcl_strings_free(list, n);
    return status;
}

void bcl_strings_free(char **strings, size_t count) {
    for (size_t i = 0; strings && i < count; i++)
        free(strings[i]);
    free(strings);
}

bcl_status bcl_path_remove(const char *path) {
    bcl_status status = BCL_OK;
    char **names = NULL, *child = NULL;
    size_t n = 0;
    struct stat st;
    if (lstat(path, &st))
        return errno == ENOENT ? BCL_OK : bcl_fail_errno("%s: cannot remove", path);
    if (S_ISDIR(st.st_mode)) {
        BCL_TRY(bcl_directory_list(&names, &n, path));
        for (size_t i = 0; i < n; i++) {
            BCL_TRY(bcl_path_join(&child, path, names[i]));
            BCL_TRY(bcl_path_remove(child));
            free(child);
            child = NULL;
        }
    }
    if (remove(path))
        status = bcl_fail_errno("%s: cannot remove", path);
out:
    free(child);
    bcl_strings_free(names, n);
    return status;
}

static bcl_status sync_parent(const char *path) {
    bcl_status status = BCL_OK;
    char *parent = NULL;
    BCL_TRY(bcl_strdup(&parent, path));
    char *slash = strrchr(parent, '/');
    if (slash)
        slash[slash == parent] = 0;
    int fd = open(slash ? parent : ".", O_RDONLY | O_DIRECTORY);
    /* Some file systems cannot sync a directory; the rename itself has happened by then. */
    if (fd >= 0) {
        (void)fsync(fd);
        close(fd);
    }
out:
    free(parent);
    return status;
}

bcl_status bcl_path_rename(const char *from, const char *to) {
    if (rename(from, to))
        return bcl_fail_errno("%s: cannot rename to %s", from, to);
    return sync_parent(to);
}

/* A device, a pipe, or one of the links in /dev: nothing that a file may take the place of. */
static bool is_special(const char *path) {
    struct stat st;
    if (stat(path, &st))
        return false;
    if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
        return true;
    return !strncmp(path, "/dev/", 5) && !lstat(path, &st) && S_ISLNK(st.st_mode);
}

bcl_status bcl_writer_open(bcl_writer *w, const char *path) {
    bcl_status status = BCL_OK;
    *w = (bcl_writer){0};
    BCL_TRY(bcl_strdup(&w->path, path));
    if (!is_special(path))
        BCL_TRY(bcl_format(&w->temporary, "%s.tmp.%ld", path, (long)getpid()));
    if (!(w->file = fopen(w->temporary ? w->temporary : path, "wb")))
        status = bcl_fail_errno("%s: cannot create", path);
out:
    if (status)
        bcl_writer_discard(w);
    return status;
}

bcl_status bcl_writer_write(bcl_writer *w, const void *data, size_t size) {
    if (size && fwrite(data, 1, size, w->file) != size)
        return bcl_fail_errno("%s: cannot write", w->path);
    return BCL_OK;
}

bcl_status bcl_writer_commit(bcl_writer *w) {
    bcl_status status = BCL_OK;
    if (fflush(w->file) || (w->temporary && !w->unsynced && fsync(fileno(w->file))))
        status = bcl_fail_errno("%s: cannot write", w->path);
    FILE *f = w->file;
    w->file = NULL;
    if (fclose(f) && !status)
        status = bcl_fail_errno("%s: cannot write", w->path);
    if (!status && w->temporary && !w->unsynced)
        status = bcl_path_rename(w->temporary, w->path);
    else if (!status && w->temporary && rename(w->temporary, w->path))
        status = bcl_fail_errno("%s: cannot write", w->path);
    if (!status) {
        free(w->temporary);
        w->temporary = NULL;
    }
    bcl_writer_discard(w);
    return status;
}

void bcl_writer_discard(bcl_writer *w) {
    if (w->file)
        fclose(w->file);
    if (w->temporary)
        unlink(w->temporary);
    free(w->temporary);
    free(w->path);
    *w = (bcl_writer){0};
}

bcl_status bcl_file_write(const char *path, const void *data, size_t size) {
    bcl_status status = BCL_OK;
    bcl_writer w = {0};
    BCL_TRY(bcl_writer_open(&w, path));
    BCL_TRY(bcl_writer_write(&w, data, size));
    BCL_TRY(bcl_writer_commit(&w));
out:
    bcl_writer_discard(&w);
    return status;
}

bcl_status bcl_map_open(bcl_map *map, const char *path) {
    bcl_status status = BCL_OK;
    struct stat st;
    *map = (bcl_map){0};
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC); /* a pipe would wait for a writer */
    if (fd < 0)
        return bcl_fail_errno("%s: cannot open", path);
    if (fstat(fd, &st)) {
        status = bcl_fail_errno("%s: cannot read", path);
        goto out;
    }
    if (!S_ISREG(st.st_mode))
        BCL_FAIL(BCL_ERROR_IO, "%s: not a regular file", path);
    if (st.st_size > 0) {
        void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (p == MAP_FAILED) {
            status = bcl_fail_errno("%s: cannot map", path);
            goto out;
        }
        map->data = p;
        map->size = (size_t)st.st_size;
    }
out:
    close(fd);
    return status;
}

void bcl_map_close(bcl_map *map) {
    if (map->data)
        munmap((void *)(uintptr_t)map->data, map->size);
    *map = (bcl_map){0};
}

void bcl_map_release(const void *data, size_t size) {
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    const uintptr_t first = ((uintptr_t)data + page - 1) / page * page;
    const uintptr_t last = ((uintptr_t)data + size) / page * page;
    if (last > first) /* only advice; the pages come back from the file if they are read again */
        (void)madvise((void *)first, last - first, MADV_DONTNEED);
}
