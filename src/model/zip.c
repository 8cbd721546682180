/* The directory of a zip archive (PKWARE's APPNOTE 6.3, zip64 included) whose entries are stored,
 * as torch.save writes it. Nothing is unpacked; knows nothing of what the entries hold. */
#include "model/torch_file.h"

enum {
    END_SIZE = 22,
    END64_SIZE = 56,
    LOCATOR_SIZE = 20,
    CENTRAL_SIZE = 46,
    LOCAL_SIZE = 30,
    COMMENT_MAX = 65535,
    ENCRYPTED = 1 /* flag */
};

static uint64_t number(const unsigned char *p, int bytes) {
    uint64_t x = 0;
    for (int i = bytes; i-- > 0;)
        x = x << 8 | p[i];
    return x;
}

static bool is_at(const unsigned char *data, size_t size, uint64_t at, size_t need,
                  const char *mark) {
    return at <= size && need <= size - at && !memcmp(data + at, mark, 4);
}

typedef struct directory {
    uint64_t begin, size, entries;
} directory;

/* Where the central directory is, by the record at the file's end. */
static bcl_status find_directory(directory *out, const unsigned char *data, size_t size,
                                 const char *path) {
    size_t at = size < END_SIZE ? 0 : size - END_SIZE + 1, searched = 0;
    while (at-- > 0 && searched++ <= COMMENT_MAX)
        if (is_at(data, size, at, END_SIZE, "PK\5\6") &&
            at + END_SIZE + number(data + at + 20, 2) == size)
            goto found;
    return bcl_fail(BCL_ERROR_FORMAT,
                    "%s: found no end of a zip archive, expected a file of torch.save (cut off?)",
                    path);
found:
    *out = (directory){.entries = number(data + at + 10, 2),
                       .size = number(data + at + 12, 4),
                       .begin = number(data + at + 16, 4)};
    uint64_t end = at;
    const uint64_t locator = at < LOCATOR_SIZE ? UINT64_MAX : at - LOCATOR_SIZE;
    if (is_at(data, size, locator, LOCATOR_SIZE, "PK\6\7")) { /* torch.save has it always */
        end = number(data + locator + 8, 8);
        if (end > locator || !is_at(data, (size_t)locator, end, END64_SIZE, "PK\6\6"))
            return bcl_fail(BCL_ERROR_FORMAT, "%s: byte %llu: expected a zip64 record", path,
                            (unsigned long long)end);
        *out = (directory){.entries = number(data + end + 32, 8),
                           .size = number(data + end + 40, 8),
                           .begin = number(data + end + 48, 8)};
    }
    if (out->begin > end || out->size != end - out->begin ||
        out->entries > out->size / CENTRAL_SIZE)
        return bcl_fail(BCL_ERROR_FORMAT,
                        "%s: the zip archive's directory of %llu bytes at byte %llu does not end "
                        "where its end record is, at byte %llu",
                        path, (unsigned long long)out->size, (unsigned long long)out->begin,
                        (unsigned long long)end);
    return BCL_OK;
}

/* Takes from the extra field what does not fit 32 bits: the fields that are all ones, in order. */
static bool read_zip64(uint64_t *const fields[], int count, const unsigned char *extra,
                       size_t size) {
    int missing = 0;
    for (int i = 0; i < count; i++)
        missing += *fields[i] == 0xffffffff;
    for (size_t at = 0; missing && size - at >= 4;) {
        const size_t n = (size_t)number(extra + at + 2, 2);
        if (n > size - at - 4)
            return false;
        if (number(extra + at, 2) == 1) {
            size_t p = at + 4;
            for (int i = 0; i < count; i++) {
                if (*fields[i] != 0xffffffff)
                    continue;
                if (p + 8 > at + 4 + n)
                    return false;
                *fields[i] = number(extra + p, 8);
                p += 8;
            }
            return true;
        }
        at += 4 + n;
    }
    return !missing;
}

