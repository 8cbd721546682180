/* Inside eval/: the figures of a report as one list of numbers, computed from sums of rows, so that
 * they can be had for any choice of sentences. */
#ifndef BCL_FIGURES_H
#define BCL_FIGURES_H

#include "eval/score.h"

/* Where a figure stands in the JSON: group "report" or "entities" (NULL: at the top), row, metric.
 */
typedef struct bcl_figure_name {
    const char *group, *row, *metric;
} bcl_figure_name;

typedef struct bcl_figures {
    bcl_figure_name *names; /* (count) */
    size_t count;
    const char **types; /* (types) that occur in either score, sorted */
    size_t type_count;
} bcl_figures;

/* The figures of one score, or of two that are compared: their types together. */
bcl_status bcl_figures_create(bcl_figures *out, const bcl_score *first, const bcl_score *second);
void bcl_figures_free(bcl_figures *figures);

/* One score's side: where its types stand, and room to compute. One a thread. */
typedef struct bcl_figure_maker {
    const bcl_figures *figures;
    const bcl_score *score;
    size_t *type_at;    /* (types) in its rows; SIZE_MAX: never occurs */
    bcl_scores *scores; /* (labels or types) */
    double *work;       /* (3 of the larger) */
} bcl_figure_maker;
bcl_status bcl_figure_maker_create(bcl_figure_maker *out, const bcl_figures *figures,
                                   const bcl_score *score);
void bcl_figure_maker_free(bcl_figure_maker *maker);
/* out (count) from the sum (width) of some rows: what the reports of those sentences say. */
void bcl_figures_compute(double *out, const bcl_figure_maker *maker, const uint64_t *sum);

#endif
