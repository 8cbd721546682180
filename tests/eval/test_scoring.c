/* Labelled sentences and what is scored of them: reading two files, nervaluate's matches, bootstrap
 * intervals against scoring every resample afresh, errors and their page. */
#include "support/support.h"

#include <bertcl/scoring.h>
#include <cjson/cJSON.h>
#include <math.h>

enum { NAMES = 6 };
static const char *const names[NAMES] = {"O", "B-PER", "I-PER", "B-LOC", "I-LOC", "VMISC"};
static const char *const words[] = {"a", "<b>", "c&", "\"d\"", "e", "f", "g", "h"};

static bcl_labels *make_labels(void) {
    bcl_labels *labels;
    int32_t id;
    OK(bcl_labels_create(&labels));
    for (int i = 0; i < NAMES; i++) {
        OK(bcl_labels_id(&id, labels, names[i]));
        assert_int_equal(id, i);
    }
    OK(bcl_labels_document(labels, "one"));
    OK(bcl_labels_document(labels, "two"));
    return labels;
}

static void add(bcl_labels *labels, const char *gold, const char *pred, size_t document) {
    int32_t g[8], p[8];
    size_t n = strlen(gold);
    for (size_t i = 0; i < n; i++) {
        g[i] = gold[i] - '0';
        p[i] = pred[i] - '0';
    }
    OK(bcl_labels_add(labels, &(bcl_labelled){.words = words,
                                              .gold = g,
                                              .pred = p,
                                              .size = n,
                                              .file = "file",
                                              .line = 1,
                                              .document = document}));
}

static bcl_labels *example(void) {
    bcl_labels *labels = make_labels();
    add(labels, "0120", "0120", 0);   /* right */
    add(labels, "0122", "0120", 0);   /* boundary */
    add(labels, "0034", "0012", 1);   /* type */
    add(labels, "1000", "0001", 1);   /* missing and spurious */
    add(labels, "12030", "34001", 1); /* type, missing, spurious */
    add(labels, "0", "5", 1);
    return labels;
}

static bcl_score *score_of(const bcl_labels *labels, double zero_division) {
    bcl_score *score;
    OK(bcl_score_create(&score, labels,
                        &(bcl_score_options){.scheme = BCL_SCHEME_IOB2,
                                             .zero_division = zero_division,
                                             .matches = true,
                                             .by_sentence = true}));
    return score;
}

static void test_matches(void **state) {
    (void)state;
    bcl_labels *labels = example();
    bcl_score *score = score_of(labels, 0);
    assert_int_equal(bcl_score_unknown_tags(score), 1);
    bcl_match_counts c = bcl_score_matches(score, BCL_MATCH_STRICT, NULL);
    assert_int_equal(c.correct, 1);
    assert_int_equal(c.incorrect, 3);
    assert_int_equal(c.missing, 2);
    assert_int_equal(c.spurious, 2);
    c = bcl_score_matches(score, BCL_MATCH_EXACT, NULL);
    assert_int_equal(c.correct, 3);
    assert_int_equal(c.incorrect, 1);
    c = bcl_score_matches(score, BCL_MATCH_PARTIAL, NULL);
    assert_int_equal(c.correct, 3);
    assert_int_equal(c.partial, 1);
    assert_true(fabs(bcl_match_scores(c, BCL_MATCH_PARTIAL).recall - 3.5 / 6) < 1e-15);
    c = bcl_score_matches(score, BCL_MATCH_TYPE, NULL);
    assert_int_equal(c.correct, 2);
    assert_int_equal(c.incorrect, 2);
    c = bcl_score_matches(score, BCL_MATCH_TYPE, "LOC");
    assert_int_equal(c.missing, 2);
    assert_int_equal(c.spurious, 1);
    c = bcl_score_matches(score, BCL_MATCH_TYPE, "none");
    assert_int_equal(c.missing + c.correct + c.spurious, 0);
    bcl_score_free(score);
    bcl_labels_free(labels);
}

/* ---- bootstrap ---- */

/* The stream that bootstrap.c documents. */
static size_t draw(uint64_t start, size_t i, size_t n) {
    uint64_t x = bcl_mix64(start + (uint64_t)i * 0x9E3779B97F4A7C15u), high = x >> 32, low = x;
    return (size_t)((high * n + ((low & UINT32_MAX) * n >> 32)) >> 32);
}

static bcl_scores row_of(const bcl_score *s, const char *group, const char *row) {
    const bcl_entity_report *e = bcl_score_entities(s);
    const bcl_report *r = bcl_score_report(s);
    if (!strcmp(group, "report"))
        return strcmp(row, "macro avg") ? bcl_report_weighted(r) : bcl_report_macro(r);
    if (!strcmp(row, "micro avg"))
        return bcl_entity_report_micro(e);
    if (!strcmp(row, "macro avg"))
        return bcl_entity_report_macro(e);
    if (!strcmp(row, "weighted avg"))
        return bcl_entity_report_weighted(e);
    for (size_t i = 0; i < bcl_entity_report_size(e); i++)
        if (!strcmp(bcl_entity_report_type(e, i), row))
            return bcl_entity_report_scores(e, i);
    return (bcl_scores){NAN, NAN, NAN, 0};
}

