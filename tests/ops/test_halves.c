/* Outputs that are kept in 16 bits, for products that read them so: the bits of the fp32 output,
 * rounded to nearest even on the host, and the other outputs to the bits that they have without.
 * Attention's are in test_attention.c. */
#include "support/device.h"

static const bcl_element HALVES[] = {BCL_ELEMENT_BF16, BCL_ELEMENT_F16};
static const int LENGTHS[] = {1, 7, 93, 16, 2, 31};
static const int COLUMNS[] = {7, 63, 65, 384, 1, 20};
enum { STRIDE = 4096, V = 40, P = 100, TYPES = 2 };

static int columns(void) {
    return test_small ? 2 : (int)(sizeof COLUMNS / sizeof *COLUMNS);
}

/* Random tensors of a test, and the batch that they belong to. */
static test_batch batch;
static uint64_t seed;
static void begin(void) {
    seed = 1;
    batch_begin(&batch, LENGTHS, test_small ? 2 : 6, V, 3, 11);
}
static void end(void) {
    guards_end();
    batch_end(&batch);
}
static bcl_view given(int rows, int C) {
    float *x = random_floats((size_t)rows * (size_t)C, 1, seed++);
    const bcl_view view = guard_floats(rows, C, x);
    free(x);
    return view;
}
static bcl_dropout dropout_of(float p) {
    return (bcl_dropout){p, bcl_site(1, BCL_SITE_SECOND), {77, 0xdeadbeef}};
}

/* Every bit, and no NaN, which is what an output starts with. */
static void same(const char *what, bcl_view a, bcl_view b) {
    const size_t count = (size_t)a.rows * (size_t)a.columns;
    float *x = read_floats(a), *y = read_floats(b);
    for (size_t i = 0; i < count; i++)
        if (isnan(x[i]) || memcmp(x + i, y + i, sizeof *x) != 0)
            fail_msg("%s: element %zu: %.9g with a copy, %.9g without", what, i, (double)x[i],
                     (double)y[i]);
    free(x);
    free(y);
}

/* y, mean, rstd and r of the forward pass; again: y, made once more. */
typedef struct norm {
    bcl_view y, copy, r, mean, rstd, again;
} norm;

static norm norm_forward(int C, bcl_element type, float p) {
    const int T = batch.host.T;
    seed = 1;
    norm n = {.y = guard_floats(T, C, NULL),
              .r = given(T, C),
              .mean = guard_floats(T, 1, NULL),
              .rstd = guard_floats(T, 1, NULL),
              .again = guard_floats(T, C, NULL)};
    const bcl_view x = given(T, C), gamma = given(1, C), beta = given(1, C);
    if (type != BCL_ELEMENT_F32)
        n.copy = guard_halves(type, T, C, NULL);
    OK(bcl_residual_layernorm_forward(&test_ops, n.y, n.copy, n.r, n.mean, n.rstd, x, gamma, beta,
                                      &batch.device, C, 1e-5f, dropout_of(p)));
    bcl_view copy = {0}, only = {0};
    if (n.copy.buffer) {
        copy = guard_halves(type, T, C, NULL);
        only = guard_halves(type, T, C, NULL);
        OK(bcl_layernorm_recompute(&test_ops, (bcl_view){0}, only, n.r, n.mean, n.rstd, gamma, beta,
                                   T, C));
    }
    OK(bcl_layernorm_recompute(&test_ops, n.again, copy, n.r, n.mean, n.rstd, gamma, beta, T, C));
    if (n.copy.buffer) {
        compare_rounded("LayerNorm's copy", n.copy, n.y);
        compare_rounded("the copy made again", copy, n.y);
        compare_rounded("the copy made again alone", only, n.y);
    }
    return n;
}

static void test_layernorm(void **state) {
    (void)state;
    for (int i = 0; i < columns(); i++)
        for (int k = 0; k < 4; k++) {
            const float p = k & 1 ? 0.1f : 0;
            begin();
            const norm half = norm_forward(COLUMNS[i], HALVES[k / 2], p),
                       plain = norm_forward(COLUMNS[i], BCL_ELEMENT_F32, p);
            same("y", half.y, plain.y);
            same("y again", half.again, plain.y);
            same("r", half.r, plain.r);
            same("mean", half.mean, plain.mean);
            same("rstd", half.rstd, plain.rstd);
            end();
        }
}

/* dr, dh, dgamma and dbeta; the sums in one piece or in parts. */
typedef struct norm_gradient {
    bcl_view dr, dh, dgamma, dbeta;
} norm_gradient;

