/* What the reports share. Every sum is added in NumPy's order, so that the figures are equal to the
 * last bit and the text to the last character. */
#include "eval/report.h"

#include "util/printable.h"

#include <cjson/cJSON.h>
#include <math.h>

/* NumPy's pairwise sum: plain up to 7 numbers, eight partial sums up to 128, halves beyond. */
static double sum_pairwise(const double *a, size_t n) {
    if (n < 8) {
        double sum = 0;
        for (size_t i = 0; i < n; i++)
            sum += a[i];
        return sum;
    }
    if (n > 128) {
        size_t half = n / 2 - n / 2 % 8;
        return sum_pairwise(a, half) + sum_pairwise(a + half, n - half);
    }
    double r[8];
    for (size_t j = 0; j < 8; j++)
        r[j] = a[j];
    size_t i = 8;
    for (; i + 8 <= n; i += 8)
        for (size_t j = 0; j < 8; j++)
            r[j] += a[i + j];
    double sum = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]));
    for (; i < n; i++)
        sum += a[i];
    return sum;
}

double bcl_average(const double *values, const double *weights, size_t n, double *scratch) {
    size_t m = 0;
    double total = 0;
    for (size_t i = 0; i < n; i++)
        if (!isnan(values[i])) {
            total += weights ? weights[i] : 0; /* whole numbers: exact in any order */
            scratch[m++] = values[i] * (weights ? weights[i] : 1.0);
        }
    if (weights && total > 0)
        return sum_pairwise(scratch, m) / total;
    if (weights)
        return bcl_average(values, NULL, n, scratch);
    return m ? sum_pairwise(scratch, m) / (double)m : NAN;
}

bcl_status bcl_scores_average(bcl_scores *out, const bcl_scores *scores, size_t n, bool weighted) {
    bcl_status status = BCL_OK;
    double *work = NULL, result[3];
    BCL_NEW(work, 3 * n);
    double *values = work, *weights = work + n, *scratch = work + 2 * n;
    uint64_t support = 0;
    for (size_t i = 0; i < n; i++) {
        weights[i] = (double)scores[i].support;
        support += scores[i].support;
    }
    for (int c = 0; c < 3; c++) {
        for (size_t i = 0; i < n; i++)
            values[i] = c == 0 ? scores[i].precision : c == 1 ? scores[i].recall : scores[i].f1;
        result[c] = bcl_average(values, weighted ? weights : NULL, n, scratch);
    }
    *out = (bcl_scores){result[0], result[1], result[2], support};
out:
    free(work);
    return status;
}

/* Python's len(): code points. */
static size_t code_points(const char *text) {
    size_t n = 0;
    for (; *text; text++)
        n += ((unsigned char)*text & 0xC0) != 0x80;
    return n;
}

/* The same of what is shown of it: control characters are escaped. */
static size_t shown_points(const char *text) {
    char shown[1024];
    return code_points(bcl_printable(shown, sizeof shown, text));
}

size_t bcl_report_width(char *const *labels, size_t n, int digits) {
    size_t width = strlen("weighted avg");
    if ((size_t)digits > width)
        width = (size_t)digits;
    for (size_t i = 0; i < n; i++)
        if (shown_points(labels[i]) > width)
            width = shown_points(labels[i]);
    return width;
}

static bcl_status add_name(bcl_string *s, const char *name, size_t width) {
    bcl_status status = BCL_OK;
    const size_t n = shown_points(name);
    BCL_TRY(bcl_string_addf(s, "%*s", (int)(n < width ? width - n : 0), ""));
    BCL_TRY(bcl_printable_add(s, name, strlen(name)));
    BCL_TRY(bcl_string_add(s, " ", 1));
out:
    return status;
}

static bcl_status add_number(bcl_string *s, double x, int digits) {
    /* printf may write a NaN's sign, Python does not */
    return isnan(x) ? bcl_string_addf(s, " %9s", "nan") : bcl_string_addf(s, " %9.*f", digits, x);
}

static bcl_status add_support(bcl_string *s, uint64_t support, bool real) {
    char text[32];
    snprintf(text, sizeof text, "%llu%s", (unsigned long long)support, real ? ".0" : "");
    return bcl_string_addf(s, " %9s\n", text);
}

bcl_status bcl_report_add_header(bcl_string *s, size_t width) {
    bcl_status status = add_name(s, "", width);
    return status ? status
                  : bcl_string_addf(s, " %9s %9s %9s %9s\n\n", "precision", "recall", "f1-score",
                                    "support");
}

bcl_status bcl_report_add_row(bcl_string *s, const char *name, size_t width, bcl_scores x,
                              int digits, bool real) {
    bcl_status status = BCL_OK;
    BCL_TRY(add_name(s, name, width));
    BCL_TRY(add_number(s, x.precision, digits));
    BCL_TRY(add_number(s, x.recall, digits));
    BCL_TRY(add_number(s, x.f1, digits));
    BCL_TRY(add_support(s, x.support, real));
out:
    return status;
}

bcl_status bcl_report_add_accuracy(bcl_string *s, size_t width, double accuracy, uint64_t support,
                                   int digits, bool real) {
    bcl_status status = BCL_OK;
    BCL_TRY(add_name(s, "accuracy", width));
    BCL_TRY(bcl_string_addf(s, " %9s %9s", "", ""));
    BCL_TRY(add_number(s, accuracy, digits));
    BCL_TRY(add_support(s, support, real));
out:
    return status;
}

/* Takes the item. A label that is named as an average loses its place to it, as in Python's dict.
 */
bcl_status bcl_report_put(cJSON *object, const char *key, cJSON *item) {
    bool done = item && (cJSON_GetObjectItemCaseSensitive(object, key)
                             ? cJSON_ReplaceItemInObjectCaseSensitive(object, key, item)
                             : cJSON_AddItemToObject(object, key, item));
    if (done)
        return BCL_OK;
    cJSON_Delete(item);
    return bcl_fail(BCL_ERROR_MEMORY, "report: out of memory");
}

static cJSON *scores_json(bcl_scores x) {
    cJSON *item = cJSON_CreateObject();
    if (!cJSON_AddNumberToObject(item, "precision", x.precision) ||
        !cJSON_AddNumberToObject(item, "recall", x.recall) ||
        !cJSON_AddNumberToObject(item, "f1-score", x.f1) ||
        !cJSON_AddNumberToObject(item, "support", (double)x.support)) {
        cJSON_Delete(item);
        item = NULL;
    }
    return item;
}

bcl_status bcl_report_put_scores(cJSON *object, const char *key, bcl_scores x) {
    return bcl_report_put(object, key, scores_json(x));
}

bcl_status bcl_report_add_scores(cJSON *object, const char *key, bcl_scores x) {
    cJSON *item = scores_json(x);
    if (item && cJSON_AddItemToObject(object, key, item))
        return BCL_OK;
    cJSON_Delete(item);
    return bcl_fail(BCL_ERROR_MEMORY, "report: out of memory");
}
