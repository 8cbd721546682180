/* Linear layers: a matrix product with bias, and its three gradients. */
#include "ops/internal.h"

bcl_status bcl_linear_forward(bcl_ops *ops, cl_mem y, cl_mem x, cl_mem w, cl_mem b, int T, int M,
                              int N) {
    return bcl_gemm_run(ops->gemm, &(bcl_gemm_call){.layout = BCL_GEMM_NN,
                                                    .M = T,
                                                    .N = N,
                                                    .K = M,
                                                    .lda = M,
                                                    .ldb = N,
                                                    .ldc = N,
                                                    .C = y,
                                                    .A = x,
                                                    .B = w,
                                                    .bias = b});
}

bcl_status bcl_linear_backward(bcl_ops *ops, cl_mem dx, cl_mem dw, cl_mem db, cl_mem dy, cl_mem x,
                               cl_mem w, int T, int M, int N, bool add_dx) {
    bcl_status status = BCL_OK;
    bcl_kernel *kernel;
    if (dx)
        BCL_TRY(bcl_gemm_run(ops->gemm, &(bcl_gemm_call){.layout = BCL_GEMM_NT,
                                                         .M = T,
                                                         .N = M,
                                                         .K = N,
                                                         .lda = N,
                                                         .ldb = N,
                                                         .ldc = M,
                                                         .accumulate = add_dx,
                                                         .C = dx,
                                                         .A = dy,
                                                         .B = w}));
    BCL_TRY(bcl_gemm_run(ops->gemm, &(bcl_gemm_call){.layout = BCL_GEMM_TN,
                                                     .M = M,
                                                     .N = N,
                                                     .K = T,
                                                     .lda = M,
                                                     .ldb = N,
                                                     .ldc = N,
                                                     .accumulate = ops->accumulate,
                                                     .C = dw,
                                                     .A = x,
                                                     .B = dy}));
    bcl_operation(ops, "bias gradient", (double)T * N);
    BCL_TRY(bcl_kernel_get(&kernel, ops->device, "elementwise.cl", "sum_rows", ""));
    BCL_TRY(BCL_LAUNCH(kernel, bcl_grid_elements(ops, (size_t)N), bcl_mem(db), bcl_mem(dy),
                       bcl_int(T), bcl_int(N), bcl_int(ops->accumulate)));
out:
    return status;
}
