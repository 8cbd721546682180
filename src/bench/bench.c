/* The parent: one child for each device, what they tell, and the record around it. */
#include "bench/internal.h"

#include "tune/tune.h"
#include "util/child.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <signal.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

static const double PATIENCE_S = 120, QUICK_S = 150, FULL_S = 1800;
static const double BUSY = 0.3; /* load of a core before the start above which it is said */

typedef struct bench {
    const bcl_bench_options *options;
    bcl_config config;
    bcl_bench_text text;
    bcl_precision precision; /* of what is verified */
    cJSON *rows;
    const bcl_device_info *about; /* of the device at hand */
    char current[128];            /* the row that its child is at */
    double deadline;              /* of this device */
    bool ended;
} bench;

/* ---- rows of the parent's own ---- */

/* The row of an earlier pass, which the new one completes, or replaces if it is not ok. */
static void join_row(bench *b, cJSON *row) {
    cJSON *old, *item;
    cJSON_ArrayForEach(old, b->rows) {
        if (strcmp(bcl_json_word(old, "name"), bcl_json_word(row, "name")) ||
            strcmp(bcl_json_word(old, "device"), b->about->id))
            continue;
        cJSON_DeleteItemFromObjectCaseSensitive(old, "note"); /* of fewer samples */
        cJSON_DeleteItemFromObjectCaseSensitive(old, "reason");
        for (item = strcmp(bcl_json_word(row, "status"), "ok") ? NULL : old->child; item;
             item = item->next)
            if (!cJSON_HasObjectItem(row, item->string))
                cJSON_AddItemToObject(row, item->string, cJSON_Duplicate(item, true));
        cJSON_ReplaceItemViaPointer(b->rows, old, row);
        return;
    }
    cJSON_AddItemToArray(b->rows, row);
}

static void add_row(bench *b, cJSON *row) {
    cJSON_AddStringToObject(row, "device", b->about->id);
    cJSON_AddStringToObject(row, "device_name", b->about->name);
    cJSON_AddStringToObject(row, "driver", b->about->version);
    cJSON_AddStringToObject(row, "driver_version", b->about->driver);
    join_row(b, row);
}

static void add_problem(bench *b, const char *name, const char *status, const char *reason) {
    cJSON *row = cJSON_CreateObject();
    cJSON_AddStringToObject(row, "name", name);
    cJSON_AddStringToObject(row, "level", "driver");
    cJSON_AddStringToObject(row, "status", status);
    cJSON_AddStringToObject(row, "reason", reason);
    cJSON_AddStringToObject(row, "unit", "");
    add_row(b, row);
}

/* ---- the child ---- */

static bool wanted(const bcl_bench_child *c, const char *level) {
    const size_t n = strlen(level);
    for (const char *p = c->options->only; p; p = strchr(p, ',') ? strchr(p, ',') + 1 : NULL)
        if (!strncmp(p, level, n) && (!p[n] || p[n] == ','))
            return true;
    return !c->options->only;
}

static void measure_pass(bcl_bench_child *c) {
    if (wanted(c, "limit"))
        bcl_bench_limits(c);
    if (wanted(c, "product"))
        bcl_bench_products(c, BCL_PRECISION_FP32);
    if (wanted(c, "step"))
        bcl_bench_steps(c, BCL_PRECISION_FP32);
    if (wanted(c, "operation"))
        bcl_bench_operations(c, false, BCL_PRECISION_FP32);
    for (int p = BCL_PRECISION_FP32 + 1; p < BCL_PRECISIONS; p++) {
        if (!bcl_precision_offered(c->about, (bcl_precision)p))
            continue;
        if (wanted(c, "product"))
            bcl_bench_products(c, (bcl_precision)p);
        if (wanted(c, "step"))
            bcl_bench_steps(c, (bcl_precision)p);
        if (wanted(c, "operation"))
            bcl_bench_operations(c, false, (bcl_precision)p);
    }
    if (wanted(c, "operation"))
        bcl_bench_explain(c);
    if (c->options->full && wanted(c, "product"))
        bcl_bench_providers(c);
}

static int passes_of(const bcl_bench_options *options) {
    return options->full ? BCL_BENCH_FULL_PASSES : BCL_BENCH_QUICK_PASSES;
}

