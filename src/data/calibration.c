/* The loss is convex in 1 / T, so the sign of its slope tells on which side the best one lies. */
#include "data/calibration.h"

#include "model/files.h"

#include <math.h>

enum { MOST_BYTES = 1 << 28, BINS = 15, STEPS = 60 };

bcl_status bcl_calibration_add(bcl_calibration *c, const float *logits, size_t K, int32_t gold) {
    bcl_status status = BCL_OK;
    if (gold < 0)
        return BCL_OK;
    if ((c->count + 1) * K > MOST_BYTES / sizeof *logits) {
        c->left_out++;
        return BCL_OK;
    }
    c->K = K;
    BCL_TRY(bcl_grow(&c->logits, &c->logits_capacity, (c->count + 1) * K, sizeof *c->logits));
    BCL_TRY(bcl_grow(&c->gold, &c->gold_capacity, c->count + 1, sizeof *c->gold));
    memcpy(c->logits + c->count * K, logits, K * sizeof *logits);
    c->gold[c->count++] = gold;
out:
    return status;
}

void bcl_calibration_free(bcl_calibration *c) {
    free(c->logits);
    free(c->gold);
    *c = (bcl_calibration){0};
}

bool bcl_softmax(float *out, const float *logits, size_t K, double temperature) {
    const float scale = (float)(1 / temperature);
    float top = logits[0], sum = 0;
    for (size_t k = 1; k < K; k++)
        top = logits[k] > top ? logits[k] : top;
    for (size_t k = 0; k < K; k++)
        sum += out[k] = expf((logits[k] - top) * scale);
    if (!isfinite(sum))
        return false;
    for (size_t k = 0; k < K; k++)
        out[k] /= sum;
    return true;
}

/* Mean loss at beta = 1 / T, and its slope. */
static double loss_at(double *slope, const bcl_calibration *c, double beta) {
    double loss = 0, sum_slope = 0;
    for (size_t i = 0; i < c->count; i++) {
        const float *x = c->logits + i * c->K;
        double top = (double)x[0], sum = 0, mean = 0;
        for (size_t k = 1; k < c->K; k++)
            top = (double)x[k] > top ? (double)x[k] : top;
        for (size_t k = 0; k < c->K; k++) {
            const double e = exp(((double)x[k] - top) * beta);
            sum += e;
            mean += e * ((double)x[k] - top);
        }
        const double right = (double)x[c->gold[i]] - top;
        loss += log(sum) - beta * right;
        sum_slope += mean / sum - right;
    }
    *slope = sum_slope / (double)c->count;
    return loss / (double)c->count;
}

/* How far the highest probability is from how often it is right. */
static double error_at(const bcl_calibration *c, double beta) {
    double said[BINS] = {0}, right[BINS] = {0}, error = 0;
    for (size_t i = 0; i < c->count; i++) {
        const float *x = c->logits + i * c->K;
        size_t best = 0;
        double sum = 0;
        for (size_t k = 1; k < c->K; k++)
            best = x[k] > x[best] ? k : best;
        for (size_t k = 0; k < c->K; k++)
            sum += exp((double)(x[k] - x[best]) * beta);
        const int bin = (int)(BINS / sum);
        said[bin < BINS ? bin : BINS - 1] += 1 / sum;
        right[bin < BINS ? bin : BINS - 1] += best == (size_t)c->gold[i];
    }
    for (int b = 0; b < BINS; b++)
        error += fabs(said[b] - right[b]);
    return error / (double)c->count;
}

bcl_status bcl_calibration_fit(bcl_calibrated *out, const bcl_calibration *c) {
    double low = 1 / BCL_TEMPERATURE_MAX, high = 1 / BCL_TEMPERATURE_MIN, slope;
    if (!c->count)
        return bcl_fail(BCL_ERROR_ARGUMENT, "calibration: found no labelled word, expected some");
    *out = (bcl_calibrated){.words = c->count, .left_out = c->left_out};
    out->loss_before = loss_at(&slope, c, 1);
    out->error_before = error_at(c, 1);
    if (!isfinite(out->loss_before))
        return bcl_fail(BCL_ERROR_DEVICE, "calibration: the model's output is not finite; are its "
                                          "weights damaged?");
    for (int i = 0; i < STEPS; i++) { /* halving on a logarithmic scale */
        const double middle = sqrt(low * high);
        loss_at(&slope, c, middle);
        if (slope > 0)
            high = middle;
        else
            low = middle;
    }
    const double beta = sqrt(low * high);
    out->temperature = 1 / beta;
    out->loss = loss_at(&slope, c, beta);
    out->error = error_at(c, beta);
    return BCL_OK;
}
