/* GEMM provider `tile` for CPU devices: one work-item a group and wide vectors, see gemm_tile.cl.
 * The device's vector width gives the tile; the shape gives the split into groups. */
#include "ops/gemm/provider.h"

enum {
    GROUP_TILES = 4,   /* at least, while there are as many: they share the cost of packing B */
    GROUP_PANELS = 8,  /* the same for packing A (TN) */
    GROUPS_A_UNIT = 4, /* aimed at for each compute unit, so that none waits long for the others */
    PANEL_FLOATS = 12 << 10, /* of a block of K at most: the copy of B is to stay near */
    LAYOUTS = 3
};

/* By bcl_gemm_layout. */
static const struct {
    const char *options;
    int depth;   /* longest block of K: longer ones update C less often */
    size_t rows; /* of a group at most: a block of A is to stay within the L2 cache; the copies of B
                  * that they share cost more in NT, which transposes */
} cuts[LAYOUTS] = {
    {"", 512, 384}, {" -DTILE_B_TRANSPOSED", 512, 768}, {" -DTILE_A_TRANSPOSED", 256, 384}};

typedef struct tile_state {
    bcl_device *device;
    /* by epilogue or not, packed B or not: compiled at first use */
    bcl_kernel *kernels[LAYOUTS][2][2];
    char *words[LAYOUTS]; /* options of the kernels */
    int depth[LAYOUTS];
    size_t most_rows[LAYOUTS]; /* of a group, whole tiles */
    int width, rows, vectors;
    size_t groups; /* wanted */
} tile_state;

/* Drivers that see their CPU as scalar lanes of one wide group spill the tile: 0.1 GFLOP/s, where
 * CLBlast gives 1. */
bool bcl_gemm_tile_suits(const bcl_device *device) {
    const bcl_device_info *about = bcl_device_about(device);
    return bcl_device_wide(device) && about->float_vector >= 4;
}

/* The tile, `vectors` of B and one of A must fit the registers. */
static void choose_tile(tile_state *s, const bcl_device *device) {
    const uint32_t lanes = bcl_device_about(device)->float_vector;
    const bool many = bcl_device_registers(device) == 32;
    s->width = lanes >= 16 ? 16 : lanes >= 8 ? 8 : 4;
    s->rows = many ? 8 : 6;
    s->vectors = many ? 3 : 2;
}

bcl_status bcl_gemm_tile_parse(int *width, int *rows, int *vectors, const char *provider,
                               const char *text) {
    int end = -1;
    if (sscanf(text, "%2dx%2dx%2d%n", width, rows, vectors, &end) != 3 || end < 0 || text[end] ||
        (*width != 4 && *width != 8 && *width != 16) || *rows < 1 || *rows > 12 || *vectors < 1 ||
        *vectors > 4)
        return bcl_fail(BCL_ERROR_ARGUMENT,
                        "GEMM provider \"%s:%s\": expected %s:WIDTHxROWSxVECTORS, WIDTH 4, 8 or "
                        "16, ROWS 1 to 12, VECTORS 1 to 4",
                        provider, text, provider);
    return BCL_OK;
}

/* A layout's block sizes within the device's local memory. */
static bcl_status create_layout(tile_state *s, int layout) {
    const size_t memory = (size_t)bcl_device_about(s->device)->local_memory / sizeof(float);
    const size_t rows = (size_t)s->rows, columns = (size_t)(s->vectors * s->width);
    const size_t fixed = (rows + 2) * columns + 16; /* scratch, the bias, what a copy writes over */
    size_t depth = (size_t)cuts[layout].depth, most = cuts[layout].rows / rows * rows;
    if (depth > PANEL_FLOATS / columns)
        depth = PANEL_FLOATS / columns / 16 * 16;
    if (layout == BCL_GEMM_TN) /* half of it for the rows that share the copy of B */
        while (most > 4 * rows && (most + columns) * depth + fixed > memory)
            most -= rows;
    const size_t block = layout == BCL_GEMM_TN ? most : 0;
    while (depth > 16 && (block + columns) * depth + fixed > memory)
        depth -= 16;
    s->depth[layout] = (int)depth;
    s->most_rows[layout] = most;
    return bcl_format(&s->words[layout],
                      "-DTILE_WIDTH=%d -DTILE_ROWS=%d -DTILE_HALF=%d -DTILE_VECTORS=%d "
                      "-DTILE_DEPTH=%d -DTILE_BLOCK=%d%s%s",
                      s->width, s->rows, (s->rows + 1) / 2, s->vectors, (int)depth, (int)block,
                      bcl_gemm_tile_suits(s->device) ? " -DTILE_FETCH" : "", cuts[layout].options);
}

