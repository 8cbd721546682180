/* Attention on CPUs: a group is one work-item that has a head of a sentence, or a block of its
 * queries, by blocks over vectors; see attention_cpu.cl. Any head size. */
#include "ops/attention.h"

/* How attention_cpu.cl cuts a sentence. */
typedef struct blocking {
    char options[64];
    int LD;       /* floats between the rows of scores */
    int QB;       /* queries whose scores are held */
    size_t bytes; /* of QB rows */
} blocking;

/* `arrays` of QB rows must fit the local memory, and better the cache. */
static bcl_status choose_blocking(blocking *out, const bcl_attention_call *c, int arrays) {
    enum { ROWS = 8 /* RQ in the kernel */, CACHE = 96 << 10 };
    const bcl_device *device = c->ops->device;
    const bcl_device_info *info = bcl_device_about(device);
    const int width = bcl_device_vector(device), HS = c->HS, longest = c->batch->longest;
    int vector = width, rows;
    while (HS % vector)
        vector /= 2;
    const int accumulators = HS / vector;
    /* half of the registers: others hold a row's vectors and a weight; a power of two, as blocks of
     * queries are whole */
    const int most = bcl_device_registers(device) / 2 / accumulators;
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

static bool suits(const bcl_device *device, bcl_attention_call *call) {
    return bcl_device_wide(device) && call->out.type == BCL_ELEMENT_F32;
}

static bcl_status forward(const bcl_attention_call *c) {
    bcl_status status = BCL_OK;
    bcl_kernel *kernel;
    blocking cut;
    BCL_TRY(choose_blocking(&cut, c, 1));
    const size_t blocks = (size_t)((c->batch->longest + cut.QB - 1) / cut.QB);
    const bcl_grid grid = {{(size_t)c->NH, (size_t)c->batch->B, blocks}, {1}};
    BCL_TRY(bcl_kernel_get(&kernel, c->ops->device, "attention_cpu.cl", "attention_forward",
                           cut.options));
    BCL_TRY(BCL_LAUNCH(kernel, grid, bcl_ptr(c->out), bcl_ptr(c->lse), bcl_ptr(c->qkv),
                       bcl_ptr(c->batch->starts), bcl_ptr(c->batch->samples), bcl_int(c->NH),
                       bcl_float(c->scale), bcl_int(cut.QB), bcl_int(cut.LD),
                       BCL_DROPOUT_ARGS(c->dropout), bcl_local(cut.bytes)));
out:
    return status;
}

static bcl_status backward(const bcl_attention_call *c) {
    bcl_status status = BCL_OK;
    bcl_kernel *kernel;
    blocking cut;
    BCL_TRY(choose_blocking(&cut, c, 2));
    const bcl_grid grid = {{(size_t)c->NH, (size_t)c->batch->B}, {1}};
    BCL_TRY(bcl_kernel_get(&kernel, c->ops->device, "attention_cpu.cl", "attention_backward",
                           cut.options));
    BCL_TRY(BCL_LAUNCH(kernel, grid, bcl_ptr(c->dqkv), bcl_ptr(c->dout), bcl_ptr(c->out),
                       bcl_ptr(c->qkv), bcl_ptr(c->lse), bcl_ptr(c->batch->starts),
                       bcl_ptr(c->batch->samples), bcl_int(c->NH), bcl_float(c->scale),
                       bcl_int(cut.QB), bcl_int(cut.LD), BCL_DROPOUT_ARGS(c->dropout),
                       bcl_local(cut.bytes), bcl_local(cut.bytes)));
out:
    return status;
}

const bcl_attention_variant bcl_attention_blocked = {"blocked", suits, forward, backward};
