/* track/: conditions, lines of metrics, file systems, states of processes, versions by content, and
 * what a store does with folders that are moved, copied and resumed. */
#include "track/record.h"
#include "track/store.h"
#include "track/where.h"

#include "support/support.h"
#include "track/filesystem.h"

#include <math.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[] = "/tmp/bertcl-store-XXXXXX", home[64];

static void write_text(const char *name, const char *text) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(bcl_file_write(path, text, strlen(text)), BCL_OK);
}

static void make_folder(const char *name) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(bcl_directory_create(path), BCL_OK);
}

static int64_t import(bcl_store *store, const char *name) {
    char path[256];
    int64_t run = 0;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(bcl_store_import(store, path, &run), BCL_OK);
    return run;
}

static bcl_store *open_store(void) {
    bcl_store *store;
    if (bcl_store_open(&store, home, true))
        fail_msg("%s", bcl_message());
    return store;
}

static int64_t count(bcl_store *store, const char *sql) {
    int64_t n = -1;
    assert_int_equal(bcl_sql_int(&n, store, -1, sql, ""), BCL_OK);
    return n;
}

/* ---- conditions ---- */

static bcl_status find(bcl_field *out, void *context, const char *key) {
    (void)context;
    *out = (bcl_field){0};
    if (!strcmp(key, "f1"))
        *out = (bcl_field){true, true, 0.93, "0.93"};
    else if (!strcmp(key, "lr"))
        *out = (bcl_field){true, true, 1e-5, "1e-05"};
    else if (!strcmp(key, "state"))
        *out = (bcl_field){true, false, 0, "finished"};
    else if (!strcmp(key, "macro avg"))
        *out = (bcl_field){true, true, 2, "2"};
    return BCL_OK;
}

static void test_where(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int holds; /* -1: not understood */
    } cases[] = {{"f1 > 0.9", 1},
                 {"f1>0.93", 0},
                 {"f1 >= .93", 1},
                 {"f1 != 0.93", 0},
                 {"lr = 1e-5", 1},
                 {"lr == 0.00001", 1},
                 {"state = finished", 1},
                 {"state = 'finished'", 1},
                 {"state ~ fin", 1},
                 {"state ~ \"x y\"", 0},
                 {"`macro avg` = 2", 1},
                 {"f1 > 0.9 and lr < 1e-6 or state = finished", 1},
                 {"f1 > 0.9 and (lr < 1e-6 or state = failed)", 0},
                 {"not f1 > 0.9", 0},
                 {"not (f1 > 0.9 and lr = 1)", 1},
                 {"absent > 1", 0},
                 {"absent != 1", 0},
                 {"notable = 1", 0},
                 {"", -1},
                 {"f1", -1},
                 {"f1 >", -1},
                 {"f1 > 1 lr > 2", -1},
                 {"(f1 > 1", -1},
                 {"f1 > 1)", -1},
                 {"f1 => 1", -1},
                 {"'f1' > 1", -1},
                 {"f1 = 'x", -1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bcl_where *w = NULL;
        bool holds = false;
        const bcl_status status = bcl_where_create(&w, cases[i].text);
        if (status != (cases[i].holds < 0 ? BCL_ERROR_ARGUMENT : BCL_OK))
            fail_msg("%s: status %d", cases[i].text, status);
        if (!status) {
            assert_int_equal(bcl_where_holds(&holds, w, find, NULL), BCL_OK);
            if (holds != (cases[i].holds == 1))
                fail_msg("%s: %d", cases[i].text, holds);
        }
        bcl_where_free(w);
    }
    char deep[1024];
    memset(deep, '(', sizeof deep);
    deep[sizeof deep - 1] = 0;
    bcl_where *w = NULL;
    assert_int_equal(bcl_where_create(&w, deep), BCL_ERROR_ARGUMENT);
}

/* ---- metrics ---- */

