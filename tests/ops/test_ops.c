/* The operations on rows and elements against double precision: embedding, LayerNorm, linear, GELU,
 * dropout, cross-entropy; outputs start as NaN between guard zones; gradients set and added to.
 * Attention, the optimizer and the matrix products have files of their own. */
#include "ops/sums.h"
#include "support/device.h"

static const int LENGTHS[] = {1, 7, 93, 16, 2, 31};
static const int COLUMNS[] = {1, 7, 16, 20, 63, 64, 65, 93, 100, 384, 768};
static int sentences(void) {
    return test_small ? 2 : 6;
}
static int columns(void) {
    return test_small ? 4 : (int)(sizeof COLUMNS / sizeof *COLUMNS);
}
static const float RATES[] = {0, 0.1f, 0.5f};
static bcl_dropout dropout_at(int i, int layer) {
    return (bcl_dropout){RATES[i], bcl_site(layer, BCL_SITE_SECOND), {77, 0xdeadbeef}};
}

static void test_comparator(void **state) {
    (void)state;
    const test_limit limit = {1e-6, 1e-6};
    const double want[2] = {1, 2};
    size_t at;
    assert_true(compare_share(&at, (float[]){1, NAN}, 2, want, 2, NULL, limit) > 1);
    assert_int_equal(at, 1);
    assert_true(compare_share(&at, (float[]){1, 2}, 2, (double[]){NAN, 2}, 2, NULL, limit) > 1);
    assert_true(compare_share(&at, (float[]){INFINITY, 2}, 2, want, 2, NULL, limit) > 1);
    assert_true(compare_share(&at, (float[]){1, 2}, 1, want, 2, NULL, limit) > 1);
    assert_true(compare_share(&at, (float[]){1, 2.00002f}, 2, want, 2, NULL, limit) > 1);
    assert_true(compare_share(&at, (float[]){1, 2}, 2, want, 2, NULL, limit) == 0);
    /* guards */
    bcl_view buffer = guard_floats(1, 3, NULL);
    float *x = read_floats(buffer);
    assert_true(isnan(x[0]) && isnan(x[2]));
    free(x);
    guards_end();
}

static void test_gelu(void **state) {
    static const int counts[] = {1, 7, 93, 4099};
    (void)state;
    for (int form = 0; form < 2; form++)
        for (int i = 0; i < (test_small ? 3 : 4); i++) {
            const size_t n = (size_t)counts[i];
            float *x = random_floats(n, 2, 1), *dy = random_floats(n, 1, 2);
            const float special[] = {0, -0.0f, 100, -100, 5.6f, -5.6f, 1e-20f};
            for (size_t k = 0; n > 7 && k < 7; k++)
                x[k + 3] = special[k];
            for (size_t k = 100; k < n; k++) /* evenly, where erf bends */
                x[k] = -8 + 16 * (float)k / (float)n;
            double *y = zeros(n), *dx = zeros(n), *size = zeros(n);
            for (size_t k = 0; k < n; k++) {
                y[k] = bcl_exact_gelu(&dx[k], (double)x[k], form);
                dx[k] *= (double)dy[k];
                size[k] = fabs((double)dy[k]) + fabs((double)x[k]);
            }
            const int N = counts[i];
            bcl_view bx = guard_floats(1, N, x), by = guard_floats(1, N, NULL),
                     bdy = guard_floats(1, N, dy), bdx = guard_floats(1, N, NULL);
            OK(bcl_gelu_forward(&test_ops, by, bx, 1, N, form));
            OK(bcl_gelu_backward(&test_ops, bdx, bdy, bx, 1, N, form));
            compare("gelu", read_floats(by), y, size, n, bcl_exact_limit.gelu);
            compare("gelu gradient", read_floats(bdx), dx, size, n, bcl_exact_limit.gelu);
            OK(bcl_gelu_backward(&test_ops, bdy, bdy, bx, 1, N, form)); /* in place */
            compare("gelu gradient in place", read_floats(bdy), dx, size, n, bcl_exact_limit.gelu);
            OK(bcl_gelu_forward(&test_ops, bx, bx, 1, N, form));
            compare("gelu in place", read_floats(bx), y, size, n, bcl_exact_limit.gelu);
            guards_end();
            free(x);
            free(dy);
            free(y);
            free(dx);
            free(size);
        }
}

