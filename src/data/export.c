/* Writing a corpus in the formats that it can be read in. */
#include "data/tags.h"

#include "text/unicode.h"

static const char *const format_names[BCL_FORMAT_COUNT] = {
    [BCL_FORMAT_AUTO] = "auto",         [BCL_FORMAT_CONLL] = "conll",
    [BCL_FORMAT_GERMEVAL] = "germeval", [BCL_FORMAT_CONLLU] = "conllu",
    [BCL_FORMAT_JSONL] = "jsonl",       [BCL_FORMAT_DOCCANO] = "doccano",
    [BCL_FORMAT_PRODIGY] = "prodigy",   [BCL_FORMAT_LABEL_STUDIO] = "label-studio",
    [BCL_FORMAT_BRAT] = "brat",         [BCL_FORMAT_CONLL2003] = "conll2003"};

const char *bcl_corpus_format_name(bcl_corpus_format format) {
    return format >= 0 && format < BCL_FORMAT_COUNT ? format_names[format] : "";
}

bcl_status bcl_corpus_format_find(bcl_corpus_format *out, const char *name) {
    for (int i = 0; i < BCL_FORMAT_COUNT; i++)
        if (!strcmp(name, format_names[i])) {
            *out = (bcl_corpus_format)i;
            return BCL_OK;
        }
    return bcl_fail(BCL_ERROR_ARGUMENT,
                    "format: found \"%s\", expected auto, conll, conll2003, germeval, conllu, "
                    "jsonl, doccano, prodigy, label-studio or brat",
                    name);
}

/* A place in a text, in both countings. */
typedef struct offset {
    size_t points, units; /* code points, UTF-16 units */
} offset;

typedef struct exporter {
    const bcl_corpus *corpus;
    bcl_corpus_format format;
    bcl_tag_parts *parts;  /* of formats with spans */
    bcl_string text;       /* a sentence's, or a document's */
    offset at;             /* its end */
    offset *begins, *ends; /* (words of the sentence) */
    size_t capacity, end_capacity;
    bcl_string out, annotations;
    size_t number; /* of annotations in the document */
    bool first;
} exporter;

/* ---- columns ---- */

/* A word in a cell: what would end the cell is a space, in columns between spaces an underscore. */
static bcl_status add_cell(bcl_string *out, const char *word, bool spaces) {
    bcl_status status = BCL_OK;
    for (const char *p = word; *p;) {
        const size_t n = strcspn(p, spaces ? " \t\n\r" : "\t\n\r");
        BCL_TRY(bcl_string_add(out, p, n));
        p += n;
        if (*p)
            BCL_TRY(bcl_string_add(out, spaces ? "_" : " ", 1));
        p += *p != 0;
    }
    if (!*word && (spaces || out->size))
        BCL_TRY(bcl_string_add(out, spaces ? "_" : "", spaces));
out:
    return status;
}

static bcl_status add_columns(exporter *x, size_t i, const bcl_sentence *s) {
    bcl_status status = BCL_OK;
    bcl_string *out = &x->out;
    for (size_t k = 0; k < s->size; k++) {
        const char *tag = bcl_corpus_tag(x->corpus, s->tags[k]);
        if (x->format == BCL_FORMAT_GERMEVAL || x->format == BCL_FORMAT_CONLLU)
            BCL_TRY(bcl_string_addf(out, "%zu\t", k + 1));
        BCL_TRY(add_cell(out, s->words[k], x->format == BCL_FORMAT_CONLL2003));
        if (x->format == BCL_FORMAT_CONLL)
            BCL_TRY(bcl_string_addf(out, "\t%s\n", tag));
        else if (x->format == BCL_FORMAT_CONLL2003)
            BCL_TRY(bcl_string_addf(out, " -X- -X- %s\n", tag));
        else if (x->format == BCL_FORMAT_GERMEVAL)
            BCL_TRY(bcl_string_addf(out, "\t%s\tO\n", tag));
        else
            BCL_TRY(bcl_string_addf(
                out, "\t_\t_\t_\t_\t_\t_\t_\tNER=%s%s\n", tag,
                k + 1 < s->size && bcl_corpus_glued(x->corpus, i, k + 1) ? "|SpaceAfter=No" : ""));
    }
    BCL_TRY(bcl_string_add(out, "\n", 1));
out:
    return status;
}

