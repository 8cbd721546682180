/* The recipe's options: one table for the command line, for programs, and for run.json. */
#include "data/reading.h"
#include "train/run.h"

#include <cjson/cJSON.h>
#include <math.h>

#define AT(field) offsetof(bcl_run_options, field)

static const bcl_run_option table[] = {
    {BCL_RUN_TEXT, "model", AT(model), "DIR",
     "Hugging Face folder to start from, or ORG/NAME[@REVISION]: see docs/models.md", .how = false},
    {BCL_RUN_TEXTS, "data", AT(data), "PATH…",
     "labelled files, or folders of them: see docs/data.md", .how = false},
    {BCL_RUN_REAL, "split", AT(split), "X",
     "share of the sentences drawn for training, the rest is the test; X,Y draws the share Y of "
     "them as a development set; default 0.8, with --dev 1",
     .min = 0, .max = 1, .number = -1, .pair = true},
    {BCL_RUN_REAL, "split-dev", AT(split_dev), "Y", "the second number of --split", .min = 0,
     .max = 1, .number = -1},
    {BCL_RUN_INT, "split-seed", AT(split_seed), "N", "seed of that draw; default 200", .min = 0,
     .max = UINT32_MAX, .number = -1},
    {BCL_RUN_TEXTS, "test", AT(test), "PATH…", "test data instead of a split", .how = false},
    {BCL_RUN_TEXTS, "dev", AT(dev), "PATH…",
     "development data: best/ is chosen on them, and the test set is scored once, by best/",
     .how = false},
    {BCL_RUN_FLAG, "allow-unseen-tags", AT(allow_unseen_tags), NULL,
     "go on where tags of the development or test data are not in the training data: they can "
     "only be missed",
     .how = false},
    {BCL_RUN_TEXT, "format", AT(reading.format), "NAME", BCL_HELP_FORMAT,
     .choices = BCL_CHOICES_FORMAT},
    {BCL_RUN_TEXT, "word-column", AT(reading.word_column), "N|NAME", BCL_HELP_WORD_COLUMN,
     .how = false},
    {BCL_RUN_TEXT, "tag-column", AT(reading.tag_column), "N|NAME", BCL_HELP_TAG_COLUMN,
     .how = false},
    {BCL_RUN_TEXT, "misc-key", AT(reading.misc_key), "KEY", BCL_HELP_MISC_KEY, .how = false},
    {BCL_RUN_TEXT, "tag-names", AT(reading.tag_names), "A,B,…", BCL_HELP_TAG_NAMES, .how = false},
    {BCL_RUN_TEXTS, "map", AT(reading.map_rules), "A=B", BCL_HELP_MAP, .how = false},
    {BCL_RUN_TEXT, "map-file", AT(reading.map_file), "FILE", BCL_HELP_MAP_FILE, .how = false},
    {BCL_RUN_TEXT, "map-preset", AT(reading.map_preset), "NAME", BCL_HELP_MAP_PRESET,
     .choices = BCL_CHOICES_MAP_PRESET},
    {BCL_RUN_TEXT, "label-pieces", AT(label_pieces), "all|first",
     "which pieces of a word carry its label; default all", .choices = "all|first", .text = "all"},
    {BCL_RUN_INT, "max-length", AT(max_length), "N",
     "longest sentence in pieces, the rest is cut and counted; default 128", .min = 3, .max = 1e6},
    {BCL_RUN_TEXT, "long", AT(longer), "truncate|window",
     "longer sentences lose their end (truncate, default), or go through the model in overlapping "
     "windows, each piece labelled in one of them, in training as in evaluation",
     .choices = "truncate|window", .text = "truncate"},
    {BCL_RUN_TEXT, "recipe", AT(recipe), "NAME",
     "settings for what is not chosen: tutorial (the defaults), or good (--epochs 3 --batch 16 "
     "--lr 2e-4 --schedule linear --warmup 0.1)",
     .choices = "good|tutorial", .text = "tutorial", .how = true},
    {BCL_RUN_INT, "epochs", AT(epochs), "N", "default 1; may be raised when resuming", .min = 1,
     .max = 1e6, .number = 1, .how = true, .may_grow = true},
    {BCL_RUN_INT, "batch", AT(batch), "N",
     "sentences a batch at most; default 4, with --max-tokens no limit", .min = 1, .max = 1e6,
     .how = true},
    {BCL_RUN_INT, "max-tokens", AT(max_tokens), "N",
     "word pieces a batch at most, [CLS] and [SEP] counted: a batch takes sentences in the epoch's "
     "order until the next would be too many; default: no limit",
     .min = 3, .max = 1e9, .how = true},
    {BCL_RUN_INT, "accumulate", AT(accumulate), "N",
     "batches whose gradients make one step; default 1", .min = 1, .max = 1e6, .number = 1,
     .how = true},
    {BCL_RUN_REAL, "lr", AT(lr), "X", "peak learning rate; default 1e-5", .min = 0, .max = 1e3,
     .number = 1e-5, .how = true},
    {BCL_RUN_TEXT, "schedule", AT(schedule), "NAME",
     "constant (default), linear or cosine, as transformers'", .choices = "constant|linear|cosine",
     .text = "constant", .how = true},
    {BCL_RUN_REAL, "warmup", AT(warmup), "X",
     "share of the steps in which the rate rises from 0; default 0", .min = 0, .max = 1,
     .how = true},
    {BCL_RUN_TEXT, "optimizer", AT(optimizer), "NAME", "adam (default) or adamw",
     .choices = "adam|adamw", .text = "adam", .how = true},
    {BCL_RUN_REAL, "weight-decay", AT(weight_decay), "X",
     "as torch.optim's Adam (added to the gradient) and AdamW (decoupled); not of biases and "
     "LayerNorm, as in transformers; default 0",
     .min = 0, .max = 1e3, .how = true},
    {BCL_RUN_FLAG, "decay-all", AT(decay_all), NULL, "weight decay of biases and LayerNorm too",
     .how = true},
    {BCL_RUN_TEXT, "freeze", AT(freeze), "N|embeddings",
     "the embeddings, and the N lowest layers, stay as they are", .how = true},
    {BCL_RUN_REAL, "layer-decay", AT(layer_decay), "X",
     "learning rate of the highest layer times X, of the next times X X, and so on down to the "
     "embeddings; default 1",
     .min = 0.01, .max = 1, .number = 1, .how = true},
    {BCL_RUN_REAL, "head-lr", AT(head_lr), "X",
     "peak learning rate of the classifier; default: that of --lr", .min = 0, .max = 1e3,
     .number = -1, .how = true},
    {BCL_RUN_REAL, "beta1", AT(beta1), "X", "default 0.9", .min = 0, .max = 0.9999999,
     .number = 0.9, .how = true},
    {BCL_RUN_REAL, "beta2", AT(beta2), "X", "default 0.999", .min = 0, .max = 0.9999999,
     .number = 0.999, .how = true},
    {BCL_RUN_REAL, "eps", AT(eps), "X", "default 1e-8", .min = 1e-30, .max = 1, .number = 1e-8,
     .how = true},
    {BCL_RUN_REAL, "clip", AT(clip), "X", "largest gradient norm, 0 for none; default 10", .min = 0,
     .max = 1e30, .number = 10, .how = true},
    {BCL_RUN_REAL, "label-smoothing", AT(label_smoothing), "X",
     "train on labels that are right by 1 - X and any label by X, as PyTorch's CrossEntropyLoss; "
     "default 0",
     .min = 0, .max = 1, .how = true},
    {BCL_RUN_TEXT, "class-weights", AT(class_weights), "WEIGHTS",
     "weights of the labels in the loss that is trained on, as PyTorch's CrossEntropyLoss: "
     "balanced (the rarer the more, as scikit-learn), TAG=X,TAG=X (others 1), or a file with a tag "
     "and a number a line",
     .how = true},
    {BCL_RUN_REAL, "dropout", AT(dropout), "X", "all dropout rates; default: config.json's",
     .min = 0, .max = 0.99, .number = -1, .how = true},
    {BCL_RUN_INT, "seed", AT(seed), "N", "of order, dropout and new weights; default 0", .min = 0,
     .max = 9007199254740992.0 /* a JSON number holds it exactly */, .how = true},
    {BCL_RUN_INT, "max-steps", AT(max_steps), "N",
     "end after N steps, evaluate and save all the same", .min = 1, .max = 1e12, .how = true},
    {BCL_RUN_TEXT, "select", AT(select), "NAME",
     "which score on the development set makes an epoch the best: entity-f1 (default), macro-f1, "
     "accuracy or loss. Without --dev or --split X,Y best/ is the epoch with the highest macro F1 "
     "on the test set, whose scores are too good then",
     .choices = "entity-f1|macro-f1|accuracy|loss", .how = true},
    {BCL_RUN_INT, "patience", AT(patience), "N",
     "end after N epochs without a better score on the development set; default: all epochs",
     .min = 1, .max = 1e6, .how = true},
    {BCL_RUN_REAL, "min-delta", AT(min_delta), "X",
     "for --patience a score is better if it is so by more than X; default 0", .min = 0, .max = 1e3,
     .how = true},
    {BCL_RUN_INT, "save-every", AT(save_every), "N",
     "steps between checkpoints; default: at the ends of epochs", .min = 1, .max = 1e12,
     .how = true},
    {BCL_RUN_INT, "histograms", AT(histograms), "N",
     "steps between histograms of all gradients, in histograms.jsonl and in TensorBoard's file; "
     "default: none. Such a step waits for the device",
     .min = 1, .max = 1e12, .how = true},
    {BCL_RUN_INT, "eval-batch", AT(eval_batch), "N",
     "sentences a batch in evaluation; default: by tokens. Results do not depend on it", .min = 1,
     .max = 1e6, .how = true},
    {BCL_RUN_TEXT, "precision", AT(precision), BCL_SESSION_PRECISIONS, BCL_SESSION_PRECISION_HELP,
     .choices = BCL_SESSION_PRECISIONS, .text = "fp32", .how = true},
    {BCL_RUN_REAL, "loss-scale", AT(loss_scale), "X",
     "in fp16 the first factor of the loss, so that small gradients are not lost: halved where "
     "they overflow, doubled after 2000 steps in which they did not; default 65536",
     .min = 1, .max = 1e30, .how = true},
};
enum { ROWS = sizeof table / sizeof *table };
_Static_assert(ROWS <= 64, "one bit of bcl_run_options.given for each");

