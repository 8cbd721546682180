/* The OpenCL layer: devices found by probing, one device opened, programs, buffers, launches.
 * Knows nothing of BERT. One process loads one driver (several clash). */
#ifndef BCL_OCL_H
#define BCL_OCL_H

#include "util/util.h"

#include <CL/cl.h>

/* ---- devices ---- */

typedef struct bcl_device_info {
    char id[64]; /* "pocl:0" */
    char name[256], vendor[256], driver[256], version[256];
    char library[1024]; /* the driver's .icd file */
    char object[1024];  /* the shared library that it names, as it was loaded; "": not known */
    char pci[24];       /* "0000:65:00.0"; "": not told */
    char uuid[33];      /* of the device, by its driver, in hexadecimal; "": not told */
    char same_as[64];   /* the id of an earlier device that is the same hardware; "": none */
    bool gpu, cpu;
    bool available; /* false: `problem` says why */
    char problem[512];
    uint64_t memory, max_allocation, local_memory; /* bytes */
    uint32_t compute_units, clock_mhz, alignment /* bytes, of sub-buffers */, float_vector;
    size_t max_work_group;
    size_t sub_group; /* items of the smallest sub-group that a kernel may require; 0: not told */
    bool fp16, fp64;
} bcl_device_info;

/* Every device of every installed driver, each driver probed in a child process; drivers that
 * fail are one entry with available = false. */
bcl_status bcl_devices_probe(bcl_device_info **devices, size_t *count);

/* The device that bcl_device_open would open, found by probing in child processes: this process
 * makes no OpenCL call. What was probed is kept for bcl_device_open. */
bcl_status bcl_device_find(bcl_device_info *out, const char *id);

typedef struct bcl_device bcl_device;

/* Opens a device by id, or the best one for NULL, and tests it. The first time it must be the
 * process's first OpenCL call; later devices must be of the same driver. With `profile`, every
 * launch is timed by an event, see bcl_device_profile. */
bcl_status bcl_device_open(bcl_device **out, const char *id, bool profile);
void bcl_device_free(bcl_device *device);
const bcl_device_info *bcl_device_about(const bcl_device *device);
/* Vector width (floats) and work-items of a group for kernels that give each row to one group: wide
 * vectors and one item on CPUs, scalars and many items elsewhere. Both powers of two. A kernel may
 * have fewer items: bcl_kernel_items. */
int bcl_device_vector(const bcl_device *device);
size_t bcl_device_row_items(const bcl_device *device);
/* Whether the device gets the kernels of CPUs: one work-item a group, wide vectors. */
bool bcl_device_wide(const bcl_device *device);
/* Vector registers of a CPU device: 32 with AVX-512 and on 64-bit Arm, else 16. */
int bcl_device_registers(const bcl_device *device);
/* An interpreter, for tests: every operation takes thousands of times as long. */
bool bcl_device_interpreted(const bcl_device_info *about);
cl_command_queue bcl_device_queue(bcl_device *device);

/* ---- kernels: cl/FILE compiled with OPTIONS, once per device ---- */

typedef struct bcl_kernel bcl_kernel;
/* Owned by the device. `options` are -D words on top of the device's own, or "". The message of a
 * failed build holds the compiler's log. */
bcl_status bcl_kernel_get(bcl_kernel **out, bcl_device *device, const char *file, const char *name,
                          const char *options);

/* While on, kernels are neither compiled nor launched once the program was asked to end
 * (bcl_interrupted): BCL_ERROR_INTERRUPTED. For work that is worth nothing before it is complete: a
 * driver may take minutes to compile the kernels of a first step. Drivers compile at the first
 * launch, too, and none can be stopped within a kernel. */
void bcl_device_give_up(bcl_device *device, bool on);

/* The most work-items of a group that the device can run of this kernel, known once it is built. */
size_t bcl_kernel_limit(const bcl_kernel *kernel);
/* LS of the kernel: bcl_device_row_items, or less where the limit is less. */
size_t bcl_kernel_items(const bcl_kernel *kernel);

