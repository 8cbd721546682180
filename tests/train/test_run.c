/* A run as a program sees it: options, events, the record, stopping and going on, what is refused.
 */
#include "support/runs.h"

#include <bertcl/evaluate.h>

static void test_whole(void **state) {
    run_heard h = {0};
    char *out = run_path(run_home, "deep/er/whole"), *labels = NULL;
    bcl_run *run = NULL;
    const bcl_run_options o = run_options(out, &h);
    (void)state;
    OK(bcl_run_open(&run, &o));
    assert_false(bcl_run_record_of(run)->complete);
    OK(bcl_run_train(run));
    const bcl_run_record *r = bcl_run_record_of(run);
    assert_true(r->complete && r->evaluated);
    assert_int_equal(r->steps, 24);
    assert_int_equal(h.last_step, 24);
    assert_int_equal(h.count[BCL_RUN_STEP], 24);
    assert_int_equal(h.count[BCL_RUN_EPOCH], 2);
    assert_int_equal(h.count[BCL_RUN_EVALUATED], 2);
    assert_int_equal(h.count[BCL_RUN_CHECKPOINT], 2);
    assert_int_equal(h.count[BCL_RUN_BEGUN], 1);
    assert_int_equal(h.count[BCL_RUN_FINISHED], 1);
    assert_int_equal(h.count[BCL_RUN_RESUMED], 0);
    assert_true(h.count[BCL_RUN_EVALUATING] >= 2 && h.count[BCL_RUN_SESSION] > 0);
    assert_true(h.last_loss < h.first_loss);
    assert_int_equal(r->train.sentences + r->test.sentences, 60);
    assert_int_equal(strlen(r->train.words), 64);
    assert_int_equal(strlen(r->model_sha256), 64);
    assert_string_equal(r->model_folder, run_model);
    assert_string_equal(r->folder, out);
    assert_true(r->label_count == (size_t)TINY.labels); /* the model's own cover the data's */
    assert_string_equal(r->labels[0], "O");
    assert_true(r->eval_macro_f1 == h.macro_f1);
    assert_non_null(r->report);
    assert_true(r->eval_entity_f1 == h.entity_f1 && h.entity_f1 >= 0);
    /* every sentence has one entity of one word, of two pieces */
    assert_int_equal(bcl_entity_report_micro(r->entities).support, r->test.sentences);
    assert_string_equal(r->scheme, "IOB1, default");
    assert_true(r->options->batch == 4 && r->options->lr == 1e-3 && !r->options->max_tokens);
    assert_string_equal(r->options->data.items[0], run_data);
    OK(bcl_run_train(run)); /* nothing more to do */
    assert_int_equal(h.count[BCL_RUN_STEP], 24);
    bcl_run_free(run);
    /* the record as another process reads it */
    bcl_run_options again = run_options(out, &h);
    again.resume = true;
    OK(bcl_run_open(&run, &again));
    r = bcl_run_record_of(run);
    assert_true(r->complete && r->evaluated && !r->report);
    assert_int_equal(r->steps, 24);
    assert_true(r->eval_macro_f1 == h.macro_f1);
    assert_true(r->eval_entity_f1 == h.entity_f1 && !r->entities);
    bcl_run_free(run);
    free(labels);
    free(out);
}

