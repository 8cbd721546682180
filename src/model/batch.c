/* Packs sentences end to end, with the lists that the embedding's gradient needs. */
#include "model/internal.h"

size_t bcl_batch_places(bcl_batch_place places[BCL_BATCH_LIST_COUNT], int tokens, int sentences) {
    const size_t T = (size_t)tokens, B = (size_t)sentences;
#define X(name, most, used) most,
    const size_t counts[BCL_BATCH_LIST_COUNT] = {BCL_BATCH_LISTS(X)};
#undef X
    size_t end = 0;
    for (int i = 0; i < BCL_BATCH_LIST_COUNT; i++) {
        places[i] = (bcl_batch_place){end, counts[i] * sizeof(int32_t)};
        end += (places[i].size + BCL_VIEW_UNIT - 1) / BCL_VIEW_UNIT * BCL_VIEW_UNIT;
    }
    return end;
}

size_t bcl_batch_used(const bcl_batch *batch) {
    const size_t T = (size_t)batch->T, B = (size_t)batch->B, N = (size_t)batch->N;
    const size_t U = (size_t)batch->U;
#define X(name, most, used) used,
    const size_t counts[BCL_BATCH_LIST_COUNT] = {BCL_BATCH_LISTS(X)};
#undef X
    bcl_batch_place places[BCL_BATCH_LIST_COUNT];
    size_t end = 0;
    bcl_batch_places(places, batch->capacity_T, batch->capacity_B);
    for (int i = 0; i < BCL_BATCH_LIST_COUNT; i++)
        if (counts[i])
            end = places[i].offset + counts[i] * sizeof(int32_t);
    return end;
}

bcl_status bcl_batch_create(bcl_batch *batch, int tokens, int sentences) {
    bcl_status status = BCL_OK;
    bcl_batch_place places[BCL_BATCH_LIST_COUNT], *place = places;
    *batch = (bcl_batch){.capacity_T = tokens, .capacity_B = sentences};
    const size_t bytes = bcl_batch_places(places, tokens, sentences);
    BCL_NEW(batch->block, bytes / sizeof *batch->block);
    BCL_NEW(batch->keys, (size_t)tokens);
#define X(name, most, used) batch->name = batch->block + place++->offset / sizeof *batch->block;
    BCL_BATCH_LISTS(X)
#undef X
out:
    if (status)
        bcl_batch_free(batch);
    return status;
}

void bcl_batch_free(bcl_batch *batch) {
    free(batch->block);
    free(batch->keys);
    *batch = (bcl_batch){0};
}

/* Moves keys[at] of a heap of n down to its place: a child is not above its parent. */
static void sift(uint64_t *keys, size_t at, size_t n) {
    for (size_t child; (child = 2 * at + 1) < n; at = child) {
        child += child + 1 < n && keys[child + 1] > keys[child];
        if (keys[at] >= keys[child])
            return;
        const uint64_t key = keys[at];
        keys[at] = keys[child];
        keys[child] = key;
    }
}

/* Heapsort: qsort allocates, and a step is not to. */
static void sort_keys(uint64_t *keys, size_t n) {
    for (size_t i = n / 2; i-- > 0;)
        sift(keys, i, n);
    while (n > 1) {
        const uint64_t key = keys[--n];
        keys[n] = keys[0];
        keys[0] = key;
        sift(keys, 0, n);
    }
}

/* The blocks of a sentence whose first token is t. */
static void list_blocks(bcl_batch *batch, int t, const bcl_sample *s) {
    for (int i = 0; i < s->length; i += BCL_BLOCK) {
        const int32_t block[4] = {t + i, t, s->length, (int32_t)s->number};
        memcpy(batch->blocks + 4 * batch->N++, block, sizeof block);
    }
}

/* order = tokens by (id, t); unique_* = the runs of one id, but of those without a slot. */
static void sort_words(bcl_batch *batch, const int32_t *slot_of) {
    uint64_t *keys = batch->keys;
    int count = 0;
    for (int t = 0; t < batch->T; t++)
        if (slot_of[batch->ids[t]] >= 0)
            keys[count++] = (uint64_t)(uint32_t)batch->ids[t] << 32 | (uint32_t)t;
    sort_keys(keys, (size_t)count);
    batch->U = 0;
    for (int k = 0; k < count; k++) {
        batch->order[k] = (int32_t)(keys[k] & 0xffffffffu);
        if (!k || keys[k] >> 32 != keys[k - 1] >> 32) {
            batch->unique_starts[batch->U] = k;
            batch->unique_slots[batch->U++] = slot_of[keys[k] >> 32];
        }
    }
    batch->unique_starts[batch->U] = count;
}

bcl_status bcl_batch_pack(bcl_batch *batch, const bcl_sample *samples, const uint32_t *which,
                          int count, const int32_t *slot_of) {
    int t = 0;
    batch->B = count;
    batch->N = batch->longest = batch->labelled = batch->U = 0;
    for (int b = 0; b < count; b++) {
        const bcl_sample *s = &samples[which[b]];
        if (t + s->length > batch->capacity_T || b >= batch->capacity_B)
            return bcl_fail(BCL_ERROR_ARGUMENT, "a batch of over %d tokens or %d sentences",
                            batch->capacity_T, batch->capacity_B);
        batch->starts[b] = t;
        if (s->length > batch->longest)
            batch->longest = s->length;
        list_blocks(batch, t, s);
        for (int i = 0; i < s->length; i++, t++) {
            batch->ids[t] = s->ids[i];
            batch->positions[t] = i;
            batch->samples[t] = (int32_t)s->number;
            batch->sentence_of[t] = b;
            batch->labels[t] = s->labels ? s->labels[i] : -100;
            batch->labelled += batch->labels[t] >= 0;
        }
    }
    batch->starts[count] = t;
    batch->T = t;
    if (slot_of)
        sort_words(batch, slot_of);
    return BCL_OK;
}

static bcl_status upload(bcl_view *out, bcl_device *device, const int32_t *x, int count) {
    bcl_status status = BCL_OK;
    BCL_TRY(bcl_view_create(out, device, BCL_ELEMENT_I32, count, 1, "a batch"));
    BCL_TRY(bcl_buffer_write(device, out->buffer, 0, x, out->bytes, true));
out:
    return status;
}

bcl_status bcl_batch_lists_create(bcl_batch_layout *out, const bcl_batch *batch,
                                  bcl_device *device) {
    bcl_status status = BCL_OK;
    const int T = batch->T, B = batch->B, N = batch->N, U = batch->U;
    *out = (bcl_batch_layout){.T = T, .B = B, .N = N, .longest = batch->longest, .U = U};
#define X(name, most, used)                                                                        \
    if ((used) > 0)                                                                                \
        BCL_TRY(upload(&out->name, device, batch->name, (int)(used)));
    BCL_BATCH_LISTS(X)
#undef X
out:
    return status;
}

void bcl_batch_lists_free(bcl_batch_layout *lists, bcl_device *device) {
#define X(name, most, used) bcl_buffer_free(device, &lists->name.buffer);
    BCL_BATCH_LISTS(X)
#undef X
}
