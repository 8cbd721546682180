/* What every operation refuses: each of its operands in turn with another shape, with another type,
 * without a buffer, in a buffer that is too short, and swapped with one of another shape. The
 * message names operation and operand, and nothing is computed. */
#include "support/device.h"

enum { C = 12, N = 20, NH = 3, HS = 4, V = 30, P = 40, R = V, K = 5, MOST = 13 };
static const int LENGTHS[] = {3, 9, 5};
enum { T = 17, B = 3 };

typedef struct operand {
    const char *name;
    int rows, columns;
    bool ints, optional;
    bool halves; /* may be in 16 bits, or is in no other type */
    bool copy;
} operand;
#define F(name, rows, columns)                                                                     \
    { name, rows, columns, false, false, false, false }
#define M(name, rows, columns)                                                                     \
    { name, rows, columns, false, true, false, false } /* may be missing */
#define I(name, rows, columns)                                                                     \
    { name, rows, columns, true, false, false, false }
#define H(name, rows, columns)                                                                     \
    { name, rows, columns, false, false, true, false } /* or in 16 bits */
#define COPY                                                                                       \
    { "copy", T, C, false, true, true, true } /* in 16 bits, or missing */

static test_batch batch;
static const bcl_dropout NONE;
static const bcl_embedding_shape SHAPE = {V, P, 2, C};

static bcl_status dropout_rows(const bcl_view *v) {
    return bcl_dropout_rows(&test_ops, v[0], v[1], &batch.device, C, NONE);
}
static bcl_status gelu_forward(const bcl_view *v) {
    return bcl_gelu_forward(&test_ops, v[0], v[1], T, N, false);
}
static bcl_status gelu_backward(const bcl_view *v) {
    return bcl_gelu_backward(&test_ops, v[0], v[1], v[2], T, N, false);
}
static bcl_status linear_forward(const bcl_view *v) {
    return bcl_linear_forward(&test_ops, v[0], v[1], v[2], v[3], T, C, N);
}
static bcl_status linear_backward(const bcl_view *v) {
    return bcl_linear_backward(&test_ops, v[0], v[1], v[2], v[3], v[4], v[5], T, C, N, false);
}
static bcl_status linear_gelu_forward(const bcl_view *v) {
    return bcl_linear_gelu_forward(&test_ops, v[0], v[1], v[2], v[3], v[4], T, C, N, false);
}
static bcl_status gelu_linear_backward(const bcl_view *v) {
    return bcl_gelu_linear_backward(&test_ops, v[0], v[1], v[2], v[3], v[4], v[5], v[6], T, C, N,
                                    false);
}
static bcl_status layernorm_forward(const bcl_view *v) {
    return bcl_residual_layernorm_forward(&test_ops, v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7],
                                          &batch.device, C, 1e-5f, NONE);
}
static bcl_status layernorm_recompute(const bcl_view *v) {
    return bcl_layernorm_recompute(&test_ops, v[0], v[1], v[2], v[3], v[4], v[5], v[6], T, C);
}
static bcl_status layernorm_backward(const bcl_view *v) {
    return bcl_residual_layernorm_backward(&test_ops, v[0], v[1], v[2], v[3], v[4], v[5], v[6],
                                           v[7], v[8], &batch.device, C, NONE);
}
static bcl_status embedding_forward(const bcl_view *v) {
    return bcl_embedding_forward(&test_ops, v[0], v[1], v[2], v[3], &batch.device, v[4], v[5], v[6],
                                 v[7], v[8], SHAPE, 1e-5f, NONE);
}
static bcl_status embedding_backward(const bcl_view *v) {
    return bcl_embedding_backward(&test_ops, v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7], v[8],
                                  v[9], &batch.device, v[10], v[11], v[12], v[6], SHAPE, R, 0,
                                  NONE);
}
static bcl_status attention_forward(const bcl_view *v) {
    return bcl_attention_forward(&test_ops, v[0], v[1], v[2], &batch.device, NH, HS, NONE);
}
static bcl_status attention_backward(const bcl_view *v) {
    return bcl_attention_backward(&test_ops, v[0], v[1], v[2], v[3], v[4], v[5], &batch.device, NH,
                                  HS, NONE);
}
static bcl_status cross_entropy(const bcl_view *v) {
    return bcl_cross_entropy(&test_ops, v[0], v[1], v[2], v[3], v[4], &batch.device, K, 1, v[5], 0);
}
static bcl_status zero_ranges(const bcl_view *v) {
    return bcl_zero_ranges(&test_ops, v[0], v[1], 2);
}
static bcl_status adam_step(const bcl_view *v) {
    static const bcl_adam adam = {1e-3, 0.9, 0.999, 1e-8, 0, false, 1, 0, 0};
    const bcl_adam_arenas a = {.p = v[0],
                               .g = v[1],
                               .m = v[2],
                               .v = v[3],
                               .N = N,
                               .table = v[4],
                               .row_g = v[5],
                               .row_m = v[6],
                               .row_v = v[7],
                               .row_ids = v[8],
                               .row_step = v[9],
                               .R = R,
                               .C = C,
                               .partial = v[10],
                               .clip = v[11],
                               .loss = v[12]};
    return bcl_adam_step(&test_ops, &a, &adam, 0);
}

