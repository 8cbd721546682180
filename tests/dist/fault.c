/* A driver that fails, for tests: preloaded, it stands between bertcl-rank and the OpenCL loader.
 * BERTCL_FAULT is "RANK KIND WHEN MARKER". From the moment WHEN on, in that rank, for -1 in bertcl
 * itself, for -2 in one of the processes that it forks for eval --devices and predict --devices:
 * with a device's id behind MARKER, one with that device:
 *
 * - error: every call returns CL_OUT_OF_RESOURCES
 * - hang: the next call never returns
 * - nan: what is read from the device is NaN in its first quarter
 * - wrong: and here it is 0.01, which is finite
 * - zero: and here it is 0, which is a loss, a label and a gradient
 * - skip: attention is not computed, though the driver says so: finite numbers that go together
 * - kill: the process is killed, as by a driver that crashes
 * - stop: and here it is stopped
 * - count: nothing; the number of calls is written to MARKER at the end
 *
 * WHEN is a number of calls, "probe" (the first call of the process that probes the driver),
 * "test:N" (there, the self-test of the driver's N-th device), or a path, which may have
 * wildcards: from when there is such a file on. The rank that fails makes MARKER first, and only
 * one does. */
#define _GNU_SOURCE
#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>

#include <dlfcn.h>
#include <glob.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static struct {
    bool here; /* this process' driver is to fail */
    bool fails;
    bool workers; /* in a process of a pool */
    char kind[16], when[1024], marker[1024], device[64];
    long first, calls, contexts;
    pid_t pid;
} fault;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void write_count(void) {
    FILE *f = fault.pid == getpid() ? fopen(fault.marker, "w") : NULL;
    if (f) {
        fprintf(f, "%ld\n", fault.calls);
        fclose(f);
    }
}

__attribute__((constructor)) static void begin(void) {
    const char *text = getenv("BERTCL_FAULT"), *rank = getenv("BERTCL_RANK");
    char program[32] = "";
    int number;
    FILE *f = fopen("/proc/self/comm", "r");
    if (f && fscanf(f, "%31s", program) != 1)
        program[0] = 0;
    if (f)
        fclose(f);
    fault.here = text &&
                 sscanf(text, "%d %15s %1023s %1023s %63s", &number, fault.kind, fault.when,
                        fault.marker, fault.device) >= 4 &&
                 (number < 0 ? !strcmp(program, "bertcl")
                             : rank && !strcmp(program, "bertcl-rank") && number == atoi(rank));
    fault.workers = fault.here && number == -2;
    fault.pid = getpid();
    fault.first = fault.when[0] >= '0' && fault.when[0] <= '9' ? atol(fault.when) : 0;
    if (fault.here && !strcmp(fault.kind, "count"))
        atexit(write_count);
}

/* Whether this process, which may have been forked, is meant and no one that probes for it. A
 * pool's are called by their device, and have its cores. */
static bool is_meant(void) {
    char name[64] = "";
    if (!fault.workers || getpid() == fault.pid)
        return !fault.workers && getpid() == fault.pid;
    prctl(PR_GET_NAME, name);
    return getppid() == fault.pid && getenv("BERTCL_CORES") &&
           (!fault.device[0] || !strcmp(fault.device, name));
}

static bool is_kind(const char *kind) {
    return !strcmp(fault.kind, kind);
}

static bool is_one_test(void) {
    return !strncmp(fault.when, "test:", 5);
}

static bool is_time(void) {
    glob_t found;
    if (!strcmp(fault.when, "probe"))
        return getpid() != fault.pid;
    if (is_one_test())
        return getpid() != fault.pid && fault.contexts == atol(fault.when + 5);
    if (!is_meant())
        return false;
    if (fault.first)
        return fault.calls >= fault.first;
    const bool there = !glob(fault.when, 0, NULL, &found);
    globfree(&found);
    return there;
}

/* Whether this rank is the one that fails, with all processes that it starts to probe. */
static bool claim(void) {
    long owner = 0;
    const long own = (long)(fault.workers ? getpid() : fault.pid);
    FILE *f = fopen(fault.marker, "wx");
    if (f) {
        fprintf(f, "%ld\n", own);
        fclose(f);
        return true;
    }
    f = fopen(fault.marker, "r");
    if (f && fscanf(f, "%ld", &owner) != 1)
        owner = 0;
    if (f)
        fclose(f);
    return owner == own;
}

/* At each call. True: it is to return an error. */
static bool fails(const char *name) {
    if (!fault.here)
        return false;
    pthread_mutex_lock(&lock);
    fault.calls++;
    fault.contexts += !strcmp(name, "clCreateContext");
    if (fault.fails && is_one_test()) /* and not the next device's */
        fault.fails = is_time();
    if (!fault.fails && !is_kind("count") && is_time()) {
        fault.here = claim(); /* else an earlier process has failed, and this one does not */
        fault.fails = fault.here;
    }
    pthread_mutex_unlock(&lock);
    if (!fault.fails)
        return false;
    if (is_kind("kill"))
        raise(SIGKILL);
    if (is_kind("stop")) {
        raise(SIGSTOP);
        fault.fails = false; /* let go on, it is well again */
    }
    while (is_kind("hang"))
        pause();
    return is_kind("error");
}

