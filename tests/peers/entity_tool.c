/* Reads "DIGITS ZERO SCHEME" and then "GOLD<TAB>PRED" lines with blank lines between sentences, any
 * number of such blocks, each ended by a line "=="; prints for each "ok" or the message, the
 * report's text, "----", its JSON with "invalid", "====". For entities.py. */
#define _POSIX_C_SOURCE 200809L
#include "util/util.h"

#include <bertcl/report.h>
#include <cjson/cJSON.h>

#define MOST 65536

static char *names[1000];
static size_t name_count;
static bool used[1000];
static int32_t gold[MOST], pred[MOST];
static size_t ends[MOST], sentences;

static int32_t find(const char *name) {
    size_t i = 0;
    while (i < name_count && strcmp(names[i], name))
        i++;
    if (i == name_count && (i == 1000 || bcl_strdup(&names[name_count++], name)))
        exit(3);
    return (int32_t)i;
}

static bool read_block(void) {
    static char line[4096];
    size_t n = 0;
    sentences = 0;
    memset(used, 0, sizeof used);
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\n")] = 0;
        if (!strcmp(line, "==")) {
            ends[sentences++] = n;
            return true;
        }
        char *tab = strchr(line, '\t');
        if (n == MOST)
            exit(3);
        if (!tab) {
            ends[sentences++] = n;
            continue;
        }
        *tab = 0;
        gold[n] = find(line);
        used[gold[n]] = true;
        pred[n++] = find(tab + 1);
    }
    return false;
}

static bcl_status score(bcl_scheme scheme, int digits, double zero) {
    bcl_status status = BCL_OK;
    bcl_entities *e = NULL;
    bcl_entity_report *r = NULL;
    cJSON *json = NULL;
    char *text = NULL, *printed = NULL;
    BCL_TRY(bcl_entities_create(&e, (const char *const *)names, name_count, used, scheme));
    for (size_t i = 0, at = 0; i < sentences; at = ends[i++])
        BCL_TRY(bcl_entities_add(e, gold + at, pred + at, ends[i] - at));
    BCL_TRY(bcl_entity_report_create(&r, e, zero));
    BCL_TRY(bcl_entity_report_text(&text, r, digits));
    BCL_TRY(bcl_entity_report_json(&json, r));
    printed = cJSON_PrintUnformatted(json);
    printf("ok %llu %s\n%s----\n%s\n====\n", (unsigned long long)bcl_entities_invalid(e),
           bcl_scheme_name(bcl_entities_scheme(e)), text, printed);
out:
    free(text);
    cJSON_free(printed);
    cJSON_Delete(json);
    bcl_entity_report_free(r);
    bcl_entities_free(e);
    return status;
}

int main(void) {
    int digits;
    double zero;
    char name[16];
    bcl_scheme scheme;
    while (scanf("%d %lf %15s ", &digits, &zero, name) == 3) {
        if (!read_block() || bcl_scheme_find(&scheme, name))
            return 3;
        if (score(scheme, digits, zero))
            printf("%s\n====\n", bcl_message());
        while (name_count)
            free(names[--name_count]);
    }
    return 0;
}
