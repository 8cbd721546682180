/* Inside cli/: what the files of `bertcl data` share. */
#ifndef BCL_CLI_DATA_COMMAND_H
#define BCL_CLI_DATA_COMMAND_H

#include "cli/cli.h"

#include <cjson/cJSON.h>

typedef struct data_options {
    bcl_list paths, test;
    bcl_cli_reading reading;
    const char *out, *to, *scheme;
    int64_t seed;
    double split;
    bool json, split_given, seed_given, test_given;
} data_options;

typedef struct data_set {
    bcl_tag_map *map;
    bcl_corpus *corpus, *other; /* other: of --test, or NULL */
    uint32_t *train, *test;     /* rows of the split, or NULL */
    size_t train_count, test_count;
} data_set;

/* ---- data.c ---- */

/* What every action has, as a part of its table. */
#define DATA_OPTIONS(o)                                                                            \
    {BCL_OPTION_LIST,                                                                              \
     NULL,                                                                                         \
     &(o)->paths,                                                                                  \
     "PATH…",                                                                                      \
     "files, or folders of them, in any format that is known; -: standard input",                  \
     .min = 0},                                                                                    \
        BCL_CLI_READING_OPTIONS((o)->reading)
/* The split that training would draw. */
#define DATA_SPLIT_OPTIONS(o)                                                                      \
    {BCL_OPTION_REAL,                                                                              \
     "split",                                                                                      \
     &(o)->split,                                                                                  \
     "X",                                                                                          \
     "the share of the sentences that is drawn for training; default 0.8",                         \
     .min = 0,                                                                                     \
     .max = 1,                                                                                     \
     .given = &(o)->split_given},                                                                  \
        {BCL_OPTION_INT,                                                                           \
         "split-seed",                                                                             \
         &(o)->seed,                                                                               \
         "N",                                                                                      \
         "the seed of that draw; default 200",                                                     \
         .min = 0,                                                                                 \
         .max = UINT32_MAX,                                                                        \
         .given = &(o)->seed_given},                                                               \
    {                                                                                              \
        BCL_OPTION_LIST, "test", &(o)->test, "PATH",                                               \
            "test data instead of a split; may be given several times", .given = &(o)->test_given  \
    }
/* Parses, and checks what is the same for all: as bcl_options_parse. */
int data_parse(data_options *o, const bcl_command *command, const bcl_option *options, int argc,
               char **argv);
/* Reads the corpus and, if there is one, the test data; draws the split if `draw`. */
bcl_status data_load(data_set *d, const data_options *o, bool draw, bool keep_going);
void data_free(data_options *o, data_set *d);
/* Fills a new folder, or file, under a temporary name and renames it to --out when `fill` has done
 * its work: complete or absent. Fails if there is such a thing already. */
bcl_status data_write_new(const data_options *o, const data_set *d,
                          bcl_status (*fill)(const char *path, const data_options *o,
                                             const data_set *d));

/* ---- data_json.c ---- */

/* Adds an item made by cJSON_Create...; cJSON reports a lack of memory by NULL. */
bcl_status data_put(cJSON *to, const char *key, cJSON *item);
bcl_status data_put_number(cJSON *to, const char *key, double x);
bcl_status data_put_text(cJSON *to, const char *key, const char *text);
/* {tag: words}, the most frequent first, equal ones in order of appearance. */
bcl_status data_put_tags(cJSON *to, const char *key, const bcl_corpus *corpus, bool raw);
bcl_status data_put_files(cJSON *to, const char *key, const bcl_corpus *corpus);
/* The format of all files, or "mixed". */
const char *data_format(const bcl_corpus *corpus);

typedef struct data_ranked {
    uint64_t value;
    size_t i;
} data_ranked;
/* The largest value first, equal ones by i. */
int data_compare_ranked(const void *a, const void *b);

/* ---- data_figures.c ---- */
bcl_status data_put_stats(cJSON *to, const data_set *d);

/* ---- the actions ---- */
int data_run_stats(int argc, char **argv);
int data_run_prepare(int argc, char **argv);
int data_run_convert(int argc, char **argv);

#endif
