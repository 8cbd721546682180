/* Loading a tokenizer's folder. What each file decides, and which wins, follows transformers 5:
 * BertTokenizerFast rebuilds its backend, so tokenizer.json gives the vocabulary, the added tokens
 * and the side to truncate, but neither the normaliser nor the post-processor; for other classes
 * (classes.c) it gives those too (backend.c). */
#include "text/load.h"

/* cJSON takes any bytes inside strings; a piece that is not UTF-8 would spoil what we print. */
static bcl_status check_utf8(const bcl_string *s, const char *path) {
    unsigned n;
    for (size_t i = 0; i < s->size; i += n) {
        uint32_t c = bcl_utf8_decode((const unsigned char *)s->data + i, s->size - i, &n);
        if (!c || c == UINT32_MAX)
            return bcl_fail(BCL_ERROR_FORMAT, "%s: byte %zu: found %s, expected JSON text in UTF-8",
                            path, i, c ? "an invalid sequence" : "a NUL");
    }
    return BCL_OK;
}

static bcl_status read_sources(bcl_reading *r) {
    bcl_status status = BCL_OK;
    for (int i = 0; i < BCL_SOURCE_COUNT; i++) {
        bcl_string *s = &r->t->sources[i];
        BCL_TRY(bcl_path_join(&r->paths[i], r->t->folder, bcl_source_names[i]));
        if (!bcl_path_exists(r->paths[i]))
            continue;
        BCL_TRY(bcl_file_read_regular(&s->data, &s->size, r->paths[i], BCL_DESCRIPTION_MAX));
        BCL_TRY(bcl_refuse_pointer(s->data, s->size, r->paths[i]));
        if (i == BCL_SOURCE_VOCAB)
            continue;
        const char *end = NULL;
        BCL_TRY(check_utf8(s, r->paths[i]));
        r->json[i] = cJSON_ParseWithLengthOpts(s->data, s->size + 1, &end, 1);
        if (!r->json[i])
            BCL_FAIL(BCL_ERROR_FORMAT, "%s: byte %td: not valid JSON", r->paths[i],
                     end ? end - s->data : 0);
        if (!cJSON_IsObject(r->json[i]))
            BCL_FAIL(BCL_ERROR_FORMAT, "%s: expected a JSON object", r->paths[i]);
    }
    r->config_path = r->paths[BCL_SOURCE_CONFIG];
out:
    return status;
}

/* object[key].type must be `expected`; an object without a type passes (old files). */
static bcl_status check_type(const cJSON *object, const char *key, const char *expected,
                             const char *path) {
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    const char *type = NULL;
    if (!cJSON_IsObject(item))
        return bcl_fail(item && !cJSON_IsNull(item) ? BCL_ERROR_FORMAT : BCL_ERROR_UNSUPPORTED,
                        "%s: \"%s\": expected an object of type %s", path, key, expected);
    bcl_status status = bcl_json_text(&type, item, "type", NULL, path);
    if (!status && type && strcmp(type, expected))
        return bcl_fail(BCL_ERROR_UNSUPPORTED,
                        "%s: \"%s\" is a %s, expected %s: bertcl reads BERT's tokenizers only",
                        path, key, type, expected);
    return status;
}

static bcl_status load_vocabulary(bcl_reading *r) {
    bcl_tokenizer *t = r->t;
    bcl_status status = BCL_OK;
    const cJSON *json = r->json[BCL_SOURCE_TOKENIZER];
    const char *path = r->paths[json ? BCL_SOURCE_TOKENIZER : BCL_SOURCE_VOCAB], *prefix;
    if (json) {
        BCL_TRY(check_type(json, "model", "WordPiece", path));
        BCL_TRY(check_type(json, "normalizer", "BertNormalizer", path));
        BCL_TRY(check_type(json, "pre_tokenizer", "BertPreTokenizer", path));
        const cJSON *model = cJSON_GetObjectItemCaseSensitive(json, "model");
        BCL_TRY(bcl_json_text(&prefix, model, "continuing_subword_prefix", "##", path));
        if (strcmp(prefix, "##"))
            BCL_FAIL(BCL_ERROR_UNSUPPORTED, "%s: continuing_subword_prefix \"%s\": expected \"##\"",
                     path, prefix);
        BCL_TRY(
            bcl_vocabulary_from_json(t, cJSON_GetObjectItemCaseSensitive(model, "vocab"), path));
    } else if (t->sources[BCL_SOURCE_VOCAB].data) {
        BCL_TRY(bcl_vocabulary_from_text(t, &t->sources[BCL_SOURCE_VOCAB], path));
    } else {
        BCL_FAIL(BCL_ERROR_IO, "%s: found neither tokenizer.json nor vocab.txt", t->folder);
    }
    BCL_TRY(bcl_vocabulary_index(t, path));
out:
    return status;
}

