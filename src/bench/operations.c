/* Every operation of a step: checked against double precision, and timed. */
#include "bench/internal.h"

#include <cjson/cJSON.h>
#include <math.h>

enum { EVENT_RUNS = 3 };

typedef struct examined {
    bcl_bench_operation o;
    char kernels[256]; /* that it launched, "attention_forward (attention.cl), ..." */
    double events;     /* s of a run by the driver's clock; 0: not known */
    char note[256];    /* what is to be said of that clock */
} examined;

/* ---- the check ---- */

static bcl_status launch_once(bcl_bench_operation *o) {
    bcl_status status = BCL_OK;
    BCL_TRY(bcl_bench_restore(o));
    BCL_TRY(o->kind->launch(o));
out:
    return status;
}

static void list_kernels(examined *e) {
    bcl_profile_row *operations = NULL, *kernels = NULL;
    size_t n, m = 0, at = 0;
    if (bcl_device_profile(&operations, &n, &kernels, &m, e->o.ops.device))
        return;
    for (size_t i = 0; i < m; i++) {
        e->events += kernels[i].ms * 1e-3;
        if (at < sizeof e->kernels)
            at += (size_t)snprintf(e->kernels + at, sizeof e->kernels - at, "%s%s (%s)",
                                   at ? ", " : "", kernels[i].name, kernels[i].file);
    }
    free(operations);
    free(kernels);
}

/* Some runs whose events are read; a clock that lies is said, and nothing is taken of it. */
static bcl_status time_by_events(examined *e) {
    bcl_status status = BCL_OK, told = BCL_OK;
    for (int i = 0; i < EVENT_RUNS && !told; i++) {
        BCL_TRY(bcl_bench_restore(&e->o));
        if (i == 1) /* the first warms */
            BCL_TRY(bcl_profile_restart(e->o.ops.device));
        BCL_TRY(e->o.kind->launch(&e->o));
        told = bcl_device_finish(e->o.ops.device);
    }
    if (told)
        snprintf(e->note, sizeof e->note, "%s; the wall clock is taken", bcl_message());
    else
        list_kernels(e);
    e->events /= EVENT_RUNS - 1;
out:
    return status;
}

static bcl_status examine(examined *e, bcl_bench_child *c, const bcl_bench_kind *kind,
                          bcl_gemm *gemm, const bcl_bench_sentences *sentences) {
    bcl_status status = BCL_OK;
    bcl_device *device = c->profiled ? c->profiled : c->device;
    *e = (examined){0};
    BCL_TRY(bcl_bench_operation_open(&e->o, kind, device, gemm, c->config, sentences));
    BCL_TRY(kind->expect(&e->o));
    if (c->profiled)
        BCL_TRY(time_by_events(e));
    BCL_TRY(launch_once(&e->o));
    (void)bcl_device_finish(device); /* what is wrong with the clock was said */
out:
    return status;
}

/* What is wrong at the worst element, with all that a report of a fault needs. */
static void describe(bcl_bench_row *row, examined *e, int at, const bcl_error *error,
                     const bcl_bench_child *c) {
    double got = NAN, want = NAN;
    char found[32], expected[32];
    (void)bcl_bench_element(&got, &want, &e->o, at, error->at);
    snprintf(found, sizeof found, "%.9g", got);
    snprintf(expected, sizeof expected, "%.9g", want);
    bcl_bench_mark(row, "wrong",
                   "%s, kernels %s, %s: element %zu of %zu is %s, expected %s; worst %.3g, 99%% "
                   "%.3g of the limit; %s, %s, %s",
                   e->o.tensors[at].name, e->kernels[0] ? e->kernels : "not known", e->o.shape,
                   error->at, e->o.tensors[at].count, found, expected, error->worst, error->p99,
                   c->about->id, c->about->name, c->about->version);
}

static bool beyond(const bcl_error *error) {
    return !(error->worst <= 1 && error->p99 <= BCL_BENCH_P99_LIMIT);
}

/* ---- verifying: a row an output ---- */

static cJSON *more_of_output(const examined *e, int at) {
    cJSON *json = cJSON_CreateObject();
    cJSON_AddNumberToObject(json, "elements", (double)e->o.tensors[at].count);
    cJSON_AddStringToObject(json, "kernels", e->kernels);
    cJSON_AddStringToObject(json, "operands", e->o.shape);
    return json;
}

static void verify_one(bcl_bench_child *c, const bcl_bench_kind *kind, bcl_gemm *gemm,
                       const bcl_bench_sentences *sentences) {
    examined e;
    bcl_bench_row row = {.level = "verify", .unit = "", .precision = "fp32"};
    row.precision = bcl_precision_name(bcl_gemm_precision(gemm));
    snprintf(row.name, sizeof row.name, "verify/%s", kind->name);
    if (!bcl_bench_begin(c, &row))
        return;
    const bcl_status status = examine(&e, c, kind, gemm, sentences);
    if (status)
        bcl_bench_end(c, &row, status);
    for (int at = 0; !status && at < e.o.tensor_count; at++) {
        bcl_error error;
        if (!e.o.tensors[at].want)
            continue;
        row.status = NULL;
        row.reason[0] = 0;
        snprintf(row.name, sizeof row.name, "verify/%s/%s", kind->name, e.o.tensors[at].name);
        const bcl_status read = bcl_bench_compare_output(&error, &e.o, at);
        row.error = error.worst;
        row.error_p99 = error.p99;
        row.error_limit = 1;
        if (!read && beyond(&error))
            describe(&row, &e, at, &error, c);
        row.more = more_of_output(&e, at);
        bcl_bench_end(c, &row, read);
    }
    bcl_bench_operation_close(&e.o);
}

