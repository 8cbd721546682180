/* Compiled programs on disk: a second start reads them; one that is damaged, or a folder that
 * cannot be written, is no more than slower. */
#include "support/device.h"

enum { N = 100 };

/* What a device computes that is opened anew and so has no programs in memory. */
static void compute(float *y) {
    bcl_device *device = NULL;
    cl_mem x = NULL;
    OK(bcl_device_open(&device, bcl_device_about(test_device)->id, false));
    bcl_ops ops = {.device = device};
    for (int i = 0; i < N; i++)
        y[i] = 0.1f * (float)(i - N / 2);
    OK(bcl_buffer_create(&x, device, N * sizeof *y, "x"));
    OK(bcl_buffer_write(device, x, 0, y, N * sizeof *y, true));
    OK(bcl_gelu_forward(&ops, x, x, N, false));
    OK(bcl_buffer_read(device, x, 0, y, N * sizeof *y, true));
    bcl_buffer_free(device, &x);
    bcl_device_free(device);
}

static void expect(const float *want) {
    float y[N];
    compute(y);
    assert_memory_equal(y, want, sizeof y);
}

/* The one program in the folder, or NULL if the driver gives no binaries away. */
static char *find_program(const char *folder) {
    char **names = NULL, *programs, *path = NULL;
    size_t count = 0;
    OK(bcl_path_join(&programs, folder, "programs"));
    if (bcl_path_exists(programs))
        OK(bcl_directory_list(&names, &count, programs));
    assert_true(count <= 1);
    if (count)
        OK(bcl_path_join(&path, programs, names[0]));
    bcl_strings_free(names, count);
    free(programs);
    return path;
}

static void test_damage(void **state) {
    char *folder = test_folder(), *data, *again;
    float want[N];
    size_t size, size_again;
    (void)state;
    setenv("BERTCL_CACHE_DIR", "", 1);
    compute(want);
    setenv("BERTCL_CACHE_DIR", folder, 1);
    expect(want);
    char *path = find_program(folder);
    if (!path)
        skip();
    OK(bcl_file_read(&data, &size, path));
    expect(want); /* from the file, which stays as it is */
    OK(bcl_file_read(&again, &size_again, path));
    assert_true(size == size_again);
    assert_memory_equal(again, data, size);
    free(again);
    const size_t lengths[] = {0, 7, 24, size / 2, size - 1, size};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        data[lengths[i] / 2] ^= 1;
        OK(bcl_file_write(path, data, lengths[i]));
        expect(want);
        OK(bcl_file_read(&again, &size_again, path)); /* built again and stored */
        assert_true(size_again > 24);
        assert_false(size_again == lengths[i] && !memcmp(again, data, size_again));
        data[lengths[i] / 2] ^= 1;
        free(again);
    }
    free(data);
    OK(bcl_path_remove(path));
    free(path);
    OK(bcl_path_join(&path, folder, "file"));
    OK(bcl_file_write(path, "", 0));
    setenv("BERTCL_CACHE_DIR", path, 1); /* a file where the folder should be */
    expect(want);
    free(path);
    free(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_damage)};
    return TEST_RUN_ON_DEVICE(tests);
}
