/* Devices that run a kernel in small groups only, as many do whose registers it fills: every kernel
 * of a training step comes in a variant that fits, and computes the same up to rounding. The driver
 * tells a limit and refuses larger groups. */
#include "model/internal.h"
#include "support/device.h"

static size_t limit; /* work-items of a group; 0: the driver's own */

cl_int __real_clGetKernelWorkGroupInfo(cl_kernel kernel, cl_device_id device,
                                       cl_kernel_work_group_info what, size_t size, void *value,
                                       size_t *needed);
cl_int __wrap_clGetKernelWorkGroupInfo(cl_kernel kernel, cl_device_id device,
                                       cl_kernel_work_group_info what, size_t size, void *value,
                                       size_t *needed);
cl_int __wrap_clGetKernelWorkGroupInfo(cl_kernel kernel, cl_device_id device,
                                       cl_kernel_work_group_info what, size_t size, void *value,
                                       size_t *needed) {
    const cl_int code = __real_clGetKernelWorkGroupInfo(kernel, device, what, size, value, needed);
    if (limit && what == CL_KERNEL_WORK_GROUP_SIZE && code == CL_SUCCESS)
        *(size_t *)value = limit;
    return code;
}

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
    size_t items = 1;
    for (cl_uint i = 0; i < dims; i++)
        items *= local[i];
    if (limit && items > limit)
        return CL_INVALID_WORK_GROUP_SIZE;
    return __real_clEnqueueNDRangeKernel(queue, kernel, dims, offset, global, local, count, list,
                                         event);
}

enum { SENTENCES = 3, LONGEST = 40, TOKENS = SENTENCES * LONGEST, LAYERS = 1 };

/* What a step leaves: every gradient and every parameter behind it. */
typedef struct result {
    float *values[2 * 64];
    size_t counts[2 * 64], count;
} result;

static void keep(result *r, bcl_view view) {
    assert_true(r->count < sizeof r->values / sizeof *r->values);
    r->values[r->count] = read_floats(view);
    r->counts[r->count++] = (size_t)view.rows * (size_t)view.columns;
}

static void result_free(result *r) {
    for (size_t i = 0; i < r->count; i++)
        free(r->values[i]);
    *r = (result){0};
}

/* A step of a model of one head of this size, on a device opened for it. */
static void run(result *out, int head_size, size_t most) {
    static const uint32_t order[SENTENCES] = {0, 1, 2};
    static const int lengths[SENTENCES] = {7, LONGEST, 33};
    const bcl_dropout_state dropout = {0.1f, 0.1f, 0.1f, 1, 0};
    const bcl_adam adam = {1e-3, 0.9, 0.999, 1e-8, 0, false, 1, 0, 0};
    bcl_sample samples[SENTENCES];
    int32_t ids[TOKENS], labels[TOKENS];
    bcl_config config;
    bcl_model *m;
    bcl_batch batch;
    limit = most;
    assert_int_equal(test_device_open(), 0);
    OK(bcl_config_default(&config));
    config.hidden = config.head_size = head_size;
    config.heads = 1;
    config.intermediate = 48;
    config.layers = LAYERS;
    config.vocabulary = 100;
    config.positions = LONGEST;
    OK(bcl_model_create(&m, test_device, &config, "reference", BCL_PRECISION_FP32, 1));
    OK(bcl_model_train_begin(m, NULL));
    OK(bcl_model_reserve(m, &(bcl_capacity){TOKENS, SENTENCES, true, false, false}));
    OK(bcl_batch_create(&batch, TOKENS, SENTENCES));
    for (int b = 0, t = 0; b < SENTENCES; b++) {
        samples[b] = (bcl_sample){ids + t, labels + t, lengths[b], (uint32_t)b};
        for (int i = 0; i < lengths[b]; i++, t++) {
            ids[t] = 1 + (t * 7) % 50;
            labels[t] = t % 2;
        }
    }
    OK(bcl_batch_pack(&batch, samples, order, SENTENCES, bcl_model_slots(m)));
    OK(bcl_model_forward(m, &batch, &dropout));
    OK(bcl_model_loss(m, 1.0f / 80, true, false));
    OK(bcl_model_backward(m, &dropout, 0, false));
    keep(out, m->a.logits);
    keep(out, m->stats);
    for (int i = 0; i < m->layout.parameter_count; i++)
        keep(out, m->layout.parameters[i].g);
    OK(bcl_model_update(m, &adam, 0));
    keep(out, m->words);
    keep(out, m->clip);
    bcl_batch_free(&batch);
    bcl_model_free(m);
    bcl_config_free(&config);
    test_device_close(0);
}

static void same(const result *a, const result *b, int head_size, size_t most) {
    assert_int_equal(a->count, b->count);
    for (size_t k = 0; k < a->count; k++) {
        double size = 0;
        assert_int_equal(a->counts[k], b->counts[k]);
        for (size_t i = 0; i < a->counts[k]; i++)
            size = fmax(size, fabs((double)a->values[k][i]));
        for (size_t i = 0; i < a->counts[k]; i++) {
            const double difference = fabs((double)a->values[k][i] - (double)b->values[k][i]);
            if (!(difference <= 1e-6 + 2e-5 * size))
                fail_msg("head size %d, groups of %zu: tensor %zu, element %zu: %.9g, expected "
                         "%.9g",
                         head_size, most, k, i, (double)b->values[k][i], (double)a->values[k][i]);
        }
    }
}

/* Attention in local memory, whose groups have 32 items at least, and that of any head size. */
static void test_limits(void **state) {
    static const int sizes[] = {8, 132};
    static const size_t limits[] = {32, 8, 64, 100, 1};
    const size_t count = test_all() ? sizeof limits / sizeof *limits : 2;
    (void)state;
    for (size_t s = 0; s < (test_all() ? 2 : 1); s++) {
        result want = {0};
        run(&want, sizes[s], 0);
        for (size_t i = 0; i < count; i++) {
            result got = {0};
            run(&got, sizes[s], limits[i]);
            same(&want, &got, sizes[s], limits[i]);
            result_free(&got);
        }
        result_free(&want);
    }
}

/* What a launch says that nothing has fitted to the device. */
static void test_refused(void **state) {
    bcl_kernel *kernel;
    (void)state;
    limit = 32;
    assert_int_equal(test_device_open(), 0);
    OK(bcl_kernel_get(&kernel, test_device, "elementwise.cl", "sum_rows", ""));
    assert_int_equal(bcl_kernel_limit(kernel), 32);
    assert_int_equal(bcl_kernel_items(kernel), 32);
    const bcl_view y = guard_floats(1, 1, NULL);
    FAILS(BCL_LAUNCH(kernel, ((bcl_grid){{1}, {33}}), bcl_ptr(y), bcl_ptr(y), bcl_int(1),
                     bcl_int(1), bcl_int(0)),
          BCL_ERROR_UNSUPPORTED,
          "sum_rows runs in groups of at most 32 work-items here, it was to");
    guards_end();
    test_device_close(0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_limits),
                                       cmocka_unit_test(test_refused)};
    setenv("BERTCL_KERNELS", "gpu", 1);
    setenv("BERTCL_CACHE_DIR", "", 1); /* these are for nobody else */
    if (test_device_open())
        return test_device_code;
    test_device_close(0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