static void measure_in_child(void *context, int fd) {
    bench *b = context;
    bcl_bench_child c = {.options = b->options,
                         .about = b->about,
                         .config = &b->config,
                         .text = b->text.tokens ? &b->text : NULL,
                         .fd = fd,
                         .deadline = b->deadline};
    bcl_bench_row row = {.name = "open", .level = "driver", .unit = "", .precision = "fp32"};
    dup2(2, 1); /* drivers chat */
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    bcl_bench_frame(&c, 'B', row.name);
    bcl_tune_first_use(b->about->id, BCL_PRECISION_FP32, NULL, NULL);
    const bcl_status status = bcl_device_open(&c.device, b->about->id, false);
    if (!status && bcl_device_open(&c.profiled, b->about->id, true))
        c.profiled = NULL; /* rows have no event's time then */
    if (status) {
        bcl_bench_end(&c, &row, status);
    } else if (b->options->verify) {
        bcl_bench_operations(&c, true, b->precision);
        bcl_bench_verify_model(&c, b->precision);
    } else {
        for (; c.pass < passes_of(b->options); c.pass++)
            measure_pass(&c);
    }
    bcl_bench_frame(&c, 'B', "close");
    for (int p = 0; p < BCL_PRECISIONS; p++)
        free(c.operations[p]);
    free(c.kept);
    bcl_device_free(c.profiled);
    bcl_device_free(c.device);
    bcl_bench_frame(&c, 'E', "");
}

/* ---- following it ---- */

static void take(bench *b, const char *frame) {
    if (frame[0] == 'E')
        b->ended = true;
    if (frame[0] == 'B') {
        snprintf(b->current, sizeof b->current, "%s", frame + 1);
        if (b->options->progress)
            b->options->progress(b->options->context, b->about->id, b->current);
    }
    if (frame[0] == 'R') {
        cJSON *row = cJSON_Parse(frame + 1);
        if (cJSON_IsObject(row))
            add_row(b, row);
        else
            cJSON_Delete(row);
    }
}

/* Frames end with a NUL. */
static bcl_child_news follow(bench *b, const bcl_child *child, double patience) {
    bcl_string got = {0};
    bcl_child_news news;
    char chunk[8192];
    size_t n;
    while ((news = bcl_child_hear(child, chunk, sizeof chunk, &n, patience)) == BCL_CHILD_TOLD) {
        const char *nul;
        if (bcl_string_add(&got, chunk, n))
            break;
        while (got.size && (nul = memchr(got.data, 0, got.size))) {
            take(b, got.data);
            got.size -= (size_t)(nul + 1 - got.data);
            memmove(got.data, nul + 1, got.size + 1);
        }
    }
    bcl_string_free(&got);
    return news;
}

/* What a child that went down was at, as a row. */
static void add_end(bench *b, bool hung, int code, double patience) {
    char reason[160], text[BCL_CHILD_REASON];
    if (hung)
        snprintf(reason, sizeof reason, "no answer for %.0f s; the driver's other rows are missing",
                 patience);
    else
        snprintf(reason, sizeof reason, "%s; the driver's other rows are missing",
                 bcl_child_reason(text, code));
    add_problem(b, b->current, hung ? "hung" : "crashed", reason);
}

static bcl_status run_device(bench *b, double deadline) {
    const double patience = b->options->patience > 0 ? b->options->patience : PATIENCE_S;
    bcl_child child = {0};
    b->deadline = deadline;
    const bcl_status status = bcl_child_start(&child, measure_in_child, b);
    if (status)
        return status;
    b->ended = false;
    snprintf(b->current, sizeof b->current, "open");
    const bcl_child_news end = follow(b, &child, patience);
    const int code = bcl_child_end(&child, end != BCL_CHILD_CLOSED);
    if (end == BCL_CHILD_INTERRUPTED)
        return bcl_fail(BCL_ERROR_INTERRUPTED, "stopped while measuring; nothing was written");
    if (!b->ended)
        add_end(b, end == BCL_CHILD_SILENT, code, patience);
    return BCL_OK;
}

/* ---- the record ---- */

static void add_host(cJSON *json, double load, const bench *b) {
    struct utsname u;
    char text[512] = "", date[32] = "";
    time_t now = time(NULL);
    struct tm tm;
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    if (!uname(&u)) {
        snprintf(text, sizeof text, "%s %s %s", u.sysname, u.release, u.machine);
        cJSON_AddStringToObject(json, "host", u.nodename);
    } else {
        cJSON_AddStringToObject(json, "host", "");
    }
    cJSON_AddStringToObject(json, "os", text);
    if (gmtime_r(&now, &tm))
        strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", &tm);
    cJSON_AddStringToObject(json, "date", date);
    cJSON_AddStringToObject(json, "build", BERTCL_VERSION);
    cJSON_AddNumberToObject(json, "cores", (double)cores);
    cJSON_AddStringToObject(json, "command", b->options->command ? b->options->command : "");
    cJSON *options = cJSON_AddObjectToObject(json, "options");
    cJSON_AddStringToObject(options, "suite", b->options->full ? "full" : "quick");
    cJSON_AddStringToObject(options, "model", b->options->model ? b->options->model : "MiniLM-L6");
    const int samples = b->options->full ? BCL_BENCH_FULL_SAMPLES : BCL_BENCH_QUICK_SAMPLES;
    cJSON_AddNumberToObject(options, "repetitions", passes_of(b->options) * samples);
    cJSON_AddNumberToObject(options, "passes", passes_of(b->options));
    cJSON_AddNumberToObject(options, "hidden", b->config.hidden);
    cJSON_AddNumberToObject(options, "layers", b->config.layers);
    cJSON_AddNumberToObject(options, "intermediate", b->config.intermediate);
    if (b->options->data_count)
        cJSON_AddItemToObject(
            options, "data",
            cJSON_CreateStringArray(b->options->data, (int)b->options->data_count));
    if (load >= 0)
        cJSON_AddNumberToObject(json, "load_before", load);
    cJSON_AddBoolToObject(json, "busy", load > BUSY * (double)(cores > 0 ? cores : 1));
}

