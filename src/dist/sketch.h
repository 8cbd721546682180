/* Inside dist/: a few numbers by which ranks see whether they hold the same vector, without sending
 * it, and who of them is wrong. */
#ifndef BCL_DIST_SKETCH_H
#define BCL_DIST_SKETCH_H

#include "util/util.h"

enum { BCL_SKETCH_DOTS = 4 };

/* Of a vector x. The dots are sums of x[i] with signs drawn by i: of two vectors, the mean square
 * of the dots' differences is that of |x - y|^2. Zero-initialise. */
typedef struct bcl_sketch {
    double loss;                  /* of what the vector is the gradient; 0: of nothing */
    double square;                /* |x|^2 */
    double dots[BCL_SKETCH_DOTS]; /* sum of +-x[i] */
    uint64_t bits;                /* a sum over the elements' bits and places */
    uint64_t kind;                /* devices of one kind must have the same bits; 0: need not */
    double limit;                 /* |x - y| of right ones, over the larger |x| */
} bcl_sketch;

/* Takes x[first..first + count) into the sketch. */
void bcl_sketch_add(bcl_sketch *sketch, size_t first, const float *x, size_t count);
/* The rank among `size` whose sketch is not that of the others, -1: none. Of two that differ it is
 * the one whose loss is higher, else whose vector is further from `before` (|x|^2 when they agreed,
 * 0: never), else the later one. text: the numbers, for a message; names (size): the ranks'. */
int bcl_sketch_judge(char *text, size_t text_size, const bcl_sketch *ranks, int size, double before,
                     const char *const *names);

#endif
