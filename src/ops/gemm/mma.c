/* GEMM providers on matrix units, see gemm_mma.cl: `mma` (fp32: on NVIDIA's three products of TF32,
 * on AMD's CDNA its unit for fp32), `mma-tf32`, `mma-bf16` and `mma-fp16`. Which units a device has
 * no extension tells: a kernel either builds and is right, or the name is not taken; tuning finds
 * out in a child process. */
#include "ops/gemm/provider.h"

enum {
    BK_BYTES = 64,     /* of K in a tile's row */
    PIECE_BYTES = 16,  /* copied at once */
    GROUPS_A_UNIT = 2, /* aimed at for each compute unit */
    SPLIT_TILES = 16,  /* tiles along K of a part, at least: it costs another launch */
    MOST_SPLITS = 16,
    FINISH_ITEMS = 128,
    LAYOUTS = BCL_GEMM_LAYOUTS,
    EPILOGUES = 3,
    RESULTS = 3,
    PRODUCTS = 2 /* in a launch */
};

#define INTEL_WIDE " -cl-intel-256-GRF-per-thread"
/* What a work-group, a sub-group and an instruction compute; numbers as in matrix.h. */
static const struct unit {
    const char *name;
    int number, lanes;
    int rows16, columns16;      /* of a fragment of 16-bit operands */
    int rows32, columns32;      /* of fp32 operands; 0: no such unit */
    bool tf32;                  /* that unit rounds to TF32 */
    bool async;                 /* copies to local memory without registers */
    int BM, BN, WM, WN, stages; /* unless named */
    const char *wide; /* the compiler's option for twice the registers, where there is one */
} units[] = {
    {"nvidia", 1, 32, 16, 16, 16, 8, true, true, 64, 64, 32, 32, 3, ""},
    {"rdna3", 2, 32, 16, 16, 0, 0, false, false, 64, 64, 32, 32, 2, ""},
    {"rdna4", 3, 32, 16, 16, 0, 0, false, false, 64, 64, 32, 32, 2, ""},
    {"cdna", 4, 64, 32, 32, 16, 16, false, false, 128, 128, 64, 64, 2, ""},
    {"intel8", 5, 8, 8, 8, 0, 0, false, false, 64, 64, 16, 16, 2, INTEL_WIDE},
    {"intel16", 6, 16, 8, 16, 0, 0, false, false, 64, 64, 8, 16, 2, INTEL_WIDE},
};
enum { UNITS = sizeof units / sizeof *units };

/* A buffer that grows to the largest product's. */
typedef struct grown {
    cl_mem buffer;
    size_t bytes;
} grown;

typedef struct mma_state {
    bcl_device *device;
    const struct unit *unit;
    bcl_precision precision;
    bool emulated, attention; /* attention: of bcl_gemm_unit */
    int BM, BN, WM, WN, stages, items;
    int BK, piece; /* elements */
    size_t groups; /* wanted */
    /* [aligned][in parts][A][B, 1: operands as the unit takes them][result]; compiled at first use
     */
    bcl_kernel *kernels[LAYOUTS][EPILOGUES][2][2][2][2][RESULTS];
    bcl_kernel *gradients[EPILOGUES][2][2][2][RESULTS]; /* without [in parts] */
    bool gradients_fail;                                /* to build, or in groups of such size */
    bcl_kernel *finish[EPILOGUES][RESULTS];
    grown parts[PRODUCTS], sum_parts[PRODUCTS];
} mma_state;

static bool is_32(const mma_state *s) {
    return s->precision == BCL_PRECISION_FP32 || s->precision == BCL_PRECISION_TF32;
}

/* Whether a unit multiplies in this precision, or in an exact sum of products of it. */
static bool unit_has(const struct unit *u, bcl_precision precision) {
    switch (precision) {
    case BCL_PRECISION_FP32:
        return u->rows32 != 0;
    case BCL_PRECISION_TF32:
        return u->tf32;
    default:
        return true;
    }
}

