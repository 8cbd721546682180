/* A child process that reports through a pipe. What may crash or hang, as an OpenCL driver may,
 * takes only the child along. */
#ifndef BCL_CHILD_H
#define BCL_CHILD_H

#include "util/util.h"

#include <sys/types.h>

/* Zero-initialise: pid 0 is no child. */
typedef struct bcl_child {
    pid_t pid;
    int fd; /* of the pipe from it */
} bcl_child;

/* Forks; the child does the work, which writes to `fd`, and ends with status 0. */
bcl_status bcl_child_start(bcl_child *child, void (*work)(void *context, int fd), void *context);

typedef enum bcl_child_news {
    BCL_CHILD_TOLD,       /* *got > 0 bytes came */
    BCL_CHILD_CLOSED,     /* its end of the pipe is closed: it has ended, or is about to */
    BCL_CHILD_SILENT,     /* nothing came in this time */
    BCL_CHILD_INTERRUPTED /* bcl_interrupted */
} bcl_child_news;
/* Waits for what it tells next, at most `size` bytes, for at most so many seconds. */
bcl_child_news bcl_child_hear(const bcl_child *child, void *data, size_t size, size_t *got,
                              double seconds);
/* Closes the pipe, kills the child if that is wanted, and waits for its end. Returns what waitpid
 * tells. */
int bcl_child_end(bcl_child *child, bool kill);

/* Why a child ended that should not have: the signal's name, or its exit status. */
enum { BCL_CHILD_REASON = 96 };
const char *bcl_child_reason(char out[BCL_CHILD_REASON], int code);

#endif
