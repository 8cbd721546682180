/* GEMM provider `tile-bf16` for CPU devices: operands rounded to bf16, sums in fp32, see
 * gemm_tile_bf16.cl. In plain OpenCL C everywhere, or with the CPU's bf16 instructions. */
#include "ops/gemm/provider.h"

enum {
    STEPS = 384,       /* longest block of K, in pairs */
    GROUP_TILES = 4,   /* of a group at least, while there are as many: they share the packed B */
    GROUPS_A_UNIT = 4, /* aimed at for each compute unit, so that none waits long for the others */
    GROUP_ROWS = 384,  /* at most: a block of A's pairs is to stay within the L2 cache */
    LINE = 16,         /* pairs in a cache line */
    LAYOUTS = 3
};

typedef struct tile_bf16_state {
    bcl_device *device;
    bcl_kernel *tiles[LAYOUTS], *pairs[LAYOUTS]; /* by bcl_gemm_layout */
    bcl_kernel *fused[LAYOUTS];                  /* tiles with an epilogue, compiled at first use */
    char *words[LAYOUTS];                        /* options of the kernels */
    bool instructions;
    int width, rows, vectors, steps;
    size_t groups; /* wanted */
    cl_mem a;      /* pairs of A; grows to the largest product's */
    size_t a_size; /* bytes */
} tile_bf16_state;

/* Inline assembly: a driver may refuse it or crash on it, so only tuning takes it unasked. */
static bool has_instructions(const bcl_device *device) {
#if defined(__x86_64__)
    return bcl_device_about(device)->cpu && __builtin_cpu_supports("avx512bf16");
#else
    (void)device;
    return false;
#endif
}

static const char *tile_bf16_lacks(const bcl_device *device) {
    return has_instructions(device) ? NULL : "avx512_bf16 is missing";
}

/* With instructions 24 vectors of sums, 2 of B, one of A and the order of a conversion are in the
 * 32 registers; without them each vector of B or A becomes two. */
static void choose_tile(tile_bf16_state *s) {
    const uint32_t lanes = bcl_device_about(s->device)->float_vector;
    s->width = s->instructions || lanes >= 16 ? 16 : lanes >= 8 ? 8 : 4;
    s->rows = s->instructions ? 12 : s->width == 16 ? 8 : 4;
    s->vectors = 2;
}

/* "WIDTHxROWSxVECTORS", "avx512" or "avx512:16xROWSxVECTORS" in place of the choice above */
static bcl_status parse(tile_bf16_state *s, const char *parameters) {
    static const char word[] = "avx512";
    const size_t n = sizeof word - 1;
    bcl_status status = BCL_OK;
    s->instructions =
        parameters && !strncmp(parameters, word, n) && (!parameters[n] || parameters[n] == ':');
    if (s->instructions)
        parameters = parameters[n] ? parameters + n + 1 : NULL;
    choose_tile(s);
    if (parameters)
        BCL_TRY(bcl_gemm_tile_parse(&s->width, &s->rows, &s->vectors,
                                    s->instructions ? "tile-bf16:avx512" : "tile-bf16",
                                    parameters));
    if (s->instructions && s->width != 16)
        BCL_FAIL(BCL_ERROR_ARGUMENT, "GEMM provider \"tile-bf16:avx512:%s\": expected WIDTH 16",
                 parameters);
    if (s->instructions && !has_instructions(s->device))
        BCL_FAIL(BCL_ERROR_ARGUMENT,
                 "GEMM provider \"tile-bf16:avx512\": %s is not a CPU with avx512_bf16",
                 bcl_device_about(s->device)->id);
out:
    return status;
}

