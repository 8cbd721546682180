/* JSON lines, and JSON files that are an array of objects: a record has words with their tags, or a
 * text with spans as doccano, prodigy and Label Studio export it. */
#define _GNU_SOURCE /* memmem */
#include "data/reader.h"

#include <cjson/cJSON.h>
#include <math.h>

static const char *skip_white(const char *p, const char *end) {
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n'))
        p++;
    return p;
}

/* '{' and a key, or '[' and such an object: a word "{" with its tag is something else. */
bool bcl_are_records(const char *text, size_t size) {
    const char *end = text + size, *p = text;
    while (end - p >= 3 && !memcmp(p, "\xEF\xBB\xBF", 3))
        p += 3;
    p = skip_white(p, end);
    if (p < end && *p == '[') {
        p = skip_white(p + 1, end);
        if (p < end && *p == ']')
            return skip_white(p + 1, end) == end;
    }
    if (p < end && (*p == '[' || *p == '"')) /* spaCy's pairs: [["Ana", {"entities": …}]] */
        return memmem(p, (size_t)(end - p), "{\"entities\"", 11) != NULL;
    if (p == end || *p != '{')
        return false;
    p = skip_white(p + 1, end);
    return p < end && (*p == '"' || *p == '}');
}

static const cJSON *get(const cJSON *object, const char *key) {
    return cJSON_GetObjectItemCaseSensitive(object, key);
}

/* The first of some keys, "a|b|c", that the object has as an array; NULL: none. */
static const cJSON *find_array(const cJSON *object, const char *keys) {
    for (const char *k = keys; *k; k += strcspn(k, "|"), k += *k == '|') {
        char key[32];
        snprintf(key, sizeof key, "%.*s", (int)strcspn(k, "|"), k);
        const cJSON *item = get(object, key);
        if (cJSON_IsArray(item))
            return item;
    }
    return NULL;
}

static const cJSON *first_of(const cJSON *object, const char *a, const char *b, const char *c) {
    const cJSON *item = get(object, a);
    if (!item && b)
        item = get(object, b);
    return !item && c ? get(object, c) : item;
}

/* ---- words with their tags ---- */

/* The tag's text: its own, or the name of its number. */
static bcl_status tag_text(bcl_reader *r, const char **out, const cJSON *tag, const char *key) {
    bcl_status status = BCL_OK;
    const bcl_corpus_options *o = r->options;
    if (cJSON_IsString(tag)) {
        *out = tag->valuestring;
        goto out;
    }
    if (!cJSON_IsNumber(tag))
        BCL_FAIL(BCL_ERROR_FORMAT, "%s:%zu: \"%s\": found no text, expected tags", r->path, r->line,
                 key);
    if (!o->tag_name_count)
        BCL_FAIL(BCL_ERROR_FORMAT,
                 "%s:%zu: \"%s\": found numbers, whose names are not in the file; give them in "
                 "their order with --tag-names O,B-PER,…",
                 r->path, r->line, key);
    if (tag->valuedouble < 0 || tag->valuedouble >= (double)o->tag_name_count ||
        tag->valuedouble != floor(tag->valuedouble))
        BCL_FAIL(BCL_ERROR_FORMAT, "%s:%zu: \"%s\": found %g, expected 0 to %zu as --tag-names has",
                 r->path, r->line, key, tag->valuedouble, o->tag_name_count - 1);
    *out = o->tag_names[(size_t)tag->valuedouble];
out:
    return status;
}

/* Copies a text with its NUL to *at. */
static bcl_field put_text(char **at, const char *text) {
    const size_t n = strlen(text);
    bcl_field f = {*at, n};
    memcpy(*at, text, n + 1);
    *at += n + 1;
    return f;
}