static const char *provider_name(const mma_state *s) {
    static const char *const names[BCL_PRECISIONS] = {
        [BCL_PRECISION_FP32] = "mma",
        [BCL_PRECISION_TF32] = "mma-tf32",
        [BCL_PRECISION_BF16] = "mma-bf16",
        [BCL_PRECISION_FP16] = "mma-fp16",
    };
    return names[s->precision];
}

/* -DOPERAND of matrix.h; that of 16 bits is -DHALF, too. */
static int operand_number(const mma_state *s) {
    return is_32(s) ? 32 : s->precision == BCL_PRECISION_BF16 ? 16 : 17;
}

/* What a product ends in: E of GELU, and else C. */
typedef enum result { RESULT_F32, RESULT_HALF, RESULT_HALF_ALONE /* without C */ } result;

static result result_of(const bcl_gemm_call *c) {
    const bcl_view *end = c->epilogue == BCL_GEMM_GELU ? &c->E : &c->C;
    return end->type == BCL_ELEMENT_F32 ? RESULT_F32
           : c->C.buffer                ? RESULT_HALF
                                        : RESULT_HALF_ALONE;
}

/* Options of the kernels that end a product, see gemm_mma.cl. */
static void result_words(char *out, size_t size, const mma_state *s, bcl_gemm_epilogue epilogue,
                         result r) {
    int n = snprintf(out, size, "-DEPILOGUE=%d", (int)epilogue);
    if (r != RESULT_F32)
        n += snprintf(out + n, size - (size_t)n, " -DHALF=%d", operand_number(s));
    if (r == RESULT_HALF_ALONE)
        snprintf(out + n, size - (size_t)n, " -DNO_C");
}

/* Tiles that the kernel's placing of pieces and the unit's fragments allow. */
static bcl_status check_tile(const mma_state *s) {
    const bcl_device_info *about = bcl_device_about(s->device);
    const int rows = is_32(s) ? s->unit->rows32 : s->unit->rows16;
    const int columns = is_32(s) ? s->unit->columns32 : s->unit->columns16;
    const size_t local = (size_t)s->stages * (size_t)(s->BM + s->BN) * BK_BYTES;
    const bool fits = (s->BM == 32 || s->BM == 64 || s->BM == 128) &&
                      (s->BN == 32 || s->BN == 64 || s->BN == 128) && s->WM >= rows &&
                      s->WN >= columns && s->BM % s->WM == 0 && s->BN % s->WN == 0 &&
                      s->WM % rows == 0 && s->WN % columns == 0 && s->stages >= 2 && s->stages <= 4;
    if (!fits)
        return bcl_fail(BCL_ERROR_ARGUMENT,
                        "GEMM provider \"%s:%s\": found a tile of %dx%d in parts of %dx%d, %d "
                        "stages; expected 32, 64 or 128, parts that are multiples of %dx%d and "
                        "divide it, 2 to 4 stages",
                        provider_name(s), s->unit->name, s->BM, s->BN, s->WM, s->WN, s->stages,
                        rows, columns);
    if (local > about->local_memory || (size_t)s->items > about->max_work_group)
        return bcl_fail(
            BCL_ERROR_UNSUPPORTED,
            "GEMM provider \"%s:%s\": the tile needs %zu bytes of local memory and groups "
            "of %d, %s has %llu and %zu",
            provider_name(s), s->unit->name, local, s->items, about->id,
            (unsigned long long)about->local_memory, about->max_work_group);
    return BCL_OK;
}

