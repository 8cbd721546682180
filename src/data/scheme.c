/* See scheme.h. Viterbi's algorithm (IEEE Transactions on Information Theory 13, 1967) over rules
 * that look at prefixes and types only, so that a step costs K and not K x K. */
#include "data/scheme.h"

#include <math.h>

bcl_tag_parts bcl_tag_read(const char *tag) {
    static const char letters[] = "BIESLUMW", as[] = "BIESESIS";
    const char *at = *tag ? strchr(letters, *tag) : NULL;
    if (!strcmp(tag, "O"))
        return (bcl_tag_parts){'O', 'O', tag + 1};
    if (!at || tag[1] != '-' || !tag[2])
        return (bcl_tag_parts){0, 0, tag};
    return (bcl_tag_parts){as[at - letters], *tag, tag + 2};
}

/* ---- which scheme ---- */

enum { LETTERS = 6, ONE_IN = 100 };
static const char letter_names[] = "BIESLU";

static int place_of(char letter) {
    const char *at = letter ? strchr(letter_names, letter) : NULL;
    return at ? (int)(at - letter_names) : -1;
}

/* Letters that are evidence, a bit each in the order of letter_names. */
static unsigned gold_letters(const bcl_scheme_evidence *e) {
    uint64_t counts[LETTERS] = {0}, all = 0;
    unsigned found = 0;
    for (size_t k = 0; e->seen && k < e->K; k++) {
        const int place = place_of(bcl_tag_read(e->names[k]).letter);
        if (place >= 0) {
            counts[place] += e->seen[k];
            all += e->seen[k];
        }
    }
    for (int i = 0; i < LETTERS; i++)
        found |= (unsigned)(counts[i] && counts[i] * ONE_IN >= all) << i;
    return found;
}

static unsigned model_letters(const bcl_scheme_evidence *e) {
    size_t types[LETTERS] = {0}, most = 0;
    unsigned found = 0;
    for (size_t k = 0; k < e->model; k++) {
        const int place = place_of(bcl_tag_read(e->names[k]).letter);
        if (place >= 0 && ++types[place] > most)
            most = types[place];
    }
    for (int i = 0; i < LETTERS; i++)
        found |= (unsigned)(types[i] && types[i] * 2 >= most) << i;
    return found;
}

bcl_scheme bcl_scheme_detect(const bcl_scheme_evidence *e) {
    enum { B = 1, I = 2, E = 4, S = 8, L = 16, U = 32 };
    const unsigned found = gold_letters(e) | model_letters(e);
    bool bare = false; /* tags without a prefix */
    for (size_t k = 0; k < e->K; k++)
        bare |= !bcl_tag_read(e->names[k]).prefix && (k < e->model || (e->seen && e->seen[k]));
    if (!found)
        return bare ? BCL_SCHEME_IO : BCL_SCHEME_IOB2;
    if ((found & (E | S)) && (found & (L | U)))
        return BCL_SCHEME_DEFAULT;
    if (found & (L | U))
        return BCL_SCHEME_BILOU;
    if (found & (E | S))
        return found & (B | S) ? BCL_SCHEME_IOBES : BCL_SCHEME_IOE2;
    return found & B && !e->inside_start ? BCL_SCHEME_IOB2 : BCL_SCHEME_IOB1;
}

bcl_scheme bcl_scheme_counted(bcl_scheme found) {
    return found == BCL_SCHEME_IOB1 || found == BCL_SCHEME_IOB2 ? BCL_SCHEME_DEFAULT : found;
}

/* ---- which tag may follow which ---- */

/* A label may stand behind a closed one if it is NEW, behind an open one of its type if it GOES_ON.
 */
enum { NEW = 1, GOES_ON = 2, CLOSED = 4, OPEN = 8 };

static unsigned char rules_of(bcl_scheme scheme, bcl_tag_parts tag) {
    const bool b = tag.prefix == 'B', i = tag.prefix == 'I', e = tag.prefix == 'E';
    if (tag.prefix == 'O' || !tag.prefix)
        return NEW | CLOSED;
    switch (scheme) {
    case BCL_SCHEME_IOBES:
    case BCL_SCHEME_BILOU:
        return (unsigned char)((i || e ? GOES_ON : NEW) | (b || i ? OPEN : CLOSED));
    case BCL_SCHEME_IOE2:
        return (unsigned char)(i ? NEW | GOES_ON | OPEN : NEW | GOES_ON | CLOSED);
    case BCL_SCHEME_IOE1:
        return (unsigned char)(i ? NEW | CLOSED | OPEN : NEW | GOES_ON | OPEN);
    case BCL_SCHEME_IOB1:
        return (unsigned char)(b ? GOES_ON | CLOSED | OPEN : NEW | CLOSED | OPEN);
    case BCL_SCHEME_IOB2:
        return (unsigned char)(b ? NEW | CLOSED | OPEN : GOES_ON | CLOSED | OPEN);
    default:
        return NEW | CLOSED;
    }
}

