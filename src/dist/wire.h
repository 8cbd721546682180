/* Inside dist/: what sums of gradients are made of, and gradients that travel as bf16. What
 * rounding loses stays with who has rounded, and is added to what is rounded next: over the steps
 * nothing is lost. */
#ifndef BCL_DIST_WIRE_H
#define BCL_DIST_WIRE_H

#include "util/util.h"

/* out = x + remainder, to the nearest bf16, of two to the even one; remainder = what that is off
 * by. remainder NULL: nothing is kept. What is not finite stays so, and leaves none. All (count).
 */
void bcl_wire_round(uint16_t *out, float *remainder, const float *x, size_t count);
/* sum += x. (count) */
void bcl_wire_add(float *sum, const uint16_t *x, size_t count);
/* out = x. (count) */
void bcl_wire_widen(float *out, const uint16_t *x, size_t count);

/* The remainders of all gradients that this rank rounds, 0 at first. One for a number is enough,
 * whether the rank rounds its own value or the sum: the sum over the ranks of what was not sent and
 * what was not sent back is what the model has not got yet. */
typedef struct bcl_remainders bcl_remainders;
bcl_status bcl_remainders_create(bcl_remainders **out);
void bcl_remainders_free(bcl_remainders *remainders); /* takes NULL */
/* *out (count): of part i, which is as large each time. */
bcl_status bcl_remainders_part(float **out, bcl_remainders *remainders, size_t i, size_t count);
/* *out (count,width): of these rows, one behind the other, until they are put back. rows (count)
 * must stay until then. */
bcl_status bcl_remainders_take_rows(float **out, bcl_remainders *remainders, const int32_t *rows,
                                    size_t count, size_t width);
void bcl_remainders_put_rows(bcl_remainders *remainders);

/* sum (count) += x. */
void bcl_floats_add(float *restrict sum, const float *restrict x, size_t count);
/* Whether there is no NaN and no infinity. */
bool bcl_floats_are_finite(const float *x, size_t count);

#endif
