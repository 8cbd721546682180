/* Starts a rank for each device through mpirun, listens to them, and starts what is left again
 * where a device dies, hangs or computes nonsense. Loads no driver itself, so that none can take it
 * down. */
#define _GNU_SOURCE
#include "dist/dist.h"
#include "dist/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TICK_MS = 100, OUTPUT_MAX = 1 << 16, GRACE_S = 20 };

/* What is known of a rank. */
typedef struct peer {
    int fd; /* -1: none yet, or no more */
    pid_t pid;
    bool seen, bye, fault;
    int code;         /* after bye */
    double heard;     /* when it told anything last */
    int64_t arrived;  /* steps whose sum it has reached */
    char reason[512]; /* why it is lost; "": it is not */
} peer;

typedef struct attempt {
    bcl_ranks *l;
    peer *peers;
    int listener;
    int output[2]; /* mpirun's own messages */
    pid_t mpirun;
    int state; /* mpirun's, once it has ended */
    bool ended, stopping;
    bool in_peace; /* who is lost leaves with the others, who still save */
    char text[OUTPUT_MAX];
    size_t text_size;
    int64_t summed;             /* steps */
    double moved;               /* when a rank told something last */
    double step_began, slowest; /* of the steps so far, s */
    int lost;                   /* the first rank that failed, -1: none */
} attempt;

/* ---- mpirun's command line ---- */

typedef struct words {
    char **items;
    size_t count, capacity;
} words;

__attribute__((format(printf, 2, 3))) static bcl_status add(words *w, const char *format, ...) {
    bcl_status status = BCL_OK;
    char *text = NULL;
    va_list args;
    va_start(args, format);
    const int size = vsnprintf(NULL, 0, format, args);
    va_end(args);
    BCL_TRY(bcl_grow(&w->items, &w->capacity, w->count + 2, sizeof *w->items));
    BCL_NEW(text, (size_t)size + 1);
    va_start(args, format);
    vsnprintf(text, (size_t)size + 1, format, args);
    va_end(args);
    w->items[w->count++] = text;
    w->items[w->count] = NULL;
out:
    return status;
}

static bcl_status add_rank(words *w, const attempt *a, size_t i, const char *address,
                           const char *list, bool again) {
    bcl_status status = BCL_OK;
    const bcl_rank_place *rank = &a->l->ranks[i];
    if (i)
        BCL_TRY(add(w, ":"));
    BCL_TRY(add(w, "-n"));
    BCL_TRY(add(w, "1"));
    BCL_TRY(add(w, "env"));
    BCL_TRY(add(w, "BERTCL_CONTROL=%s", address));
    BCL_TRY(add(w, "BERTCL_CORES=%s", rank->cores));
    if (rank->core_count) {
        BCL_TRY(add(w, "POCL_MAX_PTHREAD_COUNT=%d", rank->core_count));
        BCL_TRY(add(w, "LP_NUM_THREADS=%d", rank->core_count));
    }
    BCL_TRY(add(w, "%s", a->l->program));
    for (char *const *word = a->l->argv; *word; word++)
        BCL_TRY(add(w, "%s", *word));
    BCL_TRY(add(w, "--devices=%s", list));
    if (a->l->shares)
        BCL_TRY(add(w, "--shares=%s", a->l->shares));
    if (again)
        BCL_TRY(add(w, "--resume"));
out:
    return status;
}

static bcl_status command_line(words *w, const attempt *a, const char *address, bool again) {
    bcl_status status = BCL_OK;
    bcl_string list = {0};
    static const char *const start[] = {"mpirun",
                                        "--bind-to",
                                        "none",
                                        "--oversubscribe",
                                        "--mca",
                                        "mpi_yield_when_idle",
                                        "1",
                                        "--mca",
                                        "btl_vader_single_copy_mechanism",
                                        "none"};
    for (size_t i = 0; i < a->l->rank_count; i++)
        BCL_TRY(bcl_string_addf(&list, "%s%s", i ? "," : "", a->l->ranks[i].device));
    for (size_t i = 0; i < sizeof start / sizeof *start; i++)
        BCL_TRY(add(w, "%s", start[i]));
    if (!geteuid())
        BCL_TRY(add(w, "--allow-run-as-root"));
    for (size_t i = 0; i < a->l->rank_count; i++)
        BCL_TRY(add_rank(w, a, i, address, list.data, again));
out:
    bcl_string_free(&list);
    return status;
}

