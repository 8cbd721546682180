/* Attention on any device: a group of work-items for each token and head, see attention.cl. Any
 * head size. */
#include "ops/attention.h"

/* Work-items of a group: a power of two, as the reduction halves. */
static size_t group_items(const bcl_kernel *kernel) {
    const size_t items = bcl_kernel_items(kernel);
    return items > 64 ? 64 : items;
}

static bcl_grid grid_of(const bcl_attention_call *c, const bcl_kernel *kernel) {
    return (bcl_grid){{(size_t)c->batch->T, (size_t)c->NH}, {group_items(kernel)}};
}

static bool suits(const bcl_device *device, bcl_attention_call *call) {
    (void)device;
    (void)call;
    return true;
}

static bcl_status forward(const bcl_attention_call *c) {
    bcl_status status = BCL_OK;
    bcl_kernel *kernel;
    const bcl_batch_layout *batch = c->batch;
    const size_t row = (size_t)batch->longest * sizeof(cl_float);
    BCL_TRY(bcl_kernel_get(&kernel, c->ops->device, "attention.cl", "attention_forward",
                           bcl_half_words(c->out)));
    BCL_TRY(BCL_LAUNCH(kernel, grid_of(c, kernel), bcl_ptr(c->out), bcl_ptr(c->lse),
                       bcl_ptr(c->qkv), bcl_ptr(batch->starts), bcl_ptr(batch->sentence_of),
                       bcl_ptr(batch->samples), bcl_int(c->NH), bcl_int(c->HS), bcl_float(c->scale),
                       BCL_DROPOUT_ARGS(c->dropout), bcl_local(row),
                       bcl_local(group_items(kernel) * sizeof(cl_float))));
out:
    return status;
}

static bcl_status backward(const bcl_attention_call *c) {
    bcl_status status = BCL_OK;
    bcl_kernel *query, *key;
    const bcl_batch_layout *batch = c->batch;
    const size_t row = (size_t)batch->longest * sizeof(cl_float);
    BCL_TRY(bcl_kernel_get(&query, c->ops->device, "attention.cl", "attention_backward_query",
                           bcl_half_words(c->out)));
    BCL_TRY(bcl_kernel_get(&key, c->ops->device, "attention.cl", "attention_backward_key",
                           bcl_half_words(c->out)));
    BCL_TRY(BCL_LAUNCH(query, grid_of(c, query), bcl_ptr(c->dqkv), bcl_ptr(c->delta),
                       bcl_ptr(c->dout), bcl_ptr(c->out), bcl_ptr(c->qkv), bcl_ptr(c->lse),
                       bcl_ptr(batch->starts), bcl_ptr(batch->sentence_of), bcl_ptr(batch->samples),
                       bcl_int(c->NH), bcl_int(c->HS), bcl_float(c->scale),
                       BCL_DROPOUT_ARGS(c->dropout), bcl_local(row),
                       bcl_local(group_items(query) * sizeof(cl_float))));
    BCL_TRY(BCL_LAUNCH(key, grid_of(c, key), bcl_ptr(c->dqkv), bcl_ptr(c->dout), bcl_ptr(c->qkv),
                       bcl_ptr(c->lse), bcl_ptr(c->delta), bcl_ptr(batch->starts),
                       bcl_ptr(batch->sentence_of), bcl_ptr(batch->samples), bcl_int(c->NH),
                       bcl_int(c->HS), bcl_float(c->scale), BCL_DROPOUT_ARGS(c->dropout),
                       bcl_local(row), bcl_local(row)));
out:
    return status;
}

const bcl_attention_variant bcl_attention_general = {"general", suits, forward, backward};
