/* What the device has at most: memory streams, multiply-adds, launches, transfers. Every result is
 * looked at, since a driver that does nothing is fast. */
#include "bench/internal.h"

#include <math.h>

enum { CHAINS = 10, ROUNDS = 2048 }; /* of multiply_add */
static const float X = 0.5f, Y = 1;  /* its chains end at 2 */
static const double EXACT = 1e-5;

typedef struct stream {
    bcl_bench_child *c;
    cl_mem a, b, out;
    size_t floats; /* of each */
    float *host;   /* (floats) what is in a and b */
    int lanes;     /* of the kernels' vectors */
    char options[64];
    bcl_grid grid;
    int kind; /* of the row at hand */
    bcl_kernel *kernel;
} stream;

enum { READ, COPY, TRIAD, PEAK, LAUNCH, TO_DEVICE, FROM_DEVICE };

static bcl_status run(void *context, int repeats) {
    bcl_status status = BCL_OK;
    stream *s = context;
    bcl_device *d = s->c->device;
    const int n = (int)(s->floats / (size_t)s->lanes);
    for (int i = 0; i < repeats; i++) {
        if (s->kind == READ || s->kind == COPY)
            BCL_TRY(BCL_LAUNCH(s->kernel, s->grid, bcl_mem(s->out), bcl_mem(s->a), bcl_int(n)));
        else if (s->kind == TRIAD)
            BCL_TRY(BCL_LAUNCH(s->kernel, s->grid, bcl_mem(s->out), bcl_mem(s->a), bcl_mem(s->b),
                               bcl_float(3), bcl_int(n)));
        else if (s->kind == PEAK)
            BCL_TRY(BCL_LAUNCH(s->kernel, s->grid, bcl_mem(s->out), bcl_float(X), bcl_float(Y),
                               bcl_int(ROUNDS)));
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

/* Largest relative error of what a kernel left in `out`. */
static bcl_status check(double *error, const stream *s) {
    bcl_status status = BCL_OK;
    const size_t lanes = (size_t)s->lanes, held = items(&s->grid) * lanes;
    const size_t n = s->kind == READ || s->kind == PEAK ? held : s->floats;
    double sum = 0, want_sum = 0, worst = 0;
    float *got = NULL;
    BCL_NEW(got, n);
    BCL_TRY(bcl_buffer_read(s->c->device, s->out, 0, got, n * sizeof *got, true));
    for (size_t i = 0; i < (s->kind == READ ? s->floats : 0); i++)
        want_sum += s->host[i];
    for (size_t i = 0; i < n; i++) {
        const double want = s->kind == PEAK   ? Y / (1 - X)
                            : s->kind == COPY ? s->host[i]
                                              : 4 * (double)s->host[i];
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
             [LAUNCH] = {"limit/launch", "launch", "us", 0, false},
             [TO_DEVICE] = {"limit/transfer/to-device", NULL, "GB/s", 1, false},
             [FROM_DEVICE] = {"limit/transfer/from-device", NULL, "GB/s", 1, false}};
enum { KINDS = sizeof kinds / sizeof *kinds };

static void keep(bcl_bench_child *c, int kind, const bcl_bench_row *row) {
    const double rate = (kind == PEAK ? row->flop : row->bytes) / row->times.least;
    double *const best[] = {
        [READ] = &c->read, [COPY] = &c->written, [TRIAD] = &c->streams, [PEAK] = &c->peak};
    if (kind <= PEAK && row->times.count && row->error <= row->error_limit)
        *best[kind] = fmax(*best[kind], rate);
}

static bcl_status measure(stream *s, int kind, bcl_bench_row *row) {
    bcl_status status = BCL_OK;
    const float nothing = 0.25f;
    s->kind = kind;
    if (kinds[kind].kernel)
        BCL_TRY(
            bcl_kernel_get(&s->kernel, s->c->device, "bench.cl", kinds[kind].kernel, s->options));
    if (kind == PEAK) /* a multiply-add is two */
        row->flop = 2.0 * CHAINS * ROUNDS * (double)items(&s->grid) * s->lanes;
    row->bytes = (double)kinds[kind].traffic * (double)s->floats * sizeof(float);
    row->amount = 1e-9 * (kind == PEAK ? row->flop : row->bytes);
    BCL_TRY(bcl_buffer_fill(s->c->device, s->out, &nothing, sizeof nothing, 0,
                            s->floats * sizeof(float)));
    BCL_TRY(bcl_bench_measure(s->c, row, run, s));
    if (!kinds[kind].checked)
        goto out;
    row->error_limit = EXACT;
    BCL_TRY(check(&row->error, s));
    keep(s->c, kind, row);
out:
    return status;
}

static bcl_status open(stream *s, bcl_bench_child *c) {
    bcl_status status = BCL_OK;
    const bcl_device_info *about = c->about;
    const bool wide = bcl_device_wide(c->device);
    const size_t most = (size_t)fmin((double)about->max_allocation, (double)about->memory / 8);
    const size_t want = c->options->full ? (size_t)256 << 20 : (size_t)64 << 20;
    *s = (stream){.c = c, .lanes = wide ? bcl_device_vector(c->device) : 1};
    s->floats = (want < most ? want : most) / sizeof(float) / 4096 * 4096;
    s->grid = (bcl_grid){{about->compute_units * (wide ? 4 : 64)},
                         {wide ? 1 : bcl_device_row_items(c->device)}};
    while (items(&s->grid) * (size_t)s->lanes > s->floats)
        s->grid.groups[0] /= 2;
    if (s->lanes > 1)
        snprintf(s->options, sizeof s->options, "-DV=float%d%s", s->lanes, wide ? " -DCHUNKS" : "");
    else
        snprintf(s->options, sizeof s->options, "-DV=float");
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
    snprintf(row.name, sizeof row.name, "%s", kinds[kind].name);
    return row;
}

void bcl_bench_limits(bcl_bench_child *c) {
    stream s;
    const bcl_status opened = open(&s, c);
    for (int kind = 0; kind < KINDS; kind++) {
        bcl_bench_row row = row_of(kind);
        if (bcl_bench_begin(c, &row))
            bcl_bench_end(c, &row, opened ? opened : measure(&s, kind, &row));
    }
    close_stream(&s);
}

void bcl_bench_peak_again(bcl_bench_child *c) {
    stream s;
    bcl_bench_row row = row_of(PEAK);
    if (!open(&s, c))
        (void)measure(&s, PEAK, &row); /* the ceiling stays what it was */
    close_stream(&s);
}
