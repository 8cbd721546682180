/* Classes that transformers makes of tokenizer.json as it stands: its normaliser, splitter, longest
 * word, unknown token, added tokens and template count, where BertTokenizer would rebuild them. */
#include "text/load.h"

static const cJSON *part(const bcl_reading *r, const char *key) {
    return cJSON_GetObjectItemCaseSensitive(r->json[BCL_SOURCE_TOKENIZER], key);
}

bcl_status bcl_backend_settings(bcl_reading *r) {
    bcl_status status = BCL_OK;
    bcl_tokenizer *t = r->t;
    const char *path = r->paths[BCL_SOURCE_TOKENIZER];
    const cJSON *n = part(r, "normalizer");
    bool clean;
    int64_t most;
    BCL_TRY(bcl_json_bool(&clean, n, "clean_text", true, path));
    if (!clean)
        BCL_FAIL(BCL_ERROR_UNSUPPORTED, "%s: \"clean_text\": found false, expected true", path);
    BCL_TRY(bcl_json_bool(&t->lowercase, n, "lowercase", true, path));
    BCL_TRY(bcl_json_bool(&t->chinese, n, "handle_chinese_chars", true, path));
    BCL_TRY(bcl_json_bool(&t->strip_accents, n, "strip_accents", t->lowercase, path));
    const cJSON *strip = cJSON_GetObjectItemCaseSensitive(n, "strip_accents");
    t->strip_setting = cJSON_IsBool(strip) ? cJSON_IsTrue(strip) : -1;
    BCL_TRY(bcl_json_int(&most, part(r, "model"), "max_input_chars_per_word", BCL_WORD_CHARS, 0,
                         BCL_WORD_CHARS_MOST, path));
    t->word_chars = (size_t)most;
out:
    return status;
}

static bcl_status add_tokens(bcl_reading *r) {
    bcl_status status = BCL_OK;
    const char *path = r->paths[BCL_SOURCE_TOKENIZER];
    const cJSON *item, *list = part(r, "added_tokens");
    cJSON_ArrayForEach(item, list) {
        bcl_added_token token;
        BCL_TRY(bcl_token_parse(&token, item, false, "added_tokens", path));
        BCL_TRY(bcl_added_add(r->t, &token));
    }
out:
    return status;
}

static bcl_status refuse_template(const char *path) {
    return bcl_fail(
        BCL_ERROR_UNSUPPORTED,
        "%s: \"post_processor\": expected BERT's, which puts one token (as [CLS]) before "
        "the text and one (as [SEP]) behind it, both of type 0",
        path);
}

/* ["[SEP]", 3] */
static bcl_status read_pair(bcl_reading *r, bcl_special which, const char *key) {
    const char *path = r->paths[BCL_SOURCE_TOKENIZER];
    const cJSON *pair = cJSON_GetObjectItemCaseSensitive(part(r, "post_processor"), key);
    const cJSON *text = cJSON_GetArrayItem(pair, 0), *id = cJSON_GetArrayItem(pair, 1);
    if (!cJSON_IsString(text) || !cJSON_IsNumber(id) || id->valueint < 0)
        return refuse_template(path);
    r->t->special_ids[which] = id->valueint;
    return bcl_strdup(&r->t->specials[which], text->valuestring);
}

/* {"SpecialToken": {"id": "[CLS]", "type_id": 0}}, whose ids are in "special_tokens". */
static bcl_status read_special(bcl_reading *r, bcl_special which, const cJSON *item) {
    const char *path = r->paths[BCL_SOURCE_TOKENIZER];
    const cJSON *token = cJSON_GetObjectItemCaseSensitive(item, "SpecialToken");
    const cJSON *name = cJSON_GetObjectItemCaseSensitive(token, "id");
    const cJSON *type = cJSON_GetObjectItemCaseSensitive(token, "type_id");
    const cJSON *all =
        cJSON_GetObjectItemCaseSensitive(part(r, "post_processor"), "special_tokens");
    if (!cJSON_IsString(name) || !cJSON_IsNumber(type) || type->valuedouble != 0)
        return refuse_template(path);
    const cJSON *entry = cJSON_GetObjectItemCaseSensitive(all, name->valuestring);
    const cJSON *ids = cJSON_GetObjectItemCaseSensitive(entry, "ids");
    const cJSON *id = cJSON_GetArrayItem(ids, 0);
    if (cJSON_GetArraySize(ids) != 1 || !cJSON_IsNumber(id) || id->valueint < 0)
        return refuse_template(path);
    r->t->special_ids[which] = id->valueint;
    return bcl_strdup(&r->t->specials[which], name->valuestring);
}

static bcl_status read_template(bcl_reading *r) {
    bcl_status status = BCL_OK;
    const char *path = r->paths[BCL_SOURCE_TOKENIZER], *type;
    const cJSON *processor = part(r, "post_processor");
    const cJSON *single = cJSON_GetObjectItemCaseSensitive(processor, "single");
    BCL_TRY(bcl_json_text(&type, processor, "type", "", path));
    if (!strcmp(type, "BertProcessing")) {
        BCL_TRY(read_pair(r, BCL_SPECIAL_CLS, "cls"));
        BCL_TRY(read_pair(r, BCL_SPECIAL_SEP, "sep"));
        goto out;
    }
    const cJSON *text = cJSON_GetArrayItem(single, 1);
    const cJSON *sequence = cJSON_GetObjectItemCaseSensitive(text, "Sequence");
    const cJSON *which = cJSON_GetObjectItemCaseSensitive(sequence, "type_id");
    if (strcmp(type, "TemplateProcessing") || cJSON_GetArraySize(single) != 3 ||
        !cJSON_IsNumber(which) || which->valuedouble != 0) {
        status = refuse_template(path);
        goto out;
    }
    BCL_TRY(read_special(r, BCL_SPECIAL_CLS, cJSON_GetArrayItem(single, 0)));
    BCL_TRY(read_special(r, BCL_SPECIAL_SEP, cJSON_GetArrayItem(single, 2)));
out:
    return status;
}

bcl_status bcl_backend_tokens(bcl_reading *r) {
    bcl_status status = BCL_OK;
    bcl_tokenizer *t = r->t;
    const char *unknown, *path = r->paths[BCL_SOURCE_TOKENIZER];
    BCL_TRY(add_tokens(r));
    BCL_TRY(bcl_json_text(&unknown, part(r, "model"), "unk_token", "[UNK]", path));
    BCL_TRY(bcl_strdup(&t->specials[BCL_SPECIAL_UNK], unknown));
    BCL_TRY(read_template(r));
out:
    return status;
}
