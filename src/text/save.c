/* Writing a tokenizer's folder: what was read goes out byte for byte, what was missing is made. */
#include "text/text.h"

#include <cjson/cJSON.h>

static bool put(cJSON *object, const char *key, cJSON *item) {
    if (item && cJSON_AddItemToObject(object, key, item))
        return true;
    cJSON_Delete(item);
    return false;
}

static cJSON *strip_setting(const bcl_tokenizer *t) {
    return t->strip_setting < 0 ? cJSON_CreateNull() : cJSON_CreateBool(t->strip_setting);
}

static bool put_specials(cJSON *object, const bcl_tokenizer *t) {
    bool ok = true;
    for (int i = 0; ok && i < BCL_SPECIAL_COUNT; i++) {
        char key[16];
        snprintf(key, sizeof key, "%s_token", bcl_special_names[i]);
        ok = put(object, key, cJSON_CreateString(t->specials[i]));
    }
    return ok;
}

static bool make_config(cJSON *root, const bcl_tokenizer *t) {
    if (t->from_json) /* tokenizer.json, which goes out as it came, says the rest */
        return put(root, "tokenizer_class", cJSON_CreateString("PreTrainedTokenizerFast")) &&
               (t->model_max_length == SIZE_MAX ||
                put(root, "model_max_length", cJSON_CreateNumber((double)t->model_max_length)));
    return put(root, "do_lower_case", cJSON_CreateBool(t->lowercase)) &&
           put(root, "strip_accents", strip_setting(t)) &&
           put(root, "tokenize_chinese_chars", cJSON_CreateBool(t->chinese)) &&
           put(root, "tokenizer_class", cJSON_CreateString("BertTokenizer")) &&
           (t->model_max_length == SIZE_MAX ||
            put(root, "model_max_length", cJSON_CreateNumber((double)t->model_max_length))) &&
           put_specials(root, t);
}

static bool make_added(cJSON *list, const bcl_tokenizer *t) {
    for (size_t id = 0; id < t->size; id++)
        for (size_t i = 0; i < t->added_count; i++) {
            const bcl_added_token *a = &t->added[i];
            if ((size_t)a->id != id)
                continue;
            cJSON *item = cJSON_CreateObject();
            if (!item || !cJSON_AddItemToArray(list, item) ||
                !put(item, "id", cJSON_CreateNumber(a->id)) ||
                !put(item, "content", cJSON_CreateString(a->text)) ||
                !put(item, "single_word", cJSON_CreateBool(a->single_word)) ||
                !put(item, "lstrip", cJSON_CreateBool(a->lstrip)) ||
                !put(item, "rstrip", cJSON_CreateBool(a->rstrip)) ||
                !put(item, "normalized", cJSON_CreateBool(a->normalized)) ||
                !put(item, "special", cJSON_CreateBool(a->special)))
                return false;
        }
    return true;
}

static cJSON *make_vocabulary(const bcl_tokenizer *t) {
    cJSON *vocab = cJSON_CreateObject();
    for (size_t id = 0; vocab && id < t->size; id++) {
        bool added_only = false;
        for (size_t i = 0; i < t->added_count; i++)
            added_only |= (size_t)t->added[i].id == id && id >= t->vocab_count;
        if (t->pieces[id] && !added_only &&
            !put(vocab, t->pieces[id], cJSON_CreateNumber((double)id))) {
            cJSON_Delete(vocab);
            return NULL;
        }
    }
    return vocab;
}

/* [CLS] $A [SEP], and [CLS] $A [SEP] $B:1 [SEP]:1. */
static bool make_template(cJSON *processor, const bcl_tokenizer *t) {
    static const char order[] = "cAscAsBs"; /* the first three are the single template */
    static const int types[] = {0, 0, 0, 0, 0, 0, 1, 1};
    cJSON *single = cJSON_AddArrayToObject(processor, "single");
    cJSON *pair = cJSON_AddArrayToObject(processor, "pair");
    cJSON *specials = cJSON_AddObjectToObject(processor, "special_tokens");
    bool ok = single && pair && specials;
    for (int i = 0; ok && i < 8; i++) {
        bool sequence = order[i] == 'A' || order[i] == 'B';
        char name[2] = {order[i], 0};
        const char *text = sequence          ? name
                           : order[i] == 'c' ? t->specials[BCL_SPECIAL_CLS]
                                             : t->specials[BCL_SPECIAL_SEP];
        cJSON *outer = cJSON_CreateObject();
        ok = outer && cJSON_AddItemToArray(i < 3 ? single : pair, outer);
        cJSON *inner =
            ok ? cJSON_AddObjectToObject(outer, sequence ? "Sequence" : "SpecialToken") : NULL;
        ok = inner && put(inner, "id", cJSON_CreateString(text)) &&
             put(inner, "type_id", cJSON_CreateNumber(types[i]));
    }
    for (int i = 0; ok && i < 2; i++) {
        bcl_special which = i ? BCL_SPECIAL_SEP : BCL_SPECIAL_CLS;
        const char *text = t->specials[which];
        cJSON *item = cJSON_AddObjectToObject(specials, text);
        cJSON *ids = item ? cJSON_AddArrayToObject(item, "ids") : NULL;
        cJSON *tokens = item ? cJSON_AddArrayToObject(item, "tokens") : NULL;
        ok = ids && tokens && put(item, "id", cJSON_CreateString(text)) &&
             cJSON_AddItemToArray(ids, cJSON_CreateNumber(t->special_ids[which])) &&
             cJSON_AddItemToArray(tokens, cJSON_CreateString(text));
    }
    return ok;
}