const bcl_run_option *bcl_run_option_table(size_t *count) {
    *count = ROWS;
    return table;
}

static void *field(const bcl_run_option *row, bcl_run_options *o) {
    return (char *)o + row->offset;
}
static const void *value_of(const bcl_run_option *row, const bcl_run_options *o) {
    return (const char *)o + row->offset;
}

static void set_default(const bcl_run_option *row, bcl_run_options *o) {
    if (row->kind == BCL_RUN_INT)
        *(int64_t *)field(row, o) = (int64_t)row->number;
    else if (row->kind == BCL_RUN_REAL)
        *(double *)field(row, o) = row->number;
    else if (row->kind == BCL_RUN_TEXT)
        *(const char **)field(row, o) = row->text;
    else if (row->kind == BCL_RUN_FLAG)
        *(bool *)field(row, o) = row->number != 0;
    else
        *(bcl_texts *)field(row, o) = (bcl_texts){0};
}

void bcl_run_options_init(bcl_run_options *o) {
    *o = (bcl_run_options){0};
    for (size_t i = 0; i < ROWS; i++)
        set_default(&table[i], o);
}

/* ---- presets ---- */

static bool differs_from_default(const bcl_run_option *row, const bcl_run_options *o) {
    const void *value = value_of(row, o);
    if (row->kind == BCL_RUN_INT)
        return *(const int64_t *)value != (int64_t)row->number;
    if (row->kind == BCL_RUN_REAL)
        return *(const double *)value != row->number;
    if (row->kind == BCL_RUN_TEXTS)
        return ((const bcl_texts *)value)->count > 0;
    if (row->kind == BCL_RUN_FLAG)
        return *(const bool *)value != (row->number != 0);
    const char *text = *(const char *const *)value;
    return text != row->text && (!text || !row->text || strcmp(text, row->text));
}