/* ---- starting ---- */

static bcl_status listen_at(attempt *a, char *name, size_t size) {
    struct sockaddr_un address;
    static unsigned count;
    snprintf(name, size, "bertcl-%d-%u-%.0f", (int)getpid(), ++count, bcl_seconds() * 1e6);
    const socklen_t bytes = bcl_socket_address(&address, name);
    a->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (a->listener < 0 || bind(a->listener, (struct sockaddr *)&address, bytes) ||
        listen(a->listener, (int)a->l->rank_count))
        return bcl_fail_errno("cannot listen to ranks");
    return BCL_OK;
}

/* In the child: a group of its own, so that Ctrl-C comes to the launcher alone, and no life beyond
 * the launcher's. */
static void become_mpirun(const attempt *a, char **argv) {
    const int null = open("/dev/null", O_RDONLY);
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    dup2(null, STDIN_FILENO);
    dup2(a->output[1], STDOUT_FILENO);
    dup2(a->output[1], STDERR_FILENO);
    execvp(*argv, argv);
    fprintf(stderr, "%s\n", errno == ENOENT ? "not found" : strerror(errno));
    _exit(127);
}

/* What was left out, for the ranks' results. */
static bcl_status note(const char *device, const char *reason) {
    bcl_status status = BCL_OK;
    char *text = NULL;
    const char *before = getenv("BERTCL_LEFT_OUT");
    BCL_TRY(bcl_format(&text, "%s%s\t%s\n", before ? before : "", device, reason));
    if (setenv("BERTCL_LEFT_OUT", text, 1))
        status = bcl_fail_errno("cannot note what was left out");
out:
    free(text);
    return status;
}

static bcl_status start(attempt *a, bool again) {
    bcl_status status = BCL_OK;
    words w = {0};
    char name[64];
    BCL_TRY(listen_at(a, name, sizeof name));
    BCL_TRY(command_line(&w, a, name, again));
    if (pipe2(a->output, O_CLOEXEC | O_NONBLOCK))
        status = bcl_fail_errno("cannot start mpirun");
    BCL_TRY(status);
    fflush(stdout);
    a->mpirun = fork();
    if (!a->mpirun)
        become_mpirun(a, w.items);
    if (a->mpirun < 0)
        status = bcl_fail_errno("cannot start mpirun");
    close(a->output[1]);
    a->moved = bcl_seconds();
out:
    bcl_strings_free(w.items, w.count);
    return status;
}

/* ---- listening ---- */

static void lose(attempt *a, int rank, const char *reason) {
    peer *p = &a->peers[rank];
    if (!p->reason[0])
        snprintf(p->reason, sizeof p->reason, "%s", reason);
    if (a->lost < 0)
        a->lost = rank;
}

static void send_streams(int fd) {
    char byte = 0;
    const int fds[2] = {STDOUT_FILENO, STDERR_FILENO};
    struct iovec part = {&byte, 1};
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof fds)];
    } space = {.bytes = {0}};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = space.bytes,
                             .msg_controllen = sizeof space.bytes};
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof fds);
    memcpy(CMSG_DATA(head), fds, sizeof fds);
    (void)sendmsg(fd, &message, MSG_NOSIGNAL);
}

/* A rank connects: its first packet says which one. */
static void welcome(attempt *a) {
    bcl_control_message hello;
    struct ucred who;
    socklen_t size = sizeof who;
    const int fd = accept4(a->listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0)
        return;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size) || who.uid != geteuid() ||
        recv(fd, &hello, sizeof hello, 0) != sizeof hello || hello.kind != BCL_CONTROL_HELLO ||
        hello.rank < 0 || (size_t)hello.rank >= a->l->rank_count) {
        close(fd);
        return;
    }
    peer *p = &a->peers[hello.rank];
    p->fd = fd;
    p->pid = who.pid;
    p->seen = true;
    p->heard = a->moved = bcl_seconds();
    send_streams(fd);
}