static bcl_added_token *find_token(bcl_reading *r, const char *text) {
    for (size_t i = 0; i < r->count; i++)
        if (!strcmp(r->tokens[i].text, text))
            return &r->tokens[i];
    return NULL;
}

/* Sets the token of this id; a later file replaces an earlier one's. */
static bcl_status set_token(bcl_reading *r, const bcl_added_token *token) {
    for (size_t i = 0; i < r->count; i++)
        if (r->tokens[i].id == token->id) {
            r->tokens[i] = *token;
            return BCL_OK;
        }
    bcl_status status = bcl_grow(&r->tokens, &r->capacity, r->count + 1, sizeof *r->tokens);
    if (!status)
        r->tokens[r->count++] = *token;
    return status;
}

static int by_id(const void *a, const void *b) {
    const bcl_added_token *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

/* The special token under a key such as "cls_token": special_tokens_map.json's, unless the
 * configuration lists added_tokens_decoder, else the configuration's. */
static const cJSON *special_item(const bcl_reading *r, const char *key, const char **path) {
    const cJSON *config = r->json[BCL_SOURCE_CONFIG], *map = r->json[BCL_SOURCE_SPECIALS];
    const cJSON *item = NULL;
    *path = r->paths[BCL_SOURCE_SPECIALS];
    if (!cJSON_GetObjectItemCaseSensitive(config, "added_tokens_decoder"))
        item = cJSON_GetObjectItemCaseSensitive(map, key);
    if (!item) {
        *path = r->config_path;
        item = cJSON_GetObjectItemCaseSensitive(config, key);
    }
    return cJSON_IsNull(item) ? NULL : item;
}

/* The peer's table of added tokens by id. */
static bcl_status read_decoder(bcl_reading *r) {
    bcl_status status = BCL_OK;
    bcl_added_token token;
    const cJSON *item, *list = cJSON_GetObjectItemCaseSensitive(r->json[BCL_SOURCE_CONFIG],
                                                                "added_tokens_decoder");
    if (list) {
        cJSON_ArrayForEach(item, list) {
            BCL_TRY(bcl_token_parse(&token, item, false, "added_tokens_decoder", r->config_path));
            char *end = NULL;
            token.id = item->string ? (int32_t)strtol(item->string, &end, 10) : 0;
            if (!end || *end || end == item->string)
                BCL_FAIL(BCL_ERROR_FORMAT,
                         "%s: \"added_tokens_decoder\": expected ids as keys, found \"%s\"",
                         r->config_path, item->string ? item->string : "a list");
            BCL_TRY(set_token(r, &token));
        }
        goto out;
    }
    const char *path = r->paths[BCL_SOURCE_ADDED];
    cJSON_ArrayForEach(item, r->json[BCL_SOURCE_ADDED]) {
        if (!cJSON_IsNumber(item))
            BCL_FAIL(BCL_ERROR_FORMAT, "%s: \"%s\": expected an id", path, item->string);
        token = (bcl_added_token){.text = item->string, .id = item->valueint};
        for (int i = 0; i < BCL_SPECIAL_COUNT; i++) {
            char key[16];
            const char *where;
            snprintf(key, sizeof key, "%s_token", bcl_special_names[i]);
            const cJSON *named = special_item(r, key, &where);
            token.special |= cJSON_IsString(named) && !strcmp(named->valuestring, token.text);
        }
        token.normalized = !token.special;
        BCL_TRY(set_token(r, &token));
    }
    path = r->paths[BCL_SOURCE_TOKENIZER];
    list = cJSON_GetObjectItemCaseSensitive(r->json[BCL_SOURCE_TOKENIZER], "added_tokens");
    cJSON_ArrayForEach(item, list) {
        int64_t id;
        BCL_TRY(bcl_token_parse(&token, item, false, "added_tokens", path));
        BCL_TRY(bcl_json_int(&id, item, "id", -1, 0, INT32_MAX, path));
        token.id = (int32_t)id;
        BCL_TRY(set_token(r, &token));
    }
out:
    if (r->count)
        qsort(r->tokens, r->count, sizeof *r->tokens, by_id);
    return status;
}

static bcl_status append_token(bcl_reading *r, const bcl_added_token *token) {
    if (find_token(r, token->text))
        return BCL_OK;
    bcl_status status = bcl_grow(&r->tokens, &r->capacity, r->count + 1, sizeof *r->tokens);
    if (!status)
        r->tokens[r->count++] = *token;
    return status;
}

static bcl_status read_named(bcl_reading *r, const char *key, const char *fallback, char **text) {
    bcl_status status = BCL_OK;
    bcl_added_token token = {.text = (char *)(uintptr_t)fallback, .special = true};
    const char *path;
    const cJSON *item = special_item(r, key, &path);
    if (item)
        BCL_TRY(bcl_token_parse(&token, item, true, key, path));
    if (!token.text)
        goto out;
    if (text && !*text) /* else tokenizer.json's own */
        BCL_TRY(bcl_strdup(text, token.text));
    bcl_added_token *known = find_token(r, token.text);
    if (known)
        known->special = true;
    else
        BCL_TRY(append_token(r, &token));
out:
    return status;
}

/* Tokens of the configuration beyond the named ones: other "..._token" keys, then the extra ones.
 */
static bcl_status read_extra(bcl_reading *r) {
    static const char *const known[] = {"bos_token", "eos_token", "unk_token", "sep_token",
                                        "pad_token", "cls_token", "mask_token"};
    static const char *const lists[] = {"extra_special_tokens", "additional_special_tokens"};
    const cJSON *config = r->json[BCL_SOURCE_CONFIG], *item, *list = NULL;
    bcl_status status = BCL_OK;
    bcl_added_token token;
    const char *path = r->config_path;
    cJSON_ArrayForEach(item, config) {
        size_t n = strlen(item->string), i = 0;
        while (i < sizeof known / sizeof *known && strcmp(known[i], item->string))
            i++;
        if (i < sizeof known / sizeof *known || n < 6 || strcmp(item->string + n - 6, "_token") ||
            !cJSON_IsString(item))
            continue;
        BCL_TRY(bcl_token_parse(&token, item, true, item->string, path));
        BCL_TRY(append_token(r, &token));
    }
    for (int i = 0; i < 2 && !cJSON_GetArraySize(list); i++)
        list = cJSON_GetObjectItemCaseSensitive(config, lists[i]);
    for (int i = 0; i < 2 && !cJSON_GetArraySize(list); i++)
        list = special_item(r, lists[i], &path);
    cJSON_ArrayForEach(item, list) {
        BCL_TRY(bcl_token_parse(&token, item, true, "extra_special_tokens", path));
        BCL_TRY(append_token(r, &token));
    }
out:
    return status;
}

static bcl_status load_tokens(bcl_reading *r) {
    static const char *const defaults[] = {"[UNK]", "[SEP]", "[PAD]", "[CLS]", "[MASK]"};
    bcl_tokenizer *t = r->t;
    bcl_status status = BCL_OK;
    char key[16];
    memset(t->special_ids, -1, sizeof t->special_ids);
    if (t->from_json)
        BCL_TRY(bcl_backend_tokens(r));
    BCL_TRY(read_decoder(r));
    const size_t listed = r->count;
    BCL_TRY(read_named(r, "bos_token", NULL, NULL));
    BCL_TRY(read_named(r, "eos_token", NULL, NULL));
    for (int i = 0; i < BCL_SPECIAL_COUNT; i++) {
        snprintf(key, sizeof key, "%s_token", bcl_special_names[i]);
        BCL_TRY(read_named(r, key, t->from_json ? NULL : defaults[i], &t->specials[i]));
    }
    BCL_TRY(read_extra(r));
    /* As an added token [UNK] would get an id, but the peer fails at the first unknown word. */
    if (bcl_tokenizer_id_of(t, t->specials[BCL_SPECIAL_UNK]) < 0)
        BCL_FAIL(BCL_ERROR_FORMAT, "%s: the vocabulary has no \"%s\", expected the unknown token",
                 t->folder, t->specials[BCL_SPECIAL_UNK]);
    for (size_t i = 0; i < r->count; i++)
        if (i < listed || !t->from_json || !bcl_added_find(t, r->tokens[i].text))
            BCL_TRY(bcl_added_add(t, &r->tokens[i]));
    for (int i = 0; i < BCL_SPECIAL_COUNT; i++)
        if (t->specials[i] && t->special_ids[i] < 0)
            t->special_ids[i] = bcl_tokenizer_id_of(t, t->specials[i]);
out:
    return status;
}

static void fill_bytes(bcl_tokenizer *t) {
    memset(t->kind, BCL_BYTE_MULTI, sizeof t->kind);
    for (uint32_t c = 0; c < 128; c++) {
        const bcl_unicode_record *r = bcl_unicode_find(c);
        t->kind[c] = r->flags & BCL_UNICODE_DROP    ? BCL_BYTE_DROP
                     : r->flags & BCL_UNICODE_SPACE ? BCL_BYTE_SPACE
                     : r->flags & BCL_UNICODE_PUNCT ? BCL_BYTE_PUNCT
                     : c == ' '                     ? BCL_BYTE_SPACE
                                                    : BCL_BYTE_PLAIN;
        t->lower[c] = (uint8_t)(t->lowercase ? (int32_t)c + r->lower : (int32_t)c);
    }
}

static bcl_status load_settings(bcl_reading *r) {
    bcl_tokenizer *t = r->t;
    bcl_status status = BCL_OK;
    const cJSON *config = r->json[BCL_SOURCE_CONFIG], *truncation = NULL;
    const char *path = r->config_path, *side;
    double length;
    BCL_TRY(bcl_json_bool(&t->lowercase, config, "do_lower_case", true, path));
    BCL_TRY(bcl_json_bool(&t->chinese, config, "tokenize_chinese_chars", true, path));
    BCL_TRY(bcl_json_bool(&t->split_special_tokens, config, "split_special_tokens", false, path));
    BCL_TRY(bcl_json_bool(&t->strip_accents, config, "strip_accents", t->lowercase, path));
    const cJSON *strip = cJSON_GetObjectItemCaseSensitive(config, "strip_accents");
    t->strip_setting = cJSON_IsBool(strip) ? cJSON_IsTrue(strip) : -1;
    t->word_chars = BCL_WORD_CHARS;
    if (t->from_json)
        BCL_TRY(bcl_backend_settings(r));
    BCL_TRY(bcl_json_double(&length, config, "max_len", 1e30, path));
    BCL_TRY(bcl_json_double(&length, config, "model_max_length", length, path));
    if (length < 2)
        BCL_FAIL(BCL_ERROR_FORMAT, "%s: \"model_max_length\": expected at least 2", path);
    t->model_max_length = length < 1e9 ? (size_t)length : SIZE_MAX;
    truncation = cJSON_GetObjectItemCaseSensitive(r->json[BCL_SOURCE_TOKENIZER], "truncation");
    BCL_TRY(bcl_json_text(&side, truncation, "direction", "right", r->paths[BCL_SOURCE_TOKENIZER]));
    BCL_TRY(bcl_json_text(&side, config, "truncation_side", side, path));
    t->truncate_left = side[0] == 'l' || side[0] == 'L';
    fill_bytes(t);
out:
    return status;
}

bcl_status bcl_tokenizer_load(bcl_tokenizer **out, const char *folder) {
    bcl_status status = BCL_OK;
    bcl_reading r = {0};
    BCL_NEW(r.t, 1);
    BCL_TRY(bcl_strdup(&r.t->folder, folder));
    if (!bcl_path_is_directory(folder))
        BCL_FAIL(BCL_ERROR_IO, "%s: no such folder", folder);
    BCL_TRY(read_sources(&r));
    BCL_TRY(bcl_class_read(&r));
    BCL_TRY(load_settings(&r));
    BCL_TRY(load_vocabulary(&r));
    BCL_TRY(bcl_class_check_vocabulary(&r));
    BCL_TRY(load_tokens(&r));
    BCL_TRY(bcl_added_index(r.t));
    *out = r.t;
    r.t = NULL;
out:
    for (int i = 0; i < BCL_SOURCE_COUNT; i++) {
        free(r.paths[i]);
        cJSON_Delete(r.json[i]);
    }
    free(r.tokens);
    bcl_tokenizer_free(r.t);
    return status;
}

void bcl_tokenizer_free(bcl_tokenizer *t) {
    if (!t)
        return;
    bcl_added_free(t);
    bcl_trie_free(&t->trie);
    free(t->slots);
    bcl_strings_free(t->pieces, t->size);
    for (int i = 0; i < BCL_SPECIAL_COUNT; i++)
        free(t->specials[i]);
    for (int i = 0; i < BCL_SOURCE_COUNT; i++)
        bcl_string_free(&t->sources[i]);
    free(t->folder);
    free(t);
}

size_t bcl_tokenizer_size(const bcl_tokenizer *t) {
    return t->size;
}

const char *bcl_tokenizer_piece(const bcl_tokenizer *t, int32_t id) {
    return id >= 0 && (size_t)id < t->size ? t->pieces[id] : NULL;
}

size_t bcl_tokenizer_model_max_length(const bcl_tokenizer *t) {
    return t->model_max_length;
}

int32_t bcl_tokenizer_special_id(const bcl_tokenizer *t, bcl_special special) {
    return t->special_ids[special];
}

const char *bcl_tokenizer_warning(const bcl_tokenizer *t) {
    return t->warning[0] ? t->warning : NULL;
}
