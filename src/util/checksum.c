/* SHA-256 and SHA-1 (FIPS 180-4). */
#include "util/checksum.h"

static uint32_t rotate(uint32_t x, int n) {
    return x << n | x >> (32 - n);
}

static void load_words(uint32_t *w, const unsigned char *p) {
    for (int i = 0; i < 16; i++, p += 4)
        w[i] = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void round_sha1(uint32_t *h, const unsigned char *p) {
    static const uint32_t k[4] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6};
    uint32_t w[80], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
    load_words(w, p);
    for (int i = 16; i < 80; i++)
        w[i] = rotate(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
    for (int i = 0; i < 80; i++) {
        const int part = i / 20;
        const uint32_t f = part == 0   ? (b & c) | (~b & d)
                           : part == 2 ? (b & c) | (b & d) | (c & d)
                                       : b ^ c ^ d;
        const uint32_t t = rotate(a, 5) + f + e + k[part] + w[i];
        e = d;
        d = c;
        c = rotate(b, 30);
        b = a;
        a = t;
    }
    h[0] += a;
    h[1] += b;
    h[2] += c;
    h[3] += d;
    h[4] += e;
}

static const uint32_t k256[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static void round_sha256(uint32_t *h, const unsigned char *p) {
    uint32_t w[64], s[8];
    load_words(w, p);
    for (int i = 16; i < 64; i++) {
        const uint32_t a = w[i - 15], b = w[i - 2];
        w[i] = w[i - 16] + (rotate(a, 25) ^ rotate(a, 14) ^ a >> 3) + w[i - 7] +
               (rotate(b, 15) ^ rotate(b, 13) ^ b >> 10);
    }
    memcpy(s, h, sizeof s);
    for (int i = 0; i < 64; i++) {
        const uint32_t t1 = s[7] + (rotate(s[4], 26) ^ rotate(s[4], 21) ^ rotate(s[4], 7)) +
                            ((s[4] & s[5]) ^ (~s[4] & s[6])) + k256[i] + w[i];
        const uint32_t t2 = (rotate(s[0], 30) ^ rotate(s[0], 19) ^ rotate(s[0], 10)) +
                            ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
        memmove(s + 1, s, 7 * sizeof *s);
        s[4] += t1;
        s[0] = t1 + t2;
    }
    for (int i = 0; i < 8; i++)
        h[i] += s[i];
}

void bcl_checksum_begin(bcl_checksum *s, bool sha1) {
    static const uint32_t start[2][8] = {
        {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab,
         0x5be0cd19},
        {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0}};
    *s = (bcl_checksum){.sha1 = sha1};
    memcpy(s->h, start[sha1], sizeof s->h);
}

void bcl_checksum_add(bcl_checksum *s, const void *data, size_t size) {
    const unsigned char *p = data;
    while (size) {
        const size_t at = s->size % 64, n = size < 64 - at ? size : 64 - at;
        memcpy(s->block + at, p, n);
        p += n;
        size -= n;
        s->size += n;
        if (s->size % 64 == 0)
            (s->sha1 ? round_sha1 : round_sha256)(s->h, s->block);
    }
}

void bcl_checksum_end(bcl_checksum *s, char *text) {
    const uint64_t bits = s->size * 8;
    unsigned char length[8];
    for (int i = 0; i < 8; i++)
        length[i] = (unsigned char)(bits >> (56 - 8 * i));
    bcl_checksum_add(s, "\x80", 1);
    while (s->size % 64 != 56)
        bcl_checksum_add(s, "", 1);
    bcl_checksum_add(s, length, 8);
    for (int i = 0; i < (s->sha1 ? 5 : 8); i++)
        snprintf(text + 8 * i, 9, "%08x", (unsigned)s->h[i]);
}

bcl_status bcl_checksum_add_file(bcl_checksum *s, const char *path) {
    bcl_status status = BCL_OK;
    unsigned char *buffer = NULL;
    size_t n;
    FILE *file = fopen(path, "rb");
    if (!file)
        return bcl_fail_errno("%s: cannot open", path);
    BCL_NEW(buffer, 1 << 16);
    while ((n = fread(buffer, 1, 1 << 16, file)) > 0)
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
