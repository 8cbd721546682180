/* The model's insides, for the files of model/ only. */
#ifndef BCL_MODEL_INTERNAL_H
#define BCL_MODEL_INTERNAL_H

#include "model/model.h"

/* Every view of a larger buffer starts at a multiple of this many bytes, over any device's
 * alignment. */
enum { BCL_VIEW_UNIT = 1024 };

/* A layer's tensors in one pass, forward or backward: what is kept is the same buffer in both, what
 * is computed again may lie elsewhere. memory.c says from when to when each is needed. */
typedef struct bcl_layer_activations {
    bcl_view x;            /* (T,C) input: the embeddings' output or the y2 of the layer before */
    bcl_view x_copy;       /* x as products read it, where that is not f32; else none */
    bcl_view qkv;          /* (T,3,NH,HS) */
    bcl_view context;      /* (T,C) */
    bcl_view lse;          /* (T,NH) */
    bcl_view r1, y1;       /* (T,C) before and behind the first LayerNorm */
    bcl_view y1_copy;      /* as x_copy */
    bcl_view mean1, rstd1; /* (T,1) */
    bcl_view up, gelu;     /* (T,F); up may be none without training */
    bcl_view r2;           /* (T,C) before the second LayerNorm */
    bcl_view mean2, rstd2; /* (T,1) */
    /* of backward only: gradients of up (T,F) and of qkv (T,3,NH,HS) */
    bcl_view dup, dqkv;
} bcl_layer_activations;

typedef struct bcl_activations {
    bcl_layer_activations *forward, *backward; /* (L+1); of the last only x: the encoder's output */
    bcl_view mean, rstd;                       /* (T,1) of the embeddings */
    bcl_view head;                             /* (T,C) behind the head's dropout */
    bcl_view logits, dlogits;                  /* (T,K) */
    bcl_view row_loss, predicted;              /* (T,1) */
    bcl_view dx, dh;                           /* (T,C) gradients on their way down */
    bcl_view scratch;                          /* (T,C); none where dh is f32 and can be it */
    bcl_view delta;                            /* (T,NH) */
    bcl_view g;                                /* (1,layout.dense) gradients of the parameters */
} bcl_activations;

/* A buffer of the plan: `bytes` at `offset`, needed from time `born` to time `dies`. Parts of one
 * group lie end to end. */
typedef struct bcl_planned {
    bcl_view *out, *also; /* who takes the view; also may be NULL */
    bcl_element type;
    int columns; /* of a row for each token; 0: a part of the gradients */
    size_t bytes, offset;
    int born, dies;
} bcl_planned;

/* Where every buffer of a step lies: offsets in slabs of `slab` bytes each, none across a border.
 */
typedef struct bcl_plan {
    bcl_planned *buffers;
    size_t count, capacity;
    size_t slab, bytes; /* bytes: the end of the last buffer */
    int tokens;         /* of a batch at most */
    int time;           /* the last moment */
    size_t steps;       /* how much was looked at to plan it */
} bcl_plan;

/* Plans the buffers of `a`, whose forward and backward have room for L + 1 layers each. slab: bytes
 * of one allocation at most. The plan is freed by the caller, after errors too. */
bcl_status bcl_plan_create(bcl_plan *plan, bcl_activations *a, const bcl_config *config,
                           const bcl_layout *layout, const bcl_capacity *capacity,
                           bcl_element factors, size_t slab);
void bcl_plan_free(bcl_plan *plan);
void bcl_memory_measure(bcl_memory *out, const bcl_config *config, const bcl_layout *layout,
                        size_t words, bcl_element factors, const bcl_capacity *capacity,
                        const bcl_plan *plan);
/* "weights 87 MiB, moments 130 MiB, gradients and activations of up to 1024 tokens 95 MiB; less
 * with ..." */
void bcl_memory_text(char *out, size_t size, const bcl_memory *memory,
                     const bcl_capacity *capacity);
bcl_status bcl_memory_check(const bcl_memory *memory, const bcl_capacity *capacity,
                            bcl_device *device);

/* ---- a batch's block, on the host and on the device ---- */

#define X(name, most, used) +1
enum { BCL_BATCH_LIST_COUNT = 0 BCL_BATCH_LISTS(X) };
#undef X
/* Where a list starts in the block, and its size; bytes. */
typedef struct bcl_batch_place {
    size_t offset, size;
} bcl_batch_place;
/* Places for batches of up to so many tokens and sentences, in the order of BCL_BATCH_LISTS, each
 * where a view may start on any device. Returns the block's bytes. */
