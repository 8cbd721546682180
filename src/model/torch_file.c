/* One pytorch_model.bin: its zip archive and its pickle together, as a table of tensors. */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#include "model/torch_file.h"

#include <assert.h>
#include <sys/mman.h>

struct bcl_torch_file {
    bcl_map map; /* empty if opened from memory */
    bcl_zip zip;
    bcl_pickle pickle;
    bcl_tensor *tensors; /* (count), by name */
    size_t count;
    bcl_map *copies; /* (count) views that are not row-major, written out */
};

/* At most the storage's; the other dimensions of an empty tensor may be anything. */
static size_t count_elements(const bcl_pickled_tensor *t) {
    size_t n = 1;
    for (int i = 0; i < t->rank; i++)
        if (!t->shape[i])
            return 0;
    for (int i = 0; i < t->rank; i++)
        n *= (size_t)t->shape[i];
    return n;
}

/* True if the view's elements follow each other as a row-major tensor's do. */
static bool is_row_major(const bcl_pickled_tensor *t) {
    int64_t expected = 1;
    for (int i = t->rank; i-- > 0;) {
        if (t->shape[i] > 1 && t->stride[i] != expected)
            return false;
        expected *= t->shape[i] ? t->shape[i] : 1;
    }
    return true;
}

/* Shared memory, which keeps its content when bcl_map_release lets it go, as a file's map does. */
static bcl_status write_out(bcl_map *out, const unsigned char *from, const bcl_pickled_tensor *t,
                            size_t elements, size_t bytes) {
    int64_t index[BCL_TENSOR_RANK_MAX] = {0};
    uint64_t at = t->offset;
    unsigned char *to =
        mmap(NULL, elements * bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (to == MAP_FAILED)
        return bcl_fail(BCL_ERROR_MEMORY, "out of memory: no %zu bytes for a tensor",
                        elements * bytes);
    *out = (bcl_map){to, elements * bytes};
    for (size_t n = 0; n < elements; n++) {
        memcpy(to + n * bytes, from + at * bytes, bytes);
        for (int i = t->rank; i-- > 0;) {
            at += (uint64_t)t->stride[i];
            if (++index[i] < t->shape[i])
                break;
            at -= (uint64_t)t->stride[i] * (uint64_t)t->shape[i];
            index[i] = 0;
        }
    }
    return BCL_OK;
}

static bcl_status find_storage(const unsigned char **out, const bcl_torch_file *f,
                               const char *prefix, const bcl_pickled_tensor *t, const char *path) {
    bcl_status status = BCL_OK;
    const size_t bytes = (size_t)bcl_dtype_bits(t->dtype) / 8;
    char *name = NULL;
    size_t expected = 0;
    BCL_TRY(bcl_format(&name, "%s/data/%s", prefix, t->storage));
    const bcl_zip_entry *e = bcl_zip_find(&f->zip, name);
    if (!e)
        BCL_FAIL(BCL_ERROR_FORMAT, "%s: tensor \"%.100s\": found no entry \"%.100s\" of its bytes",
                 path, t->name, name);
    if (t->storage_elements > SIZE_MAX ||
        !bcl_multiply(&expected, (size_t)t->storage_elements, bytes) || e->size != expected)
        BCL_FAIL(BCL_ERROR_FORMAT,
                 "%s: tensor \"%.100s\": found %zu bytes of data, expected %llu of %s", path,
                 t->name, e->size, (unsigned long long)t->storage_elements,
                 bcl_dtype_name(t->dtype));
    *out = e->data;
out:
    free(name);
    return status;
}

/* `room` is what may still be written out: no more than the file has, so that views of one storage
 * cannot make a small file large. */
static bcl_status add_tensor(bcl_torch_file *f, const char *prefix, const bcl_pickled_tensor *p,
                             size_t *room, const char *path) {
    bcl_status status = BCL_OK;
    const size_t bytes = (size_t)bcl_dtype_bits(p->dtype) / 8;
    const unsigned char *data = NULL;
    bcl_tensor t = {.name = p->name, .dtype = p->dtype, .rank = p->rank};
    memcpy(t.shape, p->shape, sizeof t.shape);
    BCL_TRY(find_storage(&data, f, prefix, p, path));
    const size_t elements = count_elements(p);
    t.bytes = elements * bytes; /* no more than its storage's */
    if (!elements || is_row_major(p)) {
        t.data = data + (elements ? p->offset * bytes : 0);
    } else {
        if (t.bytes > *room)
            BCL_FAIL(BCL_ERROR_UNSUPPORTED,
                     "%s: tensor \"%.100s\": the views of this file are larger than the file", path,
                     p->name);
        *room -= t.bytes;
        BCL_TRY(write_out(&f->copies[f->count], data, p, elements, bytes));
        t.data = f->copies[f->count].data;
    }
    f->tensors[f->count++] = t;
out:
    return status;
}

static int by_name(const void *a, const void *b) {
    const bcl_tensor *x = a, *y = b;
    return strcmp(x->name, y->name);
}

/* The archive's one folder, as a new string. */
static bcl_status find_prefix(char **out, const bcl_zip *zip, const char *path) {
    static const char tail[] = "/data.pkl";
    for (size_t i = 0; i < zip->count; i++) {
        const char *name = zip->entries[i].name;
        const size_t n = strlen(name);
        if (n < sizeof tail || strcmp(name + n - (sizeof tail - 1), tail))
            continue;
        if (strchr(name, '/') == name + n - (sizeof tail - 1))
            return bcl_format(out, "%.*s", (int)(n - (sizeof tail - 1)), name);
    }
    return bcl_fail(BCL_ERROR_FORMAT,
                    "%s: found a zip archive without data.pkl, expected a file of torch.save",
                    path);
}

static bcl_status check_archive(const bcl_zip *zip, const char *prefix, const char *path) {
    bcl_status status = BCL_OK;
    char *name = NULL;
    BCL_TRY(bcl_format(&name, "%s/constants.pkl", prefix));
    if (bcl_zip_find(zip, name))
        BCL_FAIL(BCL_ERROR_UNSUPPORTED,
                 "%s: found a program (TorchScript), expected a table of tensors: torch.save "
                 "model.state_dict() instead",
                 path);
    free(name);
    name = NULL;
    BCL_TRY(bcl_format(&name, "%s/byteorder", prefix));
    const bcl_zip_entry *order = bcl_zip_find(zip, name);
    if (order && (order->size != 6 || memcmp(order->data, "little", 6)))
        BCL_FAIL(BCL_ERROR_UNSUPPORTED, "%s: found another byte order, expected \"little\"", path);
out:
    free(name);
    return status;
}

/* What is no zip archive: says what it is, and what to do. */
static bcl_status check_start(const unsigned char *data, size_t size, const char *path) {
    static const unsigned char legacy[] = {0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46};
    if (size >= 4 && !memcmp(data, "PK\3\4", 4))
        return BCL_OK;
    const bcl_status status = bcl_refuse_pointer(data, size, path);
    if (status)
        return status;
    if ((size >= sizeof legacy && !memcmp(data, legacy, sizeof legacy)) ||
        (size >= 262 && !memcmp(data + 257, "ustar", 5)))
        return bcl_fail(
            BCL_ERROR_UNSUPPORTED,
            "%s: found the format of PyTorch before 1.6, expected a zip archive: write "
            "it once more: python3 -c \"import torch; f = '%s'; torch.save(torch.load(f,"
            " map_location='cpu', weights_only=True), f)\"",
            path, path);
    return bcl_fail(BCL_ERROR_FORMAT, "%s: found no zip archive, expected a file of torch.save",
                    path);
}

static bcl_status open_bytes(bcl_torch_file *f, const unsigned char *data, size_t size,
                             const char *path) {
    bcl_status status = BCL_OK;
    char *prefix = NULL, *name = NULL;
    size_t room = size;
    BCL_TRY(check_start(data, size, path));
    BCL_TRY(bcl_zip_read(&f->zip, data, size, path));
    BCL_TRY(find_prefix(&prefix, &f->zip, path));
    BCL_TRY(check_archive(&f->zip, prefix, path));
    BCL_TRY(bcl_zip_check(&f->zip, path));
    BCL_TRY(bcl_format(&name, "%s/data.pkl", prefix));
    const bcl_zip_entry *pickle = bcl_zip_find(&f->zip, name);
    BCL_TRY(bcl_pickle_read(&f->pickle, pickle->data, pickle->size, path));
    BCL_NEW(f->tensors, f->pickle.count);
    BCL_NEW(f->copies, f->pickle.count);
    for (size_t i = 0; i < f->pickle.count; i++)
        BCL_TRY(add_tensor(f, prefix, &f->pickle.tensors[i], &room, path));
    if (f->count)
        qsort(f->tensors, f->count, sizeof *f->tensors, by_name);
out:
    free(prefix);
    free(name);
    return status;
}

bcl_status bcl_torch_file_open_memory(bcl_torch_file **out, const void *data, size_t size,
                                      const char *path) {
    bcl_status status = BCL_OK;
    bcl_torch_file *f = NULL;
    *out = NULL;
    BCL_NEW(f, 1);
    BCL_TRY(open_bytes(f, data, size, path));
    *out = f;
    f = NULL;
out:
    bcl_torch_file_close(f);
    return status;
}

bcl_status bcl_torch_file_open(bcl_torch_file **out, const char *path) {
    bcl_status status = BCL_OK;
    bcl_map map = {0};
    *out = NULL;
    BCL_TRY(bcl_map_open(&map, path));
    BCL_TRY(bcl_torch_file_open_memory(out, map.data, map.size, path));
    (*out)->map = map;
    map = (bcl_map){0};
out:
    bcl_map_close(&map);
    return status;
}

void bcl_torch_file_close(bcl_torch_file *f) {
    if (!f)
        return;
    for (size_t i = 0; f->copies && i < f->pickle.count; i++)
        bcl_map_close(&f->copies[i]);
    free(f->copies);
    free(f->tensors);
    bcl_pickle_free(&f->pickle);
    bcl_zip_free(&f->zip);
    bcl_map_close(&f->map);
    free(f);
}

size_t bcl_torch_file_count(const bcl_torch_file *f) {
    return f->count;
}

const bcl_tensor *bcl_torch_file_at(const bcl_torch_file *f, size_t index) {
    assert(index < f->count);
    return &f->tensors[index];
}

const bcl_tensor *bcl_torch_file_find(const bcl_torch_file *f, const char *name) {
    const bcl_tensor key = {.name = name};
    return f->count ? bsearch(&key, f->tensors, f->count, sizeof key, by_name) : NULL;
}
