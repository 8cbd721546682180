/* The report's parts on the scores: classification report, entities, confusion matrix, errors. */
#include "track/page_run.h"

#include <math.h>

static bcl_status put(bcl_string *out, const char *literal) {
    return bcl_string_add(out, literal, strlen(literal));
}

static const char *const figures[] = {"precision", "recall", "f1-score", "support"};

/* {label: {"precision", …}} as a table; the averages come last, as they stand in the object. */
static bcl_status add_report(bcl_string *out, const cJSON *report, const char *what) {
    const char *const titles[] = {what, "Precision", "Recall", "F1", "Support"};
    bcl_status status = BCL_OK;
    const cJSON *row;
    char text[32];
    BCL_TRY(bcl_page_table_open(out, titles, 5, 1));
    cJSON_ArrayForEach(row, report) {
        if (!cJSON_IsObject(row))
            continue;
        BCL_TRY(put(out, "<tr>"));
        BCL_TRY(bcl_page_cell(out, "td", false, row->string));
        for (size_t i = 0; i < 4; i++) {
            const cJSON *value = cJSON_GetObjectItemCaseSensitive(row, figures[i]);
            text[0] = 0;
            if (cJSON_IsNumber(value))
                snprintf(text, sizeof text, i == 3 ? "%.0f" : "%.4f", value->valuedouble);
            BCL_TRY(bcl_page_cell(out, "td", true, text));
        }
        BCL_TRY(put(out, "</tr>\n"));
    }
    BCL_TRY(bcl_page_table_close(out));
out:
    return status;
}

/* The labels that occur, by their support; the others would make an empty matrix. */
static bcl_status add_confusion(bcl_string *out, const bcl_score *score) {
    enum { MOST = 12 };
    bcl_status status = BCL_OK;
    const bcl_report *report = bcl_score_report(score);
    const size_t all = bcl_report_size(report);
    size_t cells = 0, *place = NULL, n = 0;
    const char *names[MOST + 1];
    double *counts = NULL;
    const bcl_confused *confused = bcl_report_confusion(report, &cells);
    BCL_NEW(place, all + 1);
    for (size_t i = 0; i < all; i++)
        place[i] = SIZE_MAX;
    while (n < MOST) { /* the most frequent ones */
        size_t best = all;
        for (size_t i = 0; i < all; i++)
            if (place[i] == SIZE_MAX &&
                (best == all ||
                 bcl_report_scores(report, i).support > bcl_report_scores(report, best).support))
                best = i;
        if (best == all)
            break;
        names[n] = bcl_report_label(report, best);
        place[best] = n++;
    }
    const bool others = all > n;
    if (others)
        names[n] = "others";
    const size_t size = n + others;
    BCL_NEW(counts, size * size);
    for (size_t i = 0; i < cells; i++) {
        size_t g = place[confused[i].gold], p = place[confused[i].pred];
        g = g == SIZE_MAX ? n : g;
        p = p == SIZE_MAX ? n : p;
        counts[g * size + p] += (double)confused[i].count;
    }
    BCL_TRY(put(out, "<h3>Confusion matrix</h3>\n<div class=\"scroll\">\n"));
    BCL_TRY(bcl_svg_matrix_add(
        out, &(bcl_svg_matrix){"Words by gold and predicted label", names, counts, size}));
    BCL_TRY(put(out, "</div>\n"));
out:
    free(place);
    free(counts);
    return status;
}

bcl_status bcl_page_scores(bcl_string *out, const bcl_page_run *run) {
    bcl_status status = BCL_OK;
    const cJSON *report = bcl_page_get(run->results, "eval/report");
    const cJSON *scored = run->scored ? run->scored : bcl_page_get(run->results, "eval");
    const cJSON *entities = bcl_page_get(scored, "entities");
    const char *scheme = cJSON_GetStringValue(bcl_page_get(scored, "scheme"));
    if (!report && !run->score)
        return status;
    BCL_TRY(put(out, bcl_page_get(run->results, "dev")
                         ? "<h2>Scores of the best model on the test set</h2>\n"
                         : "<h2>Scores of the last model on the test set</h2>\n"));
    if (report) {
        BCL_TRY(put(out, "<h3>Labels of word pieces</h3>\n"));
        BCL_TRY(add_report(out, report, "Label"));
    }
    if (entities) {
        BCL_TRY(put(out, "<h3>Entities of words"));
        if (scheme) {
            BCL_TRY(put(out, " (scheme: "));
            BCL_TRY(bcl_html_text(out, scheme));
            BCL_TRY(put(out, ")"));
        }
        BCL_TRY(put(out, "</h3>\n"));
        BCL_TRY(add_report(out, entities, "Type"));
    }
    if (run->score)
        BCL_TRY(add_confusion(out, run->score));
out:
    return status;
}

bcl_status bcl_page_errors(bcl_string *out, const bcl_page_run *run) {
    enum { MOST = 12 };
    bcl_status status = BCL_OK;
    bcl_errors *errors = NULL;
    char *html = NULL;
    if (run->problem) {
        BCL_TRY(put(out, "<h2>Errors</h2>\n<p>They cannot be shown: "));
        BCL_TRY(bcl_html_text(out, run->problem));
        BCL_TRY(put(out, "</p>\n"));
    }
    if (!run->score)
        return status;
    BCL_TRY(bcl_errors_create(&errors, run->score));
    BCL_TRY(bcl_string_addf(out, "<h2>Errors</h2>\n<p>%zu entity errors on the test set.</p>\n",
                            bcl_errors_count(errors)));
    if (bcl_errors_count(errors)) {
        BCL_TRY(bcl_errors_html(&html, errors, MOST));
        BCL_TRY(put(out, html));
    }
out:
    free(html);
    bcl_errors_free(errors);
    return status;
}
