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
    const bcl_train_group *group; /* NULL: none */
    double *shares, *tokens;      /* (group size) of the step that is packed; each rank's */
    bcl_divided *divided;         /* (plan's sentences) of a batch */
    uint32_t *own;                /* (plan's sentences) this process' part of a batch */
    bool *seen;                   /* (rows) words of the step that is packed, by slot */
    int rows;
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

/* This process' part of the batch of n sentences at order[from]. */
static const uint32_t *part_of(bcl_feed *f, size_t from, size_t n, size_t *count) {
    const uint32_t *batch = f->order + from;
    *count = n;
    if (!f->group)
        return batch;
    bcl_train_divide(f->divided, f->tokens, f->data, batch, n, f->shares, f->group->size);
    *count = 0;
    for (size_t i = 0; i < n; i++)
        if (f->divided[i].rank == f->group->rank)
            f->own[(*count)++] = batch[i];
    return f->own;
}

/* Labelled and all tokens of the step that begins at order[from], the labels' weights, and in a
 * group this process' tokens. */
static void measure_step(bcl_feed *f, size_t from, bcl_fed *sums) {
    for (int64_t k = 0; k < f->o->accumulate && from < f->data->count; k++) {
        size_t sum, count;
        const size_t n = bcl_train_take(f->data, f->o, f->order, from, &sum);
        sums->tokens += sum;
        if (f->group) {
            part_of(f, from, n, &count);
            sums->own_tokens += (size_t)f->tokens[f->group->rank];
        }
        for (size_t end = from + n; from < end; from++) {
            const bcl_sample *s = &f->data->samples[f->order[from]];
            for (int i = 0; i < s->length; i++) {
                if (s->labels[i] >= 0) {
                    sums->labelled++;
                    sums->weight += f->o->class_weights ? f->o->class_weights[s->labels[i]] : 1;
                }
                if (f->seen && f->slot_of[s->ids[i]] >= 0)
                    f->seen[f->slot_of[s->ids[i]]] = true;
            }
        }
    }
}

/* The words that were seen, and none for the next step. */
static void list_slots(bcl_feed *f, bcl_fed *fed) {
    fed->slot_count = 0;
    for (int i = 0; i < f->rows; i++)
        if (f->seen[i]) {
            fed->slots[fed->slot_count++] = i;
            f->seen[i] = false;
        }
}

/* Packs a step's batches; *from goes behind them. *ended: the loop wants no more. */
static bcl_status pack_step(bcl_feed *f, int64_t step, size_t *from, bool *ended) {
    bcl_status status = BCL_OK;
    bcl_fed sums = {.step = step};
    size_t sum, count;
    if (f->group)
        f->group->shares(f->group->context, step, f->shares);
    measure_step(f, *from, &sums);
    for (int64_t k = 0; k < f->o->accumulate && *from < f->data->count; k++) {
        bcl_fed *fed = free_place(f);
        if (!fed) {
            *ended = true;
            goto out;
        }
        const size_t n = bcl_train_take(f->data, f->o, f->order, *from, &sum);
        const uint32_t *own = part_of(f, *from, n, &count);
        BCL_TRY(bcl_batch_pack(&fed->batch, f->data->samples, own, (int)count, f->slot_of));
        *from += n;
        fed->step = step;
        fed->first = k == 0;
        fed->last = k + 1 == f->o->accumulate || *from == f->data->count;
        fed->labelled = sums.labelled;
        fed->weight = sums.weight;
        fed->tokens = sums.tokens;
        fed->own_tokens = sums.own_tokens;
        if (f->group && fed->last)
            list_slots(f, fed);
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

/* A step's words are listed in memory of their own. */
static bcl_status prepare_group(bcl_feed *f) {
    bcl_status status = BCL_OK;
    for (size_t i = 0; i < f->data->count; i++)
        for (int k = 0; k < f->data->samples[i].length; k++) {
            const int32_t slot = f->slot_of[f->data->samples[i].ids[k]];
            f->rows = slot >= f->rows ? slot + 1 : f->rows;
        }
    BCL_NEW(f->shares, (size_t)f->group->size);
    BCL_NEW(f->tokens, (size_t)f->group->size);
    BCL_NEW(f->divided, (size_t)f->plan->sentences);
    BCL_NEW(f->own, (size_t)f->plan->sentences);
    BCL_NEW(f->seen, (size_t)f->rows);
    for (int i = 0; i < RING; i++)
        BCL_NEW(f->ring[i].slots, (size_t)f->rows);
out:
    return status;
}

bcl_status bcl_feed_start(bcl_feed **out, const bcl_dataset *data, const bcl_train_options *options,
                          const bcl_train_plan *plan, const int32_t *slot_of, int64_t step,
                          const bcl_train_group *group) {
    bcl_status status = BCL_OK;
    bcl_feed *f = NULL;
    BCL_NEW(f, 1);
    f->data = data;
    f->o = options;
    f->plan = plan;
    f->slot_of = slot_of;
    f->first = step;
    f->group = group;
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->changed, NULL);
    BCL_NEW(f->order, data->count);
    for (int i = 0; i < RING; i++)
        BCL_TRY(bcl_batch_create(&f->ring[i].batch, plan->tokens, plan->sentences));
    if (group)
        BCL_TRY(prepare_group(f));
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
    for (int i = 0; i < RING; i++) {
        bcl_batch_free(&f->ring[i].batch);
        free(f->ring[i].slots);
    }
    free(f->shares);
    free(f->tokens);
    free(f->divided);
    free(f->own);
    free(f->seen);
    pthread_cond_destroy(&f->changed);
    pthread_mutex_destroy(&f->lock);
    free(f->order);
    free(f);
}
