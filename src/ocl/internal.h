/* What the files of ocl/ share and nobody else sees. They call one way: probe, then device and
 * selftest, program, launch, profile, buffer, staging, wait, auxiliary, and at the bottom watch,
 * cut, cache, traits, vendors and error. */
#ifndef BCL_OCL_INTERNAL_H
#define BCL_OCL_INTERNAL_H

#include "ocl/ocl.h"

/* A kernel object for the launches with the same buffers, and the arguments that it has. */
typedef struct bcl_call {
    cl_kernel kernel;
    bcl_arg *args; /* (argument_count) */
    bool set;      /* all of them */
} bcl_call;

struct bcl_kernel {
    bcl_device *device;
    cl_program program;
    cl_kernel kernel;
    cl_uint argument_count;
    size_t limit; /* work-items of a group, at most */
    size_t items; /* LS, within the limit */
    char *file, *name, *options;
    bcl_call *sites;
    size_t site_count, site_capacity, site; /* site: the next one, if launches come as before */
    uint64_t buffers_freed;                 /* the device's, when the sites were set */
    uint64_t launches; /* with the profile on: counted as the events are read */
    double ms;
};

typedef struct bcl_pending {
    cl_event event;
    bcl_kernel *kernel;
    size_t operation;
} bcl_pending;

/* A launch of the auxiliary queue that the first queue has not waited for. */
enum { BCL_AUXILIARY_USES = 8, BCL_AUXILIARY_LAUNCHES = 8 };
typedef struct bcl_use {
    bcl_extent extent;
    bool writes;
} bcl_use;
typedef struct bcl_ahead {
    cl_event event;
    bcl_use uses[BCL_AUXILIARY_USES];
    int use_count;
} bcl_ahead;

/* How long the last waits for a step took, in seconds. */
enum { BCL_WAITS = 8 };
typedef struct bcl_waits {
    double last[BCL_WAITS];
    int count; /* below BCL_WAITS: so many are known */
} bcl_waits;
/* How long to sleep before the next: a share of the shortest, so that none is made longer. */
double bcl_waits_sleep(const bcl_waits *waits);
/* overslept: the event was over when the sleep was. */
void bcl_waits_note(bcl_waits *waits, double seconds, bool overslept);

/* The ring of pinned pieces that large transfers go through. Of a size that stays in a cache
 * between the copy and the transfer, and of which most transfers have several. */
enum { BCL_PIECES = 4, BCL_PIECE = 1 << 20 /* bytes */ };
typedef struct bcl_staging {
    bool tried; /* to make it: then there is one or none */
    cl_mem ring;
    char *host;                /* (BCL_PIECES,BCL_PIECE), mapped; NULL: none */
    cl_event busy[BCL_PIECES]; /* the last transfer of each; NULL: none, or it has passed */
    int next;
    uint64_t bytes; /* that went through it so far */
} bcl_staging;

struct bcl_device {
    bcl_device_info info;
    cl_device_id id;
    cl_context context;
    cl_command_queue queue;
    cl_command_queue auxiliary;              /* the second queue, or NULL */
    bool on_auxiliary;                       /* launches go there now */
    cl_event last;                           /* launch of the first queue */
    cl_event awaited;                        /* by the next command of the first queue */
    bcl_ahead ahead[BCL_AUXILIARY_LAUNCHES]; /* oldest first */
    int ahead_count;
    bcl_ahead next; /* what the next launch of the auxiliary queue uses; no event */
    bcl_kernel **kernels;
    size_t kernel_count, kernel_capacity;
    uint64_t allocated; /* bytes in buffers */
    uint64_t buffers_freed;
    bool wide; /* takes the kernels of CPUs */
    bcl_waits waits;
    bcl_staging staging;
    bool profile;
    bool gives_up;           /* see bcl_device_give_up */
    double flops, bandwidth; /* that it reaches at least, a second; see cut.c */
    double longest_s;        /* of what is launched now, at most */
    bcl_pending *pending;
    size_t pending_count, pending_capacity;
    bcl_profile_row *operations;
    size_t operation_count, operation_capacity;
    size_t operation; /* that launches now belong to */
};

/* Describes a device; `info->id` and `library` are left to the caller. */
bcl_status bcl_device_describe(bcl_device_info *info, cl_device_id id);
/* Sets pci and uuid; gpu and cpu must be set. */
void bcl_hardware_describe(bcl_device_info *info, cl_device_id id, const char *extensions);
/* Sets same_as of each device to the first one that is the same hardware. */
void bcl_hardware_compare(bcl_device_info *devices, size_t count);
/* Platforms of the one driver that this process loads, and their devices in order. */
bcl_status bcl_driver_load(const char *icd_file, cl_device_id *devices, size_t capacity,
                           size_t *count, char *driver_name, size_t name_size);
/* Runs known work on an opened device: arithmetic, local memory with barriers, integers. */
bcl_status bcl_device_self_test(bcl_device *device);
/* Opens device number `index` of the driver in this process. */
bcl_status bcl_device_attach(bcl_device **out, cl_device_id id, const bcl_device_info *info,
                             bool profile);
/* BCL_ERROR_INTERRUPTED where bcl_device_give_up says so. */
bcl_status bcl_device_check_given_up(const bcl_device *device);
void bcl_kernel_free(bcl_kernel *kernel);
/* Before a driver is loaded to compute: a watch that is wanted begins. */
bcl_status bcl_watch_opened(void);
/* For it: the device has answered, a kernel was built, is about to be launched, is freed; the
 * operation that launches belong to, a static string. */
void bcl_call_answered(void);
void bcl_call_built(void);
void bcl_call_launched(const bcl_kernel *kernel);
void bcl_call_forget(const bcl_kernel *kernel);
void bcl_call_operation(const char *name);
void bcl_calls_free(bcl_kernel *kernel);
/* Queues a kernel, its arguments set, where it is to go. offset: NULL is 0. *event is set only
 * without a second queue; it may be NULL. */
cl_int bcl_device_enqueue(bcl_device *device, cl_kernel kernel, const size_t *offset,
                          const size_t *global, const size_t *local, cl_event *event);
/* Groups along `dimension` that a launch has at most: a part of all where it may take long. */
typedef struct bcl_cut {
    int dimension;
    size_t groups;
} bcl_cut;
bcl_cut bcl_launch_cut(const bcl_device *device, const size_t groups[3]);
/* Sets what the device reaches. */
void bcl_launch_measure(bcl_device *device);
/* Before a command on the first queue that is no kernel: it waits for what is awaited. */
bcl_status bcl_device_join(bcl_device *device);
/* Whether a transfer goes through pinned pieces; else by one call. The ring is made for the first
 * that may wait. One that may not is taken where it fits a piece and the next is free. */
bool bcl_staging_takes(bcl_device *device, size_t bytes, bool wait);
/* As bcl_buffer_write, but `host` need not stay, and bcl_buffer_read, which waits. */
bcl_status bcl_staging_write(bcl_device *device, cl_mem buffer, size_t offset, const void *host,
                             size_t bytes, bool wait);
bcl_status bcl_staging_read(bcl_device *device, cl_mem buffer, size_t offset, void *host,
                            size_t bytes);
/* Before the queue is released. */
void bcl_staging_free(bcl_device *device);
/* Waits for both queues. */
bcl_status bcl_queues_finish(bcl_device *device);
void bcl_auxiliary_release(bcl_device *device);
/* Notes a launch, whose event it takes over. */
bcl_status bcl_profile_launch(bcl_device *device, bcl_kernel *kernel, cl_event event);

#endif
