/* SHA-256 and SHA-1 (FIPS 180-4), of bytes and of files. SHA-1 is git's name of a blob, no more. */
#ifndef BCL_CHECKSUM_H
#define BCL_CHECKSUM_H

#include "util/util.h"

#include <nettle/sha1.h>
#include <nettle/sha2.h>

typedef struct bcl_checksum {
    union {
        struct sha256_ctx sha256;
        struct sha1_ctx sha1;
    } context;
    bool sha1;
} bcl_checksum;

void bcl_checksum_begin(bcl_checksum *s, bool sha1);
void bcl_checksum_add(bcl_checksum *s, const void *data, size_t size);
bcl_status bcl_checksum_add_file(bcl_checksum *s, const char *path);
/* Writes lower-case hexadecimal digits and a NUL: 64 of SHA-256, 40 of SHA-1. */
void bcl_checksum_end(bcl_checksum *s, char *text);

/* The SHA-256 of a file, of bytes. */
bcl_status bcl_sha256_file(char text[65], const char *path);
void bcl_sha256(char text[65], const void *data, size_t size);

#endif
