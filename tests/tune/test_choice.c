/* The stored choice of a GEMM: damage of every kind, other drivers and devices, and what
 * bcl_gemm_create makes of it. */
#include "ops/gemm/gemm.h"
#include "support/device.h"

#include <cjson/cJSON.h>

static const bcl_device_info ABOUT = {.id = "some:0",
                                      .name = "some device",
                                      .vendor = "some vendor",
                                      .driver = "1.0",
                                      .version = "OpenCL 1.2 some",
                                      .compute_units = 4,
                                      .float_vector = 8};
static const bcl_gemm_choice CHOICE = {
    .name = "tile:8x6x2", .gflops = 123.456, .error = 3.5e-7, .quick = true};

static int setup(void **state) {
    char *folder = test_folder();
    setenv("BERTCL_CACHE_DIR", folder, 1);
    unsetenv("BERTCL_TUNE");
    *state = folder;
    return 0;
}

static int teardown(void **state) {
    free(*state);
    return 0;
}

static bcl_gemm_stored load(bcl_gemm_choice *out, const bcl_device_info *about) {
    return bcl_gemm_choice_load(out, about, BCL_PRECISION_FP32);
}

static char *save(const bcl_gemm_choice *choice, const bcl_device_info *about) {
    char *path = NULL;
    OK(bcl_gemm_choice_save(&path, choice, about, BCL_PRECISION_FP32, cJSON_CreateObject()));
    return path;
}

static void assert_same(const bcl_gemm_choice *a, const bcl_gemm_choice *b) {
    assert_string_equal(a->name, b->name);
    assert_string_equal(a->reason, b->reason);
    assert_true(a->gflops == b->gflops && a->error == b->error && a->quick == b->quick);
}

static void test_round_trip(void **state) {
    bcl_gemm_choice got;
    assert_int_equal(load(&got, &ABOUT), BCL_GEMM_ABSENT);
    free(save(&CHOICE, &ABOUT));
    assert_int_equal(load(&got, &ABOUT), BCL_GEMM_STORED);
    assert_same(&got, &CHOICE);
    const bcl_gemm_choice other = {.reason = "no faster than \"fp32\"", .gflops = 1e-9};
    char *path = save(&other, &ABOUT);
    assert_int_equal(load(&got, &ABOUT), BCL_GEMM_STORED);
    assert_same(&got, &other);
    /* written as a whole: no temporary file beside it */
    char **names = NULL, *folder = NULL;
    size_t count = 0;
    OK(bcl_path_join(&folder, *state, "tune"));
    OK(bcl_directory_list(&names, &count, folder));
    assert_int_equal(count, 1);
    assert_string_equal(names[0], bcl_path_name(path));
    bcl_strings_free(names, count);
    free(folder);
    free(path);
}

/* What the times depend on is in the file's name. */
static void test_other_devices(void **state) {
    (void)state;
    bcl_gemm_choice got;
    bcl_device_info about;
    free(save(&CHOICE, &ABOUT));
    assert_int_equal(bcl_gemm_choice_load(&got, &ABOUT, BCL_PRECISION_BF16), BCL_GEMM_ABSENT);
    about = ABOUT;
    strcpy(about.driver, "1.1");
    assert_int_equal(load(&got, &about), BCL_GEMM_ABSENT);
    about = ABOUT;
    strcpy(about.version, "OpenCL 3.0 some");
    assert_int_equal(load(&got, &about), BCL_GEMM_ABSENT);
    about = ABOUT;
    strcpy(about.name, "some devicf");
    assert_int_equal(load(&got, &about), BCL_GEMM_ABSENT);
    about = ABOUT;
    about.compute_units = 2;
    assert_int_equal(load(&got, &about), BCL_GEMM_ABSENT);
    about = ABOUT; /* its number among others is no property of a device */
    strcpy(about.id, "some:1");
    assert_int_equal(load(&got, &about), BCL_GEMM_STORED);
}

/* Without bcl_file_write's syncing, a thousand times */
static void put(const char *path, const char *text, size_t size) {
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
}

