/* GELU in its erf form and in the tanh form (gelu_new). */
#include "ops/internal.h"

bcl_status bcl_gelu_forward(bcl_ops *ops, cl_mem y, cl_mem x, size_t count, bool tanh_form) {
    bcl_status status = BCL_OK;
    bcl_kernel *kernel;
    bcl_operation(ops, "GELU", 2 * (double)count);
    BCL_TRY(bcl_kernel_get(&kernel, ops->device, "elementwise.cl", "gelu_forward", ""));
    BCL_TRY(BCL_LAUNCH(kernel, bcl_grid_elements(ops, count), bcl_mem(y), bcl_mem(x),
                       bcl_int((int)count), bcl_int(tanh_form)));
out:
    return status;
}

bcl_status bcl_gelu_backward(bcl_ops *ops, cl_mem dx, cl_mem dy, cl_mem x, size_t count,
                             bool tanh_form) {
    bcl_status status = BCL_OK;
    bcl_kernel *kernel;
    bcl_operation(ops, "GELU backward", 3 * (double)count);
    BCL_TRY(bcl_kernel_get(&kernel, ops->device, "elementwise.cl", "gelu_backward", ""));
    BCL_TRY(BCL_LAUNCH(kernel, bcl_grid_elements(ops, count), bcl_mem(dx), bcl_mem(dy), bcl_mem(x),
                       bcl_int((int)count), bcl_int(tanh_form)));
out:
    return status;
}
