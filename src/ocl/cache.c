/* Compiled programs on disk, so that a second start does not compile. A file is named by a hash of
 * all that the result depends on; one that is damaged or that the driver refuses is built again.
 * PoCL has a cache of its own, but preprocesses each program to look it up: 30 ms. To give a binary
 * away it compiles all kernels for any group size, so that its first start takes twice as long. */
#include "ocl/internal.h"

static const char magic[8] = {'B', 'C', 'L', 'P', 'R', 'O', 'G', '1'};

typedef struct entry_head {
    char magic[8];
    uint64_t size, hash; /* of the bytes that follow */
} entry_head;

bcl_status bcl_cache_folder(char **out, const char *name) {
    bcl_status status = BCL_OK;
    char *all = NULL;
    const char *place = getenv("BERTCL_CACHE_DIR"), *base = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");
    *out = NULL;
    if (place && !*place)
        return BCL_OK;
    if (place)
        BCL_TRY(bcl_strdup(&all, place));
    else if (base && *base)
        BCL_TRY(bcl_path_join(&all, base, "bertcl"));
    else if (home && *home)
        BCL_TRY(bcl_path_join(&all, home, ".cache/bertcl"));
    else
        return BCL_OK;
    BCL_TRY(bcl_path_join(out, all, name));
out:
    free(all);
    return status;
}

void bcl_cache_key(char out[BCL_CACHE_KEY], const char *const *parts, size_t count) {
    uint64_t a = 0x243F6A8885A308D3u, b = 0x13198A2E03707344u;
    for (size_t i = 0; i < count; i++) {
        a = bcl_hash(a, parts[i], strlen(parts[i]));
        b = bcl_hash(b, parts[i], strlen(parts[i]));
    }
    snprintf(out, BCL_CACHE_KEY, "%016llx%016llx", (unsigned long long)a, (unsigned long long)b);
}

bcl_status bcl_program_cache_path(char **out, const bcl_device *d, const char *source,
                                  const char *options) {
    bcl_status status = BCL_OK;
    char *folder = NULL, name[BCL_CACHE_KEY];
    *out = NULL;
    BCL_TRY(bcl_cache_folder(&folder, "programs"));
    if (!folder)
        goto out;
    const char *parts[] = {source,         options,        d->info.name,
                           d->info.vendor, d->info.driver, d->info.version};
    bcl_cache_key(name, parts, sizeof parts / sizeof *parts);
    if (!bcl_directory_create(folder)) /* no place to write is no reason to fail */
        BCL_TRY(bcl_path_join(out, folder, name));
out:
    free(folder);
    return status;
}

bool bcl_program_cache_load(cl_program *out, const bcl_device *d, const char *path,
                            const char *options) {
    bcl_map map = {0};
    entry_head head;
    cl_program program = NULL;
    cl_int code = CL_SUCCESS, binary_code = CL_SUCCESS;
    bool ok = false;
    if (!bcl_path_exists(path) || bcl_map_open(&map, path))
        return false;
    if (map.size > sizeof head) {
        memcpy(&head, map.data, sizeof head);
        const unsigned char *binary = map.data + sizeof head;
        const size_t size = map.size - sizeof head;
        if (!memcmp(head.magic, magic, sizeof magic) && head.size == size &&
            head.hash == bcl_hash(0, binary, size)) {
            program = clCreateProgramWithBinary(d->context, 1, &d->id, &size, &binary, &binary_code,
                                                &code);
            ok = program && code == CL_SUCCESS && binary_code == CL_SUCCESS &&
                 clBuildProgram(program, 1, &d->id, options, NULL, NULL) == CL_SUCCESS;
        }
    }
    bcl_map_close(&map);
    if (ok)
        *out = program;
    else if (program)
        clReleaseProgram(program);
    return ok;
}

void bcl_program_cache_store(cl_program program, const char *path) {
    bcl_string file = {0};
    size_t size = 0;
    unsigned char *binary = NULL;
    if (clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, sizeof size, &size, NULL) !=
            CL_SUCCESS ||
        !size || !(binary = malloc(size)))
        return;
    if (clGetProgramInfo(program, CL_PROGRAM_BINARIES, sizeof binary, &binary, NULL) ==
        CL_SUCCESS) {
        entry_head head = {.size = size, .hash = bcl_hash(0, binary, size)};
        memcpy(head.magic, magic, sizeof magic);
        /* A cache that cannot be written is only slower. */
        if (!bcl_string_add(&file, &head, sizeof head) && !bcl_string_add(&file, binary, size))
            (void)bcl_file_write(path, file.data, file.size);
    }
    bcl_string_free(&file);
    free(binary);
}
