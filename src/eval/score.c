/* Everything that is counted of labelled sentences, and its JSON. */
#include "eval/report.h"
#include "eval/score.h"
#include "util/printable.h"

#include <cjson/cJSON.h>

double bcl_entity_zero_division(double zero_division) {
    return zero_division == 0 ? 0 : 1;
}

/* ---- counting ---- */

static bcl_status make_entities(bcl_score *s) {
    bcl_status status = BCL_OK;
    const bcl_labels *l = s->labels;
    bool *used = NULL;
    BCL_NEW(used, l->names.count);
    for (size_t i = 0; i < l->tokens; i++)
        used[l->gold[i]] = true;
    BCL_TRY(bcl_entities_create(&s->entities, (const char *const *)l->names.items, l->names.count,
                                used, s->options.scheme));
out:
    free(used);
    return status;
}

static bcl_status count(bcl_score *s) {
    bcl_status status = BCL_OK;
    char *const *types;
    size_t type_count;
    const bcl_entity_totals *totals = bcl_entities_totals(s->entities, &types, &type_count);
    if (s->options.by_sentence)
        BCL_TRY(bcl_rows_create(&s->rows, s->labels->count, type_count, s->reported->names.count));
    if (s->options.matches)
        BCL_TRY(bcl_matches_create(&s->matches, type_count));
    for (size_t i = 0; i < s->labels->count; i++) {
        const bcl_labelled x = bcl_labels_sentence(s->labels, i);
        const bcl_labelled reported = bcl_labels_sentence(s->reported, i);
        BCL_TRY(bcl_entities_add(s->entities, x.gold, x.pred, x.size));
        const bcl_entity_view view = bcl_entities_view(s->entities);
        if (s->options.by_sentence)
            BCL_TRY(bcl_rows_add(&s->rows, &reported, &view, totals));
        if (s->options.matches)
            BCL_TRY(bcl_matches_add(&s->matches, &view));
    }
out:
    return status;
}

bcl_status bcl_score_create(bcl_score **out, const bcl_labels *labels,
                            const bcl_score_options *options) {
    bcl_status status = BCL_OK;
    bcl_score *s = NULL;
    const bcl_labels *reported = options->report ? options->report : labels;
    if (!reported->tokens)
        BCL_FAIL(BCL_ERROR_ARGUMENT, "score: found no token, expected at least one");
    if (reported->count != labels->count)
        BCL_FAIL(BCL_ERROR_ARGUMENT, "score: found %zu and %zu sentences, expected the same number",
                 reported->count, labels->count);
    BCL_NEW(s, 1);
    s->labels = labels;
    s->reported = reported;
    s->options = *options;
    BCL_TRY(bcl_counts_create(&s->counts, (const char *const *)reported->names.items,
                              reported->names.count));
    BCL_TRY(bcl_counts_add(s->counts, reported->gold, reported->pred, reported->tokens));
    BCL_TRY(bcl_report_create(&s->report, s->counts, options->zero_division));
    BCL_TRY(make_entities(s));
    BCL_TRY(count(s));
    BCL_TRY(bcl_entity_report_create(&s->entity_report, s->entities,
                                     bcl_entity_zero_division(options->zero_division)));
    *out = s;
    s = NULL;
out:
    bcl_score_free(s);
    return status;
}

void bcl_score_free(bcl_score *score) {
    if (!score)
        return;
    bcl_counts_free(score->counts);
    bcl_report_free(score->report);
    bcl_entities_free(score->entities);
    bcl_entity_report_free(score->entity_report);
    bcl_matches_free(&score->matches);
    bcl_rows_free(&score->rows);
    free(score);
}

/* ---- reading ---- */

const bcl_report *bcl_score_report(const bcl_score *score) {
    return score->report;
}

const bcl_entity_report *bcl_score_entities(const bcl_score *score) {
    return score->entity_report;
}

bcl_entity_report *bcl_score_take_entities(bcl_score *score) {
    bcl_entity_report *report = score->entity_report;
    score->entity_report = NULL;
    return report;
}

