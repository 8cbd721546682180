/* How a file of columns is to be read: what divides them, which holds the word and which the tag,
 * from the file's first lines. The evidence is in the cells (numbers that run, tags of a scheme,
 * names of columns), never in the file's name. */
#define _GNU_SOURCE /* memmem */
#include "data/reader.h"

#include <strings.h>

enum { SAMPLE = 250, WIDE_SAMPLE = 5000, STATS = 64 };

typedef struct column {
    size_t tags, entities; /* of a scheme; those of them that are not O */
    size_t chunks;         /* entities of a type that phrases have */
} column;

typedef struct sample {
    bcl_reader *r;
    bcl_cells cells;
    bool remarks; /* lines that may be remarks are looked at too: there are no others */
    /* of the first pass */
    size_t lines[2], widths[2][BCL_MAX_COLUMNS + 1]; /* [tabs] */
    bcl_field first;
    size_t first_line, first_width;
    bool first_tabs;
    char *header_text; /* of "# global.columns =" */
    size_t header_size;
    /* of the second */
    size_t ordinary, running, broken, previous;
    size_t no_words; /* lines whose first cell is empty or a number */
    column columns[STATS];
    bcl_names types[2]; /* of entities in the last column but one, and in the last */
    size_t ends;
    /* of the third */
    size_t seen, tags;
    bcl_status status;
} sample;

/* ---- lines of a sample ---- */

/* "#" with white space behind it, or several. */
static bool may_be_remark(bcl_field line) {
    return *line.text == '#' && (line.size == 1 || strchr(" \t#!", line.text[1]));
}

typedef bool (*visit)(sample *s, bcl_field line, size_t number);

/* Calls `see` for every ordinary line until it says that it has seen enough. */
static void walk(sample *s, char *text, char *end, visit see) {
    static const char columns[] = "# global.columns =";
    char *next;
    size_t number = 0;
    for (char *p = text; p < end; p = next) {
        bcl_field line = bcl_skip_marks(bcl_cut_line(p, end, &next));
        number++;
        if (!line.size || (!bcl_is_mark(*line.text) && bcl_is_blank(line))) {
            s->previous = 0;
            continue;
        }
        if (bcl_is_docstart(line))
            continue;
        if (line.size > sizeof columns && !memcmp(line.text, columns, sizeof columns - 1)) {
            s->header_text = line.text + sizeof columns - 1;
            s->header_size = line.size - sizeof columns + 1;
        }
        if (may_be_remark(line) != s->remarks)
            continue;
        bcl_split_cells(&s->cells, line);
        if (s->cells.count && !see(s, line, number))
            return;
    }
}

static bool measure(sample *s, bcl_field line, size_t number) {
    const bcl_cells *c = &s->cells;
    if (c->count > BCL_MAX_COLUMNS)
        return true;
    if (s->remarks && !bcl_is_scheme_tag(c->cells[c->count - 1].text, c->cells[c->count - 1].size))
        return true;
    if (!s->first.size) {
        s->first = line;
        s->first_line = number;
        s->first_width = c->count;
        s->first_tabs = c->tabs;
    }
    s->widths[c->tabs][c->count]++;
    return ++s->lines[c->tabs] + s->lines[!c->tabs] < SAMPLE;
}

/* Types of phrases in CoNLL-2000 and 2003: such a column stands before the names' own. */
static bool is_phrase(bcl_field tag) {
    static const char *const types[] = {"NP",   "VP",  "PP",  "ADVP",  "ADJP",
                                        "SBAR", "PRT", "LST", "CONJP", "INTJ",
                                        "UCP",  "NC",  "PC",  "VC",    "AC"};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strlen(types[i]) == tag.size - 2 && !memcmp(types[i], tag.text + 2, tag.size - 2))
            return true;
    return false;
}

/* "1-2" and "8.1". */
static bool is_range(bcl_field cell) {
    size_t digits = strspn(cell.text, "0123456789");
    return digits && digits < cell.size && strchr("-.", cell.text[digits]) &&
           digits + 1 + strspn(cell.text + digits + 1, "0123456789") == cell.size;
}

