/* data/windows: every length, room and stride up to some size, piece by piece against the rule. */
#include "support/support.h"

#include "data/windows.h"

enum { MOST = 24 };

/* How far piece i is from the nearest edge that is not an end of the sequence. */
static size_t distance(size_t i, size_t begin, size_t end, size_t n) {
    const size_t left = begin ? i - begin : SIZE_MAX, right = end < n ? end - 1 - i : SIZE_MAX;
    return left < right ? left : right;
}

static void check(size_t n, size_t room, size_t stride) {
    bcl_window windows[MOST + 1], w = {0};
    size_t count = 0;
    while (bcl_window_next(&w, n, room, stride)) {
        assert_true(count <= MOST);
        windows[count++] = w;
    }
    assert_int_equal(count, bcl_window_count(n, room, stride));
    for (size_t k = 0; k < count; k++) {
        assert_int_equal(windows[k].end - windows[k].begin, n < room ? n : room);
        assert_true(k + 2 > count || windows[k].end - windows[k + 1].begin >= stride);
        assert_true(k + 3 > count || windows[k].end - windows[k + 1].begin == stride);
    }
    assert_true(!count || windows[count - 1].end == n);
    for (size_t i = 0; i < n; i++) {
        size_t best = SIZE_MAX, taken = SIZE_MAX;
        for (size_t k = 0; k < count; k++) {
            const bcl_window *v = &windows[k];
            if (i < v->begin || i >= v->end)
                continue;
            if (best == SIZE_MAX || distance(i, v->begin, v->end, n) >
                                        distance(i, windows[best].begin, windows[best].end, n))
                best = k;
            if (i >= v->lo && i < v->hi) {
                assert_true(taken == SIZE_MAX);
                taken = k;
            }
        }
        assert_true(taken != SIZE_MAX);
        assert_int_equal(taken, best);
    }
}

static void test_every_window(void **state) {
    (void)state;
    for (size_t n = 0; n <= MOST; n++)
        for (size_t room = 1; room <= MOST + 1; room++)
            for (size_t stride = 0; stride < room; stride++)
                check(n, room, stride);
}

static void test_stride(void **state) {
    (void)state;
    size_t stride;
    OK(bcl_window_stride(&stride, 0, 512));
    assert_int_equal(stride, 127);
    OK(bcl_window_stride(&stride, 0, 3));
    assert_int_equal(stride, 0);
    OK(bcl_window_stride(&stride, 509, 512));
    assert_int_equal(stride, 509);
    FAILS(bcl_window_stride(&stride, 510, 512), BCL_ERROR_ARGUMENT, "less than the 510 pieces");
}

/* Three sentences of 3, 12 and 2 rows: a window has the sentence's ids between its specials, a
 * label counts in one of them, and parts put the rows back in order. */
static void test_data_set(void **state) {
    (void)state;
    enum { ROWS = 17 };
    int32_t ids[ROWS], labels[ROWS], seen[ROWS] = {0};
    bcl_sample samples[] = {
        {ids, labels, 3, 0}, {ids + 3, labels + 3, 12, 1}, {ids + 15, labels + 15, 2, 2}};
    const bcl_dataset whole = {
        .samples = samples, .count = 3, .pieces = ROWS, .labelled = 7, .longest = 12};
    bcl_windows w;
    for (int i = 0; i < ROWS; i++) {
        ids[i] = 100 + i;
        labels[i] = i % 2 ? i : -100;
    }
    OK(bcl_windows_create(&w, &whole, 0, 0));
    assert_int_equal(w.data.count, 3);
    assert_ptr_equal(w.data.samples[1].ids, ids + 3);
    assert_int_equal(w.sentences_windowed, 0);
    assert_int_equal(w.data.longest, 12);
    bcl_windows_free(&w);
    OK(bcl_windows_create(&w, &whole, 6, 1)); /* 10 pieces by 4 */
    assert_int_equal(w.data.count, 5);
    assert_int_equal(w.data.pieces, 3 + 3 * 6 + 2);
    assert_int_equal(w.data.longest, 6);
    assert_int_equal(w.sentences_windowed, 1);
    for (size_t k = 0; k < w.data.count; k++) {
        const bcl_part *p = &w.parts[k];
        const bcl_sample *x = &w.data.samples[k], *s = &samples[p->sentence];
        assert_int_equal(x->ids[0], s->ids[0]);
        assert_int_equal(x->ids[x->length - 1], s->ids[s->length - 1]);
        for (int i = 0; i < x->length; i++) {
            const bool taken = i >= p->first && i < p->last;
            const int at = p->at + i - p->first;
            assert_int_equal(x->labels[i], taken ? s->labels[at] : -100);
            if (!taken)
                continue;
            assert_int_equal(x->ids[i], s->ids[at]);
            seen[s->ids[at] - 100]++;
        }
    }
    for (int i = 0; i < ROWS; i++)
        assert_int_equal(seen[i], 1);
    bcl_windows_free(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_window),
                                       cmocka_unit_test(test_stride),
                                       cmocka_unit_test(test_data_set)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
