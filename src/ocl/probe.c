/* Finds devices: each driver (.icd file) is loaded in a child process, so that one that crashes,
 * hangs or clashes with another costs nothing but its own line. */
#include "ocl/cache.h"
#include "ocl/icd.h"
#include "ocl/vendors.h"
#include "util/child.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_DEVICES = 32, PROBE_SECONDS = 60, MOST_BUSY = 10 };

/* Points the ICD loader at one .icd file and lets it load. A folder with one link is what both
 * loaders in use (ocl-icd and Khronos') understand; it is gone again when the driver is in. */
static cl_int load_only(const char *icd_file, cl_platform_id *platforms, cl_uint *count) {
    const char *base = getenv("TMPDIR");
    char folder[1024], link[sizeof folder + 16], *full = NULL;
    const int size =
        snprintf(folder, sizeof folder, "%s/bertcl-icd-XXXXXX", base && *base ? base : "/tmp");
    bool made = size < (int)sizeof folder && mkdtemp(folder) != NULL;
    snprintf(link, sizeof link, "%s/driver.icd", folder);
    full = realpath(icd_file, NULL);
    made = made && full && !symlink(full, link);
    setenv("OCL_ICD_VENDORS", made ? folder : icd_file, 1);
    unsetenv("OCL_ICD_FILENAMES");
    bcl_driver_prepare();
    bcl_pocl_cache_settle();
    cl_int code = clGetPlatformIDs(16, platforms, count);
    if (made) {
        unlink(link);
        rmdir(folder);
    }
    free(full);
    return code;
}

bcl_status bcl_driver_load(const char *icd_file, cl_device_id *devices, size_t capacity,
                           size_t *count, char *driver_name, size_t name_size) {
    cl_platform_id platforms[16];
    cl_uint platform_count = 0;
    char *library = NULL;
    *count = 0;
    /* before the ICD loader, which would wait for a pipe's writer */
    const bcl_status readable = bcl_icd_library(&library, icd_file);
    free(library);
    if (readable)
        return readable;
    cl_int code = load_only(icd_file, platforms, &platform_count);
    if (code != CL_SUCCESS || !platform_count) {
        const bcl_status status = bcl_icd_try(icd_file);
        return status ? status
                      : bcl_fail(BCL_ERROR_NO_DEVICE,
                                 "%s: its library loads but offers no OpenCL platform (error %d)",
                                 icd_file, code);
    }
    char platform[256] = "";
    clGetPlatformInfo(platforms[0], CL_PLATFORM_NAME, sizeof platform, platform, NULL);
    snprintf(driver_name, name_size, "%.*s", (int)strcspn(bcl_path_name(icd_file), "."),
             bcl_path_name(icd_file));
    const bcl_driver *driver = bcl_driver_of_platform(platform);
    if (driver->id[0])
        snprintf(driver_name, name_size, "%s", driver->id);
    for (cl_uint p = 0; p < platform_count && p < 16; p++) {
        cl_uint n = 0;
        if (clGetDeviceIDs(platforms[p], CL_DEVICE_TYPE_ALL, (cl_uint)(capacity - *count),
                           devices + *count, &n) == CL_SUCCESS)
            *count += n < capacity - *count ? n : capacity - *count;
    }
    if (!*count)
        return bcl_fail(BCL_ERROR_NO_DEVICE, "%s: the driver %s has no device%s%s", icd_file,
                        platform, driver->no_device,
                        driver->own_cache ? bcl_pocl_cache_hint() : "");
    return BCL_OK;
}

static void get_text(cl_device_id id, cl_device_info what, char *out, size_t size) {
    char text[1024] = "";
    clGetDeviceInfo(id, what, sizeof text - 1, text, NULL);
    snprintf(out, size, "%s", text + strspn(text, " "));
}

