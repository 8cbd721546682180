/* A small random BERT folder (config, vocabulary, weights), made from a seed without Python. */
#ifndef BCL_TEST_TINY_MODEL_H
#define BCL_TEST_TINY_MODEL_H

#include "model/model.h"

typedef struct tiny_model {
    int hidden, heads, layers, intermediate, positions, labels;
    double dropout;
    float spread; /* standard deviation of the weights */
    uint64_t seed;
    bool local; /* see tests/support/local_model.h */
} tiny_model;
static const tiny_model TINY = {32, 4, 2, 45, 64, 5, 0.1, 0.2f, 1, false};
enum { TINY_VOCABULARY = 5 + 2 * 36 };

/* Labels O, I-LOC, I-MISC, I-ORG, I-PER, then I-5, ...; pieces are specials, letters and digits. */
bcl_status tiny_model_write(const char *folder, const tiny_model *shape);

#endif
