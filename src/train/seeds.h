/* Runs that differ in their seed alone: which there are, and their figures with mean and standard
 * deviation. Each is a run of its own in RUN/seed-N; who starts them is not known here. */
#ifndef BCL_SEEDS_H
#define BCL_SEEDS_H

#include "util/util.h"

/* What RUN/seeds.json keeps: the seeds, and the words ("--name=value") that each run is started
 * with besides. Zero-initialise. */
typedef struct bcl_seeds {
    int64_t *seeds; /* (count), no two alike */
    size_t count;
    char **words; /* (word_count) */
    size_t word_count, word_capacity;
} bcl_seeds;

/* *seeds (*count), to free(): "3" is 0, 1, 2; "7,1,12" is a list. BCL_ERROR_ARGUMENT. */
bcl_status bcl_seeds_parse(int64_t **seeds, size_t *count, const char *text);
bcl_status bcl_seeds_read(bcl_seeds *out, const char *path);
bcl_status bcl_seeds_write(const bcl_seeds *seeds, const char *path);
bcl_status bcl_seeds_add_word(bcl_seeds *seeds, const char *word);
/* Removes the words of the option that `word` is of. */
void bcl_seeds_drop_option(bcl_seeds *seeds, const char *word);
void bcl_seeds_free(bcl_seeds *seeds);

/* A run's figures; NAN: it has none. Four of the development set, and the same four of the test. */
enum {
    BCL_SEED_TRAIN_LOSS,
    BCL_SEED_DEV_LOSS,
    BCL_SEED_DEV_ACCURACY,
    BCL_SEED_DEV_MACRO_F1,
    BCL_SEED_DEV_ENTITY_F1,
    BCL_SEED_TEST_LOSS,
    BCL_SEED_TEST_ACCURACY,
    BCL_SEED_TEST_MACRO_F1,
    BCL_SEED_TEST_ENTITY_F1,
    BCL_SEED_FIGURES
};
typedef struct bcl_seed_result {
    int64_t seed, epoch; /* epoch: that was chosen on the dev set; 0: none was */
    double figures[BCL_SEED_FIGURES];
} bcl_seed_result;

/* Reads a run's results.json. */
bcl_status bcl_seed_result_read(bcl_seed_result *out, int64_t seed, const char *path);
/* Mean, and standard deviation of a sample (n - 1), of each figure that all runs have, else NAN; sd
 * is NAN for one run. */
void bcl_seeds_summarize(double mean[BCL_SEED_FIGURES], double sd[BCL_SEED_FIGURES],
                         const bcl_seed_result *results, size_t count);
/* Writes the results.json of them all, with mean and sd. */
bcl_status bcl_seeds_results_write(const bcl_seed_result *results, size_t count, const char *path);

#endif
