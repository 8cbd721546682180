/* See seeds.h. */
#include "train/seeds.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <math.h>

enum { MOST = 1000 };
static const double SEED_MAX = 9007199254740992.0; /* a JSON number holds it exactly */

/* ---- which ---- */

static bcl_status fail_seeds(const char *text) {
    return bcl_fail(
        BCL_ERROR_ARGUMENT,
        "--seeds: found \"%s\", expected how many (3: the seeds 0, 1, 2; at most %d) or "
        "a list of different ones, as 7,1,12",
        text, MOST);
}

static bcl_status take_list(int64_t *seeds, size_t *count, const char *text) {
    for (const char *at = text; *at || at == text; at++) {
        char *end;
        errno = 0;
        const long long x = strtoll(at, &end, 10);
        if (*at < '0' || *at > '9' || errno || (double)x > SEED_MAX || (*end && *end != ',') ||
            *count == MOST)
            return fail_seeds(text);
        for (size_t i = 0; i < *count; i++)
            if (seeds[i] == x)
                return fail_seeds(text);
        seeds[(*count)++] = x;
        at = end;
        if (!*at)
            break;
    }
    return BCL_OK;
}

bcl_status bcl_seeds_parse(int64_t **out, size_t *count, const char *text) {
    bcl_status status = BCL_OK;
    int64_t *seeds = NULL;
    *count = 0;
    BCL_NEW(seeds, MOST);
    BCL_TRY(take_list(seeds, count, text));
    if (!strchr(text, ',')) {
        const int64_t n = seeds[0];
        if (n < 1 || n > MOST)
            BCL_TRY(fail_seeds(text));
        for (*count = 0; *count < (size_t)n; (*count)++)
            seeds[*count] = (int64_t)*count;
    }
    *out = seeds;
    seeds = NULL;
out:
    free(seeds);
    return status;
}

/* ---- seeds.json ---- */

bcl_status bcl_seeds_read(bcl_seeds *s, const char *path) {
    bcl_status status = BCL_OK;
    cJSON *json = NULL;
    const cJSON *item;
    BCL_TRY(bcl_json_read_own(&json, path));
    const cJSON *seeds = cJSON_GetObjectItemCaseSensitive(json, "seeds"),
                *words = cJSON_GetObjectItemCaseSensitive(json, "options");
    if (!cJSON_IsArray(seeds) || !cJSON_GetArraySize(seeds) || !cJSON_IsArray(words))
        BCL_FAIL(BCL_ERROR_FORMAT, "%s: \"seeds\" or \"options\": expected an array", path);
    BCL_NEW(s->seeds, (size_t)cJSON_GetArraySize(seeds));
    cJSON_ArrayForEach(item, seeds) {
        const double x = cJSON_IsNumber(item) ? item->valuedouble : -1;
        if (!(x >= 0 && x <= SEED_MAX && x == floor(x)))
            BCL_FAIL(BCL_ERROR_FORMAT, "%s: \"seeds\": expected whole numbers from 0 on", path);
        s->seeds[s->count++] = (int64_t)x;
    }
    cJSON_ArrayForEach(item, words) {
        if (!cJSON_IsString(item) || strncmp(item->valuestring, "--", 2))
            BCL_FAIL(BCL_ERROR_FORMAT, "%s: \"options\": expected texts as \"--batch=16\"", path);
        BCL_TRY(bcl_seeds_add_word(s, item->valuestring));
    }
out:
    cJSON_Delete(json);
    return status;
}

bcl_status bcl_seeds_write(const bcl_seeds *s, const char *path) {
    bcl_status status = BCL_OK;
    cJSON *json = cJSON_CreateObject(), *seeds = cJSON_AddArrayToObject(json, "seeds");
    for (size_t i = 0; i < s->count; i++)
        cJSON_AddItemToArray(seeds, cJSON_CreateNumber((double)s->seeds[i]));
    bcl_json_put(json, "options",
                 cJSON_CreateStringArray((const char *const *)s->words, (int)s->word_count));
    BCL_TRY(bcl_json_write(json, path));
out:
    cJSON_Delete(json);
    return status;
}

bcl_status bcl_seeds_add_word(bcl_seeds *s, const char *word) {
    bcl_status status = BCL_OK;
    BCL_TRY(bcl_grow(&s->words, &s->word_capacity, s->word_count + 1, sizeof *s->words));
    BCL_TRY(bcl_strdup(&s->words[s->word_count], word));
    s->word_count++;
out:
    return status;
}

void bcl_seeds_drop_option(bcl_seeds *s, const char *word) {
    const size_t size = strcspn(word, "=");
    size_t kept = 0;
    for (size_t i = 0; i < s->word_count; i++)
        if (strcspn(s->words[i], "=") == size && !memcmp(s->words[i], word, size))
            free(s->words[i]);
        else
            s->words[kept++] = s->words[i];
    s->word_count = kept;
}

