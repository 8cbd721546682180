/* See ops/exact.h: elements, rows, products, the loss and Adam. */
#include "ops/exact.h"

#include <math.h>

const bcl_exact_limits bcl_exact_limit = {
    .gelu = {1e-6, 1e-6}, /* erf_fast: 2e-7 on either side of 1 */
    .linear = {1e-6, 5e-7},
    .mask = {1e-30, 1.5e-7}, /* one rounding: 6e-8 */
    .norm = {4e-6, 4e-6},
    .norm_gradient = {1e-5, 1e-5},
    .column_sum = {1e-6, 2e-6},
    .embedding = {4e-6, 4e-6},
    .embedding_sum = {4e-6, 4e-6},
    .loss = {1e-6, 2e-6},
    .dlogits = {1e-7, 4e-6},
    .attention = {2e-6, 4e-6}, /* averages of values of size 1 */
    .attention_lse = {2e-6, 1e-6},
    .attention_gradient = {4e-6, 1e-5},
    .gradient_norm = {0, 2e-6},
    .moment1 = {1e-6, 4e-6},
    .moment2 = {1e-9, 4e-6},
    .weight = {1e-7, 1e-6},
};

/* ---- errors ---- */

enum { BINS = 1024, ABOVE = 4 }; /* of shares from 0 to ABOVE; what is above is in the last */

void bcl_error_measure(bcl_error *out, const float *got, const double *want,
                       const double *magnitude, size_t count, bcl_error_limit limit) {
    size_t bins[BINS] = {0}, below = 0;
    int bin = 0;
    *out = (bcl_error){0};
    for (size_t i = 0; i < count; i++) {
        const double size = magnitude ? magnitude[i] : fabs(want[i]);
        const double allowed = limit.atol + limit.rtol * size, e = fabs((double)got[i] - want[i]);
        const double s = e <= 0 ? 0 : e <= allowed * ABOVE * BINS ? e / allowed : HUGE_VAL;
        bins[s < ABOVE ? (size_t)(s / ABOVE * BINS) : BINS - 1]++;
        if (s > out->worst) {
            out->worst = s;
            out->at = i;
        }
    }
    while (bin < BINS - 1 && (below += bins[bin]) * 100 < count * 99)
        bin++;
    out->p99 = fmin(bin == BINS - 1 ? out->worst : (double)(bin + 1) * ABOVE / BINS, out->worst);
}

/* ---- elements and rows ---- */

static double mask_of(bcl_dropout d, uint32_t column, uint32_t y, uint32_t z, uint32_t w) {
    uint32_t words[4];
    if (!(d.p > 0))
        return 1;
    bcl_philox(words, (uint32_t[4]){column / 64 * 16 + column % 16, y, z, w}, d.key);
    return words[column / 16 % 4] >= (uint32_t)((double)d.p * 4294967296.0)
               ? (double)(float)(1 / (1 - (double)d.p))
               : 0;
}

double bcl_exact_mask_row(bcl_dropout d, int32_t sample, int32_t position, size_t column) {
    return mask_of(d, (uint32_t)column, (uint32_t)position, (uint32_t)sample, d.site);
}

double bcl_exact_mask_attention(bcl_dropout d, int32_t sample, int head, int query, int key) {
    return mask_of(d, (uint32_t)key, (uint32_t)query, (uint32_t)sample, d.site | (uint32_t)head);
}

double bcl_exact_gelu(double *slope, double x, bool tanh_form) {
    const double pi = 3.14159265358979323846;
    if (tanh_form) {
        const double a = sqrt(2 / pi), t = tanh(a * (x + 0.044715 * x * x * x));
        *slope = 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * a * (1 + 3 * 0.044715 * x * x);
        return 0.5 * x * (1 + t);
    }
    *slope = 0.5 * erfc(-x / sqrt(2.0)) + x / sqrt(2 * pi) * exp(-0.5 * x * x);
    return 0.5 * x * erfc(-x / sqrt(2.0));
}

void bcl_exact_norm(double *y, double *mean, double *rstd, const double *r, const double *gamma,
                    const double *beta, int C, double eps) {
    double m = 0, v = 0;
    for (int c = 0; c < C; c++)
        m += r[c] / C;
    for (int c = 0; c < C; c++)
        v += (r[c] - m) * (r[c] - m) / C;
    const double s = 1 / sqrt(v + eps);
    for (int c = 0; c < C; c++)
        y[c] = (r[c] - m) * s * gamma[c] + beta[c];
    *mean = m;
    *rstd = s;
}

