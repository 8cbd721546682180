/* Hands out batches to a process for each device and takes their answers. What is computed is what
 * one device would have computed, so that only who computes it, and when, is decided here. A device
 * that dies, hangs or errs is left out, and what it had is handed out again. */
#define _GNU_SOURCE
#include "dist/pool.h"
#include "dist/dist.h"
#include "tune/tune.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    ON_WAY = 2,      /* batches that a device has: one computed, one waiting for it */
    MOST_SLOTS = 64, /* of all */
    TICK_MS = 20
};

typedef enum job_state { JOB_FREE, JOB_WAITING, JOB_GIVEN, JOB_DONE } job_state;

/* A slot's batch. */
typedef struct job {
    job_state state;
    bcl_slot *slot;
    uint64_t serial;
    int owner, second; /* who has it; -1: nobody. second: it took too long */
    int suspect;       /* whose values were not finite; -1: nobody's */
    double given;
} job;

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
    double tokens, seconds, slowest; /* of its answers */
} member;

struct bcl_pool {
    bcl_session *session;
    bcl_session_listener *listener;
    void *listener_context;
    bcl_remote remote;
    member *members; /* (count) */
    size_t count;
    job jobs[MOST_SLOTS];
    uint64_t serial;
    bool open; /* all have begun, or failed to */
    pool_shape shape;
    bcl_string ids, names, gemms, precisions, scratch;
};

static bool is_in(const member *m) {
    return m->fd >= 0;
}

static size_t in_count(const bcl_pool *c) {
    size_t n = 0;
    for (size_t i = 0; i < c->count; i++)
        n += is_in(&c->members[i]);
    return n;
}

/* ---- leaving out ---- */

