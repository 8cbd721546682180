/* Rounding to bf16 with what it loses kept, and the memory for that. */
#include "dist/wire.h"
#include "util/half.h"

#include <assert.h>

void bcl_wire_round(uint16_t *out, float *remainder, const float *x, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const float value = remainder ? x[i] + remainder[i] : x[i];
        out[i] = bcl_bf16_round(value);
        if (remainder) {
            const float sent = bcl_bf16_widen(out[i]);
            remainder[i] = isfinite(sent) ? value - sent : 0;
        }
    }
}

void bcl_wire_add(float *sum, const uint16_t *x, size_t count) {
    for (size_t i = 0; i < count; i++)
        sum[i] += bcl_bf16_widen(x[i]);
}

void bcl_wire_widen(float *out, const uint16_t *x, size_t count) {
    for (size_t i = 0; i < count; i++)
        out[i] = bcl_bf16_widen(x[i]);
}

enum { LANES = 16 }; /* compilers make vectors of loops of a known length */

void bcl_floats_add(float *restrict sum, const float *restrict x, size_t count) {
    size_t i = 0;
    for (; i + LANES <= count; i += LANES)
        for (size_t k = 0; k < LANES; k++)
            sum[i + k] += x[i + k];
    for (; i < count; i++)
        sum[i] += x[i];
}

bool bcl_floats_are_finite(const float *x, size_t count) {
    float zeros[LANES] = {0}; /* 0 times what is not finite is NaN */
    size_t i = 0;
    for (; i + LANES <= count; i += LANES)
        for (size_t k = 0; k < LANES; k++)
            zeros[k] += 0 * x[i + k];
    for (; i < count; i++)
        zeros[0] += 0 * x[i];
    for (size_t k = 1; k < LANES; k++)
        zeros[0] += zeros[k];
    return zeros[0] == 0;
}

struct bcl_remainders {
    float **parts; /* (part_count) each NULL until it is asked for */
    size_t part_count, part_capacity;
    float *all; /* (row_count,width) */
    size_t row_count, row_capacity, width;
    float *taken; /* (taken_count,width) copies of `rows` of them */
    const int32_t *rows;
    size_t taken_count, taken_capacity;
};

bcl_status bcl_remainders_create(bcl_remainders **out) {
    bcl_status status = BCL_OK;
    BCL_NEW(*out, 1);
out:
    return status;
}

void bcl_remainders_free(bcl_remainders *r) {
    if (!r)
        return;
    for (size_t i = 0; i < r->part_count; i++)
        free(r->parts[i]);
    free(r->parts);
    free(r->all);
    free(r->taken);
    free(r);
}

bcl_status bcl_remainders_part(float **out, bcl_remainders *r, size_t i, size_t count) {
    bcl_status status = BCL_OK;
    BCL_TRY(bcl_grow(&r->parts, &r->part_capacity, i + 1, sizeof *r->parts));
    while (r->part_count <= i)
        r->parts[r->part_count++] = NULL;
    if (!r->parts[i])
        BCL_NEW(r->parts[i], count);
    *out = r->parts[i];
out:
    return status;
}

bcl_status bcl_remainders_take_rows(float **out, bcl_remainders *r, const int32_t *rows,
                                    size_t count, size_t width) {
    bcl_status status = BCL_OK;
    size_t most = 0;
    assert(!r->width || r->width == width);
    r->width = width;
    for (size_t i = 0; i < count; i++)
        most = (size_t)rows[i] + 1 > most ? (size_t)rows[i] + 1 : most;
    BCL_TRY(bcl_grow(&r->all, &r->row_capacity, most, width * sizeof *r->all));
    if (most > r->row_count) {
        memset(r->all + r->row_count * width, 0, (most - r->row_count) * width * sizeof *r->all);
        r->row_count = most;
    }
    BCL_TRY(bcl_grow(&r->taken, &r->taken_capacity, count, width * sizeof *r->taken));
    for (size_t i = 0; i < count; i++)
        memcpy(r->taken + i * width, r->all + (size_t)rows[i] * width, width * sizeof *r->all);
    r->rows = rows;
    r->taken_count = count;
    *out = r->taken;
out:
    return status;
}

void bcl_remainders_put_rows(bcl_remainders *r) {
    const size_t width = r->width;
    for (size_t i = 0; i < r->taken_count; i++)
        memcpy(r->all + (size_t)r->rows[i] * width, r->taken + i * width, width * sizeof *r->all);
    r->taken_count = 0;
}
