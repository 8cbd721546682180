/* Scores of labels: scikit-learn's classification report, accuracy and the confusion matrix; entity
 * scores as seqeval's. */
#ifndef BERTCL_REPORT_H
#define BERTCL_REPORT_H

#include <bertcl/status.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Counts of (gold, predicted) pairs over K labels; what every figure of the report comes from. Add
 * to it batch after batch. Memory grows with K and the pairs that occur, not with K x K. */
typedef struct bcl_counts bcl_counts;

/* names: (K), copied; each once. Holds K * K counts. */
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
/* A cell of the confusion matrix that is not 0: tokens of a gold label predicted as another or as
 * itself, by their places in the report. */
typedef struct bcl_confused {
    uint32_t gold, pred;
    uint64_t count;
} bcl_confused;
/* (*count) cells, by gold and then predicted label; owned by the report. */
BCL_EXPORT const bcl_confused *bcl_report_confusion(const bcl_report *report, size_t *count);
/* Up to so many labels the matrix is shown whole, beyond that as a list of its cells. */
enum { BCL_CONFUSION_WHOLE = 256 };

/* The text, to the last character; *out is for the caller to free(). digits: 0 to 30 (the
 * tutorial's is 4, scikit-learn's own default 2). */
BCL_EXPORT bcl_status bcl_report_text(char **out, const bcl_report *report, int digits);

/* For those who use cJSON; owned by the caller (cJSON_Delete). The keys and their order are those
 * of output_dict=True. */
struct cJSON;
BCL_EXPORT bcl_status bcl_report_json(struct cJSON **out, const bcl_report *report);
/* {"labels": [...], "matrix": [[...], ...]}; rows are gold. Of more than BCL_CONFUSION_WHOLE labels
 * the matrix is null and "cells" is a list of [gold, predicted, count], numbers of labels. */
BCL_EXPORT bcl_status bcl_report_confusion_json(struct cJSON **out, const bcl_report *report);

/* ---- entities ---- */

/* How tags make entities. */
typedef enum bcl_scheme {
    BCL_SCHEME_DEFAULT, /* seqeval's default mode: as conlleval, any start will do */
    BCL_SCHEME_AUTO,    /* strict; IOB2, IOE2, IOBES or BILOU by the gold tags' prefixes */
    BCL_SCHEME_IOB1,    /* strict, this and those below */
    BCL_SCHEME_IOB2,
    BCL_SCHEME_IOE1,
    BCL_SCHEME_IOE2,
    BCL_SCHEME_IOBES,
    BCL_SCHEME_BILOU,
    BCL_SCHEME_IO /* the tag is the type, or stands behind I-: neighbours that are equal are one
                   * entity. seqeval would take the type's first letter for a prefix */
} bcl_scheme;
/* "default", "auto", "IOB1", ..., "IO" */
BCL_EXPORT const char *bcl_scheme_name(bcl_scheme scheme);
/* Fails with BCL_ERROR_ARGUMENT on any other name. */
BCL_EXPORT bcl_status bcl_scheme_find(bcl_scheme *out, const char *name);

/* Entities found in gold and predicted tags, sentence after sentence. */
typedef struct bcl_entities bcl_entities;

/* names: (K) tags such as "B-PER", copied. `used` tells which of them occur in the gold tags and is
 * only looked at by AUTO, (K), may be NULL: all. Where seqeval refuses a gold with prefixes of no
 * scheme, AUTO leaves out those that no scheme has and takes IOB1 if there is nothing but I, else
 * BILOU (L or U, no E or S) or IOBES. */
BCL_EXPORT bcl_status bcl_entities_create(bcl_entities **out, const char *const *names, size_t k,
                                          const bool *used, bcl_scheme scheme);
/* One sentence of n tokens; tag ids are within 0 and K - 1. */
BCL_EXPORT bcl_status bcl_entities_add(bcl_entities *entities, const int32_t *gold,
                                       const int32_t *pred, size_t n);
BCL_EXPORT void bcl_entities_free(bcl_entities *entities);
/* The scheme in use (never AUTO). */
BCL_EXPORT bcl_scheme bcl_entities_scheme(const bcl_entities *entities);
/* Tags seen, gold and predicted, that the strict scheme does not know, where seqeval raises: they
 * count as O. */
BCL_EXPORT uint64_t bcl_entities_invalid(const bcl_entities *entities);

/* seqeval.metrics.classification_report: the types that occur, sorted by code points. */
typedef struct bcl_entity_report bcl_entity_report;

/* zero_division: 0 or 1. Without any entity, where seqeval raises or gives NaN, the averages are
 * zero_division and the supports 0. */
BCL_EXPORT bcl_status bcl_entity_report_create(bcl_entity_report **out,
                                               const bcl_entities *entities, double zero_division);
BCL_EXPORT void bcl_entity_report_free(bcl_entity_report *report);
BCL_EXPORT size_t bcl_entity_report_size(const bcl_entity_report *report); /* types */
BCL_EXPORT const char *bcl_entity_report_type(const bcl_entity_report *report, size_t i);
BCL_EXPORT bcl_scores bcl_entity_report_scores(const bcl_entity_report *report, size_t i);
BCL_EXPORT bcl_scores bcl_entity_report_micro(const bcl_entity_report *report);
BCL_EXPORT bcl_scores bcl_entity_report_macro(const bcl_entity_report *report);
BCL_EXPORT bcl_scores bcl_entity_report_weighted(const bcl_entity_report *report);
/* As bcl_report_text and bcl_report_json. */
BCL_EXPORT bcl_status bcl_entity_report_text(char **out, const bcl_entity_report *report,
                                             int digits);
BCL_EXPORT bcl_status bcl_entity_report_json(struct cJSON **out, const bcl_entity_report *report);

#ifdef __cplusplus
}
#endif
#endif
