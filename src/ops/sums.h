/* Inside ops/: sums over the tokens, in one piece or in parts. */
#ifndef BCL_OPS_SUMS_H
#define BCL_OPS_SUMS_H

#include "ops/internal.h"

/* y (1,N) = column sums of x (T,N), += with ops->accumulate; checked by the caller. In parts they
 * are there once bcl_sums_finish has been called. */
bcl_status bcl_sum_rows(bcl_ops *ops, bcl_view y, bcl_view x, int T, int N);
/* dgamma, dbeta (1,C) = the sums over the tokens of dy xhat and of dy, in one piece. */
bcl_status bcl_layernorm_parameters(bcl_ops *ops, bcl_view dgamma, bcl_view dbeta, bcl_view dy,
                                    bcl_view r, bcl_view mean, bcl_view rstd, int T, int C);

/* Rows of a part and parts of T tokens, where sums are computed in parts; else 0. */
int bcl_sums_part_rows(const bcl_ops *ops, int T);
int bcl_sums_part_count(int T, int rows);
/* Room for the parts of `outputs` sums of N columns over T tokens: part p of output o is at *at +
 * (p outputs + o) N of the view *parts. bcl_sums_finish adds them up into y[o] (1,N). */
bcl_status bcl_sums_reserve(bcl_view *parts, int *at, bcl_ops *ops, const bcl_view *y, int outputs,
                            int T, int N);
/* Behind the launch that writes the parts: adds them up, unless that is to be later. */
bcl_status bcl_sums_passed(bcl_ops *ops);

#endif
