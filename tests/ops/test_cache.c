/* Compiled programs on disk: a second start reads them; one that is damaged, or a folder that
 * cannot be written, is no more than slower. */
#include "support/device.h"

#include "ocl/cache.h"
#include "util/checksum.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { N = 100, HEAD = 96, SUM = 24 }; /* of an entry's head; where its checksum stands */

/* What a device computes that is opened anew and so has no programs in memory. */
static void compute(float *y) {
    bcl_device *device = NULL;
    bcl_view x = {0};
    OK(bcl_device_open(&device, bcl_device_about(test_device)->id, false));
    bcl_ops ops = {.device = device};
    for (int i = 0; i < N; i++)
        y[i] = 0.1f * (float)(i - N / 2);
    OK(bcl_view_create(&x, device, BCL_ELEMENT_F32, 1, N, "x"));
    OK(bcl_buffer_write(device, x.buffer, 0, y, N * sizeof *y, true));
    OK(bcl_gelu_forward(&ops, x, x, 1, N, false));
    OK(bcl_buffer_read(device, x.buffer, 0, y, N * sizeof *y, true));
    bcl_buffer_free(device, &x.buffer);
    bcl_device_free(device);
}

static void expect(const float *want) {
    float y[N];
    compute(y);
    assert_memory_equal(y, want, sizeof y);
}

/* The newest program in the folder, or NULL if the driver gives no binaries away. Of a kernel that
 * does not fit the largest groups there are two: that of the smaller ones, built behind it, is
 * used.
 */
