/* What the device has at most: memory streams, multiply-adds, launches, transfers. Every result is
 * looked at, since a driver that does nothing is fast. */
#include "bench/internal.h"

#include <cjson/cJSON.h>
#include <math.h>

enum { CHAINS = 10, ROUNDS = 2048 };               /* of multiply_add */
enum { LOCAL_BYTES = 8 << 10, LOCAL_ROUNDS = 64 }; /* of local_read */
/* A CPU has few items: with this many times the rounds a launch takes about a millisecond there
 * too, and what it costs to start one does not count. */
enum { WIDE_ROUNDS = 64 };
enum { LEAST_SHIFT = 14, SWEEP_SAMPLES = 3 }; /* smallest array of a sweep: 16 KiB */
static const float X = 0.5f, Y = 1;           /* its chains end at 2 */
static const double EXACT = 1e-5, EXACT_HALF = 1e-2;
/* A size has saturated when it and all larger ones have this share of the largest one's rate, and
 * no more than its inverse. */
static const double SATURATED = 0.85;

typedef struct stream {
    bcl_bench_child *c;
    cl_mem a, b, out;
    size_t floats; /* of each */
    float *host;   /* (floats) what is in a and b */
    int lanes;     /* of the kernels' vectors */
    int longer;    /* times the rounds above */
    char options[160];
    bcl_grid grid;
    int kind; /* of the row at hand */
    bcl_kernel *kernel;
} stream;

enum { READ, COPY, TRIAD, PEAK, PEAK_HALF, LOCAL, LAUNCH, TO_DEVICE, FROM_DEVICE };

static bcl_status run(void *context, int repeats) {
    bcl_status status = BCL_OK;
    stream *s = context;
    bcl_device *d = s->c->device;
    const int n = (int)(s->floats / (size_t)s->lanes);
    bcl_launch_work(d, 0, 0); /* its kernels ask for the whole grid */
    for (int i = 0; i < repeats; i++) {
        if (s->kind == READ || s->kind == COPY)
            BCL_TRY(BCL_LAUNCH(s->kernel, s->grid, bcl_mem(s->out), bcl_mem(s->a), bcl_int(n)));
        else if (s->kind == TRIAD)
            BCL_TRY(BCL_LAUNCH(s->kernel, s->grid, bcl_mem(s->out), bcl_mem(s->a), bcl_mem(s->b),
                               bcl_float(3), bcl_int(n)));
        else if (s->kind == PEAK || s->kind == PEAK_HALF)
            BCL_TRY(BCL_LAUNCH(s->kernel, s->grid, bcl_mem(s->out), bcl_float(X), bcl_float(Y),
                               bcl_int(ROUNDS * s->longer)));
        else if (s->kind == LOCAL)
            BCL_TRY(BCL_LAUNCH(s->kernel, s->grid, bcl_mem(s->out), bcl_float(X),
                               bcl_int(LOCAL_ROUNDS * s->longer)));
        else if (s->kind == LAUNCH)
            BCL_TRY(BCL_LAUNCH(s->kernel, ((bcl_grid){{1}, {1}}), bcl_mem(s->out)));
        else if (s->kind == TO_DEVICE)
            BCL_TRY(bcl_buffer_write(d, s->out, 0, s->host, s->floats * sizeof(float), true));
        else
            BCL_TRY(bcl_buffer_read(d, s->a, 0, s->host, s->floats * sizeof(float), true));
    }
    BCL_TRY(bcl_device_finish(d));
out:
    return status;
}

static size_t items(const bcl_grid *g) {
    return g->groups[0] * g->local[0];
}

static int local_count(const stream *s) {
    return LOCAL_BYTES / (int)sizeof(float) / s->lanes;
}

static double right_at(const stream *s, size_t i) {
    switch (s->kind) {
    case PEAK:
    case PEAK_HALF:
        return Y / (1 - X);
    case LOCAL:
        return (double)X * LOCAL_ROUNDS * s->longer * local_count(s);
    case COPY:
        return s->host[i];
    default:
        return 4 * (double)s->host[i];
    }
}

