#include "support/support.h"

#include <unistd.h>

/* One case of a program, by a pattern with * and ?. */
__attribute__((constructor)) static void choose_cases(void) {
    const char *pattern = getenv("BERTCL_TEST_CASE");
    if (pattern && *pattern)
        cmocka_set_test_filter(pattern);
}

bool test_all(void) {
    const char *value = getenv("BERTCL_TEST_ALL");
    return value && *value;
}

static char *folders[128];
static size_t folder_count;

static void remove_folders(void) {
    for (size_t i = 0; i < folder_count; i++) {
        bcl_path_remove(folders[i]);
        free(folders[i]);
    }
}

char *test_folder(void) {
    const char *base = getenv("TMPDIR");
    char *path = NULL, *copy = NULL;
    OK(bcl_format(&path, "%s/bertcl-test-XXXXXX", base ? base : "/tmp"));
    assert_non_null(mkdtemp(path));
    assert_true(folder_count < 128);
    if (!folder_count)
        atexit(remove_folders);
    folders[folder_count++] = path;
    OK(bcl_strdup(&copy, path));
    return copy;
}

const char *test_corpus(void) {
    static char path[4096];
    const char *named = getenv("BERTCL_UN_NER"), *tests = getenv("BERTCL_TESTS");
    if (named)
        return *named ? named : NULL;
    snprintf(path, sizeof path, "%s/../../shared/un-ner", tests ? tests : "tests");
    return bcl_path_is_directory(path) ? path : NULL;
}
