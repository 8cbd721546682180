/* What kernels may ask of an opened device. */
#include "ocl/internal.h"
#include "ocl/vendors.h"

const bcl_device_info *bcl_device_about(const bcl_device *d) {
    return &d->info;
}

bool bcl_device_wide(const bcl_device *d) {
    return d->wide;
}

int bcl_device_vector(const bcl_device *d) {
    int width = 1;
    if (!d->wide)
        return width;
    while (width < 16 && (uint32_t)width < d->info.float_vector)
        width *= 2;
    return width;
}

size_t bcl_device_row_items(const bcl_device *d) {
    if (d->wide)
        return 1;
    return d->info.max_work_group < 128 ? 32 : 128;
}

int bcl_device_registers(const bcl_device *d) {
    return bcl_vector_registers(&d->info);
}

bool bcl_device_interpreted(const bcl_device_info *about) {
    return bcl_driver_of(about->id)->interpreter;
}
