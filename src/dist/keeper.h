/* Inside dist/: a process between the launcher and mpirun, that outlives both and leaves nothing
 * behind. */
#ifndef BCL_DIST_KEEPER_H
#define BCL_DIST_KEEPER_H

#include "util/util.h"

#include <sys/types.h>

/* What is to go when all processes are gone. */
typedef struct bcl_keeper_rest {
    char folder[128]; /* all of it */
    int lock;         /* on the folder; -1: there is none */
    const char *run;  /* NULL, or a folder with NAME.tmp.PID of processes that are no more */
} bcl_keeper_rest;
/* Makes the folder, for the files that Open MPI leaves behind where ranks are killed; the caller
 * closes the lock. Folders that nobody holds any more, as their keepers were killed too or the
 * machine went down, are removed. */
bcl_status bcl_keeper_folder(bcl_keeper_rest *rest);
/* Starts argv, whose messages go to `output`, and a process that waits for it, which is *pid. That
 * one ends as argv does, when all processes that argv has started are gone, and removes what is to
 * go then. SIGTERM to it, and the death of this process, end argv: it is asked to, and killed GRACE
 * seconds later with all that it has started. */
bcl_status bcl_keeper_start(pid_t *pid, char *const *argv, int output, const bcl_keeper_rest *rest);
enum { BCL_KEEPER_GRACE_S = 10 };

#endif
