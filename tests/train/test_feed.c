/* The plan of a run's batches and the thread that packs them: limits, exact steps, the same batches
 * from any step on, and an end in the middle. */
#include "support/support.h"

#include "train/train.h"

enum { COUNT = 50, LONGEST = 20 };

typedef struct data {
    bcl_dataset set;
    bcl_sample samples[COUNT];
    int32_t ids[COUNT * LONGEST], labels[COUNT * LONGEST];
    int32_t slots[64];
} data;

static void make(data *d) {
    memset(d, 0, sizeof *d);
    for (int i = 0; i < 64; i++)
        d->slots[i] = i % 5 ? i / 2 : -1;
    for (int i = 0; i < COUNT; i++) {
        const int length = 3 + (int)(bcl_mix64((uint64_t)i) % (LONGEST - 2));
        int32_t *ids = d->ids + i * LONGEST, *labels = d->labels + i * LONGEST;
        for (int k = 0; k < length; k++) {
            ids[k] = (int32_t)(bcl_mix64((uint64_t)(i * 100 + k)) % 64);
            labels[k] = k % 3 ? k : -100;
        }
        d->samples[i] = (bcl_sample){ids, labels, length, (uint32_t)i};
        d->set.pieces += (size_t)length;
        d->set.longest = length > d->set.longest ? length : d->set.longest;
    }
    d->set.samples = d->samples;
    d->set.count = COUNT;
}

/* What a batch is, in one number, and what must hold for it. */
static uint64_t check_batch(const data *d, const bcl_train_options *o, const bcl_fed *f) {
    const bcl_batch *b = &f->batch;
    uint64_t sum = bcl_mix64((uint64_t)f->step) + f->first + 2 * (uint64_t)f->last;
    assert_true(b->T > 0 && (!o->max_tokens || b->T <= o->max_tokens));
    assert_true(b->B > 0 && (!o->batch || b->B <= o->batch));
    for (int t = 0; t < b->T; t++) {
        const bcl_sample *s = &d->samples[b->samples[t]];
        assert_int_equal(b->ids[t], s->ids[b->positions[t]]);
        sum = bcl_mix64(sum ^ (uint64_t)(b->ids[t] + 1000 * b->samples[t]));
    }
    for (int u = 0; u < b->U; u++)
        for (int k = b->unique_starts[u]; k < b->unique_starts[u + 1]; k++) {
            assert_int_equal(d->slots[b->ids[b->order[k]]], b->unique_slots[u]);
            assert_true(
                k == b->unique_starts[u] ||
                (b->ids[b->order[k]] == b->ids[b->order[k - 1]] && b->order[k] > b->order[k - 1]));
        }
    return sum;
}

/* All batches from `step` on; their numbers to `out`. Returns how many of which steps. */
static size_t run(const data *d, const bcl_train_options *o, const bcl_train_plan *plan,
                  int64_t step, uint64_t *out) {
    bcl_feed *feed = NULL;
    const bcl_fed *fed;
    size_t n = 0, held = 0, tokens = 0, labelled = 0;
    OK(bcl_feed_start(&feed, &d->set, o, plan, d->slots, step, NULL));
    while (step < plan->steps) {
        if (held == 2) {
            bcl_feed_give_back(feed);
            held--;
        }
        OK(bcl_feed_next(&fed, feed));
        held++;
        assert_int_equal(fed->step, step);
        out[n++] = check_batch(d, o, fed);
        tokens += (size_t)fed->batch.T;
        labelled += (size_t)fed->batch.labelled;
        if (!fed->last)
            continue;
        assert_int_equal(tokens, fed->tokens);
        assert_int_equal(labelled, fed->labelled);
        tokens = labelled = 0;
        step++;
    }
    bcl_feed_stop(feed);
    return n;
}

static const bcl_train_options OPTIONS[] = {
    {.epochs = 3, .batch = 4, .accumulate = 1},
    {.epochs = 3, .batch = 4, .accumulate = 3, .seed = 1},
    {.epochs = 4, .max_tokens = 20, .accumulate = 1, .seed = 2},
    {.epochs = 4, .max_tokens = 47, .accumulate = 2, .seed = 3},
    {.epochs = 4, .max_tokens = 60, .batch = 3, .accumulate = 4, .seed = 4},
    {.epochs = 4, .max_tokens = 5000, .accumulate = 1, .seed = 5},
    {.epochs = 9, .max_tokens = 50, .accumulate = 2, .max_steps = 31, .seed = 6}};

