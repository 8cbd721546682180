/* A pool's worker: one device, whose driver this process alone loads. While it computes a batch the
 * next one is read. */
#include "dist/pool.h"
#include "dist/dist.h"
#include "model/files.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

typedef struct worker {
    int fd;
    bcl_session *session;
    bcl_pipeline *pipeline;
    pool_shape shape;
    pool_head heads[BCL_PIPELINE_SLOTS]; /* of the batches on their way, by slot */
    size_t on_way;
    bcl_string in, out;
    bcl_sample *samples; /* (sentences) */
    uint32_t *which;     /* (sentences) 0, 1, ... */
} worker;

/* Who gave the work is gone, and so is who waits for it. */
static void read_all(int fd, void *data, size_t bytes) {
    for (size_t at = 0; at < bytes;) {
        const ssize_t n = read(fd, (char *)data + at, bytes - at);
        if (!n || (n < 0 && errno != EINTR))
            _exit(0);
        at += n > 0 ? (size_t)n : 0;
    }
}

static void write_all(int fd, const void *data, size_t bytes) {
    for (size_t at = 0; at < bytes;) {
        const ssize_t n = write(fd, (const char *)data + at, bytes - at);
        if (n < 0 && errno != EINTR)
            _exit(0);
        at += n > 0 ? (size_t)n : 0;
    }
}

static void say(const worker *w, pool_head head, const void *data, size_t bytes) {
    head.bytes = bytes;
    write_all(w->fd, &head, sizeof head);
    write_all(w->fd, data, bytes);
}

/* Takes a batch's results. */
static bcl_status answer(void *context, bcl_slot *s) {
    bcl_status status = BCL_OK;
    worker *w = context;
    const size_t T = (size_t)s->batch.T, K = (size_t)w->shape.labels;
    char place[BCL_MODEL_PLACE] = "";
    pool_head head = w->heads[s->index];
    w->on_way--;
    head.kind = POOL_ANSWER;
    if ((s->row_loss && bcl_floats_finite(s->row_loss, T) < T) ||
        bcl_floats_finite(s->logits, T * K) < T * K)
        BCL_TRY(bcl_pipeline_find_overflow(place, w->pipeline, s));
    w->out.size = 0;
    BCL_TRY(bcl_string_add(&w->out, place, sizeof place));
    if (s->row_loss) {
        BCL_TRY(bcl_string_add(&w->out, s->row_loss, T * sizeof *s->row_loss));
        BCL_TRY(bcl_string_add(&w->out, s->predicted, T * sizeof *s->predicted));
    }
    BCL_TRY(bcl_string_add(&w->out, s->logits, T * K * sizeof *s->logits));
    say(w, head, w->out.data, w->out.size);
out:
    return status;
}

static bcl_status prepare(worker *w) {
    bcl_status status = BCL_OK;
    const pool_shape *s = &w->shape;
    if (w->pipeline) /* all is answered, wanted or not, so that it can be counted */
        BCL_TRY(bcl_pipeline_drain(w->pipeline));
    bcl_pipeline_free(w->pipeline);
    w->pipeline = NULL;
    memcpy(&w->shape, w->in.data, sizeof w->shape);
    free(w->samples);
    free(w->which);
    w->samples = NULL;
    w->which = NULL;
    BCL_NEW(w->samples, (size_t)s->sentences);
    BCL_NEW(w->which, (size_t)s->sentences);
    for (int i = 0; i < s->sentences; i++)
        w->which[i] = (uint32_t)i;
    BCL_TRY(bcl_pipeline_create(&w->pipeline, w->session->model,
                                &(bcl_pipeline_options){.outputs = s->outputs | BCL_OUTPUT_LOGITS,
                                                        .tokens = s->tokens,
                                                        .sentences = s->sentences,
                                                        .labels = s->labels,
                                                        .collect = answer,
                                                        .context = w}));
    BCL_TRY(bcl_model_reserve(w->session->model,
                              &(bcl_capacity){.tokens = s->tokens, .sentences = s->sentences}));
out:
    return status;
}

static bcl_status compute(worker *w, const pool_head *head) {
    bcl_status status = BCL_OK;
    const int32_t *list = (const int32_t *)(const void *)w->in.data;
    const int B = list[0];
    const int32_t *lengths = list + 1, *ids = lengths + B, *labels = ids;
    bcl_slot *slot;
    for (int i = 0; i < B; i++)
        labels += lengths[i];
    for (int i = 0; i < B; i++) {
        w->samples[i] =
            (bcl_sample){.ids = ids, .labels = labels, .length = lengths[i], .number = (uint32_t)i};
        ids += lengths[i];
        labels += lengths[i];
    }
    BCL_TRY(bcl_pipeline_next(&slot, w->pipeline));
    w->heads[slot->index] = *head;
    BCL_TRY(bcl_batch_pack(&slot->batch, w->samples, w->which, B, NULL));
    BCL_TRY(bcl_pipeline_compute(w->pipeline));
    w->on_way++;
out:
    return status;
}

static bool comes_more(const worker *w) {
    struct pollfd p = {.fd = w->fd, .events = POLLIN};
    return poll(&p, 1, 0) > 0;
}

static bcl_status open_device(worker *w, const char *device) {
    bcl_status status = BCL_OK;
    pool_about about = {.name = ""};
    bcl_session *s = w->session;
    free(s->device_id);
    s->device_id = NULL;
    BCL_TRY(bcl_strdup(&s->device_id, device));
    s->tune = false; /* that was done */
    BCL_TRY(bcl_session_load(s, BCL_SESSION_FOR_INFERENCE, 0));
    snprintf(about.name, sizeof about.name, "%s", bcl_session_device_name(s));
    snprintf(about.gemm, sizeof about.gemm, "%s", bcl_session_gemm(s));
    snprintf(about.precision, sizeof about.precision, "%s", bcl_session_precision(s));
    say(w, (pool_head){.kind = POOL_READY}, &about, sizeof about);
out:
    return status;
}

void bcl_pool_work(int fd, bcl_session *session, const char *device) {
    bcl_status status = BCL_OK;
    worker w = {.fd = fd, .session = session};
    pool_head head;
    BCL_TRY(open_device(&w, device));
    for (;;) {
        if (w.on_way && !comes_more(&w))
            BCL_TRY(bcl_pipeline_drain(w.pipeline));
        read_all(fd, &head, sizeof head);
        w.in.size = 0;
        BCL_TRY(bcl_grow(&w.in.data, &w.in.capacity, (size_t)head.bytes + 1, 1));
        w.in.size = (size_t)head.bytes;
        read_all(fd, w.in.data, w.in.size);
        if (head.kind == POOL_PREPARE)
            BCL_TRY(prepare(&w));
        else
            BCL_TRY(compute(&w, &head));
    }
out:;
    pool_fault fault = {.status = status};
    snprintf(fault.text, sizeof fault.text, "%s", bcl_message());
    say(&w, (pool_head){.kind = POOL_FAULT}, &fault, sizeof fault);
    _exit(1);
}
