/* safetensors: every rule of the format by a file that breaks it, round trips, conversions. */
#include "support/support.h"

#include "model/files.h"

#include <math.h>

/* A file in memory of exactly its size, so that the sanitizer sees every read beyond it. */
typedef struct image {
    unsigned char *data;
    size_t size;
} image;

static image make_image(const char *header, size_t header_size, size_t data_size) {
    image f = {malloc(8 + header_size + data_size), 8 + header_size + data_size};
    assert_non_null(f.data);
    for (int i = 0; i < 8; i++)
        f.data[i] = (unsigned char)((uint64_t)header_size >> 8 * i);
    memcpy(f.data + 8, header, header_size);
    for (size_t i = 0; i < data_size; i++)
        f.data[8 + header_size + i] = (unsigned char)(i * 7 + 1);
    return f;
}

static bcl_status open_header(bcl_safetensors **st, const char *header, size_t data_size,
                              image *f) {
    *f = make_image(header, strlen(header), data_size);
    return bcl_safetensors_open_memory(st, f->data, f->size, "a.safetensors");
}

static void refuse(const char *header, size_t data_size, bcl_status code, const char *part) {
    bcl_safetensors *st = NULL;
    image f;
    FAILS(open_header(&st, header, data_size, &f), code, part);
    FAILS(open_header(&st, header, data_size, (free(f.data), &f)), code, "a.safetensors: ");
    assert_null(st);
    free(f.data);
}

static void accept(const char *header, size_t data_size, size_t count) {
    bcl_safetensors *st = NULL;
    image f;
    OK(open_header(&st, header, data_size, &f));
    assert_int_equal(bcl_safetensors_count(st), count);
    bcl_safetensors_close(st);
    free(f.data);
}

#define T(dtype, shape, offsets)                                                                   \
    "{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

static void test_header_length(void **state) {
    (void)state;
    static const unsigned char empty[8] = {0}, large[16] = {1, 0xe1, 0xf5, 5}, past[12] = {5},
                               huge[8] = {255, 255, 255, 255, 255, 255, 255, 255},
                               pointer[] = "version https://git-lfs.github.com/spec/v1\n";
    bcl_safetensors *st = NULL;
    FAILS(bcl_safetensors_open_memory(&st, empty, 0, "x"), BCL_ERROR_FORMAT, "found 0 bytes");
    FAILS(bcl_safetensors_open_memory(&st, empty, 7, "x"), BCL_ERROR_FORMAT, "found 7 bytes");
    FAILS(bcl_safetensors_open_memory(&st, empty, 8, "x"), BCL_ERROR_FORMAT, "byte 8");
    FAILS(bcl_safetensors_open_memory(&st, large, 16, "x"), BCL_ERROR_FORMAT, "100000001 bytes");
    FAILS(bcl_safetensors_open_memory(&st, past, 12, "x"), BCL_ERROR_FORMAT, "the 4 that follow");
    FAILS(bcl_safetensors_open_memory(&st, huge, 8, "x"), BCL_ERROR_FORMAT, "18446744073709551615");
    FAILS(bcl_safetensors_open_memory(&st, pointer, sizeof pointer, "x"), BCL_ERROR_FORMAT,
          "git lfs pull");
    FAILS(bcl_safetensors_open(&st, "/no/such.safetensors"), BCL_ERROR_IO, "/no/such.safetensors");
    FAILS(bcl_safetensors_open(&st, "/"), BCL_ERROR_IO, "regular file");
    assert_null(st);
}

