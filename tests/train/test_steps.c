/* A training step in steady state allocates nothing: no buffer, no view, no host memory. Views go
 * in the order that NVIDIA's driver survives. And a step that is counted in the speed is timed. The
 * program is linked with these calls wrapped, see CMakeLists.txt; drivers' own calls are not
 * counted. */
#include "support/device.h"
#include "support/tiny_model.h"

#include "train/train.h"

#include <stdatomic.h>
#include <time.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
cl_mem __real_clCreateBuffer(cl_context context, cl_mem_flags flags, size_t size, void *host,
                             cl_int *code);
cl_mem __real_clCreateSubBuffer(cl_mem buffer, cl_mem_flags flags, cl_buffer_create_type type,
                                const void *info, cl_int *code);
cl_int __real_clReleaseMemObject(cl_mem buffer);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
cl_mem __wrap_clCreateBuffer(cl_context context, cl_mem_flags flags, size_t size, void *host,
                             cl_int *code);
cl_mem __wrap_clCreateSubBuffer(cl_mem buffer, cl_mem_flags flags, cl_buffer_create_type type,
                                const void *info, cl_int *code);

cl_int __wrap_clReleaseMemObject(cl_mem buffer);

static atomic_size_t host_calls, buffer_calls; /* by the packing thread, too */

/* All views that were made, in their order; what was released has no buffer. */
typedef struct view {
    cl_mem buffer, of;
    cl_buffer_region region;
} view;
enum { VIEWS = 4096 };
static view views[VIEWS];
static size_t view_count, released, out_of_order;

void *__wrap_malloc(size_t size) {
    host_calls++;
    return __real_malloc(size);
}
void *__wrap_calloc(size_t count, size_t size) {
    host_calls++;
    return __real_calloc(count, size);
}
void *__wrap_realloc(void *old, size_t size) {
    host_calls++;
    return __real_realloc(old, size);
}
cl_mem __wrap_clCreateBuffer(cl_context context, cl_mem_flags flags, size_t size, void *host,
                             cl_int *code) {
    buffer_calls++;
    return __real_clCreateBuffer(context, flags, size, host, code);
}
cl_mem __wrap_clCreateSubBuffer(cl_mem buffer, cl_mem_flags flags, cl_buffer_create_type type,
                                const void *info, cl_int *code) {
    buffer_calls++;
    const cl_mem made = __real_clCreateSubBuffer(buffer, flags, type, info, code);
    assert_true(view_count < VIEWS);
    views[view_count++] = (view){made, buffer, *(const cl_buffer_region *)info};
    return made;
}

static bool overlap(const view *a, const view *b) {
    return a->of == b->of && a->region.origin < b->region.origin + b->region.size &&
           b->region.origin < a->region.origin + a->region.size;
}

/* No later view that overlaps it may be left. */
cl_int __wrap_clReleaseMemObject(cl_mem buffer) {
    size_t i = view_count;
    while (i > 0 && views[i - 1].buffer != buffer)
        i--;
    for (size_t later = i; i && later < view_count; later++)
        out_of_order += views[later].buffer && overlap(&views[i - 1], &views[later]);
    if (i) {
        views[i - 1].buffer = NULL;
        released++;
    }
    return __real_clReleaseMemObject(buffer);
}

enum { SENTENCES = 200, LENGTH = 9, FIRST = 5, LAST = 35 };
static size_t before[2], after[2];

static void on_step(void *context, const bcl_run_event *step) {
    (void)context;
    if (step->kind != BCL_RUN_STEP)
        return;
    size_t *to = step->step == FIRST ? before : step->step == LAST ? after : NULL;
    if (to) {
        to[0] = host_calls;
        to[1] = buffer_calls;
    }
}

