/* The report's parts on what a run did: figures, curves, settings, data, lineage. */
#include "track/page_run.h"

#include <math.h>

static bcl_status put(bcl_string *out, const char *literal) {
    return bcl_string_add(out, literal, strlen(literal));
}

bcl_status bcl_page_cell(bcl_string *out, const char *tag, bool number, const char *text) {
    bcl_status status = BCL_OK;
    BCL_TRY(bcl_string_addf(out, "<%s%s>", tag, number ? " class=\"n\"" : ""));
    BCL_TRY(bcl_html_text(out, text));
    BCL_TRY(bcl_string_addf(out, "</%s>", tag));
out:
    return status;
}

bcl_status bcl_page_table_open(bcl_string *out, const char *const *titles, size_t count,
                               size_t texts) {
    bcl_status status = BCL_OK;
    BCL_TRY(put(out, "<div class=\"scroll\"><table>\n<tr>"));
    for (size_t i = 0; i < count; i++)
        BCL_TRY(bcl_page_cell(out, "th", i >= texts, titles[i]));
    BCL_TRY(put(out, "</tr>\n"));
out:
    return status;
}

bcl_status bcl_page_table_close(bcl_string *out) {
    return put(out, "</table></div>\n");
}

bcl_status bcl_page_value(char **out, const cJSON *value) {
    bcl_status status = BCL_OK;
    bcl_string s = {0};
    const cJSON *item;
    if (cJSON_IsArray(value)) {
        cJSON_ArrayForEach(item, value) if (cJSON_IsString(item))
            BCL_TRY(bcl_string_addf(&s, "%s%s", s.size ? " " : "", item->valuestring));
        BCL_TRY(bcl_string_addf(&s, "%s", ""));
    } else if (cJSON_IsString(value)) {
        BCL_TRY(bcl_string_addf(&s, "%s", value->valuestring));
    } else if (cJSON_IsBool(value)) {
        BCL_TRY(bcl_string_addf(&s, "%s", cJSON_IsTrue(value) ? "yes" : "no"));
    } else {
        const double x = cJSON_GetNumberValue(value);
        BCL_TRY(bcl_string_addf(&s, fabs(x) >= 1000 && fabs(x) < 1e15 ? "%.0f" : "%.6g", x));
    }
    *out = s.data;
    s.data = NULL;
out:
    bcl_string_free(&s);
    return status;
}

bcl_status bcl_page_row(bcl_string *out, const char *name, const cJSON *value) {
    bcl_status status = BCL_OK;
    char *text = NULL;
    if (!value || cJSON_IsNull(value) || cJSON_IsObject(value))
        return status;
    BCL_TRY(bcl_page_value(&text, value));
    if (!*text)
        goto out;
    BCL_TRY(put(out, "<tr>"));
    BCL_TRY(bcl_page_cell(out, "td", false, name));
    BCL_TRY(bcl_page_cell(out, "td", cJSON_IsNumber(value), text));
    BCL_TRY(put(out, "</tr>\n"));
out:
    free(text);
    return status;
}

/* ---- figures ---- */

bcl_status bcl_page_figures(bcl_string *out, const bcl_page_run *run) {
    static const struct {
        const char *path, *name;
    } list[] = {{"eval/loss", "evaluation loss"},
                {"eval/accuracy", "accuracy (pieces)"},
                {"eval/report/macro avg/f1-score", "macro F1 (labels)"},
                {"eval/report/weighted avg/f1-score", "weighted F1 (labels)"},
                {"eval/entities/micro avg/f1-score", "entity F1 (micro)"},
                {"dev/loss", "loss on the development set"},
                {"dev/report/macro avg/f1-score", "macro F1 on the development set"},
                {"dev/entities/micro avg/f1-score", "entity F1 on the development set"},
                {"selection/epoch", "epoch of the best model"},
                {"train/loss", "training loss (last epoch)"},
                {"train/steps", "steps"},
                {"train/tokens_per_s", "training (tokens/s)"},
                {"eval/tokens_per_s", "evaluation (tokens/s)"},
                {"peak_rss_mb", "peak memory of the host (MiB)"}};
    static const char *const titles[] = {"Figure", "Value"};
    bcl_status status = BCL_OK;
    if (!run->results)
        return put(out, "<p class=\"soft\">The run has no results yet.</p>\n");
    BCL_TRY(put(out, "<h2>Results</h2>\n"));
    BCL_TRY(bcl_page_table_open(out, titles, 2, 1));
    for (size_t i = 0; i < sizeof list / sizeof *list; i++)
        BCL_TRY(bcl_page_row(out, list[i].name, bcl_page_get(run->results, list[i].path)));
    BCL_TRY(bcl_page_table_close(out));
out:
    return status;
}