bcl_status bcl_device_describe(bcl_device_info *info, cl_device_id id) {
    static const char *const asking = "asking the driver about its device";
    bcl_status status = BCL_OK;
    cl_device_type type = 0;
    cl_ulong u = 0;
    cl_uint n = 0;
    cl_bool yes = 0;
    char extensions[16384] = "";
    BCL_CL(clGetDeviceInfo(id, CL_DEVICE_TYPE, sizeof type, &type, NULL), "%s", asking);
    info->gpu = (type & CL_DEVICE_TYPE_GPU) != 0;
    info->cpu = (type & CL_DEVICE_TYPE_CPU) != 0;
    get_text(id, CL_DEVICE_NAME, info->name, sizeof info->name);
    get_text(id, CL_DEVICE_VENDOR, info->vendor, sizeof info->vendor);
    get_text(id, CL_DRIVER_VERSION, info->driver, sizeof info->driver);
    get_text(id, CL_DEVICE_VERSION, info->version, sizeof info->version);
    clGetDeviceInfo(id, CL_DEVICE_EXTENSIONS, sizeof extensions - 1, extensions, NULL);
    bcl_hardware_describe(info, id, extensions);
    info->fp16 = strstr(extensions, "cl_khr_fp16") != NULL;
    info->fp64 = strstr(extensions, "cl_khr_fp64") != NULL;
    BCL_CL(clGetDeviceInfo(id, CL_DEVICE_GLOBAL_MEM_SIZE, sizeof u, &u, NULL), "%s", asking);
    info->memory = u;
    BCL_CL(clGetDeviceInfo(id, CL_DEVICE_MAX_MEM_ALLOC_SIZE, sizeof u, &u, NULL), "%s", asking);
    info->max_allocation = u;
    BCL_CL(clGetDeviceInfo(id, CL_DEVICE_LOCAL_MEM_SIZE, sizeof u, &u, NULL), "%s", asking);
    info->local_memory = u;
    BCL_CL(clGetDeviceInfo(id, CL_DEVICE_MAX_COMPUTE_UNITS, sizeof n, &n, NULL), "%s", asking);
    info->compute_units = n;
    BCL_CL(clGetDeviceInfo(id, CL_DEVICE_MAX_CLOCK_FREQUENCY, sizeof n, &n, NULL), "%s", asking);
    info->clock_mhz = n;
    BCL_CL(clGetDeviceInfo(id, CL_DEVICE_MEM_BASE_ADDR_ALIGN, sizeof n, &n, NULL), "%s", asking);
    info->alignment = n / 8 < 64 ? 64 : n / 8; /* bits to bytes; at least a cache line */
    BCL_CL(clGetDeviceInfo(id, CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT, sizeof n, &n, NULL), "%s",
           asking);
    info->float_vector = n ? n : 1;
    BCL_CL(clGetDeviceInfo(id, CL_DEVICE_MAX_WORK_GROUP_SIZE, sizeof info->max_work_group,
                           &info->max_work_group, NULL),
           "%s", asking);
    BCL_CL(clGetDeviceInfo(id, CL_DEVICE_AVAILABLE, sizeof yes, &yes, NULL), "%s", asking);
    info->available = yes != 0;
    if (!yes)
        snprintf(info->problem, sizeof info->problem, "the driver says that it is not available");
    BCL_CL(clGetDeviceInfo(id, CL_DEVICE_COMPILER_AVAILABLE, sizeof yes, &yes, NULL), "%s", asking);
    if (!yes) {
        info->available = false;
        snprintf(info->problem, sizeof info->problem, "the driver has no compiler");
    }
out:
    return status;
}

/* In the child: writes one bcl_device_info a device to the pipe. */
static void probe_in_child(void *context, int fd) {
    const char *icd_file = context;
    cl_device_id ids[MAX_DEVICES];
    size_t count = 0;
    char driver[48];
    bcl_device_info info = {0};
    int null = open("/dev/null", O_WRONLY);
    if (null >= 0) { /* drivers chat */
        dup2(null, 1);
        dup2(null, 2);
    }
    bcl_status status = bcl_driver_load(icd_file, ids, MAX_DEVICES, &count, driver, sizeof driver);
    for (size_t i = 0; !status && i < count; i++) {
        bcl_device *device = NULL;
        info = (bcl_device_info){0};
        snprintf(info.id, sizeof info.id, "%s", driver);
        snprintf(info.library, sizeof info.library, "%s", icd_file);
        bcl_icd_object(info.object, sizeof info.object, icd_file);
        bcl_status described = bcl_device_describe(&info, ids[i]);
        if (!described && info.available)
            described = bcl_device_attach(&device, ids[i], &info, false);
        if (!described && info.available)
            described = bcl_device_self_test(device);
        if (described) {
            info.available = false;
            snprintf(info.problem, sizeof info.problem, "%s%s", bcl_message(),
                     bcl_driver_of(driver)->own_cache ? bcl_pocl_cache_hint() : "");
        }
        if (write(fd, &info, sizeof info) != (ssize_t)sizeof info)
            return;
    }
    if (status) {
        snprintf(info.library, sizeof info.library, "%s", icd_file);
        snprintf(info.problem, sizeof info.problem, "%s", bcl_message());
        if (write(fd, &info, sizeof info) != (ssize_t)sizeof info)
            return;
    }
}

/* How long a driver may take. A first start compiles, and where others want the cores too that
 * takes longer by as much as there is for each of them to do. */
static double patience(void) {
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    const double busy = bcl_host_load() / (double)(cores > 0 ? cores : 1);
    return PROBE_SECONDS * (busy < 1 ? 1 : busy > MOST_BUSY ? MOST_BUSY : busy);
}

