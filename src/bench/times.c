/* Times of repeated work: warm-up, samples, quartiles. The wall clock: an event's times are the
 * driver's word for itself. */
#include "bench/internal.h"

#include <math.h>

enum { LEAST_WARMUPS = 2, MOST_WARMUPS = 6, MOST_REPEATS = 4096 };
static const double AGREE = 0.1, SAMPLE_S = 4e-3;

int bcl_bench_order(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bcl_bench_quantile(const double *sorted, size_t n, double q) {
    const double at = q * (double)(n - 1);
    const size_t i = (size_t)at;
    return i + 1 < n ? sorted[i] + (at - (double)i) * (sorted[i + 1] - sorted[i]) : sorted[n - 1];
}

static double median_of(const double *x, int n) {
    double sorted[BCL_BENCH_SAMPLES];
    memcpy(sorted, x, (size_t)n * sizeof *x);
    qsort(sorted, (size_t)n, sizeof *sorted, bcl_bench_order);
    return bcl_bench_quantile(sorted, (size_t)n, 0.5);
}

double bcl_bench_drift(const bcl_bench_times *t) {
    const int third = t->count / 3;
    if (third < 1)
        return 1;
    return median_of(t->samples + t->count - third, third) / median_of(t->samples, third);
}

static bcl_status once(double *seconds, int repeats, bcl_bench_work *work, void *context) {
    bcl_status status = BCL_OK;
    BCL_TRY(work(context, 0));
    const double start = bcl_seconds();
    BCL_TRY(work(context, repeats));
    *seconds = fmax(bcl_seconds() - start, 1e-9) / repeats;
out:
    return status;
}

void bcl_bench_summarize(bcl_bench_times *t) {
    const size_t n = (size_t)t->count;
    double sorted[BCL_BENCH_SAMPLES];
    if (!n)
        return;
    memcpy(sorted, t->samples, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, bcl_bench_order);
    t->least = sorted[0];
    t->q1 = bcl_bench_quantile(sorted, n, 0.25);
    t->median = bcl_bench_quantile(sorted, n, 0.5);
    t->q3 = bcl_bench_quantile(sorted, n, 0.75);
}

bcl_status bcl_bench_time(bcl_bench_times *t, int count, double seconds, bcl_bench_work *work,
                          void *context) {
    bcl_status status = BCL_OK;
    double last = HUGE_VAL, x = 0;
    const double end = bcl_seconds() + seconds;
    *t = (bcl_bench_times){.repeats = 1};
    for (int i = 0; i < MOST_WARMUPS; i++) {
        last = x;
        BCL_TRY(once(&x, t->repeats, work, context));
        t->median = x;
        t->repeats = (int)fmin(MOST_REPEATS, SAMPLE_S / x + 1);
        if (bcl_seconds() + count * x * t->repeats > end)
            return BCL_OK;
        if (i + 1 >= LEAST_WARMUPS && fabs(x - last) <= AGREE * x)
            break;
    }
    for (; t->count < count; t->count++)
        BCL_TRY(once(&t->samples[t->count], t->repeats, work, context));
    bcl_bench_summarize(t);
out:
    return status;
}