static void test_dropout(void **state) {
    (void)state;
    for (int i = 0; i < columns(); i++)
        for (int r = 0; r < 3; r++) {
            const int C = COLUMNS[i];
            const bcl_dropout d = dropout_at(r, 9);
            test_batch b;
            batch_begin(&b, LENGTHS, sentences(), 30, 2, 3);
            const size_t n = (size_t)b.host.T * (size_t)C;
            float *x = random_floats(n, 1, 4);
            double *y = zeros(n);
            for (size_t k = 0; k < n; k++) {
                const size_t t = k / (size_t)C;
                y[k] = (double)x[k] *
                       bcl_exact_mask_row(d, b.host.samples[t], b.host.positions[t], k % (size_t)C);
            }
            const int T = b.host.T;
            bcl_view bx = guard_floats(T, C, x), by = guard_floats(T, C, NULL);
            OK(bcl_dropout_rows(&test_ops, by, bx, &b.device, C, d));
            compare("dropout", read_floats(by), y, NULL, n, bcl_exact_limit.mask);
            OK(bcl_dropout_rows(&test_ops, bx, bx, &b.device, C, d));
            compare("dropout in place", read_floats(bx), y, NULL, n, bcl_exact_limit.mask);
            guards_end();
            batch_end(&b);
            free(x);
            free(y);
        }
}

enum { STRIDE = 8192 }; /* floats: a view may start there on any device */

