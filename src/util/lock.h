/* A file that one process at a time holds, until it ends, however it ends. */
#ifndef BCL_LOCK_H
#define BCL_LOCK_H

#include "util/util.h"

#include <sys/types.h>

/* Zero-initialise; free with bcl_lock_release. */
typedef struct bcl_lock {
    char *path;
    int fd;
    dev_t device;
    ino_t file;
    struct bcl_lock *next; /* of this process */
    pid_t owner;
    bool held;
    bool unknown; /* the file system has no locks: nothing keeps others out */
} bcl_lock;

/* Makes the file where there is none and takes it, without waiting. Held by somebody else:
 * BCL_ERROR_EXISTS, and the message is "WHAT is in use by process N". The lock must stay where it
 * is while it is held, and its file must not be opened by anything else: POSIX takes the lock away
 * when any descriptor of it is closed. Children do not have it. */
bcl_status bcl_lock_take(bcl_lock *lock, const char *path, const char *what);
/* Takes a zeroed lock. The file stays: its removal could let two in. */
void bcl_lock_release(bcl_lock *lock);

#endif
