/* The table of drivers, and what else depends on whose they are. */
#define _GNU_SOURCE /* sched_getaffinity */
#include "ocl/vendors.h"

#include <sched.h>
#include <unistd.h>

/* PoCL is the driver that all else is tested with: first among the CPUs'. Its queues overlap;
 * Intel's CPU runtime computes a step at half the speed once its queues wait for each other. */
static const bcl_driver drivers[] = {
    {.platform = "Portable Computing Language",
     .id = "pocl",
     .rank = 0,
     .auxiliary_queue = true,
     .own_cache = true,
     .no_device = ""},
    {.platform = "NVIDIA CUDA", .id = "nvidia", .rank = 1, .no_device = ""},
    {.platform = "AMD Accelerated", .id = "amd", .rank = 2, .no_device = ""},
    {.platform = "Intel", .id = "intel", .rank = 3, .no_device = ""},
    {.platform = "ARM Platform", .id = "arm", .rank = 4, .no_device = ""},
    {.platform = "QUALCOMM", .id = "qualcomm", .rank = 5, .no_device = ""},
    {.platform = "Apple", .id = "apple", .rank = 6, .no_device = ""},
    {.platform = "rusticl",
     .id = "rusticl",
     .rank = 8,
     .no_device = " (enable one: RUSTICL_ENABLE=llvmpipe)"},
    {.platform = "Clover", .id = "clover", .rank = 9, .no_device = ""},
    {.platform = "Oclgrind", .id = "oclgrind", .rank = 1000, .interpreter = true, .no_device = ""},
};
enum { DRIVERS = sizeof drivers / sizeof *drivers };
static const bcl_driver unknown = {.platform = "", .id = "", .rank = 7, .no_device = ""};

const bcl_driver *bcl_driver_of_platform(const char *platform) {
    for (int i = 0; i < DRIVERS; i++)
        if (strstr(platform, drivers[i].platform))
            return &drivers[i];
    return &unknown;
}

const bcl_driver *bcl_driver_of(const char *device_id) {
    const size_t n = strcspn(device_id, ":");
    for (int i = 0; i < DRIVERS; i++)
        if (strlen(drivers[i].id) == n && !strncmp(device_id, drivers[i].id, n))
            return &drivers[i];
    return &unknown;
}

/* Lets PoCL tie each of its threads to a processor. Left to the kernel, threads that wake together
 * often share one for milliseconds, a whole small product long, and half the speed is lost. PoCL
 * counts from processor 0, so not where this process may run on some only, nor where somebody has
 * set the number of threads. */
void bcl_driver_prepare(void) {
#ifdef __linux__
    cpu_set_t allowed;
    if (!getenv("POCL_MAX_PTHREAD_COUNT") && !sched_getaffinity(0, sizeof allowed, &allowed) &&
        CPU_COUNT(&allowed) == sysconf(_SC_NPROCESSORS_ONLN))
        setenv("POCL_AFFINITY", "1", 0);
#endif
}

/* A CPU device runs on the host's processor, so the host's compiler knows. */
int bcl_vector_registers(const bcl_device_info *about) {
#if defined(__aarch64__)
    (void)about;
    return 32;
#else
    return about->float_vector >= 16 ? 32 : 16;
#endif
}