static double figure_of(const bcl_score *s, const bcl_interval *x) {
    if (!x->group)
        return bcl_report_accuracy(bcl_score_report(s));
    bcl_scores r = row_of(s, x->group, x->row);
    return !strcmp(x->metric, "precision") ? r.precision
           : !strcmp(x->metric, "recall")  ? r.recall
                                           : r.f1;
}

static int compare_doubles(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile(double *v, size_t n, double q) {
    double at = q * (double)(n - 1);
    size_t i = (size_t)at;
    return i + 1 < n ? v[i] + (v[i + 1] - v[i]) * (at - (double)i) : v[n - 1];
}

static void check_bootstrap(double zero_division) {
    enum { RESAMPLES = 60 };
    bcl_labels *labels = example();
    bcl_score *score = score_of(labels, zero_division), *again[RESAMPLES];
    bcl_labels *drawn[RESAMPLES];
    bcl_bootstrap *b;
    const size_t n = bcl_labels_size(labels);
    OK(bcl_bootstrap_create(&b, score, score, RESAMPLES, 77));
    for (size_t r = 0; r < RESAMPLES; r++) {
        uint64_t start = bcl_mix64(77 ^ bcl_mix64(r));
        drawn[r] = make_labels();
        for (size_t i = 0; i < n; i++) {
            bcl_labelled s = bcl_labels_sentence(labels, draw(start, i, n));
            OK(bcl_labels_add(drawn[r], &s));
        }
        again[r] = score_of(drawn[r], zero_division);
    }
    for (size_t f = 0; f < bcl_bootstrap_size(b); f++) {
        bcl_interval x = bcl_bootstrap_interval(b, f);
        double values[RESAMPLES];
        size_t count = 0;
        bool type = x.group && !strcmp(x.group, "entities") && !strstr(x.row, " avg");
        for (size_t r = 0; r < RESAMPLES; r++) {
            double v = figure_of(again[r], &x);
            if (type && isnan(v)) /* the type is in none of the sentences: zero division */
                v = zero_division == 0 ? 0 : 1;
            if (!isnan(v))
                values[count++] = v;
        }
        qsort(values, count, sizeof *values, compare_doubles);
        if (fabs(x.value - figure_of(score, &x)) > 1e-12 ||
            fabs(x.low - quantile(values, count, .025)) > 1e-12 ||
            fabs(x.high - quantile(values, count, .975)) > 1e-12)
            fail_msg("%s %s: %g [%g, %g], expected %g [%g, %g]", x.row, x.metric ? x.metric : "",
                     x.value, x.low, x.high, figure_of(score, &x), quantile(values, count, .025),
                     quantile(values, count, .975));
        assert_true(x.other == x.value && x.difference == 0 && x.p == 1);
    }
    for (size_t r = 0; r < RESAMPLES; r++) {
        bcl_score_free(again[r]);
        bcl_labels_free(drawn[r]);
    }
    bcl_bootstrap_free(b);
    bcl_score_free(score);
    bcl_labels_free(labels);
}

static void test_bootstrap(void **state) {
    (void)state;
    check_bootstrap(0);
    check_bootstrap(1);
    check_bootstrap(NAN);
    bcl_labels *labels = example(), *fewer = make_labels();
    add(fewer, "00", "00", 0);
    bcl_score *score = score_of(labels, 0), *other = score_of(fewer, 0);
    bcl_bootstrap *b;
    FAILS(bcl_bootstrap_create(&b, score, NULL, 0, 0), BCL_ERROR_ARGUMENT, "0 resamples");
    FAILS(bcl_bootstrap_create(&b, score, other, 10, 0), BCL_ERROR_ARGUMENT, "6 and 1 sentences");
    bcl_score_free(score);
    bcl_score_free(other);
    bcl_labels_free(labels);
    bcl_labels_free(fewer);
}

/* Sentences too long for the small lanes, and fewer draws at a time. */
static void test_long_sentence(void **state) {
    (void)state;
    enum { LONG = 70000 };
    static int32_t gold[LONG], pred[LONG];
    bcl_labels *labels = make_labels();
    for (int i = 0; i < LONG; i++)
        pred[i] = i % 4 == 0;
    OK(bcl_labels_add(labels, &(bcl_labelled){.gold = gold, .pred = pred, .size = LONG}));
    bcl_score *score = score_of(labels, 0);
    bcl_bootstrap *b;
    OK(bcl_bootstrap_create(&b, score, NULL, 5, 0));
    assert_true(bcl_bootstrap_interval(b, 0).low == .75);
    bcl_bootstrap_free(b);
    bcl_score_free(score);
    bcl_labels_free(labels);
}

/* ---- errors, breakdown, files ---- */

static void test_errors(void **state) {
    (void)state;
    bcl_labels *labels = example();
    bcl_score *score = score_of(labels, 0);
    bcl_errors *errors;
    char *folder = test_folder(), *path, *text;
    size_t size;
    OK(bcl_errors_create(&errors, score));
    assert_int_equal(bcl_errors_count(errors), 7);
    OK(bcl_format(&path, "%s/errors.html", folder));
    OK(bcl_errors_write(errors, path,
                        &(bcl_errors_about){.model = "<title> & \"quotes\"", .most = 100}));
    OK(bcl_file_read(&text, &size, path));
    assert_non_null(strstr(text, "&lt;title&gt; &amp; &quot;quotes&quot;"));
    assert_non_null(strstr(text, "&lt;b&gt; c&amp;"));
    assert_null(strstr(text, " <b> "));
    assert_non_null(strstr(text, "\xC2\xA0<b>PER</b></mark>"));
    assert_null(strstr(text, "<script"));
    assert_null(strstr(text, "http:"));
    free(text);
    path[strlen(path) - 5] = 0;
    OK(bcl_errors_write(errors, path, &(bcl_errors_about){.most = 1}));
    OK(bcl_file_read(&text, &size, path));
    assert_non_null(strstr(text, "wrong boundary: PER \"<b> c& \"d\"\" as PER \"<b> c&\""));
    assert_non_null(strstr(text, "6 rarer ones are not shown"));
    free(text);
    free(path);
    free(folder);
    bcl_errors_free(errors);
    OK(bcl_breakdown_text(&text, score, 2));
    assert_non_null(strstr(text, "two"));
    free(text);
    bcl_score_free(score);
    bcl_labels_free(labels);
}

static void test_files(void **state) {
    (void)state;
    char *folder = test_folder(), *gold, *pred;
    bcl_labels *labels;
    OK(bcl_format(&gold, "%s/gold", folder));
    OK(bcl_format(&pred, "%s/pred", folder));
    static const char text[] = "-DOCSTART- O\n\na O\n##b O\n\n-DOCSTART- O\n\nc X B-PER\n";
    OK(bcl_file_write(gold, text, strlen(text)));
#define PRED(t) OK(bcl_file_write(pred, t, strlen(t)))
    PRED("a\tB-X\n##b\tO\n\nc\tB-PER\n");
    OK(bcl_labels_read(&labels, gold, pred, NULL));
    assert_int_equal(bcl_labels_tokens(labels), 3);
    assert_int_equal(bcl_labels_documents(labels), 2);
    assert_non_null(strstr(bcl_labels_document_name(labels, 1), "gold#2"));
    assert_int_equal(bcl_labels_sentence(labels, 1).document, 1);
    bcl_labels_free(labels);
    OK(bcl_labels_read(&labels, gold, pred, &(bcl_labels_options){.first_pieces = true}));
    assert_int_equal(bcl_labels_tokens(labels), 2);
    assert_int_equal(bcl_labels_left_out(labels), 1);
    bcl_labels_free(labels);
    PRED("a O\n##b O\n\nd O\n");
    FAILS(bcl_labels_read(&labels, gold, pred, NULL), BCL_ERROR_FORMAT, "sentence 2, token 1");
    PRED("a O\n\nc O\n");
    FAILS(bcl_labels_read(&labels, gold, pred, NULL), BCL_ERROR_FORMAT, "found 2 and 1 tokens");
    PRED("a O\n##b O\n\nc O\n\nd O\n");
    FAILS(bcl_labels_read(&labels, gold, pred, NULL), BCL_ERROR_FORMAT,
          "pred:6: sentence 3 has no counterpart");
    PRED("a O\n");
    FAILS(bcl_labels_read(&labels, gold, pred, NULL), BCL_ERROR_FORMAT, "found 2 and 1 tokens");
    PRED("a\n");
    FAILS(bcl_labels_read(&labels, gold, pred, NULL), BCL_ERROR_FORMAT, "pred:1: found one column");
    FAILS(bcl_labels_read(&labels, folder, pred, NULL), BCL_ERROR_FORMAT, "found one column");
    OK(bcl_labels_create(&labels));
    bcl_score *score;
    FAILS(bcl_score_create(&score, labels, &(bcl_score_options){0}), BCL_ERROR_ARGUMENT,
          "no token");
    FAILS(bcl_labels_add(
              labels, &(bcl_labelled){.gold = (int32_t[]){0}, .pred = (int32_t[]){0}, .size = 1}),
          BCL_ERROR_ARGUMENT, "labels: found label ids");
    bcl_labels_free(labels);
    free(gold);
    free(pred);
    free(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_matches),
                                       cmocka_unit_test(test_bootstrap),
                                       cmocka_unit_test(test_long_sentence),
                                       cmocka_unit_test(test_errors), cmocka_unit_test(test_files)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
