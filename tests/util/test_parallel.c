/* util/parallel: every item once, merged in order whatever the threads do, the first failure with
 * its message. */
#include "support/support.h"

#include <bertcl/status.h>

enum { COUNT = 1000, WORKERS = 16 };

typedef struct record {
    int worked[COUNT];    /* how often */
    size_t merged[COUNT]; /* items in the order of merging */
    size_t merged_count;
    size_t held[WORKERS];         /* what each worker's last work() began with */
    size_t fail_work, fail_merge; /* at these items */
} record;

static bcl_status work(void *context, size_t worker, size_t begin, size_t end) {
    record *r = context;
    volatile double sum = 0;
    for (size_t i = 0; i < (begin * 7919) % 5 * 3000; i++) /* uneven */
        sum = sum + (double)i;
    for (size_t i = begin; i < end; i++) {
        r->worked[i]++;
        if (i >= r->fail_work)
            return bcl_fail(BCL_ERROR_FORMAT, "item %zu is bad", i);
    }
    r->held[worker] = begin;
    return BCL_OK;
}

static bcl_status merge(void *context, size_t worker, size_t begin, size_t end) {
    record *r = context;
    assert_int_equal(r->held[worker], begin);
    for (size_t i = begin; i < end; i++) {
        if (i == r->fail_merge)
            return bcl_fail(BCL_ERROR_IO, "no room for %zu", i);
        r->merged[r->merged_count++] = i;
    }
    return BCL_OK;
}

static record *make(void) {
    record *r = calloc(1, sizeof *r);
    assert_non_null(r);
    r->fail_work = r->fail_merge = SIZE_MAX;
    return r;
}

static void check_merged(const record *r, size_t count) {
    assert_int_equal(r->merged_count, count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(r->merged[i], i);
}

static void test_all_in_order(void **state) {
    (void)state;
    const size_t counts[] = {0, 1, 6, 7, 8, 999, COUNT}, grains[] = {1, 7, 999, COUNT, 5000};
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++)
        for (size_t g = 0; g < sizeof grains / sizeof *grains; g++) {
            record *r = make();
            const bcl_parallel job = {counts[c], grains[g], work, merge, r};
            const size_t workers = bcl_parallel_workers(&job);
            assert_true(workers >= 1 && workers <= WORKERS);
            OK(bcl_parallel_run(&job));
            check_merged(r, counts[c]);
            for (size_t i = 0; i < COUNT; i++)
                assert_int_equal(r->worked[i], i < counts[c]);
            free(r);
        }
}

static void test_first_failure(void **state) {
    (void)state;
    for (int round = 0; round < 20; round++) {
        /* every piece from item 500 on fails: the one at 500 is the first */
        record *r = make();
        const bcl_parallel job = {COUNT, 10, work, merge, r};
        r->fail_work = 500;
        FAILS(bcl_parallel_run(&job), BCL_ERROR_FORMAT, "item 500 is bad");
        check_merged(r, 500);
        free(r);
    }
}

static void test_merge_failure(void **state) {
    (void)state;
    record *r = make();
    const bcl_parallel job = {COUNT, 10, work, merge, r};
    r->fail_merge = 203;
    r->fail_work = 400;
    FAILS(bcl_parallel_run(&job), BCL_ERROR_IO, "no room for 203");
    check_merged(r, 203);
    free(r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_in_order),
        cmocka_unit_test(test_first_failure),
        cmocka_unit_test(test_merge_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