static char *find_program(const char *folder) {
    char **names = NULL, *programs, *path = NULL;
    size_t count = 0;
    struct timespec newest = {0};
    OK(bcl_path_join(&programs, folder, "programs"));
    if (bcl_path_exists(programs))
        OK(bcl_directory_list(&names, &count, programs));
    for (size_t i = 0; i < count; i++) {
        char *each;
        struct stat info;
        OK(bcl_path_join(&each, programs, names[i]));
        assert_int_equal(stat(each, &info), 0);
        const struct timespec t = info.st_mtim;
        const bool newer =
            t.tv_sec != newest.tv_sec ? t.tv_sec > newest.tv_sec : t.tv_nsec >= newest.tv_nsec;
        if (newer)
            newest = t;
        free(newer ? path : each);
        path = newer ? each : path;
    }
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
    /* The bytes that a file ends behind, and the one of it that has a wrong bit: in the head, the
     * key, the binary. The driver must not see it: one of them would end the process. */
    const size_t lengths[] = {0, 7, HEAD, HEAD + 8, size / 2, size - 1, size, size, size, size},
                 places[] = {0,        3,        16,       40,           size / 4,
                             size / 2, size - 1, size / 2, size * 3 / 4, HEAD + 40};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        data[places[i]] ^= 1;
        OK(bcl_file_write(path, data, lengths[i]));
        expect(want);
        OK(bcl_file_read(&again, &size_again, path)); /* built again and stored */
        assert_true(size_again > HEAD);
        assert_false(size_again == lengths[i] && !memcmp(again, data, size_again));
        data[places[i]] ^= 1;
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

/* ---- entries that somebody put there ---- */

static void put_file(const char *path, const void *data, size_t size) {
    OK(bcl_path_remove(path));
    OK(bcl_file_write(path, data, size));
}

/* A whole entry of this key, with this binary. */
static void put_entry(const char *path, const char *entry, const void *binary, size_t size) {
    uint64_t key_size, sizes[2];
    char sum[HEAD - SUM] = "";
    bcl_string s = {0};
    memcpy(&key_size, entry + 8, sizeof key_size);
    sizes[0] = key_size;
    sizes[1] = size;
    OK(bcl_string_add(&s, entry, 8));
    OK(bcl_string_add(&s, sizes, sizeof sizes));
    OK(bcl_string_add(&s, sum, sizeof sum));
    OK(bcl_string_add(&s, entry + HEAD, (size_t)key_size));
    OK(bcl_string_add(&s, binary, size));
    bcl_sha256(s.data + SUM, s.data + HEAD, s.size - HEAD);
    put_file(path, s.data, s.size);
    bcl_string_free(&s);
}

static void expect_mode(const char *path, mode_t mode) {
    struct stat info;
    assert_int_equal(lstat(path, &info), 0);
    assert_int_equal(info.st_mode & (S_IFMT | 07777), mode);
}

/* The next start computes the same and puts a good entry in the place of what is there. */
static void expect_rebuilt(const char *path, const char *good, size_t size, const float *want) {
    char *data;
    size_t n;
    expect(want);
    expect_mode(path, S_IFREG | 0600);
    OK(bcl_file_read(&data, &n, path));
    assert_int_equal(n, size);
    assert_memory_equal(data, good, SUM); /* drivers may write other bytes each time */
    free(data);
}

static void test_strangers(void **state) {
    (void)state;
    char *folder = test_folder(), *good, *other, *path, *programs;
    float want[N];
    size_t size, other_size;
    setenv("BERTCL_CACHE_DIR", folder, 1);
    compute(want);
    if (!(path = find_program(folder)))
        skip();
    OK(bcl_path_join(&programs, folder, "programs"));
    expect_mode(programs, S_IFDIR | 0700);
    expect_mode(path, S_IFREG | 0600);
    OK(bcl_file_read(&good, &size, path));

    OK(bcl_path_remove(path));
    assert_int_equal(mkfifo(path, 0600), 0); /* opening it would wait for ever */
    expect_rebuilt(path, good, size, want);
    OK(bcl_path_remove(path));
    assert_int_equal(symlink("/dev/zero", path), 0);
    expect_rebuilt(path, good, size, want);
    assert_int_equal(chmod(path, 0666), 0); /* others may have written to it */
    expect_rebuilt(path, good, size, want);
    if (geteuid() == 0) {
        assert_int_equal(chown(path, 12345, 12345), 0);
        expect_rebuilt(path, good, size, want);
    }
    /* the key of something else, its length the same */
    OK(bcl_file_read(&other, &other_size, path));
    other[HEAD + 4] ^= 1;
    bcl_sha256(other + SUM, other + HEAD, other_size - HEAD);
    put_file(path, other, other_size);
    expect_rebuilt(path, good, size, want);
    free(other);

    assert_int_equal(chmod(programs, 0755), 0); /* made by an old version */
    expect(want);
    expect_mode(programs, S_IFDIR | 0700);
    free(good);
    free(programs);
    free(path);
    free(folder);
}

/* Whole, its checksum too, but nothing that the driver could have given away. */
static void test_forged(void **state) {
    (void)state;
    if (!strncmp(bcl_device_about(test_device)->id, "rusticl:", 8)) {
        print_message("skipped: rusticl ends the process at a binary that is not its own\n");
        skip();
    }
    char *folder = test_folder(), *good, *path;
    float want[N];
    size_t size;
    setenv("BERTCL_CACHE_DIR", folder, 1);
    compute(want);
    if (!(path = find_program(folder)))
        skip();
    OK(bcl_file_read(&good, &size, path));
    put_entry(path, good, "no binary", 9);
    expect_rebuilt(path, good, size, want);
    free(good);
    free(path);
    free(folder);
}

/* A good binary of another program: it builds, but has no such kernel. */
static void test_another_program(void **state) {
    (void)state;
    char *folder = test_folder(), *gelu, *dropout, *path, *other;
    float want[N], x[N];
    size_t size, other_size;
    uint64_t key_size;
    setenv("BERTCL_CACHE_DIR", folder, 1);
    compute(want);
    if (!(path = find_program(folder)))
        skip();
    OK(bcl_file_read(&gelu, &size, path));
    OK(bcl_path_remove(path));
    bcl_device *device = NULL;
    bcl_kernel *kernel = NULL;
    OK(bcl_device_open(&device, bcl_device_about(test_device)->id, false));
    OK(bcl_kernel_get(&kernel, device, "selftest.cl", "self_test", ""));
    bcl_device_free(device);
    other = find_program(folder);
    assert_non_null(other);
    OK(bcl_file_read(&dropout, &other_size, other));
    memcpy(&key_size, dropout + 8, sizeof key_size);
    OK(bcl_path_remove(other));
    put_entry(path, gelu, dropout + HEAD + key_size, other_size - HEAD - (size_t)key_size);
    compute(x);
    assert_memory_equal(x, want, sizeof x);
    free(dropout);
    OK(bcl_file_read(&dropout, &other_size, path)); /* the right one is in its place */
    assert_int_equal(other_size, size);
    free(gelu);
    free(dropout);
    free(path);
    free(other);
    free(folder);
}

/* Many at once, some of which find a half of an entry at worst under another name. */
static void test_many_writers(void **state) {
    (void)state;
    enum { CHILDREN = 6 };
    char *folder = test_folder(), *path, *programs, **names;
    float want[N];
    size_t before = 0, count = 0;
    pid_t children[CHILDREN];
    setenv("BERTCL_CACHE_DIR", folder, 1);
    compute(want);
    if (!(path = find_program(folder)))
        skip();
    OK(bcl_path_join(&programs, folder, "programs"));
    OK(bcl_directory_list(&names, &before, programs));
    bcl_strings_free(names, before);
    char *entry;
    size_t size;
    OK(bcl_file_read(&entry, &size, path));
    for (int i = 0; i < CHILDREN; i++) {
        children[i] = fork();
        if (!children[i]) {
            for (int k = 0; k < 200; k++) {
                char *data = NULL;
                size_t n = 0;
                bcl_program_entry e = {.path = path};
                bcl_program_entry_write(&e, entry, size);
                if (bcl_file_read(&data, &n, path) || n != size || memcmp(data, entry, n))
                    _exit(1);
                free(data);
            }
            _exit(0);
        }
    }
    for (int i = 0; i < CHILDREN; i++) {
        int code = 0;
        assert_int_equal(waitpid(children[i], &code, 0), children[i]);
        assert_int_equal(code, 0);
    }
    OK(bcl_directory_list(&names, &count, programs));
    assert_int_equal(count, before); /* no temporary file is left */
    bcl_strings_free(names, count);
    expect(want);
    free(entry);
    free(programs);
    free(path);
    free(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_damage), cmocka_unit_test(test_strangers),
        cmocka_unit_test(test_forged), cmocka_unit_test(test_another_program),
        cmocka_unit_test(test_many_writers)};
    return TEST_RUN_ON_DEVICE(tests);
}
