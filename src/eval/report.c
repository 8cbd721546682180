/* scikit-learn's classification report from counts of (gold, predicted) pairs. Every sum is added
 * in NumPy's order, so that the figures are equal to the last bit and the text to the last
 * character. Knows nothing of entities. */
#include "eval/report.h"

#include <cjson/cJSON.h>

/* Pairs of two labels, in a table that is open to search; a key is gold << 32 | predicted. */
typedef struct pair {
    uint64_t key, count; /* count 0: free */
} pair;

struct bcl_counts {
    char **names; /* (K) */
    size_t k;
    uint64_t *gold, *pred, *right; /* (K) */
    pair *wrong;                   /* (slots), a power of two */
    size_t wrong_count, slots;
    uint64_t total;
};

struct bcl_report {
    char **labels; /* (K), sorted; only those that occur */
    size_t k;
    bcl_scores *scores;  /* (K) */
    bcl_confused *cells; /* (cell_count) */
    size_t cell_count;
    bcl_scores macro, weighted;
    double accuracy;
    uint64_t total;
};

/* ---- counts ---- */

bcl_status bcl_counts_create(bcl_counts **out, const char *const *names, size_t k) {
    bcl_status status = BCL_OK;
    bcl_counts *c = NULL;
    if (!k || k > INT32_MAX)
        BCL_FAIL(BCL_ERROR_ARGUMENT, "counts: found %zu labels, expected 1 to %d", k, INT32_MAX);
    BCL_NEW(c, 1);
    BCL_NEW(c->gold, k);
    BCL_NEW(c->pred, k);
    BCL_NEW(c->right, k);
    BCL_NEW(c->names, k);
    for (; c->k < k; c->k++)
        BCL_TRY(bcl_strdup(&c->names[c->k], names[c->k]));
    *out = c;
    c = NULL;
out:
    bcl_counts_free(c);
    return status;
}

static pair *find(const bcl_counts *c, uint64_t key) {
    size_t at = (size_t)bcl_mix64(key) & (c->slots - 1);
    while (c->wrong[at].count && c->wrong[at].key != key)
        at = (at + 1) & (c->slots - 1);
    return &c->wrong[at];
}

/* Keeps half of the slots free. */
static bcl_status grow(bcl_counts *c) {
    bcl_status status = BCL_OK;
    pair *old = c->wrong;
    const size_t count = c->slots;
    if (c->wrong_count * 2 < c->slots)
        return BCL_OK;
    c->slots = count ? 2 * count : 256;
    BCL_NEW(c->wrong, c->slots);
    for (size_t i = 0; i < count; i++)
        if (old[i].count)
            *find(c, old[i].key) = old[i];
    free(old);
    old = NULL;
out:
    if (status) {
        c->wrong = old;
        c->slots = count;
    }
    return status;
}

static bcl_status add_wrong(bcl_counts *c, uint32_t gold, uint32_t pred) {
    bcl_status status = BCL_OK;
    BCL_TRY(grow(c));
    pair *p = find(c, (uint64_t)gold << 32 | pred);
    c->wrong_count += !p->count;
    p->key = (uint64_t)gold << 32 | pred;
    p->count++;
out:
    return status;
}

bcl_status bcl_counts_add(bcl_counts *counts, const int32_t *gold, const int32_t *pred, size_t n) {
    bcl_status status = BCL_OK;
    bcl_counts *c = counts;
    for (size_t i = 0; i < n; i++) {
        if (gold[i] < 0)
            continue;
        if ((size_t)gold[i] >= c->k || pred[i] < 0 || (size_t)pred[i] >= c->k)
            BCL_FAIL(BCL_ERROR_ARGUMENT, "counts: found label ids %d and %d, expected 0 to %zu",
                     gold[i], pred[i], c->k - 1);
        if (gold[i] == pred[i])
            c->right[gold[i]]++;
        else
            BCL_TRY(add_wrong(c, (uint32_t)gold[i], (uint32_t)pred[i]));
        c->gold[gold[i]]++;
        c->pred[pred[i]]++;
        c->total++;
    }
out:
    return status;
}

uint64_t bcl_counts_total(const bcl_counts *counts) {
    return counts->total;
}

void bcl_counts_free(bcl_counts *counts) {
    if (!counts)
        return;
    bcl_strings_free(counts->names, counts->k);
    free(counts->gold);
    free(counts->pred);
    free(counts->right);
    free(counts->wrong);
    free(counts);
}

/* ---- figures ---- */

static double divide(double numerator, double denominator, double zero_division) {
    return denominator == 0 ? zero_division : numerator / denominator;
}

typedef struct named {
    const char *name;
    size_t id;
} named;

/* UTF-8 sorts by bytes as it does by code points, which is how Python compares strings. */
static int compare_named(const void *a, const void *b) {
    return strcmp(((const named *)a)->name, ((const named *)b)->name);
}

static int compare_cells(const void *a, const void *b) {
    const bcl_confused *x = a, *y = b;
    return x->gold != y->gold ? (x->gold > y->gold ? 1 : -1)
                              : (x->pred > y->pred) - (x->pred < y->pred);
}

