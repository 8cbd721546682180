/* bertcl eval: a model's scores on labelled data. */
#include "cli/cli.h"
#include "eval/evaluate.h"

#include <cjson/cJSON.h>

static const bcl_command command = {
    "eval", "--model DIR --data PATH… [OPTION…]",
    "Scores a Hugging Face token classifier on CoNLL data: loss, token accuracy over labelled "
    "pieces, and scikit-learn's classification report.",
    "--logits writes a safetensors file with a tensor logits.N of shape (pieces, labels) for each "
    "sentence, [CLS] and [SEP] included, numbered from 0 in input order."};

typedef struct job {
    bcl_list data;
    bcl_cli_maps maps;
    const char *model_path, *device_id, *gemm, *logits_path, *label_pieces;
    int64_t max_length, batch, tag_column, digits;
    bool json, quiet;
    bcl_tag_map *map;
    bcl_corpus *corpus;
    bcl_config config;
    bcl_tokenizer *tokenizer;
    bcl_dataset dataset;
    bcl_device *device;
    bcl_model *model;
    float **logits; /* by sentence */
} job;

static bcl_status keep_logits(void *context, size_t sentence, const float *logits, int length) {
    bcl_status status = BCL_OK;
    job *j = context;
    const size_t count = (size_t)length * (size_t)j->config.labels;
    BCL_NEW(j->logits[sentence], count);
    memcpy(j->logits[sentence], logits, count * sizeof *logits);
out:
    return status;
}

static bcl_status write_logits(const job *j) {
    bcl_status status = BCL_OK;
    bcl_tensor *tensors = NULL;
    char(*names)[32] = NULL;
    const size_t n = j->dataset.count, K = (size_t)j->config.labels;
    BCL_NEW(tensors, n);
    BCL_NEW(names, n);
    for (size_t i = 0; i < n; i++) {
        const size_t length = (size_t)j->dataset.samples[i].length;
        snprintf(names[i], sizeof names[i], "logits.%zu", i);
        tensors[i] = (bcl_tensor){.name = names[i],
                                  .dtype = BCL_F32,
                                  .rank = 2,
                                  .shape = {(int64_t)length, (int64_t)K},
                                  .data = j->logits[i],
                                  .bytes = length * K * sizeof(float)};
    }
    BCL_TRY(bcl_safetensors_write(j->logits_path, tensors, n, NULL, 0));
out:
    free(tensors);
    free(names);
    return status;
}

static bcl_status load(job *j) {
    bcl_status status = BCL_OK;
    bcl_load_report report = {0};
    int32_t *ids = NULL;
    BCL_TRY(bcl_config_read(&j->config, j->model_path));
    BCL_TRY(bcl_tokenizer_load(&j->tokenizer, j->model_path));
    if (bcl_tokenizer_size(j->tokenizer) > (size_t)j->config.vocabulary)
        BCL_FAIL(BCL_ERROR_FORMAT,
                 "%s: the tokenizer has %zu pieces, the model's vocabulary_size is %d",
                 j->model_path, bcl_tokenizer_size(j->tokenizer), j->config.vocabulary);
    if (j->max_length > j->config.positions)
        BCL_FAIL(BCL_ERROR_ARGUMENT, "--max-length: found %lld, the model has %d positions",
                 (long long)j->max_length, j->config.positions);
    size_t longest =
        j->max_length ? (size_t)j->max_length : bcl_tokenizer_model_max_length(j->tokenizer);
    if (longest > (size_t)j->config.positions)
        longest = (size_t)j->config.positions;
    BCL_TRY(bcl_cli_map_create(&j->map, &j->maps));
    const bcl_corpus_options options = {j->map, (size_t)j->tag_column};
    BCL_TRY(bcl_corpus_read(&j->corpus, j->data.items, j->data.count, &options));
    BCL_NEW(ids, bcl_corpus_tag_count(j->corpus));
    BCL_TRY(bcl_corpus_label_ids(ids, j->corpus, (const char *const *)j->config.label_names,
                                 (size_t)j->config.labels));
    BCL_TRY(bcl_dataset_encode(&j->dataset, j->corpus, NULL, bcl_corpus_size(j->corpus),
                               j->tokenizer, ids, longest,
                               strcmp(j->label_pieces, "first") ? BCL_LABEL_ALL : BCL_LABEL_FIRST));
    if (j->dataset.words_cut && !j->quiet)
        fprintf(stderr, "data: %zu words of %zu sentences are beyond %zu pieces and were cut\n",
                j->dataset.words_cut, j->dataset.sentences_cut, longest);
    BCL_TRY(bcl_device_open(&j->device, j->device_id, false));
    BCL_TRY(bcl_model_load(&j->model, j->device, &j->config, j->model_path, j->gemm, false, 0,
                           &report));
    for (size_t i = 0; i < report.unused_count && !j->quiet; i++)
        fprintf(stderr, "model: %s is not used\n", report.unused[i]);
out:
    free(ids);
    bcl_load_report_free(&report);
    return status;
}

