/* The .icd files: which there are, the library that each names, and what the loader says of it. */
#define _GNU_SOURCE /* dlinfo */
#include "ocl/icd.h"

#include <ctype.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ICD_BYTES = 4096 }; /* longer than any path */

bcl_status bcl_icd_library(char **out, const char *icd_file) {
    bcl_status status = BCL_OK;
    char text[ICD_BYTES + 1];
    struct stat info;
    ssize_t n = 0;
    *out = NULL;
    const int fd = open(icd_file, O_RDONLY | O_NONBLOCK | O_CLOEXEC); /* a pipe must not hang */
    if (fd < 0)
        return bcl_fail_errno("%s: cannot open", icd_file);
    if (fstat(fd, &info) || !S_ISREG(info.st_mode))
        BCL_FAIL(BCL_ERROR_NO_DEVICE, "%s: not a regular file, expected one line with a library",
                 icd_file);
    n = read(fd, text, ICD_BYTES);
    if (n < 0) {
        status = bcl_fail_errno("%s: cannot read", icd_file);
        goto out;
    }
    text[n] = 0;
    char *begin = text + strspn(text, " \t");
    begin[strcspn(begin, "\r\n")] = 0;
    for (size_t k = strlen(begin); k && isspace((unsigned char)begin[k - 1]); k--)
        begin[k - 1] = 0;
    if (!*begin)
        BCL_FAIL(BCL_ERROR_NO_DEVICE,
                 "%s: its first line is empty, expected the name of a driver's library", icd_file);
    BCL_TRY(bcl_strdup(out, begin));
out:
    close(fd);
    return status;
}

bcl_status bcl_icd_try(const char *icd_file) {
    bcl_status status = BCL_OK;
    char *library = NULL;
    BCL_TRY(bcl_icd_library(&library, icd_file));
    if (!dlopen(library, RTLD_NOW | RTLD_LOCAL)) {
        const char *reason = dlerror();
        BCL_FAIL(BCL_ERROR_NO_DEVICE,
                 "%s: the driver's library %s cannot be loaded: %s; install the driver, or remove "
                 "the file",
                 icd_file, library, reason ? reason : "no reason given");
    }
out:
    free(library);
    return status;
}

void bcl_icd_object(char *out, size_t size, const char *icd_file) {
    char *library = NULL, *path = NULL;
    struct link_map *map = NULL;
    void *handle = NULL;
    out[0] = 0;
    if (!bcl_icd_library(&library, icd_file))
        handle = dlopen(library, RTLD_LAZY | RTLD_NOLOAD);
    if (handle && !dlinfo(handle, RTLD_DI_LINKMAP, &map) && map && map->l_name[0])
        path = realpath(map->l_name, NULL);
    if (path)
        snprintf(out, size, "%s", path);
    if (handle)
        dlclose(handle);
    free(library);
    free(path);
}

bcl_status bcl_icd_list(char ***files, size_t *count) {
    bcl_status status = BCL_OK;
    char **names = NULL, **list = NULL;
    size_t name_count = 0, n = 0, capacity = 0;
    const char *place = getenv("OCL_ICD_VENDORS");
    if (!place || !*place)
        place = getenv("OPENCL_VENDOR_PATH");
    if (!place || !*place)
        place = "/etc/OpenCL/vendors";
    if (!bcl_path_is_directory(place)) {
        if (!bcl_path_exists(place))
            BCL_FAIL(BCL_ERROR_NO_DEVICE,
                     "no OpenCL driver: %s does not exist; install one, e.g. pocl-opencl-icd",
                     place);
        BCL_TRY(bcl_grow(&list, &capacity, 1, sizeof *list));
        BCL_TRY(bcl_strdup(&list[0], place));
        n = 1;
    } else {
        BCL_TRY(bcl_directory_list(&names, &name_count, place));
        for (size_t i = 0; i < name_count; i++) {
            size_t size = strlen(names[i]);
            if (size < 5 || strcmp(names[i] + size - 4, ".icd"))
                continue;
            BCL_TRY(bcl_grow(&list, &capacity, n + 1, sizeof *list));
            BCL_TRY(bcl_path_join(&list[n], place, names[i]));
            n++;
        }
        if (!n)
            BCL_FAIL(BCL_ERROR_NO_DEVICE,
                     "no OpenCL driver: no .icd file in %s; install one, e.g. pocl-opencl-icd",
                     place);
    }
    *files = list;
    *count = n;
    list = NULL;
out:
    bcl_strings_free(names, name_count);
    bcl_strings_free(list, n);
    return status;
}
