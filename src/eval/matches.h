/* Inside eval/: matching predicted with gold entities, sentence by sentence. */
#ifndef BCL_MATCHES_H
#define BCL_MATCHES_H

#include "eval/entities.h"

#include <bertcl/scoring.h>

/* Counts over all types and for each. Zero-initialise, then give it the number of types. */
typedef struct bcl_matches {
    bcl_match_counts all[BCL_MATCH_COUNT];
    bcl_match_counts *types; /* (types, BCL_MATCH_COUNT) */
    size_t type_count;
    bcl_entity_span *gold, *pred; /* of one type */
    uint64_t *first;              /* (gold): the smallest start from here on */
    bool *taken;                  /* (gold) */
    size_t gold_capacity, pred_capacity, first_capacity, taken_capacity;
} bcl_matches;

bcl_status bcl_matches_create(bcl_matches *out, size_t type_count);
bcl_status bcl_matches_add(bcl_matches *matches, const bcl_entity_view *sentence);
void bcl_matches_free(bcl_matches *matches);

#endif
