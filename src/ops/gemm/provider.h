/* What a GEMM provider is, for the files of this folder only. */
#ifndef BCL_GEMM_PROVIDER_H
#define BCL_GEMM_PROVIDER_H

#include "ops/gemm/gemm.h"

/* One entry a file. `parameters` is what stood behind the name's colon, or NULL; `state` is what
 * create made; run gets calls that gemm.c has checked. */
typedef struct bcl_gemm_provider {
    const char *name;
    bcl_status (*create)(void **state, bcl_device *device, const char *parameters);
    bcl_status (*run)(void *state, const bcl_gemm_call *call);
    void (*free)(void *state);
} bcl_gemm_provider;

extern const bcl_gemm_provider bcl_gemm_clblast, bcl_gemm_tile, bcl_gemm_reference;

/* True where one work-item with wide vectors is the way to a device's speed. */
bool bcl_gemm_tile_suits(const bcl_device *device);

static inline size_t bcl_gemm_ceil(size_t a, size_t b) {
    return (a + b - 1) / b;
}

#endif
