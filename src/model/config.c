/* Reading config.json as transformers' BertConfig, and refusing what bertcl does not compute.
 * Knows nothing of tensors. */
#include "model/safetensors_header.h"

#include <cjson/cJSON.h>

/* Beyond any BERT, and small enough that sizes of single matrices can be compared without
 * overflow. */
enum { SIZE_MAX_ANY = 1 << 24, LABELS_MAX = 16384, LAYERS_MAX = 4096 };

/* ---- defaults and labels ---- */

bcl_status bcl_config_default(bcl_config *config) {
    static const char *const names[] = {"LABEL_0", "LABEL_1"};
    *config = (bcl_config){
        .hidden = 768,
        .heads = 12,
        .head_size = 64,
        .layers = 12,
        .intermediate = 3072,
        .vocabulary = 30522,
        .positions = 512,
        .types = 2,
        .layer_norm_eps = 1e-12,
        .hidden_dropout = 0.1,
        .attention_dropout = 0.1,
        .classifier_dropout = 0.1,
        .initializer_range = 0.02,
        .activation = BCL_GELU,
        .temperature = 1,
    };
    return bcl_config_set_labels(config, names, 2);
}

static int compare_names(const void *a, const void *b) {
    const char *const *x = a, *const *y = b;
    return strcmp(*x, *y);
}

bcl_status bcl_config_set_labels(bcl_config *config, const char *const *names, size_t count) {
    bcl_status status = BCL_OK;
    const char **sorted = NULL;
    char **copies = NULL;
    if (count < 1 || count > LABELS_MAX)
        BCL_FAIL(BCL_ERROR_ARGUMENT, "found %zu labels, expected 1 to %d", count, LABELS_MAX);
    BCL_NEW(sorted, count);
    memcpy(sorted, names, count * sizeof *names);
    qsort(sorted, count, sizeof *sorted, compare_names);
    for (size_t i = 1; i < count; i++)
        if (!strcmp(sorted[i - 1], sorted[i]))
            BCL_FAIL(BCL_ERROR_ARGUMENT, "found label \"%.100s\" twice, expected distinct labels",
                     sorted[i]);
    BCL_NEW(copies, count);
    for (size_t i = 0; i < count; i++)
        BCL_TRY(bcl_strdup(&copies[i], names[i]));
    bcl_strings_free(config->label_names, (size_t)config->labels);
    config->label_names = copies;
    config->labels = (int)count;
    copies = NULL;
out:
    bcl_strings_free(copies, count);
    free(sorted);
    return status;
}

void bcl_config_free(bcl_config *config) {
    bcl_strings_free(config->label_names, (size_t)config->labels);
    cJSON_Delete(config->source);
    *config = (bcl_config){0};
}

/* ---- single values ---- */

static const cJSON *get(const cJSON *json, const char *key) {
    return cJSON_GetObjectItemCaseSensitive(json, key);
}

/* Absent is BertConfig's default, which *out has; null is a wrong type there. */
static bcl_status read_int(int *out, const cJSON *json, const char *key, int64_t max,
                           const char *path) {
    int64_t x;
    if (cJSON_IsNull(get(json, key)))
        return bcl_fail(BCL_ERROR_FORMAT, "%s: \"%s\": found null, expected a whole number", path,
                        key);
    bcl_status status = bcl_json_int(&x, json, key, *out, 1, max, path);
    if (!status)
        *out = (int)x;
    return status;
}

static bcl_status read_range(double *out, const cJSON *json, const char *key, double max,
                             const char *path) {
    if (cJSON_IsNull(get(json, key)))
        return bcl_fail(BCL_ERROR_FORMAT, "%s: \"%s\": found null, expected a number", path, key);
    bcl_status status = bcl_json_double(out, json, key, *out, path);
    if (!status && (*out < 0 || *out >= max))
        return bcl_fail(BCL_ERROR_FORMAT, "%s: \"%s\": found %g, expected 0 <= %s < %g", path, key,
                        *out, key, max);
    return status;
}

static bcl_status refuse_true(const cJSON *json, const char *key, const char *path) {
    bool on;
    bcl_status status = bcl_json_bool(&on, json, key, false, path);
    if (!status && on)
        return bcl_fail(BCL_ERROR_UNSUPPORTED,
                        "%s: \"%s\": found true, expected false: bertcl computes BERT encoders",
                        path, key);
    return status;
}

