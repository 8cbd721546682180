/* Views of device memory, and the one check of operands. A kernel on a CPU device that leaves a
 * buffer would silently destroy the process's memory, so nothing is launched unchecked. */
#include "ops/view.h"

#include <assert.h>

const char *bcl_element_name(bcl_element element) {
    static const char *const names[BCL_ELEMENTS] = {
        [BCL_ELEMENT_F32] = "f32",
        [BCL_ELEMENT_BF16] = "bf16",
        [BCL_ELEMENT_F16] = "f16",
        [BCL_ELEMENT_I32] = "i32",
    };
    return names[element];
}

static bcl_status count_bytes(size_t *out, bcl_element type, int rows, int columns,
                              const char *what) {
    assert(rows >= 0 && columns >= 0);
    if (bcl_multiply(out, (size_t)rows, (size_t)columns) &&
        bcl_multiply(out, *out, bcl_element_bytes(type)))
        return BCL_OK;
    return bcl_fail(BCL_ERROR_DEVICE_MEMORY, "out of device memory: (%d,%d) %s for %s", rows,
                    columns, bcl_element_name(type), what);
}

bcl_status bcl_view_create(bcl_view *out, bcl_device *device, bcl_element type, int rows,
                           int columns, const char *what) {
    bcl_status status = BCL_OK;
    *out = (bcl_view){.type = type, .rows = rows, .columns = columns, .ld = columns};
    BCL_TRY(count_bytes(&out->bytes, type, rows, columns, what));
    BCL_TRY(bcl_buffer_create(&out->buffer, device, out->bytes, what));
    out->root = out->buffer;
out:
    return status;
}

bcl_status bcl_view_cut(bcl_view *out, cl_mem buffer, size_t offset, bcl_element type, int rows,
                        int columns) {
    bcl_status status = BCL_OK;
    *out = (bcl_view){.type = type, .rows = rows, .columns = columns, .ld = columns};
    BCL_TRY(count_bytes(&out->bytes, type, rows, columns, "a view"));
    BCL_TRY(bcl_buffer_view(&out->buffer, buffer, offset, out->bytes));
    out->root = buffer;
    out->offset = offset;
out:
    return status;
}

/* Elements; of the last row not what may lie behind it. */
static size_t needed(const bcl_view *v) {
    return (size_t)(v->rows - 1) * (size_t)v->ld + (size_t)v->columns;
}

static bool fits(const bcl_operand *o) {
    const bcl_view *v = o->view;
    if (!v->buffer)
        return o->takes & BCL_TAKES_NONE;
    return (o->takes >> v->type & 1) && (v->rows == o->rows || o->rows == BCL_ANY) &&
           (v->columns == o->columns || o->columns == BCL_ANY) && v->rows > 0 && v->columns > 0 &&
           (v->ld == v->columns || (o->takes & BCL_TAKES_STRIDE && v->ld > v->columns)) &&
           needed(v) <= v->bytes / bcl_element_bytes(v->type);
}

static void add_dim(char *out, size_t size, int dim, const char *end) {
    const size_t n = strlen(out);
    if (dim == BCL_ANY)
        snprintf(out + n, size - n, "*%s", end);
    else
        snprintf(out + n, size - n, "%d%s", dim, end);
}

/* "(1536,384) f32 or bf16" */
static void describe(char *out, size_t size, int rows, int columns, unsigned types) {
    const char *between = " ";
    snprintf(out, size, "(");
    add_dim(out, size, rows, ",");
    add_dim(out, size, columns, ")");
    for (int i = 0; i < BCL_ELEMENTS; i++)
        if (types >> i & 1) {
            const size_t n = strlen(out);
            snprintf(out + n, size - n, "%s%s", between, bcl_element_name((bcl_element)i));
            between = " or ";
        }
}

static bcl_status refuse(const char *operation, const bcl_operand *o) {
    char found[64], expected[64];
    const bcl_view *v = o->view;
    describe(found, sizeof found, v->rows, v->columns, 1u << v->type);
    describe(expected, sizeof expected, o->rows, o->columns, o->takes);
    if (!v->buffer)
        return bcl_fail(BCL_ERROR_ARGUMENT, "%s: %s: found none, expected %s", operation, o->name,
                        expected);
    if (!(o->takes >> v->type & 1) || (v->rows != o->rows && o->rows != BCL_ANY) ||
        (v->columns != o->columns && o->columns != BCL_ANY) || v->rows < 1 || v->columns < 1)
        return bcl_fail(BCL_ERROR_ARGUMENT, "%s: %s: found %s, expected %s", operation, o->name,
                        found, expected);
    if (v->ld != v->columns && (v->ld < v->columns || !(o->takes & BCL_TAKES_STRIDE)))
        return bcl_fail(
            BCL_ERROR_ARGUMENT, "%s: %s: found %s with rows %d elements apart, expected %s%d",
            operation, o->name, found, v->ld, o->takes & BCL_TAKES_STRIDE ? ">= " : "", v->columns);
    return bcl_fail(BCL_ERROR_ARGUMENT, "%s: %s: %s needs %zu elements, its buffer has %zu",
                    operation, o->name, found, needed(v), v->bytes / bcl_element_bytes(v->type));
}

bcl_status bcl_operands_check(const char *operation, const bcl_operand *operands, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (!fits(&operands[i]))
            return refuse(operation, &operands[i]);
    return BCL_OK;
}

bcl_status bcl_operands_use(bcl_device *device, const char *operation, const bcl_operand *operands,
                            size_t count) {
    const bcl_status status = bcl_operands_check(operation, operands, count);
    if (status || !bcl_auxiliary_active(device))
        return status;
    for (size_t i = 0; i < count; i++) {
        const bcl_view *v = operands[i].view;
        if (v->buffer)
            bcl_auxiliary_order(device, (bcl_extent){v->root, v->offset, v->offset + v->bytes},
                                operands[i].takes & BCL_WRITES);
    }
    return BCL_OK;
}
