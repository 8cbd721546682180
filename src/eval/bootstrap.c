/* The bootstrap over sentences: every resample draws as many sentences as there are, with
 * replacement, and adds up their counts. Efron and Tibshirani, An Introduction to the Bootstrap,
 * chapters 13 (percentile intervals) and 16 (tests); Koehn, EMNLP 2004, for two systems. */
#include "eval/report.h"
#include "eval/figures.h"
#include "util/printable.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <pthread.h>
#include <unistd.h>

struct bcl_bootstrap {
    bcl_figures figures;
    bcl_interval *intervals; /* (figures) */
    size_t resamples;
    uint64_t seed;
    bool paired;
};

enum { MOST_BYTES = 1 << 28, MOST_FIGURES = 1 << 27 };
enum { BLOCK = 8 }; /* words that are added up at a time, in registers: a cache line */

/* The rows of one score or of two, side by side, several counts in one word: adding words adds
 * counts as long as no count overflows its lane, so at most `stretch` rows are added at a time. Of
 * so many labels that this would take more than MOST_BYTES, rows are added cell by cell. */
typedef struct packed {
    const bcl_rows *sparse[2]; /* where words is NULL */
    uint64_t *words;           /* (n, stride) */
    size_t n, stride, width, lanes;
    unsigned lane_bits;
    size_t stretch;
} packed;

static uint32_t largest(const bcl_rows *r) {
    uint32_t most = 1;
    for (size_t i = 0; i < r->starts[r->sentences]; i++)
        most = r->cells[i].count > most ? r->cells[i].count : most;
    return most;
}

static void pack_score(packed *p, const bcl_rows *r, size_t column) {
    for (size_t i = 0; i < r->sentences; i++)
        for (size_t c = r->starts[i]; c < r->starts[i + 1]; c++) {
            const size_t at = column + r->cells[c].column;
            p->words[i * p->stride + at / p->lanes] |= (uint64_t)r->cells[c].count
                                                       << (at % p->lanes * p->lane_bits);
        }
}

static bcl_status pack(packed *out, const bcl_score *first, const bcl_score *second) {
    bcl_status status = BCL_OK;
    uint32_t most = largest(&first->rows);
    size_t cells;
    *out = (packed){.sparse = {&first->rows, second ? &second->rows : NULL},
                    .n = first->rows.sentences,
                    .width = first->rows.width};
    if (second) {
        out->width += second->rows.width;
        most = largest(&second->rows) > most ? largest(&second->rows) : most;
    }
    out->lane_bits = most < 2048 ? 16 : 32;
    out->lanes = 64 / out->lane_bits;
    out->stretch = (out->lane_bits == 16 ? UINT16_MAX : UINT32_MAX) / most;
    out->stride = (out->width + out->lanes - 1) / out->lanes;
    out->stride = (out->stride + BLOCK - 1) / BLOCK * BLOCK;
    if (!bcl_multiply(&cells, out->n, out->stride) || cells > MOST_BYTES / sizeof *out->words)
        return BCL_OK;
    BCL_NEW(out->words, cells);
    pack_score(out, &first->rows, 0);
    if (second)
        pack_score(out, &second->rows, first->rows.width);
out:
    return status;
}

/* ---- drawing ---- */

typedef struct worker {
    const packed *rows;
    bcl_figure_maker first, second;
    uint64_t *partial, *sum; /* (stride), (width) */
    size_t *drawn;           /* (stretch) offsets of rows */
    double *values, *others; /* (resamples, figures) of all workers */
    size_t figures, begin, step, resamples;
    uint64_t seed;
    pthread_t thread;
    bool started;
} worker;

__extension__ typedef unsigned __int128 wide;

/* Draw i of a resample: SplitMix64's number i behind `start`, scaled to 0..n-1. */
static size_t draw(uint64_t start, size_t i, size_t n) {
    uint64_t x = start + (uint64_t)(i + 1) * 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return (size_t)(((wide)(x ^ (x >> 31)) * n) >> 64);
}

static void unpack(uint64_t *sum, const uint64_t *partial, const packed *p) {
    const uint64_t mask = p->lane_bits == 16 ? UINT16_MAX : UINT32_MAX;
    for (size_t c = 0; c < p->width; c++)
        sum[c] += partial[c / p->lanes] >> (c % p->lanes * p->lane_bits) & mask;
}

typedef uint64_t pair __attribute__((vector_size(16)));

/* out (BLOCK) = the sum of the rows that begin at words + drawn[i]. */
static void add_rows(uint64_t *out, const uint64_t *words, const size_t *drawn, size_t n) {
    pair a = {0}, b = {0}, c = {0}, d = {0}, row[BLOCK / 2];
    for (size_t i = 0; i < n; i++) {
        memcpy(row, words + drawn[i], sizeof row);
        a += row[0];
        b += row[1];
        c += row[2];
        d += row[3];
    }
    const pair sums[BLOCK / 2] = {a, b, c, d};
    memcpy(out, sums, sizeof sums);
}

