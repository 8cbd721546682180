/* A rank's line to its launcher: a socket of packets without a name in the file system. */
#define _GNU_SOURCE
#include "dist/dist.h"
#include "dist/socket.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

static int line = -1, own_rank;

/* The launcher's streams, so that a rank's messages and bars go to its terminal. */
static bcl_status take_streams(void) {
    char byte;
    int fds[2] = {-1, -1};
    struct iovec part = {&byte, 1};
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof fds)];
    } space;
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = space.bytes,
                             .msg_controllen = sizeof space.bytes};
    if (recvmsg(line, &message, MSG_CMSG_CLOEXEC) < 1)
        return bcl_fail_errno("the launcher does not answer");
    const struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    if (!head || head->cmsg_len != CMSG_LEN(sizeof fds))
        return bcl_fail(BCL_ERROR_IO, "the launcher sent no streams");
    memcpy(fds, CMSG_DATA(head), sizeof fds);
    fflush(stdout);
    if (own_rank == 0)
        dup2(fds[0], STDOUT_FILENO);
    dup2(fds[1], STDERR_FILENO);
    close(fds[0]);
    close(fds[1]);
    return BCL_OK;
}

bcl_status bcl_control_open(void) {
    bcl_status status = BCL_OK;
    struct sockaddr_un address;
    const char *name = getenv("BERTCL_CONTROL"), *rank = getenv("BERTCL_RANK");
    if (!name || !rank)
        return BCL_OK;
    own_rank = atoi(rank);
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* with mpirun, which ends with the launcher */
    const socklen_t size = bcl_socket_address(&address, name);
    line = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (line < 0 || connect(line, (struct sockaddr *)&address, size))
        return bcl_fail_errno("the launcher at %s cannot be reached", name);
    bcl_control_tell(BCL_CONTROL_HELLO, 0, "");
    BCL_TRY(take_streams());
out:
    return status;
}

bool bcl_control_has(void) {
    return line >= 0;
}

void bcl_control_tell(bcl_control_kind kind, int64_t step, const char *text) {
    bcl_control_message message = {.kind = kind, .rank = own_rank, .step = step};
    if (line < 0)
        return;
    snprintf(message.text, sizeof message.text, "%s", text);
    if (send(line, &message, sizeof message, MSG_NOSIGNAL) < 0 && errno == EPIPE)
        _exit(1); /* the launcher is gone, and with it the run */
}

bcl_status bcl_control_bind(void) {
    const char *text = getenv("BERTCL_CORES"), *at = text;
    cpu_set_t set;
    CPU_ZERO(&set);
    if (!text || !*text)
        return BCL_OK;
    while (*at) {
        char *end;
        long first = strtol(at, &end, 10), last = first;
        if (end != at && *end == '-')
            last = strtol(at = end + 1, &end, 10);
        if (end == at || first < 0 || last < first || last >= CPU_SETSIZE || (*end && *end != ','))
            return bcl_fail(BCL_ERROR_ARGUMENT,
                            "--cores: found \"%s\", expected numbers of cores as in 0-1,4", text);
        for (; first <= last; first++)
            CPU_SET((size_t)first, &set);
        at = *end ? end + 1 : end;
    }
    return sched_setaffinity(0, sizeof set, &set)
               ? bcl_fail_errno("--cores: %s: cannot bind to these cores", text)
               : BCL_OK;
}
