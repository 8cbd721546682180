/* What the files of the benchmark share. The parent (bench.c) makes no OpenCL call; a child for
 * each device measures and tells it each row as JSON, so that it may crash or hang at any moment.
 */
#ifndef BCL_BENCH_INTERNAL_H
#define BCL_BENCH_INTERNAL_H

#include "model/model.h"
#include "ops/exact.h"

#include <bertcl/bench.h>

struct cJSON;
typedef struct bcl_bench_text bcl_bench_text;

enum { BCL_BENCH_SIZES = 40 }; /* powers of two of bytes */
/* Rows are measured in passes, each over all rows, so that what a machine does over minutes is in
 * the samples of every row. */
enum { BCL_BENCH_QUICK_PASSES = 2, BCL_BENCH_QUICK_SAMPLES = 4 }; /* of a pass */
enum { BCL_BENCH_FULL_PASSES = 3, BCL_BENCH_FULL_SAMPLES = 5, BCL_BENCH_SAMPLES = 15 };

/* ---- shape.c ---- */

/* The configuration of a --model. */
bcl_status bcl_bench_shape(bcl_config *out, const char *model);

/* ---- times.c ---- */

typedef struct bcl_bench_times {
    double samples[BCL_BENCH_SAMPLES]; /* s a repetition, in the order of measuring */
    int count, repeats;                /* repetitions of a sample */
    int passes;                        /* that they are from, as many of each */
    double least, q1, median, q3;
} bcl_bench_times;

/* Queues the work so many times, and waits. 0 times: makes ready for the next sample, untimed. */
typedef bcl_status bcl_bench_work(void *context, int repeats);
/* Warm-up until two times in a row agree, then `count` samples. Where these would take longer than
 * `seconds` nothing is sampled: count is 0 and the median what one took. */
bcl_status bcl_bench_time(bcl_bench_times *out, int count, double seconds, bcl_bench_work *work,
                          void *context);
/* Sets the quartiles by the samples. */
void bcl_bench_summarize(bcl_bench_times *times);
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
    const bcl_bench_text *text; /* NULL: sentences are drawn */
    int fd;
    double deadline; /* of bcl_seconds() */
    bcl_device *device;
    bcl_device *profiled; /* the same, each launch timed by an event; NULL: it could not be had */
    int pass;             /* from 0 on */
    struct bcl_bench_row *kept; /* (kept_count) rows with a speed, as the passes so far have them */
    size_t kept_count, kept_capacity;
    double peak;                              /* flop/s in fp32, the best seen; 0: not known */
    double read, written, streams;            /* bytes/s of read, copy, triad, the best seen */
    double bandwidth[BCL_BENCH_SIZES];        /* bytes/s, the best of streams of 2^i bytes in all */
    bcl_bench_times whole[BCL_PRECISIONS][2]; /* steps of evaluation and training at batch 32 */
    bcl_bench_times *operations[BCL_PRECISIONS]; /* (kinds), count 0: not measured; or NULL */
} bcl_bench_child;

typedef struct bcl_bench_row {
    char name[96]; /* "gemm/nn/480x1536x384" */
    const char *level, *unit, *precision;
    const char *status; /* NULL: ok */
    char reason[768];
    int products;  /* of as many operations that are timed together: the time is shared; 0: 1 */
    double amount; /* of the unit in a repetition; 0: the value is the time in microseconds */
    double flop, bytes;
    double error, error_limit; /* limit 0: not compared */
    double error_p99;
    double limit;      /* flop/s that the device has at most; 0: not known */
    double roof;       /* s that a repetition takes at least by the measured limits; 0: not known */
    const char *bound; /* "memory" or "compute", what roof is */
    double events;     /* s of a repetition by the driver's clock; 0: not known */
    char note[256];
    bcl_bench_times times;
    double value;       /* instead of amount by time, if not 0 */
    struct cJSON *more; /* members to add, taken; or NULL */
} bcl_bench_row;

/* Tells the parent what is tried next; false: no time is left, and a row says so. In a later pass
 * the row becomes what the passes before it have, samples, errors and notes among them; false also
 * where they have no speed. */
bool bcl_bench_begin(bcl_bench_child *c, bcl_bench_row *row);
/* Times it, within the time that is left, and adds the samples to those of earlier passes. */
bcl_status bcl_bench_measure(bcl_bench_child *c, bcl_bench_row *row, bcl_bench_work *work,
                             void *context);
void bcl_bench_tell(bcl_bench_child *c, bcl_bench_row *row);
/* A figure is wrong above what bounds it by this: less is the clock of the processor. */
#define BCL_BENCH_ABOVE 1.05
/* Ends a row with what came of it: a status other than OK makes it skipped (memory), unsupported or
 * failed. */
