/* Inside cli/: --devices of `bertcl eval` and `bertcl predict`. */
#ifndef BCL_CLI_POOL_H
#define BCL_CLI_POOL_H

#include "cli/cli.h"
#include "dist/dist.h"

typedef struct bcl_cli_pool {
    const char *devices; /* NULL: one device, in this process */
    bcl_list cores;
} bcl_cli_pool;

#define BCL_CLI_POOL_OPTIONS(c)                                                                    \
    {BCL_OPTION_TEXT,                                                                              \
     "devices",                                                                                    \
     &(c).devices,                                                                                 \
     "IDS",                                                                                        \
     "compute on several devices at once, as pocl:0,nvidia:0; all: every piece of hardware once; " \
     "gpu: every GPU (docs/distributed.md)",                                                       \
     .min = 0},                                                                                    \
    {                                                                                              \
        BCL_OPTION_LIST, "cores", &(c).cores, "ID=LIST",                                           \
            "the cores of a device's process, as pocl:0=0-3; default: CPU devices share them "     \
            "evenly",                                                                              \
            .min = 0                                                                               \
    }

/* Starts the devices of a session that is prepared, see bcl_pool_open. */
bcl_status bcl_cli_pool_open(bcl_pool **out, const bcl_cli_pool *options, bcl_session *session);

#endif
