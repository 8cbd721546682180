/* The commands there are, and how one is found by its name. */
#include "cli/options.h"
#include "cli/terminal.h"

#include <signal.h>

const bcl_cli_entry bcl_cli_commands[] = {
    {"devices", bcl_cli_devices, "the OpenCL devices of this machine, tested", false},
    {"data", bcl_cli_data, "count, clean and split a corpus", false},
    {"tokenize", bcl_cli_tokenize, "text or words to ids, pieces, word ids and offsets", false},
    {"train", bcl_cli_train, "fine-tune a model on labelled data", true},
    {"eval", bcl_cli_eval, "score a model on labelled data", false},
    {"predict", bcl_cli_predict, "find entities in text", false},
    {"runs", bcl_cli_runs, "the store's runs: list, show, compare, follow", false},
    {"report", bcl_cli_report, "an HTML page about a run, or several side by side", false},
    {"models", bcl_cli_models, "the store's models: versions, lineage, aliases", false},
    {"bench", bcl_cli_bench, "measure what a device gives on BERT, and compare", true},
    {"tune", bcl_cli_tune, "find a device's fastest matrix product and store it", true},
    {NULL, NULL, NULL, false},
};

enum { WIDEST = 100, NAME_COLUMNS = 12 };

static void print_entries(FILE *to, const bcl_cli_entry *entries) {
    const size_t columns = bcl_terminal_columns(to), width = columns < WIDEST ? columns : WIDEST;
    for (size_t i = 0; entries[i].name; i++) {
        const int n = fprintf(to, "  %s", entries[i].name);
        bcl_print_wrapped(to, entries[i].summary, (size_t)n, NAME_COLUMNS + 2, width);
    }
}

static void print_help(FILE *to, const char *family, const bcl_cli_entry *entries) {
    const size_t columns = bcl_terminal_columns(to), width = columns < WIDEST ? columns : WIDEST;
    if (family) {
        fprintf(to, "usage: bertcl %s COMMAND [OPTION…]\n\n", family);
        print_entries(to, entries);
        fprintf(to, "\nbertcl %s COMMAND --help tells a command's options.\n", family);
        return;
    }
    fputs("usage: bertcl COMMAND [OPTION…]\n\n", to);
    bcl_print_wrapped(
        to,
        "Fine-tunes, evaluates and runs BERT for named-entity recognition on any OpenCL device.", 0,
        0, width);
    fputs("\ncommands:\n", to);
    print_entries(to, entries);
    fputc('\n', to);
    bcl_print_wrapped(
        to,
        "bertcl help COMMAND, or bertcl COMMAND --help, tells a command's options; bertcl "
        "--version "
        "the version. Results go to stdout, progress and messages to stderr. Exit status: 0 done, "
        "1 "
        "failed, 2 wrong usage, 128 and the signal's number when stopped by a signal (130 after "
        "Ctrl-C).",
        0, 0, width);
}

static const bcl_cli_entry *find(const bcl_cli_entry *entries, const char *name) {
    for (const bcl_cli_entry *e = entries; e->name; e++)
        if (!strcmp(e->name, name))
            return e;
    return NULL;
}

static int unknown(const char *family, const bcl_cli_entry *entries, const char *word) {
    const char *name = word + strspn(word, "-"), *gap = family ? " " : "";
    bcl_suggestion near = {.wrong = name, .size = strlen(name)};
    char all[256] = "";
    family = family ? family : "";
    for (const bcl_cli_entry *e = entries; e->name; e++) {
        const size_t n = strlen(all);
        bcl_suggestion_offer(&near, e->name, strlen(e->name));
        snprintf(all + n, sizeof all - n, "%s%s", !n ? "" : e[1].name ? ", " : " or ", e->name);
    }
    bcl_fail(BCL_ERROR_ARGUMENT,
             "%s%sunknown command \"%s\", expected %s%s (see bertcl %s%s--help)", family,
             *gap ? ": " : "", word, all, bcl_suggestion_text(&near, "", ""), family, gap);
    return bcl_cli_error(BCL_ERROR_ARGUMENT);
}

/* Commands get the words from their name on, actions all of them. */
static int call(const char *family, const bcl_cli_entry *entry, int argc, char **argv) {
    if (entry->outlives_stdout && !bcl_cli_visiting)
        signal(SIGPIPE, SIG_IGN);
    return family ? entry->run(argc, argv) : entry->run(argc - 1, argv + 1);
}

/* help [COMMAND [ACTION]] is COMMAND [ACTION] --help. */
static int help(const char *family, const bcl_cli_entry *entries, int argc, char **argv) {
    const bcl_cli_entry *entry = argc > 2 ? find(entries, argv[2]) : NULL;
    if (argc <= 2) {
        print_help(stdout, family, entries);
        return BCL_EXIT_OK;
    }
    if (!entry)
        return unknown(family, entries, argv[2]);
    char *words[] = {argv[0], argv[2], argc > 3 ? argv[3] : "--help", "--help", NULL};
    return call(family, entry, argc > 3 ? 4 : 3, words);
}

static int visit(const char *family, const bcl_cli_entry *entries) {
    int code = BCL_EXIT_OK;
    bcl_cli_visiting->family(bcl_cli_visiting->context, family, entries);
    for (const bcl_cli_entry *e = entries; !code && e->name; e++) {
        char *words[] = {(char *)"bertcl", (char *)e->name, NULL};
        code = call(family, e, 2, words);
    }
    return code;
}

int bcl_cli_dispatch(const char *family, const bcl_cli_entry *entries, int argc, char **argv) {
    if (bcl_cli_visiting)
        return visit(family, entries);
    if (argc < 2) {
        print_help(stderr, family, entries);
        return BCL_EXIT_USAGE;
    }
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help"))
        return help(family, entries, argc, argv);
    const bcl_cli_entry *entry = find(entries, argv[1]);
    return entry ? call(family, entry, argc, argv) : unknown(family, entries, argv[1]);
}
