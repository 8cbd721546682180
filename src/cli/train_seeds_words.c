/* The options that were given, as the words of a command line, for the run of each seed. */
#include "cli/train.h"

/* Options that are the command's own, or differ from run to run. */
static bool is_own(const char *name) {
    static const char *const own[] = {"seeds", "seed", "out", "resume", "quiet", "json"};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (!strcmp(name, own[i]))
            return true;
    return false;
}

/* As short as it can be to mean the same number. */
static bcl_status add_real(char **word, const char *name, double x) {
    char text[32];
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, x);
        if (strtod(text, NULL) == x)
            break;
    }
    return bcl_format(word, "--%s=%s", name, text);
}

static bcl_status add_option(bcl_seeds *words, const bcl_option *o) {
    bcl_status status = BCL_OK;
    char *word = NULL;
    if (o->kind == BCL_OPTION_LIST) {
        const bcl_list *list = o->value;
        for (size_t i = 0; i < list->count; i++) {
            BCL_TRY(bcl_format(&word, "--%s=%s", o->name, list->items[i]));
            BCL_TRY(bcl_seeds_add_word(words, word));
            free(word);
            word = NULL;
        }
        return BCL_OK;
    }
    if (o->kind == BCL_OPTION_INT)
        BCL_TRY(bcl_format(&word, "--%s=%lld", o->name, (long long)*(const int64_t *)o->value));
    else if (o->kind == BCL_OPTION_REAL)
        BCL_TRY(add_real(&word, o->name, *(const double *)o->value));
    else if (o->kind == BCL_OPTION_TEXT)
        BCL_TRY(bcl_format(&word, "--%s=%s", o->name, *(const char *const *)o->value));
    else
        BCL_TRY(bcl_format(&word, "--%s%s", *(const bool *)o->value ? "" : "no-", o->name));
    BCL_TRY(bcl_seeds_add_word(words, word));
out:
    free(word);
    return status;
}

bcl_status bcl_train_seeds_words(bcl_seeds *words, const bcl_option *options) {
    bcl_status status = BCL_OK;
    for (const bcl_option *o = options; o->kind != BCL_OPTION_END; o++)
        if (o->given && *o->given && !is_own(o->name))
            BCL_TRY(add_option(words, o));
out:
    return status;
}