static void take_message(attempt *a, int rank, const bcl_control_message *m) {
    peer *p = &a->peers[rank];
    const double now = bcl_seconds();
    p->heard = now;
    switch (m->kind) {
    case BCL_CONTROL_WAITING: /* no progress of the run */
        return;
    case BCL_CONTROL_ARRIVED:
        p->arrived = m->step + 1;
        break;
    case BCL_CONTROL_SUMMED:
        if (m->step + 1 > a->summed) {
            if (a->summed && now - a->step_began > a->slowest)
                a->slowest = now - a->step_began;
            a->summed = m->step + 1;
            a->step_began = now;
        }
        break;
    case BCL_CONTROL_FAULT:
        p->fault = true;
        a->in_peace = m->step == BCL_FAULT_IN_PEACE;
        lose(a, rank, m->text);
        break;
    case BCL_CONTROL_BYE:
        p->bye = true;
        p->code = (int)m->step;
        break;
    case BCL_CONTROL_HELLO:
    case BCL_CONTROL_BUSY:
        break;
    }
    a->moved = now;
}

static void hear(attempt *a, int rank) {
    peer *p = &a->peers[rank];
    bcl_control_message m;
    const ssize_t got = recv(p->fd, &m, sizeof m, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got == sizeof m) {
        take_message(a, rank, &m);
        return;
    }
    close(p->fd);
    p->fd = -1;
    if (!p->bye && !p->fault)
        lose(a, rank, "its process has died");
}

static void hear_mpirun(attempt *a) {
    char piece[4096];
    const ssize_t got = read(a->output[0], piece, sizeof piece);
    if (got <= 0)
        return;
    const size_t room = sizeof a->text - 1 - a->text_size,
                 n = (size_t)got < room ? (size_t)got : room;
    memcpy(a->text + a->text_size, piece, n);
    a->text_size += n;
}

/* ---- ending ---- */

static void signal_ranks(const attempt *a, int number) {
    for (size_t i = 0; i < a->l->rank_count; i++)
        if (a->peers[i].fd >= 0)
            kill(a->peers[i].pid, number);
}

/* A rank that has not come to a sum long after the others is taken for hung: ten times the slowest
 * step, but at least BERTCL_WATCHDOG seconds. */
static double limit(const attempt *a) {
    const char *text = getenv("BERTCL_WATCHDOG");
    const double least = text ? atof(text) : 60;
    const double most = a->slowest * 10;
    /* the first steps compile kernels */
    return a->summed < 2 ? fmax(least * 10, 600) : most > least ? most : least;
}

static void watch(attempt *a) {
    char reason[160];
    const peer *p = a->peers;
    size_t last = 0;
    const double waited = bcl_seconds() - a->moved;
    if (a->lost >= 0 || waited < limit(a))
        return;
    /* who has not come as far as the others, else who has been silent for longest */
    for (size_t i = 1; i < a->l->rank_count; i++)
        if (p[i].arrived < p[last].arrived ||
            (p[i].arrived == p[last].arrived && p[i].heard < p[last].heard))
            last = i;
    snprintf(reason, sizeof reason,
             "nothing came of it for %.0f s; the slowest step so far took %.2f s", waited,
             a->slowest);
    lose(a, (int)last, reason);
}

/* Where a rank is lost the others wait for it for ever. */
static void end_all(attempt *a) {
    signal_ranks(a, SIGKILL);
    if (!a->ended)
        kill(a->mpirun, SIGTERM);
}

static void poll_once(attempt *a) {
    struct pollfd fds[2 + 1024];
    int ranks[1024];
    size_t n = 0;
    fds[n++] = (struct pollfd){a->listener, POLLIN, 0};
    fds[n++] = (struct pollfd){a->output[0], POLLIN, 0};
    for (size_t i = 0; i < a->l->rank_count && n < 1024; i++)
        if (a->peers[i].fd >= 0) {
            ranks[n - 2] = (int)i;
            fds[n++] = (struct pollfd){a->peers[i].fd, POLLIN, 0};
        }
    if (poll(fds, n, TICK_MS) <= 0)
        return;
    if (fds[0].revents)
        welcome(a);
    if (fds[1].revents & POLLIN)
        hear_mpirun(a);
    for (size_t i = 2; i < n; i++)
        if (fds[i].revents)
            hear(a, ranks[i - 2]);
}

/* mpirun, and ranks that have outlived it. */
static void reap(attempt *a) {
    int state;
    for (pid_t pid; (pid = waitpid(-1, &state, WNOHANG)) > 0;)
        if (pid == a->mpirun) {
            a->ended = true;
            a->state = state;
        }
}

static bool heard_all(const attempt *a) {
    for (size_t i = 0; i < a->l->rank_count; i++)
        if (a->peers[i].fd >= 0)
            return false;
    return a->ended;
}

