/* The table of a step's operations: how each is made, and how often a step of evaluation or of
 * training has it. Those of no step are parts of others, or of other ways to train. */
#include "bench/kinds.h"

#define FAMILY(f) bcl_bench_##f##_open, bcl_bench_##f##_launch, bcl_bench_##f##_expect

/* evaluate: no dropout, weights packed where the provider packs; forward: of training */
const bcl_bench_kind bcl_bench_kinds[] = {
    {"embedding/evaluate", 0, false, false, FAMILY(embedding), {0, 1}, {0, 0}},
    {"embedding/forward", 0, true, false, FAMILY(embedding), {0, 0}, {0, 1}},
    {"embedding/backward", 0, true, false, FAMILY(embedding_backward), {0, 0}, {0, 1}},
    {"linear-qkv/evaluate", BCL_BENCH_QKV, false, true, FAMILY(linear), {1, 0}, {0, 0}},
    {"linear-qkv/forward", BCL_BENCH_QKV, false, false, FAMILY(linear), {0, 0}, {1, 0}},
    {"linear-qkv/backward", BCL_BENCH_QKV, false, false, FAMILY(linear_backward), {0, 0}, {1, 0}},
    {"attention/evaluate", 0, false, false, FAMILY(attention), {1, 0}, {0, 0}},
    {"attention/forward", 0, true, false, FAMILY(attention), {0, 0}, {1, 0}},
    {"attention/backward", 0, true, false, FAMILY(attention_backward), {0, 0}, {1, 0}},
    {"linear-out/evaluate", BCL_BENCH_OUT, false, true, FAMILY(linear), {1, 0}, {0, 0}},
    {"linear-out/forward", BCL_BENCH_OUT, false, false, FAMILY(linear), {0, 0}, {1, 0}},
    {"linear-out/backward", BCL_BENCH_OUT, false, false, FAMILY(linear_backward), {0, 0}, {1, 0}},
    {"layernorm/evaluate", 0, false, false, FAMILY(norm), {2, 0}, {0, 0}},
    {"layernorm/forward", 0, true, false, FAMILY(norm), {0, 0}, {2, 0}},
    {"layernorm/backward", 0, true, false, FAMILY(norm_backward), {0, 0}, {2, 0}},
    {"layernorm/recompute", 0, false, false, FAMILY(norm_recompute), {0, 0}, {0, 0}},
    {"linear-up-gelu/evaluate", BCL_BENCH_UP, false, true, FAMILY(linear), {1, 0}, {0, 0}},
    {"linear-up-gelu/forward", BCL_BENCH_UP, false, false, FAMILY(linear), {0, 0}, {1, 0}},
    {"linear-up/backward", BCL_BENCH_UP, false, false, FAMILY(linear_backward), {0, 0}, {1, 0}},
    {"linear-down/evaluate", BCL_BENCH_DOWN, false, true, FAMILY(linear), {1, 0}, {0, 0}},
    {"linear-down/forward", BCL_BENCH_DOWN, false, false, FAMILY(linear), {0, 0}, {1, 0}},
    {"gelu-linear-down/backward",
     BCL_BENCH_DOWN,
     false,
     false,
     FAMILY(linear_backward),
     {0, 0},
     {1, 0}},
    {"dropout/forward", 0, true, false, FAMILY(dropout), {0, 0}, {0, 2}}, /* its own backward */
    {"linear-head/evaluate", BCL_BENCH_HEAD, false, true, FAMILY(linear), {0, 1}, {0, 0}},
    {"linear-head/forward", BCL_BENCH_HEAD, false, false, FAMILY(linear), {0, 0}, {0, 1}},
    {"linear-head/backward", BCL_BENCH_HEAD, false, false, FAMILY(linear_backward), {0, 0}, {0, 1}},
    {"cross-entropy/evaluate", BCL_BENCH_LOSS, false, false, FAMILY(loss), {0, 1}, {0, 0}},
    {"cross-entropy/forward",
     BCL_BENCH_LOSS_AND_GRADIENT,
     false,
     false,
     FAMILY(loss),
     {0, 0},
     {0, 1}},
    {"adam/update", 0, false, false, FAMILY(adam), {0, 0}, {0, 1}},
    {"gelu/forward", 0, false, false, FAMILY(gelu), {0, 0}, {0, 0}},
    {"gelu/backward", 0, false, false, FAMILY(gelu_backward), {0, 0}, {0, 0}},
    {"sums/rows", 0, false, false, FAMILY(sums), {0, 0}, {0, 0}},
    {"embedding-rows/gather", 0, false, false, FAMILY(gather), {0, 0}, {0, 0}},
    {"embedding-rows/scatter", 0, false, false, FAMILY(scatter), {0, 0}, {0, 0}},
};
const size_t bcl_bench_kind_count = sizeof bcl_bench_kinds / sizeof *bcl_bench_kinds;

bool bcl_bench_kind_makes_operands(const bcl_bench_kind *kind) {
    bcl_status (*const makers[])(bcl_bench_operation *) = {
        bcl_bench_embedding_launch,          bcl_bench_norm_launch,
        bcl_bench_norm_backward_launch,      bcl_bench_attention_launch,
        bcl_bench_attention_backward_launch, bcl_bench_adam_launch};
    for (size_t i = 0; i < sizeof makers / sizeof *makers; i++)
        if (kind->launch == makers[i])
            return true;
    return false;
}

bool bcl_bench_kind_has_products(const bcl_bench_kind *kind) {
    return kind->launch == bcl_bench_linear_launch ||
           kind->launch == bcl_bench_linear_backward_launch;
}
