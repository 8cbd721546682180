/* Going on with a run whose files, data, weights or vocabulary are not what they were: refused with
 * what differs, or a checkpoint that is not whole is left for the one before. */
#include "support/runs.h"

#include <cjson/cJSON.h>
#include <signal.h>
#include <sys/resource.h>

static char *stopped, *whole;

enum { FIRST = 8, STEPS = 24 };
static int64_t second; /* step of the newest checkpoint; the one before is FIRST */

static void shell(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void shell(const char *format, ...) {
    char command[4096];
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    assert_int_equal(system(command), 0);
}

/* A run of STEPS steps, stopped behind its second checkpoint; and one that was not stopped. */
static void make_runs(void) {
    run_heard h = {.stop_at = FIRST + 2};
    stopped = run_path(run_home, "stopped");
    whole = run_path(run_home, "whole");
    bcl_run_options o = run_options(stopped, &h);
    o.save_every = 4;
    OK(bcl_run_open(&h.run, &o));
    FAILS(bcl_run_train(h.run), BCL_ERROR_INTERRUPTED, "stopped");
    bcl_run_free(h.run);
    char **names = NULL;
    size_t count;
    OK(bcl_directory_list(&names, &count, stopped));
    for (size_t i = 0; i < count; i++)
        if (!strncmp(names[i], "checkpoint-", 11) && atoi(names[i] + 11) > second)
            second = atoi(names[i] + 11);
    bcl_strings_free(names, count);
    assert_true(second > FIRST && second < STEPS);
    h = (run_heard){0};
    o = run_options(whole, &h);
    o.save_every = 4;
    OK(bcl_run_open(&h.run, &o));
    bcl_run *run = h.run;
    h.run = NULL;
    OK(bcl_run_train(run));
    bcl_run_free(run);
}

/* A copy of the stopped run. */
static char *copy(void) {
    static int number;
    char *path = NULL;
    OK(bcl_format(&path, "%s/copy%d", run_home, number++));
    shell("cp -a '%s' '%s'", stopped, path);
    return path;
}

/* Opens and trains; the status of what fails. */
static bcl_status go_on(const char *out, run_heard *h) {
    bcl_status status = BCL_OK;
    bcl_run *run = NULL;
    bcl_run_options o;
    bcl_run_options_init(&o);
    o.out = out;
    o.resume = true;
    o.listener = run_listen;
    o.context = h;
    BCL_TRY(bcl_run_open(&run, &o));
    BCL_TRY(bcl_run_train(run));
out:
    bcl_run_free(run);
    return status;
}

static void same_as_whole(const char *out) {
    shell("cmp '%s/model/model.safetensors' '%s/model/model.safetensors'", out, whole);
    shell("cmp '%s/best/model.safetensors' '%s/best/model.safetensors'", out, whole);
    shell("cmp '%s/metrics.jsonl' '%s/metrics.jsonl'", out, whole);
}

static void flip(const char *path, long from_end) {
    char *bytes = NULL;
    size_t size;
    OK(bcl_file_read(&bytes, &size, path));
    bytes[size - (size_t)from_end] ^= 1;
    OK(bcl_file_write(path, bytes, size));
    free(bytes);
}

/* Takes the checkpoint before, says so, and ends as if nothing had happened. */
static void takes_first(char *out, const char *message) {
    run_heard h = {0};
    char line[128];
    OK(go_on(out, &h));
    assert_int_equal(h.resumed, FIRST);
    if (!strstr(h.messages, message))
        fail_msg("messages \"%s\" lack \"%s\"", h.messages, message);
    snprintf(line, sizeof line, "checkpoint-%d is removed, going on from checkpoint-%d",
             (int)second, FIRST);
    assert_non_null(strstr(h.messages, line));
    same_as_whole(out);
    free(out);
}

static void test_untouched(void **state) {
    run_heard h = {0};
    char *out = copy();
    (void)state;
    OK(go_on(out, &h));
    assert_int_equal(h.resumed, second);
    same_as_whole(out);
    free(out);
}

static void test_checkpoints(void **state) {
    char path[4096], *out;
    (void)state;
    static const char *const files[] = {"model/model.safetensors", "training_state.safetensors",
                                        "model/config.json", "model/vocab.txt"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        out = copy();
        snprintf(path, sizeof path, "%s/checkpoint-%d/%s", out, (int)second, files[i]);
        flip(path, 9);
        takes_first(out, files[i]);
    }
    out = copy(); /* the state of another step */
    shell("cp '%s/checkpoint-%d/training_state.safetensors' '%s/checkpoint-%d/'", out, FIRST, out,
          (int)second);
    takes_first(out, "training_state.safetensors: found");
    out = copy(); /* cut */
    shell("truncate -s -100 '%s/checkpoint-%d/model/model.safetensors'", out, (int)second);
    takes_first(out, "bytes, checkpoint.json says");
    out = copy();
    shell("rm '%s/checkpoint-%d/checkpoint.json'", out, (int)second);
    takes_first(out, "checkpoint.json: cannot open");
    out = copy();
    shell("rm '%s/checkpoint-%d/training_state.safetensors'", out, (int)second);
    takes_first(out, "training_state.safetensors: cannot read");
    out = copy(); /* nothing whole is left */
    shell("rm -r '%s/checkpoint-%d'", out, FIRST);
    snprintf(path, sizeof path, "%s/checkpoint-%d/model/model.safetensors", out, (int)second);
    flip(path, 9);
    run_heard h = {0};
    FAILS(go_on(out, &h), BCL_ERROR_FORMAT, "no checkpoint is whole");
    assert_true(bcl_path_exists(path));
    free(out);
}

/* A folder under another step's name. */
static void test_renamed(void **state) {
    run_heard h = {0};
    char *out = copy();
    (void)state;
    shell("mv '%s/checkpoint-%d' '%s/checkpoint-%d'", out, (int)second, out, (int)second + 3);
    OK(go_on(out, &h));
    assert_int_equal(h.resumed, FIRST);
    assert_non_null(strstr(h.messages, "the folder's name says"));
    same_as_whole(out);
    free(out);
}

static void test_metrics(void **state) {
    run_heard h = {0};
    char *out = copy();
    (void)state;
    shell("truncate -s -30 '%s/metrics.jsonl'", out);
    FAILS(go_on(out, &h), BCL_ERROR_FORMAT, "metrics.jsonl: found");
    assert_non_null(strstr(bcl_message(), "a part is lost"));
    shell("rm '%s/metrics.jsonl'", out);
    FAILS(go_on(out, &h), BCL_ERROR_IO, "metrics.jsonl: cannot open");
    free(out);
    out = copy(); /* what a kill left behind the checkpoint is cut off */
    shell("echo '{\"step\": 99' >>'%s/metrics.jsonl'", out);
    OK(go_on(out, &h));
    same_as_whole(out);
    free(out);
}

static void refuse(const char *out, const char *message) {
    run_heard h = {0};
    char *sums = run_path(run_home, "sums");
    shell("cd '%s' && find . -type f ! -name .lock | sort | xargs sha256sum >'%s'", out, sums);
    FAILS(go_on(out, &h), BCL_ERROR_ARGUMENT, message);
    shell("cd '%s' && sha256sum --quiet -c '%s'", out, sums); /* nothing was written */
    free(sums);
}

/* Words, tags, weights, vocabulary: same counts, other contents. */
static void test_inputs(void **state) {
    char *out = copy();
    (void)state;
    shell("cp '%s' '%s.kept' && cp -a '%s' '%s.kept'", run_data, run_data, run_model, run_model);
    shell("sed -i '1s/ab0/ab1/' '%s'", run_data);
    refuse(out, "the words of the");
    shell("cp '%s.kept' '%s' && sed -i '1s/O$/I-LOC/' '%s'", run_data, run_data, run_data);
    refuse(out, "the tags of the");
    shell("head -n -4 '%s.kept' >'%s'", run_data, run_data);
    refuse(out, "the number of sentences of the");
    shell("cp '%s.kept' '%s'", run_data, run_data);
    char *path = run_path(run_model, "model.safetensors");
    flip(path, 5);
    refuse(out, "the weights in");
    shell("cp '%s.kept/model.safetensors' '%s'", run_model, path);
    shell("sed -i 's/^z$/zz/' '%s/vocab.txt'", run_model);
    refuse(out, "the vocabulary changed");
    shell("cp '%s.kept/vocab.txt' '%s/vocab.txt'", run_model, run_model);
    run_heard h = {0};
    shell("mv '%s' '%s.gone'", run_model, run_model); /* the checkpoint has its own weights */
    OK(go_on(out, &h));
    assert_non_null(strstr(h.messages, "is not there any more"));
    same_as_whole(out);
    shell("mv '%s.gone' '%s'", run_model, run_model);
    free(path);
    free(out);
}

static void edit(const char *path, const char *key, const char *inner, cJSON *value) {
    cJSON *json = NULL;
    OK(bcl_json_read(&json, path));
    cJSON *object = inner ? cJSON_GetObjectItemCaseSensitive(json, key) : json;
    const char *name = inner ? inner : key;
    cJSON_DeleteItemFromObjectCaseSensitive(object, name);
    if (value)
        assert_true(cJSON_AddItemToObject(object, name, value));
    OK(bcl_json_write(json, path));
    cJSON_Delete(json);
}

/* A run of a bertcl that kept no checksums goes on, and that is said. */
static void test_older_record(void **state) {
    run_heard h = {0};
    char *out = copy(), *path = run_path(out, "run.json");
    (void)state;
    edit(path, "sha256", NULL, NULL);
    edit(path, "model_folder", NULL, NULL);
    shell("rm '%s'/checkpoint-*/checkpoint.json", out);
    OK(go_on(out, &h));
    assert_int_equal(h.resumed, second);
    assert_non_null(strstr(h.messages, "has no checksums"));
    same_as_whole(out);
    free(path);
    free(out);
}

static void test_records(void **state) {
    run_heard h = {0};
    char *out = copy(), *path = run_path(out, "run.json"), *results = run_path(out, "results.json");
    static const struct {
        const char *key;
        double value;
        const char *message;
    } cases[] = {{"lr", -1, "run.json: lr: found -1, expected 0 to 1000"},
                 {"epochs", 0, "run.json: epochs: found 0"},
                 {"batch", 2.5, "\"batch\": found 2.5, expected a whole number"},
                 {"beta2", 1, "run.json: beta2: found 1, expected 0 to 0.9999999"},
                 {"seed", 1e300, "\"seed\""}};
    (void)state;
    shell("cp '%s' '%s.kept'", path, path);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        edit(path, "options", cases[i].key, cJSON_CreateNumber(cases[i].value));
        FAILS(go_on(out, &h), BCL_ERROR_FORMAT, cases[i].message);
        shell("cp '%s.kept' '%s'", path, path);
    }
    edit(path, "options", "schedule", cJSON_CreateString("steps"));
    FAILS(go_on(out, &h), BCL_ERROR_FORMAT, "schedule: found \"steps\"");
    shell("cp '%s.kept' '%s'", path, path);
    edit(path, "sha256", "weights", cJSON_CreateString("12"));
    FAILS(go_on(out, &h), BCL_ERROR_FORMAT, "64 hexadecimal digits");
    shell("cp '%s.kept' '%s'", path, path);
    edit(path, "labels", NULL, cJSON_CreateString("O"));
    FAILS(go_on(out, &h), BCL_ERROR_FORMAT, "\"labels\"");
    shell("head -c 200 '%s.kept' >'%s'", path, path);
    FAILS(go_on(out, &h), BCL_ERROR_FORMAT, "run.json: byte");
    shell("mv '%s.kept' '%s'", path, path);
    /* results.json: whatever is damaged is not "complete" */
    static const char *const damaged[] = {"", "{}", "[1]", "{\"train\": {\"steps\": 24}}",
                                          "{\"train\": {\"steps\": -1, \"loss\": 0}}"};
    for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++) {
        OK(bcl_file_write(results, damaged[i], strlen(damaged[i])));
        FAILS(go_on(out, &h), BCL_ERROR_FORMAT, "results.json");
    }
    shell("rm '%s'", results);
    OK(go_on(out, &h));
    same_as_whole(out);
    free(path);
    free(results);
    free(out);
}

