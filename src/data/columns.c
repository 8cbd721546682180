/* Files of columns: a line is a word with its tag, the end of a sentence, or something that is
 * counted by its kind. Which columns hold what layout.c has found. */
#define _GNU_SOURCE /* memmem */
#include "data/reader.h"

/* "word<TAB>tag<LF>" in ASCII without white space, as most lines are, in one pass: nothing that the
 * rules below look for is in it. The text ends in a NUL. *next is where the following line starts.
 */
static bool split_pair(bcl_field *word, bcl_field *tag, char *line, char **next) {
    char *tab = line, *end;
    while (bcl_is_mark(*tab))
        tab++;
    if (tab == line || *tab != '\t' || *line == '-' || *line == '#') /* -DOCSTART-, a comment */
        return false;
    for (end = tab + 1; bcl_is_mark(*end);)
        end++;
    if (end == tab + 1 || *end != '\n')
        return false;
    *word = (bcl_field){line, (size_t)(tab - line)};
    *tag = (bcl_field){tab + 1, (size_t)(end - tab - 1)};
    *next = end + 1;
    return true;
}

/* The place of a column in a line, from 0; SIZE_MAX if the line is too short. */
static size_t place(const bcl_cells *c, int64_t column) {
    const int64_t at = column > 0   ? column - 1
                       : column < 0 ? (int64_t)c->total + column
                                    : (int64_t)c->count - 1;
    return at < 0 || at >= (int64_t)c->count || at >= BCL_MAX_COLUMNS ? SIZE_MAX : (size_t)at;
}

static bcl_field cell_at(const bcl_cells *c, int64_t column) {
    const size_t at = place(c, column);
    return at == SIZE_MAX ? (bcl_field){c->cells[0].text, 0} : c->cells[at];
}

static bool is_regular(const bcl_reader *r, const bcl_cells *c) {
    return c->count == r->layout.columns && c->tabs == r->layout.tabs;
}

static bool is_tag(bcl_field cell) {
    return bcl_is_scheme_tag(cell.text, cell.size);
}

static bool is_header(const bcl_reader *r, bcl_field line) {
    const bcl_field header = r->layout.header;
    return header.size && header.size == line.size && !memcmp(header.text, line.text, line.size);
}

/* A line that begins with '#'. Where words are numbered it is a comment; elsewhere a word may be
 * "#" or begin with it, and such a line is a word if it has the columns that the others have and a
 * tag that others have, or that is of a scheme. "# name = value" is a comment whatever it ends in.
 */
static bool is_comment(const bcl_reader *r, const bcl_cells *c) {
    const bcl_column_layout *l = &r->layout;
    const bcl_field first = c->cells[0];
    if (l->format == BCL_FORMAT_GERMEVAL || l->format == BCL_FORMAT_CONLLU || !l->columns)
        return true;
    if (!c->tabs && first.size == 1 && c->count > 2 && c->cells[2].size == 1 &&
        *c->cells[2].text == '=')
        return true;
    if (c->count == 1 && l->columns > 1) /* a word without its tag is an error */
        return first.size == 1 || first.text[1] == '#' || memchr(first.text, '=', first.size) ||
               memchr(first.text, ':', first.size);
    if (r->options->words_only) /* "# id 7" may have the columns of words */
        return !is_regular(r, c) || (!c->tabs && first.size == 1 && c->count > 1 &&
                                     !r->in_sentence && !is_tag(c->cells[c->count - 1]));
    const bool known = bcl_column_layout_knows(r, bcl_strip(cell_at(c, l->tag)));
    if (c->count == l->columns && (c->tabs || !l->tabs))
        return !known;
    return first.size == 1 || !known;
}

/* "1-2", the words 1 and 2 as one, and "8.1", a word that is not in the text. */
static bool is_range(const bcl_reader *r, const bcl_cells *c) {
    const bcl_field id = c->cells[0];
    return r->layout.format == BCL_FORMAT_CONLLU && id.size > 2 &&
           (memchr(id.text, '-', id.size) || memchr(id.text, '.', id.size));
}

/* The value of a key in "a=b|c=d", or nothing. */
static bcl_field value_of(bcl_field misc, const char *key) {
    const size_t size = strlen(key);
    for (char *p = misc.text, *end = p + misc.size; p < end;) {
        char *bar = memchr(p, '|', (size_t)(end - p)), *stop = bar ? bar : end;
        if ((size_t)(stop - p) > size && !memcmp(p, key, size) && p[size] == '=')
            return (bcl_field){p + size + 1, (size_t)(stop - p) - size - 1};
        p = stop + 1;
    }
    return (bcl_field){misc.text, 0};
}