/* "[emulated-]UNIT[:BMxBNxWMxWNxSTAGES][:attention]" */
static bcl_status parse(mma_state *s, const char *text) {
    static const char word[] = "emulated-", last[] = BCL_GEMM_ATTENTION;
    const size_t n = sizeof word - 1, whole = strlen(text), end = sizeof last - 1;
    int used = 0;
    s->emulated = !strncmp(text, word, n);
    const char *name = s->emulated ? text + n : text;
    const size_t length = strcspn(name, ":");
    for (int i = 0; i < UNITS; i++)
        if (strlen(units[i].name) == length && !strncmp(units[i].name, name, length))
            s->unit = &units[i];
    if (!s->unit)
        return bcl_fail(BCL_ERROR_ARGUMENT,
                        "GEMM provider \"%s:%s\": unknown unit; expected [emulated-]nvidia, rdna3, "
                        "rdna4, cdna, intel8 or intel16",
                        provider_name(s), text);
    if (!unit_has(s->unit, s->precision))
        return bcl_fail(BCL_ERROR_UNSUPPORTED, "GEMM provider \"%s:%s\": has no unit for %s",
                        provider_name(s), text, bcl_precision_name(s->precision));
    s->BM = s->unit->BM;
    s->BN = s->unit->BN;
    s->WM = s->unit->WM;
    s->WN = s->unit->WN;
    s->stages = s->unit->stages;
    s->attention = !is_32(s) && whole > end && !strcmp(text + whole - end, last);
    const char *tile = name + length, *tile_end = text + whole - (s->attention ? end : 0);
    if (tile != tile_end && (sscanf(tile, ":%dx%dx%dx%dx%d%n", &s->BM, &s->BN, &s->WM, &s->WN,
                                    &s->stages, &used) != 5 ||
                             tile + used != tile_end))
        return bcl_fail(BCL_ERROR_ARGUMENT,
                        "GEMM provider \"%s:%s\": expected UNIT:BMxBNxWMxWNxSTAGES, and behind it "
                        "nothing or, of 16 bits, :attention",
                        provider_name(s), text);
    const int bytes = is_32(s) ? 4 : 2;
    s->BK = BK_BYTES / bytes;
    s->piece = PIECE_BYTES / bytes;
    if (s->WM < 1 || s->WN < 1)
        s->WM = s->WN = 1; /* refused next */
    s->items = s->unit->lanes * (s->BM / s->WM) * (s->BN / s->WN);
    return check_tile(s);
}

/* It shows what is right: optimized, each of its kernels would take a compiler up to a minute. */
#define EMULATION " -DEMULATE -cl-opt-disable"

static bcl_status compile(bcl_kernel **out, const mma_state *s, const char *name, bool aligned,
                          bool raw_a, bool raw_b, const char *more) {
    bcl_status status = BCL_OK;
    char *words = NULL;
    const bool async = s->unit->async && aligned && raw_a && raw_b;
    BCL_TRY(bcl_format(
        &words,
        "-DMATRIX=%d -DOPERAND=%d -DBM=%d -DBN=%d -DWM=%d -DWN=%d -DSTAGES=%d%s%s%s%s%s%s %s",
        s->unit->number, operand_number(s), s->BM, s->BN, s->WM, s->WN, async ? s->stages : 2,
        raw_a ? "" : " -DA_FP32", raw_b ? "" : " -DB_FP32",
        s->precision == BCL_PRECISION_FP32 && s->unit->tf32 ? " -DSPLIT" : "",
        async ? " -DASYNC" : "", aligned ? " -DALIGNED" : "", s->emulated ? EMULATION : "", more));
    BCL_TRY(bcl_kernel_get(out, s->device, "gemm_mma.cl", name, words));
out:
    free(words);
    return status;
}

/* Whether a matrix is as the unit takes it. */
static bool is_raw(const mma_state *s, const bcl_view *view) {
    return is_32(s) || view->type != BCL_ELEMENT_F32;
}

static bcl_status find_kernel(bcl_kernel **out, mma_state *s, const bcl_gemm_call *c, bool aligned,
                              bool in_parts) {
    bcl_status status = BCL_OK;
    const bcl_gemm_epilogue epilogue = in_parts ? BCL_GEMM_PLAIN : c->epilogue;
    const result r = in_parts ? RESULT_F32 : result_of(c);
    const bool raw_a = is_raw(s, &c->A), raw_b = is_raw(s, &c->B);
    bcl_kernel **kernel = &s->kernels[c->layout][epilogue][aligned][in_parts][raw_a][raw_b][r];
    char words[48], more[96];
    result_words(words, sizeof words, s, epilogue, r);
    snprintf(more, sizeof more, "-DLAYOUT=%d %s%s", (int)c->layout, words,
             in_parts ? " -DPARTIAL" : "");
    if (!*kernel)
        BCL_TRY(compile(kernel, s, "gemm_mma", aligned, raw_a, raw_b, more));
    *out = *kernel;
out:
    return status;
}

