/* Reading and writing one safetensors file. Follows huggingface/safetensors' tensor.rs (0.8), and
 * the format's text where that is stricter (duplicate keys, white space before the header). */
#include "model/safetensors_header.h"

#include <assert.h>

enum { LENGTH_BYTES = 8 };
static const uint64_t header_max = BCL_HEADER_MAX;

struct bcl_safetensors {
    bcl_map map; /* empty if opened from memory */
    bcl_header header;
    const bcl_tensor **by_name; /* (count) */
};

/* ---- reading ---- */

static int compare_offsets(const void *a, const void *b) {
    const bcl_header_entry *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return (x->end > y->end) - (x->end < y->end);
}

static int compare_names(const void *a, const void *b) {
    const bcl_tensor *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

static int compare_pairs(const void *a, const void *b) {
    const bcl_header_pair *x = a, *y = b;
    return strcmp(x->key, y->key);
}

static bcl_status check_entry(const bcl_header_entry *e, uint64_t start, const char *path) {
    const bcl_tensor *t = &e->tensor;
    unsigned long long begin = e->begin, end = e->end, here = start;
    char shape[256];
    if (end < begin)
        return bcl_fail(BCL_ERROR_FORMAT,
                        "%s: tensor \"%.100s\": found data_offsets [%llu, %llu], expected the "
                        "begin first",
                        path, t->name, begin, end);
    if (begin != here)
        return bcl_fail(BCL_ERROR_FORMAT,
                        "%s: tensor \"%.100s\": its data begins at byte %llu of the data, expected "
                        "%llu where the tensor before ends (%s)",
                        path, t->name, begin, here, begin > here ? "a hole" : "an overlap");
    if (end - begin != t->bytes)
        return bcl_fail(BCL_ERROR_FORMAT,
                        "%s: tensor \"%.100s\": found %llu bytes of data, expected %zu for shape "
                        "%s of %s",
                        path, t->name, end - begin, t->bytes,
                        bcl_tensor_shape_text(shape, sizeof shape, t), bcl_dtype_name(t->dtype));
    return BCL_OK;
}

/* Data must lie end to end, from the header to the end of the file. */
static bcl_status place(bcl_header *h, const unsigned char *data, size_t size, const char *path) {
    bcl_status status = BCL_OK;
    uint64_t start = 0;
    if (h->count)
        qsort(h->entries, h->count, sizeof *h->entries, compare_offsets);
    for (size_t i = 0; i < h->count; i++) {
        bcl_header_entry *e = &h->entries[i];
        BCL_TRY(check_entry(e, start, path));
        start = e->end;
        if (start > size)
            BCL_FAIL(BCL_ERROR_FORMAT,
                     "%s: tensor \"%.100s\": its data ends at byte %llu of the data, but the file "
                     "holds %zu (cut off?)",
                     path, e->tensor.name, (unsigned long long)start, size);
        e->tensor.data = data + e->begin;
    }
    if (start != size)
        BCL_FAIL(BCL_ERROR_FORMAT,
                 "%s: found %llu bytes behind the last tensor's data, expected the file's end",
                 path, (unsigned long long)(size - start));
out:
    return status;
}

static bcl_status index_names(bcl_safetensors *st, const char *path) {
    bcl_status status = BCL_OK;
    bcl_header *h = &st->header;
    BCL_NEW(st->by_name, h->count);
    for (size_t i = 0; i < h->count; i++)
        st->by_name[i] = &h->entries[i].tensor;
    if (h->count)
        qsort(st->by_name, h->count, sizeof *st->by_name, compare_names);
    for (size_t i = 1; i < h->count; i++)
        if (!strcmp(st->by_name[i - 1]->name, st->by_name[i]->name))
            BCL_FAIL(BCL_ERROR_FORMAT, "%s: tensor \"%.100s\": found twice, expected once", path,
                     st->by_name[i]->name);
    if (h->metadata_count)
        qsort(h->metadata, h->metadata_count, sizeof *h->metadata, compare_pairs);
    for (size_t i = 1; i < h->metadata_count; i++)
        if (!strcmp(h->metadata[i - 1].key, h->metadata[i].key))
            BCL_FAIL(BCL_ERROR_FORMAT,
                     "%s: __metadata__: found key \"%.100s\" twice, expected once", path,
                     h->metadata[i].key);
out:
    return status;
}

static bcl_status open_bytes(bcl_safetensors *st, const unsigned char *data, size_t size,
                             const char *path) {
    bcl_status status = BCL_OK;
    uint64_t n = 0;
    BCL_TRY(bcl_refuse_pointer(data, size, path));
    if (size < LENGTH_BYTES)
        BCL_FAIL(BCL_ERROR_FORMAT,
                 "%s: found %zu bytes, expected a safetensors file, of at least %d", path, size,
                 LENGTH_BYTES);
    for (int i = 0; i < LENGTH_BYTES; i++)
        n |= (uint64_t)data[i] << 8 * i;
    if (n > header_max)
        BCL_FAIL(BCL_ERROR_FORMAT,
                 "%s: byte 0: found a header of %llu bytes, expected at most %llu (not a "
                 "safetensors file?)",
                 path, (unsigned long long)n, (unsigned long long)header_max);
    if (n > size - LENGTH_BYTES)
        BCL_FAIL(BCL_ERROR_FORMAT,
                 "%s: byte 0: found a header of %llu bytes, expected at most the %zu that follow "
                 "(cut off?)",
                 path, (unsigned long long)n, size - LENGTH_BYTES);
    BCL_TRY(bcl_header_parse(&st->header, data + LENGTH_BYTES, (size_t)n, path));
    BCL_TRY(place(&st->header, data + LENGTH_BYTES + n, size - LENGTH_BYTES - (size_t)n, path));
    BCL_TRY(index_names(st, path));
out:
    return status;
}

bcl_status bcl_safetensors_open(bcl_safetensors **out, const char *path) {
    bcl_status status = BCL_OK;
    bcl_safetensors *st = NULL;
    *out = NULL;
    BCL_NEW(st, 1);
    BCL_TRY(bcl_map_open(&st->map, path));
    BCL_TRY(open_bytes(st, st->map.data, st->map.size, path));
    *out = st;
    st = NULL;
out:
    bcl_safetensors_close(st);
    return status;
}

bcl_status bcl_safetensors_open_memory(bcl_safetensors **out, const void *data, size_t size,
                                       const char *path) {
    bcl_status status = BCL_OK;
    bcl_safetensors *st = NULL;
    *out = NULL;
    BCL_NEW(st, 1);
    BCL_TRY(open_bytes(st, data, size, path));
    *out = st;
    st = NULL;
out:
    bcl_safetensors_close(st);
    return status;
}

void bcl_safetensors_close(bcl_safetensors *st) {
    if (!st)
        return;
    bcl_map_close(&st->map);
    bcl_header_free(&st->header);
    free(st->by_name);
    free(st);
}

size_t bcl_safetensors_count(const bcl_safetensors *st) {
    return st->header.count;
}

const bcl_tensor *bcl_safetensors_at(const bcl_safetensors *st, size_t index) {
    assert(index < st->header.count);
    return &st->header.entries[index].tensor;
}

const bcl_tensor *bcl_safetensors_find(const bcl_safetensors *st, const char *name) {
    bcl_tensor key = {.name = name};
    const bcl_tensor *wanted = &key;
    const bcl_tensor **found =
        bsearch(&wanted, st->by_name, st->header.count, sizeof *st->by_name, compare_names);
    return found ? *found : NULL;
}

const char *bcl_safetensors_metadata(const bcl_safetensors *st, const char *key) {
    bcl_header_pair wanted = {key, NULL};
    if (!st->header.metadata_count)
        return NULL;
    const bcl_header_pair *found = bsearch(&wanted, st->header.metadata, st->header.metadata_count,
                                           sizeof wanted, compare_pairs);
    return found ? found->value : NULL;
}
