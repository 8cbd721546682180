/* Packs the batches of a run, in order, on a thread of its own, a few ahead of the loop. What is
 * packed depends on data, options and plan alone, so the thread's pace changes nothing. */
#include "train/train.h"

#include <pthread.h>

/* Two that the device has, and one to pack meanwhile. */
enum { RING = 3 };

struct bcl_feed {
    const bcl_dataset *data;
    const bcl_train_options *o;
    const bcl_train_plan *plan;
    const int32_t *slot_of;
    int64_t first; /* step */
    uint32_t *order;
    bcl_fed ring[RING];
    pthread_t thread;
    bool started;
    /* under the lock; counts of batches since the beginning */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint64_t packed, taken, returned;
    bool stop;
    bcl_status status; /* of the thread; its message too, as messages are a thread's own */
    char message[512];
};

/* Waits for a free place in the ring; NULL to end. */
static bcl_fed *free_place(bcl_feed *f) {
    pthread_mutex_lock(&f->lock);
    while (!f->stop && f->packed - f->returned == RING)
        pthread_cond_wait(&f->changed, &f->lock);
    bcl_fed *place = f->stop ? NULL : &f->ring[f->packed % RING];
    pthread_mutex_unlock(&f->lock);
    return place;
}

static void hand_over(bcl_feed *f) {
    pthread_mutex_lock(&f->lock);
    f->packed++;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

/* Labelled and all tokens of the step that begins at order[from]. */
static void measure_step(const bcl_feed *f, size_t from, size_t *labelled, size_t *tokens) {
    *labelled = *tokens = 0;
    for (int64_t k = 0; k < f->o->accumulate && from < f->data->count; k++) {
        size_t sum;
        const size_t end = from + bcl_train_take(f->data, f->o, f->order, from, &sum);
        *tokens += sum;
        for (; from < end; from++) {
            const bcl_sample *s = &f->data->samples[f->order[from]];
            for (int i = 0; i < s->length; i++)
                *labelled += s->labels[i] >= 0;
        }
    }
}

/* Packs a step's batches; *from goes behind them. *ended: the loop wants no more. */
static bcl_status pack_step(bcl_feed *f, int64_t step, size_t *from, bool *ended) {
    bcl_status status = BCL_OK;
    size_t labelled, tokens, sum;
    measure_step(f, *from, &labelled, &tokens);
    for (int64_t k = 0; k < f->o->accumulate && *from < f->data->count; k++) {
        bcl_fed *fed = free_place(f);
        if (!fed) {
            *ended = true;
            goto out;
        }
        const size_t n = bcl_train_take(f->data, f->o, f->order, *from, &sum);
        BCL_TRY(
            bcl_batch_pack(&fed->batch, f->data->samples, f->order + *from, (int)n, f->slot_of));
        *from += n;
        fed->step = step;
        fed->first = k == 0;
        fed->last = k + 1 == f->o->accumulate || *from == f->data->count;
        fed->labelled = labelled;
        fed->tokens = tokens;
        hand_over(f);
    }
out:
    return status;
}

static bcl_status pack_all(bcl_feed *f) {
    bcl_status status = BCL_OK;
    bool ended = false;
    int64_t step = f->first;
    while (step < f->plan->steps) {
        const int64_t epoch = bcl_train_plan_epoch(f->plan, step);
        size_t from = 0, tokens;
        bcl_train_order(f->order, f->data->count, f->o->seed, epoch);
        /* a resumed run begins within an epoch */
        for (int64_t k = (step - f->plan->first_step[epoch]) * f->o->accumulate; k > 0; k--)
            from += bcl_train_take(f->data, f->o, f->order, from, &tokens);
        for (; step < f->plan->first_step[epoch + 1]; step++) {
            BCL_TRY(pack_step(f, step, &from, &ended));
            if (ended)
                goto out;
        }
    }
out:
    return status;
}

static void *run(void *context) {
    bcl_feed *f = context;
    const bcl_status status = pack_all(f);
    if (status) {
        pthread_mutex_lock(&f->lock);
        f->status = status;
        snprintf(f->message, sizeof f->message, "%s", bcl_message());
        pthread_cond_broadcast(&f->changed);
        pthread_mutex_unlock(&f->lock);
    }
    return NULL;
}

bcl_status bcl_feed_start(bcl_feed **out, const bcl_dataset *data, const bcl_train_options *options,
                          const bcl_train_plan *plan, const int32_t *slot_of, int64_t step) {
    bcl_status status = BCL_OK;
    bcl_feed *f = NULL;
    BCL_NEW(f, 1);
    f->data = data;
    f->o = options;
    f->plan = plan;
    f->slot_of = slot_of;
    f->first = step;
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->changed, NULL);
    BCL_NEW(f->order, data->count);
    for (int i = 0; i < RING; i++)
        BCL_TRY(bcl_batch_create(&f->ring[i].batch, plan->tokens, plan->sentences));
    if (pthread_create(&f->thread, NULL, run, f))
        BCL_FAIL(BCL_ERROR_MEMORY, "cannot start a thread that packs batches");
    f->started = true;
    *out = f;
    f = NULL;
out:
    bcl_feed_stop(f);
    return status;
}

bcl_status bcl_feed_next(const bcl_fed **out, bcl_feed *f) {
    bcl_status status = BCL_OK;
    pthread_mutex_lock(&f->lock);
    while (!f->status && f->packed == f->taken)
        pthread_cond_wait(&f->changed, &f->lock);
    if (f->packed > f->taken)
        *out = &f->ring[f->taken++ % RING];
    else
        status = bcl_fail(f->status, "%s", f->message);
    pthread_mutex_unlock(&f->lock);
    return status;
}

void bcl_feed_give_back(bcl_feed *f) {
    pthread_mutex_lock(&f->lock);
    f->returned++;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

void bcl_feed_stop(bcl_feed *f) {
    if (!f)
        return;
    if (f->started) {
        pthread_mutex_lock(&f->lock);
        f->stop = true;
        pthread_cond_broadcast(&f->changed);
        pthread_mutex_unlock(&f->lock);
        pthread_join(f->thread, NULL);
    }
    for (int i = 0; i < RING; i++)
        bcl_batch_free(&f->ring[i].batch);
    pthread_cond_destroy(&f->changed);
    pthread_mutex_destroy(&f->lock);
    free(f->order);
    free(f);
}
