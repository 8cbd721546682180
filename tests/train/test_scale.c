/* Loss scaling: how the scale follows from the steps, and training with it. The program is linked
 * with bcl_model_precision wrapped, so that products of fp32 count as fp16's: what a scale does is
 * exact then, and gradients overflow where the sum of their squares leaves fp32. */
#include "support/device.h"
#include "support/tiny_model.h"

#include "train/train.h"

bcl_precision __real_bcl_model_precision(const bcl_model *model);
bcl_precision __wrap_bcl_model_precision(const bcl_model *model);

static bool pretends;
bcl_precision __wrap_bcl_model_precision(const bcl_model *model) {
    return pretends ? BCL_PRECISION_FP16 : __real_bcl_model_precision(model);
}

static void test_rule(void **state) {
    bcl_train_state s = {0};
    (void)state;
    bcl_loss_scale_begin(&s, 0);
    assert_true(s.loss_scale == 65536);
    for (int i = 0; i < 1999; i++)
        assert_true(bcl_loss_scale_take(&s, true));
    assert_true(s.loss_scale == 65536);
    assert_true(bcl_loss_scale_take(&s, true));
    assert_true(s.loss_scale == 131072 && s.skipped_steps == 0);
    for (int i = 0; i < 1999; i++)
        assert_true(bcl_loss_scale_take(&s, true));
    assert_true(bcl_loss_scale_take(&s, false)); /* counts from the beginning again */
    assert_true(s.loss_scale == 65536 && s.skipped_steps == 1);
    assert_true(bcl_loss_scale_take(&s, true));
    assert_true(s.loss_scale == 65536);
    bcl_loss_scale_begin(&s, 8); /* is there already */
    assert_true(s.loss_scale == 65536);
    for (int i = 0; i < 16; i++)
        assert_true(bcl_loss_scale_take(&s, false));
    assert_true(s.loss_scale == 1 && s.skipped_steps == 17);
    assert_false(bcl_loss_scale_take(&s, false));
    assert_true(s.skipped_steps == 17);
    s = (bcl_train_state){0};
    bcl_loss_scale_begin(&s, 1.5); /* never below 1 */
    assert_true(bcl_loss_scale_take(&s, false));
    assert_true(s.loss_scale == 1);
}

/* ---- training ---- */

enum { SENTENCES = 60, LENGTH = 9, STEPS = 12, STOP = 3 };

typedef struct trained {
    char *folder, *run;
    bcl_config config;
    bcl_tokenizer *tokenizer;
    bcl_model *model;
    bcl_train_result result;
    int messages;
    char message[256];
    int64_t stop_at;
    volatile sig_atomic_t stop;
} trained;

static void on_event(void *context, const bcl_run_event *e) {
    trained *t = context;
    if (e->kind == BCL_RUN_MESSAGE) {
        t->messages++;
        snprintf(t->message, sizeof t->message, "%s", e->text);
    }
    if (e->kind == BCL_RUN_STEP) {
        assert_true(isfinite(e->gradient_norm));
        t->stop = t->stop_at && e->step >= t->stop_at;
    }
}

static void open_model(trained *t, const char *folder) {
    bcl_load_report report;
    OK(bcl_model_load(&t->model, test_device, &t->config, folder, NULL, BCL_PRECISION_FP32, false,
                      0, &report));
    bcl_load_report_free(&report);
    OK(bcl_model_train_begin(t->model, NULL));
}

static void begin(trained *t) {
    *t = (trained){.folder = test_folder()};
    OK(tiny_model_write(t->folder, &TINY));
    OK(bcl_config_read(&t->config, t->folder));
    OK(bcl_tokenizer_load(&t->tokenizer, t->folder));
    OK(bcl_path_join(&t->run, t->folder, "run"));
    OK(bcl_directory_create(t->run));
}

/* Trains to STEPS steps; stop_at > 0: is stopped behind about as many, and gone on with if there is
 * a checkpoint. */
