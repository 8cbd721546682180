/* Times matrix products of a GEMM provider, beside a BLAS library's in turn, for
 * tools/compare_gemm:
 *   gemm_tool [--precision P] [--gemm NAME] [--device ID] [--blas LIBRARY] [--rounds N]
 * reads a product a line from stdin, "NN|NT|TN M N K", and answers with a JSON line: the median
 * seconds of ours; with a BLAS the median of the rounds' ratios, theirs over ours, and the largest
 * difference as a share of sum |a| |b|. */
#include "ops/gemm/gemm.h"

#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* cblas.h's, by hand: the library is found at run time */
typedef void sgemm_function(int order, int ta, int tb, int M, int N, int K, float alpha,
                            const float *A, int lda, const float *B, int ldb, float beta, float *C,
                            int ldc);
enum { ROW_MAJOR = 101, NO_TRANSPOSE = 111, TRANSPOSE = 112, MAX_ROUNDS = 1000 };
static const double ROUND_SECONDS = 0.01; /* at least, of one side: many small products */
/* OpenBLAS' threads spin for about 25 ms after a product, on the processors of the other side. */
static const struct timespec REST = {.tv_nsec = 50000000};

typedef struct product {
    bcl_gemm_call call;
    float *a, *b, *ours, *theirs;
    size_t c_count;
} product;

static int compare_doubles(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, int count) {
    qsort(values, (size_t)count, sizeof *values, compare_doubles);
    return values[count / 2];
}

static bcl_status make_matrix(bcl_view *out, float **host, bcl_device *device, int rows,
                              int columns, uint64_t seed) {
    bcl_status status = BCL_OK;
    const size_t count = (size_t)rows * (size_t)columns;
    BCL_NEW(*host, count);
    bcl_normal(*host, count, 1, seed);
    BCL_TRY(bcl_view_create(out, device, BCL_ELEMENT_F32, rows, columns, "a matrix"));
    BCL_TRY(bcl_buffer_write(device, out->buffer, 0, *host, out->bytes, true));
out:
    return status;
}

static bcl_status make_product(product *p, bcl_device *device, bcl_gemm_layout layout, int M, int N,
                               int K) {
    bcl_status status = BCL_OK;
    const bool tn = layout == BCL_GEMM_TN, nt = layout == BCL_GEMM_NT;
    p->call = (bcl_gemm_call){.layout = layout, .M = M, .N = N, .K = K};
    p->c_count = (size_t)M * (size_t)N;
    BCL_TRY(make_matrix(&p->call.A, &p->a, device, tn ? K : M, tn ? M : K, 1));
    BCL_TRY(make_matrix(&p->call.B, &p->b, device, nt ? N : K, nt ? K : N, 2));
    BCL_TRY(make_matrix(&p->call.C, &p->ours, device, M, N, 3));
    BCL_NEW(p->theirs, p->c_count);
out:
    return status;
}

static void free_product(product *p, bcl_device *device) {
    bcl_buffer_free(device, &p->call.A.buffer);
    bcl_buffer_free(device, &p->call.B.buffer);
    bcl_buffer_free(device, &p->call.C.buffer);
    free(p->a);
    free(p->b);
    free(p->ours);
    free(p->theirs);
}

static bcl_status run_ours(double *seconds, bcl_device *device, bcl_gemm *gemm, const product *p,
                           int repeats) {
    bcl_status status = BCL_OK;
    double begin = 0;
    nanosleep(&REST, NULL);
    for (int i = -1; i < repeats; i++) {
        BCL_TRY(bcl_gemm_run(gemm, &p->call));
        if (i >= 0)
            continue;
        BCL_TRY(bcl_device_finish(device)); /* the first wakes the threads */
        begin = bcl_seconds();
    }
    BCL_TRY(bcl_device_finish(device));
    *seconds = (bcl_seconds() - begin) / repeats;
out:
    return status;
}

static double run_theirs(sgemm_function *sgemm, const product *p, int repeats) {
    const bcl_gemm_call *c = &p->call;
    double begin = 0;
    nanosleep(&REST, NULL);
    for (int i = -1; i < repeats; i++) {
        sgemm(ROW_MAJOR, c->layout == BCL_GEMM_TN ? TRANSPOSE : NO_TRANSPOSE,
              c->layout == BCL_GEMM_NT ? TRANSPOSE : NO_TRANSPOSE, c->M, c->N, c->K, 1, p->a,
              c->A.ld, p->b, c->B.ld, 0, p->theirs, c->C.ld);
        if (i < 0)
            begin = bcl_seconds();
    }
    return (bcl_seconds() - begin) / repeats;
}

