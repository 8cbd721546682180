/* What PyTorch computed and tools/make_fixtures.py stored in tests/fixtures/: logits, loss, every
 * gradient and ten steps of Adam of tiny models, met without Python. Limits as in tests/peers/:
 * losses to 1e-5 of themselves, gradients to 1e-5 of their norm, logits to 1e-5. */
#include "support/device.h"

static const double NORM = 1e-5, FIRST_LOSS = 1e-6, STEP_LOSS = 1e-5;
static const test_limit LOGITS = {1e-5, 1e-5};
enum { MAX_SENTENCES = 8 };

typedef struct fixture {
    bcl_safetensors *expected;
    bcl_config config;
    bcl_model *model;
    int32_t *ids, *labels;
    bcl_sample samples[MAX_SENTENCES];
    bcl_batch batch;
    double worst; /* share of the limits */
} fixture;

/* A stored tensor's bytes; the caller's to free. */
static void *stored(const fixture *f, const char *name, bcl_dtype dtype, size_t *count) {
    const bcl_tensor *t = bcl_safetensors_find(f->expected, name);
    if (!t || t->dtype != dtype)
        fail_msg("expected.safetensors: no %s of type %s", name, bcl_dtype_name(dtype));
    void *data = malloc(t->bytes);
    assert_non_null(data);
    memcpy(data, t->data, t->bytes);
    *count = bcl_tensor_elements(t);
    return data;
}

static void begin(fixture *f, const char *name) {
    const char *tests = getenv("BERTCL_TESTS");
    char *folder = NULL, *path = NULL;
    size_t tokens, count, labels;
    bcl_load_report report;
    uint32_t which[MAX_SENTENCES];
    memset(f, 0, sizeof *f);
    OK(bcl_format(&folder, "%s/fixtures/%s", tests ? tests : "tests", name));
    OK(bcl_path_join(&path, folder, "expected.safetensors"));
    OK(bcl_safetensors_open(&f->expected, path));
    const char *made = bcl_safetensors_metadata(f->expected, "made");
    assert_non_null(made);
    assert_non_null(strstr(made, "torch "));
    print_message("%s: %s\n", name, made);
    OK(bcl_config_read(&f->config, folder));
    OK(bcl_model_load(&f->model, test_device, &f->config, folder, test_small ? "reference" : NULL,
                      BCL_PRECISION_FP32, false, 0, &report));
    bcl_load_report_free(&report);
    f->ids = stored(f, "ids", BCL_I32, &tokens);
    f->labels = stored(f, "labels", BCL_I32, &labels);
    int32_t *lengths = stored(f, "lengths", BCL_I32, &count);
    assert_true(count <= MAX_SENTENCES && labels == tokens);
    for (size_t i = 0, t = 0; i < count; t += (size_t)lengths[i++]) {
        f->samples[i] = (bcl_sample){f->ids + t, f->labels + t, lengths[i], (uint32_t)i};
        which[i] = (uint32_t)i;
    }
    OK(bcl_model_train_begin(f->model, NULL));
    OK(bcl_model_reserve(f->model, &(bcl_capacity){(int)tokens, (int)count, true, true, false}));
    OK(bcl_batch_create(&f->batch, (int)tokens, (int)count));
    OK(bcl_batch_pack(&f->batch, f->samples, which, (int)count, bcl_model_slots(f->model)));
    free(lengths);
    free(path);
    free(folder);
}

static void end(fixture *f) {
    bcl_batch_free(&f->batch);
    free(f->ids);
    free(f->labels);
    bcl_model_free(f->model);
    bcl_config_free(&f->config);
    bcl_safetensors_close(f->expected);
}

/* Forward, loss and backward; returns the mean loss. */
static double pass(fixture *f, int64_t step) {
    float stats[4];
    cl_event event = NULL;
    OK(bcl_model_forward(f->model, &f->batch, NULL));
    OK(bcl_model_loss(f->model, 1.0f / (float)f->batch.labelled, true, false));
    OK(bcl_model_backward(f->model, NULL, step, false));
    OK(bcl_model_read_stats(f->model, stats, &event));
    OK(bcl_event_finish(&event));
    return (double)stats[0] / f->batch.labelled;
}

