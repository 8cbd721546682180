/* run.json and results.json, made from the record and read into it. */
#include "train/run.h"

#include <cjson/cJSON.h>
#include <math.h>

void bcl_run_kept_free(bcl_run_kept *k) {
    bcl_evaluation_free(&k->evaluation);
    bcl_evaluation_free(&k->dev_evaluation);
    bcl_run_profile_free(&k->profile);
    bcl_run_texts_free(&k->texts);
    bcl_strings_free(k->labels, k->record.label_count);
    cJSON_Delete(k->run);
    cJSON_Delete(k->results);
    free(k->out);
    free(k->asked_device);
    free(k->asked_gemm);
    free(k->model_folder);
    free(k->gemm);
    free(k->class_weights);
    *k = (bcl_run_kept){0};
}

/* ---- run.json ---- */

static cJSON *sizes_json(const bcl_run_record *r) {
    cJSON *json = cJSON_CreateObject();
    cJSON_AddNumberToObject(json, "train_sentences", (double)r->train.sentences);
    cJSON_AddNumberToObject(json, "train_pieces", (double)r->train.pieces);
    if (r->dev.sentences) {
        cJSON_AddNumberToObject(json, "dev_sentences", (double)r->dev.sentences);
        cJSON_AddNumberToObject(json, "dev_pieces", (double)r->dev.pieces);
    }
    cJSON_AddNumberToObject(json, "test_sentences", (double)r->test.sentences);
    cJSON_AddNumberToObject(json, "test_pieces", (double)r->test.pieces);
    return json;
}

/* By tag. */
static cJSON *class_weights_json(const bcl_run_record *r) {
    cJSON *json = cJSON_CreateObject();
    for (size_t i = 0; i < r->label_count; i++)
        cJSON_AddNumberToObject(json, r->labels[i], r->class_weights[i]);
    return json;
}

static cJSON *hashes_json(const bcl_run_record *r) {
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "train_words", r->train.words);
    cJSON_AddStringToObject(json, "train_tags", r->train.tags);
    if (r->dev.sentences) {
        cJSON_AddStringToObject(json, "dev_words", r->dev.words);
        cJSON_AddStringToObject(json, "dev_tags", r->dev.tags);
    }
    cJSON_AddStringToObject(json, "test_words", r->test.words);
    cJSON_AddStringToObject(json, "test_tags", r->test.tags);
    cJSON_AddStringToObject(json, "weights", r->model_sha256);
    cJSON_AddStringToObject(json, "vocabulary", r->vocabulary_sha256);
    return json;
}

bcl_status bcl_run_record_write(bcl_run_kept *k, const char *path) {
    bcl_status status = BCL_OK;
    const bcl_run_record *r = &k->record;
    cJSON *json = cJSON_CreateObject(), *options = NULL;
    BCL_TRY(bcl_run_options_json(&options, r->options));
    cJSON_AddStringToObject(json, "bertcl", r->version);
    bcl_json_put(json, "options", options);
    cJSON_AddStringToObject(json, "device", r->device);
    cJSON_AddStringToObject(json, "gemm", r->gemm);
    cJSON_AddStringToObject(json, "precision", r->precision);
    cJSON_AddBoolToObject(json, "recompute", r->recompute);
    bcl_json_put(json, "data", sizes_json(r));
    cJSON_AddStringToObject(json, "model_folder", r->model_folder);
    bcl_json_put(json, "sha256", hashes_json(r));
    bcl_json_put(json, "labels", cJSON_CreateStringArray(r->labels, (int)r->label_count));
    if (r->class_weights)
        bcl_json_put(json, "class_weights", class_weights_json(r));
    BCL_TRY(bcl_json_write(json, path));
out:
    cJSON_Delete(json);
    return status;
}

static bcl_status read_text(const char **out, const cJSON *json, const char *key,
                            const char *path) {
    bcl_status status = bcl_json_text(out, json, key, NULL, path);
    if (!status && (!*out || !**out))
        status =
            bcl_fail(BCL_ERROR_FORMAT, "%s: \"%s\": found nothing, expected a text", path, key);
    return status;
}

/* Hexadecimal digits; absent in runs of earlier versions. */
static bcl_status read_hash(char out[65], const cJSON *hashes, const char *key, const char *path) {
    bcl_status status = BCL_OK;
    const char *text;
    if (!hashes)
        return BCL_OK;
    BCL_TRY(read_text(&text, hashes, key, path));
    if (strlen(text) != 64 || strspn(text, "0123456789abcdef") != 64)
        BCL_FAIL(BCL_ERROR_FORMAT,
                 "%s: \"sha256\": \"%s\": found \"%s\", expected 64 hexadecimal "
                 "digits",
                 path, key, text);
    memcpy(out, text, 65);
out:
    return status;
}

