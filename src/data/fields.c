/* Lines, columns and characters of text files. Knows of no format. */
#include "data/fields.h"
#include "text/unicode.h"

#include <strings.h>
#include <utf8proc.h>

int bcl_shown(bcl_field f) {
    size_t size = f.size;
    if (size > 40)
        for (size = 40; size && ((unsigned char)f.text[size] & 0xC0) == 0x80;)
            size--;
    return (int)size;
}

static bool is_space(utf8proc_int32_t c) {
    if (c < 0x80)
        return c == ' ' || (c >= 9 && c <= 13) || (c >= 0x1C && c <= 0x1F);
    return c == 0x85 || utf8proc_category(c) == UTF8PROC_CATEGORY_ZS || c == 0x2028 || c == 0x2029;
}

static bool is_invisible(utf8proc_int32_t c) {
    if (c < 0x80)
        return (c < 0x20 && !is_space(c)) || c == 0x7F;
    const utf8proc_category_t category = utf8proc_category(c);
    return c != 0x85 && (category == UTF8PROC_CATEGORY_CF || category == UTF8PROC_CATEGORY_CC ||
                         c == 0x034F || c == 0x115F || c == 0x1160 || c == 0x3164 || c == 0xFFA0 ||
                         (c >= 0xFE00 && c <= 0xFE0F) || (c >= 0xE0100 && c <= 0xE01EF));
}

/* The character at text[at], and its size. */
static utf8proc_int32_t decode(bcl_field f, size_t at, size_t *size) {
    utf8proc_int32_t c = -1;
    utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)f.text + at,
                                          (utf8proc_ssize_t)(f.size - at), &c);
    *size = n > 0 ? (size_t)n : 1;
    return n > 0 ? c : -1;
}

static bcl_field strip_end(bcl_field f) {
    size_t n;
    while (f.size) {
        size_t at = f.size - 1;
        while (at && ((unsigned char)f.text[at] & 0xC0) == 0x80)
            at--;
        const utf8proc_int32_t c = decode(f, at, &n);
        if (c < 0 || !is_space(c))
            break;
        f.size = at;
    }
    return f;
}

bcl_field bcl_strip(bcl_field f) {
    size_t n;
    if (f.size && bcl_is_mark(f.text[0]) && bcl_is_mark(f.text[f.size - 1]))
        return f; /* the usual case */
    while (f.size) {
        const utf8proc_int32_t c = decode(f, 0, &n);
        if (c < 0 || !is_space(c))
            break;
        f.text += n;
        f.size -= n;
    }
    return strip_end(f);
}

bcl_field bcl_cut_line(char *p, char *end, char **next) {
    char *newline = memchr(p, '\n', (size_t)(end - p)), *stop = newline ? newline : end;
    *next = newline ? newline + 1 : end;
    while (stop > p && stop[-1] == '\r')
        stop--;
    return (bcl_field){p, (size_t)(stop - p)};
}

bcl_field bcl_skip_marks(bcl_field line) {
    while (line.size >= 3 && !memcmp(line.text, "\xEF\xBB\xBF", 3)) {
        const bcl_field rest = {line.text + 3, line.size - 3};
        if (rest.size && (*rest.text == ' ' || *rest.text == '\t') && !bcl_is_blank(rest))
            break; /* the first column holds nothing else */
        line = rest;
    }
    return line;
}

bool bcl_has_other_space(bcl_field f) {
    for (size_t at = 0, n; at < f.size; at += n) {
        const utf8proc_int32_t c = decode(f, at, &n);
        if (c >= 0 && c != ' ' && is_space(c))
            return true;
    }
    return false;
}

bool bcl_is_blank(bcl_field line) {
    for (size_t at = 0, n; at < line.size; at += n) {
        const utf8proc_int32_t c = decode(line, at, &n);
        if (c < 0 || (!is_space(c) && !is_invisible(c)))
            return false;
    }
    return true;
}

static bcl_field strip_spaces(bcl_field f) {
    while (f.size && *f.text == ' ')
        f.text++, f.size--;
    while (f.size && f.text[f.size - 1] == ' ')
        f.size--;
    return f;
}

/* The next column from *at on. False behind the last. */
static bool next_cell(bcl_field *out, bcl_field line, size_t *at, bool tabs) {
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

void bcl_split_cells(bcl_cells *out, bcl_field line) {
    const bcl_field filled = strip_end(line);
    bcl_field f;
    out->count = 0;
    out->tabs = memchr(filled.text, '\t', filled.size) != NULL;
    for (size_t at = 0; next_cell(&f, filled, &at, out->tabs); out->count++)
        if (out->count < BCL_MAX_COLUMNS)
            out->cells[out->count] = out->tabs ? strip_spaces(f) : f;
    out->total = out->count;
    for (size_t i = filled.size; i < line.size; i++)
        out->total += line.text[i] == '\t';
}

bool bcl_drop_invisible(bcl_field *f) {
    size_t kept = 0, n;
    for (size_t i = 0; i < f->size && bcl_is_mark(f->text[i]); i++)
        kept++;
    if (kept == f->size)
        return false;
    for (size_t at = kept; at < f->size; at += n) {
        const utf8proc_int32_t c = decode(*f, at, &n);
        if (c >= 0 && is_invisible(c))
            continue;
        memmove(f->text + kept, f->text + at, n);
        kept += n;
    }
    const bool any = kept != f->size;
    f->size = kept;
    return any;
}

bool bcl_is_scheme_tag(const char *tag, size_t size) {
    if (size == 1)
        return *tag == 'O';
    if (size < 3 || !*tag || !strchr("BIESLUMW", *tag) || (tag[1] != '-' && tag[1] != '_') ||
        tag[2] == ' ')
        return false;
    for (size_t i = 3; i < size; i++) /* "B-PER O": the tags of a sentence in one cell */
        if (tag[i] == ' ' && bcl_is_scheme_tag(tag + i + 1, size - i - 1))
            return false;
    return true;
}

bool bcl_is_docstart(bcl_field line) {
    static const char mark[] = "DOCSTART";
    const char *p = line.text, *const end = p + line.size;
    while (p < end && *p == '-')
        p++;
    if (p == line.text || (size_t)(end - p) < sizeof mark || strncasecmp(p, mark, sizeof mark - 1))
        return false;
    p += sizeof mark - 1;
    const char *dashes = p;
    while (p < end && *p == '-')
        p++;
    return p > dashes && (p == end || *p == '\t' || *p == ' ');
}

bcl_status bcl_code_points(size_t **at, size_t *count, const char *text, size_t size) {
    bcl_status status = BCL_OK;
    unsigned n;
    *count = 0;
    BCL_NEW(*at, size + 1);
    for (size_t i = 0; i < size; i += n) {
        (*at)[(*count)++] = i;
        bcl_utf8_decode((const unsigned char *)text + i, size - i, &n);
    }
    (*at)[*count] = size;
out:
    return status;
}