typedef enum bcl_arg_kind {
    BCL_ARG_VALUE,
    BCL_ARG_BUFFER,
    BCL_ARG_LOCAL /* local memory of `size` bytes */
} bcl_arg_kind;
typedef struct bcl_arg {
    size_t size;
    bcl_arg_kind kind;
    union {
        cl_mem mem;
        cl_int i;
        cl_uint u;
        cl_float f;
        cl_ulong l;
    } value;
} bcl_arg;
static inline bcl_arg bcl_mem(cl_mem x) {
    return (bcl_arg){.size = sizeof x, .kind = BCL_ARG_BUFFER, .value.mem = x};
}
static inline bcl_arg bcl_int(int x) {
    return (bcl_arg){.size = sizeof(cl_int), .value.i = x};
}
static inline bcl_arg bcl_uint(uint32_t x) {
    return (bcl_arg){.size = sizeof(cl_uint), .value.u = x};
}
static inline bcl_arg bcl_float(float x) {
    return (bcl_arg){.size = sizeof(cl_float), .value.f = x};
}
static inline bcl_arg bcl_local(size_t bytes) {
    return (bcl_arg){.size = bytes, .kind = BCL_ARG_LOCAL};
}

typedef struct bcl_grid {
    size_t groups[3]; /* work-groups in each dimension; 0 counts as 1 */
    size_t local[3];  /* work-items of a group; 0 counts as 1 */
} bcl_grid;

/* Sets those of the arguments, by a running index, that differ from the last launch with the same
 * buffers, checks their number against the kernel's, queues; what may take long (bcl_launch_work)
 * in parts, see cl/grid.h. An empty grid (groups[0] == 0) is an error of the caller. Not to be
 * called from two threads at once. */
bcl_status bcl_launch(bcl_kernel *kernel, bcl_grid grid, const bcl_arg *args, size_t count);
#define BCL_LAUNCH(kernel, grid, ...)                                                              \
    bcl_launch(kernel, grid, (const bcl_arg[]){__VA_ARGS__},                                       \
               sizeof((const bcl_arg[]){__VA_ARGS__}) / sizeof(bcl_arg))

/* What each launch from here on has to do at most, floating-point operations and bytes of memory.
 * bcl_profile_operation says it too. */
void bcl_launch_work(bcl_device *device, double flop, double bytes);
/* Floating-point operations that a launch may have and is not too long; HUGE_VAL on CPUs. */
double bcl_launch_most_flop(const bcl_device *device);

/* ---- the auxiliary queue, which devices have where that pays (see vendors.h) while nothing is
 * profiled: the groups of its launches fill the units that would wait for the last groups of the
 * first queue's. Without one everything is queued on the first, and these do nothing. ---- */

/* Launches between begin and end go to the auxiliary queue. They wait for the launches queued so
 * far and for each other; later ones on the first queue wait for them only where
 * bcl_auxiliary_order says so. Transfers and bcl_device_finish wait for all. */
void bcl_auxiliary_begin(bcl_device *device);
void bcl_auxiliary_end(bcl_device *device);

/* Bytes of a buffer that is no view. */
typedef struct bcl_extent {
    cl_mem root;
    size_t begin, end;
} bcl_extent;
/* Whether there is anything to put in order: launches on the auxiliary queue that nothing has
 * waited for, or one that is about to go there. */
bool bcl_auxiliary_active(const bcl_device *device);
/* What is launched next reads this memory or, with `writes`, writes it. On the auxiliary queue that
 * is noted; on the first it is made to wait for every noted launch that it must not overtake: one
 * that writes the memory, or reads what is to be written. */
void bcl_auxiliary_order(bcl_device *device, bcl_extent extent, bool writes);

/* ---- profile: times and sums are taken on a device that was opened with `profile` ---- */

/* What is launched from here on, until the next call: an operation's name (a static string), its
 * floating-point operations (0: bound by memory), and the bytes that it has to read and write. */
void bcl_profile_operation(bcl_device *device, const char *name, double flop, double bytes);

typedef struct bcl_profile_row {
    const char *name; /* of an operation, or of a kernel; owned by the device */
    const char *file; /* of a kernel, as "attention.cl" */
    uint64_t calls;   /* of bcl_profile_operation */
    uint64_t launches;
    double ms, flop, bytes; /* sums; a kernel has only ms */
} bcl_profile_row;
/* Sums so far by operation and by kernel, slowest first. Waits for the queue. The caller frees both
 * lists. */
bcl_status bcl_device_profile(bcl_profile_row **operations, size_t *operation_count,
                              bcl_profile_row **kernels, size_t *kernel_count, bcl_device *device);
/* Waits for the queue and sets all sums to 0. */
bcl_status bcl_profile_restart(bcl_device *device);
/* Waits for the queue; later launches are not timed. */
bcl_status bcl_profile_stop(bcl_device *device);

/* ---- buffers ---- */