/* group: NULL, or one that this process is alone in. */
static bcl_train_result train(bool recompute, int64_t accumulate, int64_t steps,
                              const bcl_train_group *group) {
    static int32_t ids[SENTENCES * LENGTH], labels[SENTENCES * LENGTH];
    static bcl_sample samples[SENTENCES];
    bcl_dataset set = {.samples = samples, .count = SENTENCES};
    bcl_config config;
    bcl_tokenizer *tokenizer = NULL;
    bcl_model *model = NULL;
    bcl_load_report report;
    bcl_train_plan plan;
    bcl_train_result result;
    char *folder = test_folder(), *run = NULL;
    for (int i = 0; i < SENTENCES; i++) {
        samples[i] =
            (bcl_sample){ids + set.pieces, labels + set.pieces, 1 + i % LENGTH, (uint32_t)i};
        for (int k = 0; k < samples[i].length; k++)
            ids[set.pieces++] = (int32_t)(bcl_mix64((uint64_t)(i * LENGTH + k)) % 40);
    }
    set.labelled = set.pieces;
    const bcl_train_options options = {.epochs = 1,
                                       .max_tokens = 20 / accumulate,
                                       .accumulate = accumulate,
                                       .max_steps = steps,
                                       .recompute = recompute,
                                       .adam = {1e-3, 0.9, 0.999, 1e-8, 0, false, 1, 0, 0},
                                       .hidden_dropout = 0.1,
                                       .attention_dropout = 0.1,
                                       .classifier_dropout = 0.1};
    OK(tiny_model_write(folder, &TINY));
    OK(bcl_config_read(&config, folder));
    OK(bcl_tokenizer_load(&tokenizer, folder));
    OK(bcl_model_load(&model, test_device, &config, folder, NULL, BCL_PRECISION_FP32, false, 0,
                      &report));
    bcl_load_report_free(&report);
    OK(bcl_model_train_begin(model, NULL));
    OK(bcl_train_plan_create(&plan, &set, &options));
    if (group)
        OK(bcl_model_exchange_create(model, plan.tokens));
    assert_int_equal(plan.steps, steps);
    OK(bcl_path_join(&run, folder, "run"));
    OK(bcl_directory_create(run));
    OK(bcl_train(&result, &(bcl_train_job){.folder = run,
                                           .model = model,
                                           .files = {&config, tokenizer},
                                           .train = &set,
                                           .options = &options,
                                           .plan = &plan,
                                           .listener = on_step,
                                           .group = group}));
    bcl_train_plan_free(&plan);
    bcl_model_free(model);
    bcl_tokenizer_free(tokenizer);
    bcl_config_free(&config);
    free(run);
    free(folder);
    return result;
}

static void check(bool recompute, int64_t accumulate) {
    train(recompute, accumulate, LAST + 3, NULL);
    assert_true(before[0] > 0 && before[1] > 0);
    assert_int_equal(after[0], before[0]);
    assert_int_equal(after[1], before[1]);
}

static void test_no_allocation(void **state) {
    (void)state;
    check(false, 1);
    check(true, 2);
}

/* Of what the test above released. */
static void test_order_of_views(void **state) {
    (void)state;
    assert_true(view_count > 0);
    assert_int_equal(released, view_count);
    assert_int_equal(out_of_order, 0);
}

/* ---- a group of this process alone, whose sum takes its time ---- */

enum { SUM_MS = 50 };

static void whole(void *context, int64_t step, double *shares) {
    (void)context;
    (void)step;
    *shares = 1;
}

static void nothing(void *context) {
    (void)context;
}

static bcl_status slow_sum(void *context, bcl_train_part *part) {
    const struct timespec nap = {0, SUM_MS * 1000000};
    (void)context;
    (void)part;
    nanosleep(&nap, NULL);
    return BCL_OK;
}

static bcl_status is_same(void *context, bcl_model *model, int64_t step) {
    (void)context;
    (void)model;
    (void)step;
    return BCL_OK;
}

static bcl_status keep_none(void *context, char **text) {
    (void)context;
    *text = NULL;
    return BCL_OK;
}

/* A step waits for its own sum, not for that of the step before. */
static void test_clock_of_a_group(void **state) {
    (void)state;
    const bcl_train_group group = {.size = 1,
                                   .shares = whole,
                                   .release = nothing,
                                   .begin = nothing,
                                   .reduce = slow_sum,
                                   .sync = is_same,
                                   .keep = keep_none,
                                   .patience = nothing};
    for (int steps = 3; steps < 6; steps++) {
        const bcl_train_result result = train(false, 1, steps, &group);
        /* 20 tokens a step at most, of which two are not timed */
        assert_true(result.tokens_per_s > 0 && result.tokens_per_s <= 20 / (SUM_MS * 1e-3));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_no_allocation),
                                       cmocka_unit_test(test_order_of_views),
                                       cmocka_unit_test(test_clock_of_a_group)};
    return TEST_RUN_ON_DEVICE(tests);
}