/* Runs over what the sample's ordinary lines say of each column. */
static bool count(sample *s, bcl_field line, size_t number) {
    const bcl_column_layout *l = &s->r->layout;
    const bcl_cells *c = &s->cells;
    (void)number;
    if (c->tabs != l->tabs || c->count != l->columns || line.text == l->header.text)
        return true;
    if (l->columns > 2 - (size_t)s->r->options->words_only && !is_range(c->cells[0])) {
        const size_t n = bcl_number_of(c->cells[0]);
        s->no_words += n != SIZE_MAX || !c->cells[0].size;
        s->running += s->previous && n == s->previous + 1;
        s->broken += n == SIZE_MAX || (n > 1 && n != s->previous + 1);
        s->previous = n == SIZE_MAX ? 0 : n;
    }
    for (size_t i = 0; i < c->count && i < STATS; i++) {
        const bcl_field tag = bcl_strip(c->cells[i]);
        if (!bcl_is_scheme_tag(tag.text, tag.size))
            continue;
        s->columns[i].tags++;
        s->columns[i].entities += tag.size > 1;
        s->columns[i].chunks += tag.size > 1 && is_phrase(tag);
        uint32_t id;
        if (tag.size > 1 && i + 2 >= l->columns && !s->status)
            s->status =
                bcl_names_intern(&id, &s->types[i + 2 - l->columns], tag.text + 2, tag.size - 2);
    }
    if (l->misc && l->misc <= c->count && c->cells[l->misc - 1].size) {
        const bcl_field misc = c->cells[l->misc - 1];
        s->ends += memmem(misc.text, misc.size, "EndOfSentence", 13) ||
                   memmem(misc.text, misc.size, "PySBDSegment", 12);
    }
    return ++s->ordinary < (l->columns > 2 ? WIDE_SAMPLE : SAMPLE);
}

/* ---- names of columns ---- */

static bcl_status find_by_option(int64_t *out, const sample *s, const char *name,
                                 const char *option) {
    const size_t at = bcl_find_named(&s->cells, name, NULL);
    if (!at)
        return bcl_fail(BCL_ERROR_FORMAT,
                        "%s:%zu: found no column named \"%s\" in \"%.*s\", expected what --%s says",
                        s->r->path, s->first_line, name, bcl_shown(s->first), s->first.text,
                        option);
    *out = (int64_t)at;
    return BCL_OK;
}

/* The first ordinary line, or a remark of CoNLL-U Plus, may name the columns. */
static bcl_status find_header(sample *s) {
    bcl_status status = BCL_OK;
    bcl_column_layout *l = &s->r->layout;
    const bcl_corpus_options *o = s->r->options;
    const bool asked = o->tag_name || o->word_name;
    bcl_field line = s->header_text ? (bcl_field){s->header_text, s->header_size} : s->first;
    bcl_split_cells(&s->cells, line);
    const bcl_cells *c = &s->cells;
    const size_t word = bcl_find_named(c, NULL, bcl_names_word);
    const size_t tag = bcl_find_named(c, NULL, o->words_only ? bcl_names_other : bcl_names_tag);
    for (size_t i = 0; !s->header_text && !asked && i < c->count && i < BCL_MAX_COLUMNS; i++)
        if (bcl_is_scheme_tag(c->cells[i].text, c->cells[i].size))
            goto out; /* a line of data */
    if (!s->header_text && !asked && !(word && tag && word != tag))
        goto out;
    if (!s->header_text)
        l->header = s->first;
    if (word)
        l->word = (int64_t)word;
    if (tag)
        l->tag = (int64_t)tag;
    if (o->tag_name)
        BCL_TRY(find_by_option(&l->tag, s, o->tag_name, "tag-column"));
    if (o->word_name)
        BCL_TRY(find_by_option(&l->word, s, o->word_name, "word-column"));
    if (c->count <= BCL_MAX_COLUMNS && bcl_is_one_of(c->cells[c->count - 1], "misc"))
        l->misc = c->count;
    l->sentence = bcl_find_named(c, NULL, bcl_names_sentence);
    if ((int64_t)l->sentence == l->word || (int64_t)l->sentence == l->tag)
        l->sentence = 0;
out:
    return status;
}

/* ---- what the columns are ---- */

static bool all_tags(const sample *s, size_t i) {
    return i < STATS && s->ordinary && s->columns[i].tags * 100 >= s->ordinary * 95;
}

static bool phrases(const sample *s, size_t i) {
    return s->columns[i].chunks && s->columns[i].chunks == s->columns[i].entities;
}

/* Two columns of tags at the end: gold and predicted of conlleval, outer and inner of nested names.
 * They share types, or there is nothing in the last; phrases before names do not. */