/* Largest relative error of what a kernel left in `out`. */
static bcl_status check(double *error, const stream *s) {
    bcl_status status = BCL_OK;
    const size_t lanes = (size_t)s->lanes, held = items(&s->grid) * lanes;
    const bool streams = s->kind == COPY || s->kind == TRIAD;
    const size_t n = streams ? s->floats : held;
    double sum = 0, want_sum = 0, worst = 0;
    float *got = NULL;
    BCL_NEW(got, n);
    BCL_TRY(bcl_buffer_read(s->c->device, s->out, 0, got, n * sizeof *got, true));
    for (size_t i = 0; i < (s->kind == READ ? s->floats : 0); i++)
        want_sum += s->host[i];
    for (size_t i = 0; i < n; i++) {
        const double want = right_at(s, i);
        const double e = fabs(got[i] - want) / fabs(want);
        sum += got[i];
        if (s->kind != READ && !(e <= worst))
            worst = isnan(e) ? HUGE_VAL : e;
    }
    *error = s->kind == READ ? fabs(sum - want_sum) / want_sum : worst;
out:
    free(got);
    return status;
}

static const struct {
    const char *name, *kernel, *unit;
    int traffic; /* arrays that are read and written */
    bool checked;
} kinds[] = {[READ] = {"limit/memory/read", "stream_read", "GB/s", 1, true},
             [COPY] = {"limit/memory/copy", "stream_copy", "GB/s", 2, true},
             [TRIAD] = {"limit/memory/triad", "stream_triad", "GB/s", 3, true},
             [PEAK] = {"limit/multiply-add/fp32", "multiply_add", "GFLOP/s", 0, true},
             [PEAK_HALF] = {"limit/multiply-add/fp16", "multiply_add_half", "GFLOP/s", 0, true},
             [LOCAL] = {"limit/local-memory/read", "local_read", "GB/s", 0, true},
             [LAUNCH] = {"limit/launch", "launch", "us", 0, false},
             [TO_DEVICE] = {"limit/transfer/to-device", NULL, "GB/s", 1, false},
             [FROM_DEVICE] = {"limit/transfer/from-device", NULL, "GB/s", 1, false}};
enum { KINDS = sizeof kinds / sizeof *kinds };

static void keep(bcl_bench_child *c, int kind, const bcl_bench_row *row) {
    const double rate = (kind == PEAK ? row->flop : row->bytes) / row->times.least;
    if (kind > PEAK)
        return;
    double *const best[] = {
        [READ] = &c->read, [COPY] = &c->written, [TRIAD] = &c->streams, [PEAK] = &c->peak};
    if (row->times.count && row->error <= row->error_limit)
        *best[kind] = fmax(*best[kind], rate);
}

/* What a launch of the kind at hand does. */
static void work_of(const stream *s, double *flop, double *bytes) {
    *flop = 0;
    *bytes = (double)kinds[s->kind].traffic * (double)s->floats * sizeof(float);
    if (s->kind == PEAK || s->kind == PEAK_HALF) /* a multiply-add is two */
        *flop = 2.0 * CHAINS * ROUNDS * s->longer * (double)items(&s->grid) * s->lanes;
    if (s->kind == LOCAL)
        *bytes = (double)LOCAL_ROUNDS * s->longer * LOCAL_BYTES * (double)items(&s->grid);
}

/* The rate at each power of two of bytes an array or, without memory, of work-groups; and from
 * which on it stays what it is at the largest. */
