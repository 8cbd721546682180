/* The reports' figures from sums of rows: the same rules as report.c and entity_report.c, without
 * allocating, ten thousand times over. */
#include "eval/figures.h"

#include "eval/report.h"

static const char *const metrics[] = {"precision", "recall", "f1-score"};
static const char *const averages[] = {"micro avg", "macro avg", "weighted avg"};
enum { LABEL_FIGURES = 1, ENTITY_FIGURES = 7, TYPE_FIGURES = 16 };

static int compare_names(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void add_types(bcl_figures *f, const bcl_score *s) {
    for (size_t i = 0; s && i < bcl_entity_report_size(s->entity_report); i++)
        f->types[f->type_count++] = bcl_entity_report_type(s->entity_report, i);
}

static void add_row(bcl_figures *f, const char *group, const char *row) {
    for (int m = 0; m < 3; m++)
        f->names[f->count++] = (bcl_figure_name){group, row, metrics[m]};
}

bcl_status bcl_figures_create(bcl_figures *out, const bcl_score *first, const bcl_score *second) {
    bcl_status status = BCL_OK;
    size_t most = bcl_entity_report_size(first->entity_report);
    *out = (bcl_figures){0};
    if (second)
        most += bcl_entity_report_size(second->entity_report);
    BCL_NEW(out->types, most);
    add_types(out, first);
    add_types(out, second);
    qsort(out->types, out->type_count, sizeof *out->types, compare_names);
    size_t kept = 0;
    for (size_t i = 0; i < out->type_count; i++)
        if (!i || strcmp(out->types[i], out->types[kept - 1]))
            out->types[kept++] = out->types[i];
    out->type_count = kept;
    BCL_NEW(out->names, TYPE_FIGURES + 3 * kept);
    out->names[out->count++] = (bcl_figure_name){NULL, "accuracy", NULL};
    for (int i = 1; i < 3; i++)
        add_row(out, "report", averages[i]);
    for (int i = 0; i < 3; i++)
        add_row(out, "entities", averages[i]);
    for (size_t i = 0; i < kept; i++)
        add_row(out, "entities", out->types[i]);
out:
    if (status)
        bcl_figures_free(out);
    return status;
}

void bcl_figures_free(bcl_figures *figures) {
    free(figures->names);
    free(figures->types);
    *figures = (bcl_figures){0};
}

bcl_status bcl_figure_maker_create(bcl_figure_maker *out, const bcl_figures *figures,
                                   const bcl_score *score) {
    bcl_status status = BCL_OK;
    const size_t most =
        score->rows.labels > figures->type_count ? score->rows.labels : figures->type_count;
    *out = (bcl_figure_maker){.figures = figures, .score = score};
    BCL_NEW(out->type_at, figures->type_count);
    BCL_NEW(out->scores, most);
    BCL_NEW(out->work, 3 * most);
    for (size_t i = 0; i < figures->type_count; i++)
        out->type_at[i] = bcl_entities_type(score->entities, figures->types[i]);
out:
    if (status)
        bcl_figure_maker_free(out);
    return status;
}

void bcl_figure_maker_free(bcl_figure_maker *maker) {
    free(maker->type_at);
    free(maker->scores);
    free(maker->work);
    *maker = (bcl_figure_maker){0};
}

/* ---- computing ---- */

static void put(double *out, bcl_scores x) {
    out[0] = x.precision;
    out[1] = x.recall;
    out[2] = x.f1;
}

static double divide(double a, double b, double zero_division) {
    return b == 0 ? zero_division : a / b;
}

/* c: gold, predicted, both */
static bcl_scores label_scores(const uint64_t *c, double zero_division) {
    double gold = (double)c[0], pred = (double)c[1], both = (double)c[2];
    return (bcl_scores){divide(both, pred, zero_division), divide(both, gold, zero_division),
                        divide(2 * both, gold + pred, zero_division), c[0]};
}

static bcl_scores entity_scores(const uint64_t *c, double zero_division) {
    double p = divide((double)c[2], (double)c[1], zero_division);
    double r = divide((double)c[2], (double)c[0], zero_division);
    return (bcl_scores){p, r, 2 * p * r / (p + r == 0 ? 1 : p + r), c[0]};
}

static bcl_scores average(const bcl_figure_maker *m, size_t n, bool weighted) {
    double result[3], *values = m->work, *weights = m->work + n, *scratch = m->work + 2 * n;
    for (size_t i = 0; i < n; i++)
        weights[i] = (double)m->scores[i].support;
    for (int c = 0; c < 3; c++) {
        for (size_t i = 0; i < n; i++) {
            const bcl_scores *x = &m->scores[i];
            values[i] = c == 0 ? x->precision : c == 1 ? x->recall : x->f1;
        }
        result[c] = bcl_average(values, weighted ? weights : NULL, n, scratch);
    }
    return (bcl_scores){result[0], result[1], result[2], 0};
}

static void compute_labels(double *out, const bcl_figure_maker *m, const uint64_t *sum) {
    const bcl_rows *r = &m->score->rows;
    const uint64_t *c = sum + BCL_ROW_TYPES + 3 * r->types;
    size_t n = 0;
    for (size_t i = 0; i < r->labels; i++, c += 3)
        if (c[0] || c[1])
            m->scores[n++] = label_scores(c, m->score->options.zero_division);
    put(out, average(m, n, false));
    put(out + 3, average(m, n, true));
}

static void compute_entities(double *out, const bcl_figure_maker *m, const uint64_t *sum) {
    static const uint64_t none[3] = {0};
    const double zero = bcl_entity_zero_division(m->score->options.zero_division);
    uint64_t all[3] = {0};
    size_t n = 0;
    double *types = out + TYPE_FIGURES - ENTITY_FIGURES;
    for (size_t i = 0; i < m->figures->type_count; i++) {
        size_t at = m->type_at[i];
        const uint64_t *c = at == SIZE_MAX ? none : sum + BCL_ROW_TYPES + 3 * at;
        bcl_scores x = entity_scores(c, zero);
        put(types + 3 * i, x);
        if (c[0] || c[1])
            m->scores[n++] = x;
        for (int k = 0; k < 3; k++)
            all[k] += c[k];
    }
    bcl_scores macro = {zero, zero, zero, 0}, weighted = macro;
    if (n) {
        macro = average(m, n, false);
        if (all[0])
            weighted = average(m, n, true);
        else
            weighted.precision = weighted.f1 = 0;
    }
    put(out, entity_scores(all, zero));
    put(out + 3, macro);
    put(out + 6, weighted);
}

void bcl_figures_compute(double *out, const bcl_figure_maker *m, const uint64_t *sum) {
    out[0] = (double)sum[BCL_ROW_RIGHT] / (double)sum[BCL_ROW_TOKENS];
    compute_labels(out + LABEL_FIGURES, m, sum);
    compute_entities(out + ENTITY_FIGURES, m, sum);
}
