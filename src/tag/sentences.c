/* Running text to sentences, by rules that a page can hold (docs/predict.md). No language is
 * modelled beyond a short list of abbreviations. */
#include "tag/tag.h"

#include <utf8proc.h>

/* Words behind which a full stop seldom ends a sentence. */
static const char *const abbreviations[] = {
    "Mr",  "Mrs", "Ms",   "Dr",   "Prof",  "St",   "Gen",  "Col", "Lt",   "Sgt",   "Capt", "Sen",
    "Rep", "Gov", "Hon",  "Rev",  "Amb",   "No",   "Nos",  "vs",  "etc",  "cf",    "al",   "ed",
    "eds", "pp",  "p",    "para", "paras", "art",  "arts", "Art", "Arts", "Jan",   "Feb",  "Mar",
    "Apr", "Jun", "Jul",  "Aug",  "Sep",   "Sept", "Oct",  "Nov", "Dec",  "Jr",    "Sr",   "Inc",
    "Ltd", "Co",  "Corp", "Mt",   "Ft",    "Fig",  "fig",  "Vol", "vol",  "approx"};

typedef struct reader {
    const char *text;
    size_t size;
} reader;

/* The code point at `at`, which must be inside; a byte that is not UTF-8 stands for itself. */
static uint32_t point(const reader *r, size_t at, unsigned *size) {
    uint32_t c = bcl_utf8_decode((const unsigned char *)r->text + at, r->size - at, size);
    return c == UINT32_MAX ? (unsigned char)r->text[at] : c;
}

/* The size without a character that has only begun at the end. */
static size_t whole_points(const char *text, size_t size) {
    size_t at = size;
    while (at && size - at < 3 && ((unsigned char)text[at - 1] & 0xC0) == 0x80)
        at--;
    const unsigned char c = at ? (unsigned char)text[at - 1] : 0;
    const size_t need = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : c >= 0xC0 ? 2 : 1;
    return size - at + 1 < need ? at - 1 : size;
}

static bool is_space(uint32_t c) {
    return c == ' ' || (c >= '\t' && c <= '\r') || c == 0xA0 || c == 0x3000 ||
           (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029;
}

static bool is_closing(uint32_t c) {
    return c == '"' || c == '\'' || c == ')' || c == ']' || c == '}' || c == 0xBB || c == 0x2019 ||
           c == 0x201D || c == 0x203A || c == 0x300D || c == 0x300F || c == 0xFF09;
}

/* Ends a sentence without a space behind it. */
static bool is_wide_stop(uint32_t c) {
    return c == 0x3002 || c == 0xFF01 || c == 0xFF1F || c == 0xFF61;
}

static bool is_stop(uint32_t c) {
    return c == '.' || c == '!' || c == '?' || c == 0x2026 || c == 0x061F || c == 0x06D4 ||
           c == 0x0964 || is_wide_stop(c);
}

/* True if the full stop at `at` belongs to the word before it. */
static bool is_abbreviation(const reader *r, size_t at) {
    size_t begin = at;
    while (begin && !is_space((unsigned char)r->text[begin - 1]) &&
           !strchr("([{\"'", r->text[begin - 1]))
        begin--;
    const size_t size = at - begin;
    unsigned n;
    if (!size)
        return false;
    if (memchr(r->text + begin, '.', size)) /* "U.N.", "e.g." */
        return utf8proc_category((utf8proc_int32_t)point(r, at - 1, &n)) != UTF8PROC_CATEGORY_ND;
    uint32_t c = point(r, begin, &n);
    if (n == size) /* an initial: "J. Smith" */
        return utf8proc_category((utf8proc_int32_t)c) == UTF8PROC_CATEGORY_LU;
    for (size_t i = 0; i < sizeof abbreviations / sizeof *abbreviations; i++)
        if (strlen(abbreviations[i]) == size && !memcmp(abbreviations[i], r->text + begin, size))
            return true;
    return false;
}

/* True if a blank line begins at `at`, in front of any other text; *unknown if the text ends first.
 */
static bool blank_line(const reader *r, size_t at, bool *unknown) {
    size_t lines = 0;
    *unknown = false;
    for (; at < r->size; at++) {
        if (r->text[at] == '\n')
            lines++;
        else if (r->text[at] != ' ' && r->text[at] != '\t' && r->text[at] != '\r')
            return false;
        if (lines == 2)
            return true;
    }
    *unknown = true;
    return false;
}

size_t bcl_sentence_end(const char *text, size_t size, bool end_of_text, size_t *from) {
    unsigned n;
    if (!end_of_text)
        size = whole_points(text, size);
    const reader r = {text, size};
    for (size_t at = *from; at < size; at += n) {
        const uint32_t c = point(&r, at, &n);
        bool unknown;
        *from = at;
        if (c == '\n') {
            if (blank_line(&r, at, &unknown))
                return at + 1;
            if (unknown && !end_of_text)
                return 0;
            continue;
        }
        if (!is_stop(c))
            continue;
        size_t end = at + n;
        unsigned m;
        while (end < size && (is_stop(point(&r, end, &m)) || is_closing(point(&r, end, &m))))
            end += m;
        if (end == size)
            return end_of_text ? end : 0;
        size_t next = end;
        uint32_t d = point(&r, next, &m);
        while (next < size && is_space(d = point(&r, next, &m)))
            next += m;
        if (next == end && !is_wide_stop(c)) {
            n = (unsigned)(end - at);
            continue;
        }
        if (next == size && !end_of_text) {
            if (blank_line(&r, end, &unknown))
                return end;
            return 0;
        }
        if (next == size || is_wide_stop(c) ||
            (utf8proc_category((utf8proc_int32_t)d) != UTF8PROC_CATEGORY_LL &&
             !(c == '.' && end == at + 1 && is_abbreviation(&r, at))) ||
            blank_line(&r, end, &unknown))
            return end;
        n = (unsigned)(end - at);
    }
    *from = size;
    return end_of_text ? size : 0;
}