static bcl_status read_words(bcl_reader *r, const cJSON *words, const cJSON *tags) {
    static char outside[] = "O";
    bcl_status status = BCL_OK;
    const int n = cJSON_GetArraySize(words), m = tags ? cJSON_GetArraySize(tags) : n;
    const cJSON *word = words->child, *tag = tags ? tags->child : NULL;
    const char *text;
    char *block = NULL, *at;
    size_t bytes = 1;
    if (n != m)
        BCL_FAIL(BCL_ERROR_FORMAT,
                 "%s:%zu: found %d in \"%s\" and %d in \"%s\", expected a tag for every word",
                 r->path, r->line, n, words->string, m, tags->string);
    for (const cJSON *w = word, *t = tag; w; w = w->next, t = t ? t->next : NULL) {
        if (!cJSON_IsString(w))
            BCL_FAIL(BCL_ERROR_FORMAT, "%s:%zu: \"%s\": found no text, expected words", r->path,
                     r->line, words->string);
        text = "O";
        if (t)
            BCL_TRY(tag_text(r, &text, t, tags->string));
        bytes += strlen(w->valuestring) + strlen(text) + 2;
    }
    BCL_NEW(block, bytes);
    at = block;
    BCL_TRY(bcl_reader_keep(r, block));
    r->in_sentence = false;
    for (; word; word = word->next, tag = tag ? tag->next : NULL) {
        bcl_field t = {outside, 1};
        if (tag) {
            BCL_TRY(tag_text(r, &text, tag, tags->string));
            t = put_text(&at, text);
            BCL_TRY(bcl_reader_clean_tag(r, &t));
        }
        const bcl_field w = put_text(&at, word->valuestring);
        if (!w.size)
            BCL_TRY(bcl_reader_odd(r, BCL_ODD_EMPTY_WORD));
        else if (memchr(w.text, ' ', w.size))
            BCL_TRY(bcl_reader_odd(r, BCL_ODD_SPACE_IN_WORD));
        BCL_TRY(bcl_reader_token(r, w.text, t));
    }
    r->in_sentence = false;
out:
    return status;
}

/* ---- a text with spans ---- */

typedef struct text_record {
    bcl_reader *r;
    const char *text;
    size_t size;
    bool utf16;        /* offsets count as JavaScript does; tried first of Label Studio */
    size_t *at, n;     /* (n + 1): where code points begin, bytes */
    size_t *units, un; /* (un + 1): code points by UTF-16 units; NULL: the same */
    bcl_text_span *spans, *words;
    size_t span_count, word_count;
} text_record;

static bcl_status measure(text_record *t) {
    bcl_status status = BCL_OK;
    bool wide = false;
    BCL_TRY(bcl_code_points(&t->at, &t->n, t->text, t->size));
    for (size_t i = 0; i < t->n; i++)
        wide |= t->at[i + 1] - t->at[i] == 4;
    if (!wide)
        goto out;
    BCL_NEW(t->units, 2 * t->n + 1);
    for (size_t i = 0; i < t->n; i++) {
        t->units[t->un++] = i;
        if (t->at[i + 1] - t->at[i] == 4)
            t->units[t->un++] = i;
    }
    t->units[t->un] = t->n;
out:
    return status;
}

/* Whether the span's text is what the record says it is; NULL: it does not say. */
static bool matches(const text_record *t, size_t begin, size_t end, const char *said) {
    if (begin >= end || end > t->n)
        return false;
    const size_t size = t->at[end] - t->at[begin];
    return !said || (strlen(said) == size && !memcmp(said, t->text + t->at[begin], size));
}

static bool take_offset(size_t *out, const cJSON *item) {
    if (!cJSON_IsNumber(item) || item->valuedouble < 0 || item->valuedouble > 1e9 ||
        item->valuedouble != floor(item->valuedouble))
        return false;
    *out = (size_t)item->valuedouble;
    return true;
}

/* Code points, or UTF-16 units if only these match what the record says the text is. */
static bcl_status place(const text_record *t, bcl_text_span *s, const char *said) {
    bool units = t->units && s->begin <= t->un && s->end <= t->un;
    const size_t begin = units ? t->units[s->begin] : 0, end = units ? t->units[s->end] : 0;
    units = units && matches(t, begin, end, said);
    const bool points = matches(t, s->begin, s->end, said);
    if (units && (!points || t->utf16)) {
        s->begin = begin;
        s->end = end;
    } else if (!points) {
        return bcl_fail(BCL_ERROR_FORMAT,
                        "%s:%zu: found the span %zu to %zu%s%.40s%s, which is no such part of the "
                        "text's %zu characters",
                        t->r->path, s->line, s->begin, s->end, said ? " \"" : "", said ? said : "",
                        said ? "\"" : "", t->n);
    }
    return BCL_OK;
}

