/* The whole model on a device against double precision: logits, loss and every gradient. */
#include "bench/internal.h"
#include "model/exact.h"

#include <cjson/cJSON.h>
#include <math.h>

enum { SENTENCES = 4, SEED = 29 };
/* Of the loss in fp16, so that its gradients are not lost, see train/scale.c. */
static const float FP16_SCALE = 4096;
/* Of |want| and the root of the mean square of its tensor: what roundings of operands give after
 * BERT's layers. */
static const double logit_limits[BCL_PRECISIONS] = {[BCL_PRECISION_FP32] = 2e-5,
                                                    [BCL_PRECISION_BF16] = 0.15,
                                                    [BCL_PRECISION_FP16] = 0.02,
                                                    [BCL_PRECISION_TF32] = 0.02};
static const double gradient_limits[BCL_PRECISIONS] = {[BCL_PRECISION_FP32] = 5e-5,
                                                       [BCL_PRECISION_BF16] = 0.4,
                                                       [BCL_PRECISION_FP16] = 0.05,
                                                       [BCL_PRECISION_TF32] = 0.05};

typedef struct verified {
    bcl_bench_child *c;
    bcl_precision precision;
    bcl_model *model;
    bcl_exact_model exact;
    bcl_bench_sentences sentences;
    bcl_batch batch;
    double *logits, **gradients; /* right ones */
    double loss, floor;          /* a gradient's least size: of the largest tensor's */
    float *got, stats[4];
} verified;

static float scale_of(const verified *v) {
    return v->precision == BCL_PRECISION_FP16 ? FP16_SCALE : 1;
}

static bcl_status run_device(verified *v, const bcl_dropout_state *dropout) {
    bcl_status status = BCL_OK;
    cl_event event = NULL;
    BCL_TRY(bcl_model_forward(v->model, &v->batch, dropout));
    BCL_TRY(bcl_model_loss(v->model, scale_of(v) / (float)v->batch.labelled, true, false));
    BCL_TRY(bcl_model_read_logits(v->model, v->got, &event));
    BCL_TRY(bcl_event_finish(&event));
    BCL_TRY(bcl_model_backward(v->model, dropout, 0, false));
    BCL_TRY(bcl_model_read_stats(v->model, v->stats, &event));
    BCL_TRY(bcl_event_finish(&event));
out:
    if (event)
        clReleaseEvent(event);
    return status;
}

static double rms(const double *x, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += x[i] * x[i];
    return sqrt(sum / (double)n);
}

static bcl_status open(verified *v, const bcl_dropout_state *dropout) {
    bcl_status status = BCL_OK;
    const bcl_config *config = v->c->config;
    uint32_t which[SENTENCES];
    for (uint32_t i = 0; i < SENTENCES; i++)
        which[i] = i;
    BCL_TRY(bcl_bench_draw(&v->sentences, config, NULL, SENTENCES, 0));
    const int T = v->sentences.tokens;
    const bcl_capacity capacity = {T, SENTENCES, true, true, false};
    bcl_memory memory;
    BCL_TRY(bcl_memory_plan(&memory, v->c->device, config, (size_t)v->sentences.words, v->precision,
                            &capacity));
    BCL_TRY(
        bcl_model_create(&v->model, v->c->device, config, v->c->options->gemm, v->precision, 1));
    if (bcl_model_precision(v->model) != v->precision)
        BCL_FAIL(BCL_ERROR_UNSUPPORTED, "%s", bcl_model_why_fp32(v->model));
    BCL_TRY(bcl_model_train_begin(v->model, v->sentences.used));
    BCL_TRY(bcl_model_reserve(v->model, &capacity));
    BCL_TRY(bcl_batch_create(&v->batch, T, SENTENCES));
    BCL_TRY(bcl_batch_pack(&v->batch, v->sentences.samples, which, SENTENCES,
                           bcl_model_slots(v->model)));
    BCL_TRY(bcl_exact_model_read(&v->exact, v->model, config));
    v->exact.dropout = dropout;
    BCL_NEW(v->logits, (size_t)T * (size_t)config->labels);
    BCL_NEW(v->got, (size_t)T * (size_t)config->labels);
    BCL_NEW(v->gradients, (size_t)v->exact.layout->named_count);
    for (int i = 0; i < v->exact.layout->named_count; i++)
        BCL_NEW(v->gradients[i], bcl_named_elements(&v->exact.layout->named[i]));
    BCL_TRY(bcl_exact_model_run(&v->exact, v->logits, &v->loss, v->gradients, &v->batch,
                                1.0 / v->batch.labelled));
    for (int i = 0; i < v->exact.layout->named_count; i++)
        v->floor = fmax(
            v->floor, 1e-3 * rms(v->gradients[i], bcl_named_elements(&v->exact.layout->named[i])));
out:
    return status;
}

