/* GELU in its erf form and in the tanh form (gelu_new). */
#include "ops/internal.h"

bcl_status bcl_gelu_forward(bcl_ops *ops, bcl_view y, bcl_view x, int T, int N, bool tanh_form) {
    bcl_status status = BCL_OK;
    bcl_kernel *kernel;
    const size_t count = (size_t)T * (size_t)N;
    BCL_TRY(BCL_OPERANDS(ops, "gelu_forward", BCL_OUT(y, T, N), BCL_IN(x, T, N)));
    bcl_operation(ops, "GELU", bcl_view_traffic(y) + bcl_view_traffic(x));
    BCL_TRY(bcl_kernel_get(&kernel, ops->device, "elementwise.cl", "gelu_forward", ""));
    BCL_TRY(BCL_LAUNCH(kernel, bcl_grid_elements(ops, kernel, count), bcl_ptr(y), bcl_ptr(x),
                       bcl_int((int)count), bcl_int(tanh_form)));
out:
    return status;
}

bcl_status bcl_gelu_backward(bcl_ops *ops, bcl_view dx, bcl_view dy, bcl_view x, int T, int N,
                             bool tanh_form) {
    bcl_status status = BCL_OK;
    bcl_kernel *kernel;
    const size_t count = (size_t)T * (size_t)N;
    BCL_TRY(
        BCL_OPERANDS(ops, "gelu_backward", BCL_OUT(dx, T, N), BCL_IN(dy, T, N), BCL_IN(x, T, N)));
    bcl_operation(ops, "GELU backward",
                  bcl_view_traffic(dx) + bcl_view_traffic(dy) + bcl_view_traffic(x));
    BCL_TRY(bcl_kernel_get(&kernel, ops->device, "elementwise.cl", "gelu_backward", ""));
    BCL_TRY(BCL_LAUNCH(kernel, bcl_grid_elements(ops, kernel, count), bcl_ptr(dx), bcl_ptr(dy),
                       bcl_ptr(x), bcl_int((int)count), bcl_int(tanh_form)));
out:
    return status;
}
