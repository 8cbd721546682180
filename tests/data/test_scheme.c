/* data/scheme: which scheme tags are of, and sequences that it allows. */
#include "data/scheme.h"
#include "support/support.h"

#include <math.h>

/* Tags parted by spaces, seen once each unless `seen` says more. */
static bcl_scheme detect(const char *text, const uint64_t *seen, bool model, uint64_t inside) {
    static char copy[512];
    const char *names[32];
    uint64_t ones[32];
    size_t K = 0;
    snprintf(copy, sizeof copy, "%s", text);
    for (char *tag = strtok(copy, " "); tag; tag = strtok(NULL, " ")) {
        ones[K] = 1;
        names[K++] = tag;
    }
    return bcl_scheme_detect(&(bcl_scheme_evidence){.names = names,
                                                    .K = K,
                                                    .seen = model  ? NULL
                                                            : seen ? seen
                                                                   : ones,
                                                    .model = model ? K : 0,
                                                    .inside_start = inside});
}

static void test_detect(void **state) {
    (void)state;
    static const struct {
        const char *tags;
        bcl_scheme scheme;
    } cases[] = {{"O B-A I-A", BCL_SCHEME_IOB2},
                 {"O B-A", BCL_SCHEME_IOB2},
                 {"O I-A I-B", BCL_SCHEME_IOB1},
                 {"O B-A I-A E-A S-A", BCL_SCHEME_IOBES},
                 {"O B-A E-A", BCL_SCHEME_IOBES},
                 {"O S-A S-B", BCL_SCHEME_IOBES},
                 {"O B-A I-A L-A U-A", BCL_SCHEME_BILOU},
                 {"O U-A", BCL_SCHEME_BILOU},
                 {"O I-A E-A", BCL_SCHEME_IOE2},
                 {"O PER LOC ORG", BCL_SCHEME_IO},
                 {"O Einstein LOC B", BCL_SCHEME_IO},
                 {"O", BCL_SCHEME_IOB2},
                 {"O B-A I-A L-A E-A S-A U-A", BCL_SCHEME_DEFAULT},
                 {"O B- I-A-B B-A-B", BCL_SCHEME_IOB2}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int model = 0; model < 2; model++)
            if (detect(cases[i].tags, NULL, model, 0) != cases[i].scheme)
                fail_msg("%s: found %s, expected %s", cases[i].tags,
                         bcl_scheme_name(detect(cases[i].tags, NULL, model, 0)),
                         bcl_scheme_name(cases[i].scheme));
    /* entities that begin with I */
    assert_int_equal(detect("O B-A I-A", NULL, false, 1), BCL_SCHEME_IOB1);
    /* one stray tag among many is no evidence */
    assert_int_equal(detect("O B-A I-A L-A", (uint64_t[]){9, 500, 400, 1}, false, 0),
                     BCL_SCHEME_IOB2);
    assert_int_equal(detect("O B-A I-A L-A", (uint64_t[]){9, 500, 400, 30}, false, 0),
                     BCL_SCHEME_BILOU);
    assert_int_equal(detect("O B-A I-A B-B I-B B-C I-C E-C", NULL, true, 0), BCL_SCHEME_IOB2);
    assert_int_equal(bcl_scheme_counted(BCL_SCHEME_IOB1), BCL_SCHEME_DEFAULT);
    assert_int_equal(bcl_scheme_counted(BCL_SCHEME_IOBES), BCL_SCHEME_IOBES);
}

enum { N = 5, MOST = 9 };
static const char *const labels[][MOST] = {
    {"O", "B-X", "I-X", "B-Y", "I-Y"},
    {"O", "B-X", "I-X", "E-X", "S-X", "B-Y", "I-Y", "E-Y", "S-Y"},
    {"O", "B-X", "I-X", "L-X", "U-X", "B-Y", "I-Y", "L-Y", "U-Y"},
    {"O", "I-X", "E-X", "I-Y", "E-Y"},
    {"O", "I-X", "B-X", "I-Y", "B-Y"},
    {"O", "X", "Y"},
};
static const struct {
    bcl_scheme scheme;
    size_t labels, K;
} decoders[] = {{BCL_SCHEME_IOB2, 0, 5}, {BCL_SCHEME_IOBES, 1, 9}, {BCL_SCHEME_BILOU, 2, 9},
                {BCL_SCHEME_IOE2, 3, 5}, {BCL_SCHEME_IOE1, 3, 5},  {BCL_SCHEME_IOB1, 4, 5},
                {BCL_SCHEME_IO, 5, 3}};

