/* Whole steps of training and evaluation: by numbers of sentences, by tokens, and by length. */
#include "bench/internal.h"

#include <cjson/cJSON.h>
#include <math.h>

enum { PADDED = 128, SEED = 29, TOKENS = 1024, STEP_TIMES = 4096, INSIDE_STEPS = 3 };

/* What a row runs on. */
typedef struct plan {
    const char *name; /* "batch-32" */
    int sentences;    /* of a batch at most */
    int tokens;       /* of a batch at most; 0: any number */
    int length;       /* of every sentence; 0: as drawn */
    bool full;        /* only in the full suite */
} plan;
static const plan plans[] = {
    {"batch-32", 32, 0, 0, false},         {"batch-4", 4, 0, 0, false},
    {"batch-1", 1, 0, 0, false},           {"tokens-512", 32, 512, 0, true},
    {"length-32", 32, TOKENS, 32, true},   {"length-64", 32, TOKENS, 64, true},
    {"length-128", 32, TOKENS, 128, true}, {"length-256", 32, TOKENS, 256, true},
    {"length-512", 32, TOKENS, 512, true}};

typedef struct steps {
    bcl_bench_child *c;
    bcl_device *device;
    const plan *plan;
    bcl_precision precision;
    bool training;
    bcl_model *model;
    bcl_bench_sentences sentences;
    bcl_batch batches[BCL_BENCH_SENTENCES];
    int batch_count;
    int64_t step;
    float *losses;
    int32_t *predicted;
    double times[STEP_TIMES]; /* s of each step */
    int time_count;
    int repetitions;
    bcl_memory memory;
} steps;

static bcl_status one_batch(steps *s, const bcl_batch *batch) {
    bcl_status status = BCL_OK;
    cl_event event = NULL;
    const bcl_adam adam = {1e-5, 0.9, 0.999, 1e-8, 0.01, true, 1, 0, 0};
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
    s->repetitions += repeats;
    for (int i = 0; i < repeats * s->batch_count; i++) {
        const double start = bcl_seconds();
        BCL_TRY(one_batch(s, &s->batches[i % s->batch_count]));
        if (s->time_count < STEP_TIMES)
            s->times[s->time_count++] = bcl_seconds() - start;
    }
    BCL_TRY(bcl_device_finish(s->device));
out:
    return status;
}

/* The sentences of a batch from `first` on. */
static int batch_size(const steps *s, int first, int *tokens) {
    int n = 0;
    *tokens = 0;
    while (first + n < s->sentences.count && n < s->plan->sentences) {
        const int length = s->sentences.samples[first + n].length;
        if (n && s->plan->tokens && *tokens + length > s->plan->tokens)
            break;
        *tokens += length;
        n++;
    }
    return n;
}

static bcl_status pack(steps *s, int most) {
    bcl_status status = BCL_OK;
    uint32_t which[BCL_BENCH_SENTENCES];
    int tokens;
    for (int first = 0; first < s->sentences.count;) {
        const int n = batch_size(s, first, &tokens);
        for (int i = 0; i < n; i++)
            which[i] = (uint32_t)(first + i);
        bcl_batch *batch = &s->batches[s->batch_count];
        BCL_TRY(bcl_batch_create(batch, most, s->plan->sentences));
        s->batch_count++;
        BCL_TRY(bcl_batch_pack(batch, s->sentences.samples, which, n,
                               s->training ? bcl_model_slots(s->model) : NULL));
        first += n;
    }
out:
    return status;
}

static bcl_status open(steps *s) {
    bcl_status status = BCL_OK;
    const bcl_config *config = s->c->config;
    int most = 0, tokens;
    if (s->plan->length > config->positions)
        BCL_FAIL(BCL_ERROR_UNSUPPORTED, "the model has %d positions", config->positions);
    BCL_TRY(
        bcl_bench_draw(&s->sentences, config, s->c->text, BCL_BENCH_SENTENCES, s->plan->length));
    BCL_NEW(s->losses, (size_t)s->sentences.tokens);
    BCL_NEW(s->predicted, (size_t)s->sentences.tokens);
    for (int first = 0; first < s->sentences.count; first += batch_size(s, first, &tokens)) {
        (void)batch_size(s, first, &tokens);
        most = tokens > most ? tokens : most;
    }
    const bcl_capacity capacity = {
        .tokens = most, .sentences = s->plan->sentences, .training = s->training};
    BCL_TRY(bcl_memory_plan(&s->memory, s->device, config, (size_t)s->sentences.words, s->precision,
                            &capacity));
    BCL_TRY(bcl_model_create(&s->model, s->device, config, s->c->options->gemm, s->precision, 1));
    if (bcl_model_precision(s->model) != s->precision)
        BCL_FAIL(BCL_ERROR_UNSUPPORTED, "%s", bcl_model_why_fp32(s->model));
    if (s->training)
        BCL_TRY(bcl_model_train_begin(s->model, s->sentences.used));
    else
        BCL_TRY(bcl_model_pack(s->model, true));
    BCL_TRY(bcl_model_reserve(s->model, &capacity));
    BCL_TRY(pack(s, most));
out:
    return status;
}

