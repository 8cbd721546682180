/* A driver that crashes, hangs, ends the process or computes nothing is a row that says so;
 * quartiles and comparisons of known samples. With BERTCL_TEST_BENCH=all the device's limits are
 * measured before, whose rows must stay, and there is one that hangs, which takes its time. */
#include "bench/internal.h"
#include "support/device.h"
#include "support/tiny_model.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <unistd.h>

static enum { GOOD, LIES, CRASHES, HANGS, LEAVES, ENDS_FIRST } how;

bcl_status __real_bcl_gemm_run(bcl_gemm *gemm, const bcl_gemm_call *call);
bcl_status __wrap_bcl_gemm_run(bcl_gemm *gemm, const bcl_gemm_call *call);
bcl_status __wrap_bcl_gemm_run(bcl_gemm *gemm, const bcl_gemm_call *call) {
    if (how == CRASHES)
        abort();
    while (how == HANGS)
        pause();
    if (how == LEAVES)
        _exit(3);
    return how == LIES ? BCL_OK : __real_bcl_gemm_run(gemm, call);
}

cl_int __real_clGetEventProfilingInfo(cl_event event, cl_profiling_info what, size_t size,
                                      void *out, size_t *got);
cl_int __wrap_clGetEventProfilingInfo(cl_event event, cl_profiling_info what, size_t size,
                                      void *out, size_t *got);
cl_int __wrap_clGetEventProfilingInfo(cl_event event, cl_profiling_info what, size_t size,
                                      void *out, size_t *got) {
    const bool swapped = how == ENDS_FIRST && what == CL_PROFILING_COMMAND_END;
    const cl_int code = __real_clGetEventProfilingInfo(event, what, size, out, got);
    if (!code && swapped)
        *(cl_ulong *)out -= 1u << 30;
    return code;
}

static const char *text(const cJSON *row, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(row, key);
    return item && item->valuestring ? item->valuestring : "";
}

static bcl_device_info about;
static char *model; /* a folder */
static bool thorough;
enum { PATIENT = 1700 }; /* s: as long as ctest is; a busy machine is no driver that hangs */

/* The first product's row. */
static cJSON *first_product(cJSON **result, double patience) {
    const bcl_bench_options options = {.device = about.id,
                                       .model = model,
                                       .only = thorough ? "limit,product" : "product",
                                       .seconds = 1700,
                                       .patience = patience};
    assert_int_equal(bcl_bench_run(result, &options), BCL_OK);
    cJSON *row, *rows = cJSON_GetObjectItemCaseSensitive(*result, "rows");
    if (thorough)
        assert_string_equal(text(rows->child, "name"), "limit/memory/read");
    cJSON_ArrayForEach(row, rows) if (!strncmp(text(row, "name"), "product/", 8)) return row;
    fail_msg("no row of a product");
    return NULL;
}

static void test_lies(void **state) {
    cJSON *result;
    (void)state;
    how = LIES;
    cJSON *row = first_product(&result, PATIENT);
    assert_string_equal(text(row, "status"), "wrong");
    assert_non_null(strstr(text(row, "reason"), "error"));
    assert_null(cJSON_GetObjectItemCaseSensitive(row, "value"));
    assert_null(cJSON_GetObjectItemCaseSensitive(row, "gflops"));
    assert_null(cJSON_GetObjectItemCaseSensitive(row, "seconds"));
    cJSON_Delete(result);
}

static void goes_down(const char *status, const char *reason, double patience) {
    cJSON *result, *row = first_product(&result, patience);
    assert_string_equal(text(row, "status"), status);
    assert_non_null(strstr(text(row, "reason"), reason));
    assert_null(row->next);
    cJSON_Delete(result);
}

static void test_goes_down(void **state) {
    (void)state;
    how = CRASHES;
    goes_down("crashed", "Aborted", PATIENT);
    how = LEAVES;
    goes_down("crashed", "status 3", PATIENT);
    how = HANGS;
    if (thorough)
        goes_down("hung", "no answer for 30 s", 30);
    how = GOOD;
}

