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

static bcl_status compile(cl_program *out, bcl_device *d, const char *file, const bcl_string *text,
                          const char *options) {
    bcl_status status = BCL_OK;
    char *log = NULL;
    size_t log_size = 0;
    cl_int code = CL_SUCCESS;
    const char *source = text->data;
    *out = clCreateProgramWithSource(d->context, 1, &source, &text->size, &code);
    BCL_CL(code, "cl/%s: creating a program", file);
    code = clBuildProgram(*out, 1, &d->id, options, NULL, NULL);
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

/* The program and the kernel `name` of it. A program from the cache that lacks the kernel was not
 * the one: it is compiled as if it had not been there, as with `anew`. */
static bcl_status build(cl_program *program, cl_kernel *kernel, bcl_device *d, const char *file,
                        const char *name, const char *options, bool anew) {
    bcl_status status = BCL_OK;
    bcl_string source = {0}, words = {0};
    bcl_program_entry entry = {0};
    cl_int code = CL_SUCCESS;
    BCL_TRY(expand(&source, file, 0));
    BCL_TRY(bcl_string_addf(&words, "-cl-std=CL1.2 -DVW=%d -DLS=%d %s", bcl_device_vector(d),
                            (int)bcl_device_row_items(d), options));
    BCL_TRY(bcl_program_entry_open(&entry, d, source.data, words.data));
    if (!anew && bcl_program_cache_load(program, d, &entry, words.data)) {
        *kernel = clCreateKernel(*program, name, &code);
        if (code == CL_SUCCESS)
            goto out;
        clReleaseProgram(*program);
        *program = NULL;
    }
    BCL_TRY(compile(program, d, file, &source, words.data));
    *kernel = clCreateKernel(*program, name, &code);
    if (code == CL_SUCCESS)
        bcl_program_cache_store(*program, &entry);
    else
        status = bcl_cl_fail(code, "cl/%s: kernel %s", file, name);
out:
    if (code != CL_SUCCESS)
        *kernel = NULL;
    bcl_program_entry_close(&entry);
    bcl_string_free(&source);
    bcl_string_free(&words);
    return status;
}

void bcl_kernel_free(bcl_kernel *k) {
    if (!k)
        return;
    bcl_calls_free(k);
    if (k->kernel)
        clReleaseKernel(k->kernel);
    if (k->program)
        clReleaseProgram(k->program);
    free(k->file);
    free(k->name);
    free(k->options);
    free(k);
}

bcl_status bcl_kernel_get(bcl_kernel **out, bcl_device *d, const char *file, const char *name,
                          const char *options) {
    bcl_status status = BCL_OK;
    bcl_kernel *k = NULL;
    cl_int code = CL_SUCCESS;
    cl_program shared = NULL;
    for (size_t i = 0; i < d->kernel_count; i++) {
        bcl_kernel *have = d->kernels[i];
        if (strcmp(have->file, file) || strcmp(have->options, options))
            continue;
        if (!strcmp(have->name, name)) {
            *out = have;
            return BCL_OK;
        }
        shared = have->program;
    }
    BCL_TRY(bcl_device_check_given_up(d));
    BCL_TRY(bcl_grow(&d->kernels, &d->kernel_capacity, d->kernel_count + 1, sizeof *d->kernels));
    BCL_NEW(k, 1);
    d->kernels[d->kernel_count] = k;
    k->device = d;
    BCL_TRY(bcl_strdup(&k->file, file));
    BCL_TRY(bcl_strdup(&k->name, name));
    BCL_TRY(bcl_strdup(&k->options, options));
    if (shared) {
        BCL_CL(clRetainProgram(shared), "cl/%s: kernel %s", file, name);
        k->program = shared;
        k->kernel = clCreateKernel(shared, name, &code);
        if (code != CL_SUCCESS) {
            clReleaseProgram(shared);
            k->program = NULL;
            k->kernel = NULL;
        }
    }
    if (!k->kernel)
        BCL_TRY(build(&k->program, &k->kernel, d, file, name, options, shared != NULL));
    BCL_CL(clGetKernelInfo(k->kernel, CL_KERNEL_NUM_ARGS, sizeof k->argument_count,
                           &k->argument_count, NULL),
           "cl/%s: the arguments of kernel %s", file, name);
    d->kernel_count++;
    *out = k;
out:
    if (status)
        bcl_kernel_free(k);
    return status;
}
