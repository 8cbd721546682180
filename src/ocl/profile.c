/* With the profile on, every launch has an event: the times of finished launches, summed by kernel
 * and by the operation that the caller named. Knows nothing of what an operation is. */
#include "ocl/internal.h"

static const char *const unnamed = "other";

static bcl_status find_operation(size_t *out, bcl_device *d, const char *name) {
    bcl_status status = BCL_OK;
    for (size_t i = 0; i < d->operation_count; i++)
        if (!strcmp(d->operations[i].name, name)) {
            *out = i;
            return status;
        }
    BCL_TRY(bcl_grow(&d->operations, &d->operation_capacity, d->operation_count + 1,
                     sizeof *d->operations));
    d->operations[d->operation_count] = (bcl_profile_row){.name = name};
    *out = d->operation_count++;
out:
    return status;
}

void bcl_profile_operation(bcl_device *d, const char *name, double flop, double bytes) {
    size_t i;
    bcl_call_operation(name);
    bcl_launch_work(d, flop, bytes);
    if (!d->profile || find_operation(&i, d, name))
        return;
    d->operation = i;
    d->operations[i].calls++;
    d->operations[i].flop += flop;
    d->operations[i].bytes += bytes;
}

bcl_status bcl_profile_launch(bcl_device *d, bcl_kernel *kernel, cl_event event) {
    bcl_status status = BCL_OK;
    if (!d->operation_count)
        BCL_TRY(find_operation(&d->operation, d, unnamed));
    BCL_TRY(bcl_grow(&d->pending, &d->pending_capacity, d->pending_count + 1, sizeof *d->pending));
    d->pending[d->pending_count++] = (bcl_pending){event, kernel, d->operation};
out:
    if (status)
        clReleaseEvent(event);
    return status;
}

/* Takes the times of finished launches into their kernels and operations. */
static bcl_status collect(bcl_device *d) {
    bcl_status status = BCL_OK;
    for (size_t i = 0; i < d->pending_count; i++) {
        cl_ulong start = 0, end = 0;
        bcl_pending *p = &d->pending[i];
        cl_int code = clGetEventProfilingInfo(p->event, CL_PROFILING_COMMAND_START, sizeof start,
                                              &start, NULL);
        if (code == CL_SUCCESS)
            code =
                clGetEventProfilingInfo(p->event, CL_PROFILING_COMMAND_END, sizeof end, &end, NULL);
        clReleaseEvent(p->event);
        if (code != CL_SUCCESS && !status)
            status = bcl_cl_fail(code, "profile of %s", p->kernel->name);
        if (code == CL_SUCCESS && end < start && !status)
            status = bcl_fail(BCL_ERROR_DEVICE,
                              "profile of %s: by the driver's clock it ended %llu ns before it "
                              "started",
                              p->kernel->name, (unsigned long long)(start - end));
        const double ms = end < start ? 0 : (double)(end - start) * 1e-6;
        p->kernel->launches++;
        p->kernel->ms += ms;
        d->operations[p->operation].launches++;
        d->operations[p->operation].ms += ms;
    }
    d->pending_count = 0;
    return status;
}

bcl_status bcl_device_finish(bcl_device *d) {
    const bcl_status status = bcl_queues_finish(d);
    return status || !d->profile ? status : collect(d);
}

bcl_status bcl_profile_restart(bcl_device *d) {
    bcl_status status = bcl_device_finish(d);
    for (size_t i = 0; i < d->kernel_count; i++) {
        d->kernels[i]->launches = 0;
        d->kernels[i]->ms = 0;
    }
    for (size_t i = 0; i < d->operation_count; i++)
        d->operations[i] = (bcl_profile_row){.name = d->operations[i].name};
    return status;
}

bcl_status bcl_profile_stop(bcl_device *d) {
    bcl_status status = bcl_device_finish(d);
    d->profile = false;
    return status;
}

static int slower_first(const void *a, const void *b) {
    const bcl_profile_row *x = a, *y = b;
    return x->ms != y->ms ? (x->ms < y->ms) - (x->ms > y->ms) : strcmp(x->name, y->name);
}

bcl_status bcl_device_profile(bcl_profile_row **operations, size_t *operation_count,
                              bcl_profile_row **kernels, size_t *kernel_count, bcl_device *d) {
    bcl_status status = BCL_OK;
    bcl_profile_row *by_operation = NULL, *by_kernel = NULL;
    size_t n = 0, m = 0;
    BCL_TRY(bcl_device_finish(d));
    BCL_NEW(by_operation, d->operation_count);
    BCL_NEW(by_kernel, d->kernel_count);
    for (size_t i = 0; i < d->operation_count; i++)
        if (d->operations[i].launches)
            by_operation[n++] = d->operations[i];
    for (size_t i = 0; i < d->kernel_count; i++) {
        const bcl_kernel *k = d->kernels[i];
        size_t at = 0;
        while (at < m && strcmp(by_kernel[at].name, k->name)) /* other options, the same kernel */
            at++;
        if (!k->launches)
            continue;
        m += at == m;
        by_kernel[at].name = k->name;
        by_kernel[at].file = k->file;
        by_kernel[at].launches += k->launches;
        by_kernel[at].ms += k->ms;
    }
    qsort(by_operation, n, sizeof *by_operation, slower_first);
    qsort(by_kernel, m, sizeof *by_kernel, slower_first);
    *operations = by_operation;
    *operation_count = n;
    *kernels = by_kernel;
    *kernel_count = m;
    by_operation = by_kernel = NULL;
out:
    free(by_operation);
    free(by_kernel);
    return status;
}
