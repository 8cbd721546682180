/* Finds entity errors and groups those that are alike. Knows nothing of how they are shown. */
#include "eval/errors.h"

static bcl_marked mark(bcl_entity_span s, uint64_t base, char *const *types) {
    return (bcl_marked){s.start < base ? 0 : (size_t)(s.start - base), (size_t)(s.end - base) + 1,
                        types[s.type]};
}

static bool same_tokens(bcl_marked a, bcl_marked b) {
    return a.start == b.start && a.end == b.end;
}

static bcl_status add_words(bcl_string *s, bcl_labelled x, bcl_marked m) {
    bcl_status status = BCL_OK;
    for (size_t i = m.start; m.type && i < m.end; i++)
        BCL_TRY(bcl_string_addf(s, "%s ", x.words && x.words[i] ? x.words[i] : "?"));
out:
    return status;
}

static bcl_status add_error(bcl_errors *e, size_t sentence, bcl_error_kind kind,
                            const bcl_marked *gold, const bcl_marked *pred) {
    static const bcl_marked none = {0};
    bcl_status status = BCL_OK;
    bcl_string key = {0};
    bcl_labelled x = bcl_labels_sentence(e->score->labels, sentence);
    bcl_error error = {.kind = kind,
                       .sentence = sentence,
                       .gold = gold ? *gold : none,
                       .pred = pred ? *pred : none};
    BCL_TRY(bcl_string_addf(&key, "%d\n%s\n%s\n", (int)kind, gold ? gold->type : "",
                            pred ? pred->type : ""));
    BCL_TRY(bcl_names_intern(&error.class, &e->classes, key.data, key.size));
    BCL_TRY(add_words(&key, x, error.gold));
    BCL_TRY(bcl_string_add(&key, "\n", 1));
    BCL_TRY(add_words(&key, x, error.pred));
    BCL_TRY(bcl_names_intern(&error.group, &e->keys, key.data, key.size));
    BCL_TRY(bcl_grow(&e->items, &e->capacity, e->count + 1, sizeof *e->items));
    e->items[e->count++] = error;
out:
    bcl_string_free(&key);
    return status;
}

/* How well they go together: 3 same tokens, 2 same type, 1 overlap, 0 nothing. */
static int closeness(bcl_marked gold, bcl_marked pred) {
    if (pred.start >= gold.end || pred.end <= gold.start)
        return 0;
    return same_tokens(gold, pred) ? 3 : !strcmp(gold.type, pred.type) ? 2 : 1;
}

/* Pairs what is right first, then each prediction with the closest gold entity that is left. */
static bcl_status compare(bcl_errors *e, size_t sentence, const bcl_marked *gold, size_t n,
                          const bcl_marked *pred, size_t m, bool *taken) {
    bcl_status status = BCL_OK;
    bool *paired = taken + n;
    memset(taken, 0, n + m);
    for (size_t i = 0, j = 0; i < n && j < m;) { /* ends ascend */
        if (gold[i].end != pred[j].end) {
            gold[i].end < pred[j].end ? i++ : j++;
            continue;
        }
        taken[i] = paired[j] = same_tokens(gold[i], pred[j]) && !strcmp(gold[i].type, pred[j].type);
        e->right += taken[i++];
        j++;
    }
    for (size_t j = 0, from = 0; j < m; j++) {
        size_t best = SIZE_MAX;
        int closest = 0;
        if (paired[j])
            continue;
        while (from && gold[from - 1].end > pred[j].start) /* entities within one another */
            from--;
        while (from < n && gold[from].end <= pred[j].start)
            from++;
        for (size_t i = from; i < n && gold[i].start < pred[j].end; i++)
            if (!taken[i] && closeness(gold[i], pred[j]) > closest) {
                closest = closeness(gold[i], pred[j]);
                best = i;
            }
        if (best == SIZE_MAX) {
            BCL_TRY(add_error(e, sentence, BCL_ENTITY_SPURIOUS, NULL, &pred[j]));
            continue;
        }
        taken[best] = true;
        BCL_TRY(add_error(e, sentence,
                          closest == 3   ? BCL_ENTITY_TYPE
                          : closest == 2 ? BCL_ENTITY_BOUNDARY
                                         : BCL_ENTITY_BOTH,
                          &gold[best], &pred[j]));
    }
    for (size_t i = 0; i < n; i++)
        if (!taken[i])
            BCL_TRY(add_error(e, sentence, BCL_ENTITY_MISSING, &gold[i], NULL));
out:
    return status;
}