bcl_scheme bcl_score_scheme(const bcl_score *score) {
    return bcl_entities_scheme(score->entities);
}

uint64_t bcl_score_unknown_tags(const bcl_score *score) {
    return bcl_entities_invalid(score->entities);
}

bcl_match_counts bcl_score_matches(const bcl_score *score, bcl_match match, const char *type) {
    const size_t i = type ? bcl_entities_type(score->entities, type) : SIZE_MAX;
    if (!type)
        return score->matches.all[match];
    return i == SIZE_MAX || !score->matches.types
               ? (bcl_match_counts){0}
               : score->matches.types[i * BCL_MATCH_COUNT + (size_t)match];
}

/* ---- JSON ---- */

static bcl_status add_number(cJSON *object, const char *key, double x) {
    return bcl_report_put(object, key, cJSON_CreateNumber(x));
}

static bcl_status add_object(cJSON **out, cJSON *object, const char *key) {
    *out = cJSON_CreateObject();
    return bcl_report_put(object, key, *out);
}

static bcl_status counts_json(cJSON *json, const bcl_score *s) {
    bcl_status status = BCL_OK;
    cJSON *counts, *entities;
    char *const *types;
    size_t n;
    bcl_entity_totals all = {0};
    const bcl_entity_totals *totals = bcl_entities_totals(s->entities, &types, &n);
    for (size_t i = 0; i < n; i++) {
        all.gold += totals[i].gold;
        all.pred += totals[i].pred;
        all.both += totals[i].both;
    }
    uint64_t right = 0;
    size_t cell_count;
    const bcl_confused *cells = bcl_report_confusion(s->report, &cell_count);
    for (size_t i = 0; i < cell_count; i++)
        right += cells[i].gold == cells[i].pred ? cells[i].count : 0;
    BCL_TRY(add_object(&counts, json, "counts"));
    BCL_TRY(add_number(counts, "sentences", (double)s->labels->count));
    BCL_TRY(add_number(counts, "tokens", (double)s->reported->tokens));
    BCL_TRY(add_number(counts, "correct", (double)right));
    BCL_TRY(add_object(&entities, counts, "entities"));
    BCL_TRY(add_number(entities, "gold", (double)all.gold));
    BCL_TRY(add_number(entities, "predicted", (double)all.pred));
    BCL_TRY(add_number(entities, "correct", (double)all.both));
    BCL_TRY(add_number(counts, "unknown_tags", (double)bcl_score_unknown_tags(s)));
    BCL_TRY(add_number(counts, "left_out", (double)s->labels->left_out));
out:
    return status;
}

static bcl_status match_json(cJSON *object, const bcl_match_counts *counts) {
    bcl_status status = BCL_OK;
    for (int m = 0; m < BCL_MATCH_COUNT; m++) {
        cJSON *item;
        const bcl_match_counts *c = &counts[m];
        bcl_scores x = bcl_match_scores(*c, (bcl_match)m);
        BCL_TRY(add_object(&item, object, bcl_match_name((bcl_match)m)));
        BCL_TRY(add_number(item, "correct", (double)c->correct));
        BCL_TRY(add_number(item, "incorrect", (double)c->incorrect));
        BCL_TRY(add_number(item, "partial", (double)c->partial));
        BCL_TRY(add_number(item, "missing", (double)c->missing));
        BCL_TRY(add_number(item, "spurious", (double)c->spurious));
        BCL_TRY(add_number(item, "possible", (double)x.support));
        BCL_TRY(add_number(item, "actual",
                           (double)(c->correct + c->incorrect + c->partial + c->spurious)));
        BCL_TRY(add_number(item, "precision", x.precision));
        BCL_TRY(add_number(item, "recall", x.recall));
        BCL_TRY(add_number(item, "f1", x.f1));
    }
out:
    return status;
}

