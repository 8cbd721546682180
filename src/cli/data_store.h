/* bertcl data list, show and diff. */
#ifndef BCL_CLI_DATA_STORE_H
#define BCL_CLI_DATA_STORE_H

int bcl_cli_data_list(int argc, char **argv);
int bcl_cli_data_show(int argc, char **argv);
int bcl_cli_data_diff(int argc, char **argv);

#endif
