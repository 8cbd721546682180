/* seqeval's classification report from counts of entities. */
#include "eval/entities.h"

#include <cjson/cJSON.h>

struct bcl_entity_report {
    char **types; /* (count), sorted */
    bcl_scores *scores;
    size_t count;
    bcl_scores micro, macro, weighted;
};

static bcl_scores score(bcl_entity_totals t, double zero_division) {
    double p = t.pred ? (double)t.both / (double)t.pred : zero_division;
    double r = t.gold ? (double)t.both / (double)t.gold : zero_division;
    double sum = p + r;
    return (bcl_scores){p, r, 2 * p * r / (sum == 0 ? 1 : sum), t.gold};
}

typedef struct named {
    const char *name;
    bcl_entity_totals totals;
} named;

static int compare_named(const void *a, const void *b) {
    return strcmp(((const named *)a)->name, ((const named *)b)->name);
}

/* Weighted by gold entities; seqeval's own rule where there are none. */
static bcl_status average(bcl_entity_report *r, bcl_entity_totals all, double zero_division) {
    bcl_status status = BCL_OK;
    r->micro = score(all, zero_division);
    r->macro = r->weighted = (bcl_scores){zero_division, zero_division, zero_division, 0};
    if (!r->count)
        goto out;
    BCL_TRY(bcl_scores_average(&r->macro, r->scores, r->count, false));
    if (all.gold)
        BCL_TRY(bcl_scores_average(&r->weighted, r->scores, r->count, true));
    else
        r->weighted.precision = r->weighted.f1 = all.pred ? 0 : zero_division;
out:
    return status;
}

bcl_status bcl_entity_report_create(bcl_entity_report **out, const bcl_entities *entities,
                                    double zero_division) {
    bcl_status status = BCL_OK;
    bcl_entity_report *r = NULL;
    named *present = NULL;
    char *const *types;
    size_t type_count, count = 0;
    bcl_entity_totals all = {0};
    const bcl_entity_totals *totals = bcl_entities_totals(entities, &types, &type_count);
    if (zero_division != 0 && zero_division != 1)
        BCL_FAIL(BCL_ERROR_ARGUMENT, "entity report: found zero division %g, expected 0 or 1",
                 zero_division);
    BCL_NEW(present, type_count);
    for (size_t i = 0; i < type_count; i++)
        if (totals[i].gold || totals[i].pred)
            present[count++] = (named){types[i], totals[i]};
    qsort(present, count, sizeof *present, compare_named);
    BCL_NEW(r, 1);
    BCL_NEW(r->types, count);
    BCL_NEW(r->scores, count);
    for (; r->count < count; r->count++) {
        const bcl_entity_totals *t = &present[r->count].totals;
        BCL_TRY(bcl_strdup(&r->types[r->count], present[r->count].name));
        r->scores[r->count] = score(*t, zero_division);
        all.gold += t->gold;
        all.pred += t->pred;
        all.both += t->both;
    }
    BCL_TRY(average(r, all, zero_division));
    *out = r;
    r = NULL;
out:
    free(present);
    bcl_entity_report_free(r);
    return status;
}

void bcl_entity_report_free(bcl_entity_report *report) {
    if (!report)
        return;
    bcl_strings_free(report->types, report->count);
    free(report->scores);
    free(report);
}

size_t bcl_entity_report_size(const bcl_entity_report *report) {
    return report->count;
}

const char *bcl_entity_report_type(const bcl_entity_report *report, size_t i) {
    return report->types[i];
}

bcl_scores bcl_entity_report_scores(const bcl_entity_report *report, size_t i) {
    return report->scores[i];
}

bcl_scores bcl_entity_report_micro(const bcl_entity_report *report) {
    return report->micro;
}

bcl_scores bcl_entity_report_macro(const bcl_entity_report *report) {
    return report->macro;
}

bcl_scores bcl_entity_report_weighted(const bcl_entity_report *report) {
    return report->weighted;
}

bcl_status bcl_entity_report_text(char **out, const bcl_entity_report *report, int digits) {
    bcl_status status = BCL_OK;
    bcl_string s = {0};
    if (digits < 0 || digits > 30)
        BCL_FAIL(BCL_ERROR_ARGUMENT, "report: found %d digits, expected 0 to 30", digits);
    size_t width = bcl_report_width(report->types, report->count, digits);
    BCL_TRY(bcl_report_add_header(&s, width));
    for (size_t i = 0; i < report->count; i++)
        BCL_TRY(bcl_report_add_row(&s, report->types[i], width, report->scores[i], digits, false));
    BCL_TRY(bcl_string_add(&s, "\n", 1));
    BCL_TRY(bcl_report_add_row(&s, "micro avg", width, report->micro, digits, false));
    BCL_TRY(bcl_report_add_row(&s, "macro avg", width, report->macro, digits, false));
    BCL_TRY(bcl_report_add_row(&s, "weighted avg", width, report->weighted, digits, false));
    *out = s.data;
    s.data = NULL;
out:
    bcl_string_free(&s);
    return status;
}

bcl_status bcl_entity_report_json(cJSON **out, const bcl_entity_report *report) {
    bcl_status status = BCL_OK;
    cJSON *json = cJSON_CreateObject();
    if (!json)
        BCL_FAIL(BCL_ERROR_MEMORY, "report: out of memory");
    for (size_t i = 0; i < report->count; i++)
        BCL_TRY(bcl_report_add_scores(json, report->types[i], report->scores[i]));
    BCL_TRY(bcl_report_put_scores(json, "micro avg", report->micro));
    BCL_TRY(bcl_report_put_scores(json, "macro avg", report->macro));
    BCL_TRY(bcl_report_put_scores(json, "weighted avg", report->weighted));
    *out = json;
    json = NULL;
out:
    cJSON_Delete(json);
    return status;
}
