/* The choice of a GEMM provider and the check of its calls. Knows the providers' names, not how
 * they compute. */
#include "ops/gemm/provider.h"

struct bcl_gemm {
    char *name; /* as asked for, parameters included */
    const bcl_gemm_provider *provider;
    void *state;
    bcl_device *device;
};

static const bcl_gemm_provider *const providers[] = {&bcl_gemm_clblast, &bcl_gemm_tile,
                                                     &bcl_gemm_reference};
enum { PROVIDERS = sizeof providers / sizeof *providers };

static bcl_status find_provider(const bcl_gemm_provider **out, const char *name) {
    char names[256];
    size_t used = 0;
    for (size_t i = 0; i < PROVIDERS; i++) {
        const size_t n = strlen(providers[i]->name);
        if (!strncmp(providers[i]->name, name, n) && (!name[n] || name[n] == ':')) {
            *out = providers[i];
            return BCL_OK;
        }
        used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "",
                                 providers[i]->name);
    }
    return bcl_fail(BCL_ERROR_ARGUMENT, "GEMM provider \"%s\": unknown; expected one of: %s", name,
                    names);
}

bcl_status bcl_gemm_create(bcl_gemm **out, bcl_device *device, const char *name) {
    bcl_status status = BCL_OK;
    bcl_gemm *g = NULL;
    if (!name)
        name = bcl_gemm_tile_suits(device) ? bcl_gemm_tile.name : bcl_gemm_clblast.name;
    const char *colon = strchr(name, ':');
    BCL_NEW(g, 1);
    g->device = device;
    BCL_TRY(find_provider(&g->provider, name));
    BCL_TRY(bcl_strdup(&g->name, name));
    BCL_TRY(g->provider->create(&g->state, device, colon ? colon + 1 : NULL));
    *out = g;
out:
    if (status && g) {
        free(g->name);
        free(g);
    }
    return status;
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
    const double floats = M * K + K * N + M * N * (c->accumulate ? 2 : 1);
    bcl_profile_operation(g->device, names[c->layout], 2 * M * N * K, sizeof(float) * floats);
}

bcl_status bcl_gemm_run(bcl_gemm *g, const bcl_gemm_call *c) {
    bcl_status status = BCL_OK;
    const bool tn = c->layout == BCL_GEMM_TN, nt = c->layout == BCL_GEMM_NT;
    if (c->M < 1 || c->N < 1 || c->K < 1)
        BCL_FAIL(BCL_ERROR_ARGUMENT, "GEMM: M %d, N %d, K %d, expected all >= 1", c->M, c->N, c->K);
    if (c->bias && c->accumulate)
        BCL_FAIL(BCL_ERROR_ARGUMENT, "GEMM: a bias does not go with accumulate");
    BCL_TRY(check_matrix("A", c->A, tn ? c->K : c->M, tn ? c->M : c->K, c->lda));
    BCL_TRY(check_matrix("B", c->B, nt ? c->N : c->K, nt ? c->K : c->N, c->ldb));
    BCL_TRY(check_matrix("C", c->C, c->M, c->N, c->ldc));
    if (c->bias)
        BCL_TRY(check_matrix("bias", c->bias, 1, c->N, c->N));
    note_work(g, c);
    BCL_TRY(g->provider->run(g->state, c));
out:
    return status;
}
