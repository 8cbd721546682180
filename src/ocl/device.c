/* Opening a device and closing it: context, queues, and what it owns. */
#include "ocl/internal.h"
#include "ocl/vendors.h"

/* Which kernels a device gets: those of CPUs (one work-item a group, wide vectors) or those of GPUs
 * (groups with barriers). A CPU's driver that shows scalar lanes makes vectors of the items itself,
 * as a GPU does. $BERTCL_KERNELS overrides, so that both kinds are tested where no GPU is. */
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
    bcl_launch_measure(d);
    d->id = id;
    d->profile = profile;
    d->context = clCreateContext(NULL, 1, &id, NULL, NULL, &code);
    BCL_CL(code, "%s: creating a context", info->id);
    d->queue = clCreateCommandQueue(d->context, id, profile ? CL_QUEUE_PROFILING_ENABLE : 0, &code);
    BCL_CL(code, "%s: creating a command queue", info->id);
    if (d->wide && !profile && bcl_driver_of(info->id)->auxiliary_queue) {
        d->auxiliary = clCreateCommandQueue(d->context, id, 0, &code);
        BCL_CL(code, "%s: creating a second command queue", info->id);
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
    bcl_call_enter("clFinish");
    if (d->queue)
        clFinish(d->queue);
    if (d->auxiliary)
        clFinish(d->auxiliary);
    bcl_call_leave();
    bcl_auxiliary_release(d);
    bcl_staging_free(d);
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
