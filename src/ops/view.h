/* Matrices in device memory, with the type of their elements, and the check of what an operation is
 * given against what it declares. */
#ifndef BCL_OPS_VIEW_H
#define BCL_OPS_VIEW_H

#include "ocl/ocl.h"
#include "util/half.h"

typedef enum bcl_element {
    BCL_ELEMENT_F32,
    BCL_ELEMENT_BF16,
    BCL_ELEMENT_F16,
    BCL_ELEMENT_I32,
    BCL_ELEMENTS
} bcl_element;
/* "f32" */
const char *bcl_element_name(bcl_element element);
static inline size_t bcl_element_bytes(bcl_element element) {
    return element == BCL_ELEMENT_BF16 || element == BCL_ELEMENT_F16 ? 2 : 4;
}

/* Numbers of the two types of 16 bits. */
static inline uint16_t bcl_element_round(float x, bcl_element element) {
    return element == BCL_ELEMENT_BF16 ? bcl_bf16_round(x) : bcl_fp16_round(x);
}
static inline float bcl_element_widen(uint16_t x, bcl_element element) {
    return element == BCL_ELEMENT_BF16 ? bcl_bf16_widen(x) : bcl_fp16_widen(x);
}

/* A row-major matrix at the start of a buffer, which may itself be a part of another. A vector of
 * the model, as a bias, is (1,C); what each token has one of is (T,1). */
typedef struct bcl_view {
    cl_mem buffer; /* NULL: none */
    size_t bytes;  /* of the buffer */
    cl_mem root;   /* the buffer that it is a part of, from byte `offset` on, or itself */
    size_t offset;
    bcl_element type;
    int rows, columns;
    int ld; /* elements from one row to the next */
} bcl_view;

/* A new buffer of just that size, which the caller frees: bcl_buffer_free(device, &view.buffer).
 * Too large for the device: BCL_ERROR_DEVICE_MEMORY, which names `what`. */
bcl_status bcl_view_create(bcl_view *out, bcl_device *device, bcl_element type, int rows,
                           int columns, const char *what);
/* A part of a buffer, from byte `offset` on, see bcl_buffer_view; freed as above. */
bcl_status bcl_view_cut(bcl_view *out, cl_mem buffer, size_t offset, bcl_element type, int rows,
                        int columns);
/* The same memory as another matrix, rows end to end. */
static inline bcl_view bcl_view_as(bcl_view view, int rows, int columns) {
    view.rows = rows;
    view.columns = view.ld = columns;
    return view;
}
/* Bytes of its elements: what it costs to read or write it once. */
static inline double bcl_view_traffic(bcl_view view) {
    return (double)view.rows * view.columns * (double)bcl_element_bytes(view.type);
}
/* The argument of a kernel. */
static inline bcl_arg bcl_ptr(bcl_view view) {
    return bcl_mem(view.buffer);
}

/* ---- what an operation declares ---- */

/* Types that an operand may have, and more. */
enum {
    BCL_TAKES_F32 = 1 << BCL_ELEMENT_F32,
    BCL_TAKES_BF16 = 1 << BCL_ELEMENT_BF16,
    BCL_TAKES_F16 = 1 << BCL_ELEMENT_F16,
    BCL_TAKES_HALVES = BCL_TAKES_BF16 | BCL_TAKES_F16,
    BCL_TAKES_I32 = 1 << BCL_ELEMENT_I32,
    BCL_TAKES_NONE = 1 << 8,   /* the operand may be missing */
    BCL_TAKES_STRIDE = 1 << 9, /* rows may lie further apart than they are long */
    BCL_WRITES = 1 << 10       /* the operation writes it, or reads and writes */
};
enum { BCL_ANY = -1 }; /* as rows or columns: as many as there are */

typedef struct bcl_operand {
    const char *name;
    const bcl_view *view;
    int rows, columns;
    unsigned takes;
} bcl_operand;

#define BCL_IN(view, rows, columns)                                                                \
    { #view, &(view), rows, columns, BCL_TAKES_F32 }
#define BCL_OUT(view, rows, columns)                                                               \
    { #view, &(view), rows, columns, BCL_TAKES_F32 | BCL_WRITES }
#define BCL_IN_OR_NONE(view, rows, columns)                                                        \
    { #view, &(view), rows, columns, BCL_TAKES_F32 | BCL_TAKES_NONE }
#define BCL_IN_INTS(view, rows, columns)                                                           \
    { #view, &(view), rows, columns, BCL_TAKES_I32 }
#define BCL_OUT_INTS(view, rows, columns)                                                          \
    { #view, &(view), rows, columns, BCL_TAKES_I32 | BCL_WRITES }
#define BCL_OUT_MAY_BE_HALVES(view, rows, columns)                                                 \
    { #view, &(view), rows, columns, BCL_TAKES_F32 | BCL_TAKES_HALVES | BCL_WRITES }
#define BCL_OUT_HALVES_OR_NONE(view, rows, columns)                                                \
    { #view, &(view), rows, columns, BCL_TAKES_HALVES | BCL_TAKES_NONE | BCL_WRITES }
#define BCL_OUT_OR_NONE(view, rows, columns)                                                       \
    { #view, &(view), rows, columns, BCL_TAKES_F32 | BCL_TAKES_NONE | BCL_WRITES }

/* BCL_ERROR_ARGUMENT if one is not as declared, or its buffer too short, with the operation's and
 * the operand's name: "linear_forward: w: found (384,1536) f32, expected (1536,384) f32". A few
 * comparisons an operand; no call of OpenCL. */
bcl_status bcl_operands_check(const char *operation, const bcl_operand *operands, size_t count);
/* The same, and what is launched next waits for what it must not overtake on the device's auxiliary
 * queue, see bcl_auxiliary_order. */
bcl_status bcl_operands_use(bcl_device *device, const char *operation, const bcl_operand *operands,
                            size_t count);
#define BCL_OPERANDS(ops, operation, ...)                                                          \
    bcl_operands_use((ops)->device, operation, (const bcl_operand[]){__VA_ARGS__},                 \
                     sizeof((const bcl_operand[]){__VA_ARGS__}) / sizeof(bcl_operand))

#endif
