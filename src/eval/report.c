/* scikit-learn's classification report from counts of (gold, predicted) pairs. Every sum is added
 * in NumPy's order, so that the figures are equal to the last bit and the text to the last
 * character. Knows nothing of entities. */
#include "util/util.h"

#include <bertcl/eval.h>
#include <cjson/cJSON.h>
#include <math.h>

struct bcl_counts {
    char **names; /* (K) */
    size_t k;
    uint64_t *matrix; /* (K,K), gold by predicted */
    uint64_t total;
};

struct bcl_report {
    char **labels; /* (K), sorted; only those that occur */
    size_t k;
    bcl_scores *scores; /* (K) */
    uint64_t *matrix;   /* (K,K) */
    bcl_scores macro, weighted;
    double accuracy;
    uint64_t total;
};

/* ---- counts ---- */

bcl_status bcl_counts_create(bcl_counts **out, const char *const *names, size_t k) {
    bcl_status status = BCL_OK;
    bcl_counts *c = NULL;
    size_t cells;
    if (!k || !bcl_multiply(&cells, k, k))
        BCL_FAIL(BCL_ERROR_ARGUMENT, "counts: found %zu labels, expected at least 1", k);
    BCL_NEW(c, 1);
    BCL_NEW(c->matrix, cells);
    BCL_NEW(c->names, k);
    for (; c->k < k; c->k++)
        BCL_TRY(bcl_strdup(&c->names[c->k], names[c->k]));
    *out = c;
    c = NULL;
out:
    bcl_counts_free(c);
    return status;
}

bcl_status bcl_counts_add(bcl_counts *counts, const int32_t *gold, const int32_t *pred, size_t n) {
    size_t k = counts->k;
    for (size_t i = 0; i < n; i++) {
        if (gold[i] < 0)
            continue;
        if ((size_t)gold[i] >= k || pred[i] < 0 || (size_t)pred[i] >= k)
            return bcl_fail(BCL_ERROR_ARGUMENT,
                            "counts: found label ids %d and %d, expected 0 to %zu", gold[i],
                            pred[i], k - 1);
        counts->matrix[(size_t)gold[i] * k + (size_t)pred[i]]++;
        counts->total++;
    }
    return BCL_OK;
}

uint64_t bcl_counts_total(const bcl_counts *counts) {
    return counts->total;
}

void bcl_counts_free(bcl_counts *counts) {
    if (!counts)
        return;
    bcl_strings_free(counts->names, counts->k);
    free(counts->matrix);
    free(counts);
}

/* ---- figures ---- */

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

/* numpy.average over the values that are not NaN; without weights if `weights` is NULL or they add
 * up to nothing. NaN if there is no value. `scratch`: (n). */
static double average(const double *values, const double *weights, size_t n, double *scratch) {
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
        return average(values, NULL, n, scratch);
    return m ? sum_pairwise(scratch, m) / (double)m : NAN;
}

static double divide(double numerator, double denominator, double zero_division) {
    return denominator == 0 ? zero_division : numerator / denominator;
}

static void score_labels(bcl_report *r, double zero_division) {
    uint64_t correct = 0;
    for (size_t i = 0; i < r->k; i++) {
        uint64_t gold = 0, predicted = 0, hits = r->matrix[i * r->k + i];
        for (size_t j = 0; j < r->k; j++) {
            gold += r->matrix[i * r->k + j];
            predicted += r->matrix[j * r->k + i];
        }
        double tp = (double)hits, t = (double)gold, p = (double)predicted;
        r->scores[i] = (bcl_scores){.precision = divide(tp, p, zero_division),
                                    .recall = divide(tp, t, zero_division),
                                    .f1 = divide(2 * tp, t + p, zero_division),
                                    .support = gold};
        correct += hits;
    }
    r->accuracy = (double)correct / (double)r->total;
}

static bcl_status average_labels(bcl_report *r) {
    bcl_status status = BCL_OK;
    double *work = NULL;
    size_t n = r->k;
    BCL_NEW(work, 5 * n);
    double *columns[3] = {work, work + n, work + 2 * n};
    double *weights = work + 3 * n, *scratch = work + 4 * n, macro[3], weighted[3];
    for (size_t i = 0; i < n; i++) {
        columns[0][i] = r->scores[i].precision;
        columns[1][i] = r->scores[i].recall;
        columns[2][i] = r->scores[i].f1;
        weights[i] = (double)r->scores[i].support;
    }
    for (int c = 0; c < 3; c++) {
        macro[c] = average(columns[c], NULL, n, scratch);
        weighted[c] = average(columns[c], weights, n, scratch);
    }
    r->macro = (bcl_scores){macro[0], macro[1], macro[2], r->total};
    r->weighted = (bcl_scores){weighted[0], weighted[1], weighted[2], r->total};
out:
    free(work);
    return status;
}