static void end_process(member *m) {
    if (is_in(m))
        close(m->fd);
    m->fd = -1;
    if (m->pid <= 0)
        return;
    kill(m->pid, SIGKILL);
    while (waitpid(m->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    m->pid = 0;
}

static void tell_lost(const bcl_pool *c, const member *m) {
    char text[1200];
    snprintf(text, sizeof text, "%s left out: %s; the others go on", m->device, m->fault.text);
    if (in_count(c) && c->listener)
        c->listener(c->listener_context,
                    &(bcl_session_event){.kind = BCL_SESSION_NOTE, .text = text});
}

__attribute__((format(printf, 3, 4))) static void lose(bcl_pool *c, int who, const char *format,
                                                       ...) {
    member *m = &c->members[who];
    va_list args;
    if (!is_in(m))
        return;
    va_start(args, format);
    vsnprintf(m->fault.text, sizeof m->fault.text, format, args);
    va_end(args);
    end_process(m);
    for (size_t i = 0; i < MOST_SLOTS; i++) {
        job *j = &c->jobs[i];
        if (j->state != JOB_GIVEN)
            continue;
        if (j->second == who)
            j->second = -1;
        if (j->owner == who) {
            j->owner = j->second;
            j->second = -1;
        }
        if (j->owner < 0)
            j->state = JOB_WAITING;
    }
    if (c->open) /* before it is not known whether all fail, and alike */
        tell_lost(c, m);
}

static void lose_ended(bcl_pool *c, int who) {
    member *m = &c->members[who];
    int state = 0;
    const pid_t pid = m->pid;
    kill(pid, SIGTERM); /* its end of the socket is closed: it has ended, or is about to */
    while (waitpid(pid, &state, 0) < 0 && errno == EINTR)
        ;
    m->pid = 0;
    if (WIFSIGNALED(state))
        lose(c, who, "its process has died (%s)", strsignal(WTERMSIG(state)));
    else
        lose(c, who, "its process has ended with code %d", WEXITSTATUS(state));
}

static bcl_status check_left(const bcl_pool *c) {
    if (in_count(c))
        return BCL_OK;
    const member *m = &c->members[c->count - 1];
    return bcl_fail(BCL_ERROR_DEVICE, "%s: %s; no device is left", m->device, m->fault.text);
}

/* ---- messages ---- */

static bcl_status put(member *m, pool_head head, const void *data, size_t bytes) {
    bcl_status status = BCL_OK;
    head.bytes = bytes;
    if (m->out_at == m->out.size)
        m->out_at = m->out.size = 0;
    BCL_TRY(bcl_string_add(&m->out, &head, sizeof head));
    BCL_TRY(bcl_string_add(&m->out, data, bytes));
out:
    return status;
}

/* What the socket takes. Who is gone is seen when it is read. */
static void send_some(member *m) {
    while (m->out_at < m->out.size) {
        const ssize_t n = send(m->fd, m->out.data + m->out_at, m->out.size - m->out_at,
                               MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return;
        m->out_at += (size_t)n;
    }
}

static bcl_status give(bcl_pool *c, job *j, int who) {
    bcl_status status = BCL_OK;
    member *m = &c->members[who];
    const bcl_batch *b = &j->slot->batch;
    const int32_t count = b->B;
    bcl_string *s = &c->scratch;
    s->size = 0;
    BCL_TRY(bcl_string_add(s, &count, sizeof count));
    for (int i = 0; i < b->B; i++) {
        const int32_t length = b->starts[i + 1] - b->starts[i];
        BCL_TRY(bcl_string_add(s, &length, sizeof length));
    }
    BCL_TRY(bcl_string_add(s, b->ids, (size_t)b->T * sizeof *b->ids));
    BCL_TRY(bcl_string_add(s, b->labels, (size_t)b->T * sizeof *b->labels));
    const pool_head head = {
        .kind = POOL_BATCH, .slot = (uint32_t)j->slot->index, .serial = j->serial};
    BCL_TRY(put(m, head, s->data, s->size));
    send_some(m);
    const double now = bcl_seconds();
    if (!m->on_way++)
        m->heard = now;
    if (j->state == JOB_GIVEN) {
        j->second = who;
    } else {
        j->owner = who;
        j->given = now;
        j->state = JOB_GIVEN;
    }
out:
    return status;
}

/* ---- who gets what ---- */

/* Seconds a token; 0: not known. */
static double pace(const member *m) {
    return m->tokens > 0 ? m->seconds / m->tokens : 0;
}

/* Who has least to do, among them the fastest; -1: nobody can take more. */
static int choose(const bcl_pool *c, const job *j) {
    int best = -1;
    const bool others = in_count(c) > 1;
    for (size_t i = 0; i < c->count; i++) {
        const member *m = &c->members[i];
        if (!is_in(m) || !m->ready || m->on_way >= ON_WAY || (others && j->suspect == (int)i))
            continue;
        const member *b = best < 0 ? NULL : &c->members[best];
        if (!b || m->on_way < b->on_way || (m->on_way == b->on_way && pace(m) < pace(b)))
            best = (int)i;
    }
    return best;
}

static job *oldest(bcl_pool *c, job_state state) {
    job *found = NULL;
    for (size_t i = 0; i < MOST_SLOTS; i++) {
        job *j = &c->jobs[i];
        if (j->state == state && (!found || j->serial < found->serial))
            found = j;
    }
    return found;
}

/* Who has nothing to do computes what another has had for longer than it would take here: nobody
 * waits for a device that is slow or hangs. */
static bcl_status help(bcl_pool *c) {
    bcl_status status = BCL_OK;
    job *j = oldest(c, JOB_GIVEN);
    if (!j || j->second >= 0 || oldest(c, JOB_WAITING))
        return BCL_OK;
    for (int i = 0; i < (int)c->count; i++) {
        const member *m = &c->members[i];
        const double expected = pace(m) * j->slot->batch.T;
        if (is_in(m) && m->ready && !m->on_way && i != j->owner && expected > 0 &&
            bcl_seconds() - j->given > 2 * expected + 1e-3 * TICK_MS) {
            BCL_TRY(give(c, j, i));
            return BCL_OK;
        }
    }
out:
    return status;
}

static bcl_status hand_out(bcl_pool *c) {
    bcl_status status = BCL_OK;
    for (job *j; (j = oldest(c, JOB_WAITING)) != NULL;) {
        const int who = choose(c, j);
        if (who < 0)
            break;
        BCL_TRY(give(c, j, who));
    }
    BCL_TRY(help(c));
out:
    return status;
}

/* ---- answers ---- */

static void count_answer(member *m, int tokens) {
    const double now = bcl_seconds(), took = now - m->heard;
    m->heard = now;
    m->tokens += tokens;
    m->seconds += took;
    m->slowest = fmax(m->slowest, took);
}

/* Values that are not finite are the model's if another device has them too. */
static bool is_doubtful(bcl_pool *c, job *j, int who, const char *place) {
    if (place[0] && j->suspect < 0 && in_count(c) > 1) {
        j->suspect = who;
        j->state = JOB_WAITING;
        j->owner = j->second = -1;
        return true;
    }
    if (!place[0] && j->suspect >= 0 && j->suspect != who)
        lose(c, j->suspect, "its values are not finite where those of %s are",
             c->members[who].device);
    return false;
}

static bcl_status take_answer(bcl_pool *c, int who, const pool_head *head, const char *data) {
    member *m = &c->members[who];
    job *j = head->slot < MOST_SLOTS ? &c->jobs[head->slot] : NULL;
    m->on_way--;
    if (!j || j->serial != head->serial || j->state != JOB_GIVEN) { /* another was faster */
        m->heard = bcl_seconds();
        return BCL_OK;
    }
    bcl_slot *s = j->slot;
    const size_t T = (size_t)s->batch.T, K = (size_t)c->shape.labels;
    const size_t list = s->row_loss ? T * sizeof(float) : 0;
    const size_t logits = s->logits ? T * K * sizeof(float) : 0;
    if (head->bytes != sizeof s->place + 2 * list + logits)
        return bcl_fail(BCL_ERROR_DEVICE, "%s: an answer of %llu bytes", m->device,
                        (unsigned long long)head->bytes);
    count_answer(m, s->batch.T);
    if (is_doubtful(c, j, who, data))
        return BCL_OK;
    memcpy(s->place, data, sizeof s->place);
    data += sizeof s->place;
    if (list) {
        memcpy(s->row_loss, data, list);
        memcpy(s->predicted, data + list, list);
    }
    if (logits)
        memcpy(s->logits, data + 2 * list, logits);
    j->state = JOB_DONE;
    return BCL_OK;
}

static bcl_status take(bcl_pool *c, int who, const pool_head *head, const char *data) {
    member *m = &c->members[who];
    switch (head->kind) {
    case POOL_READY:
        memcpy(&m->about, data, sizeof m->about);
        m->ready = true;
        return BCL_OK;
    case POOL_FAULT: {
        pool_fault fault;
        memcpy(&fault, data, sizeof fault);
        m->fault.status = fault.status;
        lose(c, who, "%s", fault.text);
        return BCL_OK;
    }
    default:
        return take_answer(c, who, head, data);
    }
}

static bcl_status hear(bcl_pool *c, int who) {
    bcl_status status = BCL_OK;
    enum { PIECE = 1 << 18 };
    member *m = &c->members[who];
    pool_head head;
    size_t at = 0;
    BCL_TRY(bcl_grow(&m->in.data, &m->in.capacity, m->in.size + PIECE, 1));
    const ssize_t n = recv(m->fd, m->in.data + m->in.size, PIECE, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return BCL_OK;
    if (n <= 0) {
        lose_ended(c, who);
        return BCL_OK;
    }
    m->in.size += (size_t)n;
    while (is_in(m) && m->in.size - at >= sizeof head) {
        memcpy(&head, m->in.data + at, sizeof head);
        if (m->in.size - at < sizeof head + head.bytes)
            break;
        BCL_TRY(take(c, who, &head, m->in.data + at + sizeof head));
        at += sizeof head + (size_t)head.bytes;
    }
    memmove(m->in.data, m->in.data + at, m->in.size - at);
    m->in.size -= at;
out:
    return status;
}

/* Ten times as long as it ever took and a minute at least, ten until it has compiled its kernels;
 * or BERTCL_WATCHDOG seconds at least. */
static void watch(bcl_pool *c) {
    const char *text = getenv("BERTCL_WATCHDOG");
    const double now = bcl_seconds();
    for (size_t i = 0; i < c->count; i++) {
        const member *m = &c->members[i];
        const double least = text ? atof(text) : m->tokens > 0 ? 60 : 600;
        if (is_in(m) && m->on_way && now - m->heard > fmax(least, 10 * m->slowest))
            lose(c, (int)i, "it has not answered for %.0f s", now - m->heard);
    }
}

static bcl_status attend(bcl_pool *c, int timeout_ms) {
    bcl_status status = BCL_OK;
    struct pollfd fds[BCL_POOL_MOST];
    BCL_TRY(hand_out(c));
    for (size_t i = 0; i < c->count; i++) {
        const member *m = &c->members[i];
        fds[i] = (struct pollfd){
            .fd = m->fd, .events = (short)(POLLIN | (m->out_at < m->out.size ? POLLOUT : 0))};
    }
    if (poll(fds, c->count, timeout_ms) < 0 && errno != EINTR)
        return bcl_fail_errno("cannot wait for the devices");
    for (size_t i = 0; i < c->count; i++) {
        if (is_in(&c->members[i]) && (fds[i].revents & POLLOUT))
            send_some(&c->members[i]);
        if (is_in(&c->members[i]) && (fds[i].revents & (POLLIN | POLLHUP | POLLERR)))
            BCL_TRY(hear(c, (int)i));
    }
    watch(c);
    BCL_TRY(hand_out(c));
out:
    return status;
}

/* ---- what the pipeline asks for ---- */

static void forget(void *context) {
    bcl_pool *c = context;
    for (size_t i = 0; i < MOST_SLOTS; i++)
        c->jobs[i].state = JOB_FREE;
}

static bcl_status prepare(void *context, const bcl_pipeline_options *o) {
    bcl_status status = BCL_OK;
    bcl_pool *c = context;
    forget(c);
    c->shape = (pool_shape){o->outputs, o->tokens, o->sentences, o->labels};
    for (size_t i = 0; i < c->count; i++) {
        member *m = &c->members[i];
        if (!is_in(m))
            continue;
        BCL_TRY(put(m, (pool_head){.kind = POOL_PREPARE}, &c->shape, sizeof c->shape));
        send_some(m);
    }
out:
    return status;
}

static bcl_status begin(void *context, bcl_slot *slot) {
    bcl_pool *c = context;
    c->jobs[slot->index] = (job){.state = JOB_WAITING,
                                 .slot = slot,
                                 .serial = ++c->serial,
                                 .owner = -1,
                                 .second = -1,
                                 .suspect = -1};
    return attend(c, 0);
}

static bcl_status finish(void *context, bcl_slot *slot) {
    bcl_status status = BCL_OK;
    bcl_pool *c = context;
    job *j = &c->jobs[slot->index];
    while (j->state != JOB_DONE) {
        BCL_TRY(check_left(c));
        if (bcl_interrupted())
            BCL_FAIL(BCL_ERROR_INTERRUPTED, "interrupted while devices compute");
        BCL_TRY(attend(c, TICK_MS));
    }
    j->state = JOB_FREE;
out:
    return status;
}

/* ---- beginning and end ---- */

static void become_worker(const bcl_pool *c, size_t i, int fd, const bcl_rank_place *place) {
    char cores[16];
    const int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGINT, SIG_IGN); /* the terminal's Ctrl-C: who hands out ends this process */
    signal(SIGHUP, SIG_IGN);
    signal(SIGTERM, SIG_DFL);
    dup2(null, STDIN_FILENO);
    dup2(STDERR_FILENO, STDOUT_FILENO);
    for (size_t k = 0; k < i; k++)
        if (is_in(&c->members[k]))
            close(c->members[k].fd);
    if (place->core_count) {
        snprintf(cores, sizeof cores, "%d", place->core_count);
        setenv("POCL_MAX_PTHREAD_COUNT", cores, 1);
        setenv("LP_NUM_THREADS", cores, 1);
    }
    setenv("BERTCL_CORES", place->cores, 1);
    (void)bcl_control_bind(); /* without it: slower */
    if (i)
        bcl_session_listen(c->session, NULL, NULL);
    bcl_pool_work(fd, c->session, place->device);
}

static bcl_status start(bcl_pool *c, size_t i, const bcl_rank_place *place) {
    bcl_status status = BCL_OK;
    member *m = &c->members[i];
    int fds[2];
    snprintf(m->device, sizeof m->device, "%s", place->device);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds))
        return bcl_fail_errno("cannot start a process for %s", place->device);
    fflush(NULL);
    m->pid = fork();
    if (!m->pid) {
        close(fds[0]);
        become_worker(c, i, fds[1], place);
    }
    close(fds[1]);
    m->fd = fds[0];
    if (m->pid < 0) {
        status = bcl_fail_errno("cannot start a process for %s", place->device);
        end_process(m);
    }
    return status;
}

/* Until all are ready; those that fail are left out, but not all. */
static bcl_status await(bcl_pool *c) {
    bcl_status status = BCL_OK;
    for (bool ready = false; !ready;) {
        ready = true;
        BCL_TRY(attend(c, TICK_MS));
        for (size_t i = 0; i < c->count; i++)
            ready = ready && (!is_in(&c->members[i]) || c->members[i].ready);
        if (bcl_interrupted())
            BCL_FAIL(BCL_ERROR_INTERRUPTED, "interrupted while devices start");
        if (!in_count(c) && c->members[0].fault.status) /* as one device would fail */
            BCL_FAIL((bcl_status)c->members[0].fault.status, "%s", c->members[0].fault.text);
        BCL_TRY(check_left(c));
    }
    c->open = true;
    for (size_t i = 0; i < c->count; i++)
        if (!is_in(&c->members[i]))
            tell_lost(c, &c->members[i]);
out:
    return status;
}

/* Adds text unless it is the list's only one. */
static bcl_status list(bcl_string *s, const char *text, const char *between) {
    if (s->size && !strcmp(s->data, text))
        return BCL_OK;
    return bcl_string_addf(s, "%s%s", s->size ? between : "", text);
}

static bcl_status describe(bcl_pool *c) {
    bcl_status status = BCL_OK;
    for (size_t i = 0; i < c->count; i++) {
        const member *m = &c->members[i];
        if (!is_in(m))
            continue;
        BCL_TRY(bcl_string_addf(&c->ids, "%s%s", c->ids.size ? "," : "", m->device));
        BCL_TRY(list(&c->names, m->about.name, ", "));
        BCL_TRY(list(&c->gemms, m->about.gemm, ", "));
        BCL_TRY(list(&c->precisions, m->about.precision, ", "));
    }
    c->remote = (bcl_remote){.slots = c->count * 4 < MOST_SLOTS ? c->count * 4 : MOST_SLOTS,
                             .device = c->ids.data,
                             .name = c->names.data,
                             .gemm = c->gemms.data,
                             .precision = c->precisions.data,
                             .context = c,
                             .prepare = prepare,
                             .begin = begin,
                             .finish = finish,
                             .forget = forget};
    c->session->remote = &c->remote;
out:
    return status;
}

static void on_tuning(void *context, const char *line) {
    const bcl_pool *c = context;
    if (c->listener)
        c->listener(c->listener_context,
                    &(bcl_session_event){.kind = BCL_SESSION_TUNING, .text = line});
}

bcl_status bcl_pool_open(bcl_pool **out, bcl_session *session, const bcl_rank_place *places,
                         size_t count) {
    bcl_status status = BCL_OK;
    bcl_pool *c = NULL;
    if (count > BCL_POOL_MOST)
        return bcl_fail(BCL_ERROR_ARGUMENT, "--devices: found %zu, expected at most %d", count,
                        BCL_POOL_MOST);
    BCL_NEW(c, 1);
    c->session = session;
    c->listener = session->listener;
    c->listener_context = session->context;
    c->count = count;
    BCL_NEW(c->members, count);
    for (size_t i = 0; i < count; i++)
        c->members[i].fd = -1;
    for (size_t i = 0; i < count && session->tune && !session->gemm; i++)
        bcl_tune_first_use(places[i].device, session->precision, on_tuning, c);
    for (size_t i = 0; i < count; i++)
        BCL_TRY(start(c, i, &places[i]));
    BCL_TRY(await(c));
    BCL_TRY(describe(c));
    *out = c;
    c = NULL;
out:
    bcl_pool_free(c);
    return status;
}

void bcl_pool_free(bcl_pool *c) {
    if (!c)
        return;
    for (size_t i = 0; c->members && i < c->count; i++) {
        member *m = &c->members[i];
        end_process(m);
        bcl_string_free(&m->in);
        bcl_string_free(&m->out);
    }
    if (c->session->remote == &c->remote)
        c->session->remote = NULL;
    bcl_string_free(&c->ids);
    bcl_string_free(&c->names);
    bcl_string_free(&c->gemms);
    bcl_string_free(&c->precisions);
    bcl_string_free(&c->scratch);
    free(c->members);
    free(c);
}
