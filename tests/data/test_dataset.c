/* data/dataset: thousands of sentences, encoded by several threads, are what one after the other
 * gives. */
#include "support/support.h"

#include "data/dataset.h"

enum { SENTENCES = 5000 };

static char *folder;
static bcl_tokenizer *tokenizer;
static bcl_corpus *corpus;

static uint32_t draw(uint32_t *seed, uint32_t n) {
    *seed = *seed * 1664525u + 1013904223u;
    return (*seed >> 8) % n;
}

static int setup(void **state) {
    (void)state;
    static const char vocabulary[] =
        "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nab\nba\n##a\n##b\n##ab\na\nb\n.\n";
    bcl_string text = {0};
    char *path = NULL;
    uint32_t seed = 1;
    folder = test_folder();
    OK(bcl_path_join(&path, folder, "vocab.txt"));
    OK(bcl_file_write(path, vocabulary, sizeof vocabulary - 1));
    free(path);
    OK(bcl_tokenizer_load(&tokenizer, folder));
    for (int i = 0; i < SENTENCES; i++) {
        for (uint32_t k = 1 + draw(&seed, 12); k; k--) {
            for (uint32_t c = 1 + draw(&seed, 6); c; c--)
                OK(bcl_string_add(&text, &"abc"[draw(&seed, draw(&seed, 9) ? 2 : 3)], 1));
            OK(bcl_string_addf(&text, "\tI-%u\n", draw(&seed, 4)));
        }
        OK(bcl_string_add(&text, "\n", 1));
    }
    OK(bcl_path_join(&path, folder, "data.conll"));
    OK(bcl_file_write(path, text.data, text.size));
    bcl_string_free(&text);
    const char *paths = path;
    OK(bcl_corpus_read(&corpus, &paths, 1, NULL));
    free(path);
    assert_int_equal(bcl_corpus_size(corpus), SENTENCES);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    bcl_corpus_free(corpus);
    bcl_tokenizer_free(tokenizer);
    free(folder);
    return 0;
}

static void check(const uint32_t *rows, size_t count, size_t max_length, bcl_label_pieces which) {
    bcl_dataset d;
    bcl_encoding e = {0};
    const int32_t ids[] = {3, 1, 0, 2};
    size_t pieces = 0, labelled = 0, words_cut = 0, sentences_cut = 0;
    int longest = 0;
    assert_int_equal(bcl_corpus_tag_count(corpus), 4);
    OK(bcl_dataset_encode(&d, corpus, rows, count, tokenizer, ids, max_length, which));
    assert_int_equal(d.count, count);
    for (size_t i = 0; i < count; i++) {
        const bcl_sentence s = bcl_corpus_sentence(corpus, rows ? rows[i] : i);
        const bcl_sample *x = &d.samples[i];
        OK(bcl_tokenizer_encode_words(tokenizer, s.words, NULL, s.size, max_length, &e));
        assert_int_equal(x->length, e.count);
        assert_int_equal(x->number, i);
        assert_ptr_equal(x->ids, d.storage + 2 * pieces);
        assert_memory_equal(x->ids, e.ids, e.count * sizeof *e.ids);
        for (size_t k = 0; k < e.count; k++) {
            const int32_t word = e.word_ids[k];
            const bool counts =
                word >= 0 && (which == BCL_LABEL_ALL || !k || e.word_ids[k - 1] != word);
            assert_int_equal(x->labels[k], counts ? ids[s.tags[word]] : -100);
            labelled += counts;
        }
        pieces += e.count;
        words_cut += e.words_cut;
        sentences_cut += e.words_cut > 0;
        longest = (int)e.count > longest ? (int)e.count : longest;
    }
    assert_int_equal(d.pieces, pieces);
    assert_int_equal(d.labelled, labelled);
    assert_int_equal(d.words_cut, words_cut);
    assert_int_equal(d.sentences_cut, sentences_cut);
    assert_int_equal(d.longest, longest);
    bcl_encoding_free(&e);
    bcl_dataset_free(&d);
}

static void test_as_one_by_one(void **state) {
    (void)state;
    uint32_t rows[SENTENCES];
    for (uint32_t i = 0; i < SENTENCES; i++)
        rows[i] = i;
    bcl_shuffle(rows, SENTENCES, 5);
    check(NULL, SENTENCES, 0, BCL_LABEL_ALL);
    check(rows, SENTENCES, 12, BCL_LABEL_FIRST);
    check(rows, 513, 0, BCL_LABEL_ALL);
    check(rows, 1, 0, BCL_LABEL_ALL);
    check(NULL, 0, 0, BCL_LABEL_ALL);
}

static void test_failure(void **state) {
    (void)state;
    bcl_dataset d;
    FAILS(bcl_dataset_encode(&d, corpus, NULL, SENTENCES, tokenizer, NULL, 1, BCL_LABEL_ALL),
          BCL_ERROR_FORMAT, "data.conll:1: max_length 1");
    assert_null(d.samples);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_one_by_one),
        cmocka_unit_test(test_failure),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
