/* A square of vectors, transposed in registers: the includer defines vec, its type, and SIDE, its
 * width: 2, 4, 8 or 16. */

/* One step: two vectors, interleaved. */
#if SIDE == 16
#define MIX_LOW(a, b)                                                                              \
    (vec)(a.s0, b.s0, a.s1, b.s1, a.s2, b.s2, a.s3, b.s3, a.s4, b.s4, a.s5, b.s5, a.s6, b.s6,      \
          a.s7, b.s7)
#define MIX_HIGH(a, b)                                                                             \
    (vec)(a.s8, b.s8, a.s9, b.s9, a.sa, b.sa, a.sb, b.sb, a.sc, b.sc, a.sd, b.sd, a.se, b.se,      \
          a.sf, b.sf)
#elif SIDE == 8
#define MIX_LOW(a, b)  (vec)(a.s0, b.s0, a.s1, b.s1, a.s2, b.s2, a.s3, b.s3)
#define MIX_HIGH(a, b) (vec)(a.s4, b.s4, a.s5, b.s5, a.s6, b.s6, a.s7, b.s7)
#elif SIDE == 4
#define MIX_LOW(a, b)  (vec)(a.s0, b.s0, a.s1, b.s1)
#define MIX_HIGH(a, b) (vec)(a.s2, b.s2, a.s3, b.s3)
#else
#define MIX_LOW(a, b)  (vec)(a.s0, b.s0)
#define MIX_HIGH(a, b) (vec)(a.s1, b.s1)
#endif

/* log2(SIDE) times the first half of the rows is interleaved with the second. */
static inline void transpose_square(vec x[SIDE]) {
    vec y[SIDE];
#pragma unroll
    for (int span = 1; span < SIDE; span *= 2) {
#pragma unroll
        for (int n = 0; n < SIDE / 2; n++) {
            y[2 * n] = MIX_LOW(x[n], x[n + SIDE / 2]);
            y[2 * n + 1] = MIX_HIGH(x[n], x[n + SIDE / 2]);
        }
#pragma unroll
        for (int n = 0; n < SIDE; n++)
            x[n] = y[n];
    }
}