static bcl_status read_size(size_t *out, const cJSON *sizes, const char *key, int64_t least,
                            const char *path) {
    int64_t x;
    const bcl_status status = bcl_json_int(&x, sizes, key, -1, least, (int64_t)1 << 53, path);
    if (!status && x < 0)
        return bcl_fail(BCL_ERROR_FORMAT, "%s: \"data\": \"%s\": found nothing, expected a number",
                        path, key);
    *out = (size_t)x;
    return status;
}

static bcl_status read_data(bcl_run_kept *k, const cJSON *json, const char *path) {
    bcl_status status = BCL_OK;
    bcl_run_record *r = &k->record;
    const cJSON *sizes = cJSON_GetObjectItemCaseSensitive(json, "data"),
                *hashes = cJSON_GetObjectItemCaseSensitive(json, "sha256");
    if (!cJSON_IsObject(sizes) || (hashes && !cJSON_IsObject(hashes)))
        BCL_FAIL(BCL_ERROR_FORMAT, "%s: \"data\" or \"sha256\": expected an object", path);
    BCL_TRY(read_size(&r->train.sentences, sizes, "train_sentences", 1, path));
    BCL_TRY(read_size(&r->train.pieces, sizes, "train_pieces", 1, path));
    if (cJSON_HasObjectItem(sizes, "dev_sentences")) {
        BCL_TRY(read_size(&r->dev.sentences, sizes, "dev_sentences", 1, path));
        BCL_TRY(read_size(&r->dev.pieces, sizes, "dev_pieces", 1, path));
        BCL_TRY(read_hash(r->dev.words, hashes, "dev_words", path));
        BCL_TRY(read_hash(r->dev.tags, hashes, "dev_tags", path));
    }
    BCL_TRY(read_size(&r->test.sentences, sizes, "test_sentences", 0, path));
    BCL_TRY(read_size(&r->test.pieces, sizes, "test_pieces", 0, path));
    BCL_TRY(read_hash(r->train.words, hashes, "train_words", path));
    BCL_TRY(read_hash(r->train.tags, hashes, "train_tags", path));
    BCL_TRY(read_hash(r->test.words, hashes, "test_words", path));
    BCL_TRY(read_hash(r->test.tags, hashes, "test_tags", path));
    BCL_TRY(read_hash(k->model_sha256, hashes, "weights", path));
    BCL_TRY(read_hash(k->vocabulary_sha256, hashes, "vocabulary", path));
out:
    return status;
}

static bcl_status read_labels(bcl_run_kept *k, const cJSON *json, const char *path) {
    bcl_status status = BCL_OK;
    const cJSON *labels = cJSON_GetObjectItemCaseSensitive(json, "labels"), *label;
    if (!cJSON_IsArray(labels) || !cJSON_GetArraySize(labels))
        BCL_FAIL(BCL_ERROR_FORMAT, "%s: \"labels\": expected an array of texts", path);
    BCL_NEW(k->labels, (size_t)cJSON_GetArraySize(labels));
    cJSON_ArrayForEach(label, labels) {
        if (!cJSON_IsString(label))
            BCL_FAIL(BCL_ERROR_FORMAT, "%s: \"labels\": expected texts", path);
        BCL_TRY(bcl_strdup(&k->labels[k->record.label_count], label->valuestring));
        k->record.label_count++;
    }
    k->record.labels = (const char *const *)k->labels;
out:
    return status;
}

/* Of a run with --class-weights; behind read_labels. */
static bcl_status read_class_weights(bcl_run_kept *k, const cJSON *json, const char *path) {
    bcl_status status = BCL_OK;
    const cJSON *weights = cJSON_GetObjectItemCaseSensitive(json, "class_weights");
    if (!k->options.class_weights)
        return BCL_OK;
    BCL_NEW(k->class_weights, k->record.label_count);
    for (size_t i = 0; i < k->record.label_count; i++) {
        const cJSON *x = cJSON_GetObjectItemCaseSensitive(weights, k->labels[i]);
        if (!cJSON_IsNumber(x) || !(x->valuedouble >= 0) || !isfinite(x->valuedouble))
            BCL_FAIL(BCL_ERROR_FORMAT, "%s: \"class_weights\": \"%s\": expected a number from 0 on",
                     path, k->labels[i]);
        k->class_weights[i] = x->valuedouble;
    }
    k->record.class_weights = k->class_weights;
out:
    return status;
}

