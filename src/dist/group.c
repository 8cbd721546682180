/* What the ranks of a run do together: shares, the sum of a step's gradients behind the backward
 * pass, and one end for all. */
#include "dist/dist.h"

#include <math.h>
#include <time.h>

bcl_transport_opener *bcl_transport_open;

struct bcl_group {
    bcl_train_group train;
    bcl_transport t;
    char device[64];
    double *shares;   /* (size) */
    struct sums *all; /* (size) */
    bool told;        /* another rank tells what failed */
    bool agreed;      /* all ranks know that they end */
    bool common;      /* what fails, fails everywhere */
};

/* What a rank has of a step besides gradients. */
typedef struct sums {
    float stats[2];
    int stop;
} sums;

static void shares_of(void *context, int64_t step, double *shares) {
    const bcl_group *g = context;
    (void)step;
    memcpy(shares, g->shares, (size_t)g->t.size * sizeof *shares);
}

/* True if the part is on the host. */
static bcl_status is_ready(bool *ready, bcl_gradient_part *part) {
    bcl_status status = BCL_OK;
    cl_int state;
    *ready = true;
    if (!part->ready)
        goto out;
    BCL_CL(
        clGetEventInfo(part->ready, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof state, &state, NULL),
        "asking for gradients");
    if (state < 0)
        BCL_CL(state, "waiting for a gradient");
    *ready = state == CL_COMPLETE;
    if (*ready)
        BCL_TRY(bcl_event_finish(&part->ready));
out:
    return status;
}

/* Parts are added up in their order, each as soon as it is there: while the device computes the
 * layers below, MPI carries those above. It goes on only when it is called, hence the short naps.
 */
static bcl_status sum_parts(bcl_group *g, bcl_model *model, int64_t step) {
    bcl_status status = BCL_OK;
    const struct timespec nap = {0, 200000};
    const size_t count = bcl_model_exchange_parts(model);
    size_t begun = 0;
    for (bool done = false; begun < count || !done;) {
        bool ready = false;
        if (begun < count) {
            bcl_gradient_part *part = bcl_model_exchange_part(model, begun);
            BCL_TRY(is_ready(&ready, part));
            if (ready && part->count)
                BCL_TRY(g->t.sum_begin(g->t.context, begun, part->values, part->count));
            begun += ready;
            if (ready && begun == count)
                bcl_control_tell(BCL_CONTROL_ARRIVED, step, "");
        }
        BCL_TRY(g->t.sum_progress(g->t.context, &done));
        if (!ready && begun < count)
            nanosleep(&nap, NULL);
    }
out:
    return status;
}

/* Sums of the few numbers in the order of the ranks. */
static bcl_status sum_stats(bcl_group *g, bcl_train_part *part) {
    bcl_status status = BCL_OK;
    sums own = {.stop = part->stop};
    float total[2] = {0, 0};
    BCL_TRY(bcl_model_exchange_stats(part->model, own.stats, false));
    BCL_TRY(g->t.gather(g->t.context, &own, g->all, sizeof own));
    for (int r = 0; r < g->t.size; r++) {
        total[0] += g->all[r].stats[0];
        total[1] += g->all[r].stats[1];
        part->stop = part->stop || g->all[r].stop;
    }
    BCL_TRY(bcl_model_exchange_stats(part->model, total, true));
out:
    return status;
}

/* A device whose loss is not finite where others' are. */
static bcl_status find_liar(bcl_group *g, int64_t step) {
    int bad = 0, last = -1;
    for (int r = 0; r < g->t.size; r++)
        if (!isfinite(g->all[r].stats[0])) {
            bad++;
            last = r;
        }
    if (!bad || bad == g->t.size)
        return BCL_OK;
    g->told = isfinite(g->all[g->t.rank].stats[0]);
    g->agreed = true;
    return bcl_fail(BCL_ERROR_DEVICE,
                    "rank %d: its loss of step %lld is %g where the others' is finite", last,
                    (long long)step + 1, (double)g->all[last].stats[0]);
}

static bcl_status reduce(void *context, bcl_train_part *part) {
    bcl_status status = BCL_OK;
    bcl_group *g = context;
    BCL_TRY(sum_parts(g, part->model, part->step));
    BCL_TRY(sum_stats(g, part));
    BCL_TRY(find_liar(g, part->step));
    bcl_control_tell(BCL_CONTROL_SUMMED, part->step, "");
out:
    return status;
}

static bcl_status sync(void *context, bcl_model *model, int64_t step) {
    (void)context;
    (void)model;
    (void)step;
    return BCL_OK;
}

static bcl_status agree(void *context, bcl_status own) {
    bcl_status status = BCL_OK;
    bcl_group *g = context;
    int *all = NULL;
    const int mine = own;
    BCL_NEW(all, (size_t)g->t.size);
    BCL_TRY(g->t.gather(g->t.context, &mine, all, sizeof mine));
    for (int r = 0; r < g->t.size && !status; r++) {
        status = (bcl_status)all[r];
        g->told = status && r != g->t.rank;
    }
    g->agreed = status != BCL_OK;
    if (g->told)
        bcl_fail(status, "another rank has failed");
out:
    free(all);
    return status;
}

static bool told(void *context) {
    const bcl_group *g = context;
    return g->told;
}

static bcl_status tell(void *context, void *data, size_t bytes) {
    const bcl_group *g = context;
    return g->t.broadcast(g->t.context, data, bytes, 0);
}

static void common(void *context) {
    bcl_group *g = context;
    g->common = g->agreed = true;
    g->told = g->t.rank != 0;
}

static void busy(void *context) {
    (void)context;
    bcl_control_tell(BCL_CONTROL_BUSY, 0, "");
}

bcl_status bcl_group_create(bcl_group **out, const bcl_transport *transport,
                            const bcl_group_options *options) {
    bcl_status status = BCL_OK;
    bcl_group *g = NULL;
    const size_t size = (size_t)transport->size;
    BCL_NEW(g, 1);
    g->t = *transport;
    BCL_NEW(g->shares, size);
    BCL_NEW(g->all, size);
    for (size_t i = 0; i < size; i++)
        g->shares[i] = options->shares ? options->shares[i] : 1;
    snprintf(g->device, sizeof g->device, "%s", options->device);
    g->train = (bcl_train_group){.rank = transport->rank,
                                 .size = transport->size,
                                 .context = g,
                                 .shares = shares_of,
                                 .reduce = reduce,
                                 .sync = sync,
                                 .agree = agree,
                                 .told = told,
                                 .tell = tell,
                                 .common = common,
                                 .busy = busy};
    *out = g;
    g = NULL;
out:
    if (g) {
        free(g->shares);
        free(g->all);
    }
    free(g);
    return status;
}

bool bcl_group_tells(const bcl_group *g) {
    return !g->told;
}

bool bcl_group_is_common(const bcl_group *g) {
    return g->common;
}

void bcl_group_free(bcl_group *g, bool together) {
    if (!g)
        return;
    g->t.close(g->t.context, !together && !g->agreed);
    free(g->shares);
    free(g->all);
    free(g);
}

const bcl_train_group *bcl_group_of(const bcl_group *g) {
    return &g->train;
}
