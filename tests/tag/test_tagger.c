/* The tagger: order, batches, windows, cut words, what it refuses; sentences of documents. The
 * pipeline itself is compared live in tests/peers/predict.py. */
#include "support/device.h"
#include "support/tiny_model.h"

#include <bertcl/tagger.h>

static char *model;

/* One device a process: taggers come and go on it one after another. */
typedef struct seen {
    char *json[512]; /* what came of each text, by number */
    size_t count;
    size_t words_cut, windows, labelled;
} seen;

static bcl_status keep(void *context, const bcl_tagged *r) {
    seen *s = context;
    bcl_string out = {0};
    assert_int_equal(r->number, s->count);
    assert_true(s->count < 512);
    OK(bcl_string_addf(&out, "%.*s|", (int)r->size, r->text));
    for (size_t i = 0; i < r->entity_count; i++) {
        const bcl_tagged_entity *e = &r->entities[i];
        OK(bcl_string_addf(&out, "%s %zu %s %zu-%zu %zu-%zu %.4f|", e->label, e->index, e->word,
                           e->start, e->end, e->start_byte, e->end_byte, (double)e->score));
    }
    for (size_t i = 0; i < r->word_count; i++)
        s->labelled += r->words[i].score > 0;
    s->words_cut += r->words_cut;
    s->windows += r->windows;
    s->json[s->count++] = out.data;
    return BCL_OK;
}

static void forget(seen *s) {
    for (size_t i = 0; i < s->count; i++)
        free(s->json[i]);
    *s = (seen){0};
}

static bcl_tagger *open_tagger(seen *s, bcl_tagger_options options) {
    bcl_tagger *t = NULL;
    options.device = getenv("BERTCL_DEVICE");
    options.sink = keep;
    options.context = s;
    OK(bcl_tagger_open(&t, model, &options));
    return t;
}

static bcl_status check_words(void *context, const bcl_tagged *r) {
    size_t *entities = context;
    for (size_t i = 0; i < r->entity_count; i++, ++*entities) {
        const bcl_tagged_entity *e = &r->entities[i];
        assert_true(!e->start_byte || r->text[e->start_byte - 1] == ' ');
        assert_true(e->end_byte == r->size || r->text[e->end_byte] == ' ');
    }
    return BCL_OK;
}

/* Labels that are decoded are those of given words, not of what BERT cuts at punctuation. */
static void test_constrained_words(void **state) {
    (void)state;
    static const char *const words[] = {"ab-cd", "x.y.z", "one", "", "e-f", "it's", "a/b/c"};
    size_t entities = 0;
    bcl_tagger *t = NULL;
    const bcl_tagger_options options = {.device = getenv("BERTCL_DEVICE"),
                                        .aggregation = BCL_AGGREGATION_FIRST,
                                        .constrain = true,
                                        .sink = check_words,
                                        .context = &entities};
    OK(bcl_tagger_open(&t, model, &options));
    for (size_t i = 0; i < 7; i++)
        OK(bcl_tagger_add_words(t, words + i, NULL, 7 - i, NULL));
    OK(bcl_tagger_flush(t));
    assert_true(entities > 0);
    bcl_tagger_free(t);
}

static void test_options(void **state) {
    (void)state;
    static const bcl_tagger_options wrong[] = {
        {.min_score = 1.5},
        {.temperature = 1e9},
        {.constrain = true, .aggregation = BCL_AGGREGATION_SIMPLE}};
    static const char *const parts[] = {"min-score", "temperature", "aggregation simple"};
    for (size_t i = 0; i < 3; i++) {
        bcl_tagger *t = NULL;
        bcl_tagger_options options = wrong[i];
        options.device = getenv("BERTCL_DEVICE");
        FAILS(bcl_tagger_open(&t, model, &options), BCL_ERROR_ARGUMENT, parts[i]);
        assert_null(t);
    }
}

static const char *const texts[] = {"ab cd, ef.", "",     "one two three",       "x",
                                    " ",          "?! 9", "\xC3\xA9t\xC3\xA9 ab"};
enum { TEXTS = sizeof texts / sizeof *texts };

