/* The bytes of TensorBoard's event files, see event_file.h. */
#include "track/event_file.h"

/* ---- checksums ---- */

static uint32_t crc32c(const unsigned char *data, size_t size) {
    static uint32_t table[256];
    uint32_t crc = 0xFFFFFFFFu;
    if (!table[1])
        for (uint32_t i = 256; i-- > 0;) { /* table[1] last: it tells that all are there */
            uint32_t c = i;
            for (int k = 0; k < 8; k++)
                c = c & 1 ? c >> 1 ^ 0x82F63B78u : c >> 1;
            table[i] = c;
        }
    for (size_t i = 0; i < size; i++)
        crc = table[(crc ^ data[i]) & 255] ^ crc >> 8;
    return ~crc;
}

uint32_t bcl_record_sum(const void *data, size_t size) {
    const uint32_t crc = crc32c(data, size);
    return (crc >> 15 | crc << 17) + 0xA282EAD8u;
}

void bcl_little_put(unsigned char *out, uint64_t x, int bytes) {
    for (int i = 0; i < bytes; i++)
        out[i] = (unsigned char)(x >> 8 * i);
}

uint64_t bcl_little_get(const unsigned char *in, int bytes) {
    uint64_t x = 0;
    for (int i = bytes; i-- > 0;)
        x = x << 8 | in[i];
    return x;
}

/* ---- protocol buffers: writing ---- */

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

static bcl_status put_varint(bcl_string *out, uint64_t x) {
    char bytes[10];
    size_t n = 0;
    do {
        bytes[n++] = (char)((x & 127) | (x > 127 ? 128 : 0));
        x >>= 7;
    } while (x);
    return bcl_string_add(out, bytes, n);
}

bcl_status bcl_proto_bytes(bcl_string *out, int field, const void *data, size_t size) {
    bcl_status status = BCL_OK;
    BCL_TRY(put_varint(out, (uint64_t)(field << 3 | BYTES)));
    BCL_TRY(put_varint(out, size));
    BCL_TRY(bcl_string_add(out, data, size));
out:
    return status;
}

bcl_status bcl_proto_text(bcl_string *out, int field, const char *text) {
    return bcl_proto_bytes(out, field, text, strlen(text));
}

bcl_status bcl_proto_number(bcl_string *out, int field, uint64_t x) {
    const bcl_status status = put_varint(out, (uint64_t)(field << 3 | VARINT));
    return status ? status : put_varint(out, x);
}

bcl_status bcl_proto_double(bcl_string *out, int field, double x) {
    unsigned char bytes[8];
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    bcl_little_put(bytes, bits, 8);
    const bcl_status status = put_varint(out, (uint64_t)(field << 3 | FIXED64));
    return status ? status : bcl_string_add(out, bytes, 8);
}

bcl_status bcl_proto_float(bcl_string *out, int field, float x) {
    unsigned char bytes[4];
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    bcl_little_put(bytes, bits, 4);
    const bcl_status status = put_varint(out, (uint64_t)(field << 3 | FIXED32));
    return status ? status : bcl_string_add(out, bytes, 4);
}

bcl_status bcl_proto_doubles(bcl_string *out, int field, const double *x, size_t n) {
    bcl_status status = BCL_OK;
    unsigned char bytes[8];
    uint64_t bits;
    BCL_TRY(put_varint(out, (uint64_t)(field << 3 | BYTES)));
    BCL_TRY(put_varint(out, 8 * n));
    for (size_t i = 0; i < n; i++) {
        memcpy(&bits, &x[i], sizeof bits);
        bcl_little_put(bytes, bits, 8);
        BCL_TRY(bcl_string_add(out, bytes, 8));
    }
out:
    return status;
}

/* ---- reading ---- */

static bool get_varint(const unsigned char **p, const unsigned char *end, uint64_t *x) {
    *x = 0;
    for (int shift = 0; *p < end && shift < 64; shift += 7) {
        const unsigned char byte = *(*p)++;
        *x |= (uint64_t)(byte & 127) << shift;
        if (byte < 128)
            return true;
    }
    return false;
}

bool bcl_proto_next(const unsigned char **p, const unsigned char *end, int *field, uint64_t *number,
                    const unsigned char **data, size_t *size) {
    uint64_t key, n = 0;
    *data = NULL;
    *size = 0;
    *number = 0;
    if (!get_varint(p, end, &key))
        return false;
    *field = (int)(key >> 3);
    switch (key & 7) {
    case VARINT:
        return get_varint(p, end, number);
    case FIXED64:
    case FIXED32:
        n = (key & 7) == FIXED64 ? 8 : 4;
        break;
    case BYTES:
        if (!get_varint(p, end, &n))
            return false;
        break;
    default:
        return false;
    }
    if (n > (uint64_t)(end - *p))
        return false;
    *data = *p;
    *size = (size_t)n;
    *p += n;
    return true;
}
