/* Inside cli/: what the files of the option parser share. A command needs cli.h alone. */
#ifndef BCL_CLI_OPTIONS_H
#define BCL_CLI_OPTIONS_H

#include "cli/cli.h"

/* ---- suggest.c ---- */

/* The nearest of the names offered to what was written. Initialise `wrong` and `size`. */
typedef struct bcl_suggestion {
    const char *wrong; /* (size) */
    size_t size;
    const char *name; /* (name_size), NULL: nothing is near */
    size_t name_size, far;
    char text[128];
} bcl_suggestion;
void bcl_suggestion_offer(bcl_suggestion *suggestion, const char *name, size_t size);
/* Each of "a|b|c". */
void bcl_suggestion_offer_choices(bcl_suggestion *suggestion, const char *choices);
/* "; did you mean BEFOREnameBEHIND?" or "", in the suggestion itself. */
const char *bcl_suggestion_text(bcl_suggestion *suggestion, const char *before, const char *behind);

/* ---- options.c: the tables ---- */

/* By name, or the plain words' with NULL; NULL if there is none. */
const bcl_option *bcl_option_find(const bcl_option *options, const char *name, size_t size);
/* Offers the names of the command's options. */
void bcl_options_offer(bcl_suggestion *suggestion, const bcl_option *options);
/* Is the number outside of the option's limits? Sets the message, which begins with `at`. */
bcl_status bcl_option_check_number(const bcl_option *option, double x, const char *found,
                                   const char *at);
/* Is it one of the choices, and not empty? Likewise. */
bcl_status bcl_option_check_text(const bcl_option *option, const char *text, const char *at);
bcl_status bcl_list_add(bcl_list *list, const char *text);

/* ---- config.c ---- */

/* Takes the options that a file names: a JSON object {option: value}, or a run's run.json. The
 * texts stay until bcl_options_release. */
bcl_status bcl_options_read_config(const bcl_option *options, const char *path);
/* Prints every option with its value on stdout, as --config reads it. */
bcl_status bcl_options_print_config(const bcl_option *options);

/* ---- help.c ---- */

void bcl_options_print_help(const bcl_command *command, const bcl_option *options);
/* What every command takes besides its own: --config, --print-config, --help. */
extern const bcl_option bcl_options_of_all[];

#endif