static void close_steps(steps *s) {
    for (int b = 0; b < s->batch_count; b++)
        bcl_batch_free(&s->batches[b]);
    bcl_model_free(s->model);
    bcl_bench_sentences_free(&s->sentences);
    free(s->losses);
    free(s->predicted);
    free(s);
}

/* ---- inside of a step ---- */

/* What kernels have taken so far; by operation, as those of one of `count` steps of `whole` seconds
 * together, to `parts` if it is not NULL. */
static bcl_status kernel_seconds(double *seconds, cJSON *parts, bcl_device *device, int count,
                                 double whole) {
    bcl_status status = BCL_OK;
    bcl_profile_row *operations = NULL, *kernels = NULL;
    size_t n = 0, m = 0;
    *seconds = 0;
    BCL_TRY(bcl_device_profile(&operations, &n, &kernels, &m, device));
    for (size_t i = 0; i < n; i++)
        *seconds += 1e-3 * operations[i].ms;
    for (size_t i = 0; parts && i < n; i++) {
        cJSON *part = cJSON_CreateObject();
        cJSON_AddStringToObject(part, "operation", operations[i].name);
        cJSON_AddNumberToObject(part, "times", (double)operations[i].calls / count);
        cJSON_AddNumberToObject(part, "seconds", 1e-3 * operations[i].ms / count);
        cJSON_AddNumberToObject(part, "share", 1e-3 * operations[i].ms / whole);
        cJSON_AddItemToArray(parts, part);
    }
out:
    free(operations);
    free(kernels);
    return status;
}

static bcl_status profile(bcl_bench_row *row, steps *s) {
    bcl_status status = BCL_OK;
    cJSON *parts = cJSON_CreateArray();
    double whole = 0, kernels = 0;
    row->more = cJSON_CreateObject();
    cJSON_AddItemToObject(row->more, "parts", parts);
    BCL_TRY(open(s));
    BCL_TRY(run(s, 2)); /* the first warms */
    BCL_TRY(bcl_profile_restart(s->device));
    for (int i = 0; i < INSIDE_STEPS; i++) {
        const double start = bcl_seconds(), before = kernels;
        BCL_TRY(run(s, 1));
        whole += bcl_seconds() - start;
        BCL_TRY(
            kernel_seconds(&kernels, i + 1 < INSIDE_STEPS ? NULL : parts, s->device, i + 1, whole));
        row->times.samples[i] = kernels - before;
    }
    row->times.count = INSIDE_STEPS;
    row->times.repeats = row->times.passes = 1;
    bcl_bench_summarize(&row->times);
    row->value = 100 * kernels / whole;
    cJSON_AddNumberToObject(row->more, "step_s", whole / INSIDE_STEPS);
out:
    return status;
}

static void look_inside(bcl_bench_child *c, bool training, const plan *p, bcl_precision precision) {
    bcl_bench_row row = {.level = "explained", .unit = "% of the step"};
    row.precision = bcl_precision_name(precision);
    snprintf(row.name, sizeof row.name, "inside/%s/%s/%s", training ? "train" : "evaluate",
             row.precision, p->name);
    if (!c->profiled || !bcl_bench_begin(c, &row))
        return;
    steps *s = bcl_calloc(1, sizeof *s);
    if (s)
        *s = (steps){
            .c = c, .device = c->profiled, .plan = p, .precision = precision, .training = training};
    bcl_bench_end(c, &row, s ? profile(&row, s) : BCL_ERROR_MEMORY);
    if (s)
        close_steps(s);
}

/* ---- the row ---- */

static void add_energy(cJSON *json, const steps *s, const bcl_bench_energy *energy) {
    double joules = 0;
    if (!bcl_bench_energy_read(&joules, energy)) {
        cJSON *none = cJSON_AddObjectToObject(json, "energy");
        cJSON_AddStringToObject(none, "status", "unsupported");
        cJSON_AddStringToObject(none, "reason", energy->problem ? energy->problem : "unreadable");
        return;
    }
    const double each = s->repetitions ? joules / s->repetitions : 0;
    cJSON *used = cJSON_AddObjectToObject(json, "energy");
    cJSON_AddStringToObject(used, "status", "ok");
    cJSON_AddStringToObject(used, "source", energy->source);
    cJSON_AddNumberToObject(used, "joules", each); /* of a repetition */
    if (each > 0)
        cJSON_AddNumberToObject(used, "tokens_per_joule", s->sentences.tokens / each);
}

