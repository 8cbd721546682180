/* See places.h. A model of thousands of layers has a hundred thousand buffers; each finds its place
 * by looking at some hundreds of the others. */
#include "model/places.h"

enum { BLOCK = 256 };

/* What some of a block's places have in common. count 0: there are none. */
typedef struct common {
    size_t count, begin, end;    /* end: of the place that reaches highest */
    int first_born, last_born;   /* of all */
    int first_death, last_death; /* of all */
    bool whole;                  /* no gap between begin and end */
} common;

typedef struct bcl_place_block {
    size_t count;
    common all, noon;        /* noon: of those that live at that time */
    bcl_place places[BLOCK]; /* by offset, then by birth */
} bcl_place_block;

static bool before(const bcl_place *a, const bcl_place *b) {
    return a->offset != b->offset ? a->offset < b->offset : a->born < b->born;
}

static void sum_up(common *c, const bcl_place *p) {
    const size_t end = p->offset + p->bytes;
    if (!c->count++) {
        *c = (common){1, p->offset, end, p->born, p->born, p->dies, p->dies, true};
        return;
    }
    c->whole = c->whole && p->offset <= c->end;
    c->end = end > c->end ? end : c->end;
    c->first_born = p->born < c->first_born ? p->born : c->first_born;
    c->last_born = p->born > c->last_born ? p->born : c->last_born;
    c->first_death = p->dies < c->first_death ? p->dies : c->first_death;
    c->last_death = p->dies > c->last_death ? p->dies : c->last_death;
}

static void sum_up_block(bcl_place_block *b, int noon) {
    b->all = b->noon = (common){0};
    for (size_t i = 0; i < b->count; i++) {
        const bcl_place *p = &b->places[i];
        sum_up(&b->all, p);
        if (p->born <= noon && noon <= p->dies)
            sum_up(&b->noon, p);
    }
}

/* A new block at index i. */
static bcl_status insert_block(bcl_places *p, size_t i) {
    bcl_status status = BCL_OK;
    bcl_place_block *block = NULL;
    BCL_NEW(block, 1);
    BCL_TRY(bcl_grow(&p->blocks, &p->capacity, p->count + 1, sizeof *p->blocks));
    memmove(p->blocks + i + 1, p->blocks + i, (p->count - i) * sizeof *p->blocks);
    p->blocks[i] = block;
    p->count++;
    block = NULL;
out:
    free(block);
    return status;
}

bcl_status bcl_places_add(bcl_places *p, bcl_place place) {
    bcl_status status = BCL_OK;
    size_t i = 0, above = p->count;
    if (!p->count)
        BCL_TRY(insert_block(p, 0));
    while (above > i + 1) { /* the last block that does not begin behind it */
        const size_t middle = i + (above - i) / 2;
        if (before(&place, &p->blocks[middle]->places[0]))
            above = middle;
        else
            i = middle;
    }
    if (p->blocks[i]->count == BLOCK) {
        BCL_TRY(insert_block(p, i + 1));
        bcl_place_block *low = p->blocks[i], *high = p->blocks[i + 1];
        low->count = high->count = BLOCK / 2;
        memcpy(high->places, low->places + BLOCK / 2, BLOCK / 2 * sizeof *low->places);
        sum_up_block(low, p->noon);
        sum_up_block(high, p->noon);
        i += !before(&place, &high->places[0]);
    }
    bcl_place_block *b = p->blocks[i];
    size_t k = b->count++;
    for (; k > 0 && before(&place, &b->places[k - 1]); k--)
        b->places[k] = b->places[k - 1];
    b->places[k] = place;
    sum_up_block(b, p->noon);
out:
    return status;
}

/* Is every byte from begin to end taken at some time of the place's life? */
static bool is_full(const common *c, const bcl_place *place) {
    return c->count && c->whole && c->last_born <= place->dies && c->first_death >= place->born;
}

/* Over all that is full because of what lives at noon: an offset that is not above the answer. */
static size_t rise(bcl_places *p, const bcl_place *place) {
    size_t offset = place->offset;
    for (size_t i = 0; i < p->count; i++) {
        const common *c = &p->blocks[i]->noon;
        p->steps++;
        if (p->blocks[i]->all.begin >= offset + place->bytes)
            break;
        if (is_full(c, place) && c->begin < offset + place->bytes && c->end > offset)
            offset = c->end;
    }
    return offset;
}

/* By offset upwards: what is behind a place that was passed begins no lower than it. */
size_t bcl_places_find(bcl_places *p, const bcl_place *place) {
    size_t offset = rise(p, place);
    for (size_t i = 0; i < p->count; i++) {
        const bcl_place_block *b = p->blocks[i];
        p->steps++;
        if (b->all.begin >= offset + place->bytes)
            break;
        if (b->all.end <= offset || b->all.first_born > place->dies ||
            b->all.last_death < place->born)
            continue; /* none is in the way */
        if (is_full(&b->all, place)) {
            offset = b->all.end;
            continue;
        }
        for (size_t k = 0; k < b->count && b->places[k].offset < offset + place->bytes; k++) {
            const bcl_place *other = &b->places[k];
            p->steps++;
            if (other->born <= place->dies && other->dies >= place->born &&
                other->offset + other->bytes > offset)
                offset = other->offset + other->bytes;
        }
    }
    return offset;
}

void bcl_places_free(bcl_places *p) {
    for (size_t i = 0; i < p->count; i++)
        free(p->blocks[i]);
    free(p->blocks);
    *p = (bcl_places){0};
}
