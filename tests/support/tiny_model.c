#include "support/tiny_model.h"

#include "support/local_model.h"

static bcl_status write_tokenizer(const char *folder) {
    bcl_status status = BCL_OK;
    bcl_string text = {0};
    char *path = NULL;
    static const char settings[] = "{\"do_lower_case\": true, \"model_max_length\": 64, "
                                   "\"tokenizer_class\": \"BertTokenizer\"}\n";
    BCL_TRY(bcl_string_addf(&text, "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n"));
    for (int i = 0; i < 72; i++)
        BCL_TRY(bcl_string_addf(&text, "%s%c\n", i < 36 ? "" : "##",
                                "abcdefghijklmnopqrstuvwxyz0123456789"[i % 36]));
    BCL_TRY(bcl_path_join(&path, folder, "vocab.txt"));
    BCL_TRY(bcl_file_write(path, text.data, text.size));
    free(path);
    path = NULL;
    BCL_TRY(bcl_path_join(&path, folder, "tokenizer_config.json"));
    BCL_TRY(bcl_file_write(path, settings, sizeof settings - 1));
out:
    free(path);
    bcl_string_free(&text);
    return status;
}

typedef struct filling {
    const tiny_model *shape;
    uint64_t tensor;
} filling;

static bcl_status fill(void *context, const bcl_tensor *tensor, size_t first, size_t rows,
                       void *buffer, size_t bytes) {
    filling *f = context;
    float *x = buffer;
    const size_t n = bytes / sizeof *x;
    if (first || n != bcl_tensor_elements(tensor))
        return bcl_fail(BCL_ERROR_ARGUMENT, "%s: %zu rows, expected all", tensor->name, rows);
    bcl_normal(x, n, f->shape->spread, bcl_mix64(f->shape->seed) + f->tensor++);
    for (size_t i = 0; i < n && strstr(tensor->name, "LayerNorm.weight"); i++)
        x[i] += 1;
    if (f->shape->local)
        local_model_shape(tensor, x);
    return BCL_OK;
}

static bcl_status write_weights(const char *folder, const bcl_config *config,
                                const tiny_model *shape) {
    bcl_status status = BCL_OK;
    bcl_layout layout = {0};
    bcl_tensor *tensors = NULL;
    char *path = NULL;
    filling state = {shape, 0};
    static const char *const metadata[][2] = {{"format", "pt"}};
    BCL_TRY(bcl_layout_create(&layout, config));
    BCL_NEW(tensors, (size_t)layout.named_count);
    for (int i = 0; i < layout.named_count; i++) {
        const bcl_named *n = &layout.named[i];
        tensors[i] = (bcl_tensor){.name = n->name,
                                  .dtype = BCL_F32,
                                  .rank = n->rank,
                                  .shape = {n->shape[0], n->rank == 2 ? n->shape[1] : 0}};
    }
    BCL_TRY(bcl_path_join(&path, folder, "model.safetensors"));
    BCL_TRY(bcl_safetensors_write_streamed(path, tensors, (size_t)layout.named_count, metadata, 1,
                                           fill, &state));
out:
    free(path);
    free(tensors);
    bcl_layout_free(&layout);
    return status;
}

bcl_status tiny_model_write(const char *folder, const tiny_model *shape) {
    bcl_status status = BCL_OK;
    bcl_config config = {0};
    char more[64][8];
    const char *names[64] = {"O", "I-LOC", "I-MISC", "I-ORG", "I-PER"};
    BCL_TRY(bcl_config_default(&config));
    config.hidden = shape->hidden;
    config.heads = shape->heads;
    config.head_size = shape->hidden / shape->heads;
    config.layers = shape->layers;
    config.intermediate = shape->intermediate;
    config.positions = shape->positions;
    config.vocabulary = TINY_VOCABULARY;
    config.hidden_dropout = config.attention_dropout = config.classifier_dropout = shape->dropout;
    for (int i = 5; i < shape->labels && i < 64; i++) {
        snprintf(more[i], sizeof more[i], "I-%d", i);
        names[i] = more[i];
    }
    BCL_TRY(bcl_config_set_labels(&config, names, (size_t)shape->labels));
    BCL_TRY(bcl_directory_create(folder));
    BCL_TRY(bcl_config_write(&config, folder));
    BCL_TRY(write_tokenizer(folder));
    BCL_TRY(write_weights(folder, &config, shape));
out:
    bcl_config_free(&config);
    return status;
}
