/* The thread's error message. */
#include "util/printable.h"

#include <errno.h>
#include <stdarg.h>

static _Thread_local char message[1024];

const char *bcl_message(void) {
    return message;
}

/* An error is one line whatever file names and data hold. The longest text leaves room for the
 * escape of what was cut in the middle of a character. */
static void set(const char *format, va_list args, const char *reason) {
    char text[sizeof message - 8];
    int n = vsnprintf(text, sizeof text, format, args);
    if (reason && n >= 0 && (size_t)n < sizeof text)
        snprintf(text + n, sizeof text - (size_t)n, ": %s", reason);
    bcl_printable(message, sizeof message, text);
}

bcl_status bcl_fail(bcl_status code, const char *format, ...) {
    va_list args;
    va_start(args, format);
    set(format, args, NULL);
    va_end(args);
    return code;
}

bcl_status bcl_fail_errno(const char *format, ...) {
    const char *reason = strerror(errno);
    va_list args;
    va_start(args, format);
    set(format, args, reason);
    va_end(args);
    return BCL_ERROR_IO;
}
