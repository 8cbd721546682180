/* CLBlast's own parameters: the words of a name such as "clblast:GEMMK=0,KREG=1,...", their rules
 * as CLBlast's tuner has them (src/tuning/kernels/xgemm.hpp, xgemm_direct.hpp), and the sets that
 * tuning tries. */
#include "ops/gemm/clblast_parameters.h"

#include <clblast_c.h>

enum { XGEMM, DIRECT, ROUTINE, KERNELS };
enum { MOST = 16, LARGEST = 1000000 };

/* In the order of CLBlast's database. */
static const struct {
    const char *name;
    const char *parameters[MOST];
} kernels[KERNELS] = {
    {"Xgemm", /* large products, operands copied to whole tiles */
     {"GEMMK", "KREG", "KWG", "KWI", "MDIMA", "MDIMC", "MWG", "NDIMB", "NDIMC", "NWG", "SA", "SB",
      "STRM", "STRN", "VWM", "VWN"}},
    {"XgemmDirect", /* small ones, as they lie */
     {"KWID", "MDIMAD", "MDIMCD", "NDIMBD", "NDIMCD", "PADA", "PADB", "VWMD", "VWND", "WGD"}},
    {"GemmRoutine", /* M N K below the cube of this takes the direct kernel */
     {"XGEMM_MIN_INDIRECT_SIZE"}}};

/* `a` is a multiple of b * c / d; with `only` 0 or 1 where GEMMK is that. */
static const struct {
    int kernel, only;
    const char *a, *b, *c, *d;
} rules[] = {{XGEMM, -1, "KWG", "KWI", NULL, NULL},
             {XGEMM, -1, "MWG", "MDIMC", "VWM", NULL},
             {XGEMM, -1, "NWG", "NDIMC", "VWN", NULL},
             {XGEMM, -1, "MWG", "MDIMA", "VWM", NULL},
             {XGEMM, -1, "NWG", "NDIMB", "VWN", NULL},
             {XGEMM, 0, "KWG", "MDIMC", "NDIMC", "MDIMA"},
             {XGEMM, 0, "KWG", "MDIMC", "NDIMC", "NDIMB"},
             {XGEMM, 1, "KREG", "VWN", NULL, NULL},
             {DIRECT, -1, "WGD", "KWID", NULL, NULL},
             {DIRECT, -1, "WGD", "MDIMCD", "VWMD", NULL},
             {DIRECT, -1, "WGD", "NDIMCD", "VWND", NULL},
             {DIRECT, -1, "WGD", "MDIMAD", "VWMD", NULL},
             {DIRECT, -1, "WGD", "NDIMBD", "VWND", NULL},
             {DIRECT, -1, "WGD", "MDIMCD", "NDIMCD", "MDIMAD"},
             {DIRECT, -1, "WGD", "MDIMCD", "NDIMCD", "NDIMBD"}};
enum { RULES = sizeof rules / sizeof *rules };

typedef struct values {
    size_t of[KERNELS][MOST];
    bool given[KERNELS][MOST];
} values;

/* Which kernels have been given parameters in this process. */
static bool overridden[KERNELS];

static bool find(const char *name, size_t size, int *kernel, int *index) {
    for (*kernel = 0; *kernel < KERNELS; ++*kernel)
        for (*index = 0; *index < MOST && kernels[*kernel].parameters[*index]; ++*index)
            if (strlen(kernels[*kernel].parameters[*index]) == size &&
                !strncmp(kernels[*kernel].parameters[*index], name, size))
                return true;
    return false;
}

/* 1 for NULL: a factor that a rule does not have. */
static size_t value(const values *v, const char *name) {
    int kernel, index;
    return name && find(name, strlen(name), &kernel, &index) ? v->of[kernel][index] : 1;
}

static bool is_switch(const char *name) {
    static const char *const switches[] = {"GEMMK", "SA", "SB", "STRM", "STRN", "PADA", "PADB"};
    for (size_t i = 0; i < sizeof switches / sizeof *switches; i++)
        if (!strcmp(name, switches[i]))
            return true;
    return false;
}

