/* On matrix units (emulated), what products read is kept in 16 bits: weights, and activations and
 * gradients by whoever makes them. That gives the bits of products that round fp32 themselves, in
 * training, behind it, and without a backward pass. Linked with bcl_gemm_operands wrapped. */
#include "model/internal.h"
#include "support/subject.h"

bcl_element __real_bcl_gemm_operands(const bcl_gemm *gemm);
bcl_element __wrap_bcl_gemm_operands(const bcl_gemm *gemm);

static bool copies;
bcl_element __wrap_bcl_gemm_operands(const bcl_gemm *gemm) {
    return copies ? __real_bcl_gemm_operands(gemm) : BCL_ELEMENT_F32;
}

static const bcl_capacity TRAINING = {64, SUBJECT_SENTENCES, true, true, false};

static const char *unit_of(bcl_precision precision) {
    return precision == BCL_PRECISION_BF16   ? "mma-bf16:emulated-nvidia:32x32x16x16x2"
           : precision == BCL_PRECISION_FP16 ? "mma-fp16:emulated-nvidia:32x32x16x16x2"
                                             : "mma:emulated-nvidia:32x32x16x16x2";
}

static void load(subject *s, const char *folder) {
    bcl_load_report report;
    bcl_model_free(s->model);
    OK(bcl_model_load(&s->model, test_device, &s->config, folder, unit_of(s->precision),
                      s->precision, false, 0, &report));
    bcl_load_report_free(&report);
    OK(bcl_model_train_begin(s->model, NULL));
    OK(bcl_model_reserve(s->model, &TRAINING));
}

/* Attention's backward pass reads its own output, the only operand that is read by something else
 * than products: for the same bits the model that keeps fp32 has that in 16 bits, too, and what
 * goes with it. */
typedef struct contexts {
    cl_mem buffers[4];
} contexts;
static contexts round_contexts(bcl_model *m, bcl_element type) {
    contexts c = {{0}};
    assert_true(m->config.layers == 2);
    for (int l = 0; l < m->config.layers; l++) {
        bcl_view *context = &m->a.forward[l].context, *dqkv = &m->a.backward[l].dqkv;
        OK(bcl_view_create(context, m->device, type, context->rows, context->columns, "a test"));
        OK(bcl_view_create(dqkv, m->device, type, dqkv->rows, dqkv->columns, "a test"));
        c.buffers[2 * l] = context->buffer;
        c.buffers[2 * l + 1] = dqkv->buffer;
        m->a.backward[l].context = *context;
    }
    return c;
}

/* Each time another step's, as rows of words add up within one. */
static float *passed(subject *s, const bcl_dropout_state *dropout) {
    static int64_t step = 100;
    float *logits = random_floats((size_t)s->T * (size_t)s->config.labels, 1, 1);
    subject_pass(s, SUBJECT_ALL, SUBJECT_SENTENCES, dropout, step++, false, logits);
    return logits;
}

static void same_logits(const subject *s, float *x, float *y) {
    assert_memory_equal(x, y, (size_t)s->T * (size_t)s->config.labels * sizeof *x);
    free(x);
    free(y);
}

static void same_gradients(subject *a, subject *b) {
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

static void same_pass(subject *a, subject *b) {
    float *x = passed(a, &SUBJECT_NOISE), *y = passed(b, &SUBJECT_NOISE);
    same_logits(a, x, y);
    same_gradients(a, b);
}

/* Without a backward pass, where GELU has its own argument's place or none is kept, and with its
 * forward pass computed again. */
static void check_capacities(subject *s, subject *other) {
    float *want = passed(s, NULL);
    OK(bcl_model_reserve(s->model, &(bcl_capacity){64, SUBJECT_SENTENCES, false, false, false}));
    same_logits(s, want, subject_infer(s));
    OK(bcl_model_reserve(s->model, &(bcl_capacity){64, SUBJECT_SENTENCES, true, true, true}));
    same_pass(s, other);
    OK(bcl_model_reserve(s->model, &TRAINING));
    same_pass(s, other);
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
    const bcl_element type = bcl_gemm_operands(copied.model->ops.gemm);
    assert_null(plain.model->copy.buffer);
    assert_true(copied.model->copy.type == type && copied.model->a.forward->gelu.type == type &&
                copied.model->a.backward->dup.type == type);
    contexts own = round_contexts(plain.model, type);
    same_pass(&plain, &copied);
    subject_steps(&plain, 4);
    subject_steps(&copied, 4);
    subject_same_weights(plain.model, copied.model);
    same_pass(&plain, &copied);
    check_capacities(&copied, &plain);
    OK(bcl_model_load_weights(plain.model, plain.folder, false, 0, &report));
    bcl_load_report_free(&report);
    OK(bcl_model_load_weights(copied.model, plain.folder, false, 0, &report));
    bcl_load_report_free(&report);
    same_pass(&plain, &copied);
    OK(bcl_device_finish(test_device));
    for (int i = 0; i < 4; i++)
        bcl_buffer_free(test_device, &own.buffers[i]);
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
static void test_fp32(void **state) {
    subject s, other;
    (void)state;
    copies = true;
    subject_begin(&s, NULL);
    subject_begin(&other, NULL);
    load(&s, s.folder);
    load(&other, other.folder);
    assert_null(s.model->copy.buffer);
    check_capacities(&s, &other);
    subject_end(&s);
    subject_end(&other);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_bf16), cmocka_unit_test(test_fp16),
                                       cmocka_unit_test(test_fp32)};
    return TEST_RUN_ON_DEVICE(tests);
}