static void add_cells(uint64_t *sum, const bcl_rows *r, size_t sentence) {
    for (size_t c = r->starts[sentence]; c < r->starts[sentence + 1]; c++)
        sum[r->cells[c].column] += r->cells[c].count;
}

static void add_sparse(worker *w, uint64_t start) {
    const packed *p = w->rows;
    for (size_t i = 0; i < p->n; i++) {
        const size_t sentence = draw(start, i, p->n);
        add_cells(w->sum, p->sparse[0], sentence);
        if (p->sparse[1])
            add_cells(w->sum + p->sparse[0]->width, p->sparse[1], sentence);
    }
}

static void add_packed(worker *w, uint64_t start) {
    const packed *p = w->rows;
    for (size_t i = 0, end; i < p->n; i = end) {
        end = i + p->stretch < p->n ? i + p->stretch : p->n;
        for (size_t k = i; k < end; k++)
            w->drawn[k - i] = draw(start, k, p->n) * p->stride;
        for (size_t c = 0; c < p->stride; c += BLOCK)
            add_rows(w->partial + c, p->words + c, w->drawn, end - i);
        unpack(w->sum, w->partial, p);
    }
}

static void resample(worker *w, size_t number) {
    const uint64_t start = bcl_mix64(w->seed ^ bcl_mix64(number));
    memset(w->sum, 0, w->rows->width * sizeof *w->sum);
    if (w->rows->words)
        add_packed(w, start);
    else
        add_sparse(w, start);
    bcl_figures_compute(w->values + number * w->figures, &w->first, w->sum);
    if (w->others)
        bcl_figures_compute(w->others + number * w->figures, &w->second,
                            w->sum + w->first.score->rows.width);
}

static void *work(void *context) {
    worker *w = context;
    for (size_t b = w->begin; b < w->resamples; b += w->step)
        resample(w, b);
    return NULL;
}

static size_t processors(void) {
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n < 1 ? 1 : n > 16 ? 16 : (size_t)n;
}

/* values and others: (resamples, figures). They depend on the seed, not on the number of threads.
 */
static bcl_status draw_all(double *values, double *others, const bcl_bootstrap *b,
                           const packed *rows, const bcl_score *first, const bcl_score *second) {
    bcl_status status = BCL_OK;
    const size_t threads = processors();
    worker *workers = NULL;
    BCL_NEW(workers, threads);
    for (size_t t = 0; t < threads; t++) {
        worker *w = &workers[t];
        *w = (worker){.rows = rows,
                      .values = values,
                      .others = others,
                      .figures = b->figures.count,
                      .begin = t,
                      .step = threads,
                      .resamples = b->resamples,
                      .seed = b->seed};
        BCL_TRY(bcl_figure_maker_create(&w->first, &b->figures, first));
        if (second)
            BCL_TRY(bcl_figure_maker_create(&w->second, &b->figures, second));
        BCL_NEW(w->partial, rows->stride);
        BCL_NEW(w->sum, rows->width);
        BCL_NEW(w->drawn, rows->stretch < rows->n ? rows->stretch : rows->n);
    }
    for (size_t t = 1; t < threads; t++)
        workers[t].started = !pthread_create(&workers[t].thread, NULL, work, &workers[t]);
    work(&workers[0]);
    for (size_t t = 1; t < threads; t++)
        if (workers[t].started)
            pthread_join(workers[t].thread, NULL);
        else
            work(&workers[t]);
out:
    for (size_t t = 0; workers && t < threads; t++) {
        bcl_figure_maker_free(&workers[t].first);
        bcl_figure_maker_free(&workers[t].second);
        free(workers[t].partial);
        free(workers[t].sum);
        free(workers[t].drawn);
    }
    free(workers);
    return status;
}

/* ---- intervals ---- */

