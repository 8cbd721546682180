/* The whole model: loss, logits and gradients against double precision, with dropout, whose
 * gradients are held against finite differences of its own loss; packing, sparse Adam, saving,
 * errors. */
#include "model/exact.h"
#include "model/internal.h"
#include "ocl/internal.h"
#include "support/subject.h"

enum { MAX_TENSORS = 64 };

/* The mean loss of all sentences; logits (T,K) and gradients unless NULL. */
static double exact_loss(const bcl_exact_model *e, subject *s, double *logits,
                         double *const *gradients) {
    bcl_batch batch;
    double loss, *all = zeros((size_t)s->T * (size_t)s->config.labels);
    OK(bcl_batch_create(&batch, 64, SUBJECT_SENTENCES));
    OK(bcl_batch_pack(&batch, s->samples, SUBJECT_ALL, SUBJECT_SENTENCES, NULL));
    OK(bcl_exact_model_run(e, logits ? logits : all, &loss, gradients, &batch, 1.0 / s->labelled));
    bcl_batch_free(&batch);
    free(all);
    return loss;
}

/* The exact gradient times a direction against the difference of the exact loss along it. */
static double difference(bcl_exact_model *e, subject *s, int tensor, const double *g,
                         uint64_t seed) {
    const size_t n = subject_elements(&e->layout->named[tensor]);
    const double h = 1e-5;
    float *u = random_floats(n, 1, seed);
    double slope = 0, size = 0, loss[2];
    if (e->layout->named[tensor].parameter == BCL_WORDS) { /* [PAD]'s row: none, as in PyTorch */
        const size_t C = (size_t)e->config->hidden, pad = (size_t)e->config->pad_token_id * C;
        for (size_t i = pad; i < pad + C; i++) {
            assert_true(g[i] == 0);
            u[i] = 0;
        }
    }
    for (size_t i = 0; i < n; i++) {
        slope += g[i] * (double)u[i];
        size += g[i] * g[i];
    }
    for (int side = 0; side < 2; side++) {
        for (size_t i = 0; i < n; i++)
            e->weights[tensor][i] += (side ? -2 : 1) * h * (double)u[i];
        loss[side] = exact_loss(e, s, NULL, NULL);
    }
    for (size_t i = 0; i < n; i++)
        e->weights[tensor][i] += h * (double)u[i];
    free(u);
    const double want = (loss[0] - loss[1]) / (2 * h);
    const double share = fabs(slope - want) / (1e-9 + 1e-6 * sqrt(size));
    if (!(share <= 1))
        fail_msg("%s: slope %.9g, expected %.9g", e->layout->named[tensor].name, slope, want);
    return share;
}

static void check_gradients(const bcl_dropout_state *dropout) {
    static const test_limit LOGITS = {2e-5, 2e-5}, GRADIENT = {1e-6, 2e-5};
    subject s;
    bcl_exact_model e;
    double worst = 0, *exact[MAX_TENSORS];
    subject_begin(&s, NULL);
    OK(bcl_exact_model_read(&e, s.model, &s.config));
    e.dropout = dropout;
    assert_true(e.layout->named_count <= MAX_TENSORS);
    const size_t n = (size_t)s.T * (size_t)s.config.labels;
    float *logits = random_floats(n, 0, 1);
    double *want = zeros(n);
    for (int i = 0; i < e.layout->named_count; i++)
        exact[i] = zeros(subject_elements(&e.layout->named[i]));
    subject_pass(&s, SUBJECT_ALL, SUBJECT_SENTENCES, dropout, 0, false, logits);
    const double loss = exact_loss(&e, &s, want, exact);
    assert_float_equal(s.loss, loss, 1e-5);
    compare("logits", logits, want, NULL, n, LOGITS);
    for (int i = 0; i < e.layout->named_count; i++) {
        const bcl_named *named = &e.layout->named[i];
        const size_t count = subject_elements(named);
        float *g = random_floats(count, 0, 1);
        double *size = zeros(count), length = 0;
        for (size_t k = 0; k < count; k++)
            length += exact[i][k] * exact[i][k] / (double)count;
        for (size_t k = 0; k < count; k++)
            size[k] = fabs(exact[i][k]) + sqrt(length);
        OK(bcl_model_read(s.model, named, true, g));
        compare(named->name, g, exact[i], size, count, GRADIENT);
        for (uint64_t seed = 0; seed < 2; seed++)
            worst = fmax(worst, difference(&e, &s, i, exact[i], 10 + seed));
        free(exact[i]);
        free(size);
    }
    print_message("finite differences: at most %.2f of the limit\n", worst);
    bcl_exact_model_free(&e);
    free(want);
    subject_end(&s);
}

static void test_gradients(void **state) {
    (void)state;
    check_gradients(NULL);
    check_gradients(&SUBJECT_NOISE);
}

/* A sentence's logits, with dropout too, are the same alone and in any company; gradients add up.
 */
