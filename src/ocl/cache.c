/* Compiled programs on disk, so that a second start does not compile. An entry is named by a hash
 * of all that the result depends on and holds it in full; one that is damaged, that belongs to
 * somebody else or that the driver refuses is built again: its checksum is compared before the
 * driver sees it, as there are drivers that a bad binary ends. What lies here is given to the
 * driver to run, so folders and files are the user's alone. PoCL has a cache of its own, but
 * preprocesses each program to look it up: 30 ms. To give a binary away it compiles all kernels for
 * any group size, so that its first start takes twice as long. */
#include "ocl/cache.h"

#include "util/checksum.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static const char magic[8] = {'B', 'C', 'L', 'P', 'R', 'O', 'G', '3'};

typedef struct entry_head {
    char magic[8];
    uint64_t key_size, size;
    char sha256[72]; /* of the key and the binary that follow, as a text; the rest is 0 */
} entry_head;

/* ---- places ---- */

/* Ours, and nobody else may write to it. */
static bool is_ours(const struct stat *info) {
    return info->st_uid == geteuid() && !(info->st_mode & (S_IWGRP | S_IWOTH));
}

/* True if a folder could be made at `path`, or is there and can be written. Makes nothing. */
static bool is_writable(const char *path) {
    char *part = NULL;
    bool ok = false;
    if (bcl_strdup(&part, path))
        return false;
    for (;;) {
        if (bcl_path_exists(part)) {
            ok = bcl_path_is_directory(part) && !access(part, W_OK | X_OK);
            break;
        }
        char *slash = strrchr(part, '/');
        if (!slash)
            break;
        slash[slash == part] = 0;
    }
    free(part);
    return ok;
}

/* mkdir -p of folders that are the user's alone. */
static bool make_private(const char *path) {
    char *copy = NULL;
    bool ok = !bcl_strdup(&copy, path);
    for (char *p = ok ? copy + 1 : NULL; ok; p++) {
        if (*p && *p != '/')
            continue;
        const char c = *p;
        *p = 0;
        ok = !mkdir(copy, 0700) || errno == EEXIST;
        *p = c;
        if (!c)
            break;
    }
    free(copy);
    return ok;
}

bcl_status bcl_private_folder(char **out) {
    bcl_status status = BCL_OK;
    const char *base = getenv("TMPDIR");
    struct stat info;
    *out = NULL;
    BCL_TRY(bcl_format(out, "%s/bertcl-%ld", base && *base ? base : "/tmp", (long)geteuid()));
    /* Anybody may have made the name in a place that all write to: no link, no foreign folder. */
    if ((mkdir(*out, 0700) && errno != EEXIST) || lstat(*out, &info) || !S_ISDIR(info.st_mode) ||
        info.st_uid != geteuid() || (info.st_mode & 077)) {
        free(*out);
        *out = NULL;
    }
out:
    return status;
}

/* The place for caches that the user has set or has by default; NULL where it cannot be written. */
static bcl_status default_place(char **out) {
    bcl_status status = BCL_OK;
    const char *base = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    *out = NULL;
    if (base && *base)
        BCL_TRY(bcl_strdup(out, base));
    else if (home && *home)
        BCL_TRY(bcl_path_join(out, home, ".cache"));
    if (*out && !is_writable(*out)) {
        free(*out);
        *out = NULL;
    }
out:
    return status;
}

bcl_status bcl_cache_folder(char **out, const char *name) {
    bcl_status status = BCL_OK;
    char *all = NULL, *base = NULL;
    const char *place = getenv("BERTCL_CACHE_DIR");
    *out = NULL;
    if (place && !*place)
        return BCL_OK;
    if (place) {
        BCL_TRY(bcl_strdup(&all, place));
    } else {
        BCL_TRY(default_place(&base));
        if (base)
            BCL_TRY(bcl_path_join(&all, base, "bertcl"));
        else
            BCL_TRY(bcl_private_folder(&all));
    }
    if (all)
        BCL_TRY(bcl_path_join(out, all, name));
out:
    free(base);
    free(all);
    return status;
}

