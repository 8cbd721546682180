/* The pipeline: what is collected and when, slots in turn, failures of who collects. */
#include "model/pipeline.h"
#include "support/device.h"

enum { V = 100, K = 3, COUNT = 7, LENGTH = 9, TOKENS = 32 };

static bcl_model *model;
static bcl_config config;
static int32_t ids[COUNT][LENGTH], labels[COUNT][LENGTH];
static bcl_sample samples[COUNT];

static void begin(void) {
    OK(bcl_config_default(&config));
    config.hidden = 32;
    config.heads = 4;
    config.head_size = 8;
    config.intermediate = 64;
    config.layers = 1;
    config.vocabulary = V;
    config.positions = 16;
    config.pad_token_id = -1;
    OK(bcl_config_set_labels(&config, (const char *const[]){"O", "A", "B"}, K));
    OK(bcl_model_create(&model, test_device, &config, test_small ? "reference" : NULL,
                        BCL_PRECISION_FP32, 5));
    OK(bcl_model_reserve(model, &(bcl_capacity){.tokens = TOKENS, .sentences = COUNT}));
    for (int b = 0; b < COUNT; b++) {
        samples[b] = (bcl_sample){ids[b], labels[b], 1 + b % LENGTH, (uint32_t)b};
        for (int i = 0; i < LENGTH; i++) {
            ids[b][i] = (b * 31 + i * 7) % V;
            labels[b][i] = (b + i) % K;
        }
    }
}

static void end(void) {
    bcl_model_free(model);
    bcl_config_free(&config);
}

typedef struct seen {
    int count, fail_at; /* fail_at: the number of the one to fail, from 1 */
    uint32_t which[COUNT];
    float logits[COUNT][LENGTH * K], loss[COUNT];
    uint32_t sent[BCL_PIPELINE_SLOTS];
} seen;

static bcl_status collect(void *context, bcl_slot *slot) {
    seen *s = context;
    const int n = slot->batch.T;
    if (s->count + 1 == s->fail_at)
        return bcl_fail(BCL_ERROR_FORMAT, "enough");
    s->which[s->count++] = s->sent[slot->index];
    memcpy(s->logits[s->sent[slot->index]], slot->logits, (size_t)(n * K) * sizeof(float));
    if (slot->row_loss)
        s->loss[s->sent[slot->index]] = slot->row_loss[n - 1];
    return BCL_OK;
}

static bcl_status send(bcl_pipeline *p, seen *s, uint32_t b) {
    bcl_status status = BCL_OK;
    bcl_slot *slot;
    BCL_TRY(bcl_pipeline_next(&slot, p));
    s->sent[slot->index] = b;
    BCL_TRY(bcl_batch_pack(&slot->batch, samples, &b, 1, NULL));
    BCL_TRY(bcl_model_forward(model, &slot->batch, NULL));
    BCL_TRY(bcl_model_loss(model, 0, false, false));
    BCL_TRY(bcl_pipeline_send(p));
out:
    return status;
}

static bcl_pipeline *make(seen *s, unsigned outputs) {
    bcl_pipeline *p = NULL;
    const bcl_pipeline_options options = {outputs, TOKENS, COUNT, K, collect, s};
    OK(bcl_pipeline_create(&p, model, &options));
    return p;
}

static void test_order(void **state) {
    seen together = {0}, alone = {0};
    (void)state;
    begin();
    bcl_pipeline *p = make(&together, BCL_OUTPUT_LABELS | BCL_OUTPUT_LOGITS);
    for (uint32_t b = 0; b < COUNT; b++) {
        OK(send(p, &together, b));
        assert_int_equal(together.count, b < 2 ? 0 : b - 1); /* two are on their way */
    }
    OK(bcl_pipeline_drain(p));
    assert_int_equal(together.count, COUNT);
    OK(bcl_pipeline_drain(p)); /* nothing is collected twice */
    assert_int_equal(together.count, COUNT);
    bcl_pipeline_free(p);
    p = make(&alone, BCL_OUTPUT_LOGITS);
    for (uint32_t b = 0; b < COUNT; b++) {
        OK(send(p, &alone, b));
        OK(bcl_pipeline_drain(p));
        assert_int_equal(alone.count, b + 1);
    }
    bcl_pipeline_free(p);
    for (uint32_t b = 0; b < COUNT; b++) {
        assert_int_equal(together.which[b], b);
        assert_true(together.loss[b] > 0);
        assert_memory_equal(together.logits[b], alone.logits[b], sizeof alone.logits[b]);
    }
    end();
}

static void test_failure(void **state) {
    seen s = {.fail_at = 2};
    (void)state;
    begin();
    bcl_pipeline *p = make(&s, BCL_OUTPUT_LOGITS);
    OK(send(p, &s, 0));
    OK(send(p, &s, 1));
    OK(send(p, &s, 2));
    FAILS(send(p, &s, 3), BCL_ERROR_FORMAT, "enough");
    bcl_pipeline_free(p); /* one is still on its way */
    assert_int_equal(s.count, 1);
    end();
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_order),
                                       cmocka_unit_test(test_failure)};
    return TEST_RUN_ON_DEVICE(tests);
}
