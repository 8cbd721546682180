/* The tuner with providers that are wrong, fail, crash, end the process, hang or are slow: each
 * must be excluded with its reason, and the rest must go on. */
#include "ops/gemm/provider.h"
#include "support/device.h"
#include "tune/tune.h"

#include <signal.h>
#include <time.h>
#include <unistd.h>

static bcl_device_info about;

/* ---- a provider whose parameters are what it does ---- */

static const char *plain;        /* what it does without parameters */
static const char *const *tried; /* its candidates, NULL-terminated */

typedef struct odd_state {
    char does[16];
    bcl_device *device;
    void *reference;
} odd_state;

static bool odd_suits(const bcl_device *device) {
    (void)device;
    return true;
}

static bcl_status odd_candidates(bcl_gemm_names *names, const bcl_device *device, bool thorough) {
    bcl_status status = BCL_OK;
    (void)device;
    (void)thorough;
    for (int i = 0; tried[i]; i++)
        BCL_TRY(bcl_gemm_names_add(names, "odd:%s", tried[i]));
out:
    return status;
}

static void odd_free(void *state) {
    free(state);
}

static bcl_status odd_create(void **out, bcl_device *device, const char *parameters) {
    bcl_status status = BCL_OK;
    odd_state *s = NULL;
    const char *does = parameters ? parameters : plain;
    if (!strcmp(does, "fail"))
        return bcl_fail(BCL_ERROR_DEVICE, "does not compile");
    if (!strcmp(does, "hang"))
        for (;;)
            pause();
    BCL_NEW(s, 1);
    snprintf(s->does, sizeof s->does, "%s", does);
    s->device = device;
    BCL_TRY(bcl_gemm_reference.create(&s->reference, device, NULL));
    *out = s;
out:
    if (status)
        free(s);
    return status;
}

enum { NAP_NS = 20000000 };

static void nap(void) {
    nanosleep(&(struct timespec){.tv_nsec = NAP_NS}, NULL);
}

/* C of a gradient by a thousandth too large, which bf16's limit allows. */
static bcl_status run_roughly(const odd_state *s, const bcl_gemm_call *call) {
    bcl_status status = BCL_OK;
    const size_t count = (size_t)call->M * (size_t)call->N, bytes = count * sizeof(float);
    float *c = NULL;
    BCL_NEW(c, count);
    BCL_TRY(bcl_gemm_reference.run(s->reference, call));
    BCL_TRY(bcl_buffer_read(s->device, call->C.buffer, 0, c, bytes, true));
    for (size_t i = 0; i < count; i++)
        c[i] *= 1.001f;
    BCL_TRY(bcl_buffer_write(s->device, call->C.buffer, 0, c, bytes, true));
out:
    free(c);
    return status;
}

static bcl_status odd_run(void *state, const bcl_gemm_call *call) {
    const odd_state *s = state;
    bcl_gemm_call c = *call;
    if (!strcmp(s->does, "crash"))
        raise(SIGSEGV);
    if (!strcmp(s->does, "exit"))
        _exit(3);
    if (!strcmp(s->does, "error"))
        return bcl_fail(BCL_ERROR_DEVICE, "out of everything");
    if (!strcmp(s->does, "idle"))
        return BCL_OK;
    if (!strcmp(s->does, "slow"))
        nap();
    if (!strcmp(s->does, "rough") && c.layout != BCL_GEMM_NN)
        return run_roughly(s, call);
    if (!strcmp(s->does, "short")) /* one product of the sum is missing */
        c.K--;
    if (!strcmp(s->does, "narrow")) /* the last column is missing */
        c.N--;
    return bcl_gemm_reference.run(s->reference, &c);
}

static bcl_status odd_run_gradients(void *state, const bcl_gemm_call *dx, const bcl_gemm_call *dw) {
    bcl_status status = BCL_OK;
    const odd_state *s = state;
    bcl_gemm_call x = *dx, w = *dw;
    if (!strcmp(s->does, "joined-slow"))
        nap();
    if (!strcmp(s->does, "joined-dx")) /* wrong only together */
        x.K--;
    if (!strcmp(s->does, "joined-dw"))
        w.K--;
    BCL_TRY(bcl_gemm_reference.run(s->reference, &x));
    BCL_TRY(bcl_gemm_reference.run(s->reference, &w));
out:
    return status;
}