static const struct preset {
    const char *recipe, *name, *text;
    double number;
} presets[] = {{"good", "epochs", NULL, 3},
               {"good", "batch", NULL, 16},
               {"good", "lr", NULL, 2e-4},
               {"good", "schedule", "linear", 0},
               {"good", "warmup", NULL, 0.1}};

void bcl_run_options_apply_recipe(bcl_run_options *o) {
    for (size_t p = 0; p < sizeof presets / sizeof *presets; p++)
        for (size_t i = 0; i < ROWS; i++) {
            const bcl_run_option *row = &table[i];
            if (!o->recipe || strcmp(presets[p].recipe, o->recipe) ||
                strcmp(presets[p].name, row->name) || (o->given >> i & 1) ||
                differs_from_default(row, o) || (row->offset == AT(batch) && o->max_tokens))
                continue;
            if (row->kind == BCL_RUN_INT)
                *(int64_t *)field(row, o) = (int64_t)presets[p].number;
            else if (row->kind == BCL_RUN_REAL)
                *(double *)field(row, o) = presets[p].number;
            else
                *(const char **)field(row, o) = presets[p].text;
        }
}

/* ---- ranges ---- */

static bool chosen(const char *choices, const char *value) {
    const size_t n = strlen(value);
    for (const char *c = choices; *c; c += strcspn(c, "|"), c += *c == '|')
        if (strcspn(c, "|") == n && !strncmp(c, value, n))
            return true;
    return false;
}

