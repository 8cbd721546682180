/* The commands of bertcl runs; each returns the exit code. */
#ifndef BCL_CLI_RUNS_COMMAND_H
#define BCL_CLI_RUNS_COMMAND_H

#include "cli/store_command.h"

typedef struct bcl_cli_runs_list {
    const char *where, *sort;
    bcl_list fields;
    int64_t limit;
    bool json, all, deleted;
} bcl_cli_runs_list;
/* Runs as a table; `total`: how many there are, shown or not. */
bcl_status bcl_cli_runs_print(const cJSON *runs, size_t total, const bcl_cli_runs_list *options);

int bcl_cli_runs_show(int argc, char **argv);
int bcl_cli_runs_compare(int argc, char **argv);
int bcl_cli_runs_tag(int argc, char **argv);
int bcl_cli_runs_delete(int argc, char **argv);
int bcl_cli_runs_gc(int argc, char **argv);
int bcl_cli_runs_import(int argc, char **argv);
int bcl_cli_runs_sync(int argc, char **argv);
int bcl_cli_runs_watch(int argc, char **argv);

#endif
