/* PyTorch's files of tensors: what torch.save writes is read, and anything else is refused. The
 * archives and pickles here are made by hand, so that each can be wrong in one place. */
#include "model/torch_file.h"
#include "support/support.h"

/* ---- a zip writer ---- */

typedef struct archive {
    bcl_string file, directory;
    size_t entries;
    int method; /* 0: stored */
} archive;

static void put(bcl_string *s, uint64_t x, int bytes) {
    for (int i = 0; i < bytes; i++)
        OK(bcl_string_add(s, &(char){(char)(i < 8 ? x >> 8 * i : 0)}, 1));
}

/* Over the entries of an archive: the checksum that the directory says of one. */
static uint32_t zip_crc = 0;

static void zip_add(archive *a, const char *name, const void *data, size_t size) {
    const size_t at = a->file.size, n = strlen(name);
    OK(bcl_string_add(&a->file, "PK\3\4\0\0\0\0", 8));
    put(&a->file, (uint64_t)a->method, 2);
    put(&a->file, 0, 16);
    put(&a->file, n, 2);
    put(&a->file, 3, 2); /* an extra field, as torch.save pads with */
    OK(bcl_string_add(&a->file, name, n));
    OK(bcl_string_add(&a->file, "FBZ", 3));
    if (size)
        OK(bcl_string_add(&a->file, data, size));
    OK(bcl_string_add(&a->directory, "PK\1\2\0\0\0\0\0\0", 10));
    put(&a->directory, (uint64_t)a->method, 2);
    put(&a->directory, 0, 4);
    put(&a->directory, zip_crc, 4);
    put(&a->directory, size, 4);
    put(&a->directory, size, 4);
    put(&a->directory, n, 2);
    put(&a->directory, 0, 12);
    put(&a->directory, at, 4);
    OK(bcl_string_add(&a->directory, name, n));
    a->entries++;
}

/* `big`: with the zip64 record that torch.save always writes. */
static void zip_end(archive *a, bool big) {
    const size_t begin = a->file.size;
    OK(bcl_string_add(&a->file, a->directory.data, a->directory.size));
    if (big) {
        const size_t at = a->file.size;
        OK(bcl_string_add(&a->file, "PK\6\6", 4));
        put(&a->file, 44, 8);
        put(&a->file, 0, 12);
        put(&a->file, a->entries, 8);
        put(&a->file, a->entries, 8);
        put(&a->file, a->directory.size, 8);
        put(&a->file, begin, 8);
        OK(bcl_string_add(&a->file, "PK\6\7\0\0\0\0", 8));
        put(&a->file, at, 8);
        put(&a->file, 1, 4);
    }
    OK(bcl_string_add(&a->file, "PK\5\6\0\0\0\0", 8));
    put(&a->file, big ? 0xffff : a->entries, 2);
    put(&a->file, big ? 0xffff : a->entries, 2);
    put(&a->file, big ? 0xffffffff : a->directory.size, 4);
    put(&a->file, big ? 0xffffffff : begin, 4);
    put(&a->file, 0, 2);
}

static void zip_free(archive *a) {
    bcl_string_free(&a->file);
    bcl_string_free(&a->directory);
    *a = (archive){0};
}

/* ---- pickles ---- */

/* A tensor "w" of torch.FloatStorage "0" with these numbers, each of one byte. */
typedef struct view {
    int elements, offset, rank, shape[3], stride[3];
} view;

static const char head[] = "\x80\x02}q\x00(X\x01\x00\x00\x00w"
                           "ctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storage"
                           "ctorch\nFloatStorage\nX\x01\x00\x00\x00"
                           "0X\x03\x00\x00\x00"
                           "cpu";

static void add_dims(bcl_string *s, const int *dims, int rank) {
    OK(bcl_string_add(s, "(", 1));
    for (int i = 0; i < rank; i++) {
        OK(bcl_string_add(s, "J", 1));
        put(s, (uint32_t)dims[i], 4);
    }
    OK(bcl_string_add(s, "t", 1));
}

static void make_pickle(bcl_string *s, const view *v) {
    static const char tail[] = "\x89"
                               "ccollections\nOrderedDict\n)RtRu.";
    OK(bcl_string_add(s, head, sizeof head - 1));
    OK(bcl_string_add(s, "J", 1));
    put(s, (uint32_t)v->elements, 4);
    OK(bcl_string_add(s, "tQJ", 3));
    put(s, (uint32_t)v->offset, 4);
    add_dims(s, v->shape, v->rank);
    add_dims(s, v->stride, v->rank);
    OK(bcl_string_add(s, tail, sizeof tail - 1));
}

