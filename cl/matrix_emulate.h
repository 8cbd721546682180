/* Matrix units, emulated: the elements of all items' fragments are put where the vendor's tables
 * say they belong, and multiplied from there. Included by the vendors' headers, behind their
 * tables. See matrix.h. */
#define LANE ((int)get_local_id(0) % LANES)

#ifdef EMULATE
#define UNROLL
/* Each sub-group's own stretch of local memory: A's fragment, then B's. */
#define EXCHANGE_FLOATS (FM * FK + FK * FN)
#define EXCHANGE        , __local float *exchange
#define EXCHANGE_ARG    , exchange

static inline float a_element(const fragment_a *f, int i);
static inline float b_element(const fragment_b *f, int i);

static inline void multiply_emulated(fragment_c *c, const fragment_a *a, const fragment_b *b,
                                     __local float *exchange) {
    const int lane = LANE;
    __local float *xa = exchange, *xb = exchange + FM * FK;
    float *sums = (float *)c;
    barrier(CLK_LOCAL_MEM_FENCE);
    if (OWNS(lane)) {
        for (int i = 0; i < A_COUNT; i++)
            xa[A_ROW(lane, i) * FK + A_K(lane, i)] = a_element(a, i);
        for (int i = 0; i < B_COUNT; i++)
            xb[B_K(lane, i) * FN + B_COLUMN(lane, i)] = b_element(b, i);
    }
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int i = 0; i < C_COUNT; i++)
        for (int k = 0; k < FK; k++)
            sums[i] += xa[C_ROW(lane, i) * FK + k] * xb[k * FN + C_COLUMN(lane, i)];
}
#else
#define UNROLL _Pragma("unroll")
#define EXCHANGE
#define EXCHANGE_ARG
#endif
