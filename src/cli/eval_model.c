/* bertcl eval's model part: a checkpoint's predictions on a data set as labelled sentences. */
#include "cli/eval_command.h"

#include "eval/words.h"
#include "session/session.h"

#include <cjson/cJSON.h>

struct eval_model {
    bcl_session *session;
    bcl_pool *pool; /* with --devices */
    bcl_cli_session telling;
    size_t max_length, stride; /* pieces */
};

/* What wants the logits of every sentence. */
typedef struct logits {
    float **items; /* by sentence; NULL: --logits is not asked for */
    size_t count, K;
    bcl_word_reader *words; /* NULL: nothing is read of words */
} logits;

static bcl_status take_logits(void *context, size_t sentence, const float *values, int length) {
    bcl_status status = BCL_OK;
    logits *l = context;
    const size_t count = (size_t)length * l->K;
    if (l->items) {
        BCL_NEW(l->items[sentence], count);
        memcpy(l->items[sentence], values, count * sizeof *values);
    }
    if (l->words)
        BCL_TRY(bcl_word_reader_take(l->words, sentence, values, length));
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
    BCL_NEW(m, 1);
    m->telling = (bcl_cli_session){.quiet = o->quiet, .tell_unused = true};
    const bcl_session_options options = {.model = path,
                                         .device = o->device_id,
                                         .gemm = o->gemm,
                                         .precision = o->precision,
                                         .beside = beside && !beside->pool ? beside->session : NULL,
                                         .tune = true,
                                         .listener = bcl_cli_session_told,
                                         .context = &m->telling};
    BCL_TRY(bcl_session_prepare(&m->session, &options));
    BCL_TRY(bcl_sequence_limit(&m->max_length, (size_t)o->max_length, &m->session->config,
                               m->session->tokenizer));
    BCL_TRY(bcl_window_stride(&m->stride, (size_t)o->stride, m->max_length));
    if (o->pool.devices)
        BCL_TRY(bcl_cli_pool_open(&m->pool, &o->pool, m->session));
    else
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
    bcl_pool_free(model->pool);
    bcl_session_free(model->session);
    free(model);
}

static const char *const *labels_of(const eval_model *m) {
    return (const char *const *)m->session->config.label_names;
}

/* As the model was trained, unless the command line says otherwise. */
static bcl_label_pieces label_pieces(const eval_options *o, const eval_model *m) {
    if (!o->label_pieces)
        return m->session->config.label_pieces;
    return strcmp(o->label_pieces, "first") ? BCL_LABEL_ALL : BCL_LABEL_FIRST;
}

/* A data set on its way through a model. */
typedef struct reading {
    bcl_corpus *corpus;
    bcl_dataset data;
    int32_t *ids, *predicted;
    bcl_transitions transitions;
    bcl_predictions predictions;
    bcl_word_reader words;
    logits logits;
} reading;

static void free_reading(reading *x) {
    for (size_t i = 0; i < x->logits.count; i++)
        free(x->logits.items[i]);
    free(x->logits.items);
    free(x->ids);
    free(x->predicted);
    bcl_word_reader_free(&x->words);
    bcl_transitions_free(&x->transitions);
    bcl_dataset_free(&x->data);
    bcl_corpus_free(x->corpus);
}

static bcl_status read_data(reading *x, const eval_options *o, const eval_model *m,
                            const char *const *paths, size_t count) {
    bcl_status status = BCL_OK;
    const size_t K = (size_t)m->session->config.labels;
    bcl_tag_map *map = NULL;
    BCL_TRY(bcl_cli_read(&map, &x->corpus, &(bcl_texts){paths, count}, 1, &o->reading, false,
                         o->quiet));
    BCL_NEW(x->ids, bcl_corpus_tag_count(x->corpus));
    BCL_TRY(bcl_corpus_label_ids(x->ids, x->corpus, labels_of(m), K));
    BCL_TRY(bcl_dataset_encode(&x->data, x->corpus, NULL, bcl_corpus_size(x->corpus),
                               m->session->tokenizer, x->ids, o->windows ? 0 : m->max_length,
                               label_pieces(o, m)));
    BCL_NEW(x->predicted, x->data.pieces);
    x->logits.K = K;
    x->predictions = (bcl_predictions){.corpus = x->corpus,
                                       .data = &x->data,
                                       .predicted = x->predicted,
                                       .tokenizer = m->session->tokenizer,
                                       .names = labels_of(m),
                                       .K = K,
                                       .outside = "O"};
out:
    bcl_tag_map_free(map);
    return status;
}

/* The scheme of the model's own labels: what may be predicted does not depend on the data. */
static bcl_status make_transitions(reading *x, const eval_options *o, const eval_model *m) {
    const size_t K = (size_t)m->session->config.labels;
    bcl_scheme scheme =
        bcl_scheme_detect(&(bcl_scheme_evidence){.names = labels_of(m), .K = K, .model = K});
    if (o->scheme_given && strcmp(o->scheme, "auto")) {
        bcl_status status = bcl_scheme_find(&scheme, o->scheme);
        if (status)
            return status;
    }
    return bcl_transitions_create(&x->transitions, scheme, labels_of(m), K);
}

/* What an evaluation has taken is given up. */
static void forget_taken(reading *x) {
    for (size_t i = 0; i < x->logits.count; i++) {
        free(x->logits.items[i]);
        x->logits.items[i] = NULL;
    }
    x->words.word_count = 0;
    if (x->words.calibration)
        bcl_calibration_free(x->words.calibration);
}