static bcl_status sweep(stream *s, bcl_bench_row *row) {
    bcl_status status = BCL_OK;
    const stream whole = *s;
    const bool memory = kinds[s->kind].traffic > 0;
    double rates[64], flop, bytes, sizes[64];
    int n = 0, from;
    for (size_t x = memory ? (size_t)1 << LEAST_SHIFT : 1;
         n < 64 && x <= (memory ? whole.floats * sizeof(float) : whole.grid.groups[0]); x *= 2) {
        bcl_bench_times t;
        if (memory)
            s->floats = x / sizeof(float);
        else
            s->grid.groups[0] = x;
        while (memory && s->grid.groups[0] > 1 && items(&s->grid) * (size_t)s->lanes > s->floats)
            s->grid.groups[0] /= 2;
        BCL_TRY(bcl_bench_time(&t, SWEEP_SAMPLES, s->c->deadline - bcl_seconds(), run, s));
        if (!t.count)
            goto out;
        work_of(s, &flop, &bytes);
        sizes[n] = (double)x;
        rates[n++] = (flop > 0 ? flop : bytes) / t.least;
        if (s->kind <= TRIAD) {
            double *best = &s->c->bandwidth[(int)log2(bytes)];
            *best = fmax(*best, bytes / t.least);
        }
        s->grid = whole.grid;
    }
    for (from = n - 1; from > 0 && rates[from - 1] >= SATURATED * rates[n - 1] &&
                       rates[from - 1] <= rates[n - 1] / SATURATED;
         from--)
        ;
    row->more = cJSON_CreateObject();
    if (n)
        cJSON_AddNumberToObject(row->more, memory ? "saturates_at_bytes" : "saturates_at_groups",
                                sizes[from]);
    cJSON_AddItemToObject(row->more, "sizes", cJSON_CreateDoubleArray(sizes, n));
    for (int i = 0; i < n; i++)
        rates[i] *= 1e-9;
    cJSON_AddItemToObject(row->more, "rates", cJSON_CreateDoubleArray(rates, n));
out:
    s->floats = whole.floats;
    s->grid = whole.grid;
    return status;
}

static bcl_status check_kind(const stream *s) {
    if (s->kind == PEAK_HALF && !s->c->about->fp16)
        return bcl_fail(BCL_ERROR_UNSUPPORTED, "the driver has no cl_khr_fp16");
    if (s->kind == LOCAL && s->c->about->local_memory < LOCAL_BYTES)
        return bcl_fail(BCL_ERROR_UNSUPPORTED, "the device has %llu bytes of local memory",
                        (unsigned long long)s->c->about->local_memory);
    return BCL_OK;
}

static bcl_status measure(stream *s, int kind, bcl_bench_row *row) {
    bcl_status status = BCL_OK;
    const float nothing = 0.25f;
    s->kind = kind;
    BCL_TRY(check_kind(s));
    if (kinds[kind].kernel)
        BCL_TRY(
            bcl_kernel_get(&s->kernel, s->c->device, "bench.cl", kinds[kind].kernel, s->options));
    work_of(s, &row->flop, &row->bytes);
    row->amount = 1e-9 * (row->flop > 0 ? row->flop : row->bytes);
    BCL_TRY(bcl_buffer_fill(s->c->device, s->out, &nothing, sizeof nothing, 0,
                            s->floats * sizeof(float)));
    BCL_TRY(bcl_bench_measure(s->c, row, run, s));
    if (kinds[kind].checked) {
        row->error_limit = kind == PEAK_HALF ? EXACT_HALF : EXACT;
        BCL_TRY(check(&row->error, s));
        keep(s->c, kind, row);
    }
out:
    return status;
}

/* The kernels' options. */
static void describe_types(stream *s, bool wide) {
    char lanes[16] = "", half[80] = "";
    if (s->lanes > 1)
        snprintf(lanes, sizeof lanes, "%d", s->lanes);
    if (s->c->about->fp16)
        snprintf(half, sizeof half, " -DHALF=half%s -DHALF_TO=convert_float%s", lanes, lanes);
    snprintf(s->options, sizeof s->options, "-DV=float%s%s%s -DLOCAL_COUNT=%d", lanes,
             wide ? " -DCHUNKS" : "", half, local_count(s));
}

