/* What bertcl eval prints: one result in full, or a table of several. */
#include "cli/eval_command.h"

#include "eval/report.h"
#include "util/printable.h"

#include <cjson/cJSON.h>

/* ---- one result ---- */

/* Puts every item of `from` into `into`, in place of one of that name. Empties `from`. */
static bcl_status merge(cJSON *into, cJSON *from) {
    bcl_status status = BCL_OK;
    while (from->child) {
        cJSON *item = cJSON_DetachItemViaPointer(from, from->child);
        char *key = item->string;
        item->string = NULL;
        status = bcl_report_put(into, key, item);
        cJSON_free(key);
        if (status)
            return status;
    }
    return status;
}

const char *eval_level(const eval_options *o, const eval_result *r) {
    return o->level ? o->level : r->has_evaluation ? "word" : NULL;
}

const char *eval_scheme_text(char out[BCL_SCHEME_TEXT], const eval_result *r) {
    const bool lenient = r->counted == BCL_SCHEME_DEFAULT || r->counted == BCL_SCHEME_IO;
    return bcl_scheme_text(out, lenient ? r->found : r->counted, r->counted);
}

/* What a model's accuracy and report are of. */
static const char *report_level(const eval_result *r, const char *level) {
    return r->pieces ? "piece" : level;
}

bcl_status eval_result_json(cJSON **out, const eval_options *o, const eval_result *r) {
    bcl_status status = BCL_OK;
    cJSON *json = NULL, *score = NULL, *item;
    const char *level = eval_level(o, r);
    if (r->has_evaluation)
        BCL_TRY(bcl_evaluation_json(&json, &r->evaluation));
    else if (!(json = cJSON_CreateObject()))
        BCL_FAIL(BCL_ERROR_MEMORY, "eval: out of memory");
    BCL_TRY(bcl_score_json(&score, r->score));
    BCL_TRY(merge(json, score));
    BCL_TRY(bcl_report_put(json, "level", level ? cJSON_CreateString(level) : cJSON_CreateNull()));
    BCL_TRY(
        bcl_report_put(json, r->has_evaluation ? "model" : "pred", cJSON_CreateString(r->name)));
    BCL_TRY(bcl_report_put(json, r->has_evaluation ? "data" : "gold", cJSON_CreateString(r->data)));
    if (r->has_evaluation) {
        BCL_TRY(bcl_report_put(json, "report_level", cJSON_CreateString(report_level(r, level))));
        if ((r->counted == BCL_SCHEME_DEFAULT || r->counted == BCL_SCHEME_IO) &&
            r->found != BCL_SCHEME_DEFAULT)
            BCL_TRY(bcl_report_put(json, "scheme", cJSON_CreateString(bcl_scheme_name(r->found))));
        BCL_TRY(bcl_report_put(json, "constrained", cJSON_CreateBool(o->constrain)));
        BCL_TRY(bcl_report_put(json, "label_pieces", cJSON_CreateString(r->label_pieces)));
        BCL_TRY(bcl_report_put(json, "words_without_piece",
                               cJSON_CreateNumber((double)r->words_without_piece)));
        BCL_TRY(bcl_report_put(json, "long", cJSON_CreateString(o->long_sentences)));
        BCL_TRY(bcl_report_put(json, "max_length", cJSON_CreateNumber((double)r->max_length)));
        BCL_TRY(bcl_report_put(json, "device", cJSON_CreateString(r->device)));
        BCL_TRY(bcl_report_put(json, "precision", cJSON_CreateString(r->precision)));
    }
    if (o->breakdown) {
        BCL_TRY(bcl_breakdown_json(&item, r->score));
        BCL_TRY(bcl_report_put(json, "breakdown", item));
    }
    BCL_TRY(bcl_report_put(json, "peak_rss_mb", cJSON_CreateNumber(bcl_peak_rss_mb())));
    *out = json;
    json = NULL;
out:
    cJSON_Delete(json);
    cJSON_Delete(score);
    return status;
}

/* Prints and deletes. */
static bcl_status print_json(cJSON *json) {
    char *text = NULL;
    bcl_status status = bcl_json_print(&text, json);
    cJSON_Delete(json);
    if (status)
        return status;
    printf("%s\n", text);
    cJSON_free(text);
    return BCL_OK;
}

static void print_padded(const char *text, size_t width) {
    char shown[1024];
    bcl_printable(shown, sizeof shown, text);
    const size_t columns = bcl_columns(shown, strlen(shown));
    printf("%*s%s", (int)(columns < width ? width - columns : 0), "", shown);
}

static size_t label_width(const bcl_report *r) {
    char shown[1024];
    size_t width = strlen("gold\\pred");
    for (size_t i = 0; i < bcl_report_size(r); i++) {
        bcl_printable(shown, sizeof shown, bcl_report_label(r, i));
        const size_t n = bcl_columns(shown, strlen(shown));
        width = n > width ? n : width;
    }
    return width;
}

/* Gold, predicted, count a line: too many labels for a matrix. */
static void print_cells(const bcl_report *r, size_t width) {
    size_t count;
    const bcl_confused *cells = bcl_report_confusion(r, &count);
    for (size_t i = 0; i < count; i++) {
        print_padded(bcl_report_label(r, cells[i].gold), width);
        printf(" ");
        print_padded(bcl_report_label(r, cells[i].pred), width);
        printf(" %llu\n", (unsigned long long)cells[i].count);
    }
    printf("\n");
}

