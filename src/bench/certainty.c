/* How much a row's median may differ in another run of the same device.
 *
 * The samples of a pass follow each other within a second and share the machine's state of that
 * second, so a median of n of them is not sqrt(n) times as certain as one. What passes over all
 * rows differ by is nearer to what runs differ by: a row's logarithm is taken to vary from run to
 * run as it does from pass to pass. Two or three passes say little of one row alone, so its
 * variance is drawn towards that of the result's typical row, and is not taken to be less.
 *
 * Of a row that was measured in one burst only the samples are known: another run is taken to
 * differ as one of them does, and by the drift within the typical row. */
#include "bench/internal.h"

#include <cjson/cJSON.h>
#include <math.h>

/* Degrees of freedom that the typical row's variance counts for. */
static const double PRIOR = 4;
/* Variance of a median of n, by that of their mean. */
static const double OF_MEDIAN = 1.5708;

static const cJSON *samples_of(const cJSON *row) {
    return cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(row, "seconds"),
                                            "samples");
}

bool bcl_bench_has_speed(const cJSON *row) {
    return !strcmp(bcl_json_word(row, "status"), "ok") && cJSON_GetArraySize(samples_of(row)) > 0;
}

double bcl_bench_middle(double *x, size_t n) {
    qsort(x, n, sizeof *x, bcl_bench_order);
    return n ? bcl_bench_quantile(x, n, 0.5) : 0;
}

/* Of the logarithms of the passes' medians: their variance, and the last one's distance from the
 * first. Sorts the samples pass by pass. */
static void compare_passes(bcl_bench_spread *s, double *samples, size_t n) {
    const size_t passes = (size_t)s->passes, each = n / passes;
    double sum = 0, squares = 0, first = 0;
    for (size_t p = 0; p < passes; p++) {
        const double x = log(bcl_bench_middle(samples + p * each, each));
        first = p ? first : x;
        s->shift = x - first;
        sum += x - first;
        squares += (x - first) * (x - first);
    }
    s->between = fmax(squares - sum * sum / s->passes, 0) / (s->passes - 1);
    s->within = OF_MEDIAN * s->sd * s->sd / (double)each;
}

bcl_status bcl_bench_spread_of(bcl_bench_spread *out, const cJSON *row) {
    bcl_status status = BCL_OK;
    const cJSON *seconds = cJSON_GetObjectItemCaseSensitive(row, "seconds"), *x;
    const cJSON *list = samples_of(row);
    const double drift = bcl_json_number(seconds, "last_by_first_third", 0);
    const double passes = bcl_json_number(seconds, "passes", 1);
    double *samples = NULL, *sorted = NULL;
    size_t n = 0;
    *out = (bcl_bench_spread){.passes = 1};
    BCL_NEW(samples, (size_t)cJSON_GetArraySize(list));
    BCL_NEW(sorted, (size_t)cJSON_GetArraySize(list));
    cJSON_ArrayForEach(x, list) samples[n++] = x->valuedouble;
    memcpy(sorted, samples, n * sizeof *samples);
    out->median = bcl_bench_middle(sorted, n);
    out->sd = (bcl_bench_quantile(sorted, n, 0.75) - bcl_bench_quantile(sorted, n, 0.25)) / 1.349 /
              out->median;
    out->drift = drift > 0 ? fabs(log(drift)) : 0;
    if (passes >= 2 && passes <= (double)n && n % (size_t)passes == 0) {
        out->passes = (int)passes;
        compare_passes(out, samples, n);
    }
out:
    free(samples);
    free(sorted);
    return status;
}

/* Median of a chi-squared distribution by its degrees of freedom, which it is divided by. */
static double middle_share(int freedom) {
    return freedom == 1 ? 0.4549 : pow(1 - 2 / (9.0 * freedom), 3);
}

bcl_status bcl_bench_noise_of(bcl_bench_noise *out, const bcl_bench_column *c) {
    bcl_status status = BCL_OK;
    double *sd = NULL, *drift = NULL, *between = NULL, *shift = NULL;
    const cJSON *rows = cJSON_GetObjectItemCaseSensitive(c->result, "rows"), *row;
    const size_t most = (size_t)cJSON_GetArraySize(rows);
    size_t n = 0, m = 0;
    BCL_NEW(sd, most);
    BCL_NEW(drift, most);
    BCL_NEW(between, most);
    BCL_NEW(shift, most);
    cJSON_ArrayForEach(row, rows) {
        bcl_bench_spread s;
        if (!bcl_bench_has_speed(row) || strcmp(bcl_json_word(row, "device"), c->device))
            continue;
        BCL_TRY(bcl_bench_spread_of(&s, row));
        sd[n] = s.sd;
        drift[n++] = s.drift;
        if (s.passes > 1) {
            between[m] = s.between / middle_share(s.passes - 1);
            shift[m++] = s.shift;
        }
    }
    *out =
        (bcl_bench_noise){.sd = bcl_bench_middle(sd, n), .between = bcl_bench_middle(between, m)};
    out->drift = m ? fabs(bcl_bench_middle(shift, m)) : bcl_bench_middle(drift, n);
out:
    free(sd);
    free(drift);
    free(between);
    free(shift);
    return status;
}

double bcl_bench_variance(const bcl_bench_spread *s, const bcl_bench_noise *n) {
    const double least = BCL_BENCH_LEAST * BCL_BENCH_LEAST;
    if (s->passes < 2) {
        const double sd = fmax(s->sd, n->sd);
        return fmax(sd * sd, least) + n->drift * n->drift;
    }
    const double own =
        (PRIOR * n->between + (s->passes - 1) * s->between) / (PRIOR + s->passes - 1);
    return fmax(fmax(fmax(own, n->between), s->within), least);
}
