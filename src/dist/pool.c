/* Hands out batches to a process for each device and takes their answers. What is computed is what
 * one device would have computed, so that only who computes it, and when, is decided here. A device
 * that dies, hangs or errs is left out, and what it had is handed out again. */
#define _GNU_SOURCE
#include "dist/pool_state.h"
#include "tune/tune.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- who gets what ---- */

static bcl_status give(bcl_pool *p, job *j, int who) {
    bcl_status status = BCL_OK;
    bcl_string *s = &p->scratch;
    BCL_TRY(bcl_pool_write_batch(s, &j->slot->batch));
    BCL_TRY(bcl_pool_send(p, who, (uint32_t)j->slot->index, j->serial, s->data, s->size));
    if (j->state == JOB_GIVEN) {
        j->second = who;
    } else {
        j->owner = who;
        j->given = bcl_seconds();
        j->state = JOB_GIVEN;
    }
out:
    return status;
}

static job *oldest(bcl_pool *p, job_state state) {
    job *found = NULL;
    for (size_t i = 0; i < POOL_SLOTS; i++) {
        job *j = &p->jobs[i];
        if (j->state == state && (!found || j->serial < found->serial))
            found = j;
    }
    return found;
}

/* Who has nothing to do computes what another has had for longer than it would take here: nobody
 * waits for a device that is slow or hangs. */
static bcl_status help(bcl_pool *p) {
    bcl_status status = BCL_OK;
    job *j = oldest(p, JOB_GIVEN);
    if (!j || j->second >= 0 || oldest(p, JOB_WAITING))
        return BCL_OK;
    for (int i = 0; i < (int)p->count; i++) {
        const member *m = &p->members[i];
        const double expected = bcl_pool_pace(m) * j->slot->batch.T;
        if (pool_is_in(m) && m->ready && !m->on_way && i != j->owner && expected > 0 &&
            bcl_seconds() - j->given > 2 * expected + 1e-3 * POOL_TICK_MS) {
            BCL_TRY(give(p, j, i));
            return BCL_OK;
        }
    }
out:
    return status;
}

