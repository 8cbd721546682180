/* The header of a safetensors file: strict JSON (RFC 8259, as serde_json reads it) of one known
 * form. Not cJSON: that takes control characters, numbers like 01 and broken escapes, and rounds
 * integers above 2^53. Knows nothing of the data behind the header. */
#include "model/safetensors_header.h"

#include <math.h>
#include <utf8proc.h>

enum { HEADER_AT = 8, DEPTH_MAX = 127 }; /* serde_json refuses a depth of 128 */

typedef struct reader {
    const unsigned char *text;
    size_t size, at;
    char *strings; /* room for every string: without quotes and escapes it is shorter */
    size_t used;
    const char *path;
    bcl_header *out;
} reader;

static bcl_status fail_at(const reader *r, const char *expected) {
    unsigned c = r->at < r->size ? r->text[r->at] : 0;
    char found[16];
    if (r->at >= r->size)
        return bcl_fail(BCL_ERROR_FORMAT, "%s: byte %zu: found the header's end, expected %s",
                        r->path, HEADER_AT + r->at, expected);
    snprintf(found, sizeof found, c > 0x20 && c < 0x7f ? "'%c'" : "0x%02x", c);
    return bcl_fail(BCL_ERROR_FORMAT, "%s: byte %zu: found %s, expected %s", r->path,
                    HEADER_AT + r->at, found, expected);
}

static int peek(reader *r) {
    while (r->at < r->size && strchr(" \t\n\r", r->text[r->at]) && r->text[r->at])
        r->at++;
    return r->at < r->size ? r->text[r->at] : -1;
}

static bcl_status expect(reader *r, char c, const char *what) {
    if (peek(r) != c)
        return fail_at(r, what);
    r->at++;
    return BCL_OK;
}

size_t bcl_utf8_span(const unsigned char *text, size_t size) {
    for (size_t i = 0; i < size;) {
        utf8proc_int32_t c;
        utf8proc_ssize_t n = 1;
        if (text[i] >= 0x80)
            n = utf8proc_iterate(text + i, (utf8proc_ssize_t)(size - i), &c);
        if (n < 1)
            return i;
        i += (size_t)n;
    }
    return size;
}

static bcl_status parse_hex4(reader *r, uint32_t *out) {
    *out = 0;
    for (int i = 0; i < 4; i++, r->at++) {
        int c = r->at < r->size ? r->text[r->at] : 0;
        int lower = c | 0x20;
        if (c >= '0' && c <= '9')
            *out = *out * 16 + (uint32_t)(c - '0');
        else if (lower >= 'a' && lower <= 'f')
            *out = *out * 16 + (uint32_t)(lower - 'a' + 10);
        else
            return fail_at(r, "four hexadecimal digits");
    }
    return BCL_OK;
}

/* The code point after "\u", of two escapes if it is a surrogate pair. */
static bcl_status parse_escaped_code(reader *r, uint32_t *code) {
    bcl_status status = BCL_OK;
    uint32_t low;
    BCL_TRY(parse_hex4(r, code));
    if (*code >= 0xdc00 && *code < 0xe000) {
        r->at -= 4;
        BCL_TRY(fail_at(r, "no lone surrogate"));
    }
    if (*code >= 0xd800 && *code < 0xdc00) {
        if (r->size - r->at < 2 || r->text[r->at] != '\\' || r->text[r->at + 1] != 'u')
            BCL_TRY(fail_at(r, "the second half of a surrogate pair"));
        r->at += 2;
        BCL_TRY(parse_hex4(r, &low));
        if (low < 0xdc00 || low >= 0xe000) {
            r->at -= 4;
            BCL_TRY(fail_at(r, "the second half of a surrogate pair"));
        }
        *code = 0x10000 + ((*code - 0xd800) << 10) + (low - 0xdc00);
    }
    /* JSON allows it; no C string can hold it, and no name of a tensor needs it. */
    if (!*code) {
        r->at -= 4;
        BCL_TRY(fail_at(r, "no NUL in a string"));
    }
out:
    return status;
}