static void run_texts(seen *s, size_t batch_tokens, size_t rounds, bcl_aggregation aggregation) {
    bcl_tagger *t = open_tagger(
        s, (bcl_tagger_options){.batch_tokens = batch_tokens, .aggregation = aggregation});
    for (size_t i = 0; i < rounds * TEXTS; i++)
        OK(bcl_tagger_add_text(t, texts[i % TEXTS], strlen(texts[i % TEXTS]), NULL));
    OK(bcl_tagger_flush(t));
    assert_int_equal(bcl_tagger_waiting(t), 0);
    assert_int_equal(s->count, rounds * TEXTS);
    bcl_tagger_free(t);
}

static void test_order_and_batches(void **state) {
    (void)state;
    for (bcl_aggregation a = BCL_AGGREGATION_NONE; a <= BCL_AGGREGATION_MAX; a++) {
        seen one = {0}, many = {0};
        run_texts(&one, 0, 1, a);
        run_texts(&many, 3, 20, a);
        for (size_t i = 0; i < many.count; i++)
            assert_string_equal(many.json[i], one.json[i % TEXTS]);
        forget(&one);
        forget(&many);
    }
}

static void test_words_as_text(void **state) {
    (void)state;
    const char *words[] = {"ab", "cd", "\xC3\xA9t\xC3\xA9", "x"};
    seen s = {0};
    bcl_tagger *t = open_tagger(&s, (bcl_tagger_options){.words = true});
    OK(bcl_tagger_add_words(t, words, NULL, 4, NULL));
    OK(bcl_tagger_add_text(t, "ab cd \xC3\xA9t\xC3\xA9 x", 13, NULL));
    OK(bcl_tagger_add_words(t, words, NULL, 0, NULL));
    OK(bcl_tagger_flush(t));
    assert_int_equal(s.count, 3);
    assert_string_equal(s.json[0], s.json[1]);
    assert_string_equal(s.json[2], "|");
    assert_int_equal(s.labelled, 8);
    bcl_tagger_free(t);
    forget(&s);
}

static void test_long(void **state) {
    (void)state;
    char text[1001];
    for (int i = 0; i < 1000; i++)
        text[i] = i % 2 ? ' ' : (char)('a' + i / 2 % 26);
    seen cut = {0}, windows = {0}, whole = {0};
    bcl_tagger *t = open_tagger(&cut, (bcl_tagger_options){.max_length = 32, .words = true});
    OK(bcl_tagger_add_text(t, text, 1000, NULL));
    OK(bcl_tagger_flush(t));
    assert_int_equal(cut.words_cut, 470);
    assert_int_equal(cut.labelled, 30);
    assert_int_equal(cut.windows, 1);
    bcl_tagger_free(t);
    for (size_t stride = 0; stride < 30; stride += 1 + stride / 3) {
        t = open_tagger(&windows, (bcl_tagger_options){.max_length = 32,
                                                       .long_texts = BCL_LONG_WINDOW,
                                                       .stride = stride,
                                                       .words = true});
        OK(bcl_tagger_add_text(t, text, 1000, NULL));
        OK(bcl_tagger_add_text(t, text, 59, NULL)); /* a piece of each kind of border */
        OK(bcl_tagger_add_text(t, text, 59, NULL));
        OK(bcl_tagger_flush(t));
        const size_t step = 30 - (stride ? stride : 7);
        assert_int_equal(windows.windows, 1 + (470 + step - 1) / step + 2);
        assert_int_equal(windows.labelled, 560);
        assert_int_equal(windows.words_cut, 0);
        assert_string_equal(windows.json[1], windows.json[2]);
        bcl_tagger_free(t);
        forget(&windows);
    }
    /* a text that fits is one window, whatever is asked for */
    t = open_tagger(&whole, (bcl_tagger_options){.long_texts = BCL_LONG_WINDOW});
    OK(bcl_tagger_add_text(t, text, 59, NULL));
    OK(bcl_tagger_flush(t));
    assert_int_equal(whole.windows, 1);
    bcl_tagger_free(t);
    forget(&cut);
    forget(&whole);
}

/* Long texts that are cut fill no batch, but must not pile up. */
static void test_long_texts_wait(void **state) {
    (void)state;
    enum { SIZE = 100000, COUNT = 100 };
    char *text = malloc(SIZE);
    seen s = {0};
    assert_non_null(text);
    for (int i = 0; i < SIZE; i++)
        text[i] = i % 2 ? ' ' : 'a';
    bcl_tagger *t = open_tagger(&s, (bcl_tagger_options){.max_length = 3});
    for (int i = 0; i < COUNT; i++) {
        OK(bcl_tagger_add_text(t, text, SIZE, NULL));
        assert_true(bcl_tagger_waiting(t) < 20);
    }
    OK(bcl_tagger_flush(t));
    assert_int_equal(s.count, COUNT);
    bcl_tagger_free(t);
    forget(&s);
    free(text);
}

