/* Inside data/: lines, columns and characters of text files. */
#ifndef BCL_FIELDS_H
#define BCL_FIELDS_H

#include "data/data.h"

typedef struct bcl_field {
    char *text;
    size_t size;
} bcl_field;

enum { BCL_MAX_COLUMNS = 256 };
typedef struct bcl_cells {
    bcl_field cells[BCL_MAX_COLUMNS]; /* (count), spaces at both ends off */
    size_t count;                     /* up to the last that is not empty */
    size_t total;                     /* empty ones at the end included */
    bool tabs;
} bcl_cells;

/* ASCII that is not white space. */
static inline bool bcl_is_mark(char c) {
    return c > ' ' && c < 0x7F;
}
/* Unicode white space off both ends, as Python's strip(). The text is valid UTF-8. */
bcl_field bcl_strip(bcl_field f);
/* The line at p without its LF and the CRs before it; *next is where the following one starts. */
bcl_field bcl_cut_line(char *p, char *end, char **next);
/* Without byte order marks at its start; one that is all that a first column holds is a word. */
bcl_field bcl_skip_marks(bcl_field line);
/* White space and characters that nobody sees: nothing else is in the line. */
bool bcl_is_blank(bcl_field line);
/* White space other than ' ': TABs, no-break spaces, line separators. */
bool bcl_has_other_space(bcl_field f);
/* Columns between TABs if the line, stripped at its end, holds one, else between runs of spaces.
 * More columns than BCL_MAX_COLUMNS are counted and not stored. */
void bcl_split_cells(bcl_cells *out, bcl_field line);
/* Takes characters that nobody sees (formats, controls, variation selectors) out of a text in its
 * own memory; true if there were any. */
bool bcl_drop_invisible(bcl_field *f);
/* "O", or a prefix of a scheme, '-' or '_', and a type. */
bool bcl_is_scheme_tag(const char *tag, size_t size);
/* "-DOCSTART-" alone or with columns behind it, in any case and with any number of dashes. */
bool bcl_is_docstart(bcl_field line);
/* *at (count + 1): where each code point of the text begins, and its end; to free(). */
bcl_status bcl_code_points(size_t **at, size_t *count, const char *text, size_t size);
/* Bytes of the text to show in a message: at most 40, no character cut. */
int bcl_shown(bcl_field f);

#endif
