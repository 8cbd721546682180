/* Names of precisions. */
#include "ops/gemm/gemm.h"

static const char *const names[BCL_PRECISIONS] = {"fp32", "bf16", "fp16", "tf32"};

const char *bcl_precision_name(bcl_precision precision) {
    return names[precision];
}

bool bcl_precision_offered(const bcl_device_info *about, bcl_precision precision) {
    return about->gpu || precision == BCL_PRECISION_FP32 || precision == BCL_PRECISION_BF16;
}

bcl_status bcl_precision_check(const bcl_device_info *about, bcl_precision precision) {
    return bcl_precision_offered(about, precision)
               ? BCL_OK
               : bcl_fail(BCL_ERROR_ARGUMENT,
                          "precision: found %s, which needs a GPU with matrix units; %s is a CPU: "
                          "expected fp32 or bf16, or another --device",
                          names[precision], about->id);
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
