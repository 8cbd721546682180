/* Large transfers of GPUs with memory of their own. A driver copies what comes from memory that it
 * has not pinned by itself, and some wait for the queue before they begin. So transfers go through
 * a ring of pieces that the driver has pinned once: while one is sent the next is filled. Without
 * memory for the ring they go the plain way. */
#include "ocl/internal.h"

/* Bytes below which drivers take a transfer along with its command, or nearly so. */
enum { LEAST = 64 << 10 };

/* CPUs and GPUs that share the host's memory gain nothing: to them it is a copy more. */
static bool is_worth_it(const bcl_device *d) {
    const char *kernels = getenv("BERTCL_KERNELS"), *staging = getenv("BERTCL_STAGING");
    cl_bool shared = CL_FALSE;
    if (staging && !strcmp(staging, "off"))
        return false;
    if (kernels && !strcmp(kernels, "gpu"))
        return true;
    return d->info.gpu &&
           !clGetDeviceInfo(d->id, CL_DEVICE_HOST_UNIFIED_MEMORY, sizeof shared, &shared, NULL) &&
           !shared;
}

/* Maps the ring, as that is what pins it; it stays mapped. */
static void open_ring(bcl_device *d) {
    const size_t bytes = (size_t)BCL_PIECES * BCL_PIECE;
    bcl_staging *s = &d->staging;
    cl_int code;
    s->tried = true;
    if (!is_worth_it(d))
        return;
    bcl_call_enter("clCreateBuffer");
    s->ring =
        clCreateBuffer(d->context, CL_MEM_READ_WRITE | CL_MEM_ALLOC_HOST_PTR, bytes, NULL, &code);
    bcl_call_leave();
    if (code != CL_SUCCESS) {
        s->ring = NULL;
        return;
    }
    bcl_call_enter("clEnqueueMapBuffer");
    s->host = clEnqueueMapBuffer(d->queue, s->ring, CL_TRUE, CL_MAP_READ | CL_MAP_WRITE, 0, bytes,
                                 0, NULL, NULL, &code);
    bcl_call_leave();
    if (code == CL_SUCCESS && s->host)
        return;
    clReleaseMemObject(s->ring);
    s->ring = NULL;
    s->host = NULL;
}

static bool is_free(const bcl_staging *s) {
    cl_int state = CL_COMPLETE;
    const cl_event busy = s->busy[s->next];
    return !busy ||
           (!clGetEventInfo(busy, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof state, &state, NULL) &&
            state == CL_COMPLETE);
}

bool bcl_staging_takes(bcl_device *d, size_t bytes, bool wait) {
    if (bytes < LEAST)
        return false;
    if (wait && !d->staging.tried)
        open_ring(d);
    return d->staging.host && (wait || (bytes <= BCL_PIECE && is_free(&d->staging)));
}

void bcl_staging_free(bcl_device *d) {
    bcl_staging *s = &d->staging;
    for (int i = 0; i < BCL_PIECES; i++)
        if (s->busy[i])
            clReleaseEvent(s->busy[i]);
    if (s->host) {
        clEnqueueUnmapMemObject(d->queue, s->ring, s->host, 0, NULL, NULL);
        clFinish(d->queue);
        clReleaseMemObject(s->ring);
    }
    *s = (bcl_staging){0};
}

/* The next piece, which nothing is on its way to or from. */
static bcl_status take(int *out, bcl_staging *s) {
    *out = s->next;
    s->next = (s->next + 1) % BCL_PIECES;
    return bcl_event_finish(&s->busy[*out]);
}

static char *piece(const bcl_staging *s, int i) {
    return s->host + (size_t)i * BCL_PIECE;
}

static size_t part(size_t left) {
    return left < BCL_PIECE ? left : BCL_PIECE;
}

bcl_status bcl_staging_write(bcl_device *d, cl_mem buffer, size_t offset, const void *host,
                             size_t bytes, bool wait) {
    bcl_status status = BCL_OK;
    bcl_staging *s = &d->staging;
    const cl_command_queue queue = bcl_device_queue(d);
    int i = 0;
    for (size_t at = 0, n; at < bytes; at += n) {
        n = part(bytes - at);
        BCL_TRY(take(&i, s));
        memcpy(piece(s, i), (const char *)host + at, n);
        BCL_CL(clEnqueueWriteBuffer(queue, buffer, CL_FALSE, offset + at, n, piece(s, i), 0, NULL,
                                    &s->busy[i]),
               "%s: writing %zu bytes to the device", d->info.id, bytes);
        BCL_CL(clFlush(queue), "%s: sending commands to the device", d->info.id);
        s->bytes += n;
    }
    if (wait) /* the queue is in order: the last piece comes last */
        BCL_TRY(bcl_event_finish(&s->busy[i]));
out:
    return status;
}

bcl_status bcl_staging_read(bcl_device *d, cl_mem buffer, size_t offset, void *host, size_t bytes) {
    bcl_status status = BCL_OK;
    bcl_staging *s = &d->staging;
    const cl_command_queue queue = bcl_device_queue(d);
    size_t asked = 0;
    int i = s->next, last; /* the piece that comes next, and the one that was asked for last */
    for (size_t at = 0, n; at < bytes; at += n, i = (i + 1) % BCL_PIECES) {
        for (; asked < bytes && asked < at + (size_t)BCL_PIECES * BCL_PIECE; asked += n) {
            n = part(bytes - asked);
            BCL_TRY(take(&last, s));
            BCL_CL(clEnqueueReadBuffer(queue, buffer, CL_FALSE, offset + asked, n, piece(s, last),
                                       0, NULL, &s->busy[last]),
                   "%s: reading %zu bytes from the device", d->info.id, bytes);
            BCL_CL(clFlush(queue), "%s: sending commands to the device", d->info.id);
        }
        n = part(bytes - at);
        BCL_TRY(bcl_event_finish(&s->busy[i]));
        memcpy((char *)host + at, piece(s, i), n);
        s->bytes += n;
    }
out:
    return status;
}
