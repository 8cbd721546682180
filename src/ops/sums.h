/* Inside ops/: sums over the tokens, in one piece or in parts. */
#ifndef BCL_OPS_SUMS_H
#define BCL_OPS_SUMS_H

#include "ops/internal.h"

/* y (1,N) = column sums of x (T,N), += with ops->accumulate; checked by the caller. */
bcl_status bcl_sum_rows(bcl_ops *ops, bcl_view y, bcl_view x, int T, int N);
/* dgamma, dbeta (1,C) = the sums over the tokens of dy xhat and of dy; the same. */
bcl_status bcl_layernorm_parameters(bcl_ops *ops, bcl_view dgamma, bcl_view dbeta, bcl_view dy,
                                    bcl_view r, bcl_view mean, bcl_view rstd, int T, int C);

#endif