/* The data behind an entry's local header. */
static bcl_status find_data(bcl_zip_entry *e, const unsigned char *central,
                            const unsigned char *data, uint64_t end, const char *path) {
    const size_t n = (size_t)number(central + 28, 2);
    if (!is_at(data, (size_t)end, e->header, LOCAL_SIZE, "PK\3\4"))
        return bcl_fail(BCL_ERROR_FORMAT, "%s: \"%.100s\": byte %llu: expected its header", path,
                        e->name, (unsigned long long)e->header);
    const unsigned char *local = data + e->header;
    const uint64_t begin = e->header + LOCAL_SIZE + number(local + 26, 2) + number(local + 28, 2);
    if (number(local + 26, 2) != n || e->header + LOCAL_SIZE + n > end ||
        memcmp(local + LOCAL_SIZE, e->name, n) || number(local + 8, 2))
        return bcl_fail(BCL_ERROR_FORMAT,
                        "%s: \"%.100s\": its header at byte %llu is not what the directory says",
                        path, e->name, (unsigned long long)e->header);
    if (begin > end || e->size > end - begin)
        return bcl_fail(BCL_ERROR_FORMAT,
                        "%s: \"%.100s\": found %zu bytes from byte %llu on, expected them before "
                        "the directory at byte %llu (cut off?)",
                        path, e->name, e->size, (unsigned long long)begin, (unsigned long long)end);
    e->data = data + begin;
    return BCL_OK;
}

static bcl_status read_entry(bcl_zip *zip, size_t *used, const unsigned char *p, size_t left,
                             size_t *taken, const char *path) {
    bcl_status status = BCL_OK;
    bcl_zip_entry e = {.name = zip->names + *used};
    if (left < CENTRAL_SIZE || memcmp(p, "PK\1\2", 4))
        BCL_FAIL(BCL_ERROR_FORMAT, "%s: entry %zu of the zip archive's directory is damaged", path,
                 zip->count + 1);
    const size_t n = (size_t)number(p + 28, 2), extra = (size_t)number(p + 30, 2);
    *taken = CENTRAL_SIZE + n + extra + (size_t)number(p + 32, 2);
    if (*taken > left || memchr(p + CENTRAL_SIZE, 0, n))
        BCL_FAIL(BCL_ERROR_FORMAT, "%s: entry %zu of the zip archive's directory is damaged", path,
                 zip->count + 1);
    memcpy(zip->names + *used, p + CENTRAL_SIZE, n); /* the arena is zeroed */
    *used += n + 1;
    if (number(p + 10, 2) || number(p + 8, 2) & ENCRYPTED)
        BCL_FAIL(
            BCL_ERROR_UNSUPPORTED,
            "%s: \"%.100s\" is %s, expected stored as torch.save does: write it once more: "
            "python3 -c \"import torch; f = '%s'; torch.save(torch.load(f, map_location='cpu', "
            "weights_only=True), f)\"",
            path, e.name, number(p + 10, 2) ? "compressed" : "encrypted", path);
    uint64_t packed = number(p + 20, 4), size = number(p + 24, 4);
    e.header = number(p + 42, 4);
    uint64_t *const fields[] = {&size, &packed, &e.header};
    if (!read_zip64(fields, 3, p + CENTRAL_SIZE + n, extra) || packed != size || size > SIZE_MAX)
        BCL_FAIL(BCL_ERROR_FORMAT, "%s: \"%.100s\": its sizes in the zip archive are damaged", path,
                 e.name);
    e.size = (size_t)size;
    e.crc = (uint32_t)number(p + 16, 4);
    BCL_TRY(bcl_grow(&zip->entries, &zip->capacity, zip->count + 1, sizeof e));
    zip->entries[zip->count++] = e;
out:
    return status;
}

static int by_place(const void *a, const void *b) {
    const bcl_zip_entry *x = a, *y = b;
    return (x->header > y->header) - (x->header < y->header);
}

static int by_name(const void *a, const void *b) {
    const bcl_zip_entry *x = a, *y = b;
    return strcmp(x->name, y->name);
}