/* An event that ends before it starts: the wall clock is taken, and a note says so. */
static void test_clock(void **state) {
    const bcl_bench_options options = {.device = about.id,
                                       .model = model,
                                       .only = "operation",
                                       .seconds = 1700,
                                       .patience = PATIENT};
    cJSON *result, *row;
    int noted = 0;
    (void)state;
    how = ENDS_FIRST;
    assert_int_equal(bcl_bench_run(&result, &options), BCL_OK);
    cJSON_ArrayForEach(row, cJSON_GetObjectItemCaseSensitive(result, "rows")) {
        assert_null(cJSON_GetObjectItemCaseSensitive(row, "event_seconds"));
        if (!strcmp(text(row, "status"), "ok"))
            noted +=
                strstr(text(row, "note"), "before it started; the wall clock is taken") != NULL;
    }
    assert_true(noted > 10);
    cJSON_Delete(result);
    how = GOOD;
}

static void test_quantiles(void **state) {
    const double x[] = {1, 2, 3, 4, 5, 10};
    const bcl_bench_times t = {.samples = {1, 1, 1, 3, 3, 3, 2, 2, 9}, .count = 9};
    (void)state;
    assert_true(bcl_bench_quantile(x, 6, 0) == 1 && bcl_bench_quantile(x, 6, 1) == 10);
    assert_true(bcl_bench_quantile(x, 6, 0.5) == 3.5 && bcl_bench_quantile(x, 6, 0.25) == 2.25);
    assert_true(bcl_bench_quantile(x, 1, 0.75) == 1);
    assert_true(bcl_bench_drift(&t) == 2);
}

static cJSON *result_of(const char *device, double scale) {
    cJSON *json = cJSON_CreateObject(), *rows = cJSON_AddArrayToObject(json, "rows");
    for (int r = 0; r < 2; r++) {
        double samples[7];
        cJSON *row = cJSON_CreateObject();
        cJSON_AddStringToObject(row, "name", r ? "b" : "a");
        cJSON_AddStringToObject(row, "device", device);
        cJSON_AddStringToObject(row, "status", "ok");
        for (int i = 0; i < 7; i++)
            samples[i] = (r ? scale : 1) * (1 + 0.01 * i);
        cJSON *seconds = cJSON_AddObjectToObject(row, "seconds");
        cJSON_AddItemToObject(seconds, "samples", cJSON_CreateDoubleArray(samples, 7));
        cJSON_AddItemToArray(rows, row);
    }
    return json;
}

static bcl_bench_column column_of(const cJSON *result, const char *device) {
    return (bcl_bench_column){.result = result, .path = "a", .device = device};
}

static void test_compare(void **state) {
    cJSON *a = result_of("x:0", 1), *b = result_of("y:0", 1.5);
    const bcl_bench_column x = column_of(a, "x:0"), y = column_of(b, "y:0");
    bcl_bench_comparison c;
    (void)state;
    assert_int_equal(bcl_bench_compare(&c, &x, &y), BCL_OK);
    assert_int_equal(c.count, 2);
    assert_false(c.rows[0].differs);
    assert_true(c.rows[0].ratio == 1 && c.rows[0].low <= 1 && c.rows[0].high >= 1);
    assert_true(c.rows[1].differs && fabs(c.rows[1].ratio * 1.5 - 1) < 1e-12);
    assert_true(c.rows[1].low < c.rows[1].ratio && c.rows[1].ratio < c.rows[1].high);
    bcl_bench_comparison_free(&c);
    cJSON_Delete(a);
    cJSON_Delete(b);
}

enum { NOISY_ROWS = 200, NOISY_SAMPLES = 7 };

static double normal(uint64_t i) {
    const double u = ((double)(bcl_mix64(2 * i) >> 11) + 0.5) * 0x1p-53;
    const double v = ((double)(bcl_mix64(2 * i + 1) >> 11) + 0.5) * 0x1p-53;
    return sqrt(-2 * log(u)) * cos(2 * 3.14159265358979 * v);
}

/* A result of rows whose samples vary by 10 %; whose state, that of a second, varies by 10 % from
 * row to row, and which become slower by 5 % within each row. slower: what each takes longer. */