void bcl_bench_end(bcl_bench_child *c, bcl_bench_row *row, bcl_status status);
__attribute__((format(printf, 3, 4))) void bcl_bench_mark(bcl_bench_row *row, const char *status,
                                                          const char *format, ...);
/* A frame of the pipe: 'B' a row begins, 'R' a row, 'E' the end. A parent that is gone ends the
 * child. */
void bcl_bench_frame(bcl_bench_child *c, char kind, const char *text);

/* ---- energy.c ---- */

typedef struct bcl_bench_energy {
    const char *problem; /* why there is no counter; NULL: there is */
    const char *source;
    int packages;     /* of RAPL */
    double first[16]; /* uJ of each package, or mJ of the card */
    void *device;     /* of NVML, and its function */
    int (*energy)(void *device, unsigned long long *millijoules);
} bcl_bench_energy;
void bcl_bench_energy_open(bcl_bench_energy *e, const bcl_device_info *about);
/* J since it was opened; false where there is no counter. */
bool bcl_bench_energy_read(double *joules, const bcl_bench_energy *e);

/* ---- sentences.c: what steps and operations run on ---- */

enum { BCL_BENCH_SENTENCES = 32 };
typedef struct bcl_bench_sentences {
    bcl_sample samples[BCL_BENCH_SENTENCES];
    int32_t *ids, *labels; /* end to end */
    int count, tokens, longest;
    int32_t *slot_of; /* (V) gradient row of a word, -1: it does not occur */
    bool *used;       /* (V) */
    int words;        /* that occur */
} bcl_bench_sentences;
/* Sentences of a corpus, in pieces. */
struct bcl_bench_text {
    int32_t *ids; /* end to end */
    int lengths[BCL_BENCH_SENTENCES], tokens;
};
/* Evenly from all of options->data, by the tokenizer in the folder options->model. */
bcl_status bcl_bench_text_read(bcl_bench_text *out, const bcl_bench_options *options,
                               const bcl_config *config);
/* `length` random pieces each; 0: the sentences of `text` or, if it is NULL, as many as the UN
 * corpus has them. From a fixed seed. */
bcl_status bcl_bench_draw(bcl_bench_sentences *out, const bcl_config *config,
                          const bcl_bench_text *text, int count, int length);
void bcl_bench_sentences_free(bcl_bench_sentences *s);

/* Roundings are normal: all but one of a hundred are within this share of their limit. */
#define BCL_BENCH_P99_LIMIT 0.5

/* ---- operations: each of a step's, with its double reference ---- */

enum { BCL_BENCH_TENSORS = 20 };

/* An operand. Inputs have `host`, outputs `want`, what is both has both. */
typedef struct bcl_bench_tensor {
    const char *name;
    bcl_view view;
    size_t count, period; /* elements; host and want have `period`, which repeat */
    float *host;          /* what is put in; NULL: NaN */
    int32_t *ints;        /* instead, where the view has them */
    bool rewritten;       /* the operation changes it: put in again before each sample */
    double *exact;        /* host in double, once asked for */
    double *want, *size;  /* what is right, and its magnitude or NULL: |want| */
    bcl_error_limit limit;
} bcl_bench_tensor;

typedef struct bcl_bench_operation bcl_bench_operation;

/* How often a step does it: layer times the number of layers, and step. */
typedef struct bcl_bench_count {
    int layer, step;
} bcl_bench_count;

typedef struct bcl_bench_kind {
    const char *name; /* "attention/backward" */
    int variant;
    bool dropout, packed;
    bcl_status (*open)(bcl_bench_operation *o);   /* makes the tensors */
    bcl_status (*launch)(bcl_bench_operation *o); /* queues it */
    bcl_status (*expect)(bcl_bench_operation *o); /* sets what is right */
    bcl_bench_count evaluate, train;
} bcl_bench_kind;
extern const bcl_bench_kind bcl_bench_kinds[];
extern const size_t bcl_bench_kind_count;
bool bcl_bench_kind_has_products(const bcl_bench_kind *kind);
/* Whether it writes what products read, in whose type it then is. */
bool bcl_bench_kind_makes_operands(const bcl_bench_kind *kind);

struct bcl_bench_operation {
    const bcl_bench_kind *kind;
    const bcl_config *config;
    const bcl_bench_sentences *sentences;
    bcl_ops ops;
    bcl_batch host;         /* all sentences */
    bcl_batch_layout batch; /* the same on the device */
    bcl_dropout dropout;
    bcl_bench_tensor tensors[BCL_BENCH_TENSORS];
    int tensor_count;
    int M, N;           /* of a linear layer */
    double flop, bytes; /* that it must do and move at least */
    char shape[96];     /* for messages */
};

