/* A model with attention on matrix units (emulated): logits and gradients differ from those of fp32
 * by little more than products in 16 bits make them differ anyway; and two passes give the same
 * bits. */
#include "support/subject.h"

/* Heads of 32. */
static const tiny_model SHAPE = {64, 2, 2, 45, 64, 5, 0.1, 0.2f, 1, false};
/* Attention rounds its operands as products do theirs, so its errors are of the same size and add
 * up in squares: about the root of 2, over all tensors together. */
static const double FURTHER = 2;

typedef struct pass {
    subject s;
    float *logits;
} pass;

static pass begin(bcl_precision precision, const char *provider) {
    static int64_t step = 100;
    bcl_load_report report;
    pass p;
    subject_begin(&p.s, NULL);
    bcl_model_free(p.s.model);
    bcl_config_free(&p.s.config);
    OK(tiny_model_write(p.s.folder, &SHAPE));
    OK(bcl_config_read(&p.s.config, p.s.folder));
    OK(bcl_model_load(&p.s.model, test_device, &p.s.config, p.s.folder, provider, precision, false,
                      0, &report));
    bcl_load_report_free(&report);
    OK(bcl_model_train_begin(p.s.model, NULL));
    OK(bcl_model_reserve(p.s.model, &(bcl_capacity){64, SUBJECT_SENTENCES, true, true, false}));
    p.logits = random_floats((size_t)p.s.T * (size_t)p.s.config.labels, 1, 1);
    subject_pass(&p.s, SUBJECT_ALL, SUBJECT_SENTENCES, &SUBJECT_NOISE, step++, false, p.logits);
    return p;
}

static void end(pass *p) {
    free(p->logits);
    subject_end(&p->s);
}

/* The mean square of the distances from the exact tensors, each in shares of its own norm. */
typedef struct distances {
    double tiled, matrix;
    int count;
} distances;

static double share(const float *x, const float *exact, size_t count) {
    double off = 0, norm = 0;
    for (size_t i = 0; i < count; i++) {
        off += pow((double)x[i] - (double)exact[i], 2);
        norm += pow((double)exact[i], 2);
    }
    return off / norm;
}

static void measure(distances *d, const float *exact, const float *tiled, const float *matrix,
                    size_t count) {
    d->tiled += share(tiled, exact, count);
    d->matrix += share(matrix, exact, count);
    d->count++;
}

static void judge(const char *what, const distances *d) {
    const double anyway = sqrt(d->tiled / d->count), off = sqrt(d->matrix / d->count);
    print_message("%s: %.3g from fp32, with attention on the unit %.3g\n", what, anyway, off);
    if (!(off <= FURTHER * anyway))
        fail_msg("%s: %.3g from fp32's, %.3g without attention on the unit", what, off, anyway);
}

static float *gradient(const pass *p, const bcl_named *named) {
    float *x = random_floats(subject_elements(named), 1, 1);
    OK(bcl_model_read(p->s.model, named, true, x));
    return x;
}

static void check(bcl_precision precision, const char *plain, const char *chosen) {
    pass exact = begin(BCL_PRECISION_FP32, test_small ? "reference" : NULL),
         tiled = begin(precision, plain), matrix = begin(precision, chosen),
         again = begin(precision, chosen);
    const size_t n = (size_t)exact.s.T * (size_t)exact.s.config.labels;
    const bcl_layout *layout = bcl_model_layout(exact.s.model);
    distances logits = {0}, gradients = {0};
    measure(&logits, exact.logits, tiled.logits, matrix.logits, n);
    assert_memory_not_equal(tiled.logits, matrix.logits, n * sizeof *matrix.logits);
    assert_memory_equal(again.logits, matrix.logits, n * sizeof *matrix.logits);
    for (int i = 0; i < layout->named_count; i++) {
        const bcl_named *named = &layout->named[i];
        const size_t m = subject_elements(named);
        float *e = gradient(&exact, named), *t = gradient(&tiled, named),
              *x = gradient(&matrix, named), *y = gradient(&again, named);
        if (!strstr(named->name,
                    "key.bias")) /* 0 but for rounding: it moves all of a query's scores */
            measure(&gradients, e, t, x, m);
        assert_memory_equal(x, y, m * sizeof *x);
        free(e);
        free(t);
        free(x);
        free(y);
    }
    judge("logits", &logits);
    judge("gradients", &gradients);
    end(&exact);
    end(&tiled);
    end(&matrix);
    end(&again);
}

static void test_bf16(void **state) {
    (void)state;
    check(BCL_PRECISION_BF16, "mma-bf16:emulated-nvidia:32x32x16x16x2",
          "mma-bf16:emulated-nvidia:32x32x16x16x2:attention");
}
static void test_fp16(void **state) {
    (void)state;
    check(BCL_PRECISION_FP16, "mma-fp16:emulated-nvidia:32x32x16x16x2",
          "mma-fp16:emulated-nvidia:32x32x16x16x2:attention");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_bf16), cmocka_unit_test(test_fp16)};
    return TEST_RUN_ON_DEVICE(tests);
}
