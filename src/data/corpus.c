/* What a corpus tells, its labels as a model numbers them, and writing it out. */
#include "data/data.h"

void bcl_tag_table_free(bcl_tag_table *t) {
    bcl_names_free(&t->names);
    free(t->totals);
    free(t->first);
    *t = (bcl_tag_table){0};
}

bcl_status bcl_tag_table_intern(uint32_t *out, bcl_tag_table *t, const char *tag, size_t token) {
    bcl_status status = BCL_OK;
    size_t before = t->names.count;
    BCL_TRY(bcl_grow(&t->totals, &t->totals_capacity, before + 1, sizeof *t->totals));
    BCL_TRY(bcl_grow(&t->first, &t->first_capacity, before + 1, sizeof *t->first));
    BCL_TRY(bcl_names_intern(out, &t->names, tag, strlen(tag)));
    if (*out == before) {
        t->totals[before] = 0;
        t->first[before] = token;
    }
out:
    return status;
}

void bcl_corpus_free(bcl_corpus *corpus) {
    if (!corpus)
        return;
    for (size_t i = 0; i < corpus->file_count; i++) {
        bcl_source *f = &corpus->files[i];
        free(f->path);
        free(f->format);
        bcl_strings_free(f->texts, f->text_count);
    }
    for (size_t i = 0; i < corpus->odd_count; i++)
        free(corpus->odd[i].error);
    free(corpus->files);
    free(corpus->words);
    free(corpus->tags);
    free(corpus->glued);
    free(corpus->sentences);
    free(corpus->jumps);
    free(corpus->documents);
    free(corpus->odd);
    bcl_strings_free(corpus->notes, corpus->note_count);
    bcl_strings_free(corpus->left_out, corpus->left_out_count);
    free(corpus->left_out_why);
    bcl_tag_table_free(&corpus->mapped);
    bcl_tag_table_free(&corpus->raw);
    free(corpus);
}

size_t bcl_corpus_size(const bcl_corpus *corpus) {
    return corpus->sentence_count;
}

size_t bcl_corpus_tokens(const bcl_corpus *corpus) {
    return corpus->token_count;
}

bcl_sentence bcl_corpus_sentence(const bcl_corpus *corpus, size_t i) {
    const bcl_span *s = &corpus->sentences[i];
    size_t end = i + 1 < corpus->sentence_count ? s[1].first : corpus->token_count;
    return (bcl_sentence){.words = corpus->words + s->first,
                          .tags = corpus->tags + s->first,
                          .size = end - s->first,
                          .file = corpus->files[s->file].path,
                          .line = s->line,
                          .document = s->document};
}

size_t bcl_corpus_token_line(const bcl_corpus *corpus, const bcl_span *s, size_t token) {
    size_t low = 0, high = corpus->jump_count;
    if (corpus->files[s->file].one_line)
        return s->line;
    while (low < high) { /* the first jump behind the word */
        const size_t middle = low + (high - low) / 2;
        if (corpus->jumps[middle].token <= token)
            low = middle + 1;
        else
            high = middle;
    }
    const bcl_line_jump *jump = low ? &corpus->jumps[low - 1] : NULL;
    return jump && jump->token > s->first ? jump->line + (token - jump->token)
                                          : s->line + (token - s->first);
}

size_t bcl_corpus_line(const bcl_corpus *corpus, size_t i, size_t k) {
    const bcl_span *s = &corpus->sentences[i];
    return bcl_corpus_token_line(corpus, s, s->first + k);
}

bool bcl_corpus_glued(const bcl_corpus *corpus, size_t i, size_t k) {
    const size_t token = corpus->sentences[i].first + k;
    return token < corpus->glued_count && corpus->glued[token];
}

size_t bcl_corpus_tag_count(const bcl_corpus *corpus) {
    return corpus->mapped.names.count;
}

const char *bcl_corpus_tag(const bcl_corpus *corpus, size_t tag) {
    return corpus->mapped.names.items[tag];
}

const char *const *bcl_corpus_tags(const bcl_corpus *corpus) {
    return (const char *const *)corpus->mapped.names.items;
}

uint64_t bcl_corpus_tag_total(const bcl_corpus *corpus, size_t tag) {
    return corpus->mapped.totals[tag];
}

size_t bcl_corpus_raw_tag_count(const bcl_corpus *corpus) {
    return corpus->raw.names.count;
}

const char *bcl_corpus_raw_tag(const bcl_corpus *corpus, size_t tag) {
    return corpus->raw.names.items[tag];
}

uint64_t bcl_corpus_raw_tag_total(const bcl_corpus *corpus, size_t tag) {
    return corpus->raw.totals[tag];
}

size_t bcl_corpus_file_count(const bcl_corpus *corpus) {
    return corpus->file_count;
}

const char *bcl_corpus_file(const bcl_corpus *corpus, size_t file) {
    return corpus->files[file].path;
}

uint64_t bcl_corpus_file_bytes(const bcl_corpus *corpus, size_t file) {
    return corpus->files[file].bytes;
}

