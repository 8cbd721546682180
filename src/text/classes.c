/* Which tokenizer a folder asks for. As transformers' AutoTokenizer: the class that
 * tokenizer_config.json names, else config.json, else the one of the model's type. BERT's own class
 * is computed; others would give other pieces, in silence, so they are refused. */
#include "text/load.h"

enum {
    BERT,    /* BertTokenizer, and what is the same by another name */
    GENERIC, /* made of tokenizer.json */
    FOREIGN
};

static const struct {
    const char *name; /* without "Fast" at its end */
    int kind;
} classes[] = {
    {"BertTokenizer", BERT},        {"ElectraTokenizer", BERT},
    {"LayoutLMTokenizer", BERT},    {"LxmertTokenizer", BERT},
    {"MobileBertTokenizer", BERT},  {"SqueezeBertTokenizer", BERT},
    {"DistilBertTokenizer", BERT},  {"PreTrainedTokenizer", GENERIC}, /* PreTrainedTokenizerFast */
    {"TokenizersBackend", GENERIC},
};

/* Classes that have code of their own in transformers, whatever tokenizer.json says. */
static const char *const foreign[] = {
    "Albert",     "Bart",    "BertGeneration", "BertJapanese", "Bertweet",   "BigBird", "Bloom",
    "Camembert",  "CLIP",    "Deberta",        "DebertaV2",    "Flaubert",   "FNet",    "GPT2",
    "Herbert",    "KoBERT",  "KoBert",         "Llama",        "Longformer", "MBart",   "MPNet",
    "Phobert",    "RemBert", "RoCBert",        "RoFormer",     "Roberta",    "T5",      "XLM",
    "XLMRoberta", "XLNet"};

/* Model types whose tokenizer is BertTokenizer when no class is named. */
static const char *const types[] = {"align",
                                    "bark",
                                    "bert",
                                    "blip",
                                    "bros",
                                    "chinese_clip",
                                    "convbert",
                                    "distilbert",
                                    "electra",
                                    "ernie",
                                    "flava",
                                    "git",
                                    "grounding-dino",
                                    "layoutlm",
                                    "lxmert",
                                    "megatron-bert",
                                    "mobilebert",
                                    "mm-grounding-dino",
                                    "nezha",
                                    "nomic_bert",
                                    "qdqbert",
                                    "realm",
                                    "retribert",
                                    "squeezebert",
                                    "tvp",
                                    "vilt",
                                    "visual_bert"};

static bool starts_same(const char *name, size_t size, const char *other) {
    return strlen(other) == size && !strncmp(name, other, size);
}

static int kind_of(const char *name, bool has_json) {
    const size_t whole = strlen(name);
    const size_t n = whole > 4 && !strcmp(name + whole - 4, "Fast") ? whole - 4 : whole;
    static const char tail[] = "Tokenizer";
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        if (starts_same(name, n, classes[i].name))
            return classes[i].kind;
    if (n >= sizeof tail && !strncmp(name + n - (sizeof tail - 1), tail, sizeof tail - 1))
        for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
            if (starts_same(name, n - (sizeof tail - 1), foreign[i]))
                return FOREIGN;
    return has_json ? GENERIC : FOREIGN; /* a class of the model's author */
}

static bcl_status refuse(const char *path, const char *key, const char *found,
                         const char *expected) {
    return bcl_fail(
        BCL_ERROR_UNSUPPORTED,
        "%s: \"%s\": found %.60s, expected %s: bertcl splits words as BERT's own "
        "tokenizer does, and this one gives other pieces; take a model with a WordPiece "
        "tokenizer",
        path, key, found, expected);
}

/* Two splits into words that BertJapaneseTokenizer knows by setting, in folders that name no class.
 */
static bcl_status check_splitters(const bcl_reading *r, const cJSON *config) {
    bcl_status status = BCL_OK;
    const char *path = r->config_path, *words, *pieces;
    BCL_TRY(bcl_json_text(&words, config, "word_tokenizer_type", "basic", path));
    BCL_TRY(bcl_json_text(&pieces, config, "subword_tokenizer_type", "wordpiece", path));
    if (strcmp(words, "basic"))
        return refuse(path, "word_tokenizer_type", words, "basic");
    if (strcmp(pieces, "wordpiece"))
        return refuse(path, "subword_tokenizer_type", pieces, "wordpiece");
out:
    return status;
}

/* A tokenizer that is Python code of the model's author ("remote code"): "auto_map" names it as
 * AutoTokenizer, or in an older form as a list of the slow and the fast class. */
static bcl_status check_code(const cJSON *json, const char *path) {
    const cJSON *map = cJSON_GetObjectItemCaseSensitive(json, "auto_map");
    const cJSON *code =
        cJSON_IsObject(map) ? cJSON_GetObjectItemCaseSensitive(map, "AutoTokenizer") : map;
    if (cJSON_IsArray(code)) {
        for (code = code->child; code && cJSON_IsNull(code);)
            code = code->next;
    }
    if (!code || cJSON_IsNull(code))
        return BCL_OK;
    const char *name = cJSON_GetStringValue(code);
    return bcl_fail(
        BCL_ERROR_UNSUPPORTED,
        "%s: \"auto_map\": found AutoTokenizer%s%.60s: words are split by Python code of "
        "the model's author, which bertcl does not run and which may give other pieces "
        "than BERT's tokenizer; if it does not, remove \"auto_map\"",
        path, name ? " " : "", name ? name : "");
}

