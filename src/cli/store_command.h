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

/* An action of runs, models or data: what it takes, and what it does with the open store. */
typedef struct bcl_cli_store_action {
    bcl_command command;
    bcl_cli_store_work *work;
    bool write;
    size_t least, most; /* plain words; most 0: no limit */
} bcl_cli_store_action;
/* All of an action: reads its options, counts its words, does the work on `context`, frees the
 * lists. Returns the exit code. */
int bcl_cli_store_act(const bcl_cli_store_action *action, const bcl_option *options, void *context,
                      int argc, char **argv);
/* Its two halves, for an action with checks of its own between them: -1 is "go on". */
int bcl_cli_store_parse(const bcl_cli_store_action *action, const bcl_option *options, int argc,
                        char **argv);
int bcl_cli_store_finish(const bcl_cli_store_action *action, const bcl_option *options,
                         void *context, int code);

/* The whole of an action that takes words and --json alone; work's context is a
 * bcl_cli_store_words. */
typedef struct bcl_cli_store_words {
    bcl_list words;
    bool json;
} bcl_cli_store_words;
int bcl_cli_store_act_on_words(const bcl_cli_store_action *action, const char *words, int argc,
                               char **argv);

bcl_status bcl_cli_print_json(const cJSON *json);
/* Before it is printed as text: control characters in all texts and keys are escaped in place. */
bcl_status bcl_cli_make_printable(cJSON *json);
/* A number with so many digits, a text as it is, "" if absent. */
const char *bcl_cli_value(char out[64], const cJSON *json, const char *key, int digits);
/* Finds runs by their names; *runs to free(). */
bcl_status bcl_cli_find_runs(int64_t **runs, bcl_store *store, const bcl_list *names);

#endif
