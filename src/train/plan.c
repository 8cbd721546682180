/* Which sentences make which batches and steps: a function of data, seed and options, known for the
 * whole run before it begins. */
#include "train/train.h"

void bcl_train_order(uint32_t *order, size_t count, uint64_t seed, int64_t epoch) {
    bcl_shuffle(order, count, bcl_mix64(bcl_mix64(seed) ^ 0x6f72646572u) + (uint64_t)epoch);
}

size_t bcl_train_take(const bcl_dataset *data, const bcl_train_options *o, const uint32_t *order,
                      size_t from, size_t *tokens) {
    return bcl_dataset_take(data, order, from, data->count, (size_t)o->batch, (size_t)o->max_tokens,
                            tokens);
}

static bcl_status check_lengths(const bcl_dataset *data, const bcl_train_options *o) {
    for (size_t i = 0; o->max_tokens && i < data->count; i++)
        if (data->samples[i].length > o->max_tokens)
            return bcl_fail(BCL_ERROR_ARGUMENT,
                            "--max-tokens: found %lld, sentence %zu of the training data has %d "
                            "word pieces; give at least %d, or cut sentences with --max-length",
                            (long long)o->max_tokens, i + 1, data->samples[i].length,
                            data->longest);
    return BCL_OK;
}

/* The batches of one epoch's order: counts its steps, up to the run's last one. */
static void add_epoch(bcl_train_plan *plan, const bcl_dataset *data, const bcl_train_options *o,
                      const uint32_t *order) {
    int64_t batches = 0;
    for (size_t i = 0, n, tokens; i < data->count; i += n, batches++) {
        if (batches % o->accumulate == 0) {
            if (o->max_steps && plan->steps == o->max_steps)
                return;
            plan->steps++;
        }
        n = bcl_train_take(data, o, order, i, &tokens);
        plan->tokens = (int)tokens > plan->tokens ? (int)tokens : plan->tokens;
        plan->sentences = (int)n > plan->sentences ? (int)n : plan->sentences;
    }
}

bcl_status bcl_train_plan_create(bcl_train_plan *plan, const bcl_dataset *data,
                                 const bcl_train_options *o) {
    bcl_status status = BCL_OK;
    uint32_t *order = NULL;
    size_t capacity = 0;
    *plan = (bcl_train_plan){0};
    BCL_TRY(check_lengths(data, o));
    BCL_NEW(order, data->count);
    for (; plan->epochs < o->epochs; plan->epochs++) {
        if (o->max_steps && plan->steps == o->max_steps)
            break;
        BCL_TRY(bcl_grow(&plan->first_step, &capacity, (size_t)plan->epochs + 2,
                         sizeof *plan->first_step));
        plan->first_step[plan->epochs] = plan->steps;
        bcl_train_order(order, data->count, o->seed, plan->epochs);
        add_epoch(plan, data, o, order);
        plan->first_step[plan->epochs + 1] = plan->steps;
    }
out:
    free(order);
    if (status)
        bcl_train_plan_free(plan);
    return status;
}

void bcl_train_plan_free(bcl_train_plan *plan) {
    free(plan->first_step);
    *plan = (bcl_train_plan){0};
}

bcl_capacity bcl_train_capacity(const bcl_train_plan *plan, const bcl_train_options *o) {
    return (bcl_capacity){.tokens = plan->tokens,
                          .sentences = plan->sentences,
                          .training = true,
                          .accumulate = o->accumulate > 1,
                          .recompute = o->recompute};
}

int64_t bcl_train_plan_epoch(const bcl_train_plan *plan, int64_t step) {
    int64_t low = 0, high = plan->epochs - 1;
    while (low < high) {
        const int64_t middle = (low + high + 1) / 2;
        if (plan->first_step[middle] <= step)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

static int by_length(const void *a, const void *b) {
    const bcl_divided *x = a, *y = b;
    return x->length != y->length ? (x->length < y->length) - (x->length > y->length)
                                  : (x->place > y->place) - (x->place < y->place);
}

static int by_place(const void *a, const void *b) {
    const bcl_divided *x = a, *y = b;
    return (x->place > y->place) - (x->place < y->place);
}

void bcl_train_divide(bcl_divided *out, double *tokens, const bcl_dataset *data,
                      const uint32_t *batch, size_t n, const double *shares, int size) {
    for (size_t i = 0; i < n; i++)
        out[i] = (bcl_divided){(uint32_t)i, data->samples[batch[i]].length, 0};
    for (int r = 0; r < size; r++)
        tokens[r] = 0;
    if (!n)
        return;
    qsort(out, n, sizeof *out, by_length);
    for (size_t i = 0; i < n; i++) {
        int first = 0;
        for (int r = 1; r < size; r++)
            if ((tokens[r] + out[i].length) / shares[r] <
                (tokens[first] + out[i].length) / shares[first])
                first = r;
        out[i].rank = first;
        tokens[first] += out[i].length;
    }
    qsort(out, n, sizeof *out, by_place);
}
