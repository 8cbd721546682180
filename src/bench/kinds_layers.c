/* Attention, linear layers, the loss and Adam, each with what is right. */
#include "bench/kinds.h"

#include <math.h>

/* Unit roundoff of operands. */
static const double units[BCL_PRECISIONS] = {
    [BCL_PRECISION_BF16] = 0x1p-8, [BCL_PRECISION_FP16] = 0x1p-11, [BCL_PRECISION_TF32] = 0x1p-11};

static bool tanh_form(const bcl_bench_operation *o) {
    return o->config->activation == BCL_GELU_TANH;
}

/* ---- attention ---- */

enum { AQKV, AOUT, ALSE, ADQKV, ADELTA, ADOUT };

static bcl_dropout attention_dropout(const bcl_bench_operation *o) {
    bcl_dropout d = o->dropout;
    d.site = bcl_site(1, BCL_SITE_ATTENTION);
    return d;
}

static void attention_work(bcl_bench_operation *o, double products) {
    const bcl_config *c = o->config;
    double pairs = 0;
    for (int i = 0; i < o->sentences->count; i++)
        pairs += (double)o->sentences->samples[i].length * o->sentences->samples[i].length;
    o->flop = 2 * products * pairs * c->hidden;
    snprintf(o->shape, sizeof o->shape, "%d tokens of %d sentences, %d heads of %d", o->batch.T,
             o->batch.B, c->heads, c->head_size);
}

bcl_status bcl_bench_attention_open(bcl_bench_operation *o) {
    bcl_status status = BCL_OK;
    const bcl_config *c = o->config;
    const int T = o->batch.T;
    BCL_TRY(bcl_bench_input(o, AQKV, "qkv", F32, T, 3 * c->hidden, 1));
    BCL_TRY(bcl_bench_output(o, AOUT, "out", bcl_bench_operands(o), T, c->hidden));
    BCL_TRY(bcl_bench_output(o, ALSE, "lse", F32, T, c->heads));
    attention_work(o, 2);
out:
    return status;
}

bcl_status bcl_bench_attention_launch(bcl_bench_operation *o) {
    const bcl_bench_tensor *t = o->tensors;
    return bcl_attention_forward(&o->ops, t[AOUT].view, t[ALSE].view, t[AQKV].view, &o->batch,
                                 o->config->heads, o->config->head_size, attention_dropout(o));
}

static bcl_exact_attention exact_attention(bcl_bench_operation *o) {
    return (bcl_exact_attention){.B = o->batch.B,
                                 .NH = o->config->heads,
                                 .HS = o->config->head_size,
                                 .starts = o->host.starts,
                                 .samples = o->host.samples,
                                 .dropout = attention_dropout(o),
                                 .qkv = bcl_bench_exact(o, AQKV)};
}

/* What is right of an output, and with products on a matrix unit what rounding their operands
 * gives: of the largest of its elements, as each is a sum of many. */
static bcl_status expect_attention(bcl_bench_operation *o, int at, bcl_error_limit limit) {
    const bool rounds = bcl_attention_on_unit(&o->ops, o->config->head_size);
    if (rounds)
        limit.rtol = 4 * units[bcl_gemm_precision(o->ops.gemm)];
    return bcl_bench_expected(o, at, rounds, limit);
}

static void set_size(bcl_bench_tensor *t) {
    double most = 0;
    for (size_t i = 0; i < t->period; i++)
        most = fmax(most, fabs(t->want[i]));
    for (size_t i = 0; t->size && i < t->period; i++)
        t->size[i] = most;
}

bcl_status bcl_bench_attention_expect(bcl_bench_operation *o) {
    bcl_status status = BCL_OK;
    bcl_exact_attention a = exact_attention(o);
    BCL_TRY(a.qkv ? BCL_OK : BCL_ERROR_MEMORY);
    BCL_TRY(expect_attention(o, AOUT, bcl_exact_limit.attention));
    BCL_TRY(expect_attention(o, ALSE, bcl_exact_limit.attention_lse));
    a.out = o->tensors[AOUT].want;
    a.lse = o->tensors[ALSE].want;
    BCL_TRY(bcl_exact_attention_run(&a));
    set_size(&o->tensors[AOUT]);
    set_size(&o->tensors[ALSE]);
out:
    return status;
}