static const struct {
    const char *name;
    bcl_status (*call)(const bcl_view *v);
    operand operands[MOST + 1];
} operations[] = {
    {"dropout_rows", dropout_rows, {F("y", T, C), F("x", T, C)}},
    {"gelu_forward", gelu_forward, {F("y", T, N), F("x", T, N)}},
    {"gelu_backward", gelu_backward, {F("dx", T, N), F("dy", T, N), F("x", T, N)}},
    {"linear_forward", linear_forward, {F("y", T, N), F("x", T, C), F("w", C, N), F("b", 1, N)}},
    {"linear_backward",
     linear_backward,
     {M("dx", T, C), F("dw", C, N), F("db", 1, N), F("dy", T, N), F("x", T, C), F("w", C, N)}},
    {"linear_gelu_forward",
     linear_gelu_forward,
     {F("y", T, N), M("pre", T, N), F("x", T, C), F("w", C, N), F("b", 1, N)}},
    {"gelu_linear_backward",
     gelu_linear_backward,
     {F("dpre", T, C), F("dw", C, N), F("db", 1, N), F("dy", T, N), F("x", T, C), F("pre", T, C),
      F("w", C, N)}},
    {"residual_layernorm_forward",
     layernorm_forward,
     {F("y", T, C), COPY, F("r", T, C), F("mean", T, 1), F("rstd", T, 1), F("x", T, C),
      F("gamma", 1, C), F("beta", 1, C)}},
    {"layernorm_recompute",
     layernorm_recompute,
     {M("y", T, C), COPY, F("r", T, C), F("mean", T, 1), F("rstd", T, 1), F("gamma", 1, C),
      F("beta", 1, C)}},
    {"residual_layernorm_backward",
     layernorm_backward,
     {F("dr", T, C), H("dh", T, C), F("dgamma", 1, C), F("dbeta", 1, C), F("dy", T, C),
      F("r", T, C), F("mean", T, 1), F("rstd", T, 1), F("gamma", 1, C)}},
    {"embedding_forward",
     embedding_forward,
     {F("y", T, C), COPY, F("mean", T, 1), F("rstd", T, 1), F("word", V, C), F("position", P, C),
      F("type", 2, C), F("gamma", 1, C), F("beta", 1, C)}},
    {"embedding_backward",
     embedding_backward,
     {F("dy", T, C), F("r", T, C), F("dword", R, C), I("row_step", R, 1), F("dposition", P, C),
      F("dtype", 2, C), F("dgamma", 1, C), F("dbeta", 1, C), F("mean", T, 1), F("rstd", T, 1),
      F("word", V, C), F("position", P, C), F("type", 2, C)}},
    {"attention_forward", attention_forward, {H("out", T, C), F("lse", T, NH), F("qkv", T, 3 * C)}},
    {"attention_backward",
     attention_backward,
     {H("dqkv", T, 3 * C), F("delta", T, NH), F("dout", T, C), F("out", T, C), F("lse", T, NH),
      F("qkv", T, 3 * C)}},
    {"cross_entropy",
     cross_entropy,
     {F("stats", 1, 2), F("row_loss", T, 1), I("predicted", T, 1), M("dlogits", T, K),
      F("logits", T, K)}},
    {"zero_ranges", zero_ranges, {F("x", 1, N), I("ranges", 2, 2)}},
    {"adam_step",
     adam_step,
     {F("p", 1, N), F("g", 1, N), F("m", 1, N), F("v", 1, N), F("table", V, C), F("row_g", R, C),
      F("row_m", R, C), F("row_v", R, C), I("row_ids", R, 1), I("row_step", R, 1),
      F("partial", 1, BCL_ADAM_PARTIALS), F("clip", 1, 2), F("loss", 1, 2)}},
};
enum { OPERATIONS = sizeof operations / sizeof *operations };