/* [0, 3, "PER"], {"start": 0, "end": 3, "label": "PER"} and their variants. */
static bcl_status read_span(const text_record *t, bcl_text_span *s, const cJSON *item) {
    bcl_status status = BCL_OK;
    const cJSON *begin, *end, *label, *said = NULL;
    if (cJSON_IsArray(item)) {
        begin = item->child;
        end = begin ? begin->next : NULL;
        label = end ? end->next : NULL;
    } else {
        const cJSON *value = get(item, "value");
        const cJSON *from = cJSON_IsObject(value) ? value : item;
        begin = first_of(from, "start", "start_offset", "begin");
        end = first_of(from, "end", "end_offset", NULL);
        label = first_of(from, "label", "labels", "type");
        said = get(from, "text");
    }
    if (cJSON_IsArray(label))
        label = label->child;
    s->line = t->r->line;
    if (!take_offset(&s->begin, begin) || !take_offset(&s->end, end) || !cJSON_IsString(label) ||
        !*label->valuestring)
        BCL_FAIL(BCL_ERROR_FORMAT,
                 "%s:%zu: found a span without begin, end and label, expected [0, 3, \"PER\"] or "
                 "{\"start\": 0, \"end\": 3, \"label\": \"PER\"}",
                 t->r->path, t->r->line);
    s->label = label->valuestring;
    BCL_TRY(place(t, s, cJSON_IsString(said) ? said->valuestring : NULL));
out:
    return status;
}

static bcl_status read_spans(text_record *t, const cJSON *list) {
    bcl_status status = BCL_OK;
    const cJSON *item;
    BCL_NEW(t->spans, (size_t)cJSON_GetArraySize(list));
    cJSON_ArrayForEach(item, list) {
        const cJSON *type = get(item, "type");
        if (cJSON_IsObject(get(item, "value")) && cJSON_IsString(type) &&
            strcmp(type->valuestring, "labels"))
            continue; /* Label Studio's choices, relations, ... */
        BCL_TRY(read_span(t, &t->spans[t->span_count], item));
        t->span_count++;
    }
out:
    return status;
}

/* prodigy's tokens: [{"text": "Ana", "start": 0, "end": 3}] */
static bcl_status read_tokens(text_record *t, const cJSON *list) {
    bcl_status status = BCL_OK;
    const cJSON *item;
    BCL_NEW(t->words, (size_t)cJSON_GetArraySize(list));
    cJSON_ArrayForEach(item, list) {
        bcl_text_span *w = &t->words[t->word_count];
        if (!take_offset(&w->begin, get(item, "start")) || !take_offset(&w->end, get(item, "end")))
            BCL_FAIL(BCL_ERROR_FORMAT,
                     "%s:%zu: found a token without its place, expected {\"start\": 0, \"end\": 3}",
                     t->r->path, t->r->line);
        if (w->begin < w->end && w->end <= t->n && t->text[t->at[w->begin]] != ' ' &&
            t->text[t->at[w->begin]] != '\n') /* spaCy has tokens of white space */
            t->word_count++;
        else if (w->begin >= w->end || w->end > t->n)
            BCL_FAIL(BCL_ERROR_FORMAT,
                     "%s:%zu: found the token %zu to %zu, expected a part of the text's %zu "
                     "characters",
                     t->r->path, t->r->line, w->begin, w->end, t->n);
    }
out:
    return status;
}

static bcl_status read_text_record(bcl_reader *r, const char *text, const cJSON *spans,
                                   const cJSON *tokens, bool utf16) {
    bcl_status status = BCL_OK;
    text_record t = {.r = r, .text = text, .size = strlen(text), .utf16 = utf16};
    BCL_TRY(measure(&t));
    BCL_TRY(read_spans(&t, spans));
    if (tokens && tokens->child && cJSON_IsObject(tokens->child))
        BCL_TRY(read_tokens(&t, tokens));
    BCL_TRY(bcl_read_spans(r, t.text, t.size, t.spans, t.span_count, t.words, t.word_count, false));
out:
    free(t.at);
    free(t.units);
    free(t.spans);
    free(t.words);
    return status;
}

