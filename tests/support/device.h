/* What the tests of operations and of the model share: an opened device, buffers between guard
 * zones, the comparator, batches on the device, dropout masks computed on the host. */
#ifndef BCL_TEST_DEVICE_H
#define BCL_TEST_DEVICE_H

#include "support/support.h"
#include "model/model.h"
#include "ops/exact.h"

#include <math.h>

extern bcl_device *test_device;
extern bcl_ops test_ops;
/* $BERTCL_TEST_SMALL is set, or the device is an interpreter: small shapes only */
extern bool test_small;

/* What main returns: opens $BERTCL_DEVICE, runs the tests on it, closes. 77, a skip, without any.
 */
#define TEST_RUN_ON_DEVICE(tests)                                                                  \
    (test_device_open() ? test_device_code                                                         \
                        : test_device_close(cmocka_run_group_tests(tests, NULL, NULL)))
/* Its parts, for a main that does more. 0, or what main returns, which stays in test_device_code:
 * 77 without a device, 1 where it cannot be opened. The reason is printed. */
int test_device_open(void);
extern int test_device_code;
/* Returns `failed`. */
int test_device_close(int failed);
/* The same for a test that opens devices in processes of its own: this one makes no OpenCL call. */
int test_device_find(bcl_device_info *about);

/* A matrix (rows,columns) of floats, int32, bf16 or f16 in the middle of marked memory. init NULL:
 * NaN.
 * Freed by guards_end, which fails if anything wrote outside. */
bcl_view guard_floats(int rows, int columns, const float *init);
bcl_view guard_ints(int rows, int columns, const int32_t *init);
bcl_view guard_halves(bcl_element type, int rows, int columns, const uint16_t *init);
void guards_end(void);
/* Blocking; the caller's to free. */
float *read_floats(bcl_view view);
uint16_t *read_halves(bcl_view view);
/* As bf16 or f16, to nearest even, by the numbers' values. */
uint16_t rounded_half(float x, bcl_element type);
/* The number that such 16 bits are, and those of a matrix, the caller's to free. */
float widened_half(uint16_t x, bcl_element type);
float *widened_halves(bcl_view halves);
/* Fails the test unless each of `halves` is that of `floats`, rounded. */
void compare_rounded(const char *what, bcl_view halves, bcl_view floats);

/* Seeded N(0,1) * scale; the caller's to free. */
float *random_floats(size_t count, float scale, uint64_t seed);
double *zeros(size_t count);
/* The same numbers; the caller's to free. */
double *widened(const float *x, size_t count);

typedef bcl_error_limit test_limit;
/* The worst share of the limit; above 1, or HUGE_VAL for a NaN or another size, is a failure. */
double compare_share(size_t *worst_index, const float *got, size_t got_count, const double *want,
                     size_t want_count, const double *magnitude, test_limit limit);
/* Fails the test beyond the limit; frees got. */
void compare(const char *what, float *got, const double *want, const double *magnitude,
             size_t count, test_limit limit);

/* Random sentences of these lengths over `vocabulary` words, packed and on the device. Slots are
 * the words' ids. Labels are -100 or 0..K-1. Freed by batch_end. */
typedef struct test_batch {
    bcl_batch host;
    bcl_batch_layout device;
} test_batch;
void batch_begin(test_batch *b, const int *lengths, int count, int vocabulary, int K,
                 uint64_t seed);
void batch_end(test_batch *b);

#endif
