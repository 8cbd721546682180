/* What a GEMM provider is, for the files of this folder and the tuner. */
#ifndef BCL_GEMM_PROVIDER_H
#define BCL_GEMM_PROVIDER_H

#include "ops/gemm/gemm.h"

/* Names to try, the most promising first. Zero-initialise. */
typedef struct bcl_gemm_names {
    char **items;
    size_t count, capacity;
} bcl_gemm_names;
bcl_status bcl_gemm_names_add(bcl_gemm_names *names, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void bcl_gemm_names_free(bcl_gemm_names *names);

/* One entry a file. `parameters` is what stood behind the name's colon, or NULL; `state` is what
 * create made; run gets calls that gemm.c has checked. */
typedef struct bcl_gemm_provider {
    const char *name;
    bcl_precision precision;
    /* BCL_TAKES_ of the operands' elements; C in others than f32 where nothing is added to it, and
     * so E of GELU; E is f32 elsewhere, bias and sums always */
    unsigned A, B, C;
    /* True where it may be taken unasked. Only one that is right on such devices. */
    bool (*suits)(const bcl_device *device);
    /* What the device lacks for it to be fast, as "avx512_bf16 is missing"; NULL, also as the
     * function: nothing is known to. */
    const char *(*lacks)(const bcl_device *device);
    /* Adds names with parameters that tuning tries on a device that it suits; the one without
     * parameters is tried anyway, first. `thorough`: those of `bertcl tune`, else the few of a
     * first run. NULL: none. */
    bcl_status (*candidates)(bcl_gemm_names *names, const bcl_device *device, bool thorough);
    bcl_status (*create)(void **state, bcl_device *device, const char *parameters);
    /* The parameters in use, as they stand behind the name's colon; NULL: those it was given. */
    void (*parameters)(const void *state, char *out, size_t size);
    bcl_status (*run)(void *state, const bcl_gemm_call *call);
    /* NULL, or both gradients in one launch, see bcl_gemm_run_gradients; only with `fuses` */
    bcl_status (*run_gradients)(void *state, const bcl_gemm_call *dx, const bcl_gemm_call *dw);
    /* NULL, or the unit of bcl_gemm_find_unit */
    void (*unit)(const void *state, bcl_gemm_unit *out);
    void (*free)(void *state);
    /* Its parameters hold for the whole process: two states with other parameters exclude each
     * other, and tuning tries them one by one. */
    bool exclusive;
    bool fuses; /* run computes epilogues and sums */
    bool plain; /* run is one bcl_launch, with no buffer of the provider's */
    /* NULL, or columns that N must be a multiple of to be packed, and packing, see gemm.h */
    int (*pack_columns)(const void *state);
    bcl_status (*pack)(void *state, bcl_view to, bcl_view from, int K, int N, bool back);
} bcl_gemm_provider;

extern const bcl_gemm_provider bcl_gemm_clblast, bcl_gemm_tile, bcl_gemm_tile_bf16,
    bcl_gemm_reference, bcl_gemm_mma, bcl_gemm_mma_bf16, bcl_gemm_mma_fp16, bcl_gemm_mma_tf32;

/* The providers in the order of preference, NULL behind the last. */
const bcl_gemm_provider *const *bcl_gemm_providers(void);

/* True where one work-item with wide vectors is the way to a device's speed. */
bool bcl_gemm_tile_suits(const bcl_device *device);
/* A register tile by "WIDTHxROWSxVECTORS": rows of so many vectors of so many floats. */
bcl_status bcl_gemm_tile_parse(int *width, int *rows, int *vectors, const char *provider,
                               const char *text);

static inline size_t bcl_gemm_ceil(size_t a, size_t b) {
    return (a + b - 1) / b;
}

/* A group has up to `items` columns of a row of C; as many as the device runs. */
static inline bcl_grid bcl_gemm_row_grid(const bcl_kernel *kernel, int M, int N, size_t items) {
    const size_t most = bcl_kernel_limit(kernel);
    if (items > most)
        items = most;
    return (bcl_grid){.groups = {(size_t)M, bcl_gemm_ceil((size_t)N, items)}, .local = {1, items}};
}

#endif