static void sum_values(void *context, const char *key, size_t size, double value) {
    double *sum = context;
    (void)key;
    sum[0] += (double)size;
    sum[1] += isfinite(value) ? value : 1000;
}

static void test_metric_lines(void **state) {
    (void)state;
    static const struct {
        const char *line;
        bool taken;
        double keys, values; /* bytes of the keys, sum of the values */
    } cases[] = {{"{}", true, 0, 0},
                 {"{\"step\": 1, \"loss\": 2.5}", true, 8, 3.5},
                 {" {\"a\":nan,\"b\":-inf,\"c\":Infinity,\"d\":NaN} ", true, 4, 4000},
                 {"{\"a\": \"x,}\\\"\", \"b\": [1,{\"c\":2}], \"d\": null, \"e\": 3}", true, 1, 3},
                 {"{\"a\": 1", false, 1, 1},
                 {"{\"a\" 1}", false, 0, 0},
                 {"[1]", false, 0, 0},
                 {"", false, 0, 0},
                 {"{\"a\": x}", false, 0, 0},
                 {"{\"a\": \"x", false, 0, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double sum[2] = {0};
        if (bcl_metric_line(cases[i].line, strlen(cases[i].line), sum_values, sum) !=
            cases[i].taken)
            fail_msg("%s", cases[i].line);
        assert_true(sum[0] == cases[i].keys && sum[1] == cases[i].values);
    }
}

static void test_tail(void **state) {
    (void)state;
    bcl_store *store = open_store();
    make_folder("tail");
    write_text("tail/run.json", "{\"options\": {\"lr\": 0.5}}");
    write_text("tail/metrics.jsonl",
               "{\"step\": 1, \"loss\": 4}\n{\"step\": 2, \"loss\": 3}\n{\"ste");
    const int64_t run = import(store, "tail");
    assert_int_equal(count(store, "SELECT count(*) FROM metrics"), 2);
    /* the rest of the line, and more */
    write_text("tail/metrics.jsonl", "{\"step\": 1, \"loss\": 4}\n{\"step\": 2, \"loss\": 3}\n"
                                     "{\"step\": 3, \"loss\": nan}\n{\"step\": 4, \"loss\": 1}\n");
    assert_int_equal(import(store, "tail"), run);
    assert_int_equal(count(store, "SELECT count(*) FROM metrics"), 4);
    assert_int_equal(count(store, "SELECT count(*) FROM metrics WHERE value IS NULL"), 1);
    assert_int_equal(count(store, "SELECT last FROM series"), 1);
    assert_int_equal(count(store, "SELECT most FROM series"), 4);
    /* resumed from step 1 on */
    write_text("tail/metrics.jsonl", "{\"step\": 1, \"loss\": 4}\n{\"step\": 2, \"loss\": 9}\n");
    import(store, "tail");
    assert_int_equal(count(store, "SELECT count(*) FROM metrics"), 2);
    assert_int_equal(count(store, "SELECT last FROM series"), 9);
    assert_int_equal(count(store, "SELECT points FROM series"), 2);
    /* resumed, and longer than before when it is seen again */
    write_text("tail/metrics.jsonl", "{\"step\": 1, \"loss\": 4}\n{\"step\": 2, \"loss\": 7}\n"
                                     "{\"step\": 3, \"loss\": 6}\n");
    import(store, "tail");
    assert_int_equal(count(store, "SELECT count(*) FROM metrics"), 3);
    assert_int_equal(count(store, "SELECT count(*) FROM metrics WHERE value = 9"), 0);
    bcl_store_close(store);
}

/* ---- where a store is, and who wrote ---- */

static void test_file_systems(void **state) {
    (void)state;
    assert_string_equal(bcl_network_file_system(0x6969), "NFS");
    assert_string_equal(bcl_network_file_system(0x0BD00BD0), "Lustre");
    assert_string_equal(bcl_network_file_system(0xFE534D42), "SMB2");
    assert_string_equal(bcl_network_file_system((unsigned long)(int)0xFF534D42), "CIFS");
    assert_null(bcl_network_file_system(0xEF53));     /* ext4 */
    assert_null(bcl_network_file_system(0x01021994)); /* tmpfs */
}

static void test_process_state(void **state) {
    (void)state;
    bcl_process self, other;
    const double now = bcl_unix_time();
    bcl_process_self(&self);
    assert_string_equal(bcl_process_state(&self, 0, now), "running");
    other = self;
    other.start--; /* the same pid, given to somebody else */
    assert_string_equal(bcl_process_state(&other, now, now), "killed");
    other = self;
    other.boot[0] ^= 1; /* before the machine was started again */
    assert_string_equal(bcl_process_state(&other, now, now), "killed");
    other = self;
    strcpy(other.host, "elsewhere");
    assert_string_equal(bcl_process_state(&other, now - 10, now), "running");
    assert_string_equal(bcl_process_state(&other, now - 1000, now), "lost");
    const pid_t child = fork();
    if (!child)
        _exit(0);
    waitpid(child, NULL, 0);
    other = self;
    other.pid = child;
    assert_string_equal(bcl_process_state(&other, now, now), "killed");
    assert_string_equal(bcl_process_state(&(bcl_process){0}, 0, now), "unknown");
}

/* ---- versions ---- */

static cJSON *dataset(const char *name, char digit, double version) {
    char sha256[65];
    memset(sha256, digit, 64);
    sha256[64] = 0;
    cJSON *record = cJSON_CreateObject();
    cJSON_AddStringToObject(record, "name", name);
    cJSON_AddStringToObject(record, "sha256", sha256);
    if (version > 0)
        cJSON_AddNumberToObject(record, "version", version);
    return record;
}

static int64_t add_dataset(bcl_store *store, const char *name, char digit, double version) {
    cJSON *record = dataset(name, digit, version);
    int64_t id = 0;
    assert_int_equal(bcl_store_add_dataset(store, record, &id), BCL_OK);
    cJSON_Delete(record);
    return id;
}

static void test_versions(void **state) {
    (void)state;
    bcl_store *store = open_store();
    int64_t id;
    const int64_t first = add_dataset(store, "corpus", 'a', 0);
    assert_int_equal(add_dataset(store, "corpus", 'a', 0), first); /* the same content */
    const int64_t second = add_dataset(store, "corpus", 'b', 0);
    assert_true(second != first);
    add_dataset(store, "corpus", 'c', 7); /* a version that is free */
    add_dataset(store, "corpus", 'd', 7); /* and one that is not */
    assert_int_equal(count(store, "SELECT max(version) FROM datasets"), 8);
    assert_int_equal(bcl_store_find_dataset(&id, store, "corpus@1"), BCL_OK);
    assert_int_equal(id, first);
    assert_int_equal(bcl_store_find_dataset(&id, store, "data:corpus"), BCL_OK);
    assert_int_equal(bcl_store_find_dataset(&id, store, "corpus@3"), BCL_ERROR_ARGUMENT);
    assert_non_null(strstr(bcl_message(), "corpus@8"));
    assert_int_equal(bcl_store_find_dataset(&id, store, "other"), BCL_ERROR_ARGUMENT);
    cJSON *bad = cJSON_CreateObject();
    assert_int_equal(bcl_store_add_dataset(store, bad, &id), BCL_ERROR_FORMAT);
    cJSON_Delete(bad);
    bcl_store_close(store);
}

static void test_models(void **state) {
    (void)state;
    bcl_store *store = open_store();
    char path[256];
    int64_t id, other;
    make_folder("m");
    write_text("m/config.json", "{}");
    snprintf(path, sizeof path, "%s/m", folder);
    assert_int_equal(bcl_store_add_model(store, "ner", path, &id), BCL_OK);
    write_text("m/README.md", "a card is no part of the model");
    assert_int_equal(bcl_store_add_model(store, "ner", path, &other), BCL_OK);
    assert_int_equal(id, other);
    write_text("m/config.json", "{ }");
    assert_int_equal(bcl_store_add_model(store, "ner", path, &other), BCL_OK);
    assert_true(id != other);
    assert_int_equal(bcl_store_promote(store, id, "production"), BCL_OK);
    assert_int_equal(bcl_store_find_model(&other, store, "models:ner:production"), BCL_OK);
    assert_int_equal(other, id);
    assert_int_equal(bcl_store_find_model(&other, store, "ner@1"), BCL_OK);
    assert_int_equal(other, id);
    assert_int_equal(bcl_store_find_model(&other, store, "ner:latest"), BCL_OK);
    assert_true(other != id);
    assert_int_equal(bcl_store_promote(store, id, "latest"), BCL_ERROR_ARGUMENT);
    assert_int_equal(bcl_store_promote(store, id, "12"), BCL_ERROR_ARGUMENT);
    assert_int_equal(bcl_store_find_model(&other, store, "ner:staging"), BCL_ERROR_ARGUMENT);
    bcl_store_close(store);
    setenv("BERTCL_HOME", home, 1);
    static const struct {
        const char *name;
        bool found;
        bcl_status status;
    } names[] = {{"models:ner", true, BCL_OK},
                 {"ner@1", true, BCL_OK},
                 {"ner:latest", true, BCL_OK},
                 {"ner@9", false, BCL_ERROR_ARGUMENT},
                 {"other:latest", false, BCL_ERROR_ARGUMENT},
                 {"ner", false, BCL_OK},
                 {"bert-base@main", false, BCL_OK},
                 {"bert-base@1", false, BCL_OK},
                 {"org/ner@1", false, BCL_OK},
                 {"./ner@1", false, BCL_OK},
                 {"@1", false, BCL_OK}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *found = NULL;
        if (bcl_store_model_folder(&found, names[i].name) != names[i].status ||
            (found != NULL) != names[i].found)
            fail_msg("%s: %s", names[i].name, found ? found : bcl_message());
        free(found);
    }
}

/* ---- folders that move ---- */

static void test_moved_and_copied(void **state) {
    (void)state;
    bcl_store *store = open_store();
    char from[256], to[256];
    make_folder("a");
    write_text("a/run.json", "{}");
    write_text("a/track.json", "{\"id\": \"0123456789abcdef0123456789abcdef\"}");
    const int64_t first = import(store, "a");
    make_folder("copy");
    write_text("copy/run.json", "{}");
    write_text("copy/track.json", "{\"id\": \"0123456789abcdef0123456789abcdef\"}");
    const int64_t copy = import(store, "copy");
    assert_true(copy != first);
    assert_int_equal(import(store, "copy"), copy);
    snprintf(from, sizeof from, "%s/a", folder);
    snprintf(to, sizeof to, "%s/moved", folder);
    assert_int_equal(rename(from, to), 0);
    assert_int_equal(import(store, "moved"), first);
    int64_t found;
    assert_int_equal(bcl_store_find_run(&found, store, "0123"), BCL_OK);
    assert_int_equal(found, first);
    assert_int_equal(bcl_store_find_run(&found, store, "nothing"), BCL_ERROR_ARGUMENT);
    make_folder("b");
    make_folder("b/copy");
    write_text("b/copy/run.json", "{}");
    import(store, "b/copy");
    assert_int_equal(bcl_store_find_run(&found, store, "copy"), BCL_ERROR_ARGUMENT);
    assert_non_null(strstr(bcl_message(), "several runs"));
    bcl_store_close(store);
}

static int set_up(void **state) {
    (void)state;
    strcpy(strrchr(folder, '-'), "-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(home, sizeof home, "%s/home", folder);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    return bcl_path_remove(folder);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {TEST(test_where),         TEST(test_metric_lines),
                                       TEST(test_tail),          TEST(test_file_systems),
                                       TEST(test_process_state), TEST(test_versions),
                                       TEST(test_models),        TEST(test_moved_and_copied)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
