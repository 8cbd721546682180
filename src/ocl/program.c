/* Kernels: found in cl/, and compiled once a device and set of options. */
#include "ocl/cache.h"
#include "ocl/kernels.h"

/* The text of a kernel file, from $BERTCL_KERNEL_DIR while developing, else from the program. */
static bcl_status load_source(char **text, const char *name) {
    const char *folder = getenv("BERTCL_KERNEL_DIR");
    if (folder && *folder) {
        char *path = NULL;
        size_t size;
        bcl_status status = bcl_path_join(&path, folder, name);
        if (!status)
            status = bcl_file_read(text, &size, path);
        free(path);
        return status;
    }
    for (const bcl_kernel_source *s = bcl_kernel_sources; s->name; s++)
        if (!strcmp(s->name, name))
            return bcl_strdup(text, s->text);
    return bcl_fail(BCL_ERROR_DEVICE, "%s: no such kernel file", name);
}

/* Adds a file with its `#include "x"` lines replaced: drivers have no common way to find files. */
static bcl_status expand(bcl_string *out, const char *name, int depth) {
    bcl_status status = BCL_OK;
    char *text = NULL;
    if (depth > 4)
        return bcl_fail(BCL_ERROR_DEVICE, "%s: kernel files include each other", name);
    BCL_TRY(load_source(&text, name));
    for (char *line = text; *line;) {
        size_t n = strcspn(line, "\n");
        n += line[n] == '\n';
        char included[64];
        if (sscanf(line, "#include \"%63[^\"]\"", included) == 1)
            BCL_TRY(expand(out, included, depth + 1));
        else
            BCL_TRY(bcl_string_add(out, line, n));
        line += n;
    }
out:
    free(text);
    return status;
}

static cl_int build_program(cl_program program, const bcl_device *d, const char *options) {
    bcl_call_enter("clBuildProgram");
    const cl_int code = clBuildProgram(program, 1, &d->id, options, NULL, NULL);
    bcl_call_leave();
    return code;
}

static bcl_status compile(cl_program *out, bcl_device *d, const char *file, const bcl_string *text,
                          const char *options) {
    bcl_status status = BCL_OK;
    char *log = NULL;
    size_t log_size = 0;
    cl_int code = CL_SUCCESS;
    const char *source = text->data;
    *out = clCreateProgramWithSource(d->context, 1, &source, &text->size, &code);
    BCL_CL(code, "cl/%s: creating a program", file);
    code = build_program(*out, d, options);
    if (code != CL_SUCCESS && bcl_interrupted()) { /* at a signal LLVM removes its files, in use */
        BCL_TRY(bcl_device_check_given_up(d));
        code = build_program(*out, d, options);
    }
    if (code != CL_SUCCESS) {
        clGetProgramBuildInfo(*out, d->id, CL_PROGRAM_BUILD_LOG, 0, NULL, &log_size);
        BCL_NEW(log, log_size + 1);
        clGetProgramBuildInfo(*out, d->id, CL_PROGRAM_BUILD_LOG, log_size, log, NULL);
        status = bcl_cl_fail(code, "%s: cl/%s (%s): %.400s", d->info.id, file, options, log);
    }
out:
    free(log);
    return status;
}

/* Sets program and kernel. A program from the cache that lacks the kernel was not
 * the one: it is compiled as if it had not been there, as with `anew`. */
static bcl_status build(bcl_kernel *k, bool anew) {
    bcl_status status = BCL_OK;
    bcl_device *d = k->device;
    bcl_string source = {0}, words = {0};
    bcl_program_entry entry = {0};
    cl_int code = CL_SUCCESS;
    BCL_TRY(expand(&source, k->file, 0));
    BCL_TRY(bcl_string_addf(&words, "-cl-std=CL1.2 -DVW=%d -DLS=%d %s", bcl_device_vector(d),
                            (int)k->items, k->options));
    BCL_TRY(bcl_program_entry_open(&entry, d, source.data, words.data));
    if (!anew && bcl_program_cache_load(&k->program, d, &entry, words.data)) {
        k->kernel = clCreateKernel(k->program, k->name, &code);
        if (code == CL_SUCCESS)
            goto out;
        clReleaseProgram(k->program);
        k->program = NULL;
    }
    BCL_TRY(compile(&k->program, d, k->file, &source, words.data));
    k->kernel = clCreateKernel(k->program, k->name, &code);
    if (code == CL_SUCCESS)
        bcl_program_cache_store(k->program, &entry);
    else
        status = bcl_cl_fail(code, "cl/%s: kernel %s", k->file, k->name);
out:
    if (code != CL_SUCCESS)
        k->kernel = NULL;
    bcl_program_entry_close(&entry);
    bcl_string_free(&source);
    bcl_string_free(&words);
    return status;
}

