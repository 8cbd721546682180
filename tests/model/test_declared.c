/* What operations declare is what their kernels do. The order between the two queues is derived
 * from what operations say they read and write (bcl_operands_use), so each buffer that a launch
 * gets must have been declared, and as written where the kernel's argument is not const: whether
 * that would matter today or not, and without a race to be lost. Also, transfers wait for both
 * queues, and gradients that were handed out are not written any more. The program's own
 * definitions of the calls stand before the loader's; those of ocl/ are wrapped, see
 * CMakeLists.txt. */
#define _GNU_SOURCE /* RTLD_NEXT */
#include "model/internal.h"
#include "ocl/internal.h"
#include "support/device.h"

#include <dlfcn.h>

enum {
    GROUPS = 3 /* operations call others */,
    MAX_DECLARED = 64,
    MAX_ARGUMENTS = 4096,
    MAX_MAPPED = 16,
    MAX_RANGES = 64,
    SENTENCES = 3,
    LENGTH = 12,
    LAYERS = 2
};

typedef struct declared {
    bcl_extent extent;
    bool writes;
} declared;

static struct {
    bool on;
    declared declared[MAX_DECLARED]; /* by the operation and those around it */
    int count, groups[GROUPS];       /* how many, and of them by each of the last calls */
    int launches, checked, barriers;
    bcl_extent mapped[MAX_MAPPED]; /* what the host has */
    int mapped_count;
    struct {
        cl_kernel kernel;
        cl_uint index;
        cl_mem mem;
    } arguments[MAX_ARGUMENTS];
    int argument_count;
} watch;

