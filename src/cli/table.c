/* Tables that fit the terminal. */
#include "cli/terminal.h"

#include <stdarg.h>

enum { GAP = 2, LEAST_TEXT = 8 }; /* columns between two, and what a cut text keeps */

static void end_cell(bcl_table *t) {
    if (!t->status)
        t->status = bcl_grow(&t->ends, &t->capacity, t->count + 1, sizeof *t->ends);
    if (!t->status)
        t->ends[t->count++] = t->text.size;
}

void bcl_table_add(bcl_table *t, const char *cell) {
    if (!t->status && cell)
        t->status = bcl_printable_add(&t->text, cell, strlen(cell));
    end_cell(t);
}

void bcl_table_addf(bcl_table *t, const char *format, ...) {
    char cell[256];
    va_list args;
    va_start(args, format);
    vsnprintf(cell, sizeof cell, format, args);
    va_end(args);
    bcl_table_add(t, cell);
}

void bcl_table_free(bcl_table *t) {
    bcl_string_free(&t->text);
    free(t->ends);
    *t = (bcl_table){0};
}

static const char *cell_at(const bcl_table *t, size_t i, size_t *size) {
    const size_t begin = i ? t->ends[i - 1] : 0;
    *size = t->ends[i] - begin;
    return t->text.data + begin;
}

/* Cuts the widest text again and again until the table fits or all texts are down to `least`. */
static bool narrow(size_t *widths, const char *align, size_t count, size_t room, size_t least) {
    for (;;) {
        size_t sum = GAP * (count - 1), widest = count;
        for (size_t c = 0; c < count; c++) {
            sum += widths[c];
            if (align[c] != 'r' && widths[c] > least &&
                (widest == count || widths[c] >= widths[widest]))
                widest = c;
        }
        if (sum <= room || widest == count)
            return sum <= room;
        widths[widest]--;
    }
}

static void pad(FILE *to, size_t columns) {
    fprintf(to, "%*s", (int)columns, "");
}

/* The last `columns` of a text, at least. */
static size_t skip_to_end(const char *text, size_t size, size_t columns) {
    size_t from = 0;
    while (bcl_columns(text + from, size - from) > columns)
        do
            from++;
        while (from < size && (text[from] & 0xC0) == 0x80);
    return from;
}

static void print_cell(const bcl_table *t, size_t i, size_t width, bool last, FILE *to) {
    const char align = t->align[i % strlen(t->align)];
    size_t size;
    const char *text = cell_at(t, i, &size);
    size_t columns = size ? bcl_columns(text, size) : 0;
    const bool cut = columns > width, head = cut && align == 'p';
    if (head) {
        const size_t from = skip_to_end(text, size, width - 1);
        text += from;
        size -= from;
    } else if (cut) {
        size = bcl_columns_fit(text, size, width - 1);
    }
    if (cut)
        columns = bcl_columns(text, size) + 1;
    if (align == 'r')
        pad(to, width - columns);
    fputs(head ? "…" : "", to);
    fwrite(size ? text : "", 1, size, to);
    fputs(cut && !head ? "…" : "", to);
    if (align != 'r' && !last)
        pad(to, width - columns);
}

/* Columns [from, end) of all rows, led by the first column where it is not among them. */
static void print_block(const bcl_table *t, const size_t *widths, size_t columns, size_t from,
                        size_t end, FILE *to) {
    for (size_t row = 0; row < t->count / columns; row++) {
        if (from) {
            print_cell(t, row * columns, widths[0], false, to);
            pad(to, GAP);
        }
        for (size_t c = from; c < end; c++) {
            print_cell(t, row * columns + c, widths[c], c + 1 == end, to);
            if (c + 1 < end)
                pad(to, GAP);
        }
        fputc('\n', to);
    }
}

static bcl_status measure(size_t *widths, const bcl_table *t, size_t columns, size_t room) {
    bcl_status status = BCL_OK;
    size_t *natural = NULL;
    BCL_NEW(natural, columns);
    for (size_t i = 0; i < t->count; i++) {
        size_t size;
        const char *text = cell_at(t, i, &size);
        const size_t n = size ? bcl_columns(text, size) : 0;
        if (n > natural[i % columns])
            natural[i % columns] = n;
    }
    memcpy(widths, natural, columns * sizeof *widths);
    if (!narrow(widths, t->align, columns, room, LEAST_TEXT)) {
        /* It will be printed in several tables: texts need not suffer for all of them. */
        memcpy(widths, natural, columns * sizeof *widths);
        narrow(widths, t->align, columns, 0, room / 3);
    }
out:
    free(natural);
    return status;
}

bcl_status bcl_table_print(bcl_table *t, FILE *to) {
    bcl_status status = t->status;
    const size_t columns = strlen(t->align);
    const size_t room = bcl_terminal_room(to);
    size_t *widths = NULL;
    BCL_TRY(status);
    BCL_NEW(widths, columns);
    BCL_TRY(measure(widths, t, columns, room));
    for (size_t from = 0, end; from < columns; from = end) {
        size_t used = from ? widths[0] + GAP + widths[from] : widths[0];
        for (end = from + 1; end < columns && used + GAP + widths[end] <= room; end++)
            used += GAP + widths[end];
        if (from)
            fputc('\n', to);
        print_block(t, widths, columns, from, end, to);
    }
out:
    free(widths);
    bcl_table_free(t);
    return status;
}
