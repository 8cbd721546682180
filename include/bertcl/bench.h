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
    const char *const *data; /* (data_count) labelled corpora, of which steps and operations take
                                their sentences; the model is then a folder with a tokenizer */
    size_t data_count;       /* 0: sentences are drawn */
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
 * model, data without a tokenizer), FORMAT, UNSUPPORTED (its config.json), NO_DEVICE, IO,
 * INTERRUPTED. */
BCL_EXPORT bcl_status bcl_bench_run(struct cJSON **out, const bcl_bench_options *options);

/* Reads a result and checks it: FORMAT, also for another version of the schema. */
BCL_EXPORT bcl_status bcl_bench_read(struct cJSON **out, const char *path);

/* A row of several devices ("devices") that is faster than the sum of what they give alone in these
 * results, in rows of the same name, becomes "wrong" and loses its speed. Before columns are made.
 */
BCL_EXPORT bcl_status bcl_bench_judge(struct cJSON *const *results, size_t count);

/* What one device gave in one result. Texts are the result's and path's owner's. */
typedef struct bcl_bench_column {
    const struct cJSON *result;
    const char *path, *device, *name, *driver;
} bcl_bench_column;
/* Adds a column for each device of the result that has a row with a speed. *list is the caller's to
 * free(), also after an error. */
BCL_EXPORT bcl_status bcl_bench_columns(bcl_bench_column **list, size_t *count,
                                        const struct cJSON *result, const char *path);
/* The column's row of that name, if it has a speed; else NULL. */
BCL_EXPORT const struct cJSON *bcl_bench_column_row(const bcl_bench_column *column,
                                                    const char *name);

typedef struct bcl_bench_difference {
    const char *name; /* owned by the results */
    double ratio;     /* b's speed by a's, of the medians */
    double low, high; /* where it lies with 95 %, by the samples and by what runs differ by */
    bool differs; /* the interval is outside of 1 / (1 + 0.05) to 1 + 0.05; else it means nothing */
} bcl_bench_difference;
typedef struct bcl_bench_comparison {
    bcl_bench_difference *rows; /* (count) that both have, in a's order */
    size_t count;
    bcl_bench_difference all; /* the middle of the rows' ratios; if there are any */
} bcl_bench_comparison;
/* Compares what two columns have in common; of different models that is limits and products. */
BCL_EXPORT bcl_status bcl_bench_compare(bcl_bench_comparison *out, const bcl_bench_column *a,
                                        const bcl_bench_column *b);
BCL_EXPORT void bcl_bench_comparison_free(bcl_bench_comparison *comparison);
/* "0.53 (0.49-0.58)", with "= " before it if that is no difference; "any" for an interval of more
 * than a factor of 100. */
enum { BCL_BENCH_RATIO = 48 };
BCL_EXPORT void bcl_bench_ratio_text(char out[BCL_BENCH_RATIO], const bcl_bench_difference *d);

/* Writes a page about results: bars, rooflines, scaling with batch and length, what differs. */
BCL_EXPORT bcl_status bcl_bench_page(const bcl_bench_column *columns, size_t count,
                                     const char *path);

#ifdef __cplusplus
}
#endif
#endif