bcl_status bcl_run_record_read(bcl_run_kept *k, const char *path) {
    bcl_status status = BCL_OK;
    bcl_run_record *r = &k->record;
    const char *folder, *gemm, *device;
    bcl_precision precision;
    BCL_TRY(bcl_json_read_own(&k->run, path));
    const cJSON *options = cJSON_GetObjectItemCaseSensitive(k->run, "options");
    if (!cJSON_IsObject(options))
        BCL_FAIL(BCL_ERROR_FORMAT, "%s: \"options\": expected an object", path);
    BCL_TRY(bcl_run_options_restore(&k->options, options, path, &k->texts));
    BCL_TRY(bcl_run_options_check(&k->options, path));
    BCL_TRY(bcl_json_text(&r->version, k->run, "bertcl", "", path));
    BCL_TRY(read_text(&device, k->run, "device", path));
    BCL_TRY(read_text(&gemm, k->run, "gemm", path));
    BCL_TRY(bcl_json_text(&r->precision, k->run, "precision", "fp32", path));
    BCL_TRY(bcl_precision_find(&precision, r->precision));
    BCL_TRY(bcl_json_bool(&r->recompute, k->run, "recompute", false, path));
    BCL_TRY(bcl_json_text(&folder, k->run, "model_folder", "", path));
    BCL_TRY(read_data(k, k->run, path));
    BCL_TRY(read_labels(k, k->run, path));
    BCL_TRY(read_class_weights(k, k->run, path));
    BCL_TRY(bcl_run_kept_set(k, device, gemm, r->precision, folder));
out:
    return status;
}

bcl_status bcl_run_kept_set(bcl_run_kept *k, const char *device, const char *gemm,
                            const char *precision, const char *model_folder) {
    bcl_status status = BCL_OK;
    bcl_run_record *r = &k->record;
    char *other_gemm = NULL, *other_folder = NULL;
    BCL_TRY(bcl_strdup(&other_gemm, gemm));
    BCL_TRY(bcl_strdup(&other_folder, model_folder));
    free(k->gemm);
    free(k->model_folder);
    k->gemm = other_gemm;
    k->model_folder = other_folder;
    other_gemm = other_folder = NULL;
    snprintf(k->device, sizeof k->device, "%s", device);
    r->device = k->device;
    r->gemm = k->gemm;
    r->precision = precision;
    r->model_folder = k->model_folder;
    r->model_sha256 = k->model_sha256;
    r->vocabulary_sha256 = k->vocabulary_sha256;
out:
    free(other_gemm);
    free(other_folder);
    return status;
}

bcl_status bcl_run_kept_set_labels(bcl_run_kept *k, char *const *labels, size_t count) {
    bcl_status status = BCL_OK;
    BCL_NEW(k->labels, count);
    for (size_t i = 0; i < count; i++) {
        BCL_TRY(bcl_strdup(&k->labels[i], labels[i]));
        k->record.label_count++;
    }
    k->record.labels = (const char *const *)k->labels;
out:
    return status;
}

/* ---- results.json ---- */

/* Which epoch best/ is of, and why. */
static cJSON *selection_json(const bcl_run_record *r) {
    cJSON *json = cJSON_CreateObject();
    const char *by = r->options->select ? r->options->select : "entity-f1";
    cJSON_AddStringToObject(json, "on", "dev");
    cJSON_AddStringToObject(json, "by", by);
    cJSON_AddNumberToObject(json, "epoch", (double)r->best_epoch);
    cJSON_AddNumberToObject(json, "step", (double)r->best_step);
    cJSON_AddNumberToObject(json, "epochs", (double)r->last_epoch);
    cJSON_AddBoolToObject(json, "stopped_early", r->stopped_early);
    return json;
}

bcl_status bcl_run_results_write(bcl_run_kept *k, const char *path) {
    bcl_status status = BCL_OK;
    const bcl_run_record *r = &k->record;
    cJSON *json = cJSON_CreateObject(), *train = cJSON_AddObjectToObject(json, "train"),
          *eval = NULL, *dev = NULL, *profile;
    cJSON_AddNumberToObject(train, "loss", r->loss);
    cJSON_AddNumberToObject(train, "tokens_per_s", r->tokens_per_s);
    cJSON_AddNumberToObject(train, "steps", (double)r->steps);
    if (r->loss_scale > 0) {
        cJSON_AddNumberToObject(train, "loss_scale", r->loss_scale);
        cJSON_AddNumberToObject(train, "skipped_steps", (double)r->skipped_steps);
    }
    if (r->evaluated) {
        BCL_TRY(bcl_evaluation_json(&eval, &k->evaluation));
        bcl_json_put(json, "eval", eval);
    }
    if (r->selected) {
        BCL_TRY(bcl_evaluation_json(&dev, &k->dev_evaluation));
        cJSON_AddItemToObject(json, "dev", dev);
        cJSON_AddItemToObject(json, "selection", selection_json(r));
    }
    cJSON_AddNumberToObject(json, "peak_rss_mb", r->peak_rss_mb);
    cJSON_AddStringToObject(json, "device", r->device);
    cJSON_AddStringToObject(json, "gemm", r->gemm);
    cJSON_AddStringToObject(json, "precision", r->precision);
    if (r->options->group)
        cJSON_AddItemToObject(json, "devices",
                              r->options->group->devices(r->options->group->context));
    cJSON_AddNumberToObject(json, "seed", (double)r->options->seed);
    if ((profile = bcl_run_profile_json(&k->profile)))
        bcl_json_put(json, "profile", profile);
    BCL_TRY(bcl_json_write(json, path));
out:
    cJSON_Delete(json);
    return status;
}

