/* Which answers of different devices may both be right, by answers that are made here; and what the
 * checks cost where all devices are well, in batches. */
#include "dist/dist.h"
#include "dist/pool_compare.h"
#include "model/pipeline.h"
#include "support/device.h"
#include "support/tiny_model.h"

enum { B = 3, T = 12, K = 5 };
static const int32_t lengths[B] = {5, 3, 4};

/* B, lengths, ids, labels */
static int32_t message[1 + B + 2 * T];
static float logits[2][T * K], losses[T];
static int32_t predicted[T];
static pool_batch batch;

static void fill(void) {
    message[0] = B;
    memcpy(message + 1, lengths, sizeof lengths);
    for (int t = 0; t < T; t++) {
        message[1 + B + t] = t;
        message[1 + B + T + t] = t % 3 ? t % K : -100;
    }
    batch = bcl_pool_batch(message);
    for (int t = 0; t < T; t++) {
        float *x = logits[0] + t * K, sum = 0;
        for (int k = 0; k < K; k++) {
            x[k] = (float)sin(3 * t + k) * 4;
            sum += expf(x[k]);
            predicted[t] = !k || x[k] > x[predicted[t]] ? k : predicted[t];
        }
        losses[t] = batch.labels[t] < 0 ? 0 : logf(sum) - x[batch.labels[t]];
    }
    memcpy(logits[1], logits[0], sizeof logits[0]);
}

static pool_answer answer(void) {
    return (pool_answer){
        .place = "", .row_loss = losses, .predicted = predicted, .logits = logits[0]};
}

static void test_layout(void **state) {
    (void)state;
    int row;
    fill();
    assert_int_equal(batch.T, T);
    assert_int_equal(batch.ids[T - 1], T - 1);
    const pool_batch last = bcl_pool_sentence(&row, &batch, 2);
    assert_int_equal(row, 8);
    assert_int_equal(last.T, 4);
    assert_int_equal(last.ids[0], 8);
    assert_int_equal(last.labels[1], batch.labels[9]);
}

static void test_sound(void **state) {
    (void)state;
    char text[200];
    pool_answer a;
    fill();
    a = answer();
    assert_true(bcl_pool_is_sound(text, sizeof text, &batch, &a, K));
    predicted[3] = (predicted[3] + 1) % K;
    assert_false(bcl_pool_is_sound(text, sizeof text, &batch, &a, K));
    static const int32_t beyond[] = {K, -1, INT32_MAX};
    for (size_t i = 0; i < 3; i++) {
        fill();
        predicted[T - 1] = beyond[i];
        assert_false(bcl_pool_is_sound(text, sizeof text, &batch, &a, K));
    }
    static const float wrong[] = {0.5F, NAN, -1, INFINITY};
    for (size_t i = 0; i < 4; i++) {
        fill();
        losses[1] += wrong[i];
        assert_false(bcl_pool_is_sound(text, sizeof text, &batch, &a, K));
        assert_non_null(strstr(text, "loss"));
    }
    fill(); /* of a piece that has no label, a loss is nothing */
    losses[0] = 7;
    assert_true(bcl_pool_is_sound(text, sizeof text, &batch, &a, K));
    a.row_loss = NULL;
    a.predicted = NULL;
    assert_true(bcl_pool_is_sound(text, sizeof text, &batch, &a, K));
}

static bool agree(pool_difference *d, bool rounds) {
    const bool one = bcl_pool_agree(d, &batch, logits[0], logits[1], K, rounds);
    pool_difference other;
    assert_int_equal(one, bcl_pool_agree(&other, &batch, logits[1], logits[0], K, rounds));
    return one;
}

static void test_rounding(void **state) {
    (void)state;
    pool_difference d;
    fill();
    assert_true(agree(&d, false));
    for (int i = 0; i < T * K; i++)
        logits[1][i] *= 1 + (i % 2 ? 1e-3F : -1e-3F);
    assert_true(agree(&d, false));
    for (int i = 0; i < T * K; i++)
        logits[1][i] *= 1 + (i % 2 ? 0.1F : -0.1F);
    assert_false(agree(&d, false));
    assert_true(agree(&d, true));
    fill(); /* a piece that is nearly of two kinds */
    logits[1][7] += 3;
    assert_true(agree(&d, true));
    assert_false(agree(&d, false));
}

static void test_wrong(void **state) {
    (void)state;
    pool_difference d;
    for (int rounds = 0; rounds < 2; rounds++) {
        fill(); /* what is not there, in the last two sentences: the shorter one is named */
        for (int i = 5 * K; i < T * K; i++)
            logits[1][i] = 0.01F;
        assert_false(agree(&d, rounds));
        assert_int_equal(d.sentence, 1);
        assert_in_range(d.row, 5, 7);
        assert_true(d.other == 0.01F);
        fill(); /* all are */
        memset(logits[1], 0, sizeof logits[1]);
        assert_false(agree(&d, rounds));
        fill(); /* huge */
        logits[1][20] = 1e30F;
        assert_false(agree(&d, rounds));
        fill(); /* not finite in one, in both */
        logits[1][20] = NAN;
        assert_false(agree(&d, rounds));
        assert_int_equal(d.sentence, 0);
        logits[0][20] = INFINITY;
        assert_true(agree(&d, rounds));
    }
}

/* ---- a pool ---- */

static bcl_session *session;
static bcl_device_info about;
static size_t collected;

static bcl_status collect(void *context, bcl_slot *slot) {
    (void)context;
    collected++;
    assert_int_equal(bcl_floats_finite(slot->row_loss, (size_t)slot->batch.T), slot->batch.T);
    return BCL_OK;
}

