/* Rows on GPUs, whose groups have many items and VW = 1: ROW_ITEMS of a group have a row, 32 or
 * with -DROW_GROUP all, and an item keeps its numbers of the row in registers, so that each is read
 * once, and all at once. WIDTH: columns of a row. Behind common.h. */
#ifdef ROW_GROUP
#define ROW_ITEMS LS
#else
#define ROW_ITEMS SUM_ITEMS
#endif
#define ROWS  (LS / ROW_ITEMS) /* of a group, at once */
#define UNITS ((ROW_UNITS(WIDTH) + ROW_ITEMS - 1) / ROW_ITEMS)
#define KEPT  (4 * UNITS) /* numbers of an item */
#if UNITS <= 8
#define UNROLL _Pragma("unroll")
#else /* more than there are registers for */
#define UNROLL
#endif

#define ONE_BY_ONE _Pragma("unroll 1") /* of what has reads enough in a round */

/* An item's number i of a row is of this column. */
#define ROW_UNIT(item, k)   ((item) + (k)*ROW_ITEMS)
#define ROW_COLUMN(item, i) UNIT_COLUMN(ROW_UNIT(item, (i) / 4), (i) % 4)
/* A unit has columns of 64 that lie together. */
#define IN_ROW(column) ((WIDTH % 64 == 0 && WIDTH % (4 * ROW_ITEMS) == 0) || (column) < WIDTH)
/* Where it is read from: what would lie behind the row's end counts for nothing, but a branch would
 * keep the reads that follow from starting. */
static inline int row_place(int item, int i) {
    const int c = ROW_COLUMN(item, i);
    return IN_ROW(c) ? c : WIDTH - 1;
}

/* Sum over a row's items, known to all of them; always in the same order. Each has its own scratch
 * until the next barrier. */
static inline float row_sum(float x, __local float4 *scratch /* (SCRATCH) */) {
#if ROWS == 1
    return group_sum(x, scratch);
#else
    __local float *each = (__local float *)scratch;
    const int lid = get_local_id(0);
    each[lid] = x;
    barrier(CLK_LOCAL_MEM_FENCE);
    return items_sum(each + lid / ROW_ITEMS * ROW_ITEMS);
#endif
}

/* Of the numbers v that the items of a row keep, their sum and that of their squared distances from
 * m. */
__attribute__((always_inline)) static inline float
numbers_sum(const float v[KEPT], int item, __local float4 *scratch /* (SCRATCH) */) {
    float sum = 0;
    UNROLL
    for (int i = 0; i < KEPT; i++)
        sum += IN_ROW(ROW_COLUMN(item, i)) ? v[i] : 0;
    return row_sum(sum, scratch);
}
__attribute__((always_inline)) static inline float
squares_sum(const float v[KEPT], float m, int item, __local float4 *scratch /* (SCRATCH) */) {
    float sum = 0;
    UNROLL
    for (int i = 0; i < KEPT; i++) {
        const float d = IN_ROW(ROW_COLUMN(item, i)) ? v[i] - m : 0;
        sum += d * d;
    }
    return row_sum(sum, scratch);
}
