/* Inside eval/: what the two reports share, printing as Python prints and adding as NumPy adds. */
#ifndef BCL_EVAL_REPORT_H
#define BCL_EVAL_REPORT_H

#include "util/util.h"

#include <bertcl/report.h>

struct cJSON;

/* numpy.average over the values that are not NaN; without weights if `weights` is NULL or they add
 * up to nothing. NaN if there is no value. The sum is NumPy's pairwise one. scratch: (n). */
double bcl_average(const double *values, const double *weights, size_t n, double *scratch);
/* Averages precision, recall and F1 of n scores, weighted by support if `weighted`; support of the
 * result is the sum. */
bcl_status bcl_scores_average(bcl_scores *out, const bcl_scores *scores, size_t n, bool weighted);

/* The width of the first column: of the longest label in code points, "weighted avg" or digits. */
size_t bcl_report_width(char *const *labels, size_t n, int digits);
bcl_status bcl_report_add_header(bcl_string *s, size_t width);
/* "NAME precision recall f1 support"; `real`: the support as Python prints a float. */
bcl_status bcl_report_add_row(bcl_string *s, const char *name, size_t width, bcl_scores x,
                              int digits, bool real);
/* The row of the accuracy: two empty columns. */
bcl_status bcl_report_add_accuracy(bcl_string *s, size_t width, double accuracy, uint64_t support,
                                   int digits, bool real);
/* object[key] = item, which is taken over; an item of that name is replaced where it stands. */
bcl_status bcl_report_put(struct cJSON *object, const char *key, struct cJSON *item);
/* The same where the key is new: no look-up, so that many labels take no longer each. */
bcl_status bcl_report_add_scores(struct cJSON *object, const char *key, bcl_scores x);
bcl_status bcl_report_put_scores(struct cJSON *object, const char *key, bcl_scores x);

#endif
