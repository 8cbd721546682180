/* What the pages and every shell's script say of an option or a command. */
#include "cli/docs/docs.h"

static bool begins(const char *text, const char *with) {
    return !strncmp(text, with, strlen(with));
}

bcl_docs_value bcl_docs_value_of(const bcl_option *o) {
    const char *value = o->value_name ? o->value_name : "";
    return o->kind == BCL_OPTION_FLAG                                    ? BCL_VALUE_NONE
           : o->choices                                                  ? BCL_VALUE_CHOICES
           : begins(value, "FILE") || begins(value, "PATH")              ? BCL_VALUE_FILE
           : begins(value, "DIR") || begins(value, "RUN")                ? BCL_VALUE_FOLDER
           : begins(value, "ID") && o->name && begins(o->name, "device") ? BCL_VALUE_DEVICE
                                                                         : BCL_VALUE_TEXT;
}

bool bcl_docs_is_greedy(const bcl_option *o, const bcl_option *options) {
    return o->kind == BCL_OPTION_LIST && o->name && !bcl_option_find(options, NULL, 0);
}

size_t bcl_docs_short(const char *help) {
    enum { LEAST = 16 }; /* what stands before a colon may be a name alone */
    size_t n = strcspn(help, ";");
    const char *sentence = strstr(help, ". "), *list = strstr(help, ": ");
    if (sentence && (size_t)(sentence - help) < n)
        n = (size_t)(sentence - help);
    if (list && list - help >= LEAST && (size_t)(list - help) < n)
        n = (size_t)(list - help);
    return n;
}

const char *bcl_docs_summary(const bcl_docs *docs, const char *name) {
    const char *last = strrchr(name, ' ');
    last = last ? last + 1 : name;
    for (const bcl_cli_entry *e = docs->entries; e && e->name; e++)
        if (!strcmp(e->name, last))
            return e->summary;
    return "";
}