/* ---- timing ---- */

static bcl_status run(void *context, int repeats) {
    bcl_status status = BCL_OK;
    bcl_bench_operation *o = context;
    if (!repeats)
        return bcl_bench_restore(o);
    for (int i = 0; i < repeats; i++)
        BCL_TRY(o->kind->launch(o));
    BCL_TRY(bcl_device_finish(o->ops.device));
out:
    return status;
}

/* The worst of its outputs. */
static bcl_status check_all(bcl_bench_row *row, examined *e, const bcl_bench_child *c) {
    bcl_status status = BCL_OK;
    row->error_limit = 1;
    for (int at = 0; at < e->o.tensor_count; at++) {
        bcl_error error;
        if (!e->o.tensors[at].want)
            continue;
        BCL_TRY(bcl_bench_compare_output(&error, &e->o, at));
        row->error = fmax(row->error, error.worst);
        row->error_p99 = fmax(row->error_p99, error.p99);
        if (beyond(&error) && !row->status)
            describe(row, e, at, &error, c);
    }
out:
    return status;
}

/* All that is not its time. */
static bcl_status inspect(bcl_bench_row *row, bcl_bench_child *c, const bcl_bench_kind *kind,
                          bcl_gemm *gemm, const bcl_bench_sentences *sentences) {
    bcl_status status = BCL_OK;
    examined e;
    BCL_TRY(examine(&e, c, kind, gemm, sentences));
    BCL_TRY(check_all(row, &e, c));
    row->flop = e.o.flop;
    row->bytes = e.o.bytes;
    row->events = e.events;
    memcpy(row->note, e.note, sizeof row->note);
    row->more = cJSON_CreateObject();
    cJSON_AddStringToObject(row->more, "kernels", e.kernels);
    cJSON_AddStringToObject(row->more, "operands", e.o.shape);
out:
    bcl_bench_operation_close(&e.o);
    return status;
}

static void compare_roof(bcl_bench_row *row, bcl_bench_child *c) {
    row->roof = bcl_bench_roof(&row->bound, c, row->flop, row->bytes);
    for (int i = 0; i < 2 && row->times.count && row->roof > row->times.median; i++) {
        /* the limit may have been measured in a worse moment */
        bcl_bench_limits_again(c, row->bound);
        row->roof = bcl_bench_roof(&row->bound, c, row->flop, row->bytes);
    }
}

static bcl_status measure(bcl_bench_row *row, bcl_bench_child *c, const bcl_bench_kind *kind,
                          bcl_gemm *gemm, bcl_gemm *profiled,
                          const bcl_bench_sentences *sentences) {
    bcl_status status = BCL_OK;
    bcl_bench_operation o = {0};
    if (!c->pass)
        BCL_TRY(inspect(row, c, kind, profiled ? profiled : gemm, sentences));
    if (row->status)
        goto out;
    BCL_TRY(bcl_bench_operation_open(&o, kind, c->device, gemm, c->config, sentences));
    BCL_TRY(bcl_bench_measure(c, row, run, &o));
    if (bcl_gemm_precision(gemm) == BCL_PRECISION_FP32) /* the multiply-adds measured are fp32's */
        compare_roof(row, c);
out:
    bcl_bench_operation_close(&o);
    return status;
}

static void time_one(bcl_bench_child *c, size_t i, bcl_gemm *gemm, bcl_gemm *profiled,
                     const bcl_bench_sentences *sentences) {
    const bcl_bench_kind *kind = &bcl_bench_kinds[i];
    bcl_bench_row row = {.level = "operation", .unit = "us"};
    row.precision = bcl_precision_name(bcl_gemm_precision(gemm));
    snprintf(row.name, sizeof row.name, "operation/%s/%s", row.precision, kind->name);
    if (!bcl_bench_begin(c, &row))
        return;
    const bcl_status status = measure(&row, c, kind, gemm, profiled, sentences);
    if (!status && !row.status)
        c->operations[bcl_gemm_precision(gemm)][i] = row.times;
    bcl_bench_end(c, &row, status);
}

