/* A model without a folder, and batches without text: new weights by a seed, training steps on
 * made-up pieces, weights loaded over them. */
#include "model/internal.h"
#include "support/device.h"

enum { C = 48, F = 96, LAYERS = 2, V = 500, K = 4, PAD = 3, COUNT = 6, LENGTH = 20 };

static void make_config(bcl_config *config) {
    static const char *const names[K] = {"O", "I-LOC", "I-ORG", "I-PER"};
    OK(bcl_config_default(config));
    config->hidden = C;
    config->heads = 4;
    config->head_size = C / 4;
    config->intermediate = F;
    config->layers = LAYERS;
    config->vocabulary = V;
    config->positions = 64;
    OK(bcl_config_set_labels(config, names, K));
    config->pad_token_id = PAD;
    config->initializer_range = 0.05;
}

static bcl_model *make_model(const bcl_config *config, uint64_t seed) {
    bcl_model *model = NULL;
    OK(bcl_model_create(&model, test_device, config, test_small ? "reference" : NULL,
                        BCL_PRECISION_FP32, seed));
    return model;
}

static float *read_named(bcl_model *model, int i, size_t *count) {
    const bcl_named *n = &bcl_model_layout(model)->named[i];
    *count = bcl_named_elements(n);
    float *x = random_floats(*count, 0, 1);
    OK(bcl_model_read(model, n, false, x));
    return x;
}

static bool same_weights(bcl_model *a, bcl_model *b, bool random_only) {
    bool same = true;
    for (int i = 0; i < bcl_model_layout(a)->named_count; i++) {
        size_t n, m;
        float *x = read_named(a, i, &n), *y = read_named(b, i, &m);
        assert_int_equal(n, m);
        const bool equal = !memcmp(x, y, n * sizeof *x);
        if (random_only && bcl_model_layout(a)->named[i].rank == 2)
            assert_false(equal); /* not one tensor of two seeds */
        same = same && equal;
        free(x);
        free(y);
    }
    return same;
}

/* Mean 0 and the standard deviation within what so many numbers may be off. */
static void check_random(const char *name, const float *x, size_t n, double std) {
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++) {
        sum += (double)x[i];
        squares += (double)x[i] * (double)x[i];
    }
    const double off = fabs(sum / (double)n) / std * sqrt((double)n),
                 wide = fabs(squares / (double)n / (std * std) - 1) * sqrt((double)n / 2);
    if (!(off < 5 && wide < 5))
        fail_msg("%s: mean is %.2f, variance %.2f standard errors off", name, off, wide);
}

static void test_new_weights(void **state) {
    bcl_config config;
    (void)state;
    make_config(&config);
    bcl_model *model = make_model(&config, 7), *twin = make_model(&config, 7),
              *other = make_model(&config, 8);
    const bcl_layout *layout = bcl_model_layout(model);
    for (int i = 0; i < layout->named_count; i++) {
        const bcl_named *named = &layout->named[i];
        const char *end = strrchr(named->name, '.');
        const float value = strstr(named->name, "LayerNorm") && !strcmp(end, ".weight") ? 1 : 0;
        size_t n;
        float *x = read_named(model, i, &n);
        for (size_t k = 0; k < n && named->rank == 1; k++)
            assert_true(x[k] == value);
        for (size_t k = 0; k < C && named->parameter == BCL_WORDS; k++)
            assert_true(x[PAD * C + k] == 0);
        if (named->parameter == BCL_WORDS)
            check_random(named->name, x, PAD * C, config.initializer_range);
        else if (named->rank == 2)
            check_random(named->name, x, n, config.initializer_range);
        free(x);
    }
    assert_true(same_weights(model, twin, false));
    assert_false(same_weights(model, other, true));
    bcl_model_free(model);
    bcl_model_free(twin);
    bcl_model_free(other);
    bcl_config_free(&config);
}

/* Sentences of made-up pieces whose label is the piece's number. */
static void make_samples(bcl_sample *samples, int32_t *ids, int32_t *labels) {
    for (int b = 0, t = 0; b < COUNT; b++) {
        samples[b] = (bcl_sample){ids + t, labels + t, 1 + (7 * b) % LENGTH, (uint32_t)b};
        for (int i = 0; i < samples[b].length; i++, t++) {
            ids[t] = PAD + 1 + (int32_t)(bcl_mix64((uint64_t)t) % 40);
            labels[t] = ids[t] % K;
        }
    }
}

static float train(bcl_model *model, int steps) {
    static const bcl_adam adam = {3e-3, 0.9, 0.999, 1e-8, 0, false, 1, 0, 0};
    static const uint32_t all[COUNT] = {0, 1, 2, 3, 4, 5};
    const bcl_dropout_state dropout = {0.1f, 0.1f, 0.1f, 1, 0};
    int32_t ids[COUNT * LENGTH], labels[COUNT * LENGTH];
    bcl_sample samples[COUNT];
    bcl_batch batch;
    float stats[4] = {0};
    make_samples(samples, ids, labels);
    OK(bcl_model_train_begin(model, NULL));
    OK(bcl_batch_create(&batch, COUNT * LENGTH, COUNT));
    OK(bcl_model_reserve(model, &(bcl_capacity){COUNT * LENGTH, COUNT, true, false, false}));
    OK(bcl_batch_pack(&batch, samples, all, COUNT, bcl_model_slots(model)));
    for (int step = 0; step < steps; step++) {
        cl_event event = NULL;
        OK(bcl_model_forward(model, &batch, &dropout));
        OK(bcl_model_loss(model, 1.0f / (float)batch.labelled, true, false));
        OK(bcl_model_backward(model, &dropout, step, false));
        OK(bcl_model_update(model, &adam, step));
        OK(bcl_model_read_stats(model, stats, &event));
        OK(bcl_event_finish(&event));
    }
    const float loss = stats[0] / (float)batch.labelled;
    bcl_batch_free(&batch);
    return loss;
}

/* A new model learns; saved and loaded over another it is the same. */
static void test_train_and_load(void **state) {
    bcl_config config;
    bcl_load_report report;
    char *folder = test_folder();
    (void)state;
    make_config(&config);
    bcl_model *model = make_model(&config, 1), *other = make_model(&config, 2);
    const float loss = train(model, test_small ? 2 : 40);
    print_message("loss of the last step: %g\n", (double)loss);
    assert_true(loss > 0 && loss < (test_small ? 2.0f : 0.7f)); /* it begins at log 4 */
    OK(bcl_model_save(model, folder));
    OK(bcl_model_load_weights(other, folder, false, 0, &report));
    assert_int_equal(report.created_count + report.unused_count, 0);
    assert_true(same_weights(model, other, false));
    bcl_load_report_free(&report);
    FAILS(bcl_model_load_weights(other, "/nowhere", false, 0, &report), BCL_ERROR_IO, "/nowhere");
    bcl_model_free(model);
    bcl_model_free(other);
    bcl_config_free(&config);
    free(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_new_weights),
                                       cmocka_unit_test(test_train_and_load)};
    return TEST_RUN_ON_DEVICE(tests);
}
