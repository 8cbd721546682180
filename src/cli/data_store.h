/* The store's side of bertcl data: list, show, diff, and registering. */
#ifndef BCL_CLI_DATA_STORE_H
#define BCL_CLI_DATA_STORE_H

#include "cli/data_command.h"

typedef struct data_about {
    const char *name, *description, *source; /* as a person gave them; NULL: not */
} data_about;
/* Registers what data prepare wrote to --out, made from what it read. What fails is told. */
void data_register(const data_options *o, const data_set *d, const data_about *about);

int bcl_cli_data_list(int argc, char **argv);
int bcl_cli_data_show(int argc, char **argv);
int bcl_cli_data_diff(int argc, char **argv);

#endif
