/* Waiting for events. GPUs' drivers look for an event's end in a loop that takes a whole core: so
 * most of the time that the last waits took is slept through first. */
#include "ocl/internal.h"

#include <time.h>

static const double SHARE = 0.8, LEAST_S = 1e-3; /* below, sleeping is too coarse */

double bcl_waits_sleep(const bcl_waits *w) {
    double shortest = 0;
    if (w->count < BCL_WAITS)
        return 0;
    for (int i = 0; i < BCL_WAITS; i++)
        shortest = i && w->last[i] > shortest ? shortest : w->last[i];
    return SHARE * shortest >= LEAST_S ? SHARE * shortest : 0;
}

void bcl_waits_note(bcl_waits *w, double seconds, bool overslept) {
    w->last[w->count++ % BCL_WAITS] = overslept ? seconds / 2 : seconds;
    if (w->count >= 2 * BCL_WAITS)
        w->count -= BCL_WAITS;
}

static bool is_over(cl_event event) {
    cl_int state = CL_QUEUED;
    const cl_int code =
        clGetEventInfo(event, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof state, &state, NULL);
    return code != CL_SUCCESS || state <= CL_COMPLETE; /* what failed is told by who waits */
}

bcl_status bcl_event_finish(cl_event *event) {
    if (!*event)
        return BCL_OK;
    bcl_call_enter("clWaitForEvents");
    cl_int code = clWaitForEvents(1, event);
    bcl_call_leave();
    bcl_call_answered();
    clReleaseEvent(*event);
    *event = NULL;
    return code == CL_SUCCESS ? BCL_OK : bcl_cl_fail(code, "waiting for the device");
}

bcl_status bcl_event_await(bcl_device *d, cl_event *event) {
    if (d->wide || !*event || is_over(*event))
        return bcl_event_finish(event);
    const double began = bcl_seconds(), sleep = bcl_waits_sleep(&d->waits);
    if (sleep > 0) {
        const struct timespec span = {.tv_sec = (time_t)sleep,
                                      .tv_nsec = (long)((sleep - (double)(time_t)sleep) * 1e9)};
        nanosleep(&span, NULL); /* a signal ends it: then the driver waits longer */
    }
    const bool overslept = sleep > 0 && is_over(*event);
    const bcl_status status = bcl_event_finish(event);
    bcl_waits_note(&d->waits, bcl_seconds() - began, overslept);
    return status;
}
