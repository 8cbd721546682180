/* The table of parameters: what the device holds, and which tensors of a checkpoint it is. */
#include "model/internal.h"

#include <stdarg.h>

/* Every parameter starts at a multiple of so many elements, whatever their type. */
enum { ALIGNMENT = BCL_VIEW_UNIT / 4 };

static int add_parameter(bcl_layout *l, int rows, int columns, bcl_new_value value) {
    bcl_parameter *p = &l->parameters[l->parameter_count];
    *p = (bcl_parameter){.offset = l->dense, .rows = rows, .columns = columns, .value = value};
    l->dense += ((size_t)rows * (size_t)columns + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return l->parameter_count++;
}

/* A vector or, with rows > 0, a table as it is in the file. */
static bcl_named *add_name(bcl_layout *l, int parameter, int rows, int columns, const char *format,
                           ...) __attribute__((format(printf, 5, 6)));
static bcl_named *add_name(bcl_layout *l, int parameter, int rows, int columns, const char *format,
                           ...) {
    bcl_named *n = &l->named[l->named_count++];
    *n = (bcl_named){.parameter = parameter, .rank = rows ? 2 : 1};
    n->shape[0] = rows ? rows : columns;
    n->shape[1] = columns;
    va_list args;
    va_start(args, format);
    vsnprintf(n->name, sizeof n->name, format, args);
    va_end(args);
    return n;
}

/* A linear layer of the file, (out,in), as columns column.. of a parameter (in,*), and its bias. */
static void add_linear(bcl_layout *l, int weight, int column, int in, int out, const char *name) {
    bcl_named *n = add_name(l, weight, out, in, "%s.weight", name);
    n->transposed = true;
    n->column = column;
    n = add_name(l, weight + 1, 0, out, "%s.bias", name);
    n->column = column;
}

static void add_layernorm(bcl_layout *l, int gamma, int C, const char *name) {
    add_name(l, gamma, 0, C, "%s.weight", name);
    add_name(l, gamma + 1, 0, C, "%s.bias", name);
}

static void add_layer(bcl_layout *l, const bcl_config *c, int layer) {
    const int C = c->hidden, F = c->intermediate, first = l->parameter_count;
    const struct {
        int rows, columns;
        bcl_new_value value;
    } parameters[BCL_LAYER_PARAMETERS] = {
        [BCL_QKV_W] = {C, 3 * C, BCL_NEW_RANDOM}, [BCL_QKV_B] = {1, 3 * C, BCL_NEW_ZERO},
        [BCL_OUT_W] = {C, C, BCL_NEW_RANDOM},     [BCL_OUT_B] = {1, C, BCL_NEW_ZERO},
        [BCL_LN1_G] = {1, C, BCL_NEW_ONE},        [BCL_LN1_B] = {1, C, BCL_NEW_ZERO},
        [BCL_UP_W] = {C, F, BCL_NEW_RANDOM},      [BCL_UP_B] = {1, F, BCL_NEW_ZERO},
        [BCL_DOWN_W] = {F, C, BCL_NEW_RANDOM},    [BCL_DOWN_B] = {1, C, BCL_NEW_ZERO},
        [BCL_LN2_G] = {1, C, BCL_NEW_ONE},        [BCL_LN2_B] = {1, C, BCL_NEW_ZERO},
    };
    static const char *const qkv[] = {"query", "key", "value"};
    char name[80];
    for (int i = 0; i < BCL_LAYER_PARAMETERS; i++)
        add_parameter(l, parameters[i].rows, parameters[i].columns, parameters[i].value);
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "bert.encoder.layer.%d.attention.self.%s", layer, qkv[i]);
        add_linear(l, first + BCL_QKV_W, i * C, C, C, name);
    }
    snprintf(name, sizeof name, "bert.encoder.layer.%d.attention.output.dense", layer);
    add_linear(l, first + BCL_OUT_W, 0, C, C, name);
    snprintf(name, sizeof name, "bert.encoder.layer.%d.attention.output.LayerNorm", layer);
    add_layernorm(l, first + BCL_LN1_G, C, name);
    snprintf(name, sizeof name, "bert.encoder.layer.%d.intermediate.dense", layer);
    add_linear(l, first + BCL_UP_W, 0, C, F, name);
    snprintf(name, sizeof name, "bert.encoder.layer.%d.output.dense", layer);
    add_linear(l, first + BCL_DOWN_W, 0, F, C, name);
    snprintf(name, sizeof name, "bert.encoder.layer.%d.output.LayerNorm", layer);
    add_layernorm(l, first + BCL_LN2_G, C, name);
}