/* where: in front of the option's name, "--" or "run.json: ". */
static bcl_status check_row(const bcl_run_option *row, const bcl_run_options *o, const char *where,
                            bcl_status code) {
    const void *value = value_of(row, o);
    if (row->kind == BCL_RUN_INT) {
        const int64_t x = *(const int64_t *)value;
        if (x != (int64_t)row->number && (x < (int64_t)row->min || x > (int64_t)row->max))
            return bcl_fail(code, "%s%s: found %lld, expected %.0f to %.0f", where, row->name,
                            (long long)x, row->min, row->max);
    } else if (row->kind == BCL_RUN_REAL) {
        const double x = *(const double *)value;
        if (!isfinite(x) || (x != row->number && (x < row->min || x > row->max)))
            return bcl_fail(code, "%s%s: found %.10g, expected %.10g to %.10g", where, row->name, x,
                            row->min, row->max);
    } else if (row->kind == BCL_RUN_TEXT) {
        const char *x = *(const char *const *)value;
        if (row->choices && x && !chosen(row->choices, x))
            return bcl_fail(code, "%s%s: found \"%s\", expected one of %s", where, row->name, x,
                            row->choices);
        if (row->text && !x)
            return bcl_fail(code, "%s%s: found nothing, expected one of %s", where, row->name,
                            row->choices);
    }
    return BCL_OK;
}

/* What needs a development set, and what excludes one. */
static bcl_status check_dev(const bcl_run_options *o, const char *where, bcl_status code) {
    const bool drawn = o->split_dev >= 0;
    const char *needs = o->select          ? "select"
                        : o->patience      ? "patience"
                        : o->min_delta > 0 ? "min-delta"
                                           : NULL;
    if (drawn && o->dev.count)
        return bcl_fail(code, "%sdev and the second number of %ssplit exclude each other", where,
                        where);
    if (drawn && o->test.count)
        return bcl_fail(code, "%stest and %ssplit exclude each other; give %sdev", where, where,
                        where);
    if (drawn && (o->split < 0 ? 0.8 : o->split) + o->split_dev > 1 + 1e-9)
        return bcl_fail(code, "%ssplit: found %g,%g, expected a sum of at most 1", where,
                        o->split < 0 ? 0.8 : o->split, o->split_dev);
    if (needs && !drawn && !o->dev.count)
        return bcl_fail(code, "%s%s needs a development set: give --dev PATH or --split 0.8,0.1",
                        where, needs);
    if (o->min_delta > 0 && !o->patience)
        return bcl_fail(code, "%smin-delta is of no use without %spatience", where, where);
    return BCL_OK;
}

