/* Texts with spans: split into words as BERT splits, with the spans' tags. */
#include "data/reader.h"

#include "text/unicode.h"

typedef struct word {
    size_t begin, end; /* code points */
} word;

typedef struct spans_job {
    bcl_reader *r;
    const char *text;
    size_t size;
    uint32_t *points; /* (n) */
    size_t *at;       /* (n + 1): their places, bytes */
    size_t n;
    word *words;
    size_t word_count, word_capacity;
    bcl_text_span *spans; /* (count), after accept(): those that are used */
    size_t count;
} spans_job;

static bcl_status decode(spans_job *j) {
    bcl_status status = BCL_OK;
    unsigned n;
    BCL_TRY(bcl_code_points(&j->at, &j->n, j->text, j->size));
    BCL_NEW(j->points, j->n);
    for (size_t i = 0; i < j->n; i++)
        j->points[i] =
            bcl_utf8_decode((const unsigned char *)j->text + j->at[i], j->size - j->at[i], &n);
out:
    return status;
}

static unsigned flags_of(const spans_job *j, size_t i) {
    const uint32_t c = j->points[i];
    return c == UINT32_MAX ? 0 : bcl_unicode_find(c)->flags;
}

static bool is_space(const spans_job *j, size_t i) {
    return flags_of(j, i) & (BCL_UNICODE_SPACE | BCL_UNICODE_WHITE);
}

static bcl_status add_word(spans_job *j, size_t begin, size_t end) {
    bcl_status status = BCL_OK;
    BCL_TRY(bcl_grow(&j->words, &j->word_capacity, j->word_count + 1, sizeof *j->words));
    j->words[j->word_count++] = (word){begin, end};
out:
    return status;
}

/* Runs between white space; punctuation and Chinese characters alone. What the clean-up drops goes
 * with its neighbours and is no word by itself. */
static bcl_status split(spans_job *j) {
    bcl_status status = BCL_OK;
    const unsigned alone = BCL_UNICODE_PUNCT | BCL_UNICODE_CHINESE;
    for (size_t i = 0; i < j->n;) {
        size_t begin = i;
        bool any = false;
        if (is_space(j, i)) {
            i++;
            continue;
        }
        if (flags_of(j, i) & alone) {
            BCL_TRY(add_word(j, i, i + 1));
            i++;
            continue;
        }
        while (i < j->n && !is_space(j, i) && !(flags_of(j, i) & alone))
            any |= !(flags_of(j, i++) & BCL_UNICODE_DROP);
        if (any)
            BCL_TRY(add_word(j, begin, i));
    }
out:
    return status;
}

static int by_place(const void *a, const void *b) {
    const bcl_text_span *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return x->end > y->end ? -1 : x->end < y->end;
}

static bcl_status odd(const spans_job *j, bcl_odd kind, const bcl_text_span *s) {
    bcl_reader *r = j->r;
    const size_t line = r->line;
    r->line = s->line;
    const bcl_status status = bcl_reader_odd(r, kind);
    r->line = line;
    return status;
}

/* Widens the spans to whole words and leaves out those that share words with one before: of two
 * that begin at the same place the longer is kept. Afterwards begin and end count words. */
static bcl_status accept(spans_job *j) {
    bcl_status status = BCL_OK;
    size_t kept = 0, w = 0;
    if (j->count)
        qsort(j->spans, j->count, sizeof *j->spans, by_place);
    for (size_t i = 0; i < j->count; i++) {
        bcl_text_span s = j->spans[i];
        if (s.begin >= s.end || s.end > j->n)
            BCL_FAIL(
                BCL_ERROR_FORMAT,
                "%s:%zu: found the span %zu to %zu of \"%.40s\", expected a part of the text's "
                "%zu characters",
                j->r->path, s.line, s.begin, s.end, s.label, j->n);
        while (w < j->word_count && j->words[w].end <= s.begin)
            w++;
        size_t last = w;
        while (last < j->word_count && j->words[last].begin < s.end)
            last++;
        if (last == w)
            BCL_FAIL(BCL_ERROR_FORMAT,
                     "%s:%zu: found the span %zu to %zu of \"%.40s\" without a word, expected one",
                     j->r->path, s.line, s.begin, s.end, s.label);
        if (kept && w < j->spans[kept - 1].end) {
            BCL_TRY(odd(j, BCL_ODD_OVERLAP, &s));
            continue;
        }
        if (j->words[w].begin < s.begin || j->words[last - 1].end > s.end)
            BCL_TRY(odd(j, BCL_ODD_CUT_WORD, &s));
        s.begin = w;
        s.end = last;
        j->spans[kept++] = s;
    }
    j->count = kept;
out:
    return status;
}

