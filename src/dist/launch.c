/* Starts a rank for each device through mpirun, listens to them, and starts what is left again
 * where a device dies, hangs or computes nonsense. Loads no driver itself, so that none can take it
 * down. */
#define _GNU_SOURCE
#include "dist/dist.h"
#include "dist/keeper.h"
#include "dist/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TICK_MS = 100, OUTPUT_MAX = 1 << 16, GRACE_S = 20, MOST_CRASHES = 3 };

/* What is known of a rank. */
typedef struct peer {
    int fd; /* -1: none yet, or no more */
    pid_t pid;
    bool seen, bye, fault, dead;
    bool patience;    /* what it does now may take long */
    int code;         /* after bye: what it told an error with */
    double heard;     /* when it told anything last */
    int64_t entered;  /* how often it has met the others */
    char reason[512]; /* why it is lost; "": it is not */
} peer;

typedef struct attempt {
    bcl_ranks *l;
    peer *peers;
    int listener;
    int output[2]; /* mpirun's own messages */
    pid_t mpirun;  /* its keeper, which ends as it does when the ranks are gone */
    int state;     /* mpirun's, once it has ended */
    bool ended, stopping;
    bool in_peace; /* who is lost leaves with the others, who still save */
    char text[OUTPUT_MAX];
    size_t text_size;
    int64_t summed;             /* steps */
    double moved;               /* when a rank told something last */
    double step_began, slowest; /* of the steps so far, s */
    int lost;                   /* the first rank that failed, -1: none */
    int dead;                   /* the first one that ended without a word, -1: none */
    bool failed;                /* a rank has told an error that is no device's */
    bool opened;                /* the run's folder is this run's */
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
    BCL_TRY(add(w, "BERTCL_RANK=%zu", i));
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

static bcl_status command_line(words *w, const attempt *a, const char *address, const char *folder,
                               bool again) {
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
    /* where Open MPI puts its files */
    static const char *const folders[] = {"orte_tmpdir_base", "btl_vader_backing_directory"};
    for (size_t i = 0; i < a->l->rank_count; i++)
        BCL_TRY(bcl_string_addf(&list, "%s%s", i ? "," : "", a->l->ranks[i].device));
    for (size_t i = 0; i < sizeof start / sizeof *start; i++)
        BCL_TRY(add(w, "%s", start[i]));
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        BCL_TRY(add(w, "--mca"));
        BCL_TRY(add(w, "%s", folders[i]));
        BCL_TRY(add(w, "%s", folder));
    }
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
    bcl_keeper_rest rest = {.run = a->l->run, .lock = -1};
    char name[64];
    BCL_TRY(listen_at(a, name, sizeof name));
    BCL_TRY(bcl_keeper_folder(&rest));
    BCL_TRY(command_line(&w, a, name, rest.folder, again));
    if (pipe2(a->output, O_CLOEXEC | O_NONBLOCK))
        status = bcl_fail_errno("cannot start mpirun");
    BCL_TRY(status);
    status = bcl_keeper_start(&a->mpirun, w.items, a->output[1], &rest);
    close(a->output[1]);
    a->moved = bcl_seconds();
out:
    if (status && rest.lock >= 0)
        (void)rmdir(rest.folder);
    if (rest.lock >= 0)
        close(rest.lock); /* the keeper's own goes on */
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
    p->patience = false;
    switch (m->kind) {
    case BCL_CONTROL_WAITING: /* no progress of the run */
        return;
    case BCL_CONTROL_ENTERED:
        p->entered = m->step;
        break;
    case BCL_CONTROL_PATIENCE:
        p->patience = true;
        break;
    case BCL_CONTROL_OPENED:
        a->opened = true;
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
        if (m->step == BCL_FAULT_OF_OTHERS) { /* who is named by nobody is named by this one */
            snprintf(p->reason, sizeof p->reason, "%s", m->text);
            break;
        }
        a->in_peace = m->step == BCL_FAULT_IN_PEACE;
        lose(a, rank, m->text);
        break;
    case BCL_CONTROL_BYE:
        p->bye = true;
        p->code = (int)m->step;
        a->failed = a->failed || p->code;
        break;
    case BCL_CONTROL_HELLO:
    case BCL_CONTROL_BUSY:
        break;
    }
    a->moved = now;
}