static bcl_status parse(values *v, const char *text) {
    bcl_status status = BCL_OK;
    *v = (values){0};
    for (const char *at = text;; at++) {
        const size_t size = strcspn(at, ",="), all = strcspn(at, ",");
        int kernel, index, end = -1;
        unsigned long number = 0;
        if (!find(at, size, &kernel, &index))
            BCL_FAIL(
                BCL_ERROR_ARGUMENT,
                "GEMM provider \"clblast:%s\": found \"%.*s\", expected KEY=VALUE with a key of "
                "CLBlast's Xgemm, XgemmDirect or GemmRoutine",
                text, (int)all, at);
        const char *name = kernels[kernel].parameters[index];
        const unsigned long least = is_switch(name) ? 0 : 1, most = is_switch(name) ? 1 : LARGEST;
        if (all < size + 2 || strspn(at + size + 1, "0123456789") != all - size - 1 ||
            sscanf(at + size, "=%7lu%n", &number, &end) != 1 || (size_t)end != all - size ||
            number < least || number > most)
            BCL_FAIL(
                BCL_ERROR_ARGUMENT,
                "GEMM provider \"clblast:%s\": found \"%.*s\", expected %s to be a number of %lu "
                "to %lu",
                text, (int)all, at, name, least, most);
        if (v->given[kernel][index])
            BCL_FAIL(BCL_ERROR_ARGUMENT, "GEMM provider \"clblast:%s\": %s is given twice", text,
                     name);
        v->given[kernel][index] = true;
        v->of[kernel][index] = number;
        at += all;
        if (!*at)
            break;
    }
out:
    return status;
}

static bcl_status check_complete(const values *v, const char *text, int kernel) {
    for (int i = 0; i < MOST && kernels[kernel].parameters[i]; i++)
        if (!v->given[kernel][i])
            return bcl_fail(BCL_ERROR_ARGUMENT,
                            "GEMM provider \"clblast:%s\": %s lacks its parameter %s", text,
                            kernels[kernel].name, kernels[kernel].parameters[i]);
    return BCL_OK;
}

static bcl_status check_rules(const values *v, const char *text, int kernel) {
    for (int i = 0; i < RULES; i++) {
        if (rules[i].kernel != kernel ||
            (rules[i].only >= 0 && (size_t)rules[i].only != value(v, "GEMMK")))
            continue;
        const size_t unit = value(v, rules[i].b) * value(v, rules[i].c) / value(v, rules[i].d);
        if (!unit || value(v, rules[i].a) % unit)
            return bcl_fail(BCL_ERROR_ARGUMENT,
                            "GEMM provider \"clblast:%s\": %s is %zu, expected a multiple of "
                            "%s%s%s%s%s = %zu",
                            text, rules[i].a, value(v, rules[i].a), rules[i].b,
                            rules[i].c ? " * " : "", rules[i].c ? rules[i].c : "",
                            rules[i].d ? " / " : "", rules[i].d ? rules[i].d : "", unit);
    }
    return BCL_OK;
}

/* CLBlast would ask the driver for what it does not have. */
static bcl_status check_device(const values *v, const char *text, int kernel,
                               const bcl_device_info *about) {
    size_t items = 1, floats = 0;
    if (kernel == XGEMM) {
        items = value(v, "MDIMC") * value(v, "NDIMC");
        floats =
            value(v, "KWG") * (value(v, "SA") * value(v, "MWG") + value(v, "SB") * value(v, "NWG"));
    } else if (kernel == DIRECT) {
        items = value(v, "MDIMCD") * value(v, "NDIMCD");
        floats = value(v, "WGD") * (2 * value(v, "WGD") + value(v, "PADA") + value(v, "PADB"));
    }
    if (items > about->max_work_group || floats > about->local_memory / sizeof(float))
        return bcl_fail(
            BCL_ERROR_ARGUMENT,
            "GEMM provider \"clblast:%s\": %s takes %zu work-items and %zu bytes of local "
            "memory, %s has %zu and %llu",
            text, kernels[kernel].name, items, floats * sizeof(float), about->id,
            about->max_work_group, (unsigned long long)about->local_memory);
    return BCL_OK;
}

static bcl_status override(bcl_device *device, const values *v, int kernel) {
    bcl_status status = BCL_OK;
    cl_device_id id = NULL;
    const char *names[MOST];
    size_t count = 0;
    memcpy(names, kernels[kernel].parameters, sizeof names);
    while (count < MOST && names[count])
        count++;
    BCL_CL(clGetCommandQueueInfo(bcl_device_queue(device), CL_QUEUE_DEVICE, sizeof id, &id, NULL),
           "%s: asking for the queue's device", bcl_device_about(device)->id);
    const CLBlastStatusCode code = CLBlastOverrideParameters(
        id, kernels[kernel].name, CLBlastPrecisionSingle, count, names, v->of[kernel]);
    if (code != CLBlastSuccess)
        BCL_FAIL(BCL_ERROR_DEVICE, "CLBlast does not take parameters for %s (%d)",
                 kernels[kernel].name, (int)code);
    overridden[kernel] = true;
out:
    return status;
}

