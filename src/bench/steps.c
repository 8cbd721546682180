/* Whole steps of training and evaluation, on sentences whose lengths are drawn as the UN corpus
 * has them. */
#include "bench/internal.h"

#include <cjson/cJSON.h>
#include <math.h>

enum { SENTENCES = 32, PADDED = 128, LEAST_TOKENS = 4, MOST_TOKENS = 128, SEED = 29 };
/* Lognormal with the corpus' mean of 29 pieces. */
static const double MEAN = 29, SIGMA = 0.5;

typedef struct steps {
    bcl_bench_child *c;
    bcl_model *model;
    bcl_sample samples[SENTENCES];
    int32_t *ids, *labels; /* end to end */
    bcl_batch batches[SENTENCES];
    int batch_count, tokens, longest; /* tokens: of all batches */
    bool training;
    int64_t step;
    float *losses;
    int32_t *predicted;
} steps;

static double uniform(uint64_t i) {
    return ((double)(bcl_mix64(SEED + i * 2654435761u) >> 11) + 0.5) * 0x1p-53;
}

static int length_of(int sentence, int positions) {
    const uint64_t i = 2 * (uint64_t)sentence;
    const double z = sqrt(-2 * log(uniform(i))) * cos(2 * 3.14159265358979 * uniform(i + 1));
    const double n = exp(log(MEAN) - SIGMA * SIGMA / 2 + SIGMA * z);
    const int most = positions < MOST_TOKENS ? positions : MOST_TOKENS;
    return n < LEAST_TOKENS ? LEAST_TOKENS : n > most ? most : (int)n;
}

/* Frequent pieces have small numbers, roughly as in text. */
static bcl_status draw(steps *s) {
    bcl_status status = BCL_OK;
    const bcl_config *config = s->c->config;
    int at = 0;
    for (int i = 0; i < SENTENCES; i++)
        s->tokens += length_of(i, config->positions);
    BCL_NEW(s->ids, (size_t)s->tokens);
    BCL_NEW(s->labels, (size_t)s->tokens);
    BCL_NEW(s->losses, (size_t)s->tokens);
    BCL_NEW(s->predicted, (size_t)s->tokens);
    for (int i = 0; i < s->tokens; i++) {
        const double u = uniform(1000 + 2 * (uint64_t)i), v = uniform(1001 + 2 * (uint64_t)i);
        s->ids[i] = 1 + (int32_t)(u * u * u * (config->vocabulary - 1));
        s->labels[i] = (int32_t)(v * config->labels);
    }
    for (int i = 0; i < SENTENCES; i++) {
        const int n = length_of(i, config->positions);
        s->samples[i] = (bcl_sample){s->ids + at, s->labels + at, n, (uint32_t)i};
        at += n;
        if (n > s->longest)
            s->longest = n;
    }
out:
    return status;
}

static bcl_status one_batch(steps *s, const bcl_batch *batch) {
    bcl_status status = BCL_OK;
    cl_event event = NULL;
    const bcl_adam adam = {1e-5, 0.9, 0.999, 1e-8, 0.01, true, 1};
    const bcl_config *f = s->c->config;
    const bcl_dropout_state dropout = {(float)f->hidden_dropout, (float)f->attention_dropout,
                                       (float)f->classifier_dropout, SEED, s->step};
    float stats[4];
    BCL_TRY(bcl_model_forward(s->model, batch, s->training ? &dropout : NULL));
    BCL_TRY(bcl_model_loss(s->model, 1.0f / (float)batch->labelled, s->training, false));
    if (s->training) {
        BCL_TRY(bcl_model_backward(s->model, &dropout, s->step, false));
        BCL_TRY(bcl_model_update(s->model, &adam, s->step++));
        BCL_TRY(bcl_model_read_stats(s->model, stats, &event));
        BCL_TRY(bcl_event_finish(&event));
        if (!isfinite(stats[0]))
            BCL_FAIL(BCL_ERROR_DEVICE, "the loss is not finite");
    } else {
        BCL_TRY(bcl_model_read_output(s->model, s->losses, s->predicted, NULL, &event));
        BCL_TRY(bcl_event_finish(&event));
        for (int t = 0; t < batch->T; t++)
            if (!isfinite(s->losses[t]))
                BCL_FAIL(BCL_ERROR_DEVICE, "a token's loss is not finite");
    }
out:
    if (event)
        clReleaseEvent(event);
    return status;
}

