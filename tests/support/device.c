#include "support/device.h"

bcl_device *test_device;
bcl_ops test_ops;
bool test_small;

enum {
    GUARD = 4096, /* bytes */
    MARK = 0xC6,
    NANS = 0xFF, /* of every type */
    MAX_GUARDS = 64
};
static struct {
    cl_mem whole;
    bcl_view view;
} guards[MAX_GUARDS];
static size_t guard_count;

int test_device_code;

/* 0, or what main returns when the device could not be had. */
static int code_of(bcl_status status) {
    if (status == BCL_ERROR_NO_DEVICE)
        printf("skipped: %s\n", bcl_message());
    else if (status)
        fprintf(stderr, "%s\n", bcl_message());
    return test_device_code = status == BCL_ERROR_NO_DEVICE ? 77 : status != BCL_OK;
}

int test_device_find(bcl_device_info *about) {
    return code_of(bcl_device_find(about, getenv("BERTCL_DEVICE")));
}

int test_device_open(void) {
    if (code_of(bcl_device_open(&test_device, getenv("BERTCL_DEVICE"), false)))
        return test_device_code;
    const char *id = bcl_device_about(test_device)->id;
    test_small = getenv("BERTCL_TEST_SMALL") || !strncmp(id, "oclgrind", 8);
    test_ops.device = test_device;
    printf("device %s%s\n", id, test_small ? ", small shapes" : "");
    return code_of(bcl_gemm_create(&test_ops.gemm, test_device, test_small ? "reference" : NULL,
                                   BCL_PRECISION_FP32));
}

int test_device_close(int failed) {
    bcl_gemm_free(test_ops.gemm);
    bcl_device_free(test_device);
    test_ops = (bcl_ops){0};
    test_device = NULL;
    return failed;
}

static bcl_view guard_new(bcl_element type, int rows, int columns, const void *init) {
    assert_true(guard_count < MAX_GUARDS);
    const size_t bytes = (size_t)rows * (size_t)columns * bcl_element_bytes(type);
    unsigned char *host = malloc(bytes + 2 * GUARD);
    assert_non_null(host);
    memset(host, MARK, bytes + 2 * GUARD);
    if (init)
        memcpy(host + GUARD, init, bytes);
    else
        memset(host + GUARD, NANS, bytes);
    cl_mem whole = NULL;
    bcl_view view;
    OK(bcl_buffer_create(&whole, test_device, bytes + 2 * GUARD, "test"));
    OK(bcl_buffer_write(test_device, whole, 0, host, bytes + 2 * GUARD, true));
    OK(bcl_view_cut(&view, whole, GUARD, type, rows, columns));
    free(host);
    guards[guard_count].whole = whole;
    guards[guard_count++].view = view;
    return view;
}

bcl_view guard_floats(int rows, int columns, const float *init) {
    return guard_new(BCL_ELEMENT_F32, rows, columns, init);
}

bcl_view guard_ints(int rows, int columns, const int32_t *init) {
    return guard_new(BCL_ELEMENT_I32, rows, columns, init);
}

bcl_view guard_halves(bcl_element type, int rows, int columns, const uint16_t *init) {
    return guard_new(type, rows, columns, init);
}

static void *read_buffer(cl_mem buffer, size_t bytes) {
    void *host = malloc(bytes);
    assert_non_null(host);
    OK(bcl_buffer_read(test_device, buffer, 0, host, bytes, true));
    return host;
}

void guards_end(void) {
    OK(bcl_device_finish(test_device));
    for (size_t g = 0; g < guard_count; g++) {
        const size_t bytes = guards[g].view.bytes;
        unsigned char *host = read_buffer(guards[g].whole, bytes + 2 * GUARD);
        for (size_t i = 0; i < bytes + 2 * GUARD; i++)
            if ((i < GUARD || i >= GUARD + bytes) && host[i] != MARK)
                fail_msg("buffer %zu of %zu bytes: byte %zd was written", g, bytes,
                         (ptrdiff_t)i - GUARD);
        free(host);
        bcl_buffer_free(test_device, &guards[g].view.buffer);
        bcl_buffer_free(test_device, &guards[g].whole);
    }
    guard_count = 0;
}

float *read_floats(bcl_view view) {
    return read_buffer(view.buffer, (size_t)view.rows * (size_t)view.columns * sizeof(float));
}

uint16_t *read_halves(bcl_view view) {
    return read_buffer(view.buffer, (size_t)view.rows * (size_t)view.columns * sizeof(uint16_t));
}

uint16_t rounded_half(float x, bcl_element type) {
    return bcl_element_round(x, type);
}

float widened_half(uint16_t x, bcl_element type) {
    return bcl_element_widen(x, type);
}

