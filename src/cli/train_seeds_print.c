/* The figures of runs that differ in their seed, as tables: each, mean and standard deviation. */
#include "cli/columns.h"
#include "cli/train.h"

#include <math.h>

enum { FIGURES = 4 };

/* loss: the training loss, or NAN; x (FIGURES): a set's. */
static bcl_status add_row(bcl_cli_table *t, const char *name, int64_t epoch, double loss,
                          const double *x) {
    bcl_status status = BCL_OK;
    BCL_TRY(bcl_cli_table_add(t, "%s", name));
    BCL_TRY(epoch ? bcl_cli_table_add(t, "%lld", (long long)epoch)
                  : bcl_cli_table_add(t, "%s", ""));
    for (int f = -1; f < FIGURES; f++) {
        const double figure = f < 0 ? loss : x[f];
        BCL_TRY(isnan(figure) ? bcl_cli_table_add(t, "%s", "")
                              : bcl_cli_table_add(t, "%.4f", figure));
    }
out:
    return status;
}

/* first: the set's figures; trained: with the training loss. */
static bcl_status print_table(const bcl_seed_result *results, size_t count, int first,
                              bool trained) {
    static const char *const titles[] = {"SEED",      ">BEST EPOCH", ">TRAINING LOSS", ">LOSS",
                                         ">ACCURACY", ">MACRO F1",   ">ENTITY F1"};
    bcl_status status = BCL_OK;
    bcl_cli_table t = {0};
    double mean[BCL_SEED_FIGURES], sd[BCL_SEED_FIGURES];
    char name[64];
    bcl_seeds_summarize(mean, sd, results, count);
    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++)
        BCL_TRY(bcl_cli_table_column(&t, titles[i]));
    for (size_t i = 0; i < count; i++) {
        const double *x = results[i].figures;
        snprintf(name, sizeof name, "%lld", (long long)results[i].seed);
        BCL_TRY(
            add_row(&t, name, results[i].epoch, trained ? x[BCL_SEED_TRAIN_LOSS] : NAN, x + first));
    }
    BCL_TRY(add_row(&t, "mean", 0, trained ? mean[BCL_SEED_TRAIN_LOSS] : NAN, mean + first));
    if (count > 1)
        BCL_TRY(add_row(&t, "SD", 0, trained ? sd[BCL_SEED_TRAIN_LOSS] : NAN, sd + first));
    BCL_TRY(bcl_cli_table_print(&t));
    printf("\n");
out:
    bcl_cli_table_free(&t);
    return status;
}

bcl_status bcl_train_seeds_print(const bcl_seed_result *results, size_t count) {
    bcl_status status = BCL_OK;
    const bool dev = !isnan(results->figures[BCL_SEED_DEV_LOSS]),
               test = !isnan(results->figures[BCL_SEED_TEST_LOSS]);
    if (dev || !test) {
        printf("%s\n", dev ? "Development set" : "Training");
        BCL_TRY(print_table(results, count, BCL_SEED_DEV_LOSS, true));
    }
    if (test) {
        printf("Test set%s\n", dev ? ", by the best epoch on the development set" : "");
        BCL_TRY(print_table(results, count, BCL_SEED_TEST_LOSS, !dev));
    }
out:
    return status;
}
