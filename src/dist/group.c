/* What the ranks of a run do together: shares, the sum of a step's gradients behind the backward
 * pass, and one end for all. */
#include "dist/dist.h"
#include "dist/shares.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <time.h>
#include <unistd.h>

bcl_transport_opener *bcl_transport_open;

/* At most this long between checkpoints, so that less is lost. */
static const double SAVE_SECONDS = 50;

/* How often a rank that waits shows that it lives. */
static const double SIGN_SECONDS = 0.25;

/* A rank, for the results. */
typedef struct member {
    char id[64], name[256], driver[256], host[256];
} member;

/* What a rank has of a step besides gradients. */
typedef struct sums {
    float stats[2];
    int stop;
    double tokens, seconds; /* of its own part */
    double wall;            /* of the step before, s */
    double since_save;
} sums;

struct bcl_group {
    bcl_train_group train;
    bcl_transport t;
    bcl_shares *shares;
    member *members;  /* (size) */
    sums *all;        /* (size) */
    double *measured; /* scratch: tokens and seconds of each rank */
    char *left_out;
    bool keep_all;
    double began, ended, saved; /* this step, the sum before; the newest checkpoint */
    int leaving;                /* the rank that goes, -1: none */
    char why[256];
    bool told;   /* another rank tells what failed */
    bool agreed; /* all ranks know that they end */
    bool common; /* what fails, fails everywhere */
};

static void shares_of(void *context, int64_t step, double *shares) {
    const bcl_group *g = context;
    bcl_shares_of(g->shares, step, shares);
}

static void release(void *context) {
    const bcl_group *g = context;
    bcl_shares_release(g->shares);
}

