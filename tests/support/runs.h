/* Small runs for the tests of training: a tiny model, 60 sentences, what a run tells. */
#ifndef BCL_TEST_RUNS_H
#define BCL_TEST_RUNS_H

#include "support/support.h"
#include "support/tiny_model.h"

#include <bertcl/train.h>

extern char *run_home, *run_model, *run_data; /* a temporary folder, and what is in it */

/* What a run told; the context of run_listen. */
typedef struct run_heard {
    bcl_run *run; /* to stop; NULL: not */
    int64_t stop_at;
    bool stop_evaluating; /* instead */
    int count[BCL_RUN_FINISHED + 1];
    int64_t last_step, resumed;
    double first_loss, last_loss;
    double loss, accuracy, macro_f1, entity_f1; /* of the newest evaluation */
    char messages[8192];
} run_heard;
void run_listen(void *context, const bcl_run_event *event);

/* Two epochs of 12 steps over run_data, batches of 4. */
bcl_run_options run_options(const char *out, run_heard *heard);
/* FOLDER/NAME, the caller's to free. */
char *run_path(const char *folder, const char *name);
/* The file is the same in both folders. */
void run_same_file(const char *a, const char *b, const char *name);
/* Makes model and data; false without a driver. */
bool run_begin(void);
/* Removes them; returns `failed`. */
int run_end(int failed);
/* What main returns: 77 without a driver. before: an expression that makes more. */
#define RUN_TESTS(tests, before)                                                                   \
    (run_begin() ? ((before), run_end(cmocka_run_group_tests(tests, NULL, NULL))) : run_end(77))

#endif