static norm_gradient norm_backward(int C, bcl_element type, float p, bool parts) {
    const int T = batch.host.T;
    const bcl_view both = guard_floats(2, STRIDE, NULL); /* sums of one buffer may be in parts */
    seed = 1;
    norm_gradient g = {.dr = given(T, C),
                       .dh = type == BCL_ELEMENT_F32 ? guard_floats(T, C, NULL)
                                                     : guard_halves(type, T, C, NULL)};
    const bcl_view r = given(T, C), mean = given(T, 1), rstd = given(T, 1), gamma = given(1, C);
    OK(bcl_view_cut(&g.dgamma, both.root, both.offset, BCL_ELEMENT_F32, 1, C));
    OK(bcl_view_cut(&g.dbeta, both.root, both.offset + STRIDE * sizeof(float), BCL_ELEMENT_F32, 1,
                    C));
    if (parts)
        OK(bcl_sums_create(&test_ops.sums, test_device, BCL_SUM_PARTS * 2 * (size_t)C, 2));
    OK(bcl_residual_layernorm_backward(&test_ops, g.dr, g.dh, g.dgamma, g.dbeta, g.dr, r, mean,
                                       rstd, gamma, &batch.device, C, dropout_of(p)));
    bcl_sums_free(test_ops.sums);
    test_ops.sums = NULL;
    return g;
}

static void norm_gradient_free(norm_gradient *g) {
    bcl_buffer_free(test_device, &g->dgamma.buffer);
    bcl_buffer_free(test_device, &g->dbeta.buffer);
}

static void test_layernorm_backward(void **state) {
    (void)state;
    for (int i = 0; i < columns(); i++)
        for (int k = 0; k < 8; k++) {
            const float p = k & 1 ? 0.1f : 0;
            begin();
            norm_gradient half = norm_backward(COLUMNS[i], HALVES[k / 4], p, k & 2),
                          plain = norm_backward(COLUMNS[i], BCL_ELEMENT_F32, p, k & 2);
            compare_rounded("dh", half.dh, plain.dh);
            same("dr", half.dr, plain.dr);
            same("dgamma", half.dgamma, plain.dgamma);
            same("dbeta", half.dbeta, plain.dbeta);
            norm_gradient_free(&half);
            norm_gradient_free(&plain);
            end();
        }
}

static void test_embedding(void **state) {
    (void)state;
    for (int i = 0; i < columns(); i++)
        for (int k = 0; k < 4; k++) {
            const int C = COLUMNS[i];
            begin();
            const int T = batch.host.T;
            const bcl_view y = guard_floats(T, C, NULL), plain = guard_floats(T, C, NULL),
                           copy = guard_halves(HALVES[k / 2], T, C, NULL),
                           mean = guard_floats(T, 1, NULL), rstd = guard_floats(T, 1, NULL),
                           word = given(V, C), position = given(P, C), type = given(TYPES, C),
                           gamma = given(1, C), beta = given(1, C);
            const bcl_embedding_shape shape = {V, P, TYPES, C};
            const bcl_dropout dropout = dropout_of(k & 1 ? 0.1f : 0);
            OK(bcl_embedding_forward(&test_ops, y, copy, mean, rstd, &batch.device, word, position,
                                     type, gamma, beta, shape, 1e-12f, dropout));
            OK(bcl_embedding_forward(&test_ops, plain, (bcl_view){0}, mean, rstd, &batch.device,
                                     word, position, type, gamma, beta, shape, 1e-12f, dropout));
            compare_rounded("the embedding's copy", copy, y);
            same("y", y, plain);
            end();
        }
}

/* What is not written anywhere, or would be in two types at once. */
static void test_refused(void **state) {
    enum { C = 7 };
    (void)state;
    begin();
    const int T = batch.host.T;
    const bcl_view none = {0}, f32 = given(T, C), r = given(T, C), v = given(T, 1),
                   gamma = given(1, C), half = guard_halves(BCL_ELEMENT_F16, T, C, NULL);
    bcl_view same_memory = f32;
    char expected[128];
    snprintf(expected, sizeof expected, "layernorm_recompute: y: found none, expected (%d,7) f32",
             T);
    FAILS(bcl_layernorm_recompute(&test_ops, none, none, r, v, v, gamma, gamma, T, C),
          BCL_ERROR_ARGUMENT, expected);
    snprintf(expected, sizeof expected,
             "residual_layernorm_forward: y: found none, expected (%d,7) f32", T);
    FAILS(bcl_residual_layernorm_forward(&test_ops, none, half, r, v, v, f32, gamma, gamma,
                                         &batch.device, C, 1e-5f, dropout_of(0)),
          BCL_ERROR_ARGUMENT, expected);
    same_memory.type = BCL_ELEMENT_F16;
    snprintf(expected, sizeof expected,
             "residual_layernorm_backward: dh: found (%d,7) f16, expected (%d,7) f32", T, T);
    FAILS(bcl_residual_layernorm_backward(&test_ops, f32, same_memory, gamma, gamma, f32, r, v, v,
                                          gamma, &batch.device, C, dropout_of(0)),
          BCL_ERROR_ARGUMENT, expected);
    end();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layernorm), cmocka_unit_test(test_layernorm_backward),
        cmocka_unit_test(test_embedding), cmocka_unit_test(test_refused)};
    return TEST_RUN_ON_DEVICE(tests);
}
