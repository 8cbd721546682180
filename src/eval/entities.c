/* Entities from tags as seqeval 1.2.2 finds them: its default mode, which is conlleval's, and its
 * strict schemes; and how many of each type gold and prediction have in common. */
#include "data/data.h"
#include "eval/entities.h"

static const char LETTERS[] = "IOBESUL"; /* in the order of P_... */
enum { PLACE_O = 1, PREFIXES = 7 };
enum { P_I = 1, P_O = 2, P_B = 4, P_E = 8, P_S = 16, P_U = 32, P_L = 64, P_ANY = 127 };
enum { SAME = 1, DIFF = 2, EITHER = 3 };

/* "a previous prefix among these, a current among those, types equal or not": seqeval/scheme.py */
typedef struct pattern {
    unsigned char prev, current, types;
} pattern;

typedef struct grammar {
    const char *name;
    unsigned allowed;
    pattern start[7], inside[5], end[7]; /* each ends with zeros */
} grammar;

static const grammar grammars[] = {
    [BCL_SCHEME_DEFAULT] = {.name = "default"},
    [BCL_SCHEME_AUTO] = {.name = "auto"},
    [BCL_SCHEME_IOB1] = {"IOB1",
                         P_I | P_O | P_B,
                         {{P_O, P_I, EITHER},
                          {P_I, P_I, DIFF},
                          {P_B, P_I, EITHER},
                          {P_I, P_B, SAME},
                          {P_B, P_B, SAME}},
                         {{P_B, P_I, SAME}, {P_I, P_I, SAME}},
                         {{P_I, P_I, DIFF},
                          {P_I, P_O, EITHER},
                          {P_I, P_B, EITHER},
                          {P_B, P_O, EITHER},
                          {P_B, P_I, DIFF},
                          {P_B, P_B, SAME}}},
    [BCL_SCHEME_IOB2] = {"IOB2",
                         P_I | P_O | P_B,
                         {{P_ANY, P_B, EITHER}},
                         {{P_B, P_I, SAME}, {P_I, P_I, SAME}},
                         {{P_I, P_O, EITHER},
                          {P_I, P_I, DIFF},
                          {P_I, P_B, EITHER},
                          {P_B, P_O, EITHER},
                          {P_B, P_I, DIFF},
                          {P_B, P_B, EITHER}}},
    [BCL_SCHEME_IOE1] =
        {"IOE1",
         P_I | P_O | P_E,
         {{P_O, P_I, EITHER}, {P_I, P_I, DIFF}, {P_E, P_I, EITHER}, {P_E, P_E, SAME}},
         {{P_I, P_I, SAME}, {P_I, P_E, SAME}},
         {{P_I, P_I, DIFF},
          {P_I, P_O, EITHER},
          {P_I, P_E, DIFF},
          {P_E, P_I, SAME},
          {P_E, P_E, SAME}}},
    [BCL_SCHEME_IOE2] = {"IOE2",
                         P_I | P_O | P_E,
                         {{P_O, P_I, EITHER},
                          {P_O, P_E, EITHER},
                          {P_E, P_I, EITHER},
                          {P_E, P_E, EITHER},
                          {P_I, P_I, DIFF},
                          {P_I, P_E, DIFF}},
                         {{P_I, P_E, SAME}, {P_I, P_I, SAME}},
                         {{P_E, P_ANY, EITHER}}},
    [BCL_SCHEME_IOBES] = {"IOBES",
                          P_I | P_O | P_B | P_E | P_S,
                          {{P_ANY, P_B, EITHER}, {P_ANY, P_S, EITHER}},
                          {{P_B, P_I, SAME}, {P_B, P_E, SAME}, {P_I, P_I, SAME}, {P_I, P_E, SAME}},
                          {{P_S, P_ANY, EITHER}, {P_E, P_ANY, EITHER}}},
    [BCL_SCHEME_BILOU] = {"BILOU",
                          P_B | P_I | P_L | P_O | P_U,
                          {{P_ANY, P_B, EITHER}, {P_ANY, P_U, EITHER}},
                          {{P_B, P_I, SAME}, {P_B, P_L, SAME}, {P_I, P_I, SAME}, {P_I, P_L, SAME}},
                          {{P_U, P_ANY, EITHER}, {P_L, P_ANY, EITHER}}},
    [BCL_SCHEME_IO] = {.name = "IO"},
};
#define SCHEMES (sizeof grammars / sizeof *grammars)

