/* --help: a command's options, from its table. */
#include "cli/options.h"
#include "cli/terminal.h"

enum { WIDEST = 100, HELP_COLUMN = 28, NARROW = 60, NARROW_INDENT = 6 };

const bcl_option bcl_options_of_all[] = {
    {BCL_OPTION_TEXT, "config", NULL, "FILE.json",
     "take options from a JSON object {\"option\": value}, or from a run's run.json; what the "
     "command line gives comes first, and --no-NAME takes a flag back",
     .min = 0},
    {BCL_OPTION_FLAG, "print-config", NULL, NULL,
     "print all options with their values in the form of --config, and exit; null: not given, the "
     "default that the help tells holds",
     .min = 0},
    {BCL_OPTION_FLAG, "help", NULL, NULL, "print this and exit", .min = 0},
    {.kind = BCL_OPTION_END},
};

static size_t print_name(const bcl_option *o) {
    const char *value = o->value_name ? o->value_name : "";
    if (!o->name)
        printf("  %s", value);
    else
        printf("  --%s%s%s", o->name, *value ? " " : "", value);
    return 2 + bcl_columns(value, strlen(value)) +
           (o->name ? 2 + strlen(o->name) + (*value != 0) : 0);
}

static void print_options(const bcl_option *options, size_t width) {
    const size_t indent = width < NARROW ? NARROW_INDENT : HELP_COLUMN;
    for (const bcl_option *o = options; o->kind != BCL_OPTION_END; o++) {
        if (o->kind == BCL_OPTION_GROUP) {
            printf("%s%s:\n", o == options ? "" : "\n", o->help);
            continue;
        }
        size_t at = print_name(o);
        if (at + 2 > indent) {
            putchar('\n');
            at = 0;
        }
        bcl_print_wrapped(stdout, o->help, at, indent, width);
    }
}

/* A line for each way to call the command; those behind the first name bertcl themselves. */
static void print_usage(const bcl_command *command, size_t width) {
    char line[256];
    const char *text = command->usage;
    for (size_t n = strcspn(text, "\n"); *text;
         text += n + (text[n] == '\n'), n = strcspn(text, "\n")) {
        const size_t skip = strspn(text, " "), at = strlen("usage: ");
        if (text == command->usage)
            snprintf(line, sizeof line, "bertcl %s %.*s", command->name, (int)n, text);
        else
            snprintf(line, sizeof line, "%.*s", (int)(n - skip), text + skip);
        fputs(text == command->usage ? "usage: " : "       ", stdout);
        bcl_print_wrapped(stdout, line, at, at, width);
    }
}

void bcl_options_print_help(const bcl_command *command, const bcl_option *options) {
    const size_t terminal = bcl_terminal_columns(stdout);
    const size_t width = terminal < WIDEST ? terminal : WIDEST;
    print_usage(command, width);
    putchar('\n');
    bcl_print_wrapped(stdout, command->summary, 0, 0, width);
    putchar('\n');
    print_options(options, width);
    if (options->kind == BCL_OPTION_GROUP)
        puts("\nWith every command:");
    print_options(bcl_options_of_all, width);
    if (command->details) {
        putchar('\n');
        bcl_print_wrapped(stdout, command->details, 0, 0, width);
    }
}