static bcl_status take_class(bcl_reading *r, const char *name, const char *path) {
    const bool has_json = r->json[BCL_SOURCE_TOKENIZER] != NULL;
    const int kind = kind_of(name, has_json);
    if (kind == FOREIGN)
        return refuse(path, "tokenizer_class", name, "BertTokenizer");
    if (kind == GENERIC && !has_json)
        return bcl_fail(BCL_ERROR_UNSUPPORTED,
                        "%s: \"tokenizer_class\": found %.60s, which is made of a tokenizer.json, "
                        "but there is none: add it, or, if vocab.txt is BERT's, set "
                        "\"tokenizer_class\": \"BertTokenizer\"",
                        path, name);
    r->t->from_json = kind == GENERIC;
    return BCL_OK;
}

static bcl_status take_type(const cJSON *model, const char *path) {
    const char *type = NULL;
    bcl_status status = bcl_json_text(&type, model, "model_type", "bert", path);
    if (status)
        return status;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (!strcmp(type, types[i]))
            return BCL_OK;
    return refuse(path, "model_type", type, "bert");
}

bcl_status bcl_class_read(bcl_reading *r) {
    bcl_status status = BCL_OK;
    const cJSON *config = r->json[BCL_SOURCE_CONFIG];
    cJSON *model = NULL;
    char *path = NULL;
    const char *name;
    BCL_TRY(check_code(config, r->config_path));
    BCL_TRY(check_splitters(r, config));
    BCL_TRY(bcl_json_text(&name, config, "tokenizer_class", NULL, r->config_path));
    if (name) {
        BCL_TRY(take_class(r, name, r->config_path));
        goto out;
    }
    BCL_TRY(bcl_path_join(&path, r->t->folder, "config.json"));
    if (bcl_path_exists(path))
        BCL_TRY(bcl_json_read(&model, path));
    BCL_TRY(check_code(model, path));
    BCL_TRY(bcl_json_text(&name, model, "tokenizer_class", NULL, path));
    if (name)
        BCL_TRY(take_class(r, name, path));
    else
        BCL_TRY(take_type(model, path));
out:
    cJSON_Delete(model);
    free(path);
    return status;
}

/* ---- the vocabulary ---- */

typedef struct letters {
    size_t pieces, upper, lower, inside, sentencepiece, bytes;
} letters;

/* Only what text can match: special and added tokens, and [unused1], do not count. */
static void count_piece(letters *n, const char *piece) {
    const unsigned char *p = (const unsigned char *)piece, *end = p + strlen(piece);
    bool upper = false, lower = false;
    unsigned size;
    if (*p == '[' && end[-1] == ']' && end - p > 2)
        return;
    n->pieces++;
    n->inside += !strncmp(piece, "##", 2) && piece[2];
    n->sentencepiece += !strncmp(piece, "\xe2\x96\x81", 3); /* U+2581 */
    n->bytes += !strncmp(piece, "\xc4\xa0", 2);             /* U+0120 */
    for (; p < end; p += size) {
        const uint32_t c = bcl_utf8_decode(p, (size_t)(end - p), &size);
        if (c == UINT32_MAX)
            return;
        upper |= (bcl_unicode_find(c)->flags & BCL_UNICODE_LOWER) && bcl_unicode_find(c)->lower;
        lower |= c >= 'a' && c <= 'z';
    }
    n->upper += upper;
    n->lower += lower;
}

/* Capitals that lower-cased text never has, or none where text has them. A few of them may be an
 * oversight of the vocabulary's maker. */
static void warn_of_case(bcl_tokenizer *t, const letters *n) {
    enum { FEW = 3, PERCENT = 5, MANY = 1000 };
    if (t->lowercase && n->upper >= FEW && n->upper * 100 >= n->pieces * PERCENT)
        snprintf(
            t->warning, sizeof t->warning,
            "the vocabulary is cased (%zu of %zu pieces have capitals), but text is made lower "
            "case: if the model was trained on cased text, set %s in %s",
            n->upper, n->pieces, t->from_json ? "\"lowercase\": false" : "\"do_lower_case\": false",
            bcl_source_names[t->from_json ? BCL_SOURCE_TOKENIZER : BCL_SOURCE_CONFIG]);
    else if (!t->lowercase && !n->upper && n->lower >= MANY)
        snprintf(t->warning, sizeof t->warning,
                 "the vocabulary has no capitals (in %zu pieces), but text is not made lower case, "
                 "so that each word with one is [UNK]: if the model is uncased, set %s in %s",
                 n->pieces, t->from_json ? "\"lowercase\": true" : "\"do_lower_case\": true",
                 bcl_source_names[t->from_json ? BCL_SOURCE_TOKENIZER : BCL_SOURCE_CONFIG]);
}

bcl_status bcl_class_check_vocabulary(bcl_reading *r) {
    bcl_tokenizer *t = r->t;
    letters n = {0};
    for (size_t i = 0; i < t->size; i++)
        if (t->pieces[i])
            count_piece(&n, t->pieces[i]);
    const size_t other = n.sentencepiece > n.bytes ? n.sentencepiece : n.bytes;
    if (!n.inside && other * 4 >= n.pieces && other)
        return bcl_fail(BCL_ERROR_UNSUPPORTED,
                        "%s: the vocabulary is %s (%zu of its %zu pieces begin with \"%s\", none "
                        "with \"##\"), expected WordPiece's: bertcl splits words as BERT's own "
                        "tokenizers do; take a model with one",
                        t->folder,
                        other == n.sentencepiece ? "sentencepiece's" : "a byte-level BPE's", other,
                        n.pieces, other == n.sentencepiece ? "\xe2\x96\x81" : "\xc4\xa0");
    warn_of_case(t, &n);
    return BCL_OK;
}
