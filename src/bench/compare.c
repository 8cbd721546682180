/* Two results row by row: ratios of medians, with intervals from what runs of one device differ by
 * (certainty.c). */
#include "bench/internal.h"

#include <cjson/cJSON.h>
#include <math.h>

static const double WITHIN = 1.96; /* 95 % of the normal distribution */
/* Intervals that reach into this, either way, are no difference. */
static const double MEANS_NOTHING = 1.05;

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
        if (!strcmp(bcl_json_word(row, "name"), name) &&
            !strcmp(bcl_json_word(row, "device"), c->device) && bcl_bench_has_speed(row))
            return row;
    }
    return NULL;
}

/* All rows as one: the middle of their ratios, as certain as their own distribution makes it, but
 * no more than the drift that they share lets it be. */
static bcl_status add_up(bcl_bench_difference *all, const bcl_bench_difference *rows, size_t count,
                         const bcl_bench_noise n[2]) {
    bcl_status status = BCL_OK;
    double *x = NULL, *off = NULL;
    BCL_NEW(x, count);
    BCL_NEW(off, count);
    for (size_t i = 0; i < count; i++)
        x[i] = log(rows[i].ratio);
    const double log_ratio = bcl_bench_middle(x, count);
    for (size_t i = 0; i < count; i++)
        off[i] = fabs(x[i] - log_ratio);
    const double own = 1.4826 * bcl_bench_middle(off, count) * 1.2533 / sqrt((double)count);
    conclude(all, log_ratio,
             sqrt(own * own + n[0].drift * n[0].drift + n[1].drift * n[1].drift +
                  BCL_BENCH_LEAST * BCL_BENCH_LEAST));
    all->name = "all rows";
out:
    free(x);
    free(off);
    return status;
}

/* What rows of whole models and their parts are of: the model, and sentences. */
static bool is_same_work(const cJSON *a, const cJSON *b) {
    static const char *const keys[] = {"model", "data"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const cJSON *x = cJSON_GetObjectItemCaseSensitive(
            cJSON_GetObjectItemCaseSensitive(a, "options"), keys[i]);
        const cJSON *y = cJSON_GetObjectItemCaseSensitive(
            cJSON_GetObjectItemCaseSensitive(b, "options"), keys[i]);
        if ((x || y) && !cJSON_Compare(x, y, true))
            return false;
    }
    return true;
}

bcl_status bcl_bench_compare(bcl_bench_comparison *out, const bcl_bench_column *a,
                             const bcl_bench_column *b) {
    bcl_status status = BCL_OK;
    const cJSON *rows = cJSON_GetObjectItemCaseSensitive(a->result, "rows"), *row;
    const bool same = is_same_work(a->result, b->result);
    bcl_bench_noise n[2];
    *out = (bcl_bench_comparison){0};
    BCL_NEW(out->rows, (size_t)cJSON_GetArraySize(rows));
    BCL_TRY(bcl_bench_noise_of(&n[0], a));
    BCL_TRY(bcl_bench_noise_of(&n[1], b));
    cJSON_ArrayForEach(row, rows) {
        const bool own =
            bcl_bench_has_speed(row) && !strcmp(bcl_json_word(row, "device"), a->device);
        /* a limit is the device's own, a product's name has its shape */
        const bool alike = same || !strcmp(bcl_json_word(row, "level"), "limit") ||
                           !strcmp(bcl_json_word(row, "level"), "product");
        const cJSON *other = own && alike ? find(b, bcl_json_word(row, "name")) : NULL;
        bcl_bench_spread x, y;
        if (!other)
            continue;
        BCL_TRY(bcl_bench_spread_of(&x, row));
        BCL_TRY(bcl_bench_spread_of(&y, other));
        bcl_bench_difference *d = &out->rows[out->count++];
        d->name = bcl_json_word(row, "name");
        conclude(d, log(x.median / y.median),
                 sqrt(bcl_bench_variance(&x, &n[0]) + bcl_bench_variance(&y, &n[1])));
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
        if (!bcl_bench_has_speed(row) ||
            has_column(*list, *count, result, bcl_json_word(row, "device")))
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