static void mma_free(void *state) {
    mma_state *s = state;
    for (int i = 0; i < PRODUCTS; i++) {
        bcl_buffer_free(s->device, &s->parts[i].buffer);
        bcl_buffer_free(s->device, &s->sum_parts[i].buffer);
    }
    free(s);
}

/* The first unit whose kernel builds. */
static bcl_status find_unit(mma_state *s) {
    bcl_kernel *kernel;
    const bcl_gemm_call call = {.layout = BCL_GEMM_NN};
    for (int i = 0; i < UNITS; i++) {
        s->unit = NULL;
        if (unit_has(&units[i], s->precision) && !parse(s, units[i].name) &&
            !find_kernel(&kernel, s, &call, true, false))
            return BCL_OK;
    }
    return bcl_fail(BCL_ERROR_UNSUPPORTED,
                    "GEMM provider \"%s\": %s has no matrix unit that it knows", provider_name(s),
                    bcl_device_about(s->device)->id);
}

static bcl_status mma_create(void **out, bcl_device *device, const char *parameters,
                             bcl_precision precision) {
    bcl_status status = BCL_OK;
    bcl_kernel *kernel;
    const bcl_gemm_call call = {.layout = BCL_GEMM_NN};
    mma_state *s = NULL;
    BCL_NEW(s, 1);
    s->device = device;
    s->precision = precision;
    s->groups = (size_t)GROUPS_A_UNIT * bcl_device_about(device)->compute_units;
    if (parameters) {
        BCL_TRY(parse(s, parameters));
        BCL_TRY(find_kernel(&kernel, s, &call, true, false));
    } else {
        BCL_TRY(find_unit(s));
    }
    *out = s;
out:
    if (status && s)
        mma_free(s);
    return status;
}

static bcl_status create_fp32(void **out, bcl_device *device, const char *parameters) {
    return mma_create(out, device, parameters, BCL_PRECISION_FP32);
}
static bcl_status create_tf32(void **out, bcl_device *device, const char *parameters) {
    return mma_create(out, device, parameters, BCL_PRECISION_TF32);
}
static bcl_status create_bf16(void **out, bcl_device *device, const char *parameters) {
    return mma_create(out, device, parameters, BCL_PRECISION_BF16);
}
static bcl_status create_fp16(void **out, bcl_device *device, const char *parameters) {
    return mma_create(out, device, parameters, BCL_PRECISION_FP16);
}

static void mma_parameters(const void *state, char *out, size_t size) {
    const mma_state *s = state;
    snprintf(out, size, "%s%s:%dx%dx%dx%dx%d%s", s->emulated ? "emulated-" : "", s->unit->name,
             s->BM, s->BN, s->WM, s->WN, s->stages, s->attention ? BCL_GEMM_ATTENTION : "");
}

static void mma_unit(const void *state, bcl_gemm_unit *out) {
    const mma_state *s = state;
    if (is_32(s))
        return;
    *out = (bcl_gemm_unit){
        .lanes = s->unit->lanes, .rows = s->unit->rows16, .attention = s->attention};
    snprintf(out->options, sizeof out->options, "-DMATRIX=%d -DOPERAND=%d%s", s->unit->number,
             operand_number(s), s->emulated ? EMULATION : s->unit->wide);
}

/* Parts of K, so that a product of few tiles keeps all units busy; a function of shape and device.
 */
static size_t choose_splits(const mma_state *s, size_t tiles, const bcl_gemm_call *c) {
    const size_t steps = bcl_gemm_ceil((size_t)c->K, (size_t)s->BK);
    size_t splits = s->groups / tiles;
    if (splits > steps / SPLIT_TILES)
        splits = steps / SPLIT_TILES;
    if (splits > MOST_SPLITS)
        splits = MOST_SPLITS;
    return splits < 1 ? 1 : splits;
}

