/* Large transfers of GPUs go through pinned pieces: the same bytes as by one call, in order with
 * what else is queued, without waiting where the plain way does not wait, and also on a device that
 * has no memory to pin. The program is linked with a driver that finds none when it is told to. */
#include "ocl/internal.h"
#include "support/device.h"

enum { LEAST = 64 << 10, GUARD_BYTES = 5000, GUARD_BYTE = 0x5a };

static bool no_buffer, no_map;
static int pinned, mapped; /* calls */

cl_mem __real_clCreateBuffer(cl_context context, cl_mem_flags flags, size_t size, void *host,
                             cl_int *code);
cl_mem __wrap_clCreateBuffer(cl_context context, cl_mem_flags flags, size_t size, void *host,
                             cl_int *code);
cl_mem __wrap_clCreateBuffer(cl_context context, cl_mem_flags flags, size_t size, void *host,
                             cl_int *code) {
    const bool pins = flags & CL_MEM_ALLOC_HOST_PTR;
    pinned += pins;
    if (!pins || !no_buffer)
        return __real_clCreateBuffer(context, flags, size, host, code);
    *code = CL_MEM_OBJECT_ALLOCATION_FAILURE;
    return NULL;
}

void *__real_clEnqueueMapBuffer(cl_command_queue queue, cl_mem buffer, cl_bool wait,
                                cl_map_flags flags, size_t offset, size_t size, cl_uint count,
                                const cl_event *before, cl_event *event, cl_int *code);
void *__wrap_clEnqueueMapBuffer(cl_command_queue queue, cl_mem buffer, cl_bool wait,
                                cl_map_flags flags, size_t offset, size_t size, cl_uint count,
                                const cl_event *before, cl_event *event, cl_int *code);
void *__wrap_clEnqueueMapBuffer(cl_command_queue queue, cl_mem buffer, cl_bool wait,
                                cl_map_flags flags, size_t offset, size_t size, cl_uint count,
                                const cl_event *before, cl_event *event, cl_int *code) {
    mapped++;
    if (!no_map)
        return __real_clEnqueueMapBuffer(queue, buffer, wait, flags, offset, size, count, before,
                                         event, code);
    *code = CL_OUT_OF_HOST_MEMORY;
    return NULL;
}

static cl_event gate; /* opened by the next wait; NULL: none */

cl_int __real_clWaitForEvents(cl_uint count, const cl_event *events);
cl_int __wrap_clWaitForEvents(cl_uint count, const cl_event *events);
cl_int __wrap_clWaitForEvents(cl_uint count, const cl_event *events) {
    if (gate) {
        assert_int_equal(clSetUserEventStatus(gate, CL_COMPLETE), CL_SUCCESS);
        clReleaseEvent(gate);
    }
    gate = NULL;
    return __real_clWaitForEvents(count, events);
}

/* What is queued from here on does not begin before the program waits. */
static void close_gate(void) {
    cl_int code;
    gate = clCreateUserEvent(test_device->context, &code);
    assert_int_equal(code, CL_SUCCESS);
    assert_int_equal(clEnqueueBarrierWithWaitList(test_device->queue, 1, &gate, NULL), CL_SUCCESS);
}

/* Anew, with the kernels of one kind. */
static void open_device(const char *kernels, const char *staging) {
    test_device_close(0);
    setenv("BERTCL_KERNELS", kernels, 1);
    setenv("BERTCL_STAGING", staging, 1);
    if (test_device_open())
        fail_msg("the device does not open again");
    pinned = mapped = 0;
}

static unsigned char *random_bytes(size_t count, uint64_t seed) {
    unsigned char *x = malloc(count);
    assert_non_null(x);
    for (size_t i = 0; i < count; i++)
        x[i] = (unsigned char)(bcl_mix64(seed + i / 8) >> (i % 8 * 8));
    return x;
}

/* Writes and reads `bytes` at `offset` of a marked buffer, to and from an odd place of the host's,
 * and looks at what lies around. `staged`: what is to go through the ring. */
