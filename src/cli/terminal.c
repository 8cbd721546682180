/* The terminal's width; text that is wrapped to it. */
#include "cli/terminal.h"

#include <stdarg.h>
#include <sys/ioctl.h>
#include <unistd.h>

bool bcl_terminal_is(FILE *stream) {
    const char *term = getenv("TERM");
    return isatty(fileno(stream)) && term && *term && strcmp(term, "dumb") != 0;
}

size_t bcl_terminal_columns(FILE *stream) {
    enum { USUAL = 80, LEAST = 20, MOST = 10000 };
    const char *text = getenv("COLUMNS");
    struct winsize size = {0};
    long columns = text ? strtol(text, NULL, 10) : 0;
    if (columns <= 0 && !ioctl(fileno(stream), TIOCGWINSZ, &size))
        columns = size.ws_col;
    return columns <= 0 ? USUAL : columns < LEAST ? LEAST : columns > MOST ? MOST : (size_t)columns;
}

static size_t terminal_rows(FILE *stream) {
    enum { USUAL = 24 };
    struct winsize size = {0};
    return !ioctl(fileno(stream), TIOCGWINSZ, &size) && size.ws_row ? size.ws_row : USUAL;
}

size_t bcl_terminal_room(FILE *stream) {
    return isatty(fileno(stream)) ? bcl_terminal_columns(stream) : SIZE_MAX;
}

/* In the last column some terminals would begin the next line. */
static int fit(FILE *stream, const char *text, size_t size) {
    return (int)bcl_columns_fit(text, size, bcl_terminal_columns(stream) - 1);
}

void bcl_terminal_rewrite(FILE *stream, const char *format, ...) {
    char text[1024], shown[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    bcl_printable(shown, sizeof shown, text);
    fprintf(stream, "\r%.*s\033[K", fit(stream, shown, strlen(shown)), shown);
    fflush(stream);
}

void bcl_terminal_rewrite_above(FILE *stream, const char *first, const char *lines) {
    const size_t room = terminal_rows(stream);
    size_t below = 0;
    fprintf(stream, "\r%.*s\033[K", fit(stream, first, strlen(first)), first);
    for (const char *at = lines; *at && below + 2 < room; below++) {
        const size_t size = strcspn(at, "\n");
        fprintf(stream, "\n%.*s\033[K", fit(stream, at, size), at);
        at += size + (at[size] != 0);
    }
    fputs("\033[J", stream); /* a longer table's rest */
    if (below)
        fprintf(stream, "\r\033[%zuA", below);
    fflush(stream);
}

void bcl_terminal_erase(FILE *stream) {
    fputs("\r\033[J", stream);
    fflush(stream);
}

void bcl_print_wrapped(FILE *to, const char *text, size_t at, size_t indent, size_t width) {
    if (at < indent) {
        fprintf(to, "%*s", (int)(indent - at), "");
        at = indent;
    }
    while (*text) {
        const size_t n = strcspn(text, " \n"), columns = bcl_columns(text, n);
        if (at > indent && at + 1 + columns > width) {
            fprintf(to, "\n%*s", (int)indent, "");
            at = indent;
        } else if (at > indent) {
            fputc(' ', to);
            at++;
        }
        fwrite(text, 1, n, to);
        at += columns;
        text += n;
        text += *text == ' ';
        if (*text == '\n') { /* the indent only where words follow: no line ends in spaces */
            text++;
            fprintf(to, "\n%*s", *text == '\n' ? 0 : (int)indent, "");
            at = indent;
        }
    }
    fputc('\n', to);
}