static bool misc_says(const bcl_reader *r, const bcl_cells *c, const char *what) {
    const size_t misc = r->layout.misc;
    return misc && misc <= c->count &&
           memmem(c->cells[misc - 1].text, c->cells[misc - 1].size, what, strlen(what));
}

/* The line's tag, without what nobody sees. */
static bcl_status take_tag(bcl_reader *r, bcl_field *out, const bcl_cells *c, bcl_field line) {
    static char outside[] = "O";
    bcl_status status = BCL_OK;
    const bcl_column_layout *l = &r->layout;
    if (r->options->words_only) {
        *out = (bcl_field){outside, 1};
        goto out;
    }
    if (l->key) {
        *out =
            l->misc <= c->count ? value_of(c->cells[l->misc - 1], l->key) : (bcl_field){outside, 0};
        if (!out->size)
            *out = (bcl_field){outside, 1};
    } else {
        if (c->count < 2)
            BCL_FAIL(BCL_ERROR_FORMAT,
                     "%s:%zu: found one column (\"%.*s\"), expected a word and its tag, separated "
                     "by a TAB or spaces%s",
                     r->path, r->line, bcl_shown(line), line.text,
                     memchr(line.text, ',', line.size) || memchr(line.text, ';', line.size)
                         ? ", not by commas"
                         : "");
        *out = bcl_strip(cell_at(c, l->tag));
        if (!out->size)
            BCL_FAIL(BCL_ERROR_FORMAT, "%s:%zu: found %zu columns, expected the tag in column %lld",
                     r->path, r->line, c->count, (long long)l->tag);
    }
    if (bcl_drop_invisible(out)) {
        *out = bcl_strip(*out);
        BCL_TRY(bcl_reader_odd(r, BCL_ODD_INVISIBLE));
    }
    if (!out->size)
        BCL_FAIL(BCL_ERROR_FORMAT, "%s:%zu: found a tag of invisible characters only", r->path,
                 r->line);
out:
    return status;
}

static bcl_status check_columns(bcl_reader *r, const bcl_cells *c, bcl_field tag, bcl_field line) {
    bcl_status status = BCL_OK;
    const bcl_column_layout *l = &r->layout;
    if (!r->options->words_only && !is_regular(r, c) && !bcl_column_layout_knows(r, tag))
        BCL_FAIL(BCL_ERROR_FORMAT,
                 "%s:%zu: found %zu columns with \"%.*s\" as the tag (\"%.*s\"), expected a word "
                 "and its tag in %zu columns as in other lines",
                 r->path, r->line, c->count, bcl_shown(tag), tag.text, bcl_shown(line), line.text,
                 l->columns);
    if (c->total != c->count)
        BCL_TRY(bcl_reader_odd(r, BCL_ODD_EMPTY_COLUMNS));
    if (c->count != l->columns)
        BCL_TRY(bcl_reader_odd(r, BCL_ODD_COLUMNS));
out:
    return status;
}

/* A column that numbers or names the sentence: on each of its words, or on the first alone. */
static void follow_sentence(bcl_reader *r, const bcl_cells *c) {
    const bcl_field cell = cell_at(c, (int64_t)r->layout.sentence), last = r->sentence;
    if (!cell.size || (cell.size == last.size && !memcmp(cell.text, last.text, cell.size)))
        return;
    r->in_sentence = r->glue_next = false;
    r->sentence = cell;
}

