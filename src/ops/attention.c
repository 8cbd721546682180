/* Attention per sentence. General kernels for any device; on CPUs, where a group is one work-item,
 * blocked kernels over vectors. Both take any head size. */
#include "ops/internal.h"

/* Work-items of the general kernels' groups: a power of two, as the reduction halves. */
static size_t group_items(const bcl_ops *ops) {
    size_t items = bcl_device_row_items(ops->device);
    return items > 64 ? 64 : items;
}

static bool one_item_groups(const bcl_ops *ops) {
    return bcl_device_row_items(ops->device) == 1;
}

/* How attention_cpu.cl cuts a sentence. */
typedef struct blocking {
    char options[64];
    int LD;       /* floats between the rows of scores */
    int QB;       /* queries whose scores are held */
    size_t bytes; /* of QB rows */
} blocking;

/* `arrays` of QB rows must fit the local memory, and better the cache. */
static bcl_status choose_blocking(blocking *out, const bcl_ops *ops, int HS, int longest,
                                  int arrays) {
    enum { ROWS = 8 /* RQ in the kernel */, CACHE = 96 << 10 };
    const bcl_device_info *info = bcl_device_about(ops->device);
    const int width = bcl_device_vector(ops->device);
    int vector = width, rows;
    while (HS % vector)
        vector /= 2;
    const int accumulators = HS / vector;
    /* half of the registers: others hold a row's vectors and a weight; a power of two, as blocks of
     * queries are whole */
    const int most = bcl_device_registers(ops->device) / 2 / accumulators;
    for (rows = 1; 2 * rows <= most && rows < ROWS;)
        rows *= 2;
    /* weighted_sum takes RO columns at a time and so reads some behind the last */
    out->LD = (longest + width - 1) / width * width + (width > ROWS ? width : ROWS);
    const size_t room = info->local_memory < CACHE ? info->local_memory : CACHE;
    const size_t row = (size_t)arrays * (size_t)out->LD * sizeof(float);
    out->QB = (int)(room / row) / ROWS * ROWS;
    if (out->QB < ROWS)
        out->QB = (int)(info->local_memory / row) / ROWS * ROWS;
    if (out->QB < ROWS)
        return bcl_fail(
            BCL_ERROR_UNSUPPORTED,
            "%s: a sentence of %d tokens needs %zu bytes of local memory, there are %llu", info->id,
            longest, ROWS * row, (unsigned long long)info->local_memory);
    const int all = (longest + ROWS - 1) / ROWS * ROWS;
    if (out->QB > all)
        out->QB = all;
    out->bytes = (size_t)out->QB * (size_t)out->LD * sizeof(float);
    snprintf(out->options, sizeof out->options, "-DHS=%d -DDV=%d -DRO=%d", HS, vector, rows);
    return BCL_OK;
}

bcl_status bcl_attention_forward(bcl_ops *ops, bcl_view out, bcl_view lse, bcl_view qkv,
                                 const bcl_batch_layout *batch, int NH, int HS,
                                 bcl_dropout dropout) {
    bcl_status status = BCL_OK;
    bcl_kernel *kernel;
    const float scale = (float)(1.0 / sqrt((double)HS));
    const int T = batch->T, C = NH * HS;
    BCL_TRY(BCL_OPERANDS(ops, "attention_forward", BCL_OUT(out, T, C), BCL_OUT(lse, T, NH),
                         BCL_IN(qkv, T, 3 * C), BCL_IN_INTS(batch->starts, batch->B + 1, 1),
                         BCL_IN_INTS(batch->sentence_of, T, 1), BCL_IN_INTS(batch->samples, T, 1)));
    bcl_operation(ops, "attention", bcl_view_traffic(out) + bcl_view_traffic(qkv));
    if (one_item_groups(ops)) {
        blocking cut;
        BCL_TRY(choose_blocking(&cut, ops, HS, batch->longest, 1));
        const size_t blocks = (size_t)((batch->longest + cut.QB - 1) / cut.QB);
        BCL_TRY(bcl_kernel_get(&kernel, ops->device, "attention_cpu.cl", "attention_forward",
                               cut.options));
        BCL_TRY(BCL_LAUNCH(kernel, ((bcl_grid){{(size_t)NH, (size_t)batch->B, blocks}, {1}}),
                           bcl_ptr(out), bcl_ptr(lse), bcl_ptr(qkv), bcl_ptr(batch->starts),
                           bcl_ptr(batch->samples), bcl_int(NH), bcl_float(scale), bcl_int(cut.QB),
                           bcl_int(cut.LD), BCL_DROPOUT_ARGS(dropout), bcl_local(cut.bytes)));
        goto out;
    }
    const size_t items = group_items(ops);
    BCL_TRY(bcl_kernel_get(&kernel, ops->device, "attention.cl", "attention_forward", ""));
    BCL_TRY(BCL_LAUNCH(
        kernel, ((bcl_grid){{(size_t)T, (size_t)NH}, {items}}), bcl_ptr(out), bcl_ptr(lse),
        bcl_ptr(qkv), bcl_ptr(batch->starts), bcl_ptr(batch->sentence_of), bcl_ptr(batch->samples),
        bcl_int(NH), bcl_int(HS), bcl_float(scale), BCL_DROPOUT_ARGS(dropout),
        bcl_local((size_t)batch->longest * sizeof(float)), bcl_local(items * sizeof(float))));
out:
    return status;
}

