/* Several processes that train one model, each on a device of its own: which devices, what of a
 * step each computes, and the sum of their gradients. Knows nothing of how they are connected: that
 * is a transport, of which mpi.c has one. */
#ifndef BCL_DIST_H
#define BCL_DIST_H

#include "train/train.h"

#include <signal.h>

/* ---- what carries bytes between the ranks ---- */

/* Blocking calls of all ranks, in the same order; the request is the one that is not. */
typedef struct bcl_transport {
    int rank, size;
    void *context;
    /* Begins values (count) = the sum over the ranks, in one order for a count. remainder NULL:
     * they travel as they are; else as bf16, and it takes (count) what rounding loses, see wire.h.
     * The same bits in all ranks. At most BCL_TRANSPORT_REQUESTS are under way; `slot` names this
     * one. */
    bcl_status (*sum_begin)(void *context, size_t slot, float *values, float *remainder,
                            size_t count);
    /* Goes on with what is under way, without waiting. *done: nothing is. */
    bcl_status (*sum_progress)(void *context, bool *done);
    /* Whether values that this rank has added up since the last call were not finite; then which
     * ranks' they were, marked in ranks (size). */
    bool (*sum_faults)(void *context, unsigned char *ranks);
    /* all (size,bytes) = each rank's own (bytes). */
    bcl_status (*gather)(void *context, const void *own, void *all, size_t bytes);
    /* data (bytes) of `root` becomes everyone's. */
    bcl_status (*broadcast)(void *context, void *data, size_t bytes, int root);
    void (*close)(void *context, bool failed);
} bcl_transport;
enum { BCL_TRANSPORT_REQUESTS = 256 };
/* What a rank sends for a sum of `count` numbers of `width` bytes: its values of the others'
 * pieces, and its piece of the sum to each of them. */
static inline double bcl_transport_sum_bytes(const bcl_transport *t, size_t count, size_t width) {
    return 2.0 * (t->size - 1) / t->size * (double)(count * width);
}

/* What opens one; NULL in a program that has none, as bertcl itself: its ranks are bertcl-rank. */
typedef bcl_status bcl_transport_opener(bcl_transport *out);
extern bcl_transport_opener *bcl_transport_open;
/* Over MPI, of the ranks that mpirun or srun has started. In bertcl-rank alone. */
bcl_status bcl_transport_open_mpi(bcl_transport *out);
/* Seconds after which what is silent counts as hung, at least: BERTCL_WATCHDOG, if it is above 0,
 * else `otherwise`. */
double bcl_dist_watchdog(double otherwise);

/* ---- control.c: what a rank tells its launcher ---- */

typedef enum bcl_control_kind {
    BCL_CONTROL_HELLO,    /* rank */
    BCL_CONTROL_ENTERED,  /* what all ranks do together, the step-th time */
    BCL_CONTROL_SUMMED,   /* all had come to the sum of step `step` */
    BCL_CONTROL_WAITING,  /* for the others, its own part being there */
    BCL_CONTROL_BUSY,     /* still at work at something else */
    BCL_CONTROL_PATIENCE, /* what comes now may take long: tuning, a checkpoint */
    BCL_CONTROL_OPENED,   /* the run's folder is this run's: from now on it can be resumed */
    BCL_CONTROL_FAULT,    /* text: why this rank's device cannot go on */
    BCL_CONTROL_BYE       /* the rank ends; step: the exit code, if it has told an error */
} bcl_control_kind;
/* The step of a BCL_CONTROL_FAULT: the device's own; nothing failed, and all ranks end by
 * themselves; the others cannot be reached. */
enum { BCL_FAULT_OF_DEVICE, BCL_FAULT_IN_PEACE, BCL_FAULT_OF_OTHERS };

typedef struct bcl_control_message {
    bcl_control_kind kind;
    int rank;
    int64_t step;
    char text[400];
} bcl_control_message;

/* Connects to the launcher that BERTCL_CONTROL names as rank BERTCL_RANK, and takes its standard
 * streams for this process' own; nothing without one. The process ends when the launcher does. */
bcl_status bcl_control_open(void);
/* Whether there is a launcher. */
bool bcl_control_has(void);
void bcl_control_tell(bcl_control_kind kind, int64_t step, const char *text);
/* Bind this process to the cores that BERTCL_CORES lists ("0-1,4"); nothing without. */
bcl_status bcl_control_bind(void);

/* ---- launch.c: ranks on this machine ---- */

typedef struct bcl_rank_place {
    const char *device;  /* id */
    const char *problem; /* why it cannot be used, and is left out; NULL: it can */
    char cores[256];     /* "0-1,4" */
    int core_count;
} bcl_rank_place;

