/* The actions of bertcl bench, and how a result is printed. */
#ifndef BCL_CLI_BENCH_COMMAND_H
#define BCL_CLI_BENCH_COMMAND_H

#include "cli/cli.h"

#include <bertcl/bench.h>

int bcl_cli_bench_compare(int argc, char **argv);
int bcl_cli_bench_verify(int argc, char **argv);
int bcl_cli_bench_report(int argc, char **argv);
int bcl_cli_bench_show(int argc, char **argv);

/* Results and the devices in them. */
typedef struct bcl_cli_bench_results {
    struct cJSON **json; /* (count) */
    const char **paths;
    size_t count;
    bcl_bench_column *columns;
    size_t column_count;
} bcl_cli_bench_results;
/* Reads and checks the files; `first`, unless it is NULL, before the others. To be freed also after
 * an error. */
bcl_status bcl_cli_bench_read(bcl_cli_bench_results *out, const char *first, const bcl_list *files);
void bcl_cli_bench_free(bcl_cli_bench_results *results);

/* Runs the benchmark, showing its progress on a terminal unless `quiet`, with the words that make
 * it again as its command, and writes the result to `path` (NULL: to no file). *out to
 * cJSON_Delete(), also after an error. */
bcl_status bcl_cli_bench_measure(struct cJSON **out, bcl_bench_options *options, const char *path,
                                 bool quiet, int argc, char **argv);

#define BCL_CLI_BENCH_FORMATS "table|markdown|csv|json|sql"
/* In one of these formats, on stdout. */
bcl_status bcl_cli_bench_print(const struct cJSON *result, const char *format);
/* Records a result in the store, unless there is none; what fails is told. started: Unix time. */
void bcl_cli_bench_track(const struct cJSON *result, int argc, char **argv, double started);

#endif