void bcl_exact_norm_backward(double *dr, double *dgamma, double *dbeta, double *gamma_size,
                             double *beta_size, const double *dy, const double *r, double mean,
                             double rstd, const double *gamma, int C) {
    double g = 0, gx = 0;
    for (int c = 0; c < C; c++) {
        const double x = (r[c] - mean) * rstd;
        g += dy[c] * gamma[c] / C;
        gx += dy[c] * gamma[c] * x / C;
        dgamma[c] += dy[c] * x;
        dbeta[c] += dy[c];
        if (gamma_size) {
            gamma_size[c] += fabs(dy[c] * x);
            beta_size[c] += fabs(dy[c]);
        }
    }
    for (int c = 0; c < C; c++)
        dr[c] = rstd * (dy[c] * gamma[c] - g - (r[c] - mean) * rstd * gx);
}

/* ---- matrix products ---- */

enum { PANEL = 8, ROWS = 2, WORTH_A_THREAD = 1 << 20 };

typedef struct product {
    double *c;
    const double *a, *b;
    size_t M, N, K, b_row, b_column; /* distances between B's elements; A is (M,K) */
    double *panels;                  /* (workers,K,PANEL) */
} product;

/* C's columns of one panel. */
static void one_panel(const product *p, double *panel, size_t n0) {
    const size_t width = p->N - n0 < PANEL ? p->N - n0 : PANEL, K = p->K;
    for (size_t k = 0; k < K; k++)
        for (size_t j = 0; j < PANEL; j++)
            panel[k * PANEL + j] = j < width ? p->b[k * p->b_row + (n0 + j) * p->b_column] : 0;
    for (size_t m = 0; m < p->M; m += ROWS) {
        const double *x = p->a + m * K, *y = m + 1 < p->M ? x + K : x;
        double sum[ROWS][PANEL] = {{0}};
        for (size_t k = 0; k < K; k++)
            for (size_t j = 0; j < PANEL; j++) {
                sum[0][j] += x[k] * panel[k * PANEL + j];
                sum[1][j] += y[k] * panel[k * PANEL + j];
            }
        for (size_t i = 0; i < ROWS && m + i < p->M; i++)
            for (size_t j = 0; j < width; j++)
                p->c[(m + i) * p->N + n0 + j] += sum[i][j];
    }
}

static bcl_status some_panels(void *context, size_t worker, size_t begin, size_t end) {
    const product *p = context;
    for (size_t i = begin; i < end; i++)
        one_panel(p, p->panels + worker * p->K * PANEL, i * PANEL);
    return BCL_OK;
}

static bcl_status nothing(void *context, size_t worker, size_t begin, size_t end) {
    (void)context;
    (void)worker;
    (void)begin;
    (void)end;
    return BCL_OK;
}

bcl_status bcl_exact_product(double *c, const double *a, const double *b, bcl_gemm_layout layout,
                             int M, int N, int K) {
    bcl_status status = BCL_OK;
    const size_t m = (size_t)M, n = (size_t)N, k = (size_t)K;
    product p = {.c = c, .a = a, .b = b, .M = m, .N = n, .K = k};
    /* threads where they pay */
    const bcl_parallel job = {(n + PANEL - 1) / PANEL, 1 + WORTH_A_THREAD / (m * k + 1),
                              some_panels, nothing, &p};
    double *turned = NULL;
    p.b_row = layout == BCL_GEMM_NT ? 1 : n;
    p.b_column = layout == BCL_GEMM_NT ? k : 1;
    BCL_NEW(p.panels, bcl_parallel_workers(&job) * k * PANEL);
    if (layout == BCL_GEMM_TN) {
        BCL_NEW(turned, m * k);
        for (size_t i = 0; i < m * k; i++)
            turned[i] = a[i % k * m + i / k];
        p.a = turned;
    }
    BCL_TRY(bcl_parallel_run(&job));
out:
    free(turned);
    free(p.panels);
    return status;
}

/* The Euclidean length of each of n vectors of K elements. */
static bcl_status lengths(double **out, const double *x, size_t n, size_t K, bool columns) {
    bcl_status status = BCL_OK;
    BCL_NEW(*out, n);
    for (size_t i = 0; i < n * K; i++)
        (*out)[columns ? i % n : i / K] += x[i] * x[i];
    for (size_t i = 0; i < n; i++)
        (*out)[i] = sqrt((*out)[i]);
out:
    return status;
}