static bool two_tags(const sample *s, size_t columns) {
    const size_t a = columns - 2, b = columns - 1;
    bool shared = false;
    if (columns < 3 || !all_tags(s, a) || !all_tags(s, b) || !s->columns[a].entities ||
        phrases(s, a))
        return false;
    for (size_t i = 0; i < s->types[0].count; i++)
        shared |= bcl_names_find(&s->types[1], s->types[0].items[i],
                                 strlen(s->types[0].items[i])) != SIZE_MAX;
    return shared || !s->columns[b].entities;
}

/* The one column, other than the first, whose cells are tags; SIZE_MAX: none or several. */
static size_t only_tags(const sample *s, size_t columns) {
    size_t found = SIZE_MAX;
    for (size_t i = 1; i < columns && i < STATS; i++)
        if (all_tags(s, i) && s->columns[i].entities && !phrases(s, i)) {
            if (found != SIZE_MAX)
                return SIZE_MAX;
            found = i;
        }
    return found;
}

static void choose_numbered(sample *s, bcl_column_layout *l) {
    size_t tag = 2;
    while (tag < l->columns && !all_tags(s, tag))
        tag++;
    l->format = BCL_FORMAT_GERMEVAL;
    l->word = 2;
    l->tag = tag < l->columns ? (int64_t)tag + 1 : 0;
    l->two_tags = tag + 1 < l->columns && all_tags(s, tag + 1);
}

/* Another column of names than the one that is read, from 1; 0: none. */
static size_t find_others(const sample *s, const bcl_column_layout *l) {
    const size_t read = l->tag > 0 ? (size_t)l->tag : l->columns;
    for (size_t i = 0; i < l->columns && i < STATS; i++)
        if (i + 1 != read && all_tags(s, i) && s->columns[i].entities && !phrases(s, i))
            return i + 1;
    return 0;
}

static void choose_columns(sample *s, bcl_column_layout *l) {
    const size_t last = l->columns - 1;
    if (two_tags(s, l->columns)) {
        l->two_tags = true;
        l->tag = (int64_t)(s->r->options->predicted ? l->columns : l->columns - 1);
    } else if (last < STATS && s->columns[last].tags * 2 < s->ordinary) {
        const size_t only = only_tags(s, l->columns);
        if (only != SIZE_MAX) {
            l->tag = (int64_t)only + 1;
        } else if (l->columns == 2 && all_tags(s, 0) && s->columns[0].entities &&
                   !s->columns[1].tags) {
            l->tag = 1;
            l->word = 2;
        }
    }
}

/* ---- CoNLL-U's MISC ---- */

typedef struct key_count {
    bcl_field name;
    size_t tags, others;
} key_count;
enum { KEYS = 32 };

static void count_keys(key_count *keys, size_t *n, bcl_field misc) {
    for (char *p = misc.text, *end = p + misc.size; p < end;) {
        char *bar = memchr(p, '|', (size_t)(end - p)), *stop = bar ? bar : end;
        char *equals = memchr(p, '=', (size_t)(stop - p));
        if (equals && equals > p) {
            size_t i = 0, size = (size_t)(equals - p);
            while (i < *n && (keys[i].name.size != size || memcmp(keys[i].name.text, p, size)))
                i++;
            if (i == *n && *n < KEYS)
                keys[(*n)++] = (key_count){.name = {p, size}};
            if (i < *n) {
                const bool tag = bcl_is_scheme_tag(equals + 1, (size_t)(stop - equals - 1));
                keys[i].tags += tag;
                keys[i].others += !tag;
            }
        }
        p = stop + 1;
    }
}

/* The key whose values are tags, most of all. */
static void find_key(sample *s, char *text, char *end) {
    bcl_column_layout *l = &s->r->layout;
    key_count keys[KEYS];
    size_t n = 0, best = SIZE_MAX, seen = 0;
    char *next;
    for (char *p = text; p < end && seen < WIDE_SAMPLE; p = next) {
        const bcl_field line = bcl_cut_line(p, end, &next);
        if (!line.size || *line.text == '#')
            continue;
        bcl_split_cells(&s->cells, line);
        if (s->cells.tabs && s->cells.count >= l->misc && l->misc) {
            count_keys(keys, &n, s->cells.cells[l->misc - 1]);
            seen++;
        }
    }
    for (size_t i = 0; i < n; i++)
        if (keys[i].tags > keys[i].others && keys[i].name.size < sizeof l->key_text &&
            (best == SIZE_MAX || keys[i].tags > keys[best].tags))
            best = i;
    if (best != SIZE_MAX) {
        memcpy(l->key_text, keys[best].name.text, keys[best].name.size);
        l->key = l->key_text;
    }
}

