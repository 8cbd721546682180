/* Running text to sentences, by rules that a page can hold (docs/predict.md). The words that they
 * look at are in abbreviations.c. */
#include "tag/abbreviations.h"
#include "tag/tag.h"

#include <utf8proc.h>

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
    return c == ' ' || (c >= '\t' && c <= '\r') || c == 0xA0 || c == 0x3000 || c == 0x202F ||
           (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029;
}

/* Directly behind a stop: the low quotation mark's partner, too. */
static bool is_closing(uint32_t c) {
    return c == '"' || c == '\'' || c == ')' || c == ']' || c == '}' || c == 0xBB || c == 0x2019 ||
           c == 0x201C || c == 0x201D || c == 0x203A || c == 0x300D || c == 0x300F || c == 0xFF09;
}

static bool is_bullet(uint32_t c) {
    return c == 0x2022 || c == 0x2043 || c == 0x25E6 || c == 0x2013 || c == 0x2014 || c == '-' ||
           c == '*';
}

/* Ends a sentence without a space behind it. */
static bool is_wide_stop(uint32_t c) {
    return c == 0x3002 || c == 0xFF01 || c == 0xFF1F || c == 0xFF61;
}

static bool is_stop(uint32_t c) {
    return c == '.' || c == '!' || c == '?' || c == 0x2026 || c == 0x061F || c == 0x06D4 ||
           c == 0x0964 || is_wide_stop(c);
}

static bool is_letter(uint32_t c) {
    const utf8proc_category_t k = utf8proc_category((utf8proc_int32_t)c);
    return k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_LO;
}

static bool is_upper(uint32_t c) {
    return utf8proc_category((utf8proc_int32_t)c) == UTF8PROC_CATEGORY_LU;
}

static bool is_digit(uint32_t c) {
    return c >= '0' && c <= '9';
}

/* Bytes from..to of the text. */
typedef struct word {
    size_t from, to;
} word;

/* What stands in front of `at`, up to white space or what opens. */
static word word_before(const reader *r, size_t at) {
    size_t begin = at;
    while (begin && !is_space((unsigned char)r->text[begin - 1]) &&
           !strchr("([{\"'", r->text[begin - 1])) {
        /* white space and opening marks of more than one byte */
        if (begin >= 2 && !memcmp(r->text + begin - 2, "\xC2\xA0", 2))
            break;
        if (begin >= 2 && !memcmp(r->text + begin - 2, "\xC2\xAB", 2))
            break;
        if (begin >= 3 && (!memcmp(r->text + begin - 3, "\xE2\x80\x9E", 3) ||
                           !memcmp(r->text + begin - 3, "\xE2\x80\x9C", 3) ||
                           !memcmp(r->text + begin - 3, "\xE2\x80\xAF", 3)))
            break;
        begin--;
    }
    return (word){begin, at};
}

/* The letters from `at` on. *open: the text ends within them. */
static word letters_at(const reader *r, size_t at, bool *open) {
    word w = {at, at};
    unsigned n;
    while (w.to < r->size && is_letter(point(r, w.to, &n)))
        w.to += n;
    *open = w.to == r->size;
    return w;
}

static size_t count_points(const reader *r, word w) {
    size_t points = 0;
    for (size_t i = w.from; i < w.to; i++)
        points += ((unsigned char)r->text[i] & 0xC0) != 0x80;
    return points;
}

/* "U.N", "e.g", "Ph.D", "EE.UU", "J.-C": letters, one or two between full stops. */
static bool has_dots(const reader *r, word w) {
    size_t letters = 0;
    bool dots = false;
    unsigned n;
    for (size_t i = w.from; i < w.to; i += n) {
        const uint32_t c = point(r, i, &n);
        if (c == '.' && letters)
            dots = true;
        if (c == '.')
            letters = 0;
        else if (is_letter(c) && letters < 2)
            letters++;
        else if (c != '-' || letters)
            return false;
    }
    return dots && letters;
}

/* In lower case such a word never ends a sentence, but for a.m. and p.m. */
static bool goes_on(const reader *r, word w) {
    unsigned n;
    return !is_upper(point(r, w.to - 1, &n)) && w.to - w.from == 3 &&
           memcmp(r->text + w.from, "a.m", 3) && memcmp(r->text + w.from, "p.m", 3);
}

/* Whether nothing but a bullet stands in front of it in its line: "1.", "a." begin an item. */
static bool is_first(const reader *r, word w) {
    size_t line = w.from;
    unsigned n;
    while (line && r->text[line - 1] != '\n')
        line--;
    for (size_t i = line; i < w.from; i += n) {
        const uint32_t c = point(r, i, &n);
        if (!is_space(c) && !is_bullet(c) && c != '(')
            return false;
    }
    return true;
}

