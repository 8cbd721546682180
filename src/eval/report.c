/* scikit-learn's classification report from counts of (gold, predicted) pairs. Every sum is added
 * in NumPy's order, so that the figures are equal to the last bit and the text to the last
 * character. Knows nothing of entities. */
#include "eval/report.h"

#include <cjson/cJSON.h>

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
    BCL_TRY(bcl_scores_average(&r->macro, r->scores, k, false));
    BCL_TRY(bcl_scores_average(&r->weighted, r->scores, k, true));
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

bcl_status bcl_report_text(char **out, const bcl_report *report, int digits) {
    bcl_status status = BCL_OK;
    bcl_string s = {0};
    /* scikit-learn's counts turn into floating point, and print so, when not one label is right. */
    bool real = report->accuracy == 0;
    if (digits < 0 || digits > 30)
        BCL_FAIL(BCL_ERROR_ARGUMENT, "report: found %d digits, expected 0 to 30", digits);
    size_t width = bcl_report_width(report->labels, report->k, digits);
    BCL_TRY(bcl_report_add_header(&s, width));
    for (size_t i = 0; i < report->k; i++)
        BCL_TRY(bcl_report_add_row(&s, report->labels[i], width, report->scores[i], digits, real));
    BCL_TRY(bcl_string_add(&s, "\n", 1));
    BCL_TRY(bcl_report_add_accuracy(&s, width, report->accuracy, report->total, digits, real));
    BCL_TRY(bcl_report_add_row(&s, "macro avg", width, report->macro, digits, real));
    BCL_TRY(bcl_report_add_row(&s, "weighted avg", width, report->weighted, digits, real));
    *out = s.data;
    s.data = NULL;
out:
    bcl_string_free(&s);
    return status;
}

/* ---- JSON ---- */

bcl_status bcl_report_json(cJSON **out, const bcl_report *report) {
    bcl_status status = BCL_OK;
    cJSON *json = cJSON_CreateObject();
    if (!json)
        BCL_FAIL(BCL_ERROR_MEMORY, "report: out of memory");
    for (size_t i = 0; i < report->k; i++)
        BCL_TRY(bcl_report_put_scores(json, report->labels[i], report->scores[i]));
    BCL_TRY(bcl_report_put(json, "accuracy", cJSON_CreateNumber(report->accuracy)));
    BCL_TRY(bcl_report_put_scores(json, "macro avg", report->macro));
    BCL_TRY(bcl_report_put_scores(json, "weighted avg", report->weighted));
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