/* ---- curves ---- */

static const struct curve {
    const char *key, *title, *y_label;
    bool dots, log, zero;
} curves[] = {
    {"loss", "Training loss", "loss (nats a piece)", false, false, true},
    {"eval_loss", "Evaluation loss", "loss (nats a piece)", true, false, true},
    {"dev_loss", "Loss on the development set", "loss (nats a piece)", true, false, true},
    {"lr", "Learning rate", "learning rate", false, false, true},
    {"grad_norm", "Gradient norm before clipping", "norm", false, true, false},
    {"dev_entity_f1", "Entity F1 on the development set", "F1", true, false, true},
    {"dev_macro_f1", "Macro F1 on the development set", "F1", true, false, true},
    {"eval_macro_f1", "Macro F1 of the evaluations", "F1", true, false, true},
    {"eval_accuracy", "Accuracy of the evaluations", "share of pieces", true, false, true},
    {"accuracy", "Training accuracy", "share of pieces", false, false, true},
    {"tokens", "Word pieces of a step", "pieces", false, false, true}};

static bcl_status add_curve(bcl_string *out, const struct curve *c, const bcl_page_run *runs,
                            size_t count) {
    bcl_status status = BCL_OK;
    bcl_svg_series *series = NULL;
    size_t n = 0;
    BCL_NEW(series, count);
    for (size_t i = 0; i < count; i++) {
        const bcl_page_series *s = bcl_page_run_series(&runs[i], c->key);
        if (s)
            series[n++] = (bcl_svg_series){.name = count > 1 ? runs[i].name : NULL,
                                           .x = s->x,
                                           .y = s->y,
                                           .count = s->count,
                                           .dots = c->dots};
    }
    if (n)
        BCL_TRY(bcl_svg_lines(out, &(bcl_svg_chart){.title = c->title,
                                                    .x_label = "optimizer steps",
                                                    .y_label = c->y_label,
                                                    .series = series,
                                                    .series_count = n,
                                                    .log_y = c->log,
                                                    .zero = c->zero}));
out:
    free(series);
    return status;
}

bcl_status bcl_page_curves(bcl_string *out, const bcl_page_run *runs, size_t count) {
    bcl_status status = BCL_OK;
    bool any = false;
    for (size_t i = 0; i < count; i++)
        any = any || runs[i].series_count;
    if (!any)
        return put(out, "<p class=\"soft\">There are no metrics yet.</p>\n");
    BCL_TRY(put(out, "<h2>Curves</h2>\n"));
    for (size_t i = 0; i < count; i++)
        if (runs[i].odd_lines)
            BCL_TRY(bcl_string_addf(out,
                                    "<p>%zu %s of metrics.jsonl could not be read and "
                                    "%s left out.</p>\n",
                                    runs[i].odd_lines, runs[i].odd_lines == 1 ? "line" : "lines",
                                    runs[i].odd_lines == 1 ? "is" : "are"));
    BCL_TRY(bcl_html_grid_open(out));
    for (size_t i = 0; i < sizeof curves / sizeof *curves; i++)
        BCL_TRY(add_curve(out, &curves[i], runs, count));
    BCL_TRY(put(out,
                "</div>\n<p class=\"soft small\">Where there are more points than columns, the "
                "line is the mean of each column and the band reaches from the least to the "
                "greatest.</p>\n"));
out:
    return status;
}

/* ---- settings ---- */

bcl_status bcl_page_settings(bcl_string *out, const bcl_page_run *run) {
    static const char *const titles[] = {"Option", "Value"};
    bcl_status status = BCL_OK;
    const cJSON *option, *word, *argv = bcl_page_get(run->track, "argv");
    BCL_TRY(put(out, "<h2>Settings</h2>\n"));
    if (cJSON_GetArraySize(argv)) {
        BCL_TRY(put(out, "<p class=\"small\"><code>"));
        cJSON_ArrayForEach(word, argv) {
            const char *text = cJSON_IsString(word) ? word->valuestring : "";
            const bool quote = !*text || strpbrk(text, " \t\n'\"\\$`*?()<>|&;");
            BCL_TRY(put(out, word == argv->child ? "" : " "));
            BCL_TRY(put(out, quote ? "&#39;" : ""));
            BCL_TRY(bcl_html_text(out, text));
            BCL_TRY(put(out, quote ? "&#39;" : ""));
        }
        BCL_TRY(put(out, "</code></p>\n"));
    }
    BCL_TRY(bcl_page_table_open(out, titles, 2, 2));
    cJSON_ArrayForEach(option, bcl_page_get(run->run, "options"))
        BCL_TRY(bcl_page_row(out, option->string, option));
    BCL_TRY(bcl_page_table_close(out));
out:
    return status;
}

