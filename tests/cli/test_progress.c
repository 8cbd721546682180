/* cli/progress: the line of a run at several widths, and the status file. */
#include "cli/progress.h"
#include "support/support.h"

#include <cjson/cJSON.h>

static bcl_progress at_work(void) {
    return (bcl_progress){.run = "runs/first",
                          .epochs = 3,
                          .smooth_loss = 0.25,
                          .smooth_weight = 0.5,
                          .step = {.step = 1500,
                                   .steps = 3000,
                                   .epoch = 2,
                                   .loss = 0.75,
                                   .lr = 2e-5,
                                   .tokens_per_s = 1234.4,
                                   .seconds_left = 83.2}};
}

static void line_is(const bcl_progress *p, size_t columns, const char *expected) {
    char line[512];
    bcl_progress_line(line, sizeof line, p, 812.3, columns);
    assert_string_equal(line, expected);
    assert_true(strlen(line) <= columns);
}

static void test_line_fits(void **state) {
    (void)state;
    bcl_progress p = at_work();
    line_is(&p, 120,
            "epoch 2/3  [############............]  step 1500/3000  loss 0.5000  lr 2.00e-05  "
            "1234 tokens/s  1:23 left  812 MiB");
    line_is(
        &p, 100,
        "epoch 2/3  [#####.....]  step 1500/3000  loss 0.5000  lr 2.00e-05  1234 tokens/s  1:23 "
        "left  812 MiB");
    line_is(&p, 79,
            "epoch 2/3  [#####......]  step 1500/3000  loss 0.5000  1234 tokens/s  1:23 left");
    line_is(&p, 60, "step 1500/3000  loss 0.5000  1234 tokens/s  1:23 left");
    line_is(&p, 30, "step 1500/3000  1:23 left");
    line_is(&p, 5, "");
}

static void test_line_of_long_runs(void **state) {
    (void)state;
    bcl_progress p = at_work();
    p.step.seconds_left = 3723;
    line_is(&p, 33, "step 1500/3000  1:02:03 left");
    p.step.seconds_left = 2 * 86400 + 5 * 3600;
    line_is(&p, 33, "step 1500/3000  2 d 05 h left");
    p.step.tokens_per_s = 0; /* not known yet: nothing is said of the time, either */
    line_is(&p, 33, "step 1500/3000  loss 0.5000");
}

static double number(const cJSON *json, const char *key) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, key);
    assert_true(cJSON_IsNumber(item));
    return item->valuedouble;
}

static void state_is(const char *path, const char *expected) {
    cJSON *json = NULL;
    OK(bcl_json_read(&json, path));
    assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "state")),
                        expected);
    cJSON_Delete(json);
}

static void test_status_file(void **state) {
    (void)state;
    char *path = NULL, *folder = test_folder(), **names = NULL;
    size_t count;
    cJSON *json = NULL;
    OK(bcl_path_join(&path, folder, "status.json"));
    bcl_progress p = at_work();
    const bcl_run_event step = p.step;
    p.quiet = true;
    p.status_path = path;
    p.smooth_loss = p.smooth_weight = 0;
    OK(bcl_progress_start(&p));
    state_is(path, "starting");
    bcl_progress_step(&p, &step);
    state_is(path, "starting"); /* at most once a second */
    p.written -= 2;
    bcl_progress_step(&p, &step);
    OK(bcl_json_read(&json, path));
    assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "state")),
                        "training");
    assert_true(number(json, "step") == 1500 && number(json, "steps") == 3000);
    assert_true(number(json, "epoch") == 2 && number(json, "epochs") == 3);
    assert_true(number(json, "loss") == 0.75 && number(json, "lr") == 2e-5);
    assert_true(number(json, "smoothed_loss") > 0.749 && number(json, "smoothed_loss") < 0.751);
    assert_true(number(json, "memory_mb") > 0 && number(json, "seconds_left") == 83.2);
    bcl_fail(BCL_ERROR_DEVICE, "the device is gone");
    bcl_progress_end(&p, BCL_ERROR_DEVICE);
    state_is(path, "failed");
    assert_string_equal(bcl_message(), "the device is gone");
    OK(bcl_directory_list(&names, &count, folder));
    assert_int_equal(count, 1); /* no temporary file is left */
    bcl_strings_free(names, count);
    cJSON_Delete(json);
    free(path);
    free(folder);
}

static void test_status_that_cannot_be_written(void **state) {
    (void)state;
    bcl_progress p = at_work();
    p.quiet = true;
    p.status_path = "/nonexistent/status.json";
    FAILS(bcl_progress_start(&p), BCL_ERROR_IO, "/nonexistent/status.json: cannot create");
    bcl_progress_end(&p, BCL_ERROR_IO);
    /* later it stops nothing, and the run's own message stays */
    p = at_work();
    p.quiet = true;
    OK(bcl_progress_start(&p));
    p.status_path = "/nonexistent/status.json";
    bcl_fail(BCL_ERROR_INTERRUPTED, "stopped at step 9");
    bcl_progress_end(&p, BCL_ERROR_INTERRUPTED);
    assert_string_equal(bcl_message(), "stopped at step 9");
}

static cJSON *two_devices(void *context) {
    return cJSON_Parse(context);
}

static char of_two[] =
    "[{\"id\":\"nvidia:0\",\"share\":0.751,\"tokens_per_s\":12345.6,\"wait_share\":0.034,"
    "\"communication_share\":0.12,\"memory_mb\":812.3,\"left_out\":null},"
    "{\"id\":\"\\u001b[2J:1\",\"share\":0,\"tokens_per_s\":7,\"left_out\":\"it hangs\"}]";

static void test_devices(void **state) {
    (void)state;
    bcl_string table = {0};
    cJSON *devices = two_devices(of_two);
    OK(bcl_progress_table(&table, devices));
    cJSON_Delete(devices);
    char *last = strstr(table.data, "\\x1b[2J:1  left out "); /* and empty cells */
    assert_non_null(last);
    *last = 0;
    assert_string_equal(table.data,
                        "device        share  tokens/s  waiting  communication   memory\n"
                        "nvidia:0       75 %     12346      3 %           12 %  812 MiB\n");
    bcl_string_free(&table);
}

static void test_devices_in_status(void **state) {
    (void)state;
    char *path = NULL, *folder = test_folder();
    cJSON *json = NULL;
    OK(bcl_path_join(&path, folder, "status.json"));
    bcl_progress p = at_work();
    const bcl_run_event step = p.step;
    p.quiet = true;
    p.status_path = path;
    p.devices = two_devices;
    p.devices_context = of_two;
    bcl_progress_step(&p, &step);
    OK(bcl_json_read(&json, path));
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(json, "devices");
    assert_int_equal(cJSON_GetArraySize(list), 2);
    assert_true(number(cJSON_GetArrayItem(list, 0), "memory_mb") == 812.3);
    cJSON_Delete(json);
    free(path);
    free(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_line_fits),
        cmocka_unit_test(test_line_of_long_runs),
        cmocka_unit_test(test_status_file),
        cmocka_unit_test(test_devices),
        cmocka_unit_test(test_devices_in_status),
        cmocka_unit_test(test_status_that_cannot_be_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
