/* For tests/peers/model_files.py: opens a safetensors file or a model folder, prints one line a
 * tensor, and writes it again. usage: safetensors_tool FILE|FOLDER [OUT] */
#include "model/files.h"

typedef struct source {
    bcl_safetensors *st;
    bcl_checkpoint *ck;
} source;

static size_t count(const source *s) {
    return s->ck ? bcl_checkpoint_count(s->ck) : bcl_safetensors_count(s->st);
}

static const bcl_tensor *at(const source *s, size_t i) {
    return s->ck ? bcl_checkpoint_at(s->ck, i) : bcl_safetensors_at(s->st, i);
}

/* name, dtype, shape, size, FNV-1a of the bytes, FNV-1a of the floats or - */
static bcl_status print(const bcl_tensor *t) {
    bcl_status status = BCL_OK;
    float *floats = NULL;
    char shape[256];
    uint64_t hash[2] = {14695981039346656037u, 14695981039346656037u};
    size_t n = bcl_tensor_elements(t);
    bool is_float =
        t->dtype == BCL_F32 || t->dtype == BCL_F16 || t->dtype == BCL_BF16 || t->dtype == BCL_F64;
    if (is_float) {
        BCL_NEW(floats, n);
        BCL_TRY(bcl_tensor_to_float(floats, t));
    }
    for (size_t i = 0; i < t->bytes; i++)
        hash[0] = (hash[0] ^ ((const unsigned char *)t->data)[i]) * 1099511628211u;
    for (size_t i = 0; is_float && i < 4 * n; i++)
        hash[1] = (hash[1] ^ ((const unsigned char *)floats)[i]) * 1099511628211u;
    printf("%s\t%s\t%s\t%zu\t%016llx\t%016llx\n", t->name, bcl_dtype_name(t->dtype),
           bcl_tensor_shape_text(shape, sizeof shape, t), t->bytes, (unsigned long long)hash[0],
           is_float ? (unsigned long long)hash[1] : 0);
out:
    free(floats);
    return status;
}

static bcl_status fill(void *context, const bcl_tensor *t, size_t first, size_t rows, void *buffer,
                       size_t bytes) {
    const source *s = context;
    const bcl_tensor *from =
        s->ck ? bcl_checkpoint_find(s->ck, t->name) : bcl_safetensors_find(s->st, t->name);
    memcpy(buffer, (const char *)from->data + first * (rows ? bytes / rows : 0), bytes);
    return BCL_OK;
}

int main(int argc, char **argv) {
    static const char *const metadata[][2] = {{"format", "pt"}};
    bcl_status status = BCL_OK;
    source s = {0};
    bcl_tensor *table = NULL;
    if (argc < 2)
        return 2;
    if (bcl_path_is_directory(argv[1]))
        BCL_TRY(bcl_checkpoint_open(&s.ck, argv[1]));
    else
        BCL_TRY(bcl_safetensors_open(&s.st, argv[1]));
    for (size_t i = 0; i < count(&s); i++)
        BCL_TRY(print(at(&s, i)));
    if (argc > 2) {
        BCL_NEW(table, count(&s));
        for (size_t i = 0; i < count(&s); i++) {
            table[i] = *at(&s, i);
            table[i].data = NULL;
        }
        BCL_TRY(bcl_safetensors_write_streamed(argv[2], table, count(&s), metadata, 1, fill, &s));
    }
out:
    if (status)
        fprintf(stderr, "%s\n", bcl_message());
    free(table);
    bcl_safetensors_close(s.st);
    bcl_checkpoint_close(s.ck);
    return status ? 1 : 0;
}
