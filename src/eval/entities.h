/* Inside eval/: the counts that entity scores come from. */
#ifndef BCL_EVAL_ENTITIES_H
#define BCL_EVAL_ENTITIES_H

#include "eval/eval.h"

typedef struct bcl_entity_totals {
    uint64_t gold, pred, both; /* entities; both: same span and type */
} bcl_entity_totals;

/* (count) totals and the names of their types, owned by the entities. Types of tags that never
 * made an entity are among them, with zeros. */
const bcl_entity_totals *bcl_entities_totals(const bcl_entities *entities, char *const **types,
                                             size_t *count);

#endif
