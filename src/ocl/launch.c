/* Launches. A step makes the same launches as the one before, and most of their arguments, above
 * all the buffers, are the same too. So a kernel has an object for each of its call sites, told
 * apart by their buffers, and only what has changed since the site's last launch is set: a driver
 * takes as long for a few arguments as for the launch. */
#include "ocl/internal.h"

enum { MOST_SITES = 256 }; /* of a kernel; beyond, sites take turns */

static bool same(const bcl_arg *a, const bcl_arg *b) {
    return a->size == b->size && a->kind == b->kind &&
           (a->kind == BCL_ARG_LOCAL || !memcmp(&a->value, &b->value, a->size));
}

static bool same_buffers(const bcl_call *site, const bcl_arg *args, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (args[i].kind == BCL_ARG_BUFFER && !same(&args[i], &site->args[i]))
            return false;
    return true;
}

/* The first site has the kernel's own object. */
static bcl_status add_site(bcl_kernel *k) {
    bcl_status status = BCL_OK;
    bcl_call site = {0};
    cl_int code = CL_SUCCESS;
    BCL_TRY(bcl_grow(&k->sites, &k->site_capacity, k->site_count + 1, sizeof *k->sites));
    BCL_NEW(site.args, k->argument_count ? k->argument_count : 1);
    site.kernel = k->site_count ? clCreateKernel(k->program, k->name, &code) : k->kernel;
    BCL_CL(code, "cl/%s: another kernel %s", k->file, k->name);
    k->sites[k->site_count++] = site;
    site.args = NULL;
out:
    free(site.args);
    return status;
}

void bcl_calls_free(bcl_kernel *k) {
    for (size_t i = 0; i < k->site_count; i++) {
        if (i)
            clReleaseKernel(k->sites[i].kernel);
        free(k->sites[i].args);
    }
    free(k->sites);
}

/* The site of a launch: where launches come in the same order as before, the one behind the last.
 * Else one that is not in use, a new one, or the next of all. A buffer that is made anew may have a
 * released one's handle and lie elsewhere, so nothing is remembered beyond a release. */
static bcl_status find_site(bcl_call **out, bcl_kernel *k, const bcl_arg *args, size_t count) {
    bcl_status status = BCL_OK;
    size_t found = k->site_count;
    if (k->buffers_freed != k->device->buffers_freed)
        for (size_t i = 0; i < k->site_count; i++)
            k->sites[i].set = false;
    k->buffers_freed = k->device->buffers_freed;
    for (size_t n = 0; n < k->site_count && found == k->site_count; n++) {
        const size_t i = (k->site + n) % k->site_count;
        if (k->sites[i].set && same_buffers(&k->sites[i], args, count))
            found = i;
    }
    for (size_t i = 0; i < k->site_count && found == k->site_count; i++)
        if (!k->sites[i].set)
            found = i;
    if (found == k->site_count) {
        if (k->site_count < MOST_SITES)
            BCL_TRY(add_site(k));
        else
            found = k->site % k->site_count;
    }
    k->site = found + 1;
    *out = &k->sites[found];
out:
    return status;
}

static bcl_status set_arguments(bcl_kernel *k, bcl_call *site, const bcl_arg *args, size_t count) {
    const bool known = site->set;
    site->set = false; /* until all are */
    for (size_t i = 0; i < count; i++) {
        if (known && same(&args[i], &site->args[i]))
            continue;
        const bool local = args[i].kind == BCL_ARG_LOCAL;
        const cl_int code = clSetKernelArg(site->kernel, (cl_uint)i, args[i].size,
                                           local ? NULL : (const void *)&args[i].value);
        if (code != CL_SUCCESS)
            return bcl_cl_fail(code, "cl/%s: %s: argument %zu of %zu bytes", k->file, k->name, i,
                               args[i].size);
        site->args[i] = args[i];
    }
    site->set = true;
    return BCL_OK;
}

void bcl_device_give_up(bcl_device *device, bool on) {
    device->gives_up = on;
}

bcl_status bcl_device_check_given_up(const bcl_device *d) {
    if (!d->gives_up || !bcl_interrupted())
        return BCL_OK;
    return bcl_fail(BCL_ERROR_INTERRUPTED,
                    "stopped while kernels are compiled, before the first step; those that are "
                    "done are kept");
}

/* In parts, one behind the other, where all at once may take long. */
static bcl_status enqueue(bcl_kernel *k, cl_kernel kernel, const size_t groups[3],
                          const size_t local[3]) {
    bcl_status status = BCL_OK;
    bcl_device *d = k->device;
    const bcl_cut cut = bcl_launch_cut(d, groups);
    const size_t all = groups[cut.dimension], items = local[cut.dimension];
    size_t offset[3] = {0};
    size_t global[3] = {groups[0] * local[0], groups[1] * local[1], groups[2] * local[2]};
    for (size_t first = 0; first < all; first += cut.groups) {
        cl_event event = NULL;
        offset[cut.dimension] = first * items;
        global[cut.dimension] = (all - first < cut.groups ? all - first : cut.groups) * items;
        bcl_call_launched(k);
        BCL_CL(bcl_device_enqueue(d, kernel, cut.groups < all ? offset : NULL, global, local,
                                  d->profile ? &event : NULL),
               "%s: cl/%s: %s over %zux%zux%zu groups of %zux%zux%zu", d->info.id, k->file, k->name,
               groups[0], groups[1], groups[2], local[0], local[1], local[2]);
        if (event)
            BCL_TRY(bcl_profile_launch(d, k, event));
    }
out:
    return status;
}

bcl_status bcl_launch(bcl_kernel *k, bcl_grid grid, const bcl_arg *args, size_t count) {
    bcl_status status = BCL_OK;
    bcl_device *d = k->device;
    bcl_call *site;
    size_t groups[3], local[3];
    if (count != k->argument_count)
        return bcl_fail(BCL_ERROR_DEVICE, "cl/%s: %s takes %u arguments, %zu were given", k->file,
                        k->name, k->argument_count, count);
    BCL_TRY(bcl_device_check_given_up(d));
    for (int i = 0; i < 3; i++) {
        local[i] = grid.local[i] ? grid.local[i] : 1;
        groups[i] = grid.groups[i] || !i ? grid.groups[i] : 1;
    }
    const size_t items = local[0] * local[1] * local[2];
    if (items > k->limit)
        return bcl_fail(BCL_ERROR_UNSUPPORTED,
                        "%s: cl/%s: %s runs in groups of at most %zu work-items here, it was to "
                        "run in groups of %zu",
                        d->info.id, k->file, k->name, k->limit, items);
    BCL_TRY(find_site(&site, k, args, count));
    BCL_TRY(set_arguments(k, site, args, count));
    BCL_TRY(enqueue(k, site->kernel, groups, local));
out:
    return status;
}
