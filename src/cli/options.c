/* Table-driven long options with generated help. getopt_long knows neither lists nor ranges. */
#include "cli/cli.h"

#include <bertcl/data.h>
#include <cjson/cJSON.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>

void bcl_list_free(bcl_list *list) {
    free(list->items);
    *list = (bcl_list){0};
}

int bcl_cli_error(bcl_status status) {
    fprintf(stderr, "bertcl: %s\n", bcl_message());
    return status == BCL_ERROR_ARGUMENT ? BCL_EXIT_USAGE : BCL_EXIT_FAILED;
}

int bcl_cli_usage(const bcl_command *command, const char *format, ...) {
    va_list args;
    va_start(args, format);
    fprintf(stderr, "bertcl %s: ", command->name);
    vfprintf(stderr, format, args);
    fprintf(stderr, " (see bertcl %s --help)\n", command->name);
    va_end(args);
    return BCL_EXIT_USAGE;
}

/* Prints text in lines of at most 78 columns; the first starts at column `at`, others at `indent`.
 */
static void print_wrapped(const char *text, size_t at, size_t indent) {
    while (at < indent) {
        putchar(' ');
        at++;
    }
    while (*text) {
        size_t n = strcspn(text, " \n");
        if (at > indent && at + 1 + n > 78) {
            printf("\n%*s", (int)indent, "");
            at = indent;
        } else if (at > indent) {
            putchar(' ');
            at++;
        }
        printf("%.*s", (int)n, text);
        at += n;
        text += n;
        text += *text == ' ';
        if (*text == '\n') {
            printf("\n%*s", (int)indent, "");
            at = indent;
            text++;
        }
    }
    putchar('\n');
}

static void print_help(const bcl_command *command, const bcl_option *options) {
    printf("usage: bertcl %s %s\n\n", command->name, command->usage);
    print_wrapped(command->summary, 0, 0);
    putchar('\n');
    for (const bcl_option *o = options; o->kind != BCL_OPTION_END; o++) {
        if (o->kind == BCL_OPTION_GROUP) {
            printf("%s:\n", o->help);
            continue;
        }
        int n = o->name ? printf("  --%s%s%s", o->name, o->value_name ? " " : "",
                                 o->value_name ? o->value_name : "")
                        : printf("  %s", o->value_name);
        if (n > 26) {
            putchar('\n');
            n = 0;
        }
        print_wrapped(o->help, (size_t)n, 28);
    }
    int n = printf("  --help");
    print_wrapped("print this and exit", (size_t)n, 28);
    if (command->details) {
        putchar('\n');
        print_wrapped(command->details, 0, 0);
    }
}

static bool chosen(const char *choices, const char *value) {
    size_t n = strlen(value);
    for (const char *c = choices; *c; c += strcspn(c, "|"), c += *c == '|')
        if (strcspn(c, "|") == n && !strncmp(c, value, n))
            return true;
    return false;
}

static int set_value(const bcl_command *command, const bcl_option *o, const char *value) {
    char *end = NULL;
    bool limited = o->min < o->max;
    errno = 0;
    switch (o->kind) {
    case BCL_OPTION_INT: {
        long long x = strtoll(value, &end, 10);
        if (!*value || *end || errno)
            return bcl_cli_usage(command, "--%s: found \"%s\", expected a whole number", o->name,
                                 value);
        if (limited && ((double)x < o->min || (double)x > o->max))
            return bcl_cli_usage(command, "--%s: found %s, expected %.0f to %.0f", o->name, value,
                                 o->min, o->max);
        *(int64_t *)o->value = x;
        break;
    }
    case BCL_OPTION_REAL: {
        double x = strtod(value, &end);
        if (!*value || *end || !isfinite(x))
            return bcl_cli_usage(command, "--%s: found \"%s\", expected a number", o->name, value);
        if (limited && (x < o->min || x > o->max))
            return bcl_cli_usage(command, "--%s: found %s, expected %g to %g", o->name, value,
                                 o->min, o->max);
        *(double *)o->value = x;
        break;
    }
    case BCL_OPTION_TEXT:
        if (o->choices && !chosen(o->choices, value))
            return bcl_cli_usage(command, "--%s: found \"%s\", expected one of %s", o->name, value,
                                 o->choices);
        *(const char **)o->value = value;
        break;
    default: {
        bcl_list *list = o->value;
        if (bcl_grow(&list->items, &list->capacity, list->count + 1, sizeof *list->items))
            return bcl_cli_error(BCL_ERROR_MEMORY);
        list->items[list->count++] = value;
    }
    }
    return -1;
}

static const bcl_option *find_option(const bcl_option *options, const char *name, size_t size) {
    for (const bcl_option *o = options; o->kind != BCL_OPTION_END; o++)
        if (o->kind != BCL_OPTION_GROUP &&
            (name ? o->name && strlen(o->name) == size && !memcmp(o->name, name, size) : !o->name))
            return o;
    return NULL;
}