static bcl_status grow(mma_state *s, grown *g, size_t floats) {
    bcl_status status = BCL_OK;
    if (floats * sizeof(float) > g->bytes) {
        bcl_buffer_free(s->device, &g->buffer);
        g->bytes = 0;
        BCL_TRY(
            bcl_buffer_create(&g->buffer, s->device, floats * sizeof(float), "parts of products"));
        g->bytes = floats * sizeof(float);
    }
out:
    return status;
}

/* How a product is cut into tiles, and K into parts, and where its kernel writes. */
typedef struct cut {
    size_t rows, columns, splits, depth;
    bool aligned, in_parts;
    cl_mem C, sums; /* C: some buffer where none is kept */
    int ldc;
} cut;

/* `number`: of the product in its launch. */
static bcl_status cut_product(cut *out, mma_state *s, const bcl_gemm_call *c, int number) {
    bcl_status status = BCL_OK;
    const size_t M = (size_t)c->M, N = (size_t)c->N, K = (size_t)c->K;
    const int a_width = c->layout == BCL_GEMM_TN ? c->M : c->K;
    const int b_width = c->layout == BCL_GEMM_NT ? c->K : c->N;
    *out = (cut){.rows = bcl_gemm_ceil(M, (size_t)s->BM),
                 .columns = bcl_gemm_ceil(N, (size_t)s->BN),
                 .aligned = a_width % s->piece == 0 && c->A.ld % s->piece == 0 &&
                            b_width % s->piece == 0 && c->B.ld % s->piece == 0};
    const size_t wanted = choose_splits(s, out->rows * out->columns, c);
    out->depth = bcl_gemm_ceil(bcl_gemm_ceil(K, (size_t)s->BK), wanted) * (size_t)s->BK;
    out->splits = bcl_gemm_ceil(K, out->depth);
    out->in_parts = out->splits > 1;
    out->C = c->C.buffer ? c->C.buffer : c->E.buffer;
    out->ldc = c->C.buffer ? c->C.ld : c->E.ld;
    out->sums = c->sums.buffer ? c->sums.buffer : out->C;
    if (out->in_parts) {
        BCL_TRY(grow(s, &s->parts[number], out->splits * M * N));
        BCL_TRY(grow(s, &s->sum_parts[number], out->splits * N));
        out->C = s->parts[number].buffer;
        out->sums = c->sums.buffer ? s->sum_parts[number].buffer : out->C;
    }
out:
    return status;
}

/* Behind the launch that wrote the parts, if there are any: adds them up, or leaves it. */
static bcl_status finish(mma_state *s, const bcl_gemm_call *c, const cut *p) {
    bcl_status status = BCL_OK;
    const result r = result_of(c);
    bcl_kernel **kernel = &s->finish[c->epilogue][r];
    const bool has_bias = c->bias.buffer != NULL, has_sums = c->sums.buffer != NULL;
    const bcl_view C = c->C.buffer ? c->C : c->E, none = C;
    char words[48];
    if (!p->in_parts)
        return BCL_OK;
    if (c->rest) {
        *c->rest = (bcl_gemm_rest){p->C, (int)p->splits};
        return BCL_OK;
    }
    result_words(words, sizeof words, s, c->epilogue, r);
    if (!*kernel)
        BCL_TRY(bcl_kernel_get(kernel, s->device, "gemm_mma_finish.cl", "gemm_mma_finish", words));
    const size_t most = bcl_kernel_limit(*kernel);
    const size_t items = most < FINISH_ITEMS ? most : FINISH_ITEMS;
    const bcl_grid all = {{bcl_gemm_ceil((size_t)c->M * (size_t)c->N, items)}, {items}};
    BCL_TRY(BCL_LAUNCH(*kernel, all, bcl_ptr(C), bcl_mem(p->C), bcl_int((int)p->splits),
                       bcl_ptr(has_bias ? c->bias : none), bcl_int(has_bias),
                       bcl_ptr(c->epilogue ? c->E : none), bcl_ptr(has_sums ? c->sums : none),
                       bcl_mem(p->sums), bcl_int(has_sums), bcl_int(c->tanh_form),
                       bcl_int(c->accumulate), bcl_int(c->M), bcl_int(c->N), bcl_int(C.ld)));
out:
    return status;
}