static void test_json(void **state) {
    (void)state;
    static const struct {
        const char *header, *part;
    } bad[] = {
        {" {}", "byte 8: found 0x20, expected '{'"},
        {"[]", "byte 8: found '['"},
        {"null", "expected '{'"},
        {"\xef\xbb\xbf{}", "byte 8"},
        {"{", "byte 9: found the header's end"},
        {"{}x", "byte 10: found 'x', expected nothing"},
        {"{}{}", "expected nothing"},
        {"{\"a\xff\":1}", "byte 11: the header is not valid UTF-8"},
        {"{\"\xc0\x80\":1}", "not valid UTF-8"},
        {"{\"\xed\xa0\x80\":1}", "not valid UTF-8"},
        {"{\"a\n\":1}", "found 0x0a, expected a string's"},
        {"{\"a", "a string's next character"},
        {"{\"a\\x\":1}", "an escape"},
        {"{\"a\\", "an escape"},
        {"{\"\\u12g4\":1}", "four hexadecimal digits"},
        {"{\"\\ud800\":1}", "second half of a surrogate"},
        {"{\"\\ud800\\u0041\":1}", "second half of a surrogate"},
        {"{\"\\udc00\":1}", "lone surrogate"},
        {"{\"\\u0000\":1}", "no NUL"},
        {"{\"a\"}", "expected ':'"},
        {"{\"a\":1}", "'{' of a tensor"},
        {"{\"a\":null}", "'{' of a tensor"},
        {"{\"a\":" T("U8", "[1]", "[0,1]") ",}", "a tensor's name"},
        {"{,}", "a tensor's name"},
        {"{\"a\":" T("U8", "[1]", "[0,1]") " \"b\"", "',' or '}'"},
        {"{\"a\":" T("U8", "[1,]", "[0,1]") "}", "a dimension"},
        {"{\"a\":" T("U8", "[1 1]", "[0,1]") "}", "',' or ']'"},
        {"{\"a\":{\"x\":01,"
         "\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}",
         "',' or '}'"},
        {"{\"a\":{\"x\":+1}}", "a value"},
        {"{\"a\":{\"x\":1.}}", "a digit"},
        {"{\"a\":{\"x\":1e}}", "a digit"},
        {"{\"a\":{\"x\":-}}", "a digit"},
        {"{\"a\":{\"x\":1e999}}", "a double's range"},
        {"{\"a\":{\"x\":tru}}", "a value"},
        {"{\"a\":{\"x\":[1,]}}", "a value"},
        {"{\"a\":{\"x\":{\"y\" 1}}}", "expected ':'"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        refuse(bad[i].header, 1, BCL_ERROR_FORMAT, bad[i].part);
    accept("{}", 0, 0);
    accept("{ } \t\r\n", 0, 0);
    accept("{\"\\u00e9\\ud83d\\ude00\\n\\\"\":" T("U8", "[1]", "[0,1]") "}  ", 1, 1);
}

static void test_nesting_ends_somewhere(void **state) {
    (void)state;
    for (int depth = 125; depth < 100000; depth = depth == 126 ? 99999 : depth + 1) {
        bcl_string s = {0};
        OK(bcl_string_addf(&s,
                           "{\"a\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0,1],\"x\":"));
        for (int i = 0; i < depth; i++)
            OK(bcl_string_add(&s, "[", 1));
        for (int i = 0; i < depth; i++)
            OK(bcl_string_add(&s, "]", 1));
        OK(bcl_string_addf(&s, "}}"));
        if (depth == 125)
            accept(s.data, 1, 1);
        else
            refuse(s.data, 1, BCL_ERROR_FORMAT, "levels of nesting");
        bcl_string_free(&s);
    }
}

static void test_descriptions(void **state) {
    (void)state;
    static const struct {
        const char *header, *part;
    } bad[] = {
        {"{\"a\":" T("F33", "[1]", "[0,4]") "}", "unknown dtype \"F33\""},
        {"{\"a\":" T("f32", "[1]", "[0,4]") "}", "unknown dtype"},
        {"{\"a\":{\"dtype\":3}}", "a dtype's name"},
        {"{\"a\":" T("F32", "1", "[0,4]") "}", "'[' of a shape"},
        {"{\"a\":" T("F32", "[-1]", "[0,4]") "}", "found '-', expected a dimension"},
        {"{\"a\":" T("F32", "[1.0]", "[0,4]") "}", "without fraction"},
        {"{\"a\":" T("F32", "[1e0]", "[0,4]") "}", "without fraction"},
        {"{\"a\":" T("F32", "[01]", "[0,4]") "}", "no leading zero"},
        {"{\"a\":" T("F32", "[\"1\"]", "[0,4]") "}", "a dimension"},
        {"{\"a\":" T("F32", "[18446744073709551616]", "[0,4]") "}", "below 2^64"},
        {"{\"a\":" T("F32", "[18446744073709551615]", "[0,4]") "}", "less than 2^63"},
        {"{\"a\":" T("F32", "[9223372036854775807]", "[0,4]") "}", "overflows"},
        {"{\"a\":" T("U8", "[4294967296,4294967296]", "[0,4]") "}", "overflows"},
        {"{\"a\":" T("U8", "[4294967296,4294967296,0]", "[0,0]") "}", "overflows"},
        {"{\"a\":" T("F4", "[3]", "[0,1]") "}", "12 bits"},
        {"{\"a\":" T("F32", "[1]", "[0]") "}", "',' between"},
        {"{\"a\":" T("F32", "[1]", "[0,4,4]") "}", "']' after"},
        {"{\"a\":" T("F32", "[1]", "[-0,4]") "}", "the data's begin"},
        {"{\"a\":" T("F32", "[1]", "[0,4.0]") "}", "without fraction"},
        {"{\"a\":" T("F32", "[1]", "[4,0]") "}", "the begin first"},
        {"{\"a\":" T("F32", "[1]", "[0,3]") "}", "found 3 bytes of data, expected 4 for shape [1]"},
        {"{\"a\":" T("F32", "[2,0]", "[0,4]") "}", "expected 0 for shape [2, 0] of F32"},
        {"{\"a\":" T("F32", "[1]", "[1,5]") "}", "a hole"},
        {"{\"a\":" T("F32", "[]", "[0,4]") ",\"b\":" T("U8", "[2]", "[2,4]") "}", "an overlap"},
        {"{\"a\":" T("F32", "[]", "[0,4]") ",\"b\":" T("U8", "[2]", "[5,7]") "}", "a hole"},
        {"{\"a\":" T("F32", "[]", "[0,4]") ",\"a\":" T("F32", "[]", "[4,8]") "}",
         "\"a\": found twice"},
        {"{\"a\":" T("F32", "[]", "[0,4]") ",\"\\u0061\":" T("F32", "[]", "[4,8]") "}", "twice"},
        {"{\"a\":" T("F32", "[2]", "[0,8]") ",\"b\":" T("F32", "[]", "[8,12]") "}", "cut off?"},
        {"{\"a\":" T("F32", "[]", "[0,4]") "}", "4 bytes behind the last"},
        {"{}", "8 bytes behind the last"},
        {"{\"a\":{}}", "found no \"dtype\""},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[]}}", "found no \"data_offsets\""},
        {"{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", "found no \"shape\""},
        {"{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\"}}", "\"dtype\" twice"},
        {"{\"__metadata__\":[]}", "'{' of __metadata__"},
        {"{\"__metadata__\":{\"a\":1}}", "a string as the value"},
        {"{\"__metadata__\":{\"a\":null}}", "a string as the value"},
        {"{\"__metadata__\":{\"a\":\"1\",\"a\":\"1\"},"
         "\"a\":" T("U8", "[8]", "[0,8]") "}",
         "key \"a\" twice"},
        {"{\"__metadata__\":{},\"__metadata__\":{}}", "__metadata__ twice"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        refuse(bad[i].header, 8, BCL_ERROR_FORMAT, bad[i].part);
    refuse("{\"a\":" T("U8", "[1,1,1,1,1,1,1,1,1]", "[0,1]") "}", 1, BCL_ERROR_UNSUPPORTED,
           "more than 8 dimensions");
    accept("{\"a\":" T("F4", "[4]", "[0,2]") "}", 2, 1);
    accept("{\"a\":" T("F32", "[0,9007199254740993]", "[0,0]") "}", 0, 1);
    accept("{\"__metadata__\":null,\"b\":" T("I8", "[1]", "[0,1]") "}", 1, 1);
    accept("{\"b\":{\"new\":[{\"x\":-1.5e+3,\"y\":null},true],\"data_offsets\":[0,1],\"shape\":[],"
           "\"dtype\":\"U8\"}}",
           1, 1);
    accept("{\"b\":" T("U8", "[2]", "[1,3]") ",\"z\":" T("U8", "[0]", "[1,1]") ",\"a\":" T(
               "U8", "[]", "[0,1]") "}",
           3, 3);
}

static void test_find(void **state) {
    (void)state;
    bcl_safetensors *st = NULL;
    image f;
    OK(open_header(&st,
                   "{\"__metadata__\":{\"z\":\"1\",\"format\":\"p\\u0074\"},\"b\":" T(
                       "F32", "[1,2]", "[1,9]") ",\"a\":" T("U8", "[]", "[0,1]") "}",
                   9, &f));
    const bcl_tensor *b = bcl_safetensors_find(st, "b");
    assert_non_null(b);
    assert_ptr_equal(b, bcl_safetensors_at(st, 1));
    assert_int_equal(b->rank, 2);
    assert_int_equal(b->shape[1], 2);
    assert_int_equal(b->bytes, 8);
    assert_ptr_equal(b->data, f.data + f.size - 8);
    assert_null(bcl_safetensors_find(st, "c"));
    assert_null(bcl_safetensors_find(st, "__metadata__"));
    assert_string_equal(bcl_safetensors_metadata(st, "format"), "pt");
    assert_null(bcl_safetensors_metadata(st, "none"));
    bcl_safetensors_close(st);
    free(f.data);
}

/* ---- conversion ---- */

static double reference(unsigned bits, int exponent_bits, int fraction_bits) {
    int bias = (1 << (exponent_bits - 1)) - 1;
    int exponent = (int)(bits >> fraction_bits) & ((1 << exponent_bits) - 1);
    unsigned fraction = bits & ((1u << fraction_bits) - 1);
    double sign = bits >> 15 ? -1 : 1;
    if (exponent == (1 << exponent_bits) - 1)
        return fraction ? (double)NAN : sign * (double)INFINITY;
    if (!exponent)
        return sign * ldexp(fraction, 1 - bias - fraction_bits);
    return sign * ldexp(fraction + (double)(1u << fraction_bits), exponent - bias - fraction_bits);
}

static void test_halves_are_exact(void **state) {
    (void)state;
    enum { N = 65536 };
    /* One byte off alignment, as in a file. */
    unsigned char *bytes = malloc(2 * N + 1);
    float *floats = malloc(N * sizeof *floats);
    for (unsigned i = 0; i < N; i++) {
        bytes[1 + 2 * i] = (unsigned char)i;
        bytes[2 + 2 * i] = (unsigned char)(i >> 8);
    }
    for (int k = 0; k < 2; k++) {
        bcl_tensor t = {.name = "t",
                        .dtype = k ? BCL_BF16 : BCL_F16,
                        .rank = 1,
                        .shape = {N},
                        .data = bytes + 1,
                        .bytes = 2 * N};
        OK(bcl_tensor_to_float(floats, &t));
        for (unsigned i = 0; i < N; i++) {
            double want = k ? reference(i, 8, 7) : reference(i, 5, 10);
            double got = (double)floats[i];
            bool same = isnan(want) ? isnan(got) : got == want && !signbit(got) == !signbit(want);
            if (!same)
                fail_msg("%s 0x%04x: %a, expected %a", k ? "BF16" : "F16", i, got, want);
        }
    }
    free(bytes);
    free(floats);
}

static void test_other_types_to_float(void **state) {
    (void)state;
    double doubles[] = {0.1, -0.0, 1e-45, 1e300, -1e-320, (double)NAN, 3};
    float out[7];
    bcl_tensor t = {.name = "t",
                    .dtype = BCL_F64,
                    .rank = 1,
                    .shape = {7},
                    .data = doubles,
                    .bytes = sizeof doubles};
    OK(bcl_tensor_to_float(out, &t));
    for (int i = 0; i < 7; i++)
        assert_true(isnan(doubles[i]) ? isnan(out[i]) : out[i] == (float)doubles[i]);
    assert_true(signbit(out[1]) && isinf(out[3]));
    t.dtype = BCL_I64;
    FAILS(bcl_tensor_to_float(out, &t), BCL_ERROR_UNSUPPORTED, "\"t\": found I64");
}

/* ---- writing ---- */

static void test_layout_and_round_trip(void **state) {
    (void)state;
    static const char expected[] =
        "{\"__metadata__\":{\"format\":\"pt\"},"
        "\"i\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[0,8]},"
        "\"a\\\"\\u0001\\t\xc3\xa9\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[8,16]},"
        "\"b\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[16,20]},"
        "\"h\":{\"dtype\":\"F16\",\"shape\":[0],\"data_offsets\":[20,20]},"
        "\"u\":{\"dtype\":\"U8\",\"shape\":[3],\"data_offsets\":[20,23]}}";
    static const char *const metadata[][2] = {{"format", "pt"}};
    const bcl_tensor tensors[] = {
        {"b", BCL_F32, 0, {0}, "BBBB", 4},
        {"u", BCL_U8, 1, {3}, "uuu", 3},
        {"h", BCL_F16, 1, {0}, "", 0},
        {"a\"\x01\t\xc3\xa9", BCL_F32, 2, {1, 2}, "aaaaAAAA", 8},
        {"i", BCL_I64, 1, {1}, "iiiiiiii", 8},
    };
    char *folder = test_folder(), *path = NULL, *text = NULL;
    size_t size;
    bcl_safetensors *st = NULL;
    OK(bcl_path_join(&path, folder, "x.safetensors"));
    OK(bcl_safetensors_write(path, tensors, 5, metadata, 1));
    OK(bcl_file_read(&text, &size, path));
    size_t header = (sizeof expected - 1 + 7) / 8 * 8;
    assert_int_equal(size, 8 + header + 23);
    assert_int_equal((unsigned char)text[0] + 256 * (unsigned char)text[1], header);
    assert_memory_equal(text + 8, expected, sizeof expected - 1);
    for (size_t i = sizeof expected - 1; i < header; i++)
        assert_int_equal(text[8 + i], ' ');
    assert_memory_equal(text + 8 + header, "iiiiiiiiaaaaAAAABBBBuuu", 23);
    OK(bcl_safetensors_open(&st, path));
    for (size_t i = 0; i < 5; i++) {
        const bcl_tensor *t = bcl_safetensors_find(st, tensors[i].name);
        assert_non_null(t);
        assert_int_equal(t->dtype, tensors[i].dtype);
        assert_int_equal(t->bytes, tensors[i].bytes);
        assert_memory_equal(t->data, tensors[i].data, t->bytes);
    }
    bcl_safetensors_close(st);
    OK(bcl_safetensors_write(path, NULL, 0, NULL, 0));
    OK(bcl_safetensors_open(&st, path));
    assert_int_equal(bcl_safetensors_count(st), 0);
    bcl_safetensors_close(st);
    free(text);
    free(path);
    free(folder);
}

static bcl_status fill_number(void *context, const bcl_tensor *t, size_t first, size_t rows,
                              void *buffer, size_t bytes) {
    int *calls = context;
    if (++*calls == 3)
        return bcl_fail(BCL_ERROR_DEVICE, "the device is gone");
    assert_true(first == 0 && (!t->rank || rows == (size_t)t->shape[0]));
    memset(buffer, t->name[0], bytes);
    return BCL_OK;
}

static void test_streamed(void **state) {
    (void)state;
    bcl_tensor tensors[] = {{.name = "x", .dtype = BCL_F32, .rank = 1, .shape = {5}},
                            {.name = "y", .dtype = BCL_F64, .rank = 2, .shape = {2, 3}},
                            {.name = "z", .dtype = BCL_U8, .rank = 0}};
    char *folder = test_folder(), *path = NULL, **names = NULL;
    size_t count;
    int calls = 0;
    bcl_safetensors *st = NULL;
    OK(bcl_path_join(&path, folder, "x.safetensors"));
    OK(bcl_safetensors_write_streamed(path, tensors, 2, NULL, 0, fill_number, &calls));
    OK(bcl_safetensors_open(&st, path));
    assert_memory_equal(bcl_safetensors_find(st, "y")->data, "yyyyyyyyyyyyyyyyyyyyyyyy", 24);
    assert_memory_equal(bcl_safetensors_find(st, "x")->data, "xxxxxxxxxxxxxxxxxxxx", 20);
    bcl_safetensors_close(st);
    calls = 0;
    OK(bcl_path_remove(path));
    FAILS(bcl_safetensors_write_streamed(path, tensors, 3, NULL, 0, fill_number, &calls),
          BCL_ERROR_DEVICE, "the device is gone");
    OK(bcl_directory_list(&names, &count, folder));
    assert_int_equal(count, 0);
    bcl_strings_free(names, count);
    free(path);
    free(folder);
}

/* Element i is i; the calls follow each other and none is large. */
static bcl_status fill_numbers(void *context, const bcl_tensor *t, size_t first, size_t rows,
                               void *buffer, size_t bytes) {
    size_t *next = context;
    const size_t width = t->rank == 2 ? (size_t)t->shape[1] : 1;
    assert_int_equal(first, *next);
    assert_int_equal(bytes, rows * width * sizeof(float));
    assert_true(bytes <= 4 << 20);
    for (size_t i = 0; i < rows * width; i++)
        ((float *)buffer)[i] = (float)(first * width + i);
    *next = first + rows;
    return BCL_OK;
}

/* Large tensors go through a small buffer, by whole rows. */
static void test_streamed_by_rows(void **state) {
    static const bcl_tensor shapes[] = {
        {.name = "x", .dtype = BCL_F32, .rank = 1, .shape = {2500001}},
        {.name = "x", .dtype = BCL_F32, .rank = 2, .shape = {3001, 777}},
        {.name = "x", .dtype = BCL_F32, .rank = 2, .shape = {0, 5}}};
    char *folder = test_folder(), *path = NULL;
    (void)state;
    OK(bcl_path_join(&path, folder, "x.safetensors"));
    for (int i = 0; i < 3; i++) {
        bcl_safetensors *st = NULL;
        size_t rows = 0;
        OK(bcl_safetensors_write_streamed(path, &shapes[i], 1, NULL, 0, fill_numbers, &rows));
        assert_int_equal(rows, shapes[i].shape[0]);
        OK(bcl_safetensors_open(&st, path));
        const bcl_tensor *t = bcl_safetensors_find(st, "x");
        for (size_t k = 0; k < bcl_tensor_elements(t); k++)
            assert_true(((const float *)t->data)[k] == (float)k);
        bcl_safetensors_close(st);
    }
    free(path);
    free(folder);
}

static void test_writer_refuses(void **state) {
    (void)state;
    static const char *const twice[][2] = {{"a", "1"}, {"a", "2"}};
    bcl_tensor t[2] = {{"a", BCL_F32, 1, {1}, "aaaa", 4}, {"a", BCL_U8, 1, {1}, "a", 1}};
    const char *path = "/no/such/folder/x";
    FAILS(bcl_safetensors_write(path, t, 2, NULL, 0), BCL_ERROR_ARGUMENT, "\"a\" is given twice");
    FAILS(bcl_safetensors_write(path, t, 1, NULL, 0), BCL_ERROR_IO, path);
    t[0].bytes = 3;
    FAILS(bcl_safetensors_write(path, t, 1, NULL, 0), BCL_ERROR_ARGUMENT, "given 3 bytes");
    t[0] = (bcl_tensor){"a", BCL_F32, 1, {1}, NULL, 0};
    FAILS(bcl_safetensors_write(path, t, 1, NULL, 0), BCL_ERROR_ARGUMENT, "has no data");
    t[0] = (bcl_tensor){"__metadata__", BCL_F32, 1, {1}, "aaaa", 4};
    FAILS(bcl_safetensors_write(path, t, 1, NULL, 0), BCL_ERROR_ARGUMENT, "__metadata__");
    t[0] = (bcl_tensor){"a", BCL_F32, 1, {-1}, "aaaa", 4};
    FAILS(bcl_safetensors_write(path, t, 1, NULL, 0), BCL_ERROR_ARGUMENT, "a dimension is -1");
    char *folder = test_folder(), *inside = NULL;
    OK(bcl_path_join(&inside, folder, "x"));
    t[0] = (bcl_tensor){"\xff", BCL_F32, 1, {1}, "aaaa", 4};
    FAILS(bcl_safetensors_write(inside, t, 1, NULL, 0), BCL_ERROR_ARGUMENT, "not valid UTF-8");
    FAILS(bcl_safetensors_write(inside, NULL, 0, twice, 2), BCL_ERROR_ARGUMENT, "given twice");
    assert_false(bcl_path_exists(inside));
    free(inside);
    free(folder);
}

/* ---- folders ---- */

static void put(const char *folder, const char *name, const void *data, size_t size) {
    char *path = NULL;
    OK(bcl_path_join(&path, folder, name));
    OK(bcl_file_write(path, data, size));
    free(path);
}

static void put_tensor(const char *folder, const char *file, const char *const names[], size_t n) {
    bcl_tensor t[4];
    char *path = NULL;
    for (size_t i = 0; i < n; i++)
        t[i] = (bcl_tensor){names[i], BCL_F32, 1, {1}, "ffff", 4};
    OK(bcl_path_join(&path, folder, file));
    OK(bcl_safetensors_write(path, t, n, NULL, 0));
    free(path);
}

static void put_index(const char *folder, const char *map) {
    char *text = NULL;
    OK(bcl_format(&text, "{\"metadata\":{},\"weight_map\":%s}", map));
    put(folder, "model.safetensors.index.json", text, strlen(text));
    free(text);
}

static void test_sharded(void **state) {
    (void)state;
    static const struct {
        const char *map, *part;
    } bad[] = {
        {"{\"a\":\"1\",\"x\":\"1\"}", "no tensor \"x\" in 1"},
        {"{\"a\":\"../1\"}", "without a folder"},
        {"{\"a\":\"d\\\\1\"}", "without a folder"},
        {"{\"a\":\"\"}", "without a folder"},
        {"{\"a\":\"..\"}", "without a folder"},
        {"{\"a\":1}", "expected a shard's file name"},
        {"{\"a\":\"1\",\"a\":\"1\"}", "\"a\" twice"},
        {"{\"a\":\"1\",\"d\":\"2\"}", "\"c\" is in 1 and in 2"},
        {"{}", "weight_map"},
        {"[]", "weight_map"},
    };
    char *folder = test_folder();
    bcl_checkpoint *ck = NULL;
    FAILS(bcl_checkpoint_open(&ck, folder), BCL_ERROR_IO, "found neither");
    put(folder, "tf_model.h5", "x", 1);
    FAILS(bcl_checkpoint_open(&ck, folder), BCL_ERROR_UNSUPPORTED, "save_pretrained");
    put(folder, "pytorch_model.bin", "x", 1); /* read where there is no safetensors file */
    FAILS(bcl_checkpoint_open(&ck, folder), BCL_ERROR_FORMAT, "pytorch_model.bin: found no zip");
    put_tensor(folder, "1", (const char *const[]){"a", "b", "c"}, 3);
    put_tensor(folder, "2", (const char *const[]){"c", "d"}, 2);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        put_index(folder, bad[i].map);
        FAILS(bcl_checkpoint_open(&ck, folder), BCL_ERROR_FORMAT, bad[i].part);
        assert_null(ck);
    }
    put_index(folder, "{\"a\":\"3\"}");
    FAILS(bcl_checkpoint_open(&ck, folder), BCL_ERROR_IO, "/3");
    put_index(folder, "{\"a\":\"1\",\"c\":\"2\",\"d\":\"2\"}");
    OK(bcl_checkpoint_open(&ck, folder));
    assert_int_equal(bcl_checkpoint_count(ck), 4);
    assert_string_equal(bcl_checkpoint_at(ck, 1)->name, "b");
    assert_string_equal(bcl_checkpoint_find(ck, "d")->name, "d");
    assert_null(bcl_checkpoint_find(ck, "e"));
    bcl_checkpoint_close(ck);
    put_tensor(folder, "model.safetensors", (const char *const[]){"only"}, 1);
    OK(bcl_checkpoint_open(&ck, folder));
    assert_int_equal(bcl_checkpoint_count(ck), 1);
    bcl_checkpoint_close(ck);
    FAILS(bcl_checkpoint_open(&ck, "/no/such"), BCL_ERROR_IO, "no such folder");
    free(folder);
}