/* From its first step on no file may be longer than that: saving fails in the middle. */
static void listen_without_room(void *context, const bcl_run_event *event) {
    struct rlimit limit;
    if (event->kind == BCL_RUN_STEP && !getrlimit(RLIMIT_FSIZE, &limit)) {
        limit.rlim_cur = 16 << 10;
        setrlimit(RLIMIT_FSIZE, &limit);
    }
    run_listen(context, event);
}

/* Two checkpoints are whole at any moment, while the next is being written too. */
static void test_second_stays(void **state) {
    run_heard h = {0};
    struct rlimit limit;
    char *out = copy(), *path = NULL;
    bcl_run *run = NULL;
    bcl_run_options o;
    (void)state;
    bcl_run_options_init(&o);
    o.out = out;
    o.resume = true;
    o.listener = listen_without_room;
    o.context = &h;
    OK(bcl_run_open(&run, &o));
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &limit);
    const bcl_status status = bcl_run_train(run);
    setrlimit(RLIMIT_FSIZE, &limit);
    assert_int_equal(status, BCL_ERROR_IO);
    bcl_run_free(run);
    OK(bcl_format(&path, "%s/checkpoint-%d/model/model.safetensors", out, (int)second));
    flip(path, 100);
    takes_first(out, "is not whole");
    free(path);
}