/* What a program makes of the run's model and its test set are the run's own figures. */
static void test_evaluate(void **state) {
    char *out = run_path(run_home, "deep/er/whole"), *test = run_path(out, "test.conll"),
         *last = run_path(out, "model");
    bcl_run_options o;
    bcl_run *run = NULL;
    bcl_corpus *corpus = NULL;
    bcl_session *session = NULL;
    bcl_evaluated e, cut;
    bcl_score *words = NULL, *pieces = NULL;
    bcl_scheme found;
    bcl_score_options scoring = {.scheme = BCL_SCHEME_DEFAULT};
    (void)state;
    bcl_run_options_init(&o);
    o.out = out;
    o.resume = true;
    OK(bcl_run_open(&run, &o));
    const bcl_run_record *r = bcl_run_record_of(run);
    OK(bcl_corpus_read(&corpus, (const char *const *)&test, 1, NULL));
    const bcl_session_options opening = {.model = last, .device = getenv("BERTCL_DEVICE")};
    OK(bcl_session_open(&session, &opening));
    OK(bcl_session_evaluate(&e, session, corpus, NULL));
    assert_true(e.loss == r->eval_loss && e.accuracy == r->eval_accuracy);
    assert_int_equal(e.pieces, r->test.pieces);
    assert_int_equal(bcl_labels_tokens(e.piece_labels), e.labelled);
    assert_int_equal(bcl_labels_size(e.word_labels), r->test.sentences);
    OK(bcl_score_create(&pieces, e.piece_labels, &scoring));
    assert_true(bcl_report_macro(bcl_score_report(pieces)).f1 == r->eval_macro_f1);
    OK(bcl_labels_scheme(&found, &scoring.scheme, e.word_labels, bcl_session_label_count(session)));
    OK(bcl_score_create(&words, e.word_labels, &scoring));
    assert_true(bcl_entity_report_micro(bcl_score_entities(words)).f1 == r->eval_entity_f1);
    assert_int_equal(e.words_cut, 0);
    OK(bcl_session_evaluate(&cut, session, corpus, &(bcl_evaluate_choices){.max_length = 4}));
    assert_true(cut.words_cut > 0 && cut.labelled < e.labelled);
    bcl_evaluated_free(&cut);
    OK(bcl_session_evaluate(&cut, session, corpus,
                            &(bcl_evaluate_choices){.max_length = 4, .windows = true}));
    assert_int_equal(cut.labelled, e.labelled);
    bcl_evaluated_free(&cut);
    OK(bcl_session_evaluate(&cut, session, corpus,
                            &(bcl_evaluate_choices){.label_pieces = "first", .batch_tokens = 9}));
    assert_true(cut.labelled <= e.labelled);
    bcl_evaluated_free(&cut);
    FAILS(bcl_session_evaluate(&cut, session, corpus, &(bcl_evaluate_choices){.max_length = 65}),
          BCL_ERROR_ARGUMENT, "max-length");
    FAILS(bcl_session_evaluate(&cut, session, corpus,
                               &(bcl_evaluate_choices){.label_pieces = "some"}),
          BCL_ERROR_ARGUMENT, "some");
    bcl_score_free(words);
    bcl_score_free(pieces);
    bcl_evaluated_free(&e);
    bcl_session_free(session);
    bcl_corpus_free(corpus);
    bcl_run_free(run);
    free(out);
    free(test);
    free(last);
}

/* Stopped at a step, or while the first epoch is evaluated, and gone on with. */
static void check_stop(const char *name, int64_t step, bool evaluating) {
    run_heard h = {.stop_at = step, .stop_evaluating = evaluating}, more = {0};
    char *out = run_path(run_home, name), *whole = run_path(run_home, "deep/er/whole");
    bcl_run_options o = run_options(out, &h);
    OK(bcl_run_open(&h.run, &o));
    FAILS(bcl_run_train(h.run), BCL_ERROR_INTERRUPTED, "stopped at step");
    bcl_run_free(h.run);
    /* all is taken over from the run */
    bcl_run_options_init(&o);
    o.out = out;
    o.resume = true;
    o.listener = run_listen;
    o.context = &more;
    bcl_run *run = NULL;
    OK(bcl_run_open(&run, &o));
    assert_true(bcl_run_record_of(run)->options->lr == 1e-3);
    OK(bcl_run_train(run));
    assert_true(more.resumed >= step && more.resumed <= step + 2);
    assert_int_equal(more.count[BCL_RUN_STEP], 24 - more.resumed);
    bcl_run_free(run);
    run_same_file(out, whole, "model/model.safetensors");
    run_same_file(out, whole, "best/model.safetensors");
    run_same_file(out, whole, "metrics.jsonl");
    free(out);
    free(whole);
}

static void test_stop(void **state) {
    (void)state;
    check_stop("at 7", 7, false);
    for (int64_t step = 9; step <= 12; step++) { /* an epoch has 12 */
        char name[16];
        snprintf(name, sizeof name, "at %d", (int)step);
        check_stop(name, step, false);
    }
    check_stop("at the end", 22, false);
    check_stop("evaluating", 12, true);
}

/* A run with a development set that ends when patience does. */
static bcl_run_options dev_options(const char *out, run_heard *h) {
    bcl_run_options o = run_options(out, h);
    o.split = 0.6;
    o.split_dev = 0.2;
    o.epochs = 30;
    o.lr = 1e-2;
    o.patience = 2;
    o.min_delta = 0.001;
    return o;
}