/* ---- mutations ---- */

/* Whatever opens must be consistent: data inside the file, end to end, sizes as the shapes say. */
static void check_consistent(const bcl_safetensors *st, const image *f) {
    const unsigned char *next = NULL;
    for (size_t i = 0; i < bcl_safetensors_count(st); i++) {
        const bcl_tensor *t = bcl_safetensors_at(st, i);
        const unsigned char *data = t->data;
        assert_true(data >= f->data && data + t->bytes <= f->data + f->size);
        assert_true(!next || data == next);
        assert_int_equal(bcl_tensor_elements(t) * (size_t)bcl_dtype_bits(t->dtype), t->bytes * 8);
        assert_ptr_equal(bcl_safetensors_find(st, t->name), t);
        next = data + t->bytes;
    }
    if (next)
        assert_ptr_equal(next, f->data + f->size);
}

static void test_mutations(void **state) {
    (void)state;
    static const char header[] =
        "{\"__metadata__\":{\"format\":\"pt\",\"k\":\"\\u00e9\"},\"a\":" T("I64", "[2]", "[0,16]") ",\"b\xc3\xa9\":" T(
            "F32", "[2,3]",
            "[16,40]") ",\"c\":" T("F16", "[0,7]",
                                   "[40,40]") ",\"d\":" T("F4", "[2,5]",
                                                          "[40,45]") ",\"e\":" T("U8", "[11]",
                                                                                 "[45,56]") "}   ";
    static const char alphabet[] = "{}[]\",:\\0123456789-.eEu tnfFIU\x00\x1f\x80\xff";
    image seed = make_image(header, sizeof header - 1, 56);
    size_t opened = 0, refused = 0;
    uint64_t x = 20240607;
    for (int round = 0; round < 20000; round++) {
        size_t size = seed.size;
        unsigned char *copy = malloc(size + 8);
        memcpy(copy, seed.data, size);
        x = bcl_mix64(x + 1);
        for (unsigned k = 0, n = 1 + (unsigned)(x >> 60) % 4; k < n; k++) {
            x = bcl_mix64(x + 1);
            size_t at = (size_t)(x >> 32) % (8 + sizeof header - 1);
            unsigned char c = (unsigned char)alphabet[(x >> 8) % (sizeof alphabet - 1)];
            switch (x & 3) {
            case 0:
                copy[at] ^= (unsigned char)(1u << (x >> 16) % 8);
                break;
            case 1:
                copy[at] = c;
                break;
            case 2: /* delete or cut */
                if (at >= size)
                    break;
                if ((x >> 20) % 8 == 0)
                    size = at;
                else
                    memmove(copy + at, copy + at + 1, --size - at);
                break;
            default: /* insert; the length is kept right half of the time */
                if (at > size)
                    break;
                memmove(copy + at + 1, copy + at, size - at);
                copy[at] = c;
                size++;
                if (at >= 8 && (x >> 21) % 2)
                    copy[0]++;
            }
        }
        image f = {malloc(size ? size : 1), size};
        memcpy(f.data, copy, size);
        free(copy);
        bcl_safetensors *st = NULL;
        bcl_status status = bcl_safetensors_open_memory(&st, f.data, f.size, "m");
        if (!status) {
            check_consistent(st, &f);
            opened++;
        } else {
            assert_true(status == BCL_ERROR_FORMAT || status == BCL_ERROR_UNSUPPORTED);
            assert_true(!strncmp(bcl_message(), "m: ", 3));
            refused++;
        }
        bcl_safetensors_close(st);
        free(f.data);
    }
    /* Both kinds must occur, or the test tests nothing. */
    print_message("%zu mutants opened, %zu were refused\n", opened, refused);
    assert_true(opened > 100 && refused > 5000);
    free(seed.data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_header_length),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_nesting_ends_somewhere),
        cmocka_unit_test(test_descriptions),
        cmocka_unit_test(test_find),
        cmocka_unit_test(test_halves_are_exact),
        cmocka_unit_test(test_other_types_to_float),
        cmocka_unit_test(test_layout_and_round_trip),
        cmocka_unit_test(test_streamed),
        cmocka_unit_test(test_streamed_by_rows),
        cmocka_unit_test(test_writer_refuses),
        cmocka_unit_test(test_sharded),
        cmocka_unit_test(test_mutations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