bcl_status bcl_layout_create(bcl_layout *l, const bcl_config *c) {
    bcl_status status = BCL_OK;
    const int C = c->hidden;
    *l = (bcl_layout){.type = BCL_ELEMENT_F32};
    BCL_NEW(l->parameters, (size_t)c->layers * BCL_LAYER_PARAMETERS + BCL_FIRST_LAYER + 2);
    BCL_NEW(l->named, (size_t)c->layers * 16 + 7);
    add_name(l, BCL_WORDS, c->vocabulary, C, "bert.embeddings.word_embeddings.weight");
    add_parameter(l, c->positions, C, BCL_NEW_RANDOM);
    add_name(l, BCL_POSITION, c->positions, C, "bert.embeddings.position_embeddings.weight");
    add_parameter(l, c->types, C, BCL_NEW_RANDOM);
    add_name(l, BCL_TYPE, c->types, C, "bert.embeddings.token_type_embeddings.weight");
    add_parameter(l, 1, C, BCL_NEW_ONE);
    add_parameter(l, 1, C, BCL_NEW_ZERO);
    add_layernorm(l, BCL_EMBED_G, C, "bert.embeddings.LayerNorm");
    for (int i = 0; i < c->layers; i++)
        add_layer(l, c, i);
    l->classifier = add_parameter(l, C, c->labels, BCL_NEW_RANDOM);
    add_parameter(l, 1, c->labels, BCL_NEW_ZERO);
    add_linear(l, l->classifier, 0, C, c->labels, "classifier");
    if (l->dense > INT32_MAX) /* kernels count elements of the arena in int */
        status = bcl_fail(BCL_ERROR_UNSUPPORTED, "a model of %zu parameters: at most %d fit",
                          l->dense, INT32_MAX);
out:
    if (status)
        bcl_layout_free(l);
    return status;
}

void bcl_layout_free(bcl_layout *l) {
    free(l->parameters);
    free(l->named);
    *l = (bcl_layout){0};
}

void bcl_named_copy(float *parameter, int columns, float *file, const bcl_named *n, size_t first,
                    size_t rows, bool to_file) {
    enum { BLOCK = 16 }; /* rows that fill a cache line of the transposed side */
    const size_t width = (size_t)n->shape[n->rank - 1], ld = (size_t)columns, end = first + rows;
    if (!n->transposed)
        for (size_t i = first; i < end; i++, file += width) {
            float *p = parameter + i * ld + n->column;
            memcpy(to_file ? file : p, to_file ? p : file, width * sizeof *p);
        }
    else
        for (size_t i0 = first; i0 < end; i0 += BLOCK, file += BLOCK * width)
            for (size_t j = 0; j < width; j++)
                for (size_t i = i0; i < end && i < i0 + BLOCK; i++) {
                    float *p = parameter + j * ld + i + n->column, *f = file + (i - i0) * width + j;
                    if (to_file)
                        *f = *p;
                    else
                        *p = *f;
                }
}

size_t bcl_named_rows(const bcl_named *n) {
    return n->rank == 2 ? (size_t)n->shape[0] : 1;
}

size_t bcl_named_elements(const bcl_named *n) {
    return (size_t)n->shape[0] * (n->rank == 2 ? (size_t)n->shape[1] : 1);
}
