/* How bertcl predict writes results. Everything goes to stdout as it comes; only counts are kept.
 */
#include "cli/predict.h"

static bcl_status write_line(bcl_predict_output *o) {
    if (o->line.size && fwrite(o->line.data, 1, o->line.size, o->to) != o->line.size)
        return bcl_fail_errno("%s: cannot write", o->to_name);
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

/* A TAB or a line break inside a word would end its column, and control characters steer a
 * terminal: each becomes a space. */
static bcl_status add_flat(bcl_string *out, const char *text, size_t size) {
    bcl_status status = BCL_OK;
    for (size_t i = 0; i < size; i++) {
        const unsigned char c = (unsigned char)text[i];
        const bool c1 = c == 0xC2 && i + 1 < size && (unsigned char)text[i + 1] < 0xA0;
        BCL_TRY(bcl_string_add(out, c < 0x20 || c == 0x7F || c1 ? " " : text + i, 1));
        i += c1;
    }
out:
    return status;
}

typedef struct kept_lines {
    struct kept_lines *next;
    bcl_string text;
} kept_lines;

bcl_status bcl_predict_keep_lines(bcl_predict_output *o, bcl_string *text) {
    bcl_status status = BCL_OK;
    kept_lines *lines;
    BCL_NEW(lines, 1);
    lines->text = *text;
    *text = (bcl_string){0};
    *(o->lines ? o->last_line : &o->lines) = lines;
    o->last_line = &lines->next;
out:
    return status;
}

static void drop_lines(bcl_predict_output *o) {
    kept_lines *lines = o->lines;
    o->lines = lines->next;
    bcl_string_free(&lines->text);
    free(lines);
}

/* labels behind the lines that are words'. */
static bcl_status add_lines(bcl_predict_output *o, const char *text, size_t size,
                            const bcl_tagged_word *words) {
    bcl_status status = BCL_OK;
    const char *end = text + size, *next;
    for (size_t i = 0; text < end; text = next) {
        const char *stop = memchr(text, '\n', (size_t)(end - text));
        const bool is_word = *text++ == BCL_LINE_WORD;
        const size_t n = (size_t)(stop - text);
        next = stop + 1;
        BCL_TRY(bcl_string_add(&o->line, text, n));
        if (is_word)
            BCL_TRY(bcl_string_addf(&o->line, "%c%s",
                                    memchr(text, ' ', n) && !memchr(text, '\t', n) ? ' ' : '\t',
                                    words[i++].label));
        BCL_TRY(bcl_string_add(&o->line, "\n", 1));
    }
out:
    return status;
}

bcl_status bcl_predict_other_lines(bcl_predict_output *o, const char *text, size_t size) {
    bcl_status status = BCL_OK;
    BCL_TRY(add_lines(o, text, size, NULL));
    BCL_TRY(write_line(o));
out:
    return status;
}

static bcl_status print_conll(bcl_predict_output *o, const bcl_tagged *r) {
    bcl_status status = BCL_OK;
    if (o->keeps_lines)
        return add_lines(o, o->lines->text.data, o->lines->text.size, r->words);
    for (size_t i = 0; i < r->word_count; i++) {
        const bcl_tagged_word *w = &r->words[i];
        BCL_TRY(add_flat(&o->line, r->text + w->start_byte, w->end_byte - w->start_byte));
        BCL_TRY(bcl_string_add(&o->line, "\t", 1));
        BCL_TRY(add_flat(&o->line, w->label, strlen(w->label)));
        BCL_TRY(bcl_string_add(&o->line, "\n", 1));
    }
    if (r->word_count)
        BCL_TRY(bcl_string_add(&o->line, "\n", 1));
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

bcl_status bcl_predict_begin(bcl_predict_output *o, const char *path) {
    bcl_status status = BCL_OK;
    o->to = stdout;
    o->to_name = "standard output";
    if (path) {
        BCL_TRY(bcl_writer_open(&o->writer, path));
        o->to = o->writer.file;
        o->to_name = path;
    }
    o->file_count = o->file = 0;
    o->page_open = false;
    o->page_texts = o->page_words_cut = 0;
    free(o->type_counts);
    o->type_counts = NULL;
    bcl_names_free(&o->found);
    BCL_NEW(o->type_counts, bcl_tagger_type_count(o->tagger) + 1);
out:
    return status;
}

static void count_result(bcl_predict_output *o, const bcl_tagged *r) {
    o->texts++;
    o->page_texts++;
    o->texts_cut += r->words_cut > 0;
    o->words_cut += r->words_cut;
    o->page_words_cut += r->words_cut;
    for (size_t i = 0; i < r->entity_count; i++)
        o->type_counts[bcl_predict_type(o, r->entities[i].label)]++;
}

bcl_status bcl_predict_print(void *context, const bcl_tagged *r) {
    bcl_predict_output *o = context;
    bcl_status status = BCL_OK;
    bool new_file = !o->page_texts;
    while (o->file + 1 < o->file_count && r->number >= o->files[o->file + 1].first) {
        o->file++;
        new_file = true;
    }
    count_result(o, r);
    switch (o->format) {
    case BCL_PREDICT_JSONL:
        BCL_TRY(print_json(o, r));
        break;
    case BCL_PREDICT_CONLL:
        BCL_TRY(print_conll(o, r));
        break;
    case BCL_PREDICT_HTML:
        BCL_TRY(bcl_predict_page_open(o));
        if (new_file && o->files[o->file].name)
            BCL_TRY(bcl_predict_page_heading(o));
        BCL_TRY(bcl_predict_page_text(o, r));
        break;
    case BCL_PREDICT_COUNTS:
        BCL_TRY(count_found(o, r));
        break;
    }
    BCL_TRY(write_line(o));
out:
    if (o->keeps_lines)
        drop_lines(o);
    return status;
}

bcl_status bcl_predict_end(bcl_predict_output *o) {
    bcl_status status = BCL_OK;
    if (o->format == BCL_PREDICT_HTML)
        BCL_TRY(bcl_predict_page_close(o));
    if (o->format == BCL_PREDICT_COUNTS)
        BCL_TRY(end_counts(o));
    BCL_TRY(write_line(o));
    if (o->writer.file)
        BCL_TRY(bcl_writer_commit(&o->writer));
out:
    return status;
}

void bcl_predict_output_free(bcl_predict_output *o) {
    bcl_writer_discard(&o->writer);
    while (o->lines)
        drop_lines(o);
    free(o->files);
    free(o->type_counts);
    free(o->found_counts);
    bcl_string_free(&o->line);
    bcl_names_free(&o->found);
}