static bcl_status print(const job *j, const bcl_evaluation *e) {
    bcl_status status = BCL_OK;
    cJSON *json = NULL;
    char *text = NULL;
    if (j->json) {
        BCL_TRY(bcl_evaluation_json(&json, e));
        cJSON_AddNumberToObject(json, "peak_rss_mb", bcl_peak_rss_mb());
        cJSON_AddStringToObject(json, "device", bcl_device_about(j->device)->id);
        BCL_TRY(bcl_json_print(&text, json));
        printf("%s\n", text);
    } else {
        BCL_TRY(bcl_report_text(&text, e->report, (int)j->digits));
        printf("loss %.6f, accuracy %.6f, %zu sentences, %zu labelled pieces, %.0f tokens/s\n\n%s",
               e->loss, e->accuracy, e->sentences, e->labelled, e->tokens_per_s, text);
    }
out:
    cJSON_Delete(json);
    free(text);
    return status;
}

static bcl_status run_job(job *j) {
    bcl_status status = BCL_OK;
    bcl_evaluation evaluation = {0};
    BCL_TRY(load(j));
    if (j->logits_path)
        BCL_NEW(j->logits, j->dataset.count);
    bcl_interrupt_catch();
    const bcl_evaluate_options options = {
        .sentences = (size_t)j->batch, .sink = j->logits_path ? keep_logits : NULL, .context = j};
    BCL_TRY(bcl_evaluate(&evaluation, j->model, &j->dataset,
                         (const char *const *)j->config.label_names, (size_t)j->config.labels,
                         &options));
    if (j->logits_path)
        BCL_TRY(write_logits(j));
    BCL_TRY(print(j, &evaluation));
out:
    bcl_evaluation_free(&evaluation);
    return status;
}

static void free_job(job *j) {
    for (size_t i = 0; j->logits && i < j->dataset.count; i++)
        free(j->logits[i]);
    free(j->logits);
    bcl_model_free(j->model);
    bcl_device_free(j->device);
    bcl_dataset_free(&j->dataset);
    bcl_tokenizer_free(j->tokenizer);
    bcl_config_free(&j->config);
    bcl_corpus_free(j->corpus);
    bcl_tag_map_free(j->map);
    bcl_list_free(&j->data);
    bcl_list_free(&j->maps.rules);
}

int bcl_cli_eval(int argc, char **argv) {
    job j = {.label_pieces = "all", .digits = 4};
    const bcl_option options[] = {
        {BCL_OPTION_TEXT, "model", &j.model_path, "DIR", "Hugging Face folder", .min = 0},
        {BCL_OPTION_LIST, "data", &j.data, "PATH…", "CoNLL files, or folders of them", .min = 0},
        BCL_CLI_MAP_OPTIONS(j.maps),
        {BCL_OPTION_INT, "tag-column", &j.tag_column, "N",
         "the tag's column, from 2; default: the last that is not empty", .min = 2, .max = 1e6},
        {BCL_OPTION_TEXT, "label-pieces", &j.label_pieces, "all|first",
         "which pieces of a word carry its label; default all", .choices = "all|first"},
        {BCL_OPTION_INT, "max-length", &j.max_length, "N",
         "longest sentence in pieces, the rest is cut and counted; default: what the model takes",
         .min = 3, .max = 1e6},
        {BCL_OPTION_INT, "eval-batch", &j.batch, "N",
         "sentences a batch; default: by tokens. Results do not depend on it", .min = 1,
         .max = 1e6},
        {BCL_OPTION_TEXT, "device", &j.device_id, "ID",
         "see bertcl devices; default: the first GPU, else CPU", .min = 0},
        {BCL_OPTION_TEXT, "gemm", &j.gemm, "NAME",
         "matrix products by clblast, tile or reference; default: the device's best", .min = 0},
        {BCL_OPTION_INT, "digits", &j.digits, "N", "of the report; default 4", .min = 0, .max = 30},
        {BCL_OPTION_TEXT, "logits", &j.logits_path, "FILE", "write all logits as safetensors",
         .min = 0},
        {BCL_OPTION_FLAG, "json", &j.json, NULL, "print the results as JSON", .min = 0},
        {BCL_OPTION_FLAG, "quiet", &j.quiet, NULL, "no messages", .min = 0},
        {.kind = BCL_OPTION_END},
    };
    int code = bcl_options_parse(&command, options, argc, argv, 1);
    if (code < 0 && !j.model_path)
        code = bcl_cli_usage(&command, "--model is needed");
    if (code < 0 && !j.data.count)
        code = bcl_cli_usage(&command, "--data is needed");
    if (code < 0) {
        bcl_status status = run_job(&j);
        code = status ? bcl_cli_error(status) : BCL_EXIT_OK;
    }
    free_job(&j);
    return code;
}
