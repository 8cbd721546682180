/* One opened device: context, queue, buffers, and the test that it computes at all. */
#include "ocl/internal.h"

#include <math.h>
#include <stdarg.h>

bcl_status bcl_cl_fail(cl_int code, const char *format, ...) {
    static const struct {
        cl_int code;
        const char *name;
    } names[] = {
        {CL_DEVICE_NOT_AVAILABLE, "device not available"},
        {CL_COMPILER_NOT_AVAILABLE, "no compiler"},
        {CL_MEM_OBJECT_ALLOCATION_FAILURE, "out of device memory"},
        {CL_OUT_OF_RESOURCES, "out of device resources"},
        {CL_OUT_OF_HOST_MEMORY, "out of host memory"},
        {CL_BUILD_PROGRAM_FAILURE, "program does not build"},
        {CL_MISALIGNED_SUB_BUFFER_OFFSET, "misaligned sub-buffer"},
        {CL_INVALID_VALUE, "invalid value"},
        {CL_INVALID_MEM_OBJECT, "invalid memory object"},
        {CL_INVALID_KERNEL_NAME, "invalid kernel name"},
        {CL_INVALID_ARG_INDEX, "invalid argument index"},
        {CL_INVALID_ARG_SIZE, "invalid argument size"},
        {CL_INVALID_KERNEL_ARGS, "invalid kernel arguments"},
        {CL_INVALID_WORK_GROUP_SIZE, "invalid work-group size"},
        {CL_INVALID_WORK_ITEM_SIZE, "invalid work-item size"},
        {CL_INVALID_BUFFER_SIZE, "invalid buffer size"},
    };
    char what[512];
    const char *name = "OpenCL error";
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].code == code)
            name = names[i].name;
    bool memory = code == CL_MEM_OBJECT_ALLOCATION_FAILURE || code == CL_OUT_OF_RESOURCES ||
                  code == CL_OUT_OF_HOST_MEMORY;
    return bcl_fail(memory ? BCL_ERROR_DEVICE_MEMORY : BCL_ERROR_DEVICE, "%s: %s (%d)", what, name,
                    code);
}

/* Which kernels a device gets: those of CPUs (one work-item a group, wide vectors) or those of GPUs
 * (groups with barriers). A CPU's driver that shows scalar lanes (rusticl on llvmpipe) makes
 * vectors of the items itself, as a GPU does. $BERTCL_KERNELS overrides, so that both kinds are
 * tested where no GPU is. */
static bool choose_kernels(bcl_device *d) {
    const char *style = getenv("BERTCL_KERNELS");
    d->wide = d->info.cpu && !d->info.gpu && d->info.float_vector >= 4;
    if (style && *style)
        d->wide = !strcmp(style, "cpu");
    return !style || !*style || d->wide || !strcmp(style, "gpu");
}

bcl_status bcl_device_attach(bcl_device **out, cl_device_id id, const bcl_device_info *info,
                             bool profile) {
    bcl_status status = BCL_OK;
    bcl_device *d = NULL;
    cl_int code = CL_SUCCESS;
    BCL_NEW(d, 1);
    d->info = *info;
    if (!choose_kernels(d))
        BCL_FAIL(BCL_ERROR_ARGUMENT, "BERTCL_KERNELS: found \"%s\", expected cpu or gpu",
                 getenv("BERTCL_KERNELS"));
    d->id = id;
    d->profile = profile;
    d->context = clCreateContext(NULL, 1, &id, NULL, NULL, &code);
    BCL_CL(code);
    d->queue = clCreateCommandQueue(d->context, id, profile ? CL_QUEUE_PROFILING_ENABLE : 0, &code);
    BCL_CL(code);
    /* Intel's CPU runtime computes a step at half the speed once its queues wait for each other */
    if (d->wide && !profile && !strncmp(info->id, "pocl:", 5)) {
        d->auxiliary = clCreateCommandQueue(d->context, id, 0, &code);
        BCL_CL(code);
    }
    *out = d;
    d = NULL;
out:
    bcl_device_free(d);
    return status;
}

void bcl_device_free(bcl_device *d) {
    if (!d)
        return;
    if (d->queue)
        clFinish(d->queue);
    if (d->auxiliary)
        clFinish(d->auxiliary);
    bcl_auxiliary_release(d);
    for (size_t i = 0; i < d->pending_count; i++)
        clReleaseEvent(d->pending[i].event);
    for (size_t i = 0; i < d->kernel_count; i++)
        bcl_kernel_free(d->kernels[i]);
    if (d->queue)
        clReleaseCommandQueue(d->queue);
    if (d->context)
        clReleaseContext(d->context);
    free(d->pending);
    free(d->operations);
    free(d->kernels);
    free(d);
}

