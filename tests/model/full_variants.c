/* The model with its weights in another order for inference, to the same bits, and with products of
 * operands in bf16, near to fp32. */
#include "model/internal.h"
#include "support/subject.h"

static double relative_error(const float *x, const float *y, size_t n) {
    double error = 0, size = 0;
    for (size_t i = 0; i < n; i++) {
        const double d = (double)x[i] - (double)y[i];
        error += d * d;
        size += (double)y[i] * (double)y[i];
    }
    return sqrt(error / size);
}

/* Products of operands in bf16: near fp32 in logits, loss, gradients and after some steps, and not
 * the same. */
static void test_bf16(void **state) {
    static const double LOGITS = 2e-2, GRADIENT = 5e-2, LOSS = 1e-2;
    subject fp32, bf16;
    double worst = 0;
    (void)state;
    subject_begin(&fp32, NULL);
    subject_begin_in(&bf16, BCL_PRECISION_BF16, NULL);
    assert_int_equal(bcl_model_precision(fp32.model), BCL_PRECISION_FP32);
    assert_int_equal(bcl_model_precision(bf16.model), BCL_PRECISION_BF16);
    const bcl_layout *layout = bcl_model_layout(fp32.model);
    const size_t n = (size_t)fp32.T * (size_t)fp32.config.labels;
    float *want = random_floats(n, 0, 1), *got = random_floats(n, 0, 1);
    subject_pass(&fp32, SUBJECT_ALL, SUBJECT_SENTENCES, &SUBJECT_NOISE, 0, false, want);
    subject_pass(&bf16, SUBJECT_ALL, SUBJECT_SENTENCES, &SUBJECT_NOISE, 0, false, got);
    const double logits = relative_error(got, want, n);
    assert_true(logits > 1e-4 && logits <= LOGITS);
    assert_float_equal(bf16.loss, fp32.loss, LOSS * fp32.loss);
    for (int i = 0; i < layout->named_count; i++) {
        const size_t size = subject_elements(&layout->named[i]);
        if (strstr(layout->named[i].name, "key.bias"))
            continue; /* zero but for rounding: softmax does not see it */
        float *a = random_floats(size, 0, 1), *b = random_floats(size, 0, 1);
        OK(bcl_model_read(fp32.model, &layout->named[i], true, a));
        OK(bcl_model_read(bf16.model, &layout->named[i], true, b));
        const double error = relative_error(b, a, size);
        if (!(error <= GRADIENT))
            fail_msg("gradient of %s: relative error %g", layout->named[i].name, error);
        worst = fmax(worst, error);
        free(a);
        free(b);
    }
    print_message("bf16: logits off by %.1e, gradients by at most %.1e\n", logits, worst);
    subject_steps(&fp32, 20);
    subject_steps(&bf16, 20);
    subject_pass(&fp32, SUBJECT_ALL, SUBJECT_SENTENCES, NULL, 20, false, want);
    subject_pass(&bf16, SUBJECT_ALL, SUBJECT_SENTENCES, NULL, 20, false, got);
    print_message("after 20 steps: loss %g, in fp32 %g\n", bf16.loss, fp32.loss);
    assert_float_equal(bf16.loss, fp32.loss, 5 * LOSS * fp32.loss);
    free(want);
    free(got);
    subject_end(&fp32);
    subject_end(&bf16);
}

/* For inference weights may lie in another order: the same bits; whoever reads, saves, loads or
 * trains is told to bring them back. Sizes that whole panels of any tile divide, the labels' too.
 */
static void test_inference_order(void **state) {
    const tiny_model shape = {.hidden = 96,
                              .heads = 4,
                              .layers = 2,
                              .intermediate = 192,
                              .positions = 64,
                              .labels = 48,
                              .dropout = 0.1,
                              .spread = 0.2f,
                              .seed = 1};
    subject s;
    bcl_load_report report;
    bcl_model *plain = NULL;
    float *random = NULL;
    (void)state;
    subject_begin(&s, NULL);
    bcl_model_free(s.model);
    bcl_config_free(&s.config);
    OK(tiny_model_write(s.folder, &shape));
    OK(bcl_config_read(&s.config, s.folder));
    bcl_model **const models[] = {&plain, &s.model};
    for (int i = 0; i < 2; i++) {
        OK(bcl_model_load(models[i], test_device, &s.config, s.folder,
                          test_small ? "reference" : NULL, BCL_PRECISION_FP32, false, 0, &report));
        bcl_load_report_free(&report);
    }
    OK(bcl_model_reserve(s.model, &(bcl_capacity){64, SUBJECT_SENTENCES, false, false, false}));
    float *want = subject_infer(&s);
    OK(bcl_model_pack(s.model, true));
    float *got = subject_infer(&s);
    assert_memory_equal(got, want, (size_t)s.T * 48 * sizeof *got);
    if (s.model->ops.packed) {
        const char *const what = "packed for inference";
        const bcl_named *word = bcl_model_layout(s.model)->named, *position = word + 1;
        OK(bcl_model_read(s.model, word, false,
                          random = random_floats(subject_elements(word), 0, 1)));
        FAILS(bcl_model_read(s.model, position, false, random), BCL_ERROR_ARGUMENT, what);
        FAILS(bcl_model_save(s.model, s.folder), BCL_ERROR_ARGUMENT, what);
        FAILS(bcl_model_train_begin(s.model, NULL), BCL_ERROR_ARGUMENT, what);
        FAILS(bcl_model_load_weights(s.model, s.folder, false, 0, &report), BCL_ERROR_ARGUMENT,
              what);
        free(random);
    }
    OK(bcl_model_pack(s.model, false));
    subject_same_weights(s.model, plain); /* reads every tensor */
    OK(bcl_model_train_begin(s.model, NULL));
    OK(bcl_model_reserve(s.model, &(bcl_capacity){64, SUBJECT_SENTENCES, true, false, false}));
    subject_same_weights(s.model, plain);
    if (bcl_gemm_packs(s.model->ops.gemm, 96))
        FAILS(bcl_model_pack(s.model, true), BCL_ERROR_ARGUMENT, "is trained");
    bcl_model_free(plain);
    free(want);
    free(got);
    subject_end(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_inference_order),
                                       cmocka_unit_test(test_bf16)};
    return TEST_RUN_ON_DEVICE(tests);
}
