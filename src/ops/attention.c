/* Attention per sentence: the checks, and the choice among the variants. */
#include "ops/attention.h"

/* The first that suits; the last suits everything. */
static const bcl_attention_variant *const variants[] = {
    &bcl_attention_blocked, &bcl_attention_matrix, &bcl_attention_tiled, &bcl_attention_general};

static const bcl_attention_variant *choose(bcl_attention_call *call) {
    const bcl_attention_variant *const *v = variants;
    while (!(*v)->suits(call->ops->device, call))
        v++;
    return *v;
}

/* Names it, of so many products of a sentence's tokens with each other at most. */
static void operation(const bcl_attention_call *c, const char *name, int products, double bytes) {
    const double pairs = (double)c->batch->T * c->batch->longest;
    bcl_operation(c->ops, name, bytes);
    bcl_launch_work(c->ops->device, 2.0 * products * pairs * c->NH * c->HS, bytes);
}

static float score_scale(int HS) {
    return (float)(1.0 / sqrt((double)HS));
}

bcl_status bcl_attention_forward(bcl_ops *ops, bcl_view out, bcl_view lse, bcl_view qkv,
                                 const bcl_batch_layout *batch, int NH, int HS,
                                 bcl_dropout dropout) {
    bcl_status status = BCL_OK;
    const int T = batch->T, C = NH * HS;
    bcl_attention_call call = {.ops = ops,
                               .out = out,
                               .lse = lse,
                               .qkv = qkv,
                               .batch = batch,
                               .NH = NH,
                               .HS = HS,
                               .scale = score_scale(HS),
                               .dropout = dropout};
    BCL_TRY(BCL_OPERANDS(ops, "attention_forward", BCL_OUT_MAY_BE_HALVES(out, T, C),
                         BCL_OUT(lse, T, NH), BCL_IN(qkv, T, 3 * C),
                         BCL_IN_INTS(batch->starts, batch->B + 1, 1),
                         BCL_IN_INTS(batch->blocks, 4 * batch->N, 1),
                         BCL_IN_INTS(batch->sentence_of, T, 1), BCL_IN_INTS(batch->samples, T, 1)));
    operation(&call, "attention", 2, bcl_view_traffic(out) + bcl_view_traffic(qkv));
    BCL_TRY(choose(&call)->forward(&call));
out:
    return status;
}

bcl_status bcl_attention_backward(bcl_ops *ops, bcl_view dqkv, bcl_view delta, bcl_view dout,
                                  bcl_view out, bcl_view lse, bcl_view qkv,
                                  const bcl_batch_layout *batch, int NH, int HS,
                                  bcl_dropout dropout) {
    bcl_status status = BCL_OK;
    const int T = batch->T, C = NH * HS;
    bcl_attention_call call = {.ops = ops,
                               .out = out,
                               .lse = lse,
                               .qkv = qkv,
                               .dqkv = dqkv,
                               .delta = delta,
                               .dout = dout,
                               .batch = batch,
                               .NH = NH,
                               .HS = HS,
                               .scale = score_scale(HS),
                               .dropout = dropout};
    BCL_TRY(BCL_OPERANDS(ops, "attention_backward", BCL_OUT_MAY_BE_HALVES(dqkv, T, 3 * C),
                         BCL_OUT(delta, T, NH), BCL_IN(dout, T, C),
                         {"out", &out, T, C, 1u << dqkv.type}, BCL_IN(lse, T, NH),
                         BCL_IN(qkv, T, 3 * C), BCL_IN_INTS(batch->starts, batch->B + 1, 1),
                         BCL_IN_INTS(batch->blocks, 4 * batch->N, 1),
                         BCL_IN_INTS(batch->sentence_of, T, 1), BCL_IN_INTS(batch->samples, T, 1)));
    operation(&call, "attention backward", 7,
              bcl_view_traffic(dqkv) + bcl_view_traffic(dout) + bcl_view_traffic(out) +
                  bcl_view_traffic(qkv));
    BCL_TRY(choose(&call)->backward(&call));
out:
    return status;
}