static cJSON *noisy_result(uint64_t seed, double slower) {
    cJSON *json = cJSON_CreateObject(), *rows = cJSON_AddArrayToObject(json, "rows");
    for (int r = 0; r < NOISY_ROWS; r++) {
        double samples[NOISY_SAMPLES], drift;
        char name[32];
        const double state = exp(0.1 * normal(seed * 100000 + (uint64_t)r * 100));
        cJSON *row = cJSON_CreateObject();
        snprintf(name, sizeof name, "row-%d", r);
        cJSON_AddStringToObject(row, "name", name);
        cJSON_AddStringToObject(row, "device", "x:0");
        cJSON_AddStringToObject(row, "status", "ok");
        for (int i = 0; i < NOISY_SAMPLES; i++)
            samples[i] = slower * state * (1 + 0.05 * i / NOISY_SAMPLES) *
                         exp(0.1 * normal(seed * 100000 + (uint64_t)(r * 100 + i + 1)));
        drift = (samples[5] + samples[6]) / (samples[0] + samples[1]);
        cJSON *seconds = cJSON_AddObjectToObject(row, "seconds");
        cJSON_AddNumberToObject(seconds, "last_by_first_third", drift);
        cJSON_AddItemToObject(seconds, "samples", cJSON_CreateDoubleArray(samples, NOISY_SAMPLES));
        cJSON_AddItemToArray(rows, row);
    }
    return json;
}

/* Two runs of one machine agree in 95 % of the rows though each row had a state of its own, and a
 * machine with half the cores is found, by the right ratio. */
static void test_two_runs(void **state) {
    cJSON *a = noisy_result(1, 1), *b = noisy_result(2, 1), *half = noisy_result(3, 2);
    const bcl_bench_column x = column_of(a, "x:0"), y = column_of(b, "x:0"),
                           z = column_of(half, "x:0");
    bcl_bench_comparison same, slow;
    size_t agree = 0, found = 0;
    (void)state;
    assert_int_equal(bcl_bench_compare(&same, &x, &y), BCL_OK);
    assert_int_equal(bcl_bench_compare(&slow, &x, &z), BCL_OK);
    assert_int_equal(same.count, NOISY_ROWS);
    for (size_t i = 0; i < same.count; i++) {
        agree += !same.rows[i].differs;
        found += slow.rows[i].differs;
    }
    print_message("%zu of %d rows agree; slower: %zu found, ratio %.3f (%.3f-%.3f)\n", agree,
                  NOISY_ROWS, found, slow.all.ratio, slow.all.low, slow.all.high);
    assert_true(agree >= NOISY_ROWS * 95 / 100);
    assert_false(same.all.differs);
    assert_true(found >= NOISY_ROWS * 80 / 100);
    assert_true(slow.all.differs && slow.all.low < 0.5 && slow.all.high > 0.5);
    assert_true(fabs(slow.all.ratio / 0.5 - 1) < 0.05);
    bcl_bench_comparison_free(&same);
    bcl_bench_comparison_free(&slow);
    cJSON_Delete(a);
    cJSON_Delete(b);
    cJSON_Delete(half);
}

enum { PASS_ROWS = 2000, PASSES = 2, PASS_SAMPLES = 4 };

/* What a run of a machine is like: in logarithms, standard deviations of its state, which lasts
 * for about thirty rows, of a run's level, and of samples; and the share of samples that other work
 * makes 1.5 times as slow. */
typedef struct machine {
    double state, level, sample, bursts;
} machine;