static void check_layernorm(const int *lengths, int count, int C, int rate, bool accumulate,
                            bool parts) {
    const bcl_dropout d = dropout_at(rate, 2);
    const float eps = 1e-5f;
    test_batch b;
    batch_begin(&b, lengths, count, 30, 2, 3);
    const size_t T = (size_t)b.host.T, W = (size_t)C, n = T * W;
    float *x = random_floats(n, 1, 1), *h = random_floats(n, 1, 2), *dy = random_floats(n, 1, 3);
    float *gamma = random_floats(W, 1, 4), *beta = random_floats(W, 1, 5);
    float *before = random_floats(2 * W, 3, 6), *mean = random_floats(T, 0, 7),
          *rstd = random_floats(T, 0, 8);
    double *r = zeros(n), *y = zeros(n), *dr = zeros(n), *dh = zeros(n);
    double *dg = zeros(W), *db = zeros(W), *dg_size = zeros(W), *db_size = zeros(W);
    double *dyd = widened(dy, n), *gd = widened(gamma, W), *bd = widened(beta, W);
    for (size_t c = 0; c < W && accumulate; c++) {
        dg[c] = (double)before[c];
        db[c] = (double)before[W + c];
        dg_size[c] = fabs(dg[c]);
        db_size[c] = fabs(db[c]);
    }
    for (size_t t = 0; t < T; t++) {
        const size_t row = t * W;
        double m, s;
        for (size_t c = 0; c < W; c++)
            r[row + c] =
                (double)(float)((double)x[row + c] +
                                (double)h[row + c] * bcl_exact_mask_row(d, b.host.samples[t],
                                                                        b.host.positions[t], c));
        bcl_exact_norm(y + row, &m, &s, r + row, gd, bd, C, (double)eps);
        mean[t] = (float)m; /* as the device saves them */
        rstd[t] = (float)s;
        bcl_exact_norm_backward(dr + row, dg, db, dg_size, db_size, dyd + row, r + row,
                                (double)mean[t], (double)rstd[t], gd, C);
        for (size_t c = 0; c < W; c++)
            dh[row + c] =
                dr[row + c] * bcl_exact_mask_row(d, b.host.samples[t], b.host.positions[t], c);
    }
    const int rows = b.host.T;
    bcl_view by = guard_floats(rows, C, NULL), br = guard_floats(rows, C, h),
             bx = guard_floats(rows, C, x), bm = guard_floats(rows, 1, NULL),
             bs = guard_floats(rows, 1, NULL), bg = guard_floats(1, C, gamma),
             bb = guard_floats(1, C, beta), bdy = guard_floats(rows, C, dy),
             bdh = guard_floats(rows, C, NULL), both = guard_floats(2, STRIDE, NULL), bdg, bdb;
    /* in one buffer, as the model's are: only such sums may be taken in parts */
    OK(bcl_view_cut(&bdg, both.root, both.offset, BCL_ELEMENT_F32, 1, C));
    OK(bcl_view_cut(&bdb, both.root, both.offset + STRIDE * sizeof(float), BCL_ELEMENT_F32, 1, C));
    if (accumulate) {
        OK(bcl_buffer_write(test_device, bdg.buffer, 0, before, W * sizeof(float), true));
        OK(bcl_buffer_write(test_device, bdb.buffer, 0, before + W, W * sizeof(float), true));
    }
    if (parts)
        OK(bcl_sums_create(&test_ops.sums, test_device, BCL_SUM_PARTS * 2 * W, 2));
    OK(bcl_residual_layernorm_forward(&test_ops, by, (bcl_view){0}, br, bm, bs, bx, bg, bb,
                                      &b.device, C, eps, d));
    compare("layernorm", read_floats(by), y, NULL, n, bcl_exact_limit.norm);
    compare("layernorm r", read_floats(br), r, NULL, n, bcl_exact_limit.norm);
    /* from here on the host's statistics, so that each step is compared by itself */
    OK(bcl_buffer_write(test_device, bm.buffer, 0, mean, T * sizeof *mean, true));
    OK(bcl_buffer_write(test_device, bs.buffer, 0, rstd, T * sizeof *rstd, true));
    test_ops.accumulate = accumulate;
    OK(bcl_residual_layernorm_backward(&test_ops, bdy, bdh, bdg, bdb, bdy, br, bm, bs, bg,
                                       &b.device, C, d));
    test_ops.accumulate = false;
    bcl_sums_free(test_ops.sums);
    test_ops.sums = NULL;
    if (C > 1) { /* of one column the norm is 0, and rstd 1 / sqrt(eps) blows up any rounding */
        compare("layernorm dr", read_floats(bdy), dr, NULL, n, bcl_exact_limit.norm_gradient);
        compare("layernorm dh", read_floats(bdh), dh, NULL, n, bcl_exact_limit.norm_gradient);
        compare("layernorm dgamma", read_floats(bdg), dg, dg_size, W, bcl_exact_limit.column_sum);
    }
    compare("layernorm dbeta", read_floats(bdb), db, db_size, W, bcl_exact_limit.column_sum);
    bcl_buffer_free(test_device, &bdg.buffer);
    bcl_buffer_free(test_device, &bdb.buffer);
    guards_end();
    batch_end(&b);
    void *const all[] = {x,  h,  dy,  gamma, beta, before,  mean,    rstd, r, y,
                         dr, dh, dyd, dg,    db,   dg_size, db_size, gd,   bd};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

static void test_layernorm(void **state) {
    (void)state;
    for (int i = 0; i < columns(); i++)
        for (int mode = 0; mode < 6; mode++)
            check_layernorm(LENGTHS, sentences(), COLUMNS[i], mode % 3, mode % 3 == 1, mode >= 3);
}

/* On GPUs a row has 32 items where there are rows for all compute units, and it is not too long for
 * their registers; else a group, which may run out of them, too. */
static void test_layernorm_rows(void **state) {
    static const int columns[] = {20, 65, 384, 512, 513, 1000, 4200};
    const int enough = 4 * (int)bcl_device_about(test_device)->compute_units;
    const bool wide = bcl_device_wide(test_device);
    (void)state;
    for (int i = 0; i < (test_small ? 2 : 7); i++)
        for (int less = -1; less < 2; less++) {
            const int C = columns[i], T = enough - less;
            char words[BCL_ROW_WORDS];
            bcl_row_words(words, &test_ops, T, C);
            assert_true(wide ? !*words : (T < enough || C > 512) == !!strstr(words, "GROUP"));
            check_layernorm(&T, 1, C, i % 3, false, false);
        }
    /* few that are in parts, the last part smaller */
    check_layernorm(&(int){18}, 1, 20, 1, false, true);
}

/* Column sums of x and of x times its place's xhat, in one piece and in parts. */
static void check_sums(int T, int N, bool parts, bool accumulate) {
    const size_t t = (size_t)T, n = (size_t)N;
    float *x = random_floats(t * n, 1, 1), *r = random_floats(t * n, 1, 2),
          *mean = random_floats(t, 1, 3), *rstd = random_floats(t, 1, 4),
          *before = random_floats(n, 5, 5);
    double *sum = zeros(n), *size = zeros(n), *gamma = zeros(n), *gamma_size = zeros(n);
    for (size_t c = 0; c < n && accumulate; c++)
        sum[c] = gamma[c] = (double)before[c];
    for (size_t i = 0; i < t * n; i++) {
        const size_t c = i % n, row = i / n;
        const double xhat = ((double)r[i] - (double)mean[row]) * (double)rstd[row];
        sum[c] += (double)x[i];
        size[c] += fabs((double)x[i]) + 1;
        gamma[c] += (double)x[i] * xhat;
        gamma_size[c] += fabs((double)x[i]) * (fabs((double)r[i]) + fabs((double)mean[row])) *
                             fabs((double)rstd[row]) +
                         1;
    }
    const float *from = accumulate ? before : NULL;
    bcl_view bx = guard_floats(T, N, x), br = guard_floats(T, N, r), bm = guard_floats(T, 1, mean),
             bs = guard_floats(T, 1, rstd), y = guard_floats(1, N, from),
             dg = guard_floats(1, N, from), db = guard_floats(1, N, from);
    if (parts)
        OK(bcl_sums_create(&test_ops.sums, test_device, BCL_SUM_PARTS * n, 1));
    test_ops.accumulate = accumulate;
    OK(bcl_sum_rows(&test_ops, y, bx, T, N));
    OK(bcl_layernorm_parameters(&test_ops, dg, db, bx, br, bm, bs, T, N));
    test_ops.accumulate = false;
    bcl_sums_free(test_ops.sums);
    test_ops.sums = NULL;
    compare("sum of rows", read_floats(y), sum, size, n, bcl_exact_limit.column_sum);
    compare("sum for beta", read_floats(db), sum, size, n, bcl_exact_limit.column_sum);
    compare("sum for gamma", read_floats(dg), gamma, gamma_size, n, bcl_exact_limit.column_sum);
    guards_end();
    void *const all[] = {x, r, mean, rstd, before, sum, size, gamma, gamma_size};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

static void test_sums(void **state) {
    static const int shapes[][2] = {{1, 1},    {17, 7},  {65, 20},    {33, 100},
                                    {150, 93}, {49, 65}, {1000, 384}, {1031, 20}};
    (void)state;
    for (int i = 0; i < (test_small ? 3 : 8); i++)
        for (int mode = 0; mode < 4; mode++)
            check_sums(shapes[i][0], shapes[i][1], mode & 1, mode & 2);
}

static void check_linear(int T, int M, int N, bool accumulate) {
    const size_t t = (size_t)T, m = (size_t)M, n = (size_t)N;
    float *x = random_floats(t * m, 1, 1), *w = random_floats(m * n, 1, 2),
          *bias = random_floats(n, 1, 3), *dy = random_floats(t * n, 1, 4),
          *before = random_floats(m * n + n + t * m, 2, 5);
    double *y = zeros(t * n), *dx = zeros(t * m), *dw = zeros(m * n), *db = zeros(n);
    double *ys = zeros(t * n), *dxs = zeros(t * m), *dws = zeros(m * n), *dbs = zeros(n);
    for (size_t i = 0; i < m * n + n + t * m && accumulate; i++)
        (i < m * n ? dw : i < m * n + n ? db - m * n : dx - m * n - n)[i] = (double)before[i];
    for (size_t i = 0; i < t; i++)
        for (size_t k = 0; k < n; k++) {
            const double g = (double)dy[i * n + k];
            y[i * n + k] = (double)bias[k];
            db[k] += g;
            dbs[k] += fabs(g) + 1;
            for (size_t j = 0; j < m; j++) {
                const double a = (double)x[i * m + j], c = (double)w[j * n + k];
                y[i * n + k] += a * c;
                ys[i * n + k] += fabs(a * c) + 1;
                dx[i * m + j] += g * c;
                dxs[i * m + j] += fabs(g * c) + 1;
                dw[j * n + k] += a * g;
                dws[j * n + k] += fabs(a * g) + 1;
            }
        }
    bcl_view bx = guard_floats(T, M, x), bw = guard_floats(M, N, w), bb = guard_floats(1, N, bias),
             by = guard_floats(T, N, NULL), bdy = guard_floats(T, N, dy),
             bdw = guard_floats(M, N, accumulate ? before : NULL),
             bdb = guard_floats(1, N, accumulate ? before + m * n : NULL),
             bdx = guard_floats(T, M, accumulate ? before + m * n + n : NULL);
    OK(bcl_linear_forward(&test_ops, by, bx, bw, bb, T, M, N));
    test_ops.accumulate = accumulate;
    OK(bcl_linear_backward(&test_ops, bdx, bdw, bdb, bdy, bx, bw, T, M, N, accumulate));
    test_ops.accumulate = false;
    compare("linear y", read_floats(by), y, ys, t * n, bcl_exact_limit.linear);
    compare("linear dx", read_floats(bdx), dx, dxs, t * m, bcl_exact_limit.linear);
    compare("linear dw", read_floats(bdw), dw, dws, m * n, bcl_exact_limit.linear);
    compare("linear db", read_floats(bdb), db, dbs, n, bcl_exact_limit.column_sum);
    guards_end();
    void *const all[] = {x, w, bias, dy, before, y, dx, dw, db, ys, dxs, dws, dbs};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

static void test_linear(void **state) {
    static const int shapes[][3] = {{1, 1, 1},    {7, 7, 2},      {3, 20, 60},
                                    {93, 93, 40}, {61, 100, 345}, {150, 64, 192}};
    (void)state;
    for (size_t i = 0; i < (test_small ? 3 : 6); i++)
        for (int accumulate = 0; accumulate < 2; accumulate++)
            check_linear(shapes[i][0], shapes[i][1], shapes[i][2], accumulate);
}

/* GELU behind a layer and before the next: the layers alone are right (test_linear) and GELU is
 * (test_gelu), so they are what the fused forms are held against. */
static void check_linear_gelu(int T, int M, int N, bool tanh_form) {
    const size_t t = (size_t)T, m = (size_t)M, n = (size_t)N;
    float *x = random_floats(t * m, 1, 1), *w = random_floats(m * n, 1, 2),
          *bias = random_floats(n, 1, 3), *dy = random_floats(t * m, 1, 4),
          *v = random_floats(n * m, 1, 5);
    bcl_view bx = guard_floats(T, M, x), bw = guard_floats(M, N, w), bb = guard_floats(1, N, bias),
             pre = guard_floats(T, N, NULL), y = guard_floats(T, N, NULL),
             same = guard_floats(T, N, NULL), bdy = guard_floats(T, M, dy),
             bv = guard_floats(N, M, v), dpre = guard_floats(T, N, NULL),
             dx = guard_floats(T, N, NULL), dv = guard_floats(N, M, NULL),
             db = guard_floats(1, M, NULL), dv2 = guard_floats(N, M, NULL),
             db2 = guard_floats(1, M, NULL);
    OK(bcl_linear_gelu_forward(&test_ops, y, pre, bx, bw, bb, T, M, N, tanh_form));
    OK(bcl_linear_gelu_forward(&test_ops, same, same, bx, bw, bb, T, M, N, tanh_form));
    OK(bcl_linear_forward(&test_ops, dx, bx, bw, bb, T, M, N));
    float *alone = read_floats(dx), *kept = read_floats(pre);
    double *want = zeros(t * n), *slope = zeros(t * n), *size = zeros(t * n);
    for (size_t i = 0; i < t * n; i++) {
        assert_true(kept[i] == alone[i]);
        want[i] = bcl_exact_gelu(&slope[i], (double)kept[i], tanh_form);
        size[i] = fabs((double)kept[i]);
    }
    compare("linear and gelu", read_floats(y), want, size, t * n, bcl_exact_limit.gelu);
    compare("linear and gelu in place", read_floats(same), want, size, t * n, bcl_exact_limit.gelu);
    /* the next layer: (T,N) to (T,M) by v */
    OK(bcl_gelu_linear_backward(&test_ops, dpre, dv, db, bdy, y, pre, bv, T, N, M, tanh_form));
    OK(bcl_linear_backward(&test_ops, dx, dv2, db2, bdy, y, bv, T, N, M, false));
    float *dalone = read_floats(dx), *w1 = read_floats(dv), *w2 = read_floats(dv2),
          *b1 = read_floats(db), *b2 = read_floats(db2);
    for (size_t i = 0; i < t * n; i++) {
        want[i] = slope[i] * (double)dalone[i];
        size[i] = fabs((double)dalone[i]) * (1 + fabs((double)kept[i]));
    }
    compare("gelu and linear, backward", read_floats(dpre), want, size, t * n,
            bcl_exact_limit.gelu);
    assert_memory_equal(w1, w2, n * m * sizeof *w1);
    assert_memory_equal(b1, b2, m * sizeof *b1);
    double *sums = zeros(m), *magnitude = zeros(m);
    for (size_t i = 0; i < t * m; i++) {
        sums[i % m] += (double)dy[i];
        magnitude[i % m] += fabs((double)dy[i]);
    }
    compare("bias gradient", read_floats(db), sums, magnitude, m, bcl_exact_limit.column_sum);
    guards_end();
    void *const all[] = {sums, magnitude, x,    w,      bias, dy, v,  alone, kept,
                         want, slope,     size, dalone, w1,   w2, b1, b2};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

static void test_linear_gelu(void **state) {
    static const int shapes[][3] = {
        {1, 1, 1}, {7, 7, 2}, {3, 20, 60}, {61, 300, 93}, {150, 64, 192}};
    (void)state;
    for (size_t i = 0; i < (test_small ? 3 : 5); i++)
        for (int form = 0; form < 2; form++)
            check_linear_gelu(shapes[i][0], shapes[i][1], shapes[i][2], form);
    for (int i = 0; i < (test_small ? 0 : 10); i++) /* a driver's now-and-then errors */
        check_linear_gelu(61, 30, 93, i % 2);
}

/* The same with operands in bf16; sums and GELU are fp32 there too. */
static void test_linear_gelu_bf16(void **state) {
    bcl_gemm *const fp32 = test_ops.gemm;
    (void)state;
    if (!bcl_device_wide(test_device)) { /* no provider suits such a device */
        print_message("skipped: bf16 on a device without wide vectors\n");
        skip();
    }
    OK(bcl_gemm_create(&test_ops.gemm, test_device, "tile-bf16", BCL_PRECISION_BF16));
    test_linear_gelu(state);
    bcl_gemm_free(test_ops.gemm);
    test_ops.gemm = fp32;
}

/* weighted: with a weight for each label, some 0. */
static void check_cross_entropy(int K, bool accumulate, bool gradient, float smoothing,
                                bool weighted) {
    test_batch b;
    batch_begin(&b, LENGTHS, sentences(), 30, K, 3);
    const size_t T = (size_t)b.host.T, n = T * (size_t)K;
    float *x = random_floats(n, 4, 1), *losses;
    x[0] = 300; /* far from the others: nothing may overflow */
    double *row = zeros(T), *dx = zeros(n), *logits = widened(x, n), stats[2] = {0, 0};
    int32_t *predicted = calloc(T, sizeof *predicted);
    const float before[2] = {100, 3}, weight = 0.125f;
    float *w = random_floats((size_t)K, 1, 9);
    double all = 0; /* of the weights */
    for (int k = 0; k < K; k++) {
        w[k] = !weighted ? 1 : w[k] < 0 ? 0 : 3 * w[k];
        all += (double)w[k];
    }
    if (!weighted && smoothing == 0)
        bcl_exact_cross_entropy(stats, row, predicted, dx, logits, b.host.labels, b.host.T, K,
                                (double)weight);
    for (size_t t = 0; (weighted || smoothing > 0) && t < T; t++) {
        const float *l = x + t * (size_t)K;
        const int label = b.host.labels[t];
        double sum = 0;
        int best = 0;
        for (int k = 1; k < K; k++)
            best = l[k] > l[best] ? k : best;
        for (int k = 0; k < K; k++)
            sum += exp((double)l[k] - (double)l[best]);
        predicted[t] = best;
        if (label < 0)
            continue;
        const double own = (1 - (double)smoothing) * (double)w[label], each = (double)smoothing / K;
        for (int k = 0; k < K; k++) {
            const double a = each * (double)w[k] + (k == label ? own : 0);
            row[t] += a * (log(sum) + (double)l[best] - (double)l[k]);
            dx[t * (size_t)K + (size_t)k] =
                (double)weight *
                ((own + each * all) * exp((double)l[k] - (double)l[best]) / sum - a);
        }
        stats[0] += row[t];
        stats[1] += best == label;
    }
    free(logits);
    for (int i = 0; i < 2 && accumulate; i++)
        stats[i] += (double)before[i];
    const int rows = b.host.T;
    bcl_view bx = guard_floats(rows, K, x), br = guard_floats(rows, 1, NULL),
             bp = guard_ints(rows, 1, NULL), bd = guard_floats(rows, K, NULL),
             bs = guard_floats(1, 2, accumulate ? before : NULL),
             bw = weighted || smoothing > 0 ? guard_floats(1, K, w) : (bcl_view){0};
    test_ops.accumulate = accumulate;
    OK(bcl_cross_entropy(&test_ops, bs, br, bp, gradient ? bd : (bcl_view){0}, bx, &b.device, K,
                         weight, bw, smoothing));
    test_ops.accumulate = false;
    compare("cross-entropy rows", read_floats(br), row, NULL, T, bcl_exact_limit.loss);
    compare("cross-entropy sums", read_floats(bs), stats, NULL, 2, bcl_exact_limit.loss);
    losses = read_floats(bp);
    assert_memory_equal(losses, predicted, T * sizeof *predicted);
    free(losses);
    if (gradient)
        compare("dlogits", read_floats(bd), dx, NULL, n, bcl_exact_limit.dlogits);
    else {
        losses = read_floats(bx);
        assert_memory_equal(losses, x, n * sizeof *x);
        free(losses);
    }
    guards_end();
    batch_end(&b);
    free(x);
    free(w);
    free(row);
    free(dx);
    free(predicted);
}

/* PyTorch 2.15's cross_entropy(x, y, weight, label_smoothing) in double and its gradient. */
static void test_cross_entropy_of_pytorch(void **state) {
    enum { ROWS = 7, K = 5 };
    static const float x[ROWS * K] = {
        -0.435f, 0.293f, 1.338f,  -1.028f, -3.172f, -1.495f, 1.308f,  1.821f,  0.297f,
        -1.618f, 3.173f, -0.694f, 1.097f,  2.294f,  -0.249f, 1.109f,  -0.921f, 2.128f,
        -4.447f, -3.33f, -0.698f, -1.55f,  -1.401f, -3.818f, -0.753f, 1.819f,  -0.849f,
        -2.16f,  1.074f, 1.58f,   -1.828f, -2.198f, 2.423f,  0.801f,  -1.815f};
    static const int32_t y[ROWS] = {0, 2, -100, 4, 1, 0, 3};
    static const float weights[K] = {0.25f, 2, 1.5f, 0, 3}, ones[K] = {1, 1, 1, 1, 1};
    static const struct {
        const float *weights;
        float smoothing;
        double sum, loss, gradient[ROWS * K]; /* sum: of the weights of y */
    } cases[] = {
        {ones, 0.1f, 6, 2.2616909733, {-0.13593027, 0.03270727,  0.09914447,  0.00628476,
                                       -0.00220624, -0.00012387, 0.04960380,  -0.06491272,
                                       0.01592811,  -0.00049532, 0,           0,
                                       0,           0,           0,           0.03921156,
                                       0.00225432,  0.11453402,  -0.00316893, -0.15283097,
                                       0.05389518,  -0.12892188, 0.02500038,  -0.00080628,
                                       0.05083261,  -0.08241872, 0.00158749,  -0.00200692,
                                       0.03033226,  0.05250589,  -0.00141187, -0.00200611,
                                       0.13150669,  -0.12670199, -0.00138672}},
        {weights,
         0,
         7,
         3.2834997327,
         {-0.03198506, 0.00772299, 0.02195953, 0.00206102, 0.00024152,  0.00412646,  0.06806203,
          -0.10060207, 0.02476471, 0.00364888, 0,          0,           0,           0,
          0,           0.10940116, 0.01436826, 0.30308748, 0.00042275,  -0.42727965, 0.09810603,
          -0.24386609, 0.04857208, 0.00433208, 0.09285590, -0.02051830, 0.00105446,  0.00028423,
          0.00721406,  0.01196555, 0,          0,          0,           0,           0}},
        {weights, 0.2f, 7, 3.2738829829, {-0.02298905, 0.00309064,  0.03271249,  0.00387472,
                                          -0.01668880, 0.00261536,  0.05527222,  -0.06859003,
                                          0.02426941,  -0.01356696, 0,           0,
                                          0,           0,           0,           0.09593846,
                                          0.00135918,  0.26117643,  0.00037625,  -0.35885032,
                                          0.09030056,  -0.20087193, 0.03684346,  0.00405050,
                                          0.06967741,  -0.00143154, -0.00944618, -0.00803707,
                                          0.01356243,  0.00535237,  -0.00098389, -0.01112141,
                                          0.02263440,  0.00616325,  -0.01669236}},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const bcl_batch_layout batch = {.T = ROWS, .labels = guard_ints(ROWS, 1, y)};
        bcl_view bx = guard_floats(ROWS, K, x), br = guard_floats(ROWS, 1, NULL),
                 bp = guard_ints(ROWS, 1, NULL), bd = guard_floats(ROWS, K, NULL),
                 bs = guard_floats(1, 2, NULL), bw = guard_floats(1, K, cases[i].weights);
        OK(bcl_cross_entropy(&test_ops, bs, br, bp, bd, bx, &batch, K, 1 / (float)cases[i].sum, bw,
                             cases[i].smoothing));
        float *stats = read_floats(bs);
        stats[0] /= (float)cases[i].sum;
        compare("PyTorch's loss", stats, (double[]){cases[i].loss, 2}, NULL, 2,
                bcl_exact_limit.loss);
        compare("PyTorch's gradient", read_floats(bd), cases[i].gradient, NULL, ROWS * K,
                (test_limit){3e-8, 4e-6});
        guards_end();
    }
}

static void test_cross_entropy(void **state) {
    static const int labels[] = {2, 5, 16, 40, 93};
    (void)state;
    for (int i = 0; i < (test_small ? 2 : 5); i++)
        for (int mode = 0; mode < 3; mode++)
            for (int kind = 0; kind < 4; kind++)
                check_cross_entropy(labels[i], mode == 1, mode < 2, kind & 1 ? 0.15f : 0, kind & 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_comparator),
                                       cmocka_unit_test(test_gelu),
                                       cmocka_unit_test(test_dropout),
                                       cmocka_unit_test(test_layernorm),
                                       cmocka_unit_test(test_layernorm_rows),
                                       cmocka_unit_test(test_sums),
                                       cmocka_unit_test(test_linear),
                                       cmocka_unit_test(test_linear_gelu),
                                       cmocka_unit_test(test_linear_gelu_bf16),
                                       cmocka_unit_test(test_cross_entropy),
                                       cmocka_unit_test(test_cross_entropy_of_pytorch)};
    return TEST_RUN_ON_DEVICE(tests);
}
