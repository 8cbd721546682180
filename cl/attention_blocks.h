/* Attention by blocks of BLOCK tokens of a sentence, each a group's: `blocks` lists those of 32
 * tokens, see ops.h. -DBLOCK 32 or 16. */
#include "grid.h"

/* A group's place. */
typedef struct place {
    int token;    /* the block's first */
    int sentence; /* the sentence's first token */
    int at;       /* the block's first token in the sentence */
    int S;        /* the sentence's tokens */
    uint sample;
} place;

static inline place find_place(__global const int4 *blocks) {
    const int per = 32 / BLOCK, g = GROUP_ID(0, ITEMS);
    const int4 b = blocks[g / per];
    const int token = b.x + g % per * BLOCK;
    return (place){token, b.y, token - b.y, b.z, (uint)b.w};
}