static void test_packing(void **state) {
    static const uint32_t others[2][3] = {{4, 0, 2}, {3, 1}};
    static const test_limit NEAR = {2e-6, 1e-5};
    subject s;
    (void)state;
    subject_begin(&s, NULL);
    const bcl_layout *layout = bcl_model_layout(s.model);
    const size_t K = (size_t)s.config.labels;
    float *together = random_floats(64 * K, 0, 1), *alone = random_floats(64 * K, 0, 1);
    float *gradients[MAX_TENSORS];
    subject_pass(&s, SUBJECT_ALL, SUBJECT_SENTENCES, &SUBJECT_NOISE, 0, false, together);
    for (int i = 0; i < layout->named_count; i++) {
        gradients[i] = random_floats(subject_elements(&layout->named[i]), 0, 1);
        OK(bcl_model_read(s.model, &layout->named[i], true, gradients[i]));
    }
    for (uint32_t b = 0, t = 0; b < SUBJECT_SENTENCES; t += (uint32_t)SUBJECT_LENGTHS[b++]) {
        subject_pass(&s, &b, 1, &SUBJECT_NOISE, 1, false, alone);
        for (size_t i = 0; i < (size_t)SUBJECT_LENGTHS[b] * K; i++)
            assert_float_equal(alone[i], together[t * K + i], 1e-5);
    }
    subject_pass(&s, others[0], 3, &SUBJECT_NOISE, 2, false, alone);
    subject_pass(&s, others[1], 2, &SUBJECT_NOISE, 2, true, alone);
    for (int i = 0; i < layout->named_count; i++) {
        const size_t n = subject_elements(&layout->named[i]);
        float *g = random_floats(n, 0, 1);
        double *want = zeros(n);
        for (size_t k = 0; k < n; k++)
            want[k] = (double)gradients[i][k];
        OK(bcl_model_read(s.model, &layout->named[i], true, g));
        compare(layout->named[i].name, g, want, NULL, n, NEAR);
        free(want);
        free(gradients[i]);
    }
    free(together);
    free(alone);
    subject_end(&s);
}

/* Makes the second queue late: before each of its launches this much memory is filled. The program
 * is linked with the call wrapped, see CMakeLists.txt. */
enum { HOLD_UP = 16 << 20 }; /* bytes */
static cl_mem hold_up;
static int held_up; /* launches */

cl_int __real_clEnqueueNDRangeKernel(cl_command_queue queue, cl_kernel kernel, cl_uint dims,
                                     const size_t *offset, const size_t *global,
                                     const size_t *local, cl_uint count, const cl_event *waits,
                                     cl_event *event);
cl_int __wrap_clEnqueueNDRangeKernel(cl_command_queue queue, cl_kernel kernel, cl_uint dims,
                                     const size_t *offset, const size_t *global,
                                     const size_t *local, cl_uint count, const cl_event *waits,
                                     cl_event *event);
cl_int __wrap_clEnqueueNDRangeKernel(cl_command_queue queue, cl_kernel kernel, cl_uint dims,
                                     const size_t *offset, const size_t *global,
                                     const size_t *local, cl_uint count, const cl_event *waits,
                                     cl_event *event) {
    const cl_uchar zero = 0;
    cl_int code = CL_SUCCESS;
    if (hold_up && queue == test_device->auxiliary && ++held_up)
        code = clEnqueueFillBuffer(queue, hold_up, &zero, 1, 0, HOLD_UP, 0, NULL, NULL);
    return code ? code
                : __real_clEnqueueNDRangeKernel(queue, kernel, dims, offset, global, local, count,
                                                waits, event);
}

/* Logits and all gradients are the same to the bit whether a layer is kept or computed again,
 * whether gradients have memory of their own, and however late the second queue is. */
static void test_recompute(void **state) {
    float want_logits[64 * 5], logits[64 * 5], *want[MAX_TENSORS];
    size_t bytes[2];
    subject s;
    (void)state;
    subject_begin(&s, NULL);
    const bool beside = test_device->auxiliary && s.model->ops.auxiliary;
    const bcl_layout *layout = bcl_model_layout(s.model);
    const int modes = beside ? 8 : 4;
    for (int mode = 0; mode < modes; mode++) {
        const bcl_capacity capacity = {64, SUBJECT_SENTENCES, true, mode % 4 < 2, mode % 2};
        if (mode == 4)
            OK(bcl_buffer_create(&hold_up, test_device, HOLD_UP, "nothing"));
        bcl_memory memory;
        OK(bcl_memory_plan(&memory, test_device, &s.config, TINY_VOCABULARY, BCL_PRECISION_FP32,
                           &capacity));
        bytes[mode % 2] = memory.step;
        assert_true(mode % 2 == 0 || bytes[1] < bytes[0]);
        OK(bcl_model_reserve(s.model, &capacity));
        for (int again = 0; again < 2; again++) /* what the first left must not matter */
            subject_pass(&s, SUBJECT_ALL, SUBJECT_SENTENCES, &SUBJECT_NOISE, again, false,
                         mode ? logits : want_logits);
        assert_true(mode == 0 || !memcmp(logits, want_logits, (size_t)s.T * 5 * sizeof *logits));
        for (int i = 0; i < layout->named_count; i++) {
            const size_t n = subject_elements(&layout->named[i]);
            float *g = random_floats(n, 0, 1);
            OK(bcl_model_read(s.model, &layout->named[i], true, g));
            if (mode == 0)
                want[i] = g;
            else
                assert_memory_equal(g, want[i], n * sizeof *g);
            if (mode)
                free(g);
        }
    }
    assert_true(!beside || held_up > 0);
    bcl_buffer_free(test_device, &hold_up);
    for (int i = 0; i < layout->named_count; i++)
        free(want[i]);
    subject_end(&s);
}

