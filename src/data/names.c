/* A table of distinct strings in order of first appearance. */
#include "data/data.h"

uint64_t bcl_hash_bytes(const void *data, size_t size, uint64_t seed) {
    const unsigned char *p = data;
    uint64_t h = 0xCBF29CE484222325u ^ seed;
    for (size_t i = 0; i < size; i++)
        h = (h ^ p[i]) * 0x100000001B3u;
    return bcl_mix64(h);
}

/* The slot that holds the string, or the free one where it belongs. */
static size_t find_slot(const bcl_names *names, const char *text, size_t size) {
    size_t mask = names->slot_count - 1, i = bcl_hash_bytes(text, size, 0) & mask;
    for (; names->slots[i]; i = (i + 1) & mask) {
        const char *have = names->items[names->slots[i] - 1];
        if (!strncmp(have, text, size) && strlen(have) == size) /* the text may hold a NUL */
            break;
    }
    return i;
}

size_t bcl_names_find(const bcl_names *names, const char *text, size_t size) {
    uint32_t found = names->slot_count ? names->slots[find_slot(names, text, size)] : 0;
    return found ? found - 1 : SIZE_MAX;
}

static bcl_status enlarge(bcl_names *names) {
    bcl_status status = BCL_OK;
    bcl_names bigger = *names;
    bigger.slot_count = names->slot_count ? names->slot_count * 2 : 64;
    BCL_NEW(bigger.slots, bigger.slot_count);
    for (size_t i = 0; i < names->count; i++) {
        const char *item = names->items[i];
        bigger.slots[find_slot(&bigger, item, strlen(item))] = (uint32_t)i + 1;
    }
    free(names->slots);
    *names = bigger;
out:
    return status;
}

bcl_status bcl_names_intern(uint32_t *out, bcl_names *names, const char *text, size_t size) {
    bcl_status status = BCL_OK;
    char *copy = NULL;
    if (names->count * 2 >= names->slot_count)
        BCL_TRY(enlarge(names));
    size_t slot = find_slot(names, text, size);
    if (!names->slots[slot]) {
        BCL_TRY(bcl_grow(&names->items, &names->capacity, names->count + 1, sizeof(char *)));
        BCL_NEW(copy, size + 1);
        memcpy(copy, text, size);
        names->items[names->count++] = copy;
        names->slots[slot] = (uint32_t)names->count;
    }
    *out = names->slots[slot] - 1;
out:
    return status;
}

void bcl_names_free(bcl_names *names) {
    bcl_strings_free(names->items, names->count);
    free(names->slots);
    *names = (bcl_names){0};
}