/* One to three digits, perhaps behind a bullet. */
static bool is_small_number(const reader *r, word w) {
    unsigned n;
    while (w.from < w.to && is_bullet(point(r, w.from, &n)))
        w.from += n;
    for (size_t i = w.from; i < w.to; i++)
        if (!is_digit((unsigned char)r->text[i]))
            return false;
    return w.to > w.from && w.to - w.from <= 3;
}

/* "XIX", or a single letter that is not I. */
static bool is_roman(const reader *r, word w) {
    for (size_t i = w.from; i < w.to; i++)
        if (!strchr("IVXLC", r->text[i]))
            return false;
    return w.to > w.from + 1 || (w.to == w.from + 1 && r->text[w.from] != 'I');
}

/* One or two capital letters. */
static bool is_short_part(const reader *r, word w) {
    unsigned n;
    for (size_t i = w.from; i < w.to; i += n)
        if (!is_upper(point(r, i, &n)))
            return false;
    return count_points(r, w) <= 2;
}

typedef enum verdict { ENDS, GOES_ON, UNKNOWN } verdict;

/* Digits in front of a full stop: "am 3. Mai", "der 2. Weltkrieg", but "It was 12. They left". */
static verdict judge_number(const reader *r, word w, word next, bool starter) {
    unsigned n;
    if (is_first(r, w))
        return GOES_ON;
    if (w.to - w.from > 2 || !is_upper(point(r, next.from, &n)))
        return ENDS;
    if (bcl_is_month(r->text + next.from, next.to - next.from))
        return GOES_ON;
    size_t at = w.from;
    while (at && is_space((unsigned char)r->text[at - 1]))
        at--;
    const word before = word_before(r, at);
    return !starter && bcl_leads_ordinal(r->text + before.from, before.to - before.from) ? GOES_ON
                                                                                         : ENDS;
}

/* One letter in front of a full stop: an initial, a list's mark, a part of "z. B." */
static verdict judge_letter(const reader *r, word w, word next, bool starter) {
    unsigned n;
    if (is_first(r, w))
        return GOES_ON;
    if (next.to < r->size && r->text[next.to] == '.' && count_points(r, next) == 1)
        return GOES_ON; /* "z. B.", "J. R." */
    return is_upper(point(r, w.from, &n)) && !starter ? GOES_ON : ENDS;
}

/* At a sentence's start also one that has a small letter elsewhere: "Vgl.", "Ggf.". */
static bcl_abbreviation abbreviation_of(const reader *r, word w) {
    enum { LONGEST = 16 };
    const size_t size = w.to - w.from;
    char small[LONGEST];
    const bcl_abbreviation kind = bcl_abbreviation_of(r->text + w.from, size);
    if (kind != BCL_ABBREVIATION_NONE || size < 2 || size > LONGEST || !is_first(r, w) ||
        r->text[w.from] < 'A' || r->text[w.from] > 'Z')
        return kind;
    memcpy(small, r->text + w.from, size);
    small[0] = (char)(small[0] - 'A' + 'a');
    return bcl_abbreviation_of(small, size);
}

