/* Escapes and columns of text that is shown to a person. */
#include "util/printable.h"

#include <utf8proc.h>

/* The next character: its bytes, and its code point or -1 where they are not UTF-8. */
static size_t next(int32_t *point, const char *text, size_t size) {
    utf8proc_int32_t c;
    const utf8proc_ssize_t n =
        utf8proc_iterate((const utf8proc_uint8_t *)text, size < 4 ? (utf8proc_ssize_t)size : 4, &c);
    *point = n > 0 ? c : -1;
    return n > 0 ? (size_t)n : 1;
}

static bool steers(int32_t c) {
    return c < 0x20 || (c >= 0x7f && c < 0xa0) /* C0, DEL, C1 */
           || c == 0x2028 || c == 0x2029       /* line and paragraph separator */
           || (c >= 0x202a && c <= 0x202e)     /* embedding and override of direction */
           || (c >= 0x2066 && c <= 0x2069);    /* isolates */
}

size_t bcl_printable_next(char out[BCL_PRINTABLE_BYTES], size_t *taken, const char *text,
                          size_t size) {
    static const char letters[] = "abtnvfr"; /* 7 to 13 */
    int32_t c;
    *taken = next(&c, text, size);
    if (c < 0)
        return (size_t)snprintf(out, BCL_PRINTABLE_BYTES, "\\x%02x", (unsigned char)*text);
    if (!steers(c)) {
        memcpy(out, text, *taken);
        return *taken;
    }
    if (c >= 7 && c <= 13)
        return (size_t)snprintf(out, BCL_PRINTABLE_BYTES, "\\%c", letters[c - 7]);
    return (size_t)snprintf(out, BCL_PRINTABLE_BYTES, c < 0x80 ? "\\x%02x" : "\\u%04x",
                            (unsigned)c);
}

char *bcl_printable(char *out, size_t capacity, const char *text) {
    const size_t size = strlen(text);
    char shown[BCL_PRINTABLE_BYTES];
    size_t at = 0;
    for (size_t i = 0, taken; i < size; i += taken) {
        const size_t n = bcl_printable_next(shown, &taken, text + i, size - i);
        if (at + n >= capacity)
            break;
        memcpy(out + at, shown, n);
        at += n;
    }
    out[at] = 0;
    return out;
}

void bcl_printable_put(FILE *to, const char *text, size_t size) {
    char shown[BCL_PRINTABLE_BYTES];
    for (size_t i = 0, taken; i < size; i += taken) {
        const size_t n = bcl_printable_next(shown, &taken, text + i, size - i);
        fwrite(shown, 1, n, to);
    }
}

static size_t width(int32_t c) {
    return c < 0 ? 1 : (size_t)utf8proc_charwidth(c);
}

size_t bcl_columns(const char *text, size_t size) {
    size_t columns = 0;
    int32_t c;
    for (size_t i = 0; i < size;) {
        i += next(&c, text + i, size - i);
        columns += width(c);
    }
    return columns;
}

size_t bcl_columns_fit(const char *text, size_t size, size_t columns) {
    size_t used = 0;
    int32_t c;
    for (size_t i = 0; i < size;) {
        const size_t n = next(&c, text + i, size - i);
        used += width(c);
        if (used > columns)
            return i;
        i += n;
    }
    return size;
}
