/* Inside model/: which bytes of a step's memory are taken at which times. */
#ifndef BCL_PLACES_H
#define BCL_PLACES_H

#include "util/util.h"

/* Bytes that are taken from time `born` to time `dies`. */
typedef struct bcl_place {
    size_t offset, bytes;
    int born, dies;
} bcl_place;

/* All of them, by offset, in blocks, so that most are passed over by what their block has in
 * common. Zero-initialise, and set noon: a time at which much is needed. */
typedef struct bcl_places {
    struct bcl_place_block **blocks;
    size_t count, capacity;
    int noon;
    size_t steps; /* blocks and places looked at so far: what planning costs */
} bcl_places;

bcl_status bcl_places_add(bcl_places *places, bcl_place place);
/* The lowest offset from `place->offset` on at which the place is free as long as it lives. */
size_t bcl_places_find(bcl_places *places, const bcl_place *place);
void bcl_places_free(bcl_places *places);

#endif