static void stop_and_go_on(const char *out, int64_t step, bool evaluating) {
    run_heard h = {.stop_at = step, .stop_evaluating = evaluating};
    bcl_run_options o = dev_options(out, &h);
    bcl_run *run = NULL;
    OK(bcl_run_open(&h.run, &o));
    FAILS(bcl_run_train(h.run), BCL_ERROR_INTERRUPTED, "stopped at step");
    bcl_run_free(h.run);
    bcl_run_options_init(&o);
    o.out = out;
    o.resume = true;
    OK(bcl_run_open(&run, &o));
    assert_true(bcl_run_record_of(run)->options->patience == 2);
    OK(bcl_run_train(run));
    bcl_run_free(run);
}

static void test_dev(void **state) {
    run_heard h = {0};
    char *out = run_path(run_home, "dev"), *other = run_path(run_home, "dev stopped"),
         *file = run_path(run_home, "dev/dev.conll");
    bcl_run *run = NULL;
    bcl_run_options o = dev_options(out, &h);
    (void)state;
    OK(bcl_run_open(&run, &o));
    OK(bcl_run_train(run));
    const bcl_run_record *r = bcl_run_record_of(run);
    assert_true(r->selected && r->evaluated && r->stopped_early);
    assert_int_equal(r->train.sentences, 36);
    assert_int_equal(r->dev.sentences, 12);
    assert_int_equal(r->test.sentences, 12);
    assert_int_equal(r->last_epoch, h.count[BCL_RUN_EVALUATED]);
    assert_int_equal(r->best_step, 9 * r->best_epoch);
    assert_int_equal(r->last_epoch, r->best_epoch + 2);
    assert_true(r->dev_entity_f1 >= h.entity_f1 && r->dev_entity_f1 > 0);
    assert_true(bcl_path_exists(file));
    const bcl_run_record was = *r;
    bcl_run_free(run);
    /* the results as another process reads them */
    o = dev_options(out, &h);
    o.resume = true;
    OK(bcl_run_open(&run, &o));
    r = bcl_run_record_of(run);
    assert_true(r->complete && r->selected && r->stopped_early);
    assert_true(r->dev_entity_f1 == was.dev_entity_f1 && r->dev_loss == was.dev_loss);
    assert_int_equal(r->best_epoch, was.best_epoch);
    bcl_run_free(run);
    /* the same bits and the same decision after a stop: anywhere, and while an epoch is evaluated;
     * the last one falls into the epochs that patience counts */
    const int64_t steps[] = {4, 9, was.best_step + 9, was.best_step + 12};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        stop_and_go_on(other, steps[i], i == 1);
        run_same_file(out, other, "model/model.safetensors");
        run_same_file(out, other, "best/model.safetensors");
        run_same_file(out, other, "metrics.jsonl");
        run_same_file(out, other, "dev.conll");
        OK(bcl_path_remove(other));
    }
    free(file);
    free(out);
    free(other);
}

/* best/ has the weights of the epoch with the best figure, whichever is asked for. */
static void test_select(void **state) {
    static const char *const names[] = {"entity-f1", "macro-f1", "accuracy", "loss"};
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        run_heard h = {0};
        char *out = run_path(run_home, "select");
        bcl_run *run = NULL;
        bcl_run_options o = dev_options(out, &h);
        o.epochs = 3;
        o.patience = 0;
        o.min_delta = 0;
        o.select = names[i];
        OK(bcl_run_open(&run, &o));
        OK(bcl_run_train(run));
        const bcl_run_record *r = bcl_run_record_of(run);
        assert_true(r->selected && !r->stopped_early);
        assert_int_equal(r->last_epoch, 3);
        const double of_best[] = {r->dev_entity_f1, r->dev_macro_f1, r->dev_accuracy, -r->dev_loss};
        const double of_last[] = {h.entity_f1, h.macro_f1, h.accuracy, -h.loss};
        assert_true(of_best[i] >= of_last[i]);
        if (r->best_epoch == 3)
            assert_true(of_best[i] == of_last[i]);
        bcl_run_free(run);
        OK(bcl_path_remove(out));
        free(out);
    }
}

static void refuse(bcl_run_options o, bcl_status code, const char *message) {
    bcl_run *run = NULL;
    FAILS(bcl_run_open(&run, &o), code, message);
    assert_null(run);
}

