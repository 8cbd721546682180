/* What a corpus tells, its labels as a model numbers them, and writing it out. */
#include "data/data.h"

static void free_tag_table(bcl_tag_table *t) {
    bcl_names_free(&t->names);
    free(t->totals);
    free(t->first);
}

void bcl_corpus_free(bcl_corpus *corpus) {
    if (!corpus)
        return;
    for (size_t i = 0; i < corpus->file_count; i++) {
        free(corpus->files[i].path);
        free(corpus->files[i].text);
    }
    free(corpus->files);
    free(corpus->words);
    free(corpus->tags);
    free(corpus->sentences);
    free(corpus->documents);
    free(corpus->odd);
    free_tag_table(&corpus->mapped);
    free_tag_table(&corpus->raw);
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
    switch (kind) {
    case BCL_ODD_EMPTY_COLUMNS:
        return "empty columns behind the tag";
    case BCL_ODD_COLUMNS:
        return "another number of columns";
    case BCL_ODD_EMPTY_WORD:
        return "empty word";
    case BCL_ODD_SPACE_IN_WORD:
        return "space in a word";
    case BCL_ODD_BLANK:
        return "white space only";
    case BCL_ODD_DOCSTART:
        return "-DOCSTART-";
    case BCL_ODD_COMMENT:
        return "comment";
    default:
        return "";
    }
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

/* The sentence that holds a word. */
static size_t sentence_of(const bcl_corpus *corpus, size_t token) {
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
    const bcl_span *s = &corpus->sentences[sentence_of(corpus, token)];
    BCL_TRY(bcl_string_add(&list, "", 0));
    for (size_t i = 0; i < name_count && i < 40; i++)
        BCL_TRY(bcl_string_addf(&list, "%s%s", i ? ", " : "", names[i]));
    if (name_count > 40)
        BCL_TRY(bcl_string_addf(&list, ", and %zu more", name_count - 40));
    status = bcl_fail(BCL_ERROR_FORMAT,
                      "%s:%zu: tag \"%s\" is not one of the model's labels (%s); map it to one "
                      "with --map %s=LABEL",
                      corpus->files[s->file].path, s->line + (token - s->first),
                      corpus->mapped.names.items[tag], list.data, corpus->mapped.names.items[tag]);
out:
    bcl_string_free(&list);
    return status;
}

bcl_status bcl_corpus_label_ids(int32_t *ids, const bcl_corpus *corpus, const char *const *names,
                                size_t name_count) {
    for (size_t tag = 0; tag < corpus->mapped.names.count; tag++) {
        size_t i = 0;
        while (i < name_count && strcmp(names[i], corpus->mapped.names.items[tag]))
            i++;
        if (i == name_count)
            return fail_label(corpus, tag, names, name_count);
        ids[tag] = (int32_t)i;
    }
    return BCL_OK;
}

bcl_status bcl_corpus_write(const char *path, const bcl_corpus *corpus, const uint32_t *rows,
                            size_t count) {
    bcl_status status = BCL_OK;
    bcl_writer w = {0};
    bcl_string text = {0};
    BCL_TRY(bcl_writer_open(&w, path));
    for (size_t i = 0; i < count; i++) {
        bcl_sentence s = bcl_corpus_sentence(corpus, rows ? rows[i] : i);
        text.size = 0;
        for (size_t k = 0; k < s.size; k++)
            BCL_TRY(
                bcl_string_addf(&text, "%s\t%s\n", s.words[k], bcl_corpus_tag(corpus, s.tags[k])));
        BCL_TRY(bcl_string_add(&text, "\n", 1));
        BCL_TRY(bcl_writer_write(&w, text.data, text.size));
    }
    BCL_TRY(bcl_writer_commit(&w));
out:
    bcl_writer_discard(&w);
    bcl_string_free(&text);
    return status;
}
