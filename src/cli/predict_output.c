/* How bertcl predict writes results. Everything goes to stdout as it comes; only counts are kept.
 */
#include "cli/predict.h"

static bcl_status write_line(bcl_predict_output *o) {
    if (o->line.size && fwrite(o->line.data, 1, o->line.size, stdout) != o->line.size)
        return bcl_fail_errno("standard output: cannot write");
    o->line.size = 0;
    return BCL_OK;
}

/* ---- JSON lines ---- */

/* The shortest text that reads back as the same float, and as a float. */
static bcl_status add_score(bcl_string *out, float x) {
    char text[32];
    int digits = 6;
    do
        snprintf(text, sizeof text, "%.*g", digits, (double)x);
    while (strtof(text, NULL) != x && ++digits <= 9);
    return bcl_string_addf(out, "%s%s", text, strpbrk(text, ".e") ? "" : ".0");
}

static bcl_status add_entity(bcl_predict_output *o, const bcl_tagged_entity *e) {
    bcl_string *s = &o->line;
    bcl_status status = BCL_OK;
    const bool single = e->index != SIZE_MAX;
    BCL_TRY(bcl_string_addf(s, single ? "{\"entity\": " : "{\"entity_group\": "));
    BCL_TRY(bcl_json_add_string(s, e->label, strlen(e->label)));
    BCL_TRY(bcl_string_addf(s, ", \"score\": "));
    BCL_TRY(add_score(s, e->score));
    if (single)
        BCL_TRY(bcl_string_addf(s, ", \"index\": %zu", e->index));
    BCL_TRY(bcl_string_addf(s, ", \"word\": "));
    BCL_TRY(bcl_json_add_string(s, e->word, e->word_size));
    BCL_TRY(bcl_string_addf(s, ", \"start\": %zu, \"end\": %zu", e->start, e->end));
    if (o->byte_offsets)
        BCL_TRY(bcl_string_addf(s, ", \"start_byte\": %zu, \"end_byte\": %zu", e->start_byte,
                                e->end_byte));
    BCL_TRY(bcl_string_add(s, "}", 1));
out:
    return status;
}

static bcl_status print_json(bcl_predict_output *o, const bcl_tagged *r) {
    bcl_string *s = &o->line;
    bcl_status status = BCL_OK;
    BCL_TRY(bcl_string_add(s, "{", 1));
    if (o->documents) {
        const char *name = o->files[o->file].name;
        BCL_TRY(bcl_string_addf(s, "\"file\": "));
        BCL_TRY(bcl_json_add_string(s, name, strlen(name)));
        BCL_TRY(bcl_string_addf(s, ", \"offset\": %zu, ", (size_t)(uintptr_t)r->user));
    }
    BCL_TRY(bcl_string_addf(s, "\"text\": "));
    BCL_TRY(bcl_json_add_string(s, r->text, r->size));
    BCL_TRY(bcl_string_addf(s, ", \"entities\": ["));
    for (size_t i = 0; i < r->entity_count; i++) {
        if (i)
            BCL_TRY(bcl_string_add(s, ", ", 2));
        BCL_TRY(add_entity(o, &r->entities[i]));
    }
    BCL_TRY(bcl_string_add(s, "]", 1));
    if (r->words_cut)
        BCL_TRY(bcl_string_addf(s, ", \"words_cut\": %zu", r->words_cut));
    BCL_TRY(bcl_string_add(s, "}\n", 2));
out:
    return status;
}

/* ---- CoNLL ---- */

/* A TAB or a line break inside a word would end its column: it becomes a space. */
static bcl_status add_flat(bcl_string *out, const char *text, size_t size) {
    bcl_status status = bcl_string_add(out, text, size);
    for (size_t i = out->size - size; !status && i < out->size; i++)
        if ((unsigned char)out->data[i] < 0x20)
            out->data[i] = ' ';
    return status;
}

static bcl_status print_conll(bcl_predict_output *o, const bcl_tagged *r) {
    bcl_status status = BCL_OK;
    for (size_t i = 0; i < r->word_count; i++) {
        const bcl_tagged_word *w = &r->words[i];
        BCL_TRY(add_flat(&o->line, r->text + w->start_byte, w->end_byte - w->start_byte));
        BCL_TRY(bcl_string_addf(&o->line, "\t%s\n", w->label));
    }
    if (r->word_count)
        BCL_TRY(bcl_string_add(&o->line, "\n", 1));
out:
    return status;
}

/* ---- the page ---- */

/* The counts are known last but stand first: `order` moves them. Types are put on the page by
 * ::after, so that a copied text is the text alone. */
