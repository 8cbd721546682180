/* Products of products on matrix units with 16-bit operands: a sub-group computes C (OWN,OTHER) of
 * its own tokens and others, and C is then an operand of (OWN,n) = C . (OTHER,n). The own tokens
 * are rows of C, on AMD's units columns: so C's elements lie as that operand's do, item by item,
 * and with C_IS_OPERAND they go from one product to the next in registers. Behind matrix.h.
 *
 * Element i of an item's part of C is of own token OWN_OF(lane, i) and of other token
 * OTHER_OF(lane, i). It has elements of SLOTS own tokens, element i of number SLOT(i), whose first
 * element is SLOT_FIRST(number); items whose lanes differ in the bits from SHARED to SHARED_END
 * have elements of the same own tokens. */
#if MATRIX == NVIDIA || MATRIX == INTEL8 || MATRIX == INTEL16
#define OWN      FM
#define OTHER    FN
#define OWN_OF   C_ROW
#define OTHER_OF C_COLUMN
typedef fragment_a fragment_own;
typedef fragment_b fragment_other;
#define load_own                    load_a
#define load_other                  load_b
#define multiply_own(c, own, other) multiply_once(c, own, other EXCHANGE_ARG)
#else
#define OWN                         FN
#define OTHER                       FM
#define OWN_OF                      C_COLUMN
#define OTHER_OF                    C_ROW
typedef fragment_b fragment_own;
typedef fragment_a fragment_other;
#define load_own                    load_b
#define load_other                  load_a
#define multiply_own(c, own, other) multiply_once(c, other, own EXCHANGE_ARG)
#endif

#if MATRIX == NVIDIA
#define SLOTS         2
#define SLOT(i)       ((i) / 2 % 2)
#define SLOT_FIRST(n) (2 * (n))
#define SHARED        1
#define SHARED_END    4
#elif MATRIX == INTEL8 || MATRIX == INTEL16
#define SLOTS         FM
#define SLOT(i)       (i)
#define SLOT_FIRST(n) (n)
#define SHARED        1
#define SHARED_END    LANES
#else
#define SLOTS         1
#define SLOT(i)       0
#define SLOT_FIRST(n) 0
#define SHARED        FN
#define SHARED_END    LANES
#endif
/* RDNA4's lie so, too, but registers do not hold what is unrolled for it. */
#if MATRIX == RDNA3 || MATRIX == RDNA4 || MATRIX == INTEL8
#define C_IS_OPERAND 0
#else
#define C_IS_OPERAND 1
/* Elements FK step to FK (step + 1) of the other tokens. */
static inline void own_of(fragment_own *f, const fragment_c *c, int step) {
    UNROLL
#if MATRIX == NVIDIA
    for (int i = 0; i < A_COUNT / 2; i++)
        f->x[i] = to_elements(c->x[2 * i], c->x[2 * i + 1]);
#elif MATRIX == INTEL16
    for (int i = 0; i < A_COUNT; i++)
        f->x[i] = (short)to_element(c->x[i]);
#else
    for (int i = 0; i < B_COUNT; i++)
        f->x[i] = to_element(c->x[B_COUNT * step + i]);
#endif
}
#endif

/* ---- from item to item of a sub-group ---- */

/* x of the item whose lane differs in these bits. */
#ifdef EMULATE
static inline float from_lane(float x, int bits EXCHANGE) {
    const int lane = LANE;
    barrier(CLK_LOCAL_MEM_FENCE);
    exchange[lane] = x;
    barrier(CLK_LOCAL_MEM_FENCE);
    return exchange[lane ^ bits];
}
#elif MATRIX == NVIDIA
static inline float from_lane(float x, int bits) {
    float y;
    __asm__ volatile("shfl.sync.bfly.b32 %0, %1, %2, 31, 0xffffffff;"
                     : "=f"(y)
                     : "f"(x), "r"(bits));
    return y;
}
#elif MATRIX == INTEL8 || MATRIX == INTEL16
#pragma OPENCL EXTENSION cl_intel_subgroups : enable
static inline float from_lane(float x, int bits) {
    return intel_sub_group_shuffle_xor(x, (uint)bits);
}
#else
static inline float from_lane(float x, int bits) {
    return as_float(__builtin_amdgcn_ds_bpermute(4 * (LANE ^ bits), as_int(x)));
}
#endif
/* Over all elements of an own token, of the items' own greatest and sums. */
static inline float greatest_shared(float x EXCHANGE) {
    UNROLL
    for (int bits = SHARED; bits < SHARED_END; bits *= 2)
        x = fmax(x, from_lane(x, bits EXCHANGE_ARG));
    return x;
}
static inline float sum_shared(float x EXCHANGE) {
    UNROLL
    for (int bits = SHARED; bits < SHARED_END; bits *= 2)
        x += from_lane(x, bits EXCHANGE_ARG);
    return x;
}