static int compare_doubles(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* numpy.percentile of sorted values. */
static double quantile(const double *sorted, size_t n, double q) {
    double at = q * (double)(n - 1);
    size_t i = (size_t)at;
    return i + 1 < n ? sorted[i] + (sorted[i + 1] - sorted[i]) * (at - (double)i) : sorted[n - 1];
}

/* 95 % of column f; resamples in which the figure is undefined are left out. */
static void interval(double *low, double *high, double *scratch, size_t n) {
    size_t m = 0;
    for (size_t i = 0; i < n; i++)
        if (!isnan(scratch[i]))
            scratch[m++] = scratch[i];
    qsort(scratch, m, sizeof *scratch, compare_doubles);
    *low = m ? quantile(scratch, m, .025) : NAN;
    *high = m ? quantile(scratch, m, .975) : NAN;
}

static void take(double *out, const double *values, const double *minus, size_t f, size_t figures,
                 size_t n) {
    for (size_t i = 0; i < n; i++)
        out[i] = values[i * figures + f] - (minus ? minus[i * figures + f] : 0);
}

/* Two-sided: how often a resample's difference lies as far from the measured one as that from 0.
 * One more of each, so that it is never 0. The margin is for rounding. */
static double p_value(const double *differences, size_t n, double measured) {
    size_t beyond = 1, valid = 1;
    for (size_t i = 0; i < n; i++) {
        if (isnan(differences[i]))
            continue;
        valid++;
        beyond += fabs(differences[i] - measured) >= fabs(measured) - 1e-12;
    }
    return isnan(measured) ? NAN : (double)beyond / (double)valid;
}

static bcl_status summarise(bcl_bootstrap *b, const double *values, const double *others) {
    bcl_status status = BCL_OK;
    const size_t n = b->resamples, figures = b->figures.count;
    double *scratch = NULL;
    BCL_NEW(scratch, n);
    for (size_t f = 0; f < figures; f++) {
        bcl_interval *x = &b->intervals[f];
        take(scratch, values, NULL, f, figures, n);
        interval(&x->low, &x->high, scratch, n);
        if (!others)
            continue;
        take(scratch, others, NULL, f, figures, n);
        interval(&x->other_low, &x->other_high, scratch, n);
        take(scratch, others, values, f, figures, n);
        x->difference = x->other - x->value;
        x->p = p_value(scratch, n, x->difference);
        interval(&x->difference_low, &x->difference_high, scratch, n);
    }
out:
    free(scratch);
    return status;
}

/* What the reports say of all sentences. */
static bcl_status measure(bcl_bootstrap *b, const bcl_score *score, bool other) {
    bcl_status status = BCL_OK;
    const bcl_rows *r = &score->rows;
    bcl_figure_maker maker = {0};
    uint64_t *sum = NULL;
    double *values = NULL;
    BCL_NEW(sum, r->width);
    BCL_NEW(values, b->figures.count);
    BCL_TRY(bcl_figure_maker_create(&maker, &b->figures, score));
    for (size_t i = 0; i < r->sentences; i++)
        add_cells(sum, r, i);
    bcl_figures_compute(values, &maker, sum);
    for (size_t f = 0; f < b->figures.count; f++)
        *(other ? &b->intervals[f].other : &b->intervals[f].value) = values[f];
out:
    bcl_figure_maker_free(&maker);
    free(sum);
    free(values);
    return status;
}

static bcl_status check(const bcl_score *first, const bcl_score *second, size_t resamples) {
    const bcl_labels *a = first->labels, *b = second ? second->labels : a;
    if (!resamples)
        return bcl_fail(BCL_ERROR_ARGUMENT, "bootstrap: found 0 resamples, expected at least 1");
    if (!first->options.by_sentence || (second && !second->options.by_sentence))
        return bcl_fail(BCL_ERROR_ARGUMENT, "bootstrap: the scores were made without by_sentence");
    if (a->count != b->count)
        return bcl_fail(BCL_ERROR_ARGUMENT,
                        "bootstrap: found %zu and %zu sentences, expected the same data", a->count,
                        b->count);
    return BCL_OK;
}

bcl_status bcl_bootstrap_create(bcl_bootstrap **out, const bcl_score *first,
                                const bcl_score *second, size_t resamples, uint64_t seed) {
    bcl_status status = BCL_OK;
    bcl_bootstrap *b = NULL;
    packed rows = {0};
    double *values = NULL, *others = NULL;
    size_t cells;
    BCL_TRY(check(first, second, resamples));
    BCL_NEW(b, 1);
    b->resamples = resamples;
    b->seed = seed;
    b->paired = second != NULL;
    BCL_TRY(bcl_figures_create(&b->figures, first, second));
    BCL_NEW(b->intervals, b->figures.count);
    for (size_t f = 0; f < b->figures.count; f++) {
        const bcl_figure_name *name = &b->figures.names[f];
        b->intervals[f].group = name->group;
        b->intervals[f].row = name->row;
        b->intervals[f].metric = name->metric;
    }
    if (!bcl_multiply(&cells, resamples, b->figures.count) || cells > MOST_FIGURES)
        BCL_FAIL(BCL_ERROR_ARGUMENT,
                 "bootstrap: found %zu resamples of %zu figures, expected at most %d in all; take "
                 "at most %zu resamples",
                 resamples, b->figures.count, MOST_FIGURES, MOST_FIGURES / b->figures.count);
    BCL_NEW(values, cells);
    if (second)
        BCL_NEW(others, cells);
    BCL_TRY(measure(b, first, false));
    if (second)
        BCL_TRY(measure(b, second, true));
    BCL_TRY(pack(&rows, first, second));
    BCL_TRY(draw_all(values, others, b, &rows, first, second));
    BCL_TRY(summarise(b, values, others));
    *out = b;
    b = NULL;
out:
    bcl_bootstrap_free(b);
    free(rows.words);
    free(values);
    free(others);
    return status;
}

void bcl_bootstrap_free(bcl_bootstrap *b) {
    if (!b)
        return;
    bcl_figures_free(&b->figures);
    free(b->intervals);
    free(b);
}

size_t bcl_bootstrap_size(const bcl_bootstrap *b) {
    return b->figures.count;
}

bcl_interval bcl_bootstrap_interval(const bcl_bootstrap *b, size_t i) {
    return b->intervals[i];
}

/* ---- JSON and text ---- */

static bcl_status put_number(cJSON *object, const char *key, double x) {
    return bcl_report_put(object, key, cJSON_CreateNumber(x));
}

/* object[key], made if it is not there. */
static bcl_status child(cJSON **out, cJSON *object, const char *key) {
    *out = cJSON_GetObjectItemCaseSensitive(object, key);
    if (*out)
        return BCL_OK;
    *out = cJSON_CreateObject();
    return bcl_report_put(object, key, *out);
}

static bcl_status interval_json(cJSON *item, const bcl_interval *x, bool paired) {
    bcl_status status = BCL_OK;
    BCL_TRY(put_number(item, "value", x->value));
    BCL_TRY(put_number(item, "low", x->low));
    BCL_TRY(put_number(item, "high", x->high));
    if (!paired)
        goto out;
    BCL_TRY(put_number(item, "other", x->other));
    BCL_TRY(put_number(item, "other_low", x->other_low));
    BCL_TRY(put_number(item, "other_high", x->other_high));
    BCL_TRY(put_number(item, "difference", x->difference));
    BCL_TRY(put_number(item, "difference_low", x->difference_low));
    BCL_TRY(put_number(item, "difference_high", x->difference_high));
    BCL_TRY(put_number(item, "p", x->p));
out:
    return status;
}

bcl_status bcl_bootstrap_json(cJSON **out, const bcl_bootstrap *b) {
    bcl_status status = BCL_OK;
    cJSON *json = cJSON_CreateObject(), *item;
    BCL_TRY(put_number(json, "resamples", (double)b->resamples));
    BCL_TRY(put_number(json, "seed", (double)b->seed));
    BCL_TRY(put_number(json, "level", .95));
    for (size_t f = 0; f < b->figures.count; f++) {
        const bcl_interval *x = &b->intervals[f];
        item = json;
        if (x->group)
            BCL_TRY(child(&item, item, x->group));
        BCL_TRY(child(&item, item, x->row));
        if (x->metric)
            BCL_TRY(child(&item, item, x->metric));
        BCL_TRY(interval_json(item, x, b->paired));
    }
    *out = json;
    json = NULL;
out:
    cJSON_Delete(json);
    return status;
}

static bcl_status add_line(bcl_string *text, const bcl_bootstrap *b, const bcl_interval *x,
                           int digits) {
    bcl_status status = BCL_OK;
    char row[256];
    const char *group = !x->group ? "" : strcmp(x->group, "report") ? "entities" : "labels";
    BCL_TRY(bcl_string_addf(text, "%-8s %-16s %-9s  %.*f [%.*f, %.*f]", group,
                            bcl_printable(row, sizeof row, x->row), x->metric ? x->metric : "",
                            digits, x->value, digits, x->low, digits, x->high));
    if (b->paired)
        BCL_TRY(bcl_string_addf(text, "  %.*f [%.*f, %.*f]  %+.*f [%+.*f, %+.*f]  %.4f", digits,
                                x->other, digits, x->other_low, digits, x->other_high, digits,
                                x->difference, digits, x->difference_low, digits,
                                x->difference_high, x->p));
    BCL_TRY(bcl_string_addf(text, "\n"));
out:
    return status;
}

bcl_status bcl_bootstrap_text(char **out, const bcl_bootstrap *b, int digits) {
    bcl_status status = BCL_OK;
    bcl_string text = {0};
    BCL_TRY(bcl_string_addf(&text,
                            "95 %% intervals of %zu resamples of the sentences, seed %llu%s\n",
                            b->resamples, (unsigned long long)b->seed,
                            b->paired ? ": the first, the second, second - first, p" : ""));
    for (size_t f = 0; f < b->figures.count; f++)
        BCL_TRY(add_line(&text, b, &b->intervals[f], digits));
    *out = text.data;
    text.data = NULL;
out:
    bcl_string_free(&text);
    return status;
}
