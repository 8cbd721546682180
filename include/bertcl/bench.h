/* Benchmarks: what devices give on BERT, with errors beside speeds, and how two results compare.
 * Results are JSON objects, see docs/bench.md and docs/bench.schema.json. */
#ifndef BERTCL_BENCH_H
#define BERTCL_BENCH_H

#include <bertcl/status.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct cJSON;

enum { BCL_BENCH_VERSION = 1 }; /* of the results' schema */

typedef struct bcl_bench_options {
    const char *device; /* an id, "all", or NULL: the one that training would take */
    const char *model;  /* NULL: "MiniLM-L6"; or tiny, MiniLM-L12, bert-base, bert-large, a folder
                           with a config.json, or such a file */
    const char *gemm;   /* the provider of matrix products; NULL: what training would take */
    const char *precision; /* of the products that are verified: "fp32" (also NULL), "bf16", ... */
    bool verify;           /* checks every operation and the whole model, and times nothing */
    const char
        *only; /* levels to measure, as "limit,step": limit, product, operation, step; NULL: all */
    bool full; /* more products and repetitions, larger arrays */
    double seconds;      /* of wall time, after which rows are skipped; 0: 150, full: 1800 */
    double patience;     /* s without a word before a driver counts as hung; 0: 120 */
    const char *command; /* that makes the result again, for the record; may be NULL */
    /* Called before each row; NULL: not. */
    void (*progress)(void *context, const char *device, const char *row);
    void *context;
} bcl_bench_options;

/* Measures in a process for each device. What a driver does wrong is a row that says so. The
 * process must not have made an OpenCL call, nor have other threads. Errors: ARGUMENT (no such
 * model), FORMAT, UNSUPPORTED (its config.json), NO_DEVICE, IO, INTERRUPTED. */
BCL_EXPORT bcl_status bcl_bench_run(struct cJSON **out, const bcl_bench_options *options);

/* Reads a result and checks it: FORMAT, also for another version of the schema. */
BCL_EXPORT bcl_status bcl_bench_read(struct cJSON **out, const char *path);

/* Rows of the same name and, where both results have one device only, whatever it is, else of the
 * same device. */
typedef struct bcl_bench_difference {
    const char *name, *device, *other; /* owned by the results; other: b's device */
    double ratio;                      /* b's speed by a's, of the medians */
    double low, high;                  /* 95 % of it by bootstrap over the samples */
    bool differs; /* the interval is outside of 1 / (1 + 0.05) to 1 + 0.05; else it means nothing */
} bcl_bench_difference;
/* *out is the caller's to free(). */
BCL_EXPORT bcl_status bcl_bench_compare(bcl_bench_difference **out, size_t *count,
                                        const struct cJSON *a, const struct cJSON *b);

#ifdef __cplusplus
}
#endif
#endif
