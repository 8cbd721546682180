/* Sketches of vectors, and the vote on them. Every rank computes the same from the same sketches.
 */
#include "dist/sketch.h"

#include <math.h>

/* SplitMix64's last steps. */
static uint64_t mix(uint64_t x) {
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

/* The signs of 16 elements at a time: a 64-bit hash has four for each. */
void bcl_sketch_add(bcl_sketch *s, size_t first, const float *x, size_t count) {
    uint64_t signs = first % 16 ? mix(first / 16) >> first % 16 * BCL_SKETCH_DOTS : 0;
    for (size_t i = 0; i < count; i++) {
        const double v = (double)x[i];
        const size_t place = first + i;
        uint32_t bits;
        if (place % 16 == 0)
            signs = mix(place / 16);
        memcpy(&bits, &x[i], sizeof bits);
        s->bits += bits * (2 * (uint64_t)place + 1);
        s->square += v * v;
        for (int k = 0; k < BCL_SKETCH_DOTS; k++)
            s->dots[k] += signs >> k & 1 ? v : -v;
        signs >>= BCL_SKETCH_DOTS;
    }
}

static bool is_finite(const bcl_sketch *s) {
    return isfinite(s->loss) && isfinite(s->square);
}

static double distance(const bcl_sketch *a, const bcl_sketch *b) {
    double sum = 0;
    for (int k = 0; k < BCL_SKETCH_DOTS; k++)
        sum += (a->dots[k] - b->dots[k]) * (a->dots[k] - b->dots[k]);
    return sqrt(sum / BCL_SKETCH_DOTS);
}

/* The gradient of a small loss l is a difference of numbers near 1: its error is 1e-5 / l. */
static bool agree(const bcl_sketch *a, const bcl_sketch *b) {
    const double norm = sqrt(fmax(a->square, b->square)), loss = fmax(a->loss, b->loss),
                 limit = fmax(a->limit, b->limit) + (loss > 0 ? 1e-5 / loss : 0);
    if (a->kind && a->kind == b->kind && a->bits != b->bits)
        return false;
    return fabs(a->loss - b->loss) <= limit * (loss + 1e-3) && distance(a, b) <= limit * norm;
}

/* Whether a is less to be trusted than b. */
static bool is_worse(const bcl_sketch *a, const bcl_sketch *b, double before) {
    const double limit = fmax(a->limit, b->limit);
    if (fabs(a->loss - b->loss) > limit * (fmax(a->loss, b->loss) + 1e-3))
        return a->loss > b->loss;
    if (!(before > 0) || a->square == b->square)
        return true;
    return fabs(log(a->square / before)) > fabs(log(b->square / before));
}

static int find_infinite(const bcl_sketch *ranks, int size) {
    int found = -1, count = 0;
    for (int r = size - 1; r >= 0; r--)
        if (!is_finite(&ranks[r])) {
            found = r;
            count++;
        }
    return count < size ? found : -1;
}

int bcl_sketch_judge(char *text, size_t text_size, const bcl_sketch *ranks, int size, double before,
                     const char *const *names) {
    int worst = find_infinite(ranks, size), fewest = size, other = -1;
    for (int r = 0; worst < 0 && r < size; r++)
        if (!is_finite(&ranks[r]))
            return -1; /* everywhere: no device's fault */
    if (worst < 0) {
        for (int r = 0; r < size; r++) {
            int votes = 0;
            for (int q = 0; q < size; q++)
                votes += q == r || agree(&ranks[r], &ranks[q]);
            if (votes < fewest || (votes == fewest && votes < size && worst >= 0 &&
                                   is_worse(&ranks[r], &ranks[worst], before))) {
                fewest = votes;
                worst = r;
            }
        }
        if (fewest == size)
            return -1;
    }
    for (int q = 0; q < size && other < 0; q++)
        if (q != worst && is_finite(&ranks[q]) && !agree(&ranks[worst], &ranks[q]))
            other = q;
    const bcl_sketch *w = &ranks[worst], *o = &ranks[other < 0 ? worst : other];
    snprintf(
        text, text_size,
        "loss %.6g and norm %.6g where %s has loss %.6g and norm %.6g, %.2g apart (limit %.2g)",
        w->loss, sqrt(w->square), other < 0 ? "none" : names[other], o->loss, sqrt(o->square),
        distance(w, o) / sqrt(fmax(fmax(w->square, o->square), 1e-300)), fmax(w->limit, o->limit));
    return worst;
}