static void there_and_back(size_t bytes, size_t offset, bool staged) {
    const size_t all = offset + bytes + GUARD_BYTES;
    const uint64_t before = test_device->staging.bytes;
    unsigned char *x = random_bytes(bytes + 1, bytes), *y = malloc(all), *z = malloc(bytes + 3);
    const unsigned char mark = GUARD_BYTE;
    cl_mem buffer;
    assert_true(y && z);
    OK(bcl_buffer_create(&buffer, test_device, all, "a test"));
    OK(bcl_buffer_fill(test_device, buffer, &mark, 1, 0, all));
    OK(bcl_buffer_write(test_device, buffer, offset, x + 1, bytes, true));
    assert_int_equal(test_device->staging.bytes - before, staged ? bytes : 0);
    z[0] = z[bytes + 1] = z[bytes + 2] = mark;
    OK(bcl_buffer_read(test_device, buffer, offset, z + 1, bytes, true));
    assert_int_equal(test_device->staging.bytes - before, staged ? 2 * bytes : 0);
    assert_memory_equal(z + 1, x + 1, bytes);
    assert_true(z[0] == mark && z[bytes + 1] == mark && z[bytes + 2] == mark);
    OK(bcl_buffer_read_later(test_device, buffer, y, all, &(cl_event){NULL})); /* the plain way */
    OK(bcl_device_finish(test_device));
    assert_memory_equal(y + offset, x + 1, bytes);
    for (size_t i = 0; i < all; i++)
        if ((i < offset || i >= offset + bytes) && y[i] != mark)
            fail_msg("%zu bytes at %zu: byte %zu was written", bytes, offset, i);
    bcl_buffer_free(test_device, &buffer);
    free(x);
    free(y);
    free(z);
}

static void test_sizes(void **state) {
    static const size_t pieces[] = {1, 2, BCL_PIECES, BCL_PIECES + 1, 2 * BCL_PIECES};
    static const size_t offsets[] = {0, 1, 4099};
    (void)state;
    open_device("gpu", "");
    for (size_t k = 0; k < 3; k++) {
        there_and_back(1, offsets[k], false);
        there_and_back(LEAST - 1, offsets[k], false);
        there_and_back(LEAST, offsets[k], true);
        for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++)
            for (size_t less = 0; less < 3; less++)
                there_and_back(pieces[i] * BCL_PIECE + 1 - less, offsets[k], true);
        there_and_back(2 * BCL_PIECES * (size_t)BCL_PIECE + BCL_PIECE / 2 + 3, offsets[k], true);
    }
    assert_true(pinned == 1 && mapped == 1);
}

static bcl_status double_it(bcl_view x) { /* by adding its one row to itself */
    bcl_status status = BCL_OK;
    bcl_kernel *kernel;
    BCL_TRY(bcl_kernel_get(&kernel, test_device, "elementwise.cl", "sum_rows", ""));
    const size_t groups = (size_t)x.columns / (size_t)bcl_device_vector(test_device);
    BCL_TRY(BCL_LAUNCH(kernel, ((bcl_grid){{groups / 64}, {64}}), bcl_ptr(x), bcl_ptr(x),
                       bcl_int(1), bcl_int(x.columns), bcl_int(1)));
out:
    return status;
}

/* Writes, kernels and reads of the same memory, none of which is waited for by hand. */
static void test_order(void **state) {
    enum { COUNT = 3 * BCL_PIECE / sizeof(float) + 64 };
    const size_t bytes = COUNT * sizeof(float);
    float *x = malloc(bytes), *y = malloc(bytes);
    bcl_view view = {0};
    (void)state;
    open_device("gpu", "");
    assert_true(x && y);
    OK(bcl_view_create(&view, test_device, BCL_ELEMENT_F32, 1, COUNT, "a test"));
    for (int round = 0; round < 6; round++) {
        for (int i = 0; i < COUNT; i++)
            x[i] = (float)(round + i % 1000);
        OK(bcl_buffer_write(test_device, view.buffer, 0, x, bytes, round % 2 == 0));
        OK(double_it(view));
        OK(bcl_buffer_read(test_device, view.buffer, 0, y, bytes, true));
        OK(double_it(view));
        for (int i = 0; i < COUNT; i++)
            if (!(y[i] == 2 * x[i]))
                fail_msg("round %d: element %d is %g, expected %g", round, i, (double)y[i],
                         (double)(2 * x[i]));
        OK(bcl_buffer_read(test_device, view.buffer, 0, y, bytes, true));
        for (int i = 0; i < COUNT; i++)
            assert_true(y[i] == 4 * x[i]);
    }
    /* three of the writes waited */
    assert_int_equal(test_device->staging.bytes, (3 + 2 * 6) * bytes);
    bcl_buffer_free(test_device, &view.buffer);
    free(x);
    free(y);
}

