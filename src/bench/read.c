/* A result's file: read and checked before anything is made of it. */
#include "bench/internal.h"

#include <cjson/cJSON.h>
#include <math.h>

/* Of these levels an "ok" is a speed; others only check something. */
static bool is_timed(const cJSON *row) {
    static const char *const levels[] = {"limit", "product", "operation", "step", "run"};
    const char *level = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(row, "level"));
    for (size_t i = 0; level && i < sizeof levels / sizeof *levels; i++)
        if (!strcmp(level, levels[i]))
            return true;
    return cJSON_HasObjectItem(row, "value") || cJSON_HasObjectItem(row, "seconds");
}

static bcl_status check_row(const cJSON *row, int number, const char *path) {
    static const char *const texts[] = {"name", "device", "status", "unit"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (!cJSON_IsString(cJSON_GetObjectItemCaseSensitive(row, texts[i])))
            return bcl_fail(BCL_ERROR_FORMAT, "%s: row %d: found no text \"%s\"; measure again",
                            path, number, texts[i]);
    const cJSON *status = cJSON_GetObjectItemCaseSensitive(row, "status"), *sample = NULL;
    if (strcmp(status->valuestring, "ok") || !is_timed(row))
        return BCL_OK;
    const cJSON *seconds = cJSON_GetObjectItemCaseSensitive(row, "seconds");
    const cJSON *samples = cJSON_GetObjectItemCaseSensitive(seconds, "samples");
    int good = 0;
    cJSON_ArrayForEach(sample, samples) good +=
        cJSON_IsNumber(sample) && sample->valuedouble > 0 && sample->valuedouble < 1e9;
    if (!cJSON_IsArray(samples) || !good || good != cJSON_GetArraySize(samples) ||
        !cJSON_IsNumber(cJSON_GetObjectItemCaseSensitive(row, "value")))
        return bcl_fail(BCL_ERROR_FORMAT,
                        "%s: row %d is \"ok\" but has no value with samples of times above 0; "
                        "measure again",
                        path, number);
    return BCL_OK;
}

bcl_status bcl_bench_read(cJSON **out, const char *path) {
    bcl_status status = BCL_OK;
    cJSON *json = NULL;
    const cJSON *row = NULL;
    int number = 0;
    BCL_TRY(bcl_json_read_own(&json, path));
    const cJSON *version = cJSON_GetObjectItemCaseSensitive(json, "bench_version");
    const cJSON *rows = cJSON_GetObjectItemCaseSensitive(json, "rows");
    if (!cJSON_IsNumber(version))
        BCL_FAIL(BCL_ERROR_FORMAT,
                 "%s: found no number \"bench_version\", expected a result of bertcl bench --json",
                 path);
    if (version->valuedouble != BCL_BENCH_VERSION)
        BCL_FAIL(BCL_ERROR_FORMAT,
                 "%s: found version %g of the results' schema, expected %d; measure again with "
                 "this bertcl",
                 path, version->valuedouble, BCL_BENCH_VERSION);
    if (!cJSON_IsArray(rows))
        BCL_FAIL(BCL_ERROR_FORMAT, "%s: found no list \"rows\"; measure again", path);
    cJSON_ArrayForEach(row, rows) BCL_TRY(check_row(row, ++number, path));
    *out = json;
    json = NULL;
out:
    cJSON_Delete(json);
    return status;
}

/* ---- several devices ---- */

/* What the device gives alone: the best of all results. */
static const cJSON *alone(cJSON *const *results, size_t count, const char *name,
                          const char *device) {
    const cJSON *row, *best = NULL;
    for (size_t i = 0; i < count; i++)
        cJSON_ArrayForEach(row, cJSON_GetObjectItemCaseSensitive(results[i], "rows")) {
            if (strcmp(bcl_json_word(row, "device"), device) || !bcl_bench_has_speed(row) ||
                strcmp(bcl_json_word(row, "name"), name))
                continue;
            if (!best || bcl_json_number(row, "value", 0) > bcl_json_number(best, "value", 0))
                best = row;
        }
    return best;
}

/* The sum of what they give alone; NAN where that is not known of one. */
static double sum_of(const cJSON *devices, const char *name, cJSON *const *results, size_t count) {
    const cJSON *device;
    double sum = 0;
    cJSON_ArrayForEach(device, devices) {
        const cJSON *row =
            cJSON_IsString(device) ? alone(results, count, name, device->valuestring) : NULL;
        sum += bcl_json_number(row, "value", NAN);
    }
    return sum;
}

static bcl_status judge(cJSON *row, cJSON *const *results, size_t count) {
    static const char *const speeds[] = {"value", "seconds"};
    const cJSON *devices = cJSON_GetObjectItemCaseSensitive(row, "devices");
    char reason[160];
    if (cJSON_GetArraySize(devices) < 2 || !bcl_bench_has_speed(row))
        return BCL_OK;
    const double value = bcl_json_number(row, "value", 0);
    const double sum = sum_of(devices, bcl_json_word(row, "name"), results, count);
    if (!(value > BCL_BENCH_ABOVE * sum)) /* or not known */
        return BCL_OK;
    snprintf(reason, sizeof reason,
             "%.4g %s of %d devices together are more than the %.4g that they give alone", value,
             bcl_json_word(row, "unit"), cJSON_GetArraySize(devices), sum);
    for (size_t i = 0; i < sizeof speeds / sizeof *speeds; i++)
        cJSON_DeleteItemFromObjectCaseSensitive(row, speeds[i]);
    cJSON_DeleteItemFromObjectCaseSensitive(row, "reason");
    cJSON *status = cJSON_CreateString("wrong");
    if (!status || !cJSON_ReplaceItemInObjectCaseSensitive(row, "status", status) ||
        !cJSON_AddStringToObject(row, "reason", reason))
        return bcl_fail(BCL_ERROR_MEMORY, "out of memory");
    return BCL_OK;
}

bcl_status bcl_bench_judge(cJSON *const *results, size_t count) {
    bcl_status status = BCL_OK;
    cJSON *row;
    for (size_t i = 0; i < count; i++)
        cJSON_ArrayForEach(row, cJSON_GetObjectItemCaseSensitive(results[i], "rows"))
            BCL_TRY(judge(row, results, count));
out:
    return status;
}