/* The largest |ours - theirs| / sum |a| |b|, where N(0,1) operands make the sum about 2 K / pi. */
static double difference(const product *p) {
    double worst = 0;
    for (size_t i = 0; i < p->c_count; i++) {
        const double d = fabs((double)p->ours[i] - (double)p->theirs[i]) / (0.6366 * p->call.K);
        if (!(d <= worst))
            worst = d;
    }
    return worst;
}

static bcl_status measure(bcl_device *device, bcl_gemm *gemm, sgemm_function *sgemm, int rounds,
                          const char *name, bcl_gemm_layout layout, int M, int N, int K) {
    bcl_status status = BCL_OK;
    static double ours[MAX_ROUNDS], ratios[MAX_ROUNDS];
    product p = {0};
    double once;
    BCL_TRY(make_product(&p, device, layout, M, N, K));
    BCL_TRY(run_ours(&once, device, gemm, &p, 1));
    BCL_TRY(run_ours(&once, device, gemm, &p, 1));
    const int repeats = once > ROUND_SECONDS ? 1 : (int)(ROUND_SECONDS / once) + 1;
    if (sgemm)
        run_theirs(sgemm, &p, 1);
    for (int i = 0; i < rounds; i++) {
        BCL_TRY(run_ours(&ours[i], device, gemm, &p, repeats));
        if (sgemm)
            ratios[i] = run_theirs(sgemm, &p, repeats) / ours[i];
    }
    printf(
        "{\"layout\": \"%s\", \"M\": %d, \"N\": %d, \"K\": %d, \"gemm\": \"%s\", \"seconds\": %.9g",
        name, M, N, K, bcl_gemm_name(gemm), median(ours, rounds));
    if (sgemm) {
        BCL_TRY(
            bcl_buffer_read(device, p.call.C.buffer, 0, p.ours, p.c_count * sizeof(float), true));
        printf(", \"ratio\": %.9g, \"difference\": %.3g", median(ratios, rounds), difference(&p));
    }
    printf("}\n");
    fflush(stdout);
out:
    free_product(&p, device);
    return status;
}

int main(int argc, char **argv) {
    bcl_status status = BCL_OK;
    bcl_device *device = NULL;
    bcl_gemm *gemm = NULL;
    sgemm_function *sgemm = NULL;
    const char *name = NULL, *id = NULL, *blas = NULL, *wanted = "fp32";
    char why[BCL_GEMM_WHY];
    bcl_precision precision;
    int rounds = 9;
    char layout[3];
    int M, N, K;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (!strcmp(argv[i], "--gemm"))
            name = argv[i + 1];
        else if (!strcmp(argv[i], "--device"))
            id = argv[i + 1];
        else if (!strcmp(argv[i], "--blas"))
            blas = argv[i + 1];
        else if (!strcmp(argv[i], "--precision"))
            wanted = argv[i + 1];
        else if (!strcmp(argv[i], "--rounds"))
            rounds = atoi(argv[i + 1]);
    }
    if (rounds < 1 || rounds > MAX_ROUNDS)
        BCL_FAIL(BCL_ERROR_ARGUMENT, "--rounds %d: expected 1 to %d", rounds, MAX_ROUNDS);
    if (blas) {
        void *library = dlopen(blas, RTLD_NOW | RTLD_LOCAL);
        void *symbol = library ? dlsym(library, "cblas_sgemm") : NULL;
        if (!symbol)
            BCL_FAIL(BCL_ERROR_ARGUMENT, "%s: no BLAS library: %s", blas, dlerror());
        memcpy(&sgemm, &symbol, sizeof symbol); /* C has no cast from object to function */
    }
    BCL_TRY(bcl_device_open(&device, id, false));
    BCL_TRY(bcl_precision_find(&precision, wanted));
    precision = bcl_gemm_resolve(why, device, name, precision);
    if (*why)
        fprintf(stderr, "gemm_tool: %s\n", why);
    BCL_TRY(bcl_gemm_create(&gemm, device, name, precision));
    while (scanf("%2s %d %d %d", layout, &M, &N, &K) == 4)
        BCL_TRY(measure(device, gemm, sgemm, rounds, layout,
                        !strcmp(layout, "NN")   ? BCL_GEMM_NN
                        : !strcmp(layout, "NT") ? BCL_GEMM_NT
                                                : BCL_GEMM_TN,
                        M, N, K));
out:
    if (status)
        fprintf(stderr, "gemm_tool: %s\n", bcl_message());
    bcl_gemm_free(gemm);
    bcl_device_free(device);
    return status ? 1 : 0;
}