/* Whether every tag that is not O is in an entity that the strict scheme takes. */
static bool well_formed(const char *const *names, size_t K, bcl_scheme scheme,
                        const int32_t *tags) {
    bcl_entities *e = NULL;
    bcl_entity_report *r = NULL;
    char *text = NULL;
    OK(bcl_entities_create(&e, names, K, NULL, scheme));
    OK(bcl_entities_add(e, tags, tags, N));
    OK(bcl_entity_report_create(&r, e, 0));
    /* Everything is covered if default mode, which takes any tag, finds no more. */
    bcl_entities *all = NULL;
    bcl_entity_report *lenient = NULL;
    OK(bcl_entities_create(&all, names, K, NULL,
                           scheme == BCL_SCHEME_IO ? scheme : BCL_SCHEME_DEFAULT));
    OK(bcl_entities_add(all, tags, tags, N));
    OK(bcl_entity_report_create(&lenient, all, 0));
    const bool same =
        bcl_entity_report_micro(r).support == bcl_entity_report_micro(lenient).support;
    bcl_entity_report_free(r);
    bcl_entity_report_free(lenient);
    bcl_entities_free(e);
    bcl_entities_free(all);
    free(text);
    return same;
}

/* Every sequence is tried: none that is allowed is likelier. */
static void test_decode_is_the_best(void **state) {
    (void)state;
    uint32_t random[4], drawn = 0;
    for (size_t d = 0; d < sizeof decoders / sizeof *decoders; d++) {
        const size_t K = decoders[d].K;
        const char *const *names = labels[decoders[d].labels];
        bcl_transitions t;
        OK(bcl_transitions_create(&t, decoders[d].scheme, names, K));
        for (int round = 0; round < 20; round++) {
            float scores[N * MOST];
            int32_t best[N], tags[N] = {0};
            for (size_t i = 0; i < N * K; i++) {
                bcl_philox(random, (uint32_t[4]){drawn++}, (uint32_t[2]){7});
                scores[i] = (float)(random[0] % 1000 + 1) / 1001.f;
            }
            OK(bcl_decode(best, &t, scores, N));
            double found = 0, highest = -INFINITY;
            for (int i = 0; i <= N; i++)
                assert_true(bcl_transition(&t, i ? best[i - 1] : -1, i < N ? best[i] : -1));
            for (size_t i = 0; i < N; i++)
                found += log((double)scores[i * K + (size_t)best[i]]);
            for (bool more = true; more;) {
                double sum = 0;
                bool allowed = true;
                for (int i = 0; i <= N; i++) {
                    allowed &= bcl_transition(&t, i ? tags[i - 1] : -1, i < N ? tags[i] : -1);
                    sum += i < N ? log((double)scores[(size_t)i * K + (size_t)tags[i]]) : 0;
                }
                if (allowed && sum > highest)
                    highest = sum;
                size_t i = 0;
                while (i < N && ++tags[i] == (int32_t)K)
                    tags[i++] = 0;
                more = i < N;
            }
            assert_true(fabs(found - highest) < 1e-9);
            if (decoders[d].scheme == BCL_SCHEME_IOBES || decoders[d].scheme == BCL_SCHEME_IOB2)
                assert_true(well_formed(names, K, decoders[d].scheme, best));
        }
        bcl_transitions_free(&t);
    }
}

static void test_nothing_is_allowed(void **state) {
    (void)state;
    static const char *const only[] = {"I-X", "I-Y"};
    bcl_transitions t;
    int32_t best[2];
    OK(bcl_transitions_create(&t, BCL_SCHEME_IOB2, only, 2));
    OK(bcl_decode(best, &t, (float[]){.1f, .9f, .8f, .2f}, 2));
    assert_int_equal(best[0], 1);
    assert_int_equal(best[1], 0);
    OK(bcl_decode(best, &t, NULL, 0));
    bcl_transitions_free(&t);
}

static void test_tags(void **state) {
    (void)state;
    static const struct {
        const char *tag;
        char prefix;
        const char *type;
    } cases[] = {
        {"O", 'O', ""},    {"B-PER", 'B', "PER"}, {"L-X", 'E', "X"},         {"U-X", 'S', "X"},
        {"M-X", 'I', "X"}, {"W-X", 'S', "X"},     {"I-A-LOC", 'I', "A-LOC"}, {"LOC", 0, "LOC"},
        {"I-", 0, "I-"},   {"", 0, ""},           {"X-PER", 0, "X-PER"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const bcl_tag_parts p = bcl_tag_read(cases[i].tag);
        assert_int_equal(p.prefix, cases[i].prefix);
        assert_string_equal(p.type, cases[i].type);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tags),
        cmocka_unit_test(test_detect),
        cmocka_unit_test(test_decode_is_the_best),
        cmocka_unit_test(test_nothing_is_allowed),
    };
    return cmocka_run_group_tests_name("scheme", tests, NULL, NULL);
}
