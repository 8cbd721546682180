/* BERT's operations on packed tokens, forward and backward, all queued on the device's queue.
 * T tokens in the batch, B sentences, C hidden, NH heads, HS head size, F feed-forward, K labels.
 * Arguments: outputs, saved, inputs, parameters, dims. Backward is the same list with d before the
 * names. Parameter gradients are added to (+=) when ops->accumulate, else overwritten; activation
 * gradients are overwritten. Every operand is checked against the shape and type that stand beside
 * it here, f32 where none does, before anything is launched, see ops/view.h. A vector of the model
 * is (1,C). */
#ifndef BCL_OPS_H
#define BCL_OPS_H

#include "ops/gemm/gemm.h"
#include "ops/view.h"

/* The lists of int32 that a packed batch is, in the order in which they lie in its block:
 * X(name, elements at most, elements in use), of T tokens, B sentences, N blocks of them and U
 * different words that have a gradient row, 0 without training. What only training uses stands
 * last. */
#define BCL_BATCH_LISTS(X)                                                                         \
    X(ids, T, T)                              /* pieces */                                         \
    X(positions, T, T)                        /* within the sentence */                            \
    X(samples, T, T)                          /* the sentence's number in its data set: */         \
                                              /* dropout belongs to it */                          \
    X(sentence_of, T, T)                      /* 0..B-1 */                                         \
    X(starts, B + 1, B + 1)                   /* first token of each sentence */                   \
    X(blocks, 4 * (T / BCL_BLOCK + B), 4 * N) /* of BCL_BLOCK tokens of a sentence, the last */    \
                                              /* of fewer: its first token, the sentence's */      \
                                              /* first, its length, its number (samples) */        \
    X(labels, T, T)                           /* below 0: not counted */                           \
    X(order, T, U ? T : 0)                    /* tokens sorted by (id, t) */                       \
    X(unique_slots, T, U)                     /* gradient row of each different id */              \
    X(unique_starts, T + 1, U ? U + 1 : 0)    /* its tokens in order */

/* Tokens of a block. */
enum { BCL_BLOCK = 32 };

/* The lists on the device. */
typedef struct bcl_batch_layout {
    int T, B, N, longest, U; /* longest sentence, tokens */
#define X(name, most, used) bcl_view name;
    BCL_BATCH_LISTS(X)
#undef X
} bcl_batch_layout;

/* Parts of sums over the tokens, on their way to the parameters' gradients. */
typedef struct bcl_sums bcl_sums;

/* Everything that an operation needs besides its operands. */
typedef struct bcl_ops {
    bcl_device *device;
    bcl_gemm *gemm;
    bcl_sums *sums;  /* with it sums over the tokens are computed in parts; NULL: in one piece */
    bool accumulate; /* parameter gradients: += instead of = */
    bool packed;     /* forward only: the weights that bcl_gemm_packs are packed */
    bool auxiliary;  /* linear layers' dw and db on the auxiliary queue; only where
                      * bcl_gemm_runs_on_auxiliary */
} bcl_ops;

/* Parts of a sum at most. */
enum { BCL_SUM_PARTS = 256 };
/* Room for `floats` numbers, BCL_SUM_PARTS for each column of a sum, and up to `most` sums; when
 * it is full, what is in it is added up. */
bcl_status bcl_sums_create(bcl_sums **out, bcl_device *device, size_t floats, int most);
void bcl_sums_free(bcl_sums *sums);
/* Whether sums may wait: gradients of biases and of LayerNorm are there after bcl_sums_finish
 * only. */
bcl_status bcl_sums_later(bcl_ops *ops, bool later);
bcl_status bcl_sums_finish(bcl_ops *ops);

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

/* V words, P positions and N types of C. */
typedef struct bcl_embedding_shape {
    int V, P, N, C;
} bcl_embedding_shape;
/* y (T,C) = dropout(LayerNorm(word[id] + position + type[0])); mean, rstd (T,1) are saved. copy
 * (T,C), bf16 or f16, = y, to nearest even, or none: so wherever `copy` stands behind y. */
bcl_status bcl_embedding_forward(bcl_ops *ops, bcl_view y, bcl_view copy, bcl_view mean,
                                 bcl_view rstd, const bcl_batch_layout *batch,
                                 bcl_view word /* (V,C) */, bcl_view position /* (P,C) */,
                                 bcl_view type /* (N,C) */, bcl_view gamma, bcl_view beta,
                                 bcl_embedding_shape shape, float eps, bcl_dropout dropout);
/* dy (T,C) is overwritten, r (T,C) is scratch. dword (R,C) is written by slots (see
 * cl/embedding.cl), with row_step (R,1) i32 and `step`. */
