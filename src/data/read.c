/* Reading CoNLL-style files into a corpus. The rules stand in bertcl/data.h; whatever they do not
 * cover is an error with file and line, never a guess. */
#define _POSIX_C_SOURCE 200809L
#include "data/data.h"

#include <sys/stat.h>
#include <utf8proc.h>

#define ODD_LISTED 100 /* a kind */

typedef struct field {
    char *text;
    size_t size;
} field;

typedef struct columns {
    field word, tag;
    size_t count; /* up to the last that is not empty */
    size_t total; /* empty ones at the end included */
} columns;

/* A tag that was looked up: most lines have one of a few. */
typedef struct seen_tag {
    const char *text; /* in the file; NULL: none yet */
    size_t size;
    uint32_t raw, mapped;
} seen_tag;
enum { SEEN_TAGS = 64 };

typedef struct reader {
    bcl_corpus *corpus;
    const bcl_tag_map *map;
    size_t tag_column;
    const char *path;
    uint32_t file;
    size_t line;
    bool in_sentence;
    bool in_document;
    bool has_tab;         /* somewhere in the file */
    size_t first_columns; /* of the file's first word line; 0: none yet */
    seen_tag seen[SEEN_TAGS];
    size_t plain_columns; /* of the first line split at spaces that does not begin with '#' */
} reader;

/* Bytes of the text to show in a message: at most 40, no character cut. */
static int shown(const char *text, size_t size) {
    if (size > 40)
        for (size = 40; size && ((unsigned char)text[size] & 0xC0) == 0x80;)
            size--;
    return (int)size;
}

static bool is_space(utf8proc_int32_t c) {
    if (c < 0x80)
        return c == ' ' || (c >= 9 && c <= 13) || (c >= 0x1C && c <= 0x1F);
    return c == 0x85 || utf8proc_category(c) == UTF8PROC_CATEGORY_ZS || c == 0x2028 || c == 0x2029;
}

/* ASCII that is not white space. */
static bool is_mark(char c) {
    return c > ' ' && c < 0x7F;
}

/* Unicode white space off both ends, as Python's strip(). The text is valid UTF-8. */
static field strip(field f) {
    utf8proc_int32_t c;
    if (f.size && is_mark(f.text[0]) && is_mark(f.text[f.size - 1]))
        return f; /* the usual case */
    while (f.size) {
        utf8proc_ssize_t n =
            utf8proc_iterate((const utf8proc_uint8_t *)f.text, (utf8proc_ssize_t)f.size, &c);
        if (n <= 0 || !is_space(c))
            break;
        f.text += n;
        f.size -= (size_t)n;
    }
    while (f.size) {
        size_t at = f.size - 1;
        while (at && ((unsigned char)f.text[at] & 0xC0) == 0x80)
            at--;
        utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)f.text + at,
                                              (utf8proc_ssize_t)(f.size - at), &c);
        if (n <= 0 || !is_space(c))
            break;
        f.size = at;
    }
    return f;
}

static field strip_spaces(field f) {
    while (f.size && *f.text == ' ')
        f.text++, f.size--;
    while (f.size && f.text[f.size - 1] == ' ')
        f.size--;
    return f;
}

static bcl_status note_odd(reader *r, bcl_odd kind) {
    bcl_corpus *c = r->corpus;
    if (c->odd_totals[kind]++ >= ODD_LISTED)
        return BCL_OK;
    bcl_status status = bcl_grow(&c->odd, &c->odd_capacity, c->odd_count + 1, sizeof *c->odd);
    if (!status)
        c->odd[c->odd_count++] = (bcl_odd_line){kind, r->file, r->line};
    return status;
}

/* The next column from *at on: up to a TAB, or between runs of spaces. False behind the last. */
static bool next_column(field *out, field line, size_t *at, bool tabs) {
    if (!tabs)
        while (*at < line.size && line.text[*at] == ' ')
            ++*at;
    if (tabs ? *at > line.size : *at >= line.size)
        return false;
    char *start = line.text + *at, *end = memchr(start, tabs ? '\t' : ' ', line.size - *at);
    out->text = start;
    out->size = end ? (size_t)(end - start) : line.size - *at;
    *at += out->size + 1;
    return true;
}

/* "word<TAB>tag<LF>" in ASCII without white space, as most lines are, in one pass: nothing that the
 * rules below look for is in it. The text ends in a NUL. *next is where the following line starts.
 */
