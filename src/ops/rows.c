/* How the rows of a matrix are shared out among a GPU's work-items, see cl/rows.h. */
#include "ops/internal.h"

/* By SHARED items with a row each a group takes fewer instructions in all, and its sums one
 * barrier; few rows, or rows of more numbers than an item has registers for, have a group each. */
enum { SHARED = 32, WIDEST = 512, ROWS_A_UNIT = 4 };

static bool group_each(const bcl_ops *ops, int T, int C) {
    return C > WIDEST ||
           (uint64_t)T < (uint64_t)ROWS_A_UNIT * bcl_device_about(ops->device)->compute_units;
}

const char *bcl_row_words(char out[BCL_ROW_WORDS], const bcl_ops *ops, int T, int C) {
    if (bcl_device_wide(ops->device))
        *out = 0;
    else
        snprintf(out, BCL_ROW_WORDS, " -DWIDTH=%d%s", C,
                 group_each(ops, T, C) ? " -DROW_GROUP" : "");
    return out;
}

bcl_grid bcl_row_grid(const bcl_ops *ops, const bcl_kernel *kernel, int T, int C) {
    const int items = (int)bcl_kernel_items(kernel);
    const int rows = group_each(ops, T, C) || items < SHARED ? 1 : items / SHARED;
    return bcl_grid_rows(kernel, (T + rows - 1) / rows);
}
