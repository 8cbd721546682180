/* The table of GEMM providers, in a file of its own so that a test can put another in its place. */
#include "ops/gemm/provider.h"

/* Without a tuned choice, the first that suits the device and computes in the precision. */
const bcl_gemm_provider *const *bcl_gemm_providers(void) {
    static const bcl_gemm_provider *const list[] = {
        &bcl_gemm_tile,      &bcl_gemm_clblast,   &bcl_gemm_mma,
        &bcl_gemm_reference, &bcl_gemm_tile_bf16, &bcl_gemm_mma_bf16,
        &bcl_gemm_mma_fp16,  &bcl_gemm_mma_tf32,  NULL};
    return list;
}