bcl_status bcl_exact_product_size(double *size, const double *a, const double *b,
                                  bcl_gemm_layout layout, int M, int N, int K) {
    bcl_status status = BCL_OK;
    const size_t m = (size_t)M, n = (size_t)N;
    double *rows = NULL, *columns = NULL;
    BCL_TRY(lengths(&rows, a, m, (size_t)K, layout == BCL_GEMM_TN));
    BCL_TRY(lengths(&columns, b, n, (size_t)K, layout != BCL_GEMM_NT));
    for (size_t i = 0; i < m * n; i++)
        size[i] = 1 + rows[i / n] * columns[i % n];
out:
    free(rows);
    free(columns);
    return status;
}

void bcl_exact_add_bias(double *y, const double *b, int T, int N) {
    for (size_t i = 0; i < (size_t)T * (size_t)N; i++)
        y[i] += b[i % (size_t)N];
}

void bcl_exact_sum_rows(double *sums, double *size, const double *x, int T, int N) {
    for (size_t i = 0; i < (size_t)T * (size_t)N; i++) {
        sums[i % (size_t)N] += x[i];
        if (size)
            size[i % (size_t)N] += fabs(x[i]);
    }
}

/* ---- the embedding ---- */

bcl_status bcl_exact_embedding_run(const bcl_exact_embedding *e) {
    bcl_status status = BCL_OK;
    const size_t C = (size_t)e->C;
    double *r = NULL, *dy = NULL, mean, rstd;
    BCL_NEW(r, C);
    BCL_NEW(dy, C);
    for (size_t t = 0; t < (size_t)e->T; t++) {
        const size_t id = (size_t)e->ids[t] * C, p = (size_t)e->positions[t] * C;
        double *y = e->y + t * C;
        for (size_t c = 0; c < C; c++)
            r[c] = e->word[id + c] + e->position[p + c] + e->type[c];
        bcl_exact_norm(y, &mean, &rstd, r, e->gamma, e->beta, e->C, e->eps);
        for (size_t c = 0; c < C; c++) {
            const double mask = bcl_exact_mask_row(e->dropout, e->samples[t], e->positions[t], c);
            y[c] *= mask;
            dy[c] = e->dy ? e->dy[t * C + c] * mask : 0;
        }
        if (!e->dy)
            continue;
        for (size_t c = 0; c < C && e->size; c++)
            e->size[c] += fabs(e->dy[t * C + c]) * (2 + fabs((r[c] - mean) * rstd));
        bcl_exact_norm_backward(dy, e->dgamma, e->dbeta, NULL, NULL, dy, r, mean, rstd, e->gamma,
                                e->C);
        for (size_t c = 0; c < C; c++) {
            e->dword[id + c] += dy[c];
            e->dposition[p + c] += dy[c];
            e->dtype[c] += dy[c];
            if (e->size)
                e->size[c] += fabs(dy[c]);
        }
    }
out:
    free(r);
    free(dy);
    return status;
}

/* ---- the loss ---- */

void bcl_exact_cross_entropy(double stats[2], double *row_loss, int32_t *predicted, double *dlogits,
                             const double *logits, const int32_t *labels, int T, int K,
                             double weight) {
    for (int t = 0; t < T; t++) {
        const double *l = logits + (size_t)t * (size_t)K;
        double *d = dlogits ? dlogits + (size_t)t * (size_t)K : NULL, sum = 0;
        const int label = labels[t];
        int best = 0;
        for (int k = 1; k < K; k++)
            best = l[k] > l[best] ? k : best;
        for (int k = 0; k < K; k++)
            sum += exp(l[k] - l[best]);
        predicted[t] = best;
        row_loss[t] = label < 0 ? 0 : log(sum) + l[best] - l[label];
        stats[0] += row_loss[t];
        stats[1] += best == label;
        for (int k = 0; d && k < K; k++)
            d[k] = label < 0 ? 0 : weight * (exp(l[k] - l[best]) / sum - (k == label ? 1 : 0));
    }
}

/* ---- the optimizer ---- */

void bcl_exact_adam(double *x, double *m, double *v, double g, const bcl_adam *a, int t) {
    if (a->decoupled)
        *x *= 1 - a->lr * a->weight_decay;
    else
        g += a->weight_decay * *x;
    *m = a->beta1 * *m + (1 - a->beta1) * g;
    *v = a->beta2 * *v + (1 - a->beta2) * g * g;
    *x -= a->lr / (1 - pow(a->beta1, t)) * *m / (sqrt(*v / (1 - pow(a->beta2, t))) + a->eps);
}

double bcl_exact_clip(const bcl_adam *adam, double norm) {
    return adam->clip > 0 ? fmin(1, (double)adam->clip / (norm + 1e-6)) : 1;
}
