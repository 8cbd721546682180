/* Attention on GPUs: a group for a head and a block of a sentence, its rows in local memory; see
 * attention_tiled.cl. Head sizes up to 128. */
#include "ops/attention.h"

enum {
    MOST_HS = 128,
    MOST_LOCAL = 48 << 10,
    LEAST_ITEMS = 32 /* of a group; with fewer a block's bits do not fit a word */
};

/* So many that none needs over 128 registers; numbers apart take more than vectors. */
static int most_items(int HS) {
    return HS <= 32 && HS % 4 == 0 ? 128 : 256;
}

/* What backward takes. */
static size_t local_bytes(int HS, int block) {
    const int LD = (HS + 3) / 4 | 1, PD = block / 4 + 1;
    return (size_t)(block * (4 * LD + 2 * PD) * 4 + most_items(HS) + block) * sizeof(cl_float);
}

/* Tokens that a group has at once: what its local memory holds. */
static int block_of(const bcl_device *device, int HS) {
    const uint64_t local = bcl_device_about(device)->local_memory;
    return local_bytes(HS, BCL_BLOCK) <= (local < MOST_LOCAL ? local : MOST_LOCAL) ? BCL_BLOCK
                                                                                   : BCL_BLOCK / 2;
}

static bcl_status find_kernel_of(bcl_kernel **out, const bcl_attention_call *c, int items) {
    const bcl_device *device = c->ops->device;
    const size_t sub_group = bcl_device_about(device)->sub_group;
    const bool backward = c->dqkv.buffer != NULL;
    char options[128];
    const int at = snprintf(options, sizeof options, "-DHS=%d -DBLOCK=%d -DITEMS=%d%s", c->HS,
                            block_of(device, c->HS), items, bcl_half_words(c->out));
    if (sub_group)
        snprintf(options + at, sizeof options - (size_t)at, " -DSUB_GROUP=%zu", sub_group);
    return bcl_kernel_get(out, c->ops->device, "attention_tiled.cl",
                          backward ? "attention_tiled_backward" : "attention_tiled_forward",
                          options);
}

/* The kernel of a call for the largest groups that the device runs; items: of a group, 0 if it
 * runs none of LEAST_ITEMS. */
static bcl_status find_kernel(bcl_attention_call *c) {
    bcl_status status = BCL_OK;
    const size_t most = bcl_device_about(c->ops->device)->max_work_group;
    c->items = 0;
    for (int n = most_items(c->HS); n >= LEAST_ITEMS && !c->items; n /= 2) {
        if ((size_t)n > most)
            continue;
        BCL_TRY(find_kernel_of(&c->kernel, c, n));
        if (bcl_kernel_limit(c->kernel) >= (size_t)n)
            c->items = n;
    }
out:
    return status;
}

static bool suits(const bcl_device *device, bcl_attention_call *c) {
    const bcl_device_info *info = bcl_device_about(device);
    if (bcl_device_wide(device) || c->HS > MOST_HS ||
        local_bytes(c->HS, block_of(device, c->HS)) > info->local_memory)
        return false;
    c->failed = find_kernel(c);
    return c->failed || c->items;
}

static bcl_grid grid_of(const bcl_attention_call *c, size_t kinds) {
    const int blocks = c->batch->N * (BCL_BLOCK / block_of(c->ops->device, c->HS));
    return (bcl_grid){{(size_t)blocks, (size_t)c->NH, kinds}, {(size_t)c->items}};
}

static bcl_status forward(const bcl_attention_call *c) {
    return bcl_attention_blocks_forward(c, grid_of(c, 1));
}

/* A batch of sentences of one block has no groups for dQ alone. */
static bcl_status backward(const bcl_attention_call *c) {
    const bool one = c->batch->longest <= block_of(c->ops->device, c->HS);
    return bcl_attention_blocks_backward(c, grid_of(c, one ? 1 : 2));
}

const bcl_attention_variant bcl_attention_tiled = {"tiled", suits, forward, backward};
