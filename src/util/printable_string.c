/* Escapes into a string that grows. Apart from printable.c, which messages are made with: they
 * cannot need memory. */
#include "util/printable.h"

bcl_status bcl_printable_add(bcl_string *out, const char *text, size_t size) {
    bcl_status status = BCL_OK;
    char shown[BCL_PRINTABLE_BYTES];
    BCL_TRY(bcl_string_add(out, "", 0)); /* also of nothing a string */
    for (size_t i = 0, taken; i < size; i += taken) {
        const size_t n = bcl_printable_next(shown, &taken, text + i, size - i);
        BCL_TRY(bcl_string_add(out, shown, n));
    }
out:
    return status;
}