/* The types of the entity report, in its order. */
static bcl_status matches_json(cJSON *json, const bcl_score *s) {
    bcl_status status = BCL_OK;
    cJSON *matches, *item, *types;
    bcl_match_counts counts[BCL_MATCH_COUNT];
    BCL_TRY(add_object(&matches, json, "matches"));
    BCL_TRY(add_object(&item, matches, "overall"));
    BCL_TRY(match_json(item, s->matches.all));
    BCL_TRY(add_object(&types, matches, "entities"));
    for (size_t i = 0; i < bcl_entity_report_size(s->entity_report); i++) {
        const char *type = bcl_entity_report_type(s->entity_report, i);
        for (int m = 0; m < BCL_MATCH_COUNT; m++)
            counts[m] = bcl_score_matches(s, (bcl_match)m, type);
        if (!(item = cJSON_AddObjectToObject(types, type))) /* a new key: no look-up */
            BCL_FAIL(BCL_ERROR_MEMORY, "score: out of memory");
        BCL_TRY(match_json(item, counts));
    }
out:
    return status;
}

bcl_status bcl_score_json(cJSON **out, const bcl_score *s) {
    bcl_status status = BCL_OK;
    cJSON *json = cJSON_CreateObject(), *item = NULL;
    bool strict = bcl_score_scheme(s) != BCL_SCHEME_DEFAULT && bcl_score_scheme(s) != BCL_SCHEME_IO;
    BCL_TRY(add_number(json, "accuracy", bcl_report_accuracy(s->report)));
    BCL_TRY(bcl_report_json(&item, s->report));
    BCL_TRY(bcl_report_put(json, "report", item));
    BCL_TRY(bcl_entity_report_json(&item, s->entity_report));
    BCL_TRY(bcl_report_put(json, "entities", item));
    BCL_TRY(bcl_report_put(json, "mode", cJSON_CreateString(strict ? "strict" : "default")));
    BCL_TRY(bcl_report_put(json, "scheme",
                           strict ? cJSON_CreateString(bcl_scheme_name(bcl_score_scheme(s)))
                                  : cJSON_CreateNull()));
    BCL_TRY(bcl_report_confusion_json(&item, s->report));
    BCL_TRY(bcl_report_put(json, "confusion", item));
    BCL_TRY(counts_json(json, s));
    if (s->options.matches)
        BCL_TRY(matches_json(json, s));
    *out = json;
    json = NULL;
out:
    cJSON_Delete(json);
    return status;
}

/* ---- text ---- */

static bcl_status matches_row(bcl_string *out, const char *name, const char *kind,
                              bcl_match_counts c, bcl_match match, int digits) {
    char shown[256];
    bcl_scores x = bcl_match_scores(c, match);
    return bcl_string_addf(out, "%-16s %-9s %9llu %9llu %9llu %9llu %9llu  %9.*f %9.*f %9.*f\n",
                           bcl_printable(shown, sizeof shown, name), kind,
                           (unsigned long long)c.correct, (unsigned long long)c.incorrect,
                           (unsigned long long)c.partial, (unsigned long long)c.missing,
                           (unsigned long long)c.spurious, digits, x.precision, digits, x.recall,
                           digits, x.f1);
}

bcl_status bcl_score_matches_text(char **out, const bcl_score *s, int digits) {
    bcl_status status = BCL_OK;
    bcl_string text = {0};
    BCL_TRY(bcl_string_addf(&text, "%-16s %-9s %9s %9s %9s %9s %9s  %9s %9s %9s\n", "type", "match",
                            "correct", "incorrect", "partial", "missing", "spurious", "precision",
                            "recall", "f1"));
    for (int m = 0; m < BCL_MATCH_COUNT; m++)
        BCL_TRY(matches_row(&text, "all", bcl_match_name((bcl_match)m), s->matches.all[m],
                            (bcl_match)m, digits));
    for (size_t i = 0; i < bcl_entity_report_size(s->entity_report); i++) {
        const char *type = bcl_entity_report_type(s->entity_report, i);
        for (int m = 0; m < BCL_MATCH_COUNT; m++)
            BCL_TRY(matches_row(&text, type, bcl_match_name((bcl_match)m),
                                bcl_score_matches(s, (bcl_match)m, type), (bcl_match)m, digits));
    }
    *out = text.data;
    text.data = NULL;
out:
    bcl_string_free(&text);
    return status;
}