static bool split_pair(columns *out, char *line, char **next) {
    char *tab = line, *end;
    while (is_mark(*tab))
        tab++;
    if (tab == line || *tab != '\t' || *line == '-') /* it may be "-DOCSTART-" */
        return false;
    for (end = tab + 1; is_mark(*end);)
        end++;
    if (end == tab + 1 || *end != '\n')
        return false;
    *out = (columns){
        {line, (size_t)(tab - line)}, {tab + 1, (size_t)(end - tab - 1)}, .count = 2, .total = 2};
    *next = end + 1;
    return true;
}

static columns split_columns(field line, size_t tag_column) {
    columns c = {0};
    field f;
    const bool tabs = memchr(line.text, '\t', line.size) != NULL;
    for (size_t at = 0; next_column(&f, line, &at, tabs);) {
        c.total++;
        if (c.total == 1)
            c.word = strip_spaces(f);
        f = strip(f);
        if (f.size)
            c.count = c.total;
        if (tag_column ? c.total == tag_column : f.size > 0)
            c.tag = f;
    }
    return c;
}

static bool is_docstart(field line) {
    static const char mark[] = "-DOCSTART-";
    size_t n = sizeof mark - 1;
    return line.size >= n && !memcmp(line.text, mark, n) &&
           (line.size == n || line.text[n] == '\t' || line.text[n] == ' ');
}

/* A file of words and tags between spaces may well hold the word "#": there a line is a comment
 * only if it reads "# name = ..." or has another number of columns than the file's words have. */
static bool is_comment(const reader *r, field line) {
    if (r->in_sentence || line.size < 2 || memcmp(line.text, "# ", 2) ||
        memchr(line.text, '\t', line.size))
        return false;
    if (r->has_tab)
        return true;
    field f = {0};
    size_t at = 0;
    for (int i = 0; i < 3 && next_column(&f, line, &at, false); i++)
        if (i == 2 && f.size == 1 && *f.text == '=')
            return true;
    return split_columns(line, 0).count != (r->plain_columns ? r->plain_columns : 2);
}

/* Eight bytes of ASCII without a NUL or a carriage return; may say no when they are. */
static bool are_plain(const char *text) {
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t x, y;
    memcpy(&x, text, sizeof x);
    y = x ^ ones * '\r';
    return !((x | ((x - ones) & ~x) | ((y - ones) & ~y)) & ones << 7);
}

/* UTF-8, no NUL, no carriage return inside. `line` is the whole line without its end. */
static bcl_status check_bytes(const reader *r, field line) {
    for (size_t i = 0; i < line.size;) {
        if (line.size - i >= 8 && are_plain(line.text + i)) {
            i += 8;
            continue;
        }
        unsigned char byte = (unsigned char)line.text[i];
        utf8proc_int32_t c = byte;
        utf8proc_ssize_t n = 1;
        if (byte >= 0x80)
            n = utf8proc_iterate((const utf8proc_uint8_t *)line.text + i,
                                 (utf8proc_ssize_t)(line.size - i), &c);
        size_t offset = (size_t)(line.text + i - r->corpus->files[r->file].text);
        if (n <= 0)
            return bcl_fail(BCL_ERROR_FORMAT,
                            "%s:%zu: byte %zu of the line (%zu of the file): found 0x%02X, "
                            "expected UTF-8 text",
                            r->path, r->line, i + 1, offset, byte);
        if (!byte || byte == '\r')
            return bcl_fail(BCL_ERROR_FORMAT,
                            "%s:%zu: byte %zu of the line (%zu of the file): found a %s, expected "
                            "text with lines that end in LF or CRLF",
                            r->path, r->line, i + 1, offset, byte ? "carriage return" : "NUL byte");
        i += (size_t)n;
    }
    return BCL_OK;
}

/* The tag's number; it is added if it is new. */
static bcl_status tag_id(uint32_t *out, bcl_tag_table *t, const char *tag, size_t token) {
    bcl_status status = BCL_OK;
    size_t before = t->names.count;
    BCL_TRY(bcl_grow(&t->totals, &t->totals_capacity, before + 1, sizeof *t->totals));
    BCL_TRY(bcl_grow(&t->first, &t->first_capacity, before + 1, sizeof *t->first));
    BCL_TRY(bcl_names_intern(out, &t->names, tag, strlen(tag)));
    if (*out == before) {
        t->totals[before] = 0;
        t->first[before] = token;
    }
out:
    return status;
}

