/* The processes of a pool: sending to them, choosing one, leaving one out. Knows nothing of
 * answers.
 */
#define _GNU_SOURCE
#include "dist/pool_state.h"

#include <errno.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

size_t bcl_pool_in_count(const bcl_pool *p) {
    size_t n = 0;
    for (size_t i = 0; i < p->count; i++)
        n += pool_is_in(&p->members[i]);
    return n;
}

/* ---- leaving out ---- */

void bcl_pool_end_process(member *m) {
    if (pool_is_in(m))
        close(m->fd);
    m->fd = -1;
    if (m->pid <= 0)
        return;
    kill(m->pid, SIGKILL);
    while (waitpid(m->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    m->pid = 0;
}

void bcl_pool_tell_lost(const bcl_pool *p, const member *m) {
    char text[1200];
    snprintf(text, sizeof text, "%s left out: %s; the others go on", m->device, m->fault.text);
    if (bcl_pool_in_count(p) && p->listener)
        p->listener(p->listener_context,
                    &(bcl_session_event){.kind = BCL_SESSION_NOTE, .text = text});
}

void bcl_pool_lose(bcl_pool *p, int who, const char *format, ...) {
    member *m = &p->members[who];
    va_list args;
    if (!pool_is_in(m))
        return;
    va_start(args, format);
    vsnprintf(m->fault.text, sizeof m->fault.text, format, args);
    va_end(args);
    bcl_pool_end_process(m);
    for (size_t i = 0; i < POOL_SLOTS; i++) {
        job *j = &p->jobs[i];
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
    for (size_t i = 0; i < p->count; i++) {
        check *c = &p->members[i].check;
        if (c->state == CHECK_GIVEN && c->asked == who) {
            c->asked = -1;
            c->state = CHECK_WAITING;
        }
    }
    if (p->open) /* before it is not known whether all fail, and alike */
        bcl_pool_tell_lost(p, m);
}

void bcl_pool_lose_ended(bcl_pool *p, int who) {
    member *m = &p->members[who];
    int state = 0;
    const pid_t pid = m->pid;
    kill(pid, SIGTERM); /* its end of the socket is closed: it has ended, or is about to */
    while (waitpid(pid, &state, 0) < 0 && errno == EINTR)
        ;
    m->pid = 0;
    if (WIFSIGNALED(state))
        bcl_pool_lose(p, who, "its process has died (%s)", strsignal(WTERMSIG(state)));
    else
        bcl_pool_lose(p, who, "its process has ended with code %d", WEXITSTATUS(state));
}

bcl_status bcl_pool_check_left(const bcl_pool *p) {
    if (bcl_pool_in_count(p))
        return BCL_OK;
    const member *m = &p->members[p->count - 1];
    return bcl_fail(BCL_ERROR_DEVICE, "%s: %s; no device is left", m->device, m->fault.text);
}

/* ---- messages ---- */

bcl_status bcl_pool_put(member *m, pool_head head, const void *data, size_t bytes) {
    bcl_status status = BCL_OK;
    head.bytes = bytes;
    if (m->out_at == m->out.size)
        m->out_at = m->out.size = 0;
    BCL_TRY(bcl_string_add(&m->out, &head, sizeof head));
    BCL_TRY(bcl_string_add(&m->out, data, bytes));
out:
    return status;
}

void bcl_pool_send_some(member *m) {
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

bcl_status bcl_pool_write_batch(bcl_string *s, const bcl_batch *b) {
    bcl_status status = BCL_OK;
    const int32_t count = b->B;
    s->size = 0;
    BCL_TRY(bcl_string_add(s, &count, sizeof count));
    for (int i = 0; i < b->B; i++) {
        const int32_t length = b->starts[i + 1] - b->starts[i];
        BCL_TRY(bcl_string_add(s, &length, sizeof length));
    }
    BCL_TRY(bcl_string_add(s, b->ids, (size_t)b->T * sizeof *b->ids));
    BCL_TRY(bcl_string_add(s, b->labels, (size_t)b->T * sizeof *b->labels));
out:
    return status;
}

bcl_status bcl_pool_send(bcl_pool *p, int who, uint32_t slot, uint64_t serial, const void *data,
                         size_t bytes) {
    bcl_status status = BCL_OK;
    member *m = &p->members[who];
    BCL_TRY(bcl_pool_put(m, (pool_head){.kind = POOL_BATCH, .slot = slot, .serial = serial}, data,
                         bytes));
    bcl_pool_send_some(m);
    if (!m->on_way++)
        m->heard = bcl_seconds();
out:
    return status;
}

/* ---- choosing ---- */

double bcl_pool_pace(const member *m) {
    return m->tokens > 0 ? m->seconds / m->tokens : 0;
}

int bcl_pool_choose(const bcl_pool *p, const int *without, int without_count) {
    int best = -1;
    for (size_t i = 0; i < p->count; i++) {
        const member *m = &p->members[i];
        bool may = pool_is_in(m) && m->ready && m->on_way < POOL_ON_WAY;
        for (int k = 0; k < without_count; k++)
            may = may && without[k] != (int)i;
        if (!may)
            continue;
        const member *b = best < 0 ? NULL : &p->members[best];
        if (!b || m->on_way < b->on_way ||
            (m->on_way == b->on_way && bcl_pool_pace(m) < bcl_pool_pace(b)))
            best = (int)i;
    }
    return best;
}

bcl_status bcl_pool_fail_size(const bcl_pool *p, int who, const pool_head *head) {
    return bcl_fail(BCL_ERROR_DEVICE, "%s: an answer of %llu bytes", p->members[who].device,
                    (unsigned long long)head->bytes);
}