static void *next(const char *name) {
    return dlsym(RTLD_NEXT, name);
}

/* The device's numbers are others from here on. */
static void spoil(cl_command_queue queue, cl_mem buffer, size_t offset, size_t bytes) {
    cl_int (*fill)(cl_command_queue, cl_mem, const void *, size_t, size_t, size_t, cl_uint,
                   const cl_event *, cl_event *);
    const float value = is_kind("nan") ? NAN : is_kind("wrong") ? 0.01F : 0;
    const bool spoils = is_kind("nan") || is_kind("wrong") || is_kind("zero");
    if (!fault.fails || !spoils || bytes < 16 || offset % 4)
        return;
    *(void **)&fill = next("clEnqueueFillBuffer");
    fill(queue, buffer, &value, 4, offset, bytes / 16 * 4, 0, NULL, NULL);
}

/* Whether a launch is left out. */
static bool skips(cl_kernel kernel) {
    char name[64] = "";
    if (!fault.fails || !is_kind("skip"))
        return false;
    cl_int (*about)(cl_kernel, cl_kernel_info, size_t, void *, size_t *);
    *(void **)&about = next("clGetKernelInfo");
    about(kernel, CL_KERNEL_FUNCTION_NAME, sizeof name, name, NULL);
    return strstr(name, "attention") != NULL;
}

static cl_int mark(cl_command_queue queue, cl_uint n, const cl_event *after, cl_event *event) {
    cl_int (*marker)(cl_command_queue, cl_uint, const cl_event *, cl_event *);
    *(void **)&marker = next("clEnqueueMarkerWithWaitList");
    return marker(queue, n, after, event);
}

#define CALL(TYPE, NAME, PARAMETERS, ARGUMENTS, BEFORE, WRONG)                                     \
    CL_API_ENTRY TYPE CL_API_CALL NAME PARAMETERS {                                                \
        static TYPE(*call) PARAMETERS;                                                             \
        if (!call)                                                                                 \
            *(void **)&call = next(#NAME);                                                         \
        if (fails(#NAME))                                                                          \
            WRONG;                                                                                 \
        BEFORE;                                                                                    \
        return call ARGUMENTS;                                                                     \
    }
#define CODE return CL_OUT_OF_RESOURCES
#define NOTHING                                                                                    \
    do {                                                                                           \
        if (code)                                                                                  \
            *code = CL_OUT_OF_RESOURCES;                                                           \
        return NULL;                                                                               \
    } while (0)

CALL(cl_int, clGetDeviceIDs,
     (cl_platform_id p, cl_device_type type, cl_uint n, cl_device_id *ids, cl_uint *count),
     (p, type, n, ids, count), , CODE)
CALL(cl_context, clCreateContext,
     (const cl_context_properties *what, cl_uint n, const cl_device_id *ids,
      void(CL_CALLBACK *notify)(const char *, const void *, size_t, void *), void *data,
      cl_int *code),
     (what, n, ids, notify, data, code), , NOTHING)
CALL(cl_mem, clCreateBuffer,
     (cl_context context, cl_mem_flags flags, size_t bytes, void *host, cl_int *code),
     (context, flags, bytes, host, code), , NOTHING)
CALL(cl_int, clBuildProgram,
     (cl_program program, cl_uint n, const cl_device_id *ids, const char *options,
      void(CL_CALLBACK *notify)(cl_program, void *), void *data),
     (program, n, ids, options, notify, data), , CODE)
CALL(cl_int, clEnqueueNDRangeKernel,
     (cl_command_queue queue, cl_kernel kernel, cl_uint dims, const size_t *offset,
      const size_t *global, const size_t *local, cl_uint n, const cl_event *after, cl_event *event),
     (queue, kernel, dims, offset, global, local, n, after, event),
     if (skips(kernel)) return mark(queue, n, after, event), CODE)
CALL(cl_int, clEnqueueWriteBuffer,
     (cl_command_queue queue, cl_mem buffer, cl_bool wait, size_t offset, size_t bytes,
      const void *host, cl_uint n, const cl_event *after, cl_event *event),
     (queue, buffer, wait, offset, bytes, host, n, after, event), , CODE)
CALL(cl_int, clEnqueueReadBuffer,
     (cl_command_queue queue, cl_mem buffer, cl_bool wait, size_t offset, size_t bytes, void *host,
      cl_uint n, const cl_event *after, cl_event *event),
     (queue, buffer, wait, offset, bytes, host, n, after, event),
     spoil(queue, buffer, offset, bytes), CODE)
CALL(void *, clEnqueueMapBuffer,
     (cl_command_queue queue, cl_mem buffer, cl_bool wait, cl_map_flags flags, size_t offset,
      size_t bytes, cl_uint n, const cl_event *after, cl_event *event, cl_int *code),
     (queue, buffer, wait, flags, offset, bytes, n, after, event, code),
     spoil(queue, buffer, offset, bytes), NOTHING)
CALL(cl_int, clWaitForEvents, (cl_uint n, const cl_event *events), (n, events), , CODE)
CALL(cl_int, clFinish, (cl_command_queue queue), (queue), , CODE)