static bool is_measured(const bcl_device_info *device, bool all) {
    return device->available && !(all && bcl_device_interpreted(device));
}

/* The time that is left is shared by the devices that are still to be measured. */
static bcl_status run_all(bench *b, bcl_device_info *devices, size_t count, double end) {
    bcl_status status = BCL_OK;
    const bool all = b->options->device && !strcmp(b->options->device, "all");
    size_t to_come = 0;
    for (size_t i = 0; i < count; i++)
        to_come += is_measured(&devices[i], all);
    for (size_t i = 0; i < count; i++) {
        const double now = bcl_seconds(), left = fmax(end - now, 0);
        b->about = &devices[i];
        if (is_measured(&devices[i], all)) {
            BCL_TRY(run_device(b, now + left / (double)to_come--));
        } else if (devices[i].available) {
            add_problem(b, "open", "skipped",
                        "an interpreter, whose times mean nothing; --device "
                        "with its id measures it");
        } else {
            if (!devices[i].id[0])
                snprintf(devices[i].id, sizeof devices[i].id, "%s",
                         bcl_path_name(devices[i].library));
            add_problem(b, "open", "failed", devices[i].problem);
        }
    }
out:
    return status;
}

static bcl_status check_levels(const char *only) {
    static const char *const levels[] = {"limit", "product", "operation", "step"};
    for (const char *p = only; p;) {
        const size_t n = strcspn(p, ",");
        bool known = false;
        for (size_t i = 0; i < sizeof levels / sizeof *levels; i++)
            known = known || (strlen(levels[i]) == n && !strncmp(p, levels[i], n));
        if (!known)
            return bcl_fail(BCL_ERROR_ARGUMENT,
                            "levels \"%s\": found \"%.*s\", expected limit, product, operation or "
                            "step, with commas between them",
                            only, (int)n, p);
        p = p[n] ? p + n + 1 : NULL;
    }
    return BCL_OK;
}

bcl_status bcl_bench_run(cJSON **out, const bcl_bench_options *options) {
    bcl_status status = BCL_OK;
    bench b = {.options = options};
    bcl_device_info *devices = NULL;
    size_t count = 1;
    cJSON *json = cJSON_CreateObject();
    const double load = bcl_host_load();
    const double seconds = options->seconds > 0 ? options->seconds
                           : options->full      ? FULL_S
                                                : QUICK_S;
    const double end = bcl_seconds() + seconds;
    BCL_TRY(check_levels(options->only));
    if (options->precision)
        BCL_TRY(bcl_precision_find(&b.precision, options->precision));
    BCL_TRY(bcl_bench_shape(&b.config, options->model ? options->model : "MiniLM-L6"));
    if (options->data_count)
        BCL_TRY(bcl_bench_text_read(&b.text, options, &b.config));
    if (options->device && !strcmp(options->device, "all")) {
        BCL_TRY(bcl_devices_probe(&devices, &count));
        if (!count)
            BCL_FAIL(BCL_ERROR_NO_DEVICE, "no OpenCL driver is installed; see bertcl devices");
    } else {
        BCL_NEW(devices, 1);
        BCL_TRY(bcl_device_find(devices, options->device));
        if (!options->gemm)
            BCL_TRY(bcl_precision_check(devices, b.precision));
    }
    cJSON_AddNumberToObject(json, "bench_version", BCL_BENCH_VERSION);
    add_host(json, load, &b);
    b.rows = cJSON_AddArrayToObject(json, "rows");
    BCL_TRY(run_all(&b, devices, count, end));
    *out = json;
    json = NULL;
out:
    cJSON_Delete(json);
    free(devices);
    free(b.text.ids);
    bcl_config_free(&b.config);
    return status;
}
