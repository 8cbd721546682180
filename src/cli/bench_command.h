/* The actions of bertcl bench, and how a result is printed. */
#ifndef BCL_CLI_BENCH_COMMAND_H
#define BCL_CLI_BENCH_COMMAND_H

#include "cli/cli.h"

#include <bertcl/bench.h>

int bcl_cli_bench_compare(int argc, char **argv);
int bcl_cli_bench_verify(int argc, char **argv);
/* Adds the words that make a result again, quoted where a shell would split them. */
bcl_status bcl_cli_bench_line(bcl_string *out, int argc, char **argv);
/* "table", "markdown", "csv" or "json", on stdout. */
bcl_status bcl_cli_bench_print(const struct cJSON *result, const char *format);
/* Records a result in the store, unless there is none; what fails is told. started: Unix time. */
void bcl_cli_bench_track(const struct cJSON *result, int argc, char **argv, double started);

#endif