static void test_options(void **state) {
    char *out = run_path(run_home, "never"), *whole = run_path(run_home, "deep/er/whole");
    bcl_run_options o;
    size_t count;
    const bcl_run_option *rows = bcl_run_option_table(&count);
    (void)state;
    for (size_t i = 0; i < count; i++) /* each has a help and its default is told */
        assert_true(rows[i].help && *rows[i].help &&
                    (rows[i].value_name != NULL) == (rows[i].kind != BCL_RUN_FLAG));
#define BAD(field, value, code, message)                                                           \
    o = run_options(out, NULL);                                                                    \
    o.field = value;                                                                               \
    refuse(o, code, message);
    BAD(out, NULL, BCL_ERROR_ARGUMENT, "--out");
    BAD(model, NULL, BCL_ERROR_ARGUMENT, "--model");
    BAD(model, "", BCL_ERROR_ARGUMENT, "--model");
    BAD(data.count, 0, BCL_ERROR_ARGUMENT, "--data");
    BAD(lr, -1, BCL_ERROR_ARGUMENT, "--lr: found -1, expected 0 to 1000");
    BAD(beta2, 1, BCL_ERROR_ARGUMENT, "--beta2: found 1, expected 0 to 0.9999999");
    BAD(seed, ((int64_t)1 << 53) + 1, BCL_ERROR_ARGUMENT, "--seed: found 9007199254740993");
    BAD(schedule, "step", BCL_ERROR_ARGUMENT, "--schedule");
    BAD(optimizer, NULL, BCL_ERROR_ARGUMENT, "--optimizer");
    BAD(patience, 2, BCL_ERROR_ARGUMENT, "--patience needs a development set");
    BAD(select, "loss", BCL_ERROR_ARGUMENT, "--select needs a development set");
    BAD(split_dev, 0.3, BCL_ERROR_ARGUMENT, "found 0.8,0.3, expected a sum of at most 1");
    o = run_options(out, NULL);
    o.dev = o.data;
    o.split_dev = 0.1;
    refuse(o, BCL_ERROR_ARGUMENT, "exclude");
    o = run_options(out, NULL);
    o.test = o.data;
    o.split = 0.5;
    refuse(o, BCL_ERROR_ARGUMENT, "exclude");
    assert_false(bcl_path_exists(out));
    o = run_options(whole, NULL);
    refuse(o, BCL_ERROR_EXISTS, "exists");
    o.resume = true;
    o.lr = 2e-3;
    refuse(o, BCL_ERROR_ARGUMENT, "--lr: the run was started with 0.001, found 0.002");
    bcl_run_options_init(&o); /* a default that was chosen is no default */
    o.out = whole;
    o.resume = true;
    for (size_t i = 0; i < count; i++)
        if (!strcmp(rows[i].name, "epochs"))
            o.given |= (uint64_t)1 << i;
    refuse(o, BCL_ERROR_ARGUMENT, "--epochs");
    free(out);
    free(whole);
}

/* Nothing is left of a run that could not begin, not even the folders above it. */
static void test_nothing_left(void **state) {
    char *out = run_path(run_home, "not/to/be"), *above = run_path(run_home, "not");
    bcl_run *run = NULL;
    bcl_run_options o = run_options(out, NULL);
    (void)state;
    o.model = "/nonexistent";
    OK(bcl_run_open(&run, &o));
    assert_true(bcl_path_exists(out));
    FAILS(bcl_run_train(run), BCL_ERROR_IO, "/nonexistent");
    bcl_run_free(run);
    assert_false(bcl_path_exists(above));
    free(out);
    free(above);
}

static void test_one_writer(void **state) {
    char *out = run_path(run_home, "taken");
    bcl_run *first = NULL;
    bcl_run_options o = run_options(out, NULL);
    (void)state;
    OK(bcl_run_open(&first, &o));
    refuse(o, BCL_ERROR_EXISTS, "is in use by process");
    o.resume = true;
    refuse(o, BCL_ERROR_EXISTS, "is in use by process");
    bcl_run_free(first);
    free(out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),        cmocka_unit_test(test_evaluate),
        cmocka_unit_test(test_stop),         cmocka_unit_test(test_options),
        cmocka_unit_test(test_nothing_left), cmocka_unit_test(test_one_writer),
        cmocka_unit_test(test_dev),          cmocka_unit_test(test_select),
    };
    return RUN_TESTS(tests, (void)0);
}