float *widened_halves(bcl_view halves) {
    const size_t count = (size_t)halves.rows * (size_t)halves.columns;
    uint16_t *x = read_halves(halves);
    float *wide = calloc(count, sizeof *wide);
    assert_non_null(wide);
    for (size_t i = 0; i < count; i++)
        wide[i] = widened_half(x[i], halves.type);
    free(x);
    return wide;
}

void compare_rounded(const char *what, bcl_view halves, bcl_view floats) {
    uint16_t *got = read_halves(halves);
    float *x = read_floats(floats);
    assert_true(halves.rows == floats.rows && halves.columns == floats.columns);
    for (size_t i = 0; i < (size_t)floats.rows * (size_t)floats.columns; i++)
        if (isnan(x[i]) || got[i] != rounded_half(x[i], halves.type))
            fail_msg("%s: element %zu: found 0x%04x, expected %.9g in %s, 0x%04x", what, i,
                     (unsigned)got[i], (double)x[i], bcl_element_name(halves.type),
                     (unsigned)rounded_half(x[i], halves.type));
    free(got);
    free(x);
}

float *random_floats(size_t count, float scale, uint64_t seed) {
    float *x = calloc(count, sizeof *x);
    assert_non_null(x);
    bcl_normal(x, count, scale, seed);
    return x;
}

double *zeros(size_t count) {
    double *x = calloc(count, sizeof *x);
    assert_non_null(x);
    return x;
}

double *widened(const float *x, size_t count) {
    double *y = zeros(count);
    for (size_t i = 0; i < count; i++)
        y[i] = (double)x[i];
    return y;
}

double compare_share(size_t *worst_index, const float *got, size_t got_count, const double *want,
                     size_t want_count, const double *magnitude, test_limit limit) {
    bcl_error error = {.worst = HUGE_VAL};
    if (got_count == want_count)
        bcl_error_measure(&error, got, want, magnitude, want_count, limit);
    *worst_index = error.at;
    return error.worst;
}

void compare(const char *what, float *got, const double *want, const double *magnitude,
             size_t count, test_limit limit) {
    size_t at;
    const double share = compare_share(&at, got, count, want, count, magnitude, limit);
    if (!(share <= 1))
        fail_msg("%s: element %zu of %zu is %.9g, expected %.9g: %.2f of the limit", what, at,
                 count, (double)got[at], want[at], share);
    free(got);
}

static bcl_view ints(const int32_t *x, int count) {
    bcl_view view = {0};
    OK(bcl_view_create(&view, test_device, BCL_ELEMENT_I32, count, 1, "test"));
    OK(bcl_buffer_write(test_device, view.buffer, 0, x, view.bytes, true));
    return view;
}

void batch_begin(test_batch *b, const int *lengths, int count, int vocabulary, int K,
                 uint64_t seed) {
    int T = 0;
    for (int i = 0; i < count; i++)
        T += lengths[i];
    int32_t *ids = calloc((size_t)T, sizeof *ids), *labels = calloc((size_t)T, sizeof *labels);
    int32_t *slots = calloc((size_t)vocabulary, sizeof *slots);
    uint32_t *which = calloc((size_t)count, sizeof *which);
    bcl_sample *samples = calloc((size_t)count, sizeof *samples);
    assert_true(ids && labels && slots && which && samples);
    for (int t = 0; t < T; t++) {
        ids[t] = (int32_t)(bcl_mix64(seed + (uint64_t)t) % (uint64_t)vocabulary);
        labels[t] = (int32_t)(bcl_mix64(~(seed + (uint64_t)t)) % (uint64_t)(K + 1)) - 1;
        if (labels[t] < 0)
            labels[t] = -100;
    }
    for (int v = 0; v < vocabulary; v++)
        slots[v] = v;
    for (int i = 0, t = 0; i < count; t += lengths[i++]) {
        samples[i] = (bcl_sample){ids + t, labels + t, lengths[i], (uint32_t)(1000 + 7 * i)};
        which[i] = (uint32_t)i;
    }
    OK(bcl_batch_create(&b->host, T, count));
    OK(bcl_batch_pack(&b->host, samples, which, count, slots));
    const bcl_batch *h = &b->host;
    const int B = h->B, N = h->N, U = h->U;
    b->device = (bcl_batch_layout){.T = T, .B = B, .N = N, .longest = h->longest, .U = U};
#define X(name, most, used) b->device.name = ints(h->name, used);
    BCL_BATCH_LISTS(X)
#undef X
    free(ids);
    free(labels);
    free(slots);
    free(which);
    free(samples);
}

void batch_end(test_batch *b) {
#define X(name, most, used) bcl_buffer_free(test_device, &b->device.name.buffer);
    BCL_BATCH_LISTS(X)
#undef X
    bcl_batch_free(&b->host);
}