/* A result of PASSES passes over the rows. slower: what each takes longer. */
static cJSON *run_of(const machine *m, uint64_t seed, double slower) {
    cJSON *json = cJSON_CreateObject(), *rows = cJSON_AddArrayToObject(json, "rows");
    static double states[PASSES * PASS_ROWS];
    const double stays = 1 - 1.0 / 30, level = m->level * normal(seed);
    uint64_t next = seed << 32;
    for (int t = 0; t < PASSES * PASS_ROWS; t++)
        states[t] = t ? stays * states[t - 1] + sqrt(1 - stays * stays) * m->state * normal(next++)
                      : m->state * normal(next++);
    for (int r = 0; r < PASS_ROWS; r++) {
        double samples[PASSES * PASS_SAMPLES];
        char name[32];
        cJSON *row = cJSON_CreateObject();
        snprintf(name, sizeof name, "row-%d", r);
        cJSON_AddStringToObject(row, "name", name);
        cJSON_AddStringToObject(row, "device", "x:0");
        cJSON_AddStringToObject(row, "status", "ok");
        for (int i = 0; i < PASSES * PASS_SAMPLES; i++) {
            const bool burst = (double)(bcl_mix64(next++) >> 11) * 0x1p-53 < m->bursts;
            samples[i] =
                slower * (burst ? 1.5 : 1) *
                exp(level + states[i / PASS_SAMPLES * PASS_ROWS + r] + m->sample * normal(next++));
        }
        cJSON *seconds = cJSON_AddObjectToObject(row, "seconds");
        cJSON_AddNumberToObject(seconds, "passes", PASSES);
        cJSON_AddItemToObject(seconds, "samples",
                              cJSON_CreateDoubleArray(samples, PASSES * PASS_SAMPLES));
        cJSON_AddItemToArray(rows, row);
    }
    return json;
}

/* The share of rows that differ, and what all have in common. */
static double differing(bcl_bench_difference *all, const machine *m, uint64_t seed, double slower) {
    cJSON *a = run_of(m, seed, 1), *b = run_of(m, seed + 1, slower);
    const bcl_bench_column x = column_of(a, "x:0"), y = column_of(b, "x:0");
    bcl_bench_comparison c;
    size_t found = 0;
    assert_int_equal(bcl_bench_compare(&c, &x, &y), BCL_OK);
    assert_int_equal(c.count, PASS_ROWS);
    for (size_t i = 0; i < c.count; i++)
        found += c.rows[i].differs;
    *all = c.all;
    bcl_bench_comparison_free(&c);
    cJSON_Delete(a);
    cJSON_Delete(b);
    return (double)found / PASS_ROWS;
}

/* Two runs agree in 95 % of the rows on a quiet machine and on one with other work; that it has
 * become slower is found, by the right ratio. */
static void test_passes(void **state) {
    static const machine machines[] = {
        {0.01, 0.005, 0.01, 0}, {0.05, 0.01, 0.05, 0}, {0.1, 0.02, 0.1, 0.2}, {0.2, 0, 0.02, 0}};
    static const double slower[] = {1, 1.2, 2};
    bcl_bench_difference all;
    (void)state;
    for (size_t i = 0; i < sizeof machines / sizeof *machines; i++)
        for (int k = 0; k < 3; k++) {
            const double share = differing(&all, &machines[i], 10 * i + 1, slower[k]);
            print_message("machine %zu, slower by %g: %.1f %% differ; all %.3f (%.3f-%.3f)%s\n", i,
                          slower[k], 100 * share, all.ratio, all.low, all.high,
                          all.differs ? "" : ", no difference");
            assert_true(k || share < 0.05);
            if (i < 3 || k != 1) /* the last one varies as much by itself */
                assert_true(k == 0 ? !all.differs : all.differs && all.ratio < 1);
            assert_true(fabs(all.ratio * slower[k] - 1) < 0.06);
            assert_true(k == 0 || (all.low * slower[k] < 1.01 && all.high * slower[k] > 0.99));
        }
    assert_true(differing(&all, &machines[0], 1, 1.2) > 0.95);
    assert_true(differing(&all, &machines[2], 1, 2) > 0.8);
}

int main(void) {
    const struct CMUnitTest plain[] = {
        cmocka_unit_test(test_quantiles), cmocka_unit_test(test_compare),
        cmocka_unit_test(test_two_runs), cmocka_unit_test(test_passes)};
    const struct CMUnitTest device[] = {cmocka_unit_test(test_lies),
                                        cmocka_unit_test(test_goes_down),
                                        cmocka_unit_test(test_clock)};
    const int failed = cmocka_run_group_tests(plain, NULL, NULL);
    if (bcl_device_find(&about, getenv("BERTCL_DEVICE")))
        return failed ? failed : 77;
    thorough = getenv("BERTCL_TEST_BENCH") != NULL;
    model = test_folder();
    if (tiny_model_write(model, &TINY))
        return 1;
    const int more = cmocka_run_group_tests(device, NULL, NULL);
    free(model);
    return failed + more;
}
