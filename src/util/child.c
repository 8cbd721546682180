/* See child.h. */
#include "util/child.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

bcl_status bcl_child_start(bcl_child *child, void (*work)(void *context, int fd), void *context) {
    int fds[2];
    if (pipe(fds))
        return bcl_fail_errno("cannot make a pipe");
    fflush(NULL); /* or both would write what is still in memory */
    child->pid = fork();
    if (child->pid < 0) {
        child->pid = 0;
        close(fds[0]);
        close(fds[1]);
        return bcl_fail_errno("cannot start a process");
    }
    if (child->pid == 0) {
        close(fds[0]);
        work(context, fds[1]);
        _exit(0); /* nothing of the parent's is ended twice */
    }
    close(fds[1]);
    child->fd = fds[0];
    return BCL_OK;
}

bcl_child_news bcl_child_hear(const bcl_child *child, void *data, size_t size, size_t *got,
                              double seconds) {
    const double end = bcl_seconds() + seconds, slice = 0.5; /* a signal may come before poll */
    *got = 0;
    for (;;) {
        if (bcl_interrupted())
            return BCL_CHILD_INTERRUPTED;
        const double left = end - bcl_seconds(), wait = left < slice ? left : slice;
        struct pollfd p = {.fd = child->fd, .events = POLLIN};
        const int ready = poll(&p, 1, wait > 0 ? (int)(wait * 1000) + 1 : 0);
        if (!ready && left <= 0)
            return BCL_CHILD_SILENT;
        if (!ready || (ready < 0 && errno == EINTR))
            continue;
        if (ready < 0)
            return BCL_CHILD_SILENT;
        const ssize_t n = read(child->fd, data, size);
        if (n < 0 && errno == EINTR)
            continue;
        *got = n > 0 ? (size_t)n : 0;
        return n > 0 ? BCL_CHILD_TOLD : BCL_CHILD_CLOSED;
    }
}

int bcl_child_end(bcl_child *child, bool end) {
    int code = 0;
    close(child->fd);
    if (end)
        kill(child->pid, SIGKILL);
    while (waitpid(child->pid, &code, 0) < 0 && errno == EINTR)
        ;
    *child = (bcl_child){0};
    return code;
}

const char *bcl_child_reason(char out[BCL_CHILD_REASON], int code) {
    if (WIFSIGNALED(code))
        snprintf(out, BCL_CHILD_REASON, "%s", strsignal(WTERMSIG(code)));
    else
        snprintf(out, BCL_CHILD_REASON, "ended the process with status %d", WEXITSTATUS(code));
    return out;
}