static bcl_status keep_marks(bcl_errors *e, size_t sentence, const bcl_entity_view *v,
                             char *const *types) {
    bcl_status status = BCL_OK;
    size_t *g = &e->gold_starts[sentence], *p = &e->pred_starts[sentence];
    BCL_TRY(
        bcl_grow(&e->gold_marks, &e->gold_capacity, *g + v->gold_count + 1, sizeof *e->gold_marks));
    BCL_TRY(
        bcl_grow(&e->pred_marks, &e->pred_capacity, *p + v->pred_count + 1, sizeof *e->pred_marks));
    for (size_t i = 0; i < v->gold_count; i++)
        e->gold_marks[*g + i] = mark(v->gold[i], v->base, types);
    for (size_t i = 0; i < v->pred_count; i++)
        e->pred_marks[*p + i] = mark(v->pred[i], v->base, types);
    g[1] = *g + v->gold_count;
    p[1] = *p + v->pred_count;
    e->gold += v->gold_count;
    e->pred += v->pred_count;
out:
    return status;
}

static bcl_status collect(bcl_errors *e) {
    bcl_status status = BCL_OK;
    const bcl_labels *l = e->score->labels;
    bcl_entities *entities = NULL;
    bool *taken = NULL;
    size_t taken_capacity = 0, type_count;
    char *const *types;
    BCL_TRY(bcl_entities_create(&entities, (const char *const *)l->names.items, l->names.count,
                                NULL, bcl_score_scheme(e->score)));
    bcl_entities_totals(e->score->entities, &types, &type_count); /* the same, but it lives on */
    BCL_NEW(e->gold_starts, l->count + 1);
    BCL_NEW(e->pred_starts, l->count + 1);
    for (size_t s = 0; s < l->count; s++) {
        bcl_labelled x = bcl_labels_sentence(l, s);
        size_t before = e->count;
        BCL_TRY(bcl_entities_add(entities, x.gold, x.pred, x.size));
        bcl_entity_view v = bcl_entities_view(entities);
        BCL_TRY(keep_marks(e, s, &v, types));
        BCL_TRY(bcl_grow(&taken, &taken_capacity, v.gold_count + v.pred_count + 1, sizeof *taken));
        BCL_TRY(compare(e, s, e->gold_marks + e->gold_starts[s], v.gold_count,
                        e->pred_marks + e->pred_starts[s], v.pred_count, taken));
        e->sentences += e->count > before;
    }
out:
    bcl_entities_free(entities);
    free(taken);
    return status;
}

/* ---- grouping ---- */

static int compare_groups(const void *a, const void *b) {
    const bcl_error_group *x = a, *y = b;
    if (x->count != y->count)
        return x->count > y->count ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id; /* the one that was seen first */
}

static bcl_status group(bcl_errors *e) {
    bcl_status status = BCL_OK;
    bcl_error *sorted = NULL;
    size_t *next = NULL;
    BCL_NEW(e->groups, e->keys.count);
    BCL_NEW(e->kinds, e->classes.count);
    BCL_NEW(sorted, e->count);
    BCL_NEW(next, e->keys.count + 1);
    for (size_t i = 0; i < e->count; i++) {
        e->groups[e->items[i].group].count++;
        e->kinds[e->items[i].class].count++;
    }
    for (size_t k = 0, at = 0; k < e->keys.count; k++) {
        e->groups[k].id = (uint32_t)k;
        e->groups[k].first = next[k] = at;
        at += e->groups[k].count;
    }
    for (size_t i = 0; i < e->count; i++)
        sorted[next[e->items[i].group]++] = e->items[i];
    free(e->items);
    e->items = sorted;
    sorted = NULL;
    for (size_t i = e->count; i--;)
        e->kinds[e->items[i].class].first = i;
    for (size_t k = 0; k < e->classes.count; k++)
        e->kinds[k].id = (uint32_t)k;
    qsort(e->groups, e->keys.count, sizeof *e->groups, compare_groups);
    qsort(e->kinds, e->classes.count, sizeof *e->kinds, compare_groups);
out:
    free(sorted);
    free(next);
    return status;
}

bcl_status bcl_errors_create(bcl_errors **out, const bcl_score *score) {
    bcl_status status = BCL_OK;
    bcl_errors *e = NULL;
    BCL_NEW(e, 1);
    e->score = score;
    BCL_TRY(collect(e));
    BCL_TRY(group(e));
    *out = e;
    e = NULL;
out:
    bcl_errors_free(e);
    return status;
}

void bcl_errors_free(bcl_errors *e) {
    if (!e)
        return;
    bcl_names_free(&e->keys);
    bcl_names_free(&e->classes);
    free(e->items);
    free(e->groups);
    free(e->kinds);
    free(e->gold_marks);
    free(e->pred_marks);
    free(e->gold_starts);
    free(e->pred_starts);
    free(e);
}

size_t bcl_errors_count(const bcl_errors *errors) {
    return errors->count;
}
