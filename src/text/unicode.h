/* What BERT's clean-up and splitting do with a code point, in tables made from the peer itself, and
 * strict UTF-8. Knows nothing of vocabularies. */
#ifndef BCL_TEXT_UNICODE_H
#define BCL_TEXT_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    BCL_UNICODE_DROP = 1,    /* removed by the clean-up: controls, unassigned, U+FFFD */
    BCL_UNICODE_SPACE = 2,   /* made a space by the clean-up */
    BCL_UNICODE_CHINESE = 4, /* gets spaces around it */
    BCL_UNICODE_MARK = 8,    /* stripped with accents, if it does not decompose */
    BCL_UNICODE_PUNCT = 16,  /* a word of its own */
    BCL_UNICODE_WORD = 32,   /* \w, for single_word tokens */
    BCL_UNICODE_WHITE = 64,  /* \s, for lstrip and rstrip */
    BCL_UNICODE_LOWER = 128  /* lower case differs */
};

typedef struct bcl_unicode_record {
    uint8_t flags;
    uint8_t order;  /* rank of the canonical combining class; 0 for a starter */
    uint8_t length; /* code points of the full canonical decomposition, 0: itself (or Hangul) */
    uint16_t at;    /* the decomposition's place in bcl_unicode_decompositions */
    int32_t lower;  /* lower case minus itself; U+0130 has a U+0307 behind it */
} bcl_unicode_record;

extern const bcl_unicode_record bcl_unicode_records[];
extern const uint32_t bcl_unicode_decompositions[];
extern const uint16_t bcl_unicode_blocks[]; /* by code point / 128 */
extern const uint16_t bcl_unicode_cells[];  /* (block,128): index of the record */

static inline const bcl_unicode_record *bcl_unicode_find(uint32_t c) {
    return &bcl_unicode_records[bcl_unicode_cells[bcl_unicode_blocks[c >> 7] * 128u + (c & 127)]];
}

/* Reads one code point of the n >= 1 bytes at p and sets its size in bytes; UINT32_MAX if they are
 * not valid UTF-8 (overlong forms, surrogates and values above U+10FFFF are not). */
static inline uint32_t bcl_utf8_decode(const unsigned char *p, size_t n, unsigned *size) {
    uint32_t c = p[0];
    *size = 1;
    if (c < 0x80)
        return c;
    if (c >= 0xC2 && c < 0xE0 && n > 1 && (p[1] & 0xC0) == 0x80) {
        *size = 2;
        return (c & 0x1F) << 6 | (p[1] & 0x3Fu);
    }
    if (c >= 0xE0 && c < 0xF0 && n > 2 && (p[1] & 0xC0) == 0x80 && (p[2] & 0xC0) == 0x80) {
        *size = 3;
        c = (c & 0xF) << 12 | (p[1] & 0x3Fu) << 6 | (p[2] & 0x3Fu);
        return c >= 0x800 && (c < 0xD800 || c > 0xDFFF) ? c : UINT32_MAX;
    }
    if (c >= 0xF0 && c < 0xF5 && n > 3 && (p[1] & 0xC0) == 0x80 && (p[2] & 0xC0) == 0x80 &&
        (p[3] & 0xC0) == 0x80) {
        *size = 4;
        c = (c & 7) << 18 | (p[1] & 0x3Fu) << 12 | (p[2] & 0x3Fu) << 6 | (p[3] & 0x3Fu);
        return c >= 0x10000 && c <= 0x10FFFF ? c : UINT32_MAX;
    }
    return UINT32_MAX;
}

/* Writes 1 to 4 bytes and returns how many. */
static inline unsigned bcl_utf8_encode(unsigned char *p, uint32_t c) {
    if (c < 0x80) {
        p[0] = (unsigned char)c;
        return 1;
    }
    if (c < 0x800) {
        p[0] = (unsigned char)(0xC0 | c >> 6);
        p[1] = (unsigned char)(0x80 | (c & 0x3F));
        return 2;
    }
    if (c < 0x10000) {
        p[0] = (unsigned char)(0xE0 | c >> 12);
        p[1] = (unsigned char)(0x80 | (c >> 6 & 0x3F));
        p[2] = (unsigned char)(0x80 | (c & 0x3F));
        return 3;
    }
    p[0] = (unsigned char)(0xF0 | c >> 18);
    p[1] = (unsigned char)(0x80 | (c >> 12 & 0x3F));
    p[2] = (unsigned char)(0x80 | (c >> 6 & 0x3F));
    p[3] = (unsigned char)(0x80 | (c & 0x3F));
    return 4;
}

#endif
