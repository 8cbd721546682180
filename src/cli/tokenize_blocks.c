/* A file's lines, in blocks, to a few threads, and what they make of them to stdout in order. */
#include "cli/tokenize.h"

#include <bertcl/data.h>
#include <errno.h>
#include <pthread.h>
#include <unistd.h>

enum { BLOCK_BYTES = 1 << 20 };

typedef struct block {
    char *data; /* whole lines */
    size_t size, capacity;
    size_t first_line;    /* counted from 1 */
    size_t lines, pieces; /* of them, once done */
    bcl_string out;
    bcl_status status;
    char message[1024];
    bool endless; /* its one line is longer than any may be */
    bool done;
} block;

typedef struct stream {
    const bcl_tokenize_job *job;
    bcl_tokenize_totals *totals;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    block *blocks;            /* a ring of `ring` blocks */
    size_t ring, read, taken; /* blocks filled and taken so far */
    bool ended;
} stream;

static void run_block(bcl_tokenize_worker *w, const bcl_tokenize_job *j, block *b) {
    size_t line = b->first_line;
    b->status = BCL_OK;
    b->out.size = b->lines = b->pieces = 0;
    if (b->endless) {
        b->status = BCL_ERROR_FORMAT;
        snprintf(b->message, sizeof b->message,
                 "%s: line %zu: found more than %llu MiB without a line break, expected one text",
                 j->name, line, (unsigned long long)(BCL_MAX_LINE_SIZE >> 20));
        return;
    }
    for (size_t at = 0; at < b->size && !b->status; line++) {
        const char *text = b->data + at, *end = memchr(text, '\n', b->size - at);
        size_t size = end ? (size_t)(end - text) : b->size - at;
        b->status = bcl_tokenize_line(&b->out, w, j, text, size);
        b->pieces += w->encoding.count;
        b->lines++;
        if (b->status)
            snprintf(b->message, sizeof b->message, "%s: line %zu: %s", j->name, line,
                     bcl_message());
        at += size + 1;
    }
}

static void *work(void *argument) {
    stream *s = argument;
    bcl_tokenize_worker w = {0};
    pthread_mutex_lock(&s->mutex);
    for (;;) {
        while (s->taken == s->read && !s->ended)
            pthread_cond_wait(&s->changed, &s->mutex);
        if (s->taken == s->read)
            break;
        block *b = &s->blocks[s->taken++ % s->ring];
        pthread_mutex_unlock(&s->mutex);
        run_block(&w, s->job, b);
        pthread_mutex_lock(&s->mutex);
        b->done = true;
        pthread_cond_broadcast(&s->changed);
    }
    pthread_mutex_unlock(&s->mutex);
    bcl_tokenize_worker_free(&w);
    return NULL;
}

/* Fills a block with whole lines: about BLOCK_BYTES, or what a pipe has to give. `rest` keeps the
 * unfinished line. Sets *more to false at the end of the input. */
static bcl_status fill_block(block *b, bcl_string *rest, int fd, const char *name, bool *more) {
    bcl_status status = BCL_OK;
    size_t whole = 0;
    b->size = 0;
    BCL_TRY(bcl_grow(&b->data, &b->capacity, rest->size + BLOCK_BYTES, 1));
    if (rest->size)
        memcpy(b->data, rest->data, rest->size);
    b->size = rest->size;
    b->endless = false;
    rest->size = 0;
    while (!whole && *more) {
        BCL_TRY(bcl_grow(&b->data, &b->capacity, b->size + BLOCK_BYTES, 1));
        ssize_t n = read(fd, b->data + b->size, BLOCK_BYTES);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            status = bcl_fail_errno("%s: cannot read", name);
            goto out;
        }
        *more = n > 0;
        for (size_t i = b->size + (size_t)n; i > b->size; i--)
            if (b->data[i - 1] == '\n') {
                whole = i;
                break;
            }
        b->size += (size_t)n;
        b->endless = !whole && b->size > BCL_MAX_LINE_SIZE;
        *more = *more && !b->endless;
    }
    if (*more) {
        BCL_TRY(bcl_string_add(rest, b->data + whole, b->size - whole));
        b->size = whole;
    }