static void close_verified(verified *v) {
    for (int i = 0; v->gradients && i < v->exact.layout->named_count; i++)
        free(v->gradients[i]);
    free(v->gradients);
    free(v->logits);
    free(v->got);
    bcl_exact_model_free(&v->exact);
    bcl_batch_free(&v->batch);
    bcl_model_free(v->model);
    bcl_bench_sentences_free(&v->sentences);
}

/* Errors of a tensor, which is right to a share of its elements' size and of what is usual in it,
 * but at least of `floor`: the key's bias has a gradient of zero, but for rounding. */
static bcl_status tell(verified *v, const char *name, const float *got, const double *want,
                       size_t count, double share, double floor) {
    bcl_status status = BCL_OK;
    bcl_bench_row row = {.level = "verify", .unit = "", .error_limit = 1};
    row.precision = bcl_precision_name(v->precision);
    bcl_error error;
    const double usual = fmax(rms(want, count), floor);
    const bcl_error_limit limit = {share * usual, share};
    snprintf(row.name, sizeof row.name, "verify/model/%s", name);
    bcl_error_measure(&error, got, want, NULL, count, limit);
    row.error = error.worst;
    row.error_p99 = error.p99;
    if (!(error.worst <= 1 && error.p99 <= BCL_BENCH_P99_LIMIT))
        bcl_bench_mark(&row, "wrong",
                       "%s of the whole model, %d tokens: element %zu of %zu is %.9g, expected "
                       "%.9g; worst %.3g, 99%% %.3g of the limit; %s, %s, %s",
                       name, v->batch.T, error.at, count, (double)got[error.at], want[error.at],
                       error.worst, error.p99, v->c->about->id, v->c->about->name,
                       v->c->about->version);
    row.more = cJSON_CreateObject();
    cJSON_AddNumberToObject(row.more, "elements", (double)count);
    bcl_bench_end(v->c, &row, status);
    return status;
}

static bcl_status compare(verified *v) {
    bcl_status status = BCL_OK;
    const size_t n = (size_t)v->batch.T * (size_t)v->c->config->labels;
    const float loss = v->stats[0] / (float)v->batch.labelled;
    float *g = NULL;
    BCL_TRY(tell(v, "logits", v->got, v->logits, n, logit_limits[v->precision], 0));
    BCL_TRY(tell(v, "loss", &loss, &v->loss, 1, logit_limits[v->precision], 0));
    for (int i = 0; i < v->exact.layout->named_count; i++) {
        const bcl_named *named = &v->exact.layout->named[i];
        char name[sizeof named->name + 2];
        BCL_NEW(g, bcl_named_elements(named));
        BCL_TRY(bcl_model_read(v->model, named, true, g));
        for (size_t k = 0; k < bcl_named_elements(named); k++)
            g[k] /= scale_of(v);
        const char *at = !strncmp(named->name, "bert.encoder.layer.", 19) ? named->name + 19
                         : !strncmp(named->name, "bert.", 5)              ? named->name + 5
                                                                          : named->name;
        snprintf(name, sizeof name, "d %s", at);
        BCL_TRY(tell(v, name, g, v->gradients[i], bcl_named_elements(named),
                     gradient_limits[v->precision], v->floor));
        free(g);
        g = NULL;
    }
out:
    free(g);
    return status;
}

void bcl_bench_verify_model(bcl_bench_child *c, bcl_precision precision) {
    verified v = {.c = c, .precision = precision};
    static const bcl_dropout_state dropout = {0.1f, 0.1f, 0.1f, SEED, 3};
    bcl_bench_row row = {.name = "verify/model", .level = "verify", .unit = ""};
    row.precision = bcl_precision_name(precision);
    if (!bcl_bench_begin(c, &row))
        return;
    bcl_status status = open(&v, &dropout);
    if (!status)
        status = run_device(&v, &dropout);
    if (!status)
        status = compare(&v);
    if (status)
        bcl_bench_end(c, &row, status);
    close_verified(&v);
}
