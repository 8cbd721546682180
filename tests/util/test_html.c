/* util/html: nothing can be markup, and every pair of colours can be read. */
#include "support/support.h"
#include "util/html.h"

#include <math.h>

static void test_nothing_is_markup(void **state) {
    (void)state;
    static const char given[] =
        "<b a='1' c=\"2\">&\x1b[31m\xff\xc2\x85\xed\xa0\x80 \xe2\x82\xac\t\n";
    bcl_string s = {0};
    OK(bcl_html_add(&s, given, sizeof given - 1));
    assert_string_equal(s.data, "&lt;b a=&#39;1&#39; c=&quot;2&quot;&gt;&amp;\xEF\xBF\xBD[31m"
                                "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD "
                                "\xe2\x82\xac\t\n");
    bcl_string_free(&s);
    OK(bcl_html_add(&s, "a\xe2\x82", 3)); /* a character that does not end */
    assert_string_equal(s.data, "a\xEF\xBF\xBD\xEF\xBF\xBD");
    bcl_string_free(&s);
}

static void test_page(void **state) {
    (void)state;
    bcl_string s = {0};
    setenv("SOURCE_DATE_EPOCH", "1700000000", 1);
    OK(bcl_html_open(&s, "a < b", (bcl_html_fact[]){{"Model", "m&m"}, {"Data", NULL}}, 2));
    OK(bcl_html_close(&s));
    assert_non_null(strstr(s.data, "<title>a &lt; b</title>"));
    assert_non_null(strstr(s.data, "<dt>Model</dt><dd>m&amp;m</dd>\n"
                                   "<dt>Date</dt><dd>2023-11-14 22:13 UTC</dd>"));
    assert_null(strstr(s.data, "Data"));
    assert_null(strstr(s.data, "<script"));
    assert_null(strstr(s.data, "http:"));
    assert_null(strstr(s.data, "url("));
    unsetenv("SOURCE_DATE_EPOCH");
    bcl_string_free(&s);
}

/* ---- contrast, as WCAG 2.2 defines it ---- */

typedef struct colour {
    double r, g, b;
} colour;

static double linear(double c) {
    return c <= .04045 ? c / 12.92 : pow((c + .055) / 1.055, 2.4);
}

static double contrast(colour a, colour b) {
    const double x = .2126 * linear(a.r) + .7152 * linear(a.g) + .0722 * linear(a.b) + .05;
    const double y = .2126 * linear(b.r) + .7152 * linear(b.g) + .0722 * linear(b.b) + .05;
    return x > y ? x / y : y / x;
}

/* "--name: " in the light part of the style, or in the dark one. */
static const char *value(const char *page, bool dark, const char *name) {
    char key[32];
    snprintf(key, sizeof key, "--%s: ", name);
    const char *from = dark ? strstr(page, "prefers-color-scheme: dark") : page;
    const char *at = from ? strstr(from, key) : NULL;
    assert_non_null(at);
    return at + strlen(key);
}

static colour named(const char *page, bool dark, const char *name) {
    unsigned r, g, b;
    assert_int_equal(sscanf(value(page, dark, name), "#%2x%2x%2x", &r, &g, &b), 3);
    return (colour){r / 255., g / 255., b / 255.};
}

static colour hue(const char *page, bool dark, int h, const char *s, const char *l) {
    const double S = atof(value(page, dark, s)) / 100, L = atof(value(page, dark, l)) / 100;
    double out[3];
    for (int i = 0; i < 3; i++) {
        const double k = fmod((const double[]){0, 8, 4}[i] + h / 30., 12);
        const double ramp = fmax(-1, fmin(fmin(k - 3, 9 - k), 1));
        out[i] = L - S * fmin(L, 1 - L) * ramp;
    }
    return (colour){out[0], out[1], out[2]};
}

static void check_pair(const char *what, double found) {
    if (!(found >= 4.5))
        fail_msg("%s: contrast %.2f, expected at least 4.5", what, found);
}

static void test_contrast(void **state) {
    (void)state;
    static const char *const on_paper[] = {"ink", "soft", "link", "edge", "s1",
                                           "s2",  "s3",   "s4",   "s5",   "s6"};
    bcl_string s = {0};
    OK(bcl_html_open(&s, "", NULL, 0));
    for (int dark = 0; dark < 2; dark++) {
        const colour paper = named(s.data, dark, "paper"), ink = named(s.data, dark, "ink");
        for (size_t i = 0; i < sizeof on_paper / sizeof *on_paper; i++)
            check_pair(on_paper[i], contrast(named(s.data, dark, on_paper[i]), paper));
        check_pair("ok", contrast(ink, named(s.data, dark, "ok")));
        check_pair("bad", contrast(ink, named(s.data, dark, "bad")));
        for (int h = 0; h < 360; h++) {
            const colour behind = hue(s.data, dark, h, "mark-s", "mark-l");
            check_pair("marked text", contrast(ink, behind));
            check_pair("a tag", contrast(hue(s.data, dark, h, "tag-s", "tag-l"), behind));
        }
    }
    bcl_string_free(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_markup),
        cmocka_unit_test(test_page),
        cmocka_unit_test(test_contrast),
    };
    return cmocka_run_group_tests_name("html", tests, NULL, NULL);
}