void bcl_pocl_cache_settle(void) {
    char *base = NULL, *all = NULL, *path = NULL;
    const char *set = getenv("POCL_CACHE_DIR");
    if ((set && *set) || default_place(&base) || base)
        goto out;
    if (!bcl_private_folder(&all) && all && !bcl_path_join(&path, all, "pocl") &&
        (!mkdir(path, 0700) || errno == EEXIST))
        setenv("POCL_CACHE_DIR", path, 1);
out:
    free(base);
    free(all);
    free(path);
}

const char *bcl_pocl_cache_hint(void) {
    char *base = NULL;
    const char *set = getenv("POCL_CACHE_DIR");
    const bool ok = set && *set ? is_writable(set) : !default_place(&base) && base;
    free(base);
    return ok ? ""
              : "; PoCL finds no place for its cache: set POCL_CACHE_DIR (and BERTCL_CACHE_DIR) to "
                "a "
                "folder of your own that can be written";
}

/* ---- entries ---- */

void bcl_cache_key(char out[BCL_CACHE_KEY], const char *const *parts, size_t count) {
    uint64_t a = 0x243F6A8885A308D3u, b = 0x13198A2E03707344u;
    for (size_t i = 0; i < count; i++) {
        a = bcl_hash(a, parts[i], strlen(parts[i]));
        b = bcl_hash(b, parts[i], strlen(parts[i]));
    }
    snprintf(out, BCL_CACHE_KEY, "%016llx%016llx", (unsigned long long)a, (unsigned long long)b);
}

/* The folder of programs, made if need be; false if it is not the user's alone. */
static bool open_folder(const char *folder) {
    struct stat info;
    if (!make_private(folder) || stat(folder, &info) || !S_ISDIR(info.st_mode) ||
        info.st_uid != geteuid())
        return false;
    return !(info.st_mode & 077) || !chmod(folder, 0700);
}

bcl_status bcl_program_entry_open(bcl_program_entry *out, const bcl_device *d, const char *source,
                                  const char *options) {
    bcl_status status = BCL_OK;
    char *folder = NULL, name[BCL_CACHE_KEY];
    const char *parts[] = {options,        source,         d->info.name,
                           d->info.vendor, d->info.driver, d->info.version};
    enum { PARTS = sizeof parts / sizeof *parts };
    *out = (bcl_program_entry){0};
    BCL_TRY(bcl_cache_folder(&folder, "programs"));
    if (!folder || !open_folder(folder)) /* no place to write is no reason to fail */
        goto out;
    bcl_cache_key(name, parts, PARTS);
    for (int i = 0; i < PARTS; i++)
        BCL_TRY(bcl_string_addf(&out->key, "%zu:%s\n", strlen(parts[i]), parts[i]));
    BCL_TRY(bcl_path_join(&out->path, folder, name));
out:
    if (status)
        bcl_program_entry_close(out);
    free(folder);
    return status;
}

void bcl_program_entry_close(bcl_program_entry *e) {
    bcl_string_free(&e->key);
    free(e->path);
    *e = (bcl_program_entry){0};
}

/* The whole file in new memory; false for a pipe, a link, somebody else's, or an error. Read, not
 * mapped: a map of a file that is cut off meanwhile kills the process. */
static bool read_entry(bcl_string *out, const char *path) {
    struct stat info;
    bool ok = false;
    /* not blocking: opening a pipe would wait for a writer */
    const int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return false;
    if (!fstat(fd, &info) && S_ISREG(info.st_mode) && is_ours(&info) &&
        info.st_size > (off_t)sizeof(entry_head) && info.st_size < INT32_MAX &&
        !bcl_grow(&out->data, &out->capacity, (size_t)info.st_size, 1)) {
        ssize_t n = 1;
        while (out->size < (size_t)info.st_size && n > 0) {
            n = read(fd, out->data + out->size, (size_t)info.st_size - out->size);
            if (n < 0 && errno == EINTR)
                n = 1;
            else if (n > 0)
                out->size += (size_t)n;
        }
        ok = out->size == (size_t)info.st_size;
    }
    close(fd);
    return ok;
}