bcl_status bcl_attention_backward(bcl_ops *ops, bcl_view dqkv, bcl_view delta, bcl_view dout,
                                  bcl_view out, bcl_view lse, bcl_view qkv,
                                  const bcl_batch_layout *batch, int NH, int HS,
                                  bcl_dropout dropout) {
    bcl_status status = BCL_OK;
    bcl_kernel *query, *key;
    const float scale = (float)(1.0 / sqrt((double)HS));
    const int T = batch->T, C = NH * HS;
    BCL_TRY(BCL_OPERANDS(ops, "attention_backward", BCL_OUT(dqkv, T, 3 * C), BCL_OUT(delta, T, NH),
                         BCL_IN(dout, T, C), BCL_IN(out, T, C), BCL_IN(lse, T, NH),
                         BCL_IN(qkv, T, 3 * C), BCL_IN_INTS(batch->starts, batch->B + 1, 1),
                         BCL_IN_INTS(batch->sentence_of, T, 1), BCL_IN_INTS(batch->samples, T, 1)));
    bcl_operation(ops, "attention backward",
                  bcl_view_traffic(dqkv) + bcl_view_traffic(dout) + bcl_view_traffic(out) +
                      bcl_view_traffic(qkv));
    if (one_item_groups(ops)) {
        blocking cut;
        BCL_TRY(choose_blocking(&cut, ops, HS, batch->longest, 2));
        BCL_TRY(bcl_kernel_get(&key, ops->device, "attention_cpu.cl", "attention_backward",
                               cut.options));
        BCL_TRY(BCL_LAUNCH(key, ((bcl_grid){{(size_t)NH, (size_t)batch->B}, {1}}), bcl_ptr(dqkv),
                           bcl_ptr(dout), bcl_ptr(out), bcl_ptr(qkv), bcl_ptr(lse),
                           bcl_ptr(batch->starts), bcl_ptr(batch->samples), bcl_int(NH),
                           bcl_float(scale), bcl_int(cut.QB), bcl_int(cut.LD),
                           BCL_DROPOUT_ARGS(dropout), bcl_local(cut.bytes), bcl_local(cut.bytes)));
        goto out;
    }
    const size_t items = group_items(ops), row = (size_t)batch->longest * sizeof(float);
    const bcl_grid grid = {{(size_t)T, (size_t)NH}, {items}};
    BCL_TRY(bcl_kernel_get(&query, ops->device, "attention.cl", "attention_backward_query", ""));
    BCL_TRY(bcl_kernel_get(&key, ops->device, "attention.cl", "attention_backward_key", ""));
    BCL_TRY(BCL_LAUNCH(query, grid, bcl_ptr(dqkv), bcl_ptr(delta), bcl_ptr(dout), bcl_ptr(out),
                       bcl_ptr(qkv), bcl_ptr(lse), bcl_ptr(batch->starts),
                       bcl_ptr(batch->sentence_of), bcl_ptr(batch->samples), bcl_int(NH),
                       bcl_int(HS), bcl_float(scale), BCL_DROPOUT_ARGS(dropout), bcl_local(row),
                       bcl_local(items * sizeof(float))));
    BCL_TRY(BCL_LAUNCH(key, grid, bcl_ptr(dqkv), bcl_ptr(dout), bcl_ptr(qkv), bcl_ptr(lse),
                       bcl_ptr(delta), bcl_ptr(batch->starts), bcl_ptr(batch->sentence_of),
                       bcl_ptr(batch->samples), bcl_int(NH), bcl_int(HS), bcl_float(scale),
                       BCL_DROPOUT_ARGS(dropout), bcl_local(row), bcl_local(row)));
out:
    return status;
}
