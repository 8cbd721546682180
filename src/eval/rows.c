/* Rows of counts, one a sentence, without their zeros. */
#include "eval/rows.h"

bcl_status bcl_rows_create(bcl_rows *r, size_t sentences, size_t types, size_t labels) {
    bcl_status status = BCL_OK;
    *r = (bcl_rows){.types = types, .labels = labels};
    r->width = BCL_ROW_TYPES + 3 * types + 3 * labels;
    BCL_NEW(r->starts, sentences + 1);
    BCL_NEW(r->sums, r->width);
    BCL_NEW(r->before, types);
out:
    return status;
}

void bcl_rows_free(bcl_rows *r) {
    free(r->cells);
    free(r->starts);
    free(r->sums);
    free(r->used);
    free(r->before);
    *r = (bcl_rows){0};
}

static void count(bcl_rows *r, size_t column, uint64_t n) {
    if (n && !r->sums[column])
        r->used[r->used_count++] = (uint32_t)column;
    r->sums[column] += (uint32_t)n;
}

static void count_types(bcl_rows *r, const bcl_entity_span *spans, size_t n,
                        const bcl_entity_totals *totals) {
    for (size_t i = 0; i < n; i++) {
        const uint32_t t = spans[i].type;
        const size_t at = BCL_ROW_TYPES + 3 * (size_t)t;
        count(r, at, totals[t].gold - r->before[t].gold);
        count(r, at + 1, totals[t].pred - r->before[t].pred);
        count(r, at + 2, totals[t].both - r->before[t].both);
        r->before[t] = totals[t];
    }
}

static int compare_columns(const void *a, const void *b) {
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

bcl_status bcl_rows_add(bcl_rows *r, const bcl_labelled *s, const bcl_entity_view *v,
                        const bcl_entity_totals *totals) {
    bcl_status status = BCL_OK;
    const size_t labels = BCL_ROW_TYPES + 3 * r->types;
    const size_t most = 2 + 3 * (v->gold_count + v->pred_count + s->size);
    size_t at = r->starts[r->sentences];
    BCL_TRY(bcl_grow(&r->used, &r->used_capacity, most, sizeof *r->used));
    BCL_TRY(bcl_grow(&r->cells, &r->capacity, at + most, sizeof *r->cells));
    r->used_count = 0;
    count(r, BCL_ROW_TOKENS, s->size);
    count_types(r, v->gold, v->gold_count, totals);
    count_types(r, v->pred, v->pred_count, totals);
    for (size_t i = 0; i < s->size; i++) {
        const bool right = s->gold[i] == s->pred[i];
        count(r, labels + 3 * (size_t)s->gold[i], 1);
        count(r, labels + 3 * (size_t)s->pred[i] + 1, 1);
        count(r, labels + 3 * (size_t)s->gold[i] + 2, right);
        count(r, BCL_ROW_RIGHT, right);
    }
    qsort(r->used, r->used_count, sizeof *r->used, compare_columns);
    for (size_t i = 0; i < r->used_count; i++) {
        r->cells[at++] = (bcl_row_cell){r->used[i], r->sums[r->used[i]]};
        r->sums[r->used[i]] = 0;
    }
    r->starts[++r->sentences] = at;
out:
    return status;
}

uint32_t bcl_rows_at(const bcl_rows *r, size_t sentence, uint32_t column) {
    for (size_t i = r->starts[sentence]; i < r->starts[sentence + 1]; i++)
        if (r->cells[i].column == column)
            return r->cells[i].count;
    return 0;
}
