/* The choice of a GEMM provider and the check of its calls. Knows the providers' names, not how
 * they compute. */
#include "ops/gemm/provider.h"

#include <assert.h>
#include <stdarg.h>

struct bcl_gemm {
    char *name; /* the parameters in use included */
    const bcl_gemm_provider *provider;
    void *state;
    bcl_device *device;
};

bcl_status bcl_gemm_names_add(bcl_gemm_names *names, const char *format, ...) {
    bcl_status status = BCL_OK;
    char name[BCL_GEMM_NAME];
    va_list args;
    va_start(args, format);
    const int size = vsnprintf(name, sizeof name, format, args);
    va_end(args);
    assert(size >= 0 && (size_t)size < sizeof name);
    (void)size;
    BCL_TRY(bcl_grow(&names->items, &names->capacity, names->count + 1, sizeof *names->items));
    BCL_TRY(bcl_strdup(&names->items[names->count], name));
    names->count++;
out:
    return status;
}

void bcl_gemm_names_free(bcl_gemm_names *names) {
    bcl_strings_free(names->items, names->count);
    *names = (bcl_gemm_names){0};
}

static bcl_status find_provider(const bcl_gemm_provider **out, const char *name,
                                bcl_precision precision) {
    char names[256];
    size_t used = 0;
    for (const bcl_gemm_provider *const *p = bcl_gemm_providers(); *p; p++) {
        const size_t n = strlen((*p)->name);
        if (strncmp((*p)->name, name, n) || (name[n] && name[n] != ':')) {
            used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", used ? ", " : "",
                                     (*p)->name);
            continue;
        }
        *out = *p;
        return (*p)->precision == precision
                   ? BCL_OK
                   : bcl_fail(BCL_ERROR_ARGUMENT, "GEMM provider \"%s\": computes %s, not %s", name,
                              bcl_precision_name((*p)->precision), bcl_precision_name(precision));
    }
    return bcl_fail(BCL_ERROR_ARGUMENT, "GEMM provider \"%s\": unknown; expected one of: %s", name,
                    names);
}

static bcl_status create_named(bcl_gemm **out, bcl_device *device, const char *name,
                               bcl_precision precision) {
    bcl_status status = BCL_OK;
    bcl_gemm *g = NULL;
    const char *colon = strchr(name, ':');
    BCL_NEW(g, 1);
    g->device = device;
    BCL_TRY(find_provider(&g->provider, name, precision));
    BCL_TRY(g->provider->create(&g->state, device, colon ? colon + 1 : NULL));
    if (g->provider->parameters) {
        char parameters[BCL_GEMM_NAME - 64];
        g->provider->parameters(g->state, parameters, sizeof parameters);
        BCL_TRY(bcl_format(&g->name, "%s:%s", g->provider->name, parameters));
    } else {
        BCL_TRY(bcl_strdup(&g->name, name));
    }
    *out = g;
    g = NULL;
out:
    if (g && g->state)
        bcl_gemm_free(g);
    else
        free(g);
    return status;
}

bcl_status bcl_gemm_create(bcl_gemm **out, bcl_device *device, const char *name,
                           bcl_precision precision) {
    bcl_gemm_choice tuned;
    *out = NULL;
    if (name)
        return create_named(out, device, name, precision);
    /* A tuned name that this device does not take any more is as good as none. */
    if (bcl_gemm_choice_load(&tuned, bcl_device_about(device), precision) == BCL_GEMM_STORED &&
        tuned.name[0] && !create_named(out, device, tuned.name, precision))
        return BCL_OK;
    for (const bcl_gemm_provider *const *p = bcl_gemm_providers(); *p; p++)
        if ((*p)->precision == precision && (*p)->suits(device))
            return create_named(out, device, (*p)->name, precision);
    return bcl_fail(BCL_ERROR_UNSUPPORTED, "%s: no matrix product in %s for this device",
                    bcl_device_about(device)->id, bcl_precision_name(precision));
}

void bcl_gemm_free(bcl_gemm *g) {
    if (!g)
        return;
    g->provider->free(g->state);
    free(g->name);
    free(g);
}

const char *bcl_gemm_name(const bcl_gemm *g) {
    return g->name;
}

bcl_precision bcl_gemm_precision(const bcl_gemm *g) {
    return g->provider->precision;
}

bool bcl_gemm_packs(const bcl_gemm *g, int N) {
    return g->provider->pack_columns && N % g->provider->pack_columns(g->state) == 0;
}

bcl_status bcl_gemm_pack(bcl_gemm *g, cl_mem to, cl_mem from, int K, int N, bool back) {
    if (!bcl_gemm_packs(g, N))
        return bcl_fail(BCL_ERROR_ARGUMENT, "GEMM: %s does not pack %d columns", g->name, N);
    return g->provider->pack(g->state, to, from, K, N, back);
}