const bcl_device_info *bcl_device_about(const bcl_device *d) {
    return &d->info;
}

cl_command_queue bcl_device_queue(bcl_device *d) {
    if (bcl_device_join(d))
        clFinish(d->auxiliary);
    return d->queue;
}

int bcl_device_vector(const bcl_device *d) {
    int width = 1;
    if (!d->wide)
        return width;
    while (width < 16 && (uint32_t)width < d->info.float_vector)
        width *= 2;
    return width;
}

size_t bcl_device_row_items(const bcl_device *d) {
    if (d->wide)
        return 1;
    return d->info.max_work_group < 128 ? 32 : 128;
}

/* A CPU device runs on the host's processor, so the host's compiler knows. */
int bcl_device_registers(const bcl_device *d) {
#if defined(__aarch64__)
    (void)d;
    return 32;
#else
    return d->info.float_vector >= 16 ? 32 : 16;
#endif
}

bcl_status bcl_buffer_create(cl_mem *out, bcl_device *d, size_t bytes, const char *what) {
    cl_int code = CL_SUCCESS;
    const double mib = 1024.0 * 1024.0;
    *out = NULL;
    if (!bytes)
        bytes = 1;
    /* Drivers of CPUs promise anything and die later, so the sum is kept here. */
    if (bytes > d->info.max_allocation || bytes > d->info.memory - d->allocated)
        return bcl_fail(BCL_ERROR_DEVICE_MEMORY,
                        "%s: out of device memory: no %.1f MiB for %s; in use %.1f of %.1f MiB, at "
                        "most %.1f MiB in one piece",
                        d->info.id, (double)bytes / mib, what, (double)d->allocated / mib,
                        (double)d->info.memory / mib, (double)d->info.max_allocation / mib);
    *out = clCreateBuffer(d->context, CL_MEM_READ_WRITE, bytes, NULL, &code);
    if (code != CL_SUCCESS)
        return bcl_cl_fail(code, "%s: no %.1f MiB for %s", d->info.id, (double)bytes / mib, what);
    d->allocated += bytes;
    return BCL_OK;
}

bcl_status bcl_buffer_view(cl_mem *out, cl_mem buffer, size_t offset, size_t bytes) {
    cl_int code = CL_SUCCESS;
    cl_buffer_region region = {offset, bytes ? bytes : 1};
    *out =
        clCreateSubBuffer(buffer, CL_MEM_READ_WRITE, CL_BUFFER_CREATE_TYPE_REGION, &region, &code);
    return code == CL_SUCCESS ? BCL_OK
                              : bcl_cl_fail(code, "view of %zu bytes at byte %zu", bytes, offset);
}

void bcl_buffer_free(bcl_device *d, cl_mem *buffer) {
    cl_mem parent = NULL;
    if (!buffer || !*buffer)
        return;
    clGetMemObjectInfo(*buffer, CL_MEM_ASSOCIATED_MEMOBJECT, sizeof(cl_mem), &parent, NULL);
    if (!parent && d) {
        size_t bytes = 0;
        clGetMemObjectInfo(*buffer, CL_MEM_SIZE, sizeof bytes, &bytes, NULL);
        d->allocated -= bytes;
    }
    clReleaseMemObject(*buffer);
    *buffer = NULL;
}

bcl_status bcl_buffer_write(bcl_device *d, cl_mem buffer, size_t offset, const void *host,
                            size_t bytes, bool wait) {
    bcl_status status = BCL_OK;
    if (bytes)
        BCL_CL(clEnqueueWriteBuffer(bcl_device_queue(d), buffer, wait, offset, bytes, host, 0, NULL,
                                    NULL));
out:
    return status;
}

bcl_status bcl_buffer_read(bcl_device *d, cl_mem buffer, size_t offset, void *host, size_t bytes,
                           bool wait) {
    bcl_status status = BCL_OK;
    if (bytes)
        BCL_CL(clEnqueueReadBuffer(bcl_device_queue(d), buffer, wait, offset, bytes, host, 0, NULL,
                                   NULL));
out:
    return status;
}

bcl_status bcl_buffer_fill(bcl_device *d, cl_mem buffer, const void *pattern, size_t size,
                           size_t offset, size_t bytes) {
    bcl_status status = BCL_OK;
    if (bytes)
        BCL_CL(clEnqueueFillBuffer(bcl_device_queue(d), buffer, pattern, size, offset, bytes, 0,
                                   NULL, NULL));
out:
    return status;
}

