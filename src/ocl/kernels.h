/* The table of kernel files that cmake/embed.cmake writes from cl/. */
#ifndef BCL_OCL_KERNELS_H
#define BCL_OCL_KERNELS_H

#include <stddef.h>

typedef struct bcl_kernel_source {
    const char *name; /* "layernorm.cl" */
    const char *text; /* NUL-terminated */
    size_t size;      /* bytes, without the NUL */
} bcl_kernel_source;

/* Ends with a NULL name. */
extern const bcl_kernel_source bcl_kernel_sources[];

#endif
