/* Attention on the matrix unit by which products compute, where the provider's name says so: with
 * 16-bit operands, for head sizes 32 and (not on Intel's) 64; see attention_matrix.cl. */
#include "ops/attention.h"

/* What backward takes. */
static size_t local_bytes(int HS) {
    const size_t tile = (size_t)(BCL_BLOCK * (HS + 8)) * sizeof(cl_ushort);
    return 5 * tile + BCL_BLOCK * (sizeof(cl_float2) + sizeof(cl_uint));
}

/* Sub-groups of Intel's fragments have not the registers for their part of 64 columns, those of 8
 * lanes in fp16 not for 32. */
static bool has_registers(const bcl_gemm_unit *unit, bcl_element type, int HS) {
    return unit->lanes == 8 && type == BCL_ELEMENT_F16 ? false
                                                       : HS == 32 || (HS == 64 && unit->rows >= 16);
}

static bool find_unit(bcl_gemm_unit *unit, const bcl_ops *ops, int HS) {
    return ops->gemm && bcl_gemm_find_unit(unit, ops->gemm) && unit->attention &&
           has_registers(unit, bcl_gemm_operands(ops->gemm), HS);
}

bool bcl_attention_on_unit(const bcl_ops *ops, int HS) {
    bcl_gemm_unit unit;
    return find_unit(&unit, ops, HS);
}

static bcl_status find_kernel(bcl_attention_call *c, const bcl_gemm_unit *unit) {
    const bool backward = c->dqkv.buffer != NULL;
    char options[128];
    snprintf(options, sizeof options, "-DHS=%d %s", c->HS, unit->options);
    return bcl_kernel_get(&c->kernel, c->ops->device, "attention_matrix.cl",
                          backward ? "attention_matrix_backward" : "attention_matrix_forward",
                          options);
}

static bool suits(const bcl_device *device, bcl_attention_call *c) {
    const bcl_device_info *info = bcl_device_about(device);
    bcl_gemm_unit unit;
    if (!find_unit(&unit, c->ops, c->HS) || c->out.type != bcl_gemm_operands(c->ops->gemm))
        return false;
    c->items = unit.lanes * BCL_BLOCK / unit.rows;
    if ((size_t)c->items > info->max_work_group || local_bytes(c->HS) > info->local_memory)
        return false;
    c->failed = find_kernel(c, &unit);
    return c->failed || bcl_kernel_limit(c->kernel) >= (size_t)c->items;
}

static bcl_grid grid_of(const bcl_attention_call *c, size_t kinds) {
    return (bcl_grid){{(size_t)c->batch->N, (size_t)c->NH, kinds}, {(size_t)c->items}};
}

static bcl_status forward(const bcl_attention_call *c) {
    return bcl_attention_blocks_forward(c, grid_of(c, 1));
}

/* A batch of sentences of one block has no groups for dQ alone. */
static bcl_status backward(const bcl_attention_call *c) {
    return bcl_attention_blocks_backward(c, grid_of(c, c->batch->longest > BCL_BLOCK ? 2 : 1));
}

const bcl_attention_variant bcl_attention_matrix = {"matrix", suits, forward, backward};
