/* Attention per sentence. General kernels for any device and head size; on CPUs, where a group is
 * one work-item, blocked kernels over vectors of keys. */
#include "ops/internal.h"

/* Work-items of the general kernels' groups: a power of two, as the reduction halves. */
static size_t group_items(const bcl_ops *ops) {
    size_t items = bcl_device_row_items(ops->device);
    return items > 64 ? 64 : items;
}

bcl_status bcl_attention_forward(bcl_ops *ops, cl_mem out, cl_mem lse, cl_mem qkv,
                                 const bcl_batch_layout *batch, int NH, int HS,
                                 bcl_dropout dropout) {
    bcl_status status = BCL_OK;
    bcl_kernel *kernel;
    const float scale = (float)(1.0 / sqrt((double)HS));
    const size_t items = group_items(ops);
    BCL_TRY(bcl_kernel_get(&kernel, ops->device, "attention.cl", "attention_forward", ""));
    BCL_TRY(BCL_LAUNCH(
        kernel, ((bcl_grid){{(size_t)batch->T, (size_t)NH}, {items}}), bcl_mem(out), bcl_mem(lse),
        bcl_mem(qkv), bcl_mem(batch->starts), bcl_mem(batch->sentence_of), bcl_mem(batch->samples),
        bcl_int(NH), bcl_int(HS), bcl_float(scale), BCL_DROPOUT_ARGS(dropout),
        bcl_local((size_t)batch->longest * sizeof(float)), bcl_local(items * sizeof(float))));
out:
    return status;
}

bcl_status bcl_attention_backward(bcl_ops *ops, cl_mem dqkv, cl_mem delta, cl_mem dout, cl_mem out,
                                  cl_mem lse, cl_mem qkv, const bcl_batch_layout *batch, int NH,
                                  int HS, bcl_dropout dropout) {
    bcl_status status = BCL_OK;
    bcl_kernel *query, *key;
    const float scale = (float)(1.0 / sqrt((double)HS));
    const size_t items = group_items(ops), row = (size_t)batch->longest * sizeof(float);
    const bcl_grid grid = {{(size_t)batch->T, (size_t)NH}, {items}};
    BCL_TRY(bcl_kernel_get(&query, ops->device, "attention.cl", "attention_backward_query", ""));
    BCL_TRY(bcl_kernel_get(&key, ops->device, "attention.cl", "attention_backward_key", ""));
    BCL_TRY(BCL_LAUNCH(query, grid, bcl_mem(dqkv), bcl_mem(delta), bcl_mem(dout), bcl_mem(out),
                       bcl_mem(qkv), bcl_mem(lse), bcl_mem(batch->starts),
                       bcl_mem(batch->sentence_of), bcl_mem(batch->samples), bcl_int(NH),
                       bcl_int(HS), bcl_float(scale), BCL_DROPOUT_ARGS(dropout), bcl_local(row),
                       bcl_local(items * sizeof(float))));
    BCL_TRY(BCL_LAUNCH(key, grid, bcl_mem(dqkv), bcl_mem(dout), bcl_mem(qkv), bcl_mem(lse),
                       bcl_mem(delta), bcl_mem(batch->starts), bcl_mem(batch->sentence_of),
                       bcl_mem(batch->samples), bcl_int(NH), bcl_int(HS), bcl_float(scale),
                       BCL_DROPOUT_ARGS(dropout), bcl_local(row), bcl_local(row)));
out:
    return status;
}
