/* The test that an opened device computes at all. */
#include "ocl/internal.h"

#include <math.h>

enum { SELF_TEST_ITEMS = 64, SELF_TEST_GROUPS = 4 };

bcl_status bcl_device_self_test(bcl_device *d) {
    bcl_status status = BCL_OK;
    bcl_kernel *kernel = NULL;
    cl_mem buffer = NULL;
    enum { n = SELF_TEST_ITEMS * SELF_TEST_GROUPS };
    float got[n], sums[SELF_TEST_GROUPS];
    uint32_t words[4];
    cl_mem sum_buffer = NULL, word_buffer = NULL;
    BCL_TRY(bcl_kernel_get(&kernel, d, "selftest.cl", "self_test", ""));
    const size_t most = bcl_kernel_limit(kernel);
    size_t local = SELF_TEST_ITEMS; /* a power of two: the reduction halves */
    while (local > most)
        local /= 2;
    BCL_TRY(bcl_buffer_create(&buffer, d, sizeof got, "the self-test"));
    BCL_TRY(bcl_buffer_create(&sum_buffer, d, sizeof sums, "the self-test"));
    BCL_TRY(bcl_buffer_create(&word_buffer, d, sizeof words, "the self-test"));
    size_t groups = n / SELF_TEST_ITEMS;
    BCL_TRY(BCL_LAUNCH(kernel, ((bcl_grid){{groups}, {local}}), bcl_mem(buffer),
                       bcl_mem(sum_buffer), bcl_mem(word_buffer), bcl_int(SELF_TEST_ITEMS),
                       bcl_local(local * sizeof(float))));
    BCL_TRY(bcl_buffer_read(d, buffer, 0, got, sizeof got, true));
    BCL_TRY(bcl_buffer_read(d, sum_buffer, 0, sums, sizeof sums, true));
    BCL_TRY(bcl_buffer_read(d, word_buffer, 0, words, sizeof words, true));
    for (int g = 0; g < SELF_TEST_GROUPS; g++) {
        double sum = 0;
        for (int i = 0; i < SELF_TEST_ITEMS; i++) {
            double x = (g * SELF_TEST_ITEMS + i - 128) / 32.0,
                   want = exp(-x * x) * erf(x) + tanh(x);
            double value = got[g * SELF_TEST_ITEMS + i];
            if (!(fabs(value - want) <= 1e-5))
                BCL_FAIL(BCL_ERROR_DEVICE, "%s: self-test: item %d gave %g, expected %g",
                         d->info.id, g * SELF_TEST_ITEMS + i, value, want);
            sum += want;
        }
        if (!(fabs(sums[g] - sum) <= 1e-3))
            BCL_FAIL(BCL_ERROR_DEVICE, "%s: self-test: group %d sums to %g, expected %g",
                     d->info.id, g, sums[g], sum);
    }
    uint32_t want[4];
    bcl_philox(want, (uint32_t[4]){1, 2, 3, 4}, (uint32_t[2]){5, 6});
    if (memcmp(words, want, sizeof want))
        BCL_FAIL(BCL_ERROR_DEVICE, "%s: self-test: wrong random numbers", d->info.id);
out:
    bcl_buffer_free(d, &buffer);
    bcl_buffer_free(d, &sum_buffer);
    bcl_buffer_free(d, &word_buffer);
    return status;
}
