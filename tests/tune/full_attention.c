/* Attention on a matrix unit is chosen behind the products, where it is right and faster; nothing
 * that it does costs the products. The unit is emulated. Linked with bcl_gemm_providers and
 * bcl_tune_attention wrapped. */
#define _GNU_SOURCE /* setenv */
#include "ops/gemm/provider.h"
#include "support/device.h"
#include "tune/internal.h"

#include <signal.h>
#include <time.h>
#include <unistd.h>

#define UNIT "mma-bf16:emulated-nvidia:32x32x16x16x2"
static bcl_device_info about;

/* ---- the emulated unit, and something slower in fp32 ---- */

static bool suits(const bcl_device *device) {
    (void)device;
    return true;
}
static bcl_status create_unit(void **out, bcl_device *device, const char *parameters) {
    return bcl_gemm_mma_bf16.create(out, device, parameters ? parameters : strchr(UNIT, ':') + 1);
}
static bcl_status run_slowly(void *state, const bcl_gemm_call *call) {
    nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    return bcl_gemm_reference.run(state, call);
}
static bcl_gemm_provider unit, slow;
static const bcl_gemm_provider *const providers[] = {&unit, &slow, NULL};
const bcl_gemm_provider *const *__wrap_bcl_gemm_providers(void);
const bcl_gemm_provider *const *__wrap_bcl_gemm_providers(void) {
    return providers;
}

/* ---- what becomes of attention ---- */

static enum { LEFT_ALONE, FASTER, NO_FASTER, WRONG, FAILS, CRASHES } attention;
bcl_status __real_bcl_tune_attention(bcl_tune_state *state, double *error, char *reason,
                                     size_t size, bcl_device *device, const char *name,
                                     const char *plain_name, bcl_precision precision);
bcl_status __wrap_bcl_tune_attention(bcl_tune_state *state, double *error, char *reason,
                                     size_t size, bcl_device *device, const char *name,
                                     const char *plain_name, bcl_precision precision);
bcl_status __wrap_bcl_tune_attention(bcl_tune_state *state, double *error, char *reason,
                                     size_t size, bcl_device *device, const char *name,
                                     const char *plain_name, bcl_precision precision) {
    if (attention == LEFT_ALONE)
        return __real_bcl_tune_attention(state, error, reason, size, device, name, plain_name,
                                         precision);
    if (strcmp(name, UNIT ":attention") || strcmp(plain_name, UNIT))
        _exit(9);
    *state = attention == FASTER      ? BCL_TUNE_RIGHT
             : attention == NO_FASTER ? BCL_TUNE_SLOWER
                                      : BCL_TUNE_WRONG;
    *error = 0;
    snprintf(reason, size, "as told");
    if (attention == CRASHES)
        raise(SIGKILL);
    return attention == FAILS ? bcl_fail(BCL_ERROR_DEVICE, "no such kernel") : BCL_OK;
}

static void check(int what, const char *chosen, bcl_tune_state state, const char *reason) {
    const bcl_tune_layer layer = {32, 48};
    const int length = 17;
    const bcl_tune_options options = {.precision = BCL_PRECISION_BF16,
                                      .layers = &layer,
                                      .layer_count = 1,
                                      .lengths = &length,
                                      .length_count = 1,
                                      .quick = true};
    bcl_tune_result result;
    int found = 0;
    attention = what;
    OK(bcl_tune(&result, &about, &options));
    assert_string_equal(result.choice.name, chosen);
    assert_string_equal(result.candidates[0].name, chosen);
    assert_true(result.choice.gflops > 0);
    for (size_t i = 0; i < result.count; i++) {
        const bcl_tune_candidate *c = &result.candidates[i];
        if (!strcmp(c->name, UNIT))
            assert_int_equal(c->state, BCL_TUNE_RIGHT);
        if (strcmp(c->name, UNIT ":attention"))
            continue;
        found++;
        if (c->state != state)
            fail_msg("case %d: found %s: %s", what, bcl_tune_state_name(c->state), c->reason);
        if (!strstr(c->reason, reason))
            fail_msg("found \"%s\", expected \"%s\"", c->reason, reason);
    }
    assert_int_equal(found, 1);
    bcl_tune_result_free(&result);
}

static void test_choice(void **state) {
    (void)state;
    check(FASTER, UNIT ":attention", BCL_TUNE_RIGHT, "as told");
    check(NO_FASTER, UNIT, BCL_TUNE_SLOWER, "as told");
    check(WRONG, UNIT, BCL_TUNE_WRONG, "as told");
    check(FAILS, UNIT, BCL_TUNE_FAILED, "no such kernel");
    check(CRASHES, UNIT, BCL_TUNE_CRASHED, "");
}

/* ---- the check itself ---- */

static bcl_tune_state try(const char *name, const char *plain, bcl_precision precision,
                          double *error) {
    bcl_tune_state state;
    char reason[200] = "";
    OK(bcl_tune_attention(&state, error, reason, sizeof reason, test_device, name, plain,
                          precision));
    print_message("%s: %s, error %.3g: %s\n", name, bcl_tune_state_name(state), *error, reason);
    return state;
}

/* sed of the kernels' folder, until the next call. */
static void edit(const char *file, const char *words) {
    static char *folder;
    char command[1024];
    folder = test_folder();
    snprintf(command, sizeof command,
             "cp -r '%s/../cl/.' '%s' && cd '%s' && cp %s before && sed -i '%s' %s && ! cmp -s %s "
             "before",
             getenv("BERTCL_TESTS"), folder, folder, file, words, file, file);
    assert_int_equal(system(command), 0);
    setenv("BERTCL_KERNEL_DIR", folder, 1);
}

static void test_check(void **state) {
    static const struct {
        const char *file, *words;
    } errors[] = {
        /* half of the keys; weights that are not scaled by dropout's factor in dV */
        {"attention_matrix.cl", "s/for (int first = 0; first < at.S; first += BLOCK) {/for (int "
                                "first = 0; first < at.S; first += 2 * BLOCK) {/"},
        {"attention_matrix.cl", "s/dp\\[t\\].x\\[e\\] = weight \\* factor/dp[t].x[e] = weight/"},
    };
    double error;
    (void)state;
    attention = LEFT_ALONE;
    if (test_device_open())
        fail_msg("the device does not open");
    assert_int_not_equal(try(UNIT ":attention", UNIT, BCL_PRECISION_BF16, &error), BCL_TUNE_WRONG);
    assert_true(error > 0x1p-12 && error < 0x1p-6);
    test_device_close(0);
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        edit(errors[i].file, errors[i].words);
        if (test_device_open())
            fail_msg("the device does not open");
        assert_int_equal(try(UNIT ":attention", UNIT, BCL_PRECISION_BF16, &error), BCL_TUNE_WRONG);
        test_device_close(0);
    }
    unsetenv("BERTCL_KERNEL_DIR");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_choice), cmocka_unit_test(test_check)};
    setenv("BERTCL_KERNELS", "gpu", 1);
    unit = bcl_gemm_mma_bf16;
    unit.create = create_unit;
    unit.suits = suits;
    unit.candidates = NULL;
    slow = bcl_gemm_reference;
    slow.suits = suits;
    slow.run = run_slowly;
    const int code = test_device_find(&about);
    return code ? code : cmocka_run_group_tests(tests, NULL, NULL);
}
