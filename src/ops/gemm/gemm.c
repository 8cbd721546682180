/* The choice of a GEMM provider and the check of its calls. Knows the providers' names, not how
 * they compute. */
#include "ops/gemm/provider.h"

struct bcl_gemm {
    char *name; /* the parameters in use included */
    const bcl_gemm_provider *provider;
    void *state;
    bcl_device *device;
};

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

bcl_status bcl_gemm_pack(bcl_gemm *g, bcl_view to, bcl_view from, int K, int N, bool back) {
    bcl_status status = BCL_OK;
    const unsigned takes = g->provider->B;
    const bcl_operand operands[] = {{"to", &to, K, N, takes | BCL_WRITES},
                                    {"from", &from, K, N, takes}};
    if (!bcl_gemm_packs(g, N))
        BCL_FAIL(BCL_ERROR_ARGUMENT, "%s: does not pack %d columns", g->provider->name, N);
    BCL_TRY(bcl_operands_use(g->device, g->provider->name, operands, 2));
    BCL_TRY(g->provider->pack(g->state, to, from, K, N, back));
out:
    return status;
}

bool bcl_gemm_fuses(const bcl_gemm *g) {
    return g->provider->fuses;
}

bcl_element bcl_gemm_operands(const bcl_gemm *g) {
    return g->provider->B & BCL_TAKES_BF16  ? BCL_ELEMENT_BF16
           : g->provider->B & BCL_TAKES_F16 ? BCL_ELEMENT_F16
                                            : BCL_ELEMENT_F32;
}

bool bcl_gemm_find_unit(bcl_gemm_unit *out, const bcl_gemm *g) {
    *out = (bcl_gemm_unit){.lanes = 0};
    if (g->provider->unit)
        g->provider->unit(g->state, out);
    return out->lanes != 0;
}

bool bcl_gemm_runs_on_auxiliary(const bcl_gemm *g) {
    return g->provider->plain;
}

static double traffic(const bcl_gemm_call *c) {
    return bcl_view_traffic(c->A) + bcl_view_traffic(c->B) +
           bcl_view_traffic(c->C) * (c->accumulate ? 2 : 1) +
           (c->epilogue ? bcl_view_traffic(c->E) : 0);
}

static double flops(const bcl_gemm_call *c) {
    return 2.0 * c->M * c->N * c->K;
}

static bcl_status check_operands(const bcl_gemm *g, const bcl_gemm_call *c) {
    bcl_status status = BCL_OK;
    const bcl_gemm_provider *p = g->provider;
    const bool tn = c->layout == BCL_GEMM_TN, nt = c->layout == BCL_GEMM_NT;
    const int M = c->M, N = c->N, K = c->K;
    const unsigned strided = c->packed ? 0 : BCL_TAKES_STRIDE;
    const bool gelu = c->epilogue == BCL_GEMM_GELU, adds = c->accumulate || c->rest;
    const bool alone = gelu && c->E.buffer && c->E.type != BCL_ELEMENT_F32;
    const unsigned result = p->C | BCL_TAKES_STRIDE | BCL_WRITES;
    const unsigned full = BCL_TAKES_F32 | BCL_TAKES_STRIDE | (alone ? BCL_TAKES_NONE : 0);
    const bcl_operand operands[] = {
        {"C", &c->C, M, N, gelu || adds ? full | BCL_WRITES : result},
        {"A", &c->A, tn ? K : M, tn ? M : K, p->A | BCL_TAKES_STRIDE},
        {"B", &c->B, nt ? N : K, nt ? K : N, p->B | strided},
        {"bias", &c->bias, 1, N, BCL_TAKES_F32 | BCL_TAKES_NONE},
        {"sums", &c->sums, 1, N, BCL_TAKES_F32 | BCL_TAKES_NONE | BCL_WRITES},
        {"E", &c->E, M, N, gelu ? result : BCL_TAKES_F32 | BCL_TAKES_STRIDE},
    };
    enum { ALWAYS = sizeof operands / sizeof *operands - 1 };
    BCL_TRY(
        bcl_operands_use(g->device, p->name, operands, ALWAYS + (c->epilogue != BCL_GEMM_PLAIN)));
    if (c->epilogue && c->C.buffer && c->E.ld != c->C.ld)
        BCL_FAIL(BCL_ERROR_ARGUMENT, "%s: E: rows %d elements apart, those of C %d", p->name,
                 c->E.ld, c->C.ld);
out:
    return status;
}