bcl_status bcl_embedding_backward(bcl_ops *ops, bcl_view dy, bcl_view r, bcl_view dword,
                                  bcl_view row_step, bcl_view dposition, bcl_view dtype,
                                  bcl_view dgamma, bcl_view dbeta, bcl_view mean, bcl_view rstd,
                                  const bcl_batch_layout *batch, bcl_view word, bcl_view position,
                                  bcl_view type, bcl_view gamma, bcl_embedding_shape shape, int R,
                                  int step, bcl_dropout dropout);

/* block (count,C) = the rows slots (count,1) i32 of dword (R,C), 0 where row_step is not `step`;
 * and back, with row_step. */
bcl_status bcl_embedding_rows_gather(bcl_ops *ops, bcl_view block, bcl_view dword,
                                     bcl_view row_step, bcl_view slots, int count, int C, int step);
bcl_status bcl_embedding_rows_scatter(bcl_ops *ops, bcl_view dword, bcl_view row_step,
                                      bcl_view block, bcl_view slots, int count, int C, int step);

/* Linear layers: what products read, x, w and dy, and what the next one reads, y, dx and dpre, may
 * be of bcl_gemm_operands' type or f32 each; what is added to, and r and dy of the LayerNorms
 * below, is f32. y (T,N) = x (T,M) w (M,N) + b (N) */
bcl_status bcl_linear_forward(bcl_ops *ops, bcl_view y, bcl_view x, bcl_view w, bcl_view b, int T,
                              int M, int N);
/* dx (T,M) = dy w' (or += with add_dx); dw = x' dy; db = column sums of dy. dx may be none. */
bcl_status bcl_linear_backward(bcl_ops *ops, bcl_view dx, bcl_view dw, bcl_view db, bcl_view dy,
                               bcl_view x, bcl_view w, int T, int M, int N, bool add_dx);

/* y (T,N) = gelu(pre), pre = x w + b, f32; it may be y, or none, where it is not kept. */
bcl_status bcl_linear_gelu_forward(bcl_ops *ops, bcl_view y, bcl_view pre, bcl_view x, bcl_view w,
                                   bcl_view b, int T, int M, int N, bool tanh_form);
/* Backward of y = x w + b with x = gelu(pre): as bcl_linear_backward, with dpre (T,M) instead of
 * dx. */
bcl_status bcl_gelu_linear_backward(bcl_ops *ops, bcl_view dpre, bcl_view dw, bcl_view db,
                                    bcl_view dy, bcl_view x, bcl_view pre, bcl_view w, int T, int M,
                                    int N, bool tanh_form);

/* y (T,N) = gelu(x); dx (T,N) = dy gelu'(x). y may be x, dx may be dy. */
bcl_status bcl_gelu_forward(bcl_ops *ops, bcl_view y, bcl_view x, int T, int N, bool tanh_form);
bcl_status bcl_gelu_backward(bcl_ops *ops, bcl_view dx, bcl_view dy, bcl_view x, int T, int N,
                             bool tanh_form);

/* y = dropout(x), rows of C; its own backward. y may be x. */
bcl_status bcl_dropout_rows(bcl_ops *ops, bcl_view y, bcl_view x, const bcl_batch_layout *batch,
                            int C, bcl_dropout dropout);

/* r = x + dropout(h), y = LayerNorm(r); r holds h on entry. mean, rstd (T) are saved. */
bcl_status bcl_residual_layernorm_forward(bcl_ops *ops, bcl_view y, bcl_view copy, bcl_view r,
                                          bcl_view mean, bcl_view rstd, bcl_view x, bcl_view gamma,
                                          bcl_view beta, const bcl_batch_layout *batch, int C,
                                          float eps, bcl_dropout dropout);
/* y (T,C) again, to the same bits, from what the forward pass saved; of y and copy one may be
 * none. */
bcl_status bcl_layernorm_recompute(bcl_ops *ops, bcl_view y, bcl_view copy, bcl_view r,
                                   bcl_view mean, bcl_view rstd, bcl_view gamma, bcl_view beta,
                                   int T, int C);
/* dr = gradient of x and, behind the dropout, dh: f32, bf16 or f16. dr may be dy; dh may be dr
 * where it is f32 and nothing is dropped. */
bcl_status bcl_residual_layernorm_backward(bcl_ops *ops, bcl_view dr, bcl_view dh, bcl_view dgamma,
                                           bcl_view dbeta, bcl_view dy, bcl_view r, bcl_view mean,
                                           bcl_view rstd, bcl_view gamma,
                                           const bcl_batch_layout *batch, int C,
                                           bcl_dropout dropout);

/* The same behind a linear layer, r = x + dropout(a w + b) with a (T,M), w (M,C): to the bits of
 * bcl_linear_forward before it, with a launch less where the product was computed in parts. */
bcl_status bcl_linear_layernorm_forward(bcl_ops *ops, bcl_view y, bcl_view copy, bcl_view r,
                                        bcl_view mean, bcl_view rstd, bcl_view a, bcl_view x,
                                        bcl_view w, bcl_view b, bcl_view gamma, bcl_view beta,
                                        const bcl_batch_layout *batch, int M, int C, float eps,
                                        bcl_dropout dropout);
