/* Two queues. PoCL's threads find nothing to do while one of them computes the last group of a
 * launch, and wake late for the next: at small batches 6 % of a step. What need not be done at once
 * goes to the second queue, whose groups they then take. */
#include "ocl/internal.h"

#include <assert.h>

static void release(cl_event *event) {
    if (*event)
        clReleaseEvent(*event);
    *event = NULL;
}

void bcl_auxiliary_begin(bcl_device *d) {
    d->on_auxiliary = d->auxiliary != NULL;
    d->next.use_count = 0;
}

void bcl_auxiliary_end(bcl_device *d) {
    d->on_auxiliary = false;
}

bool bcl_auxiliary_active(const bcl_device *d) {
    return d->on_auxiliary || d->ahead_count;
}

/* The first queue's next command waits for launch i and, as they are in order, for those before. */
static void await(bcl_device *d, int i) {
    for (int k = 0; k < i; k++)
        release(&d->ahead[k].event);
    release(&d->awaited); /* an older one */
    d->awaited = d->ahead[i].event;
    d->ahead_count -= i + 1;
    memmove(d->ahead, d->ahead + i + 1, (size_t)d->ahead_count * sizeof *d->ahead);
}

static bool conflict(const bcl_ahead *a, bcl_extent e, bool writes) {
    for (int i = 0; i < a->use_count; i++) {
        const bcl_use *u = &a->uses[i];
        if ((writes || u->writes) && u->extent.root == e.root && u->extent.begin < e.end &&
            e.begin < u->extent.end)
            return true;
    }
    return false;
}

void bcl_auxiliary_order(bcl_device *d, bcl_extent extent, bool writes) {
    if (d->on_auxiliary) {
        assert(d->next.use_count < BCL_AUXILIARY_USES);
        d->next.uses[d->next.use_count++] = (bcl_use){extent, writes};
        return;
    }
    for (int i = d->ahead_count; i-- > 0;)
        if (conflict(&d->ahead[i], extent, writes)) {
            await(d, i);
            return;
        }
}

void bcl_auxiliary_release(bcl_device *d) {
    release(&d->last);
    release(&d->awaited);
    for (int i = 0; i < d->ahead_count; i++)
        release(&d->ahead[i].event);
    d->ahead_count = 0;
    if (d->auxiliary)
        clReleaseCommandQueue(d->auxiliary);
    d->auxiliary = NULL;
}

static cl_int enqueue_auxiliary(bcl_device *d, cl_kernel kernel, const size_t *offset,
                                const size_t *global, const size_t *local) {
    cl_event event = NULL;
    cl_int code = CL_SUCCESS;
    if (d->last) /* other queues see what is flushed */
        code = clFlush(d->queue);
    if (code == CL_SUCCESS)
        code = clEnqueueNDRangeKernel(d->auxiliary, kernel, 3, offset, global, local,
                                      d->last ? 1 : 0, d->last ? &d->last : NULL, &event);
    if (code != CL_SUCCESS)
        return code;
    if (d->ahead_count == BCL_AUXILIARY_LAUNCHES) /* no place for more: wait for the oldest */
        await(d, 0);
    d->ahead[d->ahead_count] = d->next;
    d->ahead[d->ahead_count++].event = event;
    d->next.use_count = 0;
    return clFlush(d->auxiliary);
}

cl_int bcl_device_enqueue(bcl_device *d, cl_kernel kernel, const size_t *offset,
                          const size_t *global, const size_t *local, cl_event *event) {
    cl_event queued = NULL;
    bcl_call_enter("clEnqueueNDRangeKernel");
    if (d->on_auxiliary)
        return enqueue_auxiliary(d, kernel, offset, global, local);
    const cl_int code =
        clEnqueueNDRangeKernel(d->queue, kernel, 3, offset, global, local, d->awaited ? 1 : 0,
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
    if (d->ahead_count)
        await(d, d->ahead_count - 1);
    if (d->awaited)
        BCL_CL(clEnqueueBarrierWithWaitList(d->queue, 1, &d->awaited, NULL),
               "%s: waiting for the second queue", d->info.id);
out:
    release(&d->awaited);
    return status;
}

cl_command_queue bcl_device_queue(bcl_device *d) {
    if (bcl_device_join(d))
        clFinish(d->auxiliary);
    return d->queue;
}

bcl_status bcl_queues_finish(bcl_device *d) {
    bcl_status status = BCL_OK;
    BCL_CL(clFinish(d->queue), "%s: waiting for the device", d->info.id);
    if (d->auxiliary)
        BCL_CL(clFinish(d->auxiliary), "%s: waiting for the device's second queue", d->info.id);
    bcl_call_answered();
out:
    return status;
}
