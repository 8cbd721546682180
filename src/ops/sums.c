/* Sums over the tokens. In one piece each item adds a column from top to bottom: a CPU has few
 * units, and the rows are read once. In parts there are groups for every unit of a GPU; the parts
 * of many sums are added up by one launch, which a whole backward pass can wait for. */
#include "ops/sums.h"

enum {
    LEAST_PARTS = 4, /* fewer are not worth a second launch */
    LEAST_ROWS = 4,  /* of a part */
    ENTRY = 4        /* integers of a sum in the table */
};

struct bcl_sums {
    bcl_device *device;
    bcl_view parts; /* (1,n) */
    bcl_view table; /* (most,ENTRY): place in the outputs' buffer, place in parts, distance of
                     * the parts, columns */
    int32_t *wanted, *sent; /* the table as it is to be, and as it is on the device */
    int most, first, count; /* sums of the table: room, the first that waits, the last's next */
    int used /* of parts */, widest;
    /* of all sums that wait */
    cl_mem outputs;
    int part_count;
    bool accumulate;
    bool later;
};

bcl_status bcl_sums_create(bcl_sums **out, bcl_device *device, size_t floats, int most) {
    bcl_status status = BCL_OK;
    bcl_sums *s = NULL;
    BCL_NEW(s, 1);
    s->device = device;
    s->most = most;
    BCL_NEW(s->wanted, (size_t)most * ENTRY);
    BCL_NEW(s->sent, (size_t)most * ENTRY);
    BCL_TRY(bcl_view_create(&s->parts, device, BCL_ELEMENT_F32, 1, (int)floats, "sums in parts"));
    BCL_TRY(bcl_view_create(&s->table, device, BCL_ELEMENT_I32, most, ENTRY, "sums in parts"));
    memset(s->sent, 0xff, s->table.bytes); /* no place */
    *out = s;
    s = NULL;
out:
    bcl_sums_free(s);
    return status;
}

void bcl_sums_free(bcl_sums *s) {
    if (!s)
        return;
    bcl_buffer_free(s->device, &s->parts.buffer);
    bcl_buffer_free(s->device, &s->table.buffer);
    free(s->wanted);
    free(s->sent);
    free(s);
}

/* ---- in parts ---- */

int bcl_sums_part_count(int T, int rows) {
    return (T + rows - 1) / rows;
}

int bcl_sums_part_rows(const bcl_ops *ops, int T) {
    int rows = (T + BCL_SUM_PARTS - 1) / BCL_SUM_PARTS;
    if (rows < LEAST_ROWS)
        rows = LEAST_ROWS;
    return ops->sums && bcl_sums_part_count(T, rows) >= LEAST_PARTS ? rows : 0;
}

bcl_status bcl_sums_finish(bcl_ops *ops) {
    bcl_status status = BCL_OK;
    bcl_sums *s = ops->sums;
    bcl_kernel *kernel;
    if (!s || s->first == s->count)
        return BCL_OK;
    const size_t from = (size_t)s->first * ENTRY, count = (size_t)(s->count - s->first);
    const size_t bytes = count * ENTRY * sizeof *s->wanted;
    if (memcmp(s->wanted + from, s->sent + from, bytes)) { /* once a model: no batch matters */
        memcpy(s->sent + from, s->wanted + from, bytes);
        BCL_TRY(bcl_buffer_write(s->device, s->table.buffer, from * sizeof *s->sent, s->sent + from,
                                 bytes, true));
    }
    bcl_operation(ops, "sums over tokens",
                  (double)s->used * (double)s->part_count / BCL_SUM_PARTS * sizeof(float));
    BCL_TRY(bcl_kernel_get(&kernel, s->device, "sums.cl", "sum_parts", ""));
    bcl_grid grid = bcl_grid_elements(ops, kernel, (size_t)s->widest);
    grid.groups[1] = count;
    BCL_TRY(BCL_LAUNCH(kernel, grid, bcl_mem(s->outputs), bcl_ptr(s->parts), bcl_ptr(s->table),
                       bcl_int(s->first), bcl_int(s->part_count), bcl_int(s->accumulate)));
out:
    s->first = s->later ? s->count : 0;
    s->count = s->first;
    s->used = s->widest = 0;
    return status;
}

bcl_status bcl_sums_later(bcl_ops *ops, bool later) {
    if (!ops->sums)
        return BCL_OK;
    ops->sums->later = later;
    if (!later)
        return bcl_sums_finish(ops);
    /* of a pass that failed */
    ops->sums->first = ops->sums->count = ops->sums->used = ops->sums->widest = 0;
    return BCL_OK;
}