static void release(bcl_kernel *k) {
    if (k->kernel)
        clReleaseKernel(k->kernel);
    if (k->program)
        clReleaseProgram(k->program);
    k->kernel = NULL;
    k->program = NULL;
}

void bcl_kernel_free(bcl_kernel *k) {
    if (!k)
        return;
    bcl_call_forget(k);
    bcl_calls_free(k);
    release(k);
    free(k->file);
    free(k->name);
    free(k->options);
    free(k);
}

/* A program that another kernel of the same source and options has, or NULL. */
static cl_program find_shared(const bcl_kernel *k) {
    const bcl_device *d = k->device;
    for (size_t i = d->kernel_count; i-- > 0;) {
        const bcl_kernel *have = d->kernels[i];
        if (!strcmp(have->file, k->file) && !strcmp(have->options, k->options) &&
            have->items == k->items)
            return have->program;
    }
    return NULL;
}

/* The kernel for groups of k->items. */
static bcl_status make(bcl_kernel *k) {
    bcl_status status = BCL_OK;
    cl_int code = CL_SUCCESS;
    const cl_program shared = find_shared(k);
    if (shared) {
        BCL_CL(clRetainProgram(shared), "cl/%s: kernel %s", k->file, k->name);
        k->program = shared;
        k->kernel = clCreateKernel(shared, k->name, &code);
        if (code != CL_SUCCESS) {
            clReleaseProgram(shared);
            k->program = NULL;
            k->kernel = NULL;
        }
    }
    if (!k->kernel)
        BCL_TRY(build(k, shared != NULL));
out:
    return status;
}

/* How many work-items a group may have is known of a built kernel alone: by its registers. */
static bcl_status ask_limit(bcl_kernel *k) {
    bcl_status status = BCL_OK;
    const bcl_device *d = k->device;
    BCL_CL(clGetKernelWorkGroupInfo(k->kernel, d->id, CL_KERNEL_WORK_GROUP_SIZE, sizeof k->limit,
                                    &k->limit, NULL),
           "cl/%s: the work-group limit of kernel %s", k->file, k->name);
    if (!k->limit) /* not told */
        k->limit = d->info.max_work_group;
out:
    return status;
}

/* The kernel for the largest groups of a power of two items, up to the device's, that run. One that
 * requires a size of groups has no use for LS. */
static bcl_status make_fit(bcl_kernel *k) {
    bcl_status status = BCL_OK;
    size_t required[3] = {0};
    k->items = bcl_device_row_items(k->device);
    BCL_TRY(make(k));
    BCL_TRY(ask_limit(k));
    if (k->items > k->limit)
        BCL_CL(clGetKernelWorkGroupInfo(k->kernel, k->device->id, CL_KERNEL_COMPILE_WORK_GROUP_SIZE,
                                        sizeof required, required, NULL),
               "cl/%s: the work-group of kernel %s", k->file, k->name);
    while (k->items > k->limit && !required[0]) {
        while (k->items > k->limit)
            k->items /= 2;
        release(k);
        BCL_TRY(make(k));
        BCL_TRY(ask_limit(k));
    }
out:
    return status;
}

bcl_status bcl_kernel_get(bcl_kernel **out, bcl_device *d, const char *file, const char *name,
                          const char *options) {
    bcl_status status = BCL_OK;
    bcl_kernel *k = NULL;
    for (size_t i = 0; i < d->kernel_count; i++) {
        bcl_kernel *have = d->kernels[i];
        if (!strcmp(have->name, name) && !strcmp(have->file, file) &&
            !strcmp(have->options, options)) {
            *out = have;
            return BCL_OK;
        }
    }
    BCL_TRY(bcl_device_check_given_up(d));
    BCL_TRY(bcl_grow(&d->kernels, &d->kernel_capacity, d->kernel_count + 1, sizeof *d->kernels));
    BCL_NEW(k, 1);
    d->kernels[d->kernel_count] = k;
    k->device = d;
    BCL_TRY(bcl_strdup(&k->file, file));
    BCL_TRY(bcl_strdup(&k->name, name));
    BCL_TRY(bcl_strdup(&k->options, options));
    BCL_TRY(make_fit(k));
    BCL_CL(clGetKernelInfo(k->kernel, CL_KERNEL_NUM_ARGS, sizeof k->argument_count,
                           &k->argument_count, NULL),
           "cl/%s: the arguments of kernel %s", file, name);
    d->kernel_count++;
    bcl_call_built();
    *out = k;
out:
    if (status)
        bcl_kernel_free(k);
    return status;
}

size_t bcl_kernel_limit(const bcl_kernel *k) {
    return k->limit;
}

size_t bcl_kernel_items(const bcl_kernel *k) {
    return k->items;
}