/* Scanned as conlleval does. */
static bool is_lenient(bcl_scheme scheme) {
    return scheme == BCL_SCHEME_DEFAULT || scheme == BCL_SCHEME_IO;
}

enum { STARTS = 1, GOES_ON = 2, ENDS = 4 }; /* of an entity between two tags */

typedef struct tag {
    unsigned prefix; /* strict: place in LETTERS; default: the first character, any beyond ASCII as
                      * 0x80 */
    uint32_t type;
    bool invalid;
} tag;

typedef bcl_entity_span span;

/* seqeval's default mode joins all sentences with an O between them; so its state lives on. */
typedef struct scanner {
    span *spans; /* of the sentence at hand, ends ascending */
    size_t count, capacity;
    tag prev;
    uint64_t begin, at;
} scanner;

struct bcl_entities {
    bcl_scheme scheme;
    size_t k;
    tag *tags; /* (K) */
    tag outside;
    unsigned char moves[PREFIXES][PREFIXES][2]; /* strict: by two prefixes, types equal or not */
    bcl_names types;
    bcl_entity_totals *totals; /* (types) */
    scanner gold, pred;
    uint64_t base, invalid;
};

const char *bcl_scheme_name(bcl_scheme scheme) {
    return grammars[scheme].name;
}

bcl_status bcl_scheme_find(bcl_scheme *out, const char *name) {
    for (size_t i = 0; i < SCHEMES; i++)
        if (!strcmp(grammars[i].name, name)) {
            *out = (bcl_scheme)i;
            return BCL_OK;
        }
    return bcl_fail(BCL_ERROR_ARGUMENT,
                    "scheme: found \"%s\", expected default, auto, IOB1, IOB2, IOE1, IOE2, "
                    "IOBES, BILOU or IO",
                    name);
}

/* ---- tags ---- */

/* Its place in LETTERS, PREFIXES for another character. */
static unsigned place_of(char c) {
    unsigned place = 0;
    while (place < PREFIXES && LETTERS[place] != c)
        place++;
    return place;
}

/* P_... of a letter, 0 of another */
static unsigned strict_prefix(char c) {
    return (1u << place_of(c)) & P_ANY;
}

static size_t first_character(const char *name) {
    size_t n = *name != 0;
    while (((unsigned char)name[n] & 0xC0) == 0x80)
        n++;
    return n;
}

static bcl_status parse_tag(tag *out, bcl_entities *e, const char *name) {
    bool strict = !is_lenient(e->scheme);
    const char *type = name + first_character(name), *dash = strchr(type, '-');
    size_t n;
    *out = (tag){0};
    if (e->scheme == BCL_SCHEME_IO) { /* all of it, or what stands behind "I-" */
        out->prefix = !strcmp(name, "O") ? 'O' : 'I';
        type = name + (name[0] == 'I' && name[1] == '-' && name[2] ? 2 : 0);
        n = strlen(type);
    } else if (strict) { /* the dashes at both ends fall away */
        type += strspn(type, "-");
        for (n = strlen(type); n && type[n - 1] == '-';)
            n--;
        if (!(strict_prefix(*name) & grammars[e->scheme].allowed)) {
            *out = (tag){.prefix = PLACE_O, .type = e->outside.type, .invalid = true};
            return BCL_OK;
        }
        out->prefix = place_of(*name);
    } else { /* what stands behind the first dash, or all if there is none */
        out->prefix = (unsigned char)*name < 0x80 ? (unsigned char)*name : 0x80;
        if (dash)
            type = dash + 1;
        n = strlen(type);
    }
    return bcl_names_intern(&out->type, &e->types, n ? type : "_", n ? n : 1);
}

/* seqeval's auto_detect: the sets of prefixes of its four schemes. Where it raises: I alone is
 * IOB1; prefixes of no scheme are not looked at, and a mixture goes to the scheme with its letters.
 */
