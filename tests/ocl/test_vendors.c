/* The table of drivers: each is found by its platform's name and by its devices' ids. */
#include "ocl/vendors.h"
#include "support/support.h"

static void test_drivers(void **state) {
    static const struct {
        const char *platform, *device, *id;
    } cases[] = {
        {"Portable Computing Language", "pocl:0", "pocl"},
        {"NVIDIA CUDA", "nvidia:1", "nvidia"},
        {"AMD Accelerated Parallel Processing", "amd:0", "amd"},
        {"Intel(R) OpenCL Graphics", "intel:12", "intel"},
        {"rusticl", "rusticl:0", "rusticl"},
        {"Oclgrind", "oclgrind:0", "oclgrind"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const bcl_driver *d = bcl_driver_of_platform(cases[i].platform);
        assert_string_equal(d->id, cases[i].id);
        assert_ptr_equal(d, bcl_driver_of(cases[i].device));
    }
    const bcl_driver *none = bcl_driver_of_platform("A platform that is yet to come");
    assert_string_equal(none->id, "");
    assert_ptr_equal(none, bcl_driver_of("pocl2:0"));
    assert_ptr_equal(none, bcl_driver_of("poc:0"));
    assert_false(none->auxiliary_queue || none->interpreter || none->own_cache);
}

/* An interpreter comes last, whatever it says that its device is; PoCL is first of CPUs. */
static void test_ranks(void **state) {
    static const char *const others[] = {"pocl:0", "nvidia:0", "amd:0", "rusticl:0", "new:0"};
    (void)state;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        assert_true(bcl_driver_of("oclgrind:0")->rank > bcl_driver_of(others[i])->rank + 300);
        assert_true(!i || bcl_driver_of(others[i])->rank > bcl_driver_of("pocl:0")->rank);
    }
    assert_true(bcl_driver_of("oclgrind:0")->interpreter);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_drivers),
                                       cmocka_unit_test(test_ranks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
