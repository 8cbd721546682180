/* The report's part on devices: who computed which share of it, and how fast. */
#include "track/page_run.h"

enum { MOST = 16 };

static bcl_status put(bcl_string *out, const char *literal) {
    return bcl_string_add(out, literal, strlen(literal));
}

/* An empty cell where the device has no such number. */
static bcl_status number_cell(bcl_string *out, const cJSON *device, const char *key,
                              const char *format, double factor) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(device, key);
    char text[64] = "";
    if (cJSON_IsNumber(item)) {
        const double x = factor * item->valuedouble;
        snprintf(text, sizeof text, !strcmp(format, "%") ? "%.1f %%" : "%.0f", x);
    }
    return bcl_page_cell(out, "td", true, text);
}

/* Where and by what, or why it took no part to the end. */
static bcl_status add_remark(bcl_string *out, const cJSON *device) {
    bcl_status status = BCL_OK;
    char *text = NULL;
    const char *left_out = bcl_json_word(device, "left_out"),
               *driver = bcl_json_word(device, "driver");
    if (*left_out)
        return bcl_page_cell(out, "td", false, left_out);
    BCL_TRY(bcl_format(&text, "%s%s%s", driver,
                       *driver && *bcl_json_word(device, "host") ? ", on " : "",
                       bcl_json_word(device, "host")));
    BCL_TRY(bcl_page_cell(out, "td", false, text));
out:
    free(text);
    return status;
}

static bcl_status add_table(bcl_string *out, const cJSON *list) {
    static const char *const titles[] = {"Device",           "",      "Share", "Word pieces",
                                         "Speed (tokens/s)", "Waited"};
    bcl_status status = BCL_OK;
    const cJSON *device;
    BCL_TRY(bcl_page_table_open(out, titles, 6, 2));
    cJSON_ArrayForEach(device, list) {
        BCL_TRY(put(out, "<tr><td>"));
        BCL_TRY(bcl_html_text(out, bcl_json_word(device, "id")));
        BCL_TRY(put(out, *bcl_json_word(device, "name") ? "<br><span class=\"soft small\">" : ""));
        BCL_TRY(bcl_html_text(out, bcl_json_word(device, "name")));
        BCL_TRY(put(out, *bcl_json_word(device, "name") ? "</span></td>" : "</td>"));
        BCL_TRY(add_remark(out, device));
        BCL_TRY(number_cell(out, device, "share", "%", 100));
        BCL_TRY(number_cell(out, device, "tokens", "", 1));
        BCL_TRY(number_cell(out, device, "tokens_per_s", "", 1));
        BCL_TRY(number_cell(out, device, "wait_share", "%", 100));
        BCL_TRY(put(out, "</tr>\n"));
    }
    BCL_TRY(bcl_page_table_close(out));
    BCL_TRY(put(out, "<p class=\"soft small\">Share: of the word pieces trained on. Speed: of the "
                     "device alone, at its share. Waited: of the time, for the others.</p>\n"));
out:
    return status;
}

static bcl_status add_chart(bcl_string *out, const cJSON *list, const char *key, double factor,
                            const char *title, const char *y_label) {
    bcl_status status = BCL_OK;
    const char *labels[MOST];
    double values[MOST];
    size_t n = 0;
    const cJSON *device;
    cJSON_ArrayForEach(device, list) {
        const cJSON *value = cJSON_GetObjectItemCaseSensitive(device, key);
        if (!cJSON_IsNumber(value) || n == MOST)
            continue;
        labels[n] = bcl_json_word(device, "id");
        values[n++] = factor * value->valuedouble;
    }
    if (n > 1)
        BCL_TRY(bcl_svg_bars_add(out, &(bcl_svg_bars){.title = title,
                                                      .x_label = "device",
                                                      .y_label = y_label,
                                                      .labels = labels,
                                                      .values = values,
                                                      .count = n,
                                                      .group_count = 1}));
out:
    return status;
}

bcl_status bcl_page_devices(bcl_string *out, const bcl_page_run *run) {
    static const char *const titles[] = {"Device", ""};
    static const struct {
        const char *path, *name;
    } rows[] = {{"device", "device"}, {"gemm", "matrix products"}, {"precision", "precision"}};
    bcl_status status = BCL_OK;
    const cJSON *list = bcl_page_get(run->results, "devices");
    BCL_TRY(put(out, "<h2>Devices</h2>\n"));
    if (cJSON_IsObject(list ? list->child : NULL)) {
        BCL_TRY(add_table(out, list));
        BCL_TRY(bcl_html_grid_open(out));
        BCL_TRY(add_chart(out, list, "share", 100, "Share of the work", "% of the word pieces"));
        BCL_TRY(add_chart(out, list, "tokens_per_s", 1, "Speed by device", "tokens/s"));
        BCL_TRY(put(out, "</div>\n"));
    }
    BCL_TRY(bcl_page_table_open(out, titles, 2, 2));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        BCL_TRY(bcl_page_row(out, rows[i].name, bcl_page_get(run->run, rows[i].path)));
    BCL_TRY(
        bcl_page_row(out, "training (tokens/s)", bcl_page_get(run->results, "train/tokens_per_s")));
    BCL_TRY(bcl_page_row(out, "host", bcl_page_get(run->track, "host/name")));
    BCL_TRY(bcl_page_row(out, "processors", bcl_page_get(run->track, "host/cpus")));
    BCL_TRY(bcl_page_table_close(out));
out:
    return status;
}
