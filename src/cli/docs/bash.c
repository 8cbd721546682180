/* Completion for bash 4 and later; needs nothing of the bash-completion package. */
#include "cli/docs/docs.h"

static const char head[] =
    "# bash completion for bertcl. Written by bertcl_docs from the tables of options.\n"
    "\n"
    "# Offers what begins with $value, of a kind; parts that readline takes for words of their "
    "own\n"
    "# (pocl:0) are replied from the last such part on.\n"
    "_bertcl_reply() {\n"
    "    local kind=$1 value=$2 before=${2%\"${2##*:}\"}\n"
    "    case $kind in\n"
    "        file) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- \"$value\") ;;\n"
    "        folder) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- \"$value\") ;;\n"
    "        device) kind=$(\"${COMP_WORDS[0]}\" devices --json 2>/dev/null |\n"
    "            sed -n 's/^.*\"id\":[[:space:]]*\"\\([^\"]*\\)\".*$/\\1/p') ;;&\n"
    "        text | file | folder) ;;\n"
    "        *) mapfile -t COMPREPLY < <(compgen -W \"$kind\" -- \"$value\") ;;\n"
    "    esac\n"
    "    [[ -n $before && $COMP_WORDBREAKS == *:* ]] && "
    "COMPREPLY=(\"${COMPREPLY[@]#\"$before\"}\")\n"
    "}\n"
    "\n"
    "_bertcl() {\n"
    "    local words=() word glue='' command options plain kind greedy option='' direct='' help='' "
    "i cur\n"
    "    COMPREPLY=()\n"
    "    # readline takes '=' and ':' for words: put together what was written together\n"
    "    for word in \"${COMP_WORDS[@]:0:COMP_CWORD+1}\"; do\n"
    "        if [[ ${#words[@]} -gt 0 && ( $glue || $word == [:=]* ) ]]; then\n"
    "            words[-1]+=$word\n"
    "        else\n"
    "            words+=(\"$word\")\n"
    "        fi\n"
    "        glue=''\n"
    "        [[ $word == *[:=] && ${words[-1]} == *[:=] ]] && glue=1\n"
    "    done\n"
    "    cur=${words[-1]}\n"
    "    # behind help stand the same commands, without options\n"
    "    [[ ${#words[@]} -gt 2 && ${words[1]} == help ]] && "
    "help=1 words=(\"${words[0]}\" \"${words[@]:2}\")\n"
    "    i=$((${#words[@]} - 2))\n"
    "    if [[ $cur == --*=* ]]; then\n"
    "        option=${cur%%=*} cur=${cur#*=} direct=1\n"
    "    else\n"
    "        # the option before: at once, or that of a list\n"
    "        [[ $i -gt 0 && ${words[i]} == --* ]] && direct=1\n"
    "        while [[ $i -gt 0 && ${words[i]} != --* ]]; do i=$((i - 1)); done\n"
    "        [[ $i -gt 0 ]] && option=${words[i]}\n"
    "    fi\n";

static const char between[] =
    "    [[ $help ]] && return\n"
    "    options='--config --print-config --help' plain='' kind='' greedy=''\n"
    "    case $command in\n";

static const char tail[] = "        *) return ;;\n"
                           "    esac\n"
                           "    case $option in\n"
                           "        --config) kind=file ;;\n"
                           "        --print-config | --help) kind='' ;;\n"
                           "    esac\n"
                           "    if [[ $direct && $kind ]]; then\n"
                           "        _bertcl_reply \"$kind\" \"$cur\"\n"
                           "    elif [[ $cur == -* ]]; then\n"
                           "        mapfile -t COMPREPLY < <(compgen -W \"$options\" -- \"$cur\")\n"
                           "    elif [[ $greedy ]]; then\n"
                           "        _bertcl_reply \"$kind\" \"$cur\"\n"
                           "    elif [[ $plain ]]; then\n"
                           "        _bertcl_reply \"$plain\" \"$cur\"\n"
                           "    else\n"
                           "        mapfile -t COMPREPLY < <(compgen -W \"$options\" -- \"$cur\")\n"
                           "    fi\n"
                           "}\n"
                           "complete -F _bertcl bertcl\n";