bcl_status bcl_bench_operation_open(bcl_bench_operation *o, const bcl_bench_kind *kind,
                                    bcl_device *device, bcl_gemm *gemm, const bcl_config *config,
                                    const bcl_bench_sentences *sentences);
void bcl_bench_operation_close(bcl_bench_operation *o);
/* The type of what products read: f32, bf16 or f16. */
bcl_element bcl_bench_operands(const bcl_bench_operation *o);
/* For kinds: an input of N(0, scale^2), one of given numbers, both rounded to their type, and an
 * output of NaN. Each adds what it moves to o->bytes. */
bcl_status bcl_bench_input(bcl_bench_operation *o, int at, const char *name, bcl_element type,
                           int rows, int columns, float scale);
bcl_status bcl_bench_given(bcl_bench_operation *o, int at, const char *name, bcl_element type,
                           int rows, int columns, const double *values);
bcl_status bcl_bench_output(bcl_bench_operation *o, int at, const char *name, bcl_element type,
                            int rows, int columns);
/* An output of that type beside one in f32; none where products read f32. */
bcl_status bcl_bench_copy(bcl_bench_operation *o, int at, const char *name, int rows, int columns);
bcl_status bcl_bench_ints(bcl_bench_operation *o, int at, const char *name, int rows,
                          const int32_t *values /* NULL: an output */);
/* The input in double, owned by the tensor; NULL: no memory. */
const double *bcl_bench_exact(bcl_bench_operation *o, int at);
/* Zeros to be set to what is right, with `sized` also the magnitudes. */
bcl_status bcl_bench_expected(bcl_bench_operation *o, int at, bool sized, bcl_error_limit limit);
/* Puts in what a launch has changed. */
bcl_status bcl_bench_restore(bcl_bench_operation *o);
/* Restores, launches once, and compares an output of `o`, whose want must be set: false: it has
 * none at this place. */
bcl_status bcl_bench_compare_output(bcl_error *out, bcl_bench_operation *o, int at);
/* The value at an element, and what is right there. */
bcl_status bcl_bench_element(double *got, double *want, bcl_bench_operation *o, int at,
                             size_t element);

/* ---- the levels: rows of each, failures among them ---- */

void bcl_bench_limits(bcl_bench_child *c);
/* What bounds ("memory" or "compute") is measured once more: the ceiling rises if it is better. */
void bcl_bench_limits_again(bcl_bench_child *c, const char *bound);
void bcl_bench_products(bcl_bench_child *c, bcl_precision precision);
/* The same products by every provider that suits the device, untuned, in its precision. */
void bcl_bench_providers(bcl_bench_child *c);
/* Also what the kernels take inside of a step. */
void bcl_bench_steps(bcl_bench_child *c, bcl_precision precision);
/* Each operation of the model, timed or, with `verify`, only checked, a row an output. Timed in
 * another precision than fp32 those that have matrix products: the others are the same. */
void bcl_bench_operations(bcl_bench_child *c, bool verify, bcl_precision precision);
/* The whole model, forward and its gradients, against double precision. */
void bcl_bench_verify_model(bcl_bench_child *c, bcl_precision precision);
/* The times of a step's operations together: rows that tell how much of the step they are. */
void bcl_bench_explain(bcl_bench_child *c);
/* s that so much takes at least in fp32, and what it is bound by; 0: the limits were not measured.
 */
double bcl_bench_roof(const char **bound, const bcl_bench_child *c, double flop, double bytes);

/* ---- certainty.c: what runs of one device differ by ---- */

#define BCL_BENCH_LEAST 0.01 /* standard deviation of a logarithm between two runs, at least */

/* Of a row. */
typedef struct bcl_bench_spread {
    double median;  /* s */
    double sd;      /* of samples, by their quartiles, as a share of the median */
    double drift;   /* |log| of the last third's median by the first's */
    int passes;     /* 1: the rest is 0 */
    double between; /* variance of the logarithms of the passes' medians */
    double within;  /* what that would be if samples differed by chance alone */
    double shift;   /* log of the last pass' median by the first's */
} bcl_bench_spread;
/* Of a device's typical row in a result. drift: of what the rows have in common. */
typedef struct bcl_bench_noise {
    double sd, drift, between;
} bcl_bench_noise;
/* Rows that only check something are ok without a speed. */
bool bcl_bench_has_speed(const struct cJSON *row);
bcl_status bcl_bench_spread_of(bcl_bench_spread *out, const struct cJSON *row);
bcl_status bcl_bench_noise_of(bcl_bench_noise *out, const bcl_bench_column *column);
/* Of the logarithm of the row's median, from run to run. */
double bcl_bench_variance(const bcl_bench_spread *row, const bcl_bench_noise *noise);
/* The middle of so many numbers, which it sorts; 0 of none. */
double bcl_bench_middle(double *x, size_t n);

#endif
