/* The watch over a driver's calls. A call that hangs never comes back, so nothing in the thread
 * that made it can help: another thread looks on, and tells whoever can end the process. It counts
 * its own rounds, not the clock: a process that was stopped or a machine that slept has no rounds.
 */
#include "ocl/internal.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 8 /* at least, before a call is given up */ };
static const double LONGEST_ROUND_S = 0.5;

/* Of the thread that makes the calls; one at a time does. */
static _Atomic(const char *) calling; /* NULL: no call */
static atomic_ullong call_number;
static atomic_uint launches; /* since the device last answered */
static atomic_int fresh;     /* answers to come that may wait for the driver's compiler */
static _Atomic(const bcl_kernel *) launched;
static _Atomic(const char *) operation;

static struct {
    bool wanted, on, stop;
    bool opened;   /* a device was, in this process */
    pid_t process; /* that wants it: not its children */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bcl_watch_handler *handler;
    void *context;
    double least, round_s;
} watch;

void bcl_call_enter(const char *what) {
    atomic_fetch_add_explicit(&call_number, 1, memory_order_relaxed);
    atomic_store_explicit(&calling, what, memory_order_relaxed);
}

void bcl_call_leave(void) {
    atomic_store_explicit(&calling, NULL, memory_order_relaxed);
}

void bcl_call_answered(void) {
    atomic_store_explicit(&launches, 0, memory_order_relaxed);
    if (atomic_load_explicit(&fresh, memory_order_relaxed) > 0)
        atomic_fetch_sub_explicit(&fresh, 1, memory_order_relaxed);
}

void bcl_call_launched(const bcl_kernel *kernel) {
    atomic_store_explicit(&launched, kernel, memory_order_relaxed);
    atomic_fetch_add_explicit(&launches, 1, memory_order_relaxed);
}

void bcl_call_operation(const char *name) {
    atomic_store_explicit(&operation, name, memory_order_relaxed);
}

/* Drivers compile at a kernel's first launches too, and an answer is waited for a step later. */
void bcl_call_built(void) {
    atomic_store_explicit(&fresh, 2, memory_order_relaxed);
}

void bcl_call_forget(const bcl_kernel *kernel) {
    const bcl_kernel *was = kernel;
    if (atomic_compare_exchange_strong(&launched, &was, NULL))
        atomic_store(&operation, NULL);
}

/* "clFinish(d->queue)": up to the parenthesis. */
static void describe(char *out, size_t size, const char *what, double waited, double slowest) {
    const bcl_kernel *k = atomic_load(&launched);
    const char *name = atomic_load(&operation);
    int at = snprintf(out, size,
                      "%s: its driver hangs: %.*s has not come back for %.0f s, the slowest call "
                      "before took %.1f s",
                      k ? k->device->info.id : "the device", (int)strcspn(what, "("), what, waited,
                      slowest);
    if (k && at > 0 && (size_t)at < size)
        at += snprintf(out + at, size - (size_t)at,
                       "; last of %u launches since it answered: cl/%s: %s", atomic_load(&launches),
                       k->file, k->name);
    if (k && name && at > 0 && (size_t)at < size)
        snprintf(out + at, size - (size_t)at, " (%s)", name);
}

static bool sleep_round(void) {
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    const long long ns = until.tv_nsec + (long long)(watch.round_s * 1e9);
    until.tv_sec += (time_t)(ns / 1000000000);
    until.tv_nsec = (long)(ns % 1000000000);
    pthread_mutex_lock(&watch.lock);
    if (!watch.stop)
        pthread_cond_timedwait(&watch.wake, &watch.lock, &until);
    const bool stop = watch.stop;
    pthread_mutex_unlock(&watch.lock);
    return !stop;
}

static void *look_on(void *unused) {
    unsigned long long seen = 0;
    double waited = 0, slowest = 0;
    char message[640];
    bool builds = false;
    (void)unused;
    while (sleep_round()) {
        const char *what = atomic_load(&calling);
        const unsigned long long number = atomic_load(&call_number);
        if (!what || number != seen) { /* what was watched has come back */
            if (waited > slowest && !builds)
                slowest = waited;
            seen = number;
            waited = 0;
            continue;
        }
        waited += watch.round_s;
        builds = !strncmp(what, "clBuildProgram", 14);
        const double most = watch.least > 10 * slowest ? watch.least : 10 * slowest;
        if (waited < (builds || atomic_load(&fresh) > 0 ? 10 * most : most))
            continue;
        describe(message, sizeof message, what, waited, slowest);
        watch.handler(watch.context, message);
        seen = 0;
        waited = 0;
    }
    return NULL;
}

static bcl_status begin(void) {
    pthread_mutex_init(&watch.lock, NULL);
    pthread_cond_init(&watch.wake, NULL);
    watch.stop = false;
    if (pthread_create(&watch.thread, NULL, look_on, NULL))
        return bcl_fail(BCL_ERROR_MEMORY, "cannot start the thread that watches the device");
    watch.on = true;
    return BCL_OK;
}

/* Not before: drivers are probed and products tuned in children, and a process that is to be forked
 * has no second thread, which may hold a lock of the allocator's. */
bcl_status bcl_watch_opened(void) {
    watch.opened = true;
    return watch.wanted && !watch.on && watch.process == getpid() ? begin() : BCL_OK;
}

bcl_status bcl_watch_start(bcl_watch_handler *handler, void *context, double least) {
    if (watch.wanted)
        return BCL_OK;
    watch.handler = handler;
    watch.context = context;
    watch.least = least;
    watch.round_s = least / ROUNDS < LONGEST_ROUND_S ? least / ROUNDS : LONGEST_ROUND_S;
    watch.process = getpid();
    watch.wanted = true;
    return watch.opened ? begin() : BCL_OK;
}

void bcl_watch_stop(void) {
    watch.wanted = false;
    if (!watch.on)
        return;
    pthread_mutex_lock(&watch.lock);
    watch.stop = true;
    pthread_cond_signal(&watch.wake);
    pthread_mutex_unlock(&watch.lock);
    pthread_join(watch.thread, NULL);
    pthread_mutex_destroy(&watch.lock);
    pthread_cond_destroy(&watch.wake);
    watch.on = false;
}
