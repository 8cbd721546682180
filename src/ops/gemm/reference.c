/* GEMM provider `reference`: a plain kernel for any device, the yardstick of the others. */
#include "ops/gemm/provider.h"

enum { ITEMS = 16 }; /* of a group: as many columns of one row of C */

static bcl_status reference_create(void **state, bcl_device *device, const char *parameters) {
    if (parameters)
        return bcl_fail(BCL_ERROR_ARGUMENT,
                        "GEMM provider \"reference:%s\": reference takes no parameters",
                        parameters);
    bcl_kernel *kernel = NULL;
    bcl_status status = bcl_kernel_get(&kernel, device, "gemm_reference.cl", "gemm_reference", "");
    *state = kernel;
    return status;
}

static void reference_free(void *state) {
    (void)state; /* the kernel is the device's */
}

static bcl_status reference_run(void *state, const bcl_gemm_call *c) {
    const bool tn = c->layout == BCL_GEMM_TN, nt = c->layout == BCL_GEMM_NT;
    const bcl_grid grid = bcl_gemm_row_grid(state, c->M, c->N, ITEMS);
    return BCL_LAUNCH(state, grid, bcl_ptr(c->C), bcl_ptr(c->A), bcl_ptr(c->B),
                      bcl_ptr(c->bias.buffer ? c->bias : c->B), bcl_int(c->bias.buffer != NULL),
                      bcl_int(c->accumulate), bcl_int(c->N), bcl_int(c->K),
                      bcl_int(tn ? 1 : c->A.ld), bcl_int(tn ? c->A.ld : 1),
                      bcl_int(nt ? 1 : c->B.ld), bcl_int(nt ? c->B.ld : 1), bcl_int(c->C.ld));
}

/* Right everywhere, and so the last resort. */
static bool reference_suits(const bcl_device *device) {
    (void)device;
    return true;
}

const bcl_gemm_provider bcl_gemm_reference = {.name = "reference",
                                              .precision = BCL_PRECISION_FP32,
                                              .A = BCL_TAKES_F32,
                                              .B = BCL_TAKES_F32,
                                              .C = BCL_TAKES_F32,
                                              .suits = reference_suits,
                                              .create = reference_create,
                                              .run = reference_run,
                                              .free = reference_free};