static void test_leftovers(void **state) {
    run_heard h = {0};
    char *out = copy();
    (void)state;
    shell("cd '%s' && touch run.json.tmp.123 results.json.tmp.99999999 && mkdir checkpoint.tmp.77 "
          "model.tmp.8 tmp-checkpoint && touch model.tmp.8/x note.tmp.txt",
          out);
    OK(go_on(out, &h));
    shell("cd '%s' && ! ls | grep -E 'tmp[-.]?[0-9c]'", out);
    shell("test -e '%s/note.tmp.txt'", out); /* not ours */
    assert_non_null(strstr(h.messages, "removed checkpoint.tmp.77"));
    assert_non_null(strstr(h.messages, "removed run.json.tmp.123"));
    same_as_whole(out);
    free(out);
}

static void test_other_products(void **state) {
    run_heard h = {0};
    char *out = copy();
    bcl_run *run = NULL;
    bcl_run_options o;
    (void)state;
    bcl_run_options_init(&o);
    o.out = out;
    o.resume = true;
    o.gemm = "reference";
    o.listener = run_listen;
    o.context = &h;
    OK(bcl_run_open(&run, &o));
    assert_non_null(strstr(h.messages, "the bits of the model will differ"));
    OK(bcl_run_train(run));
    assert_string_equal(bcl_run_record_of(run)->gemm, "reference");
    bcl_run_free(run);
    free(out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_untouched), cmocka_unit_test(test_checkpoints),
        cmocka_unit_test(test_renamed),   cmocka_unit_test(test_metrics),
        cmocka_unit_test(test_inputs),    cmocka_unit_test(test_older_record),
        cmocka_unit_test(test_records),   cmocka_unit_test(test_second_stays),
        cmocka_unit_test(test_leftovers), cmocka_unit_test(test_other_products),
    };
    const int failed = RUN_TESTS(tests, make_runs());
    free(stopped);
    free(whole);
    return failed;
}