/* ---- what kind of model ---- */

static bool architecture_is_bert(const cJSON *json) {
    const cJSON *first = cJSON_GetArrayItem(get(json, "architectures"), 0);
    const char *name = cJSON_GetStringValue(first);
    return name && !strncmp(name, "Bert", 4);
}

/* Heads with tensors of a token classifier's names and shapes, for texts. */
static void note_other_head(bcl_config *c, const cJSON *json) {
    static const char *const others[] = {"ForSequenceClassification", "ForMultipleChoice"};
    const char *name = cJSON_GetStringValue(cJSON_GetArrayItem(get(json, "architectures"), 0));
    for (size_t i = 0; name && i < sizeof others / sizeof *others; i++)
        if (strstr(name, others[i]))
            snprintf(c->other_head, sizeof c->other_head, "%s", name);
}

bcl_status bcl_config_check_head(const bcl_config *c, const char *folder) {
    if (!c->other_head[0])
        return BCL_OK;
    return bcl_fail(BCL_ERROR_UNSUPPORTED,
                    "%s/config.json: \"architectures\": found %s, expected "
                    "BertForTokenClassification: its classifier labels texts, not words; fine-tune "
                    "it with bertcl train, which gives it a new one",
                    folder, c->other_head);
}

/* A model whose author's own code computes it ("remote code") may differ from BERT in anything, in
 * silence, whatever its model_type says. Code for other things than models does not matter here. */
static bcl_status check_code(const cJSON *json, const char *path) {
    const cJSON *entry, *map = get(json, "auto_map");
    if (map && !cJSON_IsNull(map) && !cJSON_IsObject(map))
        return bcl_fail(BCL_ERROR_FORMAT, "%s: \"auto_map\": expected an object", path);
    cJSON_ArrayForEach(entry, map) {
        const char *code = cJSON_GetStringValue(entry);
        if (strcmp(entry->string, "AutoConfig") && strncmp(entry->string, "AutoModel", 9))
            continue;
        if (!cJSON_IsNull(entry))
            return bcl_fail(BCL_ERROR_UNSUPPORTED,
                            "%s: \"auto_map\": found %s%s%.60s: the model is computed by Python "
                            "code of its author, which bertcl does not run and which may differ "
                            "from BERT; if it does not, remove \"auto_map\"",
                            path, entry->string, code ? " " : "", code ? code : "");
    }
    return BCL_OK;
}

static bcl_status check_kind(const cJSON *json, const char *path) {
    bcl_status status = BCL_OK;
    const char *type, *position;
    BCL_TRY(bcl_json_text(&type, json, "model_type", NULL, path));
    if (!type && !architecture_is_bert(json))
        BCL_FAIL(BCL_ERROR_UNSUPPORTED,
                 "%s: found no \"model_type\", expected \"bert\" (or architectures that begin with "
                 "Bert)",
                 path);
    if (type && strcmp(type, "bert"))
        BCL_FAIL(BCL_ERROR_UNSUPPORTED,
                 "%s: \"model_type\": found \"%.60s\", expected \"bert\": bertcl runs "
                 "BERT alone; take a checkpoint of it",
                 path, type);
    BCL_TRY(check_code(json, path));
    BCL_TRY(bcl_json_text(&position, json, "position_embedding_type", "absolute", path));
    if (strcmp(position, "absolute"))
        BCL_FAIL(BCL_ERROR_UNSUPPORTED,
                 "%s: \"position_embedding_type\": found \"%.60s\", expected \"absolute\"", path,
                 position);
    BCL_TRY(refuse_true(json, "is_decoder", path));
    BCL_TRY(refuse_true(json, "add_cross_attention", path));
    BCL_TRY(refuse_true(json, "is_encoder_decoder", path));
    const cJSON *pruned = get(json, "pruned_heads"), *quantized = get(json, "quantization_config");
    if (pruned && pruned->child)
        BCL_FAIL(BCL_ERROR_UNSUPPORTED, "%s: \"pruned_heads\": expected none", path);
    if (quantized && !cJSON_IsNull(quantized))
        BCL_FAIL(BCL_ERROR_UNSUPPORTED, "%s: \"quantization_config\": expected no quantization",
                 path);
out:
    return status;
}