void bcl_seeds_free(bcl_seeds *s) {
    bcl_strings_free(s->words, s->word_count);
    free(s->seeds);
    *s = (bcl_seeds){0};
}

/* ---- figures ---- */

/* Where it is in results.json, and where it comes in that of them all: part and name. */
static const struct place {
    const char *part, *object, *average, *key, *name;
} places[BCL_SEED_FIGURES] = {
    {"train", NULL, NULL, "loss", "loss"},
    {"dev", NULL, NULL, "loss", "loss"},
    {"dev", NULL, NULL, "accuracy", "accuracy"},
    {"dev", "report", "macro avg", "f1-score", "macro_f1"},
    {"dev", "entities", "micro avg", "f1-score", "entity_f1"},
    {"eval", NULL, NULL, "loss", "loss"},
    {"eval", NULL, NULL, "accuracy", "accuracy"},
    {"eval", "report", "macro avg", "f1-score", "macro_f1"},
    {"eval", "entities", "micro avg", "f1-score", "entity_f1"},
};

bcl_status bcl_seed_result_read(bcl_seed_result *out, int64_t seed, const char *path) {
    bcl_status status = BCL_OK;
    cJSON *json = NULL;
    *out = (bcl_seed_result){.seed = seed};
    BCL_TRY(bcl_json_read_own(&json, path));
    for (size_t i = 0; i < BCL_SEED_FIGURES; i++) {
        const struct place *p = &places[i];
        const cJSON *at = cJSON_GetObjectItemCaseSensitive(json, p->part);
        if (p->object)
            at = cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(at, p->object),
                                                  p->average);
        at = cJSON_GetObjectItemCaseSensitive(at, p->key);
        out->figures[i] = cJSON_IsNumber(at) ? at->valuedouble : NAN;
    }
    if (isnan(out->figures[BCL_SEED_TRAIN_LOSS]))
        BCL_FAIL(
            BCL_ERROR_FORMAT,
            "%s: no training loss in it; the file is damaged: remove it, and --resume makes it "
            "again",
            path);
    BCL_TRY(bcl_json_int(&out->epoch, cJSON_GetObjectItemCaseSensitive(json, "selection"), "epoch",
                         0, 0, INT64_MAX, path));
out:
    cJSON_Delete(json);
    return status;
}

void bcl_seeds_summarize(double mean[BCL_SEED_FIGURES], double sd[BCL_SEED_FIGURES],
                         const bcl_seed_result *results, size_t count) {
    for (size_t f = 0; f < BCL_SEED_FIGURES; f++) {
        double sum = 0, squares = 0;
        for (size_t i = 0; i < count; i++) /* from the first one: equal ones have no deviation */
            sum += results[i].figures[f] - results[0].figures[f];
        mean[f] = results[0].figures[f] + sum / (double)count;
        for (size_t i = 0; i < count; i++)
            squares += pow(results[i].figures[f] - mean[f], 2);
        sd[f] = count > 1 ? sqrt(squares / ((double)count - 1)) : NAN;
    }
}

/* Adds {part: {name: figure}} of what is known. */
static void add_figures(cJSON *to, const double figures[BCL_SEED_FIGURES]) {
    for (size_t f = 0; f < BCL_SEED_FIGURES; f++) {
        cJSON *part = cJSON_GetObjectItemCaseSensitive(to, places[f].part);
        if (isnan(figures[f]))
            continue;
        if (!part)
            part = cJSON_AddObjectToObject(to, places[f].part);
        cJSON_AddNumberToObject(part, places[f].name, figures[f]);
    }
}

bcl_status bcl_seeds_results_write(const bcl_seed_result *results, size_t count, const char *path) {
    bcl_status status = BCL_OK;
    double mean[BCL_SEED_FIGURES], sd[BCL_SEED_FIGURES];
    cJSON *json = cJSON_CreateObject(), *list;
    char folder[64];
    cJSON_AddNumberToObject(json, "count", (double)count);
    bcl_seeds_summarize(mean, sd, results, count);
    add_figures(cJSON_AddObjectToObject(json, "mean"), mean);
    add_figures(cJSON_AddObjectToObject(json, "sd"), sd);
    list = cJSON_AddArrayToObject(json, "seeds");
    for (size_t i = 0; i < count; i++) {
        cJSON *run = cJSON_CreateObject();
        snprintf(folder, sizeof folder, "seed-%lld", (long long)results[i].seed);
        cJSON_AddNumberToObject(run, "seed", (double)results[i].seed);
        cJSON_AddStringToObject(run, "folder", folder);
        if (results[i].epoch)
            cJSON_AddNumberToObject(run, "epoch", (double)results[i].epoch);
        add_figures(run, results[i].figures);
        cJSON_AddItemToArray(list, run);
    }
    BCL_TRY(bcl_json_write(json, path));
out:
    cJSON_Delete(json);
    return status;
}
