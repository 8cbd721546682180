/* What a wish for a precision comes to on a device: by what tuning chose and the providers say. */
#include "ops/gemm/provider.h"

/* Why no provider computes fast in this precision here, for a device that was not tuned for it. */
static const char *reason_of(const bcl_device *device, bcl_precision precision) {
    const char *reason = "no provider suits the device";
    for (const bcl_gemm_provider *const *p = bcl_gemm_providers(); *p; p++) {
        if ((*p)->precision != precision || !(*p)->suits(device))
            continue;
        reason = (*p)->lacks ? (*p)->lacks(device) : NULL;
        if (!reason)
            return "not tuned, see bertcl tune";
    }
    return reason;
}

bcl_precision bcl_gemm_resolve(char why[BCL_GEMM_WHY], const bcl_device *device,
                               const char *provider, bcl_precision wanted) {
    bcl_gemm_choice tuned;
    const bcl_device_info *about = bcl_device_about(device);
    why[0] = 0;
    if (wanted == BCL_PRECISION_FP32 || provider)
        return wanted;
    const bool stored = bcl_gemm_choice_load(&tuned, about, wanted) == BCL_GEMM_STORED;
    if (stored && tuned.name[0])
        return wanted;
    snprintf(why, BCL_GEMM_WHY, "%s computes %s no faster than fp32 (%s): using fp32", about->id,
             bcl_precision_name(wanted), stored ? tuned.reason : reason_of(device, wanted));
    return BCL_PRECISION_FP32;
}