typedef struct named {
    const char *name;
    size_t id;
} named;

/* UTF-8 sorts by bytes as it does by code points, which is how Python compares strings. */
static int compare_named(const void *a, const void *b) {
    return strcmp(((const named *)a)->name, ((const named *)b)->name);
}

static bool occurs(const bcl_counts *c, size_t i) {
    for (size_t j = 0; j < c->k; j++)
        if (c->matrix[i * c->k + j] || c->matrix[j * c->k + i])
            return true;
    return false;
}

bcl_status bcl_report_create(bcl_report **out, const bcl_counts *counts, double zero_division) {
    bcl_status status = BCL_OK;
    bcl_report *r = NULL;
    named *present = NULL;
    size_t k = 0;
    if (!counts->total)
        BCL_FAIL(BCL_ERROR_ARGUMENT, "report: found no label, expected at least one");
    BCL_NEW(present, counts->k);
    for (size_t i = 0; i < counts->k; i++)
        if (occurs(counts, i))
            present[k++] = (named){counts->names[i], i};
    qsort(present, k, sizeof *present, compare_named);
    BCL_NEW(r, 1);
    BCL_NEW(r->labels, k);
    BCL_NEW(r->scores, k);
    BCL_NEW(r->matrix, k * k);
    r->total = counts->total;
    for (; r->k < k; r->k++)
        BCL_TRY(bcl_strdup(&r->labels[r->k], present[r->k].name));
    for (size_t i = 0; i < k; i++)
        for (size_t j = 0; j < k; j++)
            r->matrix[i * k + j] = counts->matrix[present[i].id * counts->k + present[j].id];
    score_labels(r, zero_division);
    BCL_TRY(average_labels(r));
    *out = r;
    r = NULL;
out:
    free(present);
    bcl_report_free(r);
    return status;
}

void bcl_report_free(bcl_report *report) {
    if (!report)
        return;
    bcl_strings_free(report->labels, report->k);
    free(report->scores);
    free(report->matrix);
    free(report);
}

size_t bcl_report_size(const bcl_report *report) {
    return report->k;
}

const char *bcl_report_label(const bcl_report *report, size_t i) {
    return report->labels[i];
}

bcl_scores bcl_report_scores(const bcl_report *report, size_t i) {
    return report->scores[i];
}

bcl_scores bcl_report_macro(const bcl_report *report) {
    return report->macro;
}

bcl_scores bcl_report_weighted(const bcl_report *report) {
    return report->weighted;
}

double bcl_report_accuracy(const bcl_report *report) {
    return report->accuracy;
}

const uint64_t *bcl_report_confusion(const bcl_report *report) {
    return report->matrix;
}

/* ---- text ---- */

/* Python's len(): code points. */
static size_t code_points(const char *text) {
    size_t n = 0;
    for (; *text; text++)
        n += ((unsigned char)*text & 0xC0) != 0x80;
    return n;
}

static bcl_status add_name(bcl_string *s, const char *name, size_t width) {
    size_t n = code_points(name);
    return bcl_string_addf(s, "%*s%s ", (int)(n < width ? width - n : 0), "", name);
}

static bcl_status add_number(bcl_string *s, double x, int digits) {
    /* printf may write a NaN's sign, Python does not */
    return isnan(x) ? bcl_string_addf(s, " %9s", "nan") : bcl_string_addf(s, " %9.*f", digits, x);
}

/* scikit-learn's counts turn into floating point, and print so, when not one label is right. */
static bcl_status add_support(bcl_string *s, const bcl_report *r, uint64_t support) {
    char text[32];
    snprintf(text, sizeof text, "%llu%s", (unsigned long long)support, r->accuracy > 0 ? "" : ".0");
    return bcl_string_addf(s, " %9s\n", text);
}

static bcl_status add_row(bcl_string *s, const bcl_report *r, const char *name, size_t width,
                          bcl_scores x, int digits) {
    bcl_status status = BCL_OK;
    BCL_TRY(add_name(s, name, width));
    BCL_TRY(add_number(s, x.precision, digits));
    BCL_TRY(add_number(s, x.recall, digits));
    BCL_TRY(add_number(s, x.f1, digits));
    BCL_TRY(add_support(s, r, x.support));
out:
    return status;
}