/* Cut anywhere, or with any byte changed, the file is no choice of ours. */
static void test_damage(void **state) {
    (void)state;
    bcl_gemm_choice got;
    char *text = NULL, *path = save(&CHOICE, &ABOUT);
    size_t size = 0;
    OK(bcl_file_read(&text, &size, path));
    for (size_t n = 0; n + 1 < size; n++) { /* the last byte is a newline */
        put(path, text, n);
        assert_int_equal(load(&got, &ABOUT), BCL_GEMM_DAMAGED);
        assert_non_null(strstr(got.reason, path));
        assert_string_equal(got.name, "");
    }
    for (size_t n = 0; n < size; n++) {
        text[n] ^= 1;
        put(path, text, size);
        if (load(&got, &ABOUT) == BCL_GEMM_STORED) /* outside of what is read */
            assert_same(&got, &CHOICE);
        text[n] ^= 1;
    }
    put(path, "{}\n", 3);
    assert_int_equal(load(&got, &ABOUT), BCL_GEMM_DAMAGED);
    put(path, "[[[[", 4);
    assert_int_equal(load(&got, &ABOUT), BCL_GEMM_DAMAGED);
    free(save(&CHOICE, &ABOUT)); /* and is replaced */
    assert_int_equal(load(&got, &ABOUT), BCL_GEMM_STORED);
    free(text);
    free(path);
}

/* A good file of another device under this one's name. */
static void test_moved(void **state) {
    (void)state;
    bcl_gemm_choice got;
    bcl_device_info other = ABOUT;
    strcpy(other.driver, "2.0");
    char *from = save(&CHOICE, &other), *to = save(&CHOICE, &ABOUT);
    OK(bcl_path_rename(from, to));
    assert_int_equal(load(&got, &ABOUT), BCL_GEMM_DAMAGED);
    assert_non_null(strstr(got.reason, "driver 2.0"));
    free(from);
    free(to);
}

static void test_nowhere(void **state) {
    bcl_gemm_choice got;
    char *path = NULL, *file = NULL;
    free(save(&CHOICE, &ABOUT));
    setenv("BERTCL_TUNE", "off", 1);
    assert_int_equal(load(&got, &ABOUT), BCL_GEMM_ABSENT);
    unsetenv("BERTCL_TUNE");
    assert_int_equal(load(&got, &ABOUT), BCL_GEMM_STORED);
    setenv("BERTCL_CACHE_DIR", "", 1);
    assert_int_equal(load(&got, &ABOUT), BCL_GEMM_ABSENT);
    FAILS(bcl_gemm_choice_save(&path, &CHOICE, &ABOUT, BCL_PRECISION_FP32, NULL), BCL_ERROR_IO,
          "BERTCL_CACHE_DIR");
    OK(bcl_path_join(&file, *state, "file"));
    OK(bcl_file_write(file, "x", 1));
    setenv("BERTCL_CACHE_DIR", file, 1);
    FAILS(bcl_gemm_choice_save(&path, &CHOICE, &ABOUT, BCL_PRECISION_FP32, NULL), BCL_ERROR_IO,
          file);
    assert_null(path);
    free(file);
}

/* Without a name the stored choice is taken, and only if it can be. */
static void test_create(void **state) {
    (void)state;
    bcl_gemm *gemm = NULL;
    bcl_gemm_choice choice = {.name = "reference"};
    if (test_device_open() == 77)
        skip();
    assert_int_equal(test_device_code, 0);
    bcl_device *device = test_device;
    const bcl_device_info *about = bcl_device_about(device);
    OK(bcl_gemm_create(&gemm, device, NULL, BCL_PRECISION_FP32));
    char usual[BCL_GEMM_NAME];
    snprintf(usual, sizeof usual, "%s", bcl_gemm_name(gemm));
    assert_string_not_equal(usual, "reference");
    bcl_gemm_free(gemm);
    free(save(&choice, about));
    OK(bcl_gemm_create(&gemm, device, NULL, BCL_PRECISION_FP32));
    assert_string_equal(bcl_gemm_name(gemm), "reference");
    bcl_gemm_free(gemm);
    OK(bcl_gemm_create(&gemm, device, usual, BCL_PRECISION_FP32)); /* forced */
    assert_string_equal(bcl_gemm_name(gemm), usual);
    bcl_gemm_free(gemm);
    static const char *const useless[] = {"", "cublas", "tile:1000x1x1", "tile:", "clblast:KWG=1"};
    for (size_t i = 0; i < sizeof useless / sizeof *useless; i++) {
        snprintf(choice.name, sizeof choice.name, "%s", useless[i]);
        free(save(&choice, about));
        OK(bcl_gemm_create(&gemm, device, NULL, BCL_PRECISION_FP32));
        assert_string_equal(bcl_gemm_name(gemm), usual);
        bcl_gemm_free(gemm);
    }
    test_device_close(0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round_trip, setup, teardown),
        cmocka_unit_test_setup_teardown(test_other_devices, setup, teardown),
        cmocka_unit_test_setup_teardown(test_damage, setup, teardown),
        cmocka_unit_test_setup_teardown(test_moved, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nowhere, setup, teardown),
        cmocka_unit_test_setup_teardown(test_create, setup, teardown)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