static bcl_status read_word(bcl_reader *r, bcl_cells *c, bcl_field line) {
    bcl_status status = BCL_OK;
    bcl_field tag, word;
    if (c->count > BCL_MAX_COLUMNS)
        BCL_FAIL(BCL_ERROR_FORMAT, "%s:%zu: found %zu columns, expected %d at most", r->path,
                 r->line, c->count, BCL_MAX_COLUMNS);
    BCL_TRY(take_tag(r, &tag, c, line));
    BCL_TRY(check_columns(r, c, tag, line));
    if (place(c, r->layout.word) == SIZE_MAX)
        BCL_FAIL(BCL_ERROR_FORMAT, "%s:%zu: found %zu columns, expected the word in column %lld",
                 r->path, r->line, c->count, (long long)r->layout.word);
    word = cell_at(c, r->layout.word);
    if (!word.size || (!bcl_is_mark(*word.text) && bcl_is_blank(word)))
        BCL_TRY(bcl_reader_odd(r, BCL_ODD_EMPTY_WORD));
    else if (memchr(word.text, ' ', word.size))
        BCL_TRY(bcl_reader_odd(r, BCL_ODD_SPACE_IN_WORD));
    const bool glue = misc_says(r, c, "SpaceAfter=No") || misc_says(r, c, "NoSpaceAfter");
    const bool ends =
        r->layout.ends && (misc_says(r, c, "EndOfSentence") || misc_says(r, c, "PySBDSegment"));
    if (r->layout.sentence)
        follow_sentence(r, c);
    /* The byte behind each is a separator, the line's end or the NUL behind the file. */
    word.text[word.size] = 0;
    if (tag.text[tag.size])
        tag.text[tag.size] = 0;
    BCL_TRY(bcl_reader_token(r, word.text, tag));
    if (r->glue_next)
        BCL_TRY(bcl_reader_glue(r));
    r->glue_next = glue && !ends;
    r->in_sentence = !ends;
out:
    return status;
}

static bcl_status end_sentence(bcl_reader *r, bcl_field line, bcl_odd kind) {
    r->in_sentence = r->glue_next = false;
    return line.size ? bcl_reader_odd(r, kind) : BCL_OK;
}

static bcl_status read_line(bcl_reader *r, bcl_field line, const char *base) {
    bcl_status status = BCL_OK;
    bcl_cells cells;
    const bcl_field whole = line;
    BCL_TRY(bcl_reader_check_bytes(r, line, base));
    line = bcl_skip_marks(line);
    if (line.size != whole.size && r->line > 1)
        BCL_TRY(bcl_reader_odd(r, BCL_ODD_BOM));
    if (!line.size || (!bcl_is_mark(*line.text) && bcl_is_blank(line))) {
        BCL_TRY(end_sentence(r, line, BCL_ODD_BLANK));
        goto out;
    }
    if (bcl_is_docstart(line)) {
        BCL_TRY(end_sentence(r, line, BCL_ODD_DOCSTART));
        r->in_document = false;
        goto out;
    }
    bcl_split_cells(&cells, line);
    if (is_header(r, line))
        BCL_TRY(bcl_reader_odd(r, BCL_ODD_HEADER));
    else if (*cells.cells[0].text == '#' && cells.cells[0].size && is_comment(r, &cells))
        BCL_TRY(bcl_reader_odd(r, BCL_ODD_COMMENT));
    else if (is_range(r, &cells))
        BCL_TRY(bcl_reader_odd(r, BCL_ODD_RANGE));
    else
        BCL_TRY(read_word(r, &cells, line));
out:
    return status;
}

/* Lines that split_pair may take as they are. */
static bool are_pairs(const bcl_reader *r) {
    const bcl_column_layout *l = &r->layout;
    return l->tabs && l->columns == 2 && l->word == 1 && (!l->tag || l->tag == 2 || l->tag == -1) &&
           !l->header.size && !r->options->words_only;
}

bcl_status bcl_read_columns(bcl_reader *r, char *text, size_t size) {
    bcl_status status = BCL_OK;
    bcl_field word, tag;
    char *end = text + size, *next;
    BCL_TRY(bcl_column_layout_find(r, text, end));
    const bool pairs = are_pairs(r);
    for (char *p = text; p < end; p = next) {
        r->line++;
        if (pairs && split_pair(&word, &tag, p, &next)) {
            word.text[word.size] = 0;
            tag.text[tag.size] = 0;
            BCL_TRY(bcl_reader_token(r, word.text, tag));
            continue;
        }
        const bcl_field line = bcl_cut_line(p, end, &next);
        if (line.size > BCL_MAX_LINE_SIZE)
            BCL_FAIL(BCL_ERROR_FORMAT, "%s:%zu: found a line of %zu bytes, expected %llu at most",
                     r->path, r->line, line.size, (unsigned long long)BCL_MAX_LINE_SIZE);
        status = read_line(r, line, text);
        if (status)
            BCL_TRY(bcl_reader_refuse(r, status));
    }
out:
    return status;
}
