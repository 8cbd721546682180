/* Lists of names that providers offer to the tuner. */
#include "ops/gemm/provider.h"

#include <assert.h>
#include <stdarg.h>

bcl_status bcl_gemm_names_add(bcl_gemm_names *names, const char *format, ...) {
    bcl_status status = BCL_OK;
    char name[BCL_GEMM_NAME];
    va_list args;
    va_start(args, format);
    const int size = vsnprintf(name, sizeof name, format, args);
    va_end(args);
    assert(size >= 0 && (size_t)size < sizeof name);
    (void)size;
    BCL_TRY(bcl_grow(&names->items, &names->capacity, names->count + 1, sizeof *names->items));
    BCL_TRY(bcl_strdup(&names->items[names->count], name));
    names->count++;
out:
    return status;
}

void bcl_gemm_names_free(bcl_gemm_names *names) {
    bcl_strings_free(names->items, names->count);
    *names = (bcl_gemm_names){0};
}
