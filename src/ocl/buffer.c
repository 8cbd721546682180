/* Buffers, views of them, and transfers. */
#include "ocl/internal.h"

/* From which on a buffer is touched, in bytes: smaller ones are many, and fit if these did. */
enum { TOUCHED = 1 << 20 };

/* GPUs' drivers allocate at a buffer's first use: let that be now, not in the middle of a run. */
static cl_int touch(bcl_device *d, cl_mem buffer) {
    const cl_uint zero = 0;
    const cl_command_queue queue = bcl_device_queue(d);
    const cl_int code =
        clEnqueueFillBuffer(queue, buffer, &zero, sizeof zero, 0, sizeof zero, 0, NULL, NULL);
    return code == CL_SUCCESS ? clFinish(queue) : code;
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
    bcl_call_enter("clCreateBuffer");
    *out = clCreateBuffer(d->context, CL_MEM_READ_WRITE, bytes, NULL, &code);
    if (code == CL_SUCCESS && bytes >= TOUCHED && !d->wide) {
        code = touch(d, *out);
        if (code != CL_SUCCESS)
            clReleaseMemObject(*out);
    }
    bcl_call_leave();
    if (code != CL_SUCCESS) {
        *out = NULL;
        return bcl_cl_fail(code, "%s: no %.1f MiB for %s", d->info.id, (double)bytes / mib, what);
    }
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
    if (d)
        d->buffers_freed++;
    clReleaseMemObject(*buffer);
    *buffer = NULL;
}

bcl_status bcl_buffer_write(bcl_device *d, cl_mem buffer, size_t offset, const void *host,
                            size_t bytes, bool wait) {
    bcl_status status = BCL_OK;
    if (bcl_staging_takes(d, bytes, wait))
        return bcl_staging_write(d, buffer, offset, host, bytes, wait);
    if (bytes)
        BCL_CL(clEnqueueWriteBuffer(bcl_device_queue(d), buffer, wait, offset, bytes, host, 0, NULL,
                                    NULL),
               "%s: writing %zu bytes to the device", d->info.id, bytes);
out:
    return status;
}

bcl_status bcl_buffer_read(bcl_device *d, cl_mem buffer, size_t offset, void *host, size_t bytes,
                           bool wait) {
    bcl_status status = BCL_OK;
    if (wait && bcl_staging_takes(d, bytes, wait))
        return bcl_staging_read(d, buffer, offset, host, bytes);
    if (bytes)
        BCL_CL(clEnqueueReadBuffer(bcl_device_queue(d), buffer, wait, offset, bytes, host, 0, NULL,
                                   NULL),
               "%s: reading %zu bytes from the device", d->info.id, bytes);
out:
    return status;
}

bcl_status bcl_buffer_map(void **host, cl_event *ready, bcl_device *d, cl_mem buffer, size_t offset,
                          size_t bytes) {
    bcl_status status = BCL_OK;
    cl_int code;
    const cl_command_queue queue = bcl_device_queue(d);
    *ready = NULL;
    bcl_call_enter("clEnqueueMapBuffer");
    *host = clEnqueueMapBuffer(queue, buffer, CL_FALSE, CL_MAP_READ | CL_MAP_WRITE, offset, bytes,
                               0, NULL, ready, &code);
    BCL_CL(code, "%s: mapping %zu bytes", d->info.id, bytes);
    BCL_CL(clFlush(queue), "%s: sending commands to the device", d->info.id);
out:
    return status;
}

bcl_status bcl_buffer_unmap(bcl_device *d, cl_mem buffer, void *host) {
    bcl_status status = BCL_OK;
    BCL_CL(clEnqueueUnmapMemObject(bcl_device_queue(d), buffer, host, 0, NULL, NULL),
           "%s: unmapping a buffer", d->info.id);
out:
    return status;
}

/* Some drivers store one pattern at a time: it is repeated to the widest that fits. */
bcl_status bcl_buffer_fill(bcl_device *d, cl_mem buffer, const void *pattern, size_t size,
                           size_t offset, size_t bytes) {
    bcl_status status = BCL_OK;
    char wide[16];
    memcpy(wide, pattern, size);
    for (; size < sizeof wide && (offset | bytes) % (2 * size) == 0; size *= 2)
        memcpy(wide + size, wide, size);
    if (bytes)
        BCL_CL(clEnqueueFillBuffer(bcl_device_queue(d), buffer, wide, size, offset, bytes, 0, NULL,
                                   NULL),
               "%s: filling %zu bytes", d->info.id, bytes);
out:
    return status;
}

bcl_status bcl_buffer_zero(bcl_device *d, cl_mem buffer, size_t offset, size_t bytes) {
    return bcl_buffer_fill(d, buffer, "", 1, offset, bytes);
}

bcl_status bcl_buffer_copy(bcl_device *d, cl_mem to, cl_mem from, size_t bytes) {
    bcl_status status = BCL_OK;
    if (bytes)
        BCL_CL(clEnqueueCopyBuffer(bcl_device_queue(d), from, to, 0, 0, bytes, 0, NULL, NULL),
               "%s: copying %zu bytes", d->info.id, bytes);
out:
    return status;
}

bcl_status bcl_buffer_read_later(bcl_device *d, cl_mem buffer, void *host, size_t bytes,
                                 cl_event *event) {
    bcl_status status = BCL_OK;
    const cl_command_queue queue = bcl_device_queue(d);
    BCL_CL(clEnqueueReadBuffer(queue, buffer, CL_FALSE, 0, bytes, host, 0, NULL, event),
           "%s: reading %zu bytes from the device", d->info.id, bytes);
    BCL_CL(clFlush(queue), "%s: sending commands to the device", d->info.id);
out:
    return status;
}
