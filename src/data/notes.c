/* What a person should know of how a corpus was read, and tags mapped behind the reading. */
#include "data/reader.h"

#include <stdarg.h>
#include <utf8proc.h>

bcl_status bcl_corpus_add_note(bcl_corpus *c, const char *format, ...) {
    bcl_status status = BCL_OK;
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    BCL_TRY(bcl_grow(&c->notes, &c->note_capacity, c->note_count + 1, sizeof *c->notes));
    BCL_TRY(bcl_strdup(&c->notes[c->note_count], text));
    c->note_count++;
out:
    return status;
}

/* The first file of columns; NULL: none. */
static const bcl_source *first_columns(const bcl_corpus *c) {
    for (size_t i = 0; c && i < c->file_count; i++)
        if (c->files[i].columns)
            return &c->files[i];
    return NULL;
}

static bcl_status note_layout(bcl_corpus *c, const bcl_source *f, const bcl_source *first) {
    return bcl_corpus_add_note(
        c,
        "%s: is read as %s, but %s as %s; --word-column and --tag-column choose one for all files",
        f->path, f->format, first->path, first->format);
}

bcl_status bcl_corpus_note_layouts(bcl_corpus *c) {
    bcl_status status = BCL_OK;
    const bcl_source *first = first_columns(c);
    bcl_names seen = {0};
    uint32_t id;
    for (size_t i = 0; first && i < c->file_count; i++) {
        const bcl_source *f = &c->files[i];
        const size_t before = seen.count;
        if (!f->columns)
            continue;
        BCL_TRY(bcl_names_intern(&id, &seen, f->format, strlen(f->format)));
        if (before && seen.count > before)
            BCL_TRY(note_layout(c, f, first));
    }
out:
    bcl_names_free(&seen);
    return status;
}

bcl_status bcl_corpora_note_layouts(bcl_corpus *const *corpora, size_t count) {
    bcl_status status = BCL_OK;
    const bcl_source *first = NULL;
    for (size_t i = 0; i < count; i++) {
        const bcl_source *f = first_columns(corpora[i]);
        if (first && f && strcmp(f->format, first->format))
            BCL_TRY(note_layout(corpora[i], f, first));
        if (!first)
            first = f;
    }
out:
    return status;
}

size_t bcl_corpus_note_count(const bcl_corpus *corpus) {
    return corpus->note_count;
}

const char *bcl_corpus_note(const bcl_corpus *corpus, size_t i) {
    return corpus->notes[i];
}

size_t bcl_corpus_left_out_count(const bcl_corpus *corpus) {
    return corpus->left_out_count;
}

void bcl_corpus_left_out(const bcl_corpus *corpus, size_t i, const char **path, const char **why) {
    *path = corpus->left_out[i];
    *why = corpus->left_out_why[i];
}

static const bcl_odd_line *first_odd(const bcl_corpus *c, bcl_odd kind) {
    for (size_t i = 0; i < c->odd_count; i++)
        if (c->odd[i].kind == kind)
            return &c->odd[i];
    return NULL;
}

const char *bcl_corpus_first_refused(const bcl_corpus *corpus) {
    const bcl_odd_line *odd = first_odd(corpus, BCL_ODD_REFUSED);
    return odd ? odd->error : "";
}

/* "PER-B", "b-per", "B:PER", "B–PER": the parts of a scheme's tag, written otherwise. */
static bool is_alike(const char *tag) {
    const size_t n = strlen(tag);
    return n > 2 && ((strchr("BIESLUbieslu", tag[0]) &&
                      (strchr("-_:./|", tag[1]) || (unsigned char)tag[1] >= 0x80)) ||
                     (strchr("BIESLU", tag[n - 1]) && strchr("-_", tag[n - 2])));
}

typedef struct other_tags {
    bcl_string list;
    uint64_t words, entities; /* of the others; of those of a scheme but O */
    uint64_t outside;
    size_t kinds, first, alike;
} other_tags;