static bcl_status hand_out(bcl_pool *p) {
    bcl_status status = BCL_OK;
    BCL_TRY(bcl_pool_check_hand_out(p));
    for (job *j; (j = oldest(p, JOB_WAITING)) != NULL;) {
        const int who = bcl_pool_choose(p, &j->suspect, bcl_pool_in_count(p) > 1);
        if (who < 0)
            break;
        BCL_TRY(give(p, j, who));
    }
    BCL_TRY(help(p));
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
static bool is_doubtful(bcl_pool *p, job *j, int who, const char *place) {
    if (place[0] && j->suspect < 0 && bcl_pool_in_count(p) > 1) {
        j->suspect = who;
        j->state = JOB_WAITING;
        j->owner = j->second = -1;
        return true;
    }
    if (!place[0] && j->suspect >= 0 && j->suspect != who)
        bcl_pool_lose(p, j->suspect, "its values are not finite where those of %s are",
                      p->members[who].device);
    return false;
}

static bcl_status take_answer(bcl_pool *p, int who, const pool_head *head, const char *data) {
    bcl_status status = BCL_OK;
    member *m = &p->members[who];
    job *j = head->slot < POOL_SLOTS ? &p->jobs[head->slot] : NULL;
    m->on_way--;
    if (!j) {
        m->heard = bcl_seconds();
        return bcl_pool_check_take(p, who, head, data);
    }
    if (j->serial != head->serial || j->state != JOB_GIVEN) { /* another was faster */
        m->heard = bcl_seconds();
        return BCL_OK;
    }
    bcl_slot *s = j->slot;
    const size_t T = (size_t)s->batch.T, K = (size_t)p->shape.labels;
    const size_t list = s->row_loss ? T * sizeof(float) : 0;
    const size_t logits = T * K * sizeof(float);
    if (head->bytes != sizeof s->place + 2 * list + logits)
        return bcl_pool_fail_size(p, who, head);
    count_answer(m, s->batch.T);
    if (is_doubtful(p, j, who, data))
        return BCL_OK;
    BCL_TRY(bcl_pool_check_answered(p, who, j, data, (size_t)head->bytes));
    memcpy(s->place, data, sizeof s->place);
    data += sizeof s->place;
    if (list) {
        memcpy(s->row_loss, data, list);
        memcpy(s->predicted, data + list, list);
    }
    if (s->logits)
        memcpy(s->logits, data + 2 * list, logits);
    j->state = JOB_DONE;
out:
    return status;
}

static bcl_status take(bcl_pool *p, int who, const pool_head *head, const char *data) {
    member *m = &p->members[who];
    switch (head->kind) {
    case POOL_READY:
        memcpy(&m->about, data, sizeof m->about);
        m->ready = true;
        return BCL_OK;
    case POOL_FAULT: {
        pool_fault fault;
        memcpy(&fault, data, sizeof fault);
        m->fault.status = fault.status;
        bcl_pool_lose(p, who, "%s", fault.text);
        return BCL_OK;
    }
    default:
        return take_answer(p, who, head, data);
    }
}

static bcl_status hear(bcl_pool *p, int who) {
    bcl_status status = BCL_OK;
    enum { PIECE = 1 << 18 };
    member *m = &p->members[who];
    pool_head head;
    size_t at = 0;
    BCL_TRY(bcl_grow(&m->in.data, &m->in.capacity, m->in.size + PIECE, 1));
    const ssize_t n = recv(m->fd, m->in.data + m->in.size, PIECE, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return BCL_OK;
    if (n <= 0) {
        bcl_pool_lose_ended(p, who);
        return BCL_OK;
    }
    m->in.size += (size_t)n;
    m->alive = bcl_seconds();
    while (pool_is_in(m) && m->in.size - at >= sizeof head) {
        memcpy(&head, m->in.data + at, sizeof head);
        if (m->in.size - at < sizeof head + head.bytes)
            break;
        BCL_TRY(take(p, who, &head, m->in.data + at + sizeof head));
        at += sizeof head + (size_t)head.bytes;
    }
    memmove(m->in.data, m->in.data + at, m->in.size - at);
    m->in.size -= at;
out:
    return status;
}

/* Ten times as long as it ever took and a minute at least, ten until it has compiled its kernels;
 * or BERTCL_WATCHDOG seconds at least. */
static void watch(bcl_pool *p) {
    const double now = bcl_seconds();
    for (size_t i = 0; i < p->count; i++) {
        const member *m = &p->members[i];
        if (!pool_is_in(m) || !m->on_way)
            continue;
        const double least = bcl_dist_watchdog(m->tokens > 0 ? 60 : 600);
        const double silent = now - fmax(m->heard, m->alive);
        if (silent > fmax(least, 10 * m->slowest))
            bcl_pool_lose(p, (int)i, "it has not answered for %.0f s", silent);
    }
}

static bcl_status attend(bcl_pool *p, int timeout_ms) {
    bcl_status status = BCL_OK;
    struct pollfd fds[BCL_POOL_MOST];
    BCL_TRY(hand_out(p));
    for (size_t i = 0; i < p->count; i++) {
        const member *m = &p->members[i];
        fds[i] = (struct pollfd){
            .fd = m->fd, .events = (short)(POLLIN | (m->out_at < m->out.size ? POLLOUT : 0))};
    }
    if (poll(fds, p->count, timeout_ms) < 0 && errno != EINTR)
        return bcl_fail_errno("cannot wait for the devices");
    for (size_t i = 0; i < p->count; i++) {
        if (pool_is_in(&p->members[i]) && (fds[i].revents & POLLOUT))
            bcl_pool_send_some(&p->members[i]);
        if (pool_is_in(&p->members[i]) && (fds[i].revents & (POLLIN | POLLHUP | POLLERR)))
            BCL_TRY(hear(p, (int)i));
    }
    watch(p);
    BCL_TRY(hand_out(p));
out:
    return status;
}

/* ---- what the pipeline asks for ---- */

static void forget(void *context) {
    bcl_pool *p = context;
    for (size_t i = 0; i < POOL_SLOTS; i++)
        p->jobs[i].state = JOB_FREE;
}

static bcl_status prepare(void *context, const bcl_pipeline_options *o) {
    bcl_status status = BCL_OK;
    bcl_pool *p = context;
    forget(p);
    bcl_pool_checks_clear(p);
    p->shape = (pool_shape){o->outputs, o->tokens, o->sentences, o->labels};
    for (size_t i = 0; i < p->count; i++) {
        member *m = &p->members[i];
        if (!pool_is_in(m))
            continue;
        BCL_TRY(bcl_pool_put(m, (pool_head){.kind = POOL_PREPARE}, &p->shape, sizeof p->shape));
        bcl_pool_send_some(m);
    }
out:
    return status;
}

static bcl_status begin(void *context, bcl_slot *slot) {
    bcl_pool *p = context;
    p->jobs[slot->index] = (job){.state = JOB_WAITING,
                                 .slot = slot,
                                 .serial = ++p->serial,
                                 .owner = -1,
                                 .second = -1,
                                 .suspect = -1};
    return attend(p, 0);
}

static bcl_status finish(void *context, bcl_slot *slot) {
    bcl_status status = BCL_OK;
    bcl_pool *p = context;
    job *j = &p->jobs[slot->index];
    while (j->state != JOB_DONE || !bcl_pool_check_lets(p, j)) {
        BCL_TRY(bcl_pool_check_left(p));
        if (bcl_interrupted())
            BCL_FAIL(BCL_ERROR_INTERRUPTED, "interrupted while devices compute");
        BCL_TRY(attend(p, POOL_TICK_MS));
    }
    bcl_pool_check_collected(p, j);
    j->state = JOB_FREE;
out:
    return status;
}

/* ---- the checks of what came last ---- */

bcl_status bcl_pool_settle(bcl_pool_findings *out, bcl_pool *p) {
    bcl_status status = BCL_OK;
    *out = (bcl_pool_findings){0};
    for (;;) {
        BCL_TRY(bcl_pool_check_last(p));
        if (!bcl_pool_check_any(p) || !bcl_pool_in_count(p))
            break;
        if (bcl_interrupted())
            BCL_FAIL(BCL_ERROR_INTERRUPTED, "interrupted while devices are checked");
        BCL_TRY(attend(p, POOL_TICK_MS));
    }
    BCL_TRY(bcl_pool_check_left(p));
out:
    out->doubtful = p->doubtful;
    out->first = p->doubt.first;
    out->last = p->doubt.last;
    out->why = p->why;
    out->batches = p->batches;
    out->checked = p->checked;
    return status;
}

const volatile sig_atomic_t *bcl_pool_doubtful(const bcl_pool *p) {
    return &p->doubtful;
}

/* ---- beginning and end ---- */

static void become_worker(const bcl_pool *p, size_t i, int fd, const bcl_rank_place *place) {
    char cores[16];
    const int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_NAME, place->device); /* as top and ps have it */
    signal(SIGINT, SIG_IGN);           /* the terminal's Ctrl-C: who hands out ends this process */
    signal(SIGHUP, SIG_IGN);
    signal(SIGTERM, SIG_DFL);
    dup2(null, STDIN_FILENO);
    dup2(STDERR_FILENO, STDOUT_FILENO);
    for (size_t k = 0; k < i; k++)
        if (pool_is_in(&p->members[k]))
            close(p->members[k].fd);
    if (place->core_count) {
        snprintf(cores, sizeof cores, "%d", place->core_count);
        setenv("POCL_MAX_PTHREAD_COUNT", cores, 1);
        setenv("LP_NUM_THREADS", cores, 1);
    }
    setenv("BERTCL_CORES", place->cores, 1);
    (void)bcl_control_bind(); /* without it: slower */
    if (i)
        bcl_session_listen(p->session, NULL, NULL);
    bcl_pool_work(fd, p->session, place->device);
}

static bcl_status start(bcl_pool *p, size_t i, const bcl_rank_place *place) {
    bcl_status status = BCL_OK;
    member *m = &p->members[i];
    int fds[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds))
        return bcl_fail_errno("cannot start a process for %s", place->device);
    fflush(NULL);
    m->pid = fork();
    if (!m->pid) {
        close(fds[0]);
        become_worker(p, i, fds[1], place);
    }
    close(fds[1]);
    m->fd = fds[0];
    if (m->pid < 0) {
        status = bcl_fail_errno("cannot start a process for %s", place->device);
        bcl_pool_end_process(m);
    }
    return status;
}

