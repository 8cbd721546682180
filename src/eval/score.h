/* Inside eval/: all that is counted of labelled sentences. */
#ifndef BCL_SCORE_H
#define BCL_SCORE_H

#include "eval/labels.h"
#include "eval/matches.h"
#include "eval/rows.h"

struct bcl_score {
    const bcl_labels *labels;   /* of the entities */
    const bcl_labels *reported; /* of accuracy and report */
    bcl_score_options options;
    bcl_counts *counts;
    bcl_report *report;
    bcl_entities *entities;
    bcl_entity_report *entity_report;
    bcl_matches matches;
    bcl_rows rows;
};

/* The entities' report, which is the caller's then. */
bcl_entity_report *bcl_score_take_entities(bcl_score *score);

/* NaN is 1 to seqeval, as everything but 0 is. */
double bcl_entity_zero_division(double zero_division);

#endif