/* The single full stop at `at`, if the next text begins at `next` and not in lower case. */
static verdict judge_stop(const reader *r, size_t at, size_t next, bool end_of_text) {
    bool open;
    unsigned n;
    const word w = word_before(r, at), following = letters_at(r, next, &open);
    const uint32_t c = point(r, next, &n);
    if (open && !end_of_text && following.to - following.from < 32)
        return UNKNOWN;
    const bool starter =
        bcl_begins_sentences(r->text + following.from, following.to - following.from);
    if (w.from == w.to)
        return ENDS;
    if (is_small_number(r, w))
        return judge_number(r, w, following, starter);
    const bcl_abbreviation kind = abbreviation_of(r, w);
    if (kind == BCL_ABBREVIATION_NEVER)
        return GOES_ON;
    if (kind == BCL_ABBREVIATION_NUMBER)
        return is_digit(c) || is_roman(r, following) ? GOES_ON : ENDS;
    if (count_points(r, w) == 1 && is_letter(point(r, w.from, &n)))
        return is_digit(c) ? GOES_ON : judge_letter(r, w, following, starter);
    if (count_points(r, w) == 2 && is_short_part(r, w) && is_short_part(r, following) &&
        following.to < r->size && r->text[following.to] == '.')
        return GOES_ON; /* "EE. UU." */
    const bool dots = has_dots(r, w);
    if (dots && goes_on(r, w))
        return GOES_ON;
    if (kind == BCL_ABBREVIATION_MAY || dots)
        return starter || !(is_letter(c) || is_digit(c)) ? ENDS : GOES_ON;
    if (is_roman(r, w) && w.from) {
        size_t before_at = w.from;
        while (before_at && is_space((unsigned char)r->text[before_at - 1]))
            before_at--;
        const word before = word_before(r, before_at);
        if (!starter && bcl_leads_ordinal(r->text + before.from, before.to - before.from))
            return GOES_ON;
    }
    return ENDS;
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

/* A run of stops with what closes behind it, from `at` on. */
typedef struct stops {
    size_t end;
    size_t count;  /* stops */
    bool spaced;   /* ". . .": an ellipsis */
    bool enclosed; /* "[...]" */
    bool single;   /* one full stop alone, perhaps with a ')' of a list's mark */
} stops;

static stops read_stops(const reader *r, size_t at) {
    stops s = {.end = at};
    const bool opened = at && strchr("[(", r->text[at - 1]);
    unsigned n;
    size_t end = at;
    while (end < r->size) {
        const uint32_t c = point(r, end, &n);
        if (is_stop(c))
            s.count++;
        else if (!(c == ' ' && s.count && end + 1 < r->size && r->text[end + 1] == '.' &&
                   r->text[end - 1] == '.'))
            break;
        else
            s.spaced = true;
        end += n;
    }
    s.single = s.count == 1 && r->text[at] == '.';
    s.enclosed = opened && s.count > 1 && end < r->size && strchr("])", r->text[end]);
    const size_t closes = end;
    while (end < r->size && is_closing(point(r, end, &n)))
        end += n;
    s.single = s.single && (end == closes || (end == closes + 1 && r->text[closes] == ')'));
    s.end = end;
    return s;
}

/* French closes by a space and a mark: "? Â»"; where the mark opens, a word is behind it. */
static size_t close_apart(const reader *r, size_t end) {
    unsigned n, m;
    if (end >= r->size || !is_space(point(r, end, &n)) || end + n >= r->size ||
        point(r, end + n, &m) != 0xBB)
        return end;
    const size_t behind = end + n + m;
    return behind < r->size && is_letter(point(r, behind, &n)) ? end : behind;
}

static verdict judge(const reader *r, size_t at, const stops *s, size_t next, bool end_of_text) {
    unsigned n;
    size_t first = next;
    uint32_t d = point(r, next, &n);
    if (is_wide_stop(point(r, at, &n)))
        return ENDS;
    if (utf8proc_category((utf8proc_int32_t)d) == UTF8PROC_CATEGORY_LL || s->enclosed || d == ',')
        return GOES_ON;
    if (s->spaced)
        return s->count > 3 && is_upper(d) ? ENDS : GOES_ON;
    while (first < r->size && !is_letter(d) && !is_digit(d) && !is_space(d)) {
        first += n;
        if (first < r->size)
            d = point(r, first, &n);
    }
    if (!s->single)
        return ENDS;
    if (first >= r->size && !end_of_text)
        return UNKNOWN;
    return judge_stop(r, at, first == next || first >= r->size ? next : first, end_of_text);
}

/* A bullet between white space and text, behind other text. */
static bool begins_item(const reader *r, size_t at, uint32_t c) {
    return (c == 0x2022 || c == 0x2043 || c == 0x25E6) && at &&
           is_space((unsigned char)r->text[at - 1]) && !is_first(r, (word){at, at});
}

size_t bcl_sentence_end(const char *text, size_t size, bool end_of_text, size_t *from) {
    unsigned n;
    if (!end_of_text)
        size = whole_points(text, size);
    const reader r = {text, size};
    for (size_t at = *from; at < size; at += n) {
        const uint32_t c = point(&r, at, &n);
        bool unknown;
        unsigned m;
        *from = at;
        if (c == '\n') {
            if (blank_line(&r, at, &unknown))
                return at + 1;
            if (unknown && !end_of_text)
                return 0;
            continue;
        }
        if (begins_item(&r, at, c))
            return at;
        if (!is_stop(c))
            continue;
        const stops s = read_stops(&r, at);
        const size_t end = close_apart(&r, s.end);
        if (end >= size)
            return end_of_text ? size : 0;
        size_t next = end;
        while (next < size && is_space(point(&r, next, &m)))
            next += m;
        n = (unsigned)(end - at);
        if (next == end && !is_wide_stop(c))
            continue;
        if (blank_line(&r, end, &unknown))
            return end;
        if (next == size) {
            if (!end_of_text)
                return 0;
            return end;
        }
        const verdict v = judge(&r, at, &s, next, end_of_text);
        if (v == UNKNOWN)
            return 0;
        if (v == ENDS)
            return end;
    }
    *from = size;
    return end_of_text ? size : 0;
}
