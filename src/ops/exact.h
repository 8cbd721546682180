/* The operations in double precision on the host, written plainly: what the tests and `bertcl bench
 * verify` hold a device's results against. Dims as in ops/ops.h; matrices are row-major. Outputs
 * are overwritten, gradients of parameters are added to. */
#ifndef BCL_OPS_EXACT_H
#define BCL_OPS_EXACT_H

#include "ops/ops.h"

/* ---- errors ---- */

/* |got - want| <= atol + rtol * magnitude */
typedef struct bcl_error_limit {
    double atol, rtol;
} bcl_error_limit;
/* What rounding in fp32 may give, for operands of size 1; used with the magnitude beside it. */
typedef struct bcl_exact_limits {
    bcl_error_limit gelu;          /* |x|, of the gradient |x| + |dy| */
    bcl_error_limit linear;        /* sum of |x| |w|, + 1 */
    bcl_error_limit mask;          /* |want| */
    bcl_error_limit norm;          /* |want| */
    bcl_error_limit norm_gradient; /* |want| */
    bcl_error_limit column_sum;    /* sum of |terms| */
    bcl_error_limit embedding;     /* |want| */
    bcl_error_limit embedding_sum; /* bcl_exact_embedding.size */
    bcl_error_limit loss, dlogits; /* |want| */
    bcl_error_limit attention, attention_lse, attention_gradient; /* |want| */
    bcl_error_limit gradient_norm, moment1, moment2, weight;      /* |want|, of Adam */
} bcl_exact_limits;
extern const bcl_exact_limits bcl_exact_limit;

/* Errors of many elements as shares of their limits: above 1 is a failure. */
typedef struct bcl_error {
    double worst, p99; /* HUGE_VAL: a NaN or an infinity among `got` or `want` */
    size_t at;         /* the worst element */
} bcl_error;
/* magnitude NULL: |want|. */
void bcl_error_measure(bcl_error *out, const float *got, const double *want,
                       const double *magnitude, size_t count, bcl_error_limit limit);

/* ---- elements and rows ---- */

/* The factor of an element: 0 or 1 / (1 - p), by the numbering in cl/common.h. */
double bcl_exact_mask_row(bcl_dropout d, int32_t sample, int32_t position, size_t column);
double bcl_exact_mask_attention(bcl_dropout d, int32_t sample, int head, int query, int key);

/* gelu(x), and its slope. */
double bcl_exact_gelu(double *slope, double x, bool tanh_form);

/* y (C) = LayerNorm(r (C)). */
void bcl_exact_norm(double *y, double *mean, double *rstd, const double *r, const double *gamma,
                    const double *beta, int C, double eps);
/* dr (C), which may be dy; adds to dgamma and dbeta (C) and to the sums of the terms' magnitudes,
 * unless these are NULL. */
void bcl_exact_norm_backward(double *dr, double *dgamma, double *dbeta, double *gamma_size,
                             double *beta_size, const double *dy, const double *r, double mean,
                             double rstd, const double *gamma, int C);

/* ---- matrix products ---- */

/* C (M,N) += the product, see bcl_gemm_layout. By a few threads. */
bcl_status bcl_exact_product(double *c, const double *a, const double *b, bcl_gemm_layout layout,
                             int M, int N, int K);
/* size (M,N) = 1 + |row of A| |column of B|, at least the sum of the terms' magnitudes. */
bcl_status bcl_exact_product_size(double *size, const double *a, const double *b,
                                  bcl_gemm_layout layout, int M, int N, int K);
/* Adds b (N) to each of T rows of y. */
void bcl_exact_add_bias(double *y, const double *b, int T, int N);
/* sums (N) += the columns' sums of x (T,N), size likewise of the magnitudes, unless NULL. */
void bcl_exact_sum_rows(double *sums, double *size, const double *x, int T, int N);

/* ---- whole operations ---- */

typedef struct bcl_exact_attention {
    int B, NH, HS;
    const int32_t *starts, *samples; /* (B + 1), (T) */
    bcl_dropout dropout;
    const double *qkv, *dout; /* (T,3,NH,HS), (T,NH,HS) or NULL: forward alone */
    const double *given;      /* (T,NH,HS): out as the backward pass reads it; NULL: exact */
    double *out, *lse, *dqkv; /* (T,NH,HS), (T,NH), (T,3,NH,HS) */
} bcl_exact_attention;
bcl_status bcl_exact_attention_run(const bcl_exact_attention *a);

typedef struct bcl_exact_embedding {
    int T, C;
    const int32_t *ids, *positions, *samples; /* (T) */
    bcl_dropout dropout;
    double eps;
    const double *word, *position, *type, *gamma, *beta; /* (V,C), (P,C), (1,C), (C), (C) */
    const double *dy;                                    /* (T,C); NULL: forward alone */
    double *y;                                           /* (T,C) */
    double *dword, *dposition, *dtype, *dgamma, *dbeta;  /* as the parameters; added to */
    double *size; /* (C) for all parameter gradients: the largest sum of |terms| */
} bcl_exact_embedding;
bcl_status bcl_exact_embedding_run(const bcl_exact_embedding *e);

/* row_loss (T), predicted (T), dlogits (T,K) unless NULL; adds to stats {sum of losses, right
 * labels}. */
void bcl_exact_cross_entropy(double stats[2], double *row_loss, int32_t *predicted, double *dlogits,
                             const double *logits, const int32_t *labels, int T, int K,
                             double weight);

/* One step t (from 1) on one element, as torch.optim documents it. */
void bcl_exact_adam(double *x, double *m, double *v, double g, const bcl_adam *adam, int t);
/* The factor that clips a gradient of that norm. */
double bcl_exact_clip(const bcl_adam *adam, double norm);

#endif