/* A piece is filled again only when it has been sent, which here is when it is waited for. */
static void test_full_ring(void **state) {
    const size_t large = (2 * BCL_PIECES + 1) * (size_t)BCL_PIECE + 17;
    unsigned char *x = random_bytes(large, 1), *y = malloc(large);
    cl_mem buffer;
    (void)state;
    open_device("gpu", "");
    assert_non_null(y);
    OK(bcl_buffer_create(&buffer, test_device, large, "a test"));
    OK(bcl_buffer_write(test_device, buffer, 0, x, LEAST, true)); /* makes the ring */
    assert_int_equal(test_device->staging.bytes, LEAST);
    close_gate();
    OK(bcl_buffer_write(test_device, buffer, 0, x, large, true));
    close_gate();
    OK(bcl_buffer_read(test_device, buffer, 0, y, large, true));
    assert_memory_equal(y, x, large);
    bcl_buffer_free(test_device, &buffer);
    free(x);
    free(y);
}

/* Writes that may not wait are queued behind a command that does not begin: as many as there are
 * pieces take one each, the rest the plain way, and none waits. What comes in the place of what a
 * piece has must not change it. */
static void test_no_wait(void **state) {
    enum { WRITES = BCL_PIECES + 3, BYTES = BCL_PIECE - 40 };
    unsigned char *x[WRITES], *y = malloc(BYTES);
    cl_mem buffers[WRITES];
    (void)state;
    open_device("gpu", "");
    assert_non_null(y);
    for (int i = 0; i < WRITES; i++) {
        x[i] = random_bytes(BYTES, (uint64_t)i << 32);
        OK(bcl_buffer_create(&buffers[i], test_device, BYTES, "a test"));
    }
    OK(bcl_buffer_write(test_device, buffers[0], 0, x[1], BYTES, false));
    assert_int_equal(test_device->staging.bytes, 0); /* to make the ring waits */
    OK(bcl_buffer_write(test_device, buffers[0], 0, x[1], BYTES, true));
    assert_int_equal(test_device->staging.bytes, BYTES);
    close_gate();
    for (int i = 0; i < WRITES; i++) {
        OK(bcl_buffer_write(test_device, buffers[i], 0, x[i], BYTES, false));
        if (i < BCL_PIECES) /* which has it */
            memset(x[i], GUARD_BYTE, BYTES);
    }
    assert_int_equal(test_device->staging.bytes, (1 + BCL_PIECES) * (uint64_t)BYTES);
    assert_non_null(gate);
    for (int i = 0; i < WRITES; i++) {
        unsigned char *want = random_bytes(BYTES, (uint64_t)i << 32);
        OK(bcl_buffer_read(test_device, buffers[i], 0, y, BYTES, true));
        assert_memory_equal(y, want, BYTES);
        free(want);
    }
    /* they have passed: there are pieces again */
    const uint64_t before = test_device->staging.bytes;
    OK(bcl_buffer_write(test_device, buffers[0], 0, x[1], BYTES, false));
    assert_int_equal(test_device->staging.bytes, before + BYTES);
    for (int i = 0; i < WRITES; i++) {
        bcl_buffer_free(test_device, &buffers[i]);
        free(x[i]);
    }
    free(y);
}

/* What cannot be pinned, or is not to be, is sent the plain way; it is tried once. */
static void test_without(void **state) {
    const size_t large = 3 * (size_t)BCL_PIECE + 7;
    (void)state;
    open_device("gpu", "");
    no_buffer = true;
    there_and_back(large, 3, false);
    there_and_back(large, 0, false);
    no_buffer = false;
    there_and_back(large, 0, false);
    assert_true(pinned == 1 && mapped == 0);
    open_device("gpu", "");
    no_map = true;
    there_and_back(large, 3, false);
    no_map = false;
    there_and_back(large, 0, false);
    assert_true(pinned == 1 && mapped == 1);
    open_device("gpu", "off");
    there_and_back(large, 0, false);
    assert_int_equal(pinned, 0);
    open_device("cpu", "");
    there_and_back(large, 0, bcl_device_about(test_device)->gpu);
    assert_int_equal(pinned, bcl_device_about(test_device)->gpu);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sizes), cmocka_unit_test(test_order),
                                       cmocka_unit_test(test_full_ring),
                                       cmocka_unit_test(test_no_wait),
                                       cmocka_unit_test(test_without)};
    return TEST_RUN_ON_DEVICE(tests);
}