static void all(bcl_bench_child *c, bool verify, bcl_gemm *gemm, bcl_gemm *profiled,
                const bcl_bench_sentences *sentences) {
    const bool fp32 = bcl_gemm_precision(gemm) == BCL_PRECISION_FP32;
    const bool halves = bcl_gemm_operands(gemm) != BCL_ELEMENT_F32;
    for (size_t i = 0; i < bcl_bench_kind_count; i++)
        if (verify)
            verify_one(c, &bcl_bench_kinds[i], profiled ? profiled : gemm, sentences);
        else if (fp32 || bcl_bench_kind_has_products(&bcl_bench_kinds[i]) ||
                 (halves && bcl_bench_kind_makes_operands(&bcl_bench_kinds[i])))
            time_one(c, i, gemm, profiled, sentences);
}

void bcl_bench_operations(bcl_bench_child *c, bool verify, bcl_precision precision) {
    bcl_status status = BCL_OK;
    bcl_gemm *gemm = NULL, *profiled = NULL;
    bcl_bench_sentences sentences = {0};
    bcl_bench_row row = {
        .level = "operation", .unit = "", .precision = bcl_precision_name(precision)};
    bcl_memory memory;
    snprintf(row.name, sizeof row.name, "operation/%s", row.precision);
    BCL_TRY(bcl_bench_draw(&sentences, c->config, c->text, BCL_BENCH_SENTENCES, 0));
    const bcl_capacity capacity = {
        .tokens = sentences.tokens, .sentences = sentences.count, .training = true};
    BCL_TRY(bcl_memory_plan(&memory, c->device, c->config, (size_t)sentences.words, precision,
                            &capacity));
    BCL_TRY(bcl_gemm_create(&gemm, c->device, c->options->gemm, precision));
    if (c->profiled)
        BCL_TRY(bcl_gemm_create(&profiled, c->profiled, c->options->gemm, precision));
    if (!verify && !c->operations[precision])
        BCL_NEW(c->operations[precision], bcl_bench_kind_count);
    all(c, verify, gemm, profiled, &sentences);
out:
    if (status) {
        bcl_bench_frame(c, 'B', row.name);
        bcl_bench_end(c, &row, status);
    }
    bcl_gemm_free(gemm);
    bcl_gemm_free(profiled);
    bcl_bench_sentences_free(&sentences);
}

/* ---- what they come to ---- */

static int times_of(size_t kind, bool training, int layers) {
    const bcl_bench_kind *k = &bcl_bench_kinds[kind];
    const bcl_bench_count *n = training ? &k->train : &k->evaluate;
    return n->layer * layers + n->step;
}

/* What has no products and writes f32 is the same in each precision. */
static const bcl_bench_times *times_in(const bcl_bench_child *c, size_t kind,
                                       bcl_precision precision) {
    const bcl_bench_times *mine = c->operations[precision];
    const bool own =
        bcl_bench_kind_has_products(&bcl_bench_kinds[kind]) || (mine && mine[kind].count);
    const bcl_bench_times *all = own ? mine : c->operations[BCL_PRECISION_FP32];
    return all && all[kind].count ? &all[kind] : NULL;
}

static void explain(bcl_bench_child *c, bcl_precision precision, bool training) {
    const bcl_bench_times *step = &c->whole[precision][training];
    bcl_bench_row row = {.level = "explained", .unit = "% of the step"};
    cJSON *parts = cJSON_CreateArray();
    bcl_bench_times *sum = &row.times;
    row.precision = bcl_precision_name(precision);
    snprintf(row.name, sizeof row.name, "explained/%s/%s/batch-%d", training ? "train" : "evaluate",
             row.precision, BCL_BENCH_SENTENCES);
    bcl_bench_frame(c, 'B', row.name);
    *sum = (bcl_bench_times){.count = step->count, .repeats = 1, .passes = step->passes};
    for (size_t i = 0; i < bcl_bench_kind_count; i++) {
        const int n = times_of(i, training, c->config->layers);
        const bcl_bench_times *t = times_in(c, i, precision);
        if (!n || (training && !c->config->classifier_dropout &&
                   !strcmp(bcl_bench_kinds[i].name, "dropout/forward")))
            continue;
        if (!t) {
            bcl_bench_mark(&row, "skipped", "%s was not measured", bcl_bench_kinds[i].name);
            break;
        }
        for (int k = 0; k < sum->count; k++)
            sum->samples[k] += n * t->samples[k % t->count];
        cJSON *part = cJSON_CreateObject();
        cJSON_AddStringToObject(part, "operation", bcl_bench_kinds[i].name);
        cJSON_AddNumberToObject(part, "times", n);
        cJSON_AddNumberToObject(part, "seconds", n * t->median);
        cJSON_AddNumberToObject(part, "share", n * t->median / step->median);
        cJSON_AddItemToArray(parts, part);
    }
    bcl_bench_summarize(sum);
    row.value = 100 * sum->median / step->median;
    row.more = cJSON_CreateObject();
    cJSON_AddNumberToObject(row.more, "step_s", step->median);
    cJSON_AddItemToObject(row.more, "parts", parts);
    bcl_bench_end(c, &row, BCL_OK);
}

void bcl_bench_explain(bcl_bench_child *c) {
    for (int p = 0; p < BCL_PRECISIONS; p++)
        for (int training = 0; training < 2; training++)
            if (c->whole[p][training].count)
                explain(c, (bcl_precision)p, training);
}