out:
    return status;
}

/* Reads, hands out and prints; the main thread's part. */
static bcl_status pump(stream *s, int fd) {
    bcl_status status = BCL_OK;
    bcl_string rest = {0};
    size_t printed = 0, line = 1;
    bool more = true;
    while (more || printed < s->read) {
        if (more && s->read - printed < s->ring) {
            block *b = &s->blocks[s->read % s->ring];
            BCL_TRY(fill_block(b, &rest, fd, s->job->name, &more));
            b->first_line = line;
            b->done = false;
            for (const char *p = b->data, *end = b->data + b->size;
                 p < end && (p = memchr(p, '\n', (size_t)(end - p))); p++)
                line++;
            pthread_mutex_lock(&s->mutex);
            s->read++;
            pthread_cond_broadcast(&s->changed);
            pthread_mutex_unlock(&s->mutex);
        }
        block *b = &s->blocks[printed % s->ring];
        pthread_mutex_lock(&s->mutex);
        /* A full ring, the end, or slow input (a block that a pipe filled only partly): print. */
        bool wait = !more || s->read - printed == s->ring ||
                    s->blocks[(s->read - 1) % s->ring].size < BLOCK_BYTES / 2;
        while (wait && printed < s->read && !b->done)
            pthread_cond_wait(&s->changed, &s->mutex);
        bool ready = printed < s->read && b->done;
        pthread_mutex_unlock(&s->mutex);
        if (!ready)
            continue;
        printed++;
        if (b->out.size && fwrite(b->out.data, 1, b->out.size, stdout) != b->out.size)
            BCL_FAIL(BCL_ERROR_IO, "standard output: cannot write");
        if (b->status)
            BCL_FAIL(b->status, "%s", b->message);
        s->totals->lines += b->lines;
        s->totals->bytes += b->size;
        s->totals->pieces += b->pieces;
        if (wait)
            fflush(stdout);
    }
out:
    pthread_mutex_lock(&s->mutex);
    s->ended = true;
    if (status)
        s->taken = s->read; /* nobody needs the rest */
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->mutex);
    bcl_string_free(&rest);
    return status;
}

bcl_status bcl_tokenize_lines(bcl_tokenize_totals *totals, const bcl_tokenize_job *job, int fd) {
    bcl_status status = BCL_OK;
    stream s = {.job = job, .totals = totals};
    pthread_t threads[BCL_TOKENIZE_THREADS];
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    size_t started = 0, want = job->threads ? job->threads : cores < 1 ? 1 : (size_t)cores;
    want = want > BCL_TOKENIZE_THREADS ? BCL_TOKENIZE_THREADS : want;
    pthread_mutex_init(&s.mutex, NULL);
    pthread_cond_init(&s.changed, NULL);
    s.ring = 2 * want + 1;
    BCL_NEW(s.blocks, s.ring);
    while (started < want && !pthread_create(&threads[started], NULL, work, &s))
        started++;
    if (!started)
        BCL_FAIL(BCL_ERROR_MEMORY, "cannot start a thread");
    const double begin = bcl_seconds();
    status = pump(&s, fd);
    totals->seconds = bcl_seconds() - begin;
    totals->threads = started;
    for (size_t i = 0; i < started; i++)
        pthread_join(threads[i], NULL);
out:
    for (size_t i = 0; s.blocks && i < s.ring; i++) {
        free(s.blocks[i].data);
        bcl_string_free(&s.blocks[i].out);
    }
    free(s.blocks);
    pthread_cond_destroy(&s.changed);
    pthread_mutex_destroy(&s.mutex);
    return status;
}
