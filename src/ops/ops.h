/* BERT's operations on packed tokens, forward and backward, all queued on the device's queue.
 * T tokens in the batch, B sentences, C hidden, NH heads, HS head size, F feed-forward, K labels.
 * Arguments: outputs, saved, inputs, parameters, dims. Backward is the same list with d before the
 * names. Parameter gradients are added to (+=) when ops->accumulate, else overwritten; activation
 * gradients are overwritten. */
#ifndef BCL_OPS_H
#define BCL_OPS_H

#include "ocl/ocl.h"
#include "ops/gemm/gemm.h"

/* The lists of int32 that a packed batch is, in the order in which they lie in its block:
 * X(name, elements at most, elements in use), of T tokens, B sentences and U different words that
 * have a gradient row, 0 without training. What only training uses stands last. */
#define BCL_BATCH_LISTS(X)                                                                         \
    X(ids, T, T)                           /* pieces */                                            \
    X(positions, T, T)                     /* within the sentence */                               \
    X(samples, T, T)                       /* the sentence's number in its data set: */            \
                                           /* dropout belongs to it */                             \
    X(sentence_of, T, T)                   /* 0..B-1 */                                            \
    X(starts, B + 1, B + 1)                /* first token of each sentence */                      \
    X(labels, T, T)                        /* below 0: not counted */                              \
    X(order, T, U ? T : 0)                 /* tokens sorted by (id, t) */                          \
    X(unique_slots, T, U)                  /* gradient row of each different id */                 \
    X(unique_starts, T + 1, U ? U + 1 : 0) /* its tokens in order */

/* The lists on the device. */
typedef struct bcl_batch_layout {
    int T, B, longest, U; /* longest sentence, tokens */
#define X(name, most, used) cl_mem name;
    BCL_BATCH_LISTS(X)
#undef X
} bcl_batch_layout;

/* Everything that an operation needs besides its operands. */
typedef struct bcl_ops {
    bcl_device *device;
    bcl_gemm *gemm;
    bool accumulate; /* parameter gradients: += instead of = */
    bool packed;     /* forward only: the weights that bcl_gemm_packs are packed */
    bool auxiliary;  /* linear layers' dw and db on the second queue: the caller waits, see ocl.h;
                      * only where bcl_gemm_runs_on_auxiliary */
} bcl_ops;

/* The operation of the profile that ends a step, and what names of matrix products begin with. */
#define BCL_OPERATION_UPDATE "Adam"
#define BCL_OPERATION_GEMM   "matrix product"

/* Dropout of one place: keep with 1 - p. The mask is a function of key, site, the sample and the
 * element's place in it, see cl/common.h. p = 0: none. */
typedef struct bcl_dropout {
    float p;
    uint32_t site;
    uint32_t key[2];
} bcl_dropout;
/* Site numbers: layer 0 is the embeddings, 1..L the layers, L+1 the head. */
enum { BCL_SITE_FIRST = 0, BCL_SITE_SECOND = 1, BCL_SITE_ATTENTION = 0x8000 };
static inline uint32_t bcl_site(int layer, int place) {
    return (uint32_t)layer << 16 | (uint32_t)place;
}

/* y (T,C) = dropout(LayerNorm(word[id] + position + type[0])); mean, rstd (T) are saved. */
bcl_status bcl_embedding_forward(bcl_ops *ops, cl_mem y, cl_mem mean, cl_mem rstd,
                                 const bcl_batch_layout *batch, cl_mem word /* (V,C) */,
                                 cl_mem position /* (P,C) */, cl_mem type /* (types,C) */,
                                 cl_mem gamma, cl_mem beta, int C, float eps, bcl_dropout dropout);
/* dy (T,C) is overwritten, r (T,C) is scratch. dword (R,C) is written by slots (see
 * cl/embedding.cl), with row_step (R) and `step`. */
bcl_status bcl_embedding_backward(bcl_ops *ops, cl_mem dy, cl_mem r, cl_mem dword, cl_mem row_step,
                                  cl_mem dposition, cl_mem dtype, cl_mem dgamma, cl_mem dbeta,
                                  cl_mem mean, cl_mem rstd, const bcl_batch_layout *batch,
                                  cl_mem word, cl_mem position, cl_mem type, cl_mem gamma, int P,
                                  int C, int step, bcl_dropout dropout);

/* y (T,N) = x (T,M) w (M,N) + b (N) */
bcl_status bcl_linear_forward(bcl_ops *ops, cl_mem y, cl_mem x, cl_mem w, cl_mem b, int T, int M,
                              int N);
/* dx (T,M) = dy w' (or += with add_dx); dw = x' dy; db = column sums of dy. dx may be NULL. */
bcl_status bcl_linear_backward(bcl_ops *ops, cl_mem dx, cl_mem dw, cl_mem db, cl_mem dy, cl_mem x,
                               cl_mem w, int T, int M, int N, bool add_dx);

