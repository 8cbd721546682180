/* Inside eval/: what is counted of each sentence, so that any choice of sentences can be scored. */
#ifndef BCL_ROWS_H
#define BCL_ROWS_H

#include "eval/entities.h"

#include <bertcl/scoring.h>

enum { BCL_ROW_TOKENS, BCL_ROW_RIGHT, BCL_ROW_TYPES };

typedef struct bcl_row_cell {
    uint32_t column, count;
} bcl_row_cell;

/* A sentence's row has `width` columns: tokens, right ones, then (gold, predicted, both) of every
 * entity type and of every label. Everything that is scored is a sum of rows. Only cells that are
 * not 0 are kept: a sentence has few of many labels. */
typedef struct bcl_rows {
    bcl_row_cell *cells;
    size_t *starts; /* (sentences + 1) */
    size_t sentences, width, types, labels, capacity;
    uint32_t *sums; /* (width) while a row is made */
    uint32_t *used; /* columns of it */
    size_t used_count, used_capacity;
    bcl_entity_totals *before; /* (types) of the sentences so far */
} bcl_rows;

bcl_status bcl_rows_create(bcl_rows *out, size_t sentences, size_t types, size_t labels);
void bcl_rows_free(bcl_rows *rows);
/* The next sentence: its labels, the entities that were found in it, and the totals behind it. */
bcl_status bcl_rows_add(bcl_rows *rows, const bcl_labelled *sentence, const bcl_entity_view *view,
                        const bcl_entity_totals *totals);
/* One cell; 0 where there is none. */
uint32_t bcl_rows_at(const bcl_rows *rows, size_t sentence, uint32_t column);

#endif
