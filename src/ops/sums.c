/* Sums over the tokens. In one piece each item adds a column from top to bottom: a CPU has few
 * units, and the rows are read once. In parts there are groups for every unit of a GPU. */
#include "ops/sums.h"

enum {
    PARTS = BCL_SUM_PARTS, /* at most */
    LEAST_PARTS = 4,       /* fewer are not worth a second launch */
    LEAST_ROWS = 16        /* of a part */
};

typedef struct sum_call {
    bcl_ops *ops;
    bcl_view y[2];             /* (1,N) outputs: of x alone, or dgamma and dbeta */
    bcl_view x, r, mean, rstd; /* x (T,N), or dy and what xhat is made of */
    int T, N, outputs;
} sum_call;

typedef struct sum_variant {
    const char *name;
    bool (*suits)(const sum_call *call);
    bcl_status (*launch)(const sum_call *call);
} sum_variant;

/* ---- in parts ---- */

static int part_rows(int T) {
    const int rows = (T + PARTS - 1) / PARTS;
    return rows > LEAST_ROWS ? rows : LEAST_ROWS;
}

static int part_count(int T) {
    return (T + part_rows(T) - 1) / part_rows(T);
}

static bool in_parts(const sum_call *c) {
    const bcl_view *scratch = &c->ops->scratch;
    return scratch->buffer && part_count(c->T) >= LEAST_PARTS &&
           scratch->columns / c->outputs / c->N >= part_count(c->T);
}

static bcl_status launch_parts(const sum_call *c) {
    bcl_status status = BCL_OK;
    bcl_kernel *parts, *finish;
    bcl_device *device = c->ops->device;
    const bcl_view scratch = c->ops->scratch;
    const int count = part_count(c->T);
    bcl_grid grid = bcl_grid_elements(c->ops, (size_t)c->N);
    grid.groups[1] = (size_t)count;
    BCL_TRY(BCL_OPERANDS(c->ops, "sums", BCL_OUT(scratch, 1, BCL_ANY)));
    if (c->outputs == 1) {
        BCL_TRY(bcl_kernel_get(&parts, device, "sums.cl", "sum_rows_parts", ""));
        BCL_TRY(BCL_LAUNCH(parts, grid, bcl_ptr(scratch), bcl_ptr(c->x), bcl_int(c->T),
                           bcl_int(c->N), bcl_int(part_rows(c->T))));
    } else {
        BCL_TRY(bcl_kernel_get(&parts, device, "sums.cl", "layernorm_parameters_parts", ""));
        BCL_TRY(BCL_LAUNCH(parts, grid, bcl_ptr(scratch), bcl_ptr(c->x), bcl_ptr(c->r),
                           bcl_ptr(c->mean), bcl_ptr(c->rstd), bcl_int(c->T), bcl_int(c->N),
                           bcl_int(part_rows(c->T))));
    }
    grid.groups[1] = (size_t)c->outputs;
    BCL_TRY(bcl_kernel_get(&finish, device, "sums.cl", "sum_parts", ""));
    BCL_TRY(BCL_LAUNCH(finish, grid, bcl_ptr(c->y[0]), bcl_ptr(c->y[c->outputs - 1]),
                       bcl_ptr(scratch), bcl_int(count), bcl_int(c->N),
                       bcl_int(c->ops->accumulate)));
out:
    return status;
}

/* ---- in one piece ---- */

static bool always(const sum_call *c) {
    (void)c;
    return true;
}

static bcl_status launch_whole(const sum_call *c) {
    bcl_status status = BCL_OK;
    bcl_kernel *kernel;
    const bcl_grid grid = bcl_grid_elements(c->ops, (size_t)c->N);
    if (c->outputs == 1) {
        BCL_TRY(bcl_kernel_get(&kernel, c->ops->device, "elementwise.cl", "sum_rows", ""));
        BCL_TRY(BCL_LAUNCH(kernel, grid, bcl_ptr(c->y[0]), bcl_ptr(c->x), bcl_int(c->T),
                           bcl_int(c->N), bcl_int(c->ops->accumulate)));
        goto out;
    }
    BCL_TRY(bcl_kernel_get(&kernel, c->ops->device, "layernorm.cl", "layernorm_backward_parameters",
                           ""));
    BCL_TRY(BCL_LAUNCH(kernel, grid, bcl_ptr(c->y[0]), bcl_ptr(c->y[1]), bcl_ptr(c->x),
                       bcl_ptr(c->r), bcl_ptr(c->mean), bcl_ptr(c->rstd), bcl_int(c->T),
                       bcl_int(c->N), bcl_int(c->ops->accumulate)));
out:
    return status;
}

/* ---- the choice ---- */

/* The first that suits; the last suits everything. */
static const sum_variant variants[] = {{"in parts", in_parts, launch_parts},
                                       {"in one piece", always, launch_whole}};

static bcl_status launch(const sum_call *call) {
    const sum_variant *v = variants;
    while (!v->suits(call))
        v++;
    return v->launch(call);
}

bcl_status bcl_sum_rows(bcl_ops *ops, bcl_view y, bcl_view x, int T, int N) {
    return launch(&(sum_call){.ops = ops, .y = {y}, .x = x, .T = T, .N = N, .outputs = 1});
}

bcl_status bcl_layernorm_parameters(bcl_ops *ops, bcl_view dgamma, bcl_view dbeta, bcl_view dy,
                                    bcl_view r, bcl_view mean, bcl_view rstd, int T, int C) {
    return launch(&(sum_call){.ops = ops,
                              .y = {dgamma, dbeta},
                              .x = dy,
                              .r = r,
                              .mean = mean,
                              .rstd = rstd,
                              .T = T,
                              .N = C,
                              .outputs = 2});
}
