/* The report: one HTML page of one run, or of several side by side. It holds all that it shows. */
#include "track/page_run.h"
#include "track/store.h"

#include <math.h>
#include <time.h>

static bcl_status put(bcl_string *out, const char *literal) {
    return bcl_string_add(out, literal, strlen(literal));
}

static const char *state_of(const bcl_page_run *r) {
    const char *told = cJSON_GetStringValue(bcl_page_get(r->heartbeat, "state"));
    const char *known = cJSON_GetStringValue(bcl_page_get(r->index, "state"));
    const bool damaged = known && !strcmp(known, "damaged");
    return r->results && !damaged ? "finished" : known ? known : told ? told : "unknown";
}

static void time_text(char out[40], const cJSON *time) {
    struct tm utc;
    const time_t seconds = cJSON_IsNumber(time) ? (time_t)time->valuedouble : 0;
    if (!seconds || !gmtime_r(&seconds, &utc) || !strftime(out, 40, "%Y-%m-%d %H:%M UTC", &utc))
        out[0] = 0;
}

static bcl_status add_one(bcl_string *out, const bcl_page_run *r) {
    bcl_status status = BCL_OK;
    char started[40];
    time_text(started, bcl_page_get(r->track, "started"));
    const char *version = cJSON_GetStringValue(bcl_page_get(r->run, "bertcl"));
    const bcl_html_fact facts[] = {
        {"State", state_of(r)},
        {"Because", cJSON_GetStringValue(bcl_page_get(r->heartbeat, "message"))},
        {"Model", cJSON_GetStringValue(bcl_page_get(r->run, "options/model"))},
        {"Device", cJSON_GetStringValue(bcl_page_get(r->run, "device"))},
        {"Started", *started ? started : NULL},
        {"Id", cJSON_GetStringValue(bcl_page_get(r->track, "id"))},
        {"bertcl", version}};
    BCL_TRY(bcl_html_open(out, r->name, facts, sizeof facts / sizeof *facts));
    BCL_TRY(bcl_page_figures(out, r));
    BCL_TRY(bcl_page_curves(out, r, 1));
    BCL_TRY(bcl_page_scores(out, r));
    BCL_TRY(bcl_page_errors(out, r));
    BCL_TRY(bcl_page_data(out, r));
    BCL_TRY(bcl_page_devices(out, r));
    BCL_TRY(bcl_page_settings(out, r));
    BCL_TRY(bcl_page_lineage(out, r));
    BCL_TRY(bcl_html_close(out));
out:
    return status;
}

/* ---- several ---- */

static bcl_status value_cell(bcl_string *out, const cJSON *value, const cJSON *first) {
    char text[64] = "–", *list = NULL;
    if (cJSON_IsArray(value)) {
        bcl_status status = bcl_page_value(&list, value);
        if (!status)
            status = bcl_page_cell(out, "td", false, list);
        free(list);
        return status;
    }
    if (cJSON_IsString(value))
        return bcl_page_cell(out, "td", false, value->valuestring);
    if (cJSON_IsNumber(value) && cJSON_IsNumber(first) && first != value &&
        first->valuedouble != value->valuedouble)
        snprintf(text, sizeof text, "%.6g (%+.3g)", value->valuedouble,
                 value->valuedouble - first->valuedouble);
    else if (cJSON_IsNumber(value))
        snprintf(text, sizeof text, "%.6g", value->valuedouble);
    else if (cJSON_IsBool(value))
        snprintf(text, sizeof text, "%s", cJSON_IsTrue(value) ? "yes" : "no");
    return bcl_page_cell(out, "td", true, text);
}

static bcl_status add_row(bcl_string *out, const char *name, const bcl_page_run *runs, size_t count,
                          const char *path, bool results) {
    bcl_status status = BCL_OK;
    const cJSON *first = bcl_page_get(results ? runs[0].results : runs[0].run, path);
    BCL_TRY(put(out, "<tr>"));
    BCL_TRY(bcl_page_cell(out, "td", false, name));
    for (size_t i = 0; i < count; i++)
        BCL_TRY(value_cell(out, bcl_page_get(results ? runs[i].results : runs[i].run, path),
                           results ? first : NULL));
    BCL_TRY(put(out, "</tr>\n"));
out:
    return status;
}

/* Not chosen: absent, null or an empty list. */
static bool is_empty(const cJSON *value) {
    return !value || cJSON_IsNull(value) || (cJSON_IsArray(value) && !cJSON_GetArraySize(value));
}

static bool differs(const bcl_page_run *runs, size_t count, const char *path) {
    const cJSON *first = bcl_page_get(runs[0].run, path);
    for (size_t i = 1; i < count; i++) {
        const cJSON *other = bcl_page_get(runs[i].run, path);
        if (is_empty(first) != is_empty(other) ||
            (!is_empty(first) && !cJSON_Compare(first, other, true)))
            return true;
    }
    return false;
}

static bcl_status open_table(bcl_string *out, const char *title, const bcl_page_run *runs,
                             size_t count) {
    bcl_status status = BCL_OK;
    const char **titles = NULL;
    BCL_NEW(titles, count + 1);
    titles[0] = title;
    for (size_t i = 0; i < count; i++)
        titles[i + 1] = runs[i].name;
    BCL_TRY(bcl_page_table_open(out, titles, count + 1, 1));
out:
    free(titles);
    return status;
}