/* All sentences once: a repetition. */
static bcl_status run(void *context, int repeats) {
    bcl_status status = BCL_OK;
    steps *s = context;
    for (int i = 0; i < repeats; i++)
        for (int b = 0; b < s->batch_count; b++)
            BCL_TRY(one_batch(s, &s->batches[b]));
    BCL_TRY(bcl_device_finish(s->c->device));
out:
    return status;
}

static bcl_status open(steps *s, int size) {
    bcl_status status = BCL_OK;
    bcl_memory memory;
    int most = 0;
    BCL_TRY(draw(s));
    for (int b = 0; b < SENTENCES / size; b++) {
        int tokens = 0;
        for (int i = 0; i < size; i++)
            tokens += s->samples[b * size + i].length;
        most = tokens > most ? tokens : most;
    }
    const bcl_capacity capacity = {.tokens = most, .sentences = size, .training = s->training};
    BCL_TRY(bcl_memory_plan(&memory, s->c->device, s->c->config, (size_t)s->c->config->vocabulary,
                            &capacity));
    BCL_TRY(bcl_model_create(&s->model, s->c->device, s->c->config, NULL, BCL_PRECISION_FP32, 1));
    if (s->training)
        BCL_TRY(bcl_model_train_begin(s->model, NULL));
    else
        BCL_TRY(bcl_model_pack(s->model, true));
    BCL_TRY(bcl_model_reserve(s->model, &capacity));
    for (int b = 0; b < SENTENCES / size; b++) {
        uint32_t which[SENTENCES];
        for (int i = 0; i < size; i++)
            which[i] = (uint32_t)(b * size + i);
        BCL_TRY(bcl_batch_create(&s->batches[b], most, size));
        s->batch_count++;
        BCL_TRY(bcl_batch_pack(&s->batches[b], s->samples, which, size,
                               s->training ? bcl_model_slots(s->model) : NULL));
    }
out:
    return status;
}

static void close_steps(steps *s) {
    for (int b = 0; b < s->batch_count; b++)
        bcl_batch_free(&s->batches[b]);
    bcl_model_free(s->model);
    free(s->ids);
    free(s->labels);
    free(s->losses);
    free(s->predicted);
}

static void one(bcl_bench_child *c, bool training, int size) {
    steps s = {.c = c, .training = training};
    bcl_bench_row row = {.level = "step", .unit = "tokens/s", .precision = "fp32"};
    snprintf(row.name, sizeof row.name, "step/%s/fp32/batch-%d", training ? "train" : "evaluate",
             size);
    if (!bcl_bench_begin(c, &row))
        return;
    const double start = bcl_seconds();
    bcl_status status = open(&s, size);
    if (!status)
        status = one_batch(&s, &s.batches[0]);
    const double cold = bcl_seconds() - start;
    row.amount = s.tokens;
    if (!status)
        status = bcl_bench_measure(c, &row, run, &s);
    if (!status) {
        const double median = row.times.median;
        row.more = cJSON_CreateObject();
        cJSON_AddNumberToObject(row.more, "cold_start_s", cold);
        cJSON_AddNumberToObject(row.more, "peak_rss_mib", bcl_peak_rss_mb());
        cJSON_AddNumberToObject(row.more, "batch", size);
        cJSON_AddNumberToObject(row.more, "steps", s.batch_count); /* of a repetition */
        cJSON_AddNumberToObject(row.more, "tokens", s.tokens);
        cJSON_AddStringToObject(row.more, "provider", bcl_model_gemm(s.model));
        if (row.times.count) {
            cJSON_AddNumberToObject(row.more, "step_ms", 1e3 * median / s.batch_count);
            cJSON_AddNumberToObject(row.more, "padded_tokens_per_s", SENTENCES * PADDED / median);
        }
    }
    bcl_bench_end(c, &row, status);
    close_steps(&s);
}

void bcl_bench_steps(bcl_bench_child *c) {
    static const int sizes[] = {32, 4, 1};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        one(c, false, sizes[i]);
        one(c, true, sizes[i]);
    }
}
