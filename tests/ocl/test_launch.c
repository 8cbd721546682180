/* Launches set only the arguments that have changed, and still compute with those that they were
 * given: more buffers than a kernel remembers, other values, and buffers in released ones' place.
 */
#include "ocl/internal.h"
#include "support/device.h"

#include <signal.h>

enum { BUFFERS = 300, N = 8 };

/* Writes rows of `block` that `row_step` has, else 0: y = x where step is the row's, see
 * embedding.cl. */
static void gather(bcl_kernel *kernel, cl_mem to, cl_mem from, cl_mem zeros, int step) {
    const size_t items = bcl_device_row_items(test_device);
    OK(BCL_LAUNCH(kernel, ((bcl_grid){{1}, {items}}), bcl_mem(to), bcl_mem(from), bcl_mem(zeros),
                  bcl_mem(zeros), bcl_int(step), bcl_int(N)));
}

static void check(cl_mem buffer, float want) {
    float got[N];
    OK(bcl_buffer_read(test_device, buffer, 0, got, sizeof got, true));
    for (int i = 0; i < N; i++)
        assert_true(got[i] == want);
}

static void test_arguments(void **state) {
    bcl_kernel *kernel;
    cl_mem from[BUFFERS], to[BUFFERS], zeros;
    (void)state;
    OK(bcl_kernel_get(&kernel, test_device, "embedding.cl", "embedding_rows_gather", ""));
    OK(bcl_buffer_create(&zeros, test_device, sizeof(int), "a test"));
    OK(bcl_buffer_zero(test_device, zeros, 0, sizeof(int)));
    for (int round = 0; round < 3; round++) { /* each time of new buffers */
        for (int i = 0; i < BUFFERS; i++) {
            const float value = (float)(i + round * BUFFERS);
            OK(bcl_buffer_create(&from[i], test_device, N * sizeof(float), "a test"));
            OK(bcl_buffer_create(&to[i], test_device, N * sizeof(float), "a test"));
            OK(bcl_buffer_fill(test_device, from[i], &value, sizeof value, 0, N * sizeof value));
        }
        for (int step = 0; step < 3; step++) {
            for (int i = 0; i < BUFFERS; i++)
                gather(kernel, to[i], from[i], zeros, step);
            for (int i = 0; i < BUFFERS; i++)
                check(to[i], step ? 0 : (float)(i + round * BUFFERS));
        }
        for (int i = 0; i < BUFFERS; i++) {
            bcl_buffer_free(test_device, &from[i]);
            bcl_buffer_free(test_device, &to[i]);
        }
    }
    bcl_buffer_free(test_device, &zeros);
}

/* An argument that the driver refuses is told, and the next launch sets all of them. */
static void test_refused(void **state) {
    bcl_kernel *kernel;
    cl_mem buffer;
    (void)state;
    OK(bcl_kernel_get(&kernel, test_device, "elementwise.cl", "gelu_forward", ""));
    OK(bcl_buffer_create(&buffer, test_device, sizeof(float), "a test"));
    OK(bcl_buffer_zero(test_device, buffer, 0, sizeof(float)));
    const bcl_grid grid = {{1}, {1}};
    OK(BCL_LAUNCH(kernel, grid, bcl_mem(buffer), bcl_mem(buffer), bcl_int(1), bcl_int(0)));
    const bcl_arg wide = {.size = 8, .value.l = 1};
    FAILS(BCL_LAUNCH(kernel, grid, bcl_mem(buffer), bcl_mem(buffer), wide, bcl_int(0)),
          BCL_ERROR_DEVICE, "gelu_forward: argument 2 of 8 bytes");
    FAILS(BCL_LAUNCH(kernel, grid, bcl_mem(buffer), bcl_mem(buffer)), BCL_ERROR_DEVICE,
          "takes 4 arguments, 2 were given");
    OK(BCL_LAUNCH(kernel, grid, bcl_mem(buffer), bcl_mem(buffer), bcl_int(1), bcl_int(0)));
    OK(bcl_device_finish(test_device));
    bcl_buffer_free(test_device, &buffer);
}

