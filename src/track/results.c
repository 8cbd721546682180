/* Whether a run's results can be believed. Knows the names of figures, not the commands that write
 * them. */
#include "track/store.h"

#include <math.h>

enum { DEPTH = 16 };

/* What a figure of this name cannot be outside of; 0 and up if it is not here. */
static const struct {
    const char *name;
    double least, most;
} ranges[] = {{"loss", 0, INFINITY},   {"accuracy", 0, 1},
              {"precision", 0, 1},     {"recall", 0, 1},
              {"f1-score", 0, 1},      {"macro_f1", 0, 1},
              {"entity_f1", 0, 1},     {"support", 0, INFINITY},
              {"steps", 0, INFINITY},  {"tokens_per_s", 0, INFINITY},
              {"tokens", 0, INFINITY}, {"peak_rss_mb", 0, INFINITY}};

static bool check_figure(char *problem, size_t size, const cJSON *item) {
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++) {
        if (!item->string || strcmp(item->string, ranges[i].name) || cJSON_IsNull(item) ||
            cJSON_IsObject(item))
            continue;
        if (cJSON_IsString(item) && !strcmp(item->string, "precision"))
            continue; /* of the products: "fp32" */
        if (!cJSON_IsNumber(item))
            snprintf(problem, size, "\"%s\": found no number", item->string);
        else if (!(item->valuedouble >= ranges[i].least && item->valuedouble <= ranges[i].most))
            snprintf(problem, size, "\"%s\": found %g, expected %s", item->string,
                     item->valuedouble, ranges[i].most <= 1 ? "0 to 1" : "a number from 0 on");
        else
            continue;
        return false;
    }
    if (!cJSON_IsNumber(item) || isfinite(item->valuedouble))
        return true;
    snprintf(problem, size, "\"%s\": found %g, expected a finite number",
             item->string ? item->string : "", item->valuedouble);
    return false;
}

static bool check_all(char *problem, size_t size, const cJSON *json, int depth) {
    const cJSON *item;
    cJSON_ArrayForEach(item, json) {
        if (cJSON_IsObject(item) || cJSON_IsArray(item)) {
            if (depth < DEPTH && !check_all(problem, size, item, depth + 1))
                return false;
        } else if (!check_figure(problem, size, item)) {
            return false;
        }
    }
    return true;
}

bool bcl_results_check(char *problem, size_t size, const cJSON *results) {
    if (!cJSON_IsObject(results) || !results->child) {
        snprintf(problem, size, "expected an object with figures");
        return false;
    }
    return check_all(problem, size, results, 0);
}