/* Two entries of the same bytes would be a way to make a small file large. */
static bcl_status check_apart(bcl_zip *zip, const unsigned char *data, const char *path) {
    if (!zip->count)
        return bcl_fail(BCL_ERROR_FORMAT, "%s: found an empty zip archive", path);
    qsort(zip->entries, zip->count, sizeof *zip->entries, by_place);
    for (size_t i = 1; i < zip->count; i++) {
        const bcl_zip_entry *before = &zip->entries[i - 1], *e = &zip->entries[i];
        if (before->data + before->size > data + e->header)
            return bcl_fail(BCL_ERROR_FORMAT, "%s: \"%.100s\" and \"%.100s\" overlap", path,
                            before->name, e->name);
    }
    qsort(zip->entries, zip->count, sizeof *zip->entries, by_name);
    for (size_t i = 1; i < zip->count; i++)
        if (!strcmp(zip->entries[i - 1].name, zip->entries[i].name))
            return bcl_fail(BCL_ERROR_FORMAT, "%s: found \"%.100s\" twice, expected it once", path,
                            zip->entries[i].name);
    return BCL_OK;
}

bcl_status bcl_zip_read(bcl_zip *out, const unsigned char *data, size_t size, const char *path) {
    bcl_status status = BCL_OK;
    directory d = {0};
    size_t used = 0, taken = 0;
    *out = (bcl_zip){0};
    BCL_TRY(find_directory(&d, data, size, path));
    BCL_NEW(out->names, (size_t)(d.size + d.entries));
    for (uint64_t at = 0; at < d.size || out->count < d.entries; at += taken) {
        const unsigned char *central = data + d.begin + at;
        if (out->count == d.entries)
            BCL_FAIL(BCL_ERROR_FORMAT,
                     "%s: the zip archive's directory goes on behind its %llu entries", path,
                     (unsigned long long)d.entries);
        BCL_TRY(read_entry(out, &used, central, (size_t)(d.size - at), &taken, path));
        BCL_TRY(find_data(&out->entries[out->count - 1], central, data, d.begin, path));
    }
    BCL_TRY(check_apart(out, data, path));
out:
    return status;
}

const bcl_zip_entry *bcl_zip_find(const bcl_zip *zip, const char *name) {
    bcl_zip_entry key = {.name = name};
    return zip->count ? bsearch(&key, zip->entries, zip->count, sizeof key, by_name) : NULL;
}

void bcl_zip_free(bcl_zip *zip) {
    free(zip->entries);
    free(zip->names);
    *zip = (bcl_zip){0};
}

/* The CRC-32 of zip archives (IEEE 802.3, reflected), eight bytes at a time: tables[k] holds what a
 * byte does that lies k bytes further from the end. */
static uint32_t crc_of(uint32_t tables[8][256], const unsigned char *data, size_t size) {
    uint32_t crc = 0xffffffff;
    for (; size >= 8; data += 8, size -= 8) {
        crc ^= (uint32_t)number(data, 4);
        crc = tables[7][crc & 255] ^ tables[6][crc >> 8 & 255] ^ tables[5][crc >> 16 & 255] ^
              tables[4][crc >> 24] ^ tables[3][data[4]] ^ tables[2][data[5]] ^ tables[1][data[6]] ^
              tables[0][data[7]];
    }
    for (size_t i = 0; i < size; i++)
        crc = crc >> 8 ^ tables[0][(crc ^ data[i]) & 255];
    return ~crc;
}

static void make_tables(uint32_t tables[8][256]) {
    for (uint32_t i = 0; i < 256; i++) {
        tables[0][i] = i;
        for (int bit = 0; bit < 8; bit++)
            tables[0][i] = tables[0][i] >> 1 ^ (tables[0][i] & 1 ? 0xedb88320 : 0);
    }
    for (int k = 1; k < 8; k++)
        for (int i = 0; i < 256; i++)
            tables[k][i] = tables[k - 1][i] >> 8 ^ tables[0][tables[k - 1][i] & 255];
}

bcl_status bcl_zip_check(const bcl_zip *zip, const char *path) {
    uint32_t tables[8][256];
    make_tables(tables);
    for (size_t i = 0; i < zip->count; i++) {
        const bcl_zip_entry *e = &zip->entries[i];
        if (e->crc && crc_of(tables, e->data, e->size) != e->crc)
            return bcl_fail(BCL_ERROR_FORMAT,
                            "%s: \"%.100s\": its bytes do not have the checksum %08x that the zip "
                            "archive says: the file is damaged, fetch it once more",
                            path, e->name, (unsigned)e->crc);
    }
    return BCL_OK;
}