/* The next definition of a function behind this program's. */
#define NEXT(name)                                                                                 \
    static __typeof__(name) *next;                                                                 \
    if (!next)                                                                                     \
    *(void **)&next = dlsym(RTLD_NEXT, #name)

static bool overlap(bcl_extent a, bcl_extent b) {
    return a.root == b.root && a.begin < b.end && b.begin < a.end;
}

static void check_mapped(const char *operation, bcl_extent e) {
    for (int i = 0; i < watch.mapped_count; i++)
        if (overlap(watch.mapped[i], e))
            fail_msg("%s writes what the host has", operation);
}

bcl_status __real_bcl_operands_use(bcl_device *device, const char *operation,
                                   const bcl_operand *operands, size_t count);
bcl_status __wrap_bcl_operands_use(bcl_device *device, const char *operation,
                                   const bcl_operand *operands, size_t count);
bcl_status __wrap_bcl_operands_use(bcl_device *device, const char *operation,
                                   const bcl_operand *operands, size_t count) {
    const int oldest = watch.groups[0];
    watch.count -= oldest;
    memmove(watch.declared, watch.declared + oldest, (size_t)watch.count * sizeof *watch.declared);
    memmove(watch.groups, watch.groups + 1, (GROUPS - 1) * sizeof *watch.groups);
    watch.groups[GROUPS - 1] = (int)count;
    for (size_t i = 0; i < count; i++) {
        const bcl_view *v = operands[i].view;
        assert_true(watch.count < MAX_DECLARED);
        const declared d = {{v->root, v->offset, v->offset + v->bytes},
                            operands[i].takes & BCL_WRITES};
        watch.declared[watch.count++] = d;
        if (d.writes && strcmp(operation, "zero_ranges")) /* of it: see check_ranges */
            check_mapped(operation, d.extent);
    }
    return __real_bcl_operands_use(device, operation, operands, count);
}

/* Kernels tell of their arguments only if they are built so. */
cl_int clBuildProgram(cl_program program, cl_uint count, const cl_device_id *devices,
                      const char *options, void (*notify)(cl_program, void *), void *data) {
    NEXT(clBuildProgram);
    char words[1024];
    snprintf(words, sizeof words, "%s -cl-kernel-arg-info", options);
    return next(program, count, devices, words, notify, data);
}

cl_int clSetKernelArg(cl_kernel kernel, cl_uint index, size_t size, const void *value) {
    NEXT(clSetKernelArg);
    int i = 0;
    while (i < watch.argument_count &&
           (watch.arguments[i].kernel != kernel || watch.arguments[i].index != index))
        i++;
    assert_true(i < MAX_ARGUMENTS);
    watch.argument_count += i == watch.argument_count;
    watch.arguments[i].kernel = kernel;
    watch.arguments[i].index = index;
    watch.arguments[i].mem = NULL;
    if (value && size == sizeof(cl_mem))
        memcpy(&watch.arguments[i].mem, value, size);
    return next(kernel, index, size, value);
}

static bcl_extent extent_of(cl_mem mem) {
    bcl_extent e = {.root = NULL};
    size_t bytes = 0;
    assert_int_equal(
        clGetMemObjectInfo(mem, CL_MEM_ASSOCIATED_MEMOBJECT, sizeof e.root, &e.root, NULL), 0);
    assert_int_equal(clGetMemObjectInfo(mem, CL_MEM_OFFSET, sizeof e.begin, &e.begin, NULL), 0);
    assert_int_equal(clGetMemObjectInfo(mem, CL_MEM_SIZE, sizeof bytes, &bytes, NULL), 0);
    e.end = e.begin + bytes;
    e.root = e.root ? e.root : mem;
    return e;
}

static void check_argument(cl_kernel kernel, const char *name, cl_uint index, cl_mem mem) {
    cl_kernel_arg_address_qualifier where = 0;
    cl_kernel_arg_type_qualifier type = 0;
    char argument[64] = "?";
    OK(clGetKernelArgInfo(kernel, index, CL_KERNEL_ARG_ADDRESS_QUALIFIER, sizeof where, &where,
                          NULL));
    if (where != CL_KERNEL_ARG_ADDRESS_GLOBAL || !mem)
        return;
    OK(clGetKernelArgInfo(kernel, index, CL_KERNEL_ARG_TYPE_QUALIFIER, sizeof type, &type, NULL));
    OK(clGetKernelArgInfo(kernel, index, CL_KERNEL_ARG_NAME, sizeof argument, argument, NULL));
    /* of a product's epilogue: GELU writes it, GELU's gradient reads it */
    const bool either = !strncmp(name, "gemm_", 5) && argument[0] == 'E';
    const bool writes = !(type & CL_KERNEL_ARG_TYPE_CONST) && !either;
    const bcl_extent e = extent_of(mem);
    if (!strcmp(argument,
                "part")) /* of sums, for the first queue alone, and in no operation's hands */
        return;
    watch.checked++;
    for (int i = 0; i < watch.count; i++) {
        const declared *d = &watch.declared[i];
        if (overlap(d->extent, e) && (d->writes || !writes))
            return;
    }
    fail_msg("%s: %s is %s, but not declared so", name, argument, writes ? "written" : "read");
}

/* zero_ranges(x, ranges) */
static void check_ranges(cl_kernel kernel, size_t count) {
    bcl_extent x = {.root = NULL};
    cl_int ranges[2 * MAX_RANGES] = {0};
    assert_true(count <= MAX_RANGES);
    for (int i = 0; i < watch.argument_count; i++)
        if (watch.arguments[i].kernel == kernel && watch.arguments[i].index == 0)
            x = extent_of(watch.arguments[i].mem);
        else if (watch.arguments[i].kernel == kernel)
            OK(clEnqueueReadBuffer(test_device->queue, watch.arguments[i].mem, true, 0,
                                   2 * count * sizeof *ranges, ranges, 0, NULL, NULL));
    assert_non_null(x.root);
    for (size_t i = 0; i < count; i++)
        check_mapped("zero_ranges",
                     (bcl_extent){x.root, x.begin + (size_t)ranges[2 * i] * sizeof(float),
                                  x.begin + (size_t)ranges[2 * i + 1] * sizeof(float)});
}

void *clEnqueueMapBuffer(cl_command_queue queue, cl_mem mem, cl_bool blocking, cl_map_flags flags,
                         size_t offset, size_t size, cl_uint count, const cl_event *list,
                         cl_event *event, cl_int *code) {
    NEXT(clEnqueueMapBuffer);
    bcl_extent e = extent_of(mem);
    assert_true(watch.mapped_count < MAX_MAPPED);
    e.begin += offset;
    e.end = e.begin + size;
    watch.mapped[watch.mapped_count++] = e;
    return next(queue, mem, blocking, flags, offset, size, count, list, event, code);
}

cl_int clEnqueueBarrierWithWaitList(cl_command_queue queue, cl_uint count, const cl_event *list,
                                    cl_event *event) {
    NEXT(clEnqueueBarrierWithWaitList);
    watch.barriers += queue == test_device->queue && count == 1;
    return next(queue, count, list, event);
}

cl_int clEnqueueNDRangeKernel(cl_command_queue queue, cl_kernel kernel, cl_uint dims,
                              const size_t *offset, const size_t *global, const size_t *local,
                              cl_uint count, const cl_event *list, cl_event *event) {
    NEXT(clEnqueueNDRangeKernel);
    char name[128] = "";
    watch.launches++;
    OK(clGetKernelInfo(kernel, CL_KERNEL_FUNCTION_NAME, sizeof name, name, NULL));
    if (watch.mapped_count && !strcmp(name, "zero_ranges"))
        check_ranges(kernel, global[0] / local[0]);
    /* what it adds up was declared by those who wrote the parts */
    if (watch.on && strcmp(name, "sum_parts"))
        for (int i = 0; i < watch.argument_count; i++)
            if (watch.arguments[i].kernel == kernel)
                check_argument(kernel, name, watch.arguments[i].index, watch.arguments[i].mem);
    return next(queue, kernel, dims, offset, global, local, count, list, event);
}

typedef struct stepped {
    bcl_config config;
    bcl_model *model;
    bcl_sample samples[SENTENCES];
    int32_t ids[LENGTH], labels[LENGTH];
    bcl_batch batch;
} stepped;

static void open_model(stepped *s) {
    static const uint32_t all[SENTENCES] = {0, 1, 2};
    OK(bcl_config_default(&s->config));
    s->config.hidden = 32;
    s->config.heads = 4;
    s->config.head_size = 8;
    s->config.intermediate = 48;
    s->config.layers = LAYERS;
    s->config.vocabulary = 100;
    s->config.positions = 32;
    for (int t = 0; t < LENGTH; t++) {
        s->ids[t] = 1 + t * 7 % 50;
        s->labels[t] = t % 2;
    }
    for (uint32_t b = 0; b < SENTENCES; b++)
        s->samples[b] = (bcl_sample){s->ids, s->labels, LENGTH - (int)b, b};
    OK(bcl_model_create(&s->model, test_device, &s->config, test_small ? "reference" : NULL,
                        BCL_PRECISION_FP32, 1));
    OK(bcl_batch_create(&s->batch, 64, SENTENCES));
    OK(bcl_batch_pack(&s->batch, s->samples, all, SENTENCES, NULL));
    OK(bcl_model_train_begin(s->model, NULL));
}

static void close_model(stepped *s) {
    OK(bcl_device_finish(test_device));
    bcl_batch_free(&s->batch);
    bcl_model_free(s->model);
    bcl_config_free(&s->config);
}

/* A training step and inference, with and without recomputing, with sums in parts and whole. */
static void test_step(void **state) {
    static const bcl_adam adam = {1e-2, 0.9, 0.999, 1e-8, 0.1, true, 1, 0, 0};
    const bcl_dropout_state dropout = {0.1f, 0.1f, 0.1f, 1, 1};
    stepped s = {0};
    (void)state;
    open_model(&s);
    bcl_model *const model = s.model;
    bcl_sums *const sums = model->ops.sums;
    for (int mode = 0; mode < 4; mode++) {
        model->ops.sums = mode / 2 ? sums : NULL;
        OK(bcl_model_reserve(model, &(bcl_capacity){64, SENTENCES, true, true, mode % 2}));
        watch.on = true;
        for (int64_t step = 0; step < 2; step++) {
            OK(bcl_model_forward(model, &s.batch, &dropout));
            OK(bcl_model_loss(model, 0.1f, true, step));
            OK(bcl_model_backward(model, &dropout, step, step));
            OK(bcl_model_update(model, &adam, step));
        }
        OK(bcl_model_forward(model, &s.batch, NULL));
        watch.on = false;
    }
    model->ops.sums = sums;
    print_message("%d launches, %d buffers of theirs\n", watch.launches, watch.checked);
    assert_true(watch.launches > 100 && watch.checked > 4 * watch.launches);
    close_model(&s);
}

/* The whole of a buffer. */
static float *read_all(bcl_view x) {
    float *host = malloc(x.bytes);
    assert_non_null(host);
    OK(bcl_buffer_read(test_device, x.buffer, 0, host, x.bytes, true));
    return host;
}

/* The parts that are handed out are the whole arena from its end down, with what a backward pass
 * without them computes; what comes back is the gradient, but where there never is one. */
static void check_parts(const stepped *s, const float *expected) {
    bcl_model *m = s->model;
    size_t end = m->layout.dense;
    assert_int_equal(bcl_model_exchange_parts(m), LAYERS + 3);
    for (size_t i = 0; i < LAYERS + 2; i++) {
        const bcl_gradient_part *part = bcl_model_exchange_part(m, i);
        bcl_gradient_part copy = *part;
        assert_true(part->count > 0 && part->count <= end);
        end -= part->count;
        OK(bcl_event_finish(&bcl_model_exchange_part(m, i)->ready));
        for (int p = 0; p < m->layout.parameter_count; p++) {
            const bcl_parameter *q = &m->layout.parameters[p];
            const size_t bytes = (size_t)q->rows * (size_t)q->columns * sizeof(float);
            if (q->offset >= end && q->offset < end + copy.count)
                assert_memory_equal(copy.values + (q->offset - end), expected + q->offset, bytes);
        }
        for (size_t k = 0; k < copy.count; k++)
            copy.values[k] = (float)(end + k);
    }
    assert_int_equal(end, 0);
    watch.mapped_count = 0;
    OK(bcl_model_exchange_give_back(m, 0));
    float *back = read_all(m->a.g);
    for (int p = 0; p < m->layout.parameter_count; p++) {
        const bcl_parameter *q = &m->layout.parameters[p];
        for (size_t k = 0; k < (size_t)q->rows * (size_t)q->columns; k++)
            assert_true(back[q->offset + k] == (float)(q->offset + k) ||
                        (expected[q->offset + k] == 0 && back[q->offset + k] == 0));
    }
    free(back);
}

static void test_handed_out(void **state) {
    stepped s = {0};
    (void)state;
    open_model(&s);
    bcl_model *const m = s.model;
    bcl_sums *const sums = m->ops.sums;
    OK(bcl_model_exchange_create(m, 64));
    for (int mode = 0; mode < 4; mode++) {
        float *expected = NULL;
        m->ops.sums = mode / 2 ? sums : NULL;
        for (int open = 0; open < 2; open++) {
            OK(bcl_model_reserve(m, &(bcl_capacity){64, SENTENCES, true, false, mode % 2}));
            OK(bcl_model_forward(m, &s.batch, NULL));
            OK(bcl_model_loss(m, 0.1f, true, false));
            if (open)
                bcl_model_exchange_open(m);
            OK(bcl_model_backward(m, NULL, 0, false));
            if (open)
                OK(bcl_model_exchange_take(m, NULL, 0, 0));
            else
                expected = read_all(m->a.g);
        }
        assert_int_equal(watch.mapped_count, LAYERS + 2);
        check_parts(&s, expected);
        free(expected);
    }
    m->ops.sums = sums;
    close_model(&s);
}

typedef struct moved {
    bcl_view from, to;
    float host[16];
} moved;

static void write_it(moved *m) {
    OK(bcl_buffer_write(test_device, m->to.buffer, 0, m->host, sizeof m->host, true));
}
static void read_it(moved *m) {
    OK(bcl_buffer_read(test_device, m->to.buffer, 0, m->host, sizeof m->host, true));
}
static void read_it_later(moved *m) {
    cl_event event = NULL;
    OK(bcl_buffer_read_later(test_device, m->to.buffer, m->host, sizeof m->host, &event));
    OK(bcl_event_finish(&event));
}
static void map_it(moved *m) {
    cl_event event = NULL;
    void *host = NULL;
    OK(bcl_buffer_map(&host, &event, test_device, m->to.buffer, 0, sizeof m->host));
    OK(bcl_event_finish(&event));
    OK(bcl_buffer_unmap(test_device, m->to.buffer, host));
    watch.mapped_count = 0;
}
static void fill_it(moved *m) {
    OK(bcl_buffer_zero(test_device, m->to.buffer, 0, sizeof m->host));
}
static void copy_it(moved *m) {
    OK(bcl_buffer_copy(test_device, m->to.buffer, m->from.buffer, sizeof m->host));
}

/* A transfer waits for what is ahead on the auxiliary queue, whatever it uses. */
static void test_transfers(void **state) {
    static void (*const transfers[])(moved *) = {write_it, read_it, read_it_later,
                                                 map_it,   fill_it, copy_it};
    moved m = {.host = {1}};
    (void)state;
    if (!test_device->auxiliary)
        skip();
    OK(bcl_view_create(&m.from, test_device, BCL_ELEMENT_F32, 1, 16, "from"));
    OK(bcl_view_create(&m.to, test_device, BCL_ELEMENT_F32, 1, 16, "to"));
    OK(bcl_buffer_zero(test_device, m.from.buffer, 0, sizeof m.host));
    OK(bcl_buffer_zero(test_device, m.to.buffer, 0, sizeof m.host));
    for (size_t i = 0; i < sizeof transfers / sizeof *transfers; i++) {
        bcl_auxiliary_begin(test_device);
        OK(bcl_gelu_forward(&test_ops, m.from, m.from, 1, 16, false));
        bcl_auxiliary_end(test_device);
        assert_int_equal(test_device->ahead_count, 1);
        watch.barriers = 0;
        transfers[i](&m);
        assert_int_equal(test_device->ahead_count, 0);
        assert_int_equal(watch.barriers, 1);
    }
    OK(bcl_device_finish(test_device));
    bcl_buffer_free(test_device, &m.from.buffer);
    bcl_buffer_free(test_device, &m.to.buffer);
}

int main(void) {
    setenv("BERTCL_CACHE_DIR", "", 1); /* programs there tell nothing of their arguments */
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_step),
                                       cmocka_unit_test(test_handed_out),
                                       cmocka_unit_test(test_transfers)};
    return TEST_RUN_ON_DEVICE(tests);
}