/* ---- data ---- */

static bcl_status add_tags(bcl_string *out, const cJSON *input) {
    static const char *const titles[] = {"Tag", "Raw", "Cleaned"};
    bcl_status status = BCL_OK;
    const cJSON *tag, *raw = bcl_page_get(input, "tags_raw"), *clean = bcl_page_get(input, "tags");
    char text[32];
    if (!cJSON_GetArraySize(raw))
        return status;
    BCL_TRY(bcl_page_table_open(out, titles, 3, 1));
    cJSON_ArrayForEach(tag, raw) {
        const cJSON *other = cJSON_GetObjectItemCaseSensitive(clean, tag->string);
        BCL_TRY(put(out, "<tr>"));
        BCL_TRY(bcl_page_cell(out, "td", false, tag->string));
        snprintf(text, sizeof text, "%.0f", tag->valuedouble);
        BCL_TRY(bcl_page_cell(out, "td", true, text));
        snprintf(text, sizeof text, "%.0f", other ? other->valuedouble : 0);
        BCL_TRY(bcl_page_cell(out, "td", true, text));
        BCL_TRY(put(out, "</tr>\n"));
    }
    BCL_TRY(bcl_page_table_close(out));
out:
    return status;
}

/* Cleaned tags other than O, which would hide the others. */
static bcl_status add_tag_chart(bcl_string *out, const cJSON *input) {
    bcl_status status = BCL_OK;
    const cJSON *tag, *tags = bcl_page_get(input, "tags");
    const size_t most = (size_t)cJSON_GetArraySize(tags);
    const char **labels = NULL;
    double *values = NULL;
    size_t n = 0;
    BCL_NEW(labels, most);
    BCL_NEW(values, most);
    cJSON_ArrayForEach(tag, tags) if (strcmp(tag->string, "O") && n < 24) {
        labels[n] = tag->string;
        values[n++] = tag->valuedouble;
    }
    if (n)
        BCL_TRY(bcl_svg_bars_add(out, &(bcl_svg_bars){.title = "Words by tag, without O",
                                                      .x_label = "tag",
                                                      .y_label = "words",
                                                      .labels = labels,
                                                      .values = values,
                                                      .count = n,
                                                      .group_count = 1}));
out:
    free(labels);
    free(values);
    return status;
}

static bcl_status add_length_chart(bcl_string *out, const cJSON *input) {
    bcl_status status = BCL_OK;
    const cJSON *bin, *histogram = bcl_page_get(input, "lengths/histogram");
    enum { MOST = 32 };
    char texts[MOST][32];
    const char *labels[MOST];
    double values[MOST];
    size_t n = 0;
    cJSON_ArrayForEach(bin, histogram) {
        const double from = cJSON_GetNumberValue(bcl_page_get(bin, "from"));
        const double to = cJSON_GetNumberValue(bcl_page_get(bin, "to"));
        if (n == MOST)
            break;
        snprintf(texts[n], sizeof texts[n], from == to ? "%.0f" : "%.0f–%.0f", from, to);
        labels[n] = texts[n];
        values[n++] = cJSON_GetNumberValue(bcl_page_get(bin, "sentences"));
    }
    if (n)
        BCL_TRY(bcl_svg_bars_add(out, &(bcl_svg_bars){.title = "Length of sentences",
                                                      .x_label = "words a sentence",
                                                      .y_label = "sentences",
                                                      .labels = labels,
                                                      .values = values,
                                                      .count = n,
                                                      .group_count = 1}));
out:
    return status;
}