static bcl_status add_results(bcl_string *out, const bcl_page_run *runs, size_t count) {
    static const struct {
        const char *path, *name;
    } list[] = {{"eval/loss", "evaluation loss"},
                {"eval/accuracy", "accuracy (pieces)"},
                {"eval/report/macro avg/f1-score", "macro F1 (labels)"},
                {"eval/report/weighted avg/f1-score", "weighted F1 (labels)"},
                {"train/loss", "training loss (last epoch)"},
                {"train/steps", "steps"},
                {"train/tokens_per_s", "training (tokens/s)"},
                {"peak_rss_mb", "peak memory of the host (MiB)"}};
    bcl_status status = BCL_OK;
    const cJSON *label;
    char path[256];
    BCL_TRY(put(out, "<h2>Results</h2>\n"));
    BCL_TRY(open_table(out, "Figure", runs, count));
    for (size_t i = 0; i < sizeof list / sizeof *list; i++)
        BCL_TRY(add_row(out, list[i].name, runs, count, list[i].path, true));
    cJSON_ArrayForEach(label, bcl_page_get(runs[0].results, "eval/report")) {
        if (!cJSON_IsObject(label) || strstr(label->string, " avg") || strchr(label->string, '/'))
            continue;
        snprintf(path, sizeof path, "eval/report/%s/f1-score", label->string);
        char name[160];
        snprintf(name, sizeof name, "F1 of %.140s", label->string);
        BCL_TRY(add_row(out, name, runs, count, path, true));
    }
    BCL_TRY(bcl_page_table_close(out));
    BCL_TRY(
        put(out, "<p class=\"soft small\">In brackets: the difference to the first run.</p>\n"));
out:
    return status;
}

static bcl_status add_differences(bcl_string *out, const bcl_page_run *runs, size_t count) {
    static const char *const tops[] = {"device", "gemm", "precision", "bertcl"};
    bcl_status status = BCL_OK;
    const cJSON *option;
    char path[160];
    BCL_TRY(put(out, "<h2>Differences of the settings</h2>\n"));
    BCL_TRY(open_table(out, "Option", runs, count));
    cJSON_ArrayForEach(option, bcl_page_get(runs[0].run, "options")) {
        snprintf(path, sizeof path, "options/%.140s", option->string);
        if (differs(runs, count, path))
            BCL_TRY(add_row(out, option->string, runs, count, path, false));
    }
    for (size_t i = 0; i < sizeof tops / sizeof *tops; i++)
        if (differs(runs, count, tops[i]))
            BCL_TRY(add_row(out, tops[i], runs, count, tops[i], false));
    BCL_TRY(bcl_page_table_close(out));
out:
    return status;
}

static bcl_status add_several(bcl_string *out, const bcl_page_run *runs, size_t count) {
    bcl_status status = BCL_OK;
    char title[64];
    snprintf(title, sizeof title, "%zu runs", count);
    BCL_TRY(bcl_html_open(out, title, NULL, 0));
    BCL_TRY(add_results(out, runs, count));
    BCL_TRY(bcl_page_curves(out, runs, count));
    BCL_TRY(add_differences(out, runs, count));
    for (size_t i = 0; i < count; i++) {
        BCL_TRY(put(out, "<h2>"));
        BCL_TRY(bcl_html_text(out, runs[i].name));
        BCL_TRY(put(out, "</h2>\n<p class=\"soft small\">"));
        BCL_TRY(bcl_html_text(out, runs[i].folder));
        BCL_TRY(bcl_string_addf(out, ", %s</p>\n", state_of(&runs[i])));
        BCL_TRY(bcl_page_scores(out, &runs[i]));
    }
    BCL_TRY(bcl_html_close(out));
out:
    return status;
}

/* ---- */

static bcl_status ask_index(bcl_page_run *r, bcl_store *store) {
    int64_t id = 0;
    bcl_status status =
        bcl_sql_int(&id, store, 0, "SELECT id FROM runs WHERE folder = ?", "t", r->folder);
    if (!status && id)
        status = bcl_store_run(&r->index, store, id);
    return status;
}

bcl_status bcl_page_write(bcl_store *store, const char *const *folders, size_t count,
                          const char *path) {
    bcl_status status = BCL_OK;
    bcl_page_run *runs = NULL;
    bcl_string page = {0};
    size_t read = 0;
    BCL_NEW(runs, count);
    for (; read < count; read++) {
        BCL_TRY(bcl_page_run_read(&runs[read], folders[read]));
        if (store)
            BCL_TRY(ask_index(&runs[read], store));
    }
    BCL_TRY(count == 1 ? add_one(&page, &runs[0]) : add_several(&page, runs, count));
    BCL_TRY(bcl_file_write(path, page.data, page.size));
out:
    for (size_t i = 0; runs && i < count; i++)
        bcl_page_run_free(&runs[i]);
    free(runs);
    bcl_string_free(&page);
    return status;
}