/* What the forward pass gives is right, so that backward is compared by itself. */
bcl_status bcl_bench_attention_backward_open(bcl_bench_operation *o) {
    bcl_status status = BCL_OK;
    const bcl_config *c = o->config;
    const int T = o->batch.T;
    double *out = NULL, *lse = NULL;
    BCL_NEW(out, (size_t)T * (size_t)c->hidden);
    BCL_NEW(lse, (size_t)T * (size_t)c->heads);
    BCL_TRY(bcl_bench_input(o, AQKV, "qkv", F32, T, 3 * c->hidden, 1));
    bcl_exact_attention a = exact_attention(o);
    BCL_TRY(a.qkv ? BCL_OK : BCL_ERROR_MEMORY);
    a.out = out;
    a.lse = lse;
    BCL_TRY(bcl_exact_attention_run(&a));
    BCL_TRY(bcl_bench_given(o, AOUT, "out", bcl_bench_operands(o), T, c->hidden, out));
    BCL_TRY(bcl_bench_given(o, ALSE, "lse", F32, T, c->heads, lse));
    BCL_TRY(bcl_bench_input(o, ADOUT, "dout", F32, T, c->hidden, 1));
    BCL_TRY(bcl_bench_output(o, ADQKV, "dqkv", bcl_bench_operands(o), T, 3 * c->hidden));
    const double bytes = o->bytes;
    BCL_TRY(bcl_bench_output(o, ADELTA, "delta", F32, T, c->heads));
    o->bytes = bytes; /* delta is scratch */
    attention_work(o, 5);
out:
    free(out);
    free(lse);
    return status;
}

bcl_status bcl_bench_attention_backward_launch(bcl_bench_operation *o) {
    const bcl_bench_tensor *t = o->tensors;
    return bcl_attention_backward(&o->ops, t[ADQKV].view, t[ADELTA].view, t[ADOUT].view,
                                  t[AOUT].view, t[ALSE].view, t[AQKV].view, &o->batch,
                                  o->config->heads, o->config->head_size, attention_dropout(o));
}

bcl_status bcl_bench_attention_backward_expect(bcl_bench_operation *o) {
    bcl_status status = BCL_OK;
    double *out = NULL, *lse = NULL;
    bcl_exact_attention a = exact_attention(o);
    BCL_NEW(out, o->tensors[AOUT].count);
    BCL_NEW(lse, o->tensors[ALSE].count);
    BCL_TRY(expect_attention(o, ADQKV, bcl_exact_limit.attention_gradient));
    a.out = out;
    a.lse = lse;
    a.dqkv = o->tensors[ADQKV].want;
    a.dout = bcl_bench_exact(o, ADOUT);
    a.given = bcl_bench_exact(o, AOUT);
    BCL_TRY(a.dout && a.given ? BCL_OK : BCL_ERROR_MEMORY);
    BCL_TRY(bcl_exact_attention_run(&a));
    set_size(&o->tensors[ADQKV]);
out:
    free(out);
    free(lse);
    return status;
}

/* ---- linear layers ---- */

enum { LX, LW, LB, LY, LPRE, LPACKED, LDY, LDX, LDW, LDB };

static void linear_shape(bcl_bench_operation *o, double products) {
    const bcl_config *c = o->config;
    const int sizes[][2] = {[BCL_BENCH_QKV] = {c->hidden, 3 * c->hidden},
                            [BCL_BENCH_OUT] = {c->hidden, c->hidden},
                            [BCL_BENCH_UP] = {c->hidden, c->intermediate},
                            [BCL_BENCH_DOWN] = {c->intermediate, c->hidden},
                            [BCL_BENCH_HEAD] = {c->hidden, c->labels}};
    o->M = sizes[o->kind->variant][0];
    o->N = sizes[o->kind->variant][1];
    o->flop = 2.0 * products * o->batch.T * o->M * o->N;
    snprintf(o->shape, sizeof o->shape, "(%d,%d) by (%d,%d), %s", o->batch.T, o->M, o->M, o->N,
             bcl_gemm_name(o->ops.gemm));
}