/* Whether the message is of this operation, and of this operand unless NULL. */
static bool names(const char *operation, const char *name) {
    const size_t n = strlen(operation);
    const char *at = bcl_message() + n + 2;
    if (strncmp(bcl_message(), operation, n) || strncmp(bcl_message() + n, ": ", 2))
        return false;
    if (!strncmp(at, "a->", 3))
        at += 3;
    return !name || (!strncmp(at, name, strlen(name)) && at[strlen(name)] == ':');
}

static void refused(int i, const bcl_view *views, const char *name, const char *how) {
    const bcl_status status = operations[i].call(views);
    if (status != BCL_ERROR_ARGUMENT)
        fail_msg("%s: %s %s: gave %d", operations[i].name, name ? name : "operands", how, status);
    if (!names(operations[i].name, name))
        fail_msg("%s: %s %s: message \"%s\"", operations[i].name, name ? name : "operands", how,
                 bcl_message());
}

static void check_operand(int i, bcl_view *views, int k) {
    const operand *o = &operations[i].operands[k];
    const bcl_view good = views[k];
    views[k].rows++;
    refused(i, views, o->name, "with a row more");
    views[k] = bcl_view_as(good, good.rows, good.columns + 1);
    refused(i, views, o->name, "with a column more");
    views[k] = good;
    views[k].ld++;
    refused(i, views, o->name, "with rows apart");
    views[k] = good;
    views[k].type = o->ints ? BCL_ELEMENT_F32 : BCL_ELEMENT_I32;
    refused(i, views, o->name, "of another type");
    views[k].type = o->copy ? BCL_ELEMENT_F32 : BCL_ELEMENT_BF16;
    if (o->copy || !o->halves)
        refused(i, views, o->name, o->copy ? "in fp32" : "in bf16");
    views[k] = good;
    views[k].bytes--;
    refused(i, views, o->name, "in a short buffer");
    views[k] = (bcl_view){0};
    if (!o->optional)
        refused(i, views, o->name, "without a buffer");
    views[k] = good;
    for (int other = 0; other < k; other++) {
        const operand *p = &operations[i].operands[other];
        if (p->rows == o->rows && p->columns == o->columns && p->ints == o->ints &&
            p->copy == o->copy)
            continue;
        views[k] = views[other];
        views[other] = good;
        refused(i, views, NULL, "swapped");
        views[other] = views[k];
        views[k] = good;
    }
}

