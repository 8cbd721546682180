/* What the ranks of a run do together: shares, the sum of a step's gradients behind the backward
 * pass, and one end for all. */
#include "dist/dist.h"
#include "dist/ledger.h"
#include "dist/sketch.h"
#include "dist/wire.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <time.h>
#include <unistd.h>

bcl_transport_opener *bcl_transport_open;

/* At most this long between checkpoints, so that less is lost. */
static const double SAVE_SECONDS = 50;

/* How often a rank that waits shows that it lives. */
static const double SIGN_SECONDS = 0.25;

/* What right devices' parameters differ by: each update is rounded once. */
static const double DRIFT = 1e-4;

/* What a rank has of a step besides gradients. */
typedef struct sums {
    float stats[2];
    int stop;
    int nonsense;           /* gradients that it has seen are not finite */
    double tokens, seconds; /* of its own part */
    double wall;            /* of the step before, s */
    double since_save;
    double sent;   /* bytes */
    double memory; /* of its process, MiB */
} sums;

struct bcl_group {
    bcl_train_group train;
    bcl_transport t;
    bcl_shares *shares;
    bcl_ledger *ledger;
    bcl_member *members;                 /* (size) */
    const char **names;                  /* (size) their ids */
    sums *all;                           /* (size) */
    bcl_sketch *sketches;                /* (size) */
    bcl_remainders *remainders;          /* of gradients that travel as bf16; NULL: they do not */
    unsigned char *faults;               /* (size) whose gradients of the step are not finite */
    double *measured;                    /* scratch: tokens and seconds of each rank */
    double gradient_square, last_square; /* of the sketches that agreed last */
    uint64_t kind;                       /* of this rank's device */
    int64_t entered;                     /* what all do together, how often */
    uint64_t forced;                     /* what shares and what else were asked for */
    bool keep_all;
    double began, ended, saved; /* this step, the sum before; the newest checkpoint */
    double weighed;             /* when its memory was looked at */
    int leaving;                /* the rank that goes, -1: none */
    char why[256];
    bool told;   /* another rank tells what failed */
    bool agreed; /* all ranks know that they end */
    bool common; /* what fails, fails everywhere */
    bool broken; /* the others cannot be reached */
};

/* Comes to something that all ranks do together: the launcher sees who is late. */
static void enter(bcl_group *g) {
    bcl_control_tell(BCL_CONTROL_ENTERED, ++g->entered, "");
}

/* Passes a transport's status on. */
static bcl_status carried(bcl_group *g, bcl_status status) {
    g->broken = g->broken || status;
    return status;
}

static bcl_status gather(bcl_group *g, const void *own, void *all, size_t bytes) {
    enter(g);
    return carried(g, g->t.gather(g->t.context, own, all, bytes));
}

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

/* *out: the part's remainders, NULL where nothing is rounded. */
static bcl_status take_remainder(float **out, bcl_group *g, const bcl_train_part *step, size_t i,
                                 size_t count) {
    const bool rows = i + 1 == bcl_model_exchange_parts(step->model);
    *out = NULL;
    if (!g->remainders)
        return BCL_OK;
    return rows ? bcl_remainders_take_rows(out, g->remainders, step->slots, step->slot_count,
                                           count / step->slot_count)
                : bcl_remainders_part(out, g->remainders, i, count);
}

static bcl_status begin_part(bcl_group *g, const bcl_train_part *step, size_t i, sums *own) {
    bcl_status status = BCL_OK;
    const bcl_gradient_part *part = bcl_model_exchange_part(step->model, i);
    float *remainder;
    if (!part->count)
        return BCL_OK;
    BCL_TRY(take_remainder(&remainder, g, step, i, part->count));
    if (remainder &&
        !bcl_floats_are_finite(part->values, part->count)) /* rounded, it is no sum's */
        g->faults[g->t.rank] = own->nonsense = true;
    BCL_TRY(carried(g, g->t.sum_begin(g->t.context, i, part->values, remainder, part->count)));
    own->sent +=
        bcl_transport_sum_bytes(&g->t, part->count, remainder ? sizeof(uint16_t) : sizeof(float));
out:
    return status;
}

/* MPI goes on only when it is called, and parts are looked for. A nap is a small part of the step
 * before, so that a short step is not slept through; a longer one, where nothing is on its way and
 * there is more to compute than the last parts, leaves a CPU device its core. */