bcl_status bcl_page_data(bcl_string *out, const bcl_page_run *run) {
    static const struct {
        const char *key, *name;
    } sizes[] = {{"train_sentences", "sentences for training"},
                 {"train_pieces", "word pieces for training"},
                 {"test_sentences", "sentences for testing"},
                 {"test_pieces", "word pieces for testing"}};
    static const char *const titles[] = {"Part", "Size"};
    bcl_status status = BCL_OK;
    const cJSON *input;
    BCL_TRY(put(out, "<h2>Data</h2>\n"));
    if (bcl_page_get(run->run, "data")) {
        BCL_TRY(bcl_page_table_open(out, titles, 2, 1));
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            char path[64];
            snprintf(path, sizeof path, "data/%s", sizes[i].key);
            BCL_TRY(bcl_page_row(out, sizes[i].name, bcl_page_get(run->run, path)));
        }
        BCL_TRY(bcl_page_table_close(out));
    }
    cJSON_ArrayForEach(input, bcl_page_get(run->track, "inputs")) {
        const char *name = cJSON_GetStringValue(bcl_page_get(input, "name"));
        const char *role = cJSON_GetStringValue(bcl_page_get(input, "role"));
        BCL_TRY(put(out, "<h3>"));
        BCL_TRY(bcl_html_text(out, name ? name : "data"));
        BCL_TRY(put(out, " (for "));
        BCL_TRY(bcl_html_text(out, role ? role : "training"));
        BCL_TRY(bcl_string_addf(out, ")</h3>\n<p>%.0f sentences, %.0f words, %d files.</p>\n",
                                cJSON_GetNumberValue(bcl_page_get(input, "sentences")),
                                cJSON_GetNumberValue(bcl_page_get(input, "words")),
                                cJSON_GetArraySize(bcl_page_get(input, "files"))));
        BCL_TRY(bcl_html_grid_open(out));
        BCL_TRY(add_tag_chart(out, input));
        BCL_TRY(add_length_chart(out, input));
        BCL_TRY(put(out, "</div>\n"));
        BCL_TRY(add_tags(out, input));
    }
out:
    return status;
}

/* ---- lineage ---- */

static bcl_status add_version(bcl_string *out, const char *what, const cJSON *item,
                              const char *more) {
    bcl_status status = BCL_OK;
    const char *name = cJSON_GetStringValue(bcl_page_get(item, "name"));
    const char *sum = cJSON_GetStringValue(bcl_page_get(item, "sha256"));
    const cJSON *version = bcl_page_get(item, "version");
    char text[32] = "";
    if (cJSON_IsNumber(version))
        snprintf(text, sizeof text, "@%.0f", version->valuedouble);
    BCL_TRY(put(out, "<tr>"));
    BCL_TRY(bcl_page_cell(out, "td", false, what));
    BCL_TRY(put(out, "<td>"));
    BCL_TRY(bcl_html_text(out, name ? name : "?"));
    BCL_TRY(bcl_html_text(out, text));
    BCL_TRY(put(out, "</td>"));
    BCL_TRY(bcl_page_cell(out, "td", false, more));
    snprintf(text, sizeof text, "%.16s", sum ? sum : "");
    BCL_TRY(bcl_page_cell(out, "td", false, text));
    BCL_TRY(put(out, "</tr>\n"));
out:
    return status;
}

bcl_status bcl_page_lineage(bcl_string *out, const bcl_page_run *run) {
    static const char *const titles[] = {"", "Version", "As", "SHA-256"};
    bcl_status status = BCL_OK;
    const cJSON *item, *git = bcl_page_get(run->track, "git");
    const cJSON *models = bcl_page_get(run->index, "models"),
                *data = bcl_page_get(run->index, "datasets");
    data = data ? data : bcl_page_get(run->track, "inputs");
    if (!run->track && !run->index)
        return status;
    BCL_TRY(put(out, "<h2>Lineage</h2>\n"));
    BCL_TRY(bcl_page_table_open(out, titles, 4, 4));
    cJSON_ArrayForEach(item, data)
        BCL_TRY(add_version(out, "data", item,
                            cJSON_GetStringValue(bcl_page_get(item, "role"))
                                ? cJSON_GetStringValue(bcl_page_get(item, "role"))
                                : ""));
    if (!models && bcl_page_get(run->track, "parent/name"))
        BCL_TRY(add_version(out, "model", bcl_page_get(run->track, "parent"), "parent"));
    cJSON_ArrayForEach(item, models)
        BCL_TRY(add_version(out, "model", item, cJSON_GetStringValue(bcl_page_get(item, "role"))));
    BCL_TRY(bcl_page_table_close(out));
    if (cJSON_IsObject(git)) {
        BCL_TRY(put(out, "<p class=\"soft small\">The working folder was at git commit "));
        BCL_TRY(bcl_html_text(out, cJSON_GetStringValue(bcl_page_get(git, "commit"))));
        BCL_TRY(put(out, cJSON_IsTrue(bcl_page_get(git, "changed"))
                             ? ", with changes that were not committed.</p>\n"
                             : ".</p>\n"));
    }
out:
    return status;
}