static bcl_status parse_string(reader *r, const char **out, const char *what) {
    static const char escapes[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    bcl_status status = BCL_OK;
    uint32_t code;
    *out = r->strings + r->used;
    BCL_TRY(expect(r, '"', what));
    for (;;) {
        if (r->at >= r->size || r->text[r->at] < 0x20)
            BCL_TRY(fail_at(r, "a string's next character or its closing quote"));
        unsigned char c = r->text[r->at++];
        if (c == '"')
            break;
        if (c != '\\') {
            r->strings[r->used++] = (char)c;
            continue;
        }
        int e = r->at < r->size ? r->text[r->at] : 0;
        const char *known = e ? strchr(escapes, e) : NULL;
        if (known) {
            r->strings[r->used++] = meanings[known - escapes];
            r->at++;
        } else if (e == 'u') {
            r->at++;
            BCL_TRY(parse_escaped_code(r, &code));
            r->used += (size_t)utf8proc_encode_char((utf8proc_int32_t)code,
                                                    (utf8proc_uint8_t *)r->strings + r->used);
        } else
            BCL_TRY(fail_at(r, "an escape of JSON"));
    }
    r->strings[r->used++] = 0;
out:
    return status;
}

/* A whole number that fits 64 bits, written as digits alone, as Rust's usize takes it. */
static bcl_status parse_size(reader *r, uint64_t *out, const char *what) {
    int c = peek(r);
    size_t start = r->at;
    *out = 0;
    if (c < '0' || c > '9')
        return fail_at(r, what);
    while (r->at < r->size && (c = r->text[r->at]) >= '0' && c <= '9') {
        if (r->at == start + 1 && r->text[start] == '0')
            return fail_at(r, "no leading zero");
        if (__builtin_mul_overflow(*out, (uint64_t)10, out) ||
            __builtin_add_overflow(*out, (uint64_t)(c - '0'), out)) {
            r->at = start;
            return fail_at(r, "a whole number below 2^64");
        }
        r->at++;
    }
    if (r->at < r->size && (c == '.' || c == 'e' || c == 'E')) {
        r->at = start;
        return fail_at(r, "a number without fraction or exponent");
    }
    return BCL_OK;
}

static size_t skip_digits(reader *r) {
    size_t start = r->at;
    while (r->at < r->size && r->text[r->at] >= '0' && r->text[r->at] <= '9')
        r->at++;
    return r->at - start;
}

static bcl_status skip_number(reader *r) {
    size_t start = r->at;
    if (r->text[r->at] == '-')
        r->at++;
    if (r->at < r->size && r->text[r->at] == '0')
        r->at++;
    else if (!skip_digits(r))
        return fail_at(r, "a digit");
    if (r->at < r->size && r->text[r->at] == '.') {
        r->at++;
        if (!skip_digits(r))
            return fail_at(r, "a digit");
    }
    if (r->at < r->size && (r->text[r->at] | 0x20) == 'e') {
        r->at++;
        if (r->at < r->size && (r->text[r->at] == '+' || r->text[r->at] == '-'))
            r->at++;
        if (!skip_digits(r))
            return fail_at(r, "a digit");
    }
    /* The text that is behind a number is not ours to read, and strtod needs an end. */
    char *copy = r->strings + r->used;
    memcpy(copy, r->text + start, r->at - start);
    copy[r->at - start] = 0;
    if (isinf(strtod(copy, NULL))) {
        r->at = start;
        return fail_at(r, "a number in a double's range");
    }
    return BCL_OK;
}

/* Passes over any value: the format allows keys that it does not define. */
static bcl_status skip_value(reader *r, int depth) {
    static const char *const words[] = {"true", "false", "null"};
    bcl_status status = BCL_OK;
    const char *text;
    size_t used = r->used;
    int c = peek(r);
    if (c == '"') {
        BCL_TRY(parse_string(r, &text, "a string"));
        r->used = used;
    } else if (c == '-' || (c >= '0' && c <= '9')) {
        BCL_TRY(skip_number(r));
    } else if (c == '{' || c == '[') {
        if (depth > DEPTH_MAX)
            BCL_TRY(fail_at(r, "at most 127 levels of nesting"));
        char close = c == '{' ? '}' : ']';
        r->at++;
        if (peek(r) == close) {
            r->at++;
            goto out;
        }
        for (;;) {
            if (c == '{') {
                BCL_TRY(parse_string(r, &text, "a key"));
                r->used = used;
                BCL_TRY(expect(r, ':', "':'"));
            }
            BCL_TRY(skip_value(r, depth + 1));
            if (peek(r) == close) {
                r->at++;
                goto out;
            }
            BCL_TRY(expect(r, ',', c == '{' ? "',' or '}'" : "',' or ']'"));
        }
    } else {
        for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
            size_t n = strlen(words[i]);
            if (r->size - r->at >= n && !memcmp(r->text + r->at, words[i], n)) {
                r->at += n;
                goto out;
            }
        }
        BCL_TRY(fail_at(r, "a value"));
    }
out:
    return status;
}