static void test_batches(void **state) {
    (void)state;
    data d;
    make(&d);
    for (size_t i = 0; i < sizeof OPTIONS / sizeof *OPTIONS; i++) {
        const bcl_train_options *o = &OPTIONS[i];
        uint64_t all[10 * COUNT], some[10 * COUNT];
        bcl_train_plan plan;
        OK(bcl_train_plan_create(&plan, &d.set, o));
        assert_true(!o->max_steps || plan.steps == o->max_steps);
        assert_int_equal(plan.first_step[plan.epochs], plan.steps);
        const size_t n = run(&d, o, &plan, 0, all);
        for (int64_t step = 0; step <= plan.steps; step++) {
            const int64_t epoch = bcl_train_plan_epoch(&plan, step < plan.steps ? step : 0);
            assert_true(step == plan.steps ||
                        (plan.first_step[epoch] <= step && step < plan.first_step[epoch + 1]));
            const size_t rest = run(&d, o, &plan, step, some);
            assert_true(rest <= n && (step < plan.steps || rest == 0));
            assert_memory_equal(some, all + (n - rest), rest * sizeof *all);
        }
        bcl_train_plan_free(&plan);
    }
}

/* Every sentence once an epoch, and no batch that had room for the next one. */
static void test_epoch(void **state) {
    (void)state;
    data d;
    make(&d);
    const bcl_train_options o = {.epochs = 1, .max_tokens = 40, .accumulate = 1};
    uint32_t order[COUNT];
    size_t tokens;
    bcl_train_order(order, COUNT, o.seed, 0);
    for (size_t i = 0, n; i < COUNT; i += n) {
        n = bcl_train_take(&d.set, &o, order, i, &tokens);
        assert_true(n > 0 && tokens <= 40);
        assert_true(i + n == COUNT || tokens + (size_t)d.samples[order[i + n]].length > 40);
    }
}

static void test_stop(void **state) {
    (void)state;
    data d;
    make(&d);
    bcl_train_plan plan;
    OK(bcl_train_plan_create(&plan, &d.set, &OPTIONS[3]));
    for (int taken = 0; taken < 4; taken++) {
        bcl_feed *feed = NULL;
        const bcl_fed *fed;
        OK(bcl_feed_start(&feed, &d.set, &OPTIONS[3], &plan, d.slots, 0, NULL));
        for (int i = 0; i < taken; i++) {
            OK(bcl_feed_next(&fed, feed));
            if (i)
                bcl_feed_give_back(feed);
        }
        bcl_feed_stop(feed);
    }
    bcl_train_plan_free(&plan);
}

static void test_errors(void **state) {
    (void)state;
    data d;
    make(&d);
    bcl_train_plan plan, small;
    bcl_feed *feed = NULL;
    const bcl_fed *fed;
    char expected[64];
    const bcl_train_options o = {.epochs = 1, .max_tokens = d.set.longest - 1, .accumulate = 1};
    snprintf(expected, sizeof expected, "found %d, sentence ", d.set.longest - 1);
    FAILS(bcl_train_plan_create(&plan, &d.set, &o), BCL_ERROR_ARGUMENT, expected);
    snprintf(expected, sizeof expected, "has %d word pieces", d.set.longest);
    FAILS(bcl_train_plan_create(&plan, &d.set, &o), BCL_ERROR_ARGUMENT, expected);
    /* an error of the thread reaches the loop, with its message */
    OK(bcl_train_plan_create(&plan, &d.set, &OPTIONS[0]));
    small = plan;
    small.tokens = 10;
    OK(bcl_feed_start(&feed, &d.set, &OPTIONS[0], &small, d.slots, 0, NULL));
    FAILS(bcl_feed_next(&fed, feed), BCL_ERROR_ARGUMENT, "over 10 tokens");
    bcl_feed_stop(feed);
    bcl_train_plan_free(&plan);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_batches), cmocka_unit_test(test_epoch),
                                       cmocka_unit_test(test_stop), cmocka_unit_test(test_errors)};
    return cmocka_run_group_tests_name("feed", tests, NULL, NULL);
}
