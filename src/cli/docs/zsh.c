/* Completion for zsh, by its own _arguments. */
#include "cli/docs/docs.h"

static const char head[] =
    "#compdef bertcl\n"
    "# Written by bertcl_docs from the tables of options.\n"
    "\n"
    "_bertcl__device_ids() {\n"
    "  local -a ids\n"
    "  ids=(${(f)\"$(_call_program devices bertcl devices --json 2>/dev/null |\n"
    "    sed -n 's/^.*\"id\":[[:space:]]*\"\\([^\"]*\\)\".*$/\\1/p')\"})\n"
    "  _wanted devices expl 'OpenCL device' compadd -a ids\n"
    "}\n"
    "\n"
    "_bertcl_of_all=(\n"
    "  '--config=[take options from a JSON file]:FILE.json:_files'\n"
    "  '--print-config[print all options with their values]'\n"
    "  '(- *)--help[print the help]'\n"
    ")\n"
    "\n";

/* Within single quotes; inside the description also what _arguments would take for its own. */
static bcl_status add_quoted(bcl_string *out, const char *text, size_t size, const char *special) {
    bcl_status status = BCL_OK;
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '\'') {
            BCL_TRY(bcl_string_addf(out, "'\\''"));
            continue;
        }
        if (strchr(special, text[i]))
            BCL_TRY(bcl_string_add(out, "\\", 1));
        BCL_TRY(bcl_string_add(out, text[i] == '\n' ? " " : text + i, 1));
    }
out:
    return status;
}

static bcl_status add_value(bcl_string *out, const bcl_option *o) {
    bcl_status status = BCL_OK;
    BCL_TRY(bcl_string_add(out, ":", 1));
    BCL_TRY(add_quoted(out, o->value_name, strlen(o->value_name), ":\\[]"));
    switch (bcl_docs_value_of(o)) {
    case BCL_VALUE_FILE:
        BCL_TRY(bcl_string_addf(out, ":_files"));
        break;
    case BCL_VALUE_FOLDER:
        BCL_TRY(bcl_string_addf(out, ":_files -/"));
        break;
    case BCL_VALUE_DEVICE:
        BCL_TRY(bcl_string_addf(out, ":_bertcl__device_ids"));
        break;
    case BCL_VALUE_CHOICES:
        BCL_TRY(bcl_string_addf(out, ":("));
        for (const char *c = o->choices; *c; c++)
            BCL_TRY(bcl_string_add(out, *c == '|' ? " " : c, 1));
        BCL_TRY(bcl_string_add(out, ")", 1));
        break;
    default:
        BCL_TRY(bcl_string_addf(out, ": "));
    }
out:
    return status;
}

static bcl_status add_option(bcl_string *out, const bcl_option *o, const bcl_option *options) {
    bcl_status status = BCL_OK;
    const bool list = o->kind == BCL_OPTION_LIST;
    if (!o->name) {
        BCL_TRY(bcl_string_addf(out, " \\\n    '*"));
        BCL_TRY(add_value(out, o));
        BCL_TRY(bcl_string_add(out, "'", 1));
        goto out;
    }
    BCL_TRY(
        bcl_string_addf(out, " \\\n    '%s--%s%s[", list ? "*" : "", o->name,
                        o->kind == BCL_OPTION_FLAG || bcl_docs_is_greedy(o, options) ? "" : "="));
    BCL_TRY(add_quoted(out, o->help, bcl_docs_short(o->help), ":\\[]"));
    BCL_TRY(bcl_string_add(out, "]", 1));
    if (bcl_docs_is_greedy(o, options))
        BCL_TRY(bcl_string_addf(out, ":*-*")); /* words up to the next option */
    if (o->kind != BCL_OPTION_FLAG)
        BCL_TRY(add_value(out, o));
    BCL_TRY(bcl_string_add(out, "'", 1));
out:
    return status;
}

static bcl_status add_function_name(bcl_string *out, const char *command) {
    bcl_status status = BCL_OK;
    for (const char *c = command; *c; c++)
        BCL_TRY(bcl_string_add(out, *c == ' ' ? "_" : c, 1));
out:
    return status;
}

bcl_status bcl_docs_zsh(bcl_docs *docs, const bcl_command *command, const bcl_option *options) {
    bcl_status status = BCL_OK;
    bcl_string *s = &docs->zsh;
    BCL_TRY(bcl_string_addf(s, "_bertcl_"));
    BCL_TRY(add_function_name(s, command->name));
    BCL_TRY(bcl_string_addf(s, "() {\n  _arguments"));
    for (const bcl_option *o = options; o->kind != BCL_OPTION_END; o++)
        if (o->kind != BCL_OPTION_GROUP)
            BCL_TRY(add_option(s, o, options));
    BCL_TRY(bcl_string_addf(s, " \\\n    $_bertcl_of_all\n}\n\n"));
out:
    return status;
}

bcl_status bcl_docs_zsh_family(bcl_docs *docs) {
    bcl_status status = BCL_OK;
    bcl_string *s = &docs->zsh_families;
    BCL_TRY(bcl_string_addf(s, "_bertcl%s%s() {\n", docs->family ? "_" : "",
                            docs->family ? docs->family : ""));
    BCL_TRY(bcl_string_addf(s, "  local context state state_descr line\n  typeset -A opt_args\n"
                               "  local -a commands\n  commands=(\n"));
    for (const bcl_cli_entry *e = docs->entries; e->name; e++) {
        BCL_TRY(bcl_string_addf(s, "    '%s:", e->name));
        BCL_TRY(add_quoted(s, e->summary, strlen(e->summary), ":\\"));
        BCL_TRY(bcl_string_addf(s, "'\n"));
    }
    BCL_TRY(bcl_string_addf(
        s,
        "%s  )\n"
        "  _arguments -C '(- *)--help[print the help]' %s'1:command:->command' "
        "'*::argument:->rest'\n"
        "  case $state in\n"
        "    command) _describe -t commands 'command' commands ;;\n"
        "    rest) (( $+functions[_bertcl%s%s_$words[1]] )) && _bertcl%s%s_$words[1] ;;\n"
        "  esac\n}\n\n",
        docs->family ? "" : "    'help:a command'\\''s options'\n",
        docs->family ? "" : "'(- *)--version[print the version]' ", docs->family ? "_" : "",
        docs->family ? docs->family : "", docs->family ? "_" : "",
        docs->family ? docs->family : ""));
out:
    return status;
}

bcl_status bcl_docs_zsh_script(bcl_string *out, const bcl_docs *docs) {
    return bcl_string_addf(out, "%s%s%s_bertcl_help() { _bertcl }\n\n_bertcl \"$@\"\n", head,
                           docs->zsh.data, docs->zsh_families.data);
}
