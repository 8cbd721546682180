/* A sentence of 1,000 words in windows against one pass over the whole of it, by eval and by the
 * tagger. The model sees a few pieces to each side only, so that both must give the same logits
 * wherever that many pieces lie between a piece and the edge of its window. */
#include "support/device.h"
#include "support/local_model.h"

#include "eval/evaluate.h"

#include <bertcl/tagger.h>

enum { WORDS = 1000, K = 5 };
static char *model_folder;
static const char *words[WORDS];
static char letters[WORDS][4];

/* Words of one to three pieces, and a label each. */
static char *write_corpus(void) {
    char *folder = test_folder(), *path = NULL;
    bcl_string text = {0};
    static const char *const tags[K] = {"O", "I-LOC", "I-MISC", "I-ORG", "I-PER"};
    OK(bcl_path_join(&path, folder, "long.conll"));
    OK(bcl_string_addf(&text, "ab O\nc I-PER\n\n"));
    for (int i = 0; i < WORDS; i++) {
        for (int k = 0; k <= i * 7 % 3; k++)
            letters[i][k] = (char)('a' + bcl_mix64((uint64_t)(4 * i + k)) % 26);
        words[i] = letters[i];
        OK(bcl_string_addf(&text, "%s %s\n", letters[i], tags[i % K]));
    }
    OK(bcl_string_addf(&text, "\nx O\n"));
    OK(bcl_file_write(path, text.data, text.size));
    bcl_string_free(&text);
    free(folder);
    return path;
}

/* ---- eval ---- */

typedef struct outcome {
    bcl_evaluation evaluation;
    float *logits;      /* (pieces,K) */
    int32_t *predicted; /* (pieces) */
    size_t at;
} outcome;

static bcl_status keep(void *context, size_t sentence, const float *logits, int length) {
    outcome *o = context;
    (void)sentence;
    memcpy(o->logits + o->at * K, logits, (size_t)length * K * sizeof *logits);
    o->at += (size_t)length;
    return BCL_OK;
}

static outcome run(bcl_model *model, const bcl_config *config, const bcl_dataset *data,
                   size_t max_length, size_t stride, size_t batch) {
    outcome o = {0};
    o.logits = calloc(data->pieces * K, sizeof *o.logits);
    o.predicted = calloc(data->pieces, sizeof *o.predicted);
    assert_non_null(o.logits);
    assert_non_null(o.predicted);
    OK(bcl_evaluate(&o.evaluation, model, data, (const char *const *)config->label_names, K,
                    &(bcl_evaluate_options){.sentences = batch,
                                            .max_length = max_length,
                                            .stride = stride,
                                            .sink = keep,
                                            .context = &o,
                                            .predicted = o.predicted}));
    assert_int_equal(o.at, data->pieces);
    assert_int_equal(o.evaluation.labelled, data->labelled);
    return o;
}

static void outcome_free(outcome *o) {
    bcl_evaluation_free(&o->evaluation);
    free(o->logits);
    free(o->predicted);
}

/* Rows whose logits differ. */
static size_t differing(const outcome *a, const outcome *b, size_t rows) {
    size_t n = 0;
    for (size_t i = 0; i < rows; i++) {
        bool same = a->predicted[i] == b->predicted[i];
        for (size_t k = 0; k < K; k++)
            same = same && fabsf(a->logits[i * K + k] - b->logits[i * K + k]) <=
                               1e-3f + 1e-3f * fabsf(b->logits[i * K + k]);
        n += !same;
    }
    return n;
}

