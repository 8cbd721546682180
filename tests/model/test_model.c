/* The whole model: loss, logits and gradients against double precision, with dropout, whose
 * gradients are held against finite differences of its own loss; packing, sparse Adam, saving,
 * errors; bf16 against fp32. */
#include "model/exact.h"
#include "model/internal.h"
#include "ocl/internal.h"
#include "support/device.h"
#include "support/tiny_model.h"

enum { MAX_TENSORS = 64, SENTENCES = 5 };
static const int LENGTHS[SENTENCES] = {1, 9, 17, 3, 30};

static size_t elements(const bcl_named *n) {
    return (size_t)n->shape[0] * (n->rank == 2 ? (size_t)n->shape[1] : 1);
}

/* ---- a loaded model, and its sentences ---- */

typedef struct subject {
    char *folder;
    bcl_config config;
    bcl_model *model;
    bcl_sample samples[SENTENCES];
    int32_t ids[64], labels[64];
    int labelled, T;
    bcl_precision precision;
    double loss; /* of the last pass, a labelled token */
} subject;

static void load(subject *s, const char *folder, const bool *used) {
    bcl_load_report report;
    OK(bcl_model_load(&s->model, test_device, &s->config, folder,
                      s->precision == BCL_PRECISION_BF16 ? "tile-bf16"
                      : test_small                       ? "reference"
                                                         : NULL,
                      s->precision, false, 0, &report));
    bcl_load_report_free(&report);
    OK(bcl_model_train_begin(s->model, used));
    OK(bcl_model_reserve(s->model, &(bcl_capacity){64, SENTENCES, true, true, false}));
}

static void begin_in(subject *s, bcl_precision precision, const bool *used) {
    memset(s, 0, sizeof *s);
    s->precision = precision;
    s->folder = test_folder();
    OK(tiny_model_write(s->folder, &TINY));
    OK(bcl_config_read(&s->config, s->folder));
    load(s, s->folder, used);
    for (int b = 0, t = 0; b < SENTENCES; b++) {
        s->samples[b] = (bcl_sample){s->ids + t, s->labels + t, LENGTHS[b], (uint32_t)(50 + 3 * b)};
        for (int i = 0; i < LENGTHS[b]; i++, t++) {
            s->ids[t] = (int32_t)(bcl_mix64((uint64_t)t) % 40); /* the others never occur */
            s->labels[t] = t % 4 ? (int32_t)(bcl_mix64(~(uint64_t)t) % 5) : -100;
            s->labelled += s->labels[t] >= 0;
        }
        s->T = t;
    }
}

static void begin(subject *s, const bool *used) {
    begin_in(s, BCL_PRECISION_FP32, used);
}

static void end(subject *s) {
    bcl_model_free(s->model);
    bcl_config_free(&s->config);
    free(s->folder);
}

/* Forward, loss and backward of these sentences; logits (T,K) to the caller. */
static void pass(subject *s, const uint32_t *which, int count, const bcl_dropout_state *dropout,
                 int64_t step, bool accumulate, float *logits) {
    bcl_batch batch;
    float row_loss[64];
    int32_t predicted[64];
    cl_event event;
    OK(bcl_batch_create(&batch, 64, SENTENCES));
    OK(bcl_batch_pack(&batch, s->samples, which, count, bcl_model_slots(s->model)));
    OK(bcl_model_forward(s->model, &batch, dropout));
    OK(bcl_model_loss(s->model, 1.0f / (float)s->labelled, true, accumulate));
    OK(bcl_model_backward(s->model, dropout, step, accumulate));
    OK(bcl_model_read_output(s->model, row_loss, predicted, logits, &event));
    clWaitForEvents(1, &event);
    clReleaseEvent(event);
    OK(bcl_device_finish(test_device));
    s->loss = 0;
    for (int t = 0; t < batch.T; t++)
        s->loss += row_loss[t] / s->labelled;
    bcl_batch_free(&batch);
}

static const uint32_t ALL[SENTENCES] = {0, 1, 2, 3, 4};
static const bcl_dropout_state NOISE = {0.1f, 0.2f, 0.3f, 99, 7};

