/* POSIX record locks, which children do not inherit, with a list of the process' own beside them,
 * which would not exclude each other. */
#include "util/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static bcl_lock *held;

static bcl_status in_use(const char *what, long process) {
    return bcl_fail(BCL_ERROR_EXISTS, "%s is in use by process %ld", what, process);
}

/* Under the mutex: the lock's file is open and nobody here has it. */
static bcl_status take_open(bcl_lock *lock, const char *what) {
    struct flock f = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (!fcntl(lock->fd, F_SETLK, &f))
        return BCL_OK;
    if (errno == EACCES || errno == EAGAIN) {
        f.l_pid = 0;
        (void)fcntl(lock->fd, F_GETLK, &f);
        return in_use(what, (long)f.l_pid);
    }
    if (errno != ENOLCK && errno != ENOSYS && errno != EINVAL && errno != EOPNOTSUPP)
        return bcl_fail_errno("%s: cannot lock", lock->path);
    lock->unknown = true;
    return BCL_OK;
}

bcl_status bcl_lock_take(bcl_lock *lock, const char *path, const char *what) {
    bcl_status status = BCL_OK;
    struct stat st;
    *lock = (bcl_lock){.fd = -1};
    BCL_TRY(bcl_strdup(&lock->path, path));
    pthread_mutex_lock(&mutex);
    /* looked up before it is opened: to close it again would end a lock that is held here */
    for (const bcl_lock *l = held; l && !stat(path, &st); l = l->next)
        if (l->owner == getpid() && l->device == st.st_dev && l->file == st.st_ino) {
            status = in_use(what, (long)getpid());
            goto unlock;
        }
    if ((lock->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666)) < 0 || fstat(lock->fd, &st)) {
        status = bcl_fail_errno("%s: cannot open", path);
        goto unlock;
    }
    lock->device = st.st_dev;
    lock->file = st.st_ino;
    if ((status = take_open(lock, what)))
        goto unlock;
    if (stat(path, &st) || st.st_dev != lock->device || st.st_ino != lock->file) {
        /* who had it has removed it meanwhile, and somebody else may have made another */
        status = bcl_fail(BCL_ERROR_EXISTS, "%s was in use by another process; try again", what);
        goto unlock;
    }
    lock->held = true;
    lock->owner = getpid(); /* a child that is forked has the list, but not the locks */
    lock->next = held;
    held = lock;
unlock:
    pthread_mutex_unlock(&mutex);
out:
    if (status)
        bcl_lock_release(lock);
    return status;
}

void bcl_lock_release(bcl_lock *lock) {
    if (!lock->path)
        return;
    pthread_mutex_lock(&mutex);
    for (bcl_lock **l = &held; *l; l = &(*l)->next)
        if (*l == lock) {
            *l = lock->next;
            break;
        }
    if (lock->fd >= 0)
        close(lock->fd);
    pthread_mutex_unlock(&mutex);
    free(lock->path);
    *lock = (bcl_lock){.fd = -1};
}