bcl_status bcl_run_options_check(const bcl_run_options *o, const char *path) {
    bcl_status status = BCL_OK;
    char *prefix = NULL;
    if (path)
        BCL_TRY(bcl_format(&prefix, "%s: ", path));
    const char *where = path ? prefix : "--";
    const bcl_status code = path ? BCL_ERROR_FORMAT : BCL_ERROR_ARGUMENT;
    for (size_t i = 0; i < ROWS; i++)
        BCL_TRY(check_row(&table[i], o, where, code));
    if (!o->model || !*o->model)
        BCL_FAIL(code, "%smodel is needed: a Hugging Face folder, or ORG/NAME of the hub", where);
    if (!o->data.count)
        BCL_FAIL(code, "%sdata is needed: labelled files, or folders of them", where);
    if (o->test.count && (o->split >= 0 || o->split_seed >= 0))
        BCL_FAIL(code, "%stest and %ssplit exclude each other", where, where);
    if (o->head_lr >= 0 && !(o->lr > 0))
        BCL_FAIL(code, "%shead-lr needs %slr above 0: --freeze keeps the rest as it is", where,
                 where);
    if (o->loss_scale > 0 && strcmp(o->precision, "fp16"))
        BCL_FAIL(code, "%sloss-scale is of no use without %sprecision fp16", where, where);
    BCL_TRY(check_dev(o, where, code));
out:
    free(prefix);
    return status;
}

/* ---- run.json ---- */

static cJSON *texts_json(const bcl_texts *texts) {
    return texts->count ? cJSON_CreateStringArray(texts->items, (int)texts->count)
                        : cJSON_CreateArray();
}

/* A number outside of its limits stands for "not chosen". */
static cJSON *number_json(const bcl_run_option *row, double x) {
    return x < row->min || x > row->max ? cJSON_CreateNull() : cJSON_CreateNumber(x);
}

static cJSON *row_json(const bcl_run_option *row, const bcl_run_options *o) {
    const void *value = value_of(row, o);
    if (row->kind == BCL_RUN_INT)
        return number_json(row, (double)*(const int64_t *)value);
    if (row->kind == BCL_RUN_REAL)
        return number_json(row, *(const double *)value);
    if (row->kind == BCL_RUN_TEXTS)
        return texts_json(value);
    if (row->kind == BCL_RUN_FLAG)
        return cJSON_CreateBool(*(const bool *)value);
    const char *text = *(const char *const *)value;
    return text ? cJSON_CreateString(text) : cJSON_CreateNull();
}

bcl_status bcl_run_options_json(cJSON **out, const bcl_run_options *o) {
    bcl_status status = BCL_OK;
    cJSON *json = cJSON_CreateObject();
    for (size_t i = 0; i < ROWS; i++) {
        cJSON *item = row_json(&table[i], o);
        if (!item || !cJSON_AddItemToObject(json, table[i].name, item)) {
            cJSON_Delete(item);
            BCL_FAIL(BCL_ERROR_MEMORY, "out of memory");
        }
    }
    *out = json;
    json = NULL;
out:
    cJSON_Delete(json);
    return status;
}

static bcl_status restore_texts(bcl_texts *out, const cJSON *array, const char *name,
                                const char *path, const char ***owned) {
    bcl_status status = BCL_OK;
    const cJSON *word;
    size_t n = 0;
    const char **items = NULL;
    BCL_NEW(items, (size_t)cJSON_GetArraySize(array));
    cJSON_ArrayForEach(word, array) {
        if (!cJSON_IsString(word))
            BCL_FAIL(BCL_ERROR_FORMAT, "%s: \"%s\": expected strings", path, name);
        items[n++] = word->valuestring;
    }
    free(*owned);
    *owned = items;
    *out = (bcl_texts){items, n};
    items = NULL;
out:
    free(items);
    return status;
}

