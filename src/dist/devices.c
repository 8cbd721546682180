/* Which devices train, which cores they get, and the shares that were asked for. */
#define _GNU_SOURCE
#include "dist/dist.h"

#include <math.h>
#include <sched.h>

static bool is_slow_checker(const bcl_device_info *d) {
    return !strncmp(d->id, "oclgrind", 8);
}

static const bcl_device_info *find(const bcl_device_info *all, size_t count, const char *id,
                                   size_t size) {
    for (size_t i = 0; i < count; i++)
        if (strlen(all[i].id) == size && !strncmp(all[i].id, id, size))
            return &all[i];
    return NULL;
}

static void list_ids(bcl_string *out, const bcl_device_info *all, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (all[i].available)
            (void)bcl_string_addf(out, "%s%s", out->size ? ", " : "", all[i].id);
}

static bcl_status add(bcl_device_info **devices, size_t *count, size_t *capacity,
                      const bcl_device_info *d) {
    const bcl_status status = bcl_grow(devices, capacity, *count + 1, sizeof **devices);
    if (!status)
        (*devices)[(*count)++] = *d;
    return status;
}

/* Why the driver of an id has no device; "": it is not known. */
static const char *problem_of(const bcl_device_info *all, size_t count, const char *id,
                              size_t size) {
    const char *colon = memchr(id, ':', size);
    const size_t driver = colon ? (size_t)(colon - id) : size;
    for (size_t i = 0; i < count; i++)
        if (!all[i].id[0] && driver && !strncmp(bcl_path_name(all[i].library), id, driver))
            return all[i].problem;
    return "";
}

static bcl_status take_ids(bcl_device_info **devices, size_t *count, const char *spec,
                           const bcl_device_info *all, size_t all_count) {
    bcl_status status = BCL_OK;
    bcl_string known = {0};
    size_t capacity = 0, usable = 0;
    list_ids(&known, all, all_count);
    for (const char *at = spec; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
        const size_t size = strcspn(at, ",");
        const bcl_device_info *d = find(all, all_count, at, size);
        const char *problem = d ? "" : problem_of(all, all_count, at, size);
        if (!d)
            BCL_FAIL(BCL_ERROR_NO_DEVICE,
                     "--devices: there is no \"%.*s\"%s%s; there are %s (see bertcl devices)",
                     (int)size, at, *problem ? ": " : "", problem,
                     known.size ? known.data : "none");
        BCL_TRY(add(devices, count, &capacity, d));
        usable += d->available;
    }
    if (!usable)
        BCL_FAIL(BCL_ERROR_NO_DEVICE, "--devices: %s cannot be used: %s", (*devices)->id,
                 (*devices)->problem);
out:
    bcl_string_free(&known);
    return status;
}

/* Whether the hardware of `d` is among the devices, by another driver perhaps. */
static bool has_hardware(const bcl_device_info *devices, size_t count, const bcl_device_info *d) {
    const char *first = d->same_as[0] ? d->same_as : d->id;
    for (size_t i = 0; i < count; i++)
        if (!strcmp(devices[i].same_as[0] ? devices[i].same_as : devices[i].id, first))
            return true;
    return false;
}

/* Each piece of hardware by the first driver that can use it; behind them what none can use. */
static bcl_status take_all(bcl_device_info **devices, size_t *count, bool gpu,
                           const bcl_device_info *all, size_t all_count) {
    bcl_status status = BCL_OK;
    size_t capacity = 0, usable = 0;
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < all_count; i++) {
            const bcl_device_info *d = &all[i];
            if (!d->id[0] || d->available != !pass || (gpu ? !d->gpu : is_slow_checker(d)) ||
                has_hardware(*devices, *count, d))
                continue;
            BCL_TRY(add(devices, count, &capacity, d));
            usable += d->available;
        }
    if (usable)
        goto out;
    BCL_FAIL(BCL_ERROR_NO_DEVICE, "--devices %s: no %s can be used%s%s%s%s (see bertcl devices)",
             gpu ? "gpu" : "all", gpu ? "GPU" : "device", *count ? ": " : "",
             *count ? (*devices)->id : "", *count ? ": " : "", *count ? (*devices)->problem : "");
out:
    return status;
}

