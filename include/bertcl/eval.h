/* Scores of labels: scikit-learn's classification report, accuracy and the confusion matrix. */
#ifndef BERTCL_EVAL_H
#define BERTCL_EVAL_H

#include <bertcl/status.h>

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Counts of (gold, predicted) pairs over K labels; what every figure of the report comes from. Add
 * to it batch after batch. */
typedef struct bcl_counts bcl_counts;

/* names: (K), copied; each once. */
BCL_EXPORT bcl_status bcl_counts_create(bcl_counts **out, const char *const *names, size_t k);
/* Label ids are within 0 and K - 1; a pair whose gold id is negative is left out (an ignored
 * piece). */
BCL_EXPORT bcl_status bcl_counts_add(bcl_counts *counts, const int32_t *gold, const int32_t *pred,
                                     size_t n);
BCL_EXPORT uint64_t bcl_counts_total(const bcl_counts *counts);
BCL_EXPORT void bcl_counts_free(bcl_counts *counts);

typedef struct bcl_scores {
    double precision, recall, f1;
    uint64_t support; /* gold labels */
} bcl_scores;

/* sklearn.metrics.classification_report(gold, pred, zero_division=...): the labels that occur in
 * gold or pred, sorted by code points. */
typedef struct bcl_report bcl_report;

/* zero_division: what a score with denominator 0 is: 0, 1 or NaN (then averages leave it out).
 * Fails with BCL_ERROR_ARGUMENT when nothing was counted. */
BCL_EXPORT bcl_status bcl_report_create(bcl_report **out, const bcl_counts *counts,
                                        double zero_division);
BCL_EXPORT void bcl_report_free(bcl_report *report);

BCL_EXPORT size_t bcl_report_size(const bcl_report *report); /* labels */
BCL_EXPORT const char *bcl_report_label(const bcl_report *report, size_t i);
BCL_EXPORT bcl_scores bcl_report_scores(const bcl_report *report, size_t i);
BCL_EXPORT bcl_scores bcl_report_macro(const bcl_report *report);
BCL_EXPORT bcl_scores bcl_report_weighted(const bcl_report *report);
/* Correct over all: the mean over tokens, not over batches. */
BCL_EXPORT double bcl_report_accuracy(const bcl_report *report);
/* matrix[i * size + j]: tokens of gold label i predicted as j; owned by the report. */
BCL_EXPORT const uint64_t *bcl_report_confusion(const bcl_report *report);

/* The text, to the last character; *out is for the caller to free(). digits: 0 to 30 (the
 * tutorial's is 4, scikit-learn's own default 2). */
BCL_EXPORT bcl_status bcl_report_text(char **out, const bcl_report *report, int digits);

/* For those who use cJSON; owned by the caller (cJSON_Delete). The keys and their order are those
 * of output_dict=True. */
struct cJSON;
BCL_EXPORT bcl_status bcl_report_json(struct cJSON **out, const bcl_report *report);
/* {"labels": [...], "matrix": [[...], ...]}; rows are gold. */
BCL_EXPORT bcl_status bcl_report_confusion_json(struct cJSON **out, const bcl_report *report);

#ifdef __cplusplus
}
#endif
#endif
