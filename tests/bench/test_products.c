/* Products are timed as training runs them: in the type that the provider reads, with both
 * gradients in one launch where it joins them, and still right. */
#include "bench/internal.h"
#include "support/device.h"

#include <fcntl.h>
#include <unistd.h>

static void check(const char *gemm, bcl_precision precision, double width, int products) {
    bcl_config config;
    const bcl_bench_options options = {.gemm = gemm};
    OK(bcl_config_default(&config));
    config.hidden = 16;
    config.intermediate = 32;
    bcl_bench_child c = {.options = &options,
                         .about = bcl_device_about(test_device),
                         .config = &config,
                         .fd = open("/dev/null", O_WRONLY),
                         .deadline = bcl_seconds() + 1700,
                         .device = test_device};
    bcl_bench_products(&c, precision);
    assert_int_equal(c.kept_count, 12);
    for (size_t i = 0; i < c.kept_count; i++) {
        const bcl_bench_row *r = &c.kept[i];
        double m, n, k;
        const char *shape = strrchr(r->name, '/');
        const bool gradient = !strstr(r->name, "/nn/");
        assert_int_equal(sscanf(shape, "/%lfx%lfx%lf", &m, &n, &k), 3);
        assert_true(r->flop == 2 * m * n * k);
        assert_true(r->bytes == width * (m * k + k * n) + 4 * m * n);
        assert_int_equal(r->products, gradient ? products : 1);
        assert_true(r->error > 0 && r->error <= 1 && r->times.median > 0);
    }
    close(c.fd);
    free(c.kept);
    bcl_config_free(&config);
}

static void test_products(void **state) {
    (void)state;
    check("reference", BCL_PRECISION_FP32, 4, 1);
    check("mma-bf16:emulated-nvidia:32x32x16x16x2", BCL_PRECISION_BF16, 2, 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_products)};
    return TEST_RUN_ON_DEVICE(tests);
}
