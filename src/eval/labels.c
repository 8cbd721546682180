/* Labelled sentences, and reading them from two files that must agree in every token. Knows nothing
 * of scores. */
#include "eval/labels.h"

#include "data/scheme.h"

#include <pthread.h>

bcl_status bcl_labels_create(bcl_labels **out) {
    bcl_status status = BCL_OK;
    BCL_NEW(*out, 1);
out:
    return status;
}

void bcl_labels_free(bcl_labels *labels) {
    if (!labels)
        return;
    bcl_names_free(&labels->names);
    free(labels->gold);
    free(labels->pred);
    free(labels->words);
    free(labels->sentences);
    bcl_strings_free(labels->documents, labels->document_count);
    bcl_strings_free(labels->notes, labels->note_count);
    bcl_corpus_free(labels->corpus);
    free(labels);
}

size_t bcl_labels_note_count(const bcl_labels *labels) {
    return labels->note_count;
}

const char *bcl_labels_note(const bcl_labels *labels, size_t i) {
    return labels->notes[i];
}

bcl_status bcl_labels_id(int32_t *out, bcl_labels *labels, const char *name) {
    uint32_t id = 0;
    bcl_status status = bcl_names_intern(&id, &labels->names, name, strlen(name));
    *out = (int32_t)id;
    return status;
}

bcl_status bcl_labels_document(bcl_labels *labels, const char *name) {
    bcl_status status = BCL_OK;
    BCL_TRY(bcl_grow(&labels->documents, &labels->document_capacity, labels->document_count + 1,
                     sizeof *labels->documents));
    BCL_TRY(bcl_strdup(&labels->documents[labels->document_count], name));
    labels->document_count++;
out:
    return status;
}

/* Room for n more tokens and a sentence. */
static bcl_status reserve(bcl_labels *l, size_t n) {
    bcl_status status = BCL_OK;
    BCL_TRY(bcl_grow(&l->gold, &l->gold_capacity, l->tokens + n, sizeof *l->gold));
    BCL_TRY(bcl_grow(&l->pred, &l->pred_capacity, l->tokens + n, sizeof *l->pred));
    BCL_TRY(bcl_grow(&l->words, &l->word_capacity, l->tokens + n, sizeof *l->words));
    BCL_TRY(bcl_grow(&l->sentences, &l->capacity, l->count + 1, sizeof *l->sentences));
out:
    return status;
}

bcl_status bcl_labels_add(bcl_labels *labels, const bcl_labelled *s) {
    bcl_status status = BCL_OK;
    bcl_labels *l = labels;
    for (size_t i = 0; i < s->size; i++)
        if (s->gold[i] < 0 || (size_t)s->gold[i] >= l->names.count || s->pred[i] < 0 ||
            (size_t)s->pred[i] >= l->names.count)
            BCL_FAIL(BCL_ERROR_ARGUMENT, "labels: found label ids %d and %d, expected 0 to %zu",
                     s->gold[i], s->pred[i], l->names.count - 1);
    BCL_TRY(reserve(l, s->size));
    memcpy(l->gold + l->tokens, s->gold, s->size * sizeof *l->gold);
    memcpy(l->pred + l->tokens, s->pred, s->size * sizeof *l->pred);
    if (s->words)
        memcpy(l->words + l->tokens, s->words, s->size * sizeof *l->words);
    l->sentences[l->count++] =
        (bcl_label_span){l->tokens, s->line, s->file, (uint32_t)s->document, s->words != NULL};
    l->tokens += s->size;
out:
    return status;
}

size_t bcl_labels_size(const bcl_labels *labels) {
    return labels->count;
}

size_t bcl_labels_tokens(const bcl_labels *labels) {
    return labels->tokens;
}

bcl_labelled bcl_labels_sentence(const bcl_labels *labels, size_t i) {
    const bcl_label_span *s = &labels->sentences[i];
    size_t end = i + 1 < labels->count ? s[1].first : labels->tokens;
    return (bcl_labelled){.words = s->has_words ? labels->words + s->first : NULL,
                          .gold = labels->gold + s->first,
                          .pred = labels->pred + s->first,
                          .size = end - s->first,
                          .file = s->file,
                          .line = s->line,
                          .document = s->document};
}

