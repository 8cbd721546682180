/* Completion for fish. */
#include "cli/docs/docs.h"

static const char head[] =
    "# fish completion for bertcl. Written by bertcl_docs from the tables of options.\n"
    "\n"
    "# Is this the command that is being written? \"\" before there is one.\n"
    "function __bertcl_is\n"
    "    set -l words (commandline -opc)\n"
    "    set -e words[1]\n"
    "    test \"$words[1]\" = help; and set -e words[1]\n"
    "    set -l count (count (string split -n ' ' -- $argv[1]))\n"
    "    test $count -gt 0; or test (count $words) -eq 0; or return 1\n"
    "    test $count -eq 0; and return 0\n"
    "    test (count $words) -ge $count; or return 1\n"
    "    test \"$words[1..$count]\" = \"$argv[1]\"; or return 1\n"
    "    # a family: only its own name is there\n"
    "    test (count $argv) -lt 2; or test (count $words) -eq $count\n"
    "end\n"
    "\n"
    "function __bertcl_devices\n"
    "    bertcl devices --json 2>/dev/null | string replace -rf "
    "'^.*\"id\":[[:space:]]*\"([^\"]*)\".*$' "
    "'$1'\n"
    "end\n"
    "\n"
    "complete -c bertcl -f\n"
    "complete -c bertcl -n '__bertcl_is \"\"' -l version -d 'print the version'\n"
    "complete -c bertcl -n '__bertcl_is \"\"' -a help -d 'a command\\'s options'\n"
    "complete -c bertcl -l help -d 'print the help'\n"
    "complete -c bertcl -n 'not __bertcl_is \"\"' -l config -rF -d 'take options from a JSON "
    "file'\n"
    "complete -c bertcl -n 'not __bertcl_is \"\"' -l print-config -d 'print all options with their "
    "values'\n";

static bcl_status add_quoted(bcl_string *out, const char *text, size_t size) {
    bcl_status status = BCL_OK;
    BCL_TRY(bcl_string_add(out, "'", 1));
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '\'' || text[i] == '\\')
            BCL_TRY(bcl_string_add(out, "\\", 1));
        BCL_TRY(bcl_string_add(out, text[i] == '\n' ? " " : text + i, 1));
    }
    BCL_TRY(bcl_string_add(out, "'", 1));
out:
    return status;
}

static bcl_status add_value(bcl_string *out, const bcl_option *o) {
    bcl_status status = BCL_OK;
    switch (bcl_docs_value_of(o)) {
    case BCL_VALUE_NONE:
        break;
    case BCL_VALUE_TEXT:
        BCL_TRY(bcl_string_addf(out, " -x"));
        break;
    case BCL_VALUE_FILE:
        BCL_TRY(bcl_string_addf(out, " -rF"));
        break;
    case BCL_VALUE_FOLDER:
        BCL_TRY(bcl_string_addf(out, " -xa '(__fish_complete_directories)'"));
        break;
    case BCL_VALUE_DEVICE:
        BCL_TRY(bcl_string_addf(out, " -xa '(__bertcl_devices)'"));
        break;
    case BCL_VALUE_CHOICES:
        BCL_TRY(bcl_string_addf(out, " -xa '"));
        for (const char *c = o->choices; *c; c++)
            BCL_TRY(bcl_string_add(out, *c == '|' ? " " : c, 1));
        BCL_TRY(bcl_string_add(out, "'", 1));
        break;
    }
out:
    return status;
}

bcl_status bcl_docs_fish(bcl_docs *docs, const bcl_command *command, const bcl_option *options) {
    bcl_status status = BCL_OK;
    bcl_string *s = &docs->fish;
    bool files =
        false; /* among the words: the command's own, or those behind the first of a list */
    for (const bcl_option *o = options; o->kind != BCL_OPTION_END; o++) {
        const bool plain = o->kind != BCL_OPTION_GROUP && !o->name;
        files = files || ((plain || bcl_docs_is_greedy(o, options)) &&
                          bcl_docs_value_of(o) == BCL_VALUE_FILE);
        if (!o->name)
            continue;
        BCL_TRY(bcl_string_addf(s, "complete -c bertcl -n '__bertcl_is \"%s\"' -l %s",
                                command->name, o->name));
        BCL_TRY(add_value(s, o));
        BCL_TRY(bcl_string_addf(s, " -d "));
        BCL_TRY(add_quoted(s, o->help, bcl_docs_short(o->help)));
        BCL_TRY(bcl_string_add(s, "\n", 1));
    }
    if (files)
        BCL_TRY(
            bcl_string_addf(s, "complete -c bertcl -n '__bertcl_is \"%s\"' -F\n", command->name));
out:
    return status;
}

bcl_status bcl_docs_fish_family(bcl_docs *docs) {
    bcl_status status = BCL_OK;
    const char *family = docs->family ? docs->family : "";
    for (const bcl_cli_entry *e = docs->entries; e->name; e++) {
        BCL_TRY(bcl_string_addf(&docs->fish,
                                "complete -c bertcl -n '__bertcl_is \"%s\" alone' -a %s -d ",
                                family, e->name));
        BCL_TRY(add_quoted(&docs->fish, e->summary, strlen(e->summary)));
        BCL_TRY(bcl_string_add(&docs->fish, "\n", 1));
    }
out:
    return status;
}

bcl_status bcl_docs_fish_script(bcl_string *out, const bcl_docs *docs) {
    return bcl_string_addf(out, "%s%s", head, docs->fish.data);
}