/* What rounding gives with operands of the provider's precision: as the tuner's limit, per element
 * of a sum of K terms of like size. */
static double rounding(const bcl_bench_operation *o, int K) {
    return 6 * units[bcl_gemm_precision(o->ops.gemm)] / sqrt((double)K);
}

static bcl_error_limit linear_limit(const bcl_bench_operation *o, int K, bool gelu) {
    bcl_error_limit limit = bcl_exact_limit.linear;
    limit.rtol += rounding(o, K);
    if (gelu) { /* whose slope is at most 1.13 */
        limit.atol = 1.13 * limit.atol + bcl_exact_limit.gelu.atol;
        limit.rtol = 1.13 * limit.rtol + bcl_exact_limit.gelu.rtol;
    }
    return limit;
}

bcl_status bcl_bench_linear_open(bcl_bench_operation *o) {
    bcl_status status = BCL_OK;
    const int T = o->batch.T;
    linear_shape(o, 1);
    const int M = o->M, N = o->N;
    const bool gelu = o->kind->variant == BCL_BENCH_UP;
    const bcl_element read = bcl_bench_operands(o);
    BCL_TRY(bcl_bench_input(o, LX, "x", read, T, M, 1));
    BCL_TRY(bcl_bench_input(o, LW, "w", read, M, N, 1 / sqrtf((float)M)));
    BCL_TRY(bcl_bench_input(o, LB, "b", F32, 1, N, 1));
    BCL_TRY(bcl_bench_output(o, LY, "y", gelu ? read : F32, T, N));
    if (gelu)
        BCL_TRY(bcl_bench_output(o, LPRE, "pre", F32, T, N));
    o->ops.packed = o->kind->packed && bcl_gemm_packs(o->ops.gemm, N);
    if (o->ops.packed) {
        const double bytes = o->bytes;
        BCL_TRY(bcl_bench_output(o, LPACKED, "packed w", F32, M, N));
        o->bytes = bytes;
        BCL_TRY(
            bcl_gemm_pack(o->ops.gemm, o->tensors[LPACKED].view, o->tensors[LW].view, M, N, false));
    }
out:
    return status;
}

bcl_status bcl_bench_linear_launch(bcl_bench_operation *o) {
    const bcl_bench_tensor *t = o->tensors;
    const bcl_view w = t[o->ops.packed ? LPACKED : LW].view;
    if (o->kind->variant == BCL_BENCH_UP)
        return bcl_linear_gelu_forward(&o->ops, t[LY].view, t[LPRE].view, t[LX].view, w, t[LB].view,
                                       o->batch.T, o->M, o->N, tanh_form(o));
    return bcl_linear_forward(&o->ops, t[LY].view, t[LX].view, w, t[LB].view, o->batch.T, o->M,
                              o->N);
}

bcl_status bcl_bench_linear_expect(bcl_bench_operation *o) {
    bcl_status status = BCL_OK;
    bcl_bench_tensor *t = o->tensors;
    const bool gelu = o->kind->variant == BCL_BENCH_UP;
    const int plain = gelu ? LPRE : LY;
    const double *x = bcl_bench_exact(o, LX), *w = bcl_bench_exact(o, LW),
                 *b = bcl_bench_exact(o, LB);
    double slope;
    if (!x || !w || !b)
        return BCL_ERROR_MEMORY;
    BCL_TRY(bcl_bench_expected(o, plain, true, linear_limit(o, o->M, false)));
    bcl_exact_add_bias(t[plain].want, b, o->batch.T, o->N);
    BCL_TRY(bcl_exact_product(t[plain].want, x, w, BCL_GEMM_NN, o->batch.T, o->N, o->M));
    BCL_TRY(bcl_exact_product_size(t[plain].size, x, w, BCL_GEMM_NN, o->batch.T, o->N, o->M));
    if (gelu) {
        BCL_TRY(bcl_bench_expected(o, LY, true, linear_limit(o, o->M, true)));
        memcpy(t[LY].size, t[LPRE].size, t[LY].count * sizeof *t[LY].size);
        for (size_t i = 0; i < t[LY].count; i++)
            t[LY].want[i] = bcl_exact_gelu(&slope, t[LPRE].want[i], tanh_form(o));
    }
out:
    return status;
}

