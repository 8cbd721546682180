/* Tags taken apart, entities of a sentence, and the same entities in another scheme. */
#include "data/tags.h"

static bcl_tag_parts take_apart(const char *tag, bool bare) {
    bcl_tag_parts parts = bcl_tag_read(tag);
    if (!parts.prefix && bcl_is_scheme_tag(tag, strlen(tag))) { /* B_PER */
        parts = bcl_tag_read((const char[]){tag[0], '-', 'X', 0});
        parts.type = tag + 2;
    }
    if (!parts.prefix && bare)
        parts.prefix = 'I';
    return parts;
}

static bcl_status refuse(const bcl_corpus *c, size_t tag) {
    const size_t token = c->mapped.first[tag];
    const bcl_span *s = &c->sentences[bcl_corpus_sentence_of(c, token)];
    const char *name = c->mapped.names.items[tag];
    return bcl_fail(BCL_ERROR_FORMAT,
                    "%s:%zu: found the tag \"%s\", which is of no scheme, among others that are; "
                    "map it, say with --map %s=O",
                    c->files[s->file].path, bcl_corpus_token_line(c, s, token), name, name);
}

bcl_status bcl_tag_parts_create(bcl_tag_parts **out, const bcl_corpus *c) {
    bcl_status status = BCL_OK;
    bcl_tag_parts *parts = NULL;
    const size_t n = c->mapped.names.count;
    bool bare = true;
    BCL_NEW(parts, n);
    for (size_t i = 0; i < n; i++) {
        const char *name = c->mapped.names.items[i];
        bare &= !strcmp(name, "O") || !bcl_is_scheme_tag(name, strlen(name));
    }
    for (size_t i = 0; i < n; i++) {
        parts[i] = take_apart(c->mapped.names.items[i], bare);
        if (!parts[i].prefix)
            BCL_TRY(refuse(c, i));
    }
    *out = parts;
    parts = NULL;
out:
    free(parts);
    return status;
}

static bool begins(bcl_tag_parts before, bcl_tag_parts now) {
    return now.prefix == 'B' || now.prefix == 'S' || before.prefix == 'E' || before.prefix == 'S' ||
           strcmp(before.type, now.type);
}

bool bcl_entity_next(bcl_entity *e, const bcl_tag_parts *parts, const uint32_t *tags, size_t n) {
    size_t i = e->end;
    while (i < n && parts[tags[i]].prefix == 'O')
        i++;
    if (i >= n)
        return false;
    e->begin = i;
    e->type = parts[tags[i]].type;
    for (i++; i < n; i++) {
        const bcl_tag_parts before = parts[tags[i - 1]], now = parts[tags[i]];
        if (now.prefix == 'O' || begins(before, now))
            break;
    }
    e->end = i;
    return true;
}

/* The prefix of word k of an entity; `close`: an entity of the same type ends right before it. */
static char prefix_of(bcl_scheme scheme, const bcl_entity *e, size_t k, bool close) {
    const bool first = k == e->begin, last = k + 1 == e->end;
    switch (scheme) {
    case BCL_SCHEME_IOB1:
        return first && close ? 'B' : 'I';
    case BCL_SCHEME_IOB2:
        return first ? 'B' : 'I';
    case BCL_SCHEME_IOBES:
        return first && last ? 'S' : first ? 'B' : last ? 'E' : 'I';
    default:
        return first && last ? 'U' : first ? 'B' : last ? 'L' : 'I';
    }
}

typedef struct scheme_job {
    bcl_corpus *corpus;
    bcl_tag_parts *parts;
    bcl_tag_table table;
    uint32_t (*ids)[6]; /* (old tags): the new tag's number + 1 by prefix, 0: none yet */
    bcl_string name;
} scheme_job;

/* The new tag of word `token`, whose old one gives the type. */
static bcl_status put(scheme_job *j, size_t token, char prefix, const char *type) {
    static const char prefixes[] = "BIESLU";
    bcl_status status = BCL_OK;
    uint32_t *tag = &j->corpus->tags[token], id;
    uint32_t *known =
        prefix == 'O' ? &j->ids[*tag][0] : &j->ids[*tag][strchr(prefixes, prefix) - prefixes];
    if (!*known || prefix == 'O') {
        j->name.size = 0;
        BCL_TRY(prefix == 'O' ? bcl_string_add(&j->name, "O", 1)
                              : bcl_string_addf(&j->name, "%c-%s", prefix, type));
        BCL_TRY(bcl_tag_table_intern(&id, &j->table, j->name.data, token));
        *known = prefix == 'O' ? *known : id + 1;
    } else {
        id = *known - 1;
    }
    j->table.totals[id]++;
    *tag = id;
out:
    return status;
}

static bcl_status convert_sentence(scheme_job *j, bcl_scheme scheme, size_t first, size_t n) {
    bcl_status status = BCL_OK;
    bcl_entity e = {0};
    size_t done = 0;
    const char *before = NULL; /* the type of an entity that ends where the next one begins */
    uint32_t *old = NULL;
    BCL_NEW(old, n);
    memcpy(old, j->corpus->tags + first, n * sizeof *old);
    while (bcl_entity_next(&e, j->parts, old, n)) {
        const bool close = e.begin && done == e.begin && before && !strcmp(before, e.type);
        for (; done < e.begin; done++)
            BCL_TRY(put(j, first + done, 'O', ""));
        for (; done < e.end; done++)
            BCL_TRY(put(j, first + done, prefix_of(scheme, &e, done, close), e.type));
        before = e.type;
    }
    for (; done < n; done++)
        BCL_TRY(put(j, first + done, 'O', ""));
out:
    free(old);
    return status;
}

bcl_status bcl_corpus_set_scheme(bcl_corpus *corpus, bcl_scheme scheme) {
    bcl_status status = BCL_OK;
    scheme_job j = {.corpus = corpus};
    if (scheme != BCL_SCHEME_IOB1 && scheme != BCL_SCHEME_IOB2 && scheme != BCL_SCHEME_IOBES &&
        scheme != BCL_SCHEME_BILOU)
        BCL_FAIL(BCL_ERROR_ARGUMENT, "scheme: found %d, expected IOB1, IOB2, IOBES or BILOU",
                 (int)scheme);
    BCL_TRY(bcl_tag_parts_create(&j.parts, corpus));
    BCL_NEW(j.ids, corpus->mapped.names.count);
    for (size_t i = 0; i < corpus->sentence_count; i++) {
        const size_t first = corpus->sentences[i].first, end = i + 1 < corpus->sentence_count
                                                                   ? corpus->sentences[i + 1].first
                                                                   : corpus->token_count;
        BCL_TRY(convert_sentence(&j, scheme, first, end - first));
    }
    bcl_tag_table old = corpus->mapped;
    corpus->mapped = j.table;
    j.table = old;
out:
    bcl_tag_table_free(&j.table);
    bcl_string_free(&j.name);
    free(j.parts);
    free(j.ids);
    return status;
}
