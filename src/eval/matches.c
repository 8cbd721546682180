/* Matches of predicted and gold entities as nervaluate 1.2.1 counts them (strategies.py): SemEval
 * 2013 task 9.1's categories, each prediction in turn taking the first gold entity that will do.
 * https://github.com/MantisAI/nervaluate */
#include "eval/matches.h"

typedef bcl_entity_span span;

const char *bcl_match_name(bcl_match match) {
    static const char *const names[] = {"strict", "exact", "partial", "ent_type"};
    return names[match];
}

bcl_status bcl_matches_create(bcl_matches *out, size_t type_count) {
    bcl_status status = BCL_OK;
    *out = (bcl_matches){.type_count = type_count};
    BCL_NEW(out->types, type_count * BCL_MATCH_COUNT);
out:
    return status;
}

void bcl_matches_free(bcl_matches *m) {
    free(m->types);
    free(m->gold);
    free(m->pred);
    free(m->first);
    free(m->taken);
    *m = (bcl_matches){0};
}

/* nervaluate asks for an overlap of 1 % of the gold entity's tokens. */
static bool overlaps(span pred, span gold) {
    if (pred.start > gold.end || pred.end < gold.start)
        return false;
    uint64_t start = pred.start > gold.start ? pred.start : gold.start;
    uint64_t end = pred.end < gold.end ? pred.end : gold.end;
    return (double)(end - start + 1) / (double)(gold.end - gold.start + 1) * 100.0 >= 1.0;
}

static uint64_t distance(span a, span b) {
    return (a.start > b.start ? a.start - b.start : b.start - a.start) +
           (a.end > b.end ? a.end - b.end : b.end - a.end);
}

