/* Writing config.json as transformers' BertForTokenClassification.save_pretrained does. */
#include "model/files.h"

#include <cjson/cJSON.h>
#include <sys/stat.h>

/* object[key] = item, in place if the key exists. Takes `item`; NULL is out of memory. */
static bool set(cJSON *object, const char *key, cJSON *item) {
    bool done = item && (cJSON_GetObjectItemCaseSensitive(object, key)
                             ? cJSON_ReplaceItemInObjectCaseSensitive(object, key, item)
                             : cJSON_AddItemToObject(object, key, item));
    if (!done)
        cJSON_Delete(item);
    return done;
}

static bool set_number(cJSON *object, const char *key, double x) {
    return set(object, key, cJSON_CreateNumber(x));
}

/* BertConfig's remaining keys, where the source had none. */
static bool set_default(cJSON *object, const char *key, cJSON *item) {
    if (!cJSON_GetObjectItemCaseSensitive(object, key))
        return set(object, key, item);
    cJSON_Delete(item);
    return true;
}

static bool set_labels(cJSON *object, const bcl_config *c) {
    cJSON *names = cJSON_CreateObject(), *ids = cJSON_CreateObject();
    bool done = names && ids;
    for (int i = 0; done && i < c->labels; i++) {
        char id[16];
        snprintf(id, sizeof id, "%d", i);
        done = cJSON_AddStringToObject(names, id, c->label_names[i]) &&
               cJSON_AddNumberToObject(ids, c->label_names[i], i);
    }
    if (!done) {
        cJSON_Delete(names);
        cJSON_Delete(ids);
        return false;
    }
    done = set(object, "id2label", names);
    return set(object, "label2id", ids) && done;
}

/* The source's own name for the activation, if it still is that activation. */
static const char *activation_name(const bcl_config *c) {
    const cJSON *old = cJSON_GetObjectItemCaseSensitive(c->source, "hidden_act");
    const char *name = cJSON_GetStringValue(old);
    bool old_is_erf = !name || !strcmp(name, "gelu") || !strcmp(name, "gelu_python");
    if (name && old_is_erf == (c->activation == BCL_GELU))
        return name;
    return c->activation == BCL_GELU ? "gelu" : "gelu_new";
}

/* Nothing where nothing is known, so that transformers' own files stay as they are. */
static bool set_own(cJSON *o, const bcl_config *c) {
    cJSON_DeleteItemFromObjectCaseSensitive(o, "bertcl");
    if (!c->label_pieces_known && c->temperature == 1)
        return true;
    cJSON *own = cJSON_AddObjectToObject(o, "bertcl");
    const char *pieces = c->label_pieces == BCL_LABEL_FIRST ? "first" : "all";
    return own &&
           (!c->label_pieces_known || cJSON_AddStringToObject(own, "label_pieces", pieces)) &&
           (c->temperature == 1 || cJSON_AddNumberToObject(own, "temperature", c->temperature));
}

static bool set_model(cJSON *o, const bcl_config *c) {
    static const char *const architecture = "BertForTokenClassification";
    const cJSON *old = cJSON_GetObjectItemCaseSensitive(c->source, "classifier_dropout");
    bool follows = !cJSON_IsNumber(old) && c->classifier_dropout == c->hidden_dropout;
    /* Names that would contradict what is written below. */
    cJSON_DeleteItemFromObjectCaseSensitive(o, "num_labels");
    cJSON_DeleteItemFromObjectCaseSensitive(o, "_num_labels");
    cJSON_DeleteItemFromObjectCaseSensitive(o, "torch_dtype");
    return set(o, "architectures",
               cJSON_CreateStringArray((const char *const *)&architecture, 1)) &&
           set(o, "model_type", cJSON_CreateString("bert")) &&
           set(o, "dtype", cJSON_CreateString("float32")) &&
           set_number(o, "vocab_size", c->vocabulary) && set_number(o, "hidden_size", c->hidden) &&
           set_number(o, "num_hidden_layers", c->layers) &&
           set_number(o, "num_attention_heads", c->heads) &&
           set_number(o, "intermediate_size", c->intermediate) &&
           set(o, "hidden_act", cJSON_CreateString(activation_name(c))) &&
           set_number(o, "hidden_dropout_prob", c->hidden_dropout) &&
           set_number(o, "attention_probs_dropout_prob", c->attention_dropout) &&
           set(o, "classifier_dropout",
               follows ? cJSON_CreateNull() : cJSON_CreateNumber(c->classifier_dropout)) &&
           set_number(o, "max_position_embeddings", c->positions) &&
           set_number(o, "type_vocab_size", c->types) &&
           set_number(o, "initializer_range", c->initializer_range) &&
           set_number(o, "layer_norm_eps", c->layer_norm_eps) &&
           set(o, "pad_token_id",
               c->pad_token_id < 0 ? cJSON_CreateNull() : cJSON_CreateNumber(c->pad_token_id)) &&
           set_default(o, "position_embedding_type", cJSON_CreateString("absolute")) &&
           set_default(o, "use_cache", cJSON_CreateTrue()) && set_labels(o, c) && set_own(o, c);
}

bcl_status bcl_config_write(const bcl_config *config, const char *folder) {
    bcl_status status = BCL_OK;
    char *path = NULL;
    cJSON *json = config->source ? cJSON_Duplicate(config->source, true) : cJSON_CreateObject();
    BCL_TRY(bcl_path_join(&path, folder, "config.json"));
    if (!json || !set_model(json, config))
        BCL_FAIL(BCL_ERROR_MEMORY, "%s: out of memory", path);
    BCL_TRY(bcl_json_write(json, path));
out:
    cJSON_Delete(json);
    free(path);
    return status;
}

bcl_status bcl_config_set_temperature(const char *folder, double temperature) {
    bcl_status status = BCL_OK;
    char *path = NULL;
    cJSON *json = NULL;
    struct stat about;
    BCL_TRY(bcl_path_join(&path, folder, "config.json"));
    if (!lstat(path, &about) && S_ISLNK(about.st_mode))
        BCL_FAIL(BCL_ERROR_ARGUMENT,
                 "%s: found a link into a cache that others share, expected a file; copy the model "
                 "to a folder of its own first",
                 path);
    BCL_TRY(bcl_json_read(&json, path));
    cJSON *own = cJSON_GetObjectItemCaseSensitive(json, "bertcl");
    if (!cJSON_IsObject(own)) {
        cJSON_DeleteItemFromObjectCaseSensitive(json, "bertcl");
        own = cJSON_AddObjectToObject(json, "bertcl");
    }
    if (!own || !set_number(own, "temperature", temperature))
        BCL_FAIL(BCL_ERROR_MEMORY, "%s: out of memory", path);
    BCL_TRY(bcl_json_write(json, path));
out:
    cJSON_Delete(json);
    free(path);
    return status;
}