/* The mean loss of all sentences; logits (T,K) and gradients unless NULL. */
static double exact_loss(const bcl_exact_model *e, subject *s, double *logits,
                         double *const *gradients) {
    bcl_batch batch;
    double loss, *all = zeros((size_t)s->T * (size_t)s->config.labels);
    OK(bcl_batch_create(&batch, 64, SENTENCES));
    OK(bcl_batch_pack(&batch, s->samples, ALL, SENTENCES, NULL));
    OK(bcl_exact_model_run(e, logits ? logits : all, &loss, gradients, &batch, 1.0 / s->labelled));
    bcl_batch_free(&batch);
    free(all);
    return loss;
}

/* The exact gradient times a direction against the difference of the exact loss along it. */
static double difference(bcl_exact_model *e, subject *s, int tensor, const double *g,
                         uint64_t seed) {
    const size_t n = elements(&e->layout->named[tensor]);
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
    begin(&s, NULL);
    OK(bcl_exact_model_read(&e, s.model, &s.config));
    e.dropout = dropout;
    assert_true(e.layout->named_count <= MAX_TENSORS);
    const size_t n = (size_t)s.T * (size_t)s.config.labels;
    float *logits = random_floats(n, 0, 1);
    double *want = zeros(n);
    for (int i = 0; i < e.layout->named_count; i++)
        exact[i] = zeros(elements(&e.layout->named[i]));
    pass(&s, ALL, SENTENCES, dropout, 0, false, logits);
    const double loss = exact_loss(&e, &s, want, exact);
    assert_float_equal(s.loss, loss, 1e-5);
    compare("logits", logits, want, NULL, n, LOGITS);
    for (int i = 0; i < e.layout->named_count; i++) {
        const bcl_named *named = &e.layout->named[i];
        const size_t count = elements(named);
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
    end(&s);
}

static void test_gradients(void **state) {
    (void)state;
    check_gradients(NULL);
    check_gradients(&NOISE);
}

/* A sentence's logits, with dropout too, are the same alone and in any company; gradients add up.
 */
static void test_packing(void **state) {
    static const uint32_t others[2][3] = {{4, 0, 2}, {3, 1}};
    static const test_limit NEAR = {2e-6, 1e-5};
    subject s;
    (void)state;
    begin(&s, NULL);
    const bcl_layout *layout = bcl_model_layout(s.model);
    const size_t K = (size_t)s.config.labels;
    float *together = random_floats(64 * K, 0, 1), *alone = random_floats(64 * K, 0, 1);
    float *gradients[MAX_TENSORS];
    pass(&s, ALL, SENTENCES, &NOISE, 0, false, together);
    for (int i = 0; i < layout->named_count; i++) {
        gradients[i] = random_floats(elements(&layout->named[i]), 0, 1);
        OK(bcl_model_read(s.model, &layout->named[i], true, gradients[i]));
    }
    for (uint32_t b = 0, t = 0; b < SENTENCES; t += (uint32_t)LENGTHS[b++]) {
        pass(&s, &b, 1, &NOISE, 1, false, alone);
        for (size_t i = 0; i < (size_t)LENGTHS[b] * K; i++)
            assert_float_equal(alone[i], together[t * K + i], 1e-5);
    }
    pass(&s, others[0], 3, &NOISE, 2, false, alone);
    pass(&s, others[1], 2, &NOISE, 2, true, alone);
    for (int i = 0; i < layout->named_count; i++) {
        const size_t n = elements(&layout->named[i]);
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
    end(&s);
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
    begin(&s, NULL);
    const bool beside = test_device->auxiliary && s.model->ops.auxiliary;
    const bcl_layout *layout = bcl_model_layout(s.model);
    const int modes = beside ? 8 : 4;
    for (int mode = 0; mode < modes; mode++) {
        const bcl_capacity capacity = {64, SENTENCES, true, mode % 4 < 2, mode % 2};
        if (mode == 4)
            OK(bcl_buffer_create(&hold_up, test_device, HOLD_UP, "nothing"));
        bcl_memory memory;
        OK(bcl_memory_plan(&memory, test_device, &s.config, TINY_VOCABULARY, &capacity));
        bytes[mode % 2] = memory.step;
        assert_true(mode % 2 == 0 || bytes[1] < bytes[0]);
        OK(bcl_model_reserve(s.model, &capacity));
        for (int again = 0; again < 2; again++) /* what the first left must not matter */
            pass(&s, ALL, SENTENCES, &NOISE, again, false, mode ? logits : want_logits);
        assert_true(mode == 0 || !memcmp(logits, want_logits, (size_t)s.T * 5 * sizeof *logits));
        for (int i = 0; i < layout->named_count; i++) {
            const size_t n = elements(&layout->named[i]);
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
    end(&s);
}

static void steps(subject *s, int count) {
    static const bcl_adam adam = {1e-2, 0.9, 0.999, 1e-8, 0, false, 1};
    for (int i = 0; i < count; i++) {
        const uint32_t which[2] = {(uint32_t)(i % SENTENCES), (uint32_t)((i + 2) % SENTENCES)};
        float logits[64 * 5];
        pass(s, which, 2, &NOISE, i, false, logits);
        OK(bcl_model_update(s->model, &adam, i));
    }
    OK(bcl_device_finish(test_device));
}

static void assert_same(bcl_model *a, bcl_model *b) {
    const bcl_layout *layout = bcl_model_layout(a);
    for (int i = 0; i < layout->named_count; i++) {
        const size_t n = elements(&layout->named[i]);
        float *x = random_floats(n, 0, 1), *y = random_floats(n, 1, 1);
        OK(bcl_model_read(a, &layout->named[i], false, x));
        OK(bcl_model_read(b, &layout->named[i], false, y));
        assert_memory_equal(x, y, n * sizeof *x);
        free(x);
        free(y);
    }
}

/* Gradients and moments only for the words that occur: the same bits as with all of them, and the
 * other rows keep theirs. Saved and loaded again: the same bits. */
static void test_sparse_adam_and_saving(void **state) {
    bool used[TINY_VOCABULARY] = {0};
    subject all, some, again;
    (void)state;
    for (int i = 0; i < 40; i++)
        used[i] = true;
    begin(&all, NULL);
    begin(&some, used);
    float before[TINY_VOCABULARY * 32], after[TINY_VOCABULARY * 32];
    const bcl_named *words = &bcl_model_layout(some.model)->named[0];
    assert_int_equal(words->parameter, BCL_WORDS);
    OK(bcl_model_read(some.model, words, false, before));
    steps(&all, 6);
    steps(&some, 6);
    assert_same(all.model, some.model);
    OK(bcl_model_read(some.model, words, false, after));
    assert_memory_equal(before + 40 * 32, after + 40 * 32,
                        sizeof before - 40 * 32 * sizeof *before);
    assert_memory_not_equal(before, after, sizeof before);
    OK(bcl_model_save(some.model, some.folder));
    begin(&again, NULL);
    bcl_model_free(again.model);
    load(&again, some.folder, NULL);
    assert_same(some.model, again.model);
    end(&all);
    end(&some);
    end(&again);
}

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
    begin(&fp32, NULL);
    begin_in(&bf16, BCL_PRECISION_BF16, NULL);
    assert_int_equal(bcl_model_precision(fp32.model), BCL_PRECISION_FP32);
    assert_int_equal(bcl_model_precision(bf16.model), BCL_PRECISION_BF16);
    const bcl_layout *layout = bcl_model_layout(fp32.model);
    const size_t n = (size_t)fp32.T * (size_t)fp32.config.labels;
    float *want = random_floats(n, 0, 1), *got = random_floats(n, 0, 1);
    pass(&fp32, ALL, SENTENCES, &NOISE, 0, false, want);
    pass(&bf16, ALL, SENTENCES, &NOISE, 0, false, got);
    const double logits = relative_error(got, want, n);
    assert_true(logits > 1e-4 && logits <= LOGITS);
    assert_float_equal(bf16.loss, fp32.loss, LOSS * fp32.loss);
    for (int i = 0; i < layout->named_count; i++) {
        const size_t size = elements(&layout->named[i]);
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
    steps(&fp32, 20);
    steps(&bf16, 20);
    pass(&fp32, ALL, SENTENCES, NULL, 20, false, want);
    pass(&bf16, ALL, SENTENCES, NULL, 20, false, got);
    print_message("after 20 steps: loss %g, in fp32 %g\n", bf16.loss, fp32.loss);
    assert_float_equal(bf16.loss, fp32.loss, 5 * LOSS * fp32.loss);
    free(want);
    free(got);
    end(&fp32);
    end(&bf16);
}

/* The logits (T,K) of a forward pass for inference; the caller's to free. */
static float *inferred(bcl_model *model, const subject *s, int K) {
    bcl_batch batch;
    cl_event event;
    float *logits = calloc((size_t)s->T * (size_t)K, sizeof *logits);
    assert_non_null(logits);
    OK(bcl_batch_create(&batch, 64, SENTENCES));
    OK(bcl_batch_pack(&batch, s->samples, ALL, SENTENCES, NULL));
    OK(bcl_model_forward(model, &batch, NULL));
    OK(bcl_model_read_logits(model, logits, &event));
    OK(bcl_event_finish(&event));
    bcl_batch_free(&batch);
    return logits;
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
    begin(&s, NULL);
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
    OK(bcl_model_reserve(s.model, &(bcl_capacity){64, SENTENCES, false, false, false}));
    float *want = inferred(s.model, &s, 48);
    OK(bcl_model_pack(s.model, true));
    float *got = inferred(s.model, &s, 48);
    assert_memory_equal(got, want, (size_t)s.T * 48 * sizeof *got);
    if (s.model->ops.packed) {
        const char *const what = "packed for inference";
        const bcl_named *word = bcl_model_layout(s.model)->named, *position = word + 1;
        OK(bcl_model_read(s.model, word, false, random = random_floats(elements(word), 0, 1)));
        FAILS(bcl_model_read(s.model, position, false, random), BCL_ERROR_ARGUMENT, what);
        FAILS(bcl_model_save(s.model, s.folder), BCL_ERROR_ARGUMENT, what);
        FAILS(bcl_model_train_begin(s.model, NULL), BCL_ERROR_ARGUMENT, what);
        FAILS(bcl_model_load_weights(s.model, s.folder, false, 0, &report), BCL_ERROR_ARGUMENT,
              what);
        free(random);
    }
    OK(bcl_model_pack(s.model, false));
    assert_same(s.model, plain); /* reads every tensor */
    OK(bcl_model_train_begin(s.model, NULL));
    OK(bcl_model_reserve(s.model, &(bcl_capacity){64, SENTENCES, true, false, false}));
    assert_same(s.model, plain);
    if (bcl_gemm_packs(s.model->ops.gemm, 96))
        FAILS(bcl_model_pack(s.model, true), BCL_ERROR_ARGUMENT, "is trained");
    bcl_model_free(plain);
    free(want);
    free(got);
    end(&s);
}

static void test_errors(void **state) {
    subject s;
    bcl_model *model = NULL;
    bcl_load_report report;
    bcl_batch batch;
    (void)state;
    begin(&s, NULL);
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
    FAILS(bcl_batch_pack(&batch, s.samples, ALL, 2, NULL), BCL_ERROR_ARGUMENT, "10 tokens");
    bcl_batch_free(&batch);
    FAILS(bcl_model_reserve(s.model, &(bcl_capacity){1 << 30, 1 << 20, true, true, false}),
          BCL_ERROR_DEVICE_MEMORY, "--max-tokens");
    OK(bcl_model_reserve(s.model,
                         &(bcl_capacity){64, SENTENCES, true, true, false})); /* and it goes on */
    steps(&s, 1);
    end(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradients),       cmocka_unit_test(test_packing),
        cmocka_unit_test(test_recompute),       cmocka_unit_test(test_sparse_adam_and_saving),
        cmocka_unit_test(test_inference_order), cmocka_unit_test(test_bf16),
        cmocka_unit_test(test_errors)};
    return TEST_RUN_ON_DEVICE(tests);
}
