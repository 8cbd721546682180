/* Tables between commas or semicolons (RFC 4180), known by a header that names the word's and the
 * tag's column: their cells become columns between TABs. */
#include "data/reader.h"

/* Takes the cell at *p to *to, without its quotes, and both on: *p to what ends it, a separator, a
 * line's end or `end`. */
static bcl_status take_cell(char **to, char **p, const char *end, char separator) {
    char *q = *p;
    const bool quoted = q < end && *q == '"';
    if (quoted) {
        for (q++; q < end && (*q != '"' || (q + 1 < end && q[1] == '"')); q++) {
            if (*q == '\n' || *q == '\t')
                return bcl_fail(BCL_ERROR_FORMAT, "found a cell with a %s, expected a word",
                                *q == '\t' ? "TAB" : "line's end (or a quote that nothing closes)");
            q += *q == '"';
            *(*to)++ = *q;
        }
        if (q == end)
            return bcl_fail(BCL_ERROR_FORMAT, "found a quote that nothing closes");
        q++;
    }
    for (; q < end && *q != separator && *q != '\n' && (*q != '\r' || q + 1 == end || q[1] != '\n');
         q++) {
        if (quoted || *q == '\t')
            return bcl_fail(BCL_ERROR_FORMAT, "found %s, expected a cell's end",
                            quoted ? "text behind a quoted cell" : "a TAB");
        *(*to)++ = *q;
    }
    *p = q;
    return BCL_OK;
}

/* A line to *to, its cells between TABs and without a line's end. *p goes to the line's end. */
static bcl_status take_line(char **to, char **p, const char *end, char separator, size_t *cells) {
    bcl_status status = BCL_OK;
    for (*cells = 1;; (*cells)++) {
        BCL_TRY(take_cell(to, p, end, separator));
        if (*p == end || **p != separator)
            break;
        (*p)++;
        *(*to)++ = '\t';
    }
out:
    return status;
}

static bool is_named(const bcl_cells *c, const char *asked, bool means(bcl_field)) {
    return bcl_find_named(c, NULL, means) || (asked && bcl_find_named(c, asked, NULL));
}

/* The separator between which the first line names a word's and a tag's column, of `columns`;
 * 0: none. */
static bcl_status find_separator(char *out, size_t *columns, const bcl_reader *r, char *text,
                                 char *end) {
    static const char separators[] = ",;";
    bcl_status status = BCL_OK;
    char *line = NULL, *next;
    bcl_field first = bcl_skip_marks(bcl_cut_line(text, end, &next));
    *out = 0;
    if (memchr(first.text, '\t', first.size) || first.size > BCL_MAX_LINE_SIZE)
        return BCL_OK;
    BCL_NEW(line, first.size + 1);
    for (const char *s = separators; *s && !*out; s++) {
        bcl_cells cells;
        char *to = line, *p = first.text;
        if (take_line(&to, &p, first.text + first.size, *s, columns) || *columns < 2)
            continue;
        bcl_split_cells(&cells, (bcl_field){line, (size_t)(to - line)});
        if (is_named(&cells, r->options->word_name, bcl_names_word) &&
            (r->options->words_only || is_named(&cells, r->options->tag_name, bcl_names_tag)))
            *out = *s;
    }
out:
    free(line);
    return status;
}

/* A line of the table, its end included. */
static bcl_status convert_line(bcl_reader *r, char **to, char **p, char *end, char separator,
                               size_t columns) {
    bcl_status status = BCL_OK;
    char *const begin = *to;
    size_t cells, filled = 0;
    char *next, shown[48];
    const bcl_field line = bcl_cut_line(*p, end, &next);
    snprintf(shown, sizeof shown, "%.*s", bcl_shown(line), line.text); /* it is written over */
    status = take_line(to, p, end, separator, &cells);
    for (const char *c = begin; c < *to; c++)
        filled += *c != '\t';
    if (status)
        status = bcl_fail(status, "%s:%zu: %s", r->path, r->line, bcl_message());
    else if (!filled)
        *to = begin; /* a blank line, or one of separators */
    else if (cells != columns)
        status = bcl_fail(BCL_ERROR_FORMAT,
                          "%s:%zu: found %zu cells (\"%s\"), expected %zu as the first line has; "
                          "one with a %c in it is put into quotes",
                          r->path, r->line, cells, shown, columns, separator);
    if (status) {
        *to = begin;
        *p = line.text + line.size;
        BCL_TRY(bcl_reader_refuse(r, status));
    }
    *p = next;
    *(*to)++ = '\n';
out:
    return status;
}

bcl_status bcl_csv_to_columns(bcl_reader *r, char *text, size_t *size) {
    bcl_status status = BCL_OK;
    char *end = text + *size, *to = text, separator;
    size_t columns;
    BCL_TRY(find_separator(&separator, &columns, r, text, end));
    if (!separator)
        goto out;
    r->commas = true;
    char *p = bcl_skip_marks((bcl_field){text, *size}).text;
    for (r->line = 1; p < end; r->line++)
        BCL_TRY(convert_line(r, &to, &p, end, separator, columns));
    *to = 0;
    *size = (size_t)(to - text);
    r->line = 0;
out:
    return status;
}