static bcl_status read_figure(double *out, const cJSON *object, const char *key, const char *path) {
    bcl_status status = bcl_json_double(out, object, key, NAN, path);
    if (!status && !(*out >= 0)) /* none of them is negative */
        status = bcl_fail(BCL_ERROR_FORMAT,
                          "%s: \"%s\": found no number from 0 on; the file is damaged: remove it, "
                          "and --resume makes it again from the last checkpoint",
                          path, key);
    return status;
}

static bcl_status read_selected(bcl_run_record *r, const cJSON *results, const char *path) {
    bcl_status status = BCL_OK;
    const cJSON *dev = cJSON_GetObjectItemCaseSensitive(results, "dev"),
                *report = cJSON_GetObjectItemCaseSensitive(dev, "report"),
                *entities = cJSON_GetObjectItemCaseSensitive(dev, "entities"),
                *how = cJSON_GetObjectItemCaseSensitive(results, "selection");
    double step, epoch, epochs;
    BCL_TRY(read_figure(&r->dev_loss, dev, "loss", path));
    BCL_TRY(read_figure(&r->dev_accuracy, dev, "accuracy", path));
    BCL_TRY(read_figure(&r->dev_macro_f1, cJSON_GetObjectItemCaseSensitive(report, "macro avg"),
                        "f1-score", path));
    BCL_TRY(read_figure(&r->dev_entity_f1, cJSON_GetObjectItemCaseSensitive(entities, "micro avg"),
                        "f1-score", path));
    BCL_TRY(read_figure(&step, how, "step", path));
    BCL_TRY(read_figure(&epoch, how, "epoch", path));
    BCL_TRY(read_figure(&epochs, how, "epochs", path));
    BCL_TRY(bcl_json_bool(&r->stopped_early, how, "stopped_early", false, path));
    r->best_step = (int64_t)step;
    r->best_epoch = (int64_t)epoch;
    r->last_epoch = (int64_t)epochs;
    r->selected = true;
out:
    return status;
}

bcl_status bcl_run_results_read(bcl_run_kept *k, const char *path) {
    bcl_status status = BCL_OK;
    bcl_run_record *r = &k->record;
    double steps;
    BCL_TRY(bcl_json_read_own(&k->results, path));
    const cJSON *train = cJSON_GetObjectItemCaseSensitive(k->results, "train"),
                *eval = cJSON_GetObjectItemCaseSensitive(k->results, "eval"),
                *report = cJSON_GetObjectItemCaseSensitive(eval, "report"),
                *macro = cJSON_GetObjectItemCaseSensitive(report, "macro avg"),
                *entities = cJSON_GetObjectItemCaseSensitive(eval, "entities"),
                *micro = cJSON_GetObjectItemCaseSensitive(entities, "micro avg");
    BCL_TRY(read_figure(&steps, train, "steps", path));
    BCL_TRY(read_figure(&r->loss, train, "loss", path));
    BCL_TRY(read_figure(&r->tokens_per_s, train, "tokens_per_s", path));
    BCL_TRY(read_figure(&r->peak_rss_mb, k->results, "peak_rss_mb", path));
    r->steps = (int64_t)steps;
    BCL_TRY(bcl_json_double(&r->loss_scale, train, "loss_scale", 0, path));
    BCL_TRY(bcl_json_int(&r->skipped_steps, train, "skipped_steps", 0, 0, (int64_t)1 << 53, path));
    if (r->test.sentences) {
        BCL_TRY(read_figure(&r->eval_loss, eval, "loss", path));
        BCL_TRY(read_figure(&r->eval_accuracy, eval, "accuracy", path));
        BCL_TRY(read_figure(&r->eval_macro_f1, macro, "f1-score", path));
        r->eval_entity_f1 = -1; /* runs of before have none */
        if (entities)
            BCL_TRY(read_figure(&r->eval_entity_f1, micro, "f1-score", path));
        r->evaluated = true;
    }
    if (r->dev.sentences)
        BCL_TRY(read_selected(r, k->results, path));
    r->complete = true;
out:
    return status;
}
