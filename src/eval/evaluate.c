/* Runs a model over a data set, batch behind batch, and counts. What it runs over are windows, of
 * which a sentence that fits is one; every row of a sentence is taken from one of them. */
#include "eval/evaluate.h"

#include "model/pipeline.h"

#include <cjson/cJSON.h>

/* Enough tokens to keep a device busy; more only costs memory. */
enum { BATCH_TOKENS = 1024 };

typedef struct run {
    const bcl_dataset *data;
    const bcl_evaluate_options *options;
    bcl_windows windows;
    float *joined; /* (longest sentence,K) logits, with a sink */
    bcl_counts *counts;
    int K;
    double loss;
    size_t labelled, right;
    uint32_t *which;
    size_t *first; /* (slots) window of the slot's batch */
    bcl_pipeline *pipeline;
} run;

/* Puts what window i of a batch says where its sentence wants it. */
static bcl_status take_part(run *r, const bcl_slot *s, int i) {
    const bcl_part *p = &r->windows.parts[r->first[s->index] + (size_t)i];
    const bcl_sample *x = &r->data->samples[p->sentence];
    const size_t row = (size_t)(s->batch.starts[i] + p->first), n = (size_t)(p->last - p->first);
    const size_t at = (size_t)p->at, K = (size_t)r->K;
    /* a sample's ids stand behind the ids and labels of those before it */
    if (r->options->predicted)
        memcpy(r->options->predicted + (x->ids - r->data->storage) / 2 + at, s->predicted + row,
               n * sizeof *s->predicted);
    if (!r->options->sink)
        return BCL_OK;
    memcpy(r->joined + at * K, s->logits + row * K, n * K * sizeof *s->logits);
    return at + n < (size_t)x->length
               ? BCL_OK
               : r->options->sink(r->options->context, p->sentence, r->joined, x->length);
}

/* Figures of a model whose values overflow would say nothing. */
static bcl_status check_finite(const run *r, const bcl_slot *s) {
    bcl_status status = BCL_OK;
    const size_t T = (size_t)s->batch.T, K = (size_t)r->K;
    char place[BCL_MODEL_PLACE];
    const bool loss = bcl_floats_finite(s->row_loss, T) == T;
    if (loss && (!s->logits || bcl_floats_finite(s->logits, T * K) == T * K))
        return BCL_OK;
    const bcl_part *p = &r->windows.parts[r->first[s->index]];
    BCL_TRY(bcl_pipeline_find_overflow(place, r->pipeline, s));
    BCL_FAIL(BCL_ERROR_DEVICE,
             "evaluation: the %s not finite in the batch that begins with sentence %zu; the first "
             "values that are not are %s: the model's weights are too large for its precision",
             loss ? "logits are" : "loss is", p->sentence + 1, place);
out:
    return status;
}

/* Counts a batch. */
static bcl_status collect(void *context, bcl_slot *s) {
    bcl_status status = BCL_OK;
    run *r = context;
    const bcl_batch *b = &s->batch;
    BCL_TRY(check_finite(r, s));
    for (int t = 0; t < b->T; t++)
        if (b->labels[t] >= 0) {
            r->loss += (double)s->row_loss[t];
            r->right += s->predicted[t] == b->labels[t];
            r->labelled++;
        }
    BCL_TRY(bcl_counts_add(r->counts, b->labels, s->predicted, (size_t)b->T));
    for (int i = 0; i < b->B; i++)
        BCL_TRY(take_part(r, s, i));
out:
    return status;
}

static bcl_status start(run *r, size_t first, size_t n) {
    bcl_status status = BCL_OK;
    bcl_slot *s;
    BCL_TRY(bcl_pipeline_next(&s, r->pipeline));
    if (bcl_interrupted() || (r->options->stop && *r->options->stop))
        BCL_FAIL(BCL_ERROR_INTERRUPTED, "interrupted while evaluating");
    for (size_t i = 0; i < n; i++)
        r->which[i] = (uint32_t)(first + i);
    r->first[s->index] = first;
    BCL_TRY(bcl_batch_pack(&s->batch, r->windows.data.samples, r->which, (int)n, NULL));
    BCL_TRY(bcl_pipeline_compute(r->pipeline));
out:
    return status;
}

static size_t batch_tokens(const run *r) {
    return r->options->sentences || r->options->tokens ? r->options->tokens : BATCH_TOKENS;
}

/* The largest batch, so that everything is allocated once. */
static void measure(const run *r, size_t *tokens, size_t *sentences) {
    const bcl_dataset *data = &r->windows.data;
    *tokens = *sentences = 0;
    for (size_t i = 0, n, t; i < data->count; i += n) {
        n = bcl_dataset_take(data, NULL, i, data->count, r->options->sentences, batch_tokens(r),
                             &t);
        *tokens = t > *tokens ? t : *tokens;
        *sentences = n > *sentences ? n : *sentences;
    }
}