static bcl_status mma_run(void *state, const bcl_gemm_call *c) {
    bcl_status status = BCL_OK;
    mma_state *s = state;
    bcl_kernel *kernel;
    cut p;
    BCL_TRY(cut_product(&p, s, c, 0));
    BCL_TRY(find_kernel(&kernel, s, c, p.aligned, p.in_parts));
    const bool has_bias = c->bias.buffer != NULL;
    const cl_mem bias = has_bias ? c->bias.buffer : p.C;
    const cl_mem E = p.in_parts || !c->epilogue ? p.C : c->E.buffer;
    const bcl_grid grid = {{p.columns, p.rows, p.splits}, {(size_t)s->items}};
    BCL_TRY(BCL_LAUNCH(kernel, grid, bcl_mem(p.C), bcl_ptr(c->A), bcl_ptr(c->B), bcl_mem(bias),
                       bcl_int(has_bias && !p.in_parts), bcl_mem(E), bcl_mem(p.sums),
                       bcl_int(c->sums.buffer != NULL), bcl_int(c->tanh_form),
                       bcl_int(c->accumulate && !p.in_parts), bcl_int(c->M), bcl_int(c->N),
                       bcl_int(c->K), bcl_int(c->A.ld), bcl_int(c->B.ld), bcl_int(p.ldc),
                       bcl_int((int)p.depth)));
    BCL_TRY(finish(s, c, &p));
out:
    return status;
}

/* NULL where the device does not take it: it has the registers of two products. */
static bcl_kernel *find_gradients(mma_state *s, const bcl_gemm_call *dx, bool aligned) {
    const bool raw_a = is_raw(s, &dx->A), raw_b = is_raw(s, &dx->B);
    const result r = result_of(dx);
    bcl_kernel **kernel = &s->gradients[dx->epilogue][aligned][raw_a][raw_b][r];
    char words[48], more[64];
    result_words(words, sizeof words, s, dx->epilogue, r);
    snprintf(more, sizeof more, "-DGRADIENTS %s", words);
    if (!*kernel && !s->gradients_fail)
        s->gradients_fail =
            compile(kernel, s, "gemm_mma_gradients", aligned, raw_a, raw_b, more) != BCL_OK ||
            bcl_kernel_limit(*kernel) < (size_t)s->items;
    return s->gradients_fail ? NULL : *kernel;
}

static bcl_status mma_run_gradients(void *state, const bcl_gemm_call *dx, const bcl_gemm_call *dw) {
    bcl_status status = BCL_OK;
    mma_state *s = state;
    cut x, w;
    BCL_TRY(cut_product(&x, s, dx, 0));
    BCL_TRY(cut_product(&w, s, dw, 1));
    bcl_kernel *kernel = is_raw(s, &dx->A) == is_raw(s, &dw->A)
                             ? find_gradients(s, dx, x.aligned && w.aligned)
                             : NULL;
    if (!kernel) { /* dX last: it may leave a rest */
        BCL_TRY(mma_run(s, dw));
        return mma_run(s, dx);
    }
    const size_t dx_groups = x.rows * x.columns * x.splits;
    const bcl_grid grid = {{dx_groups + w.rows * w.columns * w.splits}, {(size_t)s->items}};
    BCL_TRY(BCL_LAUNCH(
        kernel, grid, bcl_mem(x.C), bcl_ptr(dx->A), bcl_ptr(dx->B),
        bcl_ptr(dx->epilogue ? dx->E : dx->A), bcl_mem(w.C), bcl_ptr(dw->A), bcl_mem(w.sums),
        bcl_int(dw->sums.buffer != NULL), bcl_int(dx->tanh_form),
        bcl_int(dx->accumulate && !x.in_parts), bcl_int(dw->accumulate && !w.in_parts),
        bcl_int(dx->M), bcl_int(dx->N), bcl_int(dx->K), bcl_int(dx->C.ld), bcl_int(dx->A.ld),
        bcl_int(dx->B.ld), bcl_int(dw->C.ld), bcl_int(dw->A.ld), bcl_int((int)x.depth),
        bcl_int((int)w.depth), bcl_int((int)dx_groups), bcl_int(x.in_parts), bcl_int(w.in_parts)));
    BCL_TRY(finish(s, dx, &x));
    BCL_TRY(finish(s, dw, &w));
out:
    return status;
}

