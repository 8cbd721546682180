/* Bytes that are no UTF-8 in JSON, as file names may have them: a byte 0x80 to 0xff is written as
 * the lone surrogate \udc80 to \udcff, which is Python's "surrogateescape" (os.fsencode gives the
 * name back), and read as that byte again. */
#include "util/util.h"

#include <ctype.h>
#include <strings.h>
#include <utf8proc.h>

/* The size of the character at `p`, or 0 if it is none. */
static size_t character(const char *p, size_t left) {
    utf8proc_int32_t c;
    if (!((unsigned char)*p & 0x80))
        return 1;
    const utf8proc_ssize_t n =
        utf8proc_iterate((const utf8proc_uint8_t *)p, (utf8proc_ssize_t)left, &c);
    return n < 1 ? 0 : (size_t)n;
}

bool bcl_json_has_bytes(const char *text, size_t size) {
    for (size_t i = 0, n; i < size; i += n)
        if (!(n = character(text + i, size - i)))
            return true;
    return false;
}

bcl_status bcl_json_escape_bytes(bcl_string *out, const char *text, size_t size) {
    bcl_status status = BCL_OK;
    size_t run = 0;
    for (size_t i = 0, n; i < size; i += n) {
        if ((n = character(text + i, size - i)))
            continue;
        BCL_TRY(bcl_string_add(out, text + run, i - run));
        BCL_TRY(bcl_string_addf(out, "\\udc%02x", (unsigned char)text[i]));
        n = 1;
        run = i + 1;
    }
    BCL_TRY(bcl_string_add(out, text + run, size - run));
out:
    return status;
}

static bool is_escaped_byte(const char *p, const char *end) {
    return end - p >= 6 && !strncasecmp(p, "\\udc", 4) && isxdigit((unsigned char)p[4]) &&
           p[4] > '7' && isxdigit((unsigned char)p[5]);
}

/* The first half of a surrogate pair: the second is no byte. */
static bool is_first_half(const char *p, const char *end) {
    return end - p >= 6 && !strncasecmp(p, "\\ud", 3) && strchr("89abAB", p[3]);
}

size_t bcl_json_unescape_bytes(char *text, size_t size) {
    const char *end = text + size;
    char *to = text;
    for (const char *p = text; p < end;) {
        size_t n = 1;
        if (is_escaped_byte(p, end)) {
            const char digits[3] = {p[4], p[5], 0};
            *to++ = (char)strtoul(digits, NULL, 16);
            p += 6;
            continue;
        }
        if (*p == '\\') /* an escape is passed whole, so that "\\\\udc80" stays text */
            n = is_first_half(p, end) ? 12 : 2;
        if (n > (size_t)(end - p))
            n = (size_t)(end - p);
        memmove(to, p, n);
        to += n;
        p += n;
    }
    *to = 0;
    return (size_t)(to - text);
}
