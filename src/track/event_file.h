/* The bytes of TensorBoard's event files: TFRecords of protocol buffers, of which a handful of
 * types are needed. Knows nothing of events. */
#ifndef BCL_EVENT_FILE_H
#define BCL_EVENT_FILE_H

#include "util/util.h"

/* The checksum of a record's length and of its data: CRC-32C, masked. */
uint32_t bcl_record_sum(const void *data, size_t size);
void bcl_little_put(unsigned char *out, uint64_t x, int bytes);
uint64_t bcl_little_get(const unsigned char *in, int bytes);

/* A field with its key. */
bcl_status bcl_proto_bytes(bcl_string *out, int field, const void *data, size_t size);
bcl_status bcl_proto_text(bcl_string *out, int field, const char *text);
bcl_status bcl_proto_number(bcl_string *out, int field, uint64_t x);
bcl_status bcl_proto_double(bcl_string *out, int field, double x);
bcl_status bcl_proto_float(bcl_string *out, int field, float x);
bcl_status bcl_proto_doubles(bcl_string *out, int field, const double *x, size_t n); /* packed */

/* Takes one field: *number of a varint, *data and *size of everything else, else NULL. False at the
 * end, or where the bytes make no sense. */
bool bcl_proto_next(const unsigned char **p, const unsigned char *end, int *field, uint64_t *number,
                    const unsigned char **data, size_t *size);

#endif
