/* bertcl eval's model part: a checkpoint's predictions on a data set as labelled sentences. */
#include "cli/eval_command.h"

#include "eval/predictions.h"
#include "session/session.h"

#include <cjson/cJSON.h>

struct eval_model {
    bcl_session *session;
    size_t max_length, stride; /* pieces */
};

typedef struct logits {
    float **items; /* by sentence */
    size_t count, K;
} logits;

static bcl_status keep_logits(void *context, size_t sentence, const float *values, int length) {
    bcl_status status = BCL_OK;
    logits *l = context;
    const size_t count = (size_t)length * l->K;
    BCL_NEW(l->items[sentence], count);
    memcpy(l->items[sentence], values, count * sizeof *values);
out:
    return status;
}

static bcl_status write_logits(const logits *l, const char *path, const bcl_dataset *data) {
    bcl_status status = BCL_OK;
    bcl_tensor *tensors = NULL;
    char(*names)[32] = NULL;
    BCL_NEW(tensors, l->count);
    BCL_NEW(names, l->count);
    for (size_t i = 0; i < l->count; i++) {
        const size_t length = (size_t)data->samples[i].length;
        snprintf(names[i], sizeof names[i], "logits.%zu", i);
        tensors[i] = (bcl_tensor){.name = names[i],
                                  .dtype = BCL_F32,
                                  .rank = 2,
                                  .shape = {(int64_t)length, (int64_t)l->K},
                                  .data = l->items[i],
                                  .bytes = length * l->K * sizeof(float)};
    }
    BCL_TRY(bcl_safetensors_write(path, tensors, l->count, NULL, 0));
out:
    free(tensors);
    free(names);
    return status;
}

bcl_status eval_model_load(eval_model **out, const eval_model *beside, const eval_options *o,
                           const char *path) {
    bcl_status status = BCL_OK;
    eval_model *m = NULL;
    bcl_cli_session telling = {.quiet = o->quiet, .tell_unused = true};
    const bcl_session_options options = {.model = path,
                                         .device = o->device_id,
                                         .gemm = o->gemm,
                                         .precision = o->precision,
                                         .beside = beside ? beside->session : NULL,
                                         .tune = true,
                                         .listener = bcl_cli_session_told,
                                         .context = &telling};
    BCL_NEW(m, 1);
    BCL_TRY(bcl_session_prepare(&m->session, &options));
    BCL_TRY(bcl_sequence_limit(&m->max_length, (size_t)o->max_length, &m->session->config,
                               m->session->tokenizer));
    BCL_TRY(bcl_window_stride(&m->stride, (size_t)o->stride, m->max_length));
    BCL_TRY(bcl_session_load(m->session, BCL_SESSION_FOR_INFERENCE, 0));
    bcl_session_listen(m->session, NULL, NULL);
    *out = m;
    m = NULL;
out:
    eval_model_free(m);
    return status;
}

void eval_model_free(eval_model *model) {
    if (!model)
        return;
    bcl_session_free(model->session);
    free(model);
}

static bcl_status encode(bcl_dataset *out, const bcl_corpus *corpus, const eval_options *o,
                         const eval_model *m) {
    bcl_status status = BCL_OK;
    const bcl_config *config = &m->session->config;
    int32_t *ids = NULL;
    BCL_NEW(ids, bcl_corpus_tag_count(corpus));
    BCL_TRY(bcl_corpus_label_ids(ids, corpus, (const char *const *)config->label_names,
                                 (size_t)config->labels));
    BCL_TRY(bcl_dataset_encode(out, corpus, NULL, bcl_corpus_size(corpus), m->session->tokenizer,
                               ids, o->windows ? 0 : m->max_length,
                               strcmp(o->label_pieces, "first") ? BCL_LABEL_ALL : BCL_LABEL_FIRST));
    if (out->words_cut && !o->quiet && (o->json || o->table)) /* else it stands in the result */
        fprintf(stderr, EVAL_CUT "\n", out->words_cut, out->sentences_cut, m->max_length);
out:
    free(ids);
    return status;
}

static bcl_status make_labels(eval_result *out, const eval_options *o, const eval_model *m,
                              const bcl_dataset *data, const int32_t *predicted) {
    const bcl_config *config = &m->session->config;
    const bcl_predictions p = {.corpus = out->corpus,
                               .data = data,
                               .predicted = predicted,
                               .tokenizer = m->session->tokenizer,
                               .names = (const char *const *)config->label_names,
                               .K = (size_t)config->labels,
                               .outside = "O"};
    if (!o->level || strcmp(o->level, "word"))
        return bcl_labels_of_pieces(&out->labels, &p);
    return bcl_labels_of_words(&out->labels, &out->words_without_piece, &p);
}

bcl_status eval_model_run(eval_result *out, const eval_options *o, eval_model *m,
                          const char *const *paths, size_t count) {
    bcl_status status = BCL_OK;
    bcl_tag_map *map = NULL;
    bcl_dataset data = {0};
    int32_t *predicted = NULL;
    const bcl_config *config = &m->session->config;
    logits kept = {.K = (size_t)config->labels};
    BCL_TRY(bcl_cli_map_create(&map, &o->maps));
    const bcl_corpus_options reading = {map, (size_t)o->tag_column};
    BCL_TRY(bcl_corpus_read(&out->corpus, paths, count, &reading));
    BCL_TRY(encode(&data, out->corpus, o, m));
    BCL_NEW(predicted, data.pieces);
    if (o->logits_path) {
        BCL_NEW(kept.items, data.count);
        kept.count = data.count;
    }
    const bcl_evaluate_options options = {.sentences = (size_t)o->batch,
                                          .tokens = (size_t)o->max_tokens,
                                          .max_length = m->max_length,
                                          .stride = m->stride,
                                          .sink = o->logits_path ? keep_logits : NULL,
                                          .context = &kept,
                                          .predicted = predicted};
    BCL_TRY(bcl_evaluate(&out->evaluation, m->session->model, &data,
                         (const char *const *)config->label_names, (size_t)config->labels,
                         &options));
    out->has_evaluation = true;
    out->max_length = m->max_length;
    out->device = bcl_session_device(m->session);
    out->precision = bcl_session_precision(m->session);
    out->model = m;
    if (o->logits_path)
        BCL_TRY(write_logits(&kept, o->logits_path, &data));
    BCL_TRY(make_labels(out, o, m, &data, predicted));
out:
    for (size_t i = 0; i < kept.count; i++)
        free(kept.items[i]);
    free(kept.items);
    free(predicted);
    bcl_dataset_free(&data);
    bcl_tag_map_free(map);
    return status;
}