static void begin(void *context) {
    bcl_group *g = context;
    g->began = bcl_seconds();
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
static bcl_status sum_parts(bcl_group *g, bcl_model *model, int64_t step, double *ready_at) {
    bcl_status status = BCL_OK;
    const struct timespec nap = {0, 200000};
    const size_t count = bcl_model_exchange_parts(model);
    size_t begun = 0;
    double told = bcl_seconds();
    for (bool done = false; begun < count || !done;) {
        bool ready = false;
        if (begun < count) {
            bcl_gradient_part *part = bcl_model_exchange_part(model, begun);
            BCL_TRY(is_ready(&ready, part));
            if (ready && part->count)
                BCL_TRY(g->t.sum_begin(g->t.context, begun, part->values, part->count));
            begun += ready;
            if (ready && begun == count)
                *ready_at = bcl_seconds();
            if (ready && begun == count)
                bcl_control_tell(BCL_CONTROL_ARRIVED, step, "");
        }
        BCL_TRY(g->t.sum_progress(g->t.context, &done));
        if (begun == count && bcl_seconds() > told + SIGN_SECONDS) {
            told = bcl_seconds();
            bcl_control_tell(BCL_CONTROL_WAITING, step, "");
        }
        if (!ready && begun < count)
            nanosleep(&nap, NULL);
    }
out:
    return status;
}

/* Sums of the few numbers in the order of the ranks. */
static bcl_status sum_stats(bcl_group *g, bcl_train_part *part, sums *own) {
    bcl_status status = BCL_OK;
    float total[2] = {0, 0};
    own->stop = part->stop;
    BCL_TRY(bcl_model_exchange_stats(part->model, own->stats, false));
    BCL_TRY(g->t.gather(g->t.context, own, g->all, sizeof *own));
    for (int r = 0; r < g->t.size; r++) {
        total[0] += g->all[r].stats[0];
        total[1] += g->all[r].stats[1];
        part->stop = part->stop || g->all[r].stop;
    }
    BCL_TRY(bcl_model_exchange_stats(part->model, total, true));
out:
    return status;
}

/* Takes all ranks' times; what follows of them is the same everywhere. */
static void learn(bcl_group *g, bcl_train_part *part) {
    bcl_share_measure *measures = (bcl_share_measure *)g->measured;
    for (int r = 0; r < g->t.size; r++)
        measures[r] = (bcl_share_measure){g->all[r].tokens, g->all[r].seconds};
    bcl_shares_add(g->shares, part->step, measures, g->all[0].wall);
    part->save = g->all[0].since_save > SAVE_SECONDS;
    if (!g->keep_all && g->leaving < 0 && getenv("BERTCL_CONTROL"))
        g->leaving = bcl_shares_useless(g->why, sizeof g->why, g->shares);
    if (g->leaving >= 0 && !part->stop) {
        part->stop = true; /* a checkpoint, and the others go on from it */
        g->agreed = g->told = true;
    } else if (part->stop) {
        g->leaving = -1;
    }
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
    double ready = 0;
    BCL_TRY(sum_parts(g, part->model, part->step, &ready));
    const double now = bcl_seconds();
    sums own = {.tokens = (double)part->tokens,
                .seconds = ready - g->began,
                .wall = now - (g->ended > 0 ? g->ended : g->began),
                .since_save = now - g->saved};
    g->ended = now;
    BCL_TRY(sum_stats(g, part, &own));
    BCL_TRY(find_liar(g, part->step));
    learn(g, part);
    bcl_control_tell(BCL_CONTROL_SUMMED, part->step, "");
out:
    return status;
}

static bcl_status synchronize(void *context, bcl_model *model, int64_t step) {
    bcl_group *g = context;
    (void)model;
    (void)step;
    g->saved = bcl_seconds();
    g->ended = 0; /* what follows is no step */
    return BCL_OK;
}

/* A device that was in the run before it was started again. */
static void add_left_out(cJSON *list, const bcl_group *g) {
    for (const char *at = g->left_out; at && *at;) {
        const size_t id = strcspn(at, "\t"), rest = strcspn(at, "\n");
        char text[512];
        cJSON *item = cJSON_CreateObject();
        snprintf(text, sizeof text, "%.*s", (int)id, at);
        cJSON_AddStringToObject(item, "id", text);
        snprintf(text, sizeof text, "%.*s", (int)(rest > id ? rest - id - 1 : 0), at + id + 1);
        cJSON_AddStringToObject(item, "left_out", text);
        cJSON_AddItemToArray(list, item);
        at += rest + (at[rest] == '\n');
    }
}

static cJSON *devices(void *context) {
    const bcl_group *g = context;
    cJSON *list = cJSON_CreateArray();
    for (int r = 0; r < g->t.size; r++) {
        const member *m = &g->members[r];
        const bcl_share_sum sum = bcl_shares_sum(g->shares, r);
        cJSON *item = cJSON_CreateObject();
        cJSON_AddStringToObject(item, "id", m->id);
        cJSON_AddStringToObject(item, "name", m->name);
        cJSON_AddStringToObject(item, "driver", m->driver);
        cJSON_AddStringToObject(item, "host", m->host);
        cJSON_AddNumberToObject(item, "share", sum.share);
        cJSON_AddNumberToObject(item, "tokens", sum.tokens);
        cJSON_AddNumberToObject(item, "tokens_per_s", sum.tokens_per_s);
        cJSON_AddNumberToObject(item, "wait_share", sum.wait_share);
        cJSON_AddNullToObject(item, "left_out");
        cJSON_AddItemToArray(list, item);
    }
    add_left_out(list, g);
    return list;
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

static void release_all(bcl_group *g) {
    bcl_shares_free(g->shares);
    free(g->members);
    free(g->all);
    free(g->measured);
    free(g->left_out);
    free(g);
}

static bcl_status meet(bcl_group *g, const bcl_device_info *d) {
    member own = {.id = ""};
    snprintf(own.id, sizeof own.id, "%s", d->id);
    snprintf(own.name, sizeof own.name, "%s", d->name);
    snprintf(own.driver, sizeof own.driver, "%s", d->driver);
    gethostname(own.host, sizeof own.host - 1);
    return g->t.gather(g->t.context, &own, g->members, sizeof own);
}

bcl_status bcl_group_create(bcl_group **out, const bcl_transport *transport,
                            const bcl_group_options *options) {
    bcl_status status = BCL_OK;
    bcl_group *g = NULL;
    const size_t size = (size_t)transport->size;
    BCL_NEW(g, 1);
    g->t = *transport;
    g->leaving = -1;
    g->keep_all = options->keep_all;
    g->saved = bcl_seconds();
    BCL_TRY(bcl_shares_create(&g->shares, transport->size, options->shares));
    BCL_NEW(g->members, size);
    BCL_NEW(g->all, size);
    BCL_NEW(g->measured, 2 * size);
    if (options->left_out)
        BCL_TRY(bcl_strdup(&g->left_out, options->left_out));
    BCL_TRY(meet(g, options->device));
    g->train = (bcl_train_group){.rank = transport->rank,
                                 .size = transport->size,
                                 .context = g,
                                 .shares = shares_of,
                                 .release = release,
                                 .begin = begin,
                                 .reduce = reduce,
                                 .sync = synchronize,
                                 .agree = agree,
                                 .told = told,
                                 .tell = tell,
                                 .common = common,
                                 .devices = devices,
                                 .busy = busy};
    *out = g;
    g = NULL;
out:
    if (g)
        release_all(g);
    return status;
}

const char *bcl_group_leaves(const bcl_group *g) {
    return g->leaving == g->t.rank ? g->why : NULL;
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
    release_all(g);
}

const bcl_train_group *bcl_group_of(const bcl_group *g) {
    return &g->train;
}