/* A launch's parts: none over 0.1 s by the estimate, along the longest dimension, of a group at
 * least; on CPUs, and of what is short, all at once. */
static void test_cut(void **state) {
    static const struct {
        double flop, bytes;
        size_t groups[3];
        int dimension;
        size_t most; /* groups of a part along it */
    } cases[] = {
        {0, 0, {7, 5, 3}, 0, 7},           {8e8, 0, {7, 5, 3}, 0, 7}, /* 0.1 s */
        {8.1e8, 0, {7, 5, 3}, 0, 4},                                  /* two parts */
        {8e9, 0, {7, 50, 3}, 1, 5},                                   /* ten */
        {8e9, 1e10, {7, 3, 50}, 2, 3},                                /* 2 s: twenty */
        {0, 1e10, {1, 1, 1}, 0, 1},                                   /* one group is one part */
        {1e300, 1e300, {1000, 1, 1}, 0, 1} /* no more parts than groups */
    };
    bcl_device d = {.info = {.compute_units = 2, .clock_mhz = 1000}};
    (void)state;
    bcl_launch_measure(&d);
    assert_true(d.flops == 8e9 && d.bandwidth == 1e10);
    assert_true(bcl_launch_most_flop(&d) == 8e8);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int wide = 0; wide < 2; wide++) {
            d.wide = wide;
            bcl_launch_work(&d, cases[i].flop, cases[i].bytes);
            const bcl_cut cut = bcl_launch_cut(&d, cases[i].groups);
            assert_int_equal(cut.dimension, cases[i].dimension);
            assert_int_equal(cut.groups, wide ? cases[i].groups[cut.dimension] : cases[i].most);
        }
    assert_true(bcl_launch_most_flop(&d) == HUGE_VAL);
    d.info = (bcl_device_info){.compute_units = 100}; /* its clock is not told */
    bcl_launch_measure(&d);
    assert_true(d.flops == 2e11 && d.bandwidth == 1.25e10);
    d.info = (bcl_device_info){0};
    bcl_launch_measure(&d);
    assert_true(d.flops == 2e9 && d.bandwidth == 1e10);
}

/* The last test: the program has been asked to end from here on. */
static void test_given_up(void **state) {
    bcl_kernel *kernel, *other;
    cl_mem buffer;
    const float one = 1;
    (void)state;
    OK(bcl_kernel_get(&kernel, test_device, "elementwise.cl", "gelu_forward", ""));
    OK(bcl_buffer_create(&buffer, test_device, sizeof(float), "a test"));
    OK(bcl_buffer_fill(test_device, buffer, &one, sizeof one, 0, sizeof one));
    const bcl_grid grid = {{1}, {1}};
    bcl_device_give_up(test_device, true);
    OK(BCL_LAUNCH(kernel, grid, bcl_mem(buffer), bcl_mem(buffer), bcl_int(1), bcl_int(0)));
    OK(bcl_device_finish(test_device));
    bcl_interrupt_catch();
    raise(SIGTERM);
    FAILS(BCL_LAUNCH(kernel, grid, bcl_mem(buffer), bcl_mem(buffer), bcl_int(1), bcl_int(0)),
          BCL_ERROR_INTERRUPTED, "before the first step");
    FAILS(bcl_kernel_get(&other, test_device, "elementwise.cl", "gelu_forward", "-DANOTHER=1"),
          BCL_ERROR_INTERRUPTED, "kernels are compiled");
    bcl_device_give_up(test_device, false);
    OK(BCL_LAUNCH(kernel, grid, bcl_mem(buffer), bcl_mem(buffer), bcl_int(1), bcl_int(0)));
    OK(bcl_device_finish(test_device));
    bcl_buffer_free(test_device, &buffer);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_arguments),
                                       cmocka_unit_test(test_refused), cmocka_unit_test(test_cut),
                                       cmocka_unit_test(test_given_up)};
    return TEST_RUN_ON_DEVICE(tests);
}
