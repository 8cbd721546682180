/* Names of precisions, and what a wish for one comes to on a device. */
#include "ops/gemm/provider.h"

static const char *const names[BCL_PRECISIONS] = {"fp32", "bf16", "fp16", "tf32"};

const char *bcl_precision_name(bcl_precision precision) {
    return names[precision];
}

bool bcl_precision_offered(const bcl_device_info *about, bcl_precision precision) {
    return about->gpu || precision == BCL_PRECISION_FP32 || precision == BCL_PRECISION_BF16;
}

bcl_status bcl_precision_find(bcl_precision *out, const char *name) {
    for (int i = 0; i < BCL_PRECISIONS; i++)
        if (!strcmp(name, names[i])) {
            *out = (bcl_precision)i;
            return BCL_OK;
        }
    return bcl_fail(BCL_ERROR_ARGUMENT, "precision \"%s\": expected fp32, bf16, fp16 or tf32",
                    name);
}

static bool has_provider(const bcl_device *device, bcl_precision precision) {
    for (const bcl_gemm_provider *const *p = bcl_gemm_providers(); *p; p++)
        if ((*p)->precision == precision && (*p)->suits(device))
            return true;
    return false;
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
    const char *reason = stored                               ? tuned.reason
                         : !has_provider(device, wanted)      ? "no provider suits the device"
                         : bcl_gemm_bf16_instructions(device) ? "not tuned, see bertcl tune"
                                                              : "avx512_bf16 is missing";
    snprintf(why, BCL_GEMM_WHY, "%s computes %s no faster than fp32 (%s): using fp32", about->id,
             names[wanted], reason);
    return BCL_PRECISION_FP32;
}
