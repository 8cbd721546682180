/* Two results row by row: ratios of medians, with intervals from the samples of both and from what
 * runs of one device differ by.
 *
 * The samples of a row follow each other within a second, so they share the machine's state of that
 * second: a median of n of them is not sqrt(n) times as certain as one. A row's median in another
 * run of the same machine is therefore taken to differ as much as a sample does, at least as much
 * as the result's typical row does, and by the drift that the rows show within themselves. */
#include "bench/internal.h"

#include <cjson/cJSON.h>
#include <math.h>

/* Least standard deviation of a logarithm between two runs; 95 % of the normal distribution. */
static const double LEAST = 0.01, WITHIN = 1.96;
/* Intervals that reach into this, either way, are no difference. */
static const double MEANS_NOTHING = 1.05;

static const cJSON *samples_of(const cJSON *row) {
    return cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(row, "seconds"),
                                            "samples");
}

/* Rows that only check something are ok without a speed. */
static bool has_speed(const cJSON *row) {
    return !strcmp(bcl_json_word(row, "status"), "ok") && cJSON_GetArraySize(samples_of(row)) > 0;
}

/* ---- a row's and a result's certainty ---- */

/* Of the sorted samples: the median, and the standard deviation that the quartiles of a normal
 * distribution have, as a share of it. */
typedef struct spread {
    double median, sd, drift;
} spread;

static bcl_status spread_of(spread *out, const cJSON *row) {
    bcl_status status = BCL_OK;
    const cJSON *seconds = cJSON_GetObjectItemCaseSensitive(row, "seconds"), *x;
    const cJSON *list = samples_of(row);
    const cJSON *drift = cJSON_GetObjectItemCaseSensitive(seconds, "last_by_first_third");
    double *samples = NULL;
    size_t n = 0;
    BCL_NEW(samples, (size_t)cJSON_GetArraySize(list));
    cJSON_ArrayForEach(x, list) samples[n++] = x->valuedouble;
    qsort(samples, n, sizeof *samples, bcl_bench_order);
    out->median = bcl_bench_quantile(samples, n, 0.5);
    out->sd = (bcl_bench_quantile(samples, n, 0.75) - bcl_bench_quantile(samples, n, 0.25)) /
              1.349 / out->median;
    out->drift =
        cJSON_IsNumber(drift) && drift->valuedouble > 0 ? fabs(log(drift->valuedouble)) : 0;
out:
    free(samples);
    return status;
}

/* The middle of so many numbers, which it sorts; 0 of none. */
static double middle(double *x, size_t n) {
    qsort(x, n, sizeof *x, bcl_bench_order);
    return n ? bcl_bench_quantile(x, n, 0.5) : 0;
}

/* What the rows of one device in one result have in common. */
typedef struct noise {
    double sd, drift;
} noise;

static bcl_status noise_of(noise *out, const bcl_bench_column *c) {
    bcl_status status = BCL_OK;
    double *sd = NULL, *drift = NULL;
    const cJSON *rows = cJSON_GetObjectItemCaseSensitive(c->result, "rows"), *row;
    size_t n = 0;
    BCL_NEW(sd, (size_t)cJSON_GetArraySize(rows));
    BCL_NEW(drift, (size_t)cJSON_GetArraySize(rows));
    cJSON_ArrayForEach(row, rows) {
        spread s;
        if (!has_speed(row) || strcmp(bcl_json_word(row, "device"), c->device))
            continue;
        BCL_TRY(spread_of(&s, row));
        sd[n] = s.sd;
        drift[n++] = s.drift;
    }
    *out = (noise){middle(sd, n), middle(drift, n)};
out:
    free(sd);
    free(drift);
    return status;
}

static double variance(const spread *s, const noise *n) {
    const double sd = fmax(fmax(s->sd, n->sd), LEAST);
    return sd * sd + n->drift * n->drift;
}

/* ---- differences ---- */

static void conclude(bcl_bench_difference *d, double log_ratio, double sd) {
    d->ratio = exp(log_ratio);
    d->low = exp(log_ratio - WITHIN * sd);
    d->high = exp(log_ratio + WITHIN * sd);
    d->differs = d->high < 1 / MEANS_NOTHING || d->low > MEANS_NOTHING;
}

static const cJSON *find(const bcl_bench_column *c, const char *name) {
    const cJSON *row;
    cJSON_ArrayForEach(row, cJSON_GetObjectItemCaseSensitive(c->result, "rows")) {
        if (has_speed(row) && !strcmp(bcl_json_word(row, "name"), name) &&
            !strcmp(bcl_json_word(row, "device"), c->device))
            return row;
    }
    return NULL;
}

/* All rows as one: the middle of their ratios, as certain as their own distribution makes it, but
 * no more than the drift that they share lets it be. */
