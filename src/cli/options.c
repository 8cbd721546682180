/* The tables of options: finding one, and what its limits and choices allow. */
#include "cli/options.h"

#include <math.h>

void bcl_list_free(bcl_list *list) {
    free(list->items);
    *list = (bcl_list){0};
}

bcl_status bcl_list_add(bcl_list *list, const char *text) {
    bcl_status status = BCL_OK;
    BCL_TRY(bcl_grow(&list->items, &list->capacity, list->count + 1, sizeof *list->items));
    list->items[list->count++] = text;
out:
    return status;
}

const bcl_option *bcl_option_find(const bcl_option *options, const char *name, size_t size) {
    for (const bcl_option *o = options; o->kind != BCL_OPTION_END; o++)
        if (o->kind != BCL_OPTION_GROUP &&
            (name ? o->name && strlen(o->name) == size && !memcmp(o->name, name, size) : !o->name))
            return o;
    return NULL;
}

void bcl_options_offer(bcl_suggestion *s, const bcl_option *options) {
    for (const bcl_option *o = options; o->kind != BCL_OPTION_END; o++)
        if (o->name)
            bcl_suggestion_offer(s, o->name, strlen(o->name));
}

/* The shortest decimal that reads back equal, without an exponent where that is usual. */
static void print_limit(char *out, size_t size, double x) {
    int digits = 1;
    if (x == floor(x) && fabs(x) < 1e16) {
        snprintf(out, size, "%.0f", x);
        return;
    }
    do
        snprintf(out, size, "%.*g", digits, x);
    while (strtod(out, NULL) != x && ++digits <= 17);
}

bcl_status bcl_option_check_number(const bcl_option *o, double x, const char *found,
                                   const char *at) {
    char least[32], most[32];
    if (!(o->min < o->max) || (x >= o->min && x <= o->max))
        return BCL_OK;
    print_limit(least, sizeof least, o->min);
    print_limit(most, sizeof most, o->max);
    return bcl_fail(BCL_ERROR_ARGUMENT, "%s: found %s, expected %s to %s", at, found, least, most);
}

bcl_status bcl_option_check_text(const bcl_option *o, const char *text, const char *at) {
    bcl_suggestion near = {.wrong = text, .size = strlen(text)};
    if (o->choices) {
        for (const char *c = o->choices; *c; c += strcspn(c, "|"), c += *c == '|')
            if (strcspn(c, "|") == near.size && !strncmp(c, text, near.size))
                return BCL_OK;
        bcl_suggestion_offer_choices(&near, o->choices);
        return bcl_fail(BCL_ERROR_ARGUMENT, "%s: found \"%s\", expected one of %s%s", at, text,
                        o->choices, bcl_suggestion_text(&near, "", ""));
    }
    if (!*text)
        return bcl_fail(BCL_ERROR_ARGUMENT, "%s: found an empty text, expected %s", at,
                        o->value_name);
    return BCL_OK;
}
