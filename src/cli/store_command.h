/* What the commands on the store share: opening, telling, reading JSON. */
#ifndef BCL_CLI_STORE_COMMAND_H
#define BCL_CLI_STORE_COMMAND_H

#include "cli/cli.h"
#include "cli/columns.h"

#include <bertcl/track.h>
#include <cjson/cJSON.h>

/* Opens the store and prints its notes on stderr. */
bcl_status bcl_cli_store_open(bcl_store **store, bool write);
void bcl_cli_store_tell(bcl_store *store);
/* Runs work with an open store. Where the index turns out to be damaged it is made again, and the
 * work is done once more; it must print nothing before it has read all that it needs. */
typedef bcl_status bcl_cli_store_work(bcl_store *store, void *context);
bcl_status bcl_cli_with_store(bcl_cli_store_work *work, void *context, bool write);

bcl_status bcl_cli_print_json(const cJSON *json);
/* Before it is printed as text: control characters in all texts and keys are escaped in place. */
bcl_status bcl_cli_make_printable(cJSON *json);
const char *bcl_cli_word(const cJSON *json, const char *key); /* "" if absent */
double bcl_cli_number(const cJSON *json, const char *key, double fallback);
/* A number with so many digits, a text as it is, "" if absent. */
const char *bcl_cli_value(char out[64], const cJSON *json, const char *key, int digits);
/* Finds runs by their names; *runs to free(). */
bcl_status bcl_cli_find_runs(int64_t **runs, bcl_store *store, const bcl_list *names);

#endif
