/* Reads "DIGITS ZERO" and then one "GOLD<TAB>PRED" line a token from stdin; prints the report's
 * text, a line "----" and the report and confusion matrix as JSON. For report.py. */
#define _POSIX_C_SOURCE 200809L
#include "util/util.h"

#include <bertcl/report.h>
#include <cjson/cJSON.h>
#include <math.h>

static int32_t find(char **names, size_t *count, const char *name) {
    size_t i = 0;
    while (i < *count && strcmp(names[i], name))
        i++;
    if (i == *count && (i == 1000 || bcl_strdup(&names[(*count)++], name)))
        exit(3);
    return (int32_t)i;
}

int main(void) {
    static int32_t gold[1 << 20], pred[1 << 20];
    static char *names[1000], line[4096];
    size_t n = 0, count = 0;
    bcl_status status = BCL_OK;
    bcl_counts *counts = NULL;
    bcl_report *report = NULL;
    cJSON *json = NULL, *confusion = NULL;
    char *text = NULL, *printed = NULL;
    if (!fgets(line, sizeof line, stdin))
        return 3;
    char *end;
    int digits = (int)strtol(line, &end, 10);
    double zero = strtod(end, NULL);
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = 0;
        char *tab = strchr(line, '\t');
        if (!tab || n == 1 << 20)
            return 3;
        *tab = 0;
        gold[n] = find(names, &count, line);
        pred[n++] = find(names, &count, tab + 1);
    }
    if (!count)
        find(names, &count, "O");
    BCL_TRY(bcl_counts_create(&counts, (const char *const *)names, count));
    BCL_TRY(bcl_counts_add(counts, gold, pred, n));
    BCL_TRY(bcl_report_create(&report, counts, zero));
    BCL_TRY(bcl_report_text(&text, report, digits));
    BCL_TRY(bcl_report_json(&json, report));
    BCL_TRY(bcl_report_confusion_json(&confusion, report));
    cJSON_AddItemToObject(confusion, "report", json);
    printed = cJSON_PrintUnformatted(confusion);
    printf("%s----\n%s\n", text, printed);
out:
    if (status)
        fprintf(stderr, "%s\n", bcl_message());
    free(text);
    cJSON_free(printed);
    cJSON_Delete(confusion);
    bcl_report_free(report);
    bcl_counts_free(counts);
    for (size_t i = 0; i < count; i++)
        free(names[i]);
    return status ? 1 : 0;
}