/* The binary of an entry that is whole and of this key. */
static bool find_binary(const unsigned char **binary, size_t *size, const bcl_string *file,
                        const bcl_string *key) {
    entry_head head;
    char sha256[65];
    memcpy(&head, file->data, sizeof head);
    const unsigned char *rest = (const unsigned char *)file->data + sizeof head;
    const size_t n = file->size - sizeof head;
    if (memcmp(head.magic, magic, sizeof magic) || head.key_size != key->size ||
        head.key_size > n || head.size != n - head.key_size || memcmp(rest, key->data, key->size))
        return false;
    bcl_sha256(sha256, rest, n);
    if (memcmp(head.sha256, sha256, sizeof sha256))
        return false;
    *binary = rest + key->size;
    *size = (size_t)head.size;
    return *size > 0;
}

bool bcl_program_cache_load(cl_program *out, const bcl_device *d, const bcl_program_entry *e,
                            const char *options) {
    bcl_string file = {0};
    const unsigned char *binary;
    size_t size;
    cl_program program = NULL;
    cl_int code = CL_SUCCESS, binary_code = CL_SUCCESS;
    bool ok = false;
    if (e->path && read_entry(&file, e->path) && find_binary(&binary, &size, &file, &e->key)) {
        program =
            clCreateProgramWithBinary(d->context, 1, &d->id, &size, &binary, &binary_code, &code);
        ok = program && code == CL_SUCCESS && binary_code == CL_SUCCESS &&
             clBuildProgram(program, 1, &d->id, options, NULL, NULL) == CL_SUCCESS;
    }
    bcl_string_free(&file);
    if (ok)
        *out = program;
    else if (program)
        clReleaseProgram(program);
    return ok;
}

/* Under a name of its own first, so that any number of processes and threads may write one entry:
 * the last one stays. mkstemp makes it the user's alone. */
void bcl_program_entry_write(const bcl_program_entry *e, const void *data, size_t size) {
    char *temporary = NULL;
    if (bcl_format(&temporary, "%s.XXXXXX", e->path))
        return;
    const int fd = mkstemp(temporary);
    size_t done = 0;
    while (fd >= 0 && done < size) {
        const ssize_t n = write(fd, (const char *)data + done, size - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    /* A cache that cannot be written is only slower. */
    if (fd >= 0 && (close(fd) || done < size || rename(temporary, e->path)))
        unlink(temporary);
    free(temporary);
}

void bcl_program_cache_store(cl_program program, const bcl_program_entry *e) {
    bcl_string file = {0};
    size_t size = 0;
    unsigned char *binary = NULL;
    if (!e->path ||
        clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, sizeof size, &size, NULL) !=
            CL_SUCCESS ||
        !size || !(binary = malloc(size)))
        return;
    if (clGetProgramInfo(program, CL_PROGRAM_BINARIES, sizeof binary, &binary, NULL) ==
        CL_SUCCESS) {
        entry_head head = {.key_size = e->key.size, .size = size};
        memcpy(head.magic, magic, sizeof magic);
        if (!bcl_string_add(&file, &head, sizeof head) &&
            !bcl_string_add(&file, e->key.data, e->key.size) &&
            !bcl_string_add(&file, binary, size)) {
            bcl_sha256(head.sha256, file.data + sizeof head, file.size - sizeof head);
            memcpy(file.data, &head, sizeof head);
            bcl_program_entry_write(e, file.data, file.size);
        }
    }
    bcl_string_free(&file);
    free(binary);
}
