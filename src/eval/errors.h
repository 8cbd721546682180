/* Inside eval/: entity errors, grouped. */
#ifndef BCL_ERRORS_H
#define BCL_ERRORS_H

#include "eval/score.h"

typedef enum bcl_error_kind {
    BCL_ENTITY_MISSING,  /* a gold entity that no prediction overlaps */
    BCL_ENTITY_SPURIOUS, /* a prediction that overlaps no gold entity */
    BCL_ENTITY_TYPE,     /* the right tokens, another type */
    BCL_ENTITY_BOUNDARY, /* the right type, other tokens that overlap */
    BCL_ENTITY_BOTH,     /* another type, other tokens that overlap */
    BCL_ENTITY_KINDS
} bcl_error_kind;

/* Tokens of a sentence, from start up to end, which is not in it; type NULL: no entity. */
typedef struct bcl_marked {
    size_t start, end;
    const char *type;
} bcl_marked;

typedef struct bcl_error {
    bcl_error_kind kind;
    size_t sentence;
    bcl_marked gold, pred;
    uint32_t group, class;
} bcl_error;

/* Errors of one kind with the same words and types. */
typedef struct bcl_error_group {
    size_t first, count; /* in errors, which are sorted by group */
    uint32_t id;
} bcl_error_group;

struct bcl_errors {
    const bcl_score *score;
    bcl_error *items;
    size_t count, capacity;
    bcl_names keys, classes;             /* of groups; of "kind, gold type, predicted type" */
    bcl_error_group *groups, *kinds;     /* most frequent first; kinds: by class */
    size_t sentences;                    /* with an error */
    size_t gold, pred, right;            /* entities */
    bcl_marked *gold_marks, *pred_marks; /* of all sentences */
    size_t gold_capacity, pred_capacity;
    size_t *gold_starts, *pred_starts; /* (sentences + 1) where a sentence's marks begin */
};

#endif