/* present (k): the labels of the report. */
static bcl_status make_cells(bcl_report *r, const bcl_counts *c, const named *present, size_t k) {
    bcl_status status = BCL_OK;
    uint32_t *place = NULL;
    BCL_NEW(place, c->k);
    BCL_NEW(r->cells, k + c->wrong_count);
    for (size_t i = 0; i < k; i++) {
        place[present[i].id] = (uint32_t)i;
        if (c->right[present[i].id])
            r->cells[r->cell_count++] =
                (bcl_confused){(uint32_t)i, (uint32_t)i, c->right[present[i].id]};
    }
    for (size_t i = 0; i < c->slots; i++)
        if (c->wrong[i].count)
            r->cells[r->cell_count++] =
                (bcl_confused){place[c->wrong[i].key >> 32], place[c->wrong[i].key & UINT32_MAX],
                               c->wrong[i].count};
    qsort(r->cells, r->cell_count, sizeof *r->cells, compare_cells);
out:
    free(place);
    return status;
}

static bcl_scores score(const bcl_counts *c, size_t id, double zero_division) {
    const double tp = (double)c->right[id], t = (double)c->gold[id], p = (double)c->pred[id];
    return (bcl_scores){.precision = divide(tp, p, zero_division),
                        .recall = divide(tp, t, zero_division),
                        .f1 = divide(2 * tp, t + p, zero_division),
                        .support = c->gold[id]};
}

bcl_status bcl_report_create(bcl_report **out, const bcl_counts *counts, double zero_division) {
    bcl_status status = BCL_OK;
    bcl_report *r = NULL;
    named *present = NULL;
    uint64_t right = 0;
    size_t k = 0;
    if (!counts->total)
        BCL_FAIL(BCL_ERROR_ARGUMENT, "report: found no label, expected at least one");
    BCL_NEW(present, counts->k);
    for (size_t i = 0; i < counts->k; i++)
        if (counts->gold[i] || counts->pred[i])
            present[k++] = (named){counts->names[i], i};
    qsort(present, k, sizeof *present, compare_named);
    BCL_NEW(r, 1);
    BCL_NEW(r->labels, k);
    BCL_NEW(r->scores, k);
    r->total = counts->total;
    for (; r->k < k; r->k++) {
        BCL_TRY(bcl_strdup(&r->labels[r->k], present[r->k].name));
        r->scores[r->k] = score(counts, present[r->k].id, zero_division);
        right += counts->right[present[r->k].id];
    }
    r->accuracy = (double)right / (double)r->total;
    BCL_TRY(make_cells(r, counts, present, k));
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
    free(report->cells);
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

const bcl_confused *bcl_report_confusion(const bcl_report *report, size_t *count) {
    *count = report->cell_count;
    return report->cells;
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
        BCL_TRY(bcl_report_add_scores(json, report->labels[i], report->scores[i]));
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

static bool add_row(cJSON *matrix, const bcl_report *r, size_t i, const bcl_confused **cell) {
    const bcl_confused *end = r->cells + r->cell_count;
    cJSON *row = cJSON_CreateArray();
    bool ok = add_to_array(matrix, row);
    for (size_t j = 0; ok && j < r->k; j++) {
        const bool here = *cell < end && (*cell)->gold == i && (*cell)->pred == j;
        ok = add_to_array(row, cJSON_CreateNumber(here ? (double)(*cell)->count : 0));
        *cell += here;
    }
    return ok;
}

static bool add_cell(cJSON *cells, const bcl_confused *c) {
    cJSON *item = cJSON_CreateArray();
    return add_to_array(cells, item) && add_to_array(item, cJSON_CreateNumber(c->gold)) &&
           add_to_array(item, cJSON_CreateNumber(c->pred)) &&
           add_to_array(item, cJSON_CreateNumber((double)c->count));
}

bcl_status bcl_report_confusion_json(cJSON **out, const bcl_report *report) {
    bcl_status status = BCL_OK;
    const bool whole = report->k <= BCL_CONFUSION_WHOLE;
    cJSON *json = cJSON_CreateObject();
    cJSON *labels = cJSON_AddArrayToObject(json, "labels");
    cJSON *matrix =
        whole ? cJSON_AddArrayToObject(json, "matrix") : cJSON_AddNullToObject(json, "matrix");
    cJSON *cells = whole ? NULL : cJSON_AddArrayToObject(json, "cells");
    const bcl_confused *cell = report->cells;
    bool ok = labels && matrix && (whole || cells);
    for (size_t i = 0; ok && i < report->k; i++)
        ok = add_to_array(labels, cJSON_CreateString(report->labels[i])) &&
             (!whole || add_row(matrix, report, i, &cell));
    for (size_t i = 0; ok && cells && i < report->cell_count; i++)
        ok = add_cell(cells, &report->cells[i]);
    if (!ok)
        BCL_FAIL(BCL_ERROR_MEMORY, "report: out of memory");
    *out = json;
    json = NULL;
out:
    cJSON_Delete(json);
    return status;
}
