/* The process that keeps mpirun. Where bertcl is killed, mpirun, its ranks and Open MPI's files
 * would stay: this one sees it and clears up. */
#define _GNU_SOURCE
#include "dist/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char prefix[] = "bertcl-mpirun.";

/* The folder, locked by this process and whatever it forks, or -1: another has it, or it is gone.
 */
static int lock_folder(const char *path) {
    struct stat seen;
    const int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0 && !flock(fd, LOCK_EX | LOCK_NB) && !fstat(fd, &seen) && seen.st_nlink > 0 &&
        seen.st_uid == geteuid())
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

static void remove_stale(const char *base) {
    char **names = NULL, *path = NULL;
    size_t count = 0;
    if (bcl_directory_list(&names, &count, base))
        return;
    for (size_t i = 0; i < count; i++) {
        if (strncmp(names[i], prefix, sizeof prefix - 1) || bcl_path_join(&path, base, names[i]))
            continue;
        const int lock = lock_folder(path);
        if (lock >= 0) {
            (void)bcl_path_remove(path);
            close(lock);
        }
        free(path);
        path = NULL;
    }
    bcl_strings_free(names, count);
}

bcl_status bcl_keeper_folder(bcl_keeper_rest *rest) {
    const char *given = getenv("TMPDIR"), *base = given && *given ? given : "/tmp";
    if (!access("/dev/shm", W_OK | X_OK))
        base = "/dev/shm"; /* in memory, if there is such a place */
    remove_stale(base);
    rest->lock = -1;
    /* again where another start took it for stale before it was locked */
    for (int tries = 0; rest->lock < 0 && tries < 100; tries++) {
        snprintf(rest->folder, sizeof rest->folder, "%s/%sXXXXXX", base, prefix);
        if (!mkdtemp(rest->folder))
            return bcl_fail_errno("%s: cannot create folder", rest->folder);
        rest->lock = lock_folder(rest->folder);
        if (rest->lock < 0)
            (void)rmdir(rest->folder);
    }
    if (rest->lock < 0)
        return bcl_fail(BCL_ERROR_IO, "%s: cannot lock folder; set TMPDIR to a local disk", base);
    return BCL_OK;
}

static void become(char *const *argv, int output) {
    const int null = open("/dev/null", O_RDONLY);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    dup2(null, STDIN_FILENO);
    dup2(output, STDOUT_FILENO);
    dup2(output, STDERR_FILENO);
    /* hwloc, which Open MPI asks for the cores, must not load drivers: not here, as a driver would
     * take mpirun down, and not beside the one of a rank */
    setenv("HWLOC_COMPONENTS", "-opencl,-cuda,-nvml,-rsmi,-levelzero,-gl", 0);
    execvp(*argv, argv);
    fprintf(stderr, "%s\n", errno == ENOENT ? "not found" : strerror(errno));
    _exit(127);
}

/* All children: argv, and what has outlived it. */
static void kill_children(void) {
    char path[64];
    int pid;
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    FILE *f = fopen(path, "r");
    while (f && fscanf(f, "%d", &pid) == 1)
        kill(pid, SIGKILL);
    if (f)
        fclose(f);
}

/* Waits for argv, and for all others; returns how argv has ended. */
static int wait_all(pid_t child, const sigset_t *signals) {
    int state, result = 0;
    double end = 0; /* until then they may end by themselves; 0: they are not asked to */
    for (;;) {
        const pid_t ended = waitpid(-1, &state, WNOHANG);
        if (ended < 0)
            return result;
        if (ended == child) {
            result = state;
            end = end > 0 ? end : bcl_seconds() + BCL_KEEPER_GRACE_S; /* of what it has left */
        }
        if (ended)
            continue;
        const struct timespec nap = {0, 50000000};
        const int number = sigtimedwait(signals, NULL, &nap);
        if (number == SIGTERM) {
            kill(child, SIGTERM);
            end = end > 0 ? end : bcl_seconds() + BCL_KEEPER_GRACE_S;
        }
        if (end > 0 && bcl_seconds() > end)
            kill_children();
    }
}

/* What a rank was writing when it was killed. */
static void remove_half_written(const char *run) {
    char **names = NULL, *path = NULL;
    size_t count = 0;
    if (!run || bcl_directory_list(&names, &count, run))
        return;
    for (size_t i = 0; i < count; i++) {
        const char *mark = strstr(names[i], ".tmp.");
        char *end = NULL;
        const long pid = mark ? strtol(mark + 5, &end, 10) : 0;
        if (pid > 0 && !*end && kill((pid_t)pid, 0) && errno == ESRCH &&
            !bcl_path_join(&path, run, names[i])) {
            (void)bcl_path_remove(path);
            free(path);
            path = NULL;
        }
    }
    bcl_strings_free(names, count);
}

static void keep(pid_t launcher, char *const *argv, int output, const bcl_keeper_rest *rest) {
    sigset_t signals, before;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGCHLD);
    sigprocmask(SIG_BLOCK, &signals, &before);
    setpgid(0, 0); /* Ctrl-C is the launcher's to pass on */
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    prctl(PR_SET_NAME, "bertcl-keeper");
    if (getppid() != launcher)
        raise(SIGTERM);
    const pid_t child = fork();
    if (!child) {
        sigprocmask(SIG_SETMASK, &before, NULL);
        become(argv, output);
    }
    close(output);
    const int state = child > 0 ? wait_all(child, &signals) : 127 << 8;
    (void)bcl_path_remove(rest->folder);
    remove_half_written(rest->run);
    if (WIFSIGNALED(state)) { /* as it did, but without a file of memory */
        const struct rlimit none = {0, 0};
        setrlimit(RLIMIT_CORE, &none);
        signal(WTERMSIG(state), SIG_DFL);
        sigprocmask(SIG_SETMASK, &before, NULL);
        raise(WTERMSIG(state));
    }
    _exit(WEXITSTATUS(state));
}

bcl_status bcl_keeper_start(pid_t *pid, char *const *argv, int output,
                            const bcl_keeper_rest *rest) {
    const pid_t launcher = getpid();
    fflush(stdout);
    *pid = fork();
    if (!*pid)
        keep(launcher, argv, output, rest);
    return *pid < 0 ? bcl_fail_errno("cannot start mpirun") : BCL_OK;
}