/* As the model calls it: the gradient of a residual's input is added to. */
static bool adds(const bcl_bench_operation *o) {
    return o->kind->variant == BCL_BENCH_QKV || o->kind->variant == BCL_BENCH_UP;
}

bcl_status bcl_bench_linear_backward_open(bcl_bench_operation *o) {
    bcl_status status = BCL_OK;
    const int T = o->batch.T;
    linear_shape(o, 2);
    const int M = o->M, N = o->N;
    const bool gelu = o->kind->variant == BCL_BENCH_DOWN;
    const bcl_element read = bcl_bench_operands(o);
    BCL_TRY(bcl_bench_input(o, LX, "x", read, T, M, 1));
    BCL_TRY(bcl_bench_input(o, LW, "w", read, M, N, 1 / sqrtf((float)M)));
    BCL_TRY(
        bcl_bench_input(o, LDY, "dy", o->kind->variant == BCL_BENCH_HEAD ? F32 : read, T, N, 1));
    if (gelu)
        BCL_TRY(bcl_bench_input(o, LPRE, "pre", F32, T, M, 1));
    if (adds(o)) {
        BCL_TRY(bcl_bench_input(o, LDX, "dx", F32, T, M, 1));
        o->tensors[LDX].rewritten = true;
        o->bytes += bcl_view_traffic(o->tensors[LDX].view);
    } else {
        BCL_TRY(bcl_bench_output(o, LDX, "dx", gelu ? read : F32, T, M));
    }
    BCL_TRY(bcl_bench_output(o, LDW, "dw", F32, M, N));
    BCL_TRY(bcl_bench_output(o, LDB, "db", F32, 1, N));
out:
    return status;
}

bcl_status bcl_bench_linear_backward_launch(bcl_bench_operation *o) {
    const bcl_bench_tensor *t = o->tensors;
    if (o->kind->variant == BCL_BENCH_DOWN)
        return bcl_gelu_linear_backward(&o->ops, t[LDX].view, t[LDW].view, t[LDB].view, t[LDY].view,
                                        t[LX].view, t[LPRE].view, t[LW].view, o->batch.T, o->M,
                                        o->N, tanh_form(o));
    return bcl_linear_backward(&o->ops, t[LDX].view, t[LDW].view, t[LDB].view, t[LDY].view,
                               t[LX].view, t[LW].view, o->batch.T, o->M, o->N, adds(o));
}

