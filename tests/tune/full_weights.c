/* The tuner's check of products that read 16 bits: right within its limit, on an emulated matrix
 * unit, and with operands as the product reads them. */
#include "support/device.h"
#include "tune/internal.h"

static void check(const char *name, bcl_precision precision, bcl_element type) {
    static const bcl_tune_layer layer = {64, 96};
    static const int length = 40;
    const bcl_tune_options options = {.precision = precision,
                                      .layers = &layer,
                                      .layer_count = 1,
                                      .lengths = &length,
                                      .length_count = 1};
    bcl_tune_session s;
    bcl_tune_operands *operands = NULL;
    bcl_gemm *gemm = NULL;
    OK(bcl_tune_session_open(&s, bcl_device_about(test_device), &options));
    OK(bcl_tune_operands_create(&operands, test_device, &s));
    OK(bcl_gemm_create(&gemm, test_device, name, precision));
    OK(bcl_tune_operands_suit(operands, gemm));
    for (int i = 0; i < s.shape_count; i++) {
        double share, error;
        const bcl_gemm_call call = bcl_tune_call(operands, gemm, i);
        assert_true(call.A.type == type && call.B.type == type && call.C.type == BCL_ELEMENT_F32);
        OK(bcl_tune_check(operands, gemm, i, &share, &error));
        if (!(share > 0 && share <= 1))
            fail_msg("%s, shape %d: %.3g of the limit", name, i, share);
    }
    bcl_gemm_free(gemm);
    bcl_tune_operands_free(operands);
    free(s.candidates);
}

static void test_operands(void **state) {
    (void)state;
    check("reference", BCL_PRECISION_FP32, BCL_ELEMENT_F32);
    check("mma-bf16:emulated-nvidia:32x32x16x16x2", BCL_PRECISION_BF16, BCL_ELEMENT_BF16);
    check("mma-fp16:emulated-nvidia:32x32x16x16x2", BCL_PRECISION_FP16, BCL_ELEMENT_F16);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_operands)};
    return TEST_RUN_ON_DEVICE(tests);
}
