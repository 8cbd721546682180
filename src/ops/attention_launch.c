/* What the variants of attention that take the list of blocks launch. */
#include "ops/attention.h"

bcl_status bcl_attention_blocks_forward(const bcl_attention_call *c, bcl_grid grid) {
    bcl_status status = BCL_OK;
    BCL_TRY(c->failed);
    BCL_TRY(BCL_LAUNCH(c->kernel, grid, bcl_ptr(c->out), bcl_ptr(c->lse), bcl_ptr(c->qkv),
                       bcl_ptr(c->batch->blocks), bcl_int(c->NH), bcl_float(c->scale),
                       BCL_DROPOUT_ARGS(c->dropout)));
out:
    return status;
}

bcl_status bcl_attention_blocks_backward(const bcl_attention_call *c, bcl_grid grid) {
    bcl_status status = BCL_OK;
    BCL_TRY(c->failed);
    BCL_TRY(BCL_LAUNCH(c->kernel, grid, bcl_ptr(c->dqkv), bcl_ptr(c->dout), bcl_ptr(c->out),
                       bcl_ptr(c->qkv), bcl_ptr(c->lse), bcl_ptr(c->batch->blocks), bcl_int(c->NH),
                       bcl_float(c->scale), BCL_DROPOUT_ARGS(c->dropout)));
out:
    return status;
}
