/* Packs sentences end to end, with the lists that the embedding's gradient needs. */
#include "model/model.h"

bcl_status bcl_batch_create(bcl_batch *batch, int tokens, int sentences) {
    bcl_status status = BCL_OK;
    *batch = (bcl_batch){.capacity_T = tokens, .capacity_B = sentences};
    const size_t n = (size_t)tokens;
    BCL_NEW(batch->block, 8 * n + 1 + (size_t)sentences + 1);
    BCL_NEW(batch->keys, n);
    int32_t *p = batch->block;
    batch->ids = p;
    batch->positions = p += n;
    batch->samples = p += n;
    batch->sentence_of = p += n;
    batch->labels = p += n;
    batch->order = p += n;
    batch->unique_slots = p += n;
    batch->unique_starts = p += n;
    batch->starts = p + n + 1;
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
    batch->longest = batch->labelled = batch->U = 0;
    for (int b = 0; b < count; b++) {
        const bcl_sample *s = &samples[which[b]];
        if (t + s->length > batch->capacity_T || b >= batch->capacity_B)
            return bcl_fail(BCL_ERROR_ARGUMENT, "a batch of over %d tokens or %d sentences",
                            batch->capacity_T, batch->capacity_B);
        batch->starts[b] = t;
        if (s->length > batch->longest)
            batch->longest = s->length;
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