size_t bcl_labels_count(const bcl_labels *labels) {
    return labels->names.count;
}

const char *bcl_labels_name(const bcl_labels *labels, size_t id) {
    return labels->names.items[id];
}

size_t bcl_labels_documents(const bcl_labels *labels) {
    return labels->document_count;
}

const char *bcl_labels_document_name(const bcl_labels *labels, size_t document) {
    return labels->documents[document];
}

size_t bcl_labels_left_out(const bcl_labels *labels) {
    return labels->left_out;
}

bcl_status bcl_labels_corpus_documents(bcl_labels *labels, const bcl_corpus *corpus) {
    bcl_status status = BCL_OK;
    char *name = NULL;
    for (size_t i = 0; i < bcl_corpus_document_count(corpus); i++) {
        const char *file;
        size_t number, of;
        bcl_corpus_document(corpus, i, &file, &number, &of);
        BCL_TRY(of > 1 ? bcl_format(&name, "%s#%zu", file, number) : bcl_strdup(&name, file));
        BCL_TRY(bcl_labels_document(labels, name));
        free(name);
        name = NULL;
    }
out:
    free(name);
    return status;
}

/* ---- the scheme ---- */

/* Entities of the gold that begin with I-: behind another type, or behind nothing. */
static uint64_t count_inside_starts(const bcl_labels *l, const bcl_tag_parts *parts) {
    uint64_t count = 0;
    for (size_t s = 0; s < l->count; s++) {
        const bcl_labelled x = bcl_labels_sentence(l, s);
        for (size_t i = 0; i < x.size; i++) {
            const bcl_tag_parts now = parts[x.gold[i]];
            if (now.prefix != 'I')
                continue;
            const bcl_tag_parts before = i ? parts[x.gold[i - 1]] : (bcl_tag_parts){'O', 'O', ""};
            count += (before.prefix != 'B' && before.prefix != 'I') ||
                     strcmp(before.type, now.type) != 0;
        }
    }
    return count;
}

bcl_status bcl_labels_scheme(bcl_scheme *found, bcl_scheme *counted, const bcl_labels *l,
                             size_t model) {
    bcl_status status = BCL_OK;
    uint64_t *seen = NULL, starts = 0;
    bcl_tag_parts *parts = NULL;
    BCL_NEW(seen, l->names.count);
    BCL_NEW(parts, l->names.count);
    for (size_t k = 0; k < l->names.count; k++)
        parts[k] = bcl_tag_read(l->names.items[k]);
    for (size_t i = 0; i < l->tokens; i++) {
        seen[l->gold[i]]++;
        starts += parts[l->gold[i]].prefix != 'O' && parts[l->gold[i]].prefix != 'I';
    }
    const uint64_t inside = count_inside_starts(l, parts);
    const bcl_scheme_evidence evidence = {.names = (const char *const *)l->names.items,
                                          .K = l->names.count,
                                          .seen = seen,
                                          .model = model,
                                          .inside_start = inside * 100 >= starts ? inside : 0};
    *found = bcl_scheme_detect(&evidence);
    *counted = bcl_scheme_counted(*found);
out:
    free(seen);
    free(parts);
    return status;
}

/* ---- writing ---- */

/* What would end a column or a line becomes a space. */
static bcl_status add_column(bcl_string *out, const char *text) {
    const size_t at = out->size;
    bcl_status status = bcl_string_add(out, text, strlen(text));
    for (size_t i = at; !status && i < out->size; i++)
        if (strchr("\t\n\r", out->data[i]))
            out->data[i] = ' ';
    return status;
}

bcl_status bcl_labels_write(const bcl_labels *l, const char *path) {
    bcl_status status = BCL_OK;
    bcl_writer w = {0};
    bcl_string text = {0};
    BCL_TRY(bcl_writer_open(&w, path));
    for (size_t s = 0; s < l->count; s++) {
        const bcl_labelled x = bcl_labels_sentence(l, s);
        text.size = 0;
        for (size_t i = 0; i < x.size; i++) {
            BCL_TRY(add_column(&text, x.words && x.words[i] ? x.words[i] : "?"));
            BCL_TRY(bcl_string_addf(&text, "\t%s\t%s\n", l->names.items[x.gold[i]],
                                    l->names.items[x.pred[i]]));
        }
        BCL_TRY(bcl_string_add(&text, "\n", 1));
        BCL_TRY(bcl_writer_write(&w, text.data, text.size));
    }
    BCL_TRY(bcl_writer_commit(&w));
out:
    bcl_writer_discard(&w);
    bcl_string_free(&text);
    return status;
}

