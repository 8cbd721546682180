/* util/checksum: the standards' examples, in one piece and in pieces that cross the blocks' edges;
 * a file that is not there. */
#include "util/checksum.h"

#include "support/support.h"

#include <unistd.h>

static void test_examples(void **state) {
    (void)state;
    char text[65];
    bcl_sha256(text, "", 0);
    assert_string_equal(text, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    bcl_sha256(text, "abc", 3);
    assert_string_equal(text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    bcl_checksum s;
    bcl_checksum_begin(&s, true);
    bcl_checksum_add(&s, "abc", 3);
    bcl_checksum_end(&s, text);
    assert_string_equal(text, "a9993e364706816aba3e25717850c26c9cd0d89d");
    bcl_checksum_begin(&s, false);
    for (int i = 0; i < 1000000; i += 50) /* FIPS 180-4's million times "a" */
        bcl_checksum_add(&s, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 50);
    bcl_checksum_end(&s, text);
    assert_string_equal(text, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

static void test_file(void **state) {
    (void)state;
    char text[65], path[] = "/tmp/bertcl-checksum-XXXXXX";
    const int file = mkstemp(path);
    assert_true(file >= 0);
    assert_int_equal(write(file, "abc", 3), 3);
    close(file);
    assert_int_equal(bcl_sha256_file(text, path), BCL_OK);
    assert_string_equal(text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    unlink(path);
    assert_int_equal(bcl_sha256_file(text, path), BCL_ERROR_IO);
    assert_non_null(strstr(bcl_message(), path));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_examples),
                                       cmocka_unit_test(test_file)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