/* Sends `count` batches through a pipeline of its own. */
static void compute(int count) {
    enum { LENGTH = 9, SENTENCES = 4 };
    int32_t ids[LENGTH], labels[LENGTH];
    bcl_sample samples[SENTENCES];
    static const uint32_t which[SENTENCES] = {0, 1, 2, 3};
    bcl_pipeline *pipeline = NULL;
    const bcl_pipeline_options options = {.outputs = BCL_OUTPUT_LABELS,
                                          .tokens = LENGTH * SENTENCES,
                                          .sentences = SENTENCES,
                                          .labels = session->config.labels,
                                          .collect = collect};
    OK(bcl_pipeline_create_remote(&pipeline, session->remote, &options));
    for (int i = 0; i < count; i++) {
        bcl_slot *slot;
        for (int t = 0; t < LENGTH; t++) {
            ids[t] = (i * 7 + t * 5) % TINY_VOCABULARY;
            labels[t] = (i + t) % session->config.labels;
        }
        for (int s = 0; s < SENTENCES; s++)
            samples[s] = (bcl_sample){.ids = ids + s, .labels = labels, .length = LENGTH - s};
        OK(bcl_pipeline_next(&slot, pipeline));
        OK(bcl_batch_pack(&slot->batch, samples, which, SENTENCES, NULL));
        OK(bcl_pipeline_compute(pipeline));
    }
    OK(bcl_pipeline_drain(pipeline));
    bcl_pipeline_free(pipeline);
}

static void test_cost(void **state) {
    (void)state;
    enum { DEVICES = 3 };
    static const int counts[] = {1, 5, 100, 2000};
    bcl_rank_place places[DEVICES] = {{0}};
    for (int n = 1; n <= DEVICES; n++) {
        bcl_pool *pool = NULL;
        bcl_pool_findings found = {0}, before;
        places[n - 1].device = about.id;
        OK(bcl_pool_open(&pool, session, places, (size_t)n));
        for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
            before = found;
            collected = 0;
            compute(counts[i]);
            OK(bcl_pool_settle(&found, pool));
            const uint64_t batches = found.batches - before.batches,
                           checked = found.checked - before.checked;
            assert_false(found.doubtful);
            assert_int_equal(collected, counts[i]);
            assert_int_equal(batches, counts[i]);
            printf("%d devices: %llu batches, %llu computed twice\n", n,
                   (unsigned long long)batches, (unsigned long long)checked);
            /* the first and the last of each, and one of 64 */
            assert_in_range(checked, n > 1, n > 1 ? 2 * n + counts[i] / 64 : 0);
        }
        bcl_pool_free(pool);
    }
}

static void test_reference(void **state) {
    (void)state;
    enum { LENGTH = 6 };
    const int32_t one[] = {2, LENGTH, LENGTH, 2, 9, 7, 5, 4, 3, 2, 8, 30, 6, 70, 3,
                           0, 0,      0,      0, 0, 0, 0, 0, 0, 0, 0, 0,  0, 0,  0};
    const pool_batch text = bcl_pool_batch(one);
    float *exact, *second;
    pool_difference d;
    bcl_session *device = NULL;
    bcl_batch packed;
    cl_event event = NULL;
    const size_t count = LENGTH * (size_t)session->config.labels;
    const bcl_session_options options = {.model = session->folder, .device = about.id};
    OK(bcl_pool_refer(&exact, session, &text, 0));
    OK(bcl_pool_refer(&second, session, &text, 1));
    const pool_batch half = {
        .B = 1, .T = LENGTH, .lengths = text.lengths, .ids = text.ids, .labels = text.labels};
    assert_false(bcl_pool_agree(&d, &half, exact, second, session->config.labels, false));
    /* the weights are those that the device loads */
    OK(bcl_session_open(&device, &options));
    const bcl_sample sample = {.ids = text.ids, .length = LENGTH};
    float *got = calloc(count, sizeof *got);
    OK(bcl_model_reserve(device->model, &(bcl_capacity){.tokens = LENGTH, .sentences = 1}));
    OK(bcl_batch_create(&packed, LENGTH, 1));
    OK(bcl_batch_pack(&packed, &sample, &(uint32_t){0}, 1, NULL));
    OK(bcl_model_forward(device->model, &packed, NULL));
    OK(bcl_model_read_logits(device->model, got, &event));
    OK(bcl_event_finish(&event));
    assert_true(bcl_pool_agree(&d, &half, exact, got, session->config.labels, false));
    for (size_t i = 0; i < count; i++)
        assert_true(fabsf(exact[i] - got[i]) <= 1e-4F * (1 + fabsf(exact[i])));
    bcl_batch_free(&packed);
    bcl_session_free(device);
    free(got);
    free(exact);
    free(second);
}

int main(void) {
    const struct CMUnitTest plain[] = {cmocka_unit_test(test_layout), cmocka_unit_test(test_sound),
                                       cmocka_unit_test(test_rounding),
                                       cmocka_unit_test(test_wrong)};
    const struct CMUnitTest devices[] = {cmocka_unit_test(test_cost),
                                         cmocka_unit_test(test_reference)};
    int failed = cmocka_run_group_tests(plain, NULL, NULL);
    if (test_device_find(&about))
        return failed ? failed : test_device_code;
    char *folder = test_folder();
    const bcl_session_options options = {.model = folder};
    OK(tiny_model_write(folder, &TINY));
    OK(bcl_session_prepare(&session, &options));
    failed += cmocka_run_group_tests(devices, NULL, NULL);
    bcl_session_free(session);
    free(folder);
    return failed;
}