size_t bcl_batch_places(bcl_batch_place places[BCL_BATCH_LIST_COUNT], int tokens, int sentences);
/* Bytes of the block up to the end of what the batch uses. */
size_t bcl_batch_used(const bcl_batch *batch);

typedef struct bcl_exchange bcl_exchange;

struct bcl_model {
    bcl_config config; /* numbers only */
    bcl_device *device;
    bcl_ops ops;
    char why_fp32[BCL_GEMM_WHY];
    bcl_layout layout;
    bcl_view dense; /* (1,layout.dense) */
    bcl_view words; /* (V,C) */
    bcl_view copy;  /* (1,layout.dense) dense in 16 bits, where products read weights so; or none */
    bool copied;    /* it is dense's; Adam keeps it so */
    bcl_view stats; /* (1,2) */
    /* while bcl_model_find_overflow looks for it */
    float *watched; /* (T,C) on the host; else NULL */
    int overflow;   /* the first layer whose input is not finite, -1: none yet */
    /* training */
    bcl_view m, v;                /* (1,layout.dense) */
    bcl_view no_gradient;         /* see bcl_model_gaps_create, of the whole arena */
    bcl_view row_g, row_m, row_v; /* (R,C) */
    bcl_view row_ids, row_step;   /* (R,1) */
    bcl_view partial, clip;       /* (1,BCL_ADAM_PARTIALS), (1,2) */
    int32_t *slot_of;             /* (V), -1: none */
    int rows;                     /* R */
    bcl_adam_range *ranges;       /* (range_count), see bcl_adam_arenas */
    int range_count;
    double row_rate;
    bcl_view class_weights; /* (1,K); none: all 1, and no smoothing */
    float smoothing;
    int frozen; /* layers below that get no update, nor the embeddings; -1: none, not even those */
    /* the last batch */
    cl_mem block;           /* its lists */
    int block_T, block_B;   /* the batch's capacity that the views are for; 0: none are */
    bcl_batch_layout batch; /* views of the block */
    /* what a step computes */
    bcl_capacity capacity; /* as reserved; tokens 0: nothing is */
    cl_mem *slabs;         /* the memory, see bcl_plan */
    size_t slab_count, slab_bytes /* of all */;
    cl_mem *parts; /* views of the slabs */
    size_t part_count;
    bcl_view **token_views; /* those of `a` with a row for each token of the batch */
    size_t token_view_count;
    bcl_activations a;
    bcl_exchange *exchange; /* NULL: gradients stay here */
};

void bcl_model_exchange_free(bcl_model *m);
/* Whether gradients are handed out as they come. */
bool bcl_model_exchanges(const bcl_model *m);
/* The next dense part; nothing while the exchange is not open. */
bcl_status bcl_model_exchange_hand_out(bcl_model *m);

/* *out = the tensor of this name, or of its older ones, which must be there in this shape and be of
 * floats. */
bcl_status bcl_checkpoint_need(const bcl_tensor **out, const bcl_checkpoint *ck,
                               const bcl_layout *l, const bcl_named *n, const char *folder);
/* A model whose weights are not set yet. */
bcl_status bcl_model_open(bcl_model **out, bcl_device *device, const bcl_config *config,
                          const char *gemm, bcl_precision precision);
/* The weights that bcl_linear_forward reads, i from 0: four a layer, and the classifier's behind
 * them. */
enum { BCL_LAYER_WEIGHTS = 4 };
bcl_parameter *bcl_model_weight(const bcl_model *m, int i);
/* An error if the weights are packed, which `what` does not go with. */
bcl_status bcl_model_check_plain(const bcl_model *m, const char *what);

/* *out (rows,2): the ranges of the arenas, within the parameters that begin in [first,last), that
 * no operation writes a gradient to, though norm and Adam read them: what lies between parameters,
 * and token types that no token has. Untouched where there is none. */
bcl_status bcl_model_gaps_create(bcl_view *out, bcl_model *m, size_t first, size_t last);
void bcl_model_release_activations(bcl_model *model);
/* Makes the views of the block for batches of this capacity, unless they are. */
bcl_status bcl_model_view_block(bcl_model *m, int tokens, int sentences);

#endif