/* Gradients and moments only for the words that occur: the same bits as with all of them, and the
 * other rows keep theirs. Saved and loaded again: the same bits. */
static void test_sparse_adam_and_saving(void **state) {
    bool used[TINY_VOCABULARY] = {0};
    subject all, some, again;
    (void)state;
    for (int i = 0; i < 40; i++)
        used[i] = true;
    subject_begin(&all, NULL);
    subject_begin(&some, used);
    float before[TINY_VOCABULARY * 32], after[TINY_VOCABULARY * 32];
    const bcl_named *words = &bcl_model_layout(some.model)->named[0];
    assert_int_equal(words->parameter, BCL_WORDS);
    OK(bcl_model_read(some.model, words, false, before));
    subject_steps(&all, 6);
    subject_steps(&some, 6);
    subject_same_weights(all.model, some.model);
    OK(bcl_model_read(some.model, words, false, after));
    assert_memory_equal(before + 40 * 32, after + 40 * 32,
                        sizeof before - 40 * 32 * sizeof *before);
    assert_memory_not_equal(before, after, sizeof before);
    OK(bcl_model_save(some.model, some.folder));
    subject_begin(&again, NULL);
    bcl_model_free(again.model);
    subject_load(&again, some.folder, NULL);
    subject_same_weights(some.model, again.model);
    subject_end(&all);
    subject_end(&some);
    subject_end(&again);
}

static void test_errors(void **state) {
    subject s;
    bcl_model *model = NULL;
    bcl_load_report report;
    bcl_batch batch;
    (void)state;
    subject_begin(&s, NULL);
    bcl_config other = s.config;
    other.layers = 3;
    FAILS(bcl_model_load(&model, test_device, &other, s.folder, NULL, BCL_PRECISION_FP32, false, 0,
                         &report),
          BCL_ERROR_FORMAT, "no tensor bert.encoder.layer.2.");
    other = s.config;
    other.intermediate = 46;
    FAILS(bcl_model_load(&model, test_device, &other, s.folder, NULL, BCL_PRECISION_FP32, false, 0,
                         &report),
          BCL_ERROR_FORMAT, "found shape [45, 32], config.json asks for [46, 32]");
    other = s.config;
    other.vocabulary++;
    FAILS(bcl_model_load(&model, test_device, &other, s.folder, NULL, BCL_PRECISION_FP32, false, 0,
                         &report),
          BCL_ERROR_FORMAT, "word_embeddings.weight: found shape [77, 32]");
    other = s.config;
    other.labels = 7;
    FAILS(bcl_model_load(&model, test_device, &other, s.folder, NULL, BCL_PRECISION_FP32, false, 0,
                         &report),
          BCL_ERROR_FORMAT, "classifier.weight: found shape [5, 32]");
    OK(bcl_model_load(&model, test_device, &other, s.folder, NULL, BCL_PRECISION_FP32, true, 0,
                      &report));
    assert_int_equal(report.created_count, 2);
    bcl_load_report_free(&report);
    bcl_model_free(model);
    FAILS(bcl_model_load(&model, test_device, &s.config, s.folder, "mkl", BCL_PRECISION_FP32, false,
                         0, &report),
          BCL_ERROR_ARGUMENT, "mkl");
    OK(bcl_batch_create(&batch, 10, 1));
    FAILS(bcl_batch_pack(&batch, s.samples, SUBJECT_ALL, 2, NULL), BCL_ERROR_ARGUMENT, "10 tokens");
    bcl_batch_free(&batch);
    FAILS(bcl_model_reserve(s.model, &(bcl_capacity){1 << 30, 1 << 20, true, true, false}),
          BCL_ERROR_DEVICE_MEMORY, "--max-tokens");
    OK(bcl_model_reserve(
        s.model, &(bcl_capacity){64, SUBJECT_SENTENCES, true, true, false})); /* and it goes on */
    subject_steps(&s, 1);
    subject_end(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradients), cmocka_unit_test(test_packing),
        cmocka_unit_test(test_recompute), cmocka_unit_test(test_sparse_adam_and_saving),
        cmocka_unit_test(test_errors)};
    return TEST_RUN_ON_DEVICE(tests);
}