/* Until the pipe closes or the time is up; *seconds: what there was of it. */
static bcl_child_news hear_all(const bcl_child *child, bcl_string *out, double *seconds) {
    const double begin = bcl_seconds();
    char chunk[8192];
    size_t n;
    for (;;) {
        *seconds = patience(); /* anew: the load is an average of the last minute */
        const double left = begin + *seconds - bcl_seconds();
        const bcl_child_news news = bcl_child_hear(child, chunk, sizeof chunk, &n,
                                                   left < PROBE_SECONDS ? left : PROBE_SECONDS);
        if (news == BCL_CHILD_SILENT ? left <= 0 : news != BCL_CHILD_TOLD)
            return news;
        if (n && bcl_string_add(out, chunk, n))
            return BCL_CHILD_CLOSED;
    }
}

/* The driver's devices, or one with its problem. */
static bcl_status hear_driver(bcl_child *child, const char *icd_file, bcl_device_info **devices,
                              size_t *count, size_t *capacity) {
    bcl_status status = BCL_OK;
    bcl_string got = {0};
    double seconds;
    const bcl_child_news end = hear_all(child, &got, &seconds);
    const bool in_time = end == BCL_CHILD_CLOSED;
    const int code = bcl_child_end(child, !in_time);
    if (end == BCL_CHILD_INTERRUPTED)
        BCL_FAIL(BCL_ERROR_INTERRUPTED, "stopped while asking the drivers");
    size_t n = got.size / sizeof(bcl_device_info);
    BCL_TRY(bcl_grow(devices, capacity, *count + n + 1, sizeof **devices));
    if (n)
        memcpy(*devices + *count, got.data, n * sizeof **devices);
    *count += n;
    if (!in_time || WIFSIGNALED(code)) {
        bcl_device_info failed = {0};
        snprintf(failed.library, sizeof failed.library, "%s", icd_file);
        if (!in_time)
            snprintf(failed.problem, sizeof failed.problem,
                     "%s: the driver gave no answer in %.0f s", icd_file, seconds);
        else
            snprintf(failed.problem, sizeof failed.problem, "%s: the driver crashed (%s)", icd_file,
                     strsignal(WTERMSIG(code)));
        (*devices)[(*count)++] = failed;
    }
out:
    bcl_string_free(&got);
    return status;
}

/* Drops the devices of a library that an earlier .icd file named too: they are the same. */
static size_t drop_repeated(bcl_device_info *devices, size_t count) {
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        bool repeated = false;
        for (size_t k = 0; k < kept && !repeated; k++)
            repeated = devices[i].object[0] && strcmp(devices[k].library, devices[i].library) &&
                       !strcmp(devices[k].object, devices[i].object);
        if (!repeated)
            devices[kept++] = devices[i];
    }
    return kept;
}

/* "pocl" becomes "pocl:0", "pocl:1", ... */
static void number_ids(bcl_device_info *devices, size_t count) {
    for (size_t i = count; i-- > 0;) {
        if (!devices[i].id[0])
            continue;
        int before = 0;
        for (size_t j = 0; j < i; j++)
            before += !strcmp(devices[j].id, devices[i].id);
        size_t n = strlen(devices[i].id);
        snprintf(devices[i].id + n, sizeof devices[i].id - n, ":%d", before);
    }
}

/* Probes the drivers whose file name starts with `only` (NULL: all). */
static bcl_status probe(bcl_device_info **out, size_t *out_count, const char *only,
                        size_t only_size) {
    bcl_status status = BCL_OK;
    char **files = NULL;
    size_t file_count = 0, count = 0, capacity = 0;
    bcl_device_info *devices = NULL;
    bcl_child *drivers = NULL;
    BCL_TRY(bcl_icd_list(&files, &file_count));
    BCL_NEW(drivers, file_count + 1);
    for (size_t i = 0; !status && i < file_count; i++)
        if (!only || !strncmp(bcl_path_name(files[i]), only, only_size))
            status = bcl_child_start(&drivers[i], probe_in_child, files[i]);
    for (size_t i = 0; i < file_count; i++) /* those that were asked, whatever happened */
        if (drivers[i].pid) {
            const bcl_status heard =
                hear_driver(&drivers[i], files[i], &devices, &count, &capacity);
            status = status ? status : heard;
        }
    BCL_TRY(status);
    count = drop_repeated(devices, count);
    number_ids(devices, count);
    bcl_hardware_compare(devices, count);
    *out = devices;
    *out_count = count;
    devices = NULL;
out:
    bcl_strings_free(files, file_count);
    free(drivers);
    free(devices);
    return status;
}

bcl_status bcl_devices_probe(bcl_device_info **devices, size_t *count) {
    return probe(devices, count, NULL, 0);
}