static bcl_status run_batches(run *r, bcl_evaluation *out) {
    bcl_status status = BCL_OK;
    const bcl_dataset *data = &r->windows.data;
    double begin = bcl_seconds();
    size_t timed = data->pieces, batches = 0;
    for (size_t i = 0, n, tokens; i < data->count; i += n, batches++) {
        n = bcl_dataset_take(data, NULL, i, data->count, r->options->sentences, batch_tokens(r),
                             &tokens);
        BCL_TRY(start(r, i, n));
        if (!batches && n < data->count) { /* the first batch compiles kernels */
            BCL_TRY(bcl_pipeline_drain(r->pipeline));
            begin = bcl_seconds();
            timed -= tokens;
        }
        if (r->options->progress)
            r->options->progress(r->options->context, i + n, data->count);
    }
    BCL_TRY(bcl_pipeline_drain(r->pipeline));
    out->seconds = bcl_seconds() - begin;
    out->tokens_per_s = out->seconds > 0 ? (double)timed / out->seconds : 0;
out:
    return status;
}

bcl_status bcl_evaluate(bcl_evaluation *out, bcl_model *model, const bcl_dataset *data,
                        const char *const *names, size_t name_count,
                        const bcl_evaluate_options *options) {
    bcl_status status = BCL_OK;
    size_t tokens, sentences;
    run r = {.data = data, .options = options, .K = (int)name_count};
    *out = (bcl_evaluation){.tokens = data->pieces,
                            .sentences = data->count,
                            .words_cut = data->words_cut,
                            .sentences_cut = data->sentences_cut};
    if (!data->labelled)
        BCL_FAIL(BCL_ERROR_ARGUMENT, "nothing to evaluate: no labelled word in %zu sentences",
                 data->count);
    BCL_TRY(bcl_counts_create(&r.counts, names, name_count));
    BCL_TRY(bcl_windows_create(&r.windows, data, options->max_length, options->stride));
    out->sentences_windowed = r.windows.sentences_windowed;
    if (options->sink)
        BCL_NEW(r.joined, (size_t)data->longest * name_count);
    measure(&r, &tokens, &sentences);
    BCL_NEW(r.which, sentences);
    const bcl_pipeline_options two = {.outputs = BCL_OUTPUT_LABELS |
                                                 (options->sink ? BCL_OUTPUT_LOGITS : 0),
                                      .tokens = (int)tokens,
                                      .sentences = (int)sentences,
                                      .labels = r.K,
                                      .collect = collect,
                                      .context = &r};
    if (options->remote) {
        BCL_TRY(bcl_pipeline_create_remote(&r.pipeline, options->remote, &two));
    } else {
        BCL_TRY(bcl_pipeline_create(&r.pipeline, model, &two));
        BCL_TRY(bcl_model_reserve(
            model, &(bcl_capacity){.tokens = (int)tokens, .sentences = (int)sentences}));
    }
    BCL_NEW(r.first, bcl_pipeline_slots(r.pipeline));
    BCL_TRY(run_batches(&r, out));
    out->labelled = r.labelled;
    out->loss = r.loss / (double)r.labelled;
    out->accuracy = (double)r.right / (double)r.labelled;
    BCL_TRY(bcl_report_create(&out->report, r.counts, 0.0));
out:
    bcl_pipeline_free(r.pipeline);
    free(r.first);
    free(r.which);
    free(r.joined);
    bcl_windows_free(&r.windows);
    bcl_counts_free(r.counts);
    if (status)
        bcl_evaluation_free(out);
    return status;
}

void bcl_evaluation_free(bcl_evaluation *e) {
    bcl_report_free(e->report);
    bcl_word_entities_free(&e->entities);
    *e = (bcl_evaluation){0};
}

bcl_status bcl_evaluation_json(cJSON **out, const bcl_evaluation *e) {
    bcl_status status = BCL_OK;
    cJSON *json = cJSON_CreateObject(), *report = NULL;
    BCL_TRY(bcl_report_json(&report, e->report));
    cJSON_AddNumberToObject(json, "loss", e->loss);
    cJSON_AddNumberToObject(json, "accuracy", e->accuracy);
    cJSON_AddItemToObject(json, "report", report);
    cJSON_AddNumberToObject(json, "tokens_per_s", e->tokens_per_s);
    cJSON_AddNumberToObject(json, "tokens", (double)e->tokens);
    cJSON_AddNumberToObject(json, "labelled", (double)e->labelled);
    cJSON_AddNumberToObject(json, "sentences", (double)e->sentences);
    cJSON_AddNumberToObject(json, "words_cut", (double)e->words_cut);
    cJSON_AddNumberToObject(json, "sentences_cut", (double)e->sentences_cut);
    cJSON_AddNumberToObject(json, "sentences_windowed", (double)e->sentences_windowed);
    if (e->entities.report)
        BCL_TRY(bcl_word_entities_json(json, &e->entities));
    *out = json;
    json = NULL;
out:
    cJSON_Delete(json);
    return status;
}