/* The distribution of single steps, whose batches differ. */
static void add_step_times(cJSON *json, steps *s) {
    static const struct {
        const char *key;
        double q;
    } quantiles[] = {{"least", 0}, {"p5", 0.05},  {"q1", 0.25}, {"median", 0.5},
                     {"q3", 0.75}, {"p95", 0.95}, {"most", 1}};
    cJSON *times = cJSON_AddObjectToObject(json, "step_times_ms");
    qsort(s->times, (size_t)s->time_count, sizeof *s->times, bcl_bench_order);
    for (size_t i = 0; i < sizeof quantiles / sizeof *quantiles; i++)
        cJSON_AddNumberToObject(
            times, quantiles[i].key,
            1e3 * bcl_bench_quantile(s->times, (size_t)s->time_count, quantiles[i].q));
    cJSON_AddNumberToObject(times, "count", s->time_count);
}

static void add_more(bcl_bench_row *row, steps *s, double cold, const bcl_bench_energy *energy) {
    const int padded = s->plan->length > PADDED ? s->plan->length : PADDED;
    const bcl_memory *m = &s->memory;
    row->more = cJSON_CreateObject();
    if (!s->c->pass) /* kernels are compiled after that */
        cJSON_AddNumberToObject(row->more, "cold_start_s", cold);
    cJSON_AddNumberToObject(row->more, "peak_rss_mib", bcl_peak_rss_mb());
    cJSON_AddNumberToObject(row->more, "device_mib",
                            (double)(m->weights + m->moments + m->step) / (1 << 20));
    cJSON_AddNumberToObject(row->more, "batch", s->plan->sentences);
    cJSON_AddNumberToObject(row->more, "steps", s->batch_count); /* of a repetition */
    cJSON_AddNumberToObject(row->more, "tokens", s->sentences.tokens);
    cJSON_AddStringToObject(row->more, "provider", bcl_model_gemm(s->model));
    if (!row->times.count)
        return;
    cJSON_AddNumberToObject(row->more, "step_ms", 1e3 * row->times.median / s->batch_count);
    cJSON_AddNumberToObject(row->more, "padded_tokens_per_s",
                            s->sentences.count * padded / row->times.median);
    add_step_times(row->more, s);
    add_energy(row->more, s, energy);
}

static void one(bcl_bench_child *c, bool training, const plan *p, bcl_precision precision) {
    bcl_bench_energy energy;
    bcl_bench_row row = {.level = "step", .unit = "tokens/s"};
    row.precision = bcl_precision_name(precision);
    snprintf(row.name, sizeof row.name, "step/%s/%s/%s", training ? "train" : "evaluate",
             row.precision, p->name);
    if (!bcl_bench_begin(c, &row))
        return;
    steps *s = bcl_calloc(1, sizeof *s);
    if (!s) {
        bcl_bench_end(c, &row, BCL_ERROR_MEMORY);
        return;
    }
    *s = (steps){
        .c = c, .device = c->device, .plan = p, .precision = precision, .training = training};
    const double start = bcl_seconds();
    bcl_status status = open(s);
    if (!status)
        status = one_batch(s, &s->batches[0]);
    const double cold = bcl_seconds() - start;
    row.amount = s->sentences.tokens;
    bcl_bench_energy_open(&energy, c->about);
    if (!status)
        status = bcl_bench_measure(c, &row, run, s);
    if (!status)
        add_more(&row, s, cold, &energy);
    const bool explained = !status && !row.status && p == plans; /* batch-32: one step */
    if (explained)
        c->whole[precision][training] = row.times;
    bcl_bench_end(c, &row, status);
    close_steps(s);
    if (explained && !c->pass)
        look_inside(c, training, p, precision);
}

void bcl_bench_steps(bcl_bench_child *c, bcl_precision precision) {
    for (size_t i = 0; i < sizeof plans / sizeof *plans; i++) {
        if (plans[i].full && !c->options->full)
            continue;
        if (precision != BCL_PRECISION_FP32 && i && !c->options->full)
            continue; /* one is enough to compare with */
        one(c, false, &plans[i], precision);
        one(c, true, &plans[i], precision);
    }
}