static bcl_scheme detect(const char *const *names, size_t k, const bool *used) {
    static const unsigned char iobes[] = {P_I | P_B | P_E | P_S, P_I | P_B | P_E, P_B | P_E | P_S,
                                          P_B | P_E, 0};
    static const unsigned char bilou[] = {P_I | P_B | P_L | P_U, P_I | P_B | P_L, P_B | P_L | P_U,
                                          P_B | P_L, 0};
    unsigned found = 0;
    for (size_t i = 0; i < k; i++)
        if (!used || used[i])
            found |= strict_prefix(*names[i]);
    unsigned rest = found & ~(unsigned)P_O;
    for (size_t i = 0; iobes[i]; i++)
        if (rest == iobes[i] || rest == bilou[i])
            return rest == iobes[i] ? BCL_SCHEME_IOBES : BCL_SCHEME_BILOU;
    if (rest == P_B || rest == (P_I | P_B))
        return BCL_SCHEME_IOB2;
    if (rest == P_E || rest == (P_I | P_E))
        return BCL_SCHEME_IOE2;
    if (rest & (P_L | P_U))
        return rest & (P_E | P_S) ? BCL_SCHEME_IOBES : BCL_SCHEME_BILOU;
    return rest & (P_E | P_S) ? BCL_SCHEME_IOBES : BCL_SCHEME_IOB1;
}

static bool matches(const pattern *p, unsigned prev, unsigned now, unsigned types) {
    for (; p->prev; p++)
        if ((p->prev & prev) && (p->current & now) && (p->types & types))
            return true;
    return false;
}

/* What the grammar says of every two prefixes, looked up instead of matched a million times. */
static void make_moves(bcl_entities *e) {
    const grammar *g = &grammars[e->scheme];
    for (size_t a = 0; a < PREFIXES; a++)
        for (size_t b = 0; b < PREFIXES; b++)
            for (unsigned types = SAME; types <= DIFF; types++) {
                const unsigned prev = 1u << a, now = 1u << b;
                e->moves[a][b][types - SAME] =
                    (unsigned char)((matches(g->start, prev, now, types) ? STARTS : 0) |
                                    (matches(g->inside, prev, now, types) ? GOES_ON : 0) |
                                    (matches(g->end, prev, now, types) ? ENDS : 0));
            }
}

bcl_status bcl_entities_create(bcl_entities **out, const char *const *names, size_t k,
                               const bool *used, bcl_scheme scheme) {
    bcl_status status = BCL_OK;
    bcl_entities *e = NULL;
    BCL_NEW(e, 1);
    e->scheme = scheme;
    e->k = k;
    if (scheme == BCL_SCHEME_AUTO)
        e->scheme = detect(names, k, used);
    BCL_NEW(e->tags, k);
    BCL_TRY(parse_tag(&e->outside, e, "O"));
    for (size_t i = 0; i < k; i++)
        BCL_TRY(parse_tag(&e->tags[i], e, names[i]));
    BCL_NEW(e->totals, e->types.count);
    if (!is_lenient(e->scheme))
        make_moves(e);
    /* Before the first token stands an O whose type is no type, not even that of O. */
    e->gold.prev = e->pred.prev = (tag){.prefix = 'O', .type = UINT32_MAX};
    *out = e;
    e = NULL;
out:
    bcl_entities_free(e);
    return status;
}

void bcl_entities_free(bcl_entities *entities) {
    if (!entities)
        return;
    free(entities->tags);
    free(entities->totals);
    free(entities->gold.spans);
    free(entities->pred.spans);
    bcl_names_free(&entities->types);
    free(entities);
}

bcl_scheme bcl_entities_scheme(const bcl_entities *entities) {
    return entities->scheme;
}

uint64_t bcl_entities_invalid(const bcl_entities *entities) {
    return entities->invalid;
}

const bcl_entity_totals *bcl_entities_totals(const bcl_entities *entities, char *const **types,
                                             size_t *count) {
    *types = entities->types.items;
    *count = entities->types.count;
    return entities->totals;
}

size_t bcl_entities_type(const bcl_entities *e, const char *type) {
    return bcl_names_find(&e->types, type, strlen(type));
}

bcl_entity_view bcl_entities_view(const bcl_entities *e) {
    return (bcl_entity_view){e->gold.spans, e->pred.spans, e->gold.count, e->pred.count, e->base};
}