static bcl_status add_token(reader *r, columns c) {
    bcl_status status = BCL_OK;
    bcl_corpus *corpus = r->corpus;
    /* The byte behind each is a separator, the line's end or the NUL behind the file. */
    c.word.text[c.word.size] = 0;
    c.tag.text[c.tag.size] = 0;
    size_t n = corpus->token_count;
    const unsigned char *tag = (const unsigned char *)c.tag.text;
    seen_tag *seen =
        &r->seen[(c.tag.size * 5 + tag[0] * 29u + tag[c.tag.size - 1] * 3u) % SEEN_TAGS];
    if (!seen->text || seen->size != c.tag.size || memcmp(seen->text, c.tag.text, c.tag.size)) {
        *seen = (seen_tag){NULL, c.tag.size, 0, 0};
        BCL_TRY(tag_id(&seen->raw, &corpus->raw, c.tag.text, n));
        BCL_TRY(tag_id(&seen->mapped, &corpus->mapped, bcl_tag_map_find(r->map, c.tag.text), n));
        seen->text = c.tag.text;
    }
    corpus->raw.totals[seen->raw]++;
    corpus->mapped.totals[seen->mapped]++;
    BCL_TRY(bcl_grow(&corpus->words, &corpus->word_capacity, n + 1, sizeof *corpus->words));
    BCL_TRY(bcl_grow(&corpus->tags, &corpus->tag_capacity, n + 1, sizeof *corpus->tags));
    if (!r->in_document) {
        BCL_TRY(bcl_grow(&corpus->documents, &corpus->document_capacity, corpus->document_count + 1,
                         sizeof *corpus->documents));
        corpus->documents[corpus->document_count++] =
            (bcl_document){r->file, (uint32_t)corpus->files[r->file].documents++};
        r->in_document = true;
    }
    if (!r->in_sentence) {
        BCL_TRY(bcl_grow(&corpus->sentences, &corpus->sentence_capacity, corpus->sentence_count + 1,
                         sizeof *corpus->sentences));
        corpus->sentences[corpus->sentence_count++] =
            (bcl_span){n, r->line, r->file, (uint32_t)corpus->document_count - 1};
        corpus->files[r->file].sentences++;
        r->in_sentence = true;
    }
    corpus->words[n] = c.word.text;
    corpus->tags[n] = seen->mapped;
    corpus->token_count++;
out:
    return status;
}

static bcl_status note_columns(reader *r, size_t count) {
    if (!r->first_columns)
        r->first_columns = count;
    return count != r->first_columns ? note_odd(r, BCL_ODD_COLUMNS) : BCL_OK;
}

static bcl_status read_word_line(reader *r, field line) {
    bcl_status status = BCL_OK;
    columns c = split_columns(line, r->tag_column);
    if (c.count < 2)
        BCL_FAIL(BCL_ERROR_FORMAT,
                 "%s:%zu: found one column (\"%.*s\"), expected a word and its tag, separated by "
                 "a TAB or spaces",
                 r->path, r->line, shown(line.text, line.size), line.text);
    if (r->tag_column && !c.tag.size)
        BCL_FAIL(BCL_ERROR_FORMAT, "%s:%zu: found %zu columns, expected the tag in column %zu",
                 r->path, r->line, c.count, r->tag_column);
    if (c.total != c.count)
        BCL_TRY(note_odd(r, BCL_ODD_EMPTY_COLUMNS));
    BCL_TRY(note_columns(r, c.count));
    if (!c.word.size)
        BCL_TRY(note_odd(r, BCL_ODD_EMPTY_WORD));
    else if (memchr(c.word.text, ' ', c.word.size))
        BCL_TRY(note_odd(r, BCL_ODD_SPACE_IN_WORD));
    BCL_TRY(add_token(r, c));
out:
    return status;
}

static bcl_status read_line(reader *r, field line) {
    bcl_status status = BCL_OK;
    BCL_TRY(check_bytes(r, line));
    bool blank = !strip(line).size;
    bool docstart = is_docstart(line);
    if (blank || docstart) {
        r->in_sentence = false;
        r->in_document = r->in_document && !docstart;
        if (line.size)
            BCL_TRY(note_odd(r, blank ? BCL_ODD_BLANK : BCL_ODD_DOCSTART));
    } else if (is_comment(r, line)) {
        BCL_TRY(note_odd(r, BCL_ODD_COMMENT));
    } else {
        BCL_TRY(read_word_line(r, line));
    }
out:
    return status;
}

/* The line at p without its LF and the CRs before it; *next is where the following one starts. */
static field cut_line(char *p, char *end, char **next) {
    char *newline = memchr(p, '\n', (size_t)(end - p)), *stop = newline ? newline : end;
    *next = newline ? newline + 1 : end;
    while (stop > p && stop[-1] == '\r')
        stop--;
    return (field){p, (size_t)(stop - p)};
}