static bcl_status train(trained *t, bool fp16, double scale, int64_t stop_at) {
    static int32_t ids[SENTENCES * LENGTH], labels[SENTENCES * LENGTH];
    static bcl_sample samples[SENTENCES];
    bcl_dataset set = {.samples = samples, .count = SENTENCES};
    bcl_train_plan plan;
    char *checkpoint = NULL, *weights = NULL;
    for (int i = 0; i < SENTENCES; i++) {
        samples[i] =
            (bcl_sample){ids + set.pieces, labels + set.pieces, 1 + i % LENGTH, (uint32_t)i};
        for (int k = 0; k < samples[i].length; k++, set.pieces++) {
            ids[set.pieces] = (int32_t)(bcl_mix64((uint64_t)(i * LENGTH + k)) % 40);
            labels[set.pieces] = k % TINY.labels;
        }
    }
    set.labelled = set.pieces;
    const bcl_train_options options = {.epochs = 1,
                                       .batch = 4,
                                       .accumulate = 1,
                                       .max_steps = STEPS,
                                       .loss_scale = scale,
                                       .adam = {1e-3, 0.9, 0.999, 1e-8, 0, false, 1, 0, 0},
                                       .hidden_dropout = 0.1};
    OK(bcl_train_checkpoint_find(&checkpoint, t->run, true, NULL, NULL));
    if (checkpoint)
        OK(bcl_path_join(&weights, checkpoint, "model"));
    bcl_model_free(t->model);
    open_model(t, weights ? weights : t->folder);
    OK(bcl_train_plan_create(&plan, &set, &options));
    t->stop_at = stop_at;
    t->stop = 0;
    pretends = fp16;
    const bcl_train_job job = {.folder = t->run,
                               .model = t->model,
                               .files = {&t->config, t->tokenizer},
                               .train = &set,
                               .options = &options,
                               .plan = &plan,
                               .checkpoint = checkpoint,
                               .listener = on_event,
                               .context = t,
                               .stop = &t->stop};
    const bcl_status status = bcl_train(&t->result, &job);
    pretends = false;
    bcl_train_plan_free(&plan);
    free(checkpoint);
    free(weights);
    return status;
}

static void end(trained *t) {
    bcl_model_free(t->model);
    bcl_tokenizer_free(t->tokenizer);
    bcl_config_free(&t->config);
    free(t->run);
    free(t->folder);
}

static bool same_file(const trained *a, const trained *b, const char *name) {
    char *paths[2] = {NULL, NULL}, *texts[2] = {NULL, NULL};
    size_t sizes[2];
    for (int i = 0; i < 2; i++) {
        OK(bcl_path_join(&paths[i], i ? b->run : a->run, name));
        OK(bcl_file_read(&texts[i], &sizes[i], paths[i]));
    }
    const bool same = sizes[0] == sizes[1] && !memcmp(texts[0], texts[1], sizes[0]);
    for (int i = 0; i < 2; i++) {
        free(paths[i]);
        free(texts[i]);
    }
    return same;
}

static char *metrics_of(const trained *t) {
    char *path = NULL, *text = NULL;
    size_t size;
    OK(bcl_path_join(&path, t->run, "metrics.jsonl"));
    OK(bcl_file_read(&text, &size, path));
    free(path);
    return text;
}

static const char MODEL[] = "model/model.safetensors";

/* A scale that is a power of two changes no bit. */
static void test_exact(void **state) {
    trained plain, scaled;
    (void)state;
    begin(&plain);
    begin(&scaled);
    OK(train(&plain, false, 0, 0));
    OK(train(&scaled, true, 0, 0));
    assert_true(plain.result.loss_scale == 0);
    assert_true(scaled.result.loss_scale == 65536 && scaled.result.skipped_steps == 0);
    assert_int_equal(scaled.messages, 0);
    assert_true(same_file(&plain, &scaled, MODEL));
    char *metrics = metrics_of(&plain);
    assert_null(strstr(metrics, "scale"));
    free(metrics);
    metrics = metrics_of(&scaled);
    assert_non_null(strstr(metrics, "\"loss_scale\": 65536, \"skipped_steps\": 0, "));
    free(metrics);
    end(&plain);
    end(&scaled);
}

/* Too large a scale: it backs off, says so once, and training goes on; the same bits again, and
 * when it is gone on with from a checkpoint in the middle. */
static void test_overflow(void **state) {
    trained whole, again, resumed;
    (void)state;
    begin(&whole);
    begin(&again);
    begin(&resumed);
    OK(train(&whole, true, 0x1p69, 0));
    const int64_t skipped = whole.result.skipped_steps;
    assert_true(skipped > 1 && skipped < STEPS);
    assert_true(whole.result.loss_scale == ldexp(0x1p69, -(int)skipped));
    assert_int_equal(whole.messages, 1);
    assert_non_null(strstr(whole.message, "step 1: gradients overflowed in fp16"));
    char *metrics = metrics_of(&whole), *line = strtok(metrics, "\n");
    int without_norm = 0;
    for (; line; line = strtok(NULL, "\n"))
        without_norm += !strstr(line, "grad_norm");
    assert_int_equal(without_norm, skipped);
    free(metrics);
    OK(train(&again, true, 0x1p69, 0));
    assert_true(same_file(&whole, &again, MODEL));
    assert_int_equal(train(&resumed, true, 0x1p69, STOP), BCL_ERROR_INTERRUPTED);
    OK(train(&resumed, true, 0x1p69, 0));
    assert_true(resumed.result.skipped_steps == skipped);
    assert_true(same_file(&whole, &resumed, MODEL));
    assert_true(same_file(&whole, &resumed, "metrics.jsonl"));
    assert_int_equal(resumed.messages, 1);
    end(&whole);
    end(&again);
    end(&resumed);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rule), cmocka_unit_test(test_exact),
                                       cmocka_unit_test(test_overflow)};
    return TEST_RUN_ON_DEVICE(tests);
}
