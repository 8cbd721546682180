/* Element types and their conversion to float. Knows nothing of files. */
#include "model/files.h"
#include "model/safetensors_header.h"
#include "util/half.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "safetensors is little-endian: swap bytes here before porting to a big-endian host"
#endif

static const struct {
    const char *name;
    int bits;
} dtypes[BCL_DTYPE_COUNT] = {
    [BCL_BOOL] = {"BOOL", 8},
    [BCL_F4] = {"F4", 4},
    [BCL_F6_E2M3] = {"F6_E2M3", 6},
    [BCL_F6_E3M2] = {"F6_E3M2", 6},
    [BCL_U8] = {"U8", 8},
    [BCL_I8] = {"I8", 8},
    [BCL_F8_E5M2] = {"F8_E5M2", 8},
    [BCL_F8_E4M3] = {"F8_E4M3", 8},
    [BCL_F8_E8M0] = {"F8_E8M0", 8},
    [BCL_F8_E4M3FNUZ] = {"F8_E4M3FNUZ", 8},
    [BCL_F8_E5M2FNUZ] = {"F8_E5M2FNUZ", 8},
    [BCL_I16] = {"I16", 16},
    [BCL_U16] = {"U16", 16},
    [BCL_F16] = {"F16", 16},
    [BCL_BF16] = {"BF16", 16},
    [BCL_I32] = {"I32", 32},
    [BCL_U32] = {"U32", 32},
    [BCL_F32] = {"F32", 32},
    [BCL_C64] = {"C64", 64},
    [BCL_F64] = {"F64", 64},
    [BCL_I64] = {"I64", 64},
    [BCL_U64] = {"U64", 64},
};

const char *bcl_dtype_name(bcl_dtype dtype) {
    return dtypes[dtype].name;
}

int bcl_dtype_bits(bcl_dtype dtype) {
    return dtypes[dtype].bits;
}

bool bcl_dtype_find(bcl_dtype *out, const char *name) {
    for (int i = 0; i < BCL_DTYPE_COUNT; i++)
        if (!strcmp(dtypes[i].name, name)) {
            *out = (bcl_dtype)i;
            return true;
        }
    return false;
}

size_t bcl_tensor_elements(const bcl_tensor *tensor) {
    size_t n = 1;
    for (int i = 0; i < tensor->rank; i++)
        n *= (size_t)tensor->shape[i];
    return n;
}

char *bcl_tensor_shape_text(char *out, size_t size, const bcl_tensor *tensor) {
    size_t at = 0;
    for (int i = 0; i < tensor->rank && at < size; i++)
        at += (size_t)snprintf(out + at, size - at, "%s%lld", i ? ", " : "[",
                               (long long)tensor->shape[i]);
    if (at < size)
        snprintf(out + at, size - at, tensor->rank ? "]" : "[]");
    return out;
}

bcl_status bcl_tensor_measure(bcl_tensor *tensor, const char *path) {
    size_t bits = 1;
    char shape[256];
    bool fits = true;
    /* One by one from the left, as the reference implementation does: an overflow that a later 0
     * would undo is still one. */
    for (int i = 0; i < tensor->rank; i++)
        fits = fits && bcl_multiply(&bits, bits, (size_t)tensor->shape[i]);
    if (!fits || !bcl_multiply(&bits, bits, (size_t)dtypes[tensor->dtype].bits))
        return bcl_fail(BCL_ERROR_FORMAT,
                        "%s: tensor \"%.100s\": shape %s of %s overflows a 64-bit size", path,
                        tensor->name, bcl_tensor_shape_text(shape, sizeof shape, tensor),
                        dtypes[tensor->dtype].name);
    if (bits % 8)
        return bcl_fail(BCL_ERROR_FORMAT,
                        "%s: tensor \"%.100s\": shape %s of %s is %zu bits, expected whole bytes",
                        path, tensor->name, bcl_tensor_shape_text(shape, sizeof shape, tensor),
                        dtypes[tensor->dtype].name, bits);
    tensor->bytes = bits / 8;
    return BCL_OK;
}

bcl_status bcl_tensor_to_float(float *dst, const bcl_tensor *tensor) {
    const unsigned char *p = tensor->data;
    size_t n = bcl_tensor_elements(tensor);
    uint16_t h;
    double d;
    switch (tensor->dtype) {
    case BCL_F32:
        if (n)
            memcpy(dst, p, n * sizeof *dst);
        return BCL_OK;
    case BCL_F16:
        for (size_t i = 0; i < n; i++) {
            memcpy(&h, p + 2 * i, sizeof h);
            dst[i] = bcl_fp16_widen(h);
        }
        return BCL_OK;
    case BCL_BF16:
        for (size_t i = 0; i < n; i++) {
            memcpy(&h, p + 2 * i, sizeof h);
            dst[i] = bcl_bf16_widen(h);
        }
        return BCL_OK;
    case BCL_F64:
        for (size_t i = 0; i < n; i++) {
            memcpy(&d, p + 8 * i, sizeof d);
            dst[i] = (float)d;
        }
        return BCL_OK;
    default:
        return bcl_tensor_check_float(tensor, "a checkpoint");
    }
}

bcl_status bcl_tensor_check_float(const bcl_tensor *t, const char *folder) {
    if (t->dtype == BCL_F32 || t->dtype == BCL_F16 || t->dtype == BCL_BF16 || t->dtype == BCL_F64)
        return BCL_OK;
    return bcl_fail(BCL_ERROR_UNSUPPORTED,
                    "%s: tensor \"%.100s\": found %s, expected F32, F16, BF16 or F64", folder,
                    t->name, dtypes[t->dtype].name);
}

static bool is_finite(const char *value) {
    uint32_t bits;
    memcpy(&bits, value, sizeof bits);
    return (bits & 0x7f800000u) != 0x7f800000u;
}

/* Blocks, without a branch inside, are checked as fast as memory is read. */
size_t bcl_floats_finite(const void *values, size_t count) {
    enum { BLOCK = 1024 };
    const char *x = values;
    for (size_t first = 0; first < count; first += BLOCK) {
        const size_t end = count - first < BLOCK ? count : first + BLOCK;
        bool finite = true;
        for (size_t i = first; i < end; i++)
            finite &= is_finite(x + i * sizeof(float));
        for (size_t i = first; !finite && i < end; i++)
            if (!is_finite(x + i * sizeof(float)))
                return i;
    }
    return count;
}
