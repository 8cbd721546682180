/* Products that read the weights' copy in 16 bits give the bits of products that round the weights
 * themselves: logits, gradients, steps of Adam, and after other weights are loaded. On an emulated
 * matrix unit, whose kernels compile for a minute. Linked with bcl_gemm_operands wrapped. */
#include "model/internal.h"
#include "support/subject.h"

bcl_element __real_bcl_gemm_operands(const bcl_gemm *gemm);
bcl_element __wrap_bcl_gemm_operands(const bcl_gemm *gemm);

static bool copies;
bcl_element __wrap_bcl_gemm_operands(const bcl_gemm *gemm) {
    return copies ? __real_bcl_gemm_operands(gemm) : BCL_ELEMENT_F32;
}

static void load(subject *s, const char *folder) {
    bcl_load_report report;
    bcl_model_free(s->model);
    OK(bcl_model_load(&s->model, test_device, &s->config, folder,
                      s->precision == BCL_PRECISION_BF16 ? "mma-bf16:emulated-nvidia:32x32x16x16x2"
                                                         : "mma-fp16:emulated-nvidia:32x32x16x16x2",
                      s->precision, false, 0, &report));
    bcl_load_report_free(&report);
    OK(bcl_model_train_begin(s->model, NULL));
    OK(bcl_model_reserve(s->model, &(bcl_capacity){64, SUBJECT_SENTENCES, true, true, false}));
}

static void same_pass(subject *a, subject *b) {
    const size_t n = (size_t)a->T * (size_t)a->config.labels;
    float *x = random_floats(n, 0, 1), *y = random_floats(n, 1, 1);
    subject_pass(a, SUBJECT_ALL, SUBJECT_SENTENCES, &SUBJECT_NOISE, 0, false, x);
    subject_pass(b, SUBJECT_ALL, SUBJECT_SENTENCES, &SUBJECT_NOISE, 0, false, y);
    assert_memory_equal(x, y, n * sizeof *x);
    free(x);
    free(y);
    const bcl_layout *layout = bcl_model_layout(a->model);
    for (int i = 0; i < layout->named_count; i++) {
        const size_t m = subject_elements(&layout->named[i]);
        float *g = random_floats(m, 0, 1), *h = random_floats(m, 1, 1);
        OK(bcl_model_read(a->model, &layout->named[i], true, g));
        OK(bcl_model_read(b->model, &layout->named[i], true, h));
        assert_memory_equal(g, h, m * sizeof *g);
        free(g);
        free(h);
    }
}

static void check(bcl_precision precision) {
    subject plain, copied;
    bcl_load_report report;
    subject_begin(&plain, NULL);
    subject_begin(&copied, NULL);
    plain.precision = copied.precision = precision;
    copies = false;
    load(&plain, plain.folder);
    copies = true;
    load(&copied, copied.folder);
    assert_null(plain.model->copy.buffer);
    assert_non_null(copied.model->copy.buffer);
    same_pass(&plain, &copied);
    subject_steps(&plain, 4);
    subject_steps(&copied, 4);
    subject_same_weights(plain.model, copied.model);
    same_pass(&plain, &copied);
    OK(bcl_model_load_weights(plain.model, plain.folder, false, 0, &report));
    bcl_load_report_free(&report);
    OK(bcl_model_load_weights(copied.model, plain.folder, false, 0, &report));
    bcl_load_report_free(&report);
    same_pass(&plain, &copied);
    subject_end(&plain);
    subject_end(&copied);
}

static void test_bf16(void **state) {
    (void)state;
    check(BCL_PRECISION_BF16);
}
static void test_fp16(void **state) {
    (void)state;
    check(BCL_PRECISION_FP16);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_bf16), cmocka_unit_test(test_fp16)};
    return TEST_RUN_ON_DEVICE(tests);
}