static bcl_gemm_provider odd = {.fuses = true, /* ours come first */
                                .name = "odd",
                                .precision = BCL_PRECISION_FP32,
                                .A = BCL_TAKES_F32,
                                .B = BCL_TAKES_F32,
                                .C = BCL_TAKES_F32,
                                .suits = odd_suits,
                                .candidates = odd_candidates,
                                .create = odd_create,
                                .run = odd_run,
                                .run_gradients = odd_run_gradients,
                                .free = odd_free};

/* The providers with that one before them; the program is linked with this call in the place of the
 * library's, see CMakeLists.txt. */
const bcl_gemm_provider *const *__real_bcl_gemm_providers(void);
const bcl_gemm_provider *const *__wrap_bcl_gemm_providers(void);
const bcl_gemm_provider *const *__wrap_bcl_gemm_providers(void) {
    static const bcl_gemm_provider *list[16];
    const bcl_gemm_provider *const *own = __real_bcl_gemm_providers();
    size_t n = 0;
    list[n++] = &odd;
    for (; *own && n < 15; own++)
        list[n++] = *own;
    assert_true(!*own);
    return list;
}

/* ---- */

static void tune_patiently(bcl_tune_result *result, bcl_precision precision, double seconds,
                           double patience) {
    odd.precision = precision;
    static const bcl_tune_layer layer = {24, 40};
    static const int lengths[] = {9, 17};
    const bcl_tune_options options = {.precision = precision,
                                      .layers = &layer,
                                      .layer_count = 1,
                                      .lengths = lengths,
                                      .length_count = 2,
                                      .quick = true,
                                      .seconds = seconds,
                                      .patience = patience};
    OK(bcl_tune(result, &about, &options));
}

static void tune(bcl_tune_result *result, bcl_precision precision, double seconds) {
    tune_patiently(result, precision, seconds, 0);
}

static const bcl_tune_candidate *find(const bcl_tune_result *r, const char *name) {
    for (size_t i = 0; i < r->count; i++)
        if (!strcmp(r->candidates[i].name, name))
            return &r->candidates[i];
    fail_msg("no candidate %s", name);
    return NULL;
}

static void check(const bcl_tune_result *r, const char *name, bcl_tune_state state,
                  const char *reason) {
    const bcl_tune_candidate *c = find(r, name);
    if (c->state != state || !strstr(c->reason, reason))
        fail_msg("%s: %s (%s), expected %s (%s)", name, bcl_tune_state_name(c->state), c->reason,
                 bcl_tune_state_name(state), reason);
}

static void test_excluded(void **state) {
    (void)state;
    static const char *const names[] = {"crash",     "short",     "idle",  "fail",
                                        "exit",      "narrow",    "error", "slow",
                                        "joined-dx", "joined-dw", NULL};
    bcl_tune_result r;
    plain = "";
    tried = names;
    tune(&r, BCL_PRECISION_FP32, 0);
    assert_int_equal(r.count, 12);
    check(&r, "odd", BCL_TUNE_RIGHT, "");
    check(&r, "odd:crash", BCL_TUNE_CRASHED, strsignal(SIGSEGV));
    check(&r, "odd:exit", BCL_TUNE_CRASHED, "status 3");
    check(&r, "odd:short", BCL_TUNE_WRONG, "times the limit");
    check(&r, "odd:narrow", BCL_TUNE_WRONG, "M 9, N 72, K 24");
    check(&r, "odd:joined-dx", BCL_TUNE_WRONG, "M 9, N 24, K 72");
    check(&r, "odd:joined-dw", BCL_TUNE_WRONG, "M 24, N 72, K 9");
    check(&r, "odd:idle", BCL_TUNE_WRONG, "inf");
    check(&r, "odd:fail", BCL_TUNE_FAILED, "does not compile");
    check(&r, "odd:error", BCL_TUNE_FAILED, "out of everything");
    check(&r, "odd:slow", BCL_TUNE_SLOWER, "");
    check(&r, "reference", BCL_TUNE_WAITING, "");
    assert_string_equal(r.choice.name, "odd");
    assert_string_equal(r.candidates[0].name, "odd");
    assert_true(r.choice.quick && r.choice.gflops > 0);
    assert_true(r.choice.error > 0 && r.choice.error < 1e-6);
    bcl_tune_result_free(&r);
}

