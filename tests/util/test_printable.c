/* util/printable: what a terminal must not get, and how wide the rest is. */
#include "support/support.h"
#include "util/printable.h"

static void shown_as(const char *text, size_t size, const char *expected) {
    bcl_string s = {0};
    OK(bcl_printable_add(&s, text, size));
    assert_string_equal(s.data, expected);
    bcl_string_free(&s);
}

static void test_escapes(void **state) {
    (void)state;
    shown_as("", 0, "");
    shown_as("plain \\ Größe 東京 \xF0\x9F\x98\x80", 27, "plain \\ Größe 東京 \xF0\x9F\x98\x80");
    shown_as("\x1b[2J\x07 a\nb\tc\r\x7f", 13, "\\x1b[2J\\a a\\nb\\tc\\r\\x7f");
    shown_as("a\0b", 3, "a\\x00b");
    shown_as("\xC2\x9B"
             "2J",
             4, "\\u009b2J"); /* CSI in one character */
    shown_as("\xE2\x80\xAE"
             "abc",
             6, "\\u202eabc");
    shown_as("\xE2\x81\xA6\xE2\x80\xA8", 6, "\\u2066\\u2028");
    shown_as("\xFF\xC3", 2, "\\xff\\xc3");
    shown_as("\xC0\x80\xED\xA0\x80", 5, "\\xc0\\x80\\xed\\xa0\\x80"); /* overlong, surrogate */
}

static void test_ends_before_what_has_no_room(void **state) {
    (void)state;
    char out[6];
    assert_string_equal(bcl_printable(out, sizeof out, "abcdefg"), "abcde");
    assert_string_equal(bcl_printable(out, sizeof out, "abcdé"), "abcd");
    assert_string_equal(bcl_printable(out, sizeof out, "ab\x1b"), "ab");
    assert_string_equal(bcl_printable(out, 1, "a"), "");
}

static void test_messages_are_one_line(void **state) {
    (void)state;
    char longer[2000];
    FAILS(bcl_fail(BCL_ERROR_FORMAT, "%s: bad", "a\x1b[31m\nb"), BCL_ERROR_FORMAT,
          "a\\x1b[31m\\nb: bad");
    memset(longer, 'x', sizeof longer);
    longer[sizeof longer - 1] = 0;
    memcpy(longer + 1010, "ééééé", 10);
    bcl_fail(BCL_ERROR_FORMAT, "%s", longer);
    assert_true(strlen(bcl_message()) < 1024);
    assert_non_null(strchr(bcl_message(), 'x'));
}

static void test_columns(void **state) {
    (void)state;
    assert_int_equal(bcl_columns("abc", 3), 3);
    assert_int_equal(bcl_columns("Größe", strlen("Größe")), 5);
    assert_int_equal(bcl_columns("東京", strlen("東京")), 4);
    assert_int_equal(bcl_columns("e\xCC\x81", 3), 1); /* e and a combining accent */
    assert_int_equal(bcl_columns_fit("Größe", strlen("Größe"), 3), 4);
    assert_int_equal(bcl_columns_fit("東京", strlen("東京"), 3), 3);
    assert_int_equal(bcl_columns_fit("e\xCC\x81x", 4, 1), 3); /* the accent stays with its letter */
    assert_int_equal(bcl_columns_fit("abc", 3, 0), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_escapes),
        cmocka_unit_test(test_ends_before_what_has_no_room),
        cmocka_unit_test(test_messages_are_one_line),
        cmocka_unit_test(test_columns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