typedef struct bcl_ranks {
    const char *program; /* bertcl-rank */
    char *const *argv;   /* the ranks', from the command on, NULL at the end; without --devices */
    bcl_rank_place *ranks;
    size_t rank_count;
    const char *shares;           /* as given; NULL */
    const char *run;              /* the folder that they write to */
    void (*before_message)(void); /* what ranks have left on the terminal; may be NULL */
    int crashes;                  /* of mpirun, so far */
} bcl_ranks;
/* Runs the ranks to their end, and what is left of them again where a device fails. *code: what to
 * exit with; what was wrong was told. Blocking. */
bcl_status bcl_ranks_run(int *code, bcl_ranks *launch);

/* ---- pool.c: several devices that compute batches for this process, without gradients ---- */

enum { BCL_POOL_MOST = 64 };
typedef struct bcl_pool bcl_pool;
/* Starts a process for each place (count), which loads its device's driver and the model, and
 * makes them the session's remote; results are those of one device of the same kind, to the bit.
 * One that dies, hangs or fails is left out, which the session's listener is told, and the others
 * compute what it had. The session is prepared, has no device, and outlives the pool. Waits until
 * all are ready; fails where none is. */
bcl_status bcl_pool_open(bcl_pool **out, struct bcl_session *session, const bcl_rank_place *places,
                         size_t count);
void bcl_pool_free(bcl_pool *pool); /* takes NULL */

/* What the checks of the pool's answers say, see docs/distributed.md. */
typedef struct bcl_pool_findings {
    bool doubtful;        /* results were collected that a device has computed which was found to
                           * compute wrong numbers behind its last good check */
    uint64_t first, last; /* among these numbers, see bcl_slot; 0: not numbered */
    const char *why; /* of the first such device, the pool's: "ID computes wrong numbers: …" */
    uint64_t batches, checked; /* computed in all, and once more to compare them */
} bcl_pool_findings;
/* Checks what each device answered last, of the pipeline that is or was open; blocking. Behind an
 * error what is found so far. */
bcl_status bcl_pool_settle(bcl_pool_findings *out, bcl_pool *pool);
/* Not 0 from when results are in doubt until the next pipeline: a `stop` of bcl_evaluate. */
const volatile sig_atomic_t *bcl_pool_doubtful(const bcl_pool *pool);

/* ---- devices.c: which devices ---- */

/* What --devices asks for: "all" (each piece of hardware once), "gpu", or ids with commas between.
 * *devices (count), to free(). One that is there but cannot be used is in the list, not available;
 * where all are so, and for an id that there is not: BCL_ERROR_NO_DEVICE, and which there are. */
bcl_status bcl_dist_devices(bcl_device_info **devices, size_t *count, const char *spec);
/* "3,1" as numbers above 0, as many as there are ranks. */
bcl_status bcl_dist_shares(double *shares, size_t count, const char *text);
/* The cores of each place that --cores names, "pocl:0=0-3" (given_count). */
bcl_status bcl_dist_take_cores(bcl_rank_place *ranks, size_t count, const char *const *given,
                               size_t given_count);
/* What --device-file says of this host. */
typedef struct bcl_host_devices {
    char *devices, *shares; /* as --devices and --shares have them; shares NULL: by speed */
    int line;
} bcl_host_devices;
/* Reads the file and checks all of its lines, HOST ID[,ID...] [SHARE[,SHARE...]]; HOST is a host's
 * name, with its domain or without. Errors name the line. */
bcl_status bcl_dist_device_file(bcl_host_devices *out, const char *path);
void bcl_host_devices_free(bcl_host_devices *host);
/* ranks (count) = a place for each of the devices, whose texts they point to. This process' cores
 * are split between those that can be used: a core for each GPU, the rest evenly between CPUs. */
void bcl_dist_place(bcl_rank_place *ranks, const bcl_device_info *devices, size_t count);

/* ---- group.c: the group of a run ---- */

typedef struct bcl_group_options {
    const double *shares;          /* (size): the parts of each step; NULL: by measured speed */
    const bcl_device_info *device; /* this rank's */
    bool keep_all;                 /* devices that slow the run down are kept */
    bool bf16;                     /* gradients travel so, see wire.h */
    const char *left_out;          /* "ID\tREASON\n" of devices that were; NULL: none */
} bcl_group_options;

typedef struct bcl_group bcl_group;
/* The transport is the group's from here on. */
bcl_status bcl_group_create(bcl_group **out, const bcl_transport *transport,
                            const bcl_group_options *options);
/* Why this rank is left out, though nothing failed; NULL: it is not. */
const char *bcl_group_leaves(const bcl_group *group);
/* Whether this rank is the one that tells an error. */
bool bcl_group_tells(const bcl_group *group);
/* Whether what failed fails in every rank alike. */
bool bcl_group_is_common(const bcl_group *group);
/* Whether what failed is that the others cannot be reached. */
bool bcl_group_is_broken(const bcl_group *group);
/* together: all ranks end here; else none must wait for this one. Takes NULL. */
void bcl_group_free(bcl_group *group, bool together);
const bcl_train_group *bcl_group_of(const bcl_group *group);

#endif
