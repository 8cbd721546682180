/* How long is slept before a GPU's step is waited for: most of the shortest of the last waits, less
 * where that was too long, nothing where little is known or gained. */
#include "ocl/internal.h"
#include "support/device.h"

static void note(bcl_waits *w, double seconds, int times) {
    while (times-- > 0)
        bcl_waits_note(w, seconds, false);
}

static void test_rule(void **state) {
    bcl_waits w = {.count = 0};
    (void)state;
    for (int i = 0; i < BCL_WAITS; i++) {
        assert_true(bcl_waits_sleep(&w) == 0); /* too little is known */
        note(&w, 1, 1);
    }
    assert_true(fabs(bcl_waits_sleep(&w) - 0.8) < 1e-12);
    note(&w, 0.5, 1); /* the shortest counts, wherever it stands among the last ones */
    for (int i = 0; i < BCL_WAITS; i++) {
        assert_true(fabs(bcl_waits_sleep(&w) - 0.4) < 1e-12);
        note(&w, 2, 1);
    }
    assert_true(fabs(bcl_waits_sleep(&w) - 1.6) < 1e-12);
    bcl_waits_note(&w, 1.6, true); /* slept through the end: it may have been anywhere before */
    assert_true(fabs(bcl_waits_sleep(&w) - 0.64) < 1e-12);
    note(&w, 1e-4, 1);
    assert_true(bcl_waits_sleep(&w) == 0);
    note(&w, 1, 1000); /* what is counted stays in its range */
    assert_in_range(w.count, BCL_WAITS, 2 * BCL_WAITS);
    assert_true(fabs(bcl_waits_sleep(&w) - 0.8) < 1e-12);
}

/* Whatever is slept, what was waited for is there. */
static void test_awaited(void **state) {
    float x[1024], y[1024];
    (void)state;
    test_device_close(0);
    setenv("BERTCL_KERNELS", "gpu", 1);
    if (test_device_open())
        fail_msg("the device does not open again");
    note(&test_device->waits, 0.01, BCL_WAITS);
    const bcl_view view = guard_floats(1, 1024, NULL);
    for (int i = 0; i < 20; i++) {
        cl_event event = NULL;
        OK(bcl_event_await(test_device, &event));
        for (int k = 0; k < 1024; k++)
            x[k] = (float)(i + k);
        OK(bcl_buffer_write(test_device, view.buffer, 0, x, sizeof x, false));
        OK(bcl_buffer_read_later(test_device, view.buffer, y, sizeof y, &event));
        OK(bcl_event_await(test_device, &event));
        assert_null(event);
        assert_memory_equal(x, y, sizeof x);
    }
    guards_end();
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rule), cmocka_unit_test(test_awaited)};
    return TEST_RUN_ON_DEVICE(tests);
}