/* One that hangs is given up after a while, which on a busy machine may be too short for others. */
static void test_hanging(void **state) {
    (void)state;
    static const char *const names[] = {"hang", NULL};
    bcl_tune_result r;
    plain = "";
    tried = names;
    tune_patiently(&r, BCL_PRECISION_FP32, 0, 2);
    check(&r, "odd:hang", BCL_TUNE_CRASHED, "no answer");
    bcl_tune_result_free(&r);
}

static const char *const none[] = {NULL};

/* The plain kernel is chosen where nothing else is right. */
static void test_last_resort(void **state) {
    (void)state;
    bcl_tune_result r;
    plain = "short";
    tried = none;
    tune(&r, BCL_PRECISION_FP32, 0);
    check(&r, "odd", BCL_TUNE_WRONG, "times the limit");
    check(&r, "reference", BCL_TUNE_RIGHT, "");
    assert_string_equal(r.choice.name, "reference");
    bcl_tune_result_free(&r);
}

/* When the time is up, a candidate that is under way is no crash. */
static void test_time_up(void **state) {
    (void)state;
    bcl_tune_result r;
    plain = "hang";
    tried = none;
    tune(&r, BCL_PRECISION_FP32, 1);
    for (size_t i = 0; i < r.count; i++) /* none, if the driver took all of it to start */
        assert_int_equal(r.candidates[i].state, BCL_TUNE_WAITING);
    assert_string_equal(r.choice.name, "");
    bcl_tune_result_free(&r);
}

/* bf16 that is slower than fp32 is not worth it, and the record says so. */
static void test_no_faster(void **state) {
    (void)state;
    bcl_tune_result r;
    plain = "slow";
    tried = none;
    tune(&r, BCL_PRECISION_BF16, 0);
    check(&r, "odd", BCL_TUNE_SLOWER, "");
    assert_string_equal(r.choice.name, "");
    assert_non_null(strstr(r.choice.reason, "than fp32"));
    bcl_tune_result_free(&r);
}

/* fp32's rounding passes bf16's limit and a whole product that is missing does not. */
static void test_bf16(void **state) {
    (void)state;
    static const char *const names[] = {"short", NULL};
    bcl_tune_result r;
    plain = "";
    tried = names;
    tune(&r, BCL_PRECISION_BF16, 0);
    check(&r, "odd:short", BCL_TUNE_WRONG, "times the limit");
    assert_true(find(&r, "odd")->state == BCL_TUNE_RIGHT ||
                find(&r, "odd")->state == BCL_TUNE_SLOWER);
    bcl_tune_result_free(&r);
}

/* A gradient's error is the larger one, alone or joined; here it is right enough, but alone rough.
 */
static void test_larger_error(void **state) {
    (void)state;
    static const char *const names[] = {"rough", NULL};
    bcl_tune_result r;
    plain = "";
    tried = names;
    tune(&r, BCL_PRECISION_BF16, 0);
    const bcl_tune_candidate *c = find(&r, "odd:rough");
    assert_true(c->state == BCL_TUNE_RIGHT || c->state == BCL_TUNE_SLOWER);
    assert_in_range((int)(c->error * 1e6), 900, 1100);
    assert_true(find(&r, "odd")->error < 1e-6);
    bcl_tune_result_free(&r);
}

/* Joined gradients are timed as they run, and once: each has half of the launch that naps. */
static void test_joined_times(void **state) {
    (void)state;
    enum { DX = 1, DW = 2 }; /* of the first layer, behind its forward product */
    static const char *const names[] = {"joined-slow", NULL};
    bcl_tune_result r;
    plain = "";
    tried = names;
    tune(&r, BCL_PRECISION_FP32, 0);
    const bcl_tune_candidate *c = find(&r, "odd:joined-slow");
    assert_true(c->seconds[DX] >= NAP_NS / 2 * 1e-9);
    assert_true(c->seconds[DW] == c->seconds[DX]);
    bcl_tune_result_free(&r);
}

int main(void) {
    setenv("BERTCL_CACHE_DIR", "", 1);
    if (test_device_find(&about))
        return test_device_code;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_excluded),     cmocka_unit_test(test_hanging),
        cmocka_unit_test(test_last_resort),  cmocka_unit_test(test_time_up),
        cmocka_unit_test(test_no_faster),    cmocka_unit_test(test_bf16),
        cmocka_unit_test(test_larger_error), cmocka_unit_test(test_joined_times)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
