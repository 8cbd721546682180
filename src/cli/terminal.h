/* What the commands ask of the terminal: its width, wrapped text, tables that fit. */
#ifndef BCL_CLI_TERMINAL_H
#define BCL_CLI_TERMINAL_H

#include "util/printable.h"

/* Is it a terminal on which lines can be rewritten? Not with TERM=dumb. */
bool bcl_terminal_is(FILE *stream);
/* Columns: COLUMNS, else what the terminal says, else 80. */
size_t bcl_terminal_columns(FILE *stream);
/* The same for what is cut or wrapped on terminals alone: SIZE_MAX in files and pipes. */
size_t bcl_terminal_room(FILE *stream);

/* For a line that shows progress, where bcl_terminal_is(stream): writes it anew, cut to the width,
 * control characters escaped; erase it before anything else is printed. */
void bcl_terminal_rewrite(FILE *stream, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The same with `lines` below, one a line; as many as the terminal has room for. */
void bcl_terminal_rewrite_above(FILE *stream, const char *first, const char *lines);
/* With all that is below. */
void bcl_terminal_erase(FILE *stream);

/* Prints text in lines of at most `width` columns, broken at spaces; '\n' begins a paragraph's next
 * line. The first line goes on at column `at`, others begin at `indent`. Ends with a line break. */
void bcl_print_wrapped(FILE *to, const char *text, size_t at, size_t indent, size_t width);

/* A table whose columns line up by what a terminal shows. On a terminal too narrow for it, columns
 * of text are cut, the widest first, and show "…"; if that is not enough, the columns that have no
 * room are printed as a table below, led by the first column again. Elsewhere nothing is cut.
 * Control characters are escaped. Initialise with `align` alone; the first failure (out of memory)
 * is kept and comes back at the end. */
typedef struct bcl_table {
    const char *align; /* a letter a column: 'l' text; 'p' a path, whose beginning is cut; 'r' a
                        * number, never cut, to the right */
    bcl_string text;   /* the cells end to end */
    size_t *ends;      /* (cells) in `text` */
    size_t count, capacity;
    bcl_status status;
} bcl_table;
/* Appends a cell, row by row, the headings first; NULL is an empty one. */
void bcl_table_add(bcl_table *table, const char *cell);
void bcl_table_addf(bcl_table *table, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Prints the table and frees it. */
bcl_status bcl_table_print(bcl_table *table, FILE *to);
/* Only for a table that is not printed. */
void bcl_table_free(bcl_table *table);

#endif