static bool make_tokenizer(cJSON *root, const bcl_tokenizer *t) {
    cJSON *part;
    bool ok = put(root, "version", cJSON_CreateString("1.0")) &&
              put(root, "truncation", cJSON_CreateNull()) &&
              put(root, "padding", cJSON_CreateNull()) &&
              (part = cJSON_AddArrayToObject(root, "added_tokens")) && make_added(part, t);
    ok = ok && (part = cJSON_AddObjectToObject(root, "normalizer")) &&
         put(part, "type", cJSON_CreateString("BertNormalizer")) &&
         put(part, "clean_text", cJSON_CreateTrue()) &&
         put(part, "handle_chinese_chars", cJSON_CreateBool(t->chinese)) &&
         put(part, "strip_accents", strip_setting(t)) &&
         put(part, "lowercase", cJSON_CreateBool(t->lowercase));
    ok = ok && (part = cJSON_AddObjectToObject(root, "pre_tokenizer")) &&
         put(part, "type", cJSON_CreateString("BertPreTokenizer"));
    ok = ok && (part = cJSON_AddObjectToObject(root, "post_processor")) &&
         put(part, "type", cJSON_CreateString("TemplateProcessing")) && make_template(part, t);
    ok = ok && (part = cJSON_AddObjectToObject(root, "decoder")) &&
         put(part, "type", cJSON_CreateString("WordPiece")) &&
         put(part, "prefix", cJSON_CreateString("##")) && put(part, "cleanup", cJSON_CreateTrue());
    return ok && (part = cJSON_AddObjectToObject(root, "model")) &&
           put(part, "type", cJSON_CreateString("WordPiece")) &&
           put(part, "unk_token", cJSON_CreateString(t->specials[BCL_SPECIAL_UNK])) &&
           put(part, "continuing_subword_prefix", cJSON_CreateString("##")) &&
           put(part, "max_input_chars_per_word", cJSON_CreateNumber(BCL_WORD_CHARS)) &&
           put(part, "vocab", make_vocabulary(t));
}

/* vocab.txt numbers its lines: an unused id in between gets a line that no text can match. */
static bcl_status make_lines(bcl_string *out, const bcl_tokenizer *t) {
    bcl_status status = BCL_OK;
    size_t left = t->vocab_count;
    for (size_t id = 0; id < t->size && left; id++) {
        if (t->pieces[id])
            BCL_TRY(bcl_string_addf(out, "%s\n", t->pieces[id]));
        else
            BCL_TRY(bcl_string_addf(out, "[no token %zu]\n", id));
        left -= t->pieces[id] != NULL;
    }
out:
    return status;
}

static bcl_status write_missing(const bcl_tokenizer *t, int source, const char *path) {
    bcl_status status = BCL_OK;
    bcl_string lines = {0};
    cJSON *root = NULL;
    if (source == BCL_SOURCE_VOCAB) {
        BCL_TRY(make_lines(&lines, t));
        BCL_TRY(bcl_file_write(path, lines.data, lines.size));
        goto out;
    }
    root = cJSON_CreateObject();
    if (!root || !(source == BCL_SOURCE_TOKENIZER ? make_tokenizer(root, t)
                   : source == BCL_SOURCE_CONFIG  ? make_config(root, t)
                                                  : put_specials(root, t)))
        BCL_FAIL(BCL_ERROR_MEMORY, "%s: out of memory", path);
    BCL_TRY(bcl_json_write(root, path));
out:
    cJSON_Delete(root);
    bcl_string_free(&lines);
    return status;
}

bcl_status bcl_tokenizer_save(const bcl_tokenizer *t, const char *folder) {
    bcl_status status = BCL_OK;
    char *path = NULL;
    for (int i = 0; i < BCL_SOURCE_COUNT; i++) {
        const bcl_string *s = &t->sources[i];
        free(path);
        path = NULL;
        BCL_TRY(bcl_path_join(&path, folder, bcl_source_names[i]));
        if (s->data)
            BCL_TRY(bcl_file_write(path, s->data, s->size));
        else if (i != BCL_SOURCE_ADDED && !(i == BCL_SOURCE_SPECIALS && t->from_json))
            BCL_TRY(write_missing(t, i, path));
    }
out:
    free(path);
    return status;
}