static void nap(const bcl_group *g, bool idle) {
    const double seconds = fmin(fmax(g->all[g->t.rank].wall / 400, 50e-6), 500e-6);
    const struct timespec time = {0, (long)(seconds * (idle ? 4e9 : 1e9))};
    nanosleep(&time, NULL);
}

/* Parts are added up in their order, each as soon as it is there: while the device computes the
 * layers below, MPI carries those above. */
static bcl_status sum_parts(bcl_group *g, const bcl_train_part *step, sums *own, double *ready_at) {
    bcl_status status = BCL_OK;
    const size_t count = bcl_model_exchange_parts(step->model);
    size_t begun = 0;
    double told = bcl_seconds();
    for (bool done = false; begun < count || !done;) {
        bool ready = false;
        if (begun < count) {
            BCL_TRY(is_ready(&ready, bcl_model_exchange_part(step->model, begun)));
            if (ready)
                BCL_TRY(begin_part(g, step, begun, own));
            begun += ready;
            if (ready && begun == count) {
                *ready_at = bcl_seconds();
                enter(g);
            }
        }
        BCL_TRY(carried(g, g->t.sum_progress(g->t.context, &done)));
        if (begun == count && bcl_seconds() > told + SIGN_SECONDS) {
            told = bcl_seconds();
            bcl_control_tell(BCL_CONTROL_WAITING, 0, "");
        }
        if (!ready && begun < count)
            nap(g, done && begun + BCL_EXCHANGE_LAST < count);
    }
    if (g->remainders)
        bcl_remainders_put_rows(g->remainders);
    else
        own->nonsense = g->t.sum_faults(g->t.context, g->faults);
    if (step->scaled) /* overflow is the step's, not a device's */
        own->nonsense = false;
    bcl_shares_sent(g->shares, own->sent);
out:
    return status;
}

/* Sums of the few numbers in the order of the ranks. */
static bcl_status sum_stats(bcl_group *g, bcl_train_part *part, sums *own) {
    bcl_status status = BCL_OK;
    float total[2] = {0, 0};
    own->stop = part->stop;
    BCL_TRY(bcl_model_exchange_stats(part->model, own->stats, false));
    BCL_TRY(gather(g, own, g->all, sizeof *own));
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
    for (int r = 0; r < g->t.size; r++)
        bcl_ledger_memory(g->ledger, r, g->all[r].memory);
    part->save = g->all[0].since_save > SAVE_SECONDS;
    if (!g->keep_all && g->leaving < 0 && bcl_control_has())
        g->leaving = bcl_shares_useless(g->why, sizeof g->why, g->shares);
    if (g->leaving >= 0 && !part->stop) {
        part->stop = true; /* a checkpoint, and the others go on from it */
        g->agreed = g->told = true;
    } else if (part->stop) {
        g->leaving = -1;
    }
}

/* All ranks know which one is wrong: that one tells. */
static void blame(bcl_group *g, int rank) {
    g->told = rank != g->t.rank;
    g->agreed = true;
}

/* Each rank has seen a part of the others' gradients; faults (size) is what all have seen. */
static bcl_status share_faults(bcl_group *g) {
    bcl_status status = BCL_OK;
    const size_t size = (size_t)g->t.size;
    bool any = false;
    for (size_t r = 0; r < size; r++)
        any = any || g->all[r].nonsense;
    if (!any) {
        memset(g->faults, 0, size);
        return BCL_OK;
    }
    unsigned char *all;
    BCL_NEW(all, size * size);
    BCL_TRY(gather(g, g->faults, all, size));
    for (size_t i = 0; i < size * size; i++)
        g->faults[i % size] |= all[i];
out:
    free(all);
    return status;
}

/* A device whose loss or gradients are not finite where others' are. */
static bcl_status find_nonsense(bcl_group *g, int64_t step) {
    bcl_status status = BCL_OK;
    int bad = 0, last = -1;
    BCL_TRY(share_faults(g));
    for (int r = g->t.size - 1; r >= 0; r--)
        if (!isfinite(g->all[r].stats[0]) || g->faults[r]) {
            bad++;
            last = r;
        }
    if (!bad || bad == g->t.size)
        return BCL_OK;
    blame(g, last);
    BCL_FAIL(BCL_ERROR_DEVICE,
             isfinite(g->all[last].stats[0])
                 ? "its gradients of step %lld are not finite (loss %g) where the others' are"
                 : "its loss of step %lld is not finite (%g) where the others' is",
             (long long)step + 1, (double)g->all[last].stats[0]);
out:
    return status;
}

