/* Linear layers: a matrix product with bias, and its three gradients; GELU behind or before them,
 * within the product where the provider can. */
#include "ops/internal.h"

static bcl_gemm_call forward_call(const bcl_ops *ops, cl_mem y, cl_mem x, cl_mem w, cl_mem b, int T,
                                  int M, int N) {
    return (bcl_gemm_call){.layout = BCL_GEMM_NN,
                           .M = T,
                           .N = N,
                           .K = M,
                           .lda = M,
                           .ldb = N,
                           .ldc = N,
                           .C = y,
                           .A = x,
                           .B = w,
                           .bias = b,
                           .packed = ops->packed && bcl_gemm_packs(ops->gemm, N)};
}

bcl_status bcl_linear_forward(bcl_ops *ops, cl_mem y, cl_mem x, cl_mem w, cl_mem b, int T, int M,
                              int N) {
    const bcl_gemm_call call = forward_call(ops, y, x, w, b, T, M, N);
    return bcl_gemm_run(ops->gemm, &call);
}

bcl_status bcl_linear_gelu_forward(bcl_ops *ops, cl_mem y, cl_mem pre, cl_mem x, cl_mem w, cl_mem b,
                                   int T, int M, int N, bool tanh_form) {
    bcl_status status = BCL_OK;
    bcl_gemm_call call = forward_call(ops, pre, x, w, b, T, M, N);
    const bool fuse = bcl_gemm_fuses(ops->gemm);
    if (fuse) {
        call.epilogue = BCL_GEMM_GELU;
        call.tanh_form = tanh_form;
        call.E = y;
    }
    BCL_TRY(bcl_gemm_run(ops->gemm, &call));
    if (!fuse)
        BCL_TRY(bcl_gelu_forward(ops, y, pre, (size_t)T * (size_t)N, tanh_form));
out:
    return status;
}

static bcl_gemm_call input_call(cl_mem dx, cl_mem dy, cl_mem w, int T, int M, int N) {
    return (bcl_gemm_call){.layout = BCL_GEMM_NT,
                           .M = T,
                           .N = M,
                           .K = N,
                           .lda = N,
                           .ldb = N,
                           .ldc = M,
                           .C = dx,
                           .A = dy,
                           .B = w};
}

/* dw = x' dy and db = column sums of dy, which nothing of backward reads. */
static bcl_status parameter_gradients(bcl_ops *ops, cl_mem dw, cl_mem db, cl_mem dy, cl_mem x,
                                      int T, int M, int N) {
    bcl_status status = BCL_OK;
    bcl_kernel *kernel;
    const bool fuse = bcl_gemm_fuses(ops->gemm);
    if (ops->auxiliary)
        bcl_auxiliary_begin(ops->device);
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
                                                     .B = dy,
                                                     .sums = fuse ? db : NULL}));
    if (!fuse) {
        bcl_operation(ops, "bias gradient", (double)T * N);
        BCL_TRY(bcl_kernel_get(&kernel, ops->device, "elementwise.cl", "sum_rows", ""));
        BCL_TRY(BCL_LAUNCH(kernel, bcl_grid_elements(ops, (size_t)N), bcl_mem(db), bcl_mem(dy),
                           bcl_int(T), bcl_int(N), bcl_int(ops->accumulate)));
    }
out:
    bcl_auxiliary_end(ops->device);
    return status;
}

bcl_status bcl_linear_backward(bcl_ops *ops, cl_mem dx, cl_mem dw, cl_mem db, cl_mem dy, cl_mem x,
                               cl_mem w, int T, int M, int N, bool add_dx) {
    bcl_status status = BCL_OK;
    if (dx) {
        bcl_gemm_call call = input_call(dx, dy, w, T, M, N);
        call.accumulate = add_dx;
        BCL_TRY(bcl_gemm_run(ops->gemm, &call));
    }
    BCL_TRY(parameter_gradients(ops, dw, db, dy, x, T, M, N));
out:
    return status;
}

bcl_status bcl_gelu_linear_backward(bcl_ops *ops, cl_mem dpre, cl_mem dw, cl_mem db, cl_mem dy,
                                    cl_mem x, cl_mem pre, cl_mem w, int T, int M, int N,
                                    bool tanh_form) {
    bcl_status status = BCL_OK;
    bcl_gemm_call call = input_call(dpre, dy, w, T, M, N);
    const bool fuse = bcl_gemm_fuses(ops->gemm);
    if (fuse) {
        call.epilogue = BCL_GEMM_GELU_BACKWARD;
        call.tanh_form = tanh_form;
        call.E = pre;
    }
    BCL_TRY(bcl_gemm_run(ops->gemm, &call));
    if (!fuse)
        BCL_TRY(bcl_gelu_backward(ops, dpre, dpre, pre, (size_t)T * (size_t)M, tanh_form));
    BCL_TRY(parameter_gradients(ops, dw, db, dy, x, T, M, N));
out:
    return status;
}
