/* What the operations' host files share. */
#ifndef BCL_OPS_INTERNAL_H
#define BCL_OPS_INTERNAL_H

#include "ops/ops.h"

#include <math.h>

/* The five arguments of DROPOUT_PARAMETERS in the kernels. */
#define BCL_DROPOUT_ARGS(d)                                                                        \
    bcl_uint(bcl_dropout_threshold((d).p)), bcl_float((float)(1.0 / (1.0 - (double)(d).p))),       \
        bcl_uint((d).site), bcl_uint((d).key[0]), bcl_uint((d).key[1])
static inline uint32_t bcl_dropout_threshold(float p) {
    return p > 0 ? (uint32_t)((double)p * 4294967296.0) : 0;
}

/* The variant of a kernel that keeps `view` as cl/half.h says; "" where it is f32 or none. */
static inline const char *bcl_half_words(bcl_view view) {
    return !view.buffer                    ? ""
           : view.type == BCL_ELEMENT_BF16 ? " -DHALF=16"
           : view.type == BCL_ELEMENT_F16  ? " -DHALF=17"
                                           : "";
}

/* Names the operation that is launched next: one bound by memory, with the bytes that it has to
 * read and write. */
static inline void bcl_operation(const bcl_ops *ops, const char *name, double bytes) {
    bcl_profile_operation(ops->device, name, 0, bytes);
}

/* Rows of kernels that take cl/rows.h on GPUs: the options that say how, and the grid. */
enum { BCL_ROW_WORDS = 48 };
const char *bcl_row_words(char out[BCL_ROW_WORDS], const bcl_ops *ops, int T, int C);
bcl_grid bcl_row_grid(const bcl_ops *ops, const bcl_kernel *kernel, int T, int C);

/* A group of the kernel's LS items for each of n rows. */
static inline bcl_grid bcl_grid_rows(const bcl_kernel *kernel, int n) {
    return (bcl_grid){{(size_t)n}, {bcl_kernel_items(kernel)}};
}

/* At least n items of `vector` elements each. */
static inline bcl_grid bcl_grid_elements(const bcl_ops *ops, const bcl_kernel *kernel, size_t n) {
    size_t vector = (size_t)bcl_device_vector(ops->device);
    size_t items = bcl_kernel_items(kernel);
    size_t span = vector * items;
    return (bcl_grid){{(n + span - 1) / span}, {items}};
}

/* bcl_linear_forward and bcl_linear_backward; what *rest has then is still to be added to y or dx.
 * rest may be NULL. */
bcl_status bcl_linear_forward_rest(bcl_gemm_rest *rest, bcl_ops *ops, bcl_view y, bcl_view x,
                                   bcl_view w, bcl_view b, int T, int M, int N);
bcl_status bcl_linear_backward_rest(bcl_gemm_rest *rest, bcl_ops *ops, bcl_view dx, bcl_view dw,
                                    bcl_view db, bcl_view dy, bcl_view x, bcl_view w, int T, int M,
                                    int N, bool add_dx);

#endif