/* ---- records ---- */

/* Label Studio: the text of "data", and the result of the first annotation that was not cancelled.
 * False if there is none. */
static bool find_task(const cJSON *record, const cJSON **text, const cJSON **spans) {
    const cJSON *data = get(record, "data"), *item;
    const cJSON *annotations = find_array(record, "annotations|completions");
    *text = get(data, "text");
    for (item = data->child; item && !cJSON_IsString(*text); item = item->next)
        if (cJSON_IsString(item))
            *text = item;
    *spans = NULL;
    cJSON_ArrayForEach(item, annotations) {
        const cJSON *result = get(item, "result");
        if (cJSON_IsArray(result) && !cJSON_IsTrue(get(item, "was_cancelled"))) {
            *spans = result;
            return true;
        }
    }
    return false;
}

static bcl_status refuse_kind(const bcl_reader *r, const cJSON *record) {
    bcl_status status = BCL_OK;
    bcl_string keys = {0};
    const cJSON *item;
    BCL_TRY(bcl_string_add(&keys, "", 0));
    cJSON_ArrayForEach(item, record) if (item->string && keys.size < 100)
        BCL_TRY(bcl_string_addf(&keys, "%s%.30s", keys.size ? ", " : "", item->string));
    status = bcl_fail(BCL_ERROR_FORMAT,
                      "%s:%zu: found a record of %s%s, expected \"tokens\" with \"ner_tags\", or "
                      "\"text\" with \"spans\", \"label\" or \"entities\"",
                      r->path, r->line, cJSON_IsObject(record) ? "" : "no keys", keys.data);
out:
    bcl_string_free(&keys);
    return status;
}

static void describe(bcl_reader *r, bcl_corpus_format format, const char *words, const char *tags) {
    if (!*r->layout.text)
        snprintf(r->layout.text, sizeof r->layout.text,
                 format == BCL_FORMAT_JSONL ? "%s, words in \"%.30s\", tags in \"%.30s\""
                                            : "%s, text in \"%.30s\", spans in \"%.30s\"",
                 bcl_corpus_format_name(format), words, tags);
}

/* ["Ana lives here", {"entities": [[0, 3, "PER"]]}], as spaCy's training data were. */
static bcl_status read_pair(bcl_reader *r, const cJSON *record) {
    bcl_status status = BCL_OK;
    const cJSON *text = record->child, *about = text ? text->next : NULL;
    const cJSON *spans = cJSON_IsObject(about) ? get(about, "entities") : NULL;
    if (!cJSON_IsString(text) || !cJSON_IsArray(spans) || about->next)
        BCL_TRY(refuse_kind(r, record));
    if (!*r->layout.text)
        snprintf(r->layout.text, sizeof r->layout.text, "pairs of a text and its \"entities\"");
    BCL_TRY(read_text_record(r, text->valuestring, spans, NULL, false));
out:
    return status;
}

