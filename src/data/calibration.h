/* Temperature scaling (Guo et al., On Calibration of Modern Neural Networks, ICML 2017): the one
 * number by which logits are divided so that probabilities are as often right as they say. */
#ifndef BCL_DATA_CALIBRATION_H
#define BCL_DATA_CALIBRATION_H

#include "util/util.h"

/* Words: logits of one piece each, and the right label. Zero-initialise. */
typedef struct bcl_calibration {
    size_t K;
    float *logits; /* (count,K) */
    int32_t *gold; /* (count) */
    size_t count, logits_capacity, gold_capacity;
    size_t left_out; /* words beyond what memory is meant to hold: 256 MiB of logits */
} bcl_calibration;
bcl_status bcl_calibration_add(bcl_calibration *c, const float *logits, size_t K, int32_t gold);
void bcl_calibration_free(bcl_calibration *c);

typedef struct bcl_calibrated {
    double temperature;         /* between BCL_TEMPERATURE_MIN and _MAX */
    double loss_before, loss;   /* mean negative log-likelihood at temperature 1 and at this */
    double error_before, error; /* expected calibration error, 15 bins of equal width */
    size_t words, left_out;
} bcl_calibrated;
/* The temperature of the lowest loss. Without a word: BCL_ERROR_ARGUMENT. */
bcl_status bcl_calibration_fit(bcl_calibrated *out, const bcl_calibration *c);

/* Probabilities (K) of logits (K) at a temperature; returns false if they are not finite. */
bool bcl_softmax(float *out, const float *logits, size_t K, double temperature);

#endif