bcl_status bcl_sums_passed(bcl_ops *ops) {
    return ops->sums->later ? BCL_OK : bcl_sums_finish(ops);
}

bcl_status bcl_sums_reserve(bcl_view *parts, int *at, bcl_ops *ops, const bcl_view *y, int outputs,
                            int T, int N) {
    bcl_status status = BCL_OK;
    bcl_sums *s = ops->sums;
    const int floats = BCL_SUM_PARTS * outputs * N;
    const int part_count = bcl_sums_part_count(T, bcl_sums_part_rows(ops, T));
    *parts = s->parts;
    *at = 0;
    if (s->first < s->count && (s->used + floats > s->parts.columns ||
                                s->count + outputs > s->most || s->part_count != part_count ||
                                s->accumulate != ops->accumulate || s->outputs != y[0].root))
        BCL_TRY(bcl_sums_finish(ops));
    if (s->count + outputs > s->most)
        s->first = s->count = 0;
    for (int o = 0; o < outputs; o++) {
        int32_t *entry = s->wanted + (s->count + o) * ENTRY;
        entry[0] = (int32_t)(y[o].offset / sizeof(float));
        entry[1] = s->used + o * N;
        entry[2] = outputs * N;
        entry[3] = N;
        if (s->used + floats > s->parts.columns || y[o].root != y[0].root ||
            y[o].offset / sizeof(float) > INT32_MAX)
            BCL_FAIL(BCL_ERROR_ARGUMENT,
                     "sums of %d times %d columns: expected outputs in one buffer, and at most %d "
                     "numbers in parts",
                     outputs, N, s->parts.columns);
    }
    *at = s->used;
    s->count += outputs;
    s->used += floats;
    s->widest = s->widest > N ? s->widest : N;
    s->outputs = y[0].root;
    s->part_count = part_count;
    s->accumulate = ops->accumulate;
out:
    return status;
}

static bcl_status sum_in_parts(bcl_ops *ops, bcl_view y, bcl_view x, int T, int N) {
    bcl_status status = BCL_OK;
    bcl_kernel *kernel;
    bcl_view parts;
    int at;
    const int rows = bcl_sums_part_rows(ops, T);
    BCL_TRY(bcl_sums_reserve(&parts, &at, ops, &y, 1, T, N));
    BCL_TRY(bcl_kernel_get(&kernel, ops->device, "sums.cl", "sum_rows_parts", ""));
    bcl_grid grid = bcl_grid_elements(ops, kernel, (size_t)N);
    grid.groups[1] = (size_t)bcl_sums_part_count(T, rows);
    BCL_TRY(BCL_LAUNCH(kernel, grid, bcl_ptr(parts), bcl_int(at), bcl_ptr(x), bcl_int(T),
                       bcl_int(N), bcl_int(rows)));
    BCL_TRY(bcl_sums_passed(ops));
out:
    return status;
}

/* ---- in one piece ---- */

static bcl_status sum_whole(bcl_ops *ops, bcl_view y, bcl_view x, int T, int N) {
    bcl_status status = BCL_OK;
    bcl_kernel *kernel;
    BCL_TRY(bcl_kernel_get(&kernel, ops->device, "elementwise.cl", "sum_rows", ""));
    BCL_TRY(BCL_LAUNCH(kernel, bcl_grid_elements(ops, kernel, (size_t)N), bcl_ptr(y), bcl_ptr(x),
                       bcl_int(T), bcl_int(N), bcl_int(ops->accumulate)));
out:
    return status;
}

bcl_status bcl_sum_rows(bcl_ops *ops, bcl_view y, bcl_view x, int T, int N) {
    return bcl_sums_part_rows(ops, T) ? sum_in_parts(ops, y, x, T, N) : sum_whole(ops, y, x, T, N);
}

bcl_status bcl_layernorm_parameters(bcl_ops *ops, bcl_view dgamma, bcl_view dbeta, bcl_view dy,
                                    bcl_view r, bcl_view mean, bcl_view rstd, int T, int C) {
    bcl_status status = BCL_OK;
    bcl_kernel *kernel;
    BCL_TRY(
        bcl_kernel_get(&kernel, ops->device, "layernorm.cl", "layernorm_backward_parameters", ""));
    BCL_TRY(BCL_LAUNCH(kernel, bcl_grid_elements(ops, kernel, (size_t)C), bcl_ptr(dgamma),
                       bcl_ptr(dbeta), bcl_ptr(dy), bcl_ptr(r), bcl_ptr(mean), bcl_ptr(rstd),
                       bcl_int(T), bcl_int(C), bcl_int(ops->accumulate)));
out:
    return status;
}
