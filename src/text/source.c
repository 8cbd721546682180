/* Names and parts of the files that a tokenizer is loaded from. */
#include "text/load.h"

const char *const bcl_source_names[BCL_SOURCE_COUNT] = {
    "vocab.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
    "added_tokens.json"};
const char *const bcl_special_names[BCL_SPECIAL_COUNT] = {"unk", "sep", "pad", "cls", "mask"};

/* A token as a string or as an AddedToken's fields. As in the peer, `normalized` defaults to not
 * special. */
bcl_status bcl_token_parse(bcl_added_token *token, const cJSON *item, bool special, const char *key,
                           const char *path) {
    bcl_status status = BCL_OK;
    const char *text = NULL;
    *token = (bcl_added_token){.special = special, .normalized = !special};
    if (cJSON_IsString(item)) {
        token->text = item->valuestring;
        return status;
    }
    if (cJSON_IsObject(item))
        BCL_TRY(bcl_json_text(&text, item, "content", NULL, path));
    if (!text)
        BCL_FAIL(BCL_ERROR_FORMAT,
                 "%s: \"%s\": expected a token: a string, or an object with "
                 "\"content\"",
                 path, key);
    token->text = (char *)(uintptr_t)text;
    BCL_TRY(bcl_json_bool(&token->special, item, "special", special, path));
    BCL_TRY(bcl_json_bool(&token->single_word, item, "single_word", false, path));
    BCL_TRY(bcl_json_bool(&token->lstrip, item, "lstrip", false, path));
    BCL_TRY(bcl_json_bool(&token->rstrip, item, "rstrip", false, path));
    BCL_TRY(bcl_json_bool(&token->normalized, item, "normalized", !token->special, path));
out:
    return status;
}