/* GPUs first, then accelerators, then CPUs; within a type by driver, then in the drivers' order. */
static const bcl_device_info *choose(const bcl_device_info *devices, size_t count, const char *id) {
    const bcl_device_info *best = NULL;
    int best_score = 0;
    for (size_t i = 0; i < count; i++) {
        const bcl_device_info *d = &devices[i];
        if (id && !strcmp(d->id, id))
            return d;
        if (id || !d->available)
            continue;
        const int score = (d->gpu ? 0 : d->cpu ? 2 : 1) * 100 + bcl_driver_of(d->id)->rank;
        if (!best || score < best_score) {
            best = d;
            best_score = score;
        }
    }
    return best;
}

/* One line for "nothing usable": every driver's problem. */
static bcl_status fail_without_device(const bcl_device_info *devices, size_t count,
                                      const char *id) {
    bcl_string list = {0};
    for (size_t i = 0; i < count; i++) {
        const bcl_device_info *d = &devices[i];
        if (d->available)
            (void)bcl_string_addf(&list, "%s%s", list.size ? "; " : "", d->id);
        else
            (void)bcl_string_addf(&list, "%s%s", list.size ? "; " : "", d->problem);
    }
    bcl_status status =
        id ? bcl_fail(BCL_ERROR_NO_DEVICE, "no OpenCL device %s; found: %s", id,
                      list.size ? list.data : "none")
           : bcl_fail(BCL_ERROR_NO_DEVICE, "no usable OpenCL device; %s",
                      list.size ? list.data : "no driver is installed, e.g. pocl-opencl-icd");
    bcl_string_free(&list);
    return status;
}

/* What this process has probed, and the driver it has loaded: the loader reads its drivers once in
 * a process, so all later ones are chosen among the same devices. */
static struct {
    bcl_device_info *devices;
    size_t count;
    bool all; /* every driver was probed, not only those that an id named */
    char library[sizeof((bcl_device_info *)NULL)->library];
} known;

static bcl_status learn(const char *only, size_t only_size) {
    bcl_device_info *devices = NULL;
    size_t count = 0;
    const bcl_status status = probe(&devices, &count, only, only_size);
    if (status)
        return status;
    free(known.devices);
    known.devices = devices;
    known.count = count;
    known.all = !only;
    return BCL_OK;
}

/* Points into what is known. */
static bcl_status find(const bcl_device_info **chosen, const char *id) {
    bcl_status status = BCL_OK;
    const bool loaded = known.library[0] != 0;
    *chosen = NULL;
    if (id && !known.devices) /* most ids name their driver's file: no need to start the others */
        BCL_TRY(learn(id, strcspn(id, ":")));
    if (id || known.all || loaded)
        *chosen = choose(known.devices, known.count, id);
    if (loaded && (!*chosen || strcmp((*chosen)->library, known.library)))
        BCL_FAIL(BCL_ERROR_ARGUMENT,
                 "%s: this process has loaded the driver of %s, and one process has one driver",
                 id ? id : "the best device", known.library);
    if (!*chosen && !known.all) {
        BCL_TRY(learn(NULL, 0));
        *chosen = choose(known.devices, known.count, id);
    }
    if (!*chosen) {
        status = fail_without_device(known.devices, known.count, id);
        goto out;
    }
    if (!(*chosen)->available)
        BCL_FAIL(BCL_ERROR_NO_DEVICE, "%s: %s", (*chosen)->id, (*chosen)->problem);
out:
    return status;
}

bcl_status bcl_device_find(bcl_device_info *out, const char *id) {
    const bcl_device_info *chosen;
    const bcl_status status = find(&chosen, id);
    if (!status)
        *out = *chosen;
    return status;
}

bcl_status bcl_device_open(bcl_device **out, const char *id, bool profile) {
    bcl_status status = BCL_OK;
    const bcl_device_info *chosen;
    size_t loaded = 0, index = 0; /* number of this device among its file's */
    cl_device_id ids[MAX_DEVICES];
    char driver[48];
    *out = NULL;
    BCL_TRY(find(&chosen, id));
    BCL_TRY(bcl_watch_opened());
    BCL_TRY(bcl_driver_load(chosen->library, ids, MAX_DEVICES, &loaded, driver, sizeof driver));
    for (const bcl_device_info *d = known.devices; d != chosen; d++)
        index += !strcmp(d->library, chosen->library);
    if (index >= loaded)
        BCL_FAIL(BCL_ERROR_NO_DEVICE, "%s: the driver has %zu devices now", chosen->id, loaded);
    BCL_TRY(bcl_device_attach(out, ids[index], chosen, profile));
    snprintf(known.library, sizeof known.library, "%s", chosen->library);
out:
    return status;
}