static bcl_status read_record(bcl_reader *r, const cJSON *record) {
    bcl_status status = BCL_OK;
    const bcl_corpus_format wanted = r->options->format;
    const bool any = wanted == BCL_FORMAT_AUTO, lines = any || wanted == BCL_FORMAT_JSONL;
    const cJSON *words = find_array(record, "tokens|words");
    const cJSON *tags = find_array(record, "ner_tags|tags|ner|labels|label|bio_tags");
    const cJSON *text = get(record, "text"), *spans = NULL;
    const cJSON *answer = get(record, "answer");
    if (cJSON_IsArray(record) && (any || wanted == BCL_FORMAT_DOCCANO)) {
        BCL_TRY(read_pair(r, record));
        goto out;
    }
    if (lines && words && (tags || r->options->words_only) && !cJSON_IsObject(words->child) &&
        (!tags || !tags->child || cJSON_IsString(tags->child) || cJSON_IsNumber(tags->child))) {
        describe(r, BCL_FORMAT_JSONL, words->string, tags ? tags->string : "");
        BCL_TRY(read_words(r, words, r->options->words_only ? NULL : tags));
        goto out;
    }
    if (wanted == BCL_FORMAT_JSONL)
        BCL_TRY(refuse_kind(r, record));
    if (cJSON_IsObject(get(record, "data")) && (any || wanted == BCL_FORMAT_LABEL_STUDIO)) {
        if (!find_task(record, &text, &spans)) {
            BCL_TRY(bcl_reader_odd(r, BCL_ODD_RECORD));
            goto out;
        }
        if (!cJSON_IsString(text))
            BCL_TRY(refuse_kind(r, record));
        describe(r, BCL_FORMAT_LABEL_STUDIO, text->string, "annotations");
        BCL_TRY(read_text_record(r, text->valuestring, spans, NULL, true));
        goto out;
    }
    spans = find_array(record, "spans|label|labels|entities");
    if (!cJSON_IsString(text) || !spans || cJSON_IsString(spans->child))
        BCL_TRY(refuse_kind(r, record));
    const bool prodigy = !strcmp(spans->string, "spans");
    const bool studio = spans->child && cJSON_IsArray(get(spans->child, "labels"));
    if (cJSON_IsString(answer) && strcmp(answer->valuestring, "accept")) {
        BCL_TRY(bcl_reader_odd(r, BCL_ODD_RECORD));
        goto out;
    }
    describe(r,
             any ? prodigy  ? BCL_FORMAT_PRODIGY
                   : studio ? BCL_FORMAT_LABEL_STUDIO
                            : BCL_FORMAT_DOCCANO
                 : wanted,
             "text", spans->string);
    BCL_TRY(read_text_record(r, text->valuestring, spans, get(record, "tokens"), studio));
out:
    return status;
}

static size_t count_lines(const char *from, const char *to) {
    size_t n = 0;
    while (from < to && (from = memchr(from, '\n', (size_t)(to - from)))) {
        n++;
        from++;
    }
    return n;
}

/* One record behind the other, whatever stands between: lines, or commas in an array. */
static bcl_status read_stream(bcl_reader *r, const char *text, const char *end, size_t first_line) {
    bcl_status status = BCL_OK;
    cJSON *record = NULL;
    const char *stop = text;
    /* a text's bracket is a pair's own */
    const char *list = *text == '[' && *skip_white(text + 1, end) != '"' ? text : NULL;
    r->line = first_line;
    for (const char *p = text, *counted = text;; p = stop) {
        while (p < end && (strchr(" \t\r\n,", *p) || p == list || *p == ']'))
            p++;
        if (p >= end)
            break;
        r->line += count_lines(counted, p);
        counted = p;
        stop = NULL;
        record = cJSON_ParseWithLengthOpts(p, (size_t)(end - p), &stop, 0);
        if (record) {
            status = read_record(r, record);
        } else {
            const char *line = p;
            while (line > text && line[-1] != '\n')
                line--;
            status =
                bcl_fail(BCL_ERROR_FORMAT,
                         "%s:%zu: byte %td of the line: found no valid JSON, expected a record "
                         "such as {\"tokens\": [\"Ana\"], \"ner_tags\": [\"B-PER\"]}",
                         r->path, r->line, (stop && stop > p ? stop : p) - line + 1);
            stop = memchr(p, '\n', (size_t)(end - p));
            stop = stop ? stop + 1 : end;
        }
        if (status)
            BCL_TRY(bcl_reader_refuse(r, status));
        cJSON_Delete(record);
        record = NULL;
    }
out:
    cJSON_Delete(record);
    return status;
}

bcl_status bcl_read_records(bcl_reader *r, char *text, size_t size) {
    bcl_status status = BCL_OK;
    char *end = text + size, *next;
    r->corpus->files[r->file].one_line = true;
    for (char *p = text; p < end; p = next) {
        const bcl_field line = bcl_cut_line(p, end, &next);
        r->line++;
        BCL_TRY(bcl_reader_check_bytes(r, line, text));
    }
    while (end - text >= 3 && !memcmp(text, "\xEF\xBB\xBF", 3))
        text += 3;
    char *start = text;
    while (start < end && strchr(" \t\r\n", *start))
        start++; /* an array's bracket is looked for at the start */
    BCL_TRY(read_stream(r, start, end, 1 + count_lines(text, start)));
out:
    return status;
}
