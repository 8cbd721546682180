/* Dropout in attention on GPUs: the mask of (sample, head, query, key), numbered as in common.h:
 * word key / 16 % 4 of a counter, so keys k, k + 16, k + 32 and k + 48 of 64 share a call. */
#include "philox.h"

#define DROPOUT_PARAMETERS uint threshold, float scale, uint site, uint key0, uint key1

/* The words of the keys that `key` shares a call with. */
static inline uint4 attention_words(uint key, uint query, uint sample, uint head, uint site,
                                    uint key0, uint key1) {
    return philox((uint4)(key / 64 * 16 + key % 16, query, sample, site | head),
                  (uint2)(key0, key1));
}

/* No array of words: one with an index that is not known goes to memory on GPUs. */
static inline bool is_kept(uint4 words, uint key, uint threshold) {
    const uint low = key & 16 ? words.y : words.x, high = key & 16 ? words.w : words.z;
    return (key & 32 ? high : low) >= threshold;
}