/* Whether the ranks' sketches agree; what: of what they are. */
static bcl_status compare(bcl_group *g, const bcl_sketch *own, double *before, const char *what) {
    bcl_status status = BCL_OK;
    char text[256];
    BCL_TRY(gather(g, own, g->sketches, sizeof *own));
    const int wrong =
        bcl_sketch_judge(text, sizeof text, g->sketches, g->t.size, *before, g->names);
    *before = g->sketches[0].square;
    if (wrong >= 0) {
        blame(g, wrong);
        BCL_FAIL(BCL_ERROR_DEVICE, "it computes wrong numbers: %s: %s", what, text);
    }
out:
    return status;
}

static bcl_status audit(void *context, bcl_model *model, double loss, double limit) {
    bcl_status status = BCL_OK;
    bcl_group *g = context;
    bcl_sketch own = {.loss = loss, .limit = limit};
    const size_t count = bcl_model_exchange_parts(model);
    size_t first = 0;
    for (size_t i = 0; i < count; i++) {
        bcl_gradient_part *part = bcl_model_exchange_part(model, i);
        BCL_TRY(bcl_event_finish(&part->ready));
        bcl_sketch_add(&own, first, part->values, part->count);
        first += part->count;
    }
    BCL_TRY(compare(g, &own, &g->gradient_square, "a sentence that all compute"));
out:
    return status;
}

static void take_parameters(void *context, size_t first, const float *x, size_t count) {
    bcl_sketch_add(context, first, x, count);
}

static bcl_status reduce(void *context, bcl_train_part *part) {
    bcl_status status = BCL_OK;
    bcl_group *g = context;
    double ready = 0;
    sums own = {.tokens = (double)part->tokens};
    BCL_TRY(sum_parts(g, part, &own, &ready));
    const double now = bcl_seconds();
    own.seconds = ready - g->began;
    own.wall = now - (g->ended > 0 ? g->ended : g->began);
    own.since_save = now - g->saved;
    own.memory = g->all[g->t.rank].memory;
    if (now > g->weighed + 1) { /* a file of the kernel's is read for it */
        own.memory = bcl_rss_mb();
        g->weighed = now;
    }
    g->ended = now;
    BCL_TRY(sum_stats(g, part, &own));
    BCL_TRY(find_nonsense(g, part->step));
    learn(g, part);
    bcl_control_tell(BCL_CONTROL_SUMMED, part->step, "");
out:
    return status;
}

static bcl_status synchronize(void *context, bcl_model *model, int64_t step) {
    bcl_status status = BCL_OK;
    bcl_group *g = context;
    bcl_sketch own = {.kind = g->kind, .limit = DRIFT};
    char what[80];
    if (g->t.size > 1) {
        snprintf(what, sizeof what, "the parameters after step %lld", (long long)step);
        BCL_TRY(bcl_model_visit_parameters(model, take_parameters, &own));
        BCL_TRY(compare(g, &own, &g->last_square, what));
    }
    g->saved = bcl_seconds();
    g->ended = 0; /* what follows is no step */
out:
    return status;
}

static bcl_status keep(void *context, char **text) {
    const bcl_group *g = context;
    return bcl_ledger_keep(text, g->ledger, g->shares);
}

static bcl_status restore(void *context, const char *text) {
    const bcl_group *g = context;
    return bcl_ledger_restore(g->ledger, g->shares, text);
}

static struct cJSON *devices(void *context) {
    const bcl_group *g = context;
    struct cJSON *list = bcl_ledger_json(g->ledger, g->shares);
    for (int r = 0; r < g->t.size; r++)
        cJSON_AddStringToObject(cJSON_GetArrayItem(list, r), "wire",
                                g->remainders ? "bf16" : "fp32");
    return list;
}

