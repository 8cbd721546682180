/* The embedding with its sparse gradient, gradient norm and clipping, Adam and AdamW, against
 * double precision over several steps; rows that never had a gradient keep every bit. */
#include "support/device.h"

enum { V = 40, P = 100, TYPES = 2 };

static void add_before(double *x, const float *before, size_t count, bool accumulate) {
    for (size_t i = 0; i < count && accumulate; i++)
        x[i] += (double)before[i];
}

static void check_embedding(int columns, float p, bool accumulate) {
    static const int lengths[] = {1, 7, 93, 2, 16};
    const size_t C = (size_t)columns;
    test_batch b;
    batch_begin(&b, lengths, test_small ? 2 : 5, V, 3, 11);
    const size_t T = (size_t)b.host.T, n = T * C;
    float *word = random_floats(V * C, 1, 1), *position = random_floats(P * C, 1, 2),
          *type = random_floats(TYPES * C, 1, 3), *gamma = random_floats(C, 1, 4),
          *beta = random_floats(C, 1, 5), *dy = random_floats(n, 1, 6),
          *before = random_floats((V + P + 3) * C, 1, 7);
    double *grads = zeros((V + P + 3) * C), *sizes;
    double *wordd = widened(word, V * C), *positiond = widened(position, P * C),
           *typed = widened(type, C), *gammad = widened(gamma, C), *betad = widened(beta, C),
           *dyd = widened(dy, n);
    const bcl_exact_embedding e = {.T = b.host.T,
                                   .C = columns,
                                   .ids = b.host.ids,
                                   .positions = b.host.positions,
                                   .samples = b.host.samples,
                                   .dropout = {p, bcl_site(0, 0), {5, 6}},
                                   .eps = 1e-12,
                                   .word = wordd,
                                   .position = positiond,
                                   .type = typed,
                                   .gamma = gammad,
                                   .beta = betad,
                                   .dy = dyd,
                                   .y = zeros(n),
                                   .dword = grads,
                                   .dposition = grads + V * C,
                                   .dtype = grads + (V + P) * C,
                                   .dgamma = grads + (V + P + 1) * C,
                                   .dbeta = grads + (V + P + 2) * C,
                                   .size = zeros(C)};
    add_before(grads, before, (V + P + 3) * C, accumulate);
    OK(bcl_exact_embedding_run(&e));
    sizes = zeros((V + P) * C);
    for (size_t i = 0; i < (V + P) * C; i++)
        sizes[i] = e.size[i % C] + 1;
    const int step = 3;
    int32_t rows[V];
    for (int i = 0; i < V; i++)
        rows[i] = accumulate ? step : i % 2 ? -1 : 2;
    const float *from = accumulate ? before : NULL;
    const bcl_embedding_shape shape = {V, P, TYPES, columns};
    const int tokens = b.host.T, D = columns;
    bcl_view by = guard_floats(tokens, D, NULL), bm = guard_floats(tokens, 1, NULL),
             bs = guard_floats(tokens, 1, NULL), bw = guard_floats(V, D, word),
             bp = guard_floats(P, D, position), bt = guard_floats(TYPES, D, type),
             bg = guard_floats(1, D, gamma), bb = guard_floats(1, D, beta),
             bdy = guard_floats(tokens, D, dy), br = guard_floats(tokens, D, NULL),
             bdw = guard_floats(V, D, from), brow = guard_ints(V, 1, rows),
             bdp = guard_floats(P, D, from ? from + V * C : NULL),
             bdt = guard_floats(TYPES, D, from ? from + (V + P) * C : NULL),
             bdg = guard_floats(1, D, from ? from + (V + P + 1) * C : NULL),
             bdb = guard_floats(1, D, from ? from + (V + P + 2) * C : NULL);
    OK(bcl_embedding_forward(&test_ops, by, (bcl_view){0}, bm, bs, &b.device, bw, bp, bt, bg, bb,
                             shape, 1e-12f, e.dropout));
    test_ops.accumulate = accumulate;
    OK(bcl_embedding_backward(&test_ops, bdy, br, bdw, brow, bdp, bdt, bdg, bdb, bm, bs, &b.device,
                              bw, bp, bt, bg, shape, V, step, e.dropout));
    test_ops.accumulate = false;
    compare("embedding", read_floats(by), e.y, NULL, n, bcl_exact_limit.embedding);
    compare("embedding dposition", read_floats(bdp), e.dposition, sizes, P * C,
            bcl_exact_limit.embedding_sum);
    compare("embedding dtype", read_floats(bdt), e.dtype, sizes, C, bcl_exact_limit.embedding_sum);
    compare("embedding dgamma", read_floats(bdg), e.dgamma, sizes, C,
            bcl_exact_limit.embedding_sum);
    compare("embedding dbeta", read_floats(bdb), e.dbeta, sizes, C, bcl_exact_limit.embedding_sum);
    OK(bcl_buffer_read(test_device, brow.buffer, 0, rows, sizeof rows, true));
    float *dw = read_floats(bdw);
    for (int v = 0; v < V; v++) {
        bool seen = false;
        for (size_t t = 0; t < T; t++)
            seen = seen || b.host.ids[t] == v;
        assert_int_equal(rows[v], seen || accumulate ? step : v % 2 ? -1 : 2);
        for (size_t c = (size_t)v * C; c < ((size_t)v + 1) * C && !seen; c++) {
            assert_true(accumulate ? dw[c] == before[c] : isnan(dw[c])); /* left alone */
            dw[c] = (float)e.dword[c];
        }
    }
    compare("embedding dword", dw, e.dword, sizes, V * C, bcl_exact_limit.embedding_sum);
    guards_end();
    batch_end(&b);
    void *const all[] = {word,  position, type,  gamma, beta,  dy,    before, wordd, positiond,
                         typed, gammad,   betad, dyd,   grads, sizes, e.y,    e.size};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

static void test_embedding(void **state) {
    static const int sizes[] = {7, 16, 20, 93, 100, 384, 600};
    (void)state;
    for (int i = 0; i < (test_small ? 2 : 7); i++)
        for (int mode = 0; mode < 3; mode++)
            check_embedding(sizes[i], mode ? 0.3f : 0, mode == 2);
}

/* Row r has gradients at the steps where r % 4 > step % 3; row 0 and 4, 8, ... never. */
static bool row_active(int r, int step) {
    return r % 4 > step % 3;
}

typedef struct arenas {
    int N, R, C, rows_in_table;
    float *p, *table, *g, *row_g;
    double *dp, *dm, *dv, *dt, *dtm, *dtv; /* exact */
    int32_t *ids, *step;
} arenas;

static void exact_step(arenas *a, const bcl_adam *adam, int step, double *norm, double *factor) {
    double sum = 0;
    for (int i = 0; i < a->N; i++)
        sum += (double)a->g[i] * (double)a->g[i];
    for (int i = 0; i < a->R * a->C; i++)
        if (row_active(i / a->C, step))
            sum += (double)a->row_g[i] * (double)a->row_g[i];
    *norm = sqrt(sum);
    *factor = bcl_exact_clip(adam, *norm);
    for (int i = 0; i < a->N; i++)
        bcl_exact_adam(&a->dp[i], &a->dm[i], &a->dv[i], (double)a->g[i] * *factor, adam, step + 1);
    for (int i = 0; i < a->R * a->C; i++) {
        const int r = i / a->C, at = a->ids[r] * a->C + i % a->C;
        const double g = row_active(r, step) ? (double)a->row_g[i] * *factor : 0;
        bcl_exact_adam(&a->dt[at], &a->dtm[i], &a->dtv[i], g, adam, step + 1);
    }
}

static void check_adam(int N, int R, int C, bcl_adam adam) {
    const size_t n = (size_t)N, rc = (size_t)R * (size_t)C, tc = 2 * rc + (size_t)C;
    arenas a = {N,
                R,
                C,
                2 * R + 1,
                random_floats(n, 1, 1),
                random_floats(tc, 1, 2),
                NULL,
                NULL,
                zeros(n),
                zeros(n),
                zeros(n),
                zeros(tc),
                zeros(rc),
                zeros(rc),
                calloc((size_t)R, sizeof(int32_t)),
                calloc((size_t)R, sizeof(int32_t))};
    assert_true(a.ids && a.step);
    for (size_t i = 0; i < n; i++)
        a.dp[i] = (double)a.p[i];
    for (size_t i = 0; i < tc; i++)
        a.dt[i] = (double)a.table[i];
    for (int r = 0; r < R; r++) {
        a.ids[r] = 2 * r + 1; /* the even rows of the table are no slots */
        a.step[r] = -1;
    }
    float *zero = random_floats(n > rc ? n : rc, 0, 1);
    /* the arena's end and a stretch in its middle are no parameter's */
    const int32_t gaps[] = {N - (N > 1), N, N / 2, N / 2 + (N > 8 ? 3 : 0)};
    bcl_adam_arenas d = {.p = guard_floats(1, N, a.p),
                         .g = guard_floats(1, N, NULL),
                         .m = guard_floats(1, N, zero),
                         .v = guard_floats(1, N, zero),
                         .N = n,
                         .table = guard_floats(2 * R + 1, C, a.table),
                         .row_g = guard_floats(R, C, NULL),
                         .row_m = guard_floats(R, C, zero),
                         .row_v = guard_floats(R, C, zero),
                         .row_ids = guard_ints(R, 1, a.ids),
                         .row_step = guard_ints(R, 1, a.step),
                         .R = R,
                         .C = C,
                         .partial = guard_floats(1, BCL_ADAM_PARTIALS, NULL),
                         .clip = guard_floats(1, 2, NULL),
                         .loss = guard_floats(1, 2, (const float[]){1, 0})};
    bcl_view ranges = guard_ints(2, 2, gaps);
    for (int step = 0; step < 7; step++) {
        double want[2];
        a.g = random_floats(n, step % 2 ? 1 : 1e-3f, 100 + (uint64_t)step);
        a.row_g = random_floats(rc, 1, 200 + (uint64_t)step);
        for (int r = 0; r < R; r++)
            if (row_active(r, step))
                a.step[r] = step;
        for (size_t i = 0; i < rc && adam.weight_decay <= 0; i++)
            if (!row_active((int)i / C, step))
                a.row_g[i] = NAN; /* must not be looked at */
        for (int i = 0; i < 4; i += 2)
            for (int32_t k = gaps[i]; k < gaps[i + 1]; k++)
                a.g[k] = 0;
        exact_step(&a, &adam, step, &want[1], &want[0]);
        for (int i = 0; i < 4; i += 2)
            for (int32_t k = gaps[i]; k < gaps[i + 1]; k++)
                a.g[k] = NAN; /* as left by another tensor */
        OK(bcl_buffer_write(test_device, d.g.buffer, 0, a.g, n * sizeof(float), true));
        OK(bcl_buffer_write(test_device, d.row_g.buffer, 0, a.row_g, rc * sizeof(float), true));
        OK(bcl_buffer_write(test_device, d.row_step.buffer, 0, a.step, (size_t)R * 4, true));
        OK(bcl_zero_ranges(&test_ops, d.g, ranges, 2));
        OK(bcl_adam_step(&test_ops, &d, &adam, step));
        compare("clip and norm", read_floats(d.clip), want, NULL, 2, bcl_exact_limit.gradient_norm);
        free(a.g);
        free(a.row_g);
    }
    /* a step without a finite loss changes nothing */
    for (int i = 0; i < 2; i++) {
        OK(bcl_buffer_write(test_device, d.loss.buffer, 0, &(float){i ? NAN : INFINITY},
                            sizeof(float), true));
        OK(bcl_adam_step(&test_ops, &d, &adam, 7 + i));
    }
    compare("m", read_floats(d.m), a.dm, NULL, n, bcl_exact_limit.moment1);
    compare("v", read_floats(d.v), a.dv, NULL, n, bcl_exact_limit.moment2);
    compare("p", read_floats(d.p), a.dp, NULL, n, bcl_exact_limit.weight);
    compare("row m", read_floats(d.row_m), a.dtm, NULL, rc, bcl_exact_limit.moment1);
    float *table = read_floats(d.table);
    for (size_t i = 0; i < tc; i++) {
        const size_t row = i / (size_t)C;
        if (row % 2 == 0 || (adam.weight_decay <= 0 && (row / 2) % 4 == 0))
            assert_memory_equal(&table[i], &a.table[i], sizeof *table); /* never had a gradient */
    }
    compare("table", table, a.dt, NULL, tc, bcl_exact_limit.weight);
    guards_end();
    void *const all[] = {a.p, a.table, a.dp, a.dm, a.dv, a.dt, a.dtm, a.dtv, a.ids, a.step, zero};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

static void test_adam(void **state) {
    static const int shapes[][3] = {
        {1, 1, 1}, {7, 3, 7}, {93, 5, 20}, {5000, 9, 93}, {2000003, 700, 100}};
    const bcl_adam plain = {1e-3, 0.9, 0.999, 1e-8, 0, false, 10, 0, 0},
                   recipes[] = {plain,
                                {1e-2, 0.9, 0.999, 1e-8, 0, false, 0, 0, 0},
                                {1e-3, 0.8, 0.99, 1e-6, 0.1, false, 0.5f, 0, 0},
                                {1e-3, 0.9, 0.999, 1e-8, 0.1, true, 1, 0, 0},
                                {0, 0.9, 0.999, 1e-8, 0, true, 1, 0, 0}};
    (void)state;
    for (int i = 0; i < (test_small ? 3 : 5); i++)
        for (int k = 0; k < (i < 4 ? 5 : 1); k++)
            check_adam(shapes[i][0], shapes[i][1], shapes[i][2], recipes[k]);
}

/* Arenas of 93 parameters and 3 rows of 20. */
enum { SCALED_N = 93, SCALED_R = 3, SCALED_C = 20 };
static bcl_adam_arenas small_arenas(void) {
    enum { N = SCALED_N, R = SCALED_R, C = SCALED_C };
    static const int32_t ids[R] = {0, 1, 2}, steps[R] = {-1, -1, -1};
    static const float zero[N], loss[2] = {1, 0};
    float *p = random_floats(N + R * C, 1, 1);
    const bcl_adam_arenas a = {.p = guard_floats(1, N, p),
                               .g = guard_floats(1, N, NULL),
                               .m = guard_floats(1, N, zero),
                               .v = guard_floats(1, N, zero),
                               .N = N,
                               .table = guard_floats(R, C, p + N),
                               .row_g = guard_floats(R, C, NULL),
                               .row_m = guard_floats(R, C, zero),
                               .row_v = guard_floats(R, C, zero),
                               .row_ids = guard_ints(R, 1, ids),
                               .row_step = guard_ints(R, 1, steps),
                               .R = R,
                               .C = C,
                               .partial = guard_floats(1, BCL_ADAM_PARTIALS, NULL),
                               .clip = guard_floats(1, 2, NULL),
                               .loss = guard_floats(1, 2, loss)};
    free(p);
    return a;
}

/* A step with gradients of seed `draw`, times the scale; overflow: one of them is not finite. */
static void scaled_step(const bcl_adam_arenas *a, bcl_adam adam, int step, uint64_t draw,
                        float overflow) {
    enum { N = SCALED_N, R = SCALED_R, C = SCALED_C };
    const float scale = adam.loss_scale > 0 ? adam.loss_scale : 1;
    float *g = random_floats(N + R * C, scale, draw);
    const int32_t steps[R] = {step, step, step};
    if (overflow != 0)
        g[draw % 2 ? 30 : N + 7] = overflow; /* of the dense ones, or of a row */
    OK(bcl_buffer_write(test_device, a->g.buffer, 0, g, N * sizeof *g, true));
    OK(bcl_buffer_write(test_device, a->row_g.buffer, 0, g + N, (size_t)(R * C) * sizeof *g, true));
    OK(bcl_buffer_write(test_device, a->row_step.buffer, 0, steps, sizeof steps, true));
    OK(bcl_adam_step(&test_ops, a, &adam, step));
    free(g);
}

static void assert_same_view(bcl_view x, bcl_view y) {
    float *a = read_floats(x), *b = read_floats(y);
    assert_memory_equal(a, b, (size_t)(x.rows * x.columns) * sizeof *a);
    free(a);
    free(b);
}

/* Gradients that are a power of two too large give the bits of those that are not; steps whose
 * gradients overflow give none, and are none of Adam's. */
static void test_loss_scale(void **state) {
    static const float clips[] = {0, 1, 1e6f};
    (void)state;
    for (int i = 0; i < 3; i++) {
        const bcl_adam_arenas plain = small_arenas(), scaled = small_arenas();
        bcl_adam adam = {.lr = 1e-2, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .clip = clips[i]};
        bcl_adam with_scale = adam;
        for (int step = 0; step < 4; step++)
            scaled_step(&plain, adam, step, (uint64_t)step, 0);
        for (int step = 0, taken = 0; taken < 4; step++) {
            const float overflow = step == 0 ? INFINITY : step == 3 ? NAN : step == 4 ? 3e38f : 0;
            with_scale.loss_scale = step % 2 ? 0x1p16f : 0x1p20f;
            scaled_step(&scaled, with_scale, step,
                        overflow != 0 ? 50 + (uint64_t)step : (uint64_t)taken, overflow);
            with_scale.skipped += overflow != 0;
            taken += overflow == 0;
        }
        assert_int_equal(with_scale.skipped, 3);
        assert_same_view(plain.p, scaled.p);
        assert_same_view(plain.m, scaled.m);
        assert_same_view(plain.v, scaled.v);
        assert_same_view(plain.table, scaled.table);
        assert_same_view(plain.row_m, scaled.row_m);
        assert_same_view(plain.row_v, scaled.row_v);
        guards_end();
    }
}

/* A GPU's update has groups for all of its compute units, a sum of the norm each; how many there
 * are on a CPU makes the bits of its models. */
static void test_groups(void **state) {
    const int N = test_small ? 1 << 16 : 1 << 20,
              expected = N / (bcl_device_wide(test_device) ? 4096 : 512);
    bcl_adam_arenas a = small_arenas();
    float *x = random_floats((size_t)N, 1, 1), *zero = random_floats((size_t)N, 0, 1);
    (void)state;
    a.N = (size_t)N;
    a.p = guard_floats(1, N, x);
    a.g = guard_floats(1, N, x);
    a.m = guard_floats(1, N, zero);
    a.v = guard_floats(1, N, zero);
    for (int i = 0; i < 2; i++) {
        const bcl_adam adam = {
            .lr = 1e-2, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .clip = (float)i};
        int groups = 0;
        OK(bcl_adam_step(&test_ops, &a, &adam, 0));
        float *partial = read_floats(a.partial);
        for (int k = 0; k < BCL_ADAM_PARTIALS; k++)
            groups += partial[k] > 0;
        assert_int_equal(groups, expected);
        free(partial);
    }
    guards_end();
    free(x);
    free(zero);
}

/* ---- the parameters in 16 bits ---- */

enum { MARKED = 0x1234 };
static bcl_view marked_copy(int count, bcl_element type) {
    uint16_t *marks = calloc((size_t)count, sizeof *marks);
    assert_non_null(marks);
    for (int i = 0; i < count; i++)
        marks[i] = MARKED;
    const bcl_view view = guard_halves(type, 1, count, marks);
    free(marks);
    return view;
}

static void check_copy(bcl_view copy, bcl_view p, int begin, int end) {
    uint16_t *got = read_halves(copy);
    float *values = read_floats(p);
    for (int i = 0; i < copy.columns; i++)
        assert_int_equal(got[i],
                         i >= begin && i < end ? rounded_half(values[i], copy.type) : MARKED);
    free(got);
    free(values);
}

/* Written behind Adam, only where it updates; a step that is skipped leaves it; and as a whole. */
static void test_copy(void **state) {
    static const bcl_element types[] = {BCL_ELEMENT_BF16, BCL_ELEMENT_F16};
    static const float odd[] = {0,          -0.0f,      1,        0x1.01p0f,  0x1.03p0f,
                                0x1.002p0f, 0x1.006p0f, 0x1p-15f, 0x1.8p-24f, 0x1p-25f,
                                -65504,     65519,      65520,    1e6f,       0x1.fffp3f};
    (void)state;
    for (int i = 0; i < 2; i++) {
        enum { BEGIN = 20, END = 91, ODD = sizeof odd / sizeof *odd };
        bcl_adam_arenas a = small_arenas();
        const bcl_adam adam = {
            .lr = 1e-2, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .loss_scale = 1};
        const bcl_adam_range range = {BEGIN, END, 1, false};
        a.copy = marked_copy(SCALED_N, types[i]);
        a.ranges = &range;
        a.range_count = 1;
        scaled_step(&a, adam, 0, 1, INFINITY);
        check_copy(a.copy, a.p, 0, 0);
        scaled_step(&a, adam, 1, 2, 0);
        check_copy(a.copy, a.p, BEGIN, END);
        OK(bcl_buffer_write(test_device, a.p.buffer, 0, odd, sizeof odd, true));
        OK(bcl_adam_copy(&test_ops, a.copy, a.p, SCALED_N));
        check_copy(a.copy, a.p, 0, SCALED_N);
        bcl_view wrong = a.p;
        FAILS(bcl_adam_copy(&test_ops, wrong, a.p, SCALED_N), BCL_ERROR_ARGUMENT,
              "adam_copy: copy: found (1,93) f32, expected (1,93) bf16 or f16");
        guards_end();
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_embedding),
                                       cmocka_unit_test(test_adam),
                                       cmocka_unit_test(test_loss_scale),
                                       cmocka_unit_test(test_groups), cmocka_unit_test(test_copy)};
    return TEST_RUN_ON_DEVICE(tests);
}