static bcl_status restore_row(const bcl_run_option *row, bcl_run_options *o, const cJSON *item,
                              const char *path, const char ***owned) {
    bcl_status status = BCL_OK;
    void *value = field(row, o);
    /* A column that was not chosen was the number 0 once. */
    const bool zero = row->kind == BCL_RUN_TEXT && cJSON_IsNumber(item) && item->valuedouble == 0;
    if (cJSON_IsNull(item) || zero) {
        set_default(row, o);
        return BCL_OK;
    }
    const bool right = row->kind == BCL_RUN_TEXT    ? cJSON_IsString(item) || cJSON_IsNull(item)
                       : row->kind == BCL_RUN_TEXTS ? cJSON_IsArray(item)
                       : row->kind == BCL_RUN_FLAG  ? cJSON_IsBool(item)
                                                    : cJSON_IsNumber(item);
    if (!right)
        BCL_FAIL(BCL_ERROR_FORMAT, "%s: \"%s\": found another type than the option's", path,
                 row->name);
    if (row->kind == BCL_RUN_INT) {
        const double x = item->valuedouble;
        if (!(x == floor(x) && fabs(x) <= 9007199254740992.0))
            BCL_FAIL(BCL_ERROR_FORMAT, "%s: \"%s\": found %g, expected a whole number", path,
                     row->name, x);
        *(int64_t *)value = (int64_t)x;
    } else if (row->kind == BCL_RUN_REAL) {
        *(double *)value = item->valuedouble;
    } else if (row->kind == BCL_RUN_TEXT) {
        *(const char **)value = item->valuestring;
    } else if (row->kind == BCL_RUN_FLAG) {
        *(bool *)value = cJSON_IsTrue(item);
    } else {
        BCL_TRY(restore_texts(value, item, row->name, path, owned));
    }
out:
    return status;
}

/* A value that was chosen must be the run's, or *grown. */
static bcl_status check_same(bool *grown, const bcl_run_option *row, const bcl_run_options *o,
                             const cJSON *item, const char *path) {
    cJSON *now = row_json(row, o);
    bcl_status status = now ? BCL_OK : bcl_fail(BCL_ERROR_MEMORY, "out of memory");
    const bool unset = cJSON_IsNumber(item) && cJSON_IsNull(now) &&
                       (item->valuedouble < row->min || item->valuedouble > row->max);
    *grown = row->may_grow && cJSON_IsNumber(now) && cJSON_IsNumber(item) &&
             now->valuedouble > item->valuedouble;
    if (now && !unset && !*grown && !cJSON_Compare(now, item, 1)) {
        char *was = cJSON_PrintUnformatted(item), *is = cJSON_PrintUnformatted(now);
        status =
            bcl_fail(BCL_ERROR_ARGUMENT,
                     "%s: --%s: the run was started with %s, found %s; leave it out%s or start "
                     "another run",
                     path, row->name, was ? was : "?", is ? is : "?",
                     row->may_grow ? ", give a larger one" : "");
        cJSON_free(was);
        cJSON_free(is);
    }
    cJSON_Delete(now);
    return status;
}

bcl_status bcl_run_options_restore(bcl_run_options *o, const cJSON *stored, const char *path,
                                   bcl_run_texts *owned) {
    bcl_status status = BCL_OK;
    size_t lists = 0;
    for (size_t i = 0; i < ROWS; i++) {
        const bcl_run_option *row = &table[i];
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(stored, row->name);
        const char ***list = row->kind == BCL_RUN_TEXTS ? &owned->lists[lists++] : NULL;
        bool grown = false;
        if (!item) {
            if (row->offset == AT(decay_all)) /* runs of before had no other way */
                o->decay_all = true;
            continue;
        }
        if ((o->given >> i & 1) || differs_from_default(row, o))
            BCL_TRY(check_same(&grown, row, o, item, path));
        if (!grown)
            BCL_TRY(restore_row(row, o, item, path, list));
    }
out:
    return status;
}

void bcl_run_texts_free(bcl_run_texts *owned) {
    for (size_t i = 0; i < BCL_RUN_LISTS; i++)
        free(owned->lists[i]);
    *owned = (bcl_run_texts){0};
}