static void test_refused(void **state) {
    (void)state;
    seen s = {0};
    bcl_tagger *t = NULL;
    bcl_aggregation a;
    FAILS(bcl_aggregation_find(&a, "last"), BCL_ERROR_ARGUMENT, "last");
    FAILS(bcl_tagger_open(&t, "/nowhere", NULL), BCL_ERROR_IO, "/nowhere");
    FAILS(bcl_tagger_open(&t, model, &(bcl_tagger_options){.stride = 62}), BCL_ERROR_ARGUMENT,
          "stride");
    FAILS(bcl_tagger_open(&t, model, &(bcl_tagger_options){.max_length = 65}), BCL_ERROR_ARGUMENT,
          "64 positions");
    assert_null(t);
    t = open_tagger(&s, (bcl_tagger_options){0});
    FAILS(bcl_tagger_add_text(t, "ab\xFF", 3, NULL), BCL_ERROR_FORMAT, "byte 2");
    OK(bcl_tagger_add_text(t, "ab", 2, NULL));
    OK(bcl_tagger_flush(t));
    assert_int_equal(s.count, 1);
    OK(bcl_tagger_add_text(t, "never asked for", 15, NULL));
    bcl_tagger_free(t);
    forget(&s);
}

/* Sentences as "[...]", given whole and byte by byte. */
static void check_sentences(const char *text, const char *expected) {
    for (int slowly = 0; slowly < 2; slowly++) {
        bcl_string out = {0};
        const size_t size = strlen(text);
        size_t begin = 0, from = 0, given = slowly ? 1 : size;
        while (begin < size) {
            const size_t n = bcl_sentence_end(text + begin, given - begin, given == size, &from);
            if (!n) {
                assert_true(given < size);
                given++;
                continue;
            }
            OK(bcl_string_addf(&out, "[%.*s]", (int)n, text + begin));
            begin += n;
            from = 0;
            given = given < begin ? begin : given;
        }
        assert_string_equal(out.data ? out.data : "", expected);
        bcl_string_free(&out);
    }
}

static void test_sentences(void **state) {
    (void)state;
    check_sentences("", "");
    check_sentences("One. Two! Three?", "[One.][ Two!][ Three?]");
    check_sentences("Mr. Annan spoke. He left.", "[Mr. Annan spoke.][ He left.]");
    check_sentences("J. Smith of the U.N. Council. End", "[J. Smith of the U.N. Council.][ End]");
    check_sentences("He said \"go.\" They went...  and so on. Yes",
                    "[He said \"go.\"][ They went...  and so on.][ Yes]");
    check_sentences("It is 3.5 per cent. In 2008. Then", "[It is 3.5 per cent.][ In 2008.][ Then]");
    check_sentences("A title\n\nA line\nthat goes on.\nNext",
                    "[A title\n][\nA line\nthat goes on.][\nNext]");
    check_sentences("\xE4\xBD\xA0\xE5\xA5\xBD\xE3\x80\x82\xE5\x86\x8D\xE8\xA7\x81\xE3\x80\x82",
                    "[\xE4\xBD\xA0\xE5\xA5\xBD\xE3\x80\x82][\xE5\x86\x8D\xE8\xA7\x81\xE3\x80\x82]");
    check_sentences("cf. art. 5 and No. 7 etc. and so", "[cf. art. 5 and No. 7 etc. and so]");
}

int main(void) {
    const struct CMUnitTest sentences[] = {cmocka_unit_test(test_constrained_words),
                                           cmocka_unit_test(test_options),
                                           cmocka_unit_test(test_sentences)};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sentences),       cmocka_unit_test(test_order_and_batches),
        cmocka_unit_test(test_words_as_text),   cmocka_unit_test(test_long),
        cmocka_unit_test(test_long_texts_wait), cmocka_unit_test(test_refused),
    };
    model = test_folder();
    OK(tiny_model_write(model, &TINY));
    bcl_device_info about;
    if (test_device_find(&about)) {
        int wrong = cmocka_run_group_tests_name("sentences", sentences, NULL, NULL);
        free(model);
        return wrong ? wrong : test_device_code;
    }
    int failed = cmocka_run_group_tests_name("tagger", tests, NULL, NULL);
    free(model);
    return failed;
}