static void print_confusion(const bcl_report *r) {
    const size_t k = bcl_report_size(r), width = label_width(r);
    size_t count;
    const bcl_confused *cell = bcl_report_confusion(r, &count), *end = cell + count;
    if (k > BCL_CONFUSION_WHOLE) {
        print_cells(r, width);
        return;
    }
    print_padded("gold\\pred", width);
    for (size_t j = 0; j < k; j++) {
        printf(" ");
        print_padded(bcl_report_label(r, j), width);
    }
    for (size_t i = 0; i < k; i++) {
        printf("\n");
        print_padded(bcl_report_label(r, i), width);
        for (size_t j = 0; j < k; j++) {
            const bool here = cell < end && cell->gold == i && cell->pred == j;
            printf(" %*llu", (int)width, here ? (unsigned long long)cell->count : 0ull);
            cell += here;
        }
    }
    printf("\n\n");
}

static void print_evaluation(const eval_result *r) {
    const bcl_evaluation *e = &r->evaluation;
    printf("loss %.6f, accuracy %.6f, %zu sentences, %zu labelled pieces, %.0f tokens/s\n", e->loss,
           e->accuracy, e->sentences, e->labelled, e->tokens_per_s);
    if (e->words_cut)
        printf(EVAL_CUT "\n", e->words_cut, e->sentences_cut, r->max_length);
    if (e->sentences_windowed)
        printf("%zu sentences are beyond %zu pieces and were scored in windows\n",
               e->sentences_windowed, r->max_length);
    printf("\n");
}

static bcl_status print_text(const eval_options *o, const eval_result *r) {
    bcl_status status = BCL_OK;
    char *report = NULL, *entities = NULL, *matches = NULL, *breakdown = NULL;
    const int digits = (int)o->digits;
    BCL_TRY(bcl_report_text(&report, bcl_score_report(r->score), digits));
    BCL_TRY(bcl_entity_report_text(&entities, bcl_score_entities(r->score), digits));
    if (r->has_evaluation)
        print_evaluation(r);
    if (r->has_evaluation) {
        char scheme[BCL_SCHEME_TEXT];
        const char *level = eval_level(o, r);
        printf("Labels of %ss\n%s\nEntities of %ss: %s%s\n%s\n", report_level(r, level), report,
               level, eval_scheme_text(scheme, r), o->constrain ? ", constrained" : "", entities);
    } else {
        printf("%s\n%s\n", report, entities);
    }
    if (o->confusion)
        print_confusion(bcl_score_report(r->score));
    if (o->matches) {
        BCL_TRY(bcl_score_matches_text(&matches, r->score, digits));
        printf("%s\n", matches);
    }
    if (o->breakdown) {
        BCL_TRY(bcl_breakdown_text(&breakdown, r->score, digits));
        printf("%s\n", breakdown);
    }
out:
    free(report);
    free(entities);
    free(matches);
    free(breakdown);
    return status;
}

static bcl_status print_both(const eval_options *o, const eval_result *r, const eval_result *second,
                             const bcl_bootstrap *bootstrap) {
    bcl_status status = BCL_OK;
    char *text = NULL;
    if (second)
        printf("%s\n\n", r->name);
    BCL_TRY(print_text(o, r));
    if (second) {
        printf("%s\n\n", second->name);
        BCL_TRY(print_text(o, second));
    }
    if (bootstrap) {
        BCL_TRY(bcl_bootstrap_text(&text, bootstrap, o->digits_given ? (int)o->digits : 4));
        printf("%s\n", text);
    }
out:
    free(text);
    return status;
}

bcl_status eval_print_all_json(const eval_options *o, const eval_result *results, size_t count) {
    bcl_status status = BCL_OK;
    bcl_bootstrap *bootstrap = NULL;
    cJSON *json = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(json, "results"), *item;
    for (size_t i = 0; i < count; i++) {
        BCL_TRY(eval_result_json(&item, o, &results[i]));
        if (!list || !cJSON_AddItemToArray(list, item)) {
            cJSON_Delete(item);
            BCL_FAIL(BCL_ERROR_MEMORY, "eval: out of memory");
        }
        if (!o->resamples)
            continue;
        cJSON *intervals;
        BCL_TRY(bcl_bootstrap_create(&bootstrap, results[i].score, NULL, (size_t)o->resamples,
                                     (uint64_t)o->seed));
        BCL_TRY(bcl_bootstrap_json(&intervals, bootstrap));
        BCL_TRY(bcl_report_put(item, "bootstrap", intervals));
        bcl_bootstrap_free(bootstrap);
        bootstrap = NULL;
    }
    status = print_json(json);
    json = NULL;
out:
    bcl_bootstrap_free(bootstrap);
    cJSON_Delete(json);
    return status;
}

bcl_status eval_print_one(const eval_options *o, const eval_result *r, const eval_result *second) {
    bcl_status status = BCL_OK;
    cJSON *json = NULL, *item = NULL;
    bcl_bootstrap *bootstrap = NULL;
    if (o->resamples)
        BCL_TRY(bcl_bootstrap_create(&bootstrap, r->score, second ? second->score : NULL,
                                     (size_t)o->resamples, (uint64_t)o->seed));
    if (!o->json) {
        status = print_both(o, r, second, bootstrap);
        goto out;
    }
    BCL_TRY(eval_result_json(&json, o, r));
    if (second) {
        BCL_TRY(eval_result_json(&item, o, second));
        BCL_TRY(bcl_report_put(json, "second", item));
    }
    if (bootstrap) {
        BCL_TRY(bcl_bootstrap_json(&item, bootstrap));
        BCL_TRY(bcl_report_put(json, "bootstrap", item));
    }
    item = json;
    json = NULL;
    BCL_TRY(print_json(item));
out:
    cJSON_Delete(json);
    bcl_bootstrap_free(bootstrap);
    return status;
}
