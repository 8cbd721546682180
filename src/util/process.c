/* Time, memory of the process, load of the host, and Ctrl-C. */
#include "util/util.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

double bcl_seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

double bcl_peak_rss_mb(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_maxrss / 1024.0; /* Linux counts in KiB */
}

double bcl_rss_mb(void) {
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r"); /* size and resident, in pages */
    if (f) {
        if (fscanf(f, "%*s %ld", &pages) != 1)
            pages = 0;
        fclose(f);
    }
    return pages > 0 ? (double)pages * (double)sysconf(_SC_PAGESIZE) / (1024.0 * 1024.0)
                     : bcl_peak_rss_mb();
}

static volatile sig_atomic_t interrupted; /* the signal's number */
static const char *volatile notice;

/* A second SIGTERM or SIGHUP is no person's impatience: a terminal that closes sends SIGHUP twice,
 * job schedulers repeat SIGTERM. */
static void on_signal(int number) {
    const int kept = errno;
    const char *text = notice;
    if (interrupted && number == SIGINT) {
        signal(SIGINT, SIG_DFL);
        raise(SIGINT); /* takes effect on return */
    } else if (!interrupted) {
        interrupted = number;
        if (text && write(STDERR_FILENO, text, strlen(text)) < 0)
            errno = kept; /* there is nobody to tell */
    }
    errno = kept;
}

bool bcl_interrupted(void) {
    return interrupted != 0;
}

int bcl_interrupt_signal(void) {
    return interrupted;
}

void bcl_interrupt_notice(const char *text) {
    notice = text;
}

static bool ignores_hangup;

void bcl_interrupt_remember(void) {
    struct sigaction hangup;
    ignores_hangup = !sigaction(SIGHUP, NULL, &hangup) && hangup.sa_handler == SIG_IGN;
}

void bcl_interrupt_catch(void) {
    const struct sigaction action = {.sa_handler = on_signal}, ignore = {.sa_handler = SIG_IGN};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, ignores_hangup ? &ignore : &action, NULL);
}

double bcl_host_load(void) {
    double load = -1;
    FILE *file = fopen("/proc/loadavg", "r");
    if (file) {
        if (fscanf(file, "%lf", &load) != 1)
            load = -1;
        fclose(file);
    }
    return load;
}
