/* Linear layers: a matrix product with bias, and its three gradients; GELU behind or before them,
 * within the product where the provider can. */
#include "ops/sums.h"

/* Before anything is queued; each product and kernel says itself what it uses and writes. */
#define SHAPES(operation, ...)                                                                     \
    bcl_operands_check(operation, (const bcl_operand[]){__VA_ARGS__},                              \
                       sizeof((const bcl_operand[]){__VA_ARGS__}) / sizeof(bcl_operand))

/* What products read, x, w and dy, and what becomes the next one's. */
#define FACTOR_TYPES (BCL_TAKES_F32 | 1u << bcl_gemm_operands(ops->gemm))
#define FACTOR(view, rows, columns)                                                                \
    { #view, &(view), rows, columns, FACTOR_TYPES }

static bcl_status forward(bcl_ops *ops, const char *operation, bcl_gemm_call *call, bcl_view y,
                          bcl_view x, bcl_view w, bcl_view b, int T, int M, int N) {
    bcl_status status = BCL_OK;
    BCL_TRY(SHAPES(operation, {"y", &y, T, N, FACTOR_TYPES | (call->epilogue ? BCL_TAKES_NONE : 0)},
                   FACTOR(x, T, M), FACTOR(w, M, N), BCL_IN(b, 1, N)));
    call->layout = BCL_GEMM_NN;
    call->M = T;
    call->N = N;
    call->K = M;
    call->C = y;
    call->A = x;
    call->B = w;
    call->bias = b;
    call->packed = ops->packed && bcl_gemm_packs(ops->gemm, N);
    BCL_TRY(bcl_gemm_run(ops->gemm, call));
out:
    return status;
}

bcl_status bcl_linear_forward(bcl_ops *ops, bcl_view y, bcl_view x, bcl_view w, bcl_view b, int T,
                              int M, int N) {
    bcl_gemm_call call = {0};
    return forward(ops, "linear_forward", &call, y, x, w, b, T, M, N);
}

bcl_status bcl_linear_forward_rest(bcl_gemm_rest *rest, bcl_ops *ops, bcl_view y, bcl_view x,
                                   bcl_view w, bcl_view b, int T, int M, int N) {
    bcl_gemm_call call = {.rest = rest};
    return forward(ops, "linear_forward", &call, y, x, w, b, T, M, N);
}

bcl_status bcl_linear_gelu_forward(bcl_ops *ops, bcl_view y, bcl_view pre, bcl_view x, bcl_view w,
                                   bcl_view b, int T, int M, int N, bool tanh_form) {
    static const char operation[] = "linear_gelu_forward";
    bcl_status status = BCL_OK;
    bcl_gemm_call call = {0};
    const bool fuse = bcl_gemm_fuses(ops->gemm);
    if (!pre.buffer && y.type == BCL_ELEMENT_F32)
        pre = y;
    BCL_TRY(SHAPES(operation, FACTOR(y, T, N), BCL_IN_OR_NONE(pre, T, N)));
    if (fuse) {
        call.epilogue = BCL_GEMM_GELU;
        call.tanh_form = tanh_form;
        call.E = y;
    }
    BCL_TRY(forward(ops, operation, &call, pre, x, w, b, T, M, N));
    if (!fuse)
        BCL_TRY(bcl_gelu_forward(ops, y, pre, T, N, tanh_form));
out:
    return status;
}

/* The products of both gradients: dx (T,M) = dy w', and dw = x' dy with db, the column sums of dy,
 * where the provider takes them. */
typedef struct gradients {
    bcl_gemm_call dx, dw;
    bcl_view db;
} gradients;

static gradients gradients_of(const bcl_ops *ops, bcl_view dx, bcl_view dw, bcl_view db,
                              bcl_view dy, bcl_view x, bcl_view w, int T, int M, int N) {
    gradients g = {.dx = {.layout = BCL_GEMM_NT, .M = T, .N = M, .K = N, .C = dx, .A = dy, .B = w},
                   .dw = {.layout = BCL_GEMM_TN,
                          .M = M,
                          .N = N,
                          .K = T,
                          .accumulate = ops->accumulate,
                          .C = dw,
                          .A = x,
                          .B = dy},
                   .db = db};
    if (bcl_gemm_fuses(ops->gemm))
        g.dw.sums = db;
    return g;
}

/* Nothing of backward reads them. */
static bcl_status parameter_gradients(bcl_ops *ops, const gradients *g) {
    bcl_status status = BCL_OK;
    const bcl_view db = g->db, dy = g->dw.B;
    const int T = g->dw.K, N = g->dw.N;
    if (ops->auxiliary)
        bcl_auxiliary_begin(ops->device);
    BCL_TRY(bcl_gemm_run(ops->gemm, &g->dw));
    if (!bcl_gemm_fuses(ops->gemm)) {
        BCL_TRY(BCL_OPERANDS(ops, "bias_gradient", BCL_OUT(db, 1, N), BCL_IN(dy, T, N)));
        bcl_operation(ops, "bias gradient", bcl_view_traffic(dy));
        BCL_TRY(bcl_sum_rows(ops, db, dy, T, N));
    }
out:
    bcl_auxiliary_end(ops->device);
    return status;
}

bcl_status bcl_linear_backward(bcl_ops *ops, bcl_view dx, bcl_view dw, bcl_view db, bcl_view dy,
                               bcl_view x, bcl_view w, int T, int M, int N, bool add_dx) {
    return bcl_linear_backward_rest(NULL, ops, dx, dw, db, dy, x, w, T, M, N, add_dx);
}

bcl_status bcl_linear_backward_rest(bcl_gemm_rest *rest, bcl_ops *ops, bcl_view dx, bcl_view dw,
                                    bcl_view db, bcl_view dy, bcl_view x, bcl_view w, int T, int M,
                                    int N, bool add_dx) {
    bcl_status status = BCL_OK;
    gradients g = gradients_of(ops, dx, dw, db, dy, x, w, T, M, N);
    g.dx.accumulate = add_dx;
    g.dx.rest = rest;
    BCL_TRY(SHAPES("linear_backward", {"dx", &dx, T, M, FACTOR_TYPES | BCL_TAKES_NONE},
                   BCL_IN(dw, M, N), BCL_IN(db, 1, N), FACTOR(dy, T, N), FACTOR(x, T, M),
                   FACTOR(w, M, N)));
    if (dx.buffer && bcl_gemm_joins_gradients(ops->gemm))
        return bcl_gemm_run_gradients(ops->gemm, &g.dx, &g.dw);
    if (dx.buffer)
        BCL_TRY(bcl_gemm_run(ops->gemm, &g.dx));
    BCL_TRY(parameter_gradients(ops, &g));
out:
    return status;
}

bcl_status bcl_gelu_linear_backward(bcl_ops *ops, bcl_view dpre, bcl_view dw, bcl_view db,
                                    bcl_view dy, bcl_view x, bcl_view pre, bcl_view w, int T, int M,
                                    int N, bool tanh_form) {
    bcl_status status = BCL_OK;
    gradients g = gradients_of(ops, dpre, dw, db, dy, x, w, T, M, N);
    const bool fuse = bcl_gemm_fuses(ops->gemm);
    BCL_TRY(SHAPES("gelu_linear_backward", FACTOR(dpre, T, M), BCL_IN(dw, M, N), BCL_IN(db, 1, N),
                   FACTOR(dy, T, N), FACTOR(x, T, M), BCL_IN(pre, T, M), FACTOR(w, M, N)));
    if (fuse) {
        g.dx.epilogue = BCL_GEMM_GELU_BACKWARD;
        g.dx.tanh_form = tanh_form;
        g.dx.E = pre;
    }
    if (bcl_gemm_joins_gradients(ops->gemm))
        return bcl_gemm_run_gradients(ops->gemm, &g.dx, &g.dw);
    BCL_TRY(bcl_gemm_run(ops->gemm, &g.dx));
    if (!fuse)
        BCL_TRY(bcl_gelu_backward(ops, dpre, dpre, pre, T, M, tanh_form));
    BCL_TRY(parameter_gradients(ops, &g));
out:
    return status;
}