static void tile_free(void *state) {
    tile_state *s = state;
    for (int i = 0; i < LAYOUTS; i++)
        free(s->words[i]);
    free(s);
}

static bcl_status tile_create(void **out, bcl_device *device, const char *parameters) {
    bcl_status status = BCL_OK;
    const bcl_device_info *about = bcl_device_about(device);
    tile_state *s = NULL;
    BCL_NEW(s, 1);
    s->device = device;
    choose_tile(s, device);
    if (parameters)
        BCL_TRY(bcl_gemm_tile_parse(&s->width, &s->rows, &s->vectors, "tile", parameters));
    s->groups = (size_t)GROUPS_A_UNIT * about->compute_units;
    for (int i = 0; i < LAYOUTS; i++)
        BCL_TRY(create_layout(s, i));
    *out = s;
out:
    if (status && s)
        tile_free(s);
    return status;
}

static bcl_status compile(bcl_kernel **out, const tile_state *s, const char *name, int layout,
                          bool packed, const char *more) {
    bcl_status status = BCL_OK;
    char *words = NULL;
    BCL_TRY(bcl_format(&words, "%s%s%s", s->words[layout], packed ? " -DTILE_B_PACKED" : "", more));
    BCL_TRY(bcl_kernel_get(out, s->device, "gemm_tile.cl", name, words));
out:
    free(words);
    return status;
}

/* The kernel of a call: a layout has one kind of epilogue. */
static bcl_status find_kernel(bcl_kernel **out, tile_state *s, const bcl_gemm_call *c) {
    static const char *const epilogues[] = {"", " -DTILE_GELU", " -DTILE_GELU_BACKWARD"};
    bcl_kernel **kernel = &s->kernels[c->layout][c->epilogue != BCL_GEMM_PLAIN][c->packed];
    bcl_status status = BCL_OK;
    if (!*kernel)
        status = compile(kernel, s, "gemm_tile", c->layout, c->packed, epilogues[c->epilogue]);
    *out = *kernel;
    return status;
}

static int tile_pack_columns(const void *state) {
    const tile_state *s = state;
    return s->vectors * s->width;
}

static bcl_status tile_pack(void *state, bcl_view to, bcl_view from, int K, int N, bool back) {
    bcl_status status = BCL_OK;
    const tile_state *s = state;
    bcl_kernel *kernel;
    BCL_TRY(compile(&kernel, s, "gemm_tile_pack", BCL_GEMM_NN, true, ""));
    BCL_TRY(BCL_LAUNCH(kernel, ((bcl_grid){.groups = {(size_t)(N / tile_pack_columns(s))}}),
                       bcl_ptr(to), bcl_ptr(from), bcl_int(K), bcl_int(N), bcl_int(back)));
out:
    return status;
}

/* `count` things in equal parts of at most `most`, and in `wanted` parts as long as each has
 * `least`: the size of a part. */
static size_t share(size_t count, size_t wanted, size_t least, size_t most) {
    size_t parts = wanted < count / least ? wanted : count / least;
    if (parts < bcl_gemm_ceil(count, most))
        parts = bcl_gemm_ceil(count, most);
    return bcl_gemm_ceil(count, parts);
}

/* Fewer panels a group where groups are so few that some units would have one more than others: the
 * shared copy then saves less than their waiting costs. */
static size_t even_out(size_t panels, size_t group_panels, size_t down, size_t wanted) {
    size_t across = bcl_gemm_ceil(panels, group_panels);
    while (across < panels && across * down < wanted && across * down % (wanted / GROUPS_A_UNIT))
        across++;
    return bcl_gemm_ceil(panels, across);
}

