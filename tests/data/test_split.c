/* data/split: the rows that pandas 3.1.1 with NumPy 2.4.6 draws; tests/peers/split.py asks it live.
 */
#include "support/support.h"

#include <bertcl/data.h>
#include <math.h>

static void expect(size_t n, double fraction, uint32_t seed, const uint32_t *train, size_t count,
                   const uint32_t *test) {
    uint32_t a[64], b[64];
    size_t na = 0, nb = 0;
    OK(bcl_split(a, &na, b, &nb, n, fraction, seed));
    assert_int_equal(na, count);
    assert_int_equal(nb, n - count);
    assert_memory_equal(a, train, count * sizeof *a);
    assert_memory_equal(b, test, (n - count) * sizeof *b);
}

static void test_rows_of_pandas(void **state) {
    (void)state;
    expect(10, 0.5, 7, (uint32_t[]){8, 5, 0, 2, 1}, 5, (uint32_t[]){3, 4, 6, 7, 9});
    expect(13, 0.8, 200, (uint32_t[]){5, 12, 2, 8, 6, 3, 1, 11, 7, 4}, 10, (uint32_t[]){0, 9, 10});
    /* 4.5 and 3.5 round to even */
    expect(9, 0.5, 4294967295u, (uint32_t[]){5, 1, 8, 7}, 4, (uint32_t[]){0, 2, 3, 4, 6});
    expect(7, 0.5, 0, (uint32_t[]){6, 2, 1, 3}, 4, (uint32_t[]){0, 4, 5});
}

static void test_un_corpus_size(void **state) {
    (void)state;
    uint32_t *train = bcl_calloc(5731, 4), *test = bcl_calloc(5731, 4);
    size_t na, nb;
    OK(bcl_split(train, &na, test, &nb, 5731, 0.8, 200));
    assert_int_equal(na, 4585);
    assert_int_equal(nb, 1146);
    static const uint32_t first[] = {107, 2804, 36, 3527, 582, 1098}, rest[] = {2, 17, 18, 37, 48};
    assert_memory_equal(train, first, sizeof first);
    assert_memory_equal(test, rest, sizeof rest);
    assert_int_equal(train[4583], 168);
    assert_int_equal(train[4584], 2588);
    free(train);
    free(test);
}

static void test_edges(void **state) {
    (void)state;
    uint32_t a[4], b[4];
    size_t na, nb;
    OK(bcl_split(a, &na, b, &nb, 0, 0.8, 1));
    assert_int_equal(na + nb, 0);
    OK(bcl_split(a, &na, b, &nb, 1, 1, 1));
    assert_int_equal(na, 1);
    OK(bcl_split(a, &na, b, &nb, 4, 0, 1));
    assert_int_equal(nb, 4);
    FAILS(bcl_split(a, &na, b, &nb, 4, 1.01, 1), BCL_ERROR_ARGUMENT, "found fraction 1.01");
    FAILS(bcl_split(a, &na, b, &nb, 4, -0.1, 1), BCL_ERROR_ARGUMENT, "expected 0 to 1");
    FAILS(bcl_split(a, &na, b, &nb, 4, (double)NAN, 1), BCL_ERROR_ARGUMENT, "fraction");
    FAILS(bcl_split(a, &na, b, &nb, (size_t)1 << 32, 0.5, 1), BCL_ERROR_ARGUMENT, "2^32");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_of_pandas),
        cmocka_unit_test(test_un_corpus_size),
        cmocka_unit_test(test_edges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