/* After a value: true if another follows, false (and past it) at the closing bracket. */
static bcl_status parse_next(reader *r, char close, bool *more) {
    int c = peek(r);
    *more = c == ',';
    if (c != ',' && c != close)
        return fail_at(r, close == '}' ? "',' or '}'" : "',' or ']'");
    r->at++;
    return BCL_OK;
}

static bcl_status parse_shape(reader *r, bcl_tensor *t) {
    bcl_status status = BCL_OK;
    bool more;
    BCL_TRY(expect(r, '[', "'[' of a shape"));
    if (peek(r) == ']') {
        r->at++;
        goto out;
    }
    do {
        uint64_t n;
        if (t->rank == BCL_TENSOR_RANK_MAX)
            BCL_FAIL(BCL_ERROR_UNSUPPORTED,
                     "%s: tensor \"%.100s\": found more than %d dimensions, expected at most that",
                     r->path, t->name, BCL_TENSOR_RANK_MAX);
        BCL_TRY(parse_size(r, &n, "a dimension, a whole number of 0 or more"));
        if (n > INT64_MAX)
            BCL_FAIL(BCL_ERROR_FORMAT,
                     "%s: tensor \"%.100s\": found a dimension of %llu, expected less than 2^63",
                     r->path, t->name, (unsigned long long)n);
        t->shape[t->rank++] = (int64_t)n;
        BCL_TRY(parse_next(r, ']', &more));
    } while (more);
out:
    return status;
}

static bcl_status parse_offsets(reader *r, bcl_header_entry *e) {
    bcl_status status = BCL_OK;
    BCL_TRY(expect(r, '[', "'[' of data_offsets"));
    BCL_TRY(parse_size(r, &e->begin, "the data's begin, a whole number of 0 or more"));
    BCL_TRY(expect(r, ',', "',' between the two data_offsets"));
    BCL_TRY(parse_size(r, &e->end, "the data's end, a whole number of 0 or more"));
    BCL_TRY(expect(r, ']', "']' after the two data_offsets"));
out:
    return status;
}

static bcl_status parse_dtype(reader *r, bcl_tensor *t) {
    bcl_status status = BCL_OK;
    const char *text;
    BCL_TRY(parse_string(r, &text, "a dtype's name"));
    if (!bcl_dtype_find(&t->dtype, text))
        BCL_FAIL(BCL_ERROR_FORMAT,
                 "%s: tensor \"%.100s\": found the unknown dtype \"%.40s\", expected one of "
                 "safetensors', such as F32, F16 or BF16",
                 r->path, t->name, text);
out:
    return status;
}

