/* Typed reads from cJSON whose errors name the file and the key. */
#include "util/util.h"

#include <cjson/cJSON.h>
#include <math.h>

/* cJSON's makers give NULL when memory is short and take NULL for an object, so that a key goes
 * missing without a word. Allocations that fail are noted here, and asked for where JSON is printed
 * or was parsed: makers need not look at each call. */
static _Thread_local bool memory_was_short;

static void *noting_malloc(size_t size) {
    void *p = malloc(size);
    memory_was_short = memory_was_short || !p;
    return p;
}

__attribute__((constructor)) static void install_hooks(void) {
    cJSON_Hooks hooks = {noting_malloc, free};
    cJSON_InitHooks(&hooks);
}

static bool was_short(void) {
    const bool was = memory_was_short;
    memory_was_short = false;
    return was;
}

static bcl_status read_file(cJSON **out, const char *path, bool own) {
    bcl_status status = BCL_OK;
    char *text = NULL;
    const char *end = NULL;
    size_t size = 0;
    /* a pipe that a shell made for the command line, but none that lies in a model's folder */
    const bool given = !strncmp(path, "/dev/", 5);
    BCL_TRY((given ? bcl_file_read_limited : bcl_file_read_regular)(&text, &size, path,
                                                                    BCL_DESCRIPTION_MAX));
    BCL_TRY(bcl_refuse_pointer(text, size, path));
    if (memchr(text, 0, size))
        BCL_FAIL(BCL_ERROR_FORMAT, "%s: byte %zu: found a NUL, expected JSON text", path,
                 strlen(text));
    if (own)
        size = bcl_json_unescape_bytes(text, size);
    (void)was_short();
    *out = cJSON_ParseWithLengthOpts(text, size + 1, &end, 1);
    if (was_short())
        BCL_FAIL(BCL_ERROR_MEMORY, "%s: out of memory while reading JSON", path);
    if (!*out)
        BCL_FAIL(BCL_ERROR_FORMAT, "%s: byte %td: not valid JSON", path, end ? end - text : 0);
out:
    free(text);
    return status;
}

bcl_status bcl_json_read(cJSON **out, const char *path) {
    return read_file(out, path, false);
}

bcl_status bcl_json_read_own(cJSON **out, const char *path) {
    return read_file(out, path, true);
}

/* cJSON prints 15 digits where they come within a rounding error of the number: not the number.
 * Gives each number the shortest text that reads back equal. */
static bool set_exact_numbers(cJSON *item) {
    for (; item; item = item->next) {
        char text[32];
        int digits = 15;
        if (!set_exact_numbers(item->child))
            return false;
        if (!cJSON_IsNumber(item) || !isfinite(item->valuedouble))
            continue;
        do
            snprintf(text, sizeof text, "%.*g", digits, item->valuedouble);
        while (strtod(text, NULL) != item->valuedouble && ++digits <= 17);
        if (!(item->valuestring = cJSON_malloc(strlen(text) + 1)))
            return false;
        strcpy(item->valuestring, text);
        item->type = cJSON_Raw | (item->type & ~0xff);
    }
    return true;
}

bcl_status bcl_json_print(char **out, const cJSON *json) {
    bcl_status status = BCL_OK;
    bcl_string escaped = {0};
    cJSON *copy = cJSON_Duplicate(json, true);
    *out = copy && set_exact_numbers(copy) ? cJSON_Print(copy) : NULL;
    cJSON_Delete(copy);
    if (was_short() || !*out) /* also while it was made */
        BCL_FAIL(BCL_ERROR_MEMORY, "out of memory while writing JSON");
    if (bcl_json_has_bytes(*out, strlen(*out))) {
        BCL_TRY(bcl_json_escape_bytes(&escaped, *out, strlen(*out)));
        cJSON_free(*out);
        *out = cJSON_malloc(escaped.size + 1);
        if (!*out)
            BCL_FAIL(BCL_ERROR_MEMORY, "out of memory while writing JSON");
        memcpy(*out, escaped.data, escaped.size + 1);
    }
out:
    if (status) {
        cJSON_free(*out);
        *out = NULL;
    }
    bcl_string_free(&escaped);
    return status;
}

void bcl_json_put(cJSON *object, const char *key, cJSON *item) {
    if (!cJSON_AddItemToObject(object, key, item))
        cJSON_Delete(item);
}

bcl_status bcl_json_write(const cJSON *json, const char *path) {
    bcl_string s = {0};
    bcl_status status = BCL_OK;
    char *text = NULL;
    BCL_TRY(bcl_json_print(&text, json));
    BCL_TRY(bcl_string_addf(&s, "%s\n", text));
    BCL_TRY(bcl_file_write(path, s.data, s.size));
out:
    cJSON_free(text);
    bcl_string_free(&s);
    return status;
}

const char *bcl_json_word(const cJSON *object, const char *key) {
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
    return text ? text : "";
}

double bcl_json_number(const cJSON *object, const char *key, double fallback) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsNumber(item) ? item->valuedouble : fallback;
}

static const cJSON *find(const cJSON *object, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return item && !cJSON_IsNull(item) ? item : NULL;
}

bcl_status bcl_json_int(int64_t *out, const cJSON *object, const char *key, int64_t fallback,
                        int64_t min, int64_t max, const char *path) {
    const cJSON *item = find(object, key);
    *out = fallback;
    if (!item)
        return BCL_OK;
    double x = item->valuedouble;
    if (!cJSON_IsNumber(item))
        return bcl_fail(BCL_ERROR_FORMAT, "%s: \"%s\": expected a number", path, key);
    if (x != floor(x) || x < (double)min || x > (double)max)
        return bcl_fail(BCL_ERROR_FORMAT,
                        "%s: \"%s\": found %.17g, expected a whole number of %lld to %lld", path,
                        key, x, (long long)min, (long long)max);
    *out = (int64_t)x;
    return BCL_OK;
}

bcl_status bcl_json_double(double *out, const cJSON *object, const char *key, double fallback,
                           const char *path) {
    const cJSON *item = find(object, key);
    *out = fallback;
    if (!item)
        return BCL_OK;
    if (!cJSON_IsNumber(item) || !isfinite(item->valuedouble))
        return bcl_fail(BCL_ERROR_FORMAT, "%s: \"%s\": expected a number", path, key);
    *out = item->valuedouble;
    return BCL_OK;
}

bcl_status bcl_json_bool(bool *out, const cJSON *object, const char *key, bool fallback,
                         const char *path) {
    const cJSON *item = find(object, key);
    *out = fallback;
    if (!item)
        return BCL_OK;
    if (!cJSON_IsBool(item))
        return bcl_fail(BCL_ERROR_FORMAT, "%s: \"%s\": expected true or false", path, key);
    *out = cJSON_IsTrue(item);
    return BCL_OK;
}

bcl_status bcl_json_text(const char **out, const cJSON *object, const char *key,
                         const char *fallback, const char *path) {
    const cJSON *item = find(object, key);
    *out = fallback;
    if (!item)
        return BCL_OK;
    if (!cJSON_IsString(item))
        return bcl_fail(BCL_ERROR_FORMAT, "%s: \"%s\": expected a string", path, key);
    *out = item->valuestring;
    return BCL_OK;
}
