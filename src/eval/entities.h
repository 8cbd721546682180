/* Inside eval/: the counts that entity scores come from. */
#ifndef BCL_EVAL_ENTITIES_H
#define BCL_EVAL_ENTITIES_H

#include "eval/report.h"

typedef struct bcl_entity_totals {
    uint64_t gold, pred, both; /* entities; both: same span and type */
} bcl_entity_totals;

/* An entity: tokens start to end, both within it. In default mode they count on over all sentences,
 * with one token between two sentences. */
typedef struct bcl_entity_span {
    uint64_t start, end;
    uint32_t type;
} bcl_entity_span;

/* What the sentence that was added last holds: ends ascending, valid until the next call. */
typedef struct bcl_entity_view {
    const bcl_entity_span *gold, *pred;
    size_t gold_count, pred_count;
    uint64_t base; /* the number of the sentence's first token */
} bcl_entity_view;
bcl_entity_view bcl_entities_view(const bcl_entities *entities);

/* (count) totals and the names of their types, owned by the entities. Types of tags that never
 * made an entity are among them, with zeros. */
const bcl_entity_totals *bcl_entities_totals(const bcl_entities *entities, char *const **types,
                                             size_t *count);
/* A type's place among them, or SIZE_MAX. */
size_t bcl_entities_type(const bcl_entities *entities, const char *type);

#endif