static size_t first_that_ends_at(const span *gold, size_t n, uint64_t at) {
    size_t low = 0, high = n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (gold[middle].end < at)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

typedef struct choice {
    size_t right, wrong; /* gold entities; SIZE_MAX: none */
} choice;

/* The gold entity that prediction p matches, and the first one that it only overlaps. */
static choice choose(const bcl_matches *m, bcl_match match, span p, const span *gold, size_t n) {
    choice c = {SIZE_MAX, SIZE_MAX};
    uint64_t best = 0;
    for (size_t k = first_that_ends_at(gold, n, p.start); k < n && m->first[k] <= p.end; k++) {
        span g = gold[k];
        bool same = p.start == g.start && p.end == g.end;
        if (m->taken[k])
            continue;
        if (match == BCL_MATCH_TYPE && p.type == g.type && overlaps(p, g)) {
            if (c.right == SIZE_MAX || distance(p, g) < best) {
                c.right = k;
                best = distance(p, g);
            }
            continue;
        }
        if (match != BCL_MATCH_TYPE && same && (match != BCL_MATCH_STRICT || p.type == g.type)) {
            c.right = k;
            break;
        }
        if (c.wrong == SIZE_MAX && overlaps(p, g))
            c.wrong = k;
    }
    return c;
}

static void count(bcl_match_counts *out, bcl_matches *m, bcl_match match,
                  const bcl_entity_view *v) {
    size_t taken = 0;
    memset(m->taken, 0, v->gold_count);
    for (size_t i = 0; i < v->pred_count; i++) {
        choice c = choose(m, match, v->pred[i], v->gold, v->gold_count);
        size_t k = c.right != SIZE_MAX ? c.right : c.wrong;
        if (c.right != SIZE_MAX)
            out->correct++;
        else if (c.wrong == SIZE_MAX)
            out->spurious++;
        else if (match == BCL_MATCH_PARTIAL)
            out->partial++;
        else
            out->incorrect++;
        if (k != SIZE_MAX) {
            m->taken[k] = true;
            taken++;
        }
    }
    out->missing += v->gold_count - taken;
}

static bcl_status count_all(bcl_match_counts *out, bcl_matches *m, const bcl_entity_view *v) {
    bcl_status status = BCL_OK;
    BCL_TRY(bcl_grow(&m->first, &m->first_capacity, v->gold_count + 1, sizeof *m->first));
    BCL_TRY(bcl_grow(&m->taken, &m->taken_capacity, v->gold_count + 1, sizeof *m->taken));
    uint64_t smallest = UINT64_MAX; /* entities of malformed tags may lie within one another */
    for (size_t k = v->gold_count; k--;)
        m->first[k] = smallest = v->gold[k].start < smallest ? v->gold[k].start : smallest;
    for (int match = 0; match < BCL_MATCH_COUNT; match++)
        count(&out[match], m, (bcl_match)match, v);
out:
    return status;
}

static size_t pick(span *out, const span *spans, size_t n, uint32_t type) {
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        if (spans[i].type == type)
            out[count++] = spans[i];
    return count;
}

static bool seen(const span *spans, size_t n, uint32_t type) {
    for (size_t i = 0; i < n; i++)
        if (spans[i].type == type)
            return true;
    return false;
}

/* One type at a time, those of `spans` that are not in `before`. */
static bcl_status count_types(bcl_matches *m, const bcl_entity_view *v, const span *spans, size_t n,
                              const span *before, size_t before_count) {
    bcl_status status = BCL_OK;
    for (size_t i = 0; i < n; i++) {
        uint32_t type = spans[i].type;
        if (seen(spans, i, type) || seen(before, before_count, type))
            continue;
        bcl_entity_view one = {.gold = m->gold, .pred = m->pred};
        one.gold_count = pick(m->gold, v->gold, v->gold_count, type);
        one.pred_count = pick(m->pred, v->pred, v->pred_count, type);
        BCL_TRY(count_all(m->types + (size_t)type * BCL_MATCH_COUNT, m, &one));
    }
out:
    return status;
}

/* Entities that are all right, the usual case, are right in every way. */
static bool all_right(bcl_matches *m, const bcl_entity_view *v) {
    if (v->gold_count != v->pred_count)
        return false;
    for (size_t i = 0; i < v->gold_count; i++)
        if (v->gold[i].start != v->pred[i].start || v->gold[i].end != v->pred[i].end ||
            v->gold[i].type != v->pred[i].type)
            return false;
    for (size_t i = 0; i < v->gold_count; i++)
        for (int match = 0; match < BCL_MATCH_COUNT; match++) {
            m->types[v->gold[i].type * (size_t)BCL_MATCH_COUNT + (size_t)match].correct++;
            m->all[match].correct++;
        }
    return true;
}

/* Only then: entities within one another may be matched otherwise. */
static bool apart(const span *spans, size_t n) {
    for (size_t i = 1; i < n; i++)
        if (spans[i].start <= spans[i - 1].end)
            return false;
    return true;
}

bcl_status bcl_matches_add(bcl_matches *m, const bcl_entity_view *v) {
    bcl_status status = BCL_OK;
    if (apart(v->gold, v->gold_count) && all_right(m, v))
        return BCL_OK;
    BCL_TRY(bcl_grow(&m->gold, &m->gold_capacity, v->gold_count + 1, sizeof *m->gold));
    BCL_TRY(bcl_grow(&m->pred, &m->pred_capacity, v->pred_count + 1, sizeof *m->pred));
    BCL_TRY(count_all(m->all, m, v));
    BCL_TRY(count_types(m, v, v->gold, v->gold_count, NULL, 0));
    BCL_TRY(count_types(m, v, v->pred, v->pred_count, v->gold, v->gold_count));
out:
    return status;
}

bcl_scores bcl_match_scores(bcl_match_counts c, bcl_match match) {
    bool half = match == BCL_MATCH_PARTIAL || match == BCL_MATCH_TYPE;
    double right = (double)c.correct + (half ? 0.5 * (double)c.partial : 0);
    uint64_t found = c.correct + c.incorrect + c.partial + c.spurious;
    uint64_t gold = c.correct + c.incorrect + c.partial + c.missing;
    double p = found ? right / (double)found : 0, r = gold ? right / (double)gold : 0;
    return (bcl_scores){p, r, p + r > 0 ? 2 * (p * r) / (p + r) : 0, gold};
}
