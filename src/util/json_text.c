/* JSON as text, without a tree: strings written, and lines that are arrays of strings read. Unlike
 * cJSON it keeps "\u0000" and reuses its memory from line to line. */
#include "util/util.h"

bcl_status bcl_json_add_string(bcl_string *out, const char *text, size_t size) {
    bcl_status status = BCL_OK;
    BCL_TRY(bcl_string_add(out, "\"", 1));
    for (const char *p = text, *end = text + size, *run; p < end;) {
        for (run = p;
             p < end && *p != '"' && *p != '\\' && (unsigned char)*p >= 0x20 && *p != 0x7f;)
            p++;
        BCL_TRY(bcl_json_escape_bytes(out, run, (size_t)(p - run)));
        if (p == end)
            break;
        if (*p == '"' || *p == '\\')
            BCL_TRY(bcl_string_addf(out, "\\%c", *p));
        else
            BCL_TRY(bcl_string_addf(out, "\\u%04x", (unsigned)*p));
        p++;
    }
    BCL_TRY(bcl_string_add(out, "\"", 1));
out:
    return status;
}

static int hex(char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* \uXXXX at p + 2.., 4 digits; -1 if it is not that. */
static long read_escape(const char *p, const char *end) {
    long c = 0;
    if (end - p < 6 || p[0] != '\\' || p[1] != 'u')
        return -1;
    for (int i = 2; i < 6; i++) {
        if (hex(p[i]) < 0)
            return -1;
        c = c * 16 + hex(p[i]);
    }
    return c;
}

static bcl_status add_code_point(bcl_string *out, long c) {
    char b[4];
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    if (n == 1)
        b[0] = (char)c;
    else
        b[0] = (char)((n == 2 ? 0xC0 : n == 3 ? 0xE0 : 0xF0) | c >> 6 * (n - 1));
    for (size_t i = 1; i < n; i++)
        b[i] = (char)(0x80 | (c >> 6 * (n - 1 - i) & 0x3F));
    return bcl_string_add(out, b, n);
}

/* Reads the string behind the quote at *p into `out`; *p ends behind its closing quote, or at the
 * byte that is wrong. */
static bcl_status read_json_string(bcl_string *out, const char **p, const char *end, bool *ok) {
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    bcl_status status = BCL_OK;
    const char *q = *p;
    *ok = false;
    for (;;) {
        const char *run = q;
        while (q < end && *q != '"' && *q != '\\' && (unsigned char)*q >= 0x20)
            q++;
        BCL_TRY(bcl_string_add(out, run, (size_t)(q - run)));
        *p = q;
        if (q >= end || (unsigned char)*q < 0x20)
            goto out;
        if (*q == '"') {
            *p = q + 1;
            *ok = true;
            goto out;
        }
        const char *known = q + 1 < end && q[1] ? strchr(from, q[1]) : NULL;
        if (known) {
            BCL_TRY(bcl_string_add(out, &to[known - from], 1));
            q += 2;
            continue;
        }
        long c = read_escape(q, end), low;
        q += 6;
        if (c >= 0xD800 && c < 0xDC00) {
            low = read_escape(q, end);
            if (low < 0xDC00 || low > 0xDFFF)
                goto out;
            c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
            q += 6;
        } else if (c < 0 || (c >= 0xDC00 && c < 0xE000)) {
            goto out;
        }
        BCL_TRY(add_code_point(out, c));
    }
out:
    return status;
}

static const char *skip_blanks(const char *p, const char *end) {
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n'))
        p++;
    return p;
}

void bcl_json_words_free(bcl_json_words *w) {
    bcl_string_free(&w->text);
    free(w->starts);
    free(w->sizes);
    free(w->words);
    *w = (bcl_json_words){0};
}

/* Words as pointers, once the text has stopped moving. */
static bcl_status point_at_words(bcl_json_words *w) {
    bcl_status status = BCL_OK;
    BCL_TRY(bcl_grow(&w->words, &w->words_capacity, w->count + 1, sizeof *w->words));
    BCL_TRY(bcl_grow(&w->sizes, &w->sizes_capacity, w->count + 1, sizeof *w->sizes));
    for (size_t i = 0; i < w->count; i++) {
        w->words[i] = w->text.data ? w->text.data + w->starts[i] : "";
        w->sizes[i] = w->starts[i + 1] - w->starts[i];
    }
out:
    return status;
}

bcl_status bcl_json_words_read(bcl_json_words *w, const char *line, size_t size) {
    const char *p = skip_blanks(line, line + size), *end = line + size;
    bcl_status status = BCL_OK;
    bool ok;
    w->count = w->text.size = 0;
    if (p == end || *p != '[')
        goto wrong;
    p = skip_blanks(p + 1, end);
    while (p < end && *p != ']') {
        if (*p != '"')
            goto wrong;
        BCL_TRY(bcl_grow(&w->starts, &w->starts_capacity, w->count + 2, sizeof *w->starts));
        w->starts[w->count++] = w->text.size;
        p++;
        BCL_TRY(read_json_string(&w->text, &p, end, &ok));
        w->starts[w->count] = w->text.size;
        if (!ok)
            goto wrong;
        p = skip_blanks(p, end);
        if (p < end && *p == ']')
            break;
        if (p == end || *p != ',')
            goto wrong;
        p = skip_blanks(p + 1, end);
        if (p < end && *p == ']')
            goto wrong;
    }
    if (p == end || skip_blanks(p + 1, end) != end)
        goto wrong;
    BCL_TRY(point_at_words(w));
out:
    return status;
wrong:
    return bcl_fail(BCL_ERROR_FORMAT, "byte %td: expected a JSON array of strings", p - line);
}
