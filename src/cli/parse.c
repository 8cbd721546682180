/* Table-driven long options. getopt_long knows neither lists nor ranges. */
#include "cli/options.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>

const bcl_cli_visitor *bcl_cli_visiting;

int bcl_cli_error(bcl_status status) {
    fprintf(stderr, "bertcl: %s\n", bcl_message());
    if (status == BCL_ERROR_INTERRUPTED && bcl_interrupt_signal())
        return BCL_EXIT_SIGNAL + bcl_interrupt_signal(); /* as a shell has it */
    return status == BCL_ERROR_ARGUMENT ? BCL_EXIT_USAGE : BCL_EXIT_FAILED;
}

static int usage_error(const bcl_command *command) {
    fprintf(stderr, "bertcl %s: %s (see bertcl %s --help)\n", command->name, bcl_message(),
            command->name);
    return BCL_EXIT_USAGE;
}

int bcl_cli_usage(const bcl_command *command, const char *format, ...) {
    char message[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    bcl_fail(BCL_ERROR_ARGUMENT, "%s", message);
    return usage_error(command);
}

/* ---- values ---- */

static bcl_status set_int(const bcl_option *o, const char *text, const char *at) {
    bcl_status status = BCL_OK;
    char *end;
    errno = 0;
    const long long x = strtoll(text, &end, 10);
    if (end == text || *end)
        BCL_FAIL(BCL_ERROR_ARGUMENT, "%s: found \"%s\", expected a whole number", at, text);
    /* Limits are at most 2^53: beyond, a double would round into them. */
    const double beyond = x < 0 ? -INFINITY : INFINITY;
    const bool huge = errno || x > 9007199254740992 || x < -9007199254740992;
    BCL_TRY(bcl_option_check_number(o, huge ? beyond : (double)x, text, at));
    if (errno)
        BCL_FAIL(BCL_ERROR_ARGUMENT, "%s: found %s, expected a number of at most 63 bits", at,
                 text);
    *(int64_t *)o->value = x;
out:
    return status;
}

static bcl_status set_real(const bcl_option *o, const char *text, const char *at) {
    bcl_status status = BCL_OK;
    char *end;
    const double x = strtod(text, &end);
    const bool pair = o->next && *end == ',';
    if (end == text || (*end && !pair) || !isfinite(x))
        BCL_FAIL(BCL_ERROR_ARGUMENT, "%s: found \"%s\", expected a number%s", at, text,
                 o->next ? ", or two with a comma between" : "");
    BCL_TRY(bcl_option_check_number(o, x, text, at));
    if (pair) {
        BCL_TRY(set_real(o->next, end + 1, at));
        *o->next->given = true;
    }
    *(double *)o->value = x;
out:
    return status;
}

static bcl_status set_value(const bcl_option *o, const char *text) {
    bcl_status status = BCL_OK;
    char at[64];
    snprintf(at, sizeof at, "%s%s", o->name ? "--" : "", o->name ? o->name : o->value_name);
    if (o->kind == BCL_OPTION_INT)
        return set_int(o, text, at);
    if (o->kind == BCL_OPTION_REAL)
        return set_real(o, text, at);
    BCL_TRY(bcl_option_check_text(o, text, at));
    if (o->kind == BCL_OPTION_LIST)
        BCL_TRY(bcl_list_add(o->value, text));
    else
        *(const char **)o->value = text;
out:
    return status;
}

/* ---- the command line ---- */

/* One reading of the words of the command line. */
typedef struct reader {
    const bcl_command *command;
    const bcl_option *options, *words;
    int argc, i;
    char **argv;
    bool ended; /* by "--" */
    bcl_status status;
    const bcl_option *list;    /* that takes the words that follow */
    const bcl_option *current; /* what was found, with */
    const char *value;         /* its text, and */
    bool off;                  /* --no-NAME */
} reader;

static bcl_status unknown_option(const reader *r, const char *arg) {
    const char *name = arg + strspn(arg, "-");
    bcl_suggestion near = {.wrong = name, .size = strcspn(name, "=")};
    bcl_options_offer(&near, r->options);
    bcl_options_offer(&near, bcl_options_of_all);
    return bcl_fail(BCL_ERROR_ARGUMENT, "unknown option %s%s", arg,
                    bcl_suggestion_text(&near, "--", ""));
}

static const bcl_option *find_any(const reader *r, const char *name, size_t size) {
    const bcl_option *o = bcl_option_find(r->options, name, size);
    return o ? o : bcl_option_find(bcl_options_of_all, name, size);
}

static bcl_status read_option(reader *r, const char *arg) {
    bcl_status status = BCL_OK;
    const char *name = arg[1] == '-' ? arg + 2 : !strcmp(arg, "-h") ? "help" : "";
    const size_t size = strcspn(name, "=");
    r->current = size ? find_any(r, name, size) : NULL;
    r->off = false;
    if (!r->current && size > 3 && !strncmp(name, "no-", 3)) {
        r->current = bcl_option_find(r->options, name + 3, size - 3);
        r->off = r->current && r->current->kind == BCL_OPTION_FLAG;
        r->current = r->off ? r->current : NULL;
    }
    if (!r->current)
        return unknown_option(r, arg);
    r->value = name[size] == '=' ? name + size + 1 : NULL;
    if (r->current->kind == BCL_OPTION_FLAG) {
        if (r->value)
            BCL_FAIL(BCL_ERROR_ARGUMENT, "--%s takes no value", r->current->name);
    } else if (!r->value) {
        const char *next = r->i < r->argc ? r->argv[r->i] : NULL;
        if (!next)
            BCL_FAIL(BCL_ERROR_ARGUMENT, "--%s needs a value, expected %s", r->current->name,
                     r->current->value_name);
        if (!strncmp(next, "--", 2) && find_any(r, next + 2, strcspn(next + 2, "=")))
            BCL_FAIL(BCL_ERROR_ARGUMENT,
                     "--%s needs a value, expected %s, found the option %s; a value of that name "
                     "is given as --%s=%s",
                     r->current->name, r->current->value_name, next, r->current->name, next);
        r->value = next;
        r->i++;
    }
    /* A list takes the words that follow it, unless the command has words of its own. */
    r->list = r->current->kind == BCL_OPTION_LIST && !r->words ? r->current : NULL;
out:
    return status;
}

/* The next option or word goes to `current`; false behind the last and after an error. */
static bool read_next(reader *r) {
    while (!r->status && r->i < r->argc) {
        const char *arg = r->argv[r->i++];
        if (!r->ended && !strcmp(arg, "--")) {
            r->ended = true;
            r->list = NULL;
            continue;
        }
        if (!r->ended && arg[0] == '-' && arg[1]) {
            r->status = read_option(r, arg);
            return !r->status;
        }
        r->current = r->list ? r->list : r->words;
        r->value = arg;
        if (!r->current)
            r->status = bcl_fail(BCL_ERROR_ARGUMENT, "unexpected word \"%s\"", arg);
        return !r->status;
    }
    return false;
}

static bool is_of_all(const reader *r, const char *name) {
    return !r->current->value && !strcmp(r->current->name, name);
}

/* --help and --print-config; all words are known or the first unknown one is told. */
static bcl_status read_modes(reader r, bool *help, bool *print) {
    while (!*help && read_next(&r)) {
        *help = is_of_all(&r, "help");
        *print = *print || is_of_all(&r, "print-config");
    }
    return r.status;
}

static bcl_status read_configs(reader r) {
    const reader again = r;
    while (!r.status && read_next(&r))
        if (is_of_all(&r, "config"))
            r.status = bcl_options_read_config(r.options, r.value);
    /* a list of the command line takes the place of the file's */
    for (reader l = again; !r.status && read_next(&l);)
        if (l.current->kind == BCL_OPTION_LIST)
            ((bcl_list *)l.current->value)->count = 0;
    return r.status;
}

static bcl_status read_values(reader r) {
    while (!r.status && read_next(&r)) {
        if (!r.current->value) /* of all commands: done */
            continue;
        if (r.current->kind == BCL_OPTION_FLAG)
            *(bool *)r.current->value = !r.off;
        else
            r.status = set_value(r.current, r.value);
        if (r.current->given)
            *r.current->given = true;
    }
    return r.status;
}

int bcl_options_parse(const bcl_command *command, const bcl_option *options, int argc, char **argv,
                      int first) {
    const reader r = {.command = command,
                      .options = options,
                      .words = bcl_option_find(options, NULL, 0),
                      .argc = argc,
                      .i = first,
                      .argv = argv};
    bcl_status status = BCL_OK;
    bool help = false, print = false;
    if (bcl_cli_visiting) {
        bcl_cli_visiting->command(bcl_cli_visiting->context, command, options);
        return BCL_EXIT_OK;
    }
    BCL_TRY(read_modes(r, &help, &print));
    if (help) {
        bcl_options_print_help(command, options);
        return BCL_EXIT_OK;
    }
    BCL_TRY(read_configs(r));
    BCL_TRY(read_values(r));
    if (print) {
        BCL_TRY(bcl_options_print_config(options));
        return BCL_EXIT_OK;
    }
    return -1;
out:
    return status == BCL_ERROR_ARGUMENT ? usage_error(command) : bcl_cli_error(status);
}