int bcl_options_parse(const bcl_command *command, const bcl_option *options, int argc, char **argv,
                      int first) {
    const bcl_option *words = find_option(options, NULL, 0);
    bool ended = false;
    for (int i = first; i < argc; i++) {
        const char *arg = argv[i];
        if (!ended && !strcmp(arg, "--")) {
            ended = true;
            continue;
        }
        if (ended || arg[0] != '-' || !arg[1]) {
            if (!words)
                return bcl_cli_usage(command, "unexpected word \"%s\"", arg);
            int code = set_value(command, words, arg);
            if (code >= 0)
                return code;
            continue;
        }
        if (!strcmp(arg, "--help") || !strcmp(arg, "-h")) {
            print_help(command, options);
            return BCL_EXIT_OK;
        }
        size_t size = arg[1] == '-' ? strcspn(arg + 2, "=") : 0;
        const bcl_option *o = size ? find_option(options, arg + 2, size) : NULL;
        if (!o)
            return bcl_cli_usage(command, "unknown option %s", arg);
        const char *inline_value = arg[2 + size] == '=' ? arg + 3 + size : NULL;
        if (o->given)
            *o->given = true;
        if (o->kind == BCL_OPTION_FLAG) {
            if (inline_value)
                return bcl_cli_usage(command, "--%s takes no value", o->name);
            *(bool *)o->value = true;
            continue;
        }
        if (!inline_value && i + 1 >= argc)
            return bcl_cli_usage(command, "--%s needs a value", o->name);
        int code = set_value(command, o, inline_value ? inline_value : argv[++i]);
        /* A list takes the words that follow it, unless the command has words of its own. */
        while (code < 0 && o->kind == BCL_OPTION_LIST && !words && i + 1 < argc &&
               argv[i + 1][0] != '-')
            code = set_value(command, o, argv[++i]);
        if (code >= 0)
            return code;
    }
    return -1;
}

bcl_status bcl_cli_map_create(bcl_tag_map **out, const bcl_cli_maps *maps) {
    bcl_status status = BCL_OK;
    const bool rules = maps->rules.count || maps->file;
    const char *preset = maps->preset ? maps->preset : rules ? "none" : "un-ner";
    BCL_TRY(bcl_tag_map_create(out));
    if (strcmp(preset, "none"))
        BCL_TRY(bcl_tag_map_add_preset(*out, preset));
    if (maps->file)
        BCL_TRY(bcl_tag_map_add_file(*out, maps->file));
    for (size_t i = 0; i < maps->rules.count; i++)
        BCL_TRY(bcl_tag_map_add_rule(*out, maps->rules.items[i]));
out:
    return status;
}

static cJSON *value_to_json(const bcl_option *o) {
    const bcl_list *list = o->value;
    cJSON *array;
    switch (o->kind) {
    case BCL_OPTION_FLAG:
        return cJSON_CreateBool(*(const bool *)o->value);
    case BCL_OPTION_INT:
        return cJSON_CreateNumber((double)*(const int64_t *)o->value);
    case BCL_OPTION_REAL:
        return cJSON_CreateNumber(*(const double *)o->value);
    case BCL_OPTION_TEXT: {
        const char *text = *(const char *const *)o->value;
        return text ? cJSON_CreateString(text) : cJSON_CreateNull();
    }
    default:
        array = cJSON_CreateArray();
        for (size_t i = 0; i < list->count; i++)
            cJSON_AddItemToArray(array, cJSON_CreateString(list->items[i]));
        return array;
    }
}

cJSON *bcl_options_to_json(const bcl_option *options) {
    cJSON *json = cJSON_CreateObject();
    for (const bcl_option *o = options; o->kind != BCL_OPTION_END; o++)
        if (o->name && o->given)
            cJSON_AddItemToObject(json, o->name, value_to_json(o));
    return json;
}

static bcl_status set_from_json(const bcl_option *o, const cJSON *item, const char *path) {
    bcl_status status = BCL_OK;
    bcl_list *list = o->value;
    const bool right = o->kind == BCL_OPTION_FLAG   ? cJSON_IsBool(item)
                       : o->kind == BCL_OPTION_TEXT ? cJSON_IsString(item) || cJSON_IsNull(item)
                       : o->kind == BCL_OPTION_LIST ? cJSON_IsArray(item)
                                                    : cJSON_IsNumber(item);
    if (!right)
        BCL_FAIL(BCL_ERROR_FORMAT, "%s: \"%s\": found another type than the option's", path,
                 o->name);
    if (o->kind == BCL_OPTION_FLAG)
        *(bool *)o->value = cJSON_IsTrue(item);
    else if (o->kind == BCL_OPTION_TEXT)
        *(const char **)o->value = item->valuestring;
    else if (o->kind == BCL_OPTION_INT)
        *(int64_t *)o->value = (int64_t)item->valuedouble;
    else if (o->kind == BCL_OPTION_REAL)
        *(double *)o->value = item->valuedouble;
    else {
        const cJSON *word;
        list->count = 0;
        cJSON_ArrayForEach(word, item) {
            if (!cJSON_IsString(word))
                BCL_FAIL(BCL_ERROR_FORMAT, "%s: \"%s\": expected strings", path, o->name);
            BCL_TRY(bcl_grow(&list->items, &list->capacity, list->count + 1, sizeof *list->items));
            list->items[list->count++] = word->valuestring;
        }
    }
out:
    return status;
}

bcl_status bcl_options_restore(const bcl_option *options, const cJSON *stored, const char *path) {
    bcl_status status = BCL_OK;
    cJSON *now = NULL;
    for (const bcl_option *o = options; o->kind != BCL_OPTION_END; o++) {
        if (!o->name || !o->given)
            continue;
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(stored, o->name);
        if (!item)
            continue;
        if (!*o->given) {
            BCL_TRY(set_from_json(o, item, path));
            continue;
        }
        now = value_to_json(o);
        if (!cJSON_Compare(now, item, 1)) {
            char *was = cJSON_PrintUnformatted(item), *is = cJSON_PrintUnformatted(now);
            status = bcl_fail(BCL_ERROR_ARGUMENT,
                              "%s: --%s: the run was started with %s, found %s; leave it out or "
                              "start another run",
                              path, o->name, was ? was : "?", is ? is : "?");
            cJSON_free(was);
            cJSON_free(is);
            goto out;
        }
        cJSON_Delete(now);
        now = NULL;
    }
out:
    cJSON_Delete(now);
    return status;
}