bcl_status bcl_bench_linear_backward_expect(bcl_bench_operation *o) {
    bcl_status status = BCL_OK;
    bcl_bench_tensor *t = o->tensors;
    const int T = o->batch.T, M = o->M, N = o->N;
    const bool gelu = o->kind->variant == BCL_BENCH_DOWN;
    const double *x = bcl_bench_exact(o, LX), *w = bcl_bench_exact(o, LW),
                 *dy = bcl_bench_exact(o, LDY);
    double slope;
    if (!x || !w || !dy)
        return BCL_ERROR_MEMORY;
    BCL_TRY(bcl_bench_expected(o, LDX, true, linear_limit(o, N, gelu)));
    BCL_TRY(bcl_bench_expected(o, LDW, true, linear_limit(o, T, false)));
    bcl_error_limit sums = bcl_exact_limit.column_sum;
    if (bcl_gemm_fuses(o->ops.gemm)) /* which takes them of rounded operands */
        sums.rtol += rounding(o, T);
    BCL_TRY(bcl_bench_expected(o, LDB, true, sums));
    for (size_t i = 0; adds(o) && i < t[LDX].count; i++)
        t[LDX].want[i] = (double)t[LDX].host[i];
    BCL_TRY(bcl_exact_product(t[LDX].want, dy, w, BCL_GEMM_NT, T, M, N));
    BCL_TRY(bcl_exact_product_size(t[LDX].size, dy, w, BCL_GEMM_NT, T, M, N));
    BCL_TRY(bcl_exact_product(t[LDW].want, x, dy, BCL_GEMM_TN, M, N, T));
    BCL_TRY(bcl_exact_product_size(t[LDW].size, x, dy, BCL_GEMM_TN, M, N, T));
    bcl_exact_sum_rows(t[LDB].want, t[LDB].size, dy, T, N);
    for (size_t i = 0; gelu && i < t[LDX].count; i++) {
        bcl_exact_gelu(&slope, (double)t[LPRE].host[i], tanh_form(o));
        t[LDX].want[i] *= slope;
    }
out:
    return status;
}

/* ---- the loss ---- */

enum { CLOGITS, CSTATS, CROW_LOSS, CPREDICTED, CDLOGITS };
static const float WEIGHT = 0.125f;

static bool with_gradient(const bcl_bench_operation *o) {
    return o->kind->variant == BCL_BENCH_LOSS_AND_GRADIENT;
}

bcl_status bcl_bench_loss_open(bcl_bench_operation *o) {
    bcl_status status = BCL_OK;
    const int T = o->batch.T, K = o->config->labels;
    BCL_TRY(bcl_bench_input(o, CLOGITS, "logits", F32, T, K, 4));
    BCL_TRY(bcl_bench_output(o, CSTATS, "stats", F32, 1, 2));
    BCL_TRY(bcl_bench_output(o, CROW_LOSS, "row_loss", F32, T, 1));
    BCL_TRY(bcl_bench_ints(o, CPREDICTED, "predicted", T, NULL));
    if (with_gradient(o))
        BCL_TRY(bcl_bench_output(o, CDLOGITS, "dlogits", F32, T, K));
    snprintf(o->shape, sizeof o->shape, "%d tokens, %d labels", T, K);
out:
    return status;
}

bcl_status bcl_bench_loss_launch(bcl_bench_operation *o) {
    const bcl_bench_tensor *t = o->tensors;
    return bcl_cross_entropy(&o->ops, t[CSTATS].view, t[CROW_LOSS].view, t[CPREDICTED].view,
                             with_gradient(o) ? t[CDLOGITS].view : (bcl_view){0}, t[CLOGITS].view,
                             &o->batch, o->config->labels, WEIGHT, (bcl_view){0}, 0);
}

bcl_status bcl_bench_loss_expect(bcl_bench_operation *o) {
    bcl_status status = BCL_OK;
    bcl_bench_tensor *t = o->tensors;
    const double *logits = bcl_bench_exact(o, CLOGITS);
    int32_t *predicted = NULL;
    BCL_TRY(logits ? BCL_OK : BCL_ERROR_MEMORY);
    BCL_NEW(predicted, (size_t)o->batch.T);
    BCL_TRY(bcl_bench_expected(o, CSTATS, false, bcl_exact_limit.loss));
    BCL_TRY(bcl_bench_expected(o, CROW_LOSS, false, bcl_exact_limit.loss));
    BCL_TRY(bcl_bench_expected(o, CPREDICTED, false, (bcl_error_limit){0.5, 0}));
    if (with_gradient(o))
        BCL_TRY(bcl_bench_expected(o, CDLOGITS, false, bcl_exact_limit.dlogits));
    bcl_exact_cross_entropy(t[CSTATS].want, t[CROW_LOSS].want, predicted, t[CDLOGITS].want, logits,
                            o->host.labels, o->batch.T, o->config->labels, (double)WEIGHT);
    for (int i = 0; i < o->batch.T; i++)
        t[CPREDICTED].want[i] = predicted[i];
out:
    free(predicted);
    return status;
}