static bool mma_suits(const bcl_device *device) {
    return bcl_device_about(device)->gpu;
}

static bcl_status add_candidates(bcl_gemm_names *names, bool thorough, bcl_precision precision,
                                 const char *provider) {
    static const struct {
        const char *unit;
        int BM, BN, WM, WN, stages;
    } tiles[] = {
        {"nvidia", 128, 64, 64, 32, 3},  {"nvidia", 128, 128, 64, 32, 3},
        {"nvidia", 128, 128, 64, 64, 2}, {"nvidia", 64, 128, 32, 64, 3},
        {"nvidia", 64, 64, 32, 32, 4},   {"rdna3", 128, 64, 32, 32, 2},
        {"rdna3", 128, 128, 64, 32, 2},  {"cdna", 64, 64, 32, 32, 2},
        {"cdna", 128, 64, 64, 32, 2},    {"intel8", 64, 64, 32, 8, 2},
        {"intel16", 32, 64, 8, 16, 2},
    };
    bcl_status status = BCL_OK;
    for (size_t i = 0; thorough && i < sizeof tiles / sizeof *tiles; i++)
        for (int u = 0; u < UNITS; u++)
            if (!strcmp(units[u].name, tiles[i].unit) && unit_has(&units[u], precision))
                BCL_TRY(bcl_gemm_names_add(names, "%s:%s:%dx%dx%dx%dx%d", provider, tiles[i].unit,
                                           tiles[i].BM, tiles[i].BN, tiles[i].WM, tiles[i].WN,
                                           tiles[i].stages));
out:
    return status;
}

#define DEFINE_PROVIDER(variable, title, kind, taken, creator)                                     \
    static bcl_status variable##_candidates(bcl_gemm_names *names, const bcl_device *device,       \
                                            bool thorough) {                                       \
        (void)device;                                                                              \
        return add_candidates(names, thorough, kind, title);                                       \
    }                                                                                              \
    const bcl_gemm_provider variable = {.name = title,                                             \
                                        .precision = kind,                                         \
                                        .A = taken,                                                \
                                        .B = taken,                                                \
                                        .C = taken,                                                \
                                        .suits = mma_suits,                                        \
                                        .candidates = variable##_candidates,                       \
                                        .create = creator,                                         \
                                        .parameters = mma_parameters,                              \
                                        .run = mma_run,                                            \
                                        .run_gradients = mma_run_gradients,                        \
                                        .unit = mma_unit,                                          \
                                        .free = mma_free,                                          \
                                        .fuses = true}
DEFINE_PROVIDER(bcl_gemm_mma, "mma", BCL_PRECISION_FP32, BCL_TAKES_F32, create_fp32);
DEFINE_PROVIDER(bcl_gemm_mma_tf32, "mma-tf32", BCL_PRECISION_TF32, BCL_TAKES_F32, create_tf32);
DEFINE_PROVIDER(bcl_gemm_mma_bf16, "mma-bf16", BCL_PRECISION_BF16, BCL_TAKES_F32 | BCL_TAKES_BF16,
                create_bf16);
DEFINE_PROVIDER(bcl_gemm_mma_fp16, "mma-fp16", BCL_PRECISION_FP16, BCL_TAKES_F32 | BCL_TAKES_F16,
                create_fp16);