static void reap(attempt *a) {
    if (!a->ended && waitpid(a->mpirun, &a->state, WNOHANG) == a->mpirun)
        a->ended = true;
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
    if (p->bye || p->fault)
        return;
    reap(a);
    if (a->ended && WIFSIGNALED(a->state)) /* with mpirun, which did not end with it */
        return;
    p->dead = true;
    if (a->dead < 0)
        a->dead = rank;
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

/* Where a rank is lost the others wait for it for ever. */
static void end_all(attempt *a) {
    signal_ranks(a, SIGKILL);
    if (!a->ended)
        kill(a->mpirun, SIGTERM);
}

/* All have said that they end; a driver may hang even then. */
static bool all_bye(const attempt *a) {
    for (size_t i = 0; i < a->l->rank_count; i++)
        if (!a->peers[i].bye)
            return false;
    return true;
}

/* Whether a signal has stopped the process. */
static bool is_stopped(const peer *p) {
    char path[64], line[512] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", (int)p->pid);
    FILE *f = p->fd >= 0 ? fopen(path, "r") : NULL;
    if (!f)
        return false;
    const char *end = fgets(line, sizeof line, f) ? strrchr(line, ')') : NULL;
    fclose(f);
    return end && end[1] == ' ' && (end[2] == 'T' || end[2] == 't');
}

/* Who holds up the others: one that is stopped, or that has not come as far as they have, or that
 * has been silent for longest. */
static size_t find_last(const attempt *a) {
    const peer *p = a->peers;
    size_t last = 0;
    for (size_t i = 1; i < a->l->rank_count; i++) {
        const bool stopped = is_stopped(&p[i]), was = is_stopped(&p[last]);
        if (stopped != was ? stopped
            : p[i].bye != p[last].bye
                ? p[last].bye
                : p[i].entered < p[last].entered ||
                      (p[i].entered == p[last].entered && p[i].heard < p[last].heard))
            last = i;
    }
    return last;
}

double bcl_dist_watchdog(double otherwise) {
    const char *text = getenv("BERTCL_WATCHDOG");
    const double given = text ? atof(text) : 0;
    return given > 0 ? given : otherwise;
}

/* A rank that does not go on long after the others is taken for hung: ten times the slowest step,
 * but at least BERTCL_WATCHDOG seconds; ten times that at what takes long. */
static double limit(const attempt *a, const peer *last) {
    const double most = fmax(a->slowest * 10, bcl_dist_watchdog(60));
    /* the first steps compile kernels */
    return a->summed < 2 || last->patience ? most * 10 : most;
}

static void watch(attempt *a) {
    char reason[200];
    const double waited = bcl_seconds() - a->moved;
    if (a->lost >= 0 || a->dead >= 0 || waited < 1)
        return;
    if (all_bye(a)) {
        if (waited > GRACE_S)
            end_all(a);
        return;
    }
    const size_t last = find_last(a);
    if (waited < limit(a, &a->peers[last]))
        return;
    snprintf(reason, sizeof reason, "%s for %.0f s; the slowest step so far took %.2f s",
             is_stopped(&a->peers[last]) ? "its process was stopped, and nothing came of it"
                                         : "its driver hangs: nothing came of it",
             waited, a->slowest);
    lose(a, (int)last, reason);
}

/* ---- who it was ---- */

/* What mpirun says of the process that it saw end first: it has waited for it. The socket of one
 * that mpirun killed then may have been heard before. */
static int find_named(const attempt *a, char *reason, size_t size) {
    int rank = -1, number = 0;
    const char *at = strstr(a->text, "process rank "), *on;
    if (at && sscanf(at, "process rank %d with PID", &rank) == 1 &&
        (on = strstr(at, "on signal ")) && sscanf(on, "on signal %d", &number) == 1)
        snprintf(reason, size, "its process was ended by signal %d (%s)", number,
                 strsignal(number));
    else if ((at = strstr(a->text, "Process name: [[")) &&
             sscanf(at, "Process name: [[%*d,%*d],%d] Exit code: %d", &rank, &number) == 2)
        snprintf(reason, size, "its process has exited with status %d", number);
    return rank < (int)a->l->rank_count ? rank : -1;
}

/* A process that ended without a word, where no rank has told what is wrong. */
static void judge(attempt *a) {
    char reason[160] = "its process has died";
    if (a->lost >= 0 || a->dead < 0 || a->stopping)
        return;
    const int named = find_named(a, reason, sizeof reason);
    if (named >= 0 && (a->peers[named].dead || (a->peers[named].bye && !a->failed)))
        a->dead = named;
    else if (a->failed) /* the others were ended with the one that failed */
        return;
    lose(a, a->dead, reason);
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
        if (!end && (a->lost >= 0 || a->dead >= 0 || a->failed)) {
            end = bcl_seconds() + (a->in_peace ? 10 * GRACE_S : 2); /* mpirun ends the others */
            if (a->lost >= 0 && !a->in_peace && a->peers[a->lost].fd >= 0)
                kill(a->peers[a->lost].pid, SIGKILL);
        }
        if (end && bcl_seconds() > end)
            end_all(a);
    }
    while (a->text_size < sizeof a->text - 1) {
        const size_t before = a->text_size;
        hear_mpirun(a);
        if (a->text_size == before)
            break;
    }
    judge(a);
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

static void before_message(const bcl_ranks *l) {
    if (l->before_message)
        l->before_message();
}

static bool none_seen(const attempt *a) {
    for (size_t i = 0; i < a->l->rank_count; i++)
        if (a->peers[i].seen)
            return false;
    return true;
}

static bcl_status leave_out(bcl_ranks *l, size_t rank, const char *reason) {
    bcl_status status = BCL_OK;
    before_message(l);
    fprintf(stderr, "%s left out: %s; the others go on\n", l->ranks[rank].device, reason);
    BCL_TRY(note(l->ranks[rank].device, reason));
    l->rank_count--;
    memmove(&l->ranks[rank], &l->ranks[rank + 1], (l->rank_count - rank) * sizeof *l->ranks);
    l->shares = NULL; /* of other devices */
out:
    return status;
}

/* The ranks have lost each other, and nobody is to blame. */
static bcl_status fail_unnamed(const attempt *a) {
    if (a->lost >= 0 || a->failed || a->stopping)
        return BCL_OK;
    for (size_t i = 0; i < a->l->rank_count; i++)
        if (a->peers[i].fault)
            return bcl_fail(BCL_ERROR_IO, "%s: %s; --resume goes on", a->l->ranks[i].device,
                            a->peers[i].reason);
    return BCL_OK;
}

/* mpirun itself was killed, or has crashed as Open MPI 4's does now and then when a rank dies. */
static bcl_status survive_mpirun(bool *again, const attempt *a) {
    const int number = WIFSIGNALED(a->state) ? WTERMSIG(a->state) : 0;
    if (!number || a->lost >= 0 || a->stopping || all_bye(a))
        return BCL_OK;
    if (a->l->crashes++ == MOST_CRASHES)
        return bcl_fail(BCL_ERROR_IO, "mpirun was ended by signal %d (%s); --resume goes on",
                        number, strsignal(number));
    before_message(a->l);
    fprintf(stderr, "mpirun was ended by signal %d (%s); the devices start again\n", number,
            strsignal(number));
    *again = true;
    return BCL_OK;
}

/* *again: a rank was lost, and what is left of them is to go on. */
static bcl_status run_once(int *code, bool *again, bool *opened, bcl_ranks *l) {
    bcl_status status = BCL_OK;
    attempt *a = NULL;
    BCL_NEW(a, 1);
    a->l = l;
    a->lost = a->dead = -1;
    a->listener = a->output[0] = -1;
    BCL_NEW(a->peers, l->rank_count);
    for (size_t i = 0; i < l->rank_count; i++)
        a->peers[i].fd = -1;
    BCL_TRY(start(a, *opened)); /* never in a run that another command has begun */
    attend(a);
    *opened = *opened || a->opened;
    *code = 0;
    *again = false;
    if (none_seen(a) && !WIFSIGNALED(a->state))
        BCL_TRY(fail_mpirun(a));
    for (size_t i = 0; i < l->rank_count; i++)
        if (a->peers[i].bye && a->peers[i].code > *code)
            *code = a->peers[i].code;
    if (a->stopping && !*code && !all_bye(a))
        *code = 128 + bcl_interrupt_signal();
    BCL_TRY(survive_mpirun(again, a));
    if (*again)
        goto out;
    BCL_TRY(fail_unnamed(a));
    if (a->lost < 0 || a->stopping)
        goto out;
    const char *device = l->ranks[a->lost].device;
    if (l->rank_count == 1)
        BCL_FAIL(BCL_ERROR_DEVICE,
                 "%s: %s; no device is left; --resume goes on, also with other --devices", device,
                 a->peers[a->lost].reason);
    BCL_TRY(leave_out(l, (size_t)a->lost, a->peers[a->lost].reason));
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
    bool again = false, opened = false;
    for (size_t i = l->rank_count; i-- > 0;)
        if (l->ranks[i].problem)
            BCL_TRY(leave_out(l, i, l->ranks[i].problem));
    do {
        BCL_TRY(run_once(code, &again, &opened, l));
    } while (again);
out:
    return status;
}