static bcl_status choose_conllu(sample *s, char *text, char *end) {
    bcl_status status = BCL_OK;
    bcl_reader *r = s->r;
    bcl_column_layout *l = &r->layout;
    l->format = BCL_FORMAT_CONLLU;
    l->word = l->word > 1 ? l->word : 2;
    if (!s->header_text)
        l->misc = 10;
    else if (l->tag)
        goto out;
    if (r->options->tag_column || r->options->tag_name || r->options->words_only)
        goto out;
    if (r->options->key)
        l->key = r->options->key;
    else
        find_key(s, text, end);
    if (!l->key)
        BCL_FAIL(BCL_ERROR_FORMAT,
                 "%s:%zu: found CoNLL-U whose MISC holds no tags such as NER=B-PER; name the key "
                 "with --misc-key, or another column with --tag-column",
                 r->path, s->first_line);
out:
    return status;
}

/* ---- all of it ---- */

static size_t most_frequent(const size_t *widths, size_t first) {
    size_t best = first;
    for (size_t i = 1; i <= BCL_MAX_COLUMNS; i++)
        if (widths[i] > widths[best])
            best = i;
    return best;
}

static void describe(bcl_reader *r) {
    bcl_column_layout *l = &r->layout;
    const bcl_corpus_options *o = r->options;
    static const char *const names[] = {[BCL_FORMAT_CONLL] = "conll",
                                        [BCL_FORMAT_GERMEVAL] = "numbered columns",
                                        [BCL_FORMAT_CONLLU] = "conllu"};
    const char *name = l->format == BCL_FORMAT_GERMEVAL && l->two_tags ? "germeval 2014"
                       : r->commas                                     ? "csv"
                       : l->ends                                       ? "hipe"
                                                                       : names[l->format];
    char tag[64];
    if (l->key)
        snprintf(tag, sizeof tag, "tags of MISC's key %s", l->key);
    else if (l->tag)
        snprintf(tag, sizeof tag, "tag column %lld", (long long)l->tag);
    else
        snprintf(tag, sizeof tag, "tag column %zu", l->columns);
    snprintf(l->text, sizeof l->text, "%s, word column %lld%s%s", name, (long long)l->word,
             o->words_only ? "" : ", ", o->words_only ? "" : tag);
}

/* The tag of an ordinary line: of a scheme, or a plain name. */
static bool learn_tag(sample *s, bcl_field line, size_t number) {
    bcl_column_layout *l = &s->r->layout;
    const bcl_cells *c = &s->cells;
    (void)number;
    if (c->count != l->columns || c->tabs != l->tabs || line.text == l->header.text)
        return true;
    const int64_t at = !l->tag      ? (int64_t)c->count
                       : l->tag > 0 ? l->tag
                                    : (int64_t)c->total + 1 + l->tag;
    if (at < 1 || at > (int64_t)c->count)
        return true;
    const bcl_field tag = bcl_strip(c->cells[at - 1]);
    uint32_t id;
    s->seen++;
    if (bcl_is_scheme_tag(tag.text, tag.size))
        s->tags++;
    else if (tag.size)
        s->status = bcl_names_intern(&id, &l->plain, tag.text, tag.size);
    return !s->status && s->seen < (l->columns > 2 ? WIDE_SAMPLE : SAMPLE);
}

/* Tags of no scheme on ordinary lines, and what is said where there are no others. */
static bcl_status learn_tags(sample *s, char *text, char *end) {
    bcl_status status = BCL_OK;
    bcl_column_layout *l = &s->r->layout;
    const bcl_corpus_options *o = s->r->options;
    walk(s, text, end, learn_tag);
    BCL_TRY(s->status);
    if (s->tags || !l->plain.count || o->format || o->tag_column || o->tag_name)
        goto out;
    const char *first = l->plain.items[0];
    BCL_TRY(bcl_corpus_add_note(
        s->r->corpus,
        "%s:%zu: no tag is O or of a scheme such as B-PER; \"%.*s\" and its like, %zu different in "
        "%zu lines, are read as plain names; --format conll if that is right",
        s->r->path, s->first_line, bcl_shown((bcl_field){l->plain.items[0], strlen(first)}), first,
        l->plain.count, s->seen));
out:
    return status;
}