static void test_operands(void **state) {
    (void)state;
    batch_begin(&batch, LENGTHS, B, V, K, 1);
    assert_int_equal(batch.host.T, T);
    int32_t counting[T + R]; /* ranges 0..1 and 2..3; rows that differ */
    for (int i = 0; i < T + R; i++)
        counting[i] = i;
    for (int i = 0; i < OPERATIONS; i++) {
        bcl_view views[MOST] = {{0}};
        int count = 0;
        for (; count < MOST && operations[i].operands[count].name; count++) {
            const operand *o = &operations[i].operands[count];
            float *zero = random_floats((size_t)(o->rows * o->columns), 0, 1);
            views[count] = o->ints   ? guard_ints(o->rows, o->columns, counting)
                           : o->copy ? guard_halves(BCL_ELEMENT_BF16, o->rows, o->columns, NULL)
                                     : guard_floats(o->rows, o->columns, zero);
            free(zero);
        }
        OK(operations[i].call(views));
        for (int k = 0; k < count; k++)
            check_operand(i, views, k);
        OK(operations[i].call(views));
        guards_end();
    }
    batch_end(&batch);
}

/* A batch's lists are operands, too. */
static void test_batch_lists(void **state) {
    (void)state;
    batch_begin(&batch, LENGTHS, B, V, K, 1);
    float *zero = random_floats(T * C, 0, 1);
    const bcl_view x = guard_floats(T, C, zero);
    const bcl_batch_layout good = batch.device;
    OK(bcl_dropout_rows(&test_ops, x, x, &batch.device, C, NONE));
    batch.device.samples.bytes -= 4;
    FAILS(bcl_dropout_rows(&test_ops, x, x, &batch.device, C, NONE), BCL_ERROR_ARGUMENT,
          "dropout_rows: batch->samples: (17,1) i32 needs 17 elements, its buffer has 16");
    batch.device = good;
    batch.device.positions = batch.device.starts;
    FAILS(bcl_dropout_rows(&test_ops, x, x, &batch.device, C, NONE), BCL_ERROR_ARGUMENT,
          "dropout_rows: batch->positions: found (4,1) i32, expected (17,1) i32");
    batch.device = good;
    free(zero);
    guards_end();
    batch_end(&batch);
}

/* As it is printed. */
static void test_messages(void **state) {
    (void)state;
    const bcl_view y = guard_floats(3, 8, NULL), x = guard_floats(3, 4, NULL),
                   w = guard_floats(8, 4, NULL), b = guard_floats(1, 8, NULL);
    FAILS(bcl_linear_forward(&test_ops, y, x, w, b, 3, 4, 8), BCL_ERROR_ARGUMENT,
          "linear_forward: w: found (8,4) f32, expected (4,8) f32");
    FAILS(bcl_linear_forward(&test_ops, y, w, x, b, 3, 4, 8), BCL_ERROR_ARGUMENT,
          "linear_forward: x: found (8,4) f32, expected (3,4) f32");
    bcl_view half = bcl_view_as(w, 4, 8);
    half.type = BCL_ELEMENT_F16;
    FAILS(bcl_linear_forward(&test_ops, y, x, half, b, 3, 4, 8), BCL_ERROR_ARGUMENT,
          "linear_forward: w: found (4,8) f16, expected (4,8) f32");
    FAILS(bcl_linear_forward(&test_ops, y, x, bcl_view_as(w, 4, 8), (bcl_view){0}, 3, 4, 8),
          BCL_ERROR_ARGUMENT, "linear_forward: b: found none, expected (1,8) f32");
    FAILS(bcl_linear_forward(&test_ops, y, x, bcl_view_as(b, 4, 8), b, 3, 4, 8), BCL_ERROR_ARGUMENT,
          "linear_forward: w: (4,8) f32 needs 32 elements, its buffer has 8");
    const bcl_operand both = {"w", &w, BCL_ANY, 8, BCL_TAKES_F32 | BCL_TAKES_BF16};
    FAILS(bcl_operands_check("fused", &both, 1), BCL_ERROR_ARGUMENT,
          "fused: w: found (8,4) f32, expected (*,8) f32 or bf16");
    guards_end();
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_operands),
                                       cmocka_unit_test(test_batch_lists),
                                       cmocka_unit_test(test_messages)};
    return TEST_RUN_ON_DEVICE(tests);
}
