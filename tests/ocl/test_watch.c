/* A call of the driver that never comes back is told, with what was running; one that does come
 * back is not. The program is linked with a clFinish that waits until it has been told. */
#include "ocl/ocl.h"
#include "support/device.h"

#include <stdatomic.h>
#include <time.h>

static atomic_bool hangs, told;
static char message[1024];

static void sleep_ms(long ms) {
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

cl_int __real_clFinish(cl_command_queue queue);
cl_int __wrap_clFinish(cl_command_queue queue);
cl_int __wrap_clFinish(cl_command_queue queue) {
    while (hangs && !told)
        sleep_ms(1);
    return __real_clFinish(queue);
}

static void hear(void *context, const char *text) {
    assert_ptr_equal(context, message);
    snprintf(message, sizeof message, "%s", text);
    told = true;
}

static void launch(void) {
    bcl_kernel *kernel;
    OK(bcl_kernel_get(&kernel, test_device, "elementwise.cl", "sum_rows", ""));
    const bcl_view y = guard_floats(1, 1, (const float[]){1}), x = guard_floats(1, 1, NULL);
    bcl_profile_operation(test_device, "sums of a test", 0, 0);
    OK(BCL_LAUNCH(kernel, ((bcl_grid){{1}, {1}}), bcl_ptr(y), bcl_ptr(x), bcl_int(1), bcl_int(1),
                  bcl_int(0)));
}

static void test_told(void **state) {
    (void)state;
    launch();
    OK(bcl_watch_start(hear, message, 0.02));
    hangs = true;
    OK(bcl_device_finish(test_device));
    hangs = false;
    bcl_watch_stop();
    assert_true(told);
    char want[256];
    snprintf(want, sizeof want, "%s: its driver hangs: clFinish has not come back for ",
             bcl_device_about(test_device)->id);
    if (strncmp(message, want, strlen(want)) ||
        !strstr(message, "cl/elementwise.cl: sum_rows (sums of a test)"))
        fail_msg("told \"%s\"", message);
    guards_end();
}

/* Between calls nothing is waited for, however long that takes. */
static void test_not_told(void **state) {
    (void)state;
    told = false;
    launch();
    OK(bcl_device_finish(test_device));
    OK(bcl_watch_start(hear, message, 0.01));
    sleep_ms(300);
    bcl_watch_stop();
    assert_false(told);
    bcl_watch_stop();
    guards_end();
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_told),
                                       cmocka_unit_test(test_not_told)};
    return TEST_RUN_ON_DEVICE(tests);
}