size_t bcl_corpus_file_sentences(const bcl_corpus *corpus, size_t file) {
    return corpus->files[file].sentences;
}

const char *bcl_corpus_file_format(const bcl_corpus *corpus, size_t file) {
    return corpus->files[file].format;
}

size_t bcl_corpus_document_count(const bcl_corpus *corpus) {
    return corpus->document_count;
}

void bcl_corpus_document(const bcl_corpus *corpus, size_t document, const char **file,
                         size_t *number, size_t *of) {
    const bcl_document *d = &corpus->documents[document];
    *file = corpus->files[d->file].path;
    *number = d->number + 1;
    *of = corpus->files[d->file].documents;
}

const char *bcl_odd_name(bcl_odd kind) {
    static const char *const names[BCL_ODD_COUNT] = {
        [BCL_ODD_EMPTY_COLUMNS] = "empty columns behind the tag",
        [BCL_ODD_COLUMNS] = "another number of columns",
        [BCL_ODD_EMPTY_WORD] = "empty word",
        [BCL_ODD_SPACE_IN_WORD] = "space in a word",
        [BCL_ODD_BLANK] = "white space only",
        [BCL_ODD_DOCSTART] = "-DOCSTART-",
        [BCL_ODD_COMMENT] = "comment",
        [BCL_ODD_HEADER] = "header",
        [BCL_ODD_RANGE] = "multiword range or empty node",
        [BCL_ODD_BOM] = "byte order mark",
        [BCL_ODD_INVISIBLE] = "invisible characters in a tag",
        [BCL_ODD_TAG] = "tag of no scheme",
        [BCL_ODD_RECORD] = "record without annotation",
        [BCL_ODD_CUT_WORD] = "span that cuts a word",
        [BCL_ODD_OVERLAP] = "span that overlaps another",
        [BCL_ODD_DISCONTINUOUS] = "span of several parts",
        [BCL_ODD_REFUSED] = "refused"};
    return kind >= 0 && kind < BCL_ODD_COUNT ? names[kind] : "";
}

size_t bcl_corpus_odd_total(const bcl_corpus *corpus, bcl_odd kind) {
    return corpus->odd_totals[kind];
}

size_t bcl_corpus_odd_listed(const bcl_corpus *corpus) {
    return corpus->odd_count;
}

void bcl_corpus_odd_line(const bcl_corpus *corpus, size_t i, bcl_odd *kind, const char **file,
                         size_t *line) {
    *kind = corpus->odd[i].kind;
    *file = corpus->files[corpus->odd[i].file].path;
    *line = corpus->odd[i].line;
}

const char *bcl_corpus_odd_error(const bcl_corpus *corpus, size_t i) {
    return corpus->odd[i].error;
}

size_t bcl_corpus_sentence_of(const bcl_corpus *corpus, size_t token) {
    size_t low = 0, high = corpus->sentence_count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (corpus->sentences[middle].first <= token)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static bcl_status fail_label(const bcl_corpus *corpus, size_t tag, const char *const *names,
                             size_t name_count) {
    bcl_status status = BCL_OK;
    bcl_string list = {0};
    size_t token = corpus->mapped.first[tag];
    const bcl_span *s = &corpus->sentences[bcl_corpus_sentence_of(corpus, token)];
    BCL_TRY(bcl_string_add(&list, "", 0));
    for (size_t i = 0; i < name_count && i < 40; i++)
        BCL_TRY(bcl_string_addf(&list, "%s%s", i ? ", " : "", names[i]));
    if (name_count > 40)
        BCL_TRY(bcl_string_addf(&list, ", and %zu more", name_count - 40));
    status = bcl_fail(BCL_ERROR_FORMAT,
                      "%s:%zu: tag \"%s\" is not one of the model's labels (%s); map it to one "
                      "with --map %s=LABEL",
                      corpus->files[s->file].path, bcl_corpus_token_line(corpus, s, token),
                      corpus->mapped.names.items[tag], list.data, corpus->mapped.names.items[tag]);
out:
    bcl_string_free(&list);
    return status;
}

bcl_status bcl_corpus_label_ids(int32_t *ids, const bcl_corpus *corpus, const char *const *names,
                                size_t name_count) {
    bcl_status status = BCL_OK;
    bcl_names known = {0};
    for (size_t i = 0; i < name_count; i++) {
        uint32_t id;
        BCL_TRY(bcl_names_intern(&id, &known, names[i], strlen(names[i])));
        if (id != i)
            BCL_FAIL(BCL_ERROR_ARGUMENT, "labels: found \"%s\" twice", names[i]);
    }
    for (size_t tag = 0; tag < corpus->mapped.names.count; tag++) {
        const char *name = corpus->mapped.names.items[tag];
        const size_t id = bcl_names_find(&known, name, strlen(name));
        if (id == SIZE_MAX)
            BCL_TRY(fail_label(corpus, tag, names, name_count));
        ids[tag] = (int32_t)id;
    }
out:
    bcl_names_free(&known);
    return status;
}
