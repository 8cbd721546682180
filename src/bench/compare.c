/* Two results row by row: ratios of medians, with intervals by bootstrap over the samples. */
#include "bench/internal.h"

#include <cjson/cJSON.h>

enum { DRAWS = 2000 };
/* Between two runs of the same device medians differ by this much, whatever the samples of one run
 * say. */
static const double MEANS_NOTHING = 1.05;

static const char *text(const cJSON *row, const char *key) {
    return cJSON_GetObjectItemCaseSensitive(row, key)->valuestring;
}

static const cJSON *samples_of(const cJSON *row) {
    return cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(row, "seconds"),
                                            "samples");
}

static bool is_ok(const cJSON *row) {
    return !strcmp(text(row, "status"), "ok");
}

/* The only device of the rows, or NULL. */
static const char *only_device(const cJSON *rows) {
    const char *device = NULL;
    const cJSON *row;
    cJSON_ArrayForEach(row, rows) {
        if (device && strcmp(device, text(row, "device")))
            return NULL;
        device = text(row, "device");
    }
    return device;
}

static const cJSON *find(const cJSON *rows, const cJSON *like, bool any_device) {
    const cJSON *row;
    cJSON_ArrayForEach(
        row,
        rows) if (is_ok(row) && !strcmp(text(row, "name"), text(like, "name")) &&
                  (any_device || !strcmp(text(row, "device"), text(like, "device")))) return row;
    return NULL;
}

/* Median of as many draws, or of the samples themselves with NULL. */
static double median(double *scratch, const double *x, size_t n, uint64_t *seed) {
    for (size_t i = 0; i < n; i++)
        scratch[i] = seed ? x[bcl_mix64((*seed)++) % n] : x[i];
    qsort(scratch, n, sizeof *scratch, bcl_bench_order);
    return bcl_bench_quantile(scratch, n, 0.5);
}

static bcl_status read_samples(double **out, size_t *count, const cJSON *row) {
    bcl_status status = BCL_OK;
    const cJSON *list = samples_of(row), *x;
    size_t n = 0;
    BCL_NEW(*out, (size_t)cJSON_GetArraySize(list));
    cJSON_ArrayForEach(x, list)(*out)[n++] = x->valuedouble;
    *count = n;
out:
    return status;
}

static bcl_status compare(bcl_bench_difference *d, const cJSON *a, const cJSON *b) {
    bcl_status status = BCL_OK;
    double *x = NULL, *y = NULL, *scratch = NULL, *ratios = NULL;
    size_t n, m;
    uint64_t seed = 1;
    BCL_TRY(read_samples(&x, &n, a));
    BCL_TRY(read_samples(&y, &m, b));
    BCL_NEW(scratch, n > m ? n : m);
    BCL_NEW(ratios, DRAWS);
    for (int i = 0; i < DRAWS; i++) {
        const double u = median(scratch, x, n, &seed);
        ratios[i] = u / median(scratch, y, m, &seed);
    }
    qsort(ratios, DRAWS, sizeof *ratios, bcl_bench_order);
    const double u = median(scratch, x, n, NULL);
    *d = (bcl_bench_difference){.name = text(a, "name"),
                                .device = text(a, "device"),
                                .other = text(b, "device"),
                                .ratio = u / median(scratch, y, m, NULL),
                                .low = bcl_bench_quantile(ratios, DRAWS, 0.025),
                                .high = bcl_bench_quantile(ratios, DRAWS, 0.975)};
    d->differs = d->high < 1 / MEANS_NOTHING || d->low > MEANS_NOTHING;
out:
    free(x);
    free(y);
    free(scratch);
    free(ratios);
    return status;
}

bcl_status bcl_bench_compare(bcl_bench_difference **out, size_t *count, const cJSON *a,
                             const cJSON *b) {
    bcl_status status = BCL_OK;
    const cJSON *rows = cJSON_GetObjectItemCaseSensitive(a, "rows"), *row;
    const cJSON *others = cJSON_GetObjectItemCaseSensitive(b, "rows");
    const bool any_device = only_device(rows) && only_device(others);
    bcl_bench_difference *list = NULL;
    size_t n = 0;
    BCL_NEW(list, (size_t)cJSON_GetArraySize(rows));
    cJSON_ArrayForEach(row, rows) {
        const cJSON *other = is_ok(row) ? find(others, row, any_device) : NULL;
        if (other)
            BCL_TRY(compare(&list[n++], row, other));
    }
    *out = list;
    *count = n;
    list = NULL;
out:
    free(list);
    return status;
}
