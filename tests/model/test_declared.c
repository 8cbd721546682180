/* What operations declare is what their kernels do. The order between the two queues is derived
 * from what operations say they read and write (bcl_operands_use), so each buffer that a launch
 * gets must have been declared, and as written where the kernel's argument is not const: whether
 * that would matter today or not, and without a race to be lost. Also, transfers wait for both
 * queues. The program's own definitions of the calls stand before the loader's; those of ocl/ are
 * wrapped, see CMakeLists.txt. */
#define _GNU_SOURCE /* RTLD_NEXT */
#include "model/internal.h"
#include "ocl/internal.h"
#include "support/device.h"

#include <dlfcn.h>

enum {
    GROUPS = 3 /* operations call others */,
    MAX_DECLARED = 64,
    MAX_ARGUMENTS = 4096,
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
        watch.declared[watch.count++] =
            (declared){{v->root, v->offset, v->offset + v->bytes}, operands[i].takes & BCL_WRITES};
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
        if (d->extent.root == e.root && d->extent.begin < e.end && e.begin < d->extent.end &&
            (d->writes || !writes))
            return;
    }
    fail_msg("%s: %s is %s, but not declared so", name, argument, writes ? "written" : "read");
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
    /* what it adds up was declared by those who wrote the parts */
    if (watch.on && strcmp(name, "sum_parts"))
        for (int i = 0; i < watch.argument_count; i++)
            if (watch.arguments[i].kernel == kernel)
                check_argument(kernel, name, watch.arguments[i].index, watch.arguments[i].mem);
    return next(queue, kernel, dims, offset, global, local, count, list, event);
}

/* A training step and inference, with and without recomputing, with sums in parts and whole. */
static void test_step(void **state) {
    static const uint32_t all[SENTENCES] = {0, 1, 2};
    static const bcl_adam adam = {1e-2, 0.9, 0.999, 1e-8, 0.1, true, 1, 0, 0};
    const bcl_dropout_state dropout = {0.1f, 0.1f, 0.1f, 1, 1};
    bcl_config config;
    bcl_model *model = NULL;
    bcl_sample samples[SENTENCES];
    int32_t ids[LENGTH], labels[LENGTH];
    bcl_batch batch;
    (void)state;
    OK(bcl_config_default(&config));
    config.hidden = 32;
    config.heads = 4;
    config.head_size = 8;
    config.intermediate = 48;
    config.layers = LAYERS;
    config.vocabulary = 100;
    config.positions = 32;
    for (int t = 0; t < LENGTH; t++) {
        ids[t] = 1 + t * 7 % 50;
        labels[t] = t % 2;
    }
    for (uint32_t b = 0; b < SENTENCES; b++)
        samples[b] = (bcl_sample){ids, labels, LENGTH - (int)b, b};
    OK(bcl_model_create(&model, test_device, &config, test_small ? "reference" : NULL,
                        BCL_PRECISION_FP32, 1));
    OK(bcl_batch_create(&batch, 64, SENTENCES));
    OK(bcl_batch_pack(&batch, samples, all, SENTENCES, NULL));
    OK(bcl_model_train_begin(model, NULL));
    bcl_sums *const sums = model->ops.sums;
    for (int mode = 0; mode < 4; mode++) {
        model->ops.sums = mode / 2 ? sums : NULL;
        OK(bcl_model_reserve(model, &(bcl_capacity){64, SENTENCES, true, true, mode % 2}));
        watch.on = true;
        for (int64_t step = 0; step < 2; step++) {
            OK(bcl_model_forward(model, &batch, &dropout));
            OK(bcl_model_loss(model, 0.1f, true, step));
            OK(bcl_model_backward(model, &dropout, step, step));
            OK(bcl_model_update(model, &adam, step));
        }
        OK(bcl_model_forward(model, &batch, NULL));
        watch.on = false;
    }
    model->ops.sums = sums;
    OK(bcl_device_finish(test_device));
    print_message("%d launches, %d buffers of theirs\n", watch.launches, watch.checked);
    assert_true(watch.launches > 100 && watch.checked > 4 * watch.launches);
    bcl_batch_free(&batch);
    bcl_model_free(model);
    bcl_config_free(&config);
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
                                       cmocka_unit_test(test_transfers)};
    return TEST_RUN_ON_DEVICE(tests);
}
