/* A GPU's buffer is touched when it is made: a driver that finds no memory at the first use says so
 * there. The program is linked with a driver's fill that fails when it is told to. */
#include "ocl/ocl.h"
#include "support/device.h"

static cl_int fails; /* what the next fills return */
static int fills;

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

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_touched)};
    return TEST_RUN_ON_DEVICE(tests);
}
