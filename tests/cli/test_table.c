/* cli/table: what a table looks like on terminals of several widths, and in a file. */
#include "cli/terminal.h"
#include "support/support.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Prints a table on a pseudo terminal of `columns` (0: into a file); what came out, with LF alone.
 */
static const char *printed(bcl_table *table, int columns) {
    static char text[10000];
    char *out = text;
    FILE *to;
    int terminal = -1;
    unsetenv("COLUMNS");
    if (columns) {
        struct winsize size = {.ws_row = 24, .ws_col = (unsigned short)columns};
        terminal = posix_openpt(O_RDWR | O_NOCTTY);
        assert_true(terminal >= 0);
        assert_int_equal(grantpt(terminal) | unlockpt(terminal), 0);
        to = fopen(ptsname(terminal), "r+");
        assert_non_null(to);
        assert_int_equal(ioctl(fileno(to), TIOCSWINSZ, &size), 0);
    } else {
        to = tmpfile();
        assert_non_null(to);
    }
    OK(bcl_table_print(table, to));
    fputs("<end>", to); /* a terminal hands over what it has, not all that was written */
    fflush(to);
    if (!columns)
        rewind(to);
    ssize_t n = 0;
    text[0] = 0;
    while (!strstr(text, "<end>")) {
        const ssize_t more =
            read(columns ? terminal : fileno(to), text + n, sizeof text - 1 - (size_t)n);
        assert_true(more > 0);
        text[n += more] = 0;
    }
    n -= (ssize_t)strlen("<end>");
    for (ssize_t i = 0; i < n; i++)
        if (text[i] != '\r')
            *out++ = text[i];
    *out = 0;
    fclose(to);
    if (columns)
        close(terminal);
    return text;
}

static void fill(bcl_table *t, const char *const *cells, size_t count) {
    for (size_t i = 0; i < count; i++)
        bcl_table_add(t, cells[i]);
}

static void check(const char *align, const char *const *cells, size_t count, int columns,
                  const char *expected) {
    bcl_table t = {.align = align};
    fill(&t, cells, count);
    assert_string_equal(printed(&t, columns), expected);
}

static void test_lines_up_by_what_is_shown(void **state) {
    (void)state;
    const char *const cells[] = {"name", "n", "Größe", "12", "東京", "3", NULL, "4"};
    check("lr", cells, 8, 0,
          "name    n\n"
          "Größe  12\n"
          "東京    3\n"
          "        4\n");
    const char *const steering[] = {"tag", "n", "B\x1b[31m", "1"};
    check("lr", steering, 4, 0,
          "tag        n\n"
          "B\\x1b[31m  1\n");
}

static void test_cuts_the_widest_text(void **state) {
    (void)state;
    const char *const cells[] = {
        "path", "what it is", "n", "/a/long/path/to/corpus.conll", "the second thing here", "100"};
    check("plr", cells, 6, 0,
          "path                          what it is               n\n"
          "/a/long/path/to/corpus.conll  the second thing here  100\n");
    check("plr", cells, 6, 56,
          "path                          what it is               n\n"
          "/a/long/path/to/corpus.conll  the second thing here  100\n");
    check("plr", cells, 6, 40,
          "path               what it is          n\n"
          "…/to/corpus.conll  the second thin…  100\n");
}

static void test_goes_on_below(void **state) {
    (void)state;
    const char *const cells[] = {"model",  "loss",   "accuracy", "f1", "runs/first/model",
                                 "0.1234", "0.9876", "0.9123"};
    check("lrrr", cells, 8, 24,
          "model       loss\n"
          "runs/fi…  0.1234\n"
          "\n"
          "model     accuracy\n"
          "runs/fi…    0.9876\n"
          "\n"
          "model         f1\n"
          "runs/fi…  0.9123\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_up_by_what_is_shown),
        cmocka_unit_test(test_cuts_the_widest_text),
        cmocka_unit_test(test_goes_on_below),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
