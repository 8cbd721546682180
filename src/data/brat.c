/* brat's standoff annotations: x.ann tells of spans of x.txt, in code points. Relations, events,
 * attributes and notes are no business of words' tags. */
#include "data/reader.h"

typedef struct annotations {
    bcl_reader *r;
    const char *path;
    bcl_text_span *spans;
    size_t count, capacity;
    const char *text;
    size_t *at; /* (n + 1): where code points begin, bytes */
    size_t n;
} annotations;

/* The text that the annotation repeats must be the span's: else its offsets count something else.
 */
static bool same_text(const annotations *a, const bcl_text_span *s, bcl_field repeated) {
    const char *text = a->text + a->at[s->begin];
    if (repeated.size != a->at[s->end] - a->at[s->begin])
        return false;
    for (size_t i = 0; i < repeated.size; i++)
        if (text[i] != repeated.text[i] && !(text[i] == '\n' && repeated.text[i] == ' '))
            return false;
    return true;
}

/* "T1<TAB>PER 0 3<TAB>Ana" */
static bcl_status read_span(annotations *a, bcl_field line, size_t number) {
    bcl_status status = BCL_OK;
    char *end = line.text + line.size, *tab = memchr(line.text, '\t', line.size);
    char *type = tab ? tab + 1 : end, *second = memchr(type, '\t', (size_t)(end - type));
    char *stop = second ? second : end, *space = memchr(type, ' ', (size_t)(stop - type)), *p;
    unsigned long long begin = 0, last = 0;
    bool good = space && space > type;
    if (good) {
        begin = strtoull(space, &p, 10);
        good = p > space && *p == ' ';
        last = good ? strtoull(p, &p, 10) : 0;
        good = good && (p == stop || *p == ';');
    }
    if (!good)
        BCL_FAIL(BCL_ERROR_FORMAT,
                 "%s:%zu: found \"%.*s\", expected T1, a TAB, a type with its begin and end, a TAB "
                 "and the text",
                 a->path, number, bcl_shown(line), line.text);
    if (memchr(space, ';', (size_t)(stop - space))) {
        a->r->line = number;
        BCL_TRY(bcl_reader_odd(a->r, BCL_ODD_DISCONTINUOUS));
        goto out;
    }
    *space = 0;
    const bcl_text_span s = {(size_t)begin, (size_t)last, type, number};
    if (s.begin >= s.end || s.end > a->n)
        BCL_FAIL(BCL_ERROR_FORMAT,
                 "%s:%zu: found the span %zu to %zu, expected a part of the text's %zu characters",
                 a->path, number, s.begin, s.end, a->n);
    if (second && !same_text(a, &s, (bcl_field){second + 1, (size_t)(end - second - 1)}))
        BCL_FAIL(BCL_ERROR_FORMAT,
                 "%s:%zu: found \"%.*s\", expected the text's characters %zu to %zu, \"%.*s\"",
                 a->path, number, bcl_shown((bcl_field){second + 1, (size_t)(end - second - 1)}),
                 second + 1, s.begin, s.end,
                 (int)(a->at[s.end] - a->at[s.begin] < 40 ? a->at[s.end] - a->at[s.begin] : 40),
                 a->text + a->at[s.begin]);
    BCL_TRY(bcl_grow(&a->spans, &a->capacity, a->count + 1, sizeof *a->spans));
    a->spans[a->count++] = s;
out:
    return status;
}

static bcl_status read_annotations(annotations *a, char *text, size_t size) {
    bcl_status status = BCL_OK;
    bcl_reader *r = a->r;
    const char *path = r->path;
    char *next, *end = text + size;
    size_t number = 0;
    r->path = a->path;
    for (char *p = text; p < end; p = next) {
        const bcl_field line = bcl_skip_marks(bcl_cut_line(p, end, &next));
        r->line = ++number;
        status = bcl_reader_check_bytes(r, line, text);
        if (!status && line.size && *line.text == 'T')
            status = read_span(a, line, number);
        else if (!status && line.size && !strchr("REAMN#*", *line.text) && !bcl_is_blank(line))
            status = bcl_fail(BCL_ERROR_FORMAT,
                              "%s:%zu: found \"%.*s\", expected an annotation of brat (T1, R1, E1, "
                              "A1, M1, N1, * or #1)",
                              a->path, number, bcl_shown(line), line.text);
        if (status)
            BCL_TRY(bcl_reader_refuse(r, status));
    }
out:
    r->path = path;
    return status;
}

bcl_status bcl_read_brat(bcl_reader *r, const char *path, char *text, size_t size) {
    bcl_status status = BCL_OK;
    annotations a = {.r = r, .path = path, .text = text};
    char *data = NULL, *next, *end = text + size;
    size_t bytes = 0, line = 0;
    snprintf(r->layout.text, sizeof r->layout.text,
             "brat, words split at white space and "
             "punctuation");
    r->corpus->files[r->file].one_line = true;
    for (char *p = text; p < end; p = next) {
        const bcl_field f = bcl_cut_line(p, end, &next);
        r->line = ++line;
        BCL_TRY(bcl_reader_check_bytes(r, f, text));
    }
    BCL_TRY(bcl_code_points(&a.at, &a.n, text, size));
    BCL_TRY(bcl_corpus_file_text(&data, &bytes, path, r->options));
    BCL_TRY(bcl_reader_keep(r, data));
    r->corpus->files[r->file].bytes += bytes;
    BCL_TRY(read_annotations(&a, data, bytes));
    r->line = 1;
    BCL_TRY(bcl_read_spans(r, text, size, a.spans, a.count, NULL, 0, true));
out:
    free(a.spans);
    free(a.at);
    return status;
}