static bcl_status begin_document(exporter *x, const bcl_sentence *s) {
    bcl_status status = BCL_OK;
    if (x->format == BCL_FORMAT_CONLL2003)
        BCL_TRY(bcl_string_addf(&x->out, "-DOCSTART- -X- -X- O\n\n"));
    else if (x->format == BCL_FORMAT_CONLLU)
        BCL_TRY(bcl_string_addf(&x->out, "# newdoc id = %zu\n", s->document + 1));
out:
    return status;
}

/* ---- JSON ---- */

static bcl_status add_string(bcl_string *out, const char *text) {
    return bcl_json_add_string(out, text, strlen(text));
}

static bcl_status add_words(exporter *x, const bcl_sentence *s) {
    bcl_status status = BCL_OK;
    bcl_string *out = &x->out;
    BCL_TRY(bcl_string_addf(out, "{\"tokens\": ["));
    for (size_t k = 0; k < s->size; k++) {
        BCL_TRY(bcl_string_addf(out, "%s", k ? ", " : ""));
        BCL_TRY(add_string(out, s->words[k]));
    }
    BCL_TRY(bcl_string_addf(out, "], \"ner_tags\": ["));
    for (size_t k = 0; k < s->size; k++) {
        BCL_TRY(bcl_string_addf(out, "%s", k ? ", " : ""));
        BCL_TRY(add_string(out, bcl_corpus_tag(x->corpus, s->tags[k])));
    }
    BCL_TRY(bcl_string_addf(out, "]}\n"));
out:
    return status;
}

static void advance(offset *at, const char *text, size_t size) {
    unsigned n;
    for (size_t i = 0; i < size; i += n) {
        const uint32_t c = bcl_utf8_decode((const unsigned char *)text + i, size - i, &n);
        at->points++;
        at->units += c != UINT32_MAX && c > 0xFFFF ? 2 : 1;
    }
}

/* The sentence's words behind the text so far, and where each of them stands. */
static bcl_status add_text(exporter *x, size_t i, const bcl_sentence *s) {
    bcl_status status = BCL_OK;
    bool any = false;
    BCL_TRY(bcl_grow(&x->begins, &x->capacity, s->size, sizeof *x->begins));
    BCL_TRY(bcl_grow(&x->ends, &x->end_capacity, s->size, sizeof *x->ends));
    BCL_TRY(bcl_string_add(&x->text, "", 0));
    for (size_t k = 0; k < s->size; k++) {
        const size_t before = x->text.size;
        if (any && *s->words[k] && !bcl_corpus_glued(x->corpus, i, k))
            BCL_TRY(bcl_string_add(&x->text, " ", 1));
        const size_t begin = x->text.size;
        BCL_TRY(add_cell(&x->text, s->words[k], false));
        advance(&x->at, x->text.data + before, begin - before);
        x->begins[k] = x->at;
        advance(&x->at, x->text.data + begin, x->text.size - begin);
        x->ends[k] = x->at;
        any |= *s->words[k] != 0;
    }
out:
    return status;
}

/* Without empty words at its ends; false if nothing is left. */
static bool place_entity(const exporter *x, const bcl_entity *e, offset *begin, offset *end) {
    *begin = x->begins[e->begin];
    *end = x->ends[e->end - 1];
    for (size_t k = e->begin; k < e->end; k++)
        if (x->begins[k].points != x->ends[k].points) {
            *begin = x->begins[k];
            return end->points > begin->points;
        }
    return false;
}

