/* Fragments of single elements, loaded one by one from where the vendor's tables say. See matrix.h.
 */
static inline void load_a(fragment_a *f, __local const element *tile, int along_k, int m,
                          int k EXCHANGE) {
    const int lane = LANE;
    UNROLL
    for (int i = 0; i < A_COUNT; i++)
        f->x[i] = tile[tile_a(along_k, m + A_ROW(lane, i), k + A_K(lane, i))];
}
static inline void load_b(fragment_b *f, __local const element *tile, int along_k, int n,
                          int k EXCHANGE) {
    const int lane = LANE;
    UNROLL
    for (int i = 0; i < B_COUNT; i++)
        f->x[i] = tile[tile_b(along_k, n + B_COLUMN(lane, i), k + B_K(lane, i))];
}