bcl_status bcl_clblast_set_parameters(bcl_device *device, const char *parameters) {
    bcl_status status = BCL_OK;
    values v = {0};
    bool given[KERNELS] = {0};
    if (parameters)
        BCL_TRY(parse(&v, parameters));
    for (int k = 0; k < KERNELS; k++) {
        for (int i = 0; i < MOST; i++)
            given[k] = given[k] || v.given[k][i];
        if (!given[k] && overridden[k])
            BCL_FAIL(
                BCL_ERROR_ARGUMENT,
                "GEMM provider \"clblast%s%s\": this process has set other parameters for %s, and "
                "CLBlast cannot go back",
                parameters ? ":" : "", parameters ? parameters : "", kernels[k].name);
        if (!given[k])
            continue;
        BCL_TRY(check_complete(&v, parameters, k));
        BCL_TRY(check_rules(&v, parameters, k));
        BCL_TRY(check_device(&v, parameters, k, bcl_device_about(device)));
    }
    for (int k = 0; k < KERNELS; k++)
        if (given[k])
            BCL_TRY(override(device, &v, k));
    CLBlastClearCache(); /* what was compiled with others */
out:
    return status;
}

/* ---- candidates ---- */

static bcl_status add_kernel(bcl_string *out, int kernel, const int *set) {
    bcl_status status = BCL_OK;
    for (int i = 0; i < MOST && kernels[kernel].parameters[i]; i++)
        BCL_TRY(bcl_string_addf(out, "%s%s=%d", out->size ? "," : "", kernels[kernel].parameters[i],
                                set[i]));
out:
    return status;
}

/* The sets that most devices share in CLBlast's database, by use; a set that a device cannot take
 * is refused when it is tried. First the direct kernel for everything, then large tiles. */
bcl_status bcl_clblast_candidates(bcl_gemm_names *names, const bcl_device *device, bool thorough) {
    static const int xgemm[][MOST] = {{0, 1, 32, 2, 16, 16, 64, 8, 8, 64, 0, 0, 0, 0, 4, 4},
                                      {0, 1, 32, 2, 16, 16, 64, 8, 8, 64, 1, 1, 0, 0, 4, 4},
                                      {0, 1, 32, 2, 8, 8, 128, 32, 16, 128, 1, 1, 1, 1, 4, 4},
                                      {0, 1, 32, 2, 16, 16, 64, 8, 8, 128, 0, 0, 1, 0, 2, 4},
                                      {0, 1, 32, 2, 8, 8, 64, 32, 16, 128, 1, 1, 1, 1, 2, 2},
                                      {0, 1, 16, 2, 8, 8, 32, 8, 16, 128, 1, 0, 1, 1, 4, 8},
                                      {0, 1, 32, 2, 16, 16, 64, 16, 16, 64, 1, 1, 0, 0, 4, 4},
                                      {0, 1, 32, 2, 8, 8, 32, 8, 8, 32, 1, 1, 0, 0, 4, 4},
                                      {0, 1, 16, 2, 16, 16, 128, 32, 16, 128, 1, 1, 1, 1, 1, 2},
                                      {1, 8, 1, 1, 8, 8, 64, 8, 8, 64, 0, 0, 0, 0, 4, 8},
                                      {1, 4, 1, 1, 16, 16, 64, 8, 8, 64, 0, 0, 0, 0, 4, 4}};
    static const int direct[][MOST] = {{2, 16, 16, 8, 8, 1, 1, 2, 4, 32},
                                       {2, 8, 8, 8, 8, 1, 1, 4, 4, 32},
                                       {2, 16, 8, 8, 16, 1, 1, 2, 1, 64}};
    enum { XGEMMS = sizeof xgemm / sizeof *xgemm, DIRECTS = sizeof direct / sizeof *direct };
    static const int always[MOST] = {LARGEST}, rarely[MOST] = {256};
    bcl_status status = BCL_OK;
    bcl_string words = {0};
    (void)device;
    for (int i = 0; i < (thorough ? DIRECTS : 1); i++, words.size = 0) {
        BCL_TRY(add_kernel(&words, DIRECT, direct[i]));
        BCL_TRY(add_kernel(&words, ROUTINE, always));
        BCL_TRY(bcl_gemm_names_add(names, "clblast:%s", words.data));
    }
    for (int i = 0; i < (thorough ? XGEMMS : 2); i++, words.size = 0) {
        BCL_TRY(add_kernel(&words, XGEMM, xgemm[i]));
        BCL_TRY(add_kernel(&words, DIRECT, direct[0]));
        BCL_TRY(add_kernel(&words, ROUTINE, rarely));
        BCL_TRY(bcl_gemm_names_add(names, "clblast:%s", words.data));
    }
out:
    bcl_string_free(&words);
    return status;
}