static bcl_status find_others(other_tags *o, const bcl_corpus *c) {
    bcl_status status = BCL_OK;
    o->first = SIZE_MAX;
    for (size_t i = 0; i < c->mapped.names.count; i++) {
        const char *name = c->mapped.names.items[i];
        if (bcl_is_scheme_tag(name, strlen(name))) {
            *(name[1] ? &o->entities : &o->outside) += c->mapped.totals[i];
            continue;
        }
        o->words += c->mapped.totals[i];
        o->alike += is_alike(name);
        o->first = c->mapped.first[i] < o->first ? c->mapped.first[i] : o->first;
        if (o->kinds++ < 10)
            BCL_TRY(bcl_string_addf(&o->list, "%s\"%s\" %llu", o->kinds > 1 ? ", " : "", name,
                                    (unsigned long long)c->mapped.totals[i]));
    }
out:
    return status;
}

/* Tags of no scheme that are left after mapping, where others are of one or where they look so. Of
 * plain names (PER, O) nothing is said. */
static bcl_status note_others(bcl_corpus *c) {
    bcl_status status = BCL_OK;
    other_tags o = {0};
    BCL_TRY(find_others(&o, c));
    if (!o.words || (!o.entities && !o.alike && o.words * 10 > o.outside))
        goto out;
    const bcl_span *s = &c->sentences[bcl_corpus_sentence_of(c, o.first)];
    BCL_TRY(bcl_corpus_add_note(c,
                                "%llu words have tags of no scheme (%s%s), the first at %s:%zu; "
                                "--map TAG=O reads a tag as O",
                                (unsigned long long)o.words, o.list.data,
                                o.kinds > 10 ? ", ..." : "", c->files[s->file].path,
                                bcl_corpus_token_line(c, s, o.first)));
out:
    bcl_string_free(&o.list);
    return status;
}

/* Tags that differ by case, or by how Unicode writes them, alone. */
static bcl_status note_equal(bcl_corpus *c) {
    bcl_status status = BCL_OK;
    bcl_names folded = {0};
    utf8proc_uint8_t *text = NULL;
    size_t *first = NULL;
    BCL_NEW(first, c->mapped.names.count);
    for (size_t i = 0; i < c->mapped.names.count; i++) {
        const size_t before = folded.count;
        uint32_t id;
        free(text);
        text = NULL;
        if (utf8proc_map((const utf8proc_uint8_t *)c->mapped.names.items[i], 0, &text,
                         UTF8PROC_NULLTERM | UTF8PROC_STABLE | UTF8PROC_COMPAT | UTF8PROC_COMPOSE |
                             UTF8PROC_CASEFOLD) < 0)
            continue;
        BCL_TRY(bcl_names_intern(&id, &folded, (const char *)text, strlen((const char *)text)));
        if (folded.count > before)
            first[id] = i;
        else if (!c->equal_tags++)
            BCL_TRY(bcl_corpus_add_note(
                c,
                "the tags \"%s\" and \"%s\" differ by capitals or by how characters are written "
                "only, and are two labels; --map A=B makes one of them",
                c->mapped.names.items[first[id]], c->mapped.names.items[i]));
    }
out:
    free(text);
    free(first);
    bcl_names_free(&folded);
    return status;
}

/* What is said of the tags as they are now, instead of what was said before. */
static bcl_status note_tags(bcl_corpus *c) {
    bcl_status status = BCL_OK;
    for (size_t i = 0; i < c->tag_notes; i++)
        free(c->notes[c->tag_note + i]);
    if (c->tag_notes)
        memmove(&c->notes[c->tag_note], &c->notes[c->tag_note + c->tag_notes],
                (c->note_count - c->tag_note - c->tag_notes) * sizeof *c->notes);
    c->note_count -= c->tag_notes;
    c->tag_note = c->note_count;
    c->equal_tags = 0;
    status = note_others(c);
    if (!status)
        status = note_equal(c);
    c->tag_notes = c->note_count - c->tag_note;
    return status;
}

