/* Memory and strings. */
#include "util/util.h"

#include <stdarg.h>

bool bcl_multiply(size_t *out, size_t a, size_t b) {
    return !__builtin_mul_overflow(a, b, out);
}

void *bcl_calloc(size_t count, size_t size) {
    size_t bytes;
    void *p = NULL;
    if (bcl_multiply(&bytes, count, size))
        p = calloc(bytes ? bytes : 1, 1);
    if (!p)
        bcl_fail(BCL_ERROR_MEMORY, "out of memory: %zu elements of %zu bytes", count, size);
    return p;
}

bcl_status bcl_grow(void *pointer, size_t *capacity, size_t need, size_t element_size) {
    if (need <= *capacity)
        return BCL_OK;
    size_t room = *capacity + *capacity / 2, bytes;
    if (room < need)
        room = need;
    if (room < 16)
        room = 16;
    void *old;
    memcpy(&old, pointer, sizeof old);
    void *p = bcl_multiply(&bytes, room, element_size) ? realloc(old, bytes) : NULL;
    if (!p)
        return bcl_fail(BCL_ERROR_MEMORY, "out of memory: %zu elements of %zu bytes", room,
                        element_size);
    memcpy(pointer, &p, sizeof p);
    *capacity = room;
    return BCL_OK;
}

bcl_status bcl_strdup(char **out, const char *text) {
    size_t n = strlen(text) + 1;
    if (!(*out = bcl_calloc(n, 1)))
        return BCL_ERROR_MEMORY;
    memcpy(*out, text, n);
    return BCL_OK;
}

bcl_status bcl_format(char **out, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    *out = bcl_calloc((size_t)n + 1, 1);
    if (*out)
        vsnprintf(*out, (size_t)n + 1, format, again);
    va_end(again);
    return *out ? BCL_OK : BCL_ERROR_MEMORY;
}

bcl_status bcl_string_add(bcl_string *s, const void *bytes, size_t size) {
    bcl_status status = bcl_grow(&s->data, &s->capacity, s->size + size + 1, 1);
    if (status)
        return status;
    if (size)
        memcpy(s->data + s->size, bytes, size);
    s->size += size;
    s->data[s->size] = 0;
    return BCL_OK;
}

bcl_status bcl_string_addf(bcl_string *s, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    bcl_status status = bcl_grow(&s->data, &s->capacity, s->size + (size_t)n + 1, 1);
    if (!status) {
        vsnprintf(s->data + s->size, (size_t)n + 1, format, again);
        s->size += (size_t)n;
    }
    va_end(again);
    return status;
}

void bcl_string_free(bcl_string *s) {
    free(s->data);
    *s = (bcl_string){0};
}