/* Backward of a LayerNorm whose y (T,C) a linear layer u (T,N) = y w + b reads, and others, from
 * whom dy (T,C) comes: dy += du w', dw = y' du, db = column sums of du, then as above. */
bcl_status bcl_layernorm_linear_backward(bcl_ops *ops, bcl_view dr, bcl_view dh, bcl_view dgamma,
                                         bcl_view dbeta, bcl_view dw, bcl_view db, bcl_view dy,
                                         bcl_view du, bcl_view y, bcl_view r, bcl_view mean,
                                         bcl_view rstd, bcl_view gamma, bcl_view w,
                                         const bcl_batch_layout *batch, int C, int N,
                                         bcl_dropout dropout);

/* out (T,NH,HS), f32, bf16 or f16, = dropout(softmax(Q K' / sqrt(HS))) V within each sentence; lse
 * (T,NH) is saved. */
bcl_status bcl_attention_forward(bcl_ops *ops, bcl_view out, bcl_view lse,
                                 bcl_view qkv /* (T,3,NH,HS) */, const bcl_batch_layout *batch,
                                 int NH, int HS, bcl_dropout dropout);
/* Whether products and attention of this head size are computed on the same matrix unit. */
bool bcl_attention_on_unit(const bcl_ops *ops, int HS);
/* delta (T,NH) is scratch. dqkv has the type of out. */
bcl_status bcl_attention_backward(bcl_ops *ops, bcl_view dqkv, bcl_view delta, bcl_view dout,
                                  bcl_view out, bcl_view lse, bcl_view qkv,
                                  const bcl_batch_layout *batch, int NH, int HS,
                                  bcl_dropout dropout);

/* stats (1,2) (+)= {sum of losses, right labels}; row_loss (T) and predicted (T, i32) are
 * outputs; dlogits (T,K) = weight (softmax - onehot), or none. class_weights (1,K), or none, and
 * smoothing, 0 for none: as PyTorch's CrossEntropyLoss, see cl/cross_entropy.cl; its mean is over
 * the sum of the labels' weights, which is the caller's to divide by. */
bcl_status bcl_cross_entropy(bcl_ops *ops, bcl_view stats, bcl_view row_loss, bcl_view predicted,
                             bcl_view dlogits, bcl_view logits, const bcl_batch_layout *batch,
                             int K, float weight, bcl_view class_weights, float smoothing);

/* Adam's numbers for one step; t counts the updates from 1. decoupled: AdamW. */
typedef struct bcl_adam {
    double lr, beta1, beta2, eps, weight_decay;
    bool decoupled;
    float clip; /* largest gradient norm, 0: none */
    /* Gradients are so many times too large, and where their norm is not finite nothing is updated;
     * 0: they are as they should be. */
    float loss_scale;
    int64_t skipped; /* steps before this one that made no update */
} bcl_adam;
/* Dense parameters [begin,end) and how they are updated. */
typedef struct bcl_adam_range {
    size_t begin, end;
    double rate; /* times lr */
    bool decays; /* has weight decay */
} bcl_adam_range;
/* The arenas that Adam walks: N dense parameters, and R rows of C of the word embedding. */
typedef struct bcl_adam_arenas {
    bcl_view p, g, m, v; /* (1,N) */
    bcl_view copy;       /* (1,N) bf16 or f16: p rounded, written with it; may be none */
    size_t N;
    bcl_view table;               /* (V,C) */
    bcl_view row_g, row_m, row_v; /* (R,C) */
    bcl_view row_ids, row_step;   /* (R,1) i32 */
    int R, C;
    bcl_view partial; /* (1,BCL_ADAM_PARTIALS) */
    bcl_view clip;    /* (1,2): factor, norm */
    bcl_view loss;    /* (1,2): the step's and another; where it is not finite nothing is updated */
    /* (range_count), ascending; what is before the first is frozen, and is no part of the norm.
     * range_count 0: all are updated alike. */
    const bcl_adam_range *ranges;
    int range_count;
    double row_rate; /* with ranges: of the rows, 0: they are frozen */
} bcl_adam_arenas;
enum { BCL_ADAM_PARTIALS = 4096 };
/* x[ranges[i][0]] .. x[ranges[i][1] - 1] = 0 for `count` ranges (count,2), i32. */
bcl_status bcl_zero_ranges(bcl_ops *ops, bcl_view x, bcl_view ranges, int count);
/* copy (1,N), bf16 or f16, = p, to nearest even. */
bcl_status bcl_adam_copy(bcl_ops *ops, bcl_view copy, bcl_view p, int N);
/* One update, and clip = {factor, norm} of all gradients; `step` counts from 0 and is what the
 * rows' gradients were written with. */
bcl_status bcl_adam_step(bcl_ops *ops, const bcl_adam_arenas *arenas, const bcl_adam *adam,
                         int step);

#endif
