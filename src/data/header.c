/* What a file of columns says by its first line: names of columns, or that it is something else. */
#include "data/reader.h"

#include <strings.h>

/* ---- names of columns ---- */

bool bcl_is_one_of(bcl_field cell, const char *names) {
    for (const char *n = names; *n; n += strcspn(n, "|"), n += *n == '|')
        if (strcspn(n, "|") == cell.size && !strncasecmp(n, cell.text, cell.size))
            return true;
    return false;
}

bool bcl_names_word(bcl_field cell) {
    return bcl_is_one_of(cell, "token|tokens|word|words|form|text|surface|wort");
}

bool bcl_names_tag(bcl_field cell) {
    return (cell.size > 3 && !strncasecmp(cell.text, "NE-", 3)) ||
           bcl_is_one_of(
               cell, "tag|tags|ner|ne|ner tag|ner_tag|ner_tags|ner-tag|label|labels|bio|iob|entity|"
                     "entities|gold|ne_tag");
}

/* What stands beside words that have no tags yet. */
bool bcl_names_other(bcl_field cell) {
    return bcl_names_tag(cell) ||
           bcl_is_one_of(cell, "id|pos|upos|xpos|lemma|chunk|feats|head|deprel|deps|"
                               "misc|sentence|sent|start|end");
}

bool bcl_names_sentence(bcl_field cell) {
    return bcl_is_one_of(cell,
                         "sentence|sentence #|sentence_id|sentence id|sentence_idx|sentenceid|"
                         "sent|sent_id|sent_idx|sent #");
}

bcl_field bcl_without_hash(bcl_field cell) {
    while (cell.size > 1 && (*cell.text == '#' || *cell.text == ' '))
        cell.text++, cell.size--;
    return cell;
}

size_t bcl_find_named(const bcl_cells *c, const char *name, bool (*means)(bcl_field)) {
    for (size_t i = 0; i < c->count && i < BCL_MAX_COLUMNS; i++) {
        const bcl_field cell = i ? c->cells[i] : bcl_without_hash(c->cells[i]);
        if (name ? strlen(name) == cell.size && !memcmp(name, cell.text, cell.size) : means(cell))
            return i + 1;
    }
    return 0;
}

/* ---- other files ---- */

size_t bcl_number_of(bcl_field cell) {
    size_t x = 0;
    for (size_t i = 0; i < cell.size; i++) {
        if (cell.text[i] < '0' || cell.text[i] > '9' || i > 8)
            return SIZE_MAX;
        x = x * 10 + (size_t)(cell.text[i] - '0');
    }
    return cell.size ? x : SIZE_MAX;
}

/* "T1<TAB>PER 0 3<TAB>Ana" and its like. */
static bool is_annotation(const bcl_cells *c) {
    if (!c->tabs || c->count < 2 || c->cells[0].size < 2 || !strchr("TREAMN#", *c->cells[0].text) ||
        bcl_number_of((bcl_field){c->cells[0].text + 1, c->cells[0].size - 1}) == SIZE_MAX)
        return false;
    return memchr(c->cells[1].text, ' ', c->cells[1].size) != NULL;
}

/* "word"<TAB>"tag" */
static bool is_quoted(const bcl_cells *c) {
    for (size_t i = 0; i < c->count; i++)
        if (c->cells[i].size < 3 || c->cells[i].text[0] != '"' ||
            c->cells[i].text[c->cells[i].size - 1] != '"')
            return false;
    return c->count > 1;
}

/* "Ana B-PER lives O in O": a sentence in a line. Four columns may be a word with two tags. */
static bool is_sentence(const bcl_cells *c) {
    for (size_t i = 0; i < c->count; i++)
        if (bcl_is_scheme_tag(c->cells[i].text, c->cells[i].size) != (i % 2 == 1))
            return false;
    return c->count > 5 && c->count % 2 == 0;
}

bcl_status bcl_check_first_line(const bcl_cells *c, bcl_field line, const char *path,
                                size_t number) {
    const char *what = c->count > BCL_MAX_COLUMNS || memchr(line.text, '\r', line.size) ? NULL
                       : is_annotation(c)
                           ? "an annotation of brat, expected it in a file x.ann beside its text "
                             "x.txt"
                       : is_quoted(c)   ? "columns in quotes, expected them without; take them off"
                       : is_sentence(c) ? "words and tags of a sentence in a line, expected a word "
                                          "and its tag in each"
                                        : NULL;
    if (!what)
        return BCL_OK;
    return bcl_fail(BCL_ERROR_FORMAT, "%s:%zu: found %s (\"%.*s\")", path, number, what,
                    bcl_shown(line), line.text);
}