bool bcl_gemm_fuses(const bcl_gemm *g) {
    return g->provider->fuses;
}

bool bcl_gemm_runs_on_auxiliary(const bcl_gemm *g) {
    return g->provider->plain;
}

/* A matrix of `rows` rows of `columns` elements, `ld` apart, must lie within its buffer: a kernel
 * on a CPU device that leaves it would silently destroy the process's memory. */
static bcl_status check_matrix(const char *name, cl_mem buffer, int rows, int columns, int ld) {
    bcl_status status = BCL_OK;
    size_t have = 0, need = 0;
    if (!buffer)
        BCL_FAIL(BCL_ERROR_ARGUMENT, "GEMM: %s has no buffer", name);
    if (ld < columns)
        BCL_FAIL(BCL_ERROR_ARGUMENT, "GEMM: %s (%d,%d) has rows %d elements apart, expected >= %d",
                 name, rows, columns, ld, columns);
    if (!bcl_multiply(&need, (size_t)(rows - 1), (size_t)ld) ||
        !bcl_multiply(&need, need + (size_t)columns, sizeof(float)))
        BCL_FAIL(BCL_ERROR_ARGUMENT, "GEMM: the size of %s (%d,%d) overflows", name, rows, columns);
    BCL_CL(clGetMemObjectInfo(buffer, CL_MEM_SIZE, sizeof have, &have, NULL));
    if (have < need)
        BCL_FAIL(BCL_ERROR_ARGUMENT,
                 "GEMM: %s (%d,%d), rows %d elements apart, needs %zu bytes, its buffer has %zu",
                 name, rows, columns, ld, need, have);
out:
    return status;
}

static void note_work(bcl_gemm *g, const bcl_gemm_call *c) {
    static const char *const names[] = {[BCL_GEMM_NN] = "matrix product Y = X W",
                                        [BCL_GEMM_NT] = "matrix product dX = dY W'",
                                        [BCL_GEMM_TN] = "matrix product dW = X' dY"};
    const double M = c->M, N = c->N, K = c->K;
    const double floats = M * K + K * N + M * N * (c->accumulate || c->epilogue ? 2 : 1);
    bcl_profile_operation(g->device, names[c->layout], 2 * M * N * K, sizeof(float) * floats);
}

bcl_status bcl_gemm_run(bcl_gemm *g, const bcl_gemm_call *c) {
    bcl_status status = BCL_OK;
    const bool tn = c->layout == BCL_GEMM_TN, nt = c->layout == BCL_GEMM_NT;
    if (c->M < 1 || c->N < 1 || c->K < 1)
        BCL_FAIL(BCL_ERROR_ARGUMENT, "GEMM: M %d, N %d, K %d, expected all >= 1", c->M, c->N, c->K);
    if (c->bias && c->accumulate)
        BCL_FAIL(BCL_ERROR_ARGUMENT, "GEMM: a bias does not go with accumulate");
    if (c->packed && (c->layout != BCL_GEMM_NN || !bcl_gemm_packs(g, c->N)))
        BCL_FAIL(BCL_ERROR_ARGUMENT, "GEMM: a packed B (%d,%d) does not go with the call", c->K,
                 c->N);
    BCL_TRY(check_matrix("A", c->A, tn ? c->K : c->M, tn ? c->M : c->K, c->lda));
    BCL_TRY(check_matrix("B", c->B, nt ? c->N : c->K, nt ? c->K : c->N, c->packed ? c->N : c->ldb));
    BCL_TRY(check_matrix("C", c->C, c->M, c->N, c->ldc));
    if (!g->provider->fuses && (c->epilogue || c->sums))
        BCL_FAIL(BCL_ERROR_ARGUMENT, "GEMM: %s has no epilogues", g->provider->name);
    if ((c->epilogue == BCL_GEMM_GELU && c->layout != BCL_GEMM_NN) || (c->sums && !tn) ||
        (c->epilogue == BCL_GEMM_GELU_BACKWARD && !nt) || (c->epilogue && c->accumulate))
        BCL_FAIL(BCL_ERROR_ARGUMENT, "GEMM: the epilogue does not go with the layout");
    if (c->epilogue)
        BCL_TRY(check_matrix("E", c->E, c->M, c->N, c->ldc));
    if (c->sums)
        BCL_TRY(check_matrix("sums", c->sums, 1, c->N, c->N));
    if (c->bias)
        BCL_TRY(check_matrix("bias", c->bias, 1, c->N, c->N));
    note_work(g, c);
    BCL_TRY(g->provider->run(g->state, c));
out:
    return status;
}