static const float six[] = {0, 1, 2, 3, 4, 5};
static const view plain = {6, 0, 2, {2, 3}, {3, 1}};

static void make_file(archive *a, const view *v, bool big) {
    bcl_string pickle = {0};
    make_pickle(&pickle, v);
    zip_add(a, "model/data.pkl", pickle.data, pickle.size);
    zip_add(a, "model/byteorder", "little", 6);
    zip_add(a, "model/data/0", six, sizeof six);
    zip_add(a, "model/version", "3\n", 2);
    zip_end(a, big);
    bcl_string_free(&pickle);
}

static bcl_status open_archive(const archive *a, bcl_torch_file **f) {
    return bcl_torch_file_open_memory(f, a->file.data, a->file.size, "x.bin");
}

static void test_reads(void **state) {
    (void)state;
    static const struct {
        view view;
        int count;
        float values[6];
    } cases[] = {
        {{6, 0, 2, {2, 3}, {3, 1}}, 6, {0, 1, 2, 3, 4, 5}},
        {{6, 0, 2, {3, 2}, {1, 3}}, 6, {0, 3, 1, 4, 2, 5}}, /* a transpose */
        {{6, 1, 1, {2}, {2}}, 2, {1, 3}},                   /* every second from 1 on */
        {{6, 3, 1, {3}, {1}}, 3, {3, 4, 5}},                /* a slice */
        {{6, 5, 2, {1, 4}, {9, 0}}, 4, {5, 5, 5, 5}},       /* expanded */
        {{6, 2, 0, {0}, {0}}, 1, {2}},                      /* a scalar */
        {{6, 0, 3, {1, 1, 6}, {77, 99, 1}}, 6, {0, 1, 2, 3, 4, 5}},
        {{6, 6, 2, {0, 5}, {5, 1}}, 0, {0}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        archive a = {0};
        bcl_torch_file *f;
        float got[6];
        make_file(&a, &cases[i].view, i % 2);
        OK(open_archive(&a, &f));
        assert_true(bcl_torch_file_count(f) == 1);
        const bcl_tensor *t = bcl_torch_file_at(f, 0);
        assert_string_equal(t->name, "w");
        assert_true(t->dtype == BCL_F32 && t->rank == cases[i].view.rank);
        assert_true(t->bytes == (size_t)cases[i].count * sizeof(float));
        if (cases[i].count) {
            bcl_map_release(t->data, t->bytes);
            OK(bcl_tensor_to_float(got, t));
            assert_memory_equal(got, cases[i].values, t->bytes);
        }
        bcl_torch_file_close(f);
        zip_free(&a);
    }
}

static void test_views_outside(void **state) {
    (void)state;
    static const struct {
        view view;
        const char *part;
    } bad[] = {
        {{6, 0, 2, {2, 4}, {3, 1}}, "beyond its storage"},
        {{6, 4, 1, {3}, {1}}, "beyond its storage"},
        {{6, 0, 1, {7}, {0}}, "beyond its storage"}, /* more elements than bytes */
        {{6, 0, 2, {2, 3}, {6, 1}}, "beyond its storage"},
        {{6, 0, 3, {2147483647, 2147483647, 2147483647}, {0, 0, 0}}, "beyond its storage"},
        {{6, 0, 2, {2, 3}, {-3, 1}}, "a tensor of other parts"},
        {{6, -1, 1, {1}, {1}}, "a tensor of other parts"},
        {{6, 7, 1, {0}, {1}}, "beyond its storage"},
        {{7, 0, 1, {7}, {1}}, "found 24 bytes of data, expected 7 of F32"},
        {{5, 0, 1, {5}, {1}}, "found 24 bytes of data, expected 5 of F32"},
        {{-1, 0, 1, {1}, {1}}, "another reference"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        archive a = {0};
        bcl_torch_file *f;
        make_file(&a, &bad[i].view, true);
        FAILS(open_archive(&a, &f), BCL_ERROR_FORMAT, bad[i].part);
        zip_free(&a);
    }
}

/* Whatever is cut off or flipped: an error or the tensor, never a read outside. */
static void test_damage(void **state) {
    (void)state;
    for (int big = 0; big < 2; big++) {
        archive a = {0};
        bcl_torch_file *f;
        make_file(&a, &plain, big);
        for (size_t n = 0; n < a.file.size; n++) {
            char *copy = malloc(n + !n); /* so that a sanitizer knows its end */
            memcpy(copy, a.file.data, n);
            assert_int_not_equal(bcl_torch_file_open_memory(&f, copy, n, "x.bin"), BCL_OK);
            free(copy);
        }
        for (size_t n = 0; n < a.file.size; n++)
            for (int bit = 0; bit < 8; bit++) {
                a.file.data[n] ^= (char)(1 << bit);
                if (!open_archive(&a, &f)) {
                    volatile unsigned sum = 0;
                    for (size_t i = 0; i < bcl_torch_file_count(f); i++)
                        for (size_t k = 0; k < bcl_torch_file_at(f, i)->bytes; k++)
                            sum += ((const unsigned char *)bcl_torch_file_at(f, i)->data)[k];
                    bcl_torch_file_close(f);
                }
                a.file.data[n] ^= (char)(1 << bit);
            }
        zip_free(&a);
    }
}

/* Entries are compared with their checksums, where they have one: 0 is none. */
static void test_checksums(void **state) {
    (void)state;
    bcl_string pickle = {0};
    make_pickle(&pickle, &plain);
    for (int wrong = 0; wrong < 2; wrong++) {
        archive a = {0};
        bcl_torch_file *f;
        zip_add(&a, "model/data.pkl", pickle.data, pickle.size);
        zip_add(&a, "model/data/0", six, sizeof six);
        zip_crc = 0xCBF43926;
        zip_add(&a, "model/check", wrong ? "123456780" : "123456789", 9);
        zip_crc = 0;
        zip_end(&a, true);
        if (wrong) {
            FAILS(open_archive(&a, &f), BCL_ERROR_FORMAT, "do not have the checksum cbf43926");
        } else {
            OK(open_archive(&a, &f));
            bcl_torch_file_close(f);
        }
        zip_free(&a);
    }
    bcl_string_free(&pickle);
}

static void expect_pickle(const char *text, size_t size, bcl_status status, const char *part) {
    archive a = {0};
    bcl_torch_file *f;
    zip_add(&a, "model/data.pkl", text, size);
    zip_add(&a, "model/data/0", six, sizeof six);
    zip_end(&a, true);
    FAILS(open_archive(&a, &f), status, part);
    zip_free(&a);
}
#define PICKLE(text, status, part) expect_pickle(text, sizeof(text) - 1, status, part)

static void test_programs(void **state) {
    (void)state;
    PICKLE("\x80\x02"
           "cposix\nsystem\nX\x04\x00\x00\x00true\x85R.",
           BCL_ERROR_UNSUPPORTED,
           "byte 2: found the name \"posix.system\", expected tensors alone");
    PICKLE("\x80\x02"
           "cbuiltins\neval\n.",
           BCL_ERROR_UNSUPPORTED, "builtins.eval");
    PICKLE("\x80\x04\x8c\x02os\x8c\x06system\x93.", BCL_ERROR_UNSUPPORTED, "os.system");
    PICKLE("\x80\x02"
           "ctorch._utils\n_rebuild_tensor\n.",
           BCL_ERROR_UNSUPPORTED, "torch._utils._rebuild_tensor");
    PICKLE("\x80\x02"
           "ccollections\nOrderedDict.x\n.",
           BCL_ERROR_UNSUPPORTED, "collections.OrderedDict.x");
    PICKLE("\x80\x02"
           "c\x1b[31m\n\xff\n.",
           BCL_ERROR_UNSUPPORTED, "\"?[31m.?\"");
    /* INST, OBJ, NEWOBJ, NEWOBJ_EX, EXT1, PERSID, BYTEARRAY8, NEXT_BUFFER, DUP, POP, INT, SET */
    static const char opcodes[] = "io\x81\x92\x82P\x96\x97"
                                  "20I\x8f\xff";
    for (size_t i = 0; i < sizeof opcodes - 1; i++) {
        const char text[] = {(char)0x80, 2, opcodes[i], '.'};
        expect_pickle(text, sizeof text, BCL_ERROR_UNSUPPORTED, "byte 2: found the opcode 0x");
    }
    PICKLE("\x80\x02}X\x01\x00\x00\x00"
           "a)R.",
           BCL_ERROR_FORMAT, "a call of something else");
    PICKLE("\x80\x02"
           "ccollections\nOrderedDict\n}b.",
           BCL_ERROR_FORMAT, "attributes of something else");
}

static void test_machine(void **state) {
    (void)state;
    PICKLE("", BCL_ERROR_FORMAT, "found the end, expected a STOP");
    PICKLE(".", BCL_ERROR_UNSUPPORTED, "found no single value");
    PICKLE("(.", BCL_ERROR_UNSUPPORTED, "found no single value");
    PICKLE("NN.", BCL_ERROR_UNSUPPORTED, "found no single value");
    PICKLE("].", BCL_ERROR_UNSUPPORTED, "found a list, expected a dict");
    PICKLE("}K\x01K\x02s.", BCL_ERROR_UNSUPPORTED, "a key: found a number");
    PICKLE("}X\x01\x00\x00\x00"
           "e}s.",
           BCL_ERROR_UNSUPPORTED, "entry e: found a dict");
    PICKLE("\x80\x06}.", BCL_ERROR_UNSUPPORTED, "a later protocol");
    PICKLE("}q\x07.", BCL_ERROR_FORMAT, "out of order");
    PICKLE("}r\xff\xff\xff\xff.", BCL_ERROR_FORMAT, "out of order");
    PICKLE("h\x00.", BCL_ERROR_FORMAT, "without a value");
    PICKLE("q\x00.", BCL_ERROR_FORMAT, "an empty stack");
    PICKLE("}X\xff\xff\xff\xff.", BCL_ERROR_FORMAT, "a string that is cut off");
    PICKLE("}\x8d\xff\xff\xff\xff\xff\xff\xff\xff.", BCL_ERROR_FORMAT, "a string that is cut off");
    PICKLE("}U\x02\xff\xfe.", BCL_ERROR_FORMAT, "bytes that are not text");
    PICKLE("}U\x01\x00.", BCL_ERROR_FORMAT, "bytes that are not text");
    PICKLE("}\x8a\x09"
           "123456789.",
           BCL_ERROR_FORMAT, "more than 64 bits");
    PICKLE("}K", BCL_ERROR_FORMAT, "cut off");
    PICKLE("t.", BCL_ERROR_FORMAT, "no mark");
    PICKLE("\x87.", BCL_ERROR_FORMAT, "too few values");
    PICKLE("NN(\x86.", BCL_ERROR_FORMAT, "too few values");
    PICKLE("}(NNNu.", BCL_ERROR_FORMAT, "a key without a value");
    PICKLE("](NNu.", BCL_ERROR_FORMAT, "no container");
    PICKLE("(NNu.", BCL_ERROR_FORMAT, "no container");
    PICKLE("}Na.", BCL_ERROR_FORMAT, "no container");
    PICKLE("Na.", BCL_ERROR_FORMAT, "no container");
    PICKLE("NQ.", BCL_ERROR_FORMAT, "another reference");
    PICKLE("R.", BCL_ERROR_FORMAT, "an empty stack");
    PICKLE("cname without end", BCL_ERROR_FORMAT, "a name without an end");
}

static void test_archives(void **state) {
    (void)state;
    archive a = {0};
    bcl_torch_file *f;
    bcl_string pickle = {0};
    make_pickle(&pickle, &plain);
    zip_add(&a, "model/data.pkl", pickle.data, pickle.size);
    zip_end(&a, true);
    FAILS(open_archive(&a, &f), BCL_ERROR_FORMAT, "found no entry \"model/data/0\"");
    zip_free(&a);

    zip_add(&a, "other.txt", "x", 1);
    zip_end(&a, false);
    FAILS(open_archive(&a, &f), BCL_ERROR_FORMAT, "without data.pkl");
    zip_free(&a);

    zip_add(&a, "model/data.pkl", pickle.data, pickle.size);
    zip_add(&a, "model/constants.pkl", "", 0);
    zip_end(&a, true);
    FAILS(open_archive(&a, &f), BCL_ERROR_UNSUPPORTED, "TorchScript");
    zip_free(&a);

    zip_add(&a, "model/data.pkl", pickle.data, pickle.size);
    zip_add(&a, "model/byteorder", "big", 3);
    zip_end(&a, true);
    FAILS(open_archive(&a, &f), BCL_ERROR_UNSUPPORTED, "byte order");
    zip_free(&a);

    a.method = 8;
    zip_add(&a, "model/data.pkl", pickle.data, pickle.size);
    zip_end(&a, true);
    FAILS(open_archive(&a, &f), BCL_ERROR_UNSUPPORTED, "is compressed, expected stored");
    zip_free(&a);

    zip_add(&a, "model/data.pkl", pickle.data, pickle.size);
    zip_add(&a, "model/data.pkl", pickle.data, pickle.size);
    zip_end(&a, true);
    FAILS(open_archive(&a, &f), BCL_ERROR_FORMAT, "\"model/data.pkl\" twice");
    zip_free(&a);

    make_file(&a, &plain, false); /* the last entry's bytes reach into the directory */
    a.file.data[a.file.size - 22 - 13 - 46 + 24] = a.file.data[a.file.size - 22 - 13 - 46 + 20] = 9;
    FAILS(open_archive(&a, &f), BCL_ERROR_FORMAT, "expected them before the directory");
    zip_free(&a);

    zip_add(&a, "model/data.pkl", pickle.data, pickle.size);
    zip_add(&a, "model/data/0", six, sizeof six);
    a.directory.data[20] = a.directory.data[24] = (char)(pickle.size + 20); /* and into the next */
    zip_end(&a, false);
    FAILS(open_archive(&a, &f), BCL_ERROR_FORMAT, "overlap");
    zip_free(&a);
    bcl_string_free(&pickle);
    FAILS(bcl_torch_file_open_memory(&f, "PK\3\4", 4, "x.bin"), BCL_ERROR_FORMAT, "cut off?");
    FAILS(bcl_torch_file_open_memory(&f, "hello", 5, "x.bin"), BCL_ERROR_FORMAT, "no zip archive");
    FAILS(bcl_torch_file_open_memory(&f, NULL, 0, "x.bin"), BCL_ERROR_FORMAT, "no zip archive");
    FAILS(bcl_torch_file_open_memory(&f, "\x80\x02\x8a\x0al\xfc\x9c\x46\xf9 j\xa8P\x19.", 15,
                                     "x.bin"),
          BCL_ERROR_UNSUPPORTED, "before 1.6");
    FAILS(bcl_torch_file_open_memory(&f, "version https://git-lfs.github.com/spec/v1", 42, "x.bin"),
          BCL_ERROR_FORMAT, "git lfs pull");
}

/* A small file must not ask for much: views of one storage, again and again. */
static void test_small_stays_small(void **state) {
    (void)state;
    archive a = {0};
    bcl_torch_file *f;
    bcl_string pickle = {0};
    enum { N = 100, SIDE = 20 };
    static char bytes[SIDE * SIDE * 4];
    static const view v = {SIDE * SIDE, 0, 2, {SIDE, SIDE}, {1, SIDE}};
    OK(bcl_string_add(&pickle, "\x80\x02}(", 4));
    for (int i = 0; i < N; i++) {
        bcl_string one = {0};
        char name[16];
        make_pickle(&one, &v);
        snprintf(name, sizeof name, "U\x03%03d", i);
        OK(bcl_string_add(&pickle, name, 5));
        const size_t begin = 12; /* behind the name */
        for (size_t k = begin; k + 2 < one.size; k++)
            OK(bcl_string_add(&pickle, one.data + k, 1));
        bcl_string_free(&one);
    }
    OK(bcl_string_add(&pickle, "u.", 2));
    zip_add(&a, "model/data.pkl", pickle.data, pickle.size);
    zip_add(&a, "model/data/0", bytes, sizeof bytes);
    zip_end(&a, true);
    FAILS(open_archive(&a, &f), BCL_ERROR_UNSUPPORTED, "larger than the file");
    bcl_string_free(&pickle);
    zip_free(&a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads),    cmocka_unit_test(test_views_outside),
        cmocka_unit_test(test_damage),   cmocka_unit_test(test_checksums),
        cmocka_unit_test(test_programs), cmocka_unit_test(test_machine),
        cmocka_unit_test(test_archives), cmocka_unit_test(test_small_stays_small)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
