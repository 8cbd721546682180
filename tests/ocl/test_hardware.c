/* The same hardware seen through several drivers, from what they tell of it. */
#include "support/support.h"

#include "ocl/internal.h"

static bcl_device_info device(const char *id, bool gpu, const char *pci, const char *uuid) {
    bcl_device_info d = {.gpu = gpu, .cpu = !gpu};
    snprintf(d.id, sizeof d.id, "%s", id);
    snprintf(d.pci, sizeof d.pci, "%s", pci);
    snprintf(d.uuid, sizeof d.uuid, "%s", uuid);
    return d;
}

static void test_same_hardware(void **state) {
    (void)state;
    bcl_device_info d[] = {
        device("nvidia:0", true, "0000:65:00.0", "aa"),
        device("nvidia:1", true, "0000:b3:00.0", "ab"),
        device("", false, "", ""), /* a driver that failed */
        device("pocl:0", false, "", ""),
        device("pocl:1", true, "0000:65:00.0", "c0"), /* another driver's UUID, the same slot */
        device("intel:0", false, "", "77"),
        device("rusticl:0", true, "", "ab"),             /* no slot, the same UUID */
        device("rusticl:1", true, "0001:65:00.0", "aa"), /* the slot tells it apart */
        device("amd:0", true, "", ""),
        device("amd:1", true, "", ""),
        device("rusticl:2", false, "", ""),
    };
    static const char *const same[] = {"",         "", "", "", "nvidia:0", "pocl:0",
                                       "nvidia:1", "", "", "", "pocl:0"};
    bcl_hardware_compare(d, sizeof d / sizeof *d);
    for (size_t i = 0; i < sizeof d / sizeof *d; i++)
        assert_string_equal(d[i].same_as, same[i]);
    bcl_hardware_compare(NULL, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_same_hardware)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