bcl_status bcl_buffer_zero(bcl_device *d, cl_mem buffer, size_t offset, size_t bytes) {
    const cl_uchar zero = 0;
    return bcl_buffer_fill(d, buffer, &zero, sizeof zero, offset, bytes);
}

bcl_status bcl_buffer_copy(bcl_device *d, cl_mem to, cl_mem from, size_t bytes) {
    bcl_status status = BCL_OK;
    if (bytes)
        BCL_CL(clEnqueueCopyBuffer(bcl_device_queue(d), from, to, 0, 0, bytes, 0, NULL, NULL));
out:
    return status;
}

bcl_status bcl_device_finish(bcl_device *d) {
    bcl_status status = BCL_OK;
    BCL_CL(clFinish(d->queue));
    if (d->auxiliary)
        BCL_CL(clFinish(d->auxiliary));
    if (d->profile)
        BCL_TRY(bcl_profile_collect(d));
out:
    return status;
}

bcl_status bcl_event_finish(cl_event *event) {
    if (!*event)
        return BCL_OK;
    cl_int code = clWaitForEvents(1, event);
    clReleaseEvent(*event);
    *event = NULL;
    return code == CL_SUCCESS ? BCL_OK : bcl_cl_fail(code, "waiting for the device");
}

enum { SELF_TEST_ITEMS = 64, SELF_TEST_GROUPS = 4 };

bcl_status bcl_device_self_test(bcl_device *d) {
    bcl_status status = BCL_OK;
    bcl_kernel *kernel = NULL;
    cl_mem buffer = NULL;
    enum { n = SELF_TEST_ITEMS * SELF_TEST_GROUPS };
    float got[n], sums[SELF_TEST_GROUPS];
    uint32_t words[4];
    cl_mem sum_buffer = NULL, word_buffer = NULL;
    size_t local =
        d->info.max_work_group < SELF_TEST_ITEMS ? d->info.max_work_group : SELF_TEST_ITEMS;
    while (local & (local - 1)) /* the reduction halves */
        local &= local - 1;
    BCL_TRY(bcl_kernel_get(&kernel, d, "selftest.cl", "self_test", ""));
    BCL_TRY(bcl_buffer_create(&buffer, d, sizeof got, "the self-test"));
    BCL_TRY(bcl_buffer_create(&sum_buffer, d, sizeof sums, "the self-test"));
    BCL_TRY(bcl_buffer_create(&word_buffer, d, sizeof words, "the self-test"));
    size_t groups = n / SELF_TEST_ITEMS;
    BCL_TRY(BCL_LAUNCH(kernel, ((bcl_grid){{groups}, {local}}), bcl_mem(buffer),
                       bcl_mem(sum_buffer), bcl_mem(word_buffer), bcl_int(SELF_TEST_ITEMS),
                       bcl_local(local * sizeof(float))));
    BCL_TRY(bcl_buffer_read(d, buffer, 0, got, sizeof got, true));
    BCL_TRY(bcl_buffer_read(d, sum_buffer, 0, sums, sizeof sums, true));
    BCL_TRY(bcl_buffer_read(d, word_buffer, 0, words, sizeof words, true));
    for (int g = 0; g < SELF_TEST_GROUPS; g++) {
        double sum = 0;
        for (int i = 0; i < SELF_TEST_ITEMS; i++) {
            double x = (g * SELF_TEST_ITEMS + i - 128) / 32.0,
                   want = exp(-x * x) * erf(x) + tanh(x);
            double value = got[g * SELF_TEST_ITEMS + i];
            if (!(fabs(value - want) <= 1e-5))
                BCL_FAIL(BCL_ERROR_DEVICE, "%s: self-test: item %d gave %g, expected %g",
                         d->info.id, g * SELF_TEST_ITEMS + i, value, want);
            sum += want;
        }
        if (!(fabs(sums[g] - sum) <= 1e-3))
            BCL_FAIL(BCL_ERROR_DEVICE, "%s: self-test: group %d sums to %g, expected %g",
                     d->info.id, g, sums[g], sum);
    }
    uint32_t want[4];
    bcl_philox(want, (uint32_t[4]){1, 2, 3, 4}, (uint32_t[2]){5, 6});
    if (memcmp(words, want, sizeof want))
        BCL_FAIL(BCL_ERROR_DEVICE, "%s: self-test: wrong random numbers", d->info.id);
out:
    bcl_buffer_free(d, &buffer);
    bcl_buffer_free(d, &sum_buffer);
    bcl_buffer_free(d, &word_buffer);
    return status;
}