static const char page_head[] =
    "<!DOCTYPE html>\n<html lang=\"und\">\n<head>\n<meta charset=\"utf-8\">\n"
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
    "'unsafe-inline'\">\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
    "<title>Entities</title>\n<style>\n"
    ":root { color-scheme: light dark; --l: 88%; --s: 70%; --tag: 32%; }\n"
    "@media (prefers-color-scheme: dark) { :root { --l: 24%; --s: 45%; --tag: 78%; } }\n"
    "body { display: flex; flex-direction: column; max-width: 46rem; margin: 2rem auto;\n"
    "  padding: 0 1rem; font: 1.05rem/1.8 Georgia, serif; }\n"
    "header { order: -1; font-family: system-ui, sans-serif; }\n"
    "h1, h2 { font-family: system-ui, sans-serif; line-height: 1.2; overflow-wrap: anywhere; }\n"
    "h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }\n"
    "p { margin: 0 0 .8rem; white-space: pre-wrap; overflow-wrap: anywhere; }\n"
    "mark { color: inherit; background: hsl(var(--h) var(--s) var(--l)); padding: .1em .25em;\n"
    "  border-radius: .25em; box-decoration-break: clone; -webkit-box-decoration-break: clone; }\n"
    "mark[data-type]::after { content: attr(data-type); margin-left: .4em; font: 600 .65em "
    "system-ui,\n"
    "  sans-serif; color: hsl(var(--h) 60% var(--tag)); vertical-align: .15em; }\n"
    "table { border-collapse: collapse; } td, th { text-align: left; padding: .1rem 1rem .1rem 0;\n"
    "  font-variant-numeric: tabular-nums; } td + td { text-align: right; }\n"
    "</style>\n</head>\n<body>\n";

static bcl_status add_escaped(bcl_string *out, const char *text, size_t size) {
    bcl_status status = BCL_OK;
    for (size_t i = 0, run = 0; i <= size; i++) {
        const unsigned char c = i < size ? (unsigned char)text[i] : 0;
        const char *by = c == '&'                                            ? "&amp;"
                         : c == '<'                                          ? "&lt;"
                         : c == '>'                                          ? "&gt;"
                         : c == '"'                                          ? "&quot;"
                         : c == '\''                                         ? "&#39;"
                         : (c < 0x20 && c != '\t' && c != '\n') || c == 0x7f ? "\xEF\xBF\xBD"
                                                                             : NULL;
        if (i < size && !by)
            continue;
        BCL_TRY(bcl_string_add(out, text + run, i - run));
        if (i < size)
            BCL_TRY(bcl_string_addf(out, "%s", by));
        run = i + 1;
    }
out:
    return status;
}

static size_t type_index(const bcl_predict_output *o, const char *label) {
    const size_t n = bcl_tagger_type_count(o->tagger);
    const char *dash = strchr(label, '-'), *type = dash ? dash + 1 : label;
    for (size_t i = 0; i < n; i++)
        if (!strcmp(bcl_tagger_type(o->tagger, i), label))
            return i;
    for (size_t i = 0; i < n; i++)
        if (!strcmp(bcl_tagger_type(o->tagger, i), type))
            return i;
    return 0;
}

/* Hues a golden angle apart differ for any number of types. */
static unsigned hue_of(size_t type) {
    return (unsigned)((40 + type * 137) % 360);
}

static bcl_status open_page(bcl_predict_output *o) {
    bcl_status status = BCL_OK;
    if (o->page_open)
        return status;
    o->page_open = true;
    BCL_TRY(bcl_string_addf(&o->line, "%s", page_head));
out:
    return status;
}

static bcl_status add_heading(bcl_predict_output *o) {
    bcl_status status = BCL_OK;
    const char *name = o->files[o->file].name;
    BCL_TRY(bcl_string_addf(&o->line, "<h2>"));
    BCL_TRY(add_escaped(&o->line, name, strlen(name)));
    BCL_TRY(bcl_string_addf(&o->line, "</h2>\n"));
out:
    return status;
}

static bcl_status print_html(bcl_predict_output *o, const bcl_tagged *r) {
    bcl_string *s = &o->line;
    bcl_status status = BCL_OK;
    size_t at = 0;
    BCL_TRY(bcl_string_addf(s, "<p dir=\"auto\">"));
    for (size_t i = 0; i < r->entity_count; i++) {
        const bcl_tagged_entity *e = &r->entities[i];
        if (e->start_byte < at || e->end_byte < e->start_byte)
            continue;
        BCL_TRY(add_escaped(s, r->text + at, e->start_byte - at));
        BCL_TRY(bcl_string_addf(s, "<mark style=\"--h:%u\" data-type=\"",
                                hue_of(type_index(o, e->label))));
        BCL_TRY(add_escaped(s, e->label, strlen(e->label)));
        BCL_TRY(bcl_string_addf(s, "\" title=\"%.3f\">", (double)e->score));
        BCL_TRY(add_escaped(s, r->text + e->start_byte, e->end_byte - e->start_byte));
        BCL_TRY(bcl_string_addf(s, "</mark>"));
        at = e->end_byte;
    }
    BCL_TRY(add_escaped(s, r->text + at, r->size - at));
    BCL_TRY(bcl_string_addf(s, "</p>\n"));
out:
    return status;
}