/* What is_comment must know of the whole file before its first line is read. A TAB in a line that
 * is otherwise blank says nothing of how words and tags are divided. */
static void look_ahead(reader *r, char *text, char *end) {
    char *next = text;
    for (char *p = text; !r->has_tab && p < end; p = next) {
        field line = cut_line(p, end, &next);
        if (!strip(line).size)
            continue;
        r->has_tab = memchr(line.text, '\t', line.size) != NULL;
        if (!r->has_tab && !r->plain_columns && *line.text != '#' && !is_docstart(line))
            r->plain_columns = split_columns(line, 0).count;
    }
}

static bcl_status read_file(bcl_corpus *corpus, const char *path,
                            const bcl_corpus_options *options) {
    bcl_status status = BCL_OK;
    reader r = {.corpus = corpus,
                .map = options->map,
                .tag_column = options->tag_column,
                .file = (uint32_t)corpus->file_count};
    BCL_TRY(bcl_grow(&corpus->files, &corpus->file_capacity, corpus->file_count + 1,
                     sizeof *corpus->files));
    bcl_source *f = &corpus->files[corpus->file_count++];
    size_t size = 0;
    *f = (bcl_source){0};
    BCL_TRY(bcl_strdup(&f->path, path));
    BCL_TRY(bcl_file_read(&f->text, &size, path));
    f->bytes = size;
    r.path = f->path;
    char *p = f->text, *end = f->text + size, *next;
    if (size >= 2 && (!memcmp(p, "\xFF\xFE", 2) || !memcmp(p, "\xFE\xFF", 2)))
        BCL_FAIL(BCL_ERROR_FORMAT, "%s:1: byte 0: found UTF-16, expected UTF-8; convert the file",
                 path);
    if (size >= 3 && !memcmp(p, "\xEF\xBB\xBF", 3))
        p += 3;
    look_ahead(&r, p, end);
    for (; p < end; p = next) {
        columns pair;
        r.line++;
        if (r.tag_column <= 2 && split_pair(&pair, p, &next)) {
            BCL_TRY(note_columns(&r, 2));
            BCL_TRY(add_token(&r, pair));
        } else {
            BCL_TRY(read_line(&r, cut_line(p, end, &next)));
        }
    }
out:
    return status;
}

static bcl_status read_folder(bcl_corpus *corpus, const char *path,
                              const bcl_corpus_options *options) {
    bcl_status status = BCL_OK;
    char **names = NULL, *child = NULL;
    size_t count = 0, before = corpus->file_count;
    BCL_TRY(bcl_directory_list(&names, &count, path));
    for (size_t i = 0; i < count; i++) {
        struct stat st;
        if (names[i][0] == '.')
            continue;
        free(child);
        child = NULL;
        BCL_TRY(bcl_path_join(&child, path, names[i]));
        if (stat(child, &st)) {
            status = bcl_fail_errno("%s: cannot open", child);
            goto out;
        }
        if (S_ISREG(st.st_mode))
            BCL_TRY(read_file(corpus, child, options));
    }
    if (corpus->file_count == before)
        BCL_FAIL(BCL_ERROR_FORMAT, "%s: found no file in the folder, expected CoNLL files", path);
out:
    free(child);
    bcl_strings_free(names, count);
    return status;
}

bcl_status bcl_corpus_read(bcl_corpus **out, const char *const *paths, size_t count,
                           const bcl_corpus_options *options) {
    static const bcl_corpus_options defaults = {0};
    bcl_status status = BCL_OK;
    bcl_corpus *corpus = NULL;
    if (!options)
        options = &defaults;
    if (!count)
        BCL_FAIL(BCL_ERROR_ARGUMENT, "corpus: found no path, expected files or folders");
    if (options->tag_column == 1)
        BCL_FAIL(BCL_ERROR_ARGUMENT, "tag column: found 1, expected 2 or more (1 is the word)");
    BCL_NEW(corpus, 1);
    for (size_t i = 0; i < count; i++)
        BCL_TRY(bcl_path_is_directory(paths[i]) ? read_folder(corpus, paths[i], options)
                                                : read_file(corpus, paths[i], options));
    if (!corpus->sentence_count)
        BCL_FAIL(BCL_ERROR_FORMAT,
                 "%s%s: found no sentence, expected lines with a word and its tag", paths[0],
                 count > 1 ? " and the other paths" : "");
    *out = corpus;
    corpus = NULL;
out:
    bcl_corpus_free(corpus);
    return status;
}
