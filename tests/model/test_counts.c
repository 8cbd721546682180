/* What a step asks of the driver: one upload a batch, no more launches than operations need, and
 * only the arguments that have changed. The program's own definitions of these calls stand before
 * the loader's, for CLBlast's calls too; drivers' own are not counted. */
#define _GNU_SOURCE /* RTLD_NEXT */
#include "model/internal.h"
#include "ocl/internal.h"
#include "support/device.h"
#include "support/tiny_model.h"

#include <dlfcn.h>

static struct {
    int writes, launches, arguments, buffers;
    int lookups;  /* of kernels */
    int waits;    /* launches of the first queue that wait for one of the second */
    size_t bytes; /* written */
    bool dry;     /* counted, not computed */
} counts;

/* The next definition of a function behind this program's. */
#define NEXT(name)                                                                                 \
    static __typeof__(name) *next;                                                                 \
    if (!next)                                                                                     \
    *(void **)&next = dlsym(RTLD_NEXT, #name)

cl_int clEnqueueWriteBuffer(cl_command_queue queue, cl_mem buffer, cl_bool wait, size_t offset,
                            size_t bytes, const void *host, cl_uint count, const cl_event *list,
                            cl_event *event) {
    NEXT(clEnqueueWriteBuffer);
    counts.writes++;
    counts.bytes += bytes;
    return next(queue, buffer, wait, offset, bytes, host, count, list, event);
}
cl_mem clCreateBuffer(cl_context context, cl_mem_flags flags, size_t size, void *host,
                      cl_int *code) {
    NEXT(clCreateBuffer);
    counts.buffers++;
    return next(context, flags, size, host, code);
}
cl_int clEnqueueNDRangeKernel(cl_command_queue queue, cl_kernel kernel, cl_uint dims,
                              const size_t *offset, const size_t *global, const size_t *local,
                              cl_uint count, const cl_event *list, cl_event *event) {
    NEXT(clEnqueueNDRangeKernel);
    counts.launches++;
    counts.waits += test_device && queue != test_device->auxiliary && count;
    if (counts.dry)
        return CL_SUCCESS;
    return next(queue, kernel, dims, offset, global, local, count, list, event);
}
/* What is not computed need not be fast. */
cl_int clBuildProgram(cl_program program, cl_uint count, const cl_device_id *devices,
                      const char *options, void (*notify)(cl_program, void *), void *data) {
    NEXT(clBuildProgram);
    char words[1024];
    snprintf(words, sizeof words, "%s%s", options, counts.dry ? " -cl-opt-disable" : "");
    return next(program, count, devices, words, notify, data);
}
cl_int clSetKernelArg(cl_kernel kernel, cl_uint index, size_t size, const void *value) {
    NEXT(clSetKernelArg);
    counts.arguments++;
    return next(kernel, index, size, value);
}

bcl_status __real_bcl_kernel_get(bcl_kernel **out, bcl_device *device, const char *file,
                                 const char *kernel, const char *options);
bcl_status __wrap_bcl_kernel_get(bcl_kernel **out, bcl_device *device, const char *file,
                                 const char *kernel, const char *options);
bcl_status __wrap_bcl_kernel_get(bcl_kernel **out, bcl_device *device, const char *file,
                                 const char *kernel, const char *options) {
    counts.lookups++;
    return __real_bcl_kernel_get(out, device, file, kernel, options);
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

static const uint32_t ALL[4] = {0, 1, 2, 3};

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
    assert_true(counts.bytes <= 10 * BCL_VIEW_UNIT);
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

/* A training step but its counts before. */
static void run_step(bcl_model *m, const bcl_batch *batch, int step) {
    static const bcl_adam adam = {1e-3, 0.9, 0.999, 1e-8, 0, false, 1, 0, 0};
    const bcl_dropout_state dropout = {0.1f, 0.1f, 0.1f, 1, step};
    counts.launches = counts.arguments = counts.writes = counts.waits = counts.buffers = 0;
    counts.lookups = 0;
    OK(bcl_model_forward(m, batch, &dropout));
    OK(bcl_model_loss(m, 1.0f / 32, true, false));
    OK(bcl_model_backward(m, &dropout, step, false));
    OK(bcl_model_update(m, &adam, step));
    OK(bcl_device_finish(test_device));
}

/* A training step: one write, and so many launches. */
static void test_step(void **state) {
    subject s;
    bcl_batch batch;
    (void)state;
    begin(&s);
    OK(bcl_model_train_begin(s.model, NULL));
    OK(bcl_model_reserve(s.model, &(bcl_capacity){TOKENS, SENTENCES, true, false, false}));
    OK(bcl_batch_create(&batch, TOKENS, SENTENCES));
    OK(bcl_batch_pack(&batch, s.samples, ALL, SENTENCES, bcl_model_slots(s.model)));
    for (int step = 0; step < 2; step++)
        run_step(s.model, &batch, step);
    print_message("a step: %d launches, %d arguments, %d writes, %d waits\n", counts.launches,
                  counts.arguments, counts.writes, counts.waits);
    assert_int_equal(counts.writes, 1);
    /* the kernels of CPUs with everything fused */
    if (bcl_gemm_fuses(s.model->ops.gemm) && bcl_device_wide(test_device)) {
        assert_true(counts.launches <= 14 + 22 * LAYERS);
        assert_true(counts.arguments <= 120);
        assert_true(counts.waits <= 1 + 2 * LAYERS);
    }
    bcl_batch_free(&batch);
    end(&s);
}

/* ---- MiniLM-L6 with the kernels of GPUs ---- */

enum { MINILM_SENTENCES = 4, MINILM_LENGTH = 29, MINILM_TOKENS = MINILM_SENTENCES * MINILM_LENGTH };

/* One step behind another of a batch of other lengths, counted and not computed. lookups: one a
 * launch, but products know their kernels. */
static void count_minilm(const char *provider, int units, int launches, int arguments,
                         int lookups) {
    bcl_config config;
    bcl_model *model;
    bcl_batch batch;
    int32_t ids[MINILM_TOKENS], labels[MINILM_TOKENS];
    bcl_sample samples[MINILM_SENTENCES];
    const uint32_t had = test_device->info.compute_units;
    OK(bcl_config_default(&config));
    config.hidden = 384;
    config.heads = 12;
    config.head_size = 32;
    config.intermediate = 1536;
    config.layers = 6;
    config.vocabulary = 1000;
    test_device->info.compute_units = (uint32_t)units;
    counts.dry = strcmp(provider, "clblast") != 0; /* that waits for its own events */
    OK(bcl_model_create(&model, test_device, &config, provider, BCL_PRECISION_FP32, 1));
    OK(bcl_model_train_begin(model, NULL));
    OK(bcl_model_reserve(model,
                         &(bcl_capacity){MINILM_TOKENS, MINILM_SENTENCES, true, false, false}));
    OK(bcl_batch_create(&batch, MINILM_TOKENS, MINILM_SENTENCES));
    for (int step = 0; step < 3; step++) {
        for (int b = 0, t = 0; b < MINILM_SENTENCES; b++) {
            const int length = MINILM_LENGTH - (step + b) % 5;
            samples[b] = (bcl_sample){ids + t, labels + t, length, (uint32_t)b};
            for (int i = 0; i < length; i++, t++) {
                ids[t] = 1 + (t * 7 + step) % 900;
                labels[t] = t % 2;
            }
        }
        OK(bcl_batch_pack(&batch, samples, ALL, MINILM_SENTENCES, bcl_model_slots(model)));
        run_step(model, &batch, step);
    }
    counts.dry = false;
    print_message("MiniLM-L6, %s, %d units: %d launches, %d arguments, %d lookups\n", provider,
                  units, counts.launches, counts.arguments, counts.lookups);
    assert_int_equal(counts.writes, 1);
    assert_in_range(counts.launches, 1, launches);
    assert_in_range(counts.arguments, 1, arguments);
    assert_in_range(counts.lookups, 1, lookups);
    assert_int_equal(counts.buffers, 0);
    test_device->info.compute_units = had;
    bcl_batch_free(&batch);
    bcl_model_free(model);
    bcl_config_free(&config);
}

static void test_minilm(void **state) {
    (void)state;
    test_device_close(0);
    setenv("BERTCL_KERNELS", "gpu", 1);
    setenv("BERTCL_CACHE_DIR", "", 1); /* these are for nobody else */
    if (test_device_open())
        fail_msg("the device does not open again");
    count_minilm("mma:emulated-nvidia", 2, 101, 200, 51);
    count_minilm("mma:emulated-nvidia", 132, 107, 200, 51);
    count_minilm("tile", 2, 126, 200, 51);
    count_minilm("clblast", 2, 189, 1500, 89);
}

/* C of a product by CLBlast where the device's clock is so slow, and the launches that it took; the
 * caller's to free. */
static float *product_at(uint32_t clock_mhz, bcl_gemm_layout layout, bool added, int *launches) {
    enum { M = 200, N = 40, K = 50 };
    const uint32_t had = test_device->info.clock_mhz;
    const bool tn = layout == BCL_GEMM_TN, nt = layout == BCL_GEMM_NT;
    bcl_gemm *gemm = NULL;
    float *a = random_floats(M * K, 1, 1), *b = random_floats(K * N, 1, 2),
          *c = random_floats(M * N, 1, 3);
    bcl_gemm_call call = {.layout = layout,
                          .M = M,
                          .N = N,
                          .K = K,
                          .accumulate = added,
                          .A = guard_floats(tn ? K : M, tn ? M : K, a),
                          .B = guard_floats(nt ? N : K, nt ? K : N, b),
                          .C = guard_floats(M, N, added ? c : NULL)};
    test_device->info.clock_mhz = clock_mhz;
    bcl_launch_measure(test_device);
    OK(bcl_gemm_create(&gemm, test_device, "clblast", BCL_PRECISION_FP32));
    OK(bcl_gemm_run(gemm, &call)); /* compiles */
    if (added)
        OK(bcl_buffer_write(test_device, call.C.buffer, 0, c, M * N * sizeof *c, true));
    counts.launches = 0;
    OK(bcl_gemm_run(gemm, &call));
    *launches = counts.launches;
    test_device->info.clock_mhz = had;
    float *out = read_floats(call.C);
    bcl_gemm_free(gemm);
    guards_end();
    free(a);
    free(b);
    free(c);
    return out;
}

/* A product that would run for long is several launches, of rows of C. */
static void test_long_products(void **state) {
    (void)state;
    if (bcl_device_wide(test_device))
        fail_msg("the kernels of GPUs are expected");
    const uint32_t had = test_device->info.compute_units;
    test_device->info.compute_units = 1; /* 400,000 operations a MHz, of 800,000 */
    for (int layout = 0; layout < BCL_GEMM_LAYOUTS; layout++) {
        int once, often;
        const bool added = layout == BCL_GEMM_TN;
        float *want = product_at(1000, (bcl_gemm_layout)layout, added, &once);
        float *got = product_at(1, (bcl_gemm_layout)layout, added, &often);
        assert_int_equal(often, 4 * once); /* 64 rows of 200 at once */
        for (int i = 0; i < 200 * 40; i++)
            assert_true(fabsf(got[i] - want[i]) <= 1e-4f);
        free(want);
        free(got);
    }
    test_device->info.compute_units = had;
    bcl_launch_measure(test_device);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_one_write),
                                       cmocka_unit_test(test_step), cmocka_unit_test(test_minilm),
                                       cmocka_unit_test(test_long_products)}; /* with its device */
    return TEST_RUN_ON_DEVICE(tests);
}