static bcl_status add_kind(bcl_string *out, const bcl_option *o) {
    bcl_status status = BCL_OK;
    static const char *const kinds[] = {
        [BCL_VALUE_NONE] = "",         [BCL_VALUE_TEXT] = "text",     [BCL_VALUE_FILE] = "file",
        [BCL_VALUE_FOLDER] = "folder", [BCL_VALUE_DEVICE] = "device", [BCL_VALUE_CHOICES] = NULL};
    const char *kind = kinds[bcl_docs_value_of(o)];
    if (kind)
        return bcl_string_addf(out, "%s", kind);
    BCL_TRY(bcl_string_add(out, "'", 1));
    for (const char *c = o->choices; *c; c++)
        BCL_TRY(bcl_string_add(out, *c == '|' ? " " : c, 1));
    BCL_TRY(bcl_string_add(out, "'", 1));
out:
    return status;
}

bcl_status bcl_docs_bash(bcl_docs *docs, const bcl_command *command, const bcl_option *options) {
    bcl_status status = BCL_OK;
    bcl_string *s = &docs->bash;
    BCL_TRY(bcl_string_addf(s, "        '%s')\n            options+='", command->name));
    for (const bcl_option *o = options; o->kind != BCL_OPTION_END; o++)
        if (o->name)
            BCL_TRY(bcl_string_addf(s, " --%s", o->name));
    BCL_TRY(bcl_string_addf(s, "'\n            case $option in\n"));
    for (const bcl_option *o = options; o->kind != BCL_OPTION_END; o++) {
        if (!o->name || o->kind == BCL_OPTION_FLAG)
            continue;
        BCL_TRY(bcl_string_addf(s, "                --%s) kind=", o->name));
        BCL_TRY(add_kind(s, o));
        BCL_TRY(bcl_string_addf(s, "%s ;;\n", bcl_docs_is_greedy(o, options) ? " greedy=1" : ""));
    }
    BCL_TRY(bcl_string_addf(s, "            esac\n"));
    const bcl_option *plain = bcl_option_find(options, NULL, 0);
    if (plain) {
        BCL_TRY(bcl_string_addf(s, "            plain="));
        BCL_TRY(add_kind(s, plain));
        BCL_TRY(bcl_string_add(s, "\n", 1));
    }
    BCL_TRY(bcl_string_addf(s, "            ;;\n"));
out:
    return status;
}

/* The names of the family's commands, after "bertcl" or "bertcl FAMILY". */
bcl_status bcl_docs_bash_family(bcl_docs *docs) {
    bcl_status status = BCL_OK;
    bcl_string *s = &docs->bash_families;
    const size_t at = docs->family ? 2 : 1;
    if (docs->family)
        BCL_TRY(bcl_string_addf(s, "    if [[ ${words[1]} == %s ]]; then\n", docs->family));
    else
        BCL_TRY(bcl_string_addf(s, "    if true; then\n"));
    BCL_TRY(bcl_string_addf(s,
                            "        if [[ ${#words[@]} -eq %zu ]]; then\n"
                            "            _bertcl_reply '",
                            at + 1));
    for (const bcl_cli_entry *e = docs->entries; e->name; e++)
        BCL_TRY(bcl_string_addf(s, "%s ", e->name));
    BCL_TRY(bcl_string_addf(s, "%s' \"$cur\"\n            return\n        fi\n",
                            docs->family ? "--help" : "help --help --version"));
    BCL_TRY(bcl_string_addf(s, docs->family ? "        command+=\" ${words[2]}\"\n    fi\n"
                                            : "        command=${words[1]}\n    fi\n"));
out:
    return status;
}

bcl_status bcl_docs_bash_script(bcl_string *out, const bcl_docs *docs) {
    return bcl_string_addf(out, "%s%s%s%s%s", head, docs->bash_families.data, between,
                           docs->bash.data, tail);
}