static bcl_status add_up(bcl_bench_difference *all, const bcl_bench_difference *rows, size_t count,
                         const noise n[2]) {
    bcl_status status = BCL_OK;
    double *x = NULL, *off = NULL;
    BCL_NEW(x, count);
    BCL_NEW(off, count);
    for (size_t i = 0; i < count; i++)
        x[i] = log(rows[i].ratio);
    const double log_ratio = middle(x, count);
    for (size_t i = 0; i < count; i++)
        off[i] = fabs(x[i] - log_ratio);
    const double own = 1.4826 * middle(off, count) * 1.2533 / sqrt((double)count);
    conclude(all, log_ratio,
             sqrt(own * own + n[0].drift * n[0].drift + n[1].drift * n[1].drift + LEAST * LEAST));
    all->name = "all rows";
out:
    free(x);
    free(off);
    return status;
}

/* What rows of whole models and their parts are of. */
static bool is_same_model(const cJSON *a, const cJSON *b) {
    const cJSON *x = cJSON_GetObjectItemCaseSensitive(a, "options");
    const cJSON *y = cJSON_GetObjectItemCaseSensitive(b, "options");
    return cJSON_Compare(cJSON_GetObjectItemCaseSensitive(x, "model"),
                         cJSON_GetObjectItemCaseSensitive(y, "model"), true) ||
           (!cJSON_HasObjectItem(x, "model") && !cJSON_HasObjectItem(y, "model"));
}

bcl_status bcl_bench_compare(bcl_bench_comparison *out, const bcl_bench_column *a,
                             const bcl_bench_column *b) {
    bcl_status status = BCL_OK;
    const cJSON *rows = cJSON_GetObjectItemCaseSensitive(a->result, "rows"), *row;
    const bool same = is_same_model(a->result, b->result);
    noise n[2];
    *out = (bcl_bench_comparison){0};
    BCL_NEW(out->rows, (size_t)cJSON_GetArraySize(rows));
    BCL_TRY(noise_of(&n[0], a));
    BCL_TRY(noise_of(&n[1], b));
    cJSON_ArrayForEach(row, rows) {
        const bool own = has_speed(row) && !strcmp(bcl_json_word(row, "device"), a->device);
        /* a limit is the device's own, a product's name has its shape */
        const bool alike = same || !strcmp(bcl_json_word(row, "level"), "limit") ||
                           !strcmp(bcl_json_word(row, "level"), "product");
        const cJSON *other = own && alike ? find(b, bcl_json_word(row, "name")) : NULL;
        spread x, y;
        if (!other)
            continue;
        BCL_TRY(spread_of(&x, row));
        BCL_TRY(spread_of(&y, other));
        bcl_bench_difference *d = &out->rows[out->count++];
        d->name = bcl_json_word(row, "name");
        conclude(d, log(x.median / y.median), sqrt(variance(&x, &n[0]) + variance(&y, &n[1])));
    }
    if (out->count)
        BCL_TRY(add_up(&out->all, out->rows, out->count, n));
out:
    if (status)
        bcl_bench_comparison_free(out);
    return status;
}

void bcl_bench_ratio_text(char out[BCL_BENCH_RATIO], const bcl_bench_difference *d) {
    int n = snprintf(out, BCL_BENCH_RATIO, "%s%.3g", d->differs ? "" : "= ", d->ratio);
    if (d->high / d->low <= 100)
        snprintf(out + n, BCL_BENCH_RATIO - (size_t)n, " (%.3g-%.3g)", d->low, d->high);
    else
        snprintf(out + n, BCL_BENCH_RATIO - (size_t)n, " (any)");
}

void bcl_bench_comparison_free(bcl_bench_comparison *c) {
    free(c->rows);
    *c = (bcl_bench_comparison){0};
}

/* ---- columns ---- */

static bool has_column(const bcl_bench_column *list, size_t count, const cJSON *result,
                       const char *device) {
    for (size_t i = 0; i < count; i++)
        if (list[i].result == result && !strcmp(list[i].device, device))
            return true;
    return false;
}

bcl_status bcl_bench_columns(bcl_bench_column **list, size_t *count, const cJSON *result,
                             const char *path) {
    bcl_status status = BCL_OK;
    const cJSON *row;
    size_t capacity = *count;
    cJSON_ArrayForEach(row, cJSON_GetObjectItemCaseSensitive(result, "rows")) {
        if (!has_speed(row) || has_column(*list, *count, result, bcl_json_word(row, "device")))
            continue;
        BCL_TRY(bcl_grow(list, &capacity, *count + 1, sizeof **list));
        (*list)[(*count)++] = (bcl_bench_column){.result = result,
                                                 .path = path,
                                                 .device = bcl_json_word(row, "device"),
                                                 .name = bcl_json_word(row, "device_name"),
                                                 .driver = bcl_json_word(row, "driver")};
    }
out:
    return status;
}

const cJSON *bcl_bench_column_row(const bcl_bench_column *c, const char *name) {
    return find(c, name);
}