/* Until all are ready; those that fail are left out, but not all. */
static bcl_status await(bcl_pool *p) {
    bcl_status status = BCL_OK;
    for (bool ready = false; !ready;) {
        ready = true;
        BCL_TRY(attend(p, POOL_TICK_MS));
        for (size_t i = 0; i < p->count; i++)
            ready = ready && (!pool_is_in(&p->members[i]) || p->members[i].ready);
        if (bcl_interrupted())
            BCL_FAIL(BCL_ERROR_INTERRUPTED, "interrupted while devices start");
        if (!bcl_pool_in_count(p) && p->members[0].fault.status) /* as one device would fail */
            BCL_FAIL((bcl_status)p->members[0].fault.status, "%s", p->members[0].fault.text);
        BCL_TRY(bcl_pool_check_left(p));
    }
    p->open = true;
    for (size_t i = 0; i < p->count; i++)
        if (!pool_is_in(&p->members[i]))
            bcl_pool_tell_lost(p, &p->members[i]);
out:
    return status;
}

/* Adds text unless it is the list's only one. */
static bcl_status list(bcl_string *s, const char *text, const char *between) {
    if (s->size && !strcmp(s->data, text))
        return BCL_OK;
    return bcl_string_addf(s, "%s%s", s->size ? between : "", text);
}

