/* Nettle's SHA-256 and SHA-1, which use the processor's instructions for them: the weights of a
 * model are read ten times as fast as by plain C. */
#include "util/checksum.h"

void bcl_checksum_begin(bcl_checksum *s, bool sha1) {
    *s = (bcl_checksum){.sha1 = sha1};
    if (sha1)
        sha1_init(&s->context.sha1);
    else
        sha256_init(&s->context.sha256);
}

void bcl_checksum_add(bcl_checksum *s, const void *data, size_t size) {
    if (s->sha1)
        sha1_update(&s->context.sha1, size, data);
    else
        sha256_update(&s->context.sha256, size, data);
}

void bcl_checksum_end(bcl_checksum *s, char *text) {
    uint8_t digest[SHA256_DIGEST_SIZE];
    const size_t size = s->sha1 ? SHA1_DIGEST_SIZE : SHA256_DIGEST_SIZE;
    if (s->sha1)
        sha1_digest(&s->context.sha1, size, digest);
    else
        sha256_digest(&s->context.sha256, size, digest);
    for (size_t i = 0; i < size; i++)
        snprintf(text + 2 * i, 3, "%02x", digest[i]);
}

bcl_status bcl_checksum_add_file(bcl_checksum *s, const char *path) {
    bcl_status status = BCL_OK;
    unsigned char *buffer = NULL;
    size_t n;
    FILE *file = fopen(path, "rb");
    if (!file)
        return bcl_fail_errno("%s: cannot open", path);
    BCL_NEW(buffer, 1 << 20);
    while ((n = fread(buffer, 1, 1 << 20, file)) > 0)
        bcl_checksum_add(s, buffer, n);
    if (ferror(file))
        status = bcl_fail_errno("%s: cannot read", path);
out:
    free(buffer);
    fclose(file);
    return status;
}

bcl_status bcl_sha256_file(char text[65], const char *path) {
    bcl_checksum s;
    bcl_checksum_begin(&s, false);
    bcl_status status = bcl_checksum_add_file(&s, path);
    if (!status)
        bcl_checksum_end(&s, text);
    return status;
}

void bcl_sha256(char text[65], const void *data, size_t size) {
    bcl_checksum s;
    bcl_checksum_begin(&s, false);
    bcl_checksum_add(&s, data, size);
    bcl_checksum_end(&s, text);
}
