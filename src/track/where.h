/* Conditions over runs: "eval.macro_f1 > 0.9 and (lr = 1e-5 or not device ~ pocl)". */
#ifndef BCL_WHERE_H
#define BCL_WHERE_H

#include "util/util.h"

/* What a key is for the run in question: a text, and a number if it is one. */
typedef struct bcl_field {
    bool found, is_number;
    double number;
    char text[512];
} bcl_field;
typedef bcl_status bcl_field_finder(bcl_field *out, void *context, const char *key);

typedef struct bcl_where bcl_where;
/* A key is letters, digits and "._-/", or anything in `backquotes`. Operators: = == != < <= > >=
 * and ~ (holds the text). A value is a number, a word, or a text in quotes. `and`, `or`, `not`,
 * parentheses. ARGUMENT names the character that was not understood. */
bcl_status bcl_where_create(bcl_where **out, const char *text);
void bcl_where_free(bcl_where *where);
/* A comparison with a key that the run does not have is false. */
bcl_status bcl_where_holds(bool *out, const bcl_where *where, bcl_field_finder *find,
                           void *context);

#endif