static bcl_status evaluate(bcl_evaluation *out, reading *x, const eval_options *o, eval_model *m) {
    bcl_status status = BCL_OK;
    const bool sink = x->logits.items || x->words.transitions || x->words.calibration;
    x->words.predictions = &x->predictions;
    x->words.label_ids = x->ids;
    x->logits.words = x->words.transitions || x->words.calibration ? &x->words : NULL;
    const bcl_evaluate_options options = {.sentences = (size_t)o->batch,
                                          .tokens = (size_t)o->max_tokens,
                                          .max_length = m->max_length,
                                          .stride = m->stride,
                                          .sink = sink ? take_logits : NULL,
                                          .context = &x->logits,
                                          .predicted = x->predicted,
                                          .remote = m->session->remote,
                                          .stop = m->pool ? bcl_pool_doubtful(m->pool) : NULL};
    bcl_pool_findings found = {0};
    for (;;) { /* each time with a device less */
        status = bcl_evaluate(out, m->session->model, &x->data, labels_of(m),
                              (size_t)m->session->config.labels, &options);
        const bool stopped = options.stop && *options.stop && !bcl_interrupted();
        if (status && !(status == BCL_ERROR_INTERRUPTED && stopped))
            return status;
        if (m->pool && !stopped)
            BCL_TRY(bcl_pool_settle(&found, m->pool));
        if (!stopped && !found.doubtful)
            break;
        if (!o->quiet)
            fputs("bertcl: answers of it were counted: the evaluation begins anew\n", stderr);
        bcl_evaluation_free(out);
        forget_taken(x);
    }
out:
    if (status)
        bcl_evaluation_free(out);
    return status;
}

/* Without a level accuracy and report are of pieces, as in training, and entities of words. */
static bcl_status make_labels(eval_result *out, const eval_options *o, const bcl_predictions *p) {
    bcl_status status = BCL_OK;
    const bool pieces = o->level && !strcmp(o->level, "piece");
    if (!o->level)
        BCL_TRY(bcl_labels_of_pieces(&out->pieces, p));
    BCL_TRY(pieces ? bcl_labels_of_pieces(&out->labels, p)
                   : bcl_labels_of_words(&out->labels, &out->words_without_piece, p));
out:
    return status;
}

bcl_status eval_model_run(eval_result *out, const eval_options *o, eval_model *m,
                          const char *const *paths, size_t count) {
    bcl_status status = BCL_OK;
    reading x = {0};
    BCL_TRY(read_data(&x, o, m, paths, count));
    out->words_without_piece = x.data.words_without_piece;
    bcl_cli_tell_dataset(&x.data, "test", o->quiet);
    if (x.data.words_cut && !o->quiet && (o->json || o->table)) /* else it stands in the result */
        fprintf(stderr, EVAL_CUT "\n", x.data.words_cut, x.data.sentences_cut, m->max_length);
    if (o->logits_path) {
        BCL_NEW(x.logits.items, x.data.count);
        x.logits.count = x.data.count;
    }
    if (o->constrain) {
        BCL_TRY(make_transitions(&x, o, m));
        x.words.transitions = &x.transitions;
    }
    BCL_TRY(evaluate(&out->evaluation, &x, o, m));
    out->has_evaluation = true;
    out->max_length = m->max_length;
    out->device = bcl_session_device(m->session);
    out->precision = bcl_session_precision(m->session);
    out->label_pieces = label_pieces(o, m) == BCL_LABEL_FIRST ? "first" : "all";
    out->model_labels = (size_t)m->session->config.labels;
    out->model = m;
    if (o->logits_path)
        BCL_TRY(write_logits(&x.logits, o->logits_path, &x.data));
    x.predictions.decoded = x.words.decoded;
    BCL_TRY(make_labels(out, o, &x.predictions));
    out->corpus = x.corpus; /* words of the labels point into it */
    x.corpus = NULL;
out:
    free_reading(&x);
    return status;
}

static void print_calibrated(const bcl_calibrated *c, const eval_options *o, const char *path) {
    if (o->quiet)
        return;
    fprintf(stderr,
            "calibrated on %zu words: temperature %.4f, loss %.6f -> %.6f, calibration error %.4f "
            "-> %.4f; written to %s\n",
            c->words, c->temperature, c->loss_before, c->loss, c->error_before, c->error, path);
    if (c->left_out)
        fprintf(stderr, "%zu words beyond 256 MiB of logits were left out\n", c->left_out);
}

bcl_status eval_model_calibrate(const eval_options *o, eval_model *m) {
    bcl_status status = BCL_OK;
    reading x = {0};
    bcl_calibration c = {0};
    bcl_calibrated result;
    bcl_evaluation evaluation = {0};
    char *path = NULL;
    BCL_TRY(bcl_path_join(&path, m->session->folder, "config.json"));
    BCL_TRY(read_data(&x, o, m, o->calibrate.items, o->calibrate.count));
    x.words.calibration = &c;
    BCL_TRY(evaluate(&evaluation, &x, o, m));
    BCL_TRY(bcl_calibration_fit(&result, &c));
    BCL_TRY(bcl_config_set_temperature(m->session->folder, result.temperature));
    m->session->config.temperature = result.temperature;
    print_calibrated(&result, o, path);
out:
    free(path);
    bcl_evaluation_free(&evaluation);
    bcl_calibration_free(&c);
    free_reading(&x);
    return status;
}