static void test_eval(void **state) {
    (void)state;
    bcl_config config = {0};
    bcl_tokenizer *tokenizer = NULL;
    bcl_model *model = NULL;
    bcl_load_report report = {0};
    bcl_corpus *corpus = NULL;
    bcl_dataset data;
    int32_t ids[K];
    char *path = write_corpus();
    OK(bcl_model_folder_read(&config, &tokenizer, model_folder));
    OK(bcl_model_load(&model, test_device, &config, model_folder, NULL, BCL_PRECISION_FP32, false,
                      0, &report));
    OK(bcl_corpus_read(&corpus, (const char *const *)&path, 1, NULL));
    OK(bcl_corpus_label_ids(ids, corpus, (const char *const *)config.label_names, K));
    OK(bcl_dataset_encode(&data, corpus, NULL, 3, tokenizer, ids, 0, BCL_LABEL_ALL));
    assert_int_equal(data.words_cut, 0);
    assert_true(data.longest > 1900);
    outcome whole = run(model, &config, &data, 0, 0, 0);
    assert_int_equal(whole.evaluation.sentences_windowed, 0);
    /* {max_length, stride, sentences a batch}: half of the overlap is more than the reach */
    static const size_t shapes[][3] = {{512, 127, 0}, {512, 42, 2}, {1300, 400, 0},
                                       {100, 45, 7},  {64, 44, 1},  {64, 61, 0}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        outcome windows = run(model, &config, &data, shapes[i][0], shapes[i][1], shapes[i][2]);
        assert_int_equal(windows.evaluation.sentences_windowed, 1);
        assert_int_equal(differing(&windows, &whole, data.pieces), 0);
        assert_true(fabs(windows.evaluation.loss - whole.evaluation.loss) < 1e-4);
        assert_true(windows.evaluation.accuracy == whole.evaluation.accuracy);
        outcome_free(&windows);
    }
    /* Near the edges it does matter: with hardly any overlap a few rows at the three borders
     * differ. */
    outcome narrow = run(model, &config, &data, 512, 2, 0);
    const size_t n = differing(&narrow, &whole, data.pieces);
    assert_in_range(n, 1, 3 * 2 * LOCAL_REACH);
    outcome_free(&narrow);
    outcome_free(&whole);
    bcl_dataset_free(&data);
    bcl_corpus_free(corpus);
    bcl_model_free(model);
    bcl_load_report_free(&report);
    bcl_tokenizer_free(tokenizer);
    bcl_config_free(&config);
    free(path);
}

/* ---- the tagger ---- */

typedef struct labels {
    char label[WORDS][16];
    float score[WORDS];
    size_t count, windows;
} labels;

static bcl_status keep_labels(void *context, const bcl_tagged *r) {
    labels *l = context;
    for (size_t i = 0; i < r->word_count; i++) {
        snprintf(l->label[i], sizeof l->label[i], "%s", r->words[i].label);
        l->score[i] = r->words[i].score;
        l->count += r->words[i].score > 0;
    }
    l->windows = r->windows;
    return BCL_OK;
}

static void tag(labels *out, size_t max_length, size_t stride) {
    bcl_tagger *t = NULL;
    memset(out, 0, sizeof *out);
    OK(bcl_tagger_open(&t, model_folder,
                       &(bcl_tagger_options){.device = bcl_device_about(test_device)->id,
                                             .long_texts = BCL_LONG_WINDOW,
                                             .max_length = max_length,
                                             .stride = stride,
                                             .aggregation = BCL_AGGREGATION_FIRST,
                                             .words = true,
                                             .sink = keep_labels,
                                             .context = out}));
    OK(bcl_tagger_add_words(t, words, NULL, WORDS, NULL));
    OK(bcl_tagger_flush(t));
    bcl_tagger_free(t);
    assert_int_equal(out->count, WORDS); /* every word has a label */
}

static void test_tagger(void **state) {
    (void)state;
    static labels whole, windows;
    tag(&whole, LOCAL_POSITIONS, 0);
    assert_int_equal(whole.windows, 1);
    tag(&windows, 512, 127);
    assert_true(windows.windows > 3);
    for (int i = 0; i < WORDS; i++) {
        assert_string_equal(windows.label[i], whole.label[i]);
        assert_true(fabsf(windows.score[i] - whole.score[i]) < 1e-3f);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_eval), cmocka_unit_test(test_tagger)};
    model_folder = test_folder();
    OK(tiny_model_write(model_folder, &LOCAL));
    int failed = TEST_RUN_ON_DEVICE(tests);
    free(model_folder);
    return failed;
}