/* ---- the optimizer, on arenas of the model's size ---- */

enum {
    OP,
    OG,
    OM,
    OV,
    OTABLE,
    OROW_G,
    OROW_M,
    OROW_V,
    OROW_IDS,
    OROW_STEP,
    OPARTIAL,
    OCLIP,
    OLOSS,
    OCOPY
};
enum { STEP = 3 };
static const bcl_adam recipe = {1e-3, 0.9, 0.999, 1e-8, 0.01, true, 1, 0, 0};

static bcl_status dense_size(int *out, const bcl_config *config) {
    bcl_layout layout;
    const bcl_status status = bcl_layout_create(&layout, config);
    *out = (int)layout.dense;
    bcl_layout_free(&layout);
    return status;
}

/* As second moments are: not far below the first ones' squares. */
static bcl_status squares(bcl_bench_operation *o, int at, const char *name, int rows, int columns) {
    bcl_status status = BCL_OK;
    BCL_TRY(bcl_bench_input(o, at, name, F32, rows, columns, 1));
    bcl_bench_tensor *t = &o->tensors[at];
    for (size_t i = 0; i < t->period; i++)
        t->host[i] = 0.1f + t->host[i] * t->host[i];
    t->rewritten = true;
out:
    return status;
}

bcl_status bcl_bench_adam_open(bcl_bench_operation *o) {
    bcl_status status = BCL_OK;
    static const int rewritten[] = {OP, OM, OTABLE, OROW_M};
    const int C = o->config->hidden, V = o->config->vocabulary, R = o->sentences->words;
    int N = 0;
    int32_t *ids = NULL, *steps = NULL;
    BCL_NEW(ids, (size_t)R);
    BCL_NEW(steps, (size_t)R);
    for (int v = 0; v < V; v++)
        if (o->sentences->slot_of[v] >= 0)
            ids[o->sentences->slot_of[v]] = v;
    for (int r = 0; r < R; r++)
        steps[r] = r % 2 ? STEP : STEP - 1; /* half of the words occur in this step */
    BCL_TRY(dense_size(&N, o->config));
    BCL_TRY(bcl_bench_input(o, OP, "p", F32, 1, N, 1));
    BCL_TRY(bcl_bench_input(o, OG, "g", F32, 1, N, 1e-3f));
    BCL_TRY(bcl_bench_input(o, OM, "m", F32, 1, N, 1));
    BCL_TRY(squares(o, OV, "v", 1, N));
    BCL_TRY(bcl_bench_copy(o, OCOPY, "copy of p", 1, N));
    BCL_TRY(bcl_bench_input(o, OROW_G, "row_g", F32, R, C, 1));
    BCL_TRY(bcl_bench_input(o, OROW_M, "row_m", F32, R, C, 1));
    BCL_TRY(squares(o, OROW_V, "row_v", R, C));
    /* all but the gradients are read and written, of the table as much as of the rows */
    o->bytes += o->bytes - bcl_view_traffic(o->tensors[OG].view) +
                bcl_view_traffic(o->tensors[OROW_G].view);
    const double bytes = o->bytes;
    BCL_TRY(bcl_bench_input(o, OTABLE, "table", F32, V, C, 1));
    o->bytes = bytes;
    BCL_TRY(bcl_bench_ints(o, OROW_IDS, "row_ids", R, ids));
    BCL_TRY(bcl_bench_ints(o, OROW_STEP, "row_step", R, steps));
    BCL_TRY(bcl_bench_output(o, OPARTIAL, "partial", F32, 1, BCL_ADAM_PARTIALS));
    BCL_TRY(bcl_bench_output(o, OCLIP, "clip", F32, 1, 2));
    BCL_TRY(bcl_bench_given(o, OLOSS, "loss", F32, 1, 2, (const double[]){1, 0}));
    for (size_t i = 0; i < sizeof rewritten / sizeof *rewritten; i++)
        o->tensors[rewritten[i]].rewritten = true;
    BCL_TRY(bcl_bench_restore(o)); /* the squares */
    snprintf(o->shape, sizeof o->shape, "%d parameters, %d words of %d", N, R, C);
out:
    free(ids);
    free(steps);
    return status;
}

