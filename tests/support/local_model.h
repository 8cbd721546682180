/* A BERT of one layer that sees no farther than LOCAL_REACH pieces, and by relative position alone:
 * what it says of a piece that is farther than that from the edges of a window is what it says in
 * the whole text. So windows can be compared with a whole pass, which a model that has learnt
 * absolute positions or looks everywhere does not allow. */
#ifndef BCL_TEST_LOCAL_MODEL_H
#define BCL_TEST_LOCAL_MODEL_H

#include "support/tiny_model.h"

enum {
    LOCAL_CONTENT = 32, /* hidden dims that words fill; the others hold the position */
    LOCAL_PLACE = 16,   /* = size of a head */
    LOCAL_REACH = 20,   /* pieces; what is farther has 6e-8 of the weight in all */
    LOCAL_POSITIONS = 2048
};
static const tiny_model LOCAL = {
    LOCAL_CONTENT + LOCAL_PLACE, 3, 1, 45, LOCAL_POSITIONS, 5, 0.1, 0.4f, 3, true};

/* Makes a random tensor of such a model what it must be. */
void local_model_shape(const bcl_tensor *tensor, float *x);

#endif
