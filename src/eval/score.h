/* Inside eval/: all that is counted of labelled sentences. */
#ifndef BCL_SCORE_H
#define BCL_SCORE_H

#include "eval/labels.h"
#include "eval/matches.h"

/* Counts of one sentence, in a row of `width` numbers: tokens, right ones, then (gold, predicted,
 * both) of every entity type and of every label. Everything that is scored is a sum of rows. */
typedef struct bcl_rows {
    uint32_t *data; /* (sentences, width) */
    size_t sentences, width, types, labels;
} bcl_rows;

enum { BCL_ROW_TOKENS, BCL_ROW_RIGHT, BCL_ROW_TYPES };

struct bcl_score {
    const bcl_labels *labels;
    bcl_score_options options;
    bcl_counts *counts;
    bcl_report *report;
    bcl_entities *entities;
    bcl_entity_report *entity_report;
    bcl_matches matches;
    bcl_rows rows;
};

/* NaN is 1 to seqeval, as everything but 0 is. */
double bcl_entity_zero_division(double zero_division);

#endif