static bcl_status describe(bcl_pool *p) {
    bcl_status status = BCL_OK;
    for (size_t i = 0; i < p->count; i++) {
        const member *m = &p->members[i];
        if (!pool_is_in(m))
            continue;
        BCL_TRY(bcl_string_addf(&p->ids, "%s%s", p->ids.size ? "," : "", m->device));
        BCL_TRY(list(&p->names, m->about.name, ", "));
        BCL_TRY(list(&p->gemms, m->about.gemm, ", "));
        BCL_TRY(list(&p->precisions, m->about.precision, ", "));
    }
    p->remote = (bcl_remote){.slots = p->count * 4 < POOL_SLOTS ? p->count * 4 : POOL_SLOTS,
                             .device = p->ids.data,
                             .name = p->names.data,
                             .gemm = p->gemms.data,
                             .precision = p->precisions.data,
                             .context = p,
                             .prepare = prepare,
                             .begin = begin,
                             .finish = finish,
                             .forget = forget};
    p->session->remote = &p->remote;
out:
    return status;
}

static void on_tuning(void *context, const char *line) {
    const bcl_pool *p = context;
    if (p->listener)
        p->listener(p->listener_context,
                    &(bcl_session_event){.kind = BCL_SESSION_TUNING, .text = line});
}

bcl_status bcl_pool_open(bcl_pool **out, bcl_session *session, const bcl_rank_place *places,
                         size_t count) {
    bcl_status status = BCL_OK;
    bcl_pool *p = NULL;
    if (count > BCL_POOL_MOST)
        return bcl_fail(BCL_ERROR_ARGUMENT, "--devices: found %zu, expected at most %d", count,
                        BCL_POOL_MOST);
    BCL_NEW(p, 1);
    p->session = session;
    p->listener = session->listener;
    p->listener_context = session->context;
    p->count = count;
    BCL_NEW(p->members, count);
    for (size_t i = 0; i < count; i++) {
        member *m = &p->members[i];
        m->fd = -1;
        snprintf(m->device, sizeof m->device, "%s", places[i].device);
        if (places[i].problem)
            snprintf(m->fault.text, sizeof m->fault.text, "%s", places[i].problem);
        else if (session->tune && !session->gemm)
            bcl_tune_first_use(places[i].device, session->precision, on_tuning, p);
    }
    for (size_t i = 0; i < count; i++)
        if (!places[i].problem)
            BCL_TRY(start(p, i, &places[i]));
    BCL_TRY(await(p));
    BCL_TRY(describe(p));
    *out = p;
    p = NULL;
out:
    bcl_pool_free(p);
    return status;
}

void bcl_pool_free(bcl_pool *p) {
    if (!p)
        return;
    for (size_t i = 0; p->members && i < p->count; i++) {
        member *m = &p->members[i];
        bcl_pool_end_process(m);
        bcl_pool_checks_free(m);
        bcl_string_free(&m->in);
        bcl_string_free(&m->out);
    }
    if (p->session->remote == &p->remote)
        p->session->remote = NULL;
    bcl_string_free(&p->ids);
    bcl_string_free(&p->names);
    bcl_string_free(&p->gemms);
    bcl_string_free(&p->precisions);
    bcl_string_free(&p->scratch);
    free(p->members);
    free(p);
}