static bcl_status end_html(bcl_predict_output *o) {
    bcl_string *s = &o->line;
    bcl_status status = BCL_OK;
    BCL_TRY(open_page(o));
    BCL_TRY(bcl_string_addf(s, "<header>\n<h1>Entities</h1>\n<table>\n"));
    for (size_t i = 0; i < bcl_tagger_type_count(o->tagger); i++) {
        const char *type = bcl_tagger_type(o->tagger, i);
        const uint64_t n = o->type_counts ? o->type_counts[i] : 0;
        BCL_TRY(bcl_string_addf(s, "<tr><td><mark style=\"--h:%u\">", hue_of(i)));
        BCL_TRY(add_escaped(s, type, strlen(type)));
        BCL_TRY(bcl_string_addf(s, "</mark></td><td>%llu</td></tr>\n", (unsigned long long)n));
    }
    BCL_TRY(bcl_string_addf(s, "</table>\n<p>%llu texts", (unsigned long long)o->texts));
    if (o->words_cut)
        BCL_TRY(bcl_string_addf(s, "; %llu words were beyond the model's length and were cut",
                                (unsigned long long)o->words_cut));
    BCL_TRY(bcl_string_addf(s, "</p>\n</header>\n</body>\n</html>\n"));
    BCL_TRY(write_line(o));
out:
    return status;
}

/* ---- counts ---- */

static bcl_status count_found(bcl_predict_output *o, const bcl_tagged *r) {
    bcl_status status = BCL_OK;
    for (size_t i = 0; i < r->entity_count; i++) {
        const bcl_tagged_entity *e = &r->entities[i];
        const size_t before = o->found.count;
        uint32_t id;
        o->line.size = 0;
        BCL_TRY(bcl_string_addf(&o->line, "%s\t", e->label));
        if (e->end_byte > e->start_byte)
            BCL_TRY(add_flat(&o->line, r->text + e->start_byte, e->end_byte - e->start_byte));
        BCL_TRY(bcl_names_intern(&id, &o->found, o->line.data, o->line.size));
        BCL_TRY(bcl_grow(&o->found_counts, &o->found_capacity, o->found.count,
                         sizeof *o->found_counts));
        if (o->found.count > before)
            o->found_counts[id] = 0;
        o->found_counts[id]++;
    }
out:
    o->line.size = 0;
    return status;
}

typedef struct found {
    const char *text;
    size_t type; /* bytes */
    uint64_t count;
} found;

/* By type, then the most frequent first. */
static int compare_found(const void *a, const void *b) {
    const found *x = a, *y = b;
    const size_t n = x->type < y->type ? x->type : y->type;
    int c = memcmp(x->text, y->text, n);
    if (!c)
        c = (x->type > y->type) - (x->type < y->type);
    if (!c)
        c = (x->count < y->count) - (x->count > y->count);
    return c ? c : strcmp(x->text, y->text);
}

static bcl_status end_counts(bcl_predict_output *o) {
    bcl_status status = BCL_OK;
    found *list = NULL;
    BCL_NEW(list, o->found.count);
    for (size_t i = 0; i < o->found.count; i++)
        list[i] = (found){o->found.items[i], strcspn(o->found.items[i], "\t"), o->found_counts[i]};
    if (o->found.count)
        qsort(list, o->found.count, sizeof *list, compare_found);
    for (size_t i = 0; i < o->found.count; i++) {
        BCL_TRY(bcl_string_addf(&o->line, "%llu\t%s\n", (unsigned long long)list[i].count,
                                list[i].text));
        BCL_TRY(write_line(o));
    }
out:
    free(list);
    return status;
}

/* ---- the sink ---- */

bcl_status bcl_predict_print(void *context, const bcl_tagged *r) {
    bcl_predict_output *o = context;
    bcl_status status = BCL_OK;
    bool new_file = !o->texts;
    while (o->file + 1 < o->file_count && r->number >= o->files[o->file + 1].first) {
        o->file++;
        new_file = true;
    }
    o->texts++;
    o->texts_cut += r->words_cut > 0;
    o->words_cut += r->words_cut;
    o->windowed += r->windows > 1;
    if (!o->type_counts)
        BCL_NEW(o->type_counts, bcl_tagger_type_count(o->tagger) + 1);
    for (size_t i = 0; i < r->entity_count; i++)
        o->type_counts[type_index(o, r->entities[i].label)]++;
    switch (o->format) {
    case BCL_PREDICT_JSONL:
        BCL_TRY(print_json(o, r));
        break;
    case BCL_PREDICT_CONLL:
        BCL_TRY(print_conll(o, r));
        break;
    case BCL_PREDICT_HTML:
        BCL_TRY(open_page(o));
        if (new_file && o->files[o->file].name)
            BCL_TRY(add_heading(o));
        BCL_TRY(print_html(o, r));
        break;
    case BCL_PREDICT_COUNTS:
        BCL_TRY(count_found(o, r));
        break;
    }
    BCL_TRY(write_line(o));
out:
    return status;
}

bcl_status bcl_predict_end(bcl_predict_output *o) {
    return o->format == BCL_PREDICT_HTML     ? end_html(o)
           : o->format == BCL_PREDICT_COUNTS ? end_counts(o)
                                             : BCL_OK;
}

void bcl_predict_output_free(bcl_predict_output *o) {
    free(o->files);
    free(o->type_counts);
    free(o->found_counts);
    bcl_string_free(&o->line);
    bcl_names_free(&o->found);
}