static bcl_status build(tile_bf16_state *s) {
    static const char *const options[LAYOUTS] = {"", " -DTILE_B_TRANSPOSED",
                                                 " -DTILE_A_TRANSPOSED"};
    static const char file[] = "gemm_tile_bf16.cl";
    bcl_status status = BCL_OK;
    for (int i = 0; i < LAYOUTS; i++) {
        BCL_TRY(bcl_format(
            &s->words[i],
            "-DTILE_WIDTH=%d -DTILE_ROWS=%d -DTILE_HALF=%d -DTILE_VECTORS=%d -DTILE_STEPS=%d%s%s",
            s->width, s->rows, (s->rows + 1) / 2, s->vectors, s->steps,
            s->instructions ? " -DTILE_DOT_AVX512" : "", options[i]));
        BCL_TRY(bcl_kernel_get(&s->tiles[i], s->device, file, "gemm_bf16", s->words[i]));
        BCL_TRY(bcl_kernel_get(&s->pairs[i], s->device, file, "gemm_bf16_pairs", s->words[i]));
    }
out:
    return status;
}

/* The kernel of a call: one layout has one epilogue. */
static bcl_status find_kernel(bcl_kernel **out, tile_bf16_state *s, const bcl_gemm_call *c) {
    bcl_status status = BCL_OK;
    char *words = NULL;
    bcl_kernel **kernel = c->epilogue ? &s->fused[c->layout] : &s->tiles[c->layout];
    if (!*kernel) {
        BCL_TRY(bcl_format(&words, "%s -DTILE_GELU%s", s->words[c->layout],
                           c->epilogue == BCL_GEMM_GELU ? "" : "_BACKWARD"));
        BCL_TRY(bcl_kernel_get(kernel, s->device, "gemm_tile_bf16.cl", "gemm_bf16", words));
    }
    *out = *kernel;
out:
    free(words);
    return status;
}

static void tile_bf16_free(void *state) {
    tile_bf16_state *s = state;
    bcl_buffer_free(s->device, &s->a);
    for (int i = 0; i < LAYOUTS; i++)
        free(s->words[i]);
    free(s);
}

static bcl_status tile_bf16_create(void **out, bcl_device *device, const char *parameters) {
    bcl_status status = BCL_OK;
    const bcl_device_info *about = bcl_device_about(device);
    tile_bf16_state *s = NULL;
    BCL_NEW(s, 1);
    s->device = device;
    BCL_TRY(parse(s, parameters));
    s->groups = (size_t)GROUPS_A_UNIT * about->compute_units;
    s->steps = STEPS;
    /* the kernel's local memory: a panel of `steps` rows, scratch, the bias */
    const size_t row_bytes = (size_t)s->vectors * (size_t)s->width * sizeof(float);
    while (s->steps > 16 && (size_t)(s->steps + s->rows + 1) * row_bytes > about->local_memory)
        s->steps -= 16;
    BCL_TRY(build(s));
    *out = s;
out:
    if (status && s)
        tile_bf16_free(s);
    return status;
}

static void tile_bf16_parameters(const void *state, char *out, size_t size) {
    const tile_bf16_state *s = state;
    snprintf(out, size, "%s%dx%dx%d", s->instructions ? "avx512:" : "", s->width, s->rows,
             s->vectors);
}

/* Queues A's conversion into s->a; *ld: pairs between its rows. */
static bcl_status convert(tile_bf16_state *s, int *ld, const bcl_gemm_call *c) {
    bcl_status status = BCL_OK;
    const size_t M = bcl_gemm_ceil((size_t)c->M, (size_t)s->rows) * (size_t)s->rows;
    const size_t steps = bcl_gemm_ceil((size_t)c->K, 2);
    const bool tn = c->layout == BCL_GEMM_TN;
    const size_t rows = tn ? steps : M, lines = bcl_gemm_ceil(tn ? M : steps, LINE) | 1;
    const size_t bytes = rows * lines * LINE * sizeof(cl_uint);
    if (bytes > s->a_size) {
        bcl_buffer_free(s->device, &s->a);
        s->a_size = 0;
        BCL_TRY(bcl_buffer_create(&s->a, s->device, bytes, "an operand in bf16"));
        s->a_size = bytes;
    }
    *ld = (int)(lines * LINE);
    const size_t real_rows = tn ? steps : (size_t)c->M;
    const size_t group_rows = bcl_gemm_ceil(real_rows, s->groups);
    const bcl_grid grid = {.groups = {bcl_gemm_ceil(real_rows, group_rows)}};
    BCL_TRY(BCL_LAUNCH(s->pairs[c->layout], grid, bcl_mem(s->a), bcl_ptr(c->A), bcl_int(c->M),
                       bcl_int(c->K), bcl_int(c->A.ld), bcl_int(*ld), bcl_int((int)group_rows)));
out:
    return status;
}