/* A buffer of `bytes` (at least 1). Out of memory names `what` and the bytes. */
bcl_status bcl_buffer_create(cl_mem *out, bcl_device *device, size_t bytes, const char *what);
/* A view of a buffer; offset must be a multiple of bcl_device_info.alignment. */
bcl_status bcl_buffer_view(cl_mem *out, cl_mem buffer, size_t offset, size_t bytes);
/* Takes NULL and a NULL buffer; sets it to NULL. */
void bcl_buffer_free(bcl_device *device, cl_mem *buffer);
/* Blocking when `wait`; otherwise `host` must stay until the queue has passed. On GPUs large ones
 * go through pinned memory, which takes a write's bytes at once; a read or write that does not wait
 * never waits for that. */
bcl_status bcl_buffer_write(bcl_device *device, cl_mem buffer, size_t offset, const void *host,
                            size_t bytes, bool wait);
bcl_status bcl_buffer_read(bcl_device *device, cl_mem buffer, size_t offset, void *host,
                           size_t bytes, bool wait);
/* Queues a read of the first `bytes` and sends everything to the device. *event, the caller's, is
 * set when all that was queued before is there too. */
bcl_status bcl_buffer_read_later(bcl_device *device, cl_mem buffer, void *host, size_t bytes,
                                 cl_event *event);
/* Queued: *host are the bytes, to read and to write, once *ready is set, which is the caller's to
 * release; until unmapping no kernel may touch them. A CPU's driver copies nothing. */
bcl_status bcl_buffer_map(void **host, cl_event *ready, bcl_device *device, cl_mem buffer,
                          size_t offset, size_t bytes);
/* Queued: what was written is there for all that is queued behind. */
bcl_status bcl_buffer_unmap(bcl_device *device, cl_mem buffer, void *host);
/* Repeats `pattern` of `size` bytes (1, 2, 4, 8 or 16) over `bytes`; both are multiples of it. */
bcl_status bcl_buffer_fill(bcl_device *device, cl_mem buffer, const void *pattern, size_t size,
                           size_t offset, size_t bytes);
bcl_status bcl_buffer_zero(bcl_device *device, cl_mem buffer, size_t offset, size_t bytes);
/* Queued: the first `bytes` of `from`. */
bcl_status bcl_buffer_copy(bcl_device *device, cl_mem to, cl_mem from, size_t bytes);
bcl_status bcl_device_finish(bcl_device *device);
/* Waits for an event, releases it and sets it to NULL; a NULL event is passed at once. */
bcl_status bcl_event_finish(cl_event *event);
/* The same for an event at the end of a step. On GPUs most of what the last such waits took is
 * slept through, as many drivers would take a core for it. */
bcl_status bcl_event_await(bcl_device *device, cl_event *event);

/* ---- the watch over calls that never come back ---- */

/* Ends the process, having told the message, which names the device, the call, how long it has
 * taken, and the kernel that was launched last: nothing else ends such a call. Called by a thread
 * that watches; the one that made the call still holds what it holds. */
typedef void bcl_watch_handler(void *context, const char *message);
/* From now on, or from when a device is opened, the driver's calls of this process are watched,
 * until bcl_watch_stop. One that takes ten times as long as any before it, and `least` seconds at
 * least, is told to the handler; ten times that where kernels are compiled, and for the first two
 * answers behind them. Nothing if it is on. */
bcl_status bcl_watch_start(bcl_watch_handler *handler, void *context, double least);
void bcl_watch_stop(void);
/* Around a call of the driver that is not made by BCL_CL; what: its text, a static string. */
void bcl_call_enter(const char *what);
void bcl_call_leave(void);

/* ---- what is kept on disk between runs ---- */

/* *out = the folder `name` of bertcl's cache, which need not exist; NULL if nothing is to be kept.
 */
bcl_status bcl_cache_folder(char **out, const char *name);
enum { BCL_CACHE_KEY = 33 };
/* A file's name from all that its content depends on. */
void bcl_cache_key(char out[BCL_CACHE_KEY], const char *const *parts, size_t count);

/* An OpenCL error as a status: out-of-memory codes give BCL_ERROR_DEVICE_MEMORY. */
bcl_status bcl_cl_fail(cl_int code, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Makes the call; where it fails, the message is what was being done (printf's arguments), and it
 * goes to `out:`. */
#define BCL_CL(call, ...)                                                                          \
    do {                                                                                           \
        bcl_call_enter(#call);                                                                     \
        const cl_int cl_code = (call);                                                             \
        bcl_call_leave();                                                                          \
        if (cl_code != CL_SUCCESS) {                                                               \
            status = bcl_cl_fail(cl_code, __VA_ARGS__);                                            \
            goto out;                                                                              \
        }                                                                                          \
    } while (0)

#endif
