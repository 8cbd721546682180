/* Options as JSON: configuration files. */
#include "cli/options.h"

#include <cjson/cJSON.h>
#include <math.h>

static const char words_key[] = "arguments"; /* of a command's plain words */

/* The files' texts, which options point to. */
static cJSON **files;
static size_t file_count, file_capacity;

void bcl_options_release(void) {
    while (file_count)
        cJSON_Delete(files[--file_count]);
    free(files);
    files = NULL;
    file_capacity = 0;
}

static const char *key_of(const bcl_option *o) {
    return o->name ? o->name : words_key;
}

static double number_of(const bcl_option *o) {
    return o->kind == BCL_OPTION_INT ? (double)*(const int64_t *)o->value
                                     : *(const double *)o->value;
}

/* A number outside of its limits stands for "not given". */
static cJSON *number_to_json(const bcl_option *o) {
    const double x = number_of(o);
    return o->min < o->max && (x < o->min || x > o->max) ? cJSON_CreateNull()
                                                         : cJSON_CreateNumber(x);
}

static cJSON *value_to_json(const bcl_option *o) {
    const bcl_list *list = o->value;
    const char *text;
    switch (o->kind) {
    case BCL_OPTION_FLAG:
        return cJSON_CreateBool(*(const bool *)o->value);
    case BCL_OPTION_INT:
    case BCL_OPTION_REAL:
        return number_to_json(o);
    case BCL_OPTION_TEXT:
        text = *(const char *const *)o->value;
        return text ? cJSON_CreateString(text) : cJSON_CreateNull();
    default:
        return list->count ? cJSON_CreateStringArray(list->items, (int)list->count)
                           : cJSON_CreateArray();
    }
}

static bcl_status to_json(cJSON **out, const bcl_option *options) {
    bcl_status status = BCL_OK;
    cJSON *json = cJSON_CreateObject();
    for (const bcl_option *o = options; json && o->kind != BCL_OPTION_END; o++) {
        if (o->kind == BCL_OPTION_GROUP)
            continue;
        cJSON *item = value_to_json(o);
        if (!item || !cJSON_AddItemToObject(json, key_of(o), item)) {
            cJSON_Delete(item);
            cJSON_Delete(json);
            json = NULL;
        }
    }
    if (!json)
        BCL_FAIL(BCL_ERROR_MEMORY, "out of memory while writing options as JSON");
    *out = json;
out:
    return status;
}

bcl_status bcl_options_print_config(const bcl_option *options) {
    bcl_status status = BCL_OK;
    cJSON *json = NULL;
    char *text = NULL;
    BCL_TRY(to_json(&json, options));
    BCL_TRY(bcl_json_print(&text, json));
    puts(text);
out:
    cJSON_free(text);
    cJSON_Delete(json);
    return status;
}

/* ---- reading ---- */

static const char *type_of(const cJSON *item) {
    return cJSON_IsBool(item)     ? "true or false"
           : cJSON_IsNumber(item) ? "a number"
           : cJSON_IsString(item) ? "a text"
           : cJSON_IsArray(item)  ? "a list"
           : cJSON_IsNull(item)   ? "null"
                                  : "an object";
}

static bcl_status expect(const bcl_option *o, const cJSON *item, const char *at) {
    const bool list = o->kind == BCL_OPTION_LIST;
    const bool right = o->kind == BCL_OPTION_FLAG   ? cJSON_IsBool(item)
                       : o->kind == BCL_OPTION_TEXT ? cJSON_IsString(item)
                       : list                       ? cJSON_IsArray(item)
                                                    : cJSON_IsNumber(item);
    static const char *const names[] = {[BCL_OPTION_FLAG] = "true or false",
                                        [BCL_OPTION_INT] = "a whole number",
                                        [BCL_OPTION_REAL] = "a number",
                                        [BCL_OPTION_TEXT] = "a text",
                                        [BCL_OPTION_LIST] = "a list of texts"};
    const cJSON *word;
    if (!right)
        return bcl_fail(BCL_ERROR_FORMAT, "%s: found %s, expected %s", at, type_of(item),
                        names[o->kind]);
    if (list)
        cJSON_ArrayForEach(word, item) if (!cJSON_IsString(word)) return bcl_fail(
            BCL_ERROR_FORMAT, "%s: found %s in the list, expected texts", at, type_of(word));
    return BCL_OK;
}