/* ---- two files ---- */

typedef struct reading {
    const char *path;
    const bcl_corpus_options *options;
    bcl_corpus *corpus;
    bcl_status status;
    char *message; /* messages belong to a thread */
} reading;

static void *read_corpus(void *context) {
    reading *r = context;
    r->status = bcl_corpus_read(&r->corpus, &r->path, 1, r->options);
    if (r->status && bcl_strdup(&r->message, bcl_message()))
        r->message = NULL;
    return NULL;
}

/* Both at once: reading is most of the time that scoring two files takes. */
static bcl_status read_both(reading *gold, reading *pred) {
    bcl_status status = BCL_OK;
    pthread_t thread;
    bool started = !pthread_create(&thread, NULL, read_corpus, pred);
    read_corpus(gold);
    if (started)
        pthread_join(thread, NULL);
    else
        read_corpus(pred);
    const reading *bad = gold->status ? gold : pred;
    if (bad->status)
        status = bcl_fail(bad->status, "%s", bad->message ? bad->message : "out of memory");
    free(gold->message);
    free(pred->message);
    return status;
}

static bcl_status compare_sentences(const bcl_corpus *gold, const bcl_corpus *pred, size_t i) {
    const bcl_sentence a = bcl_corpus_sentence(gold, i), b = bcl_corpus_sentence(pred, i);
    size_t n = a.size < b.size ? a.size : b.size;
    for (size_t k = 0; k < n; k++)
        if (strcmp(a.words[k], b.words[k]))
            return bcl_fail(BCL_ERROR_FORMAT,
                            "%s:%zu and %s:%zu: sentence %zu, token %zu: found \"%.60s\" and "
                            "\"%.60s\", expected the same token",
                            a.file, bcl_corpus_line(gold, i, k), b.file,
                            bcl_corpus_line(pred, i, k), i + 1, k + 1, a.words[k], b.words[k]);
    if (a.size != b.size)
        return bcl_fail(BCL_ERROR_FORMAT,
                        "%s:%zu and %s:%zu: sentence %zu: found %zu and %zu tokens, expected the "
                        "same number; token %zu is in one file only",
                        a.file, bcl_corpus_line(gold, i, n - 1) + 1, b.file,
                        bcl_corpus_line(pred, i, n - 1) + 1, i + 1, a.size, b.size, n + 1);
    return BCL_OK;
}

static bcl_status compare_corpora(const bcl_corpus *gold, const bcl_corpus *pred) {
    size_t a = bcl_corpus_size(gold), b = bcl_corpus_size(pred), n = a < b ? a : b;
    for (size_t i = 0; i < n; i++) {
        bcl_status status = compare_sentences(gold, pred, i);
        if (status)
            return status;
    }
    if (a == b)
        return BCL_OK;
    const bcl_corpus *shorter = a > b ? pred : gold;
    bcl_sentence more = bcl_corpus_sentence(a > b ? gold : pred, n);
    bcl_sentence last = bcl_corpus_sentence(shorter, n - 1);
    return bcl_fail(BCL_ERROR_FORMAT,
                    "%s:%zu: sentence %zu has no counterpart in %s, which ends at line %zu; found "
                    "%zu gold and %zu predicted sentences, expected the same number",
                    more.file, more.line, n + 1, last.file,
                    bcl_corpus_line(shorter, n - 1, last.size - 1), a, b);
}

static bool goes_on(const char *word) {
    return word[0] == '#' && word[1] == '#' && word[2];
}

/* Leaves out lines that go on with a word. */
static void keep_first_pieces(bcl_labels *l) {
    size_t kept = 0;
    for (size_t i = 0; i < l->count; i++) {
        const size_t begin = l->sentences[i].first,
                     end = i + 1 < l->count ? l->sentences[i + 1].first : l->tokens;
        l->sentences[i].first = kept;
        for (size_t k = begin; k < end; k++) {
            if (k > begin && goes_on(l->words[k]))
                continue;
            l->words[kept] = l->words[k];
            l->gold[kept] = l->gold[k];
            l->pred[kept++] = l->pred[k];
        }
    }
    l->left_out = l->tokens - kept;
    l->tokens = kept;
}