static bcl_status read_activation(bcl_activation *out, const cJSON *json, const char *path) {
    static const struct {
        const char *name;
        bcl_activation activation;
    } known[] = {
        /* gelu_fast writes the same formula with sqrt(2/pi) cut to ten digits */
        {"gelu", BCL_GELU},
        {"gelu_python", BCL_GELU},
        {"gelu_new", BCL_GELU_TANH},
        {"gelu_pytorch_tanh", BCL_GELU_TANH},
        {"gelu_python_tanh", BCL_GELU_TANH},
        {"gelu_fast", BCL_GELU_TANH},
        {"gelu_accurate", BCL_GELU_TANH},
    };
    const char *name;
    bcl_status status = bcl_json_text(&name, json, "hidden_act", "gelu", path);
    if (status)
        return status;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(known[i].name, name)) {
            *out = known[i].activation;
            return BCL_OK;
        }
    return bcl_fail(BCL_ERROR_UNSUPPORTED,
                    "%s: \"hidden_act\": found \"%.60s\", expected gelu, gelu_new, gelu_fast or "
                    "gelu_pytorch_tanh",
                    path, name);
}

/* ---- sizes ---- */

static bcl_status check_matrix(int rows, const char *what, int hidden, const char *path) {
    if ((int64_t)rows * hidden > INT32_MAX)
        return bcl_fail(BCL_ERROR_UNSUPPORTED,
                        "%s: \"%s\" %d times \"hidden_size\" %d: expected at most 2^31 - 1 "
                        "elements in a matrix",
                        path, what, rows, hidden);
    return BCL_OK;
}

static bcl_status read_sizes(bcl_config *c, const cJSON *json, const char *path) {
    bcl_status status = BCL_OK;
    const cJSON *pad = get(json, "pad_token_id");
    int64_t id;
    BCL_TRY(read_int(&c->vocabulary, json, "vocab_size", SIZE_MAX_ANY, path));
    BCL_TRY(read_int(&c->hidden, json, "hidden_size", SIZE_MAX_ANY, path));
    BCL_TRY(read_int(&c->layers, json, "num_hidden_layers", LAYERS_MAX, path));
    BCL_TRY(read_int(&c->heads, json, "num_attention_heads", SIZE_MAX_ANY, path));
    BCL_TRY(read_int(&c->intermediate, json, "intermediate_size", SIZE_MAX_ANY, path));
    BCL_TRY(read_int(&c->positions, json, "max_position_embeddings", SIZE_MAX_ANY, path));
    BCL_TRY(read_int(&c->types, json, "type_vocab_size", SIZE_MAX_ANY, path));
    if (c->hidden % c->heads)
        BCL_FAIL(BCL_ERROR_FORMAT,
                 "%s: \"hidden_size\": found %d, expected a multiple of \"num_attention_heads\" %d",
                 path, c->hidden, c->heads);
    c->head_size = c->hidden / c->heads;
    BCL_TRY(check_matrix(c->vocabulary, "vocab_size", c->hidden, path));
    BCL_TRY(check_matrix(c->hidden, "hidden_size", c->hidden, path));
    BCL_TRY(check_matrix(c->intermediate, "intermediate_size", c->hidden, path));
    BCL_TRY(check_matrix(c->positions, "max_position_embeddings", c->hidden, path));
    BCL_TRY(check_matrix(c->types, "type_vocab_size", c->hidden, path));
    BCL_TRY(bcl_json_int(&id, json, "pad_token_id", 0, 0, c->vocabulary - 1, path));
    c->pad_token_id = cJSON_IsNull(pad) ? -1 : (int)id;
out:
    return status;
}

static bcl_status read_rates(bcl_config *c, const cJSON *json, const char *path) {
    bcl_status status = BCL_OK;
    BCL_TRY(read_range(&c->layer_norm_eps, json, "layer_norm_eps", 1, path));
    BCL_TRY(read_range(&c->initializer_range, json, "initializer_range", 1e6, path));
    BCL_TRY(read_range(&c->hidden_dropout, json, "hidden_dropout_prob", 1, path));
    BCL_TRY(read_range(&c->attention_dropout, json, "attention_probs_dropout_prob", 1, path));
    c->classifier_dropout = c->hidden_dropout;
    if (!cJSON_IsNull(get(json, "classifier_dropout")))
        BCL_TRY(read_range(&c->classifier_dropout, json, "classifier_dropout", 1, path));
out:
    return status;
}

