/* util/svg: well-formed for any values (none, one, constant, NaN, huge, many), nothing of a name is
 * markup, gaps where values are missing, and text that stays inside the picture. */
#include "util/svg.h"

#include "support/support.h"

#include <math.h>

static size_t occurs(const char *text, const char *part) {
    size_t n = 0;
    for (const char *p = text; (p = strstr(p, part)); p += strlen(part))
        n++;
    return n;
}

/* Every opened element is closed, and no number is NaN or infinite. */
static void check_well_formed(const char *svg) {
    assert_non_null(svg);
    assert_int_equal(occurs(svg, "<svg"), 1);
    assert_int_equal(occurs(svg, "</svg>"), 1);
    assert_int_equal(occurs(svg, "<text"), occurs(svg, "</text>"));
    assert_null(strstr(svg, "nan"));
    assert_null(strstr(svg, "inf"));
    assert_null(strstr(svg, "<b>"));
}

static char *lines(const double *x, const double *y, size_t n, bool log_y) {
    bcl_string out = {0};
    const bcl_svg_series series = {.name = "<b>&", .x = x, .y = y, .count = n, .dots = n < 10};
    const bcl_svg_series both[] = {series, series};
    assert_int_equal(bcl_svg_lines(&out, &(bcl_svg_chart){.title = "a <b> title",
                                                          .x_label = "steps",
                                                          .y_label = "loss",
                                                          .series = both,
                                                          .series_count = 2,
                                                          .log_y = log_y}),
                     BCL_OK);
    check_well_formed(out.data);
    return out.data;
}

static void test_lines(void **state) {
    (void)state;
    const double x[] = {1, 2, 3, 4, 5}, y[] = {3, NAN, 2, INFINITY, 1}, same[] = {7, 7, 7, 7, 7},
                 none[] = {NAN, NAN, NAN, NAN, NAN}, huge[] = {1e-300, 1, 1e300, 1e10, 3},
                 below[] = {-5, -1, -3, 0, 1};
    char *svg = lines(x, y, 5, false);
    assert_int_equal(occurs(svg, "<circle"), 6); /* three of each series */
    const char *path = strstr(svg, " d=\"");
    assert_non_null(path);
    assert_int_equal(occurs(path, "M"), 6); /* every point stands alone */
    free(svg);
    svg = lines(x, none, 5, false);
    assert_non_null(strstr(svg, "no values"));
    free(svg);
    svg = lines(x, same, 0, true);
    assert_non_null(strstr(svg, "no values"));
    free(svg);
    free(lines(x, same, 5, true));
    free(lines(x, same, 1, false));
    free(lines(x, huge, 5, true));
    free(lines(x, huge, 5, false));
    free(lines(x, below, 5, true)); /* not logarithmic after all */
}

static void test_many(void **state) {
    (void)state;
    enum { MANY = 100000 };
    double *x = malloc(MANY * sizeof *x), *y = malloc(MANY * sizeof *y);
    assert_true(x && y);
    for (int i = 0; i < MANY; i++) {
        x[i] = i;
        y[i] = i == 500 ? NAN : fabs(sin(i)) + 1.0 / (i + 1);
    }
    char *svg = lines(x, y, MANY, true);
    assert_true(strlen(svg) < 40000); /* columns, not points */
    assert_non_null(strstr(svg, "fill-opacity"));
    free(svg);
    free(x);
    free(y);
}

static void test_bars(void **state) {
    (void)state;
    bcl_string out = {0};
    const char *const labels[] = {"I-LOC", "<b>", "I-ORG"}, *const groups[] = {"raw", "cleaned"};
    const double values[] = {1, 0, 20000, 3, 4, 5}, zeros[6] = {0};
    bcl_svg_bars bars = {.title = "t",
                         .x_label = "tag",
                         .y_label = "words",
                         .labels = labels,
                         .groups = groups,
                         .values = values,
                         .count = 3,
                         .group_count = 2};
    assert_int_equal(bcl_svg_bars_add(&out, &bars), BCL_OK);
    check_well_formed(out.data);
    assert_int_equal(occurs(out.data, "<rect"), 6);
    bcl_string_free(&out);
    bars.values = zeros;
    assert_int_equal(bcl_svg_bars_add(&out, &bars), BCL_OK);
    check_well_formed(out.data);
    assert_non_null(strstr(out.data, "no values"));
    bcl_string_free(&out);
}

static void test_matrix(void **state) {
    (void)state;
    bcl_string out = {0};
    const char *const names[] = {"O", "I-<b>"};
    const double counts[] = {90, 10, 0, 0};
    assert_int_equal(bcl_svg_matrix_add(&out, &(bcl_svg_matrix){"t", names, counts, 2}), BCL_OK);
    assert_non_null(strstr(out.data, "min-width: ")); /* it scrolls before its text is too small */
    assert_null(strstr(out.data, "min-width: 0px"));
    check_well_formed(out.data);
    assert_int_equal(occurs(out.data, "<rect"), 4);
    assert_non_null(strstr(out.data, ">90<"));
    bcl_string_free(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_lines), cmocka_unit_test(test_many),
                                       cmocka_unit_test(test_bars), cmocka_unit_test(test_matrix)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
