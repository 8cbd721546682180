/* Inside dist/: a pool as its parts see it. */
#ifndef BCL_DIST_POOL_STATE_H
#define BCL_DIST_POOL_STATE_H

#include "dist/dist.h"
#include "dist/pool.h"

#include <signal.h>
#include <sys/types.h>

enum {
    POOL_ON_WAY = 2, /* batches that a device has: one computed, one waiting for it */
    POOL_SLOTS = 64, /* of all */
    POOL_TICK_MS = 20,
    POOL_CHECK_SECONDS = 60, /* that a first check is waited for */
    POOL_CHECK_EVERY = 64    /* of a device's answers: one is computed by another too */
};

typedef enum job_state { JOB_FREE, JOB_WAITING, JOB_GIVEN, JOB_DONE } job_state;

/* A slot's batch. */
typedef struct job {
    job_state state;
    bcl_slot *slot;
    uint64_t serial;
    int owner, second; /* who has it; -1: nobody. second: it took too long */
    int suspect;       /* whose values were not finite; -1: nobody's */
    int by;            /* whose answer it has, once it is done */
    uint64_t checks;   /* that device's, when it gave it */
    double given;
} job;

/* Of what was collected, by the caller's numbers. */
typedef struct span {
    bool any;
    uint64_t first, last;
} span;

/* A batch that a device has answered, as it was sent, and what others say of it. */
typedef enum check_state { CHECK_NONE, CHECK_WAITING, CHECK_GIVEN } check_state;
typedef struct check {
    check_state state;
    bcl_string batch, answers[3];
    int who[3], count; /* of the answers: first the device's own */
    int asked;         /* who has it */
    uint64_t serial;
    double began;
} check;

/* A device's process. */
typedef struct member {
    char device[64]; /* id */
    pid_t pid;
    int fd; /* -1: left out */
    bool ready;
    size_t on_way;
    bcl_string in, out;
    size_t out_at; /* sent of `out` */
    pool_about about;
    pool_fault fault;
    double heard;                    /* when it began to work or answered last */
    double alive;                    /* when anything came from it */
    double tokens, seconds, slowest; /* of its answers */
    /* checks */
    bool trusted;                 /* the first of this shape is over */
    bool wrong;                   /* it was found to compute wrong numbers */
    uint64_t checks;              /* begun */
    size_t unchecked;             /* answers since the one that the last check is of */
    bcl_string last, last_answer; /* its newest batch and answer */
    span before, behind;          /* collected: of the batches that the check under way may
                                   * confirm, and of later ones */
    check check;
} member;

struct bcl_pool {
    bcl_session *session;
    bcl_session_listener *listener;
    void *listener_context;
    bcl_remote remote;
    member *members; /* (count) */
    size_t count;
    job jobs[POOL_SLOTS];
    uint64_t serial;
    bool open; /* all have begun, or failed to */
    pool_shape shape;
    bcl_string ids, names, gemms, precisions, scratch;
    volatile sig_atomic_t doubtful; /* what was collected may be wrong: */
    span doubt;
    char why[700];
    uint64_t batches, checked; /* answers used, and those of checks */
};

/* ---- pool_members.c ---- */

static inline bool pool_is_in(const member *m) {
    return m->fd >= 0;
}
size_t bcl_pool_in_count(const bcl_pool *p);
/* An error where no device is left. */
bcl_status bcl_pool_check_left(const bcl_pool *p);
/* Kills it and waits for its end. */
void bcl_pool_end_process(member *m);
/* Leaves a device out; what it has is handed out again. */
void bcl_pool_lose(bcl_pool *p, int who, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* One whose socket is closed. */
void bcl_pool_lose_ended(bcl_pool *p, int who);
void bcl_pool_tell_lost(const bcl_pool *p, const member *m);
/* A message behind those that wait to be sent. */
bcl_status bcl_pool_put(member *m, pool_head head, const void *data, size_t bytes);
/* What the socket takes. Who is gone is seen when it is read. */
void bcl_pool_send_some(member *m);
/* *out = the batch as a worker gets it, see POOL_BATCH. */
bcl_status bcl_pool_write_batch(bcl_string *out, const bcl_batch *batch);
/* Sends one. */
bcl_status bcl_pool_send(bcl_pool *p, int who, uint32_t slot, uint64_t serial, const void *data,
                         size_t bytes);
/* Seconds a token; 0: not known. */
double bcl_pool_pace(const member *m);
/* Who has least to do, among them the fastest, but none of `without` (without_count); -1: nobody
 * can take more. */
int bcl_pool_choose(const bcl_pool *p, const int *without, int without_count);
/* The error of an answer of another size than was asked for. */
bcl_status bcl_pool_fail_size(const bcl_pool *p, int who, const pool_head *head);

/* ---- pool_check.c ---- */

/* A new shape: nothing that was answered before counts. */
void bcl_pool_checks_clear(bcl_pool *p);
void bcl_pool_checks_free(member *m);
/* The member has answered the job. */
bcl_status bcl_pool_check_answered(bcl_pool *p, int who, job *j, const void *answer, size_t bytes);
/* An answer to a check, whose slot is POOL_SLOTS and the number of the member that it is about. */
bcl_status bcl_pool_check_take(bcl_pool *p, int who, const pool_head *head, const void *answer);
/* Gives checks to devices that have time. */
bcl_status bcl_pool_check_hand_out(bcl_pool *p);
/* Begins one of each device's newest answer that none is of. */
bcl_status bcl_pool_check_last(bcl_pool *p);
/* Whether any is under way. */
bool bcl_pool_check_any(const bcl_pool *p);
/* Whether a job that is done may be used. */
bool bcl_pool_check_lets(const bcl_pool *p, const job *j);
/* The job's results are the caller's now. */
void bcl_pool_check_collected(bcl_pool *p, const job *j);

#endif
