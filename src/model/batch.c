/* Packs sentences end to end, with the lists that the embedding's gradient needs. */
#include "model/model.h"

bcl_status bcl_batch_create(bcl_batch *batch, int tokens, int sentences) {
    bcl_status status = BCL_OK;
    *batch = (bcl_batch){.capacity_T = tokens, .capacity_B = sentences};
    const size_t n = (size_t)tokens;
    BCL_NEW(batch->block, 8 * n + 1 + (size_t)sentences + 1);
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
    return status;
}

void bcl_batch_free(bcl_batch *batch) {
    free(batch->block);
    *batch = (bcl_batch){0};
}

static int compare_keys(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* order = tokens by (id, t); unique_* = the runs of one id, but of those without a slot. */
static bool sort_words(bcl_batch *batch, const int32_t *slot_of) {
    uint64_t *keys = bcl_calloc((size_t)batch->T, sizeof *keys);
    if (!keys)
        return false;
    int count = 0;
    for (int t = 0; t < batch->T; t++)
        if (slot_of[batch->ids[t]] >= 0)
            keys[count++] = (uint64_t)(uint32_t)batch->ids[t] << 32 | (uint32_t)t;
    if (count)
        qsort(keys, (size_t)count, sizeof *keys, compare_keys);
    batch->U = 0;
    for (int k = 0; k < count; k++) {
        batch->order[k] = (int32_t)(keys[k] & 0xffffffffu);
        if (!k || keys[k] >> 32 != keys[k - 1] >> 32) {
            batch->unique_starts[batch->U] = k;
            batch->unique_slots[batch->U++] = slot_of[keys[k] >> 32];
        }
    }
    batch->unique_starts[batch->U] = count;
    free(keys);
    return true;
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
    if (slot_of && !sort_words(batch, slot_of))
        return BCL_ERROR_MEMORY;
    return BCL_OK;
}