static bcl_status check_call(const bcl_gemm *g, const bcl_gemm_call *c) {
    bcl_status status = BCL_OK;
    const char *name = g->provider->name;
    const bool tn = c->layout == BCL_GEMM_TN, nt = c->layout == BCL_GEMM_NT;
    if (c->M < 1 || c->N < 1 || c->K < 1)
        BCL_FAIL(BCL_ERROR_ARGUMENT, "%s: M %d, N %d, K %d, expected all >= 1", name, c->M, c->N,
                 c->K);
    if (c->bias.buffer && c->accumulate)
        BCL_FAIL(BCL_ERROR_ARGUMENT, "%s: a bias does not go with accumulate", name);
    if (c->packed && (c->layout != BCL_GEMM_NN || !bcl_gemm_packs(g, c->N)))
        BCL_FAIL(BCL_ERROR_ARGUMENT, "%s: a packed B (%d,%d) does not go with the call", name, c->K,
                 c->N);
    if (!g->provider->fuses && (c->epilogue || c->sums.buffer))
        BCL_FAIL(BCL_ERROR_ARGUMENT, "%s: has no epilogues", name);
    if ((c->epilogue == BCL_GEMM_GELU && c->layout != BCL_GEMM_NN) || (c->sums.buffer && !tn) ||
        (c->epilogue == BCL_GEMM_GELU_BACKWARD && !nt) || (c->epilogue && c->accumulate))
        BCL_FAIL(BCL_ERROR_ARGUMENT, "%s: the epilogue does not go with the layout", name);
    if (c->rest && (c->epilogue || c->sums.buffer))
        BCL_FAIL(BCL_ERROR_ARGUMENT, "%s: no rest is left with an epilogue or sums", name);
    BCL_TRY(check_operands(g, c));
    if (c->rest)
        *c->rest = (bcl_gemm_rest){0};
out:
    return status;
}

bcl_status bcl_gemm_run(bcl_gemm *g, const bcl_gemm_call *c) {
    static const char *const names[] = {[BCL_GEMM_NN] = "matrix product Y = X W",
                                        [BCL_GEMM_NT] = "matrix product dX = dY W'",
                                        [BCL_GEMM_TN] = "matrix product dW = X' dY"};
    bcl_status status = BCL_OK;
    BCL_TRY(check_call(g, c));
    bcl_profile_operation(g->device, names[c->layout], flops(c), traffic(c));
    BCL_TRY(g->provider->run(g->state, c));
out:
    return status;
}

bool bcl_gemm_joins_gradients(const bcl_gemm *g) {
    return g->provider->run_gradients != NULL;
}

bcl_status bcl_gemm_run_gradients(bcl_gemm *g, const bcl_gemm_call *dx, const bcl_gemm_call *dw) {
    bcl_status status = BCL_OK;
    const bcl_view *dy = &dx->A;
    if (dx->layout != BCL_GEMM_NT || dw->layout != BCL_GEMM_TN || dy->buffer != dw->B.buffer ||
        dy->ld != dw->B.ld || dx->M != dw->K || dx->N != dw->M || dx->K != dw->N)
        BCL_FAIL(BCL_ERROR_ARGUMENT,
                 "%s: found dX (%d,%d) and dW (%d,%d), expected both gradients "
                 "of one product",
                 g->provider->name, dx->M, dx->N, dw->M, dw->N);
    if (!bcl_gemm_joins_gradients(g)) {
        BCL_TRY(check_call(g, dw));
        BCL_TRY(bcl_gemm_run(g, dx));
        return bcl_gemm_run(g, dw);
    }
    BCL_TRY(check_call(g, dx));
    BCL_TRY(check_call(g, dw));
    bcl_profile_operation(g->device, "matrix products dX = dY W', dW = X' dY",
                          flops(dx) + flops(dw), traffic(dx) + traffic(dw));
    BCL_TRY(g->provider->run_gradients(g->state, dx, dw));
out:
    return status;
}