static bcl_status add_span(exporter *x, const bcl_entity *e, bool more) {
    bcl_status status = BCL_OK;
    bcl_string *out = &x->out;
    offset begin, end;
    place_entity(x, e, &begin, &end);
    BCL_TRY(bcl_string_addf(out, "%s", more ? ", " : ""));
    if (x->format == BCL_FORMAT_DOCCANO) {
        BCL_TRY(bcl_string_addf(out, "[%zu, %zu, ", begin.points, end.points));
        BCL_TRY(add_string(out, e->type));
        BCL_TRY(bcl_string_addf(out, "]"));
    } else if (x->format == BCL_FORMAT_PRODIGY) {
        BCL_TRY(bcl_string_addf(out, "{\"start\": %zu, \"end\": %zu, \"label\": ", begin.points,
                                end.points));
        BCL_TRY(add_string(out, e->type));
        BCL_TRY(bcl_string_addf(out, "}"));
    } else {
        BCL_TRY(
            bcl_string_addf(out,
                            "{\"from_name\": \"label\", \"to_name\": \"text\", \"type\": "
                            "\"labels\", \"value\": {\"start\": %zu, \"end\": %zu, \"labels\": [",
                            begin.units, end.units));
        BCL_TRY(add_string(out, e->type));
        BCL_TRY(bcl_string_addf(out, "]}}"));
    }
out:
    return status;
}

static bcl_status add_text_record(exporter *x, size_t i, const bcl_sentence *s) {
    static const char *const between[][2] = {
        [BCL_FORMAT_DOCCANO] = {", \"label\": [", "]}\n"},
        [BCL_FORMAT_PRODIGY] = {", \"spans\": [", "]}\n"},
        [BCL_FORMAT_LABEL_STUDIO] = {"}, \"annotations\": [{\"result\": [", "]}]}"}};
    bcl_status status = BCL_OK;
    const bool studio = x->format == BCL_FORMAT_LABEL_STUDIO;
    bcl_entity e = {0};
    offset begin, end;
    bool more = false;
    x->text.size = 0;
    x->at = (offset){0, 0};
    BCL_TRY(add_text(x, i, s));
    if (!x->text.size)
        goto out;
    BCL_TRY(bcl_string_addf(&x->out, "%s",
                            studio
                                ? x->first ? "{\"data\": {\"text\": " : ",\n{\"data\": {\"text\": "
                                : "{\"text\": "));
    BCL_TRY(bcl_json_add_string(&x->out, x->text.data, x->text.size));
    BCL_TRY(bcl_string_addf(&x->out, "%s", between[x->format][0]));
    while (bcl_entity_next(&e, x->parts, s->tags, s->size)) {
        if (!place_entity(x, &e, &begin, &end))
            continue;
        BCL_TRY(add_span(x, &e, more));
        more = true;
    }
    BCL_TRY(bcl_string_addf(&x->out, "%s", between[x->format][1]));
    x->first = false;
out:
    return status;
}

/* ---- brat ---- */

static bcl_status add_annotated(exporter *x, size_t i, const bcl_sentence *s) {
    bcl_status status = BCL_OK;
    bcl_entity e = {0};
    offset begin, end;
    const size_t base = x->text.size;
    const offset from = x->at;
    BCL_TRY(add_text(x, i, s));
    while (bcl_entity_next(&e, x->parts, s->tags, s->size)) {
        if (!place_entity(x, &e, &begin, &end))
            continue;
        /* brat's types are one word. */
        BCL_TRY(bcl_string_addf(&x->annotations, "T%zu\t", ++x->number));
        BCL_TRY(add_cell(&x->annotations, e.type, true));
        BCL_TRY(bcl_string_addf(&x->annotations, " %zu %zu\t", begin.points, end.points));
        offset at = from; /* the entity's bytes, by walking to them */
        size_t byte = base, first = 0;
        unsigned n;
        for (; at.points < end.points; byte += n) {
            if (at.points == begin.points)
                first = byte;
            bcl_utf8_decode((const unsigned char *)x->text.data + byte, x->text.size - byte, &n);
            at.points++;
        }
        BCL_TRY(bcl_string_add(&x->annotations, x->text.data + first, byte - first));
        BCL_TRY(bcl_string_add(&x->annotations, "\n", 1));
    }
    BCL_TRY(bcl_string_add(&x->text, "\n", 1));
    x->at.points++;
    x->at.units++;
out:
    return status;
}

static bcl_status write_document(exporter *x, const char *folder, size_t document) {
    bcl_status status = BCL_OK;
    char *path = NULL, *name = NULL;
    BCL_TRY(bcl_format(&name, "%05zu.txt", document + 1));
    BCL_TRY(bcl_path_join(&path, folder, name));
    BCL_TRY(bcl_file_write(path, x->text.data, x->text.size));
    memcpy(path + strlen(path) - 3, "ann", 3);
    BCL_TRY(bcl_file_write(path, x->annotations.data, x->annotations.size));
    x->text.size = x->annotations.size = x->number = 0;
    x->at = (offset){0, 0};
out:
    free(path);
    free(name);
    return status;
}

