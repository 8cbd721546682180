/* util/: the helpers that everything else leans on. */
#include "support/support.h"

#include <cjson/cJSON.h>

static void test_philox_known_answers(void **state) {
    (void)state; /* from Random123's kat_vectors */
    uint32_t out[4];
    bcl_philox(out, (uint32_t[4]){0, 0, 0, 0}, (uint32_t[2]){0, 0});
    assert_int_equal(out[0], 0x6627e8d5);
    assert_int_equal(out[3], 0x9b00dbd8);
    bcl_philox(out, (uint32_t[4]){0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
               (uint32_t[2]){0xffffffff, 0xffffffff});
    assert_int_equal(out[0], 0x408f276d);
    assert_int_equal(out[1], 0x41c83b0e);
    assert_int_equal(out[2], 0xa20bc7c6);
    assert_int_equal(out[3], 0x6d5451fd);
}

static void test_grow_refuses_overflow(void **state) {
    (void)state;
    int *p = NULL;
    size_t capacity = 0;
    FAILS(bcl_grow(&p, &capacity, SIZE_MAX / 2, sizeof *p), BCL_ERROR_MEMORY, "out of memory");
    assert_null(p);
    assert_null(bcl_calloc(SIZE_MAX, 2));
}

static void test_writer_is_all_or_nothing(void **state) {
    (void)state;
    char *folder = test_folder(), *path = NULL, *text = NULL, **names = NULL;
    size_t size, count;
    OK(bcl_path_join(&path, folder, "a file"));
    OK(bcl_file_write(path, "old", 3));
    bcl_writer w;
    OK(bcl_writer_open(&w, path));
    OK(bcl_writer_write(&w, "new text", 8));
    bcl_writer_discard(&w);
    OK(bcl_file_read(&text, &size, path));
    assert_string_equal(text, "old");
    OK(bcl_directory_list(&names, &count, folder));
    assert_int_equal(count, 1);
    FAILS(bcl_file_write("/dev/full/x", "a", 1), BCL_ERROR_IO, "/dev/full/x");
    bcl_strings_free(names, count);
    free(text);
    free(path);
    free(folder);
}

static void test_shuffle_is_a_permutation(void **state) {
    (void)state;
    uint32_t a[100], b[100];
    unsigned char seen[100] = {0};
    bcl_shuffle(a, 100, 7);
    bcl_shuffle(b, 100, 7);
    assert_memory_equal(a, b, sizeof a);
    bcl_shuffle(b, 100, 8);
    assert_memory_not_equal(a, b, sizeof a);
    for (int i = 0; i < 100; i++)
        seen[a[i]]++;
    for (int i = 0; i < 100; i++)
        assert_int_equal(seen[i], 1);
}

/* File names are any bytes; JSON is UTF-8. */
static void test_json_bytes(void **state) {
    (void)state;
    static const char *const names[] = {"plain",
                                        "caf\xe9",
                                        "\xff\xfe",
                                        "\xed\xa0\x80",
                                        "\xc3\xa9 \xc3",
                                        "\\udc80",
                                        "\\\\udcff \xf0\x9f\x98\x80\x80",
                                        "\"\xe9\\"};
    char *folder = test_folder(), *path = NULL, *text = NULL;
    size_t size;
    OK(bcl_path_join(&path, folder, "x.json"));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        cJSON *json = cJSON_CreateObject(), *again = NULL;
        bcl_string s = {0};
        cJSON_AddStringToObject(json, names[i], names[i]);
        OK(bcl_json_write(json, path));
        OK(bcl_file_read(&text, &size, path));
        assert_false(bcl_json_has_bytes(text, size));
        OK(bcl_json_read_own(&again, path));
        assert_string_equal(again->child->string, names[i]);
        assert_string_equal(again->child->valuestring, names[i]);
        OK(bcl_json_add_string(&s, names[i], strlen(names[i])));
        assert_false(bcl_json_has_bytes(s.data, s.size));
        bcl_string_free(&s);
        cJSON_Delete(json);
        cJSON_Delete(again);
        free(text);
    }
    char pair[] = "\\ud83d\\ude00\\udce9\\uDC80\\ud83d", cut[] = "\\udc8";
    assert_int_equal(bcl_json_unescape_bytes(pair, strlen(pair)), 12 + 2 + 6);
    assert_string_equal(pair, "\\ud83d\\ude00\xe9\x80\\ud83d");
    assert_int_equal(bcl_json_unescape_bytes(cut, strlen(cut)), 5);
    free(path);
    free(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_bytes),
        cmocka_unit_test(test_philox_known_answers),
        cmocka_unit_test(test_grow_refuses_overflow),
        cmocka_unit_test(test_writer_is_all_or_nothing),
        cmocka_unit_test(test_shuffle_is_a_permutation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
