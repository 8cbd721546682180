/* What a step asks of the driver: one upload a batch, no more launches than operations need. The
 * program is linked with these calls wrapped, see CMakeLists.txt; drivers' own calls are not
 * counted. */
#include "model/internal.h"
#include "ocl/internal.h"
#include "support/device.h"
#include "support/tiny_model.h"

cl_int __real_clEnqueueWriteBuffer(cl_command_queue queue, cl_mem buffer, cl_bool wait,
                                   size_t offset, size_t bytes, const void *host, cl_uint count,
                                   const cl_event *list, cl_event *event);
cl_int __real_clEnqueueNDRangeKernel(cl_command_queue queue, cl_kernel kernel, cl_uint dims,
                                     const size_t *offset, const size_t *global,
                                     const size_t *local, cl_uint count, const cl_event *list,
                                     cl_event *event);
cl_int __real_clSetKernelArg(cl_kernel kernel, cl_uint index, size_t size, const void *value);
cl_int __wrap_clEnqueueWriteBuffer(cl_command_queue queue, cl_mem buffer, cl_bool wait,
                                   size_t offset, size_t bytes, const void *host, cl_uint count,
                                   const cl_event *list, cl_event *event);
cl_int __wrap_clEnqueueNDRangeKernel(cl_command_queue queue, cl_kernel kernel, cl_uint dims,
                                     const size_t *offset, const size_t *global,
                                     const size_t *local, cl_uint count, const cl_event *list,
                                     cl_event *event);
cl_int __wrap_clSetKernelArg(cl_kernel kernel, cl_uint index, size_t size, const void *value);

static struct {
    int writes, launches, arguments;
    int waits;    /* launches of the first queue that wait for one of the second */
    size_t bytes; /* written */
} counts;

cl_int __wrap_clEnqueueWriteBuffer(cl_command_queue queue, cl_mem buffer, cl_bool wait,
                                   size_t offset, size_t bytes, const void *host, cl_uint count,
                                   const cl_event *list, cl_event *event) {
    counts.writes++;
    counts.bytes += bytes;
    return __real_clEnqueueWriteBuffer(queue, buffer, wait, offset, bytes, host, count, list,
                                       event);
}
cl_int __wrap_clEnqueueNDRangeKernel(cl_command_queue queue, cl_kernel kernel, cl_uint dims,
                                     const size_t *offset, const size_t *global,
                                     const size_t *local, cl_uint count, const cl_event *list,
                                     cl_event *event) {
    counts.launches++;
    counts.waits += test_device && queue != test_device->auxiliary && count;
    return __real_clEnqueueNDRangeKernel(queue, kernel, dims, offset, global, local, count, list,
                                         event);
}
cl_int __wrap_clSetKernelArg(cl_kernel kernel, cl_uint index, size_t size, const void *value) {
    counts.arguments++;
    return __real_clSetKernelArg(kernel, index, size, value);
}

enum { SENTENCES = 3, TOKENS = 40, LAYERS = 2 };

typedef struct subject {
    bcl_config config;
    bcl_model *model;
    bcl_sample samples[SENTENCES];
    int32_t ids[TOKENS], labels[TOKENS];
} subject;

static void begin(subject *s) {
    static const int lengths[SENTENCES] = {7, 20, 5};
    memset(s, 0, sizeof *s);
    OK(bcl_config_default(&s->config));
    s->config.hidden = 32;
    s->config.heads = 4;
    s->config.head_size = 8;
    s->config.intermediate = 48;
    s->config.layers = LAYERS;
    s->config.vocabulary = 100;
    s->config.positions = 32;
    OK(bcl_model_create(&s->model, test_device, &s->config, test_small ? "reference" : NULL,
                        BCL_PRECISION_FP32, 1));
    for (int b = 0, t = 0; b < SENTENCES; b++) {
        s->samples[b] = (bcl_sample){s->ids + t, s->labels + t, lengths[b], (uint32_t)b};
        for (int i = 0; i < lengths[b]; i++, t++) {
            s->ids[t] = 1 + (t * 7) % 50;
            s->labels[t] = t % 2;
        }
    }
}