static bcl_status tile_run(void *state, const bcl_gemm_call *c) {
    bcl_status status = BCL_OK;
    tile_state *s = state;
    bcl_kernel *kernel;
    const size_t rows = (size_t)s->rows, most = s->most_rows[c->layout] / rows;
    const size_t panels = bcl_gemm_ceil((size_t)c->N, (size_t)(s->vectors * s->width));
    const size_t tiles = bcl_gemm_ceil((size_t)c->M, rows);
    size_t group_tiles, group_panels = 1;
    if (c->layout == BCL_GEMM_TN) {
        group_tiles = share(tiles, 1, 1, most);
        const size_t down = bcl_gemm_ceil(tiles, group_tiles);
        group_panels = share(panels, bcl_gemm_ceil(s->groups, down), GROUP_PANELS, panels);
        group_panels = even_out(panels, group_panels, down, s->groups);
    } else {
        group_tiles = share(tiles, bcl_gemm_ceil(s->groups, panels), GROUP_TILES, most);
    }
    /* Blocks of K as even as can be, in whole vectors: NT transposes squares of them. */
    const size_t K = (size_t)c->K, width = (size_t)s->width;
    const size_t blocks = bcl_gemm_ceil(K, (size_t)s->depth[c->layout]);
    const size_t depth = bcl_gemm_ceil(bcl_gemm_ceil(K, blocks), width) * width;
    const bcl_grid grid = {
        .groups = {bcl_gemm_ceil(panels, group_panels), bcl_gemm_ceil(tiles, group_tiles)}};
    BCL_TRY(find_kernel(&kernel, s, c));
    BCL_TRY(BCL_LAUNCH(kernel, grid, bcl_ptr(c->C), bcl_ptr(c->A), bcl_ptr(c->B),
                       bcl_ptr(c->bias.buffer ? c->bias : c->B), bcl_int(c->bias.buffer != NULL),
                       bcl_ptr(c->epilogue ? c->E : c->C), bcl_ptr(c->sums.buffer ? c->sums : c->C),
                       bcl_int(c->sums.buffer != NULL), bcl_int(c->tanh_form),
                       bcl_int(c->accumulate), bcl_int(c->M), bcl_int(c->N), bcl_int(c->K),
                       bcl_int(c->A.ld), bcl_int(c->B.ld), bcl_int(c->C.ld),
                       bcl_int((int)(group_tiles * rows)), bcl_int((int)group_panels),
                       bcl_int((int)depth)));
out:
    return status;
}

/* Tiles that just fill the registers, then such as leave some or spill a little. */
static bcl_status tile_candidates(bcl_gemm_names *names, const bcl_device *device, bool thorough) {
    static const struct {
        int rows, vectors, quick; /* quick: for so many registers also on a first run */
    } tiles[] = {{4, 3, 16}, {6, 2, 16}, {12, 2, 32}, {6, 4, 32}, {8, 3, 32}, {9, 3, 0},
                 {5, 4, 0},  {12, 1, 0}, {8, 2, 0},   {4, 2, 0},  {6, 3, 0}};
    bcl_status status = BCL_OK;
    tile_state chosen;
    choose_tile(&chosen, device);
    const int registers = bcl_device_registers(device), least = chosen.width > 4 ? 8 : 4;
    for (int width = chosen.width; width >= (thorough ? least : chosen.width); width /= 2)
        for (size_t i = 0; i < sizeof tiles / sizeof *tiles; i++)
            if (thorough || tiles[i].quick == registers)
                BCL_TRY(bcl_gemm_names_add(names, "tile:%dx%dx%d", width, tiles[i].rows,
                                           tiles[i].vectors));
out:
    return status;
}

static void tile_parameters(const void *state, char *out, size_t size) {
    const tile_state *s = state;
    snprintf(out, size, "%dx%dx%d", s->width, s->rows, s->vectors);
}

const bcl_gemm_provider bcl_gemm_tile = {.name = "tile",
                                         .precision = BCL_PRECISION_FP32,
                                         .A = BCL_TAKES_F32,
                                         .B = BCL_TAKES_F32,
                                         .C = BCL_TAKES_F32,
                                         .suits = bcl_gemm_tile_suits,
                                         .candidates = tile_candidates,
                                         .create = tile_create,
                                         .parameters = tile_parameters,
                                         .run = tile_run,
                                         .free = tile_free,
                                         .fuses = true,
                                         .plain = true,
                                         .pack_columns = tile_pack_columns,
                                         .pack = tile_pack};