bcl_status bcl_dist_devices(bcl_device_info **devices, size_t *count, const char *spec) {
    bcl_status status = BCL_OK;
    bcl_device_info *all = NULL;
    size_t all_count = 0;
    const bool gpu = !strcmp(spec, "gpu");
    *devices = NULL;
    *count = 0;
    BCL_TRY(bcl_devices_probe(&all, &all_count));
    if (gpu || !strcmp(spec, "all"))
        BCL_TRY(take_all(devices, count, gpu, all, all_count));
    else
        BCL_TRY(take_ids(devices, count, spec, all, all_count));
out:
    free(all);
    if (status) {
        free(*devices);
        *devices = NULL;
    }
    return status;
}

bcl_status bcl_dist_shares(double *shares, size_t count, const char *text) {
    size_t given = 0;
    const char *at = text;
    for (; at && *at; at = *at == ',' ? at + 1 : at) {
        char *end;
        const double share = strtod(at, &end);
        if (end == at || (*end && *end != ',') || !(share > 0) || !isfinite(share))
            return bcl_fail(BCL_ERROR_ARGUMENT,
                            "--shares: found \"%s\", expected numbers above 0 with commas between",
                            text);
        if (given < count)
            shares[given] = share;
        given++;
        at = end;
    }
    if (given != count)
        return bcl_fail(BCL_ERROR_ARGUMENT,
                        "--shares: found %zu, expected one for each of %zu "
                        "devices",
                        given, count);
    return BCL_OK;
}

/* The cores numbered first.. of those that this process has, as a list. */
static void name_cores(bcl_rank_place *rank, const int *cores, int first, int count) {
    size_t at = 0;
    for (int i = first; i < first + count && at + 16 < sizeof rank->cores; i++)
        at += (size_t)snprintf(rank->cores + at, sizeof rank->cores - at, "%s%d", at ? "," : "",
                               cores[i]);
    rank->core_count = count;
}

void bcl_dist_place(bcl_rank_place *ranks, const bcl_device_info *devices, size_t count) {
    static int cores[CPU_SETSIZE];
    cpu_set_t set;
    int have = 0, gpus = 0, next = 0, cpus = 0, given = 0;
    for (size_t i = 0; i < count; i++)
        ranks[i] = (bcl_rank_place){.device = devices[i].id,
                                    .problem = devices[i].available ? NULL : devices[i].problem};
    if (sched_getaffinity(0, sizeof set, &set))
        return;
    for (int i = 0; i < CPU_SETSIZE; i++)
        if (CPU_ISSET((size_t)i, &set))
            cores[have++] = i;
    for (size_t i = 0; i < count; i++) {
        gpus += devices[i].available && !devices[i].cpu;
        cpus += devices[i].available && devices[i].cpu;
    }
    if (!cpus || have < gpus + cpus) /* nothing to keep apart, or too few to do it */
        return;
    for (size_t i = 0; i < count; i++) {
        if (!devices[i].available)
            continue;
        const int left = have - gpus;
        const int n = devices[i].cpu ? left * (given + 1) / cpus - left * given / cpus : 1;
        given += devices[i].cpu;
        name_cores(&ranks[i], cores, next, n);
        next += n;
    }
}

bcl_status bcl_dist_take_cores(bcl_rank_place *ranks, size_t count, const char *const *given,
                               size_t given_count) {
    for (size_t i = 0; i < given_count; i++) {
        const char *text = given[i], *equals = strchr(text, '=');
        bool found = false;
        int first, last, used, cores = 0;
        for (const char *at = equals ? equals + 1 : ""; *at; at += used + (at[used] == ',')) {
            used = 0;
            if (sscanf(at, "%d%n-%d%n", &first, &used, &last, &used) == 1)
                last = first;
            if (!used || last < first || (at[used] && at[used] != ','))
                break;
            cores += last - first + 1;
        }
        for (size_t r = 0; equals && cores && r < count; r++)
            if (strlen(ranks[r].device) == (size_t)(equals - text) &&
                !strncmp(ranks[r].device, text, (size_t)(equals - text))) {
                snprintf(ranks[r].cores, sizeof ranks[r].cores, "%s", equals + 1);
                ranks[r].core_count = cores;
                found = true;
            }
        if (!found)
            return bcl_fail(BCL_ERROR_ARGUMENT,
                            "--cores: found \"%s\", expected an id of --devices and its cores, as "
                            "%s=0-1",
                            text, ranks[0].device);
    }
    return BCL_OK;
}