/* Rows of a group: enough groups for the compute units and the caches, but not so many that packing
 * B shows; all of the same number of tiles. */
static size_t choose_group_rows(const tile_bf16_state *s, size_t panels, const bcl_gemm_call *c) {
    const size_t M = (size_t)c->M, tiles = bcl_gemm_ceil(M, (size_t)s->rows);
    const size_t least = bcl_gemm_ceil(M, GROUP_ROWS);
    size_t splits = bcl_gemm_ceil(s->groups, panels);
    if (splits > tiles / GROUP_TILES)
        splits = tiles / GROUP_TILES;
    if (splits < least)
        splits = least;
    return bcl_gemm_ceil(tiles, splits) * (size_t)s->rows;
}

static bcl_status tile_bf16_run(void *state, const bcl_gemm_call *c) {
    bcl_status status = BCL_OK;
    tile_bf16_state *s = state;
    const size_t width = (size_t)s->width, steps = bcl_gemm_ceil((size_t)c->K, 2);
    const size_t panels = bcl_gemm_ceil((size_t)c->N, (size_t)s->vectors * width);
    const size_t group_rows = choose_group_rows(s, panels, c);
    /* Blocks of K as even as can be, in whole vectors: NT transposes squares of them. */
    const size_t blocks = bcl_gemm_ceil(steps, (size_t)s->steps);
    const size_t depth = bcl_gemm_ceil(bcl_gemm_ceil(steps, blocks), width) * width;
    int lda;
    bcl_kernel *kernel;
    BCL_TRY(find_kernel(&kernel, s, c));
    BCL_TRY(convert(s, &lda, c));
    const bcl_grid grid = {.groups = {panels, bcl_gemm_ceil((size_t)c->M, group_rows)}};
    BCL_TRY(BCL_LAUNCH(kernel, grid, bcl_ptr(c->C), bcl_mem(s->a), bcl_ptr(c->B),
                       bcl_ptr(c->bias.buffer ? c->bias : c->B), bcl_int(c->bias.buffer != NULL),
                       bcl_ptr(c->epilogue ? c->E : c->C), bcl_ptr(c->sums.buffer ? c->sums : c->C),
                       bcl_int(c->sums.buffer != NULL), bcl_int(c->tanh_form),
                       bcl_int(c->accumulate), bcl_int(c->M), bcl_int(c->N), bcl_int(c->K),
                       bcl_int(lda), bcl_int(c->B.ld), bcl_int(c->C.ld), bcl_int((int)group_rows),
                       bcl_int((int)depth)));
out:
    return status;
}

static bcl_status tile_bf16_candidates(bcl_gemm_names *names, const bcl_device *device,
                                       bool thorough) {
    static const struct { int rows, vectors; } tiles[] = {{8, 3}, {9, 3}, {6, 4}, {12, 1}};
    bcl_status status = BCL_OK;
    if (!has_instructions(device))
        goto out;
    BCL_TRY(bcl_gemm_names_add(names, "tile-bf16:avx512"));
    for (size_t i = 0; thorough && i < sizeof tiles / sizeof *tiles; i++)
        BCL_TRY(bcl_gemm_names_add(names, "tile-bf16:avx512:16x%dx%d", tiles[i].rows,
                                   tiles[i].vectors));
out:
    return status;
}

const bcl_gemm_provider bcl_gemm_tile_bf16 = {.name = "tile-bf16",
                                              .precision = BCL_PRECISION_BF16,
                                              .A = BCL_TAKES_F32,
                                              .B = BCL_TAKES_F32,
                                              .C = BCL_TAKES_F32,
                                              .suits = bcl_gemm_tile_suits,
                                              .lacks = tile_bf16_lacks,
                                              .candidates = tile_bf16_candidates,
                                              .create = tile_bf16_create,
                                              .parameters = tile_bf16_parameters,
                                              .run = tile_bf16_run,
                                              .free = tile_bf16_free,
                                              .fuses = true};