/* The labels' ids of a corpus' tags, in the array that the corpus had for them. */
static bcl_status take_tags(int32_t **out, size_t *capacity, bcl_labels *l, bcl_corpus *corpus) {
    bcl_status status = BCL_OK;
    int32_t *ids = NULL;
    BCL_NEW(ids, bcl_corpus_tag_count(corpus));
    for (size_t i = 0; i < bcl_corpus_tag_count(corpus); i++)
        BCL_TRY(bcl_labels_id(&ids[i], l, bcl_corpus_tag(corpus, i)));
    *out = (int32_t *)corpus->tags; /* signed and unsigned may share memory */
    *capacity = corpus->tag_capacity;
    for (size_t i = 0; i < corpus->token_count; i++)
        (*out)[i] = ids[corpus->tags[i]];
    corpus->tags = NULL;
out:
    free(ids);
    return status;
}

/* Those of a corpus; one file may be both. */
static bcl_status take_notes(bcl_labels *l, const bcl_corpus *corpus) {
    bcl_status status = BCL_OK;
    const size_t before = l->note_count;
    for (size_t i = 0; i < corpus->note_count; i++) {
        bool known = false;
        for (size_t k = 0; k < before; k++)
            known |= !strcmp(l->notes[k], corpus->notes[i]);
        if (known)
            continue;
        BCL_TRY(bcl_grow(&l->notes, &l->note_capacity, l->note_count + 1, sizeof *l->notes));
        BCL_TRY(bcl_strdup(&l->notes[l->note_count], corpus->notes[i]));
        l->note_count++;
    }
out:
    return status;
}

/* Takes the arrays of both instead of copying them, as most of the time of scoring goes into
 * memory; gold stays for what its words and files point to. */
static bcl_status join(bcl_labels *l, bcl_corpus *gold, bcl_corpus *pred, bool first_pieces) {
    bcl_status status = BCL_OK;
    BCL_TRY(bcl_grow(&l->sentences, &l->capacity, gold->sentence_count, sizeof *l->sentences));
    for (size_t i = 0; i < gold->sentence_count; i++) {
        const bcl_sentence a = bcl_corpus_sentence(gold, i);
        l->sentences[i] =
            (bcl_label_span){gold->sentences[i].first, a.line, a.file, (uint32_t)a.document, true};
    }
    BCL_TRY(take_tags(&l->gold, &l->gold_capacity, l, gold));
    BCL_TRY(take_tags(&l->pred, &l->pred_capacity, l, pred));
    BCL_TRY(bcl_labels_corpus_documents(l, gold));
    l->words = gold->words;
    l->word_capacity = gold->word_capacity;
    gold->words = NULL;
    l->count = gold->sentence_count;
    l->tokens = gold->token_count;
    if (first_pieces)
        keep_first_pieces(l);
out:
    return status;
}

bcl_status bcl_labels_read(bcl_labels **out, const char *gold, const char *pred,
                           const bcl_labels_options *options) {
    static const bcl_labels_options defaults = {0};
    bcl_status status = BCL_OK;
    if (!options)
        options = &defaults;
    bcl_corpus_options reader = {0};
    if (options->reading)
        reader = *options->reading;
    bcl_corpus_options predicted = reader;
    predicted.predicted = true;
    reading a = {.path = gold, .options = &reader}, b = {.path = pred, .options = &predicted};
    bcl_labels *labels = NULL;
    BCL_TRY(read_both(&a, &b));
    BCL_TRY(compare_corpora(a.corpus, b.corpus));
    BCL_TRY(bcl_labels_create(&labels));
    BCL_TRY(take_notes(labels, a.corpus));
    BCL_TRY(take_notes(labels, b.corpus));
    BCL_TRY(join(labels, a.corpus, b.corpus, options->first_pieces));
    labels->corpus = a.corpus;
    a.corpus = NULL;
    *out = labels;
    labels = NULL;
out:
    bcl_labels_free(labels);
    bcl_corpus_free(a.corpus);
    bcl_corpus_free(b.corpus);
    return status;
}
