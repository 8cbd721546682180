/* Inside ops/: one call of attention, and the variants that compute it. */
#ifndef BCL_OPS_ATTENTION_H
#define BCL_OPS_ATTENTION_H

#include "ops/internal.h"

/* Operands that are checked, see ops.h. */
typedef struct bcl_attention_call {
    bcl_ops *ops;
    bcl_view out, lse, qkv;     /* backward reads them */
    bcl_view dqkv, delta, dout; /* backward only; dqkv has the type of out */
    const bcl_batch_layout *batch;
    int NH, HS;
    float scale; /* of the scores: 1 / sqrt(HS) */
    bcl_dropout dropout;
    /* what the variant found that suits: a lookup takes as long as a launch */
    bcl_kernel *kernel;
    int items;         /* of a group */
    bcl_status failed; /* of the kernel's build, with its message: the run's to return */
} bcl_attention_call;

typedef struct bcl_attention_variant {
    const char *name;
    /* Whether it computes such a call on such a device, and is the better for it. May note in the
     * call what it found. */
    bool (*suits)(const bcl_device *device, bcl_attention_call *call);
    bcl_status (*forward)(const bcl_attention_call *call);
    bcl_status (*backward)(const bcl_attention_call *call);
} bcl_attention_variant;

/* Launch the kernel that the variant found, one that takes the list of blocks. */
bcl_status bcl_attention_blocks_forward(const bcl_attention_call *call, bcl_grid grid);
bcl_status bcl_attention_blocks_backward(const bcl_attention_call *call, bcl_grid grid);

extern const bcl_attention_variant bcl_attention_blocked, bcl_attention_matrix, bcl_attention_tiled,
    bcl_attention_general;

#endif
