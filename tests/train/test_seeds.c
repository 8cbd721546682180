/* Which seeds are meant, what is kept of them, and mean and deviation of their runs' figures. */
#include "support/support.h"
#include "train/seeds.h"

#include <math.h>

static void check(const char *text, const int64_t *want, size_t n) {
    int64_t *seeds = NULL;
    size_t count = 0;
    OK(bcl_seeds_parse(&seeds, &count, text));
    assert_int_equal(count, n);
    assert_memory_equal(seeds, want, n * sizeof *want);
    free(seeds);
}

static void test_parse(void **state) {
    static const char *const wrong[] = {
        "",     "0",   "1001", "x",   "-1", "1,1", "1,,2",
        "1 ,2", "3.5", ",1",   "1e3", "+2", "1;2", "99999999999999999999"};
    int64_t *seeds = NULL;
    size_t count;
    (void)state;
    check("3", (int64_t[]){0, 1, 2}, 3);
    check("1", (int64_t[]){0}, 1);
    check("7,1,12", (int64_t[]){7, 1, 12}, 3);
    check("42,", (int64_t[]){42}, 1);
    check("9007199254740992,0", (int64_t[]){9007199254740992, 0}, 2);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        FAILS(bcl_seeds_parse(&seeds, &count, wrong[i]), BCL_ERROR_ARGUMENT, "--seeds: found");
}

static void write_text(const char *path, const char *text) {
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void test_record(void **state) {
    static const char *const damaged[] = {"{}",
                                          "{\"seeds\": [], \"options\": []}",
                                          "{\"seeds\": [1.5], \"options\": []}",
                                          "{\"seeds\": [-1], \"options\": []}",
                                          "{\"seeds\": [1], \"options\": [\"rm\"]}",
                                          "{\"seeds\": [1], \"options\": [7]}"};
    char *folder = test_folder(), *path = NULL;
    int64_t list[] = {3, 9007199254740992};
    bcl_seeds s = {0}, back = {0};
    (void)state;
    OK(bcl_path_join(&path, folder, "seeds.json"));
    s.seeds = list;
    s.count = 2;
    OK(bcl_seeds_add_word(&s, "--data=a b\xff"));
    OK(bcl_seeds_add_word(&s, "--data-more=x"));
    OK(bcl_seeds_add_word(&s, "--data=c=d"));
    OK(bcl_seeds_write(&s, path));
    OK(bcl_seeds_read(&back, path));
    assert_int_equal(back.count, 2);
    assert_memory_equal(back.seeds, list, sizeof list);
    assert_int_equal(back.word_count, 3);
    assert_string_equal(back.words[0], "--data=a b\xff");
    bcl_seeds_drop_option(&back, "--data=e");
    assert_int_equal(back.word_count, 1);
    assert_string_equal(back.words[0], "--data-more=x");
    bcl_seeds_free(&back);
    s.seeds = NULL;
    bcl_seeds_free(&s);
    for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++) {
        write_text(path, damaged[i]);
        FAILS(bcl_seeds_read(&back, path), BCL_ERROR_FORMAT, "seeds.json: ");
        bcl_seeds_free(&back);
    }
    free(path);
    free(folder);
}

static void test_results(void **state) {
    char *folder = test_folder(), *path = NULL;
    bcl_seed_result r[3];
    double mean[BCL_SEED_FIGURES], sd[BCL_SEED_FIGURES];
    (void)state;
    OK(bcl_path_join(&path, folder, "results.json"));
    write_text(path, "{\"train\": {\"loss\": 0.5}, \"dev\": {\"loss\": 2, \"accuracy\": 0.9, "
                     "\"entities\": {\"micro avg\": {\"f1-score\": 0.75}}}, "
                     "\"selection\": {\"epoch\": 4}}");
    OK(bcl_seed_result_read(&r[0], 7, path));
    assert_true(r[0].seed == 7 && r[0].epoch == 4 && r[0].figures[BCL_SEED_TRAIN_LOSS] == 0.5);
    assert_true(r[0].figures[BCL_SEED_DEV_ENTITY_F1] == 0.75);
    assert_true(isnan(r[0].figures[BCL_SEED_DEV_MACRO_F1]));
    assert_true(isnan(r[0].figures[BCL_SEED_TEST_LOSS]));
    r[2] = r[1] = r[0];
    r[1].figures[BCL_SEED_DEV_LOSS] = 4;
    r[2].figures[BCL_SEED_DEV_LOSS] = 9;
    bcl_seeds_summarize(mean, sd, r, 3);
    assert_true(mean[BCL_SEED_DEV_LOSS] == 5);
    assert_true(fabs(sd[BCL_SEED_DEV_LOSS] - sqrt(13)) < 1e-12); /* (9 + 1 + 16) / 2 */
    assert_true(mean[BCL_SEED_DEV_ACCURACY] == 0.9 && sd[BCL_SEED_DEV_ACCURACY] == 0);
    assert_true(isnan(mean[BCL_SEED_TEST_LOSS]) && isnan(sd[BCL_SEED_TEST_LOSS]));
    bcl_seeds_summarize(mean, sd, r, 1);
    assert_true(mean[BCL_SEED_DEV_LOSS] == 2 && isnan(sd[BCL_SEED_DEV_LOSS]));
    write_text(path, "{}");
    FAILS(bcl_seed_result_read(&r[0], 7, path), BCL_ERROR_FORMAT, "no training loss");
    free(path);
    free(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_parse), cmocka_unit_test(test_record),
                                       cmocka_unit_test(test_results)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
