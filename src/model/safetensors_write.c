/* Writing a safetensors file, byte for byte as huggingface/safetensors' serialize() lays it out. */
#include "model/safetensors_header.h"

enum { ALIGNMENT = 8 };
static const size_t header_max = BCL_HEADER_MAX;

static int compare_layout(const void *a, const void *b) {
    const bcl_tensor *x = a, *y = b;
    if (x->dtype != y->dtype)
        return x->dtype > y->dtype ? -1 : 1;
    return strcmp(x->name, y->name);
}

/* A JSON string with serde_json's escapes. */
static bcl_status add_string(bcl_string *s, const char *text, const char *path) {
    static const char escapes[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
    bcl_status status = BCL_OK;
    if (bcl_utf8_span((const unsigned char *)text, strlen(text)) != strlen(text))
        BCL_FAIL(BCL_ERROR_ARGUMENT, "%s: name \"%.100s\" is not valid UTF-8", path, text);
    BCL_TRY(bcl_string_add(s, "\"", 1));
    for (; *text; text++) {
        const char *known = strchr(escapes, *text);
        if (known)
            BCL_TRY(bcl_string_addf(s, "\\%c", letters[known - escapes]));
        else if ((unsigned char)*text < 0x20)
            BCL_TRY(bcl_string_addf(s, "\\u%04x", (unsigned)*text));
        else
            BCL_TRY(bcl_string_add(s, text, 1));
    }
    BCL_TRY(bcl_string_add(s, "\"", 1));
out:
    return status;
}

static bcl_status add_metadata(bcl_string *s, const char *const metadata[][2], size_t count,
                               const char *path) {
    bcl_status status = BCL_OK;
    BCL_TRY(bcl_string_addf(s, "\"__metadata__\":{"));
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < i; j++)
            if (!strcmp(metadata[i][0], metadata[j][0]))
                BCL_FAIL(BCL_ERROR_ARGUMENT, "%s: metadata key \"%.100s\" is given twice", path,
                         metadata[i][0]);
        if (i)
            BCL_TRY(bcl_string_add(s, ",", 1));
        BCL_TRY(add_string(s, metadata[i][0], path));
        BCL_TRY(bcl_string_add(s, ":", 1));
        BCL_TRY(add_string(s, metadata[i][1], path));
    }
    BCL_TRY(bcl_string_add(s, "}", 1));
out:
    return status;
}

static bcl_status add_tensor(bcl_string *s, const bcl_tensor *t, size_t *offset, const char *path) {
    bcl_status status = BCL_OK;
    size_t begin = *offset;
    if (__builtin_add_overflow(begin, t->bytes, offset))
        BCL_FAIL(BCL_ERROR_ARGUMENT, "%s: the tensors overflow a 64-bit size", path);
    BCL_TRY(add_string(s, t->name, path));
    BCL_TRY(bcl_string_addf(s, ":{\"dtype\":\"%s\",\"shape\":[", bcl_dtype_name(t->dtype)));
    for (int i = 0; i < t->rank; i++)
        BCL_TRY(bcl_string_addf(s, "%s%lld", i ? "," : "", (long long)t->shape[i]));
    BCL_TRY(bcl_string_addf(s, "],\"data_offsets\":[%zu,%zu]}", begin, *offset));
out:
    return status;
}

/* The tensors in the file's order, with their sizes. */
static bcl_status lay_out(bcl_tensor *sorted, const bcl_tensor *tensors, size_t count,
                          const char *path) {
    bcl_status status = BCL_OK;
    for (size_t i = 0; i < count; i++) {
        bcl_tensor *t = &sorted[i];
        *t = tensors[i];
        if (t->rank < 0 || t->rank > BCL_TENSOR_RANK_MAX || t->dtype < 0 ||
            t->dtype >= BCL_DTYPE_COUNT)
            BCL_FAIL(BCL_ERROR_ARGUMENT, "%s: tensor \"%.100s\": rank %d or dtype %d is invalid",
                     path, t->name, t->rank, (int)t->dtype);
        for (int k = 0; k < t->rank; k++)
            if (t->shape[k] < 0)
                BCL_FAIL(BCL_ERROR_ARGUMENT, "%s: tensor \"%.100s\": a dimension is %lld", path,
                         t->name, (long long)t->shape[k]);
        BCL_TRY(bcl_tensor_measure(t, path));
        if (tensors[i].bytes != t->bytes && (tensors[i].bytes || tensors[i].data))
            BCL_FAIL(BCL_ERROR_ARGUMENT,
                     "%s: tensor \"%.100s\": given %zu bytes, expected %zu for its shape", path,
                     t->name, tensors[i].bytes, t->bytes);
        if (!strcmp(t->name, "__metadata__"))
            BCL_FAIL(BCL_ERROR_ARGUMENT, "%s: no tensor can be named __metadata__", path);
    }
    if (count)
        qsort(sorted, count, sizeof *sorted, compare_layout);
out:
    return status;
}

static int compare_names(const void *a, const void *b) {
    const char *const *x = a, *const *y = b;
    return strcmp(*x, *y);
}