/* ---- labels ---- */

/* "17" as 17; -1 for anything that is not a plain decimal number below `count`. */
static int label_id(const char *key, int count) {
    int id = 0;
    if (!*key || (*key == '0' && key[1]))
        return -1;
    for (; *key; key++) {
        if (*key < '0' || *key > '9' || (id = id * 10 + (*key - '0')) >= count)
            return -1;
    }
    return id;
}

/* Refuses only a contradiction: label2id may be absent, or left over from another head. */
static bcl_status check_label2id(const cJSON *json, const char **names, int count,
                                 const char *path) {
    bcl_status status = BCL_OK;
    const cJSON *map = get(json, "label2id"), *entry;
    if (!map || cJSON_IsNull(map))
        return BCL_OK;
    if (!cJSON_IsObject(map))
        return bcl_fail(BCL_ERROR_FORMAT, "%s: \"label2id\": expected an object", path);
    cJSON_ArrayForEach(entry, map) {
        double x = entry->valuedouble;
        if (!cJSON_IsNumber(entry) || x < 0 || x >= LABELS_MAX || x != (int)x)
            BCL_FAIL(BCL_ERROR_FORMAT, "%s: \"label2id\": \"%.100s\": expected a label's number",
                     path, entry->string);
        int id = (int)x;
        if (id < count && !strcmp(names[id], entry->string))
            continue;
        for (int k = 0; k < count; k++)
            if (!strcmp(names[k], entry->string))
                BCL_FAIL(
                    BCL_ERROR_FORMAT,
                    "%s: \"label2id\": found %d for \"%.100s\", expected %d as in \"id2label\"",
                    path, id, entry->string, k);
    }
out:
    return status;
}

static bcl_status read_id2label(bcl_config *c, const cJSON *map, const cJSON *json,
                                const char *path) {
    bcl_status status = BCL_OK;
    const char **names = NULL;
    const cJSON *entry;
    if (!cJSON_IsObject(map))
        BCL_FAIL(BCL_ERROR_FORMAT, "%s: \"id2label\": expected an object", path);
    int count = cJSON_GetArraySize(map);
    if (count < 1 || count > LABELS_MAX)
        BCL_FAIL(BCL_ERROR_FORMAT, "%s: \"id2label\": found %d labels, expected 1 to %d", path,
                 count, LABELS_MAX);
    BCL_NEW(names, (size_t)count);
    cJSON_ArrayForEach(entry, map) {
        int id = label_id(entry->string, count);
        if (id < 0 || names[id])
            BCL_FAIL(BCL_ERROR_FORMAT,
                     "%s: \"id2label\": found key \"%.60s\"%s, expected \"0\" to \"%d\" once each",
                     path, entry->string, id < 0 ? "" : " twice", count - 1);
        if (!(names[id] = cJSON_GetStringValue(entry)))
            BCL_FAIL(BCL_ERROR_FORMAT, "%s: \"id2label\": \"%d\": expected a string", path, id);
    }
    BCL_TRY(check_label2id(json, names, count, path));
    if ((status = bcl_config_set_labels(c, names, (size_t)count)) == BCL_ERROR_ARGUMENT) {
        char *reason = NULL;
        BCL_TRY(bcl_strdup(&reason, bcl_message()));
        status = bcl_fail(BCL_ERROR_FORMAT, "%s: \"id2label\": %s", path, reason);
        free(reason);
    }
out:
    free(names);
    return status;
}

/* Without id2label transformers takes num_labels or 2, named LABEL_<id>, and drops label2id. */
static bcl_status read_labels(bcl_config *c, const cJSON *json, const char *path) {
    bcl_status status = BCL_OK;
    const cJSON *map = get(json, "id2label");
    char **names = NULL;
    int64_t count = 0;
    if (map && !cJSON_IsNull(map))
        return read_id2label(c, map, json, path);
    BCL_TRY(bcl_json_int(&count, json, "num_labels", 2, 1, LABELS_MAX, path));
    BCL_NEW(names, (size_t)count);
    for (int64_t i = 0; i < count; i++)
        BCL_TRY(bcl_format(&names[i], "LABEL_%d", (int)i));
    BCL_TRY(bcl_config_set_labels(c, (const char *const *)names, (size_t)count));
out:
    bcl_strings_free(names, (size_t)count);
    return status;
}

