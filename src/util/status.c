/* The thread's error message. */
#include "util/util.h"

#include <errno.h>
#include <stdarg.h>

static _Thread_local char message[1024];

const char *bcl_message(void) {
    return message;
}

/* An error is one line: control characters of file names and data must not break it. */
static void one_line(char *text) {
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            *text = ' ';
}

bcl_status bcl_fail(bcl_status code, const char *format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    one_line(message);
    return code;
}

bcl_status bcl_fail_errno(const char *format, ...) {
    int number = errno;
    va_list args;
    va_start(args, format);
    int n = vsnprintf(message, sizeof message, format, args);
    va_end(args);
    if (n >= 0 && (size_t)n < sizeof message)
        snprintf(message + n, sizeof message - (size_t)n, ": %s", strerror(number));
    one_line(message);
    return BCL_ERROR_IO;
}