static bcl_status open(stream *s, bcl_bench_child *c) {
    bcl_status status = BCL_OK;
    const bcl_device_info *about = c->about;
    const bool wide = bcl_device_wide(c->device);
    const size_t most = (size_t)fmin((double)about->max_allocation, (double)about->memory / 8);
    const size_t want = c->options->full ? (size_t)256 << 20 : (size_t)64 << 20;
    *s = (stream){
        .c = c, .lanes = wide ? bcl_device_vector(c->device) : 1, .longer = wide ? WIDE_ROUNDS : 1};
    s->floats = (want < most ? want : most) / sizeof(float) / 4096 * 4096;
    s->grid = (bcl_grid){{about->compute_units * (wide ? 4 : 64)},
                         {wide ? 1 : bcl_device_row_items(c->device)}};
    while (items(&s->grid) * (size_t)s->lanes > s->floats)
        s->grid.groups[0] /= 2;
    describe_types(s, wide);
    BCL_NEW(s->host, s->floats);
    for (size_t i = 0; i < s->floats; i++) /* not zeros: they run faster */
        s->host[i] = (float)(1 + (bcl_mix64(i) >> 40) * 0x1p-24);
    cl_mem *const buffers[] = {&s->a, &s->b, &s->out};
    for (int i = 0; i < 3; i++) {
        BCL_TRY(bcl_buffer_create(buffers[i], c->device, s->floats * sizeof(float),
                                  "measuring memory"));
        BCL_TRY(
            bcl_buffer_write(c->device, *buffers[i], 0, s->host, s->floats * sizeof(float), true));
    }
out:
    return status;
}

static void close_stream(stream *s) {
    bcl_buffer_free(s->c->device, &s->a);
    bcl_buffer_free(s->c->device, &s->b);
    bcl_buffer_free(s->c->device, &s->out);
    free(s->host);
}

static bcl_bench_row row_of(int kind) {
    bcl_bench_row row = {.level = "limit", .unit = kinds[kind].unit, .precision = "fp32"};
    if (kind == PEAK_HALF)
        row.precision = "fp16";
    snprintf(row.name, sizeof row.name, "%s", kinds[kind].name);
    return row;
}

static bool swept(int kind) {
    return kind != LAUNCH && kind != LOCAL;
}

/* OpenCL C has no arithmetic in bf16: matrix units and CPUs' dot products have, behind inline
 * assembly, and the products' rows measure these. */
static void tell_bf16(bcl_bench_child *c) {
    bcl_bench_row row = {.name = "limit/multiply-add/bf16",
                         .level = "limit",
                         .unit = "GFLOP/s",
                         .precision = "bf16"};
    if (!bcl_bench_begin(c, &row))
        return;
    bcl_bench_mark(&row, "unsupported",
                   "OpenCL C has no multiply-add in bf16; see the products in bf16");
    bcl_bench_end(c, &row, BCL_OK);
}

void bcl_bench_limits(bcl_bench_child *c) {
    stream s;
    const bcl_status opened = open(&s, c);
    for (int kind = 0; kind < KINDS; kind++) {
        bcl_bench_row row = row_of(kind);
        if (!bcl_bench_begin(c, &row))
            continue;
        bcl_status status = opened ? opened : measure(&s, kind, &row);
        if (!status && swept(kind) && row.times.count && !c->pass)
            status = sweep(&s, &row);
        bcl_bench_end(c, &row, status);
        if (kind == PEAK_HALF)
            tell_bf16(c);
    }
    close_stream(&s);
}

static double bandwidth(const bcl_bench_child *c, double bytes) {
    double best = fmax(fmax(c->read, c->written), c->streams);
    const int first = bytes > 2 ? (int)log2(bytes) - 1 : 0;
    for (int i = first; i < BCL_BENCH_SIZES; i++)
        best = fmax(best, c->bandwidth[i]);
    return best;
}

double bcl_bench_roof(const char **bound, const bcl_bench_child *c, double flop, double bytes) {
    const double compute = c->peak > 0 ? flop / c->peak : 0;
    const double most = bandwidth(c, bytes), memory = most > 0 ? bytes / most : 0;
    *bound = compute > memory ? "compute" : "memory";
    return fmax(compute, memory);
}

void bcl_bench_limits_again(bcl_bench_child *c, const char *bound) {
    static const int streams[] = {READ, COPY, TRIAD};
    stream s;
    const bcl_status opened = open(&s, c);
    for (int i = 0; !opened && i < (!strcmp(bound, "memory") ? 3 : 1); i++) {
        const int kind = !strcmp(bound, "memory") ? streams[i] : PEAK;
        bcl_bench_row row = row_of(kind);
        if (!measure(&s, kind, &row) && kind != PEAK) /* else the ceiling stays what it was */
            (void)sweep(&s, &row);
        cJSON_Delete(row.more);
    }
    close_stream(&s);
}