static void end(subject *s) {
    bcl_model_free(s->model);
    bcl_config_free(&s->config);
}

static const uint32_t ALL[SENTENCES] = {0, 1, 2};

/* The logits (T,K) of a pass; the caller's to free. */
static float *logits(subject *s, int tokens, int sentences, int T) {
    bcl_batch batch;
    cl_event event = NULL;
    float *out = random_floats((size_t)(T * s->config.labels), 0, 1);
    OK(bcl_batch_create(&batch, tokens, sentences));
    OK(bcl_batch_pack(&batch, s->samples, ALL, SENTENCES, NULL));
    assert_int_equal(batch.T, T);
    memset(&counts, 0, sizeof counts);
    OK(bcl_model_forward(s->model, &batch, NULL));
    assert_int_equal(counts.writes, 1);
    OK(bcl_model_read_logits(s->model, out, &event));
    OK(bcl_event_finish(&event));
    bcl_batch_free(&batch);
    return out;
}

/* A batch is one write, of no more than it uses, whatever capacity it was made for. */
static void test_one_write(void **state) {
    subject s;
    bcl_batch batch;
    (void)state;
    begin(&s);
    OK(bcl_model_reserve(s.model, &(bcl_capacity){.tokens = 2000, .sentences = 600}));
    float *small = logits(&s, TOKENS, SENTENCES, 32);
    assert_true(counts.bytes <= 9 * BCL_VIEW_UNIT);
    float *large = logits(&s, 2000, 600, 32), *odd = logits(&s, 777, 3, 32);
    const size_t bytes = 32 * (size_t)s.config.labels * sizeof *small;
    assert_memory_equal(small, large, bytes);
    assert_memory_equal(small, odd, bytes);
    free(small);
    free(large);
    free(odd);
    OK(bcl_batch_create(&batch, 2001, 3));
    OK(bcl_batch_pack(&batch, s.samples, ALL, 1, NULL));
    FAILS(bcl_model_forward(s.model, &batch, NULL), BCL_ERROR_ARGUMENT,
          "up to 2001 tokens and 3 sentences exceeds the capacity of 2000 and 600");
    bcl_batch_free(&batch);
    end(&s);
}

/* A training step: one write, and so many launches. */
static void test_step(void **state) {
    static const bcl_adam adam = {1e-3, 0.9, 0.999, 1e-8, 0, false, 1};
    const bcl_dropout_state dropout = {0.1f, 0.1f, 0.1f, 1, 0};
    subject s;
    bcl_batch batch;
    (void)state;
    begin(&s);
    OK(bcl_model_train_begin(s.model, NULL));
    OK(bcl_model_reserve(s.model, &(bcl_capacity){TOKENS, SENTENCES, true, false, false}));
    OK(bcl_batch_create(&batch, TOKENS, SENTENCES));
    OK(bcl_batch_pack(&batch, s.samples, ALL, SENTENCES, bcl_model_slots(s.model)));
    for (int step = 0; step < 2; step++) {
        memset(&counts, 0, sizeof counts);
        OK(bcl_model_forward(s.model, &batch, &dropout));
        OK(bcl_model_loss(s.model, 1.0f / 32, true, false));
        OK(bcl_model_backward(s.model, &dropout, step, false));
        OK(bcl_model_update(s.model, &adam, step));
        OK(bcl_device_finish(test_device));
    }
    print_message("a step: %d launches, %d arguments, %d writes, %d waits\n", counts.launches,
                  counts.arguments, counts.writes, counts.waits);
    assert_int_equal(counts.writes, 1);
    /* the kernels of CPUs with everything fused; others take more, CLBlast's are not seen */
    if (bcl_gemm_fuses(s.model->ops.gemm) && bcl_device_wide(test_device)) {
        assert_true(counts.launches <= 16 + 22 * LAYERS);
        assert_true(counts.arguments <= 912);
        assert_true(counts.waits <= 1 + 2 * LAYERS);
    }
    bcl_batch_free(&batch);
    end(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_one_write),
                                       cmocka_unit_test(test_step)};
    return TEST_RUN_ON_DEVICE(tests);
}
