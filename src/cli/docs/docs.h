/* Manual pages and completion scripts, written at build time from the tables that the commands
 * parse their options with. Not part of the program. */
#ifndef BCL_CLI_DOCS_H
#define BCL_CLI_DOCS_H

#include "cli/options.h"

typedef struct bcl_docs {
    const char *folder;           /* where the manual pages go */
    const char *family;           /* at hand: "data", or NULL for bertcl itself */
    const bcl_cli_entry *entries; /* of the family */
    /* the scripts' parts for the commands so far, and for the families */
    bcl_string bash, bash_families, zsh, zsh_families, fish;
    bcl_status status; /* the first failure */
} bcl_docs;

/* What a value is, as far as a shell can complete it. */
typedef enum bcl_docs_value {
    BCL_VALUE_NONE, /* a flag */
    BCL_VALUE_TEXT, /* nothing is known */
    BCL_VALUE_CHOICES,
    BCL_VALUE_FILE,
    BCL_VALUE_FOLDER,
    BCL_VALUE_DEVICE
} bcl_docs_value;
bcl_docs_value bcl_docs_value_of(const bcl_option *option);
/* Takes the words that follow, too: a list of a command without words of its own. */
bool bcl_docs_is_greedy(const bcl_option *option, const bcl_option *options);
/* Bytes of the help's beginning that says enough in a list. */
size_t bcl_docs_short(const char *help);
/* "NAME": the command's line of summary in its family's table. */
const char *bcl_docs_summary(const bcl_docs *docs, const char *name);

/* Each takes a family, then its commands. */
bcl_status bcl_docs_man_family(bcl_docs *docs);
bcl_status bcl_docs_man(bcl_docs *docs, const bcl_command *command, const bcl_option *options);
bcl_status bcl_docs_bash(bcl_docs *docs, const bcl_command *command, const bcl_option *options);
bcl_status bcl_docs_zsh(bcl_docs *docs, const bcl_command *command, const bcl_option *options);
bcl_status bcl_docs_fish(bcl_docs *docs, const bcl_command *command, const bcl_option *options);
bcl_status bcl_docs_bash_family(bcl_docs *docs);
bcl_status bcl_docs_zsh_family(bcl_docs *docs);
bcl_status bcl_docs_fish_family(bcl_docs *docs);
/* The whole scripts; `out` is freed by the caller. */
bcl_status bcl_docs_bash_script(bcl_string *out, const bcl_docs *docs);
bcl_status bcl_docs_zsh_script(bcl_string *out, const bcl_docs *docs);
bcl_status bcl_docs_fish_script(bcl_string *out, const bcl_docs *docs);

#endif
