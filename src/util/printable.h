/* Text of others on a terminal or in a line of text: what must not be written as it is, and how
 * many columns the rest takes. */
#ifndef BCL_UTIL_PRINTABLE_H
#define BCL_UTIL_PRINTABLE_H

#include "util/util.h"

/* Words, tags and file names come from anywhere. What would steer the terminal, end the line or
 * turn the direction of writing around is written as in C: \n, \t, \x1b, \u202e; a byte that is not
 * UTF-8 as \xff. Everything else stays as it is, the backslash too: this is for reading, not for
 * reading back. */
bcl_status bcl_printable_add(bcl_string *out, const char *text, size_t size);
/* The same in `out` of `capacity` bytes (at least 1), which ends before the character that has no
 * room; returns `out`. */
char *bcl_printable(char *out, size_t capacity, const char *text);
/* The same on a stream. */
void bcl_printable_put(FILE *to, const char *text, size_t size);
enum { BCL_PRINTABLE_BYTES = 16 }; /* of one character as it is shown, the NUL included */
/* Writes the character at `text` as it is shown and returns its bytes; *taken: those in `text`. */
size_t bcl_printable_next(char out[BCL_PRINTABLE_BYTES], size_t *taken, const char *text,
                          size_t size);

/* Columns of printable UTF-8 on a terminal: 2 for a wide character, 0 for one that combines. */
size_t bcl_columns(const char *text, size_t size);
/* Bytes of the longest beginning that takes at most `columns`. */
size_t bcl_columns_fit(const char *text, size_t size, size_t columns);

#endif
