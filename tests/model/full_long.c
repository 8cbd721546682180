/* Launches in parts, of a group each: a model's passes and steps give the same bits as by whole
 * launches, in every kernel of GPUs. The device is said to be that slow. Linked with
 * clEnqueueNDRangeKernel wrapped, which counts. */
#include "model/internal.h"
#include "ocl/internal.h"
#include "support/subject.h"

static long launches, parts;

cl_int __real_clEnqueueNDRangeKernel(cl_command_queue queue, cl_kernel kernel, cl_uint dims,
                                     const size_t *offset, const size_t *global,
                                     const size_t *local, cl_uint count, const cl_event *list,
                                     cl_event *event);
cl_int __wrap_clEnqueueNDRangeKernel(cl_command_queue queue, cl_kernel kernel, cl_uint dims,
                                     const size_t *offset, const size_t *global,
                                     const size_t *local, cl_uint count, const cl_event *list,
                                     cl_event *event);
cl_int __wrap_clEnqueueNDRangeKernel(cl_command_queue queue, cl_kernel kernel, cl_uint dims,
                                     const size_t *offset, const size_t *global,
                                     const size_t *local, cl_uint count, const cl_event *list,
                                     cl_event *event) {
    launches++;
    parts += offset != NULL;
    return __real_clEnqueueNDRangeKernel(queue, kernel, dims, offset, global, local, count, list,
                                         event);
}

/* What a device reaches that takes too long for whatever there is, or what this one does. */
static void slow(bool on) {
    bcl_launch_measure(test_device);
    if (on)
        test_device->flops = test_device->bandwidth = 1e-3;
}

typedef struct kind {
    const char *provider;
    bcl_precision precision;
    int hidden, heads;
} kind;

static void begin(subject *s, const kind *k) {
    const tiny_model shape = {.hidden = k->hidden,
                              .heads = k->heads,
                              .layers = TINY.layers,
                              .intermediate = TINY.intermediate,
                              .positions = TINY.positions,
                              .labels = TINY.labels,
                              .dropout = TINY.dropout,
                              .spread = TINY.spread,
                              .seed = TINY.seed};
    bcl_load_report report;
    subject_begin(s, NULL);
    s->precision = k->precision;
    OK(tiny_model_write(s->folder, &shape));
    bcl_config_free(&s->config);
    OK(bcl_config_read(&s->config, s->folder));
    bcl_model_free(s->model);
    OK(bcl_model_load(&s->model, test_device, &s->config, s->folder, k->provider, k->precision,
                      false, 0, &report));
    bcl_load_report_free(&report);
    OK(bcl_model_train_begin(s->model, NULL));
    OK(bcl_model_reserve(s->model, &(bcl_capacity){64, SUBJECT_SENTENCES, true, true, false}));
}

/* Passes alone and added up, and steps. Returns the logits of all. */
static float *work(subject *s, bool in_parts) {
    const size_t n = (size_t)s->T * (size_t)s->config.labels;
    float *logits = random_floats(3 * n, 1, 1);
    slow(in_parts);
    parts = launches = 0;
    subject_pass(s, SUBJECT_ALL, SUBJECT_SENTENCES, &SUBJECT_NOISE, 100, false, logits);
    subject_pass(s, SUBJECT_ALL, SUBJECT_SENTENCES, &SUBJECT_NOISE, 101, true, logits + n);
    subject_steps(s, 3);
    subject_pass(s, SUBJECT_ALL, SUBJECT_SENTENCES, NULL, 102, false, logits + 2 * n);
    OK(bcl_device_finish(test_device));
    slow(false);
    return logits;
}

static void check(const kind *k) {
    subject whole, cut;
    begin(&whole, k);
    begin(&cut, k);
    float *want = work(&whole, false);
    const long usual = launches;
    assert_int_equal(parts, 0);
    float *got = work(&cut, true);
    if (launches < 4 * usual || parts < 3 * usual)
        fail_msg("%s: %ld launches, %ld of them parts, where %ld whole ones are usual", k->provider,
                 launches, parts, usual);
    assert_memory_equal(want, got,
                        3 * (size_t)whole.T * (size_t)whole.config.labels * sizeof *want);
    subject_same_weights(whole.model, cut.model);
    free(want);
    free(got);
    subject_end(&whole);
    subject_end(&cut);
}

/* Attention of any head size. */
static void test_general(void **state) {
    (void)state;
    check(&(kind){"reference", BCL_PRECISION_FP32, 132, 1});
}
static void test_tile(void **state) {
    (void)state;
    check(&(kind){"tile", BCL_PRECISION_FP32, 32, 4});
}
static void test_units(void **state) {
    (void)state;
    check(&(kind){"mma:emulated-nvidia:32x32x16x16x2", BCL_PRECISION_FP32, 32, 4});
    check(&(kind){"mma-bf16:emulated-nvidia:32x32x16x16x2", BCL_PRECISION_BF16, 32, 4});
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_general), cmocka_unit_test(test_tile),
                                       cmocka_unit_test(test_units)};
    setenv("BERTCL_KERNELS", "gpu", 1);
    return TEST_RUN_ON_DEVICE(tests);
}