static bcl_status agree(void *context, bcl_status own) {
    bcl_status status = BCL_OK;
    bcl_group *g = context;
    int *all = NULL;
    const int mine = own;
    BCL_NEW(all, (size_t)g->t.size);
    BCL_TRY(gather(g, &mine, all, sizeof mine));
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

static void common(void *context) {
    bcl_group *g = context;
    g->common = g->agreed = true;
    g->told = g->t.rank != 0;
}

static uint64_t hash_text(const char *text) {
    uint64_t hash = 14695981039346656037u; /* FNV-1a */
    for (const char *c = text; *c; c++)
        hash = (hash ^ (unsigned char)*c) * 1099511628211u;
    return hash;
}

/* A fact whose name is another one is of another kind of machine, and not compared. */
static bcl_status alike(void *context, const bcl_fact *facts, size_t count) {
    bcl_status status = BCL_OK;
    bcl_group *g = context;
    uint64_t *own = NULL, *all = NULL;
    const size_t n = 2 * (count + 1), size = (size_t)g->t.size;
    BCL_NEW(own, n);
    BCL_NEW(all, n * size);
    for (size_t i = 0; i < count; i++) {
        own[2 * i] = hash_text(facts[i].name);
        own[2 * i + 1] = hash_text(facts[i].text);
    }
    own[2 * count + 1] = g->forced;
    BCL_TRY(gather(g, own, all, n * sizeof *own));
    for (size_t r = 1; r < size; r++)
        for (size_t i = 0; i <= count; i++) {
            const uint64_t *first = all + 2 * i, *other = all + r * n + 2 * i;
            if (first[0] != other[0] || first[1] == other[1])
                continue;
            common(g);
            BCL_FAIL(BCL_ERROR_ARGUMENT,
                     "rank %zu (%s on %s): found another %s than rank 0's; start all ranks with "
                     "the same program, model, data and options",
                     r, g->members[r].id, g->members[r].host,
                     i < count ? facts[i].name : "--shares, --keep-all or --wire");
        }
out:
    free(own);
    free(all);
    return status;
}

static bool told(void *context) {
    const bcl_group *g = context;
    return g->told;
}

static bcl_status tell(void *context, void *data, size_t bytes) {
    bcl_group *g = context;
    enter(g);
    return carried(g, g->t.broadcast(g->t.context, data, bytes, 0));
}

static void busy(void *context) {
    (void)context;
    bcl_control_tell(BCL_CONTROL_BUSY, 0, "");
}

static void patience(void *context) {
    (void)context;
    bcl_control_tell(BCL_CONTROL_PATIENCE, 0, "");
}

static void release_all(bcl_group *g) {
    bcl_shares_free(g->shares);
    bcl_ledger_free(g->ledger);
    bcl_remainders_free(g->remainders);
    free(g->members);
    free(g->names);
    free(g->sketches);
    free(g->faults);
    free(g->all);
    free(g->measured);
    free(g);
}

/* Devices of one kind, with as many cores, round alike. */
static uint64_t kind_of(const bcl_device_info *d) {
    char text[1024];
    snprintf(text, sizeof text, "%s|%s|%s|%u|%ld", d->name, d->driver, d->version, d->compute_units,
             sysconf(_SC_NPROCESSORS_ONLN));
    return hash_text(text);
}

static bcl_status meet(bcl_group *g, const bcl_device_info *d) {
    bcl_status status = BCL_OK;
    bcl_member own = {.id = ""};
    snprintf(own.id, sizeof own.id, "%s", d->id);
    snprintf(own.name, sizeof own.name, "%s", d->name);
    snprintf(own.driver, sizeof own.driver, "%s", d->driver);
    gethostname(own.host, sizeof own.host - 1);
    BCL_TRY(gather(g, &own, g->members, sizeof own));
    for (int r = 0; r < g->t.size; r++)
        g->names[r] = g->members[r].id;
    g->kind = kind_of(d);
out:
    return status;
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
    g->forced = (uint64_t)options->keep_all | (uint64_t)options->bf16 << 1;
    for (size_t r = 0; options->shares && r < size; r++) {
        uint64_t bits;
        memcpy(&bits, &options->shares[r], sizeof bits);
        g->forced = (g->forced ^ bits) * 1099511628211u;
    }
    if (options->bf16 && size > 1)
        BCL_TRY(bcl_remainders_create(&g->remainders));
    BCL_NEW(g->members, size);
    BCL_NEW(g->names, size);
    BCL_NEW(g->sketches, size);
    BCL_NEW(g->faults, size);
    BCL_NEW(g->all, size);
    BCL_NEW(g->measured, 2 * size);
    BCL_TRY(meet(g, options->device));
    BCL_TRY(bcl_ledger_create(&g->ledger, g->members, transport->size, options->left_out));
    g->train = (bcl_train_group){.rank = transport->rank,
                                 .rounds = g->remainders != NULL,
                                 .size = transport->size,
                                 .context = g,
                                 .shares = shares_of,
                                 .release = release,
                                 .begin = begin,
                                 .reduce = reduce,
                                 .audit = audit,
                                 .sync = synchronize,
                                 .keep = keep,
                                 .restore = restore,
                                 .patience = patience,
                                 .agree = agree,
                                 .told = told,
                                 .alike = alike,
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

bool bcl_group_is_broken(const bcl_group *g) {
    return g->broken;
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