static void near(fixture *f, const char *what, double got, double want, double limit) {
    const double share = fabs(got - want) / limit;
    if (!(share <= 1))
        fail_msg("%s: %.9g, expected %.9g: %.2f of the limit", what, got, want, share);
    f->worst = fmax(f->worst, share);
}

static double norm(const float *x, const float *y, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += pow((double)x[i] - (y ? (double)y[i] : 0), 2);
    return sqrt(sum);
}

/* Tensors `prefix`NAME against the model's gradients or weights, by norm. Softmax does not see the
 * bias of attention's keys: its gradient is 0, and what rounding leaves is measured against the
 * query's. Adam makes steps of full size of it, which no result depends on: `keys` leaves them out.
 */
static void compare_tensors(fixture *f, const char *prefix, bool gradient, bool keys) {
    const bcl_layout *layout = bcl_model_layout(f->model);
    for (int i = 0; i < layout->named_count; i++) {
        const bcl_named *n = &layout->named[i];
        char name[192], scale_name[192];
        size_t count, scale_count;
        char *key = strstr(n->name, ".key.bias");
        if (key && !keys)
            continue;
        snprintf(name, sizeof name, "%s.%s", prefix, n->name);
        if (key)
            snprintf(scale_name, sizeof scale_name, "%s.%.*s.query.bias", prefix,
                     (int)(key - n->name), n->name);
        else
            snprintf(scale_name, sizeof scale_name, "%s", name);
        float *want = stored(f, name, BCL_F32, &count);
        float *scale = stored(f, scale_name, BCL_F32, &scale_count);
        assert_true(count == bcl_named_elements(n) && scale_count == count);
        float *got = calloc(count, sizeof *got);
        assert_non_null(got);
        OK(bcl_model_read(f->model, n, gradient, got));
        const double size = norm(scale, NULL, count);
        assert_true(size > 0);
        near(f, name, norm(got, want, count), 0, NORM * size);
        free(got);
        free(scale);
        free(want);
    }
}

static void compare_logits(fixture *f) {
    size_t count;
    const size_t K = (size_t)f->config.labels, n = (size_t)f->batch.T * K;
    float *want = stored(f, "logits", BCL_F32, &count), *got = calloc(n, sizeof *got);
    float *row_loss = calloc((size_t)f->batch.T, sizeof *row_loss);
    int32_t *predicted = calloc((size_t)f->batch.T, sizeof *predicted);
    double *exact = zeros(n);
    cl_event event = NULL;
    assert_true(got && row_loss && predicted && count == n);
    for (size_t i = 0; i < n; i++)
        exact[i] = (double)want[i];
    OK(bcl_model_read_output(f->model, row_loss, predicted, got, &event));
    OK(bcl_event_finish(&event));
    compare("logits", got, exact, NULL, n, LOGITS);
    free(exact);
    free(predicted);
    free(row_loss);
    free(want);
}

static void check(const char *name) {
    static const bcl_adam adam = {.lr = 1e-3, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8};
    fixture f;
    size_t count, steps;
    begin(&f, name);
    float *loss = stored(&f, "loss", BCL_F32, &count);
    float *losses = stored(&f, "step_losses", BCL_F32, &steps);
    assert_true(count == 1 && steps == 10);
    for (size_t i = 0; i < steps; i++) {
        char what[64];
        const double got = pass(&f, (int64_t)i);
        if (!i) {
            near(&f, "loss", got, (double)loss[0], FIRST_LOSS * (double)loss[0]);
            compare_logits(&f);
            compare_tensors(&f, "grad", true, true);
            print_message("%s: loss and gradients at most %.2f of the limit\n", name, f.worst);
        }
        snprintf(what, sizeof what, "loss of step %zu", i);
        near(&f, what, got, (double)losses[i], STEP_LOSS * (double)losses[i]);
        OK(bcl_model_update(f.model, &adam, (int64_t)i));
    }
    compare_tensors(&f, "after", false, false);
    print_message("%s: with ten steps of Adam at most %.2f\n", name, f.worst);
    free(losses);
    free(loss);
    end(&f);
}

static void test_gelu(void **state) {
    (void)state;
    check("gelu");
}

static void test_gelu_new(void **state) {
    (void)state;
    check("gelu_new");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_gelu),
                                       cmocka_unit_test(test_gelu_new)};
    return TEST_RUN_ON_DEVICE(tests);
}
