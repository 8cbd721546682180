/* The operations by family, for the table in kinds.c: open, launch and expect of each. */
#ifndef BCL_BENCH_KINDS_H
#define BCL_BENCH_KINDS_H

#include "bench/internal.h"

#define F32 BCL_ELEMENT_F32

#define BCL_BENCH_FAMILY(name)                                                                     \
    bcl_status bcl_bench_##name##_open(bcl_bench_operation *o);                                    \
    bcl_status bcl_bench_##name##_launch(bcl_bench_operation *o);                                  \
    bcl_status bcl_bench_##name##_expect(bcl_bench_operation *o);

BCL_BENCH_FAMILY(embedding)
BCL_BENCH_FAMILY(embedding_backward)
BCL_BENCH_FAMILY(norm)
BCL_BENCH_FAMILY(norm_backward)
BCL_BENCH_FAMILY(norm_recompute)
BCL_BENCH_FAMILY(attention)
BCL_BENCH_FAMILY(attention_backward)
BCL_BENCH_FAMILY(loss)
BCL_BENCH_FAMILY(dropout)
BCL_BENCH_FAMILY(gelu)
BCL_BENCH_FAMILY(gelu_backward)
BCL_BENCH_FAMILY(sums)
BCL_BENCH_FAMILY(gather)
BCL_BENCH_FAMILY(scatter)
BCL_BENCH_FAMILY(linear)
BCL_BENCH_FAMILY(linear_backward)
BCL_BENCH_FAMILY(adam)

/* Variants of linear layers. */
enum { BCL_BENCH_QKV, BCL_BENCH_OUT, BCL_BENCH_UP, BCL_BENCH_DOWN, BCL_BENCH_HEAD };
/* Variants of the loss. */
enum { BCL_BENCH_LOSS, BCL_BENCH_LOSS_AND_GRADIENT };

#endif