bcl_status bcl_bench_adam_launch(bcl_bench_operation *o) {
    const bcl_bench_tensor *t = o->tensors;
    const bcl_adam_arenas arenas = {.p = t[OP].view,
                                    .g = t[OG].view,
                                    .m = t[OM].view,
                                    .v = t[OV].view,
                                    .copy = t[OCOPY].view,
                                    .N = t[OP].count,
                                    .table = t[OTABLE].view,
                                    .row_g = t[OROW_G].view,
                                    .row_m = t[OROW_M].view,
                                    .row_v = t[OROW_V].view,
                                    .row_ids = t[OROW_IDS].view,
                                    .row_step = t[OROW_STEP].view,
                                    .R = o->sentences->words,
                                    .C = o->config->hidden,
                                    .partial = t[OPARTIAL].view,
                                    .clip = t[OCLIP].view,
                                    .loss = t[OLOSS].view};
    return bcl_adam_step(&o->ops, &arenas, &recipe, STEP);
}

/* Norm of all gradients, and the factor that clips them. */
static void expect_norm(const bcl_bench_tensor *t, double clip[2], size_t C) {
    double sum = 0;
    for (size_t i = 0; i < t[OG].count; i++)
        sum += (double)t[OG].host[i % t[OG].period] * (double)t[OG].host[i % t[OG].period];
    for (size_t i = 0; i < t[OROW_G].count; i++)
        if (t[OROW_STEP].ints[i / C] == STEP)
            sum += (double)t[OROW_G].host[i] * (double)t[OROW_G].host[i];
    clip[1] = sqrt(sum);
    clip[0] = bcl_exact_clip(&recipe, clip[1]);
}

bcl_status bcl_bench_adam_expect(bcl_bench_operation *o) {
    bcl_status status = BCL_OK;
    bcl_bench_tensor *t = o->tensors;
    const size_t C = (size_t)o->config->hidden;
    const bcl_exact_limits *l = &bcl_exact_limit;
    const struct {
        int at;
        bcl_error_limit limit;
    } outputs[] = {{OP, l->weight},          {OM, l->moment1},     {OV, l->moment2},
                   {OTABLE, l->weight},      {OROW_M, l->moment1}, {OROW_V, l->moment2},
                   {OCLIP, l->gradient_norm}};
    for (size_t i = 0; i < sizeof outputs / sizeof *outputs; i++) {
        bcl_bench_tensor *x = &t[outputs[i].at];
        BCL_TRY(bcl_bench_expected(o, outputs[i].at, false, outputs[i].limit));
        for (size_t k = 0; x->host && k < x->period; k++)
            x->want[k] = (double)x->host[k];
    }
    expect_norm(t, t[OCLIP].want, C);
    const double factor = t[OCLIP].want[0];
    for (size_t i = 0; i < t[OP].period; i++)
        bcl_exact_adam(&t[OP].want[i], &t[OM].want[i], &t[OV].want[i],
                       (double)t[OG].host[i] * factor, &recipe, STEP + 1);
    for (size_t i = 0; i < t[OROW_G].count; i++) {
        const bool active = t[OROW_STEP].ints[i / C] == STEP;
        const size_t at = (size_t)t[OROW_IDS].ints[i / C] * C + i % C;
        bcl_exact_adam(&t[OTABLE].want[at], &t[OROW_M].want[i], &t[OROW_V].want[i],
                       active ? (double)t[OROW_G].host[i] * factor : 0, &recipe, STEP + 1);
    }
    if (t[OCOPY].view.buffer) {
        BCL_TRY(bcl_bench_expected(o, OCOPY, false, l->weight));
        memcpy(t[OCOPY].want, t[OP].want, t[OP].period * sizeof *t[OP].want);
    }
out:
    return status;
}