bcl_status bcl_transitions_create(bcl_transitions *t, bcl_scheme scheme, const char *const *names,
                                  size_t K) {
    bcl_status status = BCL_OK;
    bcl_names types = {0};
    *t = (bcl_transitions){.K = K};
    BCL_NEW(t->rules, K);
    BCL_NEW(t->type, K);
    for (size_t k = 0; k < K; k++) {
        const bcl_tag_parts tag = bcl_tag_read(names[k]);
        t->rules[k] = rules_of(scheme, tag);
        BCL_TRY(bcl_names_intern(&t->type[k], &types, tag.type, strlen(tag.type)));
    }
    t->types = types.count;
    BCL_NEW(t->now, K);
    BCL_NEW(t->next, K);
    BCL_NEW(t->open, t->types);
    BCL_NEW(t->open_at, t->types);
out:
    bcl_names_free(&types);
    if (status)
        bcl_transitions_free(t);
    return status;
}

void bcl_transitions_free(bcl_transitions *t) {
    free(t->rules);
    free(t->type);
    free(t->from);
    free(t->now);
    free(t->next);
    free(t->open);
    free(t->open_at);
    *t = (bcl_transitions){0};
}

bool bcl_transition(const bcl_transitions *t, int32_t a, int32_t b) {
    const unsigned before = a < 0 ? CLOSED : t->rules[a], now = b < 0 ? NEW : t->rules[b];
    return ((before & CLOSED) && (now & NEW)) ||
           (a >= 0 && b >= 0 && (before & OPEN) && (now & GOES_ON) && t->type[a] == t->type[b]);
}

/* The logarithm, finite so that a sequence of unlikely labels is still compared with others. */
static double logarithm(float p) {
    return log(p > 1e-30f ? (double)p : 1e-30);
}

/* The best closed label, and the best open one of each type. */
static uint32_t summarise(bcl_transitions *t) {
    uint32_t closed = UINT32_MAX;
    for (size_t i = 0; i < t->types; i++)
        t->open[i] = -INFINITY;
    for (uint32_t k = 0; k < t->K; k++) {
        if (t->rules[k] & CLOSED && t->now[k] > -INFINITY &&
            (closed == UINT32_MAX || t->now[k] > t->now[closed]))
            closed = k;
        if (t->rules[k] & OPEN && t->now[k] > t->open[t->type[k]]) {
            t->open[t->type[k]] = t->now[k];
            t->open_at[t->type[k]] = k;
        }
    }
    return closed;
}

/* One word further: `next` and where each of it comes from. */
static void advance(bcl_transitions *t, const float *scores, uint32_t *from) {
    const uint32_t closed = summarise(t);
    for (uint32_t k = 0; k < t->K; k++) {
        double best = -INFINITY;
        from[k] = 0;
        if (t->rules[k] & NEW && closed != UINT32_MAX) {
            best = t->now[closed];
            from[k] = closed;
        }
        if (t->rules[k] & GOES_ON && t->open[t->type[k]] > best) {
            best = t->open[t->type[k]];
            from[k] = t->open_at[t->type[k]];
        }
        t->next[k] = best + logarithm(scores[k]);
    }
    double *swap = t->now;
    t->now = t->next;
    t->next = swap;
}

static void take_highest(int32_t *best, const float *scores, size_t n, size_t K) {
    for (size_t i = 0; i < n; i++) {
        best[i] = 0;
        for (size_t k = 1; k < K; k++)
            if (scores[i * K + k] > scores[i * K + (size_t)best[i]])
                best[i] = (int32_t)k;
    }
}

bcl_status bcl_decode(int32_t *best, bcl_transitions *t, const float *scores, size_t n) {
    bcl_status status = BCL_OK;
    const size_t K = t->K;
    size_t cells;
    if (!n)
        return BCL_OK;
    if (!bcl_multiply(&cells, n, K))
        BCL_FAIL(BCL_ERROR_MEMORY, "decode: %zu words of %zu labels are too many", n, K);
    BCL_TRY(bcl_grow(&t->from, &t->from_capacity, cells, sizeof *t->from));
    for (size_t k = 0; k < K; k++)
        t->now[k] = t->rules[k] & NEW ? logarithm(scores[k]) : -INFINITY;
    for (size_t i = 1; i < n; i++)
        advance(t, scores + i * K, t->from + i * K);
    const uint32_t last = summarise(t);
    if (last == UINT32_MAX) /* labels of which no sequence is allowed, such as I alone */
        take_highest(best, scores, n, K);
    else
        best[n - 1] = (int32_t)last;
    for (size_t i = n - 1; last != UINT32_MAX && i; i--)
        best[i - 1] = (int32_t)t->from[i * K + (size_t)best[i]];
out:
    return status;
}