/* Prose, tables and other files, all of which have lines of several columns too. */
static bcl_status refuse_others(const sample *s) {
    const bcl_reader *r = s->r;
    const bcl_column_layout *l = &r->layout;
    const bcl_corpus_options *o = r->options;
    const size_t all = s->lines[0] + s->lines[1];
    bool tags = l->key != NULL;
    for (size_t i = 0; i < l->columns && i < STATS; i++)
        tags |= s->columns[i].tags > 0;
    if (o->format != BCL_FORMAT_AUTO || o->tag_column || o->tag_name || o->words_only ||
        l->header.size || l->columns < 2)
        return BCL_OK;
    if (!l->tabs && !tags)
        return bcl_fail(
            BCL_ERROR_FORMAT,
            "%s:%zu: found \"%.*s\" and no line with O or a tag such as B-PER, expected "
            "a word and its tag a line, separated by a TAB or spaces; if tags are plain names say "
            "--format conll",
            r->path, s->first_line, bcl_shown(s->first), s->first.text);
    if (l->format == BCL_FORMAT_CONLL && l->word == 1 && !o->word_column && s->ordinary > 4 &&
        s->no_words * 2 > s->ordinary)
        return bcl_fail(BCL_ERROR_FORMAT,
                        "%s:%zu: found numbers or nothing in column 1 (\"%.*s\"), expected words; "
                        "name their column with --word-column",
                        r->path, s->first_line, bcl_shown(s->first), s->first.text);
    if (s->widths[l->tabs][l->columns] * 2 < all && all > 3)
        return bcl_fail(BCL_ERROR_FORMAT,
                        "%s:%zu: found lines of many different numbers of columns (\"%.*s\"), "
                        "expected words with their tags; if it is right say --format conll",
                        r->path, s->first_line, bcl_shown(s->first), s->first.text);
    return BCL_OK;
}

static bcl_status find(sample *s, char *text, char *end) {
    bcl_status status = BCL_OK;
    bcl_reader *r = s->r;
    bcl_column_layout *l = &r->layout;
    const bcl_corpus_options *o = r->options;
    walk(s, text, end, measure);
    if (!s->first.size) {
        s->remarks = true;
        walk(s, text, end, measure);
    }
    *l = (bcl_column_layout){.format = BCL_FORMAT_CONLL, .word = 1};
    if (!s->first.size) /* blank lines and comments */
        goto out;
    l->tabs = s->lines[1] >= s->lines[0];
    l->columns = most_frequent(s->widths[l->tabs], l->tabs == s->first_tabs ? s->first_width : 1);
    if (o->format == BCL_FORMAT_AUTO && !o->words_only) {
        bcl_split_cells(&s->cells, s->first);
        BCL_TRY(bcl_check_first_line(&s->cells, s->first, r->path, s->first_line));
    }
    BCL_TRY(find_header(s));
    s->previous = 0;
    walk(s, text, end, count);
    BCL_TRY(s->status);
    const bool named = l->tag != 0;
    const bool numbered =
        s->running && s->broken * 50 <= s->running && l->columns > 2 - (size_t)o->words_only;
    if (o->format == BCL_FORMAT_CONLLU || (o->format == BCL_FORMAT_AUTO && numbered && l->tabs &&
                                           (l->columns == 10 || s->header_text)))
        BCL_TRY(choose_conllu(s, text, end));
    else if (!named && (o->format == BCL_FORMAT_GERMEVAL || numbered))
        choose_numbered(s, l);
    else if (!named)
        choose_columns(s, l);
    if (!l->two_tags)
        l->other_tags = find_others(s, l);
    l->ends = s->ends > 0 && l->format == BCL_FORMAT_CONLL;
    if (o->tag_column)
        l->tag = o->tag_column;
    if (o->word_column)
        l->word = o->word_column;
    BCL_TRY(refuse_others(s));
    if (!o->words_only && !l->key)
        BCL_TRY(learn_tags(s, text, end));
    describe(s->r);
out:
    return status;
}

bcl_status bcl_column_layout_find(bcl_reader *r, char *text, char *end) {
    bcl_status status = BCL_OK;
    sample *s = NULL;
    BCL_NEW(s, 1);
    s->r = r;
    BCL_TRY(find(s, text, end));
out:
    if (s) {
        bcl_names_free(&s->types[0]);
        bcl_names_free(&s->types[1]);
    }
    free(s);
    return status;
}

void bcl_column_layout_free(bcl_column_layout *layout) {
    bcl_names_free(&layout->plain);
    *layout = (bcl_column_layout){0};
}

bool bcl_column_layout_knows(const bcl_reader *r, bcl_field tag) {
    return bcl_is_scheme_tag(tag.text, tag.size) ||
           bcl_names_find(&r->layout.plain, tag.text, tag.size) != SIZE_MAX ||
           bcl_names_find(&r->corpus->raw.names, tag.text, tag.size) != SIZE_MAX;
}
