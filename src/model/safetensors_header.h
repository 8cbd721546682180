/* Shared by the files of this folder only: the parsed, not yet checked header. */
#ifndef BCL_MODEL_SAFETENSORS_HEADER_H
#define BCL_MODEL_SAFETENSORS_HEADER_H

#include "model/files.h"

enum { BCL_HEADER_MAX = 100000000 }; /* bytes; the format's own limit */

typedef struct bcl_header_entry {
    bcl_tensor tensor;   /* without data; bytes from dtype and shape */
    uint64_t begin, end; /* data_offsets */
} bcl_header_entry;

typedef struct bcl_header_pair {
    const char *key, *value;
} bcl_header_pair;

typedef struct bcl_header {
    bcl_header_entry *entries;
    size_t count, capacity;
    bcl_header_pair *metadata;
    size_t metadata_count, metadata_capacity;
    char *strings; /* all names, keys and values */
} bcl_header;

/* Parses `size` bytes of JSON that begin at byte 8 of the file `path`. What it returns must be
 * freed even after an error. */
bcl_status bcl_header_parse(bcl_header *out, const unsigned char *text, size_t size,
                            const char *path);
void bcl_header_free(bcl_header *header);
/* The bytes before the first that is not UTF-8; `size` if all are. */
size_t bcl_utf8_span(const unsigned char *text, size_t size);
/* tensor->bytes from dtype and shape, refusing overflow and parts of bytes. */
bcl_status bcl_tensor_measure(bcl_tensor *tensor, const char *path);

#endif
