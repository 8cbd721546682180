/* A GPU's buffer is touched when it is made: a driver that finds no memory at the first use says so
 * there. Fills are by the widest pattern. The program is linked with a driver's fill that fails
 * when it is told to. */
#include "ocl/ocl.h"
#include "support/device.h"

static cl_int fails; /* what the next fills return */
static int fills;
static size_t width; /* of the last fill's pattern */

cl_int __real_clEnqueueFillBuffer(cl_command_queue queue, cl_mem buffer, const void *pattern,
                                  size_t pattern_size, size_t offset, size_t size, cl_uint count,
                                  const cl_event *before, cl_event *event);
cl_int __wrap_clEnqueueFillBuffer(cl_command_queue queue, cl_mem buffer, const void *pattern,
                                  size_t pattern_size, size_t offset, size_t size, cl_uint count,
                                  const cl_event *before, cl_event *event);
cl_int __wrap_clEnqueueFillBuffer(cl_command_queue queue, cl_mem buffer, const void *pattern,
                                  size_t pattern_size, size_t offset, size_t size, cl_uint count,
                                  const cl_event *before, cl_event *event) {
    fills++;
    width = pattern_size;
    return fails ? fails
                 : __real_clEnqueueFillBuffer(queue, buffer, pattern, pattern_size, offset, size,
                                              count, before, event);
}

static void test_touched(void **state) {
    cl_mem buffer;
    (void)state;
    test_device_close(0);
    setenv("BERTCL_KERNELS", "gpu", 1);
    if (test_device_open())
        fail_msg("the device does not open again");
    const size_t large = 1 << 20;
    fills = 0;
    OK(bcl_buffer_create(&buffer, test_device, large, "a test"));
    assert_int_equal(fills, 1);
    bcl_buffer_free(test_device, &buffer);
    OK(bcl_buffer_create(&buffer, test_device, large - 1, "a test"));
    assert_int_equal(fills, 1);
    bcl_buffer_free(test_device, &buffer);
    fails = CL_MEM_OBJECT_ALLOCATION_FAILURE;
    FAILS(bcl_buffer_create(&buffer, test_device, large, "a test"), BCL_ERROR_DEVICE_MEMORY,
          "no 1.0 MiB for a test: out of device memory");
    assert_null(buffer);
    fails = CL_SUCCESS;
}

/* `expected`: bytes of the pattern that the driver is given. */
static void check_fill(size_t size, size_t offset, size_t bytes, size_t expected) {
    static const unsigned char pattern[16] = {1, 2,  3,  4,  5,  6,  7,  8,
                                              9, 10, 11, 12, 13, 14, 15, 16};
    enum { ALL = 4096 };
    unsigned char x[ALL];
    cl_mem buffer;
    OK(bcl_buffer_create(&buffer, test_device, ALL, "a test"));
    OK(bcl_buffer_fill(test_device, buffer, (const char[]){-1}, 1, 0, ALL));
    assert_int_equal(width, 16);
    if (size)
        OK(bcl_buffer_fill(test_device, buffer, pattern, size, offset, bytes));
    else
        OK(bcl_buffer_zero(test_device, buffer, offset, bytes));
    assert_int_equal(width, expected);
    OK(bcl_buffer_read(test_device, buffer, 0, x, ALL, true));
    for (size_t i = 0; i < ALL; i++) {
        const bool filled = i >= offset && i < offset + bytes;
        assert_int_equal(x[i], !filled ? 255 : size ? pattern[(i - offset) % size] : 0);
    }
    bcl_buffer_free(test_device, &buffer);
}

static void test_wide_patterns(void **state) {
    (void)state;
    check_fill(4, 0, 4096, 16); /* as whole tensors are */
    check_fill(4, 16, 4000, 16);
    check_fill(4, 8, 160, 8);
    check_fill(4, 16, 24, 8);
    check_fill(4, 4, 160, 4);
    check_fill(4, 16, 28, 4);
    check_fill(16, 32, 96, 16);
    check_fill(2, 6, 160, 2);
    check_fill(1, 7, 160, 1);
    check_fill(0, 0, 4096, 16);
    check_fill(0, 384, 28, 4);
    check_fill(0, 3, 1, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_touched),
                                       cmocka_unit_test(test_wide_patterns)};
    return TEST_RUN_ON_DEVICE(tests);
}