/* "B-" or "I-" and the label, kept by the file as long as it lives. */
static bcl_status make_tag(bcl_reader *r, bcl_field *out, const char *label, bool begins) {
    bcl_status status = BCL_OK;
    char *tag = NULL;
    BCL_TRY(bcl_format(&tag, "%c-%s", begins ? 'B' : 'I', label));
    *out = (bcl_field){tag, strlen(tag)};
    const size_t known = bcl_names_find(&r->corpus->raw.names, tag, out->size);
    if (known == SIZE_MAX) {
        BCL_TRY(bcl_reader_keep(r, tag));
        bcl_field name = {tag + 2, out->size - 2};
        BCL_TRY(bcl_reader_clean_tag(r, &name));
        memmove(tag + 2, name.text, name.size + 1);
        out->size = name.size + 2;
    } else { /* most are: the corpus has the text */
        free(tag);
        out->text = r->corpus->raw.names.items[known];
    }
out:
    return status;
}

/* Whether the text ends a line between two places; counts the lines on the way. */
static bool passes_line(const spans_job *j, size_t from, size_t to, size_t *lines) {
    bool any = false;
    for (size_t i = from; i < to; i++)
        if (j->points[i] == '\n') {
            any = true;
            ++*lines;
        }
    return any;
}

static bcl_status add_words(spans_job *j, bool lines) {
    static char outside[] = "O";
    bcl_status status = BCL_OK;
    bcl_reader *r = j->r;
    char *block = NULL;
    size_t used = 0, span = 0, done = 0, passed;
    BCL_NEW(block, j->size + j->word_count + 1);
    BCL_TRY(bcl_reader_keep(r, block));
    for (size_t w = 0; w < j->word_count; w++) {
        const word *x = &j->words[w];
        bcl_field tag = {outside, 1};
        while (span < j->count && j->spans[span].end <= w)
            span++;
        const bool in = span < j->count && j->spans[span].begin <= w;
        const bool begins = in && j->spans[span].begin == w;
        passed = 0;
        if (passes_line(j, done, x->begin, &passed) && (!in || begins))
            r->in_sentence = false;
        if (lines)
            r->line += passed;
        if (in)
            BCL_TRY(make_tag(r, &tag, j->spans[span].label, begins));
        const size_t size = j->at[x->end] - j->at[x->begin];
        memcpy(block + used, j->text + j->at[x->begin], size);
        const bool glued = r->in_sentence && w && j->words[w - 1].end == x->begin;
        BCL_TRY(bcl_reader_token(r, block + used, tag));
        if (glued)
            BCL_TRY(bcl_reader_glue(r));
        used += size + 1;
        done = x->end;
    }
    r->in_sentence = false;
out:
    return status;
}

bcl_status bcl_read_spans(bcl_reader *r, const char *text, size_t size, bcl_text_span *spans,
                          size_t count, const bcl_text_span *words, size_t word_count, bool lines) {
    bcl_status status = BCL_OK;
    spans_job j = {.r = r, .text = text, .size = size, .spans = spans, .count = count};
    r->in_sentence = false;
    BCL_TRY(decode(&j));
    if (!words)
        BCL_TRY(split(&j));
    for (size_t i = 0; words && i < word_count; i++) {
        if (words[i].begin >= words[i].end || words[i].end > j.n ||
            (i && words[i].begin < words[i - 1].end))
            BCL_FAIL(BCL_ERROR_FORMAT,
                     "%s:%zu: found the token %zu to %zu, expected one behind the token before and "
                     "within the text's %zu characters",
                     r->path, r->line, words[i].begin, words[i].end, j.n);
        BCL_TRY(add_word(&j, words[i].begin, words[i].end));
    }
    BCL_TRY(accept(&j));
    BCL_TRY(add_words(&j, lines));
out:
    free(j.points);
    free(j.at);
    free(j.words);
    return status;
}
