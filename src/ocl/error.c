/* OpenCL's error codes as a status with a message. */
#include "ocl/ocl.h"

#include <stdarg.h>

bcl_status bcl_cl_fail(cl_int code, const char *format, ...) {
    static const struct {
        cl_int code;
        const char *name;
    } names[] = {
        {CL_DEVICE_NOT_AVAILABLE, "device not available"},
        {CL_COMPILER_NOT_AVAILABLE, "no compiler"},
        {CL_MEM_OBJECT_ALLOCATION_FAILURE, "out of device memory"},
        {CL_OUT_OF_RESOURCES, "out of device resources"},
        {CL_OUT_OF_HOST_MEMORY, "out of host memory"},
        {CL_BUILD_PROGRAM_FAILURE, "program does not build"},
        {CL_MISALIGNED_SUB_BUFFER_OFFSET, "misaligned sub-buffer"},
        {CL_INVALID_VALUE, "invalid value"},
        {CL_INVALID_MEM_OBJECT, "invalid memory object"},
        {CL_INVALID_KERNEL_NAME, "invalid kernel name"},
        {CL_INVALID_ARG_INDEX, "invalid argument index"},
        {CL_INVALID_ARG_SIZE, "invalid argument size"},
        {CL_INVALID_KERNEL_ARGS, "invalid kernel arguments"},
        {CL_INVALID_WORK_GROUP_SIZE, "invalid work-group size"},
        {CL_INVALID_WORK_ITEM_SIZE, "invalid work-item size"},
        {CL_INVALID_BUFFER_SIZE, "invalid buffer size"},
    };
    char what[512];
    const char *name = "OpenCL error";
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].code == code)
            name = names[i].name;
    bool memory = code == CL_MEM_OBJECT_ALLOCATION_FAILURE || code == CL_OUT_OF_RESOURCES ||
                  code == CL_OUT_OF_HOST_MEMORY;
    return bcl_fail(memory ? BCL_ERROR_DEVICE_MEMORY : BCL_ERROR_DEVICE, "%s: %s (%d)", what, name,
                    code);
}
