/* What the files of the benchmark share. The parent (bench.c) makes no OpenCL call; a child for
 * each device measures and tells it each row as JSON, so that it may crash or hang at any moment.
 */
#ifndef BCL_BENCH_INTERNAL_H
#define BCL_BENCH_INTERNAL_H

#include "model/model.h"

#include <bertcl/bench.h>

struct cJSON;

enum { BCL_BENCH_QUICK_SAMPLES = 7, BCL_BENCH_FULL_SAMPLES = 15, BCL_BENCH_SAMPLES = 15 };

/* ---- shape.c ---- */

/* The configuration of a --model. */
bcl_status bcl_bench_shape(bcl_config *out, const char *model);

/* ---- times.c ---- */

typedef struct bcl_bench_times {
    double samples[BCL_BENCH_SAMPLES]; /* s a repetition, in the order of measuring */
    int count, repeats;                /* repetitions of a sample */
    double least, q1, median, q3;
} bcl_bench_times;

/* Queues the work so many times, and waits. */
typedef bcl_status bcl_bench_work(void *context, int repeats);
/* Warm-up until two times in a row agree, then `count` samples. Where these would take longer than
 * `seconds` nothing is sampled: count is 0 and the median what one took. */
bcl_status bcl_bench_time(bcl_bench_times *out, int count, double seconds, bcl_bench_work *work,
                          void *context);
/* Of n sorted numbers, q from 0 to 1, between neighbours by their distance. */
double bcl_bench_quantile(const double *sorted, size_t n, double q);
int bcl_bench_order(const void *a, const void *b); /* of doubles, for qsort */
/* Median of the last third by the first third's. */
double bcl_bench_drift(const bcl_bench_times *times);

/* ---- row.c: the child's rows ---- */

typedef struct bcl_bench_child {
    const bcl_bench_options *options;
    const bcl_device_info *about;
    const bcl_config *config;
    int fd;
    double deadline; /* of bcl_seconds() */
    bcl_device *device;
    double peak;                   /* flop/s in fp32, the best seen; 0: not known */
    double read, written, streams; /* bytes/s of read, copy, triad, the best seen */
} bcl_bench_child;

typedef struct bcl_bench_row {
    char name[96]; /* "gemm/nn/480x1536x384" */
    const char *level, *unit, *precision;
    const char *status; /* NULL: ok */
    char reason[512];
    double amount; /* of the unit in a repetition; 0: the value is the time in microseconds */
    double flop, bytes;
    double error, error_limit; /* limit 0: not compared */
    double limit;              /* flop/s that the device has at most; 0: not known */
    bcl_bench_times times;
    struct cJSON *more; /* members to add, taken; or NULL */
} bcl_bench_row;

/* Tells the parent what is tried next; false: no time is left, and a row says so. */
bool bcl_bench_begin(bcl_bench_child *c, bcl_bench_row *row);
/* Times it, within the time that is left. */
bcl_status bcl_bench_measure(bcl_bench_child *c, bcl_bench_row *row, bcl_bench_work *work,
                             void *context);
void bcl_bench_tell(bcl_bench_child *c, bcl_bench_row *row);
/* Ends a row with what came of it: a status other than OK makes it skipped (memory), unsupported or
 * failed. */
void bcl_bench_end(bcl_bench_child *c, bcl_bench_row *row, bcl_status status);
__attribute__((format(printf, 3, 4))) void bcl_bench_mark(bcl_bench_row *row, const char *status,
                                                          const char *format, ...);
/* A frame of the pipe: 'B' a row begins, 'R' a row, 'E' the end. A parent that is gone ends the
 * child. */
void bcl_bench_frame(bcl_bench_child *c, char kind, const char *text);

/* ---- the levels: rows of each, failures among them ---- */

void bcl_bench_limits(bcl_bench_child *c);
/* The peak once more: the ceiling rises if it is better. */
void bcl_bench_peak_again(bcl_bench_child *c);
void bcl_bench_products(bcl_bench_child *c, bcl_precision precision);
void bcl_bench_steps(bcl_bench_child *c);

#endif