/* y (T,N) = gelu(pre), pre = x w + b; pre may be y where it is not kept. */
bcl_status bcl_linear_gelu_forward(bcl_ops *ops, cl_mem y, cl_mem pre, cl_mem x, cl_mem w, cl_mem b,
                                   int T, int M, int N, bool tanh_form);
/* Backward of y = x w + b with x = gelu(pre): as bcl_linear_backward, with dpre (T,M) instead of
 * dx. */
bcl_status bcl_gelu_linear_backward(bcl_ops *ops, cl_mem dpre, cl_mem dw, cl_mem db, cl_mem dy,
                                    cl_mem x, cl_mem pre, cl_mem w, int T, int M, int N,
                                    bool tanh_form);

bcl_status bcl_gelu_forward(bcl_ops *ops, cl_mem y, cl_mem x, size_t count, bool tanh_form);
bcl_status bcl_gelu_backward(bcl_ops *ops, cl_mem dx, cl_mem dy, cl_mem x, size_t count,
                             bool tanh_form);

/* y = dropout(x), rows of C; its own backward. y may be x. */
bcl_status bcl_dropout_rows(bcl_ops *ops, cl_mem y, cl_mem x, const bcl_batch_layout *batch, int C,
                            bcl_dropout dropout);

/* r = x + dropout(h), y = LayerNorm(r); r holds h on entry. mean, rstd (T) are saved. */
bcl_status bcl_residual_layernorm_forward(bcl_ops *ops, cl_mem y, cl_mem r, cl_mem mean,
                                          cl_mem rstd, cl_mem x, cl_mem gamma, cl_mem beta,
                                          const bcl_batch_layout *batch, int C, float eps,
                                          bcl_dropout dropout);
/* y (T,C) again, to the same bits, from what the forward pass saved. */
bcl_status bcl_layernorm_recompute(bcl_ops *ops, cl_mem y, cl_mem r, cl_mem mean, cl_mem rstd,
                                   cl_mem gamma, cl_mem beta, int T, int C);
/* dr = gradient of x and, behind the dropout, dh. dr may be dy. */
bcl_status bcl_residual_layernorm_backward(bcl_ops *ops, cl_mem dr, cl_mem dh, cl_mem dgamma,
                                           cl_mem dbeta, cl_mem dy, cl_mem r, cl_mem mean,
                                           cl_mem rstd, cl_mem gamma, const bcl_batch_layout *batch,
                                           int C, bcl_dropout dropout);

/* out (T,NH,HS) = dropout(softmax(Q K' / sqrt(HS))) V within each sentence; lse (T,NH) is saved. */
bcl_status bcl_attention_forward(bcl_ops *ops, cl_mem out, cl_mem lse, cl_mem qkv /* (T,3,NH,HS) */,
                                 const bcl_batch_layout *batch, int NH, int HS,
                                 bcl_dropout dropout);
/* delta (T,NH) is scratch. */
bcl_status bcl_attention_backward(bcl_ops *ops, cl_mem dqkv, cl_mem delta, cl_mem dout, cl_mem out,
                                  cl_mem lse, cl_mem qkv, const bcl_batch_layout *batch, int NH,
                                  int HS, bcl_dropout dropout);

/* stats (2 floats) (+)= {sum of losses, right labels}; row_loss (T) and predicted (T, int32) are
 * outputs; dlogits (T,K) = weight (softmax - onehot), or NULL. */
bcl_status bcl_cross_entropy(bcl_ops *ops, cl_mem stats, cl_mem row_loss, cl_mem predicted,
                             cl_mem dlogits, cl_mem logits, const bcl_batch_layout *batch, int K,
                             float weight);

/* Adam's numbers for one step; t counts from 1. decoupled: AdamW. */
typedef struct bcl_adam {
    double lr, beta1, beta2, eps, weight_decay;
    bool decoupled;
    float clip; /* largest gradient norm, 0: none */
} bcl_adam;
/* The arenas that Adam walks: N dense parameters, and R rows of C of the word embedding. */
typedef struct bcl_adam_arenas {
    cl_mem p, g, m, v; /* (N) */
    size_t N;
    cl_mem table;               /* (V,C) */
    cl_mem row_g, row_m, row_v; /* (R,C) */
    cl_mem row_ids, row_step;   /* (R) int32 */
    int R, C;
    cl_mem partial; /* BCL_ADAM_PARTIALS floats */
    cl_mem clip;    /* 2 floats: factor, norm */
} bcl_adam_arenas;
enum { BCL_ADAM_PARTIALS = 512 };
/* x[ranges[i][0]] .. x[ranges[i][1] - 1] = 0 for `count` ranges (count,2), int32. */
bcl_status bcl_zero_ranges(bcl_ops *ops, cl_mem x, cl_mem ranges, int count);
/* One update, and clip = {factor, norm} of all gradients; `step` counts from 0 and is what the
 * rows' gradients were written with. */
bcl_status bcl_adam_step(bcl_ops *ops, const bcl_adam_arenas *arenas, const bcl_adam *adam,
                         int step);

#endif