static bcl_status check_number(const bcl_option *o, const cJSON *item, const char *at) {
    bcl_status status = BCL_OK;
    char *found = NULL;
    const double x = item->valuedouble;
    BCL_TRY(bcl_json_print(&found, item));
    if (o->kind == BCL_OPTION_INT && (x != floor(x) || fabs(x) > 9007199254740992.0))
        BCL_FAIL(BCL_ERROR_ARGUMENT, "%s: found %s, expected a whole number", at, found);
    BCL_TRY(bcl_option_check_number(o, x, found, at));
out:
    cJSON_free(found);
    return status;
}

/* Sets the option to a value of the file, which must be one that the command line could give. */
static bcl_status set_from_json(const bcl_option *o, const cJSON *item, const char *path) {
    bcl_status status = BCL_OK;
    bcl_list *list = o->value;
    char at[512];
    const cJSON *word;
    snprintf(at, sizeof at, "%s: \"%s\"", path, key_of(o));
    BCL_TRY(expect(o, item, at));
    switch (o->kind) {
    case BCL_OPTION_FLAG:
        *(bool *)o->value = cJSON_IsTrue(item);
        break;
    case BCL_OPTION_TEXT:
        BCL_TRY(bcl_option_check_text(o, item->valuestring, at));
        *(const char **)o->value = item->valuestring;
        break;
    case BCL_OPTION_INT:
    case BCL_OPTION_REAL:
        BCL_TRY(check_number(o, item, at));
        if (o->kind == BCL_OPTION_INT)
            *(int64_t *)o->value = (int64_t)item->valuedouble;
        else
            *(double *)o->value = item->valuedouble;
        break;
    default:
        list->count = 0;
        cJSON_ArrayForEach(word, item) {
            BCL_TRY(bcl_option_check_text(o, word->valuestring, at));
            BCL_TRY(bcl_list_add(list, word->valuestring));
        }
    }
out:
    return status == BCL_ERROR_ARGUMENT ? BCL_ERROR_FORMAT : status;
}

/* Not given then, and now not by the file: null, or the number that stands for it. */
static bool is_unset(const bcl_option *o, const cJSON *item) {
    return cJSON_IsNull(item) ||
           (cJSON_IsNumber(item) && (o->kind == BCL_OPTION_INT || o->kind == BCL_OPTION_REAL) &&
            item->valuedouble == number_of(o));
}

static const bcl_option *find_key(const bcl_option *options, const char *key) {
    return bcl_option_find(options, strcmp(key, words_key) ? key : NULL, strlen(key));
}

static bcl_status take(const bcl_option *options, const cJSON *object, const char *path) {
    bcl_status status = BCL_OK;
    const cJSON *item;
    cJSON_ArrayForEach(item, object) {
        const bcl_option *o = find_key(options, item->string);
        if (!o) {
            bcl_suggestion near = {.wrong = item->string, .size = strlen(item->string)};
            bcl_options_offer(&near, options);
            BCL_FAIL(BCL_ERROR_FORMAT, "%s: \"%s\" is no option of this command%s", path,
                     item->string, bcl_suggestion_text(&near, "\"", "\""));
        }
        if (cJSON_GetObjectItemCaseSensitive(object, item->string) != item)
            BCL_FAIL(BCL_ERROR_FORMAT, "%s: \"%s\" is there twice", path, item->string);
        if (is_unset(o, item))
            continue;
        BCL_TRY(set_from_json(o, item, path));
        if (o->given)
            *o->given = true;
    }
out:
    return status;
}

bcl_status bcl_options_read_config(const bcl_option *options, const char *path) {
    bcl_status status = BCL_OK;
    BCL_TRY(bcl_grow(&files, &file_capacity, file_count + 1, sizeof *files));
    BCL_TRY(bcl_json_read_own(&files[file_count], path));
    const cJSON *json = files[file_count++];
    const cJSON *stored = cJSON_GetObjectItemCaseSensitive(json, "options"); /* a run.json's */
    if (cJSON_IsObject(stored))
        json = stored;
    if (!cJSON_IsObject(json))
        BCL_FAIL(BCL_ERROR_FORMAT, "%s: found %s, expected an object {\"option\": value}", path,
                 type_of(json));
    BCL_TRY(take(options, json, path));
out:
    return status;
}