bcl_status bcl_report_text(char **out, const bcl_report *report, int digits) {
    bcl_status status = BCL_OK;
    bcl_string s = {0};
    size_t width = strlen("weighted avg");
    if (digits < 0 || digits > 30)
        BCL_FAIL(BCL_ERROR_ARGUMENT, "report: found %d digits, expected 0 to 30", digits);
    if ((size_t)digits > width)
        width = (size_t)digits;
    for (size_t i = 0; i < report->k; i++)
        if (code_points(report->labels[i]) > width)
            width = code_points(report->labels[i]);
    BCL_TRY(add_name(&s, "", width));
    BCL_TRY(
        bcl_string_addf(&s, " %9s %9s %9s %9s\n\n", "precision", "recall", "f1-score", "support"));
    for (size_t i = 0; i < report->k; i++)
        BCL_TRY(add_row(&s, report, report->labels[i], width, report->scores[i], digits));
    BCL_TRY(bcl_string_add(&s, "\n", 1));
    BCL_TRY(add_name(&s, "accuracy", width));
    BCL_TRY(bcl_string_addf(&s, " %9s %9s", "", ""));
    BCL_TRY(add_number(&s, report->accuracy, digits));
    BCL_TRY(add_support(&s, report, report->total));
    BCL_TRY(add_row(&s, report, "macro avg", width, report->macro, digits));
    BCL_TRY(add_row(&s, report, "weighted avg", width, report->weighted, digits));
    *out = s.data;
    s.data = NULL;
out:
    bcl_string_free(&s);
    return status;
}

/* ---- JSON ---- */

/* Takes the item. A label that is named as an average loses its place to it, as in Python's dict.
 */
static bcl_status put(cJSON *object, const char *key, cJSON *item) {
    bool done = item && (cJSON_GetObjectItemCaseSensitive(object, key)
                             ? cJSON_ReplaceItemInObjectCaseSensitive(object, key, item)
                             : cJSON_AddItemToObject(object, key, item));
    if (done)
        return BCL_OK;
    cJSON_Delete(item);
    return bcl_fail(BCL_ERROR_MEMORY, "report: out of memory");
}

static bcl_status put_scores(cJSON *object, const char *key, bcl_scores x) {
    cJSON *item = cJSON_CreateObject();
    if (!cJSON_AddNumberToObject(item, "precision", x.precision) ||
        !cJSON_AddNumberToObject(item, "recall", x.recall) ||
        !cJSON_AddNumberToObject(item, "f1-score", x.f1) ||
        !cJSON_AddNumberToObject(item, "support", (double)x.support)) {
        cJSON_Delete(item);
        item = NULL;
    }
    return put(object, key, item);
}

bcl_status bcl_report_json(cJSON **out, const bcl_report *report) {
    bcl_status status = BCL_OK;
    cJSON *json = cJSON_CreateObject();
    if (!json)
        BCL_FAIL(BCL_ERROR_MEMORY, "report: out of memory");
    for (size_t i = 0; i < report->k; i++)
        BCL_TRY(put_scores(json, report->labels[i], report->scores[i]));
    BCL_TRY(put(json, "accuracy", cJSON_CreateNumber(report->accuracy)));
    BCL_TRY(put_scores(json, "macro avg", report->macro));
    BCL_TRY(put_scores(json, "weighted avg", report->weighted));
    *out = json;
    json = NULL;
out:
    cJSON_Delete(json);
    return status;
}

static bool add_to_array(cJSON *array, cJSON *item) {
    if (item && cJSON_AddItemToArray(array, item))
        return true;
    cJSON_Delete(item);
    return false;
}

bcl_status bcl_report_confusion_json(cJSON **out, const bcl_report *report) {
    bcl_status status = BCL_OK;
    cJSON *json = cJSON_CreateObject();
    cJSON *labels = cJSON_AddArrayToObject(json, "labels");
    cJSON *matrix = cJSON_AddArrayToObject(json, "matrix");
    bool ok = labels && matrix;
    for (size_t i = 0; ok && i < report->k; i++) {
        cJSON *row = cJSON_CreateArray();
        ok = add_to_array(labels, cJSON_CreateString(report->labels[i])) &&
             add_to_array(matrix, row);
        for (size_t j = 0; ok && j < report->k; j++)
            ok = add_to_array(row, cJSON_CreateNumber((double)report->matrix[i * report->k + j]));
    }
    if (!ok)
        BCL_FAIL(BCL_ERROR_MEMORY, "report: out of memory");
    *out = json;
    json = NULL;
out:
    cJSON_Delete(json);
    return status;
}