/* ---- the file ---- */

static bcl_status check_keys(const cJSON *json, const char *path) {
    bcl_status status = BCL_OK;
    const char **keys = NULL;
    size_t count = 0, i = 0;
    const cJSON *entry;
    if (!cJSON_IsObject(json))
        BCL_FAIL(BCL_ERROR_FORMAT, "%s: expected a JSON object", path);
    count = (size_t)cJSON_GetArraySize(json);
    BCL_NEW(keys, count);
    cJSON_ArrayForEach(entry, json) keys[i++] = entry->string;
    if (count)
        qsort(keys, count, sizeof *keys, compare_names);
    for (i = 1; i < count; i++)
        if (!strcmp(keys[i - 1], keys[i]))
            BCL_FAIL(BCL_ERROR_FORMAT, "%s: found \"%.60s\" twice, expected it once", path,
                     keys[i]);
out:
    free(keys);
    return status;
}

/* What bertcl itself wrote. */
static bcl_status read_own(bcl_config *c, const cJSON *json, const char *path) {
    bcl_status status = BCL_OK;
    const cJSON *own = cJSON_GetObjectItemCaseSensitive(json, "bertcl");
    const char *pieces;
    if (!own || cJSON_IsNull(own))
        return BCL_OK;
    if (!cJSON_IsObject(own))
        BCL_FAIL(BCL_ERROR_FORMAT, "%s: \"bertcl\": expected an object", path);
    BCL_TRY(bcl_json_text(&pieces, own, "label_pieces", NULL, path));
    if (pieces && strcmp(pieces, "all") && strcmp(pieces, "first"))
        BCL_FAIL(BCL_ERROR_FORMAT,
                 "%s: \"label_pieces\": found \"%.40s\", expected \"all\" or \"first\"", path,
                 pieces);
    c->label_pieces_known = pieces != NULL;
    c->label_pieces = pieces && !strcmp(pieces, "first") ? BCL_LABEL_FIRST : BCL_LABEL_ALL;
    BCL_TRY(bcl_json_double(&c->temperature, own, "temperature", 1, path));
    if (!(c->temperature >= BCL_TEMPERATURE_MIN && c->temperature <= BCL_TEMPERATURE_MAX))
        BCL_FAIL(BCL_ERROR_FORMAT, "%s: \"temperature\": found %g, expected %g to %g", path,
                 c->temperature, BCL_TEMPERATURE_MIN, BCL_TEMPERATURE_MAX);
out:
    return status;
}

bcl_status bcl_config_from_json(bcl_config *config, const cJSON *json, const char *path) {
    bcl_status status = BCL_OK;
    BCL_TRY(bcl_config_default(config));
    BCL_TRY(check_keys(json, path));
    BCL_TRY(check_kind(json, path));
    note_other_head(config, json);
    BCL_TRY(read_activation(&config->activation, json, path));
    BCL_TRY(read_sizes(config, json, path));
    BCL_TRY(read_rates(config, json, path));
    BCL_TRY(read_labels(config, json, path));
    BCL_TRY(read_own(config, json, path));
    if (!(config->source = cJSON_Duplicate(json, true)))
        BCL_FAIL(BCL_ERROR_MEMORY, "%s: out of memory", path);
out:
    if (status)
        bcl_config_free(config);
    return status;
}

bcl_status bcl_config_read(bcl_config *config, const char *folder) {
    bcl_status status = BCL_OK;
    char *path = NULL;
    cJSON *json = NULL;
    bcl_map map = {0};
    *config = (bcl_config){0};
    BCL_TRY(bcl_path_join(&path, folder, "config.json"));
    BCL_TRY(bcl_json_read(&json, path));
    /* cJSON takes any bytes; Python's reader, and everything behind the label names, does not. */
    BCL_TRY(bcl_map_open(&map, path));
    size_t valid = bcl_utf8_span(map.data, map.size);
    if (valid < map.size)
        BCL_FAIL(BCL_ERROR_FORMAT, "%s: byte %zu: not valid UTF-8", path, valid);
    BCL_TRY(bcl_config_from_json(config, json, path));
out:
    bcl_map_close(&map);
    cJSON_Delete(json);
    free(path);
    return status;
}
