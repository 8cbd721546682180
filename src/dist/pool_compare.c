/* When answers of different devices may both be right, and double precision where not both are.
 * Knows nothing of who gave them. */
#include "dist/pool_compare.h"
#include "model/exact.h"

#include <math.h>

/* Of rows and of sentences: the root of the mean square of the differences of logits over that of
 * the batch's logits. Of a MiniLM-L6 fine-tuned for entities, fp32 by other sums is 2e-6 apart at
 * most, bf16 0.007 (rows); a deeper model, and a piece whose labels are nearly equally likely,
 * more.
 */
static const struct {
    double row, sentence;
} limits[2] = {{0.01, 0.01}, {1, 0.25}}; /* fp32, rounded */

pool_batch bcl_pool_batch(const void *message) {
    const int32_t *list = message;
    pool_batch b = {.B = list[0], .lengths = list + 1};
    for (int i = 0; i < b.B; i++)
        b.T += b.lengths[i];
    b.ids = b.lengths + b.B;
    b.labels = b.ids + b.T;
    return b;
}

pool_answer bcl_pool_answer(const void *message, int T, bool labels) {
    const char *at = message;
    pool_answer a = {.place = at};
    at += BCL_MODEL_PLACE;
    if (labels) {
        a.row_loss = (const float *)(const void *)at;
        a.predicted = (const int32_t *)(const void *)(a.row_loss + T);
        at = (const char *)(a.predicted + T);
    }
    a.logits = (const float *)(const void *)at;
    return a;
}

pool_batch bcl_pool_sentence(int *row, const pool_batch *b, int sentence) {
    *row = 0;
    for (int i = 0; i < sentence; i++)
        *row += b->lengths[i];
    return (pool_batch){.B = 1,
                        .T = b->lengths[sentence],
                        .lengths = b->lengths + sentence,
                        .ids = b->ids + *row,
                        .labels = b->labels + *row};
}

/* log(sum of e^x) */
static double log_sum(const float *x, int K, double most) {
    double sum = 0;
    for (int k = 0; k < K; k++)
        sum += exp((double)x[k] - most);
    return most + log(sum);
}

bool bcl_pool_is_sound(char *text, size_t size, const pool_batch *b, const pool_answer *a, int K) {
    for (int t = 0; a->predicted && t < b->T; t++) {
        const float *x = a->logits + (size_t)t * (size_t)K;
        const int32_t p = a->predicted[t], label = b->labels[t];
        double most = (double)x[0];
        if (bcl_floats_finite(x, (size_t)K) < (size_t)K)
            continue; /* seen elsewhere */
        for (int k = 1; k < K; k++)
            most = fmax(most, (double)x[k]);
        const double near = 1e-3 * (1 + fabs(most));
        if (p < 0 || p >= K || (double)x[p] < most - near) {
            snprintf(text, size, "label %d of a piece whose greatest logit is another's", p);
            return false;
        }
        const double loss = label >= 0 ? log_sum(x, K, most) - (double)x[label] : 0;
        if (label >= 0 && !(fabs((double)a->row_loss[t] - loss) <= near + 1e-3 * loss)) {
            snprintf(text, size, "a loss of %.6g of a piece whose logits give %.6g",
                     (double)a->row_loss[t], loss);
            return false;
        }
    }
    return true;
}

/* The root of the mean square of what is finite. */
static double scale_of(const float *x, size_t count) {
    double sum = 0;
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        if (isfinite(x[i])) {
            sum += (double)x[i] * (double)x[i];
            n++;
        }
    return n ? sqrt(sum / (double)n) : 0;
}

/* The mean square of differences; *at: the greatest. Values that neither has are equal. */
static double square(int *at, const float *a, const float *b, int K) {
    double sum = 0, most = -1;
    *at = 0;
    for (int k = 0; k < K; k++) {
        const bool one = isfinite(a[k]), two = isfinite(b[k]);
        const double d = one && two ? (double)a[k] - (double)b[k] : one == two ? 0 : INFINITY;
        sum += d * d;
        if (d * d > most) {
            most = d * d;
            *at = k;
        }
    }
    return sum / K;
}

bool bcl_pool_agree(pool_difference *out, const pool_batch *b, const float *a, const float *other,
                    int K, bool rounds) {
    const size_t count = (size_t)b->T * (size_t)K;
    const double scale = fmax(fmax(scale_of(a, count), scale_of(other, count)), 1e-30);
    bool agree = true;
    for (int i = 0, row = 0; i < b->B; row += b->lengths[i++]) {
        pool_difference worst = {.sentence = i, .apart = -1};
        double sum = 0;
        for (int t = row; t < row + b->lengths[i]; t++) {
            const size_t at = (size_t)t * (size_t)K;
            int k;
            const double d = square(&k, a + at, other + at, K);
            sum += d;
            if (sqrt(d) / scale > worst.apart) {
                worst.row = t;
                worst.label = k;
                worst.apart = sqrt(d) / scale;
                worst.own = a[at + (size_t)k];
                worst.other = other[at + (size_t)k];
            }
        }
        const bool good = worst.apart <= limits[rounds].row &&
                          sqrt(sum / b->lengths[i]) / scale <= limits[rounds].sentence;
        if (!good && (agree || b->lengths[i] < b->lengths[out->sentence]))
            *out = worst;
        agree = agree && good;
    }
    return agree;
}

bcl_status bcl_pool_refer(float **logits, const bcl_session *session, const pool_batch *batch,
                          int sentence) {
    bcl_status status = BCL_OK;
    int row;
    const uint32_t which = 0;
    const pool_batch one = bcl_pool_sentence(&row, batch, sentence);
    const bcl_sample sample = {.ids = one.ids, .labels = one.labels, .length = one.T};
    const size_t count = (size_t)one.T * (size_t)session->config.labels;
    bcl_exact_model model = {0};
    bcl_batch packed = {0};
    double *exact = NULL, loss;
    *logits = NULL;
    BCL_TRY(bcl_batch_create(&packed, one.T, 1));
    BCL_TRY(bcl_batch_pack(&packed, &sample, &which, 1, NULL));
    BCL_TRY(bcl_exact_model_load(&model, &session->config, session->folder));
    BCL_NEW(exact, count);
    BCL_NEW(*logits, count);
    BCL_TRY(bcl_exact_model_run(&model, exact, &loss, NULL, &packed, 1));
    for (size_t i = 0; i < count; i++)
        (*logits)[i] = (float)exact[i];
out:
    free(exact);
    bcl_batch_free(&packed);
    bcl_exact_model_free(&model);
    if (status) {
        free(*logits);
        *logits = NULL;
    }
    return status;
}
