/* How: a position is sin, -sin, cos, -cos of four angles, so that query times key is a sum of
 * cos(w (i - j)) and LayerNorm sees the same mean and variance everywhere. Words have mean 0 and
 * one length. Only queries and keys read the position, and nothing writes it. */
#include "support/local_model.h"

#include <math.h>

/* Periods, and the score that half a period costs: together at least 17 beyond LOCAL_REACH. */
static const struct {
    double period, cost;
} waves[LOCAL_PLACE / 4] = {{24, 16}, {130, 60}, {700, 120}, {4200, 160}};

static bool ends_in(const char *name, const char *end) {
    const size_t n = strlen(name), m = strlen(end);
    return n >= m && !strcmp(name + n - m, end);
}

static void place_positions(float *x, size_t rows, size_t C) {
    memset(x, 0, rows * C * sizeof *x);
    for (size_t i = 0; i < rows; i++)
        for (size_t k = 0; k < LOCAL_PLACE / 4; k++) {
            const double angle = 2 * 3.14159265358979323846 * (double)i / waves[k].period;
            float *at = x + i * C + LOCAL_CONTENT + 4 * k;
            at[0] = (float)sin(angle);
            at[1] = -at[0];
            at[2] = (float)cos(angle);
            at[3] = -at[2];
        }
}

static void place_words(float *x, size_t rows, size_t C) {
    for (size_t i = 0; i < rows; i++) {
        float *row = x + i * C;
        double mean = 0, square = 0;
        for (size_t c = 0; c < LOCAL_CONTENT; c++)
            mean += (double)row[c] / LOCAL_CONTENT;
        for (size_t c = 0; c < LOCAL_CONTENT; c++)
            square += ((double)row[c] - mean) * ((double)row[c] - mean);
        for (size_t c = 0; c < C; c++)
            row[c] = c < LOCAL_CONTENT
                         ? (float)(((double)row[c] - mean) * sqrt(LOCAL_CONTENT / square))
                         : 0;
    }
}

/* Every head reads the position. The embedding's LayerNorm divides by its deviation: its square is
 * (words' LOCAL_CONTENT + positions' LOCAL_PLACE / 2) / C. */
static void place_query_or_key(float *x, size_t C, bool query) {
    const double variance = (LOCAL_CONTENT + LOCAL_PLACE / 2.0) / (double)C;
    memset(x, 0, C * C * sizeof *x);
    for (size_t out = 0; out < C; out++) {
        const size_t dim = out % LOCAL_PLACE;
        const double gain = waves[dim / 4].cost / 2 * variance * sqrt(LOCAL_PLACE) / 2;
        x[out * C + LOCAL_CONTENT + dim] = (float)(query ? gain : 1);
    }
}

void local_model_shape(const bcl_tensor *tensor, float *x) {
    const char *name = tensor->name;
    const size_t n = bcl_tensor_elements(tensor), rows = (size_t)tensor->shape[0],
                 columns = tensor->rank == 2 ? (size_t)tensor->shape[1] : 1,
                 C = LOCAL_CONTENT + LOCAL_PLACE;
    if (strstr(name, "LayerNorm")) {
        for (size_t i = 0; i < n; i++)
            x[i] = strstr(name, "weight") ? 1 : 0;
    } else if (strstr(name, "word_embeddings")) {
        place_words(x, rows, C);
    } else if (strstr(name, "position_embeddings")) {
        place_positions(x, rows, C);
    } else if (strstr(name, "token_type") || ends_in(name, "query.bias") ||
               ends_in(name, "key.bias")) {
        memset(x, 0, n * sizeof *x);
    } else if (ends_in(name, "query.weight") || ends_in(name, "key.weight")) {
        place_query_or_key(x, C, ends_in(name, "query.weight"));
    } else {
        const bool writes = strstr(name, "output.dense") != NULL;
        for (size_t i = 0; i < n; i++)
            if (writes ? i / columns >= LOCAL_CONTENT
                       : tensor->rank == 2 && i % columns >= LOCAL_CONTENT)
                x[i] = 0;
    }
}
