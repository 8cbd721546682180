/* Learning-rate schedules. */
#include "train/train.h"

#include <math.h>

double bcl_schedule_rate(bcl_schedule schedule, double lr, double warmup, int64_t step,
                         int64_t total) {
    const double pi = 3.14159265358979323846;
    const double rise = ceil(warmup * (double)total), at = (double)step;
    if (at < rise)
        return lr * at / fmax(1, rise);
    double progress = (at - rise) / fmax(1, (double)total - rise);
    switch (schedule) {
    case BCL_LINEAR:
        return lr * fmax(0, 1 - progress);
    case BCL_COSINE:
        return lr * fmax(0, 0.5 * (1 + cos(pi * progress)));
    default:
        return lr;
    }
}
