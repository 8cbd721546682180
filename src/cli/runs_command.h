/* The commands of bertcl runs; each returns the exit code. */
#ifndef BCL_CLI_RUNS_COMMAND_H
#define BCL_CLI_RUNS_COMMAND_H

#include "cli/store_command.h"

int bcl_cli_runs_tag(int argc, char **argv);
int bcl_cli_runs_delete(int argc, char **argv);
int bcl_cli_runs_gc(int argc, char **argv);
int bcl_cli_runs_import(int argc, char **argv);
int bcl_cli_runs_sync(int argc, char **argv);
int bcl_cli_runs_watch(int argc, char **argv);

#endif
