/* Whether a run's process is still there. A pid alone does not tell: it may have been given to
 * another process, after a restart of the machine or not. */
#include "track/store.h"
#include "util/lock.h"

#include <errno.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

enum { SILENCE = 120 }; /* s; heartbeats come every few seconds */

double bcl_unix_time(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Field 22 of /proc/PID/stat; the name in field 2 may hold anything. 0 if there is no such process.
 */
static int64_t start_of(int64_t pid) {
    char path[64], text[1024];
    int64_t start = 0;
    snprintf(path, sizeof path, "/proc/%lld/stat", (long long)pid);
    FILE *file = fopen(path, "r");
    if (!file)
        return 0;
    const size_t n = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[n] = 0;
    const char *p = strrchr(text, ')');
    for (int field = 2; p && field < 22; field++)
        p = (p = strchr(p, ' ')) ? p + 1 : NULL;
    if (p)
        start = strtoll(p, NULL, 10);
    return start;
}

void bcl_process_self(bcl_process *out) {
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "r");
    *out = (bcl_process){.pid = getpid(), .start = start_of(getpid())};
    if (gethostname(out->host, sizeof out->host - 1))
        strcpy(out->host, "unknown");
    if (file) {
        if (!fgets(out->boot, sizeof out->boot, file))
            out->boot[0] = 0;
        out->boot[strcspn(out->boot, "\n")] = 0;
        fclose(file);
    }
}

const char *bcl_process_state(const bcl_process *process, double heartbeat, double now) {
    bcl_process self;
    bcl_process_self(&self);
    if (!process->pid)
        return "unknown";
    if (strcmp(process->host, self.host))
        return now - heartbeat < SILENCE ? "running" : "lost";
    if (strcmp(process->boot, self.boot))
        return "killed";
    if (kill((pid_t)process->pid, 0) && errno == ESRCH)
        return "killed";
    const int64_t start = start_of(process->pid);
    return start && process->start && start != process->start ? "killed" : "running";
}

const char *bcl_state_by_lock(const char *folder) {
    char *path = NULL;
    bcl_lock lock = {.fd = -1};
    const char *state = "unknown";
    if (!bcl_path_join(&path, folder, ".lock") && bcl_path_exists(path)) {
        const bcl_status status = bcl_lock_take(&lock, path, folder);
        state = status == BCL_ERROR_EXISTS ? "running" : status ? state : "killed";
        if (!status)
            bcl_lock_release(&lock);
    }
    free(path);
    return state;
}
