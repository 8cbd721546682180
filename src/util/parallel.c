/* Work on a range of items by a few threads, whose results are taken in the items' order: the
 * outcome does not depend on the number of threads. */
#include "util/util.h"

#include <pthread.h>
#include <unistd.h>

enum { MAX_WORKERS = 16 };

typedef struct team {
    const bcl_parallel *job;
    pthread_mutex_t mutex;
    pthread_cond_t turned;
    size_t next;   /* first item that nobody has taken */
    size_t merged; /* items whose results were taken */
    bcl_status status;
    char message[1024]; /* of the failure at the lowest item */
} team;

typedef struct worker {
    team *team;
    size_t number;
    pthread_t thread;
} worker;

size_t bcl_parallel_workers(const bcl_parallel *job) {
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    const size_t pieces = job->count / job->grain + (job->count % job->grain > 0);
    size_t n = cores < 1 ? 1 : (size_t)cores;
    n = n > MAX_WORKERS ? MAX_WORKERS : n;
    n = n > pieces ? pieces : n;
    return n ? n : 1;
}

/* Pieces are taken in order, so that when one fails all before it are done or being done: the
 * failure that is kept is the first in the items' order. */
static void *run(void *argument) {
    worker *w = argument;
    team *t = w->team;
    const bcl_parallel *job = t->job;
    pthread_mutex_lock(&t->mutex);
    while (t->next < job->count && !t->status) {
        const size_t begin = t->next, left = job->count - begin;
        const size_t end = begin + (left < job->grain ? left : job->grain);
        t->next = end;
        pthread_mutex_unlock(&t->mutex);
        bcl_status status = job->work(job->context, w->number, begin, end);
        pthread_mutex_lock(&t->mutex);
        while (t->merged < begin && !t->status)
            pthread_cond_wait(&t->turned, &t->mutex);
        if (t->status)
            break;
        if (!status)
            status = job->merge(job->context, w->number, begin, end);
        if (status) {
            t->status = status;
            snprintf(t->message, sizeof t->message, "%s", bcl_message());
        }
        t->merged = end;
        pthread_cond_broadcast(&t->turned);
    }
    pthread_mutex_unlock(&t->mutex);
    return NULL;
}

bcl_status bcl_parallel_run(const bcl_parallel *job) {
    team t = {.job = job};
    worker workers[MAX_WORKERS];
    const size_t want = bcl_parallel_workers(job);
    size_t started = 1;
    pthread_mutex_init(&t.mutex, NULL);
    pthread_cond_init(&t.turned, NULL);
    for (size_t i = 0; i < want; i++)
        workers[i] = (worker){.team = &t, .number = i};
    while (started < want &&
           !pthread_create(&workers[started].thread, NULL, run, &workers[started]))
        started++; /* with fewer the work is done all the same */
    run(&workers[0]);
    for (size_t i = 1; i < started; i++)
        pthread_join(workers[i].thread, NULL);
    pthread_cond_destroy(&t.turned);
    pthread_mutex_destroy(&t.mutex);
    return t.status ? bcl_fail(t.status, "%s", t.message) : BCL_OK;
}