static void attend(attempt *a) {
    double end = 0;
    while (!heard_all(a)) {
        poll_once(a);
        reap(a);
        if (bcl_interrupted() && !a->stopping) {
            a->stopping = true;
            signal_ranks(a, bcl_interrupt_signal());
        }
        watch(a);
        if (a->lost >= 0 && !end) {
            end = bcl_seconds() + (a->in_peace ? 10 * GRACE_S : 1); /* mpirun ends the others */
            if (!a->in_peace && a->peers[a->lost].fd >= 0)
                kill(a->peers[a->lost].pid, SIGKILL);
        }
        if (end && bcl_seconds() > end) {
            end_all(a);
            if (bcl_seconds() > end + GRACE_S && !a->ended)
                kill(a->mpirun, SIGKILL);
        }
    }
    while (waitpid(-1, NULL, 0) > 0 || errno == EINTR) /* the folder is free after this */
        ;
    while (a->text_size < sizeof a->text - 1) {
        const size_t before = a->text_size;
        hear_mpirun(a);
        if (a->text_size == before)
            break;
    }
}

/* ---- one attempt after the other ---- */

/* mpirun itself could not start the ranks. */
static bcl_status fail_mpirun(const attempt *a) {
    if (WIFEXITED(a->state) && WEXITSTATUS(a->state) == 127 && strstr(a->text, "not found"))
        return bcl_fail(BCL_ERROR_UNSUPPORTED,
                        "--devices: there is no mpirun: install Open MPI (Debian: openmpi-bin), or "
                        "train on one device with --device");
    return bcl_fail(BCL_ERROR_IO, "--devices: mpirun could not start the ranks (status %d): %s",
                    WIFEXITED(a->state) ? WEXITSTATUS(a->state) : 128 + WTERMSIG(a->state),
                    a->text_size ? a->text : "it says nothing");
}

static bool none_seen(const attempt *a) {
    for (size_t i = 0; i < a->l->rank_count; i++)
        if (a->peers[i].seen)
            return false;
    return true;
}

static void drop(bcl_ranks *l, int rank) {
    const size_t after = l->rank_count - 1 - (size_t)rank;
    memmove(&l->ranks[rank], &l->ranks[rank + 1], after * sizeof *l->ranks);
    l->rank_count--;
    l->shares = NULL; /* of other devices */
}

/* *again: a rank was lost, and what is left of them is to go on. */
static bcl_status run_once(int *code, bool *again, bcl_ranks *l, bool resume) {
    bcl_status status = BCL_OK;
    attempt *a = NULL;
    BCL_NEW(a, 1);
    a->l = l;
    a->lost = -1;
    a->listener = a->output[0] = -1;
    BCL_NEW(a->peers, l->rank_count);
    for (size_t i = 0; i < l->rank_count; i++)
        a->peers[i].fd = -1;
    BCL_TRY(start(a, resume));
    attend(a);
    *code = 0;
    *again = false;
    if (none_seen(a))
        BCL_TRY(fail_mpirun(a));
    for (size_t i = 0; i < l->rank_count; i++)
        if (a->peers[i].bye && a->peers[i].code > *code)
            *code = a->peers[i].code;
    if (a->stopping && !*code)
        *code = a->lost < 0 ? 0 : 128 + bcl_interrupt_signal();
    if (a->lost < 0 || a->stopping)
        goto out;
    const char *device = l->ranks[a->lost].device;
    if (l->rank_count == 1)
        BCL_FAIL(BCL_ERROR_DEVICE,
                 "%s: %s; no device is left; --resume goes on, also with other --devices", device,
                 a->peers[a->lost].reason);
    fprintf(stderr, "%s left out: %s; the others go on\n", device, a->peers[a->lost].reason);
    BCL_TRY(note(device, a->peers[a->lost].reason));
    drop(l, a->lost);
    *again = true;
out:
    if (a) {
        for (size_t i = 0; a->peers && i < l->rank_count; i++)
            if (a->peers[i].fd >= 0)
                close(a->peers[i].fd);
        if (a->listener >= 0)
            close(a->listener);
        if (a->output[0] >= 0)
            close(a->output[0]);
        free(a->peers);
    }
    free(a);
    return status;
}

bcl_status bcl_ranks_run(int *code, bcl_ranks *l) {
    bcl_status status = BCL_OK;
    bool again = false;
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    do {
        BCL_TRY(run_once(code, &again, l, again));
    } while (again);
out:
    return status;
}
