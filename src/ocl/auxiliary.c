/* Two queues. PoCL's threads find nothing to do while one of them computes the last group of a
 * launch, and wake late for the next: at small batches 6 % of a step. What need not be done at once
 * goes to the second queue, whose groups they then take. */
#include "ocl/internal.h"

static void release(cl_event *event) {
    if (*event)
        clReleaseEvent(*event);
    *event = NULL;
}

void bcl_auxiliary_begin(bcl_device *d) {
    d->on_auxiliary = d->auxiliary != NULL;
}

void bcl_auxiliary_end(bcl_device *d) {
    d->on_auxiliary = false;
}

void bcl_auxiliary_wait(bcl_device *d, int running) {
    cl_event *event = &d->running[running];
    if (!*event)
        return;
    /* in order: it stands for those before it, what was awaited among them */
    release(&d->awaited);
    d->awaited = *event;
    *event = NULL;
    if (!running)
        release(&d->running[1]);
}

void bcl_auxiliary_release(bcl_device *d) {
    release(&d->last);
    release(&d->awaited);
    release(&d->running[0]);
    release(&d->running[1]);
    if (d->auxiliary)
        clReleaseCommandQueue(d->auxiliary);
    d->auxiliary = NULL;
}

static cl_int enqueue_auxiliary(bcl_device *d, cl_kernel kernel, const size_t *global,
                                const size_t *local) {
    cl_event event = NULL;
    cl_int code = CL_SUCCESS;
    if (d->last) /* other queues see what is flushed */
        code = clFlush(d->queue);
    if (code == CL_SUCCESS)
        code = clEnqueueNDRangeKernel(d->auxiliary, kernel, 3, NULL, global, local, d->last ? 1 : 0,
                                      d->last ? &d->last : NULL, &event);
    if (code != CL_SUCCESS)
        return code;
    release(&d->running[1]);
    d->running[1] = d->running[0];
    d->running[0] = event;
    return clFlush(d->auxiliary);
}

cl_int bcl_device_enqueue(bcl_device *d, cl_kernel kernel, const size_t *global,
                          const size_t *local, cl_event *event) {
    cl_event queued = NULL;
    if (d->on_auxiliary)
        return enqueue_auxiliary(d, kernel, global, local);
    const cl_int code =
        clEnqueueNDRangeKernel(d->queue, kernel, 3, NULL, global, local, d->awaited ? 1 : 0,
                               d->awaited ? &d->awaited : NULL, d->auxiliary ? &queued : event);
    release(&d->awaited);
    if (queued) {
        release(&d->last);
        d->last = queued;
    }
    return code;
}

bcl_status bcl_device_join(bcl_device *d) {
    bcl_status status = BCL_OK;
    if (d->awaited)
        BCL_CL(clEnqueueBarrierWithWaitList(d->queue, 1, &d->awaited, NULL));
out:
    release(&d->awaited);
    return status;
}