static bcl_status check_distinct(const bcl_tensor *tensors, size_t count, const char *path) {
    bcl_status status = BCL_OK;
    const char **names = NULL;
    BCL_NEW(names, count);
    for (size_t i = 0; i < count; i++)
        names[i] = tensors[i].name;
    if (count)
        qsort(names, count, sizeof *names, compare_names);
    for (size_t i = 1; i < count; i++)
        if (!strcmp(names[i - 1], names[i]))
            BCL_FAIL(BCL_ERROR_ARGUMENT, "%s: tensor \"%.100s\" is given twice", path, names[i]);
out:
    free(names);
    return status;
}

static bcl_status write_header(bcl_writer *w, const bcl_tensor *sorted, size_t count,
                               const char *const metadata[][2], size_t metadata_count,
                               const char *path) {
    bcl_status status = BCL_OK;
    bcl_string s = {0};
    size_t offset = 0;
    unsigned char length[8];
    BCL_TRY(bcl_string_add(&s, "{", 1));
    if (metadata_count)
        BCL_TRY(add_metadata(&s, metadata, metadata_count, path));
    for (size_t i = 0; i < count; i++) {
        if (i || metadata_count)
            BCL_TRY(bcl_string_add(&s, ",", 1));
        BCL_TRY(add_tensor(&s, &sorted[i], &offset, path));
    }
    BCL_TRY(bcl_string_add(&s, "}", 1));
    while (s.size % ALIGNMENT)
        BCL_TRY(bcl_string_add(&s, " ", 1));
    if (s.size > header_max)
        BCL_FAIL(BCL_ERROR_ARGUMENT, "%s: the header takes %zu bytes, the format's limit is %zu",
                 path, s.size, header_max);
    for (int i = 0; i < 8; i++)
        length[i] = (unsigned char)((uint64_t)s.size >> 8 * i);
    BCL_TRY(bcl_writer_write(w, length, sizeof length));
    BCL_TRY(bcl_writer_write(w, s.data, s.size));
out:
    bcl_string_free(&s);
    return status;
}

/* How many rows of a tensor go through the buffer at once. */
static size_t rows_at_once(const bcl_tensor *t, size_t *row) {
    enum { BUFFER = 4 << 20 };
    const size_t rows = t->rank ? (size_t)t->shape[0] : 1;
    *row = rows ? t->bytes / rows : 0;
    const size_t fit = *row ? BUFFER / *row : rows;
    return fit > rows ? rows : fit ? fit : 1;
}

static bcl_status write_by_rows(bcl_writer *w, const bcl_tensor *t, bcl_tensor_fill *fill,
                                void *context, void *buffer) {
    bcl_status status = BCL_OK;
    size_t row;
    const size_t most = rows_at_once(t, &row), rows = row ? t->bytes / row : 0;
    for (size_t first = 0; first < rows; first += most) {
        const size_t now = rows - first < most ? rows - first : most;
        BCL_TRY(fill(context, t, first, now, buffer, now * row));
        BCL_TRY(bcl_writer_write(w, buffer, now * row));
    }
out:
    return status;
}

bcl_status bcl_safetensors_write_streamed(const char *path, const bcl_tensor *tensors, size_t count,
                                          const char *const metadata[][2], size_t metadata_count,
                                          bcl_tensor_fill *fill, void *context) {
    bcl_status status = BCL_OK;
    bcl_writer w = {0};
    bcl_tensor *sorted = NULL;
    unsigned char *buffer = NULL;
    size_t largest = 0;
    BCL_NEW(sorted, count);
    BCL_TRY(lay_out(sorted, tensors, count, path));
    BCL_TRY(check_distinct(sorted, count, path));
    for (size_t i = 0; i < count; i++) {
        size_t row;
        if (!fill && !sorted[i].data && sorted[i].bytes)
            BCL_FAIL(BCL_ERROR_ARGUMENT, "%s: tensor \"%.100s\" has no data", path, sorted[i].name);
        const size_t bytes = rows_at_once(&sorted[i], &row) * row;
        largest = bytes > largest ? bytes : largest;
    }
    if (fill)
        BCL_NEW(buffer, largest);
    BCL_TRY(bcl_writer_open(&w, path));
    BCL_TRY(write_header(&w, sorted, count, metadata, metadata_count, path));
    for (size_t i = 0; i < count; i++)
        if (fill)
            BCL_TRY(write_by_rows(&w, &sorted[i], fill, context, buffer));
        else
            BCL_TRY(bcl_writer_write(&w, sorted[i].data, sorted[i].bytes));
    BCL_TRY(bcl_writer_commit(&w));
out:
    bcl_writer_discard(&w);
    free(buffer);
    free(sorted);
    return status;
}

bcl_status bcl_safetensors_write(const char *path, const bcl_tensor *tensors, size_t count,
                                 const char *const metadata[][2], size_t metadata_count) {
    return bcl_safetensors_write_streamed(path, tensors, count, metadata, metadata_count, NULL,
                                          NULL);
}