static bcl_status write_brat(exporter *x, const char *folder) {
    bcl_status status = BCL_OK;
    const size_t n = bcl_corpus_size(x->corpus);
    BCL_TRY(bcl_directory_create(folder));
    for (size_t i = 0; i < n; i++) {
        const bcl_sentence s = bcl_corpus_sentence(x->corpus, i);
        BCL_TRY(add_annotated(x, i, &s));
        if (i + 1 == n || bcl_corpus_sentence(x->corpus, i + 1).document != s.document)
            BCL_TRY(write_document(x, folder, s.document));
    }
out:
    return status;
}

/* ---- all of it ---- */

static bcl_status write_file(exporter *x, const char *path) {
    bcl_status status = BCL_OK;
    bcl_writer w = {0};
    size_t document = SIZE_MAX;
    const bool studio = x->format == BCL_FORMAT_LABEL_STUDIO;
    const bool spans = studio || x->format == BCL_FORMAT_DOCCANO || x->format == BCL_FORMAT_PRODIGY;
    BCL_TRY(bcl_writer_open(&w, path));
    BCL_TRY(bcl_string_addf(&x->out, "%s", studio ? "[" : ""));
    for (size_t i = 0; i < bcl_corpus_size(x->corpus); i++) {
        const bcl_sentence s = bcl_corpus_sentence(x->corpus, i);
        if (s.document != document)
            BCL_TRY(begin_document(x, &s));
        document = s.document;
        if (spans)
            BCL_TRY(add_text_record(x, i, &s));
        else
            BCL_TRY(x->format == BCL_FORMAT_JSONL ? add_words(x, &s) : add_columns(x, i, &s));
        BCL_TRY(bcl_writer_write(&w, x->out.data, x->out.size));
        x->out.size = 0;
    }
    if (studio)
        BCL_TRY(bcl_writer_write(&w, "]\n", 2));
    BCL_TRY(bcl_writer_commit(&w));
out:
    bcl_writer_discard(&w);
    return status;
}

bcl_status bcl_corpus_export(const char *path, const bcl_corpus *corpus, bcl_corpus_format format) {
    bcl_status status = BCL_OK;
    exporter x = {.corpus = corpus, .format = format, .first = true};
    if (format <= BCL_FORMAT_AUTO || format >= BCL_FORMAT_COUNT)
        BCL_FAIL(BCL_ERROR_ARGUMENT, "format: found %d, expected one to write", (int)format);
    if (format == BCL_FORMAT_DOCCANO || format == BCL_FORMAT_PRODIGY ||
        format == BCL_FORMAT_LABEL_STUDIO || format == BCL_FORMAT_BRAT)
        BCL_TRY(bcl_tag_parts_create(&x.parts, corpus));
    BCL_TRY(format == BCL_FORMAT_BRAT ? write_brat(&x, path) : write_file(&x, path));
out:
    free(x.parts);
    free(x.begins);
    free(x.ends);
    bcl_string_free(&x.text);
    bcl_string_free(&x.out);
    bcl_string_free(&x.annotations);
    return status;
}

bcl_status bcl_corpus_write(const char *path, const bcl_corpus *corpus, const uint32_t *rows,
                            size_t count) {
    bcl_status status = BCL_OK;
    bcl_writer w = {0};
    exporter x = {.corpus = corpus, .format = BCL_FORMAT_CONLL};
    BCL_TRY(bcl_writer_open(&w, path));
    for (size_t i = 0; i < count; i++) {
        const size_t row = rows ? rows[i] : i;
        const bcl_sentence s = bcl_corpus_sentence(corpus, row);
        x.out.size = 0;
        BCL_TRY(add_columns(&x, row, &s));
        BCL_TRY(bcl_writer_write(&w, x.out.data, x.out.size));
    }
    BCL_TRY(bcl_writer_commit(&w));
out:
    bcl_writer_discard(&w);
    bcl_string_free(&x.out);
    return status;
}
