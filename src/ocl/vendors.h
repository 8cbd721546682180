/* Inside ocl/: all that is known of drivers and processors by name. Whoever needs a fact asks for
 * it by what it means, so that a new driver is one line more in vendors.c. */
#ifndef BCL_OCL_VENDORS_H
#define BCL_OCL_VENDORS_H

#include "ocl/ocl.h"

typedef struct bcl_driver {
    const char *platform; /* a part of CL_PLATFORM_NAME */
    const char *id;       /* in device ids: "pocl" of "pocl:0" */
    int rank;             /* among devices of one type, lower is preferred */
    /* Launches of two queues run beside each other, and waiting between them is cheap. */
    bool auxiliary_queue;
    /* An interpreter: for tests, never the default and never tuned. */
    bool interpreter;
    /* It has a cache of its own on disk, without which it fails: cache.h. */
    bool own_cache;
    const char *no_device; /* what to say where it has none; "" */
} bcl_driver;

/* The driver of a platform or of a device's id; one without facts where it is not known. */
const bcl_driver *bcl_driver_of_platform(const char *platform);
const bcl_driver *bcl_driver_of(const char *device_id);
/* What must be in the environment before a driver is loaded. */
void bcl_driver_prepare(void);
/* Vector registers of the processor that a CPU device is. */
int bcl_vector_registers(const bcl_device_info *about);

#endif
