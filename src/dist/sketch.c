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

enum {
    LANES = 16, /* of a block: compilers make vectors of loops of a known length */
    BLOCKS = 64 /* of a segment */
};

/* Sums over the blocks of a segment, lane by lane. */
typedef struct lanes {
    float signed_sum[LANES];
    double square[LANES];
    uint64_t bits[LANES], running[LANES]; /* the elements' bits, and that sum behind each block */
} lanes;

static void add_block(lanes *l, const float *restrict x, uint32_t signs) {
    uint32_t bits[LANES], flipped[LANES];
    float values[LANES];
    memcpy(bits, x, sizeof bits);
    for (uint32_t j = 0; j < LANES; j++)
        flipped[j] = bits[j] ^ (signs & 1u << j ? 0x80000000u : 0);
    memcpy(values, flipped, sizeof values);
    for (int j = 0; j < LANES; j++)
        l->signed_sum[j] += values[j];
    for (int j = 0; j < LANES; j++)
        l->square[j] += (double)x[j] * (double)x[j];
    for (int j = 0; j < LANES; j++)
        l->bits[j] += bits[j];
    for (int j = 0; j < LANES; j++)
        l->running[j] += l->bits[j];
}

/* x has `count` blocks from the block'th of the vector on, all in one segment. An element's sign in
 * a dot is the product of one that is its own, and one that the dot has for its segment and lane:
 * the first costs little, as all dots share it. */
static void add_blocks(bcl_sketch *s, size_t block, const float *x, size_t count) {
    lanes l = {0};
    const uint64_t signs = mix(~(uint64_t)(block / BLOCKS)); /* (BCL_SKETCH_DOTS,LANES) */
    for (size_t i = 0; i < count; i++)
        add_block(&l, x + i * LANES,
                  (uint32_t)(mix((block + i) / 4) >> (block + i) % 4 * LANES & 0xffff));
    for (size_t j = 0; j < LANES; j++) {
        const double sum = (double)l.signed_sum[j];
        const uint64_t place = block * LANES + j;
        /* running: the i-th block's bits are in it count - i times */
        s->bits += l.bits[j] * (2 * place + 1) + 2 * LANES * (count * l.bits[j] - l.running[j]);
        s->square += l.square[j];
        for (size_t k = 0; k < BCL_SKETCH_DOTS; k++)
            s->dots[k] += signs >> (k * LANES + j) & 1 ? sum : -sum;
    }
}

void bcl_sketch_add(bcl_sketch *s, size_t first, const float *x, size_t count) {
    for (size_t n; count; first += n, x += n, count -= n) {
        const size_t block = first / LANES, lane = first % LANES, left = BLOCKS - block % BLOCKS;
        if (lane || count < LANES) { /* a part of a block */
            float part[LANES] = {0};
            n = LANES - lane < count ? LANES - lane : count;
            memcpy(part + lane, x, n * sizeof *x);
            add_blocks(s, block, part, 1);
        } else {
            n = (count / LANES < left ? count / LANES : left) * LANES;
            add_blocks(s, block, x, n / LANES);
        }
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