/* ---- finding spans ---- */

static bcl_status add_span(scanner *s, uint64_t start, uint64_t end, uint32_t type) {
    bcl_status status = bcl_grow(&s->spans, &s->capacity, s->count + 1, sizeof *s->spans);
    if (!status)
        s->spans[s->count++] = (span){start, end, type};
    return status;
}

static bool among(unsigned c, const char *letters) {
    return c && c < 0x80 && strchr(letters, (int)c);
}

/* conlleval's endOfChunk and startOfChunk, as seqeval has them. */
static bool chunk_ends(tag prev, tag now) {
    return among(prev.prefix, "ES") || (among(prev.prefix, "BI") && among(now.prefix, "BSO")) ||
           (!among(prev.prefix, "O.") && prev.type != now.type);
}

static bool chunk_starts(tag prev, tag now) {
    return among(now.prefix, "BS") || (among(prev.prefix, "ESO") && among(now.prefix, "EI")) ||
           (!among(now.prefix, "O.") && prev.type != now.type);
}

static bcl_status scan_default(scanner *s, const bcl_entities *e, const int32_t *ids, size_t n) {
    bcl_status status = BCL_OK;
    s->count = 0;
    for (size_t i = 0; i <= n; i++, s->at++) {
        tag now = i < n ? e->tags[ids[i]] : e->outside;
        if (chunk_ends(s->prev, now))
            BCL_TRY(add_span(s, s->begin, s->at - 1, s->prev.type));
        if (chunk_starts(s->prev, now))
            s->begin = s->at;
        s->prev = now;
    }
out:
    return status;
}

static unsigned move(const bcl_entities *e, tag prev, tag now) {
    return e->moves[prev.prefix][now.prefix][prev.type != now.type];
}

static bcl_status scan_strict(scanner *s, const bcl_entities *e, const int32_t *ids, size_t n) {
    bcl_status status = BCL_OK;
    tag prev = e->outside;
    s->count = 0;
    for (size_t i = 0; i < n;) {
        tag first = e->tags[ids[i]], last = first;
        size_t end = i + 1;
        if (move(e, prev, first) & STARTS) {
            tag now = e->outside;
            while (end < n && (move(e, last, now = e->tags[ids[end]]) & GOES_ON)) {
                last = now;
                end++;
            }
            if (move(e, last, end < n ? now : e->outside) & ENDS)
                BCL_TRY(add_span(s, i, end - 1, first.type));
        }
        i = end;
        prev = last;
    }
out:
    return status;
}

bcl_status bcl_entities_add(bcl_entities *entities, const int32_t *gold, const int32_t *pred,
                            size_t n) {
    bcl_status status = BCL_OK;
    bcl_entities *e = entities;
    for (size_t i = 0; i < n; i++) {
        if (gold[i] < 0 || (size_t)gold[i] >= e->k || pred[i] < 0 || (size_t)pred[i] >= e->k)
            BCL_FAIL(BCL_ERROR_ARGUMENT, "entities: found tag ids %d and %d, expected 0 to %zu",
                     gold[i], pred[i], e->k - 1);
        e->invalid += e->tags[gold[i]].invalid;
        e->invalid += e->tags[pred[i]].invalid;
    }
    e->base = e->gold.at;
    if (is_lenient(e->scheme)) {
        BCL_TRY(scan_default(&e->gold, e, gold, n));
        BCL_TRY(scan_default(&e->pred, e, pred, n));
    } else {
        BCL_TRY(scan_strict(&e->gold, e, gold, n));
        BCL_TRY(scan_strict(&e->pred, e, pred, n));
    }
    const span *a = e->gold.spans, *b = e->pred.spans;
    for (size_t i = 0; i < e->gold.count; i++)
        e->totals[a[i].type].gold++;
    for (size_t j = 0; j < e->pred.count; j++)
        e->totals[b[j].type].pred++;
    for (size_t i = 0, j = 0; i < e->gold.count && j < e->pred.count;) {
        if (a[i].end != b[j].end) {
            a[i].end < b[j].end ? i++ : j++;
            continue;
        }
        if (a[i].start == b[j].start && a[i].type == b[j].type)
            e->totals[a[i].type].both++;
        i++, j++;
    }
out:
    return status;
}