bcl_status bcl_corpus_note_odd(bcl_corpus *c) {
    static const bcl_odd kinds[] = {BCL_ODD_INVISIBLE, BCL_ODD_RECORD, BCL_ODD_CUT_WORD,
                                    BCL_ODD_OVERLAP, BCL_ODD_DISCONTINUOUS};
    bcl_status status = BCL_OK;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        const bcl_odd_line *odd = first_odd(c, kinds[i]);
        if (odd)
            BCL_TRY(bcl_corpus_add_note(c, "%s: %zu, the first at %s:%zu", bcl_odd_name(kinds[i]),
                                        c->odd_totals[kinds[i]], c->files[odd->file].path,
                                        odd->line));
    }
out:
    return status;
}

/* ---- mapping ---- */

typedef struct renumbering {
    bcl_tag_table table; /* in order of appearance */
    uint32_t *ids;       /* (old tags) */
} renumbering;

/* Old tags are numbered by their first word, so taking them in turn numbers the new ones so too. */
static bcl_status renumber(renumbering *new, const bcl_tag_table *old, const bcl_tag_map *map) {
    bcl_status status = BCL_OK;
    BCL_NEW(new->ids, old->names.count);
    for (size_t i = 0; i < old->names.count; i++) {
        BCL_TRY(bcl_tag_table_intern(&new->ids[i], &new->table,
                                     bcl_tag_map_find(map, old->names.items[i]), old->first[i]));
        new->table.totals[new->ids[i]] += old->totals[i];
    }
out:
    return status;
}

bcl_status bcl_corpus_map(bcl_corpus *corpus, const bcl_tag_map *map) {
    bcl_status status = BCL_OK;
    renumbering new = {0};
    const bcl_tag_table *before = corpus->mapped.names.count ? &corpus->mapped : &corpus->raw;
    BCL_TRY(renumber(&new, before, map));
    if (new.table.names.count != before->names.count) /* else every tag keeps its number */
        for (size_t i = 0; i < corpus->token_count; i++)
            corpus->tags[i] = new.ids[corpus->tags[i]];
    const bcl_tag_table old = corpus->mapped;
    corpus->mapped = new.table;
    new.table = old;
    BCL_TRY(note_tags(corpus));
out:
    bcl_tag_table_free(&new.table);
    free(new.ids);
    return status;
}

bool bcl_corpora_are_un_ner(const bcl_corpus *const *corpora, size_t count) {
    static const char *const known[] = {"O", "I-ORG", "I-LOC", "I-MISC", "I-PER"};
    static const char *const stray[] = {"0", "I-", "I-I-MISC", "I-OR", "I-PRG", "VMISC"};
    enum { KNOWN = sizeof known / sizeof *known, STRAY = sizeof stray / sizeof *stray };
    bool seen[STRAY] = {false};
    uint64_t words = 0, strays = 0;
    size_t kinds = 0;
    for (size_t c = 0; c < count; c++)
        for (size_t i = 0; corpora[c] && i < bcl_corpus_raw_tag_count(corpora[c]); i++) {
            const char *tag = bcl_corpus_raw_tag(corpora[c], i);
            const uint64_t total = bcl_corpus_raw_tag_total(corpora[c], i);
            size_t k = 0, s = 0;
            while (k < KNOWN && strcmp(tag, known[k]))
                k++;
            while (s < STRAY && strcmp(tag, stray[s]))
                s++;
            if (k == KNOWN && s == STRAY)
                return false;
            words += total;
            strays += s < STRAY ? total : 0;
            if (s < STRAY && !seen[s]) {
                seen[s] = true;
                kinds++;
            }
        }
    return kinds >= 2 && strays * 500 <= words;
}