/* {"dtype": ..., "shape": [...], "data_offsets": [begin, end]} in any order */
static bcl_status parse_tensor(reader *r, const char *name) {
    static const char *const keys[] = {"dtype", "shape", "data_offsets"};
    bcl_status status = BCL_OK;
    bcl_header_entry e = {.tensor = {.name = name}};
    bool seen[3] = {false}, more;
    const char *key;
    size_t used = r->used;
    BCL_TRY(expect(r, '{', "'{' of a tensor's description"));
    more = peek(r) != '}';
    r->at += !more;
    while (more) {
        BCL_TRY(parse_string(r, &key, "a key"));
        BCL_TRY(expect(r, ':', "':'"));
        size_t k = 0;
        while (k < 3 && strcmp(key, keys[k]))
            k++;
        if (k < 3 && seen[k])
            BCL_FAIL(BCL_ERROR_FORMAT,
                     "%s: tensor \"%.100s\": found \"%s\" twice, expected it once", r->path, name,
                     keys[k]);
        if (k < 3)
            seen[k] = true;
        if (k == 0)
            BCL_TRY(parse_dtype(r, &e.tensor));
        else if (k == 1)
            BCL_TRY(parse_shape(r, &e.tensor));
        else if (k == 2)
            BCL_TRY(parse_offsets(r, &e));
        else
            BCL_TRY(skip_value(r, 3));
        r->used = used;
        BCL_TRY(parse_next(r, '}', &more));
    }
    for (int k = 0; k < 3; k++)
        if (!seen[k])
            BCL_FAIL(BCL_ERROR_FORMAT, "%s: tensor \"%.100s\": found no \"%s\", expected one",
                     r->path, name, keys[k]);
    BCL_TRY(bcl_tensor_measure(&e.tensor, r->path));
    BCL_TRY(bcl_grow(&r->out->entries, &r->out->capacity, r->out->count + 1, sizeof e));
    r->out->entries[r->out->count++] = e;
out:
    return status;
}

static bcl_status parse_metadata(reader *r) {
    bcl_status status = BCL_OK;
    bcl_header *out = r->out;
    bool more;
    if (peek(r) == 'n')
        return skip_value(r, 2);
    BCL_TRY(expect(r, '{', "'{' of __metadata__"));
    more = peek(r) != '}';
    r->at += !more;
    while (more) {
        BCL_TRY(bcl_grow(&out->metadata, &out->metadata_capacity, out->metadata_count + 1,
                         sizeof *out->metadata));
        bcl_header_pair *pair = &out->metadata[out->metadata_count++];
        BCL_TRY(parse_string(r, &pair->key, "a key of __metadata__"));
        BCL_TRY(expect(r, ':', "':'"));
        BCL_TRY(parse_string(r, &pair->value, "a string as the value in __metadata__"));
        BCL_TRY(parse_next(r, '}', &more));
    }
out:
    return status;
}

bcl_status bcl_header_parse(bcl_header *out, const unsigned char *text, size_t size,
                            const char *path) {
    bcl_status status = BCL_OK;
    reader r = {.text = text, .size = size, .path = path, .out = out};
    bool more, metadata = false;
    const char *name;
    *out = (bcl_header){0};
    BCL_NEW(out->strings, size + 1);
    r.strings = out->strings;
    /* serde_json would take white space first; the format's text does not. */
    if (!size || text[0] != '{')
        BCL_TRY(fail_at(&r, "'{' as the header's first byte"));
    size_t valid = bcl_utf8_span(text, size);
    if (valid < size)
        BCL_FAIL(BCL_ERROR_FORMAT, "%s: byte %zu: the header is not valid UTF-8", path,
                 HEADER_AT + valid);
    r.at = 1;
    more = peek(&r) != '}';
    r.at += !more;
    while (more) {
        BCL_TRY(parse_string(&r, &name, "a tensor's name"));
        BCL_TRY(expect(&r, ':', "':'"));
        if (strcmp(name, "__metadata__"))
            BCL_TRY(parse_tensor(&r, name));
        else if (metadata)
            BCL_FAIL(BCL_ERROR_FORMAT, "%s: found __metadata__ twice, expected it once", path);
        else {
            metadata = true;
            BCL_TRY(parse_metadata(&r));
        }
        BCL_TRY(parse_next(&r, '}', &more));
    }
    if (peek(&r) != -1)
        BCL_TRY(fail_at(&r, "nothing but white space after the header's object"));
out:
    return status;
}

void bcl_header_free(bcl_header *header) {
    free(header->entries);
    free(header->metadata);
    free(header->strings);
    *header = (bcl_header){0};
}
